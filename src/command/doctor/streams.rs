//! Rooms that are recorded live: whether each camera's door is open, and how its last recording went.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::unread;
use crate::config::{Settings, Stream, address, port_of};
use crate::domain::ids::StreamName;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::stream::SegmentEnd;
use crate::domain::words::check::End;
use crate::store::{Result, Store};

const PART: CheckPart = CheckPart::Stream;

/// A camera in the same building answers in milliseconds.
const DOOR_TIMEOUT: Duration = Duration::from_secs(2);

/// Recordings that are looked through for the last one of each stream.
const RECORDINGS: u32 = 500;

/// Looks at each stream of the configuration.
pub fn look(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    settings
        .streams
        .iter()
        .flat_map(|stream| [Some(door(stream)), store.and_then(|store| last(stream, store))])
        .flatten()
        .collect()
}

/// Whether anything listens where the camera should be. What it says is a matter for `evidock stream test`.
fn door(stream: &Stream) -> Finding {
    let port = port_of(&stream.url);
    let host = address(&stream.url).ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let opened = (host, port).to_socket_addrs().and_then(|addresses| {
        let mut outcome = Err(std::io::Error::other("the name has no address"));
        for address in addresses {
            outcome = TcpStream::connect_timeout(&address, DOOR_TIMEOUT).map(|_| ());
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    });
    let (name, room, address) = (stream.name.to_string(), stream.room.clone(), format!("{host}:{port}"));
    match opened {
        Ok(()) => Finding::ok(PART, Found::CameraAnswers { name, room, address }),
        Err(e) => Finding::warning(
            PART,
            Found::CameraSilent { name: name.clone(), room, address, error: e.to_string() },
            Todo::StreamTest { name },
        ),
    }
}

/// How its last recording went, where that is worth a word.
fn last(stream: &Stream, store: &Store) -> Option<Finding> {
    let name = stream.name.clone();
    match store.read_blocking(move |r| ended(r, &name)) {
        Err(e) => Some(unread(PART, &e)),
        Ok(Some((why, words))) if is_trouble(why) => {
            let (name, why) = (stream.name.to_string(), End(why));
            let found = match words.is_empty() {
                true => Found::LastEnded { name, why },
                false => Found::LastEndedSaying { name, why, words },
            };
            Some(Finding::warning(PART, found, Todo::ReadStreams {}))
        }
        Ok(_) => None,
    }
}

fn ended(r: &crate::store::Reader<'_>, stream: &StreamName) -> Result<Option<(SegmentEnd, String)>> {
    let newest = r.recordings(RECORDINGS)?.into_iter().find(|recording| recording.asked.stream == *stream);
    let Some(newest) = newest else { return Ok(None) };
    let last =
        r.segments(newest.id)?.into_iter().rev().find_map(|s| Some((s.ended?, s.ended_detail.unwrap_or_default())));
    Ok(last)
}

/// Whether it ended otherwise than somebody wanted.
fn is_trouble(why: SegmentEnd) -> bool {
    use SegmentEnd as S;
    match why {
        S::Length | S::Asked | S::Changed | S::Stopped | S::Whole => false,
        S::Lost | S::Silent | S::Interrupted | S::Failed | S::Full | S::Short => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_wanted_is_no_trouble() {
        for why in [SegmentEnd::Length, SegmentEnd::Asked, SegmentEnd::Changed, SegmentEnd::Stopped] {
            assert!(!is_trouble(why), "{why:?}");
        }
        assert!(is_trouble(SegmentEnd::Full) && is_trouble(SegmentEnd::Lost));
    }
}
