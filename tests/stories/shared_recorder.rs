//! One recorder, two shifts, and a clock that lost its power and stands at the year 2000, or that is forty minutes ahead: nothing
//! is given to the wrong officer or case by itself. What is unsure waits with its reason, and a person who says when it was decides whose it is.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs::{self, File};
use std::time::SystemTime;

use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use serde_json::Value;
use support::footage;
use support::station::{Station, text};

const RECORDER: &str = "36NCC009910";
/// The early shift's case and the late shift's.
const EARLY: &str = "赵卫罚〔2026〕12号";
const LATE: &str = "赵卫罚〔2026〕13号";
/// What the recorder says of whoever carries it: the number of the early shift's officer, burned in long ago.
const BURNED: &str = "110203";

fn now() -> Zoned {
    SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap())
}

fn later(seconds: i64) -> Zoned {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// A name as the recorder gives it at this time of the first day of 2000, and the file's age to match: seconds before the
/// day on which [`support::station::Card::file`] dates what is of age 0.
fn in_2000(time: &str, minute: u64) -> (String, u64) {
    let path = format!("DCIM/VIDEO/2000-01-01/DSJ_{RECORDER}_{BURNED}_20000101_{time}.mp4");
    // 2026-06-19 10:00 less 2000-01-01 00:00, both in Shanghai.
    (path, 1_781_834_400 - 946_656_000 - 60 * minute)
}

fn import(station: &Station, register: &str, table: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, table).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

/// Two officers with a case each at one place, and a roster with both shifts.
fn station() -> Station {
    let station = Station::running("");
    import(&station, "officer", "姓名,警号,单位\n张三,110203,执法一科\n李四,110204,执法一科\n");
    let opened = now().strftime("%Y-%m-%d").to_string();
    import(
        &station,
        "case",
        &format!("案件编号,承办人,地点,立案日期\n{EARLY},张三,东关街18号,{opened}\n{LATE},李四,东关街20号,{opened}\n"),
    );
    let at = |seconds: i64| later(seconds).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let roster = station.path("roster.csv");
    fs::write(
        &roster,
        format!(
            "officer,recorder,from,to,case,place,matter,proves\n\
             张三,{RECORDER},{},{},{EARLY},东关街18号,现场检查,现场全貌\n李四,{RECORDER},{},{},{LATE},东关街20号,现场检查,现场全貌\n",
            at(-8 * 3600),
            at(-4 * 3600),
            at(-4 * 3600),
            at(4 * 3600)
        ),
    )
    .unwrap();
    station.json(["roster", "import", roster.to_str().unwrap()]);
    station
}

/// Waits until the rules have looked at everything.
fn looked_at(station: &mut Station, clips: usize) {
    station.until("the rules have looked at every clip", |s| {
        let seen = "SELECT 1 FROM clip c JOIN media m USING (clip_id) WHERE record_stale = 0 AND local = 'sealed'";
        s.query(seen, &[]).len() == clips
    });
}

fn waiting(station: &Station) -> Vec<Value> {
    station.json(["triage", "list"])["clips"].as_array().unwrap().clone()
}

/// Nothing is said of this clip that nobody knows, it waits for a person, and says why.
fn is_nobodys(station: &Station, clip: &str) {
    let record = station.record(clip);
    for field in ["officer", "officer_cert_no", "case_no", "place", "captured_start"] {
        assert!(record[field].is_null(), "{field}: {record}");
    }
    assert_eq!(record["cases"].as_array().unwrap().len(), 0, "{record}");
    let raw = record["captured_raw"].as_str().unwrap();
    assert!(raw.starts_with("20000101_"), "what the recorder said is kept: {raw}");
    let waiting = waiting(station);
    let card = waiting.iter().find(|c| c["clip"] == clip).unwrap_or_else(|| panic!("{clip} waits: {waiting:?}"));
    assert_eq!(card["suggestions"].as_array().unwrap().len(), 0, "{card}");
    let notes: Vec<&str> = card["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert!(notes.iter().any(|n| n.starts_with("file_name 20000101_") && n.ends_with(": clock_unset")), "{notes:?}");
    assert!(notes.contains(&"file_name 110203: whose_unknown"), "{notes:?}");
}

#[test]
fn two_shifts_in_one_dock_are_nobodys_until_a_person_says_when() {
    let mut station = station();
    // Battery out between the shifts: the clock begins again, and the second shift's times lie among the first one's.
    let times = [("000105", 1), ("091000", 550), ("091200", 552), ("091500", 555)];
    let card = station.card("3号口");
    for (n, (time, minute)) in times.iter().enumerate() {
        let (path, age) = in_2000(time, *minute);
        card.file(&path, footage(40_000 + n, n as u64 + 1), age);
    }
    station.json(["desk", "issue", RECORDER, "张三", "--case", EARLY, "--place", "东关街18号"]);
    let early = later(1);
    station.until("the early shift has lasted two seconds", |_| {
        now() > early.checked_add(SignedDuration::from_secs(1)).unwrap()
    });
    station.json(["desk", "return", RECORDER]);
    station.json(["desk", "issue", RECORDER, "李四", "--case", LATE, "--place", "东关街20号"]);
    let late = later(1);
    station.dock("3号口");
    station.until_safe("3号口");
    looked_at(&mut station, 4);
    let clips = times.map(|(time, _)| station.clip(format!("20000101_{time}.mp4")));
    for clip in &clips {
        is_nobodys(&station, clip);
    }
    assert!(station.find(EARLY).is_empty() && station.find(LATE).is_empty());
    let tried = station.json(["rules", "try"]);
    assert_eq!((&tried["clips"], &tried["links"], &tried["suggestions"]), (&4.into(), &0.into(), &0.into()), "{tried}");
    assert_eq!(station.json(["triage", "list"])["total"], 4);

    // Neither officer's list has them; whoever keeps the archive sees them, with the reason, in words.
    station.json(["user", "first", "boss"]);
    let person = |words: &[&str]| {
        let output = station.evidock(["user", "add"].iter().chain(words).copied().chain(["--json"]));
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        Browser::begin(&station.page(), words[0], made["password"].as_str().unwrap(), "a sentence of mine")
    };
    let zhang = person(&["zhang", "--role", "officer", "--officer", "张三,110203"]);
    let li = person(&["li", "--role", "officer", "--officer", "李四,110204"]);
    let listed = |browser: &Browser| browser.get("/api/v1/clips").json()["items"].as_array().unwrap().len();
    assert_eq!((listed(&zhang), listed(&li)), (0, 0));
    let archivist = person(&["dang", "--role", "archivist"]);
    let page = archivist.get("/triage").text();
    assert!(page.contains("记录仪时钟没有校准") && page.contains("由多人领用"), "{page}");

    // A person says when: desk and roster say the rest, for this clip and no other.
    let time = |at: &Zoned| format!("captured_start={}", at.strftime("%Y-%m-%d %H:%M:%S"));
    station.json(["annotate", &clips[1], &time(&early)]);
    station.until("it is the early shift's", |s| s.record(&clips[1])["case_no"] == EARLY);
    let record = station.record(&clips[1]);
    assert_eq!((&record["officer"], &record["origins"]["officer"]["origin"]), (&"张三".into(), &"issue".into()));
    assert_eq!((&record["place"], &record["cases"][0]["origin"]), (&"东关街18号".into(), &"issue".into()));
    station.json(["annotate", &clips[2], &time(&late)]);
    station.until("it is the late shift's", |s| s.record(&clips[2])["case_no"] == LATE);
    assert_eq!(station.record(&clips[2])["officer"], "李四");
    // That its neighbours on the card are known says nothing about the others: nobody knows whose neighbours they are.
    let refused = station.evidock(["triage", "accept", &clips[0], "--outing", "--json"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("name the case"), "{}", text(&refused.stderr));
    looked_at(&mut station, 4);
    for clip in [&clips[0], &clips[3]] {
        is_nobodys(&station, clip);
    }
    assert_eq!((station.find(EARLY).len(), station.find(LATE).len()), (1, 1));
    assert_eq!((listed(&zhang), listed(&li)), (1, 1));

    // Who names a case for one of them names it for that one alone, though it says the whole outing.
    let done = station.json(["triage", "accept", &clips[0], "--case", EARLY, "--outing"]);
    assert_eq!(done["clips"], Value::Array(vec![clips[0].as_str().into()]));
    looked_at(&mut station, 4);
    is_nobodys(&station, &clips[3]);
}

#[test]
fn shifts_that_dock_one_after_another_with_the_same_names_are_kept_apart() {
    let mut station = station();
    let (path, age) = in_2000("090000", 540);
    let shift = |station: &mut Station, bay: &str, officer: &str, case: &str, seed: u64| {
        station.json(["desk", "issue", RECORDER, officer, "--case", case]);
        station.card(bay).file(&path, footage(40_000, seed), age);
        station.dock(bay);
        station.until_safe(bay);
        station.json(["desk", "return", RECORDER]);
        station.undock(bay);
    };
    shift(&mut station, "1", "张三", EARLY, 1);
    shift(&mut station, "2", "李四", LATE, 2);
    // The same name, size and time, and other footage: two clips, neither of which covers the other.
    looked_at(&mut station, 2);
    let clips = station.clips("20000101_090000.mp4");
    assert_eq!(clips.len(), 2);
    for clip in &clips {
        is_nobodys(&station, clip);
    }
    assert!(station.find(EARLY).is_empty() && station.find(LATE).is_empty());

    // Whoever remembers names officer and case. What a person said, no later word of the desk or the roster moves.
    station.json(["annotate", &clips[0], "officer=张三"]);
    station.json(["link", &clips[0], EARLY]);
    station.json(["desk", "issue", RECORDER, "李四", "--case", LATE]);
    looked_at(&mut station, 2);
    let record = station.record(&clips[0]);
    assert_eq!((&record["officer"], &record["case_no"]), (&"张三".into(), &EARLY.into()));
    is_nobodys(&station, &clips[1]);
}

#[test]
fn a_clock_that_is_forty_minutes_ahead_gives_no_shift_the_other_one_s_clip() {
    const AHEAD_S: i64 = 40 * 60;
    /// Twenty minutes before the shifts changed, in the middle of the late one, and just now.
    const CAPTURED_S: [i64; 3] = [-4 * 3600 - 1_200, -2 * 3600, -300];
    let mut station = station();
    let card = station.card("3号口");
    let names = CAPTURED_S.map(|at| later(at + AHEAD_S).strftime("%Y%m%d_%H%M%S").to_string());
    for (n, (name, at)) in names.iter().zip(CAPTURED_S).enumerate() {
        let path = format!("DCIM/VIDEO/{}/DSJ_{RECORDER}_{BURNED}_{name}.mp4", &name[..8]);
        card.file(&path, footage(40_000 + n, n as u64 + 1), 0);
        let written = SystemTime::from(later(at + AHEAD_S).timestamp());
        File::options().write(true).open(card.path(&path)).unwrap().set_modified(written).unwrap();
    }
    station.dock("3号口");
    station.until_safe("3号口");
    looked_at(&mut station, 3);
    let clips = names.clone().map(|name| station.clip(format!("{name}.mp4")));
    let waiting = waiting(&station);
    for (n, clip) in clips.iter().enumerate() {
        let record = station.record(clip);
        for field in ["officer", "case_no", "place"] {
            assert!(record[field].is_null(), "{field}: {record}");
        }
        assert_eq!(
            (&record["captured_raw"], record["cases"].as_array().unwrap().len()),
            (&names[n].as_str().into(), 0)
        );
        assert!(record["captured_start"].is_string(), "its own time stands");
        assert!(record["clock_offset_ms"].as_i64().unwrap() > 1_800_000, "and beside it what it was off: {record}");
        let card = waiting.iter().find(|c| c["clip"] == clip.as_str()).unwrap();
        assert_eq!(card["suggestions"].as_array().unwrap().len(), 0, "{card}");
        let why = if n == 2 { "later_than_dock" } else { "clock_off" };
        let notes = card["notes"].as_array().unwrap();
        assert!(notes.contains(&format!("file_name {}: {why}", names[n]).into()), "{card}");
        assert!(notes.contains(&"file_name 110203: whose_unknown".into()), "{card}");
    }
    assert!(station.find(EARLY).is_empty() && station.find(LATE).is_empty());

    // A person says when: the roster says the rest.
    for (clip, at, officer, case) in
        [(&clips[0], CAPTURED_S[0], "张三", EARLY), (&clips[1], CAPTURED_S[1], "李四", LATE)]
    {
        let when = later(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
        station.json(["annotate", clip, &format!("captured_start={when}")]);
        station.until("it is that shift's", |s| s.record(clip)["case_no"] == case);
        assert_eq!(station.record(clip)["officer"], officer);
    }
    looked_at(&mut station, 3);
    assert!(station.record(&clips[2])["officer"].is_null(), "nothing is made of it for the others");
}
