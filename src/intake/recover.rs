//! Start-up: what an interrupted run left in the vault is brought in line with the database.

use std::collections::BTreeSet;

use super::{Intake, IntakeError, plan};
use crate::domain::clip::Local;
use crate::domain::error::chain;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::recorder::ShelfEntry;
use crate::domain::stream::{Cause, SegmentEnd};
use crate::store::{ClipRow, DOCUMENT};
use crate::vault::{Found, measure};

/// What was found at start-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Copies that wait for their recorder.
    pub resumable: usize,
    /// Files that stood under their final name before their row was sealed.
    pub adopted: usize,
    /// `.part` files of copies that had come to their end, removed.
    pub swept: usize,
}

/// Brings the vault and the database in line. Blocks; call before sources start.
///
/// A copy whose file already has its final name was verified and durable when the power failed: it is
/// hashed again and its row sealed. Every other copy waits for its recorder.
pub fn recover(intake: &Intake) -> Result<Recovered, IntakeError> {
    let mut recovered = Recovered::default();
    intake.store.write_blocking(|tx| tx.close_docks_of_earlier_run())?;
    for row in intake.store.read_blocking(|r| r.copying())? {
        // A camera does not say the same again: what stands on the disk is all there will ever be.
        if intake.store.read_blocking(|r| r.segment(row.clip))?.is_some() {
            match seal_cut_off(intake, row.clip, SegmentEnd::Interrupted, "") {
                Ok(()) => recovered.adopted += 1,
                Err(e @ IntakeError::Store(_)) => return Err(e),
                Err(e) => {
                    tracing::error!(clip = %row.clip, error = %chain(&e), "the footage of a stream that was cut off cannot be sealed; it is tried again at the next start");
                    recovered.resumable += 1;
                }
            }
            continue;
        }
        // Who sent a document was never told that it is here, and sends it again.
        if row.role == DOCUMENT && !matches!(intake.vault.found(row.clip)?, Found::Final(_)) {
            intake.give_up(row.clip, "the station stopped before the document was here")?;
            recovered.swept += 1;
            continue;
        }
        if let Found::Final(_) = intake.vault.found(row.clip)? {
            // One file that cannot be read must not keep the station from working: its recorder gives it again.
            match adopt(intake, &row) {
                Ok(true) => recovered.adopted += 1,
                Ok(false) => recovered.resumable += 1,
                Err(e @ IntakeError::Store(_)) => return Err(e),
                Err(e) => {
                    tracing::error!(clip = %row.clip, error = %chain(&e), "a file that was sealed just before the last stop cannot be adopted; dock its recorder again");
                    recovered.resumable += 1;
                }
            }
        } else {
            recovered.resumable += 1;
        }
    }
    // A removal is not synced: a power cut may bring back the `.part` of a copy that was sealed with another's
    // file or found to be a duplicate. Nothing would ever ask for it again.
    let copying: BTreeSet<_> = intake.store.read_blocking(|r| r.copying())?.into_iter().map(|row| row.clip).collect();
    for clip in intake.vault.parts()?.into_iter().filter(|clip| !copying.contains(clip)) {
        if intake.store.read_blocking(|r| Ok(r.log_of_clip(clip)?.is_empty()))? {
            // Not of this database's life, which may be a restored one: not ours to remove.
            tracing::warn!(%clip, "a .part file stands in the vault for a clip that the log has never seen; it is left for a person");
        } else {
            intake.vault.discard(clip)?;
            recovered.swept += 1;
        }
    }
    Ok(recovered)
}

/// Seals what stands on the disk of a segment whose recording was cut off, as it is and with the reason. A segment of
/// which nothing stands there is given up.
///
/// What a camera sent stays to the last byte, torn or not: nothing can bring it again. What a recorder still has is kept as
/// far as it was durable, and comes again from there on: behind that, bytes may be missing that the file claims to have.
pub(super) fn seal_cut_off(intake: &Intake, clip: ClipId, why: SegmentEnd, detail: &str) -> Result<(), IntakeError> {
    let found = match intake.vault.found(clip)? {
        Found::Part(bytes) => {
            let (row, recording) = intake.store.read_blocking(|r| Ok((r.clip(clip)?, r.recording_of(clip)?)))?;
            let again = recording.is_some_and(|r| r.asked.cause == Cause::Pull);
            let kept = if again { bytes.min(row.durable_bytes) } else { bytes };
            intake.vault.cut(clip, kept)?;
            Found::Part(kept)
        }
        found => found,
    };
    match found {
        Found::Nothing | Found::Part(0) => {
            intake.vault.discard(clip)?;
            intake
                .store
                .write_blocking(move |tx| tx.abandon(clip, "the stream was cut off before anything of it was kept"))?;
            return Ok(());
        }
        Found::Part(_) => intake.vault.keep_as_it_is(clip)?,
        Found::Final(_) => {}
    }
    let detail = detail.to_owned();
    intake.store.write_blocking(move |tx| tx.segment_ended(clip, why, &detail))?;
    let row = intake.store.read_blocking(|r| r.clip(clip))?;
    if !adopt(intake, &row)? {
        let words = "the disk gave back other bytes than were recorded; they were set aside as .torn";
        intake.store.write_blocking(move |tx| tx.quarantine(clip, words))?;
    }
    Ok(())
}

/// Seals the row of a file that stands under its final name, if it is what was copied; `false` when it is not
/// and was set aside, so that the copy begins anew.
fn adopt(intake: &Intake, row: &ClipRow) -> Result<bool, IntakeError> {
    let recorder = RecorderId::new(&row.recorder).map_err(crate::store::StoreError::from)?;
    let known = match row.role.as_str() {
        // Of two documents with one name none grew from the other.
        DOCUMENT => Vec::new(),
        _ => intake.store.read_blocking(|r| r.clips_at(&recorder, &row.path))?,
    };
    let others: Vec<_> = known.into_iter().filter(|k| k.clip != row.clip && k.local != Local::Copying).collect();
    let entry = ShelfEntry {
        path: row.path.clone(),
        size_bytes: row.declared_bytes.unwrap_or(u64::MAX),
        modified_raw: row.modified_raw.clone(),
        modified_ms: row.modified_ms,
    };
    let mut wanted = plan::prefixes_wanted(&entry, &others);
    wanted.extend((row.durable_bytes > 0).then_some(row.durable_bytes));
    wanted.sort_unstable();
    wanted.dedup();
    let copied = measure(&intake.vault, row.clip, row.grid, &wanted, intake.options.copy.sm3)?;
    // The name alone says that it was verified once; the row knows what it was then.
    let whole = row.declared_bytes.is_none_or(|d| d == copied.size_bytes) && plan::contained(row, &copied.prefixes);
    if !whole {
        intake.vault.set_aside(row.clip)?;
        tracing::error!(clip = %row.clip, "a file under its final name is not what was copied; it was set aside as .torn, and is copied anew when its recorder is docked");
        return Ok(false);
    }
    intake.commit_seal(row.clip, &copied, &others, Vec::new(), None, row.holes.clone())?;
    intake.vault.discard(row.clip)?;
    tracing::info!(clip = %row.clip, "a file that was sealed just before the last stop was hashed again and adopted");
    Ok(true)
}
