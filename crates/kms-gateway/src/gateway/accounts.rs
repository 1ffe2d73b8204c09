//! Registering a passkey, and making its account.

use std::sync::Arc;

use proto::command::{CreateHybridAccount, SignatureScheme, WalletInfo};
use proto::primitives::keccak256;
use proto::{AccountId, Address, Hash, Status};
use serde_json::Value;

use super::decision::{Case, detached};
use super::strangers::Inquirer;
use super::strangers::StrangersTurn;
use super::{Caller, Gateway, GatewayError, Inner};
use crate::ceremony::{NewUser, Verified, VerifiedRegistration};
use crate::store::{AccountEntry, Action, Creation, FoundCreation, Unfinished};
use crate::tee::TeeError;
use crate::transport::Asker;

/// What notices that accounts can't be settled.
const SWEEP: &str = "the sweep";

/// An account as `create_account` answers it.
#[derive(Clone, Debug)]
pub struct CreatedAccount {
    /// What the TEE holds.
    pub wallet: WalletInfo,
    /// The passkey it was made with.
    pub registration: VerifiedRegistration,
    /// The factory and the address it gives to the account, when one is configured.
    pub sender: Option<CounterfactualSender>,
    /// keccak256(credentialId): the factory's salt.
    pub salt: Hash,
}

/// Where an account stands, or will.
#[derive(Clone, Copy, Debug)]
pub struct CounterfactualSender {
    /// The factory contract.
    pub factory: Address,
    /// The account contract.
    pub sender: Address,
}

impl Gateway {
    /// Begins a passkey registration: its id, and PublicKeyCredentialCreationOptionsJSON for the
    /// browser. Who could not have an account made is refused here, before the user has made a
    /// passkey for nothing.
    ///
    /// # Errors
    /// `registration_invalid`, `account_id_reserved`, `creation_unauthorised`, `api_key_unknown`,
    /// `invitation_invalid`, `invitation_expired`, `invitation_used_up`.
    pub async fn begin_registration(&self, user: NewUser, caller: &Caller) -> Result<(String, Value), GatewayError> {
        self.inner.check_begin(caller.principal, self.inner.clock.now()).await?;
        Ok(self.inner.ceremonies.begin(user, self.inner.clock.now())?)
    }

    /// Verifies the browser's RegistrationResponseJSON: the id by which its account is made, and
    /// the passkey. Nothing is made or changed: it is counted, and has no audit row.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn finish_registration(
        &self,
        id: &str,
        credential: &Value,
    ) -> Result<(String, VerifiedRegistration), GatewayError> {
        let outcome = self.inner.ceremonies.finish(id, credential, self.inner.clock.now()).map_err(GatewayError::from);
        self.inner.count(Action::RegisterPasskey, &outcome);
        outcome
    }

    /// Makes the account of a verified registration. The same credential gives the same account,
    /// also after a restart in the middle of it.
    ///
    /// `account_id` is by default the one named when the registration began, or else that of the
    /// credential; `scheme` by default the one in the settings.
    ///
    /// # Errors
    /// `registration_unknown`, `registration_not_verified`, a refusal of leave
    /// (`creation_unauthorised`, `api_key_unknown`, `invitation_invalid`, `invitation_expired`,
    /// `invitation_used_up`, `creation_rationed`), `account_exists`, `credential_conflict`,
    /// `signature_scheme_conflict`, `factory_unavailable` after the account is made, or the trusted
    /// application's refusal.
    pub async fn create_account(
        &self,
        registration_id: &str,
        account_id: Option<AccountId>,
        scheme: Option<SignatureScheme>,
        caller: &Caller,
    ) -> Result<CreatedAccount, GatewayError> {
        let (inner, mut case) = (Arc::clone(&self.inner), Case::new(Action::CreateAccount, caller));
        let verified = inner.ceremonies.verified(registration_id, inner.clock.now()).map_err(GatewayError::from);
        let (wallet, registration) = detached(async move {
            case.account_id = account_id;
            let outcome = match verified {
                Ok(verified) => inner.try_create(verified, scheme, &mut case).await,
                Err(error) => Err(error),
            };
            inner.sweep_creations();
            inner.conclude(case, outcome).await
        })
        .await?;
        let salt = keccak256(&*registration.credential_id);
        let sender = match &self.inner.factory {
            Some(factory) => Some(CounterfactualSender {
                factory: factory.address(),
                sender: factory.counterfactual_sender(&wallet.owner, &salt).await?,
            }),
            None => None,
        };
        Ok(CreatedAccount { wallet, registration, sender, salt })
    }

    /// The factory of new accounts, when one is configured.
    #[must_use]
    pub fn factory(&self) -> Option<Address> {
        self.inner.factory.as_ref().map(|factory| factory.address())
    }

    /// An account's public facts.
    ///
    /// The index may have been lost, so only the TEE can say that there is no such account. But
    /// anyone may ask for any: those that the index does not know wait for each other, not the
    /// sponsorships for them, and one that the TEE does not know either is asked for once in a few
    /// seconds.
    ///
    /// # Errors
    /// `account_unknown`, or when the TEE does not answer.
    pub async fn wallet(&self, account_id: &AccountId, caller: &Caller) -> Result<WalletInfo, GatewayError> {
        if let Some(wallet) = self.inner.known.kept_wallet(&self.inner.tee, account_id) {
            return Ok(Arc::unwrap_or_clone(wallet));
        }
        let is_stranger = !self.inner.store.has_account(account_id).await.unwrap_or(false);
        let turn = if is_stranger { Some(self.inner.stranger(account_id, Inquirer::of(caller)).await?) } else { None };
        let (inner, account_id) = (Arc::clone(&self.inner), account_id.clone());
        detached(async move {
            let _turn = turn;
            let wallet = inner.wallet_now(&account_id).await?;
            // It may be no stranger at all, but one whose making was cut short.
            if is_stranger && let Err(error) = inner.settle_creations(Unfinished::Named(account_id)).await {
                tracing::warn!(%error, "an account is not in the index yet");
            }
            Ok(Arc::unwrap_or_clone(wallet))
        })
        .await
    }
}

