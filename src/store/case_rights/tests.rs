//! Whose a case is, by its clips and by its register.

use super::*;
use crate::domain::case_number::{CaseNumber, NumberRule, loose};
use crate::domain::coverage::{Allowed, Standing};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Origin};
use crate::domain::register::{Entry, Register};
use crate::domain::rights::{Role, Roles};
use crate::store::tests::{Fixture, fixture};
use crate::store::{Import, LinkRequest, NewAccount, NewEntry, ReviewRow};

const CASE: &str = "赵卫罚〔2026〕12号";
const NOW: i64 = 1_781_834_604_000;
const ALLOWED: Allowed = Allowed { gap_ms: 1_000, within_ms: 1_000 };

fn number() -> CaseNumber {
    NumberRule::builtin().parse(CASE, 2026).unwrap()
}

fn account(f: &Fixture, login: &str, role: Role, unit: &str, officers: &[&str]) -> (i64, Within) {
    let roles = Roles::new([role]).unwrap();
    let new = NewAccount {
        login: login.into(),
        label: String::new(),
        roles: roles.clone(),
        unit: Some(unit.into()),
        officers: officers.iter().map(|o| (*o).to_owned()).collect(),
        until_ms: None,
        password: "$argon2id$".into(),
    };
    let asked = Draft::by(EventKind::AccountMade, Actor::os(0), "cli");
    let id = f.store.write_blocking(move |tx| tx.add_account(&new, asked)).unwrap();
    (id, Within::of(id, &roles, Action::FindCase))
}

/// A clip of an officer that is linked to the case.
fn recorded(f: &Fixture, name: &str, officer: &str, matter: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![]);
    let facts = [(Field::Officer, Origin::Roster, officer.to_owned())];
    let request = LinkRequest {
        clip,
        number: number(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: Some(matter.into()),
        proves: None,
        origin: Origin::Person,
        score: 100,
        reason: None,
    };
    f.store
        .write_blocking(move |tx| {
            tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)?;
            tx.link(&request, &Actor::os(7), "cli")
        })
        .unwrap();
    clip
}

fn import(f: &Fixture, register: Register, numbers: Vec<CaseNumber>, values: &[(&str, &str)]) {
    let entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let entry = NewEntry { line: 2, key: entry.key(register), entry, numbers };
    let import = Import { register, name: "a.csv".into(), entries: vec![entry], rule_version: 1 };
    f.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
}

fn registered(f: &Fixture, more: &[(&str, &str)]) {
    let values: Vec<_> = [("number", CASE), ("party", "赵县某饭店")].into_iter().chain(more.iter().copied()).collect();
    import(f, Register::Case, vec![number()], &values);
}

fn case(f: &Fixture) -> i64 {
    f.store.read_blocking(|r| r.case_id(number().key())).unwrap().unwrap()
}

fn knows(f: &Fixture, within: &Within) -> bool {
    let case = case(f);
    f.store.read_blocking(|r| r.knows_case(case, within, NOW)).unwrap()
}

/// Whether the case is found by its party.
fn finds(f: &Fixture, within: &Within) -> bool {
    let found = f.store.read_blocking(|r| r.search_cases(Some(&loose("某饭店")), None, 10, within, NOW)).unwrap();
    !found.is_empty()
}

fn standing(f: &Fixture, account: i64) -> (bool, bool, bool) {
    let case = case(f);
    let subject = f.store.read_blocking(|r| r.case_standing(case, account, NOW)).unwrap();
    (subject.own, subject.unit, subject.sent)
}

#[test]
fn a_clip_in_a_case_of_the_register_does_not_tell_whose_case_it_is() {
    let f = fixture();
    let (jia, jia_sees) = account(&f, "jia", Role::Officer, "一科", &["甲", "110203"]);
    let (_, head_sees) = account(&f, "head", Role::DepartmentHead, "一科", &[]);
    let (other, other_sees) = account(&f, "head-2", Role::DepartmentHead, "二科", &[]);
    let (_, archive_sees) = account(&f, "dang", Role::Archivist, "档案室", &[]);
    registered(&f, &[]);
    assert_eq!(standing(&f, jia), (false, false, false), "a number that somebody knows is not theirs");
    recorded(&f, "a", "甲", "现场检查");
    assert_eq!((standing(&f, jia), standing(&f, other)), ((true, true, false), (false, false, false)));
    for within in [&jia_sees, &head_sees, &other_sees] {
        assert!(!knows(&f, within) && !finds(&f, within), "{within:?}");
    }
    assert!(knows(&f, &archive_sees) && finds(&f, &archive_sees));
    assert!(knows(&f, &Within::Everything) && finds(&f, &Within::Everything));
    // The register gives it to them: by number as by name, and to their unit.
    registered(&f, &[("officers", "乙、１１０２０３")]);
    assert!(knows(&f, &jia_sees) && finds(&f, &jia_sees) && knows(&f, &head_sees) && !knows(&f, &other_sees));
    registered(&f, &[("unit", "一科")]);
    assert!(!knows(&f, &jia_sees) && knows(&f, &head_sees) && !knows(&f, &other_sees));
    registered(&f, &[("unit", "二科")]);
    assert!(!knows(&f, &head_sees) && knows(&f, &other_sees));
    assert_eq!(standing(&f, other), (false, true, false), "theirs to file documents to before there is any clip");
}

