//! The deployment and the total of an allowance, as given on the command line.

use kms_api::admin::Signers;
use proto::command::Deployment;
use proto::{Address, Quantity, Wei};

use crate::error::Error;

/// What is known of a deployment. The rest is taken from the ceilings, and shown before it is
/// signed.
pub struct Sought {
    pub paymaster: Option<Address>,
    pub chain_id: Option<u64>,
    pub entry_point: Option<Address>,
}

impl Sought {
    /// The one deployment of the ceilings that matches.
    pub fn among(&self, signers: &Signers) -> Result<Deployment, Error> {
        let Some(ceilings) = &signers.ceilings else {
            return Err(failed("the TEE has no ceilings yet: provision it first"));
        };
        let is_sought = |known: &&kms_api::admin::Deployment| {
            self.paymaster.is_none_or(|paymaster| paymaster == known.paymaster)
                && self.chain_id.is_none_or(|chain_id| Quantity(chain_id) == known.chain_id)
                && self.entry_point.is_none_or(|entry_point| entry_point == known.entry_point)
        };
        let found: Vec<_> = ceilings.deployments.iter().filter(is_sought).collect();
        match found[..] {
            [one] => Ok((*one).into()),
            [] => Err(failed("the ceilings name no such deployment: the TEE signs nothing for it; nothing was sent")),
            _ => {
                let each = |known: &&kms_api::admin::Deployment| {
                    let kms_api::admin::Deployment { chain_id: Quantity(chain_id), entry_point, paymaster, .. } = known;
                    format!("--chain-id {chain_id} --entry-point {entry_point} --paymaster {paymaster}")
                };
                let listed = found.iter().map(each).collect::<Vec<_>>().join("; ");
                Err(failed(format!("the ceilings name several deployments, choose one: {listed}; nothing was sent")))
            }
        }
    }
}

/// Wei, in decimal or as a hex quantity.
pub fn parse_total(text: &str) -> Result<Wei, String> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match is_decimal {
        true => text.parse().map(Wei).map_err(|_| "wei must fit into 128 bits".to_owned()),
        false => text.parse().map_err(|problem| format!("wei in decimal or hex: {problem}")),
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_decimal_or_hex_and_nothing_else() {
        assert_eq!(parse_total("5000000000000000000"), Ok(Wei(5_000_000_000_000_000_000)));
        assert_eq!(parse_total("0x10"), Ok(Wei(16)));
        assert_eq!(parse_total(&u128::MAX.to_string()), Ok(Wei(u128::MAX)));
        for wrong in ["", "-1", "+1", "1e18", "1.5", "0x", "340282366920938463463374607431768211456"] {
            assert!(parse_total(wrong).is_err(), "{wrong:?}");
        }
    }
}
