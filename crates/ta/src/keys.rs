//! The two kinds of signing keys. Neither signs a digest from a caller: each takes an operation or
//! message that passed its checks.

use bip32::{DerivationPath, XPrv};
use k256::ecdsa::SigningKey;
use proto::{Address, Hash, PaymasterDigest, Signature, Status};
use zeroize::Zeroizing;

use crate::allowances::Charged;
use crate::checks::{CheckedMessage, CheckedOperation, CheckedSponsorship};
use crate::ports::Entropy;
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
        at_path(entropy.as_ref()).map(Self)
    }

    /// The owner of the account's contract.
    pub(crate) fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs the operation with the key of the account it was checked for.
    pub(crate) fn sign_user_operation(operation: &CheckedOperation<'_>) -> Result<Signature, Status> {
        let account = operation.account();
        let hash = operation.hash();
        sign(&account.key().0, &account.signature_scheme().digest(&hash))
    }

    /// Signs the message with the key of the account it was checked for.
    pub(crate) fn sign_message(message: &CheckedMessage<'_>) -> Result<Signature, Status> {
        sign(&message.account().key().0, &message.digest())
    }
}

impl PaymasterKey {
    /// A new key, from the platform.
    pub(crate) fn draw(entropy: &mut impl Entropy) -> Result<Self, Status> {
        Self::new(&Secret::draw(entropy)?).ok_or(Status::EntropyFailed)
    }

    /// The key with these bytes; `None` if they are not a valid key, which happens to random bytes
    /// once in 2^127.
    pub(crate) fn new(secret: &Secret) -> Option<Self> {
        SigningKey::from_slice(secret.as_ref()).ok().map(Self)
    }

    /// For its sealed record.
    pub(crate) fn secret(&self) -> Secret {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(self.0.to_bytes().into());
        Secret::from(*bytes)
    }

    /// The address the paymaster contracts know.
    pub(crate) fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs the terms of a sponsorship that was checked and charged.
    pub(crate) fn sign_sponsorship(
        &self,
        sponsorship: &CheckedSponsorship<'_>,
        charged: &Charged,
    ) -> Result<Signature, Status> {
        if !charged.is_for(sponsorship.bill()) {
            return Err(Status::SigningFailed);
        }
        let PaymasterDigest(digest) = sponsorship.bill().digest;
        sign(&self.0, &Hash(digest))
    }
}

fn at_path(seed: &[u8]) -> Result<SigningKey, Status> {
    let path: DerivationPath = PATH.parse().map_err(|_| Status::SigningFailed)?;
    // One seed in 2^127 has no key at this path; such an account cannot be created.
    let key = XPrv::derive_from_path(seed, &path).map_err(|_| Status::EntropyFailed)?;
    Ok(key.private_key().clone())
}

/// Deterministic (RFC 6979) and with a low s, so the same digest always gives the same bytes.
fn sign(key: &SigningKey, digest: &Hash) -> Result<Signature, Status> {
    let (signature, recovery) = key.sign_prehash_recoverable(&digest.0);
    // v cannot express that r was reduced, which happens once in 2^127.
    if recovery.is_x_reduced() {
        return Err(Status::SigningFailed);
    }
    let (r, s) = signature.split_bytes();
    Ok(Signature { r: r.into(), s: s.into(), v: if recovery.is_y_odd() { 28 } else { 27 } })
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    /// BIP-39 "test test test test test test test test test test test junk" without a passphrase:
    /// the first account of every development chain.
    const SEED: &str = "9dfc3c64c2f8bede1533b6a79f8570e5943e0b8fd1cf77107adf7b72cef42185\
                        d564a3aee24cab43f80e3c4538087d70fc824eabbad596a23c97b6ee8322ccc0";

    #[test]
    fn the_path_leads_to_the_first_account_of_an_ethereum_wallet() {
        let key = at_path(&hex::decode(SEED).unwrap()).unwrap();
        let address = address_of(key.verifying_key()).to_string().to_ascii_lowercase();
        assert_eq!(address, "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    }

    /// secp256k1 with SHA-256, private key 1, "Satoshi Nakamoto": the vector every RFC 6979
    /// implementation agrees on.
    #[test]
    fn signatures_are_deterministic_as_in_rfc_6979() {
        use sha2::{Digest, Sha256};
        let mut one = [0; 32];
        one[31] = 1;
        let digest = Sha256::digest("Satoshi Nakamoto").into();
        let signature = sign(&SigningKey::from_slice(&one).unwrap(), &Hash(digest)).unwrap();
        assert_eq!(
            hex::encode(&signature.to_bytes()[..64]),
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
             2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
        );
    }
}
