//! Passkey registration, begin and finish (WebAuthn Level 3, section 7.1). The client carries the
//! sealed state in between.

mod registration;
mod seal;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::json::InvalidField;
use proto::{AccountId, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{PasskeyRegistration, Webauthn, WebauthnBuilder};

pub use registration::VerifiedRegistration;
pub use seal::SealingKey;

use seal::{Purpose, Seal};

use crate::origin::Origin;
use crate::settings::{InvalidSettings, Settings};

/// Time limit from begin to finish, and from finish to the account, in seconds.
pub const LIFETIME_SECONDS: u64 = 300;
const LIFETIME: Duration = Duration::from_secs(LIFETIME_SECONDS);
/// COSE algorithm ES256, the one the trusted application accepts.
const ES256: i64 = -7;
const MAX_USER_NAME: usize = 128;

/// Why a registration fails.
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// Not a registration of this KMS, or expired.
    #[error("unknown registration, or one older than {LIFETIME_SECONDS} s")]
    Unknown,
    /// It has begun, but no passkey has been verified for it.
    #[error(
        "this registration has no verified passkey: make the account with the registrationId that \
         /webauthn/register/finish answers"
    )]
    NotVerified,
    /// The answer of the authenticator or browser is refused, with the trusted application's
    /// status.
    #[error("{0}")]
    Refused(Status),
    /// A field of the answer is missing, unknown, or malformed as part of a
    /// `RegistrationResponseJSON`.
    #[error("credential.{0}")]
    InvalidField(InvalidField),
    /// The answer is not a verifiable registration.
    #[error("the registration is not valid: {detail}")]
    Invalid {
        /// The problem.
        detail: String,
    },
}

/// A user name that authenticators cannot be asked to show.
#[derive(Clone, Copy, Debug, Error)]
#[error("expected 1 to {MAX_USER_NAME} characters, found {found}")]
pub struct InvalidUserName {
    /// Characters.
    pub found: usize,
}

/// The owner of the new passkey, as the authenticator shows it.
#[derive(Clone, Debug)]
pub struct NewUser {
    name: String,
    display_name: String,
    account_id: Option<AccountId>,
}

impl NewUser {
    /// A user with a name. An account id given here becomes the account's id.
    ///
    /// # Errors
    /// If a name is empty or too long.
    pub fn new(
        name: String,
        display_name: Option<String>,
        account_id: Option<AccountId>,
    ) -> Result<Self, InvalidUserName> {
        let display_name = display_name.unwrap_or_else(|| name.clone());
        for found in [&name, &display_name].map(|text| text.chars().count()) {
            if !(1..=MAX_USER_NAME).contains(&found) {
                return Err(InvalidUserName { found });
            }
        }
        Ok(Self { name, display_name, account_id })
    }
}

/// The registrations of one relying party.
pub struct Ceremonies {
    webauthn: Webauthn,
    origins: Vec<Origin>,
    seal: Seal,
    /// For clients that name a verified registration by the id of its beginning. Bounded.
    remembered: Mutex<HashMap<Uuid, Remembered>>,
    capacity: usize,
}

/// The content of what a client carries from begin to finish.
#[derive(Serialize, Deserialize)]
struct Begun {
    id: Uuid,
    expires_at: u64,
    account_id: Option<AccountId>,
    /// JSON, the format of webauthn-rs.
    state: Vec<u8>,
}

/// A registration whose passkey was verified, as carried by a client from finish to the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verified {
    /// Identifies it in the gateway's database.
    pub id: Uuid,
    /// Unix seconds. Until then its account can be created, and retried.
    pub expires_at: u64,
    /// The passkey and its proof.
    pub registration: VerifiedRegistration,
}

/// A verified registration and the monotonic time at which it was stored.
struct Remembered {
    since: Instant,
    verified: Verified,
}

/// The WebAuthn settings of the configured relying party.
///
/// # Errors
/// If there is no origin, or one that does not belong to the relying party.
pub(crate) fn webauthn(settings: &Settings) -> Result<Webauthn, InvalidSettings> {
    let invalid = |problem: String| InvalidSettings::new("origins", problem);
    let Settings { rp_id, rp_name, origins, .. } = settings;
    if origins.is_empty() {
        return Err(invalid("at least one is needed".into()));
    }
    if let Some(stranger) = origins.iter().find(|origin| !origin.belongs_to(rp_id)) {
        return Err(invalid(format!("{stranger} does not belong to the relying party {rp_id:?}")));
    }
    // The builder requires a page's origin, but there may be apps only. `registration` checks the
    // actual origins.
    let page = Url::parse(&format!("https://{rp_id}")).map_err(|problem| invalid(problem.to_string()))?;
    let builder = WebauthnBuilder::new(rp_id, &page).map_err(|problem| invalid(problem.to_string()))?;
    let builder =
        origins.iter().map(Origin::url).fold(builder.rp_name(rp_name), WebauthnBuilder::append_allowed_origin);
    builder.build().map_err(|problem| invalid(problem.to_string()))
}

