//! The list of clips, narrowed by what its address says.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{answered, page};
use crate::domain::ids::ClipId;
use crate::domain::record::Field;
use crate::domain::rights::Action;
use crate::domain::sensitivity::Sensitivity;
use crate::web::offers;
use crate::web::present::clips::{Chip, Row};
use crate::web::present::{self, Ctx, Nav};
use crate::web::site::{Access, Site, Visitor};
use crate::web::view::clips::{ClipsQuery, Missing};
use crate::web::view::station::STAGES;
use crate::web::wire::RawClipsQuery;

/// Rows on a page of the list of clips.
const ROWS: u32 = 50;
/// Labels that can be given to several clips at once; what may be a state secret is isolated clip by clip.
const LABELS: [Sensitivity; 4] =
    [Sensitivity::WorkSecret, Sensitivity::TradeSecret, Sensitivity::Privacy, Sensitivity::Minor];
/// Fields that can be set for several clips at once: what an outing shares.
const SEVERAL: [Field; 7] =
    [Field::Place, Field::Proves, Field::Officer, Field::CoOfficers, Field::Matter, Field::Stage, Field::PartyRef];

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
    /// As it is stored, and in the reader's language.
    labels: Vec<(&'static str, &'static str)>,
    chips: Vec<Chip>,
    total: Option<String>,
    blank: Option<(&'static str, &'static str)>,
    next: Option<String>,
    back: Option<String>,
    /// Which of them are on this page.
    place: Option<String>,
    first_href: String,
    self_href: String,
    /// Other stations are searched for whoever may see every clip here.
    elsewhere: bool,
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
pub(super) struct PlaceQuery {
    at: String,
}

pub(super) async fn clips(
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
        let within = visitor.who.within(Action::ListClips);
        let v = site.pages.clips(&q, &within).await?;
        let ids: Vec<ClipId> = if q.q.is_some() { v.rows.iter().map(|r| r.id).collect() } else { Vec::new() };
        let pushed = offers::among(&site, &visitor, &ids, Action::PushClip, Some(Action::ListClips)).await?;
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
                Some(_) => v.rows.iter().map(|r| present::clips::found(r, pushed.has(&r.id), &c)).collect(),
                None => v.rows.iter().map(|r| present::clips::row(r, &c)).collect(),
            },
            in_case: false,
            picks: !v.rows.is_empty() && c.may("annotate_clip"),
            fields: SEVERAL.iter().map(|f| (f.as_str(), c.w.field(*f))).collect(),
            labels: LABELS.iter().map(|s| (s.as_str(), c.w.sensitivity_label(*s))).collect(),
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
            elsewhere: within.reach_all(),
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
