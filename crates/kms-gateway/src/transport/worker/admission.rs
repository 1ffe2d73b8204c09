//! The checks on a new session before anything is served over it: whoever controls the machine may
//! have loaded another trusted application since the last one was opened.

use kms_api::status::TaKey;
use proto::command::{Hello, Request, SecurityState, VerifySecurityState};
use proto::frame::{VERSION, decode_reply, encode_request};
use proto::{Hash, Status};
use thiserror::Error;

use super::session::Session;
use crate::protection::{InsufficientProtection, RequiredProtection, name};
use crate::transport::{ServedTee, TeeStateLost};

/// A session was opened with a trusted application that is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// It gives no valid reply.
    #[error("the trusted application does not identify itself")]
    Silent,
    /// It cannot serve this gateway.
    #[error("{0}")]
    Refused(Status),
    /// It uses another protocol version.
    #[error("the trusted application speaks wire version {theirs}, and this gateway {VERSION}")]
    WireVersion {
        /// The version it reports.
        theirs: u8,
    },
    /// It has less than the required protection.
    #[error(transparent)]
    Protection(#[from] InsufficientProtection),
    /// It is not the one that was served before.
    #[error(transparent)]
    StateLost(#[from] TeeStateLost),
}

/// Queries a session, and checks its report against the required protection and the TEE served
/// before.
pub(super) fn admit(
    session: &mut impl Session,
    required: &RequiredProtection,
    served: &ServedTee,
) -> Result<SecurityState, NotAdmitted> {
    let hello = ask(session, &Hello)?;
    if hello.wire_version != VERSION {
        return Err(NotAdmitted::WireVersion { theirs: hello.wire_version });
    }
    let state = ask(session, &VerifySecurityState)?;
    required.check(&state)?;
    served.check(&state)?;
    Ok(state)
}

/// Logs the report of a newly opened session.
pub(super) fn log(state: &SecurityState) {
    let SecurityState { tee_id, version, measurement, storage, rollback, time, .. } = state;
    let measurement = if *measurement == Hash::default() { "unknown".into() } else { measurement.to_string() };
    let (storage, rollback, time) = (name(*storage), name(*rollback), name(*time));
    let version = version.as_str();
    tracing::info!(%tee_id, version, measurement, storage, rollback, time, "a TEE session is open");
    if TaKey::of_version(version) == Some(TaKey::Development) {
        tracing::warn!(
            "the trusted application is signed with the development key, which is public: anyone who controls this machine \
             can replace it. Sign it with a key of your own (TA_KEY=path make ta)"
        );
    }
}

fn ask<R: Request>(session: &mut impl Session, request: &R) -> Result<R::Reply, NotAdmitted> {
    let frame = encode_request(request).map_err(NotAdmitted::Refused)?;
    let reply = session.call(&frame).map_err(|error| {
        tracing::error!(%error, "a new TEE session gave no reply");
        NotAdmitted::Silent
    })?;
    decode_reply::<R>(&reply).map_err(|_| NotAdmitted::Silent)?.map_err(NotAdmitted::Refused)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use proto::command::{Phase, Protection};
    use proto::{Bounded, TeeId};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(version: &str, measurement: Hash) -> String {
        let state = SecurityState {
            tee_id: TeeId([0x1d; 32]),
            version: Bounded::new(version.to_owned()).unwrap(),
            measurement,
            phase: Phase::Uninitialised,
            counter: 0,
            storage: Protection::SecureWorld,
            rollback: Protection::None,
            time: Protection::None,
            provisioned: None,
        };
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || log(&state));
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn one_line_describes_the_session() {
        let text = logged("0.1.0+own-key", Hash([0xab; 32]));
        assert_eq!(text.lines().count(), 1, "{text}");
        let measurement = format!("measurement=\"0x{}\"", "ab".repeat(32));
        let protection = "storage=\"secureWorld\" rollback=\"none\" time=\"none\"";
        let tee_id = format!("tee_id=0x{}", "1d".repeat(32));
        for word in [" INFO ", &tee_id, "version=\"0.1.0+own-key\"", &measurement, protection] {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(logged("0.1.0", Hash::default()).contains("measurement=\"unknown\""));
    }

    #[test]
    fn the_development_key_causes_a_warning() {
        let text = logged("0.1.0+development-key", Hash::default());
        let warning = text.lines().nth(1).unwrap();
        assert!(warning.contains(" WARN ") && warning.contains("development key"), "{text}");
    }
}
