//! The ledger against a simple reference: whatever happens to sponsorships in whatever order, the
//! counters are the sums over what became of them.

use std::sync::Arc;

use paymaster_relay::spend::Overspent;
use paymaster_relay::store::{BlocksRead, NewSponsorship, Reserved, Signed, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proto::{IntentHash, Uint256, UserOpHash};
use serde_json::{Value, json};

use super::samples::{
    GWEI, PLENTY, contracts, deployment, gwei, limits, proven, release_expired, settlement, signed, sponsorship,
};
use super::spending::{under, used};
use super::{SqliteFile, Storage as _};

/// 2026-11-28 13:30:00 UTC; the days of the test begin there.
const NOW: u64 = 1_795_872_600;
const DAY: u64 = 24 * 60 * 60;
const DAYS: u64 = 2;
const OPERATIONS: u8 = 4;
/// Blocks on top of a final one.
const CONFIRMATIONS: u64 = 2;
/// Gwei on a day, for the account.
const MOST_GWEI: u64 = 20;
/// Operations in total, for the account.
const MOST_OPERATIONS: u64 = 9;
const MOST_SIGNINGS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Reserve { operation: u8, day: u64, cost: u64 },
    Sign { operation: u8 },
    SignAgain { operation: u8 },
    Renew { operation: u8 },
    Release { operation: u8 },
    Mine { operation: u8, cost: u64 },
    Reorganise { blocks: u64 },
    Settle,
    Expire { after: u64 },
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Settled,
    Released,
}

/// A sponsorship, and what became of it.
struct Entry {
    new: NewSponsorship,
    day: u64,
    stage: Stage,
    is_signed: bool,
    signings: u32,
    mined: Option<(u64, u64)>,
}

impl Entry {
    fn max(&self) -> u64 {
        self.new.max_cost.count().unsigned_abs()
    }

    fn spent(&self) -> u64 {
        match self.stage {
            Stage::Open => self.max(),
            Stage::Settled => self.mined.map_or(0, |(_, cost)| cost.min(self.max())),
            Stage::Released => 0,
        }
    }
}

/// The reference.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    /// The operations on the chain: entry, block, cost in gwei.
    chain: Vec<(usize, u64, u64)>,
    latest: u64,
}

impl Model {
    fn open(&mut self, operation: u8) -> Option<&mut Entry> {
        let intent = IntentHash([operation; 32]);
        self.entries.iter_mut().find(|entry| entry.stage == Stage::Open && entry.new.intent == intent)
    }

    fn gwei_on(&self, day: u64) -> u64 {
        self.entries.iter().filter(|entry| entry.day == day).map(Entry::spent).sum()
    }

    fn operations(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.stage != Stage::Released).count() as u64
    }

    fn blocks(&self) -> BlocksRead {
        let mined = self
            .chain
            .iter()
            .map(|(entry, block, cost)| (hash_of(*entry), settlement(*block, u128::from(*cost) * GWEI)));
        BlocksRead {
            from: 1,
            to: self.latest,
            latest: self.latest,
            last_final: self.latest.checked_sub(CONFIRMATIONS),
            mined: mined.collect(),
            next: self.latest + 1,
        }
    }

    fn settle(&mut self) {
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let seen = self.chain.iter().find(|(mined, ..)| *mined == index).map(|(_, block, cost)| (*block, *cost));
            if seen.is_some() || entry.stage != Stage::Settled {
                entry.mined = seen;
            }
            if entry.mined.is_some_and(|(block, _)| block + CONFIRMATIONS <= self.latest) {
                entry.stage = Stage::Settled;
            }
        }
    }
}

fn hash_of(entry: usize) -> UserOpHash {
    UserOpHash(Uint256::from(entry as u128 + 1).0)
}

fn settings() -> Value {
    json!([
        { "per": "account", "window": "day", "max_wei": (u128::from(MOST_GWEI) * GWEI).to_string() },
        { "per": "account", "window": "total", "max_operations": MOST_OPERATIONS },
    ])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operation = || 0..OPERATIONS;
    let step = prop_oneof![
        4 => (operation(), 0..DAYS, 1..9_u64).prop_map(|(operation, day, cost)| Step::Reserve { operation, day, cost }),
        3 => operation().prop_map(|operation| Step::Sign { operation }),
        1 => operation().prop_map(|operation| Step::SignAgain { operation }),
        1 => operation().prop_map(|operation| Step::Renew { operation }),
        1 => operation().prop_map(|operation| Step::Release { operation }),
        3 => (operation(), 0..11_u64).prop_map(|(operation, cost)| Step::Mine { operation, cost }),
        1 => (1..=CONFIRMATIONS).prop_map(|blocks| Step::Reorganise { blocks }),
        3 => Just(Step::Settle),
        1 => (0..3_u64).prop_map(|after| Step::Expire { after }),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..30)
}

async fn reserve(store: &Arc<dyn Store>, model: &mut Model, (operation, day, cost): (u8, u64, u64)) -> Reserved {
    let mut new = sponsorship(operation, proven(), None);
    new.max_cost = gwei(u128::from(cost) * GWEI);
    let new = under(&settings(), NOW + day * DAY, new);
    let outcome = store.reserve(&new, &limits(&new, PLENTY)).await.unwrap();
    if outcome == Reserved::Recorded {
        model.entries.push(Entry { new, day, stage: Stage::Open, is_signed: false, signings: 1, mined: None });
    }
    outcome
}

