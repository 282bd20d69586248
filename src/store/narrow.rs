//! From whom to their clips, and not from every clip to whose it is: in a list of a million the clips of one officer are
//! found by an index.

use super::accounts::bound;
use super::{Reader, Result, StoreError};
use crate::domain::rights::{Over, Within};

const OFFICERS_OF_UNIT: &str = "SELECT o.officer FROM account_officer o JOIN account m ON m.account_id = o.account_id JOIN account me ON me.account_id = @account AND me.unit = m.unit";

/// A query of the officers whose clips alone may stand in lists within these bounds; `None` where other clips may, too.
/// `@account` is to be bound.
pub(super) fn officers_sql(within: &Within) -> Option<&'static str> {
    let Within::Of { stretches, .. } = within else { return None };
    let all = !stretches.is_empty() && stretches.iter().all(|(over, _)| *over == Over::Unit);
    all.then_some(OFFICERS_OF_UNIT)
}

/// A query of the ids of all clips that may stand in lists within these bounds, and of more; `None` where that is no few of
/// them. `@account` and `@now` are to be bound. With `waiting` only of those that wait for a person.
pub(super) fn narrow_sql(within: &Within, waiting: bool) -> Option<String> {
    let Within::Of { stretches, .. } = within else { return None };
    let and = if waiting { " AND n.triage IS NOT NULL" } else { "" };
    let mut parts: Vec<String> = Vec::new();
    for (over, _) in stretches {
        parts.push(match over {
            Over::All => return None,
            Over::Own => format!(
                "SELECT n.clip_id FROM clip_index n WHERE n.officer IN (SELECT o.officer FROM account_officer o WHERE o.account_id = @account){and}
                 UNION ALL SELECT k.clip_id FROM account_officer o CROSS JOIN clip_co_officer k ON k.officer = o.officer WHERE o.account_id = @account"
            ),
            Over::Unit => {
                format!("SELECT n.clip_id FROM clip_index n WHERE n.officer IN ({OFFICERS_OF_UNIT}){and}")
            }
            Over::Sent => "SELECT l.clip_id FROM review v CROSS JOIN case_link l ON l.case_id = v.case_id
                 WHERE v.ended_ms IS NULL AND (v.until_ms IS NULL OR v.until_ms > @now) AND (v.account_id IS NULL OR v.account_id = @account)"
                .to_owned(),
        });
    }
    match parts.is_empty() {
        true => Some("SELECT NULL WHERE 0".to_owned()),
        false => Some(parts.join(" UNION ALL ")),
    }
}

/// A condition over clip `c` and its index `i`, over `i` alone: of what is not isolated.
pub(super) fn over_index(condition: &str, account: usize, now: usize) -> String {
    bound(&condition.replace("c.isolated_ms", "NULL").replace("c.clip_id", "i.clip_id"), account, now)
}

impl Reader<'_> {
    /// Officers whom some clip names and in whose name `part` stands, as JSON; one step in the index for each officer.
    pub(super) fn officers_like(&self, part: &str) -> Result<String> {
        self.distinct_like(
            "WITH RECURSIVE o (name) AS (SELECT min(officer) FROM clip_index WHERE officer IS NOT NULL
               UNION ALL SELECT (SELECT min(officer) FROM clip_index WHERE officer > o.name) FROM o WHERE o.name IS NOT NULL)
             SELECT name FROM o WHERE instr(name, ?1) > 0",
            part,
        )
    }

    /// Recorders in whose id `part` stands, as JSON.
    pub(super) fn recorders_like(&self, part: &str) -> Result<String> {
        self.distinct_like("SELECT recorder_id FROM recorder WHERE instr(lower(recorder_id), lower(?1)) > 0", part)
    }

    fn distinct_like(&self, sql: &str, part: &str) -> Result<String> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([part], |r| r.get::<_, String>(0))?;
        let names = rows.collect::<std::result::Result<Vec<_>, _>>()?;
        serde_json::to_string(&names).map_err(|e| StoreError::Odd(e.to_string()))
    }
}

#[cfg(test)]
mod tests;
