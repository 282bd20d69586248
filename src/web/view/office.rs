//! Administration, desk, registers and parties, as plain facts; and what a scan at the desk leads to ([`next`]).

use super::clips::ClipRow;
use crate::domain::clip::ProofLevel;
use crate::domain::device::DeviceState;
use crate::domain::error::Retry;
use crate::domain::office::{Place, Trial};
use crate::domain::register::{Entry, Register};
use crate::domain::time::UtcMs;

/// A recorder that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Out {
    /// Number of the stay out.
    pub issue: i64,
    /// Which recorder.
    pub recorder: String,
    /// Who has it.
    pub officer: String,
    /// Since when.
    pub since: UtcMs,
    /// Expected back.
    pub due: Option<UtcMs>,
    /// It should be back by now.
    pub overdue: bool,
}

/// What was done at the desk last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The stay out.
    pub out: Out,
    /// `returned`, `reissued`, `undone`; `None` while it is out.
    pub ended: Option<String>,
    /// When it ended.
    pub until: Option<UtcMs>,
}

/// An officer as the register has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerFound {
    /// As clips will name them.
    pub name: String,
    /// Unit.
    pub unit: Option<String>,
    /// Police or staff number.
    pub number: Option<String>,
    /// They have left the agency.
    pub gone: bool,
}

/// A recorder that a code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderFound {
    /// Its id.
    pub recorder: String,
    /// Model.
    pub model: Option<String>,
    /// What the register of devices says, where it says anything.
    pub state: Option<DeviceState>,
    /// Who has it out.
    pub out: Option<Out>,
}

/// What a code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned {
    /// An officer.
    Officer(OfficerFound),
    /// A recorder.
    Recorder(RecorderFound),
    /// Several of them.
    Several,
    /// Nothing that a register holds.
    Unknown,
}

/// What a scan leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The recorder is in: an officer's card is awaited.
    AwaitOfficer(RecorderFound),
    /// A recorder is awaited.
    AwaitRecorder(OfficerFound),
    /// It goes out.
    Issue {
        /// Which.
        recorder: String,
        /// To whom.
        officer: String,
    },
    /// It is back.
    Return {
        /// Which.
        recorder: String,
    },
    /// It leads nowhere; what was scanned before stays.
    Refused(WhyNot),
}

/// Why a scan leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// No register holds the code.
    Unknown,
    /// It means several things.
    Several,
    /// The officer has left.
    Gone,
    /// The recorder is in repair, retired or refused.
    NotInUse,
}

/// What a scan leads to, after what was scanned before.
pub fn next(first: Option<&Scanned>, code: &Scanned) -> Next {
    let recorder = |r: &RecorderFound| match (&r.out, r.state) {
        (Some(_), _) => Next::Return { recorder: r.recorder.clone() },
        (None, Some(DeviceState::Refused | DeviceState::InRepair | DeviceState::Retired)) => {
            Next::Refused(WhyNot::NotInUse)
        }
        (None, _) => Next::AwaitOfficer(r.clone()),
    };
    match (first, code) {
        (_, Scanned::Unknown) => Next::Refused(WhyNot::Unknown),
        (_, Scanned::Several) => Next::Refused(WhyNot::Several),
        (_, Scanned::Officer(officer)) if officer.gone => Next::Refused(WhyNot::Gone),
        (Some(Scanned::Recorder(r)), Scanned::Officer(officer)) if r.out.is_none() => {
            Next::Issue { recorder: r.recorder.clone(), officer: officer.name.clone() }
        }
        (Some(Scanned::Officer(officer)), Scanned::Recorder(r)) => match (&r.out, recorder(r)) {
            // Who brings back what they have shows card and recorder in either order.
            (Some(out), _) if out.officer == officer.name => Next::Return { recorder: r.recorder.clone() },
            (_, refused @ Next::Refused(_)) => refused,
            _ => Next::Issue { recorder: r.recorder.clone(), officer: officer.name.clone() },
        },
        (_, Scanned::Officer(officer)) => Next::AwaitRecorder(officer.clone()),
        (_, Scanned::Recorder(r)) => recorder(r),
    }
}

