//! Holds (暂停销毁) and isolation (疑似涉密): placing them, and releasing them by two people. Each step with its event.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::error::Retry;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, settle};
use crate::domain::sensitivity::Sensitivity;

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

/// Only people who can be told apart may release what was put there for a reason: users of this box, by their uid.
fn a_person(actor: &Actor) -> Result<String> {
    if actor.kind == "os" {
        return Ok(by(actor));
    }
    Err(StoreError::Conflict(
        "this takes two people who can be told apart: ask on this station's command line, each under a user of their own"
            .into(),
    ))
}

/// A second person is one who did not ask.
fn another_person(actor: &Actor, asked_by: Option<&str>, what: &str) -> Result<String> {
    let person = a_person(actor)?;
    match asked_by {
        None => Err(StoreError::Conflict(format!(
            "nobody has asked for {what} yet: one person asks and gives the reason (--reason), another one confirms"
        ))),
        Some(asked) if asked == person => Err(StoreError::Conflict(format!(
            "you asked for {what} yourself; another person must confirm it, under a user of their own"
        ))),
        Some(_) => Ok(person),
    }
}

impl Tx<'_> {
    // -----------------------------------------------------------------------------------------
    // Holds

    /// Places a hold on one clip; gives its number. `asked` says who.
    pub fn hold_clip(&self, clip: ClipId, reason: &str, asked: Draft) -> Result<i64> {
        let row = self.read().clip(clip)?;
        if row.blake3.is_none() {
            return Err(StoreError::Conflict(format!(
                "clip {clip} is still being copied; hold it when it is sealed, or hold its case: that takes effect by itself"
            )));
        }
        let order = self.order(Some(clip), None, reason, &asked.actor)?;
        self.put_hold(clip, order, reason)?;
        self.log(&asked.clip(clip).fact("hold", order).fact("step", "placed").secret("reason", reason))?;
        Ok(order)
    }

    /// Places a hold on a case: on every clip that is linked to it, now and later. Gives its number and how many clips
    /// it stands on now.
    pub fn hold_case(&self, case: i64, case_hash: &str, reason: &str, asked: Draft) -> Result<(i64, u64)> {
        let order = self.order(None, Some(case), reason, &asked.actor)?;
        let event = asked.fact("hold", order).fact("step", "placed").secret("reason", reason);
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

    fn order(&self, clip: Option<ClipId>, case: Option<i64>, reason: &str, actor: &Actor) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO hold_order (clip_id, case_id, reason, placed_by, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![clip.map(|c| c.to_string()), case, reason, by(actor), self.now_ms()],
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
            "SELECT o.order_id, o.reason FROM hold_order o JOIN case_link l ON l.case_id = o.case_id AND l.clip_id = ?1 AND l.withdrawn = 0
             JOIN clip c ON c.clip_id = l.clip_id AND c.local <> 'copying'
             WHERE o.released_ms IS NULL AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
               AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = ?1 AND h.order_id = o.order_id)",
        )?;
        let orders: Vec<(i64, String)> = statement
            .query_map([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<std::result::Result<_, _>>()?;
        for (order, reason) in orders {
            self.put_hold(clip, order, &reason)?;
            self.log(&Draft::daemon(EventKind::Hold).clip(clip).fact("hold", order).fact("step", "placed_by_case"))?;
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
        let event = asked.fact("hold", order).fact("step", "release_asked").secret("reason", why);
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
        let person = another_person(&asked.actor, row.asked_by.as_deref(), "the release of this hold")?;
        self.conn.execute(
            "UPDATE hold_order SET released_by = ?2, released_ms = ?3 WHERE order_id = ?1",
            params![order, person, self.now_ms()],
        )?;
        let clips = self.read().clip_ids(
            "UPDATE hold SET released_ms = ?2 WHERE order_id = ?1 AND released_ms IS NULL RETURNING clip_id",
            params![order, self.now_ms()],
        )?;
        let event = asked.fact("hold", order).fact("step", "released").fact("asked_by", row.asked_by);
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

    /// Another person confirms: the clip is like any other again, and what waited for it goes on. So are others of the
    /// same bytes, of which the same was decided, unless a label of their own isolates them.
    pub fn lift(&self, clip: ClipId, asked: Draft) -> Result<Vec<ClipId>> {
        let row = self.read().isolation_of(clip)?;
        let person = another_person(&asked.actor, row.asked_by.as_deref(), "lifting this isolation")?;
        if self.read().is_labelled_suspected(clip)? {
            return Err(StoreError::Conflict(format!(
                "clip {clip} is still labelled suspected_state (疑似涉密), which isolates; set its label first: evidock annotate {clip} sensitivity=..."
            )));
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

/// Why an upload of what is isolated goes no further.
const STOPPED: &str = "stopped: this clip is isolated as suspected classified (疑似涉密); it goes on when two people lift that (evidock lift)";

const HOLDS: &str = "SELECT o.order_id, o.clip_id, (SELECT a.display FROM case_alias a WHERE a.case_id = o.case_id ORDER BY a.added_ms, a.rowid LIMIT 1),
       o.reason, o.placed_by, o.placed_ms, (SELECT count(*) FROM hold h WHERE h.order_id = o.order_id AND h.released_ms IS NULL), o.asked_by, o.asked_why
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

    fn hold(&self, order: i64) -> Result<HoldRow> {
        self.conn
            .prepare_cached(&format!("{HOLDS} AND o.order_id = ?1"))?
            .query_row([order], hold_row)
            .optional()?
            .unwrap_or_else(|| {
                Err(StoreError::NotFound(format!("no hold {order} stands; `evidock holds` shows those that do")))
            })
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
            "SELECT d.clip_id, EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = d.clip_id AND h.released_ms IS NULL) AS held
             FROM delivery d WHERE d.destination = ?1 AND d.state = 'proven'
               AND (d.legal_hold = 1 OR EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = d.clip_id AND h.released_ms IS NULL))
               AND d.legal_hold <> EXISTS (SELECT 1 FROM hold h WHERE h.clip_id = d.clip_id AND h.released_ms IS NULL)
             ORDER BY d.clip_id LIMIT ?2",
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
        self.isolation(clip)?.ok_or_else(|| StoreError::NotFound(format!("clip {clip} is not isolated")))
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
