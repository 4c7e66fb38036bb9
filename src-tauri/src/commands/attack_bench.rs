//! `infernet attack-bench`: honest and cheating miners, audited many times.

use std::collections::BTreeMap;

use infernet_adversary::{Attack, Exchange, Kind, Parameters, Rate, Remembered, Setting, Workshop};
use infernet_economics::parameters::{NetworkParameters, TypicalJob};
use infernet_economics::stake::{JobTerms, required_stake};
use infernet_engine::pipeline::{LoadOptions, Precision, TensorDevice, VideoModel};
use infernet_engine::video::FrameRate;
use infernet_network::inference::ModelAuditor;
use infernet_network::proof::{AuditPolicy, Check, Committed, JobSpec, ToleranceTable, audit};
use serde::Serialize;

use super::loaded::{self, Found};
use crate::cli::AttackBenchArgs;
use crate::failure::{Failure, Result};
use crate::{interrupt, output, progress};
use infernet_node::bounds::Bounds;

/// What one validator remembers of a run.
const MEMORY_BYTES: usize = 256 << 20;
const PROMPTS: [&str; 4] = [
    "a red circle moving right on a white background",
    "a blue star growing on a navy background",
    "a green triangle moving up on a black background",
    "a purple square shrinking on a grey background",
];

#[derive(Serialize)]
struct Report {
    model_digest: String,
    steps: u32,
    checked_steps: u32,
    trust_per_mille: u32,
    runs: u16,
    honest: Vec<HonestRow>,
    attacks: Vec<AttackRow>,
    /// Value of honest work, in fees.
    honest_value: f64,
    /// Stake that the default economics asks for, in fees.
    required_stake: f64,
}

#[derive(Serialize)]
struct HonestRow {
    miner: &'static str,
    validator: &'static str,
    /// Why this pair is not audited.
    refused: Option<String>,
    audits: u64,
    rejected: u64,
    /// Model evaluations really made, each judged by many audits.
    distinct_evaluations: u64,
    largest_error_over_bound: f64,
}

#[derive(Serialize)]
struct AttackRow {
    attack: &'static str,
    /// Number format of miner and validator.
    dtype: &'static str,
    description: &'static str,
    kind: &'static str,
    /// Share of the work that is not done: evaluations, or parameters or weight bytes of a cheaper model.
    work_saved: f64,
    tampered_steps: usize,
    audits: u64,
    detected: u64,
    detection: f64,
    detection_interval: (f64, f64),
    /// By the formula, for these terms.
    expected_detection: f64,
    /// Of the audits that drew what is wrong.
    detected_when_drawn: u64,
    drawn: u64,
    checks: BTreeMap<&'static str, u64>,
    smallest_error_over_bound: Option<f64>,
    /// Per job, in fees, with the default economics.
    expected_value: f64,
}

/// What every audit here has in common.
struct Bench<'a> {
    arguments: &'a AttackBenchArgs,
    found: &'a Found,
    table: ToleranceTable,
    parameters: Vec<Parameters>,
    bar: indicatif::ProgressBar,
}

