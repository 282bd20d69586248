//! Looks by the command line are in the log, whether the daemon runs or not, and by way of the bucket as well; where they
//! cannot be, nothing is shown.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs::{self, File};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use support::footage;
use support::station::{Station, dsj, files_below, folder, text};

const CASE: &str = "赵卫罚〔2026〕12号";

/// Entries of a kind, oldest first.
fn entries(station: &Station, kind: &str) -> Vec<Value> {
    let rows = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = ?1 ORDER BY seq", &[&kind]);
    rows.iter().map(|row| serde_json::from_str(&row[0]).unwrap()).collect()
}

fn count(station: &Station) -> String {
    station.one("SELECT count(*) FROM log_entry", &[])
}

/// A station with one clip of the case, which stands in a folder, too.
fn station() -> (Station, String) {
    let mut station = Station::new("");
    station.configure(&folder("cloud", station.path("far").to_str().unwrap()));
    station.start();
    station.card("a").file(dsj("36NCC009910", "091200"), footage(90_000, 1), 90);
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    station.until_proven(1);
    (station, clip)
}

#[test]
fn a_look_by_way_of_the_bucket_is_in_the_station_s_log() {
    let (station, clip) = station();
    let before = entries(&station, "access.search").len();
    assert_eq!(station.json(["find", "--case", CASE, "--from", "cloud"])[0]["record_id"], clip.as_str());
    station.json(["verify", "--case", CASE, "--from", "cloud"]);
    let to = station.path("fetched");
    station.json(["fetch", "--case", CASE, "--from", "cloud", "--to", to.to_str().unwrap()]);
    let searches = entries(&station, "access.search");
    assert_eq!(searches.len(), before + 3, "{searches:?}");
    for entry in &searches[before..] {
        assert_eq!((&entry["via"], &entry["actor"]["kind"]), (&"cli".into(), &"os".into()), "{entry}");
        assert!(entry["case"].is_string() && entry["body"]["terms"]["h"].is_string(), "{entry}");
    }
    let views = entries(&station, "access.view");
    assert_eq!(views.len(), 1, "{views:?}");
    assert_eq!((&views[0]["clip"], &views[0]["body"]["what"]), (&clip.as_str().into(), &"download".into()));
}

