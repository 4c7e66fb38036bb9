//! The leader: a group as a [`VideoModel`], so that everything that can run a model can run a group.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::collective::{Bound, Channel, Collective, Traffic};
use super::cut::even;
use super::error::{CollectiveError, PlanError};
use super::layout::{put_frames, take_frames};
use super::member::{Job, Member, state_ranges};
use super::message::{Answer, Command, decode, encode, encode_bytes, numbers};
use super::plan::{Place, Plan, Spread};
use super::window::Windowed;
use crate::backend::Backend;
use crate::devices::peak_memory_bytes;
use crate::error::{EngineError, Result};
use crate::models::clip_text::{ClipText, ClipTextConfig, ClipTokenizer};
use crate::models::unet3d::UNet3DConfig;
use crate::models::vae::VaeConfig;
use crate::pipeline::{Branch, Denoiser, LatentShape, Precision, TextStates, VideoModel, shape_of, working_values};
use crate::weights::Weights;

/// The text encoder, or where to load it from when it is needed.
pub(crate) enum TextEncoder {
    Loaded(Box<ClipText>),
    OnDemand { folder: std::path::PathBuf, config: ClipTextConfig },
}

/// What a member has done in a step, as the leader learned it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Who.
    pub rank: usize,
    /// What it exchanged since it joined.
    pub traffic: Traffic,
    /// The most memory its process has held; for members that are threads, of all together.
    pub peak_memory_bytes: Option<u64>,
}

/// A model that a group runs, led from here.
pub(crate) struct GroupModel<B: Backend + Clone> {
    pub(crate) member: Member<B>,
    pub(crate) tokenizer: ClipTokenizer,
    pub(crate) text: TextEncoder,
    pub(crate) text_config: ClipTextConfig,
    pub(crate) unet_config: UNet3DConfig,
    pub(crate) vae_config: VaeConfig,
    pub(crate) precision: Precision,
    /// Threads of the other members, where they are threads of this process.
    pub(crate) virtual_members: Vec<std::thread::JoinHandle<()>>,
    /// Newest report of every member; held while the group works, since it does one thing at a time.
    pub(crate) reports: Arc<Mutex<Vec<MemberReport>>>,
}

impl<B: Backend + Clone> GroupModel<B> {
    fn collective(&self) -> &dyn Collective {
        self.member.collective.as_ref()
    }

    fn plan(&self) -> &Plan {
        &self.member.plan
    }

    fn until(&self) -> Instant {
        Instant::now() + self.member.timeout
    }

    fn tell(&self, rank: usize, message: Vec<u8>) -> Result<()> {
        Ok(self.collective().send(rank, Channel::CONTROL, message, self.until())?)
    }

    fn hear(&self, rank: usize, reports: &mut [MemberReport], bytes: usize) -> Result<Vec<u8>> {
        let bound = Bound { until: self.until(), bytes: bytes.saturating_add(1 << 16) };
        let message = self.collective().recv(rank, Channel::CONTROL, bound)?;
        let (answer, rest) = decode::<Answer>(rank, &message)?;
        if let Some(report) = reports.get_mut(rank) {
            *report = MemberReport { rank, traffic: answer.traffic, peak_memory_bytes: answer.peak_memory_bytes };
        }
        Ok(rest.to_vec())
    }

    /// The group does one thing at a time.
    fn alone(&self) -> MutexGuard<'_, Vec<MemberReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this member fails, the others must not wait for it.
    fn or_abort<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.collective().abort(&error.to_string()))
    }

    fn others(&self) -> Range<usize> {
        1..self.collective().world()
    }
}

impl<B: Backend + Clone> Drop for GroupModel<B> {
    fn drop(&mut self) {
        for rank in self.others() {
            // Who is gone need not be told.
            let _ = self.tell(rank, encode(&Command::Stop, &[]));
        }
        for member in self.virtual_members.drain(..) {
            let _ = member.join();
        }
    }
}

impl<B: Backend + Clone> VideoModel for GroupModel<B> {
    fn encode_text(&self, prompt: &str) -> Result<TextStates> {
        let tokens = self.tokenizer.encode_padded(prompt, self.text_config.positions)?;
        let states = match &self.text {
            TextEncoder::Loaded(text) => self.member.threads.install(|| text.forward(&tokens.ids))?,
            TextEncoder::OnDemand { folder, config } => {
                let weights = Weights::open(folder)?;
                self.member.threads.install(|| ClipText::forward_once(config, &weights, &tokens.ids))?
            }
        };
        Ok(TextStates { tokens: tokens.ids, states, width: self.text_config.hidden, truncated: tokens.truncated })
    }

