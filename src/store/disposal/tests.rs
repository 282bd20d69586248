//! Disposal against the rows that it rules: who decides, and that each clip is decided about once more at the last moment.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::clip::{Local, ProofLevel};
use crate::domain::event::Actor;
use crate::domain::record::Origin;
use crate::store::LinkRequest;
use crate::store::tests::{Fixture, fixture};

/// Everything is over at once.
const UNLINKED_MS: i64 = -1;

fn draft(kind: EventKind, actor: Actor) -> Draft {
    Draft::by(kind, actor, "cli")
}

fn proven(f: &Fixture, name: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![("d".to_owned(), true)]);
    f.store.write_blocking(move |tx| tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)).unwrap();
    clip
}

fn propose(f: &Fixture, clips: Vec<ClipId>) -> Result<i64> {
    f.store.write_blocking(move |tx| {
        let asked = draft(EventKind::DisposalAsked, Actor::user(1));
        tx.propose_disposal(&clips, ("无保存价值", "鉴定会纪要"), UNLINKED_MS, asked)
    })
}

fn decide_by(f: &Fixture, disposal: i64, yes: bool, actor: Actor) -> Result<DisposalState> {
    f.store.write_blocking(move |tx| tx.decide_disposal(disposal, yes, draft(EventKind::DisposalDecided, actor)))
}

/// A person links it to a case, whose key this gives.
fn link(f: &Fixture, clip: ClipId) -> String {
    let number = NumberRule::builtin().parse("赵卫罚〔2026〕12号", 2026).unwrap();
    let key = number.key().to_owned();
    let link = LinkRequest {
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
    f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(1), "cli")).unwrap();
    key
}

/// Its case is filed, and keeps it until then; `None`: for ever.
fn file(f: &Fixture, clip: ClipId, until_ms: Option<i64>) {
    f.store
        .write_blocking(move |tx| {
            tx.conn.execute("DELETE FROM filing_clip", [])?;
            tx.conn.execute("DELETE FROM filing", [])?;
            tx.conn.execute(
                "INSERT INTO filing (case_id, closed_by, closed_ms, bound_by, bound_ms, fonds_no, year, archival_code, term, filed_by, filed_ms, opinion, report)
                 SELECT case_id, 'os:1', 1, 'os:1', 1, '1', 2026, 'A1', '10年', 'os:1', 1, 'x', '{}' FROM case_file",
                [],
            )?;
            tx.conn.execute(
                "INSERT INTO filing_clip (filing_id, clip_id, keep_until_ms, basis) SELECT filing_id, ?1, ?2, 'x' FROM filing",
                params![clip.to_string(), until_ms],
            )?;
            Ok(())
        })
        .unwrap();
}

fn due(f: &Fixture) -> Vec<ClipId> {
    let due = f.store.read_blocking(|r| r.disposal_due(UNLINKED_MS, 1_781_834_604_000, None, 100));
    due.unwrap().into_iter().map(|d| d.clip).collect()
}

