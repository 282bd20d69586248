//! Events of casework as programs elsewhere are told of them by webhook: which there are, and which entries of the log they
//! come from. Pure.
//!
//! The body, version 1: `{"type", "timestamp", "data": {"station", "epoch", "seq", ...}}` with `clip`, `destination`, `package`,
//! `register`, `hold` or `disposal` where they apply: ids alone. Of a case the `case` is the hash that names it in object keys. A receiver that
//! may know more ([`Tells`]) gets `case_no` or the `record` beside them, of clips up to its label alone.

use serde_json::{Map, Value, json};

use super::event::{Envelope, EventKind};
use super::time::UtcMs;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// What a receiver can be told of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DataEvent { $($(#[$doc])* $variant),+ }

        impl DataEvent {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Their words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of the configuration and of a message's `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

events! {
    /// A clip is in the vault, verified.
    Sealed => "clip.sealed",
    /// A destination's copy was proven.
    Proven => "clip.proven",
    /// A destination's copy is not what was sealed.
    Suspect => "clip.suspect",
    /// A clip was linked to a case.
    Linked => "clip.linked",
    /// A link was withdrawn.
    Unlinked => "clip.unlinked",
    /// Facts of a clip were set.
    Annotated => "clip.annotated",
    /// A clip is suspected classified.
    Isolated => "clip.isolated",
    /// A case was opened, joined with another one, sent for review, or something was said about it.
    CaseChanged => "case.changed",
    /// A case was closed (结案).
    CaseClosed => "case.closed",
    /// A case was checked, signed off and filed (归档). That it was refused with its gaps is not told.
    CaseFiled => "case.filed",
    /// A closed or filed case is open again.
    CaseReopened => "case.reopened",
    /// A hold (暂停销毁) stands on a clip, or on a case that has none yet.
    HoldPlaced => "hold.placed",
    /// Two people released it.
    HoldReleased => "hold.released",
    /// A list of clips was proposed for disposal after appraisal (鉴定销毁).
    DisposalAsked => "disposal.asked",
    /// A second person confirmed or refused that list.
    DisposalDecided => "disposal.decided",
    /// Nothing of a clip is left at the station but its record.
    Disposed => "clip.disposed",
    /// A register or a roster was imported, or an import taken back.
    RegisterChanged => "register.changed",
    /// An evidence package was finished and signed.
    ExportFinished => "export.finished",
}

/// How much a receiver may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tells {
    /// Ids alone.
    Ids,
    /// And the numbers of cases.
    CaseNo,
    /// And the record of the clip, with case numbers, names and places in it.
    Record,
}

impl Tells {
    /// Their words.
    pub const WORDS: &'static [&'static str] = &["ids", "case_no", "record"];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::CaseNo => "case_no",
            Self::Record => "record",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Ids, Self::CaseNo, Self::Record].into_iter().find(|t| t.as_str() == word)
    }
}

/// What an entry of the log is to receivers, if anything.
pub fn of_entry(envelope: &Envelope) -> Option<DataEvent> {
    Some(match EventKind::parse(&envelope.kind)? {
        EventKind::Sealed => DataEvent::Sealed,
        EventKind::Proven => DataEvent::Proven,
        EventKind::Mismatch => DataEvent::Suspect,
        EventKind::Linked => DataEvent::Linked,
        EventKind::Unlinked => DataEvent::Unlinked,
        EventKind::Annotated => DataEvent::Annotated,
        EventKind::Isolated => DataEvent::Isolated,
        EventKind::CaseOpened | EventKind::CasesJoined | EventKind::Reviewed | EventKind::NoRecordSaid => {
            DataEvent::CaseChanged
        }
        EventKind::CaseClosed => DataEvent::CaseClosed,
        // Each clip's own history has it as well; the case is told once.
        EventKind::CaseFiled if envelope.outcome == "ok" && envelope.clip.is_none() => DataEvent::CaseFiled,
        EventKind::CaseReopened if step(envelope) == Some("reopened") => DataEvent::CaseReopened,
        EventKind::Hold => match step(envelope)? {
            "placed" | "placed_by_case" => DataEvent::HoldPlaced,
            "released" => DataEvent::HoldReleased,
            _ => return None,
        },
        EventKind::DisposalAsked => DataEvent::DisposalAsked,
        EventKind::DisposalDecided => DataEvent::DisposalDecided,
        EventKind::Disposed => DataEvent::Disposed,
        EventKind::RegisterImported
        | EventKind::RegisterUndone
        | EventKind::RosterImported
        | EventKind::RosterRemoved => DataEvent::RegisterChanged,
        EventKind::ExportEnded if envelope.outcome == "ok" => DataEvent::ExportFinished,
        _ => return None,
    })
}

/// How far what takes several people got.
fn step(envelope: &Envelope) -> Option<&str> {
    envelope.body.get("step").and_then(Value::as_str)
}

