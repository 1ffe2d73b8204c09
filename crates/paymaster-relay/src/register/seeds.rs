//! What a start makes of the policies in the configuration file. A policy follows the file as long
//! as only the file changes it; what an operator has changed at run time stays.

use std::collections::HashMap;

use serde_json::Value;

use super::version::{FILE, PolicyState, PolicyVersion};

/// Between the positions of two policies in the file.
const STEP: i64 = 10;

/// A policy of the configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// Its id.
    pub id: String,
    /// Its place in the file.
    pub position: i64,
    /// The policy, with every field.
    pub policy: Value,
}

/// What a start records.
#[derive(Debug, Default)]
pub(super) struct Sown {
    pub(super) versions: Vec<PolicyVersion>,
    /// The seeds as they are applied now; the next start compares the file with them.
    pub(super) seeds: Vec<Seed>,
    /// For the operator: where file and register differ.
    pub(super) notes: Vec<String>,
}

/// The position that a policy gets at the end of these.
pub(super) fn after(positions: impl Iterator<Item = i64>) -> i64 {
    positions.max().unwrap_or_default().saturating_add(STEP)
}

/// The policies of the file, in its order.
pub(super) fn in_file(policies: impl IntoIterator<Item = (String, Value)>) -> Vec<Seed> {
    let positions = (1..).map(|place: i64| place.saturating_mul(STEP));
    policies.into_iter().zip(positions).map(|((id, policy), position)| Seed { id, position, policy }).collect()
}

/// Compares the file with the register, and with the seeds of the start before. `normal` is a
/// document of the register with every field that this version knows.
pub(super) fn sow(
    file: &[Seed],
    before: &[Seed],
    newest: &[PolicyVersion],
    normal: impl Fn(&Value) -> Value,
    now: u64,
) -> Sown {
    let versions: HashMap<_, _> = newest.iter().map(|version| (&*version.id, version)).collect();
    let bases: HashMap<_, _> = before.iter().map(|seed| (&*seed.id, seed)).collect();
    let mut sown = Sown::default();
    for seed in file {
        let Some(current) = versions.get(&*seed.id) else {
            sown.record(seed.clone(), 1, PolicyState::Enabled, now);
            sown.seeds.push(seed.clone());
            continue;
        };
        let base = bases.get(&*seed.id);
        let (found, old) = (normal(&current.policy), base.map(|base| normal(&base.policy)));
        let was_archived_by_file = current.state == PolicyState::Archived && current.author == FILE;
        let follows = was_archived_by_file || found == seed.policy || old.as_ref() == Some(&found);
        if !follows {
            sown.differs(seed, current, old.as_ref() == Some(&seed.policy));
            sown.seeds.extend(base.map(|base| Seed { position: seed.position, ..(*base).clone() }));
        } else {
            sown.seeds.push(seed.clone());
        }
        let policy = if follows { seed.policy.clone() } else { found.clone() };
        let is_moved = base.is_some_and(|base| base.position == current.position);
        let position = if is_moved || was_archived_by_file { seed.position } else { current.position };
        let state = if was_archived_by_file { PolicyState::Enabled } else { current.state };
        if (&policy, position, state) != (&found, current.position, current.state) {
            let id = seed.id.clone();
            sown.record(Seed { id, position, policy }, current.version.saturating_add(1), state, now);
        }
    }
    for base in before.iter().filter(|base| file.iter().all(|seed| seed.id != base.id)) {
        let Some(current) = versions.get(&*base.id).filter(|current| current.state != PolicyState::Archived) else {
            continue;
        };
        if normal(&current.policy) == normal(&base.policy) {
            let seed = Seed { id: base.id.clone(), position: current.position, policy: current.policy.clone() };
            sown.record(seed, current.version.saturating_add(1), PolicyState::Archived, now);
        } else {
            sown.notes.push(format!(
                "relay.policies: {:?} is no longer in the file, but version {} of {} stays: archive it if it should go",
                base.id, current.version, current.author
            ));
        }
    }
    sown
}

impl Sown {
    fn record(&mut self, seed: Seed, version: u64, state: PolicyState, created_at: u64) {
        let Seed { id, position, policy } = seed;
        let author = FILE.to_owned();
        self.versions.push(PolicyVersion { id, version, state, position, policy, author, note: None, created_at });
    }

