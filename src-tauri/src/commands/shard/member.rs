//! `infernet shard-member`: one member of a group of processes of this computer, connected over TCP.
//!
//! It prints the address that it listens at, reads the group's addresses, and works. Member 0 prints what was measured.

use std::io::BufRead;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use infernet_engine::pipeline::{Control, GenerateRequest, LoadOptions, Progress, VideoModel, generate};
use infernet_engine::sharding::collective::{Collective, Emulated, Link, StreamCollective, StreamOptions};
use infernet_engine::sharding::{GroupOptions, MemberReport, Traffic, lead, work};
use serde::{Deserialize, Serialize};

use crate::cli::ShardMemberArgs;
use crate::commands::loaded;
use crate::failure::{Failure, Result};
use crate::output;

/// How long members wait for each other to connect.
const CONNECT: Duration = Duration::from_secs(120);
const PROMPT: &str = "a red circle moving right on a white background";
/// Timestep of single evaluations.
const TIMESTEP: f64 = 500.0;

/// What a member prints first.
#[derive(Serialize, Deserialize)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
}

/// What a member reads then.
#[derive(Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) group: [u8; 32],
}

/// What member 0 prints at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) load_seconds: f64,
    /// Of every step, or of every evaluation (both branches where guidance is on).
    pub(super) step_seconds: Vec<f64>,
    /// Of everything after the last step.
    pub(super) decode_seconds: f64,
    /// During the steps.
    pub(super) members: Vec<MemberReport>,
    /// The most memory that each member held until the last step was done.
    pub(super) denoising_peak_bytes: Vec<Option<u64>>,
    /// And at the end, decoding included.
    pub(super) peak_bytes: Vec<Option<u64>>,
}

pub(in crate::commands) fn run(arguments: &ShardMemberArgs) -> Result {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    output::line(&serde_json::to_string(&Listening { address: listener.local_addr()? }).map_err(anyhow::Error::from)?)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let Group { addresses, group } =
        serde_json::from_str(&line).map_err(|error| Failure::input(format!("the group's addresses: {error}")))?;
    let options = StreamOptions { group, ..StreamOptions::default() };
    let until = Instant::now() + CONNECT;
    let streams = StreamCollective::over_tcp(arguments.rank, &listener, &addresses, options, until)?;
    let collective: Arc<dyn Collective> = match arguments.link.as_deref().map(link).transpose()?.flatten() {
        Some(link) => Arc::new(Emulated::new(streams, link)),
        None => Arc::new(streams),
    };
    let load = LoadOptions { threads: Some(usize::from(arguments.threads)), ..LoadOptions::default() };
    let options = GroupOptions { load, lean: arguments.lean, ..GroupOptions::default() };
    let found = loaded::find(&arguments.model)?;
    if arguments.rank > 0 {
        return Ok(work(found.dir.root(), &arguments.plan, &options, collective)?);
    }
    let start = Instant::now();
    let led = lead(found.dir.root(), &arguments.plan, &options, Arc::clone(&collective))?;
    let load_seconds = start.elapsed().as_secs_f64();
    let mut request = found.request(&arguments.size, PROMPT);
    request.guidance = arguments.guidance.unwrap_or(request.guidance);
    let mut measured = match arguments.evaluations {
        Some(count) => evaluations(led.model(), &request, count, arguments, &|| led.reports())?,
        None => clip(led.model(), &request, arguments, &found.scheduler(None)?, &|| led.reports())?,
    };
    measured.load_seconds = load_seconds;
    output::line(&serde_json::to_string(&measured).map_err(anyhow::Error::from)?)
}

/// A studied link by name.
pub(super) fn link(name: &str) -> Result<Option<Link>> {
    let known = Link::STUDIED.iter().find(|(known, _)| *known == name);
    known.map(|(_, link)| *link).ok_or_else(|| {
        let names: Vec<&str> = Link::STUDIED.iter().map(|(name, _)| *name).collect();
        Failure::input(format!("`{name}` is not a link; choose one of: {}", names.join("; ")))
    })
}

