//! The frozen vectors: hashes computed by real EntryPoints, paymaster digests that the contracts
//! check too, attestation challenges computed by ethers, and digests of messages and challenges of
//! lists of intents by viem.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse must fail the test")]

use proto::command::{AccountDomain, MessageForm, PasskeyAssertion, ProvisionedKeys, SignMessage, Statement};
use proto::digest::intent_hash;
use proto::json::passkey::to_base64url;
use proto::json::{GasFields, parse_user_operation};
use proto::paymaster::paymaster_digest;
use proto::{
    Address, Bounded, EntryPoint, EntryPointVersion, Hash, IntentHash, IntentList, Quantity, TeeId, Terms, frame,
};
use serde_json::{Value, json};

fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap()
}

fn entry_point(vector: &Value, address: &str) -> EntryPoint {
    EntryPoint {
        chain_id: vector["chainId"].as_u64().unwrap(),
        address: address.parse().unwrap(),
        version: text(vector, "entryPointVersion").parse().unwrap(),
    }
}

/// The vector's operation, with the delegate on chain in `eip7702Auth`, where clients put it.
fn operation(vector: &Value, delegate: &str, chain_id: u64, version: EntryPointVersion) -> proto::UserOperation {
    let mut json = vector["userOp"].clone();
    if let Some(delegate) = vector[delegate].as_str() {
        json["eip7702Auth"] = json!({ "address": delegate, "chainId": format!("{chain_id:#x}") });
    }
    parse_user_operation(&json, version, chain_id, GasFields::Required).unwrap().op
}

#[test]
fn every_hash_is_the_one_the_entry_point_gave() {
    for vector in vectors("user-operation-hashes") {
        let entry_point = entry_point(&vector, text(&vector, "entryPoint"));
        let op = operation(&vector, "delegation", entry_point.chain_id, entry_point.version);
        assert_eq!(op.hash(&entry_point).to_string(), text(&vector, "userOpHash"), "{}", vector["name"]);
    }
}

#[test]
fn another_paymaster_signature_outside_the_hash_keeps_the_hash() {
    let outside =
        vectors("user-operation-hashes").into_iter().filter(|vector| !vector["userOp"]["paymasterSignature"].is_null());
    for vector in outside {
        let entry_point = entry_point(&vector, text(&vector, "entryPoint"));
        let mut op = operation(&vector, "delegation", entry_point.chain_id, entry_point.version);
        let hash = op.hash(&entry_point);
        let paymaster = op.paymaster.as_mut().unwrap();
        paymaster.signature = Some(Bounded::new(vec![0x11; 65]).unwrap());
        assert_eq!(op.hash(&entry_point), hash);
        op.paymaster.as_mut().unwrap().data = Bounded::new(vec![1]).unwrap();
        assert_ne!(op.hash(&entry_point), hash);
    }
}

#[test]
fn every_paymaster_digest_is_the_one_the_contract_checks() {
    for vector in vectors("paymaster-digests") {
        // The EntryPoint's address is not part of the digest.
        let entry_point = entry_point(&vector, "0x0000000000000000000000000000000000000001");
        let op = operation(&vector, "delegate", entry_point.chain_id, entry_point.version);
        let quantity =
            |field: &str| vector["terms"][field].as_str().map_or(0, |text| text.parse::<Quantity<u128>>().unwrap().0);
        let terms = Terms {
            paymaster: text(&vector, "paymaster").parse().unwrap(),
            verification_gas_limit: quantity("paymasterVerificationGasLimit"),
            post_op_gas_limit: quantity("paymasterPostOpGasLimit"),
            valid_until: vector["terms"]["validUntil"].as_u64().unwrap(),
            valid_after: vector["terms"]["validAfter"].as_u64().unwrap(),
        };
        let digest = paymaster_digest(&op, &entry_point, &terms);
        assert_eq!(digest.to_string(), text(&vector, "digest"), "{}", vector["name"]);
    }
}

