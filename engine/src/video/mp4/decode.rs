//! MP4 to clip.

use super::demux::{Crop, Movie, demux};
use crate::video::codec::Codec;
use crate::video::color::{ColorSpace, PictureView};
use crate::video::h264::{self, START_CODE, Sps, nal};
use crate::video::openh264_codec::OpenH264;
use crate::video::{Clip, Error, Result};

/// How much work and memory a file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Length of the file in bytes.
    pub max_file_bytes: usize,
    /// Width and height of a picture in pixels.
    pub max_side: u32,
    /// Pictures in the file.
    pub max_frames: usize,
    /// Bytes of the decoded clip; the decoder itself needs up to 17 pictures of 1.5 bytes a pixel on top.
    pub max_clip_bytes: usize,
}

impl DecodeLimits {
    /// Default for [`Self::max_file_bytes`]: ten times what the longest clips take at the best quality.
    pub const MAX_FILE_BYTES: usize = 256 << 20;
    /// Default for [`Self::max_side`]: 4K.
    pub const MAX_SIDE: u32 = 4096;
    /// Default for [`Self::max_frames`]: two minutes at 30 frames per second.
    pub const MAX_FRAMES: usize = 3600;
    /// Default for [`Self::max_clip_bytes`]: 600 frames of 1024x576.
    pub const MAX_CLIP_BYTES: usize = 1 << 30;
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: Self::MAX_FILE_BYTES,
            max_side: Self::MAX_SIDE,
            max_frames: Self::MAX_FRAMES,
            max_clip_bytes: Self::MAX_CLIP_BYTES,
        }
    }
}

/// Decodes an MP4 file with H.264 video, within the default [`DecodeLimits`]. The bytes may come from anyone.
///
/// # Errors
/// [`Error::NotMp4`], [`Error::Damaged`], [`Error::Unsupported`], [`Error::Limit`], [`Error::Decode`].
pub fn decode(file: &[u8]) -> Result<Clip> {
    decode_with(&OpenH264, file, &DecodeLimits::default())
}

/// As [`decode`], with a decoder and limits of your choice.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(codec: &dyn Codec, file: &[u8], limits: &DecodeLimits) -> Result<Clip> {
    within("its size in bytes", file.len(), limits.max_file_bytes)?;
    let movie = demux(file, limits.max_frames)?;
    let mut collector = Collector::new(&movie, *limits);
    let mut units = movie.samples.iter().enumerate().map(|(number, sample)| unit(&movie, number, sample, limits));
    codec.decode(&mut units, &mut |picture| collector.push(&picture))?;
    collector.finish()
}

fn within(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found <= limit { Ok(()) } else { Err(Error::Limit { what, found: found as u64, limit: limit as u64 }) }
}

/// NAL units of a sample, each of which has its length in front.
fn nal_units<'a>(movie: &Movie<'_>, number: usize, sample: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    let damaged = |why: &str| Error::damaged("H.264 stream", format!("picture {number}: {why}"));
    let (mut units, mut rest) = (Vec::new(), sample);
    while !rest.is_empty() {
        let (length, after) =
            rest.split_at_checked(movie.length_bytes).ok_or_else(|| damaged("a NAL unit's length is cut off"))?;
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length).ok_or_else(|| damaged("a NAL unit goes beyond its end"))?;
        units.push(h264::without_trailing_zeros(unit));
        rest = after;
    }
    Ok(units)
}

/// Turns a sample into byte stream form, after a look at each NAL unit.
fn unit(movie: &Movie<'_>, number: usize, sample: &[u8], limits: &DecodeLimits) -> Result<Vec<u8>> {
    let damaged = |why: &str| Error::damaged("H.264 stream", format!("picture {number}: {why}"));
    let parameter_sets = movie.sps.iter().chain(&movie.pps).filter(|_| number == 0);
    let mut stream = Vec::with_capacity(sample.len() + 256);
    let mut has_picture = false;
    for nal_unit in parameter_sets.copied().chain(nal_units(movie, number, sample)?) {
        match nal::kind(nal_unit) {
            nal::SPS => check_parameters(&Sps::parse(nal_unit)?, limits)?,
            nal::PPS => {}
            nal::SLICE | nal::IDR_SLICE => has_picture = true,
            nal::SLICE_PARTITION_A..=nal::SLICE_PARTITION_C => {
                return Err(Error::unsupported("data partitioning"));
            }
            _ => continue, // delimiters, messages, other layers
        }
        if h264::hides_start_code(nal_unit) {
            return Err(damaged("a start code inside a NAL unit"));
        }
        stream.extend(START_CODE);
        stream.extend_from_slice(nal_unit);
    }
    if has_picture { Ok(stream) } else { Err(damaged("it holds no picture")) }
}

