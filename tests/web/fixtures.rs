//! Facts that stand still, for the page: one scene a state that a station can be in. All of it is invented.

#![allow(clippy::unwrap_used)] // A test's facts; a poisoned lock means that the test has already failed.

mod documents;
mod keeping;
pub mod office;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use evidock::domain::clip::{ClipState, Local, ProofLevel, SightingState};
use evidock::domain::command::{Ask, Caller, FileDocument, Incoming, Reply, Request};
use evidock::domain::coverage::{Coverage, Item, Line, NoRecord, Said, Standing, Tier};
use evidock::domain::derivative::{Form, Kind, Method, Order, State};
use evidock::domain::digest::{Blake3, Sha256};
use evidock::domain::elsewhere::{AnswerElsewhere, CatalogueLine, FoundElsewhere, Stands};
use evidock::domain::event::{Actor, EventKind};
use evidock::domain::export::{ExportState, Target};
use evidock::domain::ids::ClipId;
use evidock::domain::ports::{
    BoxFuture, ClipBytes, DeriveError, FootageError, FootageStream, MediaHealth, PreviewPiece, ProbeError,
};
use evidock::domain::proof::TlogProof;
use evidock::domain::record::{CaseLink, Copy, Hole, Origin, Provenance, Record, Registered};
use evidock::domain::recorder::{Held, HeldDevice, Holder};
use evidock::domain::rights::{Over, Subject, Within};
use evidock::domain::sensitivity::Sensitivity;
use evidock::domain::stream::{Cause, PublishedGap, PublishedSegment, Pulse, Track};
use evidock::domain::time::UtcMs;
use evidock::domain::why::Why;
use evidock::runtime::board::StreamState;
use evidock::runtime::clock::StoppedClock;
use evidock::store::{ClipStanding, DerivativeRow, DerivedFile};
use evidock::web::live::Live;
use evidock::web::site::{Door, Media, MediaFile, Pages, Part, ReadError, RecordPage, Site};
use evidock::web::view::Frame;
use evidock::web::view::alarms::{AlarmsView, OverView, ReceiverView};
use evidock::web::view::case::{CaseAnswer, CaseView};
use evidock::web::view::clip::{ClipView, CustodyEntry, ProofView, SightingView};
use evidock::web::view::clips::{CaseRow, CasesView, ClipRow, ClipsQuery, ClipsView, Problem};
use evidock::web::view::derived::DerivedView;
use evidock::web::view::exports::{ExportView, ExportsView};
use evidock::web::view::log::{Called, LogEntry, LogQuery};
use evidock::web::view::rooms::{RecordingView, RoomView, RoomsView};
use evidock::web::view::station::*;
use evidock::web::view::triage::{Offered, OfferedBy, Suggested, TriageCard, TriageView};
use jiff::tz::TimeZone;

mod oversight;

/// A state that a station can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A fresh station.
    Empty,
    /// The end of a shift.
    Busy,
    /// Everything that can go wrong.
    Failing,
    /// Thirty bays.
    Overloaded,
    /// Names that try to break the page.
    Hostile,
    /// Devices that are not read, one of each kind.
    Held,
}

impl Scene {
    pub const ALL: [Scene; 6] =
        [Scene::Empty, Scene::Busy, Scene::Failing, Scene::Overloaded, Scene::Hostile, Scene::Held];
}

/// 2026-06-19 19:42:07 in the station's zone.
pub const NOW: i64 = 1_781_869_327_000;
pub const CASE: &str = "赵卫罚〔2026〕112号";
pub const NASTY: &str =
    "\"><script>alert(1)</script>' onload=x {{7*7}} \u{202e}很长很长很长很长很长很长很长很长很长很长很长很长";

pub fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

pub fn clip_id(n: i64) -> ClipId {
    // Fixed, so that addresses are the same from run to run.
    format!("019aa2c4-7f00-7abc-8def-{n:012}").parse().expect("a clip id")
}

/// Bytes that can be told apart by their offset.
pub struct Pattern(pub u64);

