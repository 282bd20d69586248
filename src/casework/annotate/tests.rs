//! Tables of what the rules make of recorder, file, media and roster; hostile text as properties.

use Origin::*;
use proptest::prelude::*;

use super::super::roster;
use super::start::{EARLIEST_MS, MP4_UNSET_MS};
use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::record::settle;
use crate::domain::words::Lang;

mod clock;

const NOON_MS: i64 = 1_781_841_600_000; // 2026-06-19T12:00:00+08:00

/// A clip as a DSJ recorder names it: 10:03:24, ten minutes long, written until 10:13:30.
fn clip() -> ClipEvidence {
    let captures = [("device", "36NCC009910"), ("officer", "000000"), ("date", "20260619"), ("time", "100324")];
    ClipEvidence {
        recorder: RecorderId::new("36NCC009910").unwrap(),
        captures: captures.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        named: Some(named("20260619_100324", "2026-06-19T10:03:24+08:00")),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        modified_is: ModifiedIs::End,
        modified_raw: "2026-06-19 10:13:30".into(),
        modified_ms: Some(ms("2026-06-19T10:13:30+08:00")),
        duration_ms: Some(600_000),
        created_ms: None,
        sidecar: vec![],
        binding: vec![],
        docked_ms: NOON_MS,
        clock: DockClock::default(),
        corrected_start_ms: None,
        issues: Arc::default(),
        recording: None,
    }
}

fn named(raw: &str, reads: &str) -> RecorderTime {
    RecorderTime { raw: raw.into(), at: UtcMs(ms(reads)), offset_s: 8 * 3600 }
}

fn ms(text: &str) -> i64 {
    UtcMs::parse_rfc3339(text).unwrap().0
}

fn rows(lines: &str) -> Vec<RosterRow> {
    let text = format!("officer,recorder,from,to,case,place,matter,proves,stage\n{lines}");
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let roster = roster::read(text.as_bytes(), &zone, &NumberRule::builtin(), 2026).unwrap();
    roster.accept(false).unwrap()
}

fn said(found: &Annotations, field: Field) -> Vec<(Origin, &str)> {
    found.facts.iter().filter(|f| f.field == field).map(|f| (f.origin, f.value.as_str())).collect()
}

fn settled(found: &Annotations, field: Field) -> Option<String> {
    settle(&found.facts).get(&field).map(|f| f.value.clone())
}

#[test]
fn a_row_that_applies_gives_its_facts_and_its_link() {
    let roster = rows(
        "李四,36NCC009911,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕9号,西街,,,\n\
         张三,３６ncc009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚[2026]12号,东关街,现场检查,未公示许可证,调查\n",
    );
    let found = annotate(&clip(), &roster, &[(Field::Agency, "赵县卫健局".into())], 7);
    assert_eq!(said(&found, Field::Officer), [(Roster, "张三")], "000000 is nobody");
    assert_eq!(said(&found, Field::Place), [(Roster, "东关街")]);
    assert_eq!(said(&found, Field::Agency), [(Config, "赵县卫健局")]);
    assert_eq!(
        said(&found, Field::CapturedStart),
        [(FileName, "2026-06-19T10:03:24+08:00"), (FileTime, "2026-06-19T10:03:30+08:00")]
    );
    assert_eq!(settled(&found, Field::CapturedEnd).as_deref(), Some("2026-06-19T10:13:24+08:00"));
    assert_eq!(said(&found, Field::CapturedRaw), [(FileName, "20260619_100324"), (FileTime, "2026-06-19 10:13:30")]);
    assert!(found.facts.iter().all(|f| f.at_ms == 7));
    let link = SuggestedLink {
        case_raw: "赵卫罚[2026]12号".into(),
        case_key: "赵卫罚(2026)12".into(),
        origin: Roster,
        score: 90,
        reason: found.links[0].reason.clone(),
        row: Some(1),
        stage: Some("调查".into()),
        matter: Some("现场检查".into()),
        proves: Some("未公示许可证".into()),
    };
    assert_eq!(
        link.reason.told(Lang::En),
        "roster line 3: 36NCC009910 out from 2026-06-19T09:00:00+08:00 to 2026-06-19T12:00:00+08:00; \
         capture began 2026-06-19T10:03:24+08:00 (file name)"
    );
    assert_eq!(
        link.reason.told(Lang::Zh),
        "排班表第 3 行：36NCC009910 于 2026-06-19 09:00 至 2026-06-19 12:00 领用；2026-06-19 10:03 开始采集（时间依据：文件名）"
    );
    assert_eq!((found.links, found.conflicts, found.odd_times), (vec![link], vec![], vec![]));
}