pub(super) fn run(arguments: &AttackBenchArgs) -> Result {
    let found = loaded::find(&arguments.model)?;
    let interrupted = interrupt::flag();
    let attacks = attacks(&arguments.attacks)?;
    let digest = found.proof_digest(Precision::F32)?;
    let table = Bounds::of_model(found.dir.root(), &digest)?;
    let scheduler = found.scheduler(arguments.scheduler.as_deref())?;
    let rate = FrameRate::nearest(found.defaults.frames_per_second)?;
    let parameters: Vec<Parameters> = PROMPTS
        .iter()
        .map(|prompt| {
            let request = found.request(&arguments.size, prompt);
            Parameters {
                prompt: request.prompt,
                negative_prompt: "a yellow star".to_owned(),
                // Sizes of a request are far below u32::MAX.
                width: request.width as u32,
                height: request.height as u32,
                frames: request.frames as u32,
                frame_rate: rate.into(),
                steps: request.steps as u32,
                guidance: request.guidance,
                scheduler: scheduler.clone(),
            }
        })
        .collect();
    let dtypes = arguments.dtypes.len();
    let bar = progress::steps((attacks.len() * dtypes + dtypes * dtypes) as u64, arguments.json);
    let bench = Bench { arguments, found: &found, table, parameters, bar };
    let honest = bench.honest()?;
    let scratch = tempfile::tempdir()?;
    let workshop = Workshop::new(found.dir.root(), scratch.path(), LoadOptions::default());
    let mut rows = Vec::new();
    for &dtype in &arguments.dtypes {
        let model = bench.load(dtype.into(), None)?;
        for attack in &attacks {
            if interrupted.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            bench.bar.set_prefix(attack.name());
            match bench.attack(attack, model.as_ref(), &workshop)? {
                Ok(row) => rows.push(row),
                Err(why) => bench.bar.suspend(|| eprintln!("skipped {}: {why}", attack.name())),
            }
            bench.bar.inc(1);
        }
    }
    bench.bar.finish_and_clear();
    let exchange = bench.exchange(bench.load(Precision::F32, None)?.as_ref(), 0)?;
    let money = Money::new(&exchange.job, arguments.trust)?;
    let report = Report {
        model_digest: digest.to_string(),
        steps: exchange.job.steps,
        checked_steps: exchange.terms().steps,
        trust_per_mille: arguments.trust,
        runs: arguments.runs,
        honest,
        attacks: rows,
        honest_value: money.honest(),
        required_stake: money.stake / money.terms.fee,
    };
    if arguments.json { output::json(&report) } else { show(&report) }
}

fn attacks(names: &[String]) -> Result<Vec<Attack>> {
    if names.is_empty() {
        return Ok(Attack::all());
    }
    names.iter().map(|name| name.parse().map_err(|error| Failure::Input(anyhow::Error::new(error)))).collect()
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Failed(error.into())
}

