//! Holds (暂停销毁) and isolation (疑似涉密): placing them, and releasing them by two people. Each step with its event.

use rusqlite::{OptionalExtension, Row, params};

use super::second_person::a_person;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::error::Retry;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, settle};
use crate::domain::rights::Action;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::why::{Thing, Why};

/// A hold as it was ordered.
#[derive(Debug, Clone)]
pub struct HoldRow {
    /// Its number.
    pub hold: i64,
    /// The clip, where it is on one.
    pub clip: Option<ClipId>,
    /// The case's first number, where it is on a case.
    pub case_no: Option<String>,
    /// Why.
    pub reason: String,
    /// On what basis, where somebody said.
    pub basis: Option<String>,
    /// `kind:id` of who placed it.
    pub placed_by: String,
    /// When, milliseconds since the Unix epoch.
    pub placed_ms: i64,
    /// Clips that it stands on.
    pub clips: u64,
    /// `kind:id` of who asked for its release, once somebody did.
    pub asked_by: Option<String>,
    /// Why.
    pub asked_why: Option<String>,
}

/// An isolation that stands.
#[derive(Debug, Clone)]
pub struct IsolationRow {
    /// The clip.
    pub clip: ClipId,
    /// Why.
    pub reason: String,
    /// `kind:id` of who placed it.
    pub placed_by: String,
    /// When, milliseconds since the Unix epoch.
    pub placed_ms: i64,
    /// `kind:id` of who asked to lift it, once somebody did.
    pub asked_by: Option<String>,
    /// Why.
    pub asked_why: Option<String>,
}

/// What stands of an isolated clip at one destination already.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The destination.
    pub destination: String,
    /// `domain::clip::Delivery`'s word.
    pub state: String,
    /// Bytes of the footage that it acknowledged.
    pub bytes: u64,
    /// Revisions of the record that it holds.
    pub records: u64,
    /// The footage is locked there until then.
    pub locked_until_ms: Option<i64>,
    /// A legal hold stands there.
    pub legal_hold: bool,
}

fn by(actor: &Actor) -> String {
    format!("{}:{}", actor.kind, actor.id)
}

