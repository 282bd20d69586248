//! Words of casework: registers, what rules suggest, what a case should have and has.

use jiff::tz::TimeZone;

use super::{Lang, Words};
use crate::domain::coverage::{CaseCoverage, Lacking, Line, Standing, Tier};
use crate::domain::record::Record;
use crate::domain::register::Register;
use crate::domain::time::UtcMs;

/// Gaps that a line spells out.
const GAPS: usize = 3;

impl Words {
    /// The name of a register.
    pub fn register_name(&self, register: Register) -> &'static str {
        match register {
            Register::Unit => self.reg_unit,
            Register::Officer => self.reg_officer,
            Register::Recorder => self.reg_recorder,
            Register::Party => self.reg_party,
            Register::Case => self.reg_case,
            Register::Catalogue => self.reg_catalogue,
        }
    }

    /// The name of a column: the Chinese one, or that of programs.
    pub fn column(&self, chinese: &'static str, name: &'static str) -> &'static str {
        match self.lang {
            Lang::Zh => chinese,
            Lang::En => name,
        }
    }

    /// How much of a matter is to be recorded.
    pub fn tier(&self, tier: Tier) -> &'static str {
        match tier {
            Tier::Whole => self.tier_whole,
            Tier::Part => self.tier_part,
            Tier::Written => self.tier_written,
        }
    }

    /// How an item of the catalogue stands in a case.
    pub fn standing(&self, standing: Standing) -> &'static str {
        match standing {
            Standing::Missing => self.cov_missing,
            Standing::Explained => self.cov_explained,
            Standing::Interrupted => self.cov_interrupted,
            Standing::Late => self.cov_late,
            Standing::Present => self.cov_present,
            Standing::Replaced => self.cov_replaced,
            Standing::NotYetDue => self.cov_not_yet_due,
        }
    }

    /// The name of a linking rule, by its stored word; a newer word shows as it stands.
    pub fn linking_rule<'a>(&self, word: &'a str) -> &'a str {
        match word {
            "recording" => self.rule_recording,
            "desk" => self.rule_desk,
            "roster" => self.rule_roster,
            "tag" => self.rule_tag,
            "earlier" => self.rule_earlier,
            "neighbour" => self.rule_neighbour,
            "register" => self.rule_register,
            "place" => self.rule_place,
            _ => word,
        }
    }

    /// What stands behind a line: where its gaps are, until when it may come, why it has no recording.
    pub fn coverage_detail(&self, line: &Line, zone: &TimeZone) -> String {
        let mut parts: Vec<String> = line
            .gaps_ms
            .iter()
            .take(GAPS)
            .map(|(from, to)| {
                format!(
                    "{} – {} ({})",
                    self.day_time(UtcMs(*from), zone),
                    self.time(UtcMs(*to), zone),
                    self.footage(to - from)
                )
            })
            .collect();
        if line.gaps_ms.len() > GAPS {
            parts.push(format!("+{}", line.gaps_ms.len() - GAPS));
        }
        if let Some(due) = line.due_ms {
            let at = self.day_time(UtcMs(due), zone);
            parts.push(match self.lang {
                Lang::Zh => format!("应于 {at} 前入库"),
                Lang::En => format!("to be sealed by {at}"),
            });
        }
        if line.occasions.len() > 1 {
            parts.extend(line.occasions.iter().take(GAPS).map(|o| self.occasion(o, zone)));
            if line.occasions.len() > GAPS {
                parts.push(format!("+{}", line.occasions.len() - GAPS));
            }
            return parts.join(if self.lang == Lang::Zh { "；" } else { "; " });
        }
        parts.extend(line.reason.clone());
        if let Some(basis) = &line.basis {
            parts.push(match self.lang {
                Lang::Zh => format!("依据：{basis}"),
                Lang::En => format!("basis: {basis}"),
            });
        }
        parts.join(if self.lang == Lang::Zh { "；" } else { "; " })
    }

    /// An occasion that lacks its recording, and why.
    fn occasion(&self, lacking: &Lacking, zone: &TimeZone) -> String {
        let at = lacking.from_ms.map_or_else(|| self.none_dash.to_owned(), |ms| self.day_time(UtcMs(ms), zone));
        match (&lacking.why, self.lang) {
            (Some(why), Lang::Zh) if why.basis.is_empty() => format!("{at}：{}", why.reason),
            (Some(why), Lang::En) if why.basis.is_empty() => format!("{at}: {}", why.reason),
            (Some(why), Lang::Zh) => format!("{at}：{}（依据：{}）", why.reason, why.basis),
            (Some(why), Lang::En) => format!("{at}: {} (basis: {})", why.reason, why.basis),
            (None, Lang::Zh) => format!("{at}：未说明原因"),
            (None, Lang::En) => format!("{at}: no reason on record"),
        }
    }

    /// What an import came to, or would come to.
    pub fn imported(&self, added: u64, changed: u64, same: u64, dry_run: bool) -> String {
        let (added, changed, same) = (self.number(added), self.number(changed), self.number(same));
        match (self.lang, dry_run) {
            (Lang::Zh, false) => format!("已导入：新增 {added}，变更 {changed}，未变 {same}"),
            (Lang::Zh, true) => format!("试导入，未作改动：将新增 {added}，变更 {changed}，未变 {same}"),
            (Lang::En, false) => format!("imported: {added} new, {changed} changed, {same} as before"),
            (Lang::En, true) => {
                format!("nothing was changed; would be: {added} new, {changed} changed, {same} as before")
            }
        }
    }

    /// What an import of a roster came to, or would come to.
    pub fn roster_imported(&self, rows: u64, days: u64, replaced: u64, dry_run: bool) -> String {
        let [rows, days, gone] = [rows, days, replaced].map(|n| self.number(n));
        let (mut text, more) = match (self.lang, dry_run) {
            (Lang::Zh, false) => (format!("已导入 {rows} 行，涉及 {days} 天"), format!("，替换同名排班表的 {gone} 行")),
            (Lang::Zh, true) => {
                (format!("试导入，未作改动：将导入 {rows} 行，涉及 {days} 天"), format!("，替换同名排班表的 {gone} 行"))
            }
            (Lang::En, false) => (
                format!("imported rows: {rows}, days: {days}"),
                format!("; earlier rows of these days that give way: {gone}"),
            ),
            (Lang::En, true) => (
                format!("nothing was changed; rows: {rows}, days: {days}"),
                format!("; earlier rows of these days that would give way: {gone}"),
            ),
        };
        if replaced > 0 {
            text.push_str(&more);
        }
        text
    }

    /// What rosters of a name had brought is gone.
    pub fn roster_removed(&self, name: &str, rows: u64) -> String {
        let rows = self.number(rows);
        match self.lang {
            Lang::Zh => format!("“{name}”导入的 {rows} 行已删除"),
            Lang::En => format!("taken away: {rows} rows of {name}"),
        }
    }

    /// How the newest import of a roster is taken back.
    pub fn roster_undo_hint(&self, name: &str) -> String {
        match self.lang {
            Lang::Zh => format!("撤销本次导入：evidock roster undo {name}"),
            Lang::En => format!("to take it back: evidock roster undo {name}"),
        }
    }

    /// An import of a roster was taken back.
    pub fn roster_undone(&self, import: u64, rows: u64, restored: u64) -> String {
        let [rows, restored] = [rows, restored].map(|n| self.number(n));
        match self.lang {
            Lang::Zh => format!("第 {import} 号导入已撤销：移除 {rows} 行，恢复它所替换的 {restored} 行"),
            Lang::En => format!("import {import} was taken back; its rows removed: {rows}, rows as before: {restored}"),
        }
    }

    /// What a roster covers: its rows, and the days of the zone on which they begin.
    pub fn roster_line(&self, rows: u64, days: u64, from: UtcMs, to: UtcMs, zone: &TimeZone) -> String {
        let [rows, days] = [rows, days].map(|n| self.number(n));
        // A row that ends at midnight does not reach into the next day.
        let (from, to) = (self.day(from, zone), self.day(UtcMs((to.0 - 1).max(from.0)), zone));
        match (self.lang, from == to) {
            (Lang::Zh, true) => format!("{rows} 行，{from}"),
            (Lang::Zh, false) => format!("{rows} 行，{from} 至 {to}，共 {days} 天"),
            (Lang::En, true) => format!("rows: {rows}, {from}"),
            (Lang::En, false) => format!("rows: {rows}, {from} to {to}, days: {days}"),
        }
    }

    /// Cases that turned out to be one.
    pub fn cases_joined(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{n} 个案件与另一编号属同一案件，已合并"),
            Lang::En => format!("{n} cases turned out to be one with another and were joined"),
        }
    }

    /// How an import is taken back.
    pub fn undo_hint(&self, import: i64) -> String {
        match self.lang {
            Lang::Zh => format!("撤销本次导入：evidock register undo {import}"),
            Lang::En => format!("to take it back: evidock register undo {import}"),
        }
    }

    /// An import was taken back: how many entries are as before, how many are gone, how many cases keep their numbers, and
    /// how many that it had joined stand apart again.
    pub fn import_undone(&self, import: i64, restored: u64, removed: u64, kept: u64, parted: u64) -> String {
        let mut text = match self.lang {
            Lang::Zh => format!("导入 {import} 已撤销：恢复 {restored} 条，移除 {removed} 条"),
            Lang::En => format!("import {import} was taken back: {restored} entries as before, {removed} removed"),
        };
        if kept > 0 {
            text.push_str(&match self.lang {
                Lang::Zh => format!("；{kept} 个案件已有关联资料，编号保留"),
                Lang::En => format!("; {kept} cases keep their numbers, because clips are linked to them"),
            });
        }
        if parted > 0 {
            text.push_str(&match self.lang {
                Lang::Zh => format!("；{parted} 个曾合并的案件已重新分开，资料关联恢复原样"),
                Lang::En => {
                    format!("; cases parted again that it had joined: {parted}, with their clips linked as before")
                }
            });
        }
        text
    }

    /// Two cases that an import had joined stand apart again.
    pub fn cases_parted(&self, kept: &str, other: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{other} 与 {kept} 已重新分为两个案件"),
            Lang::En => format!("{other} and {kept} are two cases again"),
        }
    }

    /// Why a matter has no recording was noted.
    pub fn no_record_said(&self, case_no: &str, matter: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{case_no}“{matter}”的原因已记录"),
            Lang::En => format!("{case_no}: the reason for {matter} is on record"),
        }
    }

    /// Why a matter has no recording was taken back.
    pub fn no_record_withdrawn(&self, case_no: &str, matter: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{case_no}“{matter}”的原因已撤回"),
            Lang::En => format!("{case_no}: the reason for {matter} was taken back"),
        }
    }

    /// Heading of a table of coverage.
    pub fn coverage_heading(&self, coverage: &CaseCoverage) -> String {
        format!("{} {} · {}", self.coverage, coverage.case_no, coverage.made_at)
    }

    /// Clips of a case that no item of the catalogue asks for.
    pub fn clips_beside(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("另有 {} 个资料不在清单所列事项内", self.number(n)),
            Lang::En => format!("that no item asks for: {}", self.clips(n)),
        }
    }

    /// Who gave a reason, and when, as a table or a line shows it.
    pub fn reason_said(&self, who: &str, at: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{who} {at} 说明"),
            Lang::En => format!("said by {who} at {at}"),
        }
    }

    /// What was decided about clips and a case.
    pub fn verdict_line(&self, verdict: &str, case_no: &str, clips: u64) -> String {
        match (self.lang, verdict) {
            (Lang::Zh, "accept") if case_no.is_empty() => format!("{clips} 个资料已标注"),
            (Lang::Zh, _) if case_no.is_empty() => format!("{clips} 个资料的标注已撤销"),
            (Lang::En, "accept") if case_no.is_empty() => format!("annotated: {}", self.clips(clips)),
            (Lang::En, _) if case_no.is_empty() => format!("what was said is taken back: {}", self.clips(clips)),
            (Lang::Zh, "accept") => format!("{clips} 个资料已关联 {case_no}"),
            (Lang::Zh, "refuse") => format!("{clips} 个资料不属于 {case_no}，不再建议"),
            (Lang::Zh, _) => format!("{clips} 个资料对 {case_no} 的处理已撤销"),
            (Lang::En, "accept") => format!("linked to {case_no}: {}", self.clips(clips)),
            (Lang::En, "refuse") => format!("not of {case_no}, and not suggested again: {}", self.clips(clips)),
            (Lang::En, _) => format!("the decision about {case_no} is taken back: {}", self.clips(clips)),
        }
    }

    /// Who recorded, with the number of the certificate, or that auxiliary staff hold none; `None` where nobody is known.
    pub fn officer_of(&self, record: &Record) -> Option<String> {
        let is_auxiliary = record.officer_registered.as_ref().is_some_and(|r| r.auxiliary);
        self.officer_with(record.officer.as_deref(), record.officer_cert_no.as_deref(), is_auxiliary)
    }

    /// The same of what a list has.
    pub fn officer_with(&self, name: Option<&str>, cert_no: Option<&str>, is_auxiliary: bool) -> Option<String> {
        let name = name?;
        Some(match (self.lang, cert_no, is_auxiliary) {
            (Lang::Zh, Some(number), _) => format!("{name}（{} {number}）", self.f_officer_cert_no),
            (Lang::En, Some(number), _) => format!("{name} (certificate {number})"),
            (Lang::Zh, None, true) => format!("{name}（{}）", self.auxiliary_staff),
            (Lang::En, None, true) => format!("{name} ({})", self.auxiliary_staff),
            (_, None, false) => name.to_owned(),
        })
    }

    /// Which revision of the register of officers says what a record has of them.
    pub fn by_register(&self, import: i64, at: &str) -> String {
        match self.lang {
            Lang::Zh => format!("人员登记，导入 {import}（{at}）"),
            Lang::En => format!("register of officers, import {import} of {at}"),
        }
    }

    /// Where a word comes from that triage offers: the word of `OfferedBy`, and of an outing how many of its clips have it.
    pub fn offered_by(&self, from: &str, clips: Option<u64>) -> String {
        match (self.lang, from, clips) {
            (Lang::Zh, "outing", n) => format!("同次外勤 {} 个", n.unwrap_or(1)),
            (Lang::Zh, "rule", _) => "关联建议".to_owned(),
            (Lang::Zh, "case", _) => "案件登记".to_owned(),
            (Lang::Zh, "matter", _) => "记录事项清单：本事项".to_owned(),
            (Lang::Zh, ..) => "记录事项清单".to_owned(),
            (Lang::En, "outing", n) => format!("{} of this outing", self.clips(n.unwrap_or(1))),
            (Lang::En, "rule", _) => "with the suggested link".to_owned(),
            (Lang::En, "case", _) => "register of cases".to_owned(),
            (Lang::En, "matter", _) => "record catalogue: this matter".to_owned(),
            (Lang::En, ..) => "record catalogue".to_owned(),
        }
    }

    /// What a dry run came to.
    pub fn rules_tried(&self, clips: u64, links: u64, suggestions: u64, conflicts: u64) -> String {
        let [clips, links, suggestions, conflicts] = [clips, links, suggestions, conflicts].map(|n| self.number(n));
        match self.lang {
            Lang::Zh => format!(
                "共 {clips} 个资料：将关联 {links}，待确认 {suggestions}，其中难以区分 {conflicts}；未作任何改动"
            ),
            Lang::En => format!(
                "{clips} clips: {links} would be linked, {suggestions} would wait, {conflicts} of them between two cases; nothing was changed"
            ),
        }
    }

    /// Clips whose case is not opened yet.
    pub fn not_yet_linkable(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("另有 {} 个已关联检查任务或当场文书，尚未立案", self.number(n)),
            Lang::En => format!("not yet linkable, because no case was opened: {}", self.clips(n)),
        }
    }

    /// Whose clips that covers: of the clip's own recorder, and of each partner with theirs.
    pub fn outing_of(&self, own: u64, partners: &[(String, u64)]) -> String {
        let partner = |(name, n): &(String, u64)| match self.lang {
            Lang::Zh => format!("同行的{name} {n} 个"),
            Lang::En => format!("{} of {name}, who was there too", self.clips(*n)),
        };
        let partners: Vec<String> = partners.iter().map(partner).collect();
        match self.lang {
            Lang::Zh => format!("整次外勤包括：本记录仪 {own} 个、{}", partners.join("、")),
            Lang::En => format!("The outing: {} of this recorder, {}", self.clips(own), partners.join(", ")),
        }
    }

    /// A decision about this many clips of an outing at once.
    pub fn whole_outing(&self, clips: u64) -> String {
        match self.lang {
            Lang::Zh => format!("本次外勤的 {clips} 个一并确认"),
            Lang::En => format!("All {clips} of this outing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::coverage::{Item, NoRecord};

    #[test]
    fn lines_in_both_languages() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        let item = Item {
            kind: None,
            subject: None,
            stage: None,
            matter: "现场检查".into(),
            tier: Tier::Whole,
            always: false,
            content: Default::default(),
        };
        let line = Line {
            item,
            standing: Standing::Interrupted,
            clips: 2,
            recorded_ms: 0,
            gaps_ms: vec![(1_781_830_800_000, 1_781_830_860_000)],
            due_ms: None,
            occasions: vec![],
            reason: Some("没电".into()),
            basis: None,
            said: None,
        };
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        assert_eq!(zh.coverage_detail(&line, &zone), "2026-06-19 09:00:00 – 09:01:00 (1:00)；没电");
        let lacking = |from_ms: i64, reason: Option<&str>| Lacking {
            from_ms: Some(from_ms),
            to_ms: None,
            open: false,
            why: reason.map(|r| NoRecord { reason: r.into(), basis: "报告".into(), ..NoRecord::default() }),
        };
        let occasions = vec![lacking(1_781_830_800_000, Some("没电")), lacking(1_781_917_200_000, None)];
        let several = Line { occasions, gaps_ms: vec![], reason: None, ..line };
        assert_eq!(
            zh.coverage_detail(&several, &zone),
            "2026-06-19 09:00:00：没电（依据：报告）；2026-06-20 09:00:00：未说明原因"
        );
        assert_eq!(
            en.coverage_detail(&several, &zone),
            "2026-06-19 09:00:00: 没电 (basis: 报告); 2026-06-20 09:00:00: no reason on record"
        );
        assert_eq!(en.imported(1, 0, 1204, false), "imported: 1 new, 0 changed, 1,204 as before");
        assert!(zh.import_undone(3, 1, 2, 1, 0).contains("编号保留"));
        assert!(zh.import_undone(3, 1, 2, 0, 1).ends_with("1 个曾合并的案件已重新分开，资料关联恢复原样"));
        assert_eq!(zh.linking_rule("neighbour"), zh.rule_neighbour);
        assert_eq!(zh.linking_rule("newer"), "newer");
        let mut words: Vec<_> = Standing::ALL.iter().map(|s| zh.standing(*s)).collect();
        words.dedup();
        assert_eq!(words.len(), Standing::ALL.len());
    }
}
