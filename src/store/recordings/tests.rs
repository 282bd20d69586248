//! Recordings of live streams and of recorders in the network: segments, and what is missing between them.

use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId, RecordingId, StreamName};
use crate::domain::layout;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::replay::{Span, SpanState, Timeline};
use crate::domain::rights::{Role, Roles};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::stream::{
    Cause, Gap, GapKind, PublishedGap, PublishedSegment, RecordingEnd, SegmentEnd, SegmentReach, SegmentStart,
};
use crate::store::tests::{Fixture, fixture};
use crate::store::*;

fn asked(stream: &str, cause: Cause) -> NewRecording {
    NewRecording {
        stream: StreamName::new(stream).unwrap(),
        room: "询问室".into(),
        cause,
        officer: Some("张三".into()),
        co_officers: None,
        case: None,
        matter: None,
        proves: None,
    }
}

impl Fixture {
    fn segment(&self, recording: RecordingId, station_ms: i64, length_ms: i64, source_ms: Option<i64>) -> ClipId {
        let clip = ClipId::generate(station_ms);
        let entry = ShelfEntry {
            path: SourcePath::new(clip.to_string()),
            size_bytes: 0,
            modified_raw: String::new(),
            modified_ms: None,
        };
        let new = NewClip {
            clip,
            recorder: RecorderId::new("room-1").unwrap(),
            dock: None,
            entry,
            declared_bytes: None,
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::Growing,
            evidence: "{}".into(),
            segment: Some(SegmentStart { recording, station_ms }),
        };
        self.store
            .write_blocking(move |tx| {
                tx.new_clip(&new)?;
                tx.segment_reached(clip, SegmentReach { length_ms, source_ms })
            })
            .unwrap();
        clip
    }

    fn published(&self, clip: ClipId) -> (PublishedSegment, Vec<PublishedGap>) {
        let zone = jiff::tz::TimeZone::UTC;
        self.store.read_blocking(|r| r.published_segment(clip, &zone)).unwrap().unwrap()
    }
}

#[test]
fn segments_stand_in_order_and_what_is_missing_between_them_is_told_once() {
    let f = fixture();
    let id =
        f.store.write_blocking(|tx| tx.begin_recording(&asked("room-1", Cause::Person), &Actor::os(7), "cli")).unwrap();
    let at = 1_781_834_604_000;
    let first = f.segment(id, at + 1_000, 60_000, Some(at + 3_600_000));
    f.store.write_blocking(move |tx| tx.segment_ended(first, SegmentEnd::Lost, "cut")).unwrap();
    // The station saw the camera again after 10.1 s; the camera's own clock says that 10 s are missing.
    let second = f.segment(id, at + 71_100, 5_000, Some(at + 3_670_000));
    let gap = Gap { kind: GapKind::Loss, from_ms: 40, to_ms: 2_040, missing_ms: 2_000, count: 120 };
    f.store
        .write_blocking(move |tx| {
            tx.add_gap(second, &gap)?;
            tx.segment_ended(second, SegmentEnd::Length, "")
        })
        .unwrap();
    // The next one follows at once.
    let third = f.segment(id, at + 76_100, 1_000, None);

    let (segment, gaps) = f.published(first);
    assert_eq!((segment.segment_no, segment.previous, gaps.len()), (1, None, 0));
    assert_eq!(segment.next, Some(second.to_string()));
    assert_eq!((segment.ended.as_deref(), segment.ended_detail.as_deref()), (Some("lost"), Some("cut")));
    let (segment, gaps) = f.published(second);
    assert_eq!((segment.segment_no, segment.previous), (2, Some(first.to_string())));
    let told: Vec<_> = gaps.iter().map(|g| (g.kind.as_str(), g.missing_ms, g.count, g.reason.as_deref())).collect();
    assert_eq!(told, [("between", 10_000, 0, Some("lost")), ("loss", 2_000, 120, None)]);
    assert_eq!(f.published(third).1, []);

    // Nothing was recorded in the last eight seconds.
    f.store.write_blocking(move |tx| tx.segment_ended(third, SegmentEnd::Silent, "")).unwrap();
    let clock_ms = f.store.read_blocking(|r| Ok(r.open_recordings()?[0].begun_ms)).unwrap();
    assert_eq!(clock_ms, at, "the clock of this test stands still");
    let ended = f
        .store
        .write_blocking(|tx| {
            tx.end_recording(&StreamName::new("room-1").unwrap(), RecordingEnd::Stopped, &Actor::os(7), "cli")
        })
        .unwrap();
    assert_eq!(ended.segments, 3);
    assert_eq!(f.published(third).1, [], "a clock that stands still says nothing of the end");
}

