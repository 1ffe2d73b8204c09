//! Waiting in tests for asynchronous events.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// No passing test waits that long: every core may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Repeats the query until it has a result.
///
/// # Panics
/// If there is none within [`PATIENCE`].
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("it has not happened")
}

/// Waits until the condition holds.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub async fn until(condition: impl AsyncFn() -> bool) {
    eventually(async || condition().await.then_some(())).await;
}
