//! Alarms, both ends: the task that stores what rose and ended and what is to be told of it, what the desk answers, and
//! `evidock alarm`.
//!
//! What stands is made by `domain::alarm` out of the station page's own facts ([`StationPages`]); there is no second list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Answer, Desk, draft};
use super::exit::Exit;
use super::find::store;
use super::output::Output;
use crate::cli;
use crate::config::{AlarmRules, Settings};
use crate::domain::alarm::{Alarm, Severity};
use crate::domain::command::{Caller, Reply};
use crate::domain::error::chain;
use crate::domain::event::EventKind;
use crate::domain::ids::StationId;
use crate::domain::notice::{Manners, ToldAlarm, alarm_body, kinds};
use crate::domain::ports::Clock;
use crate::domain::station_clock::Reading;
use crate::domain::time::UtcMs;
use crate::domain::words::Lang;
use crate::domain::words::quoted::Quoted;
use crate::notice::{self, Outcome, Receiver};
use crate::runtime::clock::wall;
use crate::runtime::health::Part;
use crate::runtime::metrics::Metrics;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::store::{AlarmRow, NewMessage, SeenAlarm, Store};
use crate::web::bind::StationPages;
use crate::web::site::Pages;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A clock that drifts is corrected by less between two looks; more means that somebody, or something, set it, milliseconds.
const CLOCK_SET_MS: i64 = 5_000;
/// That is told for so long, milliseconds.
const CLOCK_SET_TOLD_MS: i64 = 3_600_000;
/// What `alarm list` shows of what is over.
const OVER: u32 = 20;

/// How alarms are told, as the domain has it.
fn manners(rules: &AlarmRules) -> Manners {
    let ms = |pause: Duration| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    Manners {
        tell_after_ms: ms(rules.tell_after),
        over_after_ms: ms(rules.over_after),
        repeat_every_ms: ms(rules.repeat_every),
    }
}

/// The id of a new message. Long enough that no other station's is the same.
pub(super) fn message_id() -> String {
    format!("msg_{:032x}", rand::random::<u128>())
}

// -------------------------------------------------------------------------------------------------
// The daemon's end

/// Looks what stands, and stores it with what is to be told.
#[derive(Clone)]
pub(super) struct Watch {
    pub pages: Arc<StationPages>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub station: StationId,
    pub station_name: String,
    pub receivers: Vec<Receiver>,
    pub rules: AlarmRules,
    pub queue: u32,
    pub clock_part: Part,
}

/// What the looks remember of the clock.
#[derive(Debug, Clone, Copy, Default)]
struct ClockWatch {
    /// Wall clock and monotonic time of the last look, milliseconds.
    last: Option<(i64, i64)>,
    /// When the clock was set, by monotonic time, and by how much.
    set: Option<(i64, i64)>,
}

impl ClockWatch {
    /// One look; gives by how much the clock was set within the last hour, milliseconds.
    fn look(&mut self, wall_ms: i64, mono_ms: i64) -> Option<i64> {
        if let Some((wall, mono)) = self.last {
            let by = (wall_ms - wall).saturating_sub(mono_ms - mono);
            if by.abs() > CLOCK_SET_MS {
                self.set = Some((mono_ms, by));
            }
        }
        self.last = Some((wall_ms, mono_ms));
        self.set = self.set.filter(|(at, _)| mono_ms - at < CLOCK_SET_TOLD_MS);
        self.set.map(|(_, by)| by)
    }
}

