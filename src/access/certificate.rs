//! Certificates of people: who signs them, and whether one that a browser showed is good at this moment.
//!
//! TLS asks for a certificate and takes any, whose key the browser has ([`ClientCa::asking`]): a handshake that failed for one
//! that is out of date would tell nobody why, and would shut out whoever wants to sign in by password. What was shown is
//! nothing until somebody signs in with it; then it is checked whole, against the authority and the station's clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use super::sign_in::Trying;
use super::{Access, AccessError};
use crate::domain::account::Hidden;
use crate::domain::digest;
use crate::domain::error::{Retry, Retryable};
use crate::domain::identity::{Fingerprint, Identity};

/// What a browser showed when it connected: its certificate first, then those that lead to the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(pub Arc<[CertificateDer<'static>]>);

impl Shown {
    /// Of its certificate.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.first().map(|leaf| Fingerprint::of(digest::Sha256(Sha256::digest(leaf).into())))
    }
}

/// Why a certificate lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateRefusal {
    /// The browser showed none.
    None,
    /// Its time is over.
    Expired,
    /// Its time has not begun, by the station's clock.
    NotYet,
    /// Another authority signed it.
    Foreign,
    /// It is damaged, or not for this use.
    Unusable,
    /// It is good, and no account is bound to it.
    Unbound(Fingerprint),
    /// The account is disabled, or its time is over.
    Closed,
    /// Too many tries from this address, or sign-ins of this account; again after so many seconds.
    TooMany(u64),
}

impl CertificateRefusal {
    /// The word in the log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "certificate_none",
            Self::Expired => "certificate_expired",
            Self::NotYet => "certificate_not_yet",
            Self::Foreign => "certificate_foreign",
            Self::Unusable => "certificate_unusable",
            Self::Unbound(_) => "certificate_unbound",
            Self::Closed => "closed",
            Self::TooMany(_) => "too_many",
        }
    }
}

/// The authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} cannot be used; client_ca_file of [web] must be a PEM file of the certificates of whoever signs those of people: {what}"
)]
pub struct ClientCaError {
    path: PathBuf,
    what: String,
}

impl Retryable for ClientCaError {
    fn retry(&self) -> Retry {
        Retry::Operator
    }
}

/// Who signs the certificates of people.
#[derive(Debug, Clone)]
pub struct ClientCa(Arc<dyn ClientCertVerifier>);

impl ClientCa {
    /// Reads its certificates. rustls' provider must have been installed.
    pub fn read(path: &Path) -> Result<Self, ClientCaError> {
        let unusable = |what: String| ClientCaError { path: path.to_owned(), what };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unusable(e.to_string()))? {
            let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
            roots.add(certificate).map_err(|e| unusable(e.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        Ok(Self(verifier.map_err(|e| unusable(e.to_string()))?))
    }

    /// What the listener asks browsers with.
    pub fn asking(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Asking(Arc::clone(&self.0)))
    }

    /// Whether what was shown is good at `now_ms`.
    pub fn check(&self, shown: &Shown, now_ms: i64) -> Result<Fingerprint, CertificateRefusal> {
        let Some((leaf, rest)) = shown.0.split_first() else { return Err(CertificateRefusal::None) };
        let seconds = u64::try_from(now_ms / 1000).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        self.0.verify_client_cert(leaf, rest, now).map_err(|e| match e {
            rustls::Error::InvalidCertificate(e) => match e {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateRefusal::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    CertificateRefusal::NotYet
                }
                // An authority of the same name with another key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateRefusal::Foreign,
                _ => CertificateRefusal::Unusable,
            },
            _ => CertificateRefusal::Unusable,
        })?;
        shown.fingerprint().ok_or(CertificateRefusal::None)
    }
}

