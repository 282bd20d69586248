//! What goes out next: deliveries that are due in the order of the rules, pushes to the front, pauses.

use rusqlite::params;

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::clip::Delivery;
use crate::domain::event::Draft;
use crate::domain::grid::PartGrid;
use crate::domain::ids::ClipId;
use crate::domain::sending::Precedence;
use crate::domain::why::Why;

/// What cannot be proven is looked at again each day; no other pause is longer than the configured one.
const LONGEST_SENT_PAUSE_MS: i64 = 25 * 3_600_000;
/// Added to the longest pause: the clock is slewed, and transactions take their time.
const PAUSE_SLACK_MS: i64 = 60_000;
/// Parts of a clip that is still being copied are tried so often; then they wait until it is sealed.
const EARLY_ATTEMPTS: u32 = 3;

/// Which deliveries are asked for.
#[derive(Debug, Clone)]
pub struct DueQuery {
    /// To this destination.
    pub destination: String,
    /// Due now, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// No pause after failures is longer, milliseconds: a later instant was set by a clock that has been put back since,
    /// and is due.
    pub longest_pause_ms: i64,
    /// Which goes first.
    pub order: Vec<Precedence>,
    /// Parts of clips that are still being copied, too.
    pub early: bool,
    /// At most so many.
    pub limit: u32,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryJob {
    /// The clip.
    pub clip: ClipId,
    /// The facet.
    pub state: Delivery,
    /// Failures in a row.
    pub attempts: u32,
    /// The clip is still being copied; only finished parts may go.
    pub early: bool,
    /// Its length in bytes; the listed one while it is copied.
    pub bytes: u64,
    /// How it is cut.
    pub grid: PartGrid,
}

/// Footage is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// For this destination; `None` for all.
    pub destination: Option<String>,
    /// Since when, milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// Until when; `None` until somebody lifts it.
    pub until_ms: Option<i64>,
    /// Who, as `kind:id`.
    pub by: String,
}

impl PauseRow {
    /// Whether it stands for `destination` at `now_ms`.
    pub fn holds(&self, destination: &str, now_ms: i64) -> bool {
        self.destination.as_deref().is_none_or(|d| d == destination) && self.until_ms.is_none_or(|until| now_ms < until)
    }
}

impl Tx<'_> {
    /// A clip that is about to be copied goes to these destinations (name, required): parts of it may go up before it
    /// is sealed.
    pub fn expect_deliveries(&self, clip: ClipId, destinations: &[(String, bool)]) -> Result<()> {
        for (destination, required) in destinations {
            self.conn.execute(
                "INSERT INTO delivery (clip_id, destination, state, required) VALUES (?1, ?2, 'waiting', ?3) ON CONFLICT DO NOTHING",
                params![clip.to_string(), destination, required],
            )?;
        }
        Ok(())
    }

    /// Clips go to the front. `asked` says who.
    pub fn push(&self, clips: &[ClipId], asked: &Draft) -> Result<()> {
        for clip in clips {
            let n = self.conn.execute(
                "UPDATE clip SET pushed_ms = ?2 WHERE clip_id = ?1",
                params![clip.to_string(), self.now_ms()],
            )?;
            if n == 0 {
                return Err(StoreError::NotFound(Why::NoClip { clip: clip.to_string() }));
            }
            self.log(&asked.clone().clip(*clip))?;
            self.changed(Change::Clip(*clip));
        }
        Ok(())
    }

    /// Footage is held back for one destination, or for all, until then. `asked` says who.
    pub fn pause_sending(&self, destination: Option<&str>, until_ms: Option<i64>, asked: Draft) -> Result<()> {
        self.conn.execute(
            "INSERT INTO sending_pause (destination, since_ms, until_ms, paused_by) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (destination) DO UPDATE SET until_ms = excluded.until_ms, paused_by = excluded.paused_by",
            params![
                destination.unwrap_or_default(),
                self.now_ms(),
                until_ms,
                format!("{}:{}", asked.actor.kind, asked.actor.id)
            ],
        )?;
        self.log(&asked.fact("destination", destination).fact("until_ms", until_ms))?;
        self.changed(Change::Destinations);
        Ok(())
    }

    /// Footage goes on to one destination, or to all of them. Where all are paused and one goes on, the `others` stay
    /// paused. `asked` says who.
    pub fn resume_sending(&self, destination: Option<&str>, others: &[String], asked: Draft) -> Result<()> {
        if destination.is_some() {
            for other in others {
                self.conn.execute(
                    "INSERT INTO sending_pause (destination, since_ms, until_ms, paused_by)
                     SELECT ?1, since_ms, until_ms, paused_by FROM sending_pause WHERE destination = ''
                     ON CONFLICT DO NOTHING",
                    [other],
                )?;
            }
        }
        self.conn.execute(
            "DELETE FROM sending_pause WHERE ?1 IS NULL OR destination = ?1 OR destination = ''",
            params![destination],
        )?;
        self.log(&asked.fact("destination", destination))?;
        self.changed(Change::Destinations);
        Ok(())
    }
}

