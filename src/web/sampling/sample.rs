//! One sample: its clips with what was found, how it can be drawn again, and the forms of each step of a finding.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{answerable, carry_out, named, numbers, read_one, standing_pill, unit_name};
use crate::domain::oversight::OversightAsk;
use crate::domain::rights::Action;
use crate::domain::supervision::{Point, Standing};
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp, case_href};
use crate::web::refused::Refused;
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::view::sampling::{SampleView, SampledClip};

struct StepLine {
    what: &'static str,
    words: String,
    due: Option<Stamp>,
    by: String,
    at: Stamp,
}

struct ClipLine {
    n: u32,
    /// Its page, where it is theirs to open.
    href: Option<String>,
    captured: Option<Stamp>,
    about: Option<String>,
    cases: Vec<(String, String)>,
    pill: Pill,
    due: Option<Stamp>,
    points: Vec<(String, &'static str, &'static str)>,
    steps: Vec<StepLine>,
    may_judge: bool,
    judged: bool,
    may_answer: bool,
    may_close: bool,
    /// What was typed about it and refused.
    typed: Refused,
    /// Each item of the checklist with what was answered.
    form: Vec<(String, String)>,
    judge_due: String,
    return_due: String,
}

#[derive(Template)]
#[template(path = "sample.html")]
struct SamplePage<'a> {
    c: &'a Ctx,
    sample: i64,
    heading: String,
    refusal: Option<String>,
    facts: Vec<(&'static str, String)>,
    clips: Vec<ClipLine>,
    candidates: bool,
}

fn clip_line(clip: &SampledClip, checklist: &[String], may_answer: bool, typed: Refused, c: &Ctx) -> ClipLine {
    let w = c.w;
    // Two weeks are what units are usually given.
    let due_day = c.now.zoned(&c.zone).date().saturating_add(jiff::ToSpan::days(14)).to_string();
    let answered = |at: usize| typed.of("judge", &format!("point-{at}")).to_owned();
    let late = clip.standing == Standing::Rectify && clip.due.is_some_and(|due| due < c.now);
    let pill = match late {
        true => Pill { class: "fail", icon: "warn", text: w.oversight().st_overdue.to_owned() },
        false => standing_pill(clip.standing, w.sampled(clip.standing).to_owned()),
    };
    let points = checklist.iter().zip(&clip.points).map(|(name, point)| {
        let class = match point {
            Point::Yes => "safe",
            Point::No => "fail",
            Point::NotApplicable => "idle",
        };
        (name.clone(), w.point(*point), class)
    });
    let about = clip.about.as_ref().map(|a| {
        let known: Vec<&str> = [a.officer.as_deref(), a.place.as_deref()].into_iter().flatten().collect();
        known.join(" · ")
    });
    let about_cases = clip.about.iter().flat_map(|a| &a.cases).map(|n| (n.clone(), case_href(n))).collect();
    let supervisor = c.may("supervise");
    ClipLine {
        n: clip.n,
        href: clip.about.is_some().then(|| format!("/clips/{}", clip.clip)),
        captured: clip.about.as_ref().and_then(|a| a.captured).map(|at| c.stamp(at)),
        about,
        cases: about_cases,
        pill,
        due: clip.due.filter(|_| matches!(clip.standing, Standing::Rectify | Standing::Answered)).map(|at| c.stamp(at)),
        points: points.collect(),
        steps: clip
            .steps
            .iter()
            .map(|s| StepLine {
                what: w.sample_step(s.step),
                words: s.words.clone(),
                due: s.due.map(|at| c.stamp(at)),
                by: named(&s.by, c),
                at: c.stamp(s.at),
            })
            .collect(),
        may_judge: supervisor && matches!(clip.standing, Standing::Open | Standing::Fine | Standing::Rectify),
        judged: clip.standing != Standing::Open,
        may_answer: may_answer && clip.standing == Standing::Rectify,
        may_close: supervisor && clip.standing == Standing::Answered,
        form: checklist.iter().enumerate().map(|(at, name)| (name.clone(), answered(at))).collect(),
        judge_due: typed.or("judge", "due", due_day.as_str()),
        return_due: typed.or("return", "due", due_day),
        typed,
    }
}

