//! The daemon is killed between an event and the checkpoint over it, between that and its anchor, and in the middle of
//! both: nothing that was stored is lost, nothing is signed twice with two roots, and everything is anchored in the end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use evidock::custody::checkpoint;

use super::support::station::files_below;
use super::*;

/// Every checkpoint that left the box, by size, each opened with the station's key.
fn anchored(station: &Station, far: &Path) -> BTreeMap<u64, [u8; 32]> {
    let key = key_of(station);
    let mut heads = BTreeMap::new();
    for file in files_below(&far.join("v1/test-01/log/checkpoint")) {
        // What a kill left of a write is not called so.
        if file.extension().is_some() {
            continue;
        }
        let opened = checkpoint::open(&fs::read(&file).unwrap(), std::slice::from_ref(&key)).unwrap().checkpoint;
        let before = heads.insert(opened.size, opened.root);
        assert!(before.is_none_or(|root| root == opened.root), "two roots of {} events", opened.size);
    }
    heads
}

fn until_anchored(station: &mut Station) {
    until_covered(station);
    station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
}

#[test]
fn between_event_and_checkpoint() {
    let far = far();
    // No checkpoint comes by itself meanwhile.
    let slow = "[custody]\ncheckpoint_interval_s = 3600\n";
    let mut station = Station::running(&format!("{slow}{}", folder_at("cloud", far.path())));
    take_in(&mut station, 1);
    for _ in 0..3 {
        station.json(["retry"]);
        let size: u64 = station.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
        let covered = station.one("SELECT coalesce(max(size), 0) FROM checkpoint", &[]).parse::<u64>().unwrap();
        assert!(covered < size, "the last event has no checkpoint yet");
        station.kill();
        station.start();
        let after: u64 = station.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
        assert!(after > size, "what was stored is there, and the start is an event, too");
        assert_eq!(station.json(["log", "verify"])["intact"], true);
    }
    station.json(["checkpoint"]);
    station.until("the checkpoint is anchored", |s| s.status()["outbox"] == 0);
    let report = station.json(["log", "verify"]);
    assert_eq!(report["intact"], true, "{report}");
    assert!(!anchored(&station, far.path()).is_empty());
}

#[test]
fn between_checkpoint_and_anchor() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    take_in(&mut station, 1);
    until_anchored(&mut station);
    let before = anchored(&station, far.path());
    // The destination is away: checkpoints are signed, and wait.
    let away: PathBuf = far.path().with_extension("away");
    fs::rename(far.path(), &away).unwrap();
    for _ in 0..2 {
        station.json(["retry"]);
        until_covered(&mut station);
        station.until("a checkpoint waits", |s| s.status()["outbox"].as_u64() > Some(0));
        let notes = station.query("SELECT size, note FROM checkpoint ORDER BY checkpoint_id", &[]);
        station.kill();
        station.start();
        let again = station.query("SELECT size, note FROM checkpoint ORDER BY checkpoint_id", &[]);
        assert!(again.starts_with(&notes), "what was signed stays as it was signed");
    }
    // A folder that was made anew meanwhile is not the destination.
    fs::remove_dir_all(far.path()).ok();
    fs::rename(&away, far.path()).unwrap();
    station.json(["retry"]);
    until_anchored(&mut station);
    let after = anchored(&station, far.path());
    assert!(after.len() > before.len() && before.iter().all(|(size, root)| after.get(size) == Some(root)));
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn at_any_moment() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    take_in(&mut station, 2);
    let mut known = BTreeMap::new();
    for round in 0..8_u32 {
        // Events, checkpoints and anchors are all under way; the kill comes after another number of each.
        for _ in 0..round {
            station.json(["retry"]);
        }
        if round % 2 == 0 {
            station.json(["checkpoint"]);
        }
        station.kill();
        let found = anchored(&station, far.path());
        assert!(known.iter().all(|(size, root)| found.get(size) == Some(root)), "what was anchored stays");
        known = found;
        station.start();
        assert_eq!(station.json(["log", "verify"])["intact"], true);
    }
    until_anchored(&mut station);
    let report = station.json(["log", "verify"]);
    assert_eq!(report["intact"], true, "{report}");
}