impl Watch {
    pub(super) async fn run(self, context: TaskContext) -> TaskResult {
        let names: Vec<String> = self.receivers.iter().map(|r| r.name.clone()).collect();
        self.store.write(move |tx| tx.keep_receivers(&names)).await?;
        let mut clock = ClockWatch::default();
        let mut seen: Option<Reading> = None;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = context.cancel.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            context.heart.beat();
            let now = Reading {
                wall_ms: self.clock.now().0,
                mono_ms: self.clock.monotonic_ms(),
                boot: self.clock.boot_id().to_owned(),
            };
            // Also where nothing else happens that the log would tell of.
            if let Some(seen) = seen.replace(now.clone())
                && seen.set_until(&now).is_some()
            {
                self.store.write(move |tx| tx.tell_clock(seen)).await?;
            }
            match clock.look(self.clock.now().0, self.clock.monotonic_ms()) {
                None => self.clock_part.ok(),
                Some(by) => self.clock_part.degraded(
                    "clock_set",
                    format!("the clock was set by {:+.0} s within the last hour", by as f64 / 1000.0),
                    "see whether the time is right; the log keeps both clocks",
                ),
            }
            match self.pages.station().await {
                Ok(view) => self.look(&view.alarms).await?,
                Err(e) => tracing::warn!(error = %chain(&e), "what stands could not be read; it is looked again"),
            }
        }
    }

    async fn look(&self, alarms: &[Alarm]) -> Result<(), crate::store::StoreError> {
        let mut figures: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
        for alarm in alarms {
            *figures.entry((alarm.code(), alarm.severity().as_str())).or_default() += 1;
        }
        self.metrics.alarms(&figures);
        let (seen, manners) = (seen(alarms), manners(&self.rules));
        let (looked, now) = (seen.clone(), self.clock.now().0);
        if !self.store.read(move |r| r.alarms_move(&looked, now, &manners)).await? {
            return Ok(());
        }
        let teller = self.clone();
        self.store
            .write(move |tx| tx.alarms(&seen, &manners, teller.queue, |kind, row| teller.messages(kind, row)))
            .await
    }

    /// A message about an alarm to everybody whom it concerns. That a receiver fails is not told to itself.
    fn messages(&self, kind: &'static str, row: &AlarmRow) -> Vec<NewMessage> {
        let words: Value = serde_json::from_str(&row.words).unwrap_or_default();
        let told = ToldAlarm {
            alarm: row.id,
            code: &row.code,
            about: &row.about,
            severity: row.severity,
            since_ms: row.risen_ms,
            words: &words,
        };
        let body = alarm_body(kind, self.station.as_str(), &self.station_name, &told, self.clock.now()).to_string();
        let id = message_id();
        let concerned = self.receivers.iter().filter(|r| {
            r.alarms.is_some_and(|least| row.severity <= least) && !(row.code == "untold" && row.about == r.name)
        });
        concerned
            .map(|r| NewMessage { receiver: r.name.clone(), id: id.clone(), kind: kind.to_owned(), body: body.clone() })
            .collect()
    }
}

/// What is stored of alarms that stand; of two with one code about one thing, as two devices in one bay, the first.
fn seen(alarms: &[Alarm]) -> Vec<SeenAlarm> {
    let mut all: Vec<SeenAlarm> = Vec::new();
    for alarm in alarms.iter().filter(|a| a.is_told()) {
        let (code, about) = (alarm.code().to_owned(), alarm.about().to_owned());
        if all.iter().any(|s| s.code == code && s.about == about) {
            continue;
        }
        let words = |lang: Lang| {
            let w = lang.words();
            json!({ "title": w.alarm_title(alarm), "action": w.alarm_action(alarm) })
        };
        let words = json!({ (Lang::Zh.tag()): words(Lang::Zh), (Lang::En.tag()): words(Lang::En) }).to_string();
        all.push(SeenAlarm { code, about, severity: alarm.severity(), words });
    }
    all
}

impl Desk {
    pub(super) async fn acknowledge_alarm(&self, caller: &Caller, alarm: i64) -> Answer {
        let event = draft(EventKind::AlarmAcknowledged, caller);
        let row = self.store.write(move |tx| tx.acknowledge_alarm(alarm, event)).await?;
        Ok(Reply::Done(row_json(&row)))
    }
}

