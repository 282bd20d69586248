//! Two officers with a recorder each at one scene, against the rows: who is of whose outing, what one yes covers, and what
//! taking it back takes back.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::event::EventKind;
use crate::domain::grid::PartGrid;
use crate::domain::grounds::Ground;
use crate::domain::ids::{BayName, RecorderId};
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::store::tests::{Fixture, fixture};
use crate::store::{LinkRequest, NewClip, NewDock, Suggestion};

const CASE: &str = "赵卫罚〔2026〕1号";
const OTHER: &str = "赵卫罚〔2026〕2号";
const GAP: i64 = 2 * 3_600_000;
const TEN: i64 = 1_781_834_400_000; // 2026-06-19T10:00:00+08:00

fn key(text: &str) -> String {
    NumberRule::builtin().parse(text, 2026).unwrap().key().to_owned()
}

/// A sealed clip of ten minutes that began at this time of the day, with these facts beside it.
fn clip(f: &Fixture, recorder: &str, time: &str, facts: &[(Field, &str)]) -> ClipId {
    let clip = ClipId::generate(TEN);
    let path = SourcePath::new(format!("{recorder}/{time}"));
    let new = NewClip {
        clip,
        recorder: RecorderId::new(recorder).unwrap(),
        dock: Some(dock(f, recorder)),
        entry: ShelfEntry { path, size_bytes: 3, modified_raw: "t".into(), modified_ms: None },
        declared_bytes: Some(3),
        role: "clip",
        importance: Importance::Normal,
        grid: PartGrid::for_size(Some(3)),
        evidence: "{}".into(),
        segment: None,
    };
    let mut said = vec![(Field::CapturedStart, Origin::FileName, format!("2026-06-19T{time}:00+08:00"))];
    said.extend(facts.iter().map(|(field, value)| (*field, Origin::Roster, (*value).to_owned())));
    f.store.write_blocking(move |tx| tx.new_clip(&new)).unwrap();
    f.seal(clip, vec![]);
    f.store
        .write_blocking(move |tx| {
            let media = "INSERT INTO media (clip_id, duration_ms, health, probed_ms) VALUES (?1, 600000, 'whole', 0)";
            tx.conn.execute(media, [clip.to_string()])?;
            tx.add_facts(clip, &Actor::daemon(), "daemon", &said)
        })
        .unwrap();
    clip
}

/// The recorder's stay in its bay.
fn dock(f: &Fixture, recorder: &str) -> i64 {
    let sql = "SELECT max(dock_id) FROM dock WHERE recorder_id = ?1";
    let known: Option<i64> =
        f.store.read_blocking(|r| Ok(r.conn.query_row(sql, [recorder], |row| row.get(0))?)).unwrap();
    known.unwrap_or_else(|| {
        let new = NewDock {
            bay: BayName::new(&recorder[1..]).unwrap(),
            recorder: RecorderId::new(recorder).unwrap(),
            identified: "bay".into(),
            kind: "folder",
            profile: "generic".into(),
            model: None,
        };
        f.store.write_blocking(move |tx| tx.dock(&new)).unwrap()
    })
}

fn run(f: &Fixture, sql: &'static str, values: Vec<String>) {
    f.store.write_blocking(move |tx| Ok(tx.conn.execute(sql, rusqlite::params_from_iter(values))?)).unwrap();
}

fn note(f: &Fixture, clip: ClipId, note: &str) {
    let notes = [note.to_owned()];
    f.store.write_blocking(move |tx| tx.set_notes(clip, &notes)).unwrap();
}

fn outing(f: &Fixture, clip: ClipId) -> Vec<ClipId> {
    f.store.read_blocking(|r| r.outing_of(clip, GAP)).unwrap().into_iter().map(|n| n.clip).collect()
}