fn peaks(reports: &[MemberReport]) -> Vec<Option<u64>> {
    reports.iter().map(|report| report.peak_memory_bytes).collect()
}

fn since(now: &[MemberReport], before: &[MemberReport]) -> Vec<MemberReport> {
    let earlier = |rank: usize| before.get(rank).map_or_else(Traffic::default, |report| report.traffic);
    now.iter().map(|report| MemberReport { traffic: report.traffic.since(earlier(report.rank)), ..*report }).collect()
}

fn evaluations(
    model: &dyn VideoModel,
    request: &GenerateRequest,
    count: usize,
    arguments: &ShardMemberArgs,
    reports: &dyn Fn() -> Vec<MemberReport>,
) -> Result<Measured> {
    let shape = model.latent_shape(request.width, request.height, request.frames)?;
    let conditional = model.encode_text(&request.prompt)?;
    let unconditional = request.uses_guidance().then(|| model.encode_text("")).transpose()?;
    let denoiser = model.denoiser(shape, &conditional, unconditional.as_ref())?;
    let mut noise = vec![0.0; shape.elements()];
    infernet_engine::noise::PortableNoise::new(request.seed, infernet_engine::noise::NoiseStream::InitialLatent)
        .fill(0, &mut noise);
    let state = denoiser.begin(&noise)?;
    let once = || -> Result<Vec<f32>> {
        if unconditional.is_none() {
            return Ok(denoiser.evaluate(infernet_engine::pipeline::Branch::Conditional, &state, TIMESTEP)?);
        }
        let (mut with, without) = denoiser.evaluate_both(&state, TIMESTEP)?;
        with.extend(without);
        Ok(with)
    };
    // One that is not counted: it prepares the texts.
    let result = once()?;
    let before = reports();
    let mut step_seconds = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        if once()? != result {
            return Err(Failure::Failed(anyhow::anyhow!("the same evaluation gave two results")));
        }
        step_seconds.push(start.elapsed().as_secs_f64());
    }
    let after = reports();
    write(arguments, &result, &[])?;
    let members = since(&after, &before);
    let (denoising_peak_bytes, peak_bytes) = (peaks(&after), peaks(&after));
    Ok(Measured { load_seconds: 0.0, step_seconds, decode_seconds: 0.0, members, denoising_peak_bytes, peak_bytes })
}

fn clip(
    model: &dyn VideoModel,
    request: &GenerateRequest,
    arguments: &ShardMemberArgs,
    scheduler: &infernet_engine::schedulers::SchedulerConfig,
    reports: &dyn Fn() -> Vec<MemberReport>,
) -> Result<Measured> {
    let mut step_seconds = Vec::new();
    let mut last = Instant::now();
    let mut after = Vec::new();
    let mut progress = |progress| {
        if let Progress::Step { seconds, done, total } = progress {
            step_seconds.push(seconds);
            if done == total {
                after = reports();
                last = Instant::now();
            }
        }
    };
    let generated = generate(
        model,
        scheduler,
        request,
        &mut Control {
            progress: &mut progress,
            cancelled: &AtomicBool::new(false),
            observer: None,
            initial_latent: None,
            step_noise: None,
        },
    )?;
    let decode_seconds = last.elapsed().as_secs_f64();
    write(arguments, &generated.latents, &generated.frames)?;
    let (members, denoising_peak_bytes, peak_bytes) = (since(&after, &[]), peaks(&after), peaks(&reports()));
    Ok(Measured { load_seconds: 0.0, step_seconds, decode_seconds, members, denoising_peak_bytes, peak_bytes })
}

/// The latents as little-endian f32, then the frames as they are.
fn write(arguments: &ShardMemberArgs, latents: &[f32], frames: &[u8]) -> Result {
    let Some(path) = &arguments.out else { return Ok(()) };
    let mut bytes: Vec<u8> = latents.iter().flat_map(|x| x.to_le_bytes()).collect();
    bytes.extend(frames);
    Ok(infernet_engine::video::write_atomically(path, &bytes)?)
}