#[test]
fn which_rows_apply_table() {
    let out = |from: &str, to: &str| {
        rows(&format!("张三,36NCC009910,2026-06-19 {from},2026-06-19 {to},赵卫罚〔2026〕1号,,,,\n"))
    };
    for (from, to, score) in [
        ("09:00:00", "12:00:00", Some(90)),
        ("10:03:24", "10:13:24", Some(90)),
        ("10:03:25", "12:00:00", None),
        ("09:00:00", "10:03:24", None),
        ("09:00:00", "10:03:25", Some(70)),
    ] {
        let found = annotate(&clip(), &out(from, to), &[], 0);
        assert_eq!(found.links.first().map(|l| l.score), score, "{from} to {to}");
        assert_eq!(said(&found, Field::Officer).is_empty(), score.is_none());
    }
    // A person who set the recorder's clock right moves the clip into another row.
    let corrected = ClipEvidence { corrected_start_ms: Some(ms("2026-06-19T15:00:00+08:00")), ..clip() };
    assert_eq!(annotate(&corrected, &out("14:00", "17:00"), &[], 0).links[0].score, 95);
    assert!(annotate(&corrected, &out("09:00", "12:00"), &[], 0).links.is_empty());
}

#[test]
fn rows_that_disagree_decide_nothing() {
    let two_cases = rows(
        "张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,东关街,现场检查,,\n\
         张三,36NCC009910,2026-06-19 10:00,2026-06-19 13:00,赵卫罚〔2026〕2号,西街,现场检查,,\n",
    );
    let found = annotate(&clip(), &two_cases, &[], 0);
    assert_eq!(found.links, []);
    let choice: Vec<_> = found.disputed.iter().map(|l| (l.case_key.as_str(), l.score, l.row)).collect();
    assert_eq!(choice, [("赵卫罚(2026)1", 90, Some(0)), ("赵卫罚(2026)2", 90, Some(1))], "a person chooses");
    assert!(found.disputed.iter().all(|l| l.reason.each().last() == Some(&Ground::RowOfAnotherCase {})));
    assert_eq!(said(&found, Field::Place), []);
    assert_eq!(said(&found, Field::Matter), [(Roster, "现场检查")], "in which they agree");
    let told: Vec<String> = found.conflicts.iter().map(Conflict::to_string).collect();
    assert_eq!(
        told,
        [
            "roster lines 2, 3 apply and differ in place; choose one, or correct the roster",
            "roster lines 2, 3 apply and differ in case; choose one, or correct the roster",
        ]
    );

    let one_case = rows(
        "张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,,,,\n\
         李四,36NCC009910,2026-06-19 10:00,2026-06-19 13:00,赵卫罚【2026】第01号,,,,\n\
         李四,36NCC009910,2026-06-19 10:00,2026-06-19 14:00,,,,,\n",
    );
    let found = annotate(&clip(), &one_case, &[], 0);
    assert_eq!((found.links.len(), found.links[0].score), (1, 70), "one case in two spellings");
    assert_eq!(found.disputed, []);
    assert_eq!(found.conflicts, [Conflict { what: "officer", lines: vec![2, 3, 4] }]);
    assert_eq!(found.links[0].reason.each().last(), Some(&Ground::RowWithoutCase {}));
}

