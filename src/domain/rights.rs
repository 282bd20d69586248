//! Who may do what: one table of rights as data ([`RIGHTS`]) and one pure decision over it ([`decide`]), used by pages and
//! API alike. `docs/rights.md` is printed from the table; a test keeps the two equal.
//!
//! A right is an action, a role, over which clips, up to which label, and whether a purpose is asked. What no line grants
//! is refused. An action that takes two people says so once, for every role ([`Action::people`]); the store asks it.
//!
//! The three administrative roles (三员) keep apart: whoever has one of them has no other role, so that nobody who runs the
//! box, gives out rights or reads the log can also see footage, and none of the three covers for another.

use super::sensitivity::Sensitivity;
use super::why::{Why, in_words_of_why};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Each of them, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the stored word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What somebody is at the station.
    Role {
        /// Enforcement officer (执法人员): what they recorded themselves.
        Officer => "officer",
        /// Head of department (部门负责人): what their unit recorded.
        DepartmentHead => "department_head",
        /// Enforcement supervisor (执法监督人员): draws samples of all of it, and says why.
        Supervisor => "supervisor",
        /// Legal reviewer (法制审核员): the cases that were sent for review.
        LegalReviewer => "legal_reviewer",
        /// Archivist (档案员): cases, filing, export.
        Archivist => "archivist",
        /// Security auditor (安全审计员): the log, no footage.
        Auditor => "auditor",
        /// System administrator (系统管理员): the box, no content.
        SystemAdministrator => "system_administrator",
        /// Security administrator (安全管理员): accounts and rights.
        SecurityAdministrator => "security_administrator",
    }
}

impl Role {
    /// One of the three that keep apart (三员分立).
    pub fn is_administrative(self) -> bool {
        matches!(self, Self::Auditor | Self::SystemAdministrator | Self::SecurityAdministrator)
    }
}

words! {
    /// What can be done.
    Action {
        /// Look at the station: flow, bays, uplink, disk, alarms.
        SeeStation => "see_station",
        /// Lists of clips and searches in them; only clips over which the role has this right are in them.
        ListClips => "list_clips",
        /// The record of a clip and what happened to it.
        ShowClip => "show_clip",
        /// Watch or listen to a clip, a still of it included; read a document.
        PlayClip => "play_clip",
        /// Save a clip's original bytes.
        DownloadClip => "download_clip",
        /// A picture, a stretch or a watermarked copy of a clip, to be saved.
        DeriveClip => "derive_clip",
        /// Set facts of a clip's record.
        AnnotateClip => "annotate_clip",
        /// Link a clip to a case, or withdraw a link.
        LinkClip => "link_clip",
        /// Send clips before all others.
        PushClip => "push_clip",
        /// Lists of cases, and a case with its clips.
        FindCase => "find_case",
        /// File a document to a case.
        FileDocument => "file_document",
        /// Send a case to the legal reviewers, or call it back.
        SendToReview => "send_to_review",
        /// An evidence package of a case.
        ExportCase => "export_case",
        /// Place a hold (暂停销毁).
        PlaceHold => "place_hold",
        /// Release a hold.
        ReleaseHold => "release_hold",
        /// Isolate a clip as suspected classified (疑似涉密).
        IsolateClip => "isolate_clip",
        /// Lift an isolation.
        LiftIsolation => "lift_isolation",
        /// Dispose of footage after appraisal (鉴定销毁).
        DisposeClip => "dispose_clip",
        /// What is held, isolated, due for disposal, or waits for a second person (保管).
        SeeKeeping => "see_keeping",
        /// Close a case (结案).
        CloseCase => "close_case",
        /// Give a closed case its place in the archive, and sign it off (立卷, 归档).
        FileCase => "file_case",
        /// Re-open a case that was filed.
        ReopenCase => "reopen_case",
        /// Rooms that are recorded live: which are in use; and of a recording over which the role has this right for which
        /// case it is, who records, its clip and its still.
        SeeRooms => "see_rooms",
        /// Start recording a room; stop a recording over which the role has this right.
        RecordRoom => "record_room",
        /// Import a roster or a register: they say whose clips and cases are whose, so whoever does it sees all of them
        /// anyway.
        ImportRoster => "import_roster",
        /// Keep the desk: issue recorders and take them back (领用/归还); it says whose clips are whose.
        IssueRecorders => "issue_recorders",
        /// Look after the box: self-check, configuration in force, trying destinations, what rules would do in figures.
        KeepStation => "keep_station",
        /// Let recorders in, refuse and retire them.
        ManageRecorders => "manage_recorders",
        /// Hold footage back from a destination, and let it go on.
        PauseSending => "pause_sending",
        /// Say that they know of an alarm, so that it is told no more.
        AcknowledgeAlarm => "acknowledge_alarm",
        /// Statistics and registers of clips.
        SeeReports => "see_reports",
        /// Who looked at a case: at those of its clips over which the role has this right (调阅记录).
        SeeLooks => "see_looks",
        /// Random samples, findings, ranking.
        SeeSamples => "see_samples",
        /// Draw random samples, judge clips, close findings.
        Supervise => "supervise",
        /// Answer a finding about the own unit (整改).
        AnswerFinding => "answer_finding",
        /// The legal review of a case: notes, opinion, sheet.
        SeeReview => "see_review",
        /// Note and give an opinion in a legal review.
        ReviewCase => "review_case",
        /// Mark a case file (案卷评查).
        MarkCase => "mark_case",
        /// Figures for machines that watch.
        ReadMetrics => "read_metrics",
        /// The log of everything that happened.
        ReadLog => "read_log",
        /// Accounts, their roles, sessions and tokens.
        ManageAccounts => "manage_accounts",
    }
}

