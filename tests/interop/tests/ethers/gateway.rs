//! A KMS gateway over the simulator, on a port of its own, with one relay key admitted.

use std::sync::Arc;

use devkit::SoftPasskey;
use kms_gateway::admin_key::AdminKey;
use kms_gateway::bootstrap::{Wanted, bootstrap};
use kms_gateway::clock::SystemClock;
use kms_gateway::{Gateway, Settings};
use prometheus::Registry;
use proto::bytes::BoundedList;
use proto::command::{Ceilings, Deployment};
use proto::json::hex_bytes;
use proto::{Address, EntryPoint, EntryPointVersion, Permissions, Wei};
use secrecy::SecretSlice;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::request::SponsorshipRequest;

pub const ENTRY_POINT: EntryPoint =
    EntryPoint { chain_id: 31337, address: Address([0x71; 20]), version: EntryPointVersion::V07 };
pub const PAYMASTER: Address = Address([0x9a; 20]);
const ADMIN_KEY: [u8; 32] = [0xad; 32];
const ORIGIN: &str = "http://localhost:5173";

pub struct TestGateway {
    url: String,
    client: reqwest::Client,
    _running: DropGuard,
    _data: TempDir,
}

/// An account whose key lives in the TEE, and the passkey that commands it.
pub struct Account {
    pub id: String,
    pub owner: Address,
    pub passkey: SoftPasskey,
}

impl TestGateway {
    pub async fn start(relay: Address) -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = Settings::new(data.path().to_owned());
        let simulator = settings.tee.row().open(data.path(), settings.worker_options()).unwrap();
        let wanted = Wanted {
            relying_parties: vec![settings.relying_party().unwrap()],
            ceilings: Ceilings {
                deployments: BoundedList::new(vec![Deployment { entry_point: ENTRY_POINT, paymaster: PAYMASTER }])
                    .unwrap(),
                max_cost: Wei(u128::MAX),
                max_window: 3600,
                max_accounts: 1000,
            },
            relay_signer: relay,
            permissions: Permissions::SPONSOR,
        };
        let gateway = Gateway::open(settings, simulator, Arc::new(SystemClock), None, &Registry::new()).await.unwrap();
        let admin = AdminKey::new(&SecretSlice::from(ADMIN_KEY.to_vec())).unwrap();
        bootstrap(&gateway, &admin, wanted).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        tokio::spawn(kms_gateway::serve(listener, gateway, shutdown.clone()));
        Self { url, client: devkit::http::client(), _running: shutdown.drop_guard(), _data: data }
    }

    pub async fn create_account(&self) -> Account {
        let mut passkey = SoftPasskey::create("localhost", ORIGIN).unwrap();
        let begun = self.post("/webauthn/register/begin", &json!({ "userName": "ethers" })).await;
        let registration = &begun["registrationId"];
        let credential = passkey.register(&begun["publicKey"]).unwrap();
        let body = json!({ "registrationId": registration, "credential": credential });
        self.post("/webauthn/register/finish", &body).await;
        let made = self.post("/kms/create-deterministic-account", &json!({ "registrationId": registration })).await;
        Account {
            id: made["accountId"].as_str().unwrap().to_owned(),
            owner: made["ownerAddress"].as_str().unwrap().parse().unwrap(),
            passkey,
        }
    }

    /// Status and body of `/kms/sponsor-user-operation`.
    pub async fn sponsor(&self, request: &SponsorshipRequest, relay: &[u8; 20], approval: &[u8]) -> (u16, Value) {
        let sent = self
            .client
            .post(format!("{}/kms/sponsor-user-operation", self.url))
            .header("X-Paymaster-Signature", hex_bytes(approval))
            .header("X-Paymaster-Address", hex_bytes(relay))
            .json(&request.body);
        let response = sent.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        let (status, answer) = (response.status(), response.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }
}
