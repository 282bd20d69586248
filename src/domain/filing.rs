//! Filing of a case (归档): 结案, 立卷, 归档; what the check before it finds (四性检测: 真实 完整 可用 安全), and until when each
//! clip is kept from then on. Pure.
//!
//! A case is filed with no gap: what cannot be mended any more has its reason on record (缺记原因), and is told as a remark
//! that the archivist signs with. A case that was filed takes no changes before two people re-open it.

mod compared;

use jiff::Span;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::coverage::{CaseFacts, Coverage, Item, Standing};
use super::ids::ClipId;
use super::ports::MediaHealth;
use super::register::{kind_key, name_key};
use super::time::UtcMs;

pub use compared::{ClipCompared, Comparing, Outcome};

/// How far a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilingState {
    /// It is worked on.
    Open,
    /// 结案: no more enforcement; its records may still be completed.
    Closed,
    /// 立卷: it has its place in the archive.
    Bound,
    /// 归档: checked and signed off.
    Filed,
}

impl FilingState {
    /// Each of them, in order.
    pub const ALL: [Self; 4] = [Self::Open, Self::Closed, Self::Bound, Self::Filed];

    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Bound => "bound",
            Self::Filed => "filed",
        }
    }
}

/// What is asked about the filing of a case, by any of its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum FilingAsk {
    /// 结案.
    Close {
        /// The case.
        case_no: String,
    },
    /// 立卷.
    Bind {
        /// The case.
        case_no: String,
        /// 全宗号; the configured one where it is absent.
        #[serde(default)]
        fonds_no: Option<String>,
        /// 年度; the year of closing where it is absent.
        #[serde(default)]
        year: Option<String>,
        /// 档号.
        archival_code: String,
        /// 题名.
        #[serde(default)]
        title: Option<String>,
        /// 保管期限 of the case file.
        term: String,
    },
    /// Compares the data of each clip anew; goes on by itself.
    Compare {
        /// The case.
        case_no: String,
    },
    /// 归档: checks, signs off.
    File {
        /// The case.
        case_no: String,
        /// 检查意见.
        opinion: String,
    },
    /// Asks to re-open it; what was not filed yet is open again at once.
    Reopen {
        /// The case.
        case_no: String,
        /// Why.
        reason: String,
    },
    /// Another person decides about re-opening.
    DecideReopen {
        /// The case.
        case_no: String,
        /// Re-open it.
        yes: bool,
    },
}

/// One of the four properties (四性).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// 真实: what is here is what was recorded, and the log says so.
    Authentic,
    /// 完整: everything that should be there is.
    Complete,
    /// 可用: it can be played.
    Usable,
    /// 安全: it is safe elsewhere, and nothing about it is in doubt.
    Safe,
}

impl Aspect {
    /// Each of them, as they are named.
    pub const ALL: [Self; 4] = [Self::Authentic, Self::Complete, Self::Usable, Self::Safe];

    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentic => "authentic",
            Self::Complete => "complete",
            Self::Usable => "usable",
            Self::Safe => "safe",
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Nothing is linked to it.
    NoClips,
    /// It is still being copied.
    Copying,
    /// The log's entry about it stands below no checkpoint off this box.
    NotAnchored,
    /// It is not proven at every required destination.
    NotProven,
    /// It was not compared since the filing check began, or too long ago.
    NotVerified,
    /// Its bytes, its record or the log are not what was sealed.
    Differs,
    /// It gave its file up, and no copy elsewhere could be compared.
    Unreached,
    /// The filing check never began to compare.
    NotCompared,
    /// It is suspected classified.
    Isolated,
    /// A person must look at it first.
    Quarantined,
    /// Its local copy is damaged.
    Damaged,
    /// It lacks some of the five facts.
    LacksFacts,
    /// Nobody has looked whether it can be played.
    NotProbed,
    /// It cannot be played, or not to its end.
    Unplayable,
    /// A matter that should be recorded has no recording.
    Missing,
    /// A matter that should be recorded whole is not.
    Interrupted,
    /// Footage of a matter may still come.
    MayCome,
    /// The register does not say of which kind, or of which matter of enforcement, the case is, or of a kind that the catalogue
    /// has not: nobody knows which matters should be recorded.
    KindUnknown,
    /// No item of the catalogue applies to it.
    NoCatalogue,
}

