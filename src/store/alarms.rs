//! Alarms as they rose and ended, and who said that they know. What stands is derived elsewhere (`domain::alarm`); what is to
//! be stored and told of it is decided by `domain::notice`, and both happen in one transaction.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, NewMessage, Reader, Result, StoreError, Tx};
use crate::domain::alarm::Severity;
use crate::domain::event::{Actor, Draft};
use crate::domain::notice::{Known, Manners, Step, kinds, step};
use crate::domain::why::Why;

/// The words of an alarm that stands are made anew after so long, so that lists tell no old counts, milliseconds.
const WORDS_AFTER_MS: i64 = 10 * 60_000;
/// An alarm that ended is kept so long, milliseconds.
const KEPT_MS: i64 = 400 * 86_400_000;

/// An alarm as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAlarm {
    /// Its code.
    pub code: String,
    /// What it is about.
    pub about: String,
    /// How much it matters.
    pub severity: Severity,
    /// Title and action by language, JSON.
    pub words: String,
}

/// An alarm as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its number.
    pub id: i64,
    /// Its code.
    pub code: String,
    /// What it is about.
    pub about: String,
    /// How much it matters.
    pub severity: Severity,
    /// Title and action by language, JSON.
    pub words: String,
    /// Since then, milliseconds since the Unix epoch.
    pub risen_ms: i64,
    /// When `words` were made.
    pub words_ms: i64,
    /// Not there since then.
    pub calm_ms: Option<i64>,
    /// Told last.
    pub told_ms: Option<i64>,
    /// Who said that they know, and when.
    pub acknowledged: Option<(Actor, i64)>,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

impl AlarmRow {
    fn known(&self) -> Known {
        Known {
            risen_ms: self.risen_ms,
            calm_ms: self.calm_ms,
            told_ms: self.told_ms,
            acknowledged: self.acknowledged.is_some(),
            severity: self.severity,
        }
    }
}

const COLUMNS: &str =
    "alarm_id, code, about, severity, words, risen_ms, words_ms, calm_ms, told_ms, acked_by, acked_ms, ended_ms";

fn row(r: &Row<'_>) -> Result<AlarmRow> {
    let severity: String = r.get(3)?;
    let by: Option<String> = r.get(9)?;
    let actor = by.map(|by| {
        let (kind, id) = by.split_once(':').unwrap_or((&by, ""));
        Actor { kind: kind.to_owned(), id: id.to_owned() }
    });
    Ok(AlarmRow {
        id: r.get(0)?,
        code: r.get(1)?,
        about: r.get(2)?,
        severity: Severity::parse(&severity).ok_or_else(|| StoreError::Odd("the severity of an alarm".into()))?,
        words: r.get(4)?,
        risen_ms: r.get(5)?,
        words_ms: r.get(6)?,
        calm_ms: r.get(7)?,
        told_ms: r.get(8)?,
        acknowledged: actor.zip(r.get(10)?),
        ended_ms: r.get(11)?,
    })
}

impl Reader<'_> {
    /// Alarms that have not ended, oldest first.
    pub fn alarms_standing(&self) -> Result<Vec<AlarmRow>> {
        self.alarm_rows("WHERE ended_ms IS NULL ORDER BY risen_ms, alarm_id", [])
    }

    /// Alarms that ended, newest first, at most `limit`.
    pub fn alarms_over(&self, limit: u32) -> Result<Vec<AlarmRow>> {
        self.alarms_over_before(None, limit)
    }

    /// The same before a place: when one ended, and its number.
    pub fn alarms_over_before(&self, before: Option<(i64, i64)>, limit: u32) -> Result<Vec<AlarmRow>> {
        let which = "WHERE ended_ms IS NOT NULL AND (?2 IS NULL OR (ended_ms, alarm_id) < (?2, ?3))
             ORDER BY ended_ms DESC, alarm_id DESC LIMIT ?1";
        self.alarm_rows(which, params![limit, before.map(|b| b.0), before.map(|b| b.1)])
    }

    /// When the newest entry of the log was made, by the clock of then.
    pub fn newest_entry_ms(&self) -> Result<Option<i64>> {
        let sql = "SELECT wall_ms FROM log_entry ORDER BY seq DESC LIMIT 1";
        Ok(self.conn.prepare_cached(sql)?.query_row([], |r| r.get(0)).optional()?)
    }

    fn alarm_rows(&self, which: &str, values: impl rusqlite::Params) -> Result<Vec<AlarmRow>> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM alarm {which}"))?;
        let mut rows = statement.query(values)?;
        let mut all = Vec::new();
        while let Some(r) = rows.next()? {
            all.push(row(r)?);
        }
        Ok(all)
    }

    /// Whether [`Tx::alarms`] would have anything to do: most looks have not.
    pub fn alarms_move(&self, seen: &[SeenAlarm], now_ms: i64, manners: &Manners) -> Result<bool> {
        let standing = self.alarms_standing()?;
        let known = |s: &SeenAlarm| standing.iter().find(|row| row.code == s.code && row.about == s.about);
        let moves = |row: Option<&AlarmRow>, seen: Option<&SeenAlarm>| {
            step(row.map(AlarmRow::known).as_ref(), seen.map(|s| s.severity), now_ms, manners) != Step::Keep
                || row.zip(seen).is_some_and(|(row, s)| stale(row, s, now_ms))
        };
        let gone = standing.iter().filter(|row| !seen.iter().any(|s| row.code == s.code && row.about == s.about));
        Ok(seen.iter().any(|s| moves(known(s), Some(s))) || gone.into_iter().any(|row| moves(Some(row), None)))
    }
}