impl ClipBytes for Pattern {
    fn size_bytes(&self) -> u64 {
        self.0
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream {
        let end = range.end.min(self.0);
        let chunks = (range.start..end).step_by(100_000).map(move |at| {
            let chunk: Vec<u8> = (at..(at + 100_000).min(end)).map(|n| (n % 251) as u8).collect();
            Ok(Bytes::from(chunk))
        });
        Box::pin(futures_util::stream::iter(chunks.collect::<Vec<_>>()))
    }
}

/// A picture in the place of any other one, drawn by ffmpeg.
const STILL: &[u8] = include_bytes!("still.jpg");

/// Length of every fixture's media.
pub const MEDIA_BYTES: u64 = 700_000;

pub struct FixturePages(pub Scene);

/// Remembers what was asked; refuses what it is told to.
#[derive(Default)]
pub struct Asked {
    pub requests: Mutex<Vec<Request>>,
    pub refuse: Mutex<Option<Reply>>,
}

impl Asked {
    pub fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Ask for Asked {
    fn ask<'a>(&'a self, _: &'a Caller, request: Request) -> BoxFuture<'a, Reply> {
        self.requests.lock().unwrap().push(request);
        let reply = self.refuse.lock().unwrap().clone().unwrap_or(Reply::Done(serde_json::json!({ "seq": 41 })));
        Box::pin(async move { reply })
    }

    fn file<'a>(&'a self, _: &'a Caller, document: FileDocument, _: Incoming) -> BoxFuture<'a, Reply> {
        self.requests.lock().unwrap().push(Request::FileDocument(document));
        let reply = self.refuse.lock().unwrap().clone().unwrap_or(Reply::Done(serde_json::json!({ "known": false })));
        Box::pin(async move { reply })
    }
}

/// A station without accounts, on loopback.
pub fn site(scene: Scene) -> (Arc<Site>, Arc<Asked>) {
    site_behind(scene, Door::default())
}

/// The same behind a door.
pub fn site_behind(scene: Scene, door: Door) -> (Arc<Site>, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let pages = Arc::new(FixturePages(scene));
    let site = Site::new(pages, asked.clone(), StoppedClock::at(NOW), zone(), None, Live::new(1), door);
    (site, asked)
}

/// How the clip with a number stands to every account: 1 is their own, 2 their unit's, 3 sent to them, 4 nobody's, 6 their
/// own and 7 nobody's, both of a minor.
pub fn standing(n: i64) -> Subject {
    let sensitivity = if n >= 6 { Sensitivity::Minor } else { Sensitivity::None };
    Subject { own: n == 1 || n == 6, unit: n == 1 || n == 2, sent: n == 3, sensitivity }
}

/// Whether what belongs to the clip with a number (a case, a sample, a party) lies within bounds.
pub fn shown(within: &Within, n: i64) -> bool {
    let subject = standing(n);
    let is_under = |over: &Over| match over {
        Over::All => true,
        Over::Own => subject.own,
        Over::Unit => subject.unit,
        Over::Sent => subject.sent,
    };
    match within {
        Within::Everything => true,
        Within::Of { stretches, .. } => {
            stretches.iter().any(|(over, up_to)| is_under(over) && subject.sensitivity <= *up_to)
        }
    }
}

/// The number behind a name that is made so.
fn behind(name: &str, before: &str) -> Option<i64> {
    name.strip_prefix(before).and_then(|n| n.parse().ok())
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, ReadError>> {
    Box::pin(async move { Ok(value) })
}

/// One derived file of each state.
fn derived(scene: Scene, clip: ClipId) -> Vec<DerivedView> {
    let file = DerivedFile {
        form: Form::Png,
        method: Method::Decoded,
        from_ms: 12_480,
        to_ms: 12_480,
        size_bytes: 2_480_331,
        blake3: Blake3([1; 32]),
        sha256: Sha256([2; 32]),
        parent_blake3: Blake3([3; 32]),
        parent_sha256: Sha256([4; 32]),
        tool: "evidock 0.1.0, GStreamer 1.22.0".into(),
    };
    let row = |n: i64, kind: Kind, state: State| DerivativeRow {
        id: clip_id(900 + n).to_string(),
        clip,
        order: Order { kind, png: true, from_ms: 12_500, to_ms: (kind != Kind::Frame).then_some(20_000), exact: true },
        reason: if scene == Scene::Hostile { NASTY.into() } else { "制作处罚决定书附图".into() },
        mark: None,
        asked_by: Actor::user(3),
        via: "web".into(),
        from_where: "10.0.0.8".into(),
        asked_ms: NOW - n * MIN,
        state,
        words: (state == State::Failed).then(|| "there is no picture, or nothing at that place of the clip".into()),
        file: matches!(state, State::Ready | State::Gone).then(|| file.clone()),
        ended_ms: Some(NOW - n * MIN),
    };
    [
        (1, Kind::Watermark, State::Making),
        (2, Kind::Frame, State::Ready),
        (3, Kind::Trim, State::Failed),
        (4, Kind::Trim, State::Gone),
    ]
    .map(|(n, kind, state)| DerivedView(row(n, kind, state)))
    .into()
}

fn rooms(scene: Scene) -> RoomsView {
    if scene == Scene::Empty {
        return RoomsView::default();
    }
    let text = |plain: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { plain.to_owned() };
    let room = |n: u32, state: StreamState, recording: Option<RecordingView>| RoomView {
        stream: format!("room-{n}"),
        room: text(&format!("询问室{n}")),
        mode: if n == 3 { "schedule" } else { "on_demand" },
        timetable: (n == 3).then_some((true, UtcMs(1_781_863_200_000))),
        since: Some(UtcMs(1_781_834_604_000)),
        tracks: vec![Track { media: "video".into(), encoding: text("H264"), kept: true }],
        pulse: Pulse {
            bytes: 1,
            packets: 90_000,
            lost: 3,
            frames: 1,
            key_every_ms: 1_000,
            key_ms: Some(1_781_834_604_000),
            clock_offset_ms: Some(-12),
            width: 1920,
            height: 1080,
        },
        bit_rate: 4_100_000,
        clip: recording.as_ref().map(|_| clip_id(9).to_string()),
        still: (n == 1).then_some(UtcMs(NOW - 4_000)),
        state,
        recording,
    };
    let recording = RecordingView {
        id: "019aa2c4-7f00-7abc-8def-0123456789ab".into(),
        cause: Cause::Person,
        case_no: Some(text("赵卫罚〔2026〕12号")),
        officer: Some(text("张三")),
        begun: UtcMs(1_781_834_604_000),
        segments: 1,
    };
    let waiting = StreamState::Waiting { words: text("nothing came for 5 s"), next_ms: 0 };
    RoomsView {
        rooms: vec![
            room(1, StreamState::Recording, Some(recording.clone())),
            room(2, StreamState::Idle, None),
            room(3, waiting, Some(RecordingView { cause: Cause::Schedule, ..recording })),
        ],
    }
}

/// What a clip of a live stream has besides: its place in a recording, and a gap.
fn recorded() -> (PublishedSegment, Vec<PublishedGap>) {
    let time = |s: &str| format!("2026-06-19T10:{s}+08:00");
    let segment = PublishedSegment {
        recording_id: "019aa2c4-7f00-7abc-8def-0123456789ab".into(),
        segment_no: 2,
        previous: Some("019aa2c4-7f00-7abc-8def-0123456789aa".into()),
        next: None,
        stream: "room-1".into(),
        room: NASTY.into(),
        cause: "person".into(),
        begun_at: time("00:00"),
        ended_at: None,
        station_start: time("10:00"),
        source_start: Some(time("10:01")),
        ended: Some("lost".into()),
        ended_detail: Some(NASTY.into()),
        listed: None,
    };
    let gap = PublishedGap {
        kind: "loss".into(),
        start: time("11:00"),
        end: time("11:02"),
        from_ms: Some(60_000),
        missing_ms: 1_960,
        count: 120,
        reason: None,
    };
    (segment, vec![gap])
}

/// The id of a package.
pub const PACKAGE: &str = "019aa2c4-7f00-7abc-8def-0123456789ab";

const EXPORTS: [ExportState; 4] = [ExportState::Ready, ExportState::Failed, ExportState::Making, ExportState::Asked];

/// The id of the one in this state.
fn package(state: ExportState) -> String {
    let n = EXPORTS.iter().position(|s| *s == state).unwrap_or(0);
    PACKAGE.replace("89ab", &format!("{:04x}", 0x89ab + n))
}

fn export(state: ExportState) -> ExportView {
    ExportView {
        package: package(state),
        case_no: "赵卫罚〔2026〕12号".into(),
        reason: "行政诉讼举证".into(),
        basis: "调取证据通知书〔2026〕7号".into(),
        recipient: Some("县人民法院".into()),
        target: Target::Browser,
        disc_bytes: Some(4_700_000_000),
        asked_by: Actor::user(7),
        asked: UtcMs(1_781_834_604_000),
        state,
        second_by: (state != ExportState::Asked).then(|| Actor::user(9)),
        words: (state == ExportState::Failed).then(|| "free space, then let it go on".into()),
        discs: u32::from(state == ExportState::Ready) * 2,
        clips: 12,
        bytes: 6_000_000_000,
        ended: (state == ExportState::Ready).then_some(UtcMs(1_781_834_904_000)),
        done: (state == ExportState::Making).then_some((1_200_000_000, 6_000_000_000)),
        place: "/var/lib/evidock/exports".into(),
        over: false,
        isolated: 0,
    }
}

/// The page of alarms: what the station page shows, what is over, and receivers in every state.
fn alarms(scene: Scene) -> AlarmsView {
    let view = station(scene);
    let text = |plain: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { plain.to_owned() };
    let receiver = |name: &str, waiting: u64, failing: bool, lost: u64, taken: Option<i64>| ReceiverView {
        name: text(name),
        waiting,
        failing,
        lost,
        words: failing.then(|| text("https://duty.example.org/ does not answer: no answer within 15 s")),
        taken: taken.map(UtcMs),
    };
    if scene == Scene::Empty {
        return AlarmsView::default();
    }
    AlarmsView {
        standing: view.alarms.iter().map(|a| (a.clone(), view.risen(a).cloned())).collect(),
        over: vec![OverView {
            id: 3,
            code: "destination_unreachable".into(),
            about: text("市局对象存储"),
            severity: Severity::Warn,
            title: [text("市局对象存储 连不上"), text("市局对象存储 cannot be reached")],
            since: UtcMs(1_781_820_000_000),
            until: UtcMs(1_781_823_600_000),
            known: Some(Actor::user(7)),
        }],
        receivers: vec![
            receiver("alarm:duty", 0, false, 0, Some(1_781_834_604_000)),
            receiver("mail", 12, true, 0, Some(1_781_820_000_000)),
            receiver("data:platform", 1_000, true, 4, None),
            receiver("data:archive", 0, false, 0, None),
        ],
    }
}

/// What is stored of alarms that stand: the first of them is known to somebody.
fn risen(alarms: &[Alarm]) -> Vec<Risen> {
    let of = |(n, alarm): (usize, &Alarm)| Risen {
        id: n as i64 + 1,
        code: alarm.code().to_owned(),
        about: alarm.about().to_owned(),
        since: UtcMs(1_781_830_000_000),
        acknowledged: (n == 0).then(|| (Actor::user(7), UtcMs(1_781_832_000_000))),
    };
    alarms.iter().enumerate().map(of).collect()
}

impl Pages for FixturePages {
    fn frame(&self) -> BoxFuture<'_, Result<Frame, ReadError>> {
        let alarms = station(self.0).alarms.len() as u64;
        ready(Frame {
            station_name: if self.0 == Scene::Hostile { NASTY.into() } else { "卫生监督所采集站".into() },
            clock_synced: Some(self.0 != Scene::Failing),
            to_annotate: match self.0 {
                Scene::Empty => 0,
                Scene::Overloaded => 1_204,
                _ => 7,
            },
            alarms,
            rooms: rooms(self.0).rooms.len() as u64,
        })
    }

    fn rooms(&self) -> BoxFuture<'_, Result<RoomsView, ReadError>> {
        ready(rooms(self.0))
    }

