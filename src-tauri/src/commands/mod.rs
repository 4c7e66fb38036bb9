//! One file per subcommand.

mod attack_bench;
mod bench;
mod calibrate;
mod chain;
mod commit;
mod demo;
mod device;
mod devices;
mod economics;
pub(crate) mod exchange;
mod generate;
mod identity;
mod ledger;
mod loaded;
mod model;
pub(crate) mod node;
mod parity;
mod remote;
mod reveal;
mod score;
mod serving;
mod shard;
mod update;
mod verify;
mod work;

use crate::cli::Command;
use crate::failure::Result;

/// Runs a subcommand.
pub(crate) fn run(command: Command) -> Result {
    match command {
        #[cfg(feature = "window")]
        Command::Desktop(arguments) => crate::shell::run(&arguments),
        #[cfg(feature = "window")]
        Command::Dashboard(arguments) => crate::shell::dashboard(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Model(command) => model::run(command),
        Command::Score(arguments) => score::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Reveal(arguments) => reveal::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::AttackBench(arguments) => attack_bench::run(&arguments),
        Command::Parity(arguments) => parity::run(&arguments),
        Command::Economics(command) => economics::run(&command),
        Command::Node(arguments) => node::run(&arguments),
        Command::Identity(command) => identity::run(&command),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::ShardBench(arguments) => shard::bench(&arguments),
        Command::ShardMember(arguments) => shard::member(&arguments),
        Command::Ledger(command) => ledger::run(&command),
        Command::Chain(command) => chain::run(&command),
        Command::Worker(arguments) => work::run(&arguments),
        Command::Remote(command) => remote::run(&command),
        Command::Update(arguments) => update::run(&arguments),
        Command::ProbeDevices => devices::print_probe(),
    }
}
