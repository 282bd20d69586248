//! The page of a clip, and the forms on it: link, unlink, annotate, push. What keeps or ends a clip is in `keeping`.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Answer, DoneQuery, answered, filled, form, page};
use crate::domain::clip::Delivery;
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;
use crate::domain::time::position_ms;
use crate::domain::why::Why;
use crate::web::derivatives::Typed;
use crate::web::offers::{self, Among, Offers};
use crate::web::present::clip::{CopyLine, EntryLine, FactLine, Input, LinkLine, Screen};
use crate::web::present::clips::Pill;
use crate::web::present::derived::DerivedLine;
use crate::web::present::plot::Plot;
use crate::web::present::verify::VerifyBlock;
use crate::web::present::{self, Ctx, Nav, Stamp};
use crate::web::purpose::{self, Question};
use crate::web::refused::Refused;
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::{Asking, Trouble};
use crate::web::view::clip::{CUSTODY_PAGE, ClipView, CustodyEntry, Playable};
use crate::web::view::derived::DerivedView;
use crate::web::view::keeping::Kept;
use crate::web::{keeping, looks, paging, routes};

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
    /// Numbers that were perhaps meant.
    meant: Vec<String>,
    /// What was typed into a form of the page that was refused.
    refused: Refused,
    playable: Playable,
    screen: Option<Screen>,
    read_from: Option<String>,
    has_bytes: bool,
    kept: keeping::ClipBlock,
    pills: Vec<Pill>,
    required: Vec<FactLine>,
    others: Vec<FactLine>,
    media: Vec<(&'static str, String)>,
    health: Pill,
    remarks: Vec<String>,
    gaps: Vec<(Stamp, String)>,
    plot: Option<Plot>,
    copies: Vec<CopyLine>,
    can_push: bool,
    custody: Vec<EntryLine>,
    /// The page of older entries.
    older: Option<String>,
    /// These are older ones: below which, and the page of the newest.
    below: Option<(String, String)>,
    /// The address that refreshes what changes by itself.
    live_href: String,
    links: Vec<LinkLine>,
    /// Other cases that its outing suggests: number, page where they have one for whoever looks, rule and reason.
    hints: Vec<(String, Option<String>, String)>,
    inputs: Vec<Input>,
    /// What may be done to this clip.
    m: Offers,
    blake3: String,
    sha256: String,
    /// Empty where it was sealed without.
    sm3: String,
    derived: Vec<DerivedLine>,
    /// There is footage of which files can be derived.
    derivable: bool,
    /// What was typed into the form of a derived file.
    typed: Typed,
    /// What stands in the place of what would be shown, until it is answered.
    question: Option<Question>,
    /// The file that is saved once this page is there.
    save: Option<String>,
    /// Something is being derived of it: how far that is changes without an entry of the log.
    making: bool,
    verify: Option<VerifyBlock>,
}

/// What a form left behind: a word of success, or a refusal with what was typed.
#[derive(Default)]
pub(in crate::web) struct After {
    done: Option<&'static str>,
    pub(in crate::web) refusal: Option<String>,
    /// What was typed.
    refused: Refused,
    meant: Vec<String>,
    fields: Vec<(String, String)>,
    /// The place in the clip that the address names.
    t: Option<String>,
    /// What is to be saved: `original`, or the id of a derived file.
    save: Option<String>,
    derive: Option<Typed>,
    /// Its custody is shown below this entry.
    before: Option<u64>,
}

impl After {
    /// A form that comes back with what was typed, should it be refused.
    pub(in crate::web) fn of(refused: Refused) -> Self {
        Self { refused, ..Self::default() }
    }

    /// The same of the form that sets facts: these fields hold something else than the record.
    pub(super) fn annotating(fields: Vec<(String, String)>) -> Self {
        let refused = Refused::new("annotate", fields.iter().cloned());
        Self { fields, refused, ..Self::default() }
    }
}

