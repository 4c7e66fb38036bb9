//! What happens to a job, as a pure function: an event and a time in, the new record and what is to be done out. Every stage has
//! a deadline; [`Event::Tick`] is what enforces them, so that no job is ever stuck. Actions are idempotent: after a crash the
//! node asks [`resume`] and does them again.

use infernet_network::proof::{Digest, Proof, PublicKey};

use super::record::{Attempt, Commitment, Ended, JobRecord, PassedOver, Run, Stage};
use super::several;

/// How long a miner that declined is not asked again for the same job.
pub const DECLINED_MS: u64 = 15_000;
/// How long is waited before miners are looked for again when there was none.
pub const NO_MINER_MS: u64 = 2_000;
/// Attempts before a job is given up: each ends with another miner.
pub const MAX_ATTEMPTS: u32 = 8;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A miner was chosen and is asked; the attempt's deadline is that of its answer.
    Chosen(Attempt),
    /// Several miners were chosen and are asked at the same time, in parts of one attempt.
    ChosenSeveral(Vec<Attempt>),
    /// The stake of all that agreed is locked, and they may begin.
    Begun,
    /// It can't be locked.
    NotBegun {
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// Nobody can run it now.
    NoMiner,
    /// The miner asked takes it, and its stake is locked until `run_deadline_ms`.
    Accepted {
        /// Who.
        miner: PublicKey,
        /// When it must have committed.
        run_deadline_ms: u64,
    },
    /// The miner asked does not, does not answer, or has too little stake.
    Declined {
        /// Who.
        miner: PublicKey,
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// A step is done.
    Progress {
        /// Who.
        miner: PublicKey,
        /// Steps done.
        steps_done: u32,
    },
    /// The miner stands by its run.
    Committed {
        /// Who.
        miner: PublicKey,
        /// `Signed<Commitment>`, encoded; its signature and session have been looked at.
        bytes: Vec<u8>,
        /// When the reveal must be here.
        reveal_deadline_ms: u64,
    },
    /// Reveal or clip came.
    Delivered {
        /// Who.
        miner: PublicKey,
        /// Which.
        what: Delivery,
        /// When the audit must be over.
        audit_deadline_ms: u64,
    },
    /// The miner says that it won't come.
    Failed {
        /// Who.
        miner: PublicKey,
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// There is a verdict.
    Judged {
        /// About which attempt.
        attempt: u32,
        /// Whose run.
        miner: PublicKey,
        /// What it is.
        verdict: Judgement,
    },
    /// The audit could not be made, for a reason that is the validator's own.
    AuditFailed {
        /// Which attempt.
        attempt: u32,
        /// Whose run.
        miner: PublicKey,
        /// A sentence.
        message: String,
    },
    /// The requester no longer wants it.
    Cancelled,
    /// Time passes.
    Tick,
}

/// What a miner delivers after the nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// What was drawn, opened.
    Reveal,
    /// The clip.
    Clip,
}

/// A verdict in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Every check held; quality in millionths.
    Accepted {
        /// Of the clip.
        quality_ppm: u32,
        /// Of the signed verdict.
        digest: Digest,
    },
    /// One failed.
    Rejected {
        /// Which.
        check: String,
        /// What it rests on.
        proof: Proof,
        /// Of the signed verdict.
        digest: Digest,
    },
}

/// What is to be done now. Money is moved by the ledger, under ids that follow from job and attempt, so that doing it twice is
/// doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look for miners, and come back with [`Event::Chosen`], [`Event::ChosenSeveral`] or [`Event::NoMiner`].
    Choose,
    /// Send the offer, and come back with [`Event::Accepted`] or [`Event::Declined`].
    Offer {
        /// Whom.
        miner: PublicKey,
    },
    /// Lock the stake of all that agreed, and come back with [`Event::Begun`] or [`Event::NotBegun`].
    Begin,
    /// Send the nonce.
    PublishNonce,
    /// Judge, and come back with [`Event::Judged`] or [`Event::AuditFailed`].
    Audit {
        /// Whose run.
        miner: PublicKey,
    },
    /// The attempt's stake is free again, where it was locked; nobody is blamed, but a miner that was late is noted.
    Release {
        /// Which attempt.
        attempt: u32,
        /// Who.
        miner: PublicKey,
        /// Whether the miner did not do what it had promised.
        late: bool,
    },
    /// Pay all whose runs were accepted.
    Settle {
        /// The run whose clip is taken.
        run: Run,
        /// Who is paid.
        miners: Vec<Paid>,
    },
    /// Take the locked stake's share.
    Slash {
        /// Which run.
        run: Run,
        /// Who.
        miner: PublicKey,
        /// Failed check.
        check: String,
        /// What it rests on: bytes that the miner signed, or a run of the model.
        proof: Proof,
        /// Of the signed verdict.
        verdict: Digest,
    },
    /// Give the deposit back.
    Refund,
    /// Tell the miner to stop.
    Stop {
        /// Who.
        miner: PublicKey,
    },
    /// Tell both sides how it ended.
    Announce,
}

