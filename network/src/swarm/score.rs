//! What a peer's behaviour costs and earns it. Pure: the clock is passed in.
//!
//! A score is about manners on the wire, nothing else: whether a miner's work is right is for the ledger's trust. The shape
//! (few named actions, decay, a threshold) follows Lighthouse's peer manager.

use std::collections::HashMap;

use libp2p::PeerId;

use crate::wire::WireError;

/// Something a peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An answer that fits its question, in time. Earns little, so that good manners can't pay for bad ones.
    GoodAnswer,
    /// A message that no honest program sends: unreadable, out of turn, an answer to another question, a file with another digest.
    InvalidMessage,
    /// A message above its kind's size. Worse: it aims at memory.
    Oversized,
    /// More messages than agreed. Happens to honest peers in a burst.
    RateExceeded,
    /// No answer, or a stalled stream. Happens to honest peers with bad lines, so that it is never a ban by itself: a cable that was
    /// pulled for half a minute must not keep a miner from its validator. What stalled streams may hold is bounded elsewhere.
    Timeout,
    /// A message of another version. A peer that updates later is no attacker, but it must not insist.
    OtherVersion,
}

impl Action {
    /// Change of the score.
    pub const fn points(self) -> f64 {
        match self {
            Self::GoodAnswer => 0.5,
            // Five in a row are a ban: one may be a bit that flipped, five are a program.
            Self::InvalidMessage => -20.0,
            // Two are a ban.
            Self::Oversized => -50.0,
            // Forty-five refused messages are a ban; a client that backs off is never near.
            Self::RateExceeded => -2.0,
            // Down to `Scores::SILENT`, no further.
            Self::Timeout => -5.0,
            // Eighteen of them are a ban.
            Self::OtherVersion => -5.0,
        }
    }
}

impl Action {
    /// What an unreadable message says about its sender.
    pub const fn of(error: &WireError) -> Self {
        match error {
            WireError::TooLarge { .. } => Self::Oversized,
            WireError::Version { .. } => Self::OtherVersion,
            _ => Self::InvalidMessage,
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    score: f64,
    at_ms: u64,
}

/// Scores of peers, those that left included, so that a new connection is not a new beginning.
pub struct Scores {
    entries: HashMap<PeerId, Entry>,
    capacity: usize,
}

impl Scores {
    /// Lowest score.
    pub const WORST: f64 = -100.0;
    /// Highest score: it forgives two invalid messages, not more.
    pub const BEST: f64 = 40.0;
    /// At or below this a peer is banned. Above the lowest, so that what has faded since the first of a row of bad messages
    /// does not add one to the row.
    pub const BAN: f64 = -90.0;
    /// Silence alone leads here: two more invalid messages are forgiven then, not five.
    pub const SILENT: f64 = -40.0;
    /// A score is half as far from 0 after this time, in milliseconds.
    pub const HALF_LIFE_MS: f64 = 600_000.0;
    /// First ban, in milliseconds; each further one within a day is twice as long.
    pub const FIRST_BAN_MS: u64 = 600_000;
    /// Longest ban for a score, in milliseconds.
    pub const LONGEST_BAN_MS: u64 = 86_400_000;

    /// No scores yet; remembers at most `capacity` peers, those with the least score first to be forgotten.
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity: capacity.max(1) }
    }

    /// The score now.
    pub fn score(&self, peer: &PeerId, now_ms: u64) -> f64 {
        self.entries.get(peer).map_or(0.0, |entry| decayed(*entry, now_ms))
    }

    /// Notes an action; returns the new score.
    pub fn note(&mut self, peer: PeerId, action: Action, now_ms: u64) -> f64 {
        let before = self.score(&peer, now_ms);
        let worst = if action == Action::Timeout { before.min(Self::SILENT) } else { Self::WORST };
        let score = (before + action.points()).clamp(worst, Self::BEST);
        if !self.entries.contains_key(&peer) && self.entries.len() >= self.capacity {
            self.forget_one(now_ms);
        }
        self.entries.insert(peer, Entry { score, at_ms: now_ms });
        score
    }

