//! Peers that mean harm, against whole nodes: junk, slowness, other networks, replays.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use infernet_network::identity::{Identity, Keeper};
use infernet_network::proof::{Digest, Signature};
use infernet_network::swarm::{SwarmConfig, SwarmHandle, start};
use infernet_network::wire::{
    CancelJob, Commit, Invitation, JobFailed, JobId, JobProgress, JobStatus, LedgerRequest, PostJob, Request, Response,
    Roles,
};

use crate::world::{Network, order, settled, small_job, until};

const PATIENCE: Duration = Duration::from_secs(10);

/// A peer that speaks the protocol as it likes.
async fn peer(identity: &Identity, invitation: &str, network: Option<Digest>) -> SwarmHandle {
    let invitation = Invitation::parse(invitation).unwrap();
    let mut config = SwarmConfig::loopback(network.unwrap_or(invitation.network));
    config.roles = Roles::REQUESTER;
    config.bootstrap = invitation.bootstrap.iter().map(|address| address.parse().unwrap()).collect();
    let (swarm, mut events) = start(identity, config).unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    swarm
}

fn validator_of(invitation: &str) -> infernet_network::swarm::PeerId {
    infernet_network::identity::peer_id(&Invitation::parse(invitation).unwrap().validator).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_and_slow_peers_do_not_keep_others_from_their_clips() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let _miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(8)).await;
    settled(&requester, id).await;
    let before = validator.memory_bytes();

    let stranger = peer(&Identity::from_seed(&[1; 32]), &invitation, None).await;
    let to = validator_of(&invitation);
    until_connected(&stranger).await;
    // Connections that say nothing, or a byte now and then.
    let address = network.listen_address();
    let mut slow: Vec<TcpStream> = (0..100).filter_map(|_| TcpStream::connect(address).ok()).collect();
    // Noise on the wire.
    for round in 0..100_u32 {
        if let Ok(mut stream) = TcpStream::connect(address) {
            let junk: Vec<u8> = (0..20_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) ^ round) as u8).collect();
            // It may hang up in the middle.
            let _ = stream.write_all(&junk);
        }
    }
    // Ten thousand well-formed messages that mean nothing.
    let nonsense = |number: u32| match number % 4 {
        0 => Request::JobStatus(JobStatus { job_id: JobId([1; 16]) }),
        1 => Request::Commit(Commit { job_id: JobId([1; 16]), commitment: vec![7; 100].into() }),
        2 => Request::LedgerRequest(LedgerRequest { request: vec![7; 100].into() }),
        _ => Request::PostJob(PostJob {
            spec: vec![7; 300].into(),
            opening: vec![7; 100].into(),
            deposit_microcredits: 1,
            signature: Signature([7; 64]),
            miners: 1,
        }),
    };
    let storm = tokio::spawn(async move {
        let mut heard = 0_u32;
        for number in 0..10_000 {
            heard += u32::from(stranger.request(to, nonsense(number), PATIENCE).await.is_ok());
        }
        heard
    });
    let id = order(&requester, &small_job(8)).await;
    for stream in &mut slow {
        // One that was thrown out is what we hope for.
        let _ = stream.write_all(&[19]);
    }
    settled(&requester, id).await;
    network.check_paid_once(id);
    assert_eq!(storm.await.unwrap(), 0, "nothing of it was answered with more than a refusal");
    let grown = validator.memory_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "the validator grew by {grown} bytes");
    // Who says nothing is thrown out in the end.
    let end = std::time::Instant::now() + Duration::from_secs(60);
    let mut left = slow.len();
    while left > 0 && std::time::Instant::now() < end {
        // A connection that is held open would block; one that is closed gives its end, or an error.
        left = slow.iter().filter(|stream| is_open(stream)).count();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(left, 0, "connections that say nothing are kept");
    let newcomer = peer(&Identity::from_seed(&[3; 32]), &invitation, None).await;
    until_connected(&newcomer).await;
    node.stop().await;
}

fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            // The noise and multistream greeting.
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

