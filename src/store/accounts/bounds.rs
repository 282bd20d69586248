//! How clips stand to an account, and the conditions that keep lists within what somebody may see. Who may do what is the
//! domain's to say.

use rusqlite::{OptionalExtension, params};

use crate::domain::ids::ClipId;
use crate::domain::rights::{Over, Subject, Within};
use crate::domain::sensitivity::Sensitivity;
use crate::store::{Reader, Result, Tx};

/// How a clip stands to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipStanding {
    /// What the decision needs.
    pub subject: Subject,
    /// Hash of its first case, where it is linked: what a purpose is remembered for.
    pub case: Option<String>,
    /// It is isolated as suspected classified: nothing of it is told, whatever the right.
    pub isolated: bool,
}

/// How bounds reach over the clips of a case or of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It has no clip.
    Empty,
    /// Each of its clips lies within them.
    Whole,
    /// This one does not.
    Beyond(ClipId),
}

impl Tx<'_> {
    /// Settles the label of clips that were there before labels stood in the index; gives how many are left.
    pub fn index_labels(&self, at_once: u32) -> Result<u64> {
        let clips = self
            .read()
            .clip_ids("SELECT clip_id FROM clip_index WHERE care IS NULL ORDER BY clip_id LIMIT ?1", [at_once])?;
        for clip in &clips {
            self.reindex(*clip)?;
        }
        let left: i64 = self.conn.query_row("SELECT count(*) FROM clip_index WHERE care IS NULL", [], |r| r.get(0))?;
        Ok(left as u64)
    }
}

