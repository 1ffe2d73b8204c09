//! Frames of one priority that wait, by who had them sent. Askers take turns, so that one who sends many waits for themselves.

use std::collections::{HashMap, VecDeque};

use crate::transport::Asker;

/// For each asker a queue, and the askers in the order of their turns: those of whom something waits, each once.
#[derive(Debug)]
pub(super) struct Turns<T> {
    waiting: HashMap<Asker, VecDeque<T>>,
    order: VecDeque<Asker>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Turns<T> {
    pub(super) fn push(&mut self, asker: Asker, item: T) {
        let queue = self.waiting.entry(asker).or_default();
        if queue.is_empty() {
            self.order.push_back(asker);
        }
        queue.push_back(item);
    }

    /// The first of whose turn it is; then it is the others'.
    pub(super) fn pop(&mut self) -> Option<T> {
        let asker = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&asker)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&asker);
        } else {
            self.order.push_back(asker);
        }
        item
    }

    /// What was popped last is the next again.
    pub(super) fn put_back(&mut self, asker: Asker, item: T) {
        self.waiting.entry(asker).or_default().push_front(item);
        self.order.retain(|other| *other != asker);
        self.order.push_front(asker);
    }

    /// Everything, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.order.clear();
        std::mem::take(&mut self.waiting).into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HONEST: Asker = Asker::RelayKey { record: 1 };
    const STOLEN: Asker = Asker::RelayKey { record: 2 };

    #[test]
    fn askers_take_turns_and_each_is_served_in_order() {
        let mut turns = Turns::default();
        for number in 0..4 {
            turns.push(STOLEN, number);
        }
        turns.push(HONEST, 10);
        turns.push(Asker::Anyone, 20);
        turns.push(HONEST, 11);
        let served: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(served, [0, 10, 20, 1, 11, 2, 3]);
        assert!(turns.waiting.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn what_is_put_back_is_next() {
        let mut turns = Turns::default();
        turns.push(STOLEN, 0);
        turns.push(STOLEN, 1);
        turns.push(HONEST, 10);
        let first = turns.pop().unwrap();
        turns.put_back(STOLEN, first);
        assert_eq!((turns.pop(), turns.pop(), turns.pop(), turns.pop()), (Some(0), Some(10), Some(1), None));
        turns.put_back(HONEST, 11);
        assert_eq!((turns.pop(), turns.pop()), (Some(11), None));
    }

    #[test]
    fn what_is_drained_is_gone() {
        let mut turns = Turns::default();
        turns.push(STOLEN, 0);
        turns.push(HONEST, 10);
        assert_eq!((turns.drain().count(), turns.pop()), (2, None));
    }
}
