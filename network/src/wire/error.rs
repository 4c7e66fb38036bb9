//! What can be wrong with a message.

/// A message that is not read or not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end too early.
    #[error("a {what} needs {needed} bytes and {found} are there: it is cut off")]
    Truncated {
        /// Request, response, announcement or blob message.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// Something follows the end.
    #[error("{bytes} bytes follow the end of a {what}")]
    Trailing {
        /// Request, response, announcement or blob message.
        what: &'static str,
        /// How many.
        bytes: u64,
    },
    /// Another version of the protocol.
    #[error("a {what} has version {found}, this program speaks {supported}; update the older of the two")]
    Version {
        /// Request, response, announcement or blob message.
        what: &'static str,
        /// Version found.
        found: u8,
        /// Version spoken here.
        supported: u8,
    },
    /// No message has this number.
    #[error("there is no {what} of kind {found}")]
    Kind {
        /// Request, response, announcement or blob message.
        what: &'static str,
        /// Number found.
        found: u8,
    },
    /// Longer than its kind may be.
    #[error("{message} has {bytes} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Name of the message.
        message: &'static str,
        /// Its length.
        bytes: u64,
        /// Bound.
        limit: u64,
    },
    /// The body is not a value of this kind.
    #[error("the body of {message} can't be read: {reason}")]
    Malformed {
        /// Name of the message.
        message: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The body is a second encoding of its value.
    #[error("the body of {message} is not in canonical form")]
    NotCanonical {
        /// Name of the message.
        message: &'static str,
    },
    /// A field has a value it can't have.
    #[error("{message}: `{field}` is {found}, expected {expected}")]
    Field {
        /// Name of the message.
        message: &'static str,
        /// Field.
        field: &'static str,
        /// Value or length found.
        found: String,
        /// What would do.
        expected: String,
    },
}

impl WireError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "wire.truncated",
            Self::Trailing { .. } => "wire.trailing",
            Self::Version { .. } => "wire.version",
            Self::Kind { .. } => "wire.kind",
            Self::TooLarge { .. } => "wire.too_large",
            Self::Malformed { .. } => "wire.malformed",
            Self::NotCanonical { .. } => "wire.not_canonical",
            Self::Field { .. } => "wire.field",
        }
    }
}

impl From<WireError> for std::io::Error {
    /// Keeps the error inside, so that [`WireError::of`] finds it again behind libraries that speak of I/O alone.
    fn from(error: WireError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl WireError {
    /// The error inside an I/O error, if it is one of ours.
    pub fn of(error: &std::io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}
