//! What the rules make of a clip together, against a database.

use proptest::prelude::*;

use super::*;
use crate::casework::{roster, roster_import};
use crate::domain::case_number::{CaseKind, ShapeSpec, builtin_shapes};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId, StationId};
use crate::domain::ports::Clock;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::recorder_clock::{ClockEstimate, ClockHow};
use crate::domain::register::{EARLIER_KEYS, Entry};
use crate::runtime::clock::StoppedClock;
use crate::store::{Import, NewClip, NewDock, NewEntry, PartRow, SealedClip, Store};

/// 2026-06-19T12:00:00+08:00.
pub(in crate::casework) const NOON: i64 = 1_781_841_600_000;
const ZONE: &str = "Asia/Shanghai";

/// A station with one clip of R1, captured at 10:00 for ten minutes.
pub(in crate::casework) fn station(name: &str) -> (tempfile::TempDir, Store, ClipId) {
    let dir = tempfile::tempdir().unwrap();
    let us = StationId::new("one").unwrap();
    let store = Store::open(&dir.path().join("a.db"), &us, StoppedClock::at(NOON) as Arc<dyn Clock>).unwrap();
    let recorder = RecorderId::new("R1").unwrap();
    let dock = NewDock {
        bay: BayName::new("1").unwrap(),
        recorder: recorder.clone(),
        identified: "bay".into(),
        kind: "folder",
        profile: "generic".into(),
        model: None,
    };
    let evidence = Evidence {
        named: Some(("20260619_100000".into(), NOON - 7_200_000, 8 * 3_600)),
        zone: ZONE.into(),
        docked_ms: NOON,
        ..Evidence::default()
    };
    let evidence = serde_json::to_string(&evidence).unwrap();
    let clip = ClipId::generate(NOON);
    let path = SourcePath::new(name);
    store
        .write_blocking(move |tx| {
            let entry = ShelfEntry { path, size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
            tx.new_clip(&NewClip {
                clip,
                recorder,
                dock: Some(tx.dock(&dock)?),
                entry,
                declared_bytes: Some(3),
                role: "clip",
                importance: Importance::Normal,
                grid: PartGrid::for_size(Some(3)),
                evidence,
                segment: None,
            })?;
            tx.seal(&SealedClip {
                holes: Vec::new(),
                clip,
                size_bytes: 3,
                blake3: Blake3([1; 32]),
                sha256: Sha256([1; 32]),
                sm3: None,
                parts: vec![PartRow { n: 0, offset: 0, len: 3, sha256: Sha256([1; 32]), crc64: None }],
                shares: None,
                supersedes: None,
                leftovers: Vec::new(),
                deliveries: vec![],
            })
        })
        .unwrap();
    (dir, store, clip)
}

pub(in crate::casework) fn policy() -> Policy {
    Policy {
        station: StationId::new("one").unwrap(),
        agency: None,
        operator: String::new(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: TimeZone::get(ZONE).unwrap(),
    }
}

pub(in crate::casework) fn judge() -> Judge {
    Judge::new(NumberRule::builtin(), &policy(), vec![], Linking::default())
}

fn import_roster(store: &Store, lines: &str) {
    import_columns(store, "officer,recorder,from,to,case", lines);
}

/// The same with these columns.
pub(in crate::casework) fn import_columns(store: &Store, columns: &str, lines: &str) {
    let text = format!("{columns}\n{lines}");
    let parsed = roster::read(text.as_bytes(), &TimeZone::get(ZONE).unwrap(), &NumberRule::builtin(), 2026).unwrap();
    let rows = parsed.accept(false).unwrap();
    let import = move |tx: &Tx<'_>| {
        let change = roster_import::change(&tx.read(), "x", &rows, &TimeZone::get(ZONE).unwrap())?;
        tx.import_roster("x", &change, &Actor::os(7), "cli")
    };
    store.write_blocking(import).unwrap();
}

fn judged(store: &Store, clip: ClipId) -> Judged {
    store.read_blocking(|r| judge().judge(r, clip, NOON)).unwrap()
}

fn waits(judged: &Judged) -> Vec<(&str, &str, u32)> {
    judged.suggestions.iter().map(|s| (s.rule.as_str(), s.case_key.as_str(), s.score)).collect()
}

/// A line of a roster that is about the clip.
fn line(case: &str) -> String {
    format!("张三,R1,2026-06-19 09:00,2026-06-19 12:00,{case}\n")
}

#[test]
fn what_the_roster_disputes_is_offered_and_linked_once_it_agrees() {
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &(line("赵卫罚〔2026〕1号") + &line("赵卫罚〔2026〕2号")));
    let disputed = judged(&store, clip);
    assert!(disputed.link.is_none() && disputed.conflict, "{disputed:?}");
    assert_eq!(waits(&disputed), [("roster", "赵卫罚(2026)1", 79), ("roster", "赵卫罚(2026)2", 79)]);
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    let agreed = judged(&store, clip);
    assert!(!agreed.conflict && agreed.link.is_some_and(|(rule, _)| rule == Rule::Roster));
}

