//! Disposal after appraisal (鉴定销毁): whose retention is over, lists that are proposed and confirmed, and each step of
//! carrying them out with its event. Decides nothing: that is `domain::disposal`.
//!
//! The transaction that says that a clip goes also takes it out of everything that relies on its bytes (`local` is
//! "evicted", `disposed_ms` is set) before any of them goes; the result is a second event. Between the two the item is
//! "going", and the next start goes on with it.

use rusqlite::{OptionalExtension, Row, params};

use super::second_person::a_person;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::clip::{ClipFacts, Delivery, Local};
use crate::domain::disposal::{CopyFate, DisposalState, DisposeFacts, Reason, Stay, decide};
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::why::{Thing, Why};

/// A clip whose retention is over.
#[derive(Debug, Clone)]
pub struct DueRow {
    /// The clip.
    pub clip: ClipId,
    /// Since when, milliseconds since the Unix epoch.
    pub over_ms: i64,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// When it was sealed.
    pub sealed_ms: i64,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// Its place in the list.
    pub place: DuePlace,
}

/// A place in the list of what is due: since when it was over as the list has it, and the clip.
pub type DuePlace = (i64, ClipId);

/// Rows that are looked at together.
const LOOKED: usize = 200;

/// Of a row of `case_file f`: it is a case, by its number, by the register or because its filing began; one that was filed
/// stays one when it is opened again (当场处罚, of which no register tells). What there is before a case (日常检查, an
/// inspection task) is never filed, and alone gives no reason to keep a clip for longer.
pub(super) const IS_A_CASE: &str =
    "(f.kind = 'case' OR EXISTS (SELECT 1 FROM register_entry e WHERE e.case_id = f.case_id)
     OR EXISTS (SELECT 1 FROM filing g WHERE g.case_id = f.case_id AND (g.reopened_ms IS NULL OR g.filed_ms IS NOT NULL)))";

/// A list.
#[derive(Debug, Clone)]
pub struct DisposalRow {
    /// Its number.
    pub disposal: i64,
    /// 鉴定意见.
    pub opinion: String,
    /// On what basis.
    pub basis: String,
    /// How far it is.
    pub state: DisposalState,
    /// `kind:id` of who proposed it.
    pub asked_by: String,
    /// When, milliseconds since the Unix epoch.
    pub asked_ms: i64,
    /// Who confirmed or refused it, and when.
    pub second: Option<(String, i64)>,
    /// When nothing more was to be done here.
    pub ended_ms: Option<i64>,
}

/// A clip of a list.
#[derive(Debug, Clone)]
pub struct DisposalItem {
    /// The clip.
    pub clip: ClipId,
    /// Since when its retention was over.
    pub over_ms: i64,
    /// `asked`, `refused`, `kept`, `going`, `gone`.
    pub state: String,
    /// Why it was kept after all: code of `domain::disposal::Stay`.
    pub why: Option<String>,
    /// Position in the log of the event that says that it goes.
    pub intent_seq: Option<u64>,
    /// When it was gone, and the position of that event.
    pub gone: Option<(i64, u64)>,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Hex digests.
    pub digests: (String, String),
    /// Its name on the recorder.
    pub file_name: String,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// What became of its copies.
    pub copies: Vec<CopyRow>,
}

/// A copy of a clip that was disposed of.
#[derive(Debug, Clone)]
pub struct CopyRow {
    /// Where.
    pub destination: String,
    /// It is gone.
    pub removed: bool,
    /// Its lock ends then.
    pub until_ms: Option<i64>,
    /// Why it stands.
    pub why: String,
}

const COLUMNS: &str = "disposal_id, opinion, basis, state, asked_by, asked_ms, second_by, second_ms, ended_ms";

fn row(r: &Row<'_>) -> rusqlite::Result<DisposalRow> {
    Ok(DisposalRow {
        disposal: r.get(0)?,
        opinion: r.get(1)?,
        basis: r.get(2)?,
        // The table's CHECK knows no other word.
        state: DisposalState::parse(&r.get::<_, String>(3)?).unwrap_or(DisposalState::Asked),
        asked_by: r.get(4)?,
        asked_ms: r.get(5)?,
        second: r.get::<_, Option<String>>(6)?.zip(r.get(7)?),
        ended_ms: r.get(8)?,
    })
}

