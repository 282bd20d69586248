//! Triage (待标注): what rules suggest, what people decided about it, and which clips wait for a person, best-known first.
//!
//! A clip's place is ten times the score of the best suggestion that stands open, and one for each of the five facts that
//! it has: so those come first that one key settles; what its outing suggests beside a case that it has is told, and waits
//! for nobody. It is kept in `clip_index.triage`, so that a page of a million clips
//! is a walk along an index.

use rusqlite::params;

use super::accounts::{bound, place_of, within_sql};
use super::narrow::{narrow_sql, over_index};
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft};
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::rights::{Over, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::why::Why;

/// So many clips are put in order for a page of them; of more the order itself is walked along.
const FEW: i64 = 5_000;

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
    pub reason: Grounds,
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

/// Up to which label's place these bounds let through every clip, where that is all that they let through.
pub(super) fn up_to(within: &Within) -> Option<i64> {
    let Within::Of { stretches, .. } = within else { return Some(Sensitivity::ALL.len() as i64 - 1) };
    let place = |label: &Sensitivity| place_of(Some(label.key()));
    let all = stretches.iter().filter(|(over, _)| *over == Over::All).map(|(_, label)| place(label)).max()?;
    stretches.iter().all(|(_, label)| place(label) <= all).then_some(all)
}

/// What waits within these bounds, as the rest of a query over `i`; the account, which is to be bound before the time; and the
/// condition that finds it from whose it is, where that is few.
fn waiting_sql(within: &Within) -> (String, i64, Option<String>) {
    // What no list shows is a handful, and what is left is asked of the index alone.
    let shown = "i.clip_id NOT IN (SELECT clip_id FROM clip WHERE isolated_ms IS NOT NULL) AND i.clip_id NOT IN (SELECT clip_id FROM clip WHERE local = 'copying')";
    let mut waiting =
        format!("FROM clip_index i WHERE i.triage IS NOT NULL AND ?1 IS NOT NULL AND ?2 IS NOT NULL AND {shown}");
    let Some((condition, account)) = within_sql(within) else { return (waiting, 0, None) };
    waiting.push_str(&format!(" AND ({})", over_index(&condition, 1, 2)));
    let narrow = narrow_sql(within, true).map(|sql| format!(" AND i.clip_id IN ({})", bound(&sql, 1, 2)));
    (waiting, account, narrow)
}

const COLUMNS: &str = "case_key, raw, rule, score, reason, stage, matter, proves, state";

fn suggestion(r: &rusqlite::Row<'_>) -> rusqlite::Result<SuggestionRow> {
    Ok(SuggestionRow {
        said: Suggestion {
            case_key: r.get(0)?,
            raw: r.get(1)?,
            rule: r.get(2)?,
            score: r.get(3)?,
            reason: Grounds::read(&r.get::<_, String>(4)?),
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
                            said.reason.stored(),
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
            return Err(StoreError::Conflict(Why::LinkedAlready { clip: clip.to_string(), case_no: row.said.raw }));
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
        found.ok_or_else(|| StoreError::NotFound(Why::NotSuggested { clip: clip.to_string() }))
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
                   FROM (SELECT max(score) AS best FROM suggestion WHERE clip_id = ?1 AND state = 'open'
                     AND NOT (rule = 'neighbour' AND EXISTS (SELECT 1 FROM case_link l JOIN case_file f ON f.case_id = l.case_id
                       WHERE l.clip_id = ?1 AND l.withdrawn = 0 AND f.kind = 'case'
                         AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)))))
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

    /// What rules suggest for a clip and waits for a person, the surest first; and beside that what is only told: of a clip
    /// that has its case, what its company suggests keeps nobody busy.
    pub fn suggestions_waiting(&self, clip: ClipId) -> Result<(Vec<SuggestionRow>, Vec<SuggestionRow>)> {
        let open = self.suggestions(clip)?.into_iter().filter(|s| s.state == "open");
        let has_case = self.links(clip)?.iter().any(|l| l.kind == "case");
        Ok(open.partition(|s| !has_case || s.said.rule != "neighbour"))
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

    /// How many clips wait for a person within these bounds, counted up to `most`: what a badge says.
    pub fn waiting(&self, within: &Within, most: u32, now_ms: i64) -> Result<u64> {
        let (waiting, account, narrow) = waiting_sql(within);
        let sql = format!("SELECT count(*) FROM (SELECT 1 {waiting}{} LIMIT ?3)", narrow.unwrap_or_default());
        let n: i64 = self.conn.prepare_cached(&sql)?.query_row(params![account, now_ms, most], |r| r.get(0))?;
        Ok(n as u64)
    }

    /// Clips that wait for a person, best-known first, after `after`; only what may stand in lists `within` these bounds.
    pub fn triage(&self, after: Option<(i64, ClipId)>, limit: u32, within: &Within, now_ms: i64) -> Result<TriagePage> {
        let (waiting, account, narrow) = waiting_sql(within);
        let total: i64 = match up_to(within) {
            // Triggers count all of them.
            Some(place) => {
                let hidden = "SELECT count(*) FROM clip c CROSS JOIN clip_index i ON i.clip_id = c.clip_id WHERE i.triage IS NOT NULL AND coalesce(i.care, 4) <= ?1";
                let sql = format!(
                    "SELECT (SELECT sum(n) FROM tally WHERE what BETWEEN 'triage 0' AND 'triage ' || ?1) - ({hidden} AND c.local = 'copying')
                       - ({hidden} AND c.isolated_ms IS NOT NULL AND c.local <> 'copying')"
                );
                self.conn.prepare_cached(&sql)?.query_row([place], |r| r.get(0))?
            }
            None => {
                let sql = format!("SELECT count(*) {waiting}{}", narrow.as_deref().unwrap_or_default());
                self.conn.prepare_cached(&sql)?.query_row(params![account, now_ms], |r| r.get(0))?
            }
        };
        // Few are put in order; of many each page is a walk in their order.
        let narrow = narrow.filter(|_| total <= FEW).unwrap_or_default();
        let (place, clip) = after.map_or((i64::MAX, String::new()), |(place, clip)| (place, clip.to_string()));
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT i.clip_id, i.triage {waiting}{narrow} AND (i.triage, i.clip_id) < (?3, ?4)
             ORDER BY i.triage DESC, i.clip_id DESC LIMIT ?5"
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
        let next = if more { rows.last().map(|row| (row.place, row.clip)) } else { None };
        Ok(TriagePage { rows, total: total as u64, next })
    }
}

#[cfg(test)]
mod tests;
