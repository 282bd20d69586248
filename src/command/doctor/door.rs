//! The other ways in: whether what the configuration names for the identity provider and for certificates of people can be used.
//! Nobody is asked over the network.

use crate::access::certificate::ClientCa;
use crate::command::doctor::at;
use crate::config::{OidcProvider, Settings};
use crate::domain::error::chain;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::words::check::Accounts;
use crate::store::Store;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const PART: CheckPart = CheckPart::SignIn;

/// What stands beside the passwords.
pub fn ways(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let accounts = store.and_then(|s| s.read_blocking(|r| r.accounts()).ok()).unwrap_or_default();
    let mut findings = Vec::new();
    if let Some(provider) = &settings.access.oidc {
        findings.push(unusable(provider).unwrap_or_else(|| {
            let bound = accounts.iter().filter(|a| a.oidc_subject(Some(&provider.issuer)).is_some()).count();
            Finding::ok(PART, Found::ProviderNamed { issuer: provider.issuer.clone(), bound: Accounts(bound) })
        }));
    }
    if let Some(path) = &settings.web.client_ca {
        // The verifier takes what it needs from the process-wide provider, which doctor has no other use for.
        let _ = rustls::crypto::ring::default_provider().install_default();
        findings.push(match ClientCa::read(path) {
            Ok(_) => {
                let bound = accounts.iter().filter(|a| !a.certificates().is_empty()).count();
                Finding::ok(PART, Found::ClientCa { path: at(path), bound: Accounts(bound) })
            }
            Err(e) => Finding::problem(PART, Found::ClientCaUnread { error: chain(&e) }, Todo::MendClientCa {}),
        });
    }
    findings
}

/// What is wrong with the files of the provider.
fn unusable(provider: &OidcProvider) -> Option<Finding> {
    if let Some(Err(e)) = provider.client_secret.as_ref().map(|file| file.read()) {
        return Some(Finding::problem(PART, Found::ProviderUnread { error: chain(&e) }, Todo::MendProvider {}));
    }
    let path = provider.ca_file.as_ref()?;
    let some = CertificateDer::pem_file_iter(path).is_ok_and(|mut all| all.next().is_some_and(|one| one.is_ok()));
    (!some).then(|| Finding::problem(PART, Found::ProviderCaEmpty { path: at(path) }, Todo::MendProvider {}))
}
