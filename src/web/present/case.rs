//! A case against the catalogue, in words.

use super::clips::Pill;
use super::{Ctx, Stamp};
use crate::domain::coverage::{Coverage, Line, Standing};
use crate::domain::time::UtcMs;
use crate::web::view::case::DocumentRow;
use crate::web::view::clips::state_class;

/// An item of the catalogue in a case.
pub struct CoverageLine {
    /// Stage.
    pub stage: String,
    /// Matter to be recorded.
    pub matter: String,
    /// How much of it.
    pub tier: &'static str,
    /// How it stands.
    pub pill: Pill,
    /// Length of what is recorded.
    pub length: String,
    /// Where its gaps are, until when it may come, why it has no recording.
    pub detail: String,
}

/// Every item, in the order of the catalogue.
pub fn coverage(coverage: &Coverage, ctx: &Ctx) -> Vec<CoverageLine> {
    let w = ctx.w;
    let lines = coverage.lines.iter().map(|line| {
        let class = match line.standing {
            Standing::Missing | Standing::Interrupted => "fail",
            Standing::Explained | Standing::Late => "ask",
            Standing::Present => "safe",
            Standing::Replaced | Standing::NotYetDue => "idle",
        };
        let mut pill = Pill::new(class, w.standing(line.standing));
        if line.clips > 1 {
            pill.text.push_str(&format!(" · {}", w.videos(line.clips as u64)));
        }
        CoverageLine {
            stage: line.item.stage.clone().unwrap_or_else(|| w.none_dash.to_owned()),
            matter: line.item.matter.clone(),
            tier: w.tier(line.item.tier),
            pill,
            length: if line.clips > 0 { w.footage(line.recorded_ms) } else { w.none_dash.to_owned() },
            detail: detail(line, ctx),
        }
    });
    lines.collect()
}

/// What stands behind a line, and who gave its reason.
fn detail(line: &Line, ctx: &Ctx) -> String {
    let told = ctx.w.coverage_detail(line, &ctx.zone);
    match &line.said {
        Some(said) => {
            let who = ctx.named(&crate::web::keeping::actor(&said.actor));
            format!("{told} · {}", ctx.w.reason_said(&who, &ctx.stamp(UtcMs(said.at_ms)).text))
        }
        None => told,
    }
}

/// A document of a case.
pub struct DocumentLine {
    /// Its page.
    pub href: String,
    /// What it is.
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// Its file's name.
    pub file: String,
    /// The matter of which it is the written record.
    pub matter: String,
    /// When it was filed.
    pub filed: Stamp,
    /// Size.
    pub size: String,
    /// Its state.
    pub pill: Pill,
}

/// Documents in the order in which they were filed.
pub fn documents(rows: &[DocumentRow], ctx: &Ctx) -> Vec<DocumentLine> {
    let w = ctx.w;
    let line = |d: &DocumentRow| DocumentLine {
        href: format!("/clips/{}", d.id),
        kind: w.document_kind_word(&d.kind).to_owned(),
        title: d.title.clone(),
        file: d.file_name.clone(),
        matter: d.matter.clone().unwrap_or_else(|| w.none_dash.to_owned()),
        filed: ctx.stamp(d.filed),
        size: w.size(d.size_bytes),
        pill: Pill::new(state_class(d.state), w.state(d.state)),
    };
    rows.iter().map(line).collect()
}
