//! `infernet chain`: settlement on an EVM chain.

mod deploy;
pub(super) mod files;
mod send;
mod status;

use crate::cli::ChainCommand;
use crate::failure::{Failure, Result};

/// Runs a subcommand.
pub(super) fn run(command: &ChainCommand) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            ChainCommand::Account(files) => status::account(files),
            ChainCommand::Status(files) => status::status(files).await,
            ChainCommand::Deploy(arguments) => deploy::deploy_contract(arguments).await,
            ChainCommand::Use(arguments) => deploy::use_contract(arguments).await,
            sending => send::run(sending).await,
        }
    })
}

/// An error with its next step and code.
pub(super) fn failed(error: &infernet_settlement::SettlementError) -> Failure {
    let text = format!("{error}\n  {} ({})", error.next_step(), error.code());
    match error.code() {
        "chain.config" | "chain.key" | "chain.conflict" | "chain.amount" => Failure::input(text),
        _ => Failure::Failed(anyhow::Error::msg(text)),
    }
}
