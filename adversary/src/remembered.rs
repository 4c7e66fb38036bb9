//! A validator that runs each step of a run once, however many audits ask for it.

use std::collections::HashMap;

use infernet_engine::pipeline::Precision;
use infernet_network::proof::{
    Digest, JobSpec, PromptOpening, Reexecution, ReexecutionError, RgbFrame, StepInput, StepOutputs, TextEmbeddings,
};
use sha2::{Digest as _, Sha256};

/// Keeps what another [`Reexecution`] computed: text embeddings by job, model outputs by job, step and input, frames by final
/// state, and clips by their bytes. Nothing is remembered that depends on anything else, so verdicts are the same.
pub struct Remembered<R> {
    inner: R,
    max_bytes: usize,
    bytes: usize,
    /// What was asked for last.
    asked: Option<Asked>,
    /// The job that `inner` is ready for.
    ready: Option<Digest>,
    texts: HashMap<Digest, (PromptOpening, TextEmbeddings)>,
    outputs: HashMap<Digest, StepOutputs>,
    frames: HashMap<(Digest, u32), RgbFrame>,
    clips: HashMap<Digest, Result<Vec<RgbFrame>, ReexecutionError>>,
    evaluations: u64,
    evaluations_made: u64,
}

struct Asked {
    digest: Digest,
    job: JobSpec,
    opening: PromptOpening,
}

impl<R: Reexecution> Remembered<R> {
    /// Remembers up to about `max_bytes`; beyond that it forgets everything and starts again.
    pub fn new(inner: R, max_bytes: usize) -> Self {
        Self {
            inner,
            max_bytes,
            bytes: 0,
            asked: None,
            ready: None,
            texts: HashMap::new(),
            outputs: HashMap::new(),
            frames: HashMap::new(),
            clips: HashMap::new(),
            evaluations: 0,
            evaluations_made: 0,
        }
    }

    /// Model evaluations that audits asked for: two for a step with guidance.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Model evaluations that were really made.
    pub fn evaluations_made(&self) -> u64 {
        self.evaluations_made
    }

    fn asked(&self) -> Result<&Asked, ReexecutionError> {
        self.asked.as_ref().ok_or_else(|| ReexecutionError::Unusable("it was not prepared".to_owned()))
    }

    /// Gets `inner` ready for the job that was asked for last.
    fn get_ready(&mut self) -> Result<(), ReexecutionError> {
        let Asked { digest, job, opening } = self.asked()?;
        if self.ready != Some(*digest) {
            let digest = *digest;
            let (job, opening) = (job.clone(), opening.clone());
            self.ready = None;
            self.inner.prepare(&job, &opening)?;
            self.ready = Some(digest);
        }
        Ok(())
    }

    fn remember(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes > self.max_bytes {
            self.bytes = bytes;
            self.texts.clear();
            self.outputs.clear();
            self.frames.clear();
            self.clips.clear();
        }
    }
}

impl<R: Reexecution> Reexecution for Remembered<R> {
    fn precision(&self) -> Precision {
        self.inner.precision()
    }

    fn prepare(&mut self, job: &JobSpec, opening: &PromptOpening) -> Result<TextEmbeddings, ReexecutionError> {
        let digest = job.digest();
        self.asked = Some(Asked { digest, job: job.clone(), opening: opening.clone() });
        if let Some((known, text)) = self.texts.get(&digest) {
            if known == opening {
                return Ok(text.clone());
            }
            // Other texts under the same job: outputs have to be made again too.
            self.outputs.clear();
        }
        self.ready = None;
        let text = self.inner.prepare(job, opening)?;
        self.ready = Some(digest);
        self.remember(text.conditional.bytes.len() + text.unconditional.as_ref().map_or(0, |text| text.bytes.len()));
        self.texts.insert(digest, (opening.clone(), text.clone()));
        Ok(text)
    }

    fn model_outputs(&mut self, step: &StepInput<'_>) -> Result<StepOutputs, ReexecutionError> {
        let asked = self.asked()?;
        let branches = 1 + u64::from(asked.job.is_guided());
        let head = [&asked.digest.0[..], &step.step.to_le_bytes(), &step.timestep.to_bits().to_le_bytes()];
        let key = hash(&head, step.input);
        self.evaluations += branches;
        if let Some(known) = self.outputs.get(&key) {
            return Ok(known.clone());
        }
        self.get_ready()?;
        let outputs = self.inner.model_outputs(step)?;
        self.evaluations_made += branches;
        self.remember(4 * (outputs.conditional.len() + outputs.unconditional.as_ref().map_or(0, Vec::len)));
        self.outputs.insert(key, outputs.clone());
        Ok(outputs)
    }

    fn decode_frames(&mut self, final_state: &[f32], frames: &[u32]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let key = hash(&[&self.asked()?.digest.0], final_state);
        let missing: Vec<u32> =
            frames.iter().copied().filter(|frame| !self.frames.contains_key(&(key, *frame))).collect();
        let mut now = HashMap::new();
        if !missing.is_empty() {
            self.get_ready()?;
            let decoded = self.inner.decode_frames(final_state, &missing)?;
            self.remember(decoded.iter().map(|frame| frame.pixels.len()).sum());
            self.frames.extend(missing.iter().map(|frame| (key, *frame)).zip(decoded.iter().cloned()));
            now.extend(missing.into_iter().zip(decoded));
        }
        let one = |frame: &u32| self.frames.get(&(key, *frame)).or_else(|| now.get(frame)).cloned();
        let found: Option<Vec<RgbFrame>> = frames.iter().map(one).collect();
        match found {
            Some(found) => Ok(found),
            // Room for less than one call's frames.
            None => self.inner.decode_frames(final_state, frames),
        }
    }

    fn decode_clip(&mut self, clip: &[u8]) -> Result<Vec<RgbFrame>, ReexecutionError> {
        let Asked { digest, .. } = self.asked()?;
        let mut hasher = Sha256::new();
        hasher.update(digest.0);
        hasher.update(clip);
        let key = Digest(hasher.finalize().into());
        if let Some(known) = self.clips.get(&key) {
            return known.clone();
        }
        self.get_ready()?;
        let decoded = self.inner.decode_clip(clip);
        // What failed for another reason than the clip may work next time.
        if matches!(decoded, Ok(_) | Err(ReexecutionError::BadClip(_))) {
            self.remember(decoded.iter().flatten().map(|frame| frame.pixels.len()).sum());
            self.clips.insert(key, decoded.clone());
        }
        decoded
    }
}

fn hash(head: &[&[u8]], values: &[f32]) -> Digest {
    let mut hasher = Sha256::new();
    head.iter().for_each(|part| hasher.update(part));
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    hasher.update(bytes);
    Digest(hasher.finalize().into())
}
