//! What each rule and each further check would say of a request.

use std::borrow::Cow;

use crate::error::RelayError;
use crate::policy::RuleVerdict;

/// What EntryPoint and chain refuse under any policy.
pub(super) const OPERATION: &str = "operation";
/// The permissions of the relay's key, and the ceilings.
pub(super) const TEE: &str = "tee";
/// The limits on open reservations.
pub(super) const RESERVATIONS: &str = "reservations";
/// A bundler's simulation.
pub(super) const SIMULATE: &str = "simulate";
/// The decision of the policy's webhook.
pub(super) const WEBHOOK: &str = "webhook";

/// What one rule or check says.
#[derive(Debug)]
pub struct Verdict {
    /// The setting, or the name of the check.
    pub rule: &'static str,
    /// What it says.
    pub outcome: Outcome,
}

/// What a rule says.
#[derive(Debug)]
pub enum Outcome {
    /// It holds, or is not set.
    Passed,
    /// It refuses the request.
    Refused(RelayError),
    /// It would refuse the request, and is in shadow.
    Shadowed(RelayError),
    /// There is nothing to judge, with why.
    NotEvaluated(Cow<'static, str>),
}

impl Verdict {
    pub(super) const fn not_evaluated(rule: &'static str, why: &'static str) -> Self {
        Self { rule, outcome: Outcome::NotEvaluated(Cow::Borrowed(why)) }
    }

    /// The verdict of a check. An outage, or a failure that an operator has to end, is none.
    pub(super) fn of_check<T>(
        rule: &'static str,
        checked: Result<T, RelayError>,
    ) -> Result<(Self, Option<T>), RelayError> {
        match checked {
            Ok(value) => Ok((Self { rule, outcome: Outcome::Passed }, Some(value))),
            Err(error) if is_about_the_request(&error) => Ok((Self { rule, outcome: Outcome::Refused(error) }, None)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn of_rule(policy_id: &str, verdict: RuleVerdict) -> Self {
        let RuleVerdict { rule, outcome, is_of_another, is_in_shadow } = verdict;
        let outcome = match outcome {
            Ok(()) => Outcome::Passed,
            Err(violation) if is_of_another => Outcome::NotEvaluated(violation.to_string().into()),
            Err(violation) => {
                let error = RelayError::Policy { policy_id: policy_id.to_owned(), violation };
                if is_in_shadow { Outcome::Shadowed(error) } else { Outcome::Refused(error) }
            }
        };
        Self { rule, outcome }
    }

    /// Whether it leaves a sponsorship possible.
    #[must_use]
    pub const fn has_passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed | Outcome::Shadowed(_))
    }

    /// The same for a caller that has not proven to own the account.
    pub(super) fn before_proof(self) -> Self {
        let outcome = match self.outcome {
            Outcome::Refused(error) => Outcome::Refused(error.before_proof()),
            Outcome::Shadowed(error) => Outcome::Shadowed(error.before_proof()),
            outcome => outcome,
        };
        Self { outcome, ..self }
    }
}

const fn is_about_the_request(error: &RelayError) -> bool {
    matches!(
        error,
        RelayError::Operation(_)
            | RelayError::Policy { .. }
            | RelayError::PaymasterPaused
            | RelayError::PaymasterSignerNotAdmitted { .. }
            | RelayError::ChainIdle { .. }
            | RelayError::KmsRefused { .. }
            | RelayError::WithoutPasskeyNotPermitted
            | RelayError::DepositTooLow { .. }
            | RelayError::TooMuchReserved { .. }
            | RelayError::SimulationFailed { .. }
            | RelayError::WebhookDenied { .. }
    )
}
