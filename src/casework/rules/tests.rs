//! Tables of what the rules make of outings, names and registers.

use super::*;
use crate::config::Linking;
use crate::domain::case_number::{CaseKind, NumberRule, ShapeSpec, builtin_shapes};
use crate::domain::coverage::{Item, Tier};
use crate::domain::ids::ClipId;
use crate::domain::register::Entry;
use crate::domain::words::Lang;
use crate::store::CaseRecord;

const NINE: i64 = 1_781_830_800_000; // 2026-06-19T09:00:00+08:00
const MINUTE: i64 = 60_000;

fn clip(start_min: i64, length_min: i64, case: Option<&str>) -> Neighbour {
    let cases = case.map(|c| (c.to_owned(), c.to_owned(), "person".to_owned(), 100)).into_iter().collect();
    Neighbour {
        clip: ClipId::generate(NINE),
        start_ms: NINE + start_min * MINUTE,
        end_ms: NINE + (start_min + length_min) * MINUTE,
        unlinked: case.is_none(),
        partner: None,
        cases,
    }
}

fn cases(list: &[(&str, &[(&str, &str)])]) -> CaseIndex {
    let record = |(number, values): &(&str, &[(&str, &str)])| CaseRecord {
        case_id: 1,
        number: (*number).to_owned(),
        key: (*number).to_owned(),
        entry: Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
    };
    CaseIndex::of(list.iter().map(record).collect(), &[], &[])
}

fn found(about: &About<'_>, cases: &CaseIndex) -> Vec<(String, String, u32)> {
    let linking = Linking::default();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let all = suggest(about, cases, &linking, &NumberRule::builtin(), 2026, &zone);
    all.into_iter().map(|s| (s.rule, s.case_key, s.score)).collect()
}

fn one(rule: &str, key: &str, score: u32) -> Vec<(String, String, u32)> {
    vec![(rule.to_owned(), key.to_owned(), score)]
}

#[test]
fn numbers_in_names_and_sidecars() {
    let none = CaseIndex::default();
    let key = "赵卫罚(2026)12";
    for (text, wanted) in [
        ("赵卫罚〔2026〕12号.mp4", one("tag", key, 85)),
        ("赵卫罚[2026]012号_现场检查_001.mp4", one("tag", key, 85)),
        ("20260619_赵卫罚（2026）12号+2.avi", one("tag", key, 85)),
        ("(2026)冀0133行罚12号 送达.mp4", one("tag", "(2026)冀0133行罚12", 85)),
        ("DSJ_36NCC009910_110203_20260619_100324.mp4", vec![]),
        ("赵卫罚2026-12.mp4", vec![]),
        ("clip.mp4", vec![]),
        ("", vec![]),
    ] {
        let about = About { texts: vec![(Holder::FileName, text)], ..About::default() };
        assert_eq!(found(&about, &none), wanted, "{text}");
    }
    let two = About {
        texts: vec![(Holder::FileName, "赵卫罚〔2026〕1号_赵卫罚〔2026〕2号.mp4")], ..About::default()
    };
    let both = ["赵卫罚(2026)1", "赵卫罚(2026)2"].map(|key| ("tag".to_owned(), key.to_owned(), BARE_DIGITS));
    assert_eq!(found(&two, &none), both, "two numbers: neither is sure");
}

/// The built-in numbers, those of inspection tasks, and what stands for no case.
fn agency_rule() -> NumberRule {
    let spec = |name: &str, regex: &str, display: &str, key: &str, kind, example: &str| ShapeSpec {
        name: name.into(),
        regex: regex.into(),
        display: display.into(),
        key: key.into(),
        kind,
        example: example.into(),
    };
    let task = "JC-(?<year>[0-9]{4})-(?<serial>[0-9]+)";
    let (unfiled, unfiled_as) = (r"日常检查(?:\(未立案\))?", "日常检查(未立案)");
    let mut shapes = vec![
        spec("inspection", task, "JC-{year}-{serial}", "JC-{year}-{serial#}", CaseKind::Inspection, "JC-2026-311"),
        spec("unfiled", unfiled, unfiled_as, unfiled_as, CaseKind::Unfiled, unfiled_as),
    ];
    shapes.extend(builtin_shapes());
    NumberRule::with_shapes(2, shapes).unwrap()
}

