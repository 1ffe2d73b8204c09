//! The secrets that requests are signed with, and the signature.

use std::{env, fmt, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::settings::{SecretPlace, SecretSettings};

const PREFIX: &str = "whsec_";
/// Bytes of a secret, as the specification says.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// One secret, or two while it is changed. Never printed.
pub(crate) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads them from their places, or says what is wrong, without repeating any content.
    pub(crate) fn read(places: &[SecretSettings]) -> Result<Self, String> {
        places.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The header `webhook-signature` of a request: `v1,` and the base64 of an HMAC-SHA256 over id,
    /// time (Unix seconds) and body, for each secret.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signed = |key: &Zeroizing<Vec<u8>>| {
            // HMAC takes keys of any length.
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        };
        self.0.iter().filter_map(signed).collect::<Vec<_>>().join(" ")
    }
}

fn read(settings: &SecretSettings) -> Result<Zeroizing<Vec<u8>>, String> {
    let place = settings.place().ok_or("each secret needs one of file and env")?;
    let (named, text) = match place {
        SecretPlace::Variable(name) => {
            (format!("the variable {name}"), env::var(name).map_err(|_| "not set".to_owned()))
        }
        SecretPlace::File(file) => {
            (file.display().to_string(), fs::read_to_string(file).map_err(|error| error.to_string()))
        }
    };
    let text = Zeroizing::new(text.map_err(|problem| format!("no secret in {named}: {problem}"))?);
    parse(text.trim_end_matches(['\r', '\n'])).map_err(|problem| format!("the secret in {named}: {problem}"))
}

fn parse(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let encoded = text.strip_prefix(PREFIX).ok_or("must begin with whsec_")?;
    let secret = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| "must be base64 after whsec_")?);
    if LENGTHS.contains(&secret.len()) { Ok(secret) } else { Err("must be 24 to 64 bytes in base64") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Secrets {
        Secrets(texts.iter().map(|text| parse(text).unwrap()).collect())
    }

    #[test]
    fn the_signature_is_that_of_the_npm_package_standardwebhooks() {
        // Made with version 1.1.1: new Webhook(secret).sign(id, new Date(1614265330000), body).
        let (first, second) =
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c3VwZXItcmVsYXkgc2Vjb25kIHNlY3JldCBvZiAzMiBi");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let one = secrets(&[first]).sign(id, 1_614_265_330, body);
        assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let other = secrets(&[second]).sign(id, 1_614_265_330, body);
        assert_eq!(other, "v1,GW1kQ7qwoZKs9u/cBzJEhf8Kw+5Qpwm9GWFitBs80xo=");
        assert_eq!(secrets(&[first, second]).sign(id, 1_614_265_330, body), format!("{one} {other}"));
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_being_repeated() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for text in
            ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", &long, &short]
        {
            let problem = parse(text).unwrap_err();
            assert!(problem.starts_with("must be"), "{problem}");
        }
        assert_eq!(format!("{:?}", secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])), "Secrets { .. }");
    }
}