    fn alarms(&self) -> BoxFuture<'_, Result<AlarmsView, ReadError>> {
        ready(alarms(self.0))
    }

    fn exports<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<ExportsView, ReadError>> {
        let states = if self.0 == Scene::Empty { &EXPORTS[..0] } else { &EXPORTS[..] };
        ready(ExportsView {
            exports: states.iter().copied().map(export).collect(),
            destinations: vec!["county-cloud".into()],
            second_person: true,
        })
    }

    fn export<'a>(&'a self, package: &'a str) -> BoxFuture<'a, Result<Option<ExportView>, ReadError>> {
        ready(EXPORTS.iter().copied().map(export).find(|e| e.package == package))
    }

    fn package<'a>(&'a self, _: &'a str, _: u32) -> BoxFuture<'a, Result<Option<Arc<dyn ClipBytes>>, FootageError>> {
        Box::pin(async { Ok(Some(Arc::new(Pattern(MEDIA_BYTES)) as Arc<dyn ClipBytes>)) })
    }

    fn still<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        ready(Some(Bytes::from_static(STILL)))
    }

    fn station(&self) -> BoxFuture<'_, Result<StationView, ReadError>> {
        ready(station(self.0))
    }

    fn standing(&self, clip: ClipId, _: i64) -> BoxFuture<'_, Result<Option<ClipStanding>, ReadError>> {
        let n = (1..=10).find(|n| clip_id(*n) == clip);
        let isolated = self.0 == Scene::Failing && clip == clip_id(5);
        // A document stands sent with its case, and is nobody's own.
        let document = Subject { own: false, unit: true, sent: true, sensitivity: Sensitivity::None };
        let subject = n.map(standing).or_else(|| documents::is_document(clip).then_some(document));
        ready(subject.map(|subject| ClipStanding { subject, case: None, isolated }))
    }

    fn clips<'a>(&'a self, query: &'a ClipsQuery, _: &'a Within) -> BoxFuture<'a, Result<ClipsView, ReadError>> {
        let none = self.0 == Scene::Empty || query.case.as_deref() == Some("无");
        let rows = if none { vec![] } else { rows(self.0) };
        let rows: Vec<_> = rows.into_iter().filter(|r| query.missing.is_none() || !r.missing.is_empty()).collect();
        let total = Some(if none { 0 } else { 1_204 });
        ready(ClipsView {
            rows,
            total,
            more_than_total: false,
            next: (!none).then(|| "c2".into()),
            back: query.after.as_ref().map(|_| "c0".into()),
            nothing_yet: self.0 == Scene::Empty,
        })
    }

    fn records<'a>(&'a self, query: &'a ClipsQuery, _: &'a Within) -> BoxFuture<'a, Result<RecordPage, ReadError>> {
        if query.after.as_deref() == Some("rubbish") {
            return Box::pin(async { Err(ReadError::Invalid(Why::PlaceInList {})) });
        }
        ready(RecordPage { items: vec![clip(self.0, clip_id(1)).record], next: None, total: Some(1) })
    }

    fn clip(&self, id: ClipId) -> BoxFuture<'_, Result<Option<ClipView>, ReadError>> {
        let known = self.0 != Scene::Empty && rows(self.0).iter().any(|r| r.id == id);
        let document = || documents::view(self.0, id).filter(|_| self.0 != Scene::Empty);
        ready(known.then(|| clip(self.0, id)).or_else(document))
    }

    fn proof(&self, id: ClipId, seq: u64) -> BoxFuture<'_, Result<Option<ProofView>, ReadError>> {
        let known = self.0 != Scene::Empty && rows(self.0).iter().any(|r| r.id == id);
        let entry = known.then(|| clip(self.0, id).custody).and_then(|all| all.into_iter().find(|e| e.seq == seq));
        ready(entry.map(|entry| ProofView {
            event: format!(
                "{{\"v\":1,\"seq\":{seq},\"body\":{{\"detail\":{:?}}}}}",
                entry.detail.as_deref().unwrap_or_default()
            ),
            leaf: "5d".repeat(32),
            proof: (self.0 != Scene::Failing).then(|| {
                let checkpoint = "evidock/zhao-01/1\n4300\nroot\n\n— evidock/zhao-01 AAAA\n".to_owned();
                TlogProof { extra: None, index: seq, path: vec![[7; 32], [9; 32]], checkpoint }.to_string()
            }),
            size: Some(4300),
            cosigned: vec!["station-2".into()],
            entry,
        }))
    }

    fn case<'a>(&'a self, number: &'a str, within: &'a Within) -> BoxFuture<'a, Result<CaseAnswer, ReadError>> {
        if self.0 == Scene::Empty || !number.contains("112") && self.0 != Scene::Hostile {
            let near =
                if self.0 == Scene::Empty { vec![] } else { vec![CASE.into(), "赵卫罚〔2026〕11号".into()] };
            return ready(CaseAnswer::Near(near));
        }
        if behind(number, CASE).is_some_and(|n| !shown(within, n)) {
            return ready(CaseAnswer::Near(vec![]));
        }
        // Whoever is narrowed has a clip in it, and no register names them.
        let narrowed = within.is_narrowed();
        ready(CaseAnswer::Found(Box::new(CaseView { known: !narrowed, narrowed, ..case(self.0) })))
    }

    fn case_key(&self, typed: &str) -> Option<String> {
        (!typed.is_empty()).then(|| typed.replace('[', "〔").replace(']', "〕"))
    }

    fn cases<'a>(
        &'a self,
        query: &'a str,
        _: Option<&'a str>,
        _: &'a Within,
    ) -> BoxFuture<'a, Result<CasesView, ReadError>> {
        let none = self.0 == Scene::Empty || query == "无" || query == "999";
        let rows = if none { vec![] } else { cases(self.0) };
        ready(CasesView { rows, next: (!none).then(|| "c2".into()), nothing_yet: self.0 == Scene::Empty })
    }

    fn triage<'a>(&'a self, _: Option<&'a str>, _: &'a Within) -> BoxFuture<'a, Result<TriageView, ReadError>> {
        ready(triage(self.0))
    }

    fn elsewhere<'a>(
        &'a self,
        _: &'a str,
        _: &'a Within,
        _: usize,
    ) -> BoxFuture<'a, Result<AnswerElsewhere, ReadError>> {
        let nasty = |text: &str| Some(if self.0 == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() });
        let found = [Stands::Cloud, Stands::Unsent, Stands::Unknown].into_iter().map(|stands| FoundElsewhere {
            station: evidock::domain::ids::StationId::new("east").unwrap(),
            line: CatalogueLine {
                record_id: clip_id(77).to_string(),
                cases: vec![CASE.into()],
                captured_start: Some("2026-06-19T09:12:00+08:00".into()),
                place: nasty("新华路"),
                officer: nasty("采集人丙"),
                size_bytes: 900_000_000,
                ..CatalogueLine::default()
            },
            stands,
        });
        ready(AnswerElsewhere { found: found.collect(), asked: Some("cloud".into()), partial: vec!["x".into()] })
    }

    fn media(&self, id: ClipId) -> BoxFuture<'_, Result<Media, ReadError>> {
        ready(match rows(self.0).iter().position(|r| r.id == id) {
            None => documents::media(id).unwrap_or(Media::Missing),
            Some(4) => Media::Isolated,
            Some(_) => Media::Here(MediaFile {
                bytes: Arc::new(Pattern(MEDIA_BYTES)),
                content_type: "video/mp4".into(),
                file_name: "DSJ_36NCC009910_000000_20260619_090211_IMP.mp4".into(),
                sha256: "ab".repeat(32),
                is_document: false,
            }),
        })
    }

    fn marks_previews(&self) -> bool {
        false
    }

    fn preview(
        &self,
        _: ClipId,
        _: Arc<dyn ClipBytes>,
        piece: u32,
        _: Option<String>,
    ) -> BoxFuture<'_, Result<Option<PreviewPiece>, DeriveError>> {
        let made = PreviewPiece {
            webm: Bytes::from_static(b"\x1a\x45\xdf\xa3"),
            pictures: true,
            sound: piece > 0,
            clip_ms: Some(14_000),
        };
        Box::pin(async move {
            match piece {
                0..3 => Ok(Some(made)),
                3 => Ok(None),
                4 => Err(DeriveError::Busy),
                _ => Err(DeriveError::Worker(ProbeError::TooSlow(60))),
            }
        })
    }

    fn sheet(&self, _: ClipId, _: Arc<dyn ClipBytes>) -> BoxFuture<'_, Result<Option<Bytes>, DeriveError>> {
        Box::pin(async { Ok(Some(Bytes::from_static(b"\xff\xd8\xff"))) })
    }

    fn derived(&self, clip: ClipId) -> BoxFuture<'_, Result<Vec<DerivedView>, ReadError>> {
        let all = if self.0 == Scene::Empty || clip == clip_id(3) { Vec::new() } else { derived(self.0, clip) };
        ready(all)
    }

    fn derived_file<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<DerivedView>, ReadError>> {
        ready(derived(self.0, clip_id(2)).into_iter().find(|view| view.0.id == id))
    }

    fn derived_bytes<'a>(&'a self, row: &'a DerivativeRow) -> BoxFuture<'a, Result<Option<std::fs::File>, ReadError>> {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(row.file.as_ref().map_or(0, |f| f.size_bytes)).expect("its length");
        ready(Some(file))
    }

    fn thumbnail(&self, _: ClipId) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        ready(Some(Bytes::from_static(STILL)))
    }

    fn office(&self) -> &dyn evidock::web::office::Office {
        self
    }

    fn log<'a>(&'a self, query: &'a LogQuery) -> BoxFuture<'a, Result<Vec<LogEntry>, ReadError>> {
        let entry = |seq: u64| LogEntry {
            seq,
            at: UtcMs(NOW - seq as i64 * 1000),
            kind: "access.refused".into(),
            actor: if seq == 1 { Actor::token(2) } else { Actor::user(3) },
            called: Some(match seq {
                1 => Called { name: Some("综合平台".into()), login: None },
                2 => Called { name: None, login: Some("zhang".into()) },
                _ => Called {
                    name: Some(if self.0 == Scene::Hostile { NASTY.into() } else { "张三".into() }),
                    login: Some("zhang".into()),
                },
            }),
            via: "web".into(),
            from: Some("10.0.0.8".into()),
            session: None,
            clip: None,
            case: None,
            outcome: "refused".into(),
            body: serde_json::json!({ "why": "role" }),
            about: if self.0 == Scene::Hostile { NASTY.into() } else { "why: role".into() },
        };
        ready((1..=u64::from(query.limit)).rev().map(entry).collect())
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, ReadError>> {
        ready("# EOF\n".into())
    }

    fn health(&self) -> BoxFuture<'_, Vec<Part>> {
        let ok = self.0 != Scene::Failing;
        let part = Part { name: "deliver".into(), ok, detail: (!ok).then(|| "no heartbeat for 40 s".into()) };
        Box::pin(async move { vec![part] })
    }
}

