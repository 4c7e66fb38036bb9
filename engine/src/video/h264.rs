//! The part of H.264 that a container needs: NAL units, the sequence parameter set, levels. ITU-T H.264 (08/2021), 7.3 and annexes A, B, E.

use super::{Error, Result};

/// NAL unit types, table 7-1.
pub(crate) mod nal {
    pub(crate) const SLICE: u8 = 1;
    pub(crate) const SLICE_PARTITION_A: u8 = 2;
    pub(crate) const SLICE_PARTITION_C: u8 = 4;
    pub(crate) const IDR_SLICE: u8 = 5;
    pub(crate) const SPS: u8 = 7;
    pub(crate) const PPS: u8 = 8;

    /// Type of a NAL unit; 0, "unspecified", for an empty one.
    pub(crate) fn kind(unit: &[u8]) -> u8 {
        unit.first().map_or(0, |header| header & 0x1f)
    }
}

/// In front of each NAL unit in a byte stream.
pub(crate) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Largest parameter set that is read; real ones have 10 to 100 bytes.
const MAX_PARAMETER_SET_BYTES: usize = 4096;

/// Splits a byte stream (annex B) at its start codes.
pub(crate) fn split_byte_stream(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = stream.get(at..).and_then(|rest| rest.windows(3).position(|w| w == [0, 0, 1])) {
        starts.push(at + found);
        at += found + 3;
    }
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| without_trailing_zeros(&stream[start + 3..end]));
    units.filter(|unit| !unit.is_empty()).collect()
}

/// A NAL unit never ends in zeros; those belong to the next start code.
pub(crate) fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..length]
}

/// Whether a NAL unit holds what a decoder would take for a start code, and thus for another unit that nobody has checked.
pub(crate) fn hides_start_code(unit: &[u8]) -> bool {
    unit.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] <= 2)
}

/// What the sequence parameter set says that a container or a memory bound needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) profile: u8,
    pub(crate) constraints: u8,
    pub(crate) level: u8,
    pub(crate) chroma_format: u32,
    /// Bits per sample: the larger of luma and chroma.
    pub(crate) bit_depth: u32,
    pub(crate) reference_frames: u32,
    /// False for interlaced video.
    pub(crate) progressive: bool,
    /// Size as coded, a multiple of 16.
    pub(crate) coded_width: u32,
    pub(crate) coded_height: u32,
    /// Size as shown.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `(matrix_coefficients, full_range)` where given; the matrix is 2 if only the range is.
    pub(crate) color: Option<(u8, bool)>,
}

/// Profiles whose parameter set has chroma format and bit depth in it, 7.3.2.1.1.
const PROFILES_WITH_CHROMA_FORMAT: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