#[test]
fn what_is_fetched_is_measured_against_what_the_recorder_lists() {
    let f = fixture();
    let recorder = RecorderId::new("36NCC009910").unwrap();
    let at = 1_781_834_604_000;
    let span = |to_ms| Span { item: "R1".into(), from_ms: at, to_ms, grows: false };
    let listed = |to_ms| {
        let (recorder, spans) = (recorder.clone(), [span(to_ms)]);
        f.store
            .write_blocking(move |tx| {
                tx.listed(&recorder, Timeline::Clock, &spans)?;
                tx.read().listed_spans(&recorder)
            })
            .unwrap()
            .remove(0)
    };
    let dock = NewDock {
        bay: BayName::new("net").unwrap(),
        recorder: recorder.clone(),
        identified: "serial".into(),
        kind: "onvif",
        profile: "network".into(),
        model: None,
    };
    f.store.write_blocking(move |tx| tx.dock(&dock)).unwrap();
    let first = listed(at + 60_000);
    assert_eq!((first.missing(), first.state), (vec![(0, 60_000)], SpanState::Waiting));
    let id = first.id;
    let begin = move |tx: &Tx<'_>| tx.begin_pull(id, "wifi-1", "net", 3_600_000, &Actor::daemon());
    let recording = f.store.write_blocking(begin).unwrap();
    assert_eq!(f.store.write_blocking(begin).unwrap(), recording, "once begun, it is the same one");
    let begun = at - 3_600_000;
    // The recorder began with the key frame before, and the line was cut.
    let one = f.segment(recording, begun - 500, 20_500, Some(at - 500));
    f.store.write_blocking(move |tx| tx.segment_ended(one, SegmentEnd::Interrupted, "")).unwrap();
    let unsealed = f.store.read_blocking(move |r| r.listed_span(id)).unwrap();
    assert_eq!(unsealed.missing(), [(0, 60_000)], "what is not sealed is not here");
    f.seal(one, Vec::new());
    let tried = f.store.write_blocking(move |tx| tx.pull_tried(id, true, Some("cut"))).unwrap();
    assert_eq!((tried.missing(), tried.state, tried.tries), (vec![(20_000, 60_000)], SpanState::Waiting, 0));
    let (segment, gaps) = f.published(one);
    let told: Vec<_> = gaps.iter().map(|g| (g.kind.as_str(), g.missing_ms)).collect();
    assert_eq!(told, [("end", 40_000)], "what is listed is missing as long as it is not here");
    assert_eq!(segment.listed.map(|l| (l.length_ms, l.missing_ms)), Some((60_000, 40_000)));
    // It goes on with the key frame before, over a hole of two seconds.
    let two = f.segment(recording, begun + 19_200, 40_800, Some(at + 19_200));
    let gap = Gap { kind: GapKind::Loss, from_ms: 10_000, to_ms: 12_000, missing_ms: 2_000, count: 0 };
    f.store
        .write_blocking(move |tx| {
            tx.add_gap(two, &gap)?;
            tx.segment_ended(two, SegmentEnd::Whole, "")
        })
        .unwrap();
    f.seal(two, Vec::new());
    let told: Vec<_> = f.published(two).1.iter().map(|g| (g.kind.clone(), g.missing_ms, g.from_ms)).collect();
    assert_eq!(told, [("again".to_owned(), 800, Some(0)), ("loss".to_owned(), 2_000, Some(10_000))]);
    assert_eq!(f.published(one).1, []);
    for tries in 1..=3u32 {
        let tried = f.store.write_blocking(move |tx| tx.pull_tried(id, false, Some("no more"))).unwrap();
        assert_eq!((tried.missing(), tried.tries), (vec![(29_200, 31_200)], tries));
        assert_eq!(tried.state, if tries < 3 { SpanState::Waiting } else { SpanState::Short });
    }
    let row = f.store.read_blocking(|r| r.recording_of(two)).unwrap().unwrap();
    assert_eq!((row.ended, row.asked.cause), (Some(RecordingEnd::Short), Cause::Pull));
    // The hole was fetched after all.
    let three = f.segment(recording, begun + 29_000, 2_300, Some(at + 29_000));
    f.store.write_blocking(move |tx| tx.segment_ended(three, SegmentEnd::Whole, "")).unwrap();
    f.seal(three, Vec::new());
    let whole = f.store.write_blocking(move |tx| tx.pull_tried(id, true, None)).unwrap();
    assert_eq!((whole.state, whole.missing_ms(), whole.detail), (SpanState::Whole, 0, None));
    assert_eq!(f.published(three).1, [], "it stands where it stands, and nothing is missing behind it");
    // And it goes on.
    let longer = listed(at + 90_000);
    assert_eq!((longer.id, longer.state, longer.missing()), (id, SpanState::Waiting, vec![(60_000, 90_000)]));
    // Rooms know nothing of it.
    let rooms = f.store.read_blocking(|r| Ok((r.open_recordings()?, r.recordings(10)?))).unwrap();
    assert_eq!((rooms.0.len(), rooms.1.len()), (0, 0));
}

