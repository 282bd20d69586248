//! Shapes on the wire of `/api/v1`, apart from the record itself (`domain::record::Record`) and a clip in a list (`listed`).

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::listed::ListedClip;
use super::site::Part;
use super::trouble::Trouble;
use super::view::clips::{CaseRow, ClipsQuery, Counted, Missing};
use super::view::station::{Bay, BayState, DestinationView, Health, STAGES, StationView, Verdict};
use crate::domain::clip::ClipState;
use crate::domain::report::{Figure, Period};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

/// A page of the list has at most this many rows.
pub const MOST_ROWS: u32 = 200;

/// Filters of a list of clips, as they stand in an address.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct RawClipsQuery {
    /// Anything, together: numbers of cases in any bracket style or half of one, party, officer, recorder, place, file name,
    /// days (`今天`, `2026-06`, `6月19日`).
    pub q: Option<String>,
    /// `newest` (default), or `best` where `q` says what for.
    pub sort: Option<String>,
    /// Any number of the case, in any bracket style.
    pub case: Option<String>,
    /// Part of the officer's name.
    pub officer: Option<String>,
    /// Part of the recorder's id.
    pub recorder: Option<String>,
    /// `seen`, `copying`, `sealed`, `sending`, `proven`, `released`.
    #[param(pattern = "^(seen|copying|sealed|sending|proven|released)?$")]
    pub state: Option<String>,
    /// `any`, or the name of one of the five required facts.
    #[param(pattern = "^(any|case_no|captured_start|place|officer|proves)?$")]
    pub missing: Option<String>,
    /// Captured on or after this day of the station's zone, `YYYY-MM-DD`.
    #[param(format = Date)]
    pub from: Option<String>,
    /// Captured on or before this day.
    #[param(format = Date)]
    pub to: Option<String>,
    /// What a report counts: `recorded`, `at_once`, `chased`, `incomplete`, `linked`, `by_rule`, `by_hand`,
    /// `not_yet_linkable`, `unlinked`, `in_time`, `late`, `unproven`, `undated`.
    pub figure: Option<String>,
    /// Of officers of this unit; `-` for those of whom nobody knows it.
    pub unit: Option<String>,
    /// Of this kind of enforcement; `-` for those that have none.
    pub kind: Option<String>,
    /// Taken in during this period, as `2026-06`.
    pub taken: Option<String>,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
    /// Rows of a page, 1 to 200; 50 where it is absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    pub limit: Option<String>,
}

impl RawClipsQuery {
    /// Reads the filters; what cannot be read is refused with what would be right.
    pub fn resolve(self, limit: u32) -> Result<ClipsQuery, Trouble> {
        let text = |v: Option<String>| v.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        fn read<T>(v: Option<String>, parse: impl Fn(&str) -> Option<T>, right: &str) -> Result<Option<T>, Trouble> {
            match v.filter(|v| !v.is_empty()) {
                None => Ok(None),
                Some(v) => parse(&v)
                    .map(Some)
                    .ok_or_else(|| Trouble::Invalid(Why::Unfit { name: v.clone(), right: right.to_owned() })),
            }
        }
        let day = |v: &str| v.parse().ok();
        Ok(ClipsQuery {
            q: text(self.q),
            best_first: text(self.sort).is_some_and(|sort| sort == "best"),
            case: text(self.case),
            officer: text(self.officer),
            recorder: text(self.recorder),
            state: read(
                text(self.state),
                ClipState::parse,
                "state = seen | copying | sealed | sending | proven | released",
            )?,
            missing: read(
                text(self.missing),
                Missing::parse,
                "missing = any | case_no | captured_start | place | officer | proves",
            )?,
            from: read(text(self.from), day, "from = YYYY-MM-DD")?,
            to: read(text(self.to), day, "to = YYYY-MM-DD")?,
            counted: Counted {
                figure: read(text(self.figure), Figure::parse, "figure = recorded | at_once | ...")?,
                unit: text(self.unit).map(|v| if v == "-" { String::new() } else { v }),
                kind: text(self.kind).map(|v| if v == "-" { String::new() } else { v }),
                taken: read(text(self.taken), |v| Period::parse(v).ok(), "taken = 2026-06 | 2026-Q2 | ...")?,
            },
            after: text(self.after),
            // No form has it: whoever names it means a number.
            limit: match self.limit.as_deref().map(str::trim) {
                None => limit,
                Some(said) => said.parse().ok().filter(|n| (1..=MOST_ROWS).contains(n)).ok_or_else(|| {
                    Trouble::Invalid(Why::Unfit { name: said.to_owned(), right: "limit = 1 ... 200".to_owned() })
                })?,
            },
        })
    }
}

