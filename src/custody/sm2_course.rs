//! The SM2 key in the log: what its events say, which key signs from which event on, and whether the lines below
//! checkpoints bear that out. So it is the log, which the first key signs, that vouches for the second one.
//!
//! The body of a `log.sm2_key` event:
//!
//! ```text
//! what         on        checkpoints have a line of `key`
//!              kept      the same, and `key` is kept in another way now
//!              rotated   `key` takes over from `old`, which signs the checkpoint over this event and nothing after it
//!              lost      `key` takes over from `old`, which was not there to sign
//!              off       `old` signs no more, and no key does
//! key          the public key as custody::sm2 spells it; not with `off`
//! old          that of the key which was in use; not with `on` and `kept`
//! protection   how the private key is kept; not with `off`
//! ```
//!
//! It holds for every checkpoint that covers the event, in its epoch: an epoch begins without such a key, since a restore
//! may not have it. Before the first of these events a line may be there and need not.

use serde_json::{Map, Value};

use super::epoch::Head;
use super::note::Note;
use super::report::{Findings, HeldBy, Notice, Problem, Sm2Report, Sm2Span};
use super::sm2::Sm2Key;
use crate::domain::event::{Draft, Envelope, EventKind};

/// What an event says of the SM2 key. Keys are in their text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEvent {
    /// It is put to use.
    On {
        /// Which.
        key: String,
        /// How it is kept.
        protection: String,
    },
    /// It is kept in another way.
    Kept {
        /// Which.
        key: String,
        /// How it is kept now.
        protection: String,
    },
    /// Another one takes over.
    Changed {
        /// The one that was in use.
        old: String,
        /// The new one.
        key: String,
        /// How that is kept.
        protection: String,
        /// The old one was not there to sign this.
        lost: bool,
    },
    /// None is in use any more.
    Off {
        /// The one that was in use.
        old: String,
    },
}

impl KeyEvent {
    /// Puts it into an event.
    pub fn tell(&self, draft: Draft) -> Draft {
        match self {
            Self::On { key, protection } => told(draft, "on", None, Some((key, protection))),
            Self::Kept { key, protection } => told(draft, "kept", None, Some((key, protection))),
            Self::Changed { old, key, protection, lost } => {
                told(draft, if *lost { "lost" } else { "rotated" }, Some(old), Some((key, protection)))
            }
            Self::Off { old } => told(draft, "off", Some(old), None),
        }
    }

    /// Reads the body of an event; `None` when a fact is missing or of another shape.
    pub fn read(body: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(match body.get("what")?.as_str()? {
            "on" => Self::On { key: text("key")?, protection: text("protection")? },
            "kept" => Self::Kept { key: text("key")?, protection: text("protection")? },
            what @ ("rotated" | "lost") => Self::Changed {
                old: text("old")?,
                key: text("key")?,
                protection: text("protection")?,
                lost: what == "lost",
            },
            "off" => Self::Off { old: text("old")? },
            _ => return None,
        })
    }
}

fn told(draft: Draft, what: &str, old: Option<&String>, new: Option<(&String, &String)>) -> Draft {
    let mut draft = draft.fact("what", what);
    if let Some(old) = old {
        draft = draft.fact("old", old.as_str());
    }
    match new {
        Some((key, protection)) => draft.fact("key", key.as_str()).fact("protection", protection.as_str()),
        None => draft,
    }
}

/// The key that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub key: String,
    /// How it is kept.
    pub protection: String,
}

/// The course of the key as the events tell it that were taken so far, in their order.
#[derive(Debug, Clone, Default)]
pub struct Course {
    epoch: u32,
    in_use: Option<InUse>,
    /// The position of the newest change, and the key that still signs the checkpoint over it.
    last_words: Option<(u64, String)>,
    /// Keys whose use has ended and not begun again.
    ended: Vec<String>,
}

/// An event that does not follow from those before it: it ends the use of a key, this one, that was not in use, or begins
/// that of another one beside this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leap(pub String);

