//! Every bound of the wire, in bytes unless noted otherwise. A frame beyond them is refused before
//! it is parsed.

/// A frame to the trusted application, header included.
pub const MAX_FRAME: usize = 160 * 1024;
/// A reply from the trusted application, status included.
pub const MAX_REPLY: usize = 64 * 1024;
/// `callData` of an operation.
pub const MAX_CALL_DATA: usize = 48 * 1024;
/// `factoryData`, or what follows the factory in `initCode`.
pub const MAX_FACTORY_DATA: usize = 48 * 1024;
/// Paymaster data after the fixed fields, also for third-party paymasters.
pub const MAX_PAYMASTER_DATA: usize = 4 * 1024;
/// A paymaster signature outside the hash (EntryPoint v0.9), also for third-party paymasters.
pub const MAX_PAYMASTER_SIGNATURE: usize = 2 * 1024;
/// `accountId` (protocol, section 1).
pub const MAX_ACCOUNT_ID: usize = 128;
/// A WebAuthn credential id (WebAuthn Level 3, section 4: at most 1023 bytes).
pub const MAX_CREDENTIAL_ID: usize = 1023;
/// Authenticator data with its extensions.
pub const MAX_AUTHENTICATOR_DATA: usize = 4 * 1024;
/// `clientDataJSON`.
pub const MAX_CLIENT_DATA: usize = 4 * 1024;
/// An attestation object, which holds authenticator data and possibly a certificate chain.
pub const MAX_ATTESTATION_OBJECT: usize = 16 * 1024;
/// A DER-encoded P-256 signature has at most 72 bytes.
pub const MAX_DER_SIGNATURE: usize = 72;
/// A relying-party id or an origin.
pub const MAX_NAME: usize = 253 + 16;
/// Bytes that `Echo` returns.
pub const MAX_ECHO: usize = 1024;
/// Relay keys that may be authorised at once (a count).
pub const MAX_SIGNERS: usize = 64;
/// Paymaster deployments the ceilings may name (a count).
pub const MAX_DEPLOYMENTS: usize = 64;
/// Deployments that ever had an allowance (a count). Twice as many as the ceilings name, because a
/// deployment keeps its spent amount after the ceilings drop it.
pub const MAX_ALLOWANCES: usize = 2 * MAX_DEPLOYMENTS;
/// Relying parties, and origins of each (a count).
pub const MAX_RELYING_PARTIES: usize = 16;
/// All relying parties in their encoded form, so that `VerifySecurityState` always has a reply.
pub const MAX_RELYING_PARTIES_RECORD: usize = 32 * 1024;
/// Passkeys of one account (a count).
pub const MAX_PASSKEYS: usize = 16;
/// Frames in a batch (a count).
pub const MAX_BATCH: usize = 32;
/// Operations that one assertion of a passkey approves (a count).
pub const MAX_INTENTS: usize = 16;
/// A platform's signed quote.
pub const MAX_QUOTE: usize = 16 * 1024;
/// Every gas and fee field of an operation is below 2^120 (EntryPoint, "AA94 gas values overflow").
pub const MAX_GAS_FIELD: u128 = (1 << 120) - 1;
/// A message that an account signs.
pub const MAX_MESSAGE: usize = 16 * 1024;
/// Name or version of the EIP-712 domain of an account's contract.
pub const MAX_DOMAIN_TEXT: usize = 128;
