//! The whole way with the real program: seen, let in, pulled, sealed, told.

use rustix::process::Signal;
use serde_json::Value;

use crate::onvif::{Answers, Beacon, Onvif, Recording, Ways};
use crate::recorder::{Line, PICTURES, Recorder, Rules, SECONDS};
use crate::support::guarded::free_ports;
use crate::support::station::{Station, files_below, flip};
use crate::{BEGIN_MS, END_MS, assert_unbroken, pictures};

const SERIAL: &str = "36NCC009910";
/// As the register knows it.
pub const KEY: &str = "net:36NCC009910";
/// Where it is shown.
pub const BAY: &str = "无线 1";

/// An ONVIF recorder that lists one recording of what a server replays.
pub fn ways(port: u16, span: (i64, i64)) -> Ways {
    Ways {
        user: Some(("evidock".to_owned(), "geheim".to_owned())),
        recordings: vec![Recording { token: "REC_1".to_owned(), span, grows: false, stretches: Vec::new() }],
        replay_url: format!("rtsp://10.9.8.7:{port}/replay"),
        clock_ms: 0,
        serial: SERIAL.to_owned(),
        answers: Answers::Right,
        services: true,
        no_search: false,
        http_digest: false,
    }
}

/// Its part of the configuration; `more` are further lines of it.
pub fn config(url: &str, more: &str) -> String {
    format!(
        "[[network_recorder]]\nname = \"wifi-1\"\nbay = \"{BAY}\"\nurl = \"{url}\"\nuser = \"evidock\"\npassword_file = \"password\"\nevery_s = 1\nsilence_s = 2\n{more}\n"
    )
}

fn station(url: &str, more: &str) -> Station {
    let mut station = Station::new(&config(url, more));
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    station.start();
    station
}

/// It waits, and is let in.
pub fn approved(station: &mut Station) {
    station.until("it waits at the gate", |s| s.status()["at_the_gate"][0]["device"] == KEY);
    assert_eq!(station.one("SELECT count(*) FROM clip", &[]), "0", "nothing is taken before a yes");
    station.json(["recorders", "approve", KEY]);
}

/// Clips in the order of their recordings.
pub fn clips(station: &Station) -> Vec<String> {
    let rows = station.query("SELECT clip_id FROM segment ORDER BY recording_id, segment_no", &[]);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// The record of a clip, once it is sealed and looked at.
pub fn record(station: &mut Station, clip: &str) -> Value {
    let sql = "SELECT 1 FROM clip c JOIN media m USING (clip_id) WHERE c.clip_id = ?1 AND c.local = 'sealed' AND c.record_stale = 0 AND c.record_rev > 0";
    station.until(&format!("{clip} is sealed"), |s| !s.query(sql, &[&clip]).is_empty());
    station.record(clip)
}

fn gaps<'a>(record: &'a Value, kind: &str) -> Vec<&'a Value> {
    record["gaps"].as_array().unwrap().iter().filter(|g| g["kind"] == kind).collect()
}