impl Course {
    /// Takes the next event.
    pub fn take(&mut self, epoch: u32, seq: u64, event: &KeyEvent) -> Result<(), Leap> {
        if epoch != self.epoch {
            (self.epoch, self.in_use, self.last_words) = (epoch, None, None);
        }
        let before = self.in_use.as_ref().map(|in_use| in_use.key.clone());
        let (old, new) = match event {
            KeyEvent::On { key, protection } => (None, Some((key, protection))),
            KeyEvent::Kept { key, protection } => (Some(key), Some((key, protection))),
            KeyEvent::Changed { old, key, protection, .. } => (Some(old), Some((key, protection))),
            KeyEvent::Off { old } => (Some(old), None),
        };
        self.in_use = new.map(|(key, protection)| InUse { key: key.clone(), protection: protection.clone() });
        self.last_words = match event {
            KeyEvent::Changed { old, lost: false, .. } => Some((seq, old.clone())),
            // Said right after a change, it takes nothing from it.
            KeyEvent::Kept { .. } => self.last_words.take(),
            _ => None,
        };
        self.ended.extend(before.clone());
        let in_use = self.in_use.as_ref().map(|in_use| &in_use.key);
        self.ended.retain(|key| Some(key) != in_use);
        match old {
            old if old == before.as_ref() => Ok(()),
            Some(old) => Err(Leap(old.clone())),
            None => Err(Leap(before.unwrap_or_default())),
        }
    }

    /// The course that the events among these tell about `epoch`; else the position of one that says nothing, or leaps.
    pub fn of<'e>(envelopes: impl IntoIterator<Item = &'e Envelope>, epoch: u32) -> Result<Self, u64> {
        let mut course = Self::default();
        let its = |e: &&Envelope| e.epoch == epoch && e.kind == EventKind::Sm2Key.as_str();
        for envelope in envelopes.into_iter().filter(its) {
            let taken = KeyEvent::read(&envelope.body).map(|event| course.take(epoch, envelope.seq, &event));
            taken.and_then(Result::ok).ok_or(envelope.seq)?;
        }
        Ok(course)
    }

    /// The key in use after the events that were taken.
    pub fn in_use(&self) -> Option<&InUse> {
        self.in_use.as_ref()
    }

    /// The keys of which one must have signed a checkpoint of `epoch` over the first `size` events, which were taken; none
    /// of them where there need be no line.
    pub fn due(&self, epoch: u32, size: u64) -> Vec<&str> {
        if epoch != self.epoch {
            return Vec::new();
        }
        let last_words = self.last_words.as_ref().filter(|(seq, _)| seq.saturating_add(1) == size);
        self.in_use.iter().map(|in_use| in_use.key.as_str()).chain(last_words.map(|(_, old)| old.as_str())).collect()
    }
}

/// Which keys have a line below a checkpoint, by their place among the trusted ones.
pub(super) type Lines = Vec<usize>;

/// The part of a verification that is about this key. Takes events and checkpoints as the log's verifier comes by them.
pub(super) struct Sm2Check<'a> {
    keys: &'a [Sm2Key],
    names: Vec<String>,
    course: Course,
    spans: Vec<Sm2Span>,
    checkpoints: u64,
}

impl<'a> Sm2Check<'a> {
    pub(super) fn new(keys: &'a [Sm2Key]) -> Self {
        let names = keys.iter().map(ToString::to_string).collect();
        Self { keys, names, course: Course::default(), spans: Vec::new(), checkpoints: 0 }
    }

