//! Who could make an attempt, at what price and with what stake behind it; the challenge of the one who is asked.

use infernet_ledger::AccountId;
use infernet_network::proof::{AuditNonce, Challenge, JobSpec, PublicKey, Signed};
use infernet_network::wire::{JobId, MinerOffer, OfferedModel};

use super::choose::{Candidate, choose_several};
use super::desk::{Desk, OFFER_MS};
use super::lifecycle::Event;
use super::record::{Attempt, JobRecord};
use crate::clock::{now_ms, random};

/// A miner that has not been heard of for this long gets no jobs.
const HEARTBEAT_MS: u64 = 30_000;
/// Time for the reveal and the clip to arrive.
const REVEAL_MS: u64 = 120_000;
/// A run may take this many times what the miner's own measurement says, and a minute.
const RUN_ROOM: f64 = 6.0;
const RUN_BASE_MS: u64 = 60_000;
/// Where fewer miners are there than a job wants, this part of its time is waited for more: one in so many.
const PATIENCE_SHARE: u64 = 4;

/// A miner as far as money goes.
pub(super) struct Means {
    pub(super) trust_ppm: u32,
    pub(super) quality_ppm: u32,
    /// Stake that it could put behind a job, in micro-credits.
    pub(super) available_microcredits: u64,
    /// Stake that this job needs, in micro-credits.
    pub(super) required_microcredits: u64,
}

impl Desk {
    /// Who makes the next attempt, if there is somebody.
    pub(super) fn choose(&self, id: JobId) -> Event {
        let Some(record) = self.jobs.get(&id) else { return Event::NoMiner };
        let mut attempts = self.attempts(id, record).unwrap_or_default();
        match attempts.len() {
            0 => Event::NoMiner,
            1 => Event::Chosen(attempts.swap_remove(0)),
            _ => Event::ChosenSeveral(attempts),
        }
    }

    /// As many as the job wants; fewer once a quarter of its time is over.
    fn attempts(&self, id: JobId, record: &JobRecord) -> Option<Vec<Attempt>> {
        let job = JobSpec::from_bytes(&record.spec).ok()?;
        let now = now_ms();
        let wanted = record.miners.max(1);
        let candidates: Vec<Candidate> = self
            .miners
            .iter()
            .filter(|(miner, known)| {
                let passed_over = record
                    .passed_over
                    .iter()
                    .any(|passed| passed.miner == **miner && passed.until_ms.is_none_or(|until| now < until));
                known.offer.accepting
                    && now.saturating_sub(known.seen_ms) < HEARTBEAT_MS
                    && !self.busy.contains_key(*miner)
                    && !passed_over
            })
            .filter_map(|(miner, known)| {
                self.candidate(*miner, &known.offer, &job, (record.deposit_microcredits, wanted), now)
            })
            .collect();
        let mut chosen = choose_several(candidates, wanted as usize, || {
            Some(u64::from_le_bytes(random().ok()?) as f64 / u64::MAX as f64)
        });
        if wanted > 1 {
            // All are offered what the dearest of them asks for, and each may be the only one that is accepted.
            let fee = chosen.iter().map(|one| one.fee_microcredits).max()?;
            chosen.retain_mut(|one| {
                let Some(means) = self.standing(one.miner, &job, fee.saturating_mul(wanted.into()), fee, now) else {
                    return false;
                };
                one.fee_microcredits = fee;
                one.required_stake_microcredits = means.required_microcredits;
                one.available_stake_microcredits >= one.required_stake_microcredits
            });
        }
        let patience = record.deadline_ms.saturating_sub(record.posted_ms) / PATIENCE_SHARE;
        if chosen.len() < wanted as usize && now < record.posted_ms.saturating_add(patience) {
            return None;
        }
        let attempts = chosen.iter().zip(0..).map(|(miner, part)| self.attempt(&job, miner, part, now));
        match attempts.collect() {
            Ok(attempts) => Some(attempts),
            Err(error) => {
                tracing::error!(job = %id, "no attempt can be made: {error}");
                None
            }
        }
    }

