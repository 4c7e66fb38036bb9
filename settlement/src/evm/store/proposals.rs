//! Acceptances of miners, and judgements that wait for signatures.

use alloy::primitives::{Address, B256};
use rusqlite::{OptionalExtension as _, Row, params};

use super::open::Store;
use super::outbox::{address, digest, enqueue};
use crate::error::SettlementError;

/// A miner's word that it takes a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The miner's peer key.
    pub miner: [u8; 32],
    /// Its account on the chain.
    pub address: Address,
    /// Fee of the whole job, in micro-credits.
    pub fee: u64,
    /// Stake behind it, in micro-credits.
    pub stake: u64,
    /// EIP-712 signature of the acceptance.
    pub signature: Vec<u8>,
}

/// A judgement and who has signed it.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    /// What is signed.
    pub digest: B256,
    /// Name of the transaction that it will be.
    pub name: String,
    /// The judgement as JSON.
    pub body: String,
    /// Whether it was queued to be sent, and the chain did not refuse it.
    pub sent: bool,
}

/// What the chain refused before it was sent is not on its way: it may be proposed anew, otherwise or with other signatures.
const COLUMNS: &str = "digest, name, body, sent AND NOT EXISTS
    (SELECT 1 FROM intents WHERE intents.name = proposals.name AND intents.state = 'failed')";

fn accepted(row: &Row<'_>) -> rusqlite::Result<Accepted> {
    Ok(Accepted {
        miner: row.get(0)?,
        address: address(&row.get::<_, Vec<u8>>(1)?),
        fee: row.get::<_, i64>(2)?.cast_unsigned(),
        stake: row.get::<_, i64>(3)?.cast_unsigned(),
        signature: row.get(4)?,
    })
}

fn proposal(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    Ok(Proposal { digest: digest(&row.get::<_, Vec<u8>>(0)?), name: row.get(1)?, body: row.get(2)?, sent: row.get(3)? })
}

impl Store {
    /// Keeps the acceptances of an attempt; the same ones again change nothing.
    pub(crate) fn accept(
        &self,
        job: [u8; 16],
        attempt: u32,
        key: B256,
        all: &[Accepted],
    ) -> Result<(), SettlementError> {
        self.write("keep acceptances in", |transaction| {
            for one in all {
                transaction.execute(
                    "INSERT OR IGNORE INTO accepted (job, attempt, miner, address, fee, stake, signature, key, open)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)",
                    params![
                        job.as_slice(),
                        attempt,
                        one.miner.as_slice(),
                        one.address.as_slice(),
                        one.fee.cast_signed(),
                        one.stake.cast_signed(),
                        one.signature,
                        key.as_slice()
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// The contract's name of a job that was assigned.
    pub(crate) fn assigned_key(&self, job: [u8; 16]) -> Result<Option<B256>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(
                    "SELECT key FROM accepted WHERE job = ?1 ORDER BY attempt DESC LIMIT 1",
                    params![job.as_slice()],
                    |row| Ok(digest(&row.get::<_, Vec<u8>>(0)?)),
                )
                .optional()
        })
    }

    pub(crate) fn accepted(
        &self,
        job: [u8; 16],
        attempt: u32,
        miner: [u8; 32],
    ) -> Result<Option<Accepted>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(
                    "SELECT miner, address, fee, stake, signature FROM accepted WHERE job = ?1 AND attempt = ?2 AND miner = ?3",
                    params![job.as_slice(), attempt, miner.as_slice()],
                    accepted,
                )
                .optional()
        })
    }

