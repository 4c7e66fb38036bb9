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
