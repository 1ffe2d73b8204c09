//! The gateway's own key, and the TEE that it serves.

use kms_gateway::store::{Permit, ServedTeeRow};
use kms_gateway::transport::TeeName;
use proto::{Address, TeeId};

use super::Storage;
use super::samples::invited;

pub async fn the_key_of_registrations_is_random_and_stays(storage: &dyn Storage) {
    let store = storage.open().await;
    let key = store.registration_key().await.unwrap();
    assert_ne!(key.as_bytes(), &[0; 32]);
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.registration_key().await.unwrap().as_bytes(), key.as_bytes());
}

pub async fn the_first_tee_stays_until_it_is_forgotten(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(store.served_tee().await.unwrap(), None);
    let row = |number| ServedTeeRow { name: TeeName::Id(TeeId([number; 32])), paymaster_signer: Address([number; 20]) };
    for number in [1, 2] {
        store.remember_tee(TeeId([number; 32]), Address([number; 20])).await.unwrap();
        assert_eq!(store.served_tee().await.unwrap(), Some(row(1)));
    }
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.served_tee().await.unwrap(), Some(row(1)));
    assert_eq!(store.permit(invited(1)).await.unwrap(), Permit::Given);
    store.forget_tee().await.unwrap();
    assert_eq!(store.served_tee().await.unwrap(), None);
    assert_eq!(store.permit(invited(1)).await.unwrap(), Permit::Given, "not the permission of the one before");
    store.remember_tee(TeeId([2; 32]), Address([2; 20])).await.unwrap();
    assert_eq!(store.served_tee().await.unwrap(), Some(row(2)));
}
