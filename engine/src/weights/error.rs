//! What can be wrong with weight files.

use std::path::PathBuf;

/// A component's weights can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The folder holds no weight file under any known name.
    #[error("no weights in {folder}: expected one of {expected}; download or import the model again", folder = folder.display())]
    NoFile {
        /// Folder searched.
        folder: PathBuf,
        /// File names that would have done.
        expected: String,
    },
    /// A file can't be opened or read.
    #[error("can't read {file}: {source}", file = file.display())]
    Read {
        /// File.
        file: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A file is not what its name says, or is cut short.
    #[error("{file} is damaged: {reason}; run `infernet model verify`, or download it again", file = file.display())]
    Damaged {
        /// File.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is whole, but written in a way that is not read here (compressed, encrypted, big-endian, by a very old PyTorch).
    #[error("{file} can't be used: {reason}; save it again as safetensors (`safetensors.torch.save_file`)", file = file.display())]
    Unsupported {
        /// File.
        file: PathBuf,
        /// What is not supported.
        reason: String,
    },
    /// A pickle asks for something other than tensors. Nothing of it was run.
    #[error("{file} is refused: its pickle refers to `{object}`, which has no place in a weight file (nothing was executed); get the model from its publisher, as safetensors if possible", file = file.display())]
    UnsafePickle {
        /// File.
        file: PathBuf,
        /// Python name referred to.
        object: String,
    },
    /// The model needs a tensor that no file has.
    #[error("{file}: tensor `{tensor}` is missing (expected shape {expected:?}); the files do not fit the config", file = file.display())]
    Missing {
        /// File or folder searched.
        file: PathBuf,
        /// Tensor name.
        tensor: String,
        /// Shape the config asks for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the config asks for.
    #[error("{file}: tensor `{tensor}` has shape {found:?}, expected {expected:?}; the files do not fit the config", file = file.display())]
    Shape {
        /// File.
        file: PathBuf,
        /// Tensor name.
        tensor: String,
        /// Shape the config asks for.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's numbers are of a kind that weights can't have.
    #[error("{file}: tensor `{tensor}` holds {found}; weights must be f32, f16 or bf16", file = file.display())]
    Type {
        /// File.
        file: PathBuf,
        /// Tensor name.
        tensor: String,
        /// Type found.
        found: String,
    },
    /// The files hold tensors that the model does not have.
    #[error("{file}: {count} unexpected tensor(s), for example `{tensor}`; the files do not fit the config", file = file.display())]
    Unexpected {
        /// File or folder.
        file: PathBuf,
        /// One of them.
        tensor: String,
        /// How many.
        count: usize,
    },
}
