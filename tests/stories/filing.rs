//! What is kept, for how long and by whose word: a hold from asking to release by two people, a case's way to the archive,
//! and footage that is disposed of by two people and leaves its record. The real program, its page and its command line.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::http::Browser;
use evidock::runtime::clock::monotonic;
use serde_json::Value;
use support::daemon::{BINARY, Places, workshop};
use support::footage;
use support::receivers::Receiver;
use support::replay::{CALLS, Class, Dice, Loss, Recording};
use support::station::{Station, digests, dsj, text};

const CASE: &str = "赵卫罚〔2026〕12号";
const PASSWORD: &str = "a sentence of mine";

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A directory off the station's own device.
fn far(station: &Station) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(dir.path()), device(&station.path("")), "/dev/shm must be a file system of its own");
    dir
}

/// A station whose roster gives every clip its five facts and its case; nothing runs yet.
fn station(more: &str) -> (Station, tempfile::TempDir) {
    let station = Station::new("");
    let far = far(&station);
    let destination =
        format!("[[destination]]\nname = \"far\"\nkind = \"folder\"\ndir = \"{}\"\n", far.path().display());
    let keeping = "[keeping]\nfonds_no = \"0123\"\nresponsible = \"保密办 0311-80001234\"\n";
    station.configure(&format!("[custody]\ncheckpoint_interval_s = 1\n{keeping}{more}{destination}"));
    (station, far)
}

/// A program that is told of these events.
fn webhook(at: &Receiver, events: &[&str]) -> String {
    let events: Vec<String> = events.iter().map(|e| format!("\"{e}\"")).collect();
    format!(
        "[[webhook]]\nname = \"archive\"\nurl = \"http://127.0.0.1:{}/archive\"\nsecret_file = \"{}\"\nevents = [{}]\n\
         [outbox]\nretry_min_s = 1\nretry_max_s = 1\n",
        at.port(),
        at.path("secret").display(),
        events.join(", ")
    )
}

/// Waits until the program has its place in the log: what happens from then on it is told.
fn listens(station: &mut Station) {
    station.until("the receiver has its place in the log", |s| s.query("SELECT 1 FROM log_reader", &[]).len() == 1);
}

/// Waits until so many entries were told, then gives each once, in the order of the log: its type and what is told of it.
fn heard(station: &mut Station, at: &Receiver, entries: usize) -> Vec<(String, Value)> {
    let once = || {
        let told = at.taken().into_iter().map(|t| {
            assert!(t.holds, "the signature of {t:?}");
            (t.body["data"]["seq"].as_u64().unwrap(), (t.kind().to_owned(), t.body["data"].clone()))
        });
        told.collect::<std::collections::BTreeMap<_, _>>()
    };
    station.until("everything was told", |_| once().len() >= entries);
    once().into_values().collect()
}

fn roster(station: &Station, case: &str) {
    let file = station.path("roster.csv");
    let head = "officer,recorder,from,to,case,place,matter,proves\n";
    let row = format!("甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,{case},东关街,现场检查,现场全貌\n");
    fs::write(&file, format!("{head}{row}")).unwrap();
    station.json(["roster", "import", file.to_str().unwrap()]);
}

/// Somebody with an account, signed in.
fn person(station: &Station, words: &[&str]) -> Browser {
    let output = station.evidock(["user", "add"].iter().chain(words).copied().chain(["--json"]));
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    Browser::begin(&station.page(), words[0], made["password"].as_str().unwrap(), PASSWORD)
}

