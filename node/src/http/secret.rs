//! Files that only their owner may read.

use std::io::{self, Write as _};
use std::path::Path;

use infernet_api::{ApiToken, TokenFileError, URL_FILE, read_token};
use tempfile::NamedTempFile;

use super::HttpError;

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], HttpError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| HttpError::Random { reason: error.to_string() })?;
    Ok(bytes)
}

/// Writes a file that only its owner may read: complete or not at all. With `replace` off a file that is there stays.
pub(super) fn write_private(file: &Path, content: &[u8], replace: bool) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Temporary files are made with mode 0600.
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    if replace {
        temporary.persist(file)?;
    } else {
        temporary.persist_noclobber(file)?;
    }
    Ok(())
}

/// The token in a file, which is made when there is none.
///
/// # Errors
/// It can't be read or written, others may read it, or it has no token in it.
pub fn load_or_create_token(file: &Path) -> Result<ApiToken, HttpError> {
    match read_token(file) {
        Err(TokenFileError::Missing { .. }) => {}
        other => return Ok(other?),
    }
    let token = ApiToken::from_bytes(random()?);
    match write_private(file, format!("{}\n", token.reveal()).as_bytes(), false) {
        // Another node of the same folder was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(read_token(file)?),
        Err(source) => Err(TokenFileError::Io { what: "write", file: file.to_owned(), source }.into()),
        Ok(()) => Ok(token),
    }
}

/// Leaves the node's URL in its data folder, where programs of this computer look for it.
///
/// # Errors
/// It can't be written.
pub fn announce_url(data_folder: &Path, url: &str) -> io::Result<()> {
    write_private(&data_folder.join(URL_FILE), format!("{url}\n").as_bytes(), true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use infernet_api::TOKEN_FILE;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join(TOKEN_FILE);
        let token = load_or_create_token(&file).unwrap();
        assert_eq!(load_or_create_token(&file).unwrap(), token);
        assert_ne!(load_or_create_token(&folder.path().join("other")).unwrap(), token);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let names: Vec<_> =
            std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [TOKEN_FILE], "nothing temporary stays");
    }

    #[test]
    fn a_token_file_that_is_no_token_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(TOKEN_FILE);
        write_private(&file, b"mine", false).unwrap();
        assert_eq!(load_or_create_token(&file).unwrap_err().code(), "token_content");
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
        let error = write_private(&file, b"another node's, a moment later", false).unwrap_err();
        assert_eq!(
            (error.kind(), std::fs::read(&file).unwrap().as_slice()),
            (io::ErrorKind::AlreadyExists, &b"mine"[..])
        );
        write_private(&file, b"new", true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }
}