async fn take(step: Step, storage: &SqliteFile, store: &mut Arc<dyn Store>, model: &mut Model) {
    let count = model.entries.len();
    match step {
        Step::Reserve { operation, day, cost } => {
            let is_open = model.open(operation).is_some();
            let fits = model.gwei_on(day) + cost <= MOST_GWEI && model.operations() < MOST_OPERATIONS;
            let outcome = reserve(store, model, (operation, day, cost)).await;
            let as_expected = match &outcome {
                Reserved::AlreadyRecorded => is_open,
                Reserved::Recorded => !is_open && fits,
                Reserved::Overspent(Overspent { .. }) => !is_open && !fits,
                Reserved::KeyTaken { .. } | Reserved::OverLimit(_) => false,
            };
            assert!(as_expected, "{outcome:?}");
        }
        Step::Sign { operation } => {
            let index =
                model.entries.iter().position(|entry| entry.stage == Stage::Open && entry.new.intent.0[0] == operation);
            let Some(index) = index else { return };
            let entry = &mut model.entries[index];
            let result = Signed { user_op_hash: hash_of(index), ..signed(1) };
            assert!(store.record_signed(&entry.new.id, &entry.new.terms, &result).await.unwrap());
            entry.is_signed = true;
        }
        Step::SignAgain { operation } => {
            let Some(entry) = model.open(operation) else { return };
            let begun = store.begin_signing(&entry.new.id, MOST_SIGNINGS).await.unwrap();
            assert_eq!(begun, entry.signings < MOST_SIGNINGS);
            entry.signings += u32::from(begun);
        }
        Step::Renew { operation } => {
            let Some(entry) = model.open(operation) else { return };
            let mut terms = entry.new.terms;
            terms.valid_until += 1;
            let renewed = store.renew(&entry.new.id, &terms, MOST_SIGNINGS).await.unwrap();
            assert_eq!(renewed, entry.signings < MOST_SIGNINGS);
            if renewed {
                (entry.new.terms, entry.signings) = (terms, entry.signings + 1);
            }
        }
        Step::Release { operation } => {
            let Some(entry) = model.open(operation) else { return };
            let may = !entry.is_signed && entry.signings <= 1;
            assert_eq!(store.release(&entry.new.id).await.unwrap(), may);
            match may {
                true => entry.stage = Stage::Released,
                false => entry.signings = (entry.signings - 1).max(1),
            }
        }
        // Also one that was released: its window lasted longer than the relay believed.
        Step::Mine { operation, cost } => {
            model.latest += 1;
            let is_mined = |index: usize, model: &Model| model.chain.iter().any(|(mined, ..)| *mined == index);
            let minable = (0..count).rev().find(|index| {
                let entry = &model.entries[*index];
                entry.new.intent.0[0] == operation && entry.is_signed && !is_mined(*index, model)
            });
            if let Some(index) = minable.filter(|index| model.entries[*index].stage != Stage::Settled) {
                model.chain.push((index, model.latest, cost));
            }
        }
        Step::Reorganise { blocks } => {
            let last = model.latest.saturating_sub(blocks);
            // What was read as final stays.
            let settled: Vec<_> = model.entries.iter().map(|entry| entry.stage == Stage::Settled).collect();
            model.chain.retain(|(entry, block, _)| *block <= last || settled[*entry]);
        }
        Step::Settle => {
            store.settle(&deployment(), &model.blocks()).await.unwrap();
            model.settle();
        }
        Step::Expire { after } => {
            let ended_before = 101 + after;
            release_expired(&**store, contracts(), ended_before).await;
            for entry in &mut model.entries {
                let is_over = entry.new.terms.valid_until < ended_before;
                if entry.stage == Stage::Open && entry.mined.is_none() && is_over {
                    entry.stage = Stage::Released;
                }
            }
        }
        Step::Restart => *store = storage.open().await,
    }
}

async fn compare(store: &Arc<dyn Store>, model: &Model) -> Result<(), TestCaseError> {
    for day in 0..DAYS {
        let like = NewSponsorship { created_at: NOW + day * DAY, ..sponsorship(0xdd, proven(), None) };
        prop_assert_eq!(used(store, "account", "day", "max_wei", &like).await, model.gwei_on(day), "day {}", day);
        prop_assert_eq!(used(store, "account", "total", "max_operations", &like).await, model.operations());
    }
    let open: i64 =
        model.entries.iter().filter(|entry| entry.stage == Stage::Open).map(|entry| entry.new.max_cost.count()).sum();
    prop_assert_eq!(store.reserved(&deployment()).await.unwrap().count(), open);
    Ok(())
}

#[test]
fn any_history_leaves_the_counters_that_a_simple_reference_has() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let history = |steps: Vec<Step>| {
        runtime.block_on(async {
            let (storage, mut model) = (SqliteFile::new(), Model::default());
            let mut store = storage.open().await;
            for step in steps {
                take(step, &storage, &mut store, &mut model).await;
                compare(&store, &model).await?;
            }
            storage.check().await;
            Ok(())
        })
    };
    TestRunner::new(config).run(&steps(), history).unwrap();
}
