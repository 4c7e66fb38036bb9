//! Who becomes a peer.

use infernet_network::identity::{Identity, public_key};
use infernet_network::proof::Digest;
use infernet_network::swarm::{DialFailure, Path, Reachability, StartError, SwarmConfig, start};
use infernet_network::wire::{Roles, SwarmKey};

use crate::world::{Node, Over, config, node, patiently, plain, until, with_roles};

async fn acquaintance(over: Over) {
    let mut miner = node(with_roles(Roles::MINER));
    let mut validator = node(with_roles(Roles::VALIDATOR.and(Roles::RELAY)));
    miner.meet(&mut validator, over).await;
    let seen = miner.handle.peers().await.remove(0);
    assert_eq!(seen.id, validator.id());
    assert_eq!(seen.key, validator.handle.public_key());
    assert_eq!(Some(seen.key), public_key(&seen.id));
    assert_eq!(seen.roles.to_string(), "validator, relay");
    assert_eq!(seen.path, Path::Direct);
    assert!(seen.software.starts_with("infernet/"));
    assert_eq!(seen.score, 0.0);
    let seen = validator.handle.peers().await.remove(0);
    assert_eq!((seen.id, seen.roles), (miner.id(), Roles::MINER));
    until(|| async { matches!(validator.handle.reachability().await, Reachability::Direct { .. }) }).await;
}

#[tokio::test]
async fn peers_meet_over_tcp() {
    acquaintance(Over::Tcp).await;
}

#[tokio::test]
async fn peers_meet_over_quic() {
    acquaintance(Over::Quic).await;
}

#[tokio::test]
async fn round_trips_are_measured_and_addresses_exchanged() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Quic).await;
    until(|| async {
        let seen = a.handle.peers().await.remove(0);
        seen.rtt.is_some() && seen.addresses.len() >= 2
    })
    .await;
}

#[tokio::test]
async fn another_network_is_sent_away_with_the_reason() {
    for over in [Over::Tcp, Over::Quic] {
        let mut here = plain();
        let mut there = node(SwarmConfig::loopback(Digest([8; 32])));
        let failure = patiently(here.handle.dial(there.address(over).await)).await.unwrap_err();
        assert_eq!(failure.code(), "network.peer_refused");
        let DialFailure::Refused { peer, reason } = &failure else { panic!("{failure:?}") };
        assert_eq!(*peer, there.id());
        assert!(reason.contains("different networks") && reason.contains("0808"), "{reason}");
        let (peer, reason) = there.refused().await;
        assert!(peer == here.id() && reason.contains("different networks"), "{reason}");
        assert_eq!(here.refused().await.0, there.id());
        assert!(here.handle.peers().await.is_empty() && there.handle.peers().await.is_empty());
        until(|| async { there.handle.stats().await.connections == 0 }).await;
    }
}

fn keyed(key: Option<u8>) -> Node {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    node(SwarmConfig { swarm_key: key.map(|byte| SwarmKey::new([byte; 32])), listen, ..config() })
}

#[tokio::test]
async fn a_swarm_key_keeps_others_out() {
    let (mut a, mut b) = (keyed(Some(1)), keyed(Some(1)));
    a.meet(&mut b, Over::Tcp).await;
    for stranger in [keyed(Some(2)), keyed(None)] {
        let failure = patiently(stranger.handle.dial(b.address(Over::Tcp).await)).await.unwrap_err();
        assert_eq!(failure.code(), "network.unreachable", "{failure}");
        let failure = patiently(b.handle.dial(stranger.address(Over::Tcp).await)).await.unwrap_err();
        assert_eq!(failure.code(), "network.unreachable", "{failure}");
    }
    assert_eq!(b.handle.peers().await.len(), 1);
}

#[tokio::test]
async fn a_swarm_key_needs_tcp() {
    let config = SwarmConfig { swarm_key: Some(SwarmKey::new([1; 32])), ..config() };
    let error = start(&Identity::generate().unwrap(), config).map(drop).unwrap_err();
    assert_eq!(error.code(), "network.key_needs_tcp");
    assert!(error.to_string().contains("/tcp/"), "{error}");
}

#[tokio::test]
async fn what_can_not_be_started_is_named() {
    let identity = Identity::generate().unwrap();
    let code = |config| start(&identity, config).map(drop).unwrap_err().code();
    let nowhere = vec!["/ip4/203.0.113.1/tcp/1".parse().unwrap()];
    assert_eq!(code(SwarmConfig { listen: nowhere.clone(), ..config() }), "network.listen");
    assert_eq!(code(SwarmConfig { bootstrap: nowhere, ..config() }), "network.bootstrap");
    assert_eq!(code(SwarmConfig { software: "x".repeat(65), ..config() }), "wire.field");
    let error: StartError =
        start(&identity, SwarmConfig { software: "\n".to_owned(), ..config() }).map(drop).unwrap_err();
    assert!(error.to_string().contains("software"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_soon() {
    let a = plain();
    let failure = patiently(a.handle.dial("/ip4/127.0.0.1/tcp/1".parse().unwrap())).await.unwrap_err();
    assert!(matches!(failure, DialFailure::Unreachable { .. }) && failure.to_string().contains("refused"), "{failure}");
    let failure = patiently(a.handle.connect(plain().id())).await.unwrap_err();
    assert!(failure.to_string().contains("no address"), "{failure}");
    let own = a.address(Over::Tcp).await;
    let failure = patiently(a.handle.dial(own)).await.unwrap_err();
    assert!(failure.to_string().contains("itself"), "{failure}");
}

#[tokio::test]
async fn bootstrap_peers_are_dialled_again_and_others_found_through_them() {
    let hub = node(with_roles(Roles::VALIDATOR));
    let address = hub.address(Over::Tcp).await;
    let through = || SwarmConfig { bootstrap: vec![address.clone()], ..config() };
    let mut a = node(through());
    let mut b = node(through());
    assert_eq!(a.connected().await.id, hub.id());
    assert_eq!(b.connected().await.id, hub.id());
    hub.handle.disconnect(a.id(), "for a test").await;
    let (peer, _) = a.disconnected().await;
    assert_eq!(peer, hub.id());
    assert_eq!(a.connected().await.id, hub.id());
    // Nobody told them of each other; their hub did. Identify has to have been there first.
    until(|| async { a.handle.connect(b.id()).await.is_ok() }).await;
    assert_eq!(b.connected().await.id, a.id());
    drop(hub.events);
}

#[tokio::test]
async fn dropping_or_shutting_down_ends_it() {
    let (mut a, mut b) = (plain(), plain());
    a.meet(&mut b, Over::Tcp).await;
    patiently(a.handle.shutdown()).await;
    b.disconnected().await;
    assert_eq!(a.handle.connect(b.id()).await, Err(DialFailure::Stopped));
    let Node { handle, events } = b;
    drop(handle);
    let mut events = events;
    patiently(async { while events.recv().await.is_some() {} }).await;
}