#[test]
fn no_other_rule_settles_what_the_roster_disputes() {
    let (_dir, store, clip) = station("赵卫罚〔2026〕3号.mp4");
    assert!(judged(&store, clip).link.is_some_and(|(rule, _)| rule == Rule::Tag), "its name alone is sure");
    import_roster(&store, &(line("赵卫罚〔2026〕1号") + &line("赵卫罚〔2026〕2号")));
    let disputed = judged(&store, clip);
    assert!(disputed.link.is_none() && disputed.conflict, "{disputed:?}");
    let both = [("roster", "赵卫罚(2026)1", 79), ("roster", "赵卫罚(2026)2", 79)];
    assert_eq!(waits(&disputed), [&[("tag", "赵卫罚(2026)3", 85)][..], &both[..]].concat());
}

#[test]
fn next_week_s_roster_takes_no_fact_from_last_week_s_clip() {
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    carried_out(&store, clip);
    import_roster(&store, "李四,R1,2026-06-26 09:00,2026-06-26 12:00,赵卫罚〔2026〕2号\n");
    let again = carried_out(&store, clip);
    assert!(!again.is_news, "{again:?}");
    import_roster(&store, &line("赵卫罚〔2026〕3号").replace("张三", "王五"));
    let corrected = carried_out(&store, clip);
    let said = |judged: &Judged, officer: &str| {
        judged.facts.iter().any(|(f, by, value)| (*f, *by) == (Field::Officer, Origin::Roster) && value == officer)
    };
    assert!(said(&corrected, "王五"), "{corrected:?}");
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕3号".to_owned(), "roster".to_owned())]);
    // Taken away by its name it says nothing any more, and what it said of the case waits for a person.
    assert_eq!(store.write_blocking(|tx| tx.remove_roster("x", &Actor::os(7), "cli")).unwrap(), 2);
    let silent = carried_out(&store, clip);
    assert!(said(&silent, "") && silent.conflict, "{silent:?}");
    assert_eq!((standing(&store, clip), waits(&silent)), (vec![], vec![("roster", "赵卫罚(2026)3", 40)]));
    let unknown = store.write_blocking(|tx| tx.remove_roster("x", &Actor::os(7), "cli"));
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
}

#[test]
fn a_clock_that_the_dock_found_wrong_gives_the_clip_to_nobody_and_takes_nothing_from_a_person() {
    let shifts = "张三,R1,2026-06-19 08:00,2026-06-19 09:30,赵卫罚〔2026〕1号\n李四,R1,2026-06-19 09:30,2026-06-19 12:00,赵卫罚〔2026〕2号\n";
    let clock = |store: &Store, minutes: i64| {
        let dock = store.read_blocking(|r| r.open_docks()).unwrap()[0].dock_id;
        let estimate = ClockEstimate { offset_ms: minutes * 60_000, how: ClockHow::Device };
        store.write_blocking(move |tx| tx.dock_clock(dock, estimate)).unwrap();
    };
    let taken_back = |judged: &Judged| judged.facts.contains(&(Field::Officer, Origin::Roster, String::new()));
    let note = "file_name 20260619_100000: clock_off".to_owned();

    let (_dir, store, clip) = station("a.mp4");
    clock(&store, 40);
    import_roster(&store, shifts);
    let waits = carried_out(&store, clip);
    assert!(waits.link.is_none() && waits.suggestions.is_empty(), "{waits:?}");
    assert!(waits.facts.iter().all(|(_, by, _)| *by != Origin::Roster) && waits.notes == [note.clone()], "{waits:?}");
    assert!(!carried_out(&store, clip).is_news);
    let when = (Field::CapturedStart, Origin::Person, "2026-06-19T09:20:00+08:00".to_owned());
    store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[when])).unwrap();
    carried_out(&store, clip);
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕1号".to_owned(), "roster".to_owned())]);

    // What was said before anybody knew of the clock goes, unless a person decided about the clip since.
    for decided in [false, true] {
        let (_dir, store, clip) = station("a.mp4");
        import_roster(&store, shifts);
        carried_out(&store, clip);
        assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕2号".to_owned(), "roster".to_owned())]);
        if decided {
            link(&store, clip, "赵卫罚〔2026〕2号", Origin::Person, 100).unwrap();
        }
        clock(&store, 40);
        let doubted = carried_out(&store, clip);
        assert_eq!((taken_back(&doubted), doubted.notes == [note.clone()]), (!decided, true), "{doubted:?}");
        assert_eq!(standing(&store, clip).len(), 1, "no link is undone because a rule falls silent");
        assert!(!carried_out(&store, clip).is_news);
    }
}

