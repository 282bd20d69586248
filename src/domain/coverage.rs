//! What of a case should be recorded and what is: the catalogue (《音像记录事项清单》) against the clips. Pure.
//!
//! An item of the catalogue counts once its matter was carried out: where the case says so, where a clip shows it, or
//! where it belongs to every case and its stage is over. 听证 that nobody asked for is not missing.
//!
//! What must be recorded from begin to end (查封扣押、强制拆除 ...) is looked at over the union of all recorders on the
//! scene: one that stops while another goes on leaves no gap. A written record may stand for what is recorded as the
//! situation asks; for what must be recorded whole it is only the reason why something is missing. What is missing with a
//! reason on record stands apart from what is missing alone; both are gaps. Each occasion needs its own reason ([`occasion`]).
//!
//! A matter may be carried out more than once (告知书 and 决定书 are served weeks apart). Each time that somebody wrote down has
//! to be recorded and may still come in until its own end is so long ago; a recording of another day is none of it. Where
//! somebody wrote down the day alone it was at any time of that day; where nobody wrote down when it was, a long pause lies
//! between two such times, and is no gap. A picture shows its moment, and nothing from begin to end.
//!
//! An item of one matter of enforcement (执法事项) is about cases of that matter or cause alone. Where no item names the
//! matter or cause of a case, and the register no matter, only what was carried out counts.

pub mod occasion;
mod standing;
mod told;

pub use told::{
    CaseCoverage, CoverageLine, CoverageSaid, OccasionTold, ReasonTold, Stretch, head, reasons, rows, told,
};

use super::register::{Done, Entry, kind_key, name_key};
use occasion::{Lack, explain, newest_of};
use standing::{Measured, lacking, line, touches};

/// How much of a matter is to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// From begin to end (全过程).
    Whole,
    /// Relevant parts, as the situation asks (重点环节).
    Part,
    /// The written record suffices (文字记录即可).
    Written,
}

impl Tier {
    /// The stored word, and how people write it.
    pub const WORDS: [(Self, &'static str, &'static [&'static str]); 3] = [
        (Self::Whole, "whole", &["全过程", "全程", "全过程记录", "全程记录", "全过程音像记录", "1"]),
        (Self::Part, "part", &["重点", "重点环节", "关键环节", "部分", "适时", "视情", "音像记录", "2"]),
        (Self::Written, "written", &["文字", "文字记录", "仅文字", "文字记录即可", "3"]),
    ];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(tier, ..)| *tier == self).map_or("part", |(_, word, _)| word)
    }

    /// Reads the stored word, or what stands in people's sheets.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = name_key(text);
        Self::WORDS.iter().find(|(_, word, others)| *word == plain || others.contains(&plain.as_str())).map(|w| w.0)
    }
}

/// An item of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Kind of enforcement that it is about; `None`: every kind.
    pub kind: Option<String>,
    /// Matter of enforcement (执法事项) that it is about; `None`: every one. Several are joined as lists are.
    pub subject: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter to be recorded.
    pub matter: String,
    /// How much of it.
    pub tier: Tier,
    /// It belongs to every case that got so far; others count only where they were carried out.
    pub always: bool,
    /// What is to be seen and heard, from when to when, how long it is kept: as the sheet has it.
    pub content: [Option<String>; 4],
}

impl Item {
    /// Reads an entry of the register `catalogue`.
    pub fn of(entry: &Entry) -> Self {
        let text = |column: &str| entry.get(column).map(str::to_owned);
        Self {
            kind: text("kind"),
            subject: text("subject"),
            stage: text("stage"),
            matter: text("matter").or_else(|| text("stage")).unwrap_or_default(),
            tier: entry.get("tier").and_then(Tier::parse).unwrap_or(Tier::Part),
            always: entry.get("always") == Some("yes"),
            content: ["content", "begins", "ends", "retention"].map(text),
        }
    }
}

