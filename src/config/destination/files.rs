//! Destinations on file servers: SFTP, FTP, WebDAV.

use super::Section;
use super::http::{origin, reach};
use crate::config::resolve::{Problem, choice, label, whole};
use crate::config::settings::{FtpDestination, FtpTls, SftpDestination, WebdavDestination};
use crate::config::written;

pub(super) fn sftp(section: &Section<'_>, written: written::Destination) -> Result<SftpDestination, Problem> {
    let password = section.secret_if_any("password", written.password_file, written.password_credential)?;
    let private_key = section.secret_if_any("private_key", written.private_key_file, written.private_key_credential)?;
    if password.is_none() && private_key.is_none() {
        let what =
            "is missing; write the file that holds our private key, or password_file where the server takes passwords";
        return section.problem("private_key_file", what);
    }
    let host_key = written.host_key.map(|text| text.trim().to_owned());
    // 32 bytes in base64 without padding, as `ssh-keygen -l` prints them.
    let is_fingerprint = |text: &str| {
        text.strip_prefix("SHA256:").is_some_and(|digits| {
            digits.len() == 43 && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        })
    };
    if host_key.as_deref().is_some_and(|text| !is_fingerprint(text)) {
        let what = "must be a fingerprint as `ssh-keygen -l` prints it, \"SHA256:\" and 43 characters";
        return section.problem("host_key", what);
    }
    Ok(SftpDestination {
        host: host(section, written.host)?,
        port: whole(&section.at("port"), written.port, 22, 1..=65535)? as u16,
        user: user(section, written.user)?,
        password,
        private_key,
        host_key,
        root: root(section, written.root, ".")?,
    })
}

pub(super) fn ftp(section: &Section<'_>, written: written::Destination) -> Result<FtpDestination, Problem> {
    let tls = choice(&section.at("tls"), written.tls, FtpTls::Explicit, FtpTls::parse, FtpTls::WORDS)?;
    let ca_file = section.places.written(written.ca_file);
    if tls == FtpTls::Off && ca_file.is_some() {
        return section.problem("ca_file", "belongs to TLS, and tls is \"off\"");
    }
    // RFC 959 and RFC 4217; the port of implicit TLS is IANA's "ftps".
    let usual = if tls == FtpTls::Implicit { 990 } else { 21 };
    Ok(FtpDestination {
        host: host(section, written.host)?,
        port: whole(&section.at("port"), written.port, usual, 1..=65535)? as u16,
        user: user(section, written.user)?,
        password: section.secret("password", "password", written.password_file, written.password_credential)?,
        tls,
        ca_file,
        root: root(section, written.root, ".")?,
    })
}

pub(super) fn webdav(section: &Section<'_>, mut written: written::Destination) -> Result<WebdavDestination, Problem> {
    let http = reach(section, &mut written)?;
    let Some(endpoint) = written.endpoint else {
        return section
            .problem("endpoint", "is missing; write the address of the server, as \"https://dav.example.org\"");
    };
    let password = section.secret_if_any("password", written.password_file, written.password_credential)?;
    let user = label(&section.at("user"), written.user)?;
    match (&user, &password) {
        (Some(_), None) => return section.problem("password_file", "is missing; a user needs a password"),
        (None, Some(_)) => return section.problem("user", "is missing; a password needs its user"),
        (Some(user), Some(_)) if user.contains(':') => {
            return section.problem("user", "must have no \":\" in it (RFC 7617)");
        }
        _ => {}
    }
    Ok(WebdavDestination {
        endpoint: origin(section, &endpoint)?,
        root: root(section, written.root, "/")?,
        user,
        password,
        http,
    })
}

fn host(section: &Section<'_>, written: Option<String>) -> Result<String, Problem> {
    let Some(host) = written else { return section.problem("host", "is missing; write the server's name or address") };
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if !is_name && host.parse::<std::net::IpAddr>().is_err() {
        // Not repeated: people paste addresses with a user and a password in them.
        let what = "must be a name or an address alone; port, user and root have their own keys";
        return section.problem("host", what);
    }
    Ok(host)
}

fn user(section: &Section<'_>, written: Option<String>) -> Result<String, Problem> {
    match label(&section.at("user"), written)? {
        Some(user) => Ok(user),
        None => section.problem("user", "is missing; write the account's name"),
    }
}

/// A directory at a server; it may have any name but one with control characters.
fn root(section: &Section<'_>, written: Option<String>, default: &str) -> Result<String, Problem> {
    Ok(label(&section.at("root"), written)?.unwrap_or_else(|| default.to_owned()))
}
