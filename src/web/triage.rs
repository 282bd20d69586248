//! Triage (待标注): the page on which one key decides about a clip, or about a whole outing, and its part of the API.
//! Every decision is a form, so that it works without a script; `assets/triage.js` presses their buttons by keys.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::offers::{self, Among};
use super::present::clips::{Row, row};
use super::present::{self, Ctx, Nav};
use super::routes::{Need, Routes, also};
use super::site::{Access, Site, Visitor};
use super::trouble::{Problem, Trouble};
use super::view::triage::{Offered, TriageCard};
use crate::domain::command::Request;
use crate::domain::grounds::Grounds;
use crate::domain::ids::ClipId;
use crate::domain::report::Figure;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::{Lang, Words};

/// Clips of an outing that one form may carry.
const MOST_ALSO: usize = 200;

/// Page, forms and API.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/triage", Need::May(ListClips), page)
        .post("/triage/{id}/decide", Need::May(LinkClip), decide)
        .get("/api/v1/triage", Need::May(ListClips), list)
        .post("/api/v1/clips/{id}/decision", Need::May(LinkClip), decide_clip)
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct TriageQuery {
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Which page, and what was decided last.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageQuery {
    after: Option<String>,
    done: Option<String>,
    clip: Option<String>,
    case_no: Option<String>,
    also: Option<String>,
    said: Option<String>,
}

/// What is said of a clip beside its case: names of fields.
const SAID: [&str; 2] = ["place", "proves"];

/// A clip that waits, in words.
struct Card {
    id: String,
    row: Row,
    remarks: Vec<String>,
    /// Whom the recorder names: who says so, and the name.
    supposed: Vec<(String, String)>,
    best: Option<Best>,
    others: Vec<(String, String)>,
    outing: String,
    outing_label: Option<String>,
    /// Whose clips that covers, where others recorded some of them.
    outing_of: Option<String>,
    place: Option<Ask>,
    proves: Option<Ask>,
    may_link: bool,
    may_annotate: bool,
}

/// What a page of cards offers.
struct May {
    link: Among,
    annotate: Among,
    /// Suggested cases that have a page for whoever looks.
    cases: Vec<String>,
}

/// A word that the clip lacks, and those that are offered for it.
struct Ask {
    /// What stands in the box: the likeliest, where anything is known about this clip.
    value: String,
    /// Where that comes from.
    from: String,
    /// Each with where it comes from.
    offered: Vec<(String, String)>,
}

fn ask(lacks: bool, offered: &[Offered], c: &Ctx) -> Option<Ask> {
    let surest = offered.first().filter(|o| o.from.is_about_it());
    lacks.then(|| Ask {
        value: surest.map(|o| o.value.clone()).unwrap_or_default(),
        from: surest.map(|o| c.w.offered_by(o.from.as_str(), o.from.clips())).unwrap_or_default(),
        offered: offered.iter().map(|o| (o.value.clone(), c.w.offered_by(o.from.as_str(), o.from.clips()))).collect(),
    })
}

/// What is suggested most surely.
struct Best {
    number: String,
    /// Its page, where it has one for whoever looks.
    href: Option<String>,
    rule: String,
    score: u32,
    reason: String,
}

/// What was decided, so that it can be taken back.
struct Last {
    clip: String,
    case_no: String,
    also: String,
    said: String,
    told: String,
    undone: bool,
}

/// Numbers that were perhaps meant by one that was refused, and what else was asked with it.
struct Meant {
    clip: String,
    numbers: Vec<String>,
    typed: [(&'static str, String); 4],
}

#[derive(Template)]
#[template(path = "triage.html")]
struct TriagePage<'a> {
    c: &'a Ctx,
    cards: Vec<Card>,
    total: String,
    /// How many are not yet linkable, and where they are listed.
    early: Option<(String, String)>,
    last: Option<Last>,
    refusal: Option<String>,
    meant: Option<Meant>,
    next: Option<String>,
    /// What refreshes the list: never a form's own address, and without what was decided last.
    self_href: String,
}

async fn may(site: &Site, visitor: &Visitor, cards: &[TriageCard]) -> Result<May, Trouble> {
    let ids: Vec<ClipId> = cards.iter().map(|k| k.row.id).collect();
    let suggested: Vec<String> = cards.iter().filter_map(|k| k.suggestions.first()).map(|s| s.number.clone()).collect();
    let listed = Some(Action::ListClips);
    Ok(May {
        link: offers::among(site, visitor, &ids, Action::LinkClip, listed).await?,
        annotate: offers::among(site, visitor, &ids, Action::AnnotateClip, listed).await?,
        cases: offers::cases(site, visitor, &suggested).await?,
    })
}

fn card(waiting: &TriageCard, may: &May, c: &Ctx) -> Card {
    let best = waiting.suggestions.first().map(|s| Best {
        number: s.number.clone(),
        href: may.cases.contains(&s.number).then(|| present::case_href(&s.number)),
        rule: c.w.linking_rule(&s.rule).to_owned(),
        score: s.score,
        reason: s.reason.told(c.w.lang),
    });
    let also: Vec<String> = waiting.outing.iter().map(ToString::to_string).collect();
    Card {
        id: waiting.row.id.to_string(),
        may_link: may.link.has(&waiting.row.id),
        may_annotate: may.annotate.has(&waiting.row.id),
        row: row(&waiting.row, c),
        place: ask(waiting.row.missing.contains(&"place"), &waiting.places, c),
        proves: ask(waiting.row.missing.contains(&"proves"), &waiting.proofs, c),
        remarks: waiting.notes.iter().map(|note| c.w.remark(note)).collect(),
        supposed: waiting.supposed.iter().map(|(by, name)| (c.w.origin(by).to_owned(), name.clone())).collect(),
        outing_label: (!also.is_empty()).then(|| c.w.whole_outing(also.len() as u64 + 1)),
        outing_of: (!waiting.partners.is_empty()).then(|| {
            let partners: u64 = waiting.partners.iter().map(|(_, n)| n).sum();
            c.w.outing_of(also.len() as u64 + 1 - partners, &waiting.partners)
        }),
        outing: also.join(","),
        others: waiting
            .suggestions
            .iter()
            .skip(1)
            .map(|s| {
                (s.number.clone(), format!("{} · {} {}", c.w.linking_rule(&s.rule), s.score, s.reason.told(c.w.lang)))
            })
            .collect(),
        best,
    }
}

async fn page(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<PageQuery>) -> Response {
    let answer = async { show(&site, &visitor, q, None, None).await };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    q: PageQuery,
    refusal: Option<String>,
    meant: Option<Meant>,
) -> Result<Response, Trouble> {
    site.log_access(visitor, Access { what: "list", terms: Some("triage"), ..Access::default() }).await?;
    let c = site.ctx(visitor, Nav::Annotate).await?;
    let v = site.pages.triage(q.after.as_deref(), &visitor.who.within(Action::ListClips)).await?;
    // What a link hands in becomes a form here: only what can be the ids of clips may stand in it.
    let last = q.clip.and_then(|id| id.parse::<ClipId>().ok()).zip(q.case_no).map(|(clip, case_no)| {
        let ids = q.also.unwrap_or_default();
        let also: Vec<String> =
            ids.split(',').filter_map(|id| id.parse::<ClipId>().ok()).map(|c| c.to_string()).collect();
        let verdict = q.done.unwrap_or_default();
        let said = q.said.unwrap_or_default();
        let said: Vec<&str> = said.split(',').filter(|name| SAID.contains(name)).collect();
        Last {
            said: said.join(","),
            told: c.w.verdict_line(&verdict, &case_no, also.len() as u64 + 1),
            undone: verdict == "undo",
            clip: clip.to_string(),
            case_no,
            also: also.join(","),
        }
    });
    let may = may(site, visitor, &v.cards).await?;
    let html = TriagePage {
        cards: v.cards.iter().map(|waiting| card(waiting, &may, &c)).collect(),
        total: c.w.to_annotate(v.total),
        early: (v.not_yet_linkable > 0).then(|| {
            (c.w.not_yet_linkable(v.not_yet_linkable), format!("/clips?figure={}", Figure::NotYetLinkable.as_str()))
        }),
        last,
        refusal,
        meant,
        self_href: match q.after.as_deref() {
            Some(after) => format!("/triage?after={}&part=live", present::segment(after)),
            None => "/triage?part=live".to_owned(),
        },
        next: v.next.map(|after| format!("/triage?after={}", present::segment(&after))),
        c: &c,
    }
    .render()?;
    Ok(Html(html).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DecideForm {
    verdict: String,
    case_no: String,
    best: String,
    also: String,
    place: String,
    proves: String,
    said: String,
}

/// A decision as it was asked for.
#[derive(Debug, Default)]
struct Asked {
    verdict: String,
    case_no: String,
    others: Vec<String>,
    /// Of `others` only those that it covers: the number may be another than the one with which the page listed them.
    outing: bool,
    says: Vec<(String, String)>,
    unsay: Vec<String>,
}

impl DecideForm {
    fn asked(&self, w: &Words) -> Result<Asked, Trouble> {
        let ids = || self.also.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let words = [("place", &self.place), ("proves", &self.proves)];
        let said = words.into_iter().filter(|(_, value)| !value.trim().is_empty());
        let mut asked = Asked { case_no: self.case_no.clone(), ..Asked::default() };
        asked.verdict = match self.verdict.as_str() {
            // The button of the whole outing stands in the form of the clip.
            "outing" | "accept" => "accept".to_owned(),
            other => other.to_owned(),
        };
        asked.others = if self.verdict == "accept" { Vec::new() } else { ids() };
        // Without a list nothing was shown, and nothing is meant.
        asked.outing = self.verdict == "outing" && !asked.others.is_empty();
        match asked.verdict.as_str() {
            "accept" => {
                asked.says = said.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
                // Who empties every box means none of what was suggested.
                if asked.case_no.trim().is_empty() && asked.says.is_empty() {
                    return Err(Trouble::Invalid(Why::said(w.triage_nothing)));
                }
            }
            "undo" => asked.unsay = self.said.split(',').filter(|n| SAID.contains(n)).map(str::to_owned).collect(),
            _ => {
                // What was suggested is refused, whatever stands in the box by then.
                asked.others = Vec::new();
                if !self.best.trim().is_empty() {
                    asked.case_no = self.best.clone();
                }
            }
        }
        Ok(asked)
    }
}

async fn decide(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Form<DecideForm>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(form) = body?;
        let typed =
            [("verdict", &form.verdict), ("also", &form.also), ("place", &form.place), ("proves", &form.proves)]
                .map(|(name, value)| (name, value.clone()));
        let done = async {
            let asked = form.asked(visitor.lang.words())?;
            let done = carry_out(&site, &visitor, &headers, &id, &asked).await?;
            Ok((asked, done))
        };
        let (asked, done) = match done.await {
            Ok(done) => done,
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let visitor = Visitor { path: "/triage".to_owned(), ..visitor.clone() };
                let numbers = trouble.meant();
                let meant = (!numbers.is_empty()).then(|| Meant { clip: id.clone(), numbers, typed });
                let html = show(&site, &visitor, PageQuery::default(), refusal, meant).await?;
                return Ok((trouble.status(), html).into_response());
            }
            Err(trouble) => return Err(trouble),
        };
        let case_no = done["case_no"].as_str().unwrap_or(&asked.case_no);
        // As it was done: an outing may come to fewer than the page had listed.
        let done = done["clips"].as_array().into_iter().flatten().filter_map(|c| c.as_str());
        let also: Vec<&str> = done.filter(|clip| *clip != id).collect();
        let said: Vec<&str> = asked.says.iter().map(|(name, _)| name.as_str()).collect();
        let to = format!(
            "/triage?done={}&clip={}&case_no={}&also={}&said={}",
            present::segment(&asked.verdict),
            present::segment(&id),
            present::segment(case_no),
            present::segment(&also.join(",")),
            present::segment(&said.join(","))
        );
        Ok(Redirect::to(&to).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// Asks the daemon, once the right over every clip of it is there.
async fn carry_out(
    site: &Site,
    visitor: &Visitor,
    headers: &HeaderMap,
    id: &str,
    asked: &Asked,
) -> Result<serde_json::Value, Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    if asked.others.len() > MOST_ALSO {
        return Err(Trouble::Invalid(Why::TooManyClips { most: MOST_ALSO as u64 }));
    }
    // What is said of a clip is annotating it, whatever else is decided with it.
    let annotates = !asked.says.is_empty() || !asked.unsay.is_empty();
    if annotates {
        also(site, visitor, Action::AnnotateClip, clip, headers).await?;
    }
    for other in &asked.others {
        let other: ClipId = other.parse().map_err(|_| Trouble::NoClip)?;
        also(site, visitor, Action::LinkClip, other, headers).await?;
        if annotates {
            also(site, visitor, Action::AnnotateClip, other, headers).await?;
        }
    }
    let request = Request::Decide {
        clip: clip.to_string(),
        case_no: Some(asked.case_no.trim().to_owned()).filter(|n| !n.is_empty()),
        verdict: asked.verdict.clone(),
        says: asked.says.clone(),
        unsay: asked.unsay.clone(),
        also: asked.others.clone(),
        outing: asked.outing,
    };
    site.carry_out(&visitor.caller, request).await
}

// --- API -----------------------------------------------------------------------------------------

/// Clips that wait for a person, best-known first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// How many in all.
    pub total: u64,
    /// Clips linked to what there was before a case alone (inspection task, on-the-spot document, 日常检查): no case was opened
    /// yet, nothing of it is missing, and they are in no page of this list. `figure=not_yet_linkable` of the clips lists them.
    pub not_yet_linkable: u64,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// The clips.
    pub clips: Vec<WaitingClip>,
}

/// A clip that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingClip {
    /// The record's id.
    pub record_id: String,
    /// When capture began, RFC 3339.
    pub captured_start: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Where.
    pub place: Option<String>,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// Which of the five it lacks.
    pub missing: Vec<&'static str>,
    /// What the rules found odd: times that cannot be, rows of a roster that disagree.
    pub notes: Vec<String>,
    /// Whom its recorder names, while neither desk nor roster says who had it: confirm one as its `officer`.
    pub supposed_officers: Vec<SupposedOfficer>,
    /// What rules suggest, the surest first.
    pub suggestions: Vec<SuggestedCase>,
    /// Other clips of the same outing that have no case and that one yes for the surest suggestion covers, of partners too.
    pub outing: Vec<String>,
    /// Who captured some of these with a recorder of their own: a decision about all of `outing` covers them.
    pub outing_partners: Vec<OutingPartner>,
    /// Where it may have been, the likeliest first; empty where it has a place.
    pub places: Vec<OfferedWord>,
    /// What it may prove, the likeliest first; empty where that is known.
    pub proofs: Vec<OfferedWord>,
}

/// Somebody who was there too.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutingPartner {
    /// Name or number.
    pub officer: String,
    /// How many clips of `outing` are theirs.
    pub clips: u64,
}

/// A word that may be the missing one.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferedWord {
    /// The word.
    pub value: String,
    /// `outing`, `rule`, `case`, `matter`, `catalogue`.
    pub from: &'static str,
    /// Of `outing`: how many of its clips have it.
    pub clips: Option<u64>,
}

