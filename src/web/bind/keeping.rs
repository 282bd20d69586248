//! Keeping from the store.

use std::collections::HashMap;

use super::StationPages;
use crate::domain::filing::FilingState;
use crate::domain::ids::ClipId;
use crate::domain::ports::BoxFuture;
use crate::domain::rights::{Subject, Within};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::{FilingRule, HoldRow, Reach, Reader, StoreError};
use crate::web::paging::{at, cut, moment, number};
use crate::web::site::ReadError;
use crate::web::view::keeping::{
    CaseKept, DisposalQuery, DisposalView, FiledClip, FilingView, KeepingBounds, KeepingView, Kept, Named, Reading,
    Reopening,
};

/// Lists of disposal on a page.
const LISTS: u32 = 50;
/// Clips that are due, on a page.
const DUE: u32 = 200;

fn found<T>(answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

impl StationPages {
    async fn case_of(&self, number: &str) -> Result<Option<i64>, ReadError> {
        let key = self.key_of(number)?;
        self.read(move |r| r.case_id(&key)).await
    }

    async fn filing_inner(&self, number: &str, listed: bool) -> Result<Option<FilingView>, ReadError> {
        let Some(case) = self.case_of(number).await? else { return Ok(None) };
        let (now, policy) = (self.clock.now().0, self.policy.clone());
        let compared_ms = i64::from(self.keeping.compared_days) * 86_400_000;
        let rule = FilingRule { allowed: self.allowed, compared_ms };
        let fonds_no = self.keeping.fonds_no.clone();
        let view = self.read(move |r| {
            r.not_large(case)?;
            let filing = r.filing(case)?;
            let filed = filing.as_ref().filter(|f| listed && f.state() == FilingState::Filed);
            let keeps = match filed {
                Some(filing) => r.filed_clips(filing.filing)?,
                None => Vec::new(),
            };
            let keeps: HashMap<_, _> = keeps.into_iter().map(|(of, until, basis)| (of, (until, basis))).collect();
            let clip = |clip: ClipId| {
                let id = clip.to_string();
                if r.clip(clip)?.isolated_ms.is_some() {
                    return Ok(FiledClip { id, ..FiledClip::default() });
                }
                let record = r.record(clip, &policy)?;
                Ok::<_, StoreError>(FiledClip {
                    id,
                    captured: record.captured_start.clone(),
                    officer: record.officer.clone(),
                    officer_cert_no: record.officer_cert_no.clone(),
                    officer_auxiliary: record.officer_registered.as_ref().is_some_and(|r| r.auxiliary),
                    title: [record.title, record.proves, record.matter]
                        .into_iter()
                        .flatten()
                        .next()
                        .unwrap_or(record.original_filename),
                    duration_ms: record.duration_ms,
                    size_bytes: record.size_bytes,
                    sha256: record.sha256.unwrap_or_default(),
                    keep: keeps.get(&clip).map(|(until, basis)| (until.map(UtcMs), basis.clone())),
                })
            };
            Ok(FilingView {
                case_no: r.aliases(case)?.into_iter().next().map(|(_, display)| display).unwrap_or_default(),
                report: r.filing_report(case, rule, now)?,
                signed: filing.as_ref().map(|f| r.signed_report(f)).transpose()?.flatten(),
                progress: r.filing_progress(case)?,
                clips: match listed {
                    true => r.clips_of_case(case)?.into_iter().map(clip).collect::<Result<_, _>>()?,
                    false => Vec::new(),
                },
                filing,
                fonds_no,
            })
        });
        view.await.map(Some)
    }

    async fn keeping_inner(
        &self,
        bounds: &KeepingBounds,
        disposal: Option<&DisposalQuery>,
    ) -> Result<KeepingView, ReadError> {
        let disposal = match disposal {
            None => None,
            Some(asked) => {
                let lost = |_| ReadError::Invalid(Why::PlaceInList {});
                let due = moment(asked.due.as_deref())?;
                let due =
                    due.map(|(over, clip)| Ok::<_, ReadError>((over, clip.parse().map_err(lost)?))).transpose()?;
                Some((number(asked.lists.as_deref())?, due))
            }
        };
        let (bounds, now, unlinked_ms) = (bounds.clone(), self.clock.now().0, self.unlinked_ms);
        self.read(move |r| {
            let mut view = KeepingView::default();
            for hold in r.holds()? {
                let Some(each) = hold_seen(r, &hold, &bounds.listed, now)? else { continue };
                if bounds.reaches(&bounds.release, each, || r.hold_is_within(hold.hold, &bounds.release, now))? {
                    view.releasable.push(hold.hold);
                }
                view.holds.push(hold);
            }
            let isolated = r.kept_within(&r.isolated_clips()?, &bounds.isolated, now)?;
            view.openable = r.kept_within(&isolated, &bounds.shown, now)?;
            view.liftable = r.kept_within(&isolated, &bounds.lift, now)?;
            for clip in isolated {
                view.isolated.extend(r.isolation(clip)?);
            }
            for (filing, number) in r.reopenings()? {
                let case = filing.case_id;
                let Some(each) = filing_seen(r, case, &bounds.listed, now)? else { continue };
                let reaches = |wanted: &Within| bounds.reaches(wanted, each, || r.case_is_within(case, wanted, now));
                let (open, decide) = (reaches(&bounds.close)?, reaches(&bounds.reopen)?);
                view.reopenings.push(Reopening { filing, number, open, decide });
            }
            if let Some((below, after)) = disposal {
                let mut lists = r.disposals_below(below, LISTS + 1)?;
                view.disposals_next = cut(&mut lists, LISTS, |list| list.disposal.to_string());
                for list in lists {
                    let (clips, gone) = r.disposal_figures(list.disposal)?;
                    view.disposals.push((list, clips, gone));
                }
                view.due = r.disposal_due(unlinked_ms, now, after, DUE as usize + 1)?;
                view.due_next = cut(&mut view.due, DUE, |due| at(due.place.0, due.place.1));
            }
            Ok(view)
        })
        .await
    }
}

/// Where any of these clips may stand in lists within these bounds: whether each of them may. Of none only what everybody may
/// see, may.
fn seen(r: &Reader<'_>, clips: &[ClipId], within: &Within, now_ms: i64) -> Result<Option<bool>, StoreError> {
    if *within == Within::Everything || clips.is_empty() {
        return Ok(within.reach_all().then_some(true));
    }
    let kept = r.kept_within(clips, within, now_ms)?.len();
    Ok((kept > 0).then_some(kept == clips.len()))
}

/// The same of a hold. One on a case tells of the case, beyond the clips of it that they see.
fn hold_seen(r: &Reader<'_>, hold: &HoldRow, within: &Within, now_ms: i64) -> Result<Option<bool>, StoreError> {
    let each = seen(r, &r.clips_of_hold(hold.hold)?, within, now_ms)?;
    match r.case_of_hold(hold.hold)?.filter(|_| each.is_some()) {
        Some(case) if !r.knows_case(case, within, now_ms)? => Ok(None),
        _ => Ok(each),
    }
}

/// The same of the filing of a case: one clip of it that they see tells nothing of that.
fn filing_seen(r: &Reader<'_>, case: i64, within: &Within, now_ms: i64) -> Result<Option<bool>, StoreError> {
    if !r.knows_case(case, within, now_ms)? {
        return Ok(None);
    }
    seen(r, &r.clips_of_case(case)?, within, now_ms)
}

impl KeepingBounds {
    /// Whether each clip of something listed lies within `wanted`, where it is known whether each lies within the list's
    /// own: mostly they are the same, and nothing is read for it.
    fn reaches(
        &self,
        wanted: &Within,
        each_listed: bool,
        read: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        if *wanted == self.listed { Ok(each_listed) } else { read() }
    }
}

impl Reading for StationPages {
    fn reach<'a>(
        &'a self,
        named: &'a Named,
        within: &'a Within,
        with_each: bool,
    ) -> BoxFuture<'a, Result<Option<Reach>, ReadError>> {
        Box::pin(async move {
            let (within, now) = (within.clone(), self.clock.now().0);
            match named {
                Named::Case(number) => {
                    let Some(case) = self.case_of(number).await? else { return Ok(None) };
                    let reach = self.read(move |r| {
                        if with_each {
                            r.not_large(case)?;
                        }
                        r.case_reach(case, &within, now)
                    });
                    reach.await.map(Some)
                }
                Named::Hold(hold) => {
                    let hold = *hold;
                    self.read(move |r| found(r.hold(hold).and_then(|_| r.hold_reach(hold, &within, now)))).await
                }
            }
        })
    }

    fn case_standing<'a>(&'a self, number: &'a str, account: i64) -> BoxFuture<'a, Result<Option<Subject>, ReadError>> {
        Box::pin(async move {
            let Some(case) = self.case_of(number).await? else { return Ok(None) };
            let now = self.clock.now().0;
            self.read(move |r| r.case_standing(case, account, now)).await.map(Some)
        })
    }

    fn wholly<'a>(&'a self, named: &'a [Named], within: &'a Within) -> BoxFuture<'a, Result<Vec<bool>, ReadError>> {
        Box::pin(async move {
            let (within, now) = (within.clone(), self.clock.now().0);
            let mut of: Vec<Named> = named.to_vec();
            for named in &mut of {
                if let Named::Case(number) = named {
                    *number = self.key_of(number)?;
                }
            }
            self.read(move |r| {
                let each = of.iter().map(|named| match named {
                    Named::Case(key) => match r.case_id(key)? {
                        Some(case) => r.case_is_within(case, &within, now),
                        None => Ok(false),
                    },
                    Named::Hold(hold) => r.hold_is_within(*hold, &within, now),
                });
                each.collect()
            })
            .await
        })
    }

    fn within<'a>(&'a self, clips: &'a [ClipId], within: &'a Within) -> BoxFuture<'a, Result<Vec<ClipId>, ReadError>> {
        let (clips, within, now) = (clips.to_vec(), within.clone(), self.clock.now().0);
        Box::pin(self.read(move |r| r.kept_within(&clips, &within, now)))
    }

    fn openable<'a>(
        &'a self,
        numbers: &'a [String],
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Vec<String>, ReadError>> {
        Box::pin(async move {
            let (within, now) = (within.clone(), self.clock.now().0);
            let with_keys = numbers.iter().map(|number| Ok((number.clone(), self.key_of(number)?)));
            let numbers: Vec<(String, String)> = with_keys.collect::<Result<_, ReadError>>()?;
            self.read(move |r| {
                let mut open = Vec::new();
                for (number, key) in numbers {
                    if let Some(case) = r.case_id(&key)?
                        && r.case_has_a_page(case, &within, now)?
                    {
                        open.push(number);
                    }
                }
                Ok(open)
            })
            .await
        })
    }

    fn kept(&self, clip: ClipId) -> BoxFuture<'_, Result<Kept, ReadError>> {
        Box::pin(self.read(move |r| {
            let disposed = r.clip(clip)?.disposed_ms;
            Ok(Kept {
                holds: r.holds_on(clip)?,
                isolation: r.isolation(clip)?,
                disposed: disposed.map(UtcMs).zip(r.disposal_of(clip)?),
                copies: r.disposal_copies(clip)?,
                filed: r.filing_of_clip(clip, None)?.map(|(filing, until)| (filing, until.map(UtcMs))),
            })
        }))
    }

    fn case_kept<'a>(&'a self, number: &'a str) -> BoxFuture<'a, Result<CaseKept, ReadError>> {
        Box::pin(async move {
            let Some(case) = self.case_of(number).await? else { return Ok(CaseKept::default()) };
            let now_ms = self.clock.now().0;
            self.read(move |r| {
                Ok(CaseKept { holds: r.holds_of_case(case)?, filing: r.filing(case)?, sent: r.sent_to(case, now_ms)? })
            })
            .await
        })
    }

    fn keeping<'a>(
        &'a self,
        bounds: &'a KeepingBounds,
        disposal: Option<&'a DisposalQuery>,
    ) -> BoxFuture<'a, Result<KeepingView, ReadError>> {
        Box::pin(self.keeping_inner(bounds, disposal))
    }

    fn disposal(&self, disposal: i64) -> BoxFuture<'_, Result<Option<DisposalView>, ReadError>> {
        Box::pin(self.read(move |r| {
            found(r.disposal(disposal))?
                .map(|list| Ok(DisposalView { list, items: r.disposal_items(disposal)? }))
                .transpose()
        }))
    }

    fn filing<'a>(&'a self, number: &'a str, listed: bool) -> BoxFuture<'a, Result<Option<FilingView>, ReadError>> {
        Box::pin(self.filing_inner(number, listed))
    }

    fn responsible(&self) -> Option<String> {
        self.keeping.responsible.clone()
    }
}

#[cfg(test)]
mod tests;
