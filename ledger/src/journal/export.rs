//! The whole journal as lines of JSON, and their check by anyone who has the validator's key.

use std::io::{BufRead, Read as _, Write};

use crate::bytes::AccountId;
use crate::receipt::{MAX_RECEIPT_JSON_BYTES, Receipt};

use super::error::JournalError;
use super::open::Journal;
use super::replay::{Replay, Verified};

/// Receipts read at once.
const PAGE: usize = 1000;

impl Journal {
    /// Writes every entry as one line, a [receipt](Receipt::to_json). Gives their number.
    ///
    /// # Errors
    /// The file can't be read, or the lines can't be written.
    pub fn export(&self, mut out: impl Write) -> Result<u64, JournalError> {
        let failed = |source| JournalError::Export { action: "write", source };
        let mut next = 0;
        while next <= self.head.sequence {
            let page = self.receipts(next..self.head.sequence + 1, PAGE)?;
            // The last place is known to be there, so a page without entries is a hole.
            let last = page.last().ok_or_else(|| super::open::damaged(next, "it is missing"))?;
            let after = last.sequence + 1;
            for receipt in &page {
                writeln!(out, "{}", receipt.to_json()).map_err(failed)?;
            }
            next = after;
        }
        out.flush().map_err(failed)?;
        Ok(next)
    }
}

/// Checks an export with nothing but the validator's public key: every place, hash and signature, every entry applied again, the
/// amounts each moved, and the sum of all credits.
///
/// That the export is *whole* it can't show: a validator may leave out the latest entries. Compare the head with the receipts
/// that both sides keep.
///
/// # Errors
/// The first line that does not hold, or the input can't be read.
pub fn verify_export(mut lines: impl BufRead, validator: &AccountId) -> Result<Verified, JournalError> {
    let mut replay: Option<Replay> = None;
    let mut text = Vec::new();
    let mut line = 0;
    let at = |line: u64| move |reason: String| JournalError::Line { line, reason };
    loop {
        text.clear();
        line += 1;
        // One byte more than a line may have, so that a longer one is seen.
        let most = MAX_RECEIPT_JSON_BYTES as u64 + 2;
        let read = (&mut lines).take(most).read_until(b'\n', &mut text);
        if read.map_err(|source| JournalError::Export { action: "read", source })? == 0 {
            break;
        }
        let wrong = at(line);
        let Some(text) = text.strip_suffix(b"\n") else {
            return Err(wrong("it is cut off, or too long".to_owned()));
        };
        let text = std::str::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
        let receipt = Receipt::from_json(text).map_err(|error| wrong(error.to_string()))?;
        receipt.verify(validator).map_err(|error| wrong(error.to_string()))?;
        match &mut replay {
            Some(replay) => replay.step(&receipt).map_err(wrong)?,
            None => replay = Some(Replay::begin(&receipt, validator).map_err(wrong)?),
        }
    }
    let wrong = at(line);
    replay.ok_or_else(|| wrong("there is no line".to_owned()))?.finish().map_err(wrong)
}