/// A clip of the case, as far as coverage asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footage {
    /// Matter that it shows.
    pub matter: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// From when to when, milliseconds since the Unix epoch; `None` while no time of it is known.
    pub span_ms: Option<(i64, i64)>,
    /// Stretches within it of which nothing is there: a camera was cut off and its recording went on.
    pub lost_ms: Vec<(i64, i64)>,
    /// When it was sealed here.
    pub sealed_ms: Option<i64>,
}

/// Why a matter has no recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoRecord {
    /// Which.
    pub matter: String,
    /// Of which stage, where that was said.
    pub stage: Option<String>,
    /// On which occasion, where that was said: when it began, milliseconds since the Unix epoch.
    pub of_ms: Option<i64>,
    /// A written record stands for it.
    pub written: bool,
    /// In words.
    pub reason: String,
    /// On what basis, where somebody said: an order, an article, a report of the fault.
    pub basis: String,
    /// Who said so, and when; `None` of a document, which speaks for itself.
    pub said: Option<Said>,
    /// When the document was filed that tells it, milliseconds since the Unix epoch; `None` where a person said it.
    pub filed_ms: Option<i64>,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `kind:id` of the actor.
    pub actor: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What the agency allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// A gap of at most this length is none, milliseconds.
    pub gap_ms: i64,
    /// Footage may come in so long after the matter, milliseconds.
    pub within_ms: i64,
}

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It should be recorded, and nothing is there (应进行音像记录，未见资料).
    Missing,
    /// The same, and a reason is on record (未记录，已说明原因).
    Explained,
    /// It should be recorded whole, and is not (中断).
    Interrupted,
    /// It is recorded and came in too late.
    Late,
    /// It is recorded.
    Present,
    /// A written record stands for it (以文字记录替代).
    Replaced,
    /// It was not carried out yet, or its footage may still come (尚未进行).
    NotYetDue,
}

impl Standing {
    /// Each of them, what asks for something first.
    pub const ALL: [Self; 7] =
        [Self::Missing, Self::Explained, Self::Interrupted, Self::Late, Self::Present, Self::Replaced, Self::NotYetDue];

    /// Reads the published word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// The published word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Explained => "missing_with_reason",
            Self::Interrupted => "interrupted",
            Self::Late => "late",
            Self::Present => "present",
            Self::Replaced => "replaced",
            Self::NotYetDue => "not_yet_due",
        }
    }

    /// Whether something that should be there is not, whatever the reason.
    pub fn is_a_gap(self) -> bool {
        matches!(self, Self::Missing | Self::Explained | Self::Interrupted)
    }
}

/// An occasion on which a matter was carried out, and whose recording is not there, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// When it began, milliseconds since the Unix epoch; `None`: nobody knows.
    pub from_ms: Option<i64>,
    /// Its end, where that is known.
    pub to_ms: Option<i64>,
    /// Its footage may still come.
    pub open: bool,
    /// Why, where somebody said or a document tells.
    pub why: Option<NoRecord>,
}

/// An item of the catalogue in a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub item: Item,
    /// How it stands.
    pub standing: Standing,
    /// Clips that show it.
    pub clips: usize,
    /// Length of what is recorded, over the union of all recorders, milliseconds.
    pub recorded_ms: i64,
    /// Stretches without any recording, milliseconds since the Unix epoch.
    pub gaps_ms: Vec<(i64, i64)>,
    /// Until when its footage may come, where that is still to come.
    pub due_ms: Option<i64>,
    /// Occasions that lack a recording, in the order of time.
    pub occasions: Vec<Lacking>,
    /// Why it has no recording, where somebody said or a document tells; of several occasions the last one's, once each has
    /// a reason.
    pub reason: Option<String>,
    /// On what basis, where somebody said.
    pub basis: Option<String>,
    /// Who said so, and when.
    pub said: Option<Said>,
}

impl Line {
    /// Occasions for which no written record stands: what is recorded as the situation asks needs nothing else then.
    pub fn wanting(&self) -> impl Iterator<Item = &Lacking> {
        let replaced = |l: &&Lacking| self.item.tier == Tier::Part && l.why.as_ref().is_some_and(|w| w.written);
        self.occasions.iter().filter(move |l| !replaced(l))
    }
}

