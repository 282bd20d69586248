//! Parties (一户一档) from the store: by name, since parties are no rows of their own. What belongs to one is its cases, by
//! their register, with their clips, and clips that name it themselves; pages of both are cut from the whole of it.

use std::collections::HashSet;

use super::{StationPages, row};
use crate::domain::case_number::loose;
use crate::domain::ids::ClipId;
use crate::domain::register::{Entry, Register, name_key};
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{CaseSummary, Policy, Reader, StoreError};
use crate::web::paging::{cut, number};
use crate::web::site::ReadError;
use crate::web::view::office::{PartiesView, PartyCase, PartyPages, PartyRow, PartyView};

/// Cases through which a page of the list of parties goes.
const WALKED: u32 = 400;
/// Cases that may be a party's, looked through at most; beyond them the page says that there is more.
const LOOKED_THROUGH: usize = 8_000;
/// Clips that may name a party, looked through at most.
const NAMED: u32 = 8_000;
/// Entries of the register with one name, or of parties that have no case.
const ENTRIES: u32 = 400;
/// Cases of a party on a page.
const CASES: u32 = 100;
/// Clips of a party on a page.
const CLIPS: u32 = 200;
/// Columns of a case in the register that are numbers of its documents.
const DOCUMENTS: [&str; 4] = ["filing_no", "notice_no", "decision_no", "coercion_no"];

/// A case of a party that they may know, with those of its clips that they may see.
struct Its {
    case: CaseSummary,
    entry: Entry,
    seen: Vec<ClipId>,
}

/// Every case of the party with this name, newest first, and whether there may be more than were looked through.
fn cases_of(r: &Reader<'_>, name: &str, within: &Within, now: i64) -> Result<(Vec<Its>, bool), StoreError> {
    let (key, wanted) = (name_key(name), loose(name));
    let (mut its, mut below, mut walked) = (Vec::new(), None, 0);
    loop {
        let found = r.search_cases(Some(&wanted), below, WALKED, within, now)?;
        let (full, last) = (found.len() == WALKED as usize, found.last().map(|case| case.case_id));
        walked += found.len();
        for case in found {
            let Some(entry) = r.case_entry(case.case_id)?.map(|row| row.entry) else { continue };
            if entry.get("party").map(name_key).as_deref() != Some(key.as_str()) {
                continue;
            }
            // Whose clip is in a case need not know whose case it is.
            if r.knows_case(case.case_id, within, now)? {
                let seen = r.clips_within(&r.clips_of_case(case.case_id)?, within, now)?;
                its.push(Its { case, entry, seen });
            }
        }
        if !full {
            return Ok((its, false));
        }
        if walked >= LOOKED_THROUGH {
            return Ok((its, true));
        }
        below = last;
    }
}

/// Entries of the register of parties with this very name.
fn entries_of(r: &Reader<'_>, name: &str) -> Result<Vec<Entry>, StoreError> {
    let key = name_key(name);
    let found = r.entries(Register::Party, Some(&loose(name)), ENTRIES)?.into_iter().map(|row| row.entry);
    Ok(found.filter(|e| e.get("name").map(name_key).as_deref() == Some(key.as_str())).collect())
}

fn case_line(r: &Reader<'_>, its: &Its, policy: &Policy) -> Result<PartyCase, StoreError> {
    let incomplete = match its.seen.len() as u64 == its.case.clips {
        true => r.case_figures(its.case.case_id)?.incomplete,
        // Some of it is not theirs: only what is theirs counts.
        false => its.seen.iter().try_fold(0, |n, clip| {
            Ok::<u64, StoreError>(n + u64::from(!r.record(*clip, policy)?.missing.is_empty()))
        })?,
    };
    Ok(PartyCase {
        number: its.case.display.clone(),
        kind: its.case.kind.clone(),
        cause: its.entry.get("cause").map(str::to_owned),
        documents: DOCUMENTS.iter().filter_map(|column| Some((*column, its.entry.get(column)?.to_owned()))).collect(),
        opened: its.entry.time_ms("opened").map(UtcMs),
        closed: its.entry.time_ms("closed").map(UtcMs),
        clips: its.seen.len() as u64,
        incomplete,
    })
}

