//! What is sponsored: pure rules over an operation, its worst-case cost and the account's standing.

pub mod calls;
mod rules;
mod standing;

pub use rules::{Case, Policy, Violation};
pub use standing::{Standing, Standings};

#[cfg(test)]
mod tests;
