//! Under which keys the log in a package was signed, from where on, and what it owns to have lost: the log says so itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::custody::checkpoint::{self, Opened};
use crate::custody::epoch::Opening;
use crate::custody::note::{Kind, Note, NoteError, VerifierKey};
use crate::domain::event::{Envelope, EventKind};
use crate::domain::time::UtcMs;

/// The tree head of a package, and which of the keys taken here signed it.
pub(super) struct SignedHead {
    epoch: u32,
    size: u64,
    by: Vec<String>,
}

impl SignedHead {
    pub fn of(opened: &Opened, keys: &[VerifierKey]) -> Option<Self> {
        let (_, epoch) = checkpoint::parse_origin(&opened.checkpoint.origin)?;
        // A cosignature of a key has another id than its plain signature; both are that key's.
        let signed = |key: &&VerifierKey| {
            let ids = [key.id(), key.for_kind(Kind::Cosignature).id()];
            opened.signed.iter().any(|signed| signed.name == key.name() && ids.contains(&signed.id))
        };
        let by = keys.iter().filter(signed).map(ToString::to_string).collect();
        Some(Self { epoch, size: opened.checkpoint.size, by })
    }
}

/// The key in force as the log goes on, and what it took over from.
#[derive(Default)]
struct Course {
    named: BTreeSet<String>,
    in_force: Option<String>,
    /// Where the key in force took over.
    since: u64,
    /// An older key signs one more checkpoint, over the event of its own end.
    before: Option<String>,
}

impl Check<'_> {
    /// The log itself says under which keys it was signed, how its epoch began, and what restores lost.
    pub(super) fn keys_in_log(
        &mut self,
        events: &BTreeMap<u64, Envelope>,
        keys: &[VerifierKey],
        head: Option<&SignedHead>,
    ) {
        let (mut course, mut opened) = (Course::default(), BTreeSet::new());
        for (seq, envelope) in events {
            let took_over = match EventKind::parse(&envelope.kind) {
                Some(EventKind::EpochOpened) => {
                    opened.insert(envelope.epoch);
                    let Some(opening) = Opening::read(&envelope.body) else {
                        self.problem(format!("event {seq} opens an epoch and does not say under which key"));
                        continue;
                    };
                    for lost in opening.epochs_lost().into_iter().filter_map(|epoch| opening.newest_lost(epoch)) {
                        self.report.notices.push(format!(
                            "the station was restored: epoch {} begins with event {seq} and says that epoch {} had {} events once, of which those from {seq} on are lost",
                            envelope.epoch, lost.epoch, lost.size
                        ));
                    }
                    (Some(opening.key), false)
                }
                Some(EventKind::KeyRotated) => {
                    (envelope.body.get("new").and_then(|v| v.as_str()).map(str::to_owned), true)
                }
                _ => continue,
            };
            if let (Some(key), signs_its_end) = took_over
                && course.in_force.as_ref() != Some(&key)
            {
                let before = course.in_force.replace(key.clone());
                course.named.insert(key);
                (course.since, course.before) = (*seq, before.filter(|_| signs_its_end));
            }
        }
        if course.named.is_empty() {
            self.problem("no event says under which key the log is signed");
        } else if let Some(key) = self.report.key.clone() {
            if !course.named.contains(&key) {
                self.problem(format!("the log never named the key that signed this package: {key}"));
            } else if course.in_force.as_ref() != Some(&key) {
                self.problem(format!(
                    "the package is signed under {key}, whose use had ended with event {} of the log in it",
                    course.since
                ));
            }
        }
        if let Some(head) = head {
            if !opened.contains(&head.epoch) {
                self.problem(format!("no event says how epoch {} began, of which the checkpoint is", head.epoch));
            }
            let may = |key: &String| {
                course.in_force.as_ref() == Some(key)
                    || (course.before.as_ref() == Some(key) && head.size == course.since + 1)
            };
            if course.in_force.is_some() && !head.by.iter().any(may) {
                self.problem(format!(
                    "the checkpoint is signed under no key that was in use then, but under {}",
                    head.by.join(", ")
                ));
            }
        }
        for key in course.named.iter().filter(|named| !keys.iter().any(|key| key.to_string() == **named)) {
            self.report
                .notices
                .push(format!("the log was signed under {key}, too, which is not among the keys taken here"));
        }
    }

    /// Others who signed the checkpoint: those whose keys were given are compared, all others only named.
    pub(super) fn cosigners(&mut self, note: &str, keys: &[VerifierKey]) {
        let Ok(note) = Note::parse(note.as_bytes()) else { return };
        let given: Vec<VerifierKey> =
            self.given.witnesses.iter().flat_map(|key| [key.clone(), key.for_kind(Kind::Cosignature)]).collect();
        let signed = match note.verify(&given) {
            Ok(signed) => signed,
            Err(NoteError::Unknown(_)) if given.is_empty() => Vec::new(),
            Err(NoteError::Unknown(_)) => {
                self.report
                    .notices
                    .push("none of the witnesses whose keys were given signed this checkpoint".to_owned());
                Vec::new()
            }
            Err(e) => {
                self.problem(format!("a witness's signature below the checkpoint: {e}"));
                Vec::new()
            }
        };
        for signed in &signed {
            let at =
                signed.made_s.and_then(|s| i64::try_from(s).ok()).map(|s| UtcMs(s.saturating_mul(1_000)).rfc3339());
            self.report.witnessed.push(format!("{} ({})", signed.name, at.unwrap_or_default()));
        }
        let ours = |name: &str| keys.iter().any(|key| key.name() == name);
        let compared = |name: &str, id: u32| signed.iter().any(|signed| signed.name == name && signed.id == id);
        let others = note.signatures().iter().filter(|line| !ours(&line.name) && !compared(&line.name, line.id));
        self.report.cosigners = others.map(|line| format!("{} ({:08x})", line.name, line.id)).collect();
    }
}
