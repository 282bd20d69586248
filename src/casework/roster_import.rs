//! An import of a roster held against what is stored: reads what stands under its name, decides by
//! [`roster::supersede`], and says what the store has to change.

use jiff::tz::TimeZone;

use super::roster::{self, RosterRow, recorder_key};
use crate::store::{Reader, Result, RosterChange, RosterEntry, StoreError};

/// What the rows of a file called `name` change.
pub fn change(r: &Reader<'_>, name: &str, file: &[RosterRow], zone: &TimeZone) -> Result<RosterChange> {
    let odd = |e: serde_json::Error| StoreError::Odd(format!("a roster row: {e}"));
    let standing = match roster::span(file) {
        Some((from_ms, to_ms)) => r.roster_between(name, from_ms, to_ms)?,
        None => Vec::new(),
    };
    let standing = standing
        .into_iter()
        .map(|(id, entry)| Ok((id, serde_json::from_str(&entry.row).map_err(odd)?)))
        .collect::<Result<Vec<(i64, RosterRow)>>>()?;
    let found = roster::supersede(&standing, file, zone);
    let entry = |row: &RosterRow| {
        Ok(RosterEntry {
            recorder: recorder_key(&row.recorder),
            from_ms: row.from_ms,
            to_ms: row.to_ms,
            row: serde_json::to_string(row).map_err(odd)?,
        })
    };
    let rows = found.left.iter().chain(&found.new).map(entry).collect::<Result<_>>()?;
    let (days, span_ms) = (roster::days(file, zone).len(), roster::span(file).unwrap_or_default());
    Ok(RosterChange { gone: found.gone, rows, told: file.len(), days, span_ms })
}
