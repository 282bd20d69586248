//! The index of what is searched: kept in the transaction of what it is about, made anew on request, and asked.
//!
//! Triggers note which clips a change touches (`search_due`); their text is written at the end of the same transaction, and
//! where one change touches more than [`AT_ONCE`] clips (a register of cases), the rest in those right after it. The index
//! is derived: where it cannot be written, that is told and what it is about is stored all the same.
//!
//! It holds what the register says of the cases of a clip, too. Whoever may not know that of a case finds nothing by it
//! ([`within`]).

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::accounts::{bound, within_sql};
use super::report::all_of_it;
use super::{ClipFilter, ClipPage, Reader, Result, StoreError, Tx};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, settle};
use crate::domain::search::{self, SearchQuery, Term};

mod wanted;
mod within;

use wanted::{Phrase, Wanted};

/// Clips whose text is written with the change that made it due; the rest follows.
pub(super) const AT_ONCE: u32 = 200;
/// Cases that half a number stands for, at most: who types two digits has to type more.
const CASES: u32 = 60;
/// Other names of somebody, at most.
const NAMES: u32 = 8;
/// Matches of which the best are looked for: the newest ones.
const RANKED: u32 = 2_000;
/// So many are counted; more are "more".
const COUNTED: u32 = 1_000;

/// What a clip is found by, as lines of tokens.
#[derive(Debug, Default, PartialEq, Eq)]
struct Text {
    numbers: String,
    people: String,
    place: String,
    words: String,
}

/// How the index is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchCheck {
    /// SQLite has the module.
    pub compiled_in: bool,
    /// Clips.
    pub clips: u64,
    /// Of these, in the index.
    pub indexed: u64,
    /// Waiting for their text to be written.
    pub due: u64,
    /// Of the newest ones, those whose text is not what it should be.
    pub wrong: u64,
    /// What SQLite says of the index's own structure.
    pub verdict: String,
}

impl Tx<'_> {
    /// Writes the text of clips that are due, the longest waiting first; gives how many there were.
    pub fn index_due(&self, limit: u32) -> Result<usize> {
        let due: Vec<String> = self
            .conn
            .prepare_cached("SELECT clip_id FROM search_due LIMIT ?1")?
            .query_map([limit], |r| r.get(0))?
            .collect::<std::result::Result<_, _>>()?;
        for clip in &due {
            let text = match clip.parse::<ClipId>() {
                Ok(id) => self.read().search_text(id)?,
                // A row that no clip of ours can have: nothing finds it.
                Err(_) => None,
            };
            match text {
                Some(text) => self.conn.prepare_cached(
                    "INSERT INTO search_text (clip_id, numbers, people, place, words) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (clip_id) DO UPDATE SET numbers = excluded.numbers, people = excluded.people, place = excluded.place, words = excluded.words
                       WHERE numbers <> excluded.numbers OR people <> excluded.people OR place <> excluded.place OR words <> excluded.words",
                )?
                .execute(params![clip, text.numbers, text.people, text.place, text.words])?,
                None => self.conn.prepare_cached("DELETE FROM search_text WHERE clip_id = ?1")?.execute([clip])?,
            };
            self.conn.prepare_cached("DELETE FROM search_due WHERE clip_id = ?1")?.execute([clip])?;
        }
        Ok(due.len())
    }

    /// The last step of every change: what it made due. A broken index is told, and stops nothing.
    pub(super) fn index_changed(&self) {
        let indexed = self.conn.execute_batch("SAVEPOINT indexing").map_err(StoreError::from).and_then(|()| {
            let indexed = self.index_due(AT_ONCE);
            // FTS5 writes what it gathered when a savepoint is opened, else with the commit: what is wrong with it has to show
            // here, where nothing but the index is given up.
            let indexed = match indexed {
                Ok(0) => Ok(0),
                Ok(n) => self.conn.execute_batch("SAVEPOINT written; RELEASE written").map(|()| n).map_err(Into::into),
                Err(e) => Err(e),
            };
            let end = if indexed.is_ok() { "RELEASE indexing" } else { "ROLLBACK TO indexing; RELEASE indexing" };
            self.conn.execute_batch(end)?;
            indexed
        });
        if let Err(e) = indexed {
            tracing::error!(error = %crate::domain::error::chain(&e), "the index of searches could not be written; nothing else is affected, `evidock find --rebuild` makes it anew");
        }
    }

    /// Makes the index anew: its structure now, the text of every clip in the transactions after this one.
    pub fn rebuild_search(&self) -> Result<u64> {
        self.conn.execute_batch(
            "INSERT INTO search_index (search_index) VALUES ('rebuild');
             INSERT INTO search_due SELECT clip_id FROM clip WHERE true ON CONFLICT DO NOTHING;
             INSERT INTO search_due SELECT clip_id FROM search_text WHERE true ON CONFLICT DO NOTHING;",
        )?;
        Ok(self.conn.query_row("SELECT count(*) FROM search_due", [], |r| r.get::<_, i64>(0))? as u64)
    }
}

