//! Repair, retirement and return into use of recorders (维修, 停用), whether a device at the gate is known for them or not; and
//! whether a recorder and an officer may go out together, which every way to the desk asks.

use std::collections::HashMap;

use rusqlite::params;

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::device::{DeviceState, Mark};
use crate::domain::event::Draft;
use crate::domain::recorder::recorder_key;
use crate::domain::register::{Register, name_key};
use crate::domain::why::Why;

/// What somebody said about a recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRow {
    /// In repair, retired, or approved: in use again.
    pub state: DeviceState,
    /// Why.
    pub reason: Option<String>,
    /// Who, `kind:id`.
    pub by: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

fn word(state: DeviceState) -> Option<&'static str> {
    match state {
        DeviceState::Approved => Some("in_use"),
        DeviceState::InRepair => Some("in_repair"),
        DeviceState::Retired => Some("retired"),
        DeviceState::Unknown | DeviceState::Refused => None,
    }
}

fn state(word: &str) -> DeviceState {
    match word {
        "in_repair" => DeviceState::InRepair,
        "retired" => DeviceState::Retired,
        _ => DeviceState::Approved,
    }
}

impl Reader<'_> {
    /// What was said about a recorder with one of these keys ([`recorder_key`]), newest first.
    pub fn marks_of(&self, keys: &[String]) -> Result<Vec<MarkRow>> {
        let mut found: Vec<(i64, MarkRow)> = Vec::new();
        for key in keys {
            let mut statement = self.conn.prepare_cached(
                "SELECT mark_id, state, reason, actor, at_ms FROM recorder_mark WHERE recorder = ?1 ORDER BY mark_id",
            )?;
            let rows = statement.query_map([key], |r| {
                let row = MarkRow {
                    state: state(&r.get::<_, String>(1)?),
                    reason: r.get(2)?,
                    by: r.get(3)?,
                    at_ms: r.get(4)?,
                };
                Ok((r.get(0)?, row))
            })?;
            found.extend(rows.collect::<std::result::Result<Vec<_>, _>>()?);
        }
        found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        found.dedup_by_key(|(id, _)| *id);
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// How each recorder stands about which somebody said something, by its key.
    pub fn marks(&self) -> Result<HashMap<String, MarkRow>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT recorder, state, reason, actor, at_ms FROM recorder_mark ORDER BY mark_id")?;
        let rows = statement.query_map([], |r| {
            let row =
                MarkRow { state: state(&r.get::<_, String>(1)?), reason: r.get(2)?, by: r.get(3)?, at_ms: r.get(4)? };
            Ok((r.get(0)?, row))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The recorder that a word names without any device at the gate: of the register, docked here before, or taken out;
    /// as it is written there.
    pub fn known_recorder(&self, word: &str) -> Result<Option<String>> {
        let key = recorder_key(word);
        let is = |id: &str| recorder_key(id) == key;
        for entry in self.entries(Register::Recorder, None, u32::MAX)? {
            if let Some(serial) = entry.entry.get("serial").filter(|serial| is(serial)) {
                return Ok(Some(serial.to_owned()));
            }
        }
        if let Some(seen) = self.seen_recorders(u32::MAX)?.into_iter().find(|s| is(&s.recorder)) {
            return Ok(Some(seen.recorder));
        }
        Ok(self.issues_of(&key)?.pop().map(|issue| issue.recorder))
    }

    /// How a recorder stands, where somebody decided: what a device at the gate that is this recorder, or the newest word
    /// about it, says; what keeps it in first.
    pub fn standing_of(&self, recorder: &str) -> Result<Option<DeviceState>> {
        let key = recorder_key(recorder);
        let devices = self.devices()?;
        let of_devices = devices.iter().filter(|d| {
            let serial = match &d.key.mark {
                Mark::Serial(serial) | Mark::Network(serial) => Some(serial.as_str()),
                Mark::Port(_) | Mark::Host(_) => None,
            };
            [d.recorder.as_deref(), serial].into_iter().flatten().any(|name| recorder_key(name) == key)
        });
        let mut all: Vec<DeviceState> = of_devices.map(|d| d.state).collect();
        all.extend(self.marks_of(&[key])?.first().map(|m| m.state));
        let keeps_in =
            |s: &&DeviceState| matches!(s, DeviceState::Refused | DeviceState::InRepair | DeviceState::Retired);
        Ok(all.iter().find(keeps_in).or(all.first()).copied())
    }

    /// Whether a recorder may go out to this officer; every way to the desk comes by here.
    pub(super) fn may_go_out(&self, recorder: &str, officer: &str, now_ms: i64) -> Result<()> {
        let named = recorder.to_owned();
        let why = match self.standing_of(recorder)? {
            Some(DeviceState::InRepair) => Why::RecorderInRepair { recorder: named },
            Some(DeviceState::Retired) => Why::RecorderRetired { recorder: named },
            Some(DeviceState::Refused) => Why::RecorderRefused { recorder: named },
            Some(DeviceState::Approved | DeviceState::Unknown) | None => return self.still_here(officer, now_ms),
        };
        Err(StoreError::Conflict(why))
    }

    /// Whether somebody of this name or number is here: who is in no register is not known to have left.
    fn still_here(&self, officer: &str, now_ms: i64) -> Result<()> {
        let key = name_key(officer);
        let is = |entry: &crate::domain::register::Entry| {
            ["name", "number", "cert_no", "card"].iter().any(|c| entry.get(c).is_some_and(|v| name_key(v) == key))
        };
        let people = self.entries(Register::Officer, None, u32::MAX)?;
        let mut theirs = people.iter().filter(|e| is(&e.entry)).peekable();
        let gone = |e: &super::EntryRow| e.entry.time_ms("until").is_some_and(|until| until < now_ms);
        // Of several of one name, one who is here is enough.
        if theirs.peek().is_some() && theirs.all(gone) {
            return Err(StoreError::Conflict(Why::OfficerLeft { officer: officer.to_owned() }));
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Writes down what was said about a recorder, for its history. What is no repair, retirement or return is left out.
    pub(super) fn note_mark(&self, named: &str, state: DeviceState, reason: Option<&str>, asked: &Draft) -> Result<()> {
        let Some(word) = word(state) else { return Ok(()) };
        self.conn.execute(
            "INSERT INTO recorder_mark (recorder, named, state, reason, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                recorder_key(named),
                named,
                word,
                reason,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms()
            ],
        )?;
        Ok(())
    }

    /// Gives a recorder away for repair, retires it, or takes it into use again; it needs no device at the gate. `true` when
    /// it stood otherwise before.
    pub fn mark_recorder(&self, named: &str, state: DeviceState, reason: Option<&str>, asked: Draft) -> Result<bool> {
        let before = self.read().marks_of(&[recorder_key(named)])?.into_iter().next();
        let same = |m: &MarkRow| m.state == state && m.reason.as_deref() == reason;
        if before.as_ref().is_some_and(same) {
            return Ok(false);
        }
        self.note_mark(named, state, reason, &asked)?;
        let mut event =
            asked.fact("recorder", named).fact("before", before.map_or(DeviceState::Approved, |m| m.state).as_str());
        if let Some(reason) = reason {
            event = event.secret("reason", reason);
        }
        self.log(&event)?;
        self.changed(Change::Recorders);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, EventKind};
    use crate::store::tests::{events, fixture};
    use crate::store::{Import, NewEntry, NewIssue};

    fn import(f: &crate::store::tests::Fixture, register: Register, line: &[(&str, &str)]) {
        let entry =
            crate::domain::register::Entry(line.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let entries = vec![NewEntry { line: 2, key: entry.key(register), entry, numbers: vec![] }];
        let import = Import { register, name: "a.csv".into(), entries, rule_version: 1 };
        f.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
    }

    #[test]
    fn what_is_in_repair_or_retired_and_who_has_left_goes_nowhere() {
        let f = fixture();
        import(&f, Register::Recorder, &[("serial", "36NCC009910")]);
        import(&f, Register::Officer, &[("name", "甲"), ("number", "1")]);
        import(&f, Register::Officer, &[("name", "乙"), ("number", "2"), ("until", "2020-01-01T00:00:00+08:00")]);
        let issue = |recorder: &str, officer: &str| {
            let new = NewIssue {
                recorder: recorder.into(),
                officer: officer.into(),
                case: None,
                place: None,
                matter: None,
                due_ms: None,
            };
            f.store.write_blocking(move |tx| tx.issue(&new, &Actor::os(7), "web")).map(|(id, _)| id)
        };
        let mark = |state: DeviceState, reason: &'static str| {
            let kind = EventKind::RecorderInRepair;
            let asked = Draft::by(kind, Actor::os(7), "cli");
            f.store.write_blocking(move |tx| tx.mark_recorder("36NCC009910", state, Some(reason), asked)).unwrap()
        };
        let known = |word: &'static str| f.store.read_blocking(move |r| r.known_recorder(word)).unwrap();
        assert_eq!(known("３６ncc009910").as_deref(), Some("36NCC009910"), "the register has it, no gate ever saw it");
        assert_eq!((known("r1").as_deref(), known("zz")), (Some("R1"), None), "it was docked");
        assert!(issue("36ncc009910", "甲").is_ok() && issue("R1", "不在登记里").is_ok());
        assert!(mark(DeviceState::InRepair, "按键失灵") && !mark(DeviceState::InRepair, "按键失灵"));
        let refused = |r: Result<i64>| match r.unwrap_err() {
            StoreError::Conflict(why) => why,
            e => panic!("{e}"),
        };
        assert_eq!(refused(issue("36ncc009910", "甲")), Why::RecorderInRepair { recorder: "36ncc009910".into() });
        let out = f.store.read_blocking(|r| r.out_now(&recorder_key("36NCC009910"))).unwrap();
        assert!(out.is_some(), "what was refused ended nothing");
        mark(DeviceState::Retired, "报废");
        assert_eq!(refused(issue("36NCC009910", "甲")), Why::RecorderRetired { recorder: "36NCC009910".into() });
        mark(DeviceState::Approved, "已修复");
        assert!(issue("36NCC009910", "甲").is_ok());
        for gone in ["乙", "2"] {
            assert_eq!(refused(issue("36NCC009910", gone)), Why::OfficerLeft { officer: gone.into() });
        }
        // Another one of the same name is here.
        import(&f, Register::Officer, &[("name", "乙"), ("number", "3")]);
        assert!(issue("36NCC009910", "乙").is_ok() && issue("36NCC009910", "2").is_err());
        let history = f.store.read_blocking(|r| r.marks_of(&[recorder_key("36NCC009910")])).unwrap();
        let told: Vec<_> = history.iter().map(|m| (m.state, m.reason.as_deref().unwrap(), m.by.as_str())).collect();
        assert_eq!(
            told,
            [
                (DeviceState::Approved, "已修复", "os:7"),
                (DeviceState::Retired, "报废", "os:7"),
                (DeviceState::InRepair, "按键失灵", "os:7")
            ]
        );
        assert!(!format!("{:?}", events(&f)).contains("报废"), "the log commits to reasons");
    }

    #[test]
    fn what_is_decided_of_a_device_is_in_the_history_of_its_recorder() {
        let f = fixture();
        let key = crate::domain::device::DeviceKey::parse("0951:1666:SN100").unwrap();
        let decide = |state: DeviceState| {
            let (key, asked) = (key.clone(), Draft::by(EventKind::RecorderRetired, Actor::os(7), "cli"));
            f.store.write_blocking(move |tx| tx.decide_device(&key, state, None, asked)).unwrap()
        };
        for state in [DeviceState::Approved, DeviceState::Refused, DeviceState::InRepair] {
            decide(state);
        }
        let of = f.store.read_blocking(|r| r.marks_of(&[recorder_key("SN100")])).unwrap();
        assert_eq!(of.iter().map(|m| m.state).collect::<Vec<_>>(), [DeviceState::InRepair, DeviceState::Approved]);
        assert_eq!(f.store.read_blocking(|r| r.standing_of("sn100")).unwrap(), Some(DeviceState::InRepair));
        decide(DeviceState::Approved);
        assert_eq!(f.store.read_blocking(|r| r.standing_of("sn100")).unwrap(), Some(DeviceState::Approved));
    }
}
