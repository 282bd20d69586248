//! `evidock recorders` and `evidock desk`: the register of recorders, issue and return; both ends of them, what the
//! command line asks and prints, and what the desk of the running daemon answers.

use serde_json::{Value, json};

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use super::exit::Exit;
use super::find::store;
use super::output::Output;
use super::{Ended, ask, looking, pulls};
use crate::casework::roster::names_somebody;
use crate::casework::times::{self, Reading};
use crate::cli;
use crate::config::Settings;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::device::{DeviceKey, DeviceState, Mark};
use crate::domain::event::EventKind;
use crate::domain::ids::RecorderId;
use crate::domain::recorder::{HeldDevice, recorder_key};
use crate::domain::time::UtcMs;
use crate::domain::why::{AnyOf, Thing, Why};
use crate::domain::words::{Lang, Words};
use crate::store::{DeviceRow, IssueRow, NewIssue, Tx};

// -------------------------------------------------------------------------------------------------
// The daemon's end

/// What stands at the gate, as JSON: with the word that approves it.
pub(super) fn held_now(held: &HeldDevice) -> Value {
    let key = key_of(held);
    json!({
        "bay": held.bay, "port": held.port, "device": key.to_string(), "name": held.name, "why": held.why.as_str(),
        "since_ms": held.since_ms, "note": note(&key, en()), "approve": typed("approve", &key.to_string()),
    })
}

fn key_of(held: &HeldDevice) -> DeviceKey {
    DeviceKey::of(held.usb_id, held.serial.as_deref(), &held.port)
}

/// What a yes to this device means, where that is more than the device.
fn note(key: &DeviceKey, w: &Words) -> Option<String> {
    let (vendor, product) = key.usb_id;
    match &key.mark {
        Mark::Serial(_) | Mark::Network(_) => None,
        Mark::Host(host) => Some(w.by_host(host)),
        Mark::Port(port) => Some(w.by_socket(&format!("{vendor:04x}:{product:04x}"), port)),
    }
}

/// What programs read has one language.
fn en() -> &'static Words {
    Lang::En.words()
}

/// The command that does it, ready for a shell.
fn typed(verb: &str, word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || ":@._-+".contains(c));
    let word = if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) };
    format!("evidock recorders {verb} {word}")
}

/// Why a word names no device.
enum Unnamed {
    Nothing,
    Several(Vec<DeviceKey>),
}

/// The device that a word names: its key, the bay in which it waits, its serial number, or the recorder that it
/// turned out to be; in this order.
fn named(word: &str, devices: &[DeviceRow], held: &[HeldDevice]) -> Result<DeviceKey, Unnamed> {
    if let Some(key) = DeviceKey::parse(word.trim()) {
        return Ok(key);
    }
    let wanted = recorder_key(word);
    let in_bay = held.iter().filter(|h| recorder_key(&h.bay) == wanted).map(key_of);
    let by_serial =
        held.iter().map(key_of).chain(devices.iter().map(|d| d.key.clone())).filter(|key| match &key.mark {
            Mark::Serial(serial) | Mark::Network(serial) => recorder_key(serial) == wanted,
            Mark::Port(_) | Mark::Host(_) => false,
        });
    let by_recorder = devices
        .iter()
        .filter(|d| d.recorder.as_deref().is_some_and(|r| recorder_key(r) == wanted))
        .map(|d| d.key.clone());
    for found in [in_bay.collect::<Vec<_>>(), by_serial.collect(), by_recorder.collect()] {
        let mut found = found;
        found.sort();
        found.dedup();
        match found.len() {
            0 => {}
            1 => return Ok(found.remove(0)),
            _ => return Err(Unnamed::Several(found)),
        }
    }
    Err(Unnamed::Nothing)
}

/// A time as typed: date and time, or only a time, which is the next one to come.
pub(super) fn coming(text: &str, zone: &jiff::tz::TimeZone, now_ms: i64, thing: Thing) -> Result<i64, Why> {
    let read = |text: &str| times::read(text, zone, Reading::Strict).map(|t| t.at.0).map_err(Why::from);
    let at = match text.trim().split_once(':') {
        Some((hour, minute)) if hour.len() <= 2 && minute.len() == 2 => {
            let today = UtcMs(now_ms).zoned(zone);
            let on = |day: jiff::Zoned| read(&format!("{} {text}", day.strftime("%Y-%m-%d")));
            let at = on(today.clone())?;
            if at > now_ms { at } else { on(today.tomorrow().map_err(|_| Why::NoSuchTime {})?)? }
        }
        _ => read(text)?,
    };
    if at <= now_ms {
        return Err(Why::OverAlready { at: UtcMs(at).rfc3339_in(zone), thing });
    }
    Ok(at)
}