#[test]
fn one_proposes_another_confirms_and_a_hold_comes_in_time() {
    let f = fixture();
    let [gone, held, unproven] = [proven(&f, "a"), proven(&f, "b"), f.clip("c")];
    f.seal(unproven, vec![("d".to_owned(), true)]);
    let both = due(&f);
    assert!(both.len() == 2 && both.contains(&gone) && both.contains(&held));
    assert!(propose(&f, vec![gone, unproven]).unwrap_err().to_string().contains("is not proven"));
    assert!(due(&f).len() == 2, "a list that was refused holds nobody");
    let list = propose(&f, vec![gone, held]).unwrap();
    assert!(due(&f).is_empty() && propose(&f, vec![gone]).unwrap_err().to_string().contains("another list"));
    let by_me = decide_by(&f, list, true, Actor::user(1)).unwrap_err().to_string();
    assert!(by_me.contains("another person"), "{by_me}");
    for nobody in [Actor::os(2), Actor::token(2), Actor::loopback(), Actor::daemon()] {
        assert!(decide_by(&f, list, true, nobody.clone()).is_err(), "{nobody:?}");
    }
    assert!(f.store.read_blocking(|r| r.disposals_open()).unwrap().0.is_empty(), "nothing goes before");
    assert_eq!(decide_by(&f, list, true, Actor::user(2)).unwrap(), DisposalState::Going);
    assert!(decide_by(&f, list, false, Actor::user(2)).is_err(), "it is decided");

    f.store.write_blocking(move |tx| tx.hold_clip(held, "诉讼", None, draft(EventKind::Hold, Actor::os(1)))).unwrap();
    let go = |clip| f.store.write_blocking(move |tx| tx.disposal_intended(list, clip, UNLINKED_MS)).unwrap();
    assert!(go(gone) && !go(held));
    let state = |clip| f.store.read_blocking(|r| r.clip(clip)).unwrap();
    assert!(state(gone).local == Local::Evicted && state(gone).disposed_ms.is_some());
    assert!(state(held).local == Local::Sealed && state(held).disposed_ms.is_none());
    f.store.write_blocking(|tx| tx.end_disposals()).unwrap();
    assert_eq!(f.store.read_blocking(|r| Ok(r.disposal(list)?.state)).unwrap(), DisposalState::Going, "one still goes");
    f.store.write_blocking(move |tx| tx.disposed(list, gone, 3)).unwrap();
    f.store.write_blocking(move |tx| tx.disposed(list, gone, 3)).unwrap();
    f.store.write_blocking(|tx| tx.end_disposals()).unwrap();
    let (list_row, items) = f.store.read_blocking(|r| Ok((r.disposal(list)?, r.disposal_items(list)?))).unwrap();
    assert_eq!(list_row.state, DisposalState::Done);
    let of = |clip| items.iter().find(|i| i.clip == clip).unwrap();
    assert_eq!((of(gone).state.as_str(), of(held).state.as_str()), ("gone", "kept"));
    assert!(of(held).why.as_deref() == Some("held") && of(gone).intent_seq < of(gone).gone.map(|g| g.1));
    assert_eq!(of(gone).copies[0].why, "not_configured", "its copy elsewhere stands, and is told");
    // Nothing looks after what is not there any more, and nobody wants it back.
    f.store
        .read_blocking(|r| {
            assert!(r.audits_due("d", i64::MAX, i64::MAX, 9)?.iter().all(|job| job.clip != gone));
            assert!(r.locks_due("d", i64::MAX, None, 9)?.iter().all(|job| job.clip != gone));
            assert_eq!((r.evicted_figures()?.0, r.out_of_reach(&[])?.0), (0, 0));
            assert!(r.is_safe_elsewhere(gone)? && r.dispose_facts(gone)?.disposed);
            Ok(())
        })
        .unwrap();
    // The record of it stays.
    let erased = f.store.write_blocking(|tx| Ok(tx.conn.execute("DELETE FROM disposal_item", [])?));
    assert!(erased.is_err());
    let copies = f.store.read_blocking(|r| r.copies_to_dispose("d", i64::MAX, i64::MAX, 9)).unwrap();
    assert_eq!(copies, [gone]);
    f.store.write_blocking(move |tx| tx.copy_stands(gone, "d", CopyFate::Stands(Some(9), "locked"))).unwrap();
    assert_eq!(f.store.read_blocking(|r| r.disposal_copies(gone)).unwrap()[0].until_ms, Some(9));
}

#[test]
fn whoever_asked_may_take_it_back() {
    let f = fixture();
    let clip = proven(&f, "a");
    let list = propose(&f, vec![clip]).unwrap();
    assert_eq!(decide_by(&f, list, false, Actor::user(1)).unwrap(), DisposalState::Refused);
    assert_eq!(due(&f), [clip], "and it may be proposed again");
    assert!(propose(&f, vec![clip]).is_ok());
}

