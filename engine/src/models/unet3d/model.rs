//! The whole network, run in one go or in parts.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::UNet3DConfig;
use super::layer::Layer;
use super::layers::{Layers, Resident};
use super::program::{Unit, program};
use crate::backend::{Backend, Frames, MapShape};
use crate::error::{EngineError, Result};
use crate::weights::Weights;

/// A text as the cross-attention layers see it; each layer's part is made when it is first needed, once per job.
pub(crate) struct TextContext<B: Backend> {
    states: Vec<f32>,
    /// By unit.
    prepared: Vec<Mutex<Option<Arc<B::Text>>>>,
}

/// One evaluation on its way through the network.
pub(crate) struct Lane<B: Backend> {
    /// `None` only while a layer has it, and after one failed.
    x: Option<Arc<B::Map>>,
    skips: Vec<Arc<B::Map>>,
}

impl<B: Backend> Clone for Lane<B> {
    fn clone(&self) -> Self {
        Self { x: self.x.clone(), skips: self.skips.clone() }
    }
}

impl<B: Backend> Lane<B> {
    /// The map between two units.
    pub(crate) fn map(&self) -> Result<&B::Map> {
        self.x.as_deref().ok_or_else(|| EngineError::Request("an evaluation can't go on after it failed".to_owned()))
    }

    /// The map as a layer's own: copied only where a skip or another lane still needs it.
    fn take(&mut self) -> Result<B::Map> {
        let gone = || EngineError::Request("an evaluation can't go on after it failed".to_owned());
        self.x.take().map(Arc::unwrap_or_clone).ok_or_else(gone)
    }

    /// Goes on with a map that was computed elsewhere.
    pub(crate) fn replace(&mut self, x: B::Map) {
        self.x = Some(Arc::new(x));
    }

    /// Lets go of a map that another member goes on with, and that is that member's skip.
    pub(crate) fn forget_map_and_its_skip(&mut self) {
        self.skips.pop();
        self.x = None;
    }

    /// Starts in the middle of the network, where the map is also the first skip.
    pub(crate) fn inner(x: B::Map) -> Self {
        let x = Arc::new(x);
        Self { skips: vec![Arc::clone(&x)], x: Some(x) }
    }
}

/// What all lanes of an evaluation have in common.
pub(crate) struct Evaluation<'a, B: Backend> {
    time: Arc<B::Time>,
    fit_skips: bool,
    frames: Frames<'a>,
}

impl<B: Backend> Clone for Evaluation<'_, B> {
    fn clone(&self) -> Self {
        Self { time: Arc::clone(&self.time), fit_skips: self.fit_skips, frames: self.frames }
    }
}

/// Shows maps by diffusers' names.
type Show<'a, B> = dyn FnMut(&str, &<B as Backend>::Map) -> Result<()> + 'a;

/// `UNet3DConditionModel` on a backend.
pub(crate) struct UNet3D<B: Backend> {
    backend: B,
    config: UNet3DConfig,
    program: Arc<[Unit]>,
    layers: Box<dyn Layers<B>>,
}

impl<B: Backend> UNet3D<B> {
    /// Loads all weights, strictly.
    pub(crate) fn load(backend: B, config: UNet3DConfig, weights: &Weights) -> Result<Self> {
        Self::load_part(backend, config, weights, |_| true)
    }

    /// Loads the units that `wanted` accepts; the others' tensors must be there too, but are not read.
    pub(crate) fn load_part(
        backend: B,
        config: UNet3DConfig,
        weights: &Weights,
        wanted: impl Fn(&Unit) -> bool,
    ) -> Result<Self> {
        skip_unused(&config, weights);
        let program = program(&config);
        let layers = Resident::load(&backend, &program, weights, wanted)?;
        weights.finish()?;
        Ok(Self { backend, config, program: program.into(), layers: Box::new(layers) })
    }

    /// A network whose units come from elsewhere.
    pub(crate) fn with_layers(
        backend: B,
        config: UNet3DConfig,
        program: Arc<[Unit]>,
        layers: Box<dyn Layers<B>>,
    ) -> Self {
        Self { backend, config, program, layers }
    }

    pub(crate) fn config(&self) -> &UNet3DConfig {
        &self.config
    }

    pub(crate) fn backend(&self) -> &B {
        &self.backend
    }