/// A page of clips.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClipPage {
    /// Clips, newest capture first; the record of each by its id.
    pub items: Vec<ListedClip>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
    /// How many match in all, where that is cheap to know.
    pub total: Option<u64>,
}

/// A link to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBody {
    /// The number as typed.
    pub case_no: String,
    /// Only this part of the clip: begin, milliseconds from its start.
    #[serde(default)]
    pub from_ms: Option<i64>,
    /// End, milliseconds from its start.
    #[serde(default)]
    pub to_ms: Option<i64>,
    /// Stage (环节).
    #[serde(default)]
    pub stage: Option<String>,
    /// Matter recorded (记录事项).
    #[serde(default)]
    pub matter: Option<String>,
    /// What it proves.
    #[serde(default)]
    pub proves: Option<String>,
}

/// Why a link is withdrawn.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UnlinkQuery {
    /// Why; it is kept beside the log.
    pub reason: String,
}

/// How cases are searched.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct CasesQuery {
    /// Part of any number; all cases where it is empty.
    pub query: String,
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePage {
    /// Cases, the one with the newest clip first.
    pub items: Vec<CaseSummary>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// A case in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseSummary {
    /// Its number.
    pub case_no: String,
    /// `case`, `inspection`, `on_the_spot`, `unfiled`.
    pub kind: String,
    /// Other numbers.
    pub aliases: Vec<String>,
    /// Cause.
    pub cause: Option<String>,
    /// Party.
    pub party_ref: Option<String>,
    /// Clips linked to it.
    pub clips: u64,
    /// There are more clips than `clips`, too many to be counted (日常检查); the figures beside it are nought then.
    pub more: bool,
    /// Of these, proven.
    pub proven: u64,
    /// Of these, lacking a required fact.
    pub incomplete: u64,
    /// Their size in bytes.
    pub size_bytes: u64,
}

impl From<&CaseRow> for CaseSummary {
    fn from(row: &CaseRow) -> Self {
        Self {
            case_no: row.number.clone(),
            kind: row.kind.clone(),
            aliases: row.aliases.clone(),
            cause: row.cause.clone(),
            party_ref: row.party.clone(),
            clips: row.clips,
            more: row.more,
            proven: row.proven,
            incomplete: row.incomplete,
            size_bytes: row.bytes,
        }
    }
}

/// A case with its clips.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseDetail {
    /// The case.
    #[serde(flatten)]
    pub case: CaseSummary,
    /// Length of all footage, milliseconds.
    pub duration_ms: i64,
    /// The newest of its clips; the rest by `GET /api/v1/clips?case=`.
    pub items: Vec<ListedClip>,
    /// Cursor for `GET /api/v1/clips?case=`.
    pub next: Option<String>,
}

/// The station at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// The station's name for people.
    pub station: String,
    /// Whether the clock is synchronised, where the system tells.
    pub clock_synced: Option<bool>,
    /// Clips that lack a required fact.
    pub to_annotate: u64,
    /// The six stages in the order in which footage flows.
    pub flow: Vec<StageStatus>,
    /// Bays.
    pub bays: Vec<BayStatus>,
    /// Bytes a second that go up now.
    pub uplink_bytes_per_s: u64,
    /// Bytes that wait or are on their way.
    pub queue_bytes: u64,
    /// Destinations.
    pub destinations: Vec<DestinationStatus>,
    /// The vault's disk.
    pub disk: DiskStatus,
    /// What stands, worst first.
    pub alarms: Vec<AlarmStatus>,
}

/// One stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageStatus {
    /// `seen`, `copying`, `sealed`, `sending`, `proven`, `released`.
    pub state: &'static str,
    /// Clips in it.
    pub clips: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How long its oldest clip has been in it, milliseconds.
    pub oldest_age_ms: Option<i64>,
    /// It does not move.
    pub stalled: bool,
}

