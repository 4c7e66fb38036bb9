//! The thread behind the window: events in, snapshot fresh, commands done.

mod clip;
mod execute;
mod files;
mod first;
mod refresh;
mod report;
mod thread;

pub(crate) use thread::{ClientThread, Start};