/// A page of the list: parties in the order of their newest case, then those that only the register knows.
fn list(
    r: &Reader<'_>,
    wanted: Option<&str>,
    below: Option<i64>,
    (within, now): (&Within, i64),
    registered: bool,
) -> Result<PartiesView, StoreError> {
    let matches = |name: &str| wanted.is_none_or(|wanted| loose(name).contains(wanted));
    let mut found = r.search_cases(wanted, below, WALKED + 1, within, now)?;
    let next = cut(&mut found, WALKED, |case| case.case_id.to_string());
    let (mut rows, mut met) = (Vec::new(), HashSet::new());
    for case in &found {
        let Some(entry) = r.case_entry(case.case_id)?.map(|row| row.entry) else { continue };
        let Some(name) = entry.get("party").filter(|name| matches(name)) else { continue };
        if met.contains(&name_key(name)) || !r.knows_case(case.case_id, within, now)? {
            continue;
        }
        met.insert(name_key(name));
        let (cases, _) = cases_of(r, name, within, now)?;
        // By a newer case it stands on a page before this one.
        if cases.iter().any(|its| its.case.case_id > case.case_id) {
            continue;
        }
        // What is not theirs does not tell its time either.
        let whole = cases.iter().filter(|its| its.seen.len() as u64 == its.case.clips);
        rows.push(PartyRow {
            name: name.to_owned(),
            address: entries_of(r, name)?.iter().find_map(|e| e.get("address").map(str::to_owned)),
            cases: cases.len() as u64,
            clips: cases.iter().map(|its| its.seen.len() as u64).sum(),
            last: whole.filter_map(|its| its.case.last_ms).max().map(UtcMs),
        });
    }
    let mut cut = false;
    // Somebody without a case that they may see is told only to who keeps the registers.
    if registered && next.is_none() {
        let entries = r.entries(Register::Party, wanted, ENTRIES)?;
        cut = entries.len() == ENTRIES as usize;
        for entry in entries.iter().map(|row| &row.entry) {
            let Some(name) = entry.get("name") else { continue };
            if !met.insert(name_key(name)) || (below.is_some() && !cases_of(r, name, within, now)?.0.is_empty()) {
                continue;
            }
            let address = entry.get("address").map(str::to_owned);
            rows.push(PartyRow { name: name.to_owned(), address, cases: 0, clips: 0, last: None });
        }
    }
    Ok(PartiesView { rows, next, cut })
}

/// One party.
fn one(
    r: &Reader<'_>,
    typed: &str,
    (within, now): (&Within, i64),
    (registered, policy): (bool, &Policy),
    (below_case, below_clip): (Option<i64>, Option<ClipId>),
) -> Result<Option<PartyView>, StoreError> {
    let key = name_key(typed);
    let (its, mut more) = cases_of(r, typed, within, now)?;
    let mut known: HashSet<ClipId> = its.iter().flat_map(|its| its.seen.iter().copied()).collect();
    // Clips that name the party themselves, before or beside any case of it.
    let named = r.clips_of_party(typed, NAMED)?;
    more |= named.len() == NAMED as usize;
    for clip in r.clips_within(&named, within, now)? {
        if !known.contains(&clip) && r.record(clip, policy)?.party_ref.as_deref().map(name_key).as_ref() == Some(&key) {
            known.insert(clip);
        }
    }
    let entries = entries_of(r, typed)?;
    if its.is_empty() && known.is_empty() && (entries.is_empty() || !registered) {
        return Ok(None);
    }
    // Naming a party in a clip of one's own does not open what the register has of them.
    let told = if registered || !its.is_empty() { &entries[..] } else { &[] };
    let mut shown: Vec<&Its> = its.iter().filter(|its| below_case.is_none_or(|id| its.case.case_id < id)).collect();
    shown.truncate(CASES as usize + 1);
    let cases_next = cut(&mut shown, CASES, |its| its.case.case_id.to_string());
    let clips_total = known.len() as u64;
    let mut clips: Vec<ClipId> =
        known.into_iter().filter(|clip| below_clip.is_none_or(|below| *clip < below)).collect();
    clips.sort_unstable_by(|a, b| b.cmp(a));
    clips.truncate(CLIPS as usize + 1);
    let clips_next = cut(&mut clips, CLIPS, ClipId::to_string);
    Ok(Some(PartyView {
        name: its.first().and_then(|its| its.entry.get("party")).unwrap_or(typed).to_owned(),
        entries: told
            .iter()
            .map(|e| ["id_no", "address"].into_iter().filter_map(|c| Some((c, e.get(c)?.to_owned()))).collect())
            .collect(),
        cases: shown.into_iter().map(|its| case_line(r, its, policy)).collect::<Result<_, _>>()?,
        cases_total: its.len() as u64,
        cases_next,
        clips: clips.iter().map(|clip| row(r, *clip, &r.record(*clip, policy)?)).collect::<Result<_, StoreError>>()?,
        clips_total,
        clips_next,
        more,
    }))
}

impl StationPages {
    pub(super) async fn parties_inner(
        &self,
        query: &str,
        after: Option<&str>,
        within: &Within,
        registered: bool,
    ) -> Result<PartiesView, ReadError> {
        let (within, now, below) = (within.clone(), self.clock.now().0, number(after)?);
        let wanted = Some(loose(query)).filter(|l| !l.is_empty());
        self.read(move |r| list(r, wanted.as_deref(), below, (&within, now), registered)).await
    }

    pub(super) async fn party_inner(
        &self,
        name: &str,
        pages: &PartyPages,
        within: &Within,
        registered: bool,
    ) -> Result<Option<PartyView>, ReadError> {
        let (within, now, policy) = (within.clone(), self.clock.now().0, self.policy.clone());
        let typed = name.trim().to_owned();
        let clip = pages.clips.as_deref().map(str::parse::<ClipId>).transpose();
        let clip = clip.map_err(|_| ReadError::Invalid(Why::PlaceInList {}))?;
        let below = (number(pages.cases.as_deref())?, clip);
        if name_key(&typed).is_empty() || loose(&typed).is_empty() {
            return Ok(None);
        }
        self.read(move |r| one(r, &typed, (&within, now), (registered, &policy), below)).await
    }
}

#[cfg(test)]
mod tests;
