//! The canonical encoding of a whole state: for its digest, and for snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::account::{Account, Lock, Stake, Standing, Unstaking};
use crate::bytes::{AccountId, Digest, EntryId, JobId, tagged};
use crate::cbor::{DecodeError, Reader, Writer};
use crate::entry::{Entry, Genesis, ProofKind};

use super::job::{Attempt, End, Job, MinerPart, MinerStage};
use super::ledger::Ledger;

const STATE_TAG: &str = "infernet/ledger-state/v1";
const VERSION: u32 = 1;

impl Account {
    /// The canonical encoding, as it travels to whoever asks for an account's state.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        write_account(&mut out, self);
        out.finish()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of an account.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(bytes, read_account)
    }
}

impl Ledger {
    /// Digest of the whole state: equal for two ledgers with the same entries at the same times. Goes through everything.
    pub fn digest(&self) -> Digest {
        tagged(STATE_TAG, &self.snapshot())
    }

    /// The state, but for the names of the entries: their chain stands for them.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(9).uint(VERSION).bytes(Entry::Genesis(self.genesis).to_bytes());
        out.uint(self.issued).uint(self.burned).uint(self.time_ms).uint(self.entries).bytes(self.history);
        out.array(self.accounts.len());
        for (id, account) in &self.accounts {
            out.array(2).bytes(id);
            write_account(&mut out, account);
        }
        out.array(self.jobs.len());
        for (id, job) in &self.jobs {
            out.array(2).bytes(id);
            write_job(&mut out, job);
        }
        out.finish()
    }

    /// Reads a snapshot; `seen` are the names of the entries up to it.
    pub(crate) fn from_snapshot(bytes: &[u8], seen: HashMap<EntryId, [u8; 16]>) -> Result<Self, DecodeError> {
        Reader::whole(bytes, |reader| {
            reader.array("state", 9)?;
            match reader.uint("version")? {
                1 => {}
                found => return Err(DecodeError::value("version", &found, "1")),
            }
            let Entry::Genesis(genesis) = Entry::from_bytes(reader.blob("genesis", 4096)?)? else {
                return Err(DecodeError::value("genesis", "another entry", "the first entry"));
            };
            read_state(reader, genesis, seen)
        })
    }
}

fn read_state(
    reader: &mut Reader<'_>,
    genesis: Genesis,
    seen: HashMap<EntryId, [u8; 16]>,
) -> Result<Ledger, DecodeError> {
    let (issued, burned) = (reader.uint("issued")?, reader.uint("burned")?);
    let (time_ms, entries) = (reader.uint("time")?, reader.uint("entries")?);
    let history = Digest(reader.fixed("history")?);
    let accounts =
        read_map(reader, "accounts", |reader| Ok((AccountId(reader.fixed("account")?), read_account(reader)?)))?;
    let jobs = read_map(reader, "jobs", |reader| Ok((JobId(reader.fixed("job")?), read_job(reader)?)))?;
    let open: BTreeSet<JobId> = jobs.iter().filter(|(_, job)| job.end.is_none()).map(|(id, _)| *id).collect();
    Ok(Ledger { genesis, accounts, jobs, open, issued, burned, time_ms, entries, history, seen })
}

/// An array of pairs by rising key.
fn read_map<K: Ord + Copy, V>(
    reader: &mut Reader<'_>,
    field: &'static str,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<(K, V), DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let count = reader.list(field, usize::MAX)?;
    let mut map = BTreeMap::new();
    for _ in 0..count {
        reader.array(field, 2)?;
        let (key, value) = read(reader)?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::value(field, "out of order", "in rising order"));
        }
        map.insert(key, value);
    }
    Ok(map)
}

fn write_account(out: &mut Writer, account: &Account) {
    let Account { balance, stake, claimable, next_nonce, standing } = account;
    out.array(7).uint(*balance).uint(*claimable).uint(*next_nonce).uint(stake.free);
    out.array(stake.locks.len());
    for (job, lock) in &stake.locks {
        out.array(2).bytes(job).array(2).uint(lock.amount);
        out.option(lock.free_at_ms, |out, free_at| {
            out.uint(free_at);
        });
    }
    out.array(stake.unstaking.len());
    for part in &stake.unstaking {
        out.array(2).uint(part.amount).uint(part.free_at_ms);
    }
    let Standing { trust_ppm, quality_ppm, paid, released, slashed, earned_microcredits, slashed_microcredits } =
        *standing;
    out.array(7).uint(trust_ppm).option(quality_ppm, |out, quality| {
        out.uint(quality);
    });
    out.uint(paid).uint(released).uint(slashed).uint(earned_microcredits).uint(slashed_microcredits);
}

