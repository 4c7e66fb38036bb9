//! How far two honest ways of running a model are apart, and the bounds that follow.

use infernet_engine::pipeline::Precision;

use crate::proof::{
    Evidence, JobError, PairTolerance, PromptOpening, Reexecution, ReexecutionError, RgbFrame, SigmaBin, StepInput,
    Tensor, relative_l2, rms_levels, worst_block_rms_levels, worst_frame_relative_l2,
};

/// Ends of the ranges of noise levels that have bounds of their own; the last range has no end.
pub const SIGMA_EDGES: [f64; 4] = [0.3, 1.0, 3.0, 10.0];
/// A bound is this many times the largest honest error, and a cheat has to be this many times beyond the bound.
const ROOM: f64 = 5.0;
/// No bound is smaller than this, five times 1e-5: the same model in f32 on another maker's GPU adds in another order (PyTorch's
/// and our results differ by up to 7e-6 on models with random weights, docs/benchmarks.md).
const LEAST_BOUND: f64 = 5e-5;
/// Likewise for decoded frames, in 8-bit levels: a value between two levels may round to either.
const LEAST_FRAME_RMS: f64 = 0.5;
/// A clip's own loss is the quantiser's, much the same in every block of every clip; this leaves room for another build of the
/// codec. Another picture is tens of levels off in its worst block.
const CLIP_ROOM: f64 = 2.0;
const LEAST_CLIP_BLOCK_RMS: f64 = 4.0;

/// Why an honest error can't be measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The run's job can't be used.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The second run failed.
    #[error(transparent)]
    Reexecution(#[from] ReexecutionError),
    /// Nothing was measured.
    #[error("no honest run was measured at noise levels {0}; calibrate with more steps")]
    Empty(String),
}

/// Errors of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Noise level.
    pub sigma: f64,
    /// Relative L2 error of the whole output, the larger of the two branches.
    pub whole: f64,
    /// Relative L2 error of the worst frame, the larger of the two branches.
    pub worst_frame: f64,
}

/// Honest errors between a miner's and a validator's way of running a model.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// Of steps.
    pub steps: Vec<Measurement>,
    /// Of decoded frames, root mean square in 8-bit levels.
    pub frame_rms: Vec<f64>,
    /// Of the clip against the committed frames, the worst block's.
    pub clip_block_rms: Vec<f64>,
}

impl Calibration {
    /// Runs every step and frame of a recorded run again.
    ///
    /// # Errors
    /// The second run fails.
    pub fn measure(
        &mut self,
        run: &Evidence,
        opening: &PromptOpening,
        validator: &mut dyn Reexecution,
    ) -> Result<(), CalibrationError> {
        let job = &run.job;
        let scheduler = job.scheduler()?;
        validator.prepare(job, opening)?;
        for (index, step) in run.steps.iter().enumerate() {
            let input = scheduler.scale_model_input(index, &step.state.to_f32());
            // Steps of a job are u32.
            let input = StepInput { step: index as u32, input: &input, timestep: scheduler.timestep(index) };
            let own = validator.model_outputs(&input)?;
            let mut measured = Measurement { sigma: scheduler.sigma(index), whole: 0.0, worst_frame: 0.0 };
            let claimed = [Some(step.conditional.to_f32()), step.unconditional.as_ref().map(Tensor::to_f32)];
            for (claimed, own) in claimed.iter().zip([Some(&own.conditional), own.unconditional.as_ref()]) {
                if let (Some(claimed), Some(own)) = (claimed, own) {
                    measured.whole = measured.whole.max(relative_l2(claimed, own));
                    measured.worst_frame = measured.worst_frame.max(worst_frame_relative_l2(claimed, own, job.latent));
                }
            }
            self.steps.push(measured);
        }
        let all: Vec<u32> = (0..job.frames).collect();
        let own = validator.decode_frames(&run.final_state.to_f32(), &all)?;
        let shown = validator.decode_clip(&run.clip)?;
        let errors = |others: &[RgbFrame], error: fn(&RgbFrame, &RgbFrame) -> f64| -> Vec<f64> {
            run.frames.iter().zip(others).map(|(frame, other)| error(frame, other)).collect()
        };
        self.frame_rms.extend(errors(&own, rms_levels));
        self.clip_block_rms.extend(errors(&shown, worst_block_rms_levels));
        Ok(())
    }

    /// Measurements in each range of noise levels.
    fn bins(&self) -> [Vec<Measurement>; SIGMA_EDGES.len() + 1] {
        let mut bins: [Vec<Measurement>; SIGMA_EDGES.len() + 1] = Default::default();
        for measured in &self.steps {
            bins[bin(measured.sigma)].push(*measured);
        }
        bins
    }

    /// The smallest error of the whole output in each range: for what a cheat leaves behind.
    pub fn smallest(&self) -> [Option<f64>; SIGMA_EDGES.len() + 1] {
        self.bins().map(|bin| bin.iter().map(|measured| measured.whole).min_by(f64::total_cmp))
    }
}

fn bin(sigma: f64) -> usize {
    SIGMA_EDGES.iter().position(|&edge| sigma < edge).unwrap_or(SIGMA_EDGES.len())
}

