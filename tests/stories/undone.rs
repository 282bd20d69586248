//! Imports that were a mistake, taken back: cases that a wrong number had made one, and the week that a wrong sheet had
//! replaced. By command line, page and API; each answer says what it did, and what cannot be undone says why.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;

use serde_json::{Value, json};
use support::footage;
use support::station::{Station, dsj, text};

const CASE: &str = "赵卫罚〔2026〕12号";
const OTHER: &str = "赵卫立〔2026〕5号";

/// A station with two clips, each of a case of its own: what a person said of one, and what the roster says of the other.
fn two_cases() -> (Station, [String; 2]) {
    let mut station = Station::running("");
    let card = station.card("1");
    for (time, seed) in [("090211", 1), ("100211", 2)] {
        card.file(dsj("36NCC009910", time), footage(40_000, seed), 60);
    }
    station.dock("1");
    station.until_safe("1");
    let clips = ["090211", "100211"].map(|time| station.clip(dsj("36NCC009910", time)));
    for (clip, case_no) in clips.iter().zip([CASE, OTHER]) {
        station.json(["link", clip, case_no, "--matter", "现场检查", "--proves", "无证经营"]);
    }
    (station, clips)
}

/// A register in which one cell is wrong: it makes the two cases one.
fn slip(station: &Station) -> String {
    let file = station.path("cases.csv");
    fs::write(&file, format!("案件编号,立案号,案由\n{CASE},{OTHER},无证经营\n")).unwrap();
    let done = station.json(["register", "import", "case", file.to_str().unwrap()]);
    assert_eq!((&done["joined"], &done["added"]), (&1.into(), &1.into()));
    assert_eq!(station.find(CASE).len(), 2, "they are one");
    done["import"].to_string()
}

