//! Accounts and passkeys in buckets: each record is read as it was written, whenever the power
//! fails, in few objects, and an unknown one without a read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proto::command::{CreateHybridAccount, Request, SignatureScheme, VerifySecurityState, WalletInfo};
use proto::{Hash, Status, frame};
use ta::memory::{Fault, MemoryCounter, MemoryDevice, MemoryStore, SeededEntropy};
use ta::{Buckets, Core, RecordName, SecureStore, StoreError};
use zeroize::Zeroizing;

use crate::support::world::platform;
use crate::support::{Passkey, World};

/// Few names, so that buckets share records and records are replaced.
fn name(number: u8) -> RecordName {
    let digest = Hash([number / 2; 32]);
    if number.is_multiple_of(2) { RecordName::Account(digest) } else { RecordName::Credential(digest) }
}

fn buckets(device: &MemoryDevice) -> Buckets<MemoryStore> {
    Buckets::new(device.store())
}

fn read(store: &impl SecureStore, name: &RecordName) -> Option<Vec<u8>> {
    store.read(name).unwrap().map(|record| record.to_vec())
}

/// A store that counts its reads.
struct Counting<'a>(MemoryStore, &'a Cell<u32>);

impl SecureStore for Counting<'_> {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.read(name)
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        self.0.write(name, value)
    }
}

proptest! {
    #[test]
    fn each_record_is_read_as_it_was_written_whenever_the_power_fails(
        writes in vec((0_u8..80, vec(any::<u8>(), 0..200)), 1..30),
        fault in prop_oneof![Just(Fault::Before), Just(Fault::After), Just(Fault::Refused)],
        at in 0_u64..40,
    ) {
        let device = MemoryDevice::default();
        device.fail_after(at, fault);
        let (mut store, mut expected) = (buckets(&device), BTreeMap::new());
        for (number, record) in &writes {
            let name = name(*number);
            if store.write(&name, record).is_ok() {
                expected.insert(name, record.clone());
                prop_assert!(read(&store, &name).as_ref() == Some(record));
                continue;
            }
            // Either the old or the new record; all others are as they were.
            device.revive();
            let found = read(&buckets(&device), &name);
            prop_assert!(found.as_ref() == Some(record) || found.as_ref() == expected.get(&name));
            // The instance whose write failed reads the same one.
            prop_assert_eq!(&read(&store, &name), &found);
            expected.extend(found.map(|found| (name, found)));
        }
        for store in [store, buckets(&device)] {
            for number in 0..80 {
                prop_assert!(read(&store, &name(number)).as_ref() == expected.get(&name(number)), "{number}");
            }
        }
    }
}

#[test]
fn a_thousand_accounts_take_few_objects_and_an_unknown_one_no_read() {
    let (device, reads) = (MemoryDevice::default(), Cell::new(0));
    let mut store = Buckets::new(Counting(device.store(), &reads));
    let of = |number: u32, kind: fn(Hash) -> RecordName| kind(proto::primitives::keccak256(&number.to_be_bytes()[..]));
    for number in 0..1000 {
        store.write(&of(number, RecordName::Account), &[7; 300]).unwrap();
        store.write(&of(number, RecordName::Credential), &number.to_be_bytes()).unwrap();
    }
    assert!(device.records().len() <= 33, "{}", device.records().len());
    assert_eq!(read(&store, &of(999, RecordName::Credential)), Some(999_u32.to_be_bytes().to_vec()));

    let mut store = Buckets::new(Counting(device.store(), &reads));
    let unknown = |from: u32| {
        reads.set(0);
        (from..from + 500).for_each(|number| assert_eq!(store.read(&of(number, RecordName::Account)), Ok(None)));
        reads.get()
    };
    assert_eq!(unknown(5000), 32, "each bucket is read once");
    assert_eq!(unknown(6000), 0);
    store.write(&of(6000, RecordName::Account), &[1]).unwrap();
    assert_eq!(read(&store, &of(6000, RecordName::Account)), Some(vec![1]));
}

#[test]
fn other_records_are_left_alone() {
    let device = MemoryDevice::default();
    buckets(&device).write(&RecordName::System, &[1, 2]).unwrap();
    assert_eq!(device.records(), [(RecordName::System, vec![1, 2])]);
    assert_eq!(read(&buckets(&device), &RecordName::System), Some(vec![1, 2]));
}

/// A store of an earlier version, without buckets, had no limit.
#[test]
fn all_records_of_their_own_are_moved_even_into_a_bucket_over_its_limit() {
    let device = MemoryDevice::default();
    let names: Vec<RecordName> = (0..200)
        .map(|number| RecordName::Account(Hash([&[7; 31][..], &[number]].concat().try_into().unwrap())))
        .collect();
    names.iter().for_each(|name| device.plant(*name, vec![name.to_bytes()[32]; 1400]));
    let mut store = buckets(&device);
    store.take_in(&names, |_| Ok(())).unwrap();
    for store in [store, buckets(&device)] {
        for name in &names {
            assert_eq!(read(&store, name), Some(vec![name.to_bytes()[32]; 1400]), "{name:?}");
        }
        let new = RecordName::Account(Hash([7; 32]));
        assert_eq!(store.check_fits(&[(new, 1)]), Err(StoreError::Full));
    }
}

