//! A whole report, as page, API, command line and forms show it: what it comes to by the names that forms ask for, and its
//! register of clips as rows.

use jiff::tz::TimeZone;

use super::{Counts, Forecast, Line, Period, values};
use crate::domain::ids::ClipId;
use crate::domain::register::{kind_key, name_key};
use crate::domain::time::UtcMs;
use crate::domain::words::Words;
use crate::domain::workbook::Cell;

/// Everything about a period.
#[derive(Debug, Clone)]
pub struct Report {
    /// The period.
    pub period: Period,
    /// Of this unit alone; an empty one stands for those of none.
    pub unit: Option<String>,
    /// Of this kind of enforcement alone.
    pub kind: Option<String>,
    /// In all.
    pub total: Counts,
    /// By unit.
    pub units: Vec<Line>,
    /// By kind of enforcement.
    pub kinds: Vec<Line>,
    /// Recordings of which nobody knows when they were captured: in no period.
    pub undated: u64,
    /// Cases that were opened in the period, against the catalogue.
    pub gaps: Gaps,
    /// Recorders that did not come back in time.
    pub overdue: Vec<OverdueRow>,
    /// What was taken in by month, oldest first: clips and bytes.
    pub growth: Vec<(Period, u64, u64)>,
    /// And what may follow.
    pub forecast: Forecast,
    /// Every unit and kind that is known, for choosing.
    pub known: (Vec<String>, Vec<String>),
    /// When it was made.
    pub made: UtcMs,
}

/// Cases of a period against the catalogue of what is to be recorded.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    /// Cases that were looked at.
    pub cases: u64,
    /// Of these, nothing is missing or interrupted.
    pub complete: u64,
    /// Matters that should be recorded, nothing is there, and nobody said why.
    pub missing: u64,
    /// The same with a reason on record.
    pub explained: u64,
    /// Matters that should be recorded whole, and are not.
    pub interrupted: u64,
    /// The cases in which something is missing or interrupted.
    pub rows: Vec<CaseGaps>,
    /// The others.
    pub sound: Vec<CaseGaps>,
    /// There were more cases than were looked at.
    pub cut: bool,
    /// There is a catalogue at all.
    pub catalogue: bool,
}

/// A case as it stands against the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseGaps {
    /// Its number.
    pub number: String,
    /// Its unit, where somebody has said.
    pub unit: Option<String>,
    /// Matters that should be recorded, nothing is there, and nobody said why.
    pub missing: Vec<String>,
    /// The same with a reason on record.
    pub explained: Vec<String>,
    /// Matters that should be recorded whole, and are not.
    pub interrupted: Vec<String>,
}

impl CaseGaps {
    /// Whether nothing of it is missing or interrupted.
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.explained.is_empty() && self.interrupted.is_empty()
    }
}

impl Gaps {
    /// Of cases that were looked at.
    pub fn of(cases: Vec<CaseGaps>, cut: bool, catalogue: bool) -> Self {
        let sum = |of: fn(&CaseGaps) -> usize| cases.iter().map(|c| of(c) as u64).sum();
        let (missing, explained) = (sum(|c| c.missing.len()), sum(|c| c.explained.len()));
        let (all, interrupted) = (cases.len() as u64, sum(|c| c.interrupted.len()));
        let (sound, rows): (Vec<_>, Vec<_>) = cases.into_iter().partition(CaseGaps::is_sound);
        Self { cases: all, complete: sound.len() as u64, missing, explained, interrupted, rows, sound, cut, catalogue }
    }
}

/// A recorder that did not come back in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverdueRow {
    /// The recorder, as typed.
    pub recorder: String,
    /// Who took it.
    pub officer: String,
    /// When it was taken out, milliseconds since the Unix epoch.
    pub from_ms: i64,
    /// When it was expected back.
    pub due_ms: i64,
    /// When it came back; `None`: it has not.
    pub back_ms: Option<i64>,
}

