//! Tensors and frames as they are committed: raw bytes with their type and shape.

use half::{bf16, f16};
use infernet_engine::pipeline::Precision;

use super::bytes::Digest;
use super::codec::{Reader, Writer};
use super::error::DecodeError;

const TENSOR_TAG: &str = "infernet/tensor/v1";
const FRAME_TAG: &str = "infernet/frame/v1";
const MAX_RANK: u8 = 8;

/// Numbers with type and shape. Bytes are little-endian, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Number format.
    pub dtype: Precision,
    /// Sizes, outermost first.
    pub dims: Vec<u32>,
    /// The numbers.
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// Values that are already rounded to `dtype`; `dims` must multiply to their number.
    pub fn from_f32(values: &[f32], dtype: Precision, dims: &[u32]) -> Self {
        let bytes = match dtype {
            Precision::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
            Precision::Bf16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        };
        Self { dtype, dims: dims.to_vec(), bytes }
    }

    /// The numbers, exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        let pairs = || self.bytes.as_chunks::<2>().0.iter();
        match self.dtype {
            Precision::F32 => self.bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Precision::F16 => pairs().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Precision::Bf16 => pairs().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        }
    }

    /// Whether no number is infinite or not a number.
    pub fn is_finite(&self) -> bool {
        let pairs = || self.bytes.as_chunks::<2>().0.iter();
        match self.dtype {
            Precision::F32 => self.bytes.as_chunks::<4>().0.iter().all(|&b| f32::from_le_bytes(b).is_finite()),
            Precision::F16 => pairs().all(|&b| f16::from_le_bytes(b).is_finite()),
            Precision::Bf16 => pairs().all(|&b| bf16::from_le_bytes(b).is_finite()),
        }
    }

    /// Whether type, shape and number of bytes are as they should be.
    pub fn has_format(&self, dtype: Precision, dims: &[u32]) -> bool {
        self.dtype == dtype && self.dims == dims && byte_len(dtype, dims) == Some(self.bytes.len() as u64)
    }

    /// `SHA-256("infernet/tensor/v1" || dtype u8 || rank u8 || sizes u32 || bytes)`.
    pub fn digest(&self) -> Digest {
        let mut head = Writer::default();
        self.write_head(&mut head);
        Digest::tagged(TENSOR_TAG, &[&head.finish(), &self.bytes])
    }

    fn write_head(&self, out: &mut Writer) {
        // Ranks above MAX_RANK are never read back.
        out.u8(precision_code(self.dtype)).u8(u8::try_from(self.dims.len()).unwrap_or(u8::MAX));
        for &size in &self.dims {
            out.u32(size);
        }
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.write_head(out);
        out.bytes(&self.bytes);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let dtype = precision_from_code(reader.u8("tensor dtype")?)?;
        let rank = reader.u8("tensor rank")?;
        if rank > MAX_RANK {
            let limit = u64::from(MAX_RANK);
            return Err(DecodeError::TooLong { field: "tensor rank", found: u64::from(rank), limit });
        }
        let dims = (0..rank).map(|_| reader.u32("tensor size")).collect::<Result<Vec<_>, _>>()?;
        let bytes = reader.bytes("tensor", u64::MAX)?;
        if byte_len(dtype, &dims) != Some(bytes.len() as u64) {
            let found = format!("{} bytes", bytes.len());
            return Err(DecodeError::invalid("tensor", found, format!("{} x {dims:?}", dtype.name())));
        }
        Ok(Self { dtype, dims, bytes: bytes.to_vec() })
    }
}

/// Bytes of one number.
pub(crate) fn precision_bytes(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
        Precision::F16 | Precision::Bf16 => 2,
    }
}

fn byte_len(dtype: Precision, dims: &[u32]) -> Option<u64> {
    dims.iter().try_fold(precision_bytes(dtype), |product, &size| product.checked_mul(u64::from(size)))
}

pub(crate) fn precision_code(precision: Precision) -> u8 {
    match precision {
        Precision::F32 => 1,
        Precision::F16 => 2,
        Precision::Bf16 => 3,
    }
}

pub(crate) fn precision_from_code(code: u8) -> Result<Precision, DecodeError> {
    match code {
        1 => Ok(Precision::F32),
        2 => Ok(Precision::F16),
        3 => Ok(Precision::Bf16),
        other => Err(DecodeError::invalid("number format", other.to_string(), "1 (f32), 2 (f16) or 3 (bf16)")),
    }
}

/// A picture, 8-bit RGB, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbFrame {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `(height, width, 3)`.
    pub pixels: Vec<u8>,
}

impl RgbFrame {
    /// `SHA-256("infernet/frame/v1" || width u32 || height u32 || pixels)`.
    pub fn digest(&self) -> Digest {
        Digest::tagged(FRAME_TAG, &[&self.width.to_le_bytes(), &self.height.to_le_bytes(), &self.pixels])
    }

    /// Whether the picture has this size and all its pixels.
    pub fn has_format(&self, width: u32, height: u32) -> bool {
        self.width == width
            && self.height == height
            && 3 * u64::from(width) * u64::from(height) == self.pixels.len() as u64
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.width).u32(self.height).bytes(&self.pixels);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (width, height) = (reader.u32("frame width")?, reader.u32("frame height")?);
        let pixels = reader.bytes("frame", u64::MAX)?;
        if (u64::from(width) * u64::from(height)).checked_mul(3) != Some(pixels.len() as u64) {
            let found = format!("{} bytes", pixels.len());
            return Err(DecodeError::invalid("frame", found, format!("{width} x {height} x 3")));
        }
        Ok(Self { width, height, pixels: pixels.to_vec() })
    }
}
