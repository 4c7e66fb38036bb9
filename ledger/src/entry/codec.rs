//! The canonical encoding of entries, and their names.

use crate::bytes::{AccountId, Digest, EntryId, JobId, tagged};
use crate::cbor::{DecodeError, Reader, Writer};
use crate::parameters::LedgerParameters;
use crate::request::{AccountRequest, JobOrder, LedgerId};

use super::events::{
    Assign, Assignment, Audited, Committed, Entry, Genesis, Issue, MAX_MINERS, Outcome, ProofKind, Refund,
    RefundReason, Release, ReleaseReason, Settle, Slash,
};

/// Longest encoding of an entry: an assignment of 64 miners is a third of it.
pub const MAX_ENTRY_BYTES: usize = 16 * 1024;
const VERSION: u32 = 1;
const ID_TAG: &str = "infernet/ledger-entry-id/v1";

/// Gives an enum without contents its codes.
macro_rules! codes {
    ($type:ty, $field:literal, $expected:literal, $($variant:ident = $code:literal),*) => {
        impl $type {
            pub(crate) fn code(self) -> u32 {
                match self { $(Self::$variant => $code,)* }
            }

            pub(crate) fn from_code(code: u64) -> Result<Self, DecodeError> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    found => Err(DecodeError::value($field, &found, $expected)),
                }
            }
        }
    };
}

codes!(ProofKind, "proof", "0 to 2", Signed = 0, Measured = 1, Attested = 2);
codes!(ReleaseReason, "release reason", "0 to 4", Refused = 0, Timeout = 1, Failed = 2, Unproven = 3, Cancelled = 4);
codes!(RefundReason, "refund reason", "0 to 3", Cancelled = 0, Deadline = 1, NoMiner = 2, Failed = 3);

impl Entry {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(3).uint(VERSION).uint(self.code());
        match self {
            Self::Genesis(entry) => {
                out.array(3).bytes(entry.ledger.network).bytes(entry.ledger.validator);
                entry.parameters.write(&mut out);
            }
            Self::Issue(entry) => {
                out.array(3).bytes(entry.reference).bytes(entry.to).uint(entry.amount_microcredits);
            }
            Self::Request(request) => request.write(&mut out),
            Self::OpenJob(order) => order.write(&mut out),
            Self::Assign(entry) => {
                out.array(4).bytes(entry.job).uint(entry.attempt).uint(entry.fee_microcredits);
                out.array(entry.miners.len());
                for one in &entry.miners {
                    out.array(3).bytes(one.miner).uint(one.stake_microcredits).uint(one.cost_microcredits);
                }
            }
            Self::Committed(entry) => {
                miner(out.array(4), entry.job, entry.attempt, entry.miner).bytes(entry.commitment);
            }
            Self::Audited(entry) => {
                miner(out.array(5), entry.job, entry.attempt, entry.miner).bytes(entry.verdict);
                match &entry.outcome {
                    Outcome::Accepted { quality_ppm } => out.array(2).uint(0u32).uint(*quality_ppm),
                    Outcome::Rejected { check, proof } => {
                        out.array(3).uint(1u32).text(check.as_str()).uint(proof.code())
                    }
                };
            }
            Self::Release(entry) => {
                let out = miner(out.array(5), entry.job, entry.attempt, entry.miner);
                out.uint(entry.reason.code()).bool(entry.trust_note);
            }
            Self::Settle(entry) => {
                out.array(3).bytes(entry.job).uint(entry.attempt).bytes(entry.dust_to);
            }
            Self::Slash(entry) => {
                miner(out.array(3), entry.job, entry.attempt, entry.miner);
            }
            Self::Refund(entry) => {
                out.array(2).bytes(entry.job).uint(entry.reason.code());
            }
        }
        out.finish()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Whether the entry can be applied is another question.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of an entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            let expected = format!("at most {MAX_ENTRY_BYTES}");
            return Err(DecodeError::Length { field: "entry", found: bytes.len() as u64, expected });
        }
        Reader::whole(bytes, |reader| {
            reader.array("entry", 3)?;
            match reader.uint("version")? {
                1 => {}
                found => return Err(DecodeError::value("version", &found, "1 (get a newer version of this program)")),
            }
            read(reader)
        })
    }

    fn code(&self) -> u32 {
        match self {
            Self::Genesis(_) => 0,
            Self::Issue(_) => 1,
            Self::Request(_) => 2,
            Self::OpenJob(_) => 3,
            Self::Assign(_) => 4,
            Self::Committed(_) => 5,
            Self::Audited(_) => 6,
            Self::Release(_) => 7,
            Self::Settle(_) => 8,
            Self::Slash(_) => 9,
            Self::Refund(_) => 10,
        }
    }

    /// The entry's name. It follows from what happens to what, so that the same thing can't be entered twice: a job is opened,
    /// settled and refunded once, an attempt assigned once, a miner's part of it committed, released or slashed once and
    /// audited once per verdict, an account's nonce used once. Two entries with one name and different contents contradict
    /// each other, and the second is refused.
    pub fn id(&self) -> EntryId {
        let mut out = Writer::default();
        out.array(2).uint(self.code());
        match self {
            Self::Genesis(_) => out.array(0),
            Self::Issue(entry) => out.array(1).bytes(entry.reference),
            Self::Request(request) => out.array(2).bytes(request.account).uint(request.nonce),
            Self::OpenJob(order) => out.array(1).bytes(order.job),
            Self::Assign(entry) => out.array(2).bytes(entry.job).uint(entry.attempt),
            Self::Committed(entry) => miner(out.array(3), entry.job, entry.attempt, entry.miner),
            Self::Audited(entry) => miner(out.array(4), entry.job, entry.attempt, entry.miner).bytes(entry.verdict),
            Self::Release(entry) => miner(out.array(3), entry.job, entry.attempt, entry.miner),
            Self::Settle(entry) => out.array(1).bytes(entry.job),
            Self::Slash(entry) => miner(out.array(3), entry.job, entry.attempt, entry.miner),
            Self::Refund(entry) => out.array(1).bytes(entry.job),
        };
        let Digest(digest) = tagged(ID_TAG, &out.finish());
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        EntryId(id)
    }
}

