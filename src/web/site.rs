//! What the web room needs of the rest: a port for reading, a way to ask, a clock, a zone; and who is visiting.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use jiff::tz::TimeZone;

use super::live::Live;
use super::present::{Ctx, Nav};
use super::trouble::Trouble;
use super::view::Frame;
use super::view::alarms::AlarmsView;
use super::view::case::CaseAnswer;
use super::view::clip::{ClipView, CustodyEntry, ProofView};
use super::view::clips::{CasesView, ClipsQuery, ClipsView};
use super::view::derived::DerivedView;
use super::view::exports::{ExportView, ExportsView};
use super::view::log::{LogEntry, LogQuery};
use super::view::rooms::RoomsView;
use super::view::station::StationView;
use super::view::triage::TriageView;
use super::viewing::Viewings;
use super::who::{Said, Who};
use crate::access::Signed;
use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::elsewhere::AnswerElsewhere;
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::ports::{BoxFuture, ClipBytes, Clock, DeriveError, FootageError, PreviewPiece};
use crate::domain::rights::{Action, Within};
use crate::domain::why::Why;
use crate::domain::words::Lang;
use crate::store::{ClipStanding, DerivativeRow, RecordingStanding};

/// Name of the cookie that carries the chosen language.
pub const LANGUAGE_COOKIE: &str = "lang";
/// A part that refreshes itself is one access for this long; a page that is opened is always a new one.
const SAME_ACCESS: Duration = Duration::from_secs(900);
/// Accesses that are remembered at most; beyond that a refresh is simply logged again.
const REMEMBERED: usize = 4096;