impl ClipPage<'_> {
    /// What else was typed beside the number of a case.
    fn typed_link(&self) -> Vec<(&'static str, &str)> {
        LINK_FIELDS[1..].iter().map(|name| (*name, self.refused.of("link", name))).collect()
    }

    /// Why a link was to be withdrawn, where that was refused.
    fn unlinking(&self, link: &LinkLine) -> &str {
        self.refused.of_one(&link.number, "unlink", "reason")
    }
}

/// The page of a clip with its custody below an entry of the log.
fn below(id: ClipId, seq: u64) -> String {
    format!("/clips/{id}?before={seq}")
}

fn clip_page<'a>(
    c: &'a Ctx,
    v: &ClipView,
    kept: &Kept,
    derived: &[DerivedView],
    asking: Option<&Asking>,
    (offered, after): (Offered, After),
) -> ClipPage<'a> {
    let (r, w) = (&v.record, c.w);
    let playable = if kept.disposed.is_some() { Playable::Gone } else { v.playable() };
    let question = asking.filter(|_| playable.shows()).map(|asking| {
        // The address of the page, and there the player.
        Question::on_page(asking, format!("{}#player", c.path), w)
    });
    let screen = present::clip::screen(v, after.t.as_deref(), w).filter(|_| kept.disposed.is_none());
    let has_bytes = v.has_bytes() && kept.disposed.is_none();
    let making = derived.iter().any(|d| d.1.is_some());
    let told = offered.clip.has(Action::DeriveClip) || offered.clip.has(Action::SeeLooks);
    let derived: Vec<DerivedLine> = derived.iter().map(|d| present::derived::line(d, told, c)).collect();
    let save = match after.save.as_deref() {
        Some("original") => has_bytes.then(|| original(v.id)),
        Some(id) => derived.iter().find(|d| d.id == id).and_then(|d| d.href.clone()),
        None => None,
    };
    let begin = after.t.as_deref().and_then(|t| t.split(',').next()).unwrap_or_default();
    let mut inputs = present::clip::inputs(v, w);
    for input in &mut inputs {
        let typed = after.fields.iter().find(|(name, _)| name == input.name);
        input.typed = typed.map(|(_, typed)| typed.clone());
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
        meant: after.meant,
        refused: after.refused,
        playable,
        derivable: screen.is_some(),
        screen: screen.filter(|_| question.is_none()),
        read_from: v.read_from().map(str::to_owned).filter(|_| kept.disposed.is_none()),
        has_bytes,
        kept: keeping::clip_block(kept, &offered.releasable, c),
        pills: present::clip::pills(v, w),
        required: present::clip::required(v, c),
        others: present::clip::others(v, &offered.beside, c),
        media: present::clip::media(v, w),
        remarks: present::clip::remarks(v, w),
        gaps: present::clip::gaps(v, c),
        plot: present::plot::plot(r, w),
        health: present::clip::health(v, w),
        copies: present::clip::copies(v, c),
        can_push: v.record.copies.iter().any(|copy| copy.state != Delivery::Proven.as_str()),
        custody: present::clip::custody(v, c),
        older: v.custody_next.map(|seq| format!("{}#h-custody", below(v.id, seq))),
        below: after.before.map(|seq| (w.custody_below(seq), format!("/clips/{}#h-custody", v.id))),
        live_href: match after.before {
            Some(seq) => format!("{}&part=live", below(v.id, seq)),
            None => format!("/clips/{}?part=live", v.id),
        },
        links: present::clip::links(v, w),
        hints: v
            .hints
            .iter()
            .map(|s| {
                let told = format!("{} · {} · {}", w.linking_rule(&s.rule), s.score, s.reason.told(w.lang));
                let href = offered.cases.contains(&s.raw).then(|| present::case_href(&s.raw));
                (s.raw.clone(), href, told)
            })
            .collect(),
        inputs,
        m: offered.clip,
        blake3: digest(&r.blake3),
        sha256: digest(&r.sha256),
        sm3: r.sm3.clone().unwrap_or_default(),
        making,
        verify: None,
        derived,
        typed: after.derive.unwrap_or_else(|| Typed { from: begin.to_owned(), ..Typed::default() }),
        question,
        save,
        c,
    }
}

