//! A reference with more links than are looked at one by one: the newest clips of it, for whoever looks, and no figures.

use super::*;
use crate::domain::case_number::{CaseKind, NumberRule, ShapeSpec, builtin_shapes};
use crate::domain::coverage::{Allowed, Coverage};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::record::{Field, Origin};
use crate::domain::rights::Over;
use crate::domain::sensitivity::Sensitivity;
use crate::store::tests::{Fixture, fixture};
use crate::store::{ClipFilter, LinkRequest, Reach};

const DAILY: &str = "日常检查(未立案)";

fn rule() -> NumberRule {
    let unfiled = ShapeSpec {
        name: "unfiled".into(),
        regex: r"日常检查(?:\(未立案\))?".into(),
        display: DAILY.into(),
        key: DAILY.into(),
        kind: CaseKind::Unfiled,
        example: DAILY.into(),
    };
    NumberRule::with_shapes(2, [vec![unfiled], builtin_shapes()].concat()).unwrap()
}

fn link(f: &Fixture, clip: ClipId, text: &str) -> i64 {
    let number = rule().parse(text, 2026).unwrap();
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
    f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(7), "cli")).unwrap();
    f.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap()
}

/// So many more links, which do not stand: what is looked at one by one are links.
fn more_links(f: &Fixture, clip: ClipId, case: i64, key: &'static str, n: u64) {
    f.store
        .write_blocking(move |tx| {
            Ok(tx.conn.execute(
                "WITH RECURSIVE n (rev) AS (SELECT 1 UNION ALL SELECT rev + 1 FROM n WHERE rev < ?4)
                 INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, rule_version, withdrawn, actor, at_ms)
                 SELECT ?1, ?2, -rev, ?3, ?3, 'rule', 100, 1, 1, 'daemon:evidock', 0 FROM n",
                params![clip.to_string(), case, key, n as i64],
            )?)
        })
        .unwrap();
}

#[test]
fn of_years_of_routine_checks_the_newest_are_told() {
    let f = fixture();
    let clips = ["a", "b", "c"].map(|name| {
        let clip = f.clip(name);
        f.seal(clip, vec![("d".to_owned(), true)]);
        clip
    });
    // The second was captured last, and linked first.
    for (clip, at) in clips.iter().copied().zip(["09", "11", "10"]) {
        let start = [(Field::CapturedStart, Origin::FileName, format!("2026-06-19T{at}:00:00+08:00"))];
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &start)).unwrap();
    }
    let case = [1, 0, 2].map(|n: usize| link(&f, clips[n], DAILY))[0];
    let summary = |f: &Fixture| f.store.read_blocking(|r| r.case_by_key(DAILY)).unwrap().unwrap();
    assert_eq!((summary(&f).clips, summary(&f).more), (3, false));
    more_links(&f, clips[0], case, DAILY, MOST_LINKS);
    assert_eq!((summary(&f).clips, summary(&f).bytes, summary(&f).more), (MOST_LINKS, 0, true));

    let newest = |within: Within, limit| f.store.read_blocking(|r| r.newest_of_large(case, &within, 0, limit)).unwrap();
    assert_eq!(newest(Within::Everything, 9), [clips[0], clips[2], clips[1]], "in the order of their capture");
    assert_eq!(newest(Within::Everything, 2), [clips[0], clips[2]], "those that were linked last");
    let of = |over| Within::Of { account: 1, stretches: vec![(over, Sensitivity::Minor)] };
    assert_eq!(newest(of(Over::All), 9).len(), 3);
    assert_eq!((newest(of(Over::Own), 9), newest(of(Over::Unit), 9)), (vec![], vec![]), "none of them is theirs");
    f.store
        .read_blocking(|r| {
            let allowed = Allowed { gap_ms: 1, within_ms: 1 };
            assert_eq!(r.coverage(case, 0, allowed)?, Coverage::default());
            assert!(!r.knows_case(case, &of(Over::Own), 0)? && r.knows_case(case, &of(Over::All), 0)?);
            assert!(!r.case_standing(case, 1, 0)?.own);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_case_is_never_large() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    let case = link(&f, clip, "赵卫罚〔2026〕12号");
    let key = f.store.read_blocking(|r| Ok(r.aliases(case)?.remove(0).0)).unwrap();
    more_links(&f, clip, case, key.leak(), MOST_LINKS + 1);
    assert!(!f.store.read_blocking(|r| r.is_large(case)).unwrap());
    // However many clips it has, they are held.
    let held = f.store.write_blocking(move |tx| {
        tx.read().not_large(case)?;
        tx.hold_case(case, "h", ("复议", None), Draft::by(EventKind::Hold, Actor::os(7), "cli"))
    });
    assert_eq!(held.unwrap().1, 1);
}

#[test]
fn what_was_before_a_case_is_not_held_as_a_whole_once_it_is_large() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".to_owned(), true)]);
    let case = link(&f, clip, DAILY);
    let hold = || {
        let asked = Draft::by(EventKind::Hold, Actor::os(7), "cli");
        f.store.write_blocking(move |tx| tx.hold_case(case, "h", ("复议", None), asked))
    };
    assert_eq!(hold().unwrap().1, 1);
    more_links(&f, clip, case, DAILY, MOST_LINKS);
    let refused = hold().unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(Why::LargeReference { most: MOST_LINKS })), "{refused}");
    assert_eq!(f.store.read_blocking(|r| r.holds_of_case(case)).unwrap().len(), 1, "nothing of it stands");
    // Nor does it say any less of one clip.
    let asked = Draft::by(EventKind::Hold, Actor::os(7), "cli");
    f.store.write_blocking(move |tx| tx.hold_clip(clip, "复议", None, asked)).unwrap();
}

