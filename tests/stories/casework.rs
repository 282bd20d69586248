//! Casework in the real daemon: registers, an inspection that becomes a case, rules that link or wait, a person's word above
//! them, and what of a case should be recorded.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;

use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::footage;
use support::station::Station;

const CASE: &str = "赵卫罚〔2026〕12号";
const TASK: &str = "JC-2026-0311";
const SHAPE: &str = "[casework]\nnumber_rule_version = 2\n[[casework.number_shape]]\nname = \"inspection\"\n\
    pattern = '(?:JC|jc)-?(?<year>[0-9]{4})-(?<serial>[0-9]+)'\ndisplay = \"JC-{year}-{serial}\"\n\
    key = \"JC-{year}-{serial#}\"\nkind = \"inspection\"\nexample = \"JC-2026-0311\"\n";

/// A name as a recorder gives it to what it captures `after_s` seconds from now.
fn captured(recorder: &str, after_s: i64) -> String {
    let at = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    let at = at.checked_add(jiff::SignedDuration::from_secs(after_s)).unwrap();
    format!("DCIM/VIDEO/{}/DSJ_{recorder}_000000_{}.mp4", at.strftime("%Y-%m-%d"), at.strftime("%Y%m%d_%H%M%S"))
}

fn today() -> String {
    day_after(0)
}

/// The day of the station that comes so many days after this one.
fn day_after(days: i64) -> String {
    let now = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    now.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap().strftime("%Y-%m-%d").to_string()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

/// Writes a register's file and imports it.
fn import(station: &Station, register: &str, text: &str) -> Value {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()])
}

/// Lets the rules look at a clip once more, and waits until they have.
fn look_again(station: &mut Station, clip: &str) {
    station.json(["annotate", clip, "title=看过"]);
    station.until("the rules have looked again", |s| {
        s.query("SELECT 1 FROM clip WHERE clip_id = ?1 AND record_stale = 1", &[&clip]).is_empty()
    });
}

fn standings(station: &Station, case: &str) -> Vec<(String, String)> {
    let told = station.json(["case", "coverage", case]);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    told["lines"].as_array().unwrap().iter().map(|l| (text(&l["matter"]), text(&l["standing"]))).collect()
}

