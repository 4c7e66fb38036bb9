//! What the chain has said, in blocks deep enough to count. Everything about jobs is read from these events, so that a
//! replaced block is undone by deleting its rows.

use alloy::primitives::{Address, B256};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::open::{Store, to_json};
use super::outbox::{address, digest, signed};
use crate::error::SettlementError;

/// Blocks that are remembered, to find where a replaced chain forks.
const MOST_BLOCKS: u64 = 512;

/// An event of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainEvent {
    /// Block.
    pub block: u64,
    /// Place in the block.
    pub place: u64,
    /// Transaction.
    pub hash: B256,
    /// Job it is about.
    pub job: Option<B256>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Amounts are micro-credits, times seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum EventKind {
    Deposited {
        requester: Address,
        id: [u8; 16],
        job_digest: B256,
        prompt_commitment: B256,
        amount: u64,
        deadline: u64,
    },
    Settled {
        proof_root: B256,
        bundle_digest: B256,
        rewards: u64,
        validator_fee: u64,
        returned: u64,
    },
    Rewarded {
        miner: Address,
        reward: u64,
        locked: u64,
        until: u64,
    },
    Refunded {
        requester: Address,
        amount: u64,
        reason: u8,
    },
    SlashProposed {
        miner: Address,
        amount: u64,
        check: u8,
        evidence: B256,
        until: u64,
    },
    Contested {
        miner: Address,
        by: Address,
        bundle: B256,
        locator: String,
        answer_by: u64,
    },
    Answered {
        miner: Address,
        bundle: B256,
        guilty: bool,
    },
    Unanswered {
        miner: Address,
        bundle: B256,
    },
    Slashed {
        miner: Address,
        to_requester: u64,
        burned: u64,
    },
    Cleared {
        miner: Address,
        amount: u64,
    },
    Released {
        miner: Address,
        amount: u64,
    },
    /// The miner's stake changed: by itself, or beside another event.
    Stake {
        miner: Address,
    },
    /// Members or bonds changed.
    Validators,
}

impl EventKind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Deposited { .. } => "deposited",
            Self::Settled { .. } => "settled",
            Self::Rewarded { .. } => "rewarded",
            Self::Refunded { .. } => "refunded",
            Self::SlashProposed { .. } => "slash_proposed",
            Self::Contested { .. } => "contested",
            Self::Answered { .. } => "answered",
            Self::Unanswered { .. } => "unanswered",
            Self::Slashed { .. } => "slashed",
            Self::Cleared { .. } => "cleared",
            Self::Released { .. } => "released",
            Self::Stake { .. } => "stake",
            Self::Validators => "validators",
        }
    }

    /// Whose it is: the miner, or the requester.
    pub(crate) fn account(&self) -> Option<Address> {
        match self {
            Self::Deposited { requester, .. } | Self::Refunded { requester, .. } => Some(*requester),
            Self::Rewarded { miner, .. }
            | Self::SlashProposed { miner, .. }
            | Self::Contested { miner, .. }
            | Self::Answered { miner, .. }
            | Self::Unanswered { miner, .. }
            | Self::Slashed { miner, .. }
            | Self::Cleared { miner, .. }
            | Self::Released { miner, .. }
            | Self::Stake { miner } => Some(*miner),
            Self::Settled { .. } | Self::Validators => None,
        }
    }

    /// The miner whose stake it may have changed.
    pub(crate) fn staker(&self) -> Option<Address> {
        match self {
            Self::Deposited { .. } | Self::Refunded { .. } => None,
            other => other.account(),
        }
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<ChainEvent>> {
    let kind = serde_json::from_str(&row.get::<_, String>(4)?).ok();
    let (block, place, hash) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?);
    let job = row.get::<_, Option<Vec<u8>>>(3)?.map(|bytes| digest(&bytes));
    Ok(kind.map(|kind| ChainEvent {
        block: block.cast_unsigned(),
        place: place.cast_unsigned(),
        hash: digest(&hash),
        job,
        kind,
    }))
}

const COLUMNS: &str = "block, place, hash, job, body";

