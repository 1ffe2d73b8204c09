//! Admin commands that went through another gateway of the same TEE.

use std::sync::Arc;
use std::time::Duration;

use devkit::SoftPasskey;
use kms_gateway::transport::{Asker, TeeTransport as _};
use proto::bytes::BoundedList;
use proto::command::{AuthorizeSigner, Deployment, Request, SetCeilings};
use proto::frame::encode_request;
use proto::{EntryPoint, EntryPointVersion, Permissions, Signature};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{Gate, GatedTee, Kms, PAYMASTER, RelayKey, SponsorRequest, ceilings, entry_point};

const UNSIGNED: Signature = Signature::UNSIGNED;

/// A gateway that has served a request, and its TEE.
async fn served() -> (Kms, Arc<GatedTee>, SponsorRequest) {
    let tee = Arc::new(GatedTee::start(8, Gate::default()));
    let kms = Kms::over_tee(Arc::<GatedTee>::clone(&tee)).await;
    let (passkey, account): (SoftPasskey, Value) = kms.account().await;
    let first = SponsorRequest::new(passkey, &account).signed(&kms.relay);
    kms.sponsor(&first).await.ok();
    (kms, tee, first)
}

/// Without this gateway. Then waits until its last report of the TEE is too old to be used again.
async fn send(tee: &GatedTee, command: &impl Request) {
    assert_eq!(tee.invoke(encode_request(command).unwrap(), Asker::Anyone).await.unwrap(), [0; 4]);
    sleep(Duration::from_millis(1100)).await;
}

#[tokio::test]
async fn a_key_that_was_authorised_through_another_gateway_may_sponsor_a_second_later() {
    let (kms, tee, first) = served().await;
    let (tee_id, new) = (kms.tee_id().await, RelayKey::random());
    let (permissions, counter) = (Permissions::SPONSOR, kms.counter().await + 1);
    let mut command = AuthorizeSigner { tee_id, signer: new.address(), permissions, counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    send(&tee, &command).await;
    kms.sponsor(&first.next(&new)).await.ok();
}

#[tokio::test]
async fn a_chain_that_was_allowed_through_another_gateway_is_served_a_second_later() {
    let (kms, tee, first) = served().await;
    let (tee_id, counter) = (kms.tee_id().await, kms.counter().await + 1);
    let other = EntryPoint { chain_id: 10, ..entry_point(EntryPointVersion::V07) };
    let mut ceilings = ceilings();
    let mut deployments = ceilings.deployments.to_vec();
    deployments.push(Deployment { entry_point: other, paymaster: PAYMASTER });
    ceilings.deployments = BoundedList::new(deployments).unwrap();
    let mut command = SetCeilings { tee_id, ceilings, counter, signature: UNSIGNED };
    command.signature = kms.admin.sign(&command);
    send(&tee, &command).await;
    let mut request = first.next(&kms.relay);
    request.entry_point = other;
    request.approve_as_user();
    request.approve_as_relay(&kms.relay);
    kms.sponsor(&request).await.ok();
}
