//! The pages: a handler reads a view, logs the access, puts it into words and renders a template. Changes are
//! forms that post and redirect, so that everything works without a script.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::present::clip::{CopyLine, EntryLine, FactLine, Input, LinkLine, Screen};
use super::present::clips::{CaseLine, Chip, Pill, Row};
use super::present::derived::DerivedLine;
use super::present::station::{BoardCard, Station};
use super::present::{self, Ctx, Nav, Stamp};
use super::routes::{self, Need, Routes};
use super::site::{Access, LANGUAGE_COOKIE, Site, Visitor};
use super::trouble::Trouble;
use super::view::case::{CaseAnswer, CaseView};
use super::view::clip::{ClipView, CustodyEntry, Playable};
use super::view::clips::{ClipsQuery, Missing};
use super::view::derived::DerivedView;
use super::view::keeping::{CaseKept, Kept};
use super::view::station::{STAGES, StationView};
use super::view::timeline::{Bar, Gap, Timeline};
use super::wire::RawClipsQuery;
use crate::domain::clip::Delivery;
use crate::domain::command::Request;
use crate::domain::document::DocumentKind;
use crate::domain::ids::ClipId;
use crate::domain::record::Field;
use crate::domain::rights::Action;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::time::position_ms;
use crate::domain::why::Why;
use crate::domain::words::Lang;

/// Rows on a page of the list of clips.
const ROWS: u32 = 50;
/// Labels that can be given to several clips at once; what may be a state secret is isolated clip by clip.
const LABELS: [Sensitivity; 4] =
    [Sensitivity::WorkSecret, Sensitivity::TradeSecret, Sensitivity::Privacy, Sensitivity::Minor];
/// Fields that can be set for several clips at once: what an outing shares.
const SEVERAL: [Field; 7] =
    [Field::Place, Field::Proves, Field::Officer, Field::CoOfficers, Field::Matter, Field::Stage, Field::PartyRef];

/// All pages and forms.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/", Need::May(SeeStation), station)
        .get("/kiosk", Need::Anyone, kiosk)
        .get("/clips", Need::May(ListClips), clips)
        .get("/clips/{id}", Need::May(ShowClip), clip)
        .post("/clips/{id}/link", Need::May(LinkClip), link)
        .post("/clips/{id}/unlink", Need::May(LinkClip), unlink)
        .post("/clips/{id}/annotate", Need::May(AnnotateClip), annotate)
        .post("/clips/{id}/push", Need::May(PushClip), push)
        .get("/cases", Need::May(FindCase), cases)
        .get("/cases/{number}", Need::May(FindCase), case)
        .post("/language", Need::Anyone, language)
}

/// Where nothing is.
pub async fn not_found(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    Trouble::NoPage.answer(&site, &visitor)
}

/// Where something is, but not for this method.
pub async fn method_not_allowed(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    Trouble::Method.answer(&site, &visitor)
}

type Answer = Result<Response, Trouble>;

fn page<T: Template>(template: &T) -> Answer {
    Ok(Html(template.render()?).into_response())
}

fn answered(site: &Site, visitor: &Visitor, answer: Answer) -> Response {
    answer.unwrap_or_else(|trouble| trouble.page(site, visitor))
}

// --- Station and bay board -----------------------------------------------------------------------

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage<'a> {
    c: &'a Ctx,
    v: Station,
    windows: Vec<(String, String, Stamp)>,
}

impl StationPage<'_> {
    /// When a destination's window opens or shuts.
    fn window_of(&self, destination: &str) -> Option<&(String, String, Stamp)> {
        self.windows.iter().find(|(name, ..)| name == destination)
    }
}

async fn station(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Station).await?;
        let view = looked_at(&site, &visitor).await?;
        let v = present::station::station(&view, &c);
        let office = site.pages.office();
        let windows = office.premises().windows().into_iter().map(|window| {
            let told = if window.open { c.w.office().window_shuts } else { c.w.office().window_opens };
            (window.destination, told.to_owned(), c.near(window.turns))
        });
        page(&StationPage { v, windows: windows.collect(), c: &c })
    };
    answered(&site, &visitor, answer.await)
}

