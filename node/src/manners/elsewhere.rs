//! Systems that are not asked about the person before them.

/// Tells nothing.
#[derive(Default)]
pub(super) struct Session;

impl Session {
    pub(super) fn full_screen(&mut self) -> Option<bool> {
        None
    }

    pub(super) fn idle_secs(&mut self) -> Option<u64> {
        None
    }

    pub(super) fn metered(&mut self) -> Option<bool> {
        None
    }
}