fn stale(row: &AlarmRow, seen: &SeenAlarm, now_ms: i64) -> bool {
    row.words != seen.words && now_ms.saturating_sub(row.words_ms).saturating_abs() >= WORDS_AFTER_MS
}

impl Tx<'_> {
    /// Stores what a look came to, and what is to be told of it: `messages` makes the messages of one kind about an alarm.
    pub fn alarms(
        &self,
        seen: &[SeenAlarm],
        manners: &Manners,
        most_waiting: u32,
        mut messages: impl FnMut(&'static str, &AlarmRow) -> Vec<NewMessage>,
    ) -> Result<()> {
        let now = self.now_ms();
        let standing = self.read().alarms_standing()?;
        let mut told: Vec<(&'static str, i64)> = Vec::new();
        for s in seen {
            let row = standing.iter().find(|row| row.code == s.code && row.about == s.about);
            let Some(row) = row else {
                self.conn.execute(
                    "INSERT INTO alarm (code, about, severity, words, risen_ms, words_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                    params![s.code, s.about, s.severity.as_str(), s.words, now],
                )?;
                // What is told at once is told in the transaction in which it rises.
                let id = self.conn.last_insert_rowid();
                if manners.tell_after_ms == 0 {
                    told.push((kinds::RAISED, id));
                }
                continue;
            };
            let kind = match step(Some(&row.known()), Some(s.severity), now, manners) {
                Step::Tell => Some(kinds::RAISED),
                Step::Worse => Some(kinds::WORSE),
                Step::Repeat => Some(kinds::REPEATED),
                Step::Back => {
                    self.conn.execute("UPDATE alarm SET calm_ms = NULL WHERE alarm_id = ?1", [row.id])?;
                    None
                }
                Step::Keep | Step::Rise | Step::Calm | Step::End { .. } => None,
            };
            if kind.is_some() || stale(row, s, now) {
                self.conn.execute(
                    "UPDATE alarm SET severity = ?2, words = ?3, words_ms = ?4 WHERE alarm_id = ?1",
                    params![row.id, s.severity.as_str(), s.words, now],
                )?;
            }
            if kind == Some(kinds::WORSE) {
                let sql = "UPDATE alarm SET acked_by = NULL, acked_ms = NULL WHERE alarm_id = ?1";
                self.conn.execute(sql, [row.id])?;
            }
            told.extend(kind.map(|kind| (kind, row.id)));
        }
        for row in standing.iter().filter(|row| !seen.iter().any(|s| row.code == s.code && row.about == s.about)) {
            match step(Some(&row.known()), None, now, manners) {
                Step::Calm => {
                    self.conn.execute("UPDATE alarm SET calm_ms = ?2 WHERE alarm_id = ?1", params![row.id, now])?;
                }
                Step::End { told: was_told } => {
                    self.conn.execute("UPDATE alarm SET ended_ms = ?2 WHERE alarm_id = ?1", params![row.id, now])?;
                    told.extend(was_told.then_some((kinds::ENDED, row.id)));
                }
                _ => {}
            }
        }
        for (kind, id) in told {
            if kind != kinds::ENDED {
                self.conn.execute("UPDATE alarm SET told_ms = ?2 WHERE alarm_id = ?1", params![id, now])?;
            }
            let row = self.read().alarm(id)?;
            for message in messages(kind, &row) {
                self.post_message(&message, most_waiting)?;
            }
        }
        self.conn.execute("DELETE FROM alarm WHERE ended_ms < ?1", [now - KEPT_MS])?;
        self.changed(Change::Alarms);
        Ok(())
    }

    /// Somebody says that they know: it is not repeated any more.
    pub fn acknowledge_alarm(&self, id: i64, event: Draft) -> Result<AlarmRow> {
        let row = self.read().alarm(id)?;
        if row.ended_ms.is_some() {
            return Err(StoreError::Conflict(Why::AlarmOver {}));
        }
        if row.acknowledged.is_none() {
            let by = format!("{}:{}", event.actor.kind, event.actor.id);
            self.conn.execute(
                "UPDATE alarm SET acked_by = ?2, acked_ms = ?3 WHERE alarm_id = ?1",
                params![id, by, self.now_ms()],
            )?;
            self.log(&event.fact("alarm", id).fact("code", row.code.as_str()).fact("about", row.about.as_str()))?;
            self.changed(Change::Alarms);
        }
        self.read().alarm(id)
    }
}

impl Reader<'_> {
    /// One alarm.
    pub fn alarm(&self, id: i64) -> Result<AlarmRow> {
        let rows = self.alarm_rows("WHERE alarm_id = ?1", [id])?;
        rows.into_iter().next().ok_or_else(|| StoreError::NotFound(Why::NoAlarm { alarm: id }))
    }
}
