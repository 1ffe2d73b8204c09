//! Recorded blocks, which identify the chain that was read.

use paymaster_relay::store::NewSponsorship;
use proto::Hash;

use super::Storage;
use super::samples::{CHAIN, deployment, deployment_of, on_chain, proven, read, reserve, sponsorship};

fn hash(byte: u8) -> Hash {
    Hash([byte; 32])
}

pub async fn blocks_are_told_from_the_lowest_on_and_keep_their_hash(storage: &dyn Storage) {
    let store = storage.open().await;
    for (number, byte) in [(30, 3), (10, 1), (20, 2), (10, 9)] {
        store.note_known_block(CHAIN, number, hash(byte)).await.unwrap();
    }
    let all = [(10, hash(1)), (20, hash(2)), (30, hash(3))];
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), all);
    drop(store);
    let store = storage.open().await;
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), all);
    store.forget_known_blocks(CHAIN, vec![30, 10, 5]).await.unwrap();
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), [(20, hash(2))]);
}

pub async fn blocks_read_from_another_chain_are_reread(storage: &dyn Storage) {
    let store = storage.open().await;
    let elsewhere = NewSponsorship { deployment: deployment_of(8), block: 7, ..sponsorship(2, proven(), None) };
    reserve(&*store, &sponsorship(1, proven(), None)).await;
    reserve(&*store, &elsewhere).await;
    store.settle(&deployment(), &read(50, 5, None)).await.unwrap();
    let noted = async || {
        for number in [10, 20, 30] {
            store.note_known_block(CHAIN, number, hash(1)).await.unwrap();
        }
    };
    noted().await;
    store.read_again_from(CHAIN, 20, Some(20)).await.unwrap();
    assert_eq!(store.next_block(&deployment()).await.unwrap(), Some(20));
    assert_eq!(store.next_block(&deployment_of(8)).await.unwrap(), Some(7), "it was not read as far");
    assert_eq!(store.highest_block(CHAIN).await.unwrap(), Some(20));
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), [(10, hash(1)), (20, hash(1))]);
    noted().await;
    store.read_again_from(CHAIN, 0, None).await.unwrap();
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), []);
    assert_eq!(store.next_block(&deployment_of(8)).await.unwrap(), Some(0));
}

pub async fn blocks_of_one_chain_are_none_of_another(storage: &dyn Storage) {
    let store = storage.open().await;
    let (here, there) = (deployment(), on_chain(2));
    for (chain_id, deployment, block) in [(CHAIN, here, 40), (2, there, 900)] {
        let new = sponsorship(u8::try_from(chain_id).unwrap(), proven(), None);
        reserve(&*store, &NewSponsorship { deployment, block, ..new }).await;
        store.note_known_block(chain_id, 10, hash(u8::try_from(chain_id).unwrap())).await.unwrap();
        store.note_known_block(chain_id, 30, hash(3)).await.unwrap();
    }
    assert_eq!(store.known_blocks(CHAIN).await.unwrap(), [(10, hash(1)), (30, hash(3))]);
    assert_eq!(store.known_blocks(2).await.unwrap(), [(10, hash(2)), (30, hash(3))]);
    assert_eq!(store.highest_block(CHAIN).await.unwrap(), Some(40));
    store.forget_known_blocks(CHAIN, vec![10]).await.unwrap();
    store.read_again_from(CHAIN, 5, None).await.unwrap();
    assert_eq!((store.known_blocks(CHAIN).await.unwrap(), store.known_blocks(2).await.unwrap().len()), (vec![], 2));
    assert_eq!((store.next_block(&here).await.unwrap(), store.next_block(&there).await.unwrap()), (Some(5), Some(900)));
    assert_eq!(store.highest_block(2).await.unwrap(), Some(900));
}