/// A number stands in a title: what stands beside it tells the matter, and only another case contradicts it.
#[test]
fn a_title_is_about_its_case_and_tells_the_matter() {
    let item = |stage: &str, matter: &str| Item {
        kind: None,
        subject: None,
        stage: Some(stage.into()),
        matter: matter.into(),
        tier: Tier::Part,
        always: false,
        content: Default::default(),
    };
    let registered = cases(&[("行罚(2026)7", &[]), ("现场检查站罚(2026)8", &[])])
        .with_words_of(&[item("催告", "水质快检"), item("调查", "现场检查")]);
    let rule = agency_rule();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let found = |texts: &[&'static str]| {
        let texts = texts.iter().map(|text| (Holder::Sidecar, *text)).collect();
        let about = About { texts, ..About::default() };
        let all = suggest(&about, &registered, &Linking::default(), &rule, 2026, &zone);
        let word = |word: Option<String>| word.unwrap_or_default();
        all.into_iter().map(|s| (s.case_key, s.score, word(s.matter), word(s.stage))).collect::<Vec<_>>()
    };
    let key = "赵卫罚(2026)12";
    let one = |key: &str, matter: &str, stage: &str| vec![(key.to_owned(), 85, matter.to_owned(), stage.to_owned())];
    let unsure = |keys: &[&str]| {
        keys.iter().map(|key| ((*key).to_owned(), BARE_DIGITS, String::new(), String::new())).collect::<Vec<_>>()
    };
    for (title, wanted) in [
        ("现场检查 赵卫罚〔2026〕12号", one(key, "现场检查", "")),
        ("现场检查　赵卫罚〔2026〕12号 某饭店", one(key, "现场检查", "")),
        ("现场检查 某饭店 赵卫罚〔2026〕12号", one(key, "现场检查", "")),
        ("赵卫罚〔2026〕12号 现场检查", one(key, "现场检查", "")),
        ("赵卫罚[2026]012号_留置送达_001.mp4", one(key, "留置送达", "")),
        ("现场检查赵卫罚〔2026〕12号", one(key, "现场检查", "")),
        ("现场检查-赵卫罚〔2026〕12号.mp4", one(key, "现场检查", "")),
        ("水质快检 赵卫罚〔2026〕12号", one(key, "水质快检", "")),
        ("送达 赵卫罚〔2026〕12号", one(key, "送达", "")),
        ("催告 赵卫罚〔2026〕12号", one(key, "", "催告")),
        ("赵卫罚 〔2026〕 12号", one(key, "", "")),
        // What there was before the case says nothing against it.
        ("日常检查 赵卫罚〔2026〕12号", one(key, "日常检查", "")),
        ("日常检查（未立案） 赵卫罚〔2026〕12号", one(key, "", "")),
        ("JC-2026-0311 赵卫罚〔2026〕12号", one(key, "", "")),
        ("JC-2026-0311_现场检查", one("JC-2026-311", "现场检查", "")),
        ("日常检查", vec![]),
        ("现场检查", vec![]),
        // Two cases contradict each other, and so do two readings of one number.
        ("赵卫罚〔2026〕12号_赵卫罚〔2026〕13号.mp4", unsure(&[key, "赵卫罚(2026)13"])),
        ("赵公（治） 行罚〔2026〕9号", unsure(&["行罚(2026)9", "赵公(治)行罚(2026)9"])),
        // A case that the register knows is meant, whatever else it might be.
        ("赵公（治） 行罚〔2026〕7号", one("行罚(2026)7", "", "")),
        ("现场检查站 罚〔2026〕8号", one("现场检查站罚(2026)8", "", "")),
        ("现场检查站罚〔2026〕8号", one("现场检查站罚(2026)8", "", "")),
    ] {
        assert_eq!(found(&[title]), wanted, "{title}");
    }
    assert_eq!(found(&["JC-2026-0311", "赵卫罚〔2026〕12号"]), one(key, "", ""), "in two texts");
    assert_eq!(
        found(&["赵卫罚〔2026〕12号", "赵卫罚〔2026〕012号 送达"]),
        one(key, "送达", ""),
        "the same number twice"
    );
}

#[test]
fn the_outing_says_where_a_clip_belongs() {
    let none = CaseIndex::default();
    let of = |neighbours: &[Neighbour]| {
        let about = About { start_ms: Some(NINE), end_ms: Some(NINE + 10 * MINUTE), neighbours, ..About::default() };
        found(&about, &none)
    };
    assert_eq!(of(&[]), []);
    assert_eq!(of(&[clip(-20, 15, Some("A"))]), one("neighbour", "A", 75));
    assert_eq!(
        of(&[clip(-20, 15, Some("A")), clip(12, 5, Some("A"))]),
        one("neighbour", "A", 75),
        "as sure as it may be"
    );
    assert_eq!(of(&[clip(-200, 10, Some("A"))]), [], "longer ago than an outing's pause");
    assert_eq!(
        of(&[clip(-200, 10, Some("A")), clip(-120, 100, None)]),
        one("neighbour", "A", 49),
        "a clip in between makes it one outing; that far away it is less sure"
    );
    let both = of(&[clip(-20, 15, Some("A")), clip(12, 5, Some("B"))]);
    assert_eq!(both.iter().map(|b| b.2).collect::<Vec<_>>(), [55, 55], "between two cases nobody can tell");
    let mut guessed = clip(-20, 15, Some("A"));
    guessed.cases[0] = ("A".into(), "A".into(), "rule".into(), 75);
    assert_eq!(of(&[guessed]), [], "a guess is no evidence for the next one");
}