#[test]
fn records_of_their_own_are_moved_one_by_one_whenever_the_power_fails() {
    let single: Vec<RecordName> = (0..40).map(name).collect();
    let record = |name: &RecordName| name.to_bytes()[..20].to_vec();
    for at in 0..60 {
        for fault in [Fault::Before, Fault::After, Fault::Refused] {
            let device = MemoryDevice::default();
            let left = RefCell::new(single.clone());
            single.iter().for_each(|name| device.plant(*name, record(name)));
            let take_in = || {
                let names = left.borrow().clone();
                buckets(&device).take_in(&names, |name| {
                    left.borrow_mut().retain(|other| other != name);
                    let others = device.records().into_iter().filter(|(other, _)| other != name);
                    device.restore(&others.collect::<Vec<_>>());
                    Ok(())
                })
            };
            device.fail_after(at, fault);
            // Forty records, a line for each of twenty buckets in their list, and its completion.
            assert_eq!(take_in().is_err(), at < 61, "write {at} {fault:?}");
            let moved = single.len() - left.borrow().len();
            assert!(moved + 20 >= usize::try_from(at).unwrap().min(40), "{moved} moved at write {at}");
            device.revive();
            take_in().unwrap();
            assert!(device.records().len() <= 21);
            single.iter().for_each(|name| {
                assert_eq!(read(&buckets(&device), name), Some(record(name)), "write {at} {fault:?}");
            });
        }
    }
}

#[test]
fn what_was_taken_in_is_complete_and_stays_so() {
    let device = MemoryDevice::default();
    let mut store = buckets(&device);
    store.take_in(&[], |_| Ok(())).unwrap();
    assert_eq!(device.records(), [], "a new store needs no list yet");
    assert_eq!(store.is_complete(), Ok(false));
    store.write(&name(0), &[1]).unwrap();
    assert_eq!((store.is_complete(), buckets(&device).is_complete()), (Ok(true), Ok(true)));

    // A list that was lost is made again from the buckets that are there.
    let rest: Vec<_> = device.records().into_iter().filter(|(name, _)| *name != RecordName::BucketList).collect();
    device.restore(&rest);
    assert_eq!(buckets(&device).is_complete(), Ok(false));
    buckets(&device).take_in(&[RecordName::Bucket(0)], |_| Ok(())).unwrap();
    assert_eq!(buckets(&device).is_complete(), Ok(true));
    device.restore(&[device.records().into_iter().find(|(name, _)| *name == RecordName::BucketList).unwrap()]);
    assert_eq!(buckets(&device).read(&name(0)), Err(StoreError::Corrupt));
}

#[test]
fn a_list_of_another_form_is_corrupt() {
    for bytes in [&[][..], &[0; 4], &[0, 0, 0, 0, 2], &[0; 6]] {
        let device = MemoryDevice::default();
        device.plant(RecordName::BucketList, bytes.to_vec());
        assert_eq!(buckets(&device).is_complete(), Err(StoreError::Corrupt), "{bytes:?}");
    }
}

#[test]
fn a_record_of_its_own_does_not_replace_a_newer_one() {
    let device = MemoryDevice::default();
    device.plant(name(5), vec![1]);
    buckets(&device).write(&name(5), &[9]).unwrap();
    buckets(&device).take_in(&[name(5)], |_| Ok(())).unwrap();
    assert_eq!(read(&buckets(&device), &name(5)), Some(vec![9]));
}

#[test]
fn a_lost_bucket_is_damage_and_not_an_empty_one() {
    let device = MemoryDevice::default();
    let mut store = buckets(&device);
    (0..10).for_each(|number| store.write(&name(number), &[number]).unwrap());
    let records = device.records();
    let is_bucket = |name: &RecordName| matches!(name, RecordName::Bucket(_));
    for (lost, _) in records.iter().filter(|(name, _)| is_bucket(name)) {
        device.restore(&records.iter().filter(|(name, _)| name != lost).cloned().collect::<Vec<_>>());
        for number in 0..10 {
            let mut store = buckets(&device);
            let is_in_it = RecordName::Bucket(number / 2) == *lost;
            let expected = if is_in_it { Err(StoreError::Corrupt) } else { Ok(Some(Zeroizing::new(vec![number]))) };
            assert_eq!(store.read(&name(number)), expected);
            assert_eq!(store.write(&name(number), &[1]).err(), is_in_it.then_some(StoreError::Corrupt));
        }
    }
}