impl Sps {
    /// Reads a sequence parameter set NAL unit, header byte included.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it ends early or has impossible values.
    pub(crate) fn parse(unit: &[u8]) -> Result<Self> {
        if nal::kind(unit) != nal::SPS || unit.len() > MAX_PARAMETER_SET_BYTES {
            return Err(damaged("it is no sequence parameter set"));
        }
        let payload = unescape(&unit[1..]);
        let mut bits = Bits { data: &payload, at: 0 };
        let (profile, constraints, level) = (bits.read(8)? as u8, bits.read(8)? as u8, bits.read(8)? as u8);
        bits.ue()?; // seq_parameter_set_id
        let (mut chroma_format, mut bit_depth, mut separate_planes) = (1, 8, false);
        if PROFILES_WITH_CHROMA_FORMAT.contains(&profile) {
            chroma_format = bits.ue()?;
            if chroma_format > 3 {
                return Err(damaged("its chroma format does not exist"));
            }
            separate_planes = chroma_format == 3 && bits.flag()?;
            bit_depth = 8 + bits.ue()?.max(bits.ue()?).min(100);
            bits.flag()?; // qpprime_y_zero_transform_bypass_flag
            if bits.flag()? {
                let lists = if chroma_format == 3 { 12 } else { 8 };
                for list in 0..lists {
                    if bits.flag()? {
                        bits.skip_scaling_list(if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        bits.ue()?; // log2_max_frame_num_minus4
        match bits.ue()? {
            0 => {
                bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
            }
            1 => {
                bits.flag()?;
                bits.se()?;
                bits.se()?;
                let cycle = bits.ue()?;
                if cycle > 255 {
                    return Err(damaged("its picture order cycle is too long"));
                }
                for _ in 0..cycle {
                    bits.se()?;
                }
            }
            2 => {}
            _ => return Err(damaged("its picture order type does not exist")),
        }
        let reference_frames = bits.ue()?;
        bits.flag()?; // gaps_in_frame_num_value_allowed_flag
        let (columns, rows) = (u64::from(bits.ue()?) + 1, u64::from(bits.ue()?) + 1);
        let progressive = bits.flag()?;
        if !progressive {
            bits.flag()?; // mb_adaptive_frame_field_flag
        }
        bits.flag()?; // direct_8x8_inference_flag
        let coded_width = columns * 16;
        let coded_height = rows * 16 * if progressive { 1 } else { 2 };
        let crop = if bits.flag()? { [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?] } else { [0; 4] };
        let subsampled = |formats: &[u32]| {
            if !separate_planes && formats.contains(&chroma_format) { 2u64 } else { 1 }
        };
        let unit_x = subsampled(&[1, 2]);
        let unit_y = subsampled(&[1]) * if progressive { 1 } else { 2 };
        let [left, right, top, bottom] = crop.map(u64::from);
        let width = coded_width.saturating_sub((left + right) * unit_x);
        let height = coded_height.saturating_sub((top + bottom) * unit_y);
        let color = if bits.flag()? { bits.vui_color()? } else { None };
        let narrow = |x: u64| u32::try_from(x).map_err(|_| damaged("its picture size is impossible"));
        let sps = Self {
            profile,
            constraints,
            level,
            chroma_format,
            bit_depth,
            reference_frames,
            progressive,
            coded_width: narrow(coded_width)?,
            coded_height: narrow(coded_height)?,
            width: narrow(width)?,
            height: narrow(height)?,
            color,
        };
        if sps.width == 0 || sps.height == 0 || reference_frames > 16 {
            return Err(damaged("its picture size or number of reference pictures is impossible"));
        }
        Ok(sps)
    }
}

fn damaged(why: &str) -> Error {
    Error::damaged("sequence parameter set", why)
}

/// Removes emulation prevention bytes: 00 00 03 becomes 00 00.
fn unescape(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Bits from the most significant one, with the codes of 9.1.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Result<bool> {
        let byte = self.data.get(self.at / 8).ok_or_else(|| damaged("it ends early"))?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// At most 32 bits.
    fn read(&mut self, count: u32) -> Result<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// Unsigned Exp-Golomb code.
    fn ue(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(damaged("one of its numbers is too large"));
            }
        }
        // zeros <= 31: at most 2^31 - 1 + 2^31 - 1.
        Ok((1u32 << zeros) - 1 + self.read(zeros)?)
    }

    /// Signed Exp-Golomb code.
    fn se(&mut self) -> Result<i64> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }

    fn skip_scaling_list(&mut self, size: u32) -> Result<()> {
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..size {
            if next != 0 {
                next = (last + self.se()? + 256).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
        Ok(())
    }

    /// The front of the video usability information up to the colour description, E.1.1.
    fn vui_color(&mut self) -> Result<Option<(u8, bool)>> {
        if self.flag()? && self.read(8)? == 255 {
            self.read(32)?; // sar_width, sar_height
        }
        if self.flag()? {
            self.flag()?; // overscan_appropriate_flag
        }
        if !self.flag()? {
            return Ok(None);
        }
        self.read(3)?; // video_format
        let full_range = self.flag()?;
        if !self.flag()? {
            return Ok(Some((2, full_range)));
        }
        self.read(16)?; // colour_primaries, transfer_characteristics
        Ok(Some((self.read(8)? as u8, full_range)))
    }
}

/// One row of table A-1: level_idc, macroblocks per second, macroblocks per picture, kbit/s, kbit of buffer.
struct LevelLimits(u8, u64, u64, u64, u64);

const LEVELS: [LevelLimits; 16] = [
    LevelLimits(10, 1_485, 99, 64, 175),
    LevelLimits(11, 3_000, 396, 192, 500),
    LevelLimits(12, 6_000, 396, 384, 1_000),
    LevelLimits(13, 11_880, 396, 768, 2_000),
    LevelLimits(20, 11_880, 396, 2_000, 2_000),
    LevelLimits(21, 19_800, 792, 4_000, 4_000),
    LevelLimits(22, 20_250, 1_620, 4_000, 4_000),
    LevelLimits(30, 40_500, 1_620, 10_000, 10_000),
    LevelLimits(31, 108_000, 3_600, 14_000, 14_000),
    LevelLimits(32, 216_000, 5_120, 20_000, 20_000),
    LevelLimits(40, 245_760, 8_192, 20_000, 25_000),
    LevelLimits(41, 245_760, 8_192, 50_000, 62_500),
    LevelLimits(42, 522_240, 8_704, 50_000, 62_500),
    LevelLimits(50, 589_824, 22_080, 135_000, 135_000),
    LevelLimits(51, 983_040, 36_864, 240_000, 240_000),
    LevelLimits(52, 2_073_600, 36_864, 240_000, 240_000),
];

/// What a stream asks of its decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Size in macroblocks of 16x16.
    pub(crate) columns: u64,
    pub(crate) rows: u64,
    /// Pictures in a second, rounded up.
    pub(crate) pictures_per_second: u64,
    /// Most bits in any second.
    pub(crate) bits_per_second: u64,
    /// Bits of the largest picture.
    pub(crate) largest_picture_bits: u64,
}

/// Lowest level that admits `load`, or the highest there is.
pub(crate) fn level_for(load: Load) -> u8 {
    let macroblocks = load.columns * load.rows;
    let admits = |LevelLimits(_, per_second, per_picture, kilobits, buffer): &LevelLimits| {
        macroblocks <= *per_picture
            && load.columns.max(load.rows).pow(2) <= 8 * per_picture
            && macroblocks * load.pictures_per_second <= *per_second
            && load.bits_per_second <= kilobits * 1000
            && load.largest_picture_bits <= buffer * 1000
    };
    LEVELS.iter().find(|level| admits(level)).map_or(52, |level| level.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn byte_streams_are_split() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0];
        let units = split_byte_stream(&stream);
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 1]]);
        assert!(split_byte_stream(&[1, 2, 3]).is_empty());
        assert!(split_byte_stream(&[0, 0, 1, 0, 0, 0, 1]).is_empty());
    }

