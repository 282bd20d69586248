//! Filing of cases (归档): each step with its event, what the check looks at, and that a filed case takes no changes.
//! Decides nothing: that is `domain::filing`.

mod compared;
mod signed;

use rusqlite::{OptionalExtension, Row, params};

use super::facts::lacks;
use super::second_person::a_person;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::clip::{ClipState, Local, project};
use crate::domain::coverage::{Allowed, CaseFacts};
use crate::domain::event::{Actor, Draft};
use crate::domain::filing::{ClipCheck, Compared, FilingState, Keep, Report, Shown, Term, check, keep};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::record::{self, Field};
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};

pub use compared::{FilingProgress, ToCompare};
pub use signed::{Signed, report_json};

/// What a case must be to be filed.
#[derive(Debug, Clone, Copy)]
pub struct FilingRule {
    /// What counts as recorded.
    pub allowed: Allowed,
    /// A comparison of a clip's data counts for so long, milliseconds.
    pub compared_ms: i64,
}

/// A round of filing.
#[derive(Debug, Clone)]
pub struct FilingRow {
    /// Its number.
    pub filing: i64,
    /// The case.
    pub case_id: i64,
    /// `kind:id` of who closed it, and when, milliseconds since the Unix epoch.
    pub closed: (String, i64),
    /// Who gave it its place, and when.
    pub bound: Option<(String, i64)>,
    /// 全宗号.
    pub fonds_no: Option<String>,
    /// 年度.
    pub year: Option<i64>,
    /// 档号.
    pub archival_code: Option<String>,
    /// 题名.
    pub title: Option<String>,
    /// 保管期限 of the case file, as typed.
    pub term: Option<String>,
    /// Who signed it off, and when.
    pub filed: Option<(String, i64)>,
    /// 检查意见.
    pub opinion: Option<String>,
    /// Who asked to re-open it, and why.
    pub asked: Option<(String, String)>,
    /// What the check found when it was signed, as it was stored.
    pub report: Option<String>,
}

impl FilingRow {
    /// How far it is.
    pub fn state(&self) -> FilingState {
        match (&self.bound, &self.filed) {
            (_, Some(_)) => FilingState::Filed,
            (Some(_), None) => FilingState::Bound,
            (None, None) => FilingState::Closed,
        }
    }
}

/// The place of a case in the archive.
#[derive(Debug, Clone)]
pub struct Binding {
    /// 全宗号.
    pub fonds_no: String,
    /// 年度.
    pub year: i64,
    /// 档号.
    pub archival_code: String,
    /// 题名.
    pub title: Option<String>,
    /// 保管期限, as typed; it was read once.
    pub term: String,
}

const COLUMNS: &str = "filing_id, case_id, closed_by, closed_ms, bound_by, bound_ms, fonds_no, year, archival_code, title, term, \
    filed_by, filed_ms, opinion, asked_by, asked_why, report";

fn row(r: &Row<'_>) -> rusqlite::Result<FilingRow> {
    let pair = |by: Option<String>, at: Option<i64>| by.zip(at);
    Ok(FilingRow {
        filing: r.get(0)?,
        case_id: r.get(1)?,
        closed: (r.get(2)?, r.get(3)?),
        bound: pair(r.get(4)?, r.get(5)?),
        fonds_no: r.get(6)?,
        year: r.get(7)?,
        archival_code: r.get(8)?,
        title: r.get(9)?,
        term: r.get(10)?,
        filed: pair(r.get(11)?, r.get(12)?),
        opinion: r.get(13)?,
        asked: r.get::<_, Option<String>>(14)?.zip(r.get(15)?),
        report: r.get(16)?,
    })
}

fn by(actor: &Actor) -> String {
    format!("{}:{}", actor.kind, actor.id)
}