#[test]
fn an_inspection_without_a_case_becomes_one_and_brings_its_clips() {
    let mut station = Station::running(SHAPE);
    import(&station, "officer", "姓名,警号,单位\n张三,110203,执法一科\n李四,110204,执法一科\n");
    import(
        &station,
        "catalogue",
        "执法类别,记录环节,记录事项,记录方式\n处罚,调查取证,现场检查,重点\n处罚,送达,留置送达,全过程\n处罚,听证,听证,全过程\n",
    );
    station.json([
        "desk",
        "issue",
        "36NCC009910",
        "张三",
        "--case",
        TASK,
        "--place",
        "东关街18号",
        "--matter",
        "现场检查",
    ]);
    let (one, two) = (captured("36NCC009910", 30), captured("36NCC009910", 90));
    station.card("1").file(&one, footage(40_000, 1), 60).file(&two, footage(50_000, 2), 60);
    station.dock("1");
    station.until_safe("1");
    station.until("the inspection has its clips", |s| s.find(TASK).len() == 2);
    assert!(station.find(CASE).is_empty());
    assert_eq!(station.json(["triage", "list"])["not_yet_linkable"], 2, "counted apart from what is missing");
    let browser = Browser::new(&station.page());
    assert_eq!(browser.get("/api/v1/triage").json()["not_yet_linkable"], 2);
    let listed = "/clips?figure=not_yet_linkable";
    assert!(browser.get("/triage").text().contains(&format!("href=\"{listed}\"")), "the figure opens its clips");
    assert_eq!(browser.get(&format!("/api/v1{listed}")).json()["items"].as_array().unwrap().len(), 2);
    let period = format!("{}..{}", day_after(-1), day_after(2));
    let links = |station: &Station| {
        let total = station.json(["report", "show", "--period", &period])["total"].clone();
        ["clips", "by_rule", "by_hand", "not_yet_linkable", "unlinked"].map(|k| total[k].as_u64().unwrap())
    };
    assert_eq!(links(&station), [2, 0, 0, 2, 0], "neither linked to a case nor missing one");
    let csv = station.path("r.csv");
    station.json(["report", "register", "--period", &period, "--out", csv.to_str().unwrap(), "--lang", "zh-CN"]);
    assert_eq!(fs::read_to_string(&csv).unwrap().matches("尚未立案").count(), 2);
    assert_eq!(station.find(TASK)[0]["cases"][0]["kind"], "inspection", "a reference from before a case");

    // The case is opened at the place of the check, and names what it was: its clips come along by themselves.
    let opened = today();
    let told = import(
        &station,
        "case",
        &format!(
            "案件编号,立案号,检查任务号,当事人,执法类别,承办人,地点,立案日期,已完成事项\n{CASE},赵卫立[2026]7号,jc2026-0311,赵县某饭店,处罚,张三,赵县东关街18号,{opened},留置送达\n"
        ),
    );
    assert_eq!((&told["added"], &told["joined"], &told["dry_run"]), (&1.into(), &0.into(), &false.into()));
    station.until("the case has the clips", |s| s.find(CASE).len() == 2);
    assert_eq!(station.json(["triage", "list"])["not_yet_linkable"], 0);
    assert_eq!(links(&station), [2, 2, 0, 0, 0]);
    assert!(!browser.get("/triage").text().contains(listed));
    for typed in ["赵卫立（2026）7号", "赵卫罚【2026】第012号"] {
        assert_eq!(station.find(typed).len(), 2, "{typed}");
    }
    let clip = station.clip(name(&one));
    let record = station.record(&clip);
    let link = record["cases"].as_array().unwrap().iter().find(|c| c["case_no"] == CASE).unwrap();
    assert_eq!((&link["origin"], &link["score"]), (&"rule".into(), &95.into()));
    assert_eq!(record["cases"].as_array().unwrap().len(), 2, "what it was before stays on record");

    // What should be recorded: seen, missing, not yet due; and why something is missing.
    let wanted = |served: &str| {
        [("现场检查", "present"), ("留置送达", served), ("听证", "not_yet_due")]
            .map(|(m, s)| (m.to_owned(), s.to_owned()))
    };
    assert_eq!(standings(&station, CASE), wanted("missing"));
    station.json(["case", "no-record", CASE, "留置送达", "--reason", "设备没电", "--written"]);
    assert_eq!(standings(&station, CASE), wanted("missing_with_reason"), "what must be whole has no stand-in");
    let told = station.json(["case", "coverage", CASE]);
    assert_eq!((&told["lines"][1]["reason"], &told["complete"]), (&"设备没电".into(), &false.into()));
    station.refused(3, ["case", "coverage", "赵卫罚〔2026〕999号"]);
    station.refused(3, ["case", "no-record", "赵卫罚〔2026〕999号", "送达", "--reason", "x"]);

    // A person says that a clip is of another matter: no rule links it again, and a later import does not either.
    station.json(["unlink", &clip, CASE, "--reason", "属另案"]);
    import(
        &station,
        "case",
        &format!("案件编号,检查任务号,案由,承办人,立案日期\n{CASE},{TASK},未公示许可证,张三,{opened}\n"),
    );
    assert_eq!(station.json(["register", "list", "case"])[0]["cause"], "未公示许可证");
    look_again(&mut station, &clip);
    let left = station.find(CASE);
    assert_eq!((left.len(), &left[0]["record_id"]), (1, &station.clip(name(&two)).into()));
    station.json(["checkpoint"]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    // Names of people and parties stand nowhere in the log in clear.
    let told = station.query("SELECT bytes FROM log_entry", &[]).concat().concat();
    for secret in ["张三", "某饭店", "设备没电", "属另案", "东关街", "officer.csv"] {
        assert!(!told.contains(secret), "{secret}");
    }
}

#[test]
fn what_is_not_sure_waits_for_a_person_and_their_word_stands() {
    let mut station = Station::running(SHAPE);
    let opened = today();
    import(
        &station,
        "case",
        &format!(
            "案件编号,承办人,地点,立案日期\n{CASE},张三,东关街18号,{opened}\n赵卫罚〔2026〕13号,张三,西街3号,{opened}\n"
        ),
    );
    station.json(["desk", "issue", "36NCC009910", "张三", "--place", "赵县东关街18号"]);
    let paths: Vec<String> = [30, 90, 150].iter().map(|s| captured("36NCC009910", *s)).collect();
    let card = station.card("1");
    for (n, path) in paths.iter().enumerate() {
        card.file(path, footage(40_000, n as u64 + 1), 60);
    }
    station.dock("1");
    station.until_safe("1");
    station.until("three clips wait with a suggestion", |s| {
        let told = s.json(["triage", "list"]);
        let clips = told["clips"].as_array().unwrap();
        clips.len() == 3 && clips.iter().all(|c| c["suggestions"][0]["case_no"] == CASE)
    });
    let told = station.json(["triage", "list"]);
    let best = &told["clips"][0]["suggestions"][0];
    assert_eq!((&best["rule"], &best["score"]), (&"register".into(), &75.into()));
    let why = best["reason"].as_str().unwrap();
    assert!(why.contains("its officer") && why.contains("its place"), "{why}");
    assert!(station.find(CASE).is_empty(), "below the threshold nothing is linked by itself");
    let tried = station.json(["rules", "try"]);
    assert_eq!((&tried["clips"], &tried["links"]), (&3.into(), &0.into()));

    // One decision for the whole outing, taken back, and made again for two of them.
    let clips: Vec<String> = paths.iter().map(|p| station.clip(name(p))).collect();
    let done = station.json(["triage", "accept", &clips[0], "--outing"]);
    assert_eq!((done["clips"].as_array().unwrap().len(), &done["case_no"]), (3, &CASE.into()));
    assert_eq!(station.find(CASE).len(), 3);
    assert_eq!(station.record(&clips[1])["cases"][0]["origin"], "person");
    station.json(["triage", "undo", &clips[2]]);
    assert_eq!(station.find(CASE).len(), 2);
    station.json(["triage", "refuse", &clips[2], "--case", CASE]);
    let waiting = |s: &Station| {
        let told = s.json(["triage", "list"]);
        let card = told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == clips[2].as_str()).cloned();
        card.map(|c| c["suggestions"].as_array().unwrap().len())
    };
    assert_eq!(waiting(&station), Some(0), "it still lacks a case, and nothing is suggested");

    // A new import makes the rules look again; what was refused stays refused.
    let again = import(
        &station,
        "case",
        &format!("案件编号,承办人,地点,立案日期,案由\n{CASE},张三,东关街18号,{opened},未公示许可证\n"),
    );
    assert_eq!(again["changed"], 1);
    look_again(&mut station, &clips[2]);
    assert_eq!((waiting(&station), station.find(CASE).len()), (Some(0), 2));

    // The whole import is taken back; the case keeps the clips that people linked to it.
    let first = station.one("SELECT min(import_id) FROM register_import", &[]);
    let (_, said) = station.refused(1, ["register", "undo", &first]);
    assert!(said.contains("undo that one first"), "{said}");
    let second = again["import"].as_i64().unwrap().to_string();
    assert_eq!(station.json(["register", "undo", &second])["restored"], 1);
    let undone = station.json(["register", "undo", &first]);
    assert_eq!((&undone["removed"], &undone["numbers_kept"]), (&2.into(), &1.into()));
    assert_eq!(station.json(["register", "list", "case"]), json!([]));
    assert_eq!(station.find(CASE).len(), 2);
}