/// One bay.
#[derive(Debug, Serialize, ToSchema)]
pub struct BayStatus {
    /// Its name.
    pub bay: String,
    /// The recorder in it.
    pub recorder: Option<String>,
    /// `empty`, `held`, `listing`, `copying`, `erasing`, `safe`, `failing`, `no_room`.
    pub state: &'static str,
    /// Every listed file is sealed or reported unreadable.
    pub safe_to_remove: bool,
    /// How far copying has come, 0 to 100.
    pub percent: Option<u8>,
    /// Clips that lack a required fact.
    pub to_annotate: u64,
}

/// Every bay as whoever stands before it may know it: nothing that tells who, what or which case.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bays {
    /// In their physical order.
    pub bays: Vec<BayNow>,
}

/// One bay, for boards and lamps of one's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct BayNow {
    /// Its name.
    pub bay: String,
    /// `empty`, `held`, `listing`, `copying`, `safe`, `failing`, `no_room`.
    pub state: &'static str,
    /// Every listed file is sealed or reported unreadable.
    pub safe_to_remove: bool,
    /// How far copying has come, 0 to 100; null where nothing is copied.
    pub percent: Option<u8>,
    /// Files of the recorder that are sealed; null where that is not known.
    pub files_done: Option<u64>,
    /// Files listed on the recorder.
    pub files: Option<u64>,
    /// Devices in it that are not read.
    pub held: Vec<HeldNow>,
}

/// A device that stands in a bay and is not read.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldNow {
    /// `unknown`, `refused`, `not_storage`, `no_storage`, `broken`.
    pub why: &'static str,
    /// Vendor and product of the kind of device, `0951:1666`; no serial number.
    pub usb_id: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// One destination.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// Whether "proven" needs it.
    pub required: bool,
    /// `working`, `checking`, `paused`, `shut`, `resting`, `unreachable`, `refused`.
    pub health: &'static str,
    /// `remote_checksum`, `read_back`, `length_only`, `none`; null until probed.
    pub proof: Option<&'static str>,
    /// It stands on the vault's own device.
    pub same_device: bool,
    /// Clips that wait for it.
    pub waiting: u64,
    /// Footage is held back from it.
    pub paused: bool,
    /// Until then, RFC 3339; null until somebody resumes.
    pub paused_until: Option<String>,
    /// Bytes a second that may go there now; null where nothing bounds them.
    pub ceiling_bytes_per_s: Option<u64>,
    /// Parts that may be under way, as the line has shown.
    pub window: u64,
    /// Since then it is not working, RFC 3339.
    pub since: Option<String>,
}

/// The vault's disk, in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiskStatus {
    /// Size.
    pub total_bytes: u64,
    /// In use.
    pub used_bytes: u64,
    /// Not proven yet.
    pub undelivered_bytes: u64,
    /// Kept free on purpose.
    pub reserve_bytes: u64,
    /// Copying has stopped before the reserve.
    pub stopped: bool,
}

/// One alarm.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmStatus {
    /// Its number, once it has lasted for a look or two.
    pub id: Option<i64>,
    /// A stable word.
    pub code: &'static str,
    /// A destination, bay, recorder, receiver or part; empty where it is the station.
    pub about: String,
    /// `bad`, `warn`, `info`.
    pub severity: &'static str,
    /// What, in the visitor's language.
    pub message: String,
    /// What to do next.
    pub action: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Who said that they know, as `kind:id`.
    pub acknowledged_by: Option<String>,
}

/// Whether the parts of the daemon are well.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthStatus {
    /// All of them are.
    pub ok: bool,
    /// Each.
    pub parts: Vec<PartStatus>,
}

/// One part of the daemon.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartStatus {
    /// Name of its task.
    pub name: String,
    /// It is well.
    pub ok: bool,
    /// In words, where it is not, for who may look at the station.
    pub detail: Option<String>,
}

impl From<Vec<Part>> for HealthStatus {
    fn from(parts: Vec<Part>) -> Self {
        let ok = parts.iter().all(|p| p.ok);
        let parts = parts.into_iter().map(|p| PartStatus { name: p.name, ok: p.ok, detail: p.detail }).collect();
        Self { ok, parts }
    }
}

