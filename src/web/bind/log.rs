//! The log as a list: stored bytes read back, commitments left closed.

use serde_json::Value;

use super::StationPages;
use crate::domain::event::{Actor, Envelope};
use crate::domain::time::UtcMs;
use crate::store::{Reader, StoreError};
use crate::web::site::ReadError;
use crate::web::view::log::{Called, LogEntry, LogQuery};

impl StationPages {
    pub(super) async fn log_entries(&self, query: &LogQuery) -> Result<Vec<LogEntry>, ReadError> {
        let q = query.clone();
        self.read(move |r| {
            let rows = r.log_before(q.before, q.kind.as_deref(), q.actor.as_deref(), q.limit)?;
            rows.iter()
                .map(|row| {
                    let envelope: Envelope = serde_json::from_slice(&row.bytes)
                        .map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))?;
                    let who = called(r, &envelope.actor)?;
                    // Of an event about an account, whose it is.
                    let account = envelope.body.get("account").and_then(Value::as_i64).map(Actor::user);
                    let whose = match account {
                        Some(account) => called(r, &account)?,
                        None => None,
                    };
                    Ok(entry(row.seq, envelope, who, whose.as_ref()))
                })
                .collect()
        })
        .await
    }
}

pub(super) fn called(r: &Reader<'_>, actor: &Actor) -> Result<Option<Called>, StoreError> {
    let called = r.called(actor)?;
    Ok(called.map(|(login, name)| Called { login, name: Some(name).filter(|name| !name.is_empty()) }))
}

fn entry(seq: u64, e: Envelope, called: Option<Called>, whose: Option<&Called>) -> LogEntry {
    let told = e.body.iter().filter(|(_, value)| !value.is_object() && !value.is_null());
    let told: Vec<String> = told
        .map(|(key, value)| {
            let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match whose.filter(|_| key == "account") {
                Some(whose) => format!("{key}: {told} {}", whose.line()),
                None => format!("{key}: {told}"),
            }
        })
        .collect();
    LogEntry {
        seq,
        at: UtcMs(e.wall_ms),
        kind: e.kind,
        actor: e.actor,
        called,
        via: e.via,
        from: e.from,
        session: e.session,
        about: e.clip.iter().cloned().chain(told).collect::<Vec<_>>().join(" · "),
        clip: e.clip,
        case: e.case,
        outcome: e.outcome,
        body: Value::Object(e.body),
    }
}
