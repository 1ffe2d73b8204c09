//! The JSON form of a user operation (ERC-4337, ERC-7769): hex quantities, camelCase, parsed
//! strictly and field by field.

mod excerpt;
pub mod invitation;
pub mod passkey;
mod shape;
pub mod typed_data;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value, json};

use crate::bytes::{Bounded, BoundedBytes, FactoryData, PaymasterData};
use crate::entry_point::EntryPointVersion;
use crate::limits;
use crate::number::{Quantity, Uint256};
use crate::parse_error::ParseError;
use crate::primitives::Address;
use crate::user_operation::{Init, InvalidOperation, Paymaster, UserOperation};

pub use excerpt::{Excerpt, LongExcerpt, is_obeyed};
pub use shape::check_shape;

const EIP7702_FACTORY: &str = "0x7702";

/// The fields of an operation that are the paymaster's, in every version (ERC-7769).
pub const PAYMASTER_FIELDS: [&str; 6] = [
    "paymasterAndData",
    "paymaster",
    "paymasterVerificationGasLimit",
    "paymasterPostOpGasLimit",
    "paymasterData",
    "paymasterSignature",
];

/// The invalid field and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// The JSON name.
    pub field: String,
    /// The problem, as text for people.
    pub problem: String,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl core::error::Error for InvalidField {}

/// Whether gas fields may be missing, which then count as zero, as in a request for stub data
/// (ERC-7677).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GasFields {
    /// Every gas field is required.
    Required,
    /// Every gas field may be absent.
    Optional,
}

/// An operation as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUserOperation {
    /// The fields that are hashed.
    pub op: UserOperation,
    /// The account's signature, or a client's placeholder for it.
    pub signature: BoundedBytes<{ limits::MAX_PAYMASTER_DATA }>,
    /// The contract that an `eip7702Auth` without the factory `0x7702` delegates to. No hash covers
    /// it.
    pub delegate_beside: Option<Address>,
}

/// Parses the JSON of an operation for an EntryPoint of `version` on chain `chain_id`. Unknown
/// fields are refused.
pub fn parse_user_operation(
    json: &Value,
    version: EntryPointVersion,
    chain_id: u64,
    gas: GasFields,
) -> Result<SignedUserOperation, InvalidField> {
    let mut fields = Fields::of("userOperation", json)?;
    let delegate = fields.take("eip7702Auth").map(|auth| delegate(auth, chain_id)).transpose()?;
    let (init, paymaster) = if version == EntryPointVersion::V06 {
        (init_v06(&mut fields)?, paymaster_v06(&mut fields)?)
    } else {
        (init_v07(&mut fields, version, delegate)?, paymaster_v07(&mut fields)?)
    };
    let delegate_beside = match &init {
        Init::Deployed => delegate,
        Init::Eip7702 { .. } => None,
        Init::Factory { .. } if delegate.is_none() => None,
        Init::Factory { .. } => {
            return Err(invalid("eip7702Auth", "a factory makes the account: expected one of both"));
        }
    };
    let op = UserOperation {
        sender: fields.required("sender", str::parse)?,
        nonce: fields.required("nonce", str::parse)?,
        init,
        call_data: fields.required("callData", str::parse)?,
        call_gas_limit: fields.gas("callGasLimit", gas)?,
        verification_gas_limit: fields.gas("verificationGasLimit", gas)?,
        pre_verification_gas: fields.gas("preVerificationGas", gas)?,
        max_fee_per_gas: fields.gas("maxFeePerGas", gas)?,
        max_priority_fee_per_gas: fields.gas("maxPriorityFeePerGas", gas)?,
        paymaster,
    };
    let signature = fields.optional("signature", str::parse)?.unwrap_or_default();
    fields.finish("no such field in this EntryPoint's operations")?;
    op.check(version).map_err(|problem| invalid("userOperation", problem))?;
    Ok(SignedUserOperation { op, signature, delegate_beside })
}

/// The JSON form of an operation, as [`parse_user_operation`] reads it, without a signature.
#[must_use]
pub fn user_operation_to_json(op: &UserOperation, version: EntryPointVersion) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: String| fields.insert(name.into(), Value::String(value));
    put("sender", op.sender.to_string());
    put("nonce", op.nonce.to_string());
    put("callData", op.call_data.to_string());
    put("callGasLimit", hex_quantity(op.call_gas_limit));
    put("verificationGasLimit", hex_quantity(op.verification_gas_limit));
    put("preVerificationGas", hex_quantity(op.pre_verification_gas));
    put("maxFeePerGas", hex_quantity(op.max_fee_per_gas));
    put("maxPriorityFeePerGas", hex_quantity(op.max_priority_fee_per_gas));
    match &op.init {
        Init::Deployed if version == EntryPointVersion::V06 => {
            put("initCode", "0x".into());
        }
        Init::Deployed => {}
        Init::Factory { factory, data } if version == EntryPointVersion::V06 => {
            put("initCode", hex_bytes(&[&factory.0[..], &data[..]].concat()));
        }
        Init::Factory { factory, data } => {
            put("factory", factory.to_string());
            put("factoryData", data.to_string());
        }
        Init::Eip7702 { delegate, data } => {
            put("factory", EIP7702_FACTORY.into());
            put("factoryData", data.to_string());
            fields.insert("eip7702Auth".into(), json!({ "address": delegate.to_string() }));
        }
    }
    if let Some(paymaster) = &op.paymaster {
        fields.extend(paymaster_fields(paymaster, version));
    }
    fields
}

