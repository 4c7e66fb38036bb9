//! One member's part of an evaluation and of decoding: the same code whether members are threads or machines, and whoever leads.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::bytes::{get_f32, put_f32};
use super::collective::{Bound, Channel, Collective};
use super::error::CollectiveError;
use super::exchange::FrameExchange;
use super::plan::{Blend, Place, Plan, Spread};
use super::shares::Answering;
use crate::backend::{Backend, Frames, MapShape};
use crate::error::{EngineError, Result};
use crate::models::unet3d::{Evaluation, Lane, TextContext, UNet3D};
use crate::models::vae::{Vae, VaeConfig};
use crate::pipeline::{LatentShape, to_rgb8};
use crate::weights::Weights;

/// Frames a member decodes at a time.
const DECODE_CHUNK: usize = 4;
/// Bytes of a map's shape in a message.
const SHAPE_BYTES: usize = 16;

/// The VAE, or where to load it from when it is needed.
pub(crate) enum Decoder<B: Backend> {
    Loaded(Arc<Vae<B>>),
    OnDemand { folder: std::path::PathBuf, config: VaeConfig, backend: B },
}

impl<B: Backend + Clone> Decoder<B> {
    /// Decodes latents `(channels, frames, height, width)` some frames at a time, giving each piece to `take`.
    fn decode(&self, latents: &[f32], shape: LatentShape, mut take: impl FnMut(Vec<f32>)) -> Result<()> {
        let vae = match self {
            Decoder::Loaded(vae) => Arc::clone(vae),
            Decoder::OnDemand { folder, config, backend } => {
                Arc::new(Vae::load(backend.clone(), config.clone(), Weights::open(folder)?, false)?)
            }
        };
        // One by one where memory counts more than time.
        let chunk = if matches!(self, Decoder::Loaded(_)) { DECODE_CHUNK } else { 1 };
        let LatentShape { channels, frames, height, width } = shape;
        let plane = height * width;
        for first in (0..frames).step_by(chunk) {
            let count = chunk.min(frames - first);
            let mut values = Vec::with_capacity(count * plane * channels);
            for frame in first..first + count {
                for pixel in 0..plane {
                    values.extend((0..channels).map(|channel| latents[(channel * frames + frame) * plane + pixel]));
                }
            }
            take(vae.decode(values, MapShape { frames: count, height, width, channels })?);
        }
        Ok(())
    }
}

/// A member with what it runs.
pub(crate) struct Member<B: Backend> {
    pub(crate) plan: Plan,
    pub(crate) collective: Arc<dyn Collective>,
    /// `None` for a member that only keeps weights.
    pub(crate) unet: Option<Arc<UNet3D<B>>>,
    pub(crate) decoder: Decoder<B>,
    pub(crate) threads: rayon::ThreadPool,
    /// How long this member waits for another.
    pub(crate) timeout: Duration,
    pub(crate) _answering: Option<Answering>,
}

/// A job as one member sees it.
pub(crate) struct Job<B: Backend> {
    /// Of this member's frames.
    pub(crate) shape: LatentShape,
    /// Frames of every shard.
    frames: Vec<Range<usize>>,
    /// Of each branch that this member computes.
    texts: Vec<Option<TextContext<B>>>,
}

impl<B: Backend + Clone> Member<B> {
    /// This member's place, if it computes.
    pub(crate) fn place(&self) -> Option<Place> {
        self.plan.place(self.collective.rank())
    }

    /// Prepares a job: `shape` is the state's, `texts` the states of each branch's text.
    pub(crate) fn job(&self, shape: LatentShape, texts: &[Vec<f32>]) -> Result<Option<Job<B>>> {
        let (Some(place), Some(unet)) = (self.place(), &self.unet) else { return Ok(None) };
        let frames = state_ranges(&self.plan, shape.frames)?;
        let own = frames[place.shard].len();
        let texts = texts
            .iter()
            .enumerate()
            .map(|(branch, text)| {
                let mine = !self.plan.branches || branch == place.branch;
                mine.then(|| self.threads.install(|| unet.prepare_text(text))).transpose()
            })
            .collect::<Result<_>>()?;
        Ok(Some(Job { shape: LatentShape { frames: own, ..shape }, frames, texts }))
    }

    /// The branches of `branches` that this member computes.
    pub(crate) fn branches(&self, branches: &[usize]) -> Vec<usize> {
        let Some(place) = self.place() else { return Vec::new() };
        branches.iter().copied().filter(|&branch| !self.plan.branches || branch == place.branch).collect()
    }

