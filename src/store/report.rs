//! Rows behind statistics: what each recording counts as (kept with every change of a clip), sums over a period, what was
//! taken in, cases and recorders of a period, and the register of clips (台账).

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::accounts::{bound, within_sql};
use super::disposal::IS_A_CASE;
use super::large::LISTED_BY_CASE;
use super::narrow::{narrow_sql, officers_sql};
use super::triage::up_to;
use super::{Reader, Result, StoreError, Tx};
use crate::domain::coverage::{Allowed, Standing};
use crate::domain::ids::ClipId;
use crate::domain::record::{self, Fact, Field, Origin};
use crate::domain::register::{Entry, Register, kind_key};
use crate::domain::report::{AT_ONCE_MS, CaseGaps, Counts, Figure, Group, IN_TIME_MS, ListedClip, OverdueRow, Units};
use crate::domain::rights::{Over, Within};

/// Rows of one register of clips: more are no work for a spreadsheet.
pub const MOST_LISTED: usize = 100_000;
/// Cases of one period that are looked at against the catalogue.
pub const MOST_CASES: usize = 20_000;

/// Which clips a report counts: what narrows a list beyond the facts that lists know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedFilter {
    /// The figure that is opened.
    pub figure: Option<Figure>,
    /// Of this unit; an empty one stands for officers of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement; an empty one for those that have none.
    pub kind: Option<String>,
    /// Taken in from the first to before the second, milliseconds since the Unix epoch.
    pub taken_ms: Option<(i64, i64)>,
}

/// The bounds of a list over rows of `clip_report c`, which has what they ask of clip and index.
fn bounds(within: &Within) -> Option<(String, i64)> {
    let (condition, account) = within_sql(within)?;
    Some((condition.replace("i.officer", "c.officer").replace("i.care", "c.care"), account))
}

/// Appends the bounds, and their values. What is isolated counts for nobody, and stands in no list that a figure opens.
fn within(sql: &mut String, values: &mut Vec<Value>, bounded: &Within, now_ms: i64) {
    sql.push_str(" AND c.isolated_ms IS NULL");
    if let Some((condition, account)) = bounds(bounded) {
        values.extend([account.into(), now_ms.into()]);
        let n = values.len();
        sql.push_str(&format!(" AND ({})", bound(&condition, n - 1, n)));
    }
}

pub(super) fn all_of_it(within: &Within) -> bool {
    match within {
        Within::Everything => true,
        Within::Of { stretches, .. } => stretches.iter().any(|(over, _)| *over == Over::All),
    }
}

