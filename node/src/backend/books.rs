//! The account's receipts, fetched once from the validator and kept in memory; every one is checked before it is believed.

use std::sync::{PoisonError, RwLock};

use infernet_api::types::money::{Receipt as Shown, ReceiptFilter, ReceiptKind, ReceiptList};
use infernet_api::{ApiError, Digest, JobId};
use infernet_ledger::{AccountId, Action, Entry, Outcome, Pocket, Receipt};
use infernet_network::wire::{ReceiptsQuery, Request, Response};

use super::errors;
use crate::node::Node;

/// Answers fetched at one go: a quarter of a million receipts.
const MAX_PAGES: usize = 1024;

/// An account's receipts, oldest first.
#[derive(Debug)]
pub(super) struct Books {
    own: AccountId,
    receipts: RwLock<Vec<Receipt>>,
    fetching: tokio::sync::Mutex<()>,
}

impl Books {
    pub(super) fn new(own: AccountId) -> Self {
        Self { own, receipts: RwLock::default(), fetching: tokio::sync::Mutex::default() }
    }

    pub(super) fn own(&self) -> &AccountId {
        &self.own
    }

    /// Fetches what is new.
    ///
    /// # Errors
    /// The validator can't be reached, or what it sends is not signed by it.
    pub(super) async fn refresh(&self, node: &Node) -> Result<(), ApiError> {
        // A contract gives no receipts: its events are the account's books.
        if node.roles().chain.is_some() {
            return Ok(());
        }
        let _one = self.fetching.lock().await;
        for _ in 0..MAX_PAGES {
            let after = self.with(|receipts| receipts.last().map_or(0, |last| last.sequence));
            let answer =
                node.ask(Request::Receipts(ReceiptsQuery { after })).await.map_err(|error| errors::request(&error))?;
            let Response::Receipts(list) = answer else {
                return Err(errors::no_validator("its answer is no list of receipts"));
            };
            let mut page = Vec::with_capacity(list.receipts.len());
            let mut last = after;
            for bytes in &list.receipts {
                let receipt = Receipt::from_bytes(bytes).map_err(|error| errors::no_validator(&error.to_string()))?;
                receipt.verify(&node.ledger().validator).map_err(|error| errors::no_validator(&error.to_string()))?;
                if receipt.sequence <= last {
                    return Err(errors::no_validator("its receipts are out of order"));
                }
                last = receipt.sequence;
                page.push(receipt);
            }
            let end = page.is_empty() || !list.more;
            self.receipts.write().unwrap_or_else(PoisonError::into_inner).extend(page);
            if end {
                break;
            }
        }
        Ok(())
    }

