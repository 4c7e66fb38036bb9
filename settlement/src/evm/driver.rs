//! The part that talks to the chain.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider as _;
use serde::Serialize;
use tokio::sync::watch;

use super::abi::{InfernetSettlement, Token};
use super::config::ChainConfig;
use super::key::EvmKey;
use super::message::Domain;
use super::rpc::Rpc;
use super::sender::{SendStage, Sender};
use super::store::{Intent, Store};
use super::watcher::{
    ContractRules, StakeOnChain, ValidatorSet, Watcher, read_rules, read_stake, read_validators, view,
};
use crate::error::SettlementError;

/// Longest pause between rounds that fail.
const MOST_PAUSE: Duration = Duration::from_secs(60);

/// Reads the chain into a store and brings the store's outbox to the chain.
#[derive(Clone, Debug)]
pub struct Driver {
    rpc: Arc<Rpc>,
    sender: Sender,
    watcher: Watcher,
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The chain's newest block.
    pub head: u64,
    /// First and last block that were read in this round.
    pub read: Option<(u64, u64)>,
}

/// How an account and the contract stand, read from the chain's newest block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainStatus {
    /// Chain.
    pub chain_id: u64,
    /// Contract.
    pub contract: Address,
    /// Newest block.
    pub head: u64,
    /// The account.
    pub account: Address,
    /// What it has to pay gas with, in wei.
    pub gas_balance_wei: U256,
    /// What a unit of gas costs now, in wei.
    pub gas_price_wei: u128,
    /// Its tokens, in micro-credits.
    pub balance_microcredits: U256,
    /// What it can claim, in micro-credits.
    pub claimable_microcredits: U256,
    /// Its stake as a miner.
    pub stake: StakeOnChain,
    /// The contract's rules.
    pub rules: ContractRules,
    /// Who may judge.
    pub validators: ValidatorSet,
}

impl Driver {
    /// For an account; nothing is sent or asked yet. The store must be of the same chain, contract and account.
    ///
    /// # Errors
    /// A setting is out of range.
    pub fn new(config: ChainConfig, key: EvmKey, store: Store) -> Result<Self, SettlementError> {
        config.check()?;
        Self::unchecked(config, key, store)
    }

    pub(super) fn unchecked(config: ChainConfig, key: EvmKey, store: Store) -> Result<Self, SettlementError> {
        let rpc = Arc::new(Rpc::new(&config.address)?);
        let watcher = Watcher { rpc: rpc.clone(), store: store.clone(), config: config.clone() };
        let sender = Sender { rpc: rpc.clone(), store, key, config, observer: None };
        Ok(Self { rpc, sender, watcher })
    }

