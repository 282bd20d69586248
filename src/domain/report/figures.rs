//! What is counted, by unit and by kind of enforcement; growth and what may follow from it; the figures by name, as
//! templates ask for them.

use std::collections::BTreeMap;

use super::Period;
use crate::domain::register::{kind_key, name_key};

/// A figure that opens its clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Every recording.
    Recorded,
    /// Its five facts came by themselves.
    AtOnce,
    /// They came later.
    Chased,
    /// One is missing.
    Incomplete,
    /// In a case that was opened.
    Linked,
    /// Linked to one, and no person said so.
    ByRule,
    /// A person linked it to one.
    ByHand,
    /// Linked to what there was before a case alone: no case was opened yet.
    NotYetLinkable,
    /// In no case.
    Unlinked,
    /// Proven within a day of its capture.
    InTime,
    /// Proven later.
    Late,
    /// Not proven.
    Unproven,
    /// No time of its capture is known: in no period.
    Undated,
}

impl Figure {
    /// Each of them, in the order of the tables.
    pub const ALL: [Self; 13] = [
        Self::Recorded,
        Self::AtOnce,
        Self::Chased,
        Self::Incomplete,
        Self::Linked,
        Self::ByRule,
        Self::ByHand,
        Self::NotYetLinkable,
        Self::Unlinked,
        Self::InTime,
        Self::Late,
        Self::Unproven,
        Self::Undated,
    ];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::AtOnce => "at_once",
            Self::Chased => "chased",
            Self::Incomplete => "incomplete",
            Self::Linked => "linked",
            Self::ByRule => "by_rule",
            Self::ByHand => "by_hand",
            Self::NotYetLinkable => "not_yet_linkable",
            Self::Unlinked => "unlinked",
            Self::InTime => "in_time",
            Self::Late => "late",
            Self::Unproven => "unproven",
            Self::Undated => "undated",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.as_str() == word)
    }
}

/// Counts of recordings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many.
    pub clips: u64,
    /// Their length, milliseconds.
    pub duration_ms: u64,
    /// Their size.
    pub bytes: u64,
    /// Complete at once.
    pub at_once: u64,
    /// Complete after chasing.
    pub chased: u64,
    /// Not complete.
    pub incomplete: u64,
    /// Linked by rules alone.
    pub by_rule: u64,
    /// Linked by a person.
    pub by_hand: u64,
    /// Linked to what there was before a case alone.
    pub not_yet_linkable: u64,
    /// Not linked.
    pub unlinked: u64,
    /// Proven in time.
    pub in_time: u64,
    /// Proven later.
    pub late: u64,
    /// Not proven.
    pub unproven: u64,
}

impl Counts {
    /// One figure of it; of those that are no count of these clips none.
    pub fn of(&self, figure: Figure) -> u64 {
        match figure {
            Figure::Recorded => self.clips,
            Figure::AtOnce => self.at_once,
            Figure::Chased => self.chased,
            Figure::Incomplete => self.incomplete,
            Figure::Linked => self.by_rule + self.by_hand,
            Figure::ByRule => self.by_rule,
            Figure::ByHand => self.by_hand,
            Figure::NotYetLinkable => self.not_yet_linkable,
            Figure::Unlinked => self.unlinked,
            Figure::InTime => self.in_time,
            Figure::Late => self.late,
            Figure::Unproven => self.unproven,
            Figure::Undated => 0,
        }
    }

    fn add(&mut self, more: &Self) {
        self.clips += more.clips;
        self.duration_ms += more.duration_ms;
        self.bytes += more.bytes;
        self.at_once += more.at_once;
        self.chased += more.chased;
        self.incomplete += more.incomplete;
        self.by_rule += more.by_rule;
        self.by_hand += more.by_hand;
        self.not_yet_linkable += more.not_yet_linkable;
        self.unlinked += more.unlinked;
        self.in_time += more.in_time;
        self.late += more.late;
        self.unproven += more.unproven;
    }

