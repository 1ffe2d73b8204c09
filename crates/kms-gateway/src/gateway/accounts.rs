//! Registration of a passkey, and creation of its account.

use std::sync::Arc;

use proto::command::{CreateHybridAccount, SignatureScheme, WalletInfo};
use proto::primitives::keccak256;
use proto::{AccountId, Address, Hash, Status};
use serde_json::Value;
use uuid::Uuid;

use super::decision::{Case, OK, detached};
use super::strangers::Inquirer;
use super::strangers::StrangersTurn;
use super::{Caller, Gateway, GatewayError, Inner};
use crate::ceremony::{NewUser, Verified, VerifiedRegistration};
use crate::factory::AccountFactory;
use crate::store::{AccountEntry, Action, AuditRecord, Creation, Decision, FoundCreation, Unfinished};
use crate::tee::TeeError;
use crate::transport::Asker;

/// The task that settles accounts, as named in outage messages.
const SWEEP: &str = "the sweep";

/// The account returned by `create_account`.
#[derive(Clone, Debug)]
pub struct CreatedAccount {
    /// The TEE's record.
    pub wallet: WalletInfo,
    /// The passkey it was created with.
    pub registration: VerifiedRegistration,
    /// The factory, and the address it gives to the account, if one is configured for its signature
    /// scheme.
    pub sender: Option<CounterfactualSender>,
    /// keccak256(credentialId): the factory's salt.
    pub salt: Hash,
    /// Whether this request created it. Otherwise it existed, and the caller may be anyone: a
    /// registration can be repeated with the account's public facts.
    pub is_new: bool,
}

/// The account of a registration.
struct Made {
    wallet: WalletInfo,
    registration: VerifiedRegistration,
    /// Whether it did not exist before.
    is_new: bool,
}

/// The address of an account, deployed or not.
#[derive(Clone, Copy, Debug)]
pub struct CounterfactualSender {
    /// The factory contract.
    pub factory: Address,
    /// The account contract.
    pub sender: Address,
}

impl Gateway {
    /// Begins a passkey registration: returns its id, and PublicKeyCredentialCreationOptionsJSON
    /// for the browser. A caller that could not create an account is refused here, before the user
    /// creates a passkey in vain.
    ///
    /// # Errors
    /// `registration_invalid`, `account_id_reserved`, `creation_unauthorised`, `api_key_unknown`,
    /// `invitation_invalid`, `invitation_expired`, `invitation_used_up`.
    pub async fn begin_registration(&self, user: NewUser, caller: &Caller) -> Result<(String, Value), GatewayError> {
        self.inner.check_begin(caller.principal, self.inner.clock.now()).await?;
        Ok(self.inner.ceremonies.begin(user, self.inner.clock.now())?)
    }