    /// A clean slate: after a ban has been served.
    pub fn clear(&mut self, peer: &PeerId) {
        self.entries.remove(peer);
    }

    /// How many peers are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn forget_one(&mut self, now_ms: u64) {
        let nearest = |a: &Entry, b: &Entry| decayed(*a, now_ms).abs().total_cmp(&decayed(*b, now_ms).abs());
        let least = self.entries.iter().min_by(|(_, a), (_, b)| nearest(a, b)).map(|(peer, _)| *peer);
        if let Some(peer) = least {
            self.entries.remove(&peer);
        }
    }
}

fn decayed(entry: Entry, now_ms: u64) -> f64 {
    // A clock that goes backwards leaves the score alone.
    let age_ms = now_ms.saturating_sub(entry.at_ms) as f64;
    entry.score * (-age_ms / Scores::HALF_LIFE_MS).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn five_invalid_messages_are_a_ban_and_four_are_not() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        // A second between each, in which the score fades a little.
        for second in 0..4 {
            assert!(scores.note(peer, Action::InvalidMessage, 1000 * second) > Scores::BAN);
        }
        assert!(scores.note(peer, Action::InvalidMessage, 4000) <= Scores::BAN);
    }

    #[test]
    fn silence_is_never_a_ban_and_forgives_nothing() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        for _ in 0..1000 {
            scores.note(peer, Action::Timeout, 0);
        }
        assert_eq!(scores.score(&peer, 0), Scores::SILENT);
        scores.note(peer, Action::InvalidMessage, 0);
        scores.note(peer, Action::InvalidMessage, 0);
        let low = scores.score(&peer, 0);
        assert!(low > Scores::BAN && low < Scores::SILENT);
        // Silence does not lift what was worse.
        assert_eq!(scores.note(peer, Action::Timeout, 0), low);
        assert!(scores.note(peer, Action::InvalidMessage, 0) <= Scores::BAN);
    }

    #[test]
    fn two_oversized_messages_are_a_ban() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        assert!(scores.note(peer, Action::Oversized, 0) > Scores::BAN);
        assert!(scores.note(peer, Action::Oversized, MINUTE) <= Scores::BAN);
    }

    #[test]
    fn good_answers_forgive_two_invalid_messages_at_most() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        for _ in 0..10_000 {
            scores.note(peer, Action::GoodAnswer, 0);
        }
        for _ in 0..6 {
            assert!(scores.note(peer, Action::InvalidMessage, 0) > Scores::BAN);
        }
        assert!(scores.note(peer, Action::InvalidMessage, 0) <= Scores::BAN);
    }

    #[test]
    fn scores_fade_by_half_in_ten_minutes() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        scores.note(peer, Action::InvalidMessage, 0);
        assert!((scores.score(&peer, 10 * MINUTE) + 10.0).abs() < 1e-9);
        assert!((scores.score(&peer, 20 * MINUTE) + 5.0).abs() < 1e-9);
        // One invalid message every ten minutes is never a ban: 20 (1 + 1/2 + 1/4 + ...) = 40.
        let mut low = 0.0_f64;
        for round in 2..500 {
            low = low.min(scores.note(peer, Action::InvalidMessage, round * 10 * MINUTE));
        }
        assert!(low > -40.1, "{low}");
    }

    #[test]
    fn a_clock_that_goes_backwards_changes_nothing() {
        let (mut scores, peer) = (Scores::new(8), PeerId::random());
        scores.note(peer, Action::Timeout, 10 * MINUTE);
        assert_eq!(scores.score(&peer, 0), -5.0);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_least_interesting() {
        let mut scores = Scores::new(3);
        let bad = PeerId::random();
        scores.note(bad, Action::Oversized, 0);
        for _ in 0..100 {
            scores.note(PeerId::random(), Action::GoodAnswer, 0);
        }
        assert_eq!(scores.len(), 3);
        assert_eq!(scores.score(&bad, 0), -50.0);
    }
}
