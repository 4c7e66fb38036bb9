//! Everything that can go wrong while loading a scoring model or scoring a clip.

use std::path::PathBuf;

/// What was being done to what, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// The clip's bytes are not `frames x height x width x 3`.
    #[error(
        "the clip has {bytes} bytes, which is not a whole number of {width}x{height} RGB frames; \
         pass frames x height x width x 3 bytes"
    )]
    Frames {
        /// Pixels per row.
        width: u32,
        /// Rows per frame.
        height: u32,
        /// Bytes that came.
        bytes: usize,
    },
    /// The clip holds no frame, or a side is zero.
    #[error("the clip is empty ({width}x{height}, {frames} frames); there is nothing to score")]
    EmptyClip {
        /// Pixels per row.
        width: u32,
        /// Rows per frame.
        height: u32,
        /// Frames in the clip.
        frames: usize,
    },
    /// A side is longer than the scores accept.
    #[error("frames of {width}x{height} are too large to score; at most {limit} pixels a side")]
    TooLarge {
        /// Pixels per row.
        width: u32,
        /// Rows per frame.
        height: u32,
        /// Longest side accepted.
        limit: u32,
    },
    /// A file of the model folder cannot be read.
    #[error("cannot read {}: {source}; the model folder needs {needs}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the folder must hold.
        needs: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A JSON file does not parse.
    #[error("{} is not valid JSON: {source}; download the model again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// A setting has a value that this engine does not support.
    #[error("{}: `{field}` is {found}, expected {expected}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The setting, as a dotted path.
        field: &'static str,
        /// The values that work.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// The vocabulary or the merges are unusable.
    #[error("the tokenizer in {} cannot be used: {reason}", path.display())]
    Tokenizer {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weight file as a whole is unreadable.
    #[error("{} holds no readable weights: {source}; verify or download it again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        source: candle_core::Error,
    },
    /// A tensor is missing.
    #[error("{} has no tensor `{tensor}`; this is another model, or a damaged file", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: tensor `{tensor}` has shape {found:?}, expected {expected:?}", path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Shape by the configuration.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A model gave a value that is not a number: its weights are damaged.
    #[error("{what} came out as not-a-number; the weights in {} are damaged", path.display())]
    NotFinite {
        /// The value.
        what: &'static str,
        /// The model folder.
        path: PathBuf,
    },
    /// A tensor operation failed.
    #[error("{doing} failed: {source}")]
    Compute {
        /// The computation.
        doing: &'static str,
        /// The back end's reason.
        source: candle_core::Error,
    },
}

impl QualityError {
    /// Wraps a back-end failure with what was being computed.
    pub(crate) fn compute(doing: &'static str) -> impl Fn(candle_core::Error) -> Self {
        move |source| Self::Compute { doing, source }
    }
}

impl QualityError {
    /// What the tokenizer in `folder` says, as an error of this module.
    pub(super) fn tokenizer(folder: &std::path::Path, error: crate::EngineError) -> Self {
        let reason = match error {
            crate::EngineError::Tokenizer { reason, .. } => reason,
            other => other.to_string(),
        };
        Self::Tokenizer { path: folder.to_owned(), reason }
    }
}
