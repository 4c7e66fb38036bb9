//! The node's answers to its API: [`NodeBackend`] implements [`Backend`](crate::http::Backend) on top of a running
//! [`Node`](crate::node::Node). What is asked of others (money, orders) is asked live; nothing is made up where a source is silent.
//!
//! | module | answers |
//! |---|---|
//! | `node_backend` | the backend itself, and what of it each endpoint is |
//! | `status`, `mining`, `around`, `devices`, `doctor`, `peers`, `models` | what the node is, does and has |
//! | `jobs`, `requested`, `mined`, `validated`, `proof` | jobs, by the part this node has in them |
//! | `money`, `earnings`, `trust`, `books` | accounts and receipts, as the validator signed them |
//! | `chain` | the same where a contract on a chain settles |
//! | `settings`, `once` | what is kept on disk: the owner's choices, and answers that must not be given twice |
//! | `watch` | events, published as things change |
//! | `measures` | figures for Prometheus |

mod around;
mod books;
mod chain;
mod convert;
mod devices;
mod doctor;
mod earnings;
mod errors;
mod jobs;
mod measures;
mod mined;
mod mining;
mod models;
mod money;
mod node_backend;
mod once;
mod peers;
mod preview;
mod proof;
mod requested;
mod settings;
mod status;
mod trust;
mod validated;
mod watch;

pub use node_backend::{BackendConfig, BackendError, NodeBackend};
pub use settings::{SETTINGS_FILE, SettingsError, SettingsStore, policy_of};
pub use status::{BACKUP_FILE, is_backed_up};
