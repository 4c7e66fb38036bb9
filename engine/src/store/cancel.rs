//! Stopping long work from outside.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::StoreError;

/// A flag that stops a download, an import or a verification. Clones share it; once set it stays set.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks the work to stop. It stops at the next point where nothing is lost.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the flag is set.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting can only end with the flag set.
        let _ = receiver.wait_for(|set| *set).await;
    }

    /// An error when the flag is set; for loops that do blocking work.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.is_cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    }
}