impl What {
    /// Each of them.
    pub const ALL: [Self; 19] = [
        Self::NoClips,
        Self::Copying,
        Self::NotAnchored,
        Self::NotProven,
        Self::NotVerified,
        Self::Differs,
        Self::Unreached,
        Self::NotCompared,
        Self::Isolated,
        Self::Quarantined,
        Self::Damaged,
        Self::LacksFacts,
        Self::NotProbed,
        Self::Unplayable,
        Self::Missing,
        Self::Interrupted,
        Self::MayCome,
        Self::KindUnknown,
        Self::NoCatalogue,
    ];

    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoClips => "no_clips",
            Self::Copying => "copying",
            Self::NotAnchored => "not_anchored",
            Self::NotProven => "not_proven",
            Self::NotVerified => "not_verified",
            Self::Differs => "differs",
            Self::Unreached => "unreached",
            Self::NotCompared => "not_compared",
            Self::Isolated => "isolated",
            Self::Quarantined => "quarantined",
            Self::Damaged => "damaged",
            Self::LacksFacts => "lacks_facts",
            Self::NotProbed => "not_probed",
            Self::Unplayable => "unplayable",
            Self::Missing => "missing",
            Self::Interrupted => "interrupted",
            Self::MayCome => "may_come",
            Self::KindUnknown => "kind_unknown",
            Self::NoCatalogue => "no_catalogue",
        }
    }

    /// Which of the four it is about.
    pub fn aspect(self) -> Aspect {
        match self {
            Self::NotAnchored | Self::NotVerified | Self::Differs | Self::Unreached | Self::NotCompared => {
                Aspect::Authentic
            }
            Self::NoClips
            | Self::Copying
            | Self::LacksFacts
            | Self::Missing
            | Self::Interrupted
            | Self::MayCome
            | Self::KindUnknown
            | Self::NoCatalogue => Aspect::Complete,
            Self::NotProbed | Self::Unplayable => Aspect::Usable,
            Self::NotProven | Self::Isolated | Self::Quarantined | Self::Damaged => Aspect::Safe,
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub what: What,
    /// The clip that it is about.
    pub clip: Option<ClipId>,
    /// The matter that it is about.
    pub matter: Option<String>,
    /// When the occasion began that it is about, milliseconds since the Unix epoch, where that is known.
    pub at_ms: Option<i64>,
    /// Which facts it lacks; why, where somebody said.
    pub detail: String,
}

/// How a copy elsewhere was compared last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Where: a destination.
    pub place: String,
    /// How: `remote_checksum`, `read_back`, `sampled`, `whole`.
    pub how: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A clip of the case, as far as the check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipCheck {
    /// The clip.
    pub clip: ClipId,
    /// It is a recording: only those are probed and owe facts.
    pub is_recording: bool,
    /// By its name the recorder meant it as video, sound or a picture; any other recording need not be media.
    pub is_footage: bool,
    /// Its bytes are still arriving.
    pub copying: bool,
    /// Its local copy is damaged.
    pub damaged: bool,
    /// A quarantine stands.
    pub quarantined: bool,
    /// It is isolated.
    pub isolated: bool,
    /// Proven at every required destination, and there is one.
    pub proven: bool,
    /// The entry that says so stands below a checkpoint off this box.
    pub anchored: bool,
    /// How it was compared for this filing.
    pub compared: Option<ClipCompared>,
    /// What the media worker found.
    pub health: Option<MediaHealth>,
    /// Which of the five it lacks.
    pub missing: Vec<String>,
    /// 缺记原因, where somebody said.
    pub gap_reason: Option<String>,
}

/// What the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What must be mended first.
    pub gaps: Vec<Found>,
    /// What is so and has its reason on record.
    pub remarks: Vec<Found>,
    /// Clips that were looked at.
    pub clips: usize,
    /// When the comparison of their data began, milliseconds since the Unix epoch.
    pub begun_ms: Option<i64>,
    /// How each of them was compared; isolated ones are left out.
    pub compared: Vec<(ClipId, ClipCompared)>,
}

