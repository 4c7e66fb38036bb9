//! `infernet generate`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use infernet_engine::pipeline::{
    Control, GenerateRequest, Generated, LatentShape, LoadOptions, Observer, Progress, Step, TextStates, Trace,
    VideoModel, check_memory, generate, read_tensor,
};
use infernet_engine::sharding::{GroupOptions, Holding, MemberReport, Plan, VirtualGroup};
use infernet_engine::video::{self, Clip, gif, mp4, png, write_atomically};
use serde::Serialize;

use super::commit::{Commit, ProofReport};
use super::device::{self, Choice, DeviceUse};
use super::loaded::{self, Found};
use crate::cli::GenerateArgs;
use crate::failure::{Failure, Result};
use crate::files::{check_folder, check_new_file};
use crate::{interrupt, output, progress};

/// Longest part of a prompt in a file name.
const MAX_NAME_CHARS: usize = 48;

#[derive(Serialize)]
struct Report {
    clip: PathBuf,
    frames: usize,
    width: usize,
    height: usize,
    fps: f64,
    /// `None` where a challenge decides the noise.
    seed: Option<u64>,
    steps: usize,
    seconds: f64,
    model_digest: String,
    plan: Plan,
    /// Whether the clip has the bits of one machine's.
    exact: bool,
    /// What every member exchanged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberReport>,
    #[serde(flatten)]
    device: DeviceUse,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofReport>,
}

pub(super) fn run(arguments: &GenerateArgs) -> Result {
    let options = match device::resolve(&arguments.model.compute)? {
        Choice::Here(options) => options,
        Choice::Worker(worker) => return worker.run(),
    };
    let start = Instant::now();
    let found = loaded::find(&arguments.model.model)?;
    let request = request(arguments, &found);
    request.check()?;
    let frames_per_second = arguments.fps.unwrap_or(found.defaults.frames_per_second);
    let frame_rate =
        video::FrameRate::nearest(frames_per_second).map_err(|error| Failure::input(format!("--fps: {error}")))?;
    if request.prompt.trim().is_empty() {
        eprintln!("warning: the prompt is empty; the model makes whatever it likes");
    }
    let scheduler = found.scheduler(arguments.scheduler.as_deref())?;
    let initial_latent =
        arguments.noise.as_deref().map(|path| read_tensor(path, "noise")).transpose()?.map(|(_, values)| values);
    let clip_path = arguments.out.clone().unwrap_or_else(|| default_name(&request));
    check_outputs(arguments, &clip_path)?;
    arguments.plan.check_clip(request.frames, request.uses_guidance())?;
    if arguments.prove.is_some() && !arguments.plan.is_exact() {
        return Err(Failure::input(
            "--prove needs an exact plan: who audits the run computes every step whole; leave `window=` out".to_owned(),
        ));
    }
    // The estimate is of a model that is all in memory.
    if arguments.plan.weights != Holding::Streamed {
        check_memory(found.dir.root(), &request, options.precision, device::free_memory_bytes(&options)?)?;
    }

    let interrupted = interrupt::flag();
    let model = Runner::load(&found, &arguments.plan, &options)?;
    let mut trace = arguments.trace.is_some().then(Trace::default);
    let mut bars = Bars::new(arguments.json);
    let mut commit = match arguments.prove {
        Some(_) => Some(Commit::new(&found, model.model(), &request, &scheduler, frame_rate, arguments.challenge)?),
        None => None,
    };
    let initial_latent = commit.as_ref().map(Commit::noise).or(initial_latent);
    let step_noise = commit.as_ref().map(Commit::step_noise);
    let mut observers = Observers(
        [
            trace.as_mut().map(|trace| trace as &mut dyn Observer),
            commit.as_mut().map(|commit| commit.recorder() as &mut dyn Observer),
        ]
        .into_iter()
        .flatten()
        .collect(),
    );
    let result = generate(
        model.model(),
        &scheduler,
        &request,
        &mut Control {
            progress: &mut |progress| bars.show(progress),
            cancelled: &interrupted,
            observer: Some(&mut observers),
            initial_latent,
            step_noise,
        },
    );
    bars.finish();
    let generated = result?;
    if generated.prompt_truncated {
        eprintln!("warning: the prompt is longer than the model reads; its end was cut off");
    }
    let mp4 = write(arguments, &clip_path, &request, frames_per_second, generated, trace)?;
    let proof = match (commit, &arguments.prove) {
        (Some(commit), Some(path)) => Some(commit.finish(mp4, path)?),
        _ => None,
    };
    let report = Report {
        clip: clip_path,
        frames: request.frames,
        width: request.width,
        height: request.height,
        fps: frames_per_second,
        seed: arguments.prove.is_none().then_some(request.seed),
        steps: request.steps,
        seconds: start.elapsed().as_secs_f64(),
        model_digest: found.digest()?,
        plan: arguments.plan.clone(),
        exact: arguments.plan.is_exact(),
        members: model.reports(),
        device: DeviceUse::now(&options)?,
        proof,
    };
    if arguments.json {
        return output::json(&report);
    }
    let seed = report.seed.map_or_else(|| "noise of the challenge".to_owned(), |seed| format!("seed {seed}"));
    output::line(&format!(
        "{}: {} frames of {}x{}, {seed}, {:.1} s",
        report.clip.display(),
        report.frames,
        report.width,
        report.height,
        report.seconds
    ))?;
    for member in &report.members {
        let traffic = member.traffic;
        output::line(&format!(
            "member {}: sent {}, received {}, {} rounds, waited {:.1} s",
            member.rank,
            output::bytes(traffic.bytes_sent),
            output::bytes(traffic.bytes_received),
            traffic.rounds,
            traffic.waited().as_secs_f64()
        ))?;
    }
    match &report.proof {
        Some(proof) => output::line(&format!(
            "{}: committed to {} leaves, root {}; keep it private and open it with: infernet reveal {} --out BUNDLE",
            proof.file.display(),
            proof.leaves,
            proof.root,
            proof.file.display()
        )),
        None => Ok(()),
    }
}

