//! The API's server over real sockets, with a node in memory behind it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod endpoints;
mod events;
mod files;
mod fixtures;
mod limits;
mod memory;
mod remote;
mod smuggling;
mod world;