/// Reading, as the pages need it. Bound to the store; tests have a form with fixed facts.
pub trait Pages: super::view::keeping::Reading + super::oversight::Oversight {
    /// What the frame around every page shows.
    fn frame(&self) -> BoxFuture<'_, Result<Frame, ReadError>>;
    /// The station page and the bay board.
    fn station(&self) -> BoxFuture<'_, Result<StationView, ReadError>>;
    /// A page of the list of clips, of those that whoever looks may see.
    fn clips<'a>(&'a self, query: &'a ClipsQuery, within: &'a Within) -> BoxFuture<'a, Result<ClipsView, ReadError>>;
    /// How a clip stands to an account; `None` where the station has none of that id.
    fn standing(&self, clip: ClipId, account: i64) -> BoxFuture<'_, Result<Option<ClipStanding>, ReadError>>;
    /// One clip; `None` where the station has none of that id.
    fn clip(&self, clip: ClipId) -> BoxFuture<'_, Result<Option<ClipView>, ReadError>>;
    /// An entry of the log about a clip, with its proof; `None` where the log has no such entry about it.
    fn proof(&self, clip: ClipId, seq: u64) -> BoxFuture<'_, Result<Option<ProofView>, ReadError>>;
    /// Entries of the log about a clip, newest first, below this one, at most `limit`; with `looks_of`, without the looks of
    /// others.
    fn custody(
        &self,
        clip: ClipId,
        before: Option<u64>,
        limit: u32,
        looks_of: Option<Actor>,
    ) -> BoxFuture<'_, Result<Vec<CustodyEntry>, ReadError>>;
    /// A case by any of its numbers in any bracket style, with those of its clips that whoever looks may see; a case of
    /// which they may see none, and know nothing, is not there.
    fn case<'a>(&'a self, number: &'a str, within: &'a Within) -> BoxFuture<'a, Result<CaseAnswer, ReadError>>;
    /// The key of a case number as typed, where it can be read as one: all ways to write a number give one key.
    fn case_key(&self, typed: &str) -> Option<String>;
    /// What was perhaps meant by what is refused as a case number.
    fn meant(&self, typed: &str) -> Vec<String>;
    /// Cases whose numbers contain `query` (all where it is empty), after a cursor, of those that whoever looks may see.
    fn cases<'a>(
        &'a self,
        query: &'a str,
        after: Option<&'a str>,
        within: &'a Within,
    ) -> BoxFuture<'a, Result<CasesView, ReadError>>;
    /// What other stations have that fits what was typed, of what whoever looks may see.
    fn elsewhere<'a>(
        &'a self,
        typed: &'a str,
        within: &'a Within,
        limit: usize,
    ) -> BoxFuture<'a, Result<AnswerElsewhere, ReadError>>;
    /// Clips that wait for a person, best-known first, after a cursor, of those that whoever looks may see.
    fn triage<'a>(&'a self, after: Option<&'a str>, within: &'a Within)
    -> BoxFuture<'a, Result<TriageView, ReadError>>;
    /// How many of them there are, counted up to `most`.
    fn waiting<'a>(&'a self, within: &'a Within, most: u32) -> BoxFuture<'a, Result<u64, ReadError>>;
    /// The sealed bytes of a clip.
    fn media(&self, clip: ClipId) -> BoxFuture<'_, Result<Media, ReadError>>;
    /// Whether previews say over the picture who looks.
    fn marks_previews(&self) -> bool;
    /// A piece of a preview of a clip, made of these bytes of it, with words over the picture or not; `None` where it has
    /// nothing at that place.
    fn preview(
        &self,
        clip: ClipId,
        bytes: Arc<dyn ClipBytes>,
        piece: u32,
        mark: Option<String>,
    ) -> BoxFuture<'_, Result<Option<PreviewPiece>, DeriveError>>;
    /// A contact sheet of a clip as JPEG, made of these bytes of it; `None` where there is no picture.
    fn sheet(&self, clip: ClipId, bytes: Arc<dyn ClipBytes>) -> BoxFuture<'_, Result<Option<Bytes>, DeriveError>>;
    /// Files that were derived of a clip, newest first.
    fn derived(&self, clip: ClipId) -> BoxFuture<'_, Result<Vec<DerivedView>, ReadError>>;
    /// One of them; `None` where there is none of that id.
    fn derived_file<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<DerivedView>, ReadError>>;
    /// Its bytes, compared with its digest; `None` where they are not kept (any more).
    fn derived_bytes<'a>(&'a self, row: &'a DerivativeRow) -> BoxFuture<'a, Result<Option<std::fs::File>, ReadError>>;
    /// A JPEG still of a clip.
    fn thumbnail(&self, clip: ClipId) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>>;
    /// A page of the evidence packages that were asked for, newest first: of one case by any of its numbers, or of all.
    fn exports<'a>(
        &'a self,
        case: Option<&'a str>,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<ExportsView, ReadError>>;
    /// One of them; `None` where there is none of that id.
    fn export<'a>(&'a self, package: &'a str) -> BoxFuture<'a, Result<Option<ExportView>, ReadError>>;
    /// The zip of a disc of a finished package, from 1; `None` where it is not there (any more).
    fn package<'a>(
        &'a self,
        package: &'a str,
        disc: u32,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn ClipBytes>>, FootageError>>;
    /// Rooms that are recorded live.
    fn rooms(&self) -> BoxFuture<'_, Result<RoomsView, ReadError>>;
    /// The newest JPEG still of what is recorded of a stream now.
    fn still<'a>(&'a self, stream: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>>;
    /// How what is recorded in a room now stands to somebody, by its stream's name or its own; `None` where nothing is.
    fn room_standing<'a>(
        &'a self,
        room: &'a str,
        signed: &'a Signed,
    ) -> BoxFuture<'a, Result<Option<RecordingStanding>, ReadError>>;
    /// Alarms that stand, a page of those that are over, and who is told of them.
    fn alarms<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<AlarmsView, ReadError>>;
    /// What administration, desk, registers and parties need.
    fn office(&self) -> &dyn super::office::Office;
    /// Entries of the log, newest first.
    fn log<'a>(&'a self, query: &'a LogQuery) -> BoxFuture<'a, Result<Vec<LogEntry>, ReadError>>;
    /// Metrics in the OpenMetrics text format.
    fn metrics(&self) -> BoxFuture<'_, Result<String, ReadError>>;
    /// The parts of the daemon and whether each is well.
    fn health(&self) -> BoxFuture<'_, Vec<Part>>;
}

