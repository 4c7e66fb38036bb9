//! H.264 video in MP4 files (ISO/IEC 14496-12 and -15).
//!
//! [`encode`] writes one video track: H.264 Constrained Baseline, yuv420p, BT.709 limited range, `moov` before `mdat` so that
//! playback starts before the download ends, constant frame duration, no edit list, and all dates zero.
//! Sizes that are odd, or below the encoder's smallest, are padded by repeating the last column and row; a `clap` box then holds the true size,
//! which [`decode`] crops back to (players that ignore it show the repeated pixels).
//!
//! [`decode`] reads what other programs write, too: any frame rate, B-pictures, edit lists that trim, audio tracks (skipped),
//! parameter sets in the stream. It treats the bytes as hostile: every size is checked before memory is taken, no box is believed beyond
//! the file's end, and each NAL unit is inspected before the H.264 library sees it. Not supported, and refused with a sentence: other codecs,
//! interlaced, 10-bit and 4:2:2 / 4:4:4 video, fragmented files, encryption, rotation.
//! In B-pictures the decoder's smoothing of block edges differs from the standard by up to 5 of 255 in fewer than one sample in a thousand;
//! everything else, and so all files written here, decodes to the last bit as in ffmpeg.
//! Video of varying frame rate gets its average rate. Pixels are taken as square.
//!
//! The muxer and demuxer are our own: of the crates looked at, neither `mp4` 0.14 nor `mp4e` 1.0 nor `muxide` 0.5 writes `colr` and `clap`, the first two write
//! `moov` last, and the demuxer `re_mp4` reads every box into structures of its own rather than borrowing. What is needed here is two dozen boxes.

mod boxes;
mod decode;
mod demux;
mod encode;
mod mux;
mod tables;
#[cfg(test)]
mod tests;

pub use decode::{DecodeLimits, decode, decode_with};
pub use encode::{EncodeOptions, encode, encode_with};
