//! The requester: makes jobs, signs what they may cost, follows them, and brings the clips home.

mod deposits;
mod orders;

pub use orders::{Order, OrderError, OrderState, Requester, RequesterConfig};
