//! Which steps and frames are audited: drawn by the nonce from the signed commitment, so that neither side chooses.

use super::bytes::Digest;
use super::challenge::{AuditNonce, AuditTerms};
use super::commitment::Commitment;
use super::job::JobSpec;
use super::seed::hmac_sha256;
use super::signed::Signed;

const TAG: &str = "infernet/indices/v1";

/// What is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Steps, ascending.
    pub steps: Vec<u32>,
    /// Frames, ascending.
    pub frames: Vec<u32>,
    /// Whether this job was drawn for the full check.
    pub full: bool,
}

impl Draw {
    /// Draws under a validator's terms. `terms` must be satisfiable for the job.
    pub fn new(job: &JobSpec, terms: &AuditTerms, nonce: &AuditNonce, commitment: &Signed<Commitment>) -> Self {
        let stream = |purpose| Stream { nonce, purpose, commitment, counter: 0, words: Vec::new() };
        let full = terms.full_one_in > 0 && stream(Purpose::Full).below(terms.full_one_in) == 0;
        let count = if full { terms.full_steps } else { terms.steps };
        let mut steps = stream(Purpose::Steps).choose(count, job.steps);
        let last = job.steps.saturating_sub(1);
        if terms.last_step && steps.last() != Some(&last) {
            steps.push(last);
        }
        Self { steps, frames: stream(Purpose::Frames).choose(terms.frames, job.frames), full }
    }
}

#[derive(Clone, Copy)]
enum Purpose {
    Steps = 1,
    Frames = 2,
    Full = 3,
}

/// `HMAC-SHA256(nonce, "infernet/indices/v1" || purpose u8 || root || signature || counter u32)`, counter from 0, each block four
/// u64.
struct Stream<'a> {
    nonce: &'a AuditNonce,
    purpose: Purpose,
    commitment: &'a Signed<Commitment>,
    counter: u32,
    /// Unused words of the last block, last first.
    words: Vec<u64>,
}

impl Stream<'_> {
    fn next(&mut self) -> u64 {
        if self.words.is_empty() {
            let Digest(root) = self.commitment.body.root;
            let counter = self.counter.to_le_bytes();
            let signature = &self.commitment.signature.0;
            let parts: [&[u8]; 5] = [TAG.as_bytes(), &[self.purpose as u8], &root, signature, &counter];
            let block = hmac_sha256(&self.nonce.0, &parts);
            self.words = block.as_chunks::<8>().0.iter().rev().map(|&word| u64::from_le_bytes(word)).collect();
            self.counter = self.counter.wrapping_add(1);
        }
        // A block has four words.
        self.words.pop().unwrap_or_default()
    }

    /// Uniform below `n` (at least 1): words from the last, incomplete multiple of `n` are rejected.
    fn below(&mut self, n: u32) -> u32 {
        let n = u64::from(n.max(1));
        let surplus = (u64::MAX % n + 1) % n;
        loop {
            let word = self.next();
            if word <= u64::MAX - surplus {
                return (word % n) as u32;
            }
        }
    }

    /// `count` of `0..n` without replacement, ascending (Fisher and Yates).
    fn choose(&mut self, count: u32, n: u32) -> Vec<u32> {
        let mut items: Vec<u32> = (0..n).collect();
        let count = count.min(n);
        for taken in 0..count {
            let other = taken + self.below(n - taken);
            items.swap(taken as usize, other as usize);
        }
        items.truncate(count as usize);
        items.sort_unstable();
        items
    }
}
