//! Filing against the rows that it rules: its steps in order, what a filed case refuses, and who opens it again.

use super::*;
use crate::domain::case_number::{CaseKind, NumberRule, ShapeSpec, builtin_shapes};
use crate::domain::clip::ProofLevel;
use crate::domain::coverage::NoRecord;
use crate::domain::disposal::Reason;
use crate::domain::event::EventKind;
use crate::domain::filing::{ClipCompared, Outcome, What};
use crate::domain::ports::{Abilities, MediaFacts, MediaHealth};
use crate::domain::record::Origin;
use crate::domain::register::{Entry, Register};
use crate::store::tests::{Fixture, fixture};
use crate::store::{Import, LinkRequest, NewEntry};

const CASE: &str = "赵卫罚〔2026〕12号";
const RULE: FilingRule =
    FilingRule { allowed: Allowed { gap_ms: 1_000, within_ms: 1_000 }, compared_ms: 90 * 86_400_000 };

fn draft(kind: EventKind, uid: u32) -> Draft {
    Draft::by(kind, Actor::os(uid), "cli")
}

fn link(f: &Fixture, clip: ClipId, origin: Origin) -> Result<u32> {
    link_to(f, clip, &NumberRule::builtin(), CASE, origin)
}

fn link_to(f: &Fixture, clip: ClipId, rule: &NumberRule, text: &str, origin: Origin) -> Result<u32> {
    let request = LinkRequest {
        clip,
        rule_version: rule.version,
        range_ms: (None, None),
        stage: None,
        matter: Some("现场检查".into()),
        proves: Some("现场全貌".into()),
        origin,
        score: 100,
        reason: None,
        number: rule.parse(text, 2026).unwrap(),
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(1), "cli"))
}

fn binding(code: &str, term: &str) -> Binding {
    Binding { fonds_no: "0123".into(), year: 2026, archival_code: code.into(), title: None, term: term.into() }
}

/// The numbers of an entry, and what its columns say.
type Line<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

fn import(f: &Fixture, register: Register, lines: &[Line<'_>]) {
    let entries = lines.iter().zip(2..).map(|((numbers, values), line)| {
        let entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let rule = NumberRule::builtin();
        let numbers = numbers.iter().map(|n| rule.parse(n, 2026).unwrap()).collect();
        NewEntry { line, key: entry.key(register), entry, numbers }
    });
    let import = Import { register, name: "a.csv".into(), entries: entries.collect(), rule_version: 1 };
    f.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
}

/// A clip of a case, and a catalogue that asks every case for the matter that it shows.
fn sound_case() -> (Fixture, ClipId, i64) {
    sound_case_by(Origin::Person)
}

/// The same, linked by this.
fn sound_case_by(origin: Origin) -> (Fixture, ClipId, i64) {
    let f = fixture();
    import(&f, Register::Catalogue, &[(&[], &[("stage", "调查取证"), ("matter", "现场检查"), ("tier", "part")])]);
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    link(&f, clip, origin).unwrap();
    let key = NumberRule::builtin().parse(CASE, 2026).unwrap().key().to_owned();
    let case = f.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap();
    (f, clip, case)
}

fn complete(f: &Fixture, clip: ClipId) {
    let health = MediaFacts { health: MediaHealth::Whole, ..MediaFacts::default() };
    let facts = [(Field::CapturedStart, "2026-06-19T10:00:00+08:00"), (Field::Place, "东关街"), (Field::Officer, "甲")];
    let facts: Vec<_> = facts.into_iter().map(|(field, value)| (field, Origin::Roster, value.to_owned())).collect();
    let abilities = Abilities {
        proof: ProofLevel::ReadBack,
        lock: false,
        same_device: false,
        in_order: false,
        detail: String::new(),
    };
    f.store
        .write_blocking(move |tx| {
            tx.probed(clip, &health, None)?;
            tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)?;
            tx.destination_probed("d", &abilities)?;
            tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)?;
            // A checkpoint that covers all of it stands there.
            let station = crate::domain::ids::StationId::new("one")?;
            let key = layout::checkpoint(&station, 1, 900);
            tx.conn.execute(
                "INSERT INTO outbox (destination, key, kind, content_type, made_ms, stored_ms) VALUES ('d', ?1, 'checkpoint', 'text/plain', 1, 1)",
                [key],
            )?;
            Ok(())
        })
        .unwrap();
}