    fn latent_shape(&self, width: usize, height: usize, frames: usize) -> Result<LatentShape> {
        shape_of(&self.unet_config, &self.vae_config, width, height, frames)
    }

    fn denoiser(
        &self,
        shape: LatentShape,
        conditional: &TextStates,
        unconditional: Option<&TextStates>,
    ) -> Result<Box<dyn Denoiser + '_>> {
        self.plan().check(shape.frames, self.unet_config.levels.len(), unconditional.is_some())?;
        let texts = std::iter::once(conditional).chain(unconditional).map(|text| text.states.clone()).collect();
        Ok(Box::new(GroupDenoiser { model: self, shape, texts, started: Mutex::new(None) }))
    }

    fn decode(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<f32>> {
        // For callers that want values rather than pixels, and few frames: alone.
        let LatentShape { channels, height, width, .. } = shape;
        if latents.len() != shape.elements() || frames.end > shape.frames || frames.is_empty() {
            return Err(EngineError::Request(format!(
                "frames {frames:?} of a latent of {} values can't be decoded as {shape:?}",
                latents.len()
            )));
        }
        let chosen = LatentShape { channels, frames: frames.len(), height, width };
        self.member.values(&take_frames(latents, shape, frames), chosen)
    }

    fn decode_rgb8(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<u8>> {
        let mut reports = self.alone();
        let computing = self.plan().computing();
        let shares = even(frames.len(), computing);
        let share = |rank: usize| {
            let own = frames.start + shares[rank].start..frames.start + shares[rank].end;
            (LatentShape { frames: own.len(), ..shape }, own)
        };
        let result = (|| {
            for rank in (1..computing).filter(|&rank| !shares[rank].is_empty()) {
                let (own_shape, own) = share(rank);
                let part = take_frames(latents, shape, own);
                self.tell(rank, encode(&Command::Decode { shape: own_shape }, &[&part]))?;
            }
            let (own_shape, own) = share(0);
            let mut pixels = self.member.decode(&take_frames(latents, shape, own), own_shape)?;
            let per_frame = pixels.len() / own_shape.frames.max(1);
            for rank in (1..computing).filter(|&rank| !shares[rank].is_empty()) {
                let part = self.hear(rank, &mut reports, per_frame * shares[rank].len())?;
                if part.len() != per_frame * shares[rank].len() {
                    let reason = "it decoded another number of pixels".to_owned();
                    return Err(CollectiveError::Unexpected { peer: rank, reason }.into());
                }
                pixels.extend(part);
            }
            Ok(pixels)
        })();
        self.or_abort(result)
    }

    fn decode_together(&self) -> usize {
        4 * self.plan().computing()
    }

    fn working_bytes(&self, shape: LatentShape) -> (u64, u64) {
        let bytes = self.precision.bytes();
        let threads = self.member.threads.current_num_threads();
        let [denoising, decoding] = working_values(&self.unet_config, &self.vae_config, shape, threads);
        (denoising * bytes, decoding * bytes)
    }

    fn precision(&self) -> Precision {
        self.precision
    }
}

/// A job of a group.
struct GroupDenoiser<'a, B: Backend + Clone> {
    model: &'a GroupModel<B>,
    /// Of the clip.
    shape: LatentShape,
    /// Of each branch.
    texts: Vec<Vec<f32>>,
    started: Mutex<Option<Arc<Started<B>>>>,
}

struct Started<B: Backend> {
    /// This member's part.
    job: Option<Job<B>>,
    /// Of the state between steps.
    state_shape: LatentShape,
    frames: Vec<Range<usize>>,
    windows: Option<Windowed>,
}

