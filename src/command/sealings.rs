//! `evidock log verify`, the clips: what the log says was sealed stands in the database as it was, and what stands in the
//! database was sealed. The tree shows that entries are as they were signed; nothing but this that anybody goes by them.

use crate::domain::as_sealed::AsSealed;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::store::{SealedRow, Store, StoreError};

/// Rows that are read at once.
const BATCH: u32 = 1_000;
/// Problems that are told; all are counted.
const TOLD: usize = 200;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Rows that were compared.
    pub clips: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// How many there are, also beyond those that are told.
    pub problem_count: u64,
}

/// Compares while the log is read by whoever verifies it.
pub(super) struct Sealings {
    store: Store,
    compared: Compared,
    failed: Option<StoreError>,
}

impl Sealings {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), compared: Compared::default(), failed: None }
    }

    fn problem(&mut self, what: String) {
        self.compared.problem_count += 1;
        if self.compared.problems.len() < TOLD {
            self.compared.problems.push(what);
        }
    }

    /// An entry of the log, as it is stored.
    pub fn entry(&mut self, seq: u64, bytes: &[u8]) {
        // Most entries are of other kinds, and are not taken apart for that.
        let names = |kind: &str| std::str::from_utf8(bytes).is_ok_and(|text| text.contains(kind));
        if self.failed.is_some() {
            return;
        }
        if names("\"report_sha256\"") {
            return self.filed(seq, bytes);
        }
        if !(names("\"clip.sealed\"") || names("\"clip.restored\"")) {
            return;
        }
        let Ok(entry) = serde_json::from_slice::<Envelope>(bytes) else { return };
        let Some((told, clip)) = AsSealed::read(&entry).zip(entry.clip) else { return };
        let row = clip.parse::<ClipId>().map_err(StoreError::from);
        let row = row.and_then(|id| self.store.read_blocking(|r| r.clip(id)));
        match row {
            Ok(row) => {
                let is = row.blake3.zip(row.sha256).zip(row.size_bytes);
                if !is.is_some_and(|((blake3, sha256), size)| told.is(blake3, sha256, row.sm3, size)) {
                    self.problem(format!("clip {clip} has other digests than entry {seq} says were sealed"));
                }
            }
            Err(StoreError::NotFound(_)) => {
                self.problem(format!(
                    "entry {seq} says that clip {clip} was sealed, and the database has no such clip"
                ));
            }
            Err(e) => self.failed = Some(e),
        }
    }

    /// An entry that may say with which report a case was filed.
    fn filed(&mut self, seq: u64, bytes: &[u8]) {
        let Ok(entry) = serde_json::from_slice::<Envelope>(bytes) else { return };
        if entry.kind != EventKind::CaseFiled.as_str() || entry.clip.is_some() {
            return;
        }
        let Some(sha256) = entry.body.get("report_sha256").and_then(serde_json::Value::as_str) else { return };
        match self.store.read_blocking(|r| r.reports_signed_at(seq, sha256)) {
            Ok((0, _)) => {}
            Ok(_) => self.problem(format!(
                "the report with which a case was filed is not the one whose digest entry {seq} tells"
            )),
            Err(e) => self.failed = Some(e),
        }
    }

    /// Every row, by the entry that it names.
    pub fn finish(mut self) -> Result<Compared, StoreError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let mut after = None;
        loop {
            let page = self.store.read_blocking(|r| {
                let rows = r.sealed_rows(after, BATCH)?;
                rows.into_iter().map(|row| Ok((r.as_sealed(row.clip)?, row))).collect::<Result<Vec<_>, StoreError>>()
            })?;
            let Some((_, last)) = page.last() else { return Ok(self.compared) };
            after = Some(last.clip);
            for (told, row) in &page {
                self.compared.clips += 1;
                let SealedRow { clip, blake3, sha256, sm3, size_bytes, seq } = row;
                let named = told.iter().find(|(entry, _)| Some(entry.seq) == *seq);
                match named {
                    Some((_, told)) if told.is(*blake3, *sha256, *sm3, *size_bytes) => {}
                    Some((entry, _)) => {
                        let words = format!("clip {clip} has other digests than entry {} says were sealed", entry.seq);
                        // The log has told it already, unless its columns were changed.
                        if !self.compared.problems.contains(&words) {
                            self.problem(words);
                        }
                    }
                    None => self
                        .problem(format!("clip {clip} stands in the database, and no entry says that it was sealed")),
                }
            }
        }
    }
}
