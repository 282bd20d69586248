//! The list of cases, and one case, for whoever looks.

use super::{StationPages, row_of_case};
use crate::domain::clip::ClipState;
use crate::domain::ids::ClipId;
use crate::domain::record::Record;
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{CaseFigures, CaseSummary, Policy, Reader, StoreError};
use crate::web::site::ReadError;
use crate::web::view::case::{CaseAnswer, CaseView, DocumentRow};
use crate::web::view::clips::{CaseRow, CasesView};

/// Clips on the page of a case; a case with more says so.
pub(super) const CASE_CLIPS: usize = 500;
/// The same of what there was before a case, where that has too many: the list of clips has the rest.
const LARGE_CLIPS: usize = 100;
/// Cases on a page of the list.
const CASES: u32 = 100;

impl StationPages {
    pub(super) async fn case_inner(&self, number: &str, within: &Within) -> Result<CaseAnswer, ReadError> {
        let (within, now) = (within.clone(), self.clock.now().0);
        let keys = self.rule.search_keys(number, self.this_year());
        let (policy, allowed) = (self.policy.clone(), self.allowed);
        self.read(move |r| {
            let exact = match &keys.key {
                Some(key) => r.case_by_key(key)?,
                None => None,
            };
            let (clips, more) = match &exact {
                Some(summary) => clips_seen(r, summary, &within, now, LARGE_CLIPS)?,
                None => (Vec::new(), false),
            };
            let all = within == Within::Everything;
            let has_a_page = match &exact {
                Some(summary) => all || !clips.is_empty() || r.knows_case(summary.case_id, &within, now)?,
                None => false,
            };
            let summary = match exact.filter(|_| has_a_page) {
                Some(summary) => summary,
                None => {
                    let near = match keys.loose.as_deref() {
                        Some(loose) => r.search_cases(Some(loose), None, 8, &within, now)?,
                        None => Vec::new(),
                    };
                    return Ok(CaseAnswer::Near(near.into_iter().map(|c| c.display).collect()));
                }
            };
            let (known, narrowed) = (r.knows_case(summary.case_id, &within, now)?, within.is_narrowed());
            let coverage = match narrowed {
                true => r.coverage_seen(summary.case_id, &clips, known, now, allowed)?,
                false => r.coverage(summary.case_id, now, allowed)?,
            };
            let (documents, clips) = parted(r, &clips)?;
            let large = summary.more;
            let whole = all && !large;
            let (summary, mut figures) = match more {
                true => (at_least(summary, &clips, all), CaseFigures::default()),
                false => seen(r, summary, &clips, whole)?,
            };
            let documents = documents_of(r, &documents, &policy)?;
            if whole {
                let proven = |d: &&DocumentRow| matches!(d.state, ClipState::Proven | ClipState::Released);
                figures.proven -= documents.iter().filter(proven).count() as u64;
            }
            let records = clips
                .iter()
                .take(CASE_CLIPS)
                .map(|c| Ok((*c, r.record(*c, &policy)?)))
                .collect::<Result<Vec<_>, StoreError>>()?;
            // What the register says comes before what single clips say, for who may know it.
            let entry = r.case_entry(summary.case_id)?.filter(|_| known).map(|e| e.entry).unwrap_or_default();
            let first = |column: &str, f: fn(&Record) -> Option<&String>| {
                entry.get(column).map(str::to_owned).or_else(|| records.iter().find_map(|(_, rec)| f(rec).cloned()))
            };
            let reasons = if known { r.no_records(summary.case_id)? } else { Vec::new() };
            let view = CaseView {
                coverage,
                reasons,
                known,
                narrowed,
                number: summary.display,
                kind: summary.kind,
                aliases: summary.aliases,
                cause: first("cause", |r| r.cause.as_ref()),
                party: first("party", |r| r.party_ref.as_ref()),
                enforcement_kind: first("kind", |r| r.enforcement_kind.as_ref()),
                clips_total: if more { summary.clips } else { clips.len() as u64 },
                more,
                large,
                clips: records
                    .iter()
                    .map(|(c, rec)| row_of_case(r, *c, rec, summary.case_id))
                    .collect::<Result<_, _>>()?,
                duration_ms: summary.duration_ms,
                documents,
                bytes: summary.bytes,
                proven: figures.proven,
                incomplete: figures.incomplete,
            };
            Ok(CaseAnswer::Found(Box::new(view)))
        })
        .await
    }