#[test]
fn a_shift_s_recorder_is_let_in_pulled_and_may_go() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    let mut listed = ways(server.port, (BEGIN_MS, END_MS));
    // An hour ahead; and somebody took it out before the footage was recorded, by the station's clock.
    listed.clock_ms = 3_600_000;
    let onvif = Onvif::start(listed);
    let mut station = station(&onvif.url(), "");
    approved(&mut station);
    station.until_safe(BAY);
    let all = clips(&station);
    assert_eq!(all.len(), 1);
    let record = record(&mut station, &all[0]);
    assert_eq!((&record["device_id"], &record["media_health"]), (&SERIAL.into(), &"whole".into()));
    assert_eq!((&record["recording"]["cause"], &record["recording"]["ended"]), (&"pull".into(), &"whole".into()));
    let listed = &record["recording"]["listed"];
    assert_eq!(
        (&listed["item"], &listed["missing_ms"], &listed["length_ms"]),
        (&"REC_1".into(), &0.into(), &(SECONDS * 1000).into())
    );
    assert_eq!(record["gaps"], Value::Array(vec![]));
    let offset = record["clock_offset_ms"].as_i64().unwrap();
    // It tells whole seconds, and its answer takes a busy machine some more.
    assert!((offset - 3_600_000).abs() < 5_000, "{offset}");
    let captured = record["captured_start"].as_str().and_then(evidock::domain::time::UtcMs::parse_rfc3339).unwrap();
    assert_eq!(captured.0, BEGIN_MS, "the recorder's own time stands as it was");
    let file = station.in_vault(&all[0]).unwrap();
    assert_eq!(pictures(&std::fs::read(file).unwrap()).len(), PICTURES);
    station.assert_vault_is_whole();

    let looked = station.json(["recorders", "look", "wifi-1"]);
    assert_eq!((&looked["recorder"], &looked["spans"][0]["state"]), (&SERIAL.into(), &"whole".into()));
    let status = station.status();
    assert_eq!((&status["docked"][0]["recorder"], &status["docked"][0]["files"]), (&SERIAL.into(), &1.into()));
    let kinds = station.query("SELECT kind FROM log_entry WHERE kind LIKE 'register.%' OR kind LIKE 'recording.%' OR kind LIKE 'dock.%' ORDER BY seq", &[]);
    let kinds: Vec<&str> = kinds.iter().map(|r| r[0].as_str()).collect();
    let wanted = [
        "register.device",
        "register.approved",
        "dock.opened",
        "dock.clock",
        "recording.begun",
        "recording.segment",
        "recording.segment_ended",
        "recording.ended",
    ];
    assert_eq!(kinds, wanted);

    // A recording that went on meanwhile is no longer whole, and nothing of it is fetched twice.
    onvif.set(|w| {
        w.recordings.push(Recording {
            token: "REC_2".to_owned(),
            span: (BEGIN_MS, BEGIN_MS + 4_000),
            grows: true,
            stretches: Vec::new(),
        });
    });
    station.until("it may not go", |s| !s.is_safe(BAY));
    assert_eq!(clips(&station).len(), 1, "what still grows is left");
    onvif.set(|w| w.recordings[1].grows = false);
    station.until_safe(BAY);
    assert_eq!(clips(&station).len(), 2);
    // A person said that it does not belong here any more.
    station.json(["recorders", "retire", KEY]);
    station.until("it is held", |s| s.status()["at_the_gate"][0]["why"] == "refused");
    station.stop();
}

#[test]
fn what_the_list_has_and_the_recorder_has_not_is_told() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    let onvif = Onvif::start(ways(server.port, (BEGIN_MS, END_MS + 20_000)));
    let mut station = station(&onvif.url(), "");
    approved(&mut station);
    station.until_safe(BAY);
    let all = clips(&station);
    assert_eq!(all.len(), 1);
    let record = record(&mut station, &all[0]);
    assert_eq!(record["recording"]["ended"], "short");
    let missing = record["recording"]["listed"]["missing_ms"].as_i64().unwrap();
    assert!((missing - 20_000).abs() <= 80, "{missing}");
    let end = gaps(&record, "end");
    assert_eq!(end.len(), 1, "{}", record["gaps"]);
    assert!((end[0]["missing_ms"].as_i64().unwrap() - missing).abs() <= 40);
    assert_eq!(station.status()["docked"][0]["unreadable"], 1, "the recorder may go, and what is missing is reported");
    let reported = station.one("SELECT reason FROM unreadable", &[]);
    assert!(reported.contains("are missing"), "{reported}");
    // By hand it is tried again, and found to be the same.
    let tries = |s: &Station| s.one("SELECT state || tries FROM listed", &[]);
    assert_eq!(tries(&station), "short3");
    station.json(["recorders", "pull", "wifi-1"]);
    station.until("it was tried again", |s| {
        onvif.asked().iter().filter(|a| *a == "GetReplayUri").count() >= 7 && tries(s) == "short3"
    });
    assert_eq!(clips(&station).len(), 1, "nothing is taken twice");
}