impl<B: Backend + Clone> GroupDenoiser<'_, B> {
    fn start(&self, noise: &[f32]) -> Result<Arc<Started<B>>> {
        let model = self.model;
        let windows = match &model.plan().frames {
            Spread::Windows(windows) => Some(Windowed::new(windows, self.shape, noise)?),
            _ => None,
        };
        let state_shape = windows.as_ref().map_or(self.shape, Windowed::state_shape);
        let frames = state_ranges(model.plan(), state_shape.frames)?;
        let reports = model.alone();
        let texts: Vec<&[f32]> = self.texts.iter().map(Vec::as_slice).collect();
        let command = Command::Start { shape: state_shape, texts: texts.iter().map(|text| text.len()).collect() };
        let result = model
            .others()
            .try_for_each(|rank| model.tell(rank, encode(&command, &texts)))
            .and_then(|()| model.member.job(state_shape, &self.texts));
        drop(reports);
        let started = Arc::new(Started { job: model.or_abort(result)?, state_shape, frames, windows });
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&started));
        Ok(started)
    }

    fn started(&self) -> Result<Arc<Started<B>>> {
        if let Some(started) = &*self.started.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(started));
        }
        // Callers that evaluate without a run of steps have no noise, which only windows with context need.
        self.start(&vec![0.0; self.shape.elements()])
    }

    fn evaluate_branches(&self, branches: &[usize], state: &[f32], timestep: f64) -> Result<Vec<Vec<f32>>> {
        let started = self.started()?;
        let shape = started.state_shape;
        if state.len() != shape.elements() {
            return Err(EngineError::Request(format!("the state has {} values, expected {shape:?}", state.len())));
        }
        let mut reports = self.model.alone();
        let result = self.evaluate_started(&started, branches, state, timestep, &mut reports);
        self.model.or_abort(result)
    }

    fn evaluate_started(
        &self,
        started: &Started<B>,
        branches: &[usize],
        state: &[f32],
        timestep: f64,
        reports: &mut [MemberReport],
    ) -> Result<Vec<Vec<f32>>> {
        let model = self.model;
        let plan = model.plan();
        let shape = started.state_shape;
        let inputs: Vec<Vec<f32>> = (0..plan.shards())
            .map(|shard| match &started.windows {
                Some(windows) => windows.input(state, shard),
                None => take_frames(state, shape, started.frames[shard].clone()),
            })
            .collect();
        let of = |rank: usize| -> Vec<usize> {
            let place = plan.place(rank);
            let mine = |branch: usize| place.is_some_and(|place| !plan.branches || place.branch == branch);
            branches.iter().copied().filter(|&branch| mine(branch)).collect()
        };
        let busy: Vec<(usize, Place)> = (0..plan.computing())
            .filter_map(|rank| plan.place(rank).map(|place| (rank, place)))
            .filter(|&(rank, _)| !of(rank).is_empty())
            .collect();
        for &(rank, place) in busy.iter().filter(|(rank, _)| *rank != 0) {
            let command = Command::Evaluate { timestep_bits: timestep.to_bits(), branches: of(rank) };
            let input: &[f32] = if place.stage == 0 { &inputs[place.shard] } else { &[] };
            model.tell(rank, encode(&command, &[input]))?;
        }
        let keepers = plan.computing()..plan.members();
        keepers.clone().try_for_each(|rank| model.tell(rank, encode(&Command::Report, &[])))?;
        let own = match &started.job {
            Some(job) if !of(0).is_empty() => model.member.evaluate(job, &of(0), timestep, &inputs[0])?,
            _ => Vec::new(),
        };
        // By branch, then by shard.
        let mut outputs: Vec<Vec<Vec<f32>>> = branches.iter().map(|_| vec![Vec::new(); plan.shards()]).collect();
        let mut place_outputs = |rank: usize, shard: usize, values: Vec<Vec<f32>>| {
            for (branch, values) in of(rank).into_iter().zip(values) {
                if let Some(i) = branches.iter().position(|&asked| asked == branch) {
                    outputs[i][shard] = values;
                }
            }
        };
        place_outputs(0, 0, own);
        for &(rank, place) in busy.iter().filter(|(rank, _)| *rank != 0) {
            let count = if place.stage == 0 { of(rank).len() } else { 0 };
            let lengths = vec![inputs[place.shard].len(); count];
            let bytes = model.hear(rank, reports, 4 * lengths.iter().sum::<usize>())?;
            place_outputs(rank, place.shard, numbers(rank, &bytes, &lengths)?);
        }
        for rank in keepers {
            model.hear(rank, reports, 0)?;
        }
        reports[0].traffic = model.collective().counters().now();
        reports[0].peak_memory_bytes = peak_memory_bytes();
        Ok(outputs
            .into_iter()
            .map(|shards| match &started.windows {
                Some(windows) => windows.collect(&shards),
                None => {
                    let mut state = vec![0.0; shape.elements()];
                    for (frames, values) in started.frames.iter().zip(&shards) {
                        put_frames(&mut state, shape, frames.clone(), values);
                    }
                    state
                }
            })
            .collect())
    }
}

impl<B: Backend + Clone> Drop for GroupDenoiser<'_, B> {
    fn drop(&mut self) {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        if started.is_some() {
            let _reports = self.model.alone();
            for rank in self.model.others() {
                let _ = self.model.tell(rank, encode(&Command::Finish, &[]));
            }
        }
    }
}

