//! `settlement/`: who pays miners. The embedded ledger, or a contract on an EVM chain, behind one trait.
//!
//! | module | what it is |
//! |---|---|
//! | [`Settlement`] | the border: deposit, assign, settle, slash, release, refund; idempotent, never waits for a network |
//! | [`EmbeddedSettlement`] | the private swarm's ledger |
//! | [`evm::EvmSettlement`] | a validator's wishes for the contract: miners' acceptances, judgements, signatures of others |
//! | [`evm::Driver`] | talks to the chain: follows events, sends the outbox |
//! | [`evm::EvmAccount`] | what miners, requesters and validators do for themselves |
//! | [`evm::Store`] | one SQLite file for each chain, contract and account |
//!
//! What always holds: a transaction is signed and on the disk, with its nonce, before it is sent, and the nonce is not given to another
//! one until the chain has used it for good, so a crash or an outage at any point leaves exactly one effect; only blocks with enough
//! blocks on top count, and what a replaced block said is undone; no float touches an amount; keys are never printed.

mod embedded;
mod error;
pub mod evm;
mod settlement;

pub use embedded::EmbeddedSettlement;
pub use error::SettlementError;
pub use settlement::{
    Accepted, Assignment, Backend, Commitment, Deposit, Ending, Party, Payment, Penalty, Progress, Promise, Settlement,
    SignedAcceptance,
};
