//! Registers against the rows that they change: imports, what they would change, and taking them back.

mod joins;

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::coverage::Standing;
use crate::domain::record::Origin;
use crate::store::tests::{Fixture, fixture};
use crate::store::{LinkRequest, Store};

fn entry(values: &[(&str, &str)]) -> Entry {
    Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

fn number(text: &str) -> CaseNumber {
    NumberRule::builtin().parse(text, 2026).unwrap()
}

fn officer(line: u64, name: &str, no: &str, unit: &str) -> NewEntry {
    let entry = entry(&[("name", name), ("number", no), ("unit", unit)]);
    NewEntry { line, key: entry.key(Register::Officer), entry, numbers: vec![] }
}

fn case(line: u64, numbers: &[&str], more: &[(&str, &str)]) -> NewEntry {
    let mut entry = entry(more);
    entry.0.insert("number".into(), numbers[0].into());
    NewEntry { line, entry, key: None, numbers: numbers.iter().map(|n| number(n)).collect() }
}

fn import_into(store: &Store, register: Register, entries: Vec<NewEntry>, dry_run: bool) -> ImportedAs {
    let import = Import { register, name: "a.csv".into(), entries, rule_version: 1 };
    store.write_blocking(move |tx| tx.import_register(&import, dry_run, &Actor::os(7), "cli")).unwrap()
}

fn undo(store: &Store, import: i64) -> Result<Undone> {
    store.write_blocking(move |tx| tx.undo_import(import, &Actor::os(7), "cli"))
}

fn link(f: &Fixture, clip: ClipId, text: &str, matter: Option<&str>) {
    link_by(f, clip, text, matter, Origin::Person);
}

fn link_by(f: &Fixture, clip: ClipId, text: &str, matter: Option<&str>, origin: Origin) {
    let request = LinkRequest {
        clip,
        number: number(text),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: matter.map(str::to_owned),
        proves: None,
        origin,
        score: 100,
        reason: None,
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(7), "cli")).unwrap();
}

fn names(f: &Fixture, register: Register) -> Vec<(String, String)> {
    let rows = f.store.read_blocking(|r| r.entries(register, None, 100)).unwrap();
    rows.into_iter().map(|e| (e.key, e.entry.get("unit").unwrap_or_default().to_owned())).collect()
}

#[test]
fn an_import_adds_and_changes_and_is_taken_back_whole() {
    let f = fixture();
    let first = vec![officer(2, "张三", "110203", "一科"), officer(3, "李四", "110204", "一科")];
    let dry = import_into(&f.store, Register::Officer, first.clone(), true);
    assert_eq!((dry.import, dry.added, dry.changed, dry.same), (None, 2, 0, 0));
    assert_eq!(names(&f, Register::Officer), [], "a dry run changes nothing");
    assert_eq!(f.store.read_blocking(|r| r.register_version()).unwrap(), (0, 0));
    let one = import_into(&f.store, Register::Officer, first.clone(), false);
    assert_eq!((one.added, one.changed, one.same), (2, 0, 0));
    let second = vec![
        officer(2, "张三", "110203", "二科"),
        officer(3, "李四", "110204", "一科"),
        officer(4, "王五", "110205", ""),
    ];
    let two = import_into(&f.store, Register::Officer, second, false);
    assert_eq!((two.added, two.changed, two.same), (1, 1, 1));

    let refused = undo(&f.store, one.import.unwrap()).unwrap_err().to_string();
    assert!(refused.contains("import 2 changed 1 of its entries since"), "{refused}");
    assert_eq!(
        undo(&f.store, two.import.unwrap()).unwrap(),
        Undone { restored: 1, removed: 1, kept: 0, ..Undone::default() }
    );
    let after: Vec<_> = names(&f, Register::Officer);
    assert_eq!(after, [("110203".into(), "一科".into()), ("110204".into(), "一科".into())]);
    assert!(matches!(undo(&f.store, two.import.unwrap()), Err(StoreError::Conflict(_))), "only once");
    assert!(matches!(undo(&f.store, 99), Err(StoreError::NotFound(_))));
    assert_eq!(undo(&f.store, one.import.unwrap()).unwrap().removed, 2);
    assert_eq!(names(&f, Register::Officer), []);
    let imports = f.store.read_blocking(|r| r.register_imports(Some(Register::Officer), 10)).unwrap();
    assert!(imports.iter().all(|i| i.undone_ms.is_some()) && imports.len() == 2);
    let again = import_into(&f.store, Register::Officer, first, false);
    assert_eq!(again.added, 2, "what was taken back can be imported again");
}

