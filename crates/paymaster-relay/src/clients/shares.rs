//! A rate shared by strangers: no client address may use more of it than it leaves to others.
//!
//! A call is accepted if its client's use is at most what remains after the call. So of a full
//! burst the first client gets half, and each further one half of the rest. The refill over time is
//! subtracted from every client's use in proportion: a lone client can use the full rate, busy
//! clients converge to equal shares, and `k` of them leave a `k+1`th of the burst to clients that
//! call less.

use serve::Client;

use super::address_use::AddressUse;
use super::rate::{Bucket, PARTS, Rate};

/// The remaining rate, and the clients that used the rest.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    bucket: Bucket,
    /// Parts; their sum is at most the bucket's use.
    used: AddressUse,
}

/// The call exceeds the rate, or its client's share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// Seconds until a call of that client is accepted, if no other comes first.
    pub(super) retry_after: u64,
    /// Whether other clients would be served now.
    pub(super) is_own_share: bool,
}

impl Shares {
    pub(super) fn full(rate: Rate) -> Self {
        Self { bucket: Bucket::full(rate), used: AddressUse::default() }
    }

    pub(super) const fn rate(&self) -> Rate {
        self.bucket.rate()
    }

    /// Takes one call for that client.
    pub(super) fn take(&mut self, client: Client, now: u64) -> Result<(), Exceeded> {
        self.fill(now);
        // It may use the whole rate: its clients cannot be distinguished.
        let Client::Address(address) = client else {
            return self.bucket.take(now).map_err(|retry_after| Exceeded { retry_after, is_own_share: false });
        };
        let own = self.used.of(address);
        let missing = self.missing(own);
        if missing > 0 {
            let is_own_share = self.bucket.left() >= PARTS;
            return Err(Exceeded { retry_after: self.bucket.seconds_for(missing), is_own_share });
        }
        self.bucket.take(now).map_err(|retry_after| Exceeded { retry_after, is_own_share: false })?;
        self.used.add(address, PARTS);
        Ok(())
    }

    fn fill(&mut self, now: u64) {
        let before = self.bucket.used();
        self.bucket.fill(now);
        let after = self.bucket.used();
        if after < before {
            self.used.change(|used| scaled(used, after, before));
        }
    }

    /// Parts that must be refilled before a client with this use may call.
    fn missing(&self, own: u64) -> u64 {
        let (left, used) = (self.bucket.left(), self.bucket.used());
        let of_rate = PARTS.saturating_sub(left);
        let over = (own + PARTS).saturating_sub(left);
        // Each refilled part adds one to the remainder, and subtracts `own / used` from the
        // client's use.
        let of_share = if over == 0 { 0 } else { scaled_up(over, used, used + own) };
        of_rate.max(of_share)
    }
}

/// `value * by / of`, which is at most the value.
fn scaled(value: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(of);
    u64::try_from(scaled).unwrap_or(value)
}

/// The same, rounded up.
fn scaled_up(value: u64, by: u64, of: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(by)).div_ceil(u128::from(of));
    u64::try_from(scaled).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const NOON: u64 = 1_800_000_000;

    fn client(number: u32) -> Client {
        Client::Address(IpAddr::from(number.to_be_bytes()))
    }

    /// The number of accepted calls, out of this many by one client.
    fn taken(shares: &mut Shares, who: Client, now: u64, calls: usize) -> usize {
        (0..calls).filter(|_| shares.take(who, now).is_ok()).count()
    }

    #[test]
    fn one_address_gets_half_of_a_burst_and_each_further_one_half_of_the_rest() {
        let mut shares = Shares::full(Rate::per_minute(600));
        assert_eq!(taken(&mut shares, client(1), NOON, 700), 300);
        assert_eq!(taken(&mut shares, client(2), NOON, 700), 150);
        assert_eq!(taken(&mut shares, client(3), NOON, 700), 75);
        assert_eq!(shares.take(client(1), NOON).map_err(|over| over.is_own_share), Err(true));
    }

    #[test]
    fn whatever_busy_addresses_do_another_one_is_served() {
        for attackers in [1, 2, 5, 20] {
            let mut shares = Shares::full(Rate::per_minute(600));
            let (mut passed, mut honest) = (0, 0);
            for second in 0..600 {
                for attacker in 1..=attackers {
                    passed += taken(&mut shares, client(attacker), NOON + second, 100);
                }
                if second % 30 == 29 {
                    honest += taken(&mut shares, client(0), NOON + second, 3);
                }
            }
            assert_eq!(honest, 60, "three calls every 30 s beside {attackers}");
            assert!(passed > 5_500, "{passed} calls of {attackers} busy addresses: they may use the rest of the rate");
        }
    }

    #[test]
    fn busy_addresses_share_the_rate_evenly() {
        let mut shares = Shares::full(Rate::per_minute(600));
        let mut passed = [0; 4];
        for second in 0..3_600 {
            for (number, passed) in (0..).zip(&mut passed) {
                *passed += taken(&mut shares, client(number), NOON + second, 50);
            }
        }
        let (least, most) = (passed.iter().min().unwrap(), passed.iter().max().unwrap());
        assert!(*least > 8_000 && *most < 10_500, "{passed:?}");
    }

    #[test]
    fn an_address_alone_calls_as_fast_as_the_rate_says() {
        for rate in [Rate::per_minute(600), Rate { per_minute: 60, burst: 1 }, Rate { per_minute: 7, burst: 2 }] {
            let mut shares = Shares::full(rate);
            let passed: usize = (0..6_000).map(|second| taken(&mut shares, client(1), NOON + second, 20)).sum();
            let whole = 5_999 * usize::try_from(rate.per_minute).unwrap() / 60;
            assert!((whole..=whole + 301).contains(&passed), "{rate}: {passed} of {whole}");
        }
    }

    #[test]
    fn a_refusal_says_after_how_many_seconds_a_call_passes() {
        for rate in [Rate::per_minute(600), Rate::per_minute(7), Rate { per_minute: 60, burst: 1 }] {
            for others in 0..3 {
                let mut shares = Shares::full(rate);
                for other in 0..others {
                    taken(&mut shares, client(100 + other), NOON, 1_000);
                }
                taken(&mut shares, client(1), NOON, 1_000);
                let wait = shares.take(client(1), NOON).unwrap_err().retry_after;
                assert!(shares.clone().take(client(1), NOON + wait - 1).is_err(), "{rate} {others}");
                assert_eq!(shares.take(client(1), NOON + wait), Ok(()), "{rate} {others}");
            }
        }
    }

    #[test]
    fn a_proxy_that_names_nobody_may_use_the_whole_rate() {
        let mut shares = Shares::full(Rate::per_minute(60));
        assert_eq!(taken(&mut shares, Client::Untold, NOON, 100), 60);
        assert_eq!(shares.take(client(1), NOON), Err(Exceeded { retry_after: 1, is_own_share: false }));
    }
}
