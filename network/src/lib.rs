//! InferNet's network.
//!
//! | module | what it does |
//! |---|---|
//! | [`identity`] | who a node is: one Ed25519 key, kept and backed up |
//! | [`inference`] | the engine in a proof: a committed run, parts of it again, honest error |
//! | [`proof`] | proof of inference: commit to a run, open what is drawn, judge it by running parts of it again |
//! | [`swarm`] | connections to peers: questions, news, files; manners, limits, bans |
//! | [`wire`] | what peers say to each other: versioned, bounded messages; invitations |
//!
//! Invariants of [`proof`]: no input or output, no clock, no randomness of its own; times, keys and nonces are passed in.
//! Decoders accept the canonical form alone and never hold more memory than a bound that follows from their input's
//! length. `docs/PROTOCOL.md` is the protocol as built; `docs/vectors/` are its known answers. This folder is `network/`.

pub mod identity;
pub mod inference;
pub mod proof;
pub mod swarm;
pub mod wire;
