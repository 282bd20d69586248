//! What of a case should be recorded and what is: the catalogue (《音像记录事项清单》) against the clips. Pure.
//!
//! An item of the catalogue counts once its matter was carried out: where the case says so, where a clip shows it, or
//! where it belongs to every case and its stage is over. 听证 that nobody asked for is not missing.
//!
//! What must be recorded from begin to end (查封扣押、强制拆除 ...) is looked at over the union of all recorders on the
//! scene: one that stops while another goes on leaves no gap. A written record may stand for what is recorded as the
//! situation asks; for what must be recorded whole it is only the reason why something is missing. What is missing with a
//! reason on record stands apart from what is missing alone; both are gaps.
//!
//! An item of one matter of enforcement (执法事项) is about cases of that matter or cause alone. Where no item names the
//! matter or cause of a case, and the register no matter, only what was carried out counts.

mod told;

pub use told::{CaseCoverage, CoverageLine, CoverageSaid, ReasonTold, Stretch, head, reasons, rows, told};

use super::register::{Done, Entry, name_key};

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
    /// When it was sealed here.
    pub sealed_ms: Option<i64>,
}

/// Why a matter has no recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoRecord {
    /// Which.
    pub matter: String,
    /// A written record stands for it.
    pub written: bool,
    /// In words.
    pub reason: String,
    /// On what basis, where somebody said: an order, an article, a report of the fault.
    pub basis: String,
    /// Who said so, and when; `None` of a document, which speaks for itself.
    pub said: Option<Said>,
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
    /// Why it has no recording, where somebody said or a document tells.
    pub reason: Option<String>,
    /// On what basis, where somebody said.
    pub basis: Option<String>,
    /// Who said so, and when.
    pub said: Option<Said>,
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
    /// Kind of enforcement; `None`: every item counts that has no kind of its own, or whose matter was carried out.
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

    /// Whether it is of the matter of enforcement, or one of those, that an item names.
    fn is_of(&self, subject: &str) -> bool {
        let (ours, cause) = (self.subject.as_deref().map(name_key), self.cause.as_deref().map(name_key));
        let names = |named: &String| {
            // A cause is a sentence that names the matter; a word of two characters stands in too many of them.
            let in_cause = |cause: &String| cause == named || (named.chars().count() > 2 && cause.contains(named));
            ours.as_ref() == Some(named) || cause.as_ref().is_some_and(in_cause)
        };
        subject.split(PARTS).map(name_key).any(|named| !named.is_empty() && names(&named))
    }

    /// Whether it can be told of which matter of enforcement it is: the register says so, or some item names its cause.
    pub fn is_placed(&self, items: &[Item]) -> bool {
        let named = |item: &Item| item.subject.as_deref().is_some_and(|subject| self.is_of(subject));
        self.subject.is_some() || items.iter().all(|item| item.subject.is_none()) || items.iter().any(named)
    }
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
    let same = |a: &str, b: &str| name_key(a) == name_key(b);
    let done = |item: &Item| case.done.iter().filter(|d| same(&d.matter, &item.matter)).collect::<Vec<_>>();
    let of_kind = |item: &Item| match (&item.kind, &case.kind) {
        (None, _) => true,
        (Some(of), Some(kind)) => same(of, kind),
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
    let lines: Vec<Line> = items
        .iter()
        .map(|item| {
            let clips: Vec<&Footage> = footage
                .iter()
                .zip(&shown)
                .filter(|(_, matter)| matter.as_deref().is_some_and(|m| same(m, &item.matter)))
                .map(|(clip, _)| clip)
                .collect();
            let ticked = item.stage.as_deref().is_some_and(|stage| case.stages.iter().any(|over| same(over, stage)));
            let reason = said.iter().rev().find(|s| same(&s.matter, &item.matter));
            line(item, &clips, &done(item), item.always && (case.over || ticked), reason, now_ms, allowed)
        })
        .collect();
    let beside = shown
        .iter()
        .filter(|matter| !matter.as_deref().is_some_and(|m| items.iter().any(|item| same(m, &item.matter))))
        .count();
    Coverage { lines, beside }
}

