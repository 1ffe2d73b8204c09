//! A local chain: one anvil process on its own loopback port, killed when dropped.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, U256};
use alloy_provider::transport::TransportError;
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::RpcClient;
use bounded_http::JsonRpc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use url::Url;

use crate::DevkitError;

const READY: &str = "Listening on ";
const ACCOUNTS: usize = 10;

/// The options of a chain.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Unix seconds of the genesis block; `None` is the machine's time. The chain's clock runs on
    /// from there, so a start in the past makes a chain with old blocks.
    pub started_at: Option<u64>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self { chain_id: 31337, started_at: None }
    }
}

/// A running anvil with the Prague rules (EIP-7702), mining a block for every transaction.
#[derive(Debug)]
pub struct Anvil {
    process: Process,
    /// Where it stores the states of past blocks, which it leaves behind when it is killed.
    /// Deleted after the process has ended.
    _states: TempDir,
    url: Url,
    provider: RootProvider,
    accounts: [Address; ACCOUNTS],
}

impl Anvil {
    /// Starts the binary on a free port of 127.0.0.1 and waits until it answers.
    ///
    /// # Errors
    /// [`DevkitError::AnvilDidNotStart`] with anvil's own output if it stops before it listens.
    pub async fn start(binary: &Path, options: AnvilOptions) -> Result<Self, DevkitError> {
        let states = TempDir::new().map_err(|error| did_not_start(error.to_string()))?;
        let child = Command::new(binary)
            .args(["--host", "127.0.0.1", "--port", "0", "--hardfork", "prague"])
            .arg("--cache-path")
            .arg(states.path())
            .args(["--accounts", &ACCOUNTS.to_string(), "--chain-id", &options.chain_id.to_string()])
            .args(options.started_at.map(|seconds| format!("--timestamp={seconds}")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| did_not_start(error.to_string()))?;
        let mut process = Process(child);

        let Some(stdout) = process.0.stdout.take() else {
            return Err(did_not_start("its output cannot be read".to_owned()));
        };
        let Ok(listening) = listening_address(stdout).await else {
            return Err(did_not_start(process.last_words()));
        };
        let url: Url =
            format!("http://{listening}").parse().map_err(|_| did_not_start(format!("it listens on {listening:?}")))?;

        process.ignore_errors();

        let provider = RootProvider::new(RpcClient::new(JsonRpc::new(url.clone()), true));
        let accounts = provider.get_accounts().await?;
        let accounts =
            accounts.try_into().map_err(|found: Vec<_>| did_not_start(format!("{} funded accounts", found.len())))?;
        Ok(Self { process, _states: states, url, provider, accounts })
    }

    /// The JSON-RPC endpoint.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A provider without fillers or wallet: the node signs for [`Self::accounts`].
    #[must_use]
    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Unlocked accounts of 10 000 ETH each; the first two have the roles below, the others are
    /// unused.
    #[must_use]
    pub fn accounts(&self) -> &[Address; ACCOUNTS] {
        &self.accounts
    }

    /// Balance of an address, in wei.
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn balance(&self, address: Address) -> Result<U256, DevkitError> {
        Ok(self.provider.get_balance(address).await?)
    }

    /// Deploys and owns the contracts.
    #[must_use]
    pub fn deployer(&self) -> Address {
        self.accounts[0]
    }

    /// Sends bundles and receives their fees.
    #[must_use]
    pub fn bundler(&self) -> Address {
        self.accounts[1]
    }

    /// Advances the chain's clock. No block is mined: the latest one gets older, and the next one
    /// has the new time.
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn increase_time(&self, seconds: u64) -> Result<(), DevkitError> {
        let _: serde_json::Value = self.provider.raw_request("evm_increaseTime".into(), (seconds,)).await?;
        Ok(())
    }

    /// Mines empty blocks.
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn mine(&self, blocks: u64) -> Result<(), DevkitError> {
        let _: serde_json::Value = self.provider.raw_request("anvil_mine".into(), (format!("{blocks:#x}"),)).await?;
        Ok(())
    }

    /// Takes a snapshot of the chain, for [`Self::revert`].
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn snapshot(&self) -> Result<U256, DevkitError> {
        Ok(self.provider.raw_request("evm_snapshot".into(), ()).await?)
    }

    /// Reverts the chain to a snapshot, like a reorganisation: later blocks disappear.
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn revert(&self, snapshot: U256) -> Result<(), DevkitError> {
        let _: bool = self.provider.raw_request("evm_revert".into(), (snapshot,)).await?;
        Ok(())
    }

    /// Unix seconds of the latest block.
    ///
    /// # Errors
    /// The node's, if it does not answer.
    pub async fn latest_time(&self) -> Result<u64, DevkitError> {
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        Ok(block.ok_or(TransportError::NullResp)?.header.timestamp)
    }

    /// The node's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.0.id()
    }
}

fn did_not_start(detail: String) -> DevkitError {
    DevkitError::AnvilDidNotStart { detail }
}

/// Reads until anvil prints its address, and keeps draining the pipe so that the node never blocks
/// on it.
async fn listening_address(stdout: ChildStdout) -> Result<String, oneshot::error::RecvError> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        if let Some(address) = lines.find_map(|line| line.strip_prefix(READY).map(str::to_owned)) {
            // The receiver is gone only if the caller gave up waiting; the pipe is drained anyway.
            let _ = sender.send(address);
        }
        lines.for_each(drop);
    });
    receiver.await
}

#[derive(Debug)]
struct Process(Child);

impl Process {
    fn last_words(&mut self) -> String {
        // If it is still running, it is killed: otherwise its pipe would never close.
        let _ = self.0.kill();
        let mut words = String::new();
        if let Some(stderr) = self.0.stderr.as_mut() {
            // The message is whatever could be read.
            let _ = stderr.read_to_string(&mut words);
        }
        words.trim().to_owned()
    }

    /// Drains the pipe from now on, so that the node never blocks on it.
    fn ignore_errors(&mut self) {
        if let Some(mut stderr) = self.0.stderr.take() {
            thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
