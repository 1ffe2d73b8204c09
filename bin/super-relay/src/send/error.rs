//! Why an operation was not sent, or is not known to be mined.

use std::fmt::{self, Display};
use std::path::PathBuf;

use proto::json::InvalidField;
use proto::{Address, UserOpHash};
use thiserror::Error;

use crate::json_rpc::NoAnswer;
use crate::local_key::KeyFileError;

/// Nothing was sent, except with [`SendError::NotMined`] and [`SendError::Reverted`].
#[derive(Debug, Error)]
pub enum SendError {
    /// The file of the operation.
    #[error("{}: {problem}", if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() })]
    File {
        /// The file.
        file: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A field of the operation or of its options.
    #[error("{0}")]
    Field(#[from] InvalidField),
    /// File and command line disagree.
    #[error("options.{key} is {file} in the file, but {option} says {given}")]
    Contradiction {
        /// The key of the file's options.
        key: &'static str,
        /// Its value.
        file: String,
        /// The option.
        option: &'static str,
        /// Its value.
        given: String,
    },
    /// Neither a passkey's assertion nor a key.
    #[error(
        "nobody approves this operation: give [userOperation, accountId, passkey] in the file (with [userOperation, \
         accountId] and --dry-run you see what the passkey has to approve), or the key of the account's owner with \
         --key-file"
    )]
    NoApproval,
    /// Both.
    #[error("the file has a passkey's assertion, with which the TEE signs: omit --key-file")]
    TwoApprovals,
    /// A key or passphrase.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The environment variable of the API key is not text.
    #[error("the value of {0} is not a key: expected printable ASCII")]
    ApiKey(&'static str),
    /// The relay is for another chain.
    #[error("the relay serves chain {served}, not {expected} (--chain-id)")]
    WrongChain {
        /// As the relay says.
        served: u64,
        /// As on the command line.
        expected: u64,
    },
    /// An EntryPoint at an address of its own.
    #[error("{0} is not the public address of any EntryPoint version: state the version with --entry-point-version")]
    VersionUnknown(Address),
    /// The relay names no EntryPoint.
    #[error("the relay has no EntryPoint")]
    NoEntryPoint,
    /// The answer does not fit what was asked.
    #[error("the relay's answer is not for this operation: {0}")]
    OtherOperation(String),
    /// The paymaster is not the one that was named.
    #[error("the relay sponsors with the paymaster {found}, not with {expected} (--paymaster)")]
    OtherPaymaster {
        /// As answered.
        found: Address,
        /// As on the command line.
        expected: Address,
    },
    /// A refusal, with the relay's reason.
    #[error("{party} refused {method}: {}", refusal(*code, message, reason.as_deref(), *retryable))]
    Refused {
        /// Who.
        party: Party,
        /// What.
        method: &'static str,
        /// JSON-RPC.
        code: i32,
        /// For people.
        message: String,
        /// The relay's.
        reason: Option<String>,
        /// Whether the same request may pass later, as the relay says.
        retryable: Option<bool>,
    },
    /// No answer, or one that cannot be read.
    #[error("{party}: {method}: {problem}")]
    NoAnswer {
        /// Who.
        party: Party,
        /// What.
        method: &'static str,
        /// The problem.
        problem: String,
    },
    /// Sent, or perhaps sent, and not seen in a block.
    #[error(
        "{hash} is not known to be mined after {seconds} s{}: it may still be; ask for its receipt before you send it again",
        problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default()
    )]
    NotMined {
        /// The operation.
        hash: UserOpHash,
        /// Seconds waited.
        seconds: u64,
        /// The last problem of sending or asking.
        problem: Option<String>,
    },
    /// Mined, and its call failed. It was paid for.
    #[error("{0} was mined, and its call reverted: \"receipt\" has the details")]
    Reverted(UserOpHash),
}

/// Whose answer an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The relay, or the bundler behind it.
    Relay,
    /// The bundler of the command line.
    Bundler,
}

impl Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relay => "the relay",
            Self::Bundler => "the bundler",
        })
    }
}

impl From<NoAnswer> for SendError {
    fn from(error: NoAnswer) -> Self {
        Self::NoAnswer { party: Party::Relay, method: "connect", problem: error.to_string() }
    }
}

impl SendError {
    /// The exit code: 1 if nothing was sent, 3 if it is not known whether the operation is mined, 4
    /// if it is and its call reverted.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotMined { .. } => 3,
            Self::Reverted(_) => 4,
            _ => 1,
        }
    }
}

fn refusal(code: i32, message: &str, reason: Option<&str>, retryable: Option<bool>) -> String {
    let retry = match retryable {
        Some(true) => ", may pass later",
        Some(false) | None => "",
    };
    format!("{message} ({}{retry})", reason.map_or_else(|| code.to_string(), str::to_owned))
}
