//! `infernet economics ...`: one file per question. Each asks the economics crate, and prints what it says.

mod cost;
mod deposits;
mod detection;
mod optimise;
mod parameters;
mod population;
mod report;
mod security;
mod sensitivity;
mod stake;
mod study;

use crate::cli::EconomicsCommand;
use crate::failure::Result;

pub(super) fn run(command: &EconomicsCommand) -> Result {
    match command {
        EconomicsCommand::Security(arguments) => security::run(arguments),
        EconomicsCommand::Deposits(arguments) => deposits::run(arguments),
        EconomicsCommand::Stake(arguments) => stake::run(arguments),
        EconomicsCommand::Cost(arguments) => cost::run(arguments),
        EconomicsCommand::Detection(arguments) => detection::run(arguments),
        EconomicsCommand::Sensitivity(arguments) => sensitivity::run(arguments),
        EconomicsCommand::Optimise(arguments) => optimise::run(arguments),
        EconomicsCommand::Population(arguments) => population::run(arguments),
        EconomicsCommand::Parameters(arguments) => parameters::run(arguments),
    }
}