async fn until_connected(swarm: &SwarmHandle) {
    for _ in 0..100 {
        if !swarm.peers().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no peer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_network_stays_outside() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let stranger = peer(&Identity::from_seed(&[2; 32]), &invitation, Some(Digest([9; 32]))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(stranger.peers().await.is_empty());
    let status = Request::JobStatus(JobStatus { job_id: JobId([1; 16]) });
    assert!(stranger.request(validator_of(&invitation), status, PATIENCE).await.is_err());
    let journal = network.journal().unwrap();
    assert_eq!(journal.ledger().accounts().count(), 0, "a stranger was welcomed");
}

/// The same messages again, in another order, after the job: nothing moves.
#[tokio::test(flavor = "multi_thread")]
async fn replayed_and_reordered_messages_change_nothing() {
    let network = Network::new();
    let validator = network.validator();
    let invitation = validator.invitation().to_owned();
    let miner = network.miner("miner", &invitation);
    let (node, requester) = network.requester(&invitation);
    let id = order(&requester, &small_job(8)).await;
    settled(&requester, id).await;
    let stored = requester.orders()[&id].clone();
    node.stop().await;
    miner.kill();
    until("the end of stakes and claims", || network.journal().unwrap().head().0 > 5).await;
    let head = network.journal().unwrap().head();

    // The requester's order again, twice, and a cancellation that comes too late.
    let to = validator_of(&invitation);
    let asker = peer(&Identity::from_seed(&[77; 32]), &invitation, None).await;
    until_connected(&asker).await;
    let job = infernet_network::proof::JobSpec::from_bytes(&stored.spec).unwrap();
    let ledger = requester.ledger();
    let signed = infernet_ledger::JobOrder::sign(
        &ledger,
        infernet_ledger::JobId(job.job_id),
        infernet_ledger::Digest(job.digest().0),
        job.deposit_microcredits,
        job.steps,
        job.deadline_unix_ms,
        &Identity::from_seed(&[77; 32]).signing_key(),
    );
    let post = PostJob {
        spec: stored.spec.into(),
        opening: stored.opening.into(),
        deposit_microcredits: job.deposit_microcredits,
        signature: Signature(signed.signature.0),
        miners: 1,
    };
    for _ in 0..2 {
        let answer = asker.request(to, Request::PostJob(post.clone()), PATIENCE).await.unwrap();
        assert!(matches!(answer, Response::Posted(_)), "{answer:?}");
    }
    asker.request(to, Request::CancelJob(CancelJob { job_id: id }), PATIENCE).await.unwrap();
    asker.shutdown().await;

    // The miner's messages, last first.
    let folder = network.path("miner");
    let identity = Keeper::PlainFile { path: folder.join("identity.key") }.load().unwrap();
    let commitment = find(&folder, "commitment.bin");
    let again = peer(&identity, &invitation, None).await;
    until_connected(&again).await;
    let failed = JobFailed { job_id: id, code: "worker.crashed".to_owned(), message: "gone".to_owned() };
    again.request(to, Request::JobFailed(failed), PATIENCE).await.unwrap();
    let nonce =
        again.request(to, Request::Commit(Commit { job_id: id, commitment: commitment.clone().into() }), PATIENCE);
    assert!(matches!(nonce.await.unwrap(), Response::Nonce(_)), "the answer of then");
    let progress = JobProgress { job_id: id, step: 1, steps: 8, preview: None };
    again.request(to, Request::JobProgress(progress), PATIENCE).await.unwrap();
    let mut other = commitment;
    let last = other.len() - 1;
    other[last] ^= 1;
    let refused = again.request(to, Request::Commit(Commit { job_id: id, commitment: other.into() }), PATIENCE).await;
    assert!(refused.is_err(), "a second commitment was taken");
    again.shutdown().await;

    assert_eq!(network.journal().unwrap().head(), head, "the ledger has moved");
    network.check_paid_once(id);
}

fn find(folder: &Path, name: &str) -> Vec<u8> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_name() == name {
                return std::fs::read(entry.path()).unwrap();
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no {name}");
}
