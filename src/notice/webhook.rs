//! A message to a webhook, signed as Standard Webhooks does (standardwebhooks.com, version 1.0.0): `webhook-id` names the
//! message, the same in every try; `webhook-timestamp` is the time of the try, seconds since the Unix epoch;
//! `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. The secret is the text in its file:
//! `whsec_` and base64 of 24 to 64 bytes, or another text of at least 24 bytes, whose bytes are taken as they stand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Outcome, unset};
use crate::config::{HookTarget, SecretError, SecretFile};
use crate::deliver::http::HttpSetupError;
use crate::deliver::post::Poster;
use crate::domain::error::chain;

/// Shortest key, bytes (the specification asks for 24 to 64).
const LEAST_KEY_BYTES: usize = 24;

/// The way to a webhook.
#[derive(Debug)]
pub struct Hook {
    target: HookTarget,
    /// Made at the first try, and anew after one that did not reach anybody: certificates may have been replaced.
    poster: Mutex<Option<Arc<Poster>>>,
}

/// Why there is no signature. A person must act.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Not a key.
    #[error("{path} must hold `whsec_` and the base64 of 24 to 64 bytes; `openssl rand -base64 32` makes some", path = .0.display())]
    NoKey(std::path::PathBuf),
}

impl Hook {
    /// To this target.
    pub fn new(target: &HookTarget) -> Self {
        Self { target: target.clone(), poster: Mutex::default() }
    }

    /// Tries once. The secret is read for each try, so that a new one needs no restart.
    pub async fn tell(&self, id: &str, body: &str, now_ms: i64) -> Outcome {
        let key = match key(&self.target.secret) {
            Ok(key) => key,
            Err(e) => return unset(&e),
        };
        let poster = match self.poster() {
            Ok(poster) => poster,
            Err(e) => return unset(&e),
        };
        let seconds = now_ms.div_euclid(1000);
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", sign(&key, id, seconds, body)),
        ];
        let within: Duration = self.target.answer_within;
        match poster.tell(&headers, body.as_bytes().to_vec(), within).await {
            Ok(told) => judge(told.status, told.retry_after_s, &told.said),
            Err(e) => {
                *self.poster.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Outcome::Again { words: chain(&e), after_ms: None, away: true }
            }
        }
    }

    fn poster(&self) -> Result<Arc<Poster>, HttpSetupError> {
        let mut kept = self.poster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(poster) = &*kept {
            return Ok(Arc::clone(poster));
        }
        let poster = Arc::new(Poster::new(&self.target.url, self.target.ca_file.as_deref())?);
        *kept = Some(Arc::clone(&poster));
        Ok(poster)
    }
}

/// What a status means: 2xx took it, 410 wants nothing any more, everything else is asked again. What says that this one
/// message is wrong (400, 413, 415, 422) lets the others pass; else the receiver is left alone, and order is kept.
fn judge(status: u16, retry_after_s: Option<u64>, said: &str) -> Outcome {
    let words = match said {
        "" => format!("it answered {status}"),
        said => format!("it answered {status}: {said}"),
    };
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Never { words: format!("{words}; it wants no more messages, remove it from evidock.toml") },
        _ => {
            let after_ms = retry_after_s.and_then(|s| i64::try_from(s).ok()).map(|s| s.saturating_mul(1000));
            Outcome::Again { words, after_ms, away: !matches!(status, 400 | 413 | 415 | 422) }
        }
    }
}

/// The key that a secret stands for.
fn key(file: &SecretFile) -> Result<Vec<u8>, KeyError> {
    let secret = file.read()?;
    let key = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded.trim()).unwrap_or_default(),
        None => secret.expose().as_bytes().to_vec(),
    };
    if key.len() < LEAST_KEY_BYTES {
        return Err(KeyError::NoKey(file.path().to_owned()));
    }
    Ok(key)
}

/// The value of `webhook-signature`.
pub fn sign(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_stands_there() {
        // The test vector of the specification's reference libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_long_enough_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            key(&SecretFile::new(&path))
        };
        assert_eq!(read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap().len(), 24);
        assert_eq!(read("twenty-four bytes or more").unwrap(), b"twenty-four bytes or more");
        for bad in ["short", "whsec_AAAA", "whsec_not base64 at all, however long"] {
            assert!(matches!(read(bad), Err(KeyError::NoKey(_))), "{bad}");
        }
        assert!(matches!(key(&SecretFile::new(dir.path().join("none"))), Err(KeyError::Secret(_))));
    }

    #[test]
    fn what_an_answer_means() {
        assert_eq!(judge(204, None, ""), Outcome::Taken);
        assert!(matches!(judge(410, None, ""), Outcome::Never { .. }));
        let away = |status| matches!(judge(status, None, "x"), Outcome::Again { away: true, .. });
        assert_eq!([301, 400, 404, 422, 429, 503].map(away), [true, false, true, false, true, true]);
        let Outcome::Again { after_ms, words, .. } = judge(429, Some(7), "slow down") else { unreachable!() };
        assert_eq!((after_ms, words.as_str()), (Some(7000), "it answered 429: slow down"));
        assert!(matches!(judge(503, Some(u64::MAX), ""), Outcome::Again { after_ms: None, .. }));
    }
}
