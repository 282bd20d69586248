//! What others are told: messages that wait for their receivers, and up to where the log was read for them. Bounded for each
//! receiver: where too many wait, the oldest gives way.

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, Tx};

/// A message that ended is kept so long, milliseconds: for whoever looks why something was not told.
const KEPT_MS: i64 = 14 * 86_400_000;
/// After so many tries without success a receiver counts as failing.
const FAILING_TRIES: i64 = 3;
/// Messages that were given up count against a receiver for so long, milliseconds.
const GIVEN_UP_MS: i64 = 86_400_000;

/// A message to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Who gets it.
    pub receiver: String,
    /// Its id, to the receiver.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its body, as it is sent.
    pub body: String,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number.
    pub number: i64,
    /// Its id, to the receiver.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its body.
    pub body: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// When it is due.
    pub due_ms: i64,
    /// Tries that failed.
    pub tries: u32,
}

/// How a receiver is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiverRow {
    /// Messages that wait for it.
    pub waiting: u64,
    /// When the oldest of them was made.
    pub oldest_ms: Option<i64>,
    /// It was tried several times in vain, or messages were given up lately.
    pub failing: bool,
    /// Why, of the last try that failed and is not made good.
    pub words: Option<String>,
    /// When a message arrived last.
    pub taken_ms: Option<i64>,
    /// Messages that were given up or dropped within a day.
    pub lost: u64,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageEnd {
    /// The receiver has it.
    Taken,
    /// It was not to be had for too long, or said that it never will take it.
    GivenUp,
    /// Too many waited.
    Dropped,
}

impl MessageEnd {
    fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        }
    }
}

impl Tx<'_> {
    /// Stores a message; of one id for one receiver once.
    pub fn post_message(&self, message: &NewMessage, most_waiting: u32) -> Result<()> {
        let now = self.now_ms();
        self.conn
            .prepare_cached(
                "INSERT INTO message (receiver, id, kind, body, made_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                 ON CONFLICT (receiver, id) DO NOTHING",
            )?
            .execute(params![message.receiver, message.id, message.kind, message.body, now])?;
        self.conn
            .prepare_cached(
                "UPDATE message SET ended_ms = ?3, ended = 'dropped', words = 'too many messages waited' WHERE message_id IN
                   (SELECT message_id FROM message WHERE receiver = ?1 AND ended_ms IS NULL ORDER BY message_id DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![message.receiver, most_waiting, now])?;
        self.changed(Change::Alarms);
        Ok(())
    }

    /// A try failed; it is due again then.
    pub fn message_failed(&self, number: i64, words: &str, due_ms: i64) -> Result<()> {
        self.conn.execute(
            "UPDATE message SET tries = tries + 1, words = ?2, due_ms = ?3 WHERE message_id = ?1 AND ended_ms IS NULL",
            params![number, words, due_ms],
        )?;
        self.changed(Change::Alarms);
        Ok(())
    }

    /// It ended.
    pub fn message_ended(&self, number: i64, end: MessageEnd, words: Option<&str>) -> Result<()> {
        let now = self.now_ms();
        self.conn.execute(
            "UPDATE message SET ended_ms = ?2, ended = ?3, words = ?4, tries = tries + 1 WHERE message_id = ?1 AND ended_ms IS NULL",
            params![number, now, end.as_str(), words],
        )?;
        self.conn.execute("DELETE FROM message WHERE ended_ms < ?1", [now - KEPT_MS])?;
        self.changed(Change::Alarms);
        Ok(())
    }

    /// What waits for a receiver is due now: a start is a new try, in the order in which things happened.
    pub fn messages_due(&self, receiver: &str) -> Result<()> {
        let sql = "UPDATE message SET due_ms = ?2 WHERE receiver = ?1 AND ended_ms IS NULL AND due_ms > ?2";
        self.conn.execute(sql, params![receiver, self.now_ms()])?;
        Ok(())
    }

    /// Only these receivers are configured: what waits for others waits in vain.
    pub fn keep_receivers(&self, receivers: &[String]) -> Result<()> {
        let now = self.now_ms();
        for name in self.read().receivers()? {
            if !receivers.contains(&name) {
                self.conn.execute(
                    "UPDATE message SET ended_ms = ?2, ended = 'dropped', words = 'its receiver is not configured any more'
                     WHERE receiver = ?1 AND ended_ms IS NULL",
                    params![name, now],
                )?;
            }
        }
        Ok(())
    }

    /// The log was read up to here.
    pub fn log_was_read(&self, reader: &str, epoch: u32, next_seq: u64) -> Result<()> {
        self.conn.execute(
            "INSERT INTO log_reader (reader, epoch, next_seq, at_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (reader) DO UPDATE SET epoch = excluded.epoch, next_seq = excluded.next_seq, at_ms = excluded.at_ms",
            params![reader, epoch, next_seq as i64, self.now_ms()],
        )?;
        Ok(())
    }
}