const MIN: i64 = 60_000;
const GB: u64 = 1_000_000_000;

fn bay(name: &str, officer: Option<&str>, recorder: &str, state: BayState) -> Bay {
    let officer = officer.map(|o| Holder { officer: o.into(), origin: Origin::Roster });
    Bay { name: name.into(), recorder: Some(recorder.into()), officer, state, held: vec![] }
}

fn empty(name: &str) -> Bay {
    Bay { name: name.into(), recorder: None, officer: None, state: BayState::Empty, held: vec![] }
}

fn held(name: &str, why: Held, what: &str) -> Bay {
    let device = HeldDevice {
        bay: name.into(),
        port: "1-4.2".into(),
        usb_id: (0x0951, 0x1666),
        serial: Some("36NCC-SERIAL".into()),
        name: what.into(),
        why: why.clone(),
        since_ms: NOW - 90_000,
    };
    Bay { state: BayState::Held(why), held: vec![device], ..empty(name) }
}

fn held_alarms(bays: &[Bay]) -> Vec<Alarm> {
    let alarm = |bay: &Bay, d: &HeldDevice| Alarm::Held { bay: bay.name.clone(), why: d.why.clone(), what: d.told() };
    bays.iter().flat_map(|bay| bay.held.iter().map(move |d| alarm(bay, d))).collect()
}

fn copying(done: u64, total: u64, bytes_done: u64, bytes_total: u64, left_s: Option<i64>) -> BayState {
    BayState::Copying(Progress {
        clips_done: done,
        clips_total: total,
        bytes_done,
        bytes_total,
        left_ms: left_s.map(|s| s * 1000),
        resumed_at_percent: left_s.is_none().then_some(31),
        footage_ms: None,
    })
}

/// A recorder in the network lists times and no bytes.
fn pulling(done: u64, total: u64, footage_ms: (u64, u64)) -> BayState {
    BayState::Copying(Progress {
        clips_done: done,
        clips_total: total,
        left_ms: Some(240_000),
        footage_ms: Some(footage_ms),
        ..Progress::default()
    })
}

fn safe(sealed: u64, proven: u64, to_annotate: u64, unreadable: u64) -> BayState {
    BayState::Safe { sealed, proven, to_annotate, unreadable, emptied: false }
}

pub fn station(scene: Scene) -> StationView {
    let view = plain_station(scene);
    StationView { risen: risen(&view.alarms), ..view }
}