#[test]
fn imports_are_tried_refused_and_told_by_their_lines() {
    let station = Station::running("");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(station.path(name), bytes).unwrap();
        station.path(name).to_str().unwrap().to_owned()
    };
    let file = write("a.csv", "姓名,警号\n张三,1\n".as_bytes());
    let told = station.json(["register", "import", "officer", &file, "--dry-run"]);
    assert_eq!((&told["added"], &told["import"], &told["dry_run"]), (&1.into(), &Value::Null, &true.into()));
    assert_eq!(station.json(["register", "list", "officer"]), json!([]));

    let file = write("b.csv", "案件编号,立案日期\n赵卫罚2026-12,昨天\n赵卫罚〔2026〕13号,2026-06-19\n".as_bytes());
    let (_, said) = station.refused(1, ["register", "import", "case", &file]);
    assert!(said.contains("2 mistake(s), nothing was imported"), "{said}");
    assert!(said.contains("line 2, column 案件编号") && said.contains("is 赵卫罚〔2026〕12号 meant?"), "{said}");
    assert!(said.contains("line 2, column 立案日期") && said.contains("昨天"), "{said}");
    assert!(station.json(["register", "imports"]).as_array().unwrap().is_empty());
    for (name, bytes, says) in [
        ("c.xls", &[0xd0u8, 0xcf, 0x11, 0xe0, 0, 0][..], "older .xls"),
        ("d.xlsx", &b"PK\x03\x04rubbish"[..], "cannot be read"),
        ("e.json", "[{\"姓名\": {\"a\": 1}}]".as_bytes(), "inside another one"),
        ("f.csv", &b""[..], "no rows"),
    ] {
        let file = write(name, bytes);
        let (_, said) = station.refused(1, ["register", "import", "officer", &file]);
        assert!(said.contains(says), "{name}: {said}");
    }
    let (_, said) = station.refused(3, ["register", "undo", "7"]);
    assert!(said.contains("there is no import 7"), "{said}");

    // A template is what an import reads, and says what stands in each column.
    let template = station.evidock(["register", "template", "case"]);
    let header = String::from_utf8(template.stdout).unwrap();
    assert!(header.starts_with("\u{feff}案件编号,其他编号,立案号"), "{header}");
    let columns = station.json(["register", "template", "case"]);
    assert_eq!((&columns[0]["name"], &columns[0]["required"]), (&"number".into(), &true.into()));
}