    /// Looks at all of them.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[Receipt]) -> T) -> T {
        look(&self.receipts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those about a job.
    pub(super) fn of_job(&self, id: &JobId) -> Vec<Receipt> {
        let about = |receipt: &&Receipt| job_of(&receipt.entry).is_some_and(|job| job == *id);
        self.with(|receipts| receipts.iter().filter(about).cloned().collect())
    }

    /// A page, newest first.
    pub(super) fn page(&self, filter: &ReceiptFilter, limit: usize) -> ReceiptList {
        let wanted = |receipt: &&Receipt| {
            filter.before.is_none_or(|before| receipt.sequence < before)
                && filter.job.is_none_or(|job| job_of(&receipt.entry) == Some(job))
                && filter.kind.is_none_or(|kind| kind_of(&receipt.entry) == Some(kind))
        };
        self.with(|receipts| {
            let mut found = receipts.iter().rev().filter(wanted).filter_map(|receipt| shown(receipt, &self.own));
            let page: Vec<Shown> = found.by_ref().take(limit).collect();
            let next = found.next().and(page.last()).map(|last| last.sequence);
            ReceiptList { receipts: page, next }
        })
    }
}

/// The job of an entry.
pub(super) fn job_of(entry: &Entry) -> Option<JobId> {
    entry.job().map(|job| JobId(job.0))
}

fn kind_of(entry: &Entry) -> Option<ReceiptKind> {
    Some(match entry {
        Entry::Genesis(_) => return None,
        Entry::Issue(_) => ReceiptKind::Issue,
        Entry::Request(request) => match request.action {
            Action::Transfer { .. } => ReceiptKind::Transfer,
            Action::Stake { .. } => ReceiptKind::Stake,
            Action::Unstake { .. } => ReceiptKind::Unstake,
            Action::WithdrawStake => ReceiptKind::WithdrawStake,
            Action::Claim => ReceiptKind::Claim,
        },
        Entry::OpenJob(_) => ReceiptKind::OpenJob,
        Entry::Assign(_) => ReceiptKind::Assign,
        Entry::Committed(_) => ReceiptKind::Commit,
        Entry::Audited(_) => ReceiptKind::Audit,
        Entry::Release(_) => ReceiptKind::Release,
        Entry::Settle(_) => ReceiptKind::Settle,
        Entry::Slash(_) => ReceiptKind::Slash,
        Entry::Refund(_) => ReceiptKind::Refund,
    })
}

/// A receipt as the API shows it to an account; the ledger's first entry is nobody's.
pub(super) fn shown(receipt: &Receipt, account: &AccountId) -> Option<Shown> {
    let change: i128 = receipt
        .movements
        .iter()
        .map(|movement| {
            let amount = i128::from(movement.amount_microcredits);
            let side = |pocket: &Pocket| i128::from(pocket.account() == Some(account)) * amount;
            side(&movement.to) - side(&movement.from)
        })
        .sum();
    Some(Shown {
        sequence: receipt.sequence,
        kind: kind_of(&receipt.entry)?,
        change_microcredits: change.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
        job: job_of(&receipt.entry),
        time_unix_ms: receipt.time_ms,
        hash: Digest(receipt.hash.0),
        signed_hex: receipt.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// What went from pockets of one kind to pockets of another.
fn moved(receipts: &[Receipt], wanted: impl Fn(&Pocket, &Pocket) -> bool) -> u64 {
    let movements = receipts.iter().flat_map(|receipt| &receipt.movements);
    let amounts =
        movements.filter(|movement| wanted(&movement.from, &movement.to)).map(|movement| movement.amount_microcredits);
    amounts.fold(0, u64::saturating_add)
}

/// What a miner was paid by these. A validator's own part of a settlement is no miner's reward.
pub(super) fn rewards(receipts: &[Receipt], miner: &AccountId) -> u64 {
    let settled = receipts.iter().filter(|receipt| matches!(receipt.entry, Entry::Settle(_)));
    let each = settled.flat_map(|receipt| {
        let paid = receipt.movements.iter().filter(|movement| matches!(movement.from, Pocket::Escrow(_)));
        let mut paid: Vec<_> = paid.filter(|movement| matches!(movement.to, Pocket::Claimable(_))).collect();
        // Entered last, after all miners.
        if paid.last().is_some_and(|last| last.to == Pocket::Claimable(receipt.ledger.validator)) {
            paid.pop();
        }
        paid.into_iter()
            .filter(|movement| movement.to == Pocket::Claimable(*miner))
            .map(|movement| movement.amount_microcredits)
    });
    each.fold(0, u64::saturating_add)
}

/// What a miner lost by these.
pub(super) fn slashes(receipts: &[Receipt], miner: &AccountId) -> u64 {
    let slashes =
        receipts.iter().filter(|receipt| matches!(&receipt.entry, Entry::Slash(slash) if slash.miner == *miner));
    let movements = slashes.flat_map(|receipt| &receipt.movements);
    // What is left of the lock goes back to the miner.
    let lost =
        movements.filter(|movement| movement.from.account() == Some(miner) && movement.to.account() != Some(miner));
    lost.map(|movement| movement.amount_microcredits).fold(0, u64::saturating_add)
}

/// What a requester paid into escrow by these.
pub(super) fn deposits(receipts: &[Receipt], requester: &AccountId) -> u64 {
    moved(receipts, |from, to| *from == Pocket::Balance(*requester) && matches!(to, Pocket::Escrow(_)))
}

/// What came back to a requester from escrow by these.
pub(super) fn refunds(receipts: &[Receipt], requester: &AccountId) -> u64 {
    moved(receipts, |from, to| matches!(from, Pocket::Escrow(_)) && *to == Pocket::Balance(*requester))
}

/// The quality of the clip that was accepted.
pub(super) fn quality_ppm(receipts: &[Receipt]) -> Option<u32> {
    receipts.iter().rev().find_map(|receipt| match &receipt.entry {
        Entry::Audited(audited) => match audited.outcome {
            Outcome::Accepted { quality_ppm } => Some(quality_ppm),
            Outcome::Rejected { .. } => None,
        },
        _ => None,
    })
}
