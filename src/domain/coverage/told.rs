//! A case against the catalogue as programs, spreadsheets and evidence packages get it.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::occasion::standing;
use super::{Coverage, Lacking, NoRecord, Said, Standing, Tier};
use crate::domain::time::UtcMs;
use crate::domain::words::Words;
use crate::domain::workbook::Cell;

/// A case against the catalogue of what is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseCoverage {
    /// Its number.
    pub case_no: String,
    /// Nothing that should be there is missing, with a reason or without, or interrupted.
    pub complete: bool,
    /// One line an item, in the order of the catalogue.
    pub lines: Vec<CoverageLine>,
    /// Clips that no item asks for.
    pub clips_beside: usize,
    /// As it stood then, RFC 3339.
    pub made_at: String,
}

/// An item of the catalogue in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageLine {
    /// Kind of enforcement that the item is about; null: every kind.
    pub kind: Option<String>,
    /// Matter of enforcement (执法事项) that it is about; null: every one.
    pub subject: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Matter to be recorded.
    pub matter: String,
    /// `whole`, `part`, `written`.
    pub tier: String,
    /// `missing`, `missing_with_reason`, `interrupted`, `late`, `present`, `replaced`, `not_yet_due`.
    pub standing: String,
    /// Clips that show it.
    pub clips: usize,
    /// Length of what is recorded, over all recorders together.
    pub recorded_ms: i64,
    /// Stretches without any recording.
    pub gaps: Vec<Stretch>,
    /// Until when its footage may come, RFC 3339.
    pub due_at: Option<String>,
    /// Occasions on which the matter was carried out and whose recording is not there, or not whole; each needs its own
    /// reason.
    #[serde(default)]
    pub occasions: Vec<OccasionTold>,
    /// Why it has no recording; of several occasions the last one's, once each has a reason.
    pub reason: Option<String>,
    /// On what basis.
    pub basis: Option<String>,
    /// Who said so; null where a document tells.
    pub said: Option<CoverageSaid>,
}

/// An occasion that lacks its recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OccasionTold {
    /// When it began, RFC 3339; null: nobody knows.
    pub from: Option<String>,
    /// Its end, where that is known.
    pub to: Option<String>,
    /// Its footage may still come.
    pub may_come: bool,
    /// Why; null where no reason is on record.
    pub reason: Option<String>,
    /// On what basis.
    pub basis: Option<String>,
    /// A written record stands for it.
    pub written: bool,
    /// Who said so; null where a document tells.
    pub said: Option<CoverageSaid>,
}

/// Who gave a reason, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageSaid {
    /// `kind:id` of the actor, as the log has it.
    pub by: String,
    /// RFC 3339.
    pub at: String,
}

/// A stretch of time, RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stretch {
    /// Begin.
    pub from: String,
    /// End.
    pub to: String,
}

/// A reason for a missing recording, as it was said: a revision of what was said about its matter before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonTold {
    /// Which matter.
    pub matter: String,
    /// Of which stage; null where nobody said.
    #[serde(default)]
    pub stage: Option<String>,
    /// On which occasion: when it began, RFC 3339; null where nobody said.
    #[serde(default)]
    pub of: Option<String>,
    /// Why; empty: what was said before is taken back.
    pub reason: String,
    /// On what basis; empty where nobody said.
    pub basis: String,
    /// A written record stands for it.
    pub written: bool,
    /// Who said so, and when.
    pub said: Option<CoverageSaid>,
    /// It is the newest word about its occasion, and no withdrawal.
    pub stands: bool,
}

