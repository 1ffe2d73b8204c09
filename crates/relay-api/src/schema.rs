//! JSON schemas of values whose forms cannot be derived: text, and objects that proto parses field
//! by field.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident $shown:literal { $($json:tt)+ })+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    $shown.into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "description": concat!($($doc),+).trim(), $($json)+ })
                }
            }
        )+
    };
}

schemas! {
    /// An address: 20 bytes in hex, with its checksum (EIP-55) where the relay writes it.
    AddressText "Address" { "type": "string", "pattern": "^0x[0-9a-fA-F]{40}$" }
    /// 32 bytes in hex.
    HashText "Hash" { "type": "string", "pattern": "^0x[0-9a-fA-F]{64}$" }
    /// A signature over secp256k1: r, s and v in hex.
    SignatureText "Signature" { "type": "string", "pattern": "^0x[0-9a-fA-F]{130}$" }
    /// Bytes in hex.
    BytesText "Bytes" { "type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$" }
    /// A number in hex, without leading zeros where the relay writes it.
    QuantityText "Quantity" { "type": "string", "pattern": "^0x[0-9a-fA-F]+$" }
    /// A number in decimal.
    DecimalText "Decimal" { "type": "string", "pattern": "^[0-9]+$" }
    /// Bytes in base64url without padding.
    Base64UrlText "Base64Url" { "type": "string", "pattern": "^[A-Za-z0-9_-]*$" }
    /// A chain id, in hex or as a number.
    ChainIdForm "ChainId" {
        "oneOf": [{ "type": "string", "pattern": "^0x[0-9a-fA-F]+$" }, { "type": "integer", "minimum": 0 }]
    }
    /// The id of an account; addresses are case-insensitive.
    AccountIdText "AccountId" { "type": "string", "pattern": "^[A-Za-z0-9_.:@-]{1,128}$" }
    /// Printable ASCII.
    IdempotencyKeyText "IdempotencyKey" { "type": "string", "pattern": "^[!-~]{1,128}$" }
    /// AuthenticationResponseJSON (WebAuthn Level 3, section 5.1), as returned by `toJSON()`.
    AssertionObject "AuthenticationResponseJSON" {
        "type": "object",
        "required": ["id", "rawId", "type", "response"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "string" },
            "rawId": { "type": "string" },
            "type": { "const": "public-key" },
            "authenticatorAttachment": true,
            "clientExtensionResults": true,
            "intents": {
                "type": ["array", "null"],
                "items": { "type": "string", "pattern": "^0x[0-9a-fA-F]{64}$" },
                "minItems": 2,
                "maxItems": 16,
                "uniqueItems": true
            },
            "response": {
                "type": "object",
                "required": ["authenticatorData", "clientDataJSON", "signature"],
                "additionalProperties": false,
                "properties": {
                    "authenticatorData": { "type": "string" },
                    "clientDataJSON": { "type": "string" },
                    "signature": { "type": "string" },
                    "userHandle": true
                }
            }
        }
    }
    /// The intent hashes of operations that are approved together.
    IntentHashes "IntentList" {
        "type": "array",
        "items": { "type": "string", "pattern": "^0x[0-9a-fA-F]{64}$" },
        "minItems": 2,
        "maxItems": 16,
        "uniqueItems": true
    }
    /// The JSON of an operation for a bundler (ERC-7769), which decides what fields it has.
    BundledOperationObject "BundledOperation" { "type": "object" }
    /// The state that a bundler assumes for an estimate, by address (ERC-7769).
    StateOverridesObject "StateOverrides" { "type": "object", "additionalProperties": { "type": "object" } }
    /// Ids of policies.
    PolicyIdList "PolicyIds" { "type": "array", "items": { "type": "string" }, "maxItems": 4 }
    /// The fees that a bundler accepts, as its users understand `slow`, `standard` and `fast`.
    GasPriceObject "UserOperationGasPrice" { "type": "object", "required": ["slow", "standard", "fast"] }
    /// A bundler's estimate (ERC-7769).
    GasEstimateObject "GasEstimate" {
        "type": "object",
        "required": ["preVerificationGas", "verificationGasLimit", "callGasLimit"]
    }
    /// The receipt of an operation (ERC-7769).
    ReceiptObject "UserOperationReceipt" { "type": "object", "required": ["userOpHash", "success", "receipt"] }
    /// An operation, and where it was mined (ERC-7769).
    FoundOperationObject "FoundUserOperation" { "type": "object", "required": ["userOperation", "entryPoint"] }
    /// The JSON of an operation (ERC-7769), with exactly the fields of its EntryPoint's version:
    /// hex, quantities in hex. A null field counts as absent.
    UserOperationObject "UserOperation" {
        "type": "object",
        "required": ["sender", "nonce", "callData"],
        "additionalProperties": false,
        "properties": {
            "sender": { "type": "string" },
            "nonce": { "type": "string" },
            "callData": { "type": "string" },
            "callGasLimit": { "type": ["string", "null"] },
            "verificationGasLimit": { "type": ["string", "null"] },
            "preVerificationGas": { "type": ["string", "null"] },
            "maxFeePerGas": { "type": ["string", "null"] },
            "maxPriorityFeePerGas": { "type": ["string", "null"] },
            "signature": { "type": ["string", "null"] },
            "initCode": { "type": ["string", "null"] },
            "paymasterAndData": { "type": ["string", "null"] },
            "factory": { "type": ["string", "null"] },
            "factoryData": { "type": ["string", "null"] },
            "eip7702Auth": {
                "type": ["object", "null"],
                "required": ["address"],
                "additionalProperties": false,
                "properties": {
                    "address": { "type": "string" },
                    "chainId": { "type": ["string", "null"] },
                    "nonce": { "type": ["string", "null"] },
                    "yParity": { "type": ["string", "null"] },
                    "v": { "type": ["string", "null"] },
                    "r": { "type": ["string", "null"] },
                    "s": { "type": ["string", "null"] }
                }
            },
            "paymaster": { "type": ["string", "null"] },
            "paymasterVerificationGasLimit": { "type": ["string", "null"] },
            "paymasterPostOpGasLimit": { "type": ["string", "null"] },
            "paymasterData": { "type": ["string", "null"] },
            "paymasterSignature": { "type": ["string", "null"] }
        }
    }
}
