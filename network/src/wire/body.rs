//! Bodies of messages: what serde sees and what it can't check.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::WireError;

/// The body of one kind of message.
pub trait Body: Serialize + DeserializeOwned {
    /// Bounds of the fields, checked before sending and after reading.
    ///
    /// # Errors
    /// [`WireError::Field`] with `message` as its message.
    fn check(&self, message: &'static str) -> Result<(), WireError>;
}

/// A body all of whose values are fine.
macro_rules! unbounded {
    ($($body:ty),* $(,)?) => { $(
        impl Body for $body {
            fn check(&self, _message: &'static str) -> Result<(), WireError> {
                Ok(())
            }
        }
    )* };
}

pub(super) use unbounded;
