//! Facts that stand still, for the page: one scene a state that a station can be in. All of it is invented.

#![allow(clippy::unwrap_used)] // A test's facts; a poisoned lock means that the test has already failed.

mod cases;
mod clips;
mod documents;
mod exports;
mod keeping;
pub mod office;
mod oversight;
mod pages;
mod rooms;
pub mod station;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use evidock::domain::command::{Ask, Caller, FileDocument, Incoming, Reply, Request};
use evidock::domain::ids::ClipId;
use evidock::domain::ports::{BoxFuture, ClipBytes, FootageStream};
use evidock::domain::rights::{Over, Subject, Within};
use evidock::domain::sensitivity::Sensitivity;
use evidock::runtime::clock::StoppedClock;
use evidock::web::live::Live;
use evidock::web::site::{Door, ReadError, Site};
use jiff::tz::TimeZone;

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
/// What there was before a case, with more clips than anything is done with at once.
pub const LARGE: &str = "日常检查(未立案)";
pub const NASTY: &str =
    "\"><script>alert(1)</script>' onload=x {{7*7}} \u{202e}很长很长很长很长很长很长很长很长很长很长很长很长";

/// The id of a package.
pub const PACKAGE: &str = "019aa2c4-7f00-7abc-8def-0123456789ab";

/// The station page of a scene.
pub fn station_of(scene: Scene) -> evidock::web::view::station::StationView {
    station::station(scene)
}

/// The list of clips of a scene.
pub fn rows_of(scene: Scene) -> Vec<evidock::web::view::clips::ClipRow> {
    clips::rows(scene)
}

/// States of the packages that every scene has.
pub fn packages() -> &'static [evidock::domain::export::ExportState] {
    &exports::EXPORTS
}

const MIN: i64 = 60_000;

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
    /// The same of changes alone: what is looked at is logged all the same.
    pub refuse_changes: Mutex<Option<Reply>>,
}

impl Asked {
    pub fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Ask for Asked {
    fn ask<'a>(&'a self, _: &'a Caller, request: Request) -> BoxFuture<'a, Reply> {
        let look = matches!(request, Request::LogAccess { .. });
        self.requests.lock().unwrap().push(request);
        let change = self.refuse_changes.lock().unwrap().clone().filter(|_| !look);
        let refused = self.refuse.lock().unwrap().clone().or(change);
        let reply = refused.unwrap_or(Reply::Done(serde_json::json!({ "seq": 41 })));
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
/// own and 7 nobody's, both of a minor; 8 is their unit's, of somebody's business, 9 their unit's and 10 sent to them, both of
/// a minor.
pub fn standing(n: i64) -> Subject {
    let sensitivity = match n {
        8 => Sensitivity::TradeSecret,
        6.. => Sensitivity::Minor,
        _ => Sensitivity::None,
    };
    Subject { own: n == 1 || n == 6, unit: matches!(n, 1 | 2 | 8 | 9), sent: n == 3 || n == 10, sensitivity }
}

/// The same by its id: documents stand sent with their case, are the unit's, and nobody's own. `None` where there is no such
/// clip.
pub fn standing_of(clip: ClipId) -> Option<Subject> {
    let document = Subject { own: false, unit: true, sent: true, sensitivity: Sensitivity::None };
    let n = (1..=10).find(|n| clip_id(*n) == clip);
    n.map(standing).or_else(|| documents::is_document(clip).then_some(document))
}

/// Whether a clip lies within bounds.
pub fn seen(within: &Within, clip: ClipId) -> bool {
    *within == Within::Everything || standing_of(clip).is_some_and(|subject| reaches(within, subject))
}

/// Whether what belongs to the clip with a number (a case, a sample, a party) lies within bounds.
pub fn shown(within: &Within, n: i64) -> bool {
    reaches(within, standing(n))
}

fn reaches(within: &Within, subject: Subject) -> bool {
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
