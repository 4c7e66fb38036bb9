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
mod connection;
#[cfg(all(windows, feature = "window"))]
mod console;
mod failure;
mod files;
mod interrupt;
mod output;
mod paths;
mod progress;
mod proof_file;
mod safe;
#[cfg(feature = "window")]
mod shell;
mod update;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = cli::Cli::parse_from(typed(std::env::args_os()));
    output::start_logging(arguments.log.as_deref(), arguments.log_json);
    let Some(command) = arguments.command.or_else(usual) else {
        // Clap's own words for a missing subcommand, with the help.
        let _ = <cli::Cli as clap::CommandFactory>::command().print_help();
        return ExitCode::from(2);
    };
    #[cfg(all(windows, feature = "window"))]
    if let Some(code) = matches!(command, cli::Command::Desktop(_)).then(console::hide).flatten() {
        return code;
    }
    match commands::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The arguments, with the word that a link leaves out: systems open links with the program and nothing else.
fn typed(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    #[allow(unused_mut, reason = "without a window there is nothing that opens links")]
    let mut arguments: Vec<OsString> = arguments.collect();
    #[cfg(feature = "window")]
    if arguments.get(1).and_then(|first| first.to_str()).is_some_and(|first| first.starts_with(cli::SCHEME)) {
        arguments.insert(1, "desktop".into());
    }
    arguments
}

/// What is meant by no command at all.
fn usual() -> Option<cli::Command> {
    #[cfg(feature = "window")]
    return Some(cli::Command::Desktop(cli::DesktopArgs::default()));
    #[cfg(not(feature = "window"))]
    None
}
