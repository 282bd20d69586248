//! Queries behind pages and reports: figures of the station, lists of clips.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::accounts::{bound, within_sql};
use super::narrow::{narrow_sql, officers_sql};
use super::report::CountedFilter;
use super::{Reader, Result};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;
use crate::domain::search::SearchQuery;

/// Matches of a filter are counted up to here: beyond it, nobody pages to the end.
const COUNTED: i64 = 10_000;

/// What was captured before that is not among the newest, milliseconds.
const PAST_MS: i64 = 31 * 86_400_000;

/// One stage of the flow strip.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageFigures {
    /// Clips in it (recorders, for the first).
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Since when the oldest has been in it, milliseconds since the Unix epoch.
    pub oldest_ms: Option<i64>,
}

/// What the station page counts.
#[derive(Debug, Clone, Default)]
pub struct StationFigures {
    /// Recorders in bays, and what they list.
    pub docked: StageFigures,
    /// Being copied.
    pub copying: StageFigures,
    /// In the vault, nothing sent yet.
    pub sealed: StageFigures,
    /// On their way.
    pub sending: StageFigures,
    /// Proven at every required destination.
    pub proven: StageFigures,
    /// Proven and erased from the recorders.
    pub released: StageFigures,
    /// Proven since the given midnight.
    pub proven_today: u64,
    /// Lacking one of the five.
    pub incomplete: u64,
    /// The oldest of them, milliseconds since the Unix epoch.
    pub incomplete_oldest_ms: Option<i64>,
    /// In quarantine.
    pub quarantined: u64,
    /// Deliveries that wait for a person.
    pub failed: u64,
    /// Bytes not yet proven at every required destination.
    pub unproven_bytes: u64,
    /// Small objects that wait to be stored.
    pub outbox: u64,
}

/// Which clips.
#[derive(Debug, Clone, Default)]
pub struct ClipFilter {
    /// Linked to the case with this key.
    pub case_key: Option<String>,
    /// Officer contains.
    pub officer: Option<String>,
    /// Recorder contains.
    pub recorder: Option<String>,
    /// Captured at or after, milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Captured before.
    pub to_ms: Option<i64>,
    /// One of the projected words.
    pub state: Option<String>,
    /// Lacks this one of the five; `any` for any of them.
    pub missing: Option<String>,
    /// Found by these terms.
    pub search: Option<SearchQuery>,
    /// What a search finds best comes first; otherwise the newest.
    pub best_first: bool,
    /// Only clips that sort after this one in the list (paging).
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Only what may stand in lists for whoever looks.
    pub within: Within,
    /// Now, for what is limited in time, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Only what a report counts.
    pub counted: Option<CountedFilter>,
}

/// A page of clips, newest first.
#[derive(Debug, Clone, Default)]
pub struct ClipPage {
    /// The clips.
    pub clips: Vec<ClipId>,
    /// How many match in all.
    pub total: u64,
    /// `total` is all of them, and not just as many as are counted.
    pub counted_all: bool,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the page before begins; empty: it is the first one. `None` on the first page.
    pub back: Option<String>,
}

