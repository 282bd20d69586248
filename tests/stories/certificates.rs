//! The number of an officer's certificate (执法证号), with the real program: clips that lack nothing take it when the register
//! of officers learns of it, those that become complete later have it by then, and a person's word stands above it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;

use serde_json::Value;
use support::footage;
use support::station::{Station, dsj};

const CASE: &str = "赵卫罚〔2026〕12号";

fn import(station: &Station, text: &str) -> i64 {
    let file = station.path("officers.csv");
    fs::write(&file, format!("姓名,警号,执法证号,辅助人员\n{text}")).unwrap();
    station.json(["register", "import", "officer", file.to_str().unwrap()])["import"].as_i64().unwrap()
}

/// Says all that a clip lacks, and waits until its record has it.
fn complete(station: &mut Station, clip: &str) {
    station.json(["link", clip, CASE]);
    station.json(["annotate", clip, "place=东关街18号", "proves=经营场所未公示许可证"]);
    station.until("its record lacks nothing", |s| s.record(clip)["missing"] == Value::Array(vec![]) && settled(s));
}

/// Whether every clip was looked into, and every record says what its facts say.
fn settled(station: &Station) -> bool {
    let open = "SELECT 1 FROM clip WHERE record_stale = 1 OR clip_id NOT IN (SELECT clip_id FROM media)";
    station.query(open, &[]).is_empty()
}

fn number(station: &Station, clip: &str) -> Value {
    station.record(clip)["officer_cert_no"].clone()
}

#[test]
fn a_clip_that_lacks_nothing_takes_the_certificate_that_the_register_learns_of() {
    let mut station = Station::running("");
    let (first, second) = (dsj("36NCC009910", "090211"), dsj("36NCC009910", "091211"));
    station.card("1").file(&first, footage(40_000, 1), 60).file(&second, footage(50_000, 2), 60);
    station.dock("1");
    station.until_safe("1");
    let (first, second) = (station.clip(first), station.clip(second));
    complete(&mut station, &first);
    assert_eq!((number(&station, &first), station.record(&first)["officer"].clone()), (Value::Null, "110203".into()));
    let revision = |s: &Station| s.record(&first)["annotation_rev"].as_u64().unwrap();
    let before = revision(&station);

    // The register learns of it, and the record gets another revision, said by the rules.
    let imported = import(&station, "张三,110203,03013300123,否\n");
    station.until("the clip has it", |s| number(s, &first) == "03013300123");
    assert_eq!(station.record(&first)["origins"]["officer_cert_no"]["origin"], "register");
    assert_eq!(station.record(&first)["officer_registered"]["import"], imported);
    station.until("it is published", |s| settled(s));
    assert_eq!(revision(&station), before + 1, "once");
    // One that becomes complete later has it by then.
    complete(&mut station, &second);
    assert_eq!(number(&station, &second), "03013300123");

    // The same register again, or another officer in it, makes no revision.
    let before = revision(&station);
    import(&station, "张三,110203,03013300123,否\n李四,110204,03013300124,否\n");
    complete(&mut station, &second);
    assert_eq!(revision(&station), before);

    // An import that was wrong is undone, and so is what it had said; a person's word stands above whatever comes.
    let last = station.json(["register", "imports"]);
    let last = last[0]["import"].as_i64().unwrap().to_string();
    station.json(["register", "undo", &last]);
    station.json(["register", "undo", &imported.to_string()]);
    station.until("the number is gone", |s| number(s, &first).is_null() && number(s, &second).is_null());
    station.json(["annotate", &first, "officer_cert_no=03013300999"]);
    import(&station, "张三,110203,03013300125,否\n");
    station.until("the other clip has the right one", |s| number(s, &second) == "03013300125");
    assert_eq!(number(&station, &first), "03013300999");
}
