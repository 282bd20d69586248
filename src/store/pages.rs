//! Queries behind single parts of pages: bays, sightings, trouble, cases as a list.

use super::{Reader, Result, StoreError};
use crate::domain::clip::SightingState;
use crate::domain::ids::ClipId;
use crate::domain::recorder::SourcePath;

/// A clip as seen on a recorder.
#[derive(Debug, Clone)]
pub struct SightingRow {
    /// The recorder.
    pub recorder: String,
    /// The bay.
    pub bay: String,
    /// Its path there, escaped.
    pub path: String,
    /// The facet.
    pub state: SightingState,
    /// When, milliseconds since the Unix epoch.
    pub seen_ms: i64,
}

/// Deliveries to one destination that are not proven.
#[derive(Debug, Clone, Default)]
pub struct Backlog {
    /// Waiting or on their way.
    pub waiting: u64,
    /// Stopped.
    pub failed: u64,
    /// One of the stopped, and why.
    pub first_failed: Option<(ClipId, String)>,
    /// Whose copy differed and is being sent again.
    pub mismatched: u64,
    /// One of those.
    pub first_mismatched: Option<ClipId>,
}

/// A case in a list, with what its clips come to.
#[derive(Debug, Clone, Default)]
pub struct CaseFigures {
    /// The case.
    pub case_id: i64,
    /// Clips that are proven.
    pub proven: u64,
    /// Clips that lack a fact.
    pub incomplete: u64,
}