/// Everything that waits is compared, and ends so; how many there were.
fn compare(f: &Fixture, outcome: Outcome) -> usize {
    let mut n = 0;
    while let Some(due) = f.store.read_blocking(|r| r.next_to_compare()).unwrap() {
        n += 1;
        f.store
            .write_blocking(move |tx| {
                let [local, log, record] = ["same"; 3].map(str::to_owned);
                let found = ClipCompared { at_ms: tx.now_ms(), outcome, local, log, record, cloud: None, detail: None };
                let event = Draft::daemon(EventKind::Verified).clip(due.clip);
                tx.clip_compared(due.filing, due.clip, &found, &event)
            })
            .unwrap();
    }
    n
}

fn policy() -> crate::store::Policy {
    crate::store::Policy {
        station: crate::domain::ids::StationId::new("one").unwrap(),
        agency: None,
        operator: String::new(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn file(f: &Fixture, case: i64) -> Result<Report> {
    compare(f, Outcome::Same);
    sign(f, case)
}

fn sign(f: &Fixture, case: i64) -> Result<Report> {
    f.store.write_blocking(move |tx| {
        tx.file_case(case, "四性检测通过", RULE, &jiff::tz::TimeZone::UTC, draft(EventKind::CaseFiled, 1))
    })
}

#[test]
fn each_step_waits_for_the_one_before_and_gaps_file_nothing() {
    let (f, clip, case) = sound_case();
    let bind = |code: &'static str| {
        f.store.write_blocking(move |tx| tx.bind_case(case, &binding(code, "10年"), draft(EventKind::CaseBound, 1)))
    };
    let close = || f.store.write_blocking(move |tx| tx.close_case(case, draft(EventKind::CaseClosed, 1)));
    assert!(bind("A1").unwrap_err().to_string().contains("结案"));
    close().unwrap();
    assert!(close().unwrap_err().to_string().contains("closed already"));
    assert!(file(&f, case).unwrap_err().to_string().contains("立卷"));
    bind("A1").unwrap();
    bind("A2").unwrap();
    let report = file(&f, case).unwrap();
    let whats: Vec<What> = report.gaps.iter().map(|g| g.what).collect();
    assert_eq!(whats, [What::NotProven, What::LacksFacts, What::NotProbed], "{report:?}");
    assert!(report.gaps.iter().all(|g| g.clip == Some(clip)));
    assert_eq!(f.store.read_blocking(|r| Ok(r.filing(case)?.map(|f| f.state()))).unwrap(), Some(FilingState::Bound));
    complete(&f, clip);
    assert!(file(&f, case).unwrap().is_sound());
    assert!(file(&f, case).unwrap_err().to_string().contains("filed already"));
    // Another case cannot have its number while it stands.
    let other = f.store.write_blocking(|tx| {
        let number =
            NumberRule::builtin().parse("赵卫罚〔2026〕13号", 2026).map_err(|e| StoreError::Odd(e.to_string()))?;
        tx.case_of(&number, 1, &Actor::os(1), "cli")
    });
    let other = other.unwrap();
    f.store.write_blocking(move |tx| tx.close_case(other, draft(EventKind::CaseClosed, 1))).unwrap();
    let taken =
        f.store.write_blocking(move |tx| tx.bind_case(other, &binding("A2", "永久"), draft(EventKind::CaseBound, 1)));
    assert!(taken.unwrap_err().to_string().contains("given once"));
    // Refused and filed, each is an entry.
    let told = f.store.read_blocking(|r| r.log_entries(0, 500)).unwrap();
    let of: Vec<String> = told.iter().map(|e| String::from_utf8_lossy(&e.bytes).into_owned()).collect();
    assert!(of.iter().any(|e| e.contains("case.filed") && e.contains("refused") && e.contains("lacks_facts")));
    assert!(
        of.iter().any(|e| e.contains("case.filed") && e.contains(&clip.to_string())),
        "the clip's own history tells it"
    );
    assert!(of.iter().all(|e| !e.contains("四性检测通过")), "the log only commits to the opinion");
}

#[test]
fn a_filed_case_takes_no_changes_until_two_people_open_it() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert_eq!(f.store.read_blocking(|r| r.keep_reason(clip)).unwrap(), Reason::CaseOpen);
    assert!(file(&f, case).unwrap().is_sound());
    let Reason::Filed { until_ms: Some(until) } = f.store.read_blocking(|r| r.keep_reason(clip)).unwrap() else {
        panic!("it is kept for a time");
    };
    assert_eq!(UtcMs(until).rfc3339(), "2036-06-19T02:03:24+00:00");

    let later = f.clip("b");
    f.seal(later, vec![]);
    let refused = |outcome: Result<()>, what: &str| {
        let words = outcome.unwrap_err().to_string();
        assert!(words.contains("takes no changes") && words.contains("A1"), "{what}: {words}");
    };
    let key = NumberRule::builtin().parse(CASE, 2026).unwrap().key().to_owned();
    assert!(f.store.read_blocking(|r| r.is_filed(&key)).unwrap());
    refused(link(&f, later, Origin::Person).map(|_| ()), "link");
    refused(link(&f, later, Origin::Roster).map(|_| ()), "a rule's link");
    let of = key.clone();
    refused(f.store.write_blocking(move |tx| tx.unlink(clip, &of, "x", &Actor::os(1), "cli")).map(|_| ()), "unlink");
    let annotate = |field: Field, value: &'static str| {
        let facts = vec![(field, Origin::Person, value.to_owned())];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(1), "cli", &facts)).map(|_| ())
    };
    refused(annotate(Field::Place, "别处"), "annotate");
    let said = NoRecord { matter: "送达".into(), written: false, reason: "x".into(), ..NoRecord::default() };
    refused(
        f.store.write_blocking(move |tx| tx.say_no_record(case, &said, draft(EventKind::NoRecordSaid, 1))),
        "no record",
    );
    // What protects is always taken.
    annotate(Field::Sensitivity, "个人隐私").unwrap();
    f.store.write_blocking(move |tx| tx.hold_clip(clip, "复议", None, draft(EventKind::Hold, 1))).unwrap();

    let ask =
        |uid| f.store.write_blocking(move |tx| tx.ask_reopen(case, "补充材料", draft(EventKind::CaseReopened, uid)));
    let decide = |actor: Actor, yes| {
        f.store.write_blocking(move |tx| tx.decide_reopen(case, yes, Draft::by(EventKind::CaseReopened, actor, "cli")))
    };
    assert!(decide(Actor::os(2), true).unwrap_err().to_string().contains("nobody has asked"));
    assert!(!ask(1).unwrap(), "it waits");
    assert!(decide(Actor::os(1), true).unwrap_err().to_string().contains("another person"));
    decide(Actor::os(2), false).unwrap();
    assert!(decide(Actor::os(2), true).is_err(), "what was refused is asked for anew");
    ask(1).unwrap();
    assert_eq!(f.store.read_blocking(|r| Ok(r.reopenings()?.len())).unwrap(), 1);
    decide(Actor::os(2), true).unwrap();
    assert_eq!(f.store.read_blocking(|r| r.keep_reason(clip)).unwrap(), Reason::CaseOpen, "nothing of it is over");
    annotate(Field::Place, "别处").unwrap();
    link(&f, later, Origin::Person).unwrap();
    // A closed case that was not filed is opened by one.
    f.store.write_blocking(move |tx| tx.close_case(case, draft(EventKind::CaseClosed, 1))).unwrap();
    assert!(ask(1).unwrap());
    assert!(f.store.read_blocking(|r| r.filing(case)).unwrap().is_none());
}

