//! Balance, earnings, stake, refunds. Amounts are whole micro-credits.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{ApiError, Digest, ErrorCode, JobId, ModelId, NodeId, RequestId};

/// An entry of the ledger, signed by the validator; it can be checked offline (`infernet ledger verify`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Position in the ledger.
    pub sequence: u64,
    /// What happened.
    pub kind: ReceiptKind,
    /// What this account gained (positive) or gave (negative).
    pub change_microcredits: i64,
    /// The job it is about.
    pub job: Option<JobId>,
    /// When, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// Hash of the entry in the chain.
    pub hash: Digest,
    /// The signed receipt in the ledger's own encoding, in hexadecimal digits.
    pub signed_hex: String,
}

/// What an entry of the ledger is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// Credits made by the swarm's operator.
    Issue,
    /// From account to account.
    Transfer,
    /// Balance to stake.
    Stake,
    /// Stake into its cool-down.
    Unstake,
    /// Stake back to balance after the cool-down.
    WithdrawStake,
    /// Deposit into escrow.
    OpenJob,
    /// Stake locked for a job.
    Assign,
    /// A miner bound itself to a result.
    Commit,
    /// A verdict.
    Audit,
    /// Stake unlocked without blame.
    Release,
    /// Reward from the escrow.
    Settle,
    /// Stake taken.
    Slash,
    /// Deposit back.
    Refund,
    /// Rewards to balance.
    Claim,
}

/// A transaction of this node's account, where a contract on a chain settles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainTransaction {
    /// What it does, and for which wish: `stake ...`, `deposit JOB`; the same name is the same transaction.
    pub name: String,
    /// How far it is.
    pub state: ChainTransactionState,
    /// Its hash on the chain, once it is in a block.
    pub hash: Option<String>,
    /// Where people see it, on chains that somebody shows.
    pub url: Option<String>,
    /// The block that it is in.
    pub block: Option<u64>,
    /// Blocks on top of that one, at most as many as are needed.
    pub confirmations: u64,
    /// Blocks on top of it from which on it counts.
    pub confirmations_needed: u64,
    /// What there is to say about it.
    pub note: String,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChainTransactionState {
    /// To be sent, or sent and in no block yet.
    Pending,
    /// In a block that may still be replaced.
    Mined,
    /// In a block that counts.
    Confirmed,
    /// The chain refused it, or it was mined and did nothing.
    Failed,
}

impl ChainTransactionState {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Confirmed | Self::Failed)
    }
}

/// How wide the bars of a chart are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// An hour.
    Hour,
    /// A day (UTC).
    #[default]
    Day,
    /// A week, from Monday.
    Week,
    /// A calendar month.
    Month,
}

/// Which earnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EarningsQuery {
    /// How wide the bars are; a day without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Bucket>,
    /// From when, milliseconds since 1970 UTC; 30 bars back without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_unix_ms: Option<u64>,
    /// To when, milliseconds since 1970 UTC; now without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_unix_ms: Option<u64>,
}

/// Most bars of a chart.
pub const MAX_BUCKETS: u64 = 1000;

impl Bucket {
    /// Its shortest length.
    #[must_use]
    pub fn least_ms(self) -> u64 {
        const HOUR_MS: u64 = 3_600_000;
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => 24 * HOUR_MS,
            Self::Week => 7 * 24 * HOUR_MS,
            Self::Month => 28 * 24 * HOUR_MS,
        }
    }
}

impl EarningsQuery {
    /// Checks that the span is one, and has no more than [`MAX_BUCKETS`].
    ///
    /// # Errors
    /// [`ErrorCode::InvalidQuery`].
    pub fn check(&self) -> Result<(), ApiError> {
        let (Some(from), Some(to)) = (self.from_unix_ms, self.to_unix_ms) else {
            return Ok(());
        };
        let refuse = |message: String, next_step: &str| {
            Err(ApiError::new(ErrorCode::InvalidQuery, message, next_step).at("from_unix_ms"))
        };
        if from >= to {
            return refuse(
                format!("from_unix_ms is {from}; expected less than to_unix_ms, {to}"),
                "ask for a later end",
            );
        }
        if (to - from) / self.bucket.unwrap_or_default().least_ms() >= MAX_BUCKETS {
            return refuse(
                format!("the span has more than {MAX_BUCKETS} bars"),
                "ask for a shorter span or wider bars",
            );
        }
        Ok(())
    }
}