#[test]
fn a_bucket_that_does_not_parse_to_the_last_byte_is_corrupt() {
    let device = MemoryDevice::default();
    let mut store = buckets(&device);
    store.write(&name(0), &[7; 20]).unwrap();
    store.write(&name(1), &[8; 20]).unwrap();
    let bucket = RecordName::Bucket(0);
    let (_, bytes) = device.records().into_iter().find(|(name, _)| *name == bucket).unwrap();
    let entry = 33 + 4 + 20;
    for length in (0..bytes.len()).filter(|length| ![1, 1 + entry].contains(length)) {
        device.plant(bucket, bytes[..length].to_vec());
        assert_eq!(buckets(&device).read(&name(0)), Err(StoreError::Corrupt), "{length} bytes");
    }
    for layout in (0..=u8::MAX).filter(|layout| *layout != 1) {
        device.plant(bucket, [&[layout], &bytes[1..]].concat());
        assert_eq!(buckets(&device).read(&name(0)), Err(StoreError::Corrupt), "layout {layout}");
    }
    device.plant(bucket, [&bytes[..], &[0]].concat());
    assert_eq!(buckets(&device).read(&name(0)), Err(StoreError::Corrupt));
}

#[test]
fn a_full_bucket_takes_no_other_record_and_replaces_its_own() {
    let device = MemoryDevice::default();
    let mut store = buckets(&device);
    store.write(&name(0), &[1; 190 * 1024]).unwrap();
    assert_eq!(store.write(&name(1), &[2; 4 * 1024]), Err(StoreError::Full));
    // What was read, and what is read for it.
    for store in [&store, &buckets(&device)] {
        assert_eq!(store.check_fits(&[(name(1), 4 * 1024)]), Err(StoreError::Full));
        assert_eq!(store.check_fits(&[(name(1), 512), (name(65), 2 * 1024)]), Err(StoreError::Full), "in one bucket");
        assert_eq!(store.check_fits(&[(name(1), 512), (name(2), 4 * 1024), (name(0), 9 * 1024)]), Ok(()));
    }
    // A sign count that grows, say.
    store.write(&name(0), &[3; 194 * 1024]).unwrap();
    for store in [store, buckets(&device)] {
        assert_eq!(read(&store, &name(0)), Some(vec![3; 194 * 1024]));
        assert_eq!(read(&store, &name(1)), None);
    }
}

#[test]
fn an_account_that_has_no_room_is_refused_and_not_counted() {
    let world = World::ready();
    let mut store = buckets(&world.device);
    for number in 0..32 {
        store.write(&RecordName::Account(Hash([number; 32])), &[1; 192 * 1024 - 64]).unwrap();
    }
    let (entropy, counter) = (SeededEntropy::new([7; 32]), world.device.counter());
    let mut core = Core::open(store, entropy, counter, platform()).unwrap();
    for account_id in ["one", "another"] {
        assert_eq!(create(&mut core, account_id, 1), Err(Status::StorageFull));
    }
    assert_eq!(answer(&mut core, &VerifySecurityState).unwrap().provisioned.unwrap().accounts, 0);
}

/// A store that takes everything but passkeys, as a disk that is nearly full.
struct WithoutPasskeys(MemoryStore);

impl SecureStore for WithoutPasskeys {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.0.read(name)
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        if matches!(name, RecordName::Credential(_)) { Err(StoreError::Failed) } else { self.0.write(name, value) }
    }
}

#[test]
fn a_passkey_whose_account_cannot_be_written_is_counted_once() {
    let world = World::ready();
    let (entropy, counter) = (SeededEntropy::new([7; 32]), world.device.counter());
    let mut core = Core::open(WithoutPasskeys(world.device.store()), entropy, counter, platform()).unwrap();
    for account_id in ["one", "another", "one", "third"] {
        for number in 1..4 {
            assert_eq!(create(&mut core, account_id, number), Err(Status::StorageFailed));
        }
    }
    assert_eq!(answer(&mut core, &VerifySecurityState).unwrap().provisioned.unwrap().accounts, 3);
}

fn create<S: SecureStore>(
    core: &mut Core<S, SeededEntropy, MemoryCounter>,
    account_id: &str,
    number: u8,
) -> Result<WalletInfo, Status> {
    let command = CreateHybridAccount {
        account_id: account_id.parse().unwrap(),
        signature_scheme: SignatureScheme::Raw,
        registration: Passkey::numbered(number).register(),
    };
    answer(core, &command)
}

fn answer<S: SecureStore, R: Request>(
    core: &mut Core<S, SeededEntropy, MemoryCounter>,
    command: &R,
) -> Result<R::Reply, Status> {
    frame::decode_reply::<R>(&core.handle(&frame::encode_request(command).unwrap())).unwrap()
}
