//! Which frames go first: a revocation does not wait behind sponsorships, and sponsorships do not
//! wait behind accounts that are being made.

use proto::command::{Group, Opcode};
use proto::frame::split_request;

/// The order in which waiting frames are sent; among equals, those who have them sent take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Commands of the admin, and the state that they are checked against. Some places in the queue
    /// are theirs alone.
    Admin,
    /// Everything that a sponsorship needs, and questions.
    Service,
    /// New accounts. They may take a part of the queue only.
    Creation,
}

impl Priority {
    /// Every priority, the first to be sent first.
    pub(super) const ALL: [Self; 3] = [Self::Admin, Self::Service, Self::Creation];

    pub(super) fn of(frame: &[u8]) -> Self {
        // What is no frame is answered by the trusted application like any other.
        split_request(frame).map_or(Self::Service, |(opcode, _)| Self::of_opcode(opcode))
    }

    const fn of_opcode(opcode: Opcode) -> Self {
        match (opcode, opcode.group()) {
            (Opcode::VerifySecurityState, _) | (_, Group::Admin) => Self::Admin,
            (Opcode::CreateHybridAccount, _) => Self::Creation,
            (_, Group::System | Group::Account | Group::Operation) => Self::Service,
        }
    }
}
