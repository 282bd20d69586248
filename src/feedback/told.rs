//! What is worth telling: events of bays from looks at the board, of clips from the log, of destinations from their
//! trouble. Pure; runs nothing.
//!
//! The document of an event (JSON, one object) has `event`, `at` (RFC 3339, UTC), `station`, and where they apply `bay`,
//! `files`, `files_done`, `why` and `usb_id` (of a held device), `clip` (its record id), `size_bytes`, `destination`.
//! Nothing in it tells of a person, a recorder's serial number or a case.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::event::{Envelope, EventKind};
use crate::domain::recorder::HeldDevice;
use crate::runtime::board::{Bay, Doing};

/// Looks for which a bay must be stuck before that is told: pulling a recorder looks so for a moment.
pub const STUCK_LOOKS: u32 = 8;

/// An event, as its document tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name.
    pub event: &'static str,
    /// The bay, where it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bay: Option<String>,
    /// Files listed on the recorder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Of these, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_done: Option<u64>,
    /// Why a device is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// Vendor and product of a held device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usb_id: Option<String>,
    /// The clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// Its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

impl Told {
    /// Events of one lane are told in order, one at a time: of one bay, else of one destination, else of the vault.
    pub fn lane(&self) -> String {
        match (&self.bay, &self.destination) {
            (Some(bay), _) => format!("bay {bay}"),
            (None, Some(destination)) => format!("destination {destination}"),
            (None, None) => "vault".to_owned(),
        }
    }
}

