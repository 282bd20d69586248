//! What the filing check compares, and what came of it. Making the comparison is `command::filing_check`'s; whether it counts
//! is decided in `domain::filing`.

use rusqlite::{OptionalExtension, params};

use super::{FilingRule, by};
use crate::domain::event::{Actor, Draft};
use crate::domain::filing::{ClipCompared, Compared, Comparing, FilingState, Outcome};
use crate::domain::ids::ClipId;
use crate::domain::why::Why;
use crate::store::{Change, Reader, Result, StoreError, Tx};

/// A clip that waits to be compared.
#[derive(Debug, Clone)]
pub struct ToCompare {
    /// The round of filing.
    pub filing: i64,
    /// The clip.
    pub clip: ClipId,
    /// `kind:id` of who began the check.
    pub begun_by: String,
}

/// How far the comparison of a case is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilingProgress {
    /// Who began it, `kind:id`, and when, milliseconds since the Unix epoch; `None`: it never began.
    pub begun: Option<(String, i64)>,
    /// Clips that can be compared.
    pub clips: usize,
    /// Of these, how many were, since it began.
    pub done: usize,
}

impl FilingProgress {
    /// Whether it goes on.
    pub fn is_going(&self) -> bool {
        self.begun.is_some() && self.done < self.clips
    }
}

impl Reader<'_> {
    /// Who began the check of a round, and when.
    pub fn filing_check(&self, filing: i64) -> Result<Option<(String, i64)>> {
        let mut statement =
            self.conn.prepare_cached("SELECT begun_by, begun_ms FROM filing_check WHERE filing_id = ?1")?;
        Ok(statement.query_row([filing], |r| Ok((r.get(0)?, r.get(1)?))).optional()?)
    }

    pub(super) fn comparing(&self, filing: Option<i64>, rule: FilingRule, now_ms: i64) -> Result<Comparing> {
        let begun = filing.map(|f| self.filing_check(f)).transpose()?.flatten();
        Ok(Comparing { begun_ms: begun.map(|(_, at)| at), within_ms: rule.compared_ms, now_ms })
    }

    /// How a clip was compared for a round.
    pub fn filing_compared(&self, filing: i64, clip: ClipId) -> Result<Option<ClipCompared>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT at_ms, outcome, local, log, record, cloud, cloud_how, cloud_ms, detail FROM filing_compared
             WHERE filing_id = ?1 AND clip_id = ?2",
        )?;
        let row = statement
            .query_row(params![filing, clip.to_string()], |r| {
                let cloud: (Option<String>, Option<String>, Option<i64>) = (r.get(5)?, r.get(6)?, r.get(7)?);
                let cloud = match cloud {
                    (Some(place), Some(how), Some(at_ms)) => Some(Compared { place, how, at_ms }),
                    _ => None,
                };
                let compared = ClipCompared {
                    at_ms: r.get(0)?,
                    outcome: Outcome::Differs,
                    local: r.get(2)?,
                    log: r.get(3)?,
                    record: r.get(4)?,
                    cloud,
                    detail: r.get(8)?,
                };
                Ok((r.get::<_, String>(1)?, compared))
            })
            .optional()?;
        row.map(|(word, compared)| {
            let outcome = Outcome::parse(&word).ok_or_else(|| StoreError::Odd(format!("a comparison {word:?}")))?;
            Ok(ClipCompared { outcome, ..compared })
        })
        .transpose()
    }

    /// Whether a clip has something to be compared: it was sealed, and is not kept from everybody.
    fn is_comparable(&self, clip: ClipId) -> Result<bool> {
        let row = self.clip(clip)?;
        Ok(row.blake3.is_some() && row.sha256.is_some() && row.size_bytes.is_some() && row.isolated_ms.is_none())
    }

    /// How far the comparison of a case is.
    pub fn filing_progress(&self, case: i64) -> Result<FilingProgress> {
        let Some(filing) = self.filing(case)? else { return Ok(FilingProgress::default()) };
        let begun = self.filing_check(filing.filing)?;
        let since = Comparing { begun_ms: begun.as_ref().map(|(_, at)| *at), within_ms: 0, now_ms: 0 };
        let mut progress = FilingProgress { begun, ..FilingProgress::default() };
        for clip in self.clips_of_case(case)? {
            if self.is_comparable(clip)? {
                progress.clips += 1;
                let compared = self.filing_compared(filing.filing, clip)?;
                progress.done += usize::from(compared.is_some() && !since.awaits(compared.as_ref()));
            }
        }
        Ok(progress)
    }

    /// The next clip that waits to be compared, of the check that began first.
    pub fn next_to_compare(&self) -> Result<Option<ToCompare>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT f.filing_id, f.case_id, c.begun_by, c.begun_ms FROM filing_check c JOIN filing f USING (filing_id)
             WHERE f.filed_ms IS NULL AND f.reopened_ms IS NULL ORDER BY c.begun_ms, f.filing_id",
        )?;
        let checks = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
        let checks: Vec<(i64, i64, String, i64)> = checks.collect::<std::result::Result<_, _>>()?;
        for (filing, case, begun_by, begun_ms) in checks {
            let since = Comparing { begun_ms: Some(begun_ms), within_ms: 0, now_ms: 0 };
            for clip in self.clips_of_case(case)? {
                if since.awaits(self.filing_compared(filing, clip)?.as_ref()) && self.is_comparable(clip)? {
                    return Ok(Some(ToCompare { filing, clip, begun_by }));
                }
            }
        }
        Ok(None)
    }
}

impl Tx<'_> {
    pub(super) fn begin_check(&self, filing: i64, actor: &Actor) -> Result<()> {
        self.conn.execute(
            "INSERT INTO filing_check (filing_id, begun_by, begun_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (filing_id) DO UPDATE SET begun_by = excluded.begun_by, begun_ms = excluded.begun_ms",
            params![filing, by(actor), self.now_ms()],
        )?;
        Ok(())
    }

    /// The data of a case are compared from now on; what was compared before counts no more.
    pub fn compare_case(&self, case: i64, asked: Draft) -> Result<FilingState> {
        let standing = self.standing_filing(case, FilingState::Closed, Why::CloseFirst {})?;
        if standing.state() == FilingState::Filed {
            return Err(StoreError::Conflict(Why::CaseFiled {}));
        }
        self.begin_check(standing.filing, &asked.actor)?;
        self.log(&asked.case(self.read().case_hash(case)?))?;
        self.changed(Change::Cases);
        Ok(standing.state())
    }

    /// What comparing a clip for a filing came to, with the event that tells it.
    pub fn clip_compared(&self, filing: i64, clip: ClipId, found: &ClipCompared, event: &Draft) -> Result<()> {
        let cloud = found.cloud.as_ref();
        self.conn.execute(
            "INSERT OR REPLACE INTO filing_compared (filing_id, clip_id, at_ms, outcome, local, log, record, cloud, cloud_how, cloud_ms, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                filing,
                clip.to_string(),
                found.at_ms,
                found.outcome.as_str(),
                found.local,
                found.log,
                found.record,
                cloud.map(|c| &c.place),
                cloud.map(|c| &c.how),
                cloud.map(|c| c.at_ms),
                found.detail
            ],
        )?;
        self.log(event)?;
        self.changed(Change::Cases);
        Ok(())
    }
}
