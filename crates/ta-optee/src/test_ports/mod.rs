//! Test ports that follow a planned behaviour, replacing those of the shipped trusted application.

pub(crate) mod faults;
pub(crate) mod foretold;

pub(crate) use faults::Faulty;
pub(crate) use foretold::Foretellable;