/// A recorder in administration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecorderEntry {
    /// By what it is addressed: the device's key, or where there is none the recorder's id.
    pub word: String,
    /// The recorder's id, once it was read.
    pub recorder: Option<String>,
    /// What the device says of itself.
    pub name: String,
    /// Model.
    pub model: Option<String>,
    /// Unit, as the register has it.
    pub unit: Option<String>,
    /// Keeper, as the register has them.
    pub keeper: Option<String>,
    /// It came through the gate, which alone approves and refuses.
    pub gated: bool,
    /// What was decided; `None` of what never came through the gate and is in use.
    pub state: Option<DeviceState>,
    /// Why.
    pub reason: Option<String>,
    /// By whom, as `kind:id`.
    pub decided_by: Option<String>,
    /// When.
    pub decided: Option<UtcMs>,
    /// Who has it out.
    pub out: Option<Out>,
    /// The newest stay in a bay: which, since when, and whether it stands there now.
    pub docked: Option<(String, UtcMs, bool)>,
    /// It stands at the gate now: in which bay, and the word why.
    pub held: Option<(String, &'static str)>,
    /// In use, and not docked for so many days.
    pub quiet_days: Option<u64>,
}

impl RecorderEntry {
    /// It should be back by now.
    pub fn is_overdue(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.overdue)
    }

    /// It waits for somebody who decides.
    pub fn waits(&self) -> bool {
        self.state == Some(DeviceState::Unknown)
    }
}

/// One recorder with what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecorderView {
    /// What it is.
    pub entry: RecorderEntry,
    /// Stays in bays, newest first.
    pub stays: Vec<Stay>,
    /// Stays out, newest first.
    pub outs: Vec<Done>,
    /// Repairs, retirements and returns into use, newest first.
    pub marks: Vec<Marked>,
    /// Officers of the register, to choose from.
    pub officers: Vec<String>,
}

/// What was said about a recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// In repair, retired, or approved: in use again.
    pub state: DeviceState,
    /// When.
    pub at: UtcMs,
    /// Who, `kind:id`.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A stay in a bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// Which bay.
    pub bay: String,
    /// Since when.
    pub from: UtcMs,
    /// Until when; `None` while it stands there.
    pub to: Option<UtcMs>,
    /// Files as last listed.
    pub files: u64,
    /// Bytes as last listed.
    pub bytes: u64,
    /// Its clock minus the station's, milliseconds.
    pub clock_offset_ms: Option<i64>,
}

/// A destination in administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationFacts {
    /// As configured.
    pub place: Place,
    /// How it lets us compare, as last found.
    pub proof: Option<ProofLevel>,
    /// Objects can be locked there.
    pub can_lock: bool,
    /// The vault's own device.
    pub same_device: bool,
    /// What the last look found, in words.
    pub detail: String,
    /// When that was.
    pub probed: Option<UtcMs>,
    /// Why nothing goes out now, who can lift it, since when.
    pub trouble: Option<(String, Option<Retry>, UtcMs)>,
    /// Clips that wait for it.
    pub waiting: u64,
    /// The newest trial.
    pub trial: Option<Trial>,
}

/// Registers, and what was imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistersView {
    /// Each with the number of its entries.
    pub registers: Vec<(Register, u64)>,
    /// Imports, newest first.
    pub imports: Vec<ImportView>,
    /// Cursor of the next page of them.
    pub next: Option<String>,
}

/// Entries of a register.
#[derive(Debug, Clone, Default)]
pub struct EntriesView {
    /// In the order of their names.
    pub rows: Vec<Entry>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportView {
    /// Its number.
    pub import: i64,
    /// Which register.
    pub register: Register,
    /// Of the file.
    pub name: String,
    /// Entries in it.
    pub entries: u64,
    /// Of these new.
    pub added: u64,
    /// Of these changed.
    pub changed: u64,
    /// Who, as `kind:id`.
    pub by: String,
    /// When.
    pub at: UtcMs,
    /// When it was undone.
    pub undone: Option<UtcMs>,
}

/// A page of the imports of rosters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RostersView {
    /// Newest first.
    pub imports: Vec<RosterView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// An import of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterView {
    /// Its number.
    pub import: i64,
    /// Of the file; its rows stand under it.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Days on which they begin.
    pub days: u64,
    /// When the first begins.
    pub from: UtcMs,
    /// When the last ends.
    pub to: UtcMs,
    /// Rows that gave way.
    pub replaced: u64,
    /// Who, as `kind:id`, and when; `None` of what was imported before this was written down.
    pub by: Option<(String, UtcMs)>,
    /// When what its name had brought was taken away.
    pub removed: Option<UtcMs>,
    /// When it was undone.
    pub undone: Option<UtcMs>,
    /// Rows that stand under its name now, where this is the newest import of it that stands.
    pub standing: Option<u64>,
    /// It is that one, and what it replaced was kept.
    pub can_be_undone: bool,
}

/// Parties.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartiesView {
    /// In the order of their newest case.
    pub rows: Vec<PartyRow>,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// The register has more without a case than are shown.
    pub cut: bool,
}

