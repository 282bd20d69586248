//! The list of cases, and the page of one. The forms on it are those of `keeping`, `coverage` and `sent`.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Answer, DoneQuery, answered, page};
use crate::domain::document::DocumentKind;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::store::MOST_LINKS;
use crate::web::offers::{self, Offers};
use crate::web::present::clips::{CaseLine, Pill, Row};
use crate::web::present::{self, Ctx, Nav};
use crate::web::refused::Refused;
use crate::web::site::{Access, Site, Visitor};
use crate::web::view::case::{CaseAnswer, CaseView};
use crate::web::view::keeping::CaseKept;
use crate::web::view::timeline::{Bar, Gap, Timeline};
use crate::web::{coverage, keeping, looks, office};

/// What is done to a case by doing it to each of its clips.
const OVER_EACH_CLIP: [Action; 3] = [Action::CloseCase, Action::PlaceHold, Action::SendToReview];

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage<'a> {
    c: &'a Ctx,
    query: &'a str,
    near: Vec<(String, String)>,
    rows: Vec<CaseLine>,
    blank: Option<(&'static str, &'static str)>,
    next: Option<String>,
    self_href: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CasesQuery {
    #[serde(default)]
    query: String,
    #[serde(default)]
    after: Option<String>,
}

pub(super) async fn cases(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<CasesQuery>) -> Response {
    let answer = async { list_cases(&site, &visitor, q.query.trim(), q.after.as_deref(), Vec::new()).await };
    answered(&site, &visitor, answer.await)
}

async fn list_cases(site: &Site, visitor: &Visitor, query: &str, after: Option<&str>, near: Vec<String>) -> Answer {
    let what = if query.is_empty() { "list" } else { "find" };
    site.log_access(visitor, Access { what, terms: Some(query), ..Access::default() }).await?;
    let c = site.ctx(visitor, Nav::Cases).await?;
    let v = site.pages.cases(query, after, &visitor.who.within(Action::FindCase)).await?;
    // What is refused as a number is told what was perhaps meant, however it was looked for.
    let mut near = near;
    if v.rows.is_empty() && !query.is_empty() {
        near.extend(site.pages.meant(query));
        let mut told = std::collections::BTreeSet::new();
        near.retain(|n| told.insert(n.clone()));
    }
    let open = offers::cases(site, visitor, &near).await?;
    let blank = v.rows.is_empty().then_some(match v.nothing_yet {
        true => (c.w.no_cases, c.w.no_cases_detail),
        false => (c.w.no_case_match, c.w.no_case_match_detail),
    });
    page(&CasesPage {
        query,
        // A number that was perhaps meant may be that of no case: it is looked for.
        near: near
            .into_iter()
            .map(|n| {
                let looked_for = || format!("/cases?query={}", present::segment(&n));
                let href = if open.contains(&n) { present::case_href(&n) } else { looked_for() };
                (n, href)
            })
            .collect(),
        rows: v.rows.iter().map(|r| present::clips::case_line(r, &c)).collect(),
        blank,
        next: v.next.map(|n| format!("/cases?query={}&after={}", present::segment(query), present::segment(&n))),
        self_href: visitor.part_href(),
        c: &c,
    })
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage<'a> {
    c: &'a Ctx,
    documents: Vec<present::case::DocumentLine>,
    kinds: Vec<(&'static str, &'static str)>,
    documents_href: String,
    v: &'a CaseView,
    about: String,
    pills: Vec<Pill>,
    coverage: Vec<present::case::CoverageLine>,
    coverage_href: String,
    reasons: coverage::ReasonBlock,
    t: Timeline,
    undrawn: String,
    total: String,
    width: String,
    rows: Vec<Row>,
    in_case: bool,
    picks: bool,
    cut: bool,
    list_href: String,
    export_href: String,
    together_href: String,
    self_href: String,
    looks: Option<looks::LookBlock>,
    kept: keeping::CaseBlock,
    /// What may be done to this case.
    m: Offers,
    /// Why nothing is done with the whole of it, where it is what there was before a case and has too many clips.
    large: Option<String>,
    /// Packages of it may be asked for.
    exports: bool,
    /// Its live part is asked for at most once in so many seconds; 0: as often as there is news.
    pace_s: u64,
    /// It has a page of its review for whoever looks.
    reviewed: bool,
    /// The page of its party: parties are found by what is recorded.
    party_href: Option<String>,
    done: Option<&'static str>,
    refusal: Option<String>,
    /// What was typed into the form that was refused.
    refused: Refused,
}

impl CasePage<'_> {
    /// What a stretch without recording says.
    fn gap_label(&self, gap: &Gap) -> String {
        self.c.w.uncovered(gap.ms)
    }

    /// What a bar says when it is pointed at, or read out.
    fn bar_label(&self, bar: &Bar) -> String {
        let (w, zone) = (self.c.w, &self.c.zone);
        let mut label = format!("{} – {}", w.day_time(bar.start, zone), w.time(bar.end, zone));
        if let Some(officer) = &bar.officer {
            label.push_str(&format!(" · {officer}"));
        }
        label.push_str(&format!(" · {}", w.state(bar.state)));
        label
    }
}

