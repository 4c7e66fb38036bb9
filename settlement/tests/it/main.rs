//! Behaviour on a real chain: every test starts an anvil of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod artefacts;
mod chain;
mod contract;
mod driver;
mod embedded;
mod faults;
mod gas;
mod invariants;
#[cfg(unix)]
mod kill;
mod party;
mod reorganisation;
mod vectors;
mod world;