/// As it is published.
pub fn told(case_no: &str, coverage: &Coverage, now: UtcMs, zone: &TimeZone) -> CaseCoverage {
    let at = |ms: i64| UtcMs(ms).rfc3339_in(zone);
    let by = |s: &Said| CoverageSaid { by: s.actor.clone(), at: at(s.at_ms) };
    let occasion = |l: &Lacking| {
        let why = l.why.as_ref();
        OccasionTold {
            from: l.from_ms.map(at),
            to: l.to_ms.map(at),
            may_come: l.open,
            reason: why.map(|w| w.reason.clone()),
            basis: why.map(|w| w.basis.clone()).filter(|b| !b.is_empty()),
            written: why.is_some_and(|w| w.written),
            said: why.and_then(|w| w.said.as_ref()).map(by),
        }
    };
    let lines = coverage.lines.iter().map(|l| CoverageLine {
        kind: l.item.kind.clone(),
        subject: l.item.subject.clone(),
        stage: l.item.stage.clone(),
        matter: l.item.matter.clone(),
        tier: l.item.tier.as_str().to_owned(),
        standing: l.standing.as_str().to_owned(),
        clips: l.clips,
        recorded_ms: l.recorded_ms,
        gaps: l.gaps_ms.iter().map(|(from, to)| Stretch { from: at(*from), to: at(*to) }).collect(),
        due_at: l.due_ms.map(at),
        occasions: l.occasions.iter().map(occasion).collect(),
        reason: l.reason.clone(),
        basis: l.basis.clone(),
        said: l.said.as_ref().map(by),
    });
    CaseCoverage {
        case_no: case_no.to_owned(),
        complete: coverage.is_complete(),
        lines: lines.collect(),
        clips_beside: coverage.beside,
        made_at: at(now.0),
    }
}

/// Everything that was said about matters without a recording, oldest first, as it is published.
pub fn reasons(said: &[NoRecord], zone: &TimeZone) -> Vec<ReasonTold> {
    let stands = standing(said);
    said.iter()
        .map(|s| ReasonTold {
            matter: s.matter.clone(),
            stage: s.stage.clone(),
            of: s.of_ms.map(|ms| UtcMs(ms).rfc3339_in(zone)),
            reason: s.reason.clone(),
            basis: s.basis.clone(),
            written: s.written,
            said: s.said.as_ref().map(|by| CoverageSaid { by: by.actor.clone(), at: UtcMs(by.at_ms).rfc3339_in(zone) }),
            stands: stands.iter().any(|known| std::ptr::eq(*known, s)),
        })
        .collect()
}

/// Head of the table.
pub fn head(w: &Words) -> Vec<&'static str> {
    let o = w.oversight();
    vec![
        o.col_no,
        o.kind,
        o.col_subject,
        o.col_stage,
        o.col_matter,
        w.col_tier,
        o.col_standing,
        o.col_clips,
        o.col_length_min,
        o.col_gaps,
        o.col_due_sealed,
        o.col_reason,
        o.col_basis,
        o.col_said_by,
        o.col_said_at,
    ]
}

/// The table's rows, one an item of the catalogue.
pub fn rows(coverage: &CaseCoverage, w: &Words) -> Vec<Vec<Cell>> {
    let row = |(n, l): (usize, &CoverageLine)| {
        let standing = Standing::parse(&l.standing).map_or("", |s| w.standing(s));
        let gaps: Vec<String> = l.gaps.iter().map(|g| format!("{} – {}", plain(&g.from), plain(&g.to))).collect();
        vec![
            Cell::Number(n as f64 + 1.0),
            l.kind.clone().into(),
            l.subject.clone().into(),
            l.stage.clone().into(),
            Cell::Text(l.matter.clone()),
            Cell::from(Tier::parse(&l.tier).map_or("", |tier| w.tier(tier))),
            Cell::from(standing),
            Cell::Number(l.clips as f64),
            Cell::Number((l.recorded_ms.max(0) / 6_000) as f64 / 10.0),
            Some(gaps.join("；")).filter(|g| !g.is_empty()).into(),
            l.due_at.as_deref().map(plain).into(),
            reasons_of(l).into(),
            l.basis.clone().into(),
            l.said.as_ref().map(|s| s.by.clone()).into(),
            l.said.as_ref().map(|s| plain(&s.at)).into(),
        ]
    };
    coverage.lines.iter().enumerate().map(row).collect()
}

/// Its reason; of several occasions each with the day on which it began.
fn reasons_of(line: &CoverageLine) -> Option<String> {
    let each = line.occasions.iter().filter_map(|o| Some((o.from.as_deref().map(plain)?, o.reason.as_deref()?)));
    let each: Vec<String> = each.map(|(from, reason)| format!("{from} {reason}")).collect();
    if line.occasions.len() > 1 { Some(each.join("；")).filter(|r| !r.is_empty()) } else { line.reason.clone() }
}

