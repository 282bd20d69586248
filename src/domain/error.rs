//! The one question every failed step must answer: may it be tried again, and by whom?

/// What a retry loop does with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The world may be different in a moment: try again with backoff.
    Transient,
    /// The same input will fail again: give up on it, keep it, and say so.
    Permanent,
    /// A person must act first (credentials, permissions, configuration): wait for that, not in a loop.
    Operator,
}

impl Retry {
    /// The word stored in the database and shown in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Retry::Transient => "transient",
            Retry::Permanent => "permanent",
            Retry::Operator => "operator",
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Retry::Transient, Retry::Permanent, Retry::Operator].into_iter().find(|r| r.as_str() == word)
    }
}

/// Implemented by errors that reach a retry loop.
pub trait Retryable: std::error::Error {
    /// Whether and by whom the failed step may be tried again.
    fn retry(&self) -> Retry;
}

/// An error with its sources in one line, each joined by `: `, for logs and for people.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
