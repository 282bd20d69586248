//! What a reason excuses and what it does not, as a table; and how a reason gets the occasion that it is about.

use super::*;
use crate::domain::coverage::{Allowed, CaseFacts, Footage, Said, Standing, Tier, cover};
use crate::domain::register::Done;

const DAY: i64 = 86_400_000;
const NOW: i64 = 40 * DAY;
const ALLOWED: Allowed = Allowed { gap_ms: 60_000, within_ms: DAY };

fn at(day: i64) -> i64 {
    day * DAY + 9 * 3_600_000
}

fn time(day: i64) -> Done {
    Done { matter: "送达".into(), from_ms: Some(at(day)), to_ms: Some(at(day) + 1_800_000), days: false }
}

fn item(tier: Tier, stage: &str) -> Item {
    Item {
        kind: None,
        subject: None,
        stage: Some(stage.into()),
        matter: "送达".into(),
        tier,
        always: false,
        content: Default::default(),
    }
}

/// Said by a person on a day.
fn said(day: i64, of_ms: Option<i64>) -> NoRecord {
    NoRecord {
        matter: "送达".into(),
        of_ms,
        reason: format!("第{day}天说的"),
        said: Some(Said { actor: "user:7".into(), at_ms: at(day) }),
        ..NoRecord::default()
    }
}

fn document(day: i64) -> NoRecord {
    let (matter, reason) = ("送达".into(), format!("第{day}天归入的回证"));
    NoRecord { matter, written: true, reason, filed_ms: Some(at(day)), ..NoRecord::default() }
}

fn clip(day: i64, minutes: i64) -> Footage {
    Footage {
        matter: Some("送达".into()),
        stage: None,
        span_ms: Some((at(day), at(day) + minutes * 60_000)),
        lost_ms: vec![],
        sealed_ms: Some(at(day) + 3_600_000),
    }
}

fn covered(items: &[Item], done: &[Done], clips: &[Footage], reasons: &[NoRecord]) -> Coverage {
    let case = CaseFacts { done: done.to_vec(), ..CaseFacts::default() };
    cover(items, &case, clips, reasons, NOW, ALLOWED)
}

/// How each occasion of a line is explained.
fn whys(line: &Line) -> Vec<Option<&str>> {
    line.occasions.iter().map(|o| o.why.as_ref().map(|w| w.reason.as_str())).collect()
}

#[test]
fn a_reason_excuses_its_own_occasion_and_no_later_one() {
    use Standing::*;
    let written = |reason: NoRecord| NoRecord { written: true, ..reason };
    let (second, third) = (Some("第2天说的"), Some("第30天说的"));
    type Row<'a> = (&'a str, Tier, Vec<Footage>, Vec<NoRecord>, Standing, Vec<Option<&'a str>>);
    // Carried out on day 1 and on day 20.
    let table: Vec<Row<'_>> = vec![
        ("said before the second", Tier::Part, vec![], vec![said(2, None)], Missing, vec![second, None]),
        ("and must be whole", Tier::Whole, vec![], vec![said(2, None)], Missing, vec![second, None]),
        ("one word for two", Tier::Part, vec![], vec![said(30, None)], Missing, vec![None, third]),
        (
            "each has its own",
            Tier::Part,
            vec![],
            vec![said(2, Some(at(1))), said(30, None)],
            Explained,
            vec![second, third],
        ),
        (
            "named out of turn",
            Tier::Part,
            vec![],
            vec![said(30, None), said(30, Some(at(20)))],
            Explained,
            vec![third, third],
        ),
        ("named before it began", Tier::Part, vec![], vec![said(2, Some(at(20)))], Missing, vec![None, None]),
        ("the other was recorded", Tier::Part, vec![clip(1, 30)], vec![said(30, None)], Explained, vec![third]),
        (
            "the first was, and it was said of that",
            Tier::Part,
            vec![clip(1, 30)],
            vec![said(2, None)],
            Missing,
            vec![None],
        ),
        (
            "a written record of the first",
            Tier::Part,
            vec![],
            vec![written(said(2, None))],
            Missing,
            vec![second, None],
        ),
        (
            "a gap of the second with a word about the first",
            Tier::Whole,
            vec![clip(1, 30), clip(20, 10)],
            vec![said(2, None)],
            Interrupted,
            vec![None],
        ),
        (
            "a document for each",
            Tier::Part,
            vec![],
            vec![document(2), document(21)],
            Replaced,
            vec![Some("第2天归入的回证"), Some("第21天归入的回证")],
        ),
        (
            "one document, and a word about the other",
            Tier::Part,
            vec![],
            vec![document(21), said(2, None)],
            Explained,
            vec![second, Some("第21天归入的回证")],
        ),
    ];
    for (what, tier, clips, reasons, standing, wanted) in table {
        let line = covered(&[item(tier, "送达")], &[time(1), time(20)], &clips, &reasons).lines.remove(0);
        assert_eq!((line.standing, whys(&line)), (standing, wanted), "{what}: {line:?}");
        let all = line.occasions.iter().all(|o| o.why.is_some());
        assert_eq!(line.reason.is_some(), all, "{what}: of all of it, or of none");
    }
}

