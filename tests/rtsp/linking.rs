//! What rooms record, and the case it belongs to: said when the recording is begun, or by a person afterwards; and how a
//! case stands against the catalogue, which asks for interviews as a whole.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use std::fs;

use serde_json::Value;

use super::camera::Cameras;
use super::support::station::Station;
use super::{CASE, alone, segments, stream, until_recorded, until_sealed};

fn import(station: &Station, register: &str, text: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

/// Records the room for three seconds; gives the clip.
fn recorded(station: &mut Station, said: &[&str]) -> String {
    let begun = station.evidock(["record", "start", "room-1"].iter().chain(said));
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    let clip = until_recorded(station, "room-1", 3);
    station.json(["record", "stop", "room-1"]);
    until_sealed(station, &clip);
    clip
}

/// What triage has for a clip: each rule with the case that it suggests; `None` where the clip does not wait.
fn waiting(station: &Station, clip: &str) -> Option<Vec<(String, String)>> {
    let told = station.json(["triage", "list"]);
    let card = told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == clip)?.clone();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    Some(card["suggestions"].as_array().unwrap().iter().map(|s| (text(&s["rule"]), text(&s["case_no"]))).collect())
}

fn interview(station: &Station) -> (String, u64) {
    let told = station.json(["case", "coverage", CASE]);
    let line = &told["lines"][0];
    assert_eq!((&line["matter"], &line["tier"]), (&"询问".into(), &"whole".into()));
    (line["standing"].as_str().unwrap().to_owned(), line["clips"].as_u64().unwrap())
}

#[test]
fn what_a_room_records_belongs_to_the_case_that_was_said_or_waits_for_a_person() {
    let _alone = alone();
    let cameras = Cameras::start(&["h264-aac"]);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", cameras.port);
    let mut station = Station::running(&(stream("room-1", &url, "") + "[casework.coverage]\ngap_s = 600\n"));
    import(&station, "catalogue", "执法类别,记录环节,记录事项,记录方式\n处罚,调查取证,询问,全过程\n");
    import(&station, "case", &format!("案件编号,执法类别,承办人\n{CASE},处罚,张三\n"));
    assert_eq!(interview(&station), ("not_yet_due".to_owned(), 0));

    // The case was said when it was begun.
    let about = ["--officer", "张三", "--co-officers", "李四", "--matter", "询问", "--proves", "询问的过程"];
    let said = recorded(&mut station, &[&["--case", "赵卫罚[2026]12号"][..], &about[..]].concat());
    let record = station.record(&said);
    assert_eq!((&record["case_no"], &record["cases"][0]["origin"]), (&CASE.into(), &"recording".into()));
    assert_eq!(interview(&station), ("present".to_owned(), 1));

    // It went on, and nobody said for which case: the recording before says what is likely, and a person decides.
    let forgotten = recorded(&mut station, &about);
    let likely = Some(vec![("neighbour".to_owned(), CASE.to_owned())]);
    station.until("the case before is suggested", |s| waiting(s, &forgotten) == likely);
    assert_eq!(interview(&station), ("present".to_owned(), 1), "what is only likely counts for nothing");
    station.json(["triage", "accept", &forgotten]);
    let record = station.record(&forgotten);
    assert_eq!((&record["case_no"], &record["cases"][0]["origin"]), (&CASE.into(), &"person".into()));
    assert_eq!(
        (&record["place"], &record["origins"]["place"]["origin"]),
        (&"询问室 room-1".into(), &"recording".into())
    );
    assert_eq!(interview(&station), ("present".to_owned(), 2), "a pause that short is none");

    // Somebody else's interview in the same room has nothing to do with it.
    let other = recorded(&mut station, &["--officer", "王五", "--matter", "询问", "--proves", "询问的过程"]);
    station.until("it waits", |s| waiting(s, &other).is_some());
    assert_eq!(waiting(&station, &other), Some(vec![]));
    assert_eq!(segments(&station, "room-1"), [said, forgotten.clone(), other]);
    assert_eq!(station.find(CASE).len(), 2);

    // A link that was wrong is taken back, and no rule makes or suggests it again.
    station.json(["unlink", &forgotten, CASE, "--reason", "属另案"]);
    station.until("the record says so", |s| s.record(&forgotten)["case_no"].is_null());
    station.until("it waits without a suggestion", |s| waiting(s, &forgotten) == Some(vec![]));
    assert_eq!(interview(&station), ("present".to_owned(), 1));
    station.stop();
}