#[test]
fn what_is_said_to_go_is_kept_where_it_still_stands() {
    for isolated in [false, true] {
        let f = fixture();
        let clip = proven(&f, "a");
        let list = propose(&f, vec![clip]).unwrap();
        decide_by(&f, list, true, Actor::user(2)).unwrap();
        assert!(f.store.write_blocking(move |tx| tx.disposal_intended(list, clip, UNLINKED_MS)).unwrap());
        let goes_on =
            |stands| f.store.write_blocking(move |tx| tx.disposal_goes_on(list, clip, stands, false)).unwrap();
        assert!(goes_on(true), "nobody keeps it");
        f.store
            .write_blocking(move |tx| match isolated {
                true => tx.isolate(clip, "疑似涉密", &draft(EventKind::Isolated, Actor::os(1))).map(|_| ()),
                false => tx.hold_clip(clip, "诉讼", None, draft(EventKind::Hold, Actor::os(1))).map(|_| ()),
            })
            .unwrap();
        assert!(!goes_on(true));
        let (row, items) = f.store.read_blocking(|r| Ok((r.clip(clip)?, r.disposal_items(list)?))).unwrap();
        assert!(row.local == Local::Sealed && row.disposed_ms.is_none());
        let why = if isolated { "isolated" } else { "held" };
        assert_eq!((items[0].state.as_str(), items[0].why.as_deref()), ("kept", Some(why)));
        let (asked, going) = f.store.read_blocking(|r| r.disposals_open()).unwrap();
        assert!(asked.is_empty() && going.is_empty() && !goes_on(true), "it is not carried out later");
    }
}

#[test]
fn what_is_said_to_go_is_kept_by_a_case_that_came_meanwhile() {
    let filed: [(Option<Option<i64>>, Option<&str>); 4] = [
        (None, Some("case_open")),
        (Some(None), Some("forever")),
        (Some(Some(i64::MAX)), Some("not_yet")),
        (Some(Some(1)), None),
    ];
    for (until_ms, stays) in filed {
        let f = fixture();
        let clip = proven(&f, "a");
        let list = propose(&f, vec![clip]).unwrap();
        decide_by(&f, list, true, Actor::user(2)).unwrap();
        assert!(f.store.write_blocking(move |tx| tx.disposal_intended(list, clip, UNLINKED_MS)).unwrap());
        link(&f, clip);
        if let Some(until_ms) = until_ms {
            file(&f, clip, until_ms);
        }
        let goes = f.store.write_blocking(move |tx| tx.disposal_goes_on(list, clip, true, false)).unwrap();
        assert_eq!(goes, stays.is_none(), "{until_ms:?}");
        let (row, items) = f.store.read_blocking(|r| Ok((r.clip(clip)?, r.disposal_items(list)?))).unwrap();
        assert_eq!((row.local == Local::Sealed, row.disposed_ms.is_none()), (!goes, !goes), "{until_ms:?}");
        assert_eq!((items[0].state.as_str(), items[0].why.as_deref()), (if goes { "going" } else { "kept" }, stays));
    }
}

