//! Joins that are undone: each of the two cases is what it was, or nothing is undone and what stands in the way is named.

use super::*;
use crate::store::{HoldRow, LinkRow};

/// A link, as far as it may not change.
type Told = (String, String, String, (Option<i64>, Option<i64>), Option<String>, u32);

fn told(link: LinkRow) -> Told {
    let LinkRow { case_key, raw, origin, from_ms, to_ms, proves, score, .. } = link;
    (case_key, raw, origin, (from_ms, to_ms), proves, score)
}

/// What the cases and the clips of a test are to each other.
#[derive(Debug, PartialEq)]
struct Picture {
    numbers: Vec<(i64, Vec<String>)>,
    links: Vec<Vec<(i64, Told)>>,
    /// Whether a person decided about each clip, by number.
    decided: Vec<[bool; 2]>,
    closed: Vec<bool>,
    reasons: Vec<usize>,
    holds: Vec<Option<String>>,
}

fn picture(f: &Fixture, clips: &[ClipId]) -> Picture {
    let (clips, cases) = (clips.to_vec(), [KEPT, OTHER].map(|text| case_id(f, text)));
    f.store
        .read_blocking(move |r| {
            let keys = [KEPT, OTHER].map(|text| number(text).key().to_owned());
            let mut picture = Picture {
                numbers: Vec::new(),
                links: Vec::new(),
                decided: Vec::new(),
                closed: Vec::new(),
                reasons: Vec::new(),
                holds: Vec::new(),
            };
            for clip in clips {
                let mut links: Vec<_> = r.links(clip)?.into_iter().map(|l| (l.case_id, told(l))).collect();
                links.sort();
                picture.links.push(links);
                picture.decided.push([r.person_decided(clip, &keys[0])?, r.person_decided(clip, &keys[1])?]);
            }
            for case in cases {
                picture.numbers.push((case, r.aliases(case)?.into_iter().map(|(_, display)| display).collect()));
                picture.closed.push(r.filing(case)?.is_some());
                picture.reasons.push(r.no_records(case)?.len());
            }
            picture.holds = r.holds()?.into_iter().map(|h: HoldRow| h.case_no).collect();
            Ok(picture)
        })
        .unwrap()
}

fn sealed(f: &Fixture, name: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![]);
    clip
}

fn by_person(f: &Fixture, clip: ClipId, text: &str) {
    let request = LinkRequest {
        clip,
        number: number(text),
        rule_version: 1,
        range_ms: (Some(30_000), Some(300_000)),
        stage: None,
        matter: None,
        proves: Some("无证经营".into()),
        origin: Origin::Person,
        score: 100,
        reason: None,
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(8), "web")).unwrap();
}

fn unlink(f: &Fixture, clip: ClipId, text: &str) {
    let key = number(text).key().to_owned();
    f.store.write_blocking(move |tx| tx.unlink(clip, &key, "of another case", &Actor::os(8), "cli")).unwrap();
}

