//! A clip of the case that was disposed of by two people: nothing of it is left to be packed, and the package shows that it
//! was there, was this case's, and went lawfully.

use super::asked::with_clips;
use super::http::Browser;
use super::*;

const PASSWORD: &str = "a sentence of mine";

fn archivist(station: &Station, name: &str) -> Browser {
    let made = station.json(["user", "add", name, "--role", "archivist"]);
    Browser::begin(&station.page(), name, made["password"].as_str().unwrap(), PASSWORD)
}

fn posted(browser: &Browser, path: &str, fields: &[(&str, &str)]) {
    let answer = browser.form(path, fields);
    assert_eq!(answer.status, 303, "{path}: {}", answer.text());
}

#[test]
fn what_was_disposed_of_shows_by_its_events() {
    let mut station = Station::running("[custody]\ncheckpoint_interval_s = 1\n");
    with_clips(&mut station, &[70_000, 90_000]);
    let (gone, stays) = (station.clip("091200.mp4"), station.clip("091201.mp4"));
    station.json(["link", &gone, OTHER, "--proves", "另案事实"]);
    station.json(["annotate", &gone, "place=东关街28号"]);
    station.stop();
    // Long ago, and of inspections: those are kept no longer than what no case has.
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE clip SET sealed_ms = sealed_ms - 400 * 86400000 WHERE clip_id = ?1", [&gone]).unwrap();
    db.execute("UPDATE case_file SET kind = 'inspection'", []).unwrap();
    drop(db);
    station.start();
    station.json(["user", "first", "boss"]);
    let (one, two) = (archivist(&station, "dang"), archivist(&station, "dang-2"));
    let list = [("opinion", "无继续保存价值"), ("basis", "鉴定会纪要〔2027〕1号"), ("clip", gone.as_str())];
    posted(&one, "/keeping/disposals", &list);
    posted(&two, "/keeping/disposals/1", &[("step", "confirm")]);
    station.until("the list is carried out", |s| s.json(["dispose", "list", "1"])["state"] == "done");

    let dir = station.path("out");
    let answer = export(&station, &dir);
    assert_eq!((&answer["clips"], &answer["disposed"]), (&1.into(), &1.into()), "{answer}");
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!((code, &report["clips"]), (0, &1.into()), "{report}");
    let told: Vec<Value> = events(&dir)
        .into_iter()
        .map(|seq| json(&dir.join(evidock::custody::package::event(seq))))
        .filter(|e| e["clip"] == gone.as_str())
        .collect();
    let kinds: Vec<&str> = told.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["clip.sealed", "clip.linked", "clip.disposal_intended", "clip.disposed"]);
    assert_eq!(told[2]["body"]["sha256"], told[0]["body"]["sha256"], "what went is what was sealed");
    assert_ne!(told[2]["body"]["asked_by"], told[2]["body"]["confirmed_by"], "two people");
    let readme = fs::read_to_string(dir.join("1-README.html")).unwrap();
    assert!(readme.contains("disposed of after appraisal") || readme.contains("经鉴定已销毁"), "{readme}");
    // What it was for elsewhere is nobody's business here.
    let all: String = files_below(&dir.join("custody")).iter().filter_map(|f| fs::read_to_string(f).ok()).collect();
    assert!(!all.contains("另案事实") && !all.contains("东关街28号"));
    assert!(all.contains(&stays) && files_below(&dir.join("data/clips")).len() == 1);
}