impl Reader<'_> {
    /// How a clip stands to an account at `now_ms`; `None` where there is no such clip.
    pub fn clip_standing(&self, clip: ClipId, account: i64, now_ms: i64) -> Result<Option<ClipStanding>> {
        let sql = format!(
            "SELECT {own}, {unit}, {sent}, {care},
               (SELECT a.case_hash FROM case_link l JOIN case_alias a USING (case_key) WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
                  AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id) ORDER BY l.link_id LIMIT 1),
               c.isolated_ms IS NOT NULL
             FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE c.clip_id = ?3",
            own = bound(over_sql(Over::Own), 1, 2),
            unit = bound(over_sql(Over::Unit), 1, 2),
            sent = bound(over_sql(Over::Sent), 1, 2),
            care = CARE,
        );
        let row = self
            .conn
            .prepare_cached(&sql)?
            .query_row(params![account, now_ms, clip.to_string()], |r| {
                Ok((
                    Subject { own: r.get(0)?, unit: r.get(1)?, sent: r.get(2)?, sensitivity: Sensitivity::None },
                    r.get::<_, i64>(3)?,
                    r.get::<_, Option<String>>(4)?,
                    r.get::<_, bool>(5)?,
                ))
            })
            .optional()?;
        Ok(row.map(|(subject, care, case, isolated)| {
            // An isolated clip has an answer of its own, told to whoever would see it but for that.
            let label = if isolated { by_place(care).min(Sensitivity::Minor) } else { by_place(care) };
            ClipStanding { subject: Subject { sensitivity: label, ..subject }, case, isolated }
        }))
    }

    /// When capture of a clip began, and whether it lacks one of the five facts, as lists know it.
    pub fn indexed(&self, clip: ClipId) -> Result<(Option<i64>, bool)> {
        let found = self
            .conn
            .prepare_cached("SELECT captured_start_ms, missing_count > 0 FROM clip_index WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        Ok(found.unwrap_or((None, true)))
    }

    /// Which of `clips` may stand in lists within these bounds, in their order. What is isolated is shown to nobody.
    pub fn clips_within(&self, clips: &[ClipId], within: &Within, now_ms: i64) -> Result<Vec<ClipId>> {
        self.bounded(clips, within, "c.isolated_ms IS NULL", now_ms)
    }

    /// The same, isolated ones included: for lists that tell ids and nothing of what is in them.
    pub fn kept_within(&self, clips: &[ClipId], within: &Within, now_ms: i64) -> Result<Vec<ClipId>> {
        self.bounded(clips, within, "1", now_ms)
    }

    /// Whether every clip of a case lies within these bounds, isolated ones included. A case without clips lies within those
    /// that are about every clip.
    pub fn case_is_within(&self, case: i64, within: &Within, now_ms: i64) -> Result<bool> {
        self.each_within(OF_CASE, case, within, now_ms)
    }

    /// The same of what stands under a hold.
    pub fn hold_is_within(&self, hold: i64, within: &Within, now_ms: i64) -> Result<bool> {
        self.each_within(OF_HOLD, hold, within, now_ms)
    }

    /// Whether some clip of a case may stand in lists within these bounds.
    pub fn case_shows_some(&self, case: i64, within: &Within, now_ms: i64) -> Result<bool> {
        let (condition, account) =
            within_sql(within).unwrap_or_else(|| ("@account IS NOT NULL AND @now IS NOT NULL".into(), 0));
        self.some_of(OF_CASE, &bound(&condition, 1, 2), params![account, now_ms, case])
    }

    /// How these bounds reach over the clips of a case, isolated ones included.
    pub fn case_reach(&self, case: i64, within: &Within, now_ms: i64) -> Result<Reach> {
        self.reach(OF_CASE, case, within, now_ms)
    }

    /// The same of what stands under a hold.
    pub fn hold_reach(&self, hold: i64, within: &Within, now_ms: i64) -> Result<Reach> {
        self.reach(OF_HOLD, hold, within, now_ms)
    }

    fn each_within(&self, of: &str, id: i64, within: &Within, now_ms: i64) -> Result<bool> {
        if *within == Within::Everything {
            return Ok(true);
        }
        if within.are_empty() {
            return Ok(false);
        }
        Ok(match self.reach(of, id, within, now_ms)? {
            Reach::Whole => true,
            Reach::Beyond(_) => false,
            Reach::Empty => within.reach_all(),
        })
    }

    /// It ends at the first clip beyond the bounds.
    fn reach(&self, of: &str, id: i64, within: &Within, now_ms: i64) -> Result<Reach> {
        let bounds = bounds_sql(within);
        let account = bounds.as_ref().map_or(0, |(_, account)| *account);
        let values = params![account, now_ms, id];
        if let Some((condition, _)) = bounds
            && let Some(clip) = self.one_of(of, &format!("NOT ({})", bound(&condition, 1, 2)), values)?
        {
            return Ok(Reach::Beyond(clip));
        }
        let any = self.some_of(of, "?1 IS NOT NULL AND ?2 IS NOT NULL", values)?;
        Ok(if any { Reach::Whole } else { Reach::Empty })
    }

    fn some_of(&self, of: &str, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Result<bool> {
        Ok(self.one_of(of, condition, values)?.is_some())
    }

    fn one_of(&self, of: &str, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<ClipId>> {
        let sql = format!(
            "SELECT k.clip_id FROM ({of}) k JOIN clip c ON c.clip_id = k.clip_id LEFT JOIN clip_index i ON i.clip_id = c.clip_id WHERE {condition} LIMIT 1"
        );
        Ok(self.clip_ids(&sql, values)?.pop())
    }

    fn bounded(&self, clips: &[ClipId], within: &Within, and: &str, now_ms: i64) -> Result<Vec<ClipId>> {
        let (condition, account) =
            bounds_sql(within).unwrap_or_else(|| ("@account IS NOT NULL AND @now IS NOT NULL".into(), 0));
        let condition = bound(&condition, 1, 2);
        let sql = format!(
            "SELECT 1 FROM clip c LEFT JOIN clip_index i USING (clip_id) WHERE c.clip_id = ?3 AND {and} AND ({condition})"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut kept = Vec::new();
        for clip in clips {
            if statement.exists(params![account, now_ms, clip.to_string()])? {
                kept.push(*clip);
            }
        }
        Ok(kept)
    }
}

/// The clips of a case, and those that stand under a hold; its number is the third parameter.
const OF_CASE: &str = "SELECT l.clip_id FROM case_link l WHERE l.case_id = ?3 AND l.withdrawn = 0
     AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)";
const OF_HOLD: &str = "SELECT h.clip_id FROM hold h WHERE h.order_id = ?3 AND h.released_ms IS NULL";

/// The label's place; what was never settled is treated like the highest that anybody is shown.
const CARE: &str = "coalesce(i.care, 4)";

fn by_place(care: i64) -> Sensitivity {
    usize::try_from(care).ok().and_then(|n| Sensitivity::ALL.get(n).copied()).unwrap_or(Sensitivity::SuspectedState)
}

/// The place of a label in the index.
pub(in crate::store) fn place_of(label: Option<&str>) -> i64 {
    // A word that nobody knows is a label all the same.
    let label = label.map_or(Sensitivity::None, |word| Sensitivity::parse(word).unwrap_or(Sensitivity::Minor));
    Sensitivity::ALL.iter().position(|s| *s == label).unwrap_or(0) as i64
}

/// A condition over clip `c` and its index `i`; `@account` and `@now` are to be bound.
fn over_sql(over: Over) -> &'static str {
    match over {
        Over::All => "1",
        Over::Own => {
            "(coalesce(i.officer IN (SELECT o.officer FROM account_officer o WHERE o.account_id = @account), 0)
               OR EXISTS (SELECT 1 FROM clip_co_officer k JOIN account_officer o ON o.officer = k.officer
                 WHERE k.clip_id = c.clip_id AND o.account_id = @account))"
        }
        Over::Unit => {
            "coalesce(i.officer IN (SELECT o.officer FROM account_officer o JOIN account m ON m.account_id = o.account_id
               JOIN account me ON me.account_id = @account AND me.unit = m.unit), 0)"
        }
        Over::Sent => {
            "EXISTS (SELECT 1 FROM case_link l JOIN review v ON v.case_id = l.case_id AND v.ended_ms IS NULL
               AND (v.until_ms IS NULL OR v.until_ms > @now) AND (v.account_id IS NULL OR v.account_id = @account)
               WHERE l.clip_id = c.clip_id AND l.withdrawn = 0
                 AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id))"
        }
    }
}

/// The condition of a list's bounds, and the account; `None` where there are none. What is isolated is in no list.
pub(in crate::store) fn within_sql(within: &Within) -> Option<(String, i64)> {
    bounds_sql(within).map(|(condition, account)| (format!("c.isolated_ms IS NULL AND {condition}"), account))
}

fn bounds_sql(within: &Within) -> Option<(String, i64)> {
    match within {
        Within::Everything => None,
        Within::Of { account, stretches } => {
            let parts: Vec<String> = stretches
                .iter()
                .map(|(over, up_to)| {
                    let place = place_of(Some(up_to.key()));
                    let care = format!("min({CARE}, CASE WHEN c.isolated_ms IS NULL THEN 5 ELSE 4 END)");
                    format!("({} AND {care} <= {place})", over_sql(*over))
                })
                .collect();
            // Both are named in any case, so that whoever binds them need not look which are.
            let any = if parts.is_empty() { "0".to_owned() } else { parts.join(" OR ") };
            Some((format!("@account IS NOT NULL AND @now IS NOT NULL AND ({any})"), *account))
        }
    }
}

/// A condition with the numbers of its parameters.
pub(in crate::store) fn bound(condition: &str, account: usize, now: usize) -> String {
    condition.replace("@account", &format!("?{account}")).replace("@now", &format!("?{now}"))
}
