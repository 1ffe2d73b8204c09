//! A KMS in a separate process, and a node that only knows its address.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::{Value, json};

use super::Kms;
use super::configuration;
use super::process::{Process, run};
use super::signals::Signal;
use super::world::{Ground, Setup, World, admit_tee, start_node};

pub struct KmsApart {
    pub process: Process,
    configuration: Value,
    file: PathBuf,
}

impl KmsApart {
    async fn start(data: &Path, configuration: Value) -> Self {
        let file = data.join("kms.toml");
        let process = start_kms(&file, &configuration).await;
        Self { process, configuration, file }
    }
}

impl Setup {
    /// Starts the KMS first, then a node that has it in `remote_kms.urls`, after those already
    /// configured.
    pub async fn start_apart(self) -> World {
        let mut ground = self.prepare().await;
        let kms = take_kms(&mut ground).await;
        let kms = KmsApart::start(ground.data.path(), kms).await;
        let url = kms.process.url("kms");
        admit_tee(&ground.paymaster, &Kms::at(url.clone())).await;

        know_gateway(&mut ground.configuration["remote_kms"], url);
        let node = start_node(ground.data.path(), &ground.configuration).await;
        World::on(ground, node, Some(kms))
    }
}

impl World {
    pub async fn kill_kms(&mut self) {
        self.kms_apart().process.kill().await;
    }

    /// At the address it had.
    pub async fn restart_kms(&mut self) {
        let kms = self.kms_apart();
        kms.configuration["listen"]["kms"] = kms.process.address("kms").into();
        kms.process = start_kms(&kms.file, &kms.configuration).await;
    }

    pub async fn stop_kms(&mut self) -> ExitStatus {
        let process = &mut self.kms_apart().process;
        process.signal(Signal::TERM);
        process.ended().await
    }

    /// The KMS in a separate process.
    pub fn kms_process(&mut self) -> &mut Process {
        &mut self.kms_apart().process
    }

    pub fn kms_process_id(&self) -> u32 {
        self.apart.as_ref().unwrap().process.id()
    }

    /// The metrics of the KMS.
    pub async fn kms_metrics(&self) -> String {
        let url = self.apart.as_ref().unwrap().process.url("ops");
        devkit::http::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap()
    }

    fn kms_apart(&mut self) -> &mut KmsApart {
        self.apart.as_mut().unwrap()
    }
}

/// Takes the KMS's settings out of the node's configuration, and configures the relay key that it
/// trusts.
async fn take_kms(ground: &mut Ground) -> Value {
    let file = ground.data.path().join("node.toml");
    configuration::write(&ground.configuration, &file);
    let output = run(&["get-signer-address", "--config", file.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let relay_signer = String::from_utf8(output.stdout).unwrap();

    let configuration = ground.configuration.as_object_mut().unwrap();
    let mut bootstrap = configuration.remove("bootstrap").unwrap();
    bootstrap["relay_signers"] = json!([relay_signer.trim()]);
    bootstrap["deployments"] = configuration["relay"]["deployments"].clone();
    bootstrap["deployments"][0]["chain_id"] = configuration["relay"]["chain"]["chain_id"].clone();
    let mut kms = json!({
        "listen": configuration["listen"],
        "log": configuration["log"],
        "shutdown": configuration["shutdown"],
        "kms": configuration.remove("kms"),
        "bootstrap": bootstrap,
    });
    if let Some(connections) = configuration.get("connections") {
        kms["connections"] = connections.clone();
    }
    kms
}

/// Adds it to `remote_kms`.
fn know_gateway(remote_kms: &mut Value, url: String) {
    let mut urls = remote_kms["urls"].as_array().cloned().unwrap_or_default();
    urls.push(url.into());
    remote_kms["urls"] = urls.into();
    if remote_kms["timeout_seconds"].is_null() {
        remote_kms["timeout_seconds"] = configuration::TIMEOUT.into();
    }
}

async fn start_kms(file: &Path, configuration: &Value) -> Process {
    configuration::write(configuration, file);
    Process::start("kms", file).await
}
