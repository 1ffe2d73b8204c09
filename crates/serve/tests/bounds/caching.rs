//! Caches between a client and the port.

use axum::Router;
use axum::routing::get;
use serve::Bounds;

use crate::{GET, Slow, answer, patient, port, rest};

const NO_STORE: &str = "\r\ncache-control: no-store\r\n";

#[tokio::test]
async fn no_answer_or_refusal_may_be_kept_by_a_cache() {
    let slow = Slow::default();
    let port = port(Bounds { total: 1, ..patient() }, slow.routes()).await;
    let mut served = port.sending(GET).await;
    slow.is_served().await;

    let refused = rest(&mut port.sending(GET).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains(NO_STORE), "{refused}");
    let unread = rest(&mut port.connect().await).await;
    assert!(unread.starts_with("HTTP/1.1 503") && unread.contains(NO_STORE), "{unread}");
    slow.go.notify_one();
    let answer = answer(&mut served).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(NO_STORE), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_may_not_be_kept_by_a_cache() {
    let pending = Router::new().route("/", get(std::future::pending::<()>));
    let port = port(Bounds { serving: crate::SOON, ..patient() }, pending).await;
    let answer = rest(&mut port.sending(GET).await).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(NO_STORE), "{answer}");
}
