//! Footage that nothing dates: a recorder without ONVIF counts its times from the beginning of what it has, and nothing in
//! its list tells today's footage from yesterday's of the same length. It is known again by its *mark*: digests of what the
//! recorder plays at the begin, in the middle and at the end of it, each a second of pictures and sound as our worker writes
//! them. Footage whose mark is that of an earlier stay is that footage, and what is here of it need not come again; one that
//! went on since is known by the mark of the part that was there before. Whatever cannot be marked is fetched anew: that
//! costs time, and no footage.
//!
//! A mark is made before anything of the footage is fetched, so that a stay that is cut short is gone on with in the next.

use std::collections::{BTreeMap, BTreeSet};

use super::stretch::LOOK;
use super::{Puller, Stay, Stopping};
use crate::domain::error::chain;
use crate::domain::replay::{Looked, Span, Tell, Timeline};
use crate::domain::stream::{SegmentEnd, Told};
use crate::intake::IntakeError;
use crate::source::replay;
use crate::store::Marked;

/// So much is asked for at each place, milliseconds: more than is compared, so that what is compared does not depend on how
/// a recorder ends.
const ASKED_MS: i64 = 3_000;
/// Fragments that end by then are compared, milliseconds from the first picture.
const COMPARED_MS: i64 = 1_500;
/// Footage of earlier stays that may be the one that is there now: each costs three looks.
const CANDIDATES: usize = 4;
/// Visits in a row in which the recorder did not play long enough to be marked; then it is taken for unknown.
const TRIES: u32 = 3;
/// A worker is not waited for longer, milliseconds: lines that die are its own business until then.
const LIMIT_MS: i64 = 120_000;
/// Nor while it takes its leave.
const LEAVE_MS: i64 = 5_000;

/// What is known of it in this stay.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// How long it is, milliseconds, and as what it is kept.
    named: Option<(i64, String)>,
    failed: u32,
}

/// What marking came to.
enum Mark {
    Made(String),
    /// It plays nothing at one of the places.
    None,
    /// The line broke: in words.
    Failed(String),
}

impl Puller {
    /// Gives footage that nothing dates the name under which it is kept; nothing where that can only be said at a later
    /// visit. Other footage has its name by its times.
    pub(super) fn named(
        &self,
        stay: &mut Stay,
        mut looked: Looked,
    ) -> Result<Result<Option<Looked>, Stopping>, IntakeError> {
        if looked.timeline == Timeline::Clock {
            return Ok(Ok(Some(looked)));
        }
        for span in &mut looked.spans {
            // In one stay, its length tells: a recorder that stands here records nothing else of the same length meanwhile.
            if let Some((_, item)) = stay.undated.named.as_ref().filter(|(to_ms, _)| *to_ms == span.to_ms) {
                span.item.clone_from(item);
                continue;
            }
            match self.recognised(stay, span)? {
                Err(stopping) => return Ok(Err(stopping)),
                Ok(Some(item)) => {
                    stay.undated = Known { named: Some((span.to_ms, item.clone())), failed: 0 };
                    span.item = item;
                }
                Ok(None) => return Ok(Ok(None)),
            }
        }
        Ok(Ok(Some(looked)))
    }

    fn recognised(&self, stay: &mut Stay, span: &Span) -> Result<Result<Option<String>, Stopping>, IntakeError> {
        let (recorder, base) = (stay.recorder.clone(), format!("{}@", span.item));
        let known: Vec<Marked> = self.intake.store.read_blocking(|r| r.marked(&recorder, &base))?;
        let before = known.iter().filter(|k| k.mark.is_some() && k.to_ms <= span.to_ms).take(CANDIDATES);
        // Its whole length first: most recorders come back with what they had.
        let lengths: BTreeSet<i64> = before.map(|k| k.to_ms).chain([span.to_ms]).collect();
        let mut marks: BTreeMap<i64, Option<String>> = BTreeMap::new();
        let mut item = None;
        for to_ms in lengths.into_iter().rev() {
            let mark = match self.mark(to_ms - span.from_ms) {
                Err(stopping) => return Ok(Err(stopping)),
                Ok(Mark::Made(mark)) => Some(mark),
                Ok(Mark::None) => None,
                Ok(Mark::Failed(words)) => {
                    stay.undated.failed += 1;
                    let tries = stay.undated.failed;
                    tracing::info!(recorder = %stay.recorder, why = words, tries, "whether its footage is here already cannot be said yet");
                    if tries < TRIES {
                        return Ok(Ok(None));
                    }
                    None
                }
            };
            let same = |k: &&Marked| k.to_ms == to_ms && mark.is_some() && k.mark == mark;
            item = known.iter().find(same).map(|found| found.item.clone());
            marks.insert(to_ms, mark);
            if item.is_some() {
                break;
            }
        }
        let again = item.is_some();
        let item = item.unwrap_or_else(|| fresh(&base, stay.dock, &known));
        let named = Span { item: item.clone(), ..span.clone() };
        let mark = marks.remove(&span.to_ms).flatten();
        tracing::info!(recorder = %stay.recorder, footage = %named.item, again, marked = mark.is_some(), "footage without a date");
        self.intake.store.write_blocking(move |tx| {
            tx.listed(&recorder, Timeline::Npt, std::slice::from_ref(&named))?;
            tx.mark(&recorder, &named, mark.as_deref())
        })?;
        Ok(Ok(Some(item)))
    }

