//! Words of administration, desk, registers, parties, and of several clips at once: a catalogue of their own beside
//! [`Words`], under the same rule that a word missing in one language does not compile.

use super::{Lang, Words};

macro_rules! office {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// The words of these pages in one language. Each field's documentation is its English.
        #[derive(Debug)]
        pub struct OfficeWords {
            $(#[doc = concat!("`", $en, "`")] pub $name: &'static str,)+
        }

        static ZH: OfficeWords = OfficeWords { $($name: $zh,)+ };
        static EN: OfficeWords = OfficeWords { $($name: $en,)+ };

        /// Name, Chinese and English of every word.
        pub const OFFICE: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)+];
    };
}

office! {
    // Rights
    a_issue_recorders => "记录仪领用和归还登记", "Issue and return of recorders";
    a_keep_station => "管理采集站", "Look after the station";

    // Frame
    nav_desk => "领用归还", "Desk";
    nav_admin => "管理", "Admin";
    joint => "、", ", ";
    saved => "已保存", "Saved";
    page_before => "上一页", "Page before";
    from => "开始", "From";
    until => "结束", "Until";
    files => "文件", "Files";

    // Desk
    desk_title => "记录仪领用 / 归还", "Issue and return of recorders";
    desk_scan => "扫描", "Scan";
    desk_code => "卡号或编号", "Card or code";
    desk_enter => "确定", "Enter";
    desk_scan_either => "请扫描记录仪或执法人员工卡", "Scan a recorder or an officer's card";
    desk_scan_officer => "请扫描执法人员工卡，办理领用", "Now scan the officer's card to issue it";
    desk_scan_recorder => "请扫描记录仪", "Now scan the recorder";
    desk_hint => "先扫记录仪或先扫工卡都可以；扫描已领用的记录仪即办理归还。也可以用键盘输入编号、姓名后按回车。", "Either may come first. Scanning a recorder that is out returns it. Numbers and names can be typed, too; Enter ends each.";
    desk_begin_again => "重新开始", "Begin again";
    desk_undo => "撤销上一次", "Undo the last";
    desk_by_hand => "手工登记领用（案件、地点）", "Issue by hand, with case and place";
    desk_issue => "登记领用", "Issue";
    desk_return => "归还", "Return";
    desk_out => "领用中", "Out now";
    desk_none_out => "没有领用中的记录仪", "No recorder is out";
    desk_none_out_detail => "扫描记录仪和执法人员工卡后，领用情况显示在这里，逾期未还的排在最前。", "Once a recorder and an officer's card are scanned, it appears here, overdue ones first.";
    code_unknown => "没有登记这个编号：", "Nothing is registered under:";
    code_unknown_todo => "检查是否扫错；新的工卡或记录仪请先在“登记信息”中导入（卡号、条码两列），或用下面的手工登记。", "Check the scan. Import a new card or recorder into its register first (columns card and code), or issue by hand below.";
    code_several => "这个编号对应不止一项：", "More than one thing has this code:";
    code_several_todo => "请扫描工卡或条码，不要输入重名的姓名；仍不能区分时用下面的手工登记。", "Scan a card or code instead of typing a name that several share, or issue by hand below.";
    code_gone => "此人已离岗：", "This officer has left:";
    code_gone_todo => "请核对工卡；若已返岗，请更新人员登记的离岗时间。", "Check the card; whoever is back needs a new date in the register of officers.";
    code_not_in_use => "这台记录仪不在使用中：", "This recorder is not in use:";
    code_not_in_use_todo => "它已送修、停用或被拒绝；请换一台，或请系统管理员重新准入。", "It is in repair, retired or refused: take another one, or have the system administrator approve it again.";
    overdue => "逾期未还", "Overdue";
    is_out => "领用中", "Out";
    ended_returned => "已归还", "Returned";
    ended_reissued => "未还即转领", "Issued again before it was returned";

    // Administration
    admin_title => "管理", "Administration";
    admin_overview => "概况", "Overview";
    nothing_waits => "没有待处理", "Nothing waits";
    recorders_title => "记录仪", "Recorders";
    figure_waiting => "等待准入", "Waiting for approval";
    figure_known => "全部", "Known";
    figure_quiet => "久未接入", "Long not docked";
    keeper => "保管人", "Keeper";
    not_out => "没有领用", "Not issued";
    docked_now => "在采集位", "In bay";
    docked_last => "最近接入", "Last in bay";
    docked_never => "从未接入", "Never docked here";
    no_recorders => "还没有记录仪", "No recorder yet";
    no_recorders_detail => "接入采集位的设备会出现在这里，等待准入；也可以在“登记信息”中导入记录仪台账。", "Devices that stand at a bay appear here and wait for approval; a register of recorders can be imported, too.";
    admission => "准入", "Admission";
    no_gate => "这台记录仪没有经过 USB 或网络准入（从接入目录读取，或仅登记），无需准入；可以送修、停用或恢复使用。", "It never came through the gate for USB or network (read from a folder, or only registered), so it needs no approval; it can be given away for repair, retired, or taken into use again.";
    verb_approve => "准入", "Approve";
    verb_refuse => "拒绝", "Refuse";
    verb_repair => "送修", "Send for repair";
    verb_retire => "停用", "Retire";
    verb_back => "恢复使用", "Take into use again";
    marks_none => "没有维修或停用记录", "It was never given away for repair nor retired";
    history_marks => "维修与停用记录", "Repairs and retirement";
    mark_in_use => "恢复使用", "In use again";
    mark_when => "时间", "When";
    mark_who => "办理人", "By";
    assign_title => "配发", "Assignment";
    assign => "配发", "Assign";
    assign_to => "配发给", "Assign to";
    assign_hint => "没有归还期限的领用：在归还之前，这台记录仪的资料都归此人。原领用人随即结束。", "An issue without an end: until it is returned, its clips are theirs. Whoever had it before has it no longer.";
    assign_unread => "还没有读取过这台设备，不知道是哪一台记录仪。准入并读取后可以配发。", "It was not read yet, so that it is not known which recorder it is. Approve and read it first.";
    history_outs => "领用记录", "Issues";
    history_stays => "接入记录", "Stays in bays";
    history_none => "没有领用记录", "It was never issued";
    clock_off => "时钟偏差", "Clock off by";
    dest_well => "正常", "Well";
    dest_trouble => "有问题", "In trouble";
    dest_never => "尚未连接过", "Never reached";
    dest_about => "类型", "Kind";
    dest_address => "地址", "Address";
    dest_probed => "最近检测", "Last probed";
    required => "必须", "required";
    not_required => "非必须", "not required";
    locks => "可锁定", "locks";
    locks_not => "不能锁定", "does not lock";
    same_device => "与本站同一磁盘", "same disk as the vault";
    try_now => "立即测试", "Test now";
    try_hint => "写入一个测试对象：错误内容必须被拒绝，正确内容必须能取回，并检查能否锁定。不影响正在上传的资料。", "Writes one object of its own: wrong bytes must be refused, right ones come back, and whether it locks is found out. What is being sent goes on.";
    trial_reaching => "正在连接", "Reaching it";
    trial_again => "检查网络和对方服务器后再试；恢复后会自动继续上传", "Check the network and that server, then test again; sending goes on by itself once it is back";
    trial_operator => "按上面的原因修改配置或对方设置，再测试一次", "Correct the configuration or that server as it says, then test again";
    check_title => "自检报告", "Self-check";
    check_now => "立即自检", "Check now";
    check_running => "正在自检", "Checking";
    check_never => "尚未自检", "Not checked yet";
    check_never_detail => "自检查看配置、磁盘、数据库、密钥、上传目标、时钟和媒体组件，只看不改，约需几秒。", "It looks at configuration, disks, database, keys, destinations, clock and media parts. It changes nothing and takes some seconds.";
    check_well => "全部正常", "All well";
    check_failed => "自检未完成", "The check came to no end";
    gravity_problem => "问题", "Problem";
    gravity_warning => "注意", "Warning";
    gravity_ok => "正常", "Well";
    config_title => "配置", "Configuration";
    config_embedded => "内置默认配置", "the embedded defaults";
    config_changed => "配置文件在启动后有改动，重启 evidock 后生效", "The file was changed after the start; it holds once evidock is started again";
    config_about => "正在生效的全部设置。口令和密钥只记文件位置，不在其中。", "Every setting in force. Passwords and keys are named by their files and are never shown.";
    config_key => "设置项", "Key";
    config_value => "取值", "Value";
    config_from => "来源", "From";
    from_process => "命令行或系统服务", "command line or service";
    from_default => "默认", "default";
    rules_title => "规则", "Rules";
    rules_linking => "案件关联规则", "Linking rules";
    rules_numbers => "案件编号规则", "Rule of case numbers";
    rules_version => "版本", "Version";
    rules_builtin => "仅使用内置编号样式", "Only the built-in shapes of numbers";
    rules_change => "在配置文件 [casework.linking] 中修改，先试运行再重启生效。", "They are set in [casework.linking]; try them, then start evidock again.";
    rule => "规则", "Rule";
    rule_most => "最高分", "Highest score";
    rule_does => "作用", "What it does";
    rule_from_score => "自动关联所需分数", "Links by itself from a score of";
    rule_links => "自动关联", "links";
    rule_suggests => "只给出建议", "suggests";
    rule_off => "停用", "off";
    rules_try => "试运行规则", "Try the rules";
    rules_trying => "正在试运行", "Trying";
    rules_try_about => "按现行规则重新判断本站全部资料，只统计，不作任何改动。涉及哪些案件只有登记信息管理人员可以查看。", "Judges every clip of the station by the rules in force, counts, and changes nothing. Which cases it is about is shown to those who keep the registers.";
    rules_told_about => "下面列出将要变化的关联，仅限您可查看的资料；未作任何改动。", "What would change, of the clips that you may see. Nothing is changed.";
    version_title => "版本和许可", "Version and licence";
    schema => "数据库结构", "Database schema";
    licence => "许可", "Licence";
    licences_of_parts => "网页组件许可", "licences of the page's parts";

    // Registers
    registers_title => "登记信息", "Registers";
    registers_about => "单位、人员、记录仪、当事人、案件和记录事项清单：登记一次，处处可用。", "Units, officers, recorders, parties, cases, and what is to be recorded: entered once, used everywhere.";
    import_title => "导入", "Import";
    import_file => "文件（CSV、XLSX、JSON）", "File (CSV, XLSX, JSON)";
    import_try => "试导入", "Dry run";
    import_now => "正式导入", "Import";
    import_busy => "正在读取", "Reading";
    import_lost => "连接中断，没有导入。请再试一次。", "The connection was lost; nothing was imported. Try again.";
    import_about => "先试导入：逐行指出错误，不作改动。有一处错误则全部不导入。导入可以整批撤销。", "A dry run names every mistake by its line and changes nothing. With one mistake nothing is imported. An import can be taken back as a whole.";
    import_no_script => "此页导入需要浏览器脚本；也可以在采集站上运行 evidock register import。", "Importing here needs scripts; evidock register import on the station does it, too.";
    import_done => "已导入", "Imported";
    import_undone => "导入已撤销", "The import was taken back";
    import_see => "查看导入记录", "See what was imported";
    import_undo => "撤销", "Take back";
    import_undo_about => "恢复导入之前的内容，因它合并的案件重新分开；此后又被其他导入修改过的，须先撤销后来的导入；合并后的案件又有变动的，不能撤销。", "Every entry becomes as it was, and cases that it joined are parted again. What a later import changed must be taken back first; where something was done with a joined case since, nothing is undone.";
    rosters_title => "排班表", "Rosters";
    rosters_about => "谁在什么时间领用哪台记录仪、办什么事：资料的采集人、地点和案件由此而来。", "Who takes out which recorder, when and for what: whom a clip is of, where, and for which case comes from here.";
    roster_import_about => "先试导入：逐行指出错误，不作改动。有一处错误则全部不导入。同名文件再次导入时，只替换它所涉及的日期，其他日期保留。", "A dry run names every mistake by its line and changes nothing. With one mistake nothing is imported. A file that is imported again under its name replaces the days of which it tells; other days stay.";
    roster_import_no_script => "此页导入需要浏览器脚本；也可以在采集站上运行 evidock roster import。", "Importing here needs scripts; evidock roster import on the station does it, too.";
    roster_columns => "列（带 * 的必填）：", "Columns (those with * must be filled in):";
    roster_covers => "范围", "covers";
    roster_done => "排班表已导入", "The roster was imported";
    roster_gone => "已删除", "Taken away";
    roster_undo => "撤销本次导入", "Take this import back";
    roster_undo_ask => "撤销后，它所带来的行不再算数，它所替换的行重新生效，同名的更早导入不受影响。资料随后重新判断，与导入之后一样。", "What it brought counts no more, and what it replaced stands again; earlier imports of the name stay. Clips are judged anew then, as after an import.";
    roster_before => "导入人和时间只见于日志", "who and when is in the log alone";
    roster_remove => "删除", "Take away";
    roster_remove_ask => "删除以这个名称导入的全部内容？不论哪一天、由哪一次导入。资料随后重新判断：只由排班表得来的采集人、地点等随之去掉，案件改为待标注，人工填写的和已归档的不变。", "Take away everything that was imported under this name, of whatever day, by whichever import? Clips are judged anew then: what they have from the roster alone goes, and their cases wait in triage; what people said and what is filed stays.";
    no_rosters_detail => "下载模板，用表格软件填写后在上面导入；也可以由 [casework] roster 或前置机自动导入。", "Take the template, fill it in with a spreadsheet program, and import it above; [casework] roster or a front-end machine import by themselves.";
    imports_title => "导入记录", "Imports";
    no_imports => "还没有导入过", "Nothing was imported yet";
    no_imports_detail => "下载模板，用表格软件填写后在上面导入。", "Take a template, fill it in with a spreadsheet program, and import it above.";
    template => "模板", "Template";
    mistakes => "错误", "Mistakes";
    mistake_line => "行", "Line";
    mistake_column => "列", "Column";
    mistake_value => "内容", "Value";
    mistake_what => "问题和改法", "What is wrong and what to do";
    find_entry => "名称或编号的一部分", "Part of a name or number";
    no_entries => "还没有登记", "Nothing is registered yet";
    no_entries_detail => "在“登记信息”页下载模板，填写后导入。", "Take the template on the page of registers, fill it in, and import it.";

    // Parties
    parties_title => "当事人（一户一档）", "Parties";
    party => "当事人", "Party";
    party_id => "证件号", "Number";
    party_address => "地址", "Address";
    party_several => "登记中有多个同名当事人，下面的案件按名称归集，请注意区分。", "Several parties of the register have this name; cases below are gathered by name, so take care.";
    party_no_cases => "没有您可查看的案件", "No case that you may see";
    party_no_clips => "没有您可查看的音像资料", "No clip that you may see";
    party_filter => "在资料列表中查看和筛选", "See and filter them in the list of clips";
    party_more => "可能还有更多；请在案件和音像资料列表中按名称检索。", "There may be more; search for the name in the lists of cases and clips.";
    parties_cut => "按最近的案件列出；按名称检索可以找到更多。", "Those of the newest cases; search by name to find others.";
    no_parties => "还没有当事人", "No party yet";
    no_parties_detail => "导入案件或当事人登记，并把音像资料关联到案件后，当事人显示在这里。", "Parties appear once cases are imported and clips are linked to them.";
    no_party_match => "没有找到", "Nothing found";
    no_party_match_detail => "检查名称，或只输入其中一部分；只列出您可查看的案件的当事人。", "Check the name, or type a part of it. Only parties of cases that you may see are listed.";
    no_documents => "没有登记文书", "No documents registered";
    doc_filing => "立案", "Filing";
    doc_notice => "告知书", "Notice";
    doc_decision => "决定书", "Decision";
    doc_coercion => "强制", "Coercion";
    opened => "立案", "Opened";
    closed => "结案", "Closed";

    // Several clips at once
    several_title => "批量处理", "Several at once";
    several_pick => "选择", "Select";
    several_field => "信息", "Field";
    several_value => "内容", "Value";
    several_annotate => "标注", "Annotate";
    several_label => "标记", "Set label";
    several_link => "关联", "Link";
    several_push => "优先上传", "Send first";
    several_hint => "先在列表中勾选，再选择操作；每个资料单独检查权限并记入日志。", "Select clips in the list, then choose. Each clip is checked and logged by itself.";
    several_back => "返回列表", "Back to the list";
    several_none => "没有选择任何资料：请先在列表中勾选", "No clip is selected: select some in the list first";
    several_too_many => "一次最多处理 200 个", "At most 200 at a time";
    several_higher => "已有更高的敏感标记；如需降低，请在该资料页单独处理", "It carries a higher label; lower it on its own page, if it must be";
    several_no_act => "不支持这个操作", "There is no such action";
    several_no_field => "没有这个信息项", "There is no such field";
    several_no_value => "内容为空：批量操作不清除信息，请填写内容", "The value is empty: nothing is emptied for several clips at once, so type one";
    several_no_case => "没有填写案件编号", "Type the number of the case";

    // Station
    overdue_recorders => "记录仪逾期未还", "Recorders are overdue";
    overdue_call => "请联系装备管理人员", "Tell whoever keeps the recorders";
    window_opens => "下次上传时段开始：", "Sending begins again:";
    window_shuts => "本次上传时段结束：", "Sending goes on until:";
    overdue_act => "查看领用情况", "See who has them";
    case_party => "当事人档案", "The party's file";
}