/// A miner whose run was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Who.
    pub miner: PublicKey,
    /// Of the clip, in millionths.
    pub quality_ppm: u32,
    /// Digest of the signed verdict.
    pub verdict: Digest,
}

/// The event does not fit the job's stage; nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} does not fit a job that is {stage}")]
pub struct Misfit {
    /// What happened.
    pub event: &'static str,
    /// Where the job is.
    pub stage: &'static str,
}

impl Stage {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Posted { .. } => "posted",
            Self::Offered(_) => "offered",
            Self::Running(_) => "running",
            Self::Committed(..) => "committed",
            Self::Auditing(..) => "auditing",
            Self::Several(_) => "with several miners",
            Self::Settled(..) => "settled",
            Self::Refunded { .. } => "refunded",
        }
    }
}

/// What to do for a job that was just read from disk: the pending action of its stage.
pub fn resume(record: &JobRecord) -> Vec<Action> {
    match &record.stage {
        // An offer's answer is lost with the process: the miner is asked again, and takes the same attempt for the same.
        Stage::Offered(attempt) => vec![Action::Offer { miner: attempt.miner }],
        Stage::Auditing(attempt, _) => vec![Action::Audit { miner: attempt.miner }],
        Stage::Several(parts) => several::resume(parts),
        Stage::Settled(..)
        | Stage::Refunded { .. }
        | Stage::Running(_)
        | Stage::Committed(..)
        | Stage::Posted { .. } => vec![],
    }
}