/// The kinds of a clip's events, oldest first.
fn events(station: &Station, clip: &str) -> Vec<String> {
    let rows = station.query("SELECT kind FROM log_entry WHERE clip_id = ?1 ORDER BY seq", &[&clip]);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

fn posted(browser: &Browser, path: &str, fields: &[(&str, &str)]) {
    let answer = browser.form(path, fields);
    assert_eq!(answer.status, 303, "{path} {fields:?}: {}", answer.text());
}

fn refused(browser: &Browser, path: &str, fields: &[(&str, &str)], status: u16, words: &str) {
    let answer = browser.form(path, fields);
    assert_eq!(answer.status, status, "{path} {fields:?}: {}", answer.text());
    assert!(answer.text().contains(words), "{path} {fields:?}: {}", answer.text());
}

#[test]
fn a_hold_ends_and_an_isolation_is_lifted_by_two_people_each_within_their_bounds() {
    let receiver = Receiver::webhook();
    let (mut station, _far) = station(&webhook(&receiver, &["hold.placed", "hold.released"]));
    station.start();
    listens(&mut station);
    roster(&station, CASE);
    station.card("a").file(dsj("36NCC009910", "091200"), footage(50_000, 1), 60);
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.until("its facts are there", |s| s.record(&clip)["missing"].as_array().is_some_and(Vec::is_empty));
    station.json(["user", "first", "boss"]);
    person(&station, &["jia", "--role", "officer", "--officer", "甲", "--unit", "一科"]);
    let officer = person(&station, &["yi", "--role", "officer", "--officer", "乙", "--unit", "二科"]);
    let head = person(&station, &["head", "--role", "department_head", "--unit", "一科"]);
    let other_head = person(&station, &["head-2", "--role", "department_head", "--unit", "二科"]);
    let archivist = person(&station, &["dang", "--role", "archivist"]);

    // Whose clip it is decides, and so does the role; a refusal says what to do.
    let hold = format!("/clips/{clip}/hold");
    refused(&officer, &hold, &[("reason", "x")], 403, "没有权限");
    refused(&other_head, &hold, &[("reason", "x")], 403, "不在您的范围内");
    refused(&head, &hold, &[("reason", " ")], 422, "请写明原因");
    posted(&head, &hold, &[("reason", "当事人申请行政复议"), ("basis", "赵政复〔2026〕7号")]);
    let page = head.get("/keeping").text();
    assert!(page.contains("当事人申请行政复议") && page.contains("赵政复〔2026〕7号"), "{page}");
    assert!(!other_head.get("/keeping").text().contains("赵政复〔2026〕7号"), "it is of another unit");
    assert_eq!(officer.get("/keeping").status, 403);
    refused(&other_head, "/keeping/holds/1", &[("step", "ask"), ("reason", "x")], 403, "不在您的范围内");
    posted(&head, "/keeping/holds/1", &[("step", "ask"), ("reason", "复议终结")]);
    refused(&head, "/keeping/holds/1", &[("step", "confirm")], 409, "须另一人");
    posted(&archivist, "/keeping/holds/1", &[("step", "refuse")]);
    refused(&archivist, "/keeping/holds/1", &[("step", "confirm")], 409, "还没有人申请");
    posted(&head, "/keeping/holds/1", &[("step", "ask"), ("reason", "复议终结，送达已毕")]);
    assert!(archivist.get("/keeping").text().contains("复议终结，送达已毕"));
    // A user of the box may be one of the two: each asks and confirms in the same place.
    let (_, words) = station.refused(1, ["unhold", "1", "--confirm"]);
    assert!(words.contains("on the page"), "{words}");
    posted(&archivist, "/keeping/holds/1", &[("step", "confirm")]);
    assert_eq!(station.json(["holds"])["holds"].as_array().unwrap().len(), 0);
    // Another program is told of both ends and of nothing between, and nothing of why.
    let told = heard(&mut station, &receiver, 2);
    let of: Vec<_> = told.iter().map(|(kind, data)| (kind.as_str(), &data["hold"], &data["clip"])).collect();
    let (one, clip_told) = (Value::from(1), Value::from(clip.as_str()));
    assert_eq!(of, [("hold.placed", &one, &clip_told), ("hold.released", &one, &clip_told)]);
    assert!(!format!("{told:?}").contains("复议"), "{told:?}");

    // One action hides it from everybody and says whom to call.
    posted(&head, &format!("/clips/{clip}/isolate"), &[("reason", "画面中有军事设施")]);
    let page = archivist.get(&format!("/clips/{clip}")).text();
    assert!(page.contains("保密办 0311-80001234") && !page.contains("东关街") && !page.contains("军事"), "{page}");
    assert!(!archivist.get("/clips").text().contains(&clip), "it is in no list");
    let case = format!("/cases/{}", encoded(CASE));
    assert!(!archivist.get(&case).text().contains(&clip));
    assert_eq!(archivist.get(&format!("/api/v1/clips/{clip}")).json()["code"], "isolated");
    // Nobody is shown a picture of it, and whoever asked for one stands in the log.
    assert_eq!(archivist.get(&format!("/api/v1/clips/{clip}/media")).json()["code"], "isolated");
    assert!(head.get("/keeping").text().contains(&clip) && !other_head.get("/keeping").text().contains(&clip));
    let lift = format!("/clips/{clip}/lift");
    refused(&other_head, &lift, &[("step", "ask"), ("reason", "x")], 403, "不在您的范围内");
    posted(&archivist, &lift, &[("step", "ask"), ("reason", "经鉴定不涉密")]);
    refused(&archivist, &lift, &[("step", "confirm")], 409, "须另一人");
    posted(&head, &lift, &[("step", "confirm")]);
    assert!(archivist.get("/clips").text().contains(&clip));

    // Each step is an entry with who did it; reasons are only committed to.
    let log = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE clip_id = ?1", &[&clip]).concat();
    for (kind, step) in [
        ("clip.hold", "placed"),
        ("clip.hold", "release_asked"),
        ("clip.hold", "release_refused"),
        ("clip.hold", "released"),
        ("clip.isolation_lifted", "asked"),
        ("clip.isolation_lifted", "lifted"),
    ] {
        let with =
            |e: &&String| e.contains(kind) && e.contains(&format!("\"step\":\"{step}\"")) && e.contains("\"session\"");
        assert!(log.iter().any(|e| with(&e)), "{kind} {step}");
    }
    assert!(log.iter().all(|e| !e.contains("复议") && !e.contains("军事")));
    let told = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.refused'", &[]).concat();
    assert!(told.iter().any(|e| e.contains("place_hold") && e.contains("not_theirs")), "{told:?}");
    assert!(told.iter().any(|e| e.contains("play_clip") && e.contains("\"isolated\"")), "{told:?}");
    station.json(["log", "verify"]);
}

#[test]
fn a_case_goes_to_the_archive_takes_no_changes_and_is_opened_again_by_two() {
    let receiver = Receiver::webhook();
    let (mut station, _far) = station(&webhook(&receiver, &["case.closed", "case.filed", "case.reopened"]));
    station.start();
    listens(&mut station);
    let register = station.path("catalogue.csv");
    fs::write(&register, "执法类别,记录环节,记录事项,记录方式,存储期限\n,调查取证,现场检查,重点,2年\n").unwrap();
    station.json(["register", "import", "catalogue", register.to_str().unwrap()]);
    let officers = station.path("officers.csv");
    fs::write(&officers, "姓名,警号,执法证号,辅助人员\n甲,1,03013300123,否\n乙,2,,是\n").unwrap();
    station.json(["register", "import", "officer", officers.to_str().unwrap()]);
    roster(&station, CASE);
    // One recorder is on the roster, another one is not: a person says what its clip is of.
    station.card("a").file(dsj("36NCC009910", "091200"), footage(50_000, 1), 90);
    station.card("b").file(dsj("36NCC009911", "091500"), footage(60_000, 2), 60);
    station.dock("a");
    station.dock("b");
    station.until_proven(2);
    let (one, two) = (station.clip("091200.mp4"), station.clip("091500.mp4"));
    station.json(["link", &two, CASE, "--matter", "现场检查"]);
    station.until("both are of the case", |s| s.find(CASE).len() == 2);
    station.json(["user", "first", "boss"]);
    let archivist = person(&station, &["dang", "--role", "archivist"]);
    let second = person(&station, &["dang-2", "--role", "archivist"]);
    let supervisor = person(&station, &["super", "--role", "supervisor"]);
    let case = format!("/cases/{}", encoded(CASE));

    assert_eq!(supervisor.get(&format!("{case}/filing")).status, 403);
    refused(&archivist, &format!("{case}/file"), &[("opinion", "好")], 409, "立卷");
    posted(&archivist, &format!("{case}/close"), &[]);
    let bind = [("fonds_no", ""), ("year", "2026"), ("archival_code", "0123-2026-0007"), ("term", "很久")];
    refused(&archivist, &format!("{case}/bind"), &bind, 422, "保管期限");
    let bind = [("fonds_no", ""), ("year", "2026"), ("archival_code", "0123-2026-0007"), ("term", "30年")];
    posted(&archivist, &format!("{case}/bind"), &bind);

    // A gap is named, with the way to it; nothing is filed.
    let whats = |v: &Value| -> Vec<(String, String)> {
        let text = |f: &Value, key: &str| f[key].as_str().unwrap_or_default().to_owned();
        v["report"]["gaps"].as_array().unwrap().iter().map(|f| (text(f, "what"), text(f, "clip"))).collect()
    };
    station.until("all was looked at", |s| s.one("SELECT count(*) FROM media", &[]) == "2");
    let check = station.json(["case", "file", "check", CASE]);
    assert!(whats(&check).contains(&("lacks_facts".to_owned(), two.clone())), "{check}");
    let page = archivist.form(&format!("{case}/file"), &[("opinion", "好")]);
    assert!(page.status == 409 && page.text().contains(&format!("/clips/{two}#annotate")), "{}", page.text());
    let (told, _) = station.refused(1, ["case", "file", "sign", CASE, "--opinion", "好"]);
    assert_eq!(told["state"], "bound");
    // What plays nowhere and cannot be mended has its reason on record, and is told as a remark.
    assert!(whats(&check).contains(&("unplayable".to_owned(), one.clone())), "{check}");
    station.json(["annotate", &two, "place=东关街", "officer=乙", "proves=送达经过", "gap_reason=设备故障，无法补录"]);
    station.json(["annotate", &one, "gap_reason=设备故障，无法补录"]);
    station.until("no gap is left", |s| whats(&s.json(["case", "file", "check", CASE])).is_empty());
    posted(&archivist, &format!("{case}/file"), &[("opinion", "四性检测通过，缺陷已说明")]);
    let filed = archivist.get(&format!("/api/v1{case}/filing")).json();
    assert_eq!(
        (&filed["state"], &filed["archival_code"], &filed["fonds_no"]),
        (&"filed".into(), &"0123-2026-0007".into(), &"0123".into())
    );
    // The report stands as it was signed, with its digest in the log, and is printed.
    let signed = filed["signed"].clone();
    let sha256 = signed["sha256"].as_str().unwrap().to_owned();
    assert_eq!((&signed["altered"], signed["report"]["compared"].as_array().map(Vec::len)), (&false.into(), Some(2)));
    let entry = station.one(
        "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE seq = CAST(?1 AS INTEGER)",
        &[&signed["log_seq"].to_string()],
    );
    assert!(entry.contains("case.filed") && entry.contains(&sha256), "{entry}");
    let printed = archivist.get(&format!("{case}/filing/report"));
    assert_eq!(printed.status, 200);
    let printed = printed.text();
    assert!(printed.contains(&sha256) && printed.contains("四性检测通过，缺陷已说明") && printed.contains("一致"));
    assert_eq!(station.json(["case", "file", "check", CASE])["signed"]["sha256"], sha256.as_str());
    let list = archivist.get(&format!("{case}/filing/list?kind=transfer")).text();
    let sha256 = station.one("SELECT lower(hex(sha256)) FROM clip WHERE clip_id = ?1", &[&one]);
    assert!(list.contains(&sha256) && list.contains("移交清单") && list.contains("0123-2026-0007"));
    assert!(list.contains("甲（执法证号 03013300123）") && list.contains("乙（辅助人员）"), "{list}");
    // Who gets another certificate later did not hold it then.
    fs::write(&officers, "姓名,警号,执法证号,辅助人员\n甲,1,03013300999,否\n乙,2,03013300777,否\n").unwrap();
    station.json(["register", "import", "officer", officers.to_str().unwrap()]);
    let told = archivist.get(&format!("/api/v1/clips/{one}")).json();
    assert_eq!(
        (
            &told["officer_cert_no"],
            &told["origins"]["officer_cert_no"]["origin"],
            &told["officer_registered"]["auxiliary"]
        ),
        (&"03013300123".into(), &"register".into(), &false.into())
    );
    assert_eq!(archivist.get(&format!("/api/v1/clips/{two}")).json()["officer_registered"]["auxiliary"], true);
    // The catalogue says how long, from here on; a record says so, too.
    let two_years = "SELECT count(*) FROM filing_clip WHERE keep_until_ms - (SELECT filed_ms FROM filing) BETWEEN 63000000000 AND 63250000000";
    assert_eq!(station.one(two_years, &[]), "2");
    assert_eq!(station.record(&one)["archival_code"], "0123-2026-0007");
    assert!(station.record(&one)["retain_until"].as_str().is_some_and(|at| at.starts_with("2028")));

    // It takes no changes, from nobody.
    for words in [["annotate", &one, "place=别处"].as_slice(), &["unlink", &one, CASE, "--reason", "x"]] {
        let output = station.evidock(words);
        assert!(!output.status.success() && text(&output.stderr).contains("takes no changes"), "{words:?}");
    }
    station.card("c").file(dsj("36NCC009910", "102000"), footage(9_000, 3), 30);
    station.dock("c");
    station.until_proven(3);
    // The roster would link it without doubt, were the case not filed.
    let late = station.clip("102000.mp4");
    station.until("the rules have looked at what came late", |s| {
        let told = s.json(["triage", "list"]);
        let card = told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == late.as_str()).cloned();
        card.is_some_and(|c| {
            c["suggestions"][0]["case_no"] == CASE && c["suggestions"][0]["score"].as_u64() >= Some(80)
        })
    });
    assert_eq!(station.find(CASE).len(), 2, "no rule adds to it; what came late waits for a person");

    posted(&archivist, &format!("{case}/reopen"), &[("step", "ask"), ("reason", "补充送达录像")]);
    refused(&archivist, &format!("{case}/reopen"), &[("step", "confirm")], 409, "须另一人");
    assert!(second.get("/keeping").text().contains("补充送达录像"));
    posted(&second, &format!("{case}/reopen"), &[("step", "confirm")]);
    station.json(["annotate", &one, "place=东关街18号"]);
    station.until("its record says that it is open", |s| s.record(&one)["archival_code"].is_null());
    // What was refused with its gaps, asked for, or told of a clip by itself, is told to nobody else.
    let told = heard(&mut station, &receiver, 3);
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["case.closed", "case.filed", "case.reopened"]);
    let hash = &told[0].1["case"];
    assert!(hash.as_str().is_some_and(|h| h.len() == 64) && told.iter().all(|(_, data)| data["case"] == *hash));
    assert!(!format!("{told:?}").contains("赵卫罚"), "ids alone: {told:?}");
    station.json(["log", "verify"]);
}

