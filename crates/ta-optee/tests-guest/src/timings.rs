//! Durations of commands, as seen by the normal world. They come from an emulator: compare ratios,
//! not absolute values.

use std::time::Instant;

use proto::command::{CreateHybridAccount, Hello, SignatureScheme};
use proto::{EntryPointVersion, frame};

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
    print("CreateHybridAccount, two records sealed", 10, |number| {
        let command = CreateHybridAccount {
            account_id: format!("account-{number}").parse().unwrap(),
            signature_scheme: SignatureScheme::Eip191,
            registration: Passkey::numbered(100 + number).register(),
        };
        tee.call(&command).unwrap();
    });
    print("a session opened beside this one", 20, |_| tee.reopen());
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
