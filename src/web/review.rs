//! Legal review (法制审核) of a case: coverage, a clip beside the written record, notes at a second, the opinion as it is
//! printed (《音像记录审查意见》), and the case review sheet (案卷评查). A reviewer sees the cases that stand sent to them, and
//! speaks of no other. A clip or a document is opened as it is everywhere: with the right to watch it, and its entry first.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::guard::WITH_DOCUMENTS;
use super::offers::{self, Offers};
use super::paging::{self, AfterQuery};
use super::present::clip::Screen;
use super::present::clips::{Pill, Row, row};
use super::present::{self, Ctx, Nav, Stamp};
use super::routes::{Need, Routes, also};
use super::site::{Access, Site, Visitor};
use super::trouble::Trouble;
use super::view::Person;
use super::view::clip::ClipView;
use super::view::clips::ClipRow;
use super::view::review::ReviewView;
use crate::domain::command::{Caller, Request};
use crate::domain::coverage::Standing;
use crate::domain::derived::parse_span;
use crate::domain::ids::ClipId;
use crate::domain::oversight::OversightAsk;
use crate::domain::review::{Verdict, place_text, total};
use crate::domain::rights::Action;
use crate::domain::why::Why;

pub mod api;
mod documents;

use documents::{DocumentLine, Opened, ReadLine};

/// Pages and forms.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/review", Need::May(SeeReview), list)
        .get("/review/{number}", Need::May(SeeReview), one)
        .post("/review/{number}/note", Need::Case(ReviewCase), note)
        .post("/review/{number}/withdraw", Need::Case(ReviewCase), withdraw)
        .post("/review/{number}/opinion", Need::Case(ReviewCase), opinion)
        .get("/review/{number}/opinion", Need::May(SeeReview), opinion_page)
        .get("/review/{number}/sheet", Need::May(SeeReview), sheet_page)
        .post("/review/{number}/sheet", Need::Case(MarkCase), sheet)
}

fn href(number: &str) -> String {
    format!("/review/{}", present::segment(number))
}

/// What is opened on the page of a review: a clip, a place in it, a document beside it.
#[derive(Debug, Clone, Default)]
struct At {
    clip: Option<ClipId>,
    t: Option<String>,
    doc: Option<ClipId>,
}

impl At {
    /// From an address or a form. What is no id opens nothing.
    fn of(clip: Option<&str>, t: Option<String>, doc: Option<&str>) -> Self {
        let id = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        Self { clip: id(clip), t, doc: id(doc) }
    }

    /// Without what is none of the case's.
    fn within(self, v: &ReviewView) -> Self {
        let clip = self.clip.filter(|id| v.clips.iter().any(|r| r.id == *id));
        let t = self.t.filter(|t| clip.is_some() && parse_span(t).is_some());
        Self { clip, t, doc: self.doc.filter(|id| documents::find(v, *id).is_some()) }
    }

    /// Its address.
    fn href(&self, number: &str) -> String {
        let pairs = [
            self.clip.map(|id| format!("clip={id}")),
            self.t.as_deref().map(|t| format!("t={}", present::segment(t))),
            self.doc.map(|id| format!("doc={id}")),
        ];
        let pairs: Vec<String> = pairs.into_iter().flatten().collect();
        match pairs.is_empty() {
            true => href(number),
            false => format!("{}?{}", href(number), pairs.join("&")),
        }
    }
}

fn named(person: &Person, c: &Ctx) -> String {
    person.name.clone().unwrap_or_else(|| c.named(&person.actor))
}

async fn read(site: &Site, visitor: &Visitor, number: &str) -> Result<ReviewView, Trouble> {
    site.log_access(visitor, Access { what: "find", case_no: Some(number), ..Access::default() }).await?;
    site.pages.review(number, &visitor.who.within(Action::SeeReview)).await?.ok_or(Trouble::NoCase)
}

// --- Pages ---------------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "reviews.html")]
struct ListPage<'a> {
    c: &'a Ctx,
    cases: Vec<(String, String)>,
    next: Option<String>,
    self_href: String,
}

