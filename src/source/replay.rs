//! Recorders in the network: asking one what it is and has, and fetching footage from it, each in a worker process that
//! may reach one TCP port and no file. Blocks; its callers live on threads of their own. Believes nothing that a worker
//! says beyond its form.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::rtsp::link::{Link, LinkError, Program, trust};
use crate::config::{NetworkRecorder, SecretError, port_of};
use crate::domain::error::{Retry, Retryable};
use crate::domain::replay::{
    ASKER_KIND, Answer, Door, FETCHER_KIND, Fetch, Find, Job, Looked, Network, Tell, Timeline,
};
use crate::domain::stream::Trust;
use crate::runtime::clock::monotonic;
use crate::worker::child;
use crate::worker::session::Session;

/// An answer of a recorder takes at most so long.
const PATIENCE_MS: u64 = 10_000;
/// A look is many questions; recorders that answer each just in time are not waited for longer.
const LOOK_LIMIT: Duration = Duration::from_secs(120);
/// Whether the station stops is looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// One question.
const ASK_LIMIT: Duration = Duration::from_secs(60);
/// Answers to a discovery are waited for so long (WS-Discovery lets them wait half a second; slow boxes take more).
const DISCOVERY_MS: u64 = 3_000;

/// Why a recorder could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The worker, the password, certificates.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The recorder, in its own words or those of its worker.
    #[error("{words}")]
    Recorder {
        /// In words.
        words: String,
        /// A person has to do something.
        refused: bool,
    },
    /// The worker answered something else.
    #[error("the worker answered something that was not asked")]
    Unasked,
    /// The box has no address in a network.
    #[error("this box has no address in {0}; correct [discovery] networks")]
    NoAddress(Network),
}

impl Retryable for PullError {
    fn retry(&self) -> Retry {
        match self {
            Self::Link(e) => e.retry(),
            Self::Recorder { refused: true, .. } | Self::NoAddress(_) => Retry::Operator,
            Self::Recorder { refused: false, .. } | Self::Unasked => Retry::Transient,
        }
    }
}

/// Asks what a recorder is, what time it has and, with `list`, what footage.
pub fn look(
    program: &Program,
    recorder: &NetworkRecorder,
    list: bool,
    stopping: &dyn Fn() -> bool,
) -> Result<Looked, PullError> {
    let job = Job::Look { door: door(recorder, &recorder.url)?, list };
    match ask(program, recorder, &job, LOOK_LIMIT, stopping)? {
        Answer::Looked(looked) => Ok(*looked),
        _ => Err(PullError::Unasked),
    }
}

/// Asks where a recording is played.
pub fn address(
    program: &Program,
    recorder: &NetworkRecorder,
    item: &str,
    stopping: &dyn Fn() -> bool,
) -> Result<String, PullError> {
    // Without ONVIF the footage is where the configuration says.
    if recorder.url.starts_with("rtsp") {
        return Ok(recorder.url.clone());
    }
    let job = Job::Address { door: door(recorder, &recorder.url)?, item: item.to_owned() };
    match ask(program, recorder, &job, ASK_LIMIT, stopping)? {
        Answer::Address(url) => Ok(url),
        _ => Err(PullError::Unasked),
    }
}

/// Begins to fetch what a recorder has at `url` from one time to another.
pub fn fetch(
    program: &Program,
    recorder: &NetworkRecorder,
    url: &str,
    timeline: Timeline,
    (from_ms, to_ms): (i64, i64),
) -> Result<Link, PullError> {
    let door = door(recorder, url)?;
    let reach = (port_of(url), matches!(door.trust, Trust::Pinned(_)));
    let fetch = Fetch {
        door,
        onvif: recorder.url.starts_with("http"),
        timeline,
        from_ms,
        to_ms,
        segment_ms: recorder.segment.as_millis() as u64,
        silence_ms: recorder.silence.as_millis() as u64,
    };
    Ok(Link::begin(program, FETCHER_KIND, reach, &Tell::Fetch(Box::new(fetch)))?)
}