    /// Compares the lines below a checkpoint that the log's own key signed. Each one that a known key has under its name
    /// must be true, wherever in the log it stands.
    pub(super) fn below(&mut self, note: &[u8], head: Head, held_by: &HeldBy, found: &mut Findings<Problem>) -> Lines {
        let note = if self.keys.is_empty() { None } else { Note::parse(note).ok() };
        let Some(note) = note else { return Lines::new() };
        let told: Vec<(usize, bool)> =
            self.keys.iter().enumerate().filter_map(|(n, key)| Some((n, key.verifies_note(&note)?))).collect();
        for (n, _) in told.iter().filter(|(_, holds)| !holds) {
            let (held_by, key) = (held_by.clone(), self.names[*n].clone());
            found.add(Problem::Sm2False { held_by, epoch: head.epoch, size: head.size, key });
        }
        self.checkpoints += u64::from(!told.is_empty() && told.iter().all(|(_, holds)| *holds));
        told.into_iter().map(|(n, _)| n).collect()
    }

    /// Takes an event of this kind.
    pub(super) fn event(
        &mut self,
        seq: u64,
        epoch: u32,
        bytes: &[u8],
        found: &mut Findings<Problem>,
        noted: &mut Findings<Notice>,
    ) {
        let event = serde_json::from_slice::<Envelope>(bytes).ok().and_then(|e| KeyEvent::read(&e.body));
        let Some(event) = event else { return found.add(Problem::Sm2Unreadable { seq }) };
        if let Err(Leap(key)) = self.course.take(epoch, seq, &event) {
            found.add(Problem::Sm2NotInUse { seq, key });
        }
        if let (KeyEvent::Kept { protection, .. }, Some(span)) = (&event, self.spans.last_mut()) {
            span.protection.clone_from(protection);
            return;
        }
        if let Some(span) = self.spans.last_mut().filter(|span| span.until.is_none()) {
            span.until = Some(seq);
        }
        match event {
            KeyEvent::On { key, protection } | KeyEvent::Kept { key, protection } => {
                self.begin(epoch, seq, key, protection, found);
            }
            KeyEvent::Changed { old, key, protection, lost } => {
                noted.add(match lost {
                    true => Notice::Sm2Lost { seq, old, key: key.clone(), protection: protection.clone() },
                    false => Notice::Sm2Changed { seq, key: key.clone(), protection: protection.clone() },
                });
                self.begin(epoch, seq, key, protection, found);
            }
            KeyEvent::Off { old } => noted.add(Notice::Sm2Off { seq, key: old }),
        }
    }

    fn begin(&mut self, epoch: u32, from: u64, key: String, protection: String, found: &mut Findings<Problem>) {
        if !self.names.contains(&key) {
            found.add(Problem::Sm2Untrusted { seq: from, key: key.clone() });
        }
        self.spans.push(Sm2Span { epoch, from, until: None, key, protection });
    }

    /// An epoch was opened: the key of the one before is out of use.
    pub(super) fn epoch_opened(&mut self, seq: u64) {
        if let Some(span) = self.spans.last_mut().filter(|span| span.until.is_none()) {
            span.until = Some(seq);
        }
    }

    /// Judges the lines of a checkpoint whose root the events so far give, so that they speak for it.
    pub(super) fn judge(&self, head: Head, lines: &[usize], held_by: &HeldBy, found: &mut Findings<Problem>) {
        let due = self.course.due(head.epoch, head.size);
        let has = |key: &str| lines.iter().any(|n| self.names[*n] == key);
        // Of a key that is not known nothing can be said; that it is not is the finding.
        let known = due.iter().all(|key| self.names.iter().any(|name| name == key));
        if let Some(key) = due.first().filter(|_| known)
            && !due.iter().any(|key| has(key))
        {
            let (held_by, key) = (held_by.clone(), (*key).to_owned());
            found.add(Problem::Sm2Missing { held_by, epoch: head.epoch, size: head.size, key });
        }
        for key in self.course.ended.iter().filter(|key| has(key) && !due.contains(&key.as_str())) {
            found.add(Problem::Sm2Retired {
                held_by: held_by.clone(),
                epoch: head.epoch,
                size: head.size,
                key: key.clone(),
            });
        }
    }