    /// A part of all clips in tenths of a per cent, cut off, so that 100 % means all of them.
    pub fn permille(&self, figure: Figure) -> u64 {
        (self.of(figure) * 1000).checked_div(self.clips).unwrap_or(0)
    }
}

/// Recordings of one officer and one kind of enforcement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Who recorded, as the records have it.
    pub officer: Option<String>,
    /// Kind of enforcement.
    pub kind: Option<String>,
    /// What they come to.
    pub counts: Counts,
}

/// A line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Unit or kind; `None`: nobody has said.
    pub name: Option<String>,
    /// Its figures.
    pub counts: Counts,
}

/// Whose unit an officer is of. Records name officers by name or number; a name that two units share tells no unit.
#[derive(Debug, Clone, Default)]
pub struct Units {
    by_name: BTreeMap<String, Option<String>>,
}

impl Units {
    /// Of officers as a register or accounts have them: what each is called, and the unit. What is said first of a name
    /// holds against later sources, and against itself only where it agrees.
    pub fn add<'a>(&mut self, said: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut fresh: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (officer, unit) in said {
            let (key, unit) = (name_key(officer), unit.trim());
            if key.is_empty() || unit.is_empty() {
                continue;
            }
            fresh
                .entry(key)
                .and_modify(|known| {
                    if known.as_deref().is_some_and(|k| name_key(k) != name_key(unit)) {
                        *known = None;
                    }
                })
                .or_insert_with(|| Some(unit.to_owned()));
        }
        for (key, unit) in fresh {
            self.by_name.entry(key).or_insert(unit);
        }
    }

    /// The unit of whoever a record names.
    pub fn of(&self, officer: Option<&str>) -> Option<&str> {
        self.by_name.get(&name_key(officer?))?.as_deref()
    }

    /// Whether an officer is of this unit; an empty one stands for those of none.
    pub fn is_of(&self, officer: Option<&str>, unit: &str) -> bool {
        match self.of(officer) {
            Some(of) => name_key(of) == name_key(unit),
            None => unit.is_empty(),
        }
    }

    /// Every unit, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: BTreeMap<String, &String> = BTreeMap::new();
        for unit in self.by_name.values().flatten() {
            names.entry(name_key(unit)).or_insert(unit);
        }
        names.into_values().cloned().collect()
    }
}

/// What groups come to: in all, by unit and by kind. Of `unit` or `kind` alone, where one is asked for; an empty one
/// stands for those that have none.
pub fn lines(
    groups: &[Group],
    units: &Units,
    unit: Option<&str>,
    kind: Option<&str>,
) -> (Counts, Vec<Line>, Vec<Line>) {
    let (mut total, mut by_unit, mut by_kind) = (Counts::default(), BTreeMap::new(), BTreeMap::new());
    for group in groups {
        if unit.is_some_and(|unit| !units.is_of(group.officer.as_deref(), unit))
            || kind.is_some_and(|kind| kind_key(group.kind.as_deref().unwrap_or_default()) != kind_key(kind))
        {
            continue;
        }
        total.add(&group.counts);
        // What has no name comes last.
        let of = units.of(group.officer.as_deref()).map(str::to_owned);
        let key = (of.is_none(), of.as_deref().map(name_key));
        by_unit.entry(key).or_insert_with(|| Line { name: of, counts: Counts::default() }).counts.add(&group.counts);
        let key = (group.kind.is_none(), group.kind.as_deref().map(kind_key));
        let line = by_kind.entry(key).or_insert_with(|| Line { name: group.kind.clone(), counts: Counts::default() });
        line.counts.add(&group.counts);
    }
    (total, by_unit.into_values().collect(), by_kind.into_values().collect())
}

/// What storage may need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Mean of the last full months that had any, bytes.
    pub per_month: u64,
    /// Months that it is the mean of.
    pub of_months: usize,
    /// What stands there now, and by the end of each of the next months.
    pub months: Vec<(Period, u64)>,
}