#[test]
fn a_case_is_found_by_every_number_and_by_its_party() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    link(&f, clip, "赵卫立〔2026〕5号", None);
    let done = import_into(
        &f.store,
        Register::Case,
        vec![
            case(2, &["赵卫罚〔2026〕12号", "赵卫立〔2026〕5号"], &[("party", "赵县某饭店")]),
            case(3, &["赵卫罚〔2026〕13号"], &[]),
        ],
        false,
    );
    assert_eq!((done.added, done.joined, done.conflicts.len()), (2, 0, 0));
    f.store
        .read_blocking(|r| {
            let summary = r.case_by_key(number("赵卫罚〔2026〕12号").key())?.unwrap();
            assert_eq!((summary.clips, summary.display.as_str()), (1, "赵卫立〔2026〕5号"), "the clip was there first");
            assert_eq!(summary.aliases, ["赵卫罚〔2026〕12号"]);
            let loose = crate::domain::case_number::loose("某饭店");
            let found = r.search_cases(Some(&loose), None, 10, &crate::domain::rights::Within::Everything, 0)?;
            assert_eq!(found.iter().map(|c| c.case_id).collect::<Vec<_>>(), [summary.case_id]);
            assert!(r.clip(clip)?.record_stale, "its record and the bucket's index get the new number");
            Ok(())
        })
        .unwrap();
    let undone = undo(&f.store, done.import.unwrap()).unwrap();
    assert_eq!(undone, Undone { restored: 0, removed: 2, kept: 1, ..Undone::default() });
    f.store
        .read_blocking(|r| {
            assert!(
                r.case_id(number("赵卫罚〔2026〕12号").key())?.is_some(),
                "nothing is un-said about a case with clips"
            );
            assert!(r.case_id(number("赵卫罚〔2026〕13号").key())?.is_none(), "a case that nobody used goes");
            Ok(())
        })
        .unwrap();
}

#[test]
fn two_cases_that_are_one_are_joined_and_no_link_is_lost() {
    let f = fixture();
    let (a, b) = (f.clip("a"), f.clip("b"));
    for clip in [a, b] {
        f.seal(clip, vec![]);
    }
    link(&f, a, "赵卫立〔2026〕5号", None);
    link(&f, b, "赵卫罚〔2026〕12号", None);
    let both = vec![case(2, &["赵卫罚〔2026〕12号", "赵卫立〔2026〕5号"], &[])];
    let dry = import_into(&f.store, Register::Case, both.clone(), true);
    assert_eq!((dry.joined, dry.import), (1, None));
    let cases = |f: &Fixture| {
        f.store
            .read_blocking(|r| {
                let id = |n: &str| r.case_id(number(n).key());
                Ok((id("赵卫罚〔2026〕12号")?, id("赵卫立〔2026〕5号")?))
            })
            .unwrap()
    };
    assert_ne!(cases(&f).0, cases(&f).1, "a dry run joins nothing");
    assert_eq!(import_into(&f.store, Register::Case, both, false).joined, 1);
    let (one, other) = cases(&f);
    assert_eq!(one, other);
    f.store
        .read_blocking(|r| {
            assert_eq!(r.clips_of_case(one.unwrap())?.len(), 2);
            let link = r.links(a)?.remove(0);
            assert_eq!(
                (link.origin.as_str(), link.raw.as_str()),
                ("person", "赵卫立〔2026〕5号"),
                "whose word it was stays"
            );
            assert_eq!(r.links(a)?.len(), 1);
            Ok(())
        })
        .unwrap();
    // Two that the register itself holds apart are not joined by a slip.
    let apart = vec![case(2, &["赵卫罚〔2026〕20号"], &[]), case(3, &["赵卫罚〔2026〕21号"], &[])];
    import_into(&f.store, Register::Case, apart, false);
    let slip =
        import_into(&f.store, Register::Case, vec![case(2, &["赵卫罚〔2026〕20号", "赵卫罚〔2026〕21号"], &[])], false);
    assert_eq!(slip.import, None);
    assert!(
        slip.conflicts[0].1.to_string().contains("line 2: 赵卫罚〔2026〕20号 / 赵卫罚〔2026〕21号 are two cases"),
        "{slip:?}"
    );
}

