//! Rooms that are recorded live: the page with its forms, the stills, and the API's part.

mod theirs;

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::present::rooms::RoomCard;
use super::present::{self, Ctx, Nav};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::rooms::RoomView;
use crate::domain::command::{Asked, Request};
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::runtime::board::StreamState;

pub(super) use theirs::admit;

/// The page, its forms, the API. Whoever may see rooms sees which are in use; the rest is of whose the recording is.
pub fn routes(r: Routes) -> Routes {
    let (see, record) = (Need::May(Action::SeeRooms), Need::May(Action::RecordRoom));
    let (look, end) = (Need::Room(Action::SeeRooms), Need::Room(Action::RecordRoom));
    r.get("/rooms", see, rooms)
        .post("/rooms/{stream}/start", record, start)
        .post("/rooms/{stream}/stop", end, stop)
        .get("/rooms/{stream}/still", look, still)
        .get("/api/v1/rooms", see, list_rooms)
        .get("/api/v1/rooms/{stream}/still", look, still)
        .post("/api/v1/rooms/{stream}/start", record, start_room)
        .post("/api/v1/rooms/{stream}/stop", end, stop_room)
}

#[derive(Template)]
#[template(path = "rooms.html")]
struct RoomsPage<'a> {
    c: &'a Ctx,
    cards: Vec<RoomCard>,
    done: Option<&'static str>,
    refusal: Option<String>,
    typed: Asked,
}

#[derive(Debug, Default, Deserialize)]
struct DoneQuery {
    #[serde(default)]
    done: Option<String>,
}