/// What was earned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Earnings {
    /// Can be spent and staked.
    pub balance_microcredits: u64,
    /// Offered for jobs that are not settled yet.
    pub pending_microcredits: u64,
    /// Settled, can be claimed.
    pub claimable_microcredits: u64,
    /// All rewards ever.
    pub total_earned_microcredits: u64,
    /// All stake ever lost.
    pub total_slashed_microcredits: u64,
    /// All ever paid for own clips.
    pub total_spent_microcredits: u64,
    /// Over time, oldest first; hours and days without earnings are there with zeros.
    pub buckets: Vec<EarningsBucket>,
    /// By model, most first.
    pub models: Vec<ModelEarnings>,
    /// The account's transactions, those under way and the latest others, newest first; where a contract on a chain settles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<ChainTransaction>,
}

/// Earnings in one span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EarningsBucket {
    /// Its beginning, milliseconds since 1970 UTC.
    pub start_unix_ms: u64,
    /// Rewards.
    pub earned_microcredits: u64,
    /// Stake lost.
    pub slashed_microcredits: u64,
    /// Jobs settled.
    pub jobs: u32,
    /// Energy used, where the device tells its power.
    pub energy_watt_hours: Option<f64>,
}

/// Earnings with one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelEarnings {
    /// The model's digest.
    pub model_digest: Digest,
    /// Its id, where it is in this node's catalogue.
    pub model: Option<ModelId>,
    /// Rewards.
    pub earned_microcredits: u64,
    /// Jobs settled.
    pub jobs: u32,
}

/// Which receipts. They come newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceiptFilter {
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ReceiptKind>,
    /// Only about this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Only those before this position: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most this many, 1 to 500; 50 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

impl ReceiptFilter {
    /// How many receipts to return.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidQuery`] where it is 0 or above [`MAX_PAGE`](super::MAX_PAGE).
    pub fn page(&self) -> Result<u32, ApiError> {
        super::page(self.limit)
    }
}

/// A page of receipts, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptList {
    /// The receipts.
    pub receipts: Vec<Receipt>,
    /// Pass as `before` for the next page; nothing on the last.
    pub next: Option<u64>,
}

/// Claims rewards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Protects against doing it twice when an answer is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// How much; everything without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub amount_microcredits: Option<u64>,
}

impl ClaimRequest {
    /// Checks that an amount is one.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`].
    pub fn check(&self) -> Result<(), ApiError> {
        if self.amount_microcredits == Some(0) {
            let message = "amount_microcredits is 0; expected at least 1";
            let next_step = "leave it out to claim everything";
            return Err(ApiError::new(ErrorCode::InvalidRequest, message, next_step).at("amount_microcredits"));
        }
        Ok(())
    }
}

/// What a claim brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// Moved to the balance.
    pub claimed_microcredits: u64,
    /// The balance after it.
    pub balance_microcredits: u64,
    /// The ledger's receipt; none where a contract on a chain settles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The transaction that claims, where a contract on a chain settles: the balance has it once that is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<ChainTransaction>,
}

/// The account's stake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StakeInfo {
    /// Can be staked.
    pub balance_microcredits: u64,
    /// Staked and not locked.
    pub free_microcredits: u64,
    /// Locked for jobs, together.
    pub locked_microcredits: u64,
    /// Each of them.
    pub locks: Vec<StakeLock>,
    /// On its way back to the balance.
    pub unstaking: Vec<Unstaking>,
    /// How long unstaking takes.
    pub cool_down_secs: u64,
    /// What the next usual job would lock at the present trust, where a validator has said.
    pub usual_lock_microcredits: Option<u64>,
    /// Transactions under way that change stake or balance, where a contract on a chain settles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<ChainTransaction>,
}

