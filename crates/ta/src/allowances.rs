//! The allowances: how much may be signed for each deployment in all, and how much has been.
//!
//! What is spent is sealed before it is spent, in chunks, because a seal takes far longer than a
//! signature. A kill forfeits the rest of a chunk, so the sealed amount is never below the spent
//! one (docs/adr/0039-allowances.md).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use proto::bytes::BoundedList;
use proto::command::{Allowance, Allowances as Report, Deployment};
use proto::limits::MAX_ALLOWANCES;
use proto::{Address, PaymasterDigest, Status, Wei};
use serde::{Deserialize, Serialize};

/// Operations of the same cost that a chunk lasts for: then a seal, of some 60 ms, costs each of
/// them less than one more signature would.
const OPERATIONS_PER_CHUNK: u128 = 64;
/// A chunk is at most this part of what is left, so that a kill forfeits no more, and the last wei
/// can be spent.
const CHUNKS_OF_THE_REST: u128 = 16;
/// Charged signatures that are remembered, of some 60 bytes each. One that is forgotten is charged
/// again when it is repeated.
const MAX_REMEMBERED: usize = 512;

/// The allowances as sealed.
pub(crate) type AllowanceRecords = BoundedList<AllowanceRecord, MAX_ALLOWANCES>;

/// The sealed fields of an allowance.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AllowanceRecord {
    deployment: Deployment,
    granted: Wei,
    /// At least what was spent.
    spent: Wei,
}

/// The allowances of all deployments. While there are none, nothing is charged.
#[derive(Default)]
pub(crate) struct Allowances {
    entries: Vec<Entry>,
    /// The signatures charged last, the latest last.
    remembered: VecDeque<Remembered>,
}

/// An allowance, and how much of its sealed amount is not spent yet.
struct Entry {
    record: AllowanceRecord,
    /// Wei.
    unspent: u128,
}

/// A signature, which is the same whenever it is made again.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Remembered {
    digest: PaymasterDigest,
    signer: Address,
    entry: usize,
}

/// A sponsorship to charge: what is to be signed, by which key, for which deployment.
#[derive(Clone, Copy)]
pub(crate) struct Bill {
    pub(crate) deployment: Deployment,
    pub(crate) signer: Address,
    pub(crate) digest: PaymasterDigest,
    /// The worst case.
    pub(crate) cost: Wei,
}

/// What has to be sealed before a sponsorship can be charged.
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// A chunk of the deployment's allowance.
    Chunk,
}

/// A digest that was charged. The paymaster key signs no other; only [`Allowances::charge`]
/// constructs one.
pub(crate) struct Charged(PaymasterDigest);

impl Charged {
    /// Whether the bill's digest is the one that was charged.
    pub(crate) fn is_for(&self, bill: &Bill) -> bool {
        self.0 == bill.digest
    }
}

impl AllowanceRecord {
    /// Wei that are not sealed as spent.
    fn rest(&self) -> u128 {
        self.granted.0.saturating_sub(self.spent.0)
    }
}

impl Entry {
    /// Wei.
    fn spent(&self) -> u128 {
        self.record.spent.0.saturating_sub(self.unspent)
    }

    /// Seals exactly what was spent.
    fn settle(&mut self) {
        self.record.spent = Wei(self.spent());
        self.unspent = 0;
    }

    fn check(&self, cost: u128) -> Result<Due, Status> {
        match self.spent().checked_add(cost) {
            Some(spent) if spent <= self.record.granted.0 => {}
            _ => return Err(Status::AllowanceExhausted),
        }
        Ok(if self.unspent >= cost { Due::Nothing } else { Due::Chunk })
    }

    /// Adds a chunk to what is sealed as spent, enough for that cost if the allowance covers it.
    fn take_chunk(&mut self, cost: u128) {
        let rest = self.record.rest();
        let wanted = cost.saturating_mul(OPERATIONS_PER_CHUNK).min(rest.checked_div(CHUNKS_OF_THE_REST).unwrap_or(0));
        let chunk = wanted.max(cost.saturating_sub(self.unspent)).min(rest);
        self.record.spent = Wei(self.record.spent.0.saturating_add(chunk));
        self.unspent = self.unspent.saturating_add(chunk);
    }
}

impl Allowances {
    /// Those of a sealed record. Whatever of a chunk had not been spent is lost.
    pub(crate) fn open(records: AllowanceRecords) -> Self {
        let entries = records.iter().map(|record| Entry { record: *record, unspent: 0 }).collect();
        Self { entries, remembered: VecDeque::new() }
    }

