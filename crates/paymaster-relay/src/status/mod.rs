//! Whether requests can be accepted, and whether every sponsorship could succeed now. Problems are
//! described to operators only.

mod allowances;
mod chain;
mod check;
mod missing;
mod tee;

use std::sync::Arc;

use futures_util::future::join_all;

pub use self::check::Check;

use self::chain::Look;
use self::missing::{Missing, in_words};
use self::tee::{OwnKey, SeenRecord, told};
use crate::catalogue::Catalogue;
use crate::claims::ClaimStore;
use crate::error::RelayError;
use crate::kms::Kms;
use crate::parts::Parts;
use crate::relay_key::RelayKey;
use crate::settle::Settler;
use crate::store::{Store, StoreError};

/// Reports whether requests can be accepted, and sponsored.
pub struct Readiness {
    settlers: Vec<Arc<Settler>>,
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
    claims: Arc<dyn ClaimStore>,
    kms: Arc<dyn Kms>,
    relay_key: Arc<RelayKey>,
    seen_record: SeenRecord,
}

impl Readiness {
    /// Makes no requests yet. There is one settler per chain.
    #[must_use]
    pub fn new(settlers: Vec<Arc<Settler>>, parts: &Parts) -> Self {
        let Parts { catalogue, store, claims, kms, relay_key, .. } = parts.clone();
        Self { settlers, catalogue, store, claims, kms, relay_key, seen_record: SeenRecord::default() }
    }

    /// Whether this process can accept requests: its database accepts writes. Shared dependencies
    /// are not checked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    /// All requirements of sponsorships, each checked now: first those of the node, then those of
    /// each chain.
    pub async fn status(&self) -> Vec<Check> {
        let in_full = |error: RelayError| error.in_full();
        let kms_and_chains = async {
            // Held meanwhile: a rotation in between would look like somebody else's.
            let key = self.relay_key.lease().await;
            let signers = self.kms.signers().await.map_err(RelayError::from);
            let (address, made_for) = (key.address(), key.made_for());
            let open_rotation = self.relay_key.open_rotation();
            let own = OwnKey { address, made_for, seen: &self.seen_record, open_rotation };
            drop(key);
            let Self { catalogue, store, kms, .. } = self;
            let looks = self.settlers.iter().map(|settler| Look { settler, catalogue, store, kms, signers: &signers });
            let chains = join_all(looks.map(|look| async move { look.checks().await })).await;
            (signers, own, chains)
        };
        let (store, claims, kms, one_tee, (signers, own, chains)) = tokio::join!(
            self.store.ready(),
            self.claims.ready(),
            self.kms.ready(),
            self.kms.is_one_tee(),
            kms_and_chains
        );
        let kms = kms.map_err(|error| in_full(error.into()));
        let known = || signers.as_ref().map_err(|_| Missing::TeeUnknown);
        let relay_key =
            known().and_then(|known| tee::relay_key(known, self.kms.url(), &own, &self.catalogue.policies()));
        let ceilings = in_words(known().map(drop)).and_then(|()| tee::ceilings(told(&signers), &self.catalogue));
        let allowances = allowances::allowances(&signers, &self.catalogue);
        let relying_party = signers.as_ref().map_or(Ok(()), |known| tee::relying_party(known, &self.catalogue));
        let of_node = [
            Check::of("store", store.map_err(|error| in_full(error.into()))),
            Check::of("claims", claims.map_err(|error| in_full(error.into()))),
            Check::of("kms", kms.and(one_tee.map_err(|several| several.to_string())).and(in_words(relying_party))),
            Check::of("tee", signers.map(drop).map_err(in_full)),
            Check::of("relay_key", in_words(relay_key)),
            Check::of("ceilings", ceilings),
            Check::of("allowances", allowances),
        ];
        of_node.into_iter().chain(chains.into_iter().flatten()).collect()
    }

    /// Every bundler on its own. [`Self::status`] reports one that does not answer only if none
    /// does.
    pub async fn bundlers(&self) -> Vec<Check> {
        let of_chain = self.settlers.iter().map(|settler| async {
            let chain = settler.chain();
            let Some(bundlers) = &chain.bundlers else { return Vec::new() };
            let found = bundlers.look().await.into_iter().map(|problem| problem.map(|problem| problem.to_string()));
            found.map(|problem| Check { name: "bundler", chain_id: chain.listed_id(), problem }).collect()
        });
        join_all(of_chain).await.concat()
    }
}
