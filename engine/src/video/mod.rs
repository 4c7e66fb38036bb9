//! Video files: clips in memory, H.264 MP4 out and in, looping GIF, PNG frames, and writing without half files.
//!
//! | part | what it does |
//! |---|---|
//! | [`Clip`] | RGB8 frames with their rate: what the models make and the scores read |
//! | [`mp4`] | `encode` to MP4 that browsers, VLC and Windows play; `decode` of such files from untrusted bytes, within [`mp4::DecodeLimits`] |
//! | [`gif`] | looping GIF, one palette for the whole clip, delays that add up to the clip's duration |
//! | [`png`] | a folder `frame_0000.png`, `frame_0001.png`, ... |
//! | [`write_atomically`] | a file that is either complete or not there |
//! | [`codec`] | the one trait behind which the H.264 library sits |
//! | [`color`] | RGB to and from 4:2:0, in integers, so that every machine gets the same bytes |
//!
//! **What a viewer's file costs in quality.** MP4 for players means 4:2:0: one chroma sample for each 2x2 pixels. On saturated edges that alone
//! limits RGB PSNR to 32 to 39 dB for 64x64 shapes (26 dB if a picture is nothing but edges), whatever the codec does. [`Clip::as_delivered`]
//! applies just this loss, so a validator compares `decode(mp4)` with `committed.as_delivered()`, where only the codec's own error is left.
//! Measured at the default quality: 48 to 58 dB for flat shapes, 42 to 43 dB for footage full of grain, 36 dB or more even for saturated noise.
//!
//! **Colour.** Frames are sRGB. Files are written as BT.709, limited range, and say so twice (in the H.264 stream and in the
//! container), because players guess BT.601 for small pictures that say nothing. [`mp4::decode`] follows what a file says and
//! guesses as players do only where it is silent.
//!
//! **Determinism.** The same frames give the same bytes on every run and for any number of threads: colour conversion is integer
//! arithmetic, the encoder runs on one thread with a constant quantiser, and nothing in the file comes from the clock.
//! Builds of the encoder with and without assembly have given the same bytes on all clips tried, but nothing promises that; decoding is
//! bit-exact by the standard.

mod clip;
pub mod codec;
pub mod color;
mod error;
mod frame_rate;
pub mod gif;
mod h264;
pub mod mp4;
mod openh264_codec;
mod palette;
pub mod png;
mod write;

pub use clip::Clip;
pub use error::{Error, Result};
pub use frame_rate::FrameRate;
pub use write::write_atomically;