    /// What is told; nothing where the log knows no such key and no checkpoint has a line.
    pub(super) fn report(self) -> Option<Sm2Report> {
        let silent = self.spans.is_empty() && self.checkpoints == 0;
        (!silent).then_some(Sm2Report { keys: self.spans, checkpoints: self.checkpoints })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Place, encode};

    fn on(key: &str) -> KeyEvent {
        KeyEvent::On { key: key.into(), protection: "file".into() }
    }

    fn changed(old: &str, key: &str, lost: bool) -> KeyEvent {
        KeyEvent::Changed { old: old.into(), key: key.into(), protection: "file".into(), lost }
    }

    fn off(old: &str) -> KeyEvent {
        KeyEvent::Off { old: old.into() }
    }

    fn envelope(epoch: u32, seq: u64, event: &KeyEvent) -> Envelope {
        let place = Place { epoch, seq, wall_ms: 0, boot: "b".into(), mono_ms: 0 };
        let (bytes, _) = encode(&event.tell(Draft::daemon(EventKind::Sm2Key)), &place, || [0; 32]).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let kept = KeyEvent::Kept { key: "a".into(), protection: "tpm2".into() };
        for event in [on("a"), kept, changed("a", "b", false), changed("a", "b", true), off("b")] {
            let mut read = envelope(1, 7, &event);
            assert_eq!(KeyEvent::read(&read.body), Some(event.clone()));
            read.body.insert("what".into(), "else".into());
            assert_eq!(KeyEvent::read(&read.body), None, "{event:?}");
        }
        assert_eq!(KeyEvent::read(&Map::new()), None);
        let mut halved = envelope(1, 7, &changed("a", "b", false));
        halved.body.remove("old");
        assert_eq!(KeyEvent::read(&halved.body), None);
    }

    #[test]
    fn which_key_signs_which_checkpoint() {
        let told = [(1, on("a")), (10, changed("a", "b", false)), (20, changed("b", "c", true)), (30, off("c"))];
        let at = |size: u64| {
            let past = told.iter().filter(|(seq, _)| *seq < size).map(|(seq, event)| envelope(3, *seq, event));
            let past: Vec<Envelope> = past.collect();
            Course::of(&past, 3).unwrap().due(3, size).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        for (size, due) in [
            (1, &[][..]),
            (2, &["a"]),
            (10, &["a"]),
            // The old key signs its own end, and nothing after it.
            (11, &["b", "a"]),
            (12, &["b"]),
            // One that is lost signs nothing.
            (21, &["c"]),
            (30, &["c"]),
            (31, &[]),
            (99, &[]),
        ] {
            assert_eq!(at(size), due, "{size}");
        }
        // An epoch begins without one, and another one's events say nothing of it.
        let all: Vec<Envelope> = told.iter().take(1).map(|(seq, event)| envelope(3, *seq, event)).collect();
        assert!(Course::of(&all, 3).unwrap().due(4, 50).is_empty());
        assert!(Course::of(&all, 4).unwrap().in_use().is_none());
    }

    #[test]
    fn a_course_has_no_leaps() {
        for (events, position) in [
            (vec![off("a")], 0),
            (vec![on("a"), on("b")], 1),
            (vec![on("a"), changed("b", "c", false)], 1),
            (vec![on("a"), off("a"), changed("a", "b", false)], 2),
        ] {
            let told: Vec<Envelope> = events.iter().enumerate().map(|(n, e)| envelope(1, n as u64, e)).collect();
            assert_eq!(Course::of(&told, 1).unwrap_err(), position, "{events:?}");
        }
        let mut course = Course::default();
        for (seq, event) in [on("a"), off("a"), on("a")].iter().enumerate() {
            course.take(1, seq as u64, event).unwrap();
        }
        assert!(course.ended.is_empty() && course.in_use().is_some_and(|in_use| in_use.key == "a"));
        // The restored log has nothing of it in use, and can begin with the same key.
        course.take(2, 9, &on("a")).unwrap();
        assert_eq!(course.due(2, 10), ["a"]);
    }
}