fn line(
    item: &Item,
    clips: &[&Footage],
    done: &[&Done],
    due_anyway: bool,
    said: Option<&NoRecord>,
    now_ms: i64,
    allowed: Allowed,
) -> Line {
    let union = union(clips.iter().filter_map(|c| c.span_ms).collect());
    let recorded_ms = union.iter().map(|(from, to)| to - from).sum();
    let ended = done.iter().filter_map(|d| d.to_ms.or(d.from_ms)).max();
    let due_ms = ended.map(|end| end.saturating_add(allowed.within_ms)).filter(|due| *due > now_ms);
    let written = said.is_some_and(|s| s.written && !s.reason.is_empty());
    let mut gaps_ms = Vec::new();
    let standing = match (clips.is_empty(), item.tier) {
        (true, Tier::Written) => Standing::Replaced,
        (true, _) if done.is_empty() && !due_anyway => Standing::NotYetDue,
        (true, Tier::Part) if written => Standing::Replaced,
        (true, _) if due_ms.is_some() => Standing::NotYetDue,
        (true, _) if said.is_some_and(|s| !s.reason.is_empty()) => Standing::Explained,
        (true, _) => Standing::Missing,
        (false, tier) => {
            if tier == Tier::Whole {
                gaps_ms = gaps(&union, done, allowed.gap_ms);
            }
            let last = union.last().map(|(_, to)| *to);
            let deadline = ended.or(last).map(|end| end.saturating_add(allowed.within_ms));
            let late =
                deadline.is_some_and(|deadline| clips.iter().any(|c| c.sealed_ms.is_some_and(|at| at > deadline)));
            match () {
                // The recorder that fills the gap may still come.
                () if !gaps_ms.is_empty() && due_ms.is_some() => Standing::NotYetDue,
                () if !gaps_ms.is_empty() => Standing::Interrupted,
                () if late => Standing::Late,
                () => Standing::Present,
            }
        }
    };
    let said = said.filter(|s| !s.reason.is_empty());
    Line {
        item: item.clone(),
        standing,
        clips: clips.len(),
        recorded_ms,
        gaps_ms,
        due_ms: due_ms.filter(|_| standing == Standing::NotYetDue),
        reason: said.map(|s| s.reason.clone()),
        basis: said.map(|s| s.basis.clone()).filter(|b| !b.is_empty()),
        said: said.and_then(|s| s.said.clone()),
    }
}

/// Stretches as they are when all recorders count together, in order.
fn union(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.retain(|(from, to)| to >= from);
    spans.sort_unstable();
    let mut union: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => union.push((from, to)),
        }
    }
    union
}

