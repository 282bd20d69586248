//! What administration asks of the running daemon: trials of destinations, taking back what was done at the desk, what an
//! import would come to; and [`Office`], which answers what only the composition root knows (`domain::office::Premises`).
//!
//! Looks never mend, and a trial writes and removes nothing but its own probe object at the destination.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::desk::{Answer, Desk, draft};
use super::registers::new_entries;
use super::{destinations, doctor};
use crate::casework::judge::Judge;
use crate::casework::register as registers;
use crate::casework::rules::Rule;
use crate::config::{self, DestinationKind, Settings};
use crate::domain::command::{Caller, Reply};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::EventKind;
use crate::domain::how_far::HowFar;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::office::{
    Configuration, Ended, Finding, Looked, Place, Premises, RegisterColumn, RulesInForce, RulesTried, SendingWindow,
    Setting, SettingFrom, ToldLink, Trial, TrialStep,
};
use crate::domain::ports::Clock;
use crate::domain::record::Field;
use crate::domain::register::Register;
use crate::domain::sending::{DAY_MIN, next_window};
use crate::domain::time::UtcMs;
use crate::domain::verifying::Verifying;
use crate::domain::why::Why;
use crate::runtime::progress::Progress;
use crate::runtime::task;
use crate::store::{Import, StoreError, Tx};

/// A trial that has not come to its end by then is given up: a few small requests, over the slowest line.
const TRIAL_WITHIN: Duration = Duration::from_secs(180);
/// Mistakes of a file that are told; whoever made more has made the same again.
const TOLD: usize = 200;

/// The newest trial of each destination.
#[derive(Default)]
pub struct Trials(Mutex<BTreeMap<String, Trial>>);

impl Trials {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Trial>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, unless one of this destination goes on.
    fn begin(&self, name: &str, begun: UtcMs) -> bool {
        let mut all = self.all();
        if all.get(name).is_some_and(|trial| trial.step.is_running()) {
            return false;
        }
        all.insert(name.to_owned(), Trial { begun, step: TrialStep::Reaching });
        true
    }

    fn step(&self, name: &str, step: TrialStep) {
        if let Some(trial) = self.all().get_mut(name) {
            trial.step = step;
        }
    }
}