#[test]
fn footage_that_the_disk_gives_back_wrong_is_fetched_again() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    let line = Line::to(server.port, Rules { hold_after: Some(400_000), ..Rules::default() });
    let onvif = Onvif::start(ways(line.port, (BEGIN_MS, END_MS)));
    let mut station = Station::new(&config(&onvif.url(), "").replace("silence_s = 2", "silence_s = 60"));
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    station.start();
    approved(&mut station);
    station.until("half of it is durable", |s| {
        line.held() > 0 && !s.query("SELECT 1 FROM segment WHERE length_ms >= 1000", &[]).is_empty()
    });
    let first = clips(&station).remove(0);
    let part = format!("{first}.part");
    let stands = files_below(&station.path("state")).into_iter().find(|f| f.ends_with(&part)).expect("what grows");
    flip(&stands, 1_000);
    line.set(|r| r.hold_after = None);
    station.until_safe(BAY);
    let column = |sql: &str| -> Vec<String> { station.query(sql, &[]).into_iter().map(|mut r| r.remove(0)).collect() };
    assert_eq!(column("SELECT clip_id FROM clip WHERE local = 'sealed' AND quarantine IS NULL").len(), 1);
    assert_eq!(column("SELECT clip_id FROM clip WHERE quarantine IS NOT NULL"), std::slice::from_ref(&first));
    let sealed = clips(&station).into_iter().find(|clip| *clip != first).expect("it was fetched again");
    let whole = pictures(&std::fs::read(station.in_vault(&sealed).unwrap()).unwrap());
    assert_eq!(whole.len(), PICTURES, "all of it is in the clip that is called whole");
    let record = record(&mut station, &sealed);
    assert_eq!(
        (&record["recording"]["ended"], &record["recording"]["listed"]["missing_ms"]),
        (&"whole".into(), &0.into())
    );
}

#[test]
fn a_station_that_is_killed_goes_on_where_it_was() {
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim"]);
    let line = Line::to(server.port, Rules { hold_after: Some(400_000), ..Rules::default() });
    let onvif = Onvif::start(ways(line.port, (BEGIN_MS, END_MS)));
    let mut station = Station::new(&config(&onvif.url(), "").replace("silence_s = 2", "silence_s = 60"));
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    station.start();
    approved(&mut station);
    station.until("half of it is durable", |s| {
        line.held() > 0 && !s.query("SELECT 1 FROM segment WHERE length_ms >= 1000", &[]).is_empty()
    });
    station.signal(Signal::KILL);
    station.ended();
    line.set(|r| r.hold_after = None);
    station.start();
    station.until_safe(BAY);
    let all = clips(&station);
    assert_eq!(all.len(), 2);
    let (first, second) = (record(&mut station, &all[0]), record(&mut station, &all[1]));
    assert_eq!((&first["recording"]["ended"], &second["recording"]["ended"]), (&"interrupted".into(), &"whole".into()));
    assert_eq!(
        (&first["recording"]["listed"]["missing_ms"], &second["recording"]["segment_no"]),
        (&0.into(), &2.into())
    );
    let again = gaps(&second, "again");
    let read = |station: &Station, clip: &str| pictures(&std::fs::read(station.in_vault(clip).unwrap()).unwrap());
    let (before, after) = (read(&station, &all[0]), read(&station, &all[1]));
    assert_unbroken(&before);
    assert_unbroken(&after);
    let twice = before.len() + after.len() - PICTURES;
    let told = again.first().map_or(0, |g| g["missing_ms"].as_i64().unwrap());
    assert!((told - twice as i64 * 40).abs() <= 40 && twice <= 25, "{twice} pictures twice, {told} ms told");
    station.assert_vault_is_whole();
}

