//! Follows the contract's events from a stored block on. Only blocks with enough blocks on top of them are read; should one of those
//! be replaced all the same, what it said is undone.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEventInterface as _;
use serde::{Deserialize, Serialize};

use super::abi::InfernetSettlement::{self, InfernetSettlementEvents as Said};
use super::config::ChainConfig;
use super::rpc::Rpc;
use super::store::{ChainEvent, EventKind, Store};
use crate::error::SettlementError;

/// Most blocks that are asked for at once; halved when an endpoint finds that too much.
const MOST_BLOCKS: u64 = 2_000;
/// Most events that are kept in one go.
const MOST_EVENTS: usize = 20_000;

/// A miner's stake on the chain, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakeOnChain {
    /// Can be put behind jobs.
    pub free: u64,
    /// Behind paid jobs whose window is open.
    pub locked: u64,
    /// Being taken out.
    pub cooling: u64,
    /// When that may be withdrawn, in seconds since 1970.
    pub due_at: u64,
}

/// Who may judge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorSet {
    /// Members whose signature counts.
    pub judges: Vec<Address>,
    /// All members.
    pub members: Vec<Address>,
    /// Signatures that a judgement needs.
    pub quorum: u32,
    /// Number of the next change.
    pub change_nonce: u64,
}

/// The contract's rules; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRules {
    /// The token.
    pub token: Address,
    /// Miners' share of what a job costs, in parts per million.
    pub split_ppm: u32,
    /// Least stake, as parts per million of the fee.
    pub least_stake_ppm: u32,
    /// Share of a job's stake that a slash takes.
    pub slash_ppm: u32,
    /// Challenge window.
    pub challenge_secs: u64,
    /// Longest time from deposit to deadline.
    pub most_job_secs: u64,
    /// Time from asking for stake back to getting it.
    pub cooldown_secs: u64,
    /// What a contest costs when it was wrong.
    pub contest_bond: u64,
    /// What a validator has at stake.
    pub validator_bond: u64,
}

/// Reads the chain into the store.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    pub(super) rpc: Arc<Rpc>,
    pub(super) store: Store,
    pub(super) config: ChainConfig,
}

pub(super) const RULES: &str = "rules";
pub(super) const VALIDATORS: &str = "validators";

impl Watcher {
    /// The newest block.
    pub(crate) async fn head(&self) -> Result<u64, SettlementError> {
        self.rpc.call("eth_blockNumber", |provider| async move { provider.get_block_number().await }).await
    }

