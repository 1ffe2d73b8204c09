//! An operation survives a round trip through JSON.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be done fails")]

use proto::bytes::Bounded;
use proto::json::{GasFields, parse_user_operation, user_operation_to_json};
use proto::{Address, EntryPointVersion, Init, Paymaster, Uint256, UserOperation};

const CHAIN_ID: u64 = 31_337;

fn operation(init: Init, paymaster: Option<Paymaster>) -> UserOperation {
    UserOperation {
        sender: Address([0x11; 20]),
        nonce: Uint256::from(0x0102u128),
        init,
        call_data: Bounded::new(vec![1, 2, 3]).unwrap(),
        call_gas_limit: 1,
        verification_gas_limit: 2,
        pre_verification_gas: 0,
        max_fee_per_gas: 4,
        max_priority_fee_per_gas: 5,
        paymaster,
    }
}

fn paymaster(version: EntryPointVersion) -> Paymaster {
    let gas_limit = if version == EntryPointVersion::V06 { 0 } else { 60_000 };
    Paymaster {
        address: Address([0x22; 20]),
        verification_gas_limit: gas_limit,
        post_op_gas_limit: 0,
        data: Bounded::new(vec![7; 65]).unwrap(),
        signature: None,
    }
}

#[test]
fn an_operation_is_read_back_from_its_json() {
    let data = || Bounded::new(vec![9; 4]).unwrap();
    for version in EntryPointVersion::ALL {
        let mut inits = vec![Init::Deployed, Init::Factory { factory: Address([0x33; 20]), data: data() }];
        if version.supports_eip7702() {
            inits.push(Init::Eip7702 { delegate: Address([0x44; 20]), data: data() });
        }
        for init in inits {
            for paymaster in [None, Some(paymaster(version))] {
                let op = operation(init.clone(), paymaster);
                let json = user_operation_to_json(&op, version).into();
                let read = parse_user_operation(&json, version, CHAIN_ID, GasFields::Required);
                assert_eq!(read.map(|signed| signed.op), Ok(op), "{version}: {json}");
            }
        }
    }
}
