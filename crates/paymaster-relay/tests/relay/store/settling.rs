//! Mined operations, expired reservations, and the next block to read.

use paymaster_relay::budget::{Excess, Scope};
use paymaster_relay::store::{
    BlocksRead, Contracts, Expired, NewSponsorship, Principal, Reserved, Settled, Settlement, SponsorshipId, State,
};
use proto::{Terms, Wei};

use super::Storage;
use super::samples::{
    CHAIN, COST, GWEI, NEVER, PLENTY, again, contracts, counted, deployment, deployment_of, found, gwei, key, keyed,
    limits, on_chain, proven, read, release_expired, reserve, reserve_signed, reserved, settlement, signed,
    sponsorship,
};

pub async fn a_window_lasts_to_its_last_second(storage: &dyn Storage) {
    let store = storage.open().await;
    let (reserved_only, signed_too) = (sponsorship(3, proven(), None), sponsorship(4, proven(), None));
    reserve(&*store, &reserved_only).await;
    reserve_signed(&*store, 4, &signed_too).await;
    assert_eq!(release_expired(&*store, contracts(), 103).await, 0);
    assert_eq!(release_expired(&*store, contracts(), 104).await, 1);
    assert_eq!((found(&store, &reserved_only).await, reserved(&store).await), (None, COST));
    assert_eq!(release_expired(&*store, contracts(), 105).await, 1);
    assert_eq!((release_expired(&*store, contracts(), NEVER).await, reserved(&store).await), (0, 0));
}

pub async fn only_reservations_of_these_contracts_expire(storage: &dyn Storage) {
    let store = storage.open().await;
    let elsewhere = NewSponsorship { deployment: deployment_of(8), ..sponsorship(2, proven(), None) };
    reserve(&*store, &sponsorship(1, proven(), None)).await;
    reserve(&*store, &elsewhere).await;
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 1);
    assert_eq!(store.reserved(&deployment_of(8)).await.unwrap(), gwei(COST));
    assert_eq!(release_expired(&*store, Contracts::from(&deployment_of(8)), NEVER).await, 1);
}

pub async fn an_expired_sponsorship_is_listed_and_released_or_settled_once(storage: &dyn Storage) {
    let store = storage.open().await;
    let samples: Vec<_> = (1..=4).map(|number| sponsorship(number, proven(), None)).collect();
    for (number, sample) in (1..).zip(&samples) {
        reserve_signed(&*store, number, sample).await;
    }
    assert_eq!(store.expired(contracts(), NEVER, 3).await.unwrap().len(), 3);
    assert_eq!(store.expired(Contracts::from(&deployment_of(8)), NEVER, 3).await.unwrap(), []);
    let of = |sample: &NewSponsorship| Expired {
        id: sample.id.clone(),
        intent: sample.intent,
        sender: sample.sender,
        nonce: sample.account_nonce,
        block: Some(sample.block),
        max_cost: sample.max_cost,
    };
    let mut expired = store.expired(contracts(), 104, 9).await.unwrap();
    expired.sort_by_key(|expired| samples.iter().position(|sample| sample.id == expired.id));
    assert_eq!(expired, samples[..3].iter().map(of).collect::<Vec<_>>());

    // One is renewed in the meantime, another mined.
    let later = Terms { valid_until: 1000, ..samples[0].terms };
    assert!(store.renew(&samples[0].id, &later, 9).await.unwrap());
    store.settle(&deployment(), &read(5, 2, Some((signed(2).user_op_hash, 5)))).await.unwrap();
    for sample in &samples[..2] {
        assert!(!store.settle_unknown(&sample.id, 104, 4, Wei(GWEI)).await.unwrap());
    }
    let ids = samples[..2].iter().map(|sample| sample.id.clone()).collect();
    assert_eq!((store.release_expired(ids, 104).await.unwrap(), reserved(&store).await), (0, 4 * COST));

    for is_settled in [true, false] {
        assert_eq!(store.settle_unknown(&samples[2].id, 104, 4, Wei(GWEI)).await.unwrap(), is_settled);
    }
    assert_eq!(store.release_expired(vec![samples[2].id.clone()], 104).await.unwrap(), 0);
    let missed = settlement(4, GWEI);
    assert!(!store.settle_missed(&samples[2].id, 104, &missed).await.unwrap());
    for (ended_before, is_settled) in [(104, false), (105, true), (105, false)] {
        assert_eq!(store.settle_missed(&samples[3].id, ended_before, &missed).await.unwrap(), is_settled);
    }
    assert_eq!(found(&store, &samples[2]).await.map(|record| record.state), Some(State::Settled));
    assert_eq!(reserved(&store).await, 2 * COST);
}

