//! Reads and changes the register, and puts what it says into effect.

use std::sync::Arc;
use std::time::Duration;

use proto::json::Excerpt;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::PolicyError;
use super::seeds::{self, Seed, Sown};
use super::version::{PolicyState, PolicyVersion};
use super::{Appended, Newest, PolicyStore};
use crate::catalogue::{LivePolicies, Offer, PolicySet};
use crate::ports::Clock;
use crate::settings::{PolicySettings, Settings};
use crate::store_error::StoreError;

/// Between two looks for changes of other processes: they take effect within a second.
const LOOK: Duration = Duration::from_millis(500);
/// Attempts of a change that others overtake.
const ATTEMPTS: u32 = 10;
const MAX_ID: usize = 64;
const MAX_NOTE: usize = 500;

/// Who changes policies, and why.
#[derive(Clone, Debug)]
pub struct Change {
    /// `uid <n>` or `key <id>`.
    pub author: String,
    /// In the author's words.
    pub note: Option<String>,
    /// The newest version that the author knows, 0 for a new policy: another one is a conflict.
    pub expected_version: Option<u64>,
}

/// The policies of a relay.
pub struct PolicyRegister {
    settings: Settings,
    live: Arc<LivePolicies>,
    store: Arc<dyn PolicyStore>,
    clock: Arc<dyn Clock>,
    /// Only other processes can overtake a change.
    turn: Mutex<()>,
}

