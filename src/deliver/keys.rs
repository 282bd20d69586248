//! The keys of a destination: read when they are first needed, and anew after the server refused us, so that a
//! corrected file needs no restart. They show in no log line and no error.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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

/// What reading the keys gives: whose they are (an access key's id, an account, a user; empty for a token that says so
/// itself) and the secret, or why they cannot be read.
pub type KeysRead = Result<(String, Secret), Box<dyn Error + Send + Sync>>;

/// Where the keys come from.
#[derive(Clone)]
pub struct Keys(Arc<dyn Fn() -> KeysRead + Send + Sync>);

impl Keys {
    /// Keys that do not change.
    pub fn fixed(id: &str, secret: Secret) -> Self {
        let id = id.to_owned();
        Self::read_by(move || Ok((id.clone(), secret.clone())))
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
pub(super) struct LastRead {
    keys: Keys,
    last: Mutex<Option<Arc<(String, Secret)>>>,
}

impl LastRead {
    pub fn new(keys: Keys) -> Self {
        Self { keys, last: Mutex::new(None) }
    }

    /// Whose, and the secret, which is not empty; or words for the person who must mend it.
    pub fn get(&self) -> Result<Arc<(String, Secret)>, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*last {
            return Ok(Arc::clone(read));
        }
        let read = (self.keys.0)().map_err(|e| crate::domain::error::chain(&*e))?;
        if read.1.expose().is_empty() {
            return Err("its secret is empty".to_owned());
        }
        let read = Arc::new(read);
        *last = Some(Arc::clone(&read));
        Ok(read)
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
        let last = LastRead::new(keys.clone());
        assert_eq!(last.get().unwrap().1.expose(), "wrong");
        *file.lock().unwrap() = "right\n".to_owned();
        assert_eq!(last.get().unwrap().1.expose(), "wrong");
        last.refused();
        assert_eq!(last.get().unwrap().1.expose(), "right");
        for (content, words) in [("gone", "no such file"), (" ", "is empty")] {
            *file.lock().unwrap() = content.to_owned();
            last.refused();
            assert!(last.get().unwrap_err().contains(words));
        }
        assert_eq!(format!("{keys:?}"), "Keys(…)");
    }
}
