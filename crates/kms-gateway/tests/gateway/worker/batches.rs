//! Several frames in one call.

use std::sync::Arc;

use kms_gateway::transport::{Asker, TransportError, Worker};
use proto::Bounded;
use proto::command::{Echo, GetVersion, VerifySecurityState};

use super::{Fate, Script, core, depth, frame, queue, under_way};
use crate::support::{Gate, until};

/// Frames of all kinds: echoes, some of them long, a query that no batch accepts, and an invalid
/// frame.
fn mixed_frames() -> Vec<Vec<u8>> {
    let echo = |index: u8, length| frame(&Echo { bytes: Bounded::new(vec![index; length]).unwrap() });
    let mut frames: Vec<_> = (0..12).map(|index| echo(index, usize::from(index) * 80)).collect();
    frames.insert(3, frame(&GetVersion));
    frames.insert(7, frame(&VerifySecurityState));
    frames.insert(9, vec![0xff; 5]);
    frames
}

/// Makes all of them wait behind one frame, and returns their answers in order.
async fn answers(
    script: &Script,
    worker: &Arc<Worker>,
    gate: &Gate,
    frames: &[Vec<u8>],
) -> Vec<Result<Vec<u8>, TransportError>> {
    gate.shut();
    let first = under_way(script, worker).await;
    let mut queued = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        queued.push(queue(worker, frame.clone()));
        depth(worker, index + 2).await;
    }
    gate.open();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for answer in queued {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn in_a_batch_every_frame_gets_the_reply_it_gets_alone() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    let frames = mixed_frames();
    let mut alone = core();
    let expected: Vec<_> = frames.iter().map(|frame| Ok(alone.handle(frame))).collect();
    assert_eq!(answers(&script, &worker, &gate, &frames).await, expected);
    // The first; the state, which has priority; a batch and its rest, split by the frame that is
    // sent alone.
    assert_eq!(script.frames_seen(), 5);
}

#[tokio::test]
async fn frames_that_do_not_fit_into_one_batch_are_sent_in_several() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    let frames = vec![frame(&Echo { bytes: Bounded::new(vec![1; 1024]).unwrap() }); 60];
    let answers = answers(&script, &worker, &gate, &frames).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|reply| reply.len() > 1024)));
    // At most 32 frames.
    assert_eq!(script.frames_seen(), 3);
}

#[tokio::test]
async fn a_trusted_application_from_before_batches_gets_the_frames_one_by_one() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, false);
    let frames = vec![frame(&GetVersion); 5];
    let expected = Ok(core().handle(&frames[0]));
    assert_eq!(answers(&script, &worker, &gate, &frames).await, vec![expected; 5]);
    assert_eq!(script.frames_seen(), 1 + 1 + 5);
    // It is not sent a batch again.
    answers(&script, &worker, &gate, &frames).await;
    assert_eq!(script.frames_seen(), 7 + 6);
}

#[tokio::test]
async fn a_session_lost_in_a_batch_refuses_all_of_it_and_resends_nothing() {
    let (script, gate) = (Script::default(), Gate::default());
    let worker = script.core(&gate, true);
    // The first waiting frame is answered, and the following batch dies.
    worker.invoke(frame(&GetVersion), Asker::Anyone).await.unwrap();
    gate.shut();
    let first = under_way(&script, &worker).await;
    let mut queued = Vec::new();
    for count in 2..=5 {
        queued.push(queue(&worker, frame(&GetVersion)));
        depth(&worker, count).await;
    }
    script.calls([Fate::Dead]);
    gate.open();
    first.await.unwrap().unwrap();
    for answer in queued {
        assert_eq!(answer.await.unwrap(), Err(TransportError::Unavailable));
    }
    assert_eq!(script.frames_seen(), 3);
    until(async || worker.stats().reopened == 1).await;
    worker.invoke(frame(&GetVersion), Asker::Anyone).await.unwrap();
}
