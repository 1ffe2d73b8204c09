//! The two kinds of process: a node, and a KMS gateway alone.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kms_gateway::Gateway;
use paymaster_relay::clients::ApiKeys;
use paymaster_relay::kms::{HttpKms, Kms};
use paymaster_relay::relay_key::RelayKey;
use paymaster_relay::store::SqliteStore;
use paymaster_relay::{Page, Settings, Settler, Sweeper};
use prometheus::Registry;
use serve::Pulse;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ports::{Ports, bind};
use super::relay::OpenRelay;
use super::servers::Servers;
use super::stages::{GatewayReadiness, RelayReadiness, Stages};
use super::{kms, look, relay, start_error};
use crate::config::{Config, KmsOfNode, RemoteKms};
use crate::error::Error;
use crate::in_process_kms::InProcessKms;
use crate::ledger;
use crate::ops::{self, Readiness};
use crate::{admin_socket, api_key};
use crate::{policies, telemetry};

/// A running node: the relay, and the KMS unless remote gateways are configured.
pub struct Node {
    servers: Servers,
    store: SqliteStore,
    api_keys: Arc<ApiKeys>,
    gateway: Option<Gateway>,
    stages: Arc<Stages>,
}

impl Node {
    /// Starts everything; the returned node is already serving.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (settings, kms) = config.for_node()?;
        // From the first moment on: an unhandled SIGHUP would end the process.
        let hangups = signal(SignalKind::hangup()).map_err(start_error("signals"))?;
        let (mut servers, registry, ports) = (Servers::new(config.shutdown), Registry::new(), Ports::fit(&config)?);
        let stages = serve_operations(&mut servers, &registry, &config, &ports).await?;
        look::at_relay(settings).await?;
        // A check may run next to another node, a start may not.
        admin_socket::check_free(&settings.admin_socket())?;
        let (gateway, port): (_, Arc<dyn Kms>) = match kms {
            KmsOfNode::Here(kms) => {
                let gateway = kms::open(kms.clone(), &registry, &stages).await?;
                (Some(gateway.clone()), Arc::new(InProcessKms { gateway, url: local_url(config.listen.kms) }))
            }
            KmsOfNode::Elsewhere(remote) => (None, Arc::new(remote_kms(remote)?)),
        };
        let key = relay::open_key(settings, Arc::clone(&port))?;
        if let (Some(gateway), Some(bootstrap)) = (&gateway, &config.bootstrap) {
            let bootstrap = bootstrap.beside(&settings.policies);
            kms::provision(gateway, &bootstrap, &kms::deployments(settings), &[key.address().await]).await?;
        }
        settle_rotation(&key).await;
        let relay_signer = key.address().await;
        let open = relay::open(settings, port, key, &registry).await?;

        let mut pulses = Vec::new();
        // First, so that the page can be told where it is.
        let kms_url = match &gateway {
            Some(gateway) => {
                let (pulse, address) = serve_kms(&mut servers, gateway, &registry, &config, &ports).await?;
                pulses.push(("listen.kms", pulse));
                local_url(address)
            }
            None => config.remote_kms.urls.first().map(ToString::to_string).unwrap_or_default(),
        };
        let page = Page::new(settings, &kms_url, Arc::clone(&open.key)).map_err(start_error("relay"))?;
        let (rpc, rpc_address) = bind("rpc", config.listen.rpc, ports.rpc, &registry).await?;
        pulses.push(("listen.rpc", rpc.pulse()));
        tracing::info!(rpc = %rpc_address, %relay_signer, page = page.is_some(), "the relay serves");
        servers.serve("JSON-RPC", Arc::new(open.rpc.with_page(page)).serve(rpc, servers.stop()));
        let socket = admin_socket::bind(&settings.admin_socket())?;
        let routes = api_key::routes(Arc::clone(&open.api_keys))
            .merge(ledger::routes(Arc::new(open.store.clone())))
            .merge(policies::routes(Arc::clone(&open.policies)));
        servers.serve("admin socket", admin_socket::serve(socket, routes, servers.stop()));
        let (register, stop) = (Arc::clone(&open.policies), servers.stop());
        servers.work("policies", async move { register.follow(stop).await });
        stages.reach(RelayReadiness { relay: Arc::clone(&open.readiness), gateway: gateway.clone(), ports: pulses });
        let OpenRelay { settlers, sweeper, deliverers, key, store, api_keys, .. } = open;
        for deliverer in deliverers {
            let stop = servers.stop();
            servers.work("delivery to a webhook", async move { deliverer.run(stop).await });
        }
        in_the_background(&mut servers, settings, settlers, sweeper, key, hangups);
        Ok(Self { servers, store, api_keys, gateway, stages })
    }

    /// Runs until it is stopped by a signal.
    pub async fn run_until_stopped(mut self) -> Result<(), Error> {
        let outcome = self.servers.run_until_stopped(&self.stages).await;
        self.close().await;
        outcome
    }

    async fn close(self) {
        if let Err(error) = self.api_keys.save_usage().await {
            tracing::warn!(%error, "the last use of API keys could not be recorded");
        }
        self.store.database().close().await;
        if let Some(gateway) = self.gateway {
            gateway.close().await;
        }
        tracing::info!("stopped");
    }
}

