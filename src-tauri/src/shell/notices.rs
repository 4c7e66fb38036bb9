//! Events worth a notification. Pure but for the clock that is passed in.

use std::collections::HashMap;

use infernet_api::types::event::EventKind;
use infernet_api::types::job::{JobPart, JobStage};

/// The same kind again within this is left out: a miner with many short jobs is not told of each.
const QUIET_MS: u64 = 10 * 60_000;

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) title: String,
    pub(super) body: String,
}

/// Which notifications were shown, and when.
#[derive(Default)]
pub(super) struct Notices {
    shown: HashMap<&'static str, u64>,
}

/// An amount for people.
pub(super) fn credits(microcredits: u64) -> String {
    let (whole, part) = (microcredits / 1_000_000, microcredits % 1_000_000);
    let part = format!("{part:06}");
    match part.trim_end_matches('0') {
        "" => format!("{whole} credits"),
        part => format!("{whole}.{part} credits"),
    }
}

impl Notices {
    /// What to say about an event; none where it is not worth it, or was said a moment ago.
    pub(super) fn of(&mut self, event: &EventKind, now_ms: u64) -> Option<Notice> {
        let (kind, title, body, quiet_ms) = match event {
            // Always told: it costs money.
            EventKind::Slashed { amount_microcredits, failed_check, .. } => (
                "slashed",
                "Stake was slashed".to_owned(),
                format!(
                    "{} lost: the check {failed_check} failed. Open Proofs to see why.",
                    credits(*amount_microcredits)
                ),
                0,
            ),
            EventKind::Reward { amount_microcredits, .. } => {
                ("reward", "Reward earned".to_owned(), credits(*amount_microcredits), QUIET_MS)
            }
            EventKind::Job { job } if job.part == JobPart::Requested && job.stage == JobStage::Settled => {
                let prompt: String = job.prompt.as_deref().unwrap_or("Your clip").chars().take(80).collect();
                ("clip", "Your clip is ready".to_owned(), prompt, 0)
            }
            EventKind::Job { job } if job.part == JobPart::Requested && job.stage == JobStage::Refunded => {
                let reason = job.problem.as_ref().map_or_else(String::new, |problem| problem.message.clone());
                ("refund", "A clip was not made; its deposit is back".to_owned(), reason, 0)
            }
            _ => return None,
        };
        let last = self.shown.get(kind).copied();
        if last.is_some_and(|last| now_ms.saturating_sub(last) < quiet_ms) {
            return None;
        }
        self.shown.insert(kind, now_ms);
        Some(Notice { title, body })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_api::JobId;

    use super::*;

    #[test]
    fn amounts_have_no_tail_of_zeros() {
        assert_eq!(credits(0), "0 credits");
        assert_eq!(credits(1_500_000), "1.5 credits");
        assert_eq!(credits(5_966), "0.005966 credits");
        assert_eq!(credits(u64::MAX), "18446744073709.551615 credits");
    }

    #[test]
    fn progress_is_not_worth_a_notification() {
        let progress = EventKind::Preview { id: JobId([1; 16]), step: 4 };
        assert_eq!(Notices::default().of(&progress, 0), None);
    }
}
