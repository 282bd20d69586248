//! Every mistake that a row of a register or a roster can have, in each form in which such files come, through the command
//! line and the page: told by its line and column with what to do, tried or meant, and nothing of such a file is imported.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;

use evidock::domain::workbook::{Cell, sheet};
use serde_json::{Value, json};
use support::station::Station;

const SHAPE: &str = "[casework]\nnumber_rule_version = 2\n[[casework.number_shape]]\nname = \"inspection\"\n\
    pattern = '(?:JC|jc)-?(?<year>[0-9]{4})-(?<serial>[0-9]+)'\ndisplay = \"JC-{year}-{serial}\"\n\
    key = \"JC-{year}-{serial#}\"\nkind = \"inspection\"\nexample = \"JC-2026-0311\"\n";

/// A mistake: the columns of a file, a row that is sound, one that is not, and what is told of it: its column and its words.
struct Mistake {
    register: &'static str,
    head: &'static [&'static str],
    sound: &'static [&'static str],
    wrong: Vec<String>,
    column: &'static str,
    words: &'static str,
}

fn mistake(
    register: &'static str,
    head: &'static [&'static str],
    sound: &'static [&'static str],
    wrong: &[&str],
    (column, words): (&'static str, &'static str),
) -> Mistake {
    let wrong = wrong.iter().map(|v| (*v).to_owned()).collect();
    Mistake { register, head, sound, wrong, column, words }
}

/// One of each kind that a row can have.
fn mistakes() -> Vec<Mistake> {
    const PERSON: &[&str] = &["姓名", "警号"];
    const ZHANG: &[&str] = &["张三", "110203"];
    const PARTY: &[&str] = &["当事人", "纬度", "经度", "坐标系"];
    const INN: &[&str] = &["赵县某饭店", "37.7560", "114.7760", "GCJ-02"];
    const DATES: &[&str] = &["案件编号", "立案时间", "结案时间"];
    const SOUND: &[&str] = &["赵卫罚〔2026〕11号", "2026-06-19", "2026-06-30"];
    let long = "长".repeat(1_001);
    vec![
        mistake("officer", PERSON, ZHANG, &["", "110204"], ("姓名", "must not be empty")),
        mistake("officer", PERSON, ZHANG, &[long.as_str(), "110204"], ("姓名", "longer than 1000 characters")),
        mistake("officer", PERSON, ZHANG, &["李四", "110204", "多余"], ("2", "more values than there are columns")),
        mistake("officer", PERSON, ZHANG, &["000000", "110204"], ("姓名", "zeros name nobody")),
        mistake("officer", PERSON, ZHANG, &["李四", "１１０２０３"], ("姓名", "is there already in line")),
        mistake("officer", &["姓名", "辅助人员"], &["张三", "否"], &["李四", "也许"], ("辅助人员", "write 是 or 否")),
        mistake(
            "officer",
            &["姓名", "离岗时间"],
            &["张三", "2026-06-19"],
            &["李四", "2026-02-30"],
            ("离岗时间", "there is no such date or time"),
        ),
        mistake(
            "officer",
            &["姓名", "离岗时间"],
            &["张三", ""],
            &["李四", "昨天"],
            ("离岗时间", "write date and time as"),
        ),
        mistake("party", PARTY, INN, &["另一家", "91", "114", ""], ("纬度", "write degrees from -90 to 90")),
        mistake("party", PARTY, INN, &["另一家", "37.7", "", ""], ("纬度", "belong together")),
        mistake("party", PARTY, INN, &["另一家", "37.7", "114.7", "BD-09"], ("坐标系", "write WGS84 or GCJ-02")),
        mistake(
            "case",
            DATES,
            SOUND,
            &["赵卫罚2026-12", "2026-06-19", ""],
            ("案件编号", "is 赵卫罚〔2026〕12号 meant?"),
        ),
        mistake("case", DATES, SOUND, &["JC-2026-0311", "", ""], ("案件编号", "write it into 检查任务号")),
        mistake(
            "case",
            DATES,
            SOUND,
            &["赵卫罚〔2026〕12号", "2026-06-19", "2026-06-18"],
            ("结案时间", "it ends before it begins"),
        ),
        mistake(
            "case",
            &["案件编号", "已完成事项"],
            &["赵卫罚〔2026〕11号", "送达"],
            &["赵卫罚〔2026〕12号", "现场检查@2026-06-19 10:30~09:00"],
            ("已完成事项", "it ends before it begins"),
        ),
        mistake(
            "catalogue",
            &["记录环节", "记录事项", "记录方式"],
            &["调查取证", "现场检查", "重点"],
            &["送达", "留置送达", "很重要"],
            ("记录方式", "write 全过程 (whole)"),
        ),
    ]
}

