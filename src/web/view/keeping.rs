//! What is held, isolated, filed or disposed of, and what waits for a second person.

use crate::domain::filing::Report;
use crate::domain::ids::ClipId;
use crate::domain::ports::BoxFuture;
use crate::domain::rights::{Subject, Within};
use crate::domain::time::UtcMs;
use crate::store::{
    CopyRow, DisposalItem, DisposalRow, DueRow, FilingProgress, FilingRow, HoldRow, IsolationRow, Reach, SentRow,
    Signed,
};
use crate::web::site::ReadError;

/// What an address names, where a right is asked over all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A case, by any of its numbers.
    Case(String),
    /// A hold.
    Hold(i64),
}

/// What stands on one clip.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Holds.
    pub holds: Vec<HoldRow>,
    /// Its isolation.
    pub isolation: Option<IsolationRow>,
    /// When it was disposed of, and by which list.
    pub disposed: Option<(UtcMs, i64)>,
    /// What became of its copies then.
    pub copies: Vec<CopyRow>,
    /// The case that was filed with it, and until when it is kept; `None` inside: for ever.
    pub filed: Option<(FilingRow, Option<UtcMs>)>,
}

/// What stands on one case.
#[derive(Debug, Clone, Default)]
pub struct CaseKept {
    /// Holds on the case itself.
    pub holds: Vec<HoldRow>,
    /// Its filing, once it was closed.
    pub filing: Option<FilingRow>,
    /// To whom it stands sent for legal review.
    pub sent: Vec<SentRow>,
}

/// What is asked for of disposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisposalQuery {
    /// Cursor of the page of lists.
    pub lists: Option<String>,
    /// Cursor of the page of clips that are due.
    pub due: Option<String>,
}

/// How far the rights of whoever looks reach: what the page of keeping lists, and what it offers beside that.
#[derive(Debug, Clone, Default)]
pub struct KeepingBounds {
    /// Holds and cases that are listed.
    pub listed: Within,
    /// Isolated clips that are listed.
    pub isolated: Within,
    /// Clips whose page they may open.
    pub shown: Within,
    /// Clips whose holds they may release.
    pub release: Within,
    /// Clips whose isolation they may lift.
    pub lift: Within,
    /// Clips whose case they may close and see the filing of.
    pub close: Within,
    /// Clips whose case they may re-open.
    pub reopen: Within,
}

/// A filed case whose re-opening waits.
#[derive(Debug, Clone)]
pub struct Reopening {
    /// Its filing.
    pub filing: FilingRow,
    /// The case's number.
    pub number: String,
    /// They may see the page of its filing.
    pub open: bool,
    /// They may confirm or refuse it.
    pub decide: bool,
}

/// The page of keeping, within the bounds of whoever looks.
#[derive(Debug, Clone, Default)]
pub struct KeepingView {
    /// Holds that stand.
    pub holds: Vec<HoldRow>,
    /// Numbers of those that they may release.
    pub releasable: Vec<i64>,
    /// Isolated clips.
    pub isolated: Vec<IsolationRow>,
    /// Those whose page they may open.
    pub openable: Vec<ClipId>,
    /// Those whose isolation they may lift.
    pub liftable: Vec<ClipId>,
    /// Filed cases whose re-opening waits.
    pub reopenings: Vec<Reopening>,
    /// Lists of disposal, newest first, with how many clips they have and how many of them are gone.
    pub disposals: Vec<(DisposalRow, u64, u64)>,
    /// Cursor of the next page of them.
    pub disposals_next: Option<String>,
    /// Clips whose retention is over.
    pub due: Vec<DueRow>,
    /// Cursor of the next page of them.
    pub due_next: Option<String>,
}

/// A list of disposal with its clips.
#[derive(Debug, Clone)]
pub struct DisposalView {
    /// The list.
    pub list: DisposalRow,
    /// Its clips.
    pub items: Vec<DisposalItem>,
}