/// One machine, or a group of threads.
enum Runner {
    Solo(Box<dyn VideoModel>),
    Group(Box<VirtualGroup>),
}

impl Runner {
    fn load(found: &Found, plan: &Plan, options: &LoadOptions) -> Result<Self> {
        if *plan == Plan::solo() {
            return Ok(Runner::Solo(found.load(options)?));
        }
        let options = GroupOptions { load: options.clone(), ..GroupOptions::default() };
        Ok(Runner::Group(Box::new(VirtualGroup::load(found.dir.root(), plan, &options)?)))
    }

    fn model(&self) -> &dyn VideoModel {
        match self {
            Runner::Solo(model) => model.as_ref(),
            Runner::Group(group) => group.model(),
        }
    }

    fn reports(&self) -> Vec<MemberReport> {
        match self {
            Runner::Solo(_) => Vec::new(),
            Runner::Group(group) => group.reports(),
        }
    }
}

fn request(arguments: &GenerateArgs, found: &Found) -> GenerateRequest {
    let usual = found.request(&arguments.size, &arguments.prompt);
    GenerateRequest {
        negative_prompt: arguments.negative.clone(),
        guidance: arguments.guidance.unwrap_or(usual.guidance),
        seed: arguments.seed.unwrap_or_else(random_seed),
        ..usual
    }
}

/// A seed that people can type again; nothing secret depends on it.
fn random_seed() -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    (nanos ^ (u128::from(std::process::id()) << 17)) as u64 % 1_000_000_000
}

fn default_name(request: &GenerateRequest) -> PathBuf {
    let words = request.prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words.collect::<Vec<_>>().join("-").to_lowercase().chars().take(MAX_NAME_CHARS).collect();
    if name.is_empty() {
        name.push_str("clip");
    }
    PathBuf::from(format!("{name}-{}.mp4", request.seed))
}

/// Refuses before the work what could not be written after it.
fn check_outputs(arguments: &GenerateArgs, clip: &Path) -> Result {
    let files = [Some(clip), arguments.gif.as_deref(), arguments.trace.as_deref(), arguments.prove.as_deref()];
    for path in files.into_iter().flatten() {
        check_new_file(path, arguments.force)?;
    }
    if let Some(folder) = &arguments.frames_dir {
        if folder.exists() {
            return Err(Failure::input(format!("{} exists; choose a new folder for the frames", folder.display())));
        }
        check_folder(folder)?;
    }
    Ok(())
}

