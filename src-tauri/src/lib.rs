//! InferNet's program: subcommands over the engine.
//!
//! The binary is thin: a subcommand parses its arguments, calls the engine, and prints. Results go to standard output
//! (`--json` for programs), progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 arguments or
//! input that can't be used, 130 stopped by Ctrl-C.
//!
//! Two programs are built from it: `infernet`, which starts everywhere, and with the feature `cuda` the side-car
//! `infernet-worker-cuda`, to which `infernet` hands a command that is to compute on an NVIDIA card.

mod cli;
mod commands;
mod failure;
mod files;
mod interrupt;
mod output;
mod paths;
mod progress;
mod proof_file;
mod safe;
mod worker;

use std::process::ExitCode;

use clap::Parser;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = cli::Cli::parse();
    output::start_logging(arguments.log.as_deref(), arguments.log_json);
    match commands::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
