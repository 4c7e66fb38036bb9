//! Trust: this node's own, and on a validator every miner's.

use infernet_api::types::trust::{MinerTrust, Trust, TrustPoint, TrustRule};
use infernet_api::{ApiError, NodeId};
use infernet_ledger::{Account, AccountId, Entry, LedgerParameters, Receipt, Standing};

use super::{NodeBackend, books, convert};

/// Jobs in a history.
const HISTORY: usize = 1000;
/// Steps of a job so long that rounding to whole steps does not show.
const MANY_STEPS: u32 = 1_000_000;

impl NodeBackend {
    pub(super) async fn trust_now(&self) -> Result<Trust, ApiError> {
        let looked = match &self.node().roles().validator {
            None => None,
            Some(validator) => {
                let look = validator.look(|desk| {
                    let ledger = desk.journal.ledger();
                    let known = ledger.accounts().filter(|(_, account)| is_miner(account));
                    let accounts: Vec<(AccountId, Standing)> = match &desk.chain {
                        Some(chain) => chain.standings(&desk.miners),
                        None => known.map(|(id, account)| (*id, account.standing)).collect(),
                    };
                    (*ledger.parameters(), accounts)
                });
                look.await
            }
        };
        let (parameters, accounts) = looked.unwrap_or_default();
        let account = match self.account().await {
            Ok(account) => Some(account),
            // What was known last is told where the validator is silent.
            Err(error) => Some(self.last_account().ok_or(error)?),
        };
        if let Err(error) = self.inner.books.refresh(self.node()).await {
            tracing::debug!("trust is told without the newest receipts: {error}");
        }
        let own = *self.inner.books.own();
        let mut miners: Vec<MinerTrust> =
            accounts.iter().map(|(id, standing)| shown(convert::account_node(id), standing, &parameters)).collect();
        miners.sort_by_key(|miner| (std::cmp::Reverse(miner.trust_ppm), miner.id));
        Ok(Trust {
            own: account
                .filter(|account| self.node().roles().miner.is_some() || is_miner(account))
                .map(|account| shown(convert::account_node(&own), &account.standing, &parameters)),
            history: self.inner.books.with(|receipts| history(receipts, &own, &parameters)),
            miners,
            rule: TrustRule {
                drift_ppm: parameters.honest_drift_ppm,
                decay_ppm: parameters.trust_decay_ppm,
                quality_moving_average_ppm: parameters.quality_moving_average_ppm,
            },
        })
    }
}

fn is_miner(account: &Account) -> bool {
    account.standing != Standing::default() || account.stake.total() > 0
}

pub(super) fn shown(id: NodeId, standing: &Standing, parameters: &LedgerParameters) -> MinerTrust {
    MinerTrust {
        id,
        trust_ppm: standing.trust_ppm,
        quality_ppm: standing.quality_ppm,
        jobs_accepted: convert::count(standing.paid),
        jobs_rejected: convert::count(standing.slashed),
        jobs_released: convert::count(standing.released),
        slashed_microcredits: standing.slashed_microcredits,
        audit_rate_ppm: parameters.checks(standing.trust_ppm, MANY_STEPS),
    }
}

/// Trust after every job that moved it, by the ledger's own rule, the newest thousand.
fn history(receipts: &[Receipt], own: &AccountId, parameters: &LedgerParameters) -> Vec<TrustPoint> {
    let mut trust = 0;
    let mut points = Vec::new();
    for receipt in receipts {
        let accepted = match &receipt.entry {
            Entry::Settle(_) if books::rewards(std::slice::from_ref(receipt), own) > 0 => {
                trust = parameters.trust_after_paid(trust);
                true
            }
            Entry::Slash(slash) if slash.miner == *own => {
                trust = parameters.trust_after_caught(trust);
                false
            }
            Entry::Release(release) if release.miner == *own && release.trust_note => {
                trust = parameters.trust_after_dropped(trust);
                false
            }
            _ => continue,
        };
        let Some(job) = books::job_of(&receipt.entry) else { continue };
        points.push(TrustPoint { time_unix_ms: receipt.time_ms, trust_ppm: trust, job, accepted });
    }
    points.split_off(points.len().saturating_sub(HISTORY))
}
