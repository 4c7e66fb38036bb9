//! A contract on an EVM chain as a [`Settlement`].

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolCall as _;
use infernet_ledger::{Digest, JobId, LedgerParameters, ProofKind, RefundReason};

use super::abi::InfernetSettlement::{executeSlashCall, expireCall, refundCall, releaseCall};
use super::judgement::{Judgement, Scored, slashable_check};
use super::key::EvmKey;
use super::message::{Acceptance, Domain, in_order, signer_of};
use super::store::{self, ChainEvent, EventKind, IntentState, Store};
use super::watcher::{ContractRules, RULES, StakeOnChain, VALIDATORS, ValidatorSet};
use crate::error::SettlementError;
use crate::settlement::{
    Assignment, Backend, Commitment, Deposit, Ending, Party, Payment, Penalty, Progress, Settlement,
};

/// Parts per million in one.
const PPM: u64 = 1_000_000;

/// A validator's view of the contract, and what it wants to happen there. Nothing here waits for the network: a
/// [`Driver`](super::Driver) on the same store talks to the chain.
#[derive(Clone, Debug)]
pub struct EvmSettlement {
    store: Store,
    domain: Domain,
    key: EvmKey,
    /// How trust moves; the same rules as the embedded ledger's.
    parameters: LedgerParameters,
}

fn b256(digest: Digest) -> B256 {
    B256::from(digest.0)
}

impl EvmSettlement {
    /// On a store, with the rules by which trust moves.
    pub fn new(store: Store, domain: Domain, key: EvmKey, parameters: LedgerParameters) -> Self {
        Self { store, domain, key, parameters }
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The contract's rules; none before the driver has read them.
    ///
    /// # Errors
    /// The disk.
    pub fn rules(&self) -> Result<Option<ContractRules>, SettlementError> {
        self.store.meta(RULES)
    }

    /// Who may judge; none before the driver has read it.
    ///
    /// # Errors
    /// The disk.
    pub fn validators(&self) -> Result<Option<ValidatorSet>, SettlementError> {
        self.store.meta(VALIDATORS)
    }

    /// A miner's stake; nothing when the chain has said nothing of it.
    ///
    /// # Errors
    /// The disk.
    pub fn stake_of(&self, miner: Address) -> Result<StakeOnChain, SettlementError> {
        let body = self.store.staker_body(miner)?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default())
    }

    /// Stake of an account that is free and not promised to jobs of this validator that are not over, in micro-credits.
    ///
    /// # Errors
    /// The disk.
    pub fn available_stake(&self, miner: Address) -> Result<u64, SettlementError> {
        Ok(self.stake_of(miner)?.free.saturating_sub(self.store.promised_by(miner)?))
    }

    /// A miner's trust in parts per million. It follows from what the chain says alone, so that all validators attest the same.
    ///
    /// # Errors
    /// The disk.
    pub fn trust_of(&self, miner: Address) -> Result<u32, SettlementError> {
        let after = |trust, paid| {
            if paid { self.parameters.trust_after_paid(trust) } else { self.parameters.trust_after_caught(trust) }
        };
        Ok(self.store.record_of(miner)?.into_iter().fold(0, after))
    }

    /// What a miner signs to take a job.
    ///
    /// # Errors
    /// The job's deposit is not known.
    pub fn acceptance(
        &self,
        job: JobId,
        digest: Digest,
        miner: Address,
        fee_microcredits: u64,
        stake_microcredits: u64,
    ) -> Result<Acceptance, SettlementError> {
        let (key, _) = self.find(job, digest)?.ok_or(SettlementError::UnknownJob { job })?;
        Ok(Acceptance { job: key, miner, fee: fee_microcredits, stake: stake_microcredits })
    }

    /// Judgements of this validator that wait for others to sign, to be sent to them.
    ///
    /// # Errors
    /// The disk.
    pub fn waiting(&self) -> Result<Vec<(B256, Judgement)>, SettlementError> {
        let all = self.store.unsent_proposals()?;
        Ok(all.into_iter().filter_map(|one| Some((one.digest, serde_json::from_str(&one.body).ok()?))).collect())
    }

