//! Claims, stake, refunds: requests to the ledger, one at a time, since each carries the account's next number.

use infernet_api::types::job::{JobPart, JobStage};
use infernet_api::types::money::{
    ClaimRequest, Claimed, Receipt as Shown, Refund, RefundList, RefundRequest, RefundState, StakeAction, StakeChanged,
    StakeInfo, StakeLock, StakeRequest, Unstaking,
};
use infernet_api::{ApiError, ErrorCode, JobId};
use infernet_ledger::{Account, Action, Entry, LedgerParameters, Receipt};
use infernet_network::proof::JobSpec;

use super::{NodeBackend, books, convert, errors};
use crate::clock::now_ms;

impl NodeBackend {
    /// The account, asked for now.
    pub(super) async fn account(&self) -> Result<Account, ApiError> {
        let account = self.node().account(&self.node().public_key()).await.map_err(|error| errors::money(&error))?;
        self.note_account(account.clone());
        Ok(account)
    }

    fn shown(&self, receipt: &Receipt) -> Result<Shown, ApiError> {
        books::shown(receipt, self.inner.books.own())
            .ok_or_else(|| ApiError::internal("the receipt is the ledger's first entry"))
    }

    pub(super) async fn claim_now(&self, request: ClaimRequest) -> Result<Claimed, ApiError> {
        let _one = self.inner.paying.lock().await;
        if let Some(known) = self.inner.once.known(request.request_id, &request)? {
            return Ok(known);
        }
        if let Some(chain) = self.chain() {
            let claimed = self.claim_on_chain(chain, request.clone()).await?;
            self.inner.once.keep(request.request_id, &request, &claimed);
            return Ok(claimed);
        }
        let claimable = self.account().await?.claimable;
        if claimable == 0 {
            return Err(ApiError::new(ErrorCode::NothingToClaim, "nothing can be claimed", "earn something first"));
        }
        if let Some(asked) = request.amount_microcredits.filter(|asked| *asked != claimable) {
            let message = format!(
                "{asked} micro-credits are asked for, {claimable} can be claimed; the ledger moves all at once"
            );
            let next_step = "leave the amount out to claim everything";
            return Err(ApiError::new(ErrorCode::LedgerRefused, message, next_step).at("amount_microcredits"));
        }
        let receipt = self.node().request_money(Action::Claim).await.map_err(|error| errors::money(&error))?;
        let claimed = Claimed {
            claimed_microcredits: receipt.movements.iter().map(|movement| movement.amount_microcredits).sum(),
            balance_microcredits: self.account().await?.balance,
            receipt: Some(self.shown(&receipt)?),
            transaction: None,
        };
        self.inner.once.keep(request.request_id, &request, &claimed);
        Ok(claimed)
    }

    pub(super) async fn change_stake_now(&self, request: StakeRequest) -> Result<StakeChanged, ApiError> {
        let _one = self.inner.paying.lock().await;
        if let Some(known) = self.inner.once.known(request.request_id, &request)? {
            return Ok(known);
        }
        if let Some(chain) = self.chain() {
            let changed = self.change_stake_on_chain(chain, request.clone()).await?;
            self.inner.once.keep(request.request_id, &request, &changed);
            return Ok(changed);
        }
        let account = self.account().await?;
        let amount = request.amount_microcredits.unwrap_or(0);
        let short = |code, found: u64, what: &str| {
            let message = format!("{amount} micro-credits are asked for, {found} are {what}");
            Err(ApiError::new(code, message, "ask for less").at("amount_microcredits"))
        };
        let action = match request.action {
            StakeAction::Stake if amount > account.balance => {
                return short(ErrorCode::InsufficientBalance, account.balance, "in the balance");
            }
            StakeAction::Unstake if u128::from(amount) > account.stake.available(now_ms()) => {
                let free = convert::amount(account.stake.available(now_ms()));
                return short(ErrorCode::InsufficientStake, free, "free stake");
            }
            StakeAction::Stake => Action::Stake { amount_microcredits: amount },
            StakeAction::Unstake => Action::Unstake { amount_microcredits: amount },
            StakeAction::Withdraw => {
                let now = now_ms();
                let due = account.stake.unstaking.iter().filter(|part| part.free_at_ms <= now);
                let due: u64 = due.map(|part| part.amount).fold(0, u64::saturating_add);
                if let Some(asked) = request.amount_microcredits.filter(|asked| *asked != due) {
                    let message =
                        format!("{asked} micro-credits are asked for, {due} are due; the ledger moves all that is due");
                    let next_step = "leave the amount out to withdraw what is due";
                    return Err(ApiError::new(ErrorCode::CoolDown, message, next_step).at("amount_microcredits"));
                }
                Action::WithdrawStake
            }
        };
        let receipt = self.node().request_money(action).await.map_err(|error| errors::money(&error))?;
        let changed = StakeChanged {
            stake: stake_of(&self.account().await?),
            receipt: Some(self.shown(&receipt)?),
            transaction: None,
        };
        self.inner.once.keep(request.request_id, &request, &changed);
        Ok(changed)
    }

