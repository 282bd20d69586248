//! Supervision (调阅监督): drawing random samples, judging their clips by the checklist, findings that a unit puts right, the
//! ranking of units; pages and API. Every change is a form, so that it works without a script.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::json;
use super::present::clips::Pill;
use super::present::reports::Cell;
use super::present::{Ctx, Nav, Stamp, case_href, segment};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::Person;
use super::view::sampling::{SampleView, SampledClip, SamplesView};
use crate::domain::command::Request;
use crate::domain::oversight::OversightAsk;
use crate::domain::report::Period;
use crate::domain::rights::Action;
use crate::domain::supervision::{Point, Rank, Standing};
use crate::domain::why::Why;

/// Pages, forms, API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/sampling", Need::May(SeeSamples), page)
        .post("/sampling/draw", Need::May(Supervise), draw)
        .get("/sampling/{sample}", Need::May(SeeSamples), one)
        .get("/sampling/{sample}/candidates.txt", Need::May(Supervise), candidates)
        .post("/sampling/{sample}/{n}/judge", Need::May(Supervise), judge)
        .post("/sampling/{sample}/{n}/answer", Need::May(AnswerFinding), answer)
        .post("/sampling/{sample}/{n}/return", Need::May(Supervise), give_back)
        .post("/sampling/{sample}/{n}/close", Need::May(Supervise), close)
        .get("/api/v1/samples", Need::May(SeeSamples), list_samples)
        .post("/api/v1/samples", Need::May(Supervise), draw_sample)
        .get("/api/v1/samples/{sample}", Need::May(SeeSamples), get_sample)
        .get("/api/v1/samples/{sample}/candidates", Need::May(Supervise), candidates)
        .post("/api/v1/samples/{sample}/{n}/judgement", Need::May(Supervise), judge_sample)
        .post("/api/v1/samples/{sample}/{n}/answer", Need::May(AnswerFinding), answer_finding)
        .post("/api/v1/samples/{sample}/{n}/return", Need::May(Supervise), return_finding)
        .post("/api/v1/samples/{sample}/{n}/close", Need::May(Supervise), close_finding)
}

/// Of which period.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PeriodQuery {
    /// `2026-06`, or another period; without it samples of every period.
    pub period: Option<String>,
}

impl PeriodQuery {
    fn resolve(&self) -> Result<Option<Period>, Trouble> {
        let typed = self.period.as_deref().map(str::trim).filter(|p| !p.is_empty());
        typed.map(Period::parse).transpose().map_err(|e| Trouble::Invalid(e.into()))
    }
}

// --- Pages ---------------------------------------------------------------------------------------

struct ListLine {
    href: String,
    title: String,
    pills: Vec<Pill>,
    by: String,
    at: Stamp,
}

struct RankLine {
    place: String,
    unit: String,
    share: String,
    /// Each figure with what it counts: the unit's one sample, or the list of its samples.
    counts: [Cell; 7],
    overdue: bool,
}

#[derive(Template)]
#[template(path = "sampling.html")]
struct ListPage<'a> {
    c: &'a Ctx,
    refusal: Option<String>,
    month: String,
    period: Option<String>,
    units: Vec<String>,
    checklist: Vec<String>,
    rows: Vec<ListLine>,
    ranks: Vec<RankLine>,
}

fn named(person: &Person, c: &Ctx) -> String {
    person.name.clone().unwrap_or_else(|| c.named(&person.actor))
}

fn unit_name(unit: &str, c: &Ctx) -> String {
    if unit.is_empty() { c.w.oversight().no_unit.to_owned() } else { unit.to_owned() }
}

fn period_name(word: &str, c: &Ctx) -> String {
    Period::parse(word).map_or_else(|_| word.to_owned(), |p| c.w.period(p))
}

fn standing_pill(standing: Standing, text: String) -> Pill {
    let (class, icon) = match standing {
        Standing::Open => ("idle", "search"),
        Standing::Fine | Standing::Closed => ("safe", "check"),
        Standing::Rectify => ("ask", "warn"),
        Standing::Answered => ("hold", "arrow"),
    };
    Pill { class, icon, text }
}