/// A part that refreshes itself shares what others have read of the same moment.
async fn looked_at(site: &Site, visitor: &Visitor) -> Result<Arc<StationView>, Trouble> {
    match visitor.part {
        true => Ok(site.shared().await?.0),
        false => Ok(Arc::new(site.pages.station().await?)),
    }
}

#[derive(Template)]
#[template(path = "kiosk.html")]
struct KioskPage<'a> {
    c: &'a Ctx,
    cards: Vec<BoardCard>,
    size: &'static str,
}

async fn kiosk(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Other).await?;
        let view = looked_at(&site, &visitor).await?;
        let cards: Vec<_> = view.bays.iter().map(|b| present::station::board_card(b, c.w)).collect();
        let size = match cards.len() {
            0..=8 => "k8",
            9..=15 => "k15",
            _ => "k30",
        };
        page(&KioskPage { c: &c, cards, size })
    };
    answered(&site, &visitor, answer.await)
}

// --- Clips ---------------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "clips.html")]
struct ClipsPage<'a> {
    c: &'a Ctx,
    heading: &'static str,
    q: &'a ClipsQuery,
    missing: &'static str,
    /// Word, name and whether it is the one asked for.
    states: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<Row>,
    in_case: bool,
    picks: bool,
    fields: Vec<(&'static str, &'static str)>,
    labels: Vec<&'static str>,
    chips: Vec<Chip>,
    total: Option<String>,
    blank: Option<(&'static str, &'static str)>,
    next: Option<String>,
    back: Option<String>,
    /// Which of them are on this page.
    place: Option<String>,
    first_href: String,
    self_href: String,
}

fn clips_href(query: &str, after: Option<&str>) -> String {
    let after = after.map(|a| format!("after={}", present::segment(a)));
    let parts: Vec<&str> =
        [query, after.as_deref().unwrap_or_default()].into_iter().filter(|p| !p.is_empty()).collect();
    if parts.is_empty() { "/clips".into() } else { format!("/clips?{}", parts.join("&")) }
}

/// How many clips stand before this page, as the links between pages carry it: only for the eye.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlaceQuery {
    at: String,
}