/// Footage that was sealed long ago, and stands nowhere but here and at its destination.
fn long_ago(station: &Station, clips: usize) {
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    let n = db.execute("UPDATE clip SET sealed_ms = sealed_ms - 400 * 86400000", []).unwrap();
    assert_eq!(n, clips);
}

#[test]
fn footage_is_disposed_of_by_two_people_and_leaves_its_record_whenever_it_is_killed() {
    const CLIPS: usize = 12;
    let receiver = Receiver::webhook();
    let (mut station, far) =
        station(&webhook(&receiver, &["disposal.asked", "disposal.decided", "clip.disposed", "hold.placed"]));
    let card = station.card("a");
    for n in 0..CLIPS {
        card.file(dsj("36NCC009910", &format!("0912{n:02}")), footage(20_000 + n, n as u64), 60);
    }
    station.start();
    station.dock("a");
    station.until_proven(CLIPS as u64);
    station.until("everything was looked at", |s| s.one("SELECT count(*) FROM media", &[]) == CLIPS.to_string());
    let sealed = station.query("SELECT clip_id, lower(hex(sha256)) FROM clip ORDER BY clip_id", &[]);
    assert_eq!(station.json(["dispose", "due"]).as_array().unwrap().len(), 0);
    station.stop();
    long_ago(&station, CLIPS);
    station.start();
    station.json(["user", "first", "boss"]);
    let one = person(&station, &["dang", "--role", "archivist"]);
    let two = person(&station, &["dang-2", "--role", "archivist"]);
    let (held, isolated) = (&sealed[0][0], &sealed[1][0]);
    station.json(["hold", held, "--reason", "行政诉讼"]);
    station.json(["isolate", isolated, "--reason", "待核"]);
    let due = station.json(["dispose", "due"]);
    assert_eq!(due.as_array().unwrap().len(), CLIPS - 2, "nothing that is held or isolated");
    refused(&one, "/keeping/disposals", &[("clip", held), ("opinion", "x"), ("basis", "y")], 409, "正在暂停销毁");
    refused(&one, "/keeping/disposals", &[("opinion", "x"), ("basis", "y")], 422, "1 到");
    let mut fields: Vec<(&str, &str)> = vec![("opinion", "无继续保存价值"), ("basis", "鉴定会纪要〔2027〕1号")];
    fields.extend(sealed[2..].iter().map(|row| ("clip", row[0].as_str())));
    posted(&one, "/keeping/disposals", &fields);
    refused(&one, "/keeping/disposals/1", &[("step", "confirm")], 409, "须另一人");
    let stands = |s: &Station| sealed.iter().filter(|row| s.in_vault(&row[0]).is_some()).count();
    assert_eq!(stands(&station), CLIPS, "nothing goes before a second person said so");
    posted(&two, "/keeping/disposals/1", &[("step", "confirm")]);

    // Killed again and again: whatever went is said to, and whatever is not said stands whole.
    for round in 0..5u64 {
        let (begun, before) = (monotonic(), stands(&station));
        station.until("some went, or a moment passed", |s| {
            stands(s) < before || begun.elapsed() > Duration::from_millis(80 * round)
        });
        station.kill();
        for row in &sealed {
            let said = events(&station, &row[0]).iter().any(|kind| kind == "clip.disposal_intended");
            match station.in_vault(&row[0]) {
                Some(file) if !said => assert_eq!(digests(&file).1, row[1]),
                Some(_) => {}
                None => assert!(said, "{} is gone and nothing says so", row[0]),
            }
        }
        station.start();
    }
    station.until("the list is carried out", |s| s.json(["dispose", "list", "1"])["state"] == "done");
    assert_eq!(stands(&station), 2);
    // However often it was killed, each entry is told: the hold, both steps of the list, and every clip that went.
    let told = heard(&mut station, &receiver, 3 + CLIPS - 2);
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[..3], ["hold.placed", "disposal.asked", "disposal.decided"]);
    assert_eq!((&told[2].1["disposal"], &told[2].1["outcome"]), (&1.into(), &"ok".into()));
    let mut gone: Vec<&str> = told[3..].iter().map(|(_, data)| data["clip"].as_str().unwrap()).collect();
    gone.sort_unstable();
    assert!(kinds[3..].iter().all(|kind| *kind == "clip.disposed"), "{kinds:?}");
    assert_eq!(gone, sealed[2..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>());
    let list = station.json(["dispose", "list", "1"]);
    for item in list["items"].as_array().unwrap() {
        let clip = item["clip"].as_str().unwrap();
        let row = sealed.iter().find(|row| row[0] == clip).unwrap();
        assert_eq!((&item["state"], item["sha256"].as_str().unwrap()), (&"gone".into(), row[1].as_str()));
        assert!(item["log_intended"].as_u64() < item["log_gone"].as_u64());
        assert_eq!((&item["copies"][0]["stands"], &item["copies"][0]["why"]), (&true.into(), &"not_configured".into()));
        let kinds = events(&station, clip);
        let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
        assert_eq!((count("clip.disposal_intended"), count("clip.disposed")), (1, 1), "{kinds:?}");
        assert!(
            station.in_vault(&format!("{clip}.tree")).is_none() && station.in_vault(&format!("{clip}.jpg")).is_none()
        );
        assert!(!station.record(clip)["disposed_at"].is_null(), "its record remains and says so");
    }
    // The copy elsewhere stands: nothing there was configured to go.
    let gone = &sealed[5][0];
    assert!(support::station::files_below(far.path()).iter().any(|f| f.to_str().unwrap().contains(gone.as_str())));
    let mut two = Browser::new(&station.page());
    assert_eq!(two.sign_in("dang-2", PASSWORD).status, 303);
    let page = two.get("/keeping/disposals/1").text();
    assert!(
        page.contains("鉴定会纪要〔2027〕1号") && page.contains(&sealed[5][1]) && page.contains("未配置"),
        "{page}"
    );
    let clip = two.get(&format!("/clips/{gone}")).text();
    assert!(clip.contains("已按销毁清册销毁") && !clip.contains("<video") && !clip.contains("download=1"), "{clip}");
    assert_eq!(two.get(&format!("/api/v1/clips/{gone}/media")).status, 404);
    // Nothing looks for it, and its recorder does not bring it back.
    let status = station.status();
    assert_eq!(
        (&status["suspect"], &status["quarantined"], &status["evicted"]["count"]),
        (&0.into(), &0.into(), &0.into())
    );
    station.undock("a");
    station.dock("a");
    station.until("every file is known again", |s| {
        s.query("SELECT clip_id FROM clip WHERE local = 'copying'", &[]).is_empty()
            && s.query("SELECT sighting_id FROM sighting", &[]).len() >= 2 * CLIPS
    });
    assert_eq!((station.query("SELECT clip_id FROM clip", &[]).len(), stands(&station)), (CLIPS, 2));

    // Where the configuration wants it, copies elsewhere go, too, once nothing there keeps them; a hold that came still does.
    let late = &sealed[4][0];
    station.json(["hold", late, "--reason", "再审"]);
    station.stop();
    let settings = fs::read_to_string(station.path("evidock.toml")).unwrap();
    fs::write(station.path("evidock.toml"), settings.replace("[keeping]\n", "[keeping]\ndispose_at = [\"far\"]\n"))
        .unwrap();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE disposal_copy SET at_ms = 0", []).unwrap();
    drop(db);
    station.start();
    let copies = |s: &Station, state: &str| s.one("SELECT count(*) FROM disposal_copy WHERE state = ?1", &[&state]);
    station.until("copies elsewhere are gone", |s| copies(s, "removed") == (CLIPS - 3).to_string());
    let there = |clip: &String| {
        let files = support::station::files_below(far.path());
        files.iter().any(|f| f.to_str().unwrap().ends_with(&format!("{clip}/master")))
    };
    assert!(!there(gone) && there(late) && there(held) && there(isolated));
    assert_eq!(station.one("SELECT why FROM disposal_copy WHERE clip_id = ?1", &[late]), "held");
    let kinds = events(&station, gone);
    assert_eq!(kinds.iter().filter(|k| *k == "delivery.disposed").count(), 2, "said before, and after");
    station.json(["log", "verify"]);
}

