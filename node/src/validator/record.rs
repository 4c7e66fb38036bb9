//! What a validator keeps of a job, on disk after every change.

use std::fmt;

use infernet_network::proof::{Digest, PublicKey};
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// `JobSpec`, encoded.
    #[serde(with = "serde_bytes")]
    pub spec: Vec<u8>,
    /// `PromptOpening`, encoded.
    #[serde(with = "serde_bytes")]
    pub opening: Vec<u8>,
    /// Who pays.
    pub requester: PublicKey,
    /// Micro-credits in escrow.
    pub deposit_microcredits: u64,
    /// When it came.
    pub posted_ms: u64,
    /// When it must be over.
    pub deadline_ms: u64,
    /// Miners that compute it side by side, each for a share of the reward.
    #[serde(default = "one_miner")]
    pub miners: u32,
    /// Attempts begun so far.
    pub attempt: u32,
    /// Miners that are not asked again for this job, and until when; those who failed it: for good.
    pub passed_over: Vec<PassedOver>,
    /// Where it is.
    pub stage: Stage,
    /// How earlier attempts ended, newest last.
    pub history: Vec<Ended>,
}

fn one_miner() -> u32 {
    1
}

/// A miner that is not asked (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Who.
    pub miner: PublicKey,
    /// Milliseconds since 1970 UTC; none: for good.
    pub until_ms: Option<u64>,
}

/// An attempt that did not lead to a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who.
    pub miner: PublicKey,
    /// Which attempt.
    pub attempt: u32,
    /// Why: stable code.
    pub code: String,
    /// Why: a sentence.
    pub message: String,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// In escrow; a miner is looked for, not before this time.
    Posted {
        /// Milliseconds since 1970 UTC.
        not_before_ms: u64,
    },
    /// A miner was asked.
    Offered(Attempt),
    /// A miner runs it.
    Running(Attempt),
    /// It has committed and got the nonce.
    Committed(Attempt, Commitment),
    /// Reveal and clip are here and are judged.
    Auditing(Attempt, Commitment),
    /// Several miners are at it side by side; those that are out are left out.
    Several(Vec<Part>),
    /// Accepted and paid; of several miners this is the one with the best clip.
    Settled(Attempt, Commitment),
    /// The deposit went back.
    Refunded {
        /// Stable code.
        code: String,
        /// A sentence.
        message: String,
    },
}

/// One of several miners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its try.
    pub attempt: Attempt,
    /// How far it is.
    pub at: At,
}

/// How far one of several miners is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// It was asked.
    Offered,
    /// It takes the job, and waits until the others have answered.
    Agreed,
    /// Its stake is locked, and it runs the job.
    Running,
    /// It has committed and got the nonce.
    Committed(Commitment),
    /// Reveal and clip are here and are judged.
    Auditing(Commitment),
    /// Accepted; it is paid when nobody is at work any more.
    Accepted {
        /// What it stands by.
        commitment: Commitment,
        /// Of the clip, in millionths.
        quality_ppm: u32,
        /// Digest of the signed verdict.
        verdict: Digest,
    },
}

/// Names one miner's run of a job: files are kept under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Which of several miners, from 0.
    pub part: u32,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.attempt),
            part => write!(f, "{}-{part}", self.attempt),
        }
    }
}

/// One miner's try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who.
    pub miner: PublicKey,
    /// Which attempt, from 1.
    pub number: u32,
    /// `Signed<Challenge>`, encoded.
    #[serde(with = "serde_bytes")]
    pub challenge: Vec<u8>,
    /// Draws what is audited; secret until the commitment is in.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
    /// Digest of the tolerance table that the challenge names.
    pub tolerance: Digest,
    /// What an honest run earns.
    pub fee_microcredits: u64,
    /// What is locked for it.
    pub stake_microcredits: u64,
    /// When the present stage must be over.
    pub deadline_ms: u64,
    /// Steps done, for those who watch.
    #[serde(default)]
    pub steps_done: u32,
    /// Which of several miners of the same attempt, from 0.
    #[serde(default)]
    pub part: u32,
}

impl Attempt {
    /// Its name.
    pub fn run(&self) -> Run {
        Run { attempt: self.number, part: self.part }
    }
}

