//! Who looked at a case.

use super::log::Called;
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::looks::Look;
use crate::domain::time::UtcMs;

/// One look.
#[derive(Debug, Clone)]
pub struct LookView {
    /// Position in the log.
    pub seq: u64,
    /// When.
    pub at: UtcMs,
    /// Who.
    pub actor: Actor,
    /// What they are called, where the station knows.
    pub called: Option<Called>,
    /// What they did.
    pub look: Look,
    /// The clip and its name on the recorder; `None`: the case.
    pub clip: Option<(ClipId, String)>,
    /// Why, as they said it.
    pub purpose: Option<String>,
    /// `ok`, `refused`, `failed`.
    pub outcome: String,
}

/// Looks, newest first.
#[derive(Debug, Clone, Default)]
pub struct LooksView {
    /// Each of them.
    pub looks: Vec<LookView>,
    /// The rest is below this position; `None`: there is none.
    pub next: Option<u64>,
}