#[test]
fn an_undo_parts_what_the_import_joined() {
    let f = fixture();
    let clips = ["a", "b", "c", "d", "e"].map(|name| sealed(&f, name));
    let [both, kept, other, refused, taken_back] = clips;
    link_by(&f, both, KEPT, None, Origin::Roster);
    by_person(&f, both, OTHER);
    by_person(&f, kept, KEPT);
    link_by(&f, other, OTHER, None, Origin::Roster);
    // Of the other number's case a person refused one that a rule says is of this one's, and the other way round.
    by_person(&f, refused, OTHER);
    unlink(&f, refused, OTHER);
    link_by(&f, refused, KEPT, None, Origin::Rule);
    by_person(&f, taken_back, KEPT);
    unlink(&f, taken_back, KEPT);
    link_by(&f, taken_back, OTHER, None, Origin::Roster);
    let case = case_id(&f, OTHER);
    f.store
        .write_blocking(move |tx| {
            tx.close_case(case, by(EventKind::CaseClosed))?;
            let said = NoRecord { matter: "送达".into(), reason: "没电".into(), ..NoRecord::default() };
            tx.say_no_record(case, &said, by(EventKind::NoRecordSaid))?;
            tx.hold_case(case, &tx.read().case_hash(case)?, ("复议", None), by(EventKind::Hold))?;
            Ok(())
        })
        .unwrap();
    let before = picture(&f, &clips);
    let done = call_one(&f, &[KEPT, OTHER]);
    assert_eq!(done.joined, 1);
    assert_ne!(picture(&f, &clips), before);
    // What its numbers say of clips that came since goes with the number; whoever links by a number means its case.
    let later = sealed(&f, "f");
    by_person(&f, later, OTHER);
    let own = sealed(&f, "g");
    by_person(&f, own, KEPT);

    let undone = undo(&f.store, done.import.unwrap()).unwrap();
    assert_eq!((undone.removed, &undone.parted[..]), (1, &[Parted { kept: KEPT.into(), other: OTHER.into() }][..]));
    assert_eq!(picture(&f, &clips), before);
    let after = picture(&f, &[later, own]);
    let cases: Vec<i64> = after.links.iter().flatten().map(|(case, _)| *case).collect();
    assert_eq!(cases, [case_id(&f, OTHER), case_id(&f, KEPT)]);
    assert_eq!(after.decided, [[false, true], [true, false]]);
    // A bucket that was told of all of them under both numbers is told that they are not of both.
    for (clip, of) in [(kept, KEPT), (later, OTHER), (other, OTHER)] {
        let heads = f.store.read_blocking(|r| r.link_heads(clip)).unwrap();
        let stands: Vec<i64> = heads.iter().filter(|(.., withdrawn)| !withdrawn).map(|(case, ..)| *case).collect();
        assert_eq!((heads.len(), stands), (2, vec![case_id(&f, of)]), "{heads:?}");
        assert!(f.store.read_blocking(|r| r.clip(clip)).unwrap().record_stale);
    }
    let told = f.store.read_blocking(|r| r.log_entries(0, 500)).unwrap();
    let of: Vec<String> = told.iter().map(|e| String::from_utf8_lossy(&e.bytes).into_owned()).collect();
    assert!(of.iter().any(|e| e.contains("case.joined") && e.contains("\"step\":\"undone\"")));
    assert!(of.iter().any(|e| e.contains("register.undone") && e.contains("\"parted\":1")));

    // The same file again joins them again, and that can be undone as well.
    let again = call_one(&f, &[KEPT, OTHER]);
    assert_eq!(again.joined, 1);
    assert_eq!(undo(&f.store, again.import.unwrap()).unwrap().parted.len(), 1);
    assert_eq!(picture(&f, &clips), before);
}

#[test]
fn what_something_was_done_with_since_is_not_parted() {
    type Touch = fn(&Fixture, [ClipId; 2]);
    let touches: [(&str, Touch); 6] = [
        ("links of clips", |f, [_, clip]| by_person(f, clip, KEPT)),
        ("links of clips", |f, [_, clip]| unlink(f, clip, OTHER)),
        ("holds", |f, _| {
            let case = case_id(f, KEPT);
            let hold = move |tx: &Tx<'_>| {
                tx.hold_case(case, &tx.read().case_hash(case)?, ("复议", None), by(EventKind::Hold)).map(|_| ())
            };
            f.store.write_blocking(hold).unwrap();
        }),
        ("closing or filing", |f, _| {
            let case = case_id(f, OTHER);
            f.store.write_blocking(move |tx| tx.close_case(case, by(EventKind::CaseClosed))).unwrap();
        }),
        ("reasons for what is not recorded", |f, _| {
            let case = case_id(f, OTHER);
            let said = NoRecord { matter: "送达".into(), reason: "没电".into(), ..NoRecord::default() };
            let say = move |tx: &Tx<'_>| tx.say_no_record(case, &said, by(EventKind::NoRecordSaid));
            f.store.write_blocking(say).unwrap();
        }),
        // A clip that was of the one case before is linked again, by the other's number.
        ("links of clips", |f, [one, _]| by_person(f, one, OTHER)),
    ];
    for (n, (what, touch)) in touches.into_iter().enumerate() {
        let f = fixture();
        let [one, clip] = ["a", "b"].map(|name| sealed(&f, name));
        link_by(&f, one, KEPT, None, Origin::Roster);
        link_by(&f, clip, OTHER, None, Origin::Roster);
        let import = call_one(&f, &[KEPT, OTHER]).import.unwrap();
        touch(&f, [one, clip]);
        let StoreError::Conflict(why) = undo(&f.store, import).unwrap_err() else { panic!("{n}") };
        assert!(why.to_string().contains(&format!("{KEPT} / {OTHER}")) && why.to_string().contains(what), "{n}: {why}");
        assert!(why.told(crate::domain::words::Lang::Zh).contains("合并为一个案件"), "{why}");
        assert_eq!(case_id(&f, KEPT), case_id(&f, OTHER), "{n}: nothing of it was undone");
        assert!(f.store.read_blocking(|r| r.register_imports(None, 9)).unwrap()[0].undone_ms.is_none());
    }
}

