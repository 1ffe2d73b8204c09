//! The factory creates contracts that verify one signature scheme: to accounts of another one its
//! addresses are of no use, and what is sent there is lost.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use kms_gateway::Settings;
use kms_gateway::factory::{AccountFactory, FactoryError};
use kms_gateway::settings::FactorySettings;
use proto::command::SignatureScheme;
use proto::{Address, Hash};
use serde_json::json;

use crate::support::{Kms, settings};

/// A factory that answers without a chain.
struct OfflineFactory;

#[async_trait]
impl AccountFactory for OfflineFactory {
    fn address(&self) -> Address {
        Address([0xfa; 20])
    }

    async fn counterfactual_sender(&self, _: &Address, _: &Hash) -> Result<Address, FactoryError> {
        Ok(Address([0x5e; 20]))
    }
}

/// Whether an account of that scheme has a factory and an address, when it is created and later.
async fn has_address(kms: &Kms, scheme: &str) -> bool {
    let (_, registration_id) = kms.register().await;
    let body = json!({ "registrationId": registration_id, "signatureScheme": scheme });
    let created = kms.create(body).await.ok();
    let shown = kms.get(&format!("/kms/accounts/{}", created["accountId"].as_str().unwrap())).await.ok();
    assert_eq!(shown["factory"], created["factory"]);
    assert_eq!(created["sender"].is_null(), created["factory"].is_null());
    !created["factory"].is_null()
}

#[tokio::test]
async fn an_account_of_another_scheme_than_the_factory_s_has_no_address() {
    let kms = Kms::with_factory(settings, Arc::new(OfflineFactory)).await;
    assert!(has_address(&kms, "eip191").await);
    assert!(!has_address(&kms, "raw").await);
}

#[tokio::test]
async fn the_factory_may_have_another_scheme_than_new_accounts() {
    let raw_factory = FactorySettings {
        address: OfflineFactory.address(),
        signature_scheme: Some(SignatureScheme::Raw),
        rpc_url: "http://127.0.0.1:1".to_owned().into(),
        timeout_seconds: 1,
    };
    let settings = |folder: &Path| Settings { factory: Some(raw_factory), ..settings(folder) };
    let kms = Kms::with_factory(settings, Arc::new(OfflineFactory)).await;
    assert!(has_address(&kms, "raw").await);
    assert!(!has_address(&kms, "eip191").await);
}

#[tokio::test]
async fn the_factory_s_scheme_is_the_default_of_new_accounts() {
    let raw = |folder: &Path| Settings { signature_scheme: SignatureScheme::Raw, ..settings(folder) };
    let kms = Kms::with_factory(raw, Arc::new(OfflineFactory)).await;
    assert!(has_address(&kms, "raw").await);
    assert!(!has_address(&kms, "eip191").await);
}
