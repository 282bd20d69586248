//! The workers of recorders in the network: one that asks what a recorder is and has, one that fetches footage. What such
//! a recorder says is parsed here and nowhere else. Runs only inside worker processes, which may reach the network (one
//! TCP port) and no file.
//!
//! | file | owns |
//! | --- | --- |
//! | [`mod@line`] | a connection, plain or TLS: every wait has an end |
//! | [`message`] | messages of RTSP and HTTP, packets between them: pure |
//! | [`auth`] | proving who we are: pure |
//! | [`xml`], [`soap`], [`onvif`] | a document within limits; one question; the conversation |
//! | [`rtsp`] | one RTSP connection that replays |
//! | [`packets`] | RTP, the wall time in it, what was given already: pure |
//! | [`tracks`] | GStreamer: from packets to samples |
//! | [`fetch`] | one stretch of footage over as many connections as it takes |
//! | [`discover`] | who is there |

pub mod auth;
pub mod discover;
pub mod fetch;
pub mod line;
pub mod message;
pub mod onvif;
pub mod packets;
pub mod rtsp;
pub mod soap;
pub mod tracks;
pub mod xml;

use std::sync::mpsc::channel;
use std::time::Duration;

use gstreamer as gst;

use super::ServeError;
use super::stream::{LIMITS, shut_but_network};
use crate::domain::error::chain;
use crate::domain::replay::{Answer, Device, Door, Job, Looked, Span, Tell, Timeline};
use crate::domain::stream::{PORT_VARIABLE, SegmentEnd, Told, Trust};
use crate::worker::child;
use crate::worker::sandbox::{Limits, Measure};
use soap::{AskError, path_of};

/// An asker decodes nothing and lives for one question.
const ASKER_LIMITS: Limits = Limits { address_space_bytes: 1 << 30, cpu_seconds: 600, open_files: 128 };
/// Why a pin cannot be kept.
const NO_FENCE: &str = "this kernel cannot keep the public authorities from the worker, so a pinned certificate cannot be \
     enforced; name the recorder's authority with ca_file instead";

fn port() -> Result<u16, ServeError> {
    std::env::var(PORT_VARIABLE).ok().and_then(|p| p.parse().ok()).ok_or(ServeError::Port)
}

/// A pin without the fence could be passed by with a certificate of any public authority.
fn is_fenced(measures: &[Measure]) -> bool {
    measures.iter().any(|m| m.name == "landlock" && m.in_force)
}

/// The life of a worker that asks.
pub fn serve_asking() -> Result<(), ServeError> {
    // Descriptions are read with GStreamer.
    gst::init()?;
    let measures = shut_but_network(&ASKER_LIMITS, port()?);
    let fenced = is_fenced(&measures);
    child::serve(measures, |job: Job, _| (answer(&job, fenced), Vec::new()))?;
    Ok(())
}

/// The life of a worker that fetches.
pub fn serve_fetching() -> Result<(), ServeError> {
    gst::init()?;
    let measures = shut_but_network(&LIMITS, port()?);
    let fenced = is_fenced(&measures);
    let (tells, coming) = channel();
    let mut talk = child::converse(measures, move |tell: Tell| tells.send(tell).is_ok())?;
    let Ok(Tell::Fetch(fetch)) = coming.recv() else { return Ok(()) };
    let (why, words, refused) = if matches!(fetch.door.trust, Trust::Pinned(_)) && !fenced {
        (SegmentEnd::Failed, NO_FENCE.to_owned(), true)
    } else {
        fetch::run(&fetch, &coming, &mut talk)?
    };
    talk.tell(&Told::Closed { why, words, refused }, &[])?;
    Ok(())
}

fn answer(job: &Job, fenced: bool) -> Answer {
    let pinned = |door: &Door| matches!(door.trust, Trust::Pinned(_)) && !fenced;
    let answered = match job {
        Job::Look { door, .. } | Job::Address { door, .. } if pinned(door) => {
            return Answer::Failed { words: NO_FENCE.to_owned(), refused: true };
        }
        Job::Look { door, list } if door.url.starts_with("rtsp") => {
            look_at_rtsp(door, *list).map(|l| Answer::Looked(Box::new(l)))
        }
        Job::Look { door, list } => onvif::look(door, *list).map(|l| Answer::Looked(Box::new(l))),
        Job::Address { door, item } => onvif::address(door, item).map(Answer::Address),
        Job::Discover { networks, wait_ms } => {
            discover::discover(networks, Duration::from_millis(*wait_ms)).map(Answer::Found).map_err(AskError::Away)
        }
    };
    answered.unwrap_or_else(|e| Answer::Failed { words: chain(&e), refused: e.is_refusal() })
}

/// A recorder without ONVIF: its description tells from when to when its footage is, and nothing tells what it is.
fn look_at_rtsp(door: &Door, list: bool) -> Result<Looked, AskError> {
    let mut looked =
        Looked { device: Device::default(), clock: None, timeline: Timeline::Clock, spans: Vec::new(), left_out: 0 };
    let mut rtsp = rtsp::Rtsp::connect(door)?;
    let offer = tracks::Offer::read(&rtsp.describe()?.sdp)?;
    rtsp.leave();
    let Some((timeline, from_ms, to_ms)) = offer.range else {
        return Err(AskError::No(
            "it does not tell from when to when its footage is; is this a camera's live address?".to_owned(),
        ));
    };
    looked.timeline = timeline;
    if list {
        let path = path_of(&door.url).unwrap_or_default();
        let item = Some(path.trim_matches('/')).filter(|p| !p.is_empty()).unwrap_or("footage").to_owned();
        looked.spans.push(Span { item, from_ms, to_ms, grows: false });
    }
    Ok(looked)
}