impl Inner {
    /// The turn to ask for an account that the index does not know.
    async fn stranger(&self, account_id: &AccountId, inquirer: Inquirer) -> Result<StrangersTurn, GatewayError> {
        self.check_not_unknown(account_id)?;
        let turn = self.strangers.turn(inquirer).await?;
        // Whoever had the turn before may have asked for it.
        self.check_not_unknown(account_id)?;
        Ok(turn)
    }

    fn check_not_unknown(&self, account_id: &AccountId) -> Result<(), GatewayError> {
        let is_unknown = self.unknown.contains(account_id, self.clock.now());
        if is_unknown { Err(GatewayError::Refused(Status::AccountUnknown)) } else { Ok(()) }
    }

    async fn wallet_now(&self, account_id: &AccountId) -> Result<Arc<WalletInfo>, GatewayError> {
        let generation = self.unknown.generation();
        let wallet = self.known.wallet(&self.tee, account_id, Asker::Anyone).await;
        if let Err(GatewayError::Refused(Status::AccountUnknown)) = &wallet {
            self.unknown.insert(account_id.clone(), generation, self.clock.now());
        }
        wallet
    }

    async fn try_create(
        &self,
        Verified { id: registration_id, expires_at, registration }: Verified,
        scheme: Option<SignatureScheme>,
        case: &mut Case,
    ) -> Result<(WalletInfo, VerifiedRegistration), GatewayError> {
        let now = self.clock.now();
        self.permit(&registration.credential_id, case, now).await?;
        // Not in a TEE that protects less than it must.
        self.known.provisioned(&self.tee).await?;
        self.settle_creations(Unfinished::Of(registration_id)).await?;
        let asked_for = case.account_id.take().or_else(|| registration.account_id.clone());
        if let Some(wallet) = self.made_before(asked_for.as_ref(), &registration).await? {
            case.account_id = Some(wallet.account_id.clone());
            case.is_repeated = true;
            if scheme.is_some_and(|scheme| scheme != wallet.signature_scheme) {
                return Err(GatewayError::SignatureSchemeConflict);
            }
            return Ok((wallet, registration));
        }
        let account_id = asked_for.unwrap_or_else(|| AccountId::of_credential(&registration.credential_id));
        if !account_id.can_name_account_of(&registration.credential_id) {
            return Err(GatewayError::Refused(Status::AccountIdReserved));
        }
        case.account_id = Some(account_id.clone());
        if self.store.has_account(&account_id).await? && self.wallet_in_index(&account_id).await?.is_some() {
            return Err(GatewayError::Refused(Status::AccountExists));
        }
        let creation = Creation { registration_id, account_id, registration, asked_at: now, expires_at };
        // Before the TEE makes it: whoever is killed after that knows whose it is.
        self.store.save_creation(creation.clone()).await?;
        let made = self
            .tee
            .call(&CreateHybridAccount {
                account_id: creation.account_id.clone(),
                signature_scheme: scheme.unwrap_or(self.settings.signature_scheme),
                registration: creation.registration.registration.clone(),
            })
            .await;
        self.unknown.remove(&creation.account_id);
        case.is_in_doubt = made.as_ref().is_err_and(TeeError::is_in_doubt);
        let wallet = match made {
            Ok(wallet) => wallet,
            Err(error) => return Err(self.with_ceiling(error.into()).await),
        };
        if !creation.made(&wallet) {
            return Err(GatewayError::TeeReplyInvalid);
        }
        if scheme.is_some_and(|scheme| scheme != wallet.signature_scheme) {
            return Err(GatewayError::SignatureSchemeConflict);
        }
        self.index(&creation, &wallet).await?;
        Ok((wallet, creation.registration))
    }

