//! The same bytes under the names of the wire, the ledger and the API.

use infernet_api::{Digest, JobId, NodeId};
use infernet_ledger::AccountId;
use infernet_network::proof::{self, PublicKey};
use infernet_network::wire;

pub(super) fn job_id(id: wire::JobId) -> JobId {
    JobId(id.0)
}

pub(super) fn wire_job(id: JobId) -> wire::JobId {
    wire::JobId(id.0)
}

pub(super) fn node_id(key: &PublicKey) -> NodeId {
    NodeId(key.0)
}

pub(super) fn account_node(account: &AccountId) -> NodeId {
    NodeId(account.0)
}

pub(super) fn digest(digest: &proof::Digest) -> Digest {
    Digest(digest.0)
}

/// A `u64` that the API has as a `u32`; no node counts that far.
pub(super) fn count(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A sum of amounts; credits in all fit a `u64`.
pub(super) fn amount(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
