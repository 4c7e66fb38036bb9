//! Proof of inference as its parties see it: honest runs pass, every attack of the specification fails at a named check,
//! and the weak designs it replaces let the same attacks through.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod bias;
mod decoders;
mod fake;
mod groups;
mod honest;
mod monte_carlo;
mod validators;
mod vectors;
mod weak;
mod world;
