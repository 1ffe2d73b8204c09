//! Tests of the devkit with anvil, the published EntryPoints, the paymaster, webauthn-rs and
//! Chromium's recorded output.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod paymasters;
#[cfg(test)]
mod support;
#[cfg(test)]
mod vectors;