fn rank_line(rank: &Rank, v: &SamplesView, period: Option<Period>, c: &Ctx) -> RankLine {
    let w = c.w;
    let mut samples = v.rows.iter().filter(|s| s.unit == rank.unit).map(|s| s.sample);
    let href = match (samples.next(), samples.next()) {
        (Some(only), None) => format!("/sampling/{only}"),
        _ => {
            let period = period.map(|p| format!("period={}&", segment(&p.to_string()))).unwrap_or_default();
            let unit = if rank.unit.is_empty() { "-".to_owned() } else { segment(&rank.unit) };
            format!("/sampling?{period}unit={unit}#h-samples")
        }
    };
    let counts = [rank.drawn, rank.judged, rank.fine, rank.flaws, rank.open, rank.overdue, rank.closed];
    RankLine {
        place: rank.place.map_or_else(|| w.none_dash.to_owned(), |p| p.to_string()),
        unit: unit_name(&rank.unit, c),
        share: if rank.judged == 0 { w.none_dash.to_owned() } else { w.permille(rank.permille()) },
        counts: counts.map(|n| Cell { text: w.number(n), href: (n > 0).then(|| href.clone()) }),
        overdue: rank.overdue > 0,
    }
}

/// What the list is narrowed to: a period, and a unit, of which an empty one stands for officers of whom nobody knows it.
type Narrowed = (Option<Period>, Option<String>);

fn list_page<'a>(v: SamplesView, (period, unit): Narrowed, refusal: Option<String>, c: &'a Ctx) -> ListPage<'a> {
    let ranks = v.ranks.iter().map(|r| rank_line(r, &v, period, c)).collect();
    let today = c.now.zoned(&c.zone).date();
    let rows = v
        .rows
        .iter()
        .filter(|s| unit.as_ref().is_none_or(|unit| s.unit == *unit))
        .map(|s| {
            let mut pills: Vec<Pill> = s
                .standings
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|(standing, n)| standing_pill(*standing, format!("{} {}", c.w.sampled(*standing), c.w.number(*n))))
                .collect();
            if s.overdue > 0 {
                let text = format!("{} {}", c.w.oversight().st_overdue, c.w.number(s.overdue));
                pills.push(Pill { class: "fail", icon: "warn", text });
            }
            ListLine {
                href: format!("/sampling/{}", s.sample),
                title: format!("{} · {}", period_name(&s.period, c), unit_name(&s.unit, c)),
                pills,
                by: named(&s.drawn_by, c),
                at: c.near(s.drawn),
            }
        })
        .collect();
    ListPage {
        refusal,
        month: Period::month_of(today).to_string(),
        period: period.map(|p| p.to_string()),
        units: v.units,
        checklist: v.checklist,
        rows,
        ranks,
        c,
    }
}

