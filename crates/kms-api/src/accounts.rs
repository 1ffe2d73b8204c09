//! Accounts whose key lives in the TEE.

use proto::bytes::{BoundedList, TooLong};
use proto::command::{CredentialId, PasskeyInfo, PasskeyPublicKey, SignatureScheme, WalletInfo};
use proto::json::invitation::SignedInvitation;
use proto::{AccountId, Address, Hash};
use serde::{Deserialize, Serialize};

use crate::json;

/// Creates the account of a verified registration. Repeating the request returns the same account.
/// It needs an API key in a header or an invitation if the gateway's settings require one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAccount {
    /// From [`crate::webauthn::RegistrationFinished`].
    pub registration_id: String,
    /// Default: the id given for the registration, otherwise the credential's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Default: the scheme in the gateway's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_scheme: Option<SignatureScheme>,
    /// An invitation by a relay: `inv_...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<SignedInvitation>,
}

/// The account of the registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedAccount {
    /// Its id.
    pub account_id: AccountId,
    /// The address of its key, the owner of its contract.
    pub owner_address: Address,
    /// Its passkey.
    #[serde(with = "json::base64url")]
    pub credential_id: CredentialId,
    /// Its passkey's public key.
    pub public_key: PasskeyPublicKey,
    /// The scheme in which it signs operations.
    pub signature_scheme: SignatureScheme,
    /// The address of its contract. `None` without a factory.
    pub sender: Option<Address>,
    /// The factory that deploys its contract. `None` if none is configured for its scheme.
    pub factory: Option<Address>,
    /// keccak256(credentialId): the factory's salt.
    pub salt: Hash,
    /// Whether this request created it. Otherwise it existed: anyone can repeat a registration with
    /// an account's public facts, so this answer does not prove that the caller has its passkey.
    pub created: bool,
}

/// Requests an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAccount {
    /// Its id.
    pub account_id: AccountId,
}

/// An account's public facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its id.
    pub account_id: AccountId,
    /// The address of its key, the owner of its contract.
    pub owner_address: Address,
    /// The scheme in which it signs operations.
    pub signature_scheme: SignatureScheme,
    /// The factory that deploys its contract. `None` if none is configured for its scheme.
    pub factory: Option<Address>,
    /// keccak256 of the first passkey's credential id: the factory's salt.
    pub salt: Option<Hash>,
    /// The passkeys that may approve.
    pub passkeys: Vec<Passkey>,
}

/// A passkey of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passkey {
    /// Its credential id.
    #[serde(with = "json::base64url")]
    pub credential_id: CredentialId,
    /// Its public key.
    pub public_key: PasskeyPublicKey,
}

impl From<&PasskeyInfo> for Passkey {
    fn from(passkey: &PasskeyInfo) -> Self {
        Self { credential_id: passkey.credential_id.clone(), public_key: passkey.public_key }
    }
}

impl From<Passkey> for PasskeyInfo {
    fn from(passkey: Passkey) -> Self {
        Self { credential_id: passkey.credential_id, public_key: passkey.public_key }
    }
}

/// Fails if there are more passkeys than an account can have.
impl TryFrom<Account> for WalletInfo {
    type Error = TooLong;

    fn try_from(account: Account) -> Result<Self, TooLong> {
        Ok(Self {
            account_id: account.account_id,
            owner: account.owner_address,
            signature_scheme: account.signature_scheme,
            passkeys: BoundedList::new(account.passkeys.into_iter().map(PasskeyInfo::from).collect())?,
        })
    }
}