#[test]
fn every_attestation_challenge_is_the_one_that_a_verifier_computes() {
    for vector in vectors("attestation-challenges") {
        let word = |field: &str| -> [u8; 32] { hex::decode(&text(&vector, field)[2..]).unwrap().try_into().unwrap() };
        let address = |field: &str| vector[field].as_str().map(|text| text.parse().unwrap());
        let statement = Statement {
            tee_id: TeeId(word("teeId")),
            version: Bounded::new(text(&vector, "version").to_owned()).unwrap(),
            measurement: Hash(word("measurement")),
            counter: vector["counter"].as_u64().unwrap(),
            provisioned: address("admin").zip(address("paymasterSigner")).map(|(admin, paymaster_signer)| {
                ProvisionedKeys { admin, paymaster_signer, standby_paymaster_signer: address("standbyPaymasterSigner") }
            }),
        };
        assert_eq!(statement.challenge(&word("nonce")), Hash(word("challenge")), "{}", vector["name"]);
    }
}

#[test]
fn every_digest_of_a_message_and_its_challenge_are_those_that_viem_computes() {
    for vector in vectors("message-digests") {
        let bounded = |field: &str| Bounded::new(text(&vector["domain"], field).to_owned()).unwrap();
        let form = if vector["domain"].is_null() {
            MessageForm::Eip191
        } else {
            let domain = &vector["domain"];
            MessageForm::PersonalSign(AccountDomain {
                name: bounded("name"),
                version: bounded("version"),
                chain_id: domain["chainId"].as_u64().unwrap(),
                verifying_contract: text(domain, "verifyingContract").parse().unwrap(),
                salt: domain["salt"].as_str().map(|salt| salt.parse().unwrap()),
            })
        };
        let command = SignMessage {
            account_id: text(&vector, "accountId").parse().unwrap(),
            message: text(&vector, "message").parse().unwrap(),
            form,
            passkey: PasskeyAssertion {
                credential_id: Bounded::default(),
                authenticator_data: Bounded::default(),
                client_data_json: Bounded::default(),
                signature: Bounded::default(),
                intents: None,
            },
        };
        assert_eq!(command.digest().to_string(), text(&vector, "digest"), "{}", vector["name"]);
        assert_eq!(command.intent_hash().to_string(), text(&vector, "intentHash"), "{}", vector["name"]);
    }
}

#[test]
fn every_list_of_intents_has_the_challenge_that_viem_computes() {
    for vector in vectors("intent-lists") {
        let name = text(&vector, "name");
        let operations = vector["operations"].as_array().unwrap();
        let intents: Vec<_> = operations.iter().map(|operation| operation["intentHash"].clone()).collect();
        for (operation, intent) in operations.iter().zip(&intents) {
            let hash = text(operation, "userOpHash").parse().unwrap();
            let computed = intent_hash(&hash, &text(operation, "accountId").parse().unwrap());
            assert_eq!(computed.to_string(), *intent, "{name}");
        }
        let parsed: Vec<IntentHash> = intents.iter().map(|intent| intent.as_str().unwrap().parse().unwrap()).collect();
        let list = IntentList::new(parsed.clone());
        // Whatever no list can hold has no wire form and no JSON form either.
        let bytes = frame::encode_record(&parsed).unwrap();
        assert_eq!(frame::decode_record(&bytes).ok(), list.clone().ok(), "{name}");
        assert_eq!(serde_json::from_value(Value::from(intents)).ok(), list.clone().ok(), "{name}");
        match vector["intentsHash"].as_str() {
            Some(hash) => {
                let computed = list.unwrap().hash();
                assert_eq!(computed.to_string(), hash, "{name}");
                assert_eq!(to_base64url(&computed.0), text(&vector, "challenge"), "{name}");
            }
            None => assert!(list.is_err(), "{name}"),
        }
    }
}

#[test]
fn an_address_is_shown_with_its_checksum() {
    // Examples from EIP-55.
    for text in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
}
