//! Clips: fetching, decoding, keeping as many as fit.

use std::sync::Arc;

use egui::{Color32, ColorImage};
use infernet_api::{JobId, Problem};
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, Flush};
use openh264::formats::YUVSource;
use re_mp4::{Mp4, StsdBoxContent};

use super::thread::{Link, problem};
use crate::snapshot::{Clip, Loadable, Snapshot};

/// Largest file that is decoded.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Largest file that is fetched for its thumbnail unasked.
pub(super) const MAX_THUMBNAIL_BYTES: u64 = 8 << 20;
/// Most memory for the frames of one clip, and of all that are kept.
const MAX_CLIP_BYTES: usize = 1 << 30;
/// As above, for all together.
const MAX_KEPT_BYTES: usize = 1 << 30;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Why a clip can't be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClipError {
    #[error("the clip's file can't be read: {0}")]
    Container(String),
    #[error("the clip has no H.264 video; only that can be played here")]
    NoVideo,
    #[error("the clip's video can't be decoded: {0}")]
    Decoder(#[from] openh264::Error),
    #[error("the clip is too large to be played here: {found} bytes of frames, at most {most}")]
    TooLarge { found: usize, most: usize },
}

impl ClipError {
    pub(super) fn problem(&self) -> Problem {
        let code = match self {
            Self::Container(_) => "clip_unreadable",
            Self::NoVideo => "clip_no_video",
            Self::Decoder(_) => "clip_undecodable",
            Self::TooLarge { .. } => "clip_too_large",
        };
        let next_step = "save it as MP4 and play it with another program".to_owned();
        Problem { code: code.to_owned(), message: self.to_string(), next_step }
    }
}

/// Fetches and decodes a job's clip.
pub(super) async fn fetch(link: &Link, job: JobId) -> Result<Clip, Problem> {
    let file = link.client.clip(job).await.map_err(|error| problem(&error))?;
    if let Some(length) = file.length().filter(|length| *length > MAX_FILE_BYTES) {
        return Err(ClipError::TooLarge { found: length as usize, most: MAX_FILE_BYTES as usize }.problem());
    }
    let mut mp4 = Vec::new();
    file.save(&mut mp4).await.map_err(|error| problem(&error))?;
    let decoded = tokio::task::spawn_blocking(move || decode(mp4)).await;
    decoded.map_err(|error| ClipError::Container(error.to_string()).problem())?.map_err(|error| error.problem())
}

/// Keeps a clip; older ones go where there is no room.
pub(super) fn keep(link: &Link, job: JobId, clip: Clip) {
    link.update(|snapshot| {
        if let Some(first) = clip.frames.first() {
            snapshot.thumbnails.insert(job, Arc::clone(first));
        }
        make_room(snapshot, size(&clip));
        snapshot.clips.insert(job, Loadable::Ready(Arc::new(clip)));
    });
}

fn size(clip: &Clip) -> usize {
    clip.mp4.len() + clip.frames.iter().map(|frame| frame.pixels.len() * 4).sum::<usize>()
}

/// Lets the clips of the oldest jobs go until `wanted` more bytes fit.
fn make_room(snapshot: &mut Snapshot, wanted: usize) {
    let mut kept: Vec<(u64, JobId, usize)> = snapshot
        .clips
        .iter()
        .filter_map(|(job, clip)| {
            let created = snapshot.job(*job).map_or(0, |job| job.created_unix_ms);
            Some((created, *job, size(clip.ready()?)))
        })
        .collect();
    kept.sort_unstable();
    let mut total = wanted + kept.iter().map(|(_, _, size)| size).sum::<usize>();
    for (_, job, size) in kept {
        if total <= MAX_KEPT_BYTES {
            break;
        }
        snapshot.clips.remove(&job);
        total -= size;
    }
}

