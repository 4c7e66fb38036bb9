//! This node's side of a settlement contract on an EVM chain: its account, what it wants to happen there, and the driver that makes it
//! happen. Networks that settle in their validator's ledger have none of it.
//!
//! | module | what it does |
//! |---|---|
//! | `side` | the account, its outbox and driver from the node's start to its end |
//! | `convert` | chain, accounts and signatures as they travel, and as the settlement has them |
//! | `view` | the account as the ledger's type, so that every page shows either |
//! | `cosigner` | a member's own judgement of others' runs, and its signature |

mod convert;
mod cosigner;
mod side;
mod view;

pub(crate) use convert::signed_acceptance;
pub use convert::{address_of, chain_of, network_of, wire_address};
pub(crate) use cosigner::{CoSigner, CoSignerParts};
pub(crate) use side::DEPOSIT_GAS;
pub use side::{Chain, ChainError, DepositState, Due};
pub(crate) use view::{Gain, PartEnd};
