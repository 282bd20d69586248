//! Two cases that a register says are one: how they are joined, what of that is kept with the import, and how undoing it
//! parts them again. Links change by new revisions alone, when they are parted as well: what a bucket was told of them is
//! told anew by the next one. What somebody did with the one case since belongs to neither of the two for sure, so it is
//! never parted; what names a number that goes back goes with it.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::odd;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::filing::FilingState;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::why::{Thing, Why};
use crate::store::{Change, Result, Tx};

/// Tables of what is said of a case beside links, each with its key and what its rows are.
const SAID: [(&str, &str, Thing); 8] = [
    ("hold_order", "order_id", Thing::Holds),
    ("review", "review_id", Thing::Reviews),
    ("no_record", "no_record_id", Thing::Reasons),
    ("review_note", "note_id", Thing::Notes),
    ("review_opinion", "opinion_id", Thing::Opinions),
    ("case_sheet", "sheet_id", Thing::Marks),
    ("filing", "filing_id", Thing::Filing),
    ("export", "package", Thing::Packages),
];

/// Why a revision was written that a join wrote, and one that parts it again.
const JOINED: &str = "the register says that the two cases are one";
const PARTED: &str = "the import that called the two cases one was undone";

/// The newest revision of its clip and case is this one, in a query that calls it `l`.
const NEWEST: &str = "l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)";

/// That a revision of a link is none that came of joining two cases which stand apart again: nobody said
/// it of that case.
pub(in crate::store) fn of_no_parted_join(link: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM case_join_link k JOIN case_join j USING (join_id) WHERE k.link_id = {link}.link_id AND j.split_ms IS NOT NULL)"
    )
}

/// What was the other case's.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Moved {
    /// Keys of its numbers.
    numbers: Value,
    /// Key of its entry in the register.
    entry: Option<String>,
    /// Keys of rows, by table.
    said: BTreeMap<String, Value>,
}

/// What stood for the one case when the import was done; nothing until then.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stood {
    /// The newest revision of any link.
    link: i64,
    /// What was said of it, by table.
    said: BTreeMap<String, Rows>,
}

/// Rows of a table, to see later whether they changed. A migration may add columns meanwhile.
#[derive(Debug, Serialize, Deserialize)]
struct Rows {
    columns: Vec<String>,
    digest: String,
}

/// A join that an import made, as it can be undone.
#[derive(Debug)]
pub(super) struct Join {
    join: i64,
    import: i64,
    case: i64,
    other: i64,
    moved: Moved,
    stood: Stood,
}

/// Two cases that stand apart again, each by its first number as displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// The one with which the other had been joined.
    pub kept: String,
    /// The other.
    pub other: String,
}

