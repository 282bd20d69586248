//! Who may ask for an evidence package that takes two people, and who confirms it.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::record::Origin;
use crate::store::LinkRequest;
use crate::store::tests::{Fixture, fixture};

const CASE: &str = "赵卫罚〔2026〕12号";

/// A station whose one clip belongs to the case; and the case.
fn with_a_case() -> (Fixture, i64) {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let rule = NumberRule::builtin();
    let number = rule.parse(CASE, 2026).unwrap();
    let key = number.key().to_owned();
    let request = LinkRequest {
        clip,
        rule_version: rule.version,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin: Origin::Person,
        score: 100,
        reason: None,
        number,
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(1), "cli")).unwrap();
    let case = f.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap();
    (f, case)
}

fn ask(f: &Fixture, (package, case_id): (&str, i64), second_person: bool, actor: Actor) -> Result<ExportState> {
    let new = NewExport {
        package: package.into(),
        case_id,
        case_no: CASE.into(),
        reason: "行政诉讼举证".into(),
        basis: "调取证据通知书".into(),
        recipient: None,
        lang: "zh-CN".into(),
        target: Target::Browser,
        disc_bytes: None,
        second_person,
        derived: false,
    };
    f.store.write_blocking(move |tx| tx.ask_export(&new, Draft::by(EventKind::ExportAsked, actor, "api")))
}

fn confirm(f: &Fixture, package: &'static str, actor: Actor) -> Result<ExportState> {
    f.store.write_blocking(move |tx| tx.decide_export(package, true, Draft::by(EventKind::ExportDecided, actor, "web")))
}

fn told(refused: Result<ExportState>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn two_people_ask_and_confirm_and_a_program_is_neither() {
    let (f, case) = with_a_case();
    // Whoever has the token may be whoever confirms.
    assert!(told(ask(&f, ("a", case), true, Actor::token(7))).contains("told apart"));
    assert_eq!(ask(&f, ("a", case), true, Actor::user(3)).unwrap(), ExportState::Asked);
    assert!(told(confirm(&f, "a", Actor::user(3))).contains("another person"));
    assert!(confirm(&f, "a", Actor::token(7)).is_err() && confirm(&f, "a", Actor::loopback()).is_err());
    assert_eq!(confirm(&f, "a", Actor::user(4)).unwrap(), ExportState::Making);
    // One that a program was let ask for in an older version cannot be confirmed, but refused.
    assert_eq!(ask(&f, ("b", case), true, Actor::user(3)).unwrap(), ExportState::Asked);
    let changed = f
        .store
        .write_blocking(|tx| Ok(tx.conn.execute("UPDATE export SET asked_by = 'token:7' WHERE package = 'b'", [])?))
        .unwrap();
    assert_eq!(changed, 1);
    assert!(told(confirm(&f, "b", Actor::user(3))).contains("program"));
    let refused = f
        .store
        .write_blocking(|tx| tx.decide_export("b", false, Draft::by(EventKind::ExportDecided, Actor::user(3), "web")));
    assert_eq!(refused.unwrap(), ExportState::Refused);
    // Where no second person is wanted, a program gets its package at once.
    assert_eq!(ask(&f, ("c", case), false, Actor::token(7)).unwrap(), ExportState::Making);
}

#[test]
fn packages_are_read_in_pages_and_none_is_passed_over() {
    let (f, case) = with_a_case();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        // All of them at one moment.
        ask(&f, (name, case), false, Actor::user(3)).unwrap();
    }
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let from = before.clone();
        let page = f.store.read_blocking(move |r| r.exports_before(Some(case), from.as_ref(), 2)).unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.asked_ms, last.package.clone()));
        read.extend(page.into_iter().map(|row| row.package));
    }
    assert_eq!(read, ["e", "d", "c", "b", "a"]);
}
