//! Takes one file in: executes the plan.

use std::io::Read;

use super::plan::{self, Plan};
use super::salvage::{Effort, Holes, Salvage};
use super::{Intake, IntakeError};
use crate::domain::clip::Local;
use crate::domain::error::chain;
use crate::domain::evidence::Evidence;
use crate::domain::grid::PartGrid;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::ports::{ByteSource, Shelf};
use crate::domain::record::Hole;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::stream::SegmentReach;
use crate::store::{ClipRow, NewClip, PartRow, SealedClip};
use crate::vault::tree::GROUP_BYTES;
use crate::vault::{Copied, CopyError, CopyJob, Durable, Prefix, SealedFile, block_bytes, copy_into, hash_uncached};

/// Groups compared when a clip is seen again.
const SAMPLES: u64 = 10;

/// A file on a docked recorder, with what the profile makes of it.
pub(super) struct Item {
    pub entry: ShelfEntry,
    pub role: &'static str,
    pub importance: Importance,
    pub evidence: Evidence,
    /// It failed before, and every other file is taken: what can be read of it is taken now, with holes.
    pub salvage: bool,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// A new clip was sealed; so many bytes of it could not be read.
    New(ClipId, u64),
    /// It was a clip that we have.
    Known(ClipId),
}

/// Where a file is taken from.
pub(super) struct Place<'a> {
    pub dock: i64,
    pub recorder: &'a RecorderId,
    pub shelf: &'a dyn Shelf,
}

