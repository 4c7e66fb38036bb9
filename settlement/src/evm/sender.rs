//! Sends what is in the outbox: every transaction is signed and on the disk, with its nonce, before it leaves. Whatever happens
//! after that (a crash, an outage, a replaced block), the same nonce is used again, so that it has its effect once.

use std::fmt;
use std::sync::Arc;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Address, B256, TxKind, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::SignerSync as _;

use super::config::ChainConfig;
use super::key::EvmKey;
use super::rpc::Rpc;
use super::store::{Attempt, Intent, IntentState, Store};
use crate::error::SettlementError;

/// Transactions that are out at the same time.
const MOST_IN_FLIGHT: u32 = 16;
/// Refusals after which an intent is given up; the chain's clock and other endpoints may be behind.
const MOST_REFUSALS: u32 = 5;

/// A place in a transaction's life, told to who watches. Tests end the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendStage {
    /// It is about to be signed.
    Chosen,
    /// It is on the disk and was not sent.
    Recorded,
    /// It was sent.
    Sent,
    /// It is known to be in a block.
    Mined,
    /// It is known to be in a block that counts.
    Final,
}

type Observer = Arc<dyn Fn(SendStage, &str) + Send + Sync>;

/// Brings the outbox to the chain.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(super) rpc: Arc<Rpc>,
    pub(super) store: Store,
    pub(super) key: EvmKey,
    pub(super) config: ChainConfig,
    pub(super) observer: Option<Observer>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("account", &self.key.address()).finish_non_exhaustive()
    }
}

/// Fees of a transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fees {
    most: u128,
    priority: u128,
}

impl Sender {
    fn observe(&self, stage: SendStage, intent: &Intent) {
        if let Some(observer) = &self.observer {
            observer(stage, &intent.name);
        }
    }

    /// One round: looks for what was sent, sends again what is stuck, sends what is new.
    pub(crate) async fn tick(&self, head: u64, now_ms: u64) -> Result<(), SettlementError> {
        // A node and a command may share an account's file: one of them sends at a time, and the other sees in the file what it does.
        let Some(_turn) = self.store.sending_turn()? else { return Ok(()) };
        let account = self.key.address();
        if self.store.next_nonce()? == 0 && self.store.in_state(IntentState::Queued, 1)?.is_empty() {
            return Ok(());
        }
        let used = self
            .rpc
            .call("eth_getTransactionCount", |provider| async move { provider.get_transaction_count(account).await })
            .await?;
        // A nonce that is free again was used in a block that was replaced, however deep it was.
        let reopened = self.store.reopen(used)?;
        if reopened > 0 {
            tracing::warn!(reopened, "the chain has replaced blocks that counted; sending their transactions again");
        }
        let mut out = self.store.in_state(IntentState::Mined, u32::MAX)?;
        out.extend(self.store.in_state(IntentState::Sent, u32::MAX)?);
        let queued = self.store.in_state(IntentState::Queued, MOST_IN_FLIGHT)?;
        if out.is_empty() && queued.is_empty() {
            return Ok(());
        }
        let counted = head.saturating_sub(self.config.confirmations);
        let used_for_good = self
            .rpc
            .call("eth_getTransactionCount", |provider| async move {
                let at = BlockId::Number(BlockNumberOrTag::Number(counted));
                provider.get_transaction_count(account).block_id(at).await
            })
            .await?;
        let mut in_flight = 0;
        for intent in out {
            if !self.follow(&intent, head, used, used_for_good, now_ms).await? {
                in_flight += 1;
            }
        }
        for intent in queued {
            if in_flight >= MOST_IN_FLIGHT || !self.send(&intent, used, in_flight > 0, now_ms).await? {
                break;
            }
            in_flight += 1;
        }
        Ok(())
    }