    pub(crate) fn program(&self) -> &Arc<[Unit]> {
        &self.program
    }

    /// Text states `(tokens, text_channels)` for the layers that attend to them.
    pub(crate) fn prepare_text(&self, text: &[f32]) -> Result<TextContext<B>> {
        if text.is_empty() || !text.len().is_multiple_of(self.config.text_channels) {
            return Err(EngineError::Request(format!(
                "text states have {} values, which is not a multiple of the model's {} text channels",
                text.len(),
                self.config.text_channels
            )));
        }
        let prepared = self.program.iter().map(|_| Mutex::new(None)).collect();
        Ok(TextContext { states: text.to_vec(), prepared })
    }

    /// One evaluation. `sample` is `(channels, frames, height, width)`, and so is the result, with the model's output
    /// channels.
    pub(crate) fn forward(
        &self,
        sample: &[f32],
        size: [usize; 3],
        timestep: f32,
        text: &TextContext<B>,
    ) -> Result<Vec<f32>> {
        self.forward_traced(sample, size, timestep, text, &mut |_, _| Ok(()))
    }

    /// As [`forward`](Self::forward), showing intermediate maps by diffusers' names.
    pub(crate) fn forward_traced(
        &self,
        sample: &[f32],
        size: [usize; 3],
        timestep: f32,
        text: &TextContext<B>,
        show: &mut Show<'_, B>,
    ) -> Result<Vec<f32>> {
        let evaluation = self.evaluation(size, timestep, Frames::All)?;
        let mut lane = self.lane(sample, size)?;
        self.run_lane(1..self.program.len(), &mut lane, text, &evaluation, show)?;
        self.output(&lane)
    }