/// The sealed bytes of a clip, wherever they stand.
pub enum Media {
    /// There they are.
    Here(MediaFile),
    /// No such clip, or not sealed yet.
    Missing,
    /// Isolated as suspected classified: nobody sees it.
    Isolated,
}

/// A sealed clip that can be served.
pub struct MediaFile {
    /// Its bytes, each verified before it comes out.
    pub bytes: Arc<dyn ClipBytes>,
    /// Media type by container, `application/octet-stream` where that is not known.
    pub content_type: String,
    /// Its name on the recorder, escaped.
    pub file_name: String,
    /// Hex SHA-256 of the whole: the entity tag.
    pub sha256: String,
    /// A document: only saved, never shown in the page's own name.
    pub is_document: bool,
}

/// A part of the daemon.
#[derive(Debug, Clone)]
pub struct Part {
    /// Name of its task.
    pub name: String,
    /// It is well.
    pub ok: bool,
    /// In words, where it is not.
    pub detail: Option<String>,
}

/// Reading failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store is busy or stopping; another moment may do.
    #[error("the store is busy; try again in a moment")]
    Busy,
    /// A cursor or number that cannot be read.
    #[error("{0}")]
    Invalid(Why),
    /// What is there is not shown that way.
    #[error("{0}")]
    Conflict(Why),
    /// The store failed.
    #[error("reading failed; run `evidock doctor`")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl crate::domain::error::Retryable for ReadError {
    fn retry(&self) -> crate::domain::error::Retry {
        use crate::domain::error::Retry;
        match self {
            Self::Busy => Retry::Transient,
            Self::Invalid(_) | Self::Conflict(_) => Retry::Permanent,
            Self::Failed(_) => Retry::Operator,
        }
    }
}

/// All that handlers share.
pub struct Site {
    /// Reading.
    pub pages: Arc<dyn Pages>,
    /// Asking.
    pub ask: Arc<dyn Ask>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The station's zone.
    pub zone: TimeZone,
    /// The language of whoever has chosen none; `None`: the browser's.
    pub language: Option<Lang>,
    /// What changed.
    pub live: Arc<Live>,
    /// Viewings under way.
    pub viewings: Arc<Viewings>,
    /// What open pages share of the station.
    pub(super) shared: super::shared::Shared,
    /// Changes under a key that go on.
    pub repeats: super::repeat::Repeats,
    /// Who is let in, and where the page listens.
    pub door: Door,
    accesses: Mutex<HashMap<String, Instant>>,
}

/// Who is let in, and where the page listens. By default: no accounts, on loopback, without TLS.
#[derive(Default)]
pub struct Door {
    /// Accounts; `None`: there are none and will be none.
    pub access: Option<Arc<crate::access::Access>>,
    /// Host names under which the station answers, besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// The listener is not bound to loopback.
    pub exposed: bool,
    /// The listener speaks TLS.
    pub tls: bool,
    /// Who signs the certificates of people, where browsers are asked for one.
    pub client_ca: Option<crate::access::certificate::ClientCa>,
    /// Where keys of changes and their answers are kept.
    pub repeats: Option<crate::store::Store>,
}

impl Site {
    /// A site behind its door.
    pub fn new(
        pages: Arc<dyn Pages>,
        ask: Arc<dyn Ask>,
        clock: Arc<dyn Clock>,
        zone: TimeZone,
        language: Option<Lang>,
        live: Arc<Live>,
        door: Door,
    ) -> Arc<Self> {
        let viewings = Viewings::new(ask.clone());
        let (repeats, shared) = (super::repeat::Repeats::default(), super::shared::Shared::default());
        Arc::new(Self {
            pages,
            ask,
            clock,
            zone,
            language,
            live,
            viewings,
            shared,
            repeats,
            door,
            accesses: Mutex::default(),
        })
    }

    /// What every page needs.
    pub async fn ctx(&self, visitor: &Visitor, nav: Nav) -> Result<Ctx, Trouble> {
        let frame = if visitor.part { self.shared().await?.1 } else { self.pages.frame().await? };
        let waiting = self.waiting(visitor, frame.to_annotate).await?;
        Ok(Ctx { waiting, ..self.ctx_with(visitor, nav, frame) })
    }