#[test]
fn an_entry_goes_back_to_the_case_that_it_was_of() {
    let f = fixture();
    let clip = sealed(&f, "a");
    by_person(&f, clip, KEPT);
    let earlier = [(EARLIER_KEYS, "jc-1")];
    let first = import_into(&f.store, Register::Case, vec![case(2, &[OTHER], &earlier)], false);
    let other = case_id(&f, OTHER);
    let line = case(2, &[KEPT, OTHER, THIRD], &[("party", "甲")]);
    let second = import_into(&f.store, Register::Case, vec![line], false);
    assert_eq!((second.joined, second.changed), (1, 1));
    assert!(matches!(undo(&f.store, first.import.unwrap()), Err(StoreError::Conflict(_))));
    let undone = undo(&f.store, second.import.unwrap()).unwrap();
    assert_eq!((undone.restored, undone.kept, undone.parted.len()), (1, 1, 1));
    let kept = case_id(&f, KEPT);
    assert_eq!(
        (case_id(&f, OTHER), case_id(&f, THIRD)),
        (other, kept),
        "a number that it gave stays where it was given"
    );
    f.store
        .read_blocking(|r| {
            assert!(r.case_entry(kept)?.is_none());
            assert_eq!(r.case_entry(other)?.unwrap().entry.get("party"), None);
            assert_eq!(r.cases_after("jc-1")?.iter().map(|c| c.case_id).collect::<Vec<_>>(), [other]);
            Ok(())
        })
        .unwrap();
    // And then the one before.
    assert_eq!(undo(&f.store, first.import.unwrap()).unwrap().removed, 1);
}

#[test]
fn three_that_one_line_joined_are_three_again() {
    let f = fixture();
    let clips = ["a", "b", "c"].map(|name| sealed(&f, name));
    for (clip, text) in clips.into_iter().zip([KEPT, OTHER, THIRD]) {
        by_person(&f, clip, text);
    }
    // One of them is linked to all three.
    for text in [OTHER, THIRD] {
        link_by(&f, clips[0], text, None, Origin::Person);
    }
    let all = || [KEPT, OTHER, THIRD].map(|text| case_id(&f, text));
    let (before, cases) = (picture(&f, &clips), all());
    let done = call_one(&f, &[KEPT, OTHER, THIRD]);
    assert_eq!((done.joined, all()), (2, [cases[0]; 3]));
    assert_eq!(undo(&f.store, done.import.unwrap()).unwrap().parted.len(), 2);
    assert_eq!((picture(&f, &clips), all()), (before, cases));
    // A later join of the same case waits.
    let (two, three) = (call_one(&f, &[KEPT, OTHER]), call_one(&f, &[KEPT, THIRD]));
    let waits = undo(&f.store, two.import.unwrap()).unwrap_err().to_string();
    assert!(waits.contains(&format!("import {}", three.import.unwrap())), "{waits}");
    undo(&f.store, three.import.unwrap()).unwrap();
    undo(&f.store, two.import.unwrap()).unwrap();
    assert_eq!(all(), cases);
}