#[test]
fn a_later_link_to_another_case_leaves_the_record_of_a_filed_clip_as_it_was() {
    let (f, clip, case) = sound_case_by(Origin::Roster);
    complete(&f, clip);
    let record = || f.store.read_blocking(|r| r.record(clip, &policy())).unwrap();
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert!(file(&f, case).unwrap().is_sound());
    let filed = record();
    assert_eq!((filed.case_no.as_deref(), filed.proves.as_deref()), (Some(CASE), Some("现场全貌")));
    // Whoever may link their own clips links it to an open case, with other words.
    let other = LinkRequest {
        clip,
        rule_version: 1,
        range_ms: (None, None),
        stage: Some("送达".into()),
        matter: Some("送达".into()),
        proves: Some("另一件事".into()),
        origin: Origin::Person,
        score: 100,
        reason: None,
        number: NumberRule::builtin().parse("赵卫罚〔2026〕13号", 2026).unwrap(),
    };
    f.store.write_blocking(move |tx| tx.link(&other, &Actor::os(1), "cli")).unwrap();
    let now = record();
    assert_eq!(now.cases.len(), 2, "the other case has it");
    let first = |r: &crate::domain::record::Record| {
        [&r.case_no, &r.case_no_raw, &r.case_key, &r.stage, &r.matter, &r.proves].map(Clone::clone)
    };
    assert_eq!(first(&now), first(&filed), "what was signed stays as it was");
    // Once two people opened it, a person's word comes first again.
    f.store.write_blocking(move |tx| tx.ask_reopen(case, "x", draft(EventKind::CaseReopened, 1))).unwrap();
    f.store.write_blocking(move |tx| tx.decide_reopen(case, true, draft(EventKind::CaseReopened, 2))).unwrap();
    assert_eq!(record().proves.as_deref(), Some("另一件事"));
}