    /// The same around a frame that is already known.
    pub fn ctx_with(&self, visitor: &Visitor, nav: Nav, frame: Frame) -> Ctx {
        Ctx {
            w: visitor.lang.words(),
            zone: self.zone.clone(),
            now: self.clock.now(),
            waiting: frame.to_annotate,
            frame,
            nav,
            path: visitor.path.clone(),
            live_id: self.live.id(),
            who: visitor.who.clone(),
        }
    }

    /// Stores the entry of an access before anything of it is answered (invariant 10). A part that refreshes
    /// itself is the same access for a quarter of an hour; whoever opens a page makes a new one.
    pub async fn log_access(&self, visitor: &Visitor, access: Access<'_>) -> Result<(), Trouble> {
        let caller = &visitor.caller;
        let key = format!("{}\0{access:?}\0{:?}", of_caller(caller), caller.purpose);
        let now = crate::runtime::clock::monotonic();
        if visitor.part || access.what == "room" {
            let accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
            if accesses.get(&key).is_some_and(|at| now.duration_since(*at) < SAME_ACCESS) {
                return Ok(());
            }
        }
        let request = Request::LogAccess {
            what: access.what.to_owned(),
            clip: access.clip.map(|c| c.to_string()),
            case: access.case_no.map(|typed| {
                let key = self.pages.case_key(typed);
                crate::domain::layout::case_hash(key.as_deref().unwrap_or(typed))
            }),
            terms: access.terms.filter(|t| !t.is_empty()).map(str::to_owned),
            purpose: caller.purpose.clone(),
        };
        self.carry_out(caller, request).await?;
        let mut accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
        if accesses.len() >= REMEMBERED {
            accesses.retain(|_, at| now.duration_since(*at) < SAME_ACCESS);
        }
        if accesses.len() < REMEMBERED {
            accesses.insert(key, now);
        }
        Ok(())
    }

    /// Stores that bytes of a package are about to be given out, before the first of them is. Who goes on with what they
    /// began makes no new entry for a quarter of an hour.
    pub async fn log_taken(&self, visitor: &Visitor, package: &str, disc: u32, from_byte: u64) -> Result<(), Trouble> {
        let key = format!("{}\0taken\0{package}\0{disc}", of_caller(&visitor.caller));
        let now = crate::runtime::clock::monotonic();
        let recent = |at: &Instant| now.duration_since(*at) < SAME_ACCESS;
        if from_byte > 0 && self.accesses.lock().unwrap_or_else(PoisonError::into_inner).get(&key).is_some_and(recent) {
            return Ok(());
        }
        self.carry_out(&visitor.caller, Request::TakeExport { package: package.to_owned(), disc, from_byte }).await?;
        let mut accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
        if accesses.len() < REMEMBERED {
            accesses.insert(key, now);
        }
        Ok(())
    }

    /// Logs that something was asked for without the right to it, once a quarter of an hour for the same. The refusal
    /// stands whether it could be logged or not.
    pub async fn log_refusal(&self, visitor: &Visitor, action: Action, why: &str, clip: Option<ClipId>) {
        let key = format!("{}\0refused\0{action:?}\0{clip:?}", of_caller(&visitor.caller));
        let now = crate::runtime::clock::monotonic();
        {
            let mut accesses = self.accesses.lock().unwrap_or_else(PoisonError::into_inner);
            if accesses.get(&key).is_some_and(|at| now.duration_since(*at) < SAME_ACCESS) {
                return;
            }
            if accesses.len() < REMEMBERED {
                accesses.insert(key, now);
            }
        }
        let request = Request::LogRefusal {
            action: action.as_str().to_owned(),
            why: why.to_owned(),
            clip: clip.map(|c| c.to_string()),
        };
        if let Reply::Refused { message, .. } = self.ask.ask(&visitor.caller, request).await {
            tracing::warn!(message, "a refusal could not be logged");
        }
    }

