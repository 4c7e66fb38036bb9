//! One file per subcommand.

mod bench;
mod device;
mod devices;
mod economics;
mod generate;
mod loaded;
mod model;
mod score;

use crate::cli::Command;
use crate::failure::Result;

/// Runs a subcommand.
pub(crate) fn run(command: Command) -> Result {
    match command {
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Model(command) => model::run(command),
        Command::Score(arguments) => score::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Economics(command) => economics::run(&command),
        Command::ProbeDevices => devices::print_probe(),
    }
}