pub async fn what_was_mined_at_other_contracts_is_closed_once_it_is_final(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    store.settle(&deployment(), &read(5, 2, Some((signed(1).user_op_hash, 5)))).await.unwrap();
    let elsewhere = Contracts::from(&deployment_of(8));
    for (contracts, last_final, state) in
        [(contracts(), 4, State::Mined), (elsewhere, 9, State::Mined), (contracts(), 5, State::Settled)]
    {
        store.close_final(contracts, last_final).await.unwrap();
        assert_eq!(found(&store, &new).await.map(|record| record.state), Some(state), "{last_final}");
    }
    assert_eq!(reserved(&store).await, 0);
}

pub async fn an_operation_sponsored_for_several_is_that_of_each(storage: &dyn Storage) {
    let store = storage.open().await;
    let of_one = sponsorship(1, proven(), None);
    let of_other = NewSponsorship { id: SponsorshipId::new(), principal: Principal::Anonymous, ..of_one.clone() };
    let both = [&of_one, &of_other];
    for each in both {
        reserve_signed(&*store, 1, each).await;
    }
    let later = Terms { valid_until: 1000, ..of_one.terms };
    for each in both {
        assert!(store.renew(&each.id, &later, 9).await.unwrap());
        assert!(store.record_signed(&each.id, &later, &signed(2)).await.unwrap());
    }
    for hash in [1, 2] {
        let of_hash = store.sponsorships_of(&signed(hash).user_op_hash).await.unwrap();
        assert!(
            of_hash.len() == 2 && both.iter().all(|each| of_hash.contains(&(each.id.clone(), each.intent))),
            "{hash}"
        );
    }
    store.settle(&deployment(), &read(5, 0, Some((signed(1).user_op_hash, 5)))).await.unwrap();
    for each in both {
        assert_eq!(found(&store, each).await.map(|record| record.state), Some(State::Settled));
    }
}

pub async fn an_operation_is_that_of_its_sponsorship_before_and_after_a_renewal(storage: &dyn Storage) {
    let store = storage.open().await;
    let (new, other) = (sponsorship(1, proven(), None), sponsorship(2, proven(), None));
    reserve_signed(&*store, 1, &new).await;
    reserve_signed(&*store, 3, &other).await;
    let later = Terms { valid_until: 1000, ..new.terms };
    assert!(store.renew(&new.id, &later, 9).await.unwrap());
    assert!(store.record_signed(&new.id, &later, &signed(2)).await.unwrap());
    let [new, other] = [new, other].map(|new| (new.id, new.intent));
    for (number, of) in [(1, vec![new.clone()]), (2, vec![new]), (3, vec![other]), (4, vec![])] {
        assert_eq!(store.sponsorships_of(&signed(number).user_op_hash).await.unwrap(), of, "{number}");
    }
}

