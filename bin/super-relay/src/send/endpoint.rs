//! The relay and the bundler, through the generated client.

use std::time::{Duration, Instant};

use jsonrpsee::core::client::Error as ClientError;
use proto::{Address, UserOpHash};
use relay_api::RelayApiClient as _;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::error::{Party, SendError};
use crate::json_rpc::{JsonRpcServer, NoAnswer};
use crate::printable::printable;

const PAUSE: Duration = Duration::from_secs(1);
/// The relay's code for a bundler that may have received the operation.
const MAY_BE_SENT: i32 = -32051;

/// One of the two.
pub struct Endpoint {
    /// Which.
    pub party: Party,
    /// Its methods.
    pub rpc: JsonRpcServer,
}

/// Whether a bundler has an operation.
pub enum Sent {
    /// It says so.
    Yes,
    /// It may have got it, but no answer came: the problem.
    Perhaps(String),
}

#[derive(Deserialize)]
struct Details {
    reason: Option<String>,
    retryable: Option<bool>,
}

impl Endpoint {
    /// A server, with an API key for the relay.
    pub fn at(party: Party, url: Url, api_key: Option<SecretString>) -> Result<Self, SendError> {
        Ok(Self { party, rpc: JsonRpcServer::at(url, api_key)? })
    }

    /// A failed call, for people.
    pub fn failed(&self, method: &'static str, error: ClientError) -> SendError {
        let party = self.party;
        let ClientError::Call(refusal) = error else {
            return SendError::NoAnswer { party, method, problem: printable(&error.to_string()) };
        };
        let details = refusal.data().and_then(|data| serde_json::from_str::<Details>(data.get()).ok());
        SendError::Refused {
            party,
            method,
            code: refusal.code(),
            message: printable(refusal.message()),
            reason: details.as_ref().and_then(|details| details.reason.as_deref().map(printable)),
            retryable: details.and_then(|details| details.retryable),
        }
    }

    /// Sends an operation whose hash is known.
    pub async fn send(
        &self,
        operation: Map<String, Value>,
        entry_point: Address,
        hash: UserOpHash,
    ) -> Result<Sent, SendError> {
        const METHOD: &str = "eth_sendUserOperation";
        let sent = self.rpc.send_user_operation(Value::Object(operation).into(), entry_point.to_string().into()).await;
        match sent {
            Ok(answer) if serde_json::from_str::<UserOpHash>(answer.0.get()).is_ok_and(|answered| answered == hash) => {
                Ok(Sent::Yes)
            }
            Ok(answer) => Ok(Sent::Perhaps(printable(&format!("{} calls it {}", self.party, answer.0.get())))),
            Err(error) if may_be_sent(&error) => Ok(Sent::Perhaps(self.failed(METHOD, error).to_string())),
            // A bundler refuses what it has mined already, as when a command is repeated.
            Err(error) => match self.receipt(hash, Duration::ZERO).await {
                Ok(_) => Ok(Sent::Yes),
                Err(_) => Err(self.failed(METHOD, error)),
            },
        }
    }

    /// The receipt of an operation, if there is one within that time; else the last problem.
    pub async fn receipt(&self, hash: UserOpHash, time: Duration) -> Result<Value, Option<String>> {
        let began = Instant::now();
        loop {
            let problem = match self.rpc.user_operation_receipt(hash.to_string().into()).await {
                Ok(answer) => match serde_json::from_str::<Value>(answer.0.get()) {
                    Ok(Value::Null) => None,
                    Ok(receipt) if is_for(&receipt, hash) => return Ok(receipt),
                    _ => Some(format!("the receipt of {} is not for this operation", self.party)),
                },
                Err(error) => Some(self.failed("eth_getUserOperationReceipt", error).to_string()),
            };
            if began.elapsed() + PAUSE > time {
                return Err(problem);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_for(receipt: &Value, hash: UserOpHash) -> bool {
    let named = receipt["userOpHash"].as_str().and_then(|text| text.parse::<UserOpHash>().ok());
    named == Some(hash) && receipt["success"].is_boolean()
}

fn may_be_sent(error: &ClientError) -> bool {
    match error {
        ClientError::Call(refusal) => refusal.code() == MAY_BE_SENT,
        ClientError::Transport(error) => !matches!(error.downcast_ref(), Some(NoAnswer::NotReached(_))),
        _ => true,
    }
}