/// What follows from an event.
///
/// # Errors
/// The event does not fit: it is late, repeated or somebody else's.
pub fn step(record: &JobRecord, event: Event, now_ms: u64) -> Result<(JobRecord, Vec<Action>), Misfit> {
    let mut next = record.clone();
    let stage = record.stage.name();
    let misfit = |event| Err(Misfit { event, stage });
    match (&record.stage, event) {
        (Stage::Settled(..) | Stage::Refunded { .. }, Event::Tick) => Ok((next, vec![])),
        (Stage::Several(parts), event) => several::step(record, parts, &event, now_ms),

        // The whole job's deadline and the requester's wish come before everything but a verdict that is being made: its result
        // is waited for, within the audit's own deadline.
        (Stage::Posted { .. } | Stage::Offered(_) | Stage::Running(_), Event::Cancelled) => {
            Ok(refund(next, "cancelled", "the requester cancelled it", now_ms))
        }
        (Stage::Posted { .. } | Stage::Offered(_) | Stage::Running(_) | Stage::Committed(..), Event::Tick)
            if now_ms >= record.deadline_ms =>
        {
            Ok(refund(next, "deadline", "no clip was there in time", now_ms))
        }

        (Stage::Posted { not_before_ms }, Event::Tick) if now_ms >= *not_before_ms => {
            if record.attempt >= MAX_ATTEMPTS {
                return Ok(refund(next, "attempts", "too many miners failed", now_ms));
            }
            // Until the choice is made, it is not asked for again.
            next.stage = Stage::Posted { not_before_ms: now_ms + NO_MINER_MS };
            Ok((next, vec![Action::Choose]))
        }
        (Stage::Posted { .. }, Event::NoMiner) => {
            next.stage = Stage::Posted { not_before_ms: now_ms + NO_MINER_MS };
            Ok((next, vec![]))
        }
        // The ledger counts: an offer that was not taken is no attempt there, and its number is used again.
        (Stage::Posted { .. }, Event::Chosen(attempt)) if (1..=MAX_ATTEMPTS).contains(&attempt.number) => {
            next.attempt = attempt.number;
            let offer = Action::Offer { miner: attempt.miner };
            next.stage = Stage::Offered(attempt);
            Ok((next, vec![offer]))
        }
        (Stage::Posted { .. }, Event::ChosenSeveral(attempts)) if several::fit(&attempts) => {
            Ok(several::ask(next, attempts))
        }

        (Stage::Offered(attempt), Event::Accepted { miner, run_deadline_ms }) if attempt.miner == miner => {
            next.stage = Stage::Running(Attempt { deadline_ms: run_deadline_ms, ..attempt.clone() });
            Ok((next, vec![]))
        }
        (Stage::Offered(attempt), Event::Declined { miner, code, message }) if attempt.miner == miner => {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner, until_ms: Some(now_ms + DECLINED_MS) });
            Ok(release(next, &attempt, false, &code, &message, now_ms))
        }
        // A run that fails at once can be heard of before its acceptance.
        (Stage::Offered(attempt), Event::Failed { miner, code, message }) if attempt.miner == miner => {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner, until_ms: None });
            Ok(release(next, &attempt, false, &code, &message, now_ms))
        }
        (Stage::Offered(attempt), Event::Tick) if now_ms >= attempt.deadline_ms => {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner: attempt.miner, until_ms: Some(now_ms + DECLINED_MS) });
            Ok(release(next, &attempt, false, "no_answer", "the miner did not answer the offer", now_ms))
        }

        (Stage::Running(attempt), Event::Progress { miner, steps_done }) if attempt.miner == miner => {
            next.stage = Stage::Running(Attempt { steps_done, ..attempt.clone() });
            Ok((next, vec![]))
        }
        (Stage::Running(attempt), Event::Committed { miner, bytes, reveal_deadline_ms }) if attempt.miner == miner => {
            let commitment = Commitment {
                bytes,
                committed_ms: now_ms,
                published_ms: now_ms,
                revealed_ms: None,
                has_reveal: false,
                has_clip: false,
            };
            next.stage = Stage::Committed(Attempt { deadline_ms: reveal_deadline_ms, ..attempt.clone() }, commitment);
            Ok((next, vec![Action::PublishNonce]))
        }
        // The answer was lost: the same commitment gets the same nonce, another one none.
        (
            Stage::Committed(attempt, commitment)
            | Stage::Auditing(attempt, commitment)
            | Stage::Settled(attempt, commitment),
            Event::Committed { miner, bytes, .. },
        ) if attempt.miner == miner && commitment.bytes == bytes => Ok((next, vec![Action::PublishNonce])),

        (Stage::Committed(attempt, commitment), Event::Delivered { miner, what, audit_deadline_ms })
            if attempt.miner == miner =>
        {
            let mut commitment = commitment.clone();
            match what {
                Delivery::Reveal => commitment.has_reveal = true,
                Delivery::Clip => commitment.has_clip = true,
            }
            if !(commitment.has_reveal && commitment.has_clip) {
                next.stage = Stage::Committed(attempt.clone(), commitment);
                return Ok((next, vec![]));
            }
            commitment.revealed_ms = Some(now_ms);
            next.stage = Stage::Auditing(Attempt { deadline_ms: audit_deadline_ms, ..attempt.clone() }, commitment);
            Ok((next, vec![Action::Audit { miner }]))
        }
        // Sent again because the answer was lost.
        (Stage::Auditing(attempt, _) | Stage::Settled(attempt, _), Event::Delivered { miner, .. })
            if attempt.miner == miner =>
        {
            Ok((next, vec![]))
        }

        (Stage::Running(attempt) | Stage::Committed(attempt, _), Event::Failed { miner, code, message })
            if attempt.miner == miner =>
        {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner, until_ms: None });
            Ok(release(next, &attempt, false, &code, &message, now_ms))
        }
        (Stage::Running(attempt), Event::Tick) if now_ms >= attempt.deadline_ms => {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner: attempt.miner, until_ms: None });
            Ok(release(next, &attempt, true, "too_slow", "the miner did not commit in time", now_ms))
        }
        (Stage::Committed(attempt, _), Event::Tick) if now_ms >= attempt.deadline_ms => {
            let attempt = attempt.clone();
            next.passed_over.push(PassedOver { miner: attempt.miner, until_ms: None });
            Ok(release(next, &attempt, true, "no_reveal", "the miner did not open its run in time", now_ms))
        }

        (Stage::Auditing(attempt, commitment), Event::Judged { attempt: number, miner, verdict })
            if attempt.number == number && attempt.miner == miner =>
        {
            let (attempt, commitment) = (attempt.clone(), commitment.clone());
            let run = attempt.run();
            match verdict {
                Judgement::Accepted { quality_ppm, digest } => {
                    next.stage = Stage::Settled(attempt, commitment);
                    let settle = Action::Settle { run, miners: vec![Paid { miner, quality_ppm, verdict: digest }] };
                    Ok((next, vec![settle, Action::Announce]))
                }
                Judgement::Rejected { check, proof: Proof::Attested, .. } => {
                    next.passed_over.push(PassedOver { miner, until_ms: None });
                    let message = format!("the check {check} failed, which rests on the validator's word");
                    Ok(release(next, &attempt, true, &check, &message, now_ms))
                }
                Judgement::Rejected { check, proof, digest } => {
                    next.passed_over.push(PassedOver { miner, until_ms: None });
                    let slash = Action::Slash { run, miner, check: check.clone(), proof, verdict: digest };
                    let (next, mut actions) = over(next, &attempt, &check, "the run failed its audit", now_ms);
                    actions.insert(0, slash);
                    Ok((next, actions))
                }
            }
        }
        // Not the miner's doing: it has worked, and another try would cost the requester time. It is judged again until the
        // audit's deadline.
        (Stage::Auditing(attempt, _), Event::AuditFailed { attempt: number, miner, .. })
            if attempt.number == number && attempt.miner == miner && now_ms < attempt.deadline_ms =>
        {
            Ok((next, vec![Action::Audit { miner }]))
        }
        (Stage::Auditing(attempt, _), Event::AuditFailed { attempt: number, miner, message })
            if attempt.number == number && attempt.miner == miner =>
        {
            let attempt = attempt.clone();
            let (next, mut actions) = refund(next, "audit", &message, now_ms);
            actions.insert(0, Action::Release { attempt: number, miner: attempt.miner, late: false });
            Ok((next, actions))
        }
        (Stage::Auditing(attempt, _), Event::Tick) if now_ms >= attempt.deadline_ms => {
            let attempt = attempt.clone();
            let (next, mut actions) = refund(next, "audit", "the run could not be judged in time", now_ms);
            actions.insert(0, Action::Release { attempt: attempt.number, miner: attempt.miner, late: false });
            Ok((next, actions))
        }

        (_, Event::Tick) => Ok((next, vec![])),
        (_, event) => misfit(event.name()),
    }
}