    /// Verifies the browser's RegistrationResponseJSON; returns the id for creating its account,
    /// and the passkey. Nothing is created or changed, so the call is counted but has no audit row.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn finish_registration(
        &self,
        id: &str,
        credential: &Value,
    ) -> Result<(String, VerifiedRegistration), GatewayError> {
        let outcome = self.inner.ceremonies.finish(id, credential, self.inner.clock.now()).map_err(GatewayError::from);
        self.inner.count(Action::RegisterPasskey, &outcome);
        outcome
    }

    /// Creates the account of a verified registration. The same credential gives the same account,
    /// even after a restart in between.
    ///
    /// `account_id` defaults to the one given when the registration began, otherwise to the
    /// credential's; `scheme` defaults to the one in the settings.
    ///
    /// # Errors
    /// `registration_unknown`, `registration_not_verified`, a refusal of permission
    /// (`creation_unauthorised`, `api_key_unknown`, `invitation_invalid`, `invitation_expired`,
    /// `invitation_used_up`, `creation_rationed`), `account_exists`, `credential_conflict`,
    /// `signature_scheme_conflict`, `factory_unavailable` after the account was created, or the
    /// trusted application's refusal.
    pub async fn create_account(
        &self,
        registration_id: &str,
        account_id: Option<AccountId>,
        scheme: Option<SignatureScheme>,
        caller: &Caller,
    ) -> Result<CreatedAccount, GatewayError> {
        let (inner, mut case) = (Arc::clone(&self.inner), Case::new(Action::CreateAccount, caller));
        let verified = inner.ceremonies.verified(registration_id, inner.clock.now()).map_err(GatewayError::from);
        let Made { wallet, registration, is_new } = detached(async move {
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
        let sender = match self.inner.factory_of(wallet.signature_scheme) {
            Some(factory) => Some(CounterfactualSender {
                factory: factory.address(),
                sender: factory.counterfactual_sender(&wallet.owner, &salt).await?,
            }),
            None => None,
        };
        Ok(CreatedAccount { wallet, registration, sender, salt, is_new })
    }

    /// The factory of accounts with this scheme, if one is configured.
    #[must_use]
    pub fn factory_of(&self, scheme: SignatureScheme) -> Option<Address> {
        self.inner.factory_of(scheme).map(AccountFactory::address)
    }

    /// An account's public facts.
    ///
    /// The index may have been lost, so only the TEE can say that an account does not exist. But
    /// anyone may ask for any id: lookups of ids that the index does not know wait for each other
    /// instead of delaying sponsorships, and an id that the TEE does not know either is looked up
    /// only once in a few seconds.
    ///
    /// # Errors
    /// `account_unknown`, or if the TEE does not answer.
    pub async fn wallet(&self, account_id: &AccountId, caller: &Caller) -> Result<WalletInfo, GatewayError> {
        if let Some(wallet) = self.inner.known.kept_wallet(&self.inner.tee, account_id) {
            return Ok(Arc::unwrap_or_clone(wallet));
        }
        self.inner.check_not_unknown(account_id)?;
        let is_stranger = !self.inner.store.has_account(account_id).await.unwrap_or(false);
        let turn = if is_stranger { Some(self.inner.stranger(account_id, Inquirer::of(caller)).await?) } else { None };
        let (inner, account_id) = (Arc::clone(&self.inner), account_id.clone());
        detached(async move {
            let _turn = turn;
            let wallet = inner.wallet_now(&account_id).await?;
            // It may be an account whose creation was interrupted.
            if is_stranger && let Err(error) = inner.settle_creations(Unfinished::Named(account_id)).await {
                tracing::warn!(%error, "an account is not in the index yet");
            }
            Ok(Arc::unwrap_or_clone(wallet))
        })
        .await
    }
}

impl Inner {
    /// An account of another scheme can send nothing from an address that the factory gives it.
    fn factory_of(&self, scheme: SignatureScheme) -> Option<&dyn AccountFactory> {
        self.factory.as_deref().filter(|_| scheme == self.settings.scheme_of_factory())
    }

    /// A turn to look up an account that the index does not know.
    async fn stranger(&self, account_id: &AccountId, inquirer: Inquirer) -> Result<StrangersTurn, GatewayError> {
        let turn = self.strangers.turn(inquirer).await?;
        // The previous holder of the turn may have looked it up.
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
    ) -> Result<Made, GatewayError> {
        let now = self.clock.now();
        let asked_for = case.account_id.take().or_else(|| registration.account_id.clone());
        let account_id = asked_for.clone().unwrap_or_else(|| AccountId::of_credential(&registration.credential_id));
        // The row of a refusal names it too.
        case.account_id = Some(account_id.clone());
        self.permit(&registration.credential_id, case, now).await?;
        // Not in a TEE with less than the required protection.
        self.known.provisioned(&self.tee).await?;
        self.settle_creations(Unfinished::Of(registration_id)).await?;
        if let Some(wallet) = self.made_before(asked_for.as_ref(), &registration).await? {
            case.account_id = Some(wallet.account_id.clone());
            case.is_repeated = true;
            if scheme.is_some_and(|scheme| scheme != wallet.signature_scheme) {
                return Err(GatewayError::SignatureSchemeConflict);
            }
            return Ok(Made { wallet, registration, is_new: false });
        }
        if !account_id.can_name_account_of(&registration.credential_id) {
            return Err(GatewayError::Refused(Status::AccountIdReserved));
        }
        // The index may have been lost, or another gateway may have created it.
        let is_new = self.wallet_in_tee(&account_id).await?.is_none();
        if !is_new && self.store.has_account(&account_id).await? {
            return Err(GatewayError::Refused(Status::AccountExists));
        }
        let creation = Creation { registration_id, account_id, registration, asked_at: now, expires_at };
        // Recorded before the TEE creates the account: after a crash the record tells whose it is.
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
            Err(error) => {
                if let TeeError::Refused(status) = &error {
                    self.refused(&creation, *status).await?;
                }
                return Err(self.with_ceiling(error.into()).await);
            }
        };
        if !creation.made(&wallet) {
            return Err(GatewayError::TeeReplyInvalid);
        }
        if scheme.is_some_and(|scheme| scheme != wallet.signature_scheme) {
            return Err(GatewayError::SignatureSchemeConflict);
        }
        // Until the index and the audit have it.
        case.is_in_doubt = true;
        case.has_row = self.index(&creation, &wallet, case.row(now, Decision::Allowed, OK, 0)).await?;
        Ok(Made { wallet, registration: creation.registration, is_new })
    }

    /// The TEE refused a creation: its record is not kept, since the same passkey may be refused
    /// any number of times. If there is an account with that id, it may have been created by an
    /// earlier call for the same registration, whose answer was lost.
    async fn refused(&self, creation: &Creation, status: Status) -> Result<(), GatewayError> {
        match status {
            Status::AccountExists => self.settle(creation, true).await,
            _ => Ok(self.store.forget_creation(creation.registration_id).await?),
        }
    }

    /// Settles some interrupted creations in the background: a caller that creates an account does
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

    /// Asks the TEE about accounts that it was asked to create and that the index does not know.
    /// Those that exist with their passkey are added to the index; others are forgotten once nobody
    /// can complete them any more. One that cannot be settled moves behind the others, and delays
    /// none of them.
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
            Ok(wallet) if creation.made(&wallet) => {
                // The request that it belongs to has no row, or one that says `unknown`.
                let mut case = Case::new(Action::CreateAccount, &Caller::internal(Uuid::new_v4()));
                case.account_id = Some(creation.account_id.clone());
                self.index(creation, &wallet, case.row(self.clock.now(), Decision::Allowed, OK, 0)).await.map(drop)
            }
            // Its absence is an answer, whether or not it may be created later.
            Err(error) if error.is_retryable() && !matches!(error, GatewayError::Refused(Status::AccountUnknown)) => {
                Err(error)
            }
            Ok(_) | Err(_) if is_over => Ok(self.store.forget_creation(creation.registration_id).await?),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Adds the account to the index, and the row to the audit; neither if the index has it from
    /// before, as from a TEE that is lost. Returns whether they were added.
    async fn index(&self, creation: &Creation, wallet: &WalletInfo, row: AuditRecord) -> Result<bool, GatewayError> {
        let entry = AccountEntry {
            wallet: wallet.clone(),
            credential_id: creation.registration.credential_id.to_vec(),
            created_at: creation.asked_at,
        };
        Ok(self.store.save_account(entry, row).await?)
    }

    /// The wallet with this id; `None` if the TEE has none, whatever the index says: it may belong
    /// to a TEE that lost its state.
    async fn wallet_in_tee(&self, account_id: &AccountId) -> Result<Option<Arc<WalletInfo>>, GatewayError> {
        match self.known.wallet(&self.tee, account_id, Asker::Anyone).await {
            Ok(wallet) => Ok(Some(wallet)),
            Err(GatewayError::Refused(Status::AccountUnknown)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The existing account of the credential, returned without another creation call: the caller
    /// may repeat the request any number of times.
    ///
    /// # Errors
    /// `credential_conflict`: it has another account than the requested one, or the account has
    /// another key.
    async fn made_before(
        &self,
        asked_for: Option<&AccountId>,
        verified: &VerifiedRegistration,
    ) -> Result<Option<WalletInfo>, GatewayError> {
        let Some(account_id) = self.store.account_of_credential(&verified.credential_id).await? else {
            return Ok(None);
        };
        let Some(wallet) = self.wallet_in_tee(&account_id).await? else { return Ok(None) };
        let is_asked_for = asked_for.is_none_or(|asked_for| *asked_for == account_id);
        if !is_asked_for || !verified.is_of(&wallet) {
            return Err(GatewayError::Refused(Status::CredentialConflict));
        }
        Ok(Some(Arc::unwrap_or_clone(wallet)))
    }
}

impl Creation {
    /// Whether this wallet matches the request: this id, with only this passkey.
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
