//! The server: HTTP and WebSocket on one port, and a shutdown that lets requests in progress
//! finish.

use std::io;
use std::sync::Arc;

use http::Request;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, HttpBody, Server, ServerConfig, stop_channel};
use relay_api::RelayApiServer as _;
use serve::{Body, Bounds, Listener, TrustedProxies, Turns};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

use super::call_log::CallLog;
use super::calls::{CallsLayer, PER_CALL};
use super::http::{EdgeLayer, WebSockets};
use super::methods::Methods;
use super::page::Page;
use super::sources::{origins, proxies};
use crate::chains::Chains;
use crate::clients::{ApiKeys, Origins};
use crate::metrics::Metrics;
use crate::parts::Parts;
use crate::ports::Clock;
use crate::settings::{RpcSettings, SettingsError};
use crate::sponsor::Sponsor;

/// Maximum number of batch calls that are parsed. A batch over `max_batch` is refused call by call
/// up to here, and in one answer above.
const MOST_CALLS: u32 = 1000;

/// The JSON-RPC server: access, limits, and the methods.
pub struct RpcServer {
    settings: RpcSettings,
    api_keys: Arc<ApiKeys>,
    allowed_origins: Arc<Origins>,
    trusted_proxies: Arc<TrustedProxies>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    log: Arc<CallLog>,
    chains: Arc<Chains>,
    methods: Methods,
    page: Option<Arc<Page>>,
}

impl RpcServer {
    /// Creates the server; it does not serve yet.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &RpcSettings, sponsor: Arc<Sponsor>, parts: &Parts) -> Result<Self, SettingsError> {
        let log = Arc::<CallLog>::default();
        let methods = Methods::new(sponsor, Arc::clone(&log), parts);
        let Parts { chains, clock, metrics, api_keys, .. } = parts.clone();
        Ok(Self {
            allowed_origins: Arc::new(origins(settings)?),
            trusted_proxies: Arc::new(proxies(settings)?),
            settings: settings.clone(),
            chains,
            api_keys,
            clock,
            metrics,
            log,
            methods,
            page: None,
        })
    }

    /// Serves this page too.
    #[must_use]
    pub fn with_page(self, page: Option<Page>) -> Self {
        Self { page: page.map(Arc::new), ..self }
    }

    /// The registered methods, under every name.
    pub fn method_names(&self) -> Vec<&'static str> {
        self.methods.clone().into_rpc().method_names().collect()
    }

    /// Serves until stopped, and then until the last request in progress is answered.
    ///
    /// # Errors
    /// [`io::Error`] of the listener.
    pub async fn serve(self: Arc<Self>, listener: impl Into<Listener>, shutdown: CancellationToken) -> io::Result<()> {
        let listener: Listener = listener.into();
        let settings = &self.settings;
        let Bounds { serving, .. } = listener.bounds();
        let max_response =
            settings.max_body_bytes.saturating_mul(2).saturating_add(settings.max_batch.saturating_mul(PER_CALL));
        let config = ServerConfig::builder()
        .max_request_body_size(settings.max_body_bytes)
        .max_response_body_size(max_response)
        // The listener counts connections itself.
        .max_connections(u32::MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(settings.max_batch.max(MOST_CALLS)))
        .build();
        let web_sockets = WebSockets::default();
        let edge = EdgeLayer {
            api_keys: Arc::clone(&self.api_keys),
            allowed_origins: Arc::clone(&self.allowed_origins),
            trusted_proxies: Arc::clone(&self.trusted_proxies),
            chains: Arc::clone(&self.chains),
            max_body_bytes: settings.max_body_bytes,
            max_batch: settings.max_batch,
            log: Arc::clone(&self.log),
            web_sockets: web_sockets.clone(),
            turns: Turns::default(),
            page: self.page.clone(),
        };
        let calls = CallsLayer {
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            log: Arc::clone(&self.log),
            max_batch: settings.max_batch,
            max_response,
            within: serving,
        };
        let no_room = edge.clone();
        let (stop, _running) = stop_channel();
        let json_rpc = Server::builder()
            .set_config(config)
            .set_http_middleware(ServiceBuilder::new().layer(edge))
            .set_rpc_middleware(RpcServiceBuilder::new().layer(calls))
            .to_service_builder()
            .build(self.methods.clone().into_rpc(), stop);
        let service =
            ServiceBuilder::new().map_request(|request: Request<Body>| request.map(HttpBody::new)).service(json_rpc);

        let end_web_sockets = async {
            shutdown.cancelled().await;
            web_sockets.close().await;
        };
        let http =
            listener.refusing_with(move |request| no_room.clone().no_room(request)).serve(service, shutdown.clone());
        let (served, ()) = tokio::join!(http, end_web_sockets);
        served
    }
}
