//! `infernet verify`.

use std::path::Path;
use std::time::Instant;

use infernet_network::inference::ModelAuditor;
use infernet_network::proof::{Bundle, Check, CheckResult, Failure as FailedCheck, audit, check_structure};
use serde::Serialize;

use super::device::{self, Choice, DeviceUse};
use super::loaded;
use crate::cli::VerifyArgs;
use crate::failure::{Failure, Result};
use crate::output;
use infernet_node::bounds::Bounds;

/// Exit code for a run that was found dishonest.
const REJECTED: u8 = 3;

#[derive(Serialize)]
struct Report {
    accepted: bool,
    failed_check: Option<&'static str>,
    leaf: Option<u32>,
    checks: Vec<Row>,
    /// What the failed check rests on: `signed`, `measured` or `attested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<infernet_network::proof::Proof>,
    structure_only: bool,
    evaluations: u32,
    job_evaluations: u32,
    load_seconds: f64,
    seconds: f64,
    model_digest: String,
    miner: String,
    root: String,
    #[serde(flatten)]
    device: Option<DeviceUse>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    ok: bool,
    leaf: Option<u32>,
    error: Option<f64>,
    bound: Option<f64>,
}

impl From<&CheckResult> for Row {
    fn from(row: &CheckResult) -> Self {
        Self { name: row.check.name(), ok: row.passed, leaf: row.leaf, error: row.error, bound: row.bound }
    }
}

/// What an audit found.
struct Outcome {
    rows: Vec<CheckResult>,
    accepted: bool,
    failure: Option<FailedCheck>,
    evaluations: u32,
    load_seconds: f64,
    seconds: f64,
    device: Option<DeviceUse>,
}

pub(super) fn run(arguments: &VerifyArgs) -> Result {
    let options = match device::resolve(&arguments.model.compute)? {
        Choice::Here(options) => options,
        Choice::Worker(worker) => return worker.run(),
    };
    let bundle = read(&arguments.bundle)?;
    let name = arguments.bundle.display();
    let start = Instant::now();
    let outcome = if arguments.structure_only {
        let structure = check_structure(&bundle).map_err(|error| Failure::input(format!("{name}: {error}")))?;
        let failure = structure.failure();
        Outcome {
            accepted: failure.is_none(),
            failure,
            rows: structure.rows,
            evaluations: 0,
            load_seconds: 0.0,
            seconds: start.elapsed().as_secs_f64(),
            device: None,
        }
    } else {
        let found = loaded::find(&arguments.model.model)?;
        let table = Bounds::of_model(found.dir.root(), &bundle.job.model)?;
        let model = found.load(&options)?;
        let load_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        // `of_model` found a table for this digest, so it is that of the files in some number format.
        let digest = found.proof_digest(bundle.job.latent_dtype)?;
        let mut auditor = ModelAuditor::new(model.as_ref(), digest);
        let audit = audit(&bundle, &table, &mut auditor).map_err(|error| Failure::input(format!("{name}: {error}")))?;
        Outcome {
            accepted: audit.verdict.accepted(),
            failure: audit.verdict.failure(),
            rows: audit.verdict.checks,
            evaluations: audit.evaluations,
            load_seconds,
            seconds: start.elapsed().as_secs_f64(),
            device: Some(DeviceUse::now(&options)?),
        }
    };
    show(arguments, &bundle, outcome)
}

fn read(path: &Path) -> Result<Bundle> {
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|error| Failure::input(format!("can't open {name}: {error}")))?;
    let len = file.metadata()?.len();
    if len > Bundle::MAX_BYTES {
        return Err(Failure::input(format!("{name} has {len} bytes; a bundle has at most {}", Bundle::MAX_BYTES)));
    }
    let bytes = std::fs::read(path)?;
    Bundle::from_bytes(&bytes).map_err(|error| Failure::input(format!("{name} is not a bundle: {error}")))
}

fn show(arguments: &VerifyArgs, bundle: &Bundle, outcome: Outcome) -> Result {
    let branches = 1 + u32::from(bundle.job.is_guided());
    let report = Report {
        accepted: outcome.accepted,
        failed_check: outcome.failure.map(|failure| failure.check.name()),
        leaf: outcome.failure.and_then(|failure| failure.leaf),
        checks: outcome.rows.iter().map(Row::from).collect(),
        proof: outcome.failure.map(|failure| failure.check.proof()),
        structure_only: arguments.structure_only,
        evaluations: outcome.evaluations,
        job_evaluations: bundle.job.steps * branches,
        load_seconds: outcome.load_seconds,
        seconds: outcome.seconds,
        model_digest: bundle.job.model.to_string(),
        miner: bundle.commitment.body.miner.to_string(),
        root: bundle.commitment.body.root.to_string(),
        device: outcome.device,
    };
    if arguments.json {
        output::json(&report)?;
    } else {
        lines(&report, &outcome.rows)?;
    }
    if report.accepted { Ok(()) } else { Err(Failure::Reported(REJECTED)) }
}

fn lines(report: &Report, rows: &[CheckResult]) -> Result {
    for row in rows {
        let at = row.leaf.map_or_else(String::new, |leaf| format!(" at leaf {leaf}"));
        let measured = match (row.error, row.bound) {
            (Some(error), Some(bound)) => format!(": {error:.2e}, bound {bound:.2e}{}", unit(row.check)),
            _ => String::new(),
        };
        let verdict = if row.passed { "ok" } else { "FAILED" };
        output::line(&format!("{verdict:6} {}{at}{measured}", row.check.name()))?;
    }
    let verdict = match (report.accepted, report.structure_only) {
        (true, false) => "accepted",
        (true, true) => "nothing wrong without running the model",
        (false, _) => "REJECTED",
    };
    output::line(&format!(
        "{verdict}: {} of {} model evaluations run again, {:.2} s",
        report.evaluations, report.job_evaluations, report.seconds
    ))
}

fn unit(check: Check) -> &'static str {
    match check {
        Check::DecodedFrame => " (rms of 255 levels)",
        Check::ClipFrame => " (rms of 255 levels, worst block)",
        _ => " (relative L2)",
    }
}
