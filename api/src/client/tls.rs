//! How a node of another computer is recognised: by the fingerprint of its certificate, or by an authority.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use super::ClientError;
use crate::Digest;

/// How a node of another computer is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerTrust {
    /// Not at all: only nodes of this computer, over `http`.
    #[default]
    ThisComputer,
    /// By the SHA-256 of its certificate, which it shows on its own computer. Names in the certificate do not matter.
    Fingerprint(Digest),
    /// By a certificate authority, or its own certificate, in PEM.
    Authority(String),
}

/// The fingerprint a server showed last, for errors.
pub(super) type Seen = Arc<Mutex<Option<Digest>>>;

impl ServerTrust {
    /// Configuration for connections, and where a fingerprint that did not match is noted.
    pub(super) fn config(&self) -> Result<(ClientConfig, Seen), ClientError> {
        let bad = |reason: String| ClientError::Authority { reason };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Seen::default();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(error.to_string()))?;
        let mut config = match self {
            Self::ThisComputer => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
            Self::Fingerprint(expected) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    expected: *expected,
                    provider,
                    seen: Arc::clone(&seen),
                }))
                .with_no_client_auth(),
            Self::Authority(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                    roots.add(certificate).map_err(|error| bad(error.to_string()))?;
                }
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| bad(error.to_string()))?;
                builder.with_webpki_verifier(verifier).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((config, seen))
    }
}

/// Accepts one certificate and no other.
#[derive(Debug)]
struct Pinned {
    expected: Digest,
    provider: Arc<CryptoProvider>,
    seen: Seen,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Digest(Sha256::digest(end_entity).into());
        // Fingerprints are public: no need for constant time.
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