fn read_account(reader: &mut Reader<'_>) -> Result<Account, DecodeError> {
    reader.array("account", 7)?;
    let (balance, claimable) = (reader.uint("balance")?, reader.uint("claimable")?);
    let (next_nonce, free) = (reader.uint("next_nonce")?, reader.uint("free stake")?);
    let locks = read_map(reader, "locks", |reader| {
        let job = JobId(reader.fixed("lock")?);
        reader.array("lock", 2)?;
        let amount = reader.uint("lock")?;
        Ok((job, Lock { amount, free_at_ms: reader.option("free_at", |reader| reader.uint("free_at"))? }))
    })?;
    let count = reader.list("unstaking", usize::MAX)?;
    let mut unstaking = Vec::new();
    for _ in 0..count {
        reader.array("unstaking", 2)?;
        unstaking.push(Unstaking { amount: reader.uint("unstaking")?, free_at_ms: reader.uint("free_at")? });
    }
    reader.array("standing", 7)?;
    let standing = Standing {
        trust_ppm: reader.u32("trust")?,
        quality_ppm: reader.option("quality", |reader| reader.u32("quality"))?,
        paid: reader.uint("paid")?,
        released: reader.uint("released")?,
        slashed: reader.uint("slashed")?,
        earned_microcredits: reader.uint("earned")?,
        slashed_microcredits: reader.uint("slashed amount")?,
    };
    Ok(Account { balance, stake: Stake { free, locks, unstaking }, claimable, next_nonce, standing })
}

fn write_job(out: &mut Writer, job: &Job) {
    out.array(10).bytes(job.digest).bytes(job.requester).uint(job.deposit_microcredits).uint(job.escrow_microcredits);
    out.uint(job.compensated_microcredits).uint(job.steps).uint(job.deadline_ms).uint(job.opened_ms);
    out.uint(match job.end {
        None => 0u32,
        Some(End::Settled) => 1,
        Some(End::Refunded) => 2,
    });
    out.option(job.attempt.as_ref(), |out, attempt| {
        out.array(4).uint(attempt.number).uint(attempt.fee_microcredits).uint(attempt.assigned_ms);
        out.array(attempt.miners.len());
        for (miner, part) in &attempt.miners {
            out.array(2).bytes(miner).array(4);
            let (stage, detail) = match part.stage {
                MinerStage::Assigned => (0u32, 0),
                MinerStage::Committed => (1, 0),
                MinerStage::Accepted { quality_ppm } => (2, quality_ppm),
                MinerStage::Rejected { proof } => (3, proof.code()),
                MinerStage::Paid => (4, 0),
                MinerStage::Released => (5, 0),
                MinerStage::Slashed => (6, 0),
            };
            out.uint(stage).uint(detail);
            for digest in [part.commitment, part.verdict] {
                out.option(digest, |out, digest| {
                    out.bytes(digest);
                });
            }
        }
    });
}

fn read_job(reader: &mut Reader<'_>) -> Result<Job, DecodeError> {
    reader.array("job", 10)?;
    Ok(Job {
        digest: Digest(reader.fixed("job digest")?),
        requester: AccountId(reader.fixed("requester")?),
        deposit_microcredits: reader.uint("deposit")?,
        escrow_microcredits: reader.uint("escrow")?,
        compensated_microcredits: reader.uint("compensated")?,
        steps: reader.u32("steps")?,
        deadline_ms: reader.uint("deadline")?,
        opened_ms: reader.uint("opened")?,
        end: match reader.uint("end")? {
            0 => None,
            1 => Some(End::Settled),
            2 => Some(End::Refunded),
            found => return Err(DecodeError::value("end", &found, "0 to 2")),
        },
        attempt: reader.option("attempt", read_attempt)?,
    })
}

fn read_attempt(reader: &mut Reader<'_>) -> Result<Attempt, DecodeError> {
    reader.array("attempt", 4)?;
    let (number, fee_microcredits) = (reader.u32("attempt")?, reader.uint("fee")?);
    let assigned_ms = reader.uint("assigned")?;
    let digest = |reader: &mut Reader<'_>, field| reader.option(field, |reader| reader.fixed(field).map(Digest));
    let miners = read_map(reader, "miners", |reader| {
        let miner = AccountId(reader.fixed("miner")?);
        reader.array("miner", 4)?;
        let stage = match (reader.uint("stage")?, reader.u32("stage detail")?) {
            (0, 0) => MinerStage::Assigned,
            (1, 0) => MinerStage::Committed,
            (2, quality_ppm) => MinerStage::Accepted { quality_ppm },
            (3, proof) => MinerStage::Rejected { proof: ProofKind::from_code(proof.into())? },
            (4, 0) => MinerStage::Paid,
            (5, 0) => MinerStage::Released,
            (6, 0) => MinerStage::Slashed,
            (found, _) => return Err(DecodeError::value("stage", &found, "0 to 6 with what belongs to it")),
        };
        let part = MinerPart { stage, commitment: digest(reader, "commitment")?, verdict: digest(reader, "verdict")? };
        Ok((miner, part))
    })?;
    Ok(Attempt { number, fee_microcredits, assigned_ms, miners })
}