impl Action {
    /// How many people carry it out, whatever their roles.
    pub fn people(self) -> People {
        match self {
            Self::ExportCase => People::TwoIfConfigured,
            Self::ReleaseHold | Self::LiftIsolation | Self::DisposeClip | Self::ReopenCase => People::Two,
            _ => People::One,
        }
    }

    /// Whether another person must confirm it, at a station that is `configured` so or not.
    pub fn needs_second_person(self, configured: bool) -> bool {
        match self.people() {
            People::One => false,
            People::TwoIfConfigured => configured,
            People::Two => true,
        }
    }

    /// About one clip: whose it is, and how sensitive, decides with the role.
    pub fn is_about_a_clip(self) -> bool {
        matches!(
            self,
            Self::ShowClip
                | Self::PlayClip
                | Self::DownloadClip
                | Self::DeriveClip
                | Self::AnnotateClip
                | Self::LinkClip
                | Self::PushClip
        ) || self.keeps_footage()
    }

    /// About clips, alone or by their case: it has a reason of its own, which is asked and kept whatever the purpose of
    /// looking at them was.
    pub fn keeps_footage(self) -> bool {
        matches!(
            self,
            Self::PlaceHold
                | Self::ReleaseHold
                | Self::IsolateClip
                | Self::LiftIsolation
                | Self::CloseCase
                | Self::FileCase
                | Self::ReopenCase
        )
    }
}

/// How many people carry an action out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// One alone.
    One,
    /// One carries it out or asks for it, another one confirms, where the configuration of the station wants that.
    TwoIfConfigured,
    /// One asks for it, another one confirms. Nobody does it alone.
    Two,
}

/// Over which clips a role has a right; for actions that are about no clip, [`Over::All`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Over {
    /// Every clip of the station.
    All,
    /// Clips of officers of the account's unit.
    Unit,
    /// Clips whose officer is the account's.
    Own,
    /// Clips of a case that stands sent for review, for as long as it does.
    Sent,
}

/// Whether somebody must say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Nobody asks.
    Free,
    /// Asked for clips that carry a label.
    Labelled,
    /// Always asked.
    Always,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// What.
    pub action: Action,
    /// Who.
    pub role: Role,
    /// Over which clips.
    pub over: Over,
    /// Up to this label.
    pub up_to: Sensitivity,
    /// Whether a purpose is asked.
    pub purpose: Purpose,
}

macro_rules! table {
    ($($action:ident: $($role:ident $over:ident $up_to:ident $purpose:ident),+;)+) => {
        /// The table. What it does not grant is refused.
        pub const RIGHTS: &[Right] = &[$($(Right {
            action: Action::$action,
            role: Role::$role,
            over: Over::$over,
            up_to: Sensitivity::$up_to,
            purpose: Purpose::$purpose,
        },)+)+];
    };
}

