//! Messages on the wire: known answers from another CBOR implementation, bounds, and what is no message.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod invitations;
mod junk;
mod known;