pub async fn a_mined_operation_is_counted_until_its_block_is_final(storage: &dyn Storage) {
    let store = storage.open().await;
    let first = sponsorship(1, proven(), Some(key()));
    reserve_signed(&*store, 1, &first).await;
    let open = [(Scope::ApiKey, 1), (Scope::Account, 1)];
    let state = async || found(&store, &first).await.map(|record| record.state);
    let (hash, stranger) = (signed(1).user_op_hash, signed(9).user_op_hash);

    let mut blocks = read(5, 2, Some((hash, 5)));
    blocks.mined.push((stranger, Settlement { succeeded: false, ..settlement(4, GWEI) }));
    let settled = store.settle(&deployment(), &blocks).await.unwrap();
    assert_eq!((settled.ours, settled.unknown[0].0, settled.reorganised), (1, stranger, 0));
    assert_eq!((state().await, counted(&store, &first).await), (Some(State::Mined), open.to_vec()));

    // A request that read the deposit before the operation was mined still finds it reserved.
    let second = sponsorship(2, proven(), None);
    let outcome = store.reserve(&second, &limits(&second, 2 * COST - GWEI)).await.unwrap();
    assert_eq!(outcome, Reserved::OverLimit(Excess::Deposit { reserved: gwei(COST) }));
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 0, "it is mined, whatever its window is");

    // Its block disappears, with or without a replacement; then the operation is mined in a later
    // one.
    for latest in [5, 3] {
        store.settle(&deployment(), &read(5, 2, Some((hash, 5)))).await.unwrap();
        let gone = store.settle(&deployment(), &read(latest, 2, None)).await.unwrap();
        assert_eq!(gone, Settled { reorganised: 1, ..Settled::default() });
        assert_eq!((state().await, counted(&store, &first).await), (Some(State::Signed), open.to_vec()));
    }
    store.settle(&deployment(), &read(7, 2, Some((hash, 6)))).await.unwrap();
    assert_eq!((state().await, reserved(&store).await), (Some(State::Mined), COST));
    // Nothing is undone for blocks that are not reread.
    let later = BlocksRead { from: 7, ..read(8, 2, None) };
    assert_eq!(store.settle(&deployment(), &later).await.unwrap(), Settled::default());
    assert_eq!((state().await, reserved(&store).await), (Some(State::Settled), 0));
    assert_eq!(counted(&store, &first).await, [(Scope::ApiKey, 0), (Scope::Account, 0)]);
}

pub async fn a_signature_from_before_a_renewal_is_settled_too(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    let later = Terms { valid_until: 1000, ..new.terms };
    assert!(store.renew(&new.id, &later, 9).await.unwrap());
    assert!(store.record_signed(&new.id, &later, &signed(2)).await.unwrap());
    for (block, hash) in [(5, 1), (6, 2)] {
        let settled = store.settle(&deployment(), &read(block, 6, Some((signed(hash).user_op_hash, block)))).await;
        assert_eq!(settled.unwrap().ours, 1, "{hash}");
        assert_eq!(found(&store, &new).await.map(|record| record.state), Some(State::Mined));
    }
}

pub async fn a_released_sponsorship_is_settled_if_it_is_mined_after_all(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = keyed("order", sponsorship(1, proven(), None));
    reserve_signed(&*store, 1, &new).await;
    assert_eq!(release_expired(&*store, contracts(), NEVER).await, 1);
    // Its key may belong to another one by now, and keeps belonging to it.
    let other = keyed("order", sponsorship(2, proven(), None));
    reserve(&*store, &other).await;
    let mined = read(2, 0, Some((signed(1).user_op_hash, 2)));
    assert_eq!(store.settle(&deployment(), &mined).await.unwrap().ours, 1);
    assert_eq!(found(&store, &new).await.map(|record| record.state), Some(State::Settled));
    assert_eq!(reserved(&store).await, COST, "it is not released again");
    let of_key = store.use_of_key(&other.key_space(), "order").await.unwrap();
    assert_eq!(of_key.map(|of_key| of_key.intent), Some(other.intent));
}

pub async fn the_same_blocks_may_be_recorded_again(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    for young in [2, 0] {
        let mined = read(2, young, Some((signed(1).user_op_hash, 1)));
        for _ in 0..3 {
            let settled = store.settle(&deployment(), &mined).await.unwrap();
            assert_eq!(settled, Settled { ours: 1, ..Settled::default() });
        }
        assert_eq!(reserved(&store).await, if young == 0 { 0 } else { COST });
        assert_eq!(store.next_block(&deployment()).await.unwrap(), Some(3));
    }
}

