//! Access units to an MP4 file.

use super::boxes::Writer;
use crate::video::h264::{self, Load, Sps, nal};
use crate::video::{Error, FrameRate, Result};

/// What goes into the file.
pub(super) struct Track<'a> {
    /// One access unit per picture, in byte stream form, display order.
    pub(super) units: &'a [Vec<u8>],
    /// Size to be shown; the stream's may be larger.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame_rate: FrameRate,
}

/// Ticks in a second are at least this many, as players with coarser clocks round.
const MIN_TIMESCALE: u32 = 10_000;

/// Unity matrix of movie and track headers: 16.16, the last column 2.30.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// H.273 codes: primaries, transfer and matrix of BT.709.
const BT709: [u16; 3] = [1, 1, 1];

/// Samples as the file has them.
struct Samples {
    sps: Vec<u8>,
    pps: Vec<u8>,
    sizes: Vec<u32>,
    /// Numbers, from 1, of pictures that need no other.
    keyframes: Vec<u32>,
    data: Vec<u8>,
}

/// Makes the file.
///
/// # Errors
/// [`Error::Encode`] if the encoder's stream is not what it should be, [`Error::TooLarge`] beyond 4 GiB.
pub(super) fn mux(track: &Track<'_>) -> Result<Vec<u8>> {
    let mut samples = collect(track.units)?;
    let sps = Sps::parse(&samples.sps)?;
    // The encoder's level does not know the bit rate that a constant quantiser leads to.
    let level = h264::level_for(load(&sps, &samples.sizes, track.frame_rate));
    samples.sps[3] = level.max(sps.level);
    let sps = Sps { level: samples.sps[3], ..sps };

    // Far less than the media, and all that `Writer` handles.
    let table_bytes = 8 * samples.sizes.len() as u64;
    if samples.data.len() as u64 + table_bytes > u64::from(u32::MAX) - 4096 {
        return Err(Error::TooLarge {
            format: "MP4",
            what: "its size in bytes",
            found: samples.data.len() as u64,
            limit: u64::from(u32::MAX),
        });
    }
    let mut file = Writer::default();
    file.boxed(b"ftyp", |w| {
        w.raw(b"isom");
        w.u32(0x200);
        w.raw(b"isomiso2avc1mp41");
    });
    let header = file.bytes.len();
    // The size of `moov` does not depend on the offset in it: write it once to know where the media starts.
    let mut moov = Writer::default();
    write_moov(&mut moov, track, &samples, &sps, 0)?;
    let media = (header + moov.bytes.len() + 8) as u32;
    write_moov(&mut file, track, &samples, &sps, media)?;
    file.boxed(b"mdat", |w| w.raw(&samples.data));
    Ok(file.bytes)
}

/// Takes the parameter sets out of the stream, and turns start codes into lengths.
fn collect(units: &[Vec<u8>]) -> Result<Samples> {
    let mut samples = Samples { sps: vec![], pps: vec![], sizes: vec![], keyframes: vec![], data: vec![] };
    for (picture, unit) in units.iter().enumerate() {
        let failed = |reason: &str| Error::Encode { picture, reason: reason.to_owned() };
        let (start, mut has_picture, mut is_keyframe) = (samples.data.len(), false, false);
        for nal_unit in h264::split_byte_stream(unit) {
            let set = match nal::kind(nal_unit) {
                nal::SPS => &mut samples.sps,
                nal::PPS => &mut samples.pps,
                kind @ (nal::SLICE | nal::IDR_SLICE) => {
                    has_picture = true;
                    is_keyframe |= kind == nal::IDR_SLICE;
                    samples.data.extend((nal_unit.len() as u32).to_be_bytes());
                    samples.data.extend_from_slice(nal_unit);
                    continue;
                }
                _ => continue,
            };
            if set.is_empty() {
                set.extend_from_slice(nal_unit);
            } else if set != nal_unit {
                return Err(failed("it changed its parameter sets"));
            }
        }
        if !has_picture || samples.sps.len() < 4 || samples.pps.is_empty() || (picture == 0 && !is_keyframe) {
            return Err(failed("it left out the picture or its parameter sets"));
        }
        if is_keyframe {
            samples.keyframes.push(picture as u32 + 1);
        }
        samples.sizes.push((samples.data.len() - start) as u32);
    }
    if samples.sizes.is_empty() {
        return Err(Error::Encode { picture: 0, reason: "it returned no pictures".to_owned() });
    }
    Ok(samples)
}

fn load(sps: &Sps, sizes: &[u32], rate: FrameRate) -> Load {
    let pictures_per_second = u64::from(rate.numerator().div_ceil(rate.denominator()));
    let second = (pictures_per_second as usize).min(sizes.len());
    let bits_per_second = sizes.windows(second).map(|w| w.iter().map(|size| u64::from(*size) * 8).sum()).max();
    Load {
        columns: u64::from(sps.coded_width / 16),
        rows: u64::from(sps.coded_height / 16),
        pictures_per_second,
        bits_per_second: bits_per_second.unwrap_or(0),
        largest_picture_bits: sizes.iter().max().map_or(0, |size| u64::from(*size) * 8),
    }
}

