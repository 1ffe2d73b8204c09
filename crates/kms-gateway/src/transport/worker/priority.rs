//! The order of frames: a revocation does not wait behind sponsorships, and sponsorships do not
//! wait behind account creations.

use proto::command::{Group, Opcode};
use proto::frame::split_request;

/// The order in which waiting frames are sent; among equals, their askers take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Commands of the admin, and queries for the state that they are checked against. They have
    /// reserved places in the queue.
    Admin,
    /// Everything that a sponsorship needs, and queries.
    Service,
    /// New accounts. They may only use a part of the queue.
    Creation,
}

impl Priority {
    /// Every priority, highest first.
    pub(super) const ALL: [Self; 3] = [Self::Admin, Self::Service, Self::Creation];

    pub(super) fn of(frame: &[u8]) -> Self {
        // The trusted application answers invalid frames too.
        split_request(frame).map_or(Self::Service, |(opcode, _)| Self::of_opcode(opcode))
    }

    const fn of_opcode(opcode: Opcode) -> Self {
        match (opcode, opcode.group()) {
            (Opcode::VerifySecurityState | Opcode::GetAllowances, _) | (_, Group::Admin) => Self::Admin,
            (Opcode::CreateHybridAccount, _) => Self::Creation,
            (_, Group::System | Group::Account | Group::Operation) => Self::Service,
        }
    }
}
