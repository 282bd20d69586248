//! Of the station itself: its alarms, its log and keys, backups and restoring, its machine, its configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `alarm`
#[derive(Debug, Clone, Subcommand)]
pub enum AlarmVerb {
    /// Show what stands, what to do about it, and whether those who are told are reached
    List,
    /// Tell everybody who is told of alarms and events that this is a trial, and say what came of it
    Test {
        /// Only this webhook, or "mail"
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// `log`
#[derive(Debug, Clone, Subcommand)]
pub enum Log {
    /// Check that the log is whole: every event in the tree, every checkpoint signed and consistent
    Verify(VerifyLog),
    /// Prove that everything that happened to a clip stands in the log, against the newest checkpoint (c2sp.org/tlog-proof); or
    /// that the log goes on from a checkpoint that somebody kept
    Prove(Prove),
    /// Print the newest checkpoint, with whoever cosigned it
    Checkpoint,
    /// Go on under a new signing key; the daemon must be stopped
    ///
    /// The old key signs the change once, and is then removed. docs/custody.md says when and how.
    RotateKey(RotateKey),
}

/// `log verify`
#[derive(Debug, Clone, Args)]
pub struct VerifyLog {
    /// A restore that you know of began this epoch, and what it lost is lost; may be given again for another one
    #[arg(long, value_name = "N")]
    pub accept_epoch: Vec<u32>,
    /// Read every checkpoint and timestamp here and at the destinations, in place of a sample of the older ones
    #[arg(long)]
    pub all: bool,
}

/// `log prove`
#[derive(Debug, Clone, Args)]
pub struct Prove {
    /// Clip id
    #[arg(value_name = "CLIP", required_unless_present = "from", conflicts_with = "from")]
    pub clip: Option<String>,
    /// File with a checkpoint that was kept: proves that the log goes on from it
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// File with the checkpoint to which it goes on, as custody/checkpoint of a package [default: the newest]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub until: Option<PathBuf>,
    /// Write each event and its proof into this folder, or the one from checkpoint to checkpoint, with checkpoint and key
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// `log rotate-key`
#[derive(Debug, Clone, Args)]
pub struct RotateKey {
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// Change the SM2 key in place of the log's own
    #[arg(long)]
    pub sm2: bool,
    /// The SM2 key is lost and cannot sign its own end; verifications will always tell
    #[arg(long, requires = "sm2")]
    pub lost: bool,
}

/// `backup`
#[derive(Debug, Clone, Subcommand)]
pub enum Backup {
    /// Make a backup now and bring it to its destinations
    Now,
    /// Show what was backed up, and where it is
    List {
        /// What this destination holds, in place of what the database knows
        #[arg(long, value_name = "DEST", conflicts_with = "may_go")]
        from: Option<String>,
        /// Only the keys of those that may be removed (keep_daily and keep_monthly of the configuration), one a line
        #[arg(long)]
        may_go: bool,
    },
    /// Print a new key pair for backups; nothing of it is kept here
    Keygen,
}

/// `restore`
#[derive(Debug, Clone, Args)]
pub struct Restore {
    /// Destination by its name in the configuration, or the path of a folder
    #[arg(long, value_name = "DEST")]
    pub from: String,
    /// File with the secret half of the configured recipient
    #[arg(long, value_name = "FILE", required_unless_present = "without_backup")]
    pub identity: Option<PathBuf>,
    /// Use no backup: rebuild from the records alone
    #[arg(long, conflicts_with = "identity")]
    pub without_backup: bool,
    /// Which station; must be the configured one, so that none is restored by mistake
    #[arg(long, value_name = "ID")]
    pub station: Option<String>,
    /// File with the public log key that was kept off the box (log.key.pub); backups and checkpoints of others are refused
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Read every proven copy at DEST back when the rest is done
    #[arg(long)]
    pub verify: bool,
}

/// `doctor`
#[derive(Debug, Clone, Subcommand)]
pub enum Doctor {
    /// USB ports, what is plugged in, and which bay each is
    Bays {
        /// Wait, and say for each recorder that is plugged in which port that was
        #[arg(long)]
        watch: bool,
    },
}

/// `gatekeeper`
#[derive(Debug, Clone, Args)]
pub struct Gatekeeper {
    /// The daemon's user; nobody else but root is served
    #[arg(long, value_name = "NAME", default_value = "evidock")]
    pub user: String,
    /// Listen here; without it, standard input is the socket (systemd's StandardInput=socket)
    #[arg(long, value_name = "SOCKET")]
    pub listen: Option<PathBuf>,
    /// Where it is noted which devices were let in
    #[arg(long, value_name = "DIR", default_value = "/run/evidock-gatekeeper")]
    pub notes: PathBuf,
    /// What to do in place of serving
    #[command(subcommand)]
    pub act: Option<GatekeeperAct>,
}

/// What `gatekeeper` does besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum GatekeeperAct {
    /// Called by udev: a disk of a device that was let in refuses writes from now on
    Protect {
        /// The kernel's name of the disk, as sdb
        #[arg(value_name = "DISK")]
        disk: String,
    },
}

/// `config`
#[derive(Debug, Clone, Subcommand)]
pub enum Config {
    /// Say whether the configuration is right, and whether the files that it names are there
    Check,
    /// Print what holds: every key with its value, paths resolved
    Show,
    /// Print the commented default file
    PrintDefault,
}