/// The file in each form, with the line under which its second row is told.
fn forms(m: &Mistake) -> Vec<(&'static str, Vec<u8>, u64)> {
    let rows: [Vec<&str>; 2] = [m.sound.to_vec(), m.wrong.iter().map(String::as_str).collect()];
    let csv = std::iter::once(m.head.join(",")).chain(rows.iter().map(|row| row.join(","))).collect::<Vec<_>>();
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|v| Cell::from(*v)).collect()).collect();
    let mut forms = vec![
        ("csv", csv.join("\n").into_bytes(), 3),
        // Above the columns the sheet has an empty row.
        ("xlsx", sheet::write("表", "", m.head, &cells), 4),
    ];
    // An object has a name for each of its values.
    if m.wrong.len() <= m.head.len() {
        let objects: Vec<Value> = rows
            .iter()
            .map(|row| m.head.iter().zip(row).map(|(name, v)| ((*name).to_owned(), json!(v))).collect())
            .map(Value::Object)
            .collect();
        forms.push(("json", serde_json::to_vec(&objects).unwrap(), 2));
    }
    forms
}

fn post(browser: &Browser, path: &str, body: &[u8]) -> (u16, String) {
    let answer =
        browser.send("POST", path, &[("content-type", "application/octet-stream"), ("accept-language", "en")], body);
    (answer.status, answer.text())
}

#[test]
fn every_mistake_of_a_row_is_told_in_every_form_and_imports_nothing() {
    let station = Station::running(SHAPE);
    let browser = Browser::new(&station.page());
    for m in mistakes() {
        for (form, bytes, line) in forms(&m) {
            let what = format!("{} {:?} as {form}", m.register, m.wrong);
            let file = station.path(format!("file.{form}"));
            fs::write(&file, &bytes).unwrap();
            let file = file.to_str().unwrap();
            for more in [&["--dry-run"][..], &[]] {
                let output = station.evidock(["register", "import", m.register, file, "--json"].iter().chain(more));
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{what}: {said}");
                assert!(said.contains("1 mistake(s), nothing was imported"), "{what}: {said}");
                assert!(said.contains(&format!("line {line}, column {}", m.column)), "{what}: {said}");
                assert!(said.contains(m.words), "{what}: {said}");
            }
            // The page's own trial, as programs and as people read it; and the import that the page refuses.
            let (status, told) = post(&browser, &format!("/api/v1/registers/{}/trial?name=a", m.register), &bytes);
            assert_eq!(status, 200, "{what}: {told}");
            let told: Value = serde_json::from_str(&told).unwrap();
            let found = &told["mistakes"][0];
            assert_eq!((&told["mistakes_in_all"], &found["line"]), (&1.into(), &line.into()), "{what}: {told}");
            assert_eq!(found["column"], m.column, "{what}");
            assert!(found["problem"].as_str().unwrap().contains(m.words), "{what}: {told}");
            let (status, page) = post(&browser, &format!("/registers/{}?name=a&dry_run=true", m.register), &bytes);
            let row = format!("<td class=\"num\">{line}</td><td>{}</td>", m.column);
            assert!(status == 200 && page.contains(&row), "{what}: {page}");
            let (status, page) = post(&browser, &format!("/registers/{}?name=a", m.register), &bytes);
            assert!(status == 422 && page.contains("nothing was imported"), "{what}: {page}");
            assert_eq!(station.json(["register", "list", m.register]), json!([]), "{what}");
        }
    }
    assert_eq!(station.json(["register", "imports"]), json!([]));
}