/// What the looks remember from each other.
#[derive(Debug, Default)]
pub struct Watch {
    docks: BTreeMap<i64, Dock>,
    /// Bay, port and reason.
    held: BTreeSet<(String, String, &'static str)>,
    in_trouble: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
struct Dock {
    bay: String,
    safe: bool,
    erasing: bool,
    stuck_looks: u32,
    files: u64,
    files_done: u64,
}

impl Watch {
    /// One look at the board, in the order of docks.
    pub fn look(&mut self, bays: &[(i64, Bay)], held: &[HeldDevice]) -> Vec<Told> {
        let mut told = Vec::new();
        let gone: Vec<i64> =
            self.docks.keys().filter(|id| !bays.iter().any(|(there, _)| there == *id)).copied().collect();
        for id in gone {
            // Of a recorder on which nothing was listed nothing is missing; intake closes such a stay by itself, too.
            if let Some(dock) = self.docks.remove(&id).filter(|d| d.erasing || (!d.safe && d.files_done < d.files)) {
                told.push(dock.told("pulled_early"));
            }
        }
        // A bay gets its name with its first change, which may be a moment after it appears.
        for (id, bay) in bays.iter().filter(|(_, bay)| !bay.bay.is_empty()) {
            let new = !self.docks.contains_key(id);
            let dock = self.docks.entry(*id).or_default();
            let stuck = matches!(bay.doing, Doing::Stuck { .. });
            dock.erasing = matches!(bay.doing, Doing::Erasing { .. }) || (dock.erasing && stuck);
            let safe = bay.safe && !stuck && !dock.erasing && !matches!(bay.doing, Doing::Copying { .. });
            (dock.bay, dock.files, dock.files_done) = (bay.bay.clone(), bay.files, bay.files_done);
            dock.stuck_looks = if stuck { dock.stuck_looks.saturating_add(1) } else { 0 };
            if new {
                told.push(dock.told("docked"));
            }
            if dock.stuck_looks == STUCK_LOOKS {
                told.push(dock.told("stuck"));
            }
            // A recorder that is pulled while it is safe looks stuck for a moment, and stays what it was.
            let was = dock.safe;
            dock.safe = safe || (was && bay.safe && stuck);
            if dock.safe && !was {
                told.push(dock.told("safe"));
            }
        }
        let now: BTreeSet<_> = held.iter().map(|d| (d.bay.clone(), d.port.clone(), d.why.as_str())).collect();
        for device in held {
            if !self.held.contains(&(device.bay.clone(), device.port.clone(), device.why.as_str())) {
                let (bay, why) = (Some(device.bay.clone()), Some(device.why.as_str()));
                told.push(Told { event: "held", bay, why, usb_id: Some(device.usb_text()), ..Told::default() });
            }
        }
        self.held = now;
        told
    }

    /// Destinations that are in trouble now.
    pub fn destinations(&mut self, in_trouble: BTreeSet<String>) -> Vec<Told> {
        let told = in_trouble.difference(&self.in_trouble).map(|name| Told {
            event: "failed",
            destination: Some(name.clone()),
            ..Told::default()
        });
        let told = told.collect();
        self.in_trouble = in_trouble;
        told
    }
}

impl Dock {
    fn told(&self, event: &'static str) -> Told {
        let (files, files_done) = (Some(self.files), Some(self.files_done));
        Told { event, bay: Some(self.bay.clone()), files, files_done, ..Told::default() }
    }
}

/// What an entry of the log is to the hook, if anything.
pub fn of_log(entry: &[u8]) -> Option<Told> {
    let envelope: Envelope = serde_json::from_slice(entry).ok()?;
    let event = match EventKind::parse(&envelope.kind)? {
        EventKind::Sealed => "sealed",
        EventKind::Proven => "proven",
        EventKind::Mismatch => "suspect",
        EventKind::Isolated => "isolated",
        // Its end is told by the same kind of event.
        EventKind::Quarantine if !envelope.body.contains_key("step") => "quarantined",
        _ => return None,
    };
    let destination = envelope.body.get("destination").and_then(|d| d.as_str()).map(str::to_owned);
    let size_bytes = envelope.body.get("size_bytes").and_then(serde_json::Value::as_u64);
    Some(Told { event, clip: envelope.clip, size_bytes, destination, ..Told::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Draft, Place, encode};
    use crate::domain::ids::ClipId;
    use crate::domain::recorder::Held;

    fn bay(doing: Doing, safe: bool, files_done: u64, files: u64) -> Bay {
        Bay { bay: "3".into(), recorder: "DSJ-1".into(), doing, safe, files_done, files, ..Bay::default() }
    }

    fn names(told: &[Told]) -> Vec<&str> {
        told.iter().map(|t| t.event).collect()
    }

    #[test]
    fn a_stay_is_told_from_dock_to_pull() {
        let copying = || Doing::Copying { file: "f".into(), done_bytes: 1, size_bytes: 2 };
        let stuck = || Doing::Stuck { reason: "EIO".into(), full: false };
        let mut watch = Watch::default();
        type Look = (Vec<(i64, Bay)>, &'static [&'static str]);
        let looks: Vec<Look> = vec![
            (vec![(1, Bay::default())], &[]),
            (vec![(1, bay(Doing::Listing, false, 0, 0))], &["docked"]),
            (vec![(1, bay(copying(), false, 0, 2))], &[]),
            (vec![(1, bay(Doing::Resting, true, 2, 2))], &["safe"]),
            (vec![(1, bay(Doing::Resting, true, 2, 2))], &[]),
            // A file that came late, then safe again.
            (vec![(1, bay(copying(), false, 2, 3))], &[]),
            (vec![(1, bay(Doing::Resting, true, 3, 3))], &["safe"]),
            // Pulled while safe: looks stuck for a moment.
            (vec![(1, bay(stuck(), true, 3, 3))], &[]),
            (vec![], &[]),
            // The next one is pulled in the middle.
            (vec![(2, bay(copying(), false, 1, 4))], &["docked"]),
            (vec![(2, bay(stuck(), false, 1, 4))], &[]),
            (vec![(3, bay(Doing::Listing, false, 0, 0))], &["pulled_early", "docked"]),
            // Nothing was listed on it.
            (vec![], &[]),
            // Pulled while files were erased from it.
            (vec![(5, bay(Doing::Resting, true, 2, 2))], &["docked", "safe"]),
            (vec![(5, bay(Doing::Erasing { done: 1, files: 2 }, true, 2, 2))], &[]),
            (vec![(5, bay(stuck(), true, 2, 2))], &[]),
            (vec![], &["pulled_early"]),
            // One file of it was reported as unreadable: it may go.
            (vec![(4, bay(Doing::Resting, true, 1, 2))], &["docked", "safe"]),
            (vec![], &[]),
        ];
        for (n, (bays, wanted)) in looks.into_iter().enumerate() {
            assert_eq!(names(&watch.look(&bays, &[])), wanted, "look {n}");
        }
    }

    #[test]
    fn being_stuck_is_told_once_it_lasts() {
        let stuck = vec![(1, bay(Doing::Stuck { reason: "EIO".into(), full: true }, false, 0, 2))];
        let mut watch = Watch::default();
        assert_eq!(names(&watch.look(&stuck, &[])), ["docked"]);
        for look in 2..=STUCK_LOOKS + 5 {
            let wanted: &[&str] = if look == STUCK_LOOKS { &["stuck"] } else { &[] };
            assert_eq!(names(&watch.look(&stuck, &[])), wanted, "look {look}");
        }
    }

    #[test]
    fn held_devices_and_destinations_are_told_when_they_come_to_be_so() {
        let device = |why| HeldDevice {
            bay: "4".into(),
            port: "1-4".into(),
            usb_id: (0x0951, 0x1666),
            serial: Some("SERIAL".into()),
            name: "Kingston".into(),
            why,
            since_ms: 0,
        };
        let mut watch = Watch::default();
        let told = watch.look(&[], &[device(Held::Unknown)]);
        let json = serde_json::to_value(&told[0]).unwrap();
        assert_eq!(json, serde_json::json!({ "event": "held", "bay": "4", "why": "unknown", "usb_id": "0951:1666" }));
        assert!(watch.look(&[], &[device(Held::Unknown)]).is_empty());
        assert_eq!(watch.look(&[], &[device(Held::Broken("x".into()))])[0].why, Some("broken"));
        assert!(watch.look(&[], &[]).is_empty());
        assert_eq!(names(&watch.look(&[], &[device(Held::Unknown)])), ["held"]);

        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(watch.destinations(set(&["cloud"]))[0].lane(), "destination cloud");
        assert!(watch.destinations(set(&["cloud"])).is_empty() && watch.destinations(set(&[])).is_empty());
        assert_eq!(names(&watch.destinations(set(&["cloud", "nas"]))), ["failed", "failed"]);
    }

    #[test]
    fn of_the_log_only_what_a_clip_reached_is_told() {
        let clip = ClipId::generate(1);
        let place = Place { epoch: 1, seq: 0, wall_ms: 0, boot: "b".into(), mono_ms: 0 };
        let bytes = |draft: Draft| encode(&draft, &place, || [0; 32]).unwrap().0;
        let sealed = Draft::daemon(EventKind::Sealed).clip(clip).fact("size_bytes", 7u64).fact("recorder", "DSJ-1");
        let told = serde_json::to_value(of_log(&bytes(sealed)).unwrap()).unwrap();
        assert_eq!(told, serde_json::json!({ "event": "sealed", "clip": clip.to_string(), "size_bytes": 7 }));
        let proven = Draft::daemon(EventKind::Proven).clip(clip).fact("destination", "cloud");
        assert_eq!(of_log(&bytes(proven)).unwrap().lane(), "destination cloud");
        assert_eq!(of_log(&bytes(Draft::daemon(EventKind::Linked).clip(clip))), None);
        let isolated = Draft::daemon(EventKind::Isolated).clip(clip).secret("reason", "maps of a base");
        let told = serde_json::to_value(of_log(&bytes(isolated)).unwrap()).unwrap();
        assert_eq!(told, serde_json::json!({ "event": "isolated", "clip": clip.to_string() }));
        let suspect = Draft::daemon(EventKind::Mismatch).clip(clip).fact("destination", "cloud").outcome("failed");
        assert_eq!(of_log(&bytes(suspect)).unwrap().event, "suspect");
        let ended = Draft::daemon(EventKind::Quarantine).clip(clip).fact("step", "ended");
        assert_eq!(of_log(&bytes(ended)), None);
        assert_eq!(of_log(b"rubbish"), None);
    }
}
