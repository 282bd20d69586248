//! What an ONVIF recorder is, what time it has and what footage (Profile G): the conversation with its device, search
//! and replay services, and the reading of its answers. Names and order of elements are those of ONVIF's device.wsdl,
//! search.wsdl, recording.wsdl and replay.wsdl (ver10). Runs inside a worker.

use std::collections::BTreeMap;

use quick_xml::escape::escape;

use super::line::Host;
use super::soap::{AskError, Soap, path_of, printable, zulu};
use super::xml::Node;
use crate::domain::recorder::SourcePath;
use crate::domain::replay::{ClockSeen, Device, Door, Looked, MAX_SPANS, Span, Timeline, tidy};
use crate::domain::time::UtcMs;
use crate::runtime::clock::wall;

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const SEARCH: &str = "http://www.onvif.org/ver10/search/wsdl";
const RECORDING: &str = "http://www.onvif.org/ver10/recording/wsdl";
const REPLAY: &str = "http://www.onvif.org/ver10/replay/wsdl";
/// Results that are asked for at once.
const PAGE: usize = 100;
/// Most pages of one search: a recorder that never comes to its end is one that is not believed.
const PAGES: usize = 200;
/// Pages in a row on which nothing stands.
const EMPTY_PAGES: usize = 3;

/// Asks everything that a look needs.
pub fn look(door: &Door, list: bool) -> Result<Looked, AskError> {
    let mut soap = Soap::new(door)?;
    let path = path_of(&door.url).ok_or(AskError::Address)?;
    let clock = clock(&mut soap, &path)?;
    soap.offset_ms = clock.map_or(0, ClockSeen::offset_ms);
    let device =
        device(&soap.ask(&path, &format!("{DEVICE}/GetDeviceInformation"), "<tds:GetDeviceInformation/>", true)?);
    let mut looked = Looked { device, clock, timeline: Timeline::Clock, spans: Vec::new(), left_out: 0 };
    if list {
        let services = Services::of(&mut soap, &path)?;
        let (spans, odd) = footage(&mut soap, &services)?;
        let (spans, left_out) = tidy(spans);
        (looked.spans, looked.left_out) = (spans, left_out + odd);
    }
    Ok(looked)
}

/// Where a recording is played: at the host that is asked, whatever the recorder thinks that it is called.
pub fn address(door: &Door, item: &str) -> Result<String, AskError> {
    let mut soap = Soap::new(door)?;
    let path = path_of(&door.url).ok_or(AskError::Address)?;
    soap.offset_ms = clock(&mut soap, &path)?.map_or(0, ClockSeen::offset_ms);
    let services = Services::of(&mut soap, &path)?;
    let replay =
        services.replay.ok_or_else(|| AskError::No("it has no replay service (ONVIF Profile G)".to_owned()))?;
    let token = SourcePath::from_text(item).map(|p| String::from_utf8_lossy(p.as_bytes()).into_owned());
    let body = format!(
        "<trp:GetReplayUri><trp:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport></trp:StreamSetup>\
         <trp:RecordingToken>{}</trp:RecordingToken></trp:GetReplayUri>",
        escape(token.as_deref().unwrap_or(item))
    );
    let answer = soap.ask(&replay, &format!("{REPLAY}/GetReplayUri"), &body, true)?;
    let uri =
        answer.text_at(&["Uri"]).ok_or_else(|| AskError::No("it gives no address for this recording".to_owned()))?;
    at_our_host(uri, &door.url).ok_or_else(|| AskError::No("it gives an address that is none of RTSP".to_owned()))
}

fn clock(soap: &mut Soap<'_>, path: &str) -> Result<Option<ClockSeen>, AskError> {
    let before = wall().0;
    // The one question that may be asked without a name (ONVIF Core Specification, 5.9.1, PRE_AUTH).
    let answer = soap.ask(path, &format!("{DEVICE}/GetSystemDateAndTime"), "<tds:GetSystemDateAndTime/>", false)?;
    let after = wall().0;
    let device_ms = answer.at(&["SystemDateAndTime", "UTCDateTime"]).and_then(date_and_time);
    Ok(device_ms.map(|device_ms| ClockSeen { device_ms, station_ms: before + (after - before) / 2 }))
}

