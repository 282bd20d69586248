//! The check as a table of cases, terms as people write them, and how long each clip is kept.

use super::*;
use crate::domain::coverage::{Lacking, Line, NoRecord, Tier};

fn clip(n: u64) -> ClipCheck {
    ClipCheck {
        clip: ClipId::generate(n as i64),
        is_recording: true,
        is_footage: true,
        copying: false,
        damaged: false,
        quarantined: false,
        isolated: false,
        proven: true,
        anchored: true,
        compared: Some(ClipCompared {
            at_ms: 10,
            outcome: Outcome::Same,
            local: "same".into(),
            log: "same".into(),
            record: "same".into(),
            cloud: None,
            detail: None,
        }),
        health: Some(MediaHealth::Whole),
        missing: vec![],
        gap_reason: None,
    }
}

const COMPARING: Comparing = Comparing { begun_ms: Some(5), within_ms: 100, now_ms: 20 };

fn item(matter: &str, term: Option<&str>) -> Item {
    let content = [None, None, None, term.map(str::to_owned)];
    Item {
        kind: None,
        subject: None,
        stage: Some("调查取证".into()),
        matter: matter.into(),
        tier: Tier::Whole,
        always: false,
        content,
    }
}

fn line(standing: Standing, reason: Option<&str>, due_ms: Option<i64>) -> Coverage {
    let line = Line {
        item: item("现场检查", None),
        standing,
        clips: 0,
        recorded_ms: 0,
        gaps_ms: vec![],
        due_ms,
        occasions: vec![],
        reason: reason.map(str::to_owned),
        basis: None,
        said: None,
    };
    Coverage { lines: vec![line], beside: 0 }
}

fn recorded() -> Coverage {
    line(Standing::Present, None, None)
}

#[test]
fn each_gap_is_named_with_its_clip_or_matter() {
    let sound = check(&[clip(1)], &COMPARING, &recorded(), false);
    assert!(sound.is_sound() && Aspect::ALL.iter().all(|a| sound.has(*a)));
    let whats =
        |c: ClipCheck| check(&[c], &COMPARING, &recorded(), false).gaps.iter().map(|g| g.what).collect::<Vec<_>>();
    let table: Vec<(ClipCheck, Vec<What>)> = vec![
        (ClipCheck { copying: true, ..clip(1) }, vec![What::Copying]),
        (ClipCheck { isolated: true, proven: false, missing: vec!["place".into()], ..clip(1) }, vec![What::Isolated]),
        (ClipCheck { proven: false, compared: None, ..clip(1) }, vec![What::NotVerified, What::NotProven]),
        (ClipCheck { compared: None, anchored: false, ..clip(1) }, vec![What::NotVerified, What::NotAnchored]),
        (ClipCheck { damaged: true, quarantined: true, ..clip(1) }, vec![What::Damaged, What::Quarantined]),
        (ClipCheck { health: None, ..clip(1) }, vec![What::NotProbed]),
        (ClipCheck { health: None, is_recording: false, ..clip(1) }, vec![]),
        (ClipCheck { health: Some(MediaHealth::Broken), ..clip(1) }, vec![What::Unplayable]),
        (ClipCheck { health: Some(MediaHealth::Truncated), gap_reason: Some("断电".into()), ..clip(1) }, vec![]),
        (ClipCheck { health: Some(MediaHealth::NotMedia), ..clip(1) }, vec![What::Unplayable]),
        (ClipCheck { health: Some(MediaHealth::NotMedia), gap_reason: Some("加密".into()), ..clip(1) }, vec![]),
        (ClipCheck { health: Some(MediaHealth::NotMedia), is_footage: false, ..clip(1) }, vec![]),
        (ClipCheck { missing: vec!["place".into(), "proves".into()], ..clip(1) }, vec![What::LacksFacts]),
    ];
    for (c, wanted) in table {
        assert_eq!(whats(c.clone()), wanted, "{c:?}");
    }
    assert_eq!(check(&[], &COMPARING, &recorded(), false).gaps[0].what, What::NoClips);
    let lacks = check(&[ClipCheck { missing: vec!["place".into()], ..clip(1) }], &COMPARING, &recorded(), false);
    assert!(!lacks.has(Aspect::Complete) && lacks.has(Aspect::Safe));
    let never = check(&[clip(1)], &Comparing { begun_ms: None, ..COMPARING }, &recorded(), false);
    assert_eq!(never.gaps.iter().map(|g| (g.what, g.clip)).collect::<Vec<_>>(), [(What::NotCompared, None)]);
    assert!(!never.has(Aspect::Authentic) && never.has(Aspect::Safe));
    let asked_nothing = |kind_unknown| check(&[clip(1)], &COMPARING, &Coverage::default(), kind_unknown).gaps[0].what;
    assert_eq!([asked_nothing(false), asked_nothing(true)], [What::NoCatalogue, What::KindUnknown]);
    assert_eq!(check(&[clip(1)], &COMPARING, &recorded(), true).gaps[0].what, What::KindUnknown);
}