/// The mean of the last three full months, carried on for `ahead` months from `now` on. `growth` is by month, oldest first;
/// `all` is everything that was ever taken in. Without a full month nothing is foretold.
pub fn forecast(growth: &[(Period, u64)], all: u64, now: Period, ahead: usize) -> Forecast {
    // Months before the station's first one say nothing.
    let full: Vec<u64> =
        growth.iter().filter(|(month, _)| *month < now).map(|(_, bytes)| *bytes).skip_while(|b| *b == 0).collect();
    let last = &full[full.len().saturating_sub(3)..];
    if last.is_empty() {
        return Forecast::default();
    }
    let per_month = last.iter().sum::<u64>() / last.len() as u64;
    let this_month = growth.iter().find(|(month, _)| *month == now).map_or(0, |(_, bytes)| *bytes);
    // The present month comes to at least the mean.
    let mut total = all + per_month.saturating_sub(this_month);
    let (mut month, mut months) = (now, Vec::new());
    for _ in 0..ahead {
        (month, total) = (month.after(), total.saturating_add(per_month));
        months.push((month, total));
    }
    Forecast { per_month, of_months: last.len(), months }
}

/// Figures by the names that templates ask for, English and Chinese. Hours to a tenth, sizes in GB to a hundredth.
pub fn values(counts: &Counts) -> Vec<(&'static str, &'static str, f64)> {
    let n = |count: u64| count as f64;
    let share = |figure| counts.permille(figure) as f64 / 10.0;
    vec![
        ("clips", "数量", n(counts.clips)),
        ("hours", "时长", (counts.duration_ms / 360_000) as f64 / 10.0),
        ("gb", "容量", (counts.bytes / 10_000_000) as f64 / 100.0),
        ("at_once", "一次完整", n(counts.at_once)),
        ("chased", "催办后完整", n(counts.chased)),
        ("incomplete", "待标注", n(counts.incomplete)),
        ("by_rule", "自动关联", n(counts.by_rule)),
        ("by_hand", "人工关联", n(counts.by_hand)),
        ("not_yet_linkable", "尚未立案", n(counts.not_yet_linkable)),
        ("unlinked", "未关联", n(counts.unlinked)),
        ("in_time", "按时上传", n(counts.in_time)),
        ("late", "超时上传", n(counts.late)),
        ("unproven", "未上传", n(counts.unproven)),
        ("at_once_percent", "一次完整率", share(Figure::AtOnce)),
        ("in_time_percent", "按时上传率", share(Figure::InTime)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(officer: Option<&str>, kind: Option<&str>, clips: u64, at_once: u64) -> Group {
        let counts = Counts {
            clips,
            duration_ms: clips * 1_800_000,
            bytes: clips * 1_000_000_000,
            at_once,
            incomplete: clips - at_once,
            by_rule: clips,
            in_time: clips,
            ..Counts::default()
        };
        Group { officer: officer.map(str::to_owned), kind: kind.map(str::to_owned), counts }
    }

    fn units() -> Units {
        let mut units = Units::default();
        units.add([
            ("张三", "执法一科"),
            ("１１０２０３", "执法一科"),
            ("李四", "执法二科"),
            ("王五", "执法一科"),
            ("王五", "执法二科"),
            ("", "执法三科"),
            ("赵六", " "),
        ]);
        // Accounts say it later: they fill in, and overrule nothing.
        units.add([("张三", "别处"), ("钱七", "执法二科"), ("王五", "执法一科")]);
        units
    }

    #[test]
    fn officers_are_of_the_unit_that_one_source_names_without_doubt() {
        let units = units();
        for (officer, unit) in [
            (Some("张三"), Some("执法一科")),
            (Some(" 张 三"), Some("执法一科")),
            (Some("110203"), Some("执法一科")),
            (Some("李四"), Some("执法二科")),
            (Some("王五"), None),
            (Some("钱七"), Some("执法二科")),
            (Some("赵六"), None),
            (Some("孙八"), None),
            (None, None),
        ] {
            assert_eq!(units.of(officer), unit, "{officer:?}");
        }
        assert_eq!(units.names(), ["执法一科", "执法二科"]);
        assert!(units.is_of(None, "") && units.is_of(Some("王五"), "") && !units.is_of(Some("张三"), ""));
    }

    #[test]
    fn lines_add_up_to_the_total() {
        let groups = [
            group(Some("张三"), Some("处罚"), 3, 2),
            group(Some("110203"), Some("检查"), 2, 2),
            group(Some("李四"), Some("处罚"), 5, 1),
            group(None, None, 1, 0),
        ];
        let (total, by_unit, by_kind) = lines(&groups, &units(), None, None);
        assert_eq!((total.clips, total.at_once, total.incomplete), (11, 5, 6));
        let told = |lines: &[Line]| lines.iter().map(|l| (l.name.clone(), l.counts.clips)).collect::<Vec<_>>();
        let name = |n: &str| Some(n.to_owned());
        assert_eq!(told(&by_unit), [(name("执法一科"), 5), (name("执法二科"), 5), (None, 1)]);
        assert_eq!(told(&by_kind), [(name("处罚"), 8), (name("检查"), 2), (None, 1)]);
        for figure in Figure::ALL {
            for lines in [&by_unit, &by_kind] {
                assert_eq!(lines.iter().map(|l| l.counts.of(figure)).sum::<u64>(), total.of(figure), "{figure:?}");
            }
            assert_eq!(Figure::parse(figure.as_str()), Some(figure));
        }
        let (total, by_unit, by_kind) = lines(&groups, &units(), Some("执法一科"), Some("处罚"));
        assert_eq!((total.clips, by_unit.len(), by_kind.len()), (3, 1, 1));
        assert_eq!(lines(&groups, &units(), Some(""), None).0.clips, 1, "those of no unit");
        assert_eq!(lines(&groups, &units(), None, Some("")).0.clips, 1, "those of no kind");
    }

    #[test]
    fn a_kind_is_one_line_however_sheets_write_it() {
        let groups = [
            group(Some("张三"), Some("处罚"), 3, 2),
            group(Some("李四"), Some("行政处罚"), 2, 2),
            group(Some("李四"), Some("行政 检查"), 1, 1),
        ];
        let (_, _, by_kind) = lines(&groups, &units(), None, None);
        let told: Vec<_> = by_kind.iter().map(|l| (l.name.as_deref(), l.counts.clips)).collect();
        assert_eq!(told, [(Some("处罚"), 5), (Some("行政 检查"), 1)]);
        for (kind, clips) in [("行政处罚", 5), ("处罚", 5), ("检查", 1), ("许可", 0)] {
            assert_eq!(lines(&groups, &units(), None, Some(kind)).0.clips, clips, "{kind}");
        }
    }

    #[test]
    fn nothing_is_rounded_up_to_all() {
        let counts = Counts { clips: 10_000, at_once: 9_999, ..Counts::default() };
        assert_eq!(counts.permille(Figure::AtOnce), 999);
        assert_eq!(Counts::default().permille(Figure::AtOnce), 0);
        let value = |name: &str| values(&counts).into_iter().find(|v| v.0 == name).unwrap().2;
        assert_eq!((value("clips"), value("at_once_percent")), (10_000.0, 99.9));
        let one = Counts { clips: 1, duration_ms: 5_430_000, bytes: 2_345_678_901, ..Counts::default() };
        let told = values(&one);
        assert_eq!((told[1].2, told[2].2), (1.5, 2.34));
    }

    #[test]
    fn growth_goes_on_as_it_was() {
        let month = |m: i8| Period::Month(2026, m);
        let growth =
            [(month(1), 0), (month(2), 100), (month(3), 200), (month(4), 300), (month(5), 400), (month(6), 50)];
        let told = forecast(&growth, 1_050, month(6), 2);
        assert_eq!((told.per_month, told.of_months), (300, 3));
        assert_eq!(told.months, [(month(7), 1_600), (month(8), 1_900)]);
        assert_eq!(forecast(&growth[..2], 100, month(3), 1).per_month, 100, "a short history is what there is");
        assert_eq!(forecast(&growth[5..], 50, month(6), 3), Forecast::default(), "the present month foretells nothing");
        assert_eq!(forecast(&[], 0, month(6), 3), Forecast::default());
    }
}
