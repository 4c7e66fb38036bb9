//! Cheating miners: each [`Attack`] really makes the run that such a cheat would make, with the engine, and commits to it and
//! opens it as an honest miner does, so that only the content is dishonest. For tests and for measuring what audits catch.
//!
//! | module | what it does |
//! |---|---|
//! | `attack` | the attacks by name: what each saves, which steps it spoils, which checks are to catch it |
//! | `plan` | which model outputs of a run are not computed, and what takes their place |
//! | `tampering` | a model that follows such a plan, or is fed other texts or other weights |
//! | `run` | an attack's run: plans and substituted models through [`run_job`](infernet_network::inference::run_job) |
//! | `forge` | runs whose outputs are solved for: they lead where the cheat wants, through every transition check |
//! | `workshop` | cheaper models made from a real one: int8 and int4 weights (`quantise`), half the channels (`shrink`) |
//! | `exchange` | a whole exchange of job, challenge, pledges and bundles from one number |
//! | `remembered` | a validator that runs each step of a run once, however many audits ask for it |
//! | `interval` | detection rates with their intervals |
//!
//! The cheats are competent: they have the honest text encoder, VAE and codec, start where they may, and keep every transition
//! consistent, except where an attack is about just that. Everything is deterministic; keys come from a number and
//! are worth nothing. Files are written only to the scratch folder of a [`Workshop`]. This folder is `adversary/`.

mod attack;
mod error;
mod exchange;
mod folder;
mod forge;
mod interval;
mod plan;
mod quantise;
mod remembered;
mod run;
mod shrink;
mod tampering;
mod workshop;

pub use attack::{Attack, Kind, UnknownAttack};
pub use error::AttackError;
pub use exchange::{Exchange, Parameters};
pub use interval::Rate;
pub use quantise::{Bits, Quantised};
pub use remembered::Remembered;
pub use run::{Run, Setting};
pub use workshop::{Savings, Variant, Workshop};
