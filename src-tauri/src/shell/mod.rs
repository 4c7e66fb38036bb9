//! The desktop: a tray icon, notifications and one instance around a node, and the dashboard as a process of its own, so that a
//! graphics driver that crashes takes the window and nothing else.
//!
//! | part | what |
//! |---|---|
//! | `plain` | node and window without Tauri: what is built by default |
//! | `keeper` | the node on a thread of its own, or one that runs already |
//! | `window` | the dashboard's process: opened, raised, awaited |
//! | `tray` | icon and menu, from what the node says of itself |
//! | `notices` | events worth a notification, not too often |
//! | `app` | Tauri: everything put together |
//! | `dashboard` | the other side: the process that draws |

#[cfg(feature = "desktop")]
mod app;
mod dashboard;
mod keeper;
#[cfg(feature = "desktop")]
mod notices;
#[cfg(not(feature = "desktop"))]
mod plain;
#[cfg(feature = "desktop")]
mod tray;
mod window;

use std::sync::Arc;

use keeper::Keeper;
use window::{FAILED, Window};

#[cfg(feature = "desktop")]
pub(crate) use app::run;
pub(crate) use dashboard::run as dashboard;
#[cfg(not(feature = "desktop"))]
pub(crate) use plain::run;

/// A computer without a desktop gets a word about what works there.
fn check_display() -> crate::failure::Result {
    #[cfg(target_os = "linux")]
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        return Err(crate::failure::Failure::input(
            "there is no desktop here; run `infernet node` on a rig without one, or see `infernet --help`",
        ));
    }
    Ok(())
}

/// The window of a node. When its user joins another network it is closed, and opened again for the node that is there then.
fn window_of(keeper: &Arc<Keeper>) -> Window {
    let place: Arc<std::sync::OnceLock<Window>> = Arc::default();
    let (keeper, later) = (Arc::clone(keeper), Arc::clone(&place));
    let window = Window::new(keeper.data().to_owned(), move |link| {
        let Some(window) = later.get() else { return };
        window.close();
        let opened = match keeper.join(&link) {
            Ok(()) => window.open(),
            Err(failure) => window.tell(&format!("{FAILED}{}", failure.to_string().replace('\n', " "))),
        };
        if let Err(failure) = opened {
            tracing::error!("the window can't be opened: {failure}");
        }
    });
    // Set once, here.
    let _ = place.set(window.clone());
    window
}