#[test]
fn how_far_bounds_reach_over_a_case_is_told_by_the_first_clip_beyond_them() {
    let f = fixture();
    let [one, two] = ["a", "b"].map(|name| {
        let clip = f.clip(name);
        f.seal(clip, vec![("d".to_owned(), true)]);
        clip
    });
    let label = [(Field::Sensitivity, Origin::Person, Sensitivity::Minor.as_str().to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(two, &Actor::os(7), "cli", &label)).unwrap();
    let case = [one, two].map(|clip| link(&f, clip, DAILY))[0];
    let empty = {
        f.store.write_blocking(|tx| Ok(tx.conn.execute("INSERT INTO case_file VALUES (99, 'case', 0)", [])?)).unwrap();
        99
    };
    let of = |over, up_to| Within::Of { account: 1, stretches: vec![(over, up_to)] };
    let reach = |case, within: &Within| f.store.read_blocking(|r| r.case_reach(case, within, 0)).unwrap();
    assert_eq!(reach(case, &Within::Everything), Reach::Whole);
    assert_eq!(reach(case, &of(Over::All, Sensitivity::Minor)), Reach::Whole);
    assert_eq!(reach(case, &of(Over::All, Sensitivity::Privacy)), Reach::Beyond(two));
    assert!(matches!(reach(case, &of(Over::Own, Sensitivity::Minor)), Reach::Beyond(_)));
    let nothing = Within::Of { account: 1, stretches: vec![] };
    assert!(matches!(reach(case, &nothing), Reach::Beyond(_)));
    for within in [Within::Everything, nothing, of(Over::All, Sensitivity::Minor)] {
        assert_eq!(reach(empty, &within), Reach::Empty);
    }
}

/// The list of clips of a reference is the same, whichever way it goes.
#[test]
fn a_list_goes_from_the_case_or_along_the_clips() {
    let f = fixture();
    let [one, two, other] = ["a", "b", "c"].map(|name| {
        let clip = f.clip(name);
        f.seal(clip, vec![("d".to_owned(), true)]);
        clip
    });
    let case = [one, two].map(|clip| link(&f, clip, DAILY))[0];
    link(&f, other, "赵卫罚〔2026〕12号");
    let listed = || {
        let filter = ClipFilter { case_key: Some(DAILY.to_owned()), limit: 9, ..ClipFilter::default() };
        let page = f.store.read_blocking(|r| r.clips(&filter)).unwrap();
        (page.clips, page.total, f.store.read_blocking(|r| r.of_case_sql(case, 1)).unwrap().starts_with("EXISTS"))
    };
    let mut both = vec![one, two];
    both.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(listed(), (both.clone(), 2, false));
    more_links(&f, one, case, DAILY, LISTED_BY_CASE);
    assert_eq!(listed(), (both, 2, true));
    let nothing = ClipFilter { case_key: Some("nobody's".to_owned()), limit: 9, ..ClipFilter::default() };
    assert!(f.store.read_blocking(|r| r.clips(&nothing)).unwrap().clips.is_empty());
}

#[test]
fn the_newest_are_found_along_an_index() {
    let f = fixture();
    let steps = f.store.read_blocking(|r| {
        let mut statement = r.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", newest_sql(&Within::Everything).0))?;
        let rows = statement.query_map(params![0, 0, 1, 9], |x| x.get::<_, String>(3))?;
        Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?)
    });
    let steps = steps.unwrap();
    assert!(steps[0].contains("case_link_case") && !steps.iter().any(|s| s.contains("TEMP B-TREE")), "{steps:?}");
}