/// The event that tells a decision; nobody decides that something is unknown.
fn kind_of(state: DeviceState) -> Option<EventKind> {
    Some(match state {
        DeviceState::Approved => EventKind::RecorderApproved,
        DeviceState::Refused => EventKind::RecorderRefused,
        DeviceState::InRepair => EventKind::RecorderInRepair,
        DeviceState::Retired => EventKind::RecorderRetired,
        DeviceState::Unknown => return None,
    })
}

impl Desk {
    pub(super) async fn decide_device(
        &self,
        caller: &Caller,
        word: &str,
        state: DeviceState,
        reason: Option<String>,
    ) -> Answer {
        let reason = reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
        if reason.as_ref().is_some_and(|r| r.chars().count() > MAX_VALUE_CHARS) {
            return Ok(Reply::refused("invalid", Why::TextTooLong { most: MAX_VALUE_CHARS as u64 }));
        }
        let held = self.board.held();
        let devices = self.store.read(|r| r.devices()).await?;
        let key = match named(word, &devices, &held) {
            Ok(key) => key,
            Err(Unnamed::Several(keys)) => {
                let keys = AnyOf(keys.iter().map(DeviceKey::to_string).collect());
                return Ok(Reply::refused("conflict", Why::SeveralDevices { word: word.to_owned(), keys }));
            }
            Err(Unnamed::Nothing) => return self.mark_recorder(caller, word, state, reason).await,
        };
        let Some(kind) = kind_of(state) else { return Ok(Reply::refused("invalid", Why::NotUnknownAgain {})) };
        let (asked, decided) = (draft(kind, caller), key.clone());
        let changed = self.store.write(move |tx| tx.decide_device(&decided, state, reason.as_deref(), asked)).await?;
        Ok(Reply::Done(json!({
            "device": key.to_string(), "state": state.as_str(), "changed": changed, "note": note(&key, en()),
        })))
    }

    /// A recorder that never stood at the gate, known by the register, a folder or the desk: it is given away for repair,
    /// retired, or taken into use again all the same.
    async fn mark_recorder(&self, caller: &Caller, word: &str, state: DeviceState, reason: Option<String>) -> Answer {
        let wanted = word.to_owned();
        let Some(named) = self.store.read(move |r| r.known_recorder(&wanted)).await? else {
            return Ok(Reply::refused("not_found", Why::NoDevice { word: word.to_owned() }));
        };
        let kind = match (kind_of(state), state) {
            (_, DeviceState::Refused) => return Ok(Reply::refused("conflict", Why::GateAlone { recorder: named })),
            (Some(kind), _) => kind,
            (None, _) => return Ok(Reply::refused("invalid", Why::NotUnknownAgain {})),
        };
        let (asked, marked) = (draft(kind, caller), named.clone());
        let changed = self.store.write(move |tx| tx.mark_recorder(&marked, state, reason.as_deref(), asked)).await?;
        Ok(Reply::Done(json!({ "device": named, "state": state.as_str(), "changed": changed, "note": null })))
    }

