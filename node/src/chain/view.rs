//! The account as the chain has it, in the ledger's types: pages and commands show either.

use infernet_ledger::{Account, JobId, LedgerParameters, Lock, Stake, Standing, Unstaking};
use infernet_settlement::SettlementError;
use infernet_settlement::evm::{B256, ChainEvent, EventKind};

use super::side::Chain;

/// Something that an account earned or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gain {
    /// By the chain's clock, milliseconds since 1970 UTC.
    pub(crate) time_ms: u64,
    /// The job.
    pub(crate) job: Option<JobId>,
    /// Earned, in micro-credits.
    pub(crate) earned_microcredits: u64,
    /// Lost, in micro-credits.
    pub(crate) slashed_microcredits: u64,
}

/// How a miner's part in a job has ended on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartEnd {
    /// Paid.
    Paid,
    /// Stake was put aside or taken.
    Slashed,
}

impl Chain {
    /// The account as it was last seen; none before the chain was first reached.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn account_seen(&self) -> Result<Option<Account>, SettlementError> {
        let Some(status) = self.status().borrow().clone() else { return Ok(None) };
        let locks = self.store().locks_of(self.address())?;
        let lock = |event: &ChainEvent| {
            let EventKind::Rewarded { locked, until, .. } = event.kind else { return None };
            Some((self.job_of(event.job?)?, Lock { amount: locked, free_at_ms: Some(until.saturating_mul(1000)) }))
        };
        let stake = Stake {
            free: status.stake.free,
            locks: locks.iter().filter_map(lock).collect(),
            unstaking: (status.stake.cooling > 0)
                .then_some(Unstaking {
                    amount: status.stake.cooling,
                    free_at_ms: status.stake.due_at.saturating_mul(1000),
                })
                .into_iter()
                .collect(),
        };
        Ok(Some(Account {
            balance: status.balance_microcredits.saturating_to(),
            stake,
            claimable: status.claimable_microcredits.saturating_to(),
            next_nonce: 0,
            standing: self.standing()?,
        }))
    }

    fn standing(&self) -> Result<Standing, SettlementError> {
        let gains = self.gains()?;
        let sum = |of: fn(&Gain) -> u64| gains.iter().map(of).fold(0, u64::saturating_add);
        Ok(Standing {
            trust_ppm: self.settlement(LedgerParameters::default()).trust_of(self.address())?,
            quality_ppm: None,
            paid: gains.iter().filter(|gain| gain.earned_microcredits > 0).count() as u64,
            released: 0,
            slashed: gains.iter().filter(|gain| gain.slashed_microcredits > 0).count() as u64,
            earned_microcredits: sum(|gain| gain.earned_microcredits),
            slashed_microcredits: sum(|gain| gain.slashed_microcredits),
        })
    }

    /// What this account earned and lost as a miner, oldest first. The contract's events carry the ends of windows; they began a window
    /// before.
    pub(crate) fn gains(&self) -> Result<Vec<Gain>, SettlementError> {
        let window = self.rules().map_or(0, |rules| rules.challenge_secs);
        let began_ms = |until: u64| until.saturating_sub(window).saturating_mul(1000);
        let events = self.store().events_about(self.address())?;
        let cleared = |job: Option<B256>| {
            events.iter().any(|event| event.job == job && matches!(event.kind, EventKind::Cleared { .. }))
        };
        let gain = |event: &ChainEvent| {
            let job = event.job.and_then(|name| self.job_of(name));
            match event.kind {
                EventKind::Rewarded { reward, until, .. } => {
                    Some(Gain { time_ms: began_ms(until), job, earned_microcredits: reward, slashed_microcredits: 0 })
                }
                EventKind::SlashProposed { amount, until, .. } if !cleared(event.job) => {
                    Some(Gain { time_ms: began_ms(until), job, earned_microcredits: 0, slashed_microcredits: amount })
                }
                _ => None,
            }
        };
        Ok(events.iter().filter_map(gain).collect())
    }

    /// What this account has paid for its own clips: deposits without what came back.
    pub(crate) fn spent_microcredits(&self) -> Result<u64, SettlementError> {
        let mut spent: u64 = 0;
        for event in self.store().events_about(self.address())? {
            let (EventKind::Deposited { amount, .. }, Some(job)) = (&event.kind, event.job) else { continue };
            let back = self.store().events_of(job)?.into_iter().map(|event| match event.kind {
                EventKind::Settled { returned, .. } => returned,
                EventKind::Refunded { amount, .. } => amount,
                EventKind::Slashed { to_requester, .. } => to_requester,
                _ => 0,
            });
            spent = spent.saturating_add(amount.saturating_sub(back.fold(0, u64::saturating_add)));
        }
        Ok(spent)
    }

    /// How this account's part in a job has ended, as far as the chain says, and what it got or lost, in micro-credits.
    pub(crate) fn part_end(&self, job: &[u8; 16]) -> Option<(PartEnd, u64)> {
        let own = self.address();
        let events = self.names_of(job).into_iter().flat_map(|name| self.store().events_of(name).unwrap_or_default());
        let mut ends = events.filter_map(|event| match event.kind {
            EventKind::Rewarded { miner, reward, .. } if miner == own => Some((PartEnd::Paid, reward)),
            EventKind::SlashProposed { miner, amount, .. } if miner == own => Some((PartEnd::Slashed, amount)),
            _ => None,
        });
        ends.next_back()
    }

    /// Whether a job's deposit was paid out or went back.
    pub(crate) fn has_ended(&self, job: &[u8; 16]) -> bool {
        self.names_of(job).into_iter().any(|name| self.returned_microcredits(name).is_some())
    }

    /// What a requester's deposit is by now: what came back, and whether it is over; none while there is no deposit that counts.
    pub(crate) fn returned_microcredits(&self, name: B256) -> Option<u64> {
        self.store().events_of(name).ok()?.into_iter().find_map(|event| match event.kind {
            EventKind::Settled { returned, .. } => Some(returned),
            EventKind::Refunded { amount, .. } => Some(amount),
            _ => None,
        })
    }

    /// The job's id behind the contract's name.
    fn job_of(&self, name: B256) -> Option<JobId> {
        self.store().events_of(name).ok()?.into_iter().find_map(|event| match event.kind {
            EventKind::Deposited { id, .. } => Some(JobId(id)),
            _ => None,
        })
    }
}