fn link(f: &Fixture, clips: &[ClipId], number: &str, by: Actor) {
    for clip in clips {
        let request = LinkRequest {
            clip: *clip,
            number: NumberRule::builtin().parse(number, 2026).unwrap(),
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: None,
            proves: None,
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        let by = by.clone();
        f.store.write_blocking(move |tx| tx.link(&request, &by, "cli")).unwrap();
    }
}

fn suggest(f: &Fixture, clip: ClipId, number: &str) {
    let said = Suggestion {
        case_key: key(number),
        raw: number.to_owned(),
        rule: "register".into(),
        score: 75,
        reason: Ground::OtherOfficers {}.into(),
        stage: None,
        matter: None,
        proves: None,
    };
    f.store.write_blocking(move |tx| tx.suggest(clip, &[said])).unwrap();
}

fn covered(f: &Fixture, clip: ClipId, number: Option<&str>) -> Vec<ClipId> {
    let key = number.map(key);
    f.store.read_blocking(|r| r.undecided_of_outing(&OneYes::of(clip, key.as_deref()), GAP)).unwrap()
}

const HERE: (Field, &str) = (Field::Place, "东关街18号");

#[test]
fn two_officers_at_one_scene_are_of_one_outing_and_strangers_are_not() {
    let by = |officer: &'static str| (Field::Officer, officer);
    for (why, time, facts, wanted) in [
        ("at the same place", "10:05", vec![by("李四"), HERE], true),
        ("an hour and a half later there", "11:30", vec![by("李四"), HERE], true),
        ("three hours later there", "13:30", vec![by("李四"), HERE], false),
        ("at the same time elsewhere", "10:05", vec![by("李四"), (Field::Place, "西街3号")], false),
        ("nobody knows where", "10:05", vec![by("李四")], false),
        ("nobody knows whose", "10:05", vec![HERE], false),
        ("another team in the same building", "10:05", vec![by("李四"), HERE, (Field::CoOfficers, "王五")], false),
        ("the partner, by name", "10:05", vec![by("李四"), (Field::CoOfficers, "赵六、张三")], true),
        ("for another party in the building", "10:05", vec![by("李四"), HERE, (Field::PartyRef, "某网吧")], false),
        (
            "200 m away by satellite, in other words",
            "10:05",
            vec![by("李四"), (Field::Place, "路口"), (Field::Lat, "37.7578"), (Field::Lon, "114.7760")],
            true,
        ),
        (
            "a street of the same name 20 km away",
            "10:05",
            vec![by("李四"), HERE, (Field::Lat, "37.9500"), (Field::Lon, "114.7760")],
            false,
        ),
    ] {
        let f = fixture();
        let here = [by("张三"), HERE, (Field::PartyRef, "某饭店"), (Field::Lat, "37.7560"), (Field::Lon, "114.7760")];
        let ours = clip(&f, "R1", "10:00", &here);
        let theirs = clip(&f, "R2", time, &facts);
        let expected = if wanted { vec![theirs] } else { vec![] };
        assert_eq!(outing(&f, ours), expected, "{why}");
        assert_eq!(outing(&f, theirs), if wanted { vec![ours] } else { vec![] }, "{why}, from the other side");
        let partner = f.store.read_blocking(|r| r.outing_of(ours, GAP)).unwrap().pop().and_then(|n| n.partner);
        assert_eq!(partner.as_deref(), wanted.then_some("李四"), "{why}");
    }
}

#[test]
fn a_doubtful_clock_ties_nobody_until_a_person_sets_the_time_right() {
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[(Field::Officer, "张三"), HERE]);
    let theirs = clip(&f, "R2", "10:05", &[(Field::Officer, "李四"), HERE]);
    assert_eq!(outing(&f, ours), [theirs]);
    for code in ["clock_unset", "after_dock", "later_than_dock", "clock_off", "clock_jumped"] {
        note(&f, theirs, &format!("file_name 20260619_100500: {code}"));
        assert_eq!((outing(&f, ours), outing(&f, theirs)), (vec![], vec![]), "{code}");
    }
    note(&f, theirs, "binding 110204: no_stay");
    assert_eq!(outing(&f, ours), [theirs], "that says nothing about its clock");
    // The recorder told its own time at the dock.
    run(
        &f,
        "INSERT INTO sighting (clip_id, recorder_id, dock_id, path, size_bytes, modified_raw, state, compared, seen_ms)
             SELECT ?1, 'R2', max(dock_id), X'78', 3, 't', 'present', 'copied', 0 FROM dock WHERE recorder_id = 'R2'",
        vec![theirs.to_string()],
    );
    let clock = |offset_ms: i64| {
        let sql =
            "UPDATE dock SET clock_offset_ms = CAST(?1 AS INTEGER), clock_how = 'device' WHERE recorder_id = 'R2'";
        run(&f, sql, vec![offset_ms.to_string()]);
    };
    for (offset_ms, tied) in [(20_000, true), (-3_600_000, false), (3_600_000, false)] {
        clock(offset_ms);
        assert_eq!(outing(&f, ours).len(), usize::from(tied), "{offset_ms}");
    }
    let right = [(Field::CapturedStart, Origin::Person, "2026-06-19T10:05:00+08:00".to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(theirs, &Actor::os(7), "cli", &right)).unwrap();
    assert_eq!(outing(&f, ours), [theirs]);
}

#[test]
fn desk_roster_and_register_say_who_went_together() {
    let desk = "INSERT INTO issue (recorder, named, officer, case_key, case_raw, from_ms, issued_by) VALUES (?1, ?1, 'x', ?2, ?2, 0, 'os:1')";
    let roster = "INSERT INTO roster (import, recorder, from_ms, to_ms, row) VALUES ('x', ?1, 0, 9000000000000, json_object('case', json_object('raw', ?2, 'key', ?2)))";
    let (a, b) = (key(CASE), key(OTHER));
    let out = |sql: &'static str, ours: &str, theirs: &str| {
        let f = fixture();
        // Without a place: nothing else ties them.
        let one = clip(&f, "R1", "10:00", &[(Field::Officer, "张三")]);
        clip(&f, "R2", "10:05", &[(Field::Officer, "李四")]);
        for (recorder, case) in [("R1", ours), ("R2", theirs)] {
            run(&f, sql, vec![recorder_key(recorder), case.to_owned()]);
        }
        outing(&f, one).len()
    };
    assert_eq!((out(desk, &a, &a), out(desk, &a, &b)), (1, 0));
    assert_eq!((out(roster, &a, &a), out(roster, &a, &b)), (1, 0));

    let registered = |officers: &str, opened_ms: i64, place: Option<&'static str>| {
        let f = fixture();
        let theirs: Vec<_> = place.map(|p| (Field::Place, p)).into_iter().chain([(Field::Officer, "李四")]).collect();
        let one = clip(&f, "R1", "10:00", &[(Field::Officer, "张三"), HERE]);
        clip(&f, "R2", "10:05", &theirs);
        run(&f, "INSERT INTO case_file (case_id, kind, created_ms) VALUES (1, 'case', 0)", vec![]);
        run(
            &f,
            "INSERT INTO register_import (import_id, register, name, entries, added, changed, actor, at_ms) VALUES (1, 'case', 'x', 1, 1, 0, 'os:1', 0)",
            vec![],
        );
        run(&f, "INSERT INTO register_entry (register, entry_key, name, loose, entry, line, case_id, opened_ms, import_id, at_ms)
                 VALUES ('case', 'k', 'k', 'k', json_object('officers', ?1), 1, 1, CAST(?2 AS INTEGER), 1, 0)", vec![officers.to_owned(), opened_ms.to_string()]);
        outing(&f, one).len()
    };
    let day = 24 * 3_600_000;
    for (why, officers, opened_ms, place, wanted) in [
        ("both for one case", "张三、李四", TEN + 3 * day, None, 1),
        ("the case of somebody else", "张三、王五", TEN + 3 * day, None, 0),
        ("a case of another month", "张三、李四", TEN - 40 * day, None, 0),
        ("but each was elsewhere", "张三、李四", TEN + 3 * day, Some("西街3号"), 0),
    ] {
        assert_eq!(registered(officers, opened_ms, place), wanted, "{why}");
    }
}

