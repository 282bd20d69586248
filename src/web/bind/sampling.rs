//! Samples from the store.

use super::StationPages;
use crate::domain::digest::to_hex;
use crate::domain::event::Actor;
use crate::domain::report::Period;
use crate::domain::rights::Within;
use crate::domain::supervision::{self, Standing};
use crate::domain::time::UtcMs;
use crate::store::{DrawnClip, Policy, Reader, SampleStep, StoreError};
use crate::web::paging::{cut, number};
use crate::web::site::ReadError;
use crate::web::view::Person;
use crate::web::view::sampling::{ClipAbout, SampleLine, SampleView, SampledClip, SamplesQuery, SamplesView, StepView};

/// Samples of a page of the list.
const SHOWN: u32 = 100;

/// Somebody as pages name them: by the account's name where there is one.
pub(super) fn person(r: &Reader<'_>, actor: &Actor) -> Result<Person, StoreError> {
    let name = match (actor.kind.as_str(), actor.id.parse::<i64>()) {
        ("user", Ok(id)) => r.account_name(id)?,
        _ => None,
    };
    Ok(Person { actor: actor.clone(), name })
}

/// A drawn clip with what may be told of it: `told` by what its record is made, or nothing.
fn sampled(r: &Reader<'_>, drawn: DrawnClip, told: Option<&Policy>) -> Result<SampledClip, StoreError> {
    let about = match told {
        None => None,
        Some(policy) => {
            let record = r.record(drawn.clip, policy)?;
            Some(ClipAbout {
                captured: r.indexed(drawn.clip)?.0.map(UtcMs),
                officer: record.officer,
                place: record.place,
                cases: record.cases.into_iter().map(|c| c.case_no).collect(),
            })
        }
    };
    let (standing, judged) = drawn.standing();
    let step = |s: &SampleStep| {
        Ok::<_, StoreError>(StepView {
            step: s.said.step,
            words: s.said.words.clone(),
            due: s.said.due_ms.map(UtcMs),
            by: person(r, &s.by)?,
            at: UtcMs(s.said.at_ms),
        })
    };
    let clip = SampledClip {
        n: drawn.n,
        clip: drawn.clip,
        about,
        standing,
        due: drawn.due_ms().map(UtcMs),
        points: judged.map(|j| j.points).unwrap_or_default(),
        steps: drawn.steps.iter().map(step).collect::<Result<_, StoreError>>()?,
    };
    Ok(if clip.about.is_some() { clip } else { clip.untold() })
}

impl StationPages {
    pub(super) async fn samples_view(&self, asked: &SamplesQuery, within: &Within) -> Result<SamplesView, ReadError> {
        let (within, now) = (within.clone(), self.clock.now().0);
        let (period, unit, below) = (asked.period, asked.unit.clone(), number(asked.after.as_deref())?);
        let checklist = self.supervision.checklist.clone();
        self.read(move |r| {
            let word = period.map(|p| p.to_string());
            let mut rows = r.samples_below(word.as_deref(), unit.as_deref(), &within, below, SHOWN + 1)?;
            let next = cut(&mut rows, SHOWN, |s| s.sample.to_string());
            let rows = rows
                .into_iter()
                .map(|s| {
                    let drawn = r.drawn(s.sample)?;
                    let standings: Vec<Standing> = drawn.iter().map(|d| d.standing().0).collect();
                    let count = |of: Standing| standings.iter().filter(|s| **s == of).count() as u64;
                    let late = |(standing, due): (&Standing, Option<i64>)| {
                        *standing == Standing::Rectify && due.is_some_and(|due| due < now)
                    };
                    Ok(SampleLine {
                        sample: s.sample,
                        period: s.period,
                        unit: s.unit,
                        standings: Standing::ALL.iter().map(|s| (*s, count(*s))).collect(),
                        overdue: standings.iter().zip(drawn.iter().map(|d| d.due_ms())).filter(|d| late(*d)).count()
                            as u64,
                        drawn_by: person(r, &s.drawn_by)?,
                        drawn: UtcMs(s.drawn_ms),
                    })
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            Ok(SamplesView {
                rows,
                next,
                ranks: supervision::rank(&r.ranked(word.as_deref(), &within)?, now),
                units: r.units()?.names(),
                checklist,
            })
        })
        .await
    }

    pub(super) async fn sample_view(
        &self,
        sample: i64,
        within: &Within,
        clips: &Within,
    ) -> Result<Option<SampleView>, ReadError> {
        let (within, clips, now) = (within.clone(), clips.clone(), self.clock.now().0);
        let policy = self.policy.clone();
        self.read(move |r| {
            // Bounds of a list are the bounds of each of its samples.
            let row = r.samples(None, &within, u32::MAX)?.into_iter().find(|s| s.sample == sample);
            let Some(row) = row else { return Ok(None) };
            let drawn = r.drawn(sample)?;
            let ids: Vec<_> = drawn.iter().map(|d| d.clip).collect();
            let told = r.clips_within(&ids, &clips, now)?;
            let drawn = drawn
                .into_iter()
                .map(|d| {
                    let is_told = told.contains(&d.clip);
                    sampled(r, d, is_told.then_some(&policy))
                })
                .collect::<Result<_, StoreError>>()?;
            Ok(Some(SampleView {
                sample,
                period: Period::parse(&row.period).ok(),
                unit: row.unit,
                checklist: row.checklist,
                population: (row.population, row.population_sha256.to_string()),
                asked_seq: row.asked_seq,
                drawn_from: row.checkpoint.map(|(epoch, size, root)| {
                    let seed = supervision::seed(epoch, size, &root, &row.population_sha256);
                    (epoch, size, to_hex(&root), to_hex(&seed))
                }),
                drawn_by: person(r, &row.drawn_by)?,
                drawn: UtcMs(row.drawn_ms),
                clips: drawn,
            }))
        })
        .await
    }
}
