//! The page at the JSON-RPC port: which requests get it, and what the node tells it.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use page::FACTS;
use proto::Address;
use serde::Serialize;
use serve::asks_for_web_socket;
use url::Url;

use crate::relay_key::RelayKey;
use crate::settings::{Settings, SettingsError};

/// What the page is told: nothing that is secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    version: &'static str,
    rpc_path: String,
    chain_id: u64,
    entry_point: Address,
    entry_point_version: String,
    paymaster: Address,
    kms_url: String,
    /// `null` if there is none that is public.
    node_url: Option<String>,
    rp_id: String,
    /// The relay's key, which rotates.
    relay_signer: Address,
}

/// The page of a relay, about its first deployment.
pub struct Page {
    files: page::Page,
    facts: Facts,
    key: Arc<RelayKey>,
}

impl Page {
    /// `None` if the settings do not enable it. `kms_url` is where the KMS is unless they say so.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn new(settings: &Settings, kms_url: &str, key: Arc<RelayKey>) -> Result<Option<Self>, SettingsError> {
        let Some(deployment) = settings.deployments.first().filter(|_| settings.page.enabled == Some(true)) else {
            return Ok(None);
        };
        let kms_url = settings.page.kms(kms_url)?;
        let node_url = settings.node_of_page();
        let origins = [Some(&kms_url), node_url.as_ref()].into_iter().flatten();
        let origins: Vec<_> = origins.map(|url| url.origin().ascii_serialization()).collect();
        let files = page::Page::new(origins.iter().map(String::as_str));
        let files = files.map_err(|problem| SettingsError::Invalid { key: "page", problem: problem.to_string() })?;
        let chain_id = settings.chain_of(deployment).unwrap_or_default();
        let facts = Facts {
            version: env!("CARGO_PKG_VERSION"),
            rpc_path: format!("/rpc/{chain_id}"),
            chain_id,
            entry_point: deployment.entry_point,
            entry_point_version: deployment.version.to_string(),
            paymaster: deployment.paymaster,
            kms_url: without_slash(&kms_url),
            node_url: node_url.as_ref().map(without_slash),
            rp_id: settings.rp_id.clone(),
            relay_signer: Address::default(),
        };
        Ok(Some(Self { files, facts, key }))
    }

    /// The answer, if the request reads a file of the page. None of the requests that calls are
    /// made with does.
    pub(super) fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Option<BoxFuture<'static, Response<Bytes>>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read || asks_for_web_socket(request.headers()) {
            return None;
        }
        if request.uri().path() == FACTS {
            let page = Arc::clone(self);
            return Some(Box::pin(async move { page.told().await }));
        }
        let file = self.files.file(request.uri().path())?;
        Some(Box::pin(ready(file)))
    }

    async fn told(&self) -> Response<Bytes> {
        let facts = Facts { relay_signer: self.key.address().await, ..self.facts.clone() };
        // This cannot fail to serialise; if it did, the page would say that it is not told enough.
        self.files.json(serde_json::to_string(&facts).unwrap_or_default())
    }
}

fn without_slash(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