#[test]
fn a_partner_leads_to_no_further_strangers() {
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[(Field::Officer, "张三"), HERE]);
    let theirs = clip(&f, "R2", "10:05", &[(Field::Officer, "李四"), HERE]);
    let later = clip(&f, "R2", "11:00", &[(Field::Officer, "李四"), (Field::Place, "西街3号")]);
    let there = clip(&f, "R3", "11:00", &[(Field::Officer, "王五"), (Field::Place, "西街3号")]);
    assert_eq!(outing(&f, ours), [theirs]);
    assert_eq!(outing(&f, theirs).len(), 3, "its own later clip, and whoever is there");
    assert_eq!(outing(&f, there), [later]);
}

#[test]
fn another_team_in_the_building_stays_another_though_one_of_its_clips_names_nobody() {
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[(Field::Officer, "张三"), HERE]);
    let named = clip(&f, "R2", "10:05", &[(Field::Officer, "李四"), HERE, (Field::CoOfficers, "王五")]);
    let bare = clip(&f, "R2", "10:20", &[(Field::Officer, "李四"), HERE]);
    assert_eq!((outing(&f, ours), outing(&f, bare)), (vec![], vec![named]));
    let partner = clip(&f, "R3", "10:10", &[(Field::Officer, "王五"), HERE]);
    assert_eq!(outing(&f, bare), [named, partner]);
    assert_eq!(outing(&f, ours), [], "nor is the one whom that team names");
}

