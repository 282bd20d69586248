//! Queries behind pages and reports: figures of the station, lists of clips.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

use super::accounts::{bound, within_sql};
use super::{Reader, Result};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;

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
    /// Only clips that sort after this one in the list (paging).
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Only what may stand in lists for whoever looks.
    pub within: Within,
    /// Now, for what is limited in time, milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// A page of clips, newest first.
#[derive(Debug, Clone, Default)]
pub struct ClipPage {
    /// The clips.
    pub clips: Vec<ClipId>,
    /// How many match in all.
    pub total: u64,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Reader<'_> {
    /// Figures of the station. `midnight_ms` begins today in the station's zone.
    pub fn figures(&self, midnight_ms: i64) -> Result<StationFigures> {
        let mut figures = StationFigures::default();
        let mut statement = self.conn.prepare_cached(
            "SELECT t.state, t.clips, t.bytes, (SELECT min(coalesce(c.sealed_ms, c.created_ms)) FROM clip c WHERE c.state = t.state) FROM clip_total t",
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
        figures.proven_today = one(
            "SELECT count(DISTINCT clip_id) FROM delivery WHERE state = 'proven' AND required = 1 AND proven_ms >= ?1",
            &[&midnight_ms],
        )?;
        figures.quarantined = one("SELECT count(*) FROM clip WHERE quarantine IS NOT NULL", &[])?;
        figures.failed = one("SELECT count(*) FROM delivery WHERE state = 'failed'", &[])?;
        figures.outbox = one("SELECT count(*) FROM outbox WHERE stored_ms IS NULL", &[])?;
        (figures.incomplete, figures.incomplete_oldest_ms) = self.conn.query_row(
            "SELECT count(*), min(owes_since_ms) FROM clip WHERE owes_since_ms IS NOT NULL",
            [],
            |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?)),
        )?;
        Ok(figures)
    }

    /// A page of clips, newest first. Clips that are still being copied are in it.
    pub fn clips(&self, filter: &ClipFilter) -> Result<ClipPage> {
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut add = |sql: &str, value: Value| {
            values.push(value);
            conditions.push(sql.replace('?', &format!("?{}", values.len())));
        };
        if let Some(key) = &filter.case_key {
            add(
                "EXISTS (SELECT 1 FROM case_link l JOIN case_alias a ON a.case_id = l.case_id WHERE l.clip_id = c.clip_id AND a.case_key = ? AND l.withdrawn = 0
                   AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id))",
                key.clone().into(),
            );
        }
        if let Some(officer) = &filter.officer {
            add("instr(i.officer, ?) > 0", officer.clone().into());
        }
        if let Some(recorder) = &filter.recorder {
            add("instr(lower(c.recorder_id), lower(?)) > 0", recorder.clone().into());
        }
        if let Some(from) = filter.from_ms {
            add("i.captured_start_ms >= ?", from.into());
        }
        if let Some(to) = filter.to_ms {
            add("i.captured_start_ms < ?", to.into());
        }
        if let Some(state) = &filter.state {
            add("c.state = ?", state.clone().into());
        }
        match filter.missing.as_deref() {
            Some("any") => add("i.missing_count > ?", 0.into()),
            Some(name) => add("instr(',' || i.missing || ',', ',' || ? || ',') > 0", name.to_owned().into()),
            None => {}
        }
        if let Some((condition, account)) = within_sql(&filter.within) {
            values.extend([account.into(), filter.now_ms.into()]);
            let n = values.len();
            conditions.push(format!("({})", bound(&condition, n - 1, n)));
        }
        let from = format!("FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE {}", conditions.join(" AND "));
        let total: i64 = self
            .conn
            .prepare(&format!("SELECT count(*) {from}"))?
            .query_row(params_from_iter(&values), |r| r.get(0))?;
        let limit = filter.limit.clamp(1, 1_000);
        let mut paged = from;
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
        Ok(ClipPage { clips, total: total as u64, next })
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
