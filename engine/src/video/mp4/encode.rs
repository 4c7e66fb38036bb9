//! Clip to MP4.

use rayon::prelude::*;

use super::mux::{self, Track};
use crate::video::codec::{Codec, EncoderSettings};
use crate::video::color::{ColorSpace, Picture};
use crate::video::openh264_codec::{MAX_QUANTIZER, MIN_QUANTIZER, OpenH264};
use crate::video::{Clip, Error, FrameRate, Result};

/// How to encode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodeOptions {
    /// H.264 quantiser of every picture, 12 (best, the default) to 51: each 6 more halve precision, and cost about 5 dB.
    pub quantizer: u8,
    /// Seconds between pictures to which a player can jump, above 0; the default is 2.
    pub keyframe_secs: f64,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { quantizer: MIN_QUANTIZER, keyframe_secs: 2.0 }
    }
}

impl EncodeOptions {
    /// The default options with another quantiser.
    #[must_use]
    pub fn with_quantizer(quantizer: u8) -> Self {
        Self { quantizer, ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        if !(MIN_QUANTIZER..=MAX_QUANTIZER).contains(&self.quantizer) {
            let (found, allowed) = (self.quantizer.to_string(), format!("{MIN_QUANTIZER} to {MAX_QUANTIZER}"));
            return Err(Error::Option { option: "quantizer", found, allowed });
        }
        if !(self.keyframe_secs > 0.0 && self.keyframe_secs <= 3600.0) {
            let (found, allowed) = (self.keyframe_secs.to_string(), "above 0 and up to 3600".to_owned());
            return Err(Error::Option { option: "keyframe_secs", found, allowed });
        }
        Ok(())
    }
}

/// Pictures converted at a time: enough for all threads, little memory.
const BATCH: usize = 16;

/// Encodes `clip` as an MP4 file with the built-in H.264 encoder. The same clip and options give the same bytes.
///
/// # Errors
/// Those of [`Clip::check`]; [`Error::Option`]; [`Error::TooLarge`] above 3840x2160 (or 2160x3840); [`Error::Encode`].
pub fn encode(clip: &Clip, options: &EncodeOptions) -> Result<Vec<u8>> {
    encode_with(&OpenH264, clip, options)
}

/// As [`encode`], with an encoder of your choice.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(codec: &dyn Codec, clip: &Clip, options: &EncodeOptions) -> Result<Vec<u8>> {
    clip.check()?;
    options.check()?;
    let (width, height) = (clip.width as usize, clip.height as usize);
    let (long, short) = codec.max_sides();
    for (what, found, limit) in
        [("its longer side", width.max(height), long), ("its shorter side", width.min(height), short)]
    {
        if found > limit {
            return Err(Error::TooLarge { format: "MP4", what, found: found as u64, limit: limit as u64 });
        }
    }
    let padded = |side: usize| side.next_multiple_of(2).max(codec.min_side());
    let (padded_width, padded_height) = (padded(width), padded(height));
    let frame_rate = FrameRate::nearest(clip.frames_per_second)?;
    let keyframe_interval = (options.keyframe_secs * frame_rate.per_second()).round().max(1.0) as u32;
    let settings = EncoderSettings {
        width: padded_width,
        height: padded_height,
        frame_rate,
        quantizer: options.quantizer,
        keyframe_interval,
    };

    let mut pictures = (0..clip.frame_count()).step_by(BATCH).flat_map(|start| {
        let batch = start..(start + BATCH).min(clip.frame_count());
        let convert =
            |i| Picture::from_rgb(clip.frame(i), width, height, padded_width, padded_height, ColorSpace::BT709_LIMITED);
        batch.into_par_iter().map(convert).collect::<Vec<_>>()
    });
    let units = codec.encode(&settings, &mut pictures)?;
    mux::mux(&Track { units: &units, width: clip.width, height: clip.height, frame_rate })
}
