//! The keys of a destination: read when they are first needed, and anew after the server refused us, so that a
//! corrected file needs no restart. They show in no log line and no error.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use reqsign_aws_v4::Credential;

/// A secret that no log line or error can show by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret; white space at its ends (a file's last newline) is dropped.
    pub fn new(value: &str) -> Self {
        Self(value.trim().to_owned())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What reading the keys gives: the access key's id and the secret, or why they cannot be read.
pub type KeysRead = Result<(String, Secret), Box<dyn Error + Send + Sync>>;

/// Where the keys come from.
#[derive(Clone)]
pub struct Keys(Arc<dyn Fn() -> KeysRead + Send + Sync>);

impl Keys {
    /// Keys that do not change.
    pub fn fixed(access_key: &str, secret_key: Secret) -> Self {
        let access_key = access_key.to_owned();
        Self::read_by(move || Ok((access_key.clone(), secret_key.clone())))
    }

    /// Keys that `read` gives; it may be called at each refusal and must not block for long.
    pub fn read_by(read: impl Fn() -> KeysRead + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// The keys as last read.
pub(super) struct Credentials {
    keys: Keys,
    session_token: Option<Secret>,
    last: Mutex<Option<Arc<Credential>>>,
}

impl Credentials {
    pub fn new(keys: Keys, session_token: Option<Secret>) -> Self {
        Self { keys, session_token, last: Mutex::new(None) }
    }

    /// What to sign with, or words for the person who must mend it.
    pub fn get(&self) -> Result<Arc<Credential>, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credential) = &*last {
            return Ok(Arc::clone(credential));
        }
        let (access_key, secret_key) = (self.keys.0)().map_err(|e| crate::domain::error::chain(&*e))?;
        if access_key.is_empty() || secret_key.expose().is_empty() {
            return Err("the access key or the secret key is empty".to_owned());
        }
        let credential = Arc::new(Credential {
            access_key_id: access_key,
            secret_access_key: secret_key.expose().to_owned(),
            session_token: self.session_token.as_ref().map(|t| t.expose().to_owned()),
            expires_in: None,
        });
        *last = Some(Arc::clone(&credential));
        Ok(credential)
    }

    /// The server did not take them: the next request reads them anew.
    pub fn refused(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_again_only_after_a_refusal() {
        let file = Arc::new(Mutex::new("wrong".to_owned()));
        let read = Arc::clone(&file);
        let keys = Keys::read_by(move || match read.lock().unwrap().as_str() {
            "gone" => Err("no such file".into()),
            secret => Ok(("id".to_owned(), Secret::new(secret))),
        });
        let credentials = Credentials::new(keys.clone(), None);
        assert_eq!(credentials.get().unwrap().secret_access_key, "wrong");
        *file.lock().unwrap() = "right\n".to_owned();
        assert_eq!(credentials.get().unwrap().secret_access_key, "wrong");
        credentials.refused();
        assert_eq!(credentials.get().unwrap().secret_access_key, "right");
        for (content, words) in [("gone", "no such file"), (" ", "is empty")] {
            *file.lock().unwrap() = content.to_owned();
            credentials.refused();
            assert!(credentials.get().unwrap_err().contains(words));
        }
        assert_eq!(format!("{keys:?}"), "Keys(…)");
    }
}
