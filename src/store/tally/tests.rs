//! Whatever happens to clips, their index, deliveries and media: what triggers keep is what counting finds.

use proptest::prelude::*;

use crate::domain::case_number::{CaseKind, NumberRule, ShapeSpec, builtin_shapes};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Origin};
use crate::domain::rights::{Over, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::store::tests::{Fixture, fixture};
use crate::store::{Result, StoreError, Suggestion, Tx};

const PLACES: [&str; 3] = ["a", "b", "c"];

/// Something that happens to the `clip`-th clip; `pick` says how.
#[derive(Debug, Clone, Copy)]
struct Step {
    what: u8,
    clip: u8,
    pick: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..16, 0u8..6, any::<u8>()).prop_map(|(what, clip, pick)| Step { what, clip, pick })
}

fn take(tx: &Tx<'_>, s: Step) -> rusqlite::Result<usize> {
    let (clip, place) = (format!("c{}", s.clip), PLACES[usize::from(s.pick) % 3]);
    let of = |words: &[&'static str]| words[usize::from(s.pick) % words.len()];
    let other = format!("c{}", (s.clip + 1 + s.pick % 4) % 6);
    let none_or = |value: i64| s.pick.is_multiple_of(2).then_some(value);
    match s.what {
        0 => tx.conn.execute(
            "INSERT INTO clip (clip_id, recorder_id, path, local, declared_bytes, modified_raw, role, created_ms, grid_bytes)
             VALUES (?1, 'R1', CAST(?1 AS BLOB), 'copying', ?2, 't', ?3, 0, 0)",
            (clip, none_or(7), of(&["clip", "document", "log"])),
        ),
        1 => tx.conn.execute("DELETE FROM clip WHERE clip_id = ?1", [clip]),
        2 => tx.conn.execute(
            "UPDATE clip SET local = 'sealed', size_bytes = coalesce(size_bytes, ?2), blake3 = coalesce(blake3, zeroblob(32)),
               sha256 = coalesce(sha256, zeroblob(32)), sealed_ms = 1, shares = (SELECT o.clip_id FROM clip o WHERE o.clip_id = ?3 AND o.clip_id <> clip.clip_id)
             WHERE clip_id = ?1",
            (clip, i64::from(s.pick), none_or(0).map(|_| other)),
        ),
        3 => tx.conn.execute(
            "UPDATE clip SET local = ?2 WHERE clip_id = ?1 AND size_bytes IS NOT NULL",
            (clip, of(&["sealed", "evicted", "damaged", "evicted"])),
        ),
        4 => tx.conn.execute(
            "UPDATE clip SET state = ?2, owes_since_ms = ?3 WHERE clip_id = ?1",
            (clip, of(&["copying", "sealed", "sending", "proven", "released"]), none_or(3)),
        ),
        5 => tx.conn.execute("UPDATE clip SET durable_bytes = ?2 WHERE clip_id = ?1", (clip, i64::from(s.pick))),
        6 => tx.conn.execute("UPDATE clip SET disposed_ms = ?2 WHERE clip_id = ?1", (clip, none_or(4))),
        7 => tx.conn.execute(
            "INSERT INTO delivery (clip_id, destination, state, required) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET state = excluded.state, required = excluded.required",
            (clip, place, of(&["waiting", "proven", "sending", "failed", "suspect"]), s.pick & 1),
        ),
        8 => tx.conn.execute(
            "UPDATE delivery SET state = ?3 WHERE clip_id = ?1 OR destination = ?2",
            (clip, place, of(&["waiting", "proven", "failed", "proven"])),
        ),
        9 => tx.conn.execute("DELETE FROM delivery WHERE clip_id = ?1 AND destination = ?2", (clip, place)),
        10 => tx.conn.execute(
            "INSERT INTO clip_index (clip_id, triage, care) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET triage = excluded.triage, care = excluded.care",
            (clip, none_or(30), [None, Some(0), Some(3), Some(5)][usize::from(s.pick / 2) % 4]),
        ),
        11 => tx.conn.execute("INSERT OR REPLACE INTO media (clip_id, health, probed_ms) VALUES (?1, 'whole', 1)", [clip]),
        12 => tx.conn.execute("DELETE FROM media WHERE clip_id = ?1", [clip]),
        13 => tx.conn.execute(
            "INSERT INTO clip_report (clip_id, care, isolated_ms, duration_ms, bytes, sealed_ms, complete, linked, proven) VALUES (?1, ?2, ?3, 0, 0, 0, 'no', ?4, 'no')
             ON CONFLICT DO UPDATE SET care = excluded.care, isolated_ms = excluded.isolated_ms, linked = excluded.linked",
            (clip, [None, Some(0), Some(3), Some(5)][usize::from(s.pick / 2) % 4], none_or(1), of(&["early", "no", "rule", "early", "early"])),
        ),
        14 => tx.conn.execute("DELETE FROM clip_report WHERE clip_id = ?1", [clip]),
        _ => tx.conn.execute(
            "INSERT INTO delivery (clip_id, destination, state, required) SELECT clip_id, ?1, 'waiting', 1 FROM clip WHERE local = 'sealed'
             ON CONFLICT DO NOTHING",
            [place],
        ),
    }
}

/// Each step in a savepoint of its own, as the writer has them: one that the schema refuses leaves no trace in figures.
fn play(tx: &Tx<'_>, steps: &[Step]) -> Result<usize> {
    let mut taken = 0;
    for s in steps {
        tx.conn.execute_batch("SAVEPOINT step")?;
        match take(tx, *s) {
            Ok(rows) => taken += usize::from(rows > 0),
            Err(rusqlite::Error::SqliteFailure(e, _)) if e.code == rusqlite::ErrorCode::ConstraintViolation => {
                tx.conn.execute_batch("ROLLBACK TO step")?;
            }
            Err(e) => return Err(e.into()),
        }
        tx.conn.execute_batch("RELEASE step")?;
        let off = tx.read().tallies_off()?;
        if !off.is_empty() {
            return Err(StoreError::Odd(format!("after {s:?}: {off:?}")));
        }
    }
    Ok(taken)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn figures_are_what_counting_finds(steps in proptest::collection::vec(step(), 1..80)) {
        let f = fixture();
        let begin: Vec<Step> = (0..6).flat_map(|clip| [Step { what: 0, clip, pick: 0 }, Step { what: 2, clip, pick: 5 }]).collect();
        let taken = f.store.write_blocking(move |tx| Ok((play(tx, &begin)?, play(tx, &steps)?))).unwrap();
        prop_assert_eq!(taken.0, 12, "there is something to count");
    }
}

#[test]
fn a_figure_that_is_off_is_told() {
    let f = fixture();
    let clip = sealed(&f, "a");
    assert_eq!(off(&f), Vec::<String>::new());
    f.store
        .write_blocking(move |tx| {
            tx.conn.execute("UPDATE tally SET n = n + 1 WHERE what = 'owing'", [])?;
            tx.conn.execute("INSERT INTO delivery_total VALUES ('nowhere', 'proven', 1, 2)", [])?;
            tx.conn.execute("INSERT INTO evicted_at VALUES ('[\"x\"]', 1)", [])?;
            Ok(tx.conn.execute("DELETE FROM probe_due WHERE clip_id = ?1", [clip.to_string()])?)
        })
        .unwrap();
    let said = off(&f);
    assert_eq!(said, ["deliveries nowhere proven 1", "evicted at [\"x\"]", "owing", "waiting for the media worker"]);
}

fn off(f: &Fixture) -> Vec<String> {
    f.store.read_blocking(|r| r.tallies_off()).unwrap().into_iter().map(|t| t.what).collect()
}

fn sealed(f: &Fixture, name: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![("d".into(), true)]);
    let start = [(Field::CapturedStart, Origin::FileName, "2026-06-19T09:00:00+08:00".to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &start)).unwrap();
    clip
}

