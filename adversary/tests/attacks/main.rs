//! Every attack on the starter model: caught where it shows, by the check that is to catch it, and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bias;
mod case;
mod caught;
mod cheaper_models;
mod errors;
mod samplers;
mod validator;