/// Writes what was asked for; returns the MP4 file's bytes.
fn write(
    arguments: &GenerateArgs,
    clip_path: &Path,
    request: &GenerateRequest,
    frames_per_second: f64,
    generated: Generated,
    trace: Option<Trace>,
) -> Result<Vec<u8>> {
    let clip = Clip::new(request.width as u32, request.height as u32, frames_per_second, generated.frames)?;
    let file = mp4::encode(&clip, &mp4::EncodeOptions::default())?;
    write_atomically(clip_path, &file)?;
    if let Some(path) = &arguments.gif {
        write_atomically(path, &gif::encode(&clip, &gif::GifOptions::default())?)?;
    }
    if let Some(folder) = &arguments.frames_dir {
        png::write_frames(&clip, folder)?;
    }
    if let (Some(path), Some(trace)) = (&arguments.trace, trace) {
        let parameters = serde_json::to_string(request).map_err(anyhow::Error::from)?;
        let metadata = HashMap::from([
            ("format".to_owned(), "infernet trace 1".to_owned()),
            ("request".to_owned(), parameters),
            ("frames_per_second".to_owned(), frames_per_second.to_string()),
            ("scheduler".to_owned(), arguments.scheduler.clone().unwrap_or_default()),
        ]);
        write_atomically(path, &trace.to_safetensors(metadata)?)?;
    }
    Ok(file)
}

/// Several observers of one run.
struct Observers<'a>(Vec<&'a mut dyn Observer>);

impl Observer for Observers<'_> {
    fn text(&mut self, conditional: &TextStates, unconditional: Option<&TextStates>) {
        self.0.iter_mut().for_each(|observer| observer.text(conditional, unconditional));
    }
    fn noise(&mut self, noise: &[f32], shape: LatentShape) {
        self.0.iter_mut().for_each(|observer| observer.noise(noise, shape));
    }
    fn step(&mut self, step: Step<'_>) {
        self.0.iter_mut().for_each(|observer| observer.step(step));
    }
    fn final_state(&mut self, state: &[f32]) {
        self.0.iter_mut().for_each(|observer| observer.final_state(state));
    }
    fn frames(&mut self, pixels: &[u8], size: [usize; 3]) {
        self.0.iter_mut().for_each(|observer| observer.frames(pixels, size));
    }
}

/// The bar of the stage that runs.
struct Bars {
    quiet: bool,
    bar: Option<indicatif::ProgressBar>,
    stage: &'static str,
}

impl Bars {
    fn new(quiet: bool) -> Self {
        Self { quiet, bar: None, stage: "" }
    }

    fn stage(&mut self, stage: &'static str, total: usize) -> &indicatif::ProgressBar {
        if self.stage != stage {
            self.finish();
            self.stage = stage;
        }
        self.bar.get_or_insert_with(|| {
            let bar = progress::steps(total as u64, self.quiet);
            bar.set_prefix(stage);
            bar
        })
    }

    fn show(&mut self, progress: Progress) {
        match progress {
            Progress::EncodingText => {}
            Progress::Step { done, total, seconds } => {
                let bar = self.stage("denoising", total);
                bar.set_position(done as u64);
                let left = seconds * (total - done) as f64;
                bar.set_message(format!("{seconds:.2} s a step, {left:.0} s left"));
            }
            Progress::Decoding { done, total } => self.stage("decoding", total).set_position(done as u64),
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let mut request = GenerateRequest {
            prompt: "A red circle, moving/right: ../x".to_owned(),
            negative_prompt: String::new(),
            width: 8,
            height: 8,
            frames: 1,
            steps: 1,
            guidance: 1.0,
            seed: 7,
        };
        assert_eq!(default_name(&request), Path::new("a-red-circle-moving-right-x-7.mp4"));
        request.prompt = "?!".to_owned();
        assert_eq!(default_name(&request), Path::new("clip-7.mp4"));
    }
}
