//! Looping GIFs.

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use rayon::prelude::*;

use super::palette::Palette;
use super::{Clip, Error, FrameRate, Result};

/// How to write a GIF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GifOptions {
    /// Hide the steps between 256 colours under a fixed pattern (default). It stays in place from frame to frame, so it neither
    /// flickers nor makes still parts large. Clips that have at most 256 colours are exact either way.
    pub dither: bool,
}

impl Default for GifOptions {
    fn default() -> Self {
        Self { dither: true }
    }
}

impl GifOptions {
    /// Default options, with or without dithering.
    #[must_use]
    pub const fn with_dither(dither: bool) -> Self {
        Self { dither }
    }
}

/// GIF counts time in 1/100 s.
const TICKS_PER_SECOND: u64 = 100;
/// Browsers slow shorter delays down to ten ticks.
const MIN_DELAY: u64 = 2;

/// Encodes `clip` as a GIF that repeats for ever, with one palette for all frames; only what changed is stored of each frame.
///
/// Delays are whole 1/100 s, spread so that no frame starts more than half a tick off and the sum is the clip's duration. Above 50 frames per second, which
/// browsers do not play, frames are left out.
///
/// # Errors
/// Those of [`Clip::check`], [`Error::TooLarge`] (sides above 65 535, or a frame shown for over 655 s), [`Error::Image`].
pub fn encode(clip: &Clip, options: &GifOptions) -> Result<Vec<u8>> {
    clip.check()?;
    let side = |what, found: u32| u16::try_from(found).map_err(|_| too_large(what, found.into()));
    let (width, height) = (side("its width", clip.width)?, side("its height", clip.height)?);
    let shown = timing(clip.frame_count(), FrameRate::nearest(clip.frames_per_second)?);

    let palette = Palette::for_pixels(&clip.data);
    let frames: Vec<Vec<u8>> =
        shown.par_iter().map(|(frame, _)| palette.indices(clip.frame(*frame), width.into(), options.dither)).collect();

    let mut bytes = Vec::new();
    let failed = |error: EncodingError| Error::Image { format: "GIF", reason: error.to_string() };
    let mut encoder = Encoder::new(&mut bytes, width, height, &palette.bytes()).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    for (number, (_, delay)) in shown.iter().enumerate() {
        let before = number.checked_sub(1).map(|n| frames[n].as_slice());
        let (left, top, columns, rows) = changed(&frames[number], before, width.into());
        let buffer: Vec<u8> = frames[number]
            .chunks_exact(width.into())
            .skip(top)
            .take(rows)
            .flat_map(|row| &row[left..left + columns])
            .copied()
            .collect();
        let frame = Frame {
            delay: u16::try_from(*delay).map_err(|_| too_large("a frame's delay in 1/100 s", *delay))?,
            dispose: DisposalMethod::Keep,
            // All are within `width` and `height`.
            left: left as u16,
            top: top as u16,
            width: columns as u16,
            height: rows as u16,
            buffer: buffer.into(),
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(failed)?;
    }
    encoder.into_inner().map_err(|error| Error::Image { format: "GIF", reason: error.to_string() })?;
    Ok(bytes)
}

fn too_large(what: &'static str, found: u64) -> Error {
    Error::TooLarge { format: "GIF", what, found, limit: u16::MAX.into() }
}

/// Which frames are shown, and for how many ticks.
fn timing(frames: usize, rate: FrameRate) -> Vec<(usize, u64)> {
    let (numerator, denominator) = (u64::from(rate.numerator()), u64::from(rate.denominator()));
    // Below 2^64: a clip in memory has fewer than 2^40 frames, the denominator is at most 10 000.
    let start = |frame: usize| (2 * TICKS_PER_SECOND * denominator * frame as u64 + numerator) / (2 * numerator);
    let mut starts: Vec<(usize, u64)> = Vec::new();
    for frame in 0..frames {
        let time = start(frame);
        if starts.last().is_none_or(|(_, last)| time >= last + MIN_DELAY) {
            starts.push((frame, time));
        }
    }
    let end = start(frames);
    while starts.len() > 1 && starts.last().is_some_and(|(_, last)| end < last + MIN_DELAY) {
        starts.pop();
    }
    let ends: Vec<u64> = starts.iter().skip(1).map(|(_, time)| *time).chain([end]).collect();
    starts.iter().zip(ends).map(|((frame, time), end)| (*frame, (end - time).max(MIN_DELAY))).collect()
}

/// Smallest rectangle (left, top, columns, rows) outside of which a frame is the same as the one before; one pixel if nothing changed.
fn changed(frame: &[u8], before: Option<&[u8]>, width: usize) -> (usize, usize, usize, usize) {
    let rows = frame.len() / width;
    let Some(before) = before else {
        return (0, 0, width, rows);
    };
    let (mut left, mut right, mut top, mut bottom) = (width, 0, rows, 0);
    for (y, (row, old)) in frame.chunks_exact(width).zip(before.chunks_exact(width)).enumerate() {
        let differs = |x: &usize| row[*x] != old[*x];
        if let (Some(first), Some(last)) = ((0..width).find(differs), (0..width).rfind(differs)) {
            (left, right) = (left.min(first), right.max(last));
            (top, bottom) = (top.min(y), y);
        }
    }
    if top == rows { (0, 0, 1, 1) } else { (left, top, right - left + 1, bottom - top + 1) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Frames with their delays in ticks.
    fn decode(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u64>, Repeat) {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::Indexed);
        let mut decoder = options.read_info(bytes).unwrap();
        let palette = decoder.global_palette().unwrap().to_vec();
        let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
        let mut canvas = vec![0; width * height * 3];
        let (mut frames, mut delays) = (vec![], vec![]);
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            for (i, index) in frame.buffer.iter().enumerate() {
                let (x, y) = (
                    usize::from(frame.left) + i % usize::from(frame.width),
                    usize::from(frame.top) + i / usize::from(frame.width),
                );
                canvas[(y * width + x) * 3..][..3].copy_from_slice(&palette[usize::from(*index) * 3..][..3]);
            }
            frames.push(canvas.clone());
            delays.push(frame.delay.into());
        }
        (frames, delays, decoder.repeat())
    }

    /// A square that moves over two colours.
    fn flat_clip(frames_per_second: f64, frames: usize) -> Clip {
        let pixel = |t: usize, x: usize, y: usize| {
            if x.abs_diff(5 + t) < 4 && y.abs_diff(9) < 4 { [220, 40, 30] } else { [20, 60, 200] }
        };
        let data =
            (0..frames).flat_map(|t| (0..20).flat_map(move |y| (0..31).flat_map(move |x| pixel(t, x, y)))).collect();
        Clip::new(31, 20, frames_per_second, data).unwrap()
    }

    #[test]
    fn few_colours_come_back_exactly_and_loop() {
        let clip = flat_clip(8.0, 16);
        let bytes = encode(&clip, &GifOptions::default()).unwrap();
        let (frames, delays, repeat) = decode(&bytes);
        assert_eq!(repeat, Repeat::Infinite);
        assert_eq!(frames.concat(), clip.data);
        assert_eq!(delays.iter().sum::<u64>(), 200);
        assert_eq!(bytes, encode(&clip, &GifOptions::default()).unwrap());
        assert!(bytes.len() < 3000, "{}", bytes.len());
    }

    #[test]
    fn still_clips_and_single_frames_work() {
        let mut clip = flat_clip(24.0, 1);
        let (frames, delays, _) = decode(&encode(&clip, &GifOptions::default()).unwrap());
        assert_eq!((frames.len(), delays), (1, vec![4]));
        clip.data = clip.data.repeat(3);
        let (frames, delays, _) = decode(&encode(&clip, &GifOptions::default()).unwrap());
        assert_eq!(frames.concat(), clip.data);
        assert_eq!(delays.iter().sum::<u64>(), 13);
    }

    #[test]
    fn limits_are_named() {
        let wide = Clip::new(65_536, 1, 8.0, vec![0; 65_536 * 3]).unwrap();
        assert!(matches!(
            encode(&wide, &GifOptions::default()),
            Err(Error::TooLarge { format: "GIF", found: 65_536, .. })
        ));
        let slow = Clip::new(1, 1, 0.001, vec![0; 3]).unwrap();
        assert!(matches!(encode(&slow, &GifOptions::default()), Err(Error::TooLarge { found: 100_000, .. })));
    }

    #[test]
    fn fast_clips_keep_their_duration() {
        let (frames, delays, _) = decode(&encode(&flat_clip(120.0, 24), &GifOptions::default()).unwrap());
        assert_eq!(frames.len(), delays.len());
        assert_eq!(delays.iter().sum::<u64>(), 20);
        assert!(delays.iter().all(|delay| *delay >= 2));
    }

    /// The colours fill a cube, so that each of 256 stands for one of side 39: 27 dB for an even grid.
    #[test]
    fn many_colours_come_back_closely() {
        let pixel = |t: usize, x: usize, y: usize| [(x * 4) as u8, (y * 4) as u8, (t * 16 + (x + y)) as u8];
        let data = (0..8).flat_map(|t| (0..64).flat_map(move |y| (0..64).flat_map(move |x| pixel(t, x, y)))).collect();
        let clip = Clip::new(64, 64, 8.0, data).unwrap();
        for (dither, least) in [(false, 28.5), (true, 25.5)] {
            let (frames, ..) = decode(&encode(&clip, &GifOptions::with_dither(dither)).unwrap());
            let psnr = Clip { data: frames.concat(), ..clip.clone() }.psnr(&clip).unwrap();
            assert!(psnr > least, "{psnr} with dither {dither}");
        }
    }

    proptest! {
        #[test]
        fn durations_add_up(frames in 1usize..400, fps in 0.5f64..200.0) {
            let rate = FrameRate::nearest(fps).unwrap();
            let shown = timing(frames, rate);
            let total: u64 = shown.iter().map(|(_, delay)| delay).sum();
            let exact = frames as f64 * 100.0 / rate.per_second();
            prop_assert!((total as f64 - exact).abs() <= 0.5 + 1e-9 || (shown.len() == 1 && total == MIN_DELAY), "{total} for {exact}");
            prop_assert!(shown.iter().all(|(_, delay)| *delay >= MIN_DELAY));
            prop_assert!(shown.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(fps > 50.0 || shown.len() == frames);
        }
    }
}