/// Somebody whom a recorder names.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupposedOfficer {
    /// Name or number.
    pub officer: String,
    /// What says so: `sidecar`, `binding`, `file_name`, `config`.
    pub origin: String,
}

/// A link that a rule suggests.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestedCase {
    /// The case's number.
    pub case_no: String,
    /// `desk`, `roster`, `tag`, `earlier`, `neighbour`, `register`, `place`, `recording`.
    pub rule: String,
    /// 0 to 100.
    pub score: u32,
    /// Why, in the language of `Accept-Language`.
    pub reason: String,
    /// The same for programs: objects with a key in `ground`, which never changes its meaning, beside the values that fitted.
    #[schema(value_type = Vec<Object>)]
    pub grounds: Grounds,
}

impl WaitingClip {
    fn of(card: &TriageCard, lang: Lang) -> Self {
        let suggested = |s: &super::view::triage::Suggested| SuggestedCase {
            case_no: s.number.clone(),
            rule: s.rule.clone(),
            score: s.score,
            reason: s.reason.told(lang),
            grounds: s.reason.clone(),
        };
        let word = |o: &Offered| OfferedWord { value: o.value.clone(), from: o.from.as_str(), clips: o.from.clips() };
        Self {
            record_id: card.row.id.to_string(),
            captured_start: card.row.captured.map(|at| at.rfc3339()),
            officer: card.row.officer.clone(),
            place: card.row.place.clone(),
            cases: card.row.cases.clone(),
            missing: card.row.missing.clone(),
            notes: card.notes.clone(),
            supposed_officers: card
                .supposed
                .iter()
                .map(|(origin, officer)| SupposedOfficer { officer: officer.clone(), origin: origin.clone() })
                .collect(),
            suggestions: card.suggestions.iter().map(suggested).collect(),
            outing: card.outing.iter().map(ToString::to_string).collect(),
            outing_partners: card
                .partners
                .iter()
                .map(|(officer, clips)| OutingPartner { officer: officer.clone(), clips: *clips })
                .collect(),
            places: card.places.iter().map(word).collect(),
            proofs: card.proofs.iter().map(word).collect(),
        }
    }
}