impl Store {
    /// The last block that was gone through, and its hash.
    ///
    /// # Errors
    /// The disk.
    pub fn seen_block(&self) -> Result<Option<(u64, B256)>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1", [], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), digest(&row.get::<_, Vec<u8>>(1)?)))
                })
                .optional()
        })
    }

    /// Blocks that are remembered, newest first.
    pub(crate) fn remembered(&self) -> Result<Vec<(u64, B256)>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached("SELECT number, hash FROM blocks ORDER BY number DESC")?;
            let rows = statement
                .query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), digest(&row.get::<_, Vec<u8>>(1)?))))?;
            rows.collect()
        })
    }

    /// Keeps what blocks up to `last` said, and that they were gone through: both or neither. `blocks` are hashes to
    /// remember, `last` among them.
    pub(crate) fn advance(
        &self,
        blocks: &[(u64, B256)],
        events: &[ChainEvent],
        stakers: &[(Address, String)],
    ) -> Result<(), SettlementError> {
        self.write("keep events in", |transaction| {
            for event in events {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO events (block, place, hash, name, job, account, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                    .execute(params![
                        signed(event.block),
                        signed(event.place),
                        event.hash.as_slice(),
                        event.kind.name(),
                        event.job.map(|job| job.to_vec()),
                        event.kind.account().map(|account| account.to_vec()),
                        to_json(&event.kind),
                    ])?;
                if let (EventKind::Deposited { id, .. }, Some(job)) = (&event.kind, event.job) {
                    transaction.execute(
                        "INSERT OR REPLACE INTO job_ids (id, job, block) VALUES (?1, ?2, ?3)",
                        params![id.as_slice(), job.as_slice(), signed(event.block)],
                    )?;
                }
            }
            for (staker, body) in stakers {
                transaction.execute(
                    "INSERT OR REPLACE INTO stakers (address, body) VALUES (?1, ?2)",
                    params![staker.as_slice(), body],
                )?;
            }
            let mut newest = 0;
            for (number, hash) in blocks {
                newest = newest.max(*number);
                transaction.execute(
                    "INSERT OR REPLACE INTO blocks (number, hash) VALUES (?1, ?2)",
                    params![signed(*number), hash.as_slice()],
                )?;
            }
            transaction.execute(
                "DELETE FROM blocks WHERE number NOT IN (SELECT number FROM blocks ORDER BY number DESC LIMIT ?1)",
                params![signed(MOST_BLOCKS)],
            )?;
            Ok(())
        })
    }

    /// Forgets what blocks after `last` said.
    pub(crate) fn roll_back(&self, last: u64) -> Result<(), SettlementError> {
        self.write("undo replaced blocks in", |transaction| {
            let last = signed(last);
            transaction.execute("DELETE FROM events WHERE block > ?1", params![last])?;
            transaction.execute("DELETE FROM job_ids WHERE block > ?1", params![last])?;
            transaction.execute("DELETE FROM blocks WHERE number > ?1", params![last])?;
            // Read anew when they are next asked for.
            transaction.execute("DELETE FROM stakers", [])?;
            Ok(())
        })
    }

    /// What has happened to a job, oldest first.
    ///
    /// # Errors
    /// The disk.
    pub fn events_of(&self, job: B256) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE job = ?1 ORDER BY block, place"))?;
            let rows = statement.query_map(params![job.as_slice()], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// The contract's names of jobs with this id; more than one where several requesters use it.
    ///
    /// # Errors
    /// The disk.
    pub fn keys_of(&self, id: [u8; 16]) -> Result<Vec<B256>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached("SELECT job FROM job_ids WHERE id = ?1 ORDER BY block")?;
            let rows = statement.query_map(params![id.as_slice()], |row| Ok(digest(&row.get::<_, Vec<u8>>(0)?)))?;
            rows.collect()
        })
    }

    /// Everything that was read, oldest first, from a block on.
    ///
    /// # Errors
    /// The disk.
    pub fn events_from(&self, block: u64) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE block >= ?1 ORDER BY block, place"))?;
            let rows = statement.query_map(params![signed(block)], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// What has happened to an account, as miner or requester, oldest first.
    ///
    /// # Errors
    /// The disk.
    pub fn events_about(&self, account: Address) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE account = ?1 ORDER BY block, place"))?;
            let rows = statement.query_map(params![account.as_slice()], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// A miner's paid jobs whose stake was neither freed nor put aside.
    ///
    /// # Errors
    /// The disk.
    pub fn locks_of(&self, miner: Address) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE name = 'rewarded' AND account = ?1 AND NOT EXISTS
                 (SELECT 1 FROM events AS later WHERE later.job = events.job AND later.account = events.account
                  AND later.name IN ('released', 'slash_proposed') AND (later.block, later.place) > (events.block, events.place))"
            ))?;
            let rows = statement.query_map(params![miner.as_slice()], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// Whether a miner was paid (true) or slashed (false), in order: what its trust follows from.
    pub(crate) fn record_of(&self, miner: Address) -> Result<Vec<bool>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name = 'rewarded' FROM events WHERE account = ?1 AND name IN ('rewarded', 'slashed') ORDER BY block, place",
            )?;
            let rows = statement.query_map(params![miner.as_slice()], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// Deposits that nothing has ended.
    pub(crate) fn open_deposits(&self) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE name = 'deposited' AND NOT EXISTS
                 (SELECT 1 FROM events AS later WHERE later.job = events.job AND later.name IN ('settled', 'refunded'))"
            ))?;
            let rows = statement.query_map([], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// Slashes that were proposed and neither handed out nor taken back.
    pub(crate) fn open_slashes(&self) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE name = 'slash_proposed' AND NOT EXISTS
                 (SELECT 1 FROM events AS later WHERE later.job = events.job AND later.account = events.account
                  AND later.name IN ('slashed', 'cleared') AND (later.block, later.place) > (events.block, events.place))"
            ))?;
            let rows = statement.query_map([], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// Contests without an answer.
    ///
    /// # Errors
    /// The disk.
    pub fn open_contests(&self) -> Result<Vec<ChainEvent>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE name = 'contested' AND NOT EXISTS
                 (SELECT 1 FROM events AS later WHERE later.job = events.job AND later.account = events.account
                  AND later.name IN ('answered', 'unanswered') AND (later.block, later.place) > (events.block, events.place))"
            ))?;
            let rows = statement.query_map([], event)?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    pub(crate) fn staker_body(&self, miner: Address) -> Result<Option<String>, SettlementError> {
        self.read("read", |connection| {
            connection
                .query_row("SELECT body FROM stakers WHERE address = ?1", params![miner.as_slice()], |row| row.get(0))
                .optional()
        })
    }

    /// Miners whose acceptances are open or whose stake is known: whose stake must be known.
    pub(crate) fn unread_stakers(&self) -> Result<Vec<Address>, SettlementError> {
        self.read("read", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT account FROM events WHERE account IS NOT NULL AND name NOT IN ('deposited', 'refunded')
                 AND account NOT IN (SELECT address FROM stakers)",
            )?;
            let rows = statement.query_map([], |row| Ok(address(&row.get::<_, Vec<u8>>(0)?)))?;
            rows.collect()
        })
    }
}
