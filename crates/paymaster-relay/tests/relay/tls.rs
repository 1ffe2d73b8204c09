//! Remote nodes and gateways are reached over TLS: a listener gets a handshake, not an operation in
//! plain text.

use paymaster_relay::chain::{EntryPointReader, RpcChain};
use paymaster_relay::kms::{HttpKms, Kms};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::PATIENCE;

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// Reads the first byte, and hangs up.
async fn listener() -> (String, JoinHandle<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let first = tokio::spawn(async move { listener.accept().await.unwrap().0.read_u8().await.unwrap() });
    (url, first)
}

#[tokio::test]
async fn a_node_is_asked_over_tls() {
    let (url, first) = listener().await;
    let settings = serde_json::from_value(json!({ "chain_id": 1, "rpc_url": url })).unwrap();

    assert!(RpcChain::new(&settings).unwrap().chain_id().await.is_err());

    assert_eq!(first.await.unwrap(), HANDSHAKE);
}

#[tokio::test]
async fn a_gateway_is_asked_over_tls() {
    let (url, first) = listener().await;
    let kms = HttpKms::new(vec![url.parse().unwrap()], PATIENCE).unwrap();

    assert!(kms.ready().await.is_err());

    assert_eq!(first.await.unwrap(), HANDSHAKE);
}
