//! `infernet economics detection`.

use infernet_economics::detection::{AuditLevel, SimulatedDetection, detection_points, simulate_detection};
use infernet_economics::figure;
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::report::Table;
use infernet_economics::stake::{JobTerms, required_stake};
use serde_json::json;

use super::report;
use crate::cli::DetectionArgs;
use crate::failure::{Failure, Result};

pub(super) fn run(arguments: &DetectionArgs) -> Result {
    report::check(&arguments.report)?;
    let steps = arguments.steps;
    let (level, terms) = level(arguments)?;
    let points = detection_points(&level, steps)?;
    let simulated: infernet_economics::Result<Vec<Option<SimulatedDetection>>> = points
        .iter()
        .map(|point| match arguments.cheaters {
            0 => Ok(None),
            _ if point.per_job <= 0.0 => Ok(None),
            cheaters => simulate_detection(&level, steps, point.tampered, cheaters, arguments.seed).map(Some),
        })
        .collect();
    let simulated = simulated?;
    // What the slash of the required stake gives back to requesters; nothing when no stake suffices.
    let slashed = required_stake(&terms).map_or(0.0, |required| required.slashed);
    let mut table = Table::new(&[
        ("m", "steps"),
        ("caught", "per job"),
        ("simulated", "per job"),
        ("low", ""),
        ("high", ""),
        ("jobs", "until caught"),
        ("simulated_jobs", "until caught"),
        ("jobs_95", "caught by then"),
        ("requesters_lose", "fees"),
    ]);
    for (point, run) in points.iter().zip(&simulated) {
        let lost = point.expected_undetected.map(|bad| (bad - slashed / terms.fee).max(0.0));
        table.push(vec![
            point.tampered.into(),
            point.per_job.into(),
            run.map(|run| run.per_job.mean).into(),
            run.map(|run| run.per_job.low).into(),
            run.map(|run| run.per_job.high).into(),
            point.expected_jobs.into(),
            run.map(|run| run.expected_jobs.mean).into(),
            point.jobs_for_95.into(),
            lost.into(),
        ]);
    }
    let notes = [
        format!(
            "{} of {steps} steps checked, {:.1} % of the jobs in full, {:.0} % of the others audited: {:.2} % of the work is repeated",
            level.checks,
            100.0 * level.full_audit_share,
            100.0 * level.audited_job_share,
            100.0 * level.reexecution_share(steps)
        ),
        format!(
            "{} simulated cheaters for each m, 95 % intervals; losses are after the slash repaid requesters",
            arguments.cheaters
        ),
    ];
    let json = json!({
        "steps": steps,
        "audit": level,
        "reexecution_share": level.reexecution_share(steps),
        "points": points,
        "simulated": simulated,
    });
    report::emit(&arguments.report, &json, &notes, &table, || {
        if arguments.repeated {
            let mut tampered = vec![1, (steps / 10).max(1), (steps / 4).max(1), (steps / 2).max(1), steps];
            tampered.dedup();
            return Ok(figure::repeated_detection(&level, steps, &tampered, arguments.jobs));
        }
        let rates = [1, 2, 3, 5, 9].map(|checks: u32| (checks * steps / 30).max(1));
        let mut checks: Vec<u32> = rates.into_iter().chain([level.checks]).collect();
        checks.sort_unstable();
        checks.dedup();
        let plain = AuditLevel::always(level.checks);
        let runs: infernet_economics::Result<Vec<_>> = (1..=steps)
            .step_by((steps as usize / 15).max(1))
            .filter(|_| arguments.cheaters >= 2 && level.checks > 0)
            .map(|tampered| {
                let run = simulate_detection(&plain, steps, tampered, arguments.cheaters.min(400), arguments.seed)?;
                Ok((tampered, run.per_job))
            })
            .collect();
        Ok(figure::detection_curves(steps, &checks, &runs?)?)
    })
}

fn level(arguments: &DetectionArgs) -> Result<(AuditLevel, JobTerms)> {
    let mut network = NetworkParameters::default();
    network.audit.audited_job_share = arguments.audited_share.unwrap_or(network.audit.audited_job_share);
    network.audit.full_audit_one_in = arguments.full_audit_one_in.unwrap_or(network.audit.full_audit_one_in);
    network.check()?;
    if !(0.0..=1.0).contains(&arguments.trust) {
        return Err(Failure::input(format!("trust is {}; it must be between 0 and 1", arguments.trust)));
    }
    let job = TypicalJob { steps: arguments.steps, ..TypicalJob::default() };
    job.check()?;
    let mut terms = JobTerms::of_network(&network, &job, arguments.trust);
    terms.audit.checks = arguments.checks.unwrap_or(terms.audit.checks);
    terms.check()?;
    Ok((terms.audit, terms))
}