/// A line of the register of clips.
#[derive(Debug, Clone)]
pub struct ListedClip {
    /// The clip.
    pub clip: ClipId,
    /// When capture began, milliseconds since the Unix epoch.
    pub captured_ms: i64,
    /// Its length, milliseconds.
    pub duration_ms: i64,
    /// Its size.
    pub bytes: u64,
    /// Who recorded.
    pub officer: Option<String>,
    /// Whose unit that is.
    pub unit: Option<String>,
    /// The recorder.
    pub recorder: String,
    /// Where.
    pub place: Option<String>,
    /// Kind of enforcement.
    pub kind: Option<String>,
    /// Numbers of its cases.
    pub cases: Vec<String>,
    /// Stage, matter recorded, what it proves.
    pub said: [Option<String>; 3],
    /// Word of what its facts count as.
    pub complete: String,
    /// Of its links.
    pub linked: String,
    /// Of its proof.
    pub proven: String,
    /// Since when it is proven.
    pub proven_ms: Option<i64>,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// Head of the register.
pub fn register_head(w: &Words) -> Vec<&'static str> {
    let o = w.oversight();
    vec![
        o.col_no,
        o.col_captured,
        o.col_length_min,
        o.col_officer,
        o.unit,
        o.col_recorder,
        o.col_place,
        o.kind,
        o.col_case,
        o.col_stage,
        o.col_matter,
        o.col_proves,
        o.col_size_mb,
        o.col_facts,
        o.col_links,
        o.col_proof,
        o.col_proven_at,
        o.col_record,
        o.col_sha256,
    ]
}

/// The register's rows.
pub fn register_rows(clips: &[ListedClip], w: &Words, zone: &TimeZone) -> Vec<Vec<Cell>> {
    let at = |ms: i64| UtcMs(ms).zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let row = |(n, c): (usize, &ListedClip)| {
        let [stage, matter, proves] = c.said.clone();
        vec![
            Cell::Number(n as f64 + 1.0),
            Cell::Text(at(c.captured_ms)),
            Cell::Number((c.duration_ms.max(0) / 6_000) as f64 / 10.0),
            c.officer.clone().into(),
            c.unit.clone().into(),
            Cell::Text(c.recorder.clone()),
            c.place.clone().into(),
            c.kind.clone().into(),
            Cell::Text(c.cases.join("；")),
            stage.into(),
            matter.into(),
            proves.into(),
            Cell::Number((c.bytes / 100_000) as f64 / 10.0),
            Cell::from(w.counted("complete", &c.complete)),
            Cell::from(w.counted("linked", &c.linked)),
            Cell::from(w.counted("proven", &c.proven)),
            c.proven_ms.map(at).into(),
            Cell::Text(c.clip.to_string()),
            Cell::Text(c.sha256.clone()),
        ]
    };
    clips.iter().enumerate().map(row).collect()
}

/// Names of what a report has once, English and Chinese.
const ONCE: [(&str, &str); 13] = [
    ("period", "期间"),
    ("first_day", "起始日"),
    ("last_day", "截止日"),
    ("report_unit", "统计单位"),
    ("made", "生成日期"),
    ("cases", "立案数"),
    ("cases_complete", "记录齐全案件"),
    ("missing_records", "缺少记录"),
    ("missing_with_reason", "缺少记录已说明原因"),
    ("interrupted_records", "记录中断"),
    ("overdue_recorders", "逾期未还"),
    ("undated", "时间不明"),
    ("units", "单位数"),
];

/// What forms may ask for: the placeholder, and the other name of it.
pub fn fields() -> Vec<(String, String)> {
    let both = |(a, b): (&str, &str)| (format!("{{{{{a}}}}}"), format!("{{{{{b}}}}}"));
    let mut all: Vec<(String, String)> = ONCE.into_iter().map(both).collect();
    let counts = values(&Counts::default());
    all.extend(counts.iter().map(|(en, zh, _)| both((*en, *zh))));
    all.push(both(("clips@执法一科", "数量@执法一科")));
    all.push(both(("clips@行政处罚", "数量@行政处罚")));
    all.push(both(("unit#1", "单位#1")));
    all.push(both(("clips#1", "数量#1")));
    all
}