/// The facts of an entry that every receiver may know.
pub fn ids(envelope: &Envelope, station: &str) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("station".into(), station.into());
    data.insert("epoch".into(), envelope.epoch.into());
    data.insert("seq".into(), envelope.seq.into());
    if let Some(clip) = &envelope.clip {
        data.insert("clip".into(), clip.as_str().into());
    }
    if let Some(case) = &envelope.case {
        data.insert("case".into(), case.as_str().into());
    }
    if EventKind::parse(&envelope.kind) == Some(EventKind::DisposalDecided) {
        data.insert("outcome".into(), envelope.outcome.as_str().into());
    }
    if let Some(EventKind::RosterImported | EventKind::RosterRemoved) = EventKind::parse(&envelope.kind) {
        data.insert("register".into(), "roster".into());
    }
    for key in ["destination", "package", "register", "import", "rev", "hold", "disposal"] {
        // A commitment is an object, and says nothing to anybody.
        if let Some(value) = envelope.body.get(key).filter(|v| v.is_string() || v.is_number()) {
            data.insert(key.into(), value.clone());
        }
    }
    data
}

/// The body of a message.
pub fn body(event: DataEvent, envelope: &Envelope, data: Map<String, Value>) -> Value {
    json!({ "type": event.as_str(), "timestamp": UtcMs(envelope.wall_ms).rfc3339(), "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Draft, Place, encode};
    use crate::domain::ids::ClipId;

    fn envelope(draft: &Draft) -> Envelope {
        let place = Place { epoch: 1, seq: 7, wall_ms: 0, boot: "b".into(), mono_ms: 0 };
        serde_json::from_slice(&encode(draft, &place, || [0; 32]).unwrap().0).unwrap()
    }

    #[test]
    fn a_roster_is_a_register_of_its_own_to_receivers_and_its_name_stays_here() {
        for kind in [EventKind::RosterImported, EventKind::RosterRemoved] {
            let entry = envelope(&Draft::daemon(kind).fact("rows", 2).secret("name", "张三的排班.xlsx"));
            assert_eq!(of_entry(&entry), Some(DataEvent::RegisterChanged));
            let told = ids(&entry, "one");
            assert_eq!((&told["register"], told.contains_key("name")), (&"roster".into(), false), "{told:?}");
        }
    }

    #[test]
    fn of_an_entry_only_ids_are_told() {
        let clip = ClipId::generate(1);
        let linked = Draft::daemon(EventKind::Linked)
            .clip(clip)
            .case("abc")
            .fact("rev", 2)
            .fact("destination", "cloud")
            .secret("number", "赵卫罚〔2026〕12号")
            .secret("package", "x");
        let e = envelope(&linked);
        let event = of_entry(&e).unwrap();
        let told = body(event, &e, ids(&e, "zhao"));
        assert_eq!(
            told,
            json!({ "type": "clip.linked", "timestamp": "1970-01-01T00:00:00+00:00", "data": { "station": "zhao", "epoch": 1,
                "seq": 7, "clip": clip.to_string(), "case": "abc", "rev": 2, "destination": "cloud" } })
        );
        assert_eq!(of_entry(&envelope(&Draft::daemon(EventKind::Shown).clip(clip))), None);
        assert_eq!(of_entry(&envelope(&Draft::daemon(EventKind::ExportEnded).outcome("failed"))), None);
        for event in DataEvent::ALL {
            assert_eq!(DataEvent::parse(event.as_str()), Some(*event));
        }
    }

    #[test]
    fn of_what_takes_several_people_the_ends_are_told_and_each_once() {
        let clip = ClipId::generate(1);
        let of = |draft: Draft| of_entry(&envelope(&draft));
        let at = |kind, step: &'static str| of(Draft::daemon(kind).clip(clip).fact("step", step));
        for (step, told) in [
            ("placed", Some(DataEvent::HoldPlaced)),
            ("placed_by_case", Some(DataEvent::HoldPlaced)),
            ("release_asked", None),
            ("release_refused", None),
            ("released", Some(DataEvent::HoldReleased)),
        ] {
            assert_eq!(at(EventKind::Hold, step), told, "{step}");
        }
        assert_eq!(of(Draft::daemon(EventKind::Hold).fact("restored", true)), None);
        assert_eq!(at(EventKind::CaseReopened, "asked"), None);
        assert_eq!(at(EventKind::CaseReopened, "reopened"), Some(DataEvent::CaseReopened));
        assert_eq!(of(Draft::daemon(EventKind::CaseFiled).case("c")), Some(DataEvent::CaseFiled));
        assert_eq!(of(Draft::daemon(EventKind::CaseFiled).case("c").clip(clip)), None, "the case was told already");
        assert_eq!(of(Draft::daemon(EventKind::CaseFiled).case("c").outcome("refused")), None);
        let no = envelope(&Draft::daemon(EventKind::DisposalDecided).fact("disposal", 3).outcome("refused"));
        assert_eq!(of_entry(&no), Some(DataEvent::DisposalDecided));
        let told = ids(&no, "zhao");
        assert_eq!((&told["disposal"], &told["outcome"]), (&json!(3), &json!("refused")));
        let hold = envelope(&Draft::daemon(EventKind::Hold).clip(clip).fact("hold", 7).fact("step", "placed"));
        let told = ids(&hold, "zhao");
        assert_eq!((&told["hold"], told.get("outcome"), told.get("step")), (&json!(7), None, None));
    }
}