    /// Whether the chain has done what a judgement asks for, or can't any more: nobody has to sign it.
    ///
    /// # Errors
    /// The disk.
    pub fn is_over(&self, judgement: &Judgement) -> Result<bool, SettlementError> {
        let Some(job) = judgement.job() else { return Ok(false) };
        Ok(match judgement {
            Judgement::Slash { miner, .. } => self
                .store
                .events_of(job)?
                .iter()
                .any(|event| matches!(event.kind, EventKind::SlashProposed { miner: of, .. } if of == *miner)),
            _ => self.ended(job)?.is_some(),
        })
    }

    /// Signs another validator's judgement. What it says about the work is for the caller to have checked (by its own audit of the
    /// bundle); checked here is what the chain says: the deposit, the fee, the miners' acceptances and their trust.
    ///
    /// # Errors
    /// It does not fit the chain.
    pub fn co_sign(&self, judgement: &Judgement) -> Result<[u8; 65], SettlementError> {
        if let Some(miner) = judgement.unaccepted(&self.domain) {
            return Err(SettlementError::Signature {
                what: "the acceptance",
                found: "somebody else".into(),
                expected: format!("expected {miner}, for this job, fee and stake"),
            });
        }
        if let Judgement::Settle { job, fee, scores, .. } = judgement {
            let rules = self.known_rules()?;
            let deposit = self.store.events_of(*job)?.into_iter().find_map(|event| match event.kind {
                EventKind::Deposited { amount, .. } => Some(amount),
                _ => None,
            });
            let deposit = deposit.ok_or_else(|| SettlementError::Amount {
                what: "the deposit of the job",
                found: "nothing that counts".into(),
                expected: "a confirmed deposit".into(),
            })?;
            self.check_fee(*fee, deposit, &rules)?;
            for score in scores {
                let ours = self.parameters.trust_after_paid(self.trust_of(score.miner)?);
                // Another validator's chain may be a job ahead or behind.
                if score.trust_ppm.abs_diff(ours) > self.parameters.honest_drift_ppm {
                    return Err(SettlementError::Amount {
                        what: "a miner's trust",
                        found: score.trust_ppm.to_string(),
                        expected: format!("about {ours} parts per million"),
                    });
                }
            }
        }
        self.key.sign(judgement.digest(&self.domain))
    }

    /// Takes another validator's signature; with the last one that is needed the judgement goes to the outbox.
    ///
    /// # Errors
    /// Nothing with this digest waits, or the signer is no validator whose signature counts.
    pub fn add_signature(
        &mut self,
        digest: B256,
        signature: &[u8; 65],
        now_ms: u64,
    ) -> Result<Progress, SettlementError> {
        let proposal = self.store.proposal(digest)?.ok_or(SettlementError::UnknownProposal { digest })?;
        if proposal.sent {
            return Ok(Progress::Sending { intent: proposal.name });
        }
        let signer = signer_of(digest, signature);
        let judges = self.validators()?.unwrap_or_default().judges;
        let Some(signer) = signer.filter(|signer| judges.contains(signer)) else {
            return Err(SettlementError::Signature {
                what: "the judgement",
                found: signer.map_or_else(|| "nobody".to_owned(), |signer| signer.to_string()),
                expected: "expected a validator with its whole bond".into(),
            });
        };
        self.store.add_signature(digest, signer, signature)?;
        self.try_send(digest, now_ms)
    }

    /// Proposes a judgement: signed by this validator, and kept until others have signed.
    ///
    /// # Errors
    /// The disk, or another judgement of its name was sent.
    pub fn propose(&mut self, judgement: &Judgement, now_ms: u64) -> Result<Progress, SettlementError> {
        let digest = judgement.digest(&self.domain);
        let body = serde_json::to_string(judgement).unwrap_or_default();
        self.store.propose(&judgement.name(), digest, &body)?;
        self.store.add_signature(digest, self.key.address(), &self.key.sign(digest)?)?;
        self.try_send(digest, now_ms)
    }

