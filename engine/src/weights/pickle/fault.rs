//! What can be wrong, before it is known in which file.

use std::path::Path;

use crate::weights::WeightsError;

#[derive(Debug)]
pub(super) enum Fault {
    Read(std::io::Error),
    Damaged(String),
    /// A Python name that has no place in a weight file.
    Unsafe(String),
    Unsupported(String),
    Type {
        tensor: String,
        found: String,
    },
}

impl Fault {
    pub(super) fn at(self, file: &Path) -> WeightsError {
        let file = file.to_owned();
        match self {
            Fault::Read(source) => WeightsError::Read { file, source },
            Fault::Damaged(reason) => WeightsError::Damaged { file, reason },
            Fault::Unsafe(object) => WeightsError::UnsafePickle { file, object },
            Fault::Unsupported(reason) => WeightsError::Unsupported { file, reason },
            Fault::Type { tensor, found } => WeightsError::Type { file, tensor, found },
        }
    }
}

pub(super) fn damaged(reason: impl Into<String>) -> Fault {
    Fault::Damaged(reason.into())
}

/// A whole file that is sound, but written in a way that is not read here.
pub(super) fn unsupported(reason: impl Into<String>) -> Fault {
    Fault::Unsupported(reason.into())
}