impl PolicyRegister {
    /// Records what the configuration file has changed, and puts the register into effect.
    ///
    /// # Errors
    /// [`PolicyError::Store`]; [`PolicyError::Set`].
    pub async fn open(
        settings: &Settings,
        live: &Arc<LivePolicies>,
        store: Arc<dyn PolicyStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PolicyError> {
        let register = Self { settings: settings.clone(), live: Arc::clone(live), store, clock, turn: Mutex::new(()) };
        register.sow().await?;
        register.refresh().await?;
        Ok(register)
    }

    /// Puts changes into effect that other processes make, until it is stopped.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut failed_at = None;
        while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
            let last = match self.store.last_change().await {
                Ok(last) if last > self.live.change() && failed_at != Some(last) => last,
                // The store's own outage log reports a failing store.
                Ok(_) | Err(_) => continue,
            };
            match self.refresh().await {
                Ok(()) => tracing::info!(change = last, "changed policies apply"),
                Err(PolicyError::Store(_)) => {}
                Err(problem) => {
                    failed_at = Some(last);
                    tracing::error!(change = last, %problem, "changed policies cannot apply: those before it do");
                }
            }
        }
    }

    /// The newest version of every policy, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        Ok(self.store.newest().await?.versions)
    }

    /// The newest version of a policy.
    ///
    /// # Errors
    /// [`PolicyError::Unknown`], [`PolicyError::Store`].
    pub async fn show(&self, id: &str) -> Result<PolicyVersion, PolicyError> {
        found(&self.store.newest().await?.versions, id).cloned()
    }

    /// Every version of a policy, oldest first: who changed it, when, and what it said.
    ///
    /// # Errors
    /// [`PolicyError::Unknown`], [`PolicyError::Store`].
    pub async fn history(&self, id: &str) -> Result<Vec<PolicyVersion>, PolicyError> {
        match self.store.history(id).await? {
            versions if versions.is_empty() => Err(PolicyError::Unknown { id: Excerpt(id).to_string() }),
            versions => Ok(versions),
        }
    }

    /// The policy of that id in the configuration file of this process, with every field.
    #[must_use]
    pub fn in_file(&self, id: &str) -> Option<Value> {
        self.settings.policies.iter().find(|policy| policy.id == id).map(document)
    }

    /// Checks a document as a change does, and returns it with every field.
    ///
    /// # Errors
    /// [`PolicyError::Invalid`], [`PolicyError::InvalidId`].
    pub fn check(&self, given: &Value) -> Result<Value, PolicyError> {
        Ok(document(&self.checked(given)?))
    }

    /// Makes a new version of each of these policies, or the first. All or none: the set that they
    /// give with the others is checked first. A policy that already says the same gets no version.
    /// A new or archived policy becomes enabled, or a draft; others stay in their state.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn apply(
        &self,
        documents: &[Value],
        is_draft: bool,
        position: Option<i64>,
        change: &Change,
    ) -> Result<Vec<PolicyVersion>, PolicyError> {
        let policies = documents.iter().map(|given| self.checked(given)).collect::<Result<Vec<_>, _>>()?;
        let first = if is_draft { PolicyState::Draft } else { PolicyState::Enabled };
        self.change(change, |newest| {
            let mut end = seeds::after(newest.iter().map(|version| version.position));
            let next = policies.iter().map(|policy| {
                let current = newest.iter().find(|version| version.id == policy.id);
                let state = match current.map(|current| current.state) {
                    None | Some(PolicyState::Archived) => first,
                    Some(state @ (PolicyState::Enabled | PolicyState::Disabled)) if is_draft => {
                        return Err(conflict(&policy.id, state, PolicyState::Draft));
                    }
                    Some(state) => state,
                };
                let place = position.or(current.map(|current| current.position)).unwrap_or_else(|| {
                    let place = end;
                    end = seeds::after([end].into_iter());
                    place
                });
                Ok(draft(&policy.id, current, state, place, document(policy)))
            });
            next.collect()
        })
        .await
    }

    /// Moves a policy to another state: a new version with the same text. None if it is in that
    /// state already.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn set_state(&self, id: &str, to: PolicyState, change: &Change) -> Result<PolicyVersion, PolicyError> {
        let changed = self.change(change, |newest| {
            let current = found(newest, id)?;
            if current.state != to && !current.state.may_become(to) {
                return Err(conflict(id, current.state, to));
            }
            let policy = match to {
                // It may no longer fit the configuration.
                PolicyState::Enabled => document(&self.checked(&current.policy)?),
                _ => current.policy.clone(),
            };
            Ok(vec![draft(id, Some(current), to, current.position, policy)])
        });
        one(changed.await?, id)
    }

    /// Makes a new version with the text of an old one; the state stays.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn roll_back(&self, id: &str, version: u64, change: &Change) -> Result<PolicyVersion, PolicyError> {
        let history = self.history(id).await?;
        let newest = history.last().map_or(0, |newest| newest.version);
        let old = history.into_iter().find(|old| old.version == version);
        let old = old.ok_or_else(|| PolicyError::UnknownVersion { id: Excerpt(id).to_string(), version, newest })?;
        let policy = document(&self.checked(&old.policy)?);
        let note = change.note.clone().unwrap_or_else(|| format!("rolled back to version {version}"));
        let change = Change { note: Some(note), ..change.clone() };
        let changed = self.change(&change, |newest| {
            let current = found(newest, id)?;
            Ok(vec![draft(id, Some(current), current.state, current.position, policy.clone())])
        });
        one(changed.await?, id)
    }

    /// Records what `next` makes of the newest versions, and puts it into effect. Repeated if
    /// another change comes first. Returns the newest versions of the policies that it names.
    async fn change(
        &self,
        change: &Change,
        next: impl Fn(&[PolicyVersion]) -> Result<Vec<PolicyVersion>, PolicyError>,
    ) -> Result<Vec<PolicyVersion>, PolicyError> {
        if change.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
            return Err(PolicyError::NoteTooLong { most: MAX_NOTE });
        }
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let Newest { versions: newest, change: after } = self.store.newest().await?;
            let mut named = next(&newest)?;
            if let Some(expected) = change.expected_version {
                named.iter().try_for_each(|version| expect(&newest, &version.id, expected))?;
            }
            let mut changed = Vec::new();
            for version in &mut named {
                match newest.iter().find(|current| current.id == version.id) {
                    Some(current) if is_same(current, version) => *version = current.clone(),
                    _ => {
                        version.author.clone_from(&change.author);
                        version.note.clone_from(&change.note);
                        version.created_at = self.clock.now();
                        changed.push(version.clone());
                    }
                }
            }
            if changed.is_empty() {
                return Ok(named);
            }
            let mut all: Vec<_> = newest.iter().filter(|one| changed.iter().all(|new| new.id != one.id)).collect();
            all.extend(&changed);
            all.sort_by(|one, other| (one.position, &one.id).cmp(&(other.position, &other.id)));
            let set = self.set_of(all)?;
            if let Appended::Recorded(number) = self.store.append(after, &changed, None).await? {
                self.live.replace(number, set);
                for PolicyVersion { id, version, state, author, .. } in &changed {
                    tracing::info!(policy = %Excerpt(id), version, %state, author, "a policy was changed");
                }
                return Ok(named);
            }
        }
        Err(PolicyError::Overtaken)
    }

    async fn sow(&self) -> Result<(), PolicyError> {
        let policies = self.settings.policies.iter().map(|policy| (policy.id.clone(), document(policy)));
        let file = seeds::in_file(policies);
        let normal = |value: &Value| parse(value).map_or_else(|_| value.clone(), |policy| document(&policy));
        for _ in 0..ATTEMPTS {
            let before: Vec<Seed> = self.store.seeds().await?;
            let newest = self.store.newest().await?;
            let Sown { versions, seeds, notes } =
                seeds::sow(&file, &before, &newest.versions, normal, self.clock.now());
            if versions.is_empty() && seeds == before
                || self.store.append(newest.change, &versions, Some(&seeds)).await? != Appended::Overtaken
            {
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                return Ok(());
            }
        }
        Err(PolicyError::Overtaken)
    }

    /// Puts the newest versions into effect.
    async fn refresh(&self) -> Result<(), PolicyError> {
        let Newest { versions, change } = self.store.newest().await?;
        let set = self.set_of(versions.iter())?;
        self.live.replace(change, set);
        Ok(())
    }

    /// An enabled policy that does not fit this process's configuration counts as disabled: nothing
    /// is sponsored under rules that nobody checked, and the others go on.
    fn set_of<'a>(&self, versions: impl IntoIterator<Item = &'a PolicyVersion>) -> Result<PolicySet, PolicyError> {
        let offered = versions.into_iter().filter(|version| version.state.is_offered());
        let offer = |version: &PolicyVersion| {
            let id = version.id.clone();
            let chain_ids = version.policy.get("chain_ids").and_then(Value::as_array);
            let chain_ids = chain_ids.into_iter().flatten().filter_map(Value::as_u64).collect();
            let disabled = Offer::Disabled { id, chain_ids };
            if version.state == PolicyState::Disabled {
                return disabled;
            }
            self.fitting(&version.policy).map_or_else(
                |problem| {
                    tracing::error!(version = version.version, %problem, "a policy counts as disabled");
                    disabled
                },
                Offer::enabled,
            )
        };
        Ok(PolicySet::new(&self.settings, offered.map(offer).collect::<Vec<_>>())?)
    }

    /// A document of an operator.
    fn checked(&self, given: &Value) -> Result<PolicySettings, PolicyError> {
        let id = given.get("id").and_then(Value::as_str).unwrap_or_default();
        let is_known = self.settings.policies.iter().any(|policy| policy.id == id);
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(is_known || (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_usual)) {
            let problem =
                format!("expected 1 to {MAX_ID} letters, digits, or any of -_.: and not {:?}", Excerpt(id).to_string());
            return Err(PolicyError::InvalidId(problem));
        }
        self.fitting(given)
    }

    /// The same checks as for the configuration file, with its chains and reservations.
    fn fitting(&self, given: &Value) -> Result<PolicySettings, PolicyError> {
        let id = given.get("id").and_then(Value::as_str).unwrap_or_default();
        let invalid = |problem| PolicyError::Invalid { id: Excerpt(id).to_string(), problem };
        let policy = parse(given).map_err(invalid)?;
        let alone = PolicySet::new(&self.settings, [Offer::enabled(policy.clone())]);
        alone.map_err(|problem| invalid(problem.to_string()))?;
        Ok(policy)
    }
}

