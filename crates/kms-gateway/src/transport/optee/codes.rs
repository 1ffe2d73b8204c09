//! The meaning of OP-TEE's codes: for an operator who cannot open a session, and for a session
//! whose call failed. This needs no client library.

use optee_session::{Error as Failure, Origin, codes};
use thiserror::Error;
use uuid::Uuid;

use crate::transport::SessionError;

/// GlobalPlatform TEE Internal Core API 1.3, table 3-2; the client API has no name for it.
const CORRUPT_OBJECT: u32 = 0xF010_0001;

/// OP-TEE did not open a session.
#[derive(Debug, Error)]
pub enum OpteeError {
    /// There is nothing to connect to.
    #[error(
        "there is no OP-TEE on this machine, or this user may not use it ({failure}): /dev/tee0 has to be there, with the \
         kernel's optee driver loaded, and be readable and writable for this user"
    )]
    NotThere {
        /// The code.
        failure: Failure,
    },
    /// There is no file to load.
    #[error(
        "OP-TEE finds no trusted application {trusted_application} ({failure}): {trusted_application}.ta must be in the \
         folder that tee-supplicant serves (--ta-path, by default /lib/optee_armtz), and tee-supplicant must be running"
    )]
    NoTrustedApplication {
        /// Its UUID.
        trusted_application: Uuid,
        /// The code.
        failure: Failure,
    },
    /// Not signed with the right key, changed since, or another trusted application's file under
    /// this name.
    #[error(
        "OP-TEE refuses the trusted application {trusted_application} ({failure}): it is not signed with the key that this \
         OP-TEE was built for, was changed or truncated after it was signed, or is another trusted application under this \
         name. Sign it with that key (TA_KEY=path make ta), or install the OP-TEE built with yours (TA_SIGN_KEY). Where \
         OP-TEE has RPMB, this error also means that its sealed files were removed: restore the latest ones"
    )]
    SignatureRefused {
        /// Its UUID.
        trusted_application: Uuid,
        /// The code.
        failure: Failure,
    },
    /// Its version is lower than one loaded before.
    #[error(
        "OP-TEE refuses the trusted application {trusted_application} ({failure}): it has already loaded a later version, \
         and accepts no older one. Install that version or a later one"
    )]
    OlderVersion {
        /// Its UUID.
        trusted_application: Uuid,
        /// The code.
        failure: Failure,
    },
    /// The file is truncated or damaged, or for another processor.
    #[error(
        "OP-TEE cannot read the trusted application {trusted_application} ({failure}): the file is damaged, or built for \
         another platform. Install it again"
    )]
    Unreadable {
        /// Its UUID.
        trusted_application: Uuid,
        /// The code.
        failure: Failure,
    },
    /// OP-TEE's own records of its sealed files are inconsistent.
    #[error(
        "OP-TEE's sealed files are damaged, or older than the ones it last wrote ({failure}): restore the latest ones to the \
         folder that tee-supplicant keeps (--fs-parent-path, in Debian's package by default \
         /var/lib/optee-client/data/tee)"
    )]
    Storage {
        /// The code.
        failure: Failure,
    },
    /// Not enough memory.
    #[error("OP-TEE does not have enough secure memory for the trusted application, which needs 10 MiB ({failure})")]
    NoMemory {
        /// The code.
        failure: Failure,
    },
    /// It panicked while it started.
    #[error("the trusted application panicked at its start ({failure}); the secure world's log says where")]
    Panicked {
        /// The code.
        failure: Failure,
    },
    /// Any other code.
    #[error("OP-TEE did not open a session ({failure})")]
    Other {
        /// The code.
        failure: Failure,
    },
    /// The project's own UUID does not parse.
    #[error("the UUID of the trusted application: {0}")]
    Uuid(uuid::Error),
}

impl OpteeError {
    /// The error for a session that could not be opened.
    pub(super) fn of_open(failure: Failure, trusted_application: Uuid) -> Self {
        match (failure.origin, failure.code) {
            (Origin::Connecting, _) => Self::NotThere { failure },
            (_, codes::ITEM_NOT_FOUND) => Self::NoTrustedApplication { trusted_application, failure },
            (_, codes::SECURITY) => Self::SignatureRefused { trusted_application, failure },
            (_, codes::ACCESS_CONFLICT) => Self::OlderVersion { trusted_application, failure },
            (_, codes::BAD_FORMAT) => Self::Unreadable { trusted_application, failure },
            (_, CORRUPT_OBJECT) => Self::Storage { failure },
            (_, codes::OUT_OF_MEMORY) => Self::NoMemory { failure },
            (_, codes::TARGET_DEAD) => Self::Panicked { failure },
            _ => Self::Other { failure },
        }
    }
}

/// A code that does not prove that the session is alive counts as its end: opening another one
/// takes less than a millisecond.
pub(super) fn classify(error: Failure) -> SessionError {
    match error.code {
        codes::BUSY | codes::OUT_OF_MEMORY | codes::EXCESS_DATA | codes::SHORT_BUFFER | codes::BAD_PARAMETERS => {
            SessionError::Broken(error.to_string())
        }
        codes::TARGET_DEAD => SessionError::Dead(format!("the trusted application panicked ({error})")),
        _ => SessionError::Dead(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(origin: Origin, code: u32) -> String {
        OpteeError::of_open(Failure { code, origin }, Uuid::nil()).to_string()
    }

    #[test]
    fn op_tee_s_refusals_are_explained_with_what_to_do() {
        for (origin, code, words) in [
            (Origin::Connecting, codes::ITEM_NOT_FOUND, "no OP-TEE on this machine"),
            (Origin::Tee, codes::ITEM_NOT_FOUND, "tee-supplicant must be running"),
            (Origin::Tee, codes::SECURITY, "not signed with the key"),
            (Origin::Tee, codes::ACCESS_CONFLICT, "already loaded a later version"),
            (Origin::Tee, codes::BAD_FORMAT, "damaged"),
            (Origin::Tee, CORRUPT_OBJECT, "/var/lib/optee-client/data/tee"),
            (Origin::Tee, codes::OUT_OF_MEMORY, "secure memory"),
            (Origin::TrustedApplication, codes::TARGET_DEAD, "panicked"),
            (Origin::Tee, 0xFFFF_0001, "0xffff0001 from OP-TEE"),
        ] {
            assert!(said(origin, code).contains(words), "{}", said(origin, code));
        }
    }
    #[test]
    fn only_a_code_that_proves_the_session_alive_keeps_it() {
        let after = |code| classify(Failure { code, origin: Origin::TrustedApplication });
        for code in [codes::BUSY, codes::OUT_OF_MEMORY, codes::EXCESS_DATA, codes::SHORT_BUFFER, codes::BAD_PARAMETERS]
        {
            assert!(matches!(after(code), SessionError::Broken(_)), "{code:#x}");
        }
        for code in [codes::COMMUNICATION, codes::BAD_FORMAT, codes::ITEM_NOT_FOUND, codes::SECURITY, 0xFFFF_0000, 1] {
            assert!(matches!(after(code), SessionError::Dead(_)), "{code:#x}");
        }
        let panicked = after(codes::TARGET_DEAD);
        assert!(matches!(&panicked, SessionError::Dead(words) if words.contains("panicked")), "{panicked}");
    }
}
