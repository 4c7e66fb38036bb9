//! What validators and miners sign: EIP-712 typed data for one chain and contract.

use alloy::dyn_abi::Eip712Domain;
use alloy::primitives::{Address, B256, Signature, U256};
use alloy::sol_types::{SolStruct, eip712_domain};

use super::key::EvmKey;
use crate::error::SettlementError;

pub use super::abi::{Acceptance, Cancel, Ruling, Score, SlashOrder, ValidatorChange, Verdict};

/// Where a signature counts: a chain and a contract on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    /// Chain.
    pub chain_id: u64,
    /// Contract.
    pub contract: Address,
}

impl Domain {
    fn eip712(&self) -> Eip712Domain {
        eip712_domain! {
            name: "InferNet Settlement",
            version: "1",
            chain_id: self.chain_id,
            verifying_contract: self.contract,
        }
    }

    /// What is signed.
    pub fn digest<M: SolStruct>(&self, message: &M) -> B256 {
        message.eip712_signing_hash(&self.eip712())
    }

    /// Signs.
    ///
    /// # Errors
    /// The signer fails.
    pub fn sign<M: SolStruct>(&self, message: &M, key: &EvmKey) -> Result<[u8; 65], SettlementError> {
        key.sign(self.digest(message))
    }
}

/// Who has signed this digest; none where the bytes are no signature or one that the contract would refuse (a high `s`).
pub fn signer_of(digest: B256, signature: &[u8]) -> Option<Address> {
    let bytes: &[u8; 65] = signature.try_into().ok()?;
    if !matches!(bytes[64], 27 | 28) {
        return None;
    }
    let signature = Signature::from_raw_array(bytes).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    signature.recover_address_from_prehash(&digest).ok()
}

/// The contract's name of a job: `keccak256(abi.encode(requester, id, job digest, prompt commitment))`.
pub fn job_key(requester: Address, id: [u8; 16], job_digest: B256, prompt_commitment: B256) -> B256 {
    let mut words = [0u8; 128];
    words[12..32].copy_from_slice(requester.as_slice());
    // bytes16 is padded behind.
    words[32..48].copy_from_slice(&id);
    words[64..96].copy_from_slice(job_digest.as_slice());
    words[96..].copy_from_slice(prompt_commitment.as_slice());
    alloy::primitives::keccak256(words)
}

/// Signatures in the order in which the contract wants them: by rising signer.
pub fn in_order(mut signed: Vec<(Address, [u8; 65])>) -> Vec<alloy::primitives::Bytes> {
    signed.sort_by_key(|(signer, _)| U256::from_be_slice(signer.as_slice()));
    signed.into_iter().map(|(_, signature)| signature.to_vec().into()).collect()
}
