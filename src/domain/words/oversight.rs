//! Words of reports, supervision and legal review: a catalogue of their own, made like that of [`super`], so that a word
//! missing in one language does not compile.

use super::{Lang, Words};
use crate::domain::report::{Figure, Period};
use crate::domain::review::Verdict;
use crate::domain::supervision::{Point, Standing, Step};

macro_rules! catalogue {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// The words of one language. Each field's documentation is its English.
        #[derive(Debug)]
        pub struct OversightWords {
            $(#[doc = concat!("`", $en, "`")] pub $name: &'static str,)+
        }

        static ZH: OversightWords = OversightWords { $($name: $zh,)+ };
        static EN: OversightWords = OversightWords { $($name: $en,)+ };

        #[cfg(test)]
        const ENTRIES: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en)),+];
    };
}

catalogue! {
    // Reports
    nav_reports => "统计", "Reports";
    reports_title => "统计报表", "Reports";
    period => "统计期间", "Period";
    period_before => "上一期", "Previous";
    period_after => "下一期", "Next";
    period_own => "自定期间", "Own range";
    this_week => "本周", "This week";
    this_month => "本月", "This month";
    this_quarter => "本季度", "This quarter";
    this_year => "本年", "This year";
    unit => "单位", "Unit";
    kind => "执法类别", "Kind of enforcement";
    every_unit => "全部单位", "Every unit";
    every_kind => "全部类别", "Every kind";
    no_unit => "未确定单位", "No unit known";
    no_kind => "未标注类别", "No kind given";
    show_report => "查看", "Show";
    by_unit => "按单位", "By unit";
    by_kind => "按执法类别", "By kind of enforcement";
    total => "合计", "Total";
    fig_recorded => "采集数量", "Recorded";
    fig_at_once => "一次完整", "Complete at once";
    fig_chased => "催办后完整", "After chasing";
    fig_incomplete => "待标注", "Incomplete";
    fig_by_rule => "自动关联", "Linked by rule";
    fig_by_hand => "人工关联", "Linked by hand";
    fig_linked => "已关联案件", "Linked to a case";
    fig_not_yet_linkable => "尚未立案", "No case opened yet";
    fig_unlinked => "未关联", "Not linked";
    fig_in_time => "24 小时内上传", "Proven in 24 h";
    fig_late => "超时上传", "Proven later";
    fig_unproven => "未上传", "Not proven";
    fig_undated => "采集时间不明", "No capture time";
    hours => "采集时长", "Recorded hours";
    storage => "容量", "Size";
    facts_group => "五项信息", "Five facts";
    links_group => "案件关联", "Case";
    proof_group => "云端校验一致", "Proven";
    share_at_once => "一次完整率", "Complete at once";
    share_in_time => "24 小时上传率", "Proven in 24 h";
    report_none => "这一期间没有音像资料", "Nothing was recorded in this period";
    report_none_detail => "资料按采集时间统计；换一个期间，或先接入记录仪。", "Clips count by the time of their capture; choose another period, or dock a recorder first.";
    gaps_title => "应进行音像记录，未见资料", "Missing records";
    gaps_cases => "立案数", "Cases opened";
    gaps_complete => "记录齐全", "Complete";
    gaps_missing => "缺少记录", "Missing";
    gaps_explained => "缺少记录，已说明原因", "Missing, with reason";
    gaps_interrupted => "记录中断", "Interrupted";
    gaps_none => "本期立案的案件没有缺少的记录", "No case opened in this period lacks a record";
    gaps_more => "案件太多，只核对了一部分；请缩短期间。", "There are more cases than were looked at; choose a shorter period.";
    gaps_catalogue => "还没有导入《音像记录事项清单》，无法核对。", "The catalogue of what is to be recorded was not imported yet.";
    overdue_title => "未按时归还的记录仪", "Recorders not brought back in time";
    overdue_none => "没有逾期未还的记录仪", "None";
    overdue_still => "尚未归还", "Still out";
    col_due_back => "应还时间", "Expected back";
    col_back => "归还时间", "Came back";
    growth_title => "存储增长", "Storage growth";
    growth_month => "入库月份", "Month taken in";
    forecast_title => "存储预测", "Forecast";
    forecast_none => "还没有一个完整的月份，暂不能预测。", "There is no full month yet to foretell from.";
    register_title => "台账", "Register of clips";
    register_explained => "本期每条音像资料一行，可用电子表格打开。", "One line for each clip of this period, for a spreadsheet.";
    form_title => "单位报表", "The unit's own form";
    form_none => "还没有配置单位自己的报表模板（[[supervision.form]]）。", "No form of the unit's own is configured ([[supervision.form]]).";
    print => "打印", "Print";
    made_at => "生成时间", "Made";
    not_the_seal => "本表由采集站系统生成，不代替机关印章。", "Made by the station; it does not stand for the agency's seal.";
    col_no => "序号", "No.";
    col_captured => "采集时间", "Captured";
    col_length_min => "时长（分钟）", "Length (min)";
    col_officer => "采集人", "Officer";
    col_recorder => "记录仪", "Recorder";
    col_place => "采集地点", "Place";
    col_case => "案件编号", "Case";
    col_stage => "环节", "Stage";
    col_subject => "执法事项", "Matter of enforcement";
    col_standing => "落实情况", "Standing";
    col_clips => "资料数", "Clips";
    col_gaps => "中断时段", "Without recording";
    col_due_sealed => "应入库时间", "To be sealed by";
    col_reason => "未记录原因", "Reason";
    col_basis => "依据", "Basis";
    col_said_by => "说明人", "Said by";
    col_said_at => "说明时间", "Said at";
    col_matter => "记录事项", "Matter";
    col_proves => "证明对象", "Proves";
    col_size_mb => "大小（MB）", "Size (MB)";
    col_facts => "五项信息", "Five facts";
    col_links => "案件关联", "Link";
    col_proof => "上传校验", "Proof";
    col_proven_at => "校验时间", "Proven at";
    col_record => "资料编号", "Record";
    col_sha256 => "校验值（SHA-256）", "SHA-256";
    too_many_rows => "超过 100,000 条，请缩短期间", "More than 100,000 clips: choose a shorter period";
    // Supervision
    nav_sampling => "抽查", "Sampling";
    sampling_title => "调阅监督", "Supervision";
    draw_title => "随机抽取", "Draw a sample";
    draw_explained => "先把抽取申请和全部候选资料的校验值写入日志并签名，再由签名后的日志根值确定随机数，任何人都可以重算；抽取人不能预知或挑选结果。", "The request and the digest of all candidates go into the log and are signed first; the seed follows from that signed root. Anybody can repeat the draw, and whoever draws can neither foresee nor choose it.";
    draw_month => "月份", "Month";
    draw_each_unit => "每个单位分别抽取", "Each unit by itself";
    draw_count => "每单位数量", "Clips per unit";
    draw => "抽取", "Draw";
    samples_title => "抽查批次", "Samples";
    samples_none => "还没有抽查", "No sample yet";
    samples_none_detail => "监督人员按月份和单位随机抽取后，在这里逐条检查、下达整改、跟踪销号。", "Once the supervisor has drawn one by month and unit, its clips are checked here, findings put right and closed.";
    sample => "抽查", "Sample";
    col_progress => "进度", "Progress";
    col_drawn_by => "抽取人", "Drawn by";
    col_drawn_at => "抽取时间", "Drawn";
    repeat_title => "抽取依据（可重算）", "How it was drawn (to be repeated)";
    rep_population => "候选资料", "Candidates";
    rep_digest => "候选清单校验值", "Digest of the candidates";
    rep_asked => "申请在日志中的位置", "Request in the log";
    rep_checkpoint => "签名检查点", "Signed checkpoint";
    rep_root => "日志根值", "Root of the log";
    rep_seed => "随机种子", "Seed";
    rep_how => "evidock sample verify 重算；算法见 docs/supervision.md。", "evidock sample verify repeats it; docs/supervision.md says how.";
    checklist => "检查清单", "Checklist";
    remark => "说明", "Remark";
    due_day => "整改期限", "To be put right by";
    judge => "保存检查结果", "Store what was found";
    judge_hint => "有“否”时，请在说明中写明发现的问题。", "Where an answer is no, say in the remark what was found.";
    judge_again => "更正检查结果", "Correct it";
    answer => "提交整改情况", "Send the answer";
    answer_words => "整改情况", "What was done";
    close => "整改到位，销号", "Put right: close";
    return_it => "退回重新整改", "Return it";
    out_of_bounds => "超出您的查看范围", "Beyond your bounds";
    ranking => "单位排名", "Ranking of units";
    rank_place => "名次", "Place";
    rank_drawn => "抽查", "Drawn";
    rank_judged => "已检查", "Judged";
    rank_fine => "合格", "Fine";
    rank_share => "合格率", "Share fine";
    rank_flaws => "问题项", "Flaws";
    rank_open => "待整改", "Open";
    rank_overdue => "逾期", "Overdue";
    rank_closed => "已销号", "Closed";
    rank_none => "这一期间还没有检查结果", "Nothing was judged in this period yet";
    st_open => "待检查", "To be judged";
    st_fine => "合格", "Fine";
    st_rectify => "待整改", "To be put right";
    st_answered => "待复核", "To be looked at again";
    st_closed => "已销号", "Closed";
    st_overdue => "逾期未整改", "Overdue";
    step_judged => "检查", "Judged";
    step_answered => "整改回复", "Answered";
    step_returned => "退回", "Returned";
    step_closed => "销号", "Closed";
    pt_yes => "是", "Yes";
    pt_no => "否", "No";
    pt_na => "不适用", "N/A";
    // Legal review
    nav_review => "法制审核", "Legal review";
    review_title => "法制审核", "Legal review";
    review_sent => "送审案件", "Cases sent for review";
    review_none => "没有送审的案件", "No case stands sent for review";
    review_none_detail => "部门负责人或档案员送审后，案件会出现在这里。", "A case appears here once a head of department or an archivist has sent it.";
    review_to => "审核人员账号", "Reviewer's account";
    review_until => "截止日期", "The last day";
    review_send_detail => "不填账号即送全体法制审核员；不填日期则到撤回为止。", "Without an account it goes to every legal reviewer; without a day it stands sent until it is called back.";
    review_call_back => "撤回送审", "Call it back";
    done_sent => "已送法制审核", "Sent for legal review";
    done_called_back => "已撤回送审", "Called back";
    review_clips => "音像记录", "Clips";
    review_documents => "文字记录", "Written record";
    review_no_documents => "本案还没有归入的文书；请对照纸质案卷。", "No document was filed to this case; compare with the file on paper.";
    review_document_choose => "选择一份文书，与音像记录对照查看。", "Choose a document to read it beside the clip.";
    review_document_save => "这类文件不在页面中显示，请下载后查看。", "The page does not show files of this kind; save it to read it.";
    review_open_document => "打开文书页", "Open the document";
    review_looked => "查看于", "looked at";
    review_choose => "在左侧选择一条音像资料，与文字记录对照查看。", "Choose a clip to see it beside the written record.";
    review_no_clips => "本案没有音像资料", "The case has no clips";
    review_open_clip => "打开资料页", "Open the clip";
    notes => "审核批注", "Notes";
    note_at => "位置（分:秒）", "Place (min:s)";
    note_words => "批注", "Note";
    note_add => "添加批注", "Add the note";
    note_take => "取播放位置", "Take the player's place";
    note_withdraw => "撤回", "Take back";
    notes_none => "还没有批注", "No note yet";
    opinion => "审查意见", "Opinion";
    opinion_give => "出具审查意见", "Give the opinion";
    opinion_words => "意见内容", "In words";
    opinion_print => "打印审查意见", "Print the opinion";
    opinion_none => "还没有审查意见", "No opinion yet";
    opinion_earlier => "以前的意见", "Earlier opinions";
    opinion_document => "音像记录审查意见", "Opinion on audio-visual records";
    opinion_documents => "已查看的文字记录", "Written record looked at";
    opinion_documents_none => "没有查看过文字记录", "None of it was looked at";
    opinion_unread => "未查看", "Not looked at";
    opinion_by => "审核人", "Reviewer";
    opinion_sign => "签名", "Signature";
    opinion_date => "日期", "Date";
    v_agree => "同意：音像记录完整、合法、有效", "Agreed: the records are complete, lawful and valid";
    v_supplement => "补充完善后同意", "Agreed once something is added or put right";
    v_return => "退回：音像记录不符合要求", "Returned: the records do not meet the requirements";
    sheet => "案卷评查", "Case review sheet";
    sheet_item => "评查项目", "Item";
    sheet_most => "满分", "At most";
    sheet_points => "得分", "Points";
    sheet_why => "扣分原因", "Why not all";
    sheet_save => "保存评分", "Store the sheet";
    sheet_none => "还没有评分", "Not marked yet";
    sheet_print => "打印评查表", "Print the sheet";
    party => "当事人", "Party";
    cause => "案由", "Cause";
    done_stored => "已保存", "Stored";
    // Rights
    a_see_reports => "统计报表和台账", "Reports and registers of clips";
    a_see_samples => "查看抽查", "See samples";
    a_supervise => "抽查、检查和销号", "Draw, judge and close samples";
    a_answer_finding => "回复整改", "Answer a finding";
    a_see_review => "查看法制审核", "See a legal review";
    a_review_case => "法制审核批注和意见", "Note and give an opinion";
    a_mark_case => "案卷评查评分", "Mark a case file";
}

