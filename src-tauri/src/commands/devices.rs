//! `infernet devices`.

use infernet_engine::devices::{
    DEFAULT_PROBE_TIMEOUT, DeviceReport, ProbeCommand, probe, probe_here, write_probe_lines,
};

use crate::cli::JsonArgs;
use crate::failure::Result;
use crate::output;

/// The hidden subcommand that a probing child runs.
pub(super) const PROBE_SUBCOMMAND: &str = "probe-devices";

pub(super) fn run(arguments: &JsonArgs) -> Result {
    let report = report();
    if arguments.json {
        return output::json(&report);
    }
    for line in report.summary_lines() {
        output::line(&line)?;
    }
    Ok(())
}

/// What this computer has, asked in a child process since drivers crash.
pub(super) fn report() -> DeviceReport {
    match ProbeCommand::this_executable([PROBE_SUBCOMMAND]) {
        Ok(command) => probe(&command, DEFAULT_PROBE_TIMEOUT),
        Err(error) => {
            tracing::warn!(%error, "this program's file can't be found; asking drivers in this process");
            probe_here()
        }
    }
}

/// The child's side.
pub(super) fn print_probe() -> Result {
    Ok(write_probe_lines(&mut std::io::stdout().lock())?)
}
