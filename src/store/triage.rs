//! Triage (待标注): what rules suggest, what people decided about it, and which clips wait for a person, best-known first.
//!
//! A clip's place is ten times the score of the best suggestion that stands open, and one for each of the five facts that
//! it has: so those come first that one key settles. It is kept in `clip_index.triage`, so that a page of a million clips
//! is a walk along an index.

use rusqlite::{OptionalExtension, params};

use super::accounts::{bound, within_sql};
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::rights::Within;

/// An outing lasts no longer.
pub const OUTING_MS: i64 = 12 * 3_600_000;

/// A link that a rule suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Key of the case's number.
    pub case_key: String,
    /// The number as it was found.
    pub raw: String,
    /// Word of the rule.
    pub rule: String,
    /// 0 to 100.
    pub score: u32,
    /// Why.
    pub reason: String,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
}

/// A suggestion as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestionRow {
    /// What it says.
    pub said: Suggestion,
    /// `open`, `accepted`, `refused`, `linked`, `gone`.
    pub state: String,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It was taken.
    Done,
    /// It was so already.
    Same,
}

/// Another clip of the same recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The clip.
    pub clip: ClipId,
    /// When capture began, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: i64,
    /// It lacks a case.
    pub unlinked: bool,
    /// Cases to which it is linked now: key of the number, the number as displayed, who says so, and the score.
    pub cases: Vec<(String, String, String, u32)>,
}

/// A clip that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriageRow {
    /// The clip.
    pub clip: ClipId,
    /// Its place.
    pub place: i64,
}

/// A page of them.
#[derive(Debug, Clone, Default)]
pub struct TriagePage {
    /// The clips, best-known first.
    pub rows: Vec<TriageRow>,
    /// How many wait in all.
    pub total: u64,
    /// Where the next page begins.
    pub next: Option<(i64, ClipId)>,
}

/// Clips around a stretch of time without a pause longer than `gap_ms` between one and the next.
pub fn outing(clips: &[Neighbour], start_ms: i64, end_ms: i64, gap_ms: i64) -> &[Neighbour] {
    let split = clips.partition_point(|c| c.start_ms < start_ms);
    let (mut first, mut last) = (split, split);
    let (mut begin, mut end) = (start_ms, end_ms);
    while first > 0 && begin - clips[first - 1].end_ms <= gap_ms {
        first -= 1;
        begin = begin.min(clips[first].start_ms);
    }
    while last < clips.len() && clips[last].start_ms - end <= gap_ms {
        end = end.max(clips[last].end_ms);
        last += 1;
    }
    &clips[first..last]
}

const COLUMNS: &str = "case_key, raw, rule, score, reason, stage, matter, proves, state";

fn suggestion(r: &rusqlite::Row<'_>) -> rusqlite::Result<SuggestionRow> {
    Ok(SuggestionRow {
        said: Suggestion {
            case_key: r.get(0)?,
            raw: r.get(1)?,
            rule: r.get(2)?,
            score: r.get(3)?,
            reason: r.get(4)?,
            stage: r.get(5)?,
            matter: r.get(6)?,
            proves: r.get(7)?,
        },
        state: r.get(8)?,
    })
}

