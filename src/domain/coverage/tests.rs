//! Tables of how items stand, and what must hold of any footage.

use proptest::prelude::*;

use super::*;

const ALLOWED: Allowed = Allowed { gap_ms: 10, within_ms: 1000 };
const NOW: i64 = 100_000;

fn item(matter: &str, tier: Tier) -> Item {
    Item {
        kind: None,
        subject: None,
        stage: Some("调查".into()),
        matter: matter.into(),
        tier,
        always: false,
        content: Default::default(),
    }
}

fn clip(matter: &str, from: i64, to: i64) -> Footage {
    Footage {
        matter: Some(matter.into()),
        stage: None,
        span_ms: Some((from, to)),
        lost_ms: vec![],
        sealed_ms: Some(to + 500),
    }
}

fn done(matter: &str, span: Option<(i64, i64)>) -> Done {
    Done { matter: matter.into(), from_ms: span.map(|s| s.0), to_ms: span.map(|s| s.1), days: false }
}

fn of(item: Item, done: Vec<Done>, clips: &[Footage], said: &[NoRecord]) -> Line {
    let case = CaseFacts { done, ..CaseFacts::default() };
    cover(&[item], &case, clips, said, NOW, ALLOWED).lines.remove(0)
}

#[test]
fn how_an_item_stands() {
    use Standing::*;
    use Tier::*;
    let written =
        |written| NoRecord {
            matter: "现场检查".into(), written, reason: "设备故障".into(), ..NoRecord::default()
        };
    let withdrawn = NoRecord { reason: String::new(), ..written(false) };
    let when = Some((1000, 2000));
    let late = Footage { sealed_ms: Some(2000 + 1001), ..clip("现场检查", 1000, 2000) };
    /// What it is, its tier, when it was carried out (if it was, and if that is known), footage, notes, the verdict.
    type Row = (&'static str, Tier, Option<Option<(i64, i64)>>, Vec<Footage>, Vec<NoRecord>, Standing);
    let table: Vec<Row> = vec![
        ("not carried out", Whole, None, vec![], vec![], NotYetDue),
        ("carried out, nothing there", Part, Some(when), vec![], vec![], Missing),
        ("carried out at an unknown time", Part, Some(None), vec![], vec![], Missing),
        ("its footage may still come", Part, Some(Some((NOW - 500, NOW - 10))), vec![], vec![], NotYetDue),
        ("a written record stands for it", Part, Some(when), vec![], vec![written(true)], Replaced),
        ("a reason is no record", Part, Some(when), vec![], vec![written(false)], Explained),
        ("what must be whole has no stand-in", Whole, Some(when), vec![], vec![written(true)], Explained),
        ("a reason that was taken back", Part, Some(when), vec![], vec![written(false), withdrawn], Missing),
        ("a reason for what was not carried out", Part, None, vec![], vec![written(false)], NotYetDue),
        ("no footage is asked for", Written, Some(when), vec![], vec![], Replaced),
        ("footage where none is asked for", Written, Some(when), vec![clip("现场检查", 1, 2)], vec![], Present),
        ("whole", Whole, Some(when), vec![clip("现场检查", 990, 2005)], vec![], Present),
        (
            "in two parts without a gap",
            Whole,
            Some(when),
            vec![clip("现场检查", 990, 1500), clip("现场检查", 1510, 2000)],
            vec![],
            Present,
        ),
        (
            "in two parts with a gap",
            Whole,
            Some(when),
            vec![clip("现场检查", 990, 1500), clip("现场检查", 1511, 2000)],
            vec![],
            Interrupted,
        ),
        (
            "another recorder fills the gap",
            Whole,
            Some(when),
            vec![clip("现场检查", 990, 1500), clip("现场检查", 1400, 1800), clip("现场检查", 1790, 2000)],
            vec![],
            Present,
        ),
        ("begins too late", Whole, Some(when), vec![clip("现场检查", 1011, 2000)], vec![], Interrupted),
        ("ends too early", Whole, Some(when), vec![clip("现场检查", 1000, 1989)], vec![], Interrupted),
        ("a gap where parts are enough", Part, Some(when), vec![clip("现场检查", 1000, 1100)], vec![], Present),
        (
            "without a time of the matter",
            Whole,
            Some(None),
            vec![clip("现场检查", 5, 50), clip("现场检查", 55, 90)],
            vec![],
            Present,
        ),
        (
            "without a time, with a gap",
            Whole,
            None,
            vec![clip("现场检查", 5, 50), clip("现场检查", 80, 90)],
            vec![],
            Interrupted,
        ),
        ("came in too late", Part, Some(when), vec![late], vec![], Late),
        ("footage of another matter", Part, Some(when), vec![clip("送达", 1000, 2000)], vec![], Missing),
    ];
    for (what, tier, carried_out, clips, said, standing) in table {
        let done = carried_out.map(|span| done("现场检查", span)).into_iter().collect();
        let line = of(item("现场检查", tier), done, &clips, &said);
        assert_eq!(line.standing, standing, "{what}: {line:?}");
        assert_eq!(line.due_ms.is_some(), what.contains("still come"), "{what}");
    }
}

/// A matter may be carried out more than once: each time stands by itself.
#[test]
fn each_time_that_a_matter_was_carried_out_counts() {
    use Standing::*;
    const DAY: i64 = 86_400_000;
    let now = 40 * DAY;
    let long = Allowed { gap_ms: 60_000, within_ms: DAY };
    let at = |day: i64, minute: i64| day * DAY + minute * 60_000;
    let time = |day: i64| done("送达", Some((at(day, 540), at(day, 600))));
    let begun = |day: i64| Done { to_ms: None, ..time(day) };
    let unknown = || done("送达", None);
    let shown = |day: i64, from: i64, to: i64| Footage {
        sealed_ms: Some(at(day, to) + 3_600_000),
        ..clip("送达", at(day, from), at(day, to))
    };
    let (first, second) = (shown(1, 539, 601), shown(20, 539, 601));
    let late = Footage { sealed_ms: Some(at(3, 0)), ..first.clone() };
    let undated = Footage { span_ms: None, ..first.clone() };
    let cut_off = Footage { lost_ms: vec![(at(1, 550), at(1, 560))], ..first.clone() };
    let blinked = Footage { lost_ms: vec![(at(1, 550), at(1, 551))], ..first.clone() };
    let reason =
        |written| NoRecord { matter: "送达".into(), written, reason: "没电".into(), ..NoRecord::default() };
    type Row = (&'static str, Tier, Vec<Done>, Vec<Footage>, Vec<NoRecord>, Standing, Vec<(i64, i64)>);
    let (whole, part) = (Tier::Whole, Tier::Part);
    let (gap_20, gap_1) = (vec![(at(20, 540), at(20, 600))], vec![(at(1, 550), at(1, 560))]);
    let table: Vec<Row> = vec![
        ("both", whole, vec![time(1), time(20)], vec![first.clone(), second.clone()], vec![], Present, vec![]),
        ("one of two", whole, vec![time(1), time(20)], vec![first.clone()], vec![], Interrupted, gap_20.clone()),
        ("one of two", part, vec![time(1), time(20)], vec![first.clone()], vec![], Missing, gap_20.clone()),
        (
            "of one it is said why",
            part,
            vec![time(1), time(20)],
            vec![first.clone()],
            vec![reason(false)],
            Explained,
            gap_20,
        ),
        (
            "of one there is a written record",
            part,
            vec![time(1), time(20)],
            vec![first.clone()],
            vec![reason(true)],
            Present,
            vec![],
        ),
        (
            "a clip of an unknown time may be of any",
            part,
            vec![time(1), time(20)],
            vec![undated],
            vec![],
            Present,
            vec![],
        ),
        (
            "a recording of another day",
            part,
            vec![time(1)],
            vec![second.clone()],
            vec![],
            Missing,
            vec![(at(1, 540), at(1, 600))],
        ),
        ("that of today may still come", part, vec![time(1), time(40)], vec![first.clone()], vec![], Present, vec![]),
        (
            "it may still come, and is asked for whole",
            whole,
            vec![time(1), time(40)],
            vec![first.clone()],
            vec![],
            NotYetDue,
            vec![(at(40, 540), at(40, 600))],
        ),
        ("what is to come hides nothing that did not", part, vec![time(1), time(40)], vec![], vec![], Missing, vec![]),
        (
            "nor a gap of long ago",
            whole,
            vec![time(1), time(40)],
            vec![cut_off.clone()],
            vec![],
            Interrupted,
            [gap_1.clone(), vec![(at(40, 540), at(40, 600))]].concat(),
        ),
        (
            "each may come in after itself",
            part,
            vec![time(1), time(20)],
            vec![late, second.clone()],
            vec![],
            Late,
            vec![],
        ),
        (
            "weeks apart, nobody wrote down when",
            whole,
            vec![unknown()],
            vec![first.clone(), second.clone()],
            vec![],
            Present,
            vec![],
        ),
        (
            "a pause of the same day",
            whole,
            vec![],
            vec![shown(1, 0, 10), shown(1, 20, 30)],
            vec![],
            Interrupted,
            vec![(at(1, 10), at(1, 20))],
        ),
        (
            "only the begins are known",
            whole,
            vec![begun(1), begun(20)],
            vec![first.clone(), second.clone()],
            vec![],
            Present,
            vec![],
        ),
        (
            "one begin without a recording",
            whole,
            vec![begun(1), begun(20)],
            vec![first.clone()],
            vec![],
            Interrupted,
            vec![],
        ),
        (
            "recorded too late after its begin",
            whole,
            vec![begun(1)],
            vec![shown(1, 545, 600)],
            vec![],
            Interrupted,
            vec![(at(1, 540), at(1, 545))],
        ),
        ("a camera that was cut off", whole, vec![time(1)], vec![cut_off.clone()], vec![], Interrupted, gap_1),
        (
            "another recorder was there",
            whole,
            vec![time(1)],
            vec![cut_off, shown(1, 549, 561)],
            vec![],
            Present,
            vec![],
        ),
        ("for no longer than is allowed", whole, vec![time(1)], vec![blinked], vec![], Present, vec![]),
        (
            "nobody asks for it, late or not",
            Tier::Written,
            vec![time(1)],
            vec![second.clone()],
            vec![],
            Present,
            vec![],
        ),
    ];
    for (what, tier, done, clips, said, standing, gaps) in table {
        let case = CaseFacts { done, ..CaseFacts::default() };
        let line = cover(&[item("送达", tier)], &case, &clips, &said, now, long).lines.remove(0);
        assert_eq!((line.standing, &line.gaps_ms), (standing, &gaps), "{what}: {line:?}");
    }
}

/// A picture shows that something was carried out at its moment, and nothing from begin to end.
#[test]
fn a_picture_is_of_its_moment_alone() {
    use Standing::*;
    const DAY: i64 = 86_400_000;
    let long = Allowed { gap_ms: 60_000, within_ms: DAY };
    let at = |day: i64, minute: i64| day * DAY + minute * 60_000;
    let time = |day: i64| done("查封扣押", Some((at(day, 540), at(day, 600))));
    let begun = |day: i64| Done { to_ms: None, ..time(day) };
    let brief = |day: i64| Done { to_ms: Some(at(day, 540) + 30_000), ..time(day) };
    let shown = |day: i64, from: i64, to: i64| Footage {
        sealed_ms: Some(at(day, to) + 3_600_000),
        ..clip("查封扣押", at(day, from), at(day, to))
    };
    let picture = |day: i64, minute: i64| shown(day, minute, minute);
    let undated = Footage { span_ms: None, ..picture(1, 0) };
    let (whole, part) = (Tier::Whole, Tier::Part);
    type Row = (&'static str, Tier, Vec<Done>, Vec<Footage>, Standing, Vec<(i64, i64)>, i64);
    let all = vec![(at(1, 540), at(1, 600))];
    let table: Vec<Row> = vec![
        ("of that time", part, vec![time(1)], vec![picture(1, 550)], Present, vec![], 0),
        ("of another day", part, vec![time(1)], vec![picture(15, 550)], Missing, all.clone(), 0),
        ("where nobody wrote down when", part, vec![], vec![picture(1, 550)], Present, vec![], 0),
        ("for a recording", whole, vec![time(1)], vec![picture(1, 550)], Interrupted, all, 0),
        ("at the begin of a recording", whole, vec![begun(1)], vec![picture(1, 540)], Interrupted, vec![], 0),
        ("of what took half a minute", whole, vec![brief(1)], vec![picture(1, 540)], Interrupted, vec![], 0),
        ("where nobody wrote down when", whole, vec![], vec![picture(1, 550)], Interrupted, vec![], 0),
        ("nor when it was taken", whole, vec![], vec![undated.clone()], Interrupted, vec![], 0),
        ("nor of which of the times it is", whole, vec![begun(1)], vec![undated], Interrupted, vec![], 0),
        (
            "hours after the recording",
            whole,
            vec![],
            vec![shown(1, 540, 600), picture(1, 900)],
            Present,
            vec![],
            3_600_000,
        ),
        (
            "beside the recording",
            whole,
            vec![time(1)],
            vec![shown(1, 540, 600), picture(1, 550)],
            Present,
            vec![],
            3_600_000,
        ),
    ];
    for (what, tier, done, clips, standing, gaps, recorded) in table {
        let case = CaseFacts { done, ..CaseFacts::default() };
        let line = cover(&[item("查封扣押", tier)], &case, &clips, &[], 40 * DAY, long).lines.remove(0);
        assert_eq!((line.standing, &line.gaps_ms, line.recorded_ms), (standing, &gaps, recorded), "{what}: {line:?}");
        assert_eq!(line.occasions.is_empty(), standing == Present, "{what}: {line:?}");
    }
}

/// Where somebody wrote down the day alone, it was at any time of that day.
#[test]
fn a_day_alone_is_any_time_of_it() {
    use Standing::*;
    const DAY: i64 = 86_400_000;
    let long = Allowed { gap_ms: 60_000, within_ms: DAY };
    let at = |day: i64, minute: i64| day * DAY + minute * 60_000;
    let day = |day: i64| Done { days: true, ..done("送达", Some((at(day, 0), at(day + 1, 0) - 1))) };
    let shown = |day: i64, from: i64, to: i64| Footage {
        sealed_ms: Some(at(day, to) + 3_600_000),
        ..clip("送达", at(day, from), at(day, to))
    };
    let late = Footage { sealed_ms: Some(at(3, 1)), ..shown(1, 540, 600) };
    let in_time = Footage { sealed_ms: Some(at(3, 0) - 1), ..late.clone() };
    let (whole, part) = (Tier::Whole, Tier::Part);
    type Row = (&'static str, Tier, Vec<Done>, Vec<Footage>, i64, Standing, Vec<(i64, i64)>);
    let table: Vec<Row> = vec![
        ("in the afternoon", part, vec![day(1)], vec![shown(1, 900, 910)], 40, Present, vec![]),
        ("from begin to end", whole, vec![day(1)], vec![shown(1, 540, 600)], 40, Present, vec![]),
        ("late in the evening", whole, vec![day(1)], vec![shown(1, 1380, 1500)], 40, Present, vec![]),
        (
            "with a gap",
            whole,
            vec![day(1)],
            vec![shown(1, 540, 600), shown(1, 610, 620)],
            40,
            Interrupted,
            vec![(at(1, 600), at(1, 610))],
        ),
        (
            "an evening and the next morning",
            whole,
            vec![day(1), day(2)],
            vec![shown(1, 1200, 1230), shown(2, 420, 450)],
            40,
            Present,
            vec![],
        ),
        ("on another day", part, vec![day(1)], vec![shown(3, 540, 600)], 40, Missing, vec![]),
        ("on another day", whole, vec![day(1)], vec![shown(3, 540, 600)], 40, Interrupted, vec![]),
        ("not at all", part, vec![day(1)], vec![], 40, Missing, vec![]),
        ("the day after it", part, vec![day(1)], vec![], 2, NotYetDue, vec![]),
        ("a day after its end", part, vec![day(1)], vec![], 3, Missing, vec![]),
        ("until a day after its end", part, vec![day(1)], vec![in_time], 40, Present, vec![]),
        ("later", part, vec![day(1)], vec![late], 40, Late, vec![]),
    ];
    for (what, tier, done, clips, now, standing, gaps) in table {
        let case = CaseFacts { done, ..CaseFacts::default() };
        let line = cover(&[item("送达", tier)], &case, &clips, &[], at(now, 0), long).lines.remove(0);
        assert_eq!((line.standing, &line.gaps_ms), (standing, &gaps), "{what}: {line:?}");
    }
}

#[test]
fn the_same_matter_in_two_stages_is_two_items() {
    use Standing::*;
    let of = |stage: &str| Item { stage: Some(stage.into()), ..item("直接送达", Tier::Part) };
    let items = [of("告知"), of("决定")];
    let shown = |stage: Option<&str>, from: i64| Footage {
        stage: stage.map(str::to_owned),
        ..clip("直接送达", from, from + 500)
    };
    let standing = |done: Vec<Done>, clips: &[Footage]| {
        let case = CaseFacts { done, ..CaseFacts::default() };
        cover(&items, &case, clips, &[], NOW, ALLOWED).lines.iter().map(|l| l.standing).collect::<Vec<_>>()
    };
    let time = |from: i64| done("直接送达", Some((from, from + 500)));
    assert_eq!(standing(vec![], &[shown(Some("告知"), 1000)]), [Present, NotYetDue]);
    assert_eq!(standing(vec![time(1000)], &[shown(Some("告知"), 1000)]), [Present, NotYetDue], "carried out there");
    assert_eq!(
        standing(vec![time(1000), time(9000)], &[shown(Some("告知"), 1000)]),
        [Present, Missing],
        "where nothing is shown"
    );
    assert_eq!(
        standing(vec![time(1000), time(9000)], &[shown(Some("告知"), 1000), shown(Some("决定"), 9000)]),
        [Present, Present]
    );
    assert_eq!(standing(vec![done("直接送达", None)], &[shown(Some("告知"), 1000)]), [Present, NotYetDue]);
    assert_eq!(standing(vec![], &[shown(None, 1000)]), [Present, Present], "nobody can tell which");
    assert_eq!(standing(vec![], &[shown(Some("执行"), 1000)]), [Present, Present], "of a stage that no item has");
}

#[test]
fn gaps_are_named_and_lengths_are_of_the_union() {
    let clips = [clip("现场检查", 1000, 1400), clip("现场检查", 1300, 1500), clip("现场检查", 1700, 2000)];
    let line = of(item("现场检查", Tier::Whole), vec![done("现场检查", Some((1000, 2000)))], &clips, &[]);
    assert_eq!((line.gaps_ms, line.recorded_ms, line.clips), (vec![(1500, 1700)], 800, 3));
}

#[test]
fn what_belongs_to_every_case_is_due_when_its_stage_is_over() {
    let always = Item { always: true, ..item("告知", Tier::Part) };
    let hearing = item("听证", Tier::Whole);
    let case = |stages: &[&str]| CaseFacts {
        kind: Some("处罚".into()),
        stages: stages.iter().map(|s| (*s).to_owned()).collect(),
        ..CaseFacts::default()
    };
    let standing = |case: &CaseFacts| {
        let found = cover(&[always.clone(), hearing.clone()], case, &[], &[], NOW, ALLOWED);
        found.lines.iter().map(|l| l.standing).collect::<Vec<_>>()
    };
    assert_eq!(standing(&case(&[])), [Standing::NotYetDue, Standing::NotYetDue]);
    assert_eq!(standing(&case(&["调查"])), [Standing::Missing, Standing::NotYetDue]);
    let over = CaseFacts { over: true, ..case(&[]) };
    assert_eq!(standing(&over), [Standing::Missing, Standing::NotYetDue], "with the case each stage of it");
}

#[test]
fn items_of_another_kind_are_no_business_of_the_case() {
    let items = [
        Item { kind: Some("处罚".into()), ..item("现场检查", Tier::Part) },
        Item { kind: Some("许可".into()), ..item("核查", Tier::Part) },
    ];
    let case = CaseFacts { kind: Some("处罚".into()), ..CaseFacts::default() };
    let stage_alone =
        Footage { matter: None, stage: Some("调查".into()), span_ms: None, lost_ms: vec![], sealed_ms: None };
    let found = cover(&items, &case, &[stage_alone, clip("别的", 1, 2)], &[], NOW, ALLOWED);
    assert_eq!(found.lines.len(), 1);
    assert_eq!((found.lines[0].standing, found.beside), (Standing::Present, 1));
    assert!(found.is_complete());
    assert_eq!(found.count(Standing::Present), 1);
    // Where nobody said of what kind it is, only what was carried out counts.
    let unknown = CaseFacts { done: vec![done("核查", None)], ..CaseFacts::default() };
    let found = cover(&items, &unknown, &[], &[], NOW, ALLOWED);
    assert_eq!(found.lines.iter().map(|l| l.item.matter.as_str()).collect::<Vec<_>>(), ["核查"]);
}

#[test]
fn a_kind_is_the_same_with_and_without_its_first_two_characters() {
    let items = [
        Item { kind: Some("处罚".into()), ..item("现场检查", Tier::Part) },
        Item { kind: Some("行政许可".into()), ..item("核查", Tier::Part) },
    ];
    let matters = |kind: &str, carried_out: &[&str]| {
        let done = carried_out.iter().map(|m| done(m, None)).collect();
        let case = CaseFacts { kind: Some(kind.into()), done, ..CaseFacts::default() };
        let found = cover(&items, &case, &[], &[], NOW, ALLOWED);
        found.lines.into_iter().map(|l| l.item.matter).collect::<Vec<_>>()
    };
    assert_eq!(matters("行政处罚", &[]), ["现场检查"]);
    assert_eq!(matters(" 行政　处罚", &[]), ["现场检查"]);
    assert_eq!(matters("许可", &[]), ["核查"]);
    // Of a kind that no item has only what was carried out counts, as where nobody said of which kind it is.
    assert_eq!(matters("强制", &[]), [""; 0]);
    assert_eq!(matters("强制", &["核查"]), ["核查"]);
}

#[test]
fn items_of_another_matter_of_enforcement_are_no_business_of_the_case() {
    let of = |subject: &str, matter: &str| Item { subject: Some(subject.into()), ..item(matter, Tier::Part) };
    let items = [
        of("公共场所卫生", "现场检查"),
        of("医疗废物、放射诊疗", "抽样取证"),
        of("职业卫生", "送达"),
        item("听证", Tier::Part),
    ];
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    for (subject, cause, carried_out, wanted, placed) in [
        ("公共场所卫生", "", vec![], vec!["现场检查", "听证"], true),
        (" 放射 诊疗", "未取得许可", vec![], vec!["抽样取证", "听证"], true),
        ("", "职业卫生", vec![], vec!["送达", "听证"], true),
        ("", "职业卫生", vec!["现场检查"], vec!["送达", "听证"], true),
        ("", "公共场所卫生许可证未公示", vec![], vec!["现场检查", "听证"], true),
        ("学校卫生", "", vec!["现场检查"], vec!["听证"], true),
        // Nobody said, and nothing tells: only what was carried out.
        ("", "", vec![], vec!["听证"], false),
        ("", "未公示许可证", vec!["现场检查"], vec!["现场检查", "听证"], false),
    ] {
        let case = CaseFacts {
            subject: text(subject),
            cause: text(cause),
            done: carried_out.iter().map(|m| done(m, None)).collect(),
            ..CaseFacts::default()
        };
        let found = cover(&items, &case, &[], &[], NOW, ALLOWED);
        let matters: Vec<&str> = found.lines.iter().map(|l| l.item.matter.as_str()).collect();
        assert_eq!((matters, case.is_placed(&items)), (wanted, placed), "{subject} {cause} {carried_out:?}");
    }
    assert!(CaseFacts::default().is_placed(&[item("听证", Tier::Part)]), "where no item asks, nothing is unknown");
}

#[test]
fn tiers_as_sheets_write_them() {
    for (text, tier) in
        [("全过程", Some(Tier::Whole)), (" 重点环节 ", Some(Tier::Part)), ("文字", Some(Tier::Written)), ("也许", None)]
    {
        assert_eq!(Tier::parse(text), tier);
    }
    assert!(Tier::WORDS.iter().all(|(tier, word, _)| Tier::parse(word) == Some(*tier) && tier.as_str() == *word));
}

proptest! {
    /// More footage never makes a case worse, and gaps never overlap what is recorded.
    #[test]
    fn more_footage_is_never_worse(spans in prop::collection::vec((0i64..3000, 0i64..800), 0..8), more in (0i64..3000, 0i64..800)) {
        let make = |spans: &[(i64, i64)]| spans.iter().map(|(from, len)| Footage { sealed_ms: Some(0), ..clip("现场检查", *from, from + len) }).collect::<Vec<_>>();
        let look = |clips: &[Footage]| of(item("现场检查", Tier::Whole), vec![done("现场检查", Some((500, 2500)))], clips, &[]);
        let before = look(&make(&spans));
        let after = look(&make(&[spans.clone(), vec![more]].concat()));
        let missing = |l: &Line| l.gaps_ms.iter().map(|(from, to)| to - from).sum::<i64>();
        if !spans.is_empty() {
            prop_assert!(missing(&after) <= missing(&before), "{:?} {:?}", before, after);
        }
        for (from, to) in &after.gaps_ms {
            prop_assert!(from < to && *from >= 500 && *to <= 2500);
            let within = |(b, e): (i64, i64)| b < e && b < *to && e > *from;
            prop_assert!(!make(&spans).iter().any(|c| c.span_ms.is_some_and(within)));
        }
    }
}