    async fn block_hash(&self, number: u64) -> Result<Option<B256>, SettlementError> {
        let block = self
            .rpc
            .call("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(BlockNumberOrTag::Number(number)).await
            })
            .await?;
        Ok(block.map(|block| block.header.hash))
    }

    /// Makes sure that the contract is there, and keeps its rules.
    pub(crate) async fn check_contract(&self) -> Result<ContractRules, SettlementError> {
        if let Some(rules) = self.store.meta::<ContractRules>(RULES)? {
            return Ok(rules);
        }
        let rules = read_rules(&self.rpc, self.config.address.contract).await?;
        self.store.set_meta(RULES, &rules)?;
        Ok(rules)
    }

    /// Goes on to where the chain is; says which blocks are new.
    pub(crate) async fn tick(&self, head: u64) -> Result<Option<(u64, u64)>, SettlementError> {
        let Some(counted) = head.checked_sub(self.config.confirmations) else { return Ok(None) };
        self.undo_replaced(head).await?;
        if self.store.meta::<ValidatorSet>(VALIDATORS)?.is_none() {
            self.read_validators(counted).await?;
        }
        let mut from = match self.store.seen_block()? {
            Some((seen, _)) => seen + 1,
            None => self.config.address.from_block,
        };
        let first = from;
        let mut step = MOST_BLOCKS;
        while from <= counted {
            let to = counted.min(from.saturating_add(step - 1));
            match self.read_blocks(from, to).await {
                Ok(true) => from = to + 1,
                // The chain changed while it was read.
                Ok(false) => return Ok((from > first).then(|| (first, from - 1))),
                Err(SettlementError::Refused { reason, .. }) if step > 1 => {
                    tracing::debug!(from, to, reason, "asking for fewer blocks");
                    step = (step / 4).max(1);
                }
                Err(error) => return Err(error),
            }
        }
        self.read_unread_stakers(counted).await?;
        Ok((from > first).then(|| (first, from - 1)))
    }

    /// When the last block that was read is no longer the chain's, goes back to one that is.
    async fn undo_replaced(&self, head: u64) -> Result<(), SettlementError> {
        let remembered = self.store.remembered()?;
        let Some(&(seen, hash)) = remembered.first() else { return Ok(()) };
        // An endpoint that is behind can't say anything about it.
        if seen > head {
            return Ok(());
        }
        if self.block_hash(seen).await? == Some(hash) {
            return Ok(());
        }
        for &(number, hash) in &remembered[1..] {
            if self.block_hash(number).await? == Some(hash) {
                tracing::warn!(from = number + 1, to = seen, "the chain has replaced blocks that counted");
                self.store.roll_back(number)?;
                return self.read_validators(number).await;
            }
        }
        let oldest = remembered.last().map_or(seen, |&(number, _)| number);
        // Everything that was read is in what is remembered: reading it all again is as good.
        if oldest <= self.config.address.from_block {
            self.store.roll_back(self.config.address.from_block.saturating_sub(1))?;
            return Ok(());
        }
        Err(SettlementError::DeepReorganisation { oldest })
    }

    async fn read_blocks(&self, from: u64, to: u64) -> Result<bool, SettlementError> {
        let Some(before) = self.block_hash(to).await? else { return Ok(false) };
        let filter = Filter::new().address(self.config.address.contract).from_block(from).to_block(to);
        let logs = self
            .rpc
            .call("eth_getLogs", |provider| {
                let filter = filter.clone();
                async move { provider.get_logs(&filter).await }
            })
            .await?;
        if logs.len() > MOST_EVENTS {
            let reason = format!("{} events in blocks {from} to {to}", logs.len());
            return Err(SettlementError::Refused { call: "eth_getLogs", reason });
        }
        if self.block_hash(to).await? != Some(before) {
            return Ok(false);
        }
        let mut blocks: Vec<(u64, B256)> =
            logs.iter().filter_map(|log| Some((log.block_number?, log.block_hash?))).collect();
        blocks.dedup();
        blocks.push((to, before));
        let events: Vec<ChainEvent> = logs.iter().filter(|log| !log.removed).filter_map(understand).collect();
        if events.iter().any(|event| event.block < from || event.block > to) {
            let reason = "the endpoint gives events of other blocks than were asked for".to_owned();
            return Err(SettlementError::Unreachable { call: "eth_getLogs", endpoints: 1, reason });
        }
        if events.iter().any(|event| event.kind == EventKind::Validators) {
            self.read_validators(to).await?;
        }
        let touched: BTreeSet<Address> = events.iter().filter_map(|event| event.kind.staker()).collect();
        let mut stakers = Vec::with_capacity(touched.len());
        for miner in touched {
            stakers.push((miner, self.read_staker(miner, to).await?));
        }
        self.store.advance(&blocks, &events, &stakers)?;
        Ok(true)
    }

    async fn read_unread_stakers(&self, at: u64) -> Result<(), SettlementError> {
        let unread = self.store.unread_stakers()?;
        let mut stakers = Vec::with_capacity(unread.len());
        for miner in unread {
            stakers.push((miner, self.read_staker(miner, at).await?));
        }
        if stakers.is_empty() { Ok(()) } else { self.store.advance(&[], &[], &stakers) }
    }

    async fn read_staker(&self, miner: Address, at: u64) -> Result<String, SettlementError> {
        let stake = read_stake(&self.rpc, self.config.address.contract, miner, BlockId::number(at)).await?;
        Ok(serde_json::to_string(&stake).unwrap_or_default())
    }

    async fn read_validators(&self, at: u64) -> Result<(), SettlementError> {
        let set = read_validators(&self.rpc, self.config.address.contract, BlockId::number(at)).await?;
        self.store.set_meta(VALIDATORS, &set)
    }
}

/// A read-only call.
pub(crate) async fn view<C: alloy::sol_types::SolCall + Clone>(
    rpc: &Rpc,
    to: Address,
    call: &C,
    at: BlockId,
) -> Result<C::Return, SettlementError> {
    let request = alloy::rpc::types::TransactionRequest::default().to(to).input(call.abi_encode().into());
    let bytes = rpc
        .call("eth_call", |provider| {
            let request = request.clone();
            async move { provider.call(request).block(at).await }
        })
        .await?;
    C::abi_decode_returns(&bytes).map_err(|_| {
        let found = if bytes.is_empty() { "no contract".to_owned() } else { "another contract".to_owned() };
        SettlementError::NoContract { address: to, found }
    })
}

pub(crate) async fn read_stake(
    rpc: &Rpc,
    contract: Address,
    miner: Address,
    at: BlockId,
) -> Result<StakeOnChain, SettlementError> {
    let found = view(rpc, contract, &InfernetSettlement::stakerOfCall { miner }, at).await?;
    Ok(StakeOnChain { free: found.free, locked: found.locked, cooling: found.cooling, due_at: found.dueAt })
}

pub(crate) async fn read_validators(
    rpc: &Rpc,
    contract: Address,
    at: BlockId,
) -> Result<ValidatorSet, SettlementError> {
    let members = view(rpc, contract, &InfernetSettlement::validatorsCall {}, at).await?;
    let mut judges = Vec::with_capacity(members.len());
    for &account in &members {
        if view(rpc, contract, &InfernetSettlement::mayJudgeCall { account }, at).await? {
            judges.push(account);
        }
    }
    let quorum = view(rpc, contract, &InfernetSettlement::quorumCall {}, at).await?;
    let change_nonce = view(rpc, contract, &InfernetSettlement::changeNonceCall {}, at).await?;
    Ok(ValidatorSet { judges, members, quorum: quorum.saturating_to(), change_nonce })
}

