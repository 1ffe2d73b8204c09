//! Passkey registration, begin and finish (WebAuthn Level 3, section 7.1). What is under way lives in memory, bounded and
//! for a few minutes.

mod registration;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::{AccountId, Status};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;
use webauthn_rs::prelude::{PasskeyRegistration, Webauthn, WebauthnBuilder};

pub use registration::VerifiedRegistration;

use crate::settings::{InvalidSettings, Settings};

/// Seconds from begin to finish, and from finish to the account.
pub const LIFETIME_SECONDS: u64 = 300;
/// COSE algorithm ES256, the one the trusted application takes.
const ES256: i64 = -7;
const MAX_USER_NAME: usize = 128;

/// Why a registration goes no further.
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// Never begun, expired, or ended already.
    #[error("no such registration is under way")]
    Unknown,
    /// What the authenticator or browser answered is refused, in the trusted application's words.
    #[error("{0}")]
    Refused(Status),
    /// The answer is not a registration that can be verified.
    #[error("the registration is not valid: {detail}")]
    Invalid {
        /// What is wrong with it.
        detail: String,
    },
}

/// A user name that authenticators can't be asked to show.
#[derive(Clone, Copy, Debug, Error)]
#[error("expected 1 to {MAX_USER_NAME} characters")]
pub struct InvalidUserName;

/// Whose passkey it will be, as its authenticator shows it.
#[derive(Clone, Debug)]
pub struct NewUser {
    name: String,
    display_name: String,
    account_id: Option<AccountId>,
}

impl NewUser {
    /// A user with a name of their own. An account id given here is the one their account gets.
    ///
    /// # Errors
    /// When a name is empty or overlong.
    pub fn new(
        name: String,
        display_name: Option<String>,
        account_id: Option<AccountId>,
    ) -> Result<Self, InvalidUserName> {
        let display_name = display_name.unwrap_or_else(|| name.clone());
        let fits = |text: &str| (1..=MAX_USER_NAME).contains(&text.chars().count());
        if !fits(&name) || !fits(&display_name) {
            return Err(InvalidUserName);
        }
        Ok(Self { name, display_name, account_id })
    }
}

/// The registrations under way.
pub struct Ceremonies {
    webauthn: Webauthn,
    capacity: usize,
    under_way: Mutex<HashMap<Uuid, Entry>>,
}

struct Entry {
    expires_at: u64,
    stage: Stage,
}

enum Stage {
    Begun { state: Box<PasskeyRegistration>, account_id: Option<AccountId> },
    Verified(VerifiedRegistration),
}

impl Ceremonies {
    /// Ceremonies of the relying party in the settings.
    ///
    /// # Errors
    /// When there is no origin, or one that isn't the relying party's.
    pub fn new(settings: &Settings) -> Result<Self, InvalidSettings> {
        let invalid = |problem: String| InvalidSettings::new("origins", problem);
        let (first, others) = settings.origins.split_first().ok_or_else(|| invalid("at least one is needed".into()))?;
        // The builder checks only its first.
        let builder = |origin| {
            WebauthnBuilder::new(&settings.rp_id, origin)
                .map_err(|_| invalid(format!("{origin} does not belong to the relying party {:?}", settings.rp_id)))
        };
        for origin in others {
            builder(origin)?;
        }
        let builder = builder(first)?.rp_name(&settings.rp_name);
        let webauthn = others.iter().fold(builder, WebauthnBuilder::append_allowed_origin).build();
        let webauthn = webauthn.map_err(|problem| invalid(problem.to_string()))?;
        Ok(Self { webauthn, capacity: settings.max_registrations, under_way: Mutex::default() })
    }

    /// Begins a registration: its id, and PublicKeyCredentialCreationOptionsJSON for the browser. When as many are under
    /// way as the settings allow, the oldest makes room, one that is verified last: anyone may begin one, and nobody can
    /// keep the others out by it.
    ///
    /// # Errors
    /// When the options can't be made.
    pub fn begin(&self, user: NewUser, now: u64) -> Result<(Uuid, Value), CeremonyError> {
        let (options, state) = self
            .webauthn
            .start_passkey_registration(Uuid::new_v4(), &user.name, &user.display_name, None)
            .map_err(invalid)?;
        let stage = Stage::Begun { state: Box::new(state), account_id: user.account_id };
        let id = self.insert(stage, now);
        let mut options = serde_json::to_value(options.public_key).map_err(invalid)?;
        options["pubKeyCredParams"] = json!([{ "type": "public-key", "alg": ES256 }]);
        options["authenticatorSelection"]["residentKey"] = "preferred".into();
        Ok((id, options))
    }

    /// Verifies the browser's RegistrationResponseJSON. A challenge is good for one answer, right or wrong.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn finish(&self, id: Uuid, credential: &Value, now: u64) -> Result<VerifiedRegistration, CeremonyError> {
        let entry = self.entries(now).remove(&id);
        let Some(Entry { stage: Stage::Begun { state, account_id }, .. }) = entry else {
            return Err(CeremonyError::Unknown);
        };
        let verified = registration::verify(&self.webauthn, &state, credential, account_id)?;
        let entry =
            Entry { expires_at: now.saturating_add(LIFETIME_SECONDS), stage: Stage::Verified(verified.clone()) };
        self.entries(now).insert(id, entry);
        Ok(verified)
    }

    /// A registration that was verified, and the time, in Unix seconds, for which it stays: making its account can be tried
    /// again.
    ///
    /// # Errors
    /// [`CeremonyError::Unknown`].
    pub fn verified(&self, id: Uuid, now: u64) -> Result<(VerifiedRegistration, u64), CeremonyError> {
        match self.entries(now).get(&id) {
            Some(Entry { stage: Stage::Verified(verified), expires_at }) => Ok((verified.clone(), *expires_at)),
            _ => Err(CeremonyError::Unknown),
        }
    }

    fn insert(&self, stage: Stage, now: u64) -> Uuid {
        let mut entries = self.entries(now);
        while entries.len() >= self.capacity.max(1) {
            // Anyone can begin one, but a verified one is somebody's passkey: those go last.
            let rank = |entry: &Entry| (matches!(entry.stage, Stage::Verified(_)), entry.expires_at);
            let oldest = entries.iter().min_by_key(|(_, entry)| rank(entry)).map(|(id, _)| *id);
            oldest.and_then(|oldest| entries.remove(&oldest));
        }
        let id = Uuid::new_v4();
        entries.insert(id, Entry { expires_at: now.saturating_add(LIFETIME_SECONDS), stage });
        id
    }

    /// What is under way at this time.
    fn entries(&self, now: u64) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        let mut entries = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.expires_at >= now);
        entries
    }
}

fn invalid(error: impl ToString) -> CeremonyError {
    CeremonyError::Invalid { detail: error.to_string() }
}