#[test]
fn a_link_of_which_no_row_tells_any_more_waits_until_a_person_or_the_roster_says_otherwise() {
    let (_dir, store, clip) = station("a.mp4");
    let columns = "officer,recorder,from,to,case,matter,proves";
    let with_words = |case: &str| line(case).replace('\n', ",现场检查,后厨卫生\n");
    import_columns(&store, columns, &with_words("赵卫罚〔2026〕1号"));
    carried_out(&store, clip);
    let linked = |number: &str| vec![(number.to_owned(), "roster".to_owned())];
    assert_eq!(standing(&store, clip), linked("赵卫罚〔2026〕1号"));
    // The case was written into the wrong row.
    import_columns(&store, columns, &with_words(""));
    let silent = carried_out(&store, clip);
    assert_eq!((standing(&store, clip), waits(&silent)), (vec![], vec![("roster", "赵卫罚(2026)1", 40)]));
    let said = &silent.suggestions[0];
    assert_eq!(said.reason, Ground::NoRowNames {}.into());
    assert_eq!((said.matter.as_deref(), said.proves.as_deref()), (Some("现场检查"), Some("后厨卫生")));
    assert_eq!(store.read_blocking(|r| r.suggestions_waiting(clip)).unwrap().0.len(), 1, "in triage");
    assert!(!carried_out(&store, clip).is_news, "it waits as it is");
    // Written again it is linked again, and another case takes its place.
    for case in ["赵卫罚〔2026〕1号", "赵卫罚〔2026〕2号"] {
        import_columns(&store, columns, &with_words(case));
        let again = carried_out(&store, clip);
        assert_eq!((standing(&store, clip), waits(&again)), (linked(case), vec![]), "{again:?}");
        assert!(!carried_out(&store, clip).is_news);
    }
    // What a person decided about stays, whatever becomes of the roster.
    link(&store, clip, "赵卫罚〔2026〕2号", Origin::Person, 100).unwrap();
    store.write_blocking(|tx| tx.remove_roster("x", &Actor::os(7), "cli")).unwrap();
    carried_out(&store, clip);
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕2号".to_owned(), "person".to_owned())]);
}

#[test]
fn what_a_case_was_filed_with_stays_and_that_the_roster_says_otherwise_is_told() {
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    carried_out(&store, clip);
    rusqlite::Connection::open(store.path())
        .unwrap()
        .execute(
            "INSERT INTO filing (case_id, closed_by, closed_ms, bound_by, bound_ms, fonds_no, year, archival_code, term, filed_by, filed_ms, opinion, report)
             SELECT case_id, 'os:1', 1, 'os:1', 1, '1', 2026, 'A1', '10年', 'os:1', 1, 'x', '{}' FROM case_file",
            [],
        )
        .unwrap();
    assert!(!carried_out(&store, clip).is_news);
    import_roster(&store, &line("赵卫罚〔2026〕2号").replace("张三", "王五"));
    let told = carried_out(&store, clip);
    assert!(told.facts.is_empty() && told.withdrawn.is_empty(), "{told:?}");
    assert_eq!(told.notes, ["roster: unlike_filed"]);
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕1号".to_owned(), "roster".to_owned())]);
    assert!(!carried_out(&store, clip).is_news);
}

