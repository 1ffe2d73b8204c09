//! What the gateway acknowledged, compared with its later state.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use devkit::SoftPasskey;
use kms_api::{Route as _, admin};
use kms_gateway::admin_key::AdminKey;
use proto::bytes::{Bounded, BoundedList};
use proto::command::{AuthorizeSigner, Ceilings, Deployment, Provision, RelyingParty, RevokeSigner};
use proto::json::passkey::to_base64url;
use proto::{AccountId, EntryPointVersion, Permissions, Signature, TeeId, Wei};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::keys::{RelayKey, secret};
use crate::kms::{Kms, NoAnswer};
use crate::request::SponsorRequest;
use crate::support::{PAYMASTER, entry_point};

const UNSIGNED: Signature = Signature::UNSIGNED;
const MAX_COST: u128 = 10_u128.pow(18);
/// Besides the relay's own key.
const SIGNERS: usize = 5;

pub struct Account {
    pub passkey: SoftPasskey,
    pub created: Value,
}

enum Change {
    Authorized(String),
    Revoked(String),
}

pub struct Ledger {
    tee_id: TeeId,
    admin: AdminKey,
    pub relay: RelayKey,
    pub accounts: Vec<Account>,
    /// The number of accounts that were taken out for a request, and are not yet back.
    lent: usize,
    /// Passkeys whose account was requested without getting an answer: each account exists
    /// completely or not at all.
    pub unanswered: Vec<SoftPasskey>,
    signers: BTreeSet<String>,
    paymaster_signer: String,
    pub counter: u64,
    /// Sent without getting an answer: it was carried out, or not.
    uncertain: Option<Change>,
    /// The last acknowledged command, as sent.
    last: (&'static str, Value),
}

impl Ledger {
    /// Provisions a new TEE and authorises the relay's key.
    pub async fn begin(kms: &Kms) -> Self {
        let (admin, relay) = (AdminKey::new(&secret()).unwrap(), RelayKey::random());
        let state = kms.get("/admin/signers").await.unwrap();
        let tee_id = tee_id_of(&state);
        let body = provision(tee_id, &admin);
        kms.post(admin::Provision::PATH, &body).await.unwrap();
        let state = kms.get("/admin/signers").await.unwrap();
        let mut ledger = Self {
            tee_id,
            admin,
            relay,
            accounts: Vec::new(),
            lent: 0,
            unanswered: Vec::new(),
            signers: BTreeSet::new(),
            paymaster_signer: state["paymasterSigner"].as_str().unwrap().to_owned(),
            counter: 1,
            uncertain: None,
            last: (admin::Provision::PATH, body),
        };
        let signer = ledger.relay.address();
        ledger.authorize(kms, signer).await.unwrap();
        ledger
    }

    /// Authorises a signer, or revokes the one with the lowest address if there are many.
    pub async fn change_signers(&mut self, kms: &Kms) -> Result<(), NoAnswer> {
        self.settle(kms).await?;
        let relay = self.relay.address().to_string();
        let oldest = self.signers.iter().find(|signer| **signer != relay).cloned();
        match oldest {
            Some(signer) if self.signers.len() > SIGNERS => self.revoke(kms, signer).await,
            _ => self.authorize(kms, RelayKey::random().address()).await,
        }
    }

