//! What the leader and the other members say to each other: a command or an answer as JSON, and numbers behind it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bytes::{check_len, get_f32, put_f32};
use super::collective::Traffic;
use super::error::CollectiveError;
use crate::error::Result;
use crate::pipeline::LatentShape;

/// Longest JSON part.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// From the leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Command {
    /// A job begins: the state's shape, and the texts of its branches as numbers behind it.
    Start {
        /// Of the clip, or of all windows behind each other.
        shape: LatentShape,
        /// Numbers of each text; one without guidance.
        texts: Vec<usize>,
    },
    /// Evaluate these branches; the numbers are this member's frames of the latent (outermost stages only).
    Evaluate {
        /// Bits of the f64: JSON numbers are not exact everywhere.
        timestep_bits: u64,
        branches: Vec<usize>,
    },
    /// Decode frames; the numbers are their latents.
    Decode { shape: LatentShape },
    /// Answer with what was exchanged so far: for members that only keep weights.
    Report,
    /// The job is over.
    Finish,
    /// Leave.
    Stop,
}

/// To the leader, after an evaluation (with its outputs) or a decoding (with its pixels as bytes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Since the member joined.
    pub(crate) traffic: Traffic,
    pub(crate) peak_memory_bytes: Option<u64>,
}

/// Puts a message together.
pub(crate) fn encode(header: &impl Serialize, numbers: &[&[f32]]) -> Vec<u8> {
    let mut message = encode_header(header);
    numbers.iter().for_each(|numbers| put_f32(&mut message, numbers));
    message
}

/// As [`encode`], with bytes behind it.
pub(crate) fn encode_bytes(header: &impl Serialize, bytes: &[u8]) -> Vec<u8> {
    let mut message = encode_header(header);
    message.extend(bytes);
    message
}

fn encode_header(header: &impl Serialize) -> Vec<u8> {
    // Plain structures of numbers and strings: they have no way to fail.
    let json = serde_json::to_vec(header).unwrap_or_default();
    let mut message = Vec::with_capacity(json.len() + 4);
    message.extend((json.len() as u32).to_le_bytes());
    message.extend(json);
    message
}

/// Takes a message apart.
pub(crate) fn decode<T: DeserializeOwned>(peer: usize, message: &[u8]) -> Result<(T, &[u8])> {
    let unexpected = |reason: &str| CollectiveError::Unexpected { peer, reason: reason.to_owned() };
    let cut = || unexpected("a message is cut short");
    let (len, rest) = message.split_first_chunk::<4>().ok_or_else(cut)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > MAX_HEADER_BYTES {
        return Err(unexpected("the head of a message is too long").into());
    }
    let (json, rest) = rest.split_at_checked(len).ok_or_else(cut)?;
    let header = serde_json::from_slice(json).map_err(|_| unexpected("a message is not of this protocol"))?;
    Ok((header, rest))
}

/// The numbers behind a message, which must be as many as `counts` says together.
pub(crate) fn numbers(peer: usize, bytes: &[u8], counts: &[usize]) -> Result<Vec<Vec<f32>>> {
    let total =
        counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count)).and_then(|sum| sum.checked_mul(4));
    check_len(peer, bytes.len(), total.unwrap_or(usize::MAX), "what comes behind a message")?;
    let mut rest = bytes;
    Ok(counts
        .iter()
        .map(|&count| {
            let (own, after) = rest.split_at(4 * count);
            rest = after;
            get_f32(own)
        })
        .collect())
}
