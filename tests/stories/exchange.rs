//! What other systems get and give: webhooks about clips and cases, and files through a front-end machine (前置机).

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;
use std::path::PathBuf;

use support::footage;
use support::receivers::Receiver;
use support::station::{Station, dsj, folder};

const CASE: &str = "赵卫罚〔2026〕12号";

#[test]
fn a_program_is_told_of_a_clip_as_far_as_it_may_know_and_of_nothing_twice() {
    let (ids, record) = (Receiver::webhook(), Receiver::webhook());
    let mut station = Station::new("");
    let webhook = |name: &str, at: &Receiver, more: &str| {
        format!(
            "[[webhook]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{}/{name}\"\nsecret_file = \"{}\"\n\
             events = [\"clip.sealed\", \"clip.proven\", \"clip.linked\", \"case.changed\"]\n{more}",
            at.port(),
            at.path("secret").display()
        )
    };
    station.configure(&format!(
        "{}{}{}[outbox]\nretry_min_s = 1\nretry_max_s = 1\n",
        folder("near", "near"),
        webhook("ids", &ids, ""),
        webhook("all", &record, "tells = \"record\"\n"),
    ));
    station.start();
    station.until("the receivers have their place in the log", |s| s.query("SELECT 1 FROM log_reader", &[]).len() == 2);
    station.card("a").file(dsj("36NCC009910", "091200"), footage(300_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    station.kill();
    station.start();
    station.until("both are told", |_| {
        [&ids, &record].iter().all(|r| {
            ["clip.sealed", "clip.proven", "clip.linked", "case.changed"]
                .iter()
                .all(|kind| r.taken().iter().any(|t| t.kind() == *kind))
        })
    });
    let told = ids.taken();
    assert!(told.iter().all(|t| t.holds && t.path == "/ids"));
    // A message that arrived just before the kill may come once more, under its id.
    let mut once = std::collections::BTreeSet::new();
    let told: Vec<_> = told.into_iter().filter(|t| once.insert(t.id.clone())).collect();
    let mut seen: Vec<String> = told.iter().map(|t| format!("{} {}", t.kind(), t.body["data"]["seq"])).collect();
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "each entry of the log is told once: {seen:?}");
    let text = told.iter().map(|t| t.body.to_string()).collect::<String>();
    assert!(text.contains(&clip) && !text.contains("赵卫罚") && !text.contains("110203"), "{text}");
    let linked = record.taken().into_iter().find(|t| t.kind() == "clip.linked").unwrap();
    assert_eq!(
        (&linked.body["data"]["case_no"], &linked.body["data"]["record"]["record_id"]),
        (&CASE.into(), &clip.clone().into())
    );

    // Whoever was told more than ids stands in the log, before it was sent.
    let told = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.webhook'", &[]).concat();
    assert!(told.iter().all(|told| told.contains("\"receiver\":\"all\"")), "{told:?}");
    assert!(told.iter().any(|told| told.contains(&clip)), "{told:?}");

    // Labelled, it gets ids alone, as of every other clip above its label.
    let before = record.taken().len();
    station.json(["annotate", &clip, "sensitivity=个人隐私"]);
    station.json(["link", &clip, "赵卫罚〔2026〕13号"]);
    station.until("the next link is told", |_| record.taken().iter().skip(before).any(|t| t.kind() == "clip.linked"));
    let linked = record.taken().into_iter().skip(before).find(|t| t.kind() == "clip.linked").unwrap();
    let data = &linked.body["data"];
    assert!(data["record"].is_null() && data["case_no"].is_null() && data["clip"] == clip.as_str(), "{data}");
}

/// Files in a directory below the station's, by name.
fn files(station: &Station, dir: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(station.path(dir))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_type().unwrap().is_file())
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn drop_file(station: &Station, name: &str, text: &str) {
    let (part, whole) = (station.path(format!("in/.{name}.tmp")), station.path(format!("in/{name}")));
    fs::write(&part, text).unwrap();
    fs::rename(part, whole).unwrap();
}

#[test]
fn files_of_a_front_end_machine_are_imported_once_and_changes_come_out() {
    let mut station = Station::new("");
    for dir in ["in", "out"] {
        fs::create_dir_all(station.path(dir)).unwrap();
    }
    station.configure(&format!(
        "{}[exchange]\nin_dir = \"in\"\npoll_s = 1\nout_dir = \"out\"\nout_every_minutes = 1\n\
         [[exchange.take]]\nfiles = \"aj*.csv\"\nregister = \"case\"\ncolumns = [\"AJBH = number\", \"AY = cause\", \"DSR = party\"]\n\
         [[exchange.take]]\nfiles = \"ry*.csv\"\nregister = \"officer\"\n\
         [[exchange.take]]\nfiles = \"pb*\"\nregister = \"roster\"\ncolumns = [\"XM = officer\", \"SB = recorder\", \"KSSJ = from\", \"JSSJ = to\", \"BZ = matter\"]\n\
         [[exchange.give]]\nname = \"clips\"\ncolumns = [\"ZLBH = record_id\", \"AJBH = case_no\", \"CJR = officer\", \"SHA = sha256\"]\n",
        folder("near", "near")
    ));
    // Dropped while nobody is there; one has mistakes, one is half-written, one fits nothing.
    drop_file(
        &station,
        "aj-1.csv",
        "AJBH,LX,AY,DSR\n赵卫罚〔2026〕12号,x,无证经营,赵县某饭店\n赵卫罚〔2026〕13号,x,超范围,\n",
    );
    drop_file(&station, "aj-2.csv", "AJBH,AY,DSR\n赵卫罚〔2026〕14号,a,b\n赵卫罚2026-12,=1+1,c\n");
    drop_file(&station, "other.txt", "hello");
    fs::write(station.path("in/aj-3.csv.part"), "AJBH,AY,DSR\n赵卫罚〔2026〕15号,a,b\n").unwrap();
    station.start();
    station
        .until("one is done and one refused", |s| files(s, "in/done").len() == 1 && files(s, "in/refused").len() == 2);
    let cases = |s: &Station| s.query("SELECT display FROM case_alias ORDER BY display", &[]).len();
    assert_eq!(cases(&station), 2, "of a file with a mistake nothing is imported");
    assert_eq!(files(&station, "in"), ["aj-3.csv.part", "other.txt"]);
    let report = files(&station, "in/refused").into_iter().find(|f| f.ends_with(".report.csv")).unwrap();
    let report = fs::read_to_string(station.path(format!("in/refused/{report}"))).unwrap();
    assert!(report.contains("\n3,AJBH,赵卫罚2026-12,") && report.starts_with('\u{feff}'), "{report}");
    station.until("that is said", |s| {
        s.json(["status"]).to_string().contains("exchange_refused") || s.log().contains("exchange_refused")
    });

    // A crash after the import and before the move: the same file lies there and was imported. Nothing is imported twice.
    station.stop();
    let done = files(&station, "in/done").remove(0);
    fs::rename(station.path(format!("in/done/{done}")), station.path("in/aj-1.csv")).unwrap();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE exchange_in SET moved_ms = NULL", []).unwrap();
    drop(db);
    let imports = station.query("SELECT 1 FROM register_import", &[]).len();
    station.start();
    station.until("it is moved again", |s| files(s, "in/done") == [done.clone()] && files(s, "in").len() == 2);
    station.until("that is noted", |s| s.query("SELECT 1 FROM exchange_in WHERE moved_ms IS NULL", &[]).is_empty());
    assert_eq!(station.query("SELECT 1 FROM register_import", &[]).len(), imports);
    // The half-written one comes to its end; and the first file dropped once more is another drop.
    fs::rename(station.path("in/aj-3.csv.part"), station.path("in/aj-3.csv")).unwrap();
    station.until("it is imported", |s| cases(s) == 3);
    drop_file(
        &station,
        "aj-1.csv",
        "AJBH,LX,AY,DSR\n赵卫罚〔2026〕12号,x,无证经营,赵县某饭店\n赵卫罚〔2026〕13号,x,超范围,\n",
    );
    station.until("it is imported again", |s| s.query("SELECT 1 FROM register_import", &[]).len() == imports + 2);

    // Rosters come as registers do: under their names of the columns, one roster from all files of a rule, day by day.
    let shift = |day: &str, officer: &str, from: &str| {
        format!("{officer},36NCC009910,2026-06-{day} {from},2026-06-{day} 18:00,现场检查\n")
    };
    let sheet = |rows: &[String]| format!("XM,SB,KSSJ,JSSJ,BZ\n{}", rows.concat());
    let stands = |s: &Station| s.query("SELECT json_extract(row, '$.officer') FROM roster ORDER BY from_ms", &[]).len();
    drop_file(&station, "pb-0601.csv", &sheet(&[shift("01", "张三", "08:00"), shift("02", "李四", "08:00")]));
    station.until("the roster is imported", |s| stands(s) == 2);
    drop_file(&station, "pb-0602.csv", &sheet(&[shift("02", "王五", "08:00"), shift("03", "李四", "08:00")]));
    station.until("the next one, too", |s| stands(s) == 3);
    let listed = station.json(["roster", "imports"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["replaced"], &listed[0]["standing"]),
        (&"pb*".into(), &1.into(), &3.into())
    );
    // Before this there were a refused file and its report.
    drop_file(&station, "pb-0603.csv", &sheet(&[shift("04", "张三", "8点")]));
    station.until("one is refused", |s| files(s, "in/refused").len() == 4);
    let report = files(&station, "in/refused").into_iter().find(|f| f.ends_with("pb-0603.csv.report.csv")).unwrap();
    let report = fs::read_to_string(station.path(format!("in/refused/{report}"))).unwrap();
    assert!(report.contains("\n2,KSSJ,2026-06-04 8点,"), "{report}");
    assert_eq!(stands(&station), 3);

    // What changed comes out, whole, under their names; a clip above the label does not.
    station.card("a").file(dsj("36NCC009910", "091200"), footage(200_000, 1), 60);
    station.card("a").file(dsj("36NCC009910", "092200"), footage(200_000, 2), 60);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(2);
    let (open, private) = (station.clip("091200.mp4"), station.clip("092200.mp4"));
    station.json(["annotate", &private, "sensitivity=个人隐私"]);
    station.json(["link", &open, CASE]);
    station.stop();
    for file in files(&station, "out") {
        fs::remove_file(station.path(format!("out/{file}"))).unwrap();
    }
    // Crashed after the file appeared and before that was stored: it is written again, under the same name.
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE log_reader SET next_seq = 0 WHERE reader = 'out:clips'", []).unwrap();
    drop(db);
    station.start();
    // Under a hidden name it is still being written.
    station.until("a file is there", |s| files(s, "out").iter().any(|name| !name.starts_with('.')));
    let names = files(&station, "out");
    assert_eq!(names, ["clips-test-01-1-000000000000.csv"]);
    let path: PathBuf = station.path(format!("out/{}", names[0]));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines[0], "ZLBH,AJBH,CJR,SHA");
    assert!(lines.len() == 2 && lines[1].starts_with(&format!("{open},{CASE},")), "{text}");
    assert!(!text.contains(&private));
    assert!(!station.query("SELECT 1 FROM log_entry WHERE kind = 'access.exchange'", &[]).is_empty());
}
