//! The UNet3D family as a [`VideoModel`].

use std::ops::Range;
use std::sync::Arc;

use super::model::{Branch, Denoiser, LatentShape, Precision, TextStates, VideoModel};
use crate::backend::{Backend, Frames, MapShape};
use crate::error::{EngineError, Result};
use crate::models::clip_text::{ClipText, ClipTokenizer};
use crate::models::unet3d::{Lane, TextContext, UNet3D};
use crate::models::vae::Vae;

/// Below this many bytes of activations the two branches of guidance run side by side, each on half of the threads: small
/// models lose more to waiting for each other inside a layer than memory is worth.
pub(super) const SIDE_BY_SIDE_BYTES: u64 = 128 << 20;

/// Name of the CPU kernels in use, for reports.
pub fn cpu_kernels() -> &'static str {
    crate::kernels::isa::Isa::current().name()
}

/// Threads of a model's work.
pub(super) struct Threads {
    all: rayon::ThreadPool,
    halves: Option<[rayon::ThreadPool; 2]>,
}

impl Threads {
    pub(super) fn new(count: usize) -> Result<Self> {
        let pool = |n: usize| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .thread_name(|i| format!("infernet-compute-{i}"))
                .build()
                .map_err(|error| EngineError::Request(format!("can't start {n} compute threads: {error}")))
        };
        let halves = if count > 1 { Some([pool(count - count / 2)?, pool(count / 2)?]) } else { None };
        Ok(Self { all: pool(count)?, halves })
    }
}

/// Tokenizer, text encoder, UNet and VAE.
pub(super) struct UNet3DModel<B: Backend> {
    pub(super) tokenizer: ClipTokenizer,
    pub(super) text: ClipText,
    pub(super) unet: UNet3D<B>,
    pub(super) vae: Vae<B>,
    pub(super) precision: Precision,
    pub(super) threads: Arc<Threads>,
}

impl<B: Backend> VideoModel for UNet3DModel<B> {
    fn encode_text(&self, prompt: &str) -> Result<TextStates> {
        let positions = self.text.config().positions;
        let tokens = self.tokenizer.encode_padded(prompt, positions)?;
        let states = self.threads.all.install(|| self.text.forward(&tokens.ids))?;
        Ok(TextStates { tokens: tokens.ids, states, width: self.text.config().hidden, truncated: tokens.truncated })
    }

    fn latent_shape(&self, width: usize, height: usize, frames: usize) -> Result<LatentShape> {
        super::memory::shape_of(self.unet.config(), self.vae.config(), width, height, frames)
    }

    fn denoiser(
        &self,
        shape: LatentShape,
        conditional: &TextStates,
        unconditional: Option<&TextStates>,
    ) -> Result<Box<dyn Denoiser + '_>> {
        let prepare = |text: &TextStates| self.threads.all.install(|| self.unet.prepare_text(&text.states));
        let (denoising_bytes, _) = self.working_bytes(shape);
        Ok(Box::new(UNet3DDenoiser {
            unet: &self.unet,
            shape,
            conditional: prepare(conditional)?,
            unconditional: unconditional.map(prepare).transpose()?,
            side_by_side: denoising_bytes < SIDE_BY_SIDE_BYTES,
            threads: Arc::clone(&self.threads),
        }))
    }

    fn decode(&self, latents: &[f32], shape: LatentShape, frames: Range<usize>) -> Result<Vec<f32>> {
        let LatentShape { channels, height, width, .. } = shape;
        if latents.len() != shape.elements() || frames.end > shape.frames || frames.is_empty() {
            return Err(EngineError::Request(format!(
                "frames {frames:?} of a latent of {} values can't be decoded as {shape:?}",
                latents.len()
            )));
        }
        let plane = height * width;
        let chosen = MapShape { frames: frames.len(), height, width, channels };
        let mut values = Vec::with_capacity(frames.len() * plane * channels);
        for frame in frames {
            for pixel in 0..plane {
                values.extend((0..channels).map(|channel| latents[(channel * shape.frames + frame) * plane + pixel]));
            }
        }
        self.threads.all.install(|| self.vae.decode(values, chosen))
    }

    fn working_bytes(&self, shape: LatentShape) -> (u64, u64) {
        let bytes = self.precision.bytes();
        let [denoising, decoding] = super::memory::working_values(
            self.unet.config(),
            self.vae.config(),
            shape,
            self.threads.all.current_num_threads(),
        );
        (denoising * bytes, decoding * bytes)
    }

    fn precision(&self) -> Precision {
        self.precision
    }
}

struct UNet3DDenoiser<'a, B: Backend> {
    unet: &'a UNet3D<B>,
    shape: LatentShape,
    conditional: TextContext<B>,
    unconditional: Option<TextContext<B>>,
    side_by_side: bool,
    threads: Arc<Threads>,
}

impl<B: Backend> UNet3DDenoiser<'_, B> {
    fn text(&self, branch: Branch) -> Result<&TextContext<B>> {
        match (branch, &self.unconditional) {
            (Branch::Conditional, _) => Ok(&self.conditional),
            (Branch::Unconditional, Some(text)) => Ok(text),
            (Branch::Unconditional, None) => {
                Err(EngineError::Request("this job was prepared without an unconditional text".to_owned()))
            }
        }
    }

    fn size(&self) -> [usize; 3] {
        let LatentShape { frames, height, width, .. } = self.shape;
        [frames, height, width]
    }
}

impl<B: Backend> Denoiser for UNet3DDenoiser<'_, B> {
    fn evaluate(&self, branch: Branch, sample: &[f32], timestep: f64) -> Result<Vec<f32>> {
        let text = self.text(branch)?;
        self.threads.all.install(|| self.unet.forward(sample, self.size(), timestep as f32, text))
    }

    fn evaluate_both(&self, sample: &[f32], timestep: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        let (with, without) = (self.text(Branch::Conditional)?, self.text(Branch::Unconditional)?);
        let (unet, size) = (self.unet, self.size());
        self.threads.all.install(|| {
            let evaluation = unet.evaluation(size, timestep as f32, Frames::All)?;
            // What comes before the first text is the same for both.
            let (apart, end) = (unet.first_with_text(), unet.program().len());
            let mut lanes = [unet.lane(sample, size)?];
            unet.run(1..apart, &mut lanes, &[with], &evaluation)?;
            let [lane] = lanes;
            let mut lanes = [lane.clone(), lane];
            match &self.threads.halves {
                Some([first, second]) if self.side_by_side => {
                    let [one, other] = &mut lanes;
                    let run = |lane: &mut Lane<B>, text| {
                        unet.run(apart..end, std::slice::from_mut(lane), &[text], &evaluation)
                    };
                    let (a, b) =
                        rayon::join(|| first.install(|| run(one, with)), || second.install(|| run(other, without)));
                    a.and(b)?;
                }
                _ => unet.run(apart..end, &mut lanes, &[with, without], &evaluation)?,
            }
            Ok((unet.output(&lanes[0])?, unet.output(&lanes[1])?))
        })
    }
}
