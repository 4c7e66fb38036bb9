//! Swarms on this machine's loopback: what peers of a network can do with each other, and what they can't.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blobs;
mod evil;
mod evil_blobs;
mod floods;
mod gossip;
mod hello;
mod questions;
mod relay;
mod world;
