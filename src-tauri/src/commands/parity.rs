//! `infernet parity`.

use infernet_engine::parity::{CaseReport, check_on, find_cases};
use serde::Serialize;

use super::device::{self, Choice, DeviceUse};
use crate::cli::ParityArgs;
use crate::failure::{Failure, Result};
use crate::output;

#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    cases: Vec<Case>,
    #[serde(flatten)]
    device: DeviceUse,
}

#[derive(Serialize)]
struct Case {
    kind: String,
    name: String,
    passed: bool,
    stage: String,
    error: f64,
    bar: f64,
    reference_error: f64,
}

impl From<&CaseReport> for Case {
    fn from(report: &CaseReport) -> Self {
        let (stage, error, bar) =
            report.worst().map_or((String::new(), 0.0, 0.0), |worst| (worst.stage.clone(), worst.error, worst.bar));
        Self {
            kind: report.kind.clone(),
            name: report.name.clone(),
            passed: report.passed(),
            stage,
            error,
            bar,
            reference_error: report.reference_error,
        }
    }
}

pub(super) fn run(arguments: &ParityArgs) -> Result {
    let options = match device::resolve(&arguments.compute)? {
        Choice::Here(options) => options,
        Choice::Worker(worker) => return worker.run(),
    };
    let mut folders = Vec::new();
    for root in &arguments.folders {
        let found = find_cases(root).map_err(|error| Failure::input(format!("{}: {error}", root.display())))?;
        if found.is_empty() {
            return Err(Failure::input(format!(
                "{} holds no case.json; make cases with `python -m reference` in tools/",
                root.display()
            )));
        }
        folders.extend(found);
    }
    let mut cases = Vec::new();
    for folder in folders {
        let report =
            check_on(&folder, &options).map_err(|error| Failure::input(format!("{}: {error}", folder.display())))?;
        let case = Case::from(&report);
        if !arguments.json {
            let verdict = if case.passed { "ok" } else { "FAILED" };
            output::line(&format!(
                "{verdict:6} {:10} {:32} {:.2e} of {:.0e} at {} (reference's own {:.1e})",
                case.kind, case.name, case.error, case.bar, case.stage, case.reference_error
            ))?;
        }
        cases.push(case);
    }
    let passed = cases.iter().filter(|case| case.passed).count();
    let report = Report { passed, failed: cases.len() - passed, cases, device: DeviceUse::now(&options)? };
    if arguments.json {
        output::json(&report)?;
    } else {
        output::line(&format!("{} passed, {} failed", report.passed, report.failed))?;
    }
    if report.failed == 0 {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("{} of {} cases miss their bar", report.failed, report.cases.len())))
}
