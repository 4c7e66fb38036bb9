//! Ctrl-C: the first asks the work to stop cleanly, the second ends the process at once (files are written atomically,
//! so nothing half-written stays either way).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use infernet_engine::store::Cancel;

use crate::worker;

/// Exit code of a process ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// A flag that Ctrl-C and SIGTERM raise, and in a worker the end of the program that started it.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    install(move || raised.swap(true, Ordering::SeqCst));
    if worker::is_worker() {
        worker::watch_parent(&flag);
    }
    flag
}

/// A cancellation for downloads that Ctrl-C and SIGTERM raise.
pub(crate) fn cancel() -> Cancel {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    install(move || {
        let before = raised.is_cancelled();
        raised.cancel();
        before
    });
    cancel
}

/// `raise` returns whether it had been raised before.
fn install(raise: impl Fn() -> bool + Send + 'static) {
    let installed = ctrlc::set_handler(move || {
        if raise() {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("stopping; press Ctrl-C again to end at once");
    });
    if let Err(error) = installed {
        tracing::warn!(%error, "Ctrl-C can't be caught; it will end the program at once");
    }
}