#[test]
fn a_look_at_a_stopped_station_is_in_its_log_or_is_not_had() {
    let (mut station, clip) = station();
    station.stop();
    assert_eq!(station.json(["show", &clip])["record_id"], clip.as_str());
    assert_eq!(station.find(CASE).len(), 1);
    let shown = entries(&station, "access.show").pop().unwrap();
    assert_eq!(
        (&shown["clip"], &shown["via"], &shown["from"]),
        (&clip.as_str().into(), &"cli".into(), &"local".into())
    );
    let us = rustix::process::getuid().as_raw().to_string();
    assert_eq!(shown["actor"], serde_json::json!({ "kind": "os", "id": us }), "{shown}");
    assert_eq!(entries(&station, "access.search").pop().unwrap()["body"]["what"], "find");
    // Judging the log shows nothing of anybody, and leaves no trace in what it judges.
    let before = count(&station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    assert_eq!(count(&station), before);

    // Somebody holds the database, and no daemon answers: nobody can tell the log.
    let lock = File::options().write(true).open(station.path("state/evidock.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let to = station.path("fetched");
    let fetch = ["fetch", "--case", CASE, "--from", "cloud", "--to", to.to_str().unwrap()];
    let (shown, error) = station.refused(5, ["show", &clip]);
    assert!(shown.is_null() && error.contains("nothing is shown"), "{error}");
    station.refused(5, fetch);
    assert!(files_below(&to).iter().all(|f| f.extension().is_none_or(|e| e != "mp4")), "{:?}", files_below(&to));
    assert_eq!(count(&station), before);
    drop(lock);
    station.json(fetch);
    assert_eq!(entries(&station, "access.view").len(), 1);

    // It goes on from there, whole.
    station.start();
    station.json(["checkpoint"]);
    let report = station.json(["log", "verify"]);
    assert_eq!((&report["intact"], &report["clip_problem_count"]), (&true.into(), &0.into()), "{report}");
    fs::remove_dir_all(to).unwrap();
}

/// Looks at lists, with the lists' names sealed.
fn lists(station: &Station) -> usize {
    entries(station, "access.search").iter().filter(|e| e["body"]["what"] == "list" && e["via"] == "cli").count()
}

/// Runs a verb; how it ended, its JSON where there is some, and what it said.
fn run(station: &Station, verb: &[&str]) -> (Option<i32>, Value, String) {
    let output = station.evidock(verb.iter().copied().chain(["--json"]));
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), told, text(&output.stderr))
}

#[test]
fn holds_and_lists_of_disposal_are_shown_to_nobody_unseen() {
    let (mut station, clip) = station();
    station.json(["hold", &clip, "--reason", "行政诉讼"]);
    let shown: [&[&str]; 3] = [&["holds"], &["dispose", "due"], &["dispose", "list"]];
    for running in [true, false] {
        if !running {
            station.stop();
        }
        for verb in shown {
            let before = lists(&station);
            let (code, told, error) = run(&station, verb);
            assert_eq!(code, Some(0), "{verb:?}: {error}");
            assert!(verb[0] != "holds" || told["holds"][0]["clip"] == clip.as_str(), "{told}");
            assert_eq!(lists(&station), before + 1, "{verb:?}");
        }
        // Whoever asks for a list that there is not has asked.
        let before = lists(&station);
        assert_ne!(run(&station, &["dispose", "list", "7"]).0, Some(0));
        assert_eq!(lists(&station), before + 1);
    }
    let lock = File::options().write(true).open(station.path("state/evidock.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let before = count(&station);
    for verb in shown {
        let (code, told, error) = run(&station, verb);
        assert!(code == Some(5) && told.is_null() && error.contains("nothing is shown"), "{verb:?}: {error}");
    }
    assert_eq!(count(&station), before);
}

#[test]
fn registers_rules_and_the_desk_are_shown_to_nobody_unseen() {
    let (mut station, _) = station();
    let party = station.path("parties.csv");
    fs::write(&party, "当事人,统一社会信用代码\n赵县某饭店,92130133MA0ABCDE1X\n").unwrap();
    station.json(["register", "import", "party", party.to_str().unwrap()]);
    station.json(["desk", "issue", "36NCC009910", "张三", "--case", CASE]);
    let searches = |what: &str| {
        entries(&station, "access.search").iter().filter(|e| e["body"]["what"] == what && e["via"] == "cli").count()
    };
    let shown: [(&[&str], &str); 8] = [
        (&["register", "list", "case"], "search"),
        (&["register", "list", "party", "--find", "饭店"], "search"),
        (&["register", "list", "officer"], "search"),
        (&["register", "imports"], "list"),
        (&["roster", "imports"], "list"),
        (&["rules", "try"], "list"),
        (&["desk", "list"], "list"),
        (&["desk", "list", "--overdue"], "list"),
    ];
    for (verb, what) in shown {
        let before = searches(what);
        let (code, _, error) = run(&station, verb);
        assert_eq!(code, Some(0), "{verb:?}: {error}");
        assert_eq!(searches(what), before + 1, "{verb:?}");
    }
    // What was looked for is committed, not told.
    let told = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.search'", &[]);
    assert!(told.iter().all(|row| !row[0].contains("饭店")));
    let rooms = || entries(&station, "access.search").iter().filter(|e| e["body"]["what"] == "room").count();
    let before = rooms();
    assert_eq!(run(&station, &["record", "list"]).0, Some(0));
    assert_eq!(rooms(), before + 1);

    station.stop();
    let lock = File::options().write(true).open(station.path("state/evidock.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let before = count(&station);
    // Each waits for the lock for a while.
    std::thread::scope(|all| {
        for (verb, _) in shown {
            let station = &station;
            all.spawn(move || {
                let output = station.evidock(verb.iter().copied());
                let error = text(&output.stderr);
                assert!(output.status.code() == Some(5) && output.stdout.is_empty(), "{verb:?}: {error}");
                assert!(error.contains("nothing is shown"), "{verb:?}: {error}");
            });
        }
    });
    assert_eq!(count(&station), before);
}

#[test]
fn rooms_and_what_a_clip_is_called_are_shown_to_nobody_unseen() {
    let (station, clip) = station();
    let browser = Browser::new(&station.page());
    let rooms = || entries(&station, "access.search").iter().filter(|e| e["body"]["what"] == "room").count();
    assert_eq!(rooms(), 0);
    // They stand open and are asked for again and again: one entry for the page and one for programs at most, for a while.
    for path in ["/rooms", "/rooms", "/api/v1/rooms", "/api/v1/rooms"] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
    let seen = rooms();
    assert!((1..=2).contains(&seen), "{seen}");

    // Name, length and digest of a clip are no free answer either.
    let head = || browser.send("HEAD", &format!("/clips/{clip}/media"), &[], b"");
    let shown = entries(&station, "access.show").len();
    let told = head();
    assert_eq!((told.status, told.body.len(), told.header("etag").is_some()), (200, 0, true), "{}", told.head);
    assert_eq!(entries(&station, "access.show").len(), shown + 1);
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    db.execute_batch(
        "CREATE TRIGGER no_more BEFORE INSERT ON log_entry BEGIN SELECT RAISE(ABORT, 'the log is full'); END",
    )
    .unwrap();
    let told = head();
    assert_eq!((told.status, told.header("etag")), (503, None), "{}", told.head);
    db.execute_batch("DROP TRIGGER no_more").unwrap();
    assert_eq!(head().status, 200);
}

#[test]
fn no_way_to_the_footage_is_open_while_the_log_is_shut() {
    let (mut station, clip) = station();
    let browser = Browser::new(&station.page());
    let body = serde_json::json!({ "case_no": CASE, "reason": "行政诉讼举证", "basis": "调取证据通知书", "target": "browser" });
    let json = [("content-type", "application/json")];
    let asked = browser.send("POST", "/api/v1/exports", &json, body.to_string().as_bytes());
    assert_eq!(asked.status, 202, "{}", asked.text());
    let package = asked.json()["package"].as_str().unwrap().to_owned();
    station.until("the package is ready", |s| {
        s.one("SELECT state FROM export WHERE package = ?1", &[&package]) == "ready"
    });
    let case = format!("/cases/{}", percent_encoding::utf8_percent_encode(CASE, percent_encoding::NON_ALPHANUMERIC));
    let of_clip = ["", "/media", "/sheet", "/preview/0", "/events/1"].map(|what| format!("/clips/{clip}{what}"));
    let of_case = ["", "/filing", "/together", "/export"].map(|what| format!("{case}{what}"));
    let lists = [
        "/clips",
        "/cases",
        "/triage",
        "/keeping",
        "/reports",
        "/exports",
        "/review",
        "/sampling",
        "/parties",
        "/log",
        "/rooms",
        "/elsewhere?q=x",
        "/api/v1/clips",
    ];
    let mut paths: Vec<String> = lists.iter().map(|path| (*path).to_owned()).collect();
    paths.extend(of_clip.into_iter().chain(of_case));
    paths.extend([format!("/exports/{package}"), format!("/exports/{package}/zip")]);
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    db.execute_batch(
        "CREATE TRIGGER no_more BEFORE INSERT ON log_entry BEGIN SELECT RAISE(ABORT, 'the log is full'); END",
    )
    .unwrap();
    for path in &paths {
        assert_eq!(browser.get(path).status, 503, "{path}");
    }
    db.execute_batch("DROP TRIGGER no_more").unwrap();
    for path in &paths {
        assert_ne!(browser.get(path).status, 503, "{path}");
    }
}
