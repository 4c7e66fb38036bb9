//! The nodes this one is connected to.

use std::time::UNIX_EPOCH;

use infernet_api::ApiError;
use infernet_api::types::peer::{BannedPeer, InvitationLink, Peer, PeerConnection, PeerList, PeerOffer};
use infernet_network::identity::public_key;
use infernet_network::proof::PublicKey;
use infernet_network::swarm::Path;
use infernet_network::wire::Invitation;

use super::status::roles_of;
use super::{NodeBackend, convert};

impl NodeBackend {
    /// With where this node is now; the validator's own addresses are kept, so that who joins finds both.
    pub(super) async fn invitation_now(&self) -> Result<InvitationLink, ApiError> {
        let network = &self.inner.config.network;
        let addresses = self.node().addresses().await;
        let mut bootstrap = addresses.clone();
        bootstrap.extend(network.bootstrap.iter().filter(|known| !addresses.contains(known)).cloned());
        bootstrap.truncate(Invitation::MAX_ADDRESSES);
        let invitation = Invitation { bootstrap, ..network.clone() };
        let uri = invitation.to_uri().map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(InvitationLink { uri, addresses })
    }

    pub(super) async fn peer_list(&self) -> Result<PeerList, ApiError> {
        let swarm = self.node().swarm();
        let mut peers = swarm.peers().await;
        peers.sort_by_key(|peer| peer.connected_unix_ms);
        let offers = self.offers().await;
        let shown = peers.into_iter().map(|peer| Peer {
            id: convert::node_id(&peer.key),
            roles: roles_of(peer.roles),
            agent: peer.software,
            address: peer.addresses.first().map(ToString::to_string).unwrap_or_default(),
            connection: match peer.path {
                Path::Direct => PeerConnection::Direct,
                Path::Relayed => PeerConnection::Relayed,
            },
            rtt_ms: peer.rtt.map(|rtt| 1e3 * rtt.as_secs_f64()),
            // The swarm counts bytes for all peers together.
            received_bytes_per_sec: None,
            sent_bytes_per_sec: None,
            score: peer.score,
            connected_unix_ms: peer.connected_unix_ms,
            offer: offers.iter().find(|(key, _)| *key == peer.key).map(|(_, offer)| offer.clone()),
        });
        let banned = swarm.bans().await.into_iter().filter_map(|ban| {
            let until = ban.until.duration_since(UNIX_EPOCH).ok()?;
            Some(BannedPeer {
                id: convert::node_id(&public_key(&ban.peer)?),
                reason: ban.reason,
                until_unix_ms: u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
            })
        });
        Ok(PeerList { peers: shown.collect(), banned: banned.collect(), reachability: self.reachability().await })
    }

    /// On a validator: what miners say they can do.
    async fn offers(&self) -> Vec<(PublicKey, PeerOffer)> {
        let Some(validator) = &self.node().roles().validator else { return Vec::new() };
        let offers = validator.look(|desk| {
            let shown = desk.miners.iter().map(|(key, miner)| {
                let offer = PeerOffer {
                    accepting: miner.offer.accepting,
                    memory_bytes: miner.offer.memory_bytes,
                    models: convert::count(miner.offer.models.len() as u64),
                    time_unix_ms: miner.seen_ms,
                };
                (*key, offer)
            });
            shown.collect()
        });
        offers.await.unwrap_or_default()
    }
}