    pub(super) async fn issue(
        &self,
        caller: &Caller,
        recorder: &str,
        officer: &str,
        case_no: Option<String>,
        [place, matter]: [Option<String>; 2],
        due_at: Option<String>,
    ) -> Answer {
        let invalid = |why: Why| Ok(Reply::refused("invalid", why));
        let recorder = match RecorderId::new(recorder) {
            Ok(recorder) => recorder,
            Err(e) => return invalid(e.into()),
        };
        let filled = |t: Option<String>| t.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let (officer, place, matter) = (officer.trim().to_owned(), filled(place), filled(matter));
        if !names_somebody(&officer) {
            return invalid(Why::Nobody {});
        }
        let long = |t: &String| t.chars().count() > MAX_VALUE_CHARS || t.chars().any(char::is_control);
        if [Some(&officer), place.as_ref(), matter.as_ref()].into_iter().flatten().any(long) {
            return invalid(Why::OneLine { thing: Thing::OutingFacts, most: MAX_VALUE_CHARS as u64 });
        }
        let case = match filled(case_no).map(|typed| self.number(&typed)).transpose() {
            Ok(number) => number,
            Err(why) => return invalid(why),
        };
        let due_ms = match filled(due_at)
            .map(|t| coming(&t, &self.policy.zone, self.clock.now().0, Thing::WhenBack))
            .transpose()
        {
            Ok(due_ms) => due_ms,
            Err(why) => return invalid(why),
        };
        let new = NewIssue {
            recorder: recorder.as_str().to_owned(),
            officer,
            case: case.as_ref().map(|n| (n.raw().to_owned(), n.key().to_owned())),
            place,
            matter,
            due_ms,
        };
        let (caller, told) = (caller.clone(), new.clone());
        let ((id, earlier), known) = self
            .store
            .write(move |tx| {
                tx.on_behalf(&caller);
                let known = tx.read().knows_recorder(&recorder_key(&new.recorder))?;
                Ok((tx.issue(&new, &caller.actor, caller.via)?, known))
            })
            .await?;
        let closed = earlier.map(|e| json!({ "issue": e.id, "officer": e.officer, "from": self.time(e.from_ms) }));
        Ok(Reply::Done(json!({
            "issue": id, "recorder": told.recorder, "officer": told.officer, "case_no": case.map(|n| n.display().to_owned()),
            "due": told.due_ms.map(|ms| self.time(ms)), "closed": closed, "seen_before": known,
        })))
    }

