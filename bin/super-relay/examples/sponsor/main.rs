//! A client in Rust: the generated client of the relay's JSON-RPC (`relay_api::RelayApiClient`),
//! here over a WebSocket.
//!
//! ```sh
//! cargo run --package super-relay --example sponsor -- \
//!   ws://127.0.0.1:3000 31337 0.7 op.json ACCOUNT_ID
//! ```
//!
//! Takes the chain's id and the EntryPoint's version; the EntryPoint is that of public chains.
//! Prints what the account's passkey has to approve, reads its assertion
//! (AuthenticationResponseJSON, on one line), and prints the operation, ready for
//! `eth_sendUserOperation`.

mod client;

use std::env;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use jsonrpsee_ws_client::WsClientBuilder;
use proto::{EntryPoint, EntryPointVersion};
use relay_api::CredentialRequest;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, chain_id, version, file, account_id] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: sponsor WS_URL CHAIN_ID VERSION OPERATION_FILE ACCOUNT_ID".into());
    };
    let version: EntryPointVersion = version.parse()?;
    let entry_point = EntryPoint { chain_id: chain_id.parse()?, address: version.canonical_address(), version };
    let operation = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let relay = WsClientBuilder::default().build(url).await?;
    let sponsored = client::sponsor(&relay, &entry_point, &operation, account_id, ask).await?;
    writeln!(io::stdout(), "{:#}", Value::from(sponsored.user_operation))?;
    Ok(())
}

fn ask(request: &CredentialRequest) -> Result<Value, Box<dyn Error>> {
    writeln!(io::stderr(), "navigator.credentials.get: {}", serde_json::to_string(request)?)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