#[test]
fn what_should_be_recorded_is_there_or_has_its_reason() {
    let of = |c: &Coverage| {
        let r = check(&[clip(1)], &COMPARING, c, false);
        (r.gaps.iter().map(|g| g.what).collect::<Vec<_>>(), r.remarks.len())
    };
    assert_eq!(of(&line(Standing::Missing, None, None)), (vec![What::Missing], 0));
    assert_eq!(of(&line(Standing::Explained, Some("设备故障"), None)), (vec![], 1));
    assert_eq!(of(&line(Standing::Interrupted, None, None)), (vec![What::Interrupted], 0));
    assert_eq!(of(&line(Standing::NotYetDue, Some("x"), Some(9))), (vec![What::MayCome], 0));
    assert_eq!(of(&line(Standing::NotYetDue, None, None)), (vec![], 0));
    assert_eq!(of(&line(Standing::Replaced, Some("x"), None)), (vec![], 0));
}

#[test]
fn a_reason_for_one_occasion_files_no_other() {
    let lacking = |from_ms: i64, open: bool, reason: Option<&str>, written: bool| Lacking {
        from_ms: Some(from_ms),
        to_ms: None,
        open,
        why: reason.map(|r| NoRecord { reason: r.into(), written, ..NoRecord::default() }),
    };
    let of = |standing: Standing, tier: Tier, occasions: Vec<Lacking>| {
        let mut coverage = line(standing, None, None);
        (coverage.lines[0].occasions, coverage.lines[0].item.tier) = (occasions, tier);
        let r = check(&[clip(1)], &COMPARING, &coverage, false);
        let told = |all: &[Found]| all.iter().map(|g| (g.what, g.at_ms, g.detail.clone())).collect::<Vec<_>>();
        (told(&r.gaps), told(&r.remarks))
    };
    let (first, second) = (lacking(1, false, Some("没电"), false), lacking(2, false, None, false));
    let both = vec![first.clone(), second.clone()];
    let wanted = |what| (vec![(what, Some(2), String::new())], vec![(what, Some(1), "没电".to_owned())]);
    assert_eq!(of(Standing::Missing, Tier::Part, both.clone()), wanted(What::Missing));
    assert_eq!(of(Standing::Interrupted, Tier::Whole, both), wanted(What::Interrupted));
    let written = lacking(3, false, Some("回证"), true);
    let mixed = of(Standing::Missing, Tier::Part, vec![written, second]);
    assert_eq!(mixed, (vec![(What::Missing, Some(2), String::new())], vec![]), "a written record stands for the other");
    let open = of(Standing::Explained, Tier::Part, vec![first, lacking(9, true, None, false)]);
    assert_eq!(open.0, [(What::MayCome, Some(9), String::new())], "its footage may still come");
    // However much of it is recorded already.
    for (standing, tier) in
        [(Standing::Present, Tier::Part), (Standing::Late, Tier::Part), (Standing::NotYetDue, Tier::Whole)]
    {
        let today = of(standing, tier, vec![lacking(9, true, None, false)]);
        assert_eq!(today, (vec![(What::MayCome, Some(9), String::new())], vec![]), "{standing:?}");
    }
    let told = of(Standing::Present, Tier::Part, vec![lacking(9, true, Some("没电"), false)]);
    assert_eq!(told, (vec![], vec![(What::Missing, Some(9), "没电".to_owned())]), "nothing of it is on its way");
    let replaced = of(Standing::Present, Tier::Part, vec![lacking(9, true, Some("回证"), true)]);
    assert_eq!(replaced, (vec![], vec![]));
}

#[test]
fn terms_as_people_write_them() {
    for (text, wanted) in [
        ("永久", Some(Term::Forever)),
        ("同案卷", Some(Term::AsFile)),
        ("6个月", Some(Term::Months(6))),
        ("６ 个月", Some(Term::Months(6))),
        ("不少于6个月", Some(Term::Months(6))),
        ("定期10年", Some(Term::Months(120))),
        ("三十年", Some(Term::Months(360))),
        ("十五年", Some(Term::Months(180))),
        ("两年", Some(Term::Months(24))),
        ("P6M", Some(Term::Months(6))),
        ("10 years", Some(Term::Months(120))),
        ("0年", None),
        ("很久", None),
        ("年", None),
        ("", None),
        ("99999999999年", None),
        ("P", None),
    ] {
        assert_eq!(Term::parse(text), wanted, "{text}");
    }
}

