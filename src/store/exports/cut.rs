//! Evidence packages that hold an isolated clip (疑似涉密): what is under way ends in the transaction that isolates it, what is
//! finished is given out no longer, and the log says so of each.
//!
//! Which clips a package was asked for with is read from the log, which has an entry for each of them: of every package that was
//! ever begun here, those of `evidock export` among them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::ExportRow;
use crate::domain::event::{Draft, EventKind};
use crate::domain::export::ExportState;
use crate::domain::ids::ClipId;
use crate::domain::why::Why;
use crate::store::{Change, Reader, Result, StoreError, Tx};

/// Why a package that is under way stops, as its row has it; pages say it in the reader's language.
const CUT: &str = "stopped: a clip of this package was isolated as suspected classified (疑似涉密); ask for another package, which will be without it";

/// A package that was asked for with a clip that is isolated now.
#[derive(Debug, Clone)]
pub struct IsolatedPackage {
    /// Its id.
    pub package: String,
    /// Which of its clips are.
    pub clips: BTreeSet<ClipId>,
    /// As it was asked for on the page or through the API; `None` of what `evidock export` wrote, wherever that is.
    pub row: Option<ExportRow>,
    /// How often bytes of it were given out.
    pub taken: u64,
}

impl Reader<'_> {
    /// Packages that a clip was asked for with, each with its hashed case.
    fn packages_of(&self, clip: ClipId) -> Result<BTreeMap<String, Option<String>>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT json_extract(CAST(bytes AS TEXT), '$.body.package'), case_hash FROM log_entry WHERE clip_id = ?1 AND kind = ?2",
        )?;
        let rows = statement.query_map(params![clip.to_string(), EventKind::ExportBegun.as_str()], |r| {
            Ok((r.get::<_, Option<String>>(0)?, r.get(1)?))
        })?;
        let mut all = BTreeMap::new();
        for row in rows {
            if let (Some(package), case) = row? {
                all.insert(package, case);
            }
        }
        Ok(all)
    }

    /// Every package with the clips it was asked for with that are isolated now.
    pub fn clips_isolated_in_packages(&self) -> Result<BTreeMap<String, BTreeSet<ClipId>>> {
        // From what is isolated, which is little, and not from the log.
        let mut all: BTreeMap<String, BTreeSet<ClipId>> = BTreeMap::new();
        for clip in self.isolated_clips()? {
            for package in self.packages_of(clip)?.into_keys() {
                all.entry(package).or_default().insert(clip);
            }
        }
        Ok(all)
    }

    /// The clips of a package that are isolated now.
    pub fn isolated_in_package(&self, package: &str) -> Result<BTreeSet<ClipId>> {
        Ok(self.clips_isolated_in_packages()?.remove(package).unwrap_or_default())
    }

    /// Packages that hold an isolated clip, for whoever decides what becomes of them.
    pub fn isolated_packages(&self) -> Result<Vec<IsolatedPackage>> {
        let mut all = Vec::new();
        for (package, clips) in self.clips_isolated_in_packages()? {
            let row = self.asked_export(&package)?;
            let taken = if row.is_some() { self.times_taken(&package)? } else { 0 };
            all.push(IsolatedPackage { package, clips, row, taken });
        }
        Ok(all)
    }

    /// A package as it was asked for on the page or through the API; `None` of one that a command writes.
    pub fn asked_export(&self, package: &str) -> Result<Option<ExportRow>> {
        match self.export(package) {
            Ok(row) => Ok(Some(row)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn times_taken(&self, package: &str) -> Result<u64> {
        let n: i64 = self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM log_entry l WHERE l.kind = ?2 AND json_extract(CAST(l.bytes AS TEXT), '$.body.package') = ?1
                   AND l.case_hash IN (SELECT a.case_hash FROM case_alias a JOIN export e ON e.case_id = a.case_id WHERE e.package = ?1)",
            )?
            .query_row(params![package, EventKind::ExportTaken.as_str()], |r| r.get(0))?;
        Ok(n.max(0) as u64)
    }
}

impl Tx<'_> {
    /// A clip is isolated in this transaction: every package that it was asked for with ends, or is given out no longer.
    /// `asked` says who isolated it.
    pub(in crate::store) fn cut_exports(&self, clip: ClipId, asked: &Draft) -> Result<()> {
        for (package, case) in self.read().packages_of(clip)? {
            let row = self.read().asked_export(&package)?;
            let was = row.as_ref().map_or("written", |row| row.state.as_str());
            let mut event = Draft::by(EventKind::ExportCut, asked.actor.clone(), asked.via).clip(clip);
            (event.from, event.session, event.case) = (asked.from.clone(), asked.session.clone(), case);
            self.log(&event.fact("package", package.as_str()).fact("was", was))?;
            if row.is_some_and(|row| matches!(row.state, ExportState::Making | ExportState::Failed)) {
                self.conn.execute(
                    "UPDATE export SET state = 'failed', words = ?2, ended_ms = ?3 WHERE package = ?1",
                    params![package, CUT, self.now_ms()],
                )?;
            }
            self.changed(Change::Exports);
        }
        Ok(())
    }

    /// Refuses what would go on with a package, or give it out, while a clip of it is isolated.
    pub fn no_isolated_in(&self, package: &str) -> Result<()> {
        match self.read().isolated_in_package(package)?.first() {
            Some(clip) => Err(StoreError::Conflict(Why::PackageIsolated { clip: clip.to_string() })),
            None => Ok(()),
        }
    }
}
