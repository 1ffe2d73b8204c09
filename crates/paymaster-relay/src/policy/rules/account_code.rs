//! The code that the sender runs is that of a known account or listed, and its callData is for a
//! function of that code. Otherwise nothing that the callData says would have to happen.

use std::collections::HashMap;

use proto::{Address, Hash};

use super::{Case, Violation};
use crate::account_code::{AccountCode, CallFunctions, CodeAt, IMPLEMENTATIONS, Identity};
use crate::policy::calls::{inner_calls, is_of_account, is_of_other_account};
use crate::settings::PolicySettings;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    is_open: bool,
    has_targets: bool,
    by_hash: HashMap<Hash, CallFunctions>,
    by_address: HashMap<Address, CallFunctions>,
}

impl Rule {
    pub(super) fn of(settings: &PolicySettings) -> Self {
        let (mut by_hash, mut by_address) = (HashMap::new(), HashMap::new());
        for known in &IMPLEMENTATIONS {
            match known.identity {
                Identity::Hash(hash) => by_hash.insert(hash, known.functions),
                Identity::Address(address) => by_address.insert(address, known.functions),
            };
        }
        by_hash.extend(settings.account_codes.iter().map(|listed| (listed.code_hash, listed.functions)));
        let (is_open, has_targets) = (!settings.restricts_code(), !settings.targets.is_empty());
        Self { is_open, has_targets, by_hash, by_address }
    }

    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
        let codes = match case.codes {
            Some(codes) if !self.is_open => codes,
            // Read later, and judged again.
            Some(_) | None => return Ok(()),
        };
        if codes.is_empty() {
            return Err(Violation::AccountCodeUnknown);
        }
        codes.iter().try_for_each(|code| self.judge_call(case, self.functions_of(code)?))
    }

    /// The functions by which the code executes calls.
    fn functions_of(&self, code: &AccountCode) -> Result<CallFunctions, Violation> {
        let (part, code) = match code {
            AccountCode::Own(code) => ("sender", code),
            AccountCode::Delegate(code) => ("sender's delegate", code),
            AccountCode::Implementation(code) => ("sender's implementation", code),
            AccountCode::Safe { singleton, fallback_handler } => {
                return self.functions_of_safe(singleton, fallback_handler);
            }
            AccountCode::Unknown => return Err(Violation::AccountCodeUnknown),
        };
        match self.listed(code) {
            // They execute nothing alone, or in another account's storage.
            Some(CallFunctions::Safe | CallFunctions::SafeModule) | None => Err(not_allowed(part, code)),
            Some(functions) => Ok(functions),
        }
    }

    fn functions_of_safe(&self, singleton: &CodeAt, handler: &CodeAt) -> Result<CallFunctions, Violation> {
        for (part, code, expected) in [
            ("Safe's singleton", singleton, CallFunctions::Safe),
            ("Safe's fallback handler", handler, CallFunctions::SafeModule),
        ] {
            if self.listed(code) != Some(expected) {
                return Err(not_allowed(part, code));
            }
        }
        Ok(CallFunctions::SafeModule)
    }

    fn listed(&self, code: &CodeAt) -> Option<CallFunctions> {
        let at_its_address = self.by_address.get(&code.address).filter(|_| !code.is_empty());
        self.by_hash.get(&code.hash).or(at_its_address).copied()
    }

    fn judge_call(&self, case: &Case<'_>, functions: CallFunctions) -> Result<(), Violation> {
        let (sender, call_data) = (case.op.sender, &case.op.call_data);
        if !self.has_targets || call_data.is_empty() {
            return Ok(());
        }
        let calls = inner_calls(sender, call_data).map_err(|_| Violation::CallNotUnderstood)?;
        // An account's call to itself was read too.
        let mut own = calls.iter().filter(|call| call.target == sender);
        if !is_of_account(functions, call_data) || own.any(|call| is_of_other_account(functions, &call.data)) {
            return Err(Violation::CallNotOfAccount);
        }
        Ok(())
    }
}