    /// Settles some that nobody will ask for again, in the background: who makes an account does
    /// not wait for others'.
    fn sweep_creations(self: &Arc<Self>) {
        let Ok(turn) = Arc::clone(&self.sweep).try_acquire_owned() else { return };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = turn;
            match inner.settle_creations(Unfinished::Expired { now: inner.clock.now() }).await {
                Ok(()) => inner.creations_log.worked(SWEEP),
                Err(error) => inner.creations_log.failed(SWEEP, error),
            }
        });
    }

    /// Asks the TEE what became of accounts that it was asked for and that the index does not know.
    /// Those that are there with their passkey go into the index; those that are not are forgotten,
    /// once nobody can finish them any more. One that can't be settled goes behind the others, and
    /// keeps none of them waiting.
    async fn settle_creations(&self, which: Unfinished) -> Result<(), GatewayError> {
        let is_over = matches!(which, Unfinished::Expired { .. });
        let mut failure = None;
        for FoundCreation { row, creation } in self.store.unfinished_creations(&which).await? {
            let settled = match &creation {
                Some(creation) => self.settle(creation, is_over).await,
                None => Err(GatewayError::Internal),
            };
            if let Err(error) = settled {
                self.store.creation_was_tried(row, self.clock.now()).await?;
                failure = Some(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn settle(&self, creation: &Creation, is_over: bool) -> Result<(), GatewayError> {
        match self.known.wallet(&self.tee, &creation.account_id, Asker::Anyone).await {
            Ok(wallet) if creation.made(&wallet) => self.index(creation, &wallet).await,
            // That it is not there is an answer, whether or not it may be made later.
            Err(error) if error.is_retryable() && !matches!(error, GatewayError::Refused(Status::AccountUnknown)) => {
                Err(error)
            }
            Ok(_) | Err(_) if is_over => Ok(self.store.forget_creation(creation.registration_id).await?),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn index(&self, creation: &Creation, wallet: &WalletInfo) -> Result<(), GatewayError> {
        let entry = AccountEntry {
            wallet: wallet.clone(),
            credential_id: creation.registration.credential_id.to_vec(),
            created_at: creation.asked_at,
        };
        Ok(self.store.save_account(entry).await?)
    }

    /// The wallet of an account that the index knows; `None` where the index is of a TEE that lost
    /// its state.
    async fn wallet_in_index(&self, account_id: &AccountId) -> Result<Option<Arc<WalletInfo>>, GatewayError> {
        match self.known.wallet(&self.tee, account_id, Asker::Anyone).await {
            Ok(wallet) => Ok(Some(wallet)),
            Err(GatewayError::Refused(Status::AccountUnknown)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account that the credential has already, answered without a new call that creates one:
    /// whoever had one created may ask again as often as they like.
    ///
    /// # Errors
    /// `credential_conflict`: it has another account than the one asked for, or the account has
    /// another key.
    async fn made_before(
        &self,
        asked_for: Option<&AccountId>,
        verified: &VerifiedRegistration,
    ) -> Result<Option<WalletInfo>, GatewayError> {
        let Some(account_id) = self.store.account_of_credential(&verified.credential_id).await? else {
            return Ok(None);
        };
        let Some(wallet) = self.wallet_in_index(&account_id).await? else { return Ok(None) };
        let is_asked_for = asked_for.is_none_or(|asked_for| *asked_for == account_id);
        if !is_asked_for || !verified.is_of(&wallet) {
            return Err(GatewayError::Refused(Status::CredentialConflict));
        }
        Ok(Some(Arc::unwrap_or_clone(wallet)))
    }
}

impl Creation {
    /// Whether this wallet is what was asked for: of this id, and with this passkey and no other.
    fn made(&self, wallet: &WalletInfo) -> bool {
        wallet.account_id == self.account_id && wallet.passkeys.len() == 1 && self.registration.is_of(wallet)
    }
}

impl VerifiedRegistration {
    /// Whether its passkey is one of the wallet's.
    fn is_of(&self, wallet: &WalletInfo) -> bool {
        let Self { credential_id, public_key, .. } = self;
        wallet
            .passkeys
            .iter()
            .any(|passkey| passkey.credential_id == *credential_id && passkey.public_key == *public_key)
    }
}
