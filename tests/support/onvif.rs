//! The ONVIF side of a recorder for tests: a SOAP server of our own, because no free one with Profile G is packaged. It
//! checks what it is asked against what ONVIF's WSDL files say: action, namespace, names and order of elements
//! (device.wsdl, search.wsdl, recording.wsdl, replay.wsdl, ver10; read there by hand, not by a validator), and the user
//! name token by its own arithmetic. Whatever is wrong ends the test when the server is dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidock::domain::time::UtcMs;
use evidock::media::replay::xml::Node;
use evidock::runtime::clock::wall;
use sha1::Digest;

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const SEARCH: &str = "http://www.onvif.org/ver10/search/wsdl";
const RECORDING: &str = "http://www.onvif.org/ver10/recording/wsdl";
const REPLAY: &str = "http://www.onvif.org/ver10/replay/wsdl";

/// A recording as the server lists it, milliseconds of the recorder's clock.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its token.
    pub token: String,
    /// First and last moment.
    pub span: (i64, i64),
    /// It is still being written.
    pub grows: bool,
    /// Stretches with footage, told by events; empty: the server knows no events.
    pub stretches: Vec<(i64, i64)>,
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Ways {
    /// User and password.
    pub user: Option<(String, String)>,
    /// What it lists.
    pub recordings: Vec<Recording>,
    /// Where it says that they are played; its own host is never the right one.
    pub replay_url: String,
    /// Its clock minus ours.
    pub clock_ms: i64,
    /// Serial number.
    pub serial: String,
    /// Answers are what they should be, or else.
    pub answers: Answers,
    /// It knows GetServices; else only capabilities.
    pub services: bool,
    /// Its search finds nothing: recordings by name only.
    pub no_search: bool,
    /// It wants HTTP's own digest, too.
    pub http_digest: bool,
}

/// What answers are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// As they should be.
    Right,
    /// They announce more than they bring, and the line stands.
    TooLong,
    /// They announce more than anybody believes.
    Huge,
    /// They never end.
    Endless,
    /// A document type with entities in it.
    Bomb,
    /// No XML at all.
    Noise,
    /// A search never comes to its end.
    EndlessSearch,
}

/// The server. Ends when it is dropped.
pub struct Onvif {
    /// Where it listens.
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    ways: Mutex<Ways>,
    asked: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    over: AtomicBool,
    pages: AtomicUsize,
}

impl Onvif {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(ways: Ways) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            ways: Mutex::new(ways),
            asked: Mutex::default(),
            wrong: Mutex::default(),
            over: AtomicBool::new(false),
            pages: AtomicUsize::new(0),
        });
        let server = Self { port, inner: Arc::clone(&inner) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if inner.over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    let inner = Arc::clone(&inner);
                    std::thread::spawn(move || inner.serve(client));
                }
            }
        });
        server
    }

    /// Its device service.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/onvif/device_service", self.port)
    }

    /// Changes how it behaves.
    pub fn set(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.inner.ways.lock().unwrap());
    }

    /// Names of what was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

impl Drop for Onvif {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let wrong = self.inner.wrong.lock().unwrap().clone();
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "the recorder was asked wrongly: {wrong:#?}");
        }
    }
}

impl Inner {
    fn wrong(&self, what: impl Into<String>) {
        self.wrong.lock().unwrap().push(what.into());
    }

