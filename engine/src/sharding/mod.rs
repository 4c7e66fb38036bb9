//! One clip by several machines: plans, what members of a group exchange, and how the result keeps its bits.
//!
//! A [`Plan`] says who computes what. [`lead`] makes a group a [`VideoModel`](crate::pipeline::VideoModel), so that whatever can
//! run a model can run a group; [`work`] is every other member; both talk over a [`collective::Collective`]. [`VirtualGroup`] is
//! a group of threads, the same code without a network. Members keep nothing between steps: a lost group is replaced by another,
//! of any plan, which goes on from a [`Checkpoint`](crate::pipeline::Checkpoint).
//!
//! All plans but `window=` give the bits of `solo` on the same kind of device; `docs/SHARDING.md` says why.

mod bytes;
pub mod collective;
mod cut;
mod error;
mod exchange;
mod grammar;
mod group;
mod layout;
mod leader;
mod member;
mod message;
mod plan;
pub mod planner;
mod shares;
mod streamed;
mod window;

pub use collective::{Collective, Traffic};
pub use cut::Cut;
pub use error::{CollectiveError, PlanError};
pub use group::{GroupOptions, LedGroup, VirtualGroup, lead, work};
pub use leader::MemberReport;
pub use plan::{Blend, CONTEXT_SHARE, DEFAULT_OVERLAP, Holding, MAX_MEMBERS, Place, Plan, Spread, Windows};

#[cfg(test)]
mod tests;