impl Reader<'_> {
    /// Bays that were ever used, newest use first.
    pub fn known_bays(&self) -> Result<Vec<String>> {
        // One step in the index for each bay, and not for each stay.
        let mut statement = self.conn.prepare_cached(
            "WITH RECURSIVE b (bay) AS (SELECT min(bay) FROM dock UNION ALL SELECT (SELECT min(bay) FROM dock WHERE bay > b.bay) FROM b WHERE b.bay IS NOT NULL)
             SELECT bay FROM b WHERE bay IS NOT NULL ORDER BY (SELECT max(dock_id) FROM dock d WHERE d.bay = b.bay) DESC LIMIT 64",
        )?;
        let rows = statement.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Where a clip was seen, oldest first.
    pub fn sightings(&self, clip: ClipId) -> Result<Vec<SightingRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.recorder_id, d.bay, s.path, s.state, s.seen_ms FROM sighting s JOIN dock d USING (dock_id) WHERE s.clip_id = ?1 ORDER BY s.sighting_id",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            let state: String = r.get(3)?;
            Ok(SightingRow {
                recorder: r.get(0)?,
                bay: r.get(1)?,
                path: SourcePath::new(r.get::<_, Vec<u8>>(2)?).to_text(),
                state: SightingState::parse(&state).unwrap_or(SightingState::Present),
                seen_ms: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// What is not proven at a destination.
    pub fn backlog(&self, destination: &str) -> Result<Backlog> {
        let (waiting, failed, mismatched) = self
            .conn
            .prepare_cached(
                "SELECT coalesce(sum(CASE WHEN state <> 'failed' THEN n END), 0), coalesce(sum(CASE WHEN state = 'failed' THEN n END), 0),
                   (SELECT count(*) FROM delivery WHERE destination = ?1 AND (state = 'suspect' OR (state = 'waiting' AND reason IS NOT NULL AND retry IS NULL)))
                 FROM delivery_total WHERE destination = ?1 AND state <> 'proven'",
            )?
            .query_row([destination], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64, r.get::<_, i64>(2)? as u64)))?;
        let first = |state: &str| -> Result<Option<(ClipId, String)>> {
            let sql = match state {
                "failed" => {
                    "SELECT clip_id, coalesce(reason, '') FROM delivery WHERE destination = ?1 AND state = 'failed' ORDER BY clip_id LIMIT 1"
                }
                _ => {
                    "SELECT clip_id, coalesce(reason, '') FROM delivery WHERE destination = ?1 AND (state = 'suspect' OR (state = 'waiting' AND reason IS NOT NULL AND retry IS NULL)) ORDER BY clip_id LIMIT 1"
                }
            };
            let mut statement = self.conn.prepare_cached(sql)?;
            let mut rows = statement.query_map([destination], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))?;
            rows.next()
                .map(|row| row.map_err(StoreError::from).and_then(|(clip, why)| Ok((clip.parse()?, why))))
                .transpose()
        };
        Ok(Backlog {
            waiting,
            failed,
            first_failed: if failed > 0 { first("failed")? } else { None },
            mismatched,
            first_mismatched: if mismatched > 0 { first("mismatched")?.map(|(clip, _)| clip) } else { None },
        })
    }

    /// Clips whose local file is damaged: how many, and one of them.
    pub fn damaged_clips(&self) -> Result<(u64, Option<ClipId>)> {
        self.count_and_first("local = 'damaged'")
    }

    /// Clips in quarantine that are not damaged: how many, and one of them.
    pub fn quarantined_clips(&self) -> Result<(u64, Option<ClipId>)> {
        self.count_and_first("quarantine IS NOT NULL AND local <> 'damaged'")
    }

    /// Isolated clips: how many, and one of them.
    pub fn isolated_figures(&self) -> Result<(u64, Option<ClipId>)> {
        self.count_and_first("isolated_ms IS NOT NULL")
    }

    fn count_and_first(&self, condition: &str) -> Result<(u64, Option<ClipId>)> {
        let sql = format!("SELECT count(*), min(clip_id) FROM clip WHERE {condition}");
        let (n, first): (i64, Option<String>) =
            self.conn.prepare_cached(&sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok((n as u64, first.map(|c| c.parse()).transpose()?))
    }

    /// Why deliveries of a clip stopped or were put off, by destination.
    pub fn delivery_reasons(&self, clip: ClipId) -> Result<Vec<(String, String)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT destination, reason FROM delivery WHERE clip_id = ?1 AND reason IS NOT NULL AND state <> 'proven' ORDER BY destination")?;
        let rows = statement.query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// How many clips of a case are proven and how many lack a fact.
    pub fn case_figures(&self, case_id: i64) -> Result<CaseFigures> {
        let (proven, incomplete) = self
            .conn
            .prepare_cached(
                "SELECT coalesce(sum(c.state IN ('proven', 'released')), 0), coalesce(sum(i.missing_count > 0), 0)
                 FROM case_link l JOIN clip c USING (clip_id) LEFT JOIN clip_index i USING (clip_id) WHERE l.case_id = ?1 AND l.withdrawn = 0
                   AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)",
            )?
            .query_row([case_id], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64)))?;
        Ok(CaseFigures { case_id, proven, incomplete })
    }

    /// Bytes of clips on the vault's disk: not proven, proven, held.
    pub fn disk_figures(&self) -> Result<(u64, u64, u64)> {
        let (mut unproven, mut proven) = (self.tally("disk_unproven")?.1, self.tally("disk_proven")?.1);
        // Few have no file of their own, and only where the other one's is gone are its bytes still theirs.
        let (of_shared, of_held) = (
            "SELECT c.state IN ('proven', 'released'), coalesce(c.size_bytes, c.durable_bytes) FROM clip c
             CROSS JOIN clip o ON o.clip_id = c.shares WHERE c.shares IS NOT NULL AND c.local <> 'evicted' AND o.local = 'evicted'",
            "SELECT c.state IN ('proven', 'released'), coalesce(c.size_bytes, c.durable_bytes)
             FROM (SELECT DISTINCT clip_id FROM hold WHERE released_ms IS NULL) h CROSS JOIN clip c ON c.clip_id = h.clip_id
             WHERE c.local <> 'evicted' AND (c.shares IS NULL OR EXISTS (SELECT 1 FROM clip o WHERE o.clip_id = c.shares AND o.local = 'evicted'))",
        );
        for (is_proven, bytes) in self.bytes_of(of_shared)? {
            *(if is_proven { &mut proven } else { &mut unproven }) += bytes;
        }
        let mut held = 0;
        for (is_proven, bytes) in self.bytes_of(of_held)? {
            held += bytes;
            let of = if is_proven { &mut proven } else { &mut unproven };
            *of = of.saturating_sub(bytes);
        }
        Ok((unproven, proven, held))
    }

    fn bytes_of(&self, sql: &str) -> Result<Vec<(bool, u64)>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?.max(0) as u64)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}
