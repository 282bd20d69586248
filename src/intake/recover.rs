//! Start-up: what an interrupted run left in the vault is brought in line with the database.

use std::collections::BTreeSet;

use super::{Intake, IntakeError, plan};
use crate::domain::clip::Local;
use crate::domain::ids::RecorderId;
use crate::domain::recorder::ShelfEntry;
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
        if let Found::Final(_) = intake.vault.found(row.clip)? {
            let recorder = RecorderId::new(&row.recorder).map_err(crate::store::StoreError::from)?;
            let known = intake.store.read_blocking(|r| r.clips_at(&recorder, &row.path))?;
            let others: Vec<_> =
                known.into_iter().filter(|k| k.clip != row.clip && k.local != Local::Copying).collect();
            let entry = ShelfEntry {
                path: row.path.clone(),
                size_bytes: row.declared_bytes.unwrap_or(u64::MAX),
                modified_raw: row.modified_raw.clone(),
                modified_ms: row.modified_ms,
            };
            let copied = measure(&intake.vault, row.clip, row.grid, &plan::prefixes_wanted(&entry, &others))?;
            intake.commit_seal(row.clip, &copied, &others, Vec::new(), None)?;
            intake.vault.discard(row.clip)?;
            tracing::info!(clip = %row.clip, "a file that was sealed just before the last stop was hashed again and adopted");
            recovered.adopted += 1;
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
