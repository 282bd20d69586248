//! A search of somebody who is not shown everything. Any clip of one's own may be linked to any number: were clips found by
//! what the register says of their cases, whoever may not know that (party, cause, handlers) could ask it word by word. So
//! each hit is held against what it may be found by: the register's words of a case count for those who may know the case
//! ([`Reader::knows_case`]). The order of hits, their number and what a page goes on from depend on nothing else.

use std::collections::HashMap;

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::{COUNTED, ClipFilter, ClipPage, RANKED, Reader, Result, Text, Wanted};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;

/// Hits of the index that are looked at for one page, and for how many there are.
const LOOKED: usize = 5_000;

/// A hit that counts.
#[derive(Debug, Clone, Copy)]
struct Hit {
    clip: ClipId,
    doc: i64,
    score: f64,
}

/// Hits that count, newest first.
#[derive(Default)]
struct Hits {
    hits: Vec<Hit>,
    /// The last that was looked at, where there may be more behind it.
    more_from: Option<ClipId>,
}

/// Whether cases are known to whoever asks; each is asked of once.
struct Known<'a> {
    within: &'a Within,
    now_ms: i64,
    cases: HashMap<i64, bool>,
}

impl Reader<'_> {
    /// A page of clips; `from` is the rest of the query behind its columns, with `values`.
    pub(super) fn search_within(
        &self,
        filter: &ClipFilter,
        wanted: &Wanted,
        from: &str,
        values: &[Value],
    ) -> Result<ClipPage> {
        let mut known = Known { within: &filter.within, now_ms: filter.now_ms, cases: HashMap::new() };
        let limit = filter.limit.clamp(1, 1_000) as usize;
        let cursor = filter.after.as_deref().map(|after| self.cursor(after)).transpose()?;
        let most = (if filter.best_first { RANKED } else { COUNTED + 1 }) as usize;
        let first = self.hits(wanted, from, values, &mut known, None, most)?;
        let (total, counted_all) = match first.hits.len() {
            n if n > COUNTED as usize => (u64::from(COUNTED), false),
            n => (n as u64, first.more_from.is_none()),
        };
        let mut page = match (filter.best_first, cursor) {
            (true, cursor) => {
                let mut hits = first.hits;
                hits.sort_by(|a, b| a.score.total_cmp(&b.score).then(b.doc.cmp(&a.doc)));
                if let Some((score, doc)) = cursor.and_then(|c| Some((c.score?, c.doc))) {
                    hits.retain(|hit| (hit.score, -hit.doc) > (score, -doc));
                }
                // Of more the newest are in order, and that is all that is promised.
                Hits { hits, more_from: None }
            }
            (false, None) => first,
            (false, Some(cursor)) => self.hits(wanted, from, values, &mut known, Some(cursor.doc), limit + 1)?,
        };
        let more = page.hits.len() > limit;
        page.hits.truncate(limit);
        let next = match page.hits.last().filter(|_| more) {
            Some(last) if filter.best_first => Some(format!("{}~{:?}", last.clip, last.score)),
            Some(last) => Some(last.clip.to_string()),
            // So many hits did not count that the page is not full: it goes on behind them.
            None => page.more_from.map(|clip| clip.to_string()),
        };
        Ok(ClipPage {
            clips: page.hits.into_iter().map(|hit| hit.clip).collect(),
            total,
            counted_all,
            next,
            back: filter.after.as_ref().map(|_| String::new()),
        })
    }

    /// Up to `enough` hits that count, newest first, below a document.
    fn hits(
        &self,
        wanted: &Wanted,
        from: &str,
        values: &[Value],
        known: &mut Known<'_>,
        below: Option<i64>,
        enough: usize,
    ) -> Result<Hits> {
        let below = below.map(|doc| format!(" AND f.rowid < {doc}")).unwrap_or_default();
        let mut statement = self.conn.prepare(&format!(
            "SELECT s.clip_id, f.rowid, s.numbers, s.people, s.place, s.words {from}{below} ORDER BY f.rowid DESC LIMIT {}",
            LOOKED + 1
        ))?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut found, mut looked, mut last) = (Hits::default(), 0, None);
        while let Some(r) = rows.next()? {
            if looked == LOOKED {
                found.more_from = last;
                break;
            }
            looked += 1;
            let clip: ClipId = r.get::<_, String>(0)?.parse()?;
            last = Some(clip);
            let hidden = self.unknown_cases(clip, known)?;
            let text = match hidden.as_slice() {
                [] => Some(Text { numbers: r.get(2)?, people: r.get(3)?, place: r.get(4)?, words: r.get(5)? }),
                hidden => self.text_without(clip, hidden)?,
            };
            if let Some(score) = text.and_then(|text| wanted.score(&text)) {
                found.hits.push(Hit { clip, doc: r.get(1)?, score });
                if found.hits.len() == enough {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Cases of a clip of which the register says what somebody may not know.
    fn unknown_cases(&self, clip: ClipId, known: &mut Known<'_>) -> Result<Vec<i64>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.case_id FROM case_link l WHERE l.clip_id = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)",
        )?;
        let cases = statement.query_map([clip.to_string()], |r| r.get(0))?;
        let mut unknown = Vec::new();
        for case in cases {
            let case: i64 = case?;
            let knows = match known.cases.get(&case) {
                Some(knows) => *knows,
                None => {
                    let knows =
                        self.case_entry(case)?.is_none() || self.knows_case(case, known.within, known.now_ms)?;
                    known.cases.insert(case, knows);
                    knows
                }
            };
            if !knows {
                unknown.push(case);
            }
        }
        Ok(unknown)
    }
}
