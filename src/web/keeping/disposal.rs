//! Disposal after appraisal, on the page: a list that is proposed, shown with its clips, confirmed or refused.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::blocks::copy_line;
use super::overview::{With, on_page};
use super::{Posted, actor, step, typed};
use crate::domain::command::Request;
use crate::domain::disposal::{DisposalAsk, DisposalState};
use crate::domain::time::UtcMs;
use crate::store::DisposalRow;
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp};
use crate::web::site::{Access, Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::view::keeping::DisposalView;

pub(super) struct ListLine {
    pub(super) number: i64,
    pub(super) pill: Pill,
    pub(super) clips: String,
    pub(super) opinion: String,
    pub(super) who: String,
    pub(super) at: Stamp,
    pub(super) asks: bool,
    pub(super) mine: bool,
}

pub(super) fn list_line(d: &DisposalRow, clips: u64, gone: u64, c: &Ctx) -> ListLine {
    let class = match d.state {
        DisposalState::Asked => "ask",
        DisposalState::Refused => "idle",
        DisposalState::Going => "busy",
        DisposalState::Done => "safe",
    };
    let me = c.who.actor();
    ListLine {
        number: d.disposal,
        pill: Pill::new(class, c.w.disposal_state(d.state.as_str())),
        clips: format!("{} / {}", c.w.number(gone), c.w.videos(clips)),
        opinion: d.opinion.clone(),
        who: c.named(&actor(&d.asked_by)),
        at: c.stamp(UtcMs(d.asked_ms)),
        asks: d.state == DisposalState::Asked,
        mine: d.asked_by == format!("{}:{}", me.kind, me.id),
    }
}

pub(super) async fn post_propose(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let pairs = match body {
        Ok(Form(pairs)) => pairs,
        Err(e) => return Trouble::from(e).page(&site, &visitor),
    };
    let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let picked: Vec<String> = pairs.iter().filter(|(key, _)| key == "clip").map(|(_, v)| v.clone()).collect();
    let with = With { opinion: one("opinion"), basis: one("basis"), picked: picked.clone(), ..With::default() };
    let ask = DisposalAsk::Propose { clips: picked, opinion: with.opinion.clone(), basis: with.basis.clone() };
    on_page(&site, &visitor, Ok(Request::Disposal { ask }), "asked", with).await
}

struct ItemLine {
    n: usize,
    id: String,
    file: String,
    cases: String,
    size: String,
    sha256: String,
    blake3: String,
    state: &'static str,
    log: String,
    copies: Vec<String>,
}

#[derive(Template)]
#[template(path = "disposal.html")]
struct DisposalPage<'a> {
    c: &'a Ctx,
    list: ListLine,
    refusal: Option<String>,
    basis: String,
    second: Option<(String, Stamp)>,
    items: Vec<ItemLine>,
}

async fn show_disposal(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    refusal: Option<String>,
) -> Result<Response, Trouble> {
    let number: i64 = number.parse().map_err(|_| Trouble::NoPage)?;
    site.log_access(visitor, Access { what: "list", terms: Some("disposal"), ..Access::default() }).await?;
    let DisposalView { list, items } = site.pages.disposal(number).await?.ok_or(Trouble::NoPage)?;
    let visitor = Visitor { path: format!("/keeping/disposals/{number}"), ..visitor.clone() };
    let c = site.ctx(&visitor, Nav::Keeping).await?;
    let gone = items.iter().filter(|i| i.state == "gone").count() as u64;
    let lines = items.iter().enumerate().map(|(n, i)| ItemLine {
        n: n + 1,
        id: i.clip.to_string(),
        file: i.file_name.clone(),
        cases: i.cases.join(", "),
        size: c.w.size(i.size_bytes),
        sha256: i.digests.0.clone(),
        blake3: i.digests.1.clone(),
        state: c.w.disposal_item(&i.state),
        log: [i.intent_seq, i.gone.map(|(_, seq)| seq)]
            .into_iter()
            .flatten()
            .map(|seq| format!("#{seq}"))
            .collect::<Vec<_>>()
            .join(" "),
        copies: i.copies.iter().map(|k| copy_line(k, &c)).collect(),
    });
    let html = DisposalPage {
        list: list_line(&list, items.len() as u64, gone, &c),
        refusal,
        basis: list.basis.clone(),
        second: list.second.as_ref().map(|(by, at)| (c.named(&actor(by)), c.stamp(UtcMs(*at)))),
        items: lines.collect(),
        c: &c,
    };
    Ok(Html(html.render()?).into_response())
}

pub(super) async fn disposal_page(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(disposal): Path<String>,
) -> Response {
    let shown = show_disposal(&site, &visitor, &disposal, None).await;
    shown.unwrap_or_else(|trouble| trouble.page(&site, &visitor))
}

pub(super) async fn post_decide(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(number): Path<String>,
    body: Posted,
) -> Response {
    let answer = async {
        let (_, yes, ..) = typed(body).and_then(|f| step(&f.step, f.reason))?;
        let disposal = number.parse().map_err(|_| Trouble::NoPage)?;
        match site.carry_out(&visitor.caller, Request::Disposal { ask: DisposalAsk::Decide { disposal, yes } }).await {
            Ok(_) => Ok(Redirect::to(&format!("/keeping/disposals/{disposal}")).into_response()),
            Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))) => {
                let refusal = Some(trouble.told(visitor.lang.words()).1);
                Ok((trouble.status(), show_disposal(&site, &visitor, &number, refusal).await?).into_response())
            }
            Err(trouble) => Err(trouble),
        }
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}