impl Desk {
    pub(super) async fn undo_desk(&self, caller: &Caller, issue: i64) -> Answer {
        let caller = caller.clone();
        let undo = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.undo_desk(issue, &caller.actor, caller.via)
        };
        let now = self.store.write(undo).await?;
        Ok(Reply::Done(json!({
            "issue": now.id, "recorder": now.recorder, "officer": now.officer, "out": now.to_ms.is_none(),
        })))
    }

    pub(super) async fn try_destination(&self, caller: &Caller, name: &str) -> Answer {
        let Some(dest) = self.remotes.iter().find(|d| d.name().as_str() == name).map(Arc::clone) else {
            let known = self.remotes.iter().map(|d| d.name().to_string()).collect();
            return Ok(Reply::refused("not_found", Why::NoDestination { name: name.to_owned(), known }));
        };
        let begun = self.clock.now();
        if !self.trials.begin(name, begun) {
            return Ok(Reply::refused("conflict", Why::BeingTried { name: name.to_owned() }));
        }
        let asked = draft(EventKind::DestinationTried, caller).fact("destination", name);
        if let Err(e) = self.store.write(move |tx| tx.log(&asked)).await {
            self.trials.step(name, TrialStep::Failed { took_ms: 0, words: chain(&e), retry: Retry::Transient });
            return Err(e);
        }
        let (trials, store, clock) = (Arc::clone(&self.trials), self.store.clone(), Arc::clone(&self.clock));
        let (name, key) = (name.to_owned(), layout::probe(&self.policy.station));
        let since = clock.monotonic_ms();
        task::spawn_named("trial", async move {
            let took = || clock.monotonic_ms() - since;
            let tried = async {
                dest.head(&key).await?;
                let reached_ms = took();
                trials.step(&name, TrialStep::Trying { reached_ms });
                Ok::<_, crate::domain::ports::SendError>((reached_ms, dest.probe().await?))
            };
            let step = match tokio::time::timeout(TRIAL_WITHIN, tried).await {
                Ok(Ok((reached_ms, abilities))) => {
                    let (at, found) = (name.clone(), abilities.clone());
                    // What was found holds for the uplink, too: what waited for a person goes on.
                    match store.write(move |tx| tx.destination_probed(&at, &found)).await {
                        Ok(()) => TrialStep::Found { reached_ms, took_ms: took(), abilities },
                        Err(e) => TrialStep::Failed { took_ms: took(), words: chain(&e), retry: Retry::Transient },
                    }
                }
                Ok(Err(e)) => TrialStep::Failed { took_ms: took(), words: chain(&e), retry: e.retry() },
                Err(_) => TrialStep::Failed {
                    took_ms: took(),
                    words: format!("no answer within {} s", TRIAL_WITHIN.as_secs()),
                    retry: Retry::Transient,
                },
            };
            trials.step(&name, step);
        });
        Ok(Reply::Done(json!({ "step": TrialStep::Reaching.as_str() })))
    }

    pub(super) async fn try_register(&self, register: &str, name: String, content: String) -> Answer {
        let Some(register) = Register::parse(register) else {
            let known = Register::ALL.iter().map(|r| r.as_str().to_owned()).collect();
            return Ok(Reply::refused("invalid", Why::NoRegister { known }));
        };
        let (rule, zone, year) = (self.rule.clone(), self.policy.zone.clone(), self.this_year());
        let read = move || {
            let bytes = STANDARD.decode(content).map_err(|e| Why::NotBase64 { detail: e.to_string() })?;
            registers::read(register, &bytes, &zone, &rule, year).map_err(Why::from)
        };
        let found = match task::blocking("register-read", read).await.map_err(|_| StoreError::Closed)? {
            Ok(found) => found,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let mistakes: Vec<Value> = found
            .errors
            .iter()
            .take(TOLD)
            .map(|e| {
                let why = Why::from(&e.problem);
                json!({ "line": e.line, "column": e.column, "value": e.value, "problem": why.to_string(), "why": why })
            })
            .collect();
        let count = found.entries.len();
        let mut told = json!({
            "register": register.as_str(), "name": name, "entries": count, "warnings": found.warnings,
            "mistakes": mistakes, "mistakes_in_all": found.errors.len(), "conflicts": [],
        });
        if !found.errors.is_empty() {
            return Ok(Reply::Done(told));
        }
        let entries = new_entries(register, found.entries);
        let import = Import { register, name, entries, rule_version: self.rule.version };
        // The import itself, taken back: it leaves nothing, so that whose it would be does not matter.
        let actor = crate::domain::event::Actor::daemon();
        let done = self.store.write(move |tx| tx.import_register(&import, true, &actor, "daemon")).await?;
        let conflicts: Vec<Value> = done
            .conflicts
            .iter()
            .take(TOLD)
            .map(|(line, why)| json!({ "line": line, "words": why.to_string(), "why": why }))
            .collect();
        for (key, value) in [
            ("added", json!(done.added)),
            ("changed", json!(done.changed)),
            ("same", json!(done.same)),
            ("joined", json!(done.joined)),
            ("conflicts", json!(conflicts)),
        ] {
            told[key] = value;
        }
        Ok(Reply::Done(told))
    }
}

/// Something slow of which at most one goes on.
struct Slow<T> {
    looked: Mutex<Looked<T>>,
    /// How far the one is that goes on.
    progress: Mutex<Option<Progress>>,
}

