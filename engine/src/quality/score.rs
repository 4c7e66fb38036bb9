//! MD-VQS, the score that rewards are paid by:
//! `0.4 prompt fidelity + 0.3 visual quality + 0.3 temporal consistency`.
//!
//! | part | from 0 to 1 | of |
//! |---|---|---|
//! | prompt fidelity | [`Calibration::fidelity`] | the mean over the frames of the CLIP cosine with the prompt |
//! | visual quality | `1 - mean` | the distance of neighbouring frames: LPIPS, or CLIP's images where there is no LPIPS backbone |
//! | temporal consistency | `1 - mean / ERROR_AT_ZERO` | the warping error of neighbouring frames |
//!
//! A part that is not defined is `None` (fidelity to an empty prompt, anything between the frames of a
//! single one), and the score is the weighted mean of the others. Scores compare only between clips
//! scored with the same [`ClipScore::models`] and the same [`VisualMetric`].

use super::clip::{Calibration, Clip, ClipSimilarity, cosine};
use super::flow::PairConsistency;
use super::flow::consistency::{Rgb, consistency_of};
use super::lpips::Lpips;
use super::{FramesView, ModelIdentity, QualityError};
use candle_core::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Weight of the prompt fidelity.
pub const FIDELITY_WEIGHT: f64 = 0.4;
/// Weight of the visual quality.
pub const VISUAL_WEIGHT: f64 = 0.3;
/// Weight of the temporal consistency.
pub const TEMPORAL_WEIGHT: f64 = 0.3;

/// Warping error that scores 0. Moving shapes have 0.0001 to 0.002, coded in blocks up to 0.004, under noise
/// of 10 levels 0.02; a flicker of 20 % has 0.06, unrelated pictures 0.24, noise 0.28.
pub const WARPING_ERROR_AT_ZERO: f64 = 0.1;

/// How the distance of neighbouring frames was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisualMetric {
    /// LPIPS v0.1 on AlexNet.
    LpipsAlex,
    /// [`Calibration::image_distance`] of the CLIP's image embeddings.
    ClipImageDistance,
}

/// Do the frames show the prompt?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromptFidelity {
    /// From 0 to 1.
    pub fidelity: f64,
    /// The cosines it comes from.
    pub similarity: ClipSimilarity,
    /// How they became a fidelity.
    pub calibration: Calibration,
}

/// Do neighbouring frames look alike?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisualQuality {
    /// From 0 to 1.
    pub quality: f64,
    /// Mean distance.
    pub mean_distance: f64,
    /// Distance of each frame to the next.
    pub per_pair: Vec<f64>,
    /// The distance's name.
    pub metric: VisualMetric,
}

/// Do the frames move as one scene?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemporalConsistency {
    /// From 0 to 1.
    pub consistency: f64,
    /// Mean warping error, from 0 to 1.
    pub mean_warping_error: f64,
    /// Warping error and occluded share of each frame and the next.
    pub per_pair: Vec<PairConsistency>,
}

/// A clip's score with everything it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipScore {
    /// MD-VQS, from 0 to 1; `None` where no part is defined (one frame, empty prompt).
    pub md_vqs: Option<f64>,
    /// `None` for an empty prompt: there is nothing to be faithful to.
    pub prompt: Option<PromptFidelity>,
    /// `None` for a single frame.
    pub visual: Option<VisualQuality>,
    /// `None` for a single frame.
    pub temporal: Option<TemporalConsistency>,
    /// Frames scored.
    pub frames: usize,
    /// The weights used.
    pub models: Vec<ModelIdentity>,
}

/// The loaded models.
#[derive(Debug)]
pub struct Scorer {
    clip: Clip,
    lpips: Option<Lpips>,
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Weighted mean of the parts that are defined.
fn combine(parts: [(f64, Option<f64>); 3]) -> Option<f64> {
    let defined = || parts.iter().filter_map(|(weight, part)| Some((weight, (*part)?)));
    let weights: f64 = defined().map(|(weight, _)| weight).sum();
    (weights > 0.0).then(|| defined().map(|(weight, part)| weight * part).sum::<f64>() / weights)
}

impl Scorer {
    /// Loads a CLIP folder and, where there is one, an LPIPS folder.
    ///
    /// # Errors
    /// Those of [`Clip::load`] and [`Lpips::load`].
    pub fn load(clip: &Path, lpips: Option<&Path>, device: &Device) -> Result<Self, QualityError> {
        let lpips = lpips.map(|folder| Lpips::load(folder, device)).transpose()?;
        Ok(Self { clip: Clip::load(clip, device)?, lpips })
    }

