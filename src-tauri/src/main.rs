//! `infernet`: turns idle gaming PCs into one verifiable video-generation network.
//!
//! The binary is thin: a subcommand parses its arguments, calls the engine, and prints. Results go to standard output
//! (`--json` for programs), progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 arguments or
//! input that can't be used, 130 stopped by Ctrl-C.

mod cli;
mod commands;
mod failure;
mod files;
mod interrupt;
mod output;
mod paths;
mod progress;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    output::start_logging(arguments.log.as_deref(), arguments.log_json);
    match commands::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
