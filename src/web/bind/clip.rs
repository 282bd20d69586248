//! One clip with its copies, sightings and custody.

use super::{StationPages, percent};
use crate::domain::clip::ClipState;
use crate::domain::digest::to_hex;
use crate::domain::event::{Actor, Envelope, EventKind, Opened};
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::merkle::leaf_hash;
use crate::domain::proof::TlogProof;
use crate::domain::record::{Field, Origin};
use crate::domain::time::UtcMs;
use crate::store::{LogRow, Reader, StoreError};
use crate::web::site::ReadError;
use crate::web::view::clip::{CUSTODY_PAGE, ClipView, CustodyEntry, FactSaid, ProofView, SightingView};

impl StationPages {
    pub(super) async fn clip_view(&self, clip: ClipId) -> Result<Option<ClipView>, ReadError> {
        let policy = self.policy.clone();
        self.read(move |r| {
            let stored = match r.clip(clip) {
                Ok(stored) => stored,
                Err(StoreError::NotFound(_)) => return Ok(None),
                Err(e) => return Err(e),
            };
            let record = r.record(clip, &policy)?;
            let newest = custody(r, clip, None, CUSTODY_PAGE + 1, None)?;
            let mut view = ClipView {
                id: clip,
                state: ClipState::parse(&record.state).unwrap_or(ClipState::Seen),
                percent: percent(r, clip, &stored)?,
                local: Some(stored.local),
                quarantine: stored.quarantine.clone(),
                isolated: r.isolation(clip)?.map(|i| i.reason),
                failures: r.delivery_reasons(clip)?,
                same_device: r.destinations()?.into_iter().filter(|d| d.same_device).map(|d| d.name).collect(),
                sightings: r
                    .sightings(clip)?
                    .into_iter()
                    .map(|s| SightingView {
                        recorder: s.recorder,
                        bay: s.bay,
                        path: s.path,
                        state: s.state,
                        at: UtcMs(s.seen_ms),
                    })
                    .collect(),
                custody: Vec::new(),
                custody_next: None,
                hints: r.suggestions_waiting(clip)?.1.into_iter().map(|s| s.said).collect(),
                record,
            };
            view.show_custody(newest);
            Ok(Some(view))
        })
        .await
    }
}

fn custody(
    r: &Reader<'_>,
    clip: ClipId,
    before: Option<u64>,
    limit: u32,
    looks_of: Option<&Actor>,
) -> Result<Vec<CustodyEntry>, StoreError> {
    r.log_of_clip_before(clip, before, limit, looks_of)?.iter().map(|row| entry(r, row)).collect()
}

impl StationPages {
    pub(super) async fn custody_entries(
        &self,
        clip: ClipId,
        before: Option<u64>,
        limit: u32,
        looks_of: Option<Actor>,
    ) -> Result<Vec<CustodyEntry>, ReadError> {
        self.read(move |r| custody(r, clip, before, limit, looks_of.as_ref())).await
    }

    pub(super) async fn proof_view(&self, clip: ClipId, seq: u64) -> Result<Option<ProofView>, ReadError> {
        self.read(move |r| {
            let row = match r.log_entry(seq) {
                Ok(row) => row,
                Err(StoreError::NotFound(_)) => return Ok(None),
                Err(e) => return Err(e),
            };
            let odd = |e: &dyn std::fmt::Display| StoreError::Odd(format!("log entry {seq}: {e}"));
            let envelope: Envelope = serde_json::from_slice(&row.bytes).map_err(|e| odd(&e))?;
            if envelope.clip.as_deref() != Some(&clip.to_string()) {
                return Ok(None);
            }
            let epoch = r.epoch()?;
            let head = r.last_checkpoint()?.filter(|head| head.epoch == epoch && head.size > seq);
            let (mut proof, mut cosigned) = (None, Vec::new());
            if let Some(head) = &head {
                let path = r.log_path(seq, head.size)?.ok_or_else(|| odd(&"it has no path"))?;
                let checkpoint = r.cosigned_note(head)?;
                proof = Some(TlogProof { extra: None, index: seq, path, checkpoint }.to_string());
                cosigned = r.cosignatures(head.epoch, head.size)?.into_iter().map(|row| row.witness).collect();
            }
            Ok(Some(ProofView {
                entry: entry(r, &row)?,
                leaf: to_hex(&leaf_hash(&row.bytes)),
                event: String::from_utf8(row.bytes).map_err(|e| odd(&e))?,
                proof,
                size: head.map(|head| head.size),
                cosigned,
            }))
        })
        .await
    }
}

fn entry(r: &Reader<'_>, row: &LogRow) -> Result<CustodyEntry, StoreError> {
    let envelope: Envelope =
        serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {}: {e}", row.seq)))?;
    let text = |key: &str| envelope.body.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let opened = r.log_secrets(row.seq)?;
    let secret = |field: &str| opened.iter().find(|o| o.field == field).map(|o| o.value.clone());
    let detail = secret("reason")
        .or_else(|| text("reason"))
        .or_else(|| text("what"))
        .or_else(|| text("detail"))
        .or_else(|| text("kind").filter(|_| envelope.kind.starts_with("derived.")));
    let kind = EventKind::parse(&envelope.kind).unwrap_or(EventKind::Configured);
    Ok(CustodyEntry {
        grounds: grounds(r, &envelope, kind, detail.as_deref())?,
        seq: row.seq,
        at: UtcMs(envelope.wall_ms),
        kind,
        actor: envelope.actor.clone(),
        outcome: envelope.outcome.clone(),
        place: text("destination").or_else(|| secret("number")).or_else(|| text("recorder")),
        detail,
        // Facts and reasons: opened here, where footage itself is shown; never in the log.
        facts: opened.iter().filter_map(fact).collect(),
    })
}

/// A fact as [`Tx::add_facts`](crate::store::Tx::add_facts) commits to it: `FIELD.ORIGIN.after`.
fn fact(o: &Opened) -> Option<FactSaid> {
    let (field, origin) = o.field.strip_suffix(".after")?.split_once('.')?;
    let (field, origin) = (Field::parse(field)?, Origin::parse(origin)?);
    // A way is drawn, not read.
    (field != Field::Track).then(|| FactSaid { field, origin, value: o.value.clone() })
}

/// Why a link was made or withdrawn, where a rule found it. The log holds it in English; the row beside it has the values.
fn grounds(
    r: &Reader<'_>,
    envelope: &Envelope,
    kind: EventKind,
    logged: Option<&str>,
) -> Result<Option<Grounds>, StoreError> {
    if !matches!(kind, EventKind::Linked | EventKind::Unlinked) {
        return Ok(None);
    }
    let rev = envelope.body.get("rev").and_then(|v| v.as_u64()).and_then(|n| u32::try_from(n).ok());
    if let (Some(clip), Some(case), Some(rev)) = (&envelope.clip, &envelope.case, rev)
        && let Some(found) = r.link_grounds(clip.parse()?, case, rev)?
    {
        return Ok(Some(found));
    }
    // An older entry, or one from before a restore. Only whoever withdraws a link types why.
    let typed = kind == EventKind::Unlinked && envelope.actor.kind != Actor::daemon().kind;
    Ok(logged.filter(|_| !typed).map(Grounds::read))
}

#[cfg(test)]
mod tests;