    #[test]
    fn hidden_start_codes_are_seen() {
        assert!(hides_start_code(&[0x65, 9, 0, 0, 1, 0x67]));
        assert!(hides_start_code(&[0x65, 0, 0, 0, 5]));
        assert!(!hides_start_code(&[0x65, 0, 0, 3, 1, 0]));
    }

    /// Bit by bit from the standard: Baseline, level 3, 720x576 cropped to 718x574, BT.601 full range.
    #[test]
    fn a_parameter_set_by_hand() {
        let mut bits = String::new();
        for byte in [66, 0xc0, 30] {
            bits += &format!("{byte:08b}");
        }
        bits += "1"; // id 0
        bits += "1"; // log2_max_frame_num 4
        bits += "011"; // order type 2
        bits += "010"; // 1 reference
        bits += "0"; // no gaps
        bits += "00000101101"; // 45 columns: ue(44)
        bits += "00000100100"; // 36 rows: ue(35)
        bits += "1"; // progressive
        bits += "1"; // direct 8x8
        bits += "1"; // cropped: left 0, right 1, top 1, bottom 0
        bits += "1010";
        bits += "0101";
        bits += "1"; // VUI
        bits += "0"; // no aspect ratio
        bits += "0"; // no overscan
        bits += "1"; // video signal
        bits += "1011"; // unspecified format, full range
        bits += "1";
        for byte in [6, 6, 6] {
            bits += &format!("{byte:08b}");
        }
        bits += "1";
        let bits: Vec<u8> = bits.bytes().collect();
        let unit: Vec<u8> = [0x67]
            .into_iter()
            .chain(bits.chunks(8).map(|c| c.iter().enumerate().map(|(i, b)| (b - b'0') << (7 - i)).sum()))
            .collect();
        let sps = Sps::parse(&unit).unwrap();
        assert_eq!((sps.coded_width, sps.coded_height, sps.width, sps.height), (720, 576, 718, 574));
        assert_eq!(sps.color, Some((6, true)));
        assert_eq!(
            (sps.profile, sps.level, sps.reference_frames, sps.bit_depth, sps.progressive),
            (66, 30, 1, 8, true)
        );
        for end in 1..unit.len() - 4 {
            assert!(matches!(Sps::parse(&unit[..end]), Err(Error::Damaged { .. })), "{end}");
        }
    }

    #[test]
    fn levels() {
        let load = |width: u64, height: u64, pictures_per_second, bits_per_second| Load {
            columns: width.div_ceil(16),
            rows: height.div_ceil(16),
            pictures_per_second,
            bits_per_second,
            largest_picture_bits: bits_per_second / pictures_per_second,
        };
        assert_eq!(level_for(load(64, 64, 8, 50_000)), 10);
        assert_eq!(level_for(load(576, 320, 24, 3_000_000)), 21);
        assert_eq!(level_for(load(576, 320, 24, 5_000_000)), 30);
        assert_eq!(level_for(load(1024, 576, 24, 12_000_000)), 31);
        assert_eq!(level_for(load(1920, 1080, 30, 20_000_000)), 40);
        // Long and thin: the side limit, not the area, decides.
        assert_eq!(level_for(load(2048, 16, 8, 50_000)), 31);
        assert_eq!(level_for(load(3840, 2160, 1000, 1)), 52);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..80), profile in prop::sample::select(vec![66u8, 100, 244])) {
            if bytes.len() > 1 {
                bytes[0] = 0x67;
                bytes[1] = profile;
            }
            match Sps::parse(&bytes) {
                Ok(sps) => prop_assert!(sps.width > 0 && sps.height > 0 && sps.width <= sps.coded_width),
                Err(error) => prop_assert_eq!(error.code(), "video.damaged"),
            }
        }

        #[test]
        fn split_units_have_no_start_codes(bytes in prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 1, 2, 3, 0x67]), 0..60)) {
            for unit in split_byte_stream(&bytes) {
                prop_assert!(!unit.windows(3).any(|w| w == [0, 0, 1]));
                prop_assert!(unit.last() != Some(&0));
            }
        }
    }
}
