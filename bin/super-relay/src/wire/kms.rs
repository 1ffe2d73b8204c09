//! Assembles the KMS gateway: TEE transport, account factory, and the bootstrap of a development
//! TEE.

use std::sync::Arc;
use std::time::Duration;

use kms_gateway::bootstrap::{Wanted, bootstrap};
use kms_gateway::clock::SystemClock;
use kms_gateway::factory::{AccountFactory, ChainFactory};
use kms_gateway::transport::TeeTransport;
use kms_gateway::{Gateway, GatewayError, Settings};
use prometheus::Registry;
use proto::bytes::BoundedList;
use proto::command::{Ceilings, Deployment};
use proto::{Address, EntryPoint, Permissions, Wei};

use super::stages::{Stages, Starting};
use super::{admin_key, look, start_error};
use crate::config::Bootstrap;
use crate::error::Error;

/// Opens the gateway with the TEE of the settings. Fails if the TEE reports less protection than
/// they require.
pub async fn open(settings: Settings, registry: &Registry, stages: &Stages) -> Result<Gateway, Error> {
    look::at_kms(&settings).await?;
    let longest = Duration::from_secs(settings.tee_hung_after_seconds);
    stages.reach(Starting::new("the TEE's session is being opened").at_most(longest));
    let (transport, settings) = open_transport(settings).await?;
    stages.reach(Starting::new("it is starting"));
    let factory = settings.factory.as_ref().map(ChainFactory::new).transpose().map_err(start_error("kms"))?;
    let factory = factory.map(|factory| Arc::new(factory) as Arc<dyn AccountFactory>);
    let gateway = Gateway::open(settings, transport, Arc::new(SystemClock), factory, registry)
        .await
        .map_err(start_error("the KMS gateway"))?;
    loop {
        match gateway.ready().await {
            // Another process may have locked the database for a moment; the write finishes in
            // either case.
            Err(GatewayError::StoreSilent { .. }) => {}
            ready => return ready.map(|_| gateway).map_err(start_error("the TEE")),
        }
    }
}

/// Runs where it may block: opening a device's first session takes seconds, and never returns if
/// its supplicant is gone.
async fn open_transport(settings: Settings) -> Result<(Arc<dyn TeeTransport>, Settings), Error> {
    let opening = tokio::task::spawn_blocking(move || {
        let transport = settings.tee.row().open(&settings.data_dir, settings.worker_options());
        transport.map(|transport| (transport, settings))
    });
    opening.await.map_err(start_error("the TEE"))?.map_err(start_error("the TEE"))
}

/// Brings a development TEE into the configured state.
pub async fn provision(
    gateway: &Gateway,
    bootstrapping: &Bootstrap,
    deployments: &[Deployment],
    relay_signers: &[Address],
) -> Result<(), Error> {
    let admin = admin_key::read_or_make(&bootstrapping.admin_key_file)?;
    let configured = bootstrapping.relay_signers.iter().copied();
    for relay_signer in relay_signers.iter().copied().chain(configured) {
        let wanted = wanted(gateway.settings(), bootstrapping, deployments, relay_signer)?;
        bootstrap(gateway, &admin, wanted).await.map_err(start_error("bootstrap"))?;
    }
    tracing::warn!(admin = %admin.address(), "the admin's key is on this machine: for development only");
    Ok(())
}

/// The deployments configured for a KMS without a relay.
pub fn bootstrap_deployments(bootstrapping: &Bootstrap) -> Vec<Deployment> {
    let deployments = bootstrapping.deployments.iter().map(|deployment| Deployment {
        entry_point: EntryPoint {
            chain_id: deployment.chain_id,
            address: deployment.entry_point,
            version: deployment.version,
        },
        paymaster: deployment.paymaster,
    });
    deployments.collect()
}

/// The deployments in the relay's settings, in the form of the ceilings.
pub fn deployments(relay: &paymaster_relay::Settings) -> Vec<Deployment> {
    let deployments = relay.deployments.iter().filter_map(|deployment| {
        // The settings were validated: each deployment is on a configured chain.
        let chain_id = relay.chain_of(deployment)?;
        let entry_point = EntryPoint { chain_id, address: deployment.entry_point, version: deployment.version };
        Some(Deployment { entry_point, paymaster: deployment.paymaster })
    });
    deployments.collect()
}

pub(super) fn wanted(
    kms: &Settings,
    bootstrapping: &Bootstrap,
    deployments: &[Deployment],
    relay_signer: Address,
) -> Result<Wanted, Error> {
    let relying_party = kms.relying_party().map_err(start_error("kms.origins"))?;
    let ceilings = Ceilings {
        deployments: BoundedList::new(deployments.to_vec()).map_err(start_error("deployments"))?,
        max_cost: Wei::from(bootstrapping.max_cost_wei),
        max_window: bootstrapping.max_window_seconds,
        max_accounts: bootstrapping.max_accounts,
    };
    let mut permissions = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION | Permissions::ROTATE;
    if bootstrapping.sponsor_without_passkey == Some(true) {
        permissions = permissions | Permissions::SPONSOR_WITHOUT_PASSKEY;
    }
    Ok(Wanted { relying_parties: vec![relying_party], ceilings, relay_signer, permissions })
}