/// A person's decision about what rules suggest.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Decision {
    /// `accept`, `refuse` or `undo`.
    pub verdict: String,
    /// Which case; where it is absent, and no place or proof beside it, the surest that is suggested.
    #[serde(default)]
    pub case_no: Option<String>,
    /// With `accept`: where it was captured. Of `also` those get it that lack it.
    #[serde(default)]
    pub place: Option<String>,
    /// With `accept`: what it proves; likewise.
    #[serde(default)]
    pub proves: Option<String>,
    /// With `undo`: which of `place` and `proves` are taken back.
    #[serde(default)]
    pub said: Vec<String>,
    /// The same about these clips.
    #[serde(default)]
    pub also: Vec<String>,
}

/// Clips that wait for a person, best-known first, with what rules suggest.
#[utoipa::path(get, path = "/api/v1/triage", params(TriageQuery), responses(
    (status = 200, body = Waiting), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn list(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<TriageQuery>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("triage"), ..Access::default() }).await?;
        let v = site.pages.triage(q.after.as_deref(), &visitor.who.within(Action::ListClips)).await?;
        let clips = v.cards.iter().map(|card| WaitingClip::of(card, visitor.lang)).collect();
        Ok(Json(Waiting { total: v.total, not_yet_linkable: v.not_yet_linkable, next: v.next, clips }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Decides what rules suggest: a person's word, which no rule overwrites.
#[utoipa::path(post, path = "/api/v1/clips/{id}/decision", params(("id" = String, Path, description = "Record id")),
    request_body = Decision, responses((status = 200, description = "What was decided", body = serde_json::Value),
        (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn decide_clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Decision>, JsonRejection>,
) -> Response {
    let answer = async {
        let Json(d) = body?;
        let words = [("place", d.place), ("proves", d.proves)];
        let says = words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), word?))).collect();
        let (verdict, case_no) = (d.verdict, d.case_no.unwrap_or_default());
        // A program names each of them for this very number.
        let asked = Asked { verdict, case_no, others: d.also, outing: false, says, unsay: d.said };
        let done = carry_out(&site, &visitor, &headers, &id, &asked).await?;
        Ok(Json(done).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}
