//! Links of clips to cases: whose word stands.

use crate::domain::event::Actor;
use crate::store::tests::{fixture, link};
use crate::store::*;

#[test]
fn a_person_outranks_rules_and_nothing_is_unsaid() {
    use crate::domain::case_number::NumberRule;
    use crate::domain::event::Actor;
    use crate::domain::record::Origin;
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let number = NumberRule::builtin().parse("赵卫罚〔2026〕12号", 2026).unwrap();
    let request = move |origin| LinkRequest {
        clip,
        number: number.clone(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: None,
        proves: None,
        origin,
        score: 100,
        reason: None,
    };
    let (by_rule, by_person) = (request(Origin::Roster), request(Origin::Person));
    let key = by_rule.number.key().to_owned();
    let again = by_rule.clone();
    let link = |r: LinkRequest| f.store.write_blocking(move |tx| tx.link(&r, &Actor::os(7), "cli"));
    assert_eq!(link(by_rule.clone()).unwrap(), 1);
    assert_eq!(link(by_rule).unwrap(), 1, "the same word again is no revision");
    assert_eq!(link(by_person).unwrap(), 2);
    let unlink = f.store.write_blocking(move |tx| tx.unlink(clip, &key, "another case", &Actor::os(7), "cli"));
    assert_eq!(unlink.unwrap(), 3);
    assert!(matches!(link(again), Err(StoreError::Conflict(_))), "a rule does not undo a person's withdrawal");
    let (links, revisions) = f
        .store
        .read_blocking(|r| {
            Ok((r.links(clip)?.len(), r.conn.query_row("SELECT count(*) FROM case_link", [], |x| x.get::<_, i64>(0))?))
        })
        .unwrap();
    assert_eq!((links, revisions), (0, 3));
}

#[test]
fn a_link_of_a_part_and_one_of_the_whole_are_two_words() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![]);
    let part = link(clip, "赵卫罚〔2026〕12号");
    let whole = LinkRequest { range_ms: (None, None), ..part.clone() };
    let link = |r: &LinkRequest| {
        let r = r.clone();
        f.store.write_blocking(move |tx| tx.link(&r, &Actor::os(7), "cli")).unwrap()
    };
    assert_eq!([link(&part), link(&part), link(&whole), link(&whole), link(&part)], [1, 1, 2, 2, 3]);
    let standing = f.store.read_blocking(|r| r.links(clip)).unwrap();
    assert_eq!((standing.len(), standing[0].from_ms, standing[0].to_ms), (1, Some(5), Some(9)));
}
