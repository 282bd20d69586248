//! One question of ONVIF to a recorder and its answer: SOAP 1.2 over HTTP, who we are by a user name token (ONVIF Core
//! Specification, 5.9.4) and, where HTTP itself asks, by its digest. Runs inside a worker.
//!
//! Requests go to the one host and port of the configuration, whatever addresses a recorder gives for its services: it
//! may stand behind a gateway and not know better, and it must not send us elsewhere.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::escape;

use super::auth::{Challenge, token_digest};
use super::line::{Host, Line};
use super::message::{Head, Incoming, Malformed};
use super::xml::{BadXml, Node};
use crate::domain::replay::Door;
use crate::domain::time::UtcMs;
use crate::runtime::clock::{monotonic, wall};

const NAMESPACES: &str = "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tt=\"http://www.onvif.org/ver10/schema\" \
     xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\" xmlns:tse=\"http://www.onvif.org/ver10/search/wsdl\" \
     xmlns:trc=\"http://www.onvif.org/ver10/recording/wsdl\" xmlns:trp=\"http://www.onvif.org/ver10/replay/wsdl\" \
     xmlns:wsnt=\"http://docs.oasis-open.org/wsn/b-2\" xmlns:tns1=\"http://www.onvif.org/ver10/topics\"";
const WSS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";

/// Why a recorder gave no answer that helps.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection, a cut, silence.
    #[error("the recorder does not answer")]
    Away(#[source] io::Error),
    /// Its answer breaks HTTP or RTSP.
    #[error("the recorder does not speak its protocol")]
    Malformed(#[from] Malformed),
    /// Its answer breaks XML.
    #[error("the recorder does not speak its protocol")]
    Xml(#[from] BadXml),
    /// User or password are not the right ones.
    #[error("the recorder refuses user or password ({0}); check user and password_file of this recorder")]
    Denied(String),
    /// It cannot, or will not.
    #[error("the recorder says no: {0}")]
    No(String),
    /// The configuration.
    #[error("the address of this recorder cannot be used")]
    Address,
}

impl AskError {
    /// Trying again makes no sense before somebody has done something.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Address)
    }
}

/// A recorder that is being asked.
pub struct Soap<'a> {
    door: &'a Door,
    host: Host,
    /// Its clock minus ours; a token is only good for minutes of *its* clock.
    pub offset_ms: i64,
    challenge: Option<Challenge>,
    asked: u32,
}

impl<'a> Soap<'a> {
    /// Nothing is connected yet: each question is a connection of its own, as small servers like it.
    pub fn new(door: &'a Door) -> Result<Self, AskError> {
        let host = Host::of(&door.url).ok_or(AskError::Address)?;
        Ok(Self { door, host, offset_ms: 0, challenge: None, asked: 0 })
    }

    /// Asks the service at `path`; gives what stands in the answer's body. `secure` says who we are.
    pub fn ask(&mut self, path: &str, action: &str, body: &str, secure: bool) -> Result<Node, AskError> {
        let (mut head, mut answer) = self.post(path, action, body, secure)?;
        if head.status() == Some(401) && self.door.user.is_some() {
            let challenge = Challenge::choose(head.all("www-authenticate"));
            self.challenge = challenge;
            if self.challenge.is_some() {
                (head, answer) = self.post(path, action, body, secure)?;
            }
        }
        let status = head.status().unwrap_or(0);
        if status == 401 {
            return Err(AskError::Denied("HTTP 401".to_owned()));
        }
        let node = match Node::read(&answer) {
            Ok(node) => node,
            Err(_) if !(200..300).contains(&status) => {
                return Err(AskError::No(format!("HTTP {status} {}", printable(head.reason()))));
            }
            Err(e) => return Err(e.into()),
        };
        let body = node.child("Body").ok_or(AskError::No("an answer without a body".to_owned()))?;
        if let Some(fault) = body.child("Fault") {
            return Err(said(fault));
        }
        body.children.first().cloned().ok_or(AskError::No("an empty answer".to_owned()))
    }