/// The query of a walk along what may be due, by `loose` or `keep`.
fn due_sql(by: &str) -> String {
    format!(
        "SELECT r.{by}_ms, r.clip_id FROM clip_report r INDEXED BY clip_report_{by} CROSS JOIN clip c ON c.clip_id = r.clip_id
         WHERE r.{by}_ms IS NOT NULL AND r.proven_ms IS NOT NULL AND r.isolated_ms IS NULL AND (r.{by}_ms, r.clip_id) > (?1, ?2) AND r.{by}_ms <= ?3
           AND c.local IN ('sealed', 'evicted') AND c.state IN ('proven', 'released') AND c.disposed_ms IS NULL AND c.quarantine IS NULL
           AND NOT EXISTS (SELECT 1 FROM disposal_item d WHERE d.clip_id = c.clip_id AND d.state IN ('asked', 'going', 'gone'))
           AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = c.clip_id AND h.released_ms IS NULL)
         ORDER BY r.{by}_ms, r.clip_id LIMIT {LOOKED}"
    )
}

/// A clip of a list, by the list's number.
pub type Listed = (i64, ClipId);

impl Reader<'_> {
    /// Why a clip is kept for now, as far as its cases go.
    pub fn keep_reason(&self, clip: ClipId) -> Result<Reason> {
        let cases = self.cases_that_keep(clip)?;
        if cases.is_empty() {
            let sealed_ms = self.clip(clip)?.sealed_ms.unwrap_or(i64::MAX);
            // Whoever takes a clip from its case by mistake has as long to notice as with one that never had any.
            let sql = format!(
                "SELECT max(l.at_ms) FROM case_link l JOIN case_file f ON f.case_id = l.case_id WHERE l.clip_id = ?1 AND l.withdrawn = 1 AND {IS_A_CASE}"
            );
            let taken: Option<i64> = self.conn.prepare_cached(&sql)?.query_row([clip.to_string()], |r| r.get(0))?;
            return Ok(Reason::Unlinked { since_ms: sealed_ms.max(taken.unwrap_or(i64::MIN)) });
        }
        let mut longest: Option<i64> = None;
        let mut forever = false;
        for case in cases {
            let until: Option<Option<i64>> = self
                .conn
                .prepare_cached(
                    "SELECT x.keep_until_ms FROM filing f JOIN filing_clip x ON x.filing_id = f.filing_id AND x.clip_id = ?2
                     WHERE f.case_id = ?1 AND f.reopened_ms IS NULL AND f.filed_ms IS NOT NULL",
                )?
                .query_row(params![case, clip.to_string()], |r| r.get(0))
                .optional()?;
            match until {
                None => return Ok(Reason::CaseOpen),
                Some(None) => forever = true,
                Some(Some(until)) => longest = longest.max(Some(until)),
            }
        }
        Ok(Reason::Filed { until_ms: if forever { None } else { longest } })
    }

    /// Cases to which a clip is linked now, without what there was before them.
    fn cases_that_keep(&self, clip: ClipId) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT l.case_id FROM case_link l JOIN case_file f ON f.case_id = l.case_id WHERE l.clip_id = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) AND {IS_A_CASE}"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([clip.to_string()], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// What keeps a clip after all that was decided to go: what may come between that and its last byte.
    fn kept_since(&self, clip: ClipId, facts: &ClipFacts, now_ms: i64) -> Result<Option<Stay>> {
        Ok(match (facts.isolated, facts.held) {
            (true, _) => Some(Stay::Isolated),
            (_, true) => Some(Stay::Held),
            _ => self.keep_reason(clip)?.of_a_case(now_ms),
        })
    }

    /// What the decision about one clip depends on.
    pub fn dispose_facts(&self, clip: ClipId) -> Result<DisposeFacts> {
        let row = self.clip(clip)?;
        Ok(DisposeFacts {
            clip: self.clip_facts(clip)?,
            is_recording: row.owes_facts(),
            disposed: row.disposed_ms.is_some(),
            reason: self.keep_reason(clip)?,
        })
    }

    /// Clips whose retention is over at `now_ms` and that stand on no list, after `after`: what was over first comes first.
    pub fn disposal_due(
        &self,
        unlinked_ms: i64,
        now_ms: i64,
        after: Option<DuePlace>,
        limit: usize,
    ) -> Result<Vec<DueRow>> {
        let (mut due, mut from) = (Vec::new(), after);
        loop {
            // Two walks along what `clip_report` has of each clip: of no case since, and kept by its cases until.
            let loose = self.walk_due("loose", unlinked_ms, now_ms, from)?;
            let filed = self.walk_due("keep", 0, now_ms, from)?;
            // Beyond the end of a walk that goes on, there may be more of it between what the other one gave.
            let ends = [&loose, &filed].into_iter().filter(|walk| walk.len() == LOOKED).filter_map(|walk| walk.last());
            let end = ends.min().copied();
            let mut places = [loose, filed].concat();
            places.sort_unstable();
            places.retain(|place| end.is_none_or(|end| *place <= end));
            for place in places {
                let clip = place.1;
                let Ok(over_ms) = decide(&self.dispose_facts(clip)?, unlinked_ms, now_ms) else { continue };
                let row = self.clip(clip)?;
                due.push(DueRow {
                    clip,
                    over_ms,
                    size_bytes: row.size_bytes.unwrap_or(0),
                    sealed_ms: row.sealed_ms.unwrap_or(0),
                    cases: self.links(clip)?.into_iter().map(|l| l.display).collect(),
                    place,
                });
                if due.len() >= limit {
                    return Ok(due);
                }
            }
            match end {
                Some(end) => from = Some(end),
                None => return Ok(due),
            }
        }
    }

    /// Places of clips that may be due, in their order, by `loose_ms` or `keep_ms` of `clip_report`; at most [`LOOKED`]. What is
    /// in the column is over `after_ms` later.
    fn walk_due(&self, by: &str, after_ms: i64, now_ms: i64, from: Option<DuePlace>) -> Result<Vec<DuePlace>> {
        let (begin_ms, clip) = from.map_or((i64::MIN, String::new()), |(over, clip)| (over, clip.to_string()));
        let values = params![begin_ms.saturating_sub(after_ms), clip, now_ms.saturating_sub(after_ms)];
        let mut statement = self.conn.prepare_cached(&due_sql(by))?;
        let rows = statement.query_map(values, |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (ms, clip) = row?;
            Ok((ms.saturating_add(after_ms), clip.parse()?))
        })
        .collect()
    }

    /// One list.
    pub fn disposal(&self, disposal: i64) -> Result<DisposalRow> {
        let sql = format!("SELECT {COLUMNS} FROM disposal WHERE disposal_id = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([disposal], row).optional()?;
        found.ok_or_else(|| StoreError::NotFound(Why::NoDisposal { disposal }))
    }

    /// Lists, newest first.
    pub fn disposals(&self, limit: u32) -> Result<Vec<DisposalRow>> {
        self.disposals_below(None, limit)
    }

    /// The same below a number.
    pub fn disposals_below(&self, below: Option<i64>, limit: u32) -> Result<Vec<DisposalRow>> {
        let sql = format!("SELECT {COLUMNS} FROM disposal WHERE disposal_id < ?1 ORDER BY disposal_id DESC LIMIT ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![below.unwrap_or(i64::MAX), limit], row)?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// How many clips are on a list, and how many of them are gone.
    pub fn disposal_figures(&self, disposal: i64) -> Result<(u64, u64)> {
        let sql = "SELECT count(*), coalesce(sum(state = 'gone'), 0) FROM disposal_item WHERE disposal_id = ?1";
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row([disposal], |r| Ok((r.get::<_, i64>(0)? as u64, r.get::<_, i64>(1)? as u64)))?)
    }

    /// Clips of a list.
    pub fn disposal_items(&self, disposal: i64) -> Result<Vec<DisposalItem>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT clip_id, over_ms, state, why, intent_seq, gone_ms, gone_seq FROM disposal_item WHERE disposal_id = ?1 ORDER BY clip_id",
        )?;
        type Found = (String, i64, String, Option<String>, Option<i64>, Option<i64>, Option<i64>);
        let rows: Vec<Found> = statement
            .query_map([disposal], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?))
            })?
            .collect::<std::result::Result<_, _>>()?;
        rows.into_iter()
            .map(|(clip, over_ms, state, why, intent, gone_ms, gone_seq)| {
                let clip: ClipId = clip.parse()?;
                let stored = self.clip(clip)?;
                let hex = |digest: Option<String>| digest.unwrap_or_default();
                Ok(DisposalItem {
                    clip,
                    over_ms,
                    state,
                    why,
                    intent_seq: intent.map(|n| n as u64),
                    gone: gone_ms.zip(gone_seq.map(|n| n as u64)),
                    size_bytes: stored.size_bytes.unwrap_or(0),
                    digests: (hex(stored.sha256.map(|d| d.to_string())), hex(stored.blake3.map(|d| d.to_string()))),
                    file_name: stored.path.file_name(),
                    cases: self.links(clip)?.into_iter().map(|l| l.display).collect(),
                    copies: self.disposal_copies(clip)?,
                })
            })
            .collect()
    }

    /// What became of the copies of a clip that was disposed of.
    pub fn disposal_copies(&self, clip: ClipId) -> Result<Vec<CopyRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT destination, state = 'removed', until_ms, why FROM disposal_copy WHERE clip_id = ?1 ORDER BY destination",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok(CopyRow { destination: r.get(0)?, removed: r.get(1)?, until_ms: r.get(2)?, why: r.get(3)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The list by which a clip went, or goes.
    pub fn disposal_of(&self, clip: ClipId) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT disposal_id FROM disposal_item WHERE clip_id = ?1 AND state IN ('asked', 'going', 'gone') AND state <> 'asked'",
            )?
            .query_row([clip.to_string()], |r| r.get(0))
            .optional()?)
    }

    /// Clips of confirmed lists about which nothing was decided yet, and those that go and may still stand here.
    pub fn disposals_open(&self) -> Result<(Vec<Listed>, Vec<Listed>)> {
        let of = |sql: &str| -> Result<Vec<Listed>> {
            let mut statement = self.conn.prepare_cached(sql)?;
            let rows = statement.query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (disposal, clip) = row?;
                Ok((disposal, clip.parse()?))
            })
            .collect()
        };
        // As the index of what is open has it: lists of many years are passed over.
        let asked = of("SELECT i.disposal_id, i.clip_id FROM disposal_item i JOIN disposal d USING (disposal_id)
             WHERE i.state IN ('asked', 'going') AND i.state = 'asked' AND d.state = 'going' ORDER BY i.disposal_id, i.clip_id")?;
        let going = of(
            "SELECT disposal_id, clip_id FROM disposal_item WHERE state IN ('asked', 'going') AND state = 'going' ORDER BY disposal_id, clip_id",
        )?;
        Ok((asked, going))
    }

    /// Copies of disposed clips that stand at `destination`, whose lock is over at `now_ms` or unknown, and that nobody has
    /// looked at since `looked_ms`; those that were looked at longest ago first.
    pub fn copies_to_dispose(&self, destination: &str, now_ms: i64, looked_ms: i64, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT k.clip_id FROM disposal_copy k JOIN disposal_item i ON i.clip_id = k.clip_id AND i.state = 'gone'
             WHERE k.destination = ?1 AND k.state = 'stands' AND k.why <> 'cannot' AND coalesce(k.until_ms, 0) <= ?2 AND k.at_ms <= ?3
             ORDER BY k.at_ms, k.clip_id LIMIT ?4",
            params![destination, now_ms, looked_ms, limit],
        )
    }
}

