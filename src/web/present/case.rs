//! A case against the catalogue, in words.

use super::Ctx;
use super::clips::Pill;
use crate::domain::coverage::{Coverage, Standing};

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
            Standing::Late => "ask",
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
            detail: w.coverage_detail(line, &ctx.zone),
        }
    });
    lines.collect()
}
