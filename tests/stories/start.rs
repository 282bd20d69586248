//! How the real program starts, or says why it does not: wrong configuration, a newer database, a second daemon.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;
use std::os::unix::fs::FileExt;

use support::footage;
use support::station::{Station, dsj, text};

/// Starts a daemon that must not come up, and gives its exit code and what it said.
fn refused(station: &mut Station) -> (Option<i32>, String) {
    fs::remove_file(station.path("daemon.log")).ok();
    station.launch();
    (station.ended().code(), station.log())
}

#[test]
fn a_wrong_configuration_is_one_message_and_exit_code_2() {
    let mut station = Station::new("[upload]\n");
    for (wrong, words) in [
        ("[uploads]\n", "uploads"),
        ("[media]\nworkerz = 2\n", "did you mean `workers`"),
        ("[media]\nworkers = 99\n", "must be 1 to 16"),
        ("[[destination]]\nname = \"x\"\nkind = \"s3\"\nendpoint = \"https://h\"\n", "bucket"),
    ] {
        station.configure(wrong);
        let (code, said) = refused(&mut station);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && said.contains("evidock.toml:"), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        let (_, verb) = station.refused(2, ["status"]);
        assert!(verb.contains(words), "{verb}");
    }
    assert!(!station.path("state").exists(), "nothing was made");
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_as_it_is() {
    let mut station = Station::running("");
    station.stop();
    let path = station.path("state/evidock.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.close().unwrap();
    let before = fs::read(&path).unwrap();
    let (code, said) = refused(&mut station);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("newer") && said.contains("1000"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let (_, said) = station.refused(1, ["status"]);
    assert!(said.contains("newer"), "{said}");
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_the_first_works_on() {
    let mut station = Station::running("");
    let output = station.evidock(["run"]);
    let said = support::station::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another evidock") && said.contains(&station.pid().to_string()), "{said}");
    station.card("a").file(dsj("36NCC009910", "091200"), footage(5000, 1), 60);
    station.dock("a");
    station.until_proven(1);
    // A killed daemon leaves its lock and its socket behind; neither keeps the next one out.
    station.kill();
    let (status, said) = station.refused(5, ["status"]);
    assert_eq!(status["running"], false, "{said}");
    station.start();
    station.until_safe("a");
    station.until_proven(1);
    station.stop();
    assert!(!station.path("state/evidock.sock").exists());
    // Nobody pulled the recorder, whichever way the daemon ended.
    station.start();
    station.until_safe("a");
    let closed = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'dock.closed'";
    let reasons = station.query(closed, &[]);
    assert_eq!(reasons.len(), 2);
    assert!(reasons.iter().all(|row| row[0].contains("restart")), "{reasons:?}");
    station.undock("a");
    assert!(station.query(closed, &[])[2][0].contains("pulled"));
}

/// The page of the database in which an entry of the log stands, and where the entry begins in it.
fn page_of(station: &Station, seq: i64) -> (u64, Vec<u8>, usize) {
    let path = station.path("state/evidock.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    // What stands beside the file is written into it.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let entry: Vec<u8> = db.query_row("SELECT bytes FROM log_entry WHERE seq = ?1", [seq], |r| r.get(0)).unwrap();
    let size: usize = db.query_row("PRAGMA page_size", [], |r| r.get::<_, i64>(0)).unwrap() as usize;
    drop(db);
    let file = fs::read(path).unwrap();
    let found: Vec<usize> = (0..file.len() - entry.len()).filter(|at| file[*at..].starts_with(&entry)).collect();
    let page = found[0] / size * size;
    assert!(found.len() == 1 && found[0] + entry.len() <= page + size, "it stands once, and in one page: {found:?}");
    (page as u64, file[page..page + size].to_vec(), found[0] - page)
}

#[test]
fn no_start_reads_the_old_log() {
    let mut station = Station::running("");
    let browser = Browser::new(&station.page());
    for n in 0..240 {
        assert_eq!(browser.get(&format!("/clips?q={n}")).status, 200);
    }
    station.stop();
    let last: i64 = station.one("SELECT max(seq) FROM log_entry", &[]).parse().unwrap();
    assert!(last > 240, "each search has its entry: {last}");
    let (at, page, begin) = page_of(&station, last / 2);
    let write = |station: &Station, bytes: &[u8]| {
        let db = fs::File::options().write(true).open(station.path("state/evidock.db")).unwrap();
        db.write_all_at(bytes, at).unwrap();
    };
    // Whoever reads there comes no further.
    write(&station, &vec![0x5a; page.len()]);
    let output = station.evidock(["log", "verify", "--json"]);
    assert!(!output.status.success(), "{}", text(&output.stdout));

    // The daemon starts, takes in, and adds to the log, all the same.
    station.start();
    station.card("a").file(dsj("36NCC009910", "091200"), footage(5000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    station.json(["checkpoint"]);
    station.stop();
    let output = station.evidock(["log", "verify", "--json"]);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    // One bit of one old entry: no start sees that either, and whoever verifies does.
    let mut changed = page;
    changed[begin + 20] ^= 1;
    write(&station, &changed);
    station.start();
    station.stop();
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["intact"], false, "{report}");
    changed[begin + 20] ^= 1;
    write(&station, &changed);
    assert_eq!(station.json(["log", "verify"])["intact"], true, "nothing else was wrong");
}

#[test]
fn nothing_is_called_safe_to_remove_while_nobody_looks() {
    let mut station = Station::running("");
    station.card("a").file("DCIM/a.mp4", "footage", 60);
    station.dock("a");
    station.until_safe("a");
    station.stop();
    let (status, words) = station.refused(5, ["status"]);
    assert_eq!(status["docked"][0]["bay"], "a", "{status}");
    assert_eq!(status["docked"][0]["safe_to_remove"], false, "{status}");
    assert!(words.contains("not running"), "{words}");
}