    fn try_send(&mut self, digest: B256, now_ms: u64) -> Result<Progress, SettlementError> {
        let proposal = self.store.proposal(digest)?.ok_or(SettlementError::UnknownProposal { digest })?;
        if proposal.sent {
            return Ok(Progress::Sending { intent: proposal.name });
        }
        let set = self.validators()?.unwrap_or_default();
        let mut signed = self.store.signatures(digest)?;
        // A member may have left since it signed; one signature that does not count makes the contract refuse all.
        signed.retain(|(signer, _)| set.judges.contains(signer));
        // Without the chain's word there is no quorum.
        let need = if set.quorum == 0 { u32::MAX } else { set.quorum };
        let have = u32::try_from(signed.len()).unwrap_or(u32::MAX);
        if have < need {
            return Ok(Progress::NeedsSignatures { digest, have, need });
        }
        let judgement: Judgement =
            serde_json::from_str(&proposal.body).map_err(|_| SettlementError::UnknownProposal { digest })?;
        let calldata = judgement.calldata(in_order(signed));
        self.store.send_proposal(digest, &proposal.name, self.domain.contract, calldata, now_ms)?;
        Ok(Progress::Sending { intent: proposal.name })
    }

    /// Queues what anyone may do and time has made due: refunds, slashes to hand out, contests that were not answered. Returns
    /// how many. `now_ms` should be the chain's time, which is never ahead of the clock by much.
    ///
    /// # Errors
    /// The disk.
    pub fn upkeep(&mut self, now_ms: u64) -> Result<usize, SettlementError> {
        let now = now_ms / 1000;
        let mut calls = Vec::new();
        let contract = self.domain.contract;
        for event in self.store.open_deposits()? {
            if let (EventKind::Deposited { deadline, .. }, Some(job)) = (&event.kind, event.job)
                && now > *deadline
            {
                calls.push((format!("refund {job}"), contract, refundCall { job }.abi_encode()));
            }
        }
        let contests = self.store.open_contests()?;
        for event in &contests {
            if let (&EventKind::Contested { miner, answer_by, bundle, .. }, Some(job)) = (&event.kind, event.job)
                && now > answer_by
            {
                let name = format!("expire {job} {miner} {bundle} {}", event.block);
                calls.push((name, contract, expireCall { job, miner }.abi_encode()));
            }
        }
        for event in self.store.open_slashes()? {
            let (&EventKind::SlashProposed { miner, .. }, Some(job)) = (&event.kind, event.job) else { continue };
            let contested = contests.iter().any(|c| c.job == Some(job) && c.kind.account() == Some(miner));
            if !contested && now > self.window_end(job, miner)? {
                let name = format!("execute-slash {job} {miner} {}", event.block);
                calls.push((name, contract, executeSlashCall { job, miner }.abi_encode()));
            }
        }
        self.store.enqueue(&calls, now_ms)?;
        Ok(calls.len())
    }

    /// Queues what an account may do for itself and time has made due: its own deposits back that no verdict has ended, the stake behind
    /// its paid jobs free. Returns how many. Times as in [`upkeep`](Self::upkeep).
    ///
    /// # Errors
    /// The disk.
    pub fn upkeep_of_own(&mut self, now_ms: u64) -> Result<usize, SettlementError> {
        let (now, own, contract) = (now_ms / 1000, self.key.address(), self.domain.contract);
        let mut calls = Vec::new();
        for event in self.store.open_deposits()? {
            if let (&EventKind::Deposited { requester, deadline, .. }, Some(job)) = (&event.kind, event.job)
                && requester == own
                && now > deadline
            {
                calls.push((format!("refund {job}"), contract, refundCall { job }.abi_encode()));
            }
        }
        let contests = self.store.open_contests()?;
        for event in self.store.locks_of(own)? {
            let (&EventKind::Rewarded { miner, until, .. }, Some(job)) = (&event.kind, event.job) else { continue };
            let contested = contests.iter().any(|c| c.job == Some(job) && c.kind.account() == Some(miner));
            if !contested && now > until {
                let call = releaseCall { job, miner }.abi_encode();
                calls.push((format!("release {job} {miner}"), contract, call));
            }
        }
        self.store.enqueue(&calls, now_ms)?;
        Ok(calls.len())
    }

    /// Queues the release of the stake behind a paid job.
    ///
    /// # Errors
    /// The disk.
    pub fn release_stake(&mut self, job: B256, miner: Address, now_ms: u64) -> Result<(), SettlementError> {
        let call = releaseCall { job, miner }.abi_encode();
        self.store.enqueue(&[(format!("release {job} {miner}"), self.domain.contract, call)], now_ms)
    }