    fn candidate(
        &self,
        miner: PublicKey,
        offer: &MinerOffer,
        job: &JobSpec,
        (deposit, miners): (u64, u32),
        now: u64,
    ) -> Option<Candidate> {
        let fits = |model: &&OfferedModel| {
            model.digest == job.model
                && model.max_frames >= job.frames
                && model.max_width >= job.width
                && model.max_height >= job.height
        };
        let model = offer.models.iter().find(fits)?;
        let fee = model.price_microcredits_per_step.checked_mul(u64::from(job.steps))?;
        // Of several, each could be the only one that is accepted, and get what all were promised.
        let all = fee.checked_mul(u64::from(miners))?;
        if self.gross_microcredits(all)? > u128::from(deposit) {
            return None;
        }
        let means = match (&self.chain, &offer.account) {
            (None, _) => self.standing(miner, job, all, fee, now)?,
            (Some(_), Some(account)) => self.standing_on_chain(account, job, fee)?,
            // A miner without an account has no stake that counts.
            (Some(_), None) => return None,
        };
        let branches = if job.is_guided() { 2.0 } else { 1.0 };
        Some(Candidate {
            miner,
            trust_ppm: means.trust_ppm,
            quality_ppm: means.quality_ppm,
            seconds: model.seconds_per_evaluation * branches * f64::from(job.steps),
            fee_microcredits: fee,
            available_stake_microcredits: means.available_microcredits,
            required_stake_microcredits: means.required_microcredits,
        })
    }

    /// What the ledger says of a miner that gets `fee` at most, for work that it would do for `price`.
    fn standing(&self, miner: PublicKey, job: &JobSpec, fee: u64, price: u64, now: u64) -> Option<Means> {
        let (account, ledger) = (AccountId(miner.0), self.journal.ledger());
        let required = ledger.required_stake(&account, job.steps, fee, cost_of(price)).ok()?;
        let (available, quality_ppm) = ledger.account(&account).map_or((0, 0), |known| {
            (u64::try_from(known.stake.available(now)).unwrap_or(u64::MAX), known.standing.quality_ppm.unwrap_or(0))
        });
        Some(Means {
            trust_ppm: ledger.trust_ppm(&account),
            quality_ppm,
            available_microcredits: available,
            required_microcredits: required.stake_microcredits,
        })
    }

    fn attempt(&self, job: &JobSpec, chosen: &Candidate, part: u32, now: u64) -> Result<Attempt, String> {
        let model = self.models.get(&job.model).ok_or("the model is no longer here")?;
        let table = model.bounds().map_err(|error| error.to_string())?;
        let nonce = AuditNonce(random().map_err(|error| error.to_string())?);
        let tolerance = table.digest();
        let room = RUN_BASE_MS + (1000.0 * RUN_ROOM * chosen.seconds) as u64;
        let challenge = Challenge {
            job: job.digest(),
            miner: chosen.miner,
            validator: self.public,
            c: random().map_err(|error| error.to_string())?,
            terms: self.config.policy.terms(job, chosen.trust_ppm / 1000, &nonce, &self.public, tolerance),
            commit_by_unix_ms: (now + OFFER_MS + room).min(job.deadline_unix_ms),
            reveal_window_ms: REVEAL_MS,
        };
        let challenge = Signed::sign(challenge, &self.key).map_err(|error| error.to_string())?;
        Ok(Attempt {
            miner: chosen.miner,
            number: self.next_attempt(JobId(job.job_id)).map_err(|error| error.to_string())?,
            challenge: challenge.to_bytes(),
            nonce: nonce.0,
            tolerance,
            fee_microcredits: chosen.fee_microcredits,
            stake_microcredits: chosen.required_stake_microcredits,
            deadline_ms: now + OFFER_MS,
            steps_done: 0,
            part,
        })
    }
}

/// An estimate of what a fee's work costs: the network's margin is a quarter of the cost.
pub(super) fn cost_of(fee_microcredits: u64) -> u64 {
    fee_microcredits / 5 * 4
}