/// A time as tables show it: `2026-06-19 09:12:00`, in the zone that it was written in.
fn plain(rfc3339: &str) -> String {
    rfc3339.get(..19).unwrap_or(rfc3339).replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::coverage::{Item, Line, Said};
    use crate::domain::words::Lang;

    #[test]
    fn a_table_has_a_cell_for_each_head_and_says_who_gave_a_reason() {
        let line = Line {
            item: Item {
                kind: Some("处罚".into()),
                subject: None,
                stage: Some("送达".into()),
                matter: "留置送达".into(),
                tier: Tier::Whole,
                always: false,
                content: Default::default(),
            },
            standing: Standing::Explained,
            clips: 0,
            recorded_ms: 90_000,
            gaps_ms: vec![(1_781_830_800_000, 1_781_830_860_000)],
            due_ms: None,
            occasions: vec![],
            reason: Some("=设备没电".into()),
            basis: Some("设备故障报告".into()),
            said: Some(Said { actor: "user:7".into(), at_ms: 1_781_834_604_000 }),
        };
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let coverage = Coverage { lines: vec![line], beside: 2 };
        let told = told("x", &coverage, UtcMs(1_781_834_604_000), &zone);
        assert_eq!((told.complete, told.clips_beside), (false, 2));
        assert_eq!(told.made_at, "2026-06-19T10:03:24+08:00");
        assert_eq!(serde_json::from_value::<CaseCoverage>(serde_json::to_value(&told).unwrap()).unwrap(), told);
        for w in [Lang::Zh.words(), Lang::En.words()] {
            let rows = rows(&told, w);
            assert_eq!(rows[0].len(), head(w).len());
            assert_eq!(rows[0][6], Cell::from(w.standing(Standing::Explained)));
            assert_eq!(
                rows[0][9..12],
                ["2026-06-19 09:00:00 – 2026-06-19 09:01:00".into(), Cell::Empty, Cell::from("=设备没电")]
            );
            assert_eq!(rows[0][13..], ["user:7".into(), Cell::from("2026-06-19 10:03:24")]);
        }
    }

    #[test]
    fn the_newest_reason_of_a_matter_stands_until_it_is_taken_back() {
        let said = |matter: &str, reason: &str| NoRecord {
            matter: matter.into(),
            reason: reason.into(),
            ..NoRecord::default()
        };
        let all = [said("送达", "a"), said("听证", "b"), said(" 送 达", "c"), said("听证", "")];
        let stands: Vec<bool> = reasons(&all, &TimeZone::UTC).iter().map(|r| r.stands).collect();
        assert_eq!(stands, [false, false, true, false]);
    }

    #[test]
    fn words_about_different_occasions_stand_beside_each_other() {
        let said = |of_ms: Option<i64>, reason: &str| NoRecord {
            matter: "送达".into(),
            of_ms,
            reason: reason.into(),
            ..NoRecord::default()
        };
        let all = [said(Some(1_000), "a"), said(Some(2_000), "b"), said(Some(1_000), "c"), said(Some(2_000), "")];
        let told = reasons(&all, &TimeZone::UTC);
        assert_eq!(told.iter().map(|r| r.stands).collect::<Vec<_>>(), [false, false, true, false]);
        assert_eq!(told[2].of.as_deref(), Some("1970-01-01T00:00:01+00:00"));
    }

    #[test]
    fn a_table_tells_the_reason_of_each_occasion() {
        let lacking = |from_ms: i64, reason: Option<&str>| Lacking {
            from_ms: Some(from_ms),
            to_ms: None,
            open: false,
            why: reason.map(|r| NoRecord { reason: r.into(), ..NoRecord::default() }),
        };
        let item = Item::of(&crate::domain::register::Entry::default());
        let line = Line {
            item,
            standing: Standing::Missing,
            clips: 0,
            recorded_ms: 0,
            gaps_ms: vec![],
            due_ms: None,
            occasions: vec![lacking(1_000, Some("没电")), lacking(2_000, None)],
            reason: None,
            basis: None,
            said: None,
        };
        let told = told("x", &Coverage { lines: vec![line], beside: 0 }, UtcMs(0), &TimeZone::UTC);
        let row = rows(&told, Lang::Zh.words()).remove(0);
        assert_eq!(row[11], Cell::from("1970-01-01 00:00:01 没电"));
        assert!(told.lines[0].occasions[1].reason.is_none());
    }
}
