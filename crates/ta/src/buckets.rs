//! The records of accounts and passkeys in a fixed number of objects, for a store whose time for
//! any name grows with its number of objects (docs/adr/0031-buckets.md).
//!
//! A record is in the bucket that the first byte of its name's digest selects. A bucket is replaced
//! as a whole, so each record is still replaced atomically.

use alloc::vec::Vec;
use core::array;
use core::cell::RefCell;
use core::iter;

use zeroize::Zeroizing;

use crate::ports::{RecordName, SecureStore, StoreError};

/// How many buckets there are. More of them make every access slower, fewer the replacement of a
/// record among many accounts.
const BUCKETS: u8 = 32;
/// The layout of a bucket.
const LAYOUT: u8 = 1;
/// Bytes of a bucket, above which no record is added, except those that an earlier version wrote. A
/// trusted application holds two copies at once, in four MiB of memory.
const MAX_BUCKET: usize = 192 * 1024;
/// A buffer of more than [`SMALL`] bytes has a multiple of so many. Buffers that grow by one record
/// each time would never fit where the ones before them were, and use up the memory.
const BUFFER_STEP: usize = 64 * 1024;
const SMALL: usize = 4 * 1024;

/// A store that keeps the records of accounts and passkeys in buckets, and all others as they are.
pub struct Buckets<S> {
    store: S,
    seen: RefCell<Seen>,
}

/// What is known of the store's contents.
struct Seen {
    /// The names in each bucket that was read, so that an unknown account costs no read.
    names: [Option<Names>; BUCKETS as usize],
    /// The buckets that were written once, if that has been read.
    list: Option<List>,
    /// Whether [`Buckets::take_in`] has left nothing.
    is_complete: bool,
}

impl<S: SecureStore> Buckets<S> {
    /// Over that store, which is not read yet.
    pub fn new(store: S) -> Self {
        let seen = Seen { names: array::from_fn(|_| None), list: None, is_complete: false };
        Self { store, seen: RefCell::new(seen) }
    }

    /// Whether no record is left under a name of its own: [`Self::take_in`] was completed before.
    ///
    /// # Errors
    /// Those of the store.
    pub fn is_complete(&self) -> Result<bool, StoreError> {
        Ok(self.list()?.is_complete)
    }

    /// Takes in what the store has before buckets are used: moves accounts and passkeys with names
    /// of their own into buckets, one after the other, so that what was moved before a power
    /// failure stays so; and lists the buckets that are there. What a bucket has already is newer.
    ///
    /// # Errors
    /// Those of the store and of `remove`, which removes one of its own names.
    pub fn take_in(
        &mut self,
        names: &[RecordName],
        mut remove: impl FnMut(&RecordName) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for name in names.iter().filter(|name| place(name).is_some()) {
            if self.read(name)?.is_none()
                && let Some(record) = self.store.read(name)?
            {
                // Whatever the bucket's length: an account that exists is never left out.
                self.put(name, &record, usize::MAX)?;
            }
            remove(name)?;
        }
        self.seen.borrow_mut().is_complete = true;
        let found = names.iter().fold(self.list()?, |list, name| match name {
            RecordName::Bucket(number) => list.with(*number),
            _ => list,
        });
        // The first bucket writes the list of a new store.
        if found.buckets == 0 { Ok(()) } else { self.note(found) }
    }

    /// A bucket, empty if it was never written.
    fn load(&self, number: u8) -> Result<Bucket, StoreError> {
        let bucket = match self.store.read(&RecordName::Bucket(number))? {
            Some(bytes) => Bucket::parse(bytes)?,
            // A store may drop an object that was damaged. Its accounts are not unknown then.
            None if self.list()?.contains(number) => return Err(StoreError::Corrupt),
            None => Bucket::empty(),
        };
        self.remember(number, Some(bucket.names()));
        Ok(bucket)
    }

    /// Writes a record, a new one only if its bucket is no longer than `limit` then.
    fn put(&mut self, name: &RecordName, record: &[u8], limit: usize) -> Result<(), StoreError> {
        let Some(number) = place(name) else {
            return self.store.write(name, record);
        };
        let bucket = self.load(number)?.with(name, record, limit)?;
        self.replace(number, &bucket)
    }

