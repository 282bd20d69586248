//! A change that a program asks for again under the same `Idempotency-Key` is not made again: it gets the answer of the
//! first time (draft-ietf-httpapi-idempotency-key-header). A line that breaks after a change was made, and before its answer
//! came, otherwise leaves whoever asked between making it twice and not at all.
//!
//! A key belongs to whoever used it first; the same key for another change is refused. A change goes on to its end when its
//! asker hangs up, so that its answer is there when they come back. Keys and answers are in the database for a day
//! (`store::repeats`), over restarts: a key is noted before its change begins, so that after a crash it is either answered or
//! known to be of a change of which nobody knows the end. What failed on our side, and what may be asked again in a moment, is
//! not kept. Here is only which of them go on in this run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::error::chain;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::runtime::task::spawn_named;
use crate::store::{RepeatAnswer, RepeatEnd, RepeatFound, RepeatKey, Store, StoreError};

/// Name of the header.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that the change was made earlier.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
pub const KEY_CHARS: usize = 128;
/// Longest answer that is kept; changes are answered in a few hundred bytes.
const ANSWER_BYTES: u64 = 16 * 1024;
/// Longest address that is kept beside a key.
const WHAT_CHARS: usize = 300;

/// On an answer that tells a secret: it is kept nowhere, and asked again it is told that it was told.
#[derive(Debug, Clone, Copy)]
pub struct ToldOnce;

/// Keys whose change goes on in this run, each with what was asked for.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<HashMap<(String, String), [u8; 32]>>);

/// What a key leads to in this run.
#[derive(Debug, PartialEq, Eq)]
enum Here {
    First,
    UnderWay,
    Another,
}

impl Repeats {
    fn going_on(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), [u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key, unless its change goes on.
    fn begin(&self, key: &RepeatKey, asked: [u8; 32]) -> Here {
        let mut going_on = self.going_on();
        match going_on.get(&(key.actor.clone(), key.word.clone())) {
            Some(other) if *other != asked => Here::Another,
            Some(_) => Here::UnderWay,
            None => {
                going_on.insert((key.actor.clone(), key.word.clone()), asked);
                Here::First
            }
        }
    }

    fn end(&self, key: &RepeatKey) {
        self.going_on().remove(&(key.actor.clone(), key.word.clone()));
    }
}

/// A key that goes on until this is dropped, by whatever way.
struct Open {
    site: Arc<Site>,
    key: RepeatKey,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.site.repeats.end(&self.key);
    }
}

/// A change whose body is no part of the comparison, because its handler knows it again: its key must be one all the same.
pub(super) fn checked(headers: &HeaderMap) -> Result<(), Trouble> {
    match headers.get(KEY_HEADER) {
        Some(said) if said.to_str().ok().and_then(word).is_none() => Err(no_key()),
        _ => Ok(()),
    }
}

fn no_key() -> Trouble {
    Trouble::Invalid(Why::IdempotencyKey { header: KEY_HEADER.to_string(), most: KEY_CHARS as u64 })
}

/// Carries a change of the API out, once for each key. Its body is read whole first, as long as its route takes it.
pub(super) async fn once(
    site: &Arc<Site>,
    visitor: &Visitor,
    body_bytes: usize,
    request: Request,
    next: Next,
) -> Response {
    let Some(said) = request.headers().get(KEY_HEADER) else { return next.run(request).await };
    if visitor.caller.via != "api" {
        return next.run(request).await;
    }
    let Some(word) = said.to_str().ok().and_then(word) else { return no_key().answer(site, visitor) };
    // Without a database nothing is kept, and a key is worth nothing; a station always has one.
    let Some(store) = site.door.repeats.clone() else { return next.run(request).await };
    let actor = &visitor.caller.actor;
    let key = RepeatKey { actor: format!("{}:{}", actor.kind, actor.id), word };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, body_bytes).await else { return Trouble::TooLarge.answer(site, visitor) };
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let asked: [u8; 32] = hash.finalize().into();
    match site.repeats.begin(&key, asked) {
        Here::First => {}
        Here::UnderWay => {
            let words = visitor.lang.words().repeat_under_way;
            let mut response = Trouble::Conflict(Why::said(words)).answer(site, visitor);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        }
        Here::Another => return another(site, visitor),
    }
    let open = Open { site: Arc::clone(site), key: key.clone() };
    let what: String = format!("{} {}", parts.method, parts.uri.path()).chars().take(WHAT_CHARS).collect();
    // In a task of its own, from the note on: whoever asked may hang up, and the change is made all the same.
    let made = spawn_named("change", async move {
        let noted = key.clone();
        match store.write(move |tx| tx.repeat_begins(&noted, &asked, &what)).await {
            Ok(RepeatFound::First) => {}
            other => return Err(other),
        }
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        let (end, response) = end_of(response).await;
        keep(&store, key, end).await;
        drop(open);
        Ok(response)
    });
    match made.await {
        Ok(Ok(response)) => response,
        Ok(Err(Ok(found))) => told_again(found, site, visitor),
        Ok(Err(Err(StoreError::Closed))) => Trouble::Unavailable(Why::Unsaid).answer(site, visitor),
        Ok(Err(Err(error))) => {
            tracing::error!(error = %chain(&error), "the key of a change could not be noted; it was not made");
            Trouble::Failed.answer(site, visitor)
        }
        Err(_) => Trouble::Failed.answer(site, visitor),
    }
}

fn another(site: &Arc<Site>, visitor: &Visitor) -> Response {
    Trouble::Invalid(Why::said(visitor.lang.words().repeat_another)).answer(site, visitor)
}