#[test]
fn what_began_as_an_inspection_is_over_when_its_case_says_so() {
    const TASK: &str = "JC-2026-0311";
    const NOW: i64 = 1_781_834_604_000;
    let shape = ShapeSpec {
        name: "task".into(),
        regex: "JC-(?<year>[0-9]{4})-(?<serial>[0-9]+)".into(),
        display: "JC-{year}-{serial}".into(),
        key: "JC-{year}-{serial#}".into(),
        kind: CaseKind::Inspection,
        example: TASK.into(),
    };
    let rule = NumberRule::with_shapes(2, [vec![shape], builtin_shapes()].concat()).unwrap();
    let (f, clip, case) = sound_case();
    let routine = f.clip("b");
    f.seal(routine, vec![("d".to_owned(), true)]);
    for clip in [clip, routine] {
        link_to(&f, clip, &rule, TASK, Origin::Issue).unwrap();
    }
    complete(&f, clip);
    f.store.write_blocking(move |tx| tx.proven(routine, "d", ProofLevel::ReadBack, "x", None, None)).unwrap();
    let linked = |clip: ClipId| {
        let jobs = f.store.read_blocking(|r| r.locks_due("d", i64::MAX, None, 9)).unwrap();
        jobs.into_iter().find(|job| job.clip == clip).unwrap().facts.linked
    };
    assert!(linked(clip) && !linked(routine), "a routine check alone locks nothing month after month");
    let reason = |clip: ClipId| f.store.read_blocking(move |r| r.keep_reason(clip)).unwrap();
    assert_eq!(reason(clip), Reason::CaseOpen);
    assert!(matches!(reason(routine), Reason::Unlinked { .. }));
    let due = |unlinked_ms: i64, now_ms: i64| {
        let rows = f.store.read_blocking(|r| r.disposal_due(unlinked_ms, now_ms, None, 9)).unwrap();
        rows.into_iter().map(|row| row.clip).collect::<Vec<_>>()
    };
    assert_eq!(due(0, NOW), [routine]);
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert!(file(&f, case).unwrap().is_sound());
    let Reason::Filed { until_ms: Some(until) } = reason(clip) else { panic!("{:?}", reason(clip)) };
    assert_eq!(due(i64::MAX, until - 1), []);
    assert_eq!(due(i64::MAX, until), [clip]);
}

