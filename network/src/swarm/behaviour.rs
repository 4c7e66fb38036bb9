//! The protocols of a node, put together.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::gossipsub::{
    self, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity, TopicHash, ValidationMode,
    WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use libp2p::kad::{self, store::MemoryStore, store::MemoryStoreConfig};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol};
use libp2p::{autonat, dcutr, identify, mdns, ping, relay, upnp};
use libp2p_allow_block_list::{self as allow_block_list, BlockedPeers};
use libp2p_connection_limits::{self as connection_limits, ConnectionLimits};
use libp2p_memory_connection_limits as memory_limits;

use super::codec::{Codec, REQUEST_PROTOCOL};
use super::config::SwarmConfig;
use super::error::StartError;
use crate::proof::Digest;
use crate::wire::Announcement;

/// What libp2p runs on every connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    // Those that refuse connections come first: the others never hear of what is refused.
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: Toggle<memory_limits::Behaviour>,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) requests: request_response::Behaviour<Codec>,
    pub(super) streams: libp2p_stream::Behaviour,
    pub(super) gossip: Gossip,
    pub(super) kademlia: kad::Behaviour<MemoryStore>,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) autonat_client: autonat::v2::client::Behaviour,
    pub(super) autonat_server: autonat::v2::server::Behaviour,
    pub(super) upnp: Toggle<upnp::tokio::Behaviour>,
    pub(super) relay_client: relay::client::Behaviour,
    pub(super) relay_server: Toggle<relay::Behaviour>,
    pub(super) dcutr: Toggle<dcutr::Behaviour>,
}

type Gossip = gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// A clip and a reveal of the largest job may have to go over a relay, where no hole can be punched; libp2p's own bound of
/// 128 KiB is meant for holes alone. Who relays has chosen to.
const RELAYED_BYTES: u64 = 2 << 30;
const RELAYED_TIME: Duration = Duration::from_secs(2 * 3600);

/// The largest question takes a fifth of this over half of a poor home uplink (64 KiB/s). Shorter than libp2p's own
/// deadline, which ends a slow stream without a word to us.
const READ_TIME: Duration = Duration::from_secs(10);

impl Behaviour {
    pub(super) fn new(
        keypair: &Keypair,
        config: &SwarmConfig,
        relay_client: relay::client::Behaviour,
    ) -> Result<Self, StartError> {
        let peer = keypair.public().to_peer_id();
        let limits = &config.limits;
        let connections = ConnectionLimits::default()
            .with_max_pending_incoming(Some(limits.pending_connections))
            .with_max_pending_outgoing(Some(limits.pending_connections))
            .with_max_established(Some(limits.connections))
            .with_max_established_incoming(Some(limits.incoming_connections))
            .with_max_established_per_peer(Some(limits.connections_per_peer));
        let requests = request_response::Config::default()
            .with_request_timeout(limits.request_timeout)
            // In and out share this; each side keeps to its half.
            .with_max_concurrent_streams(2 * limits.requests_per_peer + 4);
        let mdns = if config.mdns {
            let behaviour = mdns::tokio::Behaviour::new(mdns::Config::default(), peer).map_err(|error| {
                StartError::Part { part: "discovery on the local network", reason: error.to_string() }
            });
            // A machine without multicast is still a node.
            behaviour.inspect_err(|error| tracing::warn!(%error, "no discovery on the local network")).ok()
        } else {
            None
        };
        let identify = identify::Config::new("/infernet/1".to_owned(), keypair.public())
            .with_agent_version(config.software.clone())
            .with_cache_size(0);
        Ok(Self {
            limits: connection_limits::Behaviour::new(connections),
            memory: limits.process_bytes.map(memory_limits::Behaviour::with_max_bytes).into(),
            blocked: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new()),
            requests: request_response::Behaviour::with_codec(
                Codec { patience: READ_TIME.min(limits.request_timeout / 2) },
                [(REQUEST_PROTOCOL, ProtocolSupport::Full)],
                requests,
            ),
            streams: libp2p_stream::Behaviour::new(),
            gossip: gossip(keypair, &config.network)?,
            kademlia: kademlia(peer, config)?,
            mdns: mdns.into(),
            autonat_client: autonat::v2::client::Behaviour::default(),
            autonat_server: autonat::v2::server::Behaviour::default(),
            upnp: config.upnp.then(upnp::tokio::Behaviour::default).into(),
            relay_client,
            relay_server: config.relay_server.then(|| relay_server(keypair)).into(),
            dcutr: config.relay_client.then(|| dcutr::Behaviour::new(peer)).into(),
        })
    }
}

