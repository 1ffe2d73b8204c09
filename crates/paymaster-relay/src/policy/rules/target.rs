//! Every inner call goes to a listed contract and a listed function, if there are lists.

use std::collections::{HashMap, HashSet};

use proto::Address;

use super::{Case, Violation};
use crate::policy::calls::{InnerCall, inner_calls};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// With the selectors of their functions; empty for any.
    listed: HashMap<Address, HashSet<[u8; 4]>>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        let mut listed = HashMap::<Address, HashSet<[u8; 4]>>::new();
        for target in &settings.targets {
            let selectors = listed.entry(target.address).or_default();
            selectors.extend(target.selectors.iter().map(|selector| selector.0));
        }
        Self { listed }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        if self.listed.is_empty() {
            return Ok(());
        }
        let calls = inner_calls(&case.op.call_data).map_err(|_| Violation::CallNotUnderstood)?;
        calls.iter().enumerate().try_for_each(|(index, call)| self.judge_call(index, call))
    }

    fn judge_call(&self, index: usize, call: &InnerCall) -> Result<(), Violation> {
        let target = call.target;
        let selectors = self.listed.get(&target).ok_or(Violation::TargetNotAllowed { index, target })?;
        let is_listed = call.selector.is_some_and(|selector| selectors.contains(&selector));
        if selectors.is_empty() || is_listed { Ok(()) } else { Err(Violation::FunctionNotAllowed { index, target }) }
    }
}
