//! Holds and isolation against the rows that they rule, and who may end them.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::clip::ProofLevel;
use crate::domain::record::Origin;
use crate::store::tests::{Fixture, fixture};
use crate::store::{DueQuery, LinkRequest};

const CASE: &str = "赵卫罚〔2026〕12号";

fn asked(kind: EventKind, uid: u32) -> Draft {
    Draft::by(kind, Actor::os(uid), "cli")
}

fn link(f: &Fixture, clip: ClipId) {
    let rule = NumberRule::builtin();
    let number = rule.parse(CASE, 2026).unwrap();
    let request = LinkRequest {
        clip,
        rule_version: rule.version,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin: Origin::Person,
        score: 100,
        reason: None,
        number,
    };
    f.store.write_blocking(move |tx| tx.link(&request, &Actor::os(1), "cli")).unwrap();
}

fn is_held(f: &Fixture, clip: ClipId) -> bool {
    f.store.read_blocking(|r| Ok(r.clip_facts(clip)?.held)).unwrap()
}

fn is_isolated(f: &Fixture, clip: ClipId) -> bool {
    f.store.read_blocking(|r| Ok(r.clip(clip)?.isolated_ms.is_some())).unwrap()
}

/// At the end of time, by no rule.
fn everything_due() -> DueQuery {
    DueQuery {
        destination: "d".to_owned(),
        now_ms: i64::MAX / 2,
        longest_pause_ms: 0,
        order: Vec::new(),
        early: true,
        limit: 9,
    }
}

#[test]
fn a_release_takes_two_people_who_can_be_told_apart() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let hold = f.store.write_blocking(move |tx| tx.hold_clip(clip, "review", None, asked(EventKind::Hold, 1))).unwrap();
    let confirm = |actor: Actor| {
        f.store
            .write_blocking(move |tx| tx.unhold(hold, Draft::by(EventKind::Hold, actor, "cli")))
            .map_err(|e| e.to_string())
    };
    assert!(confirm(Actor::os(2)).unwrap_err().contains("nobody has asked"));
    f.store.write_blocking(move |tx| tx.ask_unhold(hold, "over", asked(EventKind::Hold, 1))).unwrap();
    assert!(confirm(Actor::os(1)).unwrap_err().contains("another person"));
    // Whoever reaches the page is not known to be somebody else.
    assert!(confirm(Actor::loopback()).unwrap_err().contains("told apart"));
    assert!(confirm(Actor::daemon()).is_err() && is_held(&f, clip));
    // Nor is an account known to be somebody else than a user of the box; a program is nobody.
    assert!(confirm(Actor::user(2)).unwrap_err().contains("command line"));
    assert!(confirm(Actor::token(2)).unwrap_err().contains("told apart") && is_held(&f, clip));
    let refuse = |actor: Actor| {
        f.store.write_blocking(move |tx| tx.refuse_unhold(hold, Draft::by(EventKind::Hold, actor, "cli")))
    };
    refuse(Actor::os(2)).unwrap();
    assert!(refuse(Actor::os(2)).is_err() && confirm(Actor::os(2)).unwrap_err().contains("nobody has asked"));
    f.store.write_blocking(move |tx| tx.ask_unhold(hold, "over", asked(EventKind::Hold, 1))).unwrap();
    assert_eq!(confirm(Actor::os(2)).unwrap(), 1);
    assert!(!is_held(&f, clip) && confirm(Actor::os(2)).is_err());
}

#[test]
fn a_hold_on_a_case_reaches_what_is_linked_and_sealed_later_and_outlives_the_link() {
    let f = fixture();
    let [first, later, copying] = ["a", "b", "c"].map(|name| f.clip(name));
    for clip in [first, later] {
        f.seal(clip, vec![]);
    }
    link(&f, first);
    let number = NumberRule::builtin().parse(CASE, 2026).unwrap();
    let case = f.store.read_blocking(|r| r.case_id(number.key())).unwrap().unwrap();
    let (hold, clips) =
        f.store.write_blocking(move |tx| tx.hold_case(case, "h", ("review", None), asked(EventKind::Hold, 1))).unwrap();
    assert_eq!(clips, 1);
    link(&f, copying);
    assert!(!is_held(&f, copying), "there is nothing to hold yet");
    link(&f, later);
    f.seal(copying, vec![]);
    assert!(is_held(&f, first) && is_held(&f, later) && is_held(&f, copying));
    let key = number.key().to_owned();
    f.store.write_blocking(move |tx| tx.unlink(first, &key, "wrong case", &Actor::os(1), "cli")).unwrap();
    assert!(is_held(&f, first), "withdrawing a link ends no hold that stands");
    f.store.write_blocking(move |tx| tx.ask_unhold(hold, "over", asked(EventKind::Hold, 1))).unwrap();
    assert_eq!(f.store.write_blocking(move |tx| tx.unhold(hold, asked(EventKind::Hold, 2))).unwrap(), 3);
}