fn of_case(station: &Station, case_no: &str) -> Vec<String> {
    station.find(case_no).iter().map(|found| found["record_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_wrong_number_s_join_is_parted_again_by_each_way_to_undo_it() {
    let (station, clips) = two_cases();
    let browser = Browser::new(&station.page());
    let parts = json!([{ "kept": CASE, "other": OTHER }]);
    for way in ["command line", "command line in words", "API", "page"] {
        let import = slip(&station);
        match way {
            "command line" => {
                let undone = station.json(["register", "undo", &import]);
                assert_eq!((&undone["removed"], &undone["parted"]), (&1.into(), &parts), "{undone}");
            }
            "command line in words" => {
                let said = station.evidock(["--lang", "zh-CN", "register", "undo", &import]);
                let said = text(&said.stdout);
                assert!(said.contains("1 个曾合并的案件已重新分开"), "{said}");
                assert!(said.contains(&format!("{OTHER} 与 {CASE} 已重新分为两个案件")), "{said}");
            }
            "API" => {
                let answer = browser.send("DELETE", &format!("/api/v1/registers/imports/{import}"), &[], b"");
                assert_eq!((answer.status, &answer.json()["parted"]), (200, &parts));
            }
            _ => {
                let answer = browser.form(&format!("/registers/imports/{import}/undo"), &[]);
                assert_eq!(answer.status, 303);
                let page = browser.get(answer.header("location").unwrap()).text();
                assert!(page.contains("1 个曾合并的案件已重新分开"), "{page}");
            }
        }
        for (clip, case_no) in clips.iter().zip([CASE, OTHER]) {
            assert_eq!(of_case(&station, case_no), [clip.as_str()], "{way}: {case_no}");
            let record = station.record(clip);
            let cases = record["cases"].as_array().unwrap();
            let link = &cases[0];
            let told = ["case_no", "origin", "proves"].map(|key| link[key].as_str().unwrap().to_owned());
            assert_eq!((cases.len(), told), (1, [case_no, "person", "无证经营"].map(str::to_owned)), "{way}");
        }
        assert_eq!(station.json(["register", "list", "case"]), json!([]), "{way}");
    }
    assert_eq!(station.one("SELECT count(*) FROM log_entry WHERE kind = 'case.joined'", &[]), "8");
}

#[test]
fn a_join_with_which_something_was_done_is_not_undone_and_says_with_what() {
    let (station, _) = two_cases();
    let browser = Browser::new(&station.page());
    let import = slip(&station);
    station.json(["case", "no-record", CASE, "送达", "--reason", "公告送达"]);
    let (_, said) = station.refused(1, ["register", "undo", &import]);
    assert!(said.contains(CASE) && said.contains(OTHER), "{said}");
    assert!(said.contains("reasons for what is not recorded"), "{said}");
    let english = [("accept-language", "en")];
    let answer = browser.send("DELETE", &format!("/api/v1/registers/imports/{import}"), &english, b"");
    assert_eq!((answer.status, answer.text().contains("reasons for what is not recorded")), (409, true));
    let answer = browser.form(&format!("/registers/imports/{import}/undo"), &[]);
    assert!(answer.status == 409 && answer.text().contains("此后该案件又有变动（未记录原因）"), "{}", answer.text());
    assert_eq!(station.find(OTHER).len(), 2, "nothing of it was undone");
    assert_eq!(station.json(["register", "imports"])[0]["undone_at"], Value::Null);
}

/// A sheet that was imported with two officers swapped replaces what was right: undone, the week before it stands again, and
/// so do the years that were imported under the same name.
#[test]
fn a_wrong_sheet_is_undone_and_what_it_replaced_stands_again() {
    let mut station = Station::running("");
    let browser = Browser::new(&station.page());
    let file = station.path("roster.csv");
    let path = file.to_str().unwrap().to_owned();
    let sheet = |day: &str, officer: &str| {
        format!(
            "officer,recorder,from,to,place\n{officer},36NCC009910,2026-06-{day} 08:00,2026-06-{day} 18:00,东关街\n"
        )
    };
    let import = |station: &Station, day: &str, officer: &str| {
        fs::write(&file, sheet(day, officer)).unwrap();
        station.json(["roster", "import", &path])
    };
    let rows = |station: &Station| station.one("SELECT count(*) FROM roster", &[]);
    station.card("1").file(dsj("36NCC009910", "090211"), footage(40_000, 1), 60);
    station.dock("1");
    station.until_safe("1");
    let clip = station.clip(dsj("36NCC009910", "090211"));
    import(&station, "18", "采集人戊");
    import(&station, "19", "采集人甲");
    station.until("the right sheet is followed", |s| s.record(&clip)["officer"] == "采集人甲");

    for way in ["command line", "command line in words", "API", "page"] {
        assert_eq!(import(&station, "19", "采集人乙")["replaced"], 1, "{way}");
        station.until("the wrong sheet is followed", |s| s.record(&clip)["officer"] == "采集人乙");
        assert_eq!(station.json(["roster", "imports"])[0]["can_be_undone"], true);
        match way {
            "command line" => {
                let undone = station.json(["roster", "undo", "roster.csv"]);
                assert_eq!((&undone["rows"], &undone["restored"]), (&1.into(), &1.into()), "{undone}");
            }
            "command line in words" => {
                let said = station.evidock(["--lang", "zh-CN", "roster", "undo", "roster.csv"]);
                let said = text(&said.stdout);
                assert!(said.contains("移除 1 行，恢复它所替换的 1 行"), "{said}");
            }
            "API" => {
                let answer = browser.send("POST", "/api/v1/roster/undo?name=roster.csv", &[], b"");
                assert_eq!((answer.status, &answer.json()["restored"]), (200, &1.into()));
                let told = browser.get("/api/v1/roster").json()["imports"].clone();
                assert!(told[0]["undone_at"].is_string() && told[0]["standing"].is_null(), "{told}");
                assert_eq!(told[0]["can_be_undone"], false);
            }
            _ => {
                assert!(browser.get("/rosters").text().contains("action=\"/rosters/undo\""));
                let answer = browser.form("/rosters/undo", &[("name", "roster.csv")]);
                assert_eq!(answer.status, 303);
                let page = browser.get(answer.header("location").unwrap()).text();
                assert!(page.contains("移除 1 行，恢复它所替换的 1 行"), "{page}");
            }
        }
        station.until("the sheet before it is followed again", |s| s.record(&clip)["officer"] == "采集人甲");
        assert_eq!(rows(&station), "2", "{way}: other days stay");
    }
    let undone = "SELECT count(*) FROM log_entry WHERE kind = 'register.roster_removed'";
    assert_eq!(station.one(undone, &[]), "4");

    // One after the other, until nothing is left of the name.
    station.json(["roster", "undo", "roster.csv"]);
    assert_eq!(rows(&station), "1");
    station.json(["roster", "undo", "roster.csv"]);
    assert_eq!(rows(&station), "0");
    station.refused(3, ["roster", "undo", "roster.csv"]);
    assert_eq!(browser.send("POST", "/api/v1/roster/undo?name=roster.csv", &[], b"").status, 404);
    assert_eq!(browser.form("/rosters/undo", &[("name", "roster.csv")]).status, 404);
}