    pub(super) async fn cases_inner(
        &self,
        query: &str,
        after: Option<&str>,
        within: &Within,
    ) -> Result<CasesView, ReadError> {
        let (within, now) = (within.clone(), self.clock.now().0);
        let loose = self.rule.search_keys(query, self.this_year()).loose;
        let below = after.map(|a| a.parse::<i64>().map_err(|_| ReadError::Invalid(Why::PlaceInList {}))).transpose()?;
        let searched = !query.trim().is_empty();
        self.read(move |r| {
            if searched && loose.is_none() {
                return Ok(CasesView::default());
            }
            let mut found = r.search_cases(loose.as_deref(), below, CASES + 1, &within, now)?;
            let next = (found.len() > CASES as usize).then(|| found[CASES as usize - 1].case_id.to_string());
            found.truncate(CASES as usize);
            let nothing_yet = found.is_empty() && !searched && below.is_none();
            let rows = found
                .into_iter()
                .map(|c| {
                    let all = within == Within::Everything;
                    let whole = all && !c.more;
                    let (clips, more) =
                        if whole { (Vec::new(), false) } else { clips_seen(r, &c, &within, now, LARGE_CLIPS)? };
                    let (c, figures) = match more {
                        true => (at_least(c, &clips, all), CaseFigures::default()),
                        false => seen(r, c, &clips, whole)?,
                    };
                    let known = r.knows_case(c.case_id, &within, now)?;
                    let entry = r.case_entry(c.case_id)?.filter(|_| known).map(|e| e.entry).unwrap_or_default();
                    Ok(CaseRow {
                        number: c.display,
                        kind: c.kind,
                        aliases: c.aliases,
                        cause: entry.get("cause").map(str::to_owned),
                        party: entry.get("party").map(str::to_owned),
                        clips: c.clips,
                        more,
                        proven: figures.proven,
                        incomplete: figures.incomplete,
                        bytes: c.bytes,
                        last_captured: c.last_ms.map(UtcMs),
                    })
                })
                .collect::<Result<_, StoreError>>()?;
            Ok(CasesView { rows, next, nothing_yet })
        })
        .await
    }
}

/// Clips of a case that whoever looks may see; of what there was before a case, where that has too many, the `newest`, and
/// whether there are more.
pub(super) fn clips_seen(
    r: &Reader<'_>,
    case: &CaseSummary,
    within: &Within,
    now_ms: i64,
    newest: usize,
) -> Result<(Vec<ClipId>, bool), StoreError> {
    if !case.more {
        return Ok((r.clips_within(&r.clips_of_case(case.case_id)?, within, now_ms)?, false));
    }
    // One more than is shown tells whether there are more.
    let mut clips = r.newest_of_large(case.case_id, within, now_ms, newest + 1)?;
    let more = clips.len() > newest;
    if more {
        clips.remove(0);
    }
    Ok((clips, more))
}

/// How many clips a case has at least: whoever may see some of them is told of those alone.
fn at_least(case: CaseSummary, seen: &[ClipId], all: bool) -> CaseSummary {
    let clips = if all { case.clips } else { seen.len() as u64 };
    CaseSummary { clips, ..case }
}

/// What a case comes to for whoever looks: of the whole of it, or of the `clips` that they may see.
fn seen(
    r: &Reader<'_>,
    mut case: CaseSummary,
    clips: &[ClipId],
    all: bool,
) -> Result<(CaseSummary, CaseFigures), StoreError> {
    if all {
        let figures = r.case_figures(case.case_id)?;
        return Ok((case, figures));
    }
    let mut figures = CaseFigures { case_id: case.case_id, proven: 0, incomplete: 0 };
    (case.clips, case.bytes, case.duration_ms, case.last_ms) = (clips.len() as u64, 0, 0, None);
    for clip in clips {
        let row = r.clip(*clip)?;
        case.bytes += row.size_bytes.unwrap_or(0);
        case.duration_ms += r.media(*clip)?.and_then(|m| m.facts.duration_ms).unwrap_or(0);
        figures.proven += u64::from(matches!(r.clip_state(*clip)?, ClipState::Proven | ClipState::Released));
        let (start, lacks) = r.indexed(*clip)?;
        case.last_ms = case.last_ms.max(start);
        figures.incomplete += u64::from(lacks);
    }
    Ok((case, figures))
}

/// Documents among `clips`, and what is none.
pub(super) fn parted(r: &Reader<'_>, clips: &[ClipId]) -> Result<(Vec<ClipId>, Vec<ClipId>), StoreError> {
    let mut parted = (Vec::new(), Vec::new());
    for clip in clips {
        let to = if r.document(*clip)?.is_some() { &mut parted.0 } else { &mut parted.1 };
        to.push(*clip);
    }
    Ok(parted)
}

/// Documents of a case, in the order in which they were filed.
pub(super) fn documents_of(
    r: &Reader<'_>,
    documents: &[ClipId],
    policy: &Policy,
) -> Result<Vec<DocumentRow>, StoreError> {
    let mut rows = Vec::new();
    for clip in documents {
        let (record, Some(document)) = (r.record(*clip, policy)?, r.document(*clip)?) else { continue };
        rows.push(DocumentRow {
            id: *clip,
            kind: document.kind.as_str().to_owned(),
            title: record.title.clone().unwrap_or_else(|| record.original_filename.clone()),
            file_name: record.original_filename,
            media_type: document.media_type,
            matter: record.matter,
            size_bytes: record.size_bytes,
            filed: UtcMs(document.filed_ms),
            state: ClipState::parse(&record.state).unwrap_or(ClipState::Seen),
        });
    }
    rows.sort_by_key(|d| d.filed);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_reference_whoever_sees_some_clips_is_told_of_those_alone() {
        let clips = 2_000;
        let case = CaseSummary {
            case_id: 1,
            display: "日常检查".into(),
            aliases: Vec::new(),
            kind: "unfiled".into(),
            clips,
            bytes: 0,
            duration_ms: 0,
            first_ms: None,
            last_ms: None,
            more: true,
        };
        let theirs = [ClipId::generate(1), ClipId::generate(2)];
        assert_eq!(at_least(case.clone(), &theirs, false).clips, 2);
        assert_eq!(at_least(case, &theirs, true).clips, clips);
    }
}