impl Bench<'_> {
    fn load(&self, precision: Precision, threads: Option<usize>) -> Result<Box<dyn VideoModel>> {
        self.found.load(&LoadOptions { device: TensorDevice::Cpu, precision, threads })
    }

    /// Run `number`'s exchange, under the default policy for a miner of the trust asked for.
    fn exchange(&self, model: &dyn VideoModel, number: u64) -> Result<Exchange> {
        let digest = self.found.proof_digest(model.precision())?;
        let parameters = &self.parameters[number as usize % self.parameters.len()];
        let exchange = Exchange::new(self.arguments.seed + number, model, digest, parameters).map_err(failed)?;
        let table = self.table_for(model.precision())?;
        exchange.with_audits(AuditPolicy::default(), self.arguments.trust, table.digest()).map_err(failed)
    }

    fn table_for(&self, miner: Precision) -> Result<ToleranceTable> {
        match miner {
            Precision::F32 => Ok(self.table.clone()),
            other => Ok(Bounds::of_model(self.found.dir.root(), &self.found.proof_digest(other)?)?),
        }
    }

    /// Honest miners in every number format, with one thread and with all, before every validator.
    fn honest(&self) -> Result<Vec<HonestRow>> {
        let precisions: Vec<Precision> = self.arguments.dtypes.iter().map(|&dtype| dtype.into()).collect();
        let pairs = (precisions.len() * precisions.len()) as u64;
        let audits_per_run = u64::from(self.arguments.honest_audits).div_ceil(pairs * u64::from(self.arguments.runs));
        let mut rows = Vec::new();
        for &miner in &precisions {
            let table = self.table_for(miner)?;
            let digest = self.found.proof_digest(miner)?;
            let mut runs = Vec::new();
            for number in 0..u64::from(self.arguments.runs) {
                self.bar.set_prefix(format!("honest {}", miner.name()));
                let threads = if number % 2 == 0 { None } else { Some(1) };
                let model = self.load(miner, threads)?;
                let exchange = self.exchange(model.as_ref(), number)?;
                // An honest run is no attack: nothing is made in the scratch folder.
                let workshop = Workshop::new(self.found.dir.root(), std::env::temp_dir(), LoadOptions::default());
                let evidence = Setting::new(&exchange, model.as_ref(), &workshop).honest_run().map_err(failed)?.clone();
                let committed = exchange.commit(evidence).map_err(failed)?;
                runs.push((exchange, committed));
            }
            for &validator in &precisions {
                let mut row = HonestRow {
                    miner: miner.name(),
                    validator: validator.name(),
                    refused: table.pair(&digest, miner, validator).err().map(|error| error.to_string()),
                    audits: 0,
                    rejected: 0,
                    distinct_evaluations: 0,
                    largest_error_over_bound: 0.0,
                };
                if row.refused.is_none() {
                    let model = self.load(validator, None)?;
                    let mut auditor = Remembered::new(ModelAuditor::new(model.as_ref(), digest), MEMORY_BYTES);
                    for (exchange, committed) in &runs {
                        for number in 0..audits_per_run {
                            let bundle = exchange.bundle(committed, number).map_err(failed)?;
                            let verdict = audit(&bundle, &table, &mut auditor).map_err(failed)?.verdict;
                            row.audits += 1;
                            row.rejected += u64::from(!verdict.accepted());
                            for check in &verdict.checks {
                                let of_model = matches!(check.check, Check::ModelOutput | Check::ModelOutputWorstFrame);
                                if let (true, Some(error), Some(bound)) = (of_model, check.error, check.bound) {
                                    row.largest_error_over_bound = row.largest_error_over_bound.max(error / bound);
                                }
                            }
                        }
                    }
                    row.distinct_evaluations = auditor.evaluations_made();
                }
                rows.push(row);
                self.bar.inc(1);
            }
        }
        Ok(rows)
    }

    /// One attack; the inner error says why it means nothing for this job.
    fn attack(
        &self,
        attack: &Attack,
        model: &dyn VideoModel,
        workshop: &Workshop,
    ) -> Result<std::result::Result<AttackRow, String>> {
        let digest = self.found.proof_digest(model.precision())?;
        let table = self.table_for(model.precision())?;
        let pair = table.pair(&digest, model.precision(), model.precision()).map_err(failed)?;
        let (mut detected, mut when_drawn) = (Rate::default(), Rate::default());
        let mut checks = BTreeMap::new();
        let mut smallest: Option<f64> = None;
        let mut expected = 0.0;
        let mut last = None;
        for number in 0..u64::from(self.arguments.runs) {
            let exchange = self.exchange(model, number)?;
            if let Err(why) = attack.applies_to(&exchange.job) {
                return Ok(Err(why.to_string()));
            }
            let mut setting = Setting::new(&exchange, model, workshop);
            setting.bounds = Some(pair);
            let evidence = attack.run(&setting).map_err(failed)?.evidence;
            let committed = exchange.commit(evidence).map_err(failed)?;
            let mut auditor = Remembered::new(ModelAuditor::new(model, digest), MEMORY_BYTES);
            let tampered = attack.tampered_steps(&exchange.job);
            for audit_number in 0..u64::from(self.arguments.audits) {
                let bundle = exchange.bundle(&committed, audit_number).map_err(failed)?;
                let verdict = audit(&bundle, &table, &mut auditor).map_err(failed)?.verdict;
                detected.add(!verdict.accepted());
                if shows(attack, &exchange, &committed, audit_number, &tampered)? {
                    when_drawn.add(!verdict.accepted());
                }
                if let Some(failure) = verdict.failure() {
                    *checks.entry(failure.check.name()).or_insert(0) += 1;
                }
                let ratios = verdict.checks.iter().filter_map(|row| match (row.leaf, row.error, row.bound) {
                    // The first measure of a step decides; the worst frame's is looked at when the whole passes.
                    (Some(leaf), Some(error), Some(bound))
                        if row.check == Check::ModelOutput && tampered.contains(&leaf) =>
                    {
                        Some(error / bound)
                    }
                    _ => None,
                });
                smallest = ratios.chain(smallest).min_by(f64::total_cmp);
            }
            expected = attack.detection(&exchange.job, exchange.terms());
            last = Some((exchange.job.clone(), tampered.len()));
        }
        let Some((job, tampered_steps)) = last else { return Ok(Err("no run was asked for".to_owned())) };
        let savings = attack.variant().map(|variant| workshop.savings(variant)).transpose().map_err(failed)?.flatten();
        let work_saved = savings.map_or(0.0, |savings| savings.parameter_share().max(savings.weight_share()));
        let work_saved = work_saved.max(attack.evaluations_saved(&job));
        let money = Money::new(&job, self.arguments.trust)?;
        Ok(Ok(AttackRow {
            attack: attack.name(),
            dtype: model.precision().name(),
            description: attack.description(),
            kind: match attack.kind() {
                Kind::Structural => "structural",
                Kind::Substitution => "substitution",
                Kind::Delivery => "delivery",
                Kind::Steering => "steering",
            },
            work_saved,
            tampered_steps,
            audits: detected.of,
            detected: detected.hits,
            detection: detected.share(),
            detection_interval: detected.interval(),
            expected_detection: expected,
            detected_when_drawn: when_drawn.hits,
            drawn: when_drawn.of,
            checks,
            smallest_error_over_bound: smallest,
            expected_value: money.value(detected.share(), work_saved),
        }))
    }
}

