//! Ports of the platform that do what a test planned, in place of those of the shipped trusted
//! application.

pub(crate) mod faults;
pub(crate) mod foretold;

pub(crate) use faults::Faulty;
pub(crate) use foretold::Foretellable;