#[test]
fn what_does_not_stand_here_is_kept_where_it_stands_elsewhere() {
    for elsewhere in [true, false] {
        let f = fixture();
        let clip = proven(&f, "a");
        let list = propose(&f, vec![clip]).unwrap();
        decide_by(&f, list, true, Actor::user(2)).unwrap();
        let hold = move |tx: &Tx<'_>| tx.hold_clip(clip, "诉讼", None, draft(EventKind::Hold, Actor::os(1))).map(drop);
        f.store
            .write_blocking(move |tx| {
                assert!(tx.disposal_intended(list, clip, UNLINKED_MS)?);
                assert!(tx.disposal_goes_on(list, clip, false, false)?, "nobody keeps it");
                if !elsewhere {
                    tx.suspect(clip, "d", "other bytes", "audit")?;
                }
                hold(tx)
            })
            .unwrap();
        let goes = f.store.write_blocking(move |tx| tx.disposal_goes_on(list, clip, false, false)).unwrap();
        assert_eq!(goes, !elsewhere, "of what stands nowhere nothing can be kept");
        if goes {
            f.store.write_blocking(move |tx| tx.disposed(list, clip, 0)).unwrap();
        }
        let (row, items) = f.store.read_blocking(|r| Ok((r.clip(clip)?, r.disposal_items(list)?))).unwrap();
        assert_eq!((row.local, row.disposed_ms.is_some()), (Local::Evicted, !elsewhere));
        let (state, why) = if elsewhere { ("kept", Some("held")) } else { ("gone", None) };
        assert_eq!((items[0].state.as_str(), items[0].why.as_deref()), (state, why));
        assert_eq!(items[0].copies.is_empty(), elsewhere, "its copy is one of a clip that is kept");
    }
}

#[test]
fn a_copy_stays_where_a_hold_comes_at_the_last_moment() {
    let f = fixture();
    let clip = proven(&f, "a");
    let list = propose(&f, vec![clip]).unwrap();
    decide_by(&f, list, true, Actor::user(2)).unwrap();
    f.store.write_blocking(move |tx| tx.disposal_intended(list, clip, UNLINKED_MS)).unwrap();
    f.store.write_blocking(move |tx| tx.disposed(list, clip, 3)).unwrap();
    let goes_on = || f.store.write_blocking(move |tx| tx.copy_goes_on(clip, "d")).unwrap();
    let refused = || {
        let logged = f.store.read_blocking(|r| r.log_of_clip(clip)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        logged
            .iter()
            .map(|e| text(&e.bytes))
            .filter(|e| e.contains("delivery.disposed") && e.contains("refused"))
            .count()
    };
    assert!(f.store.write_blocking(move |tx| tx.copy_goes(clip, "d")).unwrap() && goes_on());
    assert_eq!(refused(), 0);
    f.store.write_blocking(move |tx| tx.hold_clip(clip, "诉讼", None, draft(EventKind::Hold, Actor::os(1)))).unwrap();
    assert!(!goes_on());
    assert_eq!(refused(), 1, "and the log says that it stayed");
}

#[test]
fn a_copy_stays_where_a_new_term_keeps_it() {
    let f = fixture();
    let clip = proven(&f, "a");
    let list = propose(&f, vec![clip]).unwrap();
    decide_by(&f, list, true, Actor::user(2)).unwrap();
    f.store.write_blocking(move |tx| tx.disposal_intended(list, clip, UNLINKED_MS)).unwrap();
    f.store.write_blocking(move |tx| tx.disposed(list, clip, 3)).unwrap();
    let goes = || f.store.write_blocking(move |tx| tx.copy_goes(clip, "d")).unwrap();
    assert!(goes());
    link(&f, clip);
    assert!(!goes(), "its case is open");
    file(&f, clip, None);
    assert!(!goes(), "it is kept for ever");
    file(&f, clip, Some(i64::MAX));
    assert!(!goes(), "its new term is not over");
    file(&f, clip, Some(1));
    assert!(goes());
}

#[test]
fn a_clip_that_was_taken_from_its_case_has_its_whole_term_before_it() {
    const TERM_MS: i64 = 183 * 86_400_000;
    let f = fixture();
    let clip = proven(&f, "a");
    let key = link(&f, clip);
    let due = |now_ms: i64| f.store.read_blocking(|r| r.disposal_due(TERM_MS, now_ms, None, 9)).unwrap();
    // Two years later somebody takes it from its open case.
    f.clock.advance(730 * 86_400_000);
    let now = 1_781_834_604_000 + 730 * 86_400_000;
    assert!(due(now).is_empty());
    f.store.write_blocking(move |tx| tx.unlink(clip, &key, "不属于本案", &Actor::os(1), "cli")).unwrap();
    assert_eq!(f.store.read_blocking(|r| r.keep_reason(clip)).unwrap(), Reason::Unlinked { since_ms: now });
    assert!(due(now).is_empty() && due(now + TERM_MS - 1).is_empty(), "its term begins now");
    // So has its copy: the lock is counted from there.
    let lock = f.store.read_blocking(|r| Ok(r.locks_due("d", i64::MAX, None, 9)?.remove(0).facts)).unwrap();
    assert_eq!((lock.linked, lock.filed, lock.since_ms), (false, None, now));
    let asked = draft(EventKind::DisposalAsked, Actor::user(1));
    let at_once = f.store.write_blocking(move |tx| tx.propose_disposal(&[clip], ("无", "无"), TERM_MS, asked));
    assert!(at_once.unwrap_err().to_string().contains("its retention ends"));
    let rows = due(now + TERM_MS);
    assert_eq!(rows.iter().map(|d| (d.clip, d.over_ms)).collect::<Vec<_>>(), [(clip, now + TERM_MS)]);
}

#[test]
fn what_was_over_first_comes_first_and_is_read_in_pages() {
    let f = fixture();
    let all: Vec<ClipId> = (0..5).map(|n| proven(&f, &n.to_string())).collect();
    // The clips were sealed in another order than they came in, and one is of a case that keeps it until then.
    let filed = all[2];
    let ids: Vec<String> = all.iter().map(ToString::to_string).collect();
    f.store
        .write_blocking(move |tx| {
            for (n, id) in ids.iter().enumerate() {
                let ms = [50, 40, 30, 20, 40][n];
                tx.conn.execute("UPDATE clip_report SET loose_ms = ?2 WHERE clip_id = ?1", params![id, ms])?;
                tx.conn.execute("UPDATE clip SET sealed_ms = ?2 WHERE clip_id = ?1", params![id, ms])?;
            }
            tx.conn.execute(
                "UPDATE clip_report SET loose_ms = NULL, keep_ms = 30 WHERE clip_id = ?1",
                [filed.to_string()],
            )?;
            Ok(())
        })
        .unwrap();
    let mut wanted: Vec<(i64, ClipId)> = all.iter().copied().zip([50, 40, 30, 20, 40]).map(|(c, ms)| (ms, c)).collect();
    wanted.sort_unstable();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let rows = f.store.read_blocking(|r| r.disposal_due(0, 1_000, after, 2)).unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.place);
        found.extend(rows.iter().map(|d| d.place));
    }
    assert_eq!(found, wanted);
    assert!(f.store.read_blocking(|r| r.disposal_due(0, 19, None, 9)).unwrap().is_empty());
}