/// What a case has, against what it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// One line an item, in the order of the catalogue.
    pub lines: Vec<Line>,
    /// Clips that no item asks for.
    pub beside: usize,
}

impl Coverage {
    /// How many lines stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.lines.iter().filter(|l| l.standing == standing).count()
    }

    /// Whether nothing that should be there is missing or interrupted.
    pub fn is_complete(&self) -> bool {
        !self.lines.iter().any(|l| l.standing.is_a_gap())
    }
}

/// A case as its register has it.
#[derive(Debug, Clone, Default)]
pub struct CaseFacts {
    /// Kind of enforcement; where it is `None`, or one that no item has, every item counts that has no kind of its own, or whose
    /// matter was carried out.
    pub kind: Option<String>,
    /// Matter of enforcement (执法事项), where the register says it.
    pub subject: Option<String>,
    /// Cause (案由).
    pub cause: Option<String>,
    /// Stages that are over.
    pub stages: Vec<String>,
    /// Matters that were carried out.
    pub done: Vec<Done>,
    /// The case is over (结案), and so is each of its stages, whether anybody ticked them or not.
    pub over: bool,
}

impl CaseFacts {
    /// Reads an entry of the register `case`.
    pub fn of(entry: &Entry) -> Self {
        Self {
            kind: entry.get("kind").map(str::to_owned),
            subject: entry.get("subject").map(str::to_owned),
            cause: entry.get("cause").map(str::to_owned),
            stages: entry.list("stages").into_iter().map(str::to_owned).collect(),
            done: entry.matters(),
            over: false,
        }
    }

    /// Its kind as it is compared ([`kind_key`]); `None` where the register says none, or one that no item has.
    pub fn kind_among<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Option<String> {
        let ours = kind_key(self.kind.as_deref()?);
        items.into_iter().filter_map(|item| item.kind.as_deref()).any(|of| kind_key(of) == ours).then_some(ours)
    }

    /// Whether it is of the matter of enforcement, or one of those, that an item names.
    pub(super) fn is_of(&self, subject: &str) -> bool {
        let (ours, cause) = (self.subject.as_deref().map(name_key), self.cause.as_deref().map(name_key));
        let names = |named: &String| {
            // A cause is a sentence that names the matter; a word of two characters stands in too many of them.
            let in_cause = |cause: &String| cause == named || (named.chars().count() > 2 && cause.contains(named));
            ours.as_ref() == Some(named) || cause.as_ref().is_some_and(in_cause)
        };
        subject.split(PARTS).map(name_key).any(|named| !named.is_empty() && names(&named))
    }

    /// Whether it can be told of which matter of enforcement it is: the register says so, or some item names its cause.
    pub fn is_placed<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> bool {
        let mut named = items.into_iter().filter_map(|item| item.subject.as_deref()).peekable();
        self.subject.is_some() || named.peek().is_none() || named.any(|subject| self.is_of(subject))
    }
}

fn same(a: &str, b: &str) -> bool {
    name_key(a) == name_key(b)
}

/// Between the matters of enforcement that one item names.
const PARTS: [char; 5] = ['、', ';', '；', ',', '，'];