    /// Told of each place in a transaction's life, with the intent's name.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Fn(SendStage, &str) + Send + Sync + 'static) -> Self {
        self.sender.observer = Some(Arc::new(observer));
        self
    }

    /// The chain and contract that signatures are for.
    pub fn domain(&self) -> Domain {
        let address = &self.watcher.config.address;
        Domain { chain_id: address.chain_id, contract: address.contract }
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.watcher.store
    }

    /// One round: reads what is new, follows what was sent, sends what is queued. An outage in the middle loses nothing.
    ///
    /// # Errors
    /// No endpoint answers, or the contract is not there.
    pub async fn round(&self, now_ms: u64) -> Result<Round, SettlementError> {
        self.watcher.check_contract().await?;
        let head = self.watcher.head().await?;
        let read = self.watcher.tick(head).await?;
        self.sender.tick(head, now_ms).await?;
        Ok(Round { head, read })
    }

    /// Sends and follows only; for deploying, when there is no contract yet.
    pub(super) async fn send_round(&self, now_ms: u64) -> Result<u64, SettlementError> {
        let head = self.watcher.head().await?;
        self.sender.tick(head, now_ms).await?;
        Ok(head)
    }

    /// Rounds until told to stop (the watched value becomes true, or its sender is gone). Errors are logged and tried again, with growing
    /// pauses.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let pause = Duration::from_secs(self.watcher.config.poll_secs.max(1));
        let mut wait = pause;
        while !*stop.borrow() {
            wait = match self.round(now_ms()).await {
                Ok(_) => pause,
                Err(error) => {
                    tracing::warn!(code = error.code(), %error, "the chain can't be followed; trying again");
                    (wait * 2).min(MOST_PAUSE.max(pause))
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Rounds until a transaction is over, or `patience` is.
    ///
    /// # Errors
    /// It was refused or reverted, or there is none of this name; outages only when they last until the end.
    pub async fn complete(&self, name: &str, patience: Duration) -> Result<Intent, SettlementError> {
        self.complete_with(name, patience, false).await
    }

    pub(super) async fn complete_with(
        &self,
        name: &str,
        patience: Duration,
        deploying: bool,
    ) -> Result<Intent, SettlementError> {
        let end = tokio::time::Instant::now() + patience;
        let pause = Duration::from_secs(self.watcher.config.poll_secs).max(Duration::from_millis(200));
        loop {
            let result = if deploying {
                self.send_round(now_ms()).await.map(drop)
            } else {
                self.round(now_ms()).await.map(drop)
            };
            let missing = || SettlementError::Conflict { intent: name.to_owned() };
            let intent = self.store().intent(name)?.ok_or_else(missing)?;
            if intent.state.over() {
                use super::store::IntentState::{Done, Failed};
                return match (intent.state, intent.hash) {
                    (Done, _) => Ok(intent),
                    (Failed, _) => Err(SettlementError::Refused { call: "the transaction", reason: intent.note }),
                    (_, hash) => Err(SettlementError::Reverted {
                        intent: intent.name,
                        hash: hash.unwrap_or_default(),
                        reason: intent.note,
                    }),
                };
            }
            if tokio::time::Instant::now() >= end {
                result?;
                return Ok(intent);
            }
            if let Err(error) = result
                && !error.is_transient()
            {
                return Err(error);
            }
            tokio::time::sleep(pause.min(Duration::from_secs(5))).await;
        }
    }

    /// How the account and the contract stand now.
    ///
    /// # Errors
    /// No endpoint answers, or the contract is not there.
    pub async fn status(&self) -> Result<ChainStatus, SettlementError> {
        let (contract, account, at) = (self.domain().contract, self.sender.key.address(), BlockId::latest());
        let rules = read_rules(&self.rpc, contract).await?;
        let gas_balance_wei =
            self.rpc.call("eth_getBalance", |provider| async move { provider.get_balance(account).await }).await?;
        let gas_price_wei =
            self.rpc.call("eth_gasPrice", |provider| async move { provider.get_gas_price().await }).await?;
        Ok(ChainStatus {
            chain_id: self.domain().chain_id,
            contract,
            head: self.watcher.head().await?,
            account,
            gas_balance_wei,
            gas_price_wei,
            balance_microcredits: view(&self.rpc, rules.token, &Token::balanceOfCall { account }, at).await?,
            claimable_microcredits: view(&self.rpc, contract, &InfernetSettlement::claimableCall { account }, at)
                .await?,
            stake: read_stake(&self.rpc, contract, account, at).await?,
            rules,
            validators: read_validators(&self.rpc, contract, at).await?,
        })
    }
}

impl Driver {
    /// What an account has in the token and in the contract, read from the chain's newest block.
    ///
    /// # Errors
    /// No endpoint answers, or the contract is not there.
    pub async fn holdings(&self, account: Address) -> Result<Holdings, SettlementError> {
        let (contract, at) = (self.domain().contract, BlockId::latest());
        let rules = self.watcher.check_contract().await?;
        let amount = |value: U256| value.saturating_to();
        let balance = view(&self.rpc, rules.token, &Token::balanceOfCall { account }, at).await?;
        let claimable = view(&self.rpc, contract, &InfernetSettlement::claimableCall { account }, at).await?;
        let validator = view(&self.rpc, contract, &InfernetSettlement::validatorOfCall { account }, at).await?;
        Ok(Holdings {
            balance_microcredits: amount(balance),
            claimable_microcredits: amount(claimable),
            stake: read_stake(&self.rpc, contract, account, at).await?,
            bond_microcredits: validator.bond,
        })
    }

    /// What the contract holds, what of it waits to be burned, and how many tokens there are.
    ///
    /// # Errors
    /// No endpoint answers, or the contract is not there.
    pub async fn totals(&self) -> Result<ContractTotals, SettlementError> {
        let (account, at) = (self.domain().contract, BlockId::latest());
        let token = self.watcher.check_contract().await?.token;
        Ok(ContractTotals {
            held_microcredits: view(&self.rpc, token, &Token::balanceOfCall { account }, at).await?.saturating_to(),
            to_burn_microcredits: view(&self.rpc, account, &InfernetSettlement::toBurnCall {}, at)
                .await?
                .saturating_to(),
            supply_microcredits: view(&self.rpc, token, &Token::totalSupplyCall {}, at).await?.saturating_to(),
        })
    }

    /// Gas that a transaction of this account used, and what it paid for it, in wei; none while it is in no block.
    ///
    /// # Errors
    /// No endpoint answers.
    pub async fn gas_of(&self, hash: B256) -> Result<Option<GasPaid>, SettlementError> {
        let receipt = self
            .rpc
            .call("eth_getTransactionReceipt", |provider| async move { provider.get_transaction_receipt(hash).await })
            .await?;
        Ok(receipt.map(|receipt| GasPaid {
            gas: receipt.gas_used,
            wei: u128::from(receipt.gas_used).saturating_mul(receipt.effective_gas_price),
        }))
    }
}

/// What an account has, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// Tokens.
    pub balance_microcredits: u64,
    /// Owed by the contract.
    pub claimable_microcredits: u64,
    /// Stake as a miner.
    pub stake: StakeOnChain,
    /// Bond as a validator.
    pub bond_microcredits: u64,
}

/// What the contract has, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContractTotals {
    /// Tokens of the contract.
    pub held_microcredits: u64,
    /// Those of them that wait to be burned.
    pub to_burn_microcredits: u64,
    /// All tokens that there are.
    pub supply_microcredits: u64,
}

/// What a transaction cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GasPaid {
    /// Gas used.
    pub gas: u64,
    /// Paid for it, in wei.
    pub wei: u128,
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
