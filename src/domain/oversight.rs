//! What supervision and legal review ask of the running daemon; part of `domain::command`.

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "oversight", rename_all = "snake_case")]
pub enum OversightAsk {
    /// Draws a random sample of a month; answers with the numbers of the samples, one a unit.
    DrawSample {
        /// Word of `domain::report::Period`.
        period: String,
        /// Of this unit; without it of each unit by itself.
        #[serde(default)]
        unit: Option<String>,
        /// How many clips of each unit.
        count: u32,
    },
    /// Judges a drawn clip by the checklist.
    JudgeSample {
        /// The sample.
        sample: i64,
        /// Which of its clips, from 1.
        n: u32,
        /// `yes`, `no` or `na` for each point of the checklist, in its order.
        points: Vec<String>,
        /// In words.
        #[serde(default)]
        words: String,
        /// Until which day a finding is to be put right.
        #[serde(default)]
        due: Option<String>,
    },
    /// A unit answers a finding.
    AnswerFinding {
        /// The sample.
        sample: i64,
        /// Which of its clips.
        n: u32,
        /// What was done.
        words: String,
    },
    /// The answer does not do.
    ReturnFinding {
        /// The sample.
        sample: i64,
        /// Which of its clips.
        n: u32,
        /// What is missing.
        words: String,
        /// Until which day.
        #[serde(default)]
        due: Option<String>,
    },
    /// The finding was put right.
    CloseFinding {
        /// The sample.
        sample: i64,
        /// Which of its clips.
        n: u32,
        /// In words.
        #[serde(default)]
        words: String,
    },
    /// Notes something at a place of a clip of a case.
    NoteReview {
        /// Any number of the case.
        case_no: String,
        /// The clip.
        clip: String,
        /// Where, as typed: seconds, or minutes and seconds.
        at: String,
        /// In words.
        words: String,
    },
    /// Takes a note back.
    WithdrawNote {
        /// Any number of the case.
        case_no: String,
        /// The note.
        note: i64,
    },
    /// Gives an opinion about a case.
    GiveOpinion {
        /// Any number of the case.
        case_no: String,
        /// Word of `domain::review::Verdict`.
        verdict: String,
        /// In words.
        words: String,
    },
    /// Marks a case file.
    MarkCase {
        /// Any number of the case.
        case_no: String,
        /// Points of each item of the sheet, in its order, and why not all of them.
        marks: Vec<(u32, String)>,
    },
}
