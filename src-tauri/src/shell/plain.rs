//! Node and window without Tauri. With the window closed the node goes on; another start opens the window again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::keeper::Keeper;
use super::window::INVITED;
use crate::cli::DesktopArgs;
use crate::failure::Result;
use crate::interrupt;

const POLL: Duration = Duration::from_millis(200);

pub(crate) fn run(arguments: &DesktopArgs) -> Result {
    super::check_display()?;
    let keeper = Arc::new(Keeper::start(arguments.data.as_deref())?);
    let window = super::window_of(&keeper);
    if let Some(link) = &arguments.link {
        window.tell(&format!("{INVITED}{link}"))?;
    } else if !arguments.background {
        window.open()?;
    }
    if keeper.is_own() {
        eprintln!(
            "the node runs until Ctrl-C; with the window closed it goes on, and another `infernet` opens the window again"
        );
    }
    let interrupted = interrupt::flag();
    // A window for a node of another process ends with itself.
    while !interrupted.load(Ordering::SeqCst) && (keeper.is_own() || window.is_open()) {
        std::thread::sleep(POLL);
    }
    window.close();
    keeper.stop();
    Ok(())
}