async fn show_list(
    site: &Site,
    visitor: &Visitor,
    narrowed: Narrowed,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("samples"), ..Access::default() }).await?;
    let visitor = Visitor { path: "/sampling".to_owned(), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Sampling).await?;
    let v = site.pages.samples(narrowed.0, &visitor.who.within(Action::SeeSamples)).await?;
    Ok(Html(list_page(v, narrowed, refusal, &c).render()?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    period: Option<String>,
    unit: Option<String>,
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<ListQuery>) -> Response {
    let answer = async {
        let period = PeriodQuery { period: q.period }.resolve()?;
        let unit = q.unit.map(|u| u.trim().to_owned()).filter(|u| !u.is_empty());
        let unit = unit.map(|u| if u == "-" { String::new() } else { u });
        show_list(&site, &visitor, (period, unit), None).await
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DrawForm {
    period: String,
    unit: String,
    count: String,
}

async fn draw(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<DrawForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(form) = body?;
        let ask = async {
            let count = form
                .count
                .trim()
                .parse()
                .map_err(|_| Trouble::Invalid(Why::NotANumber { typed: form.count.clone() }))?;
            let unit = Some(form.unit.trim().to_owned()).filter(|u| !u.is_empty());
            let ask = OversightAsk::DrawSample { period: form.period.clone(), unit, count };
            site.carry_out(&visitor.caller, Request::Oversight { ask }).await
        };
        match ask.await {
            Ok(done) => {
                let samples = done["samples"].as_array().cloned().unwrap_or_default();
                let to = match samples.as_slice() {
                    [one] => format!("/sampling/{one}"),
                    _ => "/sampling".to_owned(),
                };
                Ok(Redirect::to(&to).into_response())
            }
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_list(&site, &visitor, (None, None), refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

struct StepLine {
    what: &'static str,
    words: String,
    due: Option<Stamp>,
    by: String,
    at: Stamp,
}

struct ClipLine {
    n: u32,
    href: String,
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
}

#[derive(Template)]
#[template(path = "sample.html")]
struct SamplePage<'a> {
    c: &'a Ctx,
    sample: i64,
    heading: String,
    refusal: Option<String>,
    facts: Vec<(&'static str, String)>,
    checklist: Vec<String>,
    clips: Vec<ClipLine>,
    due_day: String,
    candidates: bool,
}

fn clip_line(clip: &SampledClip, checklist: &[String], c: &Ctx) -> ClipLine {
    let w = c.w;
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
        href: format!("/clips/{}", clip.clip),
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
        may_answer: c.may("answer_finding") && clip.standing == Standing::Rectify,
        may_close: supervisor && clip.standing == Standing::Answered,
    }
}

fn sample_page<'a>(v: &SampleView, refusal: Option<String>, c: &'a Ctx) -> SamplePage<'a> {
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
    // Two weeks are what units are usually given.
    let due = c.now.zoned(&c.zone).date().saturating_add(jiff::ToSpan::days(14));
    SamplePage {
        sample: v.sample,
        heading: format!("{period} · {}", unit_name(&v.unit, c)),
        refusal,
        facts,
        clips: v.clips.iter().map(|clip| clip_line(clip, &v.checklist, c)).collect(),
        checklist: v.checklist.clone(),
        due_day: due.to_string(),
        candidates: c.may("supervise"),
        c,
    }
}

/// A sample within the bounds of what is done with it: whoever sees all of them answers for their own unit alone.
async fn read_one(site: &Site, visitor: &Visitor, sample: &str, action: Action) -> Result<SampleView, Trouble> {
    let number: i64 = sample.parse().map_err(|_| Trouble::NoPage)?;
    let (within, clips) = (visitor.who.within(action), visitor.who.within(Action::ListClips));
    site.pages.sample(number, &within, &clips).await?.ok_or(Trouble::NoPage)
}

async fn show_one(site: &Site, visitor: &Visitor, sample: &str, refusal: Option<String>) -> Result<Response, Trouble> {
    let terms = format!("sample {sample}");
    site.log_access(visitor, Access { what: "list", terms: Some(&terms), ..Access::default() }).await?;
    let v = read_one(site, visitor, sample, Action::SeeSamples).await?;
    // The page belongs to the sample, not to a form's address.
    let visitor = Visitor { path: format!("/sampling/{}", v.sample), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Sampling).await?;
    Ok(Html(sample_page(&v, refusal, &c).render()?).into_response())
}

async fn one(State(site): State<Arc<Site>>, visitor: Visitor, Path(sample): Path<String>) -> Response {
    let shown = show_one(&site, &visitor, &sample, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

/// Among which clips a sample was drawn: their ids in ascending order, one a line; its SHA-256 stands in the log.
#[utoipa::path(get, path = "/api/v1/samples/{sample}/candidates", params(("sample" = i64, Path, description = "Its number")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn candidates(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(sample): Path<String>,
) -> Response {
    let answer = async {
        let terms = format!("candidates of sample {sample}");
        site.log_access(&visitor, Access { what: "list", terms: Some(&terms), ..Access::default() }).await?;
        let v = read_one(&site, &visitor, &sample, Action::SeeSamples).await?;
        let ids: String = site.pages.population(v.sample).await?.into_iter().map(|id| id + "\n").collect();
        Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], ids).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.answer(&site, &visitor))
}

/// Carries a step out over a sample that whoever asks may see.
async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    sample: &str,
    ask: OversightAsk,
) -> Result<serde_json::Value, Trouble> {
    let action = match ask {
        OversightAsk::AnswerFinding { .. } => Action::AnswerFinding,
        _ => Action::SeeSamples,
    };
    read_one(site, visitor, sample, action).await?;
    site.carry_out(&visitor.caller, Request::Oversight { ask }).await
}

async fn step(site: &Site, visitor: &Visitor, sample: &str, n: u32, ask: Result<OversightAsk, Trouble>) -> Response {
    let answer = async {
        let done = match ask {
            Ok(ask) => carry_out(site, visitor, sample, ask).await,
            Err(trouble) => Err(trouble),
        };
        match done {
            Ok(_) => Ok(Redirect::to(&format!("/sampling/{sample}#clip-{n}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_one(site, visitor, sample, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

/// The numbers of a path: which sample, which of its clips.
fn numbers(sample: &str, n: &str) -> Result<(i64, u32), Trouble> {
    Ok((sample.parse().map_err(|_| Trouble::NoPage)?, n.parse().map_err(|_| Trouble::NoPage)?))
}

fn due(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

type Fields = Result<Form<Vec<(String, String)>>, FormRejection>;

async fn judge(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((sample, n)): Path<(String, String)>,
    body: Fields,
) -> Response {
    let ask = || -> Result<(OversightAsk, u32), Trouble> {
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
        Ok((OversightAsk::JudgeSample { sample: number, n, points, words, due: due(text("due")) }, n))
    };
    match ask() {
        Ok((ask, n)) => step(&site, &visitor, &sample, n, Ok(ask)).await,
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WordsForm {
    words: String,
    due: String,
}

async fn said(
    site: &Site,
    visitor: &Visitor,
    (sample, n): (String, String),
    body: Result<Form<WordsForm>, FormRejection>,
    ask: impl FnOnce(i64, u32, WordsForm) -> OversightAsk,
) -> Response {
    let made = || -> Result<(OversightAsk, u32), Trouble> {
        let (number, n) = numbers(&sample, &n)?;
        let Form(form) = body?;
        Ok((ask(number, n, form), n))
    };
    match made() {
        Ok((ask, n)) => step(site, visitor, &sample, n, Ok(ask)).await,
        Err(trouble) => trouble.page(site, visitor),
    }
}

async fn answer(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, at, body, |sample, n, f| OversightAsk::AnswerFinding { sample, n, words: f.words }).await
}

async fn give_back(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, at, body, |sample, n, f| OversightAsk::ReturnFinding {
        sample,
        n,
        words: f.words,
        due: due(&f.due),
    })
    .await
}

async fn close(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Form<WordsForm>, FormRejection>,
) -> Response {
    said(&site, &visitor, at, body, |sample, n, f| OversightAsk::CloseFinding { sample, n, words: f.words }).await
}

// --- API -----------------------------------------------------------------------------------------

/// Samples and the ranking of units.
#[derive(Debug, Serialize, ToSchema)]
pub struct Samples {
    /// Newest first.
    pub samples: Vec<SampleNow>,
    /// Units by what was found.
    pub ranking: Vec<UnitRank>,
}

/// A sample.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampleNow {
    /// Its number.
    pub sample: i64,
    /// Its period.
    pub period: String,
    /// Of this unit; empty where nobody has said.
    pub unit: String,
    /// Clips by how they stand: `open`, `fine`, `rectify`, `answered`, `closed`.
    pub standings: std::collections::BTreeMap<&'static str, u64>,
    /// Findings past their day.
    pub overdue: u64,
    /// Who drew it, as the log has it.
    pub drawn_by: String,
    /// When, RFC 3339.
    pub drawn_at: String,
}

/// A unit in the ranking.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnitRank {
    /// Its place; null while nothing of it was judged.
    pub place: Option<usize>,
    /// The unit.
    pub unit: String,
    /// Clips drawn.
    pub drawn: u64,
    /// Judged.
    pub judged: u64,
    /// Without a finding.
    pub fine: u64,
    /// Points that were not as they should be.
    pub flaws: u64,
    /// Findings that stand open.
    pub open: u64,
    /// Of these, past their day.
    pub overdue: u64,
    /// Put right.
    pub closed: u64,
}

/// A sample with its clips.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampleWhole {
    /// Its number.
    pub sample: i64,
    /// Its period.
    pub period: Option<String>,
    /// Of this unit.
    pub unit: String,
    /// What is checked.
    pub checklist: Vec<String>,
    /// Among how many clips was drawn.
    pub candidates: u64,
    /// SHA-256 over their ids, ascending, one a line.
    pub candidates_sha256: String,
    /// The event of the request.
    pub asked_seq: u64,
    /// Size of the log at the checkpoint from which the seed follows.
    pub checkpoint_size: Option<u64>,
    /// Its root, hex.
    pub checkpoint_root: Option<String>,
    /// The seed, hex.
    pub seed: Option<String>,
    /// In the order of the draw.
    pub clips: Vec<SampledNow>,
}

/// A drawn clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampledNow {
    /// From 1.
    pub n: u32,
    /// Record id.
    pub record_id: String,
    /// `open`, `fine`, `rectify`, `answered`, `closed`.
    pub standing: &'static str,
    /// `yes`, `no` or `na` for each point of the checklist, once it was judged.
    pub points: Vec<&'static str>,
    /// Until when it is to be put right, RFC 3339.
    pub due_at: Option<String>,
    /// What was said, oldest first.
    pub steps: Vec<StepNow>,
}

/// What was said about a drawn clip.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepNow {
    /// `judged`, `answered`, `returned`, `closed`.
    pub step: &'static str,
    /// In words.
    pub words: String,
    /// By whom, as the log has it.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What is drawn.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DrawBody {
    /// `2026-06`, or another period.
    pub period: String,
    /// Of this unit; without it of each unit by itself.
    #[serde(default)]
    pub unit: Option<String>,
    /// Clips of each unit.
    pub count: u32,
}

/// A judgement.
#[derive(Debug, Deserialize, ToSchema)]
pub struct JudgementBody {
    /// `yes`, `no` or `na` for each point of the checklist, in its order.
    pub points: Vec<String>,
    /// What was found.
    #[serde(default)]
    pub words: String,
    /// Until which day it is to be put right, `YYYY-MM-DD`.
    #[serde(default)]
    pub due: Option<String>,
}

/// What somebody says about a finding.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WordsBody {
    /// In words.
    #[serde(default)]
    pub words: String,
    /// Until which day, of an answer that is returned.
    #[serde(default)]
    pub due: Option<String>,
}

fn by(person: &Person) -> String {
    format!("{}:{}", person.actor.kind, person.actor.id)
}

/// Samples, newest first, and the ranking of units.
#[utoipa::path(get, path = "/api/v1/samples", params(PeriodQuery), responses(
    (status = 200, body = Samples), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list_samples(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<PeriodQuery>,
) -> Response {
    let answer = async {
        let period = q.resolve()?;
        site.log_access(&visitor, Access { what: "list", terms: Some("samples"), ..Access::default() }).await?;
        let v = site.pages.samples(period, &visitor.who.within(Action::SeeSamples)).await?;
        let samples = v
            .rows
            .iter()
            .map(|s| SampleNow {
                sample: s.sample,
                period: s.period.clone(),
                unit: s.unit.clone(),
                standings: s.standings.iter().map(|(standing, n)| (standing.as_str(), *n)).collect(),
                overdue: s.overdue,
                drawn_by: by(&s.drawn_by),
                drawn_at: s.drawn.rfc3339_in(&site.zone),
            })
            .collect();
        let ranking = v.ranks.into_iter().map(|r| UnitRank {
            place: r.place,
            unit: r.unit,
            drawn: r.drawn,
            judged: r.judged,
            fine: r.fine,
            flaws: r.flaws,
            open: r.open,
            overdue: r.overdue,
            closed: r.closed,
        });
        Ok(Json(Samples { samples, ranking: ranking.collect() }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Draws a random sample that anybody can draw again.
#[utoipa::path(post, path = "/api/v1/samples", request_body = DrawBody, responses(
    (status = 200, description = "The samples, one a unit", body = serde_json::Value), (status = 404, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn draw_sample(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<DrawBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let body = json(body)?;
        let ask = OversightAsk::DrawSample { period: body.period, unit: body.unit, count: body.count };
        Ok(Json(site.carry_out(&visitor.caller, Request::Oversight { ask }).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// One sample: how it was drawn, its clips, what was said about each.
#[utoipa::path(get, path = "/api/v1/samples/{sample}", params(("sample" = i64, Path, description = "Its number")),
    responses((status = 200, body = SampleWhole), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn get_sample(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(sample): Path<String>,
) -> Response {
    let answer = async {
        let terms = format!("sample {sample}");
        site.log_access(&visitor, Access { what: "list", terms: Some(&terms), ..Access::default() }).await?;
        let v = read_one(&site, &visitor, &sample, Action::SeeSamples).await?;
        let at = |ms: crate::domain::time::UtcMs| ms.rfc3339_in(&site.zone);
        let clips = v.clips.iter().map(|d| SampledNow {
            n: d.n,
            record_id: d.clip.to_string(),
            standing: d.standing.as_str(),
            points: d.points.iter().map(|p| p.as_str()).collect(),
            due_at: d.due.map(at),
            steps: d
                .steps
                .iter()
                .map(|s| StepNow { step: s.step.as_str(), words: s.words.clone(), by: by(&s.by), at: at(s.at) })
                .collect(),
        });
        let whole = SampleWhole {
            sample: v.sample,
            period: v.period.map(|p| p.to_string()),
            checklist: v.checklist.clone(),
            candidates: v.population.0,
            candidates_sha256: v.population.1.clone(),
            asked_seq: v.asked_seq,
            checkpoint_size: v.drawn_from.as_ref().map(|d| d.1),
            checkpoint_root: v.drawn_from.as_ref().map(|d| d.2.clone()),
            seed: v.drawn_from.as_ref().map(|d| d.3.clone()),
            clips: clips.collect(),
            unit: v.unit.clone(),
        };
        Ok(Json(whole).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

async fn api_step(
    site: &Site,
    visitor: &Visitor,
    (sample, n): (String, String),
    ask: impl FnOnce(i64, u32) -> Result<OversightAsk, Trouble>,
) -> Response {
    let answer = async {
        let (number, n) = numbers(&sample, &n)?;
        Ok(Json(carry_out(site, visitor, &sample, ask(number, n)?).await?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(visitor))
}

/// Judges a drawn clip by the checklist.
#[utoipa::path(post, path = "/api/v1/samples/{sample}/{n}/judgement", request_body = JudgementBody,
    params(("sample" = i64, Path, description = "Its number"), ("n" = u32, Path, description = "Which of its clips")),
    responses((status = 200, description = "How it stands", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn judge_sample(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Json<JudgementBody>, JsonRejection>,
) -> Response {
    api_step(&site, &visitor, at, |sample, n| {
        let b = json(body)?;
        Ok(OversightAsk::JudgeSample { sample, n, points: b.points, words: b.words, due: b.due })
    })
    .await
}

/// Answers a finding: what was done.
#[utoipa::path(post, path = "/api/v1/samples/{sample}/{n}/answer", request_body = WordsBody,
    params(("sample" = i64, Path, description = "Its number"), ("n" = u32, Path, description = "Which of its clips")),
    responses((status = 200, description = "How it stands", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn answer_finding(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Json<WordsBody>, JsonRejection>,
) -> Response {
    let ask = |sample, n| Ok(OversightAsk::AnswerFinding { sample, n, words: json(body)?.words });
    api_step(&site, &visitor, at, ask).await
}

/// Returns an answer: what is missing.
#[utoipa::path(post, path = "/api/v1/samples/{sample}/{n}/return", request_body = WordsBody,
    params(("sample" = i64, Path, description = "Its number"), ("n" = u32, Path, description = "Which of its clips")),
    responses((status = 200, description = "How it stands", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn return_finding(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Json<WordsBody>, JsonRejection>,
) -> Response {
    api_step(&site, &visitor, at, |sample, n| {
        let b = json(body)?;
        Ok(OversightAsk::ReturnFinding { sample, n, words: b.words, due: b.due })
    })
    .await
}

/// Closes a finding that was put right.
#[utoipa::path(post, path = "/api/v1/samples/{sample}/{n}/close", request_body = WordsBody,
    params(("sample" = i64, Path, description = "Its number"), ("n" = u32, Path, description = "Which of its clips")),
    responses((status = 200, description = "How it stands", body = serde_json::Value), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn close_finding(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Json<WordsBody>, JsonRejection>,
) -> Response {
    let ask = |sample, n| Ok(OversightAsk::CloseFinding { sample, n, words: json(body)?.words });
    api_step(&site, &visitor, at, ask).await
}
