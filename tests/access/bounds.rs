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