#[test]
fn a_file_without_its_columns_is_refused_and_every_fault_of_them_is_told() {
    let station = Station::running("");
    let browser = Browser::new(&station.page());
    for (text, all) in [
        ("警号\n1\n", &["column 姓名 (name) is missing"][..]),
        ("姓名,姓 名,颜色\n张三,张三,红\n", &["is there twice as name", "column \"颜色\" is not known"][..]),
        ("姓名,警号\n", &["there are no rows"][..]),
    ] {
        let file = station.path("a.csv");
        fs::write(&file, text).unwrap();
        let (_, said) = station.refused(1, ["register", "import", "officer", file.to_str().unwrap()]);
        let (status, page) = post(&browser, "/api/v1/registers/officer/trial?name=a", text.as_bytes());
        assert_eq!(status, 422, "{page}");
        for words in all {
            assert!(said.replace("\\\"", "\"").contains(words), "{text}: {said}");
            assert!(page.replace("\\\"", "\"").contains(words), "{text}: {page}");
        }
    }
}

#[test]
fn two_lines_that_are_one_case_are_told_and_a_sound_file_is_imported_and_taken_back() {
    let station = Station::running("");
    let browser = Browser::new(&station.page());
    let first = "案件编号,告知书文号,案由\n赵卫罚〔2026〕12号,赵卫罚告〔2026〕5号,无证经营\n";
    let (status, done) = post(&browser, "/api/v1/registers/case?name=a.csv", first.as_bytes());
    assert_eq!(status, 200, "{done}");
    let first: Value = serde_json::from_str(&done).unwrap();
    // Known by two numbers already: whoever reads this file alone sees two cases.
    let twice = "案件编号,案由\n赵卫罚〔2026〕12号,a\n赵卫罚告〔2026〕5号,b\n";
    let file = station.path("b.csv");
    fs::write(&file, twice).unwrap();
    let (_, said) = station.refused(1, ["register", "import", "case", file.to_str().unwrap()]);
    assert!(said.contains("line 3 names the same case as line 2 by another number"), "{said}");
    let (status, told) = post(&browser, "/api/v1/registers/case/trial?name=b", twice.as_bytes());
    assert!(status == 200 && told.contains("names the same case as line 2"), "{told}");
    assert_eq!(station.json(["register", "list", "case"])[0]["cause"], "无证经营", "nothing of it was imported");

    // Tried, imported and taken back in each form: a trial leaves nothing, an undo everything as it was.
    let head = ["案件编号", "案由"];
    let row = vec![Cell::from("赵卫罚〔2026〕12号"), Cell::from("超范围经营")];
    for (form, bytes) in [
        ("csv", "案件编号,案由\n赵卫罚〔2026〕12号,超范围经营\n".as_bytes().to_vec()),
        ("xlsx", sheet::write("表", "", &head, &[row])),
        ("json", "[{\"案件编号\": \"赵卫罚〔2026〕12号\", \"案由\": \"超范围经营\"}]".as_bytes().to_vec()),
    ] {
        let cause = || station.json(["register", "list", "case"])[0]["cause"].clone();
        let file = station.path(format!("c.{form}"));
        fs::write(&file, &bytes).unwrap();
        let file = file.to_str().unwrap();
        let tried = station.json(["register", "import", "case", file, "--dry-run"]);
        assert_eq!((&tried["changed"], &tried["import"]), (&1.into(), &Value::Null), "{form}");
        assert_eq!(cause(), "无证经营", "{form}");
        let done = station.json(["register", "import", "case", file]);
        assert_eq!(cause(), "超范围经营", "{form}");
        // Once by the command line, and once by the page.
        let import = done["import"].as_i64().unwrap();
        assert_eq!(station.json(["register", "undo", &import.to_string()])["restored"], 1, "{form}");
        assert_eq!(cause(), "无证经营", "{form}");
        let (status, done) = post(&browser, "/api/v1/registers/case?name=c", &bytes);
        assert_eq!(status, 200, "{form}: {done}");
        let import = serde_json::from_str::<Value>(&done).unwrap()["import"].as_i64().unwrap();
        // What a later import built upon waits until that is taken back.
        let early = format!("/registers/imports/{}/undo", first["import"]);
        let refused = browser.form(&early, &[]);
        assert!(refused.status == 409 && refused.text().contains("请先撤销那一次"), "{}", refused.text());
        assert_eq!(browser.form(&format!("/registers/imports/{import}/undo"), &[]).status, 303, "{form}");
        assert_eq!(cause(), "无证经营", "{form}");
        let again = browser.send("DELETE", &format!("/api/v1/registers/imports/{import}"), &[], b"");
        assert_eq!(again.status, 409, "{form}: it was undone already");
    }
    assert_eq!(browser.send("DELETE", "/api/v1/registers/imports/9999", &[], b"").status, 404);
}

