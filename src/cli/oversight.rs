//! Of supervision: figures, registers of clips and forms over a period, and random samples.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `report`
#[derive(Debug, Clone, Subcommand)]
pub enum Report {
    /// Show the figures: recorded, complete, linked, proven, missing records, recorders not brought back
    Show(ReportOf),
    /// Write the register of clips (台账) to a file: one line a clip, .csv or .xlsx
    Register {
        /// Of what
        #[command(flatten)]
        of: ReportOf,
        /// The file; its ending chooses the form
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fill in a form of the unit's own: an .xlsx file with placeholders
    Fill {
        /// The form
        #[arg(value_name = "FORM")]
        form: PathBuf,
        /// Of what
        #[command(flatten)]
        of: ReportOf,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// List what forms may ask for
    Fields,
}

/// Of which period, unit and kind.
#[derive(Debug, Clone, Args)]
pub struct ReportOf {
    /// 2026-W25, 2026-06, 2026-Q2, 2026, or 2026-06-01..2026-06-15 [default: this month]
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// Of this unit alone; '' for officers of whom nobody knows it
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Of this kind of enforcement alone; '' for those that have none
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// `sample`
#[derive(Debug, Clone, Subcommand)]
pub enum Sample {
    /// Draw a random sample of a month, of each unit by itself; everybody can repeat the draw
    Draw {
        /// 2026-06, or another period [default: this month]
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Of this unit alone
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        /// Clips of each unit
        #[arg(long, default_value_t = 5, value_name = "N")]
        count: u32,
    },
    /// Show the samples
    List,
    /// Show a sample: its clips and what was said about each
    Show {
        /// Its number
        #[arg(value_name = "SAMPLE")]
        sample: i64,
    },
    /// Draw it again from what the log says, and compare
    Verify {
        /// Its number
        #[arg(value_name = "SAMPLE")]
        sample: i64,
    },
    /// Judge a clip by the checklist; what is not named is as it should be
    Judge {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// A point that is not as it should be, by its name or place; may be given several times
        #[arg(long, value_name = "POINT")]
        no: Vec<String>,
        /// A point that does not apply
        #[arg(long, value_name = "POINT")]
        na: Vec<String>,
        /// What was found
        #[arg(long, value_name = "WORDS")]
        words: Option<String>,
        /// Until which day a finding is to be put right, as 2026-07-01
        #[arg(long, value_name = "DAY")]
        due: Option<String>,
    },
    /// Answer a finding: what was done
    Answer {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// What was done
        #[arg(long, value_name = "WORDS")]
        words: String,
    },
    /// Return an answer: what is missing
    Return {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// What is missing
        #[arg(long, value_name = "WORDS")]
        words: String,
        /// Until which day
        #[arg(long, value_name = "DAY")]
        due: Option<String>,
    },
    /// Close a finding that was put right
    Close {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// In words
        #[arg(long, value_name = "WORDS")]
        words: Option<String>,
    },
    /// Rank units by what was found
    Ranking {
        /// Of samples of this period alone
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
    },
}

/// A clip of a sample.
#[derive(Debug, Clone, Args)]
pub struct SampleClip {
    /// The sample's number
    #[arg(value_name = "SAMPLE")]
    pub sample: i64,
    /// Which of its clips, from 1
    #[arg(value_name = "N")]
    pub n: u32,
}