    /// Begins an evaluation of latents of `[frames, height, width]`.
    pub(crate) fn evaluation<'a>(
        &self,
        [_, height, width]: [usize; 3],
        timestep: f32,
        frames: Frames<'a>,
    ) -> Result<Evaluation<'a, B>> {
        let lent = self.layers.layer(0)?;
        let Layer::Time(layer) = &lent.layer else {
            return Err(EngineError::Request("the network does not begin with its timestep embedding".to_owned()));
        };
        let time = Arc::new(self.backend.time_embedding(layer, timestep)?);
        // As diffusers: only sizes that do not halve evenly make the way up follow the skips' sizes.
        let factor = 1 << (self.config.levels.len() - 1);
        Ok(Evaluation { time, fit_skips: height % factor != 0 || width % factor != 0, frames })
    }

    /// A lane that starts from a latent `(channels, frames, height, width)`.
    pub(crate) fn lane(&self, sample: &[f32], [frames, height, width]: [usize; 3]) -> Result<Lane<B>> {
        let channels = self.config.in_channels;
        let elements = channels * frames * height * width;
        if elements == 0 || sample.len() != elements {
            return Err(EngineError::Request(format!(
                "the latent has {} values, expected {channels} x {frames} x {height} x {width}",
                sample.len()
            )));
        }
        let shape = MapShape { frames, height, width, channels };
        let x = self.backend.upload(shape, to_channels_last(sample, shape))?;
        Ok(Lane { x: Some(Arc::new(x)), skips: Vec::new() })
    }

    /// The first unit whose result depends on the text: before it, both branches of guidance are the same.
    pub(crate) fn first_with_text(&self) -> usize {
        self.program.iter().position(Unit::sees_text).unwrap_or(self.program.len())
    }

    /// Whether units are loaded each time they run, so that each should run on all lanes before the next.
    pub(crate) fn loads_each_time(&self) -> bool {
        self.layers.are_costly()
    }

    /// Runs some units on every lane, each with its text.
    pub(crate) fn run(
        &self,
        units: Range<usize>,
        lanes: &mut [Lane<B>],
        texts: &[&TextContext<B>],
        evaluation: &Evaluation<'_, B>,
    ) -> Result<()> {
        if !self.layers.are_costly() {
            return lanes
                .iter_mut()
                .zip(texts)
                .try_for_each(|(lane, text)| self.run_lane(units.clone(), lane, text, evaluation, &mut |_, _| Ok(())));
        }
        for unit in units {
            let layer = self.layers.layer(unit)?;
            for (lane, text) in lanes.iter_mut().zip(texts) {
                self.step(unit, &layer.layer, lane, text, evaluation)?;
            }
        }
        Ok(())
    }

    /// Runs some units on one lane.
    pub(crate) fn run_lane(
        &self,
        units: Range<usize>,
        lane: &mut Lane<B>,
        text: &TextContext<B>,
        evaluation: &Evaluation<'_, B>,
        show: &mut Show<'_, B>,
    ) -> Result<()> {
        for unit in units {
            let layer = self.layers.layer(unit)?;
            self.step(unit, &layer.layer, lane, text, evaluation)?;
            if let Some(name) = &self.program[unit].shown_as {
                show(name, lane.map()?)?;
            }
        }
        Ok(())
    }

    fn step(
        &self,
        unit: usize,
        layer: &Layer<B>,
        lane: &mut Lane<B>,
        text: &TextContext<B>,
        evaluation: &Evaluation<'_, B>,
    ) -> Result<()> {
        let (backend, frames) = (&self.backend, evaluation.frames);
        let next = match layer {
            Layer::Time(_) => return Ok(()),
            Layer::Conv(conv) => backend.conv(conv, lane.map()?, None)?,
            Layer::Upsample(conv) => {
                let shape = backend.shape(lane.map()?)?;
                // The size of the next skip where diffusers asks for that.
                let size = match lane.skips.last() {
                    Some(skip) if evaluation.fit_skips => {
                        let next = backend.shape(skip)?;
                        (next.height, next.width)
                    }
                    _ => (2 * shape.height, 2 * shape.width),
                };
                backend.conv(conv, lane.map()?, Some(size))?
            }
            Layer::Resnet { layer, skip } => {
                let skip = if *skip { lane.skips.pop() } else { None };
                backend.resnet(layer, lane.map()?, skip.as_deref(), Some(&evaluation.time))?
            }
            Layer::TemporalConv(layer) => backend.temporal_conv(layer, lane.take()?, frames)?,
            Layer::SpatialTransformer(layer) => {
                let text = self.text(unit, layer, text)?;
                backend.spatial_transformer(layer, lane.take()?, &text)?
            }
            Layer::TemporalTransformer(layer) => backend.temporal_transformer(layer, lane.take()?, frames)?,
            Layer::Out(layer) => backend.norm_conv(layer, lane.map()?)?,
        };
        let next = Arc::new(next);
        if self.program[unit].keeps_skip {
            lane.skips.push(Arc::clone(&next));
        }
        lane.x = Some(next);
        Ok(())
    }

    fn text(&self, unit: usize, layer: &B::SpatialTransformer, text: &TextContext<B>) -> Result<Arc<B::Text>> {
        let slot = || text.prepared[unit].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = &*slot() {
            return Ok(Arc::clone(text));
        }
        // Not under the lock: this uses the compute threads.
        let made = Arc::new(self.backend.prepare_text(layer, &text.states)?);
        *slot() = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The result of a lane that has passed all units, `(channels, frames, height, width)`.
    pub(crate) fn output(&self, lane: &Lane<B>) -> Result<Vec<f32>> {
        let shape = self.backend.shape(lane.map()?)?;
        Ok(to_channels_first(&self.backend.download(lane.map()?)?, shape))
    }
}

/// Counts tensors that text-to-video does not use as known.
pub(crate) fn skip_unused(config: &UNet3DConfig, weights: &Weights) {
    if config.has_guidance_projection {
        weights.skip("time_embedding.cond_proj.weight");
    }
}

/// `(channels, frames, pixels)` to `(frames, pixels, channels)`.
pub(crate) fn to_channels_last(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (channels, plane) = (shape.channels, shape.frames * shape.height * shape.width);
    let mut out = vec![0.0; values.len()];
    for (channel, plane_values) in values.chunks_exact(plane).enumerate() {
        for (i, value) in plane_values.iter().enumerate() {
            out[i * channels + channel] = *value;
        }
    }
    out
}

/// `(frames, pixels, channels)` to `(channels, frames, pixels)`.
pub(crate) fn to_channels_first(values: &[f32], shape: MapShape) -> Vec<f32> {
    let (channels, plane) = (shape.channels, shape.frames * shape.height * shape.width);
    let mut out = vec![0.0; values.len()];
    for (i, pixel) in values.chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            out[channel * plane + i] = *value;
        }
    }
    out
}