impl Words {
    /// Words of administration, desk, registers and parties.
    pub fn office(&self) -> &'static OfficeWords {
        match self.lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }

    fn either_of(&self, zh: String, en: String) -> String {
        if self.lang == Lang::Zh { zh } else { en }
    }

    /// Which entries of a list are on a page.
    pub fn place_in_list(&self, from: u64, to: u64) -> String {
        let (from, to) = (self.number(from), self.number(to));
        self.either_of(format!("第 {from}–{to} 个"), format!("{from} to {to}"))
    }

    /// What was done at the desk was taken back.
    pub fn desk_undone(&self, recorder: &str) -> String {
        self.either_of(format!("{recorder} 的登记已撤销"), format!("what was done about {recorder} is taken back"))
    }

    /// A device stands at the gate of a bay; `why` is a word of `domain::recorder::Held`.
    pub fn stands_at(&self, bay: &str, why: &str) -> String {
        let why = match why {
            "unknown" => self.unregistered,
            "refused" => self.held_refused,
            "not_storage" => self.held_not_storage,
            "no_storage" => self.held_no_storage,
            _ => self.held_broken,
        };
        format!("{bay}: {why}")
    }

    /// A recorder in use was not docked for a while.
    pub fn not_docked_for(&self, days: u64) -> String {
        let n = self.number(days);
        self.either_of(format!("{n} 天未接入"), format!("not docked for {n} days"))
    }

    /// How long copies are locked at first.
    pub fn lock_days(&self, days: u32) -> String {
        match (self.lang, days) {
            (Lang::Zh, 0) => "不锁定".to_owned(),
            (Lang::Zh, n) => format!("先锁定 {n} 天"),
            (Lang::En, 0) => "not locked".to_owned(),
            (Lang::En, n) => format!("locked for {n} days at first"),
        }
    }

    /// Clips that wait for a destination.
    pub fn waiting_clips(&self, n: u64) -> String {
        let n = self.number(n);
        self.either_of(format!("{n} 个待上传"), format!("{n} waiting"))
    }

    /// A trial that goes on.
    pub fn trial_trying(&self, reached_ms: i64) -> String {
        self.either_of(
            format!("{reached_ms} 毫秒应答，正在试写、取回、锁定"),
            format!("answered in {reached_ms} ms; writing, reading back and locking"),
        )
    }

    /// A trial that came to its end.
    pub fn trial_found(&self, reached_ms: i64, took_ms: i64) -> String {
        self.either_of(
            format!("测试完成：{reached_ms} 毫秒应答，共 {took_ms} 毫秒"),
            format!("tested: answered in {reached_ms} ms, all of it took {took_ms} ms"),
        )
    }

    /// A trial that failed.
    pub fn trial_failed(&self, took_ms: i64) -> String {
        self.either_of(format!("测试失败（{took_ms} 毫秒）"), format!("the test failed after {took_ms} ms"))
    }

    /// What a self-check counts.
    pub fn check_counts(&self, problems: u64, warnings: u64) -> String {
        let (problems, warnings) = (self.number(problems), self.number(warnings));
        self.either_of(
            format!("问题 {problems}，注意 {warnings}"),
            format!("problems: {problems}, warnings: {warnings}"),
        )
    }

    /// How many settings somebody gave.
    pub fn own_settings(&self, own: u64, all: u64) -> String {
        let (own, all) = (self.number(own), self.number(all));
        self.either_of(
            format!("共 {all} 项，其中 {own} 项由本站设定"),
            format!("{all} settings, {own} of them given here"),
        )
    }

    /// A setting of the configuration file.
    pub fn from_line(&self, line: u64) -> String {
        self.either_of(format!("配置文件第 {line} 行"), format!("line {line} of the file"))
    }

    /// What an import had in it.
    pub fn import_line(&self, entries: u64, added: u64, changed: u64) -> String {
        let [entries, added, changed] = [entries, added, changed].map(|n| self.number(n));
        self.either_of(
            format!("{entries} 条，新增 {added}，变更 {changed}"),
            format!("{entries} entries, {added} new, {changed} changed"),
        )
    }

    /// A roster with mistakes.
    pub fn roster_mistakes(&self, mistakes: u64) -> String {
        let mistakes = self.number(mistakes);
        self.either_of(
            format!("错误 {mistakes} 处；未作任何改动"),
            format!("mistakes: {mistakes}; nothing was changed"),
        )
    }

    /// Rows of a roster that stand.
    pub fn standing_rows(&self, rows: u64) -> String {
        let rows = self.number(rows);
        self.either_of(format!("现有 {rows} 行"), format!("rows that stand: {rows}"))
    }

    /// A file with mistakes.
    pub fn mistakes_line(&self, mistakes: u64, conflicts: u64) -> String {
        let (mistakes, conflicts) = (self.number(mistakes), self.number(conflicts));
        self.either_of(
            format!("错误 {mistakes} 处，与已登记内容冲突 {conflicts} 处；未作任何改动"),
            format!("mistakes: {mistakes}, conflicts with what is registered: {conflicts}; nothing was changed"),
        )
    }

    /// What is not spelled out.
    pub fn and_more(&self, n: u64) -> String {
        let n = self.number(n);
        self.either_of(format!("另有 {n} 处"), format!("and {n} more"))
    }

    /// What a party comes to.
    pub fn party_counts(&self, cases: u64, clips: u64) -> String {
        let (cases, clips) = (self.number(cases), self.number(clips));
        self.either_of(format!("{cases} 个案件 · {clips} 个资料"), format!("cases: {cases} · clips: {clips}"))
    }

    /// What became of several clips.
    pub fn several_done(&self, done: u64, refused: u64) -> String {
        let (done, refused_n) = (self.number(done), self.number(refused));
        match (self.lang, refused) {
            (Lang::Zh, 0) => format!("{done} 个已处理"),
            (Lang::Zh, _) => format!("{done} 个已处理，{refused_n} 个未处理，原因如下"),
            (Lang::En, 0) => format!("done: {done}"),
            (Lang::En, _) => format!("done: {done}; not done: {refused_n}, for these reasons"),
        }
    }

    /// Recorders that should be back.
    pub fn overdue_line(&self, n: u64, recorder: &str, officer: &str) -> String {
        let count = self.number(n);
        match (self.lang, n) {
            (Lang::Zh, 1) => format!("{recorder}（{officer}）"),
            (Lang::Zh, _) => format!("{count} 台，最久的是 {recorder}（{officer}）"),
            (Lang::En, 1) => format!("{recorder}, with {officer}"),
            (Lang::En, _) => format!("{count} of them; the longest {recorder}, with {officer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_empty_or_left_untranslated() {
        for (name, zh, en) in OFFICE {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty() && en.is_ascii(), "{name}: {en}");
            assert!(*name == "joint" || zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
        }
    }
}
