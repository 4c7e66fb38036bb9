//! A tensor as it lies in a file.

use std::ops::Range;

use half::{bf16, f16};

/// Number formats that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
}

impl TensorType {
    /// Bytes of one number.
    pub fn size_bytes(self) -> usize {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::Bf16 => 2,
        }
    }
}

/// Numbers in row-major order, in the file's own format.
#[derive(Clone, Debug)]
pub enum RawTensor {
    /// f32.
    F32(Vec<f32>),
    /// f16.
    F16(Vec<f16>),
    /// bf16.
    Bf16(Vec<bf16>),
}

impl RawTensor {
    /// Interprets little-endian bytes; `bytes` must be a whole number of elements.
    pub(crate) fn from_bytes(tensor_type: TensorType, bytes: &[u8]) -> Self {
        let (pairs, _) = bytes.as_chunks::<2>();
        match tensor_type {
            TensorType::F32 => {
                RawTensor::F32(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
            }
            TensorType::F16 => RawTensor::F16(pairs.iter().map(|&b| f16::from_le_bytes(b)).collect()),
            TensorType::Bf16 => RawTensor::Bf16(pairs.iter().map(|&b| bf16::from_le_bytes(b)).collect()),
        }
    }

    /// Some elements as little-endian bytes.
    pub(crate) fn to_bytes(&self, elements: Range<usize>) -> Vec<u8> {
        match self {
            RawTensor::F32(data) => data[elements].iter().flat_map(|x| x.to_le_bytes()).collect(),
            RawTensor::F16(data) => data[elements].iter().flat_map(|x| x.to_le_bytes()).collect(),
            RawTensor::Bf16(data) => data[elements].iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// The numbers as f32, exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            RawTensor::F32(data) => data.clone(),
            RawTensor::F16(data) => data.iter().map(|x| x.to_f32()).collect(),
            RawTensor::Bf16(data) => data.iter().map(|x| x.to_f32()).collect(),
        }
    }

    /// Format.
    pub fn tensor_type(&self) -> TensorType {
        match self {
            RawTensor::F32(_) => TensorType::F32,
            RawTensor::F16(_) => TensorType::F16,
            RawTensor::Bf16(_) => TensorType::Bf16,
        }
    }
}