#[test]
fn a_number_in_a_name_links_and_a_corrected_roster_moves_its_own_links() {
    let mut station = Station::running("[casework]\nroster = \"roster.csv\"\n");
    let row = |case: &str| {
        format!(
            "officer,recorder,from,to,case,place,matter\n采集人甲,36NCC009910,2026-01-01 00:00,2030-12-31 23:59,{case},东关街,现场检查\n"
        )
    };
    fs::write(station.path("roster.csv"), row(CASE)).unwrap();
    // Hours apart: of one outing each would be suggested for the other's case, and both would wait.
    let (plain, tagged) =
        (captured("36NCC009910", -4 * 3600), format!("DCIM/VIDEO/{}_赵卫罚〔2026〕13号.mp4", today()));
    station.card("1").file(&plain, footage(40_000, 1), 60).file(&tagged, footage(40_000, 2), 60);
    station.dock("1");
    station.until_safe("1");
    let clip = station.clip(name(&plain));
    station.until("the roster links", |s| s.find(CASE).iter().any(|r| r["record_id"] == clip.as_str()));
    station.until("the number in the name links", |s| s.find("赵卫罚〔2026〕13号").len() == 1);
    assert_eq!(station.find("赵卫罚〔2026〕13号")[0]["cases"][0]["origin"], "rule");
    // The roster is corrected: its own link moves, and both moves are revisions.
    fs::write(station.path("roster.csv"), row("赵卫罚〔2026〕14号")).unwrap();
    station.until("the corrected roster is read", |s| {
        s.query("SELECT import FROM roster WHERE row LIKE '%〔2026〕14号%'", &[]).len() == 1
    });
    station.until("the link moved", |s| s.find("赵卫罚〔2026〕14号").iter().any(|r| r["record_id"] == clip.as_str()));
    assert!(station.find(CASE).iter().all(|r| r["record_id"] != clip.as_str()));
    let revisions =
        station.query("SELECT origin, withdrawn FROM case_link WHERE clip_id = ?1 ORDER BY link_id", &[&clip]);
    assert_eq!(revisions, [["roster", "0"], ["roster", "1"], ["roster", "0"]]);
}