#[test]
fn of_another_officer_s_row_nothing_counts_once_a_person_said_who_recorded() {
    let (_dir, store, clip) = station("a.mp4");
    let columns = "officer,recorder,from,to,case,place,matter,proves,stage,party,co_officers";
    let row = "张三,R1,2026-06-19 09:00,2026-06-19 12:00,,东关街18号,现场检查,后厨卫生,调查取证,某饭店,王五\n";
    import_columns(&store, columns, row);
    carried_out(&store, clip);
    let of_roster = || {
        let settled = settle(&store.read_blocking(|r| r.facts(clip)).unwrap());
        settled.into_iter().filter(|(_, f)| f.origin == Origin::Roster).map(|(field, _)| field).collect::<Vec<_>>()
    };
    assert_eq!(of_roster().len(), 7, "{:?}", of_roster());
    let person = |officer: &str| {
        let said = (Field::Officer, Origin::Person, officer.to_owned());
        store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[said])).unwrap();
        carried_out(&store, clip);
    };
    person("李四");
    assert_eq!(of_roster(), [], "where and what it was is told of the hands of 张三");
    assert!(!carried_out(&store, clip).is_news);
    // Second officers are theirs as well; and so is what another row of the same time says of them.
    person("王五");
    assert_eq!(of_roster().len(), 6, "all but the officer");
    import_columns(&store, columns, &(row.replace("18号", "20号") + &row.replace("张三", "李四").replace("王五", "")));
    person("李四");
    let settled = settle(&store.read_blocking(|r| r.facts(clip)).unwrap());
    assert_eq!(settled.get(&Field::Matter).map(|f| f.value.as_str()), Some("现场检查"), "both rows say it");
    person("");
    assert_eq!(settle(&store.read_blocking(|r| r.facts(clip)).unwrap()).get(&Field::Place), None, "rows disagree");
}

fn register_cases(store: &Store, cases: &[&[(&str, &str)]]) {
    let entries = cases.iter().zip(2..).map(|(values, line)| {
        let entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let number = NumberRule::builtin().parse(values[0].1, 2026).unwrap();
        NewEntry { line, entry, key: None, numbers: vec![number] }
    });
    let entries = entries.collect();
    let import = Import { register: Register::Case, name: "a.csv".into(), entries, rule_version: 1 };
    store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
}

#[test]
fn a_fact_that_names_another_case_waits_however_far_below_it_stands() {
    const OPENED: &str = "2026-06-18T10:00:00+08:00";
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    let place = (Field::Place, Origin::Person, "东关街18号".to_owned());
    store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[place])).unwrap();
    assert!(judged(&store, clip).link.is_some_and(|(rule, _)| rule == Rule::Roster));
    let fits =
        |number: &'static str| [("number", number), ("officers", "张三"), ("place", "东关街18号"), ("opened", OPENED)];
    // The register knows a case of that officer, place and time, and it is not the roster's.
    register_cases(&store, &[&fits("赵卫罚〔2026〕2号")]);
    let contradicted = judged(&store, clip);
    assert!(contradicted.link.is_none() && contradicted.conflict, "{contradicted:?}");
    assert_eq!(waits(&contradicted), [("roster", "赵卫罚(2026)1", 90), ("register", "赵卫罚(2026)2", 75)]);
    // Of the roster's case it says as much: that contradicts nothing.
    register_cases(&store, &[&fits("赵卫罚〔2026〕2号"), &fits("赵卫罚〔2026〕1号")]);
    let agreed = carried_out(&store, clip);
    assert!(
        !agreed.conflict && agreed.link.is_some_and(|(rule, _)| rule == Rule::Roster),
        "{:?}",
        standing(&store, clip)
    );
    let again = carried_out(&store, clip);
    assert!(!again.is_news && again.suggestions.is_empty(), "{again:?}");
}

#[test]
fn what_contradicts_a_link_that_stands_is_not_passed_over() {
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    let place = (Field::Place, Origin::Person, "东关街18号".to_owned());
    store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[place])).unwrap();
    carried_out(&store, clip);
    let opened = ("opened", "2026-06-18T10:00:00+08:00");
    register_cases(
        &store,
        &[&[("number", "赵卫罚〔2026〕2号"), ("officers", "张三"), ("place", "东关街18号"), opened]],
    );
    let later = carried_out(&store, clip);
    assert_eq!(waits(&later), [("register", "赵卫罚(2026)2", 75)]);
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕1号".to_owned(), "roster".to_owned())], "the link stands");
    let (waiting, told) = store.read_blocking(|r| r.suggestions_waiting(clip)).unwrap();
    assert_eq!((waiting.len(), told.len()), (1, 0), "a person sees it in triage");
    assert!(!carried_out(&store, clip).is_news);
}