// Officers see what they recorded, whatever its label: they were there. Everybody else is narrowed by it. Whoever looks at
// others' footage as oversight says why; whoever files it says why where it carries a label.
table! {
    SeeStation: Officer All Minor Free, DepartmentHead All Minor Free, Supervisor All Minor Free, LegalReviewer All Minor Free,
        Archivist All Minor Free, Auditor All Minor Free, SystemAdministrator All Minor Free, SecurityAdministrator All Minor Free;
    ListClips: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free,
        LegalReviewer Sent Minor Free, Archivist All Minor Free;
    ShowClip: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Supervisor All Minor Always,
        LegalReviewer Sent Minor Free, Archivist All Minor Free;
    PlayClip: Officer Own Minor Free, DepartmentHead Unit TradeSecret Labelled, Supervisor All Minor Always,
        LegalReviewer Sent Minor Labelled, Archivist All Minor Labelled;
    DownloadClip: DepartmentHead Unit WorkSecret Always, LegalReviewer Sent Privacy Always, Archivist All Minor Always;
    DeriveClip: DepartmentHead Unit WorkSecret Always, LegalReviewer Sent Privacy Always, Archivist All Minor Always;
    AnnotateClip: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Archivist All Minor Free;
    LinkClip: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Archivist All Minor Free;
    PushClip: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Archivist All Minor Free;
    FindCase: Officer Own Minor Free, DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free,
        LegalReviewer Sent Minor Free, Archivist All Minor Free;
    FileDocument: Officer Own Minor Free, DepartmentHead Unit Minor Free, Archivist All Minor Free;
    SendToReview: DepartmentHead Unit TradeSecret Free, Archivist All Minor Free;
    ExportCase: Archivist All Minor Always;
    PlaceHold: DepartmentHead Unit TradeSecret Always, Supervisor All Minor Always, LegalReviewer Sent Minor Always,
        Archivist All Minor Always;
    ReleaseHold: DepartmentHead Unit TradeSecret Always, Archivist All Minor Always;
    IsolateClip: Officer Own Minor Always, DepartmentHead Unit Minor Always, Supervisor All Minor Always,
        LegalReviewer Sent Minor Always, Archivist All Minor Always;
    LiftIsolation: DepartmentHead Unit Minor Always, Archivist All Minor Always;
    DisposeClip: Archivist All Minor Always;
    SeeKeeping: DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free, LegalReviewer Sent Minor Free,
        Archivist All Minor Free;
    CloseCase: DepartmentHead Unit TradeSecret Free, Archivist All Minor Free;
    FileCase: Archivist All Minor Always;
    ReopenCase: DepartmentHead Unit TradeSecret Always, Archivist All Minor Always;
    SeeRooms: Officer Own Minor Free, DepartmentHead Unit TradeSecret Labelled, Supervisor All Minor Always;
    RecordRoom: Officer Own Minor Free, DepartmentHead Unit Minor Free;
    ImportRoster: Archivist All Minor Free;
    IssueRecorders: DepartmentHead All Minor Free, Archivist All Minor Free;
    KeepStation: SystemAdministrator All Minor Free;
    ManageRecorders: SystemAdministrator All Minor Free;
    PauseSending: SystemAdministrator All Minor Free;
    AcknowledgeAlarm: DepartmentHead All Minor Free, Supervisor All Minor Free, SystemAdministrator All Minor Free;
    SeeReports: DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free, Archivist All Minor Free;
    SeeLooks: DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free, Archivist All Minor Free;
    SeeSamples: DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free;
    Supervise: Supervisor All Minor Free;
    AnswerFinding: DepartmentHead Unit TradeSecret Free;
    SeeReview: DepartmentHead Unit TradeSecret Free, Supervisor All Minor Free, LegalReviewer Sent Minor Free, Archivist All Minor Free;
    ReviewCase: LegalReviewer Sent Minor Free;
    MarkCase: Supervisor All Minor Free, LegalReviewer Sent Minor Free;
    ReadMetrics: SystemAdministrator All Minor Free;
    ReadLog: Auditor All Minor Free;
    ManageAccounts: SecurityAdministrator All Minor Free;
}

/// The roles of one account: at least one, and none that must keep apart from another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles(Vec<Role>);

/// Why roles cannot stand in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolesError {
    /// None at all.
    None,
    /// A word that is no role.
    Unknown(String),
    /// 三员分立.
    KeepsApart(&'static str),
}

in_words_of_why!(RolesError);

impl From<&RolesError> for Why {
    fn from(error: &RolesError) -> Self {
        let all = || Role::ALL.iter().map(|r| r.as_str().to_owned()).collect();
        match error {
            RolesError::None => Self::NoRole { all: all() },
            RolesError::Unknown(name) => Self::UnknownRole { name: name.clone(), all: all() },
            RolesError::KeepsApart(role) => Self::KeepsApart { role: (*role).to_owned() },
        }
    }
}

