//! The life of one case, told whole: a recorder is taken out for a routine check of which nobody knows that it will become a
//! case, docked and returned; the case is opened and finds its footage; what is missing is served, brought and annotated;
//! a reviewer agrees, an archivist files it; it is found by whatever anybody remembers, and a package of it holds before
//! whoever trusts nothing of ours. The real program, its command line, its pages and its API.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::http::Browser;
use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use serde_json::Value;
use support::station::{Station, text};

const CASE: &str = "赵卫罚〔2026〕58号";
const PARTY: &str = "赵县永盛饭店";
const PLACE: &str = "赵县东关街18号";
const RECORDER: &str = "36NCC009910";
const PASSWORD: &str = "a sentence of mine";
/// What a check is called for which no case was opened.
const DAILY: &str = "[casework]\n[[casework.number_shape]]\nname = \"daily\"\npattern = '日常检查(?:\\(未立案\\))?'\n\
    display = \"日常检查(未立案)\"\nkey = \"日常检查(未立案)\"\nkind = \"unfiled\"\nexample = \"日常检查(未立案)\"\n";

/// The station, and where its footage goes: off its own device, as filing asks.
struct Life {
    station: Station,
    _far: tempfile::TempDir,
}

/// Those who work at the case, signed in.
struct People {
    officer: Browser,
    head: Browser,
    reviewer: Browser,
    other_reviewer: Browser,
    archivist: Browser,
}

#[test]
fn a_case_from_before_it_was_one_to_its_package() {
    let mut life = Life::begin();
    life.the_recorder_is_taken_out_for_a_routine_check();
    life.it_comes_back_and_nothing_is_missing_though_there_is_no_case();
    life.the_case_is_opened_and_one_confirmation_covers_the_outing();
    life.what_the_case_lacks_is_told();
    life.the_decision_is_served_and_the_clip_waits_for_what_nobody_knows();
    let people = life.people();
    let document = life.the_written_record_is_filed(&people);
    life.a_reviewer_agrees(&people);
    life.the_archivist_files_it(&people);
    life.it_is_found_by_whatever_is_remembered(&people, &document);
    life.its_package_holds();
    life.the_log_tells_it_all_and_names_nobody();
}

fn now() -> Zoned {
    SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap())
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn of_case(path: &str) -> String {
    format!("/cases/{}{path}", encoded(CASE))
}

fn ids(records: &[Value]) -> BTreeSet<String> {
    records.iter().map(|r| r["record_id"].as_str().unwrap().to_owned()).collect()
}