    fn replace(&mut self, number: u8, bucket: &Bucket) -> Result<(), StoreError> {
        // After a failed write only the store knows which names are there.
        self.remember(number, None);
        self.store.write(&RecordName::Bucket(number), &bucket.0)?;
        self.note(self.list()?.with(number))?;
        self.remember(number, Some(bucket.names()));
        Ok(())
    }

    fn list(&self) -> Result<List, StoreError> {
        let known = self.seen.borrow().list;
        if let Some(list) = known {
            return Ok(list);
        }
        let bytes = self.store.read(&RecordName::BucketList)?;
        let list = bytes.map_or(Ok(List::default()), |bytes| List::parse(&bytes).ok_or(StoreError::Corrupt))?;
        self.seen.borrow_mut().list = Some(list);
        Ok(list)
    }

    /// Writes the list, if it differs from the one that is there.
    fn note(&mut self, list: List) -> Result<(), StoreError> {
        let list = List { is_complete: list.is_complete || self.seen.borrow().is_complete, ..list };
        if self.list()? == list {
            return Ok(());
        }
        self.seen.borrow_mut().list = None;
        self.store.write(&RecordName::BucketList, &list.to_bytes())?;
        self.seen.borrow_mut().list = Some(list);
        Ok(())
    }

    /// The names in a bucket. Reads it unless they are known.
    fn with_names<T>(&self, number: u8, look: impl FnOnce(&Names) -> T) -> Result<T, StoreError> {
        let known = |seen: &Seen| seen.names.get(usize::from(number)).is_some_and(Option::is_some);
        if !known(&self.seen.borrow()) {
            self.load(number)?;
        }
        let seen = self.seen.borrow();
        seen.names.get(usize::from(number)).and_then(Option::as_ref).map(look).ok_or(StoreError::Failed)
    }

    fn remember(&self, number: u8, names: Option<Names>) {
        if let Some(known) = self.seen.borrow_mut().names.get_mut(usize::from(number)) {
            *known = names;
        }
    }

    /// Whether the bucket was read and does not have that name.
    fn lacks(&self, number: u8, name: &RecordName) -> bool {
        let seen = self.seen.borrow();
        let names = seen.names.get(usize::from(number)).and_then(Option::as_ref);
        names.is_some_and(|names| !names.may_contain(name))
    }
}

impl<S: SecureStore> SecureStore for Buckets<S> {
    fn read(&self, name: &RecordName) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        match place(name) {
            None => self.store.read(name),
            Some(number) if self.lacks(number, name) => Ok(None),
            Some(number) => Ok(self.load(number)?.get(name).map(|record| Zeroizing::new(record.to_vec()))),
        }
    }

    fn write(&mut self, name: &RecordName, value: &[u8]) -> Result<(), StoreError> {
        self.put(name, value, MAX_BUCKET)
    }

    fn check_fits(&self, records: &[(RecordName, usize)]) -> Result<(), StoreError> {
        let numbers = records.iter().filter_map(|(name, _)| place(name));
        for number in numbers {
            let fits = self.with_names(number, |names| {
                let here = records.iter().filter(|(name, _)| place(name) == Some(number));
                let new = here.filter(|(name, _)| !names.may_contain(name));
                let lengths = new.map(|(_, length)| entry_length(*length));
                lengths.fold(names.length, usize::saturating_add) <= MAX_BUCKET
            })?;
            if !fits {
                return Err(StoreError::Full);
            }
        }
        Ok(())
    }
}

/// The bucket of that record, if it belongs in one.
fn place(name: &RecordName) -> Option<u8> {
    match name {
        RecordName::Account(digest) | RecordName::Credential(digest) => digest.0.first().map(|byte| byte % BUCKETS),
        _ => None,
    }
}

/// Which buckets were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct List {
    /// One bit each.
    buckets: u32,
    is_complete: bool,
}

