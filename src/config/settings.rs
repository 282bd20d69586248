//! Settings: the configuration resolved and validated. What other rooms are given; they never see the file.
//!
//! A field is an `Option` only where absence means something. Paths are absolute, sizes are bytes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::secret::SecretFile;
use crate::domain::case_number::{NumberRule, RuleError, ShapeSpec, builtin_shapes};
use crate::domain::erase::ErasePolicy;
use crate::domain::evict::EvictPolicy;
use crate::domain::ids::{BayName, DestinationName, StationId, StreamName};
use crate::domain::replay::Network;
use crate::domain::retention::RetentionRule;
use crate::domain::sending::{Precedence, Timetable};
use crate::domain::sensitivity::Sensitivity;
use crate::domain::stream::Transport;
use crate::domain::timetable::Window;
use crate::domain::usb::PortPath;
use crate::domain::words::Lang;

/// Everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where they came from: the file, or `None` for the embedded defaults.
    pub file: Option<PathBuf>,
    /// Who and where this station is.
    pub station: Station,
    /// Sealed files on the station's disk.
    pub vault: Vault,
    /// The watched directory of recorders.
    pub folder_source: FolderSource,
    /// Recorders on USB.
    pub usb_source: UsbSource,
    /// Cameras that are recorded live; names and rooms differ.
    pub streams: Vec<Stream>,
    /// Recorders in the network that are pulled; names and bays differ.
    pub network_recorders: Vec<NetworkRecorder>,
    /// Finding recorders in the network.
    pub discovery: Discovery,
    /// Looking into media files.
    pub media: Media,
    /// Facts and case numbers.
    pub casework: Casework,
    /// The log of everything that happens to a clip.
    pub custody: Custody,
    /// Documents beside the clips of a case.
    pub documents: Documents,
    /// Evidence packages.
    pub export: Export,
    /// Files that are derived of clips.
    pub derived: Derived,
    /// Where footage goes; at least one, names differ.
    pub destinations: Vec<Destination>,
    /// When space on recorders is given back; the first that fits a recorder holds. Empty: never.
    pub erase: Vec<Erase>,
    /// Reading copies again after their proof.
    pub audit: Audit,
    /// How long copies are locked.
    pub retention: Retention,
    /// Isolation, filing, disposal.
    pub keeping: Keeping,
    /// How uploads behave.
    pub upload: Upload,
    /// Backups of the database.
    pub backup: Backup,
    /// The page.
    pub web: Web,
    /// Sign-in.
    pub access: AccessRules,
    /// Supervision, legal review, reports.
    pub supervision: Supervision,
    /// Telling people at the bays without a screen.
    pub feedback: Feedback,
    /// How alarms are told, and to whom.
    pub alarm: AlarmRules,
    /// Programs that are told of what happens to clips and cases; names differ.
    pub webhooks: Vec<DataWebhook>,
    /// How messages wait and are tried again.
    pub messages: Messages,
    /// Files for and from a front-end machine.
    pub exchange: Exchange,
    /// What the daemon writes about itself.
    pub log: Log,
    /// The Unix socket of the command line.
    pub control_socket: PathBuf,
}

/// Who and where this station is.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    /// Name in object keys and in the log.
    pub id: StationId,
    /// Name on the page.
    pub name: String,
    /// In which times are shown; it never decides them.
    pub zone: TimeZone,
    /// IANA name of `zone`.
    pub zone_name: String,
    /// Of the page and of the command line, for readers who have chosen none.
    pub language: Language,
    /// In records.
    pub agency: Option<String>,
    /// Who runs the station, in records.
    pub operator: String,
    /// Database, keys, vault and socket.
    pub state_dir: PathBuf,
}

/// Sealed files on the station's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// Where they stand.
    pub dir: PathBuf,
    /// Space that intake leaves free.
    pub reserve: Reserve,
    /// Durable progress inside a file at least every so many bytes.
    pub checkpoint_bytes: u64,
    /// When local copies go that are proven elsewhere; `None`: never.
    pub evict: Option<Evict>,
}

