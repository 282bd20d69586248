//! Tables of recorders whose clock was off: a few minutes cost nothing, and no shift gets another one's clip.

use super::*;
use crate::domain::recorder_clock::{ClockEstimate, ClockHow};
use ClockHow::{Device, NewestFile};

const MIN: i64 = 60_000;

fn at(time: &str) -> i64 {
    ms(&format!("2026-06-19T{time}:00+08:00"))
}

/// Ten minutes from this time on, docked at 18:25 where nothing else is said. It names nobody.
fn captured(time: &str) -> ClipEvidence {
    let start = at(time);
    ClipEvidence {
        named: Some(RecorderTime { raw: time.into(), at: UtcMs(start), offset_s: 8 * 3600 }),
        modified_ms: Some(start + 10 * MIN),
        docked_ms: at("18:25"),
        ..clip()
    }
}

fn off(minutes: i64, how: ClockHow, clip: ClipEvidence) -> ClipEvidence {
    let estimate = Some(ClockEstimate { offset_ms: minutes * MIN, how });
    ClipEvidence { clock: DockClock { estimate, ..clip.clock }, ..clip }
}

fn docked(time: &str, clip: ClipEvidence) -> ClipEvidence {
    ClipEvidence { docked_ms: at(time), ..clip }
}

fn since(time: &str, clip: ClipEvidence) -> ClipEvidence {
    ClipEvidence { clock: DockClock { since_ms: Some(at(time)), ..clip.clock }, ..clip }
}

fn shifts() -> Vec<RosterRow> {
    rows(
        "张三,36NCC009910,2026-06-19 08:00,2026-06-19 18:00,赵卫罚〔2026〕1号,,,,\n\
         李四,36NCC009910,2026-06-19 18:00,2026-06-19 22:00,赵卫罚〔2026〕2号,,,,\n\
         王五,36NCC009911,2026-06-19 09:00,2026-06-19 16:05,赵卫罚〔2026〕3号,,,,\n",
    )
}

/// Whose it is and of which case, and why neither is known.
fn whose(clip: &ClipEvidence, roster: &[RosterRow]) -> (Option<String>, Option<String>, Vec<Oddity>) {
    let found = annotate(clip, roster, &[], 0);
    let raw = settled(&found, Field::CapturedRaw);
    assert_eq!(raw, clip.named.as_ref().map(|n| n.raw.clone()), "what the recorder said is kept");
    assert_eq!(found.disputed, []);
    let case = found.links.first().map(|l| l.case_key.clone());
    let why = found.odd_times.iter().map(|o| o.why).collect();
    (settled(&found, Field::Officer), case, why)
}

#[test]
fn a_clock_that_is_off_gives_no_shift_the_other_s_clip() {
    let (early, late) = (Some(("张三", "赵卫罚(2026)1")), Some(("李四", "赵卫罚(2026)2")));
    let waits = None;
    let ahead = |minutes, time| off(minutes, Device, captured(time));
    let newest = |minutes, time| off(minutes, NewestFile, captured(time));
    for (why, clip, wanted) in [
        ("right", captured("18:20"), late),
        ("right by the recorder's own word", ahead(0, "18:20"), late),
        ("five minutes ahead, over the change of shifts", ahead(5, "18:02"), late),
        ("five minutes behind", ahead(-5, "17:58"), early),
        ("forty minutes ahead: it was 17:40", ahead(40, "18:20"), waits),
        ("forty minutes ahead, hours before", ahead(40, "16:00"), early),
        ("forty minutes ahead, begun just after", ahead(40, "18:02"), waits),
        ("forty minutes behind: it was 18:20", ahead(-40, "17:40"), waits),
        ("forty minutes behind, and it ended behind the change", ahead(-40, "17:15"), waits),
        ("forty minutes behind, hours before", ahead(-40, "16:00"), early),
        ("six minutes ahead, and by its own time it ended behind the change", ahead(6, "17:55"), waits),
        ("six minutes ahead, hours before", ahead(6, "16:00"), early),
        ("ten minutes ahead, docked before the change", docked("17:59", ahead(10, "17:52")), early),
        ("ten minutes ahead, and by its own time begun behind the change", docked("17:59", ahead(10, "18:01")), waits),
        ("before the first shift, by what it was off", ahead(20, "08:10"), waits),
        ("its newest file is from later: by how much nobody knows", newest(25, "16:00"), waits),
        ("the same since it was docked in the same shift", since("08:10", newest(25, "16:00")), early),
        ("the same since it was docked before the shift", since("07:50", newest(25, "16:00")), waits),
        ("the same, named behind the change", since("08:10", newest(25, "18:10")), waits),
        ("a few minutes", newest(4, "18:10"), late),
        ("one file of it has a damaged date", newest(80 * 366 * 24 * 60, "16:00"), early),
    ] {
        let (officer, case, odd) = whose(&clip, &shifts());
        let found = officer.as_deref().zip(case.as_deref());
        assert_eq!(found, wanted, "{why}");
        assert_eq!((officer.is_some(), case.is_some()), (wanted.is_some(), wanted.is_some()), "{why}: neither or both");
        assert_eq!(odd, if wanted.is_none() { vec![Oddity::ClockOff] } else { vec![] }, "{why}");
        // A person who says when has desk and roster followed.
        let corrected = ClipEvidence { corrected_start_ms: Some(at("18:20")), ..clip };
        assert_eq!(whose(&corrected, &shifts()), (Some("李四".into()), Some("赵卫罚(2026)2".into()), vec![]), "{why}");
    }
}