#[test]
fn two_cases_that_are_as_likely_both_wait_until_one_of_them_is_not() {
    let mut station = Station::running("[casework.linking]\nlink_score = 60\n");
    let opened = today();
    let cases = |place: &str| {
        format!(
            "案件编号,承办人,地点,立案日期\n{CASE},张三,东关街18号,{opened}\n赵卫罚〔2026〕13号,张三,{place},{opened}\n"
        )
    };
    import(&station, "case", &cases("赵县东关街18号"));
    station.json(["desk", "issue", "36NCC009910", "张三", "--place", "东关街18号"]);
    let path = captured("36NCC009910", 30);
    station.card("1").file(&path, footage(40_000, 1), 60);
    station.dock("1");
    station.until_safe("1");
    station.until("both cases wait", |s| {
        let told = s.json(["triage", "list"]);
        told["clips"][0]["suggestions"].as_array().is_some_and(|open| open.len() == 2)
    });
    let tried = station.json(["rules", "try"]);
    assert_eq!((&tried["links"], &tried["conflicts"]), (&0.into(), &1.into()), "{tried}");
    import(&station, "case", &cases("西街3号"));
    station.until("the one that is left is linked", |s| s.find(CASE).len() == 1);
    let link = &station.find(CASE)[0]["cases"][0];
    assert_eq!((&link["origin"], &link["score"]), (&"rule".into(), &75.into()));
    let told = station.json(["triage", "list"]);
    assert_eq!(told["clips"][0]["suggestions"], json!([]), "the other one no longer waits");
}