/// Job, attempt and miner, the beginning of many entries.
fn miner(out: &mut Writer, job: JobId, attempt: u32, miner: AccountId) -> &mut Writer {
    out.bytes(job).uint(attempt).bytes(miner)
}

fn read(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let job = |reader: &mut Reader<'_>| reader.fixed("job").map(JobId);
    let account = |reader: &mut Reader<'_>, field| reader.fixed(field).map(AccountId);
    let attempt = |reader: &mut Reader<'_>| reader.u32("attempt");
    let part = |reader: &mut Reader<'_>| Ok((job(reader)?, attempt(reader)?, account(reader, "miner")?));
    Ok(match reader.uint("kind")? {
        0 => {
            reader.array("genesis", 3)?;
            let network = Digest(reader.fixed("network")?);
            let ledger = LedgerId { network, validator: account(reader, "validator")? };
            Entry::Genesis(Genesis { ledger, parameters: LedgerParameters::read(reader)? })
        }
        1 => {
            reader.array("issue", 3)?;
            let (reference, to) = (JobId(reader.fixed("reference")?), account(reader, "to")?);
            Entry::Issue(Issue { reference, to, amount_microcredits: reader.uint("amount")? })
        }
        2 => Entry::Request(AccountRequest::read(reader)?),
        3 => Entry::OpenJob(JobOrder::read(reader)?),
        4 => {
            reader.array("assignment", 4)?;
            let (job, attempt, fee_microcredits) = (job(reader)?, attempt(reader)?, reader.uint("fee")?);
            let count = reader.list("miners", MAX_MINERS)?;
            let mut miners = Vec::with_capacity(count);
            for _ in 0..count {
                reader.array("miner", 3)?;
                let (miner, stake_microcredits) = (account(reader, "miner")?, reader.uint("stake")?);
                miners.push(Assignment { miner, stake_microcredits, cost_microcredits: reader.uint("cost")? });
            }
            Entry::Assign(Assign { job, attempt, fee_microcredits, miners })
        }
        5 => {
            reader.array("commitment", 4)?;
            let (job, attempt, miner) = part(reader)?;
            Entry::Committed(Committed { job, attempt, miner, commitment: Digest(reader.fixed("commitment")?) })
        }
        6 => {
            reader.array("audit", 5)?;
            let (job, attempt, miner) = part(reader)?;
            let verdict = Digest(reader.fixed("verdict")?);
            Entry::Audited(Audited { job, attempt, miner, verdict, outcome: read_outcome(reader)? })
        }
        7 => {
            reader.array("release", 5)?;
            let (job, attempt, miner) = part(reader)?;
            let reason = ReleaseReason::from_code(reader.uint("release reason")?)?;
            Entry::Release(Release { job, attempt, miner, reason, trust_note: reader.bool("trust note")? })
        }
        8 => {
            reader.array("settlement", 3)?;
            Entry::Settle(Settle { job: job(reader)?, attempt: attempt(reader)?, dust_to: account(reader, "dust_to")? })
        }
        9 => {
            reader.array("slash", 3)?;
            let (job, attempt, miner) = part(reader)?;
            Entry::Slash(Slash { job, attempt, miner })
        }
        10 => {
            reader.array("refund", 2)?;
            let job = job(reader)?;
            Entry::Refund(Refund { job, reason: RefundReason::from_code(reader.uint("refund reason")?)? })
        }
        found => return Err(DecodeError::value("kind", &found, "0 to 10")),
    })
}

fn read_outcome(reader: &mut Reader<'_>) -> Result<Outcome, DecodeError> {
    match (reader.list("outcome", 3)?, reader.uint("outcome kind")?) {
        (2, 0) => Ok(Outcome::Accepted { quality_ppm: reader.u32("quality")? }),
        (3, 1) => {
            let check = reader.text("check", 64)?.parse()?;
            Ok(Outcome::Rejected { check, proof: ProofKind::from_code(reader.uint("proof")?)? })
        }
        (_, found) => Err(DecodeError::value("outcome kind", &found, "0 or 1 with its own number of items")),
    }
}
