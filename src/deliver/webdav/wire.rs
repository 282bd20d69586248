//! Requests to a WebDAV server (RFC 4918): addresses, who we are, what an answer that says no means, and what it tells
//! of a folder.

use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::Stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::WebdavOptions;
use crate::deliver::http::{HttpLine, HttpSetupError, Payload, Reply, url};
use crate::deliver::keys::LastRead;
use crate::domain::ports::SendError;

/// Longest description of a folder that is read, bytes: some hundred thousand names.
const MAX_LISTING_BYTES: usize = 64 << 20;
/// What is asked of a resource.
const ASKED: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/></D:prop></D:propfind>"#;

/// The connection to one server.
pub(super) struct Wire {
    pub line: HttpLine,
    /// Scheme, host and port.
    endpoint: String,
    /// The root as a path without slashes at its ends.
    root: String,
    login: Option<LastRead>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("endpoint", &self.endpoint).field("root", &self.root).finish_non_exhaustive()
    }
}

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// The last segment of its address, decoded.
    pub name: String,
    /// Its address without host, decoded, without a slash at its end.
    path: String,
    pub folder: bool,
    /// Length in bytes, of what has one.
    pub size_bytes: Option<u64>,
}

/// A stream of a request's body.
pub(super) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, SendError>> + Send>>;

impl Wire {
    pub fn new(options: &WebdavOptions) -> Result<Self, HttpSetupError> {
        Ok(Self {
            line: HttpLine::new(&options.name, &options.endpoint, &options.http)?,
            endpoint: options.endpoint.trim_end_matches('/').to_owned(),
            root: options.root.trim_matches('/').to_owned(),
            login: options.keys.clone().map(LastRead::new),
        })
    }

    fn url(&self, key: &str) -> String {
        let path = if self.root.is_empty() { key.to_owned() } else { format!("{}/{key}", self.root) };
        url(&self.endpoint, Some(&path), &[])
    }

    /// One request and its answer, whatever it says.
    pub async fn call(
        &self,
        method: &str,
        key: &str,
        headers: &[(&'static str, &str)],
        payload: Payload,
    ) -> Result<Reply, SendError> {
        let unusable = |_| self.line.protocol("its address cannot be used");
        let mut head = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| self.line.protocol("a header cannot be used"))?;
            head.insert(HeaderName::from_static(name), value);
        }
        if let Some(login) = &self.login {
            let read = login.get().map_err(|what| self.line.refused(what))?;
            let mut basic =
                format!("Basic {}", STANDARD.encode(format!("{}:{}", read.0, read.1.expose()))).parse::<HeaderValue>();
            if let Ok(value) = &mut basic {
                value.set_sensitive(true);
                head.insert(AUTHORIZATION, value.clone());
            }
        }
        if payload.len() > 0 || method == "PUT" {
            head.insert(CONTENT_LENGTH, HeaderValue::from(payload.len()));
        }
        let mut request = http::Request::new(());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| self.line.protocol("a method"))?;
        *request.uri_mut() = self.url(key).parse::<Uri>().map_err(unusable)?;
        *request.headers_mut() = head;
        let reply = self.line.execute(request.into_parts().0, payload).await?;
        if matches!(reply.status(), 401 | 403)
            && let Some(login) = &self.login
        {
            login.refused();
        }
        Ok(reply)
    }

    /// Writes a file whole, or `from` bytes behind its begin where the server takes that (RFC 9110, 14.5).
    pub async fn put(&self, key: &str, place: Option<(u64, u64)>, len: u64, body: Body) -> Result<(), SendError> {
        let range = place.map(|(from, total)| format!("bytes {from}-{}/{total}", from + len.saturating_sub(1)));
        let mut headers = vec![(CONTENT_TYPE.as_str(), "application/octet-stream")];
        headers.extend(range.as_deref().map(|range| ("content-range", range)));
        let reply = self.call("PUT", key, &headers, Payload::Stream(len, body)).await?;
        match reply.status() {
            200 | 201 | 204 => Ok(()),
            _ => Err(self.refusal("writing", &reply)),
        }
    }

    /// What stands at a key; `None` where nothing does.
    pub async fn look(&self, key: &str) -> Result<Option<Resource>, SendError> {
        Ok(self.describe(key, "0").await?.into_iter().next())
    }

    /// What stands right below a folder; nothing where there is none.
    pub async fn below(&self, folder: &str) -> Result<Vec<Resource>, SendError> {
        let key = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut all = self.describe(&key, "1").await?;
        // The folder itself is described, too. A server behind another may call it otherwise than we do, so that it is
        // known by being above the others.
        let Some(own) = all.iter().map(|resource| resource.path.clone()).min_by_key(String::len) else {
            return Ok(all);
        };
        all.retain(|resource| resource.path.rsplit_once('/').is_some_and(|(parent, _)| parent == own));
        Ok(all)
    }

    async fn describe(&self, key: &str, depth: &'static str) -> Result<Vec<Resource>, SendError> {
        let headers = [("depth", depth), (CONTENT_TYPE.as_str(), "application/xml; charset=utf-8")];
        let asked = Payload::Bytes(Bytes::from_static(ASKED.as_bytes()));
        let reply = self.call("PROPFIND", key, &headers, asked).await?;
        match reply.status() {
            207 => {
                let text = self.line.text(reply, MAX_LISTING_BYTES).await?;
                resources(&text)
                    .map_err(|e| self.line.protocol(format!("its description of a folder cannot be read: {e}")))
            }
            404 => Ok(Vec::new()),
            _ => Err(self.refusal("looking", &reply)),
        }
    }

    /// Gives a resource another name, not taking one over; `false` where something stands there.
    pub async fn rename(&self, from: &str, to: &str) -> Result<bool, SendError> {
        let to = self.url(to);
        let headers = [("destination", to.as_str()), ("overwrite", "F")];
        let reply = self.call("MOVE", from, &headers, Payload::Empty).await?;
        match reply.status() {
            201 | 204 => Ok(true),
            412 => Ok(false),
            404 => Err(self.line.session_lost()),
            _ => Err(self.refusal("giving an upload its name", &reply)),
        }
    }

    /// Removes a resource; absence is fine.
    pub async fn remove(&self, key: &str) -> Result<(), SendError> {
        let reply = self.call("DELETE", key, &[], Payload::Empty).await?;
        match reply.status() {
            200 | 204 | 404 => Ok(()),
            _ => Err(self.refusal("removing", &reply)),
        }
    }

    /// What an answer that says no means (RFC 4918, 11; RFC 9110, 15).
    pub fn refusal(&self, doing: &str, reply: &Reply) -> SendError {
        let status = reply.status();
        let what = format!("{doing}: status {status}");
        match status {
            401 => self.line.refused(format!("{what}: it does not let us in; check user and password_file")),
            403 => self.line.refused(format!("{what}: it is forbidden there")),
            413 => self.line.refused(format!("{what}: it takes no files of this size; raise its limit")),
            507 => self.line.unreachable(format!("{what}: its disk or our quota there is full")),
            301 | 302 | 307 | 308 => {
                self.line.refused(format!("{what}: it sends us elsewhere; correct endpoint and root"))
            }
            409 => self.line.unreachable(format!("{what}: a folder is gone there")),
            405 | 501 => self.line.refused(format!("{what}: it does not speak WebDAV there; check endpoint and root")),
            423 => self.line.unreachable(format!("{what}: somebody holds a lock on it")),
            // What Apache says of a folder that it may not write.
            500 => self.line.unreachable(format!("{what} (a folder that it may not write does so)")),
            429 | 503 => self.line.busy(what, reply.retry_after_ms()),
            408 | 425 | 501..=599 => self.line.unreachable(what),
            _ => self.line.protocol(what),
        }
    }
}