/// When local copies go that are proven elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evict {
    /// What must be so for a clip.
    pub policy: EvictPolicy,
    /// So much of the disk is to be free, per cent.
    pub free_percent: u64,
}

/// Space that intake leaves free, for the database, the log and the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// The smaller of 10 GB and 5 % of the disk, so that a small disk is of use and a large one is not wasted.
    Auto,
    /// As written.
    Bytes(u64),
}

impl Reserve {
    /// In bytes, on a file system of `disk_bytes`.
    pub fn bytes(self, disk_bytes: u64) -> u64 {
        match self {
            Self::Auto => (disk_bytes / 20).min(10_000_000_000),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The watched directory of recorders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderSource {
    /// Each directory in it is a docked recorder.
    pub dir: PathBuf,
    /// Between two looks.
    pub poll: Duration,
    /// A file is left until it has not changed for so long.
    pub still_after: Duration,
    /// Recorder profiles of the unit's own, beside the built-in ones.
    pub profiles_dir: Option<PathBuf>,
    /// What [`Settings::erase`] allows may be erased in these directories.
    pub erase: bool,
}

/// Recorders on USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbSource {
    /// Whether USB is watched.
    pub mode: UsbMode,
    /// Unix socket of the gatekeeper.
    pub gatekeeper: PathBuf,
    /// Who reads a medium's file system.
    pub read: UsbRead,
    /// The kernel mounts file systems that the reader does not know.
    pub kernel_mount: bool,
    /// Ports that are bays; without any, every port is one and is called by its port. Ports differ.
    pub bays: Vec<UsbBay>,
    /// Recorders that are let in without asking.
    pub allow: Vec<UsbAllow>,
}

/// A port that is a bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbBay {
    /// What people call it. A socket has one port for USB 2 and one for USB 3, so a name may come twice.
    pub name: BayName,
    /// The socket; what stands below it (a hub) belongs to the bay, too.
    pub port: PortPath,
}

/// Recorders that are let in without asking: all that is given must fit, and something is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsbAllow {
    /// `idVendor`.
    pub vendor_id: Option<u16>,
    /// `idProduct`; only together with the vendor.
    pub product_id: Option<u16>,
    /// Pattern of serial numbers (`*`, `?`, `[abc]`, `{a,b}`).
    pub serial: Option<String>,
    /// Pattern of ports.
    pub port: Option<String>,
}

/// A camera that is recorded live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name; also the id of the recorder that its clips belong to.
    pub name: StreamName,
    /// The room, as people call it; the place of what is recorded.
    pub room: String,
    /// Address, without user and password.
    pub url: String,
    /// User of the camera.
    pub user: Option<String>,
    /// Password, where there is a user.
    pub password: Option<SecretFile>,
    /// How RTP travels.
    pub transport: Transport,
    /// Certificates to trust beside the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// The one certificate that counts: SHA-256 of its DER form, hex.
    pub certificate_sha256: Option<String>,
    /// A clip is cut at the first key frame after so long.
    pub segment: Duration,
    /// A connection over which nothing comes for so long is given up.
    pub silence: Duration,
    /// When it is recorded.
    pub mode: StreamMode,
    /// When, in mode `schedule`, in the station's zone.
    pub windows: Vec<Window>,
}

/// A recorder in the network that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRecorder {
    /// Its name; also the recorder's id where it tells no serial number.
    pub name: StreamName,
    /// The bay in which it is shown.
    pub bay: BayName,
    /// ONVIF device service, or the RTSP address of recorded footage; without user and password.
    pub url: String,
    /// User of the recorder.
    pub user: Option<String>,
    /// Password, where there is a user.
    pub password: Option<SecretFile>,
    /// Certificates to trust beside the public ones, PEM.
    pub ca_file: Option<PathBuf>,
    /// The one certificate that counts: SHA-256 of its DER form, hex.
    pub certificate_sha256: Option<String>,
    /// When it is pulled.
    pub pull: PullMode,
    /// When, in mode `schedule`, in the station's zone.
    pub windows: Vec<Window>,
    /// Pause between two looks at it.
    pub every: Duration,
    /// A clip is cut at the first key frame after so much footage.
    pub segment: Duration,
    /// A connection over which nothing comes for so long is given up.
    pub silence: Duration,
}

