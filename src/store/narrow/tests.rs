//! Whichever way a list is found, it holds the same clips: those that the bounds of each single clip let through.

use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Origin};
use crate::domain::rights::{Over, Role, Roles, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::store::tests::{Fixture, fixture};
use crate::store::{ClipFilter, NewAccount, Suggestion};

fn account(f: &Fixture, login: &str, unit: &str, officers: &[&str]) -> i64 {
    let new = NewAccount {
        login: login.into(),
        label: String::new(),
        roles: Roles::new([Role::Officer]).unwrap(),
        unit: Some(unit.into()),
        officers: officers.iter().map(|o| (*o).to_owned()).collect(),
        until_ms: None,
        password: "$argon2id$".into(),
    };
    let asked = Draft::by(EventKind::AccountMade, Actor::os(0), "cli");
    f.store.write_blocking(move |tx| tx.add_account(&new, asked)).unwrap()
}

/// Thirty clips of three officers, some with a second one, some labelled, each on a day of its own; the last is isolated.
fn station() -> (Fixture, Vec<ClipId>, i64) {
    let f = fixture();
    let zhang = account(&f, "zhang", "稽查一队", &["张三", "110203"]);
    account(&f, "li", "稽查一队", &["李四"]);
    account(&f, "wang", "稽查二队", &["王五"]);
    let clips: Vec<ClipId> = (0..30).map(|n| f.clip(&format!("{n}"))).collect();
    for (n, clip) in clips.iter().copied().enumerate() {
        if n % 10 == 9 {
            continue;
        }
        f.seal(clip, vec![]);
        let mut facts = vec![
            (Field::Officer, Origin::Roster, ["张三", "李四", "王五", "110203"][n % 4].to_owned()),
            (Field::CapturedStart, Origin::FileName, format!("2026-05-{:02}T09:00:00+08:00", n + 1)),
        ];
        if n % 5 == 0 {
            facts.push((Field::CoOfficers, Origin::Roster, "张三".to_owned()));
        }
        if n % 3 == 0 {
            let label = [Sensitivity::Privacy, Sensitivity::Minor][n % 2];
            facts.push((Field::Sensitivity, Origin::Person, label.as_str().to_owned()));
        }
        if n % 7 == 0 {
            facts.push((Field::Place, Origin::Person, "东关街18号".to_owned()));
        }
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)).unwrap();
        let said = Suggestion {
            case_key: "k".into(),
            raw: "赵卫罚〔2026〕1号".into(),
            rule: "register".into(),
            score: 40 + n as u32 % 3,
            reason: crate::domain::grounds::Ground::OtherOfficers {}.into(),
            stage: None,
            matter: None,
            proves: None,
        };
        f.store.write_blocking(move |tx| tx.suggest(clip, &[said])).unwrap();
    }
    // Not by `isolate`, which takes every clip with the same bytes along.
    let last = clips[28];
    f.store
        .write_blocking(move |tx| {
            Ok(tx.conn.execute("UPDATE clip SET isolated_ms = 1 WHERE clip_id = ?1", [last.to_string()])?)
        })
        .unwrap();
    (f, clips, zhang)
}

fn bounds(account: i64) -> Vec<Within> {
    let of = |stretches: &[(Over, Sensitivity)]| Within::Of { account, stretches: stretches.to_vec() };
    vec![
        Within::Everything,
        of(&[]),
        of(&[(Over::All, Sensitivity::Minor)]),
        of(&[(Over::All, Sensitivity::Privacy)]),
        of(&[(Over::Own, Sensitivity::Minor)]),
        of(&[(Over::Own, Sensitivity::None)]),
        of(&[(Over::Unit, Sensitivity::Privacy)]),
        of(&[(Over::Unit, Sensitivity::None), (Over::Own, Sensitivity::Minor)]),
        of(&[(Over::All, Sensitivity::None), (Over::Own, Sensitivity::Minor)]),
        of(&[(Over::Sent, Sensitivity::Minor)]),
    ]
}