impl Tx<'_> {
    // -----------------------------------------------------------------------------------------
    // Holds

    /// Places a hold on one clip; gives its number. `asked` says who.
    pub fn hold_clip(&self, clip: ClipId, reason: &str, basis: Option<&str>, asked: Draft) -> Result<i64> {
        let row = self.read().clip(clip)?;
        if row.blake3.is_none() {
            return Err(StoreError::Conflict(Why::StillCopying { clip: clip.to_string() }));
        }
        let order = self.order(Some(clip), None, (reason, basis), &asked.actor)?;
        self.put_hold(clip, order, reason)?;
        self.log(&with_basis(asked.clip(clip).fact("hold", order).fact("step", "placed"), reason, basis))?;
        Ok(order)
    }

    /// Places a hold on a case: on every clip that is linked to it, now and later. Gives its number and how many clips
    /// it stands on now.
    pub fn hold_case(
        &self,
        case: i64,
        case_hash: &str,
        (reason, basis): (&str, Option<&str>),
        asked: Draft,
    ) -> Result<(i64, u64)> {
        self.read().not_large(case)?;
        let order = self.order(None, Some(case), (reason, basis), &asked.actor)?;
        let event = with_basis(asked.fact("hold", order).fact("step", "placed"), reason, basis);
        let mut clips = 0;
        for clip in self.read().clips_of_case(case)? {
            if self.read().clip(clip)?.blake3.is_some() {
                self.put_hold(clip, order, reason)?;
                // Each clip's own history tells it.
                self.log(&event.clone().clip(clip).case(case_hash))?;
                clips += 1;
            }
        }
        if clips == 0 {
            self.log(&event.case(case_hash))?;
        }
        self.changed(Change::Cases);
        Ok((order, clips))
    }

    fn order(
        &self,
        clip: Option<ClipId>,
        case: Option<i64>,
        (reason, basis): (&str, Option<&str>),
        actor: &Actor,
    ) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO hold_order (clip_id, case_id, reason, placed_by, placed_ms, basis) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![clip.map(|c| c.to_string()), case, reason, by(actor), self.now_ms(), basis],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    fn put_hold(&self, clip: ClipId, order: i64, reason: &str) -> Result<()> {
        self.conn.execute(
            "INSERT INTO hold (clip_id, reason, placed_ms, order_id) VALUES (?1, ?2, ?3, ?4)",
            params![clip.to_string(), reason, self.now_ms(), order],
        )?;
        self.changed(Change::Holds);
        self.stale(clip)
    }

    /// Holds on the cases that a sealed clip is linked to take hold of it, too. Called when it is linked or sealed.
    pub(super) fn hold_by_cases(&self, clip: ClipId) -> Result<()> {
        let mut statement = self.conn.prepare_cached(
            "SELECT o.order_id, o.reason, o.case_id FROM hold_order o JOIN case_link l ON l.case_id = o.case_id AND l.clip_id = ?1 AND l.withdrawn = 0
             JOIN clip c ON c.clip_id = l.clip_id AND c.local <> 'copying'
             WHERE o.released_ms IS NULL AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
               AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = ?1 AND h.order_id = o.order_id)",
        )?;
        let orders: Vec<(i64, String, i64)> = statement
            .query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<std::result::Result<_, _>>()?;
        for (order, reason, case) in orders {
            self.put_hold(clip, order, &reason)?;
            let event = Draft::daemon(EventKind::Hold).clip(clip).case(self.read().case_hash(case)?);
            self.log(&event.fact("hold", order).fact("step", "placed_by_case"))?;
        }
        Ok(())
    }

    /// A person asks that a hold be released. It stands until another one confirms.
    pub fn ask_unhold(&self, order: i64, why: &str, asked: Draft) -> Result<()> {
        let row = self.read().hold(order)?;
        let person = a_person(&asked.actor)?;
        self.conn.execute(
            "UPDATE hold_order SET asked_by = ?2, asked_why = ?3, asked_ms = ?4 WHERE order_id = ?1",
            params![order, person, why, self.now_ms()],
        )?;
        let event = self.of_order(asked, order)?.fact("step", "release_asked").secret("reason", why);
        self.log(&match row.clip {
            Some(clip) => event.clip(clip),
            None => event,
        })?;
        self.changed(Change::Holds);
        Ok(())
    }

    /// Another person confirms: the hold is released. Gives how many clips it stood on.
    pub fn unhold(&self, order: i64, asked: Draft) -> Result<u64> {
        let row = self.read().hold(order)?;
        let read = self.read();
        let person =
            read.another_person(Action::ReleaseHold, &asked.actor, row.asked_by.as_deref(), Thing::ReleaseOfHold)?;
        self.conn.execute(
            "UPDATE hold_order SET released_by = ?2, released_ms = ?3 WHERE order_id = ?1",
            params![order, person, self.now_ms()],
        )?;
        let clips = self.read().clip_ids(
            "UPDATE hold SET released_ms = ?2 WHERE order_id = ?1 AND released_ms IS NULL RETURNING clip_id",
            params![order, self.now_ms()],
        )?;
        let event = self.of_order(asked, order)?.fact("step", "released").fact("asked_by", row.asked_by);
        for clip in &clips {
            self.log(&event.clone().clip(*clip))?;
            self.stale(*clip)?;
        }
        if clips.is_empty() {
            self.log(&event)?;
        }
        self.changed(Change::Holds);
        Ok(clips.len() as u64)
    }

    /// What was asked for is refused by another person, or taken back by whoever asked: the hold stands.
    pub fn refuse_unhold(&self, order: i64, asked: Draft) -> Result<()> {
        let row = self.read().hold(order)?;
        if row.asked_by.is_none() {
            return Err(StoreError::Conflict(Why::NoRelease {}));
        }
        a_person(&asked.actor)?;
        self.conn.execute(
            "UPDATE hold_order SET asked_by = NULL, asked_why = NULL, asked_ms = NULL WHERE order_id = ?1",
            [order],
        )?;
        let event = self.of_order(asked, order)?.fact("step", "release_refused").fact("asked_by", row.asked_by);
        let event = event.outcome("refused");
        self.log(&match row.clip {
            Some(clip) => event.clip(clip),
            None => event,
        })?;
        self.changed(Change::Holds);
        Ok(())
    }

    /// An event about a hold names the case that it stands on: what is said of one case is no other one's business.
    fn of_order(&self, event: Draft, order: i64) -> Result<Draft> {
        let event = event.fact("hold", order);
        Ok(match self.read().case_of_hold(order)? {
            Some(case) => event.case(self.read().case_hash(case)?),
            None => event,
        })
    }

    /// A legal hold of ours was set on a copy at a destination, or taken off.
    pub fn legal_hold(&self, clip: ClipId, destination: &str, on: bool) -> Result<()> {
        self.conn.execute(
            "UPDATE delivery SET legal_hold = ?3 WHERE clip_id = ?1 AND destination = ?2",
            params![clip.to_string(), destination, on],
        )?;
        self.log(&Draft::daemon(EventKind::LegalHold).clip(clip).fact("destination", destination).fact("on", on))?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    // -----------------------------------------------------------------------------------------
    // Isolation

    /// Isolates a clip, and every other one that has its bytes: the same file from elsewhere, and the file that it grew
    /// into. Gives all that are isolated by this. `asked` says who.
    pub fn isolate(&self, clip: ClipId, reason: &str, asked: &Draft) -> Result<Vec<ClipId>> {
        let mut new = Vec::new();
        let mut open = vec![clip];
        while let Some(one) = open.pop() {
            let row = self.read().clip(one)?;
            if row.isolated_ms.is_none() {
                self.isolate_one(one, reason, asked)?;
                new.push(one);
            } else if one != clip {
                continue;
            }
            open.extend(self.read().clip_ids(
                "SELECT clip_id FROM clip WHERE isolated_ms IS NULL AND (blake3 = ?2 OR supersedes = ?1)",
                params![one.to_string(), row.blake3.map(|d| d.0.to_vec())],
            )?);
        }
        Ok(new)
    }

    fn isolate_one(&self, clip: ClipId, reason: &str, asked: &Draft) -> Result<()> {
        self.conn.execute(
            "INSERT INTO isolation (clip_id, reason, placed_by, placed_ms) VALUES (?1, ?2, ?3, ?4)",
            params![clip.to_string(), reason, by(&asked.actor), self.now_ms()],
        )?;
        self.conn
            .execute("UPDATE clip SET isolated_ms = ?2 WHERE clip_id = ?1", params![clip.to_string(), self.now_ms()])?;
        self.log(&asked.clone().clip(clip).secret("reason", reason))?;
        // What is under way is stopped, and says so instead of seeming to go on.
        self.conn.execute(
            "UPDATE delivery SET state = 'failed', reason = ?2, retry = ?3 WHERE clip_id = ?1 AND state = 'sending'",
            params![clip.to_string(), STOPPED, Retry::Operator.as_str()],
        )?;
        self.restate(clip)?;
        self.cut_exports(clip, asked)?;
        // The parts of an upload under way stay where they are: nothing is deleted before a person has decided, and whoever
        // decides is told what stands there.
        self.changed(Change::Isolated);
        self.stale(clip)
    }

    /// What a label calls suspected classified is isolated.
    pub(super) fn isolate_if_labelled(&self, clip: ClipId, asked: Draft) -> Result<()> {
        if self.read().clip(clip)?.isolated_ms.is_none() && self.read().is_labelled_suspected(clip)? {
            self.isolate(clip, "it is labelled suspected classified", &asked.fact("label", true))?;
        }
        Ok(())
    }

    /// A clip that was sealed now has the bytes of an isolated one, or begins with them: it is isolated, too.
    pub(super) fn isolate_if_alike(&self, clip: ClipId) -> Result<()> {
        let row = self.read().clip(clip)?;
        if row.isolated_ms.is_some() {
            return Ok(());
        }
        let like: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT clip_id FROM clip WHERE isolated_ms IS NOT NULL AND clip_id <> ?1 AND (blake3 = ?2 OR clip_id = ?3) ORDER BY clip_id LIMIT 1",
            )?
            .query_row(
                params![
                    clip.to_string(),
                    row.blake3.map(|d| d.0.to_vec()),
                    row.supersedes.map(|c| c.to_string())
                ],
                |r| r.get(0),
            )
            .optional()?;
        if let Some(like) = like {
            let reason = format!("it has the bytes of clip {like}, which is isolated");
            self.isolate(clip, &reason, &Draft::daemon(EventKind::Isolated).fact("like", like))?;
        }
        Ok(())
    }

    /// An unfinished copy ends in `to`: what was said of it holds for that one.
    pub(super) fn carry_isolation(&self, from: ClipId, to: ClipId) -> Result<()> {
        let reason: Option<String> = self
            .conn
            .prepare_cached("SELECT reason FROM isolation WHERE clip_id = ?1 AND lifted_ms IS NULL")?
            .query_row([from.to_string()], |r| r.get(0))
            .optional()?;
        let Some(reason) = reason else { return Ok(()) };
        self.isolate(to, &reason, &Draft::daemon(EventKind::Isolated).fact("like", from.to_string()))?;
        Ok(())
    }

    /// A person asks that an isolation be lifted. It stands until another one confirms.
    pub fn ask_lift(&self, clip: ClipId, why: &str, asked: Draft) -> Result<()> {
        self.read().isolation_of(clip)?;
        let person = a_person(&asked.actor)?;
        self.conn.execute(
            "UPDATE isolation SET asked_by = ?2, asked_why = ?3, asked_ms = ?4 WHERE clip_id = ?1 AND lifted_ms IS NULL",
            params![clip.to_string(), person, why, self.now_ms()],
        )?;
        self.log(&asked.clip(clip).fact("step", "asked").secret("reason", why))?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// What was asked for is refused by another person, or taken back by whoever asked: the isolation stands.
    pub fn refuse_lift(&self, clip: ClipId, asked: Draft) -> Result<()> {
        let row = self.read().isolation_of(clip)?;
        if row.asked_by.is_none() {
            return Err(StoreError::Conflict(Why::NoLift {}));
        }
        a_person(&asked.actor)?;
        self.conn.execute(
            "UPDATE isolation SET asked_by = NULL, asked_why = NULL, asked_ms = NULL WHERE clip_id = ?1 AND lifted_ms IS NULL",
            [clip.to_string()],
        )?;
        self.log(&asked.clip(clip).fact("step", "refused").fact("asked_by", row.asked_by).outcome("refused"))?;
        self.changed(Change::Isolated);
        Ok(())
    }

    /// Another person confirms: the clip is like any other again, and what waited for it goes on. So are others of the
    /// same bytes, of which the same was decided, unless a label of their own isolates them.
    pub fn lift(&self, clip: ClipId, asked: Draft) -> Result<Vec<ClipId>> {
        let row = self.read().isolation_of(clip)?;
        let read = self.read();
        let person =
            read.another_person(Action::LiftIsolation, &asked.actor, row.asked_by.as_deref(), Thing::LiftOfIsolation)?;
        if self.read().is_labelled_suspected(clip)? {
            return Err(StoreError::Conflict(Why::StillLabelled { clip: clip.to_string() }));
        }
        let alike = self.read().clip_ids(
            "SELECT o.clip_id FROM clip o JOIN clip c ON c.blake3 = o.blake3 WHERE c.clip_id = ?1 AND o.clip_id <> ?1 AND o.isolated_ms IS NOT NULL",
            [clip.to_string()],
        )?;
        let mut lifted = vec![clip];
        for other in alike {
            if !self.read().is_labelled_suspected(other)? {
                lifted.push(other);
            }
        }
        for one in &lifted {
            self.lift_one(*one, &row, &person)?;
            self.log(&asked.clone().clip(*one).fact("step", "lifted").fact("asked_by", row.asked_by.clone()))?;
        }
        self.changed(Change::Isolated);
        self.changed(Change::Outbox);
        Ok(lifted)
    }

    fn lift_one(&self, clip: ClipId, asked: &IsolationRow, person: &str) -> Result<()> {
        self.conn.execute(
            "UPDATE isolation SET asked_by = ?2, asked_why = ?3, asked_ms = coalesce(asked_ms, ?4), lifted_by = ?5, lifted_ms = ?4
             WHERE clip_id = ?1 AND lifted_ms IS NULL",
            params![clip.to_string(), asked.asked_by, asked.asked_why, self.now_ms(), person],
        )?;
        self.conn.execute("UPDATE clip SET isolated_ms = NULL WHERE clip_id = ?1", [clip.to_string()])?;
        // What was stopped for its sake is due again.
        self.conn.execute(
            "UPDATE delivery SET state = 'waiting', reason = NULL, retry = NULL, attempts = 0, next_try_ms = 0 WHERE clip_id = ?1 AND state = 'failed'",
            [clip.to_string()],
        )?;
        self.conn.execute(
            "UPDATE delivery SET next_try_ms = 0 WHERE clip_id = ?1 AND state NOT IN ('proven', 'failed')",
            [clip.to_string()],
        )?;
        self.restate(clip)?;
        self.stale(clip)
    }
}