#[test]
fn without_a_time_gaps_of_each_day_need_their_own() {
    let items = [item(Tier::Whole, "送达")];
    let broken = |day| {
        let mut later = clip(day, 10);
        later.span_ms = later.span_ms.map(|(from, to)| (from + 1_200_000, to + 1_200_000));
        [clip(day, 10), later]
    };
    let clips = [broken(1), broken(20)].concat();
    let line = covered(&items, &[], &clips, &[said(2, None)]).lines.remove(0);
    assert_eq!((line.standing, whys(&line)), (Standing::Interrupted, vec![Some("第2天说的"), None]));
    assert_eq!(line.occasions.iter().map(|o| o.from_ms).collect::<Vec<_>>(), [Some(at(1)), Some(at(20))]);
}

#[test]
fn the_same_matter_in_two_stages_needs_two() {
    let items = [item(Tier::Part, "告知"), item(Tier::Part, "决定")];
    let undated = [Done { matter: "送达".into(), from_ms: None, to_ms: None, days: false }];
    let all = |reasons: &[NoRecord]| {
        let coverage = covered(&items, &undated, &[], reasons);
        coverage.lines.iter().map(|l| l.standing).collect::<Vec<_>>()
    };
    use Standing::{Explained, Missing, Replaced};
    assert_eq!(all(&[said(2, None)]), [Explained, Missing]);
    let of_stage = |stage: &str| NoRecord { stage: Some(stage.into()), ..said(2, None) };
    assert_eq!(all(&[of_stage("决定")]), [Missing, Explained]);
    assert_eq!(all(&[of_stage("执行")]), [Missing, Missing], "no item is of that stage");
    let stray = NoRecord { stage: Some("执行".into()), ..document(2) };
    assert_eq!(all(&[stray]), [Replaced, Missing], "a document of such a stage is of the matter");
    // One time that two stages ask for is one occasion.
    let coverage = covered(&items, &[time(1)], &[], &[said(2, None)]);
    assert_eq!(coverage.lines.iter().map(|l| l.standing).collect::<Vec<_>>(), [Explained, Explained]);
}

#[test]
fn what_is_said_is_kept_with_the_occasion_that_it_is_about() {
    let zone = TimeZone::UTC;
    let items = [item(Tier::Part, "送达")];
    let told = |done: &[Done], reasons: &[NoRecord], of: Option<Span>| {
        let coverage = covered(&items, done, &[], reasons);
        let asked = NoRecord { matter: " 送 达".into(), reason: "x".into(), ..NoRecord::default() };
        bind(&coverage, asked, of, NOW, &zone).map(|bound| bound.of_ms)
    };
    let both = [time(1), time(20)];
    let day = |day: i64| Some((day * DAY, (day + 1) * DAY - 1));
    assert_eq!(told(&[time(1)], &[], None), Ok(Some(at(1))), "there is one");
    let which = told(&both, &[], None).unwrap_err();
    let times = vec!["1970-01-02 09:00".to_owned(), "1970-01-21 09:00".to_owned()];
    assert_eq!(which, Why::WhichOccasion { matter: " 送 达".into(), times: times.clone() });
    assert_eq!(told(&both, &[], day(20)), Ok(Some(at(20))));
    assert_eq!(told(&both, &[], Some((at(20) + 60_000, at(20) + 119_999))), Ok(Some(at(20))), "within it");
    assert_eq!(told(&both, &[], day(5)), Err(Why::NoSuchOccasion { matter: " 送 达".into(), times }));
    assert_eq!(told(&both, &[said(2, Some(at(1)))], None), Ok(Some(at(20))), "the one that is left");
    assert_eq!(told(&[time(1)], &[said(2, Some(at(1)))], None), Ok(Some(at(1))), "another word about it");
    assert_eq!(told(&[time(1)], &[said(2, None)], None), Ok(None), "which takes the place of the one before");
    assert_eq!(told(&[time(50), time(1)], &[], None), Ok(Some(at(1))), "what is to come is no occasion yet");
    let undated = [Done { matter: "送达".into(), from_ms: None, to_ms: None, days: false }];
    assert_eq!((told(&undated, &[], None), told(&undated, &[], day(3))), (Ok(None), Ok(Some(3 * DAY))));
    assert_eq!(told(&[], &[], None), Ok(None), "nothing asks for it");
}

#[test]
fn of_several_words_the_one_that_is_named_is_taken_back() {
    let zone = TimeZone::UTC;
    let all = [said(2, Some(at(1))), said(21, Some(at(20)))];
    let back = |all: &[NoRecord], of: Option<Span>| {
        let asked = NoRecord { matter: "送达".into(), ..NoRecord::default() };
        bind_withdrawal(all, asked, of, &zone).map(|bound| bound.of_ms)
    };
    assert!(matches!(back(&all, None), Err(Why::WhichOccasion { .. })));
    assert_eq!(back(&all, Some((at(20), at(20) + 59_999))), Ok(Some(at(20))));
    assert_eq!(back(&all[..1], None), Ok(Some(at(1))), "there is no other");
    let plain = [all[0].clone(), said(30, None)];
    assert_eq!(back(&plain, None), Ok(None));
    assert!(matches!(back(&[document(2)], None), Err(Why::NoReasonStands { .. })), "a document is no word of theirs");
    let taken = [all[0].clone(), NoRecord { reason: String::new(), ..all[0].clone() }];
    assert!(matches!(back(&taken, None), Err(Why::NoReasonStands { .. })));
}
