//! What a recorder in the network lists: noted, taken as far as it is due, and told: what is whole, what is short, and
//! when the recorder may go.

use super::stretch::{Fetched, Stretch};
use super::{Puller, Stay, Stopping};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::event::Actor;
use crate::domain::ids::ClipId;
use crate::domain::recorder::SourcePath;
use crate::domain::replay::{Kept, Looked, SpanState, StoredSpan};
use crate::domain::stream::SegmentEnd;
use crate::intake::IntakeError;
use crate::runtime::board::{Doing, FootageNow};
use crate::source::replay;

/// What is said where sealing failed.
const UNSEALED: &str = "a clip of its footage could not be sealed; check the vault's disk, then restart evidock";

/// Why nothing more can be fetched now: in words, and whether the disk is full.
pub(super) type Stuck = (String, bool);

impl Puller {
    /// Notes what it lists and takes what is missing.
    pub(super) fn take(
        &self,
        stay: &Stay,
        looked: &Looked,
        due: bool,
        by_hand: bool,
    ) -> Result<Result<(), Stopping>, IntakeError> {
        let (recorder, timeline, spans) = (stay.recorder.clone(), looked.timeline, looked.spans.clone());
        let listed = self.intake.store.write_blocking(move |tx| {
            tx.listed(&recorder, timeline, &spans)?;
            if by_hand {
                tx.pull_again(&recorder)?;
            }
            tx.read().listed_spans(&recorder)
        })?;
        // What it no longer lists is not asked for, and holds nobody.
        let mut all: Vec<StoredSpan> = listed
            .into_iter()
            .filter(|l| looked.spans.iter().any(|s| s.item == l.span.item && s.from_ms == l.span.from_ms))
            .collect();
        self.show(stay, &all, looked);
        let mut stuck = None;
        if due {
            for n in 0..all.len() {
                // What still grows is left until it is at rest: then it is one piece.
                if all[n].state != SpanState::Waiting || all[n].span.grows {
                    continue;
                }
                // What could not be kept is not asked for.
                if let Some(full) = self.intake.no_room()? {
                    stuck = Some((chain(&full), true));
                    break;
                }
                // Fetched once more, it would stand on a disk that failed once more.
                if all[n].held.iter().any(|h| h.kept == Kept::Unsealed) {
                    stuck = Some((UNSEALED.to_owned(), false));
                    break;
                }
                match self.span(stay, &mut all[n])? {
                    Ok(None) => {}
                    Ok(Some(trouble)) => {
                        stuck = Some(trouble);
                        break;
                    }
                    Err(stopping) => return Ok(Err(stopping)),
                }
                self.show(stay, &all, looked);
            }
        }
        if stuck.is_none() {
            self.health.ok();
        }
        self.settle(stay, &all, looked, stuck)?;
        Ok(Ok(()))
    }

    fn show(&self, stay: &Stay, all: &[StoredSpan], looked: &Looked) {
        let (files, done) = (all.len() as u64, all.iter().filter(|l| l.state == SpanState::Whole).count() as u64);
        let growing = all.iter().filter(|l| l.span.grows).count() as u64;
        let short = all.iter().filter(|l| l.state == SpanState::Short).count() as u64 + u64::from(looked.left_out > 0);
        let (done_ms, listed_ms) = footage(all);
        self.intake.board.bay(stay.dock, |b| {
            (b.files, b.files_done, b.files_growing, b.unreadable) = (files, done, growing, short);
            b.footage = Some(FootageNow { done_ms, listed_ms, left_ms: None });
            b.safe &= done + short >= files;
        });
    }

    /// Says what became of everything, and whether the recorder may go (invariant 9).
    fn settle(
        &self,
        stay: &Stay,
        all: &[StoredSpan],
        looked: &Looked,
        stuck: Option<Stuck>,
    ) -> Result<(), IntakeError> {
        let mut unreadable: Vec<(SourcePath, String)> = all
            .iter()
            .filter(|l| l.state == SpanState::Short)
            .map(|l| {
                let why = l.detail.clone().unwrap_or_default();
                let words = format!("{:.1} s of what it lists are missing: {why}", l.missing_ms() as f64 / 1000.0);
                (SourcePath::new(l.name().into_bytes()), words)
            })
            .collect();
        if looked.left_out > 0 {
            let words = format!("{} entries of its list could not be read", looked.left_out);
            unreadable.push((SourcePath::new("list"), words));
        }
        let open = all.iter().any(|l| l.state == SpanState::Waiting || l.span.grows);
        let (dock, files, safe) = (stay.dock, all.len() as u64, !open && stuck.is_none());
        let bytes = self.intake.store.write_blocking({
            let clips: Vec<ClipId> = all.iter().flat_map(|l| l.held.iter().map(|h| h.clip)).collect();
            move |tx| {
                tx.unreadable(dock, &unreadable)?;
                let mut bytes = 0;
                for clip in clips {
                    bytes += tx.read().clip(clip)?.size_bytes.unwrap_or(0);
                }
                tx.dock_progress(dock, files, bytes, safe)?;
                Ok(bytes)
            }
        })?;
        let mut was_safe = false;
        self.intake.board.bay(dock, |b| {
            (b.bytes, b.bytes_done) = (bytes, bytes);
            was_safe = std::mem::replace(&mut b.safe, safe);
            b.doing = match stuck {
                Some((reason, full)) => Doing::Stuck { reason, full },
                None => Doing::Resting,
            };
        });
        if safe && !was_safe {
            tracing::info!(bay = %self.recorder.bay, recorder = %stay.recorder, files, "everything that it lists is sealed or reported; the recorder may go");
        }
        Ok(())
    }

