//! The second signature (SM2) of a package: by the key that the log names for the package's checkpoint, below that and
//! beside the package's note.

use std::collections::BTreeMap;

use super::super::{CHECKPOINT, NOTE, NOTE_SM2, SM2_KEY};
use super::{Check, MOST_SMALL};
use crate::custody::checkpoint::{Checkpoint, parse_origin};
use crate::custody::note::Note;
use crate::custody::sm2::{Sm2Key, from_der};
use crate::custody::sm2_course::Course;
use crate::domain::event::Envelope;

impl Check<'_> {
    /// Compares it where the log names a key for it, or the package has one. An older log names none; then the first
    /// signature alone vouches for the key.
    pub(super) fn second(&mut self, events: &BTreeMap<u64, Envelope>) {
        let (has_key, has_signature) = (self.digests.contains_key(SM2_KEY), self.digests.contains_key(NOTE_SM2));
        let read = |name: &str| self.folder.read(name, MOST_SMALL).unwrap_or_default();
        let (note, signature, checkpoint) = (read(NOTE), read(NOTE_SM2), Note::parse(&read(CHECKPOINT)).ok());
        let due = match sm2_due(events, checkpoint.as_ref()) {
            Ok(due) => due,
            Err(seq) => return self.problem(format!("event {seq} says what it cannot of the SM2 key")),
        };
        if due.is_empty() && !has_key && !has_signature {
            if !self.given.sm2.is_empty() {
                self.problem("it has no second signature (SM2), although an SM2 key was given to compare it with");
            }
            return;
        }
        let name = Note::parse(&note).ok().and_then(|note| note.signatures().first().map(|line| line.name.clone()));
        let key = self.text(SM2_KEY, MOST_SMALL).zip(name).and_then(|(pem, name)| Sm2Key::from_pem(&name, &pem));
        let Some(key) = key else { return self.problem(format!("{SM2_KEY} is missing, or no SM2 key")) };
        let named = due.is_empty() || due.contains(&key.to_string());
        if !named {
            self.problem(format!(
                "the key in {SM2_KEY} is not the one that the log names for the checkpoint: {}",
                due[0]
            ));
        }
        // A PEM does not say what it is called: the point is the key.
        let given = self.given.sm2.iter().any(|one| one.to_pem() == key.to_pem());
        if !given && !self.given.sm2.is_empty() {
            self.problem(format!("the key in {SM2_KEY} is none of the SM2 keys that were given: {key}"));
        }
        let over_note = from_der(&signature).is_some_and(|signature| key.verifies(&note, &signature));
        if !over_note {
            self.problem(format!("{NOTE_SM2} is missing, or no SM2 signature over {NOTE} by the key in {SM2_KEY}"));
        }
        let below = checkpoint.and_then(|note| key.verifies_note(&note));
        match below {
            // Checkpoints from before there was such a key have none.
            None if due.is_empty() => {
                self.report.notices.push("the checkpoint has no SM2 signature of this key".to_owned());
            }
            None => self.problem(format!(
                "the checkpoint has no SM2 signature of the key in {SM2_KEY}, although the log says that each one has"
            )),
            Some(true) => {}
            Some(false) => self.problem("the SM2 signature below the checkpoint is false"),
        }
        self.report.sm2 = named && over_note && (below == Some(true) || (below.is_none() && due.is_empty()));
        self.report.sm2_origin_shown = given && self.report.sm2;
        self.report.sm2_key = Some(key.to_string()).filter(|_| self.report.sm2 && !due.is_empty());
    }
}

/// The SM2 keys of which the log names one for a checkpoint; none where it asks for no such signature.
fn sm2_due(events: &BTreeMap<u64, Envelope>, note: Option<&Note>) -> Result<Vec<String>, u64> {
    let head = note.and_then(|note| Checkpoint::parse(note.text()).ok());
    let epoch = head.as_ref().and_then(|head| parse_origin(&head.origin));
    let Some((head, (_, epoch))) = head.zip(epoch) else { return Ok(Vec::new()) };
    let course = Course::of(events.values(), epoch)?;
    Ok(course.due(epoch, head.size).into_iter().map(str::to_owned).collect())
}
