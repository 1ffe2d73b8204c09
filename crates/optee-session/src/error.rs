//! Codes of OP-TEE and of trusted applications, with where they come from.

use std::fmt;

use optee_teec_sys as teec;

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// One of [`codes`], or another.
    pub code: u32,
    /// Who gave it.
    pub origin: Origin,
}

/// Who gave a code (GlobalPlatform TEE Client API 1.0, section 4.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client library, while it looked for OP-TEE.
    Connecting,
    /// The client library.
    Api,
    /// The driver.
    Communication,
    /// OP-TEE.
    Tee,
    /// The trusted application.
    TrustedApplication,
}

/// The codes that tell something to a caller (GlobalPlatform TEE Client API 1.0, section 4.4.2).
pub mod codes {
    pub use optee_teec_sys::{
        TEEC_ERROR_ACCESS_CONFLICT as ACCESS_CONFLICT, TEEC_ERROR_ACCESS_DENIED as ACCESS_DENIED,
        TEEC_ERROR_BAD_FORMAT as BAD_FORMAT, TEEC_ERROR_BAD_PARAMETERS as BAD_PARAMETERS, TEEC_ERROR_BUSY as BUSY,
        TEEC_ERROR_COMMUNICATION as COMMUNICATION, TEEC_ERROR_EXCESS_DATA as EXCESS_DATA,
        TEEC_ERROR_ITEM_NOT_FOUND as ITEM_NOT_FOUND, TEEC_ERROR_OUT_OF_MEMORY as OUT_OF_MEMORY,
        TEEC_ERROR_SECURITY as SECURITY, TEEC_ERROR_SHORT_BUFFER as SHORT_BUFFER,
        TEEC_ERROR_TARGET_DEAD as TARGET_DEAD,
    };
}

impl Error {
    pub(crate) const fn api(code: u32) -> Self {
        Self { code, origin: Origin::Api }
    }

    pub(crate) const fn check(code: u32, origin: u32) -> Result<(), Self> {
        if code == teec::TEEC_SUCCESS {
            return Ok(());
        }
        let origin = match origin {
            teec::TEEC_ORIGIN_COMMS => Origin::Communication,
            teec::TEEC_ORIGIN_TEE => Origin::Tee,
            teec::TEEC_ORIGIN_TRUSTED_APP => Origin::TrustedApplication,
            _ => Origin::Api,
        };
        Err(Self { code, origin })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Connecting => "while connecting",
            Origin::Api => "from the client library",
            Origin::Communication => "from the driver",
            Origin::Tee => "from OP-TEE",
            Origin::TrustedApplication => "from the trusted application",
        };
        write!(f, "{:#010x} {origin}", self.code)
    }
}

impl std::error::Error for Error {}