impl Tx<'_> {
    /// Stores what the rules suggest for a clip now: `found` is all of it. What a person decided stays; what no rule
    /// says any more no longer waits.
    pub fn suggest(&self, clip: ClipId, found: &[Suggestion]) -> Result<()> {
        let known = self.read().suggestions(clip)?;
        let mut changed = false;
        for said in found {
            let before = known.iter().find(|k| k.said.case_key == said.case_key);
            match before {
                Some(row) if row.state == "open" && row.said == *said => {}
                Some(row) if matches!(row.state.as_str(), "accepted" | "refused" | "linked") => {}
                _ => {
                    changed = true;
                    self.conn
                        .prepare_cached(
                            "INSERT INTO suggestion (clip_id, case_key, raw, rule, score, reason, stage, matter, proves, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                             ON CONFLICT (clip_id, case_key) DO UPDATE SET raw = excluded.raw, rule = excluded.rule, score = excluded.score, reason = excluded.reason,
                               stage = excluded.stage, matter = excluded.matter, proves = excluded.proves, state = 'open', made_ms = excluded.made_ms",
                        )?
                        .execute(params![
                            clip.to_string(),
                            said.case_key,
                            said.raw,
                            said.rule,
                            said.score,
                            said.reason,
                            said.stage,
                            said.matter,
                            said.proves,
                            self.now_ms()
                        ])?;
                }
            }
        }
        for row in known.iter().filter(|k| k.state == "open") {
            if !found.iter().any(|said| said.case_key == row.said.case_key) {
                changed = true;
                self.set_suggestion(clip, &row.said.case_key, "gone", None)?;
            }
        }
        if changed {
            self.retriage(clip)?;
            self.changed(Change::Clip(clip));
        }
        Ok(())
    }

    /// Settles the suggestion of a case, where there is one: any number of the case counts.
    pub(super) fn settle_suggestion(&self, clip: ClipId, case: i64, state: &str, actor: Option<&Actor>) -> Result<()> {
        for (key, _) in self.read().aliases(case)? {
            self.set_suggestion(clip, &key, state, actor)?;
        }
        Ok(())
    }

    fn set_suggestion(&self, clip: ClipId, key: &str, state: &str, actor: Option<&Actor>) -> Result<usize> {
        let by = actor.map(|a| format!("{}:{}", a.kind, a.id));
        Ok(self
            .conn
            .prepare_cached(
                "UPDATE suggestion SET state = ?3, decided_by = ?4, decided_ms = CASE WHEN ?4 IS NULL THEN NULL ELSE ?5 END WHERE clip_id = ?1 AND case_key = ?2",
            )?
            .execute(params![clip.to_string(), key, state, by, self.now_ms()])?)
    }

    /// A person refuses what a rule suggests: no rule suggests or links it again.
    pub fn refuse_suggestion(&self, clip: ClipId, key: &str, asked: Draft) -> Result<Decided> {
        let row = self.suggested(clip, key)?;
        if row.state == "refused" {
            return Ok(Decided::Same);
        }
        if row.state != "open" {
            return Err(StoreError::Conflict(format!(
                "clip {clip} is linked to {} already; withdraw the link to say that it does not belong there",
                row.said.raw
            )));
        }
        self.set_suggestion(clip, &row.said.case_key, "refused", Some(&asked.actor))?;
        self.decided(clip, &row, asked)?;
        Ok(Decided::Done)
    }

    /// A person takes a refusal back.
    pub fn reopen_suggestion(&self, clip: ClipId, key: &str, asked: Draft) -> Result<Decided> {
        let row = self.suggested(clip, key)?;
        if row.state == "open" {
            return Ok(Decided::Same);
        }
        self.set_suggestion(clip, &row.said.case_key, "open", None)?;
        self.decided(clip, &row, asked)?;
        Ok(Decided::Done)
    }

    fn suggested(&self, clip: ClipId, key: &str) -> Result<SuggestionRow> {
        // Any number of the case names it.
        let case = self.read().case_id(key)?;
        let mut all = self.read().suggestions(clip)?;
        all.sort_by_key(|s| s.said.case_key != key);
        let mut found = None;
        for row in all {
            if row.said.case_key == key || (case.is_some() && self.read().case_id(&row.said.case_key)? == case) {
                found = Some(row);
                break;
            }
        }
        found.ok_or_else(|| StoreError::NotFound(format!("no rule suggests this case for clip {clip}")))
    }

    fn decided(&self, clip: ClipId, row: &SuggestionRow, asked: Draft) -> Result<()> {
        let event = asked
            .clip(clip)
            .case(layout::case_hash(&row.said.case_key))
            .fact("rule", row.said.rule.as_str())
            .fact("score", row.said.score)
            .secret("number", row.said.raw.as_str());
        self.log(&event)?;
        self.retriage(clip)?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// Rewrites the place of a clip in triage.
    pub(super) fn retriage(&self, clip: ClipId) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE clip_index SET triage = (
                   SELECT CASE WHEN clip_index.missing_count = 0 AND best IS NULL THEN NULL
                     ELSE 10 * coalesce(best, 0) + max(5 - clip_index.missing_count, 0) END
                   FROM (SELECT max(score) AS best FROM suggestion WHERE clip_id = ?1 AND state = 'open'))
                 WHERE clip_id = ?1",
            )?
            .execute([clip.to_string()])?;
        Ok(())
    }
}