/// The paymaster fields under their JSON names in `version`.
#[must_use]
pub fn paymaster_fields(paymaster: &Paymaster, version: EntryPointVersion) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: String| fields.insert(name.into(), Value::String(value));
    if version == EntryPointVersion::V06 {
        put("paymasterAndData", hex_bytes(&paymaster.and_data(version)));
        return fields;
    }
    put("paymaster", paymaster.address.to_string());
    put("paymasterVerificationGasLimit", hex_quantity(paymaster.verification_gas_limit));
    put("paymasterPostOpGasLimit", hex_quantity(paymaster.post_op_gas_limit));
    put("paymasterData", hex_bytes(&paymaster.data));
    if let Some(signature) = &paymaster.signature {
        put("paymasterSignature", hex_bytes(signature));
    }
    fields
}

/// `0x` and two digits per byte.
#[must_use]
pub fn hex_bytes(bytes: &[u8]) -> String {
    format!("0x{}", base16ct::lower::encode_string(bytes))
}

/// `0x` and no leading zeros.
#[must_use]
pub fn hex_quantity(value: u128) -> String {
    Quantity(value).to_string()
}

fn quantity(text: &str) -> Result<u128, ParseError> {
    text.parse().map(|Quantity(number)| number)
}

fn invalid(field: &str, problem: impl ToString) -> InvalidField {
    InvalidField { field: field.into(), problem: problem.to_string() }
}

/// The fields of an object; each is taken once.
struct Fields<'a> {
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn of(name: &str, json: &'a Value) -> Result<Self, InvalidField> {
        let object = json.as_object().ok_or_else(|| invalid(name, "expected an object"))?;
        // Clients send null for a field they omit.
        let left = object.iter().filter(|(_, value)| !value.is_null());
        Ok(Self { left: left.map(|(name, value)| (name.as_str(), value)).collect() })
    }

    fn take(&mut self, name: &str) -> Option<&'a Value> {
        let position = self.left.iter().position(|(field, _)| *field == name)?;
        Some(self.left.swap_remove(position).1)
    }

    fn optional<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, InvalidField> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| invalid(name, "expected a string"))?;
        parse(text).map(Some).map_err(|problem| invalid(name, problem))
    }

    fn required<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, InvalidField> {
        self.optional(name, parse)?.ok_or_else(|| invalid(name, "missing"))
    }

    fn gas(&mut self, name: &str, gas: GasFields) -> Result<u128, InvalidField> {
        match gas {
            GasFields::Required => self.required(name, quantity),
            GasFields::Optional => Ok(self.optional(name, quantity)?.unwrap_or_default()),
        }
    }

    /// Ignores fields that may be present and are not read.
    fn leave_out(&mut self, names: &[&str]) {
        self.left.retain(|(name, _)| !names.contains(name));
    }

    fn finish(self, problem: &str) -> Result<(), InvalidField> {
        self.left.first().map_or(Ok(()), |(name, _)| Err(invalid(&Excerpt(name).to_string(), problem)))
    }
}

/// The fields of a nested object: refusals name the path.
struct Within<'a> {
    path: &'static str,
    fields: Fields<'a>,
}

impl<'a> Within<'a> {
    fn of(path: &'static str, json: &'a Value) -> Result<Self, InvalidField> {
        Ok(Self { path, fields: Fields::of(path, json)? })
    }

    fn optional<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, InvalidField> {
        self.fields.optional(name, parse).map_err(|problem| at(self.path, problem))
    }

    fn required<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, InvalidField> {
        self.fields.required(name, parse).map_err(|problem| at(self.path, problem))
    }

    fn leave_out(&mut self, names: &[&str]) {
        self.fields.leave_out(names);
    }

    fn finish(self, problem: &str) -> Result<(), InvalidField> {
        let Self { path, fields } = self;
        fields.finish(problem).map_err(|problem| at(path, problem))
    }
}

fn at(path: &str, InvalidField { field, problem }: InvalidField) -> InvalidField {
    InvalidField { field: format!("{path}.{field}"), problem }
}

