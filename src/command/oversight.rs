//! The desk's part in supervision and legal review: each request is carried out in one transaction with its event; a draw
//! is two, with a signed checkpoint between them (`domain::supervision` says why).

use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::config::Supervision;
use crate::domain::command::{Caller, Reply};
use crate::domain::coverage::{Allowed, Standing};
use crate::domain::event::EventKind;
use crate::domain::ids::ClipId;
use crate::domain::oversight::OversightAsk;
use crate::domain::report::Period;
use crate::domain::review::{self, Mark, Verdict};
use crate::domain::supervision::{MOST_DRAWN, MOST_POPULATION, Point, Said, Step};
use crate::domain::why::{Thing, Why};
use crate::store::{NewSample, StoreError};

/// What of the configuration supervision and review go by.
#[derive(Debug, Clone)]
pub struct OversightRules {
    /// Checklist and marks.
    pub supervision: Supervision,
    /// What counts as recorded.
    pub allowed: Allowed,
}

fn invalid(why: impl Into<Why>) -> Answer {
    Ok(Reply::refused("invalid", why))
}

/// One text of a person: trimmed, bounded; lines may be broken.
fn text(words: &str, required: Option<Thing>) -> Result<String, Why> {
    let words = words.trim();
    if let Some(thing) = required.filter(|_| words.is_empty()) {
        return Err(Why::SayIt { thing });
    }
    if words.chars().count() > MAX_VALUE_CHARS {
        return Err(Why::TextTooLong { most: MAX_VALUE_CHARS as u64 });
    }
    Ok(words.chars().filter(|c| !c.is_control() || *c == '\n').collect())
}

impl Desk {
    pub(super) async fn oversight(&self, caller: &Caller, ask: OversightAsk) -> Answer {
        match ask {
            OversightAsk::DrawSample { period, unit, count } => self.draw_sample(caller, &period, unit, count).await,
            OversightAsk::JudgeSample { sample, n, points, words, due } => {
                self.judge_sample(caller, (sample, n), &points, &words, due).await
            }
            OversightAsk::AnswerFinding { sample, n, words } => {
                let said = (Step::Answered, words, Some(Thing::SayDone));
                self.step(caller, (sample, n), said, None, EventKind::SampleAnswered).await
            }
            OversightAsk::ReturnFinding { sample, n, words, due } => {
                let said = (Step::Returned, words, Some(Thing::SayMissing));
                self.step(caller, (sample, n), said, due, EventKind::SampleReturned).await
            }
            OversightAsk::CloseFinding { sample, n, words } => {
                self.step(caller, (sample, n), (Step::Closed, words, None), None, EventKind::SampleClosed).await
            }
            OversightAsk::NoteReview { case_no, clip, at, words } => {
                self.note_review(caller, &case_no, &clip, &at, &words).await
            }
            OversightAsk::WithdrawNote { case_no, note } => {
                let case = match self.case_typed(&case_no).await? {
                    Ok(case) => case,
                    Err(refused) => return Ok(refused),
                };
                let event = draft(EventKind::ReviewNoteWithdrawn, caller);
                self.store.write(move |tx| tx.withdraw_note(case, note, event)).await?;
                Ok(Reply::Done(json!({ "note": note })))
            }
            OversightAsk::GiveOpinion { case_no, verdict, words } => {
                self.give_opinion(caller, &case_no, &verdict, &words).await
            }
            OversightAsk::MarkCase { case_no, marks } => self.mark_case(caller, &case_no, marks).await,
        }
    }