#[test]
fn the_catalogue_says_how_long_and_the_longest_counts() {
    let zone = TimeZone::UTC;
    let filed = UtcMs::parse_rfc3339("2026-08-31T10:00:00Z").unwrap();
    let at = |text: &str| UtcMs::parse_rfc3339(text).map(|t| t.0);
    let items = [
        item("现场检查", Some("6个月")),
        item("现场检查", Some("2年")),
        item("听证", Some("永久")),
        item("送达", Some("看情况")),
    ];
    let until = |matter: Option<&str>, term: Term| {
        let shown = Shown { stage: None, matter: matter.map(str::to_owned) };
        keep(&items, &CaseFacts::default(), &shown, ("10年", term), filed, &zone).until_ms
    };
    let ten = Term::Months(120);
    assert_eq!(until(Some("现场检查"), ten), at("2028-08-31T10:00:00Z"));
    assert_eq!(until(Some("听证"), ten), None);
    assert_eq!(until(Some("送达"), ten), at("2036-08-31T10:00:00Z"), "what cannot be read shortens nothing");
    assert_eq!(until(None, ten), at("2036-08-31T10:00:00Z"));
    assert_eq!(until(None, Term::Forever), None);
    assert_eq!(Term::Months(6).until(filed, ten, &zone).map(|t| t.0), at("2027-02-28T10:00:00Z"), "the month's end");
}

#[test]
fn an_item_of_another_kind_or_matter_of_enforcement_keeps_nothing() {
    let zone = TimeZone::UTC;
    let filed = UtcMs::parse_rfc3339("2026-08-31T10:00:00Z").unwrap();
    let of = |subject: &str, term: &str| Item { subject: Some(subject.into()), ..item("现场检查", Some(term)) };
    let licence = Item { kind: Some("许可".into()), ..item("现场检查", Some("永久")) };
    let penalty = Item { kind: Some("行政处罚".into()), ..item("询问", Some("1年")) };
    let items = [of("医疗废物", "永久"), of("公共场所卫生", "6个月"), licence, penalty];
    let shown = Shown { stage: None, matter: Some("现场检查".into()) };
    let basis = |subject: Option<&str>, cause: Option<&str>, items: &[Item]| {
        let case = CaseFacts {
            kind: Some("处罚".into()),
            subject: subject.map(str::to_owned),
            cause: cause.map(str::to_owned),
            ..CaseFacts::default()
        };
        keep(items, &case, &shown, ("10年", Term::Months(120)), filed, &zone).basis
    };
    assert_eq!(basis(Some("公共场所卫生"), None, &items), "现场检查：6个月");
    assert_eq!(basis(Some("医疗废物"), None, &items), "现场检查：永久");
    assert_eq!(basis(None, Some("医疗废物未按规定处置"), &items), "现场检查：永久", "as its cause tells");
    assert_eq!(basis(Some("职业卫生"), None, &items), "10年", "no item is about it");
    assert_eq!(basis(None, None, &items), "现场检查：永久", "where nobody said, nothing is shortened");
    assert_eq!(basis(Some("公共场所卫生"), None, &[items[0].clone(), item("现场检查", Some("2年"))]), "现场检查：2年");
}

#[test]
fn a_kind_that_the_catalogue_writes_otherwise_or_not_at_all_shortens_nothing() {
    let zone = TimeZone::UTC;
    let filed = UtcMs::parse_rfc3339("2026-08-31T10:00:00Z").unwrap();
    let of = |kind: &str, term: &str| Item { kind: Some(kind.into()), ..item("现场检查", Some(term)) };
    let items = [of("处罚", "永久"), of("许可", "6个月"), item("现场检查", Some("2年"))];
    let shown = Shown { stage: None, matter: Some("现场检查".into()) };
    let basis = |kind: &str| {
        let case = CaseFacts { kind: Some(kind.into()), ..CaseFacts::default() };
        keep(&items, &case, &shown, ("10年", Term::Months(120)), filed, &zone).basis
    };
    assert_eq!(basis("行政处罚"), "现场检查：永久");
    assert_eq!(basis("行政许可"), "现场检查：2年");
    assert_eq!(basis("强制"), "现场检查：永久", "no item has it, so each counts");
}