    /// Fetches what is missing of a span. Gives what keeps the box, or the recorder, from going on.
    fn span(&self, stay: &Stay, listed: &mut StoredSpan) -> Result<Result<Option<Stuck>, Stopping>, IntakeError> {
        let url = match replay::address(&self.program, &self.recorder, &listed.span.item, &*self.stopping) {
            Ok(url) => url,
            Err(_) if (self.stopping)() => return Ok(Err(Stopping)),
            Err(e) => {
                let refused = e.retry() == Retry::Operator;
                return Ok(Ok(self.tried(listed, false, chain(&e), refused)?));
            }
        };
        let (id, stream, bay, offset_ms) =
            (listed.id, self.recorder.name.to_string(), self.recorder.bay.to_string(), stay.offset_ms);
        let (recording, begun_ms) = self.intake.store.write_blocking(move |tx| {
            let recording = tx.begin_pull(id, &stream, &bay, offset_ms, &Actor::daemon())?;
            Ok((recording, tx.read().recording_begun(recording)?))
        })?;
        let mut fresh = false;
        let mut said: Option<(String, bool)> = None;
        for (from, to) in listed.missing() {
            let range = (listed.span.from_ms + from, listed.span.from_ms + to);
            tracing::info!(recorder = %stay.recorder, span = listed.name(), from_ms = from, to_ms = to, "footage is fetched");
            let link = match replay::fetch(&self.program, &self.recorder, &url, listed.timeline, range) {
                Ok(link) => link,
                Err(e) => {
                    said = Some((chain(&e), e.retry() == Retry::Operator));
                    break;
                }
            };
            let at = Stretch { puller: self, stay, listed, recording, begun_ms, from_ms: range.0 };
            match at.run(link)? {
                Err(stopping) => return Ok(Err(stopping)),
                Ok(Fetched::Box(words, full)) => return Ok(Ok(Some((words, full)))),
                Ok(Fetched::Ended { fresh: some, why, words, refused }) => {
                    fresh |= some;
                    if why != SegmentEnd::Whole {
                        said = Some((words, refused));
                    }
                    // Where the line is gone, the next stretch would not come either.
                    if matches!(why, SegmentEnd::Lost | SegmentEnd::Failed) {
                        break;
                    }
                }
            }
        }
        let (words, refused) = said.unwrap_or_default();
        Ok(Ok(self.tried(listed, fresh, words, refused)?))
    }

    fn tried(
        &self,
        listed: &mut StoredSpan,
        fresh: bool,
        words: String,
        refused: bool,
    ) -> Result<Option<Stuck>, IntakeError> {
        let id = listed.id;
        if refused {
            // What only a person can mend says nothing about the footage.
            self.health.failed(
                "recorder_refuses",
                words.clone(),
                format!("then `evidock recorders look {}`", self.recorder.name),
            );
            return Ok(Some((words, false)));
        }
        let detail = Some(words.clone()).filter(|w| !w.is_empty());
        *listed = self.intake.store.write_blocking(move |tx| tx.pull_tried(id, fresh, detail.as_deref()))?;
        match listed.state {
            SpanState::Whole => {
                tracing::info!(recorder = %listed.recorder, span = listed.name(), "all that is listed of it is here")
            }
            SpanState::Waiting => {
                tracing::info!(recorder = %listed.recorder, span = listed.name(), why = words, missing_ms = listed.missing_ms(), "not all of it is here yet; it is tried again")
            }
            SpanState::Short => {
                tracing::warn!(recorder = %listed.recorder, span = listed.name(), why = words, missing_ms = listed.missing_ms(), "the recorder gives no more of it; what is missing is reported")
            }
        }
        Ok(None)
    }
}

/// Of everything that is listed, how much is here, and how much is or still may come, milliseconds.
fn footage(all: &[StoredSpan]) -> (u64, u64) {
    let ms = |n: i64| u64::try_from(n).unwrap_or(0);
    all.iter().fold((0, 0), |(done, listed), span| {
        let here = ms(span.span.length_ms() - span.missing_ms());
        // The recorder gives no more of what is short.
        (done + here, listed + if span.state == SpanState::Short { here } else { ms(span.span.length_ms()) })
    })
}