impl Reader<'_> {
    /// Figures of the station. `midnight_ms` begins today in the station's zone.
    pub fn figures(&self, midnight_ms: i64) -> Result<StationFigures> {
        let mut figures = StationFigures::default();
        let mut statement = self.conn.prepare_cached(
            "SELECT t.state, t.clips, t.bytes, (SELECT coalesce(c.sealed_ms, c.created_ms) FROM clip c WHERE c.state = t.state ORDER BY coalesce(c.sealed_ms, c.created_ms) LIMIT 1) FROM clip_total t",
        )?;
        let rows = statement.query_map([], |r| {
            Ok((
                r.get::<_, String>(0)?,
                StageFigures {
                    count: r.get::<_, i64>(1)? as u64,
                    bytes: r.get::<_, i64>(2)? as u64,
                    oldest_ms: r.get(3)?,
                },
            ))
        })?;
        for row in rows {
            let (state, stage) = row?;
            match state.as_str() {
                "copying" => figures.copying = stage,
                "sealed" => figures.sealed = stage,
                "sending" => figures.sending = stage,
                "proven" => figures.proven = stage,
                _ => figures.released = stage,
            }
        }
        figures.unproven_bytes = figures.sealed.bytes + figures.sending.bytes;
        figures.docked = self.conn.query_row(
            "SELECT count(*), coalesce(sum(bytes), 0), min(opened_ms) FROM dock WHERE closed_ms IS NULL",
            [],
            |r| {
                Ok(StageFigures {
                    count: r.get::<_, i64>(0)? as u64,
                    bytes: r.get::<_, i64>(1)? as u64,
                    oldest_ms: r.get(2)?,
                })
            },
        )?;
        let one = |sql: &str, p: &[&dyn rusqlite::ToSql]| -> Result<u64> {
            Ok(self.conn.prepare_cached(sql)?.query_row(p, |r| r.get::<_, i64>(0))? as u64)
        };
        // By today's proofs: to save itself a sort of those, SQLite would go through all there ever were.
        figures.proven_today = one(
            "SELECT count(DISTINCT clip_id) FROM delivery INDEXED BY delivery_proven WHERE state = 'proven' AND required = 1 AND proven_ms >= ?1",
            &[&midnight_ms],
        )?;
        figures.quarantined = one("SELECT count(*) FROM clip WHERE quarantine IS NOT NULL", &[])?;
        figures.failed = one("SELECT coalesce(sum(n), 0) FROM delivery_total WHERE state = 'failed'", &[])?;
        figures.outbox = one("SELECT count(*) FROM outbox WHERE stored_ms IS NULL", &[])?;
        figures.incomplete = self.tally("owing")?.0;
        let oldest =
            "SELECT (SELECT owes_since_ms FROM clip WHERE owes_since_ms IS NOT NULL ORDER BY owes_since_ms LIMIT 1)";
        figures.incomplete_oldest_ms = self.conn.prepare_cached(oldest)?.query_row([], |r| r.get(0))?;
        Ok(figures)
    }

    /// A page of clips, newest first. Clips that are still being copied are in it.
    pub fn clips(&self, filter: &ClipFilter) -> Result<ClipPage> {
        self.clips_counted(filter, COUNTED)
    }

    /// The same; matches are counted up to `most`, and more than that are many.
    pub(super) fn clips_counted(&self, filter: &ClipFilter, most: i64) -> Result<ClipPage> {
        let mut conditions =
            vec!["c.clip_id NOT IN (SELECT clip_id FROM clip WHERE isolated_ms IS NOT NULL)".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut officers: Vec<String> = Vec::new();
        if let Some(key) = &filter.case_key {
            // No case has the number nought.
            let case = self.case_id(key)?.unwrap_or(0);
            values.push(case.into());
            conditions.push(self.of_case_sql(case, values.len())?);
        }
        let mut add = |sql: &str, value: Value| {
            values.push(value);
            conditions.push(sql.replace('?', &format!("?{}", values.len())));
            values.len()
        };
        // What a plus stands before, leads no query by itself: where it holds for many, their order does.
        if let Some(officer) = &filter.officer {
            let json = self.officers_like(officer)?;
            let n = add("coalesce(i.officer IN (SELECT value FROM json_each(?)), 0)", json.into());
            officers.push(format!("SELECT value FROM json_each(?{n})"));
        }
        if let Some(recorder) = &filter.recorder {
            add("+c.recorder_id IN (SELECT value FROM json_each(?))", self.recorders_like(recorder)?.into());
        }
        if let Some(from) = filter.from_ms {
            add("+i.captured_start_ms >= ?", from.into());
        }
        if let Some(to) = filter.to_ms {
            add("+i.captured_start_ms < ?", to.into());
        }
        if let Some(state) = &filter.state {
            add("+c.state = ?", state.clone().into());
        }
        match filter.missing.as_deref() {
            Some("any") => conditions.push("i.missing_count > 0".to_owned()),
            Some(name) => {
                add(
                    "i.missing_count > 0 AND instr(',' || i.missing || ',', ',' || ? || ',') > 0",
                    name.to_owned().into(),
                );
            }
            None => {}
        }
        if let Some(counted) = &filter.counted {
            conditions.push(self.counted_sql(counted, (filter.from_ms, filter.to_ms), &mut values)?);
        }
        if let Some(query) = filter.search.as_ref().filter(|q| !q.is_empty()) {
            return self.search(filter, query, conditions, values);
        }
        let mut clips = None;
        if let Some((condition, account)) = within_sql(&filter.within) {
            values.extend([account.into(), filter.now_ms.into()]);
            let n = values.len();
            conditions.push(format!("({})", bound(&condition, n - 1, n)));
            match officers_sql(&filter.within) {
                Some(sql) => officers.push(bound(sql, n - 1, n)),
                None => clips = narrow_sql(&filter.within, false).map(|sql| bound(&sql, n - 1, n)),
            }
        }
        let all = format!("FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE {}", conditions.join(" AND "));
        // The same by whatever names the clips: their officer, their time, their state.
        let mut named: Vec<String> = conditions.iter().map(|c| c.strip_prefix('+').unwrap_or(c).to_owned()).collect();
        named.extend(clips.map(|sql| format!("c.clip_id IN ({sql})")));
        let joined = match officers.is_empty() {
            true => "clip c LEFT JOIN clip_index i USING (clip_id)",
            false => "clip_index i CROSS JOIN clip c ON c.clip_id = i.clip_id",
        };
        named.extend(officers.into_iter().map(|sql| format!("i.officer IN ({sql})")));
        let named = format!("FROM {joined} WHERE {}", named.join(" AND "));
        let (total, counted_all) = match conditions.len() {
            // Triggers count all of them.
            1 => (self.conn.query_row("SELECT sum(clips) FROM clip_total", [], |r| r.get(0))?, true),
            _ => {
                let counted = format!("SELECT count(*) FROM (SELECT 1 {named} LIMIT {})", most + 1);
                let n: i64 = self.conn.prepare(&counted)?.query_row(params_from_iter(&values), |r| r.get(0))?;
                (n.min(most), n <= most)
            }
        };
        // Few are found by their names and put in order; of many each page is a walk in their order. What ended long ago
        // lies far behind in it.
        let past = filter.to_ms.is_some_and(|to| to < filter.now_ms.saturating_sub(PAST_MS));
        let from = if conditions.len() > 1 && (counted_all || past) { named } else { all };
        let limit = filter.limit.clamp(1, 1_000);
        let mut paged = from.clone();
        let unpaged = values.len();
        if let Some(after) = &filter.after {
            values.push(after.clone().into());
            paged.push_str(&format!(" AND c.clip_id < ?{}", values.len()));
        }
        let mut clips = {
            let sql = format!("SELECT c.clip_id {paged} ORDER BY c.clip_id DESC LIMIT {}", limit + 1);
            let mut statement = self.conn.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), |r| r.get::<_, String>(0))?;
            rows.map(|row| Ok(row?.parse()?)).collect::<Result<Vec<ClipId>>>()?
        };
        let more = clips.len() > limit as usize;
        clips.truncate(limit as usize);
        let next = if more { clips.last().map(|c| c.to_string()) } else { None };
        let back = match (&filter.after, clips.first()) {
            (None, _) => None,
            // What went beyond the end goes back to the begin.
            (Some(_), None) => Some(String::new()),
            (Some(_), Some(first)) => {
                values.truncate(unpaged);
                values.push(first.to_string().into());
                let sql = format!(
                    "SELECT c.clip_id {from} AND c.clip_id > ?{} ORDER BY c.clip_id LIMIT 1 OFFSET {limit}",
                    values.len()
                );
                let before = self.conn.prepare(&sql)?.query_row(params_from_iter(&values), |r| r.get::<_, String>(0));
                Some(before.optional()?.unwrap_or_default())
            }
        };
        Ok(ClipPage { clips, total: total as u64, counted_all, next, back })
    }

    /// For one dock: clips sealed, clips with all five facts missing none, clips proven, bytes sealed.
    pub fn dock_figures(&self, dock: i64) -> Result<(u64, u64, u64, u64)> {
        let sql = "SELECT coalesce(sum(state NOT IN ('copying')), 0), coalesce(sum(state <> 'copying' AND missing_count > 0), 0), coalesce(sum(state IN ('proven', 'released')), 0),
               coalesce(sum(CASE WHEN state <> 'copying' THEN size_bytes ELSE 0 END), 0)
             FROM (SELECT c.clip_id, c.state, c.size_bytes, i.missing_count FROM sighting s JOIN clip c USING (clip_id)
                   LEFT JOIN clip_index i USING (clip_id) WHERE s.dock_id = ?1
                   UNION
                   SELECT c.clip_id, c.state, c.size_bytes, i.missing_count FROM dock d
                   JOIN listed l ON l.recorder_id = d.recorder_id AND l.last_seen_ms >= d.opened_ms
                   JOIN segment s USING (recording_id) JOIN clip c USING (clip_id) LEFT JOIN clip_index i USING (clip_id) WHERE d.dock_id = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![dock], |r| {
            Ok((
                r.get::<_, i64>(0)? as u64,
                r.get::<_, i64>(1)? as u64,
                r.get::<_, i64>(2)? as u64,
                r.get::<_, i64>(3)? as u64,
            ))
        })?)
    }

    /// Bytes acknowledged for deliveries under way: clip, destination, acknowledged, size.
    pub fn under_way(&self) -> Result<Vec<(ClipId, String, u64, u64)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT d.clip_id, d.destination, d.acked_bytes, coalesce(c.size_bytes, c.declared_bytes, c.durable_bytes) FROM delivery d JOIN clip c USING (clip_id) WHERE d.state = 'sending'",
        )?;
        let rows = statement.query_map([], |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?, r.get::<_, i64>(2)? as u64, r.get::<_, i64>(3)? as u64))
        })?;
        rows.map(|row| {
            let (clip, destination, acked, size) = row?;
            Ok((clip.parse()?, destination, acked, size))
        })
        .collect()
    }
}
