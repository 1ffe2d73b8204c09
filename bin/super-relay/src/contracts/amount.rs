//! Amounts of native currency on the command line.

use std::str::FromStr;

use alloy_primitives::U256;
use alloy_primitives::utils::{ParseUnits, parse_units};

/// Wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub U256);

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number_of = |unit: &str| text.strip_suffix(unit).map(str::trim_end);
        let (number, unit) = [("ether", "ether"), ("gwei", "gwei"), ("wei", "wei")]
            .into_iter()
            .find_map(|(suffix, unit)| Some((number_of(suffix)?, unit)))
            .ok_or("expected a number with its unit: 0.5ether, 20gwei or 1000wei")?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(format!("expected a number before {unit}"));
        }
        let parsed = parse_units(number, unit).map_err(|error| error.to_string())?;
        // A fraction of a wei would be dropped.
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        match (parsed, decimals <= decimals_of(unit)) {
            (ParseUnits::U256(wei), true) => Ok(Self(wei)),
            _ => Err("finer than a wei".to_owned()),
        }
    }
}

fn decimals_of(unit: &str) -> usize {
    match unit {
        "ether" => 18,
        "gwei" => 9,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit_and_is_a_whole_number_of_wei() {
        for (text, wei) in [
            ("1ether", 1_000_000_000_000_000_000_u128),
            ("0.1 ether", 100_000_000_000_000_000),
            ("20gwei", 20_000_000_000),
            ("1.5gwei", 1_500_000_000),
            ("7wei", 7),
        ] {
            assert_eq!(text.parse(), Ok(Amount(U256::from(wei))), "{text}");
        }
        for text in ["1", "ether", "-1ether", "1e3wei", "0.1wei", "0.0000000001gwei", "1eth", "0x10wei", "1.2.3ether"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