/// The built-in numbers, and those of inspection tasks.
fn rule() -> NumberRule {
    let task = ShapeSpec {
        name: "inspection".into(),
        regex: "JC-(?<year>[0-9]{4})-(?<serial>[0-9]+)".into(),
        display: "JC-{year}-{serial}".into(),
        key: "JC-{year}-{serial#}".into(),
        kind: CaseKind::Inspection,
        example: "JC-2026-311".into(),
    };
    NumberRule::with_shapes(2, [vec![task], builtin_shapes()].concat()).unwrap()
}

fn link(store: &Store, clip: ClipId, text: &str, origin: Origin, score: u32) -> Result<u32> {
    let request = LinkRequest {
        clip,
        number: rule().parse(text, 2026).unwrap(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin,
        score,
        reason: None,
    };
    store.write_blocking(move |tx| tx.link(&request, &Actor::os(7), "cli"))
}

/// Lets the rules look at the clip and do what they find.
fn carried_out(store: &Store, clip: ClipId) -> Judged {
    let judge = judge();
    store
        .write_blocking(move |tx| {
            let found = judge.judge(&tx.read(), clip, NOON)?;
            found.carry_out(tx, clip)?;
            Ok(found)
        })
        .unwrap()
}

fn standing(store: &Store, clip: ClipId) -> Vec<(String, String)> {
    let links = store.read_blocking(|r| r.links(clip)).unwrap();
    links.into_iter().map(|l| (l.display, l.origin)).collect()
}

#[test]
fn what_was_said_of_another_officer_s_hands_waits() {
    let (_dir, store, clip) = station("a.mp4");
    import_roster(&store, &line("赵卫罚〔2026〕1号"));
    let person = |officer: &str| {
        let said = (Field::Officer, Origin::Person, officer.to_owned());
        store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[said])).unwrap();
    };
    person("李四");
    let doubted = judged(&store, clip);
    assert!(doubted.link.is_none() && doubted.conflict, "{doubted:?}");
    assert_eq!(waits(&doubted), [("roster", "赵卫罚(2026)1", 79)]);
    assert!(doubted.suggestions[0].reason.each().contains(&Ground::AnotherOfficer {}), "{doubted:?}");
    // Together with somebody else, or by themselves: it was their recorder.
    for officer in ["李四、张三", "张三"] {
        person(officer);
        assert!(judged(&store, clip).link.is_some_and(|(rule, _)| rule == Rule::Roster), "{officer}");
    }
    // A link that stands is not taken back by a person's word about something else.
    carried_out(&store, clip);
    person("李四");
    carried_out(&store, clip);
    assert_eq!(standing(&store, clip), [("赵卫罚〔2026〕1号".to_owned(), "roster".to_owned())]);
}

#[test]
fn the_case_that_an_inspection_became_waits_where_another_case_has_the_clip() {
    let (_dir, store, clip) = station("a.mp4");
    link(&store, clip, "JC-2026-311", Origin::Issue, 95).unwrap();
    let place = (Field::Place, Origin::Person, "东关街18号".to_owned());
    store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &[place])).unwrap();
    let opened = |number: &str| {
        let number = rule().parse(number, 2026).unwrap();
        let entry = Entry(
            [
                ("number", number.display()),
                ("place", "赵县东关街18号"),
                (EARLIER_KEYS, rule().parse("JC-2026-311", 2026).unwrap().key()),
            ]
            .map(|(column, value)| (column.to_owned(), value.to_owned()))
            .into(),
        );
        let entries = vec![NewEntry { line: 2, entry, key: None, numbers: vec![number] }];
        let import = Import { register: Register::Case, name: "a.csv".into(), entries, rule_version: 1 };
        store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
    };
    opened("赵卫罚〔2026〕2号");
    assert!(judged(&store, clip).link.is_some_and(|(rule, _)| rule == Rule::Earlier), "of no case yet it follows");
    link(&store, clip, "赵卫罚〔2026〕1号", Origin::Rule, 85).unwrap();
    let beside = judged(&store, clip);
    assert!(beside.link.is_none(), "{beside:?}");
    assert_eq!(waits(&beside), [("earlier", "赵卫罚(2026)2", 95)]);
}

const CASES: [&str; 3] = ["赵卫罚〔2026〕1号", "赵卫罚〔2026〕2号", "赵卫罚〔2026〕3号"];

