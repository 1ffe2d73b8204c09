//! The form of an account's runtime code: where the code is that runs.

use std::collections::HashSet;

use alloy_primitives::{hex, keccak256};
use proto::{Address, Hash};

use super::known::{ERC_1967_PROXIES, SAFE_PROXIES};

/// The prefix of a delegated account's code (EIP-7702), followed by the delegate's address.
const DESIGNATOR: [u8; 3] = [0xef, 0x01, 0x00];

/// ERC-1167, before and after the implementation's address. It jumps to a constant only, so that
/// arguments that follow (as OpenZeppelin's `cloneWithImmutableArgs` adds) never run.
const MINIMAL: ([u8; 10], [u8; 15]) = (hex!("363d3d373d3d3d363d73"), hex!("5af43d82803e903d91602b57fd5bf3"));

/// The ERC-1967 proxy of solady's `LibClone` (0.1.26, `deployERC1967`), of LightAccount 2, Kernel
/// v3 and Coinbase's account. As above, arguments that follow never run.
const SOLADY_ERC_1967: [u8; 61] = hex!(
    "363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
);

/// The form of runtime code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Delegates to a contract (EIP-7702).
    Designator {
        /// The delegate.
        to: Address,
    },
    /// A minimal proxy (ERC-1167).
    Minimal {
        /// In its code.
        implementation: Address,
    },
    /// A proxy whose implementation is in the slot of ERC-1967. A beacon proxy is none.
    Erc1967,
    /// A Safe's proxy, whose singleton is in slot 0.
    Safe,
    /// None of these: it runs itself.
    Other,
}

impl Form {
    /// Of this runtime code. `proxies` are hashes of further ERC-1967 proxies.
    pub(crate) fn of(code: &[u8], proxies: &HashSet<Hash>) -> Self {
        let designated = code.strip_prefix(&DESIGNATOR).and_then(|delegate| delegate.try_into().ok());
        if let Some(delegate) = designated {
            return Self::Designator { to: Address(delegate) };
        }
        if let Some(implementation) = minimal(code) {
            return Self::Minimal { implementation };
        }
        let hash = Hash(keccak256(code).0);
        let is_one_of = |known: &[Hash]| known.contains(&hash);
        if code.starts_with(&SOLADY_ERC_1967) || is_one_of(&ERC_1967_PROXIES) || proxies.contains(&hash) {
            Self::Erc1967
        } else if is_one_of(&SAFE_PROXIES) {
            Self::Safe
        } else {
            Self::Other
        }
    }
}

fn minimal(code: &[u8]) -> Option<Address> {
    let (before, after) = MINIMAL;
    let (implementation, rest) = code.strip_prefix(&before)?.split_first_chunk::<20>()?;
    rest.starts_with(&after).then_some(Address(*implementation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(code: &[u8]) -> Form {
        Form::of(code, &HashSet::new())
    }

    fn minimal_proxy() -> Vec<u8> {
        [&MINIMAL.0[..], &[0x11; 20], &MINIMAL.1].concat()
    }

    #[test]
    fn a_proxys_code_names_its_implementation_and_arguments_after_it_change_nothing() {
        let expected = Form::Minimal { implementation: Address([0x11; 20]) };
        assert_eq!(form(&minimal_proxy()), expected);
        assert_eq!(form(&[&minimal_proxy()[..], &[0x5b; 32]].concat()), expected);
        assert_eq!(form(&SOLADY_ERC_1967), Form::Erc1967);
        assert_eq!(form(&[&SOLADY_ERC_1967[..], &[0x5b; 32]].concat()), Form::Erc1967);
        assert_eq!(form(&[&DESIGNATOR[..], &[0x11; 20]].concat()), Form::Designator { to: Address([0x11; 20]) });
    }

    #[test]
    fn code_that_differs_from_a_proxy_in_one_byte_is_none() {
        for code in [minimal_proxy(), SOLADY_ERC_1967.to_vec()] {
            for index in 0..code.len() {
                let mut other = code.clone();
                other[index] ^= 1;
                let of_other = form(&other);
                let is_in_the_address = code.len() == minimal_proxy().len() && (10..30).contains(&index);
                assert_eq!(of_other == Form::Other, !is_in_the_address, "{index}");
            }
            assert_eq!(form(&code[..code.len() - 1]), Form::Other);
        }
        for length in [0, 19, 21] {
            assert_eq!(form(&[&DESIGNATOR[..], &vec![0x11; length]].concat()), Form::Other);
        }
    }

    #[test]
    fn a_proxy_that_a_policy_lists_is_one_of_erc_1967() {
        let code = b"a proxy";
        assert_eq!(Form::of(code, &HashSet::from([Hash(keccak256(code).0)])), Form::Erc1967);
        assert_eq!(form(code), Form::Other);
    }
}