/// A party in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyRow {
    /// Name.
    pub name: String,
    /// Address, as the register has it.
    pub address: Option<String>,
    /// Cases that the viewer may see.
    pub cases: u64,
    /// Clips in them.
    pub clips: u64,
    /// Newest capture.
    pub last: Option<UtcMs>,
}

/// A party with everything about it that the viewer may see (一户一档).
#[derive(Debug, Clone, Default)]
pub struct PartyView {
    /// Name.
    pub name: String,
    /// Entries of the register with this name: column and value.
    pub entries: Vec<Vec<(&'static str, String)>>,
    /// Its cases, newest first: a page of them.
    pub cases: Vec<PartyCase>,
    /// How many there are.
    pub cases_total: u64,
    /// Cursor of the next page of cases.
    pub cases_next: Option<String>,
    /// Its clips, newest first: a page of them.
    pub clips: Vec<ClipRow>,
    /// How many there are.
    pub clips_total: u64,
    /// Cursor of the next page of clips.
    pub clips_next: Option<String>,
    /// There may be more of both than were looked through.
    pub more: bool,
}

/// Where the pages of what belongs to a party begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartyPages {
    /// Cursor of its cases.
    pub cases: Option<String>,
    /// Cursor of its clips.
    pub clips: Option<String>,
}

/// A case of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyCase {
    /// Its number.
    pub number: String,
    /// `case`, `inspection`, `on_the_spot`, `unfiled`.
    pub kind: String,
    /// Cause.
    pub cause: Option<String>,
    /// Documents that the register names: column and number.
    pub documents: Vec<(&'static str, String)>,
    /// When it was opened.
    pub opened: Option<UtcMs>,
    /// When it was closed.
    pub closed: Option<UtcMs>,
    /// Clips that the viewer may see.
    pub clips: u64,
    /// Of these, lacking a required fact.
    pub incomplete: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn officer(name: &str) -> Scanned {
        Scanned::Officer(OfficerFound { name: name.into(), unit: None, number: None, gone: name == "离岗" })
    }

    fn recorder(id: &str, with: Option<&str>, state: Option<DeviceState>) -> Scanned {
        let out = with.map(|officer| Out {
            issue: 1,
            recorder: id.into(),
            officer: officer.into(),
            since: UtcMs(0),
            due: None,
            overdue: false,
        });
        Scanned::Recorder(RecorderFound { recorder: id.into(), model: None, state, out })
    }

    #[test]
    fn scans_in_either_order_lead_to_one_thing() {
        let (a, b) = (officer("甲"), officer("乙"));
        let (inside, with_a) = (recorder("R1", None, None), recorder("R1", Some("甲"), None));
        let issue = |officer: &str| Next::Issue { recorder: "R1".into(), officer: officer.into() };
        let back = Next::Return { recorder: "R1".into() };
        let awaits = |s: &Scanned| match s {
            Scanned::Officer(o) => Next::AwaitRecorder(o.clone()),
            Scanned::Recorder(r) => Next::AwaitOfficer(r.clone()),
            _ => Next::Refused(WhyNot::Unknown),
        };
        let cases: &[(Option<&Scanned>, &Scanned, Next)] = &[
            (None, &inside, awaits(&inside)),
            (None, &a, awaits(&a)),
            (None, &with_a, back.clone()),
            (Some(&inside), &a, issue("甲")),
            (Some(&a), &inside, issue("甲")),
            (Some(&a), &with_a, back.clone()),
            (Some(&b), &with_a, issue("乙")),
            (Some(&a), &b, awaits(&b)),
            (Some(&inside), &inside, awaits(&inside)),
            (Some(&inside), &recorder("R2", Some("乙"), None), Next::Return { recorder: "R2".into() }),
            (Some(&a), &Scanned::Unknown, Next::Refused(WhyNot::Unknown)),
            (None, &Scanned::Several, Next::Refused(WhyNot::Several)),
            (None, &officer("离岗"), Next::Refused(WhyNot::Gone)),
            (Some(&inside), &officer("离岗"), Next::Refused(WhyNot::Gone)),
        ];
        for (first, code, wanted) in cases {
            assert_eq!(next(*first, code), *wanted, "{first:?} then {code:?}");
        }
        for state in DeviceState::ALL {
            let code = recorder("R1", None, Some(state));
            let in_use = matches!(state, DeviceState::Unknown | DeviceState::Approved);
            assert_eq!(next(None, &code) == Next::Refused(WhyNot::NotInUse), !in_use, "{state:?}");
            assert_eq!(next(Some(&a), &code) == issue("甲"), in_use, "{state:?}");
            // What is out comes back whatever was decided about it meanwhile.
            assert_eq!(next(None, &recorder("R1", Some("甲"), Some(state))), back);
        }
    }
}
