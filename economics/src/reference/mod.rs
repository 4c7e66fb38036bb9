//! The published study, number for number: NumPy's stream, the same draws in the same order, all miners cheating at once.
//!
//! Kept to be compared with; [`crate::model`] is what the network's parameters are chosen by.

mod deposits;
mod grid;
mod security;
mod trajectory;

pub use deposits::DepositBounds;
pub use grid::SecurityGrid;
pub use security::{ReferenceStudy, SecurityPoint, SecurityValue};
