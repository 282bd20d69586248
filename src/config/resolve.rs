//! From what was written to settings: defaults, ranges, paths, and what must fit together. Pure: looks at
//! no file and no environment beyond what it is given.
//!
//! Paths in a file are relative to the directory of that file. What is not written lies in the state
//! directory, so that `--state DIR` alone moves everything.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use globset::Glob;
use jiff::tz::TimeZone;

use super::form::nearest;
use super::keep;
use super::oversight;
use super::secret::SecretFile;
use super::settings::{
    Backup, Casework, CoverageRules, Destination, DestinationKind, Documents, Erase, Feedback, FolderSource, Hook,
    Lamp, Language, Linking, Log, LogFormat, LogLevel, Media, Reserve, Settings, Station, Tls, Vault, Web,
};
use super::written::{self, Written};
use super::{custody, derived, destination, network, notice, sending, signin, stream, usb};
use crate::domain::case_number::{CaseKind, RuleError, ShapeSpec, builtin_shapes};
use crate::domain::erase::{Demand, ErasePolicy};
use crate::domain::ids::{BayName, StationId};
use crate::domain::sensitivity::Sensitivity;

/// Where state lies when nobody says otherwise (Filesystem Hierarchy Standard 3.0, 5.8).
pub const DEFAULT_STATE_DIR: &str = "/var/lib/evidock";
/// Where systemd puts the credentials of our unit, for verbs that run outside of it (systemd.exec(5), CREDENTIALS).
const UNIT_CREDENTIALS_DIR: &str = "/run/credentials/evidock.service";
/// `sun_path` holds 108 bytes with its ending zero (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// What the process was given beside the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// State directory from the command line; outranks the file.
    pub state_dir: Option<PathBuf>,
    /// `$STATE_DIRECTORY` of systemd; stands in where the file says nothing.
    pub systemd_state_dir: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY` of systemd.
    pub credentials_dir: Option<PathBuf>,
}

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `destination[1].bucket`.
    pub path: String,
    /// In words that continue the key's name: "must be ...; it is ...".
    pub what: String,
}

pub(super) fn problem<T>(path: impl Into<String>, what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { path: path.into(), what: what.into() })
}

/// Resolves what was written in `file`, or in no file at all.
pub fn resolve(written: Written, file: Option<&Path>, around: &Surroundings) -> Result<Settings, Problem> {
    let base = file.and_then(Path::parent).unwrap_or(Path::new("/"));
    let station = station(written.station.unwrap_or_default(), base, around)?;
    let places = Places { base, state: station.state_dir.clone(), around };
    let source = written.source.unwrap_or_default();
    let streams = stream::resolve(written.stream.unwrap_or_default(), &places)?;
    let destinations = destination::resolve(written.destination.unwrap_or_default(), &places)?;
    let settings = Settings {
        file: file.map(Path::to_owned),
        vault: vault(written.vault.unwrap_or_default(), &places)?,
        folder_source: folder_source(source.folder.unwrap_or_default(), &places)?,
        usb_source: usb::resolve(source.usb.unwrap_or_default(), &places)?,
        network_recorders: network::resolve(written.network_recorder.unwrap_or_default(), &streams, &places)?,
        discovery: network::discovery(written.discovery.unwrap_or_default())?,
        streams,
        media: media(written.media.unwrap_or_default())?,
        casework: casework(written.casework.unwrap_or_default(), &places)?,
        custody: custody::resolve(written.custody.unwrap_or_default(), &places)?,
        documents: documents(written.documents.unwrap_or_default(), &places)?,
        export: custody::export(written.export.unwrap_or_default(), &places)?,
        derived: derived::resolve(written.derived.unwrap_or_default(), &places)?,
        backup: backup(written.backup.unwrap_or_default(), &destinations)?,
        keeping: keep::keeping(written.keeping.unwrap_or_default(), &destinations)?,
        destinations,
        erase: erase(written.erase.unwrap_or_default())?,
        audit: keep::audit(written.audit.unwrap_or_default())?,
        retention: keep::retention(written.retention.unwrap_or_default())?,
        upload: sending::upload(written.upload.unwrap_or_default())?,
        web: web(written.web.unwrap_or_default(), &places)?,
        access: signin::access(written.access.unwrap_or_default(), &places)?,
        supervision: oversight::resolve(written.supervision.unwrap_or_default(), &places)?,
        feedback: feedback(written.feedback.unwrap_or_default(), &places)?,
        alarm: notice::alarm(written.alarm.unwrap_or_default(), &places)?,
        webhooks: notice::webhooks(written.webhook.unwrap_or_default(), &places)?,
        messages: notice::messages(written.outbox.unwrap_or_default())?,
        exchange: notice::exchange(written.exchange.unwrap_or_default(), &places)?,
        log: log(written.log.unwrap_or_default())?,
        control_socket: socket(written.control.unwrap_or_default(), &places)?,
        station,
    };
    keep_apart(&settings)?;
    Ok(settings)
}

pub(super) struct Places<'a> {
    base: &'a Path,
    state: PathBuf,
    around: &'a Surroundings,
}

impl Places<'_> {
    pub(super) fn written(&self, path: Option<PathBuf>) -> Option<PathBuf> {
        path.map(|p| tidy(&self.base.join(p)))
    }

    pub(super) fn or_state(&self, path: Option<PathBuf>, name: &str) -> PathBuf {
        self.written(path).unwrap_or_else(|| self.in_state(name))
    }

    /// What lies in the state directory.
    pub(super) fn in_state(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// Where systemd puts the credential of this name.
    pub(super) fn credential(&self, name: &str) -> PathBuf {
        self.around.credentials_dir.as_deref().unwrap_or(Path::new(UNIT_CREDENTIALS_DIR)).join(name)
    }

    /// A file as written, or a systemd credential by its name, where one of them is.
    pub(super) fn secret_if_any(
        &self,
        path: &str,
        key: &str,
        file: Option<PathBuf>,
        credential: Option<String>,
    ) -> Result<Option<SecretFile>, Problem> {
        match (self.written(file), credential) {
            (None, None) => Ok(None),
            (Some(file), None) => Ok(Some(SecretFile::new(file))),
            (Some(_), Some(_)) => {
                problem(format!("{path}.{key}_file"), format!("stands beside {key}_credential; write one of the two"))
            }
            (None, Some(name)) => {
                if name.is_empty() || name.contains('/') || name == "." || name == ".." {
                    let what = "must be a name as in LoadCredential=, not a path";
                    return problem(format!("{path}.{key}_credential"), what);
                }
                Ok(Some(SecretFile::new(self.credential(&name))))
            }
        }
    }
}

/// Drops `.` and resolves `..` as text: these directories may not exist yet.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn station(written: written::Station, base: &Path, around: &Surroundings) -> Result<Station, Problem> {
    let id = written.id.unwrap_or_else(|| "station-1".to_owned());
    let id = StationId::new(&id).or_else(|e| problem("station.id", format!("cannot be used: {e}")))?;
    let zone_name = written.zone.unwrap_or_else(|| "Asia/Shanghai".to_owned());
    let zone = TimeZone::get(&zone_name).or_else(|_| problem("station.zone", unknown_zone(&zone_name)))?;
    let state_dir = around
        .state_dir
        .clone()
        .or_else(|| written.state_dir.map(|dir| base.join(dir)))
        .or_else(|| around.systemd_state_dir.clone())
        .unwrap_or_else(|| DEFAULT_STATE_DIR.into());
    Ok(Station {
        name: label("station.name", written.name)?.unwrap_or_else(|| "采集站".to_owned()),
        zone,
        zone_name,
        language: choice("station.language", written.language, Language::Auto, Language::parse, Language::WORDS)?,
        agency: label("station.agency", written.agency)?,
        operator: label("station.operator", written.operator)?.unwrap_or_else(|| id.to_string()),
        state_dir: tidy(&state_dir),
        id,
    })
}

fn unknown_zone(name: &str) -> String {
    let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
    match nearest(name, known.iter().map(String::as_str)) {
        Some(right) => format!("must be an IANA time zone; {name:?} is none, did you mean {right:?}?"),
        None => format!("must be an IANA time zone such as \"Asia/Shanghai\"; {name:?} is none"),
    }
}

fn vault(written: written::Vault, places: &Places<'_>) -> Result<Vault, Problem> {
    let reserve = match written.reserve_gb {
        None => Reserve::Auto,
        some => Reserve::Bytes(whole("vault.reserve_gb", some, 0, 1..=100_000)? * 1_000_000_000),
    };
    let evict = keep::evict(&written)?;
    Ok(Vault {
        dir: places.or_state(written.dir, "vault"),
        reserve,
        evict,
        checkpoint_bytes: whole("vault.checkpoint_mb", written.checkpoint_mb, 64, 1..=10_000)? * 1_000_000,
    })
}

fn folder_source(written: written::FolderSource, places: &Places<'_>) -> Result<FolderSource, Problem> {
    Ok(FolderSource {
        dir: places.or_state(written.dir, "docks"),
        poll: Duration::from_millis(whole("source.folder.poll_ms", written.poll_ms, 1000, 50..=60_000)?),
        still_after: Duration::from_millis(whole(
            "source.folder.still_after_ms",
            written.still_after_ms,
            3000,
            0..=600_000,
        )?),
        profiles_dir: places.written(written.profiles_dir),
        erase: written.erase.unwrap_or(false),
    })
}

fn media(written: written::Media) -> Result<Media, Problem> {
    Ok(Media {
        timeout: Duration::from_secs(whole("media.timeout_s", written.timeout_s, 60, 1..=3600)?),
        thumbnail_width_px: whole("media.thumbnail_width_px", written.thumbnail_width_px, 480, 64..=1920)? as u32,
        workers: whole("media.workers", written.workers, 1, 1..=16)? as usize,
        preview_width_px: whole("media.preview_width_px", written.preview_width_px, 960, 320..=1920)? as u32,
    })
}

fn casework(written: written::Casework, places: &Places<'_>) -> Result<Casework, Problem> {
    let mut number_shapes: Vec<ShapeSpec> = Vec::new();
    for (n, written) in written.number_shape.unwrap_or_default().into_iter().enumerate() {
        let path = format!("casework.number_shape[{n}]");
        let shape = number_shape(&path, written)?;
        if builtin_shapes().iter().chain(&number_shapes).any(|other| other.name == shape.name) {
            return problem(format!("{path}.name"), format!("is taken: another shape is called {:?}", shape.name));
        }
        number_shapes.push(shape);
    }
    // Version 1 is the built-in shapes alone; it is stored with each result, so that other shapes need another one.
    let least = if number_shapes.is_empty() { 1 } else { 2 };
    let version = whole("casework.number_rule_version", written.number_rule_version, least, least..=1_000_000)?;
    let casework = Casework {
        roster: places.written(written.roster),
        default_place: label("casework.default_place", written.default_place)?,
        default_proves: label("casework.default_proves", written.default_proves)?,
        default_sensitivity: sensitivity(
            "casework.default_sensitivity",
            written.default_sensitivity,
            Sensitivity::None,
        )?,
        number_rule_version: version as u32,
        number_shapes,
        linking: linking(written.linking.unwrap_or_default())?,
        coverage: coverage(written.coverage.unwrap_or_default())?,
    };
    casework.number_rule().or_else(|e| rule_problem(&casework.number_shapes, &e))?;
    Ok(casework)
}

fn documents(written: written::Documents, places: &Places<'_>) -> Result<Documents, Problem> {
    let max_mb = whole("documents.max_mb", written.max_mb, 200, 1..=4_000)?;
    Ok(Documents { dir: places.written(written.dir), max_bytes: max_mb * 1_000_000 })
}

fn linking(written: written::Linking) -> Result<Linking, Problem> {
    let usual = Linking::default();
    let score = |key: &str, value: Option<u64>, usual: u32| {
        whole(&format!("casework.linking.{key}"), value, u64::from(usual), 0..=100).map(|score| score as u32)
    };
    let days = |key: &str, value: Option<u64>, usual: Duration| {
        whole(&format!("casework.linking.{key}"), value, usual.as_secs() / 86_400, 0..=3650)
            .map(|days| Duration::from_secs(days * 86_400))
    };
    let gap = usual.outing_gap.as_secs() / 60;
    Ok(Linking {
        link_score: whole("casework.linking.link_score", written.link_score, u64::from(usual.link_score), 1..=100)?
            as u32,
        outing_gap: Duration::from_secs(
            60 * whole("casework.linking.outing_gap_minutes", written.outing_gap_minutes, gap, 1..=1440)?,
        ),
        before: days("before_days", written.before_days, usual.before)?,
        after: days("after_days", written.after_days, usual.after)?,
        near_m: whole("casework.linking.near_m", written.near_m, u64::from(usual.near_m), 10..=10_000)? as u32,
        desk: score("desk", written.desk, usual.desk)?,
        roster: score("roster", written.roster, usual.roster)?,
        tag: score("tag", written.tag, usual.tag)?,
        earlier: score("earlier", written.earlier, usual.earlier)?,
        neighbour: score("neighbour", written.neighbour, usual.neighbour)?,
        register: score("register", written.register, usual.register)?,
        place: score("place", written.place, usual.place)?,
    })
}

fn coverage(written: written::CoverageRules) -> Result<CoverageRules, Problem> {
    Ok(CoverageRules {
        gap: Duration::from_secs(whole("casework.coverage.gap_s", written.gap_s, 60, 0..=86_400)?),
        within: Duration::from_secs(3600 * whole("casework.coverage.within_hours", written.within_hours, 24, 1..=720)?),
    })
}

fn number_shape(path: &str, written: written::NumberShape) -> Result<ShapeSpec, Problem> {
    let given = |key: &str, value: Option<String>| match value {
        Some(v) if !v.trim().is_empty() => Ok(v),
        _ => problem(format!("{path}.{key}"), "is missing"),
    };
    let kind = written.kind.unwrap_or_else(|| CaseKind::Case.as_str().to_owned());
    let kinds = [CaseKind::Case, CaseKind::Inspection, CaseKind::OnTheSpot, CaseKind::Unfiled].map(CaseKind::as_str);
    Ok(ShapeSpec {
        name: given("name", written.name)?,
        regex: given("pattern", written.pattern)?,
        display: given("display", written.display)?,
        key: given("key", written.key)?,
        kind: CaseKind::parse(&kind).map_or_else(|| problem(format!("{path}.kind"), one_of(&kinds, &kind)), Ok)?,
        example: given("example", written.example)?,
    })
}

/// Finds the key that the rule complains about.
fn rule_problem<T>(shapes: &[ShapeSpec], error: &RuleError) -> Result<T, Problem> {
    let at = |name: &str, key: &str| {
        let n = shapes.iter().position(|shape| shape.name == name).unwrap_or_default();
        format!("casework.number_shape[{n}].{key}")
    };
    match error {
        RuleError::NoShapes => problem("casework.number_shape", error.to_string()),
        RuleError::Regex { shape, source } => {
            let told = source.to_string();
            // The crate draws the place over several lines; the last one says what is wrong.
            let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            problem(at(shape, "pattern"), format!("is not a regular expression: {last}"))
        }
        RuleError::Template { shape, template, why } => {
            let of_display = shapes.iter().any(|s| s.name == *shape && s.display == *template);
            problem(at(shape, if of_display { "display" } else { "key" }), why.clone())
        }
        RuleError::Example { shape, example, source } => {
            let why = source.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
            problem(at(shape, "example"), format!("is {example:?}, which this shape does not read{why}"))
        }
    }
}

fn erase(written: Vec<written::Erase>) -> Result<Vec<Erase>, Problem> {
    const HOUR_MS: i64 = 3_600_000;
    let one = |(n, written): (usize, written::Erase)| {
        let at = |key: &str| format!("erase[{n}].{key}");
        let patterns = written.recorders.unwrap_or_default();
        if patterns.iter().all(|p| p.trim().is_empty()) {
            return problem(
                at("recorders"),
                "is missing; write patterns of recorder ids, as [\"36NCC*\"], or [\"*\"] for all",
            );
        }
        let recorders = patterns
            .iter()
            .map(|p| {
                Glob::new(p.trim())
                    .or_else(|e| problem(at("recorders"), format!("has {p:?}, which is no pattern: {}", e.kind())))
            })
            .collect::<Result<_, _>>()?;
        let hours = whole(&at("delay_hours"), written.delay_hours, 0, 0..=8_760)?;
        let days = whole(&at("keep_days"), written.keep_days, 0, 0..=3_650)?;
        let demand = choice(&at("proof"), written.proof, Demand::default(), Demand::parse, Demand::WORDS)?;
        let policy = ErasePolicy { demand, delay_ms: hours as i64 * HOUR_MS, keep_ms: days as i64 * 24 * HOUR_MS };
        Ok(Erase { recorders, policy })
    };
    written.into_iter().enumerate().map(one).collect()
}

fn backup(written: written::Backup, known: &[Destination]) -> Result<Backup, Problem> {
    let recipient = written.recipient.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
    if recipient.as_deref().is_some_and(|r| r.parse::<age::x25519::Recipient>().is_err()) {
        // Not repeated: people paste the wrong half of the pair.
        return problem(
            "backup.recipient",
            "must be a public age key, \"age1...\"; `evidock backup keygen` makes a pair, whose secret half stays off this box",
        );
    }
    let names: Vec<&str> = known.iter().map(|d| d.name.as_str()).collect();
    let destinations = match written.destinations {
        None => known.iter().map(|d| d.name.clone()).collect(),
        Some(some) if some.is_empty() => {
            return problem("backup.destinations", "is empty; name destinations, or leave the key out for all of them");
        }
        Some(some) => some
            .iter()
            .map(|name| match known.iter().find(|d| d.name.as_str() == name) {
                Some(found) => Ok(found.name.clone()),
                None => problem("backup.destinations", one_of(&names, name)),
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Backup {
        recipient,
        every: Duration::from_secs(whole("backup.every_hours", written.every_hours, 6, 1..=720)? * 3600),
        destinations,
        keep_daily: whole("backup.keep_daily", written.keep_daily, 14, 1..=366)? as u32,
        keep_monthly: whole("backup.keep_monthly", written.keep_monthly, 12, 0..=120)? as u32,
        log_key: written.log_key.unwrap_or(false),
    })
}

fn web(written: written::Web, places: &Places<'_>) -> Result<Web, Problem> {
    let listen = written.listen.unwrap_or_else(|| "127.0.0.1:8480".to_owned());
    let listen: SocketAddr = listen.parse().or_else(|_| {
        problem("web.listen", format!("must be an address and a port such as \"127.0.0.1:8480\"; it is {listen:?}"))
    })?;
    let tls = match (places.written(written.tls_certificate), places.written(written.tls_key)) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key, own: false }),
        (None, None) if listen.ip().is_loopback() => None,
        // Passwords and footage never cross a network in the clear.
        (None, None) => {
            let both = places.in_state("page.pem");
            Some(Tls { certificate: both.clone(), key: both, own: true })
        }
        (Some(_), None) => return problem("web.tls_key", "is missing; a certificate needs its key"),
        (None, Some(_)) => return problem("web.tls_certificate", "is missing; a key needs its certificate"),
    };
    let names = written.names.unwrap_or_default();
    let is_name = |name: &String| {
        !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        return problem(
            "web.names",
            format!("must be host names such as \"station.lan\", without port; one of them is {bad:?}"),
        );
    }
    let client_ca = places.written(written.client_ca_file);
    if client_ca.is_some() && tls.is_none() {
        let what =
            "needs TLS: on loopback give tls_certificate and tls_key, too; certificates are shown over TLS alone";
        return problem("web.client_ca_file", what);
    }
    Ok(Web { listen, tls, names, client_ca })
}

/// Where the kernel shows its LEDs (Documentation/leds/leds-class.rst).
const LED_DIR: &str = "/sys/class/leds";
/// `LED_MAX_NAME_SIZE` of the kernel, with its ending zero.
const MAX_LED_NAME_BYTES: usize = 63;

fn feedback(written: written::Feedback, places: &Places<'_>) -> Result<Feedback, Problem> {
    let timeout = whole("feedback.hook_timeout_s", written.hook_timeout_s, 10, 1..=600)?;
    let queue = whole("feedback.hook_queue", written.hook_queue, 100, 1..=10_000)? as usize;
    let hook = match written.hook {
        None => None,
        Some(command) => {
            if command.first().is_none_or(|program| !Path::new(program).is_absolute()) {
                return problem(
                    "feedback.hook",
                    "must begin with the absolute path of a program; its arguments follow, each a text of its own",
                );
            }
            Some(Hook { command, timeout: Duration::from_secs(timeout), queue })
        }
    };
    let mut lamps: Vec<Lamp> = Vec::new();
    for (n, one) in written.lamp.unwrap_or_default().into_iter().enumerate() {
        let path = format!("feedback.lamp[{n}]");
        let lamp = lamp(&path, one)?;
        let leds = |lamp: &Lamp| [lamp.busy.clone(), lamp.safe.clone(), lamp.trouble.clone()];
        let taken = |led: &Option<String>| led.is_some() && lamps.iter().any(|other| leds(other).contains(led));
        if let Some(at) = leds(&lamp).iter().position(taken) {
            let one = lamp.busy == lamp.safe && lamp.safe == lamp.trouble;
            let key = if one { "led" } else { ["busy", "safe", "trouble"][at] };
            return problem(format!("{path}.{key}"), "names an LED that another lamp has; an LED belongs to one bay");
        }
        lamps.push(lamp);
    }
    let led_dir = places.written(written.led_dir).unwrap_or_else(|| LED_DIR.into());
    Ok(Feedback { hook, led_dir, lamps })
}

fn lamp(path: &str, written: written::Lamp) -> Result<Lamp, Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let Some(bay) = written.bay else { return problem(at("bay"), "is missing; write the bay's name") };
    let bay = BayName::new(&bay).or_else(|e| problem(at("bay"), format!("cannot be used: {e}")))?;
    let named = |key: &str, name: Option<String>| match name {
        Some(name)
            if name.is_empty() || name.len() > MAX_LED_NAME_BYTES || name.contains('/') || name.starts_with('.') =>
        {
            problem(
                at(key),
                format!("must be the name of an LED as in {LED_DIR}, such as \"evidock:green:3\"; it is {name:?}"),
            )
        }
        name => Ok(name),
    };
    let (led, busy) = (named("led", written.led)?, named("busy", written.busy)?);
    let (safe, trouble) = (named("safe", written.safe)?, named("trouble", written.trouble)?);
    match (&led, busy.is_some() || safe.is_some() || trouble.is_some()) {
        (Some(_), true) => {
            problem(at("led"), "stands beside LEDs for single states; write one LED, or busy, safe and trouble")
        }
        (None, false) => problem(at("led"), "is missing; write one LED, or busy, safe and trouble"),
        (Some(_), false) => Ok(Lamp { bay, busy: led.clone(), safe: led.clone(), trouble: led }),
        (None, true) => Ok(Lamp { bay, busy, safe, trouble }),
    }
}

fn log(written: written::Log) -> Result<Log, Problem> {
    Ok(Log {
        level: choice("log.level", written.level, LogLevel::Info, LogLevel::parse, LogLevel::WORDS)?,
        format: choice("log.format", written.format, LogFormat::Auto, LogFormat::parse, LogFormat::WORDS)?,
    })
}

fn socket(written: written::Control, places: &Places<'_>) -> Result<PathBuf, Problem> {
    // Always in the state directory, so that daemon and command line agree on it whatever started them.
    socket_path("control.socket", places.or_state(written.socket, "evidock.sock"))
}

/// A path at which a Unix socket can stand.
pub(super) fn socket_path(path: &str, socket: PathBuf) -> Result<PathBuf, Problem> {
    if socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        let what = format!(
            "is too long for a Unix socket (at most {MAX_SOCKET_PATH_BYTES} bytes): {}; write a shorter one",
            socket.display()
        );
        return problem(path, what);
    }
    Ok(socket)
}

/// Vault, docks and folder destinations must not lie inside one another: a dock inside a destination would be taken in again.
fn keep_apart(settings: &Settings) -> Result<(), Problem> {
    let mut places = vec![
        ("vault.dir".to_owned(), &settings.vault.dir),
        ("source.folder.dir".to_owned(), &settings.folder_source.dir),
        ("export.dir".to_owned(), &settings.export.dir),
        ("derived.dir".to_owned(), &settings.derived.dir),
    ];
    places.extend(settings.exchange.in_dir.iter().map(|dir| ("exchange.in_dir".to_owned(), dir)));
    places.extend(settings.exchange.out_dir.iter().map(|dir| ("exchange.out_dir".to_owned(), dir)));
    places.extend(settings.documents.dir.as_ref().map(|dir| ("documents.dir".to_owned(), dir)));
    for (n, destination) in settings.destinations.iter().enumerate() {
        if let DestinationKind::Folder(folder) = &destination.kind {
            places.push((format!("destination[{n}].dir"), &folder.dir));
        }
    }
    for (i, (_, one)) in places.iter().enumerate() {
        for (path, other) in &places[i + 1..] {
            if one.starts_with(other) || other.starts_with(one) {
                let what =
                    format!("lies inside another place: {} and {} must be apart", other.display(), one.display());
                return problem(path.clone(), what);
            }
        }
    }
    Ok(())
}

pub(super) fn whole(
    path: &str,
    written: Option<u64>,
    default: u64,
    range: RangeInclusive<u64>,
) -> Result<u64, Problem> {
    match written {
        None => Ok(default),
        Some(n) if range.contains(&n) => Ok(n),
        Some(n) => problem(path, format!("must be {} to {}; it is {n}", range.start(), range.end())),
    }
}

/// Text that people read: trimmed, printable, at most 200 characters; empty counts as not written.
pub(super) fn label(path: &str, written: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = written.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) else { return Ok(None) };
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        return problem(path, "must be at most 200 printable characters on one line");
    }
    Ok(Some(text))
}

pub(super) fn choice<T>(
    path: &str,
    written: Option<String>,
    default: T,
    parse: fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<T, Problem> {
    match written {
        None => Ok(default),
        Some(word) => parse(&word).map_or_else(|| problem(path, one_of(words, &word)), Ok),
    }
}

pub(super) fn sensitivity(path: &str, written: Option<String>, default: Sensitivity) -> Result<Sensitivity, Problem> {
    choice(path, written, default, Sensitivity::parse, &Sensitivity::ALL.map(Sensitivity::key))
}

pub(super) fn one_of(words: &[&str], found: &str) -> String {
    let hint =
        nearest(found, words.iter().copied()).map(|right| format!("; did you mean {right:?}?")).unwrap_or_default();
    format!("must be one of {}; it is {found:?}{hint}", words.join(", "))
}