fn plain_station(scene: Scene) -> StationView {
    let stage = |clips, bytes, oldest: Option<i64>, rate| Stage {
        clips,
        bytes,
        oldest_age_ms: oldest,
        rate_bytes_per_s: rate,
        ..Stage::default()
    };
    let history = vec![
        9_000, 11_000, 10_500, 15_800, 16_900, 16_200, 17_000, 15_900, 16_500, 1_200, 300, 12_000, 17_300, 18_200,
        17_900, 16_800, 17_500, 18_000, 18_300, 18_200,
    ];
    let history: Vec<u64> = history.into_iter().flat_map(|kb| [kb * 1000, kb * 1010, kb * 990]).collect();
    let working = DestinationView {
        name: "市局对象存储".into(),
        required: true,
        health: Health::Working,
        proof: Some(ProofLevel::RemoteChecksum),
        same_device: false,
        locks: true,
        waiting: 38,
        paused: false,
        ceiling_bytes_per_s: Some(20_000_000),
        window: 4,
    };
    let local = DestinationView {
        name: "local-copy".into(),
        required: false,
        health: Health::Working,
        proof: Some(ProofLevel::ReadBack),
        same_device: true,
        locks: false,
        waiting: 0,
        paused: false,
        ceiling_bytes_per_s: None,
        window: 2,
    };
    let disk = Disk {
        total: 1_820 * GB,
        undelivered: 41 * GB,
        kept: 1_076 * GB,
        held: 92 * GB,
        other: 3 * GB,
        reserve: 40 * GB,
        days_left: Some(9),
        stopped: false,
    };
    match scene {
        Scene::Empty => StationView {
            flow: [
                Stage { recorders: Some(0), ..Stage::default() },
                Stage::default(),
                Stage::default(),
                Stage::default(),
                Stage::default(),
                Stage::default(),
            ],
            bays: vec![],
            uplink: Uplink {
                destinations: vec![DestinationView {
                    health: Health::Checking,
                    proof: None,
                    locks: false,
                    waiting: 0,
                    ..local
                }],
                ..Uplink::default()
            },
            disk: Disk { total: 1_820 * GB, other: 3 * GB, reserve: 40 * GB, ..Disk::default() },
            alarms: vec![],
            risen: vec![],
        },
        Scene::Held => {
            let bays = vec![
                bay("1", Some("采集人甲"), "DSJ-36NCC009910", copying(8, 12, 4_030_000_000, 6_400_000_000, Some(110))),
                held("2", Held::Unknown, "Kingston DataTraveler 3.0"),
                held("3", Held::Refused, "SanDisk Ultra"),
                held("4", Held::NotStorage, "Logitech USB Keyboard"),
                held("5", Held::NoStorage, "36NCC DSJ-B5"),
                held("6", Held::Broken("the card answers no read: try another bay".into()), "Generic MassStorageClass"),
                Bay {
                    held: held("7", Held::NotStorage, "USB hub with a keyboard").held,
                    ..bay("7", Some("采集人乙"), "DSJ-36NCC009874", safe(14, 9, 0, 0))
                },
                empty("8"),
            ];
            // And nowhere to send to.
            StationView { alarms: held_alarms(&bays), bays, uplink: Uplink::default(), ..station(Scene::Empty) }
        }
        Scene::Busy => StationView {
            flow: [
                Stage { recorders: Some(5), ..stage(61, 43 * GB, Some(4 * MIN), Some(212_000_000)) },
                stage(4, 9_800_000_000, Some(2 * MIN), Some(208_000_000)),
                stage(38, 41_200_000_000, Some(11 * MIN), Some(18_200_000)),
                stage(3, 3_400_000_000, Some(3 * MIN), Some(18_200_000)),
                Stage { today: Some(86), ..stage(1_204, 1_076 * GB, None, None) },
                Stage { today: Some(61), ..stage(1_077, 980 * GB, None, None) },
            ],
            bays: vec![
                bay("1", Some("采集人甲"), "DSJ-36NCC009910", copying(8, 12, 4_030_000_000, 6_400_000_000, Some(110))),
                bay("2", Some("采集人乙"), "DSJ-36NCC009874", safe(14, 9, 0, 0)),
                bay("3", Some("采集人丙"), "DSJ-36NCC010022", safe(6, 6, 3, 0)),
                held("4", Held::Unknown, "Kingston DataTraveler 3.0"),
                bay("5", Some("采集人戊"), "DSJ-36NCC009655", copying(1, 9, 900_000_000, 7_500_000_000, None)),
                bay("6", Some("采集人己"), "DSJ-36NCC009301", BayState::Listing),
                bay("无线 1", Some("采集人庚"), "36NCC009911", pulling(1, 3, (754_000, 2_730_000))),
                empty("8"),
            ],
            uplink: Uplink {
                rate_bytes_per_s: 18_200_000,
                history,
                queue_bytes: 41 * GB,
                eta_ms: Some(39 * MIN),
                destinations: vec![working, local],
            },
            disk,
            risen: vec![],
            alarms: vec![
                Alarm::ToAnnotate { clips: 7, oldest_ms: 190 * MIN },
                Alarm::Held {
                    bay: "4".into(),
                    why: Held::Unknown,
                    what: "Kingston DataTraveler 3.0 · USB 0951:1666".into(),
                },
                Alarm::SameDevice { destination: "local-copy".into() },
            ],
        },
        Scene::Failing => StationView {
            flow: [
                Stage {
                    recorders: Some(4),
                    stall: Some(Stall::CannotRead { bay: "3".into() }),
                    ..stage(22, 18 * GB, Some(40 * MIN), None)
                },
                Stage { stall: Some(Stall::NoRoom), ..stage(2, 4 * GB, Some(31 * MIN), None) },
                stage(38, 41_200_000_000, Some(62 * MIN), None),
                Stage {
                    stall: Some(Stall::Refused { destination: "省平台".into() }),
                    ..stage(3, 3_400_000_000, Some(62 * MIN), None)
                },
                Stage { today: Some(12), ..stage(1_204, 1_076 * GB, None, None) },
                stage(0, 0, None, None),
            ],
            bays: vec![
                bay(
                    "1",
                    Some("采集人甲"),
                    "DSJ-36NCC009910",
                    BayState::NoRoom(Progress {
                        clips_done: 3,
                        clips_total: 12,
                        bytes_done: 2 * GB,
                        bytes_total: 6 * GB,
                        left_ms: None,
                        resumed_at_percent: None,
                        footage_ms: None,
                    }),
                ),
                bay("2", Some("采集人乙"), "DSJ-36NCC009874", safe(14, 0, 2, 1)),
                bay(
                    "3",
                    None,
                    "DSJ-36NCC010022",
                    BayState::Failing {
                        network: false,
                        at_percent: Some(31),
                        reason: "Input/output error (os error 5)".into(),
                    },
                ),
                held("4", Held::Unknown, "Kingston DataTraveler 3.0"),
                bay("5", Some("采集人戊"), "DSJ-36NCC009655", safe(0, 0, 0, 0)),
            ],
            uplink: Uplink {
                rate_bytes_per_s: 0,
                history,
                queue_bytes: 41 * GB,
                eta_ms: None,
                destinations: vec![
                    DestinationView {
                        name: "省平台".into(),
                        health: Health::Refused { since: UtcMs(NOW - 62 * MIN), what: "403 InvalidAccessKeyId".into() },
                        ..working.clone()
                    },
                    DestinationView {
                        name: "市局对象存储".into(),
                        health: Health::Unreachable { since: UtcMs(NOW - 30 * 60 * MIN) },
                        proof: Some(ProofLevel::LengthOnly),
                        locks: false,
                        ..working
                    },
                ],
            },
            disk: Disk { kept: 1_640 * GB, stopped: true, days_left: Some(0), ..disk },
            risen: vec![],
            alarms: vec![
                Alarm::DiskFull { reserve: 40 * GB },
                Alarm::Refused {
                    destination: "省平台".into(),
                    since: UtcMs(NOW - 62 * MIN),
                    what: "403 InvalidAccessKeyId".into(),
                    waiting: 38,
                },
                Alarm::Damaged { clips: 1, first: clip_id(1) },
                Alarm::Mismatch { destination: "市局对象存储".into(), clips: 2, first: clip_id(2) },
                Alarm::DeliveriesFailed {
                    destination: "市局对象存储".into(),
                    clips: 3,
                    first: clip_id(3),
                    what: "400 EntityTooLarge".into(),
                },
                Alarm::LogNotAnchored { age_ms: 200 * MIN },
                Alarm::Backup {
                    age_ms: Some(26 * 60 * MIN),
                    what: "a backup does not arrive: 省平台: 403 InvalidAccessKeyId".into(),
                    late: true,
                },
                Alarm::Backup { age_ms: None, what: "no backup could be made: disk full".into(), late: false },
                Alarm::Unreachable {
                    destination: "市局对象存储".into(),
                    since: UtcMs(NOW - 30 * 60 * MIN),
                    waiting: 38,
                },
                Alarm::NoProof { destination: "市局对象存储".into(), level: ProofLevel::LengthOnly },
                Alarm::Unreadable {
                    recorder: "DSJ-36NCC009874".into(),
                    files: 1,
                    what: "Input/output error (os error 5)".into(),
                    network: false,
                },
                Alarm::Quarantined { clips: 1, first: clip_id(1) },
                Alarm::Clock,
                Alarm::DiskLow { free: 12 * GB },
                Alarm::ToAnnotate { clips: 7, oldest_ms: 190 * MIN },
            ],
        },
        Scene::Overloaded => {
            let mut busy = station(Scene::Busy);
            busy.bays = (1..=30)
                .map(|n: u64| {
                    let name = n.to_string();
                    let who = format!("采集人{n:02}");
                    let recorder = format!("DSJ-36NCC0{:05}", 9_000 + n * 37);
                    let state = match n % 10 {
                        1 | 4 | 8 => copying(n % 7, 12, n * 160_000_000, 6_400_000_000, Some(60 + n as i64 * 11)),
                        2 | 5 => safe(14, 9, 0, 0),
                        3 => safe(6, 6, 3, 0),
                        6 => safe(9, 9, 0, 0),
                        7 if n == 17 => {
                            BayState::Failing { network: false, at_percent: Some(31), reason: "EIO".into() }
                        }
                        7 => safe(9, 2, 0, 2),
                        9 => BayState::Listing,
                        _ => BayState::Empty,
                    };
                    if state == BayState::Empty { empty(&name) } else { bay(&name, Some(&who), &recorder, state) }
                })
                .collect();
            let paused = &mut busy.uplink.destinations[1];
            (paused.paused, paused.health) = (true, Health::Paused { until: None });
            busy.flow[0].recorders = Some(27);
            busy.flow[0].clips = 12_480;
            busy.flow[2].clips = 23_318;
            busy.flow[2].oldest_age_ms = Some(26 * 60 * MIN);
            busy.uplink.queue_bytes = 3_400 * GB;
            busy.uplink.eta_ms = Some(52 * 60 * MIN);
            busy.alarms[0] = Alarm::ToAnnotate { clips: 1_204, oldest_ms: 9 * 24 * 60 * MIN };
            busy
        }
        Scene::Hostile => {
            let mut busy = station(Scene::Busy);
            for bay in &mut busy.bays {
                bay.name = NASTY.into();
                bay.officer = Some(Holder { officer: NASTY.into(), origin: Origin::Roster });
                bay.recorder = Some("DSJ".repeat(40));
            }
            busy.bays[3].state = BayState::Failing { network: false, at_percent: None, reason: NASTY.into() };
            busy.bays.push(held(NASTY, Held::Broken(NASTY.into()), NASTY));
            busy.alarms.extend(held_alarms(&busy.bays));
            busy.uplink.destinations[0].name = NASTY.into();
            busy.flow[3].stall = Some(Stall::Unreachable { destination: NASTY.into() });
            busy.alarms.push(Alarm::Refused {
                destination: NASTY.into(),
                since: UtcMs(NOW),
                what: NASTY.into(),
                waiting: 1,
            });
            busy
        }
    }
}