    fn serve(&self, mut client: TcpStream) {
        let mut lines = BufReader::new(client.try_clone().unwrap());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let header = |name: &str| {
            head.iter().skip(1).find_map(|l| {
                let (n, v) = l.split_once(':')?;
                n.eq_ignore_ascii_case(name).then(|| v.trim().to_owned())
            })
        };
        let length: usize = header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if lines.read_exact(&mut body).is_err() {
            return;
        }
        let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let ways = self.ways.lock().unwrap().clone();
        if ways.http_digest && header("authorization").is_none_or(|a| !self.digest_is_right(&a, &path, &ways)) {
            let _ = client.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"onvif\", nonce=\"abc\", qop=\"auth\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            return;
        }
        let action = header("content-type").unwrap_or_default();
        let (status, answer) = self.answer(&path, &action, &body, &ways);
        let answer = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tt=\"http://www.onvif.org/ver10/schema\">\
             <SOAP-ENV:Header/><SOAP-ENV:Body>{answer}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        let say = |client: &mut TcpStream, length: usize, body: &[u8]| {
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/soap+xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(body));
        };
        match ways.answers {
            Answers::Right | Answers::EndlessSearch => say(&mut client, answer.len(), answer.as_bytes()),
            Answers::TooLong => {
                say(&mut client, answer.len() + 100, answer.as_bytes());
                // The line stands until the other side gives up.
                let _ = client.read(&mut [0; 1]);
            }
            Answers::Huge => say(&mut client, 1 << 40, answer.as_bytes()),
            Answers::Endless => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<a>");
                loop {
                    if self.over.load(Ordering::SeqCst) || client.write_all(&[b'x'; 65_536]).is_err() {
                        return;
                    }
                }
            }
            Answers::Bomb => {
                let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><a>&b;</a>";
                say(&mut client, bomb.len(), bomb.as_bytes());
            }
            Answers::Noise => say(&mut client, 9, b"\x00\xff<<<>&;\n"),
        }
    }

    fn digest_is_right(&self, header: &str, path: &str, ways: &Ways) -> bool {
        let value = |name: &str| {
            let (_, rest) = header.split_once(&format!("{name}="))?;
            Some(rest.trim_start_matches('"').split(['"', ',']).next().unwrap_or_default().to_owned())
        };
        let md5 = |text: String| md5::Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let Some((user, password)) = &ways.user else { return true };
        let (a, b) = (md5(format!("{user}:onvif:{password}")), md5(format!("POST:{path}")));
        let [nc, cnonce] = ["nc", "cnonce"].map(|name| value(name).unwrap_or_default());
        value("response") == Some(md5(format!("{a}:abc:{nc}:{cnonce}:auth:{b}")))
    }

    fn answer(&self, path: &str, content_type: &str, body: &[u8], ways: &Ways) -> (&'static str, String) {
        let Ok(envelope) = Node::read(body) else {
            self.wrong("a request that is no XML");
            return ("400 Bad Request", fault("Sender", "WellFormed", "no XML"));
        };
        let Some(asked) = envelope.child("Body").and_then(|b| b.children.first()) else {
            self.wrong("a request without a body");
            return ("400 Bad Request", fault("Sender", "WellFormed", "no body"));
        };
        let name = asked.name.as_str();
        self.asked.lock().unwrap().push(name.to_owned());
        let (namespace, service) = match name {
            "GetSystemDateAndTime" | "GetDeviceInformation" | "GetServices" | "GetCapabilities" => {
                (DEVICE, "/onvif/device_service")
            }
            "GetRecordings" => (RECORDING, "/onvif/recording"),
            "GetReplayUri" => (REPLAY, "/onvif/replay"),
            _ => (SEARCH, "/onvif/search"),
        };
        let text = String::from_utf8_lossy(body);
        if !content_type.contains(&format!("action=\"{namespace}/{name}\"")) {
            self.wrong(format!("{name} with the action {content_type}"));
        }
        if !text.contains(&format!("=\"{namespace}\"")) {
            self.wrong(format!("{name} without its namespace"));
        }
        if path != service {
            self.wrong(format!("{name} at {path}"));
        }
        let order: &[&str] = match name {
            "GetServices" => &["IncludeCapability"],
            "GetCapabilities" => &["Category"],
            "FindRecordings" => &["Scope", "KeepAliveTime"],
            "FindEvents" => &["StartPoint", "EndPoint", "Scope", "SearchFilter", "IncludeStartState", "KeepAliveTime"],
            "GetRecordingSearchResults" | "GetEventSearchResults" => {
                &["SearchToken", "MinResults", "MaxResults", "WaitTime"]
            }
            "EndSearch" => &["SearchToken"],
            "GetRecordingInformation" => &["RecordingToken"],
            "GetReplayUri" => &["StreamSetup", "RecordingToken"],
            _ => &[],
        };
        let names: Vec<&str> = asked.children.iter().map(|c| c.name.as_str()).collect();
        if names != order {
            self.wrong(format!("{name} with {names:?}, its WSDL has {order:?}"));
        }
        if name != "GetSystemDateAndTime"
            && let Err(why) = token(&envelope, ways)
        {
            return ("400 Bad Request", fault("Sender", "NotAuthorized", why));
        }
        ("200 OK", self.said(name, asked, ways))
    }

    fn said(&self, name: &str, asked: &Node, ways: &Ways) -> String {
        let time = |ms: i64| UtcMs(ms).rfc3339().replace("+00:00", "Z");
        match name {
            "GetSystemDateAndTime" => {
                let now = UtcMs(wall().0 + ways.clock_ms).zoned(&jiff::tz::TimeZone::UTC);
                format!(
                    "<tds:GetSystemDateAndTimeResponse xmlns:tds=\"{DEVICE}\"><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>\
                     <tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time><tt:Hour>{}</tt:Hour><tt:Minute>{}</tt:Minute><tt:Second>{}</tt:Second></tt:Time>\
                     <tt:Date><tt:Year>{}</tt:Year><tt:Month>{}</tt:Month><tt:Day>{}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
                    now.hour(),
                    now.minute(),
                    now.second(),
                    now.year(),
                    now.month(),
                    now.day()
                )
            }
            "GetDeviceInformation" => format!(
                "<tds:GetDeviceInformationResponse xmlns:tds=\"{DEVICE}\"><tds:Manufacturer>ACME</tds:Manufacturer><tds:Model>BWC 7</tds:Model>\
                 <tds:FirmwareVersion>1.2.3</tds:FirmwareVersion><tds:SerialNumber>{}</tds:SerialNumber><tds:HardwareId>7</tds:HardwareId></tds:GetDeviceInformationResponse>",
                ways.serial
            ),
            "GetServices" if ways.services => {
                let service = |namespace: &str, path: &str| {
                    format!(
                        "<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>http://10.9.8.7/onvif/{path}</tds:XAddr>\
                         <tds:Version><tt:Major>2</tt:Major><tt:Minor>5</tt:Minor></tds:Version></tds:Service>"
                    )
                };
                format!(
                    "<tds:GetServicesResponse xmlns:tds=\"{DEVICE}\">{}{}{}{}</tds:GetServicesResponse>",
                    service(DEVICE, "device_service"),
                    service(SEARCH, "search"),
                    service(RECORDING, "recording"),
                    service(REPLAY, "replay")
                )
            }
            "GetServices" => fault("Receiver", "ActionNotSupported", "not implemented"),
            "GetCapabilities" => format!(
                "<tds:GetCapabilitiesResponse xmlns:tds=\"{DEVICE}\"><tds:Capabilities><tt:Extension><tt:Recording><tt:XAddr>http://10.9.8.7/onvif/recording</tt:XAddr></tt:Recording>\
                 <tt:Search><tt:XAddr>http://10.9.8.7/onvif/search</tt:XAddr></tt:Search><tt:Replay><tt:XAddr>http://10.9.8.7/onvif/replay</tt:XAddr></tt:Replay></tt:Extension></tds:Capabilities></tds:GetCapabilitiesResponse>"
            ),
            "FindRecordings" if ways.no_search => fault("Receiver", "Action", "no search"),
            "FindEvents" if ways.recordings.iter().all(|r| r.stretches.is_empty()) => {
                fault("Receiver", "ActionNotSupported", "no events")
            }
            "FindRecordings" | "FindEvents" => {
                self.pages.store(0, Ordering::SeqCst);
                format!(
                    "<tse:{name}Response xmlns:tse=\"{SEARCH}\"><tse:SearchToken>S&amp;1</tse:SearchToken></tse:{name}Response>"
                )
            }
            "GetRecordingSearchResults" => {
                if asked.text_at(&["SearchToken"]) != Some("S&1") {
                    self.wrong("a search by another name");
                }
                // One recording a page, so that a search takes several.
                let page = self.pages.fetch_add(1, Ordering::SeqCst);
                let endless = ways.answers == Answers::EndlessSearch;
                let done = !endless && page + 1 >= ways.recordings.len();
                let recording = ways.recordings.get(if endless { 0 } else { page });
                let information = recording.map(|r| information(r, &time)).unwrap_or_default();
                let state = if done { "Completed" } else { "Searching" };
                format!(
                    "<tse:GetRecordingSearchResultsResponse xmlns:tse=\"{SEARCH}\"><tse:ResultList><tt:SearchState>{state}</tt:SearchState>{information}</tse:ResultList></tse:GetRecordingSearchResultsResponse>"
                )
            }
            "GetEventSearchResults" => {
                let event = |token: &str, at: i64, present: bool| {
                    format!(
                        "<tt:Result><tt:RecordingToken>{token}</tt:RecordingToken><tt:TrackToken>VIDEO001</tt:TrackToken><tt:Time>{}</tt:Time>\
                         <tt:Event xmlns:wsnt=\"http://docs.oasis-open.org/wsn/b-2\"><wsnt:Topic>tns1:RecordingHistory/Track/State</wsnt:Topic><wsnt:Message><tt:Message UtcTime=\"{}\">\
                         <tt:Source><tt:SimpleItem Name=\"RecordingToken\" Value=\"{token}\"/></tt:Source><tt:Data><tt:SimpleItem Name=\"IsDataPresent\" Value=\"{present}\"/></tt:Data></tt:Message></wsnt:Message></tt:Event>\
                         <tt:StartStateEvent>false</tt:StartStateEvent></tt:Result>",
                        time(at),
                        time(at)
                    )
                };
                let events: String = ways
                    .recordings
                    .iter()
                    .flat_map(|r| r.stretches.iter().map(move |(from, to)| (r, *from, *to)))
                    .map(|(r, from, to)| event(&r.token, from, true) + &event(&r.token, to, false))
                    .collect();
                format!(
                    "<tse:GetEventSearchResultsResponse xmlns:tse=\"{SEARCH}\"><tse:ResultList><tt:SearchState>Completed</tt:SearchState>{events}</tse:ResultList></tse:GetEventSearchResultsResponse>"
                )
            }
            "EndSearch" => format!(
                "<tse:EndSearchResponse xmlns:tse=\"{SEARCH}\"><tse:Endpoint>{}</tse:Endpoint></tse:EndSearchResponse>",
                time(0)
            ),
            "GetRecordings" => {
                let items: String = ways
                    .recordings
                    .iter()
                    .map(|r| {
                        format!(
                            "<trc:RecordingItem><tt:RecordingToken>{}</tt:RecordingToken></trc:RecordingItem>",
                            r.token
                        )
                    })
                    .collect();
                format!("<trc:GetRecordingsResponse xmlns:trc=\"{RECORDING}\">{items}</trc:GetRecordingsResponse>")
            }
            "GetRecordingInformation" => {
                let token = asked.text_at(&["RecordingToken"]).unwrap_or_default();
                let found = ways.recordings.iter().find(|r| r.token == token);
                format!(
                    "<tse:GetRecordingInformationResponse xmlns:tse=\"{SEARCH}\">{}</tse:GetRecordingInformationResponse>",
                    found.map(|r| information(r, &time)).unwrap_or_default()
                )
            }
            "GetReplayUri" => {
                let token = asked.text_at(&["RecordingToken"]).unwrap_or_default();
                if !ways.recordings.iter().any(|r| r.token == token) {
                    self.wrong(format!("a replay of {token:?}"));
                }
                if asked.text_at(&["StreamSetup", "Transport", "Protocol"]) != Some("RTSP") {
                    self.wrong("a replay that is not inside RTSP");
                }
                format!(
                    "<trp:GetReplayUriResponse xmlns:trp=\"{REPLAY}\"><trp:Uri>{}</trp:Uri></trp:GetReplayUriResponse>",
                    ways.replay_url
                )
            }
            other => {
                self.wrong(format!("{other} was not expected"));
                fault("Sender", "ActionNotSupported", "unknown")
            }
        }
    }
}

