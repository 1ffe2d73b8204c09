//! What changed a paymaster's deposit, in order, beside what the ledger has.

use std::collections::HashSet;

use proto::{Hash, UserOpHash, Wei};

use super::signed;
use crate::chain::{AccountOp, DepositChange, DepositEvent, MinedOp};
use crate::store::{Booking, Operation};

/// Maximum number of findings that are kept.
const MOST_FINDINGS: usize = 100;

/// See the module.
pub(super) struct Tally {
    /// The deposit so far, in wei; `None` if it was not known at the beginning.
    deposit: Option<i128>,
    /// Whether somebody deposited within a bundle of ours: while it is handled the deposit lacks
    /// the prefunds of operations whose cost is not known yet, so the amount cannot be told.
    has_deposit_in_bundle: bool,
    /// What our operations cost.
    pub(super) ours: Wei,
    /// Number of operations that the ledger does not know.
    pub(super) foreign: u64,
    /// What they cost.
    pub(super) foreign_cost: Wei,
    pub(super) first_foreign: Option<UserOpHash>,
    /// In words.
    pub(super) findings: Vec<String>,
}

impl From<&AccountOp> for Operation {
    fn from(op: &AccountOp) -> Self {
        Self { hash: op.mined.user_op_hash, sender: op.sender, nonce: op.nonce }
    }
}

impl Tally {
    /// Begins with that deposit, if it is known.
    pub(super) fn new(deposit: Option<Wei>) -> Self {
        Self {
            deposit: deposit.map(signed),
            has_deposit_in_bundle: false,
            ours: Wei::default(),
            foreign: 0,
            foreign_cost: Wei::default(),
            first_foreign: None,
            findings: Vec::new(),
        }
    }

    /// Adds the operations and other changes of some blocks, later than those before. Each
    /// operation has its booking at the same place.
    pub(super) fn add(&mut self, ops: &[AccountOp], bookings: &[Option<Booking>], events: &[DepositEvent]) {
        let bundles: HashSet<Hash> = ops.iter().map(|op| op.mined.transaction).collect();
        let paid = ops.iter().map(|op| ((op.mined.block, op.mined.log_index), Change::Paid(op.mined.cost)));
        let others = events.iter().map(|event| ((event.block, event.log_index), Change::Other(event)));
        let mut changes: Vec<_> = paid.chain(others).collect();
        changes.sort_by_key(|(place, _)| *place);
        for (_, change) in changes {
            match change {
                Change::Paid(cost) => self.subtract(cost),
                Change::Other(event) => self.note_event(event, &bundles),
            }
        }
        for (op, booking) in ops.iter().zip(bookings) {
            self.note_operation(&op.mined, *booking);
        }
    }

    fn note_event(&mut self, event: &DepositEvent, bundles: &HashSet<Hash>) {
        match event.change {
            DepositChange::Withdrawn { amount } => self.subtract(amount),
            DepositChange::Deposited { .. } if bundles.contains(&event.transaction) => {
                self.has_deposit_in_bundle = true;
            }
            // The event has the sum, so that a lower one means that something is missing.
            DepositChange::Deposited { total } => match self.deposit {
                Some(before) if signed(total) < before => {
                    let (missing, block) = (before - signed(total), event.block);
                    self.find(format!(
                        "in block {block} the deposit was {missing} wei lower than its changes add up to"
                    ));
                }
                Some(_) => self.deposit = Some(signed(total)),
                None => {}
            },
        }
    }

    fn subtract(&mut self, wei: Wei) {
        self.deposit = self.deposit.map(|deposit| deposit.saturating_sub(signed(wei)));
    }

    fn note_operation(&mut self, op: &MinedOp, booking: Option<Booking>) {
        let MinedOp { user_op_hash, block, cost, .. } = *op;
        let Some(booking) = booking else {
            self.foreign += 1;
            self.foreign_cost.0 = self.foreign_cost.0.saturating_add(cost.0);
            self.first_foreign = self.first_foreign.or(Some(user_op_hash));
            return;
        };
        self.ours.0 = self.ours.0.saturating_add(cost.0);
        match booking.block {
            None => self.find(format!(
                "the operation {user_op_hash}, mined in block {block} for {cost}, is not booked as mined"
            )),
            Some(booked) if booked != block || booking.cost != cost => self.find(format!(
                "the operation {user_op_hash}, mined in block {block} for {cost}, is booked in block {booked} for {}",
                booking.cost
            )),
            Some(_) => {}
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// By how many wei the deposit at the end is above what was added up, if both are known. What
    /// was deposited within bundles of ours explains a surplus.
    pub(super) fn unexplained(&self, end: Option<Wei>) -> Option<i128> {
        let surplus = signed(end?).saturating_sub(self.deposit?);
        Some(if self.has_deposit_in_bundle && surplus > 0 { 0 } else { surplus })
    }
}

enum Change<'a> {
    Paid(Wei),
    Other(&'a DepositEvent),
}
