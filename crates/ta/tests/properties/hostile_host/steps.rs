//! The steps of a hostile host.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use ta::memory::Fault;

/// One step of the host.
#[derive(Clone, Debug)]
pub enum Step {
    /// Requests a sponsorship or signature, with the approvals it can get.
    Operation(Operation),
    /// Requests a signature over a message: a text, an operation's hash, or other digests.
    Message { account: u8, passkey: u8, text: Text, length: usize, form: u8, user_approves: bool },
    /// Replays a frame.
    Replay(Index),
    /// Replays frames in a batch.
    Batch(Vec<Index>),
    /// Replays a frame with one byte changed.
    Mutate { frame: Index, at: Index, change: u8 },
    /// Inserts a part of one operation's command into another's.
    Mix { into: Index, from: Index, part: u8 },
    /// Registers a passkey, its own or one with a known credential id.
    Create { account: u8, passkey: u8, thief: bool, raw: bool },
    /// Sends an admin command, signed by the admin or not.
    Admin { kind: u8, signer: u8, next: u8, permissions: u32, honest: bool, ahead: u64 },
    /// Power cycle.
    Restart,
    /// The write after this many more fails.
    Fail { after: u64, fault: Fault },
}

/// The content of a message.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// Of the given length.
    Plain,
    /// The hash of a recorded operation, cut or extended to the given length.
    HashOfOperation(Index),
    /// Its intent hash.
    Intent(Index),
}

/// An operation, its approvals, and how far it goes.
#[derive(Clone, Debug)]
pub struct Operation {
    pub sponsor: bool,
    pub account: u8,
    pub passkey: u8,
    pub relay: u8,
    pub version: u8,
    pub variant: u8,
    /// 0: valid terms; otherwise beyond a ceiling.
    pub terms: u8,
    pub user_approves: bool,
    /// How many more operations the user approves with it, in one list.
    pub listed_with: u8,
    pub relay_approves: bool,
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => operation().prop_map(Step::Operation),
        5 => message(),
        2 => any::<Index>().prop_map(Step::Replay),
        2 => vec(any::<Index>(), 1..6).prop_map(Step::Batch),
        4 => (any::<Index>(), any::<Index>(), 1..=255u8)
            .prop_map(|(frame, at, change)| Step::Mutate { frame, at, change }),
        5 => (any::<Index>(), any::<Index>(), 0..9u8).prop_map(|(into, from, part)| Step::Mix { into, from, part }),
        2 => (0..4u8, 0..4u8, prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(account, passkey, thief, raw)| Step::Create { account, passkey, thief, raw }),
        4 => (0..8u8, 0..5u8, 0..5u8, 1..20u32, prop::bool::weighted(0.7), prop_oneof![4 => Just(0u64), 1 => 1..3u64])
            .prop_map(|(kind, signer, next, permissions, honest, ahead)| {
                Step::Admin { kind, signer, next, permissions, honest, ahead }
            }),
        1 => Just(Step::Restart),
        1 => (0..3u64, prop_oneof![Just(Fault::Before), Just(Fault::After), Just(Fault::Refused)])
            .prop_map(|(after, fault)| Step::Fail { after, fault }),
    ]
}

fn message() -> impl Strategy<Value = Step> {
    let text = prop_oneof![
        2 => Just(Text::Plain),
        2 => any::<Index>().prop_map(Text::HashOfOperation),
        1 => any::<Index>().prop_map(Text::Intent),
    ];
    let length = prop_oneof![2 => Just(32usize), 2 => 1..70usize, 1 => Just(0usize)];
    let owner_mostly = prop_oneof![5 => Just(None), 1 => (0..4u8).prop_map(Some)];
    (0..4u8, owner_mostly, text, length, 0..6u8, prop::bool::weighted(0.85)).prop_map(
        |(account, passkey, text, length, form, user_approves)| {
            let passkey = passkey.unwrap_or(account);
            Step::Message { account, passkey, text, length, form, user_approves }
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let owner_mostly = prop_oneof![5 => Just(None), 1 => (0..4u8).prop_map(Some)];
    let who = (0..4u8, owner_mostly, prop_oneof![5 => 0..3u8, 1 => 3..5u8]);
    let what = (prop::bool::weighted(0.7), 0..4u8, 0..6u8, prop_oneof![5 => Just(0), 1 => 1..10u8]);
    let user = (prop::bool::weighted(0.85), prop_oneof![2 => Just(0), 1 => 1..4u8]);
    (who, what, user, prop::bool::weighted(0.9)).prop_map(
        |(
            (account, passkey, relay),
            (sponsor, version, variant, terms),
            (user_approves, listed_with),
            relay_approves,
        )| Operation {
            sponsor,
            account,
            passkey: passkey.unwrap_or(account),
            relay,
            version,
            variant,
            terms,
            user_approves,
            listed_with,
            relay_approves,
        },
    )
}