pub async fn settlement_begins_at_the_block_of_the_first_reservation_and_moves_on(storage: &dyn Storage) {
    let store = storage.open().await;
    assert_eq!(
        (store.next_block(&deployment()).await.unwrap(), store.highest_block(CHAIN).await.unwrap()),
        (None, None)
    );
    for (number, block) in [(1, 40), (2, 90)] {
        reserve(&*store, &NewSponsorship { block, ..sponsorship(number, proven(), None) }).await;
        assert_eq!(store.next_block(&deployment()).await.unwrap(), Some(40));
    }
    let elsewhere = NewSponsorship { deployment: deployment_of(8), block: 7, ..sponsorship(3, proven(), None) };
    reserve(&*store, &elsewhere).await;
    store.settle(&deployment(), &BlocksRead { from: 40, ..read(50, 5, None) }).await.unwrap();
    let mut next = store.next_blocks(CHAIN).await.unwrap();
    next.sort_by_key(|(_, block)| *block);
    assert_eq!(next, [(Contracts::from(&deployment_of(8)), 7), (contracts(), 51)]);
    assert_eq!(store.highest_block(CHAIN).await.unwrap(), Some(51));
    // The chain turned out to be shorter.
    store.settle(&deployment(), &BlocksRead { from: 40, ..read(45, 5, None) }).await.unwrap();
    assert_eq!(store.next_block(&deployment()).await.unwrap(), Some(46));
    assert_eq!(store.highest_block(CHAIN).await.unwrap(), Some(51));
}

pub async fn a_settled_sponsorship_is_found_while_its_window_lasts(storage: &dyn Storage) {
    let store = storage.open().await;
    let new = sponsorship(1, proven(), None);
    reserve_signed(&*store, 1, &new).await;
    for young in [1, 0] {
        store.settle(&deployment(), &read(1, young, Some((signed(1).user_op_hash, 1)))).await.unwrap();
        for (now, is_found) in [(101, true), (102, false)] {
            let record = store.find(&new.intent, &new.principal, now).await.unwrap();
            assert_eq!(record.map(|record| record.id), is_found.then(|| new.id.clone()), "{young} {now}");
        }
    }
    let second = again(&new);
    assert_eq!(store.reserve(&second, &limits(&second, PLENTY)).await.unwrap(), Reserved::Recorded);
    assert_eq!(found(&store, &new).await.map(|record| record.id), Some(second.id), "the newest");
}

pub async fn each_chain_settles_and_releases_its_own(storage: &dyn Storage) {
    let store = storage.open().await;
    let (here, there) = (deployment(), on_chain(2));
    let first = sponsorship(1, proven(), None);
    let second = NewSponsorship { deployment: there, ..sponsorship(2, proven(), None) };
    for (number, new) in [(1, &first), (2, &second)] {
        reserve_signed(&*store, number, new).await;
    }
    // The node of one chain reports an operation of the other, in final blocks.
    let foreign = read(9, 0, Some((signed(1).user_op_hash, 5)));
    let settled = store.settle(&there, &foreign).await.unwrap();
    assert_eq!((settled.ours, settled.unknown.len()), (0, 1));
    assert_eq!(found(&store, &first).await.map(|record| record.state), Some(State::Signed));
    assert_eq!(store.next_blocks(2).await.unwrap(), [(Contracts::from(&there), 10)]);
    assert_eq!(store.next_blocks(CHAIN).await.unwrap(), [(contracts(), 1)]);

    // It is mined; then a block of the other chain with that number becomes final, or disappears.
    store.settle(&here, &read(5, 2, Some((signed(1).user_op_hash, 5)))).await.unwrap();
    for mined in [None, Some((signed(2).user_op_hash, 5))] {
        assert_eq!(store.settle(&there, &read(9, 0, mined)).await.unwrap().reorganised, 0);
        assert_eq!(found(&store, &first).await.map(|record| record.state), Some(State::Mined));
    }
    assert_eq!(found(&store, &second).await.map(|record| record.state), Some(State::Settled));
    assert_eq!(store.reserved(&there).await.unwrap(), gwei(0));

    let (third, fourth) = (sponsorship(3, proven(), None), sponsorship(4, proven(), None));
    reserve(&*store, &third).await;
    reserve(&*store, &NewSponsorship { deployment: there, ..fourth }).await;
    assert_eq!(release_expired(&*store, Contracts::from(&there), NEVER).await, 1);
    assert_eq!((reserved(&store).await, store.reserved(&there).await.unwrap()), (2 * COST, gwei(0)));
}