fn with_basis(event: Draft, reason: &str, basis: Option<&str>) -> Draft {
    let event = event.secret("reason", reason);
    match basis {
        Some(basis) => event.secret("basis", basis),
        None => event,
    }
}

/// Why an upload of what is isolated goes no further.
const STOPPED: &str = "stopped: this clip is isolated as suspected classified (疑似涉密); it goes on when two people lift that (evidock lift)";

const HOLDS: &str = "SELECT o.order_id, o.clip_id, (SELECT a.display FROM case_alias a WHERE a.case_id = o.case_id ORDER BY a.added_ms, a.rowid LIMIT 1),
       o.reason, o.placed_by, o.placed_ms, (SELECT count(*) FROM hold h WHERE h.order_id = o.order_id AND h.released_ms IS NULL), o.asked_by, o.asked_why, o.basis
     FROM hold_order o WHERE o.released_ms IS NULL";

fn hold_row(r: &Row<'_>) -> rusqlite::Result<Result<HoldRow>> {
    let clip: Option<String> = r.get(1)?;
    let row = HoldRow {
        hold: r.get(0)?,
        clip: None,
        case_no: r.get(2)?,
        reason: r.get(3)?,
        placed_by: r.get(4)?,
        placed_ms: r.get(5)?,
        clips: r.get::<_, i64>(6)? as u64,
        asked_by: r.get(7)?,
        asked_why: r.get(8)?,
        basis: r.get(9)?,
    };
    Ok((|| Ok(HoldRow { clip: clip.map(|c| c.parse()).transpose()?, ..row }))())
}

