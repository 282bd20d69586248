//! What of a room is told to whom, and who ends what is recorded in it: by whose the recording is, as the table says. Everybody
//! else with the right to see rooms sees that this one is in use, and nothing of who is in it, for what, or how it looks.

use axum::http::HeaderMap;

use crate::access::Signed;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision, Subject};
use crate::domain::sensitivity::Sensitivity;
use crate::store::RecordingStanding;
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Asking, Trouble};
use crate::web::view::rooms::{RoomView, RoomsView};
use crate::web::who::Who;
use crate::web::{purpose, routes};

/// How a recording stands for what is asked. Ending it shows nothing of it: its label shuts nobody out who may.
fn subject(action: Action, standing: &RecordingStanding) -> Subject {
    match action {
        Action::RecordRoom => Subject { sensitivity: Sensitivity::None, ..standing.subject },
        _ => standing.subject,
    }
}

fn asking(standing: &RecordingStanding) -> Asking {
    let clip = standing.clip.map(|clip| clip.to_string()).unwrap_or_default();
    Asking { about: standing.about.clone(), clip }
}

/// Whether somebody may do this to what is recorded in a room, and what they said they look for where that is asked. Where
/// nothing is recorded, the right alone decides: there is nothing to see or to end. A refusal is logged.
pub(in crate::web) async fn admit(
    site: &Site,
    visitor: &Visitor,
    signed: &Signed,
    action: Action,
    room: &str,
    headers: &HeaderMap,
) -> Result<Option<String>, Trouble> {
    let standing = site.pages.room_standing(room, signed).await?;
    let subject = standing.as_ref().map_or(Subject::STATION, |standing| subject(action, standing));
    match (signed.decide(action, &subject), standing) {
        (Decision::Allowed { purpose: true }, Some(standing)) => {
            let asking = asking(&standing);
            let said = purpose::said(site, signed, &asking.about, headers);
            said.map(Some).ok_or(Trouble::Purpose(asking))
        }
        (Decision::Allowed { .. }, _) => Ok(None),
        (Decision::Refused(refusal), standing) => {
            let clip = standing.and_then(|standing| standing.clip);
            site.log_refusal(visitor, action, refusal.as_str(), clip).await;
            Err(Trouble::Forbidden(refusal))
        }
    }
}

/// The rooms as whoever visits may see them.
pub(super) async fn seen(site: &Site, visitor: &Visitor) -> Result<RoomsView, Trouble> {
    let mut view = site.pages.rooms().await?;
    let Who::Signed { signed, .. } = &visitor.who else { return Ok(view) };
    for room in view.rooms.iter_mut().filter(|room| room.recording.is_some()) {
        // What ended since is nobody's any more.
        let standing = site.pages.room_standing(&room.stream, signed).await?;
        narrow(site, signed, room, standing.as_ref());
        let clip = room.clip.as_deref().and_then(|clip| clip.parse::<ClipId>().ok());
        if let Some(clip) = clip
            && !may_open(site, visitor, clip).await?
        {
            room.clip = None;
        }
    }
    Ok(view)
}

/// Whether its page opens for them: a link that is refused is none.
async fn may_open(site: &Site, visitor: &Visitor, clip: ClipId) -> Result<bool, Trouble> {
    match routes::shows(site, visitor, Action::ShowClip, clip).await {
        Err(Trouble::NoClip) => Ok(false),
        shows => shows,
    }
}

fn narrow(site: &Site, signed: &Signed, room: &mut RoomView, standing: Option<&RecordingStanding>) {
    let decide = |action| standing.map(|standing| signed.decide(action, &subject(action, standing)));
    room.stops = matches!(decide(Action::RecordRoom), Some(Decision::Allowed { .. }));
    match (decide(Action::SeeRooms), standing) {
        (Some(Decision::Allowed { purpose }), Some(standing)) => {
            let said = || purpose::said(site, signed, &standing.about, &HeaderMap::new());
            room.asks = purpose && room.still.is_some() && said().is_none();
        }
        _ => room.without_recording(),
    }
}