fn information(r: &Recording, time: &dyn Fn(i64) -> String) -> String {
    format!(
        "<tt:RecordingInformation><tt:RecordingToken>{}</tt:RecordingToken><tt:Source><tt:SourceId>1</tt:SourceId><tt:Name>body</tt:Name><tt:Location/><tt:Description/><tt:Address/></tt:Source>\
         <tt:EarliestRecording>{}</tt:EarliestRecording><tt:LatestRecording>{}</tt:LatestRecording><tt:Content/>\
         <tt:Track><tt:TrackToken>VIDEO001</tt:TrackToken><tt:TrackType>Video</tt:TrackType><tt:Description/><tt:DataFrom>{}</tt:DataFrom><tt:DataTo>{}</tt:DataTo></tt:Track>\
         <tt:RecordingStatus>{}</tt:RecordingStatus></tt:RecordingInformation>",
        r.token,
        time(r.span.0),
        time(r.span.1),
        time(r.span.0),
        time(r.span.1),
        if r.grows { "Recording" } else { "Stopped" }
    )
}

fn fault(code: &str, sub: &str, words: &str) -> String {
    format!(
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:{code}</SOAP-ENV:Value><SOAP-ENV:Subcode><SOAP-ENV:Value>ter:{sub}</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code>\
         <SOAP-ENV:Reason><SOAP-ENV:Text xml:lang=\"en\">{words}</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>"
    )
}