    /// When a slash can be handed out; an answered contest has prolonged the window by an unknown time, which the chain's refusal
    /// covers.
    fn window_end(&self, job: B256, miner: Address) -> Result<u64, SettlementError> {
        let events = self.store.events_of(job)?;
        let until = events.iter().rev().find_map(|event| match event.kind {
            EventKind::SlashProposed { miner: of, until, .. } if of == miner => Some(until),
            _ => None,
        });
        Ok(until.unwrap_or(u64::MAX))
    }

    /// The deposit behind an id and digest. Anyone can put one behind another's digest: the largest counts, of equal ones the first.
    fn find(&self, job: JobId, digest: Digest) -> Result<Option<(B256, ChainEvent)>, SettlementError> {
        let mut best: Option<(u64, B256, ChainEvent)> = None;
        for key in self.store.keys_of(job.0)? {
            let Some(event) = self.deposited(key)? else { continue };
            let EventKind::Deposited { job_digest, amount, .. } = event.kind else { continue };
            if job_digest == b256(digest) && best.as_ref().is_none_or(|(most, ..)| amount > *most) {
                best = Some((amount, key, event));
            }
        }
        Ok(best.map(|(_, key, event)| (key, event)))
    }

    fn deposited(&self, key: B256) -> Result<Option<ChainEvent>, SettlementError> {
        let events = self.store.events_of(key)?;
        Ok(events.into_iter().find(|event| matches!(event.kind, EventKind::Deposited { .. })))
    }

    /// The contract's name of a job: the one that was assigned, or the only one of the id.
    fn key_of(&self, job: JobId) -> Result<B256, SettlementError> {
        if let Some(key) = self.store.assigned_key(job.0)? {
            return Ok(key);
        }
        let keys = self.store.keys_of(job.0)?;
        match keys[..] {
            [] => Err(SettlementError::UnknownJob { job }),
            [key] => Ok(key),
            _ => Err(SettlementError::AmbiguousJob { job, found: keys.len() }),
        }
    }

    fn known_rules(&self) -> Result<ContractRules, SettlementError> {
        self.rules()?.ok_or_else(|| SettlementError::NoContract {
            address: self.domain.contract,
            found: "nothing that was read yet".into(),
        })
    }

    fn check_fee(&self, fee: u64, deposit: u64, rules: &ContractRules) -> Result<(), SettlementError> {
        let gross = (u128::from(fee) * u128::from(PPM)).div_ceil(u128::from(rules.split_ppm.max(1)));
        if gross > u128::from(deposit) {
            return Err(SettlementError::Amount {
                what: "the fee with the validators' part",
                found: gross.to_string(),
                expected: format!("at most the deposit of {deposit} micro-credits"),
            });
        }
        Ok(())
    }

    /// What the chain says of a job's end.
    fn ended(&self, key: B256) -> Result<Option<Progress>, SettlementError> {
        let events = self.store.events_of(key)?;
        Ok(events.into_iter().find_map(|event| match event.kind {
            EventKind::Settled { .. } => Some(Progress::Settled),
            EventKind::Refunded { .. } => Some(Progress::Refunded),
            _ => None,
        }))
    }

    fn still_open(&self, job: JobId, key: B256, action: &'static str) -> Result<(), SettlementError> {
        match self.ended(key)? {
            Some(end) => {
                let reason = if end == Progress::Settled { "it is paid" } else { "its deposit went back" };
                Err(SettlementError::JobState { job, action, reason: reason.into() })
            }
            None => Ok(()),
        }
    }
}

impl Settlement for EvmSettlement {
    fn backend(&self) -> Backend {
        Backend::Evm
    }

    fn deposit(&self, job: JobId, digest: Digest) -> Result<Option<Deposit>, SettlementError> {
        let Some((key, event)) = self.find(job, digest)? else { return Ok(None) };
        let EventKind::Deposited { requester, amount, deadline, .. } = event.kind else { return Ok(None) };
        Ok(Some(Deposit {
            job,
            digest,
            requester: Party::Evm(requester),
            amount_microcredits: amount,
            deadline_ms: deadline.saturating_mul(1000),
            ended: self.ended(key)?.is_some(),
        }))
    }

