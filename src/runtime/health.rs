//! Health of each part of the daemon, for the page, `/healthz`, the service manager and metrics.
//!
//! A part is whatever an operator can mend by itself: the vault, a destination, the docks, the media
//! worker. Must not hold history; only what is true now.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// How well something is, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The station does its work, but something is slower, missing or at risk.
    Degraded,
    /// Something does not happen that must.
    Failed,
}

impl Level {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// How a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How well.
    pub level: Level,
    /// A word for the reason that never changes, as `disk_full`; the page's catalogue and alarms go by it. Empty when ok.
    pub code: &'static str,
    /// The reason in words, with the facts of the case. Empty when ok.
    pub words: String,
    /// What a person can do; empty when nothing needs to be done.
    pub todo: String,
}

impl Condition {
    const OK: Self = Self { level: Level::Ok, code: "", words: String::new(), todo: String::new() };
}

/// Every part and how it is, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report(BTreeMap<String, Condition>);

impl Report {
    /// The parts in the order of their names.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &Condition)> {
        self.0.iter().map(|(name, condition)| (name.as_str(), condition))
    }

    /// The worst of all levels; ok when there is no part.
    pub fn worst(&self) -> Level {
        self.0.values().map(|c| c.level).max().unwrap_or(Level::Ok)
    }

    /// One line for the service manager: `ok`, or what is wrong, worst first.
    pub fn line(&self) -> String {
        let mut wrong: Vec<_> = self.parts().filter(|(_, c)| c.level > Level::Ok).collect();
        if wrong.is_empty() {
            return "ok".to_owned();
        }
        wrong.sort_by_key(|(_, c)| std::cmp::Reverse(c.level));
        wrong.iter().map(|(name, c)| format!("{name}: {}", c.words)).collect::<Vec<_>>().join("; ")
    }
}

/// Where parts say how they are, and others watch. Clones share it.
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<Report>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Report::default())))
    }
}

impl Health {
    /// A part, ok until it says otherwise. The same name is the same part.
    pub fn part(&self, name: impl Into<String>) -> Part {
        let part = Part { name: name.into(), health: self.clone() };
        self.0.send_if_modified(|report| {
            let new = !report.0.contains_key(&part.name);
            if new {
                report.0.insert(part.name.clone(), Condition::OK);
            }
            new
        });
        part
    }

    /// Wakes whenever something changed.
    pub fn watch(&self) -> watch::Receiver<Report> {
        self.0.subscribe()
    }

    /// As it is now.
    pub fn report(&self) -> Report {
        self.0.borrow().clone()
    }
}

/// One part's own handle. Saying the same again wakes nobody.
#[derive(Debug, Clone)]
pub struct Part {
    name: String,
    health: Health,
}

impl Part {
    /// It is as it should be.
    pub fn ok(&self) {
        self.set(Condition::OK);
    }

    /// It works, but `words` holds; `todo` may be empty.
    pub fn degraded(&self, code: &'static str, words: impl Into<String>, todo: impl Into<String>) {
        self.set(Condition { level: Level::Degraded, code, words: words.into(), todo: todo.into() });
    }

    /// It does not work because of `words`; `todo` says what a person can do.
    pub fn failed(&self, code: &'static str, words: impl Into<String>, todo: impl Into<String>) {
        self.set(Condition { level: Level::Failed, code, words: words.into(), todo: todo.into() });
    }

    /// It is no longer a part (a recorder that left).
    pub fn remove(&self) {
        self.health.0.send_if_modified(|report| report.0.remove(&self.name).is_some());
    }

    fn set(&self, condition: Condition) {
        let changed = self.health.0.send_if_modified(|report| {
            if report.0.get(&self.name) == Some(&condition) {
                return false;
            }
            report.0.insert(self.name.clone(), condition.clone());
            true
        });
        if changed {
            let (part, Condition { level, code, words, todo }) = (&self.name, &condition);
            match level {
                Level::Ok => tracing::info!(part, "is well"),
                Level::Degraded => tracing::warn!(part, code, todo, "{words}"),
                Level::Failed => tracing::error!(part, code, todo, "{words}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_and_the_line_names_it_first() {
        let health = Health::default();
        assert_eq!(health.report().worst(), Level::Ok);
        let vault = health.part("vault");
        let cloud = health.part("destination cloud");
        assert_eq!(health.report().line(), "ok");
        cloud.degraded("unreachable", "no answer for 3 minutes", "");
        vault.failed("disk_full", "3 GB are free, 10 GB are kept", "free space");
        assert_eq!(health.report().worst(), Level::Failed);
        assert_eq!(
            health.report().line(),
            "vault: 3 GB are free, 10 GB are kept; destination cloud: no answer for 3 minutes"
        );
        vault.ok();
        cloud.remove();
        assert_eq!(health.report().line(), "ok");
        assert_eq!(health.report().parts().count(), 1);
    }

    #[test]
    fn watchers_wake_on_changes_only() {
        let health = Health::default();
        let part = health.part("vault");
        let mut watcher = health.watch();
        watcher.mark_unchanged();
        part.ok();
        health.part("vault");
        assert!(!watcher.has_changed().unwrap());
        part.degraded("slow", "slow", "");
        assert!(watcher.has_changed().unwrap());
        assert_eq!(watcher.borrow_and_update().worst(), Level::Degraded);
    }
}