#[test]
fn one_yes_covers_the_partner_and_one_no_takes_all_of_it_back() {
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[(Field::Officer, "张三"), HERE]);
    let theirs = clip(&f, "R2", "10:05", &[(Field::Officer, "李四"), HERE]);
    let more = clip(&f, "R2", "10:20", &[(Field::Officer, "李四"), HERE]);
    suggest(&f, ours, CASE);
    assert_eq!(covered(&f, ours, Some(CASE)), [theirs, more]);
    suggest(&f, more, OTHER);
    assert_eq!(covered(&f, ours, Some(CASE)), [theirs], "another case is likelier for that one");
    assert_eq!(covered(&f, ours, None), [theirs]);
    suggest(&f, more, CASE);
    assert_eq!(covered(&f, ours, Some(CASE)), [theirs, more]);
    let no = key(CASE);
    let asked = crate::domain::event::Draft::by(EventKind::SuggestionRefused, Actor::os(7), "cli");
    f.store.write_blocking(move |tx| tx.refuse_suggestion(more, &no, asked)).unwrap();
    assert_eq!(covered(&f, ours, Some(CASE)), [theirs], "a person said no to that one");

    let back = |by: Actor| f.store.read_blocking(|r| r.decided_with(ours, GAP, &key(CASE), &by)).unwrap();
    assert_eq!(back(Actor::os(8)), [], "nothing was decided");
    link(&f, &[ours, theirs], CASE, Actor::os(8));
    assert_eq!(covered(&f, ours, Some(CASE)), [], "all of it is linked");
    assert_eq!(back(Actor::os(8)), [theirs], "what others refused stays");
    assert_eq!(back(Actor::os(7)), [], "who did not decide about this one");
    f.clock.advance(3_600_000);
    let late = clip(&f, "R2", "10:40", &[(Field::Officer, "李四"), HERE]);
    link(&f, &[late], CASE, Actor::os(8));
    assert_eq!(back(Actor::os(8)), [theirs], "an hour later that was another act");
}