impl Report {
    /// What stands for a placeholder of a form; `None` where there is nothing of that name.
    ///
    /// `name` is of the whole report, `name@X` of the unit or kind X, `name#3` of the third unit in the report's order, and
    /// `unit#3` what that is called; beyond the last one there is nothing to write.
    pub fn value(&self, asked: &str, w: &Words, zone: &TimeZone) -> Option<Cell> {
        if let Some((name, of)) = asked.split_once('@') {
            let (unit, kind) = (name_key(of), kind_key(of));
            let is_unit = |name: &str| name_key(name) == unit;
            let is_kind = |name: &str| kind_key(name) == kind;
            let mut units = self.units.iter().filter(|l| l.name.as_deref().is_some_and(is_unit));
            let mut kinds = self.kinds.iter().filter(|l| l.name.as_deref().is_some_and(is_kind));
            let line = units.next().or_else(|| kinds.next());
            let known = self.known.0.iter().any(|n| is_unit(n)) || self.known.1.iter().any(|n| is_kind(n));
            return match line {
                Some(line) => count(&line.counts, name),
                None if known => count(&Counts::default(), name),
                None => None,
            };
        }
        if let Some((name, n)) = asked.split_once('#') {
            let n = n.trim().parse::<usize>().ok().filter(|n| *n > 0)?;
            let Some(line) = self.units.get(n - 1) else {
                return (matches!(name.trim(), "unit" | "单位") || count(&Counts::default(), name).is_some())
                    .then_some(Cell::Empty);
            };
            return match name.trim() {
                "unit" | "单位" => {
                    Some(Cell::Text(line.name.clone().unwrap_or_else(|| w.oversight().no_unit.to_owned())))
                }
                name => count(&line.counts, name),
            };
        }
        let name = ONCE.iter().find(|(en, zh)| asked == *en || asked == *zh).map(|(en, _)| *en);
        let n = |count: u64| Some(Cell::Number(count as f64));
        match name {
            None => count(&self.total, asked),
            Some("period") => Some(Cell::Text(w.period(self.period))),
            Some("first_day") => Some(Cell::Text(self.period.first().to_string())),
            Some("last_day") => Some(Cell::Text(self.period.last().to_string())),
            Some("report_unit") => Some(Cell::Text(match self.unit.as_deref() {
                None => w.oversight().every_unit.to_owned(),
                Some("") => w.oversight().no_unit.to_owned(),
                Some(unit) => unit.to_owned(),
            })),
            Some("made") => Some(Cell::Text(self.made.zoned(zone).strftime("%Y-%m-%d").to_string())),
            Some("cases") => n(self.gaps.cases),
            Some("cases_complete") => n(self.gaps.complete),
            Some("missing_records") => n(self.gaps.missing),
            Some("missing_with_reason") => n(self.gaps.explained),
            Some("interrupted_records") => n(self.gaps.interrupted),
            Some("overdue_recorders") => n(self.overdue.len() as u64),
            Some("undated") => n(self.undated),
            Some(_) => n(self.units.len() as u64),
        }
    }
}