/// What the station does itself, one after the other: sealed, suggested, found complete, isolated, lifted, gone from here.
#[test]
fn figures_follow_what_the_station_does() {
    let f = fixture();
    let (one, two) = (sealed(&f, "a"), sealed(&f, "b"));
    let figures = |f: &Fixture| f.store.read_blocking(|r| r.figures(0)).unwrap();
    let waiting = |f: &Fixture, within: Within| f.store.read_blocking(|r| r.triage(None, 10, &within, 0)).unwrap();
    let up_to = |label| Within::Of { account: 1, stretches: vec![(Over::All, label)] };
    assert_eq!(figures(&f).incomplete, 2);
    let mut both = vec![one, two];
    both.sort_unstable();
    assert_eq!(f.store.read_blocking(|r| r.unprobed(9)).unwrap(), both);
    assert_eq!(f.store.read_blocking(|r| r.backlog("d")).unwrap().waiting, 2);

    let said = Suggestion {
        case_key: "k".into(),
        raw: "赵卫罚〔2026〕1号".into(),
        rule: "register".into(),
        score: 60,
        reason: crate::domain::grounds::Ground::OtherOfficers {}.into(),
        stage: None,
        matter: None,
        proves: None,
    };
    f.store.write_blocking(move |tx| tx.suggest(one, &[said])).unwrap();
    assert_eq!((waiting(&f, Within::Everything).total, off(&f)), (2, vec![]));
    let label = [(Field::Sensitivity, Origin::Person, Sensitivity::Minor.as_str().to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(two, &Actor::os(7), "cli", &label)).unwrap();
    for (label, rows) in [(Sensitivity::Minor, 2), (Sensitivity::Privacy, 1), (Sensitivity::None, 1)] {
        let page = waiting(&f, up_to(label));
        assert_eq!((page.total as usize, page.rows.len()), (rows, rows), "{label:?}");
    }

    f.store
        .write_blocking(move |tx| tx.isolate(two, "疑似涉密", &Draft::by(EventKind::Isolated, Actor::os(7), "cli")))
        .unwrap();
    for within in [Within::Everything, up_to(Sensitivity::Minor)] {
        let page = waiting(&f, within);
        assert_eq!((page.total, page.rows.len()), (0, 0), "what is isolated, and what has its bytes, waits in no list");
    }
    assert_eq!(off(&f), Vec::<String>::new());

    let disk = |f: &Fixture| f.store.read_blocking(|r| r.disk_figures()).unwrap();
    assert_eq!(disk(&f), (6, 0, 0));
    f.store
        .write_blocking(move |tx| {
            tx.conn.execute("UPDATE delivery SET state = 'proven' WHERE clip_id = ?1", [one.to_string()])?;
            tx.restate(one)?;
            tx.conn.execute("UPDATE clip SET local = 'evicted' WHERE clip_id = ?1", [one.to_string()])?;
            tx.restate(one)
        })
        .unwrap();
    let reach = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        f.store.read_blocking(|r| r.out_of_reach(&names)).unwrap()
    };
    assert_eq!((disk(&f), reach(&["d"]), reach(&["e"])), ((3, 0, 0), (0, None), (1, Some(one))));
    assert_eq!(f.store.read_blocking(|r| r.evicted_figures()).unwrap(), (1, 3));
    // A copy that turns out to be wrong is none.
    f.store
        .write_blocking(move |tx| {
            Ok(tx.conn.execute("UPDATE delivery SET state = 'suspect' WHERE clip_id = ?1", [one.to_string()])?)
        })
        .unwrap();
    assert_eq!((reach(&["d"]), off(&f)), ((1, Some(one)), vec![]));
    let backlog = f.store.read_blocking(|r| r.backlog("d")).unwrap();
    assert_eq!((backlog.waiting, backlog.mismatched, backlog.first_mismatched), (2, 1, Some(one)));
}

