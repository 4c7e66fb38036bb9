//! Good manners: when a miner pauses by itself, so that its owner's game, battery or bill never suffers.
//!
//! | module | what |
//! |---|---|
//! | [`rules`] | what pauses, from the settings and what is around; pure |
//! | `senses` | battery, people, programs, screens, links, disks, as far as the system tells |
//! | `linux`, `windows`, `elsewhere` | what each system tells of the person before it |
//!
//! What a system does not tell never pauses. A job under way is finished first: its requester waits for it, and the stake is at
//! risk; the pause keeps the next one away.

#[cfg(not(any(target_os = "linux", windows)))]
#[path = "elsewhere.rs"]
mod session;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod session;
#[cfg(windows)]
#[path = "windows.rs"]
mod session;

pub mod rules;
mod senses;

pub use rules::{Surroundings, minutes_until_open, pauses};
pub use senses::Senses;