/// The stages of the flow strip as programs see them.
pub fn flow(view: &StationView) -> Vec<StageStatus> {
    let stage = |(state, s): (&ClipState, &super::view::station::Stage)| StageStatus {
        state: state.as_str(),
        clips: s.clips,
        bytes: s.bytes,
        oldest_age_ms: s.oldest_age_ms,
        stalled: s.stall.is_some(),
    };
    STAGES.iter().zip(&view.flow).map(stage).collect()
}

impl From<&Bay> for BayStatus {
    fn from(bay: &Bay) -> Self {
        Self {
            bay: bay.name.clone(),
            recorder: bay.recorder.clone(),
            state: state_word(&bay.state),
            safe_to_remove: matches!(bay.state.verdict(), Verdict::Safe | Verdict::SafeBut),
            percent: bay.state.progress().map(|p| p.percent()),
            to_annotate: match bay.state {
                BayState::Safe { to_annotate, .. } => to_annotate,
                _ => 0,
            },
        }
    }
}

fn state_word(state: &BayState) -> &'static str {
    match state {
        BayState::Empty => "empty",
        BayState::Held(_) => "held",
        BayState::Listing => "listing",
        BayState::Copying(_) => "copying",
        BayState::Erasing { .. } => "erasing",
        BayState::Safe { .. } => "safe",
        BayState::Failing { .. } => "failing",
        BayState::NoRoom(_) => "no_room",
    }
}

impl From<&Bay> for BayNow {
    fn from(bay: &Bay) -> Self {
        let files = match &bay.state {
            BayState::Safe { sealed, unreadable, .. } => Some((*sealed, sealed + unreadable)),
            other => other.progress().map(|p| (p.clips_done, p.clips_total)),
        };
        Self {
            bay: bay.name.clone(),
            state: state_word(&bay.state),
            safe_to_remove: matches!(bay.state.verdict(), Verdict::Safe | Verdict::SafeBut),
            percent: bay.state.progress().map(|p| p.percent()),
            files_done: files.map(|(done, _)| done),
            files: files.map(|(_, all)| all),
            held: bay
                .held
                .iter()
                .map(|device| HeldNow {
                    why: device.why.as_str(),
                    usb_id: device.usb_text(),
                    since: UtcMs(device.since_ms).rfc3339(),
                })
                .collect(),
        }
    }
}

impl From<&DestinationView> for DestinationStatus {
    fn from(d: &DestinationView) -> Self {
        let (health, since): (_, Option<UtcMs>) = match &d.health {
            Health::Working => ("working", None),
            Health::Checking => ("checking", None),
            Health::Paused { .. } => ("paused", None),
            Health::Shut => ("shut", None),
            Health::Resting => ("resting", None),
            Health::Unreachable { since } => ("unreachable", Some(*since)),
            Health::Refused { since, .. } => ("refused", Some(*since)),
        };
        Self {
            name: d.name.clone(),
            required: d.required,
            health,
            proof: d.proof.map(|p| p.as_str()),
            same_device: d.same_device,
            waiting: d.waiting,
            paused: d.paused,
            paused_until: match &d.health {
                Health::Paused { until } => until.map(UtcMs::rfc3339),
                _ => None,
            },
            ceiling_bytes_per_s: d.ceiling_bytes_per_s,
            window: d.window,
            since: since.map(UtcMs::rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_cannot_be_read_are_refused_with_what_would_be_right() {
        let raw = |state: &str, from: &str, limit: &str| RawClipsQuery {
            state: Some(state.into()),
            from: Some(from.into()),
            limit: Some(limit.into()),
            ..RawClipsQuery::default()
        };
        let q = raw("proven", "2026-06-19", "50").resolve(20).unwrap();
        assert_eq!((q.state, q.limit), (Some(ClipState::Proven), 50));
        for bad in [
            raw("gone", "", ""),
            raw("", "19.6.2026", ""),
            raw("", "", ""),
            raw("", "", "0"),
            raw("", "", "201"),
            raw("", "", "-1"),
        ] {
            assert!(matches!(bad.resolve(50), Err(Trouble::Invalid(why)) if why.to_string().contains('=')));
        }
    }
}