#[test]
fn why_something_is_missing_is_said_taken_back_and_told_everywhere() {
    let station = Station::running("");
    import(
        &station,
        "catalogue",
        "执法类别,记录环节,记录事项,记录方式\n处罚,调查取证,现场检查,重点\n处罚,送达,留置送达,全过程\n",
    );
    let opened = today();
    import(
        &station,
        "case",
        &format!("案件编号,执法类别,承办人,立案日期,已完成事项\n{CASE},处罚,张三,{opened},现场检查;留置送达\n"),
    );
    let case = format!("/cases/{}", encoded(CASE));
    let api = format!("/api/v1{case}");
    let browser = Browser::new(&station.page());
    let both = |one: &str, other: &str| {
        [("现场检查", one), ("留置送达", other)].map(|(matter, standing)| (matter.to_owned(), standing.to_owned()))
    };
    assert_eq!(standings(&station, CASE), both("missing", "missing"));
    let page = browser.get(&case).text();
    assert!(
        page.contains(&format!("action=\"{case}/reasons\"")) && page.contains("应进行音像记录，未见资料"),
        "{page}"
    );

    // On the page: why, on what basis; without a reason nothing is kept, and the page says what to do.
    let form = |fields: &[(&str, &str)]| browser.form(&format!("{case}/reasons"), fields);
    let empty = form(&[("matter", "现场检查"), ("reason", "  ")]);
    assert!(empty.status == 422 && empty.text().contains("请写明未记录的原因"), "{}", empty.text());
    let long = "长".repeat(2_001);
    assert_eq!(form(&[("matter", "现场检查"), ("reason", &long)]).status, 422);
    assert_eq!(form(&[("matter", ""), ("reason", "x")]).status, 422);
    assert_eq!(form(&[("matter", "现场检查"), ("withdraw", "yes")]).status, 404, "there is none to take back");
    let said = form(&[("matter", "现场检查"), ("reason", "设备没电<b>"), ("basis", "故障报告〔2026〕3号")]);
    assert_eq!(said.status, 303, "{}", said.text());
    assert_eq!(standings(&station, CASE), both("missing_with_reason", "missing"));
    let page = browser.get(&case).text();
    assert!(page.contains("设备没电&#60;b&#62;") || page.contains("设备没电&lt;b&gt;"), "{page}");
    assert!(page.contains("故障报告〔2026〕3号") && page.contains("未记录，已说明原因"), "{page}");

    // Over the API: another word about it, and one about what must be whole, which stays missing whatever is written.
    let json = [("content-type", "application/json")];
    let post = |body: &Value| browser.send("POST", &format!("{api}/reasons"), &json, body.to_string().as_bytes());
    assert_eq!(post(&json!({ "matter": "现场检查", "reason": "当事人拒绝", "written": true })).status, 200);
    assert_eq!(
        post(&json!({ "matter": "留置送达", "reason": "公告送达", "basis": "公告", "written": true })).status,
        200
    );
    for wrong in [json!({ "matter": "现场检查", "reason": " " }), json!({ "matter": "现场检查" }), json!([])] {
        assert_eq!(post(&wrong).status, 422, "{wrong}");
    }
    assert_eq!(standings(&station, CASE), both("replaced", "missing_with_reason"));
    let told = browser.get(&format!("{api}/coverage")).json();
    assert_eq!((&told["complete"], &told["lines"][1]["basis"]), (&false.into(), &"公告".into()), "{told}");
    assert!(told["lines"][1]["said"]["by"].as_str().unwrap().starts_with("web:"), "{told}");
    assert!(told["lines"][1]["said"]["at"].as_str().unwrap().ends_with("+08:00"), "{told}");

    // Taken back: a revision, and nothing of what was said goes.
    let gone =
        |matter: &str| browser.send("DELETE", &format!("{api}/reasons?matter={}", encoded(matter)), &[], b"").status;
    assert_eq!((gone("现场检查"), gone("现场检查"), gone("听证")), (200, 404, 404));
    assert_eq!(browser.send("DELETE", &format!("{api}/reasons"), &[], b"").status, 422);
    assert_eq!(standings(&station, CASE), both("missing", "missing_with_reason"));
    station.json(["case", "no-record", CASE, "留置送达", "--withdraw"]);
    station.json(["case", "no-record", CASE, "留置送达", "--reason", "公告送达", "--basis", "公告〔2026〕1号"]);
    station.refused(2, ["case", "no-record", CASE, "留置送达"]);
    let words: Vec<(String, String, bool)> = browser
        .get(&format!("{api}/reasons"))
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let text = |key: &str| r[key].as_str().unwrap().to_owned();
            (text("matter"), text("reason"), r["stands"].as_bool().unwrap())
        })
        .collect();
    let word = |matter: &str, reason: &str, stands| (matter.to_owned(), reason.to_owned(), stands);
    assert_eq!(
        words,
        [
            word("现场检查", "设备没电<b>", false),
            word("现场检查", "当事人拒绝", false),
            word("留置送达", "公告送达", false),
            word("现场检查", "", false),
            word("留置送达", "", false),
            word("留置送达", "公告送达", true),
        ]
    );
    assert_eq!(station.one("SELECT count(*) FROM log_entry WHERE kind = 'case.no_record'", &[]), "6");
    let logged = station.query("SELECT bytes FROM log_entry", &[]).concat().concat();
    for secret in ["没电", "公告", "留置送达", "故障报告"] {
        assert!(!logged.contains(secret), "{secret} stands in the log in clear");
    }

    // Tables from page, API and command line say the same, and the print view says who gave which reason.
    let csv = browser.get(&format!("{case}/coverage.csv"));
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"), "{}", csv.head);
    let table = csv.text();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table.starts_with('\u{feff}') && table.contains("留置送达") && table.contains("未记录，已说明原因"),
        "{table}"
    );
    assert!(table.contains("公告〔2026〕1号") && table.contains("应进行音像记录，未见资料"), "{table}");
    assert_eq!(browser.get(&format!("{api}/coverage.csv")).text(), table);
    let out = station.path("coverage.csv");
    let done = station.json(["case", "coverage", CASE, "--out", out.to_str().unwrap(), "--lang", "zh-CN"]);
    assert_eq!((&done["lines"], fs::read_to_string(&out).unwrap()), (&2.into(), table));
    for (path, file) in [(format!("{case}/coverage.xlsx"), "page.xlsx"), (format!("{api}/coverage.xlsx"), "api.xlsx")] {
        let book = browser.get(&path);
        assert!(book.status == 200 && book.body.starts_with(b"PK"), "{}", book.head);
        fs::write(station.path(file), &book.body).unwrap();
        let read = cells(&station.path(file));
        assert_eq!((&read["E4"][0], &read["G4"][0]), (&"留置送达".into(), &"未记录，已说明原因".into()), "{read}");
    }
    let out = station.path("coverage.xlsx");
    station.json(["case", "coverage", CASE, "--out", out.to_str().unwrap(), "--lang", "zh-CN"]);
    assert_eq!(cells(&out)["L4"][0], "公告送达");
    station.refused(2, ["case", "coverage", CASE, "--out", station.path("coverage.pdf").to_str().unwrap()]);
    let printed = browser.get(&format!("{case}/coverage")).text();
    assert!(printed.contains("《音像记录事项清单》落实情况") && printed.contains("公告〔2026〕1号"), "{printed}");
    let nowhere = encoded("赵卫罚〔2026〕999号");
    for path in ["coverage", "coverage.csv", "coverage.xlsx"] {
        assert_eq!(browser.get(&format!("/cases/{nowhere}/{path}")).status, 404, "{path}");
        assert_eq!(browser.get(&format!("/api/v1/cases/{nowhere}/{path}")).status, 404, "{path}");
    }

    // The report counts both apart, and each figure opens its cases, and these their clips.
    let period = format!("{opened}..{opened}");
    let records = station.json(["report", "show", "--period", &period])["records"].clone();
    assert_eq!(
        ["cases", "complete", "missing", "missing_with_reason", "interrupted"].map(|k| records[k].as_u64().unwrap()),
        [1, 0, 1, 1, 0],
        "{records}"
    );
    assert_eq!(records["gaps"][0]["missing_with_reason"], json!(["留置送达"]));
    let page = browser.get(&format!("/reports?period={period}")).text();
    for of in ["opened", "missing", "missing_with_reason"] {
        let list = browser.get(&format!("/reports/cases?period={period}&of={of}")).text();
        assert!(page.contains(&format!("of={of}\"")), "{of}: {page}");
        assert!(list.contains(CASE) && list.contains(&format!("{case}/coverage")), "{of}: {list}");
        assert!(list.contains(&format!("/clips?case={}", encoded(CASE))), "{of}: {list}");
    }
    for of in ["complete", "interrupted"] {
        assert!(!page.contains(&format!("of={of}\"")), "nothing is counted, nothing opens");
        assert!(!browser.get(&format!("/reports/cases?period={period}&of={of}")).text().contains(CASE), "{of}");
    }
    assert_eq!(browser.get("/reports/cases?of=lately").status, 404);
    station.json(["checkpoint"]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

/// The cells of the only sheet of a workbook, as another program reads them: value and type by their place.
fn cells(file: &std::path::Path) -> Value {
    let book: Value = serde_json::from_str(&crate::supervision::sheets(&["read", file.to_str().unwrap()])).unwrap();
    let sheets = book["sheets"].as_object().unwrap();
    assert_eq!(sheets.len(), 1);
    sheets.values().next().unwrap()["cells"].clone()
}

#[test]
fn an_item_of_one_matter_of_enforcement_is_about_cases_of_that_matter_alone() {
    let station = Station::running("");
    import(
        &station,
        "catalogue",
        "执法类别,执法事项,记录环节,记录事项,记录方式\n处罚,公共场所卫生,调查取证,现场检查,重点\n处罚,医疗废物,调查取证,抽样取证,全过程\n处罚,,送达,留置送达,全过程\n",
    );
    import(
        &station,
        "case",
        &format!(
            "案件编号,执法类别,执法事项,案由,立案日期,已完成事项\n{CASE},处罚,公共场所卫生,未公示许可证,{0},现场检查;抽样取证;留置送达\n\
             赵卫罚〔2026〕13号,处罚,,未按规定处置医疗废物,{0},现场检查;抽样取证\n赵卫罚〔2026〕14号,处罚,,别的,{0},现场检查\n",
            today()
        ),
    );
    let matters = |case: &str| standings(&station, case).into_iter().map(|(matter, _)| matter).collect::<Vec<_>>();
    assert_eq!(matters(CASE), ["现场检查", "留置送达"]);
    assert_eq!(matters("赵卫罚〔2026〕13号"), ["抽样取证", "留置送达"], "its cause names the matter");
    assert_eq!(matters("赵卫罚〔2026〕14号"), ["现场检查", "留置送达"], "nobody knows: what was carried out counts");
    let told = station.json(["case", "coverage", CASE]);
    assert_eq!((&told["lines"][0]["subject"], &told["lines"][1]["subject"]), (&"公共场所卫生".into(), &Value::Null));
}

#[test]
fn what_two_recorders_have_together_is_whole() {
    let mut station = Station::running("[casework.coverage]\ngap_s = 1\n");
    import(&station, "catalogue", "执法类别,记录环节,记录事项,记录方式\n处罚,强制措施,查封扣押,全过程\n");
    import(&station, "case", &format!("案件编号,执法类别,承办人,立案日期\n{CASE},处罚,张三,{}\n", today()));
    // One has 10 s and, from 13 s on, 5 s more: three seconds are missing. The other one has those from 5 s to 15 s.
    let begin = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    let begin = begin.checked_sub(jiff::SignedDuration::from_secs(120)).unwrap();
    let at = |after_s: i64| begin.checked_add(jiff::SignedDuration::from_secs(after_s)).unwrap();
    let take_in = |station: &mut Station, bay: &str, device: &str, after_s: i64, clips: &str| {
        let (day, time) = (at(after_s).strftime("%Y-%m-%d").to_string(), at(after_s).strftime("%H:%M:%S").to_string());
        let made: [&str; 10] = ["--clips", clips, "--apart", "13", "--day", &day, "--start", &time, "--device", device];
        let card = station.sample("dsj", bay, &made);
        fs::remove_dir_all(card.path("LOG")).unwrap();
        station.dock(bay);
        station.until_safe(bay);
        let unseen = "SELECT 1 FROM clip c WHERE record_stale = 1 OR NOT EXISTS (SELECT 1 FROM media m WHERE m.clip_id = c.clip_id)";
        station.until("every clip was looked at", |s| s.query(unseen, &[]).is_empty());
        for row in station.query("SELECT clip_id FROM clip_index WHERE recorder_id LIKE '%' || ?1", &[&device]) {
            station.json(["link", &row[0], CASE, "--stage", "强制措施", "--matter", "查封扣押"]);
        }
    };
    take_in(&mut station, "1", "36NCC009910", 0, "2");
    let told = station.json(["case", "coverage", CASE]);
    let line = &told["lines"][0];
    assert_eq!((&line["standing"], &line["clips"]), (&"interrupted".into(), &2.into()), "{told}");
    let gaps = line["gaps"].as_array().unwrap();
    let second = |after_s: i64| at(after_s).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    assert_eq!(gaps.len(), 1, "{told}");
    assert!(gaps[0]["from"].as_str().unwrap().starts_with(&second(10)), "{told}");
    assert!(gaps[0]["to"].as_str().unwrap().starts_with(&second(13)), "{told}");
    assert_eq!(told["complete"], false);

    take_in(&mut station, "2", "36NCC009874", 5, "1");
    let told = station.json(["case", "coverage", CASE]);
    let line = &told["lines"][0];
    assert_eq!((&line["standing"], &line["clips"]), (&"present".into(), &3.into()), "{told}");
    assert_eq!((line["gaps"].as_array().map(Vec::len), &told["complete"]), (Some(0), &true.into()), "{told}");
}
