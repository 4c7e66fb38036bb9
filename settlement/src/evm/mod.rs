//! Settlement by a contract on an EVM chain. Formats and threat model are in `docs/SETTLEMENT.md`.

pub mod abi;
mod account;
mod config;
mod deploy;
mod driver;
mod judgement;
mod key;
pub mod message;
mod rpc;
mod sender;
mod settlement;
mod store;
pub mod testnet;
mod watcher;

pub use alloy::primitives::{Address, B256, U256, keccak256};

pub use account::{DepositOrder, EvmAccount};
pub use config::{ChainAddress, ChainConfig, MOST_ENDPOINT_BYTES, MOST_ENDPOINTS};
pub use deploy::{Deployment, Terms, creation_code, deploy, deployment_domain};
pub use driver::{ChainStatus, ContractTotals, Driver, GasPaid, Holdings, Round};
pub use judgement::{Judgement, Scored, check_name, slashable_check};
pub use key::EvmKey;
pub use message::Domain;
pub use sender::SendStage;
pub use settlement::EvmSettlement;
pub use store::{ChainEvent, EventKind, Intent, IntentState, Store};
pub use watcher::{ContractRules, StakeOnChain, ValidatorSet};