#[test]
fn isolation_follows_the_bytes_and_what_is_isolated_goes_nowhere() {
    let f = fixture();
    let [sealed, copying, other] = ["a", "b", "c"].map(|name| f.clip(name));
    let to = || vec![("d".to_owned(), true)];
    f.seal(sealed, to());
    // While it is still copied; and the copy turns out to be a clip that is sealed already.
    f.store.write_blocking(move |tx| tx.isolate(copying, "maps", &asked(EventKind::Isolated, 1))).unwrap();
    assert!(is_isolated(&f, copying) && !is_isolated(&f, sealed));
    f.store.write_blocking(move |tx| tx.duplicate(copying, sealed, &[])).unwrap();
    assert!(is_isolated(&f, sealed));
    // The same bytes from elsewhere.
    f.seal(other, to());
    assert!(is_isolated(&f, other));
    f.store
        .write_blocking(move |tx| {
            tx.conn.execute("UPDATE clip SET record_rev = 1, record_stale = 1", [])?;
            tx.post("d", "v1/one/clips/x/record/000001.json", "record", "application/json", b"{}", Some(sealed))
        })
        .unwrap();
    f.store
        .read_blocking(|r| {
            assert!(r.due_deliveries(&everything_due())?.is_empty());
            assert!(r.due_outbox("d", i64::MAX / 2, 0, 9)?.is_empty());
            assert!(r.stale_records(9)?.is_empty());
            Ok(())
        })
        .unwrap();
    let lift = |uid: u32| f.store.write_blocking(move |tx| tx.lift(sealed, asked(EventKind::IsolationLifted, uid)));
    assert!(lift(2).is_err());
    f.store.write_blocking(move |tx| tx.ask_lift(sealed, "no", asked(EventKind::IsolationLifted, 1))).unwrap();
    assert!(lift(1).is_err() && is_isolated(&f, sealed));
    // What was decided of these bytes holds for both.
    assert_eq!(lift(2).unwrap().len(), 2);
    assert!(!is_isolated(&f, sealed) && !is_isolated(&f, other));
    assert_eq!(f.store.read_blocking(|r| r.due_deliveries(&everything_due())).unwrap().len(), 2);
}

#[test]
fn a_suspect_copy_is_proven_no_longer_and_counts_once() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    let prove = |f: &Fixture| {
        f.store.write_blocking(move |tx| tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)).unwrap();
    };
    prove(&f);
    f.store
        .write_blocking(move |tx| {
            tx.audited(clip, "d", crate::domain::evict::Audit::Whole, Draft::daemon(EventKind::Audited))
        })
        .unwrap();
    assert!(f.store.write_blocking(move |tx| tx.suspect(clip, "d", "differs", "audit")).unwrap());
    assert!(!f.store.write_blocking(move |tx| tx.suspect(clip, "d", "differs", "read")).unwrap(), "it is known");
    f.store
        .read_blocking(|r| {
            assert_eq!((r.suspect_figures()?, r.mismatches(clip, "d")?), ((1, Some(clip)), 1));
            assert_eq!(r.clip_state(clip)?.as_str(), "sending");
            assert!(r.audit_of(clip, "d")?.is_none());
            // The copy here is good: the uplink sends it again, and nobody need look elsewhere.
            assert!(r.orphaned_suspects(9)?.is_empty());
            Ok(())
        })
        .unwrap();
    // What an older proof was audited for says nothing about the new one.
    prove(&f);
    let audits = f.store.read_blocking(|r| r.audits_awaited("d", crate::domain::evict::Audit::Sampled, 9)).unwrap();
    assert_eq!(audits.len(), 1);
}
