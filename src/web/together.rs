//! Several clips of a case on one axis of time (assets/together.js). The page itself shows no picture: each clip's bytes come
//! from their own address, where it is decided whether whoever watches may see them, and logged (invariant 10).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};

use super::present::{self, Ctx, Nav};
use super::purpose::{self, Question};
use super::routes::{Need, Routes};
use super::site::{Access, Site, Visitor};
use super::trouble::Trouble;
use super::view::case::CaseAnswer;
use super::view::together::Together;
use crate::domain::ids::ClipId;
use crate::domain::rights::Action;

/// The page.
pub fn routes(r: Routes) -> Routes {
    r.get("/cases/{number}/together", Need::May(Action::FindCase), together)
}

#[derive(Template)]
#[template(path = "together.html")]
struct TogetherPage<'a> {
    c: &'a Ctx,
    number: &'a str,
    case_href: String,
    t: Together,
    /// When each stretch begins, as it is read, empty where there is no room for it; and whether it ends at the edge.
    begins: Vec<(String, bool)>,
    /// What is left out, in words.
    left_out: Vec<String>,
    /// What stands in the place of all of it, until it is answered.
    question: Option<Question>,
}

async fn together(State(site): State<Arc<Site>>, visitor: Visitor, Path(number): Path<String>) -> Response {
    let answer = async {
        site.log_access(&visitor, Access { what: "find", case_no: Some(&number), ..Access::default() }).await?;
        let within = visitor.who.within(Action::FindCase);
        let CaseAnswer::Found(v) = site.pages.case(&number, &within).await? else { return Err(Trouble::NoCase) };
        let c = site.ctx(&visitor, Nav::Cases).await?;
        let t = Together::of(&v.clips, &c.zone);
        let mut left_out = Vec::new();
        if t.untimed > 0 {
            left_out.push(c.w.together_untimed(t.untimed));
        }
        if t.lanes_left > 0 {
            left_out.push(c.w.together_lanes_left(t.lanes_left));
        }
        let shown = v.clips.len() as u64;
        if v.clips_total > shown {
            left_out.push(c.w.together_clips_left(v.clips_total - shown, shown));
        }
        let page = TogetherPage {
            left_out,
            question: question(&site, &visitor, &t, &c).await?,
            number: &v.number,
            case_href: present::case_href(&v.number),
            begins: begins(&t, &c),
            t,
            c: &c,
        };
        Ok(Html(page.render()?).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.page(&site, &visitor))
}

/// The first reason that must be said before all of it can be watched: one of several pictures could not ask for it.
async fn question(site: &Site, visitor: &Visitor, t: &Together, c: &Ctx) -> Result<Option<Question>, Trouble> {
    let clips: Vec<ClipId> = t.lanes.iter().flat_map(|lane| lane.clips.iter().map(|piece| piece.clip)).collect();
    for clip in clips {
        if let Some(asking) = purpose::missing(site, visitor, Action::PlayClip, clip).await? {
            return Ok(Some(Question::on_page(&asking, c.path.clone(), c.w)));
        }
    }
    Ok(None)
}

/// The first begin with its day, others with their time, each only where it does not run into the one before.
fn begins(t: &Together, c: &Ctx) -> Vec<(String, bool)> {
    // Of the width of a narrow screen.
    const DAY_PERCENT: f64 = 46.0;
    const TIME_PERCENT: f64 = 22.0;
    let mut free = 0.0;
    let mut before = None;
    let begin = |s: &super::view::together::Stretch| {
        let day = s.start.zoned(&c.zone).date();
        let text = if before == Some(day) { c.w.time(s.start, &c.zone) } else { c.w.day_time(s.start, &c.zone) };
        let width = if before == Some(day) { TIME_PERCENT } else { DAY_PERCENT };
        let at_edge = s.x + width > 100.0;
        let x = if at_edge { 100.0 - width } else { s.x };
        if x < free {
            return (String::new(), false);
        }
        (free, before) = (x + width, Some(day));
        (text, at_edge)
    };
    t.stretches.iter().map(begin).collect()
}

impl TogetherPage<'_> {
    /// What a clip says when it is pointed at, or read out.
    fn label(&self, lane: &super::view::together::Lane, piece: &super::view::together::Piece) -> String {
        let (w, zone) = (self.c.w, &self.c.zone);
        let end = crate::domain::time::UtcMs(piece.start.0 + piece.ms);
        let who = lane.officer.as_deref().unwrap_or(&lane.recorder);
        format!("{} – {} · {who}", w.day_time(piece.start, zone), w.time(end, zone))
    }
}