/// Where the original bytes are saved.
fn original(clip: ClipId) -> String {
    format!("/clips/{clip}/media?download=1")
}

pub(super) async fn clip(
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
            Some("verifying") => Some(w.verify_begun()),
            Some(word) => keeping::done(word, w),
            None => None,
        };
        let before = paging::number(paging::filled(q.before.as_deref()))?.map(u64::try_from).transpose();
        let before = before.map_err(|_| Trouble::Invalid(Why::PlaceInList {}))?;
        show(&site, &visitor, &id, After { done, t: q.t, save: q.save, before, ..After::default() }).await
    };
    answered(&site, &visitor, answer.await)
}

/// Renders the page of a clip after its access was logged.
pub(in crate::web) async fn show(site: &Site, visitor: &Visitor, id: &str, after: After) -> Answer {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    site.log_access(visitor, Access { what: "show", clip: Some(clip), ..Access::default() }).await?;
    let mut view = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
    // Who looked is told where that right is; everybody else is told of their own looks alone.
    let only = looks::only_of(site, visitor, clip).await?;
    if after.before.is_some() || only.is_some() {
        view.show_custody(site.pages.custody(clip, after.before, CUSTODY_PAGE + 1, only).await?);
    }
    let mut kept = site.pages.kept(clip).await?;
    // That it is held, its record says to everybody; why, and what was asked since, is for who sees to keeping.
    if !routes::shows(site, visitor, Action::SeeKeeping, clip).await? {
        kept.holds.clear();
        // Whoever decides about lifting an isolation reads who asked for that, and why; it has its label over theirs.
        if !routes::shows(site, visitor, Action::LiftIsolation, clip).await?
            && let Some(isolation) = &mut kept.isolation
        {
            (isolation.asked_by, isolation.asked_why) = (None, None);
        }
        view.custody.iter_mut().for_each(CustodyEntry::without_keeping);
    }
    let c = site.ctx(visitor, Nav::Clips).await?;
    if view.isolated.is_some() {
        let copies = present::clip::copies(&view, &c);
        let responsible = site.pages.responsible();
        let lift = offers::of_clip(site, visitor, clip).await?.has(Action::LiftIsolation);
        let told = (copies, responsible);
        let again = (after.refusal, &after.refused);
        return page(&keeping::IsolatedPage::of(&c, clip, &kept, told, lift, after.done, again));
    }
    let derived = site.pages.derived(clip).await?;
    // Seeing its record is one right, watching it is another: a player could not ask for the reason.
    let asking = purpose::missing(site, visitor, Action::PlayClip, clip).await?;
    let offered = offered(site, visitor, &view, &kept).await?;
    let mut shown = clip_page(&c, &view, &kept, &derived, asking.as_ref(), (offered, after));
    if shown.has_bytes && shown.question.is_none() && routes::shows(site, visitor, Action::PlayClip, clip).await? {
        let newest = site.pages.office().premises().verifying(clip);
        shown.verify = Some(present::verify::block(clip.to_string(), newest.as_ref(), &c));
    }
    page(&shown)
}

/// What the page of a clip offers to whoever looks.
struct Offered {
    clip: Offers,
    /// Holds on it that they may release.
    releasable: Vec<i64>,
    /// Clips beside it that they may open: of the same recording, or the one that it stands for.
    beside: Among,
    /// Suggested cases that they may open.
    cases: Vec<String>,
}

async fn offered(site: &Site, visitor: &Visitor, v: &ClipView, kept: &Kept) -> Result<Offered, Trouble> {
    let part_of = v.record.recording.as_ref();
    let beside = [part_of.and_then(|r| r.previous.as_ref()), part_of.and_then(|r| r.next.as_ref())];
    let beside = beside.into_iter().chain([v.record.supersedes.as_ref()]).flatten();
    let beside: Vec<ClipId> = beside.filter_map(|id| id.parse().ok()).collect();
    let hints: Vec<String> = v.hints.iter().map(|s| s.raw.clone()).collect();
    Ok(Offered {
        clip: offers::of_clip(site, visitor, v.id).await?,
        releasable: offers::releasable(site, visitor, &kept.holds).await?,
        beside: offers::among(site, visitor, &beside, Action::ShowClip, None).await?,
        cases: offers::cases(site, visitor, &hints).await?,
    })
}