    fn differs(&mut self, seed: &Seed, current: &PolicyVersion, is_file_unchanged: bool) {
        // The operator knows: it was changed at run time, and nobody touched the file since.
        let what = if is_file_unchanged { "applies instead of the file's" } else { "applies, not the changed file" };
        self.notes.push(format!(
            "relay.policies: version {} of {:?}, by {}, {what}: see `super-relay policy diff {}`",
            current.version, seed.id, current.author, seed.id
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(policies: &[(&str, u8)]) -> Vec<Seed> {
        in_file(policies.iter().map(|(id, text)| ((*id).to_owned(), json!(text))))
    }

    /// A register that only keeps the newest versions.
    #[derive(Default)]
    struct Register {
        seeds: Vec<Seed>,
        newest: Vec<PolicyVersion>,
    }

    impl Register {
        /// Starts with this file; returns the notes.
        fn start(&mut self, policies: &[(&str, u8)]) -> Vec<String> {
            let sown = sow(&file(policies), &self.seeds, &self.newest, Value::clone, 1);
            for version in sown.versions {
                self.newest.retain(|known| known.id != version.id);
                self.newest.push(version);
            }
            self.newest.sort_by_key(|version| version.position);
            self.seeds = sown.seeds;
            sown.notes
        }

        fn change(&mut self, id: &str, change: impl Fn(&mut PolicyVersion)) {
            let version = self.newest.iter_mut().find(|version| version.id == id).unwrap();
            version.version += 1;
            version.author = "uid 7".to_owned();
            change(version);
        }

        /// Id, version, text and state of each.
        fn all(&self) -> Vec<(&str, u64, u64, PolicyState)> {
            let text = |version: &PolicyVersion| version.policy.as_u64().unwrap();
            self.newest.iter().map(|version| (&*version.id, version.version, text(version), version.state)).collect()
        }
    }

    #[test]
    fn a_policy_follows_the_file_until_an_operator_changes_it() {
        use PolicyState::{Archived, Disabled, Enabled};
        let mut register = Register::default();
        let no_notes = Vec::<String>::new();
        assert_eq!(register.start(&[("a", 1), ("b", 1)]), no_notes);
        assert_eq!(register.all(), [("a", 1, 1, Enabled), ("b", 1, 1, Enabled)]);
        assert_eq!(register.start(&[("a", 1), ("b", 1)]), no_notes);
        assert_eq!(register.all(), [("a", 1, 1, Enabled), ("b", 1, 1, Enabled)]);
        // Text, order, and what is gone.
        assert_eq!(register.start(&[("b", 1), ("a", 2)]), no_notes);
        assert_eq!(register.all(), [("b", 2, 1, Enabled), ("a", 2, 2, Enabled)]);
        assert_eq!(register.start(&[("a", 2)]), no_notes);
        assert_eq!(register.all(), [("a", 3, 2, Enabled), ("b", 3, 1, Archived)]);
        assert_eq!(register.start(&[("a", 2), ("b", 5)]), no_notes);
        assert_eq!(register.all(), [("a", 3, 2, Enabled), ("b", 4, 5, Enabled)]);
        // A state that an operator has set stays.
        register.change("b", |version| version.state = Disabled);
        assert_eq!(register.start(&[("a", 2), ("b", 6)]), no_notes);
        assert_eq!(register.all(), [("a", 3, 2, Enabled), ("b", 6, 6, Disabled)]);
    }

    #[test]
    fn what_an_operator_has_changed_stays_and_the_difference_is_reported() {
        use PolicyState::Enabled;
        let mut register = Register::default();
        register.start(&[("a", 1), ("b", 1)]);
        register.change("a", |version| version.policy = json!(7));
        let notes = register.start(&[("a", 1), ("b", 1)]);
        assert!(notes.len() == 1 && notes[0].contains("version 2 of \"a\", by uid 7, applies instead"), "{notes:?}");
        let notes = register.start(&[("a", 2), ("b", 1)]);
        assert!(notes.len() == 1 && notes[0].contains("not the changed file"), "{notes:?}");
        assert_eq!(register.all(), [("a", 2, 7, Enabled), ("b", 1, 1, Enabled)]);
        // Once both agree, the file is followed again.
        assert_eq!(register.start(&[("a", 7), ("b", 1)]), Vec::<String>::new());
        assert_eq!(register.start(&[("a", 8), ("b", 1)]), Vec::<String>::new());
        assert_eq!(register.all(), [("a", 3, 8, Enabled), ("b", 1, 1, Enabled)]);
        // A removed one that an operator has changed stays.
        register.change("a", |version| version.policy = json!(9));
        let notes = register.start(&[("b", 1)]);
        assert!(notes.len() == 1 && notes[0].contains("no longer in the file"), "{notes:?}");
        assert!(register.all().contains(&("a", 4, 9, Enabled)), "{:?}", register.all());
        // One with the id of a policy that only the register had is not overwritten either.
        let notes = register.start(&[("b", 1), ("a", 1)]);
        assert!(notes.len() == 1 && notes[0].contains("not the changed file"), "{notes:?}");
        assert!(register.all().contains(&("a", 4, 9, Enabled)), "{:?}", register.all());
    }
}
