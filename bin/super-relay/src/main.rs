//! super-relay
fn main() {}