pub(crate) async fn read_rules(rpc: &Rpc, contract: Address) -> Result<ContractRules, SettlementError> {
    let at = BlockId::latest();
    // What has no such function refuses the call: a token, a wallet.
    let token = view(rpc, contract, &InfernetSettlement::TOKENCall {}, at).await.map_err(|error| match error {
        SettlementError::Refused { .. } => {
            SettlementError::NoContract { address: contract, found: "another contract".to_owned() }
        }
        other => other,
    })?;
    Ok(ContractRules {
        token,
        split_ppm: view(rpc, contract, &InfernetSettlement::SPLIT_PPMCall {}, at).await?,
        least_stake_ppm: view(rpc, contract, &InfernetSettlement::LEAST_STAKE_PPMCall {}, at).await?,
        slash_ppm: view(rpc, contract, &InfernetSettlement::SLASH_PPMCall {}, at).await?,
        challenge_secs: view(rpc, contract, &InfernetSettlement::CHALLENGE_SECONDSCall {}, at).await?,
        most_job_secs: view(rpc, contract, &InfernetSettlement::MOST_JOB_SECONDSCall {}, at).await?,
        cooldown_secs: view(rpc, contract, &InfernetSettlement::COOLDOWN_SECONDSCall {}, at).await?,
        contest_bond: view(rpc, contract, &InfernetSettlement::CONTEST_BONDCall {}, at).await?,
        validator_bond: view(rpc, contract, &InfernetSettlement::VALIDATOR_BONDCall {}, at).await?,
    })
}

/// Amounts in events are parts of deposits and stakes, which have 64 bits.
fn amount(value: U256) -> u64 {
    value.saturating_to()
}

/// An event as the store keeps it; none for those that say nothing new (credits and claims follow from the others).
fn understand(log: &Log) -> Option<ChainEvent> {
    let (block, place, hash) = (log.block_number?, log.log_index?, log.transaction_hash?);
    let said = Said::decode_raw_log(log.topics(), &log.data().data).ok()?;
    let (job, kind) = match said {
        Said::Deposited(e) => {
            let (requester, amount, deadline) = (e.requester, e.amount, e.deadline);
            let (id, job_digest, prompt_commitment) = (e.id.0, e.jobDigest, e.promptCommitment);
            (Some(e.job), EventKind::Deposited { requester, id, job_digest, prompt_commitment, amount, deadline })
        }
        Said::Settled(e) => {
            let (proof_root, bundle_digest) = (e.proofRoot, e.bundleDigest);
            let (rewards, validator_fee) = (amount(e.rewards), amount(e.validatorFee));
            let returned = amount(e.returned);
            (Some(e.job), EventKind::Settled { proof_root, bundle_digest, rewards, validator_fee, returned })
        }
        Said::Rewarded(e) => {
            let (miner, reward, locked, until) = (e.miner, amount(e.reward), e.locked, e.until);
            (Some(e.job), EventKind::Rewarded { miner, reward, locked, until })
        }
        Said::Refunded(e) => {
            (Some(e.job), EventKind::Refunded { requester: e.requester, amount: e.amount, reason: e.reason })
        }
        Said::SlashProposed(e) => {
            let (miner, amount, check, evidence, until) = (e.miner, e.amount, e.check, e.evidence, e.until);
            (Some(e.job), EventKind::SlashProposed { miner, amount, check, evidence, until })
        }
        Said::Contested(e) => {
            let (miner, by, bundle, locator, answer_by) = (e.miner, e.by, e.bundle, e.locator, e.answerBy);
            (Some(e.job), EventKind::Contested { miner, by, bundle, locator, answer_by })
        }
        Said::Answered(e) => (Some(e.job), EventKind::Answered { miner: e.miner, bundle: e.bundle, guilty: e.guilty }),
        Said::Unanswered(e) => (Some(e.job), EventKind::Unanswered { miner: e.miner, bundle: e.bundle }),
        Said::Slashed(e) => {
            let (to_requester, burned) = (amount(e.toRequester), amount(e.burned));
            (Some(e.job), EventKind::Slashed { miner: e.miner, to_requester, burned })
        }
        Said::Cleared(e) => (Some(e.job), EventKind::Cleared { miner: e.miner, amount: e.amount }),
        Said::Released(e) => (Some(e.job), EventKind::Released { miner: e.miner, amount: e.amount }),
        Said::Staked(e) => (None, EventKind::Stake { miner: e.miner }),
        Said::UnstakeRequested(e) => (None, EventKind::Stake { miner: e.miner }),
        Said::StakeWithdrawn(e) => (None, EventKind::Stake { miner: e.miner }),
        Said::ValidatorAdded(_)
        | Said::ValidatorRemoved(_)
        | Said::ValidatorResigned(_)
        | Said::Bonded(_)
        | Said::BondWithdrawn(_)
        | Said::Punished(_) => (None, EventKind::Validators),
        _ => return None,
    };
    Some(ChainEvent { block, place, hash, job, kind })
}
