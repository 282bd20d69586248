//! Triage from the store: the page of clips that wait, and what of an outing is decided with one of them.

use super::{StationPages, row};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;
use crate::store::StoreError;
use crate::web::site::ReadError;
use crate::web::view::triage::{Suggested, TriageCard, TriageView};

/// Clips of a page.
const ROWS: u32 = 25;
/// Clips of an outing that one decision takes along.
const OUTING: usize = 100;

impl StationPages {
    pub(super) async fn triage_view(&self, after: Option<&str>, within: &Within) -> Result<TriageView, ReadError> {
        let after = after.map(cursor).transpose()?;
        let (within, now, policy, gap_ms) =
            (within.clone(), self.clock.now().0, self.policy.clone(), self.outing_gap_ms);
        self.read(move |r| {
            let page = r.triage(after, ROWS, &within, now)?;
            let cards = page
                .rows
                .iter()
                .map(|waiting| {
                    let clip = waiting.clip;
                    let mut outing = r.clips_within(&r.unlinked_of_outing(clip, gap_ms)?, &within, now)?;
                    outing.truncate(OUTING);
                    let open = r.suggestions(clip)?.into_iter().filter(|s| s.state == "open").map(|s| s.said);
                    Ok(TriageCard {
                        row: row(r, clip, &r.record(clip, &policy)?)?,
                        suggestions: open
                            .map(|s| Suggested { number: s.raw, rule: s.rule, score: s.score, reason: s.reason })
                            .collect(),
                        outing,
                    })
                })
                .collect::<Result<_, StoreError>>()?;
            Ok(TriageView { cards, total: page.total, next: page.next.map(|(place, clip)| format!("{place}.{clip}")) })
        })
        .await
    }
}

fn cursor(text: &str) -> Result<(i64, ClipId), ReadError> {
    let read = || {
        let (place, clip) = text.split_once('.')?;
        Some((place.parse().ok()?, clip.parse().ok()?))
    };
    read().ok_or_else(|| {
        ReadError::Invalid("this place in the list cannot be read; begin again from its first page".into())
    })
}