impl<T: Send + Sync + 'static> Slow<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self { looked: Mutex::default(), progress: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, Looked<T>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now. What took a time before takes about that again; the first goes by how fast it went so far.
    fn now(&self, clock: &Arc<dyn Clock>) -> Looked<T> {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked = self.state().clone();
        let Some(since) = looked.running_since else { return looked };
        let before_ms = looked.last.as_ref().filter(|last| last.found.is_ok()).map(|last| last.took_ms);
        let left_ms = before_ms.map(|took| took - (clock.now().0 - since.0)).filter(|left| *left > 0);
        looked.far = progress.map(|progress| HowFar { left_ms: left_ms.or(progress.left_ms()), ..progress.how_far() });
        looked
    }

    fn reach(&self, done: u64, of: u64) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress.as_mut() {
            Some(progress) => progress.reach(done, of),
            None => *progress = Some(Progress::begin(done, of)),
        }
    }

    fn begin(
        self: &Arc<Self>,
        name: &'static str,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce(&dyn Fn(u64, u64)) -> Result<T, String> + Send + 'static,
    ) {
        let begun = clock.now();
        {
            let mut state = self.state();
            if state.running_since.is_some() {
                return;
            }
            state.running_since = Some(begun);
        }
        let (this, clock, since) = (Arc::clone(self), Arc::clone(clock), clock.monotonic_ms());
        task::spawn_named(name, async move {
            let telling = Arc::clone(&this);
            let working = task::blocking(name, move || work(&|done, of| telling.reach(done, of)));
            let found = working.await.unwrap_or_else(|e| Err(e.to_string()));
            let ended = Ended { at: clock.now(), took_ms: clock.monotonic_ms() - since, found };
            *this.progress.lock().unwrap_or_else(PoisonError::into_inner) = None;
            *this.state() = Looked { running_since: None, far: None, last: Some(Arc::new(ended)) };
        });
    }
}

/// Answers what administration asks.
pub struct Office {
    settings: Arc<Settings>,
    desk: Arc<Desk>,
    /// The file's text when the daemon started.
    text: Option<String>,
    lines: BTreeMap<String, usize>,
    check: Arc<Slow<Vec<Finding>>>,
    rules: Arc<Slow<RulesTried>>,
}

impl Office {
    /// With the settings in force.
    pub fn new(settings: &Settings, desk: &Arc<Desk>) -> Arc<Self> {
        let text = settings.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        Arc::new(Self {
            lines: text.as_deref().map(config::lines).unwrap_or_default(),
            text,
            settings: Arc::new(settings.clone()),
            desk: Arc::clone(desk),
            check: Slow::new(),
            rules: Slow::new(),
        })
    }

    fn source_of(&self, path: &str) -> SettingFrom {
        match self.lines.get(path) {
            // What the command line says about it outranks the file.
            Some(line) if path != "station.state_dir" || self.names_state_dir(*line) => SettingFrom::File(*line),
            None if path != "station.state_dir" => SettingFrom::Default,
            _ => SettingFrom::Process,
        }
    }

    /// Whether a line of the file names the state directory that holds.
    fn names_state_dir(&self, line: usize) -> bool {
        let name = self.settings.station.state_dir.file_name().map(|name| name.to_string_lossy().into_owned());
        let written = self.text.as_deref().and_then(|text| text.lines().nth(line - 1)).unwrap_or_default();
        name.is_none_or(|name| written.contains(&name))
    }

    fn flat(&self, value: &toml::Value, path: &str, section: &str, all: &mut Vec<Setting>) {
        let Some(table) = value.as_table() else { return };
        for (key, value) in table {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                toml::Value::Table(_) => self.flat(value, &inner, &format!("[{inner}]"), all),
                toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                    for (n, item) in items.iter().enumerate() {
                        self.flat(item, &format!("{inner}[{n}]"), &format!("[[{inner}]] {}", n + 1), all);
                    }
                }
                value => all.push(Setting {
                    section: section.to_owned(),
                    key: key.clone(),
                    value: value.to_string(),
                    from: self.source_of(&inner),
                }),
            }
        }
    }
}

impl Premises for Office {
    fn check(&self) -> Looked<Vec<Finding>> {
        self.check.now(&self.desk.clock)
    }

    fn begin_check(&self) {
        let settings = Arc::clone(&self.settings);
        self.check.begin("self-check", &self.desk.clock, move |went| {
            let mut found = doctor::look(&settings, went).map_err(|e| format!("{e:#}"))?;
            // The worst comes first; within that, in the order of the looks.
            found.sort_by_key(|f| f.gravity);
            Ok(found)
        });
    }

    fn verifying(&self, clip: ClipId) -> Option<Verifying> {
        self.desk.verifications.of(clip)
    }

