//! Samples, and one sample with its clips.

use super::Person;
use crate::domain::ids::ClipId;
use crate::domain::report::Period;
use crate::domain::supervision::{Point, Rank, Standing, Step};
use crate::domain::time::UtcMs;

/// Which samples are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SamplesQuery {
    /// Of this period alone; the ranking, too.
    pub period: Option<Period>,
    /// Of this unit alone; an empty one stands for officers of whom nobody knows it. The ranking is of all units.
    pub unit: Option<String>,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// Samples and the ranking of units.
#[derive(Debug, Clone, Default)]
pub struct SamplesView {
    /// Newest first.
    pub rows: Vec<SampleLine>,
    /// Cursor of the next page of them.
    pub next: Option<String>,
    /// Units by what was found.
    pub ranks: Vec<Rank>,
    /// Units of which a sample may be drawn.
    pub units: Vec<String>,
    /// What is checked of each clip.
    pub checklist: Vec<String>,
}

/// A sample in a list.
#[derive(Debug, Clone)]
pub struct SampleLine {
    /// Its number.
    pub sample: i64,
    /// Word of its period.
    pub period: String,
    /// Of this unit; empty where nobody has said.
    pub unit: String,
    /// Clips in it, by how they stand.
    pub standings: Vec<(Standing, u64)>,
    /// Findings past their day.
    pub overdue: u64,
    /// Who drew it.
    pub drawn_by: Person,
    /// When.
    pub drawn: UtcMs,
}

/// A sample with its clips.
#[derive(Debug, Clone)]
pub struct SampleView {
    /// Its number.
    pub sample: i64,
    /// Its period, where its word is one that we know.
    pub period: Option<Period>,
    /// Of this unit; empty where nobody has said.
    pub unit: String,
    /// What is checked.
    pub checklist: Vec<String>,
    /// Among how many clips was drawn, and their digest.
    pub population: (u64, String),
    /// The event of the request.
    pub asked_seq: u64,
    /// Epoch, size and root of the checkpoint over it, and the seed; hex.
    pub drawn_from: Option<(u32, u64, String, String)>,
    /// Who drew it.
    pub drawn_by: Person,
    /// When.
    pub drawn: UtcMs,
    /// In the order of the draw.
    pub clips: Vec<SampledClip>,
}

/// A drawn clip.
#[derive(Debug, Clone)]
pub struct SampledClip {
    /// From 1.
    pub n: u32,
    /// The clip.
    pub clip: ClipId,
    /// When capture began, who recorded, where and what; `None` where it is beyond the bounds of whoever looks, to whom its
    /// number is told no more than the rest.
    pub about: Option<ClipAbout>,
    /// How it stands.
    pub standing: Standing,
    /// Until when it is to be put right.
    pub due: Option<UtcMs>,
    /// Of the judgement that counts.
    pub points: Vec<Point>,
    /// What was said, oldest first.
    pub steps: Vec<StepView>,
}

impl SampledClip {
    /// As it is shown to whom nothing of the clip is told: that it was drawn, and how it stands. What was found is about what
    /// its record and its footage show.
    pub fn untold(self) -> Self {
        Self { about: None, due: None, points: Vec::new(), steps: Vec::new(), ..self }
    }
}

/// What may be told of a clip.
#[derive(Debug, Clone, Default)]
pub struct ClipAbout {
    /// When capture began.
    pub captured: Option<UtcMs>,
    /// Who recorded.
    pub officer: Option<String>,
    /// Where.
    pub place: Option<String>,
    /// Numbers of its cases.
    pub cases: Vec<String>,
}

/// What was said about a drawn clip.
#[derive(Debug, Clone)]
pub struct StepView {
    /// Which step.
    pub step: Step,
    /// In words.
    pub words: String,
    /// Until when it is to be put right.
    pub due: Option<UtcMs>,
    /// By whom.
    pub by: Person,
    /// When.
    pub at: UtcMs,
}