/// tt:DateTime: numbers of date and time.
fn date_and_time(node: &Node) -> Option<i64> {
    let number = |path: [&str; 2]| node.text_at(&path)?.parse::<i16>().ok();
    let small = |path| number(path).and_then(|n| i8::try_from(n).ok());
    let at = jiff::civil::DateTime::new(
        number(["Date", "Year"])?,
        small(["Date", "Month"])?,
        small(["Date", "Day"])?,
        small(["Time", "Hour"])?,
        small(["Time", "Minute"])?,
        // A leap second is the second before.
        small(["Time", "Second"])?.min(59),
        0,
    );
    Some(at.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

fn device(answer: &Node) -> Device {
    let text = |name: &str| answer.text_at(&[name]).map(printable).unwrap_or_default();
    Device {
        maker: text("Manufacturer"),
        model: text("Model"),
        firmware: text("FirmwareVersion"),
        serial: text("SerialNumber"),
    }
}

/// Paths of services.
#[derive(Debug, Default, PartialEq, Eq)]
struct Services {
    search: Option<String>,
    recording: Option<String>,
    replay: Option<String>,
}

impl Services {
    fn of(soap: &mut Soap<'_>, path: &str) -> Result<Self, AskError> {
        let body = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>";
        let told = soap.ask(path, &format!("{DEVICE}/GetServices"), body, true);
        let found = match told {
            Ok(answer) => Self::told(&answer),
            Err(e) if e.is_refusal() => return Err(e),
            Err(_) => Self::default(),
        };
        if found.search.is_some() || found.recording.is_some() {
            return Ok(found);
        }
        // Recorders from before GetServices (Core 2.0) tell by their capabilities.
        let body = "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>";
        let answer = soap.ask(path, &format!("{DEVICE}/GetCapabilities"), body, true)?;
        let at = |name: &str| answer.text_at(&["Capabilities", "Extension", name, "XAddr"]).and_then(path_of);
        Ok(Self { search: at("Search"), recording: at("Recording"), replay: at("Replay") })
    }

    fn told(answer: &Node) -> Self {
        let at = |namespace: &str| {
            let service = answer.all("Service").find(|s| s.text_at(&["Namespace"]) == Some(namespace))?;
            service.text_at(&["XAddr"]).and_then(path_of)
        };
        Self { search: at(SEARCH), recording: at(RECORDING), replay: at(REPLAY) }
    }
}

/// A recording as listed: token, begin, end, whether it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    token: String,
    from_ms: i64,
    to_ms: i64,
    grows: bool,
}

/// All footage, and how many entries of the list could not be read.
fn footage(soap: &mut Soap<'_>, services: &Services) -> Result<(Vec<Span>, u64), AskError> {
    let search = services
        .search
        .as_deref()
        .ok_or_else(|| AskError::No("it has no search service (ONVIF Profile G)".to_owned()))?;
    let (recordings, odd) = match recordings(soap, search) {
        Err(AskError::No(_)) if services.recording.is_some() => one_by_one(soap, services, search)?,
        found => found?,
    };
    // What is present in each recording, where the recorder tells: else all of it.
    let events = if recordings.is_empty() { Vec::new() } else { events(soap, search, &recordings).unwrap_or_default() };
    Ok((recordings.iter().flat_map(|r| stretches(r, &events)).collect(), odd))
}

fn recordings(soap: &mut Soap<'_>, search: &str) -> Result<(Vec<Recorded>, u64), AskError> {
    let body =
        "<tse:FindRecordings><tse:Scope></tse:Scope><tse:KeepAliveTime>PT30S</tse:KeepAliveTime></tse:FindRecordings>";
    let mut found: BTreeMap<String, Recorded> = BTreeMap::new();
    let mut odd = 0;
    results(soap, search, "Recording", body, |list| {
        let mut fresh = 0;
        for information in list.all("RecordingInformation") {
            match recorded(information) {
                Some(r) => fresh += usize::from(found.insert(r.token.clone(), r).is_none()),
                None => odd += 1,
            }
        }
        fresh > 0 && found.len() < MAX_SPANS
    })?;
    Ok((found.into_values().collect(), odd))
}

/// The way of recorders whose search finds nothing: every recording by its name.
fn one_by_one(soap: &mut Soap<'_>, services: &Services, search: &str) -> Result<(Vec<Recorded>, u64), AskError> {
    let path = services.recording.as_deref().unwrap_or(search);
    let answer = soap.ask(path, &format!("{RECORDING}/GetRecordings"), "<trc:GetRecordings/>", true)?;
    let (mut found, mut odd) = (Vec::new(), 0);
    for token in answer.all("RecordingItem").filter_map(|item| item.text_at(&["RecordingToken"])).take(MAX_SPANS) {
        let body = format!(
            "<tse:GetRecordingInformation><tse:RecordingToken>{}</tse:RecordingToken></tse:GetRecordingInformation>",
            escape(token)
        );
        let answer = soap.ask(search, &format!("{SEARCH}/GetRecordingInformation"), &body, true)?;
        match answer.child("RecordingInformation").and_then(recorded) {
            Some(r) => found.push(r),
            None => odd += 1,
        }
    }
    Ok((found, odd))
}

/// tt:RecordingInformation. Times stand on the recording, else on its tracks.
fn recorded(node: &Node) -> Option<Recorded> {
    let time = |node: &Node, name: &str| node.text_at(&[name]).and_then(instant);
    let of_tracks = |name: &'static str| node.all("Track").filter_map(move |t| time(t, name));
    let from_ms = time(node, "EarliestRecording").or_else(|| of_tracks("DataFrom").min())?;
    let to_ms = time(node, "LatestRecording").or_else(|| of_tracks("DataTo").max())?;
    let token = node.text_at(&["RecordingToken"])?.to_owned();
    Some(Recorded { token, from_ms, to_ms, grows: node.text_at(&["RecordingStatus"]) == Some("Recording") })
}

/// Runs a search to its end; `take` gets each list of results and says whether it brought anything.
fn results(
    soap: &mut Soap<'_>,
    search: &str,
    of: &str,
    body: &str,
    mut take: impl FnMut(&Node) -> bool,
) -> Result<(), AskError> {
    let find = format!("{SEARCH}/Find{of}s");
    let answer = soap.ask(search, &find, body, true)?;
    let token = answer.text_at(&["SearchToken"]).ok_or_else(|| AskError::No("a search without a name".to_owned()))?;
    let token = escape(token).into_owned();
    let get = format!(
        "<tse:Get{of}SearchResults><tse:SearchToken>{token}</tse:SearchToken><tse:MinResults>1</tse:MinResults>\
         <tse:MaxResults>{PAGE}</tse:MaxResults><tse:WaitTime>PT3S</tse:WaitTime></tse:Get{of}SearchResults>"
    );
    let mut empty = 0;
    for _ in 0..PAGES {
        let answer = soap.ask(search, &format!("{SEARCH}/Get{of}SearchResults"), &get, true)?;
        let list = answer.child("ResultList").ok_or_else(|| AskError::No("results without a list".to_owned()))?;
        empty = if take(list) { 0 } else { empty + 1 };
        if list.text_at(&["SearchState"]) == Some("Completed") || empty >= EMPTY_PAGES {
            break;
        }
    }
    let end = format!("<tse:EndSearch><tse:SearchToken>{token}</tse:SearchToken></tse:EndSearch>");
    // A search that is not ended ends by itself.
    let _ = soap.ask(search, &format!("{SEARCH}/EndSearch"), &end, true);
    Ok(())
}

/// A change in what a recording holds: recording, track, when, whether there is footage from then on.
type Change = (String, String, i64, bool);

fn events(soap: &mut Soap<'_>, search: &str, recordings: &[Recorded]) -> Result<Vec<Change>, AskError> {
    let from = recordings.iter().map(|r| r.from_ms).min().unwrap_or_default();
    let to = recordings.iter().map(|r| r.to_ms).max().unwrap_or_default();
    let body = format!(
        "<tse:FindEvents><tse:StartPoint>{}</tse:StartPoint><tse:EndPoint>{}</tse:EndPoint><tse:Scope></tse:Scope><tse:SearchFilter>\
         <wsnt:TopicExpression Dialect=\"http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet\">tns1:RecordingHistory//.</wsnt:TopicExpression>\
         </tse:SearchFilter><tse:IncludeStartState>true</tse:IncludeStartState><tse:KeepAliveTime>PT30S</tse:KeepAliveTime></tse:FindEvents>",
        zulu(from),
        zulu(to)
    );
    let mut changes = Vec::new();
    results(soap, search, "Event", &body, |list| {
        let before = changes.len();
        changes.extend(list.all("Result").filter_map(change));
        changes.len() > before && changes.len() < MAX_SPANS * 8
    })?;
    Ok(changes)
}

/// tt:FindEventResult of `tns1:RecordingHistory/Track/State`.
fn change(result: &Node) -> Option<Change> {
    let data = result.child("Event")?.find("Data")?;
    let item = data.all("SimpleItem").find(|i| i.attribute("Name") == Some("IsDataPresent"))?;
    let present = matches!(item.attribute("Value"), Some("true" | "1"));
    let track = result.text_at(&["TrackToken"]).unwrap_or_default().to_owned();
    Some((result.text_at(&["RecordingToken"])?.to_owned(), track, instant(result.text_at(&["Time"])?)?, present))
}

/// The stretches of a recording in which any track has footage.
fn stretches(r: &Recorded, changes: &[Change]) -> Vec<Span> {
    let span = |from_ms: i64, to_ms: i64, grows| Span { item: r.token.clone(), from_ms, to_ms, grows };
    let mut tracks: BTreeMap<&str, Vec<(i64, bool)>> = BTreeMap::new();
    for (_, track, at, present) in changes.iter().filter(|(token, ..)| *token == r.token) {
        tracks.entry(track).or_default().push((*at, *present));
    }
    let mut spans = Vec::new();
    for mut told in tracks.into_values() {
        told.sort_unstable();
        let mut begun = None;
        for (at, present) in told {
            let at = at.clamp(r.from_ms, r.to_ms);
            match (begun, present) {
                (None, true) => begun = Some(at),
                (Some(from), false) => {
                    spans.push(span(from, at, false));
                    begun = None;
                }
                _ => {}
            }
        }
        if let Some(from) = begun {
            spans.push(span(from, r.to_ms, r.grows));
        }
    }
    spans.retain(|s| s.to_ms > s.from_ms);
    // Events that tell of no footage at all are not believed: something was listed.
    if spans.is_empty() { vec![span(r.from_ms, r.to_ms, r.grows)] } else { spans }
}

/// xs:dateTime; one without a zone is UTC (ONVIF Core Specification, 5.2).
fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    UtcMs::parse_rfc3339(text).or_else(|| UtcMs::parse_rfc3339(&format!("{text}Z"))).map(|t| t.0)
}

