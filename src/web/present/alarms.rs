//! Alarms in words.

use super::station::{AlarmNote, alarm_note, icon};
use super::{Ctx, Stamp};
use crate::domain::words::Lang;
use crate::domain::words::quoted::Quoted;
use crate::web::offers::Among;
use crate::web::view::alarms::{AlarmsView, OverView, ReceiverView};

/// The page.
pub struct Alarms {
    /// What stands.
    pub standing: Vec<AlarmNote>,
    /// What is over.
    pub over: Vec<OverLine>,
    /// Who is told.
    pub receivers: Vec<ReceiverLine>,
}

/// An alarm that is over.
pub struct OverLine {
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// How much it mattered.
    pub severity: &'static str,
    /// What it was.
    pub title: String,
    /// Since then.
    pub since: Stamp,
    /// Until then.
    pub until: Stamp,
    /// Who knew.
    pub known: String,
}

/// Somebody who is told.
pub struct ReceiverLine {
    /// Its name.
    pub name: String,
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// How it is doing.
    pub state: &'static str,
    /// Why, of the last try that failed.
    pub words: String,
    /// What waits for it.
    pub waiting: String,
    /// When a message arrived last.
    pub taken: Option<Stamp>,
}

/// The page in words. `theirs`: which of the clips that alarms name they may open.
pub fn alarms(view: &AlarmsView, theirs: &Among, c: &Ctx) -> Alarms {
    Alarms {
        standing: view.standing.iter().map(|(alarm, risen)| alarm_note(alarm, risen.as_ref(), theirs, c)).collect(),
        over: view.over.iter().map(|o| over(o, c)).collect(),
        receivers: view.receivers.iter().map(|r| receiver(r, c)).collect(),
    }
}

fn over(o: &OverView, c: &Ctx) -> OverLine {
    let class = o.severity.class();
    let [zh, en] = &o.title;
    OverLine {
        class,
        icon: if class == "hold" { "info" } else { icon(class) },
        severity: c.w.severity(o.severity),
        title: if c.w.lang == Lang::Zh { zh.clone() } else { en.clone() },
        since: c.near(o.since),
        until: c.near(o.until),
        known: o.known.as_ref().map(|by| c.named(by)).unwrap_or_default(),
    }
}

fn receiver(r: &ReceiverView, c: &Ctx) -> ReceiverLine {
    let w = c.w;
    let (class, state) = match (r.failing, r.lost, r.taken) {
        (true, 0, _) => ("ask", w.receiver_failing()),
        (true, ..) => ("fail", w.receiver_gave_up()),
        (false, _, Some(_)) => ("safe", w.receiver_well()),
        (false, _, None) => ("hold", w.receiver_nothing_yet()),
    };
    ReceiverLine {
        name: r.name.clone(),
        class,
        icon: icon(class),
        state,
        words: r.words.clone().map(|words| Quoted::NotTold { words }.told(w.lang)).unwrap_or_default(),
        waiting: w.messages_wait(r.waiting),
        taken: r.taken.map(|at| c.near(at)),
    }
}
