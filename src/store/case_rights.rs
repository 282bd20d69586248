//! How a case stands to an account. Clips have an officer; a case has clips, and perhaps an entry in the register that names
//! who handles it (承办人, 承办单位).
//!
//! Linking a clip to a case is an officer's daily work, and any number may be typed. So a clip of one's own in a case shows
//! that clip and no more: what the register says of the case is told to whom it names, not to whoever wrote its number.

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result};
use crate::domain::register::name_key;
use crate::domain::rights::{Action, Over, RIGHTS, Subject, Within};
use crate::domain::sensitivity::Sensitivity;

impl Reader<'_> {
    /// How a case stands to an account at `now_ms`: own or its unit's where some clip of it is, as far as cases are shown to
    /// them, or where the register names them as who handles it.
    pub fn case_standing(&self, case: i64, account: i64, now_ms: i64) -> Result<Subject> {
        let large = self.is_large(case)?;
        let clips = if large { Vec::new() } else { self.clips_of_case(case)? };
        let has = |over: Over| {
            let shown = RIGHTS.iter().filter(|r| r.action == Action::FindCase && r.over == over);
            let within = Within::Of { account, stretches: shown.map(|r| (r.over, r.up_to)).collect() };
            let any = match large {
                true => !self.newest_of_large(case, &within, now_ms, 1)?.is_empty(),
                false => !self.clips_within(&clips, &within, now_ms)?.is_empty(),
            };
            Ok::<_, super::StoreError>(any || self.handles(case, account, over)?)
        };
        Ok(Subject {
            own: has(Over::Own)?,
            unit: has(Over::Unit)?,
            sent: self.stands_sent(case, account, now_ms)?,
            sensitivity: Sensitivity::None,
        })
    }

    /// Whether a case has a page for somebody within these bounds: some clip of it is shown to them, or they may know what is
    /// known of the case itself.
    pub fn case_has_a_page(&self, case: i64, within: &Within, now_ms: i64) -> Result<bool> {
        Ok(self.case_shows_some(case, within, now_ms)? || self.knows_case(case, within, now_ms)?)
    }

    /// Whether somebody within these bounds may know what is known of the case itself: its party and cause, its holds, its
    /// filing. Whoever may see every clip may, and to whom it stands sent, and whom the register names as who handles it;
    /// where no register has it, to whom nothing of it is beyond these bounds.
    pub fn knows_case(&self, case: i64, within: &Within, now_ms: i64) -> Result<bool> {
        let Within::Of { account, stretches } = within else { return Ok(true) };
        for (over, _) in stretches {
            let knows = match over {
                Over::All => true,
                Over::Sent => self.stands_sent(case, *account, now_ms)?,
                Over::Own | Over::Unit => self.handles(case, *account, *over)?,
            };
            if knows {
                return Ok(true);
            }
        }
        // Of so many clips some are beyond any bounds.
        if self.case_entry(case)?.is_some() || self.is_large(case)? {
            return Ok(false);
        }
        let clips = self.clips_of_case(case)?;
        Ok(!clips.is_empty() && self.kept_within(&clips, within, now_ms)?.len() == clips.len())
    }

    /// Whether the register of cases names the account's officer, or its unit or somebody of it, as who handles the case.
    fn handles(&self, case: i64, account: i64, over: Over) -> Result<bool> {
        let Some(row) = self.case_entry(case)? else { return Ok(false) };
        let officers = match over {
            Over::Own => "SELECT officer FROM account_officer WHERE account_id = ?1",
            Over::Unit => {
                "SELECT o.officer FROM account_officer o JOIN account m ON m.account_id = o.account_id
                 JOIN account me ON me.account_id = ?1 AND me.unit = m.unit"
            }
            Over::All | Over::Sent => return Ok(false),
        };
        let named: Vec<String> = row.entry.list("officers").into_iter().map(name_key).collect();
        let mut statement = self.conn.prepare_cached(officers)?;
        let mut theirs = statement.query(params![account])?;
        while let Some(r) = theirs.next()? {
            if named.contains(&name_key(&r.get::<_, String>(0)?)) {
                return Ok(true);
            }
        }
        if over == Over::Own {
            return Ok(false);
        }
        let unit: Option<String> = self
            .conn
            .prepare_cached("SELECT unit FROM account WHERE account_id = ?1")?
            .query_row([account], |r| r.get::<_, Option<String>>(0))
            .optional()?
            .flatten();
        Ok(unit.is_some_and(|unit| row.entry.get("unit").map(name_key) == Some(name_key(&unit))))
    }
}

#[cfg(test)]
mod tests;