fn not_allowed(part: &'static str, code: &CodeAt) -> Violation {
    Violation::AccountCodeNotAllowed { part, address: code.address, code_hash: code.hash }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, U256, hex, keccak256};
    use alloy_sol_types::SolCall;
    use proto::bytes::Bounded;
    use proto::{AccountId, EntryPointVersion, Wei};

    use super::*;
    use crate::chain::operation_of_nobody;
    use crate::policy::calls::{kernel, safe, simple_account};

    const HERE: Address = Address([0x11; 20]);
    const MODULE: Address = Address(hex!("75cf11467937ce3F2f357CE24ffc3DBF8fD5c226"));

    fn rule(more: &str) -> Rule {
        let json = format!(r#"{{"id":"p","max_cost_per_operation":"1"{more}}}"#);
        Rule::of(&serde_json::from_str(&json).unwrap())
    }

    fn with_targets(more: &str) -> Rule {
        rule(&format!(r#","targets":[{{"address":"{HERE}"}}]{more}"#))
    }

    fn judge(rule: &Rule, codes: Option<&[AccountCode]>, call_data: Vec<u8>) -> Result<(), Violation> {
        let account_id: AccountId = "account".parse().unwrap();
        let mut op = operation_of_nobody();
        op.call_data = Bounded::new(call_data).unwrap();
        rule.judge(&Case {
            account_id: &account_id,
            standing: None,
            op: &op,
            delegate: None,
            codes,
            cost: Wei(1),
            proven: true,
            version: EntryPointVersion::V07,
            origin: None,
            api_key: None,
            now: 0,
            until: 0,
            market: None,
        })
    }

    fn known(functions: CallFunctions) -> CodeAt {
        match IMPLEMENTATIONS.iter().find(|known| known.functions == functions).unwrap().identity {
            Identity::Hash(hash) => CodeAt { address: HERE, hash },
            Identity::Address(address) => CodeAt::of(address, b"code"),
        }
    }

    fn single() -> Vec<u8> {
        simple_account::executeCall { dest: HERE.into(), value: U256::ZERO, func: Bytes::new() }.abi_encode()
    }

    fn of_safe() -> Vec<u8> {
        safe::executeUserOpCall { to: HERE.into(), value: U256::ZERO, data: Bytes::new(), operation: 0 }.abi_encode()
    }

    fn is_refused(judged: Result<(), Violation>, code: &CodeAt) -> bool {
        matches!(judged, Err(Violation::AccountCodeNotAllowed { address, code_hash, .. })
            if (address, code_hash) == (code.address, code.hash))
    }

    #[test]
    fn every_code_that_may_run_has_to_be_known() {
        let (good, bad) = (known(CallFunctions::SimpleAccountV07), CodeAt::of(HERE, b"other"));
        let rule = with_targets("");
        for wrap in [AccountCode::Own, AccountCode::Delegate, AccountCode::Implementation] {
            assert_eq!(judge(&rule, Some(&[wrap(good)]), single()), Ok(()));
            for codes in [&[wrap(bad)][..], &[wrap(good), wrap(bad)], &[wrap(bad), wrap(good)]] {
                assert!(is_refused(judge(&rule, Some(codes), single()), &bad));
                assert!(is_refused(judge(&rule, Some(codes), Vec::new()), &bad), "of an empty callData too");
            }
        }
        for unknown in [&[AccountCode::Unknown][..], &[]] {
            assert_eq!(judge(&rule, Some(unknown), single()), Err(Violation::AccountCodeUnknown));
        }
        assert_eq!(judge(&rule, None, single()), Ok(()), "before it is read");
    }

    #[test]
    fn a_safe_needs_both_its_singleton_and_its_module_and_either_alone_is_no_account() {
        let (safe, module) = (known(CallFunctions::Safe), known(CallFunctions::SafeModule));
        let (simple, rule) = (known(CallFunctions::SimpleAccountV07), with_targets(""));
        let behind = |singleton, fallback_handler| [AccountCode::Safe { singleton, fallback_handler }];
        assert_eq!(judge(&rule, Some(&behind(safe, module)), of_safe()), Ok(()));
        assert_eq!(judge(&rule, Some(&behind(safe, module)), single()), Err(Violation::CallNotOfAccount));
        for (singleton, handler, refused) in
            [(safe, simple, simple), (safe, safe, safe), (module, module, module), (simple, module, simple)]
        {
            assert!(is_refused(judge(&rule, Some(&behind(singleton, handler)), of_safe()), &refused));
        }
        for alone in [safe, module] {
            assert!(is_refused(judge(&rule, Some(&[AccountCode::Implementation(alone)]), of_safe()), &alone));
        }
    }

    #[test]
    fn a_module_that_is_known_by_its_address_needs_code_there() {
        let (safe, rule) = (known(CallFunctions::Safe), with_targets(""));
        let behind = |handler| [AccountCode::Safe { singleton: safe, fallback_handler: handler }];
        assert_eq!(judge(&rule, Some(&behind(CodeAt::of(MODULE, b"code"))), of_safe()), Ok(()));
        let nothing = CodeAt::of(MODULE, b"");
        assert!(is_refused(judge(&rule, Some(&behind(nothing)), of_safe()), &nothing));
    }

    #[test]
    fn an_accounts_call_to_itself_is_read_as_that_account_reads_it() {
        let (v07, rule) = (known(CallFunctions::SimpleAccountV07), with_targets(""));
        let nobody = operation_of_nobody().sender;
        let to_itself = |func: Vec<u8>| {
            simple_account::executeCall { dest: nobody.into(), value: U256::ZERO, func: func.into() }.abi_encode()
        };
        let of_kernel = kernel::executeDelegateCallCall { to: HERE.into(), data: Bytes::new() }.abi_encode();
        let codes = [AccountCode::Own(v07)];
        assert_eq!(judge(&rule, Some(&codes), to_itself(single())), Ok(()));
        assert_eq!(judge(&rule, Some(&codes), to_itself(vec![1, 2, 3, 4])), Ok(()), "a target like any other");
        assert_eq!(judge(&rule, Some(&codes), to_itself(of_kernel)), Err(Violation::CallNotOfAccount));
    }

    #[test]
    fn listed_code_is_as_good_as_known_code_and_any_code_only_where_that_is_set() {
        let other = [AccountCode::Own(CodeAt::of(HERE, b"other"))];
        let hash = Hash(keccak256(b"other").0);
        let listed = format!(r#","account_codes":[{{"code_hash":"{hash}","functions":"simple_account_v07"}}]"#);
        assert!(judge(&with_targets(""), Some(&other), single()).is_err());
        assert_eq!(judge(&with_targets(&listed), Some(&other), single()), Ok(()));
        assert_eq!(judge(&with_targets(r#","any_account_code":true"#), Some(&other), single()), Ok(()));
        assert_eq!(judge(&rule(""), Some(&other), single()), Ok(()));
        // Without targets only the code counts.
        assert_eq!(judge(&rule(&listed), Some(&other), of_safe()), Ok(()));
        let unlisted = [AccountCode::Own(CodeAt::of(HERE, b"another"))];
        assert!(judge(&rule(&listed), Some(&unlisted), of_safe()).is_err());
    }
}