/// What may happen to a clip.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A roster that names these cases for its time, one bit each.
    Roster(u8),
    /// The rules look.
    Rules,
    /// A person links it.
    Link(usize),
    /// A person withdraws a link, whoever made it.
    Unlink(usize),
    /// A person refuses what is suggested.
    Refuse(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0u8..8).prop_map(Step::Roster),
        4 => Just(Step::Rules),
        1 => (0usize..3).prop_map(Step::Link),
        1 => (0usize..3).prop_map(Step::Unlink),
        1 => (0usize..3).prop_map(Step::Refuse),
    ];
    proptest::collection::vec(step, 1..16)
}

/// Revisions of links so far: each is an entry of the log.
fn revisions(store: &Store) -> usize {
    let entries = store.read_blocking(|r| r.log_entries(0, 5_000)).unwrap();
    let kinds = [EventKind::Linked.as_str(), EventKind::Unlinked.as_str()];
    let of = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["kind"].clone();
    entries.iter().filter(|e| kinds.iter().any(|kind| of(&e.bytes) == *kind)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever rosters say and however often the rules look: what a person linked stays linked by that person, what a person
    /// withdrew or refused no rule links, after a person's link or withdrawal rules link nothing at all, of two cases for
    /// one time none is linked, what the roster linked and names no more waits, and nothing is undone but by another revision.
    #[test]
    fn a_person_s_word_stands_above_every_rule(steps in steps()) {
        let (_dir, store, clip) = station("a.mp4");
        let keys = CASES.map(|n| rule().parse(n, 2026).unwrap().key().to_owned());
        let mut decided: [Option<bool>; 3] = [None; 3];
        let (mut linked_by_person, mut named, mut known) = (false, 0u8, 0);
        for step in steps {
            match step {
                Step::Roster(cases) => {
                    named = cases;
                    let lines: String = (0..3).filter(|n| cases & (1 << n) != 0).map(|n| line(CASES[n])).collect();
                    let none = line("");
                    import_roster(&store, if lines.is_empty() { &none } else { &lines });
                }
                Step::Link(n) => {
                    link(&store, clip, CASES[n], Origin::Person, 100).unwrap();
                    (decided[n], linked_by_person) = (Some(true), true);
                }
                Step::Unlink(n) => {
                    let key = keys[n].clone();
                    let done = store.write_blocking(move |tx| tx.unlink(clip, &key, "属另案", &Actor::os(7), "cli"));
                    if done.is_ok() {
                        (decided[n], linked_by_person) = (Some(false), true);
                    }
                }
                Step::Refuse(n) => {
                    let key = keys[n].clone();
                    let asked = Draft::by(EventKind::SuggestionRefused, Actor::os(7), "cli");
                    if store.write_blocking(move |tx| tx.refuse_suggestion(clip, &key, asked)).is_ok() {
                        decided[n] = Some(false);
                    }
                }
                Step::Rules => {
                    let before = standing(&store, clip);
                    let told = carried_out(&store, clip);
                    let after = standing(&store, clip);
                    let by_rules = |links: &[(String, String)]| links.iter().filter(|(_, by)| by != "person").count();
                    if linked_by_person {
                        prop_assert_eq!(&before, &after, "a rule changed what a person had decided about");
                    }
                    if named.count_ones() > 1 {
                        let is_named = |number: &str| (0..3).any(|n| CASES[n] == number && named & (1 << n) != 0);
                        let stays: Vec<_> = before.into_iter().filter(|(n, by)| linked_by_person || by == "person" || is_named(n)).collect();
                        prop_assert_eq!(&stays, &after, "the roster names several: it links none, and takes back what it no longer names");
                        prop_assert!(told.link.is_none());
                    }
                    prop_assert!(by_rules(&after) <= 1, "{:?}", after);
                    prop_assert!(!carried_out(&store, clip).is_news, "a second look finds nothing new");
                }
            }
            let now = standing(&store, clip);
            for (n, word) in decided.iter().enumerate() {
                let stands = now.iter().find(|(number, _)| number == CASES[n]).map(|(_, by)| by.as_str());
                match word {
                    Some(true) => prop_assert_eq!(stands, Some("person"), "{}", CASES[n]),
                    Some(false) => prop_assert_eq!(stands, None, "{}", CASES[n]),
                    None => {}
                }
            }
            let revisions = revisions(&store);
            prop_assert!(revisions >= known);
            known = revisions;
        }
    }
}
