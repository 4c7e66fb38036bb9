//! A tiny model that is the same everywhere: cheap enough for thousands of audits, and wrong in every way a test wants.

use infernet_engine::pipeline::Precision;
use infernet_network::proof::{
    JobSpec, PromptOpening, Reexecution, ReexecutionError, RgbFrame, StepInput, StepOutputs, Tensor, TextEmbeddings,
};

const TOKENS: u32 = 4;
const WIDTH: u32 = 8;
const CLIP_MAGIC: &[u8] = b"fakeclip";

/// The model, and how far its arithmetic is from exact.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    /// Relative error of every output value, of either sign.
    pub(crate) rounding: f32,
    /// Relative error of every output value, always of this sign.
    pub(crate) steering: f32,
    job: Option<(JobSpec, Vec<f32>, Option<Vec<f32>>)>,
}

impl Fake {
    pub(crate) fn exact() -> Self {
        Self { rounding: 0.0, steering: 0.0, job: None }
    }

    pub(crate) fn with_rounding(rounding: f32) -> Self {
        Self { rounding, ..Self::exact() }
    }

    pub(crate) fn with_steering(steering: f32, rounding: f32) -> Self {
        Self { steering, rounding, ..Self::exact() }
    }

    fn output(&self, text: &[f32], input: &[f32], timestep: f64, step: u32) -> Vec<f32> {
        let time = (timestep / 1000.0) as f32;
        let mut random = (u64::from(step) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..input.len())
            .map(|at| {
                let neighbour = input[(at + 1) % input.len()];
                let value = 0.8 * input[at] + 0.1 * neighbour + 0.2 * text[at % text.len()] * time;
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let sign = if random >> 63 == 0 { 1.0 } else { -1.0 };
                value * (1.0 + self.rounding * sign + self.steering)
            })
            .collect()
    }
}

/// Text "embeddings": bytes of the prompt, spread out.
fn embed(text: &str) -> Vec<f32> {
    let mut sum = text.len() as u32 + 1;
    let bytes: Vec<u8> = text.bytes().chain([0]).collect();
    (0..(TOKENS * WIDTH) as usize)
        .map(|at| {
            sum = sum.wrapping_mul(31).wrapping_add(u32::from(bytes[at % bytes.len()]));
            (sum % 200) as f32 / 100.0 - 1.0
        })
        .collect()
}

/// What a viewer gets: two bits of each channel are lost.
pub(crate) fn encode_clip(frames: &[RgbFrame]) -> Vec<u8> {
    let mut out = CLIP_MAGIC.to_vec();
    for size in [frames.len() as u32, frames[0].width, frames[0].height] {
        out.extend(size.to_le_bytes());
    }
    out.extend(frames.iter().flat_map(|frame| frame.pixels.iter().map(|pixel| pixel >> 2)));
    out
}

impl Reexecution for Fake {
    fn precision(&self) -> Precision {
        Precision::F32
    }

    fn prepare(&mut self, job: &JobSpec, opening: &PromptOpening) -> Result<TextEmbeddings, ReexecutionError> {
        let conditional = embed(&opening.prompt);
        let unconditional = job.is_guided().then(|| embed(&opening.negative_prompt));
        let tensor = |values: &[f32]| Tensor::from_f32(values, Precision::F32, &[TOKENS, WIDTH]);
        let text =
            TextEmbeddings { conditional: tensor(&conditional), unconditional: unconditional.as_deref().map(tensor) };
        self.job = Some((job.clone(), conditional, unconditional));
        Ok(text)
    }

    fn model_outputs(&mut self, step: &StepInput<'_>) -> Result<StepOutputs, ReexecutionError> {
        let (_, conditional, unconditional) = self.job.as_ref().unwrap();
        let output = |text: &Vec<f32>| self.output(text, step.input, step.timestep, step.step);
        Ok(StepOutputs { conditional: output(conditional), unconditional: unconditional.as_ref().map(output) })
    }

    fn decode_frames(&mut self, final_state: &[f32], frames: &[u32]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let (job, ..) = self.job.as_ref().unwrap();
        let latent = job.latent;
        let picture = |&frame: &u32| {
            let pixels = (0..job.height as usize)
                .flat_map(|y| (0..job.width as usize).flat_map(move |x| (0..3).map(move |channel| (y, x, channel))))
                .map(|(y, x, channel)| {
                    let plane = (channel * latent.frames + frame as usize) * latent.height * latent.width;
                    let value = final_state[plane + (y / 8) * latent.width + x / 8];
                    (128.0 + 60.0 * value + 10.0 * frame as f32 + ((x * 7 + y * 3) % 16) as f32).clamp(0.0, 255.0) as u8
                })
                .collect();
            RgbFrame { width: job.width, height: job.height, pixels }
        };
        Ok(frames.iter().map(picture).collect())
    }

    fn decode_clip(&mut self, clip: &[u8]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let bad = || ReexecutionError::BadClip("no fake clip".to_owned());
        let rest = clip.strip_prefix(CLIP_MAGIC).ok_or_else(bad)?;
        let (head, pixels) = rest.split_at_checked(12).ok_or_else(bad)?;
        let sizes: Vec<u32> = head.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
        let len = u64::from(sizes[1]) * u64::from(sizes[2]) * 3;
        if len == 0 || len.checked_mul(u64::from(sizes[0])) != Some(pixels.len() as u64) {
            return Err(bad());
        }
        let frame = |pixels: &[u8]| RgbFrame {
            width: sizes[1],
            height: sizes[2],
            pixels: pixels.iter().map(|pixel| (pixel << 2) | 2).collect(),
        };
        Ok(pixels.chunks(len as usize).map(frame).collect())
    }
}