#[test]
fn outings_end_at_long_pauses() {
    let clips =
        [clip(-300, 10, None), clip(-100, 30, None), clip(-60, 50, None), clip(20, 10, None), clip(200, 5, None)];
    let starts = |gap: i64| {
        outing(&clips, NINE, NINE + 10 * MINUTE, gap * MINUTE)
            .iter()
            .map(|c| (c.start_ms - NINE) / MINUTE)
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(120), [-100, -60, 20]);
    assert_eq!(starts(10), [-100, -60, 20]);
    assert_eq!(starts(9), [-1; 0]);
    assert_eq!(starts(1000), [-300, -100, -60, 20, 200]);
}

#[test]
fn a_registered_case_pulls_its_earlier_clips() {
    let register = cases(&[
        (
            "A",
            &[
                ("officers", "张三"),
                ("place", "赵县东关街18号"),
                ("party", "某饭店"),
                ("opened", "2026-06-22T00:00:00+08:00"),
                ("lat", "37.7560"),
                ("lon", "114.7760"),
            ],
        ),
        ("B", &[("officers", "张三"), ("place", "西街3号"), ("opened", "2026-06-20T00:00:00+08:00")]),
        ("C", &[("officers", "张三"), ("place", "东关街18号"), ("opened", "2025-01-20T00:00:00+08:00")]),
        (
            "D",
            &[
                ("officers", "李四"),
                ("place", "东关街18号"),
                ("opened", "2026-06-20T00:00:00+08:00"),
                ("closed", "2026-06-01T00:00:00+08:00"),
            ],
        ),
    ]);
    let officers = vec!["张三".to_owned()];
    let about = |place, party, position| About {
        start_ms: Some(NINE),
        officers: officers.clone(),
        place,
        party,
        position,
        ..About::default()
    };
    assert_eq!(found(&about(Some("东关街18号"), None, None), &register), one("register", "A", 75), "officer and place");
    assert_eq!(found(&about(None, Some("某饭店"), None), &register), one("register", "A", 75), "officer and party");
    assert_eq!(
        found(&about(None, None, Some((37.7561, 114.7761))), &register),
        one("register", "A", 75),
        "officer and position"
    );
    assert_eq!(found(&about(Some("南街1号"), None, None), &register), [], "an officer alone has many cases");
    let nobody = About { officers: vec![], ..about(None, None, Some((37.7561, 114.7761))) };
    assert_eq!(found(&nobody, &register), one("place", "A", 40), "a position alone says little");
    let later = About { start_ms: Some(NINE + 200 * DAY_MS), ..about(Some("东关街18号"), None, None) };
    assert_eq!(found(&later, &register), [], "half a year after it was opened");
    let undated = About { start_ms: None, ..about(Some("东关街18号"), None, None) };
    assert_eq!(found(&undated, &register), []);
}

#[test]
fn an_inspection_becomes_a_case() {
    let here = ("place", "赵县东关街18号");
    let register = cases(&[
        ("A", &[("officers", "张三"), here]),
        ("B", &[("officers", "李四"), here]),
        ("C", &[here]),
        ("D", &[("officers", "张三")]),
    ]);
    let case = |key: &str| register.case(key).unwrap();
    let about = |officers: &[&str], after: Vec<&'static str>| {
        let after = after.into_iter().map(case).collect();
        let about = About {
            officers: officers.iter().map(|o| (*o).to_owned()).collect(),
            place: Some("东关街18号"),
            after: vec![("JC-2026-311".into(), after)],
            ..About::default()
        };
        found(&about, &register)
    };
    assert_eq!(about(&["张三"], vec!["A"]), one("earlier", "A", 95));
    assert_eq!(about(&[], vec!["C"]), one("earlier", "C", 95), "whose officers nobody wrote down");
    assert_eq!(about(&["王五"], vec!["A"]), one("earlier", "A", 75));
    assert_eq!(about(&["张三"], vec!["D"]), one("earlier", "D", 75), "of which nobody wrote down where");
    let two = about(&["张三"], vec!["A", "B"]);
    assert_eq!(
        two.iter().map(|t| t.2).collect::<Vec<_>>(),
        [70, 70],
        "an inspection that led to two cases leaves a choice"
    );
}