async fn clips(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(raw): Query<RawClipsQuery>,
    Query(place): Query<PlaceQuery>,
) -> Response {
    let answer = async {
        let q = raw.resolve(ROWS)?;
        let terms = q.to_query_string();
        let what = if q.is_filtered() { "search" } else { "list" };
        site.log_access(&visitor, Access { what, terms: Some(&terms), ..Access::default() }).await?;
        let only_missing = q.missing == Some(Missing::Any);
        let c = site.ctx(&visitor, if only_missing { Nav::Annotate } else { Nav::Clips }).await?;
        let v = site.pages.clips(&q, &visitor.who.within(Action::ListClips)).await?;
        let at = place.at.parse::<u64>().unwrap_or(0).min(v.total.unwrap_or(0)) * u64::from(q.after.is_some());
        let shown = v.rows.len() as u64;
        let alone = only_missing && ClipsQuery { missing: None, ..q.clone() }.is_filtered();
        let blank = v.rows.is_empty().then_some(match () {
            _ if v.nothing_yet => (c.w.no_clips, c.w.no_clips_detail),
            _ if only_missing && !alone => (c.w.all_annotated, c.w.all_annotated_detail),
            _ => (c.w.no_match, c.w.no_match_detail),
        });
        let html = page(&ClipsPage {
            heading: if only_missing { c.w.nav_annotate } else { c.w.clips_title },
            missing: q.missing.map_or("", Missing::as_str),
            states: STAGES.iter().map(|s| (s.as_str(), c.w.state(*s), q.state == Some(*s))).collect(),
            rows: match q.q {
                Some(_) => v.rows.iter().map(|r| present::clips::found(r, &c)).collect(),
                None => v.rows.iter().map(|r| present::clips::row(r, &c)).collect(),
            },
            in_case: false,
            picks: !v.rows.is_empty() && c.may("annotate_clip"),
            fields: SEVERAL.iter().map(|f| (f.as_str(), c.w.field(*f))).collect(),
            labels: LABELS.iter().map(|s| s.as_str()).collect(),
            chips: present::clips::chips(&q, c.w),
            total: v.total.map(|n| if v.more_than_total { c.w.at_least(n) } else { c.w.clips_in_all(n) }),
            blank,
            next: v.next.as_deref().map(|after| format!("{}&at={}", clips_href(&terms, Some(after)), at + shown)),
            back: v.back.as_deref().map(|back| match back {
                "" => clips_href(&terms, None),
                back => {
                    let before = at.saturating_sub(u64::from(q.limit));
                    format!("{}&at={before}", clips_href(&terms, Some(back)))
                }
            }),
            place: (shown > 0 && (at > 0 || q.after.is_none())).then(|| c.w.place_in_list(at + 1, at + shown)),
            first_href: clips_href(&terms, None),
            self_href: visitor.part_href(),
            q: &q,
            c: &c,
        })?;
        // A filter that the page applied by itself belongs into the address, so that it can be kept and sent on.
        let here = HeaderValue::from_str(&clips_href(&terms, q.after.as_deref())).ok().filter(|_| visitor.part);
        Ok(match here {
            Some(here) => ([(HeaderName::from_static("hx-replace-url"), here)], html).into_response(),
            None => html,
        })
    };
    answered(&site, &visitor, answer.await)
}

#[derive(Template)]
#[template(path = "clip.html")]
struct ClipPage<'a> {
    c: &'a Ctx,
    /// What it is and its media type, where it is a document.
    document: Option<(String, String)>,
    id: String,
    heading: String,
    done: Option<&'static str>,
    refusal: Option<String>,
    typed_case: String,
    playable: Playable,
    screen: Option<Screen>,
    read_from: Option<String>,
    has_bytes: bool,
    kept: super::keeping::ClipBlock,
    pills: Vec<Pill>,
    required: Vec<FactLine>,
    others: Vec<FactLine>,
    media: Vec<(&'static str, String)>,
    health: Pill,
    remarks: Vec<String>,
    gaps: Vec<(Stamp, String)>,
    copies: Vec<CopyLine>,
    can_push: bool,
    custody: Vec<EntryLine>,
    custody_cut: bool,
    links: Vec<LinkLine>,
    inputs: Vec<Input>,
    blake3: String,
    sha256: String,
    derived: Vec<DerivedLine>,
    at: String,
}

/// What a form left behind: a word of success, or a refusal with what was typed.
#[derive(Default)]
pub(super) struct After {
    done: Option<&'static str>,
    pub(super) refusal: Option<String>,
    typed_case: String,
    fields: Vec<(String, String)>,
    /// The place in the clip that the address names.
    t: Option<String>,
}

