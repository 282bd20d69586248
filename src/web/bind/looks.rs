//! Who looked at a case, from the log: of what whoever asks may see of it.

use super::StationPages;
use super::cases::{CASE_CLIPS, clips_seen};
use super::log::called;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::looks::look;
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;
use crate::store::StoreError;
use crate::web::site::ReadError;
use crate::web::view::looks::{LookView, LooksView};

impl StationPages {
    pub(super) async fn looks_view(
        &self,
        number: &str,
        within: &Within,
        before: Option<u64>,
        limit: u32,
    ) -> Result<LooksView, ReadError> {
        let (within, now) = (within.clone(), self.clock.now().0);
        let key = self.rule.search_keys(number, self.this_year()).key;
        self.read(move |r| {
            let case = key.as_deref().map(|key| Ok::<_, StoreError>((key, r.case_by_key(key)?))).transpose()?;
            let Some((key, Some(case))) = case else { return Ok(LooksView::default()) };
            let (clips, _) = clips_seen(r, &case, &within, now, CASE_CLIPS)?;
            // Who opened or exported the case as a whole is for who may know of the whole.
            let whole =
                (!within.is_narrowed() || r.knows_case(case.case_id, &within, now)?).then(|| layout::case_hash(key));
            let mut rows = r.looks(&clips, whole.as_deref(), before, limit + 1)?;
            let more = rows.len() > limit as usize;
            rows.truncate(limit as usize);
            let next = rows.last().map(|row| row.seq).filter(|_| more);
            let mut looks = Vec::new();
            for row in rows {
                let odd = |e: serde_json::Error| StoreError::Odd(format!("log entry {}: {e}", row.seq));
                let e: Envelope = serde_json::from_slice(&row.bytes).map_err(odd)?;
                let what = e.body.get("what").and_then(|what| what.as_str());
                let Some(look) = EventKind::parse(&e.kind).and_then(|kind| look(kind, what)) else { continue };
                // The clip of an entry about the case may be one that is beyond their bounds.
                let clip = e.clip.as_deref().and_then(|id| id.parse::<ClipId>().ok()).filter(|id| clips.contains(id));
                let opened = r.log_secrets(row.seq)?;
                let said = |field: &str| opened.iter().find(|o| o.field == field).map(|o| o.value.clone());
                looks.push(LookView {
                    seq: row.seq,
                    at: UtcMs(e.wall_ms),
                    called: called(r, &e.actor)?,
                    actor: e.actor,
                    look,
                    clip: clip.map(|id| Ok::<_, StoreError>((id, r.clip(id)?.path.file_name()))).transpose()?,
                    purpose: said("purpose").or_else(|| said("reason")),
                    outcome: e.outcome,
                });
            }
            Ok(LooksView { looks, next })
        })
        .await
    }
}
