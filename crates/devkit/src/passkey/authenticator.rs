//! `SoftPasskey`: answers a server's options like a browser with a platform authenticator.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::behaviour::{Behaviour, SignCounter};
use super::client_data::{Ceremony, client_data_json};
use super::credential::{Credential, attestation_object};
use super::options::{CreationOptions, Descriptor, ES256, PasskeyError, RequestOptions, base64url, parse};

/// One passkey of one user at one relying party.
pub struct SoftPasskey {
    credential: Credential,
    rp_id: String,
    user_handle: Option<Vec<u8>>,
    sign_count: u32,
    /// How it behaves from now on; initially honest.
    pub behaviour: Behaviour,
}

impl SoftPasskey {
    /// A new passkey for the page at `origin` (`https://example.org`) of the relying party `rp_id`
    /// (`example.org`).
    ///
    /// # Errors
    /// [`PasskeyError::NoRandomness`].
    pub fn create(rp_id: &str, origin: &str) -> Result<Self, PasskeyError> {
        Ok(Self {
            credential: Credential::create()?,
            rp_id: rp_id.to_owned(),
            user_handle: None,
            sign_count: 0,
            behaviour: Behaviour::honest(rp_id, origin),
        })
    }

    /// The credential's id, 32 bytes.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        self.credential.id()
    }

    /// The public key in SEC1 encoding, uncompressed: `04 ‖ x ‖ y`.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.credential.public_key()
    }

    /// Sets the signature counter: the next ceremony of a counting passkey reports one more.
    pub fn set_sign_count(&mut self, count: u32) {
        self.sign_count = count;
    }

    /// `navigator.credentials.create`: from PublicKeyCredentialCreationOptionsJSON (what a server
    /// puts under `publicKey`) to RegistrationResponseJSON, without attestation.
    ///
    /// # Errors
    /// Like a browser's refusals: another relying party, no ES256, an excluded credential.
    pub fn register(&mut self, options: &Value) -> Result<Value, PasskeyError> {
        let options: CreationOptions = parse(options)?;
        self.check_relying_party(options.rp.id.as_deref())?;
        if !options.pub_key_cred_params.iter().any(|parameter| parameter.alg == ES256) {
            return Err(PasskeyError::NoCommonAlgorithm);
        }
        if self.is_among(&options.exclude_credentials) {
            return Err(PasskeyError::Excluded);
        }
        self.user_handle = Some(options.user.id.0);

        let client_data = client_data_json(Ceremony::Registration, &options.challenge.0, &self.behaviour)?;
        let mut authenticator_data = self.authenticator_data(true);
        authenticator_data.extend(self.credential.attested_data()?);
        Ok(self.envelope(&json!({
            "attestationObject": base64url(attestation_object(&authenticator_data)?),
            "authenticatorData": base64url(&authenticator_data),
            "clientDataJSON": base64url(client_data),
            "publicKey": base64url(self.credential.public_key_spki()),
            "publicKeyAlgorithm": ES256,
            "transports": ["internal"],
        })))
    }

    /// `navigator.credentials.get`: from PublicKeyCredentialRequestOptionsJSON to
    /// AuthenticationResponseJSON.
    ///
    /// # Errors
    /// Like a browser's refusals: another relying party, other credentials requested.
    pub fn assert(&mut self, options: &Value) -> Result<Value, PasskeyError> {
        let options: RequestOptions = parse(options)?;
        self.check_relying_party(options.rp_id.as_deref())?;
        if !options.allow_credentials.is_empty() && !self.is_among(&options.allow_credentials) {
            return Err(PasskeyError::NotAsked);
        }
        self.assert_challenge(&options.challenge.0)
    }

    /// An AuthenticationResponseJSON over these challenge bytes, whatever a server requested.
    ///
    /// # Errors
    /// [`PasskeyError::Encoding`].
    pub fn assert_challenge(&mut self, challenge: &[u8]) -> Result<Value, PasskeyError> {
        let client_data = client_data_json(Ceremony::Assertion, challenge, &self.behaviour)?;
        let authenticator_data = self.authenticator_data(false);
        let form = self.behaviour.signature_form;
        let signature = self.credential.sign(&authenticator_data, &client_data, form)?;
        let mut response = json!({
            "authenticatorData": base64url(authenticator_data),
            "clientDataJSON": base64url(client_data),
            "signature": base64url(signature),
        });
        if let Some(user_handle) = &self.user_handle {
            response["userHandle"] = base64url(user_handle).into();
        }
        Ok(self.envelope(&response))
    }

    /// rpIdHash ‖ flags ‖ signCount, up to where a new credential's data begins (section 6.1).
    /// Increments the counter.
    fn authenticator_data(&mut self, attested_credential: bool) -> Vec<u8> {
        let count = match self.behaviour.counter {
            SignCounter::Synced => 0,
            SignCounter::Counting => {
                self.sign_count = self.sign_count.wrapping_add(1);
                self.sign_count
            }
        };
        let mut data = Sha256::digest(&self.behaviour.rp_id).to_vec();
        data.push(self.behaviour.flags(attested_credential));
        data.extend(count.to_be_bytes());
        data
    }

    fn envelope(&self, response: &Value) -> Value {
        let id = base64url(self.credential.id());
        json!({
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "id": id,
            "rawId": id,
            "response": response,
            "type": "public-key",
        })
    }

    fn check_relying_party(&self, offered: Option<&str>) -> Result<(), PasskeyError> {
        match offered {
            Some(offered) if offered != self.rp_id => {
                Err(PasskeyError::OtherRelyingParty { offered: offered.to_owned(), own: self.rp_id.clone() })
            }
            _ => Ok(()),
        }
    }

    fn is_among(&self, descriptors: &[Descriptor]) -> bool {
        descriptors.iter().any(|descriptor| descriptor.id.0 == self.credential.id())
    }
}
