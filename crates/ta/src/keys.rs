//! The two kinds of signing keys. Neither signs a digest it is handed: each takes an operation that passed its checks.

use bip32::{DerivationPath, XPrv};
use k256::ecdsa::SigningKey;
use proto::command::SignatureScheme;
use proto::digest::personal_message_hash;
use proto::{Address, Hash, PaymasterDigest, Signature, Status};
use zeroize::Zeroizing;

use crate::checks::{CheckedOperation, CheckedSponsorship};
use crate::recover::address_of;
use crate::secret::Secret;

/// The first account of an Ethereum wallet (BIP-32, BIP-44).
const PATH: &str = "m/44'/60'/0'/0/0";

/// The key of one account. k256 wipes it when dropped.
pub(crate) struct AccountKey(SigningKey);

/// The key that signs for the paymasters.
pub(crate) struct PaymasterKey(SigningKey);

impl AccountKey {
    /// The key at [`PATH`] under the account's entropy.
    pub(crate) fn derive(entropy: &Secret) -> Result<Self, Status> {
        let path: DerivationPath = PATH.parse().map_err(|_| Status::SigningFailed)?;
        // One seed in 2^127 has no key there; such an account can't be made.
        let key = XPrv::derive_from_path(entropy, &path).map_err(|_| Status::EntropyFailed)?;
        Ok(Self(key.private_key().clone()))
    }

    /// The owner of the account's contract.
    pub(crate) fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs the operation with the key of the account it was checked for.
    pub(crate) fn sign_user_operation(operation: &CheckedOperation<'_>) -> Result<Signature, Status> {
        let account = operation.account();
        let hash = operation.hash();
        let digest = match account.signature_scheme() {
            SignatureScheme::Eip191 => personal_message_hash(&hash.0),
            SignatureScheme::Raw => Hash(hash.0),
        };
        sign(&account.key().0, &digest)
    }
}

impl PaymasterKey {
    /// The key of these bytes; `None` if they are none, which happens to random bytes once in 2^127.
    pub(crate) fn new(secret: &Secret) -> Option<Self> {
        SigningKey::from_slice(secret.as_ref()).ok().map(Self)
    }

    /// For its sealed record.
    pub(crate) fn secret(&self) -> Secret {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(self.0.to_bytes().into());
        Secret::from(*bytes)
    }

    /// What the paymaster contracts know it by.
    pub(crate) fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs for the terms of the sponsorship.
    pub(crate) fn sign_sponsorship(&self, sponsorship: &CheckedSponsorship<'_>) -> Result<Signature, Status> {
        let PaymasterDigest(digest) = sponsorship.paymaster_digest();
        sign(&self.0, &Hash(digest))
    }
}

/// Deterministic (RFC 6979) and with a low s, so the same digest always gives the same bytes.
fn sign(key: &SigningKey, digest: &Hash) -> Result<Signature, Status> {
    let (signature, recovery) = key.sign_prehash_recoverable(&digest.0);
    // v has no way to say that r was reduced; it happens once in 2^127.
    if recovery.is_x_reduced() {
        return Err(Status::SigningFailed);
    }
    let (r, s) = signature.split_bytes();
    Ok(Signature { r: r.into(), s: s.into(), v: if recovery.is_y_odd() { 28 } else { 27 } })
}