#[test]
fn user_and_password_are_asked_for_by_name_before_anything_relies_on_them() {
    let mut listed = ways(1, (BEGIN_MS, END_MS));
    listed.user = Some(("evidock".to_owned(), "another".to_owned()));
    let onvif = Onvif::start(listed);
    let station = Station::new(&config(&onvif.url(), ""));
    std::fs::write(station.path("password"), "geheim\n").unwrap();
    let (_, words) = station.refused(1, ["recorders", "look", "wifi-1"]);
    assert!(words.contains("refuses user or password") && !words.contains("geheim"), "{words}");
    let (_, words) = station.refused(3, ["recorders", "look", "nobody"]);
    assert!(words.contains("no [[network_recorder]] is called"), "{words}");
    // The recorder's clock is a year off: a token for now is one for then.
    onvif.set(|w| {
        w.user = Some(("evidock".to_owned(), "geheim".to_owned()));
        w.clock_ms = -365 * 86_400_000;
        w.http_digest = true;
    });
    let looked = station.json(["recorders", "look", "wifi-1"]);
    assert_eq!((&looked["device"], &looked["maker"]), (&KEY.into(), &"ACME".into()));
    let offset = looked["clock_offset_ms"].as_i64().unwrap();
    assert!((offset + 365 * 86_400_000).abs() < 5_000, "{offset}");
    assert_eq!(looked["spans"][0]["state"], "waiting");
    // By capabilities and by name, where services and search are not there; and stretches, where events tell them.
    onvif.set(|w| (w.services, w.no_search) = (false, true));
    assert_eq!(station.json(["recorders", "look", "wifi-1"])["spans"].as_array().unwrap().len(), 1);
    onvif.set(|w| {
        w.no_search = false;
        w.recordings[0].stretches = vec![(BEGIN_MS, BEGIN_MS + 2_000), (BEGIN_MS + 6_000, BEGIN_MS + 9_000)];
    });
    let spans = station.json(["recorders", "look", "wifi-1"])["spans"].as_array().unwrap().clone();
    let lengths: Vec<i64> = spans.iter().map(|s| s["length_ms"].as_i64().unwrap()).collect();
    assert_eq!(lengths, [2_000, 3_000]);
}

#[test]
fn who_is_there_is_asked_in_configured_networks_only() {
    let onvif = Onvif::start(ways(1, (BEGIN_MS, END_MS)));
    let _beacon = Beacon::start(onvif.url());
    let mut station = Station::new("");
    let (_, words) = station.refused(2, ["recorders", "discover"]);
    assert!(words.contains("[discovery]"), "{words}");
    station.configure("[discovery]\nnetworks = [\"127.0.0.0/8\"]\n");
    // Nobody waits long for datagrams: on a busy machine an answer may come too late for one question.
    let mut found = Value::Null;
    station.until("it answers in time", |s| {
        found = s.json(["recorders", "discover"]);
        found.as_array().unwrap().iter().any(|f| f["address"] == onvif.url())
    });
    let ours: Vec<&Value> = found.as_array().unwrap().iter().filter(|f| f["address"] == onvif.url()).collect();
    assert_eq!(ours.len(), 1, "{found}");
    assert_eq!(
        (&ours[0]["name"], &ours[0]["hardware"], &ours[0]["configured"]),
        (&"ACME BWC".into(), &"7".into(), &false.into())
    );
    assert!(
        found.as_array().unwrap().iter().all(|f| !f["address"].as_str().unwrap().contains("192.0.2.66")),
        "{found}"
    );
    station.start();
    let device = format!("net@127.0.0.1:{}", onvif.port);
    station.until("it is shown, and waits", |s| {
        s.status()["at_the_gate"].as_array().is_some_and(|held| held.iter().any(|h| h["device"] == device.as_str()))
    });
    // The page is told as soon as it is there, the log with the next transaction.
    station.until("the log tells of it", |s| {
        s.one("SELECT count(*) FROM log_entry WHERE kind = 'register.device'", &[]) != "0"
    });
}

fn undated(url: &str) -> String {
    format!("[[network_recorder]]\nname = \"wifi-1\"\nbay = \"{BAY}\"\nurl = \"{url}\"\nevery_s = 1\nsilence_s = 2\n")
}