/// The filing of a case.
#[derive(Debug, Clone)]
pub struct FilingView {
    /// Its number, as displayed.
    pub case_no: String,
    /// How far it is; `None` while it is open.
    pub filing: Option<FilingRow>,
    /// What the check finds now.
    pub report: Report,
    /// The report as it was signed.
    pub signed: Option<Signed>,
    /// How far the comparison of its data is.
    pub progress: FilingProgress,
    /// Its clips, where they were asked for, in the order of capture; of isolated ones the id alone.
    pub clips: Vec<FiledClip>,
    /// The configured fonds.
    pub fonds_no: Option<String>,
}

/// A clip of a case, as lists for the archive have it.
#[derive(Debug, Clone, Default)]
pub struct FiledClip {
    /// Its id.
    pub id: String,
    /// RFC 3339.
    pub captured: Option<String>,
    /// Who recorded.
    pub officer: Option<String>,
    /// The number of their certificate.
    pub officer_cert_no: Option<String>,
    /// They are auxiliary staff, who hold none.
    pub officer_auxiliary: bool,
    /// What it proves, or its matter or name.
    pub title: String,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Bytes.
    pub size_bytes: u64,
    /// Hex.
    pub sha256: String,
    /// Until when it is kept and by what; `None` inside: for ever. Known once the case is filed.
    pub keep: Option<(Option<UtcMs>, String)>,
}

/// Reading of it all.
pub trait Reading: Send + Sync {
    /// How bounds reach over the clips of what an address names; `None` where there is no such thing. What is to be done
    /// `with_each` of them at once is refused of what there was before a case and has too many.
    fn reach<'a>(
        &'a self,
        named: &'a Named,
        within: &'a Within,
        with_each: bool,
    ) -> BoxFuture<'a, Result<Option<Reach>, ReadError>>;
    /// How a case, by any of its numbers, stands to an account; `None` where there is none of that number.
    fn case_standing<'a>(&'a self, number: &'a str, account: i64) -> BoxFuture<'a, Result<Option<Subject>, ReadError>>;
    /// What stands on a clip.
    fn kept(&self, clip: ClipId) -> BoxFuture<'_, Result<Kept, ReadError>>;
    /// What stands on a case, by any of its numbers.
    fn case_kept<'a>(&'a self, number: &'a str) -> BoxFuture<'a, Result<CaseKept, ReadError>>;
    /// For each of these whether every clip of it lies within bounds, isolated ones included; of what has no clip, whether the
    /// bounds are about every clip. A case that is not there is within none.
    fn wholly<'a>(&'a self, named: &'a [Named], within: &'a Within) -> BoxFuture<'a, Result<Vec<bool>, ReadError>>;
    /// Which of these clips lie within bounds, isolated ones included.
    fn within<'a>(&'a self, clips: &'a [ClipId], within: &'a Within) -> BoxFuture<'a, Result<Vec<ClipId>, ReadError>>;
    /// Which of these numbers are those of cases that have a page for whoever looks within bounds.
    fn openable<'a>(
        &'a self,
        numbers: &'a [String],
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Vec<String>, ReadError>>;
    /// The page of keeping within these bounds; with a page of what is due and of the lists where `disposal` asks for them.
    fn keeping<'a>(
        &'a self,
        bounds: &'a KeepingBounds,
        disposal: Option<&'a DisposalQuery>,
    ) -> BoxFuture<'a, Result<KeepingView, ReadError>>;
    /// A list of disposal; `None` where there is none of that number.
    fn disposal(&self, disposal: i64) -> BoxFuture<'_, Result<Option<DisposalView>, ReadError>>;
    /// The filing of a case, with its clips where they are `listed`; `None` where there is no such case.
    fn filing<'a>(&'a self, number: &'a str, listed: bool) -> BoxFuture<'a, Result<Option<FilingView>, ReadError>>;
    /// Whom to call about what is suspected classified.
    fn responsible(&self) -> Option<String>;
}
