//! Money where a contract on a chain settles: the same answers as from the ledger, with the transactions under way.

use infernet_api::types::job::ChainCost;
use infernet_api::types::money::{
    ChainTransaction, ChainTransactionState, ClaimRequest, Claimed, Refund, RefundState, StakeAction, StakeChanged,
    StakeRequest,
};
use infernet_api::types::status::ChainInfo;
use infernet_api::{ApiError, ErrorCode};
use infernet_network::proof::JobSpec;
use infernet_settlement::evm::{EventKind, Intent, IntentState};

use super::{NodeBackend, convert, errors, money};
use crate::chain::{Chain, ChainError, DEPOSIT_GAS};
use crate::clock::now_ms;

/// Transactions that are shown beside those under way.
const SHOWN: u32 = 20;
/// Wei of an ether.
const ETHER: f64 = 1e18;

/// A transaction as the API shows it.
pub(super) fn shown(chain: &Chain, intent: &Intent) -> ChainTransaction {
    let needed = chain.config().confirmations;
    let head = chain.status().borrow().as_ref().map(|status| status.head);
    let on_top = match (intent.state, head, intent.block) {
        (IntentState::Done | IntentState::Reverted, ..) => needed,
        (_, Some(head), Some(block)) => head.saturating_sub(block).min(needed),
        _ => 0,
    };
    ChainTransaction {
        name: intent.name.clone(),
        state: match intent.state {
            IntentState::Queued | IntentState::Sent => ChainTransactionState::Pending,
            IntentState::Mined => ChainTransactionState::Mined,
            IntentState::Done => ChainTransactionState::Confirmed,
            IntentState::Reverted | IntentState::Failed => ChainTransactionState::Failed,
        },
        url: intent.hash.and_then(|hash| chain.config().transaction_url(&hash.to_string())),
        hash: intent.hash.map(|hash| hash.to_string()),
        block: intent.block,
        confirmations: on_top,
        confirmations_needed: needed,
        note: intent.note.clone(),
    }
}

fn said(error: impl Into<ChainError>) -> ApiError {
    errors::chain(&error.into())
}

impl NodeBackend {
    pub(super) fn chain(&self) -> Option<&Chain> {
        self.node().roles().chain.as_ref()
    }

    pub(super) fn chain_info(&self) -> Option<ChainInfo> {
        let chain = self.chain()?;
        let head = chain.status().borrow().as_ref().map(|status| status.head);
        Some(ChainInfo {
            chain_id: chain.config().address.chain_id,
            contract: chain.config().address.contract.to_string(),
            account: chain.address().to_string(),
            head,
        })
    }

    /// Transactions under way and the latest others, newest first; none where the ledger settles.
    pub(super) fn transactions(&self) -> Vec<ChainTransaction> {
        let Some(chain) = self.chain() else { return Vec::new() };
        let (store, mut all) = (chain.store(), Vec::new());
        all.extend(store.open_intents().unwrap_or_default());
        for intent in store.intents(SHOWN).unwrap_or_default() {
            if !all.iter().any(|known| known.id == intent.id) {
                all.push(intent);
            }
        }
        all.sort_by_key(|intent| std::cmp::Reverse(intent.id));
        all.iter().map(|intent| shown(chain, intent)).collect()
    }

    pub(super) fn transactions_under_way(&self) -> Vec<ChainTransaction> {
        let Some(chain) = self.chain() else { return Vec::new() };
        let open = chain.store().open_intents().unwrap_or_default();
        open.iter().map(|intent| shown(chain, intent)).collect()
    }

    /// The transaction of a wish. Without a request's id each wish is a new one, but only after the last.
    fn reference(chain: &Chain, what: &str, id: Option<infernet_api::RequestId>) -> Result<String, ApiError> {
        if let Some(id) = id {
            return Ok(format!("request-{id}"));
        }
        let known = chain.store().intents_named(&format!("{what} api-")).map_err(said)?;
        if let Some(open) = known.iter().find(|intent| !intent.state.over()) {
            return Err(said(ChainError::Busy { intent: open.name.clone() }));
        }
        let done = known.iter().filter(|intent| intent.state != IntentState::Failed).count();
        Ok(format!("api-{done}"))
    }

    fn transaction(chain: &Chain, name: &str) -> Result<ChainTransaction, ApiError> {
        let intent = chain.store().intent(name).map_err(said)?;
        intent.map(|intent| shown(chain, &intent)).ok_or_else(|| ApiError::internal("the transaction is not kept"))
    }

    pub(super) async fn claim_on_chain(&self, chain: &Chain, request: ClaimRequest) -> Result<Claimed, ApiError> {
        let status = chain.driver().status().await.map_err(said)?;
        let claimable: u64 = status.claimable_microcredits.saturating_to();
        if claimable == 0 {
            return Err(ApiError::new(ErrorCode::NothingToClaim, "nothing can be claimed", "earn something first"));
        }
        if let Some(asked) = request.amount_microcredits.filter(|asked| *asked != claimable) {
            let message = format!(
                "{asked} micro-credits are asked for, {claimable} can be claimed; the contract moves all at once"
            );
            let next_step = "leave the amount out to claim everything";
            return Err(ApiError::new(ErrorCode::LedgerRefused, message, next_step).at("amount_microcredits"));
        }
        let reference = Self::reference(chain, "claim", request.request_id)?;
        let name = chain.account().and_then(|account| Ok(account.claim(&reference, now_ms())?)).map_err(said)?;
        Ok(Claimed {
            claimed_microcredits: claimable,
            balance_microcredits: status.balance_microcredits.saturating_to(),
            receipt: None,
            transaction: Some(Self::transaction(chain, &name)?),
        })
    }