/// Gaps longer than is allowed: inside each time that the matter is said to have lasted, else between one recording
/// and the next.
fn gaps(union: &[(i64, i64)], done: &[&Done], allowed_ms: i64) -> Vec<(i64, i64)> {
    let mut gaps = Vec::new();
    let spans: Vec<(i64, i64)> = done.iter().filter_map(|d| Some((d.from_ms?, d.to_ms?))).collect();
    let (Some(first), Some(last)) = (union.first(), union.last()) else { return spans };
    let spans = if spans.is_empty() {
        let from = done.iter().filter_map(|d| d.from_ms).min().unwrap_or(first.0);
        vec![(from.min(first.0), last.1)]
    } else {
        spans
    };
    for (from, to) in spans {
        let mut at = from;
        for (begin, end) in union.iter().filter(|(begin, end)| *end > from && *begin < to) {
            if begin - at > allowed_ms {
                gaps.push((at, *begin));
            }
            at = at.max(*end);
        }
        if to - at > allowed_ms {
            gaps.push((at, to));
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOWED: Allowed = Allowed { gap_ms: 10, within_ms: 1000 };
    const NOW: i64 = 100_000;

    fn item(matter: &str, tier: Tier) -> Item {
        Item {
            kind: None,
            subject: None,
            stage: Some("调查".into()),
            matter: matter.into(),
            tier,
            always: false,
            content: Default::default(),
        }
    }

    fn clip(matter: &str, from: i64, to: i64) -> Footage {
        Footage { matter: Some(matter.into()), stage: None, span_ms: Some((from, to)), sealed_ms: Some(to + 500) }
    }

    fn done(matter: &str, span: Option<(i64, i64)>) -> Done {
        Done { matter: matter.into(), from_ms: span.map(|s| s.0), to_ms: span.map(|s| s.1) }
    }

    fn of(item: Item, done: Vec<Done>, clips: &[Footage], said: &[NoRecord]) -> Line {
        let case = CaseFacts { done, ..CaseFacts::default() };
        cover(&[item], &case, clips, said, NOW, ALLOWED).lines.remove(0)
    }

    #[test]
    fn how_an_item_stands() {
        use Standing::*;
        use Tier::*;
        let written =
            |written| NoRecord {
                matter: "现场检查".into(), written, reason: "设备故障".into(), ..NoRecord::default()
            };
        let withdrawn = NoRecord { reason: String::new(), ..written(false) };
        let when = Some((1000, 2000));
        let late = Footage { sealed_ms: Some(2000 + 1001), ..clip("现场检查", 1000, 2000) };
        /// What it is, its tier, when it was carried out (if it was, and if that is known), footage, notes, the verdict.
        type Row = (&'static str, Tier, Option<Option<(i64, i64)>>, Vec<Footage>, Vec<NoRecord>, Standing);
        let table: Vec<Row> = vec![
            ("not carried out", Whole, None, vec![], vec![], NotYetDue),
            ("carried out, nothing there", Part, Some(when), vec![], vec![], Missing),
            ("carried out at an unknown time", Part, Some(None), vec![], vec![], Missing),
            ("its footage may still come", Part, Some(Some((NOW - 500, NOW - 10))), vec![], vec![], NotYetDue),
            ("a written record stands for it", Part, Some(when), vec![], vec![written(true)], Replaced),
            ("a reason is no record", Part, Some(when), vec![], vec![written(false)], Explained),
            ("what must be whole has no stand-in", Whole, Some(when), vec![], vec![written(true)], Explained),
            ("a reason that was taken back", Part, Some(when), vec![], vec![written(false), withdrawn], Missing),
            ("a reason for what was not carried out", Part, None, vec![], vec![written(false)], NotYetDue),
            ("no footage is asked for", Written, Some(when), vec![], vec![], Replaced),
            ("footage where none is asked for", Written, Some(when), vec![clip("现场检查", 1, 2)], vec![], Present),
            ("whole", Whole, Some(when), vec![clip("现场检查", 990, 2005)], vec![], Present),
            (
                "in two parts without a gap",
                Whole,
                Some(when),
                vec![clip("现场检查", 990, 1500), clip("现场检查", 1510, 2000)],
                vec![],
                Present,
            ),
            (
                "in two parts with a gap",
                Whole,
                Some(when),
                vec![clip("现场检查", 990, 1500), clip("现场检查", 1511, 2000)],
                vec![],
                Interrupted,
            ),
            (
                "another recorder fills the gap",
                Whole,
                Some(when),
                vec![clip("现场检查", 990, 1500), clip("现场检查", 1400, 1800), clip("现场检查", 1790, 2000)],
                vec![],
                Present,
            ),
            ("begins too late", Whole, Some(when), vec![clip("现场检查", 1011, 2000)], vec![], Interrupted),
            ("ends too early", Whole, Some(when), vec![clip("现场检查", 1000, 1989)], vec![], Interrupted),
            ("a gap where parts are enough", Part, Some(when), vec![clip("现场检查", 1000, 1100)], vec![], Present),
            (
                "without a time of the matter",
                Whole,
                Some(None),
                vec![clip("现场检查", 5, 50), clip("现场检查", 55, 90)],
                vec![],
                Present,
            ),
            (
                "without a time, with a gap",
                Whole,
                None,
                vec![clip("现场检查", 5, 50), clip("现场检查", 80, 90)],
                vec![],
                Interrupted,
            ),
            ("came in too late", Part, Some(when), vec![late], vec![], Late),
            ("footage of another matter", Part, Some(when), vec![clip("送达", 1000, 2000)], vec![], Missing),
        ];
        for (what, tier, carried_out, clips, said, standing) in table {
            let done = carried_out.map(|span| done("现场检查", span)).into_iter().collect();
            let line = of(item("现场检查", tier), done, &clips, &said);
            assert_eq!(line.standing, standing, "{what}: {line:?}");
            assert_eq!(line.due_ms.is_some(), what.contains("still come"), "{what}");
        }
    }

    #[test]
    fn gaps_are_named_and_lengths_are_of_the_union() {
        let clips = [clip("现场检查", 1000, 1400), clip("现场检查", 1300, 1500), clip("现场检查", 1700, 2000)];
        let line = of(item("现场检查", Tier::Whole), vec![done("现场检查", Some((1000, 2000)))], &clips, &[]);
        assert_eq!((line.gaps_ms, line.recorded_ms, line.clips), (vec![(1500, 1700)], 800, 3));
    }

    #[test]
    fn what_belongs_to_every_case_is_due_when_its_stage_is_over() {
        let always = Item { always: true, ..item("告知", Tier::Part) };
        let hearing = item("听证", Tier::Whole);
        let case = |stages: &[&str]| CaseFacts {
            kind: Some("处罚".into()),
            stages: stages.iter().map(|s| (*s).to_owned()).collect(),
            ..CaseFacts::default()
        };
        let standing = |case: &CaseFacts| {
            let found = cover(&[always.clone(), hearing.clone()], case, &[], &[], NOW, ALLOWED);
            found.lines.iter().map(|l| l.standing).collect::<Vec<_>>()
        };
        assert_eq!(standing(&case(&[])), [Standing::NotYetDue, Standing::NotYetDue]);
        assert_eq!(standing(&case(&["调查"])), [Standing::Missing, Standing::NotYetDue]);
        let over = CaseFacts { over: true, ..case(&[]) };
        assert_eq!(standing(&over), [Standing::Missing, Standing::NotYetDue], "with the case each stage of it");
    }

    #[test]
    fn items_of_another_kind_are_no_business_of_the_case() {
        let items = [
            Item { kind: Some("处罚".into()), ..item("现场检查", Tier::Part) },
            Item { kind: Some("许可".into()), ..item("核查", Tier::Part) },
        ];
        let case = CaseFacts { kind: Some("处罚".into()), ..CaseFacts::default() };
        let stage_alone = Footage { matter: None, stage: Some("调查".into()), span_ms: None, sealed_ms: None };
        let found = cover(&items, &case, &[stage_alone, clip("别的", 1, 2)], &[], NOW, ALLOWED);
        assert_eq!(found.lines.len(), 1);
        assert_eq!((found.lines[0].standing, found.beside), (Standing::Present, 1));
        assert!(found.is_complete());
        assert_eq!(found.count(Standing::Present), 1);
        // Where nobody said of what kind it is, only what was carried out counts.
        let unknown = CaseFacts { done: vec![done("核查", None)], ..CaseFacts::default() };
        let found = cover(&items, &unknown, &[], &[], NOW, ALLOWED);
        assert_eq!(found.lines.iter().map(|l| l.item.matter.as_str()).collect::<Vec<_>>(), ["核查"]);
    }

    #[test]
    fn items_of_another_matter_of_enforcement_are_no_business_of_the_case() {
        let of = |subject: &str, matter: &str| Item { subject: Some(subject.into()), ..item(matter, Tier::Part) };
        let items = [
            of("公共场所卫生", "现场检查"),
            of("医疗废物、放射诊疗", "抽样取证"),
            of("职业卫生", "送达"),
            item("听证", Tier::Part),
        ];
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (subject, cause, carried_out, wanted, placed) in [
            ("公共场所卫生", "", vec![], vec!["现场检查", "听证"], true),
            (" 放射 诊疗", "未取得许可", vec![], vec!["抽样取证", "听证"], true),
            ("", "职业卫生", vec![], vec!["送达", "听证"], true),
            ("", "职业卫生", vec!["现场检查"], vec!["送达", "听证"], true),
            ("", "公共场所卫生许可证未公示", vec![], vec!["现场检查", "听证"], true),
            ("学校卫生", "", vec!["现场检查"], vec!["听证"], true),
            // Nobody said, and nothing tells: only what was carried out.
            ("", "", vec![], vec!["听证"], false),
            ("", "未公示许可证", vec!["现场检查"], vec!["现场检查", "听证"], false),
        ] {
            let case = CaseFacts {
                subject: text(subject),
                cause: text(cause),
                done: carried_out.iter().map(|m| done(m, None)).collect(),
                ..CaseFacts::default()
            };
            let found = cover(&items, &case, &[], &[], NOW, ALLOWED);
            let matters: Vec<&str> = found.lines.iter().map(|l| l.item.matter.as_str()).collect();
            assert_eq!((matters, case.is_placed(&items)), (wanted, placed), "{subject} {cause} {carried_out:?}");
        }
        assert!(CaseFacts::default().is_placed(&[item("听证", Tier::Part)]), "where no item asks, nothing is unknown");
    }

    #[test]
    fn tiers_as_sheets_write_them() {
        for (text, tier) in [
            ("全过程", Some(Tier::Whole)),
            (" 重点环节 ", Some(Tier::Part)),
            ("文字", Some(Tier::Written)),
            ("也许", None),
        ] {
            assert_eq!(Tier::parse(text), tier);
        }
        assert!(Tier::WORDS.iter().all(|(tier, word, _)| Tier::parse(word) == Some(*tier) && tier.as_str() == *word));
    }

    proptest! {
        /// More footage never makes a case worse, and gaps never overlap what is recorded.
        #[test]
        fn more_footage_is_never_worse(spans in prop::collection::vec((0i64..3000, 0i64..800), 0..8), more in (0i64..3000, 0i64..800)) {
            let make = |spans: &[(i64, i64)]| spans.iter().map(|(from, len)| Footage { sealed_ms: Some(0), ..clip("现场检查", *from, from + len) }).collect::<Vec<_>>();
            let look = |clips: &[Footage]| of(item("现场检查", Tier::Whole), vec![done("现场检查", Some((500, 2500)))], clips, &[]);
            let before = look(&make(&spans));
            let after = look(&make(&[spans.clone(), vec![more]].concat()));
            let missing = |l: &Line| l.gaps_ms.iter().map(|(from, to)| to - from).sum::<i64>();
            if !spans.is_empty() {
                prop_assert!(missing(&after) <= missing(&before), "{:?} {:?}", before, after);
            }
            for (from, to) in &after.gaps_ms {
                prop_assert!(from < to && *from >= 500 && *to <= 2500);
                prop_assert!(!make(&spans).iter().any(|c| c.span_ms.is_some_and(|(b, e)| b < *to && e > *from)));
            }
        }
    }
}
