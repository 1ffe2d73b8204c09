//! The gateway with OP-TEE in QEMU, tested from outside: acknowledged changes survive every kill,
//! and ten thousand sponsorships in a row succeed. Run by
//! `scripts/optee/tests/{crashes,panic,sponsorships}`, which build the guest.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test, with a harness of its own")]

#[expect(dead_code, reason = "shared with the tests of the gateway, which use more of it")]
#[path = "../gateway/support/keys.rs"]
mod keys;

mod kms;
mod ledger;
mod machine;
#[expect(dead_code, reason = "shared with the tests of the gateway, which use more of it")]
#[path = "../gateway/support/request.rs"]
mod request;
mod sponsorships;
mod support;
mod trouble;

use std::path::PathBuf;

use machine::Machine;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, guest, disk, logs] = arguments.as_slice() else {
        panic!("usage: guest crashes|panic|sponsorships GUEST DISK LOGS");
    };
    let machine = Machine { guest: guest.into(), disk: disk.into(), logs: PathBuf::from(logs) };
    match mode.as_str() {
        "crashes" => trouble::crashes(&machine).await,
        "panic" => trouble::panics(&machine).await,
        "sponsorships" => sponsorships::run(&machine).await,
        other => panic!("no mode {other}"),
    }
}
