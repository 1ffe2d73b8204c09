//! Several gateways of one KMS: which one is tried next, and when none is. The network is simulated
//! here; the end-to-end tests use a real gateway over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy_primitives::{Bytes, U256};
use devkit::EntryPointVersion::V07;
use devkit::user_operation::Draft;
use k256::ecdsa::SigningKey;
use kms_api::Reason;
use paymaster_relay::kms::{HttpKms, Kms, KmsError};
use proto::command::{RelayApproval, RotateSigner, Sponsor};
use proto::json::{GasFields, parse_user_operation};
use proto::{Address, EntryPoint, EntryPointVersion, Hash, Permissions, Signature, Status, TeeId, Terms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::support::{ACCOUNT, Fault, Node, PATIENCE, UNSIGNED, personal_sign, read_body};

const SIGNERS: &str = r#"{"teeId":"0x000000000000000000000000000000000000000000000000000000000000001d",
    "counter":4,"phase":"ready","admin":null,
    "paymasterSigner":"0x00000000000000000000000000000000000000aa",
    "signers":[{"record":2,"authorisedAs":"0x00000000000000000000000000000000000000cc","rotations":3,
    "address":"0x00000000000000000000000000000000000000bb","permissions":["sponsor","rotate","later"]}]}"#;
const DONE: &str = r#"{"success":true}"#;
const BUSY: &str = r#"{"error":{"code":"tee_busy","message":"busy","requestId":"1","retryable":true}}"#;
const REFUSED: &str = r#"{"error":{"code":"signer_not_authorised","message":"no","requestId":"1","retryable":false}}"#;

const UNHEALTHY: &str = r#"{"status":"tee_state_lost","service":"super-relay-kms","phase":null}"#;

/// Gives every request the same answer, and counts them.
async fn gateway(status: &'static str, body: &'static str) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let mut request = vec![0; 4096];
            let _ = socket.read(&mut request).await.unwrap();
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

/// An address without a listener.
async fn nowhere() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

fn kms(gateways: Vec<Url>) -> HttpKms {
    HttpKms::new(gateways, PATIENCE).unwrap()
}

fn rotation() -> RotateSigner {
    let signature = Signature { r: [1; 32], s: [1; 32], v: 27 };
    RotateSigner {
        tee_id: TeeId([9; 32]),
        record: 2,
        rotation: 1,
        current: Address([1; 20]),
        next: Address([2; 20]),
        current_signature: signature,
        next_signature: signature,
        admin_signature: None,
    }
}