impl Reader<'_> {
    /// Of what is due for a receiver the oldest; where nothing is due yet, what will be next.
    pub fn next_message(&self, receiver: &str, now_ms: i64) -> Result<Option<MessageRow>> {
        let sql = "SELECT message_id, id, kind, body, made_ms, due_ms, tries FROM message
                   WHERE receiver = ?1 AND ended_ms IS NULL ORDER BY max(due_ms, ?2), message_id LIMIT 1";
        let found = self.conn.prepare_cached(sql)?.query_row(params![receiver, now_ms], |r| {
            Ok(MessageRow {
                number: r.get(0)?,
                id: r.get(1)?,
                kind: r.get(2)?,
                body: r.get(3)?,
                made_ms: r.get(4)?,
                due_ms: r.get(5)?,
                tries: r.get(6)?,
            })
        });
        Ok(found.optional()?)
    }

    /// How a receiver is doing.
    pub fn receiver(&self, receiver: &str, now_ms: i64) -> Result<ReceiverRow> {
        let sql = "SELECT count(*), min(made_ms), coalesce(max(tries), 0) FROM message WHERE receiver = ?1 AND ended_ms IS NULL";
        let (waiting, oldest_ms, tries): (i64, Option<i64>, i64) =
            self.conn.prepare_cached(sql)?.query_row([receiver], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        let sql = "SELECT max(ended_ms) FROM message WHERE receiver = ?1 AND ended = 'taken'";
        let taken_ms: Option<i64> = self.conn.prepare_cached(sql)?.query_row([receiver], |r| r.get(0))?;
        // Once something arrived again, what was lost before it is no fault that stands.
        let since = (now_ms - GIVEN_UP_MS).max(taken_ms.unwrap_or(i64::MIN));
        let sql =
            "SELECT count(*) FROM message WHERE receiver = ?1 AND ended IN ('given_up', 'dropped') AND ended_ms > ?2";
        let lost: i64 = self.conn.prepare_cached(sql)?.query_row(params![receiver, since], |r| r.get(0))?;
        let sql = "SELECT words FROM message WHERE receiver = ?1 AND words IS NOT NULL
                     AND (ended_ms IS NULL OR (ended <> 'taken' AND ended_ms > ?2)) ORDER BY ended_ms IS NULL DESC, message_id DESC LIMIT 1";
        let words = self.conn.prepare_cached(sql)?.query_row(params![receiver, since], |r| r.get(0)).optional()?;
        Ok(ReceiverRow {
            waiting: waiting as u64,
            oldest_ms,
            failing: tries >= FAILING_TRIES || lost > 0,
            words,
            taken_ms,
            lost: lost as u64,
        })
    }

    /// Receivers for which something waits.
    pub fn receivers(&self) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached("SELECT DISTINCT receiver FROM message WHERE ended_ms IS NULL")?;
        let rows = statement.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Up to where the log was read: epoch and next entry.
    pub fn log_read_to(&self, reader: &str) -> Result<Option<(u32, u64)>> {
        let sql = "SELECT epoch, next_seq FROM log_reader WHERE reader = ?1";
        let found = self.conn.prepare_cached(sql)?.query_row([reader], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)));
        Ok(found.optional()?)
    }

    /// The number of a case as displayed, by the hash that the log and object keys have.
    pub fn case_no_of_hash(&self, hash: &str) -> Result<Option<String>> {
        let sql = "SELECT display FROM case_alias WHERE case_hash = ?1 LIMIT 1";
        Ok(self.conn.prepare_cached(sql)?.query_row([hash], |r| r.get(0)).optional()?)
    }
}