    pub(super) async fn stake_now(&self) -> Result<StakeInfo, ApiError> {
        let mut stake = stake_of(&self.account().await?);
        self.complete_stake(&mut stake);
        Ok(stake)
    }

    pub(super) async fn refund_list(&self) -> Result<RefundList, ApiError> {
        if self.node().roles().requester.is_none() {
            return Ok(RefundList::default());
        }
        // What is known is told where the validator is silent.
        if let Err(error) = self.inner.books.refresh(self.node()).await {
            tracing::debug!("refunds are told without the newest receipts: {error}");
        }
        let jobs = self.all_jobs(Some(JobPart::Requested)).await?;
        Ok(RefundList { refunds: jobs.iter().filter_map(|job| self.refund_of(job)).collect() })
    }

    pub(super) async fn refund_now(&self, request: RefundRequest) -> Result<Refund, ApiError> {
        let id = request.job;
        let refund = self.own_refund(id).await?;
        match refund.state {
            RefundState::Done => return Ok(refund),
            RefundState::NotYet => {
                let message = format!(
                    "job {id} may still end well; its deposit can be asked for at {} ms since 1970 UTC",
                    refund.time_unix_ms
                );
                let next_step = "wait until then, or give the job up: infernet cancel JOB";
                return Err(ApiError::new(ErrorCode::WrongStage, message, next_step).at("job"));
            }
            RefundState::Due => {}
        }
        let Some(requester) = &self.node().roles().requester else { return Err(errors::role_off("requester")) };
        if let Some((chain, spec)) = self.chain().zip(self.spec_of(id)) {
            self.ask_refund_on_chain(chain, &spec)?;
            return self.own_refund(id).await;
        }
        requester.cancel(convert::wire_job(id)).await.map_err(|error| errors::order(&error))?;
        self.inner.books.refresh(self.node()).await?;
        self.own_refund(id).await
    }

    async fn own_refund(&self, id: JobId) -> Result<Refund, ApiError> {
        if self.node().roles().requester.is_none() {
            return Err(errors::role_off("requester"));
        }
        let jobs = self.all_jobs(Some(JobPart::Requested)).await?;
        let job = jobs.iter().find(|job| job.id == id).ok_or_else(|| errors::no_job(id))?;
        self.refund_of(job).ok_or_else(|| {
            let message = format!("job {id} was settled: its deposit paid for the clip");
            ApiError::new(ErrorCode::WrongStage, message, "nothing is to be done").at("job")
        })
    }

    /// The specification of an order.
    fn spec_of(&self, id: JobId) -> Option<JobSpec> {
        let order = self.node().roles().requester.as_ref()?.orders().remove(&convert::wire_job(id))?;
        JobSpec::from_bytes(&order.spec).ok()
    }

    /// The refund of an own job; none of one that was paid for.
    fn refund_of(&self, job: &infernet_api::types::job::Job) -> Option<Refund> {
        if let Some(chain) = self.chain() {
            return self.refund_on_chain(chain, job.id, &self.spec_of(job.id)?);
        }
        if job.stage == JobStage::Settled {
            return None;
        }
        let receipts = self.inner.books.of_job(&job.id);
        let own = self.inner.books.own();
        let back = receipts.iter().rev().find(|receipt| matches!(receipt.entry, Entry::Refund(_)));
        let slashed = receipts.iter().find_map(|receipt| match &receipt.entry {
            Entry::Slash(slash) => Some(convert::account_node(&slash.miner)),
            _ => None,
        });
        let state = if job.stage == JobStage::Refunded {
            RefundState::Done
        } else if now_ms() >= job.deadline_unix_ms {
            RefundState::Due
        } else {
            RefundState::NotYet
        };
        Some(Refund {
            job: job.id,
            amount_microcredits: match (state, back) {
                (RefundState::Done, Some(receipt)) => books::refunds(std::slice::from_ref(receipt), own),
                _ => job.deposit_microcredits,
            },
            time_unix_ms: match state {
                RefundState::Done => back.map_or(job.updated_unix_ms, |receipt| receipt.time_ms),
                _ => job.deadline_unix_ms,
            },
            state,
            slashed_miner: slashed,
            receipt: back.and_then(|receipt| books::shown(receipt, own)),
        })
    }
}

/// The stake of an account. The cool-down is the network's: ledgers are founded with the parameters that ship.
pub(super) fn stake_of(account: &Account) -> StakeInfo {
    let stake = &account.stake;
    let lock = |(job, lock): (&infernet_ledger::JobId, &infernet_ledger::Lock)| StakeLock {
        job: JobId(job.0),
        amount_microcredits: lock.amount,
        until_unix_ms: lock.free_at_ms,
    };
    let part = |part: &infernet_ledger::Unstaking| Unstaking {
        amount_microcredits: part.amount,
        free_at_unix_ms: part.free_at_ms,
    };
    StakeInfo {
        balance_microcredits: account.balance,
        free_microcredits: stake.free,
        locked_microcredits: convert::amount(stake.locked()),
        locks: stake.locks.iter().map(lock).collect(),
        unstaking: stake.unstaking.iter().map(part).collect(),
        cool_down_secs: LedgerParameters::default().lock_secs,
        usual_lock_microcredits: None,
        transactions: Vec::new(),
    }
}