/// Writes `moov`; `media` is the offset of the first picture in the file.
fn write_moov(file: &mut Writer, track: &Track<'_>, samples: &Samples, sps: &Sps, media: u32) -> Result<()> {
    let pictures = samples.sizes.len() as u32;
    let (numerator, delta) = (track.frame_rate.numerator(), track.frame_rate.denominator());
    let factor = MIN_TIMESCALE.div_ceil(numerator);
    // `FrameRate` keeps both below 10^7.
    let (timescale, delta) = (numerator * factor, delta * factor);
    let too_long = || Error::TooLarge {
        format: "MP4",
        what: "its number of frames",
        found: u64::from(pictures),
        limit: u64::from(u32::MAX / delta),
    };
    let duration = pictures.checked_mul(delta).ok_or_else(too_long)?;

    file.boxed(b"moov", |w| {
        w.full_box(b"mvhd", 0, |w| {
            w.zeros(8); // dates
            w.u32(timescale);
            w.u32(duration);
            w.u32(0x1_0000); // rate 1.0
            w.u16(0x100); // volume 1.0
            w.zeros(10);
            UNITY.iter().for_each(|x| w.u32(*x));
            w.zeros(24);
            w.u32(2); // next track
        });
        w.boxed(b"trak", |w| {
            // Enabled, in the movie.
            w.full_box(b"tkhd", 3, |w| {
                w.zeros(8); // dates
                w.u32(1);
                w.zeros(4);
                w.u32(duration);
                w.zeros(8 + 8); // reserved, layer, group, volume
                UNITY.iter().for_each(|x| w.u32(*x));
                w.u32(sps.width << 16);
                w.u32(sps.height << 16);
            });
            w.boxed(b"mdia", |w| {
                w.full_box(b"mdhd", 0, |w| {
                    w.zeros(8);
                    w.u32(timescale);
                    w.u32(duration);
                    w.u16(0x55c4); // language "und"
                    w.zeros(2);
                });
                w.full_box(b"hdlr", 0, |w| {
                    w.zeros(4);
                    w.raw(b"vide");
                    w.zeros(12);
                    w.raw(b"VideoHandler\0");
                });
                w.boxed(b"minf", |w| {
                    w.full_box(b"vmhd", 1, |w| w.zeros(8));
                    w.boxed(b"dinf", |w| {
                        w.full_box(b"dref", 0, |w| {
                            w.u32(1);
                            w.full_box(b"url ", 1, |_| ()); // in this file
                        });
                    });
                    w.boxed(b"stbl", |w| {
                        write_tables(w, track, samples, sps, delta, media);
                    });
                });
            });
        });
    });
    Ok(())
}

fn write_tables(w: &mut Writer, track: &Track<'_>, samples: &Samples, sps: &Sps, delta: u32, media: u32) {
    let pictures = samples.sizes.len() as u32;
    w.full_box(b"stsd", 0, |w| {
        w.u32(1);
        w.boxed(b"avc1", |w| {
            w.zeros(6);
            w.u16(1); // data reference
            w.zeros(16);
            // The encoder's largest picture has 3840 samples in a row.
            w.u16(sps.width as u16);
            w.u16(sps.height as u16);
            w.u32(0x48_0000); // 72 dpi
            w.u32(0x48_0000);
            w.zeros(4);
            w.u16(1); // frames in a sample
            w.zeros(32); // compressor name
            w.u16(24); // depth
            w.u16(0xffff);
            w.boxed(b"avcC", |w| write_avcc(w, samples, sps));
            w.boxed(b"colr", |w| {
                w.raw(b"nclx");
                BT709.iter().for_each(|code| w.u16(*code));
                w.u8(0); // limited range
            });
            w.boxed(b"pasp", |w| {
                w.u32(1);
                w.u32(1);
            });
            if (track.width, track.height) != (sps.width, sps.height) {
                write_clap(w, track, sps);
            }
        });
    });
    w.full_box(b"stts", 0, |w| {
        [1, pictures, delta].iter().for_each(|x| w.u32(*x));
    });
    w.full_box(b"stss", 0, |w| {
        w.u32(samples.keyframes.len() as u32);
        samples.keyframes.iter().for_each(|x| w.u32(*x));
    });
    // One chunk with everything: first chunk, samples in it, description.
    w.full_box(b"stsc", 0, |w| {
        [1, 1, pictures, 1].iter().for_each(|x| w.u32(*x));
    });
    w.full_box(b"stsz", 0, |w| {
        w.u32(0); // sizes differ
        w.u32(pictures);
        samples.sizes.iter().for_each(|x| w.u32(*x));
    });
    w.full_box(b"stco", 0, |w| [1, media].iter().for_each(|x| w.u32(*x)));
}

/// The decoder configuration record, ISO/IEC 14496-15, 5.3.3.1.
fn write_avcc(w: &mut Writer, samples: &Samples, sps: &Sps) {
    w.raw(&[1, sps.profile, sps.constraints, sps.level]);
    w.u8(0xfc | 3); // lengths have 4 bytes
    w.u8(0xe0 | 1);
    // Parameter sets of a stream that `Sps::parse` has read have at most 4096 bytes; a PPS is smaller still.
    w.u16(samples.sps.len() as u16);
    w.raw(&samples.sps);
    w.u8(1);
    w.u16(samples.pps.len() as u16);
    w.raw(&samples.pps);
    if !matches!(sps.profile, 66 | 77 | 88) {
        let depth = 0xf8 | (sps.bit_depth as u8 - 8);
        w.raw(&[0xfc | sps.chroma_format as u8, depth, depth, 0]);
    }
}

/// The part at the top left that is to be shown: fractions for its size and for the offset of its centre.
fn write_clap(w: &mut Writer, track: &Track<'_>, sps: &Sps) {
    w.boxed(b"clap", |w| {
        w.u32(track.width);
        w.u32(1);
        w.u32(track.height);
        w.u32(1);
        for (shown, coded) in [(track.width, sps.width), (track.height, sps.height)] {
            w.i32(shown as i32 - coded as i32);
            w.u32(2);
        }
    });
}
