//! Reports, supervision and legal review in the real daemon: figures are what was put in and open exactly their clips, a
//! register and a unit's own form are read by another program, a random sample goes from the draw to the ranking and can be
//! drawn again, and an opinion is given about a case.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::http::Browser;
use crate::support;

use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::footage;
use support::station::{Station, folder, text};

const CASE: &str = "赵卫罚〔2026〕12号";
/// What a hostile roster calls an officer: a formula, for whoever opens an exported list.
const HOSTILE: &str = "=HYPERLINK(\"http://x\",\"张三\")";

fn now() -> jiff::Zoned {
    SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap())
}

/// A name as a recorder gives it to what it captured `ago_s` seconds ago.
fn captured(recorder: &str, ago_s: i64) -> String {
    let at = now().checked_sub(jiff::SignedDuration::from_secs(ago_s)).unwrap();
    format!("DCIM/VIDEO/{}/DSJ_{recorder}_000000_{}.mp4", at.strftime("%Y-%m-%d"), at.strftime("%Y%m%d_%H%M%S"))
}

fn import(station: &Station, register: &str, text: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

/// openpyxl, in its own environment.
pub(crate) fn sheets(args: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = std::env::var_os("EVIDOCK_TOOLS").map_or_else(|| root.join(".tools"), PathBuf::from);
    let output = Command::new(tools.join("python-sheets/bin/python"))
        .arg(root.join("tests/support/sheets.py"))
        .args(args)
        .output()
        .expect("openpyxl is missing: run `scripts/setup test`");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&sheets(&["read", file.to_str().unwrap()])).unwrap()
}

/// A station with five clips of three officers in two units, all of today, proven at a destination; and this day's period.
fn station() -> (Station, String) {
    let form = "[[supervision.form]]\nname = \"季度报表\"\nfile = \"form.xlsx\"\n";
    let mut station = Station::running(&(folder("cloud", "cloud") + form));
    import(&station, "officer", "姓名,警号,单位\n张三,110203,执法一科\n李四,110204,执法二科\n");
    import(
        &station,
        "catalogue",
        "执法类别,记录环节,记录事项,记录方式\n处罚,调查取证,现场检查,重点\n处罚,送达,留置送达,全过程\n",
    );
    let today = now().strftime("%Y-%m-%d").to_string();
    import(
        &station,
        "case",
        &format!("案件编号,执法类别,承办人,立案日期,已完成事项\n{CASE},处罚,张三,{today},留置送达\n"),
    );
    let roster = station.path("roster.csv");
    let hostile = HOSTILE.replace('"', "\"\"");
    let day = |days: i64| {
        now().checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap().strftime("%Y-%m-%d 00:00").to_string()
    };
    fs::write(
        &roster,
        format!(
            "officer,recorder,from,to,case,place,matter,proves\n张三,36NCC009910,{0},{1},{CASE},东关街18号,现场检查,现场全貌\n\
             李四,36NCC009874,{0},{1},,,,\n\"{hostile}\",36NCC000001,{0},{1},,,,\n",
            day(-2),
            day(2)
        ),
    )
    .unwrap();
    station.json(["roster", "import", roster.to_str().unwrap()]);
    for (bay, recorder, ago) in
        [("1", "36NCC009910", &[600, 900, 1200][..]), ("2", "36NCC009874", &[700]), ("3", "36NCC000001", &[800])]
    {
        let card = station.card(bay);
        for (n, ago) in ago.iter().enumerate() {
            card.file(
                captured(recorder, *ago),
                footage(40_000 + ago.unsigned_abs() as usize, n as u64 + ago.unsigned_abs()),
                60,
            );
        }
        station.dock(bay);
        station.until_safe(bay);
    }
    station.until_proven(5);
    station.until("the rules have said what they know", |s| {
        s.query("SELECT 1 FROM clip WHERE record_stale = 1", &[]).is_empty() && s.find(CASE).len() == 3
    });
    let first = now().checked_sub(jiff::SignedDuration::from_secs(1300)).unwrap();
    (station, format!("{}..{today}", first.strftime("%Y-%m-%d")))
}