    /// Looks after a transaction that is out; true when it is over.
    async fn follow(
        &self,
        intent: &Intent,
        head: u64,
        used: u64,
        used_for_good: u64,
        now_ms: u64,
    ) -> Result<bool, SettlementError> {
        let attempts = self.store.attempts(intent.id)?;
        let (Some(nonce), Some(last)) = (intent.nonce, attempts.last()) else {
            // Never signed after all.
            self.store.displaced(intent.id)?;
            return Ok(true);
        };
        if let Some(receipt) = self.receipt(&attempts, false).await? {
            return self.mined(intent, &receipt, head);
        }
        if intent.state == IntentState::Mined {
            tracing::warn!(intent = intent.name, "the block of a transaction was replaced; following it again");
            self.store.set_state(intent.id, IntentState::Sent, None, "its block was replaced")?;
        }
        if nonce < used_for_good {
            // One endpoint without a receipt is no proof that there is none: all are asked.
            if let Some(receipt) = self.receipt(&attempts, true).await? {
                return self.mined(intent, &receipt, head);
            }
            tracing::warn!(intent = intent.name, nonce, "another transaction of this account has used the nonce");
            self.store.displaced(intent.id)?;
            return Ok(true);
        }
        if nonce < used {
            // Mined, but not deep enough to say by whom.
            return Ok(false);
        }
        let waited_ms = now_ms.saturating_sub(last.sent_ms);
        if waited_ms >= self.config.replace_after_secs.saturating_mul(1000) {
            self.replace(intent, nonce, last, now_ms).await?;
            return Ok(false);
        }
        let hash = last.hash;
        let known = self
            .rpc
            .call("eth_getTransactionByHash", |provider| async move { provider.get_transaction_by_hash(hash).await })
            .await?;
        if known.is_none() {
            self.broadcast(intent, last).await?;
        }
        Ok(false)
    }

