//! Every inner call goes to a listed contract and a listed function, if there are lists, with
//! arguments that satisfy the function's conditions.

use std::collections::{HashMap, HashSet};

use proto::Address;

use super::{Case, Violation};
use crate::policy::calls::{InnerCall, Kind, inner_calls};
use crate::policy::conditions::{Conditions, Unsatisfied};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    listed: HashMap<Address, Listed>,
}

#[derive(Clone, Debug, Default)]
struct Listed {
    /// Of the functions that may be called with any arguments.
    selectors: HashSet<[u8; 4]>,
    /// The functions that may be called under conditions, by selector.
    functions: HashMap<[u8; 4], Conditions>,
    /// Whether only these functions may be called.
    lists_functions: bool,
    delegatecall: bool,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        let mut listed = HashMap::<Address, Listed>::new();
        for target in &settings.targets {
            let listed = listed.entry(target.address).or_default();
            listed.selectors.extend(target.selectors.iter().map(|selector| selector.0));
            // One that does not parse is refused with the settings, and allows nothing here.
            let functions = target.functions.iter().filter_map(|function| Conditions::parse(function).ok());
            listed.functions.extend(functions.map(|conditions| (conditions.selector(), conditions)));
            listed.lists_functions |= !target.selectors.is_empty() || !target.functions.is_empty();
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
        let selector = call.selector();
        if let Some(conditions) = selector.and_then(|selector| listed.functions.get(&selector)) {
            return conditions.check(&call.data).map_err(|unsatisfied| match unsatisfied {
                Unsatisfied::NotCanonical => Violation::CallNotUnderstood,
                Unsatisfied::Argument(argument) => Violation::ArgumentNotAllowed { index, target, argument },
            });
        }
        let is_listed = selector.is_some_and(|selector| listed.selectors.contains(&selector));
        if !listed.lists_functions || is_listed { Ok(()) } else { Err(Violation::FunctionNotAllowed { index, target }) }
    }
}
