//! Cases with their numbers, links with their revisions.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Rows, params};

use super::accounts::{bound, within_sql};
use super::large::MOST_LINKS;
use super::narrow::{narrow_sql, officers_sql};
use super::registers::of_no_parted_join;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::case_number::CaseNumber;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::record::{Fact, Field, Origin};
use crate::domain::rights::Within;
use crate::domain::why::Why;
use crate::domain::words::Lang;

/// A link to be made.
#[derive(Debug, Clone)]
pub struct LinkRequest {
    /// The clip.
    pub clip: ClipId,
    /// The number, parsed by the rule.
    pub number: CaseNumber,
    /// Version of that rule.
    pub rule_version: u32,
    /// Part of the clip, milliseconds from its start.
    pub range_ms: (Option<i64>, Option<i64>),
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves in this case.
    pub proves: Option<String>,
    /// Who or what says so.
    pub origin: Origin,
    /// 0 to 100.
    pub score: u32,
    /// Why, for a rule's link.
    pub reason: Option<Grounds>,
}

/// A link that stands.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// The case.
    pub case_id: i64,
    /// The number that was used, as displayed.
    pub display: String,
    /// As typed.
    pub raw: String,
    /// Its key.
    pub case_key: String,
    /// Every key of the case, this one included.
    pub keys: Vec<String>,
    /// Other numbers of the case, as displayed.
    pub aliases: Vec<String>,
    /// What kind of number.
    pub kind: String,
    /// Part of the clip.
    pub from_ms: Option<i64>,
    /// Part of the clip.
    pub to_ms: Option<i64>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
    /// Who or what says so.
    pub origin: String,
    /// 0 to 100.
    pub score: u32,
    /// Revision.
    pub rev: u32,
    /// Version of the number rule.
    pub rule_version: u32,
}

impl LinkRow {
    /// What the clip is to this case: stage, matter, or what it proves. The link's own word comes before what was said of
    /// the clip as a whole, unless a rule made the link and a person said the other: a person's word outranks every rule.
    pub fn said(&self, field: Field, settled: &BTreeMap<Field, Fact>) -> Option<String> {
        let own = match field {
            Field::Stage => self.stage.as_ref(),
            Field::Matter => self.matter.as_ref(),
            Field::Proves => self.proves.as_ref(),
            _ => None,
        };
        let fact = settled.get(&field);
        match (own, fact) {
            (Some(_), Some(f)) if f.origin == Origin::Person && self.origin != Origin::Person.as_str() => {
                Some(f.value.clone())
            }
            (Some(own), _) => Some(own.clone()),
            (None, fact) => fact.map(|f| f.value.clone()),
        }
    }
}

/// A case in a list.
#[derive(Debug, Clone)]
pub struct CaseSummary {
    /// The case.
    pub case_id: i64,
    /// Its first number, as displayed.
    pub display: String,
    /// Its other numbers.
    pub aliases: Vec<String>,
    /// Kind of the first number.
    pub kind: String,
    /// Clips linked now.
    pub clips: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their length, milliseconds.
    pub duration_ms: i64,
    /// Earliest capture.
    pub first_ms: Option<i64>,
    /// Latest capture.
    pub last_ms: Option<i64>,
    /// There are more clips than `clips`, too many to be counted: what there was before a case (`store::large`). Nothing else
    /// of it is counted then.
    pub more: bool,
}