/// The kind of what an fsync makes durable; nothing is left out here.
fn class(_: usize, _: &Path, _: bool) -> Class {
    Class::Other
}

/// What a disk that lost its power says: footage is gone only of clips of which the log says that they go, and what the
/// log says to be gone is gone.
fn after_a_cut(root: &Path) -> Vec<String> {
    let Ok(db) = rusqlite::Connection::open(root.join("state/evidock.db")) else { return Vec::new() };
    let sql = "SELECT clip_id, lower(hex(sha256)), disposed_ms IS NOT NULL,
          EXISTS (SELECT 1 FROM log_entry e WHERE e.clip_id = c.clip_id AND e.kind = 'clip.disposal_intended'),
          EXISTS (SELECT 1 FROM log_entry e WHERE e.clip_id = c.clip_id AND e.kind = 'clip.disposed')
        FROM clip c WHERE sealed_ms IS NOT NULL";
    // Before the first migration there is no such table.
    let Ok(mut statement) = db.prepare(sql) else { return Vec::new() };
    let rows = statement
        .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get(2)?, r.get(3)?, r.get(4)?)));
    let rows: Vec<(String, String, bool, bool, bool)> = rows.unwrap().map(Result::unwrap).collect();
    let files = support::station::files_below(&root.join("state/vault"));
    let mut found = Vec::new();
    for (clip, sha256, disposed, intended, gone) in rows {
        let named = |name: &str| files.iter().find(|f| f.file_name().is_some_and(|n| n == name));
        let master = named(&clip);
        match master {
            None if !intended || !disposed => found.push(format!("{clip} is gone and nothing says so")),
            Some(file) if !intended && digests(file).1 != sha256 => {
                found.push(format!("{clip} is not what was sealed"))
            }
            _ => {}
        }
        if disposed != intended {
            found.push(format!("{clip}: the row and the log disagree"));
        }
        if gone && (master.is_some() || named(&format!("{clip}.tree")).is_some()) {
            found.push(format!("{clip} is said to be gone and stands"));
        }
    }
    found
}

