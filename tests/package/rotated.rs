//! A package that is under way while the station's signing key changes: what it says of the log's keys was fixed when it was
//! asked for, so that nobody would take it under the new one. The daemon begins it anew, a person is told to.

use super::asked::{FULL, ask, open_json, restarted, state, until_ready, wanted, whole, with_clips};
use super::export::cut;
use super::http::Browser;
use super::signed::Lists;
use super::*;

fn rotate(station: &mut Station, settings: &str) {
    station.stop();
    station.json(["log", "rotate-key", "--reason", "换人"]);
    station.configure(settings);
    station.start();
}

#[test]
fn the_daemon_begins_a_package_anew_under_a_new_key() {
    let mut station = Station::running("");
    with_clips(&mut station, &[50_000, 60_000]);
    // A disk that is full stops it behind its request.
    restarted(&mut station, FULL);
    let package = ask(&Browser::new(&station.page()), &wanted("station"));
    station.until("it stops", |s| state(s, &package) == "failed");
    let dir = station.path(format!("state/exports/{package}"));
    assert!(dir.join("plan.json").exists());
    fs::create_dir_all(dir.join("disc-2/custody")).unwrap();
    rotate(&mut station, "");
    let page = Browser::new(&station.page());
    assert_eq!(open_json(&page, &format!("/api/v1/exports/{package}/again"), &Value::Null).status, 200);
    until_ready(&mut station, &package);
    let report = whole(&station, &dir.join("disc-1"));
    assert_eq!((&report["package"], &report["clips"]), (&package.as_str().into(), &2.into()), "{report}");
    assert!(!dir.join("disc-2").exists(), "nothing of the first request is left");
    let begun =
        "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.export' AND clip_id IS NULL ORDER BY seq";
    let begun = station.query(begun, &[]);
    assert!(begun.len() == 2 && begun.iter().all(|event| event[0].contains(&package)), "{begun:?}");
    // What was finished under the old key stays what it is.
    rotate(&mut station, "");
    assert_eq!(state(&station, &package), "ready");
    assert_eq!(import_check(&dir.join("disc-1"), None).0, 0);
}

#[test]
fn a_person_is_told_to_begin_anew() {
    let mut station = Station::running("");
    take_in(&mut station, &[1_000_000, 60_000_001]);
    for n in 0..2 {
        station.json(["link", &station.clip(format!("0912{n:02}.mp4")), CASE]);
    }
    let (made, dir) = (station.path("made"), station.path("out"));
    export(&station, &made);
    cut(&station, &dir, &dir.join("data/clips/002_20260619T091201_36NCC009910.mp4.part"), 8_000_000);
    rotate(&mut station, "");
    // Whoever writes a package beside the daemon gets no signature for one of before, and is told so before the rest is written.
    let words = Lists::of(&made).refused(&station);
    assert!(words.contains("signing key changed"), "{words}");
    let args = ["export", "--case", CASE, "--to", dir.to_str().unwrap(), "--reason", REASON, "--basis", BASIS];
    let (_, error) = station.refused(1, args);
    assert!(error.contains("signing key changed"), "{error}");
    let anew = station.path("anew");
    export(&station, &anew);
    let (code, report) = import_check(&anew, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
}