async fn rooms(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let w = visitor.lang.words();
    let done = match q.done.as_deref() {
        Some("started") => Some(w.room_begun),
        Some("stopped") => Some(w.room_stopped),
        _ => None,
    };
    page(&site, &visitor, done, None, Asked::default()).await.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn page(
    site: &Site,
    visitor: &Visitor,
    done: Option<&'static str>,
    refusal: Option<String>,
    typed: Asked,
) -> Result<Response, Trouble> {
    looked(site, visitor).await?;
    let c = site.ctx(visitor, Nav::Rooms).await?;
    let cards = present::rooms::cards(&theirs::seen(site, visitor).await?, &c);
    Ok(Html(RoomsPage { c: &c, cards, done, refusal, typed }.render()?).into_response())
}

/// Rooms tell for which case each is recorded: one entry for each session and quarter of an hour, since the page stands open.
async fn looked(site: &Site, visitor: &Visitor) -> Result<(), Trouble> {
    site.log_access(visitor, Access { what: "room", terms: Some("rooms"), ..Access::default() }).await
}

/// Carries a form's request out: back to the rooms with a word, or the rooms again with the refusal and what was typed.
async fn change(site: &Site, visitor: &Visitor, request: Request, done: &str, typed: Asked) -> Response {
    let answer = async {
        match site.carry_out(&visitor.caller, request).await {
            Ok(_) => Ok(Redirect::to(&format!("/rooms?done={done}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/rooms".to_owned(), ..visitor.clone() };
                Ok((trouble.status(), page(site, &visitor, None, refusal, typed).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

async fn start(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(stream): Path<String>,
    body: Result<Form<Asked>, FormRejection>,
) -> Response {
    match body {
        Ok(Form(asked)) => {
            let typed = asked.clone();
            change(&site, &visitor, Request::StartRecording { room: stream, asked }, "started", typed).await
        }
        Err(e) => Trouble::from(e).page(&site, &visitor),
    }
}

async fn stop(State(site): State<Arc<Site>>, visitor: Visitor, Path(stream): Path<String>) -> Response {
    change(&site, &visitor, Request::StopRecording { room: stream }, "stopped", Asked::default()).await
}

/// The newest still of what is recorded in a room now, for whom the recording is theirs.
#[utoipa::path(get, path = "/api/v1/rooms/{stream}/still", params(("stream" = String, Path, description = "The stream's name")),
    responses((status = 200, content_type = "image/jpeg", description = "The still"), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn still(State(site): State<Arc<Site>>, visitor: Visitor, Path(stream): Path<String>) -> Response {
    // A still shows who is in the room: one entry for each room, session and quarter of an hour.
    let look = Access { what: "room", terms: Some(&stream), ..Access::default() };
    if let Err(trouble) = site.log_access(&visitor, look).await {
        return trouble.answer(&site, &visitor);
    }
    match site.pages.still(&stream).await {
        Ok(Some(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        Ok(None) => Trouble::NoPage.answer(&site, &visitor),
        Err(e) => Trouble::from(e).answer(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// Rooms that are recorded live.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rooms {
    /// In the order of the configuration.
    pub rooms: Vec<RoomNow>,
}

/// A room as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoomNow {
    /// The stream's name.
    pub stream: String,
    /// The room, as people call it.
    pub room: String,
    /// `on_demand`, `always`, `schedule`.
    pub mode: &'static str,
    /// When its timetable begins or ends it next, RFC 3339; null without one, and where it never does.
    pub timetable_changes_at: Option<String>,
    /// `idle`, `connecting`, `recording`, `waiting`.
    pub state: &'static str,
    /// Why it is not recorded although it should be.
    pub trouble: Option<String>,
    /// What is recorded in it is the caller's to see. Where it is somebody else's, `recording_id`, `case_no`, `clip` and
    /// `still_at` are null.
    pub yours: bool,
    /// The recording that goes on.
    pub recording_id: Option<String>,
    /// Who asked for it: `person`, `schedule`, `always`.
    pub cause: Option<&'static str>,
    /// For which case, as typed.
    pub case_no: Option<String>,
    /// Since when it is wanted, RFC 3339.
    pub begun_at: Option<String>,
    /// The clip that grows.
    pub clip: Option<String>,
    /// Bits a second, lately.
    pub bit_rate: u64,
    /// Packets that came since the connection began.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Milliseconds between the last two key frames.
    pub key_frame_every_ms: u64,
    /// When the last one came, RFC 3339.
    pub key_frame_at: Option<String>,
    /// The camera's clock minus the station's, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// When the newest still was made, RFC 3339.
    pub still_at: Option<String>,
}

impl From<&RoomView> for RoomNow {
    fn from(room: &RoomView) -> Self {
        let recording = room.recording.as_ref();
        Self {
            stream: room.stream.clone(),
            room: room.room.clone(),
            mode: room.mode,
            timetable_changes_at: room.timetable.map(|(_, at)| at.rfc3339()),
            state: room.state_word(),
            trouble: match &room.state {
                StreamState::Waiting { words, .. } => Some(words.clone()),
                _ => None,
            },
            yours: room.theirs,
            recording_id: recording.filter(|_| room.theirs).map(|r| r.id.clone()),
            cause: recording.map(|r| r.cause.as_str()),
            case_no: recording.and_then(|r| r.case_no.clone()),
            begun_at: recording.map(|r| r.begun.rfc3339()),
            clip: room.clip.clone(),
            bit_rate: room.bit_rate,
            packets: room.pulse.packets,
            lost: room.pulse.lost,
            key_frame_every_ms: room.pulse.key_every_ms,
            key_frame_at: room.pulse.key_ms.map(|ms| UtcMs(ms).rfc3339()),
            clock_offset_ms: room.pulse.clock_offset_ms,
            still_at: room.still.map(|at| at.rfc3339()),
        }
    }
}

/// Rooms that are recorded live, and how each is.
#[utoipa::path(get, path = "/api/v1/rooms", responses((status = 200, body = Rooms), (status = 503, body = Problem)))]
pub(super) async fn list_rooms(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        looked(&site, &visitor).await?;
        let view = theirs::seen(&site, &visitor).await?;
        Ok(Json(Rooms { rooms: view.rooms.iter().map(RoomNow::from).collect() }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Begins to record a room.
#[utoipa::path(post, path = "/api/v1/rooms/{stream}/start", params(("stream" = String, Path, description = "The stream's name, or its room")),
    request_body = Asked, responses((status = 201, description = "The recording", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn start_room(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(stream): Path<String>,
    body: Result<Json<Asked>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(asked) = body?;
        let begun = site.carry_out(&visitor.caller, Request::StartRecording { room: stream, asked }).await?;
        Ok((StatusCode::CREATED, Json(begun)).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Ends what a person began to record in a room, for whom the recording is theirs.
#[utoipa::path(post, path = "/api/v1/rooms/{stream}/stop", params(("stream" = String, Path, description = "The stream's name, or its room")),
    responses((status = 200, description = "The recording", body = serde_json::Value), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn stop_room(State(site): State<Arc<Site>>, visitor: Visitor, Path(stream): Path<String>) -> Response {
    match site.carry_out(&visitor.caller, Request::StopRecording { room: stream }).await {
        Ok(ended) => Json(ended).into_response(),
        Err(trouble) => trouble.problem(&visitor),
    }
}