/// The page of a clip again, with why no file was derived of it and what was typed for one.
pub(in crate::web) async fn not_derived(
    site: &Site,
    visitor: &Visitor,
    id: &str,
    trouble: Trouble,
    typed: Typed,
) -> Answer {
    refused(site, visitor, id, trouble, After { derive: Some(typed), ..After::default() }).await
}

/// The page of a clip again, after a form on it. `None` for whom it would not be shown had they asked for it: a form's right
/// is not that of seeing the record.
async fn again(site: &Site, visitor: &Visitor, id: &str, after: After) -> Result<Option<Response>, Trouble> {
    let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
    let Some(looking) = routes::looking(site, visitor, Action::ShowClip, clip).await? else { return Ok(None) };
    // The page belongs to the clip, not to the form's address.
    let visitor = Visitor { path: format!("/clips/{id}"), ..looking };
    show(site, &visitor, id, after).await.map(Some)
}

/// Carries a form's request out: back to the clip with a word, or the clip again with the refusal and what was typed.
pub(in crate::web) async fn change(
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
            Err(trouble) => refused(site, visitor, id, trouble, typed).await,
        }
    };
    answered(site, visitor, answer.await)
}

/// The page of a clip again with why something was refused and what was typed; what no form can mend has its own page, and so
/// has what is refused to whom the clip's page is not shown.
pub(super) async fn refused(site: &Site, visitor: &Visitor, id: &str, trouble: Trouble, typed: After) -> Answer {
    match trouble {
        Trouble::Invalid(_) | Trouble::Conflict(_) => {
            let refusal = Some(trouble.told(visitor.lang.words()).1);
            let meant = trouble.meant();
            match again(site, visitor, id, After { refusal, meant, ..typed }).await? {
                Some(html) => Ok((trouble.status(), html).into_response()),
                None => Err(trouble),
            }
        }
        trouble => Err(trouble),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LinkForm {
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

/// Fields of the form that links a clip.
const LINK_FIELDS: [&str; 6] = ["case_no", "from", "to", "stage", "matter", "proves"];

pub(super) async fn link(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<LinkForm>, FormRejection>,
) -> Response {
    let f = match form(body) {
        Ok(f) => f,
        Err(trouble) => return trouble.page(&site, &visitor),
    };
    let typed = [&f.case_no, &f.from, &f.to, &f.stage, &f.matter, &f.proves].map(String::as_str);
    let typed = After::of(Refused::new("link", LINK_FIELDS.into_iter().zip(typed)));
    let position = |text: String| filled(text).map(|text| position_ms(&text)).transpose();
    let (Ok(from_ms), Ok(to_ms)) = (position(f.from), position(f.to)) else {
        let trouble = Trouble::Invalid(Why::said(visitor.lang.words().link_range_hint));
        return answered(&site, &visitor, refused(&site, &visitor, &id, trouble, typed).await);
    };
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
pub(super) struct UnlinkForm {
    case_no: String,
    reason: String,
}

pub(super) async fn unlink(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<UnlinkForm>, FormRejection>,
) -> Response {
    match form(body) {
        Ok(f) => {
            let typed = Refused::new("unlink", [("reason", f.reason.as_str())]).about(&f.case_no);
            let request = Request::Unlink { clip: id.clone(), case_no: f.case_no, reason: f.reason };
            change(&site, &visitor, &id, request, "unlinked", After::of(typed)).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

pub(super) async fn push(State(site): State<Arc<Site>>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let request = Request::Push { clip: Some(id.clone()), case_no: None };
    change(&site, &visitor, &id, request, "pushed", After::default()).await
}