/// A running KMS gateway.
pub struct KmsNode {
    servers: Servers,
    stages: Arc<Stages>,
    gateway: Gateway,
}

impl KmsNode {
    /// Starts the gateway; the returned gateway is already serving.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let settings = config.for_kms()?.clone();
        // SIGHUP is ignored: without a handler it would end the process.
        drop(signal(SignalKind::hangup()).map_err(start_error("signals"))?);
        let (mut servers, registry, ports) = (Servers::new(config.shutdown), Registry::new(), Ports::fit(&config)?);
        let stages = serve_operations(&mut servers, &registry, &config, &ports).await?;
        let gateway = kms::open(settings, &registry, &stages).await?;
        if let Some(bootstrap) = &config.bootstrap {
            kms::provision(&gateway, bootstrap, &kms::bootstrap_deployments(bootstrap), &[]).await?;
        }
        let (pulse, _) = serve_kms(&mut servers, &gateway, &registry, &config, &ports).await?;
        stages.reach(GatewayReadiness { gateway: gateway.clone(), ports: vec![("listen.kms", pulse)] });
        Ok(Self { servers, stages, gateway })
    }

    /// Runs until it is stopped by a signal.
    pub async fn run_until_stopped(mut self) -> Result<(), Error> {
        let outcome = self.servers.run_until_stopped(&self.stages).await;
        self.gateway.close().await;
        outcome
    }
}

/// The remote gateways.
pub(super) fn remote_kms(remote: &RemoteKms) -> Result<HttpKms, Error> {
    HttpKms::new(remote.urls.clone(), Duration::from_secs(remote.timeout_seconds)).map_err(start_error("remote_kms"))
}

/// Before anything that may take long, so that its progress can be queried.
async fn serve_operations(
    servers: &mut Servers,
    registry: &Registry,
    config: &Config,
    ports: &Ports,
) -> Result<Arc<Stages>, Error> {
    telemetry::register(registry).map_err(start_error("metrics"))?;
    let stages = Arc::new(Stages::new());
    let (listener, address) = bind("ops", config.listen.ops, ports.ops, registry).await?;
    tracing::info!(ops = %address, "operations are served");
    let readiness: Arc<dyn Readiness> = Arc::<Stages>::clone(&stages);
    let hosts = config.listen.ops_hosts.clone();
    servers.serve_operations(ops::serve(listener, registry.clone(), readiness, hosts, servers.stop_operations()));
    Ok(stages)
}

async fn serve_kms(
    servers: &mut Servers,
    gateway: &Gateway,
    registry: &Registry,
    config: &Config,
    ports: &Ports,
) -> Result<(Pulse, SocketAddr), Error> {
    let (listener, address) = bind("kms", config.listen.kms, ports.kms, registry).await?;
    let pulse = listener.pulse();
    tracing::info!(kms = %address, "the KMS serves");
    servers.serve("KMS", kms_gateway::serve(listener, gateway.clone(), servers.stop()));
    Ok((pulse, address))
}

/// Resolves an interrupted rotation once the KMS answers; until then the old key stays in use.
async fn settle_rotation(key: &RelayKey) {
    if let Err(problem) = key.resolve().await {
        tracing::warn!(%problem, "a rotation of the relay's key is still open");
    }
}

fn in_the_background(
    servers: &mut Servers,
    settings: &Settings,
    settlers: Vec<Arc<Settler>>,
    sweeper: Sweeper,
    key: Arc<RelayKey>,
    mut hangups: Signal,
) {
    let stop = servers.stop();
    servers.work("sweep", async move { sweeper.run(stop).await });

    let every = Duration::from_secs(settings.settlement_interval_seconds);
    for settler in settlers {
        let (books, stop) = (Arc::clone(&settler), servers.stop());
        servers.work("ledger", async move { books.keep_books(stop).await });
        let stop = servers.stop();
        servers.work("settlement", async move { settler.run(every, stop).await });
    }

    // Even without an interval it resolves an interrupted rotation.
    let (fresh, stop) = (Arc::clone(&key), servers.stop());
    servers.work("rotation", async move { fresh.keep_fresh(stop).await });

    let stop = servers.stop();
    servers.work("rotation by command", async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            match key.rotate().await {
                Ok(address) => tracing::info!(%address, "the relay's key was rotated"),
                Err(problem) => tracing::error!(%problem, "a rotation of the relay's key by command failed"),
            }
        }
    });
}

/// The URL at which an admin on this machine reaches a server with that address.
fn local_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}
