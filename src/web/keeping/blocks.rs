//! What stands on a clip or a case, on its page: holds, disposal, filing; and the page that stands in place of an isolated
//! clip. Made of facts that were read; reads and asks nothing.

use askama::Template;

use super::{Asked, actor, asked};
use crate::domain::filing::FilingState;
use crate::domain::ids::ClipId;
use crate::domain::time::UtcMs;
use crate::store::HoldRow;
use crate::web::present::clip::CopyLine;
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Stamp, case_href};
use crate::web::refused::Refused;
use crate::web::sent;
use crate::web::view::keeping::{CaseKept, Kept};

/// A hold that stands.
pub(in crate::web) struct HoldLine {
    pub(in crate::web) hold: i64,
    pub(in crate::web) of: String,
    pub(in crate::web) href: String,
    pub(in crate::web) clips: String,
    pub(in crate::web) reason: String,
    pub(in crate::web) basis: Option<String>,
    pub(in crate::web) who: String,
    pub(in crate::web) since: Stamp,
    pub(in crate::web) asked: Option<Asked>,
    /// Why it was to be released, where that was refused.
    pub(in crate::web) typed: Option<String>,
    /// They may ask for its release, and decide about that.
    pub(in crate::web) may_release: bool,
}

pub(super) fn hold_line(h: &HoldRow, releasable: &[i64], c: &Ctx) -> HoldLine {
    let (of, href) = match (&h.case_no, h.clip) {
        (Some(number), _) => (number.clone(), case_href(number)),
        (None, Some(clip)) => (clip.to_string(), format!("/clips/{clip}")),
        (None, None) => (c.w.none_dash.to_owned(), "/keeping".to_owned()),
    };
    HoldLine {
        hold: h.hold,
        of,
        href,
        clips: c.w.on_clips(h.clips),
        reason: h.reason.clone(),
        basis: h.basis.clone(),
        who: c.named(&actor(&h.placed_by)),
        since: c.stamp(UtcMs(h.placed_ms)),
        asked: asked(h.asked_by.as_deref(), h.asked_why.as_deref(), c),
        typed: None,
        may_release: releasable.contains(&h.hold),
    }
}

/// What stands on a clip, on its page.
pub(in crate::web) struct ClipBlock {
    pub(in crate::web) holds: Vec<HoldLine>,
    /// When it was disposed of, the list, and what became of its copies.
    pub(in crate::web) disposed: Option<(Stamp, i64, Vec<String>)>,
    /// The archive number of the case that was filed with it, and until when it is kept.
    pub(in crate::web) filed: Option<(String, String)>,
}

pub(in crate::web) fn clip_block(kept: &Kept, releasable: &[i64], c: &Ctx) -> ClipBlock {
    let copies = || kept.copies.iter().map(|k| copy_line(k, c)).collect();
    ClipBlock {
        holds: kept.holds.iter().map(|h| hold_line(h, releasable, c)).collect(),
        disposed: kept.disposed.map(|(at, list)| (c.stamp(at), list, copies())),
        filed: kept.filed.as_ref().map(|(filing, until)| {
            let until = until.map_or_else(|| c.w.keeping().forever.to_owned(), |at| c.stamp(at).text);
            (filing.archival_code.clone().unwrap_or_default(), until)
        }),
    }
}

pub(super) fn copy_line(k: &crate::store::CopyRow, c: &Ctx) -> String {
    let text = c.w.copy_fate(k.removed, &k.destination, &k.why);
    match k.until_ms.filter(|_| !k.removed) {
        Some(until) => format!("{text} · {}", c.stamp(UtcMs(until)).text),
        None => text,
    }
}

/// What stands on a case, on its page.
pub(in crate::web) struct CaseBlock {
    pub(in crate::web) holds: Vec<HoldLine>,
    pub(in crate::web) pills: Vec<Pill>,
    pub(in crate::web) hold_href: String,
    pub(in crate::web) filing_href: String,
    /// To which reviewers it stands sent.
    pub(in crate::web) sent: Vec<String>,
    pub(in crate::web) review_href: String,
}

pub(in crate::web) fn case_block(number: &str, kept: &CaseKept, releasable: &[i64], c: &Ctx) -> CaseBlock {
    let mut pills = Vec::new();
    if let Some(filing) = &kept.filing {
        let class = if filing.state() == FilingState::Filed { "safe" } else { "idle" };
        let mut text = c.w.filing_state(filing.state().as_str()).to_owned();
        if let Some(code) = &filing.archival_code {
            text.push_str(&format!(" {code}"));
        }
        pills.push(Pill::new(class, text));
    }
    if !kept.holds.is_empty() {
        pills.push(Pill { class: "hold", icon: "lock", text: c.w.keeping().holds.to_owned() });
    }
    // That it is held is no secret; why, and what was asked since, is for who sees to keeping.
    let holds = if c.may("see_keeping") { &kept.holds[..] } else { &[] };
    CaseBlock {
        holds: holds.iter().map(|h| hold_line(h, releasable, c)).collect(),
        pills,
        hold_href: format!("{}/hold", case_href(number)),
        filing_href: format!("{}/filing", case_href(number)),
        sent: kept.sent.iter().map(|s| sent::line(s, c)).collect(),
        review_href: format!("{}/review", case_href(number)),
    }
}

/// The page of a clip that is suspected classified: that it is so, whom to call, and the way to lift it.
#[derive(Template)]
#[template(path = "isolated.html")]
pub(in crate::web) struct IsolatedPage<'a> {
    c: &'a Ctx,
    id: String,
    done: Option<&'static str>,
    refusal: Option<String>,
    since: Option<Stamp>,
    asked: Option<Asked>,
    /// Why it was to be lifted, where that was refused.
    typed: Option<String>,
    copies: Vec<CopyLine>,
    responsible: Option<String>,
    may_lift: bool,
}

impl<'a> IsolatedPage<'a> {
    pub(in crate::web) fn of(
        c: &'a Ctx,
        clip: ClipId,
        kept: &Kept,
        (copies, responsible): (Vec<CopyLine>, Option<String>),
        may_lift: bool,
        done: Option<&'static str>,
        (refusal, typed): (Option<String>, &Refused),
    ) -> Self {
        let row = kept.isolation.as_ref();
        Self {
            id: clip.to_string(),
            done,
            refusal,
            since: row.map(|i| c.stamp(UtcMs(i.placed_ms))),
            asked: row.and_then(|i| asked(i.asked_by.as_deref(), i.asked_why.as_deref(), c)),
            typed: typed.is("lift").then(|| typed.of("lift", "reason").to_owned()),
            copies: copies.into_iter().filter(|k| k.warning.is_some()).collect(),
            responsible,
            may_lift,
            c,
        }
    }
}
