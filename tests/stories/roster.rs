//! `[casework] roster` in the real daemon: a file that is imported by itself whenever it changes.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;

use support::station::{Station, dsj};

const HEAD: &str = "officer,recorder,from,to,case,place,matter\n";

fn row(officer: &str, case: &str) -> String {
    format!("{officer},36NCC009910,2026-01-01 00:00,2026-12-31 23:59,{case},东关街18号,现场检查\n")
}

fn imports(station: &Station) -> String {
    station.one("SELECT count(*) FROM log_entry WHERE kind = 'register.roster'", &[])
}

fn said_last(station: &Station) -> String {
    station.log().lines().rfind(|l| l.contains("roster")).unwrap_or_default().to_owned()
}

#[test]
fn the_configured_roster_is_imported_whenever_it_changes() {
    let mut station = Station::running("[casework]\nroster = \"officers.csv\"\n");
    let file = station.path("officers.csv");
    station.until("that it is not there is said", |s| s.log().contains("there is no file"));
    station.card("1").file(dsj("36NCC009910", "090211"), "footage", 60);
    station.dock("1");
    station.until_safe("1");
    let clip = station.clip(dsj("36NCC009910", "090211"));
    assert_ne!(station.record(&clip)["officer"], "采集人甲");

    fs::write(&file, format!("{HEAD}{}", row("采集人甲", "赵卫罚〔2026〕12号"))).unwrap();
    station.until("the clip is linked", |s| s.find("赵卫罚[2026]12号").len() == 1);
    assert_eq!(station.record(&clip)["officer"], "采集人甲");
    let event = station.one("SELECT bytes FROM log_entry WHERE kind = 'register.roster'", &[]);
    assert!(event.contains("daemon") && !event.contains("采集人"), "{event}");

    // A mistake imports nothing, is said without naming anybody, and is forgotten when it is mended.
    fs::write(&file, format!("{HEAD}{}采集人丙,1,whenever,2026-12-31,,,\n", row("采集人乙", ""))).unwrap();
    station.until("the mistake is said", |s| said_last(s).contains("roster_wrong"));
    assert!(!said_last(&station).contains("采集人"), "{}", said_last(&station));
    assert_eq!(imports(&station), "1");
    fs::write(&file, format!("{HEAD}{}", row("采集人乙", "赵卫罚〔2026〕12号"))).unwrap();
    station.until("the change is imported", |s| s.record(&clip)["officer"] == "采集人乙");
    station.until("it is well again", |s| said_last(s).contains("is well"));

    // A file that vanished changes nothing; the same file after a restart, neither.
    fs::remove_file(&file).unwrap();
    station.until("it is missed", |s| said_last(s).contains("roster_missing"));
    assert_eq!(station.record(&clip)["officer"], "采集人乙");
    fs::write(&file, format!("{HEAD}{}", row("采集人乙", "赵卫罚〔2026〕12号"))).unwrap();
    station.until("it is well again", |s| said_last(s).contains("is well"));
    station.stop();
    fs::remove_file(station.path("daemon.log")).unwrap();
    station.start();
    station.until("it was read again", |s| s.log().contains("the roster was read"));
    assert_eq!(imports(&station), "2", "the same rows are not imported again");
    assert_eq!(station.one("SELECT count(*) FROM roster", &[]), "1");
}
