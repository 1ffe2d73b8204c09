//! Waiting frames of one priority, by asker. Askers take turns, so that one that sends many only
//! delays itself.

use std::collections::{HashMap, VecDeque};

use crate::transport::Asker;

/// A queue for each asker, and the askers in the order of their turns: each that has a waiting
/// frame, once.
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

    /// The first frame of the asker whose turn it is, which then moves behind the others. Frames
    /// that are no longer wanted are dropped, at no cost to their asker's turn.
    pub(super) fn pop(&mut self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        while let Some(asker) = self.order.pop_front() {
            let Some(queue) = self.waiting.get_mut(&asker) else { continue };
            let item = std::iter::from_fn(|| queue.pop_front()).find(&is_wanted);
            if queue.is_empty() {
                self.waiting.remove(&asker);
            } else {
                self.order.push_back(asker);
            }
            if item.is_some() {
                return item;
            }
        }
        None
    }

    /// The frame popped last becomes the next again.
    pub(super) fn put_back(&mut self, asker: Asker, item: T) {
        self.waiting.entry(asker).or_default().push_front(item);
        self.order.retain(|other| *other != asker);
        self.order.push_front(asker);
    }

    /// Everything, in no particular order.
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
        let served: Vec<_> = std::iter::from_fn(|| turns.pop(|_| true)).collect();
        assert_eq!(served, [0, 10, 20, 1, 11, 2, 3]);
        assert!(turns.waiting.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn an_item_put_back_is_next() {
        let mut turns = Turns::default();
        turns.push(STOLEN, 0);
        turns.push(STOLEN, 1);
        turns.push(HONEST, 10);
        let first = turns.pop(|_| true).unwrap();
        turns.put_back(STOLEN, first);
        assert_eq!(
            (turns.pop(|_| true), turns.pop(|_| true), turns.pop(|_| true), turns.pop(|_| true)),
            (Some(0), Some(10), Some(1), None)
        );
        turns.put_back(HONEST, 11);
        assert_eq!((turns.pop(|_| true), turns.pop(|_| true)), (Some(11), None));
    }

    #[test]
    fn an_abandoned_item_costs_no_turn() {
        let mut turns = Turns::default();
        for number in 0..3 {
            turns.push(STOLEN, number);
            turns.push(HONEST, 10 + number);
        }
        let is_wanted = |number: &i32| *number > 10;
        let served: Vec<_> = std::iter::from_fn(|| turns.pop(is_wanted)).collect();
        assert_eq!(served, [11, 12]);
        assert!(turns.waiting.is_empty() && turns.order.is_empty());
    }

    #[test]
    fn drained_items_are_gone() {
        let mut turns = Turns::default();
        turns.push(STOLEN, 0);
        turns.push(HONEST, 10);
        assert_eq!((turns.drain().count(), turns.pop(|_| true)), (2, None));
    }
}
