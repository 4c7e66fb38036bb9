//! The swarm: connections to peers, questions and answers, news, files.
//!
//! [`start`] makes one task that owns the libp2p swarm. Everything outside speaks to it through a [`SwarmHandle`] and
//! hears from it through one bounded channel of [`SwarmEvent`]. What goes in and out is judged here, so that the roles
//! see only peers of their own network, messages within bounds, and no more of them than agreed:
//!
//! | part | what it does |
//! |---|---|
//! | [`SwarmConfig`], [`Limits`], [`Rates`] | every bound, named, with its reason |
//! | [`Action`], [`Scores`] | what a peer's behaviour costs and earns it |
//! | [`Bans`] | who is kept out until when, kept in a file |
//! | [`BlobOffer`], [`BlobDemand`], [`BlobSource`], [`BlobSink`] | files, resumed and verified |
//! | [`Reachability`] | can others reach us, and if not, why |
//!
//! A peer is nobody until it has said [`Hello`](crate::wire::Hello) for the same network; whoever does not is sent away.

mod bans;
mod behaviour;
mod blob;
mod codec;
mod config;
mod error;
mod event;
mod handle;
mod peer;
mod rate;
mod reach;
mod score;
mod task;
mod transport;

pub use bans::{Ban, Bans};
pub use blob::{BlobDemand, BlobOffer, BlobSink, BlobSource, BlobTimeouts, Received};
pub use codec::REQUEST_PROTOCOL;
pub use config::{Limits, SwarmConfig};
pub use error::{BlobError, DialFailure, PublishError, RequestError, StartError};
pub use event::{IncomingRequest, Responder, SwarmEvent};
pub use handle::{SwarmHandle, SwarmStats};
pub use peer::{Path, PeerInfo};
pub use rate::{MessageClass, Rate, Rates, TokenBucket};
pub use reach::Reachability;
pub use score::{Action, Scores};
pub use task::start;

pub use blob::BLOB_PROTOCOL;
pub use libp2p::{Multiaddr, PeerId};