impl Reader<'_> {
    /// What rules suggested for a clip, the surest first, whatever became of it.
    pub fn suggestions(&self, clip: ClipId) -> Result<Vec<SuggestionRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM suggestion WHERE clip_id = ?1 ORDER BY score DESC, suggestion_id"
        ))?;
        let rows = statement.query_map([clip.to_string()], suggestion)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Whether a person refused that a rule links this clip to this case.
    pub fn refused(&self, clip: ClipId, key: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM suggestion WHERE clip_id = ?1 AND state = 'refused' AND (case_key = ?2
                   OR case_key IN (SELECT b.case_key FROM case_alias a JOIN case_alias b ON b.case_id = a.case_id WHERE a.case_key = ?2)))",
            )?
            .query_row(params![clip.to_string(), key], |r| r.get(0))?)
    }

    /// Clips that wait for a person, best-known first, after `after`; only what may stand in lists `within` these bounds.
    pub fn triage(&self, after: Option<(i64, ClipId)>, limit: u32, within: &Within, now_ms: i64) -> Result<TriagePage> {
        let (seen, account) = match within_sql(within) {
            None => (String::new(), 0),
            Some((condition, account)) => (format!("AND ({})", bound(&condition, 1, 2)), account),
        };
        let waiting = "FROM clip_index i CROSS JOIN clip c ON c.clip_id = i.clip_id WHERE i.triage IS NOT NULL AND c.local <> 'copying' AND c.isolated_ms IS NULL";
        let (place, clip) = after.map_or((i64::MAX, String::new()), |(place, clip)| (place, clip.to_string()));
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT i.clip_id, i.triage {waiting} AND ?1 IS NOT NULL AND ?2 IS NOT NULL {seen}
               AND i.triage <= ?3 AND (i.triage < ?3 OR i.clip_id < ?4) ORDER BY i.triage DESC, i.clip_id DESC LIMIT ?5"
        ))?;
        let rows = statement.query_map(params![account, now_ms, place, clip, limit + 1], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?))
        })?;
        let mut rows: Vec<TriageRow> = rows
            .map(|row| {
                let (clip, place) = row?;
                Ok(TriageRow { clip: clip.parse()?, place })
            })
            .collect::<Result<_>>()?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let total: i64 = match seen.is_empty() {
            // A walk along the index, less the handful that no list shows.
            true => self
                .conn
                .prepare_cached(
                    "SELECT (SELECT count(*) FROM clip_index WHERE triage IS NOT NULL)
                       - (SELECT count(*) FROM clip c JOIN clip_index i USING (clip_id) WHERE c.local = 'copying' AND i.triage IS NOT NULL)
                       - (SELECT count(*) FROM clip c JOIN clip_index i USING (clip_id)
                          WHERE c.isolated_ms IS NOT NULL AND c.local <> 'copying' AND i.triage IS NOT NULL)",
                )?
                .query_row([], |r| r.get(0))?,
            false => self
                .conn
                .prepare_cached(&format!("SELECT count(*) {waiting} AND ?1 IS NOT NULL AND ?2 IS NOT NULL {seen}"))?
                .query_row(params![account, now_ms], |r| r.get(0))?,
        };
        let next = if more { rows.last().map(|row| (row.place, row.clip)) } else { None };
        Ok(TriagePage { rows, total: total as u64, next })
    }

    /// Clips that are linked to a reference from before a case (inspection task, on-the-spot document, 日常检查) and to no
    /// case: not yet linkable, and counted apart from what is missing.
    pub fn not_yet_linkable(&self) -> Result<u64> {
        let standing = "withdrawn = 0 AND rev = (SELECT max(rev) FROM case_link y WHERE y.clip_id = x.clip_id AND y.case_id = x.case_id)";
        let of = |kind: &str| {
            format!(
                "SELECT x.clip_id FROM case_file f JOIN case_link x ON x.case_id = f.case_id WHERE f.kind {kind} 'case' AND x.{standing}"
            )
        };
        let sql = format!("SELECT count(*) FROM ({} EXCEPT {})", of("<>"), of("="));
        Ok(self.conn.prepare_cached(&sql)?.query_row([], |r| r.get::<_, i64>(0))? as u64)
    }

    /// Clips of a recorder whose capture began in `[from_ms, to_ms]`, in that order, this one left out.
    pub fn neighbours(&self, recorder: &str, except: ClipId, from_ms: i64, to_ms: i64) -> Result<Vec<Neighbour>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT i.clip_id, i.captured_start_ms, coalesce(m.duration_ms, 0), instr(',' || i.missing || ',', ',case_no,') > 0
             FROM clip_index i JOIN clip c ON c.clip_id = i.clip_id LEFT JOIN media m ON m.clip_id = i.clip_id
             WHERE i.recorder_id = ?1 AND i.captured_start_ms BETWEEN ?2 AND ?3 AND i.clip_id <> ?4 AND c.role IN ('clip', 'other')
             ORDER BY i.captured_start_ms, i.clip_id LIMIT 200",
        )?;
        let rows = statement.query_map(params![recorder, from_ms, to_ms, except.to_string()], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, bool>(3)?))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (clip, start_ms, duration_ms, unlinked) = row?;
            let clip: ClipId = clip.parse()?;
            let cases = if unlinked {
                Vec::new()
            } else {
                self.links(clip)?.into_iter().map(|l| (l.case_key, l.display, l.origin, l.score)).collect()
            };
            found.push(Neighbour { clip, start_ms, end_ms: start_ms.saturating_add(duration_ms), unlinked, cases });
        }
        Ok(found)
    }

    /// Clips of the same outing that are linked to no case, this one left out.
    pub fn unlinked_of_outing(&self, clip: ClipId, gap_ms: i64) -> Result<Vec<ClipId>> {
        let found: Option<(String, i64)> = self
            .conn
            .prepare_cached(
                "SELECT recorder_id, captured_start_ms FROM clip_index WHERE clip_id = ?1 AND recorder_id IS NOT NULL AND captured_start_ms IS NOT NULL",
            )?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let Some((recorder, start_ms)) = found else { return Ok(Vec::new()) };
        let length_ms = self.media(clip)?.and_then(|m| m.facts.duration_ms).unwrap_or(0);
        let end_ms = start_ms.saturating_add(length_ms);
        let (from_ms, to_ms) = (start_ms.saturating_sub(OUTING_MS), end_ms.saturating_add(OUTING_MS));
        let around = self.neighbours(&recorder, clip, from_ms, to_ms)?;
        Ok(outing(&around, start_ms, end_ms, gap_ms).iter().filter(|n| n.unlinked).map(|n| n.clip).collect())
    }
}

#[cfg(test)]
mod tests;
