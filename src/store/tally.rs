//! Figures that triggers keep (`tally`, `clip_total`, `delivery_total`, `evicted_at`, `probe_due`), so that no page counts a
//! million rows; and the look at all of them that counts anew.

use super::{Reader, Result};

/// A figure that is not what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyOff {
    /// Which figure.
    pub what: String,
    /// What was kept: how many, and their bytes.
    pub kept: (i64, i64),
    /// What there is.
    pub counted: (i64, i64),
}

/// Each figure as kept, beside what it counts; those that differ.
const OFF: &str =
    "SELECT what, sum(kept), sum(kept_bytes), sum(counted), sum(bytes) FROM (
       SELECT 'state ' || state AS what, clips AS kept, bytes AS kept_bytes, 0 AS counted, 0 AS bytes FROM clip_total
       UNION ALL SELECT 'state ' || state, 0, 0, count(*), sum(coalesce(size_bytes, declared_bytes, 0)) FROM clip GROUP BY state
       UNION ALL SELECT what, n, bytes, 0, 0 FROM tally
       UNION ALL SELECT 'owing', 0, 0, count(*), 0 FROM clip WHERE owes_since_ms IS NOT NULL
       UNION ALL SELECT 'evicted', 0, 0, count(*), coalesce(sum(size_bytes), 0) FROM clip WHERE local = 'evicted' AND disposed_ms IS NULL
       UNION ALL SELECT CASE WHEN state IN ('proven', 'released') THEN 'disk_proven' ELSE 'disk_unproven' END, 0, 0, count(*),
           sum(coalesce(size_bytes, durable_bytes)) FROM clip WHERE local <> 'evicted' AND shares IS NULL GROUP BY 1
       UNION ALL SELECT 'triage ' || coalesce(care, 4), 0, 0, count(*), 0 FROM clip_index WHERE triage IS NOT NULL GROUP BY 1
       UNION ALL SELECT 'early ' || coalesce(care, 4), 0, 0, count(*), 0 FROM clip_report WHERE linked = 'early' AND isolated_ms IS NULL GROUP BY 1
       UNION ALL SELECT 'deliveries ' || destination || ' ' || state || ' ' || required, n, 0, 0, 0 FROM delivery_total
       UNION ALL SELECT 'deliveries ' || destination || ' ' || state || ' ' || required, 0, 0, count(*), 0 FROM delivery GROUP BY destination, state, required
       UNION ALL SELECT 'evicted at ' || destinations, clips, 0, 0, 0 FROM evicted_at
       UNION ALL SELECT 'evicted at ' || at, 0, 0, count(*), 0 FROM (
           SELECT (SELECT json_group_array(d.destination) FROM delivery d WHERE d.clip_id = c.clip_id AND d.state = 'proven') AS at
           FROM clip c WHERE c.local = 'evicted' AND c.disposed_ms IS NULL) GROUP BY at
       UNION ALL SELECT 'waiting for the media worker', count(*), 0, 0, 0 FROM probe_due p LEFT JOIN clip c USING (clip_id)
         WHERE c.clip_id IS NULL OR c.local <> 'sealed' OR c.role = 'document' OR EXISTS (SELECT 1 FROM media m WHERE m.clip_id = p.clip_id)
       UNION ALL SELECT 'waiting for the media worker', 0, 0, count(*), 0 FROM clip c WHERE c.local = 'sealed' AND c.role <> 'document'
         AND NOT EXISTS (SELECT 1 FROM media m WHERE m.clip_id = c.clip_id) AND NOT EXISTS (SELECT 1 FROM probe_due p WHERE p.clip_id = c.clip_id)
     ) GROUP BY what HAVING sum(kept) <> sum(counted) OR sum(kept_bytes) <> sum(bytes)";

impl Reader<'_> {
    /// Kept figures that are not what they count; there should be none. Reads every clip and delivery.
    pub fn tallies_off(&self) -> Result<Vec<TallyOff>> {
        let mut statement = self.conn.prepare(OFF)?;
        let rows = statement.query_map([], |r| {
            Ok(TallyOff { what: r.get(0)?, kept: (r.get(1)?, r.get(2)?), counted: (r.get(3)?, r.get(4)?) })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// One figure over clips: how many, and their bytes.
    pub(super) fn tally(&self, what: &str) -> Result<(u64, u64)> {
        let sql = "SELECT n, bytes FROM tally WHERE what = ?1";
        Ok(self
            .conn
            .prepare_cached(sql)?
            .query_row([what], |r| Ok((r.get::<_, i64>(0)?.max(0) as u64, r.get::<_, i64>(1)?.max(0) as u64)))?)
    }
}

#[cfg(test)]
mod tests;
