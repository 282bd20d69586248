//! Messages to `[[webhook]]`s out of the log: each receiver has its place in it, and what is told is stored with the place in
//! one transaction, so that a crash tells nothing twice and leaves nothing out. A receiver that is new begins with now.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;

use super::alarms::message_id;
use crate::config::DataWebhook;
use crate::domain::event::{Draft, Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::record::Record;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::webhook::{DataEvent, Tells, body, ids, of_entry};
use crate::runtime::supervise::{TaskContext, TaskResult};
use crate::store::{Change, NewMessage, Policy, Reader, Store, StoreError, Tx};

/// Entries of the log that are read in one transaction.
const ENTRIES: u32 = 200;

/// Makes messages of entries of the log.
#[derive(Clone)]
pub(super) struct Events {
    pub store: Store,
    pub policy: Policy,
    pub webhooks: Arc<Vec<DataWebhook>>,
    pub queue: u32,
}

impl Events {
    pub(super) async fn run(self, context: TaskContext) -> TaskResult {
        let mut news = self.store.changes();
        loop {
            let mut more = false;
            for n in 0..self.webhooks.len() {
                context.heart.beat();
                if context.cancel.is_cancelled() {
                    return Ok(());
                }
                let events = self.clone();
                more |= self.store.write(move |tx| events.advance(tx, &events.webhooks[n])).await?;
            }
            if more {
                continue;
            }
            tokio::select! {
                () = context.cancel.cancelled() => return Ok(()),
                () = grew(&mut news) => {}
                () = context.heart.beat_until(&context.cancel) => return Ok(()),
            }
        }
    }

    /// Some entries further for one receiver; `true` when there are more.
    fn advance(&self, tx: &Tx<'_>, webhook: &DataWebhook) -> Result<bool, StoreError> {
        let reader = format!("data:{}", webhook.target.name);
        let (epoch, size) = (tx.read().epoch()?, tx.read().log_size()?);
        let from = match tx.read().log_read_to(&reader)? {
            None => {
                tx.log_was_read(&reader, epoch, size)?;
                return Ok(false);
            }
            // A restored log: what it says is new to the receiver from where it opened, and seq begins there.
            Some((known, next)) if known == epoch || next <= size => next,
            Some(_) => size,
        };
        let entries = tx.read().log_entries(from, ENTRIES)?;
        let Some(last) = entries.last() else { return Ok(false) };
        let next = last.seq + 1;
        // Whose facts go out, beyond the ids.
        let mut told = BTreeSet::new();
        for entry in &entries {
            let Ok(envelope) = serde_json::from_slice::<Envelope>(&entry.bytes) else { continue };
            let Some(event) = of_entry(&envelope).filter(|event| webhook.events.contains(event)) else { continue };
            let data = self.data(&tx.read(), webhook, event, &envelope)?;
            if data.contains_key("record") || data.contains_key("case_no") {
                told.insert(envelope.clip.clone().or_else(|| envelope.case.clone()).unwrap_or_default());
            }
            let message = NewMessage {
                receiver: reader.clone(),
                id: message_id(),
                kind: event.as_str().to_owned(),
                body: body(event, &envelope, data).to_string(),
            };
            tx.post_message(&message, self.queue)?;
        }
        if !told.is_empty() {
            // Stored with the messages: none goes out before this stands.
            let given = Draft::daemon(EventKind::RecordsTold).fact("receiver", webhook.target.name.as_str());
            let what = if webhook.tells == Tells::Record { "record" } else { "case_no" };
            tx.log(&given.fact("tells", what).fact("of", told.into_iter().collect::<Vec<_>>()))?;
        }
        tx.log_was_read(&reader, epoch, next)?;
        Ok(entries.len() >= ENTRIES as usize)
    }

    /// What this receiver may know of an event.
    fn data(
        &self,
        r: &Reader<'_>,
        webhook: &DataWebhook,
        event: DataEvent,
        envelope: &Envelope,
    ) -> Result<Map<String, Value>, StoreError> {
        let mut data = ids(envelope, self.policy.station.as_str());
        if webhook.tells == Tells::Ids || event == DataEvent::Isolated {
            return Ok(data);
        }
        let record = match envelope.clip.as_deref().map(str::parse::<ClipId>) {
            Some(Ok(clip)) => match tellable(r, &self.policy, clip, webhook.max_sensitivity)? {
                Some(record) => Some(record),
                // Above the receiver's label: ids alone, the case's number included.
                None => return Ok(data),
            },
            _ => None,
        };
        if let Some(number) = envelope.case.as_deref().map(|hash| r.case_no_of_hash(hash)).transpose()?.flatten() {
            data.insert("case_no".into(), number.into());
        } else if let Some(number) = record.as_ref().and_then(|record| record.case_no.clone()) {
            data.insert("case_no".into(), number.into());
        }
        if let Some(record) = record.filter(|_| webhook.tells == Tells::Record) {
            data.insert("record".into(), serde_json::to_value(record).unwrap_or_default());
        }
        Ok(data)
    }
}

/// The record of a clip, where its label and its standing let it go to somebody who may know of clips up to `max`.
pub(super) fn tellable(
    r: &Reader<'_>,
    policy: &Policy,
    clip: ClipId,
    max: Sensitivity,
) -> Result<Option<Record>, StoreError> {
    if r.isolation(clip)?.is_some() {
        return Ok(None);
    }
    let record = r.record(clip, policy)?;
    let label = Sensitivity::parse(&record.sensitivity).unwrap_or(Sensitivity::SuspectedState);
    Ok(label.may_go_to(max).then_some(record))
}

/// Waits until the log grew.
async fn grew(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Log) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