#[test]
fn what_is_later_than_its_dock_says_nobody() {
    for (time, minute, later) in
        [("18:20", "18:05", true), ("18:10", "18:05", false), ("18:11", "18:05", true), ("16:00", "09:00", true)]
    {
        let clip = docked(minute, captured(time));
        let (officer, case, odd) = whose(&clip, &shifts());
        assert_eq!((officer.is_none(), case.is_none()), (later, later), "{time} docked at {minute}");
        assert_eq!(odd, if later { vec![Oddity::LaterThanDock] } else { vec![] });
        let start = settled(&annotate(&clip, &shifts(), &[], 0), Field::CapturedStart);
        assert!(start.is_some_and(|at| at.contains(time)), "its own time stands, and nothing is made of it");
    }
    // However little its clock is off by then: it was set meanwhile.
    let set = off(0, Device, docked("18:05", captured("18:20")));
    assert_eq!(whose(&set, &shifts()).2, [Oddity::LaterThanDock]);
    // A recording in a room is dated by the station.
    let recorded = Recorded { station_ms: at("18:20"), ..Recorded::default() };
    let room = ClipEvidence { recording: Some(recorded), ..docked("18:05", captured("18:20")) };
    assert_eq!(annotate(&room, &[], &[], 0).odd_times, []);
}

#[test]
fn a_clock_that_was_changed_while_it_recorded_says_nobody_at_a_change_of_shifts() {
    let written = |time: &str, clip| ClipEvidence { modified_ms: Some(at(time)), ..clip };
    for (why, clip, odd, officer) in [
        (
            "forty minutes later",
            written("18:24", captured("17:40")),
            &[Oddity::ClockJumped, Oddity::ClockOff][..],
            None,
        ),
        ("forty minutes earlier", written("17:30", captured("18:02")), &[Oddity::ClockJumped, Oddity::ClockOff], None),
        ("in the middle of a shift", written("17:00", captured("16:00")), &[Oddity::ClockJumped], Some("张三")),
        ("ten minutes are a file that was closed late", written("17:59", captured("17:40")), &[], Some("张三")),
    ] {
        let (found, _, told) = whose(&clip, &shifts());
        assert_eq!((found.as_deref(), &told[..]), (officer, odd), "{why}");
    }
    // A date that no running clock wrote is no other reading of it.
    let never = ClipEvidence { modified_ms: Some(315_532_800_000), ..captured("16:00") };
    assert_eq!(whose(&never, &shifts()).0.as_deref(), Some("张三"));
}

#[test]
fn a_stay_at_the_desk_is_no_more_sure_than_the_clock_and_a_person_s_own_recorder_stays_theirs() {
    let stays = [issue(1, "张三", "08:00", Some("18:00")), issue(2, "李四", "18:00", None)];
    let at_desk = |clip| ClipEvidence { issues: Arc::new(stays.clone()), ..clip };
    let officer = |clip: &ClipEvidence| settled(&annotate(clip, &[], &[], 0), Field::Officer);
    assert_eq!(officer(&at_desk(captured("18:20"))).as_deref(), Some("李四"));
    assert_eq!(officer(&at_desk(off(40, Device, captured("18:20")))), None);
    assert_eq!(officer(&at_desk(off(40, Device, captured("16:00")))).as_deref(), Some("张三"));

    // What the recorder says of itself waits with the rest, and counts where nobody hands it out.
    let mut burned = off(40, Device, captured("18:20"));
    burned.captures.insert("officer".into(), "110203".into());
    let found = annotate(&at_desk(burned.clone()), &[], &[], 0);
    assert_eq!(found.passed_over, [over(FileName, "110203", Doubt::CaptureUnknown)]);
    assert!(found.is_clock_doubted() && settled(&found, Field::Officer).is_none());
    let own = annotate(&burned, &[], &[], 0);
    assert_eq!((settled(&own, Field::Officer).as_deref(), own.odd_times.len()), (Some("110203"), 0));
}