    async fn receipt(
        &self,
        attempts: &[Attempt],
        everywhere: bool,
    ) -> Result<Option<TransactionReceipt>, SettlementError> {
        for attempt in attempts.iter().rev() {
            let hash = attempt.hash;
            let ask = |provider: super::rpc::Provider| async move { provider.get_transaction_receipt(hash).await };
            let found = if everywhere {
                self.rpc.call_all("eth_getTransactionReceipt", ask).await.into_iter().flatten().next()
            } else {
                self.rpc.call("eth_getTransactionReceipt", ask).await?
            };
            if let Some(receipt) = found.filter(|receipt| receipt.block_number.is_some()) {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    fn mined(&self, intent: &Intent, receipt: &TransactionReceipt, head: u64) -> Result<bool, SettlementError> {
        let block = receipt.block_number.unwrap_or_default();
        let place = Some((block, receipt.transaction_hash));
        // A block has its first confirmation when the next one is on top of it.
        let counts = head >= block.saturating_add(self.config.confirmations);
        let state = match (counts, receipt.status()) {
            (false, _) => IntentState::Mined,
            (true, true) => IntentState::Done,
            (true, false) => IntentState::Reverted,
        };
        let note = if receipt.status() { "" } else { "the transaction reverted" };
        if intent.state != state || intent.block != Some(block) {
            self.observe(SendStage::Mined, intent);
            self.store.set_state(intent.id, state, place, note)?;
            if state != IntentState::Mined {
                self.observe(SendStage::Final, intent);
                tracing::info!(intent = intent.name, block, succeeded = receipt.status(), "a transaction counts");
            }
        }
        Ok(counts)
    }

    /// What the market asks, or none above our own limit.
    async fn fees(&self) -> Result<Option<Fees>, SettlementError> {
        let block = self
            .rpc
            .call("eth_getBlockByNumber", |provider| async move {
                provider.get_block_by_number(BlockNumberOrTag::Latest).await
            })
            .await?;
        let base = block.and_then(|block| block.header.base_fee_per_gas).unwrap_or_default();
        let asked = self
            .rpc
            .call("eth_maxPriorityFeePerGas", |provider| async move { provider.get_max_priority_fee_per_gas().await })
            .await;
        // Some chains do not have the call.
        let priority = match asked {
            Ok(priority) => priority,
            Err(SettlementError::Refused { .. }) => 0,
            Err(error) => return Err(error),
        };
        Ok(fees(base.into(), priority, self.config.max_fee_per_gas_wei.into()))
    }

    /// Signs and sends a new transaction; false when nothing after it can be sent now.
    async fn send(&self, intent: &Intent, used: u64, others: bool, now_ms: u64) -> Result<bool, SettlementError> {
        let mut request =
            TransactionRequest::default().with_from(self.key.address()).with_input(intent.calldata.clone());
        request.to = Some(kind(intent));
        let estimate = self
            .rpc
            .call("eth_estimateGas", |provider| {
                let request = request.clone();
                async move { provider.estimate_gas(request).block(BlockId::pending()).await }
            })
            .await;
        let estimate = match estimate {
            Ok(gas) => gas,
            Err(SettlementError::Refused { reason, .. }) => {
                // It may only need one that is not mined yet.
                let again = others || intent.refusals + 1 < MOST_REFUSALS;
                if again {
                    self.store.set_note(intent.id, &reason, !others)?;
                    // What follows may build on it.
                    return Ok(false);
                }
                tracing::warn!(intent = intent.name, reason, "the chain refuses a transaction");
                self.store.set_state(intent.id, IntentState::Failed, None, &reason)?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        // The state may be another one when it is mined.
        let gas = estimate.saturating_add(estimate / 4).saturating_add(10_000);
        if gas > self.config.max_gas {
            let note = format!("it needs {gas} gas, more than the limit of {}", self.config.max_gas);
            self.store.set_state(intent.id, IntentState::Failed, None, &note)?;
            return Ok(true);
        }
        let Some(fees) = self.fees().await? else {
            self.store.set_note(intent.id, "gas is dearer than the limit; waiting", false)?;
            return Ok(false);
        };
        self.observe(SendStage::Chosen, intent);
        let nonce = self.store.next_nonce()?.max(used);
        let attempt = self.sign(intent, nonce, gas, fees, now_ms)?;
        if !self.store.record(intent.id, nonce, &attempt)? {
            return Ok(true);
        }
        self.observe(SendStage::Recorded, intent);
        self.broadcast(intent, &attempt).await?;
        self.observe(SendStage::Sent, intent);
        Ok(true)
    }

    /// The same call with the same nonce and a higher fee: nodes take it instead of the first from 10 % more on.
    async fn replace(&self, intent: &Intent, nonce: u64, last: &Attempt, now_ms: u64) -> Result<(), SettlementError> {
        let market = self.fees().await?.unwrap_or(Fees { most: 0, priority: 0 });
        let cap = u128::from(self.config.max_fee_per_gas_wei);
        let raised = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        let most = raised(last.max_fee).max(market.most);
        let priority = raised(last.priority).max(market.priority).min(most);
        if most > cap {
            self.store.set_note(intent.id, "stuck, and a higher fee is above the limit", false)?;
            return self.broadcast(intent, last).await;
        }
        let attempt = self.sign(intent, nonce, last.gas, Fees { most, priority }, now_ms)?;
        if !self.store.record(intent.id, nonce, &attempt)? {
            return Ok(());
        }
        tracing::info!(intent = intent.name, nonce, fee = most, "sending a stuck transaction again with a higher fee");
        self.broadcast(intent, &attempt).await
    }

    fn sign(&self, intent: &Intent, nonce: u64, gas: u64, fees: Fees, now_ms: u64) -> Result<Attempt, SettlementError> {
        let unsigned = TxEip1559 {
            chain_id: self.config.address.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.most,
            max_priority_fee_per_gas: fees.priority,
            to: kind(intent),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: intent.calldata.clone(),
        };
        let signature = self.key.signer().sign_hash_sync(&unsigned.signature_hash());
        let signature = signature.map_err(|error| SettlementError::Key { reason: error.to_string() })?;
        let transaction = unsigned.into_signed(signature);
        let hash: B256 = *transaction.hash();
        let raw = transaction.encoded_2718().into();
        Ok(Attempt { hash, raw, gas, max_fee: fees.most, priority: fees.priority, sent_ms: now_ms })
    }

    /// Sends bytes that are on the disk. That an endpoint has them already, or that they are mined, is no error; other refusals are
    /// noted and tried again.
    async fn broadcast(&self, intent: &Intent, attempt: &Attempt) -> Result<(), SettlementError> {
        let raw = &attempt.raw;
        let sent = self
            .rpc
            .call("eth_sendRawTransaction", |provider| async move {
                provider.send_raw_transaction(raw).await.map(|pending| *pending.tx_hash())
            })
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(SettlementError::Refused { reason, .. }) => {
                let known = ["already known", "already imported", "nonce too low", "known transaction"];
                if !known.iter().any(|words| reason.to_lowercase().contains(words)) {
                    tracing::debug!(intent = intent.name, reason, "the chain does not take a transaction");
                    self.store.set_note(intent.id, &reason, false)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The zero address stands for a new contract.
fn kind(intent: &Intent) -> TxKind {
    if intent.target == Address::ZERO { TxKind::Create } else { TxKind::Call(intent.target) }
}

/// Twice the base fee lasts for six full blocks.
fn fees(base: u128, priority: u128, cap: u128) -> Option<Fees> {
    let needed = base.saturating_add(priority);
    if needed > cap {
        return None;
    }
    let most = base.saturating_mul(2).saturating_add(priority).min(cap);
    // A fee of nothing can't be raised by a tenth, and can't be less than what a node's pool asks.
    Some(Fees { most: most.max(1), priority: priority.min(most) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_stay_within_the_limit() {
        assert_eq!(fees(10, 2, 100), Some(Fees { most: 22, priority: 2 }));
        assert_eq!(fees(60, 2, 100), Some(Fees { most: 100, priority: 2 }));
        assert_eq!(fees(99, 2, 100), None);
        assert_eq!(fees(0, 0, 100), Some(Fees { most: 1, priority: 0 }));
        assert_eq!(fees(u128::MAX, 2, 100), None);
    }
}