fn base_row(n: i64, day_min: i64, length_min: i64, state: ClipState) -> ClipRow {
    ClipRow {
        id: clip_id(n),
        // From 08:00 of the day.
        captured: Some(UtcMs(NOW - 42_127_000 + day_min * MIN)),
        duration_ms: Some(length_min * MIN + 4_000),
        size_bytes: length_min.unsigned_abs() * 55_000_000 + 3_000_000,
        file_name: format!("DSJ_36NCC009910_000000_20260619_{:02}{:02}11.mp4", 8 + day_min / 60, day_min % 60),
        recorder: "DSJ-36NCC009910".into(),
        officer: Some("采集人甲".into()),
        place: Some("东关街 18 号".into()),
        proves: Some("废物暂存间未上锁".into()),
        stage: Some("调查".into()),
        matter: Some("现场检查".into()),
        cases: vec![CASE.into()],
        state,
        percent: None,
        problem: None,
        holes: false,
        health: Some(MediaHealth::Whole),
        missing: vec![],
        elsewhere: None,
        document: None,
    }
}

pub fn rows(scene: Scene) -> Vec<ClipRow> {
    let take = |n, at, len, state| base_row(n, at, len, state);
    let mut rows = vec![
        ClipRow { proves: Some("现场全貌".into()), ..take(1, 12, 21, ClipState::Proven) },
        ClipRow {
            stage: Some("取证".into()), matter: Some("调查取证".into()), ..take(2, 62, 63, ClipState::Proven)
        },
        ClipRow {
            stage: Some("取证".into()),
            matter: Some("调查取证".into()),
            proves: Some("转运记录缺失".into()),
            percent: Some(71),
            ..take(3, 129, 54, ClipState::Sending)
        },
        ClipRow {
            stage: Some("取证".into()),
            matter: Some("调查取证".into()),
            officer: Some("采集人乙".into()),
            proves: Some("当事人陈述".into()),
            elsewhere: Some("城东站".into()),
            ..take(4, 71, 45, ClipState::Proven)
        },
        ClipRow { stage: Some("证据保全".into()), ..take(5, 190, 26, ClipState::Released) },
        ClipRow {
            stage: Some("证据保全".into()),
            health: Some(MediaHealth::Truncated),
            ..take(6, 224, 12, ClipState::Sealed)
        },
        ClipRow {
            stage: None,
            matter: None,
            cases: vec![],
            place: None,
            proves: None,
            missing: vec!["case_no", "place", "proves"],
            ..take(7, 260, 8, ClipState::Sealed)
        },
        ClipRow {
            stage: Some("送达".into()),
            matter: Some("留置送达".into()),
            cases: vec![CASE.into(), "赵卫罚〔2026〕113号".into()],
            ..take(8, 3 * 1440 + 95, 16, ClipState::Sealed)
        },
        ClipRow {
            percent: Some(37),
            duration_ms: None,
            health: None,
            stage: None,
            matter: None,
            officer: None,
            missing: vec!["officer"],
            ..take(9, 480, 0, ClipState::Copying)
        },
        ClipRow {
            captured: None,
            stage: None,
            health: Some(MediaHealth::NotMedia),
            file_name: "log-20260619.txt".into(),
            duration_ms: None,
            missing: vec!["captured_start"],
            ..take(10, 0, 0, ClipState::Proven)
        },
    ];
    match scene {
        Scene::Failing => {
            rows[0].problem = Some(Problem::Damaged);
            rows[1].problem = Some(Problem::Mismatch);
            rows[2].problem = Some(Problem::SendFailed);
            rows[3].problem = Some(Problem::Quarantined);
            rows[4].health = Some(MediaHealth::Broken);
            rows[0].holes = true;
        }
        Scene::Hostile => {
            for row in &mut rows {
                row.file_name = NASTY.into();
                row.officer = Some(NASTY.into());
                row.place = Some(NASTY.into());
                row.proves = Some(NASTY.into());
                row.stage = Some(NASTY.into());
                row.cases = vec![NASTY.into()];
            }
        }
        _ => {}
    }
    rows
}

