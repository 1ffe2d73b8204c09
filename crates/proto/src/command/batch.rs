//! Several frames in one, so that requests that wait together cross into the secure world together.

use serde::{Deserialize, Serialize};

use super::Opcode;
use crate::bytes::{BoundedBytes, BoundedList};
use crate::frame::split_request;
use crate::limits::{MAX_ACCOUNT_ID, MAX_BATCH, MAX_CREDENTIAL_ID, MAX_ECHO, MAX_FRAME, MAX_PASSKEYS, MAX_REPLY};
use crate::signature::Signature;

/// Asks for a reply to each frame, in order and each as if it had come alone. Nothing is done at
/// all, and the answer is `TooLarge`, if [`Self::reply_limit`] is over [`MAX_REPLY`].
///
/// Only commands that may be repeated are taken in a batch ([`Opcode::batched_reply_limit`]): a
/// batch whose reply is lost can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Requests, each a whole frame; together they fit into one ([`MAX_FRAME`]).
    pub frames: BoundedList<BoundedBytes<MAX_FRAME>, MAX_BATCH>,
}

/// The replies to a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReply {
    /// As many as there were frames, in the same order, each the very reply that the frame would
    /// have got alone.
    pub replies: BoundedList<BoundedBytes<MAX_REPLY>, MAX_BATCH>,
}

const STATUS: usize = 4;
const HASH: usize = 32;
const ADDRESS: usize = 20;
/// The number of replies, in one byte.
const COUNT: usize = 1;
const _: () = assert!(MAX_BATCH < 128 && MAX_PASSKEYS < 128, "the count takes one byte");
/// The length of a reply, in at most three bytes.
const LENGTH: usize = 3;
const _: () = assert!(MAX_REPLY < 1 << 21 && MAX_FRAME < 1 << 21, "a length takes three bytes");

impl Batch {
    /// Bytes of the longest reply that the batch can have, whatever the frames hold.
    #[must_use]
    pub fn reply_limit(&self) -> usize {
        let reply = |frame: &BoundedBytes<MAX_FRAME>| {
            let opcode = split_request(frame).ok().map(|(opcode, _)| opcode);
            LENGTH + opcode.and_then(Opcode::batched_reply_limit).unwrap_or(STATUS)
        };
        STATUS + COUNT + self.frames.iter().map(reply).sum::<usize>()
    }
}

impl Opcode {
    /// Bytes of the longest reply that the command has; `None` if it isn't taken in a batch. Those
    /// are the admin's commands and the making of accounts, which change something for good, a
    /// batch within a batch, and questions about the trusted application as a whole.
    #[must_use]
    pub const fn batched_reply_limit(self) -> Option<usize> {
        const PUBLIC_KEY: usize = 64;
        const PASSKEY: usize = LENGTH + MAX_CREDENTIAL_ID + PUBLIC_KEY;
        let payload = match self {
            Self::Hello => 1 + 5 + 5,
            Self::Echo => LENGTH + MAX_ECHO,
            Self::GetVersion => HASH + 1 + 32 + HASH,
            Self::GetWalletInfo => LENGTH + MAX_ACCOUNT_ID + ADDRESS + 1 + COUNT + MAX_PASSKEYS * PASSKEY,
            Self::SignWithHybridKey => HASH + ADDRESS + Signature::LENGTH,
            Self::Sponsor => HASH + ADDRESS + Signature::LENGTH + 1 + Signature::LENGTH,
            Self::CreateHybridAccount
            | Self::VerifySecurityState
            | Self::Provision
            | Self::AuthorizeSigner
            | Self::RevokeSigner
            | Self::RotateSigner
            | Self::SetCeilings
            | Self::PreparePaymasterKey
            | Self::RotatePaymasterKey
            | Self::Batch
            | Self::Attest => return None,
        };
        Some(STATUS + payload)
    }
}
