//! Error codes of OP-TEE and of trusted applications, with their origin.

use std::fmt;

#[cfg(feature = "client")]
use optee_teec_sys as teec;

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// One of [`codes`], or another code.
    pub code: u32,
    /// The layer that returned the code.
    pub origin: Origin,
}

/// The layer that returned a code (GlobalPlatform TEE Client API 1.0, section 4.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client library, while it connected to OP-TEE.
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

/// The codes a caller can act on (GlobalPlatform TEE Client API 1.0, section 4.4.2).
pub mod codes {
    /// The request is not permitted.
    pub const ACCESS_DENIED: u32 = 0xFFFF_0001;
    /// From OP-TEE on opening a session: the version is older than one loaded before.
    pub const ACCESS_CONFLICT: u32 = 0xFFFF_0003;
    /// The request is too long.
    pub const EXCESS_DATA: u32 = 0xFFFF_0004;
    /// The data has an invalid format.
    pub const BAD_FORMAT: u32 = 0xFFFF_0005;
    /// The parameters do not have the command's types.
    pub const BAD_PARAMETERS: u32 = 0xFFFF_0006;
    /// The requested item does not exist.
    pub const ITEM_NOT_FOUND: u32 = 0xFFFF_0008;
    /// Not enough memory.
    pub const OUT_OF_MEMORY: u32 = 0xFFFF_000C;
    /// The resource is busy.
    pub const BUSY: u32 = 0xFFFF_000D;
    /// The other side could not be reached.
    pub const COMMUNICATION: u32 = 0xFFFF_000E;
    /// A security check failed, such as that of a signature.
    pub const SECURITY: u32 = 0xFFFF_000F;
    /// The buffer is too small for the reply.
    pub const SHORT_BUFFER: u32 = 0xFFFF_0010;
    /// The trusted application panicked.
    pub const TARGET_DEAD: u32 = 0xFFFF_3024;
}

/// The client library uses the same values.
#[cfg(feature = "client")]
const _: () = {
    assert!(codes::ACCESS_DENIED == teec::TEEC_ERROR_ACCESS_DENIED);
    assert!(codes::ACCESS_CONFLICT == teec::TEEC_ERROR_ACCESS_CONFLICT);
    assert!(codes::EXCESS_DATA == teec::TEEC_ERROR_EXCESS_DATA);
    assert!(codes::BAD_FORMAT == teec::TEEC_ERROR_BAD_FORMAT);
    assert!(codes::BAD_PARAMETERS == teec::TEEC_ERROR_BAD_PARAMETERS);
    assert!(codes::ITEM_NOT_FOUND == teec::TEEC_ERROR_ITEM_NOT_FOUND);
    assert!(codes::OUT_OF_MEMORY == teec::TEEC_ERROR_OUT_OF_MEMORY);
    assert!(codes::BUSY == teec::TEEC_ERROR_BUSY);
    assert!(codes::COMMUNICATION == teec::TEEC_ERROR_COMMUNICATION);
    assert!(codes::SECURITY == teec::TEEC_ERROR_SECURITY);
    assert!(codes::SHORT_BUFFER == teec::TEEC_ERROR_SHORT_BUFFER);
    assert!(codes::TARGET_DEAD == teec::TEEC_ERROR_TARGET_DEAD);
};

#[cfg(feature = "client")]
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
