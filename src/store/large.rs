//! References from before a case (日常检查, an inspection task) that collect more clips than anybody looks at one by one: at a
//! station that has been in use for years, most of what it has. Whoever asks for one of them gets the newest of its clips; how
//! many there are in all is told as more than so many, and the list of clips has the rest in pages. What is done with each
//! clip of a case (closing, filing, a hold, review, a package) is refused of them: it would be done with nearly everything, in
//! one step. A case is never large, however many clips it has.

use rusqlite::params;

use super::accounts::{bound, within_sql};
use super::narrow::narrow_sql;
use super::{Reader, Result, StoreError};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;
use crate::domain::why::Why;

/// Links that are looked at one by one, at most.
pub const MOST_LINKS: u64 = 2_000;
/// Links to which a list of clips goes from their case. Of more than that it goes along the clips, of which so many are of it.
pub(super) const LISTED_BY_CASE: u64 = 50_000;

/// Link `l` stands.
const STANDS: &str = "l.withdrawn = 0 AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)";

impl Reader<'_> {
    /// Whether this is what there was before a case, with more links than are looked at one by one.
    pub fn is_large(&self, case: i64) -> Result<bool> {
        let sql = format!(
            "SELECT coalesce((SELECT f.kind <> 'case' FROM case_file f WHERE f.case_id = ?1), 0) AND {}",
            more_links_than(MOST_LINKS)
        );
        Ok(self.conn.prepare_cached(&sql)?.query_row([case], |r| r.get(0))?)
    }

    /// Refuses a large reference, where something is to be done with each of its clips at once.
    pub fn not_large(&self, case: i64) -> Result<()> {
        if self.is_large(case)? {
            return Err(StoreError::Conflict(Why::LargeReference { most: MOST_LINKS }));
        }
        Ok(())
    }

    /// A condition on clip `c`: it is linked to the case, whose number is parameter `n` of the query.
    pub(super) fn of_case_sql(&self, case: i64, n: usize) -> Result<String> {
        let sql = format!("SELECT {}", more_links_than(LISTED_BY_CASE));
        let along_clips: bool = self.conn.prepare_cached(&sql)?.query_row([case], |r| r.get(0))?;
        Ok(match along_clips {
            true => format!(
                "EXISTS (SELECT 1 FROM case_link l WHERE l.clip_id = c.clip_id AND l.case_id = ?{n} AND {STANDS})"
            ),
            // From the case to its clips, not from every clip to its cases.
            false => format!("c.clip_id IN (SELECT l.clip_id FROM case_link l WHERE l.case_id = ?{n} AND {STANDS})"),
        })
    }

    /// The newest clips of a large reference that may stand in lists `within` these bounds, in the order of their capture.
    pub fn newest_of_large(&self, case: i64, within: &Within, now_ms: i64, limit: usize) -> Result<Vec<ClipId>> {
        let (sql, account) = newest_sql(within);
        let mut clips = self.clip_ids(&sql, params![account, now_ms, case, limit as i64])?;
        let mut timed = Vec::with_capacity(clips.len());
        for clip in clips.drain(..) {
            timed.push((self.indexed(clip)?.0, clip));
        }
        timed.sort_unstable();
        Ok(timed.into_iter().map(|(_, clip)| clip).collect())
    }
}

/// Whether case `?1` has more links than so many, those that were withdrawn counted, too.
fn more_links_than(most: u64) -> String {
    format!("(SELECT count(*) FROM (SELECT 1 FROM case_link k WHERE k.case_id = ?1 LIMIT {most} + 1)) > {most}")
}

/// The query of [`Reader::newest_of_large`], and the account.
fn newest_sql(within: &Within) -> (String, i64) {
    let (condition, account) = within_sql(within)
        .unwrap_or_else(|| ("c.isolated_ms IS NULL AND @account IS NOT NULL AND @now IS NOT NULL".into(), 0));
    let condition = bound(&condition, 1, 2);
    let sql = match narrow_sql(within, false) {
        // From whom to their clips.
        Some(clips) => format!(
            "SELECT c.clip_id FROM clip c LEFT JOIN clip_index i ON i.clip_id = c.clip_id WHERE c.clip_id IN ({}) AND ({condition})
               AND EXISTS (SELECT 1 FROM case_link l WHERE l.clip_id = c.clip_id AND l.case_id = ?3 AND {STANDS})
             ORDER BY c.clip_id DESC LIMIT ?4",
            bound(&clips, 1, 2)
        ),
        // What was linked last is what was captured last, or near it.
        None => format!(
            "SELECT l.clip_id FROM case_link l INDEXED BY case_link_case CROSS JOIN clip c ON c.clip_id = l.clip_id
             LEFT JOIN clip_index i ON i.clip_id = c.clip_id WHERE l.case_id = ?3 AND {STANDS} AND ({condition}) ORDER BY l.link_id DESC LIMIT ?4"
        ),
    };
    (sql, account)
}

#[cfg(test)]
mod tests;
