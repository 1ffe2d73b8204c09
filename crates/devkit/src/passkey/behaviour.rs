//! The behaviour of a passkey: differences between honest authenticators, and every way to lie.

/// Plain settings, changed at any time; [`Behaviour::honest`] is a browser on the right page.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The page's origin, as clientDataJSON reports it.
    pub origin: String,
    /// The relying party whose hash is at the start of authenticatorData.
    pub rp_id: String,
    /// `crossOrigin` of clientDataJSON.
    pub cross_origin: bool,
    /// `topOrigin` of clientDataJSON, which a browser adds in a cross-origin frame.
    pub top_origin: Option<String>,
    /// `type` of clientDataJSON, replacing the ceremony's own.
    pub ceremony_type: Option<String>,
    /// A key outside the specification in clientDataJSON.
    pub extra_key: ExtraKey,
    /// Whether clientDataJSON escapes slashes as `\/`, as JSON allows and Firefox on Android does.
    pub escapes_slashes: bool,
    /// Flag UP.
    pub user_present: bool,
    /// Flag UV.
    pub user_verified: bool,
    /// Flag BE.
    pub backup_eligible: bool,
    /// Flag BS.
    pub backed_up: bool,
    /// The signature counter.
    pub counter: SignCounter,
    /// The form of `s` in signatures.
    pub signature_form: SignatureForm,
}

impl Behaviour {
    /// A user who was present and verified, on the relying party's own page.
    #[must_use]
    pub fn honest(rp_id: &str, origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            rp_id: rp_id.to_owned(),
            cross_origin: false,
            top_origin: None,
            ceremony_type: None,
            extra_key: ExtraKey::OnRegistration,
            escapes_slashes: false,
            user_present: true,
            user_verified: true,
            backup_eligible: false,
            backed_up: false,
            counter: SignCounter::Synced,
            signature_form: SignatureForm::AsSigned,
        }
    }

    pub(super) fn flags(&self, attested_credential: bool) -> u8 {
        let bits = [
            (self.user_present, 0x01),
            (self.user_verified, 0x04),
            (self.backup_eligible, 0x08),
            (self.backed_up, 0x10),
            (attested_credential, 0x40),
        ];
        bits.into_iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
    }
}

/// When clientDataJSON contains the key with which Chromium reminds servers not to compare it with
/// a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraKey {
    /// Never.
    Never,
    /// On registration, which is common.
    OnRegistration,
    /// Every time.
    Always,
}

/// The behaviour of the signature counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignCounter {
    /// Always 0, like synced passkeys.
    Synced,
    /// Incremented with every ceremony, like hardware keys.
    Counting,
}

/// Which of the two valid values of `s` a signature has; WebAuthn accepts both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// As signed: low or high, like real authenticators.
    AsSigned,
    /// The lower half of the group order.
    LowS,
    /// The upper half.
    HighS,
}