fn sample_page<'a>(
    v: &SampleView,
    answerable: &[u32],
    (refusal, typed): (Option<String>, &Refused),
    c: &'a Ctx,
) -> SamplePage<'a> {
    let (w, o) = (c.w, c.w.oversight());
    let period = v.period.map_or_else(|| w.none_dash.to_owned(), |p| w.period(p));
    let mut facts = vec![
        (o.col_drawn_by, named(&v.drawn_by, c)),
        (o.col_drawn_at, c.stamp(v.drawn).text),
        (o.rep_population, w.videos(v.population.0)),
        (o.rep_digest, v.population.1.clone()),
        (o.rep_asked, format!("#{}", v.asked_seq)),
    ];
    if let Some((epoch, size, root, seed)) = &v.drawn_from {
        facts.push((o.rep_checkpoint, format!("{epoch} / {size}")));
        facts.push((o.rep_root, root.clone()));
        facts.push((o.rep_seed, seed.clone()));
    }
    SamplePage {
        sample: v.sample,
        heading: format!("{period} · {}", unit_name(&v.unit, c)),
        refusal,
        facts,
        clips: v
            .clips
            .iter()
            .map(|clip| clip_line(clip, &v.checklist, answerable.contains(&clip.n), typed.only(clip.n), c))
            .collect(),
        candidates: c.may("supervise"),
        c,
    }
}

async fn show_one(
    site: &Site,
    visitor: &Visitor,
    sample: &str,
    (refusal, typed): (Option<String>, &Refused),
) -> Result<Response, Trouble> {
    let terms = format!("sample {sample}");
    site.log_access(visitor, Access { what: "list", terms: Some(&terms), ..Access::default() }).await?;
    let v = read_one(site, visitor, sample, Action::SeeSamples).await?;
    // The page belongs to the sample, not to a form's address.
    let visitor = Visitor { path: format!("/sampling/{}", v.sample), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Sampling).await?;
    let answerable = answerable(site, &visitor, &v).await?;
    Ok(Html(sample_page(&v, &answerable, (refusal, typed), &c).render()?).into_response())
}

pub(super) async fn one(State(site): State<Arc<Site>>, visitor: Visitor, Path(sample): Path<String>) -> Response {
    let shown = show_one(&site, &visitor, &sample, (None, &Refused::default())).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

/// Carries a step out: back to the clip, or the page again with the refusal and what was typed.
async fn step(site: &Site, visitor: &Visitor, (sample, n): (&str, u32), ask: OversightAsk, typed: Refused) -> Response {
    let answer = async {
        match carry_out(site, visitor, sample, ask).await {
            Ok(_) => Ok(Redirect::to(&format!("/sampling/{sample}#clip-{n}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_one(site, visitor, sample, (refusal, &typed.about(n))).await?)
                    .into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

fn due(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

type Fields = Result<Form<Vec<(String, String)>>, FormRejection>;

pub(super) async fn judge(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((sample, n)): Path<(String, String)>,
    body: Fields,
) -> Response {
    let ask = || -> Result<(OversightAsk, u32, Refused), Trouble> {
        let (number, n) = numbers(&sample, &n)?;
        let Form(fields) = body?;
        let text = |name: &str| fields.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()).unwrap_or_default();
        // Points come by their places; one that was not answered is no answer.
        let points = (0..)
            .map(|at| text(&format!("point-{at}")).to_owned())
            .take_while(|answer| !answer.is_empty())
            .take(100)
            .collect();
        let words = text("words").to_owned();
        let due = due(text("due"));
        Ok((OversightAsk::JudgeSample { sample: number, n, points, words, due }, n, Refused::new("judge", fields)))
    };
    match ask() {
        Ok((ask, n, typed)) => step(&site, &visitor, (sample.as_str(), n), ask, typed).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WordsForm {
    words: String,
    due: String,
}

async fn said(
    site: &Site,
    visitor: &Visitor,
    (form, (sample, n)): (&'static str, (String, String)),
    body: Result<Form<WordsForm>, FormRejection>,
    ask: impl FnOnce(i64, u32, WordsForm) -> OversightAsk,
) -> Response {
    let made = || -> Result<(OversightAsk, u32, Refused), Trouble> {
        let (number, n) = numbers(&sample, &n)?;
        let Form(said) = body?;
        let typed = Refused::new(form, [("words", said.words.clone()), ("due", said.due.clone())]);
        Ok((ask(number, n, said), n, typed))
    };
    match made() {
        Ok((ask, n, typed)) => step(site, visitor, (sample.as_str(), n), ask, typed).await,
        Err(trouble) => trouble.page(site, visitor),
    }
}

pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, ("answer", at), body, |sample, n, f| OversightAsk::AnswerFinding {
        sample,
        n,
        words: f.words,
    })
    .await
}

pub(super) async fn give_back(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, ("return", at), body, |sample, n, f| OversightAsk::ReturnFinding {
        sample,
        n,
        words: f.words,
        due: due(&f.due),
    })
    .await
}

pub(super) async fn close(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, ("close", at), body, |sample, n, f| OversightAsk::CloseFinding { sample, n, words: f.words })
        .await
}
