//! Telling others: when an alarm is told, told again and told over ([`step`]), what a message says ([`alarm_body`]), and when
//! one that did not arrive is tried again ([`next_try_ms`]). Pure: nothing is stored or sent here.
//!
//! A message is told at least once, under the same id in every try, so that whoever gets it twice knows it again.
//!
//! The body of an alarm's message, version 1: `{"type", "timestamp", "data": {"station", "alarm", "code", "about",
//! "severity", "since", "title", "action"}}`, `title` and `action` each by language. Nothing in it tells of a person or a case.

use serde_json::{Value, json};

use super::alarm::Severity;
use super::time::UtcMs;

/// How alarms are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// An alarm must have stood for so long, milliseconds.
    pub tell_after_ms: i64,
    /// It is over when it was away for so long, milliseconds.
    pub over_after_ms: i64,
    /// While it stands and nobody acknowledged it, it is told again so often, milliseconds.
    pub repeat_every_ms: i64,
}

/// What is stored of an alarm that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Since then, milliseconds since the Unix epoch.
    pub risen_ms: i64,
    /// Not there since then.
    pub calm_ms: Option<i64>,
    /// Told last.
    pub told_ms: Option<i64>,
    /// Somebody said that they know.
    pub acknowledged: bool,
    /// How much it mattered when that was stored.
    pub severity: Severity,
}

/// What is to be done about an alarm after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Store that it is there.
    Rise,
    /// Tell it.
    Tell,
    /// Tell that it matters more than before; whoever acknowledged it knew less.
    Worse,
    /// Tell it again.
    Repeat,
    /// Store that it is not there.
    Calm,
    /// Store that it is there again.
    Back,
    /// Store that it ended, and tell so if it was told.
    End {
        /// It was.
        told: bool,
    },
}

/// What is to be done about one alarm: `known` as stored, `seen` as it is now. Spans are compared by their size alone, so that
/// a clock that was wrong for a while silences nothing for ever.
pub fn step(known: Option<&Known>, seen: Option<Severity>, now_ms: i64, manners: &Manners) -> Step {
    let lasted = |since_ms: i64, least_ms: i64| now_ms.saturating_sub(since_ms).saturating_abs() >= least_ms;
    match (known, seen) {
        (None, None) => Step::Keep,
        (None, Some(_)) => Step::Rise,
        (Some(k), Some(_)) if k.calm_ms.is_some() => Step::Back,
        (Some(k), Some(severity)) => match k.told_ms {
            None if lasted(k.risen_ms, manners.tell_after_ms) => Step::Tell,
            None => Step::Keep,
            Some(_) if severity < k.severity => Step::Worse,
            Some(told) if !k.acknowledged && lasted(told, manners.repeat_every_ms) => Step::Repeat,
            Some(_) => Step::Keep,
        },
        (Some(k), None) => match k.calm_ms {
            None => Step::Calm,
            Some(since) if lasted(since, manners.over_after_ms) => Step::End { told: k.told_ms.is_some() },
            Some(_) => Step::Keep,
        },
    }
}

/// An alarm as others are told of it.
#[derive(Debug, Clone)]
pub struct ToldAlarm<'a> {
    /// Its number at this station.
    pub alarm: i64,
    /// Its code.
    pub code: &'a str,
    /// What it is about.
    pub about: &'a str,
    /// How much it matters.
    pub severity: Severity,
    /// Since then, milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// Title and action by language, as stored.
    pub words: &'a Value,
}

/// Kinds of messages about alarms.
pub mod kinds {
    /// An alarm stands.
    pub const RAISED: &str = "alarm.raised";
    /// It matters more than before.
    pub const WORSE: &str = "alarm.worse";
    /// It still stands.
    pub const REPEATED: &str = "alarm.repeated";
    /// It is over.
    pub const ENDED: &str = "alarm.ended";
    /// Nothing is wrong: somebody tries the way out.
    pub const TRIAL: &str = "alarm.trial";
}

