//! Requests and connections that were refused: counted all, logged at most once a second per reason.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// How often the log says so.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Reason {
    Token,
    Host,
    Origin,
    Body,
    Timeout,
    Connections,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    reason: Reason,
}

/// Counts and logs refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counted: Family<RefusalLabels, Counter>,
    logged: Mutex<Vec<Logged>>,
}

#[derive(Debug)]
struct Logged {
    reason: Reason,
    last: Instant,
    silent: u64,
}

impl Refusals {
    pub(super) fn counters(&self) -> Family<RefusalLabels, Counter> {
        self.counted.clone()
    }

    /// `what` is for the log: it must not have a secret in it.
    pub(super) fn note(&self, reason: Reason, what: impl Display) {
        self.counted.get_or_create(&RefusalLabels { reason }).inc();
        if let Some(silent) = self.may_log(reason, Instant::now()) {
            tracing::warn!(?reason, %what, not_logged = silent, "refused by the API");
        }
    }

    /// How many were not logged since the last that was; `None` where this one shall not be either.
    fn may_log(&self, reason: Reason, now: Instant) -> Option<u64> {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        match logged.iter_mut().find(|logged| logged.reason == reason) {
            Some(entry) if now.duration_since(entry.last) < LOG_INTERVAL => {
                entry.silent += 1;
                None
            }
            Some(entry) => {
                entry.last = now;
                Some(std::mem::take(&mut entry.silent))
            }
            None => {
                logged.push(Logged { reason, last: now, silent: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_a_second() {
        let refusals = Refusals::default();
        let start = Instant::now();
        assert_eq!(refusals.may_log(Reason::Token, start), Some(0));
        assert_eq!(refusals.may_log(Reason::Token, start), None);
        assert_eq!(refusals.may_log(Reason::Host, start), Some(0));
        assert_eq!(refusals.may_log(Reason::Token, start + LOG_INTERVAL), Some(1));
    }
}