    /// This member's part of an evaluation of `branches` (its own ones). `sample` is its frames of the latent; outermost stages
    /// return an output for each branch, others nothing.
    pub(crate) fn evaluate(
        &self,
        job: &Job<B>,
        branches: &[usize],
        timestep: f64,
        sample: &[f32],
    ) -> Result<Vec<Vec<f32>>> {
        let (Some(place), Some(unet)) = (self.place(), &self.unet) else { return Ok(Vec::new()) };
        let texts = branches
            .iter()
            .map(|&branch| {
                job.texts.get(branch).and_then(Option::as_ref).ok_or_else(|| {
                    EngineError::Request(format!("this job was prepared without a text for branch {branch}"))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let peers: Vec<usize> = (0..self.plan.shards()).map(|shard| self.plan.rank(Place { shard, ..place })).collect();
        let exchange = FrameExchange::new(self.collective.as_ref(), peers, job.frames.clone(), self.timeout);
        let frames = match &self.plan.frames {
            Spread::Shards(cut) if cut.parts() > 1 => Frames::Some(&exchange),
            _ => Frames::All,
        };
        self.threads.install(|| {
            let LatentShape { frames: own, height, width, .. } = job.shape;
            let evaluation = unet.evaluation([own, height, width], timestep as f32, frames)?;
            Pass { member: self, unet, place, texts: &texts, evaluation: &evaluation }.run(job, sample)
        })
    }

    /// Decodes this member's share of frames to RGB.
    pub(crate) fn decode(&self, latents: &[f32], shape: LatentShape) -> Result<Vec<u8>> {
        let mut pixels = Vec::new();
        self.threads.install(|| self.decoder.decode(latents, shape, |values| pixels.extend(to_rgb8(&values))))?;
        Ok(pixels)
    }

    /// Decodes frames to values around -1 to 1.
    pub(crate) fn values(&self, latents: &[f32], shape: LatentShape) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        self.threads.install(|| self.decoder.decode(latents, shape, |values| all.extend(values)))?;
        Ok(all)
    }
}

/// Frames of each shard in the state: windows that are blended at the end lie behind each other there.
pub(crate) fn state_ranges(plan: &Plan, frames: usize) -> Result<Vec<Range<usize>>> {
    if let Spread::Windows(windows) = &plan.frames
        && windows.blend == Blend::AtEnd
    {
        // The state has every frame of an overlap twice.
        let doubled = windows.overlap * (windows.cut.parts() - 1);
        let mut end = 0;
        let ranges = windows.ranges(frames.saturating_sub(doubled))?;
        return Ok(ranges
            .iter()
            .map(|range| {
                end += range.len();
                end - range.len()..end
            })
            .collect());
    }
    Ok(plan.frame_ranges(frames)?)
}

/// One evaluation's way through this member's units.
struct Pass<'a, B: Backend> {
    member: &'a Member<B>,
    unet: &'a UNet3D<B>,
    place: Place,
    texts: &'a [&'a TextContext<B>],
    evaluation: &'a Evaluation<'a, B>,
}

impl<B: Backend + Clone> Pass<'_, B> {
    fn run(&self, job: &Job<B>, sample: &[f32]) -> Result<Vec<Vec<f32>>> {
        let Place { stage, .. } = self.place;
        let unet = self.unet;
        let (inwards, outwards) = self.member.plan.stage_units(stage, unet.program(), unet.config().levels.len())?;
        let mut lanes = if stage == 0 {
            let LatentShape { frames, height, width, .. } = job.shape;
            self.begin(sample, [frames, height, width], inwards.clone())?
        } else {
            self.take_from_outside(inwards.clone())?
        };
        if let Some(outwards) = outwards {
            self.through_inside(&mut lanes, outwards)?;
        }
        if stage > 0 {
            let outside = self.rank_of(stage - 1);
            lanes.iter().try_for_each(|lane| self.send(outside, lane))?;
            return Ok(Vec::new());
        }
        lanes.iter().map(|lane| unet.output(lane)).collect()
    }

    fn rank_of(&self, stage: usize) -> usize {
        self.member.plan.rank(Place { stage, ..self.place })
    }