impl<B: Backend + Clone> Denoiser for GroupDenoiser<'_, B> {
    fn evaluate(&self, branch: Branch, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let branch = usize::from(branch == Branch::Unconditional);
        if branch >= self.texts.len() {
            return Err(EngineError::Request("this job was prepared without an unconditional text".to_owned()));
        }
        Ok(self.evaluate_branches(&[branch], sample, timestep)?.swap_remove(0))
    }

    fn evaluate_both(&self, sample: &[f32], timestep: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        if self.texts.len() < 2 {
            return Err(EngineError::Request("this job was prepared without an unconditional text".to_owned()));
        }
        let mut outputs = self.evaluate_branches(&[0, 1], sample, timestep)?;
        let unconditional = outputs.swap_remove(1);
        Ok((outputs.swap_remove(0), unconditional))
    }

    fn begin(&self, noise: &[f32]) -> Result<Vec<f32>> {
        let started = self.start(noise)?;
        Ok(started.windows.as_ref().map_or_else(|| noise.to_vec(), |windows| windows.spread(noise)))
    }

    fn settle(&self, state: &[f32]) -> Result<Vec<f32>> {
        let started = self.started()?;
        Ok(started.windows.as_ref().map_or_else(|| state.to_vec(), |windows| windows.settle(state)))
    }
}

/// Runs a member that does not lead, until the leader says stop.
pub(crate) fn follow<B: Backend + Clone>(member: &Member<B>, levels: usize, idle: Duration) -> Result<()> {
    let collective = member.collective.as_ref();
    let result = follow_commands(member, levels, idle);
    if let Err(error) = &result {
        collective.abort(&error.to_string());
    }
    result
}

/// The leader is silent between jobs for as long as it likes; only then may the wait be long.
fn follow_commands<B: Backend + Clone>(member: &Member<B>, levels: usize, idle: Duration) -> Result<()> {
    const LEADER: usize = 0;
    let collective = member.collective.as_ref();
    let mut job: Option<Job<B>> = None;
    let answer = |rest: Rest<'_>| -> Result<()> {
        let answer = Answer { traffic: collective.counters().now(), peak_memory_bytes: peak_memory_bytes() };
        let message = match rest {
            Rest::Numbers(numbers) => encode(&answer, numbers),
            Rest::Bytes(bytes) => encode_bytes(&answer, bytes),
        };
        Ok(collective.send(LEADER, Channel::CONTROL, message, Instant::now() + member.timeout)?)
    };
    loop {
        let message = collective.take(LEADER, Channel::CONTROL, Bound::new(idle, usize::MAX))?;
        let (command, rest) = decode::<Command>(LEADER, &message)?;
        match command {
            Command::Start { shape, texts } => {
                member.plan.check(clip_frames(&member.plan, shape.frames), levels, texts.len() > 1)?;
                job = member.job(shape, &numbers(LEADER, rest, &texts)?)?;
            }
            Command::Evaluate { timestep_bits, branches } => {
                let no_job = || CollectiveError::Unexpected { peer: LEADER, reason: "it began no job".to_owned() };
                let job = job.as_ref().ok_or_else(no_job)?;
                let outermost = member.place().is_some_and(|place| place.stage == 0);
                let expected = if outermost { job.shape.elements() } else { 0 };
                let sample = numbers(LEADER, rest, &[expected])?.swap_remove(0);
                let branches = member.branches(&branches);
                let outputs = member.evaluate(job, &branches, f64::from_bits(timestep_bits), &sample)?;
                answer(Rest::Numbers(&outputs.iter().map(Vec::as_slice).collect::<Vec<_>>()))?;
            }
            Command::Decode { shape } => {
                let latents = numbers(LEADER, rest, &[shape.elements()])?.swap_remove(0);
                answer(Rest::Bytes(&member.decode(&latents, shape)?))?;
            }
            Command::Report => answer(Rest::Bytes(&[]))?,
            Command::Finish => job = None,
            Command::Stop => return Ok(()),
        }
    }
}

enum Rest<'a> {
    Numbers(&'a [&'a [f32]]),
    Bytes(&'a [u8]),
}

/// Frames of the clip that a state belongs to.
fn clip_frames(plan: &Plan, state_frames: usize) -> usize {
    match &plan.frames {
        Spread::Windows(windows) if windows.blend == super::Blend::AtEnd => {
            state_frames.saturating_sub(windows.overlap * (windows.cut.parts() - 1))
        }
        _ => state_frames,
    }
}

/// Fails unless a group is as large as its plan.
pub(crate) fn check_size(plan: &Plan, collective: &dyn Collective) -> Result<()> {
    if plan.members() == collective.world() {
        return Ok(());
    }
    Err(PlanError::GroupSize { members: plan.members(), found: collective.world() }.into())
}