    async fn draw_sample(&self, caller: &Caller, period: &str, unit: Option<String>, count: u32) -> Answer {
        let period = match Period::parse(period) {
            Ok(period) => period,
            Err(e) => return invalid(e),
        };
        if !(1..=MOST_DRAWN).contains(&count) {
            return invalid(Why::DrawCount { most: u64::from(MOST_DRAWN) });
        }
        let span = period.span_ms(&self.policy.zone);
        let mut populations = self.store.read(move |r| r.populations(span)).await?;
        if let Some(unit) = unit {
            let key = crate::domain::register::name_key(&unit);
            populations.retain(|name, _| crate::domain::register::name_key(name) == key);
        }
        populations.retain(|_, clips| !clips.is_empty());
        if populations.is_empty() {
            return Ok(Reply::refused("not_found", Why::NothingToDraw { period: period.to_string() }));
        }
        if populations.values().any(|clips| clips.len() > MOST_POPULATION) {
            return invalid(Why::PopulationTooLarge { most: MOST_POPULATION as u64 });
        }
        let asked = draft(EventKind::SampleAsked, caller);
        let checklist = self.oversight.supervision.checklist.clone();
        let samples = self
            .store
            .write(move |tx| {
                let ask = |(unit, population): (String, Vec<ClipId>)| {
                    let checklist = checklist.clone();
                    let new = NewSample { period: period.to_string(), unit, wanted: count, checklist, population };
                    tx.ask_sample(&new, asked.clone())
                };
                populations.into_iter().map(ask).collect::<Result<Vec<i64>, _>>()
            })
            .await?;
        // The seed follows from a root that nobody could know before the request stood below it.
        let checkpoint = self.anchor.sign_now().await?;
        let drawn = draft(EventKind::SampleDrawn, caller);
        let told = samples.clone();
        let clips = self
            .store
            .write(move |tx| {
                let at = (checkpoint.epoch, checkpoint.size, checkpoint.root);
                samples.iter().map(|s| Ok(tx.draw_sample(*s, at, &drawn)?.len())).sum::<Result<usize, StoreError>>()
            })
            .await?;
        Ok(Reply::Done(json!({ "period": period.to_string(), "samples": told, "clips": clips })))
    }