/// All frames of the first H.264 track.
pub(super) fn decode(mp4: Vec<u8>) -> Result<Clip, ClipError> {
    let file = Mp4::read_bytes(&mp4).map_err(|error| ClipError::Container(error.to_string()))?;
    let video = file.tracks().values().find_map(|track| match &track.trak(&file).mdia.minf.stbl.stsd.contents {
        StsdBoxContent::Avc1(avc1) => Some((track, avc1)),
        _ => None,
    });
    let Some((track, avc1)) = video else { return Err(ClipError::NoVideo) };
    let config = &avc1.avcc.contents;
    let frame_bytes = usize::from(track.width) * usize::from(track.height) * 4;
    let found = frame_bytes.saturating_mul(track.samples.len());
    if found > MAX_CLIP_BYTES {
        return Err(ClipError::TooLarge { found, most: MAX_CLIP_BYTES });
    }
    let mut decoder = Decoder::new()?;
    let mut parameters = Vec::new();
    for unit in config.sequence_parameter_sets.iter().chain(&config.picture_parameter_sets) {
        parameters.extend_from_slice(&START_CODE);
        parameters.extend_from_slice(&unit.bytes);
    }
    let mut frames = Vec::with_capacity(track.samples.len());
    let length_bytes = usize::from(config.length_size_minus_one & 3) + 1;
    for (index, sample) in track.samples.iter().enumerate() {
        let bytes = mp4
            .get(sample.byte_range())
            .ok_or_else(|| ClipError::Container("a frame lies outside of it".to_owned()))?;
        let mut packet = if index == 0 { parameters.clone() } else { Vec::new() };
        annex_b(bytes, length_bytes, &mut packet)?;
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        if let Some(picture) = decoder.decode_with_options(&packet, options)? {
            push(&mut frames, &picture)?;
        }
    }
    for picture in decoder.flush_remaining()? {
        push(&mut frames, &picture)?;
    }
    let seconds = track.duration as f64 / track.timescale.max(1) as f64;
    let frames_per_second = if seconds > 0.0 { track.samples.len() as f64 / seconds } else { 8.0 };
    Ok(Clip { frames, frames_per_second, mp4: Arc::new(mp4) })
}

/// NAL units with lengths become NAL units with start codes.
fn annex_b(mut bytes: &[u8], length_bytes: usize, packet: &mut Vec<u8>) -> Result<(), ClipError> {
    while !bytes.is_empty() {
        let short = || ClipError::Container("a frame is cut short".to_owned());
        let (length, rest) = bytes.split_at_checked(length_bytes).ok_or_else(short)?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        packet.extend_from_slice(&START_CODE);
        packet.extend_from_slice(unit);
        bytes = rest;
    }
    Ok(())
}

fn push(frames: &mut Vec<Arc<ColorImage>>, picture: &DecodedYUV<'_>) -> Result<(), ClipError> {
    let (width, height) = picture.dimensions();
    let found = (frames.len() + 1).saturating_mul(width.saturating_mul(height).saturating_mul(4));
    if found > MAX_CLIP_BYTES {
        return Err(ClipError::TooLarge { found, most: MAX_CLIP_BYTES });
    }
    let (luma_stride, u_stride, v_stride) = picture.strides();
    let (luma, u, v) = (picture.y(), picture.u(), picture.v());
    let mut pixels = Vec::with_capacity(width * height);
    for row in 0..height {
        for column in 0..width {
            let chroma = |plane: &[u8], stride: usize| plane[row / 2 * stride + column / 2];
            pixels.push(bt709(luma[row * luma_stride + column], chroma(u, u_stride), chroma(v, v_stride)));
        }
    }
    frames.push(Arc::new(ColorImage::new([width, height], pixels)));
    Ok(())
}

/// BT.709, limited range (ITU-R BT.709-6), as the engine writes it.
fn bt709(luma: u8, cb: u8, cr: u8) -> Color32 {
    let y = (f32::from(luma) - 16.0) * (255.0 / 219.0);
    let (cb, cr) = ((f32::from(cb) - 128.0) * (255.0 / 224.0), (f32::from(cr) - 128.0) * (255.0 / 224.0));
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    Color32::from_rgb(byte(y + 1.5748 * cr), byte(y - 0.187_324 * cb - 0.468_124 * cr), byte(y + 1.8556 * cb))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 64 by 48, ten frames at five a second: left half red, right half blue, written by ffmpeg.
    const CLIP: &[u8] = include_bytes!("../../tests/data/red-blue.mp4");

    #[test]
    fn a_clip_of_ffmpeg_has_its_colours() {
        let clip = decode(CLIP.to_vec()).unwrap();
        assert_eq!((clip.frames.len(), clip.frames[0].size), (10, [64, 48]));
        assert!((clip.frames_per_second - 5.0).abs() < 1e-6);
        for frame in &clip.frames {
            let [left, right] = [frame[(12, 24)], frame[(52, 24)]];
            assert!(left.r() > 240 && left.g() < 16 && left.b() < 16, "{left:?}");
            assert!(right.b() > 240 && right.g() < 16 && right.r() < 16, "{right:?}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_without_panic() {
        for length in (0..CLIP.len()).step_by(37) {
            if let Ok(clip) = decode(CLIP[..length].to_vec()) {
                assert!(clip.frames.len() <= 10);
            }
        }
    }

    proptest! {
        #[test]
        fn lengths_are_not_believed(bytes in prop::collection::vec(any::<u8>(), 0..64), length_bytes in 1_usize..=4) {
            let mut packet = Vec::new();
            if annex_b(&bytes, length_bytes, &mut packet).is_ok() {
                prop_assert!(packet.len() <= bytes.len() * 5);
            }
        }
    }
}