impl Tx<'_> {
    /// The case with this number, made if there is none. A new one is an event.
    pub fn case_of(&self, number: &CaseNumber, rule_version: u32, actor: &Actor, via: &'static str) -> Result<i64> {
        if let Some(id) = self.read().case_id(number.key())? {
            return Ok(id);
        }
        self.conn.execute(
            "INSERT INTO case_file (kind, created_ms) VALUES (?1, ?2)",
            params![number.kind().as_str(), self.now_ms()],
        )?;
        let id = self.conn.last_insert_rowid();
        self.add_alias(id, number, rule_version)?;
        let event = Draft::by(EventKind::CaseOpened, actor.clone(), via)
            .case(layout::case_hash(number.key()))
            .secret("number", number.display());
        self.log(&event)?;
        self.changed(Change::Cases);
        Ok(id)
    }

    pub(super) fn add_alias(&self, case: i64, number: &CaseNumber, rule_version: u32) -> Result<()> {
        self.conn.execute(
            "INSERT INTO case_alias (case_key, case_id, case_hash, display, raw, loose, rule_version, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                number.key(),
                case,
                layout::case_hash(number.key()),
                number.display(),
                number.raw(),
                crate::domain::case_number::loose(number.display()),
                rule_version,
                self.now_ms()
            ],
        )?;
        Ok(())
    }

    /// Links a clip to a case: a new revision, unless the same link stands already. A person's decision
    /// is never overwritten by a rule: a rule's link after a person's word on the same case is refused.
    pub fn link(&self, link: &LinkRequest, actor: &Actor, via: &'static str) -> Result<u32> {
        let row = self.read().clip(link.clip)?;
        if link.origin != Origin::Person && self.read().refused(link.clip, link.number.key())? {
            return Err(StoreError::Conflict(Why::PersonRefusedLink {}));
        }
        let case = self.case_of(&link.number, link.rule_version, actor, via)?;
        self.not_filed(case)?;
        type Range = (Option<i64>, Option<i64>);
        type Last = (u32, String, bool, Option<String>, Option<String>, Option<String>, Range);
        let last: Option<Last> = self
            .conn
            .prepare_cached("SELECT rev, origin, withdrawn, stage, matter, proves, from_ms, to_ms FROM case_link WHERE clip_id = ?1 AND case_id = ?2 ORDER BY rev DESC LIMIT 1")?
            .query_row(params![row.clip.to_string(), case], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, (r.get(6)?, r.get(7)?)))
            })
            .optional()?;
        if let Some((rev, origin, withdrawn, stage, matter, proves, range_ms)) = &last {
            if link.origin != Origin::Person && origin == Origin::Person.as_str() {
                return Err(StoreError::Conflict(Why::PersonDecidedLink {}));
            }
            let same = !withdrawn
                && origin == link.origin.as_str()
                && *stage == link.stage
                && *matter == link.matter
                && *proves == link.proves
                && *range_ms == link.range_ms;
            if same {
                return Ok(*rev);
            }
        }
        let rev = last.map_or(1, |l| l.0 + 1);
        self.conn.execute(
            "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, reason, rule_version, actor, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            params![
                link.clip.to_string(),
                case,
                rev,
                link.number.key(),
                link.number.raw(),
                link.range_ms.0,
                link.range_ms.1,
                link.stage,
                link.matter,
                link.proves,
                link.origin.as_str(),
                link.score,
                link.reason.as_ref().map(Grounds::stored),
                link.rule_version,
                format!("{}:{}", actor.kind, actor.id),
                self.now_ms(),
            ],
        )?;
        let mut event = Draft::by(EventKind::Linked, actor.clone(), via)
            .clip(link.clip)
            .case(layout::case_hash(link.number.key()))
            .fact("rev", rev)
            .fact("origin", link.origin.as_str())
            .fact("score", link.score)
            .fact("rule_version", link.rule_version)
            .secret("number", link.number.display());
        if let Some(reason) = &link.reason {
            // In English: the log is for whoever checks it years from now, and tells sentences, no formats of ours.
            event = event.secret("reason", reason.told(Lang::En));
        }
        // Which words it has of its own is told, so that nobody takes one away or adds one later.
        let words = [("stage", &link.stage), ("matter", &link.matter), ("proves", &link.proves)];
        let words = words.into_iter().filter_map(|(name, word)| Some((name, word.as_deref()?)));
        event = event.fact("says", words.clone().map(|(name, _)| name).collect::<Vec<_>>());
        for (name, word) in words {
            event = event.secret(name, word);
        }
        self.log(&event)?;
        self.hold_by_cases(link.clip)?;
        let (state, by) = if link.origin == Origin::Person { ("accepted", Some(actor)) } else { ("linked", None) };
        self.settle_suggestion(link.clip, case, state, by)?;
        self.reindex(link.clip)?;
        self.stale(link.clip)?;
        self.changed(Change::Cases);
        self.changed(Change::Outing(link.clip));
        Ok(rev)
    }

    /// Withdraws a link, with a person's own words why: a revision that says so.
    pub fn unlink(&self, clip: ClipId, key: &str, reason: &str, actor: &Actor, via: &'static str) -> Result<u32> {
        self.withdraw(clip, key, (reason, reason), actor, via)
    }

    /// The same where what was done tells why.
    pub fn unlink_because(
        &self,
        clip: ClipId,
        key: &str,
        reason: &Grounds,
        actor: &Actor,
        via: &'static str,
    ) -> Result<u32> {
        self.withdraw(clip, key, (&reason.stored(), &reason.told(Lang::En)), actor, via)
    }

    /// `stored` is the reason as the column has it, `told` as the log commits to it.
    fn withdraw(
        &self,
        clip: ClipId,
        key: &str,
        (stored, told): (&str, &str),
        actor: &Actor,
        via: &'static str,
    ) -> Result<u32> {
        let read = self.read();
        let links = read.links(clip)?;
        let link = links.iter().find(|l| l.keys.iter().any(|k| k == key)).ok_or_else(|| {
            let (clip, cases) = (clip.to_string(), links.iter().map(|l| l.display.clone()).collect::<Vec<_>>());
            StoreError::NotFound(match cases.is_empty() {
                true => Why::LinkedToNone { clip },
                false => Why::LinkedToOthers { clip, cases },
            })
        })?;
        self.not_filed(link.case_id)?;
        let rev = link.rev + 1;
        self.conn.execute(
            "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 'person', 100, ?6, ?7, 1, ?8, ?9)",
            params![clip.to_string(), link.case_id, rev, link.case_key, link.raw, stored, link.rule_version, format!("{}:{}", actor.kind, actor.id), self.now_ms()],
        )?;
        let event = Draft::by(EventKind::Unlinked, actor.clone(), via)
            .clip(clip)
            .case(layout::case_hash(&link.case_key))
            .fact("rev", rev)
            .secret("number", link.display.as_str())
            .secret("reason", told);
        self.log(&event)?;
        // No rule suggests again what a person took back.
        self.settle_suggestion(clip, link.case_id, "refused", Some(actor))?;
        self.reindex(clip)?;
        self.stale(clip)?;
        self.changed(Change::Cases);
        self.changed(Change::Outing(clip));
        Ok(rev)
    }

    /// A rule takes its own link back, because it now says another case. A person's link is not the rules' to change.
    pub fn withdraw_by_rule(&self, clip: ClipId, case: i64, reason: &Grounds, via: &'static str) -> Result<()> {
        let links = self.read().links(clip)?;
        let standing = links.iter().find(|l| l.case_id == case && l.origin != Origin::Person.as_str());
        let Some(link) = standing else {
            return Err(StoreError::Conflict(Why::NoRuleLink { clip: clip.to_string() }));
        };
        self.conn.execute(
            "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 100, ?7, ?8, 1, 'daemon:evidock', ?9)",
            params![clip.to_string(), case, link.rev + 1, link.case_key, link.raw, link.origin, reason.stored(), link.rule_version, self.now_ms()],
        )?;
        let event = Draft::by(EventKind::Unlinked, Actor::daemon(), via)
            .clip(clip)
            .case(layout::case_hash(&link.case_key))
            .fact("rev", link.rev + 1)
            .fact("origin", link.origin.as_str())
            .secret("number", link.display.as_str())
            .secret("reason", reason.told(Lang::En));
        self.log(&event)?;
        self.settle_suggestion(clip, case, "gone", None)?;
        self.reindex(clip)?;
        self.stale(clip)?;
        self.changed(Change::Cases);
        self.changed(Change::Outing(clip));
        Ok(())
    }
}

