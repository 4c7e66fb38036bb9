//! MP4 file to access units, without believing a word of it.

use super::boxes::{Kind, Reader, name};
use super::tables::{Times, edit_window, locate, sample_sizes};
use crate::video::{Error, FrameRate, Result};

/// The video track of a file, borrowed from it.
pub(super) struct Movie<'a> {
    pub(super) sps: Vec<&'a [u8]>,
    pub(super) pps: Vec<&'a [u8]>,
    /// Bytes of the length in front of each NAL unit: 1, 2 or 4.
    pub(super) length_bytes: usize,
    /// One per picture, in decoding order.
    pub(super) samples: Vec<&'a [u8]>,
    /// Whether a picture is shown, in display order: an edit list may cut some off.
    pub(super) shown: Vec<bool>,
    pub(super) frame_rate: FrameRate,
    /// `(matrix_coefficients, full_range)` of the container, if it says.
    pub(super) color: Option<(u8, bool)>,
    pub(super) aperture: Option<Aperture>,
}

/// Clean aperture: size and offset of the centre of what is to be shown, as fractions.
#[derive(Clone, Copy)]
pub(super) struct Aperture {
    width: (i64, i64),
    height: (i64, i64),
    x: (i64, i64),
    y: (i64, i64),
}

/// The same in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Aperture {
    /// What remains of a picture of `width` x `height`.
    pub(super) fn crop(self, width: usize, height: usize) -> Result<Crop> {
        let side = |(size, size_unit): (i64, i64), (offset, offset_unit): (i64, i64), coded: usize| {
            let coded = i64::try_from(coded).ok()?;
            let size = (size_unit > 0 && size % size_unit == 0).then(|| size / size_unit)?;
            // Centre to centre, doubled so that half pixels are whole numbers. All factors fit in 32 bits.
            let start = (offset_unit > 0 && 2 * offset % offset_unit == 0)
                .then(|| (coded - size) + 2 * offset / offset_unit)?;
            let inside = size > 0 && start >= 0 && start % 2 == 0 && start / 2 + size <= coded;
            inside.then_some((usize::try_from(start / 2).ok()?, usize::try_from(size).ok()?))
        };
        match (side(self.width, self.x, width), side(self.height, self.y, height)) {
            (Some((left, width)), Some((top, height))) => Ok(Crop { left, top, width, height }),
            _ => Err(Error::damaged("clap", "its clean aperture is not a whole part of the picture")),
        }
    }
}

/// Box types that a file may start with.
const FIRST_BOXES: [Kind; 8] = [*b"ftyp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"pdin", *b"uuid"];

/// Finds the video track of `file`, which may have at most `max_frames` pictures.
pub(super) fn demux(file: &[u8], max_frames: usize) -> Result<Movie<'_>> {
    match file.get(4..8) {
        Some(kind) if FIRST_BOXES.iter().any(|known| known == kind) => {}
        Some(_) => {
            return Err(Error::NotMp4 { why: "it does not start with an MP4 box" });
        }
        None => {
            return Err(Error::NotMp4 { why: "it has fewer than 8 bytes" });
        }
    }
    let (mut movie, mut fragmented) = (None, false);
    let mut reader = Reader::new(file, "file");
    while let Some((kind, content)) = reader.next_box()? {
        match &kind {
            b"moov" if movie.is_none() => movie = Some(Reader::new(content, "moov")),
            b"moof" => fragmented = true,
            _ => {}
        }
    }
    let Some(movie) = movie else {
        return Err(if fragmented {
            Error::unsupported("fragments without a movie header")
        } else {
            Error::damaged("file", "it has no movie header ('moov')")
        });
    };
    if fragmented || movie.find(*b"mvex")?.is_some() {
        return Err(Error::unsupported("fragments"));
    }
    let movie_timescale = {
        let mut header = Reader::new(require(movie, *b"mvhd")?, "mvhd");
        let version = header.version()?;
        header.skip(if version == 0 { 8 } else { 16 })?;
        header.u32()?
    };
    let mut reader = movie;
    while let Some((kind, track)) = reader.next_box()? {
        if &kind != b"trak" {
            continue;
        }
        let track = Reader::new(track, "trak");
        let media = Reader::new(require(track, *b"mdia")?, "mdia");
        let mut handler = Reader::new(require(media, *b"hdlr")?, "hdlr");
        handler.version()?;
        handler.skip(4)?;
        if &handler.kind()? == b"vide" {
            return video_track(file, track, media, movie_timescale, max_frames);
        }
    }
    Err(Error::unsupported("no video track"))
}

pub(super) fn require(parent: Reader<'_>, kind: Kind) -> Result<&[u8]> {
    parent.find(kind)?.ok_or_else(|| parent.damaged(&format!("it has no '{}' box", name(kind))))
}

