//! Registration of a passkey (WebAuthn Level 3, section 7.1).

use proto::AccountId;
use proto::command::CredentialId;
use proto::json::invitation::SignedInvitation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json;

/// Begins a registration. One of `account_id` and `user_name` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginRegistration {
    /// The id of the account that will be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// 1 to 128 characters, shown by the authenticator. By default the account id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The same. By default the user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The one that will be used for the account: refused here if it would be refused there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<SignedInvitation>,
}

/// What the browser needs for `navigator.credentials.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationBegun {
    /// A sealed token of up to 8 KiB, valid for 300 s.
    pub registration_id: String,
    /// PublicKeyCredentialCreationOptionsJSON.
    pub public_key: Value,
}

/// Verifies what the browser answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishRegistration {
    /// As [`RegistrationBegun`] has it.
    pub registration_id: String,
    /// RegistrationResponseJSON, read by [`proto::json::passkey::parse_registration`].
    pub credential: Value,
}

/// The passkey is verified, and its account can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationFinished {
    /// Another one, for [`crate::accounts::CreateAccount`]; valid for 300 s.
    pub registration_id: String,
    /// The passkey.
    #[serde(with = "json::base64url")]
    pub credential_id: CredentialId,
    /// True.
    pub verified: bool,
}
