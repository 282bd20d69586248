//! The log as a list.

use crate::domain::event::Actor;
use crate::domain::time::UtcMs;

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only below this number.
    pub before: Option<u64>,
    /// Only kinds that begin so.
    pub kind: Option<String>,
    /// Only of this actor, as `kind:id`.
    pub actor: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// An entry.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Position.
    pub seq: u64,
    /// Wall clock.
    pub at: UtcMs,
    /// What happened, in the stored word.
    pub kind: String,
    /// Who.
    pub actor: Actor,
    /// What they are called: in the database, never in the log.
    pub called: Option<Called>,
    /// Through which door.
    pub via: String,
    /// From where.
    pub from: Option<String>,
    /// The sign-in session.
    pub session: Option<String>,
    /// The clip.
    pub clip: Option<String>,
    /// Hex SHA-256 of the case key.
    pub case: Option<String>,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
    /// What the event tells in clear, and its commitments.
    pub body: serde_json::Value,
    /// The same in one line, without commitments.
    pub about: String,
}

/// What whoever acted is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The name for people; of an account to which nobody gave one, none.
    pub name: Option<String>,
    /// Name to sign in with; a program has none.
    pub login: Option<String>,
}

impl Called {
    /// In one line, as it stands beside the number.
    pub fn line(&self) -> String {
        match (&self.name, &self.login) {
            (Some(name), Some(login)) => format!("{name} ({login})"),
            (name, login) => name.as_ref().or(login.as_ref()).cloned().unwrap_or_default(),
        }
    }
}
