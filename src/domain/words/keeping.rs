//! Words of keeping (保管): holds, isolation, disposal after appraisal and filing, in a catalogue of their own beside the
//! common one.

use super::{Lang, Words};
use crate::domain::filing::{Aspect, What};
use crate::domain::ports::MediaHealth;

macro_rules! keeping {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// Words of keeping in one language. Each field's documentation is its English.
        #[derive(Debug)]
        pub struct KeepingWords { $(#[doc = concat!("`", $en, "`")] pub $name: &'static str,)+ }

        static ZH: KeepingWords = KeepingWords { $($name: $zh,)+ };
        static EN: KeepingWords = KeepingWords { $($name: $en,)+ };

        /// Name, Chinese and English of every word, for checks over the whole catalogue.
        pub const KEEPING_ENTRIES: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)+];
    };
}

keeping! {
    a_see_keeping => "保管：暂停销毁、阻断、待销毁", "Keeping: holds, isolation, disposal";
    a_close_case => "结案", "Close a case";
    a_file_case => "立卷归档", "File a case";
    a_reopen_case => "重新打开已归档案件", "Re-open a filed case";
    nav_keeping => "保管", "Keeping";
    keeping_title => "保管", "Keeping";
    keeping_detail => "暂停销毁、疑似涉密、鉴定销毁和归档中需要第二人处理的事项。", "Holds, what is suspected classified, disposal after appraisal, and what waits for a second person.";
    waits => "待第二人处理", "Waiting for a second person";
    waits_none => "没有待第二人处理的事项", "Nothing waits for a second person";
    waits_none_detail => "有人申请解除暂停销毁、解除阻断、销毁或重新打开案件时，会列在这里，由另一人确认。", "When somebody asks to release a hold, lift an isolation, dispose of footage or re-open a case, it stands here for another person to confirm.";
    two_people => "申请人不能自己确认，须另一名有权限的人处理。", "Whoever asked cannot confirm it; another person with the right does.";
    holds => "暂停销毁", "Holds";
    holds_none => "没有暂停销毁", "No hold stands";
    holds_none_detail => "在资料或案件的页面上可以暂停销毁，例如收到行政复议或者行政诉讼通知时。", "A hold is placed on the page of a clip or a case, for instance when a review or a lawsuit is announced.";
    isolated_title => "疑似涉密", "Suspected classified";
    isolated_none => "没有被阻断的资料", "Nothing is isolated";
    isolated_ids => "只列编号；内容对任何人都不显示。", "Only ids are shown; what is in them is shown to nobody.";
    due_title => "到期待鉴定", "Due for appraisal";
    due_none => "没有到期的资料", "Nothing is due";
    due_none_detail => "保管期限届满、没有暂停销毁、没有阻断、云端校验一致的资料会列在这里。", "Clips whose retention is over, that no hold or isolation keeps and that are proven elsewhere stand here.";
    nothing_due => "没有到期的资料", "nothing is due for disposal";
    over_since => "到期时间", "over since";
    lists_title => "销毁清册", "Lists of disposal";
    no_lists => "没有销毁清册", "there is no list of disposal yet";
    reason => "原因", "Reason";
    basis => "依据", "Basis";
    basis_hint => "行政复议、行政诉讼、来函文号等", "A review, a lawsuit, a letter with its number";
    since => "自", "Since";
    placed_by => "办理人", "By";
    asked_by => "申请人", "Asked by";
    asked_why => "申请理由", "Why";
    second_by => "复核人", "Second person";
    hold_place => "暂停销毁", "Place a hold";
    hold_place_detail => "暂停期间不清空、不腾退、不销毁；云端支持时同时设置法律保全。", "While it stands nothing is erased, given up or disposed of; destinations that can set a legal hold.";
    hold_case_detail => "对本案现有和以后关联的全部资料生效。", "It stands on every clip that is linked to this case, now or later.";
    hold_release => "申请解除", "Ask for release";
    hold_waits => "已申请解除，待另一人确认", "Release asked for; waits for another person";
    confirm => "确认", "Confirm";
    refuse => "不同意", "Refuse";
    take_back => "撤回", "Take it back";
    release_refused => "未同意解除，暂停销毁继续有效", "the release is refused; the hold stands";
    lift_refused => "未同意解除，阻断继续有效", "lifting is refused; the isolation stands";
    isolate => "疑似涉密，立即阻断", "Suspected classified: isolate now";
    isolate_detail => "立即停止上传，任何人不能调阅或导出；不删除任何内容。", "Uploads stop at once and nobody can view or export it; nothing is deleted.";
    isolate_reason => "疑似涉密的理由", "Why it may be classified";
    lift => "申请解除阻断", "Ask to lift the isolation";
    lift_waits => "已申请解除阻断，待另一人确认", "Lifting asked for; waits for another person";
    isolated_hidden => "这份资料疑似涉密，已停止上传，内容对任何人都不显示。没有删除任何内容。", "This clip is suspected classified: its uploads have stopped and what is in it is shown to nobody; nothing was deleted.";
    call => "请立即联系", "Call at once";
    call_nobody => "请立即联系本单位保密工作负责人。", "Call whoever is responsible for secrets in your agency at once.";
    done_held => "已暂停销毁", "The hold stands";
    done_asked => "已申请，待另一人确认", "Asked for; another person confirms it";
    done_confirmed => "已确认", "Confirmed";
    done_refused => "已退回，原状不变", "Refused; everything stands as it did";
    done_isolated => "已阻断", "Isolated";
    done_closed => "已结案", "Closed";
    done_bound => "已立卷", "It has its place in the archive";
    done_filed => "已归档", "Filed";
    done_reopened => "已重新打开", "Open again";
    disposed_title => "已销毁", "Disposed of";
    disposed_detail => "本站内容已按销毁清册销毁，仅存记录。", "What stood here was disposed of by a confirmed list; only this record is kept.";
    propose => "提交销毁", "Propose disposal";
    propose_detail => "勾选经鉴定不再保存的资料，写明鉴定意见和依据；另一人确认后才会销毁，不能恢复。", "Choose what the appraisal found no longer worth keeping, with its opinion and basis. It goes once another person has confirmed, and cannot be brought back.";
    opinion => "鉴定意见", "Opinion";
    choose => "选择", "Choose";
    confirm_disposal => "确认销毁，不能恢复", "Confirm: it goes for good";
    list_of => "销毁清册", "List of disposal";
    list_number => "清册号", "List";
    clips => "资料", "Clips";
    state => "状态", "State";
    digests => "校验值", "Digests";
    log_entries => "日志条目", "Log entries";
    copies_elsewhere => "云端副本", "copies elsewhere";
    print => "打印", "Print";
    signature => "签字", "Signature";
    date => "日期", "Date";
    asked_at => "申请时间", "Asked at";
    second_at => "复核时间", "Decided at";
    filing_title => "归档", "Filing";
    filing_open => "办理中", "Open";
    filing_closed => "已结案", "Closed";
    filing_bound => "已立卷", "Has its place";
    filing_filed => "已归档", "Filed";
    filing_page => "归档检查", "Filing check";
    filing_explained => "结案 → 立卷（编档号）→ 归档。归档前检查真实、完整、可用、安全；有缺项不能归档。", "Close it, give it its archive number, file it. Before that it is checked to be authentic, complete, usable and safe; with a gap it is not filed.";
    filed_locked => "已归档案件不能改动；需改动时申请重新打开，由另一人确认。", "A filed case takes no changes; ask to re-open it, and another person confirms.";
    close_case => "结案", "Close the case";
    bind_case => "立卷", "Give it its place";
    file_case => "检查并归档", "Check and file";
    reopen => "重新打开", "Re-open";
    reopen_ask => "申请重新打开", "Ask to re-open it";
    reopen_waits => "已申请重新打开，待另一人确认", "Re-opening asked for; waits for another person";
    fonds_no => "全宗号", "Fonds";
    year => "年度", "Year";
    archival_code => "档号", "Archive number";
    title => "题名", "Title";
    term => "保管期限", "Kept for";
    term_hint => "永久、30年、10年", "For ever: 永久; or 30 years, 10 years";
    sign_opinion => "检查意见", "Opinion";
    signed_by => "归档人", "Signed off by";
    aspect_authentic => "真实", "Authentic";
    aspect_complete => "完整", "Complete";
    aspect_usable => "可用", "Usable";
    aspect_safe => "安全", "Safe";
    aspect_ok => "通过", "Passed";
    aspect_gap => "有缺项", "Has gaps";
    gaps => "缺项", "Gaps";
    remarks => "已说明原因", "Explained on record";
    not_filed_gaps => "有缺项，未归档；补齐后再归档", "it has gaps and is not filed; mend each of them first";
    keep_until => "保管至", "Kept until";
    keep_by => "期限依据", "By";
    forever => "永久", "for ever";
    case_word => "案件", "Case";
    list_transfer => "移交清单", "Transfer list";
    list_contents => "卷内目录", "Contents of the file";
    number => "序号", "No.";
    officer => "采集人", "Officer";
    captured => "采集时间", "Captured";
    proves => "证明对象", "Proves";
    length => "时长", "Length";
    size => "大小", "Size";
    handed_over => "移交人", "Handed over by";
    received => "接收人", "Received by";
    gap_no_clips => "没有关联任何音像资料", "nothing is linked to it";
    gap_copying => "仍在采集", "it is still being copied";
    gap_not_anchored => "日志条目尚未在云端锚定", "its log entries are not in a checkpoint off this box yet";
    gap_not_proven => "尚未云端校验一致", "it is not proven at every required destination";
    gap_not_verified => "归档检查尚未比对，或比对已过期", "the filing check has not compared it yet, or too long ago";
    gap_differs => "比对不一致，与入库时不同", "it is not what was sealed";
    gap_unreached => "本地已清除，云端副本未能比对", "its file was given up here, and no copy elsewhere could be compared";
    gap_not_compared => "尚未比对原始数据；立卷时自动开始，也可以现在开始", "its data were not compared yet; that begins when it gets its place, or now";
    compared_title => "原始数据比对", "Comparison of the data";
    compare_now => "重新比对", "Compare again";
    compare_begin => "开始比对", "Begin to compare";
    compare_explained => "逐个比对文件内容、著录信息、入库记录及其在日志中的位置；本地已清除的，比对云端副本。归档时，比对须晚于检查开始并在有效期内。", "Of each clip the bytes, the record, the entry of its sealing and the entry's place in the log are compared; where the file was given up, a copy elsewhere. To file the case, each comparison must be newer than the check, and not too old.";
    compare_going => "正在比对", "Comparing";
    compare_done => "比对完成", "Compared";
    compare_since => "检查开始", "Check begun";
    col_compared => "比对结果", "Comparison";
    col_copy => "云端副本最近比对", "Newest comparison of a copy";
    col_compared_at => "比对时间", "Compared at";
    compared_same => "一致", "Same";
    compared_differs => "不一致", "Differs";
    compared_unreached => "未能比对", "Not compared";
    compared_waits => "待比对", "Waits";
    done_comparing => "已开始比对", "The comparison has begun";
    report_signed => "归档检查报告（签署时）", "Filing check as it was signed";
    report_print => "打印检查报告", "Print the check report";
    report_digest => "报告摘要（已记入日志）", "Digest of the report (in the log)";
    report_digest_before => "报告摘要（签署时未记入日志）", "Digest of the report (not in the log when it was signed)";
    report_altered => "保存的报告与签署时记入日志的摘要不一致，请勿采用", "The stored report is not the one whose digest was logged when it was signed; do not rely on it";
    report_now => "以下为现在重新检查的结果，不是签署的报告。", "What follows is what the check finds now, not what was signed.";
    signed_at => "归档时间", "Signed at";
    gap_isolated => "疑似涉密，已阻断", "it is suspected classified, and isolated";
    gap_quarantined => "待人工核查", "a person must look at it first";
    gap_damaged => "本地文件已损坏", "its local copy is damaged";
    gap_lacks_facts => "缺少信息", "it lacks";
    gap_not_probed => "尚未检测能否播放", "nobody has looked whether it plays";
    gap_unplayable => "不能完整播放；如无法补救，请在资料中填写缺记原因", "it does not play to its end; if that cannot be mended, say why in its record";
    gap_missing => "应进行音像记录，未见资料", "should be recorded, and is not";
    gap_interrupted => "中断", "is interrupted";
    gap_may_come => "资料可能仍在途中", "its footage may still come";
    gap_kind_unknown => "案件台账未写明执法类别或执法事项，或《音像记录事项清单》中没有该执法类别，无法判断应记录的事项；请先补全案件台账，或在清单中补入该类别的事项", "the register of cases does not say of which kind or matter of enforcement it is, or says a kind that the catalogue does not have, so nobody knows what should be recorded; complete its line in the register, or the catalogue, first";
    gap_no_catalogue => "《音像记录事项清单》中没有适用于本案的事项，无法判断是否完整；请先导入清单", "no item of the catalogue applies to it, so nobody knows whether it is complete; import the catalogue first";
    item_asked => "待确认", "waits";
    item_refused => "未同意", "refused";
    item_kept => "未销毁", "kept after all";
    item_going => "销毁中", "going";
    item_gone => "已销毁", "gone";
    copy_removed => "已删除", "removed";
    copy_locked => "仍在，锁定中", "stands, locked";
    copy_held => "仍在，法律保全", "stands, on hold";
    copy_not_configured => "仍在，未配置在该处删除", "stands; nothing is configured to be removed there";
    copy_refused => "仍在，该处拒绝删除", "stands; removing it is refused there";
    copy_cannot => "仍在，需在该处另行删除", "stands; it is removed there by whoever runs it";
}

