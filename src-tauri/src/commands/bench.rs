//! `infernet bench`.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use infernet_engine::noise::{NoiseStream, PortableNoise};
use infernet_engine::pipeline::{
    Branch, Control, GenerateRequest, VideoModel, cpu_kernels, estimated_peak_bytes, generate,
};
use serde::Serialize;

use super::device::{self, Choice, DeviceUse};
use super::loaded;
use crate::cli::BenchArgs;
use crate::failure::Result;
use crate::output;

/// Any prompt takes the same time.
const PROMPT: &str = "a red circle moving right on a white background";
/// Timestep of single evaluations.
const TIMESTEP: f64 = 500.0;

#[derive(Serialize)]
struct Report {
    model: String,
    what: &'static str,
    kernels: &'static str,
    threads: usize,
    width: usize,
    height: usize,
    frames: usize,
    steps: usize,
    load_seconds: f64,
    seconds: Vec<f64>,
    median_seconds: f64,
    /// Before the run, of a whole clip.
    estimated_peak_bytes: u64,
    #[serde(flatten)]
    device: DeviceUse,
}

pub(super) fn run(arguments: &BenchArgs) -> Result {
    let options = match device::resolve(&arguments.model.compute)? {
        Choice::Here(options) => options,
        Choice::Worker(worker) => return worker.run(),
    };
    let found = loaded::find(&arguments.model.model)?;
    let request = found.request(&arguments.size, PROMPT);
    request.check()?;
    let start = Instant::now();
    let model = found.load(&options)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let scheduler = found.scheduler(None)?;
    let mut once: Box<dyn FnMut() -> Result + '_> = if arguments.evaluations {
        evaluation(model.as_ref(), &request)?
    } else {
        Box::new(|| {
            let cancelled = AtomicBool::new(false);
            let mut control = Control {
                progress: &mut |_| {},
                cancelled: &cancelled,
                observer: None,
                initial_latent: None,
                step_noise: None,
            };
            generate(model.as_ref(), &scheduler, &request, &mut control)?;
            Ok(())
        })
    };
    once()?;
    let mut seconds = Vec::new();
    for _ in 0..arguments.runs {
        let start = Instant::now();
        once()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    drop(once);
    let mut sorted = seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let report = Report {
        model: arguments.model.model.clone(),
        what: if arguments.evaluations { "evaluation" } else { "clip" },
        kernels: cpu_kernels(),
        threads,
        width: request.width,
        height: request.height,
        frames: request.frames,
        steps: request.steps,
        load_seconds,
        median_seconds: sorted[sorted.len() / 2],
        seconds,
        estimated_peak_bytes: estimated_peak_bytes(found.dir.root(), &request, options.precision)?,
        device: DeviceUse::now(&options)?,
    };
    if arguments.json {
        return output::json(&report);
    }
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    output::line(&format!(
        "{} on {} in {}, {} threads, {} kernels, loaded in {load_seconds:.2} s",
        report.model, report.device.device, report.device.dtype, threads, report.kernels
    ))?;
    output::line(&format!(
        "one {} of {} frames {}x{}: {:.3} s ({least:.3} to {most:.3}, {} runs)",
        report.what,
        report.frames,
        report.width,
        report.height,
        report.median_seconds,
        sorted.len()
    ))?;
    let memory = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), output::bytes);
    let estimate = output::bytes(report.estimated_peak_bytes);
    output::line(&format!("peak memory: {} (estimated: {estimate})", memory(report.device.peak_memory_bytes)))?;
    if report.device.peak_vram_bytes.is_some() {
        output::line(&format!("peak VRAM: {}", memory(report.device.peak_vram_bytes)))?;
    }
    Ok(())
}

fn evaluation<'a>(model: &'a dyn VideoModel, request: &GenerateRequest) -> Result<Box<dyn FnMut() -> Result + 'a>> {
    let shape = model.latent_shape(request.width, request.height, request.frames)?;
    let text = model.encode_text(&request.prompt)?;
    let denoiser = model.denoiser(shape, &text, None)?;
    let sample = PortableNoise::new(0, NoiseStream::InitialLatent).vector(shape.elements());
    Ok(Box::new(move || {
        denoiser.evaluate(Branch::Conditional, &sample, TIMESTEP)?;
        Ok(())
    }))
}