#[test]
fn a_case_of_no_register_that_was_filed_stays_one_when_it_is_opened_again() {
    let shape = ShapeSpec {
        name: "spot".into(),
        regex: "DC-(?<year>[0-9]{4})-(?<serial>[0-9]+)".into(),
        display: "DC-{year}-{serial}".into(),
        key: "DC-{year}-{serial#}".into(),
        kind: CaseKind::OnTheSpot,
        example: "DC-2026-7".into(),
    };
    let rule = NumberRule::with_shapes(2, [vec![shape], builtin_shapes()].concat()).unwrap();
    let f = fixture();
    import(&f, Register::Catalogue, &[(&[], &[("stage", "调查取证"), ("matter", "现场检查"), ("tier", "part")])]);
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    link_to(&f, clip, &rule, "DC-2026-7", Origin::Person).unwrap();
    complete(&f, clip);
    let key = rule.parse("DC-2026-7", 2026).unwrap().key().to_owned();
    let case = f.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap();
    let reason = || f.store.read_blocking(|r| r.keep_reason(clip)).unwrap();
    let close = || f.store.write_blocking(move |tx| tx.close_case(case, draft(EventKind::CaseClosed, 1))).unwrap();
    let ask = || f.store.write_blocking(move |tx| tx.ask_reopen(case, "补正", draft(EventKind::CaseReopened, 1)));
    // Closed by mistake and opened again it is what it was: a reference.
    close();
    assert_eq!(reason(), Reason::CaseOpen);
    assert!(ask().unwrap() && matches!(reason(), Reason::Unlinked { .. }));
    close();
    f.store
        .write_blocking(move |tx| tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1)))
        .unwrap();
    assert!(file(&f, case).unwrap().is_sound());
    assert!(!ask().unwrap());
    f.store.write_blocking(move |tx| tx.decide_reopen(case, true, draft(EventKind::CaseReopened, 2))).unwrap();
    assert_eq!(reason(), Reason::CaseOpen, "somebody mends a slip, and nobody disposes of it meanwhile");
    let (due, locks) = f
        .store
        .read_blocking(|r| Ok((r.disposal_due(0, i64::MAX, None, 9)?, r.locks_due("d", i64::MAX, None, 9)?)))
        .unwrap();
    assert!(due.is_empty() && locks[0].facts.linked);
}

#[test]
fn a_case_of_which_nobody_ticked_a_stage_is_not_complete_by_that() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert_eq!(compare(&f, Outcome::Same), 1);
    let gaps = || {
        let report = f.store.read_blocking(|r| r.filing_report(case, RULE, 1_781_834_604_000)).unwrap();
        report.gaps.into_iter().map(|g| (g.what, g.matter)).collect::<Vec<_>>()
    };
    assert_eq!(gaps(), [], "the catalogue asks every case alike");
    let served = [("kind", "处罚"), ("stage", "送达"), ("matter", "送达"), ("tier", "part"), ("always", "yes")];
    import(&f, Register::Catalogue, &[(&[], &served)]);
    assert_eq!(gaps(), [(What::KindUnknown, None)], "the case is not in the register");
    import(&f, Register::Case, &[(&[CASE], &[("number", CASE)])]);
    assert_eq!(gaps(), [(What::KindUnknown, None)], "and that does not say of which kind it is");
    import(&f, Register::Case, &[(&[CASE], &[("number", CASE), ("kind", "强制")])]);
    assert_eq!(gaps(), [(What::KindUnknown, None)], "no item of the catalogue has that kind");
    import(&f, Register::Case, &[(&[CASE], &[("number", CASE), ("kind", "行政处罚")])]);
    assert_eq!(gaps(), [(What::Missing, Some("送达".to_owned()))]);
    assert!(!file(&f, case).unwrap().is_sound());
    let said =
        NoRecord { matter: "送达".into(), written: false, reason: "公告送达".into(), ..NoRecord::default() };
    f.store.write_blocking(move |tx| tx.say_no_record(case, &said, draft(EventKind::NoRecordSaid, 1))).unwrap();
    assert_eq!(gaps(), []);
    assert!(file(&f, case).unwrap().is_sound());
}