impl Reader<'_> {
    /// Deliveries that are due, those that only lack their proof first, then by the rules. A sealed clip goes up only
    /// after its record was made; of one that is still being copied those parts go that are durable and were not sent, but not to a destination that
    /// takes them one after the other and may want to know length and digest of the whole first (tus).
    /// None does while a quarantine stands.
    pub fn due_deliveries(&self, query: &DueQuery) -> Result<Vec<DeliveryJob>> {
        let rules: String = query.order.iter().map(|rule| format!("{}, ", order_by(*rule))).collect();
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT d.clip_id, d.state, d.attempts, c.local = 'copying', coalesce(c.size_bytes, c.declared_bytes, c.durable_bytes), c.grid_bytes
             FROM delivery d JOIN clip c USING (clip_id)
             WHERE d.destination = ?1 AND d.state <> 'proven' AND d.state <> 'failed'
               AND (d.next_try_ms <= ?2 OR d.next_try_ms > CASE d.state WHEN 'sent' THEN ?4 ELSE ?5 END)
               AND c.quarantine IS NULL AND c.isolated_ms IS NULL AND ((c.local = 'sealed' AND c.record_rev > 0)
                 OR (?6 AND c.local = 'copying' AND NOT EXISTS (SELECT 1 FROM destination t WHERE t.name = d.destination AND t.in_order = 1) AND d.attempts < ?7 AND c.grid_bytes > 0 AND c.declared_bytes > c.grid_bytes
                   AND (SELECT count(*) FROM clip_part p WHERE p.clip_id = c.clip_id) > (SELECT count(*) FROM upload_part u
                     WHERE u.clip_id = c.clip_id AND u.destination = d.destination AND u.acked_ms IS NOT NULL)))
             ORDER BY d.state = 'sent' DESC, {rules}c.clip_id LIMIT ?3",
        ))?;
        let latest_ms = query.now_ms.saturating_add(query.longest_pause_ms).saturating_add(PAUSE_SLACK_MS);
        let values = params![
            query.destination,
            query.now_ms,
            query.limit,
            latest_ms.max(query.now_ms.saturating_add(LONGEST_SENT_PAUSE_MS)),
            latest_ms,
            query.early,
            EARLY_ATTEMPTS
        ];
        let rows = statement.query_map(values, |r| {
            let (clip, state) = (r.get::<_, String>(0)?, r.get::<_, String>(1)?);
            Ok((clip, state, r.get(2)?, r.get(3)?, r.get::<_, i64>(4)?, r.get::<_, i64>(5)?))
        })?;
        rows.map(|row| {
            let (clip, state, attempts, early, bytes, grid) = row?;
            let state = Delivery::parse(&state).ok_or_else(|| StoreError::Odd(format!("delivery state {state:?}")))?;
            let grid = PartGrid::from_stored(grid as u64);
            Ok(DeliveryJob { clip: clip.parse()?, state, attempts, early, bytes: bytes as u64, grid })
        })
        .collect()
    }

    /// Whether what is under way for this clip may go on: its row is there, nobody has isolated it, and the delivery
    /// was neither withdrawn nor stopped.
    pub fn may_go_on(&self, clip: ClipId, destination: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM delivery d JOIN clip c USING (clip_id) WHERE d.clip_id = ?1 AND d.destination = ?2
                   AND d.state NOT IN ('failed', 'proven') AND c.quarantine IS NULL AND c.isolated_ms IS NULL AND c.local IN ('copying', 'sealed'))",
            )?
            .query_row(params![clip.to_string(), destination], |r| r.get(0))?)
    }

    /// Pauses that were ordered, those included that are over.
    pub fn pauses(&self) -> Result<Vec<PauseRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT destination, since_ms, until_ms, paused_by FROM sending_pause ORDER BY destination",
        )?;
        let rows = statement.query_map([], |r| {
            let name: String = r.get(0)?;
            Ok(PauseRow {
                destination: Some(name).filter(|n| !n.is_empty()),
                since_ms: r.get(1)?,
                until_ms: r.get(2)?,
                by: r.get(3)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Clips that are linked to a case and not proven everywhere yet.
    pub fn unproven_of_case(&self, case_key: &str) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT DISTINCT l.clip_id FROM case_link l JOIN case_alias a ON a.case_id = l.case_id JOIN clip c USING (clip_id)
             WHERE a.case_key = ?1 AND l.withdrawn = 0 AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
               AND EXISTS (SELECT 1 FROM delivery d WHERE d.clip_id = l.clip_id AND d.state <> 'proven') ORDER BY l.clip_id",
            [case_key],
        )
    }
}

fn order_by(rule: Precedence) -> &'static str {
    match rule {
        Precedence::Pushed => "c.pushed_ms IS NULL, c.pushed_ms DESC",
        Precedence::Marked => "c.importance DESC",
        Precedence::Linked => {
            "EXISTS (SELECT 1 FROM case_link l WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)) DESC"
        }
        Precedence::Oldest => "c.clip_id",
        Precedence::Newest => "c.clip_id DESC",
        Precedence::Smallest => "coalesce(c.size_bytes, c.declared_bytes, c.durable_bytes)",
    }
}
