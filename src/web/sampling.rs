//! Supervision (调阅监督): drawing random samples, judging their clips by the checklist, findings that a unit puts right, the
//! ranking of units; pages and API. Every change is a form, so that it works without a script.

pub mod api;
mod list;
mod sample;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::present::Ctx;
use super::present::clips::Pill;
use super::routes::{self, Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::Person;
use super::view::sampling::SampleView;
use crate::domain::command::Request;
use crate::domain::oversight::OversightAsk;
use crate::domain::report::Period;
use crate::domain::rights::Action;
use crate::domain::supervision::Standing;

use list::{draw, page};
use sample::{answer, close, give_back, judge, one};

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
        .get("/api/v1/samples", Need::May(SeeSamples), api::list_samples)
        .post("/api/v1/samples", Need::May(Supervise), api::draw_sample)
        .get("/api/v1/samples/{sample}", Need::May(SeeSamples), api::get_sample)
        .get("/api/v1/samples/{sample}/candidates", Need::May(Supervise), candidates)
        .post("/api/v1/samples/{sample}/{n}/judgement", Need::May(Supervise), api::judge_sample)
        .post("/api/v1/samples/{sample}/{n}/answer", Need::May(AnswerFinding), api::answer_finding)
        .post("/api/v1/samples/{sample}/{n}/return", Need::May(Supervise), api::return_finding)
        .post("/api/v1/samples/{sample}/{n}/close", Need::May(Supervise), api::close_finding)
}

/// Of which period.
#[derive(Debug, Default)]
struct PeriodQuery {
    /// `2026-06`, or another period; without it samples of every period.
    period: Option<String>,
}

impl PeriodQuery {
    fn resolve(&self) -> Result<Option<Period>, Trouble> {
        let typed = self.period.as_deref().map(str::trim).filter(|p| !p.is_empty());
        typed.map(Period::parse).transpose().map_err(|e| Trouble::Invalid(e.into()))
    }
}

fn named(person: &Person, c: &Ctx) -> String {
    person.name.clone().unwrap_or_else(|| c.named(&person.actor))
}

fn unit_name(unit: &str, c: &Ctx) -> String {
    if unit.is_empty() { c.w.oversight().no_unit.to_owned() } else { unit.to_owned() }
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

/// A sample within the bounds of what is done with it: whoever sees all of them answers for their own unit alone.
async fn read_one(site: &Site, visitor: &Visitor, sample: &str, action: Action) -> Result<SampleView, Trouble> {
    let number: i64 = sample.parse().map_err(|_| Trouble::NoPage)?;
    let (within, clips) = (visitor.who.within(action), visitor.who.within(Action::ListClips));
    site.pages.sample(number, &within, &clips).await?.ok_or(Trouble::NoPage)
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

/// Which clips of a sample they may answer for: those of which they are told, within the bounds of answering.
async fn answerable(site: &Site, visitor: &Visitor, v: &SampleView) -> Result<Vec<u32>, Trouble> {
    let told = |v: &SampleView| v.clips.iter().filter(|d| d.about.is_some()).map(|d| d.n).collect();
    let within = visitor.who.within(Action::AnswerFinding);
    if within.are_empty() {
        return Ok(Vec::new());
    }
    if [Action::SeeSamples, Action::ListClips].iter().all(|action| visitor.who.within(*action) == within) {
        return Ok(told(v));
    }
    // Whoever sees more by another role.
    let theirs = site.pages.sample(v.sample, &within, &within).await?;
    Ok(theirs.as_ref().map(told).unwrap_or_default())
}

/// Carries a step out over a sample that whoever asks may see.
async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    sample: &str,
    ask: OversightAsk,
) -> Result<serde_json::Value, Trouble> {
    match ask {
        OversightAsk::AnswerFinding { n, .. } => {
            let v = read_one(site, visitor, sample, Action::AnswerFinding).await?;
            // An answer is about what was found, which of a clip beyond their bounds is not told to them.
            if let Some(drawn) = v.clips.iter().find(|drawn| drawn.n == n) {
                site.not_isolated(visitor, drawn.clip).await?;
                routes::also(site, visitor, Action::AnswerFinding, drawn.clip, &HeaderMap::new()).await?;
            }
        }
        _ => {
            read_one(site, visitor, sample, Action::SeeSamples).await?;
        }
    }
    site.carry_out(&visitor.caller, Request::Oversight { ask }).await
}

/// The numbers of a path: which sample, which of its clips.
fn numbers(sample: &str, n: &str) -> Result<(i64, u32), Trouble> {
    Ok((sample.parse().map_err(|_| Trouble::NoPage)?, n.parse().map_err(|_| Trouble::NoPage)?))
}