impl Event {
    /// Whose doing it is, or whom it is about.
    pub(super) fn miner(&self) -> Option<PublicKey> {
        match self {
            Self::Accepted { miner, .. }
            | Self::Declined { miner, .. }
            | Self::Progress { miner, .. }
            | Self::Committed { miner, .. }
            | Self::Delivered { miner, .. }
            | Self::Failed { miner, .. }
            | Self::Judged { miner, .. }
            | Self::AuditFailed { miner, .. } => Some(*miner),
            Self::Chosen(_)
            | Self::ChosenSeveral(_)
            | Self::Begun
            | Self::NotBegun { .. }
            | Self::NoMiner
            | Self::Cancelled
            | Self::Tick => None,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Chosen(_) => "the choice of a miner",
            Self::ChosenSeveral(_) => "the choice of several miners",
            Self::Begun => "the beginning of several miners",
            Self::NotBegun { .. } => "a beginning that failed",
            Self::NoMiner => "the lack of miners",
            Self::Accepted { .. } => "an acceptance",
            Self::Declined { .. } => "a refusal",
            Self::Progress { .. } => "progress",
            Self::Committed { .. } => "a commitment",
            Self::Delivered { .. } => "a delivery",
            Self::Failed { .. } => "a miner's failure",
            Self::Judged { .. } => "a verdict",
            Self::AuditFailed { .. } => "a failed audit",
            Self::Cancelled => "a cancellation",
            Self::Tick => "the passing of time",
        }
    }
}

/// The attempt is over without a clip; another miner is looked for.
fn over(mut next: JobRecord, attempt: &Attempt, code: &str, message: &str, now_ms: u64) -> (JobRecord, Vec<Action>) {
    next.history.push(Ended {
        miner: attempt.miner,
        attempt: attempt.number,
        code: code.to_owned(),
        message: message.to_owned(),
    });
    next.stage = Stage::Posted { not_before_ms: now_ms };
    (next, vec![])
}

fn release(
    next: JobRecord,
    attempt: &Attempt,
    late: bool,
    code: &str,
    message: &str,
    now_ms: u64,
) -> (JobRecord, Vec<Action>) {
    let (next, mut actions) = over(next, attempt, code, message, now_ms);
    actions.push(Action::Release { attempt: attempt.number, miner: attempt.miner, late });
    actions.push(Action::Stop { miner: attempt.miner });
    (next, actions)
}

/// The job is over; who still works on it is told to stop, and its stake is free again.
pub(super) fn refund(mut next: JobRecord, code: &str, message: &str, now_ms: u64) -> (JobRecord, Vec<Action>) {
    let mut actions = Vec::new();
    if let Stage::Offered(attempt) | Stage::Running(attempt) | Stage::Committed(attempt, _) = &next.stage {
        let late = !matches!(next.stage, Stage::Offered(_)) && now_ms >= attempt.deadline_ms;
        actions.push(Action::Release { attempt: attempt.number, miner: attempt.miner, late });
        actions.push(Action::Stop { miner: attempt.miner });
    }
    next.stage = Stage::Refunded { code: code.to_owned(), message: message.to_owned() };
    actions.extend([Action::Refund, Action::Announce]);
    (next, actions)
}