async fn list(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<AfterQuery>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "list", terms: Some("reviews"), ..Access::default() }).await?;
        let c = site.ctx(&visitor, Nav::Review).await?;
        let sent = site.pages.sent_cases(&visitor.who.within(Action::SeeReview), q.place()).await?;
        let cases = sent.numbers.into_iter().map(|n| (href(&n), n)).collect();
        let next = sent.next.map(|next| paging::href("/review", &[], &next));
        Ok(Html(ListPage { c: &c, cases, next, self_href: visitor.part_href() }.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

struct CoverageLine {
    stage: String,
    matter: String,
    pill: Pill,
    length: String,
}

struct NoteLine {
    note: i64,
    place: String,
    href: String,
    clip: String,
    words: String,
    by: String,
    at: Stamp,
    mine: bool,
}

struct OpinionLine {
    pill: Pill,
    verdict: &'static str,
    words: String,
    coverage: String,
    by: String,
    at: Stamp,
}

fn coverage_lines(v: &ReviewView, c: &Ctx) -> Vec<CoverageLine> {
    v.coverage
        .lines
        .iter()
        .map(|l| {
            let class = match l.standing {
                Standing::Missing | Standing::Interrupted => "fail",
                Standing::Explained | Standing::Late => "ask",
                Standing::Present => "safe",
                Standing::Replaced | Standing::NotYetDue => "idle",
            };
            CoverageLine {
                stage: l.item.stage.clone().unwrap_or_default(),
                matter: l.item.matter.clone(),
                pill: Pill::new(class, c.w.standing(l.standing)),
                length: if l.recorded_ms > 0 { c.w.footage(l.recorded_ms) } else { c.w.none_dash.to_owned() },
            }
        })
        .collect()
}

/// Notes, each with the address that opens its place beside what is opened already.
fn notes(v: &ReviewView, at: &At, c: &Ctx) -> Vec<NoteLine> {
    v.notes
        .iter()
        .map(|n| NoteLine {
            note: n.note,
            place: place_text(n.at_ms),
            href: At { clip: Some(n.clip), t: Some((n.at_ms / 1000).to_string()), doc: at.doc }.href(&v.number),
            clip: clip_label(v, n.clip, c),
            words: n.words.clone(),
            by: named(&n.by, c),
            at: c.near(n.noted),
            mine: c.who.actor() == n.by.actor,
        })
        .collect()
}

/// A clip by when it was captured, else by its file.
fn clip_label(v: &ReviewView, clip: ClipId, c: &Ctx) -> String {
    match v.clips.iter().find(|r| r.id == clip) {
        Some(r) => r.captured.map_or_else(|| r.file_name.clone(), |at| c.stamp(at).text),
        None => clip.to_string(),
    }
}

fn opinions(v: &ReviewView, c: &Ctx) -> Vec<OpinionLine> {
    v.opinions
        .iter()
        .map(|o| {
            let class = match o.verdict {
                Verdict::Agree => "safe",
                Verdict::Supplement => "ask",
                Verdict::Return => "fail",
            };
            let stood = o.coverage.iter().filter(|(_, n)| *n > 0).filter_map(|(word, n)| {
                let standing = Standing::ALL.into_iter().find(|s| s.as_str() == word)?;
                Some(format!("{} {}", c.w.standing(standing), c.w.number(*n)))
            });
            OpinionLine {
                pill: Pill::new(class, c.w.opinion(o.verdict)),
                verdict: c.w.opinion(o.verdict),
                words: o.words.clone(),
                coverage: stood.collect::<Vec<_>>().join(" · "),
                by: named(&o.by, c),
                at: c.stamp(o.given),
            }
        })
        .collect()
}

/// What is known of the case, label and value.
fn facts(v: &ReviewView, c: &Ctx) -> Vec<(&'static str, String)> {
    let o = c.w.oversight();
    let mut facts = vec![(o.col_case, v.number.clone())];
    let known = [(o.party, &v.party), (o.cause, &v.cause), (o.kind, &v.kind)];
    facts.extend(known.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))));
    facts
}

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    case_href: String,
    base: String,
    refusal: Option<String>,
    facts: Vec<(&'static str, String)>,
    coverage: Vec<CoverageLine>,
    clips: Vec<(Row, String, bool)>,
    documents: Vec<DocumentLine>,
    /// The document beside the clip, and its id.
    opened: Option<Opened>,
    doc: String,
    /// The clip that is looked at: its id, label and player.
    id: String,
    shown: Option<String>,
    screen: Option<Screen>,
    typed: NoteForm,
    notes: Vec<NoteLine>,
    opinions: Vec<OpinionLine>,
    verdicts: Vec<(&'static str, &'static str)>,
    marked: Option<String>,
    /// What may be done to this case.
    m: Offers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReviewQuery {
    clip: Option<String>,
    t: Option<String>,
    doc: Option<String>,
}

/// Opens a clip or a document: seeing the case is one right, this is another, and why may be asked.
async fn open(site: &Site, visitor: &Visitor, clip: ClipId, headers: &HeaderMap) -> Result<ClipView, Trouble> {
    let said = also(site, visitor, Action::PlayClip, clip, headers).await?;
    let purpose = said.or_else(|| visitor.caller.purpose.clone());
    let visitor = Visitor { caller: Caller { purpose, ..visitor.caller.clone() }, ..visitor.clone() };
    site.log_access(&visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
    site.pages.clip(clip).await?.ok_or(Trouble::NoClip)
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    (at, headers): (At, &HeaderMap),
    (refusal, typed): (Option<String>, NoteForm),
) -> Result<Response, Trouble> {
    let v = read(site, visitor, number).await?;
    let at = at.within(&v);
    let (mut screen, mut shown, mut opened) = (None, None, None);
    let c = site.ctx(visitor, Nav::Review).await?;
    if let Some(clip) = at.clip {
        let view = open(site, visitor, clip, headers).await?;
        screen = present::clip::screen(&view, at.t.as_deref(), c.w);
        shown = Some(clip_label(&v, clip, &c));
    }
    if let Some(doc) = at.doc {
        let view = open(site, visitor, doc, headers).await?;
        let save = offers::of_clip(site, visitor, doc).await?.has(Action::DownloadClip);
        opened = documents::opened(&v, &view, save);
    }
    let id = |id: Option<ClipId>| id.map(|id| id.to_string()).unwrap_or_default();
    // A clip that is of the case in part begins where that part does.
    let beside = |r: &ClipRow| {
        let t = r.part.map(|part| part.query().trim_start_matches("t=").to_owned());
        At { clip: Some(r.id), t, doc: at.doc }.href(&v.number)
    };
    let base = href(&v.number);
    let html = ReviewPage {
        number: &v.number,
        case_href: present::case_href(&v.number),
        refusal,
        facts: facts(&v, &c),
        coverage: coverage_lines(&v, &c),
        clips: v.clips.iter().map(|r| (row(r, &c), beside(r), Some(r.id) == at.clip)).collect(),
        documents: documents::lines(&v, &at, &c),
        opened,
        doc: id(at.doc),
        id: id(at.clip),
        shown,
        screen,
        typed,
        notes: notes(&v, &at, &c),
        opinions: opinions(&v, &c),
        verdicts: Verdict::ALL.iter().map(|x| (x.as_str(), c.w.opinion(*x))).collect(),
        marked: v.sheets.first().map(|s| {
            let (points, most) = total(&s.marks);
            format!("{points} / {most}")
        }),
        m: offers::of_case(site, visitor, &v.number, &[], &[Action::ReviewCase]).await?,
        base,
        c: &c,
    };
    Ok(([(header::CONTENT_SECURITY_POLICY, WITH_DOCUMENTS)], Html(html.render()?)).into_response())
}

async fn one(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<ReviewQuery>,
    headers: HeaderMap,
) -> Response {
    let at = At::of(q.clip.as_deref(), q.t, q.doc.as_deref());
    let shown = show(&site, &visitor, &number, (at, &headers), (None, NoteForm::default())).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NoteForm {
    clip: String,
    doc: String,
    at: String,
    words: String,
    note: String,
    verdict: String,
}

/// Carries a form's request out about a case that whoever asks may see.
async fn change(
    site: &Site,
    visitor: &Visitor,
    (number, headers): (&str, &HeaderMap),
    body: Result<Form<NoteForm>, FormRejection>,
    ask: impl FnOnce(&NoteForm) -> Result<OversightAsk, Trouble>,
) -> Response {
    let answer = async {
        let Form(form) = body?;
        let done = async {
            read(site, visitor, number).await?;
            site.carry_out(&visitor.caller, Request::Oversight { ask: ask(&form)? }).await
        };
        let at = At::of(Some(&form.clip), None, Some(&form.doc));
        let back = at.href(number);
        match done.await {
            Ok(_) => Ok(Redirect::to(&back).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                // The page belongs to the case, not to the form's address.
                let visitor = Visitor { path: back, ..visitor.clone() };
                let again = (refusal.clone(), form.clone());
                let html = match show(site, &visitor, number, (at, headers), again).await {
                    // Why they look was forgotten meanwhile: what was typed is worth more than the picture beside it.
                    Err(Trouble::Purpose(_)) => {
                        show(site, &visitor, number, (At::default(), headers), (refusal, form)).await?
                    }
                    shown => shown?,
                };
                Ok((trouble.status(), html).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(site, visitor))
}

async fn note(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Result<Form<NoteForm>, FormRejection>,
) -> Response {
    let case_no = number.clone();
    change(&site, &visitor, (&number, &headers), body, |f| {
        f.clip.parse::<ClipId>().map_err(|_| Trouble::NoClip)?;
        Ok(OversightAsk::NoteReview { case_no, clip: f.clip.clone(), at: f.at.clone(), words: f.words.clone() })
    })
    .await
}

async fn withdraw(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Result<Form<NoteForm>, FormRejection>,
) -> Response {
    let case_no = number.clone();
    change(&site, &visitor, (&number, &headers), body, |f| {
        let note = f.note.parse().map_err(|_| Trouble::Invalid(Why::Unsaid))?;
        Ok(OversightAsk::WithdrawNote { case_no, note })
    })
    .await
}

async fn opinion(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Result<Form<NoteForm>, FormRejection>,
) -> Response {
    let case_no = number.clone();
    change(&site, &visitor, (&number, &headers), body, |f| {
        Ok(OversightAsk::GiveOpinion { case_no, verdict: f.verdict.clone(), words: f.words.clone() })
    })
    .await
}

#[derive(Template)]
#[template(path = "opinion.html")]
struct OpinionPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    base: String,
    facts: Vec<(&'static str, String)>,
    coverage: Vec<CoverageLine>,
    clips: String,
    documents: String,
    /// What was looked at of the written record, and the titles of what was not.
    read: Vec<ReadLine>,
    unread: Vec<String>,
    notes: Vec<NoteLine>,
    newest: Option<OpinionLine>,
    earlier: Vec<OpinionLine>,
    made: Stamp,
}

async fn opinion_page(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        let v = read(&site, &visitor, &number).await?;
        let c = site.ctx(&visitor, Nav::Review).await?;
        let mut given = opinions(&v, &c).into_iter();
        let (read, unread) = documents::read_for_opinion(&v, &c);
        let html = OpinionPage {
            number: &v.number,
            base: href(&v.number),
            facts: facts(&v, &c),
            coverage: coverage_lines(&v, &c),
            clips: c.w.videos(v.clips.len() as u64),
            documents: c.w.number(v.documents.len() as u64),
            read,
            unread,
            notes: notes(&v, &At::default(), &c),
            newest: given.next(),
            earlier: given.collect(),
            made: c.clock(),
            c: &c,
        };
        Ok(Html(html.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

struct MarkLine {
    item: String,
    most: u32,
    points: u32,
    remark: String,
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    base: String,
    refusal: Option<String>,
    facts: Vec<(&'static str, String)>,
    sheets: Vec<(Vec<MarkLine>, String, String, Stamp)>,
    form: Vec<MarkLine>,
    /// What may be done to this case.
    m: Offers,
}

async fn show_sheet(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    refusal: Option<String>,
    typed: Option<&[(u32, String)]>,
) -> Result<Response, Trouble> {
    let v = read(site, visitor, number).await?;
    let visitor = Visitor { path: format!("{}/sheet", href(&v.number)), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Review).await?;
    let sheets = v
        .sheets
        .iter()
        .map(|s| {
            let lines = s.marks.iter().map(|m| MarkLine {
                item: m.item.clone(),
                most: m.most,
                points: m.points,
                remark: m.remark.clone(),
            });
            let (points, most) = total(&s.marks);
            (lines.collect(), format!("{points} / {most}"), named(&s.by, &c), c.stamp(s.made))
        })
        .collect();
    let form = v
        .marks
        .iter()
        .enumerate()
        .map(|(n, (item, most))| {
            let typed = typed.and_then(|t| t.get(n));
            MarkLine {
                item: item.clone(),
                most: *most,
                points: typed.map_or(*most, |t| t.0),
                remark: typed.map(|t| t.1.clone()).unwrap_or_default(),
            }
        })
        .collect();
    let m = offers::of_case(site, &visitor, &v.number, &[], &[Action::MarkCase]).await?;
    let html =
        SheetPage { number: &v.number, base: href(&v.number), refusal, facts: facts(&v, &c), sheets, form, m, c: &c };
    Ok(Html(html.render()?).into_response())
}

async fn sheet_page(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let shown = show_sheet(&site, &visitor, &number, None, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

async fn sheet(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let answer = async {
        let Form(fields) = body?;
        let v = read(&site, &visitor, &number).await?;
        let text = |name: String| fields.iter().find(|(k, _)| *k == name).map(|(_, v)| v.trim()).unwrap_or_default();
        let marks = (0..v.marks.len())
            .map(|n| {
                let points = text(format!("points-{n}"));
                let points = points
                    .parse::<u32>()
                    .map_err(|_| Trouble::Invalid(Why::NotANumber { typed: points.to_owned() }))?;
                Ok((points, text(format!("remark-{n}")).to_owned()))
            })
            .collect::<Result<Vec<_>, Trouble>>()?;
        let ask = OversightAsk::MarkCase { case_no: number.clone(), marks: marks.clone() };
        match site.carry_out(&visitor.caller, Request::Oversight { ask }).await {
            Ok(_) => Ok(Redirect::to(&format!("{}/sheet", href(&number))).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                let html = show_sheet(&site, &visitor, &number, refusal, Some(&marks)).await?;
                Ok((trouble.status(), html).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}