impl Tx<'_> {
    /// Somebody proposes a list. Each clip is decided about here; one that stays refuses the list, with its reason.
    pub fn propose_disposal(
        &self,
        clips: &[ClipId],
        (opinion, basis): (&str, &str),
        unlinked_ms: i64,
        asked: Draft,
    ) -> Result<i64> {
        let person = a_person(&asked.actor)?;
        let now_ms = self.now_ms();
        self.conn.execute(
            "INSERT INTO disposal (opinion, basis, state, asked_by, asked_ms) VALUES (?1, ?2, 'asked', ?3, ?4)",
            params![opinion, basis, person, now_ms],
        )?;
        let disposal = self.conn.last_insert_rowid();
        for clip in clips {
            let over_ms = decide(&self.read().dispose_facts(*clip)?, unlinked_ms, now_ms)
                .map_err(|stay| Why::ClipStays { clip: clip.to_string(), because: Box::new(stay.into()) })
                .map_err(StoreError::Conflict)?;
            let listed: bool = self
                .conn
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM disposal_item WHERE clip_id = ?1 AND state IN ('asked', 'going', 'gone'))")?
                .query_row([clip.to_string()], |r| r.get(0))?;
            if listed {
                return Err(StoreError::Conflict(Why::OnAnotherList { clip: clip.to_string() }));
            }
            self.conn.execute(
                "INSERT INTO disposal_item (disposal_id, clip_id, over_ms, state) VALUES (?1, ?2, ?3, 'asked')",
                params![disposal, clip.to_string(), over_ms],
            )?;
        }
        let event = asked
            .fact("disposal", disposal)
            .fact("clips", clips.len())
            .secret("opinion", opinion)
            .secret("basis", basis);
        self.log(&event)?;
        self.changed(Change::Holds);
        Ok(disposal)
    }

    /// Another person decides; whoever asked may take it back.
    pub fn decide_disposal(&self, disposal: i64, yes: bool, decided: Draft) -> Result<DisposalState> {
        let row = self.read().disposal(disposal)?;
        if row.state != DisposalState::Asked {
            return Err(StoreError::Conflict(Why::ListDecided {}));
        }
        let person = match yes {
            true => {
                self.read().another_person(Action::DisposeClip, &decided.actor, Some(&row.asked_by), Thing::Disposal)?
            }
            false => a_person(&decided.actor)?,
        };
        let state = if yes { DisposalState::Going } else { DisposalState::Refused };
        self.conn.execute(
            "UPDATE disposal SET state = ?2, second_by = ?3, second_ms = ?4, ended_ms = CASE WHEN ?2 = 'refused' THEN ?4 END WHERE disposal_id = ?1",
            params![disposal, state.as_str(), person, self.now_ms()],
        )?;
        if !yes {
            self.conn.execute(
                "UPDATE disposal_item SET state = 'refused' WHERE disposal_id = ?1 AND state = 'asked'",
                [disposal],
            )?;
        }
        let event = decided.fact("disposal", disposal).fact("asked_by", row.asked_by);
        self.log(&event.outcome(if yes { "ok" } else { "refused" }))?;
        self.changed(Change::Holds);
        Ok(state)
    }

    /// A clip of a confirmed list goes, or stays after all: decided here once more, and said before its bytes go. `true`
    /// where it goes.
    pub fn disposal_intended(&self, disposal: i64, clip: ClipId, unlinked_ms: i64) -> Result<bool> {
        let (list, row) = (self.read().disposal(disposal)?, self.read().clip(clip)?);
        let decided = decide(&self.read().dispose_facts(clip)?, unlinked_ms, self.now_ms());
        let event = Draft::daemon(EventKind::DisposalIntended)
            .clip(clip)
            .fact("disposal", disposal)
            .fact("asked_by", list.asked_by)
            .fact("confirmed_by", list.second.map(|(by, _)| by));
        if let Err(stay) = decided {
            self.conn.execute(
                "UPDATE disposal_item SET state = 'kept', why = ?3 WHERE disposal_id = ?1 AND clip_id = ?2 AND state = 'asked'",
                params![disposal, clip.to_string(), stay.code()],
            )?;
            self.log(&event.fact("why", stay.code()).outcome("refused"))?;
            self.changed(Change::Holds);
            return Ok(false);
        }
        let event = event
            .fact("size_bytes", row.size_bytes)
            .fact("sha256", row.sha256.map(|d| d.to_string()))
            .fact("blake3", row.blake3.map(|d| d.to_string()));
        let seq = self.log(&event)?;
        self.conn.execute(
            "UPDATE disposal_item SET state = 'going', intent_seq = ?3 WHERE disposal_id = ?1 AND clip_id = ?2 AND state = 'asked'",
            params![disposal, clip.to_string(), seq as i64],
        )?;
        self.conn.execute(
            "UPDATE clip SET local = 'evicted', evict_seq = NULL, disposed_ms = ?2 WHERE clip_id = ?1",
            params![clip.to_string(), self.now_ms()],
        )?;
        self.conn.execute("UPDATE media SET thumbnail = 0 WHERE clip_id = ?1", [clip.to_string()])?;
        // What stands elsewhere stands, until somebody has looked.
        self.conn.execute(
            "INSERT INTO disposal_copy (clip_id, destination, state, until_ms, why, at_ms)
             SELECT clip_id, destination, 'stands', locked_until_ms, CASE WHEN locked_until_ms > ?2 THEN 'locked' ELSE 'not_configured' END, ?2
             FROM delivery WHERE clip_id = ?1 AND (acked_bytes > 0 OR sent_ms IS NOT NULL OR state IN ('sent', 'proven', 'suspect'))
             ON CONFLICT DO NOTHING",
            params![clip.to_string(), self.now_ms()],
        )?;
        self.restate(clip)?;
        self.stale(clip)?;
        Ok(true)
    }

    /// A clip of which it was said that it goes, just before its bytes do: a hold, an isolation or a case that came meanwhile
    /// keeps what `stands` here, and where that is nothing (it was given up before, or went already) the copies that are
    /// proven elsewhere. `with_picture` where its thumbnail stands, too. `true` where it still goes.
    pub fn disposal_goes_on(&self, disposal: i64, clip: ClipId, stands: bool, with_picture: bool) -> Result<bool> {
        let facts = self.read().clip_facts(clip)?;
        let elsewhere = facts.deliveries.iter().any(|d| d.state == Delivery::Proven);
        if !(stands || elsewhere) {
            return Ok(true);
        }
        let Some(stay) = self.read().kept_since(clip, &facts, self.now_ms())? else { return Ok(true) };
        let local = if stands { Local::Sealed } else { Local::Evicted };
        let kept = self.conn.execute(
            "UPDATE disposal_item SET state = 'kept', why = ?3 WHERE disposal_id = ?1 AND clip_id = ?2 AND state = 'going'",
            params![disposal, clip.to_string(), stay.code()],
        )?;
        if kept == 0 {
            return Ok(false);
        }
        self.conn.execute(
            "UPDATE clip SET local = ?2, disposed_ms = NULL WHERE clip_id = ?1",
            params![clip.to_string(), local.as_str()],
        )?;
        self.conn
            .execute("UPDATE media SET thumbnail = ?2 WHERE clip_id = ?1", params![clip.to_string(), with_picture])?;
        // Its copies are copies of a clip that is kept again.
        self.conn.execute("DELETE FROM disposal_copy WHERE clip_id = ?1 AND state = 'stands'", [clip.to_string()])?;
        self.log(
            &Draft::daemon(EventKind::DisposalIntended)
                .clip(clip)
                .fact("disposal", disposal)
                .fact("why", stay.code())
                .outcome("refused"),
        )?;
        self.restate(clip)?;
        self.stale(clip)?;
        self.changed(Change::Holds);
        Ok(false)
    }

    /// Nothing of it is left here.
    pub fn disposed(&self, disposal: i64, clip: ClipId, freed_bytes: u64) -> Result<()> {
        let event =
            Draft::daemon(EventKind::Disposed).clip(clip).fact("disposal", disposal).fact("freed_bytes", freed_bytes);
        let going: bool = self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM disposal_item WHERE disposal_id = ?1 AND clip_id = ?2 AND state = 'going')")?
            .query_row(params![disposal, clip.to_string()], |r| r.get(0))?;
        if !going {
            return Ok(());
        }
        let seq = self.log(&event)?;
        self.conn.execute(
            "UPDATE disposal_item SET state = 'gone', gone_ms = ?3, gone_seq = ?4 WHERE disposal_id = ?1 AND clip_id = ?2",
            params![disposal, clip.to_string(), self.now_ms(), seq as i64],
        )?;
        self.stale(clip)
    }

    /// Lists of which nothing more is to be done here are done.
    pub fn end_disposals(&self) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE disposal SET state = 'done', ended_ms = ?1 WHERE state = 'going'
               AND NOT EXISTS (SELECT 1 FROM disposal_item i WHERE i.disposal_id = disposal.disposal_id AND i.state IN ('asked', 'going'))",
            [self.now_ms()],
        )?;
        if n > 0 {
            self.changed(Change::Holds);
        }
        Ok(())
    }

    /// What was found of a copy that stands elsewhere.
    pub fn copy_stands(&self, clip: ClipId, destination: &str, fate: CopyFate) -> Result<()> {
        let CopyFate::Stands(until_ms, why) = fate else { return Ok(()) };
        let news: bool = self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM disposal_copy WHERE clip_id = ?1 AND destination = ?2 AND (until_ms IS NOT ?3 OR why <> ?4))",
            )?
            .query_row(params![clip.to_string(), destination, until_ms, why], |r| r.get(0))?;
        self.conn.execute(
            "UPDATE disposal_copy SET until_ms = ?3, why = ?4, at_ms = ?5 WHERE clip_id = ?1 AND destination = ?2 AND state = 'stands'",
            params![clip.to_string(), destination, until_ms, why, self.now_ms()],
        )?;
        if news { self.stale(clip) } else { Ok(()) }
    }

    /// A copy is about to be removed at a destination; the facts that allow it are looked at here once more. `false`
    /// where it stays: also where a case that was filed since, or filed anew, keeps it for longer.
    pub fn copy_goes(&self, clip: ClipId, destination: &str) -> Result<bool> {
        if !self.copy_may_go(clip)? {
            return Ok(false);
        }
        self.log(
            &Draft::daemon(EventKind::CopyDisposed)
                .clip(clip)
                .fact("destination", destination)
                .fact("step", "intended"),
        )?;
        Ok(true)
    }

    /// A copy of which it was said that it goes, just before it does: what came meanwhile keeps it. `true` where it still goes.
    pub fn copy_goes_on(&self, clip: ClipId, destination: &str) -> Result<bool> {
        let goes = self.copy_may_go(clip)?;
        if !goes {
            let event = Draft::daemon(EventKind::CopyDisposed).clip(clip).fact("destination", destination);
            self.log(&event.fact("step", "intended").outcome("refused"))?;
        }
        Ok(goes)
    }

    fn copy_may_go(&self, clip: ClipId) -> Result<bool> {
        let read = self.read();
        let kept = read.kept_since(clip, &read.clip_facts(clip)?, self.now_ms())?;
        Ok(read.clip(clip)?.disposed_ms.is_some() && kept.is_none())
    }

    /// It is gone there.
    pub fn copy_gone(&self, clip: ClipId, destination: &str) -> Result<()> {
        self.conn.execute(
            "UPDATE disposal_copy SET state = 'removed', at_ms = ?3 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, self.now_ms()],
        )?;
        self.log(
            &Draft::daemon(EventKind::CopyDisposed).clip(clip).fact("destination", destination).fact("step", "removed"),
        )?;
        self.stale(clip)
    }
}

#[cfg(test)]
mod tests;
