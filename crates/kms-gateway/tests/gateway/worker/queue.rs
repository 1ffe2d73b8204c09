//! The order in which waiting frames are sent.

use kms_gateway::transport::{Asker, Busy, TransportError, WorkerOptions};
use proto::command::Opcode;

use super::{Script, depth, frame_of, queue, queue_for, under_way};
use crate::support::{Gate, OPTIONS, at_once};

#[tokio::test]
async fn a_revocation_precedes_sponsorships_and_an_account_follows_them() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(OPTIONS, &gate);
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut waiting = Vec::new();
    let queued = [Opcode::CreateHybridAccount, Opcode::Sponsor, Opcode::RevokeSigner, Opcode::Sponsor];
    for (number, opcode) in (1..).zip(queued) {
        waiting.push(queue(&worker, frame_of(opcode, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen, [3, 2, 4, 1]);
}

#[tokio::test]
async fn relay_keys_take_turns_and_keyless_callers_count_as_one() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 20, ..OPTIONS }, &gate);
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut waiting = Vec::new();
    // A flood by one key, then two requests of another, a query, and the first request of a third
    // key.
    for (number, key) in (1..).zip([1, 1, 1, 1, 1, 2, 2, 0, 3]) {
        let frame = frame_of(Opcode::Sponsor, number);
        waiting.push(if key == 0 { queue(&worker, frame) } else { queue_for(&worker, key, frame) });
        depth(&worker, 1 + usize::from(number)).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen, [1, 6, 8, 9, 2, 7, 3, 4, 5]);
}

#[tokio::test]
async fn each_relay_key_may_use_half_of_what_the_others_leave() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 15, ..OPTIONS }, &gate);
    let sponsor = |record| worker.invoke(frame_of(Opcode::Sponsor, 0), Asker::RelayKey { record });
    for _ in 0..2 {
        gate.shut();
        let mut waiting = Vec::new();
        // Of 16 places, then of 8, of 4, of 2, and the last.
        for (key, places) in [(1, 8), (2, 4), (3, 2), (4, 1), (5, 1)] {
            for _ in 0..places {
                waiting.push(queue_for(&worker, key, frame_of(Opcode::Sponsor, 0)));
                depth(&worker, waiting.len()).await;
            }
            let full = Busy::Full { share: places, queue_length: 15 };
            assert_eq!(at_once(sponsor(key)), Err(TransportError::Busy(full)), "{key}");
        }
        gate.open();
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(worker.stats().depth, 0);
    }
}

#[tokio::test]
async fn accounts_use_at_most_half_of_the_queue_and_the_admin_has_room_when_it_is_full() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 3, ..OPTIONS }, &gate);
    gate.shut();
    let mut waiting = vec![under_way(&script, &worker).await];
    for number in 1..3 {
        waiting.push(queue(&worker, frame_of(Opcode::CreateHybridAccount, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    let refused = at_once(worker.invoke(frame_of(Opcode::CreateHybridAccount, 3), Asker::Anyone));
    assert_eq!(refused, Err(TransportError::Busy(Busy::Full { share: 2, queue_length: 3 })));
    waiting.push(queue_for(&worker, 4, frame_of(Opcode::Sponsor, 4)));
    depth(&worker, 4).await;
    let refused = at_once(worker.invoke(frame_of(Opcode::Sponsor, 5), Asker::RelayKey { record: 5 }));
    assert_eq!(refused, Err(TransportError::Busy(Busy::Full { share: 0, queue_length: 3 })));
    waiting.push(queue(&worker, frame_of(Opcode::RevokeSigner, 6)));
    depth(&worker, 5).await;
    gate.open();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_flood_of_sponsorships_delays_an_account_but_does_not_block_it() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.echo(WorkerOptions { queue_length: 63, ..OPTIONS }, &gate);
    gate.shut();
    let mut waiting = vec![under_way(&script, &worker).await];
    for number in 1..=32 {
        waiting.push(queue_for(&worker, 1, frame_of(Opcode::Sponsor, number)));
        depth(&worker, 1 + usize::from(number)).await;
    }
    waiting.push(queue(&worker, frame_of(Opcode::CreateHybridAccount, 100)));
    depth(&worker, 34).await;
    gate.open();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    let seen: Vec<u8> = script.0.lock().unwrap().seen[1..].iter().map(|frame| frame[3]).collect();
    assert_eq!(seen.iter().position(|mark| *mark == 100), Some(15), "{seen:?}");
}