impl Tx<'_> {
    /// Rewrites what a clip counts as. Called with every change of its facets, facts and links.
    pub(super) fn refigure(&self, clip: ClipId) -> Result<()> {
        let kind = self.read().kind_of(clip)?;
        self.conn
            .prepare_cached(&format!(
                "INSERT INTO clip_report (clip_id, captured_ms, officer, kind, care, isolated_ms, duration_ms, bytes, sealed_ms, completed_ms, proven_ms, complete, linked, proven,
                   loose_ms, keep_ms)
                 SELECT clip_id, captured_ms, officer, ?2, care, isolated_ms, duration_ms, bytes, sealed_ms, completed_ms, proven_ms,
                   CASE WHEN completed_ms IS NULL THEN 'no' WHEN completed_ms - sealed_ms <= {AT_ONCE_MS} THEN 'at_once' ELSE 'chased' END,
                   linked,
                   CASE WHEN proven_ms IS NULL THEN 'no' WHEN proven_ms - coalesce(captured_ms + duration_ms, sealed_ms) <= {IN_TIME_MS} THEN 'in_time' ELSE 'late' END,
                   CASE WHEN linked IN ('no', 'early') AND filed = 0 AND disposed_ms IS NULL THEN max(sealed_ms, coalesce((
                     SELECT max(l.at_ms) FROM case_link l JOIN case_file f ON f.case_id = l.case_id WHERE l.clip_id = ?1 AND l.withdrawn = 1 AND {IS_A_CASE}), 0)) END,
                   CASE WHEN filed > 0 AND filed = ending AND disposed_ms IS NULL THEN until_ms END
                 FROM (SELECT k.*, n.* FROM (SELECT c.clip_id, i.captured_start_ms AS captured_ms, i.officer, i.care, c.isolated_ms, c.disposed_ms, coalesce(m.duration_ms, 0) AS duration_ms,
                     CASE WHEN c.shares IS NULL THEN c.size_bytes ELSE 0 END AS bytes, c.sealed_ms,
                     CASE WHEN coalesce(i.missing_count, 5) = 0 THEN coalesce(r.completed_ms, ?3) END AS completed_ms,
                     CASE WHEN c.state IN ('proven', 'released') THEN coalesce(r.proven_ms,
                       (SELECT max(d.proven_ms) FROM delivery d WHERE d.clip_id = c.clip_id AND d.required = 1), ?3) END AS proven_ms,
                     coalesce((SELECT CASE WHEN max(f.kind = 'case') = 0 THEN 'early' WHEN max(f.kind = 'case' AND l.origin = 'person') THEN 'hand' ELSE 'rule' END
                       FROM case_link l JOIN case_file f ON f.case_id = l.case_id WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
                       AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) HAVING count(*) > 0), 'no') AS linked
                   FROM clip c LEFT JOIN clip_index i USING (clip_id) LEFT JOIN media m USING (clip_id) LEFT JOIN clip_report r USING (clip_id)
                   WHERE c.clip_id = ?1 AND c.local <> 'copying' AND c.role IN ('clip', 'other')) k
                   CROSS JOIN (SELECT count(*) AS filed, count(x.keep_until_ms) AS ending, max(x.keep_until_ms) AS until_ms FROM filing_clip x
                     JOIN filing g ON g.filing_id = x.filing_id AND g.reopened_ms IS NULL AND g.filed_ms IS NOT NULL WHERE x.clip_id = ?1) n)
                 WHERE 1
                 ON CONFLICT (clip_id) DO UPDATE SET captured_ms = excluded.captured_ms, officer = excluded.officer, kind = excluded.kind, care = excluded.care,
                   isolated_ms = excluded.isolated_ms, duration_ms = excluded.duration_ms, bytes = excluded.bytes, sealed_ms = excluded.sealed_ms,
                   completed_ms = excluded.completed_ms, proven_ms = excluded.proven_ms, complete = excluded.complete, linked = excluded.linked,
                   proven = excluded.proven, loose_ms = excluded.loose_ms, keep_ms = excluded.keep_ms"
            ))?
            .execute(params![clip.to_string(), kind, self.now_ms()])?;
        Ok(())
    }

    /// The same for every clip of a case: its register says another kind of enforcement.
    pub(super) fn refigure_case(&self, case: i64) -> Result<()> {
        self.read().clips_of_case(case)?.into_iter().try_for_each(|clip| self.refigure(clip))
    }
}

/// Officer, kind of enforcement, and how many recordings.
pub type Undated = (Option<String>, Option<String>, u64);