    fn next_attempt(&self, job: JobId) -> Result<u32, SettlementError> {
        Ok(self.store.last_attempt(job.0)?.saturating_add(1))
    }

    /// The contract knows nothing of assignments: kept here are the miners' acceptances, without which it would neither pay nor
    /// slash, and checked is that the stake is there and not promised to other jobs of this validator.
    fn assign(&mut self, assignment: &Assignment, now_ms: u64) -> Result<(), SettlementError> {
        let &Assignment { job, digest, attempt, fee_microcredits: fee, ref miners } = assignment;
        let (key, event) = self.find(job, digest)?.ok_or(SettlementError::UnknownJob { job })?;
        self.still_open(job, key, "assigned")?;
        let EventKind::Deposited { amount, deadline, .. } = event.kind else {
            return Err(SettlementError::UnknownJob { job });
        };
        if now_ms / 1000 > deadline {
            return Err(SettlementError::JobState {
                job,
                action: "assigned",
                reason: "its deadline has passed".into(),
            });
        }
        let rules = self.known_rules()?;
        self.check_fee(fee, amount, &rules)?;
        let least = u128::from(fee) * u128::from(rules.least_stake_ppm);
        let least = u64::try_from(least.div_ceil(u128::from(PPM))).unwrap_or(u64::MAX).max(1);
        let mut all = Vec::with_capacity(miners.len());
        for promise in miners {
            let (miner, stake) = (promise.miner, promise.stake_microcredits);
            let unaccepted = SettlementError::NoAcceptance { job, miner };
            let Some(accepted) = &promise.acceptance else { return Err(unaccepted) };
            let address = accepted.address;
            let digest = self.domain.digest(&Acceptance { job: key, miner: address, fee, stake });
            if signer_of(digest, &accepted.signature) != Some(address) {
                return Err(unaccepted);
            }
            if all.iter().any(|other: &store::Accepted| other.address == address) {
                let reason = format!("two of its miners have their stake in {address}");
                return Err(SettlementError::JobState { job, action: "assigned", reason });
            }
            if stake < least {
                return Err(SettlementError::StakeTooSmall { miner: address, found: stake, needed: least });
            }
            let free = self.stake_of(address)?.free;
            let found = free.saturating_sub(self.store.promised(address, job.0, attempt)?);
            if found < stake {
                return Err(SettlementError::StakeTooSmall { miner: address, found, needed: stake });
            }
            let signature = accepted.signature.to_vec();
            all.push(store::Accepted { miner: miner.0, address, fee, stake, signature });
        }
        self.store.accept(job.0, attempt, key, &all)
    }

    /// Commitments are not on the chain: the verdict carries the root.
    fn committed(&mut self, commitment: &Commitment, _now_ms: u64) -> Result<(), SettlementError> {
        let &Commitment { job, attempt, miner, .. } = commitment;
        let known = self.store.accepted(job.0, attempt, miner.0)?;
        known.map(drop).ok_or(SettlementError::NoAcceptance { job, miner })
    }

    fn settle(&mut self, payment: &Payment, now_ms: u64) -> Result<Progress, SettlementError> {
        let (job, key) = (payment.job, self.key_of(payment.job)?);
        match self.ended(key)? {
            Some(Progress::Settled) => return Ok(Progress::Settled),
            Some(_) => self.still_open(job, key, "paid")?,
            None => {}
        }
        // After a crash: what was proposed then, whatever trust has become since.
        let name = format!("settle {key}");
        if let Some(known) = self.store.proposal_named(&name)?
            && (known.sent || self.store.intent(&name)?.is_none())
        {
            return self.try_send(known.digest, now_ms);
        }
        let mut rows = Vec::with_capacity(payment.miners.len());
        let mut fee = 0;
        for accepted in &payment.miners {
            let known = self.store.accepted(job.0, payment.attempt, accepted.miner.0)?;
            let known = known.ok_or(SettlementError::NoAcceptance { job, miner: accepted.miner })?;
            fee = known.fee;
            // Without drift nobody ever gains trust; then all count alike.
            let trust_ppm = self.parameters.trust_after_paid(self.trust_of(known.address)?).max(1);
            let (miner, stake, quality_ppm) = (known.address, known.stake, accepted.quality_ppm);
            rows.push((Scored { miner, stake, trust_ppm, quality_ppm }, known.signature.into()));
        }
        rows.sort_by_key(|(score, _)| score.miner);
        let (scores, acceptances) = rows.into_iter().unzip();
        let (proof_root, bundle_digest) = (b256(payment.proof_root), b256(payment.bundle));
        let judgement = Judgement::Settle { job: key, fee, proof_root, bundle_digest, scores, acceptances };
        self.propose(&judgement, now_ms)
    }