impl Report {
    /// Whether the case may be filed.
    pub fn is_sound(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether one of the four properties is there.
    pub fn has(&self, aspect: Aspect) -> bool {
        !self.gaps.iter().any(|g| g.what.aspect() == aspect)
    }
}

/// Checks a case against the catalogue as it stands when the case is over. `kind_unknown`: which items apply is not known.
pub fn check(clips: &[ClipCheck], comparing: &Comparing, coverage: &Coverage, kind_unknown: bool) -> Report {
    let mut report = Report { clips: clips.len(), begun_ms: comparing.begun_ms, ..Report::default() };
    let of_case = |what: What| Found { what, clip: None, matter: None, at_ms: None, detail: String::new() };
    if clips.is_empty() {
        report.gaps.push(of_case(What::NoClips));
    } else if comparing.begun_ms.is_none() {
        report.gaps.push(of_case(What::NotCompared));
    }
    for c in clips {
        let of_clip =
            |what: What, detail: String| Found { what, clip: Some(c.clip), matter: None, at_ms: None, detail };
        let mut gap = |what: What, detail: String| report.gaps.push(of_clip(what, detail));
        if c.isolated {
            // Nothing else of it is told.
            gap(What::Isolated, String::new());
            continue;
        }
        if c.copying {
            gap(What::Copying, String::new());
            continue;
        }
        if c.damaged {
            gap(What::Damaged, String::new());
        }
        if c.quarantined {
            gap(What::Quarantined, String::new());
        }
        if let Some((what, detail)) = comparing.gap(c.compared.as_ref()) {
            gap(what, detail);
        }
        if !c.proven {
            gap(What::NotProven, String::new());
        } else if !c.anchored {
            gap(What::NotAnchored, String::new());
        }
        if !c.missing.is_empty() {
            gap(What::LacksFacts, c.missing.join(","));
        }
        report.compared.extend(c.compared.clone().map(|compared| (c.clip, compared)));
        if c.is_recording {
            let reason = c.gap_reason.clone().filter(|r| !r.is_empty());
            match (c.health, reason) {
                (None, _) => gap(What::NotProbed, String::new()),
                (Some(MediaHealth::Whole), _) => {}
                (Some(MediaHealth::NotMedia), _) if !c.is_footage => {}
                (Some(_), Some(reason)) => report.remarks.push(of_clip(What::Unplayable, reason)),
                (Some(health), None) => gap(What::Unplayable, health.as_str().to_owned()),
            }
        }
    }
    for line in &coverage.lines {
        let what = if line.standing == Standing::Interrupted { What::Interrupted } else { What::Missing };
        let of_matter = |what: What, at_ms: Option<i64>, why: Option<&str>| Found {
            what,
            clip: None,
            matter: Some(line.item.matter.clone()),
            at_ms,
            detail: why.unwrap_or_default().to_owned(),
        };
        let waits = line.standing == Standing::NotYetDue && line.due_ms.is_some();
        if line.occasions.is_empty() && line.standing.is_a_gap() {
            let found = of_matter(what, None, line.reason.as_deref());
            if found.detail.is_empty() { report.gaps.push(found) } else { report.remarks.push(found) }
        }
        // Each occasion has its reason, or is a gap: what is said of one excuses nothing of another, and what is recorded of
        // one says nothing of another that was today.
        let mut may_come = false;
        for occasion in line.wanting() {
            match &occasion.why {
                Some(_) if waits => {}
                Some(why) => report.remarks.push(of_matter(what, occasion.from_ms, Some(&why.reason))),
                None if occasion.open => {
                    may_come = true;
                    report.gaps.push(of_matter(What::MayCome, occasion.from_ms, None));
                }
                None => report.gaps.push(of_matter(what, occasion.from_ms, None)),
            }
        }
        if waits && !may_come {
            report.gaps.push(of_matter(What::MayCome, None, line.reason.as_deref()));
        }
    }
    // Where nothing is asked for, nothing is missing either; that is no proof that it is complete.
    let unknown = match () {
        () if kind_unknown => Some(What::KindUnknown),
        () if coverage.lines.is_empty() => Some(What::NoCatalogue),
        () => None,
    };
    report.gaps.extend(unknown.map(|what| Found {
        what,
        clip: None,
        matter: None,
        at_ms: None,
        detail: String::new(),
    }));
    report
}

/// How long something is kept, counted from filing (存储期限, 保管期限).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// So many months.
    Months(i32),
    /// 同案卷: as long as the case file.
    AsFile,
    /// 永久.
    Forever,
}

