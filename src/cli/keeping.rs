//! Of what keeps a clip or ends it: holds, isolation, disposal. What one person asks for, another one confirms.

use clap::{Args, Subcommand};

/// `dispose`
#[derive(Debug, Clone, Subcommand)]
pub enum DisposeVerb {
    /// Show clips whose retention is over and that nothing keeps
    Due,
    /// Show lists, or one of them with its clips (销毁清册)
    List {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: Option<i64>,
    },
    /// Propose clips for disposal; another person confirms
    Propose {
        /// Clip ids
        #[arg(value_name = "CLIP", required_unless_present = "all_due")]
        clips: Vec<String>,
        /// Everything that is due
        #[arg(long, conflicts_with = "clips")]
        all_due: bool,
        /// What the appraisal came to (鉴定意见); kept on record
        #[arg(long)]
        opinion: String,
        /// On what basis; kept on record
        #[arg(long)]
        basis: String,
    },
    /// Confirm a list that another person proposed: its clips go for good
    Confirm {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: i64,
    },
    /// Refuse a list, or take back one's own
    Refuse {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: i64,
    },
}

/// `hold`
#[derive(Debug, Clone, Args)]
pub struct Hold {
    /// Clip id
    #[arg(value_name = "CLIP", required_unless_present = "case_no")]
    pub clip: Option<String>,
    /// Every clip that is linked to this case, now or later
    #[arg(long = "case", value_name = "N", conflicts_with = "clip")]
    pub case_no: Option<String>,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// On what basis: a review (复议), a lawsuit (诉讼), a letter; kept on record
    #[arg(long)]
    pub basis: Option<String>,
}

/// `unhold`
#[derive(Debug, Clone, Args)]
pub struct Unhold {
    /// The hold's number, as `holds` shows it
    #[arg(value_name = "HOLD")]
    pub hold: i64,
    /// Ask for its release, and say why; kept on record
    #[arg(long, required_unless_present_any = ["confirm", "refuse"])]
    pub reason: Option<String>,
    /// Confirm what another person asked for
    #[arg(long, conflicts_with = "reason")]
    pub confirm: bool,
    /// Refuse what another person asked for, or take back what you asked for
    #[arg(long, conflicts_with_all = ["reason", "confirm"])]
    pub refuse: bool,
}

/// `isolate`
#[derive(Debug, Clone, Args)]
pub struct Isolate {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
}

/// `lift`
#[derive(Debug, Clone, Args)]
pub struct Lift {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Ask that it be lifted, and say why; kept on record
    #[arg(long, required_unless_present_any = ["confirm", "refuse"])]
    pub reason: Option<String>,
    /// Confirm what another person asked for
    #[arg(long, conflicts_with = "reason")]
    pub confirm: bool,
    /// Refuse what another person asked for, or take back what you asked for
    #[arg(long, conflicts_with_all = ["reason", "confirm"])]
    pub refuse: bool,
}