/// One task, a morning at several shops, and a case at one of them.
#[test]
fn a_task_of_several_shops_gives_a_case_its_own_shop_s_clips_alone() {
    let register = cases(&[(
        "A",
        &[
            ("officers", "张三"),
            ("place", "赵县东关街18号"),
            ("party", "某饭店"),
            ("opened", "2026-06-22T00:00:00+08:00"),
            ("closed", "2026-07-22T00:00:00+08:00"),
            ("lat", "37.7560"),
            ("lon", "114.7760"),
        ],
    )]);
    let linking = Linking::default();
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let ask = |about: &About<'_>| {
        let about = About {
            officers: vec!["张三".into()],
            after: vec![("JC-2026-311".into(), vec![register.case("A").unwrap()])],
            start_ms: about.start_ms.or(Some(NINE)),
            ..about.clone()
        };
        let found = suggest(&about, &register, &linking, &NumberRule::builtin(), 2026, &zone);
        let said = earlier(&about, &linking, &zone).remove(0);
        (found[0].score, said.score.min(95), said.reason.each().to_vec())
    };
    let of = |place, party, position| About { place, party, position, ..About::default() };
    let (near, far) = (Some((37.7561, 114.7761)), Some((37.7660, 114.7760)));
    for (why, about, sure) in [
        ("its place", of(Some("东关街18号"), None, None), true),
        ("its party", of(None, Some("某饭店"), None), true),
        ("its place, and near it", of(Some("赵县东关街１８号 某饭店"), None, near), true),
        ("nothing is known", of(None, None, None), false),
        ("the street of it", of(Some("东关街"), None, None), false),
        ("near it, as the shop next door is", of(None, None, near), false),
        ("another shop", of(Some("西街3号"), None, None), false),
        ("another number of its street", of(Some("东关街118号"), None, None), false),
        ("its place in words, and a kilometre away", of(Some("东关街18号"), None, far), false),
        ("another party at its place", of(Some("东关街18号"), Some("某网吧"), None), false),
        ("its party at another place", of(Some("西街3号"), Some("某饭店"), None), false),
        (
            "its place, two months before it was opened",
            About { start_ms: Some(NINE - 60 * DAY_MS), ..of(Some("东关街18号"), None, None) },
            false,
        ),
        (
            "its place, a month after it was closed",
            About { start_ms: Some(NINE + 60 * DAY_MS), ..of(Some("东关街18号"), None, None) },
            false,
        ),
    ] {
        let (score, own, grounds) = ask(&about);
        assert_eq!((score >= linking.link_score, own == 95), (sure, sure), "{why}: {score} {own}");
        assert!(grounds.len() > 1, "{why}: what fits or does not is told");
        let told = |lang| Grounds::from(grounds.last().unwrap().clone()).told(lang);
        assert!(!told(Lang::Zh).is_empty() && !told(Lang::En).is_empty());
    }
    let (_, _, grounds) = ask(&of(Some("西街3号"), Some("某网吧"), None));
    let against = [
        Ground::OtherPlace { here: "西街3号".into(), there: "赵县东关街18号".into() },
        Ground::OtherParty { party: "某网吧".into() },
    ];
    assert_eq!(grounds[1..], against);
    // A lower bar for links does not let it through either.
    let low = Linking { link_score: 60, ..Linking::default() };
    let about = About {
        officers: vec!["张三".into()],
        after: vec![("JC-2026-311".into(), vec![register.case("A").unwrap()])],
        ..About::default()
    };
    assert_eq!(earlier(&about, &low, &zone)[0].score, 59);
}

#[test]
fn every_rule_can_be_switched_off() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let off = Linking { tag: 0, earlier: 0, neighbour: 0, register: 0, place: 0, ..Linking::default() };
    let neighbours = [clip(-20, 15, Some("A"))];
    let about = About {
        start_ms: Some(NINE),
        texts: vec![(Holder::FileName, "赵卫罚〔2026〕12号.mp4")],
        neighbours: &neighbours,
        ..About::default()
    };
    assert_eq!(suggest(&about, &CaseIndex::default(), &off, &NumberRule::builtin(), 2026, &zone), []);
    assert!(Rule::ALL.iter().all(|r| r.most(&Linking::default()) > 0));
}