/// An RTSP address as a recorder gives it, at the host of `ours`.
fn at_our_host(uri: &str, ours: &str) -> Option<String> {
    let theirs: http::Uri = uri.trim().parse().ok()?;
    let scheme = theirs.scheme_str().filter(|s| matches!(*s, "rtsp" | "rtsps"))?;
    let port = Host::of(uri.trim())?.port;
    let host: http::Uri = ours.parse().ok()?;
    let path = theirs.path_and_query().map_or("/", |p| p.as_str());
    Some(format!("{scheme}://{}:{port}{path}", host.host()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(xml: &str) -> Node {
        Node::read(xml.as_bytes()).unwrap()
    }

    fn at(text: &str) -> i64 {
        instant(text).unwrap()
    }

    #[test]
    fn times_of_recorders() {
        let date = |xml: &str| date_and_time(&node(xml));
        let time = "<Time><Hour>13</Hour><Minute>5</Minute><Second>60</Second></Time>";
        let whole =
            format!("<UTCDateTime>{time}<Date><Year>2026</Year><Month>6</Month><Day>19</Day></Date></UTCDateTime>");
        assert_eq!(date(&whole), Some(at("2026-06-19T13:05:59Z")));
        for bad in ["<Year>x</Year>", "<Month>13</Month>", "<Day>31</Day>"] {
            let name = &bad[1..bad.find('>').unwrap()];
            let begin = whole.find(&format!("<{name}>")).unwrap();
            let end = whole.find(&format!("</{name}>")).unwrap() + name.len() + 3;
            assert_eq!(date(&format!("{}{bad}{}", &whole[..begin], &whole[end..])), None, "{bad}");
        }
        assert_eq!(at("2026-06-19T13:05:59.25"), at("2026-06-19T21:05:59.250+08:00"));
        assert_eq!((instant(""), instant("yesterday")), (None, None));
    }

    #[test]
    fn services_by_either_way() {
        let told = node(
            "<GetServicesResponse><Service><Namespace>http://www.onvif.org/ver10/search/wsdl</Namespace><XAddr>http://10.0.0.1/s</XAddr></Service>\
             <Service><Namespace>http://www.onvif.org/ver10/replay/wsdl</Namespace><XAddr>http://10.0.0.1:99/r?x</XAddr></Service></GetServicesResponse>",
        );
        let services = Services::told(&told);
        assert_eq!((services.search.as_deref(), services.replay.as_deref()), (Some("/s"), Some("/r?x")));
        assert_eq!(services.recording, None);
    }

    #[test]
    fn recordings_and_the_stretches_in_them() {
        let r = recorded(&node(
            "<RecordingInformation><RecordingToken>R1</RecordingToken><EarliestRecording>2026-06-19T10:00:00Z</EarliestRecording>\
             <LatestRecording>2026-06-19T12:00:00Z</LatestRecording><RecordingStatus>Recording</RecordingStatus></RecordingInformation>",
        ))
        .unwrap();
        assert!(r.grows);
        let by_track = recorded(&node(
            "<RecordingInformation><RecordingToken>R2</RecordingToken><Track><DataFrom>2026-06-19T10:00:00Z</DataFrom><DataTo>2026-06-19T10:05:00Z</DataTo></Track>\
             <Track><DataFrom>2026-06-19T09:59:00Z</DataFrom><DataTo>2026-06-19T10:04:00Z</DataTo></Track><RecordingStatus>Stopped</RecordingStatus></RecordingInformation>",
        ))
        .unwrap();
        assert_eq!((by_track.from_ms, by_track.to_ms), (at("2026-06-19T09:59:00Z"), at("2026-06-19T10:05:00Z")));
        assert_eq!(
            recorded(&node("<RecordingInformation><RecordingToken>R3</RecordingToken></RecordingInformation>")),
            None
        );
        let change = |track: &str, time: &str, present: &str| {
            change(&node(&format!(
                "<Result><RecordingToken>R1</RecordingToken><TrackToken>{track}</TrackToken><Time>2026-06-19T{time}Z</Time><Event><Topic>tns1:RecordingHistory/Track/State</Topic>\
                 <Message><Message><Source/><Data><SimpleItem Name=\"IsDataPresent\" Value=\"{present}\"/></Data></Message></Message></Event></Result>"
            )))
            .unwrap()
        };
        let changes = [
            change("V", "10:00:00", "true"),
            change("V", "10:30:00", "false"),
            change("A", "10:00:00", "true"),
            change("A", "10:31:00", "false"),
            change("V", "11:00:00", "1"),
        ];
        let (spans, _) = tidy(stretches(&r, &changes));
        let told: Vec<_> = spans.iter().map(|s| (s.from_ms, s.to_ms, s.grows)).collect();
        assert_eq!(
            told,
            [
                (at("2026-06-19T10:00:00Z"), at("2026-06-19T10:31:00Z"), false),
                (at("2026-06-19T11:00:00Z"), at("2026-06-19T12:00:00Z"), true)
            ]
        );
        assert_eq!(stretches(&r, &[change("V", "10:30:00", "false")]).len(), 1, "listed all the same");
    }

    #[test]
    fn a_recorder_cannot_send_us_to_another_host() {
        let ours = "http://192.0.2.7:8080/onvif/device_service";
        assert_eq!(at_our_host("rtsp://10.0.0.1/r/1?x=2", ours).as_deref(), Some("rtsp://192.0.2.7:554/r/1?x=2"));
        assert_eq!(at_our_host("rtsps://evil.example:99/", ours).as_deref(), Some("rtsps://192.0.2.7:99/"));
        assert_eq!(at_our_host("http://10.0.0.1/r", ours), None);
        assert_eq!(at_our_host("x", ours), None);
    }

    proptest! {
        #[test]
        fn any_answer_ends(text in "(<(RecordingInformation|Result|Event|Data|Time|Track)>|</[A-Z][a-z]+>|[0-9TZ:-]{0,20}){0,30}") {
            if let Ok(node) = Node::read(format!("<a>{text}</a>").as_bytes()) {
                for child in &node.children {
                    let _ = (recorded(child), change(child), date_and_time(child), device(child));
                }
            }
        }

        #[test]
        fn stretches_lie_in_their_recording(changes in proptest::collection::vec((0u8..3, -100i64..300, any::<bool>()), 0..20)) {
            let r = Recorded { token: "R".into(), from_ms: 0, to_ms: 200, grows: false };
            let changes: Vec<Change> = changes.into_iter().map(|(t, at, p)| ("R".into(), t.to_string(), at, p)).collect();
            let spans = stretches(&r, &changes);
            prop_assert!(!spans.is_empty() && spans.iter().all(|s| 0 <= s.from_ms && s.from_ms < s.to_ms && s.to_ms <= 200));
        }
    }
}
