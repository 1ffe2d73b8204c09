//! Durations of commands, as seen by the normal world. They come from an emulator: compare ratios,
//! not absolute values.

use std::time::Instant;

use proto::command::{CreateHybridAccount, GetWalletInfo, Hello, SignatureScheme};
use proto::{EntryPointVersion, Status, frame};

use crate::fixtures::{ACCOUNT, passkey, relay};
use crate::support::Passkey;
use crate::support::requests::{Draft, sponsor};
use crate::tee::Tee;

pub fn run(tee: &mut Tee) {
    let hello = frame::encode_request(&Hello).unwrap();
    let command = sponsor(EntryPointVersion::V07, ACCOUNT, 1).approved(&passkey(), &relay());
    let sponsorship = frame::encode_request(&command).unwrap();
    print("Hello", 200, |_| _ = tee.handle(&hello));
    print("Sponsor, the passkey and the relay checked", 200, |_| _ = tee.handle(&sponsorship));
    let mut created = 0;
    for existing in [1, 100, 300] {
        (created..existing).for_each(|number| create(tee, number));
        print(&format!("CreateHybridAccount, beside {existing}"), 10, |number| {
            create(tee, existing + u16::from(number))
        });
        created = existing + 10;
        print(&format!("GetWalletInfo of an unknown id, beside {created}"), 50, |number| {
            let account_id = format!("unknown-{number}").parse().unwrap();
            assert_eq!(tee.call(&GetWalletInfo { account_id }).unwrap_err(), Status::AccountUnknown);
        });
    }
    // The first accounts are no longer among those in memory.
    print("GetWalletInfo of an account that is read from the storage", 10, |number| {
        tee.call(&GetWalletInfo { account_id: format!("account-{number}").parse().unwrap() }).unwrap();
    });
    print("a session opened beside this one", 20, |_| tee.reopen());
}

fn create(tee: &mut Tee, number: u16) {
    let passkey = Passkey { credential_id: number.to_be_bytes().repeat(16), ..Passkey::numbered(100) };
    let command = CreateHybridAccount {
        account_id: format!("account-{number}").parse().unwrap(),
        signature_scheme: SignatureScheme::Eip191,
        registration: passkey.register(),
    };
    tee.call(&command).unwrap();
}

pub fn print(what: &str, times: u8, mut run: impl FnMut(u8)) {
    let mut took: Vec<f64> = (0..times)
        .map(|number| {
            let started = Instant::now();
            run(number);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    tell(what, at(50), at(99));
}

/// A line of the table of `make bench-optee`: milliseconds, the median and the 99th percentile.
pub fn tell(what: &str, median: f64, slow: f64) {
    println!("median {median:7.2} ms, 99% {slow:7.2} ms: {what}");
}
