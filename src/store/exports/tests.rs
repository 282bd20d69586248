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

/// The clip of the case, and that a package was begun with it.
fn begun(f: &Fixture, case: i64, package: &'static str) -> ClipId {
    let clip = f.store.read_blocking(|r| r.clips_of_case(case)).unwrap()[0];
    let hash = crate::domain::layout::case_hash(NumberRule::builtin().parse(CASE, 2026).unwrap().key());
    let event = Draft::daemon(EventKind::ExportBegun).clip(clip).case(hash).fact("package", package);
    f.store.write_blocking(move |tx| tx.log(&event)).unwrap();
    clip
}

fn isolate(f: &Fixture, clip: ClipId) {
    let asked = Draft::by(EventKind::Isolated, Actor::user(7), "web");
    f.store.write_blocking(move |tx| tx.isolate(clip, "地图", &asked)).unwrap();
}

fn lift(f: &Fixture, clip: ClipId) {
    let by = |account| Draft::by(EventKind::IsolationLifted, Actor::user(account), "web");
    let (asked, confirmed) = (by(7), by(8));
    f.store.write_blocking(move |tx| tx.ask_lift(clip, "误判", asked)).unwrap();
    f.store.write_blocking(move |tx| tx.lift(clip, confirmed)).unwrap();
}

fn retry(f: &Fixture, package: &'static str) -> Result<()> {
    f.store.write_blocking(move |tx| {
        tx.retry_export(package, Draft::by(EventKind::ExportContinued, Actor::user(3), "web"))
    })
}

fn state(f: &Fixture, package: &'static str) -> ExportState {
    f.store.read_blocking(|r| r.export(package)).unwrap().state
}

fn cuts(f: &Fixture) -> Vec<(String, String)> {
    let rows = f.store.read_blocking(|r| r.log_entries(0, 1_000)).unwrap();
    let entries = rows.iter().map(|row| serde_json::from_slice::<Envelope>(&row.bytes).unwrap());
    let text = |e: &Envelope, key: &str| e.body[key].as_str().unwrap().to_owned();
    entries
        .filter(|e| e.kind == EventKind::ExportCut.as_str())
        .map(|e| (text(&e, "package"), text(&e, "was")))
        .collect()
}

#[test]
fn an_isolation_ends_what_is_under_way_and_a_lift_lets_it_be_begun_again() {
    let (f, case) = with_a_case();
    assert_eq!(ask(&f, ("a", case), false, Actor::user(3)).unwrap(), ExportState::Making);
    // One for which nothing was begun yet is begun without the clip.
    assert_eq!(ask(&f, ("b", case), false, Actor::user(3)).unwrap(), ExportState::Making);
    let clip = begun(&f, case, "a");
    isolate(&f, clip);
    assert_eq!((state(&f, "a"), state(&f, "b")), (ExportState::Failed, ExportState::Making));
    assert_eq!(cuts(&f), [("a".to_owned(), "making".to_owned())]);
    // Whoever still makes it can neither call it ready nor due.
    assert!(!f.store.write_blocking(|tx| tx.export_ready("a", 1, 1, 1)).unwrap());
    f.store.write_blocking(|tx| tx.export_is("a", ExportState::Making, Some("the line is cut"))).unwrap();
    assert_eq!(state(&f, "a"), ExportState::Failed);
    assert!(f.store.read_blocking(|r| r.export("a")).unwrap().words.unwrap().contains("isolated"));
    let refused = retry(&f, "a").unwrap_err().to_string();
    assert!(refused.contains(&clip.to_string()) && refused.contains("isolated"), "{refused}");
    lift(&f, clip);
    retry(&f, "a").unwrap();
    assert_eq!(state(&f, "a"), ExportState::Making);
}

#[test]
fn a_finished_package_is_given_out_no_more_until_the_isolation_is_lifted() {
    let (f, case) = with_a_case();
    ask(&f, ("a", case), false, Actor::user(3)).unwrap();
    let clip = begun(&f, case, "a");
    // What a command wrote has no row here.
    begun(&f, case, "written-elsewhere");
    assert!(f.store.write_blocking(|tx| tx.export_ready("a", 1, 1, 1)).unwrap());
    let take = || {
        f.store.write_blocking(|tx| tx.take_export("a", 1, 0, Draft::by(EventKind::ExportTaken, Actor::user(3), "web")))
    };
    take().unwrap();
    isolate(&f, clip);
    assert!(matches!(take().unwrap_err(), StoreError::Conflict(Why::PackageIsolated { .. })));
    assert_eq!(state(&f, "a"), ExportState::Ready, "it was finished");
    let pair = |package: &str, was: &str| (package.to_owned(), was.to_owned());
    assert_eq!(cuts(&f), [pair("a", "ready"), pair("written-elsewhere", "written")]);
    let stands = f.store.read_blocking(|r| r.isolated_packages()).unwrap();
    let told: Vec<_> = stands.iter().map(|p| (p.package.as_str(), p.row.is_some(), p.taken, p.clips.len())).collect();
    assert_eq!(told, [("a", true, 1, 1), ("written-elsewhere", false, 0, 1)]);
    lift(&f, clip);
    take().unwrap();
    assert!(f.store.read_blocking(|r| r.isolated_packages()).unwrap().is_empty());
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