pub(super) async fn case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<DoneQuery>,
) -> Response {
    let done = q.done.as_deref().and_then(|word| keeping::done(word, visitor.lang.words()));
    show_case(&site, &visitor, &number, done, (None, Refused::default())).await
}

/// What is refused of it, since it would be done with too many clips at once. What stands sent may be called back.
fn refused_of(v: &CaseView, kept: &CaseKept) -> &'static [Action] {
    match (v.large, kept.sent.is_empty()) {
        (false, _) => &[],
        (true, false) => &[Action::CloseCase, Action::PlaceHold],
        (true, true) => &OVER_EACH_CLIP,
    }
}

/// The page of a case, after a form with a word of success, or a refusal with what was typed.
pub(in crate::web) async fn show_case(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    done: Option<&'static str>,
    (refusal, refused): (Option<String>, Refused),
) -> Response {
    let answer = async {
        site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
        let v = match site.pages.case(number, &visitor.who.within(Action::FindCase)).await? {
            CaseAnswer::Found(v) => v,
            CaseAnswer::Near(near) => {
                let html = list_cases(site, visitor, number, None, near).await?;
                return Ok((StatusCode::NOT_FOUND, html).into_response());
            }
        };
        // Holds and filing are of the whole case.
        let kept = if v.known { site.pages.case_kept(&v.number).await? } else { CaseKept::default() };
        let c = site.ctx(visitor, Nav::Cases).await?;
        let looked = match c.may(Action::SeeLooks.as_str()) {
            true => Some(site.pages.looks(&v.number, &visitor.who.within(Action::SeeLooks), None, looks::FIRST).await?),
            false => None,
        };
        // What is offered stands beside the part that refreshes itself.
        let (m, releasable) = match visitor.part {
            true => (Offers::default(), Vec::new()),
            false => (
                offers::of_case(site, visitor, &v.number, &OVER_EACH_CLIP, &[Action::FileDocument])
                    .await?
                    .without(refused_of(&v, &kept)),
                offers::releasable(site, visitor, &kept.holds).await?,
            ),
        };
        let has_any = c.is_open() || v.clips_total > 0 || !v.documents.is_empty();
        let reviewed = has_any && !v.large && offers::has_review(site, visitor, &v.number).await?;
        let w = c.w;
        let mut about: Vec<String> = [&v.party, &v.cause, &v.enforcement_kind].into_iter().flatten().cloned().collect();
        if v.kind != "case" {
            about.insert(0, w.case_kind(&v.kind).into());
        }
        let total = if v.more { w.at_least(v.clips_total) } else { w.clips_in_all(v.clips_total) };
        match v.more {
            true => about.push(total.clone()),
            false => about.extend([w.videos(v.clips_total), w.footage(v.duration_ms), w.size(v.bytes)]),
        }
        let mut pills = Vec::new();
        if v.clips_total > 0 && !v.more {
            let all = v.proven == v.clips_total;
            let text = format!("{} {}/{}", w.state_proven, w.number(v.proven), w.number(v.clips_total));
            pills.push(Pill::new(if all { "safe" } else { "hold" }, text));
        }
        if v.incomplete > 0 {
            pills.push(Pill { class: "ask", icon: "tag", text: w.to_annotate(v.incomplete) });
        }
        let t = Timeline::draw(&v.clips, &c.zone);
        page(&CasePage {
            documents: present::case::documents(&v.documents, &c),
            kinds: DocumentKind::ALL.iter().map(|k| (k.as_str(), w.document_kind(*k))).collect(),
            documents_href: format!("{}/documents", present::case_href(&v.number)),
            about: about.join(" · "),
            pills,
            coverage: present::case::coverage(&v.coverage, &c),
            coverage_href: format!("{}/coverage", present::case_href(&v.number)),
            reasons: coverage::reason_block(&v, &refused, &c),
            width: t.width_px.map_or_else(|| "100%".to_owned(), |px| px.to_string()),
            undrawn: w.not_drawn(t.undrawn),
            total,
            t,
            rows: v.clips.iter().map(|r| present::clips::row(r, &c)).collect(),
            in_case: true,
            picks: false,
            cut: v.more || (v.clips.len() as u64) < v.clips_total,
            list_href: format!("/clips?case={}", present::segment(&v.number)),
            export_href: format!("{}/export", present::case_href(&v.number)),
            together_href: format!("{}/together", present::case_href(&v.number)),
            self_href: visitor.part_href(),
            looks: looked.map(|looked| looks::block(&v.number, &looked, &c)),
            kept: keeping::case_block(&v.number, &kept, &releasable, &c),
            m,
            large: v.large.then(|| Why::LargeReference { most: MOST_LINKS }.told(w.lang)),
            exports: c.may(Action::ExportCase.as_str()) && !v.large,
            pace_s: present::pace_s(v.clips_total),
            reviewed,
            party_href: v.party.as_deref().filter(|_| has_any).map(office::parties::party_href),
            done,
            refusal,
            refused,
            v: &v,
            c: &c,
        })
    };
    answered(site, visitor, answer.await)
}