fn link(number: &str) -> CaseLink {
    CaseLink {
        case_no: number.into(),
        case_no_raw: number.into(),
        case_key: number.into(),
        aliases: vec!["赵卫责改〔2026〕31号".into(), "JC-2026-0311".into()],
        kind: "case".into(),
        from_ms: None,
        to_ms: None,
        stage: Some("取证".into()),
        matter: Some("调查取证".into()),
        proves: None,
        origin: "roster".into(),
        score: 80,
        rev: 1,
        rule_version: 1,
    }
}

pub fn clip(scene: Scene, id: ClipId) -> ClipView {
    let all = rows(scene);
    let row = all.iter().find(|r| r.id == id).unwrap_or(&all[0]);
    let nasty = |text: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() };
    let sealed = row.state != ClipState::Copying;
    let failing = scene == Scene::Failing;
    let is_media = sealed && row.health != Some(MediaHealth::NotMedia);
    let origin = |o: &str| Provenance { origin: o.into(), at: "2026-06-19T19:40:00+08:00".into() };
    let stamp = row.captured.map(|at| at.rfc3339_in(&zone()));
    let live = (scene == Scene::Hostile).then(recorded);
    let record = Record {
        v: 1,
        annotation_rev: 3,
        record_id: row.id.to_string(),
        station_id: "zhao-01".into(),
        state: row.state.as_str().into(),
        case_no: row.cases.first().cloned(),
        cases: row.cases.iter().map(|n| link(n)).collect(),
        sensitivity: "工作秘密".into(),
        retention_period: Some("6 个月（未结案）".into()),
        legal_hold: row.id == clip_id(2),
        cause: Some(nasty("未按规定处置医疗废物")),
        enforcement_kind: Some("处罚".into()),
        stage: row.stage.clone(),
        matter: row.matter.clone(),
        party_ref: Some(nasty("某诊所")),
        proves: row.proves.clone(),
        captured_start: stamp.clone(),
        captured_end: row.captured.map(|at| UtcMs(at.0 + row.duration_ms.unwrap_or(0)).rfc3339_in(&zone())),
        captured_raw: Some("20260619_090211".into()),
        place: row.place.clone(),
        lat: Some("37.7563".into()),
        lon: Some("114.7761".into()),
        datum: Some("WGS84".into()),
        officer: row.officer.clone(),
        officer_cert_no: Some("03210188".into()),
        officer_registered: Some(Registered {
            import: 3,
            imported_at: "2026-06-01T09:00:00+08:00".into(),
            auxiliary: false,
        }),
        co_officers: Some("采集人乙".into()),
        device_id: "DSJ-36NCC009910".into(),
        original_filename: row.file_name.clone(),
        original_path: nasty("DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_000000_20260619_090211_IMP.mp4"),
        device_marker: "marked".into(),
        container: is_media.then(|| if scene == Scene::Busy && row.id == clip_id(1) { "jpeg" } else { "mp4" }.into()),
        vcodec: is_media.then(|| if row.id == clip_id(6) { "h265" } else { "h264" }.into()),
        width: Some(1920),
        height: Some(1080),
        fps: Some(29.97),
        acodec: is_media.then(|| "aac".into()),
        sample_rate: Some(48_000),
        duration_ms: row.duration_ms,
        media_health: row.health.map(|h| h.as_str().into()),
        size_bytes: row.size_bytes,
        blake3: sealed.then(|| "9f".repeat(32)),
        sha256: sealed.then(|| "ab".repeat(32)),
        copies: vec![
            Copy {
                destination: "市局对象存储".into(),
                state: if failing {
                    "suspect"
                } else if scene == Scene::Overloaded {
                    "sent"
                } else {
                    "proven"
                }
                .into(),
                proof: Some("remote_checksum".into()),
                object_uri: format!("s3://evidence/v1/zhao-01/clips/{}/master", row.id),
                version_id: None,
                cloud_checksum: None,
                proven_at: Some("2026-06-19T19:41:12+08:00".into()),
            },
            Copy {
                destination: "local-copy".into(),
                state: if failing { "failed" } else { "sent" }.into(),
                proof: Some("read_back".into()),
                object_uri: format!("file:///srv/copy/v1/zhao-01/clips/{}/master", row.id),
                version_id: None,
                cloud_checksum: None,
                proven_at: None,
            },
        ],
        ingested_at: sealed.then(|| "2026-06-19T19:38:12+08:00".into()),
        operator: "daemon".into(),
        missing: row.missing.iter().map(|m| (*m).to_owned()).collect(),
        holes: if row.holes {
            vec![Hole { offset: 4096, bytes: 8192 }, Hole { offset: 1 << 20, bytes: 4096 }]
        } else {
            vec![]
        },
        recording: live.as_ref().map(|l| l.0.clone()),
        gaps: live.map(|l| l.1).unwrap_or_default(),
        resume_check: row.holes.then(|| "sampled".into()),
        clock_offset_ms: row.holes.then_some(3_720_000),
        notes: match scene {
            Scene::Hostile => vec![format!("file_name {NASTY}: clock_jumped"), NASTY.into()],
            _ if row.holes => vec!["file_time local 2031-06-19T09:02:11: after_dock".into()],
            _ => vec![],
        },
        origins: [
            ("captured_start", "file_name"),
            ("place", "roster"),
            ("officer", "roster"),
            ("proves", "person"),
            ("matter", "roster"),
            ("officer_cert_no", "register"),
            ("captured_raw", "file_name"),
        ]
        .into_iter()
        .map(|(k, o)| (k.to_owned(), origin(o)))
        .collect(),
        ..Record::default()
    };
    let kinds = [
        (EventKind::ViewBegun, None, Actor::loopback()),
        (EventKind::Proven, Some("市局对象存储"), Actor::daemon()),
        (EventKind::Sent, Some("市局对象存储"), Actor::daemon()),
        (EventKind::Annotated, None, Actor::os(1000)),
        (EventKind::Linked, Some(CASE), Actor::daemon()),
        (EventKind::Probed, None, Actor::daemon()),
        (EventKind::Sealed, None, Actor::daemon()),
        (EventKind::ClipSeen, Some("DSJ-36NCC009910"), Actor::daemon()),
    ];
    let custody = kinds.into_iter().enumerate().map(|(i, (kind, place, actor))| CustodyEntry {
        seq: 4_218 - i as u64 * 3,
        at: UtcMs(NOW - i as i64 * 55_000),
        kind,
        actor,
        outcome: "ok".into(),
        place: place.map(Into::into),
        detail: (kind == EventKind::Annotated).then(|| nasty("证明对象：废物暂存间未上锁")),
    });
    ClipView {
        id: row.id,
        state: row.state,
        percent: row.percent,
        local: Some(match () {
            () if failing && row.id == clip_id(1) => Local::Damaged,
            () if row.state == ClipState::Released => Local::Evicted,
            () if sealed => Local::Sealed,
            () => Local::Copying,
        }),
        quarantine: (failing && row.id == clip_id(4)).then(|| nasty("其他原因")),
        isolated: (failing && row.id == clip_id(5)).then(|| nasty("画面中有军事设施")),
        failures: if failing {
            vec![("local-copy".into(), "No space left on device (os error 28)".into())]
        } else {
            vec![]
        },
        same_device: vec!["local-copy".into()],
        sightings: vec![SightingView {
            recorder: "DSJ-36NCC009910".into(),
            bay: "1".into(),
            path: record.original_path.clone(),
            state: SightingState::Present,
            at: UtcMs(NOW - 4 * MIN),
        }],
        custody: custody.collect(),
        custody_cut: true,
        record,
    }
}

