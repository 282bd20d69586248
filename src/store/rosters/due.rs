//! What a changed roster may have to do with clips that are here: their recorders and times wait in `roster_due` until the
//! rules have looked at each of them again, over a restart, too. And the links that the rules took back for it.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::super::{LinkRow, Reader, Result, Tx};
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::record::Origin;
use crate::domain::recorder::recorder_key;

/// Looked at beyond a row at both its ends, milliseconds: by how much a clock was off decides whose a clip is near them.
const AROUND_MS: i64 = 86_400_000;

/// A recorder by its key, and a time.
pub(super) type Touched = (String, i64, i64);

/// Clips that a changed roster may be about: of a recorder, from and to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterDue {
    /// Its number.
    pub due: i64,
    /// The recorder.
    pub recorder: String,
    /// Captured from here, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// To here (exclusive).
    pub to_ms: i64,
}

/// A place in the walk along them: when it was captured, and its row.
pub type RosterDuePlace = (i64, i64);

/// A link as the roster gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWords {
    /// The key of the number that was used.
    pub case_key: String,
    /// As typed.
    pub raw: String,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
}

impl LinkWords {
    /// Those of a link that stands.
    pub fn of(link: &LinkRow) -> Self {
        Self {
            case_key: link.case_key.clone(),
            raw: link.raw.clone(),
            stage: link.stage.clone(),
            matter: link.matter.clone(),
            proves: link.proves.clone(),
        }
    }
}

impl Tx<'_> {
    /// Rows of these recorders and times came or went: what was captured then waits for the rules.
    pub(super) fn roster_touched(&self, mut touched: Vec<Touched>) -> Result<()> {
        let mut recorders: HashMap<String, Vec<String>> = HashMap::new();
        let mut statement = self.conn.prepare_cached("SELECT recorder_id FROM recorder")?;
        let known = statement.query_map([], |r| r.get::<_, String>(0))?;
        for recorder in known {
            let recorder = recorder?;
            recorders.entry(recorder_key(&recorder)).or_default().push(recorder);
        }
        touched.sort_unstable();
        let mut spans: Vec<Touched> = Vec::new();
        for (key, from_ms, to_ms) in touched {
            let (from_ms, to_ms) = (from_ms.saturating_sub(AROUND_MS), to_ms.saturating_add(AROUND_MS));
            match spans.last_mut() {
                Some((of, _, until)) if *of == key && from_ms <= *until => *until = to_ms.max(*until),
                _ => spans.push((key, from_ms, to_ms)),
            }
        }
        let mut insert =
            self.conn.prepare_cached("INSERT INTO roster_due (recorder_id, from_ms, to_ms) VALUES (?1, ?2, ?3)")?;
        for (key, from_ms, to_ms) in spans {
            // What was never docked has no clips.
            for recorder in recorders.get(&key).into_iter().flatten() {
                insert.execute(params![recorder, from_ms, to_ms])?;
            }
        }
        Ok(())
    }

    /// The same of the rows that a query over `roster` or `roster_before` finds.
    pub(super) fn roster_rows_touched(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Touched>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(values, |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The rules have looked at all of it.
    pub fn roster_followed(&self, due: i64) -> Result<()> {
        self.conn.execute("DELETE FROM roster_due WHERE due_id = ?1", [due])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// What waits longest.
    pub fn roster_due(&self) -> Result<Option<RosterDue>> {
        let sql = "SELECT due_id, recorder_id, from_ms, to_ms FROM roster_due ORDER BY due_id LIMIT 1";
        let row = |r: &rusqlite::Row<'_>| {
            Ok(RosterDue { due: r.get(0)?, recorder: r.get(1)?, from_ms: r.get(2)?, to_ms: r.get(3)? })
        };
        Ok(self.conn.prepare_cached(sql)?.query_row([], row).optional()?)
    }

    /// Clips of it, in the order of their capture after `after`, and the place of the last one. Of what a restore took over from
    /// its record nobody knows any more what its file said, and so no roster takes from it what it had.
    pub fn of_roster_due(
        &self,
        of: &RosterDue,
        after: Option<RosterDuePlace>,
        limit: u32,
    ) -> Result<(Option<RosterDuePlace>, Vec<ClipId>)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT i.clip_id, i.captured_start_ms, i.rowid FROM clip_index i CROSS JOIN clip c ON c.clip_id = i.clip_id
             WHERE i.recorder_id = ?1 AND i.captured_start_ms >= ?2 AND i.captured_start_ms < ?3 AND (i.captured_start_ms, i.rowid) > (?4, ?5)
               AND c.local <> 'copying' AND c.evidence <> '{}'
             ORDER BY i.captured_start_ms, i.rowid LIMIT ?6",
        )?;
        let (at_ms, row) = after.unwrap_or((i64::MIN, 0));
        let rows = statement.query_map(params![of.recorder, of.from_ms, of.to_ms, at_ms, row, limit], |r| {
            Ok((r.get::<_, String>(0)?, (r.get(1)?, r.get(2)?)))
        })?;
        let (mut last, mut clips) = (None, Vec::new());
        for row in rows {
            let (clip, place) = row?;
            clips.push(clip.parse::<ClipId>()?);
            last = Some(place);
        }
        Ok((last, clips))
    }

    /// Links of a clip that the roster gave, and that the rules took back: each as it stood, and why.
    pub fn taken_back_by_roster(&self, clip: ClipId) -> Result<Vec<(LinkWords, Grounds)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.case_key, l.raw, b.stage, b.matter, b.proves, l.reason FROM case_link l
             JOIN case_link b ON b.clip_id = l.clip_id AND b.case_id = l.case_id AND b.rev = l.rev - 1
             WHERE l.clip_id = ?1 AND l.withdrawn = 1 AND l.origin = ?2
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY l.link_id",
        )?;
        let rows = statement.query_map(params![clip.to_string(), Origin::Roster.as_str()], |r| {
            let words = LinkWords {
                case_key: r.get(0)?,
                raw: r.get(1)?,
                stage: r.get(2)?,
                matter: r.get(3)?,
                proves: r.get(4)?,
            };
            Ok((words, Grounds::read(&r.get::<_, Option<String>>(5)?.unwrap_or_default())))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}