#[test]
fn coverage_is_read_from_the_rows() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    link(&f, clip, "赵卫罚〔2026〕12号", Some("现场检查"));
    let item = |line, matter: &str, tier: &str| {
        let entry = entry(&[("stage", "调查"), ("matter", matter), ("tier", tier)]);
        NewEntry { line, key: entry.key(Register::Catalogue), entry, numbers: vec![] }
    };
    let items = vec![item(2, "送达", "part"), item(3, "现场检查", "part"), item(4, "听证", "whole")];
    import_into(&f.store, Register::Catalogue, items, false);
    import_into(&f.store, Register::Case, vec![case(2, &["赵卫罚〔2026〕12号"], &[("matters", "送达")])], false);
    let id = f.store.read_blocking(|r| r.case_id(number("赵卫罚〔2026〕12号").key())).unwrap().unwrap();
    let allowed = Allowed { gap_ms: 1000, within_ms: 1000 };
    let standing = |f: &Fixture| {
        let found = f.store.read_blocking(|r| r.coverage(id, 1_781_834_604_000, allowed)).unwrap();
        found.lines.iter().map(|l| (l.item.matter.clone(), l.standing)).collect::<Vec<_>>()
    };
    assert_eq!(
        standing(&f),
        [
            ("送达".into(), Standing::Missing),
            ("现场检查".into(), Standing::Present),
            ("听证".into(), Standing::NotYetDue)
        ],
        "in the order of the sheet"
    );
    let say = |reason: &str| {
        let said = NoRecord { matter: "送达".into(), written: true, reason: reason.into(), ..NoRecord::default() };
        let asked = Draft::by(EventKind::NoRecordSaid, Actor::os(7), "cli");
        f.store.write_blocking(move |tx| tx.say_no_record(id, &said, asked)).unwrap();
    };
    say("送达回证已签");
    assert_eq!(standing(&f)[0].1, Standing::Replaced);
    say("");
    assert_eq!(standing(&f)[0].1, Standing::Missing, "an empty reason takes it back");
}

#[test]
fn a_picture_is_footage_of_its_own_moment() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    link(&f, clip, "赵卫罚〔2026〕12号", Some("送达"));
    let of = [("stage", "送达"), ("matter", "送达"), ("tier", "part")];
    let (part, whole) = (entry(&of), entry(&[&of[..2], &[("tier", "whole")]].concat()));
    let catalogue = |entry: &Entry| {
        let item = NewEntry { line: 2, key: entry.key(Register::Catalogue), entry: entry.clone(), numbers: vec![] };
        import_into(&f.store, Register::Catalogue, vec![item], false);
    };
    let carried_out = |at: &str| {
        let case = case(2, &["赵卫罚〔2026〕12号"], &[("matters", at)]);
        import_into(&f.store, Register::Case, vec![case], false);
    };
    let say = |facts: Vec<(crate::domain::record::Field, Origin, String)>| {
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)).unwrap();
    };
    let probed = |duration_ms: Option<i64>| {
        let facts = crate::domain::ports::MediaFacts { duration_ms, ..Default::default() };
        f.store.write_blocking(move |tx| tx.probed(clip, &facts, None)).unwrap();
    };
    let id = f.store.read_blocking(|r| r.case_id(number("赵卫罚〔2026〕12号").key())).unwrap().unwrap();
    let standing = || {
        let allowed = Allowed { gap_ms: 1_000, within_ms: 1_000 };
        f.store.read_blocking(|r| r.coverage(id, 1_785_000_000_000, allowed)).unwrap().lines[0].standing
    };
    catalogue(&part);
    probed(None);
    carried_out("送达@2026-07-03T15:00:00+08:00~2026-07-03T15:20:00+08:00");
    assert!(!standing().is_a_gap(), "while nobody knows when it was taken, it may be of any");
    say(vec![(crate::domain::record::Field::CapturedStart, Origin::FileName, "2026-06-19T10:00:00+08:00".into())]);
    assert_eq!(standing(), Standing::Missing, "it was taken on another day");
    carried_out("送达@2026-06-19T09:50:00+08:00~2026-06-19T10:10:00+08:00");
    assert!(!standing().is_a_gap());
    catalogue(&whole);
    assert_eq!(standing(), Standing::Interrupted, "nothing of it is recorded");
    carried_out("送达");
    assert_eq!(standing(), Standing::Interrupted, "whether somebody wrote down when or not");
    probed(Some(600_000));
    assert!(!standing().is_a_gap());
}