pub fn case(scene: Scene) -> CaseView {
    let mut clips: Vec<_> =
        rows(scene).into_iter().filter(|r| !r.cases.is_empty() || scene == Scene::Hostile).collect();
    clips.sort_by_key(|r| r.captured);
    let nasty = |text: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() };
    if scene == Scene::Overloaded {
        // A case of many days.
        clips = (0..40)
            .map(|n| ClipRow {
                stage: Some(["调查", "取证", "送达"][n as usize % 3].into()),
                ..base_row(n + 100, n * 1440 * 2 / 5 + n * 7, 10 + n % 30, ClipState::Proven)
            })
            .collect();
    }
    CaseView {
        number: nasty(CASE),
        kind: "case".into(),
        aliases: vec![nasty("赵卫责改〔2026〕31号"), "JC-2026-0311".into()],
        cause: Some(nasty("未按规定处置医疗废物")),
        party: Some(nasty("某诊所")),
        enforcement_kind: Some("行政处罚".into()),
        coverage: coverage(scene),
        reasons: reasons(scene),
        clips_total: clips.len() as u64,
        duration_ms: clips.iter().filter_map(|c| c.duration_ms).sum(),
        bytes: clips.iter().map(|c| c.size_bytes).sum(),
        proven: clips.iter().filter(|c| c.state >= ClipState::Proven).count() as u64,
        incomplete: clips.iter().filter(|c| !c.missing.is_empty()).count() as u64,
        stations: 2,
        known: true,
        narrowed: false,
        documents: documents::rows(scene),
        clips,
    }
}

/// A reason that was taken back, and one that stands.
fn reasons(scene: Scene) -> Vec<NoRecord> {
    let nasty = |text: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() };
    if scene == Scene::Empty {
        return vec![];
    }
    let said = |matter: &str, reason: &str, ago| NoRecord {
        matter: nasty(matter),
        written: false,
        reason: nasty(reason),
        basis: nasty("当事人声明"),
        said: Some(Said { actor: "user:7".into(), at_ms: NOW - ago }),
    };
    let withdrawn = NoRecord { reason: String::new(), basis: String::new(), ..said("送达", "", 200_000) };
    vec![said("送达", "设备没电", 300_000), withdrawn, said("现场检查", "当事人拒绝", 100_000)]
}

/// One item of each standing.
fn coverage(scene: Scene) -> Coverage {
    let nasty = |text: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() };
    let lines = Standing::ALL.into_iter().map(|standing| Line {
        item: Item {
            kind: None,
            subject: None,
            stage: Some(nasty("调查取证")),
            matter: nasty("现场检查"),
            tier: Tier::Whole,
            always: false,
            content: Default::default(),
        },
        standing,
        clips: usize::from(standing == Standing::Interrupted) * 2,
        recorded_ms: 600_000,
        gaps_ms: if standing == Standing::Interrupted { vec![(NOW - 600_000, NOW)] } else { vec![] },
        due_ms: (standing == Standing::NotYetDue).then_some(NOW),
        reason: matches!(standing, Standing::Replaced | Standing::Explained).then(|| nasty("当事人拒绝")),
        basis: (standing == Standing::Explained).then(|| nasty("当事人声明")),
        said: (standing == Standing::Explained).then(|| Said { actor: "user:7".into(), at_ms: NOW }),
    });
    Coverage { lines: lines.collect(), beside: 1 }
}

fn triage(scene: Scene) -> TriageView {
    let nasty = |text: &str| if scene == Scene::Hostile { NASTY.to_owned() } else { text.to_owned() };
    let suggested = |number: &str, rule: &str, score| Suggested {
        number: nasty(number),
        rule: rule.into(),
        score,
        reason: nasty("its officer, its place; opened 2026-06-22, 2 days apart"),
    };
    let offered = |value: &str, from| Offered { value: nasty(value), from };
    let card = |(n, row): (usize, ClipRow)| TriageCard {
        row,
        notes: match n % 3 {
            2 => vec!["file_name 20000101_090000: clock_unset".into(), nasty("file_name 110203: whose_unknown")],
            1 => vec![nasty("binding 110204: no_stay")],
            _ => vec![],
        },
        supposed: if n % 3 == 1 { vec![("binding".into(), nasty("110204"))] } else { vec![] },
        suggestions: match n % 3 {
            0 => vec![suggested(CASE, "register", 75), suggested("JC-2026-0318", "neighbour", 55)],
            1 => vec![suggested(CASE, "tag", 60)],
            _ => vec![],
        },
        outing: if n % 3 == 0 { vec![clip_id(2), clip_id(3)] } else { vec![] },
        places: vec![offered("东关街18号", OfferedBy::Outing(2)), offered("赵县某饭店", OfferedBy::Case)],
        proofs: vec![
            offered("现场全貌", if n % 2 == 0 { OfferedBy::Matter } else { OfferedBy::Catalogue }),
            offered("留置送达", OfferedBy::Catalogue),
        ],
    };
    let rows = if scene == Scene::Empty { vec![] } else { rows(scene) };
    let waiting = rows.into_iter().filter(|r| !r.missing.is_empty()).enumerate().map(card);
    let cards: Vec<_> = waiting.collect();
    TriageView {
        total: cards.len() as u64,
        not_yet_linkable: if scene == Scene::Busy { 12 } else { 0 },
        next: (scene == Scene::Busy).then(|| "750.x".into()),
        cards,
    }
}

fn cases(scene: Scene) -> Vec<CaseRow> {
    let case = |number: &str, kind: &str, clips, proven, incomplete| CaseRow {
        number: number.into(),
        kind: kind.into(),
        aliases: if kind == "case" { vec!["JC-2026-0311".into()] } else { vec![] },
        cause: Some("未按规定处置医疗废物".into()),
        party: Some("某诊所".into()),
        clips,
        proven,
        incomplete,
        bytes: clips * 1_640_000_000,
        last_captured: Some(UtcMs(NOW - clips as i64 * 3_600_000)),
    };
    let mut rows = vec![
        case(CASE, "case", 9, 5, 2),
        case("赵卫罚〔2026〕113号", "case", 1, 1, 0),
        case("JC-2026-0318", "inspection", 4, 1, 0),
        case("日常检查 2026-06-19", "unfiled", 12, 12, 0),
    ];
    if scene == Scene::Hostile {
        rows[0].number = NASTY.into();
        rows[0].party = Some(NASTY.into());
    }
    rows
}
