//! How far an honest miner's numbers may be from a validator's, and what that rests on.

use infernet_engine::pipeline::Precision;
use serde::{Deserialize, Serialize};

use super::bytes::Digest;
use super::codec::Writer;
use super::tensor::precision_code;

const TAG: &str = "infernet/tolerance/v1";

/// Bounds for a range of noise levels, with the honest runs they were set from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigmaBin {
    /// Noise levels below this one (and not in the bin before); none in the last bin, which has no upper end.
    pub sigma_below: Option<f64>,
    /// Bound of the whole output's relative L2 error.
    pub whole_bound: f64,
    /// Bound of the worst frame's relative L2 error.
    pub worst_frame_bound: f64,
    /// Honest evaluations measured. No failure among n bounds the honest failure rate at 3/n only (95 %).
    pub honest_evaluations: u64,
    /// Honest errors of the whole output: median, 99th percentile, largest.
    pub honest_whole: [f64; 3],
    /// Honest errors of the worst frame: median, 99th percentile, largest.
    pub honest_worst_frame: [f64; 3],
}

/// Bounds for a pair of number formats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairTolerance {
    /// What the miner runs in (and says so in the model digest).
    pub miner: Precision,
    /// What the validator runs in.
    pub validator: Precision,
    /// Why this pair can't be audited, where honest and cheating errors have no gap between them.
    pub refused: Option<String>,
    /// By rising noise level.
    pub bins: Vec<SigmaBin>,
    /// Least PSNR of a decoded frame against the validator's, in dB.
    pub frame_psnr_db: f64,
    /// Largest error of the worst block of a delivered clip's frame against the committed one, root mean square of 8-bit
    /// levels ([`worst_block_rms_levels`](super::worst_block_rms_levels)).
    pub clip_block_rms: f64,
    /// Honest frames measured for the two above.
    pub honest_frames: u64,
}

/// All bounds of a model, as its manifest has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToleranceTable {
    /// Digest of the model.
    pub model: Digest,
    /// One entry per pair.
    pub pairs: Vec<PairTolerance>,
}

/// No bound applies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToleranceError {
    /// The table is another model's.
    #[error("the tolerance table is for model {found}, the job is for {expected}; calibrate this model first")]
    Model {
        /// The table's.
        found: Digest,
        /// The job's.
        expected: Digest,
    },
    /// The pair was never measured.
    #[error("there are no bounds for a {miner} miner and a {validator} validator; calibrate this pair first")]
    NoPair {
        /// Miner's format.
        miner: &'static str,
        /// Validator's format.
        validator: &'static str,
    },
    /// The pair was measured and has no gap.
    #[error("a {validator} validator can't judge a {miner} miner: {reason}")]
    Refused {
        /// Miner's format.
        miner: &'static str,
        /// Validator's format.
        validator: &'static str,
        /// Why.
        reason: String,
    },
    /// A bound is missing or no number.
    #[error("the tolerance table has no usable bound for {what}; calibrate again")]
    NoBound {
        /// For what.
        what: String,
    },
}

impl ToleranceError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model { .. } => "proof.tolerance.model",
            Self::NoPair { .. } => "proof.tolerance.no_pair",
            Self::Refused { .. } => "proof.tolerance.refused",
            Self::NoBound { .. } => "proof.tolerance.no_bound",
        }
    }
}

impl ToleranceTable {
    /// What a challenge names: `SHA-256("infernet/tolerance/v1" || encoding)`, encoding as in docs/PROTOCOL.md.
    pub fn digest(&self) -> Digest {
        Digest::of(TAG, |out| {
            out.raw(&self.model.0).u64(self.pairs.len() as u64);
            for pair in &self.pairs {
                pair.write(out);
            }
        })
    }

    /// The bounds for a model and a pair of formats.
    ///
    /// # Errors
    /// There are none, or the pair is refused.
    pub fn pair(
        &self,
        model: &Digest,
        miner: Precision,
        validator: Precision,
    ) -> Result<&PairTolerance, ToleranceError> {
        if self.model != *model {
            return Err(ToleranceError::Model { found: self.model, expected: *model });
        }
        let pair = self.pairs.iter().find(|pair| pair.miner == miner && pair.validator == validator);
        let (miner, validator) = (miner.name(), validator.name());
        let pair = pair.ok_or(ToleranceError::NoPair { miner, validator })?;
        match &pair.refused {
            Some(reason) => Err(ToleranceError::Refused { miner, validator, reason: reason.clone() }),
            None => Ok(pair),
        }
    }
}

impl PairTolerance {
    /// The bounds at a noise level.
    ///
    /// # Errors
    /// No bin reaches that far, or its bounds are not positive numbers.
    pub fn bin(&self, sigma: f64) -> Result<&SigmaBin, ToleranceError> {
        let bin = self.bins.iter().find(|bin| bin.sigma_below.is_none_or(|end| sigma < end));
        bin.filter(|bin| {
            [bin.whole_bound, bin.worst_frame_bound].iter().all(|bound| bound.is_finite() && *bound >= 0.0)
        })
        .ok_or_else(|| ToleranceError::NoBound { what: format!("noise level {sigma}") })
    }

    /// Largest root mean square of 8-bit levels that a decoded frame may differ by.
    ///
    /// # Errors
    /// The PSNR bound is no number.
    pub fn frame_rms_bound(&self) -> Result<f64, ToleranceError> {
        rms_of_psnr(self.frame_psnr_db, "decoded frames")
    }

    /// Largest error of a clip frame's worst block, in 8-bit levels.
    ///
    /// # Errors
    /// The bound is no positive number.
    pub fn clip_block_bound(&self) -> Result<f64, ToleranceError> {
        if self.clip_block_rms.is_finite() && self.clip_block_rms > 0.0 {
            return Ok(self.clip_block_rms);
        }
        Err(ToleranceError::NoBound { what: "clip frames".to_owned() })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(precision_code(self.miner)).u8(precision_code(self.validator));
        out.flag(self.refused.is_some()).bytes(self.refused.as_deref().unwrap_or_default().as_bytes());
        out.u64(self.bins.len() as u64);
        for bin in &self.bins {
            out.flag(bin.sigma_below.is_some()).f64(bin.sigma_below.unwrap_or(0.0));
            out.f64(bin.whole_bound).f64(bin.worst_frame_bound).u64(bin.honest_evaluations);
            for value in bin.honest_whole.into_iter().chain(bin.honest_worst_frame) {
                out.f64(value);
            }
        }
        out.f64(self.frame_psnr_db).f64(self.clip_block_rms).u64(self.honest_frames);
    }
}

/// `255 x 10^(-psnr/20)`.
fn rms_of_psnr(psnr_db: f64, what: &str) -> Result<f64, ToleranceError> {
    if psnr_db.is_nan() || psnr_db <= 0.0 {
        return Err(ToleranceError::NoBound { what: what.to_owned() });
    }
    Ok(255.0 * 10.0_f64.powf(-psnr_db / 20.0))
}