const KEPT: &str = "赵卫罚〔2026〕12号";
const OTHER: &str = "赵卫立〔2026〕5号";
const THIRD: &str = "赵卫立〔2026〕6号";

/// What an import that calls `numbers` one case came to.
fn call_one(f: &Fixture, numbers: &[&str]) -> ImportedAs {
    import_into(&f.store, Register::Case, vec![case(2, numbers, &[])], false)
}

fn case_id(f: &Fixture, text: &str) -> i64 {
    f.store.read_blocking(|r| r.case_id(number(text).key())).unwrap().unwrap()
}

fn by(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(7), "cli")
}

#[test]
fn a_filed_case_is_not_joined_and_a_closed_one_stays_closed() {
    let f = fixture();
    for (name, text) in [("a", KEPT), ("b", OTHER), ("c", THIRD)] {
        let clip = f.clip(name);
        f.seal(clip, vec![]);
        link(&f, clip, text, None);
    }
    let (other, third) = (case_id(&f, OTHER), case_id(&f, THIRD));
    f.store
        .write_blocking(move |tx| {
            for case in [other, third] {
                tx.close_case(case, by(EventKind::CaseClosed))?;
            }
            // Filed, as it stands after the check.
            tx.conn.execute(
                "UPDATE filing SET bound_by = 'os:7', bound_ms = 1, fonds_no = '1', year = 2026, archival_code = 'A1', term = '10年',
                   filed_by = 'os:7', filed_ms = 1, opinion = 'x', report = '{}' WHERE case_id = ?1",
                [third],
            )?;
            tx.conn.execute(
                "INSERT INTO export (package, case_id, case_no, reason, basis, lang, target, asked_by, via, from_where, asked_ms, state)
                 VALUES ('p', ?1, 'x', 'x', 'x', 'en', 'station', 'os:7', 'cli', '', 1, 'refused')",
                [other],
            )?;
            Ok(())
        })
        .unwrap();
    for numbers in [[KEPT, THIRD], [THIRD, KEPT]] {
        let refused = call_one(&f, &numbers);
        assert_eq!(refused.import, None);
        assert!(refused.conflicts[0].1.to_string().contains("one that is filed takes no changes"), "{refused:?}");
    }
    let kept = case_id(&f, KEPT);
    assert_ne!(kept, case_id(&f, THIRD));
    // Of what was begun nothing is lost.
    assert_eq!(call_one(&f, &[KEPT, OTHER]).joined, 1);
    let (filing, exports): (Option<i64>, i64) = f
        .store
        .read_blocking(|r| {
            let exports = r.conn.query_row("SELECT case_id FROM export", [], |row| row.get(0))?;
            Ok((r.filing(kept)?.map(|f| f.case_id), exports))
        })
        .unwrap();
    assert_eq!((case_id(&f, OTHER), filing, exports), (kept, Some(kept), kept));
}

#[test]
fn two_closed_cases_are_not_joined() {
    let f = fixture();
    for (name, text) in [("a", KEPT), ("b", OTHER)] {
        let clip = f.clip(name);
        f.seal(clip, vec![]);
        link(&f, clip, text, None);
        let case = case_id(&f, text);
        f.store.write_blocking(move |tx| tx.close_case(case, by(EventKind::CaseClosed))).unwrap();
    }
    let refused = call_one(&f, &[KEPT, OTHER]);
    assert!(refused.conflicts[0].1.to_string().contains("re-open one of them first"), "{refused:?}");
}