/// Finding recorders in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Networks in which is asked who is there. Empty: nobody is asked.
    pub networks: Vec<Network>,
    /// How often.
    pub every: Duration,
}

/// Looking into media files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// A worker that takes longer with one file is stopped.
    pub timeout: Duration,
    /// Of the picture made of each clip.
    pub thumbnail_width_px: u32,
    /// Worker processes.
    pub workers: usize,
    /// Of previews of what browsers cannot play.
    pub preview_width_px: u32,
}

/// Facts and case numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Casework {
    /// File, imported whenever it changes.
    pub roster: Option<PathBuf>,
    /// Place of clips of which nothing better is known.
    pub default_place: Option<String>,
    /// What clips prove of which nothing better is known.
    pub default_proves: Option<String>,
    /// Label of clips of which nothing better is known.
    pub default_sensitivity: Sensitivity,
    /// Version of the number rule, stored with each number that it reads; 1 is the built-in shapes alone.
    pub number_rule_version: u32,
    /// Shapes of case numbers beside the built-in ones.
    pub number_shapes: Vec<ShapeSpec>,
    /// Rules that link clips to cases.
    pub linking: Linking,
    /// What counts as recorded.
    pub coverage: CoverageRules,
}

/// Rules that link clips to cases, each with the highest score that it may give; 0 switches it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linking {
    /// From this score on a rule links by itself; below it waits for a person.
    pub link_score: u32,
    /// Clips of one recorder with longer pauses between them are of two outings.
    pub outing_gap: Duration,
    /// A case may have been opened so long after its first clip.
    pub before: Duration,
    /// Clips may follow so long after a case was opened.
    pub after: Duration,
    /// How near to its address a clip was captured, metres.
    pub near_m: u32,
    /// Who took the recorder out at the desk, and for which case.
    pub desk: u32,
    /// The roster.
    pub roster: u32,
    /// A number in a file's name or sidecar.
    pub tag: u32,
    /// A case that names what it was called before it was opened.
    pub earlier: u32,
    /// Other clips of the same outing.
    pub neighbour: u32,
    /// A case of the register: officers, place, party, time.
    pub register: u32,
    /// Nothing but the position.
    pub place: u32,
}

impl Default for Linking {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            link_score: 80,
            outing_gap: Duration::from_secs(2 * 3600),
            before: days(30),
            after: days(180),
            near_m: 200,
            desk: 100,
            roster: 100,
            tag: 85,
            earlier: 95,
            // What others of the outing are linked to, or the register lets guess, a person confirms.
            neighbour: 75,
            register: 75,
            place: 50,
        }
    }
}

/// What counts as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageRules {
    /// A gap of at most this length is none.
    pub gap: Duration,
    /// Footage may come in so long after the matter.
    pub within: Duration,
}

impl Casework {
    /// The rule that reads case numbers: own shapes first, then the built-in ones. Cannot fail for loaded settings.
    pub fn number_rule(&self) -> Result<NumberRule, RuleError> {
        let shapes = self.number_shapes.iter().cloned().chain(builtin_shapes()).collect();
        NumberRule::with_shapes(self.number_rule_version, shapes)
    }
}

/// Files that are derived of clips because somebody asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Where they stand.
    pub dir: PathBuf,
    /// They are kept for so long.
    pub keep: Duration,
    /// A worker that takes longer over one is stopped.
    pub patience: Duration,
    /// Previews say over the picture who looks, and when.
    pub watermark_previews: bool,
}

