//! A matter that was carried out twice and recorded neither time: each occasion needs a reason of its own, by command line, page
//! and API.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use std::fs;

use crate::http::Browser;
use crate::support::station::Station;
use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const CASE: &str = "赵卫罚〔2026〕12号";

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The day of the station so many days ago.
fn day(ago: i64) -> String {
    let now = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    now.checked_sub(jiff::SignedDuration::from_hours(24 * ago)).unwrap().strftime("%Y-%m-%d").to_string()
}

fn import(station: &Station, register: &str, text: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

#[test]
fn each_occasion_without_a_recording_needs_its_own_reason() {
    let station = Station::running("");
    let (first, second) = (day(40), day(26));
    import(&station, "catalogue", "记录环节,记录事项,记录方式\n送达,留置送达,重点\n");
    let done = format!("留置送达@{first} 09:00~{first} 09:30;留置送达@{second} 15:00~{second} 15:20");
    import(
        &station,
        "case",
        &format!("案件编号,执法类别,承办人,立案日期,已完成事项\n{CASE},处罚,张三,{},{done}\n", day(50)),
    );
    let case = format!("/cases/{}", encoded(CASE));
    let api = format!("/api/v1{case}");
    let browser = Browser::new(&station.page());
    let line = || station.json(["case", "coverage", CASE])["lines"][0].clone();
    let reasons = || {
        let line = line();
        let each = line["occasions"].as_array().unwrap().iter();
        (line["standing"].as_str().unwrap().to_owned(), each.map(|o| o["reason"].clone()).collect::<Vec<Value>>())
    };
    assert_eq!(reasons(), ("missing".to_owned(), vec![Value::Null, Value::Null]));

    // Which one is not said: the answer names both, and nothing is kept.
    let json = [("content-type", "application/json")];
    let post = |body: &Value| browser.send("POST", &format!("{api}/reasons"), &json, body.to_string().as_bytes());
    let which = post(&json!({ "matter": "留置送达", "reason": "设备没电" }));
    assert_eq!(which.status, 409, "{}", which.text());
    let told = which.json();
    assert_eq!(told["why"]["why"], "which_occasion", "{told}");
    assert_eq!(told["why"]["times"], json!([format!("{first} 09:00"), format!("{second} 15:00")]));
    assert_eq!(browser.get(&format!("{api}/reasons")).json(), json!([]));
    // None began on that day, and that is no time.
    assert_eq!(post(&json!({ "matter": "留置送达", "reason": "x", "at": day(30) })).status, 409);
    assert_eq!(post(&json!({ "matter": "留置送达", "reason": "x", "at": "昨天" })).status, 422);

    // On the command line by its day: the other one is still missing.
    let said = station.json(["case", "no-record", CASE, "留置送达", "--reason", "设备没电", "--at", &first]);
    assert!(said["of"].as_str().unwrap().starts_with(&format!("{first}T09:00:00")), "{said}");
    assert_eq!(reasons(), ("missing".to_owned(), vec!["设备没电".into(), Value::Null]));
    assert!(line()["reason"].is_null(), "there is none for all of it");

    // The page offers each, and takes the one that is chosen.
    let page = browser.get(&case).text();
    let options: Vec<&str> = page.split("<option value=\"").skip(1).filter_map(|o| o.split('"').next()).collect();
    let options: Vec<&str> = options.into_iter().filter(|o| o.ends_with("留置送达")).collect();
    assert_eq!(options.len(), 2, "{page}");
    let option = options[1].replace("&#124;", "|");
    let form = |fields: &[(&str, &str)]| browser.form(&format!("{case}/reasons"), fields);
    assert_eq!(form(&[("occasion", &option), ("reason", "当事人拒绝"), ("basis", "声明")]).status, 303);
    assert_eq!(reasons(), ("missing_with_reason".to_owned(), vec!["设备没电".into(), "当事人拒绝".into()]));
    let page = browser.get(&case).text();
    assert!(page.contains("设备没电") && page.contains("当事人拒绝"), "{page}");

    // Taken back one by one: with several the one that is meant must be named.
    let gone = |query: &str| browser.send("DELETE", &format!("{api}/reasons?{query}"), &[], b"").status;
    let matter = format!("matter={}", encoded("留置送达"));
    assert_eq!(gone(&matter), 409);
    assert_eq!(gone(&format!("{matter}&at={}", encoded(&format!("{second} 15:00")))), 200);
    assert_eq!(reasons(), ("missing".to_owned(), vec!["设备没电".into(), Value::Null]));
    assert_eq!(form(&[("occasion", &options[0].replace("&#124;", "|")), ("withdraw", "yes")]).status, 303);
    assert_eq!(gone(&matter), 404);
    assert_eq!(reasons(), ("missing".to_owned(), vec![Value::Null, Value::Null]));
}

#[test]
fn a_day_without_a_time_is_any_time_of_it() {
    let station = Station::running("");
    let (first, today) = (day(40), day(0));
    import(&station, "catalogue", "记录环节,记录事项,记录方式\n送达,留置送达,重点\n");
    let done = format!("留置送达@{first};留置送达@{today}");
    import(
        &station,
        "case",
        &format!("案件编号,执法类别,承办人,立案日期,已完成事项\n{CASE},处罚,张三,{},{done}\n", day(50)),
    );
    let line = || station.json(["case", "coverage", CASE])["lines"][0].clone();
    let told = line();
    assert_eq!((&told["standing"], &told["gaps"]), (&"missing".into(), &json!([])), "{told}");
    let each = told["occasions"].as_array().unwrap();
    let ends = |key: &str| each.iter().map(|o| o[key].as_str().unwrap()[..19].to_owned()).collect::<Vec<_>>();
    assert_eq!(ends("from"), [format!("{first}T00:00:00"), format!("{today}T00:00:00")]);
    assert_eq!(ends("to"), [format!("{first}T23:59:59"), format!("{today}T23:59:59")]);
    assert_eq!((&each[0]["may_come"], &each[1]["may_come"]), (&false.into(), &true.into()), "{told}");

    // It is named by its day, or by a time of it; the one of today may still be recorded, and until then nothing is filed.
    let at = format!("{first} 15:00");
    station.json(["case", "no-record", CASE, "留置送达", "--reason", "设备没电", "--at", &at]);
    assert_eq!(line()["standing"], "missing_with_reason");
    let check = station.json(["case", "file", "check", CASE]);
    let of = |list: &str| {
        let found = check["report"][list].as_array().unwrap().iter().filter(|f| f["matter"] == "留置送达");
        found.map(|f| f["what"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((of("gaps"), of("remarks")), (vec!["may_come"], vec!["missing"]), "{check}");
}