#[test]
fn figures_registers_and_forms_tell_what_was_put_in() {
    let (station, period) = station();
    let told = station.json(["report", "show", "--period", &period]);
    let figures = |line: &Value| {
        ["clips", "at_once", "incomplete", "by_rule", "by_hand", "unlinked", "in_time", "late", "unproven"]
            .map(|k| line[k].as_u64().unwrap())
    };
    assert_eq!(figures(&told["total"]), [5, 3, 2, 3, 0, 2, 5, 0, 0], "{told}");
    let units: Vec<(Option<&str>, u64)> =
        told["units"].as_array().unwrap().iter().map(|u| (u["name"].as_str(), u["clips"].as_u64().unwrap())).collect();
    assert_eq!(units, [(Some("执法一科"), 3), (Some("执法二科"), 1), (None, 1)]);
    assert_eq!(
        (&told["records"]["cases"], &told["records"]["missing"]),
        (&1.into(), &1.into()),
        "留置送达 is not recorded"
    );
    assert_eq!(
        told["records"]["gaps"][0],
        json!({ "case_no": CASE, "unit": "执法一科", "missing": ["留置送达"], "missing_with_reason": [], "interrupted": [] })
    );
    let one = station.json(["report", "show", "--period", &period, "--unit", "执法一科"]);
    assert_eq!(figures(&one["total"]), [3, 3, 0, 3, 0, 0, 3, 0, 0]);
    assert_eq!(station.json(["report", "show", "--period", "2019"])["total"]["clips"], 0);
    let (_, words) = station.refused(2, ["report", "show", "--period", "lately"]);
    assert!(words.contains("2026-Q2"), "{words}");

    // A person's link is by hand from then on.
    let bare = station.query("SELECT clip_id FROM clip_report WHERE officer = '李四'", &[])[0][0].clone();
    station.json(["link", &bare, "赵卫罚〔2026〕13号"]);
    let told = station.json(["report", "show", "--period", &period]);
    assert_eq!(
        (&told["total"]["by_rule"], &told["total"]["by_hand"], &told["total"]["unlinked"]),
        (&3.into(), &1.into(), &1.into())
    );

    // The register, as another program reads it: every text a text.
    let (csv, xlsx) = (station.path("r.csv"), station.path("r.xlsx"));
    for file in [&csv, &xlsx] {
        let told = station.json(["report", "register", "--period", &period, "--out", file.to_str().unwrap()]);
        assert_eq!(told["clips"], 5);
    }
    let lines = fs::read_to_string(&csv).unwrap();
    assert!(lines.starts_with('\u{feff}') && lines.lines().count() == 6, "{lines}");
    assert!(lines.contains("\"'=HYPERLINK(\"\"http://x\"\",\"\"张三\"\")\""), "a formula is quoted: {lines}");
    let book = read(&xlsx);
    let (_, sheet) = book["sheets"].as_object().unwrap().iter().next().unwrap();
    let cells = sheet["cells"].as_object().unwrap();
    assert!(cells.values().all(|c| c[1] != "f"), "no formula: {sheet}");
    let hostile = cells.iter().find(|(_, c)| c[0] == HOSTILE).unwrap_or_else(|| panic!("{sheet}"));
    assert!(hostile.1[1] == "s" && sheet["quoted"].as_array().unwrap().contains(&hostile.0.as_str().into()));
    assert_eq!((&cells["A2"][0], &cells["A3"][0], &cells["A3"][1]), (&"序号".into(), &1.into(), &"n".into()));

    // The unit's own form: figures stand in it, styles and formulas are what they were.
    let (form, filled) = (station.path("form.xlsx"), station.path("filled.xlsx"));
    let place = form.to_str().unwrap();
    sheets(&[
        "form",
        place,
        "A1={{period}} {{report_unit}}",
        "A3=数量",
        "B3={{clips}}",
        "B4={{数量@执法一科}}",
        "B5={{clips@执法二科}}",
        "A6={{unit#3}}",
        "B6={{clips#3}}",
        "B7={{missing_records}}",
    ]);
    let told = station.json([
        "report",
        "fill",
        place,
        "--period",
        &period,
        "--out",
        filled.to_str().unwrap(),
        "--lang",
        "zh-CN",
    ]);
    assert!(told["file"].as_str().unwrap().ends_with("filled.xlsx"));
    let (before, after) = (read(&form), read(&filled));
    let of = |book: &Value, at: &str| book["sheets"]["季度报表"]["cells"][at].clone();
    assert_eq!(of(&after, "B3"), json!([5, "n", "#,##0", false]), "a number in the style of its cell");
    assert_eq!((of(&after, "B4")[0].clone(), of(&after, "B5")[0].clone()), (3.into(), 1.into()));
    assert_eq!((of(&after, "A6")[0].clone(), of(&after, "B6")[0].clone()), ("未确定单位".into(), 1.into()));
    assert_eq!(of(&after, "B7")[0], 1);
    assert!(of(&after, "A1")[0].as_str().unwrap().ends_with("全部单位") && of(&after, "A1")[3] == true);
    for at in ["B9", "A3"] {
        assert_eq!(of(&after, at), of(&before, at), "{at} is as it was");
    }
    assert_eq!(after["sheets"]["附表"]["cells"]["A1"], before["sheets"]["附表"]["cells"]["A1"]);
    assert_eq!(after["sheets"]["附表"]["cells"]["A2"][0], 5);
    assert_eq!(after["sheets"]["季度报表"]["merged"], json!(["A1:D1"]));
    assert_eq!((&after["sheets"]["季度报表"]["widths"]["A"], &after["computed"]), (&33.0.into(), &true.into()));

    // The same form as the page and the API give it, of all units and of one.
    let browser = Browser::new(&station.page());
    let name = percent_encoding::utf8_percent_encode("季度报表", percent_encoding::NON_ALPHANUMERIC).to_string();
    let unit = percent_encoding::utf8_percent_encode("执法一科", percent_encoding::NON_ALPHANUMERIC).to_string();
    let page = browser.get(&format!("/reports?period={period}")).text();
    assert!(page.contains(&format!("/reports/form/{name}?")), "the page leads to it: {page}");
    for before in ["", "/api/v1"] {
        let of = |query: &str| browser.get(&format!("{before}/reports/form/{name}?period={period}{query}"));
        for (query, clips) in [(String::new(), 5), (format!("&unit={unit}"), 3)] {
            let answer = of(&query);
            assert_eq!(answer.status, 200, "{before}{query}: {}", answer.text());
            let kind = answer.header("content-type").unwrap();
            assert_eq!(kind, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
            assert!(answer.header("content-disposition").unwrap().contains(&name), "{}", answer.head);
            fs::write(&filled, &answer.body).unwrap();
            let told = read(&filled);
            assert_eq!(
                told["sheets"]["季度报表"]["cells"]["B3"],
                json!([clips, "n", "#,##0", false]),
                "{before}{query}"
            );
        }
        assert_eq!(browser.get(&format!("{before}/reports/form/x?period={period}")).status, 404);
    }

    // A form that asks for what there is not is not filled in, and says where.
    sheets(&["form", place, "A1=x", "B3={{clipz}}"]);
    let refused = browser.get(&format!("/api/v1/reports/form/{name}?period={period}"));
    assert!(refused.status == 422 && refused.text().contains("clipz"), "{} {}", refused.status, refused.text());
    let (_, words) =
        station.refused(1, ["report", "fill", place, "--period", &period, "--out", filled.to_str().unwrap()]);
    assert!(words.contains("{{clipz}} (季度报表 B3)") && words.contains("report fields"), "{words}");
    fs::write(&form, b"no workbook").unwrap();
    let (_, words) =
        station.refused(1, ["report", "fill", place, "--period", &period, "--out", filled.to_str().unwrap()]);
    assert!(words.contains("save it again as .xlsx"), "{words}");
    let fields = station.json(["report", "fields"]);
    assert!(fields.as_array().unwrap().contains(&json!(["{{clips}}", "{{数量}}"])));
}

#[test]
fn of_a_sampled_clip_beyond_their_bounds_a_unit_is_told_nothing_that_was_found() {
    let (station, period) = station();
    let password = |words: &[&str]| {
        let output = station.evidock(["user"].iter().chain(words).copied().chain(["--json"]));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["password"].as_str().unwrap().to_owned()
    };
    password(&["first", "boss"]);
    password(&["add", "zhang", "--role", "officer", "--officer", "张三", "--unit", "执法一科"]);
    let head = password(&["add", "head", "--role", "department_head", "--unit", "执法一科"]);
    let head = Browser::begin(&station.page(), "head", &head, "a sentence of mine");
    let drawn = station.json(["sample", "draw", "--period", &period, "--unit", "执法一科", "--count", "2"]);
    let sample = drawn["samples"][0].to_string();
    let due = now().checked_add(jiff::SignedDuration::from_hours(240)).unwrap().strftime("%Y-%m-%d").to_string();
    for n in ["1", "2"] {
        station.json(["sample", "judge", &sample, n, "--no", "亮明执法身份", "--words", "未亮证", "--due", &due]);
    }
    let (page, api) = (format!("/sampling/{sample}"), format!("/api/v1/samples/{sample}"));
    let told = |n: usize| head.get(&api).json()["clips"][n - 1].clone();
    let answers = |n: u32| format!("action=\"{page}/{n}/answer\"");
    let clip = told(1)["record_id"].as_str().unwrap().to_owned();
    assert!(told(1)["steps"][0]["words"] == "未亮证" && head.get(&page).text().contains(&answers(1)));
    station.json(["annotate", &clip, "sensitivity=未成年人"]);
    let first = told(1);
    assert_eq!(
        (first["standing"].as_str(), &first["record_id"], &first["due_at"]),
        (Some("rectify"), &Value::Null, &Value::Null)
    );
    assert_eq!((&first["points"], &first["steps"]), (&json!([]), &json!([])), "{first}");
    let html = head.get(&page).text();
    assert!(
        !html.contains(&clip) && html.contains("超出您的查看范围") && html.matches("未亮证").count() == 1,
        "{html}"
    );
    assert!(!html.contains(&answers(1)) && html.contains(&answers(2)), "{html}");
    let words = [("words", "已培训")];
    assert_eq!(head.form(&format!("{page}/1/answer"), &words).status, 403);
    assert_eq!(head.form(&format!("{page}/2/answer"), &words).status, 303);
    // And what is isolated as suspected classified since, likewise.
    let other = told(2)["record_id"].as_str().unwrap().to_owned();
    station.json(["isolate", &other, "--reason", "疑似涉密"]);
    assert_eq!((&told(2)["record_id"], &told(2)["steps"]), (&Value::Null, &json!([])));
}

#[test]
fn a_sample_goes_from_the_draw_to_the_ranking_and_can_be_drawn_again() {
    let (station, period) = station();
    station.refused(3, ["sample", "draw", "--period", "2019-01"]);
    station.refused(3, ["sample", "show", "1"]);
    let told = station.json(["sample", "draw", "--period", &period, "--count", "2"]);
    assert_eq!((told["samples"].as_array().unwrap().len(), &told["clips"]), (3, &4.into()), "{told}");
    let listed = station.json(["sample", "list"]);
    let one = listed.as_array().unwrap().iter().find(|s| s["unit"] == "执法一科").unwrap();
    assert_eq!((&one["drawn"], &one["population"], &one["standings"]["open"]), (&2.into(), &3.into(), &2.into()));
    let sample = one["sample"].to_string();

    // Anybody draws it again; whoever changes what was drawn, or among which, is found out.
    let again = station.json(["sample", "verify", &sample]);
    assert_eq!((&again["same"], again["clips"].as_array().unwrap().len()), (&true.into(), 2));
    let shown = station.json(["sample", "show", &sample]);
    assert_eq!(shown["clips"][0]["clip"], again["clips"][0]);
    assert_eq!(shown["population_sha256"], again["population_sha256"]);

    // A finding, its answer, sent back, answered, closed.
    let due = now().checked_add(jiff::SignedDuration::from_hours(240)).unwrap().strftime("%Y-%m-%d").to_string();
    let (_, words) = station.refused(1, ["sample", "judge", &sample, "1", "--no", "亮明执法身份", "--words", "未亮证"]);
    assert!(words.contains("until which day"), "{words}");
    station.refused(1, ["sample", "judge", &sample, "1", "--no", "1", "--words", "未亮证", "--due", "2019-01-01"]);
    station.refused(2, ["sample", "judge", &sample, "1", "--no", "没有这一项"]);
    let judged =
        station.json(["sample", "judge", &sample, "1", "--no", "亮明执法身份", "--words", "未亮证", "--due", &due]);
    assert_eq!(judged["standing"], "rectify");
    assert_eq!(station.json(["sample", "judge", &sample, "2", "--na", "6"])["standing"], "fine");
    station.refused(1, ["sample", "close", &sample, "1"]);
    assert_eq!(station.json(["sample", "answer", &sample, "1", "--words", "已培训"])["standing"], "answered");
    assert_eq!(station.json(["sample", "return", &sample, "1", "--words", "请附记录"])["standing"], "rectify");
    assert_eq!(station.json(["sample", "answer", &sample, "1", "--words", "记录已附"])["standing"], "answered");
    assert_eq!(station.json(["sample", "close", &sample, "1"])["standing"], "closed");
    let (_, words) = station.refused(1, ["sample", "answer", &sample, "1", "--words", "x"]);
    assert!(words.contains("closed"), "{words}");
    let other = listed.as_array().unwrap().iter().find(|s| s["unit"] == "执法二科").unwrap()["sample"].to_string();
    station.json(["sample", "judge", &other, "1"]);
    let ranks = station.json(["sample", "ranking"]);
    let told: Vec<(&str, &Value, &Value, &Value)> = ranks
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["unit"].as_str().unwrap(), &r["place"], &r["fine"], &r["closed"]))
        .collect();
    assert_eq!(told[0], ("执法二科", &1.into(), &1.into(), &0.into()));
    assert_eq!(told[1], ("执法一科", &2.into(), &1.into(), &1.into()));
    assert_eq!(told[2], ("", &Value::Null, &0.into(), &0.into()), "nothing of it was judged");

    // The legal review: a note at a second, an opinion; and nothing of any of it stands in the log in clear.
    let clip = station.find(CASE)[0]["record_id"].as_str().unwrap().to_owned();
    assert_eq!(station.json(["case", "note", CASE, &clip, "0:00", "未告知权利"])["at_ms"], 0);
    station.refused(1, ["case", "note", CASE, &clip, "nowhere", "x"]);
    station.refused(1, ["case", "opinion", CASE, "--verdict", "return"]);
    station.refused(3, ["case", "opinion", "赵卫罚〔2026〕999号", "--verdict", "agree"]);
    let given =
        station.json(["case", "opinion", "赵卫罚(2026)12号", "--verdict", "supplement", "--words", "补充送达记录"]);
    assert_eq!(given["verdict"], "supplement");
    station.json(["checkpoint"]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    let told = station.query("SELECT bytes FROM log_entry", &[]).concat().concat();
    for kind in [
        "supervision.asked",
        "supervision.drawn",
        "supervision.judged",
        "supervision.answered",
        "supervision.returned",
        "supervision.closed",
        "case.review_note",
        "case.review_opinion",
    ] {
        assert!(told.contains(kind), "{kind}");
    }
    for secret in ["未亮证", "已培训", "请附记录", "执法一科", "未告知权利", "补充送达记录"] {
        assert!(!told.contains(secret), "{secret}");
    }
}
