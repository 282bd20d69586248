//! Triage against its rows: what waits, in which order, and that a person's word stands above every rule.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::event::EventKind;
use crate::domain::record::{Field, Origin};
use crate::store::LinkRequest;
use crate::store::tests::{Fixture, fixture};

fn said(text: &str, score: u32) -> Suggestion {
    let number = NumberRule::builtin().parse(text, 2026).unwrap();
    Suggestion {
        case_key: number.key().to_owned(),
        raw: text.to_owned(),
        rule: "register".into(),
        score,
        reason: "officer and place fit".into(),
        stage: None,
        matter: None,
        proves: None,
    }
}

fn sealed(f: &Fixture, name: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![]);
    f.store
        .write_blocking(move |tx| {
            let start = (Field::CapturedStart, Origin::FileName, "2026-06-19T09:00:00+08:00".to_owned());
            tx.add_facts(clip, &Actor::daemon(), "daemon", &[start])
        })
        .unwrap();
    clip
}

fn suggest(f: &Fixture, clip: ClipId, found: Vec<Suggestion>) {
    f.store.write_blocking(move |tx| tx.suggest(clip, &found)).unwrap();
}

fn waiting(f: &Fixture) -> Vec<ClipId> {
    let page = f.store.read_blocking(|r| r.triage(None, 100, &Within::Everything, 0)).unwrap();
    assert_eq!(page.total as usize, page.rows.len());
    page.rows.into_iter().map(|row| row.clip).collect()
}

fn states(f: &Fixture, clip: ClipId) -> Vec<(String, String)> {
    let rows = f.store.read_blocking(|r| r.suggestions(clip)).unwrap();
    rows.into_iter().map(|s| (s.said.raw, s.state)).collect()
}

fn asked(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(7), "cli")
}

const A: &str = "赵卫罚〔2026〕1号";
const B: &str = "赵卫罚〔2026〕2号";

fn link(f: &Fixture, clip: ClipId, text: &str, origin: Origin) -> Result<u32> {
    let request = LinkRequest {
        clip,
        number: NumberRule::builtin().parse(text, 2026).unwrap(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin,
        score: 90,
        reason: None,
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(7), "cli"))
}

#[test]
fn what_one_key_settles_comes_first() {
    let f = fixture();
    let (a, b, c) = (sealed(&f, "a"), sealed(&f, "b"), sealed(&f, "c"));
    f.clip("still copying");
    suggest(&f, b, vec![said(A, 75)]);
    suggest(&f, c, vec![said(A, 50), said(B, 60)]);
    assert_eq!(waiting(&f), [b, c, a]);
    let first = f.store.read_blocking(|r| r.triage(None, 2, &Within::Everything, 0)).unwrap();
    assert_eq!((first.rows.len(), first.total), (2, 3));
    let rest = f.store.read_blocking(move |r| r.triage(first.next, 2, &Within::Everything, 0)).unwrap();
    assert_eq!((rest.rows.iter().map(|r| r.clip).collect::<Vec<_>>(), rest.next), (vec![a], None));
    suggest(&f, b, vec![]);
    assert_eq!(states(&f, b), [(A.to_owned(), "gone".to_owned())], "no rule says so any more");
    let after = waiting(&f);
    assert!(after[0] == c && after.len() == 3, "the others still lack facts");
}

#[test]
fn a_decision_settles_a_suggestion_and_can_be_taken_back() {
    let f = fixture();
    let clip = sealed(&f, "a");
    suggest(&f, clip, vec![said(A, 75), said(B, 60)]);
    link(&f, clip, A, Origin::Person).unwrap();
    assert_eq!(states(&f, clip), [(A.to_owned(), "accepted".to_owned()), (B.to_owned(), "open".to_owned())]);
    let refuse = |text: &str| {
        let key = said(text, 0).case_key;
        f.store.write_blocking(move |tx| tx.refuse_suggestion(clip, &key, asked(EventKind::SuggestionRefused)))
    };
    assert!(matches!(refuse(A), Err(StoreError::Conflict(_))), "what is linked is withdrawn, not refused");
    assert_eq!(refuse(B).unwrap(), Decided::Done);
    assert_eq!(refuse(B).unwrap(), Decided::Same);
    suggest(&f, clip, vec![said(B, 99)]);
    let refused = (B.to_owned(), "refused".to_owned());
    assert!(states(&f, clip).contains(&refused), "a rule does not open again what a person refused");
    assert!(matches!(link(&f, clip, B, Origin::Roster), Err(StoreError::Conflict(_))), "nor link it");
    let key = said(B, 0).case_key;
    let reopened =
        f.store.write_blocking(move |tx| tx.reopen_suggestion(clip, &key, asked(EventKind::SuggestionReopened)));
    assert_eq!(reopened.unwrap(), Decided::Done);
    assert!(states(&f, clip).contains(&(B.to_owned(), "open".to_owned())));
    let odd =
        f.store.write_blocking(move |tx| tx.refuse_suggestion(clip, "nothing", asked(EventKind::SuggestionRefused)));
    assert!(matches!(odd, Err(StoreError::NotFound(_))));
}

#[test]
fn what_a_person_withdrew_is_not_suggested_again() {
    let f = fixture();
    let clip = sealed(&f, "a");
    suggest(&f, clip, vec![said(A, 90)]);
    link(&f, clip, A, Origin::Rule).unwrap();
    assert_eq!(states(&f, clip)[0].1, "linked");
    let key = said(A, 0).case_key;
    f.store.write_blocking(move |tx| tx.unlink(clip, &key, "another case", &Actor::os(7), "cli")).unwrap();
    assert_eq!(states(&f, clip)[0].1, "refused");
    assert!(f.store.read_blocking(|r| r.refused(clip, &said(A, 0).case_key)).unwrap());
    assert!(link(&f, clip, A, Origin::Rule).is_err());
}

#[test]
fn a_rule_takes_back_its_own_link_and_nobody_else_s() {
    let f = fixture();
    let clip = sealed(&f, "a");
    link(&f, clip, A, Origin::Roster).unwrap();
    link(&f, clip, B, Origin::Person).unwrap();
    let case = |text: &str| f.store.read_blocking(|r| r.case_id(&said(text, 0).case_key)).unwrap().unwrap();
    let (a, b) = (case(A), case(B));
    let take_back = |case: i64| {
        f.store.write_blocking(move |tx| tx.withdraw_by_rule(clip, case, "the roster says another case", "daemon"))
    };
    take_back(a).unwrap();
    assert!(matches!(take_back(a), Err(StoreError::Conflict(_))));
    assert!(matches!(take_back(b), Err(StoreError::Conflict(_))), "a person's link is not the rules' to change");
    let left: Vec<i64> = f.store.read_blocking(|r| r.links(clip)).unwrap().iter().map(|l| l.case_id).collect();
    assert_eq!(left, [b]);
}