#[test]
fn after_a_power_cut_no_footage_is_gone_of_which_the_log_says_nothing() {
    let dir = workshop();
    let clips = dir.path().join("docks/bay-1/DCIM/VIDEO/2026-11-20");
    fs::create_dir_all(&clips).unwrap();
    for n in 0..3u64 {
        let name = format!("DSJ_A0001234_100001_20261120_10000{n}.mp4");
        fs::write(clips.join(name), footage(9_000 + n as usize, n)).unwrap();
    }
    let roots: Vec<_> = ["box", "nas"].map(|disk| dir.path().join(disk)).into();
    roots.iter().for_each(|root| fs::create_dir_all(root).unwrap());
    // What no case has is due at once.
    let more = format!("{}[retention]\nunlinked_days = 0\n", Places::folder("nas", &roots[1].join("evidock")));
    let places = Places::new(dir.path(), roots[0].join("state"), &dir.path().join("docks"), &more);
    let (trace, calls) = (dir.path().join("trace"), format!("trace={CALLS}"));
    let strace = ["strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-e", &calls, "-o"];
    let mut daemon = places.start(&[&strace[..], &[trace.to_str().unwrap(), "--"]].concat());
    daemon.until_done(3, support::station::PATIENCE).unwrap();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (path, mode) in [(dir.path(), 0o755), (places.state.as_path(), 0o755), (places.config.as_path(), 0o644)] {
        open(path, mode);
    }
    open(&places.state.join("evidock.sock"), 0o666);
    // Memory may be mounted so that nothing is run from it.
    let elsewhere = tempfile::tempdir().unwrap();
    open(elsewhere.path(), 0o755);
    let program = elsewhere.path().join("evidock");
    fs::copy(BINARY, &program).unwrap();
    let ask = |before: &[&str], words: &[&str]| {
        let config = ["--config", places.config.to_str().unwrap()];
        let all: Vec<&str> = [before, &[program.to_str().unwrap()], &config, words].concat();
        let output = std::process::Command::new(all[0]).args(&all[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    };
    ask(&[], &["dispose", "propose", "--all-due", "--opinion", "x", "--basis", "y"]);
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    ask(&nobody, &["dispose", "confirm", "1"]);
    let end = monotonic() + support::station::PATIENCE;
    while places.ask("SELECT count(*) FROM disposal WHERE state = 'done'") != Some(1) {
        assert!(monotonic() < end && !daemon.ended(), "{}", places.last_words());
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.stop();

    let mut run = Recording::new(roots.len());
    run.read(&fs::read(&trace).unwrap(), &roots, &class);
    let (mut dice, mut seen) = (Dice(7), std::collections::HashSet::new());
    // The disposal is the last that happened: the end of the run, cut before and behind every fsync and change of names.
    let mut moments: Vec<usize> =
        run.syncs().into_iter().chain(run.renames()).flat_map(|at| [at.saturating_sub(1), at]).collect();
    moments.sort_unstable();
    moments.dedup();
    let (mut tried, mut gone) = (0, 0);
    for at in moments.split_off(moments.len().saturating_sub(300)) {
        for loss in [Loss::All, Loss::Some, Loss::Journal] {
            let state = run.crash(at, loss, None, &mut dice);
            if !seen.insert(state.digest()) {
                continue;
            }
            let there = dir.path().join(format!("state-{tried}"));
            let disks: Vec<_> = ["box", "nas"].map(|disk| there.join(disk)).into();
            state.write(&disks);
            let found = after_a_cut(&disks[0]);
            assert!(found.is_empty(), "behind operation {at} of {}, {loss:?}: {found:?}", run.len());
            let left = support::station::files_below(&disks[0].join("state/vault/clips"));
            gone += usize::from(left.iter().filter(|f| f.extension().is_none()).count() < 3);
            tried += 1;
            fs::remove_dir_all(&there).unwrap();
        }
    }
    assert!(tried > 50 && gone > 5, "{tried} states, footage gone in {gone} of them");
}

#[test]
fn a_case_whose_footage_is_not_what_was_sealed_is_not_signed() {
    let (mut station, _far) = station("");
    station.start();
    let register = station.path("catalogue.csv");
    fs::write(&register, "执法类别,记录环节,记录事项,记录方式,存储期限\n,调查取证,现场检查,重点,2年\n").unwrap();
    station.json(["register", "import", "catalogue", register.to_str().unwrap()]);
    roster(&station, CASE);
    station.card("a").file(dsj("36NCC009910", "091200"), footage(50_000, 1), 90);
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.until("it is of the case", |s| s.find(CASE).len() == 1);
    station.until("it was looked at", |s| s.one("SELECT count(*) FROM media", &[]) == "1");
    station.json(["annotate", &clip, "gap_reason=设备故障，无法补录"]);
    station.json(["case", "file", "close", CASE]);
    let whats = |v: &Value| -> Vec<String> {
        let gaps = v["report"]["gaps"].as_array().unwrap();
        gaps.iter().map(|g| g["what"].as_str().unwrap().to_owned()).collect()
    };
    let before = station.json(["case", "file", "check", CASE]);
    assert!(whats(&before).contains(&"not_compared".to_owned()), "{before}");
    station.json(["case", "file", "bind", CASE, "--code", "A-1", "--term", "30年"]);
    station.until("no gap is left", |s| whats(&s.json(["case", "file", "check", CASE])).is_empty());

    // It was the same a moment ago; it is compared anew, and is not any more. A recorder that were still there would give it again.
    station.undock("a");
    let master = station.masters().remove(0);
    fs::set_permissions(&master, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(&master).unwrap();
    bytes[25_000] ^= 1;
    fs::write(&master, bytes).unwrap();
    let told = station.json(["case", "file", "compare", CASE]);
    assert!(whats(&told).contains(&"differs".to_owned()), "{told}");
    assert_eq!(told["comparing"], serde_json::json!({ "clips": 1, "done": 1, "going": false }));
    let (told, _) = station.refused(1, ["case", "file", "sign", CASE, "--opinion", "好"]);
    assert_eq!(told["state"], "bound");
    let verified = station.query(
        "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE clip_id = ?1 AND kind = 'access.verify' ORDER BY seq",
        &[&clip],
    );
    let last: Value = serde_json::from_str(&verified.last().unwrap()[0]).unwrap();
    assert_eq!(
        (&last["outcome"], &last["body"]["local"], &last["body"]["filing"]),
        (&"failed".into(), &"differs".into(), &1.into())
    );
}
