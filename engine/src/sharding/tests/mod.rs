//! Groups against one machine, bit for bit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exact;
mod faults;
mod models;
mod plans;
