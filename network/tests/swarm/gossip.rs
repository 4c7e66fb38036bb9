//! News.

use infernet_network::proof::Digest;
use infernet_network::swarm::{PublishError, SwarmEvent};
use infernet_network::wire::{Announcement, JobNotice, JobStage, ValidatorHello};

use crate::world::{NETWORK, Node, Over, patiently, plain, until};

fn notice(fee_microcredits: u64) -> Announcement {
    Announcement::JobNotice(JobNotice {
        job: Digest([1; 32]),
        model: Digest([2; 32]),
        width: 64,
        height: 64,
        frames: 16,
        steps: 20,
        fee_microcredits,
        stage: JobStage::Posted,
    })
}

fn hello(network: Digest) -> Announcement {
    let (ledger_head, parameters) = (Digest([3; 32]), Digest([4; 32]));
    Announcement::ValidatorHello(ValidatorHello { network, ledger_head, sequence: 9, parameters })
}

async fn publish(node: &Node, announcement: &Announcement) {
    // Gossip needs a moment to learn who listens.
    until(|| async { node.handle.publish(announcement).await.is_ok() }).await;
}

async fn heard(node: &mut Node) -> (infernet_network::swarm::PeerId, infernet_network::swarm::PeerId, Announcement) {
    node.next(|event| match event {
        SwarmEvent::Announcement { author, from, announcement } => Some((author, from, announcement)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn news_travels_over_a_peer_in_between_and_names_its_author() {
    let (mut a, mut b, mut c) = (plain(), plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    c.meet(&mut b, Over::Quic).await;
    for announcement in [hello(NETWORK), notice(1)] {
        publish(&a, &announcement).await;
        assert_eq!(patiently(heard(&mut b)).await, (a.id(), a.id(), announcement.clone()));
        assert_eq!(patiently(heard(&mut c)).await, (a.id(), b.id(), announcement));
    }
}

#[tokio::test]
async fn news_of_another_network_goes_no_further() {
    let (mut a, mut b, mut c) = (plain(), plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    c.meet(&mut b, Over::Tcp).await;
    publish(&a, &hello(Digest([9; 32]))).await;
    until(|| async { b.handle.stats().await.refused_messages == 1 }).await;
    assert!((b.score(a.id()).await + 20.0).abs() < 0.5);
    // What follows it is heard first.
    publish(&a, &notice(2)).await;
    assert_eq!(heard(&mut c).await.2, notice(2));
    assert_eq!(c.handle.stats().await.refused_messages, 0);
}

#[tokio::test]
async fn with_nobody_there_it_says_so() {
    assert_eq!(plain().handle.publish(&notice(1)).await, Err(PublishError::NoPeers));
}