/// Bounds from honest errors: five times the largest in each range of noise levels. `smallest_cheats` are the smallest errors
/// that cheaper ways of running the model leave; a pair whose bound does not stay five times below them is refused.
///
/// # Errors
/// Nothing was measured.
pub fn bounds(
    miner: Precision,
    validator: Precision,
    honest: &Calibration,
    smallest_cheats: &[[Option<f64>; SIGMA_EDGES.len() + 1]],
) -> Result<PairTolerance, CalibrationError> {
    let (frames, clip) = (largest(&honest.frame_rms), largest(&honest.clip_block_rms));
    let (Some(frames), Some(clip)) = (frames, clip) else {
        return Err(CalibrationError::Empty("of decoded frames".to_owned()));
    };
    let measured = honest.bins();
    // A range that no run visited takes the bounds of its nearest neighbour.
    let visited: Vec<usize> = (0..measured.len()).filter(|&bin| !measured[bin].is_empty()).collect();
    let mut refused = None;
    let mut bins = Vec::new();
    for index in 0..measured.len() {
        let Some(&nearest) = visited.iter().min_by_key(|&&bin| bin.abs_diff(index)) else {
            return Err(CalibrationError::Empty("of any size".to_owned()));
        };
        let whole = tail(measured[nearest].iter().map(|error| error.whole));
        let worst_frame = tail(measured[nearest].iter().map(|error| error.worst_frame));
        let bin = SigmaBin {
            sigma_below: SIGMA_EDGES.get(index).copied(),
            whole_bound: (ROOM * whole[2]).max(LEAST_BOUND),
            worst_frame_bound: (ROOM * worst_frame[2]).max(LEAST_BOUND),
            honest_evaluations: measured[nearest].len() as u64,
            honest_whole: whole,
            honest_worst_frame: worst_frame,
        };
        let cheat = smallest_cheats.iter().filter_map(|cheat| cheat[index]).min_by(f64::total_cmp);
        if let Some(cheat) = cheat.filter(|cheat| *cheat < ROOM * bin.whole_bound) {
            refused.get_or_insert_with(|| {
                format!(
                    "at noise levels below {} honest runs differ by up to {:.1e}, and a cheaper model by as little as {cheat:.1e}",
                    bin.sigma_below.unwrap_or(f64::INFINITY),
                    whole[2]
                )
            });
        }
        bins.push(bin);
    }
    Ok(PairTolerance {
        miner,
        validator,
        refused,
        bins,
        frame_psnr_db: psnr((ROOM * frames).max(LEAST_FRAME_RMS)),
        clip_block_rms: (CLIP_ROOM * clip).max(LEAST_CLIP_BLOCK_RMS),
        honest_frames: honest.frame_rms.len() as u64,
    })
}

fn largest(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

/// Median, 99th percentile and largest; there is at least one value.
fn tail(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len() - 1)).copied();
    [at(0.5), at(0.99), at(1.0)].map(Option::unwrap_or_default)
}

/// Peak signal-to-noise ratio of 8-bit pictures that differ by `rms` levels.
fn psnr(rms: f64) -> f64 {
    20.0 * (255.0 / rms).log10()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn honest(error: f64) -> Calibration {
        let step = |sigma: f64| Measurement { sigma, whole: error, worst_frame: 2.0 * error };
        Calibration {
            steps: vec![step(0.1), step(0.5), step(f64::INFINITY)],
            frame_rms: vec![0.2],
            clip_block_rms: vec![3.0],
        }
    }

    #[test]
    fn bounds_leave_room_above_honest_errors() {
        let pair = bounds(Precision::F16, Precision::F32, &honest(1e-3), &[]).unwrap();
        assert_eq!(pair.bins.len(), SIGMA_EDGES.len() + 1);
        assert!(pair.bins.iter().all(|bin| bin.whole_bound == 5e-3 && bin.worst_frame_bound == 1e-2));
        assert_eq!(pair.bins.last().unwrap().sigma_below, None);
        assert!(pair.refused.is_none());
        // 5 x 0.2 levels; 2 x 3 levels.
        assert!((pair.frame_psnr_db - 48.13).abs() < 0.01 && pair.clip_block_rms == 6.0);
    }

    #[test]
    fn equal_runs_still_have_room_for_another_machine() {
        let pair = bounds(Precision::F32, Precision::F32, &honest(0.0), &[]).unwrap();
        assert!(pair.bins.iter().all(|bin| bin.whole_bound == LEAST_BOUND));
    }

    #[test]
    fn a_pair_without_a_gap_is_refused() {
        let cheat = |error| [[Some(error); SIGMA_EDGES.len() + 1]];
        let refused = |error| bounds(Precision::Bf16, Precision::F32, &honest(1e-3), &cheat(error)).unwrap().refused;
        assert!(refused(2.4e-2).unwrap().contains("2.4e-2"));
        assert_eq!(refused(2.6e-2), None);
    }

    #[test]
    fn nothing_measured_is_an_error() {
        assert!(bounds(Precision::F32, Precision::F32, &Calibration::default(), &[]).is_err());
    }
}
