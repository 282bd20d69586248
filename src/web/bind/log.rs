//! The log as a list: stored bytes read back, commitments left closed.

use super::StationPages;
use crate::domain::event::Envelope;
use crate::domain::time::UtcMs;
use crate::store::StoreError;
use crate::web::site::ReadError;
use crate::web::view::log::{LogEntry, LogQuery};

impl StationPages {
    pub(super) async fn log_entries(&self, query: &LogQuery) -> Result<Vec<LogEntry>, ReadError> {
        let q = query.clone();
        self.read(move |r| {
            let rows = r.log_before(q.before, q.kind.as_deref(), q.actor.as_deref(), q.limit)?;
            rows.iter()
                .map(|row| {
                    let envelope: Envelope = serde_json::from_slice(&row.bytes)
                        .map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))?;
                    Ok(entry(row.seq, envelope))
                })
                .collect()
        })
        .await
    }
}

fn entry(seq: u64, e: Envelope) -> LogEntry {
    let told = e.body.iter().filter(|(_, value)| !value.is_object() && !value.is_null());
    let told: Vec<String> = told
        .map(|(key, value)| format!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    LogEntry {
        seq,
        at: UtcMs(e.wall_ms),
        kind: e.kind,
        actor: e.actor,
        via: e.via,
        from: e.from,
        session: e.session,
        about: e.clip.iter().cloned().chain(told).collect::<Vec<_>>().join(" · "),
        clip: e.clip,
        case: e.case,
        outcome: e.outcome,
        body: serde_json::Value::Object(e.body),
    }
}