impl Reader<'_> {
    /// The kind of enforcement that a clip counts under.
    fn kind_of(&self, clip: ClipId) -> Result<Option<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT value, origin, at_ms FROM fact WHERE clip_id = ?1 AND field = 'enforcement_kind' ORDER BY fact_id",
        )?;
        let rows = statement
            .query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get::<_, String>(1)?, r.get(2)?)))?
            .collect::<std::result::Result<Vec<(String, String, i64)>, _>>()?;
        let facts: Vec<Fact> = rows
            .into_iter()
            .filter_map(|(value, origin, at_ms)| {
                Some(Fact { field: Field::EnforcementKind, value, origin: Origin::parse(&origin)?, at_ms })
            })
            .collect();
        if let Some(fact) = record::settle(&facts).remove(&Field::EnforcementKind) {
            return Ok(Some(fact.value));
        }
        let of_case = "SELECT nullif(json_extract(e.entry, '$.kind'), '') FROM case_link l JOIN register_entry e ON e.case_id = l.case_id
             WHERE l.clip_id = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(x.rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) ORDER BY l.link_id LIMIT 1";
        let found = self.conn.prepare_cached(of_case)?.query_row([clip.to_string()], |r| r.get(0)).optional()?;
        Ok(found.flatten())
    }

    /// Whose unit officers are of: what the register says, then what accounts say.
    pub fn units(&self) -> Result<Units> {
        let mut units = Units::default();
        let mut said: Vec<(String, String)> = Vec::new();
        for row in self.entries(Register::Officer, None, u32::MAX)? {
            if let Some(unit) = row.entry.get("unit") {
                let names = ["name", "number", "cert_no"].into_iter().filter_map(|c| row.entry.get(c));
                said.extend(names.map(|name| (name.to_owned(), unit.to_owned())));
            }
        }
        units.add(said.iter().map(|(officer, unit)| (officer.as_str(), unit.as_str())));
        let mut statement = self.conn.prepare_cached(
            "SELECT o.officer, a.unit FROM account_officer o JOIN account a USING (account_id) WHERE a.unit IS NOT NULL",
        )?;
        let said: Vec<(String, String)> =
            statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<std::result::Result<_, _>>()?;
        units.add(said.iter().map(|(officer, unit)| (officer.as_str(), unit.as_str())));
        Ok(units)
    }

    /// Everybody whom some recording names, each once; one step in the index for each.
    pub fn officers_seen(&self) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "WITH RECURSIVE o (officer) AS (SELECT min(officer) FROM clip_report WHERE officer IS NOT NULL
               UNION ALL SELECT (SELECT min(officer) FROM clip_report WHERE officer > o.officer) FROM o WHERE o.officer IS NOT NULL)
             SELECT officer FROM o WHERE officer IS NOT NULL",
        )?;
        let rows = statement.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Kinds of enforcement as recordings have them, each once; of a period where both ends of it are known. None is empty.
    fn kinds_seen(&self, span_ms: (Option<i64>, Option<i64>)) -> Result<Vec<String>> {
        let all = "SELECT DISTINCT coalesce(kind, '') FROM clip_report";
        let (sql, bounds) = match span_ms {
            (Some(from), Some(to)) => (format!("{all} WHERE captured_ms >= ?1 AND captured_ms < ?2"), vec![from, to]),
            _ => (all.to_owned(), Vec::new()),
        };
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(&bounds), |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The condition of a list over clips `c` for what a report counts, with its values from the `n`-th on.
    pub(super) fn counted_sql(
        &self,
        filter: &CountedFilter,
        span_ms: (Option<i64>, Option<i64>),
        values: &mut Vec<Value>,
    ) -> Result<String> {
        let mut conditions = vec!["1".to_owned()];
        // Words, not values: the index over what is not yet linkable is of one word.
        conditions.extend(filter.figure.and_then(figure_sql).map(str::to_owned));
        let mut add = |sql: &str, value: Value| {
            values.push(value);
            conditions.push(sql.replace('?', &format!("?{}", values.len())));
        };
        if let Some(from) = span_ms.0 {
            add("g.captured_ms >= ?", from.into());
        }
        if let Some(to) = span_ms.1 {
            add("g.captured_ms < ?", to.into());
        }
        if let Some((from, to)) = filter.taken_ms {
            add("g.sealed_ms >= ?", from.into());
            add("g.sealed_ms < ?", to.into());
        }
        if let Some(kind) = &filter.kind {
            let same = |known: &String| kind_key(known) == kind_key(kind);
            let kinds: Vec<String> = self.kinds_seen(span_ms)?.into_iter().filter(same).collect();
            let json = serde_json::to_string(&kinds).map_err(|e| StoreError::Odd(e.to_string()))?;
            add("coalesce(g.kind, '') IN (SELECT value FROM json_each(?))", json.into());
        }
        if let Some(unit) = &filter.unit {
            let units = self.units()?;
            let officers: Vec<String> =
                self.officers_seen()?.into_iter().filter(|o| units.is_of(Some(o), unit)).collect();
            let json = serde_json::to_string(&officers).map_err(|e| StoreError::Odd(e.to_string()))?;
            let nobody = if unit.is_empty() { " OR g.officer IS NULL" } else { "" };
            add(&format!("(g.officer IN (SELECT value FROM json_each(?)){nobody})"), json.into());
        }
        let conditions = conditions.join(" AND ");
        // Of what most clips are, each page is a walk along the clips, of which so many are such; else from the figure to its clips.
        let alone = CountedFilter { figure: Some(Figure::NotYetLinkable), ..CountedFilter::default() };
        let most = *filter == alone && span_ms == (None, None);
        Ok(match most && self.not_yet_linkable(&Within::Everything, 0)? > LISTED_BY_CASE {
            true => format!("EXISTS (SELECT 1 FROM clip_report g WHERE g.clip_id = c.clip_id AND {conditions})"),
            false => format!("c.clip_id IN (SELECT g.clip_id FROM clip_report g WHERE {conditions})"),
        })
    }

    /// Sums over recordings whose capture began in `span_ms` (its end not of it), by officer and kind of enforcement.
    pub fn report_groups(&self, span_ms: (i64, i64), bounded: &Within, now_ms: i64) -> Result<Vec<Group>> {
        let (sql, values) = groups_sql(span_ms, bounded, now_ms);
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(&values), |r| {
            let n = |i: usize| r.get::<_, i64>(i).map(|n| n.max(0) as u64);
            Ok(Group {
                officer: r.get(0)?,
                kind: r.get(1)?,
                counts: Counts {
                    clips: n(2)?,
                    duration_ms: n(3)?,
                    bytes: n(4)?,
                    at_once: n(5)?,
                    chased: n(6)?,
                    incomplete: n(7)?,
                    by_rule: n(8)?,
                    by_hand: n(9)?,
                    not_yet_linkable: n(10)?,
                    unlinked: n(11)?,
                    in_time: n(12)?,
                    late: n(13)?,
                    unproven: n(14)?,
                },
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Recordings of which nobody knows when they were captured, by officer: how many.
    pub fn undated(&self, bounded: &Within, now_ms: i64) -> Result<Vec<Undated>> {
        let mut sql = "SELECT c.officer, c.kind, count(*) FROM clip_report c WHERE c.captured_ms IS NULL".to_owned();
        let mut values = Vec::new();
        within(&mut sql, &mut values, bounded, now_ms);
        sql.push_str(" GROUP BY c.officer, c.kind");
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement
            .query_map(params_from_iter(&values), |r| Ok((r.get(0)?, r.get(1)?, r.get::<_, i64>(2)?.max(0) as u64)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Recordings that are linked to a reference from before a case (inspection task, on-the-spot document, 日常检查) and to
    /// no case: not yet linkable, and counted apart from what is missing.
    pub fn not_yet_linkable(&self, bounded: &Within, now_ms: i64) -> Result<u64> {
        // Triggers count them by their label.
        if let Some(place) = up_to(bounded) {
            let sql = "SELECT coalesce(sum(n), 0) FROM tally WHERE what BETWEEN 'early 0' AND 'early ' || ?1";
            return Ok(self.conn.prepare_cached(sql)?.query_row([place], |r| r.get::<_, i64>(0))?.max(0) as u64);
        }
        let mut sql = "SELECT count(*) FROM clip_report c WHERE c.linked = 'early'".to_owned();
        let mut values = Vec::new();
        within(&mut sql, &mut values, bounded, now_ms);
        // From whom to their clips, which are few of all.
        let n = values.len();
        match (officers_sql(bounded), narrow_sql(bounded, false)) {
            (Some(officers), _) => sql.push_str(&format!(" AND c.officer IN ({})", bound(officers, n - 1, n))),
            (None, Some(clips)) => sql.push_str(&format!(" AND c.clip_id IN ({})", bound(&clips, n - 1, n))),
            (None, None) => {}
        }
        let n: i64 = self.conn.prepare(&sql)?.query_row(params_from_iter(&values), |r| r.get(0))?;
        Ok(n.max(0) as u64)
    }

    /// What was taken in during `span_ms`, by officer: clips and their bytes.
    pub fn taken_in(
        &self,
        span_ms: (i64, i64),
        bounded: &Within,
        now_ms: i64,
    ) -> Result<Vec<(Option<String>, u64, u64)>> {
        let mut sql =
            "SELECT c.officer, count(*), sum(c.bytes) FROM clip_report c WHERE c.sealed_ms >= ?1 AND c.sealed_ms < ?2"
                .to_owned();
        let mut values: Vec<Value> = vec![span_ms.0.into(), span_ms.1.into()];
        within(&mut sql, &mut values, bounded, now_ms);
        sql.push_str(" GROUP BY c.officer");
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(&values), |r| {
            Ok((r.get(0)?, r.get::<_, i64>(1)?.max(0) as u64, r.get::<_, i64>(2)?.max(0) as u64))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Bytes of every clip that the station knows.
    pub fn bytes_in_all(&self) -> Result<u64> {
        let sql = "SELECT coalesce(sum(bytes), 0) FROM clip_total";
        Ok(self.conn.prepare_cached(sql)?.query_row([], |r| r.get::<_, i64>(0))?.max(0) as u64)
    }

    /// Kinds of enforcement that the recordings of a period have, and cases; each once.
    pub fn kinds_known(&self) -> Result<Vec<String>> {
        let mut kinds: Vec<String> = self.catalogue_items()?.into_iter().filter_map(|item| item.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Ok(kinds)
    }

    /// Recorders that were expected back in `span_ms` and before `now_ms`, and were not there by then.
    pub fn overdue_in(&self, span_ms: (i64, i64), bounded: &Within, now_ms: i64) -> Result<Vec<OverdueRow>> {
        let account = match bounded {
            Within::Of { account, .. } if !all_of_it(bounded) => Some(*account),
            _ => None,
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT named, officer, from_ms, due_ms, to_ms FROM issue WHERE due_ms >= ?1 AND due_ms < min(?2, ?3) AND (to_ms IS NULL OR to_ms > due_ms)
               AND (?4 IS NULL OR officer IN (SELECT o.officer FROM account_officer o JOIN account m USING (account_id)
                 JOIN account me ON me.account_id = ?4 AND (me.unit = m.unit OR me.account_id = m.account_id)))
             ORDER BY due_ms, issue_id",
        )?;
        let rows = statement.query_map(params![span_ms.0, span_ms.1, now_ms, account], |r| {
            Ok(OverdueRow {
                recorder: r.get(0)?,
                officer: r.get(1)?,
                from_ms: r.get(2)?,
                due_ms: r.get(3)?,
                back_ms: r.get(4)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Cases that were opened in `span_ms`, against the catalogue, oldest first; and whether there were more than can be
    /// looked at. `keep` says which: by the case's entry and its unit. Whoever sees not everything sees cases of which some
    /// clip may stand in their lists, by those clips alone, and those of their own unit.
    pub fn gaps_in(
        &self,
        span_ms: (i64, i64),
        units: &Units,
        bounded: &Within,
        (now_ms, allowed): (i64, Allowed),
        keep: &dyn Fn(&Entry, Option<&str>) -> bool,
    ) -> Result<(Vec<CaseGaps>, bool)> {
        let items = self.catalogue_items()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT case_id, entry FROM register_entry WHERE opened_ms >= ?1 AND opened_ms < ?2 ORDER BY opened_ms, entry_key LIMIT ?3",
        )?;
        let rows: Vec<(i64, String)> = statement
            .query_map(params![span_ms.0, span_ms.1, MOST_CASES as i64 + 1], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<std::result::Result<_, _>>()?;
        let (more, own) = (rows.len() > MOST_CASES, self.unit_within(bounded)?);
        let mut found = Vec::new();
        for (case, json) in rows.into_iter().take(MOST_CASES) {
            let entry: Entry = serde_json::from_str(&json).map_err(|e| StoreError::Odd(format!("a case: {e}")))?;
            let officers = entry.list("officers");
            let unit = entry.get("unit").or_else(|| officers.iter().find_map(|o| units.of(Some(o))));
            let of_theirs = own.as_deref().is_some_and(|own| {
                unit.is_some_and(|u| crate::domain::register::name_key(u) == crate::domain::register::name_key(own))
            });
            let seen = match all_of_it(bounded) || of_theirs {
                true => None,
                false => Some(self.clips_within(&self.clips_of_case(case)?, bounded, now_ms)?),
            };
            if seen.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            // Of a case of others with a clip of theirs, what the register says is not told, nor chosen by.
            let known = seen.is_none() || self.knows_case(case, bounded, now_ms)?;
            let unit = unit.filter(|_| known);
            let kept = if known { keep(&entry, unit) } else { keep(&Entry::default(), None) };
            if !kept {
                continue;
            }
            let coverage = match &seen {
                None => self.coverage_by(&items, &entry, case, now_ms, allowed)?,
                Some(seen) => self.coverage_seen(case, seen, known, now_ms, allowed)?,
            };
            let of = |standing| {
                let lines = coverage.lines.iter().filter(move |l| l.standing == standing);
                lines.map(|l| l.item.matter.clone()).collect::<Vec<String>>()
            };
            found.push(CaseGaps {
                number: self.aliases(case)?.into_iter().next().map(|(_, n)| n).unwrap_or_default(),
                unit: unit.map(str::to_owned),
                missing: of(Standing::Missing),
                explained: of(Standing::Explained),
                interrupted: of(Standing::Interrupted),
            });
        }
        Ok((found, more))
    }

    /// The unit to which an account is bound, where it has such bounds alone.
    pub fn unit_within(&self, bounded: &Within) -> Result<Option<String>> {
        match bounded {
            Within::Of { account, stretches } if stretches.iter().any(|(over, _)| *over == Over::Unit) => {
                let sql = "SELECT unit FROM account WHERE account_id = ?1";
                Ok(self.conn.prepare_cached(sql)?.query_row([account], |r| r.get(0)).optional()?.flatten())
            }
            _ => Ok(None),
        }
    }

    /// The register of clips (台账) of a period, by their capture; of those that `keep` by officer and kind. `None` where it
    /// would be longer than [`MOST_LISTED`].
    pub fn listed_clips(
        &self,
        span_ms: (i64, i64),
        units: &Units,
        bounded: &Within,
        now_ms: i64,
        keep: &dyn Fn(Option<&str>, Option<&str>) -> bool,
    ) -> Result<Option<Vec<ListedClip>>> {
        let mut sql = "SELECT c.clip_id, c.captured_ms, c.duration_ms, k.size_bytes, c.officer, k.recorder_id, i.place, c.kind, c.complete, c.linked, c.proven, c.proven_ms, lower(hex(k.sha256))
             FROM clip_report c JOIN clip k USING (clip_id) LEFT JOIN clip_index i USING (clip_id) WHERE c.captured_ms >= ?1 AND c.captured_ms < ?2"
            .to_owned();
        let mut values: Vec<Value> = vec![span_ms.0.into(), span_ms.1.into()];
        within(&mut sql, &mut values, bounded, now_ms);
        sql.push_str(" ORDER BY c.captured_ms, c.clip_id");
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            let (officer, kind): (Option<String>, Option<String>) = (r.get(4)?, r.get(7)?);
            if !keep(officer.as_deref(), kind.as_deref()) {
                continue;
            }
            if found.len() == MOST_LISTED {
                return Ok(None);
            }
            let clip: ClipId = r.get::<_, String>(0)?.parse()?;
            let links = self.links(clip)?;
            let settled = record::settle(&self.facts(clip)?);
            let said = |field, of: fn(&super::LinkRow) -> &Option<String>| match links.iter().find(|l| of(l).is_some())
            {
                Some(link) => link.said(field, &settled),
                None => settled.get(&field).map(|f| f.value.clone()),
            };
            found.push(ListedClip {
                clip,
                captured_ms: r.get(1)?,
                duration_ms: r.get(2)?,
                bytes: r.get::<_, i64>(3)?.max(0) as u64,
                unit: units.of(officer.as_deref()).map(str::to_owned),
                officer,
                recorder: r.get(5)?,
                place: r.get(6)?,
                kind,
                said: [
                    said(Field::Stage, |l| &l.stage),
                    said(Field::Matter, |l| &l.matter),
                    said(Field::Proves, |l| &l.proves),
                ],
                cases: links.iter().map(|l| l.display.clone()).collect(),
                complete: r.get(8)?,
                linked: r.get(9)?,
                proven: r.get(10)?,
                proven_ms: r.get(11)?,
                sha256: r.get(12)?,
            });
        }
        Ok(Some(found))
    }
}

/// Which rows of `clip_report g` a figure counts; `None`: all of them.
fn figure_sql(figure: Figure) -> Option<&'static str> {
    Some(match figure {
        Figure::Recorded => return None,
        Figure::AtOnce => "g.complete = 'at_once'",
        Figure::Chased => "g.complete = 'chased'",
        Figure::Incomplete => "g.complete = 'no'",
        Figure::Linked => "g.linked IN ('rule', 'hand')",
        Figure::ByRule => "g.linked = 'rule'",
        Figure::ByHand => "g.linked = 'hand'",
        Figure::NotYetLinkable => "g.linked = 'early'",
        Figure::Unlinked => "g.linked = 'no'",
        Figure::InTime => "g.proven = 'in_time'",
        Figure::Late => "g.proven = 'late'",
        Figure::Unproven => "g.proven = 'no'",
        Figure::Undated => "g.captured_ms IS NULL",
    })
}

/// The query of [`Reader::report_groups`].
fn groups_sql(span_ms: (i64, i64), bounded: &Within, now_ms: i64) -> (String, Vec<Value>) {
    let mut sql = "SELECT c.officer, c.kind, count(*), sum(c.duration_ms), sum(c.bytes),
           sum(c.complete = 'at_once'), sum(c.complete = 'chased'), sum(c.complete = 'no'),
           sum(c.linked = 'rule'), sum(c.linked = 'hand'), sum(c.linked = 'early'), sum(c.linked = 'no'),
           sum(c.proven = 'in_time'), sum(c.proven = 'late'), sum(c.proven = 'no')
         FROM clip_report c WHERE c.captured_ms >= ?1 AND c.captured_ms < ?2"
        .to_owned();
    let mut values: Vec<Value> = vec![span_ms.0.into(), span_ms.1.into()];
    within(&mut sql, &mut values, bounded, now_ms);
    sql.push_str(" GROUP BY c.officer, c.kind");
    (sql, values)
}

#[cfg(test)]
mod tests;
