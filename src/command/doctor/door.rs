//! The other ways in: whether what the configuration names for the identity provider and for certificates of people can be used.
//! Nobody is asked over the network.

use crate::access::certificate::ClientCa;
use crate::command::doctor::Finding;
use crate::config::{OidcProvider, Settings};
use crate::domain::error::chain;
use crate::store::Store;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const PART: &str = "sign-in";

/// What stands beside the passwords.
pub fn ways(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let accounts = store.and_then(|s| s.read_blocking(|r| r.accounts()).ok()).unwrap_or_default();
    let mut findings = Vec::new();
    if let Some(provider) = &settings.access.oidc {
        findings.push(unusable(provider).unwrap_or_else(|| {
            let bound = accounts.iter().filter(|a| a.oidc_subject(Some(&provider.issuer)).is_some()).count();
            let bound = super::count_of(bound, "account");
            Finding::ok(PART, format!("{} signs in {bound} of this station; it was not asked now", provider.issuer))
        }));
    }
    if let Some(path) = &settings.web.client_ca {
        // The verifier takes what it needs from the process-wide provider, which doctor has no other use for.
        let _ = rustls::crypto::ring::default_provider().install_default();
        findings.push(match ClientCa::read(path) {
            Ok(_) => {
                let bound = accounts.iter().filter(|a| !a.certificates().is_empty()).count();
                let bound = super::count_of(bound, "account");
                Finding::ok(
                    PART,
                    format!("{} signs the certificates of people; {bound} of this station has one", path.display()),
                )
            }
            Err(e) => {
                Finding::problem(PART, chain(&e), "the page cannot be served; mend the file or take client_ca_file out")
            }
        });
    }
    findings
}

/// What is wrong with the files of the provider.
fn unusable(provider: &OidcProvider) -> Option<Finding> {
    let todo = "nobody signs in by the provider until then; passwords go on";
    if let Some(Err(e)) = provider.client_secret.as_ref().map(|file| file.read()) {
        return Some(Finding::problem(PART, chain(&e), todo));
    }
    let path = provider.ca_file.as_ref()?;
    let some = CertificateDer::pem_file_iter(path).is_ok_and(|mut all| all.next().is_some_and(|one| one.is_ok()));
    let words = format!(
        "{} holds no certificate that can be read; ca_file of [access.oidc] must be a PEM file",
        path.display()
    );
    (!some).then(|| Finding::problem(PART, words, todo))
}