/// Whether what is wrong with a run lies in what an audit draws.
fn shows(attack: &Attack, exchange: &Exchange, committed: &Committed, number: u64, tampered: &[u32]) -> Result<bool> {
    Ok(match attack.kind() {
        Kind::Structural | Kind::Delivery => true,
        Kind::Steering => false,
        Kind::Substitution => {
            let draw = exchange.draw(committed, number).map_err(failed)?;
            draw.steps.iter().any(|step| tampered.contains(step))
        }
    })
}

/// The default economics for a job.
struct Money {
    terms: JobTerms,
    stake: f64,
    slashed: f64,
}

impl Money {
    fn new(job: &JobSpec, trust_per_mille: u32) -> Result<Self> {
        let typical = TypicalJob { steps: job.steps, ..TypicalJob::default() };
        let terms = JobTerms::of_network(&NetworkParameters::default(), &typical, f64::from(trust_per_mille) / 1000.0);
        let required = required_stake(&terms).map_err(failed)?;
        Ok(Self { terms, stake: required.stake, slashed: required.slashed })
    }

    fn cost(&self) -> f64 {
        self.terms.cost_per_step * f64::from(self.terms.steps) + self.terms.settlement
    }

    /// Of a job, in fees, when `detection` of the audits catch it and `saved` of the work is not done.
    fn value(&self, detection: f64, saved: f64) -> f64 {
        let kept = (1.0 - detection) * self.terms.fee - detection * self.slashed;
        (kept - self.cost() * (1.0 - saved)) / self.terms.fee
    }

    fn honest(&self) -> f64 {
        self.value(0.0, 0.0)
    }
}

fn show(report: &Report) -> Result {
    output::line(&format!(
        "{} steps, {} checked (trust {} of 1000), {} runs",
        report.steps, report.checked_steps, report.trust_per_mille, report.runs
    ))?;
    output::line(
        "\nhonest miner / validator   rejected        at most (95 %)  distinct evaluations  largest error / bound",
    )?;
    for row in &report.honest {
        let pair = format!("{} / {}", row.miner, row.validator);
        if let Some(why) = &row.refused {
            output::line(&format!("{pair:26} refused: {why}"))?;
            continue;
        }
        // No rejection among n: the rule of three.
        let at_most =
            if row.rejected == 0 { format!("3/n = {:.2} %", 300.0 / row.audits as f64) } else { String::new() };
        output::line(&format!(
            "{pair:26} {:15} {at_most:15} {:20}  {:.3}",
            format!("{} of {}", row.rejected, row.audits),
            row.distinct_evaluations,
            row.largest_error_over_bound
        ))?;
    }
    output::line(
        "\nattack                           saved  detected of audits (95 %)               formula  when drawn    error / bound  value",
    )?;
    for row in &report.attacks {
        let rate = Rate { hits: row.detected, of: row.audits };
        let error = row.smallest_error_over_bound.map_or_else(String::new, |ratio| format!("{ratio:.1}"));
        let caught_by = row.checks.keys().copied().collect::<Vec<_>>().join(", ");
        output::line(&format!(
            "{:31} {:5.0} %  {:38} {:6.1} %  {:12} {error:>14} {:6.2}  {caught_by}",
            format!("{} {}", row.attack, row.dtype),
            100.0 * row.work_saved,
            rate.to_string(),
            100.0 * row.expected_detection,
            format!("{}/{}", row.detected_when_drawn, row.drawn),
            row.expected_value
        ))?;
    }
    output::line(&format!(
        "\nvalue: of a job in fees, default economics, stake {:.1} fees; honest work is worth {:.2}",
        report.required_stake, report.honest_value
    ))
}