impl Words {
    /// The words of reports, supervision and legal review.
    pub fn oversight(&self) -> &'static OversightWords {
        match self.lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }

    /// To which reviewer a case stands sent, and until when; both already written out.
    pub fn sent_to(&self, to: Option<&str>, until: Option<&str>) -> String {
        let to = to.unwrap_or(match self.lang {
            Lang::Zh => "全体法制审核员",
            Lang::En => "every legal reviewer",
        });
        match (self.lang, until) {
            (Lang::Zh, None) => format!("已送审：{to}"),
            (Lang::Zh, Some(until)) => format!("已送审：{to}，至 {until}"),
            (Lang::En, None) => format!("Sent to {to}"),
            (Lang::En, Some(until)) => format!("Sent to {to}, until {until}"),
        }
    }

    /// A figure of a report.
    pub fn figure(&self, figure: Figure) -> &'static str {
        let w = self.oversight();
        match figure {
            Figure::Recorded => w.fig_recorded,
            Figure::AtOnce => w.fig_at_once,
            Figure::Chased => w.fig_chased,
            Figure::Incomplete => w.fig_incomplete,
            Figure::Linked => w.fig_linked,
            Figure::NotYetLinkable => w.fig_not_yet_linkable,
            Figure::ByRule => w.fig_by_rule,
            Figure::ByHand => w.fig_by_hand,
            Figure::Unlinked => w.fig_unlinked,
            Figure::InTime => w.fig_in_time,
            Figure::Late => w.fig_late,
            Figure::Unproven => w.fig_unproven,
            Figure::Undated => w.fig_undated,
        }
    }

    /// A period as people call it.
    pub fn period(&self, period: Period) -> String {
        match (self.lang, period) {
            (Lang::Zh, Period::Week(year, week)) => format!("{year} 年第 {week} 周"),
            (Lang::Zh, Period::Month(year, month)) => format!("{year} 年 {month} 月"),
            (Lang::Zh, Period::Quarter(year, quarter)) => format!("{year} 年第 {quarter} 季度"),
            (Lang::Zh, Period::Year(year)) => format!("{year} 年"),
            (Lang::Zh, Period::Range(from, to)) => format!("{from} 至 {to}"),
            (Lang::En, Period::Week(year, week)) => format!("week {week} of {year}"),
            (Lang::En, Period::Month(..)) => period.first().strftime("%B %Y").to_string(),
            (Lang::En, Period::Quarter(year, quarter)) => format!("quarter {quarter} of {year}"),
            (Lang::En, Period::Year(year)) => year.to_string(),
            (Lang::En, Period::Range(from, to)) => format!("{from} to {to}"),
        }
    }

    /// Tenths of a per cent.
    pub fn permille(&self, permille: u64) -> String {
        match permille % 10 {
            0 => format!("{}%", permille / 10),
            tenth => format!("{}.{tenth}%", permille / 10),
        }
    }

    /// Hours to a tenth.
    pub fn hours(&self, ms: u64) -> String {
        let tenths = ms / 360_000;
        format!("{}.{}\u{a0}h", self.number(tenths / 10), tenths % 10)
    }

    /// What storage may need each month.
    pub fn growth_each_month(&self, bytes: u64, months: usize) -> String {
        let size = self.size(bytes);
        match self.lang {
            Lang::Zh => format!("最近 {months} 个完整月份平均每月入库 {size}。"),
            Lang::En => format!("{size} a month, the mean of the last {months} full months."),
        }
    }

    /// When the disk is full at this rate.
    pub fn disk_lasts(&self, free_bytes: u64, days: u64) -> String {
        let free = self.size(free_bytes);
        match self.lang {
            Lang::Zh => format!("本站磁盘剩余 {free}；若不清除已上传的资料，按此速度约可使用 {days} 天。"),
            Lang::En => format!(
                "{free} are free on the station's disk: about {days} days at this rate, if nothing is given up there."
            ),
        }
    }

    /// How much of the period's records of this many cases is missing.
    pub fn percent_of(&self, part: u64, of: u64) -> String {
        self.permille((part * 1000).checked_div(of).unwrap_or(0))
    }

    /// A point of a checklist.
    pub fn point(&self, point: Point) -> &'static str {
        let w = self.oversight();
        match point {
            Point::Yes => w.pt_yes,
            Point::No => w.pt_no,
            Point::NotApplicable => w.pt_na,
        }
    }

    /// How a drawn clip stands.
    pub fn sampled(&self, standing: Standing) -> &'static str {
        let w = self.oversight();
        match standing {
            Standing::Open => w.st_open,
            Standing::Fine => w.st_fine,
            Standing::Rectify => w.st_rectify,
            Standing::Answered => w.st_answered,
            Standing::Closed => w.st_closed,
        }
    }

    /// A step in the life of a drawn clip.
    pub fn sample_step(&self, step: Step) -> &'static str {
        let w = self.oversight();
        match step {
            Step::Judged => w.step_judged,
            Step::Answered => w.step_answered,
            Step::Returned => w.step_returned,
            Step::Closed => w.step_closed,
        }
    }

    /// What an opinion comes to.
    pub fn opinion(&self, verdict: Verdict) -> &'static str {
        let w = self.oversight();
        match verdict {
            Verdict::Agree => w.v_agree,
            Verdict::Supplement => w.v_supplement,
            Verdict::Return => w.v_return,
        }
    }

    /// What a register's line says of facts, links and proof, by their stored words.
    pub fn counted(&self, column: &str, word: &str) -> &'static str {
        let figure = match (column, word) {
            ("complete", "at_once") => Figure::AtOnce,
            ("complete", "chased") => Figure::Chased,
            ("complete", _) => Figure::Incomplete,
            ("linked", "rule") => Figure::ByRule,
            ("linked", "hand") => Figure::ByHand,
            ("linked", "early") => Figure::NotYetLinkable,
            ("linked", _) => Figure::Unlinked,
            (_, "in_time") => Figure::InTime,
            (_, "late") => Figure::Late,
            _ => Figure::Unproven,
        };
        self.figure(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_empty_or_left_untranslated() {
        for (name, zh, en) in ENTRIES {
            assert!(!zh.trim().is_empty() && en.is_ascii() && !en.trim().is_empty(), "{name}");
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
        }
    }

    #[test]
    fn periods_and_shares_as_people_read_them() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        for (word, in_zh, in_en) in [
            ("2026-06", "2026 年 6 月", "June 2026"),
            ("2026-Q2", "2026 年第 2 季度", "quarter 2 of 2026"),
            ("2026-W25", "2026 年第 25 周", "week 25 of 2026"),
            ("2026", "2026 年", "2026"),
            ("2026-06-01..2026-06-15", "2026-06-01 至 2026-06-15", "2026-06-01 to 2026-06-15"),
        ] {
            let period = Period::parse(word).unwrap();
            assert_eq!((zh.period(period), en.period(period)), (in_zh.to_owned(), in_en.to_owned()));
        }
        assert_eq!((zh.permille(999), zh.permille(1000), zh.permille(0)), ("99.9%".into(), "100%".into(), "0%".into()));
        assert_eq!(en.hours(5_430_000), "1.5\u{a0}h");
    }
}