/// Compares.
pub fn cover(
    items: &[Item],
    case: &CaseFacts,
    footage: &[Footage],
    said: &[NoRecord],
    now_ms: i64,
    allowed: Allowed,
) -> Coverage {
    let done = |item: &Item| case.done.iter().filter(|d| same(&d.matter, &item.matter)).collect::<Vec<_>>();
    let kind = case.kind_among(items);
    let of_kind = |item: &Item| match (&item.kind, &kind) {
        (None, _) => true,
        (Some(of), Some(kind)) => kind_key(of) == *kind,
        (Some(_), None) => !done(item).is_empty(),
    };
    let placed = case.is_placed(items);
    let of_subject = |item: &Item| match &item.subject {
        None => true,
        Some(subject) => case.is_of(subject) || (!placed && !done(item).is_empty()),
    };
    let items: Vec<&Item> = items.iter().filter(|item| of_kind(item) && of_subject(item)).collect();
    // A clip of a stage alone shows the one item of that stage; where there are several nobody can tell which.
    let only_of_stage = |stage: &str| {
        let mut of = items.iter().filter(|i| i.stage.as_deref().is_some_and(|s| same(s, stage)));
        of.next().filter(|_| of.next().is_none()).map(|i| i.matter.clone())
    };
    let shown: Vec<Option<String>> = footage
        .iter()
        .map(|clip| clip.matter.clone().or_else(|| clip.stage.as_deref().and_then(&only_of_stage)))
        .collect();
    // The same matter may be asked for in several stages; a clip that tells its stage is of that one.
    let is_of_stage = |item: &Item, stage: &str| item.stage.as_deref().is_some_and(|of| same(of, stage));
    let shows = |clip: &Footage, matter: &str, item: &Item| {
        let elsewhere = |stage: &str| items.iter().any(|i| same(&i.matter, matter) && is_of_stage(i, stage));
        clip.stage.as_deref().is_none_or(|stage| is_of_stage(item, stage) || !elsewhere(stage))
    };
    // Of each item the clips that show it, and those that show its matter in another stage.
    let by_item = items.iter().map(|item| {
        let of_matter = footage.iter().zip(&shown).filter_map(|(clip, matter)| {
            let matter = matter.as_deref().filter(|m| same(m, &item.matter))?;
            Some((clip, shows(clip, matter, item)))
        });
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        of_matter.for_each(|(clip, is_ours)| if is_ours { ours.push(clip) } else { others.push(clip) });
        (ours, others)
    });
    let by_item: Vec<(Vec<&Footage>, Vec<&Footage>)> = by_item.collect();
    let is_bare_elsewhere = |item: &Item| {
        let other = |i: &Item| same(&i.matter, &item.matter) && i.stage != item.stage;
        items.iter().zip(&by_item).any(|(i, (clips, _))| other(i) && clips.is_empty())
    };
    // What is to be recorded of each item, and whether it was carried out or belongs to the case anyway.
    let carried_out = items.iter().zip(&by_item).map(|(item, (clips, others))| {
        let mut done = done(item);
        // What a clip of another stage shows was carried out there; what none shows, in the stage that has nothing to show.
        let theirs = !clips.is_empty() && is_bare_elsewhere(item);
        done.retain(|d| touches(d, clips) || !(theirs || touches(d, others)));
        let ticked = item.stage.as_deref().is_some_and(|stage| case.stages.iter().any(|over| same(over, stage)));
        let due = !done.is_empty() || (item.always && (case.over || ticked));
        Measured::of(item, clips, &done, due, allowed.within_ms)
    });
    let measured: Vec<Measured<'_>> = carried_out.collect();
    let mut lacks: Vec<(&Item, Vec<Lack<'_>>)> =
        measured.iter().map(|m| (m.item, lacking(m, allowed.gap_ms))).collect();
    // The stage of a document tells which item it is about only where one of that stage asks for the matter.
    let asked = |s: &NoRecord, stage: &str| items.iter().any(|i| same(&i.matter, &s.matter) && is_of_stage(i, stage));
    let stray = |s: &NoRecord| s.filed_ms.is_some() && s.stage.as_deref().is_some_and(|stage| !asked(s, stage));
    let said = said.iter().map(|s| NoRecord { stage: s.stage.clone().filter(|_| !stray(s)), ..s.clone() });
    let said: Vec<NoRecord> = said.collect();
    let stands = occasion::standing(&said);
    explain(&mut lacks, &stands);
    let lines: Vec<Line> = measured
        .iter()
        .zip(&lacks)
        .map(|(m, (item, lacks))| line(m, lacks, newest_of(&stands, item), now_ms, allowed.within_ms))
        .collect();
    let beside = shown
        .iter()
        .filter(|matter| !matter.as_deref().is_some_and(|m| items.iter().any(|item| same(m, &item.matter))))
        .count();
    Coverage { lines, beside }
}

#[cfg(test)]
mod tests;
