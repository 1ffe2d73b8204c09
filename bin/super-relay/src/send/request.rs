//! The file of an operation: the operation itself, or the parameters of `pm_sponsor_with_tee`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use proto::AccountId;
use proto::command::PasskeyAssertion;
use proto::json::{InvalidField, check_shape};
use relay_api::{Options, Parameter as _, positions};
use serde_json::{Map, Value};

use super::error::SendError;

/// Bytes, and JSON values: what the relay accepts.
const MAX_LENGTH: u64 = 1 << 20;
const MOST_VALUES: usize = 512;
/// Operation, account, passkey, options.
const PARAMETERS: usize = 4;

/// What a file asks for.
#[derive(Debug)]
pub struct Request {
    /// As in the file.
    pub operation: Map<String, Value>,
    /// The account of the TEE, or the name of another one.
    pub account_id: Option<AccountId>,
    /// A passkey's assertion, as in the file.
    pub passkey: Option<Value>,
    /// Those of the file.
    pub options: Options,
}

impl Request {
    /// Reads a file, or standard input for `-`.
    pub fn read(file: &Path) -> Result<Self, SendError> {
        let failed = |problem: String| SendError::File { file: file.to_owned(), problem };
        let text = text(file).map_err(|error| failed(error.to_string()))?;
        if text.len() as u64 > MAX_LENGTH {
            return Err(failed(format!("over the limit of {MAX_LENGTH} bytes")));
        }
        Self::parse(&text).map_err(|problem| failed(problem.to_string()))
    }

    fn parse(text: &str) -> Result<Self, InvalidField> {
        let unreadable = |problem: serde_json::Error| invalid("JSON", problem.to_string());
        let sent: Vec<Value> = if text.trim_start().starts_with('[') {
            serde_json::from_str(positions(Some(text), PARAMETERS)?.get()).map_err(unreadable)?
        } else {
            check_shape(text.as_bytes(), MOST_VALUES).map_err(unreadable)?;
            vec![serde_json::from_str(text).map_err(unreadable)?]
        };
        let mut sent = sent.into_iter();
        let mut next = || sent.next().unwrap_or_default();
        let Value::Object(operation) = next() else {
            return Err(invalid("userOperation", "expected an object".to_owned()));
        };
        let account = next();
        let account_id = if account.is_null() { None } else { Some(AccountId::parse(&account)?) };
        let passkey = next();
        let is_approved = Option::<PasskeyAssertion>::parse(&passkey)?.is_some();
        if is_approved && account_id.is_none() {
            return Err(invalid("accountId", "missing: the passkey approves for an account".to_owned()));
        }
        let options = Options::parse(&next())?;
        Ok(Self { operation, account_id, passkey: is_approved.then_some(passkey), options })
    }
}

fn invalid(field: &str, problem: String) -> InvalidField {
    InvalidField { field: field.to_owned(), problem }
}

fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        io::stdin().take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    } else {
        File::open(file)?.take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_alone_and_the_parameters_of_a_call_are_read() {
        let alone = Request::parse(r#" {"sender": "0x1"}"#).unwrap();
        assert!(alone.operation.contains_key("sender") && alone.account_id.is_none() && alone.passkey.is_none());
        let call = Request::parse(r#"[{"sender": "0x1"}, "alice", null, {"policyId": "shop"}]"#).unwrap();
        assert_eq!((call.account_id.unwrap().to_string().as_str(), call.passkey), ("alice", None));
        assert_eq!(call.options.policy_id.as_deref(), Some("shop"));
    }

    #[test]
    fn what_is_not_a_request_is_refused_by_the_name_of_its_field() {
        for (text, field, problem) in [
            ("", "JSON", "EOF"),
            ("3", "userOperation", "expected an object"),
            ("[3]", "userOperation", "expected an object"),
            (r#"{"sender": "0x1", "sender": "0x2"}"#, "JSON", "duplicate"),
            (r#"[{}, "a b"]"#, "accountId", ""),
            (r#"[{}, "alice", 3]"#, "passkey", ""),
            (r#"[{}, "alice", null, {"policy": "shop"}]"#, "options.", "no such key"),
            (r#"[{}, "alice", null, {}, 5]"#, "params", "at most 4"),
        ] {
            let refused = Request::parse(text).unwrap_err();
            assert!(refused.field.contains(field) && refused.problem.contains(problem), "{text}: {refused}");
        }
    }
}