#[test]
fn what_is_due_is_found_along_an_index() {
    let f = fixture();
    for by in ["loose", "keep"] {
        let steps = f.store.read_blocking(|r| {
            let mut statement = r.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", due_sql(by)))?;
            let rows = statement.query_map(params![0, "", 0], |x| x.get::<_, String>(3))?;
            Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?)
        });
        let steps = steps.unwrap();
        assert!(steps[0].starts_with(&format!("SEARCH r USING INDEX clip_report_{by} (")), "{steps:?}");
        assert!(!steps.iter().any(|s| s.contains("TEMP B-TREE") || s.starts_with("SCAN")), "{steps:?}");
    }
}

#[test]
fn lists_are_read_in_pages() {
    let f = fixture();
    let lists: Vec<i64> = (0..3)
        .map(|n| {
            let clip = proven(&f, &n.to_string());
            propose(&f, vec![clip]).unwrap()
        })
        .collect();
    let page = |below| -> Vec<i64> {
        let rows = f.store.read_blocking(move |r| r.disposals_below(below, 2)).unwrap();
        rows.into_iter().map(|row| row.disposal).collect()
    };
    assert_eq!(page(None), [lists[2], lists[1]]);
    assert_eq!(page(Some(lists[1])), [lists[0]]);
    assert!(page(Some(lists[0])).is_empty());
}