impl Tx<'_> {
    /// Why two cases that a line calls one stay two.
    pub(super) fn stay_apart(
        &self,
        case: i64,
        other: i64,
        line: u64,
        numbers: impl FnOnce() -> String,
    ) -> Result<Option<Why>> {
        let read = self.read();
        if read.case_entry(case)?.is_some() && read.case_entry(other)?.is_some() {
            return Ok(Some(Why::TwoRegistered { line, numbers: numbers() }));
        }
        let standing: Vec<FilingState> =
            [read.filing(case)?, read.filing(other)?].into_iter().flatten().map(|f| f.state()).collect();
        Ok(match standing.as_slice() {
            all if all.contains(&FilingState::Filed) => Some(Why::TwoOneFiled { line, numbers: numbers() }),
            [_, _] => Some(Why::TwoClosed { line, numbers: numbers() }),
            _ => None,
        })
    }

    /// Two cases are one: what was linked to `other` is linked to `case`, and what stood for `other` stands for it. What
    /// moved is kept with the import; [`Tx::joins_stand`] ends that.
    pub(super) fn join_cases(
        &self,
        import: i64,
        case: i64,
        other: i64,
        actor: &Actor,
        via: &'static str,
    ) -> Result<()> {
        let read = self.read();
        let number = |case: i64| -> Result<String> {
            Ok(read.aliases(case)?.into_iter().next().map(|(_, display)| display).unwrap_or_default())
        };
        let (kept, joined) = (number(case)?, number(other)?);
        let key = read.aliases(case)?.into_iter().next().map(|(key, _)| key).unwrap_or_default();
        let heads: Vec<(i64, String)> = {
            let sql =
                format!("SELECT link_id, clip_id FROM case_link l WHERE case_id = ?1 AND withdrawn = 0 AND {NEWEST}");
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map([other], |r| Ok((r.get(0)?, r.get(1)?)))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        let by = format!("{}:{}", actor.kind, actor.id);
        let (before, moved) = (self.newest_revision()?, self.what_moves(other)?);
        let mut touched = self.withdrawn_from_one(case, other)?;
        for (link, clip) in heads {
            // Who said it, and how sure it is, stays what it was: a person's word does not become a register's. A person's link
            // to `other` stands over a rule's to `case`, with its part and its words. What a person said of `case`, link or
            // withdrawal, stays, unless a person linked it to `other` later.
            self.conn.execute(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, reason, rule_version, actor, at_ms)
                 SELECT clip_id, ?2, 1 + coalesce((SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = ?2), 0),
                   case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, ?3, rule_version, ?4, ?5
                 FROM case_link l WHERE link_id = ?1 AND NOT EXISTS (SELECT 1 FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = ?2
                   AND ((x.withdrawn = 0 AND l.origin <> 'person') OR (x.origin = 'person' AND (l.origin <> 'person' OR l.link_id < x.link_id)))
                   AND x.rev = (SELECT max(rev) FROM case_link y WHERE y.clip_id = x.clip_id AND y.case_id = x.case_id))",
                params![link, case, JOINED, by, self.now_ms()],
            )?;
            self.conn.execute(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                 SELECT clip_id, case_id, rev + 1, case_key, raw, origin, score, ?2, rule_version, 1, ?3, ?4 FROM case_link WHERE link_id = ?1",
                params![link, JOINED, by, self.now_ms()],
            )?;
            touched.push(clip.parse()?);
        }
        // Of the two at most one has a round of filing that stands, and that is not filed.
        for table in SAID.iter().map(|(table, ..)| *table).chain(["case_alias", "register_entry", "case_earlier"]) {
            let sql = format!("UPDATE {table} SET case_id = ?1 WHERE case_id = ?2");
            self.conn.execute(&sql, params![case, other])?;
        }
        self.keep_join(import, (case, other), &moved, before)?;
        // Clips of either are found by the numbers of both in the bucket, too.
        for clip in self.read().clips_of_case(case)? {
            self.hold_by_cases(clip)?;
            self.reindex(clip)?;
            self.stale(clip)?;
        }
        for clip in touched {
            self.reindex(clip)?;
            self.stale(clip)?;
        }
        self.log(
            &Draft::by(EventKind::CasesJoined, actor.clone(), via)
                .case(layout::case_hash(&key))
                .secret("number", kept)
                .secret("joined", joined),
        )?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(())
    }

    /// Withdraws a rule's link to `case` of clips that a person withdrew from `other`, in that person's name: of one case
    /// the person would have had the last word. Gives the clips.
    fn withdrawn_from_one(&self, case: i64, other: i64) -> Result<Vec<ClipId>> {
        let newest = |of: &str| {
            format!(
                "{of}.rev = (SELECT max(rev) FROM case_link y WHERE y.clip_id = {of}.clip_id AND y.case_id = {of}.case_id)"
            )
        };
        let of_both = format!(
            "case_link w JOIN case_link x ON x.clip_id = w.clip_id AND x.case_id = ?1
             WHERE w.case_id = ?2 AND w.withdrawn = 1 AND w.origin = 'person' AND {} AND x.withdrawn = 0 AND x.origin <> 'person' AND {}",
            newest("w"),
            newest("x")
        );
        let clips = self.read().clip_ids(&format!("SELECT w.clip_id FROM {of_both}"), [case, other])?;
        self.conn.execute(
            &format!(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                 SELECT x.clip_id, x.case_id, x.rev + 1, x.case_key, x.raw, 'person', 100, w.reason, x.rule_version, 1, w.actor, ?3 FROM {of_both}"
            ),
            params![case, other, self.now_ms()],
        )?;
        Ok(clips)
    }

    fn newest_revision(&self) -> Result<i64> {
        Ok(self.conn.query_row("SELECT coalesce(max(link_id), 0) FROM case_link", [], |r| r.get(0))?)
    }

    fn what_moves(&self, other: i64) -> Result<Moved> {
        let keys = |table: &str, key: &str| -> Result<Value> {
            let sql = format!("SELECT json_group_array({key}) FROM {table} WHERE case_id = ?1");
            let json: String = self.conn.query_row(&sql, [other], |r| r.get(0))?;
            serde_json::from_str(&json).map_err(|e| odd("what moves with a case", &e))
        };
        let mut said = BTreeMap::new();
        for (table, key, _) in SAID {
            said.insert(table.to_owned(), keys(table, key)?);
        }
        let entry = self.read().case_entry(other)?.map(|entry| entry.key);
        Ok(Moved { numbers: keys("case_alias", "case_key")?, entry, said })
    }

    /// `before` is the newest revision of any link before the join wrote its own.
    fn keep_join(&self, import: i64, (case, other): (i64, i64), moved: &Moved, before: i64) -> Result<()> {
        let moved = serde_json::to_string(moved).map_err(|e| odd("what moves with a case", &e))?;
        self.conn.execute(
            "INSERT INTO case_join (import_id, case_id, other_id, moved, stood) VALUES (?1, ?2, ?3, ?4, '{}')",
            params![import, case, other, moved],
        )?;
        self.of_join(self.conn.last_insert_rowid(), before)
    }

    /// Every revision of a link after `before` came of a join, or of undoing it.
    fn of_join(&self, join: i64, before: i64) -> Result<()> {
        self.conn.execute(
            "INSERT INTO case_join_link (link_id, join_id) SELECT link_id, ?2 FROM case_link WHERE link_id > ?1",
            params![before, join],
        )?;
        Ok(())
    }

    /// The import is done: what stands for cases that it joined is written down, so that whatever changes since is seen.
    pub(super) fn joins_stand(&self, import: i64) -> Result<()> {
        for join in self.joins(import)? {
            let mut stood = Stood { link: self.newest_revision()?, ..Stood::default() };
            for (table, key, _) in SAID {
                let columns = {
                    let mut statement = self.conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
                    let names = statement.query_map([table], |r| r.get(0))?;
                    names.collect::<std::result::Result<Vec<String>, _>>()?
                };
                let digest = self.digest_of(table, key, join.case, &columns)?;
                stood.said.insert(table.to_owned(), Rows { columns, digest });
            }
            let stood = serde_json::to_string(&stood).map_err(|e| odd("what stands for a case", &e))?;
            self.conn.execute("UPDATE case_join SET stood = ?2 WHERE join_id = ?1", params![join.join, stood])?;
        }
        Ok(())
    }

    fn digest_of(&self, table: &str, key: &str, case: i64, columns: &[String]) -> Result<String> {
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let sql = format!("SELECT {} FROM {table} WHERE case_id = ?1 ORDER BY {key}", quoted.join(" || ',' || "));
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query([case])?;
        let mut digest = blake3::Hasher::new();
        while let Some(row) = rows.next()? {
            digest.update(row.get::<_, String>(0)?.as_bytes());
            digest.update(b"\n");
        }
        Ok(digest.finalize().to_hex().to_string())
    }

    /// What an import joined and nobody parted since, in the order in which it did.
    pub(super) fn joins(&self, import: i64) -> Result<Vec<Join>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT join_id, case_id, other_id, moved, stood FROM case_join WHERE import_id = ?1 AND split_ms IS NULL ORDER BY join_id",
        )?;
        type Columns = (i64, i64, i64, String, String);
        let rows = statement.query_map([import], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?;
        let rows: Vec<Columns> = rows.collect::<std::result::Result<_, _>>()?;
        rows.into_iter()
            .map(|(join, case, other, moved, stood)| {
                let moved = serde_json::from_str(&moved).map_err(|e| odd("what moves with a case", &e))?;
                let stood = serde_json::from_str(&stood).map_err(|e| odd("what stands for a case", &e))?;
                Ok(Join { join, import, case, other, moved, stood })
            })
            .collect()
    }

    /// Why a join cannot be undone: something built upon it since.
    pub(super) fn touched(&self, join: &Join) -> Result<Option<Why>> {
        let newer: Option<i64> = self.conn.query_row(
            "SELECT max(import_id) FROM (SELECT import_id FROM register_entry WHERE case_id = ?1
               UNION ALL SELECT import_id FROM case_join WHERE (case_id = ?1 OR other_id = ?1) AND split_ms IS NULL) WHERE import_id > ?2",
            params![join.case, join.import],
            |r| r.get(0),
        )?;
        if let Some(newer) = newer {
            return Ok(Some(Why::ImportChanged { newer, entries: 1 }));
        }
        let mut since = Vec::new();
        let relinked = format!(
            "SELECT EXISTS (SELECT 1 FROM case_link l WHERE l.case_id IN (?1, ?2) AND l.link_id > ?3 AND {}
               AND (l.clip_id IN (SELECT w.clip_id FROM case_join j JOIN case_join_link k USING (join_id) JOIN case_link w USING (link_id) WHERE j.import_id = ?4 AND j.case_id = ?1)
                 OR (l.case_key IN (SELECT value FROM json_each(?5)) AND EXISTS (SELECT 1 FROM case_link x
                   WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id AND x.case_key NOT IN (SELECT value FROM json_each(?5))))))",
            of_no_parted_join("l")
        );
        let values = params![join.case, join.other, join.stood.link, join.import, join.moved.numbers.to_string()];
        if self.conn.query_row(&relinked, values, |r| r.get(0))? {
            since.push(Thing::Links);
        }
        for (table, key, thing) in SAID {
            let Some(stood) = join.stood.said.get(table) else { continue };
            if self.digest_of(table, key, join.case, &stood.columns)? != stood.digest {
                since.push(thing);
            }
        }
        if since.is_empty() {
            return Ok(None);
        }
        let Parted { kept, other } = self.numbers_of(join)?.0;
        Ok(Some(Why::JoinTouched { numbers: format!("{kept} / {other}"), since }))
    }

    /// By which number each of the two is called, and the key of the kept one's.
    fn numbers_of(&self, join: &Join) -> Result<(Parted, String)> {
        let first = |goes: bool| -> Result<(String, String)> {
            let sql = "SELECT display, case_key FROM case_alias WHERE case_id IN (?1, ?2)
                         AND (case_key IN (SELECT value FROM json_each(?3))) = ?4 ORDER BY added_ms, rowid LIMIT 1";
            let values = params![join.case, join.other, join.moved.numbers.to_string(), goes];
            let found = self.conn.query_row(sql, values, |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
            Ok(found.unwrap_or_default())
        };
        let ((kept, key), (other, _)) = (first(false)?, first(true)?);
        Ok((Parted { kept, other }, key))
    }

    /// Parts two cases that an import had joined and nothing touched since ([`Tx::touched`]). Every clip is of each of them
    /// what it was before, and what was linked since by a number that goes back goes with it. Holds that the joined case
    /// put on clips stand until somebody releases them.
    pub(super) fn part_cases(&self, join: &Join, actor: &Actor, via: &'static str) -> Result<Parted> {
        let numbers = join.moved.numbers.to_string();
        let (parted, key) = self.numbers_of(join)?;
        let back = |table: &str, key: &str, keys: &str| -> Result<()> {
            let sql = format!(
                "UPDATE {table} SET case_id = ?2 WHERE case_id = ?1 AND {key} IN (SELECT value FROM json_each(?3))"
            );
            self.conn.execute(&sql, params![join.case, join.other, keys])?;
            Ok(())
        };
        back("case_alias", "case_key", &numbers)?;
        for (table, key, _) in SAID {
            if let Some(keys) = join.moved.said.get(table) {
                back(table, key, &keys.to_string())?;
            }
        }
        if let Some(entry) = &join.moved.entry {
            self.conn.execute(
                "UPDATE register_entry SET case_id = ?2 WHERE register = 'case' AND case_id = ?1 AND entry_key = ?3",
                params![join.case, join.other, entry],
            )?;
            self.put_earlier(join.case)?;
            self.put_earlier(join.other)?;
        }
        let by = format!("{}:{}", actor.kind, actor.id);
        let before = self.newest_revision()?;
        self.links_as_before(join, &by)?;
        self.of_join(join.join, before)?;
        self.links_go_along(join, &numbers, &by)?;
        self.tell_apart(join, &by)?;
        let of_either = self.read().clip_ids(
            "SELECT DISTINCT clip_id FROM case_link WHERE case_id IN (?1, ?2) ORDER BY clip_id",
            [join.case, join.other],
        )?;
        for clip in of_either {
            self.hold_by_cases(clip)?;
            self.reindex(clip)?;
            self.stale(clip)?;
        }
        self.conn
            .execute("UPDATE case_join SET split_ms = ?2 WHERE join_id = ?1", params![join.join, self.now_ms()])?;
        self.log(
            &Draft::by(EventKind::CasesJoined, actor.clone(), via)
                .case(layout::case_hash(&key))
                .fact("step", "undone")
                .fact("import", join.import)
                .secret("number", parted.kept.as_str())
                .secret("joined", parted.other.as_str()),
        )?;
        Ok(parted)
    }

    /// Of every revision that the join wrote the one before it stands again, with who said it and when; where there was
    /// none, the link is withdrawn, and by nobody's decision.
    fn links_as_before(&self, join: &Join, by: &str) -> Result<()> {
        let next = "1 + (SELECT max(rev) FROM case_link y WHERE y.clip_id = w.clip_id AND y.case_id = w.case_id)";
        self.conn.execute(
            &format!(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                 SELECT p.clip_id, p.case_id, {next}, p.case_key, p.raw, p.from_ms, p.to_ms, p.stage, p.matter, p.proves, p.origin, p.score, p.reason, p.rule_version, p.withdrawn, p.actor, p.at_ms
                 FROM case_join_link j JOIN case_link w USING (link_id) JOIN case_link p ON p.clip_id = w.clip_id AND p.case_id = w.case_id
                   AND p.rev = (SELECT max(rev) FROM case_link z WHERE z.clip_id = w.clip_id AND z.case_id = w.case_id AND z.rev < w.rev)
                 WHERE j.join_id = ?1"
            ),
            [join.join],
        )?;
        self.conn.execute(
            &format!(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                 SELECT w.clip_id, w.case_id, {next}, w.case_key, w.raw, 'rule', 100, ?2, w.rule_version, 1, ?3, ?4
                 FROM case_join_link j JOIN case_link w USING (link_id)
                 WHERE j.join_id = ?1 AND NOT EXISTS (SELECT 1 FROM case_link z WHERE z.clip_id = w.clip_id AND z.case_id = w.case_id AND z.rev < w.rev)"
            ),
            params![join.join, PARTED, by, self.now_ms()],
        )?;
        Ok(())
    }

    /// Links that were made since by a number that goes back, of clips that the join had not moved.
    fn links_go_along(&self, join: &Join, numbers: &str, by: &str) -> Result<()> {
        let clips: Vec<String> = {
            let mut statement = self.conn.prepare(
                "SELECT DISTINCT l.clip_id FROM case_link l WHERE l.case_id = ?1 AND l.link_id > ?2 AND l.case_key IN (SELECT value FROM json_each(?3))
                   AND l.clip_id NOT IN (SELECT w.clip_id FROM case_join j JOIN case_join_link k USING (join_id) JOIN case_link w USING (link_id) WHERE j.import_id = ?4 AND j.case_id = ?1)",
            )?;
            let rows = statement.query_map(params![join.case, join.stood.link, numbers, join.import], |r| r.get(0))?;
            rows.collect::<std::result::Result<_, _>>()?
        };
        for clip in &clips {
            self.conn.execute(
                &format!(
                    "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                     SELECT clip_id, ?3, 1 + coalesce((SELECT max(rev) FROM case_link y WHERE y.clip_id = ?1 AND y.case_id = ?3), 0), case_key, raw, from_ms, to_ms, stage, matter,
                       proves, origin, score, reason, rule_version, withdrawn, actor, at_ms FROM case_link l WHERE clip_id = ?1 AND case_id = ?2 AND {NEWEST}"
                ),
                params![clip, join.case, join.other],
            )?;
            self.conn.execute(
                &format!(
                    "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                     SELECT clip_id, case_id, rev + 1, case_key, raw, 'rule', 100, ?3, rule_version, 1, ?4, ?5 FROM case_link l WHERE clip_id = ?1 AND case_id = ?2 AND {NEWEST}"
                ),
                params![clip, join.case, PARTED, by, self.now_ms()],
            )?;
            // None of it was ever said of the case that stays.
            self.conn.execute(
                "INSERT OR IGNORE INTO case_join_link (link_id, join_id) SELECT link_id, ?3 FROM case_link WHERE clip_id = ?1 AND case_id = ?2",
                params![clip, join.case, join.join],
            )?;
        }
        Ok(())
    }

    /// While the cases were one, buckets were told of every clip under every number: of clips that were never the other
    /// case's, a withdrawal says so there.
    fn tell_apart(&self, join: &Join, by: &str) -> Result<()> {
        let before = self.newest_revision()?;
        self.conn.execute(
            "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
             SELECT DISTINCT l.clip_id, ?2, 1, a.case_key, a.raw, 'rule', 100, ?3, a.rule_version, 1, ?4, ?5
             FROM case_link l, (SELECT case_key, raw, rule_version FROM case_alias WHERE case_id = ?2 ORDER BY added_ms, rowid LIMIT 1) a
             WHERE l.case_id = ?1 AND NOT EXISTS (SELECT 1 FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = ?2)",
            params![join.case, join.other, PARTED, by, self.now_ms()],
        )?;
        self.of_join(join.join, before)
    }
}
