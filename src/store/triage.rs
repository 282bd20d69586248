//! Triage (待标注): what rules suggest, what people decided about it, and which clips wait for a person, best-known first.
//!
//! A clip's place is ten times the score of the best suggestion that stands open, and one for each of the five facts that
//! it has: so those come first that one key settles; what its outing suggests beside a case that it has is told, and waits
//! for nobody. It is kept in `clip_index.triage`, so that a page of a million clips
//! is a walk along an index.

use rusqlite::{OptionalExtension, params};

use super::accounts::{bound, place_of, within_sql};
use super::narrow::{narrow_sql, over_index};
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::event::{Actor, Draft};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::rights::{Over, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::why::Why;

/// So many clips are put in order for a page of them; of more the order itself is walked along.
const FEW: i64 = 5_000;

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
    /// No case that was opened has it; what there was before one may.
    pub unlinked: bool,
    /// Cases to which it is linked now, or what there was before one: key of the number, the number as displayed, who says
    /// so, and the score.
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

/// Up to which label's place these bounds let through every clip, where that is all that they let through.
fn up_to(within: &Within) -> Option<i64> {
    let Within::Of { stretches, .. } = within else { return Some(Sensitivity::ALL.len() as i64 - 1) };
    let place = |label: &Sensitivity| place_of(Some(label.key()));
    let all = stretches.iter().filter(|(over, _)| *over == Over::All).map(|(_, label)| place(label)).max()?;
    stretches.iter().all(|(_, label)| place(label) <= all).then_some(all)
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

    /// Clips that wait for a person, best-known first, after `after`; only what may stand in lists `within` these bounds.
    pub fn triage(&self, after: Option<(i64, ClipId)>, limit: u32, within: &Within, now_ms: i64) -> Result<TriagePage> {
        // What no list shows is a handful, and what is left is asked of the index alone.
        let shown = "i.clip_id NOT IN (SELECT clip_id FROM clip WHERE isolated_ms IS NOT NULL) AND i.clip_id NOT IN (SELECT clip_id FROM clip WHERE local = 'copying')";
        let mut waiting =
            format!("FROM clip_index i WHERE i.triage IS NOT NULL AND ?1 IS NOT NULL AND ?2 IS NOT NULL AND {shown}");
        let mut account = 0;
        let mut narrow = None;
        if let Some((condition, of)) = within_sql(within) {
            account = of;
            waiting.push_str(&format!(" AND ({})", over_index(&condition, 1, 2)));
            narrow = narrow_sql(within, true).map(|sql| format!(" AND i.clip_id IN ({})", bound(&sql, 1, 2)));
        }
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

    /// Clips of a recorder whose capture began in `[from_ms, to_ms]`, in that order, this one left out: none of what is
    /// isolated, and none that another officer captured, since the recorder changed hands between them. Where nobody knows
    /// whose this one is and several had the recorder, only those of which nobody knows it either.
    pub fn neighbours(
        &self,
        recorder: &str,
        (except, officer): (ClipId, Option<&str>),
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Neighbour>> {
        let several = || -> Result<bool> {
            let sql = "SELECT count(DISTINCT officer) > 1 FROM clip_index WHERE recorder_id = ?1 AND captured_start_ms BETWEEN ?2 AND ?3";
            Ok(self.conn.prepare_cached(sql)?.query_row(params![recorder, from_ms, to_ms], |r| r.get(0))?)
        };
        // No officer is called nothing.
        let officer = if officer.is_none() && several()? { Some("") } else { officer };
        // With their links in one query: an outing is looked at for each of its clips.
        let mut statement = self.conn.prepare_cached(
            "SELECT n.clip_id, n.start_ms, n.length_ms, f.kind, l.case_key, a.display, l.origin, l.score
             FROM (SELECT i.clip_id, i.captured_start_ms AS start_ms, coalesce(m.duration_ms, 0) AS length_ms, instr(',' || i.missing || ',', ',case_no,') = 0 AS linked
               FROM clip_index i JOIN clip c ON c.clip_id = i.clip_id LEFT JOIN media m ON m.clip_id = i.clip_id
               WHERE i.recorder_id = ?1 AND i.captured_start_ms BETWEEN ?2 AND ?3 AND i.clip_id <> ?4 AND c.role IN ('clip', 'other')
                 AND c.isolated_ms IS NULL AND (?5 IS NULL OR i.officer IS NULL OR i.officer = ?5)
               ORDER BY i.captured_start_ms, i.clip_id LIMIT 200) n
             LEFT JOIN case_link l ON n.linked AND l.clip_id = n.clip_id AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             LEFT JOIN case_alias a ON a.case_key = l.case_key LEFT JOIN case_file f ON f.case_id = l.case_id
             ORDER BY n.start_ms, n.clip_id, f.kind = 'case' DESC, l.origin = 'person' DESC, l.link_id",
        )?;
        let mut rows = statement.query(params![recorder, from_ms, to_ms, except.to_string(), officer])?;
        let mut found: Vec<Neighbour> = Vec::new();
        let mut last = String::new();
        while let Some(r) = rows.next()? {
            let id: String = r.get(0)?;
            if id != last {
                let (start_ms, length_ms): (i64, i64) = (r.get(1)?, r.get(2)?);
                let end_ms = start_ms.saturating_add(length_ms);
                found.push(Neighbour { clip: id.parse()?, start_ms, end_ms, unlinked: true, cases: Vec::new() });
                last = id;
            }
            let (Some(clip), Some(kind)) = (found.last_mut(), r.get::<_, Option<String>>(3)?) else { continue };
            // Cases come first; once there is one, what there was before it says no more about the others.
            if kind == "case" {
                clip.unlinked = false;
            } else if !clip.unlinked {
                continue;
            }
            clip.cases.push((r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?));
        }
        Ok(found)
    }

    /// Every clip of the same outing, in the order of capture, this one left out.
    pub fn outing_of(&self, clip: ClipId, gap_ms: i64) -> Result<Vec<Neighbour>> {
        let found: Option<(String, i64, Option<String>)> = self
            .conn
            .prepare_cached(
                "SELECT recorder_id, captured_start_ms, officer FROM clip_index WHERE clip_id = ?1 AND recorder_id IS NOT NULL AND captured_start_ms IS NOT NULL",
            )?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let Some((recorder, start_ms, officer)) = found else { return Ok(Vec::new()) };
        let length_ms = self.media(clip)?.and_then(|m| m.facts.duration_ms).unwrap_or(0);
        let end_ms = start_ms.saturating_add(length_ms);
        let (from_ms, to_ms) = (start_ms.saturating_sub(OUTING_MS), end_ms.saturating_add(OUTING_MS));
        let around = self.neighbours(&recorder, (clip, officer.as_deref()), from_ms, to_ms)?;
        Ok(outing(&around, start_ms, end_ms, gap_ms).to_vec())
    }

    /// Of an outing as [`Reader::outing_of`] gives it: clips that are linked to no case; of those that have a reference from
    /// before a case, only those that share it.
    pub fn unlinked_among(&self, clip: ClipId, outing: &[Neighbour]) -> Result<Vec<ClipId>> {
        let ours: Vec<String> = self.links(clip)?.into_iter().map(|l| l.case_key).collect();
        let same = |n: &&Neighbour| n.unlinked && n.cases.iter().all(|(key, ..)| ours.contains(key));
        Ok(outing.iter().filter(same).map(|n| n.clip).collect())
    }

    /// Clips of the same outing that are linked to no case, this one left out.
    pub fn unlinked_of_outing(&self, clip: ClipId, gap_ms: i64) -> Result<Vec<ClipId>> {
        self.unlinked_among(clip, &self.outing_of(clip, gap_ms)?)
    }

    /// Those of them about which nobody has said that they do not belong to the case of this number: one yes for an outing
    /// does not overrule a no to one of its clips.
    pub fn undecided_of_outing(&self, clip: ClipId, gap_ms: i64, key: Option<&str>) -> Result<Vec<ClipId>> {
        self.undecided_among(self.unlinked_of_outing(clip, gap_ms)?, key)
    }

    /// Clips about which no person has said that they do not belong to the case of this number.
    pub fn undecided_among(&self, clips: Vec<ClipId>, key: Option<&str>) -> Result<Vec<ClipId>> {
        let Some(key) = key else { return Ok(clips) };
        let mut undecided = Vec::with_capacity(clips.len());
        for clip in clips {
            if !self.refused(clip, key)? && !self.person_withdrew(clip, key)? {
                undecided.push(clip);
            }
        }
        Ok(undecided)
    }

    /// Whether the newest word about this clip and the case of this number is a person's withdrawal.
    fn person_withdrew(&self, clip: ClipId, key: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM case_link l JOIN case_alias a ON a.case_id = l.case_id
                   WHERE l.clip_id = ?1 AND a.case_key = ?2 AND l.withdrawn = 1 AND l.origin = 'person'
                     AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id))",
            )?
            .query_row(params![clip.to_string(), key], |r| r.get(0))?)
    }
}

#[cfg(test)]
mod tests;