impl Term {
    /// Reads what stands in people's sheets: `6个月`, `3年`, `定期10年`, `三十年`, `永久`, `同案卷`, `P6M`, `10 years`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = name_key(text);
        let plain = plain.trim_start_matches("定期").trim_start_matches("不少于");
        match plain {
            "永久" | "forever" | "permanent" => return Some(Self::Forever),
            "同案卷" | "随案卷" | "与案卷一致" | "同案卷期限" | "as_file" => return Some(Self::AsFile),
            _ => {}
        }
        let (number, unit) = match plain.strip_prefix('p') {
            Some(iso) => iso.split_at(iso.len().checked_sub(1)?),
            None => plain.split_at(plain.find(|c| !is_numeral(c))?),
        };
        let months = match unit {
            "年" | "y" | "year" | "years" => 12,
            "个月" | "月" | "m" | "month" | "months" => 1,
            _ => return None,
        };
        let n = numeral(number)?.checked_mul(months)?;
        // A thousand years are a slip of the pen.
        (1..=12_000).contains(&n).then_some(Self::Months(n))
    }

    /// Until when; `None` for ever. 同案卷 of a case file is no term: it is kept.
    pub fn until(self, filed: UtcMs, file: Term, zone: &TimeZone) -> Option<UtcMs> {
        match (self, file) {
            (Self::Months(n), _) | (Self::AsFile, Self::Months(n)) => {
                let end = filed.zoned(zone).checked_add(Span::new().months(n)).ok()?;
                Some(UtcMs(end.timestamp().as_millisecond()))
            }
            (Self::Forever, _) | (Self::AsFile, _) => None,
        }
    }
}

fn is_numeral(c: char) -> bool {
    c.is_ascii_digit() || "一二两三四五六七八九十".contains(c)
}

/// Digits, or Chinese numerals up to 九十九.
fn numeral(text: &str) -> Option<i32> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let digit =
        |c: char| "一二三四五六七八九".chars().position(|d| d == c || (d == '二' && c == '两')).map(|n| n as i32 + 1);
    let one = |t: &str| {
        let mut chars = t.chars();
        chars.next().and_then(digit).filter(|_| chars.next().is_none())
    };
    match text.split_once('十') {
        None => one(text),
        Some((tens, ones)) => {
            let tens = if tens.is_empty() { Some(1) } else { one(tens) }?;
            let ones = if ones.is_empty() { Some(0) } else { one(ones) }?;
            Some(tens * 10 + ones)
        }
    }
}

/// What a clip shows in the case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Stage.
    pub stage: Option<String>,
    /// Matter recorded.
    pub matter: Option<String>,
}

/// Until when a clip is kept, and by which item of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Milliseconds since the Unix epoch; `None`: for ever.
    pub until_ms: Option<i64>,
    /// The matter of the item with its term, or the case file's term.
    pub basis: String,
}

/// The catalogue's word about a clip of a case, or the case file's. Of several items of one matter the longest counts, and a
/// term that cannot be read keeps as long as the case file: a mistake in a sheet must not shorten anything. An item is about
/// the cases that coverage holds against it; where nobody can tell of which kind or matter of enforcement a case is, each counts.
pub fn keep(
    items: &[Item],
    case: &CaseFacts,
    shown: &Shown,
    file: (&str, Term),
    filed: UtcMs,
    zone: &TimeZone,
) -> Keep {
    let same = |a: &str, b: &str| name_key(a) == name_key(b);
    let kind = case.kind_among(items);
    let of_kind = |item: &&Item| item.kind.as_deref().is_none_or(|of| kind.as_ref().is_none_or(|k| *k == kind_key(of)));
    let placed = case.is_placed(items.iter().filter(of_kind));
    let of_subject = |item: &&Item| item.subject.as_deref().is_none_or(|of| !placed || case.is_of(of));
    let of_matter = |item: &&Item| match (&shown.matter, &shown.stage) {
        (Some(matter), _) => same(matter, &item.matter),
        (None, Some(stage)) => item.stage.as_deref().is_some_and(|s| same(s, stage)),
        (None, None) => false,
    };
    let said = items.iter().filter(of_kind).filter(of_subject).filter(of_matter).filter_map(|item| {
        let text = item.content[3].as_deref()?;
        let term = Term::parse(text).unwrap_or(Term::AsFile);
        Some((term.until(filed, file.1, zone), format!("{}：{text}", item.matter)))
    });
    // For ever sorts last.
    let longest = said.max_by_key(|(until, _)| until.map_or(i64::MAX, |at| at.0));
    let (until, basis) = longest.unwrap_or_else(|| (Term::AsFile.until(filed, file.1, zone), file.0.to_owned()));
    Keep { until_ms: until.map(|at| at.0), basis }
}

#[cfg(test)]
mod tests;