impl Reader<'_> {
    /// What a clip is found by; `None` where there is no such clip.
    fn search_text(&self, clip: ClipId) -> Result<Option<Text>> {
        self.text_without(clip, &[])
    }

    /// The same without what the register says of these cases.
    fn text_without(&self, clip: ClipId, cases: &[i64]) -> Result<Option<Text>> {
        let row = match self.clip(clip) {
            Ok(row) => row,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(e) => return Err(e),
        };
        let settled = settle(&self.facts(clip)?);
        let fact = |field: Field| settled.get(&field).map(|f| f.value.as_str()).unwrap_or_default();
        let mut text = Text::default();
        let add = |to: &mut String, part: &str| {
            if !part.is_empty() {
                if !to.is_empty() {
                    to.push(' ');
                }
                to.push_str(part);
            }
        };
        let (mut numbers, mut people, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for link in self.links(clip)? {
            add(&mut text.numbers, &search::case_token(link.case_id));
            numbers.push(link.display);
            numbers.extend(link.aliases);
            words.extend([link.stage, link.matter, link.proves].into_iter().flatten());
            if let Some(entry) = self.case_entry(link.case_id)? {
                let said = |column: &str| entry.entry.get(column).map(str::to_owned);
                numbers.extend(said("earlier"));
                if cases.contains(&link.case_id) {
                    continue;
                }
                people.extend([said("party"), said("officers")].into_iter().flatten());
                words.extend([said("cause"), said("kind"), said("place")].into_iter().flatten());
            }
        }
        let name = row.path.file_name();
        numbers.extend([row.recorder.clone(), fact(Field::OfficerCertNo).to_owned()]);
        people.extend([Field::Officer, Field::CoOfficers, Field::PartyRef].map(|f| fact(f).to_owned()));
        words.extend(
            [Field::Title, Field::Proves, Field::Matter, Field::Stage, Field::Cause, Field::EnforcementKind]
                .map(|f| fact(f).to_owned()),
        );
        words.push(name.clone());
        if row.importance == crate::domain::recorder::Importance::Marked {
            words.push("重点 标记 marked".to_owned());
        }
        if let Some(document) = self.document(clip)? {
            words.push(format!("文书 {}", document.kind.as_str()));
        }
        for number in &numbers {
            add(&mut text.numbers, &search::line(number));
        }
        for long in numbers.iter().chain([&name]) {
            add(&mut text.numbers, &search::tails(long));
        }
        for somebody in &people {
            add(&mut text.people, &search::line(somebody));
        }
        add(&mut text.place, &search::line(fact(Field::Place)));
        for said in &words {
            add(&mut text.words, &search::line(said));
        }
        if let (Some(at_ms), _) = self.indexed(clip)? {
            add(&mut text.words, &search::hours(at_ms));
        }
        Ok(Some(text))
    }

    /// What a query asks of a text.
    fn wanted(&self, query: &SearchQuery) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        for term in &query.terms {
            let (cases, is_whole) = self.cases_of(term)?;
            // The whole number of a case that is known is no half of another one.
            let mut any = vec![Phrase { tokens: term.tokens.clone(), goes_on: !is_whole }];
            any.extend(cases.into_iter().map(|case| Phrase::of(vec![search::case_token(case)])));
            let names = self.names_of(&term.name_key)?;
            any.extend(
                names.iter().map(|name| Phrase::of(search::tokens(name))).filter(|name| !name.tokens.is_empty()),
            );
            any.dedup();
            wanted.terms.push(any);
        }
        if !query.periods.is_empty() {
            let times = query.periods.iter().flat_map(|p| search::covering(p.from_ms, p.to_ms));
            wanted.times = Some(times.collect());
        }
        Ok(wanted)
    }

    /// Cases that a term names: by the whole of any number, what it was called before it was opened included, else by half.
    fn cases_of(&self, term: &Term) -> Result<(Vec<i64>, bool)> {
        let ids = |sql: &str, what: &str, limit: u32| -> Result<Vec<i64>> {
            let mut statement = self.conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![what, limit], |r| r.get(0))?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        };
        if let Some(key) = &term.case_key {
            let mut exact = ids("SELECT case_id FROM case_alias WHERE case_key = ?1 LIMIT ?2", key, CASES)?;
            exact.extend(ids("SELECT case_id FROM case_earlier WHERE case_key = ?1 LIMIT ?2", key, CASES)?);
            if !exact.is_empty() {
                return Ok((exact, true));
            }
        }
        let by_half = match &term.loose {
            Some(loose) => ids(
                "SELECT DISTINCT case_id FROM case_alias WHERE instr(loose, ?1) > 0 ORDER BY case_id DESC LIMIT ?2",
                loose,
                CASES,
            )?,
            None => Vec::new(),
        };
        Ok((by_half, false))
    }

    /// What else registers call whoever or whatever is called so: a number's name, and a name's number.
    fn names_of(&self, key: &str) -> Result<Vec<String>> {
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT name FROM register_entry WHERE register IN ('officer', 'party', 'recorder') AND entry_key = ?1
             UNION SELECT entry_key FROM register_entry WHERE register = 'officer' AND name = ?1
             UNION SELECT name FROM register_entry WHERE register = 'officer' AND json_extract(entry, '$.cert_no') = ?1
             LIMIT ?2",
        )?;
        let rows = statement.query_map(params![key, NAMES], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// A page of clips that a search finds, of those that the filter leaves; newest first, or the best of the newest first.
    pub(super) fn search(
        &self,
        filter: &ClipFilter,
        query: &SearchQuery,
        mut conditions: Vec<String>,
        mut values: Vec<Value>,
    ) -> Result<ClipPage> {
        let wanted = self.wanted(query)?;
        values.push(wanted.sql().into());
        conditions.push(format!("search_index MATCH ?{}", values.len()));
        // One period is exact to the millisecond; of several the index's hours do.
        if let [period] = query.periods.as_slice() {
            values.extend([period.from_ms.into(), period.to_ms.into()]);
            let n = values.len();
            conditions.push(format!("i.captured_start_ms >= ?{} AND i.captured_start_ms < ?{n}", n - 1));
        }
        if let Some((condition, account)) = within_sql(&filter.within) {
            values.extend([account.into(), filter.now_ms.into()]);
            let n = values.len();
            conditions.push(format!("({})", bound(&condition, n - 1, n)));
        }
        let from = format!("{SEARCHED} WHERE {}", conditions.join(" AND "));
        if !all_of_it(&filter.within) {
            return self.search_within(filter, &wanted, &from, &values);
        }
        let counted: i64 = self
            .conn
            .prepare(&format!("SELECT count(*) FROM (SELECT 1 {from} LIMIT {})", COUNTED + 1))?
            .query_row(params_from_iter(&values), |r| r.get(0))?;
        let limit = filter.limit.clamp(1, 1_000);
        let cursor = filter.after.as_deref().map(|after| self.cursor(after)).transpose()?;
        let sql = match filter.best_first {
            false => {
                let after = cursor.map(|c| format!(" AND f.rowid < {}", c.doc)).unwrap_or_default();
                format!("SELECT s.clip_id, 0.0 {from}{after} ORDER BY f.rowid DESC LIMIT {}", limit + 1)
            }
            true => {
                let scored = format!(
                    "SELECT s.clip_id AS clip_id, f.rowid AS doc, bm25(search_index, 8.0, 5.0, 4.0, 1.0) AS score {from} ORDER BY f.rowid DESC LIMIT {RANKED}"
                );
                let mut after = String::new();
                if let Some((score, doc)) = cursor.and_then(|c| Some((c.score?, c.doc))) {
                    // Bound and not written: the last bit of a score decides.
                    values.push(score.into());
                    after = format!("WHERE (score, -doc) > (?{}, {})", values.len(), -doc);
                }
                format!("SELECT clip_id, score FROM ({scored}) {after} ORDER BY score, doc DESC LIMIT {}", limit + 1)
            }
        };
        let mut statement = self.conn.prepare(&sql)?;
        let rows =
            statement.query_map(params_from_iter(&values), |r| Ok((r.get::<_, String>(0)?, r.get::<_, f64>(1)?)))?;
        let mut found = rows
            .map(|row| row.map_err(StoreError::from).and_then(|(clip, score)| Ok((clip.parse()?, score))))
            .collect::<Result<Vec<(ClipId, f64)>>>()?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|(clip, score)| match filter.best_first {
            false => clip.to_string(),
            true => format!("{clip}~{score:?}"),
        });
        Ok(ClipPage {
            clips: found.into_iter().map(|(clip, _)| clip).collect(),
            total: counted.min(i64::from(COUNTED)) as u64,
            counted_all: counted <= i64::from(COUNTED),
            next,
            // By score there is no page before this one, only a first one.
            back: filter.after.as_ref().map(|_| String::new()),
        })
    }

    fn cursor(&self, after: &str) -> Result<Cursor> {
        let (clip, score) = after.split_once('~').map_or((after, None), |(clip, score)| (clip, score.parse().ok()));
        // A clip that is gone meanwhile leaves the place of the one before it.
        let doc: Option<i64> = self
            .conn
            .prepare_cached("SELECT doc_id FROM search_text WHERE clip_id <= ?1 ORDER BY clip_id DESC LIMIT 1")?
            .query_row([clip], |r| r.get(0))
            .optional()?;
        Ok(Cursor { doc: doc.unwrap_or(0), score: score.filter(|s: &f64| s.is_finite()) })
    }

    /// Clips whose text waits to be written.
    pub fn search_due(&self) -> Result<u64> {
        Ok(self.conn.query_row("SELECT count(*) FROM search_due", [], |r| r.get::<_, i64>(0))? as u64)
    }

    /// Looks at the index: whether it is whole, and whether the newest `sample` clips stand in it as they should.
    pub fn check_search(&self, sample: u32) -> Result<SearchCheck> {
        let count = |sql: &str| -> Result<u64> { Ok(self.conn.query_row(sql, [], |r| r.get::<_, i64>(0))? as u64) };
        let mut check = SearchCheck {
            compiled_in: count("SELECT sqlite_compileoption_used('ENABLE_FTS5')")? == 1,
            clips: count("SELECT count(*) FROM clip")?,
            indexed: count("SELECT count(*) FROM clip JOIN search_text USING (clip_id)")?,
            due: self.search_due()?,
            wrong: 0,
            verdict: self.conn.query_row("PRAGMA quick_check(search_index)", [], |r| r.get(0))?,
        };
        let newest = self.clip_ids(
            "SELECT clip_id FROM clip WHERE clip_id NOT IN (SELECT clip_id FROM search_due) ORDER BY clip_id DESC LIMIT ?1",
            [sample],
        )?;
        for clip in newest {
            let stored = self
                .conn
                .prepare_cached("SELECT doc_id, numbers, people, place, words FROM search_text WHERE clip_id = ?1")?
                .query_row([clip.to_string()], |r| {
                    Ok((
                        r.get::<_, i64>(0)?,
                        Text { numbers: r.get(1)?, people: r.get(2)?, place: r.get(3)?, words: r.get(4)? },
                    ))
                })
                .optional()?;
            let is_right = match stored {
                Some((doc, text)) if self.search_text(clip)?.as_ref() == Some(&text) => self.stands(doc, &text)?,
                _ => false,
            };
            check.wrong += u64::from(!is_right);
        }
        Ok(check)
    }

    /// Whether the index finds a document by its own last words.
    fn stands(&self, doc: i64, text: &Text) -> Result<bool> {
        let Some(token) = text.words.split(' ').rfind(|t| !t.is_empty()) else { return Ok(true) };
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM search_index WHERE search_index MATCH ?1 AND rowid = ?2)")?
            .query_row(params![format!("\"{token}\""), doc], |r| r.get(0))?)
    }

    #[cfg(test)]
    pub(super) fn search_plan(&self, order: &str) -> Vec<String> {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT s.clip_id, i.officer {SEARCHED} WHERE search_index MATCH 'x' AND f.rowid < 9 {order}"
        );
        let mut statement = self.conn.prepare(&sql).unwrap();
        statement.query_map([], |r| r.get(3)).unwrap().map(|r| r.unwrap()).collect()
    }
}

/// The index leads, so that nothing is looked at that it does not find.
const SEARCHED: &str = "FROM search_index f CROSS JOIN search_text s ON s.doc_id = f.rowid JOIN clip c ON c.clip_id = s.clip_id LEFT JOIN clip_index i ON i.clip_id = c.clip_id";

/// Where a page goes on.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    doc: i64,
    score: Option<f64>,
}

#[cfg(test)]
mod tests;
