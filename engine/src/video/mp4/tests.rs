//! Round trips, and files that are wrong on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::video::codec::{Codec, EncoderSettings, OpenH264};
use crate::video::color::{Picture, PictureView};
use crate::video::{Clip, Error, Result};

/// A square that wanders over a slope of colours.
fn clip(width: u32, height: u32, frames_per_second: f64, frames: usize) -> Clip {
    let pixel = move |t: usize, x: u32, y: u32| {
        let inside = x.abs_diff(width / 4 + t as u32) < width / 5 && y.abs_diff(height / 2) < height / 4;
        if inside { [210, 60, 40] } else { [(40 + x % 100) as u8, (90 + y % 100) as u8, 150] }
    };
    let data = (0..frames).flat_map(|t| (0..height).flat_map(move |y| (0..width).flat_map(move |x| pixel(t, x, y))));
    Clip::new(width, height, frames_per_second, data.collect()).unwrap()
}

/// 48x32, six pictures.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&clip(48, 32, 8.0, 6), &EncodeOptions::default()).unwrap());

/// Offset of the content of the first box of `kind`.
fn inside(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).position(|w| w == kind).unwrap() + 4
}

/// [`FILE`] with some bytes of a box changed.
fn patched(kind: &[u8; 4], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = FILE.clone();
    let at = inside(&file, kind) + offset;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn sizes_rates_and_pictures_come_back() {
    for (width, height, frames_per_second, frames) in [
        (64, 64, 8.0, 16),
        (1, 1, 1.0, 1),
        (63, 37, 24.0, 3),
        (16, 100, 30000.0 / 1001.0, 2),
        (130, 2, 0.25, 2),
        (18, 18, 1000.0, 3),
    ] {
        let source = clip(width, height, frames_per_second, frames);
        let back = decode(&encode(&source, &EncodeOptions::default()).unwrap()).unwrap();
        assert_eq!((back.width, back.height, back.frame_count()), (width, height, frames));
        assert!((back.frames_per_second - frames_per_second).abs() < 1e-9, "{back:?}");
        let psnr = back.psnr(&source.as_delivered().unwrap()).unwrap();
        assert!(psnr > 42.0, "{psnr} dB for {source:?}");
    }
}

#[test]
fn a_larger_quantizer_makes_a_smaller_file() {
    let source = clip(96, 64, 8.0, 8);
    let sizes = [12, 26, 51].map(|quantizer| encode(&source, &EncodeOptions::with_quantizer(quantizer)).unwrap().len());
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
}

#[test]
fn impossible_requests_are_refused() {
    let good = clip(16, 16, 8.0, 1);
    for options in [
        EncodeOptions::with_quantizer(11),
        EncodeOptions::with_quantizer(52),
        EncodeOptions { keyframe_secs: 0.0, ..EncodeOptions::default() },
        EncodeOptions { keyframe_secs: f64::NAN, ..EncodeOptions::default() },
    ] {
        assert!(matches!(encode(&good, &options), Err(Error::Option { .. })), "{options:?}");
    }
    for (width, height) in [(3841, 16), (16, 3841), (2161, 2161)] {
        let large = Clip::new(width, height, 8.0, vec![0; (width * height * 3) as usize]).unwrap();
        assert!(matches!(encode(&large, &EncodeOptions::default()), Err(Error::TooLarge { .. })), "{large:?}");
    }
    let broken = Clip { width: 17, ..good };
    assert!(matches!(encode(&broken, &EncodeOptions::default()), Err(Error::ClipSize { .. })));
}

#[test]
fn foreign_and_empty_files_are_told_apart_from_damaged_ones() {
    for file in
        [&b""[..], b"1234567", b"GIF89a123456", b"<!DOCTYPE html><html>", &[0x1a, 0x45, 0xdf, 0xa3, 1, 0, 0, 0, 0]]
    {
        assert!(matches!(decode(file), Err(Error::NotMp4 { .. })), "{file:?}");
    }
    assert!(matches!(decode(b"\0\0\0\x10ftypisom\0\0\0\0"), Err(Error::Damaged { part: "file", .. })));
    assert!(matches!(decode(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moof"), Err(Error::Unsupported { .. })));
}

#[test]
fn every_truncation_is_noticed() {
    for end in 0..FILE.len() {
        match decode(&FILE[..end]) {
            Err(Error::NotMp4 { .. }) => assert!(end < 8, "{end}"),
            Err(Error::Damaged { .. }) => {}
            other => panic!("{end}: {other:?}"),
        }
    }
}

#[test]
fn lies_in_the_tables_are_noticed() {
    let huge = u32::MAX.to_be_bytes();
    let damaged =
        |kind, offset, bytes: &[u8]| matches!(decode(&patched(kind, offset, bytes)), Err(Error::Damaged { .. }));
    assert!(damaged(b"stsz", 8, &huge), "more pictures than the table has");
    assert!(damaged(b"stsz", 12, &huge), "a picture larger than the file");
    assert!(damaged(b"stsz", 12, &[0; 4]), "an empty picture");
    assert!(damaged(b"stco", 8, &huge), "pictures beyond the end");
    assert!(damaged(b"stco", 4, &[0; 4]), "no chunks");
    assert!(damaged(b"stsc", 12, &[0; 4]), "no pictures in the chunk");
    assert!(damaged(b"stts", 8, &[0, 0, 0, 5]), "a picture without duration");
    assert!(damaged(b"stts", 12, &[0; 4]), "durations of nothing");
    assert!(damaged(b"mdhd", 12, &[0; 4]), "no time scale");
    assert!(damaged(b"avcC", 4, &[0xfe]), "lengths of three bytes");
    assert!(damaged(b"avcC", 6, &huge), "a parameter set beyond the end");
    // All pictures the same size, and that many: more frames than allowed, before any memory is taken.
    let mut file = patched(b"stsz", 4, &[0, 0, 0, 1]);
    let at = inside(&file, b"stsz") + 8;
    file[at..at + 4].copy_from_slice(&huge);
    assert!(matches!(decode(&file), Err(Error::Limit { what: "its number of frames", .. })));
}

#[test]
fn what_would_look_wrong_is_refused() {
    let one = 0x1_0000_i32.to_be_bytes();
    let turned = [[0; 4], one, [0; 4], (-0x1_0000_i32).to_be_bytes(), [0; 4]].concat();
    assert!(matches!(decode(&patched(b"tkhd", 40, &turned)), Err(Error::Unsupported { .. })));
    for (kind, offset, bytes) in [(b"avc1", -4i64, b"hvc1"), (b"avc1", -4, b"encv")] {
        let at = (inside(&FILE, kind) as i64 + offset) as usize;
        let mut file = FILE.clone();
        file[at..at + 4].copy_from_slice(bytes);
        // The brand "avc1" in `ftyp` comes first: change the other one as well.
        let at = at + 4 + inside(&file[at + 4..], kind) - 4;
        file[at..at + 4].copy_from_slice(bytes);
        assert!(matches!(decode(&file), Err(Error::Unsupported { .. })), "{}", String::from_utf8_lossy(bytes));
    }
}

/// A second parameter set for a huge picture, hidden in a picture's bytes: a decoder that splits at start codes would obey it.
#[test]
fn hidden_parameter_sets_do_not_reach_the_decoder() {
    let smuggled = patched(b"mdat", 8, &[0, 0, 1, 0x67, 0x42]);
    let error = decode(&smuggled).unwrap_err();
    assert!(error.to_string().contains("start code"), "{error}");
}

/// The clean aperture is followed where a writer puts it: all sides, even offsets or odd.
#[test]
fn apertures_crop() {
    let odd = encode(&clip(33, 31, 8.0, 2), &EncodeOptions::default()).unwrap();
    let whole = clip(33, 31, 8.0, 2).as_delivered().unwrap();
    let back = decode(&odd).unwrap();
    assert_eq!((back.width, back.height), (33, 31));
    assert!(back.psnr(&whole).unwrap() > 42.0);
    // 30 columns from the second on, in a picture of 34: the centre moves by 0.
    let mut file = odd.clone();
    let at = inside(&file, b"clap");
    file[at..at + 4].copy_from_slice(&30u32.to_be_bytes());
    file[at + 16..at + 20].copy_from_slice(&[0; 4]);
    let part = decode(&file).unwrap();
    assert_eq!((part.width, part.height), (30, 31));
    assert_eq!(part.frame(1)[..90], back.frame(1)[6..96]);
}

/// An encoder or decoder that does not do what it should.
struct Faulty {
    units: Vec<Vec<u8>>,
    pictures: usize,
}

impl Codec for Faulty {
    fn min_side(&self) -> usize {
        2
    }

    fn max_sides(&self) -> (usize, usize) {
        (64, 64)
    }

    fn encode(&self, _: &EncoderSettings, _: &mut dyn Iterator<Item = Picture>) -> Result<Vec<Vec<u8>>> {
        Ok(self.units.clone())
    }

    fn decode(
        &self,
        units: &mut dyn Iterator<Item = Result<Vec<u8>>>,
        sink: &mut dyn FnMut(PictureView<'_>) -> Result<()>,
    ) -> Result<()> {
        for unit in units {
            unit?;
        }
        let planes = [16; 64 * 64];
        for number in 0..self.pictures {
            let width = 48 - 2 * (number / 100);
            sink(PictureView {
                width,
                height: 32,
                y: &planes,
                cb: &planes,
                cr: &planes,
                y_stride: 64,
                chroma_stride: 64,
            })?;
        }
        Ok(())
    }
}

#[test]
fn faulty_codecs_make_errors_not_files() {
    let source = clip(48, 32, 8.0, 2);
    let mut pictures = std::iter::repeat_n(
        Picture::from_rgb(&source.data, 48, 32, 48, 32, crate::video::color::ColorSpace::BT709_LIMITED),
        1,
    );
    let settings = EncoderSettings {
        width: 48,
        height: 32,
        frame_rate: crate::video::FrameRate::nearest(8.0).unwrap(),
        quantizer: 12,
        keyframe_interval: 8,
    };
    let good = OpenH264.encode(&settings, &mut pictures).unwrap().remove(0);
    let slices_only = good[good.windows(4).rposition(|w| w == [0, 0, 0, 1]).unwrap()..].to_vec();
    let mut other_sets = good.clone();
    other_sets[6] ^= 1; // another profile's constraints
    for units in [
        vec![],
        vec![vec![]],
        vec![vec![0, 0, 1, 9]],
        vec![slices_only.clone()],
        vec![good.clone(), vec![]],
        vec![good.clone(), other_sets],
    ] {
        let faulty = Faulty { units, pictures: 0 };
        assert!(matches!(encode_with(&faulty, &source, &EncodeOptions::default()), Err(Error::Encode { .. })));
    }
    let fine = Faulty { units: vec![good, slices_only], pictures: 0 };
    encode_with(&fine, &source, &EncodeOptions::default()).unwrap();

    for (pictures, works) in [(0, false), (5, false), (6, true), (7, false), (101, false)] {
        let result = decode_with(&Faulty { units: vec![], pictures }, &FILE, &DecodeLimits::default());
        assert_eq!(result.is_ok(), works, "{pictures}: {result:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_small_clip_survives(width in 1u32..50, height in 1u32..50, frames in 1usize..4, seed in any::<u64>(), fps in 0.1f64..120.0) {
        let byte = |i: u64| ((i / 9).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed) >> 56) as u8;
        let data: Vec<u8> = (0..u64::from(width * height * 3) * frames as u64).map(byte).collect();
        let source = Clip::new(width, height, fps, data).unwrap();
        let file = encode(&source, &EncodeOptions::default()).unwrap();
        prop_assert!(file == encode(&source, &EncodeOptions::default()).unwrap());
        let back = decode(&file).unwrap();
        prop_assert_eq!((back.width, back.height, back.frame_count()), (width, height, frames));
        prop_assert!((back.duration_secs() / source.duration_secs() - 1.0).abs() < 1e-3);
        let psnr = back.psnr(&source.as_delivered().unwrap()).unwrap();
        // Noise in saturated colours: the worst there is.
        prop_assert!(psnr > 36.0, "{psnr} dB");
    }

    #[test]
    fn random_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        if header {
            bytes.splice(0..0, FILE[..inside(&FILE, b"stsd")].iter().copied());
        }
        prop_assert!(decode(&bytes).is_err());
    }

    /// Anything may happen to a file but a panic, a hang, or a clip that breaks the limits.
    #[test]
    fn flipped_bits_are_survived(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..12)) {
        let mut file = FILE.clone();
        for (place, bit) in flips {
            let at = place.index(file.len());
            file[at] ^= 1 << bit;
        }
        if let Ok(clip) = decode(&file) {
            prop_assert!(clip.check().is_ok() && clip.data.len() <= DecodeLimits::MAX_CLIP_BYTES);
        }
    }

    #[test]
    fn extreme_numbers_are_survived(
        places in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0u32, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX])), 1..4),
    ) {
        let mut file = FILE.clone();
        let header = inside(&file, b"mdat") - 8;
        for (place, value) in places {
            let at = place.index(header - 4);
            file[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        if let Ok(clip) = decode(&file) {
            prop_assert!(clip.check().is_ok());
        }
    }
}
