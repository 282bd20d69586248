//! The list of samples with the ranking of units, and the form that draws one.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{PeriodQuery, named, standing_pill, unit_name};
use crate::domain::command::Request;
use crate::domain::oversight::OversightAsk;
use crate::domain::report::Period;
use crate::domain::rights::Action;
use crate::domain::supervision::Rank;
use crate::domain::why::Why;
use crate::web::paging;
use crate::web::present::clips::Pill;
use crate::web::present::reports::Cell;
use crate::web::present::{Ctx, Nav, Stamp, segment};
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::view::sampling::{SamplesQuery, SamplesView};

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
    self_href: String,
    period: Option<String>,
    /// Units with the one that was chosen.
    units: Vec<(String, bool)>,
    /// What stands in the form that draws.
    draw: DrawForm,
    /// It was refused.
    again: bool,
    checklist: Vec<String>,
    rows: Vec<ListLine>,
    next: Option<String>,
    ranks: Vec<RankLine>,
}

fn period_name(word: &str, c: &Ctx) -> String {
    Period::parse(word).map_or_else(|_| word.to_owned(), |p| c.w.period(p))
}

fn rank_line(rank: &Rank, v: &SamplesView, asked: &SamplesQuery, c: &Ctx) -> RankLine {
    let w = c.w;
    let whole = v.next.is_none() && asked.after.is_none() && asked.unit.is_none();
    let mut samples = v.rows.iter().filter(|s| s.unit == rank.unit).map(|s| s.sample);
    let href = match (samples.next(), samples.next()) {
        // Known to be the only one where all of them are on this page.
        (Some(only), None) if whole => format!("/sampling/{only}"),
        _ => {
            let pairs = pairs(asked.period, Some(&rank.unit)).join("&");
            format!("/sampling?{pairs}#h-samples")
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

/// What the list is narrowed to, as an address has it.
fn pairs(period: Option<Period>, unit: Option<&str>) -> Vec<String> {
    let period = period.map(|p| format!("period={}", segment(&p.to_string())));
    let unit = unit.map(|u| format!("unit={}", if u.is_empty() { "-".to_owned() } else { segment(u) }));
    [period, unit].into_iter().flatten().collect()
}

fn list_page<'a>(
    v: SamplesView,
    asked: &SamplesQuery,
    (refusal, typed, self_href): (Option<String>, Option<DrawForm>, String),
    c: &'a Ctx,
) -> ListPage<'a> {
    let period = asked.period;
    let ranks = v.ranks.iter().map(|r| rank_line(r, &v, asked, c)).collect();
    let next = v.next.as_deref().map(|n| paging::href("/sampling", &pairs(period, asked.unit.as_deref()), n));
    let today = c.now.zoned(&c.zone).date();
    let rows = v
        .rows
        .iter()
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
    let again = typed.is_some();
    let draw = typed.unwrap_or_else(|| DrawForm {
        period: Period::month_of(today).to_string(),
        unit: String::new(),
        count: "5".to_owned(),
    });
    ListPage {
        refusal,
        self_href,
        period: period.map(|p| p.to_string()),
        units: v.units.into_iter().map(|u| (u == draw.unit, u)).map(|(chosen, u)| (u, chosen)).collect(),
        draw,
        again,
        checklist: v.checklist,
        rows,
        next,
        ranks,
        c,
    }
}

async fn show_list(
    site: &Site,
    visitor: &Visitor,
    asked: &SamplesQuery,
    (refusal, typed): (Option<String>, Option<DrawForm>),
) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("samples"), ..Access::default() }).await?;
    // The page belongs to the list, not to a form's address.
    let path = if visitor.safe { visitor.path.clone() } else { "/sampling".to_owned() };
    let visitor = Visitor { path, ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Sampling).await?;
    let v = site.pages.samples(asked, &visitor.who.within(Action::SeeSamples)).await?;
    Ok(Html(list_page(v, asked, (refusal, typed, visitor.part_href()), &c).render()?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    period: Option<String>,
    unit: Option<String>,
    after: Option<String>,
}

pub(super) async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<ListQuery>) -> Response {
    let answer = async {
        let period = PeriodQuery { period: q.period }.resolve()?;
        let unit = q.unit.map(|u| u.trim().to_owned()).filter(|u| !u.is_empty());
        let unit = unit.map(|u| if u == "-" { String::new() } else { u });
        let after = paging::filled(q.after.as_deref()).map(str::to_owned);
        show_list(&site, &visitor, &SamplesQuery { period, unit, after }, (None, None)).await
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DrawForm {
    period: String,
    unit: String,
    count: String,
}

pub(super) async fn draw(
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
                let again = (refusal, Some(form));
                Ok((trouble.status(), show_list(&site, &visitor, &SamplesQuery::default(), again).await?)
                    .into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}
