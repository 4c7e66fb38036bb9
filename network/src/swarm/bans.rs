//! Who is kept out until when. The list is pure; [`Bans::load`] and [`Bans::to_json`] are its file.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use super::score::Scores;

/// Somebody is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub peer: PeerId,
    /// Until when.
    pub until: SystemTime,
    /// Why.
    pub reason: String,
}

/// Bans in force, and how often whom.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    entries: HashMap<PeerId, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    until_ms: u64,
    reason: String,
    /// Bans in a row; forgotten a day after the last.
    times: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    bans: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    peer: String,
    until_unix_ms: u64,
    reason: String,
    times: u32,
}

const VERSION: u32 = 1;
const MAX_REASON_CHARS: usize = 200;
/// A day: how long a served ban is remembered, so that the next one is longer.
const MEMORY_MS: u64 = 86_400_000;

impl Bans {
    /// Most bans kept; then those that end first give way.
    pub const CAPACITY: usize = 4096;

    /// Keeps a peer out until `until_ms`; a longer ban in force stays.
    pub fn ban(&mut self, peer: PeerId, until_ms: u64, reason: &str, now_ms: u64) {
        self.forget(now_ms);
        if !self.entries.contains_key(&peer) && self.entries.len() >= Self::CAPACITY {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.until_ms).map(|(peer, _)| *peer);
            first.map(|peer| self.entries.remove(&peer));
        }
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        let entry = self.entries.entry(peer).or_insert(Entry { until_ms: 0, reason: String::new(), times: 0 });
        entry.times = entry.times.saturating_add(1);
        if until_ms > entry.until_ms {
            (entry.until_ms, entry.reason) = (until_ms, reason);
        }
    }

    /// How long the next ban for a low score is, in milliseconds.
    pub fn next_duration_ms(&self, peer: &PeerId) -> u64 {
        let times = self.entries.get(peer).map_or(0, |entry| entry.times).min(20);
        (Scores::FIRST_BAN_MS << times).min(Scores::LONGEST_BAN_MS)
    }

    /// Why a peer is kept out, if it is.
    pub fn reason(&self, peer: &PeerId, now_ms: u64) -> Option<&str> {
        self.entries.get(peer).filter(|entry| entry.until_ms > now_ms).map(|entry| entry.reason.as_str())
    }

    /// Lifts a ban; `false` where none was in force.
    pub fn lift(&mut self, peer: &PeerId, now_ms: u64) -> bool {
        let was = self.reason(peer, now_ms).is_some();
        self.entries.remove(peer);
        was
    }

    /// Bans in force, those that end first at the front.
    pub fn list(&self, now_ms: u64) -> Vec<Ban> {
        let in_force = self.entries.iter().filter(|(_, entry)| entry.until_ms > now_ms);
        let mut bans: Vec<_> = in_force
            .map(|(peer, entry)| Ban {
                peer: *peer,
                until: UNIX_EPOCH + Duration::from_millis(entry.until_ms),
                reason: entry.reason.clone(),
            })
            .collect();
        bans.sort_by_key(|ban| ban.until);
        bans
    }

    /// Peers whose ban has ended between two moments.
    pub fn ended(&self, since_ms: u64, now_ms: u64) -> Vec<PeerId> {
        let ended = |entry: &Entry| entry.until_ms > since_ms && entry.until_ms <= now_ms;
        self.entries.iter().filter(|(_, entry)| ended(entry)).map(|(peer, _)| *peer).collect()
    }

    fn forget(&mut self, now_ms: u64) {
        self.entries.retain(|_, entry| entry.until_ms.saturating_add(MEMORY_MS) > now_ms);
    }

    /// The file's content.
    pub fn to_json(&self) -> String {
        let mut bans: Vec<_> = self
            .entries
            .iter()
            .map(|(peer, entry)| Row {
                peer: peer.to_base58(),
                until_unix_ms: entry.until_ms,
                reason: entry.reason.clone(),
                times: entry.times,
            })
            .collect();
        bans.sort_by(|a, b| a.peer.cmp(&b.peer));
        // Strings and numbers are always JSON.
        serde_json::to_string_pretty(&Document { version: VERSION, bans }).unwrap_or_default()
    }

    /// Reads a file's content.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &str, now_ms: u64) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if document.version != VERSION {
            return Err(format!("it has version {}, this program reads {VERSION}", document.version));
        }
        let mut bans = Self::default();
        for row in document.bans.into_iter().take(Self::CAPACITY) {
            let peer = row.peer.parse().map_err(|_| format!("{:?} is no peer id", row.peer))?;
            let reason = row.reason.chars().take(MAX_REASON_CHARS).collect();
            bans.entries.insert(peer, Entry { until_ms: row.until_unix_ms, reason, times: row.times });
        }
        bans.forget(now_ms);
        Ok(bans)
    }

    /// Loads the file; none is an empty list. One that can't be read is put aside with a warning: bans are a convenience,
    /// and a node that does not start for the want of them is none.
    pub fn load(path: &Path, now_ms: u64) -> Self {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "can't read the bans; beginning without");
                return Self::default();
            }
        };
        Self::from_json(&text, now_ms).unwrap_or_else(|reason| {
            let aside = path.with_extension("unreadable");
            let kept = std::fs::rename(path, &aside).is_ok();
            tracing::warn!(path = %path.display(), reason, kept, "the bans can't be read; beginning without");
            Self::default()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bans_end_and_grow() {
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        assert_eq!(bans.next_duration_ms(&peer), Scores::FIRST_BAN_MS);
        bans.ban(peer, 1000, "rude", 0);
        assert_eq!(bans.reason(&peer, 999), Some("rude"));
        assert_eq!(bans.reason(&peer, 1000), None);
        assert_eq!(bans.ended(999, 1000), [peer]);
        assert!(bans.ended(1000, 2000).is_empty());
        assert_eq!(bans.next_duration_ms(&peer), 2 * Scores::FIRST_BAN_MS);
        for _ in 0..40 {
            bans.ban(peer, 1000, "rude", 0);
        }
        assert_eq!(bans.next_duration_ms(&peer), Scores::LONGEST_BAN_MS);
        // Forgotten a day later.
        bans.ban(PeerId::random(), 5_000 + MEMORY_MS, "other", 2000 + MEMORY_MS);
        assert_eq!(bans.next_duration_ms(&peer), Scores::FIRST_BAN_MS);
    }

    #[test]
    fn a_shorter_ban_does_not_shorten() {
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        bans.ban(peer, 9000, "long", 0);
        bans.ban(peer, 1000, "short", 0);
        assert_eq!(bans.reason(&peer, 8999), Some("long"));
        assert!(bans.lift(&peer, 0));
        assert!(!bans.lift(&peer, 0));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut bans = Bans::default();
        for until in 1..=(Bans::CAPACITY as u64 + 50) {
            bans.ban(PeerId::random(), until, "", 0);
        }
        let list = bans.list(0);
        assert_eq!(list.len(), Bans::CAPACITY);
        assert_eq!(list[0].until, UNIX_EPOCH + Duration::from_millis(51));
    }

    #[test]
    fn files_come_back_and_bad_ones_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bans.json");
        let (mut bans, peer) = (Bans::default(), PeerId::random());
        assert!(Bans::load(&path, 0).list(0).is_empty());
        bans.ban(peer, 5000, "junk \"quoted\"", 0);
        std::fs::write(&path, bans.to_json()).unwrap();
        assert_eq!(Bans::load(&path, 0).list(0), bans.list(0));
        for bad in ["", "{}", "{\"version\":2,\"bans\":[]}", "[1,2", "{\"version\":1,\"bans\":[{\"peer\":\"x\"}]}"] {
            std::fs::write(&path, bad).unwrap();
            assert!(Bans::load(&path, 0).list(0).is_empty());
            assert!(!path.exists(), "{bad}");
            assert_eq!(std::fs::read_to_string(path.with_extension("unreadable")).unwrap(), bad);
        }
    }
}
