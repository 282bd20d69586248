//! Cases that stand sent to legal reviewers.

use rusqlite::params;

use crate::domain::event::Draft;
use crate::domain::why::Why;
use crate::store::{Change, Result, StoreError, Tx};

/// A case that stands sent for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// The case.
    pub case_id: i64,
    /// To whom; `None`: every reviewer.
    pub account: Option<i64>,
    /// Until when.
    pub until_ms: Option<i64>,
}

impl Tx<'_> {
    /// Sends a case to the legal reviewers, or to one. What stood sent to the same is replaced. `asked` says who.
    pub fn send_to_review(&self, review: &ReviewRow, case_hash: &str, asked: Draft) -> Result<()> {
        let by = format!("{}:{}", asked.actor.kind, asked.actor.id);
        self.conn.execute(
            "UPDATE review SET ended_by = ?3, ended_ms = ?4 WHERE case_id = ?1 AND account_id IS ?2 AND ended_ms IS NULL",
            params![review.case_id, review.account, by, self.now_ms()],
        )?;
        self.conn.execute(
            "INSERT INTO review (case_id, account_id, until_ms, sent_by, sent_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![review.case_id, review.account, review.until_ms, by, self.now_ms()],
        )?;
        let event = asked.case(case_hash).fact("step", "sent").fact("to", review.account);
        self.log(&event.fact("until_ms", review.until_ms))?;
        self.changed(Change::Cases);
        Ok(())
    }

    /// Calls a case back from the legal reviewers, or from one. `asked` says who.
    pub fn end_review(&self, case_id: i64, account: Option<i64>, case_hash: &str, asked: Draft) -> Result<()> {
        let by = format!("{}:{}", asked.actor.kind, asked.actor.id);
        let n = self.conn.execute(
            "UPDATE review SET ended_by = ?3, ended_ms = ?4 WHERE case_id = ?1 AND (?2 IS NULL OR account_id = ?2) AND ended_ms IS NULL",
            params![case_id, account, by, self.now_ms()],
        )?;
        if n == 0 {
            return Err(StoreError::NotFound(Why::NotSent {}));
        }
        self.log(&asked.case(case_hash).fact("step", "called_back").fact("to", account))?;
        self.changed(Change::Cases);
        Ok(())
    }
}
