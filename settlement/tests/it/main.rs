//! Behaviour on a real chain: every test starts an anvil of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod artefacts;
mod chain;
mod contract;
mod vectors;
mod world;