/// What the stream itself says about its colours.
fn stream_color(movie: &Movie<'_>) -> Result<Option<(u8, bool)>> {
    let mut sets = movie.sps.clone();
    if let Some(first) = movie.samples.first() {
        sets.extend(nal_units(movie, 0, first)?.into_iter().filter(|unit| nal::kind(unit) == nal::SPS));
    }
    sets.first().map_or(Ok(None), |set| Sps::parse(set).map(|sps| sps.color))
}

/// Refuses what the decoder can't do and what would take too much memory.
fn check_parameters(sps: &Sps, limits: &DecodeLimits) -> Result<()> {
    let side = sps.coded_width.max(sps.coded_height);
    within("its coded width or height in pixels", side as usize, limits.max_side.next_multiple_of(16) as usize)?;
    if !matches!(sps.profile, 66 | 77 | 100) {
        // Those with more bits or chroma first: their names help more than their numbers.
        let depth = (sps.bit_depth > 8).then(|| format!("{}-bit samples", sps.bit_depth));
        let chroma = (sps.chroma_format != 1)
            .then(|| ["grey", "4:2:0", "4:2:2", "4:4:4"][sps.chroma_format.min(3) as usize].to_owned() + " chroma");
        return Err(Error::unsupported(depth.or(chroma).unwrap_or_else(|| format!("H.264 profile {}", sps.profile))));
    }
    if sps.chroma_format != 1 || sps.bit_depth != 8 {
        return Err(Error::unsupported("another format than 8-bit 4:2:0"));
    }
    if !sps.progressive {
        return Err(Error::unsupported("interlaced pictures"));
    }
    Ok(())
}

/// Collects decoded pictures.
struct Collector<'a> {
    movie: &'a Movie<'a>,
    limits: DecodeLimits,
    /// Known from the first picture on.
    format: Option<Format>,
    data: Vec<u8>,
    /// Pictures seen, in display order, shown or not.
    pictures: usize,
}

#[derive(Clone, Copy)]
struct Format {
    width: usize,
    height: usize,
    crop: Crop,
    space: ColorSpace,
}

impl<'a> Collector<'a> {
    const fn new(movie: &'a Movie<'a>, limits: DecodeLimits) -> Self {
        Self { movie, limits, format: None, data: vec![], pictures: 0 }
    }

    /// Takes the size from the first picture and makes room for all.
    fn start(&mut self, picture: &PictureView<'_>) -> Result<Format> {
        let (width, height) = (picture.width, picture.height);
        within("its width or height in pixels", width.max(height), self.limits.max_side as usize)?;
        let crop = match self.movie.aperture {
            Some(aperture) => aperture.crop(width, height)?,
            None => Crop { left: 0, top: 0, width, height },
        };
        // The stream's own word first: it is what other decoders go by.
        let in_stream = stream_color(self.movie)?;
        let silent = (2, in_stream.is_some_and(|(_, full_range)| full_range));
        let (matrix, full_range) = in_stream.filter(|(matrix, _)| *matrix != 2).or(self.movie.color).unwrap_or(silent);
        let space = ColorSpace::from_code(matrix, full_range, width as u32, height as u32)?;

        let frames = self.movie.shown.iter().filter(|shown| **shown).count();
        let bytes = frames.saturating_mul(crop.width).saturating_mul(crop.height).saturating_mul(3);
        within("its decoded size in bytes", bytes, self.limits.max_clip_bytes)?;
        self.data.try_reserve_exact(bytes).map_err(|_| Error::Limit {
            what: "the memory it needs",
            found: bytes as u64,
            limit: 0,
        })?;
        Ok(Format { width, height, crop, space })
    }

    fn push(&mut self, picture: &PictureView<'_>) -> Result<()> {
        let format = match self.format {
            Some(format) => format,
            None => {
                let format = self.start(picture)?;
                self.format = Some(format);
                format
            }
        };
        if (picture.width, picture.height) != (format.width, format.height) {
            return Err(Error::unsupported("pictures of different sizes"));
        }
        let number = self.pictures;
        self.pictures += 1;
        match self.movie.shown.get(number) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                return Err(Error::damaged("H.264 stream", "it has more pictures than the container says"));
            }
        }
        let Crop { left, top, width, height } = format.crop;
        let start = self.data.len();
        self.data.resize(start + width * height * 3, 0);
        picture.write_rgb(format.space, left, top, width, &mut self.data[start..]);
        Ok(())
    }

    fn finish(self) -> Result<Clip> {
        let expected = self.movie.samples.len();
        let Some(format) = self.format.filter(|_| self.pictures == expected) else {
            let why = format!("{} of {expected} pictures could be decoded", self.pictures);
            return Err(Error::damaged("H.264 stream", why));
        };
        if self.data.is_empty() {
            return Err(Error::damaged("elst", "it shows none of the pictures"));
        }
        let Crop { width, height, .. } = format.crop;
        Clip::new(width as u32, height as u32, self.movie.frame_rate.per_second(), self.data)
    }
}
