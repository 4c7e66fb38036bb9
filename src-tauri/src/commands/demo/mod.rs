//! `infernet demo`: a whole network on this computer, in real processes.
//!
//! | module | what it does |
//! |---|---|
//! | `run` | starts the nodes, orders, follows, reports |
//! | `nodes` | nodes in processes of their own |
//! | `anvil` | a chain of this computer's own |
//! | `on_chain` | the same demonstration settled by a contract on it |
//! | `sums` | what the contract's events say, against the token's balances |

mod anvil;
mod nodes;
mod on_chain;
mod run;
mod sums;

pub(super) use run::run;