/// What is told of a change that is not made now, because its key was used before.
fn told_again(found: RepeatFound, site: &Arc<Site>, visitor: &Visitor) -> Response {
    match found {
        RepeatFound::Ended(RepeatEnd::Answered(answer)) => again(answer),
        RepeatFound::Ended(_) => Trouble::Conflict(Why::said(visitor.lang.words().repeat_told)).answer(site, visitor),
        RepeatFound::Unknown { what, begun_ms } => {
            let since = UtcMs(begun_ms).rfc3339_in(&site.zone);
            Trouble::Conflict(Why::RepeatUnknown { asked: what, since }).answer(site, visitor)
        }
        RepeatFound::First | RepeatFound::Another => another(site, visitor),
    }
}

/// Where the end of a change cannot be kept, its key stays under way: asked again, nobody knows, and nothing is made twice.
async fn keep(store: &Store, key: RepeatKey, end: RepeatEnd) {
    if let Err(error) = store.write(move |tx| tx.repeat_ends(&key, &end)).await {
        tracing::warn!(error = %chain(&error), "how a change was answered could not be kept");
    }
}

/// What is kept of an answer, and the answer.
async fn end_of(response: Response) -> (RepeatEnd, Response) {
    let status = response.status();
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passing.contains(&status) {
        return (RepeatEnd::NotMade, response);
    }
    let short = response.body().size_hint().exact().is_some_and(|len| len <= ANSWER_BYTES);
    if response.extensions().get::<ToldOnce>().is_some() || !short {
        return (RepeatEnd::ToldOnce, response);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES as usize).await else {
        return (RepeatEnd::ToldOnce, Response::from_parts(parts, Body::empty()));
    };
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let answer = RepeatAnswer {
        status: status.as_u16(),
        kind: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body: body.to_vec(),
    };
    (RepeatEnd::Answered(answer), Response::from_parts(parts, Body::from(body)))
}

fn again(answer: RepeatAnswer) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::CONTENT_TYPE, answer.kind), (header::LOCATION, answer.location)] {
        if let Some(value) = value.and_then(|v| HeaderValue::try_from(v).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    response
}

/// What the document says of a key, as [`word`] reads it.
pub(super) fn key_pattern() -> String {
    let word = format!("[!#-~](?:[ !#-~]{{0,{}}}[!#-~])?", KEY_CHARS - 2);
    format!("^(?:{word}|\"{word}\")$")
}

/// The key itself, with or without the quotes of a structured field.
fn word(said: &str) -> Option<String> {
    let word = said.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap_or(said);
    let plain = |b: u8| (b' '..=b'~').contains(&b) && b != b'"';
    let good = (1..=KEY_CHARS).contains(&word.len()) && word.trim() == word && word.bytes().all(plain);
    good.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_on_once_at_a_time() {
        let repeats = Repeats::default();
        let key = |word: &str| RepeatKey { actor: "user:1".into(), word: word.into() };
        assert_eq!(repeats.begin(&key("a"), [1; 32]), Here::First);
        assert_eq!(repeats.begin(&key("a"), [1; 32]), Here::UnderWay);
        assert_eq!(repeats.begin(&key("a"), [2; 32]), Here::Another);
        assert_eq!(repeats.begin(&key("b"), [2; 32]), Here::First);
        repeats.end(&key("a"));
        assert_eq!(repeats.begin(&key("a"), [2; 32]), Here::First, "what came of it is for the database to tell");
    }

    #[tokio::test]
    async fn what_is_kept_of_an_answer_is_what_may_be_told_again() {
        let answered = |status: u16, body: Vec<u8>| {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        };
        for (status, kept) in
            [(201, true), (422, true), (404, true), (408, false), (413, false), (429, false), (503, false)]
        {
            let (end, response) = end_of(answered(status, b"{}".to_vec())).await;
            assert_eq!(response.status(), status);
            match end {
                RepeatEnd::Answered(answer) => {
                    assert!(kept, "{status}");
                    let response = again(answer);
                    assert_eq!(
                        (response.status().as_u16(), response.headers()[REPLAYED].as_bytes()),
                        (status, &b"true"[..])
                    );
                }
                RepeatEnd::NotMade => assert!(!kept, "{status}"),
                RepeatEnd::ToldOnce => panic!("{status}"),
            }
        }
        let mut secret = answered(201, b"{}".to_vec());
        secret.extensions_mut().insert(ToldOnce);
        assert_eq!(end_of(secret).await.0, RepeatEnd::ToldOnce);
        let long = answered(200, vec![b' '; ANSWER_BYTES as usize + 1]);
        assert_eq!(end_of(long).await.0, RepeatEnd::ToldOnce, "too long to be kept, and made all the same");
    }

    #[test]
    fn keys_are_short_and_plain() {
        assert_eq!(word("\"a b\"").as_deref(), Some("a b"));
        assert_eq!(word("018f-7").as_deref(), Some("018f-7"));
        let longest = "x".repeat(KEY_CHARS);
        let good = ["a", "\"a b\"", "018f-7", &longest, &format!("\"{longest}\"")];
        let longer = "x".repeat(KEY_CHARS + 1);
        let bad =
            ["", "\"\"", "\"", "a\"b", "\"a", " a", "\" a\"", "a\u{1}", "\u{e9}", &longer, &format!("\"{longer}\"")];
        let document = regex::Regex::new(&key_pattern()).expect("a pattern");
        for (said, taken) in good.iter().map(|k| (k, true)).chain(bad.iter().map(|k| (k, false))) {
            assert_eq!(word(said).is_some(), taken, "{said}");
            assert_eq!(document.is_match(said), taken, "the document of {said}");
        }
    }
}