    /// The mark of the first so many milliseconds of what the recorder has.
    fn mark(&self, length_ms: i64) -> Result<Mark, Stopping> {
        let url = &self.recorder.url;
        let last = (length_ms - ASKED_MS).max(0);
        let mut hasher = blake3::Hasher::new();
        for from_ms in BTreeSet::from([0, last / 2, last]) {
            let to_ms = (from_ms + ASKED_MS).min(length_ms);
            let link = replay::fetch(&self.program, &self.recorder, url, Timeline::Npt, (from_ms, to_ms));
            let mut link = match link {
                Ok(link) => link,
                Err(e) => return Ok(Mark::Failed(chain(&e))),
            };
            let mut until_ms = self.intake.clock.monotonic_ms() + LIMIT_MS;
            let (mut began, mut enough) = (false, false);
            // Where each look begins, so that no two series of bytes give the same mark.
            hasher.update(&from_ms.to_le_bytes());
            loop {
                if (self.stopping)() {
                    // Its worker ends with the link.
                    let _ = link.tell(&Tell::Stop);
                    return Err(Stopping);
                }
                if self.intake.clock.monotonic_ms() > until_ms {
                    if enough {
                        break;
                    }
                    return Ok(Mark::Failed("the recorder did not play in time".to_owned()));
                }
                match link.hear(LOOK) {
                    Ok(Some((Told::Closed { .. }, _))) | Err(_) if enough => break,
                    Ok(_) if enough => {}
                    Ok(Some((Told::Begin { .. }, body))) => {
                        began = true;
                        hasher.update(&(body.len() as u64).to_le_bytes()).update(&body);
                    }
                    Ok(Some((Told::More { length_ms, .. }, body))) if length_ms <= COMPARED_MS => {
                        hasher.update(&(body.len() as u64).to_le_bytes()).update(&body);
                    }
                    Ok(Some((Told::More { .. } | Told::End(_), _))) => {
                        // It takes its leave of the recorder, many of which play to one at a time.
                        enough = link.tell(&Tell::Stop).is_ok();
                        until_ms = self.intake.clock.monotonic_ms() + LEAVE_MS;
                        if !enough {
                            break;
                        }
                    }
                    Ok(Some((Told::Closed { why: SegmentEnd::Whole | SegmentEnd::Short, .. }, _))) => break,
                    Ok(Some((Told::Closed { words, .. }, _))) => return Ok(Mark::Failed(words)),
                    Ok(_) => {}
                    Err(e) => return Ok(Mark::Failed(chain(&e))),
                }
            }
            if !began {
                return Ok(Mark::None);
            }
        }
        Ok(Mark::Made(hasher.finalize().to_hex().to_string()))
    }
}

/// A name that no footage of this recorder has.
fn fresh(base: &str, dock: i64, known: &[Marked]) -> String {
    let name = |n: usize| if n == 1 { format!("{base}{dock}") } else { format!("{base}{dock}.{n}") };
    let free = (1..=known.len() + 1).map(name).find(|name| known.iter().all(|k| k.item != *name));
    free.unwrap_or_else(|| name(known.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let known = |names: &[&str]| -> Vec<Marked> {
            names.iter().map(|n| Marked { item: (*n).to_owned(), to_ms: 1, mark: None }).collect()
        };
        assert_eq!(fresh("plain@", 7, &known(&[])), "plain@7");
        assert_eq!(fresh("plain@", 7, &known(&["plain@3"])), "plain@7");
        assert_eq!(fresh("plain@", 7, &known(&["plain@7", "plain@7.2"])), "plain@7.3");
    }
}