impl Words {
    /// Words of keeping.
    pub fn keeping(&self) -> &'static KeepingWords {
        match self.lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }

    /// How far the filing of a case is, by its published word.
    pub fn filing_state(&self, word: &str) -> &'static str {
        let w = self.keeping();
        match word {
            "closed" => w.filing_closed,
            "bound" => w.filing_bound,
            "filed" => w.filing_filed,
            _ => w.filing_open,
        }
    }

    /// One of the four properties.
    pub fn aspect(&self, aspect: Aspect) -> &'static str {
        let w = self.keeping();
        match aspect {
            Aspect::Authentic => w.aspect_authentic,
            Aspect::Complete => w.aspect_complete,
            Aspect::Usable => w.aspect_usable,
            Aspect::Safe => w.aspect_safe,
        }
    }

    /// What the check found, by its published word; `detail` names facts, or says why.
    pub fn filing_gap(&self, word: &str, detail: &str) -> String {
        let w = self.keeping();
        let what = What::ALL.into_iter().find(|what| what.as_str() == word);
        let text = match what {
            Some(What::NoClips) => w.gap_no_clips,
            Some(What::Copying) => w.gap_copying,
            Some(What::NotAnchored) => w.gap_not_anchored,
            Some(What::NotProven) => w.gap_not_proven,
            Some(What::NotVerified) => w.gap_not_verified,
            Some(What::Differs) => w.gap_differs,
            Some(What::Unreached) => w.gap_unreached,
            Some(What::NotCompared) => w.gap_not_compared,
            Some(What::Isolated) => w.gap_isolated,
            Some(What::Quarantined) => w.gap_quarantined,
            Some(What::Damaged) => w.gap_damaged,
            Some(What::LacksFacts) => {
                let names: Vec<&str> = detail.split(',').map(|name| self.required(name)).collect();
                let joint = if self.lang == Lang::Zh { "：" } else { " " };
                return format!(
                    "{}{joint}{}",
                    w.gap_lacks_facts,
                    names.join(if self.lang == Lang::Zh { "、" } else { ", " })
                );
            }
            Some(What::NotProbed) => w.gap_not_probed,
            Some(What::Unplayable) => w.gap_unplayable,
            Some(What::Missing) => w.gap_missing,
            Some(What::Interrupted) => w.gap_interrupted,
            Some(What::MayCome) => w.gap_may_come,
            Some(What::KindUnknown) => w.gap_kind_unknown,
            Some(What::NoCatalogue) => w.gap_no_catalogue,
            None => return word.to_owned(),
        };
        let health = MediaHealth::parse(detail).filter(|_| what == Some(What::Unplayable));
        match health.map_or(detail, |health| self.media_health(health)) {
            "" => text.to_owned(),
            detail => format!("{text} ({detail})"),
        }
    }

    /// How far a list of disposal is, by its stored word.
    pub fn disposal_state(&self, word: &str) -> &'static str {
        let w = self.keeping();
        match word {
            "refused" => w.item_refused,
            "going" => w.item_going,
            "done" => w.item_gone,
            _ => w.item_asked,
        }
    }

    /// What became of a clip of a list, by its stored word.
    pub fn disposal_item(&self, word: &str) -> &'static str {
        let w = self.keeping();
        match word {
            "refused" => w.item_refused,
            "kept" => w.item_kept,
            "going" => w.item_going,
            "gone" => w.item_gone,
            _ => w.item_asked,
        }
    }

    /// What became of a copy at a destination, by the stored word of why it stands.
    pub fn copy_fate(&self, removed: bool, destination: &str, why: &str) -> String {
        let w = self.keeping();
        let text = match why {
            _ if removed => w.copy_removed,
            "locked" => w.copy_locked,
            "held" => w.copy_held,
            "not_configured" => w.copy_not_configured,
            "refused" => w.copy_refused,
            _ => w.copy_cannot,
        };
        format!("{destination}: {text}")
    }

    /// How far a list is.
    pub fn disposal_line(&self, disposal: i64, state: &str) -> String {
        let state_word = self.disposal_state(state);
        match (self.lang, state) {
            (Lang::Zh, "asked") => {
                format!("销毁清册第 {disposal} 号已提交，须另一人确认：evidock dispose confirm {disposal}")
            }
            (Lang::Zh, _) => format!("销毁清册第 {disposal} 号：{state_word}"),
            (Lang::En, "asked") => {
                format!(
                    "list of disposal {disposal} is proposed; another person confirms: evidock dispose confirm {disposal}"
                )
            }
            (Lang::En, _) => format!("list of disposal {disposal}: {state_word}"),
        }
    }

    /// Whom to call.
    pub fn call_line(&self, responsible: &str) -> String {
        match self.lang {
            Lang::Zh => format!("请立即联系：{responsible}"),
            Lang::En => format!("call at once: {responsible}"),
        }
    }

    /// On how many clips a hold stands.
    pub fn on_clips(&self, clips: u64) -> String {
        let clips_word = self.videos(clips);
        match self.lang {
            Lang::Zh => format!("涉及 {clips_word}"),
            Lang::En => format!("on {clips_word}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_empty_or_left_untranslated() {
        for (name, zh, en) in KEEPING_ENTRIES {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{name}");
            assert!(en.is_ascii() || *name == "term_hint", "{name}: {en}");
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
        }
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(zh.filing_gap("lacks_facts", "place,proves"), "缺少信息：采集地点、证明对象");
        for what in What::ALL {
            assert_ne!(zh.filing_gap(what.as_str(), "x"), en.filing_gap(what.as_str(), "x"));
        }
        for state in ["asked", "refused", "going", "done"] {
            assert_ne!(zh.disposal_line(1, state), en.disposal_line(1, state));
        }
    }
}