fn parse(given: &Value) -> Result<PolicySettings, String> {
    serde_path_to_error::deserialize(given).map_err(|problem| {
        let path = problem.path().to_string();
        let problem = Excerpt(&problem.into_inner().to_string()).to_string();
        if path == "." { problem } else { format!("{path}: {problem}") }
    })
}

/// With every field. A policy is a structure of plain values, which always has a document.
fn document(policy: &PolicySettings) -> Value {
    serde_json::to_value(policy).unwrap_or_default()
}

fn found<'a>(newest: &'a [PolicyVersion], id: &str) -> Result<&'a PolicyVersion, PolicyError> {
    let unknown = || PolicyError::Unknown { id: Excerpt(id).to_string() };
    newest.iter().find(|version| version.id == id).ok_or_else(unknown)
}

fn expect(newest: &[PolicyVersion], id: &str, expected: u64) -> Result<(), PolicyError> {
    let found = newest.iter().find(|version| version.id == id).map_or(0, |version| version.version);
    if found == expected {
        return Ok(());
    }
    Err(PolicyError::VersionConflict { id: Excerpt(id).to_string(), expected, found })
}

fn conflict(id: &str, from: PolicyState, to: PolicyState) -> PolicyError {
    PolicyError::StateConflict { id: Excerpt(id).to_string(), from, to }
}

/// The version after the current one, without author and time yet.
fn draft(id: &str, current: Option<&PolicyVersion>, state: PolicyState, position: i64, policy: Value) -> PolicyVersion {
    let version = current.map_or(0, |current| current.version).saturating_add(1);
    PolicyVersion {
        id: id.to_owned(),
        version,
        state,
        position,
        policy,
        author: String::new(),
        note: None,
        created_at: 0,
    }
}

fn is_same(current: &PolicyVersion, next: &PolicyVersion) -> bool {
    (current.state, current.position, &current.policy) == (next.state, next.position, &next.policy)
}

fn one(versions: Vec<PolicyVersion>, id: &str) -> Result<PolicyVersion, PolicyError> {
    versions.into_iter().next().ok_or_else(|| PolicyError::Unknown { id: Excerpt(id).to_string() })
}
