//! Ethereum keystores, version 3, with geth's scrypt cost (N = 2^18, r = 8, p = 1): alloy reads
//! such files, but writes them with a thirty-second of the cost.

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use alloy_primitives::Keccak256;
use ctr::Ctr128BE;
use k256::ecdsa::SigningKey;
use scrypt::{Params, scrypt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyRecord, RelayKeyError};

/// The member with the key's record, which no other program uses.
const RECORD: &str = "superRelay";

const LOG_N: u8 = 18;
const N: u64 = 1 << LOG_N;
const R: u32 = 8;
const P: u32 = 1;
const DERIVED_BYTES: usize = 32;

/// Encrypts a key to the text of a keystore, which also names its record, if there is one. Takes
/// 256 MiB and about a second.
pub(super) fn encrypt(
    key: &SigningKey,
    passphrase: &SecretString,
    record: Option<KeyRecord>,
) -> Result<String, RelayKeyError> {
    let (mut salt, mut iv) = ([0; 32], [0; 16]);
    getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut iv)).map_err(|_| RelayKeyError::NotMade)?;

    let mut derived = Zeroizing::new([0; DERIVED_BYTES]);
    let params = Params::new(LOG_N, R, P).map_err(|_| RelayKeyError::NotMade)?;
    scrypt(passphrase.expose_secret().as_bytes(), &salt, &params, derived.as_mut_slice())
        .map_err(|_| RelayKeyError::NotMade)?;
    let (cipher_key, mac_key) = derived.split_at(DERIVED_BYTES / 2);

    // In place: the scalar is overwritten by the ciphertext.
    let mut ciphertext = Zeroizing::new(<[u8; 32]>::from(key.to_bytes()));
    let mut cipher = Ctr128BE::<Aes128>::new_from_slices(cipher_key, &iv).map_err(|_| RelayKeyError::NotMade)?;
    cipher.apply_keystream(ciphertext.as_mut_slice());
    let mut mac = Keccak256::new();
    mac.update(mac_key);
    mac.update(ciphertext.as_slice());

    let mut keystore = json!({
        "version": 3,
        "id": Uuid::new_v4().to_string(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex::encode(iv) },
            "ciphertext": hex::encode(ciphertext.as_slice()),
            "kdf": "scrypt",
            "kdfparams": { "dklen": DERIVED_BYTES, "n": N, "r": R, "p": P, "salt": hex::encode(salt) },
            "mac": hex::encode(mac.finalize()),
        },
    });
    if let Some(KeyRecord { tee_id, record }) = record {
        keystore[RECORD] = json!({ "teeId": tee_id, "record": record });
    }
    Ok(keystore.to_string())
}

/// The record that a keystore names.
pub(super) fn record(text: &[u8]) -> Option<KeyRecord> {
    let member = serde_json::from_slice::<Value>(text).ok()?[RECORD].take();
    Some(KeyRecord { tee_id: member["teeId"].as_str()?.parse().ok()?, record: member["record"].as_u64()? })
}

/// Whether guessing this keystore's passphrase costs as much as for a new one.
pub(super) fn is_of_standard_cost(text: &[u8]) -> bool {
    let crypto = serde_json::from_slice::<Value>(text).unwrap_or_default()["crypto"].take();
    let at_least = |name: &str, least: u64| crypto["kdfparams"][name].as_u64().is_some_and(|given| given >= least);
    crypto["kdf"] == "scrypt" && at_least("n", N) && at_least("r", R.into()) && at_least("p", P.into())
}
