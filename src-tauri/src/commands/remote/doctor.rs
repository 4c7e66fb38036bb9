//! `infernet doctor`.

use infernet_api::types::doctor::DoctorOutcome;

use crate::cli::DoctorArgs;
use crate::connection;
use crate::failure::{Failure, Result};
use crate::output;

pub(super) fn run(arguments: &DoctorArgs) -> Result {
    let report = connection::ask(&arguments.remote, async |client| Ok(client.doctor().await?))?;
    if arguments.remote.json {
        output::json(&report)?;
    } else {
        for check in &report.checks {
            let mark = match check.outcome {
                DoctorOutcome::Ok => "ok      ",
                DoctorOutcome::Warning => "warning ",
                DoctorOutcome::Failed => "FAILED  ",
                DoctorOutcome::Skipped => "skipped ",
            };
            output::line(&format!("{mark} {}: {}", check.title, check.found))?;
            if !check.next_step.is_empty() {
                output::line(&format!("         {}", check.next_step))?;
            }
        }
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::Reported(1)) }
}
