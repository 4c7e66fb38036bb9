//! The token that every request carries, and where a node leaves it and its address for programs of this computer.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Port at which a node listens for programs of its own computer.
pub const DEFAULT_PORT: u16 = 7420;
/// Port at which a node listens for other computers, when that is switched on.
pub const DEFAULT_REMOTE_PORT: u16 = 7443;
/// URL of a node of this computer that was not told to listen elsewhere.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7420";
/// File in a node's data folder with its token; only its owner may read it.
pub const TOKEN_FILE: &str = "api-token";
/// File in a node's data folder with the URL at which it listens.
pub const URL_FILE: &str = "api-url";

/// More than any token file has.
const MAX_FILE_BYTES: u64 = 1024;

/// A node's token: 256 random bits. Printed by nothing but [`ApiToken::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

impl ApiToken {
    /// Digits of a token.
    pub const DIGITS: usize = 64;

    /// From random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(crate::Digest(bytes).to_string())
    }

    /// The text, for the header `Authorization: Bearer ...`.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(hidden)")
    }
}

/// A text that is not a token. It is not repeated: it may nearly be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token: expected {} lower-case hexadecimal digits", ApiToken::DIGITS)]
pub struct TokenError;

impl FromStr for ApiToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        text.parse::<crate::Digest>().map(|digest| Self::from_bytes(digest.0)).map_err(|_| TokenError)
    }
}

/// A token file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// There is none.
    #[error("there is no token at {file}", file = file.display())]
    Missing {
        /// File.
        file: PathBuf,
    },
    /// It can't be read or written.
    #[error("can't {what} the token at {file}: {source}", file = file.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// File.
        file: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("others than its owner may read {file} (mode {mode:03o})", file = file.display())]
    Exposed {
        /// File.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It has something else in it.
    #[error("{file} has no token in it: expected {digits} lower-case hexadecimal digits", file = file.display(), digits = ApiToken::DIGITS)]
    Content {
        /// File.
        file: PathBuf,
    },
}

impl TokenFileError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "token_missing",
            Self::Io { .. } => "token_io",
            Self::Exposed { .. } => "token_exposed",
            Self::Content { .. } => "token_content",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Missing { .. } => "start the node, which writes it: infernet node".to_owned(),
            Self::Io { file, .. } => format!("check that you may use {} and its folder", file.display()),
            Self::Exposed { file, .. } => format!(
                "run `chmod 600 {}`; if others use this computer, delete the file and start the node again for a new token",
                file.display()
            ),
            Self::Content { file } => {
                format!("delete {} and start the node again, which writes a new one", file.display())
            }
        }
    }
}

/// Reads a token file. On Unix a file that others may read is refused; elsewhere the folder's own protection counts.
///
/// # Errors
/// [`TokenFileError`].
pub fn read_token(file: &Path) -> Result<ApiToken, TokenFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => TokenFileError::Missing { file: file.to_owned() },
        _ => TokenFileError::Io { what: "read", file: file.to_owned(), source },
    };
    let metadata = fs::metadata(file).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenFileError::Exposed { file: file.to_owned(), mode });
        }
    }
    let content = || TokenFileError::Content { file: file.to_owned() };
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(content());
    }
    let bytes = fs::read(file).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| content())?;
    text.trim_end().parse().map_err(|_| content())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_printed() {
        let token = ApiToken::from_bytes([0xab; 32]);
        assert_eq!(token.reveal(), "ab".repeat(32));
        assert!(!format!("{token:?}").contains("abab"));
        assert_eq!("ab".repeat(32).parse::<ApiToken>().unwrap(), token);
        let nearly = "ab".repeat(32).replacen('a', "x", 1);
        assert!(!nearly.parse::<ApiToken>().unwrap_err().to_string().contains("bab"));
    }

    #[test]
    fn unusable_token_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(TOKEN_FILE);
        let code = |expected: &str| {
            let error = read_token(&file).unwrap_err();
            assert_eq!(error.code(), expected, "{error}");
            assert!(error.to_string().contains(TOKEN_FILE) && !error.next_step().is_empty(), "{error}");
        };
        code("token_missing");
        fs::write(&file, format!("{}\n", "0f".repeat(32))).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            code("token_exposed");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(read_token(&file).unwrap(), ApiToken::from_bytes([0x0f; 32]));
        for wrong in [&b""[..], b"short", b"\xff\xfe", &[b'0'; 2000]] {
            fs::write(&file, wrong).unwrap();
            code("token_content");
        }
    }
}