    pub(super) async fn change_stake_on_chain(
        &self,
        chain: &Chain,
        request: StakeRequest,
    ) -> Result<StakeChanged, ApiError> {
        let status = chain.driver().status().await.map_err(said)?;
        let amount = request.amount_microcredits.unwrap_or(0);
        let short = |code, found: u64, what: &str| {
            let message = format!("{amount} micro-credits are asked for, {found} are {what}");
            Err(ApiError::new(code, message, "ask for less").at("amount_microcredits"))
        };
        let account = chain.account().map_err(said)?;
        let balance: u64 = status.balance_microcredits.saturating_to();
        let stake = &status.stake;
        let name = match request.action {
            StakeAction::Stake if amount > balance => {
                return short(ErrorCode::InsufficientBalance, balance, "in the account's tokens");
            }
            StakeAction::Unstake if amount > stake.free => {
                return short(ErrorCode::InsufficientStake, stake.free, "free stake");
            }
            StakeAction::Withdraw if stake.cooling == 0 || now_ms() / 1000 < stake.due_at => {
                let message = format!(
                    "{} micro-credits are being taken out, until {} s since 1970 UTC",
                    stake.cooling, stake.due_at
                );
                return Err(ApiError::new(ErrorCode::CoolDown, message, "wait until it is due: infernet stake"));
            }
            StakeAction::Stake => {
                let reference = Self::reference(chain, "stake", request.request_id)?;
                account.stake(amount, &reference, now_ms())
            }
            StakeAction::Unstake => {
                let reference = Self::reference(chain, "unstake", request.request_id)?;
                account.request_unstake(amount, &reference, now_ms())
            }
            StakeAction::Withdraw => {
                let reference = Self::reference(chain, "withdraw-stake", request.request_id)?;
                account.withdraw_stake(&reference, now_ms())
            }
        };
        let transaction = Self::transaction(chain, &name.map_err(said)?)?;
        let mut stake = money::stake_of(&self.account().await?);
        self.complete_stake(&mut stake);
        Ok(StakeChanged { stake, receipt: None, transaction: Some(transaction) })
    }

    /// What the contract says of stake beside the account.
    pub(super) fn complete_stake(&self, stake: &mut infernet_api::types::money::StakeInfo) {
        let Some(chain) = self.chain() else { return };
        if let Ok(rules) = chain.rules() {
            stake.cool_down_secs = rules.cooldown_secs;
        }
        stake.transactions = self.transactions_under_way();
    }

    /// What a deposit costs on the chain; none where the ledger settles.
    pub(super) async fn deposit_cost(&self) -> Result<Option<ChainCost>, ApiError> {
        let Some(chain) = self.chain() else { return Ok(None) };
        let status = chain.driver().status().await.map_err(said)?;
        let wei: u128 = status.gas_balance_wei.saturating_to();
        Ok(Some(ChainCost {
            chain_id: status.chain_id,
            contract: status.contract.to_string(),
            account: status.account.to_string(),
            gas: DEPOSIT_GAS,
            fee_ether: DEPOSIT_GAS as f64 * status.gas_price_wei as f64 / ETHER,
            ether: wei as f64 / ETHER,
            confirmations: chain.config().confirmations,
        }))
    }

    /// The refund of an own job; none of one that was paid for, or that no deposit was made for.
    pub(super) fn refund_on_chain(&self, chain: &Chain, id: infernet_api::JobId, spec: &JobSpec) -> Option<Refund> {
        let events = chain.store().events_of(chain.job_name(spec)).ok()?;
        let (deposited, deadline) = events.iter().find_map(|event| match event.kind {
            EventKind::Deposited { amount, deadline, .. } => Some((amount, deadline.saturating_mul(1000))),
            _ => None,
        })?;
        if events.iter().any(|event| matches!(event.kind, EventKind::Settled { .. })) {
            return None;
        }
        let back = events.iter().find_map(|event| match event.kind {
            EventKind::Refunded { amount, .. } => Some(amount),
            _ => None,
        });
        let state = match back {
            Some(_) => RefundState::Done,
            None if now_ms() > deadline => RefundState::Due,
            None => RefundState::NotYet,
        };
        Some(Refund {
            job: id,
            amount_microcredits: back.unwrap_or(deposited),
            state,
            time_unix_ms: deadline,
            slashed_miner: None,
            receipt: None,
        })
    }

    /// Asks the contract for a deposit that is due.
    pub(super) fn ask_refund_on_chain(&self, chain: &Chain, spec: &JobSpec) -> Result<(), ApiError> {
        let account = chain.account().map_err(said)?;
        account.refund(chain.job_name(spec), now_ms()).map(drop).map_err(said)
    }

    /// What became of an order's deposit: how much came back.
    pub(super) fn returned_on_chain(&self, id: infernet_api::JobId) -> Option<u64> {
        let (chain, requester) = (self.chain()?, self.node().roles().requester.as_ref()?);
        let order = requester.orders().remove(&convert::wire_job(id))?;
        let spec = JobSpec::from_bytes(&order.spec).ok()?;
        chain.returned_microcredits(chain.job_name(&spec))
    }
}
