//! Settlement on an EVM chain, as it travels: which contract, whose account, whose word. Bytes only: what they mean is the
//! settlement's affair.

use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::WireError;
use super::field::{Fields, Fixed, Opaque, fixed, fixed_bytes, list};
use super::job::JobId;

/// An account or a contract on an EVM chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EvmAddress(#[serde(with = "fixed")] Bytes20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Bytes20([u8; 20]);

/// `r, s, v` of a secp256k1 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EvmSignature(#[serde(with = "fixed")] Bytes65);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes65([u8; 65]);

fixed_bytes!(Bytes20: 20, Bytes65: 65);

impl EvmAddress {
    /// Of these bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(Bytes20(bytes))
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0.0
    }
}

impl EvmSignature {
    /// Of these bytes.
    pub const fn new(bytes: [u8; 65]) -> Self {
        Self(Bytes65(bytes))
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 65] {
        &self.0.0
    }
}

/// The contract that settles a network's jobs, in its invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkChain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The settlement contract.
    pub contract: EvmAddress,
    /// JSON-RPC addresses to begin with. Everyone who is invited learns them: none with a key of one's own.
    #[serde(deserialize_with = "list::<_, _, { NetworkChain::MAX_ENDPOINTS }>")]
    pub rpc: Vec<String>,
    /// Block from which on there can be deposits.
    pub from_block: u64,
}

impl NetworkChain {
    /// Most addresses in an invitation; a node's own configuration may have more.
    pub const MAX_ENDPOINTS: usize = 4;
    /// Longest address in bytes.
    pub const MAX_ENDPOINT_BYTES: usize = 256;

    pub(super) fn check(&self, fields: Fields) -> Result<(), WireError> {
        fields.within("chain.chain_id", self.chain_id, 1, u64::MAX)?;
        fields.within("chain.rpc length", self.rpc.len() as u64, 1, Self::MAX_ENDPOINTS as u64)?;
        for address in &self.rpc {
            fields.text("chain.rpc", address, Self::MAX_ENDPOINT_BYTES)?;
            let fine = address.starts_with("http://") || address.starts_with("https://");
            fields.that(fine, "chain.rpc", || address.clone(), || "an address like https://host/path".to_owned())?;
        }
        Ok(())
    }
}

/// A miner's word for a job, as the contract wants it: the account that its stake is in, and its EIP-712 signature over job, fee and
/// stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainAcceptance {
    /// Account.
    pub account: EvmAddress,
    /// Its signature.
    pub signature: EvmSignature,
}

/// Validator to another member of the contract: sign this with me. Who is asked fetches the evidence, judges it by itself, and signs
/// what it has found too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoSign {
    /// Which job.
    #[serde(with = "fixed")]
    pub job_id: JobId,
    /// Which attempt the evidence is of; 0 where nothing was audited.
    pub attempt: u32,
    /// The judgement, as the settlement writes it.
    pub judgement: Opaque,
}

impl CoSign {
    /// A verdict about 64 miners, with room to spare.
    pub const MAX_JUDGEMENT_BYTES: usize = 32 << 10;
}

impl Body for CoSign {
    fn check(&self, message: &'static str) -> Result<(), WireError> {
        Fields(message).at_most("judgement", self.judgement.len(), Self::MAX_JUDGEMENT_BYTES)
    }
}

/// Validator to a peer that says it is one: are you a member of this contract? The answer is a signature that ties the peer's key to
/// the member's account: evidence, with its prompt, is shown to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberQuery {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract.
    pub contract: EvmAddress,
}

/// A member has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoSigned {
    /// Its signature over the judgement.
    pub signature: EvmSignature,
}

super::body::unbounded!(CoSigned, MemberQuery);
