//! A change that a program asks for again under the same `Idempotency-Key` is not made again: it gets the answer of the
//! first time (draft-ietf-httpapi-idempotency-key-header). A line that breaks after a change was made, and before its answer
//! came, otherwise leaves whoever asked between making it twice and not at all.
//!
//! A key belongs to whoever used it first; the same key for another change is refused. A change goes on to its end when its
//! asker hangs up, so that its answer is there when they come back. Answers are kept in memory for a day, as long as
//! the daemon runs, and those of the last 4096 keys. What failed on our side, and what may be asked again in a moment, is not kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::why::Why;
use crate::runtime::{clock::monotonic, task::spawn_named};

/// Name of the header.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that the change was made earlier.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
pub const KEY_CHARS: usize = 128;
/// How long an answer is kept: a program that was cut off comes back within a day or not at all.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// Keys that are remembered.
const KEYS: usize = 4096;
/// Longest answer that is kept; changes are answered in a few hundred bytes.
const ANSWER_BYTES: u64 = 16 * 1024;

/// Keys that were used, and how each was answered.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Entry>,
    /// In the order of their first use.
    order: VecDeque<Key>,
}

/// Who used it, and the key.
type Key = (String, String);

#[derive(Debug)]
struct Entry {
    /// SHA-256 of method, address and body.
    asked: [u8; 32],
    at: Instant,
    /// `None` while the change is under way.
    answer: Option<Answer>,
}

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What a key leads to.
enum Found {
    First,
    UnderWay,
    Another,
    Answered(Answer),
}

impl Repeats {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a key up; one that is new is noted as under way.
    fn begin(&self, key: &Key, asked: [u8; 32], now: Instant) -> Found {
        let mut kept = self.kept();
        let over = |e: &Entry| e.answer.is_some() && now.saturating_duration_since(e.at) >= KEPT_FOR;
        while let Some(oldest) = kept.order.front() {
            let goes = kept.by_key.get(oldest).is_none_or(|e| over(e) || kept.order.len() > KEYS && e.answer.is_some());
            if !goes {
                break;
            }
            if let Some(oldest) = kept.order.pop_front() {
                kept.by_key.remove(&oldest);
            }
        }
        match kept.by_key.get(key) {
            Some(entry) if entry.asked != asked => Found::Another,
            Some(Entry { answer: Some(answer), .. }) => Found::Answered(answer.clone()),
            Some(_) => Found::UnderWay,
            None => {
                kept.by_key.insert(key.clone(), Entry { asked, at: now, answer: None });
                kept.order.push_back(key.clone());
                Found::First
            }
        }
    }

    /// Keeps the answer, or forgets the key where there is none to keep.
    fn end(&self, key: &Key, answer: Option<Answer>) {
        let mut kept = self.kept();
        match answer {
            Some(answer) => {
                if let Some(entry) = kept.by_key.get_mut(key) {
                    entry.answer = Some(answer);
                }
            }
            None => {
                kept.by_key.remove(key);
                kept.order.retain(|k| k != key);
            }
        }
    }
}

/// Forgets a key whose change came to no end that could be told, by whatever way.
struct Open {
    site: Arc<Site>,
    key: Key,
    answer: Option<Answer>,
}

impl Open {
    fn close(mut self, answer: Option<Answer>) {
        self.answer = answer;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.site.repeats.end(&self.key, self.answer.take());
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
    let key = (format!("{}\0{}", visitor.caller.actor.kind, visitor.caller.actor.id), word);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, body_bytes).await else { return Trouble::TooLarge.answer(site, visitor) };
    let mut hash = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), &body] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    match site.repeats.begin(&key, hash.finalize().into(), monotonic()) {
        Found::First => {}
        Found::Answered(answer) => return answer.again(),
        Found::UnderWay => {
            let words = visitor.lang.words().repeat_under_way;
            let mut response = Trouble::Conflict(Why::said(words)).answer(site, visitor);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        }
        Found::Another => {
            return Trouble::Invalid(Why::said(visitor.lang.words().repeat_another)).answer(site, visitor);
        }
    }
    let open = Open { site: Arc::clone(site), key, answer: None };
    // In a task of its own: whoever asked may hang up, and the change is made all the same.
    let made = spawn_named("change", async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        let (kept, response) = Answer::of(response).await;
        open.close(kept);
        response
    });
    made.await.unwrap_or_else(|_| Trouble::Failed.answer(site, visitor))
}

impl Answer {
    /// What is kept of an answer, and the answer.
    async fn of(response: Response) -> (Option<Self>, Response) {
        let status = response.status();
        let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::TOO_MANY_REQUESTS];
        let short = response.body().size_hint().exact().is_some_and(|len| len <= ANSWER_BYTES);
        if status.is_server_error() || passing.contains(&status) || !short {
            return (None, response);
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, ANSWER_BYTES as usize).await else {
            return (None, Response::from_parts(parts, Body::empty()));
        };
        let mut headers = HeaderMap::new();
        for name in [header::CONTENT_TYPE, header::LOCATION] {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        (Some(Self { status, headers, body: body.clone() }), Response::from_parts(parts, Body::from(body)))
    }

    fn again(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
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

    fn key(n: usize) -> Key {
        ("user\u{0}1".to_owned(), n.to_string())
    }

    fn answer() -> Answer {
        Answer { status: StatusCode::CREATED, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }
    }

    #[test]
    fn a_key_is_one_change() {
        let repeats = Repeats::default();
        let now = monotonic();
        assert!(matches!(repeats.begin(&key(1), [1; 32], now), Found::First));
        assert!(matches!(repeats.begin(&key(1), [1; 32], now), Found::UnderWay));
        assert!(matches!(repeats.begin(&key(1), [2; 32], now), Found::Another));
        repeats.end(&key(1), Some(answer()));
        assert!(matches!(repeats.begin(&key(1), [1; 32], now), Found::Answered(a) if a.status == StatusCode::CREATED));
        assert!(matches!(repeats.begin(&key(1), [1; 32], now + KEPT_FOR), Found::First), "a day later it is forgotten");
        repeats.end(&key(1), None);
        assert!(matches!(repeats.begin(&key(1), [2; 32], now), Found::First), "what came to no end may be tried again");
    }

    #[test]
    fn the_oldest_answers_go_and_what_is_under_way_stays() {
        let repeats = Repeats::default();
        let now = monotonic();
        for n in 0..KEYS + 10 {
            repeats.begin(&key(n), [0; 32], now);
            repeats.end(&key(n), Some(answer()));
        }
        assert!(repeats.kept().by_key.len() <= KEYS + 1);
        assert!(matches!(repeats.begin(&key(KEYS + 9), [0; 32], now), Found::Answered(_)));
        assert!(matches!(repeats.begin(&key(0), [0; 32], now), Found::First));
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