fn row_json(row: &AlarmRow) -> Value {
    let words: Value = serde_json::from_str(&row.words).unwrap_or_default();
    let at = |ms: i64| UtcMs(ms).rfc3339();
    json!({
        "id": row.id, "code": row.code, "about": row.about, "severity": row.severity.as_str(), "title": words["en"]["title"],
        "action": words["en"]["action"], "since": at(row.risen_ms), "until": row.ended_ms.map(at), "told_at": row.told_ms.map(at),
        "acknowledged_by": row.acknowledged.as_ref().map(|(by, _)| format!("{}:{}", by.kind, by.id)),
    })
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock alarm`.
pub fn alarm(verb: &cli::AlarmVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    match verb {
        cli::AlarmVerb::List => list(settings, output),
        cli::AlarmVerb::Test { name } => test(name.as_deref(), settings, output),
    }
}

fn list(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let (names, now): (Vec<String>, i64) =
        (notice::receivers(settings).into_iter().map(|r| r.name).collect(), wall().0);
    let (standing, over, receivers, accounts) = store(settings)?.read_blocking(|r| {
        let receivers = names.iter().map(|name| Ok((name.clone(), r.receiver(name, now)?)));
        let receivers = receivers.collect::<Result<Vec<_>, crate::store::StoreError>>()?;
        Ok((r.alarms_standing()?, r.alarms_over(OVER)?, receivers, r.names()?))
    })?;
    if output.is_json() {
        let receivers: Vec<Value> = receivers
            .iter()
            .map(|(name, row)| {
                json!({ "name": name, "waiting": row.waiting, "failing": row.failing, "given_up": row.lost, "trouble": row.words,
                    "taken_at": row.taken_ms.map(|ms| UtcMs(ms).rfc3339()) })
            })
            .collect();
        let rows = |rows: &[AlarmRow]| rows.iter().map(row_json).collect::<Vec<_>>();
        output.json(&json!({ "standing": rows(&standing), "over": rows(&over), "receivers": receivers }))?;
        return Ok(Exit::Ok);
    }
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    if standing.is_empty() {
        output.line(w.no_alarms)?;
    } else {
        let rows: Vec<Vec<String>> = standing
            .iter()
            .map(|row| {
                let words: Value = serde_json::from_str(&row.words).unwrap_or_default();
                let said = |key: &str| words[w.lang.tag()][key].as_str().unwrap_or_default().to_owned();
                let known = row.acknowledged.as_ref().map(|(by, _)| w.named(by, &accounts)).unwrap_or_default();
                let severity = w.severity(row.severity).to_owned();
                vec![row.id.to_string(), severity, said("title"), at(row.risen_ms), said("action"), known]
            })
            .collect();
        let header =
            ["#", w.col_severity(), w.alarm_col_what(), w.alarm_col_since(), w.mail_next(), w.alarm_col_known()];
        output.table(&header, &rows, &[0])?;
    }
    if receivers.is_empty() {
        output.note(w.alarms_no_receivers());
    } else {
        let rows: Vec<Vec<String>> = receivers
            .into_iter()
            .map(|(name, row)| {
                let state = match (row.failing, row.lost, row.taken_ms) {
                    (true, 0, _) => w.receiver_failing(),
                    (true, ..) => w.receiver_gave_up(),
                    (false, _, Some(_)) => w.receiver_well(),
                    (false, _, None) => w.receiver_nothing_yet(),
                };
                let why = row.words.map(|words| Quoted::NotTold { words }.told(w.lang)).unwrap_or_default();
                vec![name, state.to_owned(), row.waiting.to_string(), why]
            })
            .collect();
        output.line("")?;
        let header = [w.alarm_col_receiver(), w.alarm_col_state(), w.alarm_col_waiting(), w.col_detail];
        output.table(&header, &rows, &[2])?;
    }
    Ok(Exit::Ok)
}

/// Tells each receiver that nothing is wrong, from here and now: what it says of each is what the daemon would meet.
fn test(only: Option<&str>, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let named =
        |r: &Receiver| only.is_none_or(|only| r.name == only || r.name.split_once(':').is_some_and(|(_, n)| n == only));
    let receivers: Vec<Receiver> = notice::receivers(settings).into_iter().filter(named).collect();
    if receivers.is_empty() {
        return Err(super::Ended::with(
            Exit::NotFound,
            match only {
                Some(only) => format!("nobody called {only} is told of alarms or events; evidock.toml names who is"),
                None => w.alarms_no_receivers().to_owned(),
            },
        ));
    }
    let words = |lang: Lang| {
        let w = lang.words();
        json!({ "title": w.mail_trial_title(), "action": w.mail_trial_action() })
    };
    let words = json!({ (Lang::Zh.tag()): words(Lang::Zh), (Lang::En.tag()): words(Lang::En) });
    let now = wall();
    let trial =
        ToldAlarm { alarm: 0, code: "trial", about: "", severity: Severity::Info, since_ms: now.0, words: &words };
    let body = alarm_body(kinds::TRIAL, settings.station.id.as_str(), &settings.station.name, &trial, now).to_string();
    let outcomes = super::block_on(async {
        let mut outcomes = Vec::new();
        for receiver in &receivers {
            outcomes.push((receiver.name.clone(), receiver.tell(&message_id(), &body, wall().0).await));
        }
        Ok(outcomes)
    })?;
    let told: Vec<(String, bool, String)> = outcomes
        .into_iter()
        .map(|(name, outcome)| match outcome {
            Outcome::Taken => (name, true, String::new()),
            Outcome::Again { words, .. } | Outcome::Never { words } => (name, false, words),
        })
        .collect();
    let all = told.iter().all(|(_, taken, _)| *taken);
    if output.is_json() {
        let told: Vec<Value> =
            told.iter().map(|(name, taken, why)| json!({ "receiver": name, "taken": taken, "why": why })).collect();
        output.json(&told)?;
    } else {
        let said = |taken: bool, words: String| match taken {
            true => words,
            false => Quoted::NotTold { words }.told(w.lang),
        };
        let word = |taken: bool| if taken { w.alarm_test_taken() } else { w.alarm_test_not_taken() };
        let rows: Vec<Vec<String>> =
            told.into_iter().map(|(name, taken, why)| vec![name, word(taken).to_owned(), said(taken, why)]).collect();
        output.table(&[w.alarm_col_receiver(), w.alarm_col_state(), w.col_detail], &rows, &[])?;
    }
    Ok(if all { Exit::Ok } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recorder::Held;

    #[test]
    fn a_clock_that_is_set_is_told_for_an_hour() {
        let mut clock = ClockWatch::default();
        let looks = [
            (1_000, 10, None),
            (3_100, 2_010, None),
            (100_000, 4_010, Some(94_900)),
            (102_000, 6_010, Some(94_900)),
            (2_000, 8_010, Some(-102_000)),
            (3_602_000, 3_608_009, Some(-102_000)),
            (3_602_001, 3_608_010, None),
        ];
        for (n, (wall, mono, set)) in looks.into_iter().enumerate() {
            assert_eq!(clock.look(wall, mono), set, "look {n}");
        }
    }

    #[test]
    fn what_is_stored_tells_of_no_person_and_nothing_twice() {
        let held = |what: &str| Alarm::Held { bay: "3".into(), why: Held::Unknown, what: what.into() };
        let alarms = [Alarm::ToAnnotate { clips: 3, oldest_ms: 0 }, held("Kingston"), held("SanDisk"), Alarm::Clock];
        let seen = seen(&alarms);
        let codes: Vec<_> = seen.iter().map(|s| (s.code.as_str(), s.about.as_str())).collect();
        assert_eq!(codes, [("unregistered", "3"), ("clock", "")]);
        assert!(seen.iter().all(|s| !s.words.contains("Kingston")));
        let id = message_id();
        assert!(id.len() == 36 && !id.contains('.') && id != message_id());
    }
}
