//! What administration looks at of the box itself, and the port through which it looks: the self-check, the configuration
//! in force, destinations and their trials, what the rules would do. Whoever put the daemon together answers; pages and API
//! ask. Pure types; secrets are in none of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::Retry;
use super::grounds::Grounds;
use super::how_far::HowFar;
use super::ids::ClipId;
use super::ports::Abilities;
use super::register::Register;
use super::time::UtcMs;
use super::verifying::Verifying;
pub use super::words::check::{CheckPart, Found};
pub use super::words::todo::Todo;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Something that must be is not.
    Problem,
    /// It works, with less than it could have.
    Warning,
    /// As it should be.
    Ok,
}

impl Gravity {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Ok => "ok",
        }
    }
}

/// One finding of the self-check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub gravity: Gravity,
    /// What was looked at.
    pub part: CheckPart,
    /// What was found.
    pub found: Found,
    /// What to do.
    pub todo: Todo,
}

impl Finding {
    /// As it should be.
    pub fn ok(part: CheckPart, found: Found) -> Self {
        Self { gravity: Gravity::Ok, part, found, todo: Todo::Nothing }
    }

    /// It works, with less than it could have.
    pub fn warning(part: CheckPart, found: Found, todo: Todo) -> Self {
        Self { gravity: Gravity::Warning, part, found, todo }
    }

    /// Something that must be is not.
    pub fn problem(part: CheckPart, found: Found, todo: Todo) -> Self {
        Self { gravity: Gravity::Problem, part, found, todo }
    }
}

/// Something that takes a while and is looked at again: at most one of it goes on at a time.
#[derive(Debug)]
pub struct Looked<T> {
    /// Since when it goes on.
    pub running_since: Option<UtcMs>,
    /// How far it is, while it goes on.
    pub far: Option<HowFar>,
    /// The newest that came to its end.
    pub last: Option<Arc<Ended<T>>>,
}

impl<T> Default for Looked<T> {
    fn default() -> Self {
        Self { running_since: None, far: None, last: None }
    }
}

impl<T> Clone for Looked<T> {
    fn clone(&self) -> Self {
        Self { running_since: self.running_since, far: self.far, last: self.last.clone() }
    }
}

/// What a look came to.
#[derive(Debug)]
pub struct Ended<T> {
    /// When it ended.
    pub at: UtcMs,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// What was found; why not, in words.
    pub found: Result<T, String>,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingFrom {
    /// A line of the configuration file.
    File(usize),
    /// The command line, or what the service manager gave.
    Process,
    /// Nobody said otherwise.
    Default,
}

impl SettingFrom {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Process => "process",
            Self::Default => "default",
        }
    }
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its section, as `[vault]` or `[[destination]] 2`.
    pub section: String,
    /// Its key.
    pub key: String,
    /// Its value as it would be written.
    pub value: String,
    /// Where that comes from.
    pub from: SettingFrom,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// The file; `None` for the embedded defaults.
    pub file: Option<String>,
    /// The file says something else now than when the daemon started.
    pub changed_since: bool,
    /// In the order of the file's own description.
    pub settings: Vec<Setting>,
}

/// A destination as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// `folder`, `s3`, `tus`, ...
    pub kind: &'static str,
    /// Where it is: what stands before the key of an object.
    pub address: String,
    /// A clip counts as proven only once it is proven there.
    pub required: bool,
    /// Up to which label clips go there; the stored word.
    pub max_sensitivity: String,
    /// Locked for so many days at first; 0: not at all.
    pub lock_days: u32,
}

/// A trial of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// When it was begun.
    pub begun: UtcMs,
    /// How far it is.
    pub step: TrialStep,
}