    fn slash(&mut self, penalty: &Penalty, now_ms: u64) -> Result<Progress, SettlementError> {
        let &Penalty { job, attempt, miner, ref check, proof, bundle, .. } = penalty;
        let bad = || SettlementError::Check { check: check.to_string() };
        if proof == ProofKind::Attested {
            return Err(bad());
        }
        let code = slashable_check(check.as_str()).ok_or_else(bad)?;
        let key = self.key_of(job)?;
        let known = self.store.accepted(job.0, attempt, miner.0)?;
        let known = known.ok_or(SettlementError::NoAcceptance { job, miner })?;
        let judgement = Judgement::Slash {
            job: key,
            miner: known.address,
            fee: known.fee,
            stake: known.stake,
            check: code,
            evidence: b256(bundle),
            acceptance: known.signature.into(),
        };
        self.propose(&judgement, now_ms)
    }

    fn release(&mut self, ending: &Ending, _now_ms: u64) -> Result<(), SettlementError> {
        self.store.end_acceptance(ending.job.0, Some(ending.miner.0))
    }

    fn refund(&mut self, job: JobId, reason: RefundReason, now_ms: u64) -> Result<Progress, SettlementError> {
        let key = self.key_of(job)?;
        match self.ended(key)? {
            Some(Progress::Refunded) => return Ok(Progress::Refunded),
            Some(_) => self.still_open(job, key, "refunded")?,
            None => {}
        }
        self.store.end_acceptance(job.0, None)?;
        let deadline = self.deposited(key)?.map_or(0, |event| match event.kind {
            EventKind::Deposited { deadline, .. } => deadline,
            _ => 0,
        });
        if now_ms / 1000 > deadline {
            // Nobody has to agree any more.
            let name = format!("refund {key}");
            let call = refundCall { job: key }.abi_encode();
            self.store.enqueue(&[(name.clone(), self.domain.contract, call)], now_ms)?;
            return Ok(Progress::Sending { intent: name });
        }
        let reason = match reason {
            RefundReason::Cancelled => 1,
            RefundReason::Deadline => 2,
            RefundReason::NoMiner => 3,
            RefundReason::Failed => 4,
        };
        self.propose(&Judgement::Cancel { job: key, reason }, now_ms)
    }

    fn progress(&self, job: JobId) -> Result<Progress, SettlementError> {
        let key = self.key_of(job)?;
        // The chain's word comes first: another validator may have sent the same judgement.
        if let Some(end) = self.ended(key)? {
            return Ok(end);
        }
        for name in [format!("settle {key}"), format!("cancel {key}"), format!("refund {key}")] {
            if let Some(intent) = self.store.intent(&name)? {
                return Ok(match intent.state {
                    IntentState::Failed | IntentState::Reverted => {
                        Progress::Failed { intent: name, reason: intent.note }
                    }
                    _ => Progress::Sending { intent: name },
                });
            }
            if let Some(proposal) = self.store.proposal_named(&name)? {
                let need = self.validators()?.unwrap_or_default().quorum;
                let have = u32::try_from(self.store.signatures(proposal.digest)?.len()).unwrap_or(u32::MAX);
                return Ok(Progress::NeedsSignatures { digest: proposal.digest, have, need });
            }
        }
        let slashed = self
            .store
            .events_of(key)?
            .iter()
            .any(|event| matches!(event.kind, EventKind::SlashProposed { .. } | EventKind::Slashed { .. }));
        Ok(if slashed { Progress::Slashed } else { Progress::Open })
    }
}