#[tokio::test]
async fn gateways_that_are_down_or_busy_are_passed_over_and_the_one_that_answers_is_asked_first_from_then_on() {
    let (busy, asked_busy) = gateway("503 Service Unavailable", BUSY).await;
    let (good, asked_good) = gateway("200 OK", SIGNERS).await;
    let kms = kms(vec![nowhere().await, busy, good]);
    for _ in 0..2 {
        let signers = kms.signers().await.unwrap();
        assert_eq!((signers.tee_id.0[31], signers.paymaster_signer.0[19]), (0x1d, 0xaa));
        assert_eq!(signers.standby_paymaster_signer, None);
        let signer = signers.signers[0];
        assert_eq!((signer.record, signer.rotations, signer.authorised_as.0[19]), (2, 3, 0xcc));
        assert_eq!(signers.signers[0].permissions, Permissions::SPONSOR | Permissions::ROTATE);
    }
    assert_eq!((asked_busy.load(Ordering::SeqCst), asked_good.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn a_refusal_is_final_and_nobody_else_is_asked() {
    let (strict, _) = gateway("403 Forbidden", REFUSED).await;
    let (other, asked_other) = gateway("200 OK", SIGNERS).await;
    let error = kms(vec![strict, other]).signers().await.unwrap_err();
    assert_eq!(error, KmsError::Refused { reason: Status::SignerNotAuthorised.into(), message: "no".into() });
    assert_eq!(asked_other.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_rotation_that_may_have_happened_is_not_repeated_elsewhere() {
    let (unclear, _) = gateway("502 Bad Gateway", "<html>").await;
    let (other, asked_other) = gateway("200 OK", DONE).await;
    let error = kms(vec![unclear, other.clone()]).rotate_signer(&rotation()).await.unwrap_err();
    assert!(matches!(error, KmsError::Unavailable { .. }));
    assert_eq!(asked_other.load(Ordering::SeqCst), 0);
    // If the first one cannot have received it, the next one is tried.
    kms(vec![nowhere().await, other]).rotate_signer(&rotation()).await.unwrap();
}

#[tokio::test]
async fn a_rotation_that_comes_too_soon_is_refused_and_not_in_doubt() {
    let too_soon = r#"{"error":{"code":"rotation_too_soon","message":"wait","requestId":"1","retryable":true}}"#;
    let (gateway, _) = gateway("429 Too Many Requests", too_soon).await;
    let error = kms(vec![gateway]).rotate_signer(&rotation()).await.unwrap_err();
    assert_eq!(error, KmsError::Refused { reason: Reason::RotationTooSoon.into(), message: "wait".into() });
}

#[tokio::test]
async fn no_gateway_at_all_is_unavailable() {
    let error = kms(vec![nowhere().await, nowhere().await]).signers().await.unwrap_err();
    assert!(matches!(error, KmsError::Unavailable { .. }));
    assert!(HttpKms::new(Vec::new(), PATIENCE).is_err());
}

#[tokio::test]
async fn an_answer_of_another_shape_is_unavailable_and_never_half_read() {
    let (odd, _) = gateway("200 OK", r#"{"teeId":"0x1d","counter":4,"paymasterSigner":"0xaa","signers":[]}"#).await;
    assert!(matches!(kms(vec![odd]).signers().await, Err(KmsError::Unavailable { .. })));
}

#[tokio::test]
async fn a_gateway_problem_is_reported_with_its_address_without_secrets() {
    let why = async |url: Url| kms(vec![url]).ready().await.unwrap_err().to_string();
    let secret = |url: &Url, scheme: &str| -> Url {
        let port = url.port().unwrap();
        format!("{scheme}://user:secret@127.0.0.1:{port}/kms?key=secret").parse().unwrap()
    };
    let unknown = why("http://user:secret@kms.invalid/?key=secret".parse().unwrap()).await;
    assert!(
        unknown.contains("remote_kms.urls: KMS gateway http://kms.invalid/: it cannot be reached: DNS: "),
        "{unknown}"
    );
    assert!(!unknown.contains("secret"), "{unknown}");
    let nobody = nowhere().await;
    let (other, _) = gateway("404 Not Found", "<html>").await;
    let (fine, _) = gateway("200 OK", r#"{"status":"ok"}"#).await;
    let (lost, _) = gateway("503 Service Unavailable", UNHEALTHY).await;
    for (url, scheme, expected) in [
        (&nobody, "http", "it cannot be reached: Connection refused"),
        (&other, "https", "it cannot be reached: received corrupt message"),
        (&other, "http", "HTTP status 404, not from a KMS gateway"),
        (&fine, "http", "its answer cannot be parsed by this version; is it a KMS gateway?"),
        (&lost, "http", "it is not healthy: tee_state_lost"),
    ] {
        let words = why(secret(url, scheme)).await;
        let address = format!("remote_kms.urls: KMS gateway {scheme}://127.0.0.1:{}/kms: ", url.port().unwrap());
        assert!(words.contains(&format!("{address}{expected}")), "{words}");
        assert!(!words.contains("secret"), "{words}");
    }
    let both = kms(vec![nobody.clone(), lost.clone()]).ready().await.unwrap_err().to_string();
    assert!(both.contains(nobody.as_str()) && both.contains(lost.as_str()), "{both}");
}

/// The health report of a gateway with that TEE id.
fn health(tee_id: u8) -> &'static str {
    let tee_id = TeeId([tee_id; 32]);
    format!(
        r#"{{"status":"healthy","service":"super-relay-kms","teeId":"{tee_id}","teeMode":"optee","taKey":"own",
        "protection":null,"phase":"ready","version":"0.1.0"}}"#
    )
    .leak()
}

#[tokio::test]
async fn gateways_of_different_tees_are_named_and_those_that_do_not_answer_are_passed_over() {
    let (one, asked) = gateway("200 OK", health(1)).await;
    kms(vec![one.clone()]).is_one_tee().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0, "one gateway has one TEE");
    let (same, _) = gateway("503 Service Unavailable", health(1)).await;
    let (unhealthy, _) = gateway("503 Service Unavailable", UNHEALTHY).await;
    kms(vec![nowhere().await, one.clone(), same.clone(), unhealthy.clone()]).is_one_tee().await.unwrap();

    let (other, _) = gateway("200 OK", health(2)).await;
    let secret = other.as_str().replace("http://", "http://user:secret@").parse().unwrap();
    let several = kms(vec![one.clone(), nowhere().await, secret, same.clone()]).is_one_tee().await.unwrap_err();
    let (first, second) = (TeeId([1; 32]), TeeId([2; 32]));
    let told = format!(
        "remote_kms.urls names gateways of different TEEs, which share neither accounts nor relay keys: {one} of TEE {first}, \
         {other} of TEE {second}, {same} of TEE {first}; list those of one TEE only"
    );
    assert_eq!(several.to_string(), told);
}

#[tokio::test]
async fn ceilings_are_read_where_a_gateway_tells_them() {
    let told = r#"{"teeId":"0x000000000000000000000000000000000000000000000000000000000000001d","counter":4,"phase":"ready",
        "paymasterSigner":"0x00000000000000000000000000000000000000aa","signers":[],
        "ceilings":{"deployments":[{"chainId":"0x7a69","entryPoint":"0x0000000071727De22E5E9d8BAf0edAc6f37da032",
        "version":"0.7","paymaster":"0x00000000000000000000000000000000000000bb"}],"maxCost":"0x64","maxWindow":3600,"maxAccounts":9}}"#;
    let (telling, _) = gateway("200 OK", told).await;
    let ceilings = kms(vec![telling]).signers().await.unwrap().ceilings.unwrap();
    assert_eq!((ceilings.max_cost.0, ceilings.max_window, ceilings.deployments.len()), (100, 3600, 1));
    let deployment = ceilings.deployments[0];
    assert_eq!((deployment.entry_point.chain_id, deployment.paymaster.0[19]), (31337, 0xbb));

    let (silent, _) = gateway("200 OK", SIGNERS).await;
    assert_eq!(kms(vec![silent]).signers().await.unwrap().ceilings, None);
}

#[tokio::test]
async fn an_answer_without_end_is_refused_at_its_limit() {
    let node = Node::before("http://127.0.0.1:9");
    node.fail(Fault::Endless(|_| true));
    let error = kms(vec![node.url().parse().unwrap()]).rotate_signer(&rotation()).await.unwrap_err();
    assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{error:?}");
    assert!(error.to_string().contains("over the limit of 1048576 bytes"), "{error}");
    assert!(node.sent() < 64 << 20, "{}", node.sent());
}

#[tokio::test]
async fn an_approval_does_not_follow_a_redirect_to_another_host() {
    let (elsewhere, asked) = gateway("200 OK", DONE).await;
    let moved: &'static str = format!("307 Temporary Redirect\r\nlocation: {elsewhere}admin").leak();
    let (redirecting, _) = gateway(moved, "").await;
    let error = kms(vec![redirecting]).rotate_signer(&rotation()).await.unwrap_err();
    assert!(error.to_string().contains("HTTP status 307, not from a KMS gateway"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_words_of_a_refusal_are_cut_and_escaped() {
    let words = format!("\\u001b[31m\\r\\n2026 ERROR forged {}", "A".repeat(3000));
    let body = format!(
        r#"{{"error":{{"code":"signer_not_authorised","message":"{words}","requestId":"1","retryable":false}}}}"#
    );
    let (forging, _) = gateway("403 Forbidden", body.leak()).await;
    let Err(KmsError::Refused { message, .. }) = kms(vec![forging]).signers().await else { panic!("not refused") };
    assert!(message.starts_with(r"\u{1b}[31m\r\n2026 ERROR forged AAA"), "{message}");
    assert!(message.chars().count() < 600 && message.ends_with("bytes)"), "{message}");
}

/// Answers the first request of each connection, and closes it at the second.
async fn closing_gateway() -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = socket.read(&mut request).await.unwrap();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{SIGNERS}", SIGNERS.len());
                socket.write_all(answer.as_bytes()).await.unwrap();
                if socket.read(&mut request).await.is_ok_and(|count| count > 0) {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (url, closed)
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_before_any_answer_is_no_outage() {
    let (url, closed) = closing_gateway().await;
    let kms = kms(vec![url]);
    for _ in 0..6 {
        kms.signers().await.unwrap();
    }
    assert!(closed.load(Ordering::SeqCst) > 0, "no connection was kept");
}

/// The relay's request, approved by a key of its own.
/// The address of the key that approves [`sponsorship`], which these gateways do not check.
const RELAY: Address = Address([5; 20]);

fn sponsorship() -> Sponsor {
    let entry_point = EntryPoint { chain_id: 31337, address: Address([7; 20]), version: EntryPointVersion::V07 };
    let draft = Draft::new(alloy_primitives::Address::repeat_byte(1), U256::ZERO, Bytes::new()).to_json(V07);
    let terms = Terms {
        paymaster: Address([8; 20]),
        verification_gas_limit: 50_000,
        post_op_gas_limit: 0,
        valid_until: 2_000_000_600,
        valid_after: 0,
    };
    let mut command = Sponsor {
        entry_point,
        account_id: ACCOUNT.parse().unwrap(),
        op: parse_user_operation(&draft, EntryPointVersion::V07, 31337, GasFields::Required).unwrap().op,
        terms,
        passkey: None,
        approval: RelayApproval { nonce: 1, timestamp: 2_000_000_000, signature: UNSIGNED },
    };
    let key = SigningKey::from_slice(&[5; 32]).unwrap();
    command.approval.signature = personal_sign(&key, &Hash(command.request_digest().0));
    command
}

/// Reads one complete request, and closes without an answer. From then on its address gives the
/// answer `after` to every request, or does not listen.
async fn dying_gateway(after: Option<(&'static str, &'static str)>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_body(&mut socket).await.unwrap();
        let Some((status, body)) = after else {
            drop(listener);
            return;
        };
        drop(socket);
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_body(&mut socket).await.unwrap();
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_sponsorship_that_a_gateway_took_before_it_went_away_is_in_doubt() {
    let dying = dying_gateway(None).await;
    let error = kms(vec![dying]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
    assert!(error.to_string().contains("it cannot be reached"), "{error}");
    assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{error:?}");
}

#[tokio::test]
async fn a_sponsorship_that_was_sent_once_more_is_in_doubt_whatever_but_a_grant_is_answered() {
    for (status, body) in [
        ("503 Service Unavailable", BUSY),
        ("503 Service Unavailable", UNHEALTHY),
        ("502 Bad Gateway", "<html>"),
        ("403 Forbidden", REFUSED),
    ] {
        let dying = dying_gateway(Some((status, body))).await;
        let error = kms(vec![dying]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
        assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{status} {body}: {error:?}");
        // Another gateway's answer does not resolve the doubt either.
        let dying = dying_gateway(Some((status, body))).await;
        let (strict, _) = gateway("403 Forbidden", REFUSED).await;
        let error = kms(vec![dying, strict]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
        assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{status} {body}: {error:?}");
    }
}

#[tokio::test]
async fn a_sponsorship_that_a_full_port_refused_is_not_in_doubt() {
    let full = r#"{ "error": { "code": "too_many_connections", "message": "at most 1024 at once" } }"#;
    let (gateway, _) = gateway("503 Service Unavailable", full).await;
    let error = kms(vec![gateway]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
    assert!(matches!(&error, KmsError::Unavailable { in_doubt: false, .. }), "{error:?}");
}

#[tokio::test]
async fn what_a_proxy_refused_goes_to_another_gateway_and_is_not_in_doubt() {
    for status in ["429 Too Many Requests", "403 Forbidden", "404 Not Found", "413 Content Too Large"] {
        let (proxy, asked_proxy) = gateway(status, "<html>").await;
        let refused = kms(vec![proxy.clone()]);
        for _ in 0..3 {
            let error = refused.sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
            assert!(matches!(&error, KmsError::Unavailable { in_doubt: false, .. }), "{status}: {error:?}");
            assert!(error.to_string().contains("not from a KMS gateway"), "{error}");
        }
        assert_eq!(asked_proxy.load(Ordering::SeqCst), 3, "what answers is not taken for down");
        let (strict, _) = gateway("403 Forbidden", REFUSED).await;
        let error = kms(vec![proxy, strict]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
        assert!(matches!(error, KmsError::Refused { .. }), "{status}: {error:?}");
    }
    for status in ["408 Request Timeout", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let (proxy, _) = gateway(status, "<html>").await;
        let error = kms(vec![proxy]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
        assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_grant_that_cannot_be_read_is_in_doubt() {
    for body in [
        "<html>",
        "{}",
        r#"{ "success": true, "userOpHash": "0x00", "paymasterSigner": "0x", "paymasterSignature": "0x" }"#,
    ] {
        let (gateway, _) = gateway("200 OK", body).await;
        let error = kms(vec![gateway]).sponsor(&sponsorship(), RELAY, "1").await.unwrap_err();
        assert!(matches!(&error, KmsError::Unavailable { in_doubt: true, .. }), "{body}: {error:?}");
    }
}