fn count(counts: &Counts, name: &str) -> Option<Cell> {
    let name = name.trim();
    values(counts).into_iter().find(|(en, zh, _)| name == *en || name == *zh).map(|(.., n)| Cell::Number(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::words::Lang;

    fn report() -> Report {
        let line = |name: Option<&str>, clips| Line {
            name: name.map(str::to_owned),
            counts: Counts { clips, at_once: clips, ..Counts::default() },
        };
        let gap = |number: &str, missing: &[&str]| CaseGaps {
            number: number.into(),
            unit: None,
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
            explained: vec![],
            interrupted: vec![],
        };
        Report {
            period: Period::Quarter(2026, 2),
            unit: None,
            kind: None,
            total: Counts { clips: 8, duration_ms: 5_400_000, ..Counts::default() },
            units: vec![line(Some("执法一科"), 5), line(Some("=2+3"), 2), line(None, 1)],
            kinds: vec![line(Some("处罚"), 8)],
            undated: 3,
            gaps: Gaps::of(vec![gap("a", &["送达", "听证"]), gap("b", &[])], false, true),
            overdue: vec![],
            growth: vec![],
            forecast: Forecast::default(),
            known: (vec!["执法一科".into(), "执法三科".into()], vec!["处罚".into(), "检查".into()]),
            made: UtcMs(1_781_834_604_000),
        }
    }

    #[test]
    fn forms_get_what_they_ask_for() {
        let (report, w) = (report(), Lang::Zh.words());
        let number = |n: f64| Some(Cell::Number(n));
        for (asked, wanted) in [
            ("clips", number(8.0)),
            ("数量", number(8.0)),
            ("hours", number(1.5)),
            ("period", Some("2026 年第 2 季度".into())),
            ("起始日", Some("2026-04-01".into())),
            ("report_unit", Some("全部单位".into())),
            ("made", Some("2026-06-19".into())),
            ("clips@执法一科", number(5.0)),
            ("数量 @ 执法 一科", number(5.0)),
            ("clips@处罚", number(8.0)),
            ("clips@行政处罚", number(8.0)),
            ("clips@执法三科", number(0.0)),
            ("clips@检查", number(0.0)),
            ("clips@执法九科", None),
            ("clipz@执法一科", None),
            ("unit#1", Some("执法一科".into())),
            ("unit#2", Some("=2+3".into())),
            ("单位#3", Some("未确定单位".into())),
            ("clips#2", number(2.0)),
            ("clips#4", Some(Cell::Empty)),
            ("unit#4", Some(Cell::Empty)),
            ("clipz#4", None),
            ("clips#0", None),
            ("clips#x", None),
            ("cases", number(2.0)),
            ("cases_complete", number(1.0)),
            ("missing_records", number(2.0)),
            ("undated", number(3.0)),
            ("units", number(3.0)),
            ("nonsense", None),
        ] {
            assert_eq!(report.value(asked, w, &TimeZone::UTC), wanted, "{asked}");
        }
        for (en, zh) in fields() {
            let bare = |t: &str| t.trim_start_matches("{{").trim_end_matches("}}").to_owned();
            assert!(report.value(&bare(&en), w, &TimeZone::UTC).is_some(), "{en}");
            assert_eq!(
                report.value(&bare(&en), w, &TimeZone::UTC),
                report.value(&bare(&zh), w, &TimeZone::UTC),
                "{zh}"
            );
        }
    }

    #[test]
    fn a_register_has_a_cell_for_each_head() {
        let clip = ListedClip {
            clip: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
            captured_ms: 1_781_834_604_000,
            duration_ms: 90_000,
            bytes: 2_345_678,
            officer: Some("=cmd".into()),
            unit: None,
            recorder: "R1".into(),
            place: None,
            kind: None,
            cases: vec!["赵卫罚〔2026〕12号".into(), "@2".into()],
            said: [None, Some("现场检查".into()), None],
            complete: "at_once".into(),
            linked: "hand".into(),
            proven: "no".into(),
            proven_ms: None,
            sha256: "00".into(),
        };
        let w = Lang::Zh.words();
        let rows = register_rows(&[clip], w, &TimeZone::UTC);
        assert_eq!(rows[0].len(), register_head(w).len());
        assert_eq!(rows[0][..4], [Cell::Number(1.0), "2026-06-19 02:03:24".into(), Cell::Number(1.5), "=cmd".into()]);
        assert_eq!((&rows[0][8], &rows[0][12]), (&"赵卫罚〔2026〕12号；@2".into(), &Cell::Number(2.3)));
    }
}
