//! A client in Rust: the generated client of the relay's JSON-RPC (`relay_api::RelayApiClient`),
//! here over a WebSocket.
//!
//! ```sh
//! cargo run --package super-relay --example sponsor -- ws://127.0.0.1:3000 op.json ACCOUNT_ID
//! ```
//!
//! Prints what the account's passkey has to approve, reads its assertion
//! (AuthenticationResponseJSON, on one line), and prints the operation, ready for
//! `eth_sendUserOperation`.

mod client;

use std::env;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use jsonrpsee_ws_client::WsClientBuilder;
use relay_api::CredentialRequest;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, file, account_id] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("usage: sponsor WS_URL OPERATION_FILE ACCOUNT_ID".into());
    };
    let operation = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let relay = WsClientBuilder::default().build(url).await?;
    let sponsored = client::sponsor(&relay, &operation, account_id, ask).await?;
    writeln!(io::stdout(), "{:#}", Value::from(sponsored.user_operation))?;
    Ok(())
}

fn ask(request: &CredentialRequest) -> Result<Value, Box<dyn Error>> {
    writeln!(io::stderr(), "navigator.credentials.get: {}", serde_json::to_string(request)?)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
