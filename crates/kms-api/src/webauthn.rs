//! Registration of a passkey (WebAuthn Level 3, section 7.1).

use proto::AccountId;
use proto::command::CredentialId;
use proto::json::invitation::SignedInvitation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json;

/// Begins a registration. One of `account_id` and `user_name` is required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginRegistration {
    /// The id of the account to be created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// 1 to 128 characters, shown by the authenticator. Default: the account id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Like `user_name`, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The invitation to be used for the account: refused here if it would be refused there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<SignedInvitation>,
}

/// The options for `navigator.credentials.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationBegun {
    /// A sealed token of up to 8 KiB, valid for 300 s.
    pub registration_id: String,
    /// PublicKeyCredentialCreationOptionsJSON.
    pub public_key: Value,
}

/// Verifies the browser's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishRegistration {
    /// From [`RegistrationBegun`].
    pub registration_id: String,
    /// RegistrationResponseJSON, parsed by [`proto::json::passkey::parse_registration`].
    pub credential: Value,
}

/// The passkey is verified, and its account can be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationFinished {
    /// A new token, for [`crate::accounts::CreateAccount`]; valid for 300 s.
    pub registration_id: String,
    /// The passkey.
    #[serde(with = "json::base64url")]
    pub credential_id: CredentialId,
    /// Always true.
    pub verified: bool,
}
