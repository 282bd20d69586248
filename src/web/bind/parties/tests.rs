//! What belongs to a party over a store: all of it is reached, page by page, and told once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::domain::case_number::{CaseNumber, NumberRule};
use crate::domain::event::Actor;
use crate::domain::grid::PartGrid;
use crate::domain::ids::{RecorderId, StationId};
use crate::domain::ports::Clock;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::runtime::clock::StoppedClock;
use crate::store::{Import, LinkRequest, NewClip, NewEntry, Store};

const NOW: i64 = 1_781_834_604_000;
const INN: &str = "赵县某饭店";
const CLINIC: &str = "赵县某诊所";

struct Made {
    _dir: tempfile::TempDir,
    store: Store,
}

fn number(n: usize) -> (String, CaseNumber) {
    let text = format!("赵卫罚〔2026〕{n}号");
    let number = NumberRule::builtin().parse(&text, 2026).unwrap();
    (text, number)
}

fn new_clip(n: usize) -> NewClip {
    let path = SourcePath::new(format!("{n}.mp4"));
    NewClip {
        clip: ClipId::generate(NOW + n as i64),
        recorder: RecorderId::new("R1").unwrap(),
        dock: None,
        entry: ShelfEntry { path, size_bytes: 3, modified_raw: "t".into(), modified_ms: None },
        declared_bytes: Some(3),
        role: "clip",
        importance: Importance::Normal,
        grid: PartGrid::for_size(Some(3)),
        evidence: "{}".into(),
        segment: None,
    }
}

/// A clinic with one case, then an inn with `cases`, each with a clip; one clip more names the inn and is of no case.
fn station(cases: usize) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = StoppedClock::at(NOW);
    let store = Store::open(&dir.path().join("a.db"), &StationId::new("one").unwrap(), clock).unwrap();
    let entries = (1..=cases + 1).map(|n| {
        let (text, number) = number(n);
        let party = if n == 1 { CLINIC } else { INN };
        let values = [("number", text.as_str()), ("party", party)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        NewEntry { line: n as u64 + 1, key: None, entry: Entry(values.into()), numbers: vec![number] }
    });
    let import = Import { register: Register::Case, name: "a.csv".into(), entries: entries.collect(), rule_version: 1 };
    store
        .write_blocking(move |tx| {
            tx.import_register(&import, false, &Actor::os(7), "cli")?;
            for n in 1..=cases + 2 {
                let new = new_clip(n);
                tx.new_clip(&new)?;
                if n == cases + 2 {
                    let said = [(Field::PartyRef, Origin::Person, INN.to_owned())];
                    tx.add_facts(new.clip, &Actor::os(7), "cli", &said)?;
                    continue;
                }
                let request = LinkRequest {
                    clip: new.clip,
                    number: number(n).1,
                    rule_version: 1,
                    range_ms: (None, None),
                    stage: None,
                    matter: None,
                    proves: None,
                    origin: Origin::Person,
                    score: 100,
                    reason: None,
                };
                tx.link(&request, &Actor::os(7), "cli")?;
            }
            Ok(())
        })
        .unwrap();
    Made { _dir: dir, store }
}

fn read(made: &Made, pages: (Option<i64>, Option<ClipId>)) -> PartyView {
    let policy = Policy {
        station: StationId::new("one").unwrap(),
        agency: None,
        operator: String::new(),
        uri_prefix: std::collections::BTreeMap::new(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let found = made.store.read_blocking(|r| one(r, INN, (&Within::Everything, NOW), (true, &policy), pages));
    found.unwrap().unwrap()
}

#[test]
fn every_case_and_every_clip_of_a_large_party_is_reached() {
    let made = station(205);
    let (mut numbers, mut clips) = (BTreeSet::new(), BTreeSet::new());
    let (mut case, mut clip, mut pages) = (None, None, 0);
    loop {
        let view = read(&made, (case, clip));
        assert_eq!((view.cases_total, view.clips_total, view.more), (205, 206, false));
        assert!(view.cases.len() <= CASES as usize && view.clips.len() <= CLIPS as usize);
        assert!(view.cases.iter().all(|c| numbers.insert(c.number.clone()) || case.is_none()), "told twice");
        clips.extend(view.clips.iter().map(|row| row.id));
        pages += 1;
        match (&view.cases_next, &view.clips_next) {
            (None, None) => break,
            (cases_next, clips_next) => {
                // A list that ended stays where it is.
                case = cases_next.as_ref().map(|n| n.parse().unwrap()).or(case.map(|_| 0));
                clip = clips_next.as_ref().map(|n| n.parse().unwrap()).or(clip);
            }
        }
        assert!(pages < 9, "it comes to an end");
    }
    assert_eq!((numbers.len(), clips.len()), (205, 206));
}

#[test]
fn the_list_tells_each_party_once_with_all_of_it() {
    let made = station(405);
    let page = |below| made.store.read_blocking(|r| list(r, None, below, (&Within::Everything, NOW), true)).unwrap();
    let first = page(None);
    let told: Vec<_> = first.rows.iter().map(|row| (row.name.as_str(), row.cases, row.clips)).collect();
    // The clinic's only case is older than those that a page goes through.
    assert_eq!(told, [(INN, 405, 405)]);
    let second = page(Some(first.next.expect("more").parse().unwrap()));
    let told: Vec<_> = second.rows.iter().map(|row| (row.name.as_str(), row.cases, row.clips)).collect();
    assert_eq!(told, [(CLINIC, 1, 1)], "and not the inn again, although older cases of it stand on this page");
    assert!(second.next.is_none() && !second.cut);
    let of_name = made.store.read_blocking(|r| list(r, Some(&loose("诊所")), None, (&Within::Everything, NOW), true));
    assert_eq!(of_name.unwrap().rows.len(), 1);
}
