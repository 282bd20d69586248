//! A clip whose copies are compared on request: how far that is, and what came of it. The words are those of the desk's
//! answer to `evidock verify`, which the page, the API and the command line share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::UtcMs;

/// What comparing a clip's copies came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Compared {
    /// The file here: `same`, `differs`, `gone`, `unreadable`, `evicted`.
    pub local: String,
    /// What the log says was sealed: `same`, `differs`, `missing`.
    pub log: String,
    /// The published record: `same`, `differs`, `none`.
    pub record: String,
    /// The copies elsewhere that were read back.
    pub copies: Vec<ComparedCopy>,
    /// What is wrong, in the daemon's words.
    pub detail: Option<String>,
    /// Nothing differs.
    pub ok: bool,
}

/// What comparing one copy came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ComparedCopy {
    /// Where.
    pub destination: String,
    /// `same`, `differs`, `unreachable`, `not_sent`.
    pub result: String,
    /// Its record there: `same`, `differs`; `None` where nothing can be told.
    pub record: Option<String>,
    /// Why, in the words of whoever refused.
    pub detail: Option<String>,
}

/// How far a comparison is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Others go first.
    Waiting,
    /// Bytes are read and hashed.
    Reading {
        /// The destination; `None`: the file here.
        destination: Option<String>,
    },
    /// It came to its end.
    Ended(Compared),
    /// It could not be carried out; why, in words.
    Failed(String),
}

impl Stage {
    /// It goes on.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Waiting | Self::Reading { .. })
    }

    /// The word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading { .. } => "reading",
            Self::Ended(_) => "ended",
            Self::Failed(_) => "failed",
        }
    }
}

/// The newest comparison of a clip since the daemon started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifying {
    /// When it was asked for.
    pub begun: UtcMs,
    /// How far it is.
    pub stage: Stage,
    /// Bytes read so far.
    pub done_bytes: u64,
    /// Bytes to be read.
    pub of_bytes: u64,
    /// How long the rest takes, milliseconds, where that can be told.
    pub left_ms: Option<i64>,
}