/// Whether a request says who it is as the profile wants it, within five minutes of the recorder's clock.
fn token(envelope: &Node, ways: &Ways) -> Result<(), &'static str> {
    let Some((user, password)) = &ways.user else { return Ok(()) };
    let token = envelope.at(&["Header", "Security", "UsernameToken"]).ok_or("no token")?;
    let text = |name: &str| token.text_at(&[name]).ok_or("half a token");
    if text("Username")? != user {
        return Err("no such user");
    }
    let nonce = BASE64.decode(text("Nonce")?).map_err(|_| "no nonce")?;
    let created = text("Created")?;
    let at = UtcMs::parse_rfc3339(created).ok_or("no time")?;
    if (at.0 - wall().0 - ways.clock_ms).abs() > 300_000 {
        return Err("too old");
    }
    let digest = sha1::Sha1::digest([nonce.as_slice(), created.as_bytes(), password.as_bytes()].concat());
    if text("Password")? == BASE64.encode(digest) { Ok(()) } else { Err("Sender not Authorized") }
}

/// Answers probes of WS-Discovery at an address of loopback until it is dropped.
pub struct Beacon {
    over: Arc<AtomicBool>,
}

impl Beacon {
    /// Tells each who asks this address of a device service.
    pub fn start(address: String) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let socket = rustix_socket();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        std::thread::spawn(move || {
            let mut buf = vec![0; 65_536];
            while !ended.load(Ordering::SeqCst) {
                let Ok((n, from)) = socket.recv_from(&mut buf) else { continue };
                let Ok(probe) = Node::read(&buf[..n]) else { continue };
                let Some(id) = probe.text_at(&["Header", "MessageID"]) else { continue };
                let match_of = |address: &str| {
                    format!(
                        "<d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:7</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>\
                         <d:Scopes>onvif://www.onvif.org/Profile/G onvif://www.onvif.org/name/ACME%20BWC onvif://www.onvif.org/hardware/7</d:Scopes><d:XAddrs>{address}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>"
                    )
                };
                let answer = |id: &str, matches: &str| {
                    format!(
                        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">\
                         <s:Header><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches>{matches}</d:ProbeMatches></s:Body></s:Envelope>"
                    )
                };
                // Beside the right one: noise, an answer to somebody else, and an address outside of every network.
                for datagram in [
                    "noise".to_owned(),
                    answer("urn:uuid:other", &match_of("http://127.0.0.1:1/other")),
                    answer(id, &match_of("http://192.0.2.66/outside")),
                    answer(id, &match_of(&address)),
                ] {
                    let _ = socket.send_to(datagram.as_bytes(), from);
                }
            }
        });
        Self { over }
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// A member of WS-Discovery's group on loopback; others on this machine may be one, too.
fn rustix_socket() -> UdpSocket {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 3702)).unwrap();
    sockopt::set_ip_add_membership(&socket, &Ipv4Addr::new(239, 255, 255, 250), &Ipv4Addr::LOCALHOST).unwrap();
    UdpSocket::from(socket)
}
