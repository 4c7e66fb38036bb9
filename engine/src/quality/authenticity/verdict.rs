//! The bounds, and which of them a clip fails.

use super::stats::{AuthenticityStats, measure};
use crate::quality::FramesView;
use serde::{Deserialize, Serialize};

// Each bound's comment has the least value of real clips and the largest of those it refuses, out of
// 600 moving shapes of 64x64x16, 150 to 600 each at a quarter of the speed, coded in blocks (quantiser step
// 20 and 40), with Gaussian noise of 10 levels, at 32x32, 160x96 and 320x192, and 100 of each cheat.

/// Least [`AuthenticityStats::frame_entropy_bits`]: real clips 0.17 and more, one colour 0.
pub const MIN_FRAME_ENTROPY_BITS: f64 = 0.02;

/// Least [`AuthenticityStats::structured_share`]: real clips 0.67 and more, 0.36 under noise of 10 levels;
/// noise and a blank with noise at most 0.004, a blank with noise and block coding 0.07.
pub const MIN_STRUCTURED_SHARE: f64 = 0.15;

/// Least [`AuthenticityStats::contrast_levels`]: real clips 6.7 and more, a blank with noise of 8 levels at
/// most 0.4, coded in blocks 0.9.
pub const MIN_CONTRAST_LEVELS: f64 = 2.0;

/// Least [`AuthenticityStats::cell_correlation`]: real clips 0.54 and more, noise in squares of up to a
/// cell's side at most 0.16.
pub const MIN_CELL_CORRELATION: f64 = 0.25;

/// Least [`AuthenticityStats::temporal_change`]: real clips 0.056 and more, 0.012 at a quarter of the speed
/// (half a pixel a frame); stills under noise and block coding at most 0.0006, under a flicker of 20 % and
/// 15 levels 0.008, which is where it clips.
pub const MIN_TEMPORAL_CHANGE: f64 = 0.009;

/// Least [`AuthenticityStats::continuity`]: below it, neighbouring frames differ more than distant ones. Real
/// clips 0.125 and more (a ball that bounces twice in 17 frames), the most incoherent of 48 clips of a
/// half-trained model 0.02; two pictures in turn about -0.8.
pub const MIN_CONTINUITY: f64 = -0.15;

/// [`AuthenticityStats::temporal_change`] above which the frames share nothing, not even a background. Real
/// clips at most 0.74, noise of any grain 0.91 and more.
pub const UNRELATED_CHANGE: f64 = 0.85;

/// Least [`AuthenticityStats::continuity`] of frames that share nothing: new noise every frame has at most
/// 0.07 whatever its grain.
pub const MIN_CONTINUITY_OF_UNRELATED: f64 = 0.09;

/// Least [`AuthenticityStats::two_picture_residual`]: real clips 0.2 and more, two pictures in any order
/// at most 0.003, 0.04 under noise and flicker.
pub const MIN_TWO_PICTURE_RESIDUAL: f64 = 0.1;

/// Why a clip is no video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing in it: one colour.
    Blank,
    /// Noise: its pixels, or its frames, have nothing to do with each other. Noise over a blank counts.
    Noise,
    /// One picture all along.
    Still,
    /// Two pictures in turn, or in any order.
    TwoFrameLoop,
}

/// The statistic that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// [`AuthenticityStats::frame_entropy_bits`].
    FrameEntropyBits,
    /// [`AuthenticityStats::contrast_levels`].
    ContrastLevels,
    /// [`AuthenticityStats::structured_share`].
    StructuredShare,
    /// [`AuthenticityStats::cell_correlation`].
    CellCorrelation,
    /// [`AuthenticityStats::temporal_change`].
    TemporalChange,
    /// [`AuthenticityStats::continuity`].
    Continuity,
    /// [`AuthenticityStats::two_picture_residual`].
    TwoPictureResidual,
}

/// A failed bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What the clip is taken for.
    pub refusal: Refusal,
    /// The statistic below its bound.
    pub statistic: Statistic,
    /// Its value.
    pub measured: f64,
    /// The least value that passes.
    pub bound: f64,
}

/// The verdict on one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authenticity {
    /// Whether the clip passes.
    pub ok: bool,
    /// The first bound it fails.
    pub reason: Option<Reason>,
    /// Everything measured.
    pub stats: AuthenticityStats,
}

/// Measures a clip and compares it with the bounds, in the order blank, noise, still, loop.
///
/// Bounds on what a clip is too short to define (change in one frame, continuity and loops in a few) are
/// passed over.
#[must_use]
pub fn judge(clip: FramesView<'_>) -> Authenticity {
    let stats = measure(clip);
    let unrelated = stats.temporal_change.is_some_and(|change| change > UNRELATED_CHANGE);
    let (refused_continuity, min_continuity) =
        if unrelated { (Refusal::Noise, MIN_CONTINUITY_OF_UNRELATED) } else { (Refusal::TwoFrameLoop, MIN_CONTINUITY) };
    let bounds = [
        (Refusal::Blank, Statistic::FrameEntropyBits, Some(stats.frame_entropy_bits), MIN_FRAME_ENTROPY_BITS),
        (Refusal::Noise, Statistic::StructuredShare, Some(stats.structured_share), MIN_STRUCTURED_SHARE),
        (Refusal::Blank, Statistic::ContrastLevels, Some(stats.contrast_levels), MIN_CONTRAST_LEVELS),
        (Refusal::Noise, Statistic::CellCorrelation, Some(stats.cell_correlation), MIN_CELL_CORRELATION),
        (Refusal::Still, Statistic::TemporalChange, stats.temporal_change, MIN_TEMPORAL_CHANGE),
        (refused_continuity, Statistic::Continuity, stats.continuity, min_continuity),
        (Refusal::TwoFrameLoop, Statistic::TwoPictureResidual, stats.two_picture_residual, MIN_TWO_PICTURE_RESIDUAL),
    ];
    let reason = bounds.into_iter().find_map(|(refusal, statistic, measured, bound)| {
        let measured = measured?;
        (measured < bound).then_some(Reason { refusal, statistic, measured, bound })
    });
    Authenticity { ok: reason.is_none(), reason, stats }
}
