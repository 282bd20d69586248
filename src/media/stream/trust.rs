//! Which certificate of an `rtsps` source counts. GLib judges by the public authorities; what it turns down is judged
//! here, by the authorities or the one certificate that the configuration names. Runs inside a worker.
//!
//! A pinned source must be judged here in any case: its worker is given no public authorities to read
//! (the sandbox of its kind), so that GLib turns everything down.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::Digest;

use crate::domain::digest::to_hex;
use crate::domain::stream::{Source, Trust};

/// A chain longer than this is no chain.
const LONGEST_CHAIN: usize = 8;

/// Answers the source's question about certificates that GLib turned down.
pub fn judge(rtsp: &gst::Element, source: &Source) {
    let (trust, host) = (source.trust.clone(), host(&source.url));
    rtsp.connect("accept-certificate", false, move |values| {
        let leaf = values.get(2).and_then(|c| c.get::<glib::Object>().ok());
        let chain: Vec<Vec<u8>> = std::iter::successors(leaf, |c| c.property::<Option<glib::Object>>("issuer"))
            .take(LONGEST_CHAIN)
            .filter_map(|c| c.property::<Option<glib::ByteArray>>("certificate").map(|der| der.to_vec()))
            .collect();
        Some(counts(&trust, host.as_deref(), &chain).to_value())
    });
}

/// The host of an address, without port and brackets.
fn host(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(uri.host()?.trim_matches(['[', ']']).to_owned())
}

/// Whether a chain of certificates, the server's own first, is one that the configuration names.
pub fn counts(trust: &Trust, host: Option<&str>, chain: &[Vec<u8>]) -> bool {
    let Some((leaf, rest)) = chain.split_first() else { return false };
    match trust {
        Trust::Public => false,
        Trust::Pinned(sha256) => to_hex(&sha2::Sha256::digest(leaf)) == *sha256,
        Trust::Authorities(pem) => {
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
                let _ = roots.add(root);
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
                return false;
            };
            let Some(Ok(name)) = host.map(|h| ServerName::try_from(h.to_owned())) else { return false };
            let leaf = CertificateDer::from(leaf.as_slice());
            let rest: Vec<_> = rest.iter().map(|c| CertificateDer::from(c.as_slice())).collect();
            verifier.verify_server_cert(&leaf, &rest, &name, &[], UnixTime::now()).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    #[test]
    fn only_what_the_configuration_names_counts() {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_cert = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["camera.example".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let chain = [leaf.der().to_vec()];
        let pem = Trust::Authorities(ca_cert.pem());
        assert!(counts(&pem, Some("camera.example"), &chain));
        assert!(!counts(&pem, Some("other.example"), &chain), "another camera of the same authority");
        assert!(!counts(&Trust::Public, Some("camera.example"), &chain));
        assert!(!counts(&Trust::Authorities(leaf.pem()), Some("camera.example"), &[ca_cert.der().to_vec()]));
        let pin = Trust::Pinned(to_hex(&sha2::Sha256::digest(&chain[0])));
        assert!(counts(&pin, None, &chain));
        assert!(!counts(&pin, None, &[ca_cert.der().to_vec()]) && !counts(&pin, None, &[]));
        assert_eq!(host("rtsps://[::1]:322/x").as_deref(), Some("::1"));
    }
}
