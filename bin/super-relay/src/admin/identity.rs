//! Determines which TEE a command is for, and how its ID is known.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kms_api::Reason;
use kms_api::attestation::{Attestation, GetAttestation};
use kms_api::status::GetVersion;
use proto::TeeId;
use proto::json::hex_bytes;

use crate::client::{Kms, NoAnswer};
use crate::error::Error;
use crate::printable::printable;

const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// The ID in a quote over a fresh nonce of ours, if `verifier` accepts the quote: a program with
/// arguments that is given `--nonce` and the answer of `/attestation` on standard input, as
/// scripts/optee/verify-quote takes them.
pub async fn quoted(kms: &Kms, verifier: &str) -> Result<TeeId, Error> {
    let (nonce, answer) = attestation(kms).await?;
    let json = serde_json::to_string(&answer).map_err(failed)?;
    verify(verifier.to_owned(), nonce, json).await?;
    Ok(answer.tee_id)
}

/// The ID that the gateway reports for a TEE on a platform without attestation. Whoever controls
/// the gateway chooses the TEE.
#[expect(clippy::print_stderr, reason = "a warning to the user")]
pub async fn unattested(kms: &Kms) -> Result<TeeId, Error> {
    let (_, answer) = attestation(kms).await?;
    if answer.quote.is_some() {
        return Err(failed(
            "this TEE attests: have its quote verified (--quote-verifier) instead of using --unattested",
        ));
    }
    let id = kms.get(&GetVersion).await?.tee.id;
    eprintln!("TEE {id}: reported by the gateway only, since this platform does not attest");
    Ok(id)
}

/// A new nonce, and the answer to it. Quotes are rate limited: a call that comes too soon is
/// retried.
async fn attestation(kms: &Kms) -> Result<(String, Attestation), Error> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(failed)?;
    let request = GetAttestation { nonce: hex_bytes(&nonce) };
    let began = Instant::now();
    loop {
        match kms.get(&request).await {
            Err(NoAnswer::Refused { refusal, .. })
                if refusal.reason == Reason::AttestationTooSoon.into() && began.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return Ok((request.nonce, outcome?)),
        }
    }
}

async fn verify(verifier: String, nonce: String, answer: String) -> Result<(), Error> {
    tokio::task::spawn_blocking(move || run(&verifier, &nonce, &answer)).await.map_err(failed)?
}

fn run(verifier: &str, nonce: &str, answer: &str) -> Result<(), Error> {
    let mut words = verifier.split_whitespace();
    let program = words.next().ok_or_else(|| failed("--quote-verifier does not name a program"))?;
    let problem = |problem: &dyn std::fmt::Display| failed(format!("{program}: {problem}"));
    let mut child = Command::new(program)
        .args(words)
        .args(["--nonce", nonce])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| problem(&error))?;
    // A program that refuses without reading closes its end of the pipe; its own message is more
    // useful than the write error.
    let written = child.stdin.take().map(|mut input| input.write_all(answer.as_bytes()));
    let output = child.wait_with_output().map_err(|error| problem(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<String> = said.lines().map(printable).collect();
        return Err(failed(format!(
            "the quote is not valid ({}): {}; nothing was sent",
            output.status,
            said.join("; ")
        )));
    }
    match written {
        Some(Err(error)) => Err(problem(&error)),
        _ => Ok(()),
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Admin(problem.to_string())
}
