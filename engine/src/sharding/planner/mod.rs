//! Which plan a group should use: predicted from the model's structure and what was measured of the peers. Pure.

mod choose;
mod cost;
mod peers;
mod predict;

#[cfg(test)]
mod tests;

pub use choose::{Choice, choose};
pub use cost::{ClipCost, UnitCost};
pub use peers::{PairLink, Peer, Peers};
pub use predict::{Prediction, predict};