/// Clips that share one file count once, and those on hold apart.
#[test]
fn the_disk_is_counted_by_files() {
    let f = fixture();
    let (one, two, three) = (sealed(&f, "a"), sealed(&f, "b"), sealed(&f, "c"));
    let disk = |f: &Fixture| f.store.read_blocking(|r| r.disk_figures()).unwrap();
    f.store
        .write_blocking(move |tx| {
            tx.conn.execute("UPDATE clip SET shares = ?2 WHERE clip_id = ?1", [two.to_string(), one.to_string()])?;
            Ok(tx.conn.execute(
                "INSERT INTO hold (clip_id, reason, placed_ms) VALUES (?1, 'r', 0), (?1, 's', 0)",
                [three.to_string()],
            )?)
        })
        .unwrap();
    assert_eq!(disk(&f), (3, 0, 3), "one file under two names, and one that is held twice");
    f.store
        .write_blocking(move |tx| {
            Ok(tx.conn.execute("UPDATE clip SET local = 'evicted' WHERE clip_id = ?1", [one.to_string()])?)
        })
        .unwrap();
    assert_eq!((disk(&f), off(&f)), ((3, 0, 3), vec![]), "the file stands under the other name");
}

/// Clips that have only a reference from before a case are counted without a look at each, by what whoever looks may see.
#[test]
fn what_is_not_yet_linkable_is_counted_by_triggers() {
    let f = fixture();
    let clips = ["a", "b", "c"].map(|name| sealed(&f, name));
    let unfiled = ShapeSpec {
        name: "unfiled".into(),
        regex: r"日常检查(?:\(未立案\))?".into(),
        display: "日常检查(未立案)".into(),
        key: "日常检查(未立案)".into(),
        kind: CaseKind::Unfiled,
        example: "日常检查(未立案)".into(),
    };
    let rule = NumberRule::with_shapes(2, [vec![unfiled], builtin_shapes()].concat()).unwrap();
    for clip in clips {
        let number = rule.parse("日常检查", 2026).unwrap();
        let link = crate::store::LinkRequest {
            clip,
            number,
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: None,
            proves: None,
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(7), "cli")).unwrap();
    }
    let up_to = |label| Within::Of { account: 1, stretches: vec![(Over::All, label)] };
    let early = |within: Within| f.store.read_blocking(|r| r.not_yet_linkable(&within, 0)).unwrap();
    assert_eq!((early(Within::Everything), off(&f)), (3, vec![]));
    let label = [(Field::Sensitivity, Origin::Person, Sensitivity::Minor.as_str().to_owned())];
    let labelled = clips[0];
    f.store.write_blocking(move |tx| tx.add_facts(labelled, &Actor::os(7), "cli", &label)).unwrap();
    assert_eq!((early(up_to(Sensitivity::Minor)), early(up_to(Sensitivity::None))), (3, 2));
    let unit = Within::Of { account: 1, stretches: vec![(Over::Unit, Sensitivity::Minor)] };
    let own = Within::Of { account: 1, stretches: vec![(Over::Own, Sensitivity::Minor)] };
    assert_eq!((early(unit), early(own)), (0, 0), "none of them is theirs");
    let isolated = clips[1];
    f.store
        .write_blocking(move |tx| {
            tx.isolate(isolated, "疑似涉密", &Draft::by(EventKind::Isolated, Actor::os(7), "cli"))
        })
        .unwrap();
    assert_eq!((early(Within::Everything), off(&f)), (0, vec![]), "it and what has its bytes");
}