impl Intake {
    /// Takes one file in. `progress` is told the bytes of it so far and whether an earlier copy goes on.
    pub(super) fn take(
        &self,
        place: &Place<'_>,
        item: &Item,
        progress: &mut dyn FnMut(u64, bool),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Taken, IntakeError> {
        let entry = &item.entry;
        let _claim = self.claim(place.recorder, &entry.path)?;
        let (known, sighted) = self
            .store
            .read_blocking(|r| Ok((r.clips_at(place.recorder, &entry.path)?, r.sighted(place.dock, entry)?)))?;
        match plan::plan(entry, &known, sighted) {
            Plan::Nothing(clip) => Ok(Taken::Known(clip)),
            Plan::Compare(clip) => {
                let holes = known.iter().find(|row| row.clip == clip).map_or(&[][..], |row| &row.holes);
                let same = self.same_by_samples(place.shelf, entry, clip, holes)?;
                let better = !item.salvage && !holes.is_empty() && readable_now(place.shelf, entry, holes);
                if same && !better {
                    let (dock, recorder, entry) = (place.dock, place.recorder.clone(), entry.clone());
                    self.store.write_blocking(move |tx| tx.seen_again(clip, dock, &recorder, &entry, "sampled"))?;
                    return Ok(Taken::Known(clip));
                }
                if same {
                    tracing::info!(%clip, path = %entry.path, "the recorder gives bytes that it could not give before; copied anew");
                } else {
                    tracing::warn!(%clip, path = %entry.path, "same name, length and time, but other bytes than the sealed clip; copied as a new clip");
                }
                self.copy_new(place, item, &known, progress, stopped)
            }
            Plan::Resume(clip, prefix) => {
                let (dock, recorder, again) = (place.dock, place.recorder.clone(), entry.clone());
                let holes = known.iter().find(|row| row.clip == clip).map_or(&[][..], |row| &row.holes);
                if self.prefix_matches(place.shelf, entry, clip, prefix, holes)? {
                    self.store.write_blocking(move |tx| tx.resume_clip(clip, dock, &recorder, &again))?;
                    self.copy(place, item, clip, Some(prefix), &known, progress, stopped)
                } else {
                    // Same name, length and time, other bytes: the old copy can only be looked at by a person.
                    self.store.write_blocking(move |tx| {
                        tx.quarantine(clip, "the recorder's file no longer begins with the bytes that were copied")
                    })?;
                    let others: Vec<ClipRow> = known.into_iter().filter(|row| row.clip != clip).collect();
                    self.copy_new(place, item, &others, progress, stopped)
                }
            }
            Plan::Copy => self.copy_new(place, item, &known, progress, stopped),
        }
    }

    fn copy_new(
        &self,
        place: &Place<'_>,
        item: &Item,
        known: &[ClipRow],
        progress: &mut dyn FnMut(u64, bool),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Taken, IntakeError> {
        let clip = ClipId::generate(self.clock.now().0);
        let new = NewClip {
            clip,
            recorder: place.recorder.clone(),
            dock: Some(place.dock),
            entry: item.entry.clone(),
            declared_bytes: Some(item.entry.size_bytes),
            role: item.role,
            importance: item.importance,
            grid: PartGrid::for_size(Some(item.entry.size_bytes)),
            evidence: serde_json::to_string(&item.evidence).unwrap_or_default(),
            segment: None,
        };
        let deliveries = if self.options.instant { self.options.deliveries.clone() } else { Vec::new() };
        self.store.write_blocking(move |tx| {
            tx.new_clip(&new)?;
            tx.expect_deliveries(clip, &deliveries)
        })?;
        self.copy(place, item, clip, None, known, progress, stopped)
    }

    #[allow(clippy::too_many_arguments)] // The three ways in share this tail; a struct for one caller would hide more.
    fn copy(
        &self,
        place: &Place<'_>,
        item: &Item,
        clip: ClipId,
        resume: Option<Prefix>,
        known: &[ClipRow],
        progress: &mut dyn FnMut(u64, bool),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Taken, IntakeError> {
        let entry = &item.entry;
        let others: Vec<ClipRow> = known.iter().filter(|row| row.clip != clip).cloned().collect();
        let resumed = resume.is_some_and(|p| p.bytes > 0);
        let before = known.iter().find(|row| row.clip == clip).map_or(&[][..], |row| &row.holes);
        let holes = Holes::starting(before, resume.map_or(0, |p| p.bytes));
        let mut last = resume.map_or(0, |p| p.bytes);
        let outcome = copy_into(
            &self.vault,
            CopyJob {
                clip,
                grid: PartGrid::for_size(Some(entry.size_bytes)),
                expected: Some(entry.size_bytes),
                resume,
                prefixes_at: &plan::prefixes_wanted(entry, &others),
                options: self.options.copy,
                block_bytes: block_bytes(self.copies()),
                open: &mut |offset| {
                    Ok(match item.salvage {
                        true => Box::new(Salvage::new(place.shelf, entry, offset, &holes, Effort::default())),
                        false => place.shelf.open(&entry.path, offset)?,
                    })
                },
                progress: &mut |at| {
                    self.board.copied(self.clock.now().0, at.saturating_sub(last));
                    last = at;
                    progress(at, resumed);
                },
                durable: &|durable| self.durable(clip, durable, holes.all()),
                stopped,
                as_it_comes: None,
                whole: &|_| true,
            },
        );
        let copied = match outcome {
            Ok(copied) => copied,
            Err(e @ CopyError::ReadBack(_)) => {
                self.vault.restart(clip)?;
                self.begin_anew(clip)?;
                return Err(e.into());
            }
            Err(e) => return Err(e.into()),
        };
        // A recorder that was pulled after its last byte has given everything; one that lists the file
        // otherwise now was still writing.
        if let Ok(now) = place.shelf.stat(&entry.path)
            && now.as_ref().is_some_and(|n| n.size_bytes != entry.size_bytes || n.modified_raw != entry.modified_raw)
        {
            return Err(IntakeError::Changed);
        }
        let leftovers = plan::leftovers(entry, &others)
            .into_iter()
            .map(|row| (row.clip, plan::contained(row, &copied.prefixes)))
            .collect();
        self.finish(clip, &copied, &others, leftovers, holes.all())
    }

    /// Nothing of what was copied of a clip counts any more, for us or for those who send its parts.
    fn begin_anew(&self, clip: ClipId) -> Result<(), IntakeError> {
        let none = crate::domain::digest::Blake3(*blake3::hash(b"").as_bytes());
        self.store.write_blocking(move |tx| {
            tx.copied_durably(clip, 0, none, &[])?;
            tx.holes(clip, &[])
        })?;
        Ok(())
    }

    pub(super) fn durable(
        &self,
        clip: ClipId,
        durable: Durable,
        holes: Vec<Hole>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.durable_with(clip, durable, holes, None)
    }

    /// The same of a segment of a recording, with how far its footage reaches.
    pub(super) fn durable_with(
        &self,
        clip: ClipId,
        durable: Durable,
        holes: Vec<Hole>,
        reach: Option<SegmentReach>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let parts = part_rows(&durable.parts);
        self.store
            .write_blocking(move |tx| {
                tx.copied_durably(clip, durable.prefix.bytes, durable.prefix.blake3, &parts)?;
                // Holes are found before the bytes behind them become durable, never after.
                if !holes.is_empty() {
                    tx.holes(clip, &holes)?;
                }
                reach.map_or(Ok(()), |reach| tx.segment_reached(clip, reach))
            })
            .map_err(Into::into)
    }

    /// The last steps for a verified `.part`: the same clip seen again, a file shared with another clip, or
    /// a new file under its own name. `others` are the clips known at the same path.
    pub(super) fn finish(
        &self,
        clip: ClipId,
        copied: &Copied,
        others: &[ClipRow],
        leftovers: Vec<(ClipId, bool)>,
        holes: Vec<Hole>,
    ) -> Result<Taken, IntakeError> {
        let _sealing = self.sealing.claim(copied.blake3);
        let same = |row: &&ClipRow| row.blake3 == Some(copied.blake3) && row.size_bytes == Some(copied.size_bytes);
        let mut good = None;
        for row in others.iter().filter(same) {
            // What is dropped for another clip's sake is perhaps the last good copy: that one's file is read first, or it
            // must stand proven elsewhere.
            if self.is_safe_elsewhere(row)? || (row.local == Local::Sealed && self.stands(row.clip, copied)?) {
                good = Some(row.clip);
                break;
            }
        }
        if let Some(of) = good {
            // The copy goes first: a crash in between copies again and comes here again.
            self.vault.discard(clip)?;
            let gone: Vec<ClipId> = leftovers.iter().filter(|(_, contained)| *contained).map(|(c, _)| *c).collect();
            self.store.write_blocking(move |tx| tx.duplicate(clip, of, &leftovers))?;
            self.drop_parts(&gone)?;
            return Ok(Taken::Known(of));
        }
        let shares = self.shareable(copied)?;
        match shares {
            Some(of) => self.vault.seal_sharing(clip, of)?,
            None => self.vault.seal(clip)?,
        }
        let lost = holes.iter().map(|h| h.bytes).sum();
        self.commit_seal(clip, copied, others, leftovers, shares, holes)?;
        Ok(Taken::New(clip, lost))
    }

    pub(super) fn commit_seal(
        &self,
        clip: ClipId,
        copied: &Copied,
        others: &[ClipRow],
        leftovers: Vec<(ClipId, bool)>,
        shares: Option<ClipId>,
        holes: Vec<Hole>,
    ) -> Result<(), IntakeError> {
        let gone: Vec<ClipId> = leftovers.iter().filter(|(_, contained)| *contained).map(|(c, _)| *c).collect();
        let sealed = SealedClip {
            clip,
            size_bytes: copied.size_bytes,
            blake3: copied.blake3,
            sha256: copied.sha256,
            sm3: copied.sm3,
            parts: part_rows(&copied.parts),
            shares,
            supersedes: match plan::grew_from(others, &copied.prefixes, copied.size_bytes) {
                Some(of) => Some(of),
                None => self.fills(clip, others, copied.size_bytes, &holes)?,
            },
            holes,
            leftovers,
            deliveries: self.options.deliveries.clone(),
        };
        self.store.write_blocking(move |tx| tx.seal(&sealed))?;
        self.drop_parts(&gone)
    }

    /// The sealed clip that `clip` replaces because it has bytes where that one has holes, and the same bytes
    /// everywhere else.
    fn fills(
        &self,
        clip: ClipId,
        others: &[ClipRow],
        size_bytes: u64,
        holes: &[Hole],
    ) -> Result<Option<ClipId>, IntakeError> {
        let Some(old) = plan::filled_from(others, size_bytes, holes) else { return Ok(None) };
        let same = match SealedFile::open(&self.vault.master(old.clip)) {
            Ok(before) => same_outside(&before, &SealedFile::open(&self.vault.master(clip))?, &old.holes)?,
            Err(_) => false, // Evicted or gone: nothing to compare with.
        };
        Ok(same.then_some(old.clip))
    }

    fn drop_parts(&self, clips: &[ClipId]) -> Result<(), IntakeError> {
        for clip in clips {
            self.vault.discard(*clip)?;
        }
        Ok(())
    }

    /// A sealed clip with the same bytes whose file still is what it was: stored once, named twice.
    fn shareable(&self, copied: &Copied) -> Result<Option<ClipId>, IntakeError> {
        if copied.size_bytes == 0 {
            return Ok(None);
        }
        let blake3 = copied.blake3;
        for row in self.store.read_blocking(|r| r.clips_with(blake3))? {
            if self.stands(row.clip, copied)? {
                return Ok(Some(row.clip));
            }
        }
        Ok(None)
    }

    fn is_safe_elsewhere(&self, row: &ClipRow) -> Result<bool, IntakeError> {
        let clip = row.clip;
        Ok(row.local == Local::Evicted && self.store.read_blocking(|r| r.is_safe_elsewhere(clip))?)
    }

    /// Whether the file of a sealed clip has these bytes on disk now. One that has not is damaged from here on.
    fn stands(&self, clip: ClipId, copied: &Copied) -> Result<bool, IntakeError> {
        match hash_uncached(&self.vault.master(clip)) {
            Ok(found) if found == (copied.blake3, copied.size_bytes) => Ok(true),
            Ok(_) => self.damaged(clip, "its file has other bytes than were sealed"),
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => self.damaged(clip, "its file is gone"),
            Err(e) => {
                tracing::warn!(%clip, error = %chain(&e), "a sealed file could not be read; its bytes are kept a second time");
                Ok(false)
            }
        }
    }

    fn damaged(&self, clip: ClipId, what: &'static str) -> Result<bool, IntakeError> {
        tracing::error!(%clip, what, "a sealed clip is damaged");
        self.store.write_blocking(move |tx| tx.damaged(clip, what))?;
        Ok(false)
    }

    /// Compares samples of the recorder's file with our sealed copy.
    fn same_by_samples(
        &self,
        shelf: &dyn Shelf,
        entry: &ShelfEntry,
        clip: ClipId,
        holes: &[Hole],
    ) -> Result<bool, IntakeError> {
        let sealed = match SealedFile::open(&self.vault.master(clip)) {
            Ok(sealed) if sealed.len() == entry.size_bytes => sealed,
            // It was sealed with the listed length.
            Ok(_) => return self.damaged(clip, "its file has another length than was sealed"),
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => return self.damaged(clip, "its file is gone"),
            Err(e) => return Err(e.into()),
        };
        samples_match(shelf, entry, &sealed, entry.size_bytes, holes)
    }

    /// Compares samples of what an interrupted copy has with the recorder's file.
    fn prefix_matches(
        &self,
        shelf: &dyn Shelf,
        entry: &ShelfEntry,
        clip: ClipId,
        prefix: Prefix,
        holes: &[Hole],
    ) -> Result<bool, IntakeError> {
        match SealedFile::open(&self.vault.part(clip)) {
            Ok(part) if part.len() >= prefix.bytes => samples_match(shelf, entry, &part, prefix.bytes, holes),
            // No usable prefix: the copy begins anew under the same identity.
            _ => {
                self.begin_anew(clip)?;
                Ok(true)
            }
        }
    }
}

/// Whether two files of the same length have the same bytes outside these places.
fn same_outside(a: &SealedFile, b: &SealedFile, holes: &[Hole]) -> Result<bool, IntakeError> {
    const STEP: usize = 1 << 20;
    let failed = |source| crate::domain::ports::SourceError::Read { path: SourcePath::new("the sealed file"), source };
    let (mut left, mut right) = (vec![0; STEP], vec![0; STEP]);
    let mut at = 0;
    while at < a.len() {
        let n = a.read_at(at, &mut left).map_err(failed)?;
        if n == 0 || b.read_at(at, &mut right).map_err(failed)? != n {
            return Ok(false);
        }
        for hole in holes.iter().filter(|h| h.touches(at, at + n as u64)) {
            let place = hole.offset.saturating_sub(at) as usize..(hole.end() - at).min(n as u64) as usize;
            left[place.clone()].fill(0);
            right[place].fill(0);
        }
        if left[..n] != right[..n] {
            return Ok(false);
        }
        at += n as u64;
    }
    Ok(true)
}

/// Whether a recorder now gives the first block of every place that it could not give before.
fn readable_now(shelf: &dyn Shelf, entry: &ShelfEntry, holes: &[Hole]) -> bool {
    let mut block = [0; 4096];
    holes.iter().all(|hole| {
        let want = &mut block[..hole.bytes.min(4096) as usize];
        shelf.open(&entry.path, hole.offset).is_ok_and(|mut reader| reader.read_exact(want).is_ok())
    })
}

fn samples_match(
    shelf: &dyn Shelf,
    entry: &ShelfEntry,
    ours: &SealedFile,
    bytes: u64,
    holes: &[Hole],
) -> Result<bool, IntakeError> {
    let mut theirs = vec![0u8; GROUP_BYTES];
    let mut here = vec![0u8; GROUP_BYTES];
    for offset in plan::samples(bytes, GROUP_BYTES as u64, SAMPLES, rand::random()) {
        let want = (bytes - offset).min(GROUP_BYTES as u64) as usize;
        if holes.iter().any(|hole| hole.touches(offset, offset + want as u64)) {
            continue;
        }
        let mut reader = shelf.open(&entry.path, offset)?;
        let failed = |source| crate::domain::ports::SourceError::Read { path: entry.path.clone(), source };
        if let Err(e) = reader.read_exact(&mut theirs[..want]) {
            return if e.kind() == std::io::ErrorKind::UnexpectedEof { Ok(false) } else { Err(failed(e).into()) };
        }
        let got = ours.read_at(offset, &mut here[..want]).map_err(failed)?;
        if got != want || here[..want] != theirs[..want] {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn part_rows(parts: &[crate::vault::PartDigest]) -> Vec<PartRow> {
    parts
        .iter()
        .map(|&(n, offset, len, sha256, crc64)| PartRow { n, offset, len, sha256, crc64: Some(crc64) })
        .collect()
}