    pub(super) async fn take_back(&self, caller: &Caller, recorder: String) -> Answer {
        let caller = caller.clone();
        let give_back = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.return_recorder(&recorder, &caller.actor, caller.via)
        };
        let ended = self.store.write(give_back).await?;
        let overdue = ended.is_overdue(self.clock.now().0);
        Ok(Reply::Done(json!({
            "issue": ended.id, "recorder": ended.recorder, "officer": ended.officer, "from": self.time(ended.from_ms),
            "late": overdue,
        })))
    }

    fn time(&self, ms: i64) -> String {
        UtcMs(ms).rfc3339_in(&self.policy.zone)
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock recorders`.
pub fn recorders(verb: &cli::Recorders, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let of = |d: &cli::Device| (d.device.clone(), d.reason.clone());
    let request = match verb {
        cli::Recorders::List => return list(settings, output),
        cli::Recorders::Look { name } => return pulls::look(name, settings, output),
        cli::Recorders::Pull { name } => return pulls::pull(name, settings, output),
        cli::Recorders::Discover => return pulls::discover(settings, output),
        cli::Recorders::Approve(d) => {
            let (device, reason) = of(d);
            Request::ApproveRecorder { device, reason }
        }
        cli::Recorders::Refuse(d) => {
            let (device, reason) = of(d);
            Request::RefuseRecorder { device, reason }
        }
        cli::Recorders::Repair(d) => {
            let (device, reason) = of(d);
            Request::RepairRecorder { device, reason }
        }
        cli::Recorders::Retire(d) => {
            let (device, reason) = of(d);
            Request::RetireRecorder { device, reason }
        }
    };
    let answer = ask::request(settings, &request)?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        let w = output.words(settings.station.language);
        let (device, state) = (text(&answer["device"]), answer["state"].as_str().and_then(DeviceState::parse));
        output.line(&w.decided_line(&device, state.unwrap_or_default(), answer["changed"] == true))?;
        if let Some(note) = DeviceKey::parse(&device).and_then(|key| note(&key, w)) {
            output.note(&note);
        }
    }
    Ok(Exit::Ok)
}

fn list(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    // What stands at the gate only the daemon knows; the register can be read without it.
    let held = match ask::request(settings, &Request::Ping) {
        Ok(told) => Some(told["held"].as_array().cloned().unwrap_or_default()),
        Err(e) if e.downcast_ref::<Ended>().is_some_and(|e| e.exit == Exit::Unreachable) => None,
        Err(e) => return Err(e),
    };
    let (devices, marks) = store(settings)?.read_blocking(|r| Ok((r.devices()?, r.marks()?)))?;
    // What a device at the gate stands for is told with it.
    let at_gate: Vec<String> = devices.iter().filter_map(|d| d.recorder.as_deref()).map(recorder_key).collect();
    let mut marks: Vec<_> = marks.into_iter().filter(|(key, _)| !at_gate.contains(key)).collect();
    marks.sort_by(|a, b| a.0.cmp(&b.0));
    let time = |ms: Option<i64>| ms.map(|ms| UtcMs(ms).rfc3339_in(&settings.station.zone));
    if output.is_json() {
        output.json(&json!({
            "at_the_gate": held,
            "devices": devices.iter().map(|d| json!({
                "device": d.key.to_string(), "state": d.state.as_str(), "name": d.name, "recorder": d.recorder, "bay": d.bay, "port": d.port,
                "first_seen": time(d.first_seen_ms), "last_seen": time(d.last_seen_ms), "decided_by": d.decided_by,
                "decided_at": time(d.decided_ms), "reason": d.reason, "note": note(&d.key, en()),
            })).collect::<Vec<_>>(),
            "marked": marks.iter().map(|(key, m)| json!({
                "recorder": key, "state": m.state.as_str(), "reason": m.reason, "decided_by": m.by, "decided_at": time(Some(m.at_ms)),
            })).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    for one in held.iter().flatten() {
        let (device, why) = (text(&one["device"]), one["why"].as_str().unwrap_or_default());
        output.line(&w.gate_line(&text(&one["bay"]), &device, &text(&one["name"]), why))?;
        if matches!(why, "unknown" | "refused") {
            output.line(&w.approve_line(&text(&one["approve"])))?;
            if let Some(note) = DeviceKey::parse(&device).and_then(|key| note(&key, w)) {
                output.line(&format!("  {note}"))?;
            }
        }
    }
    let dash = |t: Option<String>| t.unwrap_or_else(|| "—".to_owned());
    let marked = marks.iter().filter(|(key, _)| !devices.iter().any(|d| serial_is(d, key))).map(|(key, m)| {
        let state = w.device_state(m.state).to_owned();
        vec![dash(None), state, key.clone(), String::new(), dash(None), dash(None), m.by.clone()]
    });
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|d| {
            vec![
                d.key.to_string(),
                w.device_state(d.state).to_owned(),
                dash(d.recorder.clone()),
                d.name.clone(),
                dash(d.bay.clone()),
                dash(time(d.last_seen_ms)),
                dash(d.decided_by.clone()),
            ]
        })
        .chain(marked)
        .collect();
    if rows.is_empty() {
        output.note(w.no_devices);
    } else {
        let columns =
            [w.col_device, w.col_state, w.col_recorder, w.col_maker, w.col_bay, w.col_last_seen, w.col_decided_by];
        output.table(&columns, &rows, &[])?;
    }
    if held.is_none() {
        output.note(w.gate_unwatched);
    }
    Ok(Exit::Ok)
}

fn serial_is(device: &DeviceRow, key: &str) -> bool {
    match &device.key.mark {
        Mark::Serial(serial) | Mark::Network(serial) => recorder_key(serial) == key,
        Mark::Port(_) | Mark::Host(_) => false,
    }
}

/// `evidock desk`.
pub fn desk(verb: &cli::Desk, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    match verb {
        cli::Desk::List { overdue } => out(*overdue, settings, output),
        cli::Desk::Issue(i) => {
            let request = Request::IssueRecorder {
                recorder: i.recorder.clone(),
                officer: i.officer.clone(),
                case_no: i.case_no.clone(),
                place: i.place.clone(),
                matter: i.matter.clone(),
                due: i.due.clone(),
            };
            let answer = ask::request(settings, &request)?;
            if output.is_json() {
                output.json(&answer)?;
                return Ok(Exit::Ok);
            }
            let (recorder, officer) = (text(&answer["recorder"]), text(&answer["officer"]));
            output.line(&w.issued_line(&recorder, &officer, answer["due"].as_str()))?;
            if let Some(officer) = answer["closed"]["officer"].as_str() {
                output.note(&w.never_returned(officer, &text(&answer["closed"]["from"])));
            }
            if answer["seen_before"] == false {
                output.note(w.never_docked);
            }
            Ok(Exit::Ok)
        }
        cli::Desk::Return { recorder } => {
            let answer = ask::request(settings, &Request::ReturnRecorder { recorder: recorder.clone() })?;
            if output.is_json() {
                output.json(&answer)?;
                return Ok(Exit::Ok);
            }
            let [recorder, officer, since] = ["recorder", "officer", "from"].map(|key| text(&answer[key]));
            output.line(&w.returned_line(&recorder, &officer, &since, answer["late"] == true))?;
            Ok(Exit::Ok)
        }
    }
}

fn out(overdue: bool, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    use crate::domain::ports::Clock;
    let now_ms = crate::runtime::clock::SystemClock::new().now().0;
    let zone = &settings.station.zone;
    let time = |ms: i64| UtcMs(ms).rfc3339_in(zone);
    looking::list(settings, "desk")?;
    let mut rows: Vec<IssueRow> = store(settings)?.read_blocking(|r| r.issued())?;
    rows.retain(|i| !overdue || i.is_overdue(now_ms));
    if output.is_json() {
        let rows: Vec<Value> = rows
            .iter()
            .map(|i| {
                json!({
                    "issue": i.id, "recorder": i.recorder, "officer": i.officer, "case_no": i.case.as_ref().map(|c| &c.0), "place": i.place,
                    "matter": i.matter, "from": time(i.from_ms), "due": i.due_ms.map(time), "overdue": i.is_overdue(now_ms),
                })
            })
            .collect();
        output.json(&rows)?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    let dash = |t: Option<String>| t.unwrap_or_else(|| "—".to_owned());
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|i| {
            let due = i
                .due_ms
                .map(|ms| if i.is_overdue(now_ms) { format!("{} {}", time(ms), w.col_overdue) } else { time(ms) });
            vec![
                i.recorder.clone(),
                i.officer.clone(),
                time(i.from_ms),
                dash(due),
                dash(i.case.as_ref().map(|c| c.0.clone())),
                dash(i.place.clone()),
            ]
        })
        .collect();
    if table.is_empty() {
        output.note(if overdue { w.none_overdue } else { w.none_out });
    } else {
        let columns = [w.col_recorder, w.col_officer, w.col_out_since, w.col_due, w.col_case, w.col_place];
        output.table(&columns, &table, &[])?;
    }
    Ok(Exit::Ok)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recorder::Held;

    fn row(key: &str, recorder: Option<&str>) -> DeviceRow {
        DeviceRow {
            key: DeviceKey::parse(key).unwrap(),
            name: String::new(),
            state: DeviceState::Unknown,
            reason: None,
            decided_by: None,
            decided_ms: None,
            recorder: recorder.map(str::to_owned),
            port: None,
            bay: None,
            first_seen_ms: None,
            last_seen_ms: None,
        }
    }

    #[test]
    fn a_device_is_named_by_what_stands_on_the_screen() {
        let held = [HeldDevice {
            bay: "3号口".into(),
            port: "1-4.2".into(),
            usb_id: (0x0951, 0x1666),
            serial: None,
            name: "x".into(),
            why: Held::Unknown,
            since_ms: 0,
        }];
        let devices = [
            row("0951:1666:SN100", Some("36NCC009910")),
            row("0951:1667:SN100", None),
            row("0951:1666:SN200", Some("A1")),
        ];
        let found = |word: &str| match named(word, &devices, &held) {
            Ok(key) => key.to_string(),
            Err(Unnamed::Several(keys)) => format!("{} of them", keys.len()),
            Err(Unnamed::Nothing) => "nothing".to_owned(),
        };
        for (word, expected) in [
            ("0951:1666:SN900", "0951:1666:SN900"),
            ("3号口", "0951:1666@1-4.2"),
            ("sn200", "0951:1666:SN200"),
            ("SN100", "2 of them"),
            ("３６ncc009910", "0951:1666:SN100"),
            ("4号口", "nothing"),
        ] {
            assert_eq!(found(word), expected, "{word}");
        }
        let shown = held_now(&held[0]);
        assert_eq!(shown["approve"], "evidock recorders approve 0951:1666@1-4.2");
        assert!(shown["note"].as_str().unwrap().contains("every device 0951:1666 in socket 1-4.2"));
        assert_eq!(typed("approve", "0951:1666:a b'c"), r"evidock recorders approve '0951:1666:a b'\''c'");
    }

    #[test]
    fn when_a_recorder_is_expected_back() {
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        let now = UtcMs::parse_rfc3339("2026-06-19T12:00:00+08:00").unwrap().0;
        let at = |text: &str| coming(text, &zone, now, Thing::WhenBack).map(|ms| UtcMs(ms).rfc3339_in(&zone));
        assert_eq!(at("18:00").unwrap(), "2026-06-19T18:00:00+08:00");
        assert_eq!(at("8:30").unwrap(), "2026-06-20T08:30:00+08:00", "the next one to come");
        assert_eq!(at("2026-06-21 09:00").unwrap(), "2026-06-21T09:00:00+08:00");
        assert!(matches!(at("2026-06-18 09:00"), Err(Why::OverAlready { thing: Thing::WhenBack, .. })));
        assert!(at("tomorrow").is_err() && at("25:00").is_err());
    }
}