#[test]
fn what_a_person_withdrew_stays_withdrawn_when_cases_are_joined() {
    let f = fixture();
    let [withdrawn, corrected] = ["a", "b"].map(|name| {
        let clip = f.clip(name);
        f.seal(clip, vec![]);
        link(&f, clip, KEPT, None);
        let key = number(KEPT).key().to_owned();
        f.store.write_blocking(move |tx| tx.unlink(clip, &key, "of another case", &Actor::os(7), "cli")).unwrap();
        clip
    });
    // A rule says the other number of one clip; of the other clip a person does, and meant it.
    link_by(&f, withdrawn, OTHER, None, Origin::Rule);
    link(&f, corrected, OTHER, None);
    // And of a third one a person said that it is not of the other number's case, while a rule says that it is of this one's.
    let refused = f.clip("c");
    f.seal(refused, vec![]);
    link(&f, refused, OTHER, None);
    let key = number(OTHER).key().to_owned();
    f.store.write_blocking(move |tx| tx.unlink(refused, &key, "of no case", &Actor::os(8), "cli")).unwrap();
    link_by(&f, refused, KEPT, None, Origin::Rule);
    assert_eq!(call_one(&f, &[KEPT, OTHER]).joined, 1);
    let links = |clip: ClipId| f.store.read_blocking(|r| r.links(clip)).unwrap();
    for clip in [withdrawn, refused] {
        assert!(links(clip).is_empty(), "{:?}", links(clip));
        let sql = "SELECT missing FROM clip_index WHERE clip_id = ?1";
        let missing: String =
            f.store.read_blocking(|r| Ok(r.conn.query_row(sql, [clip.to_string()], |x| x.get(0))?)).unwrap();
        assert!(missing.contains("case_no"), "lists say so, too: {missing}");
    }
    assert_eq!(links(corrected).iter().map(|l| l.case_id).collect::<Vec<_>>(), [case_id(&f, KEPT)]);
}

#[test]
fn a_person_s_part_of_a_clip_stands_above_a_rule_s_link_when_cases_are_joined() {
    // Whichever of the two the import keeps, and whichever was linked first.
    for (by_rule, by_person, numbers, rule_first) in
        [(KEPT, OTHER, [KEPT, OTHER], true), (KEPT, OTHER, [KEPT, OTHER], false), (KEPT, OTHER, [OTHER, KEPT], true)]
    {
        let f = fixture();
        let clip = f.clip("a");
        f.seal(clip, vec![]);
        let request = LinkRequest {
            clip,
            number: number(by_person),
            rule_version: 1,
            range_ms: (Some(30_000), Some(300_000)),
            stage: Some("调查取证".into()),
            matter: Some("现场检查".into()),
            proves: Some("未公示许可证".into()),
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        let person = || f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(8), "cli")).unwrap();
        if rule_first {
            link_by(&f, clip, by_rule, None, Origin::Roster);
            person();
        } else {
            person();
            link_by(&f, clip, by_rule, None, Origin::Roster);
        }
        assert_eq!(call_one(&f, &numbers).joined, 1);
        let links = f.store.read_blocking(|r| r.links(clip)).unwrap();
        assert_eq!(links.len(), 1, "{links:?}");
        let link = &links[0];
        assert_eq!((link.origin.as_str(), link.from_ms, link.to_ms), ("person", Some(30_000), Some(300_000)));
        let words = [&link.stage, &link.matter, &link.proves].map(|w| w.clone().unwrap_or_default());
        assert_eq!(words, ["调查取证", "现场检查", "未公示许可证"], "with every word of it");
    }
    // Of two persons' words about what turns out to be one case the later one counts, as it would have of one case.
    for (first, later) in [(KEPT, OTHER), (OTHER, KEPT)] {
        let f = fixture();
        let clip = f.clip("a");
        f.seal(clip, vec![]);
        link(&f, clip, first, Some("现场检查"));
        link(&f, clip, later, Some("留置送达"));
        assert_eq!(call_one(&f, &[KEPT, OTHER]).joined, 1);
        let matters: Vec<_> =
            f.store.read_blocking(|r| r.links(clip)).unwrap().into_iter().filter_map(|l| l.matter).collect();
        assert_eq!(matters, ["留置送达"], "{first} first");
    }
}