impl Reader<'_> {
    /// Why a revision of a clip's link to the case with this hash was written, where rules or what was done tell it; `None`
    /// of a person's own words.
    pub fn link_grounds(&self, clip: ClipId, case_hash: &str, rev: u32) -> Result<Option<Grounds>> {
        let mut statement =
            self.conn.prepare_cached("SELECT case_key, reason FROM case_link WHERE clip_id = ?1 AND rev = ?2")?;
        let mut rows = statement.query(params![clip.to_string(), rev])?;
        while let Some(r) = rows.next()? {
            let (key, reason): (String, Option<String>) = (r.get(0)?, r.get(1)?);
            if layout::case_hash(&key) == case_hash {
                return Ok(reason.as_deref().and_then(Grounds::typed));
            }
        }
        Ok(None)
    }

    /// The case with this key.
    pub fn case_id(&self, key: &str) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached("SELECT case_id FROM case_alias WHERE case_key = ?1")?
            .query_row([key], |r| r.get(0))
            .optional()?)
    }

    /// Links of a clip that stand: a case that is filed first, since nobody's later word changes what the record of its
    /// clips says (of several the one filed first); then cases before what there was before them, a person's before others.
    pub fn links(&self, clip: ClipId) -> Result<Vec<LinkRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT l.case_id, a.display, l.raw, l.case_key, f.kind, l.from_ms, l.to_ms, l.stage, l.matter, l.proves, l.origin, l.score, l.rev, l.rule_version
             FROM case_link l JOIN case_alias a ON a.case_key = l.case_key JOIN case_file f ON f.case_id = l.case_id
             WHERE l.clip_id = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY (SELECT g.filed_ms FROM filing g WHERE g.case_id = l.case_id AND g.reopened_ms IS NULL) NULLS LAST,
               f.kind = 'case' DESC, l.origin = 'person' DESC, l.link_id",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok(LinkRow {
                case_id: r.get(0)?,
                display: r.get(1)?,
                raw: r.get(2)?,
                case_key: r.get(3)?,
                keys: Vec::new(),
                aliases: Vec::new(),
                kind: r.get(4)?,
                from_ms: r.get(5)?,
                to_ms: r.get(6)?,
                stage: r.get(7)?,
                matter: r.get(8)?,
                proves: r.get(9)?,
                origin: r.get(10)?,
                score: r.get(11)?,
                rev: r.get(12)?,
                rule_version: r.get(13)?,
            })
        })?;
        let mut links: Vec<LinkRow> = rows.collect::<std::result::Result<_, _>>()?;
        for link in &mut links {
            let aliases = self.aliases(link.case_id)?;
            link.keys = aliases.iter().map(|(key, _)| key.clone()).collect();
            link.aliases =
                aliases.into_iter().filter(|(key, _)| *key != link.case_key).map(|(_, display)| display).collect();
        }
        Ok(links)
    }

    /// Cases to which the clip was ever linked, with the newest revision and whether it is withdrawn.
    pub(super) fn link_heads(&self, clip: ClipId) -> Result<Vec<(i64, u32, bool)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT case_id, rev, withdrawn FROM case_link l WHERE clip_id = ?1
               AND rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Whether a person ever decided about this clip and this case, for or against; not by a join that was undone.
    pub fn person_decided(&self, clip: ClipId, key: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM case_link l JOIN case_alias a ON a.case_id = l.case_id WHERE l.clip_id = ?1 AND a.case_key = ?2 AND l.origin = 'person'
                   AND {})",
                of_no_parted_join("l")
            ))?
            .query_row(params![clip.to_string(), key], |r| r.get(0))?)
    }

    /// Whether a person ever linked or unlinked this clip at all: then rules suggest, but do not link; and whether that was
    /// a case that was opened.
    pub fn person_linked(&self, clip: ClipId) -> Result<(bool, bool)> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT count(*) > 0, coalesce(max(f.kind = 'case'), 0) FROM case_link l JOIN case_file f ON f.case_id = l.case_id
                 WHERE l.clip_id = ?1 AND l.origin = 'person'",
            )?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))?)
    }

    /// Keys and displayed forms of a case's numbers, oldest first.
    pub fn aliases(&self, case: i64) -> Result<Vec<(String, String)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT case_key, display FROM case_alias WHERE case_id = ?1 ORDER BY added_ms, rowid")?;
        let rows = statement.query_map([case], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Clips linked to a case now, in the order of their capture.
    pub fn clips_of_case(&self, case: i64) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT l.clip_id FROM case_link l LEFT JOIN clip_index i USING (clip_id) WHERE l.case_id = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY i.captured_start_ms, l.clip_id",
            [case],
        )
    }

    /// Cases of which a number, the party, the cause or the place contains `loose` (`domain::case_number::loose` of what was typed; `None`: any
    /// number), newest first, older than the case `below`; only those of which some clip may stand in lists `within` these
    /// bounds at `now_ms`. By what the register says of a case only those find it who may know that.
    pub fn search_cases(
        &self,
        loose: Option<&str>,
        below: Option<i64>,
        limit: u32,
        within: &Within,
        now_ms: i64,
    ) -> Result<Vec<CaseSummary>> {
        let pattern = format!("%{}%", loose.unwrap_or_default());
        let (mut seen, mut own, mut account) = (String::new(), String::new(), 0);
        if let Some((condition, of)) = within_sql(within) {
            account = of;
            let condition = bound(&condition, 1, 2);
            seen = format!(
                "AND EXISTS (SELECT 1 FROM case_link k JOIN clip c ON c.clip_id = k.clip_id LEFT JOIN clip_index i ON i.clip_id = c.clip_id
                   WHERE k.case_id = f.case_id AND k.withdrawn = 0
                     AND k.rev = (SELECT max(rev) FROM case_link y WHERE y.clip_id = k.clip_id AND y.case_id = k.case_id) AND ({condition}))"
            );
            // From whom to their cases, where these are few.
            if let (None, Some(sql)) = (officers_sql(within), narrow_sql(within, false)) {
                let sql = bound(&sql, 1, 2);
                own = format!("AND case_id IN (SELECT k.case_id FROM case_link k WHERE k.clip_id IN ({sql}))");
            }
        }
        // Two walks in the order of cases, along indexes that hold what is looked for: by number, and by what the register says.
        let walk = |table: &str| {
            format!(
                "SELECT case_id FROM {table} WHERE case_id IS NOT NULL AND case_id < ?4 AND loose LIKE ?3 AND ?1 IS NOT NULL AND ?2 IS NOT NULL {own} ORDER BY case_id DESC"
            )
        };
        let below = below.unwrap_or(i64::MAX);
        let mut numbers = self.conn.prepare_cached(&walk("case_alias"))?;
        let mut numbers = numbers.query(params![account, now_ms, pattern, below])?;
        let mut entries = self.conn.prepare_cached(&walk("register_entry"))?;
        let mut entries = entries.query(params![account, now_ms, pattern, below])?;
        let mut kind_of = self.conn.prepare_cached(&format!(
            "SELECT f.kind FROM case_file f WHERE f.case_id = ?3 AND ?1 IS NOT NULL AND ?2 IS NOT NULL {seen}"
        ))?;
        let after = |rows: &mut Rows<'_>, case: i64| -> Result<Option<i64>> {
            while let Some(r) = rows.next()? {
                let next: i64 = r.get(0)?;
                if next < case {
                    return Ok(Some(next));
                }
            }
            Ok(None)
        };
        let mut found: Vec<(i64, String)> = Vec::new();
        let (mut by_number, mut by_entry) = (after(&mut numbers, below)?, after(&mut entries, below)?);
        while found.len() < limit as usize
            && let Some(case) = by_number.max(by_entry)
        {
            let numbered = by_number == Some(case);
            if let Some(kind) = kind_of.query_row(params![account, now_ms, case], |r| r.get(0)).optional()?
                && (numbered || self.knows_case(case, within, now_ms)?)
            {
                found.push((case, kind));
            }
            if numbered {
                by_number = after(&mut numbers, case)?;
            }
            if by_entry == Some(case) {
                by_entry = after(&mut entries, case)?;
            }
        }
        found.into_iter().map(|(case, kind)| self.case_summary(case, kind)).collect()
    }

    /// One case.
    pub fn case_by_key(&self, key: &str) -> Result<Option<CaseSummary>> {
        let found: Option<(i64, String)> = self
            .conn
            .prepare_cached(
                "SELECT f.case_id, f.kind FROM case_file f JOIN case_alias a USING (case_id) WHERE a.case_key = ?1",
            )?
            .query_row([key], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        found.map(|(case, kind)| self.case_summary(case, kind)).transpose()
    }

    fn case_summary(&self, case_id: i64, kind: String) -> Result<CaseSummary> {
        let mut numbers = self.aliases(case_id)?.into_iter().map(|(_, display)| display);
        let display = numbers.next().unwrap_or_default();
        if self.is_large(case_id)? {
            let (first_ms, last_ms) = (None, None);
            let (clips, aliases) = (MOST_LINKS, numbers.collect());
            return Ok(CaseSummary {
                case_id,
                display,
                aliases,
                kind,
                clips,
                bytes: 0,
                duration_ms: 0,
                first_ms,
                last_ms,
                more: true,
            });
        }
        let (clips, bytes, duration_ms, first_ms, last_ms) = self
            .conn
            .prepare_cached(
                "SELECT count(*), coalesce(sum(c.size_bytes), 0), coalesce(sum(m.duration_ms), 0), min(i.captured_start_ms), max(i.captured_start_ms + coalesce(m.duration_ms, 0))
                 FROM case_link l JOIN clip c USING (clip_id) LEFT JOIN media m USING (clip_id) LEFT JOIN clip_index i USING (clip_id)
                 WHERE l.case_id = ?1 AND l.withdrawn = 0
                   AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)",
            )?
            .query_row([case_id], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64, r.get(2)?, r.get(3)?, r.get(4)?)))?;
        Ok(CaseSummary {
            case_id,
            display,
            aliases: numbers.collect(),
            kind,
            clips,
            bytes,
            duration_ms,
            first_ms,
            last_ms,
            more: false,
        })
    }

    /// Sealed clips, oldest first, after `after`.
    pub fn sealed_after(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT clip_id FROM clip WHERE clip_id > ?1 AND local <> 'copying' ORDER BY clip_id LIMIT ?2",
            params![after.map(|c| c.to_string()).unwrap_or_default(), limit],
        )
    }

    /// Clips linked to what a case of the register was called before it was opened, and neither linked to that case nor
    /// decided about; oldest first, after `after`.
    pub fn of_earlier(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<ClipId>> {
        let sql = format!(
            "SELECT DISTINCT l.clip_id FROM case_earlier e JOIN case_alias a ON a.case_key = e.case_key JOIN case_link l ON l.case_id = a.case_id
             WHERE l.withdrawn = 0 AND l.clip_id > ?1
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
               AND NOT EXISTS (SELECT 1 FROM case_link o WHERE o.clip_id = l.clip_id AND o.case_id = e.case_id AND {})
               AND NOT EXISTS (SELECT 1 FROM suggestion s JOIN case_alias b ON b.case_key = s.case_key
                 WHERE s.clip_id = l.clip_id AND b.case_id = e.case_id AND s.state IN ('open', 'refused'))
             ORDER BY l.clip_id LIMIT ?2",
            of_no_parted_join("o")
        );
        self.clip_ids(&sql, params![after.map(|c| c.to_string()).unwrap_or_default(), limit])
    }

    /// Clips that are linked to a reference from before a case, and to no case; oldest first, after `after`: what a case
    /// that was opened since may be about.
    pub fn not_yet_of_a_case(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<ClipId>> {
        // In the order of clips, so that each page of them goes on where the one before ended; most links are of cases, and
        // are passed over by the first look.
        self.clip_ids(
            "SELECT DISTINCT l.clip_id FROM case_link l
             WHERE l.clip_id > ?1 AND (SELECT kind FROM case_file f WHERE f.case_id = l.case_id) <> 'case' AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
               AND NOT EXISTS (SELECT 1 FROM case_link o JOIN case_file c ON c.case_id = o.case_id
                 WHERE o.clip_id = l.clip_id AND c.kind = 'case' AND o.withdrawn = 0
                   AND o.rev = (SELECT max(rev) FROM case_link y WHERE y.clip_id = o.clip_id AND y.case_id = o.case_id))
             ORDER BY l.clip_id LIMIT ?2",
            params![after.map(|c| c.to_string()).unwrap_or_default(), limit],
        )
    }

    /// Sealed clips that lack one of the five facts, oldest first, after `after`: what a new roster may help.
    pub fn incomplete(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT i.clip_id FROM clip_index i CROSS JOIN clip c ON c.clip_id = i.clip_id WHERE i.missing_count > 0 AND c.local <> 'copying' AND i.clip_id > ?1
             ORDER BY i.clip_id LIMIT ?2",
            params![after.map(|c| c.to_string()).unwrap_or_default(), limit],
        )
    }
}

#[cfg(test)]
mod tests;