fn video_track<'a>(
    file: &'a [u8],
    track: Reader<'a>,
    media: Reader<'a>,
    movie_timescale: u32,
    max_frames: usize,
) -> Result<Movie<'a>> {
    check_upright(Reader::new(require(track, *b"tkhd")?, "tkhd"))?;
    let mut header = Reader::new(require(media, *b"mdhd")?, "mdhd");
    let version = header.version()?;
    header.skip(if version == 0 { 8 } else { 16 })?;
    let timescale = header.u32()?;
    if timescale == 0 {
        return Err(header.damaged("its time scale is 0"));
    }
    let information = Reader::new(require(media, *b"minf")?, "minf");
    let tables = Reader::new(require(information, *b"stbl")?, "stbl");
    let description = describe(Reader::new(require(tables, *b"stsd")?, "stsd"))?;
    let sizes = sample_sizes(tables, file.len(), max_frames)?;
    let samples = locate(file, tables, &sizes)?;
    let times = Times::read(tables, sizes.len())?;
    let frame_rate = FrameRate::from_duration(sizes.len() as u64, times.duration, timescale)
        .ok_or_else(|| Error::damaged("stts", "its durations give no usable frame rate"))?;
    let edit = match track.find(*b"edts")? {
        Some(edits) => Reader::new(edits, "edts").find(*b"elst")?,
        None => None,
    };
    let window = match edit {
        Some(list) => edit_window(Reader::new(list, "elst"), movie_timescale, timescale)?,
        None => None,
    };
    let shown =
        times.display_order.iter().map(|time| window.is_none_or(|(from, to)| (from..to).contains(time))).collect();
    Ok(Movie { samples, shown, frame_rate, ..description })
}

/// Refuses tracks that should be turned or mirrored.
fn check_upright(mut header: Reader<'_>) -> Result<()> {
    let version = header.version()?;
    header.skip(if version == 0 { 20 } else { 32 } + 16)?;
    let mut matrix = [0; 5];
    for value in &mut matrix {
        *value = header.i32()?;
    }
    let [a, b, _, c, d] = matrix;
    if a > 0 && d > 0 && b == 0 && c == 0 { Ok(()) } else { Err(Error::unsupported("rotation or mirroring")) }
}

/// Reads the sample description: codec, parameter sets, colour, aperture. Tables and times are left empty.
fn describe(mut reader: Reader<'_>) -> Result<Movie<'_>> {
    reader.version()?;
    let entries = reader.u32()?;
    let Some((kind, entry)) = reader.next_box()? else {
        return Err(reader.damaged("it is empty"));
    };
    match &kind {
        b"avc1" | b"avc3" => {}
        b"encv" => return Err(Error::unsupported("encryption")),
        _ => {
            return Err(Error::unsupported(format!("the codec '{}' instead of H.264", name(kind))));
        }
    }
    if entries != 1 {
        return Err(Error::unsupported("several sample descriptions"));
    }
    let mut entry = Reader::new(entry, "avc1");
    entry.skip(78)?;
    let mut configuration = None;
    let (mut color, mut aperture) = (None, None);
    while let Some((kind, content)) = entry.next_box()? {
        match &kind {
            b"avcC" => configuration = Some(Reader::new(content, "avcC")),
            b"colr" => color = container_color(Reader::new(content, "colr"))?.or(color),
            b"clap" => aperture = Some(clean_aperture(Reader::new(content, "clap"))?),
            _ => {}
        }
    }
    let mut avcc = configuration.ok_or_else(|| entry.damaged("it has no 'avcC' box"))?;
    if avcc.u8()? != 1 {
        return Err(Error::unsupported("an unknown version of 'avcC'"));
    }
    avcc.skip(3)?;
    let length_bytes = usize::from(avcc.u8()? & 3) + 1;
    if length_bytes == 3 {
        return Err(avcc.damaged("its length size is 3"));
    }
    let mut sets = |mask: u8| -> Result<Vec<&[u8]>> {
        let count = avcc.u8()? & mask;
        (0..count).map(|_| avcc.u16().and_then(|length| avcc.bytes(length.into()))).collect()
    };
    let (sps, pps) = (sets(0x1f)?, sets(0xff)?);
    // The rate is replaced by the track's; any will do here.
    let frame_rate = FrameRate::nearest(1.0)?;
    Ok(Movie { sps, pps, length_bytes, samples: vec![], shown: vec![], frame_rate, color, aperture })
}

fn container_color(mut reader: Reader<'_>) -> Result<Option<(u8, bool)>> {
    let kind = reader.kind()?;
    if !matches!(&kind, b"nclx" | b"nclc") {
        return Ok(None); // a colour profile: says nothing about the matrix
    }
    reader.skip(4)?;
    let matrix = reader.u16()?;
    let full_range = &kind == b"nclx" && reader.u8()? & 0x80 != 0;
    Ok(Some((u8::try_from(matrix).unwrap_or(u8::MAX), full_range)))
}

fn clean_aperture(mut reader: Reader<'_>) -> Result<Aperture> {
    let mut fraction = || -> Result<(i64, i64)> { Ok((reader.i32()?.into(), reader.u32()?.into())) };
    Ok(Aperture { width: fraction()?, height: fraction()?, x: fraction()?, y: fraction()? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn apertures_become_crops() {
        let crop = |width, x, coded| {
            Aperture { width, height: (8, 1), x, y: (0, 1) }.crop(coded, 8).map(|c| (c.left, c.width))
        };
        assert_eq!(crop((63, 1), (-1, 2), 64).unwrap(), (0, 63));
        assert_eq!(crop((60, 1), (0, 1), 64).unwrap(), (2, 60));
        assert_eq!(crop((120, 2), (2, 1), 64).unwrap(), (4, 60));
        for (width, x) in [
            ((65, 1), (0, 1)),
            ((63, 1), (0, 1)),
            ((63, 1), (1, 1)),
            ((60, 1), (3, 1)),
            ((0, 1), (0, 1)),
            ((60, 0), (0, 1)),
            ((60, 1), (1, 0)),
            ((7, 2), (0, 1)),
        ] {
            assert!(matches!(crop(width, x, 64), Err(Error::Damaged { part: "clap", .. })), "{width:?} {x:?}");
        }
    }
}