impl Reader<'_> {
    /// Holds that stand, oldest first.
    pub fn holds(&self) -> Result<Vec<HoldRow>> {
        let mut statement = self.conn.prepare_cached(&format!("{HOLDS} ORDER BY o.order_id"))?;
        let rows = statement.query_map([], hold_row)?;
        rows.map(|row| row?).collect()
    }

    /// One that stands.
    pub fn hold(&self, order: i64) -> Result<HoldRow> {
        self.conn
            .prepare_cached(&format!("{HOLDS} AND o.order_id = ?1"))?
            .query_row([order], hold_row)
            .optional()?
            .unwrap_or_else(|| Err(StoreError::NotFound(Why::NoHold { hold: order })))
    }

    /// Clips on which an order stands now.
    pub fn clips_of_hold(&self, order: i64) -> Result<Vec<ClipId>> {
        self.clip_ids("SELECT clip_id FROM hold WHERE order_id = ?1 AND released_ms IS NULL ORDER BY clip_id", [order])
    }

    /// Holds that stand on a clip.
    pub fn holds_on(&self, clip: ClipId) -> Result<Vec<HoldRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "{HOLDS} AND o.order_id IN (SELECT order_id FROM hold WHERE clip_id = ?1 AND released_ms IS NULL) ORDER BY o.order_id"
        ))?;
        let rows = statement.query_map([clip.to_string()], hold_row)?;
        rows.map(|row| row?).collect()
    }

    /// Holds that stand on a case.
    pub fn holds_of_case(&self, case: i64) -> Result<Vec<HoldRow>> {
        let mut statement = self.conn.prepare_cached(&format!("{HOLDS} AND o.case_id = ?1 ORDER BY o.order_id"))?;
        let rows = statement.query_map([case], hold_row)?;
        rows.map(|row| row?).collect()
    }

    /// The case on which a hold was placed; `None`: it is on a clip.
    pub fn case_of_hold(&self, order: i64) -> Result<Option<i64>> {
        let sql = "SELECT case_id FROM hold_order WHERE order_id = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([order], |r| r.get(0))?)
    }

    /// Clips on which a hold stands: how many.
    pub fn held_clips(&self) -> Result<u64> {
        let n: i64 = self
            .conn
            .prepare_cached("SELECT count(DISTINCT clip_id) FROM hold WHERE released_ms IS NULL")?
            .query_row([], |r| r.get(0))?;
        Ok(n as u64)
    }

    /// Proven copies at a destination whose legal hold is not as it should be: the clip, and whether it should stand.
    pub fn legal_holds_due(&self, destination: &str, limit: u32) -> Result<Vec<(ClipId, bool)>> {
        let mut statement = self.conn.prepare_cached(
            // From what is held here or there, which is little, and not from every copy.
            "SELECT d.clip_id, 0 AS held FROM delivery d WHERE d.destination = ?1 AND d.legal_hold = 1 AND d.state = 'proven'
               AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = d.clip_id AND h.released_ms IS NULL)
             UNION ALL SELECT k.clip_id, 1 FROM (SELECT DISTINCT clip_id FROM hold WHERE released_ms IS NULL) k
               CROSS JOIN delivery d ON d.clip_id = k.clip_id AND d.destination = ?1 WHERE d.legal_hold = 0 AND d.state = 'proven'
             ORDER BY 1 LIMIT ?2",
        )?;
        let rows =
            statement.query_map(params![destination, limit], |r| Ok((r.get::<_, String>(0)?, r.get::<_, bool>(1)?)))?;
        rows.map(|row| {
            let (clip, held) = row?;
            Ok((clip.parse()?, held))
        })
        .collect()
    }

    /// Isolated clips, oldest isolation first.
    pub fn isolated_clips(&self) -> Result<Vec<ClipId>> {
        self.clip_ids("SELECT clip_id FROM clip WHERE isolated_ms IS NOT NULL ORDER BY isolated_ms, clip_id", [])
    }

    /// The isolation that stands on a clip.
    pub fn isolation(&self, clip: ClipId) -> Result<Option<IsolationRow>> {
        self.conn
            .prepare_cached(
                "SELECT reason, placed_by, placed_ms, asked_by, asked_why FROM isolation WHERE clip_id = ?1 AND lifted_ms IS NULL",
            )?
            .query_row([clip.to_string()], |r| {
                Ok(IsolationRow {
                    clip,
                    reason: r.get(0)?,
                    placed_by: r.get(1)?,
                    placed_ms: r.get(2)?,
                    asked_by: r.get(3)?,
                    asked_why: r.get(4)?,
                })
            })
            .optional()
            .map_err(StoreError::from)
    }

    fn isolation_of(&self, clip: ClipId) -> Result<IsolationRow> {
        self.clip(clip)?;
        self.isolation(clip)?.ok_or_else(|| StoreError::NotFound(Why::NotIsolated { clip: clip.to_string() }))
    }

    /// Whether the label that holds for a clip says suspected classified.
    pub fn is_labelled_suspected(&self, clip: ClipId) -> Result<bool> {
        let settled = settle(&self.facts(clip)?);
        let label = settled.get(&Field::Sensitivity).and_then(|f| Sensitivity::parse(&f.value));
        Ok(label == Some(Sensitivity::SuspectedState))
    }

    /// What stands of a clip at the destinations.
    pub fn standing(&self, clip: ClipId) -> Result<Vec<Standing>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT d.destination, d.state, CASE WHEN d.sent_ms IS NOT NULL AND d.state IN ('sent', 'proven', 'suspect') THEN c.size_bytes ELSE d.acked_bytes END,
               (SELECT count(*) FROM outbox o WHERE o.clip_id = d.clip_id AND o.destination = d.destination AND o.kind = 'record' AND o.stored_ms IS NOT NULL),
               d.locked_until_ms, d.legal_hold
             FROM delivery d JOIN clip c USING (clip_id) WHERE d.clip_id = ?1 ORDER BY d.destination",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok(Standing {
                destination: r.get(0)?,
                state: r.get(1)?,
                bytes: r.get::<_, Option<i64>>(2)?.unwrap_or(0) as u64,
                records: r.get::<_, i64>(3)? as u64,
                locked_until_ms: r.get(4)?,
                legal_hold: r.get(5)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
