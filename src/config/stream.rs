//! `[[stream]]` from what was written to settings. Pure, like `resolve`, whose part it is.

use std::path::PathBuf;
use std::time::Duration;

use super::resolve::{Places, Problem, choice, label, problem, whole};
use super::secret::SecretFile;
use super::settings::{Stream, StreamMode};
use super::written;
use crate::domain::ids::StreamName;
use crate::domain::stream::Transport;
use crate::domain::timetable::Window;

pub(super) fn resolve(written: Vec<written::Stream>, places: &Places<'_>) -> Result<Vec<Stream>, Problem> {
    let mut all: Vec<Stream> = Vec::new();
    for (n, one) in written.into_iter().enumerate() {
        let stream = stream(&format!("stream[{n}]"), one, places)?;
        for (key, taken) in [
            ("name", all.iter().any(|other| other.name == stream.name)),
            ("room", all.iter().any(|other| other.room == stream.room)),
        ] {
            if taken {
                return problem(
                    format!("stream[{n}].{key}"),
                    "is taken: another stream has it; a room with two cameras is two rooms, as \"询问室1 正面\"",
                );
            }
        }
        all.push(stream);
    }
    Ok(all)
}

fn stream(path: &str, written: written::Stream, places: &Places<'_>) -> Result<Stream, Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let Some(name) = written.name else {
        return problem(at("name"), "is missing; write 1 to 32 of a-z, 0-9 and '-', as \"room-1\"");
    };
    let name = StreamName::new(&name).or_else(|e| problem(at("name"), format!("cannot be used: {e}")))?;
    let Some(url) = written.url else {
        return problem(at("url"), "is missing; write the camera's address, as \"rtsp://192.0.2.7/stream1\"");
    };
    let parts = address(&url).or_else(|what| problem(at("url"), what))?;
    let tls = parts.scheme_str() == Some("rtsps");
    let Entry { user, password, ca_file, certificate_sha256 } = entry(
        path,
        EntryWritten {
            user: written.user,
            password_file: written.password_file,
            password_credential: written.password_credential,
            ca_file: written.ca_file,
            certificate_sha256: written.certificate_sha256,
        },
        tls.then_some(()).ok_or("belongs to an address that begins with rtsps://"),
        places,
    )?;
    let schedule = written.schedule.unwrap_or_default();
    let windows = schedule
        .iter()
        .map(|text| Window::parse(text).or_else(|what| problem(at("schedule"), format!("has {text:?}, {what}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let mode = choice(&at("mode"), written.mode, StreamMode::OnDemand, StreamMode::parse, StreamMode::WORDS)?;
    match (mode, windows.is_empty()) {
        (StreamMode::Schedule, true) => {
            return problem(at("schedule"), "is missing; write when, as [\"mon-fri 08:30-18:00\"]");
        }
        (StreamMode::Always | StreamMode::OnDemand, false) => {
            return problem(at("schedule"), "belongs to mode = \"schedule\"");
        }
        _ => {}
    }
    Ok(Stream {
        room: label(&at("room"), written.room)?.unwrap_or_else(|| name.to_string()),
        url,
        user,
        password,
        transport: choice(&at("transport"), written.transport, Transport::Tcp, Transport::parse, Transport::WORDS)?,
        ca_file,
        certificate_sha256,
        segment: Duration::from_secs(60 * whole(&at("segment_minutes"), written.segment_minutes, 10, 1..=240)?),
        silence: Duration::from_secs(whole(&at("silence_s"), written.silence_s, 5, 1..=300)?),
        mode,
        windows,
        name,
    })
}

/// How a device is entered, as written.
pub(super) struct EntryWritten {
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub password_credential: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub certificate_sha256: Option<String>,
}

/// How a device is entered.
pub(super) struct Entry {
    pub user: Option<String>,
    pub password: Option<SecretFile>,
    pub ca_file: Option<PathBuf>,
    pub certificate_sha256: Option<String>,
}

/// Who we are to a device, and which of its certificates count; `tls` is why certificates do not belong there.
pub(super) fn entry(
    path: &str,
    written: EntryWritten,
    tls: Result<(), &str>,
    places: &Places<'_>,
) -> Result<Entry, Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let user = label(&at("user"), written.user)?;
    let password = places.secret_if_any(path, "password", written.password_file, written.password_credential)?;
    if user.is_some() != password.is_some() {
        let (key, other) = if user.is_some() { ("password_file", "user") } else { ("user", "password_file") };
        return problem(at(key), format!("is missing; {other} needs it"));
    }
    let ca_file = places.written(written.ca_file);
    let certificate_sha256 =
        written.certificate_sha256.map(|pin| fingerprint(&at("certificate_sha256"), &pin)).transpose()?;
    if let (Err(what), Some(key)) =
        (tls, ca_file.as_ref().map(|_| "ca_file").or(certificate_sha256.as_ref().map(|_| "certificate_sha256")))
    {
        return problem(at(key), what);
    }
    if ca_file.is_some() && certificate_sha256.is_some() {
        return problem(at("certificate_sha256"), "stands beside ca_file; write one of the two");
    }
    Ok(Entry { user, password, ca_file, certificate_sha256 })
}

/// An address that can be used: user and password have their own keys, where they are not shown.
pub fn address(url: &str) -> Result<http::Uri, String> {
    let parsed: Option<http::Uri> = url.parse().ok();
    let usable = parsed.filter(|uri| {
        matches!(uri.scheme_str(), Some("rtsp" | "rtsps"))
            && uri.authority().is_some_and(|a| {
                let port_ok = a.as_str() == a.host() || a.port_u16().is_some();
                !a.host().is_empty() && !a.as_str().contains('@') && port_ok
            })
    });
    // Not repeated: people paste addresses with a user and a password in them.
    usable.ok_or_else(|| {
        "must be rtsp:// or rtsps://, host, port and path, as \"rtsp://192.0.2.7:554/stream1\"; user and password have their own keys".to_owned()
    })
}

/// The TCP port of a device's address (RFC 7826, 28.1 and the IANA registry: rtsp 554, rtsps 322).
pub fn port_of(url: &str) -> u16 {
    let uri: Option<http::Uri> = url.parse().ok();
    let usual = match uri.as_ref().and_then(|u| u.scheme_str()) {
        Some("http") => 80,
        Some("https") => 443,
        Some("rtsps") => 322,
        _ => 554,
    };
    uri.and_then(|u| u.port_u16()).unwrap_or(usual)
}

/// 64 hexadecimal digits; tools print them in pairs with colons between.
fn fingerprint(path: &str, text: &str) -> Result<String, Problem> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_lowercase();
    match digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(digits),
        false => problem(
            path,
            "must be the SHA-256 fingerprint of the certificate, 64 hexadecimal digits; `openssl x509 -noout -fingerprint -sha256 -in FILE` tells it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports() {
        for (url, port) in [("rtsp://a/b", 554), ("rtsps://a/b", 322), ("rtsp://[::1]:8554/x?y=1", 8554)] {
            assert!(address(url).is_ok());
            assert_eq!(port_of(url), port, "{url}");
        }
        assert_eq!((port_of("http://a/onvif"), port_of("https://a/"), port_of("http://a:81/")), (80, 443, 81));
        for bad in ["http://a/", "rtsp://u:p@a/", "a", "rtsp:///x", "rtsp://a:b/x", "rtsp://a:70000/x"] {
            assert!(address(bad).is_err_and(|words| !words.contains("u:p")), "{bad}");
        }
    }

    #[test]
    fn fingerprints_as_tools_print_them() {
        let pairs = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint("x", &pairs).unwrap(), "ab".repeat(32));
        assert!(fingerprint("x", "ab").is_err());
    }
}
