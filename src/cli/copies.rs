//! Of copies: those at destinations (sent, verified, fetched) and those that are handed out (derived files, evidence
//! packages).

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `push`
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Push {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: Option<String>,
    /// Every clip of a case that is not proven yet
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
}

/// `verify`
#[derive(Debug, Clone, Args)]
pub struct Verify {
    #[command(flatten)]
    /// Which clips.
    pub which: Which,
    /// Read the copies at the destinations back, too
    #[arg(long)]
    pub remote: bool,
    /// Read this destination alone: neither vault nor database nor daemon is needed
    #[arg(long, value_name = "DEST")]
    pub from: Option<String>,
}

/// `fetch`
#[derive(Debug, Clone, Args)]
pub struct Fetch {
    /// Case number, in any spelling, or any other number of the same case
    #[arg(long = "case", value_name = "N")]
    pub case_no: String,
    /// Where from: a destination of the configuration, or the path of a folder
    #[arg(long, value_name = "DEST")]
    pub from: String,
    /// Directory for the clips, their records and the summary; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `derive`
#[derive(Debug, Clone, Subcommand)]
pub enum Derive {
    /// One picture, as it is at a moment
    Frame {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// The moment, in seconds from the clip's start, as 12.5
        #[arg(long, value_name = "SECONDS")]
        at: String,
        /// PNG instead of JPEG
        #[arg(long)]
        png: bool,
    },
    /// A stretch, from key frame to key frame and not encoded again
    Trim {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// Begin, in seconds from the clip's start [default: 0]
        #[arg(long, value_name = "SECONDS")]
        from: Option<String>,
        /// End, in seconds from the clip's start
        #[arg(long, value_name = "SECONDS")]
        until: String,
        /// Exact to the picture, and therefore encoded again
        #[arg(long)]
        exact: bool,
    },
    /// All of it or a stretch, encoded again, with your name and the time over the picture
    Watermark {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// Begin, in seconds from the clip's start [default: 0]
        #[arg(long, value_name = "SECONDS")]
        from: Option<String>,
        /// End, in seconds from the clip's start [default: its end]
        #[arg(long, value_name = "SECONDS")]
        until: Option<String>,
    },
}

/// Of what is derived, and why.
#[derive(Debug, Clone, Args)]
pub struct DeriveOf {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// Where the file goes [default: the current directory, under its own name]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// `export`
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// Any number of the case, in any spelling
    #[arg(long = "case", value_name = "N")]
    pub case_no: String,
    /// A new folder, or a file that ends in .zip
    #[arg(long, value_name = "DIR|ZIP")]
    pub to: PathBuf,
    /// Why; kept on record and printed in the package
    #[arg(long)]
    pub reason: String,
    /// On what basis (依据): a letter, an order, an article; kept on record and printed in the package
    #[arg(long)]
    pub basis: String,
    /// For whom
    #[arg(long)]
    pub recipient: Option<String>,
    /// Divide it among discs: dvd (4.7 GB), bluray (25 GB), or a size in GB; each disc holds a package of its own
    #[arg(long, value_name = "SIZE")]
    pub disc: Option<String>,
    /// With the files that were derived of its clips, below data/derived and called so
    #[arg(long)]
    pub with_derived: bool,
}

/// `import-check`
#[derive(Debug, Clone, Args)]
pub struct ImportCheck {
    /// The package's folder
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Folders of the other discs, where the case was divided: compared with each other, too
    #[arg(value_name = "DISC")]
    pub discs: Vec<PathBuf>,
    /// File with keys of the station, one a line (log.key.pub), learned from elsewhere than the package
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// File with SM2 keys of the station (log.sm2.key.pub), learned from elsewhere than the package
    #[arg(long, value_name = "FILE")]
    pub trust_sm2: Option<PathBuf>,
    /// File with keys of witnesses, one a line (a station's log.key.pub), whose signatures below the checkpoint are compared
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
    /// File with a checkpoint of the station's log that was kept elsewhere: a package of another history is refused
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// File with the proof that one of both goes on from the other, where they differ in size (`log prove --from --until`)
    #[arg(long, value_name = "FILE", requires = "anchor")]
    pub proof: Option<PathBuf>,
}

/// Which clips: one of three.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: Option<String>,
    /// Every clip of a case
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Every clip
    #[arg(long)]
    pub all: bool,
}
