//! The API of samples: what their pages have, and what their forms do.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{PeriodQuery, carry_out, numbers, read_one};
use crate::domain::command::Request;
use crate::domain::oversight::OversightAsk;
use crate::domain::rights::Action;
use crate::web::asked::json;
use crate::web::paging::filled;
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Problem, Trouble};
use crate::web::view::Person;
use crate::web::view::sampling::SamplesQuery;

/// Which samples.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct SamplesAsked {
    /// `2026-06`, or another period; all of them where it is absent. The ranking is of the same.
    pub period: Option<String>,
    /// Of this unit alone; `-` for officers of whom nobody knows it. The ranking is of all units.
    pub unit: Option<String>,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Samples and the ranking of units.
#[derive(Debug, Serialize, ToSchema)]
pub struct Samples {
    /// Newest first.
    pub samples: Vec<SampleNow>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
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
    /// Record id; null where the clip is beyond the bounds of whoever asks, to whom nothing of what was found is told.
    pub record_id: Option<String>,
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
#[utoipa::path(get, path = "/api/v1/samples", params(SamplesAsked), responses(
    (status = 200, body = Samples), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_samples(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<SamplesAsked>,
) -> Response {
    let answer = async {
        let text = |text: Option<String>| filled(text.as_deref()).map(str::to_owned);
        let asked = SamplesQuery {
            period: PeriodQuery { period: q.period }.resolve()?,
            unit: text(q.unit).map(|unit| if unit == "-" { String::new() } else { unit }),
            after: text(q.after),
        };
        site.log_access(&visitor, Access { what: "list", terms: Some("samples"), ..Access::default() }).await?;
        let v = site.pages.samples(&asked, &visitor.who.within(Action::SeeSamples)).await?;
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
        Ok(Json(Samples { samples, next: v.next, ranking: ranking.collect() }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Draws a random sample that anybody can draw again.
#[utoipa::path(post, path = "/api/v1/samples", request_body = DrawBody, responses(
    (status = 200, description = "The samples, one a unit", body = serde_json::Value), (status = 404, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn draw_sample(
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
pub(in crate::web) async fn get_sample(
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
            record_id: d.about.is_some().then(|| d.clip.to_string()),
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
pub(in crate::web) async fn judge_sample(
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
pub(in crate::web) async fn answer_finding(
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
pub(in crate::web) async fn return_finding(
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
pub(in crate::web) async fn close_finding(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(at): Path<(String, String)>,
    body: Result<Json<WordsBody>, JsonRejection>,
) -> Response {
    let ask = |sample, n| Ok(OversightAsk::CloseFinding { sample, n, words: json(body)?.words });
    api_step(&site, &visitor, at, ask).await
}
