//! A relay whose key `ethers-signers` holds: the KMS takes its requests, and ethers verifies what
//! comes back.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what can't be made fails the test")]

mod gateway;
mod request;

use ethers_core::types::{RecoveryMessage, Signature as EthersSignature};
use ethers_signers::{LocalWallet, Signer};
use k256::ecdsa::SigningKey;
use proto::digest::personal_message_hash;
use proto::paymaster::paymaster_digest;
use proto::{Address, Signature};
use serde_json::Value;

use gateway::TestGateway;

const RELAY_KEY: [u8; 32] = [0x51; 32];
const STRANGERS_KEY: [u8; 32] = [0x52; 32];

#[tokio::test]
async fn a_request_signed_with_ethers_is_accepted_and_the_signatures_in_the_answer_verify_with_ethers() {
    let relay = LocalWallet::from_bytes(&RELAY_KEY).unwrap();
    let gateway = TestGateway::start(Address(relay.address().0)).await;
    let mut account = gateway.create_account().await;
    let request = request::sponsorship(&mut account);
    let approval = relay.sign_message(request.command.request_digest().0).await.unwrap();

    let (status, answer) = gateway.sponsor(&request, &relay.address().0, &approval.to_vec()).await;

    assert_eq!(status, 200, "{answer}");
    let command = request.command;
    let paymaster_signature = bytes(&answer["paymasterSignature"]);
    let digest = paymaster_digest(&command.op, &command.entry_point, &command.terms);
    let signer = as_ethers(&paymaster_signature).recover(RecoveryMessage::Hash(digest.0.into())).unwrap();
    assert_eq!(answer["paymasterSigner"], Address(signer.0).to_string());

    let final_op = command.final_op(&Signature::try_from(&paymaster_signature[..]).unwrap());
    let hash = final_op.hash(&command.entry_point);
    assert_eq!(answer["userOpHash"], hash.to_string());
    as_ethers(&bytes(&answer["signature"])).verify(hash.0.to_vec(), account.owner.0).unwrap();
}

#[tokio::test]
async fn a_request_digest_signed_with_ethers_has_the_bytes_k256_gives() {
    for first in 0..=255 {
        let digest = [first; 32];

        let by_ethers = LocalWallet::from_bytes(&RELAY_KEY).unwrap().sign_message(digest).await.unwrap();

        assert_eq!(by_ethers.to_vec(), with_k256(&RELAY_KEY, &digest), "{first}");
    }
}

#[tokio::test]
async fn a_request_signed_with_ethers_by_a_key_that_is_not_authorised_is_refused() {
    let relay = LocalWallet::from_bytes(&RELAY_KEY).unwrap();
    let stranger = LocalWallet::from_bytes(&STRANGERS_KEY).unwrap();
    let gateway = TestGateway::start(Address(relay.address().0)).await;
    let mut account = gateway.create_account().await;
    let request = request::sponsorship(&mut account);
    let approval = stranger.sign_message(request.command.request_digest().0).await.unwrap();

    let (status, answer) = gateway.sponsor(&request, &stranger.address().0, &approval.to_vec()).await;

    assert_eq!(status, 403, "{answer}");
    assert_eq!(answer["error"]["code"], "signer_not_authorised");
}

/// EIP-191 by the library the product uses.
fn with_k256(key: &[u8; 32], message: &[u8; 32]) -> Vec<u8> {
    let key = SigningKey::from_slice(key).unwrap();
    let (signature, recovery_id) = key.sign_prehash_recoverable(&personal_message_hash(message).0);
    [&signature.to_bytes()[..], &[27 + recovery_id.to_byte()]].concat()
}

fn as_ethers(signature: &[u8]) -> EthersSignature {
    signature.try_into().unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    hex.as_str().unwrap().parse::<devkit::Bytes>().unwrap().to_vec()
}