impl Part {
    /// The stage of a miner that is alone and as far as this one; none of one that waits for others.
    pub fn stage(&self) -> Option<Stage> {
        let attempt = self.attempt.clone();
        match &self.at {
            At::Offered => Some(Stage::Offered(attempt)),
            At::Running => Some(Stage::Running(attempt)),
            At::Committed(commitment) => Some(Stage::Committed(attempt, commitment.clone())),
            At::Auditing(commitment) => Some(Stage::Auditing(attempt, commitment.clone())),
            At::Agreed | At::Accepted { .. } => None,
        }
    }
}

impl JobRecord {
    /// Names of all runs that there may be evidence of: that of the one that was paid first, then from the newest to the oldest.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        let paid = match &self.stage {
            Stage::Settled(attempt, _) => Some(attempt.run()),
            _ => None,
        };
        let parts = self.miners.max(1);
        let all = (1..=self.attempt).rev().flat_map(move |attempt| (0..parts).map(move |part| Run { attempt, part }));
        paid.into_iter().chain(all.filter(move |run| Some(*run) != paid))
    }
}

/// What a miner stands by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// `Signed<Commitment>`, encoded.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// When it came.
    pub committed_ms: u64,
    /// When the nonce was given out.
    pub published_ms: u64,
    /// When reveal and clip were both here.
    pub revealed_ms: Option<u64>,
    /// Whether the reveal is here.
    pub has_reveal: bool,
    /// Whether the clip is here.
    pub has_clip: bool,
}

impl Stage {
    /// Whether nothing comes after it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Settled(..) | Self::Refunded { .. })
    }

    /// The attempt under way or finished, of one miner.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Offered(attempt) | Self::Running(attempt) => Some(attempt),
            Self::Committed(attempt, _) | Self::Auditing(attempt, _) | Self::Settled(attempt, _) => Some(attempt),
            Self::Posted { .. } | Self::Refunded { .. } | Self::Several(_) => None,
        }
    }

    /// The commitment, once there is one, of one miner.
    pub fn commitment(&self) -> Option<&Commitment> {
        match self {
            Self::Committed(_, commitment) | Self::Auditing(_, commitment) | Self::Settled(_, commitment) => {
                Some(commitment)
            }
            _ => None,
        }
    }

    /// Everybody's part; one that is alone has one.
    pub fn parts(&self) -> Vec<Part> {
        let (attempt, at) = match self {
            Self::Posted { .. } | Self::Refunded { .. } => return Vec::new(),
            Self::Several(parts) => return parts.clone(),
            Self::Offered(attempt) => (attempt, At::Offered),
            Self::Running(attempt) => (attempt, At::Running),
            Self::Committed(attempt, commitment) => (attempt, At::Committed(commitment.clone())),
            // What is still asked of one that was paid is answered as before.
            Self::Auditing(attempt, commitment) | Self::Settled(attempt, commitment) => {
                (attempt, At::Auditing(commitment.clone()))
            }
        };
        vec![Part { attempt: attempt.clone(), at }]
    }

    /// A miner's part.
    pub fn part(&self, miner: &PublicKey) -> Option<Part> {
        self.parts().into_iter().find(|part| part.attempt.miner == *miner)
    }

    /// The part of the miner that is the furthest.
    pub fn foremost(&self) -> Option<Part> {
        let far = |part: &Part| {
            let stage = match part.at {
                At::Offered => 0,
                At::Agreed => 1,
                At::Running => 2,
                At::Committed(_) => 3,
                At::Auditing(_) => 4,
                At::Accepted { .. } => 5,
            };
            (stage, part.attempt.steps_done)
        };
        self.parts().into_iter().max_by_key(far)
    }

    /// Attempts of those that can't take another job now.
    pub fn at_work(&self) -> Vec<&Attempt> {
        match self {
            Self::Several(parts) => {
                let over = |part: &&Part| matches!(part.at, At::Accepted { .. });
                parts.iter().filter(|part| !over(part)).map(|part| &part.attempt).collect()
            }
            stage => stage.attempt().filter(|_| !stage.is_final()).into_iter().collect(),
        }
    }
}