#[test]
fn what_a_clip_proves_in_one_case_says_nothing_to_another() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    let to = |text: &str, proves: Option<&str>| {
        let link = LinkRequest {
            clip,
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: Some("现场检查".into()),
            proves: proves.map(str::to_owned),
            origin: Origin::Person,
            score: 100,
            reason: None,
            number: NumberRule::builtin().parse(text, 2026).unwrap(),
        };
        f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(1), "cli")).unwrap();
    };
    const OTHER: &str = "赵卫罚〔2026〕13号";
    to(OTHER, None);
    let key = NumberRule::builtin().parse(OTHER, 2026).unwrap().key().to_owned();
    let other = f.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap();
    let lacks = |case: i64| {
        let report = f.store.read_blocking(move |r| r.filing_report(case, RULE, 1_781_834_604_000)).unwrap();
        let of = report.gaps.into_iter().filter(|g| g.what == What::LacksFacts);
        of.map(|g| g.detail).collect::<Vec<_>>()
    };
    let listed = || f.store.read_blocking(|r| Ok((r.missing(clip)?, r.record(clip, &policy())?.missing))).unwrap();
    let proves = || vec!["proves".to_owned()];
    assert_eq!((lacks(case), lacks(other)), (vec![], proves()));
    let of_case = f.store.read_blocking(|r| r.record_of_case(clip, &policy(), other)).unwrap();
    assert_eq!((of_case.proves, of_case.missing), (None, proves()), "as its record says there");
    assert_eq!(listed(), (proves(), proves()), "and a person is asked");
    to(OTHER, Some("另一件事"));
    assert_eq!((lacks(case), lacks(other), listed()), (vec![], vec![], (vec![], vec![])));
    // What is said of the clip as a whole is said to each.
    to(OTHER, None);
    assert_eq!(lacks(other), proves());
    let facts = vec![(Field::Proves, Origin::Person, "现场全貌".to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(1), "cli", &facts)).unwrap();
    assert_eq!((lacks(case), lacks(other), listed()), (vec![], vec![], (vec![], vec![])));
}

#[test]
fn without_a_catalogue_nobody_knows_whether_a_case_is_complete() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    link(&f, clip, Origin::Person).unwrap();
    complete(&f, clip);
    let key = NumberRule::builtin().parse(CASE, 2026).unwrap().key().to_owned();
    let report = f.store.read_blocking(|r| {
        let case = r.case_id(&key)?.unwrap();
        r.filing_report(case, RULE, 1_781_834_604_000)
    });
    assert_eq!(report.unwrap().gaps.iter().map(|g| g.what).collect::<Vec<_>>(), [What::NotCompared, What::NoCatalogue]);
}

#[test]
fn rules_change_nothing_of_a_clip_that_was_filed() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    let policy = policy();
    let linking = crate::config::Linking::default();
    let judge = crate::casework::judge::Judge::new(NumberRule::builtin(), &policy, vec![], linking);
    // No roster says any more what one had said.
    let judged = || f.store.read_blocking(|r| judge.judge(r, clip, 0)).unwrap();
    assert!(judged().facts.iter().any(|(field, _, value)| *field == Field::Place && value.is_empty()));
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert!(!judged().facts.is_empty(), "until it is filed it may still change");
    assert!(file(&f, case).unwrap().is_sound());
    assert!(judged().facts.is_empty(), "what was signed stays as it was");
}