impl Roles {
    /// Accepts roles that may stand together.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Result<Self, RolesError> {
        let mut roles: Vec<Role> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        match (roles.as_slice(), roles.iter().find(|r| r.is_administrative())) {
            ([], _) => Err(RolesError::None),
            ([_, _, ..], Some(apart)) => Err(RolesError::KeepsApart(apart.as_str())),
            _ => Ok(Self(roles)),
        }
    }

    /// Reads words, as a form, the command line or the database have them, each one or several separated by commas.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, RolesError> {
        let words = words.into_iter().flat_map(|w| w.split(',')).map(str::trim).filter(|w| !w.is_empty());
        let roles = words.map(|w| Role::parse(w).ok_or_else(|| RolesError::Unknown(w.to_owned())));
        Self::new(roles.collect::<Result<Vec<_>, _>>()?)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// Whether one of them is `role`.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// The stored words, separated by commas.
    pub fn to_words(&self) -> String {
        self.0.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(",")
    }

    /// The lines of the table about `action`.
    pub fn rights(&self, action: Action) -> impl Iterator<Item = &'static Right> + '_ {
        RIGHTS.iter().filter(move |right| right.action == action && self.has(right.role))
    }

    /// Whether some line grants `action` over anything at all: what a page offers.
    pub fn may_ever(&self, action: Action) -> bool {
        self.rights(action).next().is_some()
    }
}

/// What is asked about: how one clip, or one case, stands to the account. An action that is about neither is asked about
/// [`Subject::STATION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Its officer is the account's.
    pub own: bool,
    /// Its officer is of the account's unit.
    pub unit: bool,
    /// It belongs to a case that stands sent for review to this account.
    pub sent: bool,
    /// Its label.
    pub sensitivity: Sensitivity,
}

impl Subject {
    /// The station itself.
    pub const STATION: Self = Self { own: true, unit: true, sent: true, sensitivity: Sensitivity::None };

    fn is_under(&self, over: Over) -> bool {
        match over {
            Over::All => true,
            Over::Unit => self.unit,
            Over::Own => self.own,
            Over::Sent => self.sent,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes; where a purpose is asked, once it was given.
    Allowed {
        /// Say why first.
        purpose: bool,
    },
    /// No.
    Refused(Refusal),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No role of the account has the right at all.
    Role,
    /// A role has it, but not over this clip.
    NotTheirs,
    /// A role has it over this clip, but not up to its label.
    Sensitivity,
}

impl Refusal {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::NotTheirs => "not_theirs",
            Self::Sensitivity => "sensitivity",
        }
    }
}

/// Decides. Of several rights the one that asks least counts: an officer who is head of a department, too, says nothing
/// before they look at what they recorded themselves.
pub fn decide(roles: &Roles, action: Action, subject: &Subject) -> Decision {
    let mut refusal = Refusal::Role;
    let mut purpose: Option<bool> = None;
    for right in roles.rights(action) {
        if !subject.is_under(right.over) {
            // What is not theirs outranks nothing but the lack of a right.
            if refusal == Refusal::Role {
                refusal = Refusal::NotTheirs;
            }
            continue;
        }
        if subject.sensitivity > right.up_to {
            refusal = Refusal::Sensitivity;
            continue;
        }
        let asked = match right.purpose {
            Purpose::Free => false,
            Purpose::Labelled => subject.sensitivity > Sensitivity::None,
            Purpose::Always => true,
        };
        purpose = Some(purpose.unwrap_or(true) && asked);
    }
    match purpose {
        Some(purpose) => Decision::Allowed { purpose },
        None => Decision::Refused(refusal),
    }
}

/// Which clips lists may hold for somebody: any of these stretches. Empty: none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Within {
    /// All of them, whatever their label: a station without accounts, and the command line.
    #[default]
    Everything,
    /// What the roles of this account give.
    Of {
        /// The account.
        account: i64,
        /// Over which clips, up to which label.
        stretches: Vec<(Over, Sensitivity)>,
    },
}