impl List {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (buckets, rest) = bytes.split_first_chunk()?;
        let is_complete = match rest {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(Self { buckets: u32::from_be_bytes(*buckets), is_complete })
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.buckets.to_be_bytes().to_vec();
        bytes.push(self.is_complete.into());
        bytes
    }

    fn contains(self, number: u8) -> bool {
        self.buckets & Self::bit(number) != 0
    }

    fn with(self, number: u8) -> Self {
        Self { buckets: self.buckets | Self::bit(number), ..self }
    }

    fn bit(number: u8) -> u32 {
        1_u32.checked_shl(u32::from(number)).unwrap_or_default()
    }
}

/// The names in a bucket.
struct Names {
    /// Their first bytes, sorted. Two names may share them.
    starts: Vec<u64>,
    /// Bytes of the bucket.
    length: usize,
}

impl Names {
    fn may_contain(&self, name: &RecordName) -> bool {
        self.starts.binary_search(&start(&name.to_bytes())).is_ok()
    }
}

/// Bytes that a record takes in a bucket.
const fn entry_length(record: usize) -> usize {
    record.saturating_add(RecordName::LENGTH).saturating_add(size_of::<u32>())
}

/// The kind, and the start of the digest.
fn start(name: &[u8; RecordName::LENGTH]) -> u64 {
    name.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default()
}

/// The layout, then each record: its name, its length in four bytes (big endian), its bytes.
struct Bucket(Zeroizing<Vec<u8>>);

struct Entry<'a> {
    name: &'a [u8; RecordName::LENGTH],
    record: &'a [u8],
}

impl Bucket {
    fn empty() -> Self {
        Self(Zeroizing::new([LAYOUT].into()))
    }

    /// # Errors
    /// `Corrupt` unless it has this layout to the last byte.
    fn parse(bytes: Zeroizing<Vec<u8>>) -> Result<Self, StoreError> {
        let Some((&LAYOUT, mut rest)) = bytes.split_first() else {
            return Err(StoreError::Corrupt);
        };
        while !rest.is_empty() {
            (_, rest) = split(rest).ok_or(StoreError::Corrupt)?;
        }
        Ok(Self(bytes))
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.0.get(1..).unwrap_or_default();
        iter::from_fn(move || {
            let (entry, after) = split(rest)?;
            rest = after;
            Some(entry)
        })
    }

    fn get(&self, name: &RecordName) -> Option<&[u8]> {
        let name = name.to_bytes();
        self.entries().find(|entry| *entry.name == name).map(|entry| entry.record)
    }

    /// The same bucket with that record, replacing the previous one.
    ///
    /// # Errors
    /// `Full` if the record is new and the result over the limit; `Failed` if there is no memory.
    fn with(&self, name: &RecordName, record: &[u8], limit: usize) -> Result<Self, StoreError> {
        let name = name.to_bytes();
        // Never grown, so that no copy of a record is left behind.
        let mut bytes = buffer(self.0.len().saturating_add(entry_length(record.len())))?;
        bytes.push(LAYOUT);
        let others = self.entries().filter(|entry| *entry.name != name);
        for Entry { name, record } in others.chain([Entry { name: &name, record }]) {
            let length = u32::try_from(record.len()).map_err(|_| StoreError::Failed)?;
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(record);
        }
        let is_full = bytes.len() > limit && self.entries().all(|entry| *entry.name != name);
        if is_full { Err(StoreError::Full) } else { Ok(Self(bytes)) }
    }

    fn names(&self) -> Names {
        let mut starts: Vec<u64> = self.entries().map(|entry| start(entry.name)).collect();
        starts.sort_unstable();
        Names { starts, length: self.0.len() }
    }
}

/// An empty buffer for so many bytes of a record or a bucket.
///
/// # Errors
/// `Failed` if there is no memory for it.
pub fn buffer(length: usize) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let step = if length > SMALL { BUFFER_STEP } else { 1 };
    let length = length.checked_next_multiple_of(step).ok_or(StoreError::Failed)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| StoreError::Failed)?;
    Ok(Zeroizing::new(bytes))
}

/// The first entry, and what follows it.
fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((Entry { name, record }, rest))
}
