//! `ui/`: the dashboard: nine pages and a first run over the node's API, drawn with egui.
//!
//! Drawing is a pure function: [`dashboard_ui`] reads a [`Snapshot`], changes the window's own [`UiState`] and writes
//! commands into [`Actions`]; it does no input or output. There is also the window (`run_dashboard`), and behind it a thread that
//! keeps the snapshot fresh and does what was asked for; on wasm32, for which the rest compiles, a page would have its own.
//!
//! | module | what |
//! |---|---|
//! | [`snapshot`] | everything that is drawn, and how events change it |
//! | [`actions`] | what the owner asked for, as typed commands |
//! | [`theme`] | tokens (the one file with colours and sizes), fonts, icons |
//! | [`widgets`] | cards, stats, bars, charts, tables, and the states loading, empty and error |
//! | `pages`, [`wizard`], [`backup`], [`palette`], [`toasts`], [`dialog`] | what is made of them |
//! | [`format`](mod@format) | numbers with their units |
//! | `client`, `window` | the thread and the window, not on wasm32 |

pub mod actions;
mod app;
pub mod backup;
#[cfg(not(target_arch = "wasm32"))]
mod client;
pub mod dialog;
pub mod format;
mod pages;
pub mod palette;
pub mod snapshot;
mod state;
pub mod theme;
pub mod toasts;
pub mod widgets;
#[cfg(not(target_arch = "wasm32"))]
mod window;
pub mod wizard;

pub use actions::{Action, ActionId, Actions, ClipFormat};
pub use app::{dashboard_ui, page_ui};
pub use pages::{EarningsState, EconomicsState, ProofsState, SettingsState, StudioState};
pub use snapshot::{Connection, Loadable, Snapshot};
pub use state::{Page, RequestIds, UiState, Zoom};
#[cfg(not(target_arch = "wasm32"))]
pub use window::{
    BackupHooks, Commands, DashboardError, DashboardOptions, Join, Restart, WindowCommand, run_dashboard,
};
