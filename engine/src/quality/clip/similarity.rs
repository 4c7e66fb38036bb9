//! Cosines, and how they become scores between 0 and 1.

use crate::quality::QualityError;
use crate::quality::weights::read_json;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Cosine of two vectors of the same length; 0 where one is zero, which points nowhere.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    let norms = dot(a, a).sqrt() * dot(b, b).sqrt();
    if norms > 0.0 { (dot(a, b) / norms).clamp(-1.0, 1.0) } else { 0.0 }
}

/// How alike the frames and the prompt are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipSimilarity {
    /// Cosine of each frame's embedding with the prompt's, from -1 to 1.
    pub per_frame: Vec<f64>,
    /// Mean over the frames.
    pub mean: f64,
    /// The worst frame.
    pub min: f64,
    /// Whether the prompt was longer than the model reads.
    pub prompt_truncated: bool,
}

impl ClipSimilarity {
    pub(super) fn new(per_frame: Vec<f64>, prompt_truncated: bool) -> Self {
        let mean = per_frame.iter().sum::<f64>() / per_frame.len().max(1) as f64;
        let min = per_frame.iter().copied().fold(f64::INFINITY, f64::min).min(mean);
        Self { per_frame, mean, min, prompt_truncated }
    }
}

/// How one CLIP's cosines become scores: straight lines between two measured points.
///
/// A cosine means different things to different models, so a folder may carry
/// `score_calibration.json` with these fields, measured on clips with right and wrong captions.
/// Without it fidelity is CLIPScore (Hessel et al. 2021, `2.5 max(cosine, 0)`, cut at 1), which is
/// meant for OpenAI's ViT-B/32, and image distances are taken as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean cosine that scores 0.
    pub cosine_zero: f64,
    /// Mean cosine that scores 1.
    pub cosine_one: f64,
    /// `1 - cosine` between the images of unrelated clips, which counts as a distance of 1.
    pub unrelated_distance: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { cosine_zero: 0.0, cosine_one: 0.4, unrelated_distance: 1.0 }
    }
}

impl Calibration {
    /// Name of the file in the model folder.
    pub const FILE_NAME: &'static str = "score_calibration.json";

    /// Reads the folder's calibration, or gives the default where it has none.
    ///
    /// # Errors
    /// The file is there but unreadable or without meaning.
    pub fn read(folder: &Path) -> Result<Self, QualityError> {
        let path = folder.join(Self::FILE_NAME);
        if !path.exists() {
            return Ok(Self::default());
        }
        let value = read_json(&path, Self::FILE_NAME)?;
        let found = value.to_string();
        let calibration: Self =
            serde_json::from_value(value).map_err(|source| QualityError::Json { path: path.clone(), source })?;
        let sound = calibration.cosine_zero >= -1.0
            && calibration.cosine_one <= 1.0
            && calibration.cosine_zero < calibration.cosine_one
            && (1e-3..=2.0).contains(&calibration.unrelated_distance);
        if sound {
            return Ok(calibration);
        }
        Err(QualityError::Config {
            path,
            field: "score_calibration",
            expected: "-1 <= cosine_zero < cosine_one <= 1, 0.001 <= unrelated_distance <= 2".to_owned(),
            found,
        })
    }

    /// Prompt fidelity of a mean cosine, from 0 to 1:
    /// `(cosine - cosine_zero) / (cosine_one - cosine_zero)`, cut at both ends.
    #[must_use]
    pub fn fidelity(&self, mean_cosine: f64) -> f64 {
        ((mean_cosine - self.cosine_zero) / (self.cosine_one - self.cosine_zero)).clamp(0.0, 1.0)
    }

    /// Distance of two images from the cosine of their embeddings, from 0 to 1:
    /// `(1 - cosine) / unrelated_distance`, cut at 1.
    #[must_use]
    pub fn image_distance(&self, cosine: f64) -> f64 {
        ((1.0 - cosine) / self.unrelated_distance).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_bounded_and_zero_vectors_harmless() {
        assert_eq!(cosine(&[3.0, 0.0], &[5.0, 0.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
        assert!(cosine(&[1e-30; 4], &[1e30; 4]) <= 1.0);
    }

    #[test]
    fn the_lines_are_cut_at_both_ends() {
        let calibration = Calibration { cosine_zero: 0.5, cosine_one: 0.9, unrelated_distance: 0.5 };
        assert_eq!(calibration.fidelity(0.3), 0.0);
        assert!((calibration.fidelity(0.7) - 0.5).abs() < 1e-12);
        assert_eq!(calibration.fidelity(0.95), 1.0);
        assert_eq!(calibration.image_distance(1.0), 0.0);
        assert!((calibration.image_distance(0.75) - 0.5).abs() < 1e-12);
        assert_eq!(calibration.image_distance(-1.0), 1.0);
        // CLIPScore: 2.5 x cosine.
        assert!((Calibration::default().fidelity(0.3) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_senseless_calibration_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Calibration::read(folder.path()).unwrap(), Calibration::default());
        let write = |text: &str| std::fs::write(folder.path().join(Calibration::FILE_NAME), text).unwrap();
        write(r#"{"cosine_zero": 0.9, "cosine_one": 0.5, "unrelated_distance": 1.0}"#);
        assert!(matches!(Calibration::read(folder.path()), Err(QualityError::Config { .. })));
        write("{");
        assert!(matches!(Calibration::read(folder.path()), Err(QualityError::Json { .. })));
        write(r#"{"cosine_zero": 0.5, "cosine_one": 0.9, "unrelated_distance": 0.9, "measured": "note"}"#);
        assert_eq!(Calibration::read(folder.path()).unwrap().cosine_one, 0.9);
    }
}