/// Names of the facts that a record lacks.
fn missing(record: &Value) -> Vec<&str> {
    record["missing"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect()
}

fn posted(browser: &Browser, path: &str, fields: &[(&str, &str)]) {
    let answer = browser.form(path, fields);
    assert_eq!(answer.status, 303, "{path} {fields:?}: {}", answer.text());
}

impl Life {
    /// A station that knows its agency: officers, recorders, and what is to be recorded.
    fn begin() -> Self {
        let mut station = Station::new("");
        let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        assert_ne!(device(far.path()), device(&station.path("")), "/dev/shm must be a file system of its own");
        station.configure(&format!(
            "{DAILY}[custody]\ncheckpoint_interval_s = 1\n[keeping]\nfonds_no = \"0123\"\n\
             [[destination]]\nname = \"far\"\nkind = \"folder\"\ndir = \"{}\"\n",
            far.path().display()
        ));
        station.start();
        let life = Self { station, _far: far };
        life.import("officer", "姓名,警号,单位\n张三,110203,执法一科\n李四,110204,执法一科\n");
        life.import("recorder", "记录仪编号,型号,条码\n36NCC009910,DSJ-A1,ZC-1\n");
        life.import(
            "catalogue",
            "执法类别,记录环节,记录事项,记录方式,存储期限\n处罚,调查取证,现场检查,重点,2年\n处罚,送达,留置送达,全过程,2年\n处罚,听证,听证,全过程,2年\n",
        );
        life
    }

    fn import(&self, register: &str, table: &str) -> Value {
        let file = self.station.path(format!("{register}.csv"));
        fs::write(&file, table).unwrap();
        self.station.json(["register", "import", register, file.to_str().unwrap()])
    }

    /// The case's line of the register, as the agency's own system gives it.
    fn import_case(&self, done: &str) -> Value {
        let opened = now().strftime("%Y-%m-%d").to_string();
        self.import(
            "case",
            &format!(
                "案件编号,立案号,决定书文号,当事人,案由,执法类别,承办人,地点,立案日期,已完成事项\n\
                 {CASE},赵卫立〔2026〕33号,赵卫罚决〔2026〕41号,{PARTY},未公示卫生许可证,处罚,张三;李四,{PLACE},{opened},{done}\n"
            ),
        )
    }

    /// Records `clips` clips with the recorder and brings them to a bay; the recorder is returned once they are here.
    fn record(&mut self, bay: &str, clips: u32) {
        let begins = now().checked_add(SignedDuration::from_secs(1)).unwrap();
        let (day, time) = (begins.strftime("%Y-%m-%d").to_string(), begins.strftime("%H:%M:%S").to_string());
        let count = clips.to_string();
        let made: [&str; 10] =
            ["--clips", &count, "--apart", "3", "--day", &day, "--start", &time, "--device", RECORDER];
        let card = self.station.sample("dsj", bay, &[&made[..], &["--officer", "000000"]].concat());
        // Its log of the day is no clip, and another one each time.
        fs::remove_dir_all(card.path("LOG")).unwrap();
        self.station.dock(bay);
        self.station.until_safe(bay);
        // A stay out ends behind what was captured in it.
        let last = begins.checked_add(SignedDuration::from_secs(3 * i64::from(clips))).unwrap();
        self.station.until("the last recording has begun", |_| now() > last);
        let told = self.station.json(["desk", "return", RECORDER]);
        assert_eq!(told["late"], false);
        self.station.undock(bay);
    }

    /// Waits until everything was looked at, proven at the destination and told to the rules.
    fn settled(&mut self, sealed: u64) {
        self.station.until_proven(sealed);
        let unseen = "SELECT 1 FROM clip c WHERE role = 'clip' AND NOT EXISTS (SELECT 1 FROM media m WHERE m.clip_id = c.clip_id)";
        self.station.until("the media worker has looked at every clip", |s| s.query(unseen, &[]).is_empty());
        self.station.until_proven(sealed);
    }

    fn waiting(&self) -> Vec<Value> {
        self.station.json(["triage", "list"])["clips"].as_array().unwrap().clone()
    }

    // -------------------------------------------------------------------------------------------------

    fn the_recorder_is_taken_out_for_a_routine_check(&mut self) {
        let told = self.station.json([
            "desk",
            "issue",
            RECORDER,
            "张三",
            "--case",
            "日常检查",
            "--place",
            PLACE,
            "--matter",
            "现场检查",
        ]);
        assert_eq!(told["case_no"], "日常检查(未立案)");
        // The roster knows what the desk was not told.
        let day = |days: i64| {
            let at = now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
            at.strftime("%Y-%m-%d 00:00").to_string()
        };
        let file = self.station.path("roster.csv");
        fs::write(
            &file,
            format!(
                "执法人员,记录仪,领用时间,归还时间,协办人员,证明对象,当事人\n张三,{RECORDER},{},{},李四,店内卫生状况,{PARTY}\n",
                day(-1),
                day(2)
            ),
        )
        .unwrap();
        self.station.json(["roster", "import", file.to_str().unwrap()]);
        assert_eq!(self.station.status()["recorders_out"], 1);
    }

    fn it_comes_back_and_nothing_is_missing_though_there_is_no_case(&mut self) {
        self.record("1号口", 2);
        assert_eq!(self.station.status()["recorders_out"], 0);
        self.settled(2);
        self.station.until("both clips have all five facts", |s| {
            let found = s.find("日常检查");
            found.len() == 2 && found.iter().all(|r| missing(r).is_empty())
        });
        for record in self.station.find("日常检查（未立案）") {
            assert_eq!(
                (&record["officer"], &record["origins"]["officer"]["origin"]),
                (&"张三".into(), &"issue".into())
            );
            assert_eq!((&record["place"], &record["co_officers"]), (&PLACE.into(), &"李四".into()));
            assert_eq!((&record["proves"], &record["party_ref"]), (&"店内卫生状况".into(), &PARTY.into()));
            assert_eq!((&record["cases"][0]["kind"], &record["media_health"]), (&"unfiled".into(), &"whole".into()));
        }
        // Not yet linkable is not missing: nobody is asked for anything.
        let told = self.station.json(["triage", "list"]);
        assert_eq!((&told["not_yet_linkable"], &told["total"]), (&2.into(), &0.into()), "{told}");
        self.station.refused(3, ["case", "coverage", CASE]);
    }

    fn the_case_is_opened_and_one_confirmation_covers_the_outing(&mut self) {
        let told = self.import_case("");
        assert_eq!((&told["added"], &told["joined"]), (&1.into(), &0.into()));
        self.station.until("the case has found its earlier clips", |s| {
            let told = s.json(["triage", "list"]);
            let clips = told["clips"].as_array().unwrap();
            clips.len() == 2 && clips.iter().all(|c| c["suggestions"][0]["case_no"] == CASE)
        });
        let waiting = self.waiting();
        let best = &waiting[0]["suggestions"][0];
        assert_eq!((&best["rule"], &best["score"]), (&"register".into(), &75.into()));
        let why = best["reason"].as_str().unwrap();
        for fits in ["its officer", "its place", "its party", "0 days apart"] {
            assert!(why.contains(fits), "{fits}: {why}");
        }
        assert!(self.station.find(CASE).is_empty(), "nobody has said so yet");
        let clip = waiting[1]["clip"].as_str().unwrap();
        let done = self.station.json(["triage", "accept", clip, "--outing"]);
        assert_eq!((done["clips"].as_array().unwrap().len(), &done["case_no"]), (2, &CASE.into()), "{done}");
        let found = self.station.find(CASE);
        assert_eq!(found.len(), 2);
        for record in &found {
            assert_eq!((&record["case_no"], &record["cases"][0]["origin"]), (&CASE.into(), &"person".into()));
            assert_eq!(record["cases"][1]["kind"], "unfiled", "what it was before stays on record");
        }
        self.station.until("nothing waits any more", |s| {
            let told = s.json(["triage", "list"]);
            told["total"] == 0 && told["not_yet_linkable"] == 0
        });
    }

    fn standings(&self) -> Vec<(String, String)> {
        let told = self.station.json(["case", "coverage", CASE]);
        let word = |v: &Value| v.as_str().unwrap().to_owned();
        told["lines"].as_array().unwrap().iter().map(|l| (word(&l["matter"]), word(&l["standing"]))).collect()
    }

    fn wanted(served: &str) -> Vec<(String, String)> {
        [("现场检查", "present"), ("留置送达", served), ("听证", "not_yet_due")]
            .map(|(matter, standing)| (matter.to_owned(), standing.to_owned()))
            .into()
    }

    fn what_the_case_lacks_is_told(&mut self) {
        assert_eq!(self.standings(), Self::wanted("not_yet_due"));
        assert_eq!(self.import_case("留置送达")["changed"], 1);
        assert_eq!(self.standings(), Self::wanted("missing"));
        let check = self.station.json(["case", "file", "check", CASE]);
        let gaps = check["report"]["gaps"].as_array().unwrap();
        assert!(gaps.iter().any(|g| g["what"] == "missing" && g["matter"] == "留置送达"), "{check}");
    }

    fn the_decision_is_served_and_the_clip_waits_for_what_nobody_knows(&mut self) {
        // By another number of the case, in brackets as they are typed, and by another officer than the roster has.
        let told = self.station.json([
            "desk",
            "issue",
            RECORDER,
            "李四",
            "--case",
            "赵卫立[2026]33",
            "--place",
            PLACE,
            "--matter",
            "留置送达",
        ]);
        assert!(told["closed"].is_null(), "it had come back: {told}");
        self.record("2号口", 1);
        self.settled(3);
        self.station.until("the new clip is of the case, and waits for a person", |s| {
            let told = s.json(["triage", "list"]);
            let clips = told["clips"].as_array().unwrap();
            s.find(CASE).len() == 3 && clips.len() == 1 && clips[0]["suggestions"] == Value::Array(vec![])
        });
        let clip = self.waiting().remove(0);
        assert_eq!((missing(&clip), &clip["officer"]), (vec!["proves"], &"李四".into()));
        let notes = clip["notes"].to_string();
        assert!(notes.contains("name another officer than the one who took the recorder out"), "{notes}");
        let clip = clip["clip"].as_str().unwrap();
        let record = self.station.record(clip);
        assert_eq!((&record["cases"][0]["origin"], &record["matter"]), (&"issue".into(), &"留置送达".into()));
        assert_eq!(record["cases"].as_array().unwrap().len(), 1, "{record}");
        self.station.json(["annotate", clip, "proves=决定书送达全过程"]);
        self.station.until("nothing waits any more", |s| s.json(["triage", "list"])["total"] == 0);
        assert_eq!(self.standings(), Self::wanted("present"));
        assert_eq!(self.station.json(["case", "coverage", CASE])["complete"], true);
    }

    fn people(&self) -> People {
        self.station.json(["user", "first", "boss"]);
        let person = |words: &[&str]| {
            let output = self.station.evidock(["user", "add"].iter().chain(words).copied().chain(["--json"]));
            assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
            let made: Value = serde_json::from_slice(&output.stdout).unwrap();
            Browser::begin(&self.station.page(), words[0], made["password"].as_str().unwrap(), PASSWORD)
        };
        person(&["li", "--role", "officer", "--officer", "李四,110204", "--unit", "执法一科"]);
        People {
            officer: person(&["zhang", "--role", "officer", "--officer", "张三,110203", "--unit", "执法一科"]),
            head: person(&["head", "--role", "department_head", "--unit", "执法一科"]),
            reviewer: person(&["fazhi", "--role", "legal_reviewer", "--label", "周审核"]),
            other_reviewer: person(&["fazhi-2", "--role", "legal_reviewer"]),
            archivist: person(&["dang", "--role", "archivist"]),
        }
    }

    /// Files the written record beside the footage; its id.
    fn the_written_record_is_filed(&mut self, people: &People) -> String {
        let cookie = people.officer.cookie.as_deref().unwrap();
        let token = evidock::access::form_token(cookie.split_once('=').unwrap().1);
        let path = format!(
            "/api/v1/cases/{}/documents?name={}&kind=record&matter={}",
            encoded("赵卫罚【2026】058号"),
            encoded("现场检查笔录.pdf"),
            encoded("现场检查")
        );
        let mut pdf = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
        pdf.extend_from_slice(&support::footage(200_000, 7));
        let headers = [("content-type", "application/octet-stream"), ("x-csrf-token", token.as_str())];
        let filed = people.officer.send("POST", &path, &headers, &pdf);
        assert_eq!(filed.status, 201, "{}", filed.text());
        let filed = filed.json();
        assert_eq!(filed["media_type"], "application/pdf");
        self.settled(4);
        filed["clip"].as_str().unwrap().to_owned()
    }

    fn a_reviewer_agrees(&self, people: &People) {
        let reviewer = &people.reviewer;
        let review = format!("/review/{}", encoded(CASE));
        assert_eq!(reviewer.get(&review).status, 404, "it does not stand sent");
        let nobody = people.head.form(&of_case("/review"), &[("to", "nobody"), ("step", "send")]);
        assert!(nobody.status == 404 && nobody.text().contains("没有账号 nobody"), "{}", nobody.text());
        assert_eq!(people.officer.form(&of_case("/review"), &[("step", "send")]).status, 403);
        posted(&people.head, &of_case("/review"), &[("to", "fazhi"), ("until", ""), ("step", "send")]);
        assert!(people.head.get(&of_case("")).text().contains("已送审：周审核"));
        assert!(reviewer.get("/review").text().contains(CASE));
        assert!(!people.other_reviewer.get("/review").text().contains(CASE), "it was sent to one of them");

        let page = reviewer.get(&review).text();
        for told in ["留置送达", "现场检查笔录"] {
            assert!(page.contains(told), "{told}: {page}");
        }
        let clip = self.station.find(CASE)[0]["record_id"].as_str().unwrap().to_owned();
        let note = [("clip", clip.as_str()), ("at", "0:01"), ("words", "亮证清楚")];
        posted(reviewer, &format!("{review}/note"), &note);
        posted(reviewer, &format!("{review}/opinion"), &[("verdict", "agree"), ("words", "音像记录与笔录一致")]);
        let opinion = reviewer.get(&format!("{review}/opinion")).text();
        for told in ["音像记录审查意见", "音像记录与笔录一致", "亮证清楚", "周审核"] {
            assert!(opinion.contains(told), "{told}: {opinion}");
        }
        posted(&people.head, &of_case("/review"), &[("step", "end")]);
        assert_eq!(reviewer.get(&review).status, 404, "it was called back");
    }

    fn the_archivist_files_it(&mut self, people: &People) {
        let archivist = &people.archivist;
        posted(&people.head, &of_case("/close"), &[]);
        let bind = [("fonds_no", ""), ("year", "2026"), ("archival_code", "0123-2026-0058"), ("term", "30年")];
        posted(archivist, &of_case("/bind"), &bind);
        self.station.until("the check finds no gap", |s| {
            let check = s.json(["case", "file", "check", CASE]);
            check["report"]["gaps"].as_array().unwrap().is_empty()
        });
        posted(archivist, &of_case("/file"), &[("opinion", "四性检测通过")]);
        let filed = archivist.get(&format!("/api/v1{}", of_case("/filing"))).json();
        assert_eq!((&filed["state"], &filed["archival_code"]), (&"filed".into(), &"0123-2026-0058".into()));
        let clip = self.station.find(CASE)[0]["record_id"].as_str().unwrap().to_owned();
        let record = self.station.record(&clip);
        assert_eq!((&record["archival_code"], &record["fonds_no"]), (&"0123-2026-0058".into(), &"0123".into()));
        let (_, words) = self.station.refused(1, ["annotate", &clip, "place=别处"]);
        assert!(words.contains("takes no changes"), "{words}");
    }

    fn it_is_found_by_whatever_is_remembered(&self, people: &People, document: &str) {
        let all = ids(&self.station.find(CASE));
        assert!(all.len() == 4 && all.contains(document), "{all:?}");
        for typed in [
            "赵卫罚[2026]58",
            "赵卫罚（２０２６）第０５８号",
            "赵卫罚【2026】058号",
            "赵卫罚﹝2026)58 号",
            "2026〕58",
            "赵卫立(2026)33号",
            "赵卫罚决【2026】041",
            "罚决2026-41",
            "永盛饭店",
            "永盛 卫罚2026",
        ] {
            assert_eq!(ids(self.station.json(["find", typed]).as_array().unwrap()), all, "{typed}");
            let answer = people.archivist.get(&format!("/api/v1/clips?q={}", encoded(typed)));
            assert_eq!(answer.status, 200, "{typed}: {}", answer.text());
            assert_eq!(ids(answer.json()["items"].as_array().unwrap()), all, "{typed}");
        }
        for typed in ["赵卫罚[2026]59", "2026〕581", "永盛诊所"] {
            self.station.refused(3, ["find", typed]);
        }
    }

    fn its_package_holds(&self) {
        let package = self.station.path("package");
        let dir = package.to_str().unwrap();
        self.station.json([
            "export",
            "--case",
            "赵卫罚（2026）第58号",
            "--to",
            dir,
            "--reason",
            "行政诉讼举证",
            "--basis",
            "调取证据通知书〔2026〕9号",
            "--recipient",
            "赵县人民法院",
        ]);
        let key = self.station.path("state/log.key.pub");
        let told = self.station.json(["import-check", dir, "--trust", key.to_str().unwrap()]);
        assert_eq!((&told["whole"], &told["origin_shown"]), (&true.into(), &true.into()), "{told}");
        assert_eq!((&told["case_no"], &told["clips"]), (&CASE.into(), &4.into()), "{told}");
        let manifest = fs::read_to_string(package.join("manifest-sha256.txt")).unwrap();
        for record in self.station.find(CASE) {
            assert!(manifest.contains(record["sha256"].as_str().unwrap()), "{record}");
        }
        // One byte of one clip, and it holds no more.
        let clips = support::station::files_below(&package.join("data/clips"));
        let film = clips.iter().find(|f| f.extension().is_some_and(|e| e == "mp4")).unwrap();
        support::station::flip(film, 4_000);
        let output = self.station.evidock(["import-check", dir, "--json"]);
        assert!(!output.status.success());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["whole"], false);
    }

    fn the_log_tells_it_all_and_names_nobody(&self) {
        self.station.json(["checkpoint"]);
        assert_eq!(self.station.json(["log", "verify"])["intact"], true);
        let kinds: BTreeSet<String> =
            self.station.query("SELECT DISTINCT kind FROM log_entry", &[]).into_iter().flatten().collect();
        for kind in [
            "register.imported",
            "register.roster",
            "desk.issued",
            "desk.returned",
            "clip.sealed",
            "delivery.proven",
            "clip.linked",
            "document.filed",
            "case.review",
            "case.review_note",
            "case.review_opinion",
            "case.filed",
            "access.export",
        ] {
            assert!(kinds.contains(kind), "{kind}: {kinds:?}");
        }
        let told = self.station.query("SELECT bytes FROM log_entry", &[]).concat().concat();
        for secret in ["张三", "李四", "永盛", "东关街", "亮证清楚", "音像记录与笔录一致"] {
            assert!(!told.contains(secret), "{secret}");
        }
    }
}