#[test]
fn a_case_is_signed_only_with_what_was_compared_since_its_check_began() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    let again =
        || f.store.write_blocking(move |tx| tx.compare_case(case, draft(EventKind::CaseCompared, 1)).map(|_| ()));
    let far = || f.store.read_blocking(|r| r.filing_progress(case)).map(|p| (p.done, p.clips, p.is_going())).unwrap();
    assert!(again().is_err(), "it is not closed");
    f.store.write_blocking(move |tx| tx.close_case(case, draft(EventKind::CaseClosed, 1))).unwrap();
    assert_eq!((compare(&f, Outcome::Same), far()), (0, (0, 1, false)), "nobody put it to filing");
    f.store
        .write_blocking(move |tx| tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1)))
        .unwrap();
    assert_eq!(far(), (0, 1, true), "that begins it");
    let whats = || sign(&f, case).unwrap().gaps.into_iter().map(|g| (g.what, g.clip)).collect::<Vec<_>>();
    assert_eq!(whats(), [(What::NotVerified, Some(clip))]);
    assert_eq!(compare(&f, Outcome::Differs), 1);
    assert_eq!((whats(), far()), (vec![(What::Differs, Some(clip))], (1, 1, false)));
    f.clock.advance(1_000);
    again().unwrap();
    assert_eq!(whats(), [(What::NotVerified, Some(clip))], "what was compared before counts no more");
    assert_eq!(compare(&f, Outcome::Same), 1);
    f.clock.advance(91 * 86_400_000);
    assert_eq!(whats(), [(What::NotVerified, Some(clip))], "it is too long ago");
    again().unwrap();
    compare(&f, Outcome::Same);
    // A clip that comes to the case meanwhile is compared by itself.
    let later = f.clip("b");
    f.seal(later, vec![]);
    link(&f, later, Origin::Person).unwrap();
    assert_eq!(far(), (1, 2, true));
    assert_eq!(compare(&f, Outcome::Same), 1);
    assert!(again().is_ok());
}

#[test]
fn the_signed_report_stands_with_its_digest_in_the_log() {
    let (f, clip, case) = sound_case();
    complete(&f, clip);
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, draft(EventKind::CaseClosed, 1))?;
            tx.bind_case(case, &binding("A1", "10年"), draft(EventKind::CaseBound, 1))
        })
        .unwrap();
    assert!(f.store.read_blocking(|r| r.signed_report(&r.filing(case)?.unwrap())).unwrap().is_none());
    let found = file(&f, case).unwrap();
    let signed = || f.store.read_blocking(|r| r.signed_report(&r.filing(case)?.unwrap())).unwrap().unwrap();
    let first = signed();
    assert_eq!(first.report.as_ref(), Some(&found), "it is read as it was signed");
    assert_eq!(first.report.as_ref().map(|r| r.compared.len()), Some(1));
    let (seq, told) = first.logged.clone().unwrap();
    assert_eq!(told, first.sha256);
    assert!(!first.is_altered());
    let entry = f.store.read_blocking(|r| r.log_entry(seq)).unwrap();
    let event: serde_json::Value = serde_json::from_slice(&entry.bytes).unwrap();
    assert_eq!((&event["kind"], &event["body"]["report_sha256"]), (&"case.filed".into(), &told.as_str().into()));
    assert_eq!(event["body"]["report_blake3"].as_str().map(str::len), Some(64));
    let of_clip = f.store.read_blocking(|r| r.log_of_clip(clip)).unwrap();
    assert!(
        of_clip.iter().any(|e| String::from_utf8_lossy(&e.bytes).contains(&told)),
        "the clip's own history names the report with which it was filed"
    );
    assert_eq!(f.store.read_blocking(|r| r.reports_signed_at(seq, &told)).unwrap(), (0, 1));
    // What is put into the row later is told apart.
    f.store
        .write_blocking(|tx| {
            tx.conn.execute("UPDATE filing SET report = replace(report, '\"clips\":1', '\"clips\":2')", [])?;
            Ok(())
        })
        .unwrap();
    assert!(signed().is_altered());
    assert_eq!(f.store.read_blocking(|r| r.reports_signed_at(seq, &told)).unwrap(), (1, 1));
}