/// Evidence packages.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Where packages are made on the station.
    pub dir: PathBuf,
    /// Another person confirms what somebody who signed in asks for.
    pub second_person: bool,
    /// A package can be fetched with the browser for so long.
    pub keep: Duration,
    /// SM3 beside the other digests.
    pub sm3: bool,
    /// The typeface of documents; `None`: what is found.
    pub font: Option<PathBuf>,
}

/// The log of everything that happens to a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// Between two signed checkpoints.
    pub checkpoint_interval: Duration,
    /// Who stamps them.
    pub timestamp: Option<TimestampSettings>,
    /// Who signs them beside us.
    pub witnesses: Vec<WitnessSettings>,
    /// Verifier keys of the logs that we sign as a witness.
    pub witnessed: Vec<String>,
    /// Checkpoints, timestamps and tiles are locked for so many days, where a destination locks anything.
    pub lock_days: u32,
    /// SM3 of every clip, taken with its other digests as it comes in.
    pub sm3: bool,
    /// A second signature, SM2, below checkpoints and beside packages.
    pub sm2: bool,
    /// The signing key comes as a credential of the service manager; `None`: it stands in a file.
    pub key: Option<KeyCredential>,
    /// Likewise the SM2 key.
    pub sm2_key: Option<KeyCredential>,
}

impl Custody {
    /// For how many days the log's objects are locked at a destination that locks what is complete for `initial_days`. What
    /// proves that a clip was never changed must outlast every lock of the clip.
    pub fn log_lock_days(&self, initial_days: u32) -> u32 {
        if initial_days == 0 { 0 } else { initial_days.max(self.lock_days) }
    }
}

/// A signing key that the service manager hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCredential {
    /// Name of the credential.
    pub name: String,
    /// Where it stands while the service runs.
    pub path: PathBuf,
    /// Its encrypted file, which says how it is kept.
    pub sealed: PathBuf,
}

/// An RFC 3161 authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampSettings {
    /// Its address.
    pub url: String,
    /// Between two timestamps.
    pub every: Duration,
    /// Certificates to trust in place of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// A witness of our log (c2sp.org/tlog-witness).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessSettings {
    /// Its name.
    pub name: String,
    /// Its submission prefix.
    pub url: String,
    /// Its verifier key.
    pub key: String,
    /// Certificates to trust in place of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// When space on some recorders is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// Patterns of the ids of these recorders, at least one.
    pub recorders: Vec<globset::Glob>,
    /// What must be so before.
    pub policy: ErasePolicy,
}

/// Documents beside the clips of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// Files that appear here are filed by themselves; `None`: nothing is watched.
    pub dir: Option<PathBuf>,
    /// Longest document.
    pub max_bytes: u64,
}

/// Reading copies again after their proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// So many per cent of a destination's copies are read again each day, in samples; 0: none.
    pub share_percent: u64,
    /// Groups of 16 KiB in a sample.
    pub groups: u64,
    /// Each copy is read again whole after so long; `None`: never.
    pub whole_every: Option<Duration>,
    /// Audits of one destination take no more than this.
    pub bytes_per_s: u64,
}

/// How long copies are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// When locks are renewed, and how far.
    pub rule: RetentionRule,
}

/// Isolation, filing, disposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Whom to call about what is suspected classified.
    pub responsible: Option<String>,
    /// 全宗号 of the agency's archive.
    pub fonds_no: Option<String>,
    /// Destinations at which copies of what was disposed of are removed.
    pub dispose_at: Vec<DestinationName>,
    /// To file a case, its clips must have been compared within so many days; of clips that gave their file up, a copy
    /// elsewhere.
    pub compared_days: u32,
}

/// How uploads behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Long clips under way to one destination at the same time.
    pub clips_in_flight: usize,
    /// Parts go up while their clip is still being copied.
    pub instant: bool,
    /// Which clip goes first.
    pub order: Vec<Precedence>,
    /// Ceilings by the time of day, for all destinations together.
    pub limit: Timetable,
    /// First pause after a failure.
    pub retry_min: Duration,
    /// Longest pause after repeated failures.
    pub retry_max: Duration,
}

