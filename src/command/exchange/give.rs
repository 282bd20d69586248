//! Files for the other side: the records of clips that changed since the last file, under their column names. A file is written
//! under a name that begins with a dot, made durable and renamed, so that nobody sees half of one; how far the log was read is
//! stored after that. Its name holds the place in the log where it begins, so that after a crash the same name is written again.
//!
//! That facts are given out is an entry of the log, with the file's digest, stored before the file appears.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::super::desk::Desk;
use super::super::events::tellable;
use super::{columns, sync_dir};
use crate::config::{Exchange, WriteRule};
use crate::domain::event::{Draft, EventKind};
use crate::domain::workbook;
use crate::runtime::health::Part;
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::runtime::task;
use crate::store::{Reader, StoreError};

/// Entries of the log that go into one file at most.
const ENTRIES: u64 = 50_000;
/// After which the record of a clip may read otherwise.
const CHANGES: [EventKind; 9] = [
    EventKind::Sealed,
    EventKind::Annotated,
    EventKind::Linked,
    EventKind::Unlinked,
    EventKind::Proven,
    EventKind::Mismatch,
    EventKind::Hold,
    EventKind::Evicted,
    EventKind::RecordMade,
];

/// Writes files of changes.
#[derive(Clone)]
pub(super) struct Giver {
    dir: PathBuf,
    every: Duration,
    rules: Arc<Vec<WriteRule>>,
    desk: Arc<Desk>,
    part: Part,
}

#[derive(Debug, thiserror::Error)]
enum GiveError {
    #[error("{path} cannot be written")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Giver {
    pub(super) fn new(dir: &Path, exchange: &Exchange, desk: &Arc<Desk>, part: Part) -> Self {
        Self {
            dir: dir.to_owned(),
            every: exchange.write_every,
            rules: Arc::new(exchange.give.clone()),
            desk: Arc::clone(desk),
            part,
        }
    }

    pub(super) async fn run(self, context: TaskContext) -> TaskResult {
        loop {
            let mut trouble = None;
            for n in 0..self.rules.len() {
                loop {
                    context.heart.beat();
                    if context.cancel.is_cancelled() {
                        return Ok(());
                    }
                    let giver = self.clone();
                    let given = task::blocking("exchange-out", move || giver.give(&giver.rules[n]));
                    match context.heart.beat_while(given).await? {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(e) => {
                            trouble = Some(crate::domain::error::chain(&e));
                            break;
                        }
                    }
                }
            }
            match trouble {
                None => self.part.ok(),
                Some(words) => {
                    let todo = "let evidock's user write there; it is tried again by itself";
                    self.part.failed("exchange_unwritten", words, todo);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
            }
        }
    }

    /// Writes one file, if anything changed; `true` when there is more to write.
    fn give(&self, rule: &WriteRule) -> Result<bool, GiveError> {
        let store = &self.desk.store;
        let (wanted, policy, reader) = (rule.clone(), self.desk.policy.clone(), format!("out:{}", rule.name));
        let of = reader.clone();
        let (epoch, from, to, size, rows) = store.read_blocking(move |r| {
            let (epoch, size) = (r.epoch()?, r.log_size()?);
            // After a restore, what is newer than the log as it is now was never told.
            let from = r.log_read_to(&of)?.map_or(0, |(_, next)| next.min(size));
            let to = size.min(from + ENTRIES);
            Ok((epoch, from, to, size, rows(r, &policy, &wanted, from, to)?))
        })?;
        if from == to {
            return Ok(false);
        }
        if !rows.is_empty() {
            let end = if rule.json { "json" } else { "csv" };
            let name = format!("{}-{}-{epoch}-{from:012}.{end}", rule.name, self.desk.policy.station);
            self.write(rule, &name, &rows)?;
        }
        store.write_blocking(move |tx| tx.log_was_read(&reader, epoch, to))?;
        Ok(to < size)
    }

    fn write(&self, rule: &WriteRule, name: &str, rows: &[serde_json::Value]) -> Result<(), GiveError> {
        let (part, whole) = (self.dir.join(format!(".{name}.part")), self.dir.join(name));
        let failed = |source| GiveError::File { path: whole.clone(), source };
        let bytes = encode(rule, rows).map_err(failed)?;
        let written = || {
            std::fs::create_dir_all(&self.dir)?;
            let mut file = std::fs::File::create(&part)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        written().map_err(failed)?;
        let digest = crate::domain::digest::to_hex(&Sha256::digest(&bytes));
        let given = Draft::daemon(EventKind::ExchangeGiven)
            .fact("rule", rule.name.as_str())
            .fact("file", name)
            .fact("clips", rows.len())
            .fact("sha256", digest);
        self.desk.store.write_blocking(move |tx| tx.log(&given))?;
        std::fs::rename(&part, &whole).and_then(|()| sync_dir(&self.dir)).map_err(failed)
    }
}

/// The records of clips that changed, as far as they may be given.
fn rows(
    r: &Reader<'_>,
    policy: &crate::store::Policy,
    rule: &WriteRule,
    from: u64,
    to: u64,
) -> Result<Vec<serde_json::Value>, StoreError> {
    let kinds = CHANGES.map(EventKind::as_str);
    let mut rows = Vec::new();
    for clip in r.clips_changed(from, to, &kinds)? {
        if let Some(record) = tellable(r, policy, clip, rule.max_sensitivity)? {
            rows.push(serde_json::to_value(record).unwrap_or_default());
        }
    }
    Ok(rows)
}

/// A file's bytes: UTF-8, CSV with a byte-order mark, by which spreadsheet programs know it, or a JSON list. Recorders and
/// rosters are hostile: no cell of the CSV is a formula; the JSON has the exact texts.
fn encode(rule: &WriteRule, rows: &[serde_json::Value]) -> io::Result<Vec<u8>> {
    if rule.json {
        let list: Vec<_> = rows.iter().map(|row| columns::object(row, &rule.columns)).collect();
        return serde_json::to_vec_pretty(&list).map_err(io::Error::other);
    }
    let mut out = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    out.write_record(rule.columns.iter().map(|(theirs, _)| theirs)).map_err(io::Error::other)?;
    for row in rows {
        let texts = columns::texts(row, &rule.columns);
        out.write_record(texts.iter().map(|text| workbook::harmless(text))).map_err(io::Error::other)?;
    }
    out.into_inner().map_err(|e| io::Error::other(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sensitivity::Sensitivity;

    #[test]
    fn no_cell_of_a_table_is_a_formula_and_the_json_is_exact() {
        let rows = [serde_json::json!({ "place": "=cmd|' /C calc'!A0", "officer": "张三" })];
        let rule = |json| WriteRule {
            columns: [("地点", "place"), ("人员", "officer")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec(),
            json,
            name: "clips".into(),
            max_sensitivity: Sensitivity::None,
        };
        let table = String::from_utf8(encode(&rule(false), &rows).unwrap()).unwrap();
        assert_eq!(table, "\u{feff}地点,人员\n'=cmd|' /C calc'!A0,张三\n");
        let exact: serde_json::Value = serde_json::from_slice(&encode(&rule(true), &rows).unwrap()).unwrap();
        assert_eq!(exact[0]["地点"], "=cmd|' /C calc'!A0");
    }
}
