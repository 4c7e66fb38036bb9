//! The ledger and its journal from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod codecs;
mod crash;
mod jobs;
mod journal;
mod properties;
mod vectors;
mod world;
