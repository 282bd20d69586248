//! Triage from the store: the page of clips that wait, what of an outing is decided with one of them, and the words that are
//! offered for what it lacks.

use super::{StationPages, row};
use crate::domain::coverage::Tier;
use crate::domain::ids::ClipId;
use crate::domain::record::{Field, Record, settle, supposed};
use crate::domain::register::{Entry, Register, kind_key, name_key};
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{Neighbour, OneYes, Reader, StoreError, Suggestion, partners_among};
use crate::web::site::ReadError;
use crate::web::view::triage::{Offered, OfferedBy, Suggested, TriageCard, TriageView};

/// Clips of a page.
const ROWS: u32 = 25;
/// Clips of an outing that one decision takes along.
const OUTING: usize = 100;
/// The nearest clips of an outing whose words are offered.
const NEAREST: usize = 10;
/// Places that are offered.
const PLACES: usize = 5;
/// What it may prove, as many as there are digits to press.
const PROOFS: usize = 9;
/// Lines of a catalogue that are looked at.
const CATALOGUE: u32 = 500;

impl StationPages {
    pub(super) async fn triage_view(&self, after: Option<&str>, within: &Within) -> Result<TriageView, ReadError> {
        let after = after.map(cursor).transpose()?;
        let (within, now, policy, gap_ms) =
            (within.clone(), self.clock.now().0, self.policy.clone(), self.outing_gap_ms);
        self.read(move |r| {
            let page = r.triage(after, ROWS, &within, now)?;
            let catalogue: Vec<Entry> =
                r.entries(Register::Catalogue, None, CATALOGUE)?.into_iter().map(|row| row.entry).collect();
            let cards = page
                .rows
                .iter()
                .map(|waiting| {
                    let clip = waiting.clip;
                    let around = r.outing_of(clip, gap_ms)?;
                    let open: Vec<Suggestion> = r.suggestions_waiting(clip)?.0.into_iter().map(|s| s.said).collect();
                    let best = open.first();
                    let unlinked = r.clips_within(&r.unlinked_among(clip, &around)?, &within, now)?;
                    let yes = OneYes::of(clip, best.map(|s| s.case_key.as_str()));
                    let mut outing = r.undecided_among(&yes, unlinked)?;
                    outing.truncate(OUTING);
                    let partners = partners_among(&around, &outing);
                    let record = r.record(clip, &policy)?;
                    let lacks = |field: Field| record.missing.iter().any(|m| m == field.as_str());
                    let (mut places, mut proofs) = (Vec::new(), Vec::new());
                    if lacks(Field::Place) || lacks(Field::Proves) {
                        let look = Look { r, within: &within, now_ms: now, record: &record, best };
                        let near = look.nearest(&around)?;
                        let case = look.case()?;
                        if lacks(Field::Place) {
                            places = look.places(&near, case.as_ref())?;
                        }
                        if lacks(Field::Proves) {
                            proofs = look.proofs(&near, case.as_ref(), &catalogue)?;
                        }
                    }
                    Ok(TriageCard {
                        row: row(r, clip, &record)?,
                        supposed: supposed(&record.notes, &record.missing),
                        notes: record.notes,
                        suggestions: open
                            .into_iter()
                            .map(|s| Suggested { number: s.raw, rule: s.rule, score: s.score, reason: s.reason })
                            .collect(),
                        outing,
                        partners,
                        places,
                        proofs,
                    })
                })
                .collect::<Result<_, StoreError>>()?;
            let not_yet_linkable = r.not_yet_linkable(&within, now)?;
            Ok(TriageView {
                cards,
                total: page.total,
                not_yet_linkable,
                next: page.next.map(|(place, clip)| format!("{place}.{clip}")),
            })
        })
        .await
    }
}

/// What is looked at for the words of one clip.
struct Look<'a, 'r> {
    r: &'a Reader<'r>,
    within: &'a Within,
    now_ms: i64,
    record: &'a Record,
    best: Option<&'a Suggestion>,
}

impl Look<'_, '_> {
    /// The nearest clips of the outing that the visitor may see in lists, the nearest first.
    fn nearest(&self, around: &[Neighbour]) -> Result<Vec<ClipId>, StoreError> {
        let start = self.record.captured_start.as_deref().and_then(UtcMs::parse_rfc3339).map_or(0, |t| t.0);
        let mut near: Vec<&Neighbour> = around.iter().collect();
        near.sort_by_key(|n| n.start_ms.abs_diff(start));
        let near: Vec<ClipId> = near.into_iter().take(NEAREST).map(|n| n.clip).collect();
        self.r.clips_within(&near, self.within, self.now_ms)
    }