#[test]
fn a_case_that_no_register_has_is_known_to_whose_it_is_alone() {
    let f = fixture();
    let (_, jia_sees) = account(&f, "jia", Role::Officer, "一科", &["甲"]);
    let (_, head_sees) = account(&f, "head", Role::DepartmentHead, "一科", &[]);
    let (reviewer, reviewer_sees) = account(&f, "fazhi", Role::LegalReviewer, "法制科", &[]);
    recorded(&f, "a", "甲", "现场检查");
    assert!(knows(&f, &jia_sees) && knows(&f, &head_sees) && !knows(&f, &reviewer_sees));
    recorded(&f, "b", "乙", "送达");
    assert!(!knows(&f, &jia_sees) && !knows(&f, &head_sees), "some of it is beyond them");
    let review = ReviewRow { case_id: case(&f), account: Some(reviewer), until_ms: None };
    let asked = Draft::by(EventKind::Reviewed, Actor::os(7), "cli");
    f.store.write_blocking(move |tx| tx.send_to_review(&review, "hash", asked)).unwrap();
    assert!(knows(&f, &reviewer_sees));
    assert_eq!(standing(&f, reviewer), (false, false, true));
}

#[test]
fn what_is_done_to_each_clip_of_a_case_is_whose_every_clip_of_it_is() {
    let f = fixture();
    let (_, jia) = account(&f, "jia", Role::Officer, "一科", &["甲"]);
    let (_, head) = account(&f, "head", Role::DepartmentHead, "一科", &[]);
    let (_, archive) = account(&f, "dang", Role::Archivist, "档案室", &[]);
    let (_, reviewer) = account(&f, "fazhi", Role::LegalReviewer, "法制科", &[]);
    let nothing = Within::Of { account: 1, stretches: vec![] };
    registered(&f, &[]);
    let of = case(&f);
    let each = |within: &Within| f.store.read_blocking(|r| r.case_is_within(of, within, NOW)).unwrap();
    let page = |within: &Within| f.store.read_blocking(|r| r.case_has_a_page(of, within, NOW)).unwrap();
    // Of a case without clips that is for whoever may do it to every clip; what is known of it they may read.
    assert_eq!([&jia, &head, &archive, &reviewer, &nothing].map(each), [false, false, true, false, false]);
    assert_eq!([&jia, &head, &archive, &reviewer, &nothing].map(page), [false, false, true, false, false]);
    let first = recorded(&f, "a", "甲", "现场检查");
    assert_eq!([&jia, &head, &archive, &reviewer, &nothing].map(each), [true, true, true, false, false]);
    assert_eq!([&jia, &head, &archive, &reviewer, &nothing].map(page), [true, true, true, false, false]);
    // Its label is beyond the head of department, who still sees the others.
    let labelled = recorded(&f, "b", "甲", "送达");
    let label = [(Field::Sensitivity, Origin::Person, "未成年人".to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(labelled, &Actor::os(7), "cli", &label)).unwrap();
    assert_eq!([&jia, &head, &archive].map(each), [true, false, true]);
    assert!(page(&head));
    recorded(&f, "c", "乙", "送达");
    assert_eq!([&jia, &head, &archive, &Within::Everything].map(each), [false, false, true, true]);
    assert!(page(&jia) && page(&head));
    // A hold is over the clips that stand under it.
    let hold = |clip| {
        let asked = Draft::by(EventKind::Hold, Actor::os(7), "cli");
        f.store.write_blocking(move |tx| tx.hold_clip(clip, "复议", None, asked)).unwrap()
    };
    let held = |order: i64, within: &Within| f.store.read_blocking(|r| r.hold_is_within(order, within, NOW)).unwrap();
    let (of_first, of_labelled) = (hold(first), hold(labelled));
    assert!(held(of_first, &jia) && held(of_first, &head) && !held(of_labelled, &head) && held(of_labelled, &archive));
}

#[test]
fn what_should_be_recorded_is_judged_by_what_is_seen() {
    let f = fixture();
    for matter in ["现场检查", "送达"] {
        import(&f, Register::Catalogue, vec![], &[("stage", "调查取证"), ("matter", matter), ("tier", "part")]);
    }
    let (mine, _) = (recorded(&f, "a", "甲", "现场检查"), recorded(&f, "b", "乙", "送达"));
    registered(&f, &[("matters", "现场检查、送达")]);
    let case = case(&f);
    let standings = |clips: &[ClipId], known| {
        let coverage = f.store.read_blocking(|r| r.coverage_seen(case, clips, known, NOW, ALLOWED)).unwrap();
        coverage.lines.iter().map(|l| (l.item.matter.clone(), l.clips, l.standing)).collect::<Vec<_>>()
    };
    let line = |matter: &str, clips, standing| (matter.to_owned(), clips, standing);
    assert_eq!(
        standings(&[mine], false),
        [line("现场检查", 1, Standing::Present), line("送达", 0, Standing::NotYetDue)],
        "the register's matters are not told"
    );
    assert_eq!(standings(&[mine], true), [line("现场检查", 1, Standing::Present), line("送达", 0, Standing::Missing)]);
}
