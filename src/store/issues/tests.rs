//! Who has a recorder: by the desk, by the roster, by what its clips say.

use crate::domain::event::{Actor, EventKind};
use crate::domain::record::{Field, Origin};
use crate::store::tests::{events, fixture};
use crate::store::*;

#[test]
fn a_recorder_is_out_with_one_officer_at_a_time() {
    let f = fixture();
    let new = |officer: &str, due_ms| NewIssue {
        recorder: "r1".into(),
        officer: officer.into(),
        case: Some(("赵卫罚〔2026〕12号".into(), "k".into())),
        place: Some("东关街".into()),
        matter: None,
        due_ms,
    };
    let issue = |new: NewIssue| f.store.write_blocking(move |tx| tx.issue(&new, &Actor::os(7), "cli")).unwrap();
    let holder = || f.store.read_blocking(|r| r.holder_of_dock(f.dock)).unwrap().map(|h| (h.officer, h.origin));
    assert_eq!(holder(), None);
    let (_, earlier) = issue(new("张三", Some(1)));
    assert_eq!(earlier, None);
    assert_eq!(holder(), Some(("张三".into(), Origin::Issue)), "however the id was typed");
    let now_ms = 1_781_834_604_000;
    assert_eq!(f.store.read_blocking(|r| r.out_figures(now_ms)).unwrap(), (1, 1), "due long ago");
    let (_, earlier) = issue(new("李四", None));
    assert_eq!(earlier.unwrap().officer, "张三");
    assert_eq!(f.store.read_blocking(|r| r.out_figures(now_ms)).unwrap(), (1, 0));
    let back = || f.store.write_blocking(|tx| tx.return_recorder("Ｒ1", &Actor::os(7), "cli"));
    assert_eq!(back().unwrap().officer, "李四");
    assert!(matches!(back(), Err(StoreError::NotFound(Why::NotOut { .. }))));
    let stays = f.store.read_blocking(|r| r.issues_of("r1")).unwrap();
    let ended: Vec<_> = stays.iter().map(|s| s.ended.as_deref().unwrap()).collect();
    assert_eq!(ended, ["reissued", "returned"]);
    let events = events(&f);
    let told = |kind: EventKind| events.iter().filter(|e| e["kind"] == kind.as_str()).count();
    assert_eq!((told(EventKind::Issued), told(EventKind::Returned)), (2, 1));
    assert!(!format!("{events:?}").contains("张三"), "people are committed to, not told");
}

#[test]
fn whose_a_docked_recorder_is_when_nobody_took_it_out() {
    let f = fixture();
    let holder = || f.store.read_blocking(|r| r.holder_of_dock(f.dock)).unwrap().map(|h| (h.officer, h.origin));
    let clip = f.clip("a");
    let says = |field, origin, value: &str| {
        let fact = [(field, origin, value.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &fact)).unwrap();
    };
    says(Field::Officer, Origin::FileName, "110203");
    assert_eq!(holder(), Some(("110203".into(), Origin::FileName)));
    let row = |officer: &str| RosterEntry {
        recorder: "r1".into(),
        from_ms: 0,
        to_ms: i64::MAX,
        row: format!(r#"{{"officer":"{officer}"}}"#),
    };
    let import = |rows: Vec<RosterEntry>| {
        let change = RosterChange { told: rows.len(), rows, ..RosterChange::default() };
        f.store.write_blocking(move |tx| tx.import_roster("x", &change, &Actor::os(7), "cli")).unwrap()
    };
    import(vec![row("张三")]);
    assert_eq!(holder(), Some(("张三".into(), Origin::Roster)), "the roster comes before a name of a file");
    import(vec![row("李四")]);
    assert_eq!(holder(), Some(("110203".into(), Origin::FileName)), "a roster that disagrees says nothing");
    says(Field::Officer, Origin::Person, "王五");
    assert_eq!(holder(), Some(("王五".into(), Origin::Person)));
}
