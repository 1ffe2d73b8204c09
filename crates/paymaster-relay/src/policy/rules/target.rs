//! Every inner call goes to a listed contract and a listed function, if there are lists.

use std::collections::{HashMap, HashSet};

use proto::Address;

use super::{Case, Violation};
use crate::policy::calls::{InnerCall, Kind, inner_calls};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: HashMap<Address, Listed>,
}

#[derive(Clone, Debug, Default)]
struct Listed {
    /// Of the functions that may be called; empty for any.
    selectors: HashSet<[u8; 4]>,
    delegatecall: bool,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        let mut listed = HashMap::<Address, Listed>::new();
        for target in &settings.targets {
            let listed = listed.entry(target.address).or_default();
            listed.selectors.extend(target.selectors.iter().map(|selector| selector.0));
            listed.delegatecall |= target.delegatecall;
        }
        Self { listed }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        if self.listed.is_empty() {
            return Ok(());
        }
        let calls = inner_calls(case.op.sender, &case.op.call_data).map_err(|_| Violation::CallNotUnderstood)?;
        calls.iter().enumerate().try_for_each(|(index, call)| self.judge_call(index, call))
    }

    fn judge_call(&self, index: usize, call: &InnerCall) -> Result<(), Violation> {
        let target = call.target;
        let listed = self.listed.get(&target).ok_or(Violation::TargetNotAllowed { index, target })?;
        if call.kind == Kind::Delegate && !listed.delegatecall {
            return Err(Violation::DelegatecallNotAllowed { index, target });
        }
        let is_listed = call.selector().is_some_and(|selector| listed.selectors.contains(&selector));
        if listed.selectors.is_empty() || is_listed {
            Ok(())
        } else {
            Err(Violation::FunctionNotAllowed { index, target })
        }
    }
}
