//! Questions and answers between honest peers, and what is made of bad answers.

use std::time::Duration;

use infernet_network::swarm::{Limits, RequestError, SwarmConfig};
use infernet_network::wire::{JobId, JobStage, JobState, JobStatus, Opaque, Request, Response, Settled};

use crate::world::{Over, PATIENCE, ack, config, heartbeat, node, patiently, plain, until};

fn status() -> Request {
    Request::JobStatus(JobStatus { job_id: JobId([3; 16]) })
}

fn state() -> Response {
    Response::JobState(JobState {
        stage: JobStage::Running,
        attempt: 1,
        progress_ppm: 250_000,
        deadline_unix_ms: 99,
        // The largest that there can be.
        verdict: Some(Opaque(vec![5; 64 << 10])),
        receipt: Some(Opaque(vec![6; 8192])),
        message: "step 5 of 20".to_owned(),
    })
}

#[tokio::test]
async fn both_ends_of_a_connection_ask() {
    for over in [Over::Tcp, Over::Quic] {
        let (mut a, mut b) = (plain(), plain());
        a.meet(&mut b, over).await;
        let (asker, peer) = (a.handle.clone(), b.id());
        let answer = tokio::spawn(async move { asker.request(peer, status(), PATIENCE).await });
        let question = b.asked().await;
        assert_eq!((question.peer, &question.request), (a.id(), &status()));
        question.responder.respond(state());
        assert_eq!(answer.await.unwrap().unwrap(), state());
        let (asker, peer) = (b.handle.clone(), a.id());
        let answer = tokio::spawn(async move { asker.request(peer, heartbeat(), PATIENCE).await });
        a.asked().await.responder.respond(ack());
        assert_eq!(answer.await.unwrap().unwrap(), ack());
        assert!(a.score(b.id()).await > 0.0, "a good answer earns something");
    }
}

#[tokio::test]
async fn a_question_connects_where_need_be() {
    let (a, b) = (plain(), plain());
    a.handle.add_address(b.id(), b.address(Over::Quic).await).await;
    let peer = b.id();
    let _b = b.acknowledge();
    assert_eq!(patiently(a.handle.request(peer, heartbeat(), PATIENCE)).await.unwrap(), ack());
}

#[tokio::test]
async fn refusals_are_errors_with_the_peer_s_code() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    let peer = b.id();
    let ask = || {
        let asker = a.handle.clone();
        tokio::spawn(async move { asker.request(peer, status(), PATIENCE).await.unwrap_err() })
    };
    let refused = ask();
    b.asked().await.responder.respond(Response::refused("job.unknown", "no such job"));
    let error = refused.await.unwrap();
    assert!(matches!(&error, RequestError::Refused(_)) && error.code() == "job.unknown", "{error}");
    let failed = ask();
    b.asked().await.responder.respond(Response::error("node.disk_full", "no space"));
    let error = failed.await.unwrap();
    assert!(matches!(&error, RequestError::Remote(_)) && error.code() == "node.disk_full", "{error}");
    // Dropped.
    let silent = ask();
    drop(b.asked().await);
    assert_eq!(silent.await.unwrap().code(), "network.no_answer");
    // An answer above its bounds does not break the stream.
    let huge = ask();
    let mut out_of_bounds = state();
    if let Response::JobState(state) = &mut out_of_bounds {
        state.verdict = Some(Opaque(vec![0; (64 << 10) + 1]));
    }
    b.asked().await.responder.respond(out_of_bounds);
    assert_eq!(huge.await.unwrap().code(), "network.bad_answer");
    assert_eq!(a.score(b.id()).await, 0.0);
}

#[tokio::test]
async fn an_answer_to_another_question_costs_the_peer() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    let (asker, peer) = (a.handle.clone(), b.id());
    let answer = tokio::spawn(async move { asker.request(peer, status(), PATIENCE).await });
    b.asked().await.responder.respond(ack());
    let error = answer.await.unwrap().unwrap_err();
    assert!(matches!(&error, RequestError::BadAnswer { .. }) && error.to_string().contains("Ack"), "{error}");
    assert!((a.score(b.id()).await + 20.0).abs() < 0.5, "an invalid message");
}

#[tokio::test]
async fn silence_ends_in_time_and_leaves_nothing_behind() {
    let limits = Limits { request_timeout: Duration::from_secs(2), ..Limits::default() };
    let (mut a, mut b) =
        (node(SwarmConfig { limits: limits.clone(), ..config() }), node(SwarmConfig { limits, ..config() }));
    a.meet(&mut b, Over::Tcp).await;
    let error = a.handle.request(b.id(), status(), Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error, RequestError::Timeout { request: "JobStatus", timeout: Duration::from_millis(200) });
    until(|| async { a.score(b.id()).await < -4.0 }).await;
    let question = b.asked().await;
    until(|| async { a.handle.stats().await.requests_out == 0 }).await;
    drop(question);
    until(|| async { b.handle.stats().await.requests_in == 0 }).await;
    // The line is good afterwards.
    let _b = b.acknowledge();
    assert_eq!(a.handle.request(_b.peer_id(), heartbeat(), PATIENCE).await.unwrap(), ack());
}

#[tokio::test]
async fn what_can_not_be_sent_is_the_sender_s_error() {
    let a = plain();
    let settled = Settled { job_id: JobId([0; 16]), receipt: Opaque(vec![0; 8193]), verdict: Opaque::default() };
    let error = a.handle.request(plain().id(), Request::Settled(settled), PATIENCE).await.unwrap_err();
    assert_eq!(error.code(), "wire.field");
}

#[tokio::test]
async fn many_questions_at_once_take_turns() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Quic).await;
    let peer = b.id();
    let _b = b.acknowledge();
    // More than may be under way, fewer than the peer's rate allows at once.
    let limit = Limits::default().requests_per_peer;
    let asks = (0..2 * limit).map(|_| {
        let handle = a.handle.clone();
        tokio::spawn(async move { handle.request(peer, heartbeat(), PATIENCE).await })
    });
    for answer in asks.collect::<Vec<_>>() {
        assert_eq!(patiently(answer).await.unwrap().unwrap(), ack());
    }
    assert_eq!(a.handle.stats().await.waiting, 0);
}

#[tokio::test]
async fn a_peer_that_goes_fails_what_it_was_asked() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    let (asker, peer) = (a.handle.clone(), b.id());
    let answer = tokio::spawn(async move { asker.request(peer, status(), PATIENCE).await });
    let question = b.asked().await;
    patiently(b.handle.shutdown()).await;
    assert_eq!(patiently(answer).await.unwrap().unwrap_err(), RequestError::Closed { request: "JobStatus" });
    drop(question);
}
