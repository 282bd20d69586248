//! What the page of keeping tells over a store: of a case no more than whoever looks knows of it.

use std::sync::Arc;

use super::*;
use crate::domain::case_number::{CaseNumber, NumberRule};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{RecorderId, StationId};
use crate::domain::ports::Clock;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::register::{Entry, Register};
use crate::domain::rights::{Action, Role, Roles};
use crate::runtime::clock::StoppedClock;
use crate::store::{Import, LinkRequest, NewAccount, NewClip, NewEntry, PartRow, SealedClip, Store};

const NOW: i64 = 1_781_834_604_000;
const CASE: &str = "赵卫罚〔2026〕12号";

fn number() -> CaseNumber {
    NumberRule::builtin().parse(CASE, 2026).unwrap()
}

fn store(dir: &std::path::Path) -> Store {
    let clock: Arc<dyn Clock> = StoppedClock::at(NOW);
    Store::open(&dir.join("a.db"), &StationId::new("one").unwrap(), clock).unwrap()
}

/// A sealed clip of an officer that is linked to the case.
fn recorded(store: &Store, n: usize, officer: &str) -> ClipId {
    let path = SourcePath::new(format!("{n}.mp4"));
    let new = NewClip {
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
    };
    let clip = new.clip;
    let sealed = SealedClip {
        holes: Vec::new(),
        clip,
        size_bytes: 3,
        blake3: Blake3([1; 32]),
        sha256: Sha256([2; 32]),
        sm3: None,
        parts: vec![PartRow { n: 0, offset: 0, len: 3, sha256: Sha256([2; 32]), crc64: None }],
        shares: None,
        supersedes: None,
        leftovers: Vec::new(),
        deliveries: vec![],
    };
    let facts = [(Field::Officer, Origin::Roster, officer.to_owned())];
    let request = LinkRequest {
        clip,
        number: number(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin: Origin::Person,
        score: 100,
        reason: None,
    };
    store
        .write_blocking(move |tx| {
            tx.new_clip(&new)?;
            tx.seal(&sealed)?;
            tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)?;
            tx.link(&request, &Actor::os(7), "cli")
        })
        .unwrap();
    clip
}

fn account(store: &Store, login: &str, role: Role, unit: &str, officers: &[&str]) -> Within {
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
    let id = store.write_blocking(move |tx| tx.add_account(&new, asked)).unwrap();
    Within::of(id, &roles, Action::SeeKeeping)
}

/// The register says that a unit handles the case.
fn registered(store: &Store, unit: &str) {
    let values = [("number", CASE), ("unit", unit)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let entry = Entry(values.into());
    let entry = NewEntry { line: 2, key: entry.key(Register::Case), entry, numbers: vec![number()] };
    let import = Import { register: Register::Case, name: "a.csv".into(), entries: vec![entry], rule_version: 1 };
    store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
}

#[test]
fn a_clip_of_a_case_tells_neither_of_its_holds_nor_of_its_filing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    account(&store, "jia", Role::Officer, "一科", &["甲"]);
    let head = account(&store, "head", Role::DepartmentHead, "一科", &[]);
    let other = account(&store, "head-2", Role::DepartmentHead, "二科", &["乙"]);
    let archive = account(&store, "dang", Role::Archivist, "档案室", &[]);
    let clip = recorded(&store, 1, "甲");
    recorded(&store, 2, "乙");
    let case = store.read_blocking(|r| r.case_id(number().key())).unwrap().unwrap();
    let asked = || Draft::by(EventKind::Hold, Actor::os(7), "cli");
    let (on_case, on_clip) = store
        .write_blocking(move |tx| {
            let (on_case, clips) = tx.hold_case(case, "hash", ("复议", None), asked())?;
            assert_eq!(clips, 2);
            Ok((on_case, tx.hold_clip(clip, "复查", None, asked())?))
        })
        .unwrap();
    let listed = |within: &Within| {
        let told = store.read_blocking(|r| {
            let held = |hold| hold_seen(r, &r.hold(hold)?, within, NOW);
            Ok([held(on_case)?, held(on_clip)?, filing_seen(r, case, within, NOW)?])
        });
        told.unwrap()
    };
    // Each of the two units has a clip in the case, and the register gives it to the second.
    registered(&store, "二科");
    assert_eq!(listed(&head), [None, Some(true), None], "only what stands on a clip of theirs");
    assert_eq!(listed(&other), [Some(false), None, Some(false)], "theirs to know, and not theirs alone to end");
    assert_eq!(listed(&archive), [Some(true); 3]);
    assert_eq!(listed(&Within::Everything), [Some(true); 3]);
    registered(&store, "一科");
    assert_eq!(listed(&head), [Some(false), Some(true), Some(false)]);
}
