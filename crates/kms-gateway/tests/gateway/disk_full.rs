//! Writes that really fail: child processes on a small disk, or with limited file sizes.

use std::process::Command;

use devkit::{SmallDisk, run_on_small_disk};
use kms_gateway::GatewayError;
use kms_gateway::transport::simulator::{SealedFile, SealedFileError};
use tempfile::TempDir;

use serde_json::json;

use crate::support::Kms;

/// Blocks of 512 bytes: 256 KiB.
const LIMIT: u32 = 512;

/// Runs an ignored test of this program with limited file sizes, and requires that it ran and
/// passed.
fn run_limited(test: &str) {
    // Without the trap the first write over the limit would kill the process; with SIGXFSZ ignored,
    // it fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
}

#[test]
fn on_a_full_disk_the_simulator_keeps_its_records() {
    run_limited("disk_full::the_simulator_with_limited_files");
}

#[test]
fn on_a_full_disk_the_gateway_refuses_and_serves_again_when_there_is_room() {
    let folder = TempDir::new().unwrap();
    run_on_small_disk("disk_full::the_gateway_on_a_small_disk", folder.path()).unwrap();
}

#[test]
#[ignore = "run by on_a_full_disk_the_simulator_keeps_its_records, with limited files"]
fn the_simulator_with_limited_files() {
    let folder = TempDir::new().unwrap();
    let mut file = SealedFile::open(folder.path()).unwrap();
    file.write(b"small", b"value").unwrap();
    let too_large = vec![7; 512 * 1024];
    let error = file.write(b"large", &too_large).unwrap_err();
    assert!(matches!(error, SealedFileError::Io(_)), "{error}");
    let error = file.write(b"small", &too_large).unwrap_err();
    assert!(matches!(error, SealedFileError::Io(_)), "{error}");

    // Unchanged, and usable for the next write.
    assert!(file.read(b"large").is_none());
    assert_eq!(file.read(b"small").unwrap().as_slice(), b"value");
    assert_eq!(file.advance_counter().unwrap(), 1);
    drop(file);
    let file = SealedFile::open(folder.path()).unwrap();
    assert_eq!(file.read(b"small").unwrap().as_slice(), b"value");
    assert_eq!(file.counter(), 1);
}

#[tokio::test]
#[ignore = "run by on_a_full_disk_the_gateway_refuses_and_serves_again_when_there_is_room, on a small disk"]
async fn the_gateway_on_a_small_disk() {
    let disk = SmallDisk::of_this_process().unwrap();
    let kms = Kms::start().await;
    let mut request = kms.honest_request().await;
    kms.gateway.ready().await.unwrap();
    disk.fill().unwrap();
    let mut signed = 0;
    // Nonces and audit rows fill the room left in the database's log; it is exhausted long before
    // this count.
    let error = loop {
        assert!(signed < 10_000, "the disk never filled up");
        let answer = kms.sponsor(&request).await;
        request = request.next(&kms.relay);
        if answer.status != 200 {
            break answer.refused(503, "store_unavailable");
        }
        signed += 1;
    };
    assert_eq!(error["retryable"], true);
    for _ in 0..3 {
        kms.sponsor(&request).await.refused(503, "store_unavailable");
        let why = kms.gateway.ready().await.unwrap_err();
        assert!(matches!(&why, GatewayError::StoreFailing { problem } if problem.contains("full")), "{why}");
        // Remote relays rely on this.
        let health = kms.get("/health").await;
        assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("store_unavailable")));
    }

    disk.make_room().unwrap();
    kms.gateway.ready().await.unwrap();
    assert_eq!(kms.get("/health").await.ok()["status"], "healthy");
    kms.sponsor(&request.next(&kms.relay)).await.ok();
    // Every signature that was returned has its row, and the chain is intact.
    let sponsored: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'sponsor' AND reason = 'ok'")
        .fetch_one(&kms.database().await)
        .await
        .unwrap();
    assert_eq!(sponsored, signed + 1);
    kms.verify_audit().await.unwrap();
}
