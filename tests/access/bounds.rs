//! What a clip in a case opens of the case, and what it does not.

use std::fs;

use super::http::{Answer, Browser};
use super::support::station::Station;
use super::{CASE, encoded, people, two_officers};

const PARTY: &str = "赵县某饭店";

fn registered(station: &Station, officers: &str) {
    let file = station.path("cases.csv");
    let text = format!("案件编号,当事人,案由,承办人\n{CASE},{PARTY},未公示卫生许可证,{officers}\n");
    fs::write(&file, text).unwrap();
    station.json(["register", "import", "case", file.to_str().unwrap()]);
}

fn file_document(browser: &Browser) -> Answer {
    let token = browser.cookie.as_deref().unwrap().split_once('=').unwrap().1;
    let form_token = evidock::access::form_token(token);
    let headers = [("content-type", "application/pdf"), ("x-csrf-token", form_token.as_str())];
    let path = format!("/api/v1/cases/{}/documents?name=x.pdf&kind=record", encoded(CASE));
    browser.send("POST", &path, &headers, b"%PDF-1.7 a written record")
}

#[test]
fn a_clip_in_a_case_opens_that_clip_and_not_the_case() {
    let mut station = Station::running("");
    two_officers(&mut station);
    registered(&station, "乙");
    let accounts: &[(&str, &[&str])] = &[
        ("jia", &["--role", "officer", "--officer", "甲", "--unit", "一科"]),
        ("bing", &["--role", "officer", "--officer", "丙", "--unit", "二科"]),
        ("head", &["--role", "department_head", "--unit", "一科"]),
        ("archive", &["--role", "archivist"]),
    ];
    let mut people = people(&station, accounts).into_iter();
    let [jia, bing, head, archivist] = std::array::from_fn(|_| people.next().unwrap());
    let case = format!("/cases/{}", encoded(CASE));
    let party = format!("/parties/{}", encoded(PARTY));
    let by_party = format!("/api/v1/cases?query={}", encoded("某饭店"));
    let knows = |who: &Browser| {
        let told = who.get(&format!("/api/v1{case}")).json();
        assert_eq!(who.get(&case).text().contains(PARTY), told["party_ref"] == PARTY);
        assert_eq!(who.get(&party).status == 200, told["party_ref"] == PARTY);
        assert_eq!(!who.get(&by_party).json()["items"].as_array().unwrap().is_empty(), told["party_ref"] == PARTY);
        told["party_ref"] == PARTY && told["cause"] == "未公示卫生许可证"
    };
    assert!(!knows(&jia) && !knows(&head), "a clip of theirs is in it");
    assert!(knows(&archivist));

    // Whoever has no clip in it and is not named files nothing, and so makes nothing theirs.
    let refused = file_document(&bing);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(bing.get(&case).status, 404);
    assert_eq!(station.one("SELECT count(*) FROM document", &[]), "0");
    let filed = file_document(&jia);
    assert_eq!(filed.status, 201, "{}", filed.text());

    registered(&station, "甲;乙");
    assert!(knows(&jia) && knows(&head), "the register gives it to them");
}

/// What routine checks are called for which no case was opened.
const DAILY: &str = "日常检查(未立案)";
const DAILY_SHAPE: &str = "[casework]\n[[casework.number_shape]]\nname = \"daily\"\npattern = '日常检查(?:\\(未立案\\))?'\n\
    display = \"日常检查(未立案)\"\nkey = \"日常检查(未立案)\"\nkind = \"unfiled\"\nexample = \"日常检查(未立案)\"\n";

#[test]
fn nothing_is_done_at_once_with_the_clips_of_years_of_checks() {
    let mut station = Station::running(DAILY_SHAPE);
    let (one, two) = two_officers(&mut station);
    station.json(["link", &one, DAILY]);
    station.json(["review", DAILY]);
    // Years of links, of the checks and of the case alike: what is counted are links, those that were withdrawn among them.
    station.stop();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    let added = db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2001)
         INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, rule_version, withdrawn, actor, at_ms)
         SELECT l.clip_id, l.case_id, -n.i, l.case_key, l.raw, 'rule', 100, 1, 1, l.actor, 0 FROM n, (SELECT clip_id, case_id, case_key, raw, actor FROM case_link WHERE clip_id = ?1 GROUP BY case_id) l",
        [&one],
    );
    assert_eq!(added.unwrap(), 2 * 2001);
    drop(db);
    station.start();
    let done = "SELECT count(*) FROM log_entry WHERE kind IN ('clip.hold', 'case.closed', 'case.bound', 'case.compared', 'case.filed',
        'case.review', 'case.review_opinion', 'access.export', 'access.export_asked')";
    let entries = |s: &Station| s.one(done, &[]);
    let before = entries(&station);
    let out = station.path("out").to_str().unwrap().to_owned();
    let refusals = [
        station.refused(1, ["case", "file", "close", DAILY]),
        station.refused(1, ["case", "file", "compare", DAILY]),
        station.refused(1, ["case", "file", "check", DAILY]),
        station.refused(1, ["case", "file", "bind", DAILY, "--code", "1", "--term", "30年", "--fonds", "1"]),
        station.refused(1, ["case", "file", "sign", DAILY, "--opinion", "好"]),
        station.refused(1, ["hold", "--case", DAILY, "--reason", "复议"]),
        station.refused(1, ["review", DAILY]),
        station.refused(1, ["case", "opinion", DAILY, "--verdict", "agree"]),
        station.refused(1, ["export", "--case", DAILY, "--to", &out, "--reason", "复议", "--basis", "函"]),
    ];
    for (_, words) in &refusals {
        assert!(words.contains("more than 2000 links"), "{words}");
    }
    let browser = Browser::new(&station.page());
    let json = |method: &str, path: &str, body: &str| {
        browser.send(method, path, &[("content-type", "application/json")], body.as_bytes())
    };
    let case = format!("/api/v1/cases/{}", encoded(DAILY));
    let export = format!("{{\"case_no\":\"{DAILY}\",\"reason\":\"复议\",\"basis\":\"函\",\"target\":\"browser\"}}");
    for (method, path, body) in [
        ("GET", format!("{case}/filing"), ""),
        ("GET", format!("{case}/filing/list"), ""),
        ("GET", format!("{case}/review"), ""),
        ("POST", format!("{case}/close"), "{}"),
        ("POST", format!("{case}/holds"), "{\"reason\":\"复议\"}"),
        ("POST", "/api/v1/exports".to_owned(), &export),
    ] {
        let answer = json(method, &path, body);
        assert_eq!((answer.status, &answer.json()["why"]["why"]), (409, &"large_reference".into()), "{method} {path}");
    }
    let path = format!("/cases/{}", encoded(DAILY));
    let page = browser.send("GET", &path, &[("accept-language", "zh-CN")], b"").text();
    assert!(
        page.contains("请先把有关资料关联到其案件") && !page.contains("/hold\"") && !page.contains("/filing\""),
        "{page}"
    );
    assert_eq!(entries(&station), before, "none of it was done");

    // What was sent while it had few clips is called back; and one clip of it is held.
    station.json(["review", DAILY, "--end"]);
    station.json(["hold", &two, "--reason", "复议"]);
    // A case is done with as ever, however many links it has.
    assert_eq!(station.json(["hold", "--case", CASE, "--reason", "复议"])["clips"], 2);
    assert_eq!(station.json(["case", "file", "close", CASE])["state"], "closed");
}
