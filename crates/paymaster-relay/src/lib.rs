//! paymaster-relay
