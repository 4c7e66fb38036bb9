//! Money moves from one pocket to another: double entry, so that none is made or lost on the way.

use serde::Serialize;

use crate::bytes::{AccountId, JobId};
use crate::cbor::{DecodeError, Reader, Writer};

/// Movements of one entry at most: an assignment touches up to 64 miners, twice each.
pub(crate) const MAX_MOVEMENTS: usize = 256;

/// Where money can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "pocket", content = "of", rename_all = "snake_case")]
pub enum Pocket {
    /// Outside: where credits come from.
    Issued,
    /// Outside: where slashed credits go.
    Burned,
    /// An account's balance.
    Balance(AccountId),
    /// An account's free stake.
    FreeStake(AccountId),
    /// An account's locked stake.
    LockedStake(AccountId),
    /// An account's stake on its way out.
    Unstaking(AccountId),
    /// What an account has earned and not yet claimed.
    Claimable(AccountId),
    /// A job's escrow.
    Escrow(JobId),
}

/// An amount that went from one pocket to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Movement {
    /// Where it was.
    pub from: Pocket,
    /// Where it is.
    pub to: Pocket,
    /// How much.
    pub amount_microcredits: u64,
}

impl Pocket {
    /// Whose it is, where it belongs to an account.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Issued | Self::Burned | Self::Escrow(_) => None,
            Self::Balance(account)
            | Self::FreeStake(account)
            | Self::LockedStake(account)
            | Self::Unstaking(account)
            | Self::Claimable(account) => Some(account),
        }
    }

    fn write(&self, out: &mut Writer) {
        let mut pair = |code: u32, of: &[u8]| {
            out.array(2).uint(code).bytes(of);
        };
        match self {
            Self::Issued => pair(0, &[]),
            Self::Burned => pair(1, &[]),
            Self::Balance(account) => pair(2, &account.0),
            Self::FreeStake(account) => pair(3, &account.0),
            Self::LockedStake(account) => pair(4, &account.0),
            Self::Unstaking(account) => pair(5, &account.0),
            Self::Claimable(account) => pair(6, &account.0),
            Self::Escrow(job) => pair(7, &job.0),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("pocket", 2)?;
        let code = reader.uint("pocket kind")?;
        let account = |reader: &mut Reader<'_>| reader.fixed("pocket account").map(AccountId);
        Ok(match code {
            0 => reader.fixed::<0>("pocket").map(|_| Self::Issued)?,
            1 => reader.fixed::<0>("pocket").map(|_| Self::Burned)?,
            2 => Self::Balance(account(reader)?),
            3 => Self::FreeStake(account(reader)?),
            4 => Self::LockedStake(account(reader)?),
            5 => Self::Unstaking(account(reader)?),
            6 => Self::Claimable(account(reader)?),
            7 => Self::Escrow(JobId(reader.fixed("pocket job")?)),
            found => return Err(DecodeError::value("pocket kind", &found, "0 to 7")),
        })
    }
}

/// The canonical encoding of an entry's movements.
pub fn encode_movements(movements: &[Movement]) -> Vec<u8> {
    let mut out = Writer::default();
    out.array(movements.len());
    for movement in movements {
        out.array(3);
        movement.from.write(&mut out);
        movement.to.write(&mut out);
        out.uint(movement.amount_microcredits);
    }
    out.finish()
}

/// Reads what [`encode_movements`] wrote.
///
/// # Errors
/// The bytes are not the canonical encoding of movements.
pub fn decode_movements(bytes: &[u8]) -> Result<Vec<Movement>, DecodeError> {
    Reader::whole(bytes, |reader| {
        let count = reader.list("movements", MAX_MOVEMENTS)?;
        let mut movements = Vec::with_capacity(count);
        for _ in 0..count {
            reader.array("movement", 3)?;
            let (from, to) = (Pocket::read(reader)?, Pocket::read(reader)?);
            let amount_microcredits = reader.uint("amount")?;
            movements.push(Movement { from, to, amount_microcredits });
        }
        Ok(movements)
    })
}