    /// What is isolated as suspected classified is told to nobody, at whatever address: not its record, its log or what was
    /// derived of it.
    pub async fn not_isolated(&self, visitor: &Visitor, clip: ClipId) -> Result<(), Trouble> {
        // Whoever asks: nobody is shown it.
        let standing = self.pages.standing(clip, 0).await?.ok_or(Trouble::NoClip)?;
        if standing.isolated { Err(self.isolated(visitor, Action::ShowClip, clip).await) } else { Ok(()) }
    }

    /// What is told to whoever asks for such a clip all the same; the log tells that they did.
    pub async fn isolated(&self, visitor: &Visitor, action: Action, clip: ClipId) -> Trouble {
        self.log_refusal(visitor, action, "isolated", Some(clip)).await;
        Trouble::Isolated
    }

    /// Asks the daemon; a refusal is trouble.
    pub async fn carry_out(&self, caller: &Caller, request: Request) -> Result<serde_json::Value, Trouble> {
        match self.ask.ask(caller, request).await {
            Reply::Done(value) => Ok(value),
            Reply::Refused { code, why, .. } => Err(Trouble::refused(&code, why)),
        }
    }
}

/// An access to be logged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access<'a> {
    /// `show`, `list`, `search`, `find`, `room`.
    pub what: &'static str,
    /// The clip.
    pub clip: Option<ClipId>,
    /// Number of the case as asked; its key, or where it has none the number itself, is hashed before it goes anywhere.
    pub case_no: Option<&'a str>,
    /// Search terms: committed, not told.
    pub terms: Option<&'a str>,
}

/// Who is visiting, and how.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Language to answer in.
    pub lang: Lang,
    /// The identity that this door has established.
    pub caller: Caller,
    /// Path and query without `part`, for links back to this page.
    pub path: String,
    /// Only the live part is asked for.
    pub part: bool,
    /// Who it is.
    pub who: Who,
    /// The request asks to see, not to change.
    pub safe: bool,
    /// The certificate that the browser showed; nothing of it is believed yet.
    pub shown: Option<crate::access::certificate::Shown>,
}

fn of_caller(caller: &Caller) -> String {
    let session = caller.session.as_deref().unwrap_or_default();
    format!("{}\0{}\0{}\0{session}", caller.actor.kind, caller.actor.id, caller.from)
}

impl FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        Ok(Self::of(parts, site.language))
    }
}

impl Visitor {
    /// From a request's head; `station` is the station's language, where it has one.
    pub fn of(parts: &Parts, station: Option<Lang>) -> Self {
        let text = |name| parts.headers.get(name).and_then(|v: &axum::http::HeaderValue| v.to_str().ok());
        let cookie = super::who::cookie(&parts.headers, LANGUAGE_COOKIE);
        let who = parts.extensions.get::<Who>().cloned().unwrap_or_default();
        // Figures and health are for machines that watch: what is wrong is told to them like to programs.
        let api = ["/api/", "/metrics", "/healthz"].iter().any(|p| parts.uri.path().starts_with(p));
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
        let pairs: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty()).collect();
        let kept: Vec<&str> = pairs.iter().copied().filter(|p| *p != "part=live").collect();
        let path = match kept.is_empty() {
            true => parts.uri.path().to_owned(),
            false => format!("{}?{}", parts.uri.path(), kept.join("&")),
        };
        Self {
            lang: Lang::negotiate(text(header::ACCEPT_LANGUAGE), cookie, station),
            caller: Caller {
                session: who.signed().and_then(|s| s.session.clone()),
                purpose: parts.extensions.get::<Said>().map(|said| said.0.clone()),
                ..Caller::new(who.actor(), if api { "api" } else { "web" }, from.unwrap_or_else(|| "local".into()))
            },
            path,
            part: kept.len() < pairs.len(),
            who,
            safe: parts.method.is_safe(),
            shown: parts.extensions.get::<Option<crate::access::certificate::Shown>>().cloned().flatten(),
        }
    }

    /// The address that refreshes the live part of this page.
    pub fn part_href(&self) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}part=live", self.path)
    }
}