    /// The CLIP in use.
    #[must_use]
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Scores a clip against the prompt it was made for.
    ///
    /// # Errors
    /// A tensor operation that failed, or weights that give no number.
    pub fn score(&self, clip: FramesView<'_>, prompt: &str) -> Result<ClipScore, QualityError> {
        let features = self.clip.image_features(clip)?;
        let prompt = if prompt.trim().is_empty() {
            None
        } else {
            let similarity = self.clip.similarity_of(&features, prompt)?;
            let calibration = self.clip.calibration().clone();
            let fidelity = calibration.fidelity(similarity.mean);
            Some(PromptFidelity { fidelity, similarity, calibration })
        };
        let visual = self.visual(clip, &features)?;
        let temporal = temporal_consistency(clip);
        let md_vqs = combine([
            (FIDELITY_WEIGHT, prompt.as_ref().map(|part| part.fidelity)),
            (VISUAL_WEIGHT, visual.as_ref().map(|part| part.quality)),
            (TEMPORAL_WEIGHT, temporal.as_ref().map(|part| part.consistency)),
        ]);
        let mut models = vec![self.clip.identity().clone()];
        models.extend(self.lpips.iter().map(|lpips| lpips.identity().clone()));
        Ok(ClipScore { md_vqs, prompt, visual, temporal, frames: clip.frame_count(), models })
    }

    fn visual(&self, clip: FramesView<'_>, features: &[Vec<f32>]) -> Result<Option<VisualQuality>, QualityError> {
        if clip.frame_count() < 2 {
            return Ok(None);
        }
        let (per_pair, metric) = match &self.lpips {
            Some(lpips) => (lpips.neighbour_distances(clip)?, VisualMetric::LpipsAlex),
            None => {
                let calibration = self.clip.calibration();
                let distance = |pair: &[Vec<f32>]| calibration.image_distance(cosine(&pair[0], &pair[1]));
                (features.windows(2).map(distance).collect(), VisualMetric::ClipImageDistance)
            }
        };
        let mean_distance = mean(per_pair.iter().copied());
        let quality = (1.0 - mean_distance).clamp(0.0, 1.0);
        Ok(Some(VisualQuality { quality, mean_distance, per_pair, metric }))
    }
}

/// Temporal consistency of a clip; `None` for a single frame.
#[must_use]
pub fn temporal_consistency(clip: FramesView<'_>) -> Option<TemporalConsistency> {
    if clip.frame_count() < 2 {
        return None;
    }
    let reduced = |index: usize| Rgb::reduced(clip.frame(index), clip.width(), clip.height());
    let per_pair: Vec<PairConsistency> = (1..clip.frame_count())
        .into_par_iter()
        .map(|index| consistency_of(&reduced(index - 1), &reduced(index)))
        .collect();
    let mean_warping_error = mean(per_pair.iter().map(|pair| pair.warping_error));
    let consistency = (1.0 - mean_warping_error / WARPING_ERROR_AT_ZERO).clamp(0.0, 1.0);
    Some(TemporalConsistency { consistency, mean_warping_error, per_pair })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_hand_their_weight_to_the_others() {
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap_or(f64::NAN) - b).abs() < 1e-12);
        close(combine([(0.4, Some(1.0)), (0.3, Some(0.5)), (0.3, Some(0.0))]), 0.55);
        close(combine([(0.4, Some(0.8)), (0.3, None), (0.3, None)]), 0.8);
        close(combine([(0.4, None), (0.3, Some(1.0)), (0.3, Some(0.5))]), 0.75);
        assert_eq!(combine([(0.4, None), (0.3, None), (0.3, None)]), None);
    }
}
