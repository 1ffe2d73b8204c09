//! A relay whose KMS refuses every account, with the status that the account's name states.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::{Json, Router};
use kms_api::{ErrorBody, Reason, Refusal};
use paymaster_relay::catalogue::Catalogue;
use paymaster_relay::chain::RpcChain;
use paymaster_relay::chains::{Chain, Chains};
use paymaster_relay::claims::SqliteClaims;
use paymaster_relay::clients::{ApiKeys, SqliteApiKeys};
use paymaster_relay::kms::{HttpKms, Kms};
use paymaster_relay::metrics::Metrics;
use paymaster_relay::policy::ListedStandings;
use paymaster_relay::ports::{OsEntropy, SystemClock};
use paymaster_relay::relay_key::{RelayKey, passphrase};
use paymaster_relay::store::SqliteStore;
use paymaster_relay::{Parts, RpcServer, Settings};
use prometheus::Registry;
use proto::Status;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Refuses as a gateway does: with the status of the trusted application whose number ends the
/// path.
async fn refuse(uri: Uri) -> impl IntoResponse {
    let number = uri.path().rsplit('/').next().and_then(|id| id.parse().ok());
    let status = number.and_then(Status::from_code).unwrap();
    let reason = Reason::from(status);
    let http_status = StatusCode::from_u16(reason.http_status()).unwrap();
    let error = Refusal {
        reason: reason.into(),
        message: status.to_string(),
        request_id: String::new(),
        retryable: reason.is_retryable(),
    };
    (http_status, Json(ErrorBody { error }))
}

/// The relay's own port to the KMS, which decides what callers learn of a refusal.
async fn refusing_kms() -> HttpKms {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(refuse)).await });
    HttpKms::new(vec![url], Duration::from_secs(5)).unwrap()
}

/// The relay, until dropped.
pub struct RefusingRelay {
    url: String,
    _stop: DropGuard,
    _data: TempDir,
}

impl RefusingRelay {
    pub async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let file = |name: &str| data.path().join(name);
        std::fs::write(file("passphrase"), "a passphrase").unwrap();
        let address = "0x0000000000000000000000000000000000000001";
        let settings: Settings = serde_json::from_value(json!({
            "chain": { "chain_id": 31337, "rpc_url": "http://127.0.0.1:9" },
            "deployments": [{ "entry_point": address, "version": "0.7", "paymaster": address }],
            "database": file("relay.sqlite"),
            "policies": [{ "id": "any", "max_cost_per_operation": "1" }],
            "relay_key": { "file": file("relay-key.json"), "passphrase_file": file("passphrase") },
            "rp_id": "localhost",
        }))
        .unwrap();
        let kms: Arc<dyn Kms> = Arc::new(refusing_kms().await);
        let relay_key = RelayKey::open(&settings.relay_key, passphrase(&settings.relay_key).unwrap(), Arc::clone(&kms));
        let store = SqliteStore::open(&settings.database).await.unwrap();
        let keys = Arc::new(SqliteApiKeys::new(store.database()));
        let catalogue = Arc::new(Catalogue::new(&settings).unwrap());
        let policies = Arc::clone(catalogue.live_policies());
        let api_keys = ApiKeys::open(&settings, policies, keys, Arc::new(SystemClock), Arc::new(OsEntropy));
        let api_keys = api_keys.await.unwrap();
        let node = Arc::new(RpcChain::new(&settings.all_chains()[0]).unwrap());
        let chain = Chain::new(Arc::clone(&catalogue.chains()[0]), node, Arc::new(SystemClock));
        let parts = Parts {
            catalogue,
            chains: Arc::new(Chains::new([chain])),
            standings: Arc::new(ListedStandings::new(&settings.accounts, settings.default_account).unwrap()),
            claims: Arc::new(SqliteClaims::new(store.database(), Arc::new(SystemClock))),
            store: Arc::new(store),
            kms,
            relay_key: Arc::new(relay_key.unwrap()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            metrics: Arc::new(Metrics::new(&Registry::new()).unwrap()),
            api_keys: Arc::new(api_keys),
            webhooks: Arc::default(),
        };
        let rpc =
            RpcServer::new(&settings.rpc, Arc::new(paymaster_relay::Sponsor::new(&settings, &parts)), &parts).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(Arc::new(rpc).serve(listener, stop.clone()));
        Self { url, _stop: stop.drop_guard(), _data: data }
    }

    /// The JSON-RPC error that a status of the trusted application becomes.
    pub async fn error_for(&self, status: Status) -> Value {
        let params = json!([status.code().to_string()]);
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "pm_get_account_info", "params": params });
        let answer = devkit::http::client().post(&self.url).json(&request).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["error"].take()
    }
}