#[test]
fn footage_without_a_date_is_known_again_and_other_footage_is_not_taken_for_it() {
    // One that starts again finds its port free.
    let port = free_ports::<1>()[0].to_string();
    let server = Recorder::start(BEGIN_MS, &["--port", &port]);
    let line = Line::to(server.port, Rules::default());
    let mut station = Station::running(&undated(&format!("rtsp://127.0.0.1:{}/plain", line.port)));
    let key = format!("net@127.0.0.1:{}", line.port);
    station.until("it waits at the gate", |s| s.status()["at_the_gate"][0]["device"] == key.as_str());
    station.json(["recorders", "approve", &key]);
    station
        .until("some of it is durable", |s| !s.query("SELECT 1 FROM segment WHERE length_ms >= 2000", &[]).is_empty());
    // The stay is cut short, and the next one goes on where it was.
    line.set(|r| r.closed = true);
    station.until("it has gone", |s| s.query("SELECT 1 FROM dock WHERE closed_ms IS NULL", &[]).is_empty());
    line.set(|r| r.closed = false);
    station.until_safe(BAY);
    let listed = |s: &Station| s.query("SELECT item, state FROM listed ORDER BY listed_id", &[]);
    assert_eq!(listed(&station).len(), 1, "{:?}", listed(&station));
    let all = clips(&station);
    assert!(all.len() >= 2, "{all:?}");
    let records: Vec<Value> = all.iter().map(|clip| record(&mut station, clip)).collect();
    for record in &records {
        assert_eq!((&record["device_id"], &record["recording"]["listed"]["missing_ms"]), (&"wifi-1".into(), &0.into()));
        assert!(record["missing"].as_array().unwrap().contains(&"captured_start".into()), "{}", record["missing"]);
    }
    let read =
        |station: &Station, clip: &String| pictures(&std::fs::read(station.in_vault(clip).unwrap()).unwrap()).len();
    let came: usize = all.iter().map(|clip| read(&station, clip)).sum();
    let twice: i64 =
        records.iter().flat_map(|r| gaps(r, "again")).map(|g| g["missing_ms"].as_i64().unwrap() / 40).sum();
    assert!((came as i64 - twice - PICTURES as i64).abs() <= 2, "{came} pictures, {twice} of them twice");

    // The station is stopped and started, and the recorder has what it had: it may go as soon as that is known.
    station.stop();
    station.start();
    station.until_safe(BAY);
    assert_eq!((listed(&station).len(), clips(&station).len()), (1, all.len()), "nothing is fetched twice");

    // Other footage of the same length: all of it comes, however alike the list is.
    station.stop();
    drop(server);
    let other = Recorder::of("h264-aac-other", SECONDS, BEGIN_MS, &["--port", &port]);
    station.start();
    station.until("it is other footage", |s| listed(s).len() == 2 && !s.is_safe(BAY));
    station.until_safe(BAY);
    let now = listed(&station);
    assert!(now.iter().all(|row| row[1] == "whole") && now[0][0] != now[1][0], "{now:?}");
    assert_eq!(clips(&station).len(), all.len() + 1);

    // What was there first comes back: it is known from before.
    station.stop();
    drop(other);
    let _first = Recorder::of("h264-aac", SECONDS, BEGIN_MS, &["--port", &port]);
    station.start();
    station.until_safe(BAY);
    assert_eq!((listed(&station).len(), clips(&station).len()), (2, all.len() + 1));
    station.assert_vault_is_whole();
}

#[test]
fn footage_without_a_date_that_went_on_is_fetched_from_where_it_ended() {
    let port = free_ports::<1>()[0].to_string();
    let server = Recorder::of("h264-aac", 8, BEGIN_MS, &["--port", &port]);
    let mut station = Station::running(&undated(&format!("rtsp://127.0.0.1:{port}/plain")));
    let key = format!("net@127.0.0.1:{port}");
    station.until("it waits at the gate", |s| s.status()["at_the_gate"][0]["device"] == key.as_str());
    station.json(["recorders", "approve", &key]);
    station.until_safe(BAY);
    station.stop();
    drop(server);
    let _longer = Recorder::of("h264-aac", SECONDS, BEGIN_MS, &["--port", &port]);
    station.start();
    station.until("the rest is asked for", |s| clips(s).len() == 2);
    station.until_safe(BAY);
    let all = clips(&station);
    let second = record(&mut station, &all[1]);
    assert_eq!(station.one("SELECT count(*) FROM listed", &[]), "1");
    assert_eq!(second["recording"]["segment_no"], 2);
    let length = second["duration_ms"].as_i64().unwrap();
    assert!((4_000..6_000).contains(&length), "the rest, from the key frame before: {length} ms");
}