    /// The fields to seal; `None` if no allowance was ever set.
    pub(crate) fn records(&self) -> Result<Option<AllowanceRecords>, Status> {
        let records: Vec<_> = self.entries.iter().map(|entry| entry.record).collect();
        let is_empty = records.is_empty();
        let records = BoundedList::new(records).map_err(|_| Status::TooManyAllowances)?;
        Ok((!is_empty).then_some(records))
    }

    /// What `GetAllowances` reports.
    pub(crate) fn report(&self) -> Result<Report, Status> {
        let allowances = self.entries.iter().map(|entry| {
            let AllowanceRecord { deployment, granted, spent: sealed } = entry.record;
            Allowance { deployment, granted, spent: Wei(entry.spent()), sealed }
        });
        let allowances = BoundedList::new(allowances.collect()).map_err(|_| Status::TooManyAllowances)?;
        Ok(Report { allowances })
    }

    /// Whether another deployment can get an allowance.
    ///
    /// # Errors
    /// `TooManyAllowances`.
    pub(crate) fn check_room(&self, deployment: &Deployment) -> Result<(), Status> {
        let has_room = self.place(deployment).is_some() || self.entries.len() < MAX_ALLOWANCES;
        has_room.then_some(()).ok_or(Status::TooManyAllowances)
    }

    /// With that total for the deployment. What is spent stays; signatures that were charged before
    /// are no longer known, so a total below what is spent also ends their repetition.
    pub(crate) fn with(mut self, deployment: Deployment, granted: Wei) -> Self {
        let place = self.place(&deployment);
        match place.and_then(|place| self.entries.get_mut(place)) {
            Some(entry) => {
                entry.settle();
                entry.record.granted = granted;
            }
            None => {
                let record = AllowanceRecord { deployment, granted, spent: Wei(0) };
                self.entries.push(Entry { record, unspent: 0 });
            }
        }
        self.remembered.clear();
        self
    }

    /// Whether the sealed amounts are exactly the spent ones.
    pub(crate) fn is_settled(&self) -> bool {
        self.entries.iter().all(|entry| entry.unspent == 0)
    }

    /// With the sealed amounts equal to the spent ones.
    pub(crate) fn settled(mut self) -> Self {
        self.entries.iter_mut().for_each(Entry::settle);
        self
    }

    /// What has to be sealed before the sponsorship is charged.
    ///
    /// # Errors
    /// `AllowanceExhausted` if the worst case costs more than may still be signed.
    pub(crate) fn check(&self, bill: &Bill) -> Result<Due, Status> {
        if self.entries.is_empty() || self.remembers(bill) {
            return Ok(Due::Nothing);
        }
        let entry = self.place(&bill.deployment).and_then(|place| self.entries.get(place));
        entry.ok_or(Status::AllowanceExhausted)?.check(bill.cost.0)
    }

    /// With a chunk for that sponsorship added to the sealed amount.
    pub(crate) fn with_chunk(mut self, bill: &Bill) -> Self {
        let place = self.place(&bill.deployment);
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.take_chunk(bill.cost.0);
        }
        self
    }

    /// Charges a sponsorship for which nothing is due. One that is remembered is not charged again.
    ///
    /// # Errors
    /// `AllowanceExhausted`.
    pub(crate) fn charge(&mut self, bill: &Bill) -> Result<Charged, Status> {
        if self.entries.is_empty() || self.remembers(bill) {
            return Ok(Charged(bill.digest));
        }
        let place = self.place(&bill.deployment).ok_or(Status::AllowanceExhausted)?;
        let entry = self.entries.get_mut(place).ok_or(Status::AllowanceExhausted)?;
        entry.check(bill.cost.0)?;
        entry.unspent = entry.unspent.checked_sub(bill.cost.0).ok_or(Status::AllowanceExhausted)?;
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Remembered { digest: bill.digest, signer: bill.signer, entry: place });
        Ok(Charged(bill.digest))
    }

    fn remembers(&self, bill: &Bill) -> bool {
        let Some(entry) = self.place(&bill.deployment) else {
            return false;
        };
        self.remembered.contains(&Remembered { digest: bill.digest, signer: bill.signer, entry })
    }

    fn place(&self, deployment: &Deployment) -> Option<usize> {
        self.entries.iter().position(|entry| entry.record.deployment == *deployment)
    }
}