/// Reads a multistatus (RFC 4918, 13). Prefixes are the server's choice, so that only local names count.
fn resources(text: &str) -> Result<Vec<Resource>, quick_xml::Error> {
    let mut reader = Reader::from_str(text);
    let (mut all, mut current, mut inside) = (Vec::new(), None::<Resource>, String::new());
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                inside.clear();
                match tag.local_name().as_ref() {
                    "response" => {
                        current =
                            Some(Resource { name: String::new(), path: String::new(), folder: false, size_bytes: None })
                    }
                    "collection" => current.iter_mut().for_each(|resource| resource.folder = true),
                    _ => {}
                }
            }
            Event::Empty(tag) if tag.local_name().as_ref() == "collection" => {
                current.iter_mut().for_each(|resource| resource.folder = true);
            }
            Event::Text(words) => inside.push_str(&words),
            Event::GeneralRef(entity) => inside.push_str(&entity_text(&entity)),
            Event::CData(words) => inside.push_str(&words),
            Event::End(tag) => {
                match (tag.local_name().as_ref(), &mut current) {
                    // A description may name its resource only once; the first counts.
                    ("href", Some(resource)) if resource.path.is_empty() => {
                        resource.path = path_of(inside.trim());
                        resource.name = resource.path.rsplit('/').next().unwrap_or_default().to_owned();
                    }
                    ("getcontentlength", Some(resource)) => resource.size_bytes = inside.trim().parse().ok(),
                    ("response", _) => all.extend(current.take()),
                    _ => {}
                }
                inside.clear();
            }
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

/// The five entities that XML itself has, and numbers; what else there may be names nothing of ours.
fn entity_text(entity: &str) -> String {
    let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let character = match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => match number.strip_prefix("#x").or_else(|| number.strip_prefix("#X")) {
            Some(digits) => code(digits, 16),
            None => number.strip_prefix('#').and_then(|digits| code(digits, 10)),
        },
    };
    character.map(String::from).unwrap_or_default()
}

/// The decoded path of an address with or without a host, without a slash at its end.
fn path_of(href: &str) -> String {
    let path = match href.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => href,
    };
    percent_decode_str(path).decode_utf8_lossy().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_two_servers() {
        // Apache 2.4 (mod_dav), shortened.
        let apache = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:">
<D:response xmlns:lp1="DAV:"><D:href>/a/</D:href><D:propstat><D:prop>
<lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><D:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/a/%e6%89%a7%20%2b&amp;x</D:href><D:propstat><D:prop>
<lp1:resourcetype/><lp1:getcontentlength>10</lp1:getcontentlength></D:prop></D:propstat></D:response>
</D:multistatus>"#;
        let found = resources(apache).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].path.as_str(), found[0].folder, found[0].size_bytes), ("/a", true, None));
        assert_eq!((found[1].name.as_str(), found[1].folder, found[1].size_bytes), ("执 +&x", false, Some(10)));
        // Others write whole addresses and no prefix.
        let other = r#"<multistatus xmlns="DAV:"><response><href>https://h:1/b/c/</href><propstat><prop><resourcetype><collection></collection></resourcetype></prop></propstat></response></multistatus>"#;
        let found = resources(other).unwrap();
        assert_eq!((found[0].path.as_str(), found[0].name.as_str(), found[0].folder), ("/b/c", "c", true));
        assert!(resources("<multistatus><response></multistatus>").is_err());
        assert_eq!(resources("no XML at all").unwrap(), vec![]);
    }
}