fn clip_page<'a>(c: &'a Ctx, v: &ClipView, kept: &Kept, derived: &[DerivedView], after: After) -> ClipPage<'a> {
    let (r, w) = (&v.record, c.w);
    let mut inputs = present::clip::inputs(v, w);
    for input in &mut inputs {
        if let Some((_, typed)) = after.fields.iter().find(|(name, _)| name == input.name) {
            input.value.clone_from(typed);
        }
    }
    let digest = |d: &Option<String>| d.clone().unwrap_or_else(|| w.none_dash.into());
    let heading = match r.title.as_deref().or(r.matter.as_deref()).or(r.proves.as_deref()) {
        Some(text) => text.to_owned(),
        None => r.original_filename.clone(),
    };
    ClipPage {
        document: r.document.as_ref().map(|d| (w.document_kind_word(&d.kind).to_owned(), d.media_type.clone())),
        id: v.id.to_string(),
        heading,
        done: after.done,
        refusal: after.refusal,
        typed_case: after.typed_case,
        playable: if kept.disposed.is_some() { Playable::Gone } else { v.playable() },
        screen: present::clip::screen(v, after.t.as_deref(), w).filter(|_| kept.disposed.is_none()),
        read_from: v.read_from().map(str::to_owned).filter(|_| kept.disposed.is_none()),
        has_bytes: v.has_bytes() && kept.disposed.is_none(),
        kept: super::keeping::clip_block(kept, c),
        pills: present::clip::pills(v, w),
        required: present::clip::required(v, c),
        others: present::clip::others(v, c),
        media: present::clip::media(v, w),
        remarks: present::clip::remarks(v, w),
        gaps: present::clip::gaps(v, c),
        health: present::clip::health(v, w),
        copies: present::clip::copies(v, c),
        can_push: v.record.copies.iter().any(|copy| copy.state != Delivery::Proven.as_str()),
        custody: present::clip::custody(v, c),
        custody_cut: v.custody_cut,
        links: present::clip::links(v, w),
        inputs,
        blake3: digest(&r.blake3),
        sha256: digest(&r.sha256),
        derived: derived.iter().map(|d| present::derived::line(d, c)).collect(),
        at: after.t.as_deref().and_then(|t| t.split(',').next()).unwrap_or_default().to_owned(),
        c,
    }
}

#[derive(Debug, Default, Deserialize)]
struct DoneQuery {
    #[serde(default)]
    done: Option<String>,
    #[serde(default)]
    t: Option<String>,
}

async fn clip(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(q): Query<DoneQuery>,
) -> Response {
    let answer = async {
        let w = visitor.lang.words();
        let done = match q.done.as_deref() {
            Some("linked") => Some(w.done_linked),
            Some("unlinked") => Some(w.done_unlinked),
            Some("annotated") => Some(w.done_annotated),
            Some("pushed") => Some(w.done_pushed),
            Some("derived") => Some(w.done_derived),
            Some(word) => super::keeping::done(word, w),
            None => None,
        };
        show(&site, &visitor, &id, After { done, t: q.t, ..After::default() }).await
    };
    answered(&site, &visitor, answer.await)
}

