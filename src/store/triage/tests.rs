//! Triage against its rows: what waits, in which order, and that a person's word stands above every rule.

use super::*;
use crate::domain::case_number::{CaseKind, NumberRule, ShapeSpec, builtin_shapes};
use crate::domain::event::EventKind;
use crate::domain::grounds::Ground;
use crate::domain::record::{Field, Origin};
use crate::store::tests::{Fixture, fixture};
use crate::store::{LinkRequest, OneYes};

fn said(text: &str, score: u32) -> Suggestion {
    let number = NumberRule::builtin().parse(text, 2026).unwrap();
    Suggestion {
        case_key: number.key().to_owned(),
        raw: text.to_owned(),
        rule: "register".into(),
        score,
        reason: Ground::OtherOfficers {}.into(),
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

const DAILY: &str = "日常检查(未立案)";

/// The built-in numbers, and the reference of what no case was opened for.
fn rule() -> NumberRule {
    let daily = ShapeSpec {
        name: "daily".into(),
        regex: r"日常检查\(未立案\)".into(),
        display: DAILY.into(),
        key: DAILY.into(),
        kind: CaseKind::Unfiled,
        example: DAILY.into(),
    };
    NumberRule::with_shapes(2, [vec![daily], builtin_shapes()].concat()).unwrap()
}

fn link(f: &Fixture, clip: ClipId, text: &str, origin: Origin) -> Result<u32> {
    let request = LinkRequest {
        clip,
        number: rule().parse(text, 2026).unwrap(),
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
        f.store.write_blocking(move |tx| tx.withdraw_by_rule(clip, case, &Ground::OtherOfficers {}.into(), "daemon"))
    };
    take_back(a).unwrap();
    assert!(matches!(take_back(a), Err(StoreError::Conflict(_))));
    assert!(matches!(take_back(b), Err(StoreError::Conflict(_))), "a person's link is not the rules' to change");
    let left: Vec<i64> = f.store.read_blocking(|r| r.links(clip)).unwrap().iter().map(|l| l.case_id).collect();
    assert_eq!(left, [b]);
}

#[test]
fn a_link_and_a_time_that_became_known_later_are_told_to_who_looks_at_the_outing() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let mut changes = f.store.changes();
    let mut outings = move || {
        let mut told = 0;
        while let Ok(change) = changes.try_recv() {
            told += usize::from(change == Change::Outing(clip));
        }
        told
    };
    link(&f, clip, A, Origin::Person).unwrap();
    assert_eq!(outings(), 1, "its neighbours may belong to the same case");
    let says = |field, value: &str| {
        let fact = [(field, Origin::FileName, value.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &fact)).unwrap();
    };
    says(Field::CapturedStart, "2026-06-19T09:00:00+08:00");
    assert_eq!(outings(), 1, "only now is it known whose neighbour it is");
    says(Field::Place, "东关街18号");
    assert_eq!(outings(), 1, "where it was says who was there too");
    says(Field::Matter, "现场检查");
    assert_eq!(outings(), 0, "what it shows says nothing about its outing");
    let key = said(A, 1).case_key;
    f.store.write_blocking(move |tx| tx.unlink(clip, &key, "of another case", &Actor::os(7), "cli")).unwrap();
    assert_eq!(outings(), 1, "what was suggested because of it no longer holds");
}

#[test]
fn an_outing_takes_along_what_no_case_has_and_what_shares_its_reference() {
    let f = fixture();
    let [first, same, bare, of_case] = ["a", "b", "c", "d"].map(|name| sealed(&f, name));
    for clip in [first, same] {
        link(&f, clip, DAILY, Origin::Issue).unwrap();
    }
    link(&f, of_case, A, Origin::Person).unwrap();
    let outing = |clip: ClipId| {
        let mut found = f.store.read_blocking(|r| r.unlinked_of_outing(clip, 60_000)).unwrap();
        found.sort();
        found
    };
    let sorted = |mut clips: Vec<ClipId>| {
        clips.sort();
        clips
    };
    assert_eq!(outing(first), sorted(vec![same, bare]));
    assert_eq!(outing(bare), [], "what has a reference is perhaps of another matter");
    assert_eq!(outing(of_case), [bare]);
    let told = |f: &Fixture| {
        let around = f.store.read_blocking(|r| r.neighbours("R1", (bare, None), 0, i64::MAX)).unwrap();
        let mut told: Vec<_> =
            around.into_iter().map(|n| (n.unlinked, n.cases.into_iter().map(|c| c.1).collect::<Vec<_>>())).collect();
        told.sort();
        told
    };
    let (none, case) = (vec![DAILY.to_owned()], vec![A.to_owned()]);
    assert_eq!(told(&f), [(false, case.clone()), (true, none.clone()), (true, none.clone())]);

    let waiting = || f.store.read_blocking(|r| r.not_yet_of_a_case(None, 10)).unwrap();
    assert_eq!(waiting(), sorted(vec![first, same]));
    let page = f.store.read_blocking(|r| r.not_yet_of_a_case(Some(waiting()[0]), 10)).unwrap();
    assert_eq!(page, waiting()[1..]);
    let chose = |clip: ClipId| f.store.read_blocking(|r| Ok(r.person_linked(clip)?.1)).unwrap();
    link(&f, same, DAILY, Origin::Person).unwrap();
    assert_eq!((chose(first), chose(same)), (false, false), "that it is of no case yet is no choice of one");
    link(&f, same, A, Origin::Person).unwrap();
    assert!(chose(same) && chose(of_case));
    assert_eq!(waiting(), [first]);
    assert_eq!(outing(first), [bare]);
    assert_eq!(
        told(&f),
        [(false, case.clone()), (false, case), (true, none)],
        "the case stands for what there was before"
    );
    let key = said(A, 0).case_key;
    f.store.write_blocking(move |tx| tx.unlink(same, &key, "another case", &Actor::os(7), "cli")).unwrap();
    assert!(chose(same), "a withdrawn link was a choice");
    assert_eq!(waiting(), sorted(vec![first, same]));
}

#[test]
fn an_outing_ends_where_the_recorder_changes_hands_and_shows_nothing_isolated() {
    let f = fixture();
    let [first, same, unknown, next, isolated] = ["a", "b", "c", "d", "e"].map(|name| sealed(&f, name));
    for (clip, officer) in [(first, "张三"), (same, "张三"), (next, "李四"), (isolated, "张三")] {
        let fact = [(Field::Officer, Origin::Issue, officer.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &fact)).unwrap();
    }
    let mark = "UPDATE clip SET isolated_ms = 1 WHERE clip_id = ?1";
    f.store.write_blocking(move |tx| Ok(tx.conn.execute(mark, [isolated.to_string()])?)).unwrap();
    let outing = |clip: ClipId| {
        let mut found = f.store.read_blocking(|r| r.unlinked_of_outing(clip, 60_000)).unwrap();
        found.sort();
        found
    };
    let sorted = |mut clips: Vec<ClipId>| {
        clips.sort();
        clips
    };
    assert_eq!(outing(first), sorted(vec![same, unknown]));
    assert_eq!(outing(next), [unknown]);
    assert_eq!(outing(unknown), [], "whose it is nobody can tell yet, and two had the recorder");
    // As it is nobody's own recorder: what lies between two stays was in hands that nobody wrote down.
    let desk =
        "INSERT INTO issue (recorder, named, officer, from_ms, issued_by) VALUES ('r1', 'R1', '张三', 0, 'os:1')";
    f.store.write_blocking(move |tx| Ok(tx.conn.execute(desk, [])?)).unwrap();
    assert_eq!((outing(first), outing(next), outing(unknown)), (vec![same], vec![], vec![]));
    link(&f, isolated, A, Origin::Person).unwrap();
    link(&f, next, B, Origin::Person).unwrap();
    let around = f.store.read_blocking(|r| r.neighbours("R1", (first, Some("张三")), 0, i64::MAX)).unwrap();
    assert!(around.iter().all(|n| n.cases.is_empty()), "{around:?}");
}

/// Page after page while others arrive, are decided about and leave: no clip stands twice, and none that waited all the
/// time is missed.
#[test]
fn pages_neither_repeat_nor_miss_while_others_come() {
    let f = fixture();
    let clips: Vec<ClipId> = (0..24).map(|n| sealed(&f, &format!("{n}"))).collect();
    for (n, clip) in clips.iter().enumerate().filter(|(n, _)| n % 3 > 0) {
        suggest(&f, *clip, vec![said(A, 40 + (n as u32 % 4) * 10)]);
    }
    let (mut seen, mut after, mut left, mut pages) = (Vec::new(), None, Vec::new(), 0);
    loop {
        let page = f.store.read_blocking(|r| r.triage(after, 5, &Within::Everything, 0)).unwrap();
        assert!(page.rows.len() <= 5 && page.rows.is_sorted_by(|a, b| (a.place, a.clip) > (b.place, b.clip)));
        seen.extend(page.rows.iter().map(|row| row.clip));
        pages += 1;
        // One that is better known than all of these comes, and one that waits further down goes.
        let new = sealed(&f, &format!("new {pages}"));
        suggest(&f, new, vec![said(B, 79)]);
        if let Some(gone) = clips.iter().rev().find(|c| !seen.contains(c) && !left.contains(*c)).copied() {
            f.store
                .write_blocking(move |tx| {
                    Ok(tx.conn.execute("UPDATE clip_index SET triage = NULL WHERE clip_id = ?1", [gone.to_string()])?)
                })
                .unwrap();
            left.push(gone);
        }
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "no clip twice");
    let stayed: Vec<&ClipId> = clips.iter().filter(|c| !left.contains(*c)).collect();
    assert!(pages > 2 && stayed.iter().all(|c| seen.contains(c)), "and none is missed");
    assert!(left.iter().all(|c| !seen.contains(c)));
}

#[test]
fn one_yes_for_an_outing_overrules_no_person_s_no_to_one_of_its_clips() {
    let f = fixture();
    let [first, refused, withdrawn, open] = ["a", "b", "c", "d"].map(|name| sealed(&f, name));
    suggest(&f, refused, vec![said(A, 75)]);
    let key = said(A, 0).case_key;
    let no = key.clone();
    f.store.write_blocking(move |tx| tx.refuse_suggestion(refused, &no, asked(EventKind::SuggestionRefused))).unwrap();
    link(&f, withdrawn, A, Origin::Person).unwrap();
    let no = key.clone();
    f.store.write_blocking(move |tx| tx.unlink(withdrawn, &no, "another case", &Actor::os(7), "cli")).unwrap();
    let undecided = |key: Option<&str>| {
        let mut found = f.store.read_blocking(|r| r.undecided_of_outing(&OneYes::of(first, key), 60_000)).unwrap();
        found.sort();
        found
    };
    assert_eq!(undecided(Some(&key)), [open]);
    let mut all = vec![refused, withdrawn, open];
    all.sort();
    assert_eq!(undecided(None), all);
    assert_eq!(undecided(Some(&said(B, 0).case_key)), all, "nobody said no to that one");
    link(&f, withdrawn, A, Origin::Person).unwrap();
    assert_eq!(undecided(Some(&key)), [open], "it is of the case now");
}

#[test]
fn a_person_s_word_about_a_clip_is_not_hidden_by_a_link_of_a_rule() {
    let f = fixture();
    let clip = sealed(&f, "a");
    let policy = crate::store::Policy {
        station: crate::domain::ids::StationId::new("one").unwrap(),
        agency: None,
        operator: String::new(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let proves = || f.store.read_blocking(|r| r.record(clip, &policy)).unwrap().proves;
    let linked = |origin: Origin, proves: &str| {
        let request = LinkRequest {
            clip,
            number: rule().parse(A, 2026).unwrap(),
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: None,
            proves: Some(proves.to_owned()),
            origin,
            score: 90,
            reason: None,
        };
        f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(7), "cli")).unwrap();
    };
    let word = |origin: Origin, value: &str| {
        let fact = [(Field::Proves, origin, value.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &fact)).unwrap();
    };
    linked(Origin::Roster, "现场全貌");
    word(Origin::Roster, "亮证");
    assert_eq!(proves().as_deref(), Some("现场全貌"), "the link is of this case, the other of the clip");
    word(Origin::Person, "送达过程");
    assert_eq!(proves().as_deref(), Some("送达过程"));
    let said = |field: Field| f.store.read_blocking(|r| r.persons_word(clip, field)).unwrap();
    let us = Actor::os(7);
    assert_eq!(
        said(Field::Proves),
        Some((format!("{}:{}", us.kind, us.id), "送达过程".to_owned(), String::new())),
        "before it no person had said anything"
    );
    word(Origin::Person, "");
    assert_eq!(proves().as_deref(), Some("现场全貌"), "it is withdrawn, and the rule's counts again");
    assert_eq!(said(Field::Proves).map(|(_, now, before)| (now, before)), Some((String::new(), "送达过程".to_owned())));
    assert_eq!(said(Field::Place), None);
    word(Origin::Person, "送达过程");
    linked(Origin::Person, "签字");
    assert_eq!(proves().as_deref(), Some("签字"), "what a person says of this very case");
}

#[test]
fn what_an_outing_suggests_beside_a_case_is_told_and_waits_for_nobody() {
    let f = fixture();
    let clip = sealed(&f, "a");
    let of = |rule: &str| Suggestion { rule: rule.to_owned(), ..said(B, 75) };
    let complete = [
        (Field::CapturedStart, "2026-06-19T10:00:00+08:00"),
        (Field::Place, "东关街"),
        (Field::Officer, "甲"),
        (Field::Proves, "全貌"),
    ];
    let facts = complete.map(|(field, value)| (field, Origin::Person, value.to_owned()));
    f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &facts)).unwrap();
    suggest(&f, clip, vec![of("neighbour")]);
    assert_eq!(waiting(&f), [clip], "it has no case yet");
    link(&f, clip, A, Origin::Roster).unwrap();
    suggest(&f, clip, vec![Suggestion { score: 74, ..of("neighbour") }]);
    assert!(waiting(&f).is_empty());
    let split = || f.store.read_blocking(|r| r.suggestions_waiting(clip)).unwrap();
    assert_eq!((split().0.len(), split().1.len()), (0, 1), "its page tells it");
    // What somebody wrote down waits, whatever the clip has.
    suggest(&f, clip, vec![of("register")]);
    assert_eq!((waiting(&f), split().0.len()), (vec![clip], 1));
}
