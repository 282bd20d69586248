//! `[[network_recorder]]` and `[discovery]` from what was written to settings. Pure, like `resolve`, whose part it is.

use std::time::Duration;

use super::resolve::{Places, Problem, choice, problem, whole};
use super::settings::{Discovery, NetworkRecorder, PullMode, Stream};
use super::stream::{EntryWritten, entry};
use super::written;
use crate::domain::ids::{BayName, StreamName};
use crate::domain::replay::Network;
use crate::domain::timetable::Window;

pub(super) fn resolve(
    written: Vec<written::NetworkRecorder>,
    streams: &[Stream],
    places: &Places<'_>,
) -> Result<Vec<NetworkRecorder>, Problem> {
    let mut all: Vec<NetworkRecorder> = Vec::new();
    for (n, one) in written.into_iter().enumerate() {
        let path = format!("network_recorder[{n}]");
        let recorder = recorder(&path, one, places)?;
        // Clips of a stream belong to a recorder of the stream's name.
        if all.iter().any(|other| other.name == recorder.name) || streams.iter().any(|s| s.name == recorder.name) {
            return problem(format!("{path}.name"), "is taken: another recorder or stream has it");
        }
        if all.iter().any(|other| other.bay == recorder.bay) {
            return problem(
                format!("{path}.bay"),
                "is taken: another recorder has it; each is shown in a bay of its own",
            );
        }
        all.push(recorder);
    }
    Ok(all)
}

fn recorder(path: &str, written: written::NetworkRecorder, places: &Places<'_>) -> Result<NetworkRecorder, Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let Some(name) = written.name else {
        return problem(at("name"), "is missing; write 1 to 32 of a-z, 0-9 and '-', as \"wifi-1\"");
    };
    let name = StreamName::new(&name).or_else(|e| problem(at("name"), format!("cannot be used: {e}")))?;
    let bay = written.bay.unwrap_or_else(|| name.to_string());
    let bay = BayName::new(&bay).or_else(|e| problem(at("bay"), format!("cannot be used: {e}")))?;
    let Some(url) = written.url else {
        let what = "is missing; write the recorder's device service, as \"http://192.0.2.9/onvif/device_service\"";
        return problem(at("url"), what);
    };
    let parts = address(&url).or_else(|what| problem(at("url"), what))?;
    let tls = matches!(parts.scheme_str(), Some("https" | "rtsps"));
    let entry = entry(
        path,
        EntryWritten {
            user: written.user,
            password_file: written.password_file,
            password_credential: written.password_credential,
            ca_file: written.ca_file,
            certificate_sha256: written.certificate_sha256,
        },
        tls.then_some(()).ok_or("belongs to an address that begins with https:// or rtsps://"),
        places,
    )?;
    let schedule = written.schedule.unwrap_or_default();
    let windows = schedule
        .iter()
        .map(|text| Window::parse(text).or_else(|what| problem(at("schedule"), format!("has {text:?}, {what}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let pull = choice(&at("pull"), written.pull, PullMode::New, PullMode::parse, PullMode::WORDS)?;
    match (pull, windows.is_empty()) {
        (PullMode::Schedule, true) => {
            return problem(at("schedule"), "is missing; write when, as [\"mon-fri 17:30-20:00\"]");
        }
        (PullMode::New | PullMode::OnDemand, false) => {
            return problem(at("schedule"), "belongs to pull = \"schedule\"");
        }
        _ => {}
    }
    Ok(NetworkRecorder {
        bay,
        url,
        user: entry.user,
        password: entry.password,
        ca_file: entry.ca_file,
        certificate_sha256: entry.certificate_sha256,
        pull,
        windows,
        every: Duration::from_secs(whole(&at("every_s"), written.every_s, 60, 1..=86_400)?),
        segment: Duration::from_secs(60 * whole(&at("segment_minutes"), written.segment_minutes, 30, 1..=240)?),
        silence: Duration::from_secs(whole(&at("silence_s"), written.silence_s, 10, 1..=300)?),
        name,
    })
}

pub(super) fn discovery(written: written::Discovery) -> Result<Discovery, Problem> {
    let networks = written
        .networks
        .unwrap_or_default()
        .iter()
        .map(|text| {
            Network::parse(text).or_else(|what| problem("discovery.networks", format!("has {text:?}, which {what}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Discovery {
        networks,
        every: Duration::from_secs(60 * whole("discovery.every_minutes", written.every_minutes, 5, 1..=1_440)?),
    })
}

/// An address that can be used: user and password have their own keys, where they are not shown.
fn address(url: &str) -> Result<http::Uri, String> {
    let parsed: Option<http::Uri> = url.parse().ok();
    let usable = parsed.filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https" | "rtsp" | "rtsps"))
            && uri.authority().is_some_and(|a| {
                let port_ok = a.as_str() == a.host() || a.port_u16().is_some();
                !a.host().is_empty() && !a.as_str().contains('@') && port_ok
            })
    });
    // Not repeated: people paste addresses with a user and a password in them.
    usable.ok_or_else(|| {
        "must be an ONVIF device service, as \"http://192.0.2.9/onvif/device_service\", or the rtsp:// address of recorded footage; user and password have their own keys".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for url in ["http://192.0.2.9/onvif/device_service", "https://r.example:8443/x", "rtsp://[::1]:8554/r"] {
            assert!(address(url).is_ok(), "{url}");
        }
        for bad in ["ftp://a/", "http://u:p@a/", "a", "rtsp:///x", "http://a:b/x"] {
            assert!(address(bad).is_err_and(|words| !words.contains("u:p")), "{bad}");
        }
    }
}
