//! The Python names that a weight file may use, and what they stand for here. Nothing else is ever accepted.

use crate::weights::TensorType;

/// A PyTorch number format: its storage class, its dtype, and whether weights can have it.
#[derive(Debug, PartialEq)]
pub(super) struct NumberType {
    storage: &'static str,
    pub(super) dtype: &'static str,
    pub(super) size_bytes: u64,
    pub(super) tensor_type: Option<TensorType>,
}

const fn number(
    storage: &'static str,
    dtype: &'static str,
    size_bytes: u64,
    tensor_type: Option<TensorType>,
) -> NumberType {
    NumberType { storage, dtype, size_bytes, tensor_type }
}

/// From `torch/storage.py`. Formats without a storage class of their own lie in an untyped one.
static NUMBER_TYPES: [NumberType; 28] = [
    number("FloatStorage", "float32", 4, Some(TensorType::F32)),
    number("HalfStorage", "float16", 2, Some(TensorType::F16)),
    number("BFloat16Storage", "bfloat16", 2, Some(TensorType::Bf16)),
    number("DoubleStorage", "float64", 8, None),
    number("LongStorage", "int64", 8, None),
    number("IntStorage", "int32", 4, None),
    number("ShortStorage", "int16", 2, None),
    number("CharStorage", "int8", 1, None),
    number("ByteStorage", "uint8", 1, None),
    number("BoolStorage", "bool", 1, None),
    number("ComplexFloatStorage", "complex64", 8, None),
    number("ComplexDoubleStorage", "complex128", 16, None),
    number("QInt8Storage", "qint8", 1, None),
    number("QUInt8Storage", "quint8", 1, None),
    number("QInt32Storage", "qint32", 4, None),
    number("QUInt4x2Storage", "quint4x2", 1, None),
    number("QUInt2x4Storage", "quint2x4", 1, None),
    number("UntypedStorage", "", 1, None),
    number("", "complex32", 4, None),
    number("", "uint16", 2, None),
    number("", "uint32", 4, None),
    number("", "uint64", 8, None),
    number("", "float8_e4m3fn", 1, None),
    number("", "float8_e4m3fnuz", 1, None),
    number("", "float8_e5m2", 1, None),
    number("", "float8_e5m2fnuz", 1, None),
    number("", "float8_e8m0fnu", 1, None),
    number("", "float4_e2m1fn_x2", 1, None),
];

/// A tensor that is not numbers at places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OddTensor {
    Sparse,
    Quantised,
    Nested,
    Meta,
    LazyView,
}

impl OddTensor {
    pub(super) fn describe(self) -> &'static str {
        match self {
            OddTensor::Sparse => "sparse numbers",
            OddTensor::Quantised => "quantised numbers",
            OddTensor::Nested => "tensors of different shapes",
            OddTensor::Meta => "no numbers at all (it was saved from the meta device)",
            OddTensor::LazyView => "a view that is yet to be negated or conjugated",
        }
    }
}

/// A name from the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    /// `_rebuild_tensor(storage, offset, shape, strides, ...)`.
    RebuildTensor,
    /// The same with a dtype, on an untyped storage.
    RebuildTypedTensor,
    /// `_rebuild_parameter(tensor, ...)`: the tensor.
    RebuildParameter,
    /// `_rebuild_from_type_v2(function, type, arguments, state)`: what the function gives.
    RebuildFromType,
    RebuildOdd(OddTensor),
    /// `torch.Size(tuple)`: the tuple.
    Size,
    Number(&'static NumberType),
    /// A class or a function whose result says nothing about weights.
    Inert,
}

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        let number =
            |is: &dyn Fn(&NumberType) -> bool| NUMBER_TYPES.iter().find(|number| is(number)).map(Global::Number);
        match (module, name) {
            (_, "") => None,
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_tensor_v3") => Some(Global::RebuildTypedTensor),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::RebuildParameter),
            ("torch._tensor", "_rebuild_from_type_v2") => Some(Global::RebuildFromType),
            ("torch._utils", "_rebuild_sparse_tensor") => Some(Global::RebuildOdd(OddTensor::Sparse)),
            ("torch._utils", "_rebuild_qtensor") => Some(Global::RebuildOdd(OddTensor::Quantised)),
            ("torch._utils", "_rebuild_nested_tensor") => Some(Global::RebuildOdd(OddTensor::Nested)),
            ("torch._utils", "_rebuild_meta_tensor_no_storage") => Some(Global::RebuildOdd(OddTensor::Meta)),
            ("torch", "Size") => Some(Global::Size),
            ("torch", "Tensor" | "device" | "per_tensor_affine" | "per_channel_affine")
            | ("torch.nn.parameter", "Parameter")
            | ("torch.serialization", "_get_layout") => Some(Global::Inert),
            ("torch" | "torch.storage", name) if name.ends_with("Storage") => number(&|number| number.storage == name),
            ("torch", name) => number(&|number| number.dtype == name),
            _ => None,
        }
    }
}