/// Asks in these networks who is there.
pub fn discover(program: &Program, networks: &[Network]) -> Result<Vec<Find>, PullError> {
    let mut own = Vec::new();
    for network in networks {
        own.push((address_in(*network).ok_or(PullError::NoAddress(*network))?, *network));
    }
    // No TCP is needed; name servers' port is open to every worker of this kind anyway.
    let mut session = Session::start(&program.spec(ASKER_KIND, (53, false))).map_err(LinkError::from)?;
    let job = Job::Discover { networks: own, wait_ms: DISCOVERY_MS };
    let (answer, _) = session.call::<Answer>(&job, None, ASK_LIMIT).map_err(LinkError::from)?;
    match answer.bounded() {
        Answer::Found(finds) => Ok(finds),
        Answer::Failed { words, refused } => Err(PullError::Recorder { words, refused }),
        _ => Err(PullError::Unasked),
    }
}

/// Host and port of a recorder, as the register knows it where it tells no serial number.
pub fn host_of(url: &str) -> String {
    let uri: Option<http::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(|u| u.host()).unwrap_or_default();
    format!("{host}:{}", port_of(url))
}

fn ask(
    program: &Program,
    recorder: &NetworkRecorder,
    job: &Job,
    limit: Duration,
    stopping: &dyn Fn() -> bool,
) -> Result<Answer, PullError> {
    let pinned = recorder.certificate_sha256.is_some();
    let spec = program.spec(ASKER_KIND, (port_of(&recorder.url), pinned));
    let mut session = Session::start(&spec).map_err(LinkError::from)?;
    session.tell(job).map_err(LinkError::from)?;
    let until = monotonic() + limit;
    // A recorder that answers slowly does not keep the station from stopping: the worker ends with its session.
    while !stopping() && monotonic() < until {
        match session.hear::<child::Answer<Answer>>(LOOK).map_err(LinkError::from)? {
            None => {}
            Some((child::Answer::Panicked(words), _)) => {
                return Err(PullError::Recorder {
                    words: format!("its answer broke the worker: {words}"),
                    refused: false,
                });
            }
            Some((child::Answer::Read { .. } | child::Answer::Give, _)) => {
                let words = "its worker asked for bytes, which there are none of".to_owned();
                return Err(PullError::Recorder { words, refused: false });
            }
            Some((child::Answer::Done(answer), _)) => {
                return match answer.bounded() {
                    Answer::Failed { words, refused } => Err(PullError::Recorder { words, refused }),
                    answer => Ok(answer),
                };
            }
        }
    }
    let words = format!("it did not come to the end of its answers within {} s", limit.as_secs());
    Err(PullError::Recorder { words, refused: false })
}

fn door(recorder: &NetworkRecorder, url: &str) -> Result<Door, LinkError> {
    Ok(Door {
        url: url.to_owned(),
        user: recorder.user.clone(),
        password: recorder
            .password
            .as_ref()
            .map(|p| Ok::<_, SecretError>(p.read()?.expose().to_owned()))
            .transpose()?,
        trust: trust(recorder.certificate_sha256.as_ref(), recorder.ca_file.as_ref())?,
        patience_ms: PATIENCE_MS,
    })
}

/// The box's own address in a network: what the kernel would send from. Nothing is sent.
fn address_in(network: Network) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((network.some_address(), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(own) => Some(own).filter(|own| network.holds(*own)),
        std::net::IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_recorder_is_reached() {
        assert_eq!(host_of("http://192.0.2.9/onvif/device_service"), "192.0.2.9:80");
        assert_eq!(host_of("rtsps://r.example/x"), "r.example:322");
        assert_eq!(address_in(Network::parse("127.0.0.0/8").unwrap()), Some(Ipv4Addr::LOCALHOST));
        let examples = Network::parse("198.51.100.0/24").unwrap();
        assert!(address_in(examples).is_none_or(|own| examples.holds(own)), "none of another network");
    }
}
