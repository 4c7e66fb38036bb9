//! Reading a component's weights, strictly: every tensor the model needs must be there with its shape, and every tensor in
//! the files must be needed. Files are read tensor by tensor, so that peak memory is the packed model plus one tensor.
//!
//! Safetensors (one file or sharded with an index) and PyTorch `.bin` pickles (read without executing anything) in f32,
//! f16 and bf16.

mod error;
mod files;
mod memory_file;
mod pickle;
mod raw;
mod safetensors_file;
mod source;

pub use error::WeightsError;
pub use files::Weights;
pub use raw::{RawTensor, TensorType};
pub(crate) use source::Source;
