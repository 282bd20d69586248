//! Of where footage comes from: recorders, who has which, rooms that are recorded live, and their cameras.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `recorders`
#[derive(Debug, Clone, Subcommand)]
pub enum Recorders {
    /// Show what waits at the gate now, and every device in the register
    List,
    /// Let a device in: it is a recorder of ours
    Approve(Device),
    /// Keep a device out
    Refuse(Device),
    /// Note that a recorder was given away for repair; it waits for a new yes when it comes back
    Repair(Device),
    /// Note that a recorder is no longer used
    Retire(Device),
    /// Show what a recorder in the network is and lists, and what of it is here; takes nothing
    Look {
        /// Name of the `[[network_recorder]]`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Pull a recorder in the network now; what was given up is tried again
    Pull {
        /// Name of the `[[network_recorder]]`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Ask in the networks of `[discovery]` which recorders are there
    Discover,
}

/// A device of the register.
#[derive(Debug, Clone, Args)]
pub struct Device {
    /// The device as `recorders list` shows it, its serial number, the bay in which it waits, or the recorder's id
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: Option<String>,
}

/// `desk`
#[derive(Debug, Clone, Subcommand)]
pub enum Desk {
    /// An officer takes a recorder out now (领用); whoever had it before has returned it
    Issue(Issue),
    /// A recorder comes back now (归还)
    Return {
        /// The recorder's id
        #[arg(value_name = "RECORDER")]
        recorder: String,
    },
    /// Show what is out
    List {
        /// Only what should be back by now
        #[arg(long)]
        overdue: bool,
    },
}

/// `desk issue`
#[derive(Debug, Clone, Args)]
pub struct Issue {
    /// The recorder's id
    #[arg(value_name = "RECORDER")]
    pub recorder: String,
    /// Who takes it: a name or number
    #[arg(value_name = "OFFICER")]
    pub officer: String,
    /// For which case; its clips are linked to it
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Where it will be used
    #[arg(long)]
    pub place: Option<String>,
    /// Matter to be recorded (记录事项), as 现场检查
    #[arg(long)]
    pub matter: Option<String>,
    /// When it is expected back, as "2026-06-19 18:00" or 18:00 for today
    #[arg(long, value_name = "TIME")]
    pub due: Option<String>,
}

/// `record`
#[derive(Debug, Clone, Subcommand)]
pub enum Record {
    /// Begin to record a room now
    Start(RecordStart),
    /// End what was begun in a room
    Stop {
        /// The room, or the stream's name
        #[arg(value_name = "ROOM")]
        room: String,
    },
    /// Show what every room is doing
    List,
}

/// `record start`
#[derive(Debug, Clone, Args)]
pub struct RecordStart {
    /// The room, or the stream's name
    #[arg(value_name = "ROOM")]
    pub room: String,
    /// For which case; its clips are linked to it
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Who records: a name or number
    #[arg(long)]
    pub officer: Option<String>,
    /// Others present
    #[arg(long)]
    pub co_officers: Option<String>,
    /// Matter to be recorded (记录事项), as 询问
    #[arg(long)]
    pub matter: Option<String>,
    /// What it proves (证明对象)
    #[arg(long)]
    pub proves: Option<String>,
}

/// `stream`
#[derive(Debug, Clone, Subcommand)]
pub enum StreamVerb {
    /// Connect to a camera, watch it for some seconds, say what it offers and how it behaves; keep nothing
    Test(StreamTest),
}

/// `stream test`
#[derive(Debug, Clone, Args)]
pub struct StreamTest {
    /// A stream of the configuration, its room, or an rtsp:// or rtsps:// address
    #[arg(value_name = "NAME|URL")]
    pub stream: String,
    /// How long to watch, seconds
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Of an address: user
    #[arg(long, requires = "password_file")]
    pub user: Option<String>,
    /// Of an address: file that holds the password
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Of an address: RTP over UDP
    #[arg(long)]
    pub udp: bool,
    /// Of an address: certificates to trust, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_sha256")]
    pub ca_file: Option<PathBuf>,
    /// Of an address: SHA-256 fingerprint of the camera's certificate
    #[arg(long, value_name = "HEX")]
    pub certificate_sha256: Option<String>,
}