#[test]
fn impossible_times_fall_to_the_next_origin_and_stay_known() {
    let with = |raw: &str, reads: &str| ClipEvidence { named: Some(named(raw, reads)), ..clip() };
    for (raw, reads, why) in [
        ("19700101_080013", "1970-01-01T08:00:13+08:00", Oddity::ClockUnset),
        ("20000101_000005", "2000-01-01T00:00:05+08:00", Oddity::ClockUnset),
        ("20001231_235959", "2000-12-31T23:59:59+08:00", Oddity::ClockUnset),
        ("20260620_120001", "2026-06-20T12:00:01+08:00", Oddity::AfterDock),
    ] {
        let found = annotate(&with(raw, reads), &[], &[], 0);
        assert_eq!(found.odd_times, [OddTime { origin: FileName, raw: raw.into(), why }]);
        assert_eq!(said(&found, Field::CapturedStart), [(FileTime, "2026-06-19T10:03:30+08:00")], "{raw}");
        assert_eq!(settled(&found, Field::CapturedRaw).as_deref(), Some(raw));
    }
    let day_after = with("20260620_120000", "2026-06-20T12:00:00+08:00");
    let shift = rows("张三,36NCC009910,2026-06-20 09:00,2026-06-20 18:00,赵卫罚〔2026〕1号,,,,\n");
    let found = annotate(&day_after, &shift, &[], 0);
    let told: Vec<Oddity> = found.odd_times.iter().map(|o| o.why).collect();
    assert_eq!(told, [Oddity::ClockJumped, Oddity::LaterThanDock]);
    assert_eq!(said(&found, Field::CapturedStart)[0].1, "2026-06-20T12:00:00+08:00", "its own word, and no more");
    assert_eq!((said(&found, Field::Officer), found.links.len()), (vec![], 0));

    let captures = [("date", "2026\n1341"), ("time", "\u{202e}9961")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let found = annotate(&ClipEvidence { named: None, captures, ..clip() }, &[], &[], 0);
    assert_eq!(found.odd_times, [OddTime { origin: FileName, raw: "2026 1341_9961".into(), why: Oddity::Unreadable }]);
    assert_eq!(settled(&found, Field::CapturedStart).as_deref(), Some("2026-06-19T10:03:30+08:00"));

    let january = with("20010101_080000", "2001-01-01T08:00:00+08:00");
    let told: Vec<Oddity> = annotate(&january, &[], &[], 0).odd_times.iter().map(|o| o.why).collect();
    assert_eq!(told, [Oddity::ClockJumped], "long ago, and possible");

    let hopeless =
        ClipEvidence { modified_ms: Some(315_532_800_000), ..with("19700101_000000", "1970-01-01T00:00:00+08:00") };
    let roster = rows("张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,,,,\n");
    let found = annotate(&hopeless, &roster, &[], 0);
    assert_eq!((said(&found, Field::CapturedStart), found.links.len()), (vec![], 0));
    assert_eq!(found.odd_times.len(), 2);
}

#[test]
fn a_clock_that_was_not_set_says_nothing_about_whose_a_clip_is() {
    let unset = ClipEvidence {
        captures: [("officer", "110203"), ("date", "20000101"), ("time", "090000")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        named: Some(named("20000101_090000", "2000-01-01T09:00:00+08:00")),
        binding: vec![(Field::Officer, "王五".into()), (Field::Agency, "赵县卫健局".into())],
        ..clip()
    };
    let by_name = [(Binding, "王五"), (FileName, "110203")];
    let found = annotate(&unset, &[], &[], 0);
    assert_eq!(said(&found, Field::Officer), by_name, "nobody hands it out: it is a person's own");
    assert_eq!(found.passed_over, []);

    // From hand to hand. Whoever copied the files may have dated them: that time says when, and not who.
    let shifts = rows(
        "张三,36NCC009910,2026-06-19 06:00,2026-06-19 14:00,赵卫罚〔2026〕1号,东关街,,,\n\
         李四,36NCC009910,2026-06-19 14:00,2026-06-19 22:00,赵卫罚〔2026〕2号,西街,,,\n",
    );
    let written_in_2000 = ClipEvidence { modified_ms: Some(ms("2000-01-01T09:10:00+08:00")), ..unset.clone() };
    for (clip, start) in [(&unset, Some("2026-06-19T10:03:30+08:00")), (&written_in_2000, None)] {
        let found = annotate(clip, &shifts, &[], 0);
        assert_eq!(settled(&found, Field::CapturedStart).as_deref(), start);
        assert_eq!((said(&found, Field::Officer), said(&found, Field::Place)), (vec![], vec![]));
        assert_eq!((found.links.len(), found.conflicts.len()), (0, 0));
        assert_eq!(found.passed_over, by_name.map(|(origin, who)| over(origin, who, Doubt::CaptureUnknown)));
        assert_eq!(said(&found, Field::Agency), [(Binding, "赵县卫健局")], "whose device it is");
    }
    let stay =
        super::Issue {
            id: 1, officer: "张三".into(), case: None, place: None, matter: None, from_ms: 0, to_ms: None
        };
    let issued = ClipEvidence { issues: vec![stay].into(), ..unset.clone() };
    assert_eq!(said(&annotate(&issued, &[], &[], 0), Field::Officer), [], "the desk gave it to somebody");
    // Once a person has said when, both are followed again.
    let corrected = ClipEvidence { corrected_start_ms: Some(ms("2026-06-19T15:00:00+08:00")), ..written_in_2000 };
    let found = annotate(&corrected, &shifts, &[], 0);
    assert_eq!(settled(&found, Field::Officer).as_deref(), Some("李四"));
    assert_eq!((found.links[0].case_key.as_str(), found.passed_over), ("赵卫罚(2026)2", vec![]));
}

fn over(origin: Origin, said: &str, why: Doubt) -> PassedOver {
    PassedOver { origin, said: said.into(), why }
}

#[test]
fn a_recorder_that_is_handed_out_names_nobody_by_itself() {
    let burned = ClipEvidence {
        captures: [("officer", "110203"), ("date", "20260619"), ("time", "100324")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        binding: vec![(Field::Officer, "王五".into()), (Field::Agency, "赵县卫健局".into())],
        ..clip()
    };
    let itself = [(Binding, "王五"), (FileName, "110203")];
    let waits = itself.map(|(origin, who)| over(origin, who, Doubt::NoStay)).to_vec();
    let stay = |id, officer: &str, from: &str, to: Option<&str>| super::Issue {
        id,
        officer: officer.into(),
        case: None,
        place: None,
        matter: None,
        from_ms: ms(from),
        to_ms: to.map(ms),
    };
    let morning = stay(1, "张三", "2026-06-19T08:00:00+08:00", Some("2026-06-19T09:30:00+08:00"));
    let later = stay(2, "李四", "2026-06-19T11:00:00+08:00", None);
    let now = stay(3, "李四", "2026-06-19T10:00:00+08:00", None);
    let tomorrow = stay(4, "张三", "2026-06-20T08:00:00+08:00", None);
    let row = |officer: &str, recorder: &str, from: &str, to: &str| format!("{officer},{recorder},{from},{to},,,,,\n");
    let (ours, others) = ("36NCC009910", "36NCC009911");
    let hours = |officer: &str, recorder: &str, from: &str, to: &str| {
        row(officer, recorder, &format!("2026-06-19 {from}"), &format!("2026-06-19 {to}"))
    };
    /// What it is, stays at the desk, lines of the roster, whose it is, and whether what the recorder says waits.
    type Row<'a> = (&'a str, Vec<super::Issue>, String, Option<(Origin, &'a str)>, bool);
    let table: Vec<Row<'_>> = vec![
        ("nobody hands it out: it is a person's own", vec![], String::new(), Some((Binding, "王五")), false),
        ("others are handed out", vec![], hours("李四", others, "08:00", "12:00"), Some((Binding, "王五")), false),
        ("between two stays", vec![morning.clone(), later.clone()], String::new(), None, true),
        ("before the first stay, and docked behind its begin", vec![later.clone()], String::new(), None, true),
        ("docked before anybody took it out", vec![tomorrow.clone()], String::new(), Some((Binding, "王五")), false),
        ("within a stay", vec![morning.clone(), now], String::new(), Some((Issue, "李四")), false),
        ("outside the roster's hours", vec![], hours("李四", ours, "10:30", "12:00"), None, true),
        ("within the roster's hours", vec![], hours("李四", ours, "10:00", "12:00"), Some((Roster, "李四")), false),
        (
            "planned for tomorrow",
            vec![],
            row("李四", ours, "2026-06-20 08:00", "2026-06-20 12:00"),
            Some((Binding, "王五")),
            false,
        ),
        (
            "rows that name two",
            vec![],
            hours("李四", ours, "10:00", "12:00") + &hours("张三", ours, "09:00", "12:00"),
            None,
            true,
        ),
        ("no stay, but a row", vec![morning], hours("李四", ours, "10:00", "12:00"), Some((Roster, "李四")), false),
    ];
    for (what, issues, lines, whose, waiting) in table {
        let roster = if lines.is_empty() { vec![] } else { rows(&lines) };
        let found = annotate(&ClipEvidence { issues: issues.into(), ..burned.clone() }, &roster, &[], 0);
        let counts = settle(&found.facts).remove(&Field::Officer).map(|f| (f.origin, f.value));
        assert_eq!(counts, whose.map(|(origin, who)| (origin, who.to_owned())), "{what}");
        assert_eq!(found.passed_over, if waiting { waits.clone() } else { vec![] }, "{what}");
        assert_eq!(said(&found, Field::Agency), [(Binding, "赵县卫健局")], "whose device it is: {what}");
    }
    // A recording in a room is of whoever began it, whoever else carries the camera about.
    let recorded = Recorded { station_ms: ms("2026-06-19T10:03:24+08:00"), ..Recorded::default() };
    let room = ClipEvidence { issues: vec![later].into(), recording: Some(recorded), ..burned };
    let found = annotate(&room, &[], &[], 0);
    assert_eq!((said(&found, Field::Officer), found.passed_over.len()), (itself.to_vec(), 0));
}

#[test]
fn a_clock_that_was_changed_during_a_recording_is_told() {
    let written =
        |minutes: i64| ClipEvidence { modified_ms: clip().modified_ms.map(|ms| ms + minutes * 60_000), ..clip() };
    for (minutes, told) in [(0, false), (9, false), (-9, false), (11, true), (-11, true), (-60 * 24 * 400, true)] {
        let odd = annotate(&written(minutes), &[], &[], 0).odd_times;
        assert_eq!(odd.iter().any(|o| o.why == Oddity::ClockJumped), told, "{minutes}: {odd:?}");
    }
}

#[test]
fn a_files_time_means_what_its_profile_says() {
    let unnamed = ClipEvidence { captures: BTreeMap::new(), named: None, ..clip() };
    for (is, start, end) in [
        (ModifiedIs::End, Some("2026-06-19T10:03:30+08:00"), Some("2026-06-19T10:13:30+08:00")),
        (ModifiedIs::Start, Some("2026-06-19T10:13:30+08:00"), Some("2026-06-19T10:23:30+08:00")),
        (ModifiedIs::Unknown, None, None),
    ] {
        let found = annotate(&ClipEvidence { modified_is: is, ..unnamed.clone() }, &[], &[], 0);
        assert_eq!(settled(&found, Field::CapturedStart).as_deref(), start, "{is:?}");
        assert_eq!(settled(&found, Field::CapturedEnd).as_deref(), end, "{is:?}");
    }
}

#[test]
fn each_origin_reads_its_own_time() {
    let bare = ClipEvidence { captures: BTreeMap::new(), named: None, ..clip() };
    let created = |at: &str| ClipEvidence { created_ms: Some(ms(at)), ..bare.clone() };

    let utc = annotate(&created("2026-06-19T02:03:20Z"), &[], &[], 0);
    assert_eq!(said(&utc, Field::CapturedStart)[0], (Media, "2026-06-19T10:03:20+08:00"));
    assert_eq!(utc.odd_times, []);
    let local = annotate(&created("2026-06-19T10:03:20Z"), &[], &[], 0);
    assert_eq!(said(&local, Field::CapturedStart)[0], (Media, "2026-06-19T10:03:20+08:00"));
    assert_eq!(local.odd_times[0].why, Oddity::LocalInContainer);
    let neither = annotate(&created("2026-06-18T02:03:20Z"), &[], &[], 0);
    assert_eq!(
        said(&neither, Field::CapturedStart)[0],
        (Media, "2026-06-18T10:03:20+08:00"),
        "not to be corrected by a guess"
    );
    let unset = annotate(&ClipEvidence { created_ms: Some(MP4_UNSET_MS), ..bare.clone() }, &[], &[], 0);
    assert_eq!(
        (unset.odd_times.len(), settled(&unset, Field::CapturedStart).as_deref()),
        (0, Some("2026-06-19T10:03:30+08:00"))
    );

    let sidecar = ClipEvidence {
        sidecar: vec![
            (Field::CapturedStart, "2026-06-19 10:03:22".into()),
            (Field::CapturedEnd, "2026-06-19T10:13:20+08:00".into()),
            (Field::Officer, "012345".into()),
            (Field::Lat, "42.38".into()),
            (Field::Place, " \n ".into()),
        ],
        binding: vec![(Field::Officer, "王五".into()), (Field::Agency, "赵县卫健局\u{202e}".into())],
        ..clip()
    };
    let found = annotate(&sidecar, &[], &[], 0);
    assert_eq!(said(&found, Field::CapturedStart)[0], (Sidecar, "2026-06-19T10:03:22+08:00"));
    assert_eq!(settled(&found, Field::CapturedEnd).as_deref(), Some("2026-06-19T10:13:20+08:00"));
    assert_eq!(settled(&found, Field::CapturedRaw).as_deref(), Some("2026-06-19 10:03:22"));
    assert_eq!(said(&found, Field::Officer), [(Sidecar, "012345"), (Binding, "王五")]);
    assert_eq!(said(&found, Field::Agency), [(Binding, "赵县卫健局")]);
    assert_eq!((settled(&found, Field::Lat).as_deref(), said(&found, Field::Place)), (Some("42.38"), vec![]));
}

#[test]
fn the_end_needs_a_duration_or_a_last_write() {
    let unprobed = ClipEvidence { duration_ms: None, ..clip() };
    let found = annotate(&unprobed, &[], &[], 0);
    assert_eq!(said(&found, Field::CapturedEnd), [(FileTime, "2026-06-19T10:13:30+08:00")]);
    let copied = ClipEvidence { modified_ms: Some(ms("2026-06-19T09:00:00+08:00")), ..unprobed };
    assert_eq!(said(&annotate(&copied, &[], &[], 0), Field::CapturedEnd), [], "written before it began");
    let damaged = ClipEvidence { duration_ms: Some(i64::MAX), ..copied };
    assert_eq!(said(&annotate(&damaged, &[], &[], 0), Field::CapturedEnd), []);
}

#[test]
fn only_what_changed_is_said_again() {
    let before = annotate(&clip(), &rows("张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,,东关街,,,\n"), &[], 1);
    assert_eq!(changes(&[], &before.facts, 1), before.facts);
    assert_eq!(changes(&before.facts, &before.facts, 2), []);

    let fact = |field, value: &str, origin, at_ms| Fact { field, value: value.into(), origin, at_ms };
    let mut said = before.facts;
    said.push(fact(Field::Proves, "未公示许可证", Person, 2));
    let after = annotate(&clip(), &rows("李四,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,,,,,\n"), &[], 3);
    let changed = changes(&said, &after.facts, 3);
    assert_eq!(changed, [fact(Field::Officer, "李四", Roster, 3), fact(Field::Place, "", Roster, 3)]);
    said.extend(changed);
    assert_eq!(changes(&said, &after.facts, 4), [], "a withdrawal is said once");
    assert_eq!(settle(&said)[&Field::Proves].value, "未公示许可证");
    assert!(!settle(&said).contains_key(&Field::Place));
}

proptest! {
    #[test]
    fn nothing_a_recorder_says_stops_the_rules(
        (date, time, text) in (any::<String>(), any::<String>(), "\\PC{0,600}|[\\x00-\\x1f]{1,20}"),
        at in any::<Option<i64>>(), offset_s in any::<i32>(), modified in any::<Option<i64>>(), created in any::<Option<i64>>(),
        duration in any::<Option<i64>>(),
        docked in 0..=4_102_444_800_000i64, corrected in any::<Option<i64>>(),
    ) {
        let input = ClipEvidence {
            named: at.map(|at| RecorderTime { raw: text.clone(), at: UtcMs(at), offset_s }),
            captures: [("date", &date), ("time", &time), ("officer", &text)].map(|(k, v)| (k.to_owned(), v.clone())).into(),
            modified_raw: text.clone(),
            modified_ms: modified,
            duration_ms: duration,
            created_ms: created,
            sidecar: Field::ALL.iter().map(|f| (*f, text.clone())).collect(),
            docked_ms: docked,
            corrected_start_ms: corrected,
            ..clip()
        };
        let roster = rows("张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,,,,\n");
        let found = annotate(&input, &roster, &[], 0);
        for fact in &found.facts {
            prop_assert!(!fact.value.is_empty() && fact.value.chars().count() <= MAX_VALUE_CHARS);
            prop_assert!(!fact.value.contains(char::is_control));
            prop_assert!(fact.origin != Person);
        }
        for start in said(&found, Field::CapturedStart) {
            let start = ms(start.1);
            prop_assert!(start >= EARLIEST_MS && start <= docked + DAY_MS);
        }
    }
}

fn issue(id: i64, officer: &str, from: &str, to: Option<&str>) -> super::Issue {
    let at = |time: &str| ms(&format!("2026-06-19T{time}:00+08:00"));
    super::Issue {
        id,
        officer: officer.into(),
        case: None,
        place: None,
        matter: None,
        from_ms: at(from),
        to_ms: to.map(at),
    }
}

#[test]
fn a_clip_is_whose_the_recorder_was_when_capture_began() {
    let mut input = clip(); // 10:03:24
    input.captures.insert("officer".into(), "110203".into());
    input.binding = vec![(Field::Officer, "王明".into())];
    let table = [
        (vec![], Some((Binding, "王明"))),
        // It was handed out by then, and nobody wrote down to whom: what it says of itself waits.
        (vec![issue(1, "李四", "09:00", Some("10:00"))], None),
        (vec![issue(1, "李四", "09:00", Some("10:00")), issue(2, "赵六", "10:00", None)], Some((Issue, "赵六"))),
        (vec![issue(1, "李四", "09:00", Some("11:00")), issue(2, "赵六", "11:00", None)], Some((Issue, "李四"))),
        (vec![issue(1, "李四", "11:00", None)], None),
        // A clock that was put back lets two stays overlap.
        (
            vec![issue(2, "赵六", "09:30", Some("11:00")), issue(1, "李四", "09:00", Some("11:00"))],
            Some((Issue, "赵六")),
        ),
    ];
    for (issues, expected) in table {
        input.issues = issues.clone().into();
        let found = annotate(&input, &[], &[], 7);
        let settled = settle(&found.facts).get(&Field::Officer).map(|f| (f.origin, f.value.clone()));
        assert_eq!(settled, expected.map(|(o, v)| (o, v.to_owned())), "{issues:?}");
        let told = found.facts.iter().any(|f| f.value == "110203" && f.origin == FileName);
        let waits = found.passed_over.iter().any(|p| p.said == "110203" && p.origin == FileName);
        assert!(told != waits && waits == expected.is_none(), "what others say is kept: {found:?}");
    }
}

#[test]
fn what_was_said_at_the_desk_comes_before_the_plan() {
    let roster =
        rows("张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚[2026]12号,东关街,现场检查,未公示许可证,调查\n");
    let mut input = clip();
    // The same officer, and nothing else was said: the plan holds.
    input.issues = vec![issue(1, "张三", "09:00", None)].into();
    let found = annotate(&input, &roster, &[], 7);
    assert_eq!(said(&found, Field::Officer), [(Issue, "张三"), (Roster, "张三")]);
    assert_eq!(settled(&found, Field::Place).as_deref(), Some("东关街"));
    assert_eq!((found.links[0].origin, found.links[0].score), (Roster, 90));
    assert!(found.conflicts.is_empty());

    // The same officer, for another case and place.
    let case = Some(("赵卫罚〔2026〕13号".to_owned(), "赵卫罚(2026)13".to_owned()));
    input.issues = vec![super::Issue { case, place: Some("西街".into()), ..issue(1, "张三", "09:00", None) }].into();
    let found = annotate(&input, &roster, &[], 7);
    assert_eq!(settled(&found, Field::Place).as_deref(), Some("西街"));
    let links: Vec<_> = found.links.iter().map(|l| (l.origin, l.case_key.as_str(), l.score, l.row)).collect();
    assert_eq!(links, [(Issue, "赵卫罚(2026)13", 90, None)]);

    // Another officer: the row was a plan that came otherwise, and gives nothing.
    input.issues = vec![issue(1, "李四", "09:00", None)].into();
    let found = annotate(&input, &roster, &[], 7);
    assert_eq!(said(&found, Field::Officer), [(Issue, "李四")]);
    assert_eq!(said(&found, Field::Place), []);
    assert!(found.links.is_empty());
    assert_eq!(found.conflicts, [Conflict { what: "issue", lines: vec![2] }]);
    assert!(found.conflicts[0].to_string().contains("lines 2 name another officer"));
}