/// Backups of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Public age key (X25519) for which they are encrypted; without one none is made.
    pub recipient: Option<String>,
    /// Between two backups.
    pub every: Duration,
    /// Destinations that get them, at least one.
    pub destinations: Vec<DestinationName>,
    /// Of so many days the last one is kept.
    pub keep_daily: u32,
    /// Of so many months the last one is kept.
    pub keep_monthly: u32,
    /// The log's key is in them, too.
    pub log_key: bool,
}

/// The page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where it listens; plain HTTP on loopback alone. Port 0 lets the system choose. While the station has no account,
    /// what is not loopback serves nothing but the bay board (decision 13).
    pub listen: SocketAddr,
    /// Served over TLS where given, and wherever it is not loopback.
    pub tls: Option<Tls>,
    /// Host names under which it answers, besides addresses.
    pub names: Vec<String>,
    /// Who signs the certificates by which people sign in, PEM; browsers are asked for none where it is not given.
    pub client_ca: Option<PathBuf>,
}

/// How long a sign-in session goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRules {
    /// One in which nothing was asked for so long is over.
    pub idle: Duration,
    /// None goes on for longer.
    pub longest: Duration,
    /// Who else says who somebody is.
    pub oidc: Option<OidcProvider>,
}

/// An identity provider (OpenID Connect).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcProvider {
    /// As it calls itself; https, or http on this box.
    pub issuer: String,
    /// The name under which it knows the station.
    pub client_id: String,
    /// The station's secret there; none where it asks for none.
    pub client_secret: Option<SecretFile>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What is asked for; `openid` is among them.
    pub scopes: Vec<String>,
    /// Words on the button, instead of our own.
    pub label: Option<String>,
}

/// Certificate and key of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// The station makes both, in one file, where they are not there.
    pub own: bool,
}

/// Telling people at the bays without a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// A program that is run for each event.
    pub hook: Option<Hook>,
    /// Where the kernel shows its LEDs.
    pub led_dir: PathBuf,
    /// Lamps at bays; no LED stands in two of them.
    pub lamps: Vec<Lamp>,
}

/// A program that is run for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Absolute path of the program, then its arguments; the event's name follows them.
    pub command: Vec<String>,
    /// It is ended when it takes longer.
    pub timeout: Duration,
    /// Events that may wait for it; beyond that the oldest are dropped and counted.
    pub queue: usize,
}

/// The lamps at one bay: names of LEDs below [`Feedback::led_dir`]; at least one, perhaps the same for several states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lamp {
    /// The bay.
    pub bay: BayName,
    /// Blinks while a recorder is copied.
    pub busy: Option<String>,
    /// Lit while a recorder may be taken.
    pub safe: Option<String>,
    /// Blinks fast when someone must act.
    pub trouble: Option<String>,
}

/// What the daemon writes about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Least level that is written.
    pub level: LogLevel,
    /// How lines look.
    pub format: LogFormat,
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every word that may be written.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+ };
}

mod destination;
mod notice;

pub use destination::*;
pub use notice::*;

