//! `infernet calibrate`.

use std::sync::atomic::AtomicBool;

use infernet_adversary::{Bits, Variant, Workshop};
use infernet_engine::pipeline::{GenerateRequest, LoadOptions, Precision, TensorDevice, VideoModel};
use infernet_engine::video::{FrameRate, mp4};
use infernet_network::inference::{Calibration, ModelAuditor, RunOptions, bounds, run_job};
use infernet_network::proof::{Digest, Evidence, PairTolerance, PromptOpening, ToleranceTable};
use serde::Serialize;

use super::exchange;
use super::loaded::{self, Found};
use crate::cli::CalibrateArgs;
use crate::failure::{Failure, Result};
use crate::{interrupt, output, progress};
use infernet_node::bounds::Bounds;

/// Prompts of the runs: ordinary, empty and long ones.
const PROMPTS: [&str; 6] = [
    "a red circle moving right on a white background",
    "a blue star growing on a navy background",
    "a yellow triangle moving up on a black background",
    "",
    "a photograph of a forest in the morning, fog between the trees, cinematic, 4k, highly detailed, slow camera movement",
    "a purple square shrinking on a grey background",
];

#[derive(Serialize)]
struct Report {
    written: Option<std::path::PathBuf>,
    runs: u16,
    tables: Vec<ToleranceTable>,
}

struct Ran {
    evidence: Evidence,
    opening: PromptOpening,
}

pub(super) fn run(arguments: &CalibrateArgs) -> Result {
    let found = loaded::find(&arguments.model)?;
    let interrupted = interrupt::flag();
    let mut precisions: Vec<Precision> = Vec::new();
    for &dtype in &arguments.dtypes {
        if !precisions.contains(&dtype.into()) {
            precisions.push(dtype.into());
        }
    }
    let pairs = precisions.len() * precisions.len();
    let bar = progress::steps((pairs * usize::from(arguments.runs)) as u64, arguments.json);
    let scratch = tempfile::tempdir()?;
    let workshop = Workshop::new(found.dir.root(), scratch.path(), LoadOptions::default());
    let mut tables = Vec::new();
    for &miner in &precisions {
        bar.set_prefix(format!("{} miner", miner.name()));
        let digest = found.proof_digest(miner)?;
        let model = load(&found, miner)?;
        let runs = recorded(arguments, &found, model.as_ref(), digest, arguments.runs, &interrupted)?;
        // The subtlest cheat that saves anything: what remains of its error must be told from honest errors.
        let int8 =
            workshop.model(Variant::Integers(Bits::Eight), miner).map_err(|error| Failure::Failed(error.into()))?;
        let [cheat] = recorded(arguments, &found, int8.as_ref(), digest, 1, &interrupted)?
            .try_into()
            .map_err(|_| Failure::Failed(anyhow::anyhow!("one run was asked for")))?;
        let mut pairs = Vec::new();
        for &validator in &precisions {
            bar.set_message(format!("{} validator", validator.name()));
            let model = load(&found, validator)?;
            let mut auditor = ModelAuditor::new(model.as_ref(), digest);
            let mut honest = Calibration::default();
            for run in &runs {
                honest
                    .measure(&run.evidence, &run.opening, &mut auditor)
                    .map_err(|error| Failure::Failed(error.into()))?;
                bar.inc(1);
            }
            let mut cheap = Calibration::default();
            cheap
                .measure(&cheat.evidence, &cheat.opening, &mut auditor)
                .map_err(|error| Failure::Failed(error.into()))?;
            pairs.push(
                bounds(miner, validator, &honest, &[cheap.smallest()])
                    .map_err(|error| Failure::Failed(error.into()))?,
            );
        }
        tables.push(ToleranceTable { model: digest, pairs });
    }
    bar.finish_and_clear();
    let measured = format!(
        "infernet {} calibrate: {} runs per number format on {}",
        env!("CARGO_PKG_VERSION"),
        arguments.runs,
        std::env::consts::ARCH
    );
    let bounds = Bounds::new(measured, tables);
    let written = if arguments.dry_run { None } else { Some(bounds.write(found.dir.root())?) };
    let report = Report { written, runs: arguments.runs, tables: bounds.tables };
    if arguments.json {
        return output::json(&report);
    }
    for pair in report.tables.iter().flat_map(|table| &table.pairs) {
        show(pair)?;
    }
    match &report.written {
        Some(path) => output::line(&format!("written to {}", path.display())),
        None => Ok(()),
    }
}

fn load(found: &Found, precision: Precision) -> Result<Box<dyn VideoModel>> {
    found.load(&LoadOptions { device: TensorDevice::Cpu, precision, threads: None })
}

/// Runs of `model`, recorded as a miner does.
fn recorded(
    arguments: &CalibrateArgs,
    found: &Found,
    model: &dyn VideoModel,
    digest: Digest,
    runs: u16,
    cancelled: &AtomicBool,
) -> Result<Vec<Ran>> {
    let precision = model.precision();
    let scheduler = found.scheduler(None)?;
    let rate = FrameRate::nearest(found.defaults.frames_per_second)?;
    let (miner, validator) = (exchange::new_key()?, exchange::new_key()?);
    let mut ran = Vec::new();
    for index in 0..usize::from(runs) {
        let request: GenerateRequest = found.request(&arguments.size, PROMPTS[index % PROMPTS.len()]);
        let latent = model.latent_shape(request.width, request.height, request.frames)?;
        let (job, opening) = exchange::job(&request, digest, latent, precision, scheduler.clone(), rate, &validator)?;
        let challenge = exchange::challenge(&job, &miner, &validator, exchange::random()?)?;
        let mut options =
            RunOptions { progress: &mut |_| {}, cancelled, encoding: mp4::EncodeOptions::default(), preview: None };
        let evidence = run_job(model, &job, &opening, &challenge, &mut options)?;
        ran.push(Ran { evidence, opening });
    }
    Ok(ran)
}

fn show(pair: &PairTolerance) -> Result {
    output::line(&format!("{} miner, {} validator", pair.miner.name(), pair.validator.name()))?;
    if let Some(reason) = &pair.refused {
        output::line(&format!("  REFUSED: {reason}"))?;
    }
    for bin in &pair.bins {
        let below = bin.sigma_below.map_or_else(|| "above".to_owned(), |end| format!("below {end}"));
        output::line(&format!(
            "  noise level {below:10} bound {:.1e} (worst frame {:.1e}); honest median {:.1e}, largest {:.1e} of {}",
            bin.whole_bound, bin.worst_frame_bound, bin.honest_whole[0], bin.honest_whole[2], bin.honest_evaluations
        ))?;
    }
    output::line(&format!(
        "  frames at least {:.1} dB, the clip's worst block within {:.1} levels ({} frames)",
        pair.frame_psnr_db, pair.clip_block_rms, pair.honest_frames
    ))
}
