//! Bringing a contract to a chain.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::sol_types::SolValue as _;
use serde::{Deserialize, Serialize};

use super::abi::{InfernetSettlement, Parameters};
use super::config::{ChainAddress, ChainConfig};
use super::driver::Driver;
use super::key::EvmKey;
use super::message::Domain;
use super::rpc::Rpc;
use super::store::Store;
use super::watcher::{read_rules, read_validators};
use crate::error::SettlementError;

/// What is fixed for ever with a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// ERC-20 token with 6 decimals.
    pub token: Address,
    /// First validators, three to 32.
    pub validators: Vec<Address>,
    /// Rules.
    #[serde(default)]
    pub terms: Terms,
}

/// The contract's rules. The defaults are the network's, `docs/economics.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// How long a payment or a slash can be contested.
    pub challenge_secs: u64,
    /// How long validators have to answer.
    pub answer_secs: u64,
    /// How far ahead a deadline may be.
    pub most_job_secs: u64,
    /// What a validator has at stake, in micro-credits.
    pub validator_bond: u64,
    /// What each validator pays for an unanswered contest, in micro-credits.
    pub silence_penalty: u64,
    /// What a contest costs when it was wrong, in micro-credits.
    pub contest_bond: u64,
    /// Share of a job's stake that a slash takes.
    pub slash_ppm: u32,
    /// Miners' share of what a job costs.
    pub split_ppm: u32,
    /// Least stake, in parts per million of the fee.
    pub least_stake_ppm: u32,
    /// Quality from which there is a bonus.
    pub quality_threshold_ppm: u32,
    /// Share of the reward that depends on quality.
    pub quality_weight_ppm: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            challenge_secs: 86_400,
            answer_secs: 86_400,
            most_job_secs: 86_400,
            // A thousand typical jobs' validators' part.
            validator_bond: 1_000_000_000,
            silence_penalty: 10_000_000,
            contest_bond: 1_000_000,
            slash_ppm: 500_000,
            split_ppm: 750_000,
            least_stake_ppm: 2_000_000,
            quality_threshold_ppm: 700_000,
            quality_weight_ppm: 300_000,
        }
    }
}

/// Code and arguments, as they go into the transaction.
pub fn creation_code(deployment: &Deployment) -> Vec<u8> {
    let terms = &deployment.terms;
    let parameters = Parameters {
        challengeSeconds: terms.challenge_secs,
        answerSeconds: terms.answer_secs,
        mostJobSeconds: terms.most_job_secs,
        validatorBond: terms.validator_bond,
        silencePenalty: terms.silence_penalty,
        contestBond: terms.contest_bond,
        slashPpm: terms.slash_ppm,
        splitPpm: terms.split_ppm,
        leastStakePpm: terms.least_stake_ppm,
        qualityThresholdPpm: terms.quality_threshold_ppm,
        qualityWeightPpm: terms.quality_weight_ppm,
    };
    let mut code = InfernetSettlement::BYTECODE.to_vec();
    code.extend((deployment.token, parameters, deployment.validators.clone()).abi_encode_params());
    code
}

/// Deploys a contract and waits until it counts. `store` is a file of its own, for the zero address as contract; after a crash the
/// same call with the same reference goes on where it was, and there is one contract.
///
/// # Errors
/// The chain refuses (the reason names the parameter), or no endpoint answers until `patience` is over.
pub async fn deploy(
    config: &ChainConfig,
    key: &EvmKey,
    store: &Store,
    deployment: &Deployment,
    reference: &str,
    now_ms: u64,
    patience: Duration,
) -> Result<ChainAddress, SettlementError> {
    let code = creation_code(deployment);
    let (contract, block) = create(config, key, store, code, reference, now_ms, patience).await?;
    let address = ChainAddress { contract, from_block: block, ..config.address.clone() };
    let rpc = Rpc::new(&address)?;
    // What is there is what was meant.
    let rules = read_rules(&rpc, contract).await?;
    let set = read_validators(&rpc, contract, alloy::eips::BlockId::latest()).await?;
    if rules.token != deployment.token || set.members != deployment.validators {
        let found = "a contract with other arguments".to_owned();
        return Err(SettlementError::NoContract { address: contract, found });
    }
    Ok(address)
}

/// Makes a contract of this code and waits until it counts; its address, and the block that it is in. The same reference again is the
/// same contract.
pub(super) async fn create(
    config: &ChainConfig,
    key: &EvmKey,
    store: &Store,
    code: Vec<u8>,
    reference: &str,
    now_ms: u64,
    patience: Duration,
) -> Result<(Address, u64), SettlementError> {
    let driver = Driver::unchecked(config.clone(), key.clone(), store.clone())?;
    let name = format!("deploy {reference}");
    store.enqueue(&[(name.clone(), Address::ZERO, code)], now_ms)?;
    let intent = driver.complete_with(&name, patience, true).await?;
    let (Some(nonce), Some(block), true) = (intent.nonce, intent.block, intent.state.over()) else {
        let reason = format!("`{name}` is on its way; run it again to wait for it");
        return Err(SettlementError::Unreachable {
            call: "the deployment",
            endpoints: config.address.rpc.len(),
            reason,
        });
    };
    Ok((key.address().create(nonce), block))
}

/// The domain that a deployment's store is opened with.
pub fn deployment_domain(chain_id: u64) -> Domain {
    Domain { chain_id, contract: Address::ZERO }
}