impl Ceremonies {
    /// The registrations of the configured relying party.
    ///
    /// # Errors
    /// If there is no origin, or one that does not belong to the relying party.
    pub fn new(settings: &Settings, key: &SealingKey) -> Result<Self, InvalidSettings> {
        Ok(Self {
            webauthn: webauthn(settings)?,
            origins: settings.origins.clone(),
            seal: Seal::new(key),
            remembered: Mutex::default(),
            capacity: settings.max_registrations,
        })
    }

    /// Begins a registration: returns its id, and PublicKeyCredentialCreationOptionsJSON for the
    /// browser. Nothing is stored here.
    ///
    /// # Errors
    /// `account_id_reserved`: an account cannot be named like an address. Also if the options
    /// cannot be created.
    pub fn begin(&self, user: NewUser, now: u64) -> Result<(String, Value), CeremonyError> {
        if user.account_id.as_ref().is_some_and(AccountId::is_address) {
            return Err(CeremonyError::Refused(Status::AccountIdReserved));
        }
        let (options, state) = self
            .webauthn
            .start_passkey_registration(Uuid::new_v4(), &user.name, &user.display_name, None)
            .map_err(invalid)?;
        let begun = Begun {
            id: Uuid::new_v4(),
            expires_at: now.saturating_add(LIFETIME_SECONDS),
            account_id: user.account_id,
            state: serde_json::to_vec(&state).map_err(invalid)?,
        };
        let id = self.seal(Purpose::Begun, &begun)?;
        let mut options = serde_json::to_value(options.public_key).map_err(invalid)?;
        options["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": ES256 }]);
        options["authenticatorSelection"]["residentKey"] = "preferred".into();
        Ok((id, options))
    }

    /// Verifies the browser's RegistrationResponseJSON; returns the id for creating its account,
    /// and the passkey. A wrong answer ends nothing: the right one may follow.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn finish(
        &self,
        id: &str,
        credential: &Value,
        now: u64,
    ) -> Result<(String, VerifiedRegistration), CeremonyError> {
        let begun = self.begun(id, now)?;
        let state: PasskeyRegistration = serde_json::from_slice(&begun.state).map_err(invalid)?;
        let registration = registration::verify(&self.webauthn, &self.origins, &state, credential, begun.account_id)?;
        let expires_at = now.saturating_add(LIFETIME_SECONDS);
        let verified = Verified { id: Uuid::new_v4(), expires_at, registration };
        let id = self.seal(Purpose::Verified, &verified)?;
        self.remember(begun.id, verified.clone());
        Ok((id, verified.registration))
    }

    /// A verified registration, by the id that `finish` returned or, while it is stored here, by
    /// the id of its beginning.
    ///
    /// # Errors
    /// [`CeremonyError::Unknown`], [`CeremonyError::NotVerified`].
    pub fn verified(&self, id: &str, now: u64) -> Result<Verified, CeremonyError> {
        if let Some(verified) = self.seal.open::<Verified>(Purpose::Verified, id) {
            return if verified.expires_at >= now { Ok(verified) } else { Err(CeremonyError::Unknown) };
        }
        let begun = self.begun_ever(id)?;
        match self.entries().get(&begun.id).map(|entry| &entry.verified) {
            Some(verified) if verified.expires_at >= now => Ok(verified.clone()),
            Some(_) => Err(CeremonyError::Unknown),
            None if begun.expires_at >= now => Err(CeremonyError::NotVerified),
            None => Err(CeremonyError::Unknown),
        }
    }

    fn begun(&self, id: &str, now: u64) -> Result<Begun, CeremonyError> {
        let begun = self.begun_ever(id)?;
        if begun.expires_at >= now { Ok(begun) } else { Err(CeremonyError::Unknown) }
    }

    fn begun_ever(&self, id: &str) -> Result<Begun, CeremonyError> {
        self.seal.open(Purpose::Begun, id).ok_or(CeremonyError::Unknown)
    }

    fn seal(&self, purpose: Purpose, content: &impl Serialize) -> Result<String, CeremonyError> {
        self.seal.seal(purpose, content).ok_or_else(|| invalid("it could not be sealed"))
    }

    /// Evicts the oldest entry. Its client has the id from `finish`, and loses nothing.
    fn remember(&self, begun: Uuid, verified: Verified) {
        let mut entries = self.entries();
        while entries.len() >= self.capacity.max(1) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(id, _)| *id);
            oldest.and_then(|oldest| entries.remove(&oldest));
        }
        entries.insert(begun, Remembered { since: Instant::now(), verified });
    }

    /// The current entries.
    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, Remembered>> {
        let mut entries = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.since.elapsed() <= LIFETIME);
        entries
    }
}

fn invalid(error: impl ToString) -> CeremonyError {
    CeremonyError::Invalid { detail: error.to_string() }
}
