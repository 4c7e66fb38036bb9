//! Frames: a header that decides, and a body.

use super::error::WireError;

/// Version of the framing and of every body. A change that an older program can't read makes it one more.
pub const VERSION: u8 = 1;

/// Version, kind (a byte each) and length of the body (u32, little-endian).
pub const HEADER_BYTES: usize = 6;

/// What is known about a kind of message before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name.
    pub name: &'static str,
    /// Longest body in bytes.
    pub limit_bytes: u32,
}

/// A header whose kind exists and whose length is within that kind's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Number of the kind.
    pub kind: u8,
    /// Bytes of body that follow.
    pub body_bytes: u32,
}

/// A family of messages. Implemented here alone.
pub trait Message: Sized {
    /// What one is called in errors.
    const WHAT: &'static str;

    /// Number of this message's kind.
    fn kind(&self) -> u8;

    /// The rule of a kind; `None` where there is no such kind.
    fn rule(kind: u8) -> Option<Rule>;

    /// The body's encoding.
    ///
    /// # Errors
    /// A field or the whole is above its bound.
    fn body(&self) -> Result<Vec<u8>, WireError>;

    /// Reads a body.
    ///
    /// # Errors
    /// It is not the one encoding of a value within bounds.
    fn from_body(kind: u8, bytes: &[u8]) -> Result<Self, WireError>;

    /// Name of this message's kind.
    fn name(&self) -> &'static str {
        // Every message has a kind with a rule: both come from one table.
        Self::rule(self.kind()).map_or(Self::WHAT, |rule| rule.name)
    }

    /// Header and body.
    ///
    /// # Errors
    /// As [`body`](Self::body).
    fn to_bytes(&self) -> Result<Vec<u8>, WireError> {
        let body = self.body()?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend([VERSION, self.kind()]);
        // `body` is within its rule's u32.
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(body);
        Ok(bytes)
    }

    /// Judges a header, before anything of the body is held.
    ///
    /// # Errors
    /// Another version, no such kind, or a body above the kind's bound.
    fn header(bytes: &[u8; HEADER_BYTES]) -> Result<Header, WireError> {
        let [found, kind, length @ ..] = *bytes;
        if found != VERSION {
            return Err(WireError::Version { what: Self::WHAT, found, supported: VERSION });
        }
        let rule = Self::rule(kind).ok_or(WireError::Kind { what: Self::WHAT, found: kind })?;
        let body_bytes = u32::from_le_bytes(length);
        if body_bytes > rule.limit_bytes {
            return Err(WireError::TooLarge {
                message: rule.name,
                bytes: u64::from(body_bytes),
                limit: u64::from(rule.limit_bytes),
            });
        }
        Ok(Header { kind, body_bytes })
    }

    /// Reads a whole message; nothing may follow it.
    ///
    /// # Errors
    /// Anything but the one encoding of a value within bounds.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let cut = |needed: u64| WireError::Truncated { what: Self::WHAT, needed, found: bytes.len() as u64 };
        let (header, body) = bytes.split_first_chunk().ok_or_else(|| cut(HEADER_BYTES as u64))?;
        let Header { kind, body_bytes } = Self::header(header)?;
        let needed = u64::from(body_bytes);
        match (body.len() as u64).checked_sub(needed) {
            None => Err(cut(HEADER_BYTES as u64 + needed)),
            Some(0) => Self::from_body(kind, body),
            Some(bytes) => Err(WireError::Trailing { what: Self::WHAT, bytes }),
        }
    }
}

/// A family: its enum, and one table of numbers and bounds.
macro_rules! messages {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal {
            $( $(#[$variant_doc:meta])* $variant:ident($body:ty) = $kind:literal, at most $limit:expr; )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant($body), )*
        }

        impl crate::wire::Message for $name {
            const WHAT: &'static str = $what;

            fn kind(&self) -> u8 {
                match self {
                    $( Self::$variant(_) => $kind, )*
                }
            }

            fn rule(kind: u8) -> Option<crate::wire::Rule> {
                match kind {
                    $( $kind => Some(crate::wire::Rule { name: stringify!($variant), limit_bytes: $limit }), )*
                    _ => None,
                }
            }

            fn body(&self) -> Result<Vec<u8>, crate::wire::WireError> {
                match self {
                    $( Self::$variant(body) => crate::wire::canonical::encode(stringify!($variant), body, $limit), )*
                }
            }

            fn from_body(kind: u8, bytes: &[u8]) -> Result<Self, crate::wire::WireError> {
                match kind {
                    $( $kind => crate::wire::canonical::decode(stringify!($variant), bytes).map(Self::$variant), )*
                    found => Err(crate::wire::WireError::Kind { what: $what, found }),
                }
            }
        }
    };
}

pub(super) use messages;
