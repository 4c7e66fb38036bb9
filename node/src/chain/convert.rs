//! Chain, accounts and signatures: as they travel, and as the settlement has them.

use infernet_network::wire::{ChainAcceptance, EvmAddress, EvmSignature, NetworkChain};
use infernet_settlement::SignedAcceptance;
use infernet_settlement::evm::{Address, ChainAddress};

/// An account as it travels.
pub fn wire_address(address: Address) -> EvmAddress {
    EvmAddress::new(address.into_array())
}

/// An account as the settlement has it.
pub fn address_of(address: &EvmAddress) -> Address {
    Address::from(*address.bytes())
}

/// The contract of an invitation.
pub fn chain_of(network: &NetworkChain) -> ChainAddress {
    ChainAddress {
        chain_id: network.chain_id,
        contract: address_of(&network.contract),
        rpc: network.rpc.clone(),
        from_block: network.from_block,
    }
}

/// A contract for an invitation: as many endpoints as one has room for.
pub fn network_of(chain: &ChainAddress) -> NetworkChain {
    let fits = |address: &&String| address.len() <= NetworkChain::MAX_ENDPOINT_BYTES;
    NetworkChain {
        chain_id: chain.chain_id,
        contract: wire_address(chain.contract),
        rpc: chain.rpc.iter().filter(fits).take(NetworkChain::MAX_ENDPOINTS).cloned().collect(),
        from_block: chain.from_block,
    }
}

pub(crate) fn wire_acceptance(account: Address, signature: [u8; 65]) -> ChainAcceptance {
    ChainAcceptance { account: wire_address(account), signature: EvmSignature::new(signature) }
}

pub(crate) fn signed_acceptance(acceptance: &ChainAcceptance) -> SignedAcceptance {
    SignedAcceptance { address: address_of(&acceptance.account), signature: *acceptance.signature.bytes() }
}