/// Asks for a certificate, demands none, and believes none; that the browser has its key is checked.
#[derive(Debug)]
struct Asking(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Whoever shows one has no more rights than whoever shows none, until `ClientCa::check`.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl Access {
    /// Signs in whoever is bound to the certificate that their browser showed. Every refusal is in the log before it is told.
    pub async fn sign_in_by_certificate(
        &self,
        authority: &ClientCa,
        shown: Option<&Shown>,
        trying: &Trying,
    ) -> Result<Result<Hidden, CertificateRefusal>, AccessError> {
        if let Err(wait) = self.tries.take(&trying.from) {
            return Ok(Err(CertificateRefusal::TooMany(wait.as_secs() + 1)));
        }
        let checked = shown.ok_or(CertificateRefusal::None).and_then(|shown| authority.check(shown, self.now_ms()));
        let fingerprint = match checked {
            Ok(fingerprint) => fingerprint,
            Err(refusal) => {
                let seen = shown.and_then(Shown::fingerprint).map(|f| f.to_string());
                self.refuse_vouched(None, refusal.as_str(), seen.as_deref(), &trying.from).await?;
                return Ok(Err(refusal));
            }
        };
        let identity = Identity::Certificate(fingerprint);
        let by = identity.by();
        let refusal = match self.store.read(move |r| r.account_by_identity(&identity)).await? {
            Some(account) if account.is_open(self.now_ms()) => {
                if let Some(seconds) = self.paced(account.id, &trying.from).await? {
                    return Ok(Err(CertificateRefusal::TooMany(seconds)));
                }
                self.tries.give_back(&trying.from);
                return Ok(Ok(self.begin_vouched(account.id, trying, by).await?));
            }
            Some(account) => (Some(account.id), CertificateRefusal::Closed),
            None => (None, CertificateRefusal::Unbound(fingerprint)),
        };
        let (account, refusal) = refusal;
        self.refuse_vouched(account, refusal.as_str(), Some(&fingerprint.to_string()), &trying.from).await?;
        Ok(Err(refusal))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        pem: String,
    }

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn shown(authority: &Authority, for_what: ExtendedKeyUsagePurpose) -> Shown {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.extended_key_usages = vec![for_what];
        let key = KeyPair::generate().unwrap();
        Shown(Arc::new([params.signed_by(&key, &authority.issuer).unwrap().der().clone()]))
    }

    #[test]
    fn a_certificate_is_good_for_its_time_its_use_and_by_its_authority() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let (ours, theirs) = (authority("agency"), authority("agency"));
        std::fs::write(&path, &ours.pem).unwrap();
        let ca = ClientCa::read(&path).unwrap();
        let ms = |text: &str| crate::domain::time::UtcMs::parse_rfc3339(text).unwrap().0;
        let (now, before, after) = (ms("2026-06-01T00:00:00Z"), ms("2025-12-31T00:00:00Z"), ms("2027-06-01T00:00:00Z"));
        let good = shown(&ours, ExtendedKeyUsagePurpose::ClientAuth);
        assert_eq!(ca.check(&good, now), Ok(good.fingerprint().unwrap()));
        assert_eq!(ca.check(&good, after), Err(CertificateRefusal::Expired));
        assert_eq!(ca.check(&good, before), Err(CertificateRefusal::NotYet));
        let server = shown(&ours, ExtendedKeyUsagePurpose::ServerAuth);
        assert_eq!(ca.check(&server, now), Err(CertificateRefusal::Unusable));
        let foreign = shown(&theirs, ExtendedKeyUsagePurpose::ClientAuth);
        assert_eq!(ca.check(&foreign, now), Err(CertificateRefusal::Foreign), "an authority of the same name");
        assert_eq!(ca.check(&Shown(Arc::new([])), now), Err(CertificateRefusal::None));
        let junk = Shown(Arc::new([CertificateDer::from(vec![0x30, 0x03, 0x01])]));
        assert_eq!(ca.check(&junk, now), Err(CertificateRefusal::Unusable));

        for bad in ["", "nothing"] {
            std::fs::write(&path, bad).unwrap();
            assert!(ClientCa::read(&path).is_err());
        }
        assert!(ClientCa::read(&dir.path().join("gone")).unwrap_err().to_string().contains("client_ca_file"));
    }
}