fn init_v06(fields: &mut Fields<'_>) -> Result<Init, InvalidField> {
    const MAX: usize = 20 + limits::MAX_FACTORY_DATA;
    let init_code: BoundedBytes<MAX> = fields.required("initCode", str::parse)?;
    match init_code.split_first_chunk() {
        _ if init_code.is_empty() => Ok(Init::Deployed),
        Some((factory, data)) => Ok(Init::Factory {
            factory: Address(*factory),
            data: Bounded::new(data.to_vec()).map_err(|problem| invalid("initCode", problem))?,
        }),
        None => Err(invalid("initCode", "shorter than an address")),
    }
}

fn paymaster_v06(fields: &mut Fields<'_>) -> Result<Option<Paymaster>, InvalidField> {
    const MAX: usize = 20 + limits::MAX_PAYMASTER_DATA;
    let and_data: BoundedBytes<MAX> = fields.optional("paymasterAndData", str::parse)?.unwrap_or_default();
    match and_data.split_first_chunk() {
        _ if and_data.is_empty() => Ok(None),
        Some((paymaster, data)) => Ok(Some(Paymaster {
            address: Address(*paymaster),
            verification_gas_limit: 0,
            post_op_gas_limit: 0,
            data: Bounded::new(data.to_vec()).map_err(|problem| invalid("paymasterAndData", problem))?,
            signature: None,
        })),
        None => Err(invalid("paymasterAndData", "shorter than an address")),
    }
}

fn init_v07(
    fields: &mut Fields<'_>,
    version: EntryPointVersion,
    delegate: Option<Address>,
) -> Result<Init, InvalidField> {
    let data = fields.optional("factoryData", str::parse::<FactoryData>)?.unwrap_or_default();
    let factory = fields.optional("factory", str::parse::<String>)?;
    match factory.as_deref() {
        None if data.is_empty() => Ok(Init::Deployed),
        None => Err(invalid("factoryData", "needs a factory")),
        Some(text) if is_eip7702_factory(text) && !version.supports_eip7702() => {
            Err(invalid("factory", InvalidOperation::Eip7702NotSupported))
        }
        Some(text) if is_eip7702_factory(text) => {
            let delegate = delegate.ok_or_else(|| invalid("eip7702Auth", "missing: factory 0x7702 needs it"))?;
            Ok(Init::Eip7702 { delegate, data })
        }
        Some(text) => {
            let factory = text.parse().map_err(|problem| invalid("factory", problem))?;
            Ok(Init::Factory { factory, data })
        }
    }
}

fn is_eip7702_factory(text: &str) -> bool {
    text.strip_prefix(EIP7702_FACTORY)
        .is_some_and(|rest| matches!(rest.len(), 0 | 36) && rest.bytes().all(|digit| digit == b'0'))
}

/// The delegate of an EIP-7702 authorisation. Only the delegate and the chain are read, since the
/// chain checks the rest; but every field present must be well-formed.
fn delegate(auth: &Value, chain_id: u64) -> Result<Address, InvalidField> {
    let mut fields = Within::of("eip7702Auth", auth)?;
    let delegate = fields.required("address", |text| match text.parse::<Address>() {
        Ok(zero) if zero == Address::default() => {
            Err("the zero address removes the delegation: no account would be left".to_string())
        }
        delegate => delegate.map_err(|problem| problem.to_string()),
    })?;
    // Zero means any chain, including this one (EIP-7702). The account may choose that: the hashes,
    // which name this chain, bind the delegate.
    fields.optional("chainId", |text| match quantity(text).map_err(|problem| problem.to_string())? {
        authorised if authorised == 0 || authorised == u128::from(chain_id) => Ok(()),
        other => Err(format!("{other:#x} is another chain: expected {chain_id:#x}, or 0x0 for any")),
    })?;
    for word in ["nonce", "r", "s", "yParity", "v"] {
        fields.optional(word, str::parse::<Uint256>)?;
    }
    fields.finish("no such field in an EIP-7702 authorisation")?;
    Ok(delegate)
}

fn paymaster_v07(fields: &mut Fields<'_>) -> Result<Option<Paymaster>, InvalidField> {
    let verification_gas_limit = fields.optional("paymasterVerificationGasLimit", quantity)?;
    let post_op_gas_limit = fields.optional("paymasterPostOpGasLimit", quantity)?;
    let data = fields.optional("paymasterData", str::parse::<PaymasterData>)?;
    let signature = fields.optional("paymasterSignature", str::parse)?;
    let Some(paymaster) = fields.optional("paymaster", str::parse)? else {
        // Clients may send gas limits of zero in an operation without a paymaster.
        let stray = data.as_ref().is_some_and(|data| !data.is_empty()) || signature.is_some();
        return if stray { Err(invalid("paymaster", "missing: there is paymaster data")) } else { Ok(None) };
    };
    Ok(Some(Paymaster {
        address: paymaster,
        verification_gas_limit: verification_gas_limit.unwrap_or_default(),
        post_op_gas_limit: post_op_gas_limit.unwrap_or_default(),
        data: data.unwrap_or_default(),
        signature,
    }))
}