/// All pages of a list, newest first, and the total of the first of them.
fn listed(f: &Fixture, filter: &ClipFilter, most: i64) -> (Vec<ClipId>, u64) {
    let (mut clips, mut total, mut after) = (Vec::new(), None, None);
    loop {
        let asked = ClipFilter { after, limit: 4, ..filter.clone() };
        let page = f.store.read_blocking(|r| r.clips_counted(&asked, most)).unwrap();
        total = total.or(Some(page.total));
        clips.extend(page.clips);
        after = page.next;
        if after.is_none() {
            return (clips, total.unwrap_or_default());
        }
    }
}

#[test]
fn few_and_many_are_the_same_clips() {
    let (f, clips, zhang) = station();
    let day = |n: i64| 1_777_593_600_000 + n * 86_400_000;
    let filters = [
        ClipFilter::default(),
        ClipFilter { officer: Some("三".into()), ..ClipFilter::default() },
        ClipFilter { officer: Some("nobody".into()), ..ClipFilter::default() },
        ClipFilter { recorder: Some("r1".into()), ..ClipFilter::default() },
        ClipFilter { recorder: Some("R2".into()), ..ClipFilter::default() },
        ClipFilter { state: Some("copying".into()), ..ClipFilter::default() },
        ClipFilter { missing: Some("any".into()), ..ClipFilter::default() },
        ClipFilter { missing: Some("place".into()), ..ClipFilter::default() },
        ClipFilter { from_ms: Some(day(5)), to_ms: Some(day(20)), now_ms: day(21), ..ClipFilter::default() },
        ClipFilter { from_ms: Some(day(5)), to_ms: Some(day(20)), now_ms: day(400), ..ClipFilter::default() },
    ];
    for within in bounds(zhang) {
        for filter in &filters {
            let free = listed(&f, &ClipFilter { within: Within::Everything, ..filter.clone() }, 1_000).0;
            let mut expected = f.store.read_blocking(|r| r.clips_within(&free, &within, filter.now_ms)).unwrap();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            let asked = ClipFilter { within: within.clone(), ..filter.clone() };
            let few = listed(&f, &asked, 1_000);
            assert_eq!(few.0, expected, "{asked:?}");
            if within != Within::Everything || filter.officer.is_some() {
                assert_eq!(few.1 as usize, expected.len(), "{asked:?}");
            }
            assert_eq!(listed(&f, &asked, 0).0, expected, "as many: {asked:?}");
        }
    }
    // What the filters mean, once each, so that two wrong lists do not agree.
    let n = |filter: &ClipFilter| listed(&f, filter, 1_000).0.len();
    let counts: Vec<usize> = filters.iter().map(n).collect();
    assert_eq!(counts[..6], [29, 7, 0, 29, 0, 3]);
    assert!(counts[7] < counts[6] && counts[8] == counts[9] && counts[9] < 15);
    assert!(clips.len() == 30);
}

#[test]
fn what_waits_is_what_each_clip_lets_through() {
    let (f, clips, zhang) = station();
    for within in bounds(zhang) {
        let page = f.store.read_blocking(|r| r.triage(None, 100, &within, 0)).unwrap();
        let mut found: Vec<ClipId> = page.rows.iter().map(|row| row.clip).collect();
        found.sort_unstable();
        let sealed: Vec<ClipId> =
            clips.iter().enumerate().filter(|(n, _)| n % 10 != 9 && *n != 28).map(|(_, clip)| *clip).collect();
        let mut expected = f.store.read_blocking(|r| r.clips_within(&sealed, &within, 0)).unwrap();
        expected.sort_unstable();
        assert_eq!((found, page.total as usize), (expected.clone(), expected.len()), "{within:?}");
        let badge = |most| f.store.read_blocking(|r| r.waiting(&within, most, 0)).unwrap() as usize;
        assert_eq!((badge(1_000), badge(3)), (expected.len(), expected.len().min(3)), "{within:?}");
    }
}