    /// Runs the outermost stage's way in. What comes before the first text is the same for both branches.
    fn begin(&self, sample: &[f32], size: [usize; 3], units: Range<usize>) -> Result<Vec<Lane<B>>> {
        let unet = self.unet;
        let apart = unet.first_with_text().clamp(units.start, units.end);
        let mut first = [unet.lane(sample, size)?];
        unet.run(units.start..apart, &mut first, self.texts, self.evaluation)?;
        let [first] = first;
        let mut lanes = vec![first; self.texts.len()];
        if !self.has_inside() || unet.loads_each_time() {
            unet.run(apart..units.end, &mut lanes, self.texts, self.evaluation)?;
            return lanes.into_iter().map(|lane| self.hand_inwards(lane)).collect();
        }
        // One branch is under way inside while the other is computed here.
        let mut done = Vec::new();
        for (i, lane) in lanes.into_iter().enumerate() {
            let mut lane = [lane];
            unet.run(apart..units.end, &mut lane, &self.texts[i..=i], self.evaluation)?;
            let [lane] = lane;
            done.push(self.hand_inwards(lane)?);
        }
        Ok(done)
    }

    /// Takes each branch's map from the stage outside and runs the way in.
    fn take_from_outside(&self, units: Range<usize>) -> Result<Vec<Lane<B>>> {
        let outside = self.rank_of(self.place.stage - 1);
        let mut lanes = Vec::new();
        if self.unet.loads_each_time() {
            for _ in self.texts {
                lanes.push(Lane::inner(self.receive(outside)?));
            }
            self.unet.run(units, &mut lanes, self.texts, self.evaluation)?;
            return lanes.into_iter().map(|lane| self.hand_inwards(lane)).collect();
        }
        for i in 0..self.texts.len() {
            let mut lane = [Lane::inner(self.receive(outside)?)];
            self.unet.run(units.clone(), &mut lane, &self.texts[i..=i], self.evaluation)?;
            let [lane] = lane;
            lanes.push(self.hand_inwards(lane)?);
        }
        Ok(lanes)
    }

    fn has_inside(&self) -> bool {
        self.place.stage + 1 < self.member.plan.stages()
    }

    /// Sends the map to the stage inside, if there is one; as a skip it is that stage's.
    fn hand_inwards(&self, mut lane: Lane<B>) -> Result<Lane<B>> {
        if self.has_inside() {
            self.send(self.rank_of(self.place.stage + 1), &lane)?;
            lane.forget_map_and_its_skip();
        }
        Ok(lane)
    }

    /// Waits for each branch to come back from inside, and runs the way out.
    fn through_inside(&self, lanes: &mut [Lane<B>], units: Range<usize>) -> Result<()> {
        let inside = self.rank_of(self.place.stage + 1);
        if self.unet.loads_each_time() {
            for lane in lanes.iter_mut() {
                lane.replace(self.receive(inside)?);
            }
            return self.unet.run(units, lanes, self.texts, self.evaluation);
        }
        for (i, lane) in lanes.iter_mut().enumerate() {
            lane.replace(self.receive(inside)?);
            self.unet.run(units.clone(), std::slice::from_mut(lane), &self.texts[i..=i], self.evaluation)?;
        }
        Ok(())
    }

    fn bound(&self, bytes: usize) -> Bound {
        Bound::new(self.member.timeout, bytes)
    }

    fn send(&self, to: usize, lane: &Lane<B>) -> Result<()> {
        let backend = self.unet.backend();
        let MapShape { frames, height, width, channels } = backend.shape(lane.map()?)?;
        let values = backend.download(lane.map()?)?;
        let mut message = Vec::with_capacity(SHAPE_BYTES + 4 * values.len());
        for size in [frames, height, width, channels] {
            message.extend((size as u32).to_le_bytes());
        }
        put_f32(&mut message, &values);
        Ok(self.member.collective.send(to, Channel::ACTIVATIONS, message, self.bound(0).until)?)
    }

    fn receive(&self, from: usize) -> Result<B::Map> {
        let message = self.member.collective.recv(from, Channel::ACTIVATIONS, self.bound(usize::MAX))?;
        let unexpected =
            || CollectiveError::Unexpected { peer: from, reason: "a map does not have its size".to_owned() };
        let (shape, values) = message.split_first_chunk::<SHAPE_BYTES>().ok_or_else(unexpected)?;
        let size = |i: usize| {
            let bytes = [shape[4 * i], shape[4 * i + 1], shape[4 * i + 2], shape[4 * i + 3]];
            u32::from_le_bytes(bytes) as usize
        };
        let shape = MapShape { frames: size(0), height: size(1), width: size(2), channels: size(3) };
        let elements =
            [shape.frames, shape.height, shape.width, shape.channels].into_iter().try_fold(4_usize, usize::checked_mul);
        if elements != Some(values.len()) {
            return Err(unexpected().into());
        }
        self.unet.backend().upload(shape, get_f32(values))
    }
}