    /// What the register has of the clip's case, or of the one that is suggested most surely; only what the visitor may know.
    fn case(&self) -> Result<Option<Entry>, StoreError> {
        let key = self.record.case_key.as_deref().or(self.best.map(|s| s.case_key.as_str()));
        let Some(case) = key.map(|key| self.r.case_id(key)).transpose()?.flatten() else { return Ok(None) };
        if !self.r.knows_case(case, self.within, self.now_ms)? {
            return Ok(None);
        }
        Ok(self.r.case_entry(case)?.map(|row| row.entry))
    }

    fn places(&self, near: &[ClipId], case: Option<&Entry>) -> Result<Vec<Offered>, StoreError> {
        let mut words = Vec::new();
        for clip in near {
            words.extend(settle(&self.r.facts(*clip)?).remove(&Field::Place).map(|f| f.value));
        }
        let mut offered = counted(words);
        add(&mut offered, case.and_then(|c| c.get("place")), OfferedBy::Case);
        offered.truncate(PLACES);
        Ok(offered)
    }

    /// What the rule says that suggests the case, what the catalogue has for the clip's matter, what the others of the outing
    /// prove, and what else the catalogue has for this kind of case.
    fn proofs(&self, near: &[ClipId], case: Option<&Entry>, catalogue: &[Entry]) -> Result<Vec<Offered>, StoreError> {
        let mut offered = Vec::new();
        add(&mut offered, self.best.and_then(|s| s.proves.as_deref()), OfferedBy::Rule);
        let matter = self.record.matter.as_deref().or(self.best.and_then(|s| s.matter.as_deref()));
        // Of what the written record suffices for there is no footage.
        let recorded = |e: &&Entry| e.get("tier") != Some(Tier::Written.as_str());
        let of_matter =
            |e: &&Entry| matter.is_some_and(|m| e.get("matter").is_some_and(|c| name_key(c) == name_key(m)));
        for item in catalogue.iter().filter(recorded).filter(of_matter) {
            add(&mut offered, item.get("matter"), OfferedBy::Matter);
        }
        let mut words = Vec::new();
        for clip in near {
            let settled = settle(&self.r.facts(*clip)?);
            words.extend(match self.r.links(*clip)?.first() {
                Some(link) => link.said(Field::Proves, &settled),
                None => settled.get(&Field::Proves).map(|f| f.value.clone()),
            });
        }
        for word in counted(words) {
            add(&mut offered, Some(&word.value), word.from);
        }
        let kind = self.record.enforcement_kind.as_deref().or(case.and_then(|c| c.get("kind")));
        let of_kind =
            |e: &&Entry| e.get("kind").is_none_or(|of| kind.is_none_or(|kind| kind_key(kind) == kind_key(of)));
        for item in catalogue.iter().filter(recorded).filter(of_kind) {
            add(&mut offered, item.get("matter"), OfferedBy::Catalogue);
        }
        offered.truncate(PROOFS);
        Ok(offered)
    }
}

/// Each word once with how many clips have it; what more of them have comes first, of equals what is nearer.
fn counted(words: Vec<String>) -> Vec<Offered> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for word in words {
        match found.iter_mut().find(|(known, _)| name_key(known) == name_key(&word)) {
            Some((_, n)) => *n += 1,
            None => found.push((word, 1)),
        }
    }
    found.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    found.into_iter().map(|(value, n)| Offered { value, from: OfferedBy::Outing(n) }).collect()
}

fn add(offered: &mut Vec<Offered>, word: Option<&str>, from: OfferedBy) {
    let Some(word) = word else { return };
    if !offered.iter().any(|o| name_key(&o.value) == name_key(word)) {
        offered.push(Offered { value: word.to_owned(), from });
    }
}

fn cursor(text: &str) -> Result<(i64, ClipId), ReadError> {
    let read = || {
        let (place, clip) = text.split_once('.')?;
        Some((place.parse().ok()?, clip.parse().ok()?))
    };
    read().ok_or_else(|| ReadError::Invalid(Why::PlaceInList {}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_of_an_outing_say_comes_first_and_each_word_once() {
        let words = ["西街3号", "东关街18号", "东关街 １８号"].map(str::to_owned).to_vec();
        let mut offered = counted(words);
        let found: Vec<_> = offered.iter().map(|o| (o.value.as_str(), o.from)).collect();
        assert_eq!(found, [("东关街18号", OfferedBy::Outing(2)), ("西街3号", OfferedBy::Outing(1))]);
        add(&mut offered, Some("西街 3号"), OfferedBy::Case);
        add(&mut offered, None, OfferedBy::Case);
        add(&mut offered, Some("南门"), OfferedBy::Catalogue);
        assert_eq!(offered.len(), 3);
        assert!(!offered[2].from.is_about_it() && offered[0].from.is_about_it());
    }
}