#[test]
fn one_yes_takes_no_clip_that_speaks_against_it() {
    let by = (Field::Officer, "张三");
    let party = |name: &'static str| (Field::PartyRef, name);
    let at = |lat: &'static str| [(Field::Lat, lat), (Field::Lon, "114.7760")];
    for (why, first, other, wanted) in [
        ("nothing is known of it", vec![HERE], vec![], true),
        ("the same place", vec![HERE], vec![HERE], true),
        ("the shop down the street", vec![HERE], vec![(Field::Place, "东关街118号")], false),
        ("another party at the place", vec![HERE, party("某饭店")], vec![HERE, party("某网吧")], false),
        ("by position", at("37.7560").to_vec(), at("37.7570").to_vec(), true),
        ("a kilometre away", at("37.7560").to_vec(), at("37.7660").to_vec(), false),
        (
            "the same in words, and a kilometre away",
            [&at("37.7560")[..], &[HERE]].concat(),
            [&at("37.7660")[..], &[HERE]].concat(),
            false,
        ),
    ] {
        let f = fixture();
        let ours = clip(&f, "R1", "10:00", &[&first[..], &[by]].concat());
        let next = clip(&f, "R1", "10:20", &[&other[..], &[by]].concat());
        assert_eq!(outing(&f, ours), [next], "{why}: it is of the outing all the same");
        assert_eq!(covered(&f, ours, Some(CASE)), if wanted { vec![next] } else { vec![] }, "{why}");
    }
    // Two shops within two hours: each has its own case suggested, and one yes is for its own.
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[by]);
    let same = clip(&f, "R1", "10:20", &[by]);
    let next = clip(&f, "R1", "11:00", &[by]);
    suggest(&f, ours, CASE);
    suggest(&f, next, OTHER);
    assert_eq!(covered(&f, ours, Some(CASE)), [same]);
    assert_eq!(covered(&f, ours, Some(OTHER)), [same, next], "with the number of the other");
    assert_eq!(covered(&f, ours, None), [same], "before any number is typed");
}

#[test]
fn where_nobody_knows_the_place_the_case_says_it_or_nothing_is_taken_along_of_several() {
    let by = (Field::Officer, "张三");
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[by]);
    let bare = clip(&f, "R1", "10:10", &[by]);
    let here = clip(&f, "R1", "10:20", &[by, HERE]);
    assert_eq!(covered(&f, ours, Some(CASE)), [bare, here]);
    let there = clip(&f, "R1", "11:00", &[by, (Field::Place, "西街3号")]);
    assert_eq!(covered(&f, ours, Some(CASE)), [bare], "of one or the other");
    let said = |place: &str| {
        let yes = OneYes { clip: ours, key: None, place: Some(place) };
        f.store.read_blocking(|r| r.undecided_of_outing(&yes, GAP)).unwrap()
    };
    assert_eq!((said("赵县东关街18号"), said("西街3号")), (vec![bare, here], vec![bare, there]));

    // The register knows where the case was.
    link(&f, &[here], CASE, Actor::os(7));
    let no = key(CASE);
    f.store.write_blocking(move |tx| tx.unlink(here, &no, "of no case yet", &Actor::os(7), "cli")).unwrap();
    let later = clip(&f, "R1", "10:30", &[by, HERE]);
    let import = "INSERT INTO register_import (import_id, register, name, entries, added, changed, actor, at_ms) VALUES (1, 'case', 'x', 1, 1, 0, 'os:1', 0)";
    run(&f, import, vec![]);
    let entry = "INSERT INTO register_entry (register, entry_key, name, loose, entry, line, case_id, import_id, at_ms)
         SELECT 'case', 'k', 'k', 'k', json_object('place', '赵县东关街18号'), 1, case_id, 1, 0 FROM case_alias WHERE case_key = ?1";
    run(&f, entry, vec![key(CASE)]);
    assert_eq!(covered(&f, ours, Some(CASE)), [bare, later], "a person said no to the other one");
}

#[test]
fn in_hands_that_nobody_knows_one_yes_is_for_one_clip() {
    let f = fixture();
    let ours = clip(&f, "R1", "10:00", &[HERE]);
    let next = clip(&f, "R1", "10:20", &[HERE]);
    let known = clip(&f, "R1", "10:40", &[(Field::Officer, "张三"), HERE]);
    assert_eq!(covered(&f, ours, Some(CASE)), [next, known], "a person's own recorder");
    let roster = "INSERT INTO roster (import, recorder, from_ms, to_ms, row) VALUES ('x', ?1, 0, 1, '{}')";
    run(&f, roster, vec![recorder_key("R1")]);
    assert_eq!((covered(&f, ours, Some(CASE)), covered(&f, known, Some(CASE))), (vec![], vec![]));
    let whose = [(Field::Officer, Origin::Person, "张三".to_owned())];
    for clip in [ours, next] {
        let whose = whose.clone();
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &whose)).unwrap();
    }
    assert_eq!(covered(&f, ours, Some(CASE)), [next, known], "once a person says whose they are");
}