impl Reader<'_> {
    /// How far the filing of a case is; `None` while it is open.
    pub fn filing(&self, case: i64) -> Result<Option<FilingRow>> {
        let sql = format!("SELECT {COLUMNS} FROM filing WHERE case_id = ?1 AND reopened_ms IS NULL");
        Ok(self.conn.prepare_cached(&sql)?.query_row([case], row).optional()?)
    }

    /// Filed cases whose re-opening waits for a second person, oldest first, with their first numbers.
    pub fn reopenings(&self) -> Result<Vec<(FilingRow, String)>> {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT a.display FROM case_alias a WHERE a.case_id = filing.case_id ORDER BY a.added_ms, a.rowid LIMIT 1)
             FROM filing WHERE reopened_ms IS NULL AND asked_by IS NOT NULL ORDER BY asked_ms, filing_id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([], |r| Ok((row(r)?, r.get::<_, Option<String>>(17)?.unwrap_or_default())))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Until when each clip of a filing is kept, and by what.
    pub fn filed_clips(&self, filing: i64) -> Result<Vec<(ClipId, Option<i64>, String)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT clip_id, keep_until_ms, basis FROM filing_clip WHERE filing_id = ?1 ORDER BY clip_id",
        )?;
        let rows = statement.query_map([filing], |r| Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?)))?;
        rows.map(|row| {
            let (clip, until, basis) = row?;
            Ok((clip.parse()?, until, basis))
        })
        .collect()
    }

    /// The filing of a case that has a clip, where it was filed: for its record. Of several the newest; of one case alone
    /// where `case` is given.
    pub fn filing_of_clip(&self, clip: ClipId, case: Option<i64>) -> Result<Option<(FilingRow, Option<i64>)>> {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT x.keep_until_ms FROM filing_clip x WHERE x.filing_id = filing.filing_id AND x.clip_id = ?1)
             FROM filing WHERE reopened_ms IS NULL AND filed_ms IS NOT NULL AND (?2 IS NULL OR case_id = ?2)
               AND filing_id IN (SELECT filing_id FROM filing_clip WHERE clip_id = ?1) ORDER BY filed_ms DESC LIMIT 1"
        );
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row(params![clip.to_string(), case], |r| Ok((row(r)?, r.get(17)?)))
            .optional()?)
    }

    /// What the check finds about a case now.
    pub fn filing_report(&self, case: i64, rule: FilingRule, now_ms: i64) -> Result<Report> {
        let anchors = self.anchors()?;
        let filing = self.filing(case)?.map(|f| f.filing);
        let comparing = self.comparing(filing, rule, now_ms)?;
        let mut clips = Vec::new();
        for clip in self.clips_of_case(case)? {
            let (stored, facts) = (self.clip(clip)?, self.clip_facts(clip)?);
            let settled = record::settle(&self.facts(clip)?);
            let mut links = self.links(clip)?;
            links.retain(|link| link.case_id == case);
            let mut missing: Vec<String> = lacks(&settled, &links).into_iter().map(str::to_owned).collect();
            if !stored.owes_facts() {
                missing.clear();
            }
            let proof_seq = self.evict_facts(clip, &[])?.proof_seq;
            clips.push(ClipCheck {
                clip,
                is_recording: stored.owes_facts(),
                is_footage: stored.is_footage(),
                copying: stored.local == Local::Copying,
                damaged: stored.local == Local::Damaged,
                quarantined: facts.quarantined,
                isolated: facts.isolated,
                proven: matches!(project(&facts), ClipState::Proven | ClipState::Released),
                anchored: proof_seq.is_some_and(|seq| seq < anchors.stored),
                compared: filing.map(|f| self.filing_compared(f, clip)).transpose()?.flatten(),
                health: self.media(clip)?.map(|m| m.facts.health),
                missing,
                gap_reason: settled.get(&Field::GapReason).map(|f| f.value.clone()),
            });
        }
        let (coverage, kind_unknown) = self.coverage_when_over(case, now_ms, rule.allowed)?;
        Ok(check(&clips, &comparing, &coverage, kind_unknown))
    }

    /// How a clip's copies at destinations were compared last: what counts is a proof or a reading since.
    pub fn compared(&self, clip: ClipId) -> Result<Option<Compared>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT destination, CASE WHEN audited_ms IS NOT NULL THEN audit_how ELSE proof END, coalesce(audited_ms, proven_ms) AS at
                 FROM delivery WHERE clip_id = ?1 AND state = 'proven' AND proven_ms IS NOT NULL ORDER BY at DESC LIMIT 1",
            )?
            .query_row([clip.to_string()], |r| {
                Ok(Compared { place: r.get(0)?, how: r.get::<_, Option<String>>(1)?.unwrap_or_default(), at_ms: r.get(2)? })
            })
            .optional()?)
    }

    /// What each clip of a case shows in it, in the order of capture.
    fn shown(&self, case: i64) -> Result<Vec<(ClipId, Shown)>> {
        let mut shown = Vec::new();
        for clip in self.clips_of_case(case)? {
            let settled = record::settle(&self.facts(clip)?);
            let link = self.links(clip)?.into_iter().find(|l| l.case_id == case);
            let word = |field: Field| match &link {
                Some(link) => link.said(field, &settled),
                None => settled.get(&field).map(|f| f.value.clone()),
            };
            shown.push((clip, Shown { stage: word(Field::Stage), matter: word(Field::Matter) }));
        }
        Ok(shown)
    }

    /// Until when each clip of a case would be kept if it were filed at `filed_ms` with this term.
    pub fn keeps(
        &self,
        case: i64,
        term: &str,
        filed_ms: i64,
        zone: &jiff::tz::TimeZone,
    ) -> Result<Vec<(ClipId, Keep)>> {
        let (items, entry) = (self.catalogue_items()?, self.case_entry(case)?.map(|e| e.entry).unwrap_or_default());
        // What cannot be read keeps for ever.
        let file = (term, Term::parse(term).unwrap_or(Term::Forever));
        let facts = CaseFacts::of(&entry);
        let of = |shown: &Shown| keep(&items, &facts, shown, file, UtcMs(filed_ms), zone);
        Ok(self.shown(case)?.iter().map(|(clip, shown)| (*clip, of(shown))).collect())
    }

    pub(super) fn case_hash(&self, case: i64) -> Result<String> {
        let key = self.aliases(case)?.into_iter().next().map(|(key, _)| key).unwrap_or_default();
        Ok(layout::case_hash(&key))
    }
}