    fn post(&mut self, path: &str, action: &str, body: &str, secure: bool) -> Result<(Head, Vec<u8>), AskError> {
        let security = if secure { self.token() } else { String::new() };
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope {NAMESPACES}><s:Header>{security}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        );
        let authority = match self.host.name.contains(':') {
            true => format!("[{}]:{}", self.host.name, self.host.port),
            false => format!("{}:{}", self.host.name, self.host.port),
        };
        self.asked += 1;
        let who = match (&self.challenge, &self.door.user, &self.door.password) {
            (Some(challenge), Some(user), Some(password)) => {
                let own = format!("{:032x}", rand::random::<u128>());
                format!("Authorization: {}\r\n", challenge.answer((user, password), "POST", path, self.asked, &own))
            }
            _ => String::new(),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: evidock\r\nConnection: close\r\n{who}\
             Content-Type: application/soap+xml; charset=utf-8; action=\"{action}\"\r\nContent-Length: {}\r\n\r\n{envelope}",
            envelope.len()
        );
        let limit = Duration::from_millis(self.door.patience_ms);
        let until = monotonic() + limit;
        let mut line = Line::connect(&self.host, &self.door.trust, limit).map_err(AskError::Away)?;
        line.write(request.as_bytes(), limit).map_err(AskError::Away)?;
        let (mut incoming, mut buf) = (Incoming::default(), vec![0; 16 << 10]);
        loop {
            let n = line.read(&mut buf, until).map_err(AskError::Away)?;
            incoming.push(&buf[..n]);
            if let Some(answer) = incoming.http(n == 0)? {
                return Ok(answer);
            }
        }
    }

    /// A user name token for now, by the recorder's clock.
    fn token(&self) -> String {
        let (Some(user), Some(password)) = (&self.door.user, &self.door.password) else { return String::new() };
        let nonce: [u8; 16] = rand::random::<u128>().to_be_bytes();
        let created = zulu(wall().0.saturating_add(self.offset_ms));
        let digest = token_digest(&nonce, &created, password);
        format!(
            "<wsse:Security s:mustUnderstand=\"true\" xmlns:wsse=\"{WSS}-wssecurity-secext-1.0.xsd\" xmlns:wsu=\"{WSS}-wssecurity-utility-1.0.xsd\">\
             <wsse:UsernameToken><wsse:Username>{}</wsse:Username>\
             <wsse:Password Type=\"{WSS}-username-token-profile-1.0#PasswordDigest\">{digest}</wsse:Password>\
             <wsse:Nonce EncodingType=\"{WSS}-soap-message-security-1.0#Base64Binary\">{}</wsse:Nonce>\
             <wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>",
            escape(user.as_str()),
            BASE64.encode(nonce)
        )
    }
}

/// A fault in words (SOAP 1.2, 5.4; of 1.1 too, which some recorders answer with).
fn said(fault: &Node) -> AskError {
    let reason = fault.text_at(&["Reason", "Text"]).or(fault.text_at(&["faultstring"])).unwrap_or("a fault");
    let mut codes = Vec::new();
    let mut code = fault.child("Code");
    while let Some(node) = code {
        codes.extend(node.text_at(&["Value"]));
        code = node.child("Subcode");
    }
    codes.extend(fault.text_at(&["faultcode"]));
    let denied = codes.iter().any(|c| c.contains("NotAuthorized") || c.contains("FailedAuthentication"));
    let words = printable(reason);
    if denied { AskError::Denied(words) } else { AskError::No(words) }
}

/// A time as recorders like it: many read no other zone than `Z`.
pub fn zulu(ms: i64) -> String {
    UtcMs(ms).rfc3339().replace("+00:00", "Z")
}

/// A recorder's words, bounded.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The path of an address that a recorder gave for one of its services.
pub fn path_of(address: &str) -> Option<String> {
    let uri: http::Uri = address.trim().parse().ok()?;
    uri.path_and_query().map(|p| p.as_str().to_owned()).filter(|p| p.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_in_words() {
        let fault = |xml: &str| said(&Node::read(xml.as_bytes()).unwrap());
        let denied = fault(
            "<Fault><Code><Value>s:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code><Reason><Text>Sender not Authorized</Text></Reason></Fault>",
        );
        assert!(denied.is_refusal() && denied.to_string().contains("Sender not Authorized"), "{denied}");
        let old = fault("<Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>no\u{7} such</faultstring></Fault>");
        assert_eq!((old.is_refusal(), old.to_string()), (false, "the recorder says no: no such".to_owned()));
        assert!(!fault("<Fault/>").is_refusal());
    }

    #[test]
    fn addresses_of_services_are_only_paths() {
        assert_eq!(path_of("http://10.0.0.9:81/onvif/search?x=1").as_deref(), Some("/onvif/search?x=1"));
        assert_eq!(path_of("/onvif/search").as_deref(), Some("/onvif/search"));
        for bad in ["", "x y", "http://"] {
            assert_eq!(path_of(bad), None, "{bad}");
        }
    }
}