/// Renders the page of a clip after its access was logged.
pub(super) async fn show(site: &Site, visitor: &Visitor, id: &str, after: After) -> Answer {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    site.log_access(visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
    let mut view = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
    let mut kept = site.pages.kept(clip).await?;
    // That it is held, its record says to everybody; why, and what was asked since, is for who sees to keeping.
    if !routes::shows(site, visitor, Action::SeeKeeping, clip).await? {
        kept.holds.clear();
        view.custody.iter_mut().for_each(CustodyEntry::without_keeping);
    }
    let c = site.ctx(visitor, Nav::Clips).await?;
    if view.isolated.is_some() {
        let copies = present::clip::copies(&view, &c);
        let responsible = site.pages.responsible();
        return page(&super::keeping::IsolatedPage::of(
            &c,
            clip,
            &kept,
            copies,
            responsible,
            after.done,
            after.refusal,
        ));
    }
    let derived = site.pages.derived(clip).await?;
    page(&clip_page(&c, &view, &kept, &derived, after))
}

/// The page of a clip again, with why what its form asked for was not done.
pub(super) async fn refused(site: &Site, visitor: &Visitor, id: &str, refusal: String) -> Answer {
    // The page belongs to the clip, not to the form's address.
    let visitor = Visitor { path: format!("/clips/{id}"), ..visitor.clone() };
    show(site, &visitor, id, After { refusal: Some(refusal), ..After::default() }).await
}

/// Carries a form's request out: back to the clip with a word, or the clip again with the refusal and what was typed.
pub(super) async fn change(
    site: &Site,
    visitor: &Visitor,
    id: &str,
    request: Request,
    done: &str,
    typed: After,
) -> Response {
    let answer = async {
        id.parse::<ClipId>().map_err(|_| Trouble::NoClip)?;
        match site.carry_out(&visitor.caller, request).await {
            Ok(_) => Ok(Redirect::to(&format!("/clips/{id}?done={done}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                // The page belongs to the clip, not to the form's address.
                let visitor = Visitor { path: format!("/clips/{id}"), ..visitor.clone() };
                let html = show(site, &visitor, id, After { refusal, ..typed }).await?;
                Ok((trouble.status(), html).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answered(site, visitor, answer.await)
}

fn form<T>(form: Result<Form<T>, FormRejection>) -> Result<T, Trouble> {
    form.map(|Form(body)| body).map_err(Trouble::from)
}

fn filled(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

#[derive(Debug, Deserialize)]
struct LinkForm {
    case_no: String,
    /// Only this part of the clip, as people write positions in it.
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    matter: String,
    #[serde(default)]
    proves: String,
}

async fn link(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<LinkForm>, FormRejection>,
) -> Response {
    let f = match form(body) {
        Ok(f) => f,
        Err(trouble) => return trouble.page(&site, &visitor),
    };
    let position = |text: String| filled(text).map(|text| position_ms(&text)).transpose();
    let (Ok(from_ms), Ok(to_ms)) = (position(f.from), position(f.to)) else {
        let hint = visitor.lang.words().link_range_hint;
        return Trouble::Invalid(Why::said(hint)).page(&site, &visitor);
    };
    let typed = After { typed_case: f.case_no.clone(), ..After::default() };
    let request = Request::Link {
        clip: id.clone(),
        case_no: f.case_no,
        from_ms,
        to_ms,
        stage: filled(f.stage),
        matter: filled(f.matter),
        proves: filled(f.proves),
    };
    change(&site, &visitor, &id, request, "linked", typed).await
}

#[derive(Debug, Deserialize)]
struct UnlinkForm {
    case_no: String,
    reason: String,
}

async fn unlink(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<UnlinkForm>, FormRejection>,
) -> Response {
    match form(body) {
        Ok(f) => {
            let request = Request::Unlink { clip: id.clone(), case_no: f.case_no, reason: f.reason };
            change(&site, &visitor, &id, request, "unlinked", After::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn annotate(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let answer = async {
        let mut fields = form(body)?;
        if fields.iter().any(|(name, _)| Field::parse(name).is_none()) {
            return Err(Trouble::Invalid(Why::Unsaid));
        }
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        let view = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
        // The form carries every field; only what differs is said by this person.
        let before = present::clip::inputs(&view, visitor.lang.words());
        for (_, value) in &mut fields {
            *value = value.trim().to_owned();
        }
        fields.retain(|(name, value)| {
            before.iter().find(|b| b.name == name).is_none_or(|b| super::escape::visible(&b.value) != *value)
        });
        Ok(fields)
    };
    match answer.await {
        Err(trouble) => trouble.page(&site, &visitor),
        Ok(fields) if fields.is_empty() => Redirect::to(&format!("/clips/{id}")).into_response(),
        Ok(fields) => {
            let request = Request::Annotate { clip: id.clone(), fields: fields.clone() };
            change(&site, &visitor, &id, request, "annotated", After { fields, ..After::default() }).await
        }
    }
}

async fn push(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let request = Request::Push { clip: Some(id.clone()), case_no: None };
    change(&site, &visitor, &id, request, "pushed", After::default()).await
}

// --- Cases ---------------------------------------------------------------------------------------

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
struct CasesQuery {
    #[serde(default)]
    query: String,
    #[serde(default)]
    after: Option<String>,
}

async fn cases(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<CasesQuery>) -> Response {
    let answer = async { list_cases(&site, &visitor, q.query.trim(), q.after.as_deref(), Vec::new()).await };
    answered(&site, &visitor, answer.await)
}

async fn list_cases(site: &Site, visitor: &Visitor, query: &str, after: Option<&str>, near: Vec<String>) -> Answer {
    let what = if query.is_empty() { "list" } else { "find" };
    site.log_access(visitor, Access { what, terms: Some(query), ..Access::default() }).await?;
    let c = site.ctx(visitor, Nav::Cases).await?;
    let v = site.pages.cases(query, after, &visitor.who.within(Action::FindCase)).await?;
    let blank = v.rows.is_empty().then_some(match v.nothing_yet {
        true => (c.w.no_cases, c.w.no_cases_detail),
        false => (c.w.no_case_match, c.w.no_case_match_detail),
    });
    page(&CasesPage {
        query,
        near: near.into_iter().map(|n| (n.clone(), present::case_href(&n))).collect(),
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
    reasons: super::coverage::ReasonBlock,
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
    kept: super::keeping::CaseBlock,
    done: Option<&'static str>,
    refusal: Option<String>,
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

async fn case(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    Query(q): Query<DoneQuery>,
) -> Response {
    let done = q.done.as_deref().and_then(|word| super::keeping::done(word, visitor.lang.words()));
    show_case(&site, &visitor, &number, done, None).await
}

/// The page of a case, after a form with a word of success or a refusal.
pub(super) async fn show_case(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    done: Option<&'static str>,
    refusal: Option<String>,
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
        let w = c.w;
        let mut about: Vec<String> = [&v.party, &v.cause, &v.enforcement_kind].into_iter().flatten().cloned().collect();
        if v.kind != "case" {
            about.insert(0, w.case_kind(&v.kind).into());
        }
        about.extend([w.videos(v.clips_total), w.footage(v.duration_ms), w.size(v.bytes), w.station_count(v.stations)]);
        let mut pills = Vec::new();
        if v.clips_total > 0 {
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
            reasons: super::coverage::reason_block(&v, &c),
            width: t.width_px.map_or_else(|| "100%".to_owned(), |px| px.to_string()),
            undrawn: w.not_drawn(t.undrawn),
            total: w.clips_in_all(v.clips_total),
            t,
            rows: v.clips.iter().map(|r| present::clips::row(r, &c)).collect(),
            in_case: true,
            picks: false,
            cut: (v.clips.len() as u64) < v.clips_total,
            list_href: format!("/clips?case={}", present::segment(&v.number)),
            export_href: format!("{}/export", present::case_href(&v.number)),
            together_href: format!("{}/together", present::case_href(&v.number)),
            self_href: visitor.part_href(),
            kept: super::keeping::case_block(&v.number, &kept, &c),
            done,
            refusal,
            v: &v,
            c: &c,
        })
    };
    answered(site, visitor, answer.await)
}

// --- Language ------------------------------------------------------------------------------------

#[derive(Debug, Deserialize)]
struct LanguageForm {
    to: String,
    #[serde(default)]
    next: String,
}

async fn language(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<LanguageForm>, FormRejection>,
) -> Response {
    let answer =
        form(body).and_then(|f| Lang::parse(&f.to).map(|lang| (lang, f.next)).ok_or(Trouble::Invalid(Why::Unsaid)));
    match answer {
        Ok((lang, next)) => {
            let cookie = format!("{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly", lang.code());
            ([(header::SET_COOKIE, cookie)], Redirect::to(local_path(&next))).into_response()
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// A path on this station, or the station page: never an address elsewhere.
pub(super) fn local_path(next: &str) -> &str {
    let ours =
        next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_switch_leads_nowhere_else() {
        for (next, wanted) in [
            ("/clips?case=%E8%B5%B5", "/clips?case=%E8%B5%B5"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local_path(next), wanted);
        }
    }
}