impl Tx<'_> {
    /// 结案.
    pub fn close_case(&self, case: i64, asked: Draft) -> Result<()> {
        if let Some(standing) = self.read().filing(case)? {
            return Err(StoreError::Conflict(Why::CaseIs { state: standing.state().as_str().to_owned() }));
        }
        self.conn.execute(
            "INSERT INTO filing (case_id, closed_by, closed_ms) VALUES (?1, ?2, ?3)",
            params![case, by(&asked.actor), self.now_ms()],
        )?;
        self.log(&asked.case(self.read().case_hash(case)?))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// 立卷; again while it is not filed, so that a slip can be mended.
    pub fn bind_case(&self, case: i64, binding: &Binding, asked: Draft) -> Result<()> {
        let standing = self.standing_filing(case, FilingState::Closed, Why::CloseFirst {})?;
        let taken: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT case_id FROM filing WHERE fonds_no = ?1 AND archival_code = ?2 AND reopened_ms IS NULL AND case_id <> ?3",
            )?
            .query_row(params![binding.fonds_no, binding.archival_code, case], |r| r.get(0))
            .optional()?;
        if taken.is_some() {
            return Err(StoreError::Conflict(Why::ArchiveNoTaken {
                code: binding.archival_code.clone(),
                fonds: binding.fonds_no.clone(),
            }));
        }
        self.conn.execute(
            "UPDATE filing SET bound_by = ?2, bound_ms = ?3, fonds_no = ?4, year = ?5, archival_code = ?6, title = ?7, term = ?8 WHERE filing_id = ?1",
            params![
                standing.filing,
                by(&asked.actor),
                self.now_ms(),
                binding.fonds_no,
                binding.year,
                binding.archival_code,
                binding.title,
                binding.term
            ],
        )?;
        // The case is put to filing: its data are compared from now on.
        if self.read().filing_check(standing.filing)?.is_none() {
            self.begin_check(standing.filing, &asked.actor)?;
        }
        let event = asked
            .case(self.read().case_hash(case)?)
            .fact("fonds_no", binding.fonds_no.as_str())
            .fact("year", binding.year)
            .fact("term", binding.term.as_str())
            .secret("archival_code", binding.archival_code.as_str());
        self.log(&event)?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// 归档: the check is made in this transaction. With a gap nothing is filed; that somebody tried is logged.
    pub fn file_case(
        &self,
        case: i64,
        opinion: &str,
        rule: FilingRule,
        zone: &jiff::tz::TimeZone,
        asked: Draft,
    ) -> Result<Report> {
        let standing = self.standing_filing(case, FilingState::Bound, Why::BindFirst {})?;
        let (read, now_ms) = (self.read(), self.now_ms());
        let report = read.filing_report(case, rule, now_ms)?;
        let hash = read.case_hash(case)?;
        let event = asked
            .case(hash.as_str())
            .fact("clips", report.clips)
            .fact("gaps", report.gaps.len())
            .fact("remarks", report.remarks.len());
        if !report.is_sound() {
            let mut whats: Vec<&str> = report.gaps.iter().map(|g| g.what.as_str()).collect();
            whats.sort_unstable();
            whats.dedup();
            self.log(&event.fact("what", whats.join(",")).outcome("refused"))?;
            return Ok(report);
        }
        let term = standing.term.unwrap_or_default();
        let keeps = read.keeps(case, &term, now_ms, zone)?;
        let text = report_json(&report).to_string();
        let (sha256, blake3) = signed::digests(&text);
        self.conn.execute(
            "UPDATE filing SET filed_by = ?2, filed_ms = ?3, opinion = ?4, report = ?5 WHERE filing_id = ?1",
            params![standing.filing, by(&event.actor), now_ms, opinion, text],
        )?;
        for (clip, keep) in &keeps {
            self.conn.execute(
                "INSERT INTO filing_clip (filing_id, clip_id, keep_until_ms, basis) VALUES (?1, ?2, ?3, ?4)",
                params![standing.filing, clip.to_string(), keep.until_ms, keep.basis],
            )?;
            self.refigure(*clip)?;
            self.stale(*clip)?;
        }
        let event = event
            .fact("report_sha256", sha256.as_str())
            .fact("report_blake3", blake3.as_str())
            .secret("opinion", opinion);
        self.signed_at(standing.filing, self.log(&event)?)?;
        for (clip, keep) in &keeps {
            // Each clip's own history tells it.
            let mut of = Draft::by(event.kind, event.actor.clone(), event.via).clip(*clip).case(hash.as_str());
            (of.from, of.session) = (event.from.clone(), event.session.clone());
            self.log(&of.fact("keep_until_ms", keep.until_ms).fact("report_sha256", sha256.as_str()))?;
        }
        self.changed(Change::Cases);
        Ok(report)
    }

    /// Asks to re-open a case. What was not filed yet is open again at once; `true` then.
    pub fn ask_reopen(&self, case: i64, why: &str, asked: Draft) -> Result<bool> {
        let standing = self.standing_filing(case, FilingState::Closed, Why::CaseOpen {})?;
        let hash = self.read().case_hash(case)?;
        let filed = standing.filed.is_some();
        let person = if filed { a_person(&asked.actor)? } else { by(&asked.actor) };
        let now_ms = self.now_ms();
        self.conn.execute(
            "UPDATE filing SET asked_by = ?2, asked_why = ?3, asked_ms = ?4 WHERE filing_id = ?1",
            params![standing.filing, person, why, now_ms],
        )?;
        if !filed {
            self.conn.execute(
                "UPDATE filing SET reopened_by = ?2, reopened_ms = ?3 WHERE filing_id = ?1",
                params![standing.filing, person, now_ms],
            )?;
        }
        let step = if filed { "asked" } else { "reopened" };
        self.log(&asked.case(hash).fact("step", step).fact("filed", filed).secret("reason", why))?;
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(!filed)
    }

    /// Another person decides about re-opening a filed case; whoever asked may take it back.
    pub fn decide_reopen(&self, case: i64, yes: bool, asked: Draft) -> Result<()> {
        let standing = self.standing_filing(case, FilingState::Filed, Why::CaseNotFiled {})?;
        let hash = self.read().case_hash(case)?;
        let Some((asked_by, _)) = standing.asked else {
            return Err(StoreError::Conflict(Why::NoReopening {}));
        };
        let event = asked.case(hash.as_str()).fact("asked_by", asked_by.as_str());
        if yes {
            let person =
                self.read().another_person(Action::ReopenCase, &event.actor, Some(&asked_by), Thing::Reopening)?;
            self.conn.execute(
                "UPDATE filing SET reopened_by = ?2, reopened_ms = ?3 WHERE filing_id = ?1",
                params![standing.filing, person, self.now_ms()],
            )?;
            for (clip, ..) in self.read().filed_clips(standing.filing)? {
                self.refigure(clip)?;
                self.stale(clip)?;
            }
            self.log(&event.fact("step", "reopened"))?;
        } else {
            a_person(&event.actor)?;
            self.conn.execute(
                "UPDATE filing SET asked_by = NULL, asked_why = NULL, asked_ms = NULL WHERE filing_id = ?1",
                [standing.filing],
            )?;
            self.log(&event.fact("step", "refused").outcome("refused"))?;
        }
        self.changed(Change::Cases);
        self.changed(Change::Rules);
        Ok(())
    }

    /// The round that stands, at least so far, and not filed unless that is asked for.
    fn standing_filing(&self, case: i64, at_least: FilingState, otherwise: Why) -> Result<FilingRow> {
        let standing = self.read().filing(case)?;
        match standing {
            Some(row) if row.state() < at_least => Err(StoreError::Conflict(otherwise)),
            Some(row) if row.state() == FilingState::Filed && at_least == FilingState::Bound => {
                Err(StoreError::Conflict(Why::CaseFiled {}))
            }
            Some(row) => Ok(row),
            None => Err(StoreError::Conflict(otherwise)),
        }
    }

    /// A filed case takes no changes.
    pub(super) fn not_filed(&self, case: i64) -> Result<()> {
        match self.read().filing(case)? {
            Some(row) if row.state() == FilingState::Filed => {
                Err(StoreError::Conflict(Why::FiledNoChanges { code: row.archival_code.unwrap_or_default() }))
            }
            _ => Ok(()),
        }
    }

    /// The record of a clip of a filed case takes no changes by people.
    pub(super) fn no_filed_case(&self, clip: ClipId) -> Result<()> {
        for link in self.read().links(clip)? {
            self.not_filed(link.case_id)?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Whether the case with this key is filed: rules neither link to it nor take a link of it back.
    pub fn is_filed(&self, key: &str) -> Result<bool> {
        match self.case_id(key)? {
            Some(case) => Ok(self.filing(case)?.is_some_and(|f| f.state() == FilingState::Filed)),
            None => Ok(false),
        }
    }

    /// Whether any case of a clip is filed.
    pub(super) fn is_of_filed_case(&self, clip: ClipId) -> Result<bool> {
        for link in self.links(clip)? {
            if self.is_filed(&link.case_key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