impl Within {
    /// Whether something that anybody is shown is beyond them.
    pub fn is_narrowed(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Of { stretches, .. } => !stretches.contains(&(Over::All, Sensitivity::Minor)),
        }
    }

    /// Whether they are about every clip of the station, up to some label: only then is what has no clip within them.
    pub fn reach_all(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Of { stretches, .. } => stretches.iter().any(|(over, _)| *over == Over::All),
        }
    }

    /// Whether nothing at all is within them.
    pub fn are_empty(&self) -> bool {
        matches!(self, Self::Of { stretches, .. } if stretches.is_empty())
    }

    /// What `roles` give for lists.
    pub fn of(account: i64, roles: &Roles, action: Action) -> Self {
        Self::Of { account, stretches: roles.rights(action).map(|r| (r.over, r.up_to)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(list: &[Role]) -> Roles {
        Roles::new(list.iter().copied()).unwrap()
    }

    fn clip(own: bool, unit: bool, sent: bool, sensitivity: Sensitivity) -> Subject {
        Subject { own, unit, sent, sensitivity }
    }

    #[test]
    fn the_three_administrators_keep_apart() {
        for a in [Role::Auditor, Role::SystemAdministrator, Role::SecurityAdministrator] {
            assert!(Roles::new([a]).is_ok());
            for b in Role::ALL.iter().filter(|b| **b != a) {
                assert!(matches!(Roles::new([a, *b]), Err(RolesError::KeepsApart(_))), "{a:?} {b:?}");
            }
        }
        assert!(Roles::parse(["officer, department_head"]).is_ok());
        assert_eq!(Roles::parse([""]), Err(RolesError::None));
        assert_eq!(Roles::parse(["boss"]), Err(RolesError::Unknown("boss".into())));
    }

    #[test]
    fn no_administrator_has_a_right_over_content() {
        use Action::*;
        let content = [
            ListClips,
            ShowClip,
            PlayClip,
            DownloadClip,
            DeriveClip,
            AnnotateClip,
            LinkClip,
            PushClip,
            FindCase,
            SendToReview,
            ExportCase,
            PlaceHold,
            ReleaseHold,
            IsolateClip,
            LiftIsolation,
            DisposeClip,
            SeeKeeping,
            CloseCase,
            FileCase,
            ReopenCase,
            SeeRooms,
            RecordRoom,
            ImportRoster,
            IssueRecorders,
            SeeReports,
            SeeLooks,
            SeeSamples,
            Supervise,
            AnswerFinding,
            SeeReview,
            ReviewCase,
            MarkCase,
        ];
        for right in RIGHTS.iter().filter(|r| r.role.is_administrative()) {
            assert!(!content.contains(&right.action), "{right:?}");
        }
        for (action, role) in [(ReadLog, Role::Auditor), (ManageAccounts, Role::SecurityAdministrator)] {
            let holders: Vec<Role> = RIGHTS.iter().filter(|r| r.action == action).map(|r| r.role).collect();
            assert_eq!(holders, [role], "{action:?} is for one role alone");
        }
    }

    #[test]
    fn what_takes_two_people_takes_them_at_every_station_but_an_export() {
        for action in Action::ALL {
            let (without, with) = (action.needs_second_person(false), action.needs_second_person(true));
            let wanted = match action {
                Action::ReleaseHold | Action::LiftIsolation | Action::DisposeClip | Action::ReopenCase => (true, true),
                Action::ExportCase => (false, true),
                _ => (false, false),
            };
            assert_eq!((without, with), wanted, "{action:?}");
        }
    }

    #[test]
    fn every_action_is_somebody_s_and_no_line_stands_twice() {
        for action in Action::ALL {
            assert!(RIGHTS.iter().any(|r| r.action == *action), "{action:?}");
        }
        for (i, a) in RIGHTS.iter().enumerate() {
            assert!(!RIGHTS[..i].iter().any(|b| (a.action, a.role) == (b.action, b.role)), "{a:?}");
            assert!(a.up_to < Sensitivity::SuspectedState, "what may be a state secret is shown to nobody: {a:?}");
            let lists = matches!(a.action, Action::ListClips | Action::FindCase | Action::SeeKeeping);
            let narrowed = a.action.is_about_a_clip()
                || lists
                // Their pages hold nothing beyond these bounds.
                || matches!(a.action, Action::SeeReports | Action::SeeLooks | Action::SeeSamples | Action::AnswerFinding)
                || matches!(a.action, Action::SeeReview | Action::ReviewCase | Action::MarkCase)
                // Asked about the case itself.
                || a.action == Action::FileDocument
                // Asked about what is recorded in the room.
                || matches!(a.action, Action::SeeRooms | Action::RecordRoom);
            assert!(
                narrowed
                    || a.over == Over::All
                    || a.role.is_administrative()
                    || a.purpose == Purpose::Always
                    || a.action == Action::SendToReview
            );
        }
    }

    #[test]
    fn whoever_says_whose_clips_are_whose_gains_nothing_by_it() {
        for right in RIGHTS.iter().filter(|r| r.action == Action::ImportRoster) {
            let within = |action| Within::of(1, &roles(&[right.role]), action);
            for action in [Action::ListClips, Action::FindCase, Action::PlayClip, Action::DownloadClip] {
                assert!(!within(action).is_narrowed(), "{:?} {action:?}", right.role);
            }
        }
    }

    #[test]
    fn decisions_as_a_table() {
        use Decision::*;
        use Sensitivity as S;
        let yes = Allowed { purpose: false };
        let why = Allowed { purpose: true };
        let cases: &[(&[Role], Action, Subject, Decision)] = &[
            (&[Role::Officer], Action::PlayClip, clip(true, false, false, S::Minor), yes),
            (&[Role::Officer], Action::PlayClip, clip(false, true, false, S::None), Refused(Refusal::NotTheirs)),
            (&[Role::Officer], Action::DownloadClip, clip(true, true, true, S::None), Refused(Refusal::Role)),
            (&[Role::DepartmentHead], Action::PlayClip, clip(false, true, false, S::None), yes),
            (&[Role::DepartmentHead], Action::PlayClip, clip(false, true, false, S::WorkSecret), why),
            (
                &[Role::DepartmentHead],
                Action::PlayClip,
                clip(false, true, false, S::Privacy),
                Refused(Refusal::Sensitivity),
            ),
            (
                &[Role::DepartmentHead],
                Action::PlayClip,
                clip(false, false, false, S::Privacy),
                Refused(Refusal::NotTheirs),
            ),
            (&[Role::Officer, Role::DepartmentHead], Action::PlayClip, clip(true, true, false, S::Privacy), yes),
            (&[Role::Officer, Role::DepartmentHead], Action::PlayClip, clip(false, true, false, S::TradeSecret), why),
            (&[Role::Supervisor], Action::ListClips, clip(false, false, false, S::Minor), yes),
            (&[Role::Supervisor], Action::ShowClip, clip(false, false, false, S::None), why),
            (&[Role::Supervisor], Action::AnnotateClip, clip(true, true, true, S::None), Refused(Refusal::Role)),
            (&[Role::LegalReviewer], Action::PlayClip, clip(false, false, true, S::None), yes),
            (&[Role::LegalReviewer], Action::PlayClip, clip(false, false, false, S::None), Refused(Refusal::NotTheirs)),
            (
                &[Role::LegalReviewer],
                Action::DownloadClip,
                clip(false, false, true, S::Minor),
                Refused(Refusal::Sensitivity),
            ),
            (&[Role::Archivist], Action::DownloadClip, clip(false, false, false, S::Minor), why),
            (
                &[Role::Archivist],
                Action::PlayClip,
                clip(false, false, false, S::SuspectedState),
                Refused(Refusal::Sensitivity),
            ),
            (
                &[Role::Officer],
                Action::PlayClip,
                clip(true, true, true, S::SuspectedState),
                Refused(Refusal::Sensitivity),
            ),
            (&[Role::Auditor], Action::ReadLog, Subject::STATION, yes),
            (&[Role::Auditor], Action::ShowClip, clip(true, true, true, S::None), Refused(Refusal::Role)),
            (&[Role::SystemAdministrator], Action::ReadLog, Subject::STATION, Refused(Refusal::Role)),
            (&[Role::SecurityAdministrator], Action::ManageAccounts, Subject::STATION, yes),
        ];
        for (list, action, subject, wanted) in cases {
            assert_eq!(decide(&roles(list), *action, subject), *wanted, "{list:?} {action:?} {subject:?}");
        }
    }

    #[test]
    fn a_higher_label_never_opens_and_no_right_comes_from_nothing() {
        for action in Action::ALL {
            for role in Role::ALL {
                let roles = roles(&[*role]);
                for bits in 0..8 {
                    let subject = |s| clip(bits & 1 > 0, bits & 2 > 0, bits & 4 > 0, s);
                    let mut open = true;
                    for s in Sensitivity::ALL {
                        let allowed = matches!(decide(&roles, *action, &subject(s)), Decision::Allowed { .. });
                        assert!(open || !allowed, "{role:?} {action:?} {s:?}");
                        open = allowed;
                        assert!(!allowed || roles.may_ever(*action));
                    }
                }
                assert_eq!(decide(&Roles::default(), *action, &Subject::STATION), Decision::Refused(Refusal::Role));
            }
        }
    }
}
