//! What an account holds, and how its holder has behaved.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature as DalekSignature, Signer as _, SigningKey, VerifyingKey};
use serde::Serialize;

use crate::bytes::{AccountId, JobId, Signature};

impl AccountId {
    /// Whether there can be a holder: the bytes are a point of the curve, and not one of the few weak ones.
    pub fn is_key(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }

    /// Whether the holder signed this. Strict: no weak keys, no second form of a signature.
    pub(crate) fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = DalekSignature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl From<&SigningKey> for AccountId {
    fn from(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// An account. Amounts in micro-credits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// What can be spent.
    pub balance: u64,
    /// What stands behind the work.
    pub stake: Stake,
    /// What was earned and not yet claimed.
    pub claimable: u64,
    /// Number that the holder's next request must carry; the first is 0.
    pub next_nonce: u64,
    /// How the holder has worked.
    pub standing: Standing,
}

impl Account {
    /// Everything in the account.
    pub fn total(&self) -> u128 {
        u128::from(self.balance) + u128::from(self.claimable) + self.stake.total()
    }
}

/// Stake, in micro-credits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stake {
    /// Can be locked for a job, or unstaked.
    pub free: u64,
    /// Locked, by job: until the job ends without blame, or for the challenge window after it was paid.
    pub locks: BTreeMap<JobId, Lock>,
    /// On its way out, oldest first.
    pub unstaking: Vec<Unstaking>,
}

impl Stake {
    /// Sum of the locks.
    pub fn locked(&self) -> u128 {
        self.locks.values().map(|lock| u128::from(lock.amount)).sum()
    }

    /// Sum of what is on its way out.
    pub fn unstaking_total(&self) -> u128 {
        self.unstaking.iter().map(|part| u128::from(part.amount)).sum()
    }

    /// What could be locked for a job at this time: free stake, and locks whose challenge window has passed.
    pub fn available(&self, now_ms: u64) -> u128 {
        let ended = self.locks.values().filter(|lock| lock.ended(now_ms)).map(|lock| u128::from(lock.amount));
        u128::from(self.free) + ended.sum::<u128>()
    }

    /// Everything at stake, in micro-credits.
    pub fn total(&self) -> u128 {
        u128::from(self.free) + self.locked() + self.unstaking_total()
    }
}

/// Stake locked for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// Amount.
    pub amount: u64,
    /// When the challenge window of the paid job ends; none while the job, or a dispute about it, is open.
    pub free_at_ms: Option<u64>,
}

impl Lock {
    /// Whether the challenge window has passed.
    pub fn ended(&self, now_ms: u64) -> bool {
        self.free_at_ms.is_some_and(|free_at| free_at <= now_ms)
    }
}

/// Stake on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unstaking {
    /// Amount.
    pub amount: u64,
    /// From when on it can be withdrawn.
    pub free_at_ms: u64,
}

/// A miner's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Trust, in parts per million. Nobody is trusted at first.
    pub trust_ppm: u32,
    /// Moving average of the quality of accepted clips, in parts per million; none before the first.
    pub quality_ppm: Option<u32>,
    /// Jobs that were paid.
    pub paid: u64,
    /// Jobs that ended without pay and without a slash.
    pub released: u64,
    /// Jobs that were slashed.
    pub slashed: u64,
    /// All rewards, in micro-credits.
    pub earned_microcredits: u64,
    /// All that was slashed, in micro-credits.
    pub slashed_microcredits: u64,
}
