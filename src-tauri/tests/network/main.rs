//! Whole networks of real processes: their life, faults in every stage, hostile peers, separate machines.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod chain;
mod chain_world;
mod faults;
mod hostile;
mod life;
#[cfg(target_os = "linux")]
mod machines;
mod stages;
mod world;