choices! {
    /// Language of the page and of the command line.
    Language {
        /// The reader's own: the browser's, or that of the terminal.
        Auto => "auto",
        /// Chinese.
        Chinese => "zh-CN",
        /// English.
        English => "en",
    }

    /// Whether USB is watched.
    UsbMode {
        /// Where the system has udev; silence where it has none.
        Auto => "auto",
        /// Always; a system without udev is a trouble that is told.
        On => "on",
        /// Never.
        Off => "off",
    }

    /// Who reads a medium's file system.
    UsbRead {
        /// A program without rights, in a process of its own for each recorder.
        Reader => "reader",
        /// The kernel.
        Kernel => "kernel",
    }

    /// When a stream is recorded.
    StreamMode {
        /// When somebody says so.
        OnDemand => "on_demand",
        /// Always.
        Always => "always",
        /// At set times, and when somebody says so.
        Schedule => "schedule",
    }

    /// When a recorder in the network is pulled.
    PullMode {
        /// Whenever it has something new.
        New => "new",
        /// When somebody says so.
        OnDemand => "on_demand",
        /// At set times, and when somebody says so.
        Schedule => "schedule",
    }

    /// When local copies go that are proven elsewhere.
    EvictWhen {
        /// Never.
        Off => "off",
        /// For want of room, oldest first.
        Space => "space",
        /// And for their age, even while there is room.
        Age => "age",
    }

    /// Least level of log lines.
    LogLevel {
        /// What failed.
        Error => "error",
        /// And what may.
        Warn => "warn",
        /// And what was done.
        Info => "info",
        /// And how.
        Debug => "debug",
        /// And every step.
        Trace => "trace",
    }

    /// How log lines look.
    LogFormat {
        /// The journal where systemd reads us, else text.
        Auto => "auto",
        /// The journal's own protocol, fields kept.
        Journald => "journald",
        /// One JSON object a line.
        Json => "json",
        /// For people.
        Text => "text",
    }
}

impl Language {
    /// The one language, where one is set.
    pub fn fixed(self) -> Option<Lang> {
        match self {
            Self::Auto => None,
            Self::Chinese => Some(Lang::Zh),
            Self::English => Some(Lang::En),
        }
    }
}

impl Settings {
    /// The files that must exist before the daemon starts, each with the key that names it.
    pub fn needed_files(&self) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        let mut need = |key: &str, path: &Path| files.push((key.to_owned(), path.to_owned()));
        if let Some(dir) = &self.folder_source.profiles_dir {
            need("[source.folder] profiles_dir", dir);
        }
        if let Some(tls) = self.web.tls.as_ref().filter(|tls| !tls.own) {
            need("[web] tls_certificate", &tls.certificate);
            need("[web] tls_key", &tls.key);
        }
        if let Some(ca) = self.custody.timestamp.as_ref().and_then(|timestamp| timestamp.ca_file.as_ref()) {
            need("[custody.timestamp] ca_file", ca);
        }
        for witness in &self.custody.witnesses {
            if let Some(ca) = &witness.ca_file {
                need(&format!("[[custody.witness]] {} ca_file", witness.name), ca);
            }
        }
        for (key, path) in super::notice::needed_files(self) {
            need(&key, &path);
        }
        for stream in &self.streams {
            let of = |key: &str| format!("[[stream]] {} {key}", stream.name);
            if let Some(password) = &stream.password {
                need(&of("password"), password.path());
            }
            if let Some(ca) = &stream.ca_file {
                need(&of("ca_file"), ca);
            }
        }
        for recorder in &self.network_recorders {
            let of = |key: &str| format!("[[network_recorder]] {} {key}", recorder.name);
            if let Some(password) = &recorder.password {
                need(&of("password"), password.path());
            }
            if let Some(ca) = &recorder.ca_file {
                need(&of("ca_file"), ca);
            }
        }
        for destination in &self.destinations {
            for (key, path) in destination.needed_files() {
                need(&format!("[[destination]] {} {key}", destination.name), path);
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_fits_the_disk() {
        assert_eq!(Reserve::Auto.bytes(64_000_000_000), 3_200_000_000);
        assert_eq!(Reserve::Auto.bytes(4_000_000_000_000), 10_000_000_000);
        assert_eq!(Reserve::Bytes(7).bytes(64_000_000_000), 7);
    }
}

/// Supervision, legal review, reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// What is checked of each clip of a random sample.
    pub checklist: Vec<String>,
    /// What a case file is marked by, and how many points each item may bring.
    pub marks: Vec<(String, u32)>,
    /// The unit's own reports.
    pub forms: Vec<Form>,
}

/// A report in the unit's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What people call it.
    pub name: String,
    /// The workbook with placeholders.
    pub file: PathBuf,
}
