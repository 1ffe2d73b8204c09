//! Conditions on the arguments of a function.

use crate::settings::{ConditionSettings, FunctionSettings};

use super::abi::{Argument, Function, NotCanonical};

/// A function, and what its arguments have to satisfy.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    function: Function,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    index: usize,
    argument: Argument,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    OneOf(Vec<[u8; 32]>),
    AtMost([u8; 32]),
}

/// Why a call is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsatisfied {
    /// The arguments are not understood.
    NotCanonical,
    /// The argument with that index has another value.
    Argument(usize),
}

impl Conditions {
    /// # Errors
    /// The problem, for operators.
    pub(super) fn parse(settings: &FunctionSettings) -> Result<Self, String> {
        let function = Function::parse(&settings.signature)?;
        let conditions = settings.conditions.iter().map(|condition| {
            Condition::parse(&function, condition).map_err(|problem| format!("{}: {problem}", settings.signature))
        });
        Ok(Self { conditions: conditions.collect::<Result<_, _>>()?, function })
    }

    pub(super) fn selector(&self) -> [u8; 4] {
        self.function.selector
    }

    /// Whether a call of the function satisfies them all.
    pub(super) fn check(&self, call_data: &[u8]) -> Result<(), Unsatisfied> {
        let arguments = self.function.arguments(call_data).map_err(|NotCanonical| Unsatisfied::NotCanonical)?;
        self.conditions.iter().try_for_each(|condition| {
            let word = condition.argument.of(arguments).ok_or(Unsatisfied::NotCanonical)?;
            let holds = match &condition.test {
                Test::OneOf(values) => values.contains(&word),
                // Big-endian: the order of the bytes is that of the numbers.
                Test::AtMost(most) => word <= *most,
            };
            if holds { Ok(()) } else { Err(Unsatisfied::Argument(condition.index)) }
        })
    }
}

impl Condition {
    fn parse(function: &Function, settings: &ConditionSettings) -> Result<Self, String> {
        let ConditionSettings { argument: index, equal, one_of, at_most } = settings;
        let argument = function.argument(*index)?;
        let word = |text: &str| argument.word(text).map_err(|problem| format!("argument {index}: {problem}"));
        let test = match (equal, one_of, at_most) {
            (Some(value), None, None) => Test::OneOf(vec![word(&value.0)?]),
            (None, Some(values), None) if !values.is_empty() => {
                Test::OneOf(values.iter().map(|value| word(&value.0)).collect::<Result<_, _>>()?)
            }
            (None, None, Some(_)) if !argument.is_number() => {
                return Err(format!("argument {index}: at_most needs a number without sign"));
            }
            (None, None, Some(most)) => Test::AtMost(word(&most.0)?),
            _ => return Err(format!("argument {index}: set one of equal, one_of (with values) and at_most")),
        };
        Ok(Self { index: *index, argument, test })
    }
}