#[test]
fn every_mistake_of_a_roster_s_row_is_told_and_nothing_of_it_counts() {
    let station = Station::running("");
    const HEAD: &str = "领用人,记录仪,领用时间,归还时间,案件编号,地点";
    const SOUND: &str = "张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕12号,东关街18号";
    let (long, recorder) = ("长".repeat(501), "R".repeat(65));
    let table: [(String, &str, &str); 9] = [
        (",R1,2026-06-19 09:00,2026-06-19 12:00,,".into(), "领用人", "must not be empty"),
        (format!("李四,R1,2026-06-19 09:00,2026-06-19 12:00,,{long}"), "地点", "longer than 500 characters"),
        ("李四,R1,2026-06-19 09:00,2026-06-19 12:00,,东关街,多余".into(), "7", "more values than there are columns"),
        ("0000,R1,2026-06-19 09:00,2026-06-19 12:00,,".into(), "领用人", "zeros name nobody"),
        (format!("李四,{recorder},2026-06-19 09:00,2026-06-19 12:00,,"), "记录仪", "1 to 64 printable characters"),
        ("李四,R1,上午,2026-06-19 12:00,,".into(), "领用时间", "write date and time as"),
        ("李四,R1,2026-06-31 09:00,2026-07-19 12:00,,".into(), "领用时间", "there is no such date or time"),
        ("李四,R1,2026-06-19 09:00,2026-06-19 09:00,,".into(), "归还时间", "later than the time of taking out"),
        ("李四,R1,2026-06-19 09:00,2026-06-19 12:00,赵卫罚2026-12,".into(), "案件编号", "is 赵卫罚〔2026〕12号 meant?"),
    ];
    let browser = Browser::new(&station.page());
    let file = station.path("roster.csv");
    let path = file.to_str().unwrap().to_owned();
    for (wrong, column, words) in &table {
        for (form, bytes, line) in roster_forms(HEAD, SOUND, wrong) {
            let what = format!("{wrong} as {form}");
            fs::write(&file, &bytes).unwrap();
            for more in [&["--dry-run"][..], &[]] {
                let output = station.evidock(["roster", "import", path.as_str()].iter().chain(more));
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{what}: {said}");
                assert!(said.contains("nothing was imported"), "{what}: {said}");
                assert!(
                    said.contains(&format!("line {line}, column {column}")) && said.contains(words),
                    "{what}: {said}"
                );
            }
            let (status, told) = post(&browser, "/api/v1/roster/trial?name=a", &bytes);
            let found: Value = serde_json::from_str(&told).unwrap();
            let (found, all) = (&found["mistakes"][0], &found["mistakes_in_all"]);
            assert_eq!((status, all, &found["line"]), (200, &1.into(), &line.into()), "{what}: {told}");
            assert!(found["column"] == *column && found["problem"].as_str().unwrap().contains(words), "{what}: {told}");
            let (status, page) = post(&browser, "/rosters/upload?name=a&dry_run=true", &bytes);
            let row = format!("<td class=\"num\">{line}</td><td>{column}</td>");
            assert!(status == 200 && page.contains(&row), "{what}: {page}");
            let (status, page) = post(&browser, "/rosters/upload?name=a", &bytes);
            assert!(status == 422 && page.contains("nothing was imported"), "{what}: {page}");
        }
    }
    // All of them at once are told at once.
    let all: String = table.iter().map(|(wrong, ..)| format!("{wrong}\n")).collect();
    fs::write(&file, format!("{HEAD}\n{all}")).unwrap();
    let (_, said) = station.refused(1, ["roster", "import", &path]);
    assert!(said.contains("9 mistake(s)"), "{said}");
    assert!(table.iter().all(|(_, column, words)| said.contains(column) && said.contains(words)), "{said}");
    assert_eq!(station.one("SELECT count(*) FROM roster", &[]), "0", "nothing of any of them");
    assert_eq!(station.json(["roster", "imports"]), json!([]));

    // Tried, imported and taken away in each form.
    for (form, bytes, _) in roster_forms(HEAD, SOUND, SOUND) {
        fs::write(&file, &bytes).unwrap();
        let tried = station.json(["roster", "import", &path, "--dry-run"]);
        assert_eq!(
            (&tried["rows"], &tried["days"], &tried["changed"], &tried["dry_run"]),
            (&1.into(), &1.into(), &true.into(), &true.into()),
            "{form}"
        );
        assert!(tried["warnings"][0].as_str().unwrap().contains("it counts once"), "{form}: {tried}");
        let rows = || station.one("SELECT count(*) FROM roster", &[]);
        assert_eq!(rows(), "0", "{form}");
        station.json(["roster", "import", &path]);
        assert_eq!(rows(), "1", "{form}");
        let listed = station.json(["roster", "imports"])[0].clone();
        assert_eq!((&listed["name"], &listed["standing"]), (&"roster.csv".into(), &1.into()), "{form}: {listed}");
        assert!(browser.get("/rosters").text().contains("roster.csv"), "{form}");
        assert_eq!(browser.form("/rosters/remove", &[("name", "roster.csv")]).status, 303, "{form}");
        assert_eq!(rows(), "0", "{form}");
        let listed = station.json(["roster", "imports"])[0].clone();
        assert!(listed["removed_at"].is_string() && listed["standing"].is_null(), "{form}: {listed}");
        // And once by a program.
        let (status, done) = post(&browser, "/api/v1/roster?name=b", &bytes);
        assert!(status == 200 && done.contains("\"rows\":1"), "{form}: {done}");
        let told = browser.get("/api/v1/roster").json()["imports"].clone();
        assert_eq!((&told[0]["name"], &told[0]["days"], &told[0]["standing"]), (&"b".into(), &1.into(), &1.into()));
        assert_eq!(browser.send("DELETE", "/api/v1/roster?name=b", &[], b"").status, 200, "{form}");
    }
    assert_eq!(browser.send("DELETE", "/api/v1/roster?name=b", &[], b"").status, 404);

    let template = station.evidock(["roster", "template"]);
    let header = String::from_utf8(template.stdout).unwrap();
    assert!(header.starts_with("\u{feff}采集人,记录仪,领用时间,归还时间,案件编号"), "{header}");
    assert_eq!(station.json(["roster", "template"])[0]["name"], "officer");
}

/// A roster in each form, with the line under which its second row is told.
fn roster_forms(head: &str, sound: &str, wrong: &str) -> Vec<(&'static str, Vec<u8>, u64)> {
    let head: Vec<&str> = head.split(',').collect();
    let rows: [Vec<&str>; 2] = [sound, wrong].map(|row| row.split(',').collect());
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|v| Cell::from(*v)).collect()).collect();
    let mut forms = vec![
        // A blank line counts, as in an editor.
        ("csv", format!("{}\n{sound}\n\n{wrong}\n", head.join(",")).into_bytes(), 4),
        ("xlsx", sheet::write("排班表", "", &head, &cells), 4),
    ];
    // An object has a name for each of its values.
    if rows[1].len() <= head.len() {
        let object = |row: &Vec<&str>| -> Value {
            Value::Object(head.iter().zip(row).map(|(name, v)| ((*name).to_owned(), json!(v))).collect())
        };
        forms.push(("json", serde_json::to_vec(&rows.iter().map(object).collect::<Vec<_>>()).unwrap(), 2));
    }
    forms
}
