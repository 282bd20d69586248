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

/// A unit that exports `roster.csv` each week: last week's clips keep what last week's sheet said, corrections of a shift
/// count, and what was imported by mistake goes by its name.
#[test]
fn next_week_s_sheet_takes_nothing_from_last_week_s_clips() {
    let mut station = Station::running("");
    let file = station.path("roster.csv");
    let file = file.to_str().unwrap();
    let sheet = |rows: &[(&str, &str, &str)]| {
        let line = |(officer, day, place): &(&str, &str, &str)| {
            format!("{officer},36NCC009910,2026-06-{day} 08:00,2026-06-{day} 18:00,,{place},\n")
        };
        fs::write(file, HEAD.to_owned() + &rows.iter().map(line).collect::<String>()).unwrap();
    };
    let import = |s: &Station| s.json(["roster", "import", file]);
    station.card("1").file(dsj("36NCC009910", "090211"), "footage", 60);
    station.dock("1");
    station.until_safe("1");
    let clip = station.clip(dsj("36NCC009910", "090211"));
    let says = |s: &Station| {
        let record = s.record(&clip);
        ["officer", "place"].map(|f| record[f].as_str().unwrap_or_default().to_owned())
    };

    // The clip's week, and the next one under the same name.
    sheet(&[("采集人甲", "18", "西街3号"), ("采集人甲", "19", "东关街18号")]);
    assert_eq!((import(&station)["replaced"].clone(), import(&station)["changed"].clone()), (0.into(), false.into()));
    station.until("last week's sheet is followed", |s| says(s) == ["采集人甲", "东关街18号"]);
    sheet(&[("采集人乙", "25", "北街1号"), ("采集人乙", "26", "北街1号")]);
    let told = station.json(["roster", "import", "--dry-run", file]);
    assert_eq!((&told["replaced"], &told["changed"]), (&0.into(), &true.into()));
    import(&station);
    assert_eq!(station.one("SELECT count(*) FROM roster", &[]), "4", "last week stays");
    // Judged again, it loses nothing.
    station.json(["annotate", &clip, "proves=经营场所未公示许可证"]);
    station.until("it was judged again", |s| s.record(&clip)["proves"] == "经营场所未公示许可证");
    assert_eq!(says(&station), ["采集人甲", "东关街18号"]);

    // Last week's sheet corrected: the shift in it counts, and next week's stays.
    sheet(&[("采集人甲", "18", "西街3号"), ("采集人丙", "19", "东关街20号")]);
    assert_eq!(import(&station)["replaced"], 1);
    station.until("the correction is followed", |s| says(s) == ["采集人丙", "东关街20号"]);
    assert_eq!(station.one("SELECT count(*) FROM roster", &[]), "4");

    // What a person said stands, whatever is taken away; what the sheet alone said goes with it.
    station.json(["annotate", &clip, "place=东关街22号"]);
    let (_, why) = station.refused(3, ["roster", "remove", "rooster.csv"]);
    assert!(why.contains("roster.csv"), "{why}");
    assert_eq!(station.json(["roster", "remove", "roster.csv"])["rows"], 4);
    station.until("the sheet is forgotten", |s| says(s) == ["110203", "东关街22号"]);
    assert_eq!(station.one("SELECT count(*) FROM log_entry WHERE kind = 'register.roster_removed'", &[]), "1");
}

/// A clip that lacks nothing may have it all from a row that was wrong: it follows the correction, and waits once no row is
/// left that speaks of it.
#[test]
fn a_clip_that_lacks_nothing_follows_a_corrected_sheet_and_waits_where_none_is_left() {
    const CASE: &str = "赵卫罚〔2026〕12号";
    let mut station = Station::running("");
    let file = station.path("roster.csv");
    let path = file.to_str().unwrap();
    let import = |s: &Station, officer: &str, case: &str, place: &str| {
        let row = format!("{officer},36NCC009910,2026-06-19 08:00,2026-06-19 18:00,{case},{place},后厨卫生\n");
        fs::write(&file, format!("officer,recorder,from,to,case,place,proves\n{row}")).unwrap();
        s.json(["roster", "import", path]);
    };
    station.card("1").file(dsj("36NCC009910", "090211"), "footage", 60);
    import(&station, "采集人甲", CASE, "西街3号");
    station.dock("1");
    station.until_safe("1");
    let clip = station.clip(dsj("36NCC009910", "090211"));
    station.until("it lacks nothing", |s| {
        let record = s.record(&clip);
        record["officer"] == "采集人甲" && record["missing"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(station.json(["triage", "list"])["clips"].as_array().unwrap().len(), 0);

    import(&station, "采集人乙", "赵卫罚〔2026〕13号", "东关街18号");
    station.until("the correction is followed", |s| {
        let record = s.record(&clip);
        record["officer"] == "采集人乙" && record["place"] == "东关街18号" && record["case_no"] == "赵卫罚〔2026〕13号"
    });
    assert!(station.find(CASE).is_empty());
    station.json(["roster", "undo", "roster.csv"]);
    station.until("and so is taking it back", |s| s.record(&clip)["case_no"] == CASE && s.find(CASE).len() == 1);

    station.json(["roster", "remove", "roster.csv"]);
    station.until("its case waits for a person", |s| s.record(&clip)["case_no"].is_null());
    let told = station.json(["triage", "list"]);
    let waits = &told["clips"][0];
    assert_eq!((&waits["clip"], &waits["suggestions"][0]["rule"]), (&clip.clone().into(), &"roster".into()), "{told}");
    assert!(waits["suggestions"][0]["reason"].as_str().unwrap().contains("no row of it does any more"), "{told}");
    station.json(["triage", "accept", &clip]);
    assert_eq!(station.record(&clip)["case_no"], CASE);
}
