//! Whole computers: what their sources said, and what must follow.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod choosing;
mod computers;
mod invariants;
mod rules;