#[test]
fn a_person_s_recording_gives_way_to_nobody() {
    let f = fixture();
    let begin =
        |cause| f.store.write_blocking(move |tx| tx.begin_recording(&asked("room-1", cause), &Actor::daemon(), "cli"));
    let always = begin(Cause::Always).unwrap();
    assert!(begin(Cause::Schedule).is_err());
    let person = begin(Cause::Person).unwrap();
    assert_ne!(always, person);
    assert!(matches!(begin(Cause::Person), Err(StoreError::Conflict(_))));
    let rows = f.store.read_blocking(|r| r.recordings(10)).unwrap();
    assert_eq!(rows.iter().filter(|r| r.ended == Some(RecordingEnd::Replaced)).count(), 1);
    let nobody = StreamName::new("other").unwrap();
    let stop = f.store.write_blocking(move |tx| tx.end_recording(&nobody, RecordingEnd::Stopped, &Actor::os(1), "cli"));
    assert!(matches!(stop, Err(StoreError::NotFound(_))));
}

fn account(f: &Fixture, login: &str, unit: &str, officer: &str) -> i64 {
    let new = NewAccount {
        login: login.into(),
        label: String::new(),
        roles: Roles::new([Role::Officer]).unwrap(),
        unit: Some(unit.into()),
        officers: vec![officer.into()],
        until_ms: None,
        password: "x".into(),
    };
    let made = Draft::by(EventKind::AccountMade, Actor::os(0), "cli");
    f.store.write_blocking(move |tx| tx.add_account(&new, made)).unwrap()
}

#[test]
fn a_recording_is_its_officers_their_unit_s_and_whose_hand_began_it() {
    let f = fixture();
    let stream = StreamName::new("room-1").unwrap();
    let people =
        [("zhang", "一科", "张三"), ("li", "二科", "李四"), ("wang", "一科", "王五"), ("zhao", "三科", "赵六")];
    let [zhang, li, wang, zhao] = people.map(|(login, unit, officer)| account(&f, login, unit, officer));
    let standing = |account: i64| {
        let read = |r: &Reader<'_>| r.recording_standing(&stream, account, &Actor::user(account), 0);
        f.store.read_blocking(read).unwrap()
    };
    assert_eq!(standing(zhang), None, "nothing goes on");
    let new = NewRecording {
        co_officers: Some("李四（110204）".into()),
        case: Some(("赵卫罚〔2026〕12号".into(), "赵卫罚(2026)12".into())),
        ..asked("room-1", Cause::Person)
    };
    let id = f.store.write_blocking(move |tx| tx.begin_recording(&new, &Actor::user(zhao), "web")).unwrap();
    let theirs = |account| standing(account).map(|s| (s.subject.own, s.subject.unit)).unwrap();
    assert_eq!(theirs(zhang), (true, true));
    assert_eq!(theirs(li), (true, false), "who was beside the officer");
    assert_eq!(theirs(wang), (false, true), "of the officer's unit");
    assert_eq!(theirs(zhao), (true, false), "who began it");
    assert_eq!(theirs(0), (false, false), "a program");
    let told = standing(zhang).unwrap();
    assert_eq!((told.about, told.clip), (layout::case_hash("赵卫罚(2026)12"), None));

    // A label that one of its clips got holds for the room, whatever grows now.
    let label = |account| standing(account).unwrap().subject.sensitivity;
    let first = f.segment(id, 1_781_834_605_000, 60_000, None);
    assert_eq!((label(wang), standing(wang).unwrap().clip), (Sensitivity::None, Some(first)));
    let facts = [(Field::Sensitivity, Origin::Person, Sensitivity::Minor.as_str().to_owned())];
    f.store.write_blocking(move |tx| tx.add_facts(first, &Actor::user(zhang), "web", &facts)).unwrap();
    assert_eq!(label(wang), Sensitivity::Minor);
    let second = f.segment(id, 1_781_834_665_000, 1_000, None);
    assert_eq!((label(wang), standing(wang).unwrap().clip), (Sensitivity::Minor, Some(second)));
    let asked = Draft::by(EventKind::Isolated, Actor::user(zhang), "web");
    f.store.write_blocking(move |tx| tx.isolate(first, "maps", &asked)).unwrap();
    assert_eq!(label(zhang), Sensitivity::SuspectedState, "what is isolated is shown to nobody");
}

#[test]
fn what_is_recorded_for_nobody_is_nobody_s() {
    let f = fixture();
    let zhang = account(&f, "zhang", "一科", "张三");
    let new = NewRecording { officer: None, ..asked("room-1", Cause::Always) };
    let id = f.store.write_blocking(move |tx| tx.begin_recording(&new, &Actor::daemon(), "daemon")).unwrap();
    let stream = StreamName::new("room-1").unwrap();
    let read = |r: &Reader<'_>| r.recording_standing(&stream, zhang, &Actor::user(zhang), 0);
    let told = f.store.read_blocking(read).unwrap().unwrap();
    assert_eq!((told.subject.own, told.subject.unit, told.about), (false, false, id.to_string()));
}