fn gossip(keypair: &Keypair, network: &Digest) -> Result<Gossip, StartError> {
    let part = |reason: String| StartError::Part { part: "gossip", reason };
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        // Passed on only after it was read and judged here.
        .validate_messages()
        // An announcement, its author's key and signature, the topic.
        .max_transmit_size(Announcement::MAX_BYTES + 512)
        .connection_handler_queue_len(256)
        .build()
        .map_err(|error| part(error.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(
            Topic::ALL.map(|topic| topic.hash(network)).into_iter().collect::<HashSet<_>>(),
        ),
        max_subscribed_topics: Topic::ALL.len(),
        max_subscriptions_per_request: 2 * Topic::ALL.len(),
    };
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Signed(keypair.clone()), config, filter)
        .map_err(|error| part(error.to_owned()))?;
    for topic in Topic::ALL {
        gossip.subscribe(&topic.topic(network)).map_err(|error| part(error.to_string()))?;
    }
    Ok(gossip)
}

fn kademlia(peer: libp2p::PeerId, config: &SwarmConfig) -> Result<kad::Behaviour<MemoryStore>, StartError> {
    let protocol = StreamProtocol::try_from_owned(format!("/infernet/{}/kad/1", config.network))
        .map_err(|error| StartError::Part { part: "the peer table", reason: error.to_string() })?;
    // Peers alone are looked up; nobody may store anything here.
    let store =
        MemoryStoreConfig { max_records: 0, max_provided_keys: 0, max_providers_per_key: 0, max_value_bytes: 0 };
    let mut kademlia = kad::Config::new(protocol);
    kademlia
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        // Those that have said hello are put in by the task.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_max_packet_size(16 << 10)
        .set_query_timeout(Duration::from_secs(20))
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_provider_publication_interval(None);
    let mut behaviour = kad::Behaviour::with_config(peer, MemoryStore::with_config(peer, store), kademlia);
    // Others become servers when an address of theirs has been confirmed.
    if config.relay_server || !config.external.is_empty() || config.roles.has(crate::wire::Roles::VALIDATOR) {
        behaviour.set_mode(Some(kad::Mode::Server));
    }
    Ok(behaviour)
}

fn relay_server(keypair: &Keypair) -> relay::Behaviour {
    let config = relay::Config {
        max_circuits: 128,
        max_circuit_bytes: RELAYED_BYTES,
        max_circuit_duration: RELAYED_TIME,
        ..relay::Config::default()
    };
    relay::Behaviour::new(keypair.public().to_peer_id(), config)
}

/// What announcements are about. Peers of another network listen to other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Validators,
    Jobs,
}

impl Topic {
    pub(super) const ALL: [Self; 2] = [Self::Validators, Self::Jobs];

    pub(super) fn of(announcement: &Announcement) -> Self {
        match announcement {
            Announcement::ValidatorHello(_) => Self::Validators,
            Announcement::JobNotice(_) => Self::Jobs,
        }
    }

    pub(super) fn topic(self, network: &Digest) -> IdentTopic {
        let name = match self {
            Self::Validators => "validators",
            Self::Jobs => "jobs",
        };
        IdentTopic::new(format!("/infernet/{network}/{name}/1"))
    }

    pub(super) fn hash(self, network: &Digest) -> TopicHash {
        self.topic(network).hash()
    }
}