    fn configuration(&self) -> Configuration {
        let mut settings = Vec::new();
        match toml::Value::try_from(self.settings.to_written()) {
            Ok(written) => self.flat(&written, "", "", &mut settings),
            Err(error) => tracing::error!(%error, "the settings in force cannot be written"),
        }
        let now = self.settings.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        Configuration {
            file: self.settings.file.as_ref().map(|file| file.display().to_string()),
            changed_since: now != self.text,
            settings,
        }
    }

    fn places(&self) -> Vec<Place> {
        let place = |d: &config::Destination| Place {
            name: d.name.to_string(),
            kind: match d.kind {
                DestinationKind::Folder(_) => "folder",
                DestinationKind::S3(_) => "s3",
                DestinationKind::Tus(_) => "tus",
                DestinationKind::Azure(_) => "azure",
                DestinationKind::Sftp(_) => "sftp",
                DestinationKind::Ftp(_) => "ftp",
                DestinationKind::Webdav(_) => "webdav",
            },
            address: destinations::uri_prefix(d),
            required: d.required,
            max_sensitivity: d.max_sensitivity.as_str().to_owned(),
            lock_days: d.initial_lock_days,
        };
        self.settings.destinations.iter().map(place).collect()
    }

    fn windows(&self) -> Vec<SendingWindow> {
        let now = self.desk.clock.now();
        let at = now.zoned(&self.settings.station.zone);
        let minute = (i32::from(at.hour()) * 60 + i32::from(at.minute())) as u16;
        let window = |d: &config::Destination| {
            let (open, turns) = next_window(&[&self.settings.upload.limit, &d.limit], minute);
            let ahead_min = i64::from((turns? + DAY_MIN - minute) % DAY_MIN);
            let begun_ms = now.0.rem_euclid(60_000);
            Some(SendingWindow {
                destination: d.name.to_string(),
                open,
                turns: UtcMs(now.0 - begun_ms + ahead_min * 60_000),
            })
        };
        self.settings.destinations.iter().filter_map(window).collect()
    }

    fn trials(&self) -> BTreeMap<String, Trial> {
        self.desk.trials.all().clone()
    }

    fn rules(&self) -> RulesInForce {
        let casework = &self.settings.casework;
        RulesInForce {
            link_score: casework.linking.link_score,
            rules: Rule::ALL.iter().map(|rule| (rule.as_str(), rule.most(&casework.linking))).collect(),
            number_rule_version: casework.number_rule_version,
            shapes: casework.number_shapes.iter().map(|s| (s.name.clone(), s.example.clone())).collect(),
        }
    }

    fn rules_tried(&self) -> Looked<RulesTried> {
        self.rules.now(&self.desk.clock)
    }

    fn begin_rules(&self) {
        let (settings, desk) = (Arc::clone(&self.settings), Arc::clone(&self.desk));
        self.rules.begin("rules-trial", &self.desk.clock, move |went| {
            let casework = &settings.casework;
            let defaults = [(Field::Place, &casework.default_place), (Field::Proves, &casework.default_proves)];
            let defaults = defaults.into_iter().filter_map(|(field, value)| Some((field, value.clone()?))).collect();
            let judge = Judge::new(desk.rule.clone(), &desk.policy, defaults, casework.linking.clone());
            let tried = judge.try_rules(&desk.store, desk.clock.now().0, went).map_err(|e| chain(&e))?;
            let told = |(clip, said, links): (_, crate::store::Suggestion, bool)| ToldLink {
                clip,
                case_no: said.raw,
                rule: said.rule,
                score: said.score,
                reason: said.reason,
                links,
            };
            Ok(RulesTried {
                clips: tried.clips,
                links: tried.links,
                withdrawals: tried.withdrawals,
                suggestions: tried.suggestions,
                conflicts: tried.conflicts,
                by_rule: tried.by_rule.into_iter().map(|(rule, n)| (rule.to_owned(), n)).collect(),
                told: tried.told.into_iter().map(told).collect(),
            })
        });
    }

    fn columns(&self, register: Register) -> Vec<RegisterColumn> {
        let column = |c: &registers::Column| RegisterColumn {
            name: c.name,
            chinese: c.names[0],
            required: c.required,
            example: c.example,
        };
        registers::columns(register).iter().map(column).collect()
    }

    fn template(&self, register: Register) -> String {
        registers::template(register)
    }
}
