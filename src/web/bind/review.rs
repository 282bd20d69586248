//! The legal review of a case from the store.

use super::cases::{documents_of, parted};
use super::sampling::person;
use super::{StationPages, row_of_case};
use crate::domain::rights::{Over, Within};
use crate::domain::time::UtcMs;
use crate::store::StoreError;
use crate::web::paging::{cut, number};
use crate::web::site::ReadError;
use crate::web::view::review::{CaseDocument, NoteView, OpinionView, ReviewView, SentView, SheetView};

/// Cases of a page of the list.
const SENT: u32 = 100;
/// Clips on the page of a review.
const CLIPS: usize = 500;

/// The account, where cases that stand sent to it are all or part of its bounds; and whether they are all.
fn sent_only(within: &Within) -> Option<(i64, bool)> {
    match within {
        Within::Everything => None,
        Within::Of { account, stretches } => {
            let sent = stretches.iter().filter(|(over, _)| *over == Over::Sent).count();
            (sent > 0).then_some((*account, sent == stretches.len()))
        }
    }
}

impl StationPages {
    pub(super) async fn sent_to(&self, within: &Within, after: Option<&str>) -> Result<SentView, ReadError> {
        let (now, all) = (self.clock.now().0, *within == Within::Everything);
        let (account, within) = (sent_only(within).map(|(account, _)| account), within.clone());
        let mut below = number(after)?;
        self.read(move |r| {
            let mut kept: Vec<(i64, String)> = Vec::new();
            // A page holds what may be seen: what may not is passed over, and the next ones are read.
            loop {
                let cases = r.sent_cases(account, now, below, SENT + 1)?;
                let more = cases.len() > SENT as usize;
                below = cases.last().map(|(place, ..)| *place);
                for (place, case, number) in cases {
                    let theirs = all || account.is_some() || r.case_shows_some(case, &within, now)?;
                    if theirs {
                        kept.push((place, number));
                    }
                }
                if !more || kept.len() > SENT as usize {
                    break;
                }
            }
            let next = cut(&mut kept, SENT, |(place, _)| place.to_string());
            Ok(SentView { numbers: kept.into_iter().map(|(_, number)| number).collect(), next })
        })
        .await
    }

    pub(super) async fn review_view(&self, number: &str, within: &Within) -> Result<Option<ReviewView>, ReadError> {
        let (within, now) = (within.clone(), self.clock.now().0);
        let key = self.rule.search_keys(number, self.this_year()).key;
        let (policy, allowed, marks) = (self.policy.clone(), self.allowed, self.supervision.marks.clone());
        self.read(move |r| {
            let Some(case) = key.as_deref().map(|key| r.case_by_key(key)).transpose()?.flatten() else {
                return Ok(None);
            };
            r.not_large(case.case_id)?;
            let all = r.clips_within(&r.clips_of_case(case.case_id)?, &within, now)?;
            // A case that stands sent is the reviewer's, whether it has any clip or not; one that does not is nobody's
            // beyond what their own bounds show.
            let sent = match sent_only(&within) {
                Some((account, _)) => r.stands_sent(case.case_id, account, now)?,
                None => false,
            };
            if within != Within::Everything && !sent && all.is_empty() {
                return Ok(None);
            }
            let (documents, clips) = parted(r, &all)?;
            let documents = documents_of(r, &documents, &policy)?
                .into_iter()
                .map(|row| {
                    let looks = r.looked_at(row.id)?.into_iter().map(|(actor, at)| (actor, UtcMs(at))).collect();
                    Ok(CaseDocument { row, looks })
                })
                .collect::<Result<_, StoreError>>()?;
            // A clip in a case shows that clip, not what is known and said of the case.
            let known = r.knows_case(case.case_id, &within, now)?;
            let coverage = match within.is_narrowed() && !sent {
                true => r.coverage_seen(case.case_id, &all, known, now, allowed)?,
                false => r.coverage(case.case_id, now, allowed)?,
            };
            let entry = r.case_entry(case.case_id)?.filter(|_| known).map(|e| e.entry).unwrap_or_default();
            let records = clips
                .iter()
                .take(CLIPS)
                .map(|c| Ok((*c, r.record(*c, &policy)?)))
                .collect::<Result<Vec<_>, StoreError>>()?;
            let text = |column: &str| entry.get(column).map(str::to_owned);
            Ok(Some(ReviewView {
                party: text("party").or_else(|| records.iter().find_map(|(_, rec)| rec.party_ref.clone())),
                cause: text("cause").or_else(|| records.iter().find_map(|(_, rec)| rec.cause.clone())),
                kind: text("kind").or_else(|| records.iter().find_map(|(_, rec)| rec.enforcement_kind.clone())),
                coverage,
                clips: records
                    .iter()
                    .map(|(clip, record)| row_of_case(r, *clip, record, case.case_id))
                    .collect::<Result<_, StoreError>>()?,
                documents,
                notes: r
                    .review_notes(case.case_id)?
                    .into_iter()
                    // What was noted in a clip is as sensitive as the clip.
                    .filter(|n| all.contains(&n.clip))
                    .map(|n| {
                        Ok(NoteView {
                            note: n.note,
                            clip: n.clip,
                            at_ms: n.at_ms,
                            words: n.words,
                            by: person(r, &n.by)?,
                            noted: UtcMs(n.noted_ms),
                        })
                    })
                    .collect::<Result<_, StoreError>>()?,
                opinions: r
                    .opinions(case.case_id)?
                    .into_iter()
                    .filter(|_| known)
                    .map(|o| {
                        Ok(OpinionView {
                            verdict: o.verdict,
                            words: o.words,
                            coverage: o.coverage,
                            by: person(r, &o.by)?,
                            given: UtcMs(o.given_ms),
                        })
                    })
                    .collect::<Result<_, StoreError>>()?,
                sheets: r
                    .sheets(case.case_id)?
                    .into_iter()
                    .filter(|_| known)
                    .map(|s| Ok(SheetView { marks: s.marks, by: person(r, &s.by)?, made: UtcMs(s.made_ms) }))
                    .collect::<Result<_, StoreError>>()?,
                marks,
                number: case.display,
            }))
        })
        .await
    }
}
