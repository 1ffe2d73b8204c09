//! Addresses that the factory returned. They never change: an address is a function of the factory,
//! the owner and the salt.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use proto::{Address, Hash};
use tokio::sync::OnceCell;

/// Beyond it, the address that was requested first is forgotten.
const MAX: usize = 4096;

type Key = (Address, Hash);

/// Known addresses by owner and salt.
#[derive(Default)]
pub(super) struct KnownSenders(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    cells: HashMap<Key, Arc<OnceCell<Address>>>,
    order: VecDeque<Key>,
}

impl KnownSenders {
    /// The known address; otherwise the result of `ask`, which runs for one caller at a time.
    pub(super) async fn get_or_ask<E, F>(&self, key: Key, ask: impl FnOnce() -> F) -> Result<Address, E>
    where
        F: Future<Output = Result<Address, E>>,
    {
        self.cell(key).get_or_try_init(ask).await.copied()
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Address>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = kept.cells.get(&key) {
            return Arc::clone(cell);
        }
        if kept.order.len() >= MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.cells.remove(&oldest);
        }
        kept.order.push_back(key);
        Arc::clone(kept.cells.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    const fn key(number: u16) -> Key {
        let mut salt = [0; 32];
        [salt[0], salt[1]] = number.to_be_bytes();
        (Address([1; 20]), Hash(salt))
    }

    #[tokio::test]
    async fn callers_that_come_at_once_share_one_answer() {
        let (known, asked) = (KnownSenders::default(), AtomicU32::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, ()>(Address([7; 20]))
        };
        let answers = join_all((0..9).map(|_| known.get_or_ask(key(1), ask))).await;
        assert!(answers.iter().all(|answer| *answer == Ok(Address([7; 20]))));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let known = KnownSenders::default();
        assert_eq!(known.get_or_ask(key(1), || async { Err("down") }).await, Err("down"));
        assert_eq!(known.get_or_ask(key(1), || async { Ok::<_, &str>(Address([7; 20])) }).await, Ok(Address([7; 20])));
    }

    #[tokio::test]
    async fn the_oldest_is_forgotten_where_there_are_too_many() {
        let known = KnownSenders::default();
        for number in 0..=u16::try_from(MAX).unwrap() {
            known.get_or_ask(key(number), || async { Ok::<_, ()>(Address([1; 20])) }).await.unwrap();
        }
        let again = |number| known.get_or_ask(key(number), || async { Err("asked again") });
        assert_eq!((again(1).await, again(0).await), (Ok(Address([1; 20])), Err("asked again")));
        assert!(known.0.lock().unwrap().cells.len() <= MAX);
    }
}
