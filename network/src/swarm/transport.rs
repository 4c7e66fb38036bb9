//! How bytes get to a peer: QUIC and TCP, relays on top, names resolved.

use std::fmt::Display;
use std::time::Duration;

use futures::future::Either;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::dummy::DummyTransport;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade;
use libp2p::identity::Keypair;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::{PeerId, Transport, dns, noise, quic, relay, tcp, yamux};

use super::config::MAX_STREAMS;
use super::error::StartError;
use crate::wire::SwarmKey;

/// A handshake takes a few round trips; a peer that needs longer is not worth its place among the pending ones.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Unread data of one QUIC connection, and of one stream of it.
const QUIC_CONNECTION_BYTES: u32 = 8 << 20;
const QUIC_STREAM_BYTES: u32 = 4 << 20;

type Output = (PeerId, StreamMuxerBox);

/// The transport, and the behaviour that its relayed half needs.
pub(super) fn build(
    keypair: &Keypair,
    swarm_key: Option<&SwarmKey>,
) -> Result<(Boxed<Output>, relay::client::Behaviour), StartError> {
    let noise = || noise::Config::new(keypair).map_err(|error| part("encryption", &error));
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let direct: Boxed<Output> = match swarm_key {
        Some(key) => {
            let key = PreSharedKey::new(*key.expose());
            tcp.and_then(move |socket, _| PnetConfig::new(key).handshake(socket))
                .upgrade(upgrade::Version::V1Lazy)
                .authenticate(noise()?)
                .multiplex(muxer())
                .timeout(HANDSHAKE_TIMEOUT)
                .boxed()
        }
        None => {
            let tcp = tcp
                .upgrade(upgrade::Version::V1Lazy)
                .authenticate(noise()?)
                .multiplex(muxer())
                .timeout(HANDSHAKE_TIMEOUT)
                .boxed();
            let quic = quic::tokio::Transport::new(quic_config(keypair));
            either(quic.or_transport(tcp), |(peer, muxer)| (peer, StreamMuxerBox::new(muxer)))
        }
    };
    let direct = with_names(direct)?;
    let (relayed, behaviour) = relay::client::new(keypair.public().to_peer_id());
    let relayed = relayed
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise()?)
        .multiplex(muxer())
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    Ok((either(relayed.or_transport(direct), |output| output), behaviour))
}

fn either<A, O>(
    both: OrTransport<A, Boxed<Output>>,
    left: impl FnMut(O) -> Output + Clone + Send + Unpin + 'static,
) -> Boxed<Output>
where
    A: Transport<Output = O> + Send + Unpin + 'static,
    A::Dial: Send + 'static,
    A::ListenerUpgrade: Send + 'static,
    A::Error: Send + Sync + 'static,
    O: Send + 'static,
{
    both.map(move |output, _| match output {
        Either::Left(output) => left.clone()(output),
        Either::Right(output) => output,
    })
    .boxed()
}

/// Resolves `/dns4/...`. A machine without resolver settings still reaches numeric addresses.
fn with_names(transport: Boxed<Output>) -> Result<Boxed<Output>, StartError> {
    // Tried on a transport that does nothing, because the real one would be lost with the error.
    if let Err(error) = dns::tokio::Transport::system(DummyTransport::<Output>::new()) {
        tracing::warn!(%error, "no resolver settings; only numeric addresses can be dialled");
        return Ok(transport);
    }
    dns::tokio::Transport::system(transport).map(Transport::boxed).map_err(|error| part("name resolution", &error))
}

fn part(part: &'static str, error: &dyn Display) -> StartError {
    StartError::Part { part, reason: error.to_string() }
}

fn muxer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    // A laptop that sleeps for a moment keeps its connection.
    config.max_idle_timeout = 30_000;
    config.max_concurrent_stream_limit = MAX_STREAMS as u32;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config.max_stream_data = QUIC_STREAM_BYTES;
    config
}
