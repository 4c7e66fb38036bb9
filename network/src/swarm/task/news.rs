//! News, and what libp2p's protocols tell about peers and about ourselves.

use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::{Multiaddr, PeerId, autonat, identify, kad, mdns, ping, relay, upnp};

use super::{Task, unix_ms};
use crate::swarm::behaviour::Topic;
use crate::swarm::config::MAX_ADDRESSES;
use crate::swarm::event::SwarmEvent;
use crate::swarm::rate::MessageClass;
use crate::swarm::score::Action;
use crate::wire::{Announcement, Message};

/// Peers found on the local network are dialled up to this many connections; beyond, they may dial us.
const LOCAL_PEERS: usize = 64;
/// Pings that fail in a row before a connection is given up: half a minute.
const SILENT_PINGS: u32 = 2;

impl Task {
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let acceptance = self.judge(propagation_source, &message);
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(peer = %peer_id, "a peer does not gossip");
            }
            _ => {}
        }
    }

    fn judge(&mut self, from: PeerId, message: &gossipsub::Message) -> MessageAcceptance {
        let Some(known) = self.peers.get_mut(&from).filter(|known| known.hello().is_some()) else {
            return MessageAcceptance::Ignore;
        };
        if !known.buckets.take(MessageClass::News, unix_ms()) {
            self.refused_messages += 1;
            self.note(from, Action::RateExceeded);
            return MessageAcceptance::Ignore;
        }
        let read = Announcement::from_bytes(&message.data);
        let fits = read.as_ref().is_ok_and(|news| {
            let network = match news {
                Announcement::ValidatorHello(hello) => hello.network == self.config.network,
                Announcement::JobNotice(_) => true,
            };
            network && Topic::of(news).hash(&self.config.network) == message.topic
        });
        // Strict validation lets nothing through without its author.
        let (Ok(announcement), true, Some(author)) = (read, fits, message.source) else {
            self.refused_messages += 1;
            self.note(from, Action::InvalidMessage);
            return MessageAcceptance::Reject;
        };
        // News that nobody has time for is not worth passing on either.
        match self.events.offer(SwarmEvent::Announcement { author, from, announcement }) {
            Ok(()) => MessageAcceptance::Accept,
            Err(_) => MessageAcceptance::Ignore,
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id: peer, info, .. } = event else { return };
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.claimed = info.listen_addrs.into_iter().take(MAX_ADDRESSES).collect();
        if known.hello().is_some() {
            let claimed = known.claimed.clone();
            self.remember(peer, &claimed);
        }
    }

    /// Where a peer of ours says it can be found.
    pub(super) fn remember(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        for address in addresses {
            // From the last to the first, so that the first is the newest.
            self.swarm.behaviour_mut().kademlia.add_address(&peer, address.clone());
        }
        for address in addresses.iter().rev() {
            self.book.add(peer, address.clone());
        }
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        let Some(known) = self.peers.get_mut(&event.peer) else { return };
        let Some(connection) = known.connections.get_mut(&event.connection) else { return };
        match event.result {
            Ok(rtt) => {
                connection.silent = 0;
                known.rtt = Some(rtt);
            }
            // A peer without ping is found dead by other means.
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                connection.silent += 1;
                if connection.silent >= SILENT_PINGS {
                    tracing::debug!(peer = %event.peer, %error, "a connection is dead");
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }

    pub(super) fn on_kademlia(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else { return };
        let found = match result {
            kad::QueryResult::GetClosestPeers(Ok(found)) => found.peers,
            kad::QueryResult::GetClosestPeers(Err(kad::GetClosestPeersError::Timeout { peers, .. })) => peers,
            _ => return,
        };
        let Some(peer) = self.lookups.get(&id).copied() else { return };
        for info in found.into_iter().filter(|info| info.peer_id == peer) {
            for address in info.addrs.into_iter().take(MAX_ADDRESSES) {
                self.book.add(peer, address);
            }
        }
        if step.last {
            self.lookups.remove(&id);
            if self.waiting.contains_key(&peer) && !self.peers.contains_key(&peer) {
                let addresses = self.book.addresses(&peer);
                self.dial_known(peer, addresses);
            }
        }
    }

    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else { return };
        for (peer, address) in found {
            self.book.add(peer, address);
            if peer != *self.swarm.local_peer_id() && !self.peers.contains_key(&peer) && self.peers.len() < LOCAL_PEERS
            {
                self.reach(peer);
            }
        }
    }

    pub(super) fn on_autonat(&mut self, event: &autonat::v2::client::Event) {
        match &event.result {
            Ok(()) => self.evidence.failed_probe = None,
            Err(error) => {
                let failed = format!("a peer could not dial {}: {error}", event.tested_addr);
                self.evidence.failed_probe = Some(failed);
            }
        }
        self.reconsider();
    }

    pub(super) fn on_upnp(&mut self, event: &upnp::Event) {
        self.evidence.router = match event {
            upnp::Event::GatewayNotFound => Some("the router offers no UPnP"),
            upnp::Event::NonRoutableGateway => Some("the router is itself behind a NAT"),
            upnp::Event::NewExternalAddr { .. } => None,
            upnp::Event::ExpiredExternalAddr { .. } => Some("the router closed the port again"),
        };
        self.reconsider();
    }

    pub(super) fn on_relay(&mut self, event: &relay::client::Event) {
        if let relay::client::Event::ReservationReqAccepted { relay_peer_id, renewal, .. } = event {
            if !renewal {
                tracing::info!(relay = %relay_peer_id, "reachable over a relay");
            }
            self.evidence.relays.insert(*relay_peer_id);
            self.reconsider();
        }
    }

    /// Tells the node when others reach us differently.
    pub(super) fn reconsider(&mut self) {
        let now = self.evidence.verdict();
        if now != self.reachability {
            tracing::info!(reachability = %now, "reachability");
            self.reachability = now.clone();
            self.events.note(SwarmEvent::Reachability(now));
        }
    }
}