    /// The end of a day, as typed; it must be one that is to come.
    fn day(&self, typed: Option<String>) -> Result<Option<i64>, Why> {
        let Some(typed) = typed.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) else { return Ok(None) };
        let Ok(day) = typed.parse::<jiff::civil::Date>() else { return Err(Why::DayForm { typed }) };
        let (_, end) = Period::Range(day, day).span_ms(&self.policy.zone);
        if end <= self.clock.now().0 {
            return Err(Why::DayOver { day: day.to_string() });
        }
        Ok(Some(end))
    }

    async fn judge_sample(
        &self,
        caller: &Caller,
        (sample, n): (i64, u32),
        points: &[String],
        words: &str,
        due: Option<String>,
    ) -> Answer {
        let points: Option<Vec<Point>> = points.iter().map(|p| Point::parse(p)).collect();
        let Some(points) = points else { return invalid(Why::PointWords {}) };
        let flawed = points.contains(&Point::No);
        let (words, due_ms) = match (text(words, flawed.then_some(Thing::SayFound)), self.day(due)) {
            (Ok(words), Ok(due_ms)) => (words, due_ms),
            (Err(why), _) | (_, Err(why)) => return invalid(why),
        };
        if flawed && due_ms.is_none() {
            return invalid(Why::SayDue {});
        }
        let said = Said { step: Step::Judged, points, words, due_ms: due_ms.filter(|_| flawed), at_ms: 0 };
        let event = draft(EventKind::SampleJudged, caller);
        let standing = self.store.write(move |tx| tx.sample_step(sample, n, &said, event)).await?;
        Ok(Reply::Done(json!({ "sample": sample, "n": n, "standing": standing.as_str() })))
    }

    async fn step(
        &self,
        caller: &Caller,
        (sample, n): (i64, u32),
        (step, words, required): (Step, String, Option<Thing>),
        due: Option<String>,
        kind: EventKind,
    ) -> Answer {
        let (words, due_ms) = match (text(&words, required), self.day(due)) {
            (Ok(words), Ok(due_ms)) => (words, due_ms),
            (Err(why), _) | (_, Err(why)) => return invalid(why),
        };
        let said = Said { step, points: Vec::new(), words, due_ms, at_ms: 0 };
        let event = draft(kind, caller);
        let standing = self.store.write(move |tx| tx.sample_step(sample, n, &said, event)).await?;
        Ok(Reply::Done(json!({ "sample": sample, "n": n, "standing": standing.as_str() })))
    }

    /// The case of a number as typed.
    async fn case_typed(&self, typed: &str) -> Result<Result<i64, Reply>, StoreError> {
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(why) => return Ok(Err(Reply::refused("invalid", why))),
        };
        let key = number.key().to_owned();
        let case = self.store.read(move |r| r.case_id(&key)).await?;
        Ok(case.ok_or_else(|| Reply::refused("not_found", Why::NoCaseNumber { case_no: number.display().to_owned() })))
    }

    /// The same, of a case that can be reviewed.
    async fn case_reviewed(&self, typed: &str) -> Result<Result<i64, Reply>, StoreError> {
        let case = self.case_typed(typed).await?;
        if let Ok(case) = case {
            self.store.read(move |r| r.not_large(case)).await?;
        }
        Ok(case)
    }

    async fn note_review(&self, caller: &Caller, case_no: &str, clip: &str, at: &str, words: &str) -> Answer {
        let clip: ClipId = clip.parse()?;
        let Some(at_ms) = review::place_ms(at) else {
            return invalid(Why::NotAPlace { typed: at.to_owned() });
        };
        let words = match text(words, Some(Thing::SayNote)) {
            Ok(words) => words,
            Err(why) => return invalid(why),
        };
        let case = match self.case_reviewed(case_no).await? {
            Ok(case) => case,
            Err(refused) => return Ok(refused),
        };
        let event = draft(EventKind::ReviewNoted, caller);
        let note = self.store.write(move |tx| tx.note_review(case, clip, at_ms, &words, event)).await?;
        Ok(Reply::Done(json!({ "note": note, "at_ms": at_ms })))
    }

    async fn give_opinion(&self, caller: &Caller, case_no: &str, verdict: &str, words: &str) -> Answer {
        let Some(verdict) = Verdict::parse(verdict) else {
            return invalid(Why::VerdictWords {});
        };
        let required = (verdict != Verdict::Agree).then_some(Thing::SayOpinion);
        let words = match text(words, required) {
            Ok(words) => words,
            Err(why) => return invalid(why),
        };
        let case = match self.case_reviewed(case_no).await? {
            Ok(case) => case,
            Err(refused) => return Ok(refused),
        };
        let event = draft(EventKind::ReviewOpinion, caller);
        let (allowed, now) = (self.oversight.allowed, self.clock.now().0);
        self.store
            .write(move |tx| {
                // What stood there then is part of the opinion: clips that come later change nothing of it.
                let coverage = tx.read().coverage(case, now, allowed)?;
                let stood: Vec<(String, u64)> =
                    Standing::ALL.iter().map(|s| (s.as_str().to_owned(), coverage.count(*s) as u64)).collect();
                tx.give_opinion(case, (verdict, &words), &stood, event)
            })
            .await?;
        Ok(Reply::Done(json!({ "case_no": case_no, "verdict": verdict.as_str() })))
    }

    async fn mark_case(&self, caller: &Caller, case_no: &str, marks: Vec<(u32, String)>) -> Answer {
        let items = &self.oversight.supervision.marks;
        if marks.len() != items.len() {
            return invalid(Why::SheetLength { items: items.len() as u64, marked: marks.len() as u64 });
        }
        let mut sheet = Vec::new();
        for ((item, most), (points, remark)) in items.iter().zip(marks) {
            match text(&remark, None) {
                Ok(remark) => sheet.push(Mark { item: item.clone(), most: *most, points, remark }),
                Err(why) => return invalid(why),
            }
        }
        if let Err(why) = review::check(&sheet, items) {
            return invalid(why);
        }
        let case = match self.case_reviewed(case_no).await? {
            Ok(case) => case,
            Err(refused) => return Ok(refused),
        };
        let (points, most) = review::total(&sheet);
        let event = draft(EventKind::CaseMarked, caller);
        self.store.write(move |tx| tx.mark_case(case, &sheet, event)).await?;
        Ok(Reply::Done(json!({ "case_no": case_no, "points": points, "of": most })))
    }
}