/// How far a trial is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialStep {
    /// Asking it for an object.
    Reaching,
    /// It answered after so many milliseconds; now wrong and right bytes are sent, read back, locked.
    Trying {
        /// How long the first answer took.
        reached_ms: i64,
    },
    /// It came to its end.
    Found {
        /// How long the first answer took, milliseconds.
        reached_ms: i64,
        /// How long all of it took, milliseconds.
        took_ms: i64,
        /// What it can do.
        abilities: Abilities,
    },
    /// It failed.
    Failed {
        /// How long it took to fail, milliseconds.
        took_ms: i64,
        /// Why, in words.
        words: String,
        /// Who can do something about it.
        retry: Retry,
    },
}

impl TrialStep {
    /// Whether it still goes on.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Reaching | Self::Trying { .. })
    }

    /// The word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reaching => "reaching",
            Self::Trying { .. } => "trying",
            Self::Found { .. } => "found",
            Self::Failed { .. } => "failed",
        }
    }
}

/// When a destination is sent to by its timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingWindow {
    /// The destination.
    pub destination: String,
    /// Something may go out now.
    pub open: bool,
    /// When that is next otherwise.
    pub turns: UtcMs,
}

/// Linking rules as configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RulesInForce {
    /// From this score on a rule links by itself.
    pub link_score: u32,
    /// Each rule's stored word and the highest score that it gives; 0: it is off.
    pub rules: Vec<(&'static str, u32)>,
    /// Version of the number rule.
    pub number_rule_version: u32,
    /// Shapes of numbers: name and an example.
    pub shapes: Vec<(String, String)>,
}

/// What the rules would do to the clips that are here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RulesTried {
    /// Clips that were looked at.
    pub clips: u64,
    /// Clips that would be linked.
    pub links: u64,
    /// Links of rules that would be withdrawn.
    pub withdrawals: u64,
    /// Clips for which something would wait.
    pub suggestions: u64,
    /// Of these, because two cases are almost equally likely.
    pub conflicts: u64,
    /// Links by rule.
    pub by_rule: Vec<(String, u64)>,
    /// The first changes. They tell of cases and people: only for those who may see the clips.
    pub told: Vec<ToldLink>,
}

/// A link that a rule would make or suggest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldLink {
    /// The clip.
    pub clip: ClipId,
    /// The case's number.
    pub case_no: String,
    /// Word of the rule.
    pub rule: String,
    /// 0 to 100.
    pub score: u32,
    /// Why.
    pub reason: Grounds,
    /// It would be linked; else it would wait for a person.
    pub links: bool,
}

/// A column of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterColumn {
    /// The stored name.
    pub name: &'static str,
    /// Its Chinese name.
    pub chinese: &'static str,
    /// It must not be empty.
    pub required: bool,
    /// How it may look.
    pub example: &'static str,
}

/// The way to what only the composition root knows.
pub trait Premises: Send + Sync {
    /// The self-check.
    fn check(&self) -> Looked<Vec<Finding>>;
    /// Begins one, if none goes on.
    fn begin_check(&self);
    /// The newest comparison of a clip's copies since the daemon started.
    fn verifying(&self, clip: ClipId) -> Option<Verifying>;
    /// The configuration in force.
    fn configuration(&self) -> Configuration;
    /// Destinations as configured.
    fn places(&self) -> Vec<Place>;
    /// Those of them that have a timetable which opens and shuts.
    fn windows(&self) -> Vec<SendingWindow>;
    /// The newest trial of each destination that was tried.
    fn trials(&self) -> BTreeMap<String, Trial>;
    /// Linking rules as configured.
    fn rules(&self) -> RulesInForce;
    /// What they would do.
    fn rules_tried(&self) -> Looked<RulesTried>;
    /// Begins a dry run, if none goes on.
    fn begin_rules(&self);
    /// The columns of a register.
    fn columns(&self, register: Register) -> Vec<RegisterColumn>;
    /// A register's template: a CSV file with nothing but its header line.
    fn template(&self, register: Register) -> String;
    /// The columns of a roster.
    fn roster_columns(&self) -> Vec<RegisterColumn>;
    /// A roster's template.
    fn roster_template(&self) -> String;
}
