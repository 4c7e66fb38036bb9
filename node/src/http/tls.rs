//! The certificate that other computers recognise this node by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use infernet_api::Digest;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use super::HttpError;
use super::secret::write_private;

/// File with the certificate, in PEM.
pub const CERTIFICATE_FILE: &str = "api-certificate.pem";
/// File with its key, in PEM; only its owner may read it.
pub const KEY_FILE: &str = "api-key.pem";

/// Certificate and key, ready to serve.
#[derive(Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    fingerprint: Digest,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl TlsIdentity {
    /// The certificate in a folder; a self-signed one for these names is made when there is none. It stays the same when
    /// the names change: clients recognise it by its fingerprint.
    ///
    /// # Errors
    /// Only one of the two files is there, or they can't be read, written or used.
    pub fn load_or_create(folder: &Path, names: &[String]) -> Result<Self, HttpError> {
        let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        match (certificate.exists(), key.exists()) {
            (true, true) => Self::load(&certificate, &key),
            (false, false) => {
                let fail = |file: &Path, reason: String| HttpError::Certificate { file: file.to_owned(), reason };
                let made = rcgen::generate_simple_self_signed(names)
                    .map_err(|error| fail(&certificate, format!("it can't be made for {names:?}: {error}")))?;
                // The key first: a certificate without one would be of no use.
                write_private(&key, made.signing_key.serialize_pem().as_bytes(), false)
                    .map_err(|error| fail(&key, error.to_string()))?;
                write_private(&certificate, made.cert.pem().as_bytes(), false)
                    .map_err(|error| fail(&certificate, error.to_string()))?;
                Self::load(&certificate, &key)
            }
            (true, false) => Err(HttpError::Certificate { file: certificate, reason: "its key is missing".to_owned() }),
            (false, true) => Err(HttpError::Certificate { file: key, reason: "its certificate is missing".to_owned() }),
        }
    }

    /// A certificate of one's own, PEM files.
    ///
    /// # Errors
    /// They can't be read or used.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, HttpError> {
        let fail = |file: &Path, reason: String| HttpError::Certificate { file: PathBuf::from(file), reason };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| fail(certificate, error.to_string()))?;
        let first = chain.first().ok_or_else(|| fail(certificate, "there is no certificate in it".to_owned()))?;
        let fingerprint = Digest(Sha256::digest(first).into());
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| fail(key, error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(certificate, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| fail(certificate, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint })
    }

    /// SHA-256 of the certificate: what its owner types on another computer.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_stays() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["rig.local".to_owned(), "192.168.0.7".to_owned()];
        let first = TlsIdentity::load_or_create(folder.path(), &names).unwrap();
        let again = TlsIdentity::load_or_create(folder.path(), &["other".to_owned()]).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        let other = TlsIdentity::load_or_create(tempfile::tempdir().unwrap().path(), &names).unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
        let error = TlsIdentity::load_or_create(folder.path(), &names).unwrap_err();
        assert!(error.to_string().contains("its key is missing"), "{error}");
        std::fs::write(folder.path().join(KEY_FILE), "nonsense").unwrap();
        assert_eq!(TlsIdentity::load_or_create(folder.path(), &names).unwrap_err().code(), "api_certificate");
    }
}
