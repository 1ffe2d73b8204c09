//! Upper bounds on single fields of an operation: gas limits and fees. A field that is still to be
//! estimated is 0, and within every bound.

/// A rule per row: its module, its setting, the field's value, and the violation.
macro_rules! bounds {
    ($($(#[$doc:meta])* $rule:ident: $setting:ident, |$op:ident| $value:expr => $violation:ident;)+) => {$(
        $(#[$doc])*
        pub(super) mod $rule {
            use crate::policy::rules::{Case, Violation};
            use crate::settings::PolicySettings;

            #[derive(Clone, Debug)]
            pub(in crate::policy::rules) struct Rule {
                limit: Option<u128>,
            }

            impl Rule {
                pub(in crate::policy::rules) fn of(settings: &PolicySettings) -> Self {
                    Self { limit: settings.$setting.map(|limit| limit.0) }
                }

                pub(in crate::policy::rules) fn judge(&self, case: &Case<'_>) -> Result<(), Violation> {
                    let $op = case.op;
                    let used: u128 = $value;
                    match self.limit {
                        Some(limit) if used > limit => Err(Violation::$violation { limit, used }),
                        Some(_) | None => Ok(()),
                    }
                }
            }
        }
    )+};
}

bounds! {
    /// Unused gas is paid for as well: EntryPoints from v0.7 on take a tenth of it.
    call_gas: max_call_gas, |op| op.call_gas_limit => CallGasAbovePolicy;
    /// Gas for the account's validation and creation.
    verification_gas: max_verification_gas, |op| op.verification_gas_limit => VerificationGasAbovePolicy;
    /// All of it goes to the bundler, used or not.
    pre_verification_gas: max_pre_verification_gas, |op| op.pre_verification_gas => PreVerificationGasAbovePolicy;
    /// The sum of the three.
    gas: max_gas_per_operation, |op| op.call_gas_limit
        .saturating_add(op.verification_gas_limit)
        .saturating_add(op.pre_verification_gas) => GasAbovePolicy;
    /// The most that a unit of gas costs.
    fee: max_fee_per_gas, |op| op.max_fee_per_gas => FeeAbovePolicy;
    /// It goes to the bundler. With the same value as `maxFeePerGas`, the EntryPoint charges that
    /// whatever the base fee.
    priority_fee: max_priority_fee_per_gas, |op| op.max_priority_fee_per_gas => PriorityFeeAbovePolicy;
}
