//! A node that nobody can dial is reached over a peer that relays.

use std::time::Duration;

use infernet_network::swarm::{Limits, Path, Reachability, SwarmConfig, SwarmEvent};
use infernet_network::wire::Roles;

use crate::world::{Over, PATIENCE, ack, config, heartbeat, node, patiently, plain, until, with_roles};

#[tokio::test]
async fn a_node_without_an_open_port_is_reached_over_a_relay() {
    // The relay must know where it is; in the wild AutoNAT or its operator tells it.
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let probe = node(SwarmConfig { listen: listen.clone(), ..config() });
    let address = probe.address(Over::Tcp).await;
    patiently(probe.handle.shutdown()).await;
    let known: infernet_network::swarm::Multiaddr = address.iter().take(2).collect();
    let mut relay = node(SwarmConfig {
        relay_server: true,
        listen: vec![known.clone()],
        external: vec![known],
        ..with_roles(Roles::RELAY)
    });
    let relay_address = relay.address(Over::Tcp).await;
    // It listens nowhere.
    let limits = Limits { relay_after: Duration::from_millis(100), ..Limits::default() };
    let mut hidden = node(SwarmConfig { listen: Vec::new(), relay_client: true, limits, ..config() });
    patiently(hidden.handle.dial(relay_address)).await.unwrap();
    let reachability = hidden
        .next(|event| match event {
            SwarmEvent::Reachability(now @ Reachability::Relayed { .. }) => Some(now),
            _ => None,
        })
        .await;
    let Reachability::Relayed { relays, .. } = reachability else { unreachable!() };
    assert_eq!(relays, [relay.id()]);
    let circuit = hidden.handle.listen_addresses().await.remove(0);
    assert!(circuit.to_string().contains("/p2p-circuit/"), "{circuit}");
    let mut guest = plain();
    patiently(guest.handle.dial(circuit)).await.unwrap();
    let peer = hidden.id();
    let path = guest
        .next(|event| match event {
            // The relay itself comes first.
            SwarmEvent::PeerConnected(info) if info.id == peer => Some(info.path),
            _ => None,
        })
        .await;
    assert_eq!(path, Path::Relayed);
    let _hidden = hidden.acknowledge();
    assert_eq!(guest.handle.request(peer, heartbeat(), PATIENCE).await.unwrap(), ack());
    // When the relay goes, so does the way.
    patiently(relay.handle.shutdown()).await;
    until(|| async { !matches!(_hidden.reachability().await, Reachability::Relayed { .. }) }).await;
    relay.events.close();
}
