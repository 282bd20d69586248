//! Destinations that speak HTTP, and what they have in common: address, certificates, proxy.

use http::Uri;

use super::Section;
use crate::config::resolve::{Problem, choice, label};
use crate::config::settings::{AzureDestination, Identity, Lock, Proof, ProxyChoice, Reach, TusDestination};
use crate::config::written;

pub(super) fn tus(section: &Section<'_>, mut written: written::Destination) -> Result<TusDestination, Problem> {
    let reach = reach(section, &mut written)?;
    let Some(endpoint) = written.endpoint else {
        let what = "is missing; write the address at which uploads are made, as \"https://upload.example.org/files\"";
        return section.problem("endpoint", what);
    };
    let secret = section.secret_if_any("password", written.password_file, written.password_credential)?;
    let user = label(&section.at("user"), written.user)?;
    match &user {
        Some(_) if secret.is_none() => {
            return section.problem("password_file", "is missing; a user needs a password, a token needs no user");
        }
        Some(user) if user.contains(':') => return section.problem("user", "must have no \":\" in it (RFC 7617)"),
        _ => {}
    }
    Ok(TusDestination {
        endpoint: address(section, &endpoint)?,
        user,
        secret,
        http: reach,
        proof: choice(&section.at("proof"), written.proof, Proof::Auto, Proof::parse, Proof::WORDS)?,
    })
}

pub(super) fn azure(section: &Section<'_>, mut written: written::Destination) -> Result<AzureDestination, Problem> {
    let reach = reach(section, &mut written)?;
    let Some(endpoint) = written.endpoint else {
        let what = "is missing; write the address of the account, as \"https://account.blob.core.windows.net\"";
        return section.problem("endpoint", what);
    };
    let Some(container) = written.container else { return section.problem("container", "is missing") };
    // Azure, "Naming and referencing containers".
    let container_ok = (3..=63).contains(&container.len())
        && container.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !container.starts_with('-')
        && !container.ends_with('-')
        && !container.contains("--");
    if !container_ok {
        let what = format!("must be 3 to 63 of a-z, 0-9 and single '-' between them; it is {container:?}");
        return section.problem("container", what);
    }
    let what = "account's key, or without an account a shared access signature";
    let secret = section.secret("secret_key", what, written.secret_key_file, written.secret_key_credential)?;
    Ok(AzureDestination {
        endpoint: address(section, &endpoint)?,
        container,
        account: label(&section.at("account"), written.account)?,
        secret,
        http: reach,
        proof: choice(&section.at("proof"), written.proof, Proof::Auto, Proof::parse, Proof::WORDS)?,
        lock: choice(&section.at("lock"), written.lock, Lock::Auto, Lock::parse, Lock::WORDS)?,
    })
}

/// Certificates and proxy.
pub(super) fn reach(section: &Section<'_>, written: &mut written::Destination) -> Result<Reach, Problem> {
    let certificate = section.places.written(written.client_certificate.take());
    let (file, credential) = (written.client_key_file.take(), written.client_key_credential.take());
    let key = section.secret_if_any("client_key", file, credential)?;
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (Some(_), None) => return section.problem("client_key_file", "is missing; a certificate needs its key"),
        (None, Some(_)) => return section.problem("client_certificate", "is missing; a key needs its certificate"),
    };
    let proxy = match written.proxy.take().as_deref().map(str::trim) {
        None => ProxyChoice::Environment,
        Some("none") => ProxyChoice::Direct,
        Some(address) if is_origin(address) => ProxyChoice::Via(address.trim_end_matches('/').to_owned()),
        Some(_) => {
            // Not repeated: people paste addresses with a user and a password in them.
            let what = "must be scheme, host and port alone, as \"http://proxy.example.org:3128\", or \"none\"";
            return section.problem("proxy", what);
        }
    };
    Ok(Reach { ca_file: section.places.written(written.ca_file.take()), identity, proxy })
}

/// An address of scheme, host and port alone.
pub(super) fn origin(section: &Section<'_>, endpoint: &str) -> Result<String, Problem> {
    if is_origin(endpoint) {
        return Ok(endpoint.trim_end_matches('/').to_owned());
    }
    section.problem(
        "endpoint",
        "must be scheme, host and port alone, as \"https://s3.example.org:9000\"; bucket and keys have their own keys",
    )
}

/// An address that may have a path.
fn address(section: &Section<'_>, endpoint: &str) -> Result<String, Problem> {
    match usable(endpoint) {
        Some(_) => Ok(endpoint.to_owned()),
        None => section.problem(
            "endpoint",
            "must be an address as \"https://upload.example.org/files\", without a user, a query or a fragment",
        ),
    }
}

fn is_origin(address: &str) -> bool {
    usable(address).is_some_and(|uri| uri.path() == "/")
}

fn usable(address: &str) -> Option<Uri> {
    let uri: Uri = address.parse().ok()?;
    let plain = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    let ok =
        plain && matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && !address.contains('#');
    ok.then_some(uri)
}
