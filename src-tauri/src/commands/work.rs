//! `infernet worker`: jobs and audits for a node.

use std::time::Instant;

use infernet_adversary::{Attack, Exchange, Setting, Workshop};
use infernet_engine::pipeline::{LoadOptions, TensorDevice};
use infernet_node::runner::{DecodedRun, ModelRunner, failure, keep};
use infernet_node::worker::{
    AuditCommand, Audited, Failure as WorkerFailure, Ran, Reporter, RunCommand, Runner, serve,
};

use crate::cli::WorkerArgs;
use crate::failure::{Failure, Result};

pub(super) fn run(arguments: &WorkerArgs) -> Result {
    if arguments.device != "cpu" {
        return Err(Failure::input(format!("this worker computes on the CPU, not on `{}`", arguments.device)));
    }
    let mut runner = AnyRunner { honest: ModelRunner::new(TensorDevice::Cpu) };
    serve(std::io::stdin(), std::io::stdout(), &mut runner, env!("CARGO_PKG_VERSION"))
        .map_err(|error| Failure::Failed(error.into()))
}

/// Runs jobs honestly, and cheats where a demonstration asks for it.
struct AnyRunner {
    honest: ModelRunner,
}

impl Runner for AnyRunner {
    fn run(&mut self, command: &RunCommand, report: &Reporter<'_>) -> std::result::Result<Ran, WorkerFailure> {
        let Some(name) = &command.attack else { return self.honest.run(command, report) };
        let start = Instant::now();
        let said = |error: &dyn std::fmt::Display| failure("worker.attack", error);
        let attack: Attack = name.parse().map_err(|error| said(&error))?;
        let DecodedRun { job, opening, challenge } = DecodedRun::of(command)?;
        let exchange = Exchange::of(job, opening, challenge);
        let model = self.honest.model(&command.model, command.precision, command.threads, report)?;
        let scratch = tempfile::tempdir().map_err(|error| said(&error))?;
        let workshop = Workshop::new(&command.model, scratch.path(), LoadOptions::default());
        let mut setting = Setting::new(&exchange, model, &workshop);
        setting.cancelled = report.cancelled();
        let run = attack.run(&setting).map_err(|error| said(&error))?;
        keep(&run.evidence, &command.evidence, start)
    }

    fn audit(&mut self, command: &AuditCommand, report: &Reporter<'_>) -> std::result::Result<Audited, WorkerFailure> {
        self.honest.audit(command, report)
    }
}