/// Stake locked for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StakeLock {
    /// The job.
    pub job: JobId,
    /// How much.
    pub amount_microcredits: u64,
    /// When it is free at the latest, milliseconds since 1970 UTC.
    pub until_unix_ms: Option<u64>,
}

/// Stake in its cool-down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unstaking {
    /// How much.
    pub amount_microcredits: u64,
    /// When it can be withdrawn, milliseconds since 1970 UTC.
    pub free_at_unix_ms: u64,
}

/// Changes the stake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StakeRequest {
    /// Protects against doing it twice when an answer is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What to do.
    pub action: StakeAction,
    /// How much; for `withdraw` everything that is free without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub amount_microcredits: Option<u64>,
}

/// What to do with stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StakeAction {
    /// Balance to stake.
    Stake,
    /// Free stake into its cool-down.
    Unstake,
    /// After the cool-down, stake to balance.
    Withdraw,
}

impl StakeRequest {
    /// Checks that an amount is there where one is needed.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`].
    pub fn check(&self) -> Result<(), ApiError> {
        let message = match (self.amount_microcredits, self.action) {
            (Some(0), _) => "amount_microcredits is 0; expected at least 1",
            (None, StakeAction::Stake | StakeAction::Unstake) => "amount_microcredits is missing",
            _ => return Ok(()),
        };
        Err(ApiError::new(ErrorCode::InvalidRequest, message, "say how much").at("amount_microcredits"))
    }
}

/// The stake after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StakeChanged {
    /// The stake.
    pub stake: StakeInfo,
    /// The ledger's receipt; none where a contract on a chain settles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The transaction that changes it, where a contract on a chain settles: the stake is as asked for once that is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<ChainTransaction>,
}

/// Asks for a job's deposit back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// The job.
    pub job: JobId,
}

/// A job's deposit that went back, or can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refund {
    /// The job.
    pub job: JobId,
    /// How much.
    pub amount_microcredits: u64,
    /// How far it is.
    pub state: RefundState,
    /// When it went back, or when it can be asked for, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// Who pays beyond the deposit, when a slashed stake does.
    pub slashed_miner: Option<NodeId>,
    /// The ledger's receipt.
    pub receipt: Option<Receipt>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// The job may still end well; the deposit can be asked for at `time_unix_ms`.
    NotYet,
    /// The deposit can be asked for.
    Due,
    /// The deposit went back.
    Done,
}

/// Refunds of own jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundList {
    /// The refunds.
    pub refunds: Vec<Refund>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_amounts_are_checked() {
        let span = |bucket, from, to| EarningsQuery { bucket, from_unix_ms: from, to_unix_ms: to }.check().is_ok();
        assert!(span(None, None, None) && span(None, Some(5), None) && span(None, Some(5), Some(6)));
        assert!(!span(None, Some(5), Some(5)) && !span(None, Some(6), Some(5)) && !span(None, Some(0), Some(u64::MAX)));
        assert!(span(Some(Bucket::Hour), Some(0), Some(1000 * 3_600_000 - 1)));
        assert!(!span(Some(Bucket::Hour), Some(0), Some(1000 * 3_600_000)));

        let stake =
            |action, amount| StakeRequest { request_id: None, action, amount_microcredits: amount }.check().is_ok();
        assert!(stake(StakeAction::Stake, Some(1)) && stake(StakeAction::Withdraw, None));
        assert!(
            !stake(StakeAction::Stake, None)
                && !stake(StakeAction::Unstake, None)
                && !stake(StakeAction::Withdraw, Some(0))
        );
        let claim = |amount| ClaimRequest { request_id: None, amount_microcredits: amount }.check().is_ok();
        assert!(claim(None) && claim(Some(1)) && !claim(Some(0)));
        let limit = |limit| ReceiptFilter { limit, ..ReceiptFilter::default() }.page().ok();
        assert_eq!(
            [limit(None), limit(Some(0)), limit(Some(500)), limit(Some(501))],
            [Some(50), None, Some(500), None]
        );
    }
}