#[test]
fn a_persons_link_stands_over_a_rules_when_cases_are_joined() {
    let f = fixture();
    let [said, other_way] = ["a", "b"].map(|name| {
        let clip = f.clip(name);
        f.seal(clip, vec![]);
        clip
    });
    let by_person = |clip: ClipId, text: &str| {
        let request = LinkRequest {
            clip,
            number: number(text),
            rule_version: 1,
            range_ms: (Some(30_000), Some(300_000)),
            stage: Some("调查取证".into()),
            matter: Some("现场检查".into()),
            proves: Some("无证经营".into()),
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(8), "web")).unwrap();
    };
    // The roster names one number, a person the other, with a part of the clip and what it proves.
    link_by(&f, said, KEPT, None, Origin::Roster);
    by_person(said, OTHER);
    link_by(&f, other_way, OTHER, None, Origin::Roster);
    by_person(other_way, KEPT);
    assert_eq!(call_one(&f, &[KEPT, OTHER]).joined, 1);
    for (clip, raw) in [(said, OTHER), (other_way, KEPT)] {
        let links = f.store.read_blocking(|r| r.links(clip)).unwrap();
        let [link] = links.as_slice() else { panic!("{links:?}") };
        assert_eq!((link.case_id, link.origin.as_str(), link.raw.as_str()), (case_id(&f, KEPT), "person", raw));
        assert_eq!((link.from_ms, link.to_ms), (Some(30_000), Some(300_000)));
        let words = [&link.stage, &link.matter, &link.proves].map(Option::as_deref);
        assert_eq!(words, [Some("调查取证"), Some("现场检查"), Some("无证经营")]);
    }
}

#[test]
fn an_import_is_taken_back_although_its_case_was_closed() {
    let f = fixture();
    let done = call_one(&f, &[KEPT]);
    let kept = case_id(&f, KEPT);
    f.store.write_blocking(move |tx| tx.close_case(kept, by(EventKind::CaseClosed))).unwrap();
    assert_eq!(
        undo(&f.store, done.import.unwrap()).unwrap(),
        Undone { restored: 0, removed: 1, kept: 1, ..Undone::default() }
    );
    assert_eq!(case_id(&f, KEPT), kept, "what was done with it stays");
}

#[test]
fn two_lines_about_one_case_are_told_by_their_lines() {
    let f = fixture();
    call_one(&f, &[KEPT, OTHER]);
    let twice = vec![case(2, &[KEPT], &[("party", "甲")]), case(3, &[OTHER], &[("party", "乙")])];
    let refused = import_into(&f.store, Register::Case, twice, false);
    assert_eq!(refused.import, None);
    assert!(
        matches!(&refused.conflicts[..], [(3, why)] if why.to_string().contains("line 3 names the same case as line 2"))
    );
    let one = import_into(&f.store, Register::Case, vec![case(2, &[OTHER], &[("party", "乙")])], false);
    assert_eq!((one.changed, one.conflicts.len()), (1, 0));
}

#[test]
fn entries_and_imports_are_read_in_pages_and_none_is_passed_over() {
    let f = fixture();
    // Three of one name: their numbers tell them apart.
    let people = [("张三", "3"), ("张三", "1"), ("李四", "4"), ("张三", "2"), ("王五", "5")];
    for (name, number) in people {
        import_into(&f.store, Register::Officer, vec![officer(2, name, number, "")], false);
    }
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let from = after.clone();
        let page = f.store.read_blocking(move |r| r.entries_after(Register::Officer, None, from.as_ref(), 2)).unwrap();
        let Some((name, row)) = page.last() else { break };
        after = Some((name.clone(), row.key.clone()));
        read.extend(page.into_iter().map(|(_, row)| row.key));
    }
    assert_eq!(read, names(&f, Register::Officer).into_iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert_eq!(read.len(), people.len());
    let imports = |below| f.store.read_blocking(move |r| r.register_imports_below(None, below, 2)).unwrap();
    let pages = [imports(None), imports(Some(4)), imports(Some(2))];
    let numbers: Vec<i64> = pages.iter().flatten().map(|i| i.import).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert!(imports(Some(1)).is_empty());
}
