//! Figures of fraud detection.

use super::types::{Axis, Figure, Lines, Panel, PanelKind, Series, Stroke};
use crate::detection::{AuditLevel, RepeatedJobs, detection_by_tampering};
use crate::error::Result;
use crate::statistics::Estimate;

/// Chance to catch m tampered steps of one job, a curve for each number of checks, with simulated points.
///
/// # Errors
/// When a number of checks does not fit the steps.
pub fn detection_curves(steps: u32, checks: &[u32], simulated: &[(u32, Estimate)]) -> Result<Figure> {
    let mut series = Vec::new();
    for (colour, &checks) in checks.iter().enumerate() {
        let curve = detection_by_tampering(steps, checks)?;
        let points = curve.iter().enumerate().skip(1).map(|(tampered, p)| [tampered as f64, 100.0 * p]).collect();
        let share = 100.0 * f64::from(checks) / f64::from(steps);
        series.push(Series::line(&format!("k = {checks} ({share:.0} %)"), colour, points));
    }
    if !simulated.is_empty() {
        series.push(Series {
            name: "simulated, 95 % interval".to_owned(),
            points: simulated.iter().map(|(tampered, p)| [f64::from(*tampered), 100.0 * p.mean]).collect(),
            band: simulated.iter().map(|(_, p)| [100.0 * p.low, 100.0 * p.high]).collect(),
            stroke: Stroke::Dots,
            colour: 6,
        });
    }
    Ok(Figure {
        title: format!("Chance to catch a cheater in one job of {steps} steps"),
        subtitle: "k steps are drawn after the miner has committed itself, without replacement; one hit is enough."
            .to_owned(),
        panels: vec![Panel {
            title: String::new(),
            kind: PanelKind::Lines(Lines {
                x: Axis::linear("tampered steps m").within(0.0, f64::from(steps)),
                y: Axis::linear("caught, %").within(0.0, 100.0),
                series,
            }),
        }],
        columns: 1,
    })
}

/// Chance to be caught within so many jobs, and expected jobs until then, for a few numbers of tampered steps.
pub fn repeated_detection(level: &AuditLevel, steps: u32, tampered: &[u32], jobs: u32) -> Figure {
    let chances = tampered.iter().enumerate().filter_map(|(colour, &tampered)| {
        let repeated = RepeatedJobs::new(level.detection(steps, tampered)).ok()?;
        let points = (1..=jobs).map(|jobs| [f64::from(jobs), 100.0 * repeated.caught_within(jobs)]).collect();
        let name = if tampered == 1 { "1 step".to_owned() } else { format!("{tampered} steps") };
        Some(Series::line(&name, colour, points))
    });
    let expected = (1..=steps).filter_map(|tampered| {
        let repeated = RepeatedJobs::new(level.detection(steps, tampered)).ok()?;
        Some([f64::from(tampered), repeated.expected_jobs()])
    });
    Figure {
        title: "How long a cheater lasts".to_owned(),
        subtitle: format!(
            "Jobs of {steps} steps, {} checked, {:.1} % of the jobs checked at every step; the cheater tampers in every job.",
            level.checks,
            100.0 * level.full_audit_share
        ),
        panels: vec![
            Panel {
                title: "Caught within so many jobs".to_owned(),
                kind: PanelKind::Lines(Lines {
                    x: Axis::linear("jobs").within(0.0, f64::from(jobs)),
                    y: Axis::linear("caught, %").within(0.0, 100.0),
                    series: chances.collect(),
                }),
            },
            Panel {
                title: "Expected jobs until caught".to_owned(),
                kind: PanelKind::Lines(Lines {
                    x: Axis::linear("tampered steps m").within(0.0, f64::from(steps)),
                    y: Axis::log("jobs"),
                    series: vec![Series::line("", 0, expected.collect())],
                }),
            },
        ],
        columns: 2,
    }
}
