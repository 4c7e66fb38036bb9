//! Settings and logs. Changes are made at once, as merge patches; the node checks them.
//!
//! | part | what |
//! |---|---|
//! | `page` | the page, and what is set once |
//! | `mining` | pauses, hours and caps |
//! | `jobs` | which jobs to take |
//! | `log` | what happened, and the report for others |
//! | `checkup` | what the node found wrong with its computer |

mod checkup;
mod jobs;
mod log;
mod mining;
mod page;

pub use page::SettingsState;
pub(crate) use page::settings;