    /// Stake that an account has promised to jobs that are not over, without this attempt's.
    pub(crate) fn promised(&self, account: Address, job: [u8; 16], attempt: u32) -> Result<u64, SettlementError> {
        let stakes: Vec<i64> = self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT stake FROM accepted WHERE address = ?1 AND open = 1 AND NOT (job = ?2 AND attempt = ?3) AND NOT EXISTS
                 (SELECT 1 FROM events WHERE events.job = accepted.key AND events.name IN ('settled', 'refunded'))",
            )?;
            let rows = statement.query_map(params![account.as_slice(), job.as_slice(), attempt], |row| row.get(0))?;
            rows.collect()
        })?;
        Ok(stakes.into_iter().fold(0u64, |sum, stake| sum.saturating_add(stake.cast_unsigned())))
    }

    /// Stake that an account has promised to jobs that are not over.
    pub(crate) fn promised_by(&self, account: Address) -> Result<u64, SettlementError> {
        // No attempt has the number 0.
        self.promised(account, [0; 16], 0)
    }

    /// The job and attempt of an acceptance that was assigned: by the contract's name of the job and the miner's account.
    ///
    /// # Errors
    /// The disk.
    pub fn part_of(&self, key: B256, miner: Address) -> Result<Option<([u8; 16], u32)>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(
                    "SELECT job, attempt FROM accepted WHERE key = ?1 AND address = ?2 ORDER BY attempt DESC LIMIT 1",
                    params![key.as_slice(), miner.as_slice()],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
        })
    }

    /// The last attempt at a job that was assigned; 0 where none was.
    pub(crate) fn last_attempt(&self, job: [u8; 16]) -> Result<u32, SettlementError> {
        self.read("read", |connection| {
            connection.query_row(
                "SELECT coalesce(max(attempt), 0) FROM accepted WHERE job = ?1",
                params![job.as_slice()],
                |row| row.get(0),
            )
        })
    }

    /// The part of a miner, or of all (none), in a job is over.
    pub(crate) fn end_acceptance(&self, job: [u8; 16], miner: Option<[u8; 32]>) -> Result<(), SettlementError> {
        self.write("end acceptances in", |transaction| {
            transaction.execute(
                "UPDATE accepted SET open = 0 WHERE job = ?1 AND (?2 IS NULL OR miner = ?2)",
                params![job.as_slice(), miner.map(|miner| miner.to_vec())],
            )?;
            Ok(())
        })
    }

    /// Keeps a judgement under its transaction's name. Another one of the name is a conflict, unless that one was never signed by
    /// a quorum.
    pub(crate) fn propose(&self, name: &str, digest: B256, body: &str) -> Result<(), SettlementError> {
        let stored = self.write("keep a judgement in", |transaction| {
            let known = transaction
                .query_row(&format!("SELECT {COLUMNS} FROM proposals WHERE name = ?1"), params![name], proposal)
                .optional()?;
            match known {
                Some(known) if known.digest == digest => return Ok(true),
                Some(known) if known.sent => return Ok(false),
                Some(known) => {
                    transaction
                        .execute("DELETE FROM signatures WHERE digest = ?1", params![known.digest.as_slice()])?;
                    transaction.execute("DELETE FROM proposals WHERE digest = ?1", params![known.digest.as_slice()])?;
                }
                None => {}
            }
            transaction.execute(
                "INSERT INTO proposals (digest, name, body) VALUES (?1, ?2, ?3)",
                params![digest.as_slice(), name, body],
            )?;
            Ok(true)
        })?;
        if stored { Ok(()) } else { Err(SettlementError::Conflict { intent: name.to_owned() }) }
    }

    pub(crate) fn proposal(&self, digest: B256) -> Result<Option<Proposal>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(
                    &format!("SELECT {COLUMNS} FROM proposals WHERE digest = ?1"),
                    params![digest.as_slice()],
                    proposal,
                )
                .optional()
        })
    }

    pub(crate) fn proposal_named(&self, name: &str) -> Result<Option<Proposal>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row(&format!("SELECT {COLUMNS} FROM proposals WHERE name = ?1"), params![name], proposal)
                .optional()
        })
    }

    /// Judgements that wait for signatures.
    pub(crate) fn unsent_proposals(&self) -> Result<Vec<Proposal>, SettlementError> {
        self.read("read", |connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM proposals WHERE sent = 0"))?;
            let rows = statement.query_map([], proposal)?;
            rows.collect()
        })
    }

    pub(crate) fn add_signature(
        &self,
        digest: B256,
        signer: Address,
        signature: &[u8; 65],
    ) -> Result<(), SettlementError> {
        self.write("keep a signature in", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO signatures (digest, signer, signature) VALUES (?1, ?2, ?3)",
                params![digest.as_slice(), signer.as_slice(), signature.as_slice()],
            )?;
            Ok(())
        })
    }

    pub(crate) fn signatures(&self, digest: B256) -> Result<Vec<(Address, [u8; 65])>, SettlementError> {
        self.read("read", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT signer, signature FROM signatures WHERE digest = ?1")?;
            let rows = statement
                .query_map(params![digest.as_slice()], |row| Ok((address(&row.get::<_, Vec<u8>>(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Queues a judgement that has its signatures: marked as sent and in the outbox, both or neither.
    pub(crate) fn send_proposal(
        &self,
        digest: B256,
        name: &str,
        target: Address,
        calldata: Vec<u8>,
        now_ms: u64,
    ) -> Result<(), SettlementError> {
        let call = [(name.to_owned(), target, calldata)];
        self.write("queue a judgement in", |transaction| {
            transaction.execute("UPDATE proposals SET sent = 1 WHERE digest = ?1", params![digest.as_slice()])?;
            enqueue(transaction, &call, now_ms)
        })?
        .map_err(|intent| SettlementError::Conflict { intent })
    }
}