/// The body of a message about an alarm.
pub fn alarm_body(kind: &str, station: &str, station_name: &str, alarm: &ToldAlarm<'_>, now: UtcMs) -> Value {
    let by_language = |key: &str| json!({ "zh-CN": alarm.words["zh-CN"][key], "en": alarm.words["en"][key] });
    json!({
        "type": kind,
        "timestamp": now.rfc3339(),
        "data": {
            "station": station, "station_name": station_name, "alarm": alarm.alarm, "code": alarm.code, "about": alarm.about,
            "severity": alarm.severity.as_str(), "since": UtcMs(alarm.since_ms).rfc3339(),
            "title": by_language("title"), "action": by_language("action"),
        },
    })
}

/// When a message is tried again that failed for the `tries`th time: the pause doubles from `min_ms` to `max_ms`, is as long
/// as the receiver asked for where that is longer, and never goes beyond `max_ms`. `None`: it is given up, because it is
/// older than `give_up_ms`.
pub fn next_try_ms(
    now_ms: i64,
    made_ms: i64,
    tries: u32,
    asked_ms: Option<i64>,
    (min_ms, max_ms, give_up_ms): (i64, i64, i64),
) -> Option<i64> {
    if now_ms.saturating_sub(made_ms) >= give_up_ms {
        return None;
    }
    let doubled = min_ms.saturating_mul(1i64 << tries.saturating_sub(1).min(30));
    let pause = doubled.max(asked_ms.unwrap_or(0)).clamp(min_ms, max_ms.max(min_ms));
    Some(now_ms.saturating_add(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: Manners = Manners { tell_after_ms: 10, over_after_ms: 20, repeat_every_ms: 100 };

    fn known() -> Known {
        Known { risen_ms: 1000, calm_ms: None, told_ms: None, acknowledged: false, severity: Severity::Warn }
    }

    #[test]
    fn an_alarm_is_told_once_repeated_and_told_over() {
        let told = Known { told_ms: Some(1010), ..known() };
        let warn = Some(Severity::Warn);
        let table = [
            (None, None, 1000, Step::Keep),
            (None, warn, 1000, Step::Rise),
            (Some(known()), warn, 1009, Step::Keep),
            (Some(known()), warn, 1010, Step::Tell),
            (Some(told), warn, 1109, Step::Keep),
            (Some(told), warn, 1110, Step::Repeat),
            (Some(Known { acknowledged: true, ..told }), warn, 9999, Step::Keep),
            (Some(told), Some(Severity::Bad), 1011, Step::Worse),
            (Some(Known { severity: Severity::Bad, ..told }), warn, 1011, Step::Keep),
            (Some(told), None, 1020, Step::Calm),
            (Some(Known { calm_ms: Some(1020), ..told }), None, 1039, Step::Keep),
            (Some(Known { calm_ms: Some(1020), ..told }), None, 1040, Step::End { told: true }),
            (Some(Known { calm_ms: Some(1020), ..known() }), None, 1040, Step::End { told: false }),
            // It flaps: the same alarm goes on, and nothing new is told.
            (Some(Known { calm_ms: Some(1020), ..told }), warn, 1030, Step::Back),
            // The clock was wrong when it was told, and is right again.
            (Some(Known { told_ms: Some(9_000_000), ..known() }), warn, 1020, Step::Repeat),
        ];
        for (n, (known, seen, now, wanted)) in table.into_iter().enumerate() {
            assert_eq!(step(known.as_ref(), seen, now, &M), wanted, "line {n}");
        }
    }

    #[test]
    fn pauses_grow_heed_the_receiver_and_end() {
        let rules = (5, 60, 1000);
        let at = |tries, asked| next_try_ms(100, 100, tries, asked, rules);
        assert_eq!([at(1, None), at(2, None), at(3, None), at(9, None)], [105, 110, 120, 160].map(Some));
        assert_eq!(at(1, Some(30)), Some(130));
        assert_eq!(at(1, Some(999)), Some(160), "no receiver makes us wait for ever");
        assert_eq!(next_try_ms(1100, 100, 3, None, rules), None);
        assert!(next_try_ms(0, 0, u32::MAX, None, (5, i64::MAX, i64::MAX)).is_some());
    }
}
