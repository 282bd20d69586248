//! Alarms that stand and stood, and who is told of them, as plain facts.

use crate::domain::alarm::{Alarm, Severity};
use crate::domain::event::Actor;
use crate::domain::time::UtcMs;
use crate::web::view::station::Risen;

/// The page of alarms.
#[derive(Debug, Clone, Default)]
pub struct AlarmsView {
    /// What stands now, worst first, each with what is stored of it.
    pub standing: Vec<(Alarm, Option<Risen>)>,
    /// What is over, newest first.
    pub over: Vec<OverView>,
    /// Cursor of the next page of them.
    pub next: Option<String>,
    /// Who is told, in the order of the configuration.
    pub receivers: Vec<ReceiverView>,
}

/// An alarm that is over.
#[derive(Debug, Clone)]
pub struct OverView {
    /// Its number.
    pub id: i64,
    /// Its code.
    pub code: String,
    /// What it was about.
    pub about: String,
    /// How much it mattered.
    pub severity: Severity,
    /// What it was, by language: Chinese, English.
    pub title: [String; 2],
    /// Since then.
    pub since: UtcMs,
    /// Until then.
    pub until: UtcMs,
    /// Who said that they know.
    pub known: Option<Actor>,
}

/// Somebody who is told.
#[derive(Debug, Clone, Default)]
pub struct ReceiverView {
    /// Name in the store: `alarm:NAME`, `mail`, `data:NAME`.
    pub name: String,
    /// Messages that wait for it.
    pub waiting: u64,
    /// It was tried several times in vain, or messages were given up lately.
    pub failing: bool,
    /// Messages that were given up within a day.
    pub lost: u64,
    /// Why, of the last try that failed.
    pub words: Option<String>,
    /// When a message arrived last.
    pub taken: Option<UtcMs>,
}