    async fn authorize(&mut self, kms: &Kms, signer: proto::Address) -> Result<(), NoAnswer> {
        let counter = self.counter + 1;
        let permissions = Permissions::SPONSOR | Permissions::SIGN_USER_OPERATION;
        let tee_id = self.tee_id;
        let mut command = AuthorizeSigner { tee_id, signer, permissions, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        let body = json!(admin::AuthorizeSigner::from(&command));
        self.send(kms, admin::AuthorizeSigner::PATH, body, Change::Authorized(signer.to_string())).await
    }

    async fn revoke(&mut self, kms: &Kms, signer: String) -> Result<(), NoAnswer> {
        let counter = self.counter + 1;
        let state = kms.get("/admin/signers").await?;
        let listed = state["signers"].as_array().unwrap();
        let record = listed.iter().find(|listed| listed["address"] == signer).unwrap()["record"].as_u64().unwrap();
        let authorised_as = signer.parse().unwrap();
        let tee_id = self.tee_id;
        let mut command = RevokeSigner { tee_id, record, authorised_as, counter, signature: UNSIGNED };
        command.signature = self.admin.sign(&command);
        let body = json!(admin::RevokeSigner::from(&command));
        self.send(kms, admin::RevokeSigner::PATH, body, Change::Revoked(signer)).await
    }

    async fn send(&mut self, kms: &Kms, path: &'static str, body: Value, change: Change) -> Result<(), NoAnswer> {
        self.uncertain = Some(change);
        kms.post(path, &body).await?;
        self.last = (path, body);
        self.done();
        Ok(())
    }

    fn done(&mut self) {
        self.counter += 1;
        match self.uncertain.take() {
            Some(Change::Authorized(signer)) => _ = self.signers.insert(signer),
            Some(Change::Revoked(signer)) => _ = self.signers.remove(&signer),
            None => panic!("nothing was sent"),
        }
    }

    /// Finds out whether the change without an answer took effect.
    async fn settle(&mut self, kms: &Kms) -> Result<(), NoAnswer> {
        let counter = kms.get("/admin/signers").await?["counter"].as_u64().unwrap();
        if self.uncertain.is_some() && counter == self.counter + 1 {
            self.done();
        }
        self.uncertain = None;
        assert_eq!(counter, self.counter, "the counter counts each effect once");
        Ok(())
    }

    /// Compares the gateway's state with everything it ever acknowledged.
    pub async fn check(&mut self, kms: &Kms) {
        self.settle(kms).await.unwrap();
        let state = kms.get("/admin/signers").await.unwrap();
        assert_eq!(state["paymasterSigner"], self.paymaster_signer);
        assert_eq!(state["admin"], self.admin.address().to_string());
        let there: BTreeSet<String> = state["signers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|signer| signer["address"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(there, self.signers);

        let (path, body) = &self.last;
        let again = kms.post(path, body).await.unwrap_err();
        assert!(matches!(again, NoAnswer::Refused(StatusCode::CONFLICT, _)), "a command is valid once: {again:?}");

        for Account { created, .. } in &self.accounts {
            let id = created["accountId"].as_str().unwrap();
            let account = kms.get(&format!("/kms/accounts/{id}")).await.unwrap();
            assert_eq!(account["ownerAddress"], created["ownerAddress"]);
            assert_eq!(account["passkeys"][0]["credentialId"], created["credentialId"]);
        }
        for passkey in std::mem::take(&mut self.unanswered) {
            let id = AccountId::of_credential(passkey.credential_id());
            match kms.get(&format!("/kms/accounts/{id}")).await {
                Ok(account) => self.accounts.push(found(passkey, &account)),
                Err(NoAnswer::Retryable(code)) if code == "account_unknown" => {}
                Err(problem) => panic!("account {id} is incomplete: {problem:?}"),
            }
        }
    }

    /// Takes an account out for a request, which must be followed by [`Self::give_back`].
    pub fn lend(&mut self) -> Option<Account> {
        let account = self.accounts.pop()?;
        self.lent += 1;
        Some(account)
    }

    pub fn give_back(&mut self, account: Account) {
        self.lent -= 1;
        self.accounts.push(account);
    }

    /// Acknowledged accounts and commands: never fewer than before.
    pub fn acknowledged(&self) -> usize {
        self.accounts.len() + self.lent + usize::try_from(self.counter).unwrap()
    }

    /// Makes every account sign.
    pub async fn sign_with_all(&mut self, kms: &Kms) {
        for (nonce, Account { passkey, created }) in (1..).zip(std::mem::take(&mut self.accounts)) {
            let request = request(passkey, &created, &self.relay, nonce);
            let signed = kms.send(request.over_http(kms)).await.unwrap();
            assert!(signed["signature"].as_str().is_some_and(|signature| signature.len() > 130), "{signed}");
            self.accounts.push(Account { passkey: request.passkey, created });
        }
    }
}

/// An account that was created without an acknowledgement.
fn found(passkey: SoftPasskey, account: &Value) -> Account {
    let [only] = account["passkeys"].as_array().unwrap().as_slice() else { panic!("one passkey made it: {account}") };
    assert_eq!(only["credentialId"], to_base64url(passkey.credential_id()));
    let created = json!({
        "accountId": account["accountId"],
        "ownerAddress": account["ownerAddress"],
        "credentialId": only["credentialId"],
    });
    Account { passkey, created }
}

/// A valid request with the current time.
pub fn request(passkey: SoftPasskey, created: &Value, relay: &RelayKey, nonce: u64) -> SponsorRequest {
    let now = now();
    let mut request = SponsorRequest::new(passkey, created);
    request.timestamp = now;
    request.terms.valid_after = now - 60;
    request.terms.valid_until = now + 600;
    request.nonce = nonce;
    request.signed(relay)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn tee_id_of(state: &Value) -> TeeId {
    state["teeId"].as_str().unwrap().parse().unwrap()
}

fn provision(tee_id: TeeId, admin: &AdminKey) -> Value {
    let text = |text: &str| Bounded::new(text.to_owned()).unwrap();
    let entry_point = entry_point(EntryPointVersion::V07);
    let origins = BoundedList::new(vec![text("http://localhost:5173")]).unwrap();
    let relying_parties = BoundedList::new(vec![RelyingParty { id: text("localhost"), origins }]).unwrap();
    let deployments = BoundedList::new(vec![Deployment { entry_point, paymaster: PAYMASTER }]).unwrap();
    let ceilings = Ceilings { deployments, max_cost: Wei(MAX_COST), max_window: 3600, max_accounts: 10_000 };
    let mut command =
        Provision { tee_id, admin: admin.address(), relying_parties, ceilings, counter: 1, signature: UNSIGNED };
    command.signature = admin.sign(&command);
    json!(admin::Provision::from(&command))
}
