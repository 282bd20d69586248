//! Every word that people read, in both languages, in one catalogue (decision 12).
//!
//! [`Words`] has one field a word and two values of it, so that a word missing in one language does not
//! compile. What carries numbers or depends on a domain type is a function: [`mod@format`] writes sizes,
//! times and counts, [`mod@names`] names the values of domain types, [`mod@sentences`] makes sentences, and
//! [`mod@terminal`] those of the command line.
//! The Chinese is what users of these stations say (domain.md, "Words on the page"), never translated
//! back from English. Nothing here knows HTML; what it returns is escaped by whoever shows it.

pub mod access;
pub mod alarms;
mod annotate;
pub mod casework;
pub mod check;
pub mod cut;
pub mod derived;
pub mod desk;
pub mod door;
pub mod format;
pub mod grounds;
pub mod keep;
pub mod keeping;
pub mod labels;
pub mod looks;
pub mod names;
pub mod network;
pub mod office;
pub mod oversight;
pub mod package;
mod parts;
pub mod player;
pub mod plot;
pub mod quoted;
pub mod refusals;
pub mod retrieval;
pub mod rooms;
pub mod sentences;
pub mod terminal;
pub mod todo;
pub mod together;
pub mod tokens;
pub mod verifying;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lang {
    /// Simplified Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// Both, Chinese first.
    pub const ALL: [Lang; 2] = [Lang::Zh, Lang::En];

    /// The tag for `lang` attributes and `Content-Language` (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The short code that the language cookie carries.
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The language's own name.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::Zh => "中文",
            Self::En => "English",
        }
    }

    /// Reads a code or tag by its primary subtag.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Zh)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// The language to answer in: the visitor's choice, else the station's where it has one, else the best of
    /// `Accept-Language` (RFC 9110, 12.5.4), else Chinese.
    pub fn negotiate(accept_language: Option<&str>, cookie: Option<&str>, station: Option<Self>) -> Self {
        if let Some(chosen) = cookie.and_then(Self::parse).or(station) {
            return chosen;
        }
        let mut best: Option<(Self, u32)> = None;
        // A header may be as long as the server lets it be; the first dozen ranges decide.
        for range in accept_language.unwrap_or_default().split(',').take(12) {
            let mut parts = range.split(';');
            let Some(lang) = parts.next().and_then(Self::parse) else { continue };
            let quality = parts
                .find_map(|p| p.trim().strip_prefix("q=").map(|q| q.trim().parse::<f32>().unwrap_or(0.0)))
                .unwrap_or(1.0);
            let weight = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
            if weight > 0 && best.is_none_or(|(_, w)| weight > w) {
                best = Some((lang, weight));
            }
        }
        best.map_or(Self::Zh, |(lang, _)| lang)
    }

    /// The catalogue in this language.
    pub fn words(self) -> &'static Words {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }
}

macro_rules! catalogue {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// The words of one language. Each field's documentation is its English.
        #[derive(Debug)]
        pub struct Words {
            /// Which language.
            pub lang: Lang,
            $(#[doc = concat!("`", $en, "`")] pub $name: &'static str,)+
        }

        static ZH: Words = Words { lang: Lang::Zh, $($name: $zh,)+ };
        static EN: Words = Words { lang: Lang::En, $($name: $en,)+ };

        /// Name, Chinese and English of every word, for checks over the whole catalogue.
        pub const ENTRIES: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)+];
    };
}

catalogue! {
    // Frame
    skip_to_content => "跳到正文", "Skip to content";
    nav_label => "主导航", "Main";
    nav_station => "采集站", "Station";
    nav_clips => "音像资料", "Clips";
    nav_annotate => "待标注", "To annotate";
    nav_cases => "案件", "Cases";
    nav_kiosk => "采集位大屏", "Bay board";
    language => "语言", "Language";
    clock_set => "已校时", "Clock set";
    clock_unset => "未校时", "Clock not set";
    live_news => "有新的变化；填完或清空后自动更新。", "Something changed; this page follows when you have finished typing.";
    live_lost => "连接已断开，正在重连。下面的内容可能不是最新的。", "Connection lost, reconnecting. What you see may be out of date.";
    back => "返回", "Back";
    show => "查看", "Show";
    none_dash => "—", "—";

    // A change that is asked for twice
    repeat_under_way => "同一请求正在处理，请稍后再试", "the same change is under way; ask again in a moment";
    repeat_told => "这项更改已经完成，其答复没有保留（令牌只显示一次），请直接查看结果", "the change was made, and its answer was not kept (a token is shown once); look at what came of it";
    repeat_another => "该 Idempotency-Key 已用于另一请求，请换一个", "this idempotency-key was used for another change; take a new one";

    // Stages of the flow strip
    flow_label => "流程", "Flow";
    stage_docked => "已接入", "Docked";
    stage_copying => "采集中", "Copying";
    stage_sealed => "已入库", "Sealed";
    stage_sending => "上传中", "Sending";
    stage_proven => "云端校验一致", "Proven";
    stage_released => "记录仪已清空", "Released";
    stage_stalled => "受阻", "Stalled";

    // States of a clip
    state_seen => "已接入", "Seen";
    state_copying => "采集中", "Copying";
    state_sealed => "已入库（校验一致）", "Sealed";
    state_sending => "上传中", "Sending";
    state_proven => "云端校验一致", "Proven";
    state_released => "记录仪已清空", "Released";
    state_incomplete => "待标注", "To annotate";

    // Facets
    local_copying => "采集中", "Copying";
    local_sealed => "已入库（校验一致）", "Sealed";
    local_evicted => "本地已腾出空间", "Removed here after proof";
    local_damaged => "本地文件已损坏", "Damaged here";
    sighting_present => "仍在记录仪上", "Still on the recorder";
    sighting_gone => "记录仪上已不见（不是本站清除）", "Gone from the recorder (not by us)";
    sighting_erase_intended => "即将从记录仪清除", "About to be erased from the recorder";
    sighting_erased => "已从记录仪清除", "Erased from the recorder";
    delivery_waiting => "待上传", "Waiting";
    delivery_sending => "上传中", "Sending";
    delivery_sent => "已上传，未校验", "Sent, unproven";
    delivery_proven => "校验一致", "Proven";
    delivery_suspect => "校验不一致", "Suspect";
    delivery_failed => "上传失败", "Failed";
    hold => "暂停销毁（复议/诉讼）", "On hold (review or lawsuit)";
    quarantine => "已隔离", "Quarantined";
    isolated => "疑似涉密，已阻断", "Suspected classified, isolated";
    isolated_detail => "疑似涉密：已停止上传，任何人不能调阅或导出，等待负责人处理。解除须两人在“保管”页办理：一人申请，另一人确认（部门负责人或档案员）", "Suspected classified: uploads have stopped, and nobody can view or export it until a responsible person has decided. Lifting takes two people, on the page Keeping: one asks, another one confirms (head of department or archivist)";
    isolated_stands_there => "此处已有内容，未作删除；请负责人决定如何处理", "Something of it stands here already, and nothing was deleted; a responsible person decides";

    // How a destination proves
    proof_remote_checksum => "云端计算校验值并比对", "the cloud's own checksum, compared";
    proof_read_back => "整份读回后比对", "read back whole and compared";
    proof_length_only => "只能比对大小，不算校验", "only the length can be compared: proves nothing";
    proof_none => "无法比对，不算校验", "nothing can be compared: proves nothing";
    same_device => "与本站存储在同一块盘上，本机损坏时会一起丢失", "On the station's own disk: lost together with this box";
    locked_objects => "防删除锁定", "locked against deletion";

    // Bays
    bays => "采集位", "Bays";
    bay_empty => "空", "Empty";
    bays_empty_list => "空闲采集位", "Empty bays";
    do_not_remove => "请勿拔出", "Do not remove";
    safe_to_remove => "可以取走", "Safe to remove";
    safe_uploading => "可以取走 · 上传中", "Safe to remove · uploading";
    not_confirmed => "未确认", "not confirmed";
    erasing => "正在清空，请勿取走", "Erasing: do not remove";
    erasing_detail => "正在删除已核实的录像", "Erasing proven footage";
    emptied => "记录仪已清空，可以取走", "Recorder emptied · safe to remove";
    unregistered => "未注册设备", "Unregistered device";
    unregistered_detail => "未读取，需要管理员确认", "Not read; an administrator has to approve it";
    held_refused => "设备已拒绝", "Refused device";
    held_refused_detail => "管理员不允许读取", "An administrator said no";
    held_not_storage => "不是记录仪", "Not a recorder";
    held_not_storage_detail => "采集位只接受记录仪，其他设备不会启用", "A bay takes recorders only; other devices stay dead";
    held_no_storage => "未开放存储", "No storage shown";
    held_no_storage_detail => "正在充电，或处于厂家专用模式", "Charging, or in its maker's private mode";
    held_broken => "无法读取", "Cannot be read";
    held_broken_detail => "已接入，但读不出内容", "Let in, but nothing on it can be read";
    held_take_out => "请拔出", "Take it out";
    held_switch => "请切换到U盘模式", "Switch the recorder to USB storage";
    reading_list => "正在读取文件列表", "Reading the list of files";
    paused_disk => "已暂停：磁盘空间不足", "Paused: the disk is full";
    paused_disk_detail => "尚未全部入库，请找管理员或换一个采集站", "Not everything is sealed; call the administrator or use another station";
    try_another_bay => "读取失败，请换一个采集位", "Cannot read: try another bay";
    nothing_on_it => "没有可采集的文件", "No files to copy";
    officer_unknown => "采集人未知", "Officer unknown";
    annotate_later => "稍后在工作台标注即可", "Annotate later at a desk";
    cannot_pull => "无法取回，请联系管理员", "Cannot be pulled: call the administrator";
    call_administrator => "请联系管理员", "Call the administrator";
    no_bays => "还没有采集位。接入记录仪后会出现在这里；用文件夹方式时，在接入目录下建一个文件夹即可。", "No bays yet. Dock a recorder and it appears here; with a folder source, make a directory inside the docking folder.";

    // Rooms
    nav_rooms => "录制", "Rooms";
    rooms_title => "询问室和听证室录制", "Recording rooms";
    room => "房间", "Room";
    no_rooms => "还没有配置摄像机。请在 evidock.toml 里添加一个 [[stream]]。", "No camera is configured. Add a [[stream]] to evidock.toml.";
    room_idle => "未录制", "Not recording";
    room_connecting => "正在连接摄像机", "Connecting to the camera";
    room_recording => "录制中", "Recording";
    room_waiting => "没有画面，自动重连", "No picture, reconnecting";
    room_start => "开始录制", "Start recording";
    room_stop => "停止录制", "Stop recording";
    room_begun => "已开始录制", "Recording was started.";
    room_stopped => "已停止录制，正在入库", "Recording was stopped; it is being sealed.";
    room_always => "一直录制", "Recorded always";
    room_schedule => "按时间表录制", "Recorded by schedule";
    room_on_demand => "按需录制", "Recorded on demand";
    room_still => "摄像机画面", "Picture of the camera";
    room_no_still => "还没有画面", "No picture yet";
    room_in_use => "使用中，录制内容不在您的范围内", "In use; what is recorded is not within your bounds";
    room_say_why => "说明调阅目的后查看画面", "Say what you look for to see the picture";
    room_since => "开始时间", "Since";
    room_rate => "码率", "Bit rate";
    room_lost => "丢包", "Lost packets";
    room_key => "关键帧间隔", "Key frame each";
    room_key_at => "最近关键帧", "Last key frame";
    room_begins => "下次开始", "Begins";
    room_ends => "到时停止", "Ends";
    room_clock => "摄像机时钟偏差", "Camera clock";
    room_tracks => "音视频", "Tracks";
    room_clip => "正在录制的资料", "The clip that grows";
    recording => "录制", "Recording";
    recording_previous => "上一段", "Clip before";
    recording_next => "下一段", "Clip after";
    station_time => "本站时间（首帧）", "Station's clock at the first frame";
    camera_time => "摄像机时间（首帧）", "Camera's clock at the first frame";
    segment_ended => "本段结束原因", "Why this clip ends";
    gaps => "缺失和时钟调整", "What is missing, clocks that were set";
    gap_at => "位置", "At";
    end_length => "到达设定时长", "it was long enough";
    end_asked => "录制停止", "the recording ended";
    end_changed => "摄像机改变了编码或时间", "the camera changed its encoding or its times";
    end_lost => "连接中断", "the connection was lost";
    end_silent => "摄像机不再发送", "nothing came any more";
    end_stopped => "采集站停止", "the station was stopped";
    end_interrupted => "采集站意外中断", "the station was cut off";
    end_failed => "读取失败", "reading it failed";
    end_full => "磁盘空间不足", "the disk was full";
    end_whole => "已取完记录仪列出的内容", "all that the recorder lists was fetched";
    end_short => "记录仪提供的内容少于其列表", "the recorder gave less than it lists";
    col_stream => "名称", "name";

    // Recorders in the network
    span_grows => "仍在录制", "still being recorded";
    span_waiting => "待取回", "to be fetched";
    span_whole => "已全部取回", "all of it is here";
    span_short => "记录仪不再提供", "the recorder gives no more";
    nothing_listed => "记录仪上没有录像", "it lists no footage";
    no_networks => "没有可以查询的网段：请在 evidock.toml 的 [discovery] 里写 networks", "no network may be asked; write networks in [discovery] of evidock.toml";
    nobody_found => "没有记录仪应答", "nobody answered";
    find_configured => "已配置", "configured";
    find_new => "未配置", "not configured";
    find_note => "要取回其录像：在 evidock.toml 里添加 [[network_recorder]]，然后 evidock recorders approve", "to pull one: add a [[network_recorder]] to evidock.toml, then `evidock recorders approve` it";
    listed_span => "记录仪列表", "Listed by the recorder";
    col_item => "录像", "recording";
    col_begin => "开始", "begin";
    col_length => "时长", "length";
    col_missing => "缺（秒）", "missing (s)";
    col_address => "地址", "address";
    col_hardware => "硬件", "hardware";
    col_since => "开始时间", "since";
    col_bit_rate => "码率", "bit rate";
    col_lost => "丢包", "lost";

    // Uplink
    uplink => "上传情况", "Uplink";
    last_hour => "近一小时", "Last hour";
    nothing_waiting => "没有待上传的资料", "Nothing is waiting";
    idle => "空闲", "Idle";
    destinations => "上传目标", "Destinations";
    no_destination => "没有上传目标。请在 evidock.toml 里添加一个 [[destination]]。", "No destination. Add a [[destination]] to evidock.toml.";
    dest_working => "正常", "Working";
    dest_checking => "正在检测", "Being checked";
    dest_unreachable => "连不上，自动重试", "Unreachable, retrying";
    dest_refused => "拒绝访问", "Refuses access";
    dest_paused => "已暂停上传", "Paused";
    dest_shut => "此时段不上传", "Nothing is sent at this hour";
    dest_resting => "对方要求放慢，稍后继续", "Asked for patience, goes on by itself";
    pause_sending => "暂停上传", "Pause";
    resume_sending => "恢复上传", "Resume";
    push_clip => "优先上传", "Send first";
    line_shut => "  此时段不上传", "  nothing is begun at this hour";
    optional_destination => "可选", "Optional";

    // Disk
    disk => "本地磁盘", "Local disk";
    disk_undelivered => "未送达", "Not delivered yet";
    disk_kept => "已校验，按策略保留", "Proven, kept by policy";
    disk_held => "暂停销毁", "On hold";
    disk_other => "其他", "Other";
    disk_free => "可用", "Free";
    disk_stopped => "已停止采集，直到腾出空间", "Copying has stopped until there is room";

    // Alarms
    alarms => "需要处理", "Needs attention";
    no_alarms => "没有需要处理的事项", "Nothing needs attention";
    severity_bad => "故障", "Fault";
    severity_warn => "注意", "Attention";
    severity_info => "提示", "Note";
    act_annotate => "去标注", "Annotate";
    act_show_clip => "查看资料", "Show the clip";
    act_network => "请检查网线和网络；恢复后自动续传", "Check the cable and the network; sending goes on by itself";
    act_clock => "请检查时间同步（chrony 或 systemd-timesyncd）", "Check time synchronisation (chrony or systemd-timesyncd)";
    act_disk => "请检查上传是否受阻，或增加磁盘", "Check whether sending is stalled, or add a disk";
    act_second_place => "请添加不在本机上的上传目标", "Add a destination that is not on this box";
    act_pull => "检查记录仪，再运行 evidock recorders pull", "Check the recorder, then evidock recorders pull";
    act_doctor => "运行 evidock doctor 查看原因", "Run evidock doctor to see why";

    // Lists
    clips_title => "音像资料", "Clips";
    filter => "筛选", "Filter";
    filters => "筛选条件", "Filters";
    more_filters => "更多条件", "More";
    clear_filters => "清除条件", "Clear";
    any => "不限", "Any";
    any_missing => "缺任意一项", "Anything";
    missing => "缺", "Missing";
    missing_facts => "缺少信息", "Missing fact";
    state => "状态", "State";
    case => "案件", "Case";
    recorder => "记录仪", "Recorder";
    from_day => "起始日期", "From";
    to_day => "截止日期", "To";
    captured => "采集时间", "Captured";
    length => "时长", "Length";
    size => "大小", "Size";
    file => "文件", "File";
    no_capture_time => "采集时间缺失", "No capture time";
    not_linked => "未关联案件", "Not linked";
    first_page => "回到第一页", "First page";
    next_page => "下一页", "Next page";
    paging => "翻页", "Pages";
    no_clips => "还没有音像资料", "No clips yet";
    no_clips_detail => "把记录仪放进采集位，采集到的视频会出现在这里。", "Dock a recorder in a bay and its clips appear here.";
    no_match => "没有符合条件的资料", "Nothing matches";
    no_match_detail => "放宽或清除条件再试。", "Loosen or clear the filters.";
    all_annotated => "没有待标注的资料", "Nothing to annotate";
    all_annotated_detail => "五项基本信息都已齐全。", "All five required facts are there.";

    // Cases
    cases_title => "案件", "Cases";
    search => "查找", "Find";
    case_search_hint => "案件编号、文书号或检查任务号，括号样式不限，输入一部分也可以", "Any number of the case in any bracket style; a part will do";
    no_cases => "还没有案件", "No cases yet";
    no_cases_detail => "为一份音像资料填写案件编号，或导入排班表，案件就会出现在这里。", "Give a clip a case number, or import a roster, and its case appears here.";
    no_case_match => "没有找到这个编号", "No case has this number";
    no_case_match_detail => "核对编号，或只输入其中一段数字。", "Check the number, or type only a part of it.";
    did_you_mean => "您要找的是：", "Did you mean:";
    other_numbers => "其他编号", "Other numbers";
    last_captured => "最近采集", "Last captured";
    timeline => "时间线", "Timeline";
    stage_unnamed => "未注明环节", "Stage not given";
    timeline_hatched => "斜纹：同一环节两段录像之间没有录像", "Hatched: no recording between two clips of one stage";
    stations => "采集站", "Stations";
    kind_case => "案件", "Case";
    kind_inspection => "检查任务", "Inspection";
    kind_on_the_spot => "当场处罚", "On-the-spot penalty";
    kind_unfiled => "日常检查（未立案）", "Routine check (no case opened)";

    // Casework
    reg_unit => "单位", "units";
    reg_officer => "人员", "officers";
    reg_recorder => "记录仪", "recorders";
    reg_party => "当事人", "parties";
    reg_case => "案件", "cases";
    reg_catalogue => "音像记录事项清单", "catalogue";
    tier_whole => "全过程", "whole";
    tier_part => "重点环节", "relevant parts";
    tier_written => "文字记录即可", "written record suffices";
    cov_missing => "应进行音像记录，未见资料", "Missing";
    cov_explained => "未记录，已说明原因", "Missing, with reason";
    cov_interrupted => "中断", "Interrupted";
    cov_late => "逾期入库", "Late";
    cov_present => "已记录", "Recorded";
    cov_replaced => "以文字记录替代", "Written record instead";
    cov_not_yet_due => "尚未进行", "Not yet due";
    coverage_print => "打印与导出", "Print and export";
    reason_title => "未记录原因", "Why something is not recorded";
    reason_hint => "同一事项多次进行的，每次分别说明。说明会留存、写入日志，可撤回但不会删除；须全过程记录的事项即使说明原因仍属缺少记录。", "Each occasion of a matter needs its own. It is kept and logged; it can be taken back and is never erased. What must be recorded whole stays missing, with its reason.";
    reason_say => "说明原因", "Give the reason";
    reason_withdraw => "撤回", "Take back";
    reason_withdrawn => "已撤回", "Taken back";
    reason_empty => "请写明未记录的原因；要撤回请点“撤回”。", "Say why it is not recorded; to take a reason back, use its button.";
    done_reason_said => "未记录原因已登记", "The reason is on record";
    done_reason_withdrawn => "未记录原因已撤回", "The reason was taken back";
    coverage => "《音像记录事项清单》落实情况", "What should be recorded";
    case_narrowed => "本页只列您有权查看的资料，落实情况也只按这些资料判断；案件可能还有其他资料。", "Only clips that you may see stand here, and what should be recorded is judged by these alone; the case may have others.";
    no_catalogue => "还没有适用的《音像记录事项清单》：evidock register import catalogue", "No catalogue applies yet: evidock register import catalogue";
    rule_recording => "录制登记", "recording";
    rule_desk => "领用登记", "issue desk";
    rule_roster => "排班表", "roster";
    rule_tag => "文件名或附属文件中的编号", "number in name or sidecar";
    rule_earlier => "立案前的检查任务或文书", "what the case was before it was opened";
    rule_neighbour => "同一次外勤的其他资料", "other clips of the outing";
    rule_register => "案件登记信息", "register of cases";
    rule_place => "采集位置", "position";
    suggested => "建议关联", "suggested";
    triage_accept => "确认", "Accept";
    triage_refuse => "不属于该案", "Not of this case";
    triage_link => "保存所填内容", "Save what is filled in";
    triage_is_officer => "确认采集人是", "Recorded by";
    triage_undo => "撤销", "Undo";
    triage_nothing => "请填写案件编号、采集地点或证明对象中的至少一项，再确认", "Fill in a case number, a place or what it proves, at least one of them, and accept again";
    triage_keys => "按键：j/k 上下，Enter 确认框内内容，o 整次外勤，x 否定，n 编号，p 地点，v 证明对象，1–9 选证明对象，Esc 离开输入框，u 撤销", "Keys: j/k up and down, Enter takes what stands in the boxes, o for the whole outing, x refuses, n number, p place, v what it proves, 1 to 9 choose what it proves, Esc leaves a box, u takes back";
    would_link => "将关联", "would be linked to";
    would_suggest => "待确认", "would wait for";
    col_why => "理由", "why";
    col_register => "登记簿", "register";
    col_added => "新增", "new";
    col_changed => "变更", "changed";
    col_when => "导入时间", "imported";
    col_undone => "撤销时间", "taken back";
    col_tier => "记录方式", "to be recorded";
    col_detail => "说明", "detail";

    // A clip
    clip => "音像资料", "Clip";
    clip_page => "资料页", "Page of the clip";
    player => "播放", "Player";
    looks_logged => "查看和下载会留下调阅记录", "Looking at it and downloading it leave entries in the access log";
    play_logged => "播放会留下调阅记录", "Playing leaves an entry in the access log";
    not_playable_here => "浏览器不能播放这种编码，也无法生成预览；请下载后用播放器查看", "Browsers cannot play this encoding and no preview can be made of it; download it and use a media player";
    derived_label => "派生预览，不是证据原件。", "Derived preview, not the evidence.";
    derived_detail => "由逐段核验过的原件字节临时生成；核对、举证以原始文件为准。", "Made for now from verified bytes of the original; to compare or to prove, take the original.";
    preview_busy => "正在生成预览", "The preview is being made";
    preview_needs_script => "预览需要启用脚本。", "The preview needs scripts.";
    verified_so_far => "送出前已与入库摘要核对：", "Compared with the sealed digest before it was sent:";
    read_elsewhere => "本地副本已清出，逐段核验后读取自", "the copy here was removed; read, each stretch verified, from";
    frame_back => "后退一帧", "One frame back";
    frame_on => "前进一帧", "One frame on";
    speed => "播放速度", "Speed";
    mark_from => "标记起点", "Mark begin";
    mark_to => "标记终点", "Mark end";
    marked_part => "标记的片段", "Marked part";
    play_part => "播放片段", "Play the part";
    clear_marks => "清除标记", "Clear marks";
    link_to_part => "指向此片段的链接", "Link to this part";
    copy_link => "复制链接", "Copy link";
    contact_sheet => "画面概览", "Contact sheet";
    contact_sheet_alt => "全程均匀截取的十二个画面", "Twelve pictures evenly spread over the clip";
    contact_sheet_detail => "点击画面即跳到该处；画面取自附近的关键帧。", "Click a picture to go there; pictures are of the nearest earlier key frame.";
    not_media => "不是音视频文件，按原样保存", "Not a media file; kept as it is";
    not_sealed_yet => "尚未入库，入库后可以播放", "Not sealed yet; it can be played once it is";
    no_copy_to_play => "本地已腾出空间，目前没有可用的云端副本；运行 evidock doctor 查看原因", "Removed here after proof, and no copy elsewhere can be had now; evidock doctor says why";
    picture_alt => "视频截图", "Still from the clip";
    download => "下载原始文件", "Download the original";
    five_facts => "基本信息（应注明五项）", "The five required facts";
    fact_missing => "缺，请补充", "Missing, please add";
    other_facts => "其他信息", "Other facts";
    media_facts => "媒体信息", "Media";
    media_unknown => "尚未检测", "Not looked at yet";
    container => "封装格式", "Container";
    video => "视频", "Video";
    audio => "音频", "Audio";
    health => "完整性", "Integrity";
    health_whole => "完整", "Whole";
    health_truncated => "不完整：文件提前结束，按原样保存", "Truncated: it ends early; kept as it is";
    health_broken => "结构损坏：按原样保存", "Broken structure; kept as it is";
    health_not_media => "不是音视频", "Not media";
    read_in_holes => "读取不全", "Not whole";
    remarks => "值得注意", "Worth a look";
    odd_unreadable => "时间无法识别", "not a date and time";
    odd_clock_unset => "早于 2001 年，记录仪时钟没有校准", "before 2001: the recorder's clock was not set";
    odd_whose_unknown => "采集时间不明，记录仪又由多人领用，未按它自带的人员信息认定", "whom it names was not followed: when it was captured is not known, and the recorder goes from hand to hand";
    odd_no_stay => "采集时没有唯一相符的领用或排班记录，未按记录仪自带的人员信息认定，请确认采集人", "whom it names was not followed: neither desk nor roster says who had the recorder then; say who recorded";
    odd_after_dock => "晚于接入时间一天以上，记录仪时钟不准", "more than a day after the dock: the recorder's clock is wrong";
    odd_later_than_dock => "晚于接入时间，记录仪时钟偏快，不能据此认定由谁领用", "later than the dock: the recorder's clock is ahead, and its time does not say who had it";
    odd_unlike_filed => "排班表现在写的与归档时不一致；已归档的内容保持不变", "the roster says something else than what was filed; what was signed stays";
    odd_clock_off => "记录仪时钟不准，这段时间内记录仪又换了领用人或班次，不能据此认定由谁领用", "its clock was off, and by how much decides who had the recorder: neither desk nor roster was followed";
    odd_local_in_container => "文件里写的是本地时间而不是 UTC，已按本地时间读取", "the container holds local time, not UTC; read as local";
    odd_clock_jumped => "与文件名时间相差超过录制时长，录制期间时钟被改动，或文件后来被写过", "further from the name's time than the recording is long: the clock was changed meanwhile, or the file written to later";
    resumed_sampled => "分两次读取，接续前抽样比对一致", "Read in two docks; samples were compared before it went on";
    original_name => "原始文件名", "Original file name";
    original_path => "在记录仪上的位置", "Path on the recorder";
    recorder_time => "记录仪自己的时间", "The recorder's own time";
    marked => "已标记为重要", "Marked as important";
    supersedes => "接替的旧资料", "Supersedes";
    sensitivity => "敏感标记", "Sensitivity";
    retention => "保管期限", "Kept for";
    copies => "副本", "Copies";
    copy_here => "本采集站", "This station";
    place_column => "位置", "Where";
    how_proven => "校验方式", "How it is proven";
    proven_at => "校验时间", "Proven at";
    custody => "流转记录", "Custody";
    custody_detail => "每一步都写入不可悄悄改写的日志", "Every step is in a log that nobody can quietly rewrite";
    log_entry => "日志序号", "Log entry";
    by_daemon => "本站程序", "the station";
    by_os_user => "本机用户", "local user";
    by_web => "网页", "the page";
    digests => "校验值", "Digests";
    record_id => "资料编号", "Record id";
    linked_cases => "关联案件", "Cases";
    link_title => "关联到案件", "Link to a case";
    link_button => "关联", "Link";
    link_from => "仅自（片内时间）", "Only from (time in the clip)";
    link_to => "至", "Up to";
    link_range_hint => "只关联一段时填写片内起止时间，如 90、1:30 或 1:02:03.5；不填即全片", "For a part of the clip alone write where it begins and ends, as 90, 1:30 or 1:02:03.5; left empty, it is the whole clip";
    whole_clip_end => "片尾", "end";
    hints_title => "同一次外出的其他资料属于下列案件，仅供参考：", "Other clips of the same outing are of these cases; for information only:";
    of_this_case => "本案片段", "of this case";
    link_case_hint => "例如 赵卫罚〔2026〕12号；立案前可填检查任务号", "For example 赵卫罚〔2026〕12号; before a case is opened, an inspection number will do";
    unlink => "取消关联", "Unlink";
    unlink_reason => "取消的原因", "Why";
    annotate_title => "补充或更正", "Add or correct";
    annotate_hint => "只填要改的；原来的来源会保留。清空表示撤回人工填写的内容。", "Change what needs it; what other origins said is kept. Clearing a field withdraws what a person had entered.";
    save => "保存", "Save";
    optional => "（选填）", "(optional)";
    done_linked => "已关联", "Linked";
    done_pushed => "已排到最前", "It goes first now";
    done_unlinked => "已取消关联", "Unlinked";
    done_annotated => "已保存", "Saved";

    // Fields of a record
    f_case_no => "案件编号", "Case number";
    f_captured_start => "采集时间", "Capture time";
    f_captured_end => "结束时间", "End";
    f_captured_raw => "记录仪时间", "Recorder's time";
    f_place => "采集地点", "Place";
    f_officer => "采集人", "Officer";
    f_officer_cert_no => "执法证号", "Certificate number";
    f_co_officers => "协办人员", "Other officers";
    f_proves => "证明对象", "What it proves";
    f_title => "题名", "Title";
    f_cause => "案由", "Cause";
    f_enforcement_kind => "执法类别", "Kind of enforcement";
    f_stage => "环节", "Stage";
    f_matter => "记录事项", "Matter recorded";
    f_party_ref => "当事人", "Party";
    f_agency => "执法机关", "Agency";
    f_lat => "纬度", "Latitude";
    f_lon => "经度", "Longitude";
    coordinates => "坐标", "Coordinates";
    f_datum => "坐标系", "Datum";
    f_track => "轨迹", "Track";
    f_sensitivity => "敏感标记", "Sensitivity";
    f_gap_reason => "未记录原因", "Reason for no recording";

    // Where a value came from
    o_person => "人工填写", "entered by a person";
    o_recording => "录制登记", "the recording";
    o_issue => "领用登记", "issued at the desk";
    o_roster => "排班表", "roster";
    o_sidecar => "随附文件", "sidecar file";
    o_binding => "绑定文件", "binding file";
    o_file_name => "文件名", "file name";
    o_media => "媒体文件", "media file";
    o_file_time => "文件时间", "file time";
    o_rule => "关联规则", "linking rule";
    o_register => "人员登记", "register of officers";
    auxiliary_staff => "辅助人员", "auxiliary staff";
    o_config => "配置默认值", "configured default";

    // Kiosk
    kiosk_title => "采集位", "Bays";
    kiosk_failing => "换一个采集位", "Try another bay";
    kiosk_paused => "已暂停", "Paused";
    kiosk_stale => "画面已停止更新，请勿据此取走设备", "This board has stopped updating: do not rely on it";

    // Refusals
    err_not_found => "没有这个页面", "There is no such page";
    err_not_found_detail => "地址可能输入有误；请从页面的导航重新打开。", "The address may be mistyped; open it again from the navigation.";
    err_missing => "没有找到", "Not found";
    err_clip_not_found => "没有这份音像资料", "There is no such clip";
    err_clip_not_found_detail => "请核对资料编号，或在“音像资料”页检索；其他采集站的资料用该页的“在其他采集站查找”，没有这个按钮时请档案员查找。", "Check the record id, or search on the page Clips; clips of other stations are found there with Look on other stations. Where that is not offered, ask the archivist.";
    err_case_not_found => "没有找到这个案件", "There is no such case";
    err_method => "这个地址不接受这种请求", "This address does not take that kind of request";
    err_method_detail => "请从页面上的按钮操作，或查看 /api/v1/openapi.json。", "Use the buttons on the page, or read /api/v1/openapi.json.";
    err_host => "这个地址不能访问采集站", "The station does not answer to this address";
    err_host_detail => "请用本机地址（127.0.0.1、localhost）或配置文件 [web] names 中的名称访问；要增加名称请找系统管理员。", "It answers to 127.0.0.1, localhost, and the names of [web] names in the configuration; ask the system administrator to add one.";
    err_origin => "请求来自别的网站，未执行", "The request came from another site and was not carried out";
    err_origin_detail => "请从本站页面上重新操作一次。", "Do it again from the station's own page.";
    not_saved => "未保存", "Not saved";
    err_invalid => "内容有误，未保存", "Not saved: something is wrong with it";
    err_asked => "填写的条件或地址有误", "Something in what was asked for is wrong";
    err_invalid_detail => "请按提示改正后再提交一次。", "Correct it as the message says and send it again.";
    err_conflict => "与现有内容冲突，未保存", "Not saved: it conflicts with what is there";
    err_too_large => "内容过大，未处理", "Too large, not taken";
    err_too_large_detail => "请拆分后分次提交。", "Split it and send it in parts.";
    err_unavailable => "暂时无法完成", "Not possible right now";
    err_unavailable_detail => "采集和上传不受影响。请稍后再试；若持续出现，请系统管理员在“管理”中自检，或运行 evidock doctor。", "Copying and sending go on. Try again in a moment; if it stays, ask the system administrator: the self-check under Admin, or evidock doctor, says why.";
    err_range => "请求的范围超出文件", "The requested range lies outside the file";
    err_no_preview => "这里没有可预览的内容", "There is nothing to preview here";
    err_no_preview_detail => "这份文件无法解码，或者已经到了结尾；请用专用播放器查看原始文件，不能下载时请档案员协助。", "This file cannot be decoded, or it has ended before this place; view the original in a player of its maker. Whoever may not save it asks the archivist.";
    err_isolated => "疑似涉密，已阻断调阅", "Suspected classified: nobody can view it";
    err_isolated_detail => "请联系部门负责人或档案员。解除须两人在这份资料的页面或“保管”页办理：一人申请，另一人确认。", "Ask the head of department or the archivist. Lifting it takes two people, on the page of the clip or on Keeping: one asks, another one confirms.";
    err_no_copy => "没有取到完好的副本", "No good copy could be had";
    err_no_copy_detail => "每一份副本都与入库时不一致或读不到；请在这份资料的页面点“立即校验”并勾选读回比对，再告知系统管理员。", "Every copy differs from what was sealed or cannot be read; use Verify now on the page of the clip, with the copies at the destinations, and tell the system administrator.";
    err_no_copy_now_detail => "存放它的地方暂时连不上，请稍后再试；若持续出现，请系统管理员检查上传目标。", "Where it stands cannot be reached now. Try again in a moment; if it stays, ask the system administrator to look at the destination.";
    err_failed => "出了问题", "Something went wrong";
    err_failed_detail => "采集和上传不受影响。请再试一次；若持续出现，请系统管理员在“管理”中自检，或查看系统日志（journalctl -u evidock）。", "Copying and sending go on. Try again; if it stays, ask the system administrator: the self-check under Admin and the log (journalctl -u evidock) say why.";
    err_back => "回到采集站", "Back to the station";

    // An evidence package
    export_title => "导出证据包", "Evidence package";
    export_new => "申请导出", "Ask for a package";
    export_explained => "谁、为何、依据什么导出，先写入日志，再写第一个字节。", "Who asks, why and on what basis is logged before the first byte is written.";
    export_second_explained => "提交后须由另一人确认。", "Another person must confirm it.";
    export_confirmed_by => "请另一名档案员登录后在本页确认。", "Ask another archivist to sign in and confirm it on this page.";
    export_target => "去向", "Goes to";
    export_to_browser => "由浏览器下载（zip）", "This browser, as a zip";
    export_to_station => "采集站上的文件夹", "A folder on the station";
    export_to_destination => "云端", "Cloud";
    export_disc => "按光盘容量拆分", "Divide among discs";
    export_disc_none => "不拆分", "In one piece";
    export_disc_own => "自定容量（GB）", "Own size (GB)";
    export_ask => "申请导出", "Ask for it";
    export_list => "已申请的证据包", "Packages that were asked for";
    export_none => "还没有申请过证据包。请在案件页面点“导出证据包”。", "None yet. Open a case and ask for its evidence package there.";
    export_asked => "待另一人确认", "Waits for a second person";
    export_refused => "未予确认", "Refused";
    export_making => "制作中", "Being made";
    export_failed => "已停止", "Stopped";
    export_ready => "已完成并签名", "Finished and signed";
    export_over => "已过保留期", "No longer kept";
    export_second => "确认人", "Second person";
    export_fetch => "下载", "Download";
    export_confirm => "确认导出", "Confirm";
    export_refuse => "不予确认", "Refuse";
    export_again => "继续制作", "Go on";
    pk_readme => "说明文件", "Read this first";
    pk_catalogue => "证据目录", "Catalogue of evidence";
    pk_transfer => "移交登记表", "Transfer register";
    pk_checker => "校验", "Check the files";
    pk_case => "案件编号", "Case number";
    pk_station => "采集站", "Station";
    pk_agency => "执法机关", "Agency";
    pk_reason => "导出事由", "Why";
    pk_basis => "依据", "On what basis";
    pk_recipient => "接收单位", "For";
    export_derived => "附上这些资料的派生文件（标明为派生，不是证据原件）", "With the files that were derived of its clips, called derived";
    pk_derived => "data/derived 中是派生文件，不是证据原件：每个文件的原件校验值写在 data/metadata/derived.json 中。", "What stands in data/derived is derived, not the evidence: data/metadata/derived.json has the digests of the original of each.";
    pk_no_pdf => "本站没有可用的中文字体，包内没有 PDF。请在任意浏览器中打印这些页面；打印的文件放在包外。", "The station has no typeface with Chinese, so there is no PDF in this package. Print these pages in any browser, and keep what was printed beside the package.";
    pk_asked_by => "导出人", "Made by";
    pk_asked_at => "导出时间", "Made at";
    pk_package => "证据包编号", "Package";
    pk_content => "内容", "Content";
    pk_disc => "第几张盘", "Disc";
    pk_digest => "内容校验值（manifest-sha256.txt 的 SHA-256）", "Digest of the content (SHA-256 of manifest-sha256.txt)";
    pk_number => "序号", "No.";
    pk_handed => "移交清单", "What is handed over";
    pk_digest_short => "SHA-256（前 16 位）", "SHA-256 (first 16 digits)";
    pk_file => "文件", "File";
    pk_source => "来源", "Source";
    pk_log_entry => "入库日志序号", "Log entry of the seal";
    pk_custody => "保管过程", "Custody";
    pk_when => "时间", "When";
    pk_what => "事项", "What";
    pk_who => "操作者", "Who";
    pk_giver => "移交人（签字）", "Handed over by (signature)";
    pk_taker => "接收人（签字）", "Received by (signature)";
    pk_witness => "监交人（签字）", "In the presence of (signature)";
    pk_date => "日期", "Date";
    pk_medium => "载体及数量", "Medium and number";
    pk_remarks => "备注", "Remarks";
    pk_shows => "能证明什么", "What it shows";
    pk_shows_not => "不能证明什么", "What it does not show";
    pk_how => "怎样核对", "How to check it";
    pk_inside => "目录结构", "What is inside";
    pk_drop => "把整个证据包文件夹拖到这里，或点此选择文件夹", "Drop the whole folder here, or choose it";
    pk_choose => "选择文件夹", "Choose the folder";
    pk_checking => "正在核对", "Checking";
    pk_same => "一致", "Same";
    pk_differs => "不一致", "Differs";
    pk_missing => "缺少", "Missing";
    pk_extra => "多出", "Not part of the package";
    pk_all_same => "全部文件一致", "Every file is the same";
    pk_not_same => "有文件不一致、缺少或多出", "Files differ, are missing, or do not belong here";
    pk_unreadable => "放入的文件夹读不出来，没有核对任何内容；请重新拖入或选择整个文件夹", "What was dropped cannot be read, and nothing was compared; drop the whole folder again, or choose it";
    pk_check_limit => "本页只发现意外的改动。要确认出处，请用 evidock import-check 和采集站的公钥核对签名。", "This page finds accidents. To be sure of the origin, compare the signature with the station's public key: evidock import-check.";
    pk_offline => "全部在本机浏览器内计算，不联网，不上传。", "Everything is computed in this browser; nothing leaves this machine.";
    pk_no_script => "需要允许本页运行脚本。", "This page needs scripts.";
    pk_in_order => "证据包完整，与签名一致", "the package is whole, and what was signed";
    pk_not_in_order => "证据包与签名不一致", "the package is not what was signed";

    // The proof of an entry
    proof_title => "日志条目及其证明", "An entry of the log, and its proof";
    proof_show => "查看证明", "Show the proof";
    proof_event => "条目原文", "The entry as it is stored";
    proof_leaf => "叶散列", "Leaf hash";
    proof_text => "证明", "Proof";
    proof_size => "检查点覆盖的条目数", "Entries below the checkpoint";
    proof_save_event => "下载条目", "Save the entry";
    proof_save => "下载证明", "Save the proof";
    proof_none_yet => "还没有检查点覆盖这一条；最多一分钟后会有。", "No checkpoint covers this entry yet; one does within a minute.";
    proof_how => "任何人都可以用条目、证明和采集站的公钥离线核对（c2sp.org/tlog-proof）。", "With the entry, the proof and the station's public key anybody can check it offline (c2sp.org/tlog-proof).";
    proof_cosigned => "见证签名", "Cosigned by";

    // Sign-in and accounts
    sign_in => "登录", "Sign in";
    sign_out => "退出", "Sign out";
    sign_in_title => "登录采集站", "Sign in to the station";
    login_name => "账号", "Account";
    password => "口令", "Password";
    sign_in_wrong => "账号或口令不对，或者连续输错后暂时锁定", "Account and password do not fit, or the account is locked after too many tries";
    sign_in_wrong_detail => "稍等片刻再试；忘了口令或急用，请安全管理员解锁或重设。", "Wait a moment and try again; the security administrator unlocks an account or sets a new password.";
    sign_in_closed => "这个账号已停用或已过有效期", "This account is disabled, or its time is over";
    sign_in_closed_detail => "请联系安全管理员。", "Ask the security administrator.";
    sign_in_code => "动态验证码", "One-time code";
    sign_in_code_hint => "打开手机上的验证器，输入 6 位数字。", "Open the authenticator on your telephone and type its six digits.";
    sign_in_wrong_code => "验证码不对，或已经用过", "The code does not fit, or was used already";
    sign_in_wrong_code_detail => "等下一组数字出现后再输入。", "Wait until the next one appears.";
    sign_in_too_late => "等待时间过长，请重新登录", "That took too long; sign in again";
    sign_in_go_on => "继续", "Go on";
    signed_out => "已退出", "You have signed out";
    board_is_open => "查看采集位大屏（不需要登录）", "Bay board (no sign-in needed)";
    access_is_logged => "登录和每次调阅都会留下记录", "Signing in, and whatever you look at, leaves an entry in the log";
    open_station => "本站还没有账号：能打开本页的人都可以操作。建立第一个账号：evidock user first", "This station has no account yet: whoever opens this page may do everything. The first one is made by evidock user first";
    my_account => "我的账号", "My account";
    roles => "角色", "Roles";
    change_password => "修改口令", "Change the password";
    password_present => "现在的口令", "Present password";
    password_new => "新口令", "New password";
    password_again => "再输入一次新口令", "New password once more";
    password_rule => "至少 10 个字符，可以是一句话；不要含账号名。", "At least 10 characters; a sentence will do. Without the name of the account.";
    password_unlike => "两次输入的新口令不一样", "The two new passwords differ";
    password_wrong => "现在的口令不对", "The present password is not right";
    password_changed => "口令已修改，其他地方的登录已结束", "The password was changed; sessions elsewhere have ended";
    must_change => "请先修改口令", "Change your password first";
    must_change_detail => "这个口令是别人给的。改成只有自己知道的，再继续使用。", "Somebody else knows this password. Choose one that only you know, then go on.";
    weak_short => "太短，至少 10 个字符", "Too short: at least 10 characters";
    weak_long => "太长", "Too long";
    weak_name => "不能含账号名", "It must not hold the name of the account";
    weak_guessable => "太容易猜到，换一个不常见的", "Too easy to guess; choose an unusual one";
    weak_same => "和现在的口令一样", "It is the present one";
    codes_title => "动态验证码", "One-time codes";
    codes_on => "已启用：登录时除口令外还要输入手机上的验证码。", "On: signing in asks for a code of your telephone besides the password.";
    codes_off => "未启用。启用后，登录时除口令外还要输入手机验证器上的 6 位数字。", "Off. When they are on, signing in asks for six digits of an authenticator besides the password.";
    codes_secret => "用手机验证器扫描二维码，或者手工输入下面的密钥，再填写它显示的 6 位数字：", "Scan this with the authenticator, or type the key below into it; then type the six digits that it shows:";
    codes_set_up => "在本机打开验证器", "Open an authenticator on this device";
    codes_begin => "启用", "Switch on";
    codes_end => "停用", "Switch off";
    codes_now_on => "动态验证码已启用", "One-time codes are on";
    codes_now_off => "动态验证码已停用", "One-time codes are off";
    sessions_title => "当前登录", "Sessions";
    session_this => "当前", "This one";
    session_since => "登录时间", "Signed in";
    session_seen => "最近使用", "Last used";
    session_from => "来自", "From";
    session_end => "结束", "End";
    session_ended => "已结束", "Ended";
    nav_log => "日志", "Log";
    log_title => "日志", "Log";
    log_kind => "类别", "Kind";
    log_actor => "谁", "Who (kind and number)";
    log_when => "时间", "When";
    log_what => "事项", "What";
    log_who => "谁", "Who";
    log_about => "内容", "About";
    log_access => "登录和调阅", "Sign-in and access";
    log_accounts => "账号变更", "Accounts";
    log_clips => "音像资料", "Clips";
    log_station => "采集站", "Station";
    nav_accounts => "账号", "Accounts";
    accounts_title => "账号和权限", "Accounts and rights";
    account_add => "新建账号", "New account";
    account_label => "姓名", "Name";
    account_unit => "部门", "Unit";
    account_unit_hint => "部门负责人能看到本部门采集人的资料。", "A head of department sees what officers of the unit recorded.";
    account_officer => "作为采集人的姓名或编号", "Name or number as officer";
    account_officer_hint => "和资料上的采集人一致，多个用逗号隔开；执法人员能看到自己采集的资料。", "As it stands in records, several separated by commas; an officer sees what they recorded themselves.";
    account_until => "有效期至", "Until";
    account_until_hint => "外部人员填写最后一天；到期后不能登录。", "The last day, for outside people; nobody signs in after it.";
    account_made => "账号已建立。请把首次登录口令当面交给本人，它只显示这一次：", "The account was made. Hand the first password over in person; it is shown only now:";
    account_new_password => "新口令只显示这一次，请当面交给本人：", "The new password is shown only now; hand it over in person:";
    account_save => "保存", "Save";
    account_saved => "已保存", "Saved";
    account_disable => "停用", "Disable";
    account_enable => "恢复使用", "Enable";
    account_unlock => "解锁", "Unlock";
    account_reset => "重设口令", "Set a new password";
    account_reset_codes => "同时停用动态验证码（手机丢失时）", "Switch one-time codes off, too (a lost telephone)";
    account_sign_out => "结束全部登录", "End every session";
    account_open => "正常", "In use";
    account_disabled => "已停用", "Disabled";
    account_over => "已过期", "Its time is over";
    account_locked => "已锁定", "Locked";
    account_first_time => "未改初始口令", "First password not changed yet";
    accounts_none => "还没有账号", "No account yet";
    account_edit => "修改", "Change";
    role_officer => "执法人员", "Officer";
    role_department_head => "部门负责人", "Head of department";
    role_supervisor => "执法监督人员", "Enforcement supervisor";
    role_legal_reviewer => "法制审核员", "Legal reviewer";
    role_archivist => "档案员", "Archivist";
    role_auditor => "安全审计员", "Security auditor";
    role_system_administrator => "系统管理员", "System administrator";
    role_security_administrator => "安全管理员", "Security administrator";
    roles_apart => "安全审计员、系统管理员、安全管理员各自独立，不能兼任其他角色（三员分立）。", "Security auditor, system administrator and security administrator keep apart: none of them has another role.";
    purpose_title => "请说明调阅目的", "Say what you look for";
    purpose_detail => "您的角色调阅这份资料须说明目的；同一案件在本次登录内只问一次，并写入调阅记录。", "Your role says why it looks at this clip; it is asked once for a case and session, and kept with the access log.";
    purpose_label => "目的", "Purpose";
    purpose_case_review => "案卷评查", "case review";
    purpose_sampling => "随机抽查", "random sample";
    purpose_complaint => "投诉举报核查", "complaint";
    purpose_handling => "案件办理", "handling of the case";
    purpose_for_programs => "在请求头 x-purpose 中给出目的（百分号编码）。", "Give it in the header x-purpose, percent-encoded.";
    purpose_go => "继续调阅", "Look at it";
    by_user => "账号", "account";
    by_token => "接口程序", "program";
    by_nobody => "未登录", "nobody signed in";
    over_all => "全部", "all";
    over_unit => "本部门", "own unit";
    over_own => "本人采集", "own";
    over_sent => "送审案件", "sent for review";
    purpose_free => "不问", "not asked";
    purpose_labelled => "有敏感标记时问", "asked where it carries a label";
    purpose_always => "必问", "always asked";
    a_see_station => "查看采集站", "Look at the station";
    a_list_clips => "资料列表和检索", "Lists of clips, searches";
    a_show_clip => "查看资料信息", "Record of a clip";
    a_play_clip => "播放", "Play a clip";
    a_download_clip => "下载原始文件", "Save a clip";
    a_derive_clip => "制作派生文件（截图、片段、水印副本）", "Derive pictures, stretches and watermarked copies";
    a_annotate_clip => "标注", "Annotate a clip";
    a_link_clip => "关联案件", "Link a clip to a case";
    a_push_clip => "优先上传", "Send a clip first";
    a_find_case => "查找和查看案件", "Find and see cases";
    a_send_to_review => "送法制审核", "Send a case for review";
    a_export_case => "导出案件资料", "Export a case";
    a_place_hold => "暂停销毁", "Place a hold";
    a_release_hold => "解除暂停销毁", "Release a hold";
    a_isolate_clip => "疑似涉密阻断", "Isolate a clip";
    a_lift_isolation => "解除疑似涉密阻断", "Lift an isolation";
    a_dispose_clip => "鉴定销毁", "Dispose of footage";
    a_see_rooms => "查看录制房间", "See rooms";
    a_record_room => "开始和停止录制", "Record a room";
    a_import_roster => "导入排班表和登记信息", "Import rosters and registers";
    a_manage_recorders => "记录仪准入", "Approve recorders";
    a_acknowledge_alarm => "知悉告警", "Acknowledge alarms";
    a_pause_sending => "暂停和恢复上传", "Pause sending";
    a_read_metrics => "运行指标", "Metrics";
    a_read_log => "审计日志", "The log";
    a_manage_accounts => "账号和权限", "Accounts and rights";
    err_sign_in => "请先登录", "Sign in first";
    err_sign_in_detail => "没有账号时请安全管理员建立。程序请使用令牌：Authorization: Bearer（evidock token add）。", "Whoever has no account asks the security administrator. Programs send a token: Authorization: Bearer (evidock token add).";
    err_no_accounts => "还没有账号，不能从网络访问", "There is no account yet, so nothing is served to the network";
    err_no_accounts_detail => "请系统管理员在采集站上运行 evidock user first 建立第一个账号。", "Ask the system administrator to run evidock user first on the station; it makes the first account.";
    err_forbidden => "没有权限", "You have no right to this";
    err_no_right => "您的角色没有这项权限；需要时请安全管理员调整。", "None of your roles has this right; where you need it, ask the security administrator, who gives out roles.";
    err_not_theirs => "这不在您的范围内：执法人员看本人采集的，部门负责人看本部门的，法制审核员看送审案件的。需要时请本部门负责人或档案员协助；属于您却打不开的，请安全管理员核对账号的部门和采集人。", "This is not within your bounds: officers see their own, heads of department those of their unit, legal reviewers those of cases sent to them. Ask your head of department or the archivist for what you need; where it is yours, ask the security administrator to check unit and officer of your account.";
    err_too_sensitive => "敏感标记超出您的角色可办理的范围。请档案员办理；确需本人办理的，请安全管理员调整角色。", "It carries a label that your role does not open. Ask the archivist to do it; where it must be you, the security administrator gives out roles.";
    err_form_token => "页面已过期，未执行", "This page is out of date; nothing was done";
    err_form_token_detail => "请刷新页面后再操作一次。", "Load the page again and repeat what you did.";
    err_too_many => "操作太频繁", "Too often";
    err_too_slow => "发送太慢，未处理完", "The request took too long to arrive";

    // Command line
    no_holds => "没有暂停销毁，也没有疑似涉密", "no hold stands, and nothing is isolated";
    col_hold_of => "对象", "of";
    col_reason => "原因", "reason";
    col_release_asked => "已申请解除", "release asked by";
    stands_decide => "以上内容已在云端，未作删除；请负责人决定如何处理", "that stands there already, and nothing was deleted; a responsible person decides what becomes of it";
    stands_nowhere => "没有任何内容上传过", "nothing of it ever went out";
    fetched => "已取回，校验一致", "fetched, verified";
    fetched_there => "已在目录中，校验一致", "there already, verified";
    fetched_not_sent => "尚未上传", "not sent yet";
    fetched_differs => "校验不一致", "differs";
    fetched_unreachable => "暂时读不到", "cannot be reached";
    fetched_odd => "索引或记录不可用", "its record cannot be used";
    running => "运行中", "running";
    not_running => "未运行", "not running";
    daemon_is_off => "采集站程序没有在运行", "the daemon is not running";
    look_not_logged => "采集站程序没有在运行，这次查看没有写入日志", "the daemon is not running; this look at its records is not in the log";
    terminal_safe => "可以取走", "safe to remove";
    terminal_stay => "请勿拔出", "do not remove";
    terminal_erasing => "正在清空，请勿取走", "erasing, do not remove";
    terminal_unwatched => "现在没有程序在读取：先启动 evidock 再取走", "nobody looks at it now: start evidock before you remove it";
    not_probed => "尚未检测", "not probed yet";
    col_stage => "阶段", "stage";
    col_device => "设备", "device";
    col_recorder => "记录仪", "recorder";
    col_maker => "厂商和型号", "name";
    col_bay => "采集位", "bay";
    col_last_seen => "最近接入", "last seen";
    col_decided_by => "处理人", "decided by";
    col_out_since => "领用时间", "out since";
    col_due => "应还时间", "expected back";
    col_overdue => "逾期", "overdue";
    no_devices => "还没有设备接入过，也没有登记过设备", "no device was seen at the gate yet, and none was named";
    gate_unwatched => "采集站程序没有在运行，现在接入的设备未知", "the daemon is not running: what stands at the gate now is not known";
    none_overdue => "没有逾期未还的记录仪", "no recorder is overdue";
    none_out => "没有领用中的记录仪", "no recorder is out";
    never_docked => "这台记录仪从未在本站接入过，编号是否正确？", "this recorder was never docked here; is the id right?";
    device_unknown => "等待确认", "unknown";
    device_approved => "已准入", "approved";
    device_refused => "已拒绝", "refused";
    device_in_repair => "维修中", "in repair";
    device_retired => "已停用", "retired";
    col_case_stage => "环节", "stage";
    col_clips => "数量", "clips";
    col_size => "大小", "size";
    col_record => "资料编号", "record";
    col_captured => "采集时间", "captured";
    col_officer => "采集人", "officer";
    col_place => "采集地点", "place";
    col_proves => "证明对象", "proves";
    what_play => "播放", "played";
    what_read => "查阅文书", "the document was read";
    what_download => "下载原始文件", "the original was saved";
    what_thumbnail => "缩略图", "a still";
    what_sheet => "画面概览图", "contact sheet";
    what_preview => "派生预览", "derived preview";
    what_show => "查看记录", "the record was opened";
    what_find => "按案件查找", "a case was looked for";
    what_search => "检索", "a search";
    what_list => "浏览列表", "a page of a list";
    what_log => "查看日志", "the log was opened";
    what_room => "查看录制室", "the rooms or the still of one";
    derived_title => "派生文件", "Derived files";
    derived_explained => "截图、片段和水印副本都是派生文件，不是证据原件；原件不会改动。制作和下载均写入日志。", "Frame grabs, stretches and watermarked copies are derived files, not the evidence; the original is never changed. Making and fetching them is logged.";
    derived_none => "还没有派生文件。", "None yet.";
    derived_kind => "类型", "What";
    derived_stretch => "范围和方式", "What it shows, and how";
    derived_size => "大小", "Size";
    derived_kind_frame => "截图", "Frame grab";
    derived_kind_trim => "片段", "Stretch";
    derived_kind_watermark => "水印副本", "Watermarked copy";
    derived_from => "时刻或起点（秒）", "Moment, or begin (seconds)";
    derived_to => "终点（秒；截图不填）", "End (seconds; not of a frame)";
    derived_form => "截图格式", "Form of a frame";
    derived_exact => "片段精确到帧（重新编码）", "Stretch exact to the picture (encoded again)";
    derived_reason => "制作事由", "Why";
    derived_make => "制作派生文件", "Make it";
    derived_fetch => "下载派生文件", "Fetch derived file";
    derived_making => "制作中", "Being made";
    derived_failed => "未能制作", "Not made";
    derived_ready => "派生 · 可下载", "Derived, ready";
    derived_gone => "已到期清除", "Removed, its time is over";
    derived_method_decoded => "由画面解码得到", "decoded from the footage";
    derived_method_copied => "按关键帧截取，未重新编码", "cut at key frames, not encoded again";
    derived_method_encoded => "重新编码", "encoded again";
    derived_digest => "派生文件 SHA-256", "SHA-256 of the derived file";
    derived_parent => "原件 SHA-256", "SHA-256 of the original";
    derived_tool => "制作工具", "Made with";
    derived_mark => "派生文件 非证据原件", "derived, not the evidence";
    done_derived => "已提交制作派生文件。", "The derived file is being made.";
    col_state => "状态", "state";
    col_file => "文件", "file";
    col_field => "信息", "field";
    col_value => "内容", "value";
    col_from => "来源", "from";
    col_case => "案件", "case";
    col_also => "其他编号", "also";
    col_rev => "版本", "rev";
    col_destination => "上传目标", "destination";
    col_proof => "校验方式", "proof";
    col_object => "对象", "object";
    col_proven => "校验时间", "proven";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitor_s_choice_then_the_browser_s_then_chinese() {
        let table = [
            (None, None, Lang::Zh),
            (Some("en-GB,en;q=0.9"), None, Lang::En),
            (Some("fr,de;q=0.8"), None, Lang::Zh),
            (Some("en;q=0.5, zh-TW;q=0.8"), None, Lang::Zh),
            (Some("en;q=0, *"), None, Lang::Zh),
            (Some("en;q=rubbish, zh;q=0.1"), None, Lang::Zh),
            (Some("en"), Some("zh"), Lang::Zh),
            (Some("zh"), Some("en"), Lang::En),
            (Some("en"), Some("<script>"), Lang::En),
        ];
        for (header, cookie, wanted) in table {
            assert_eq!(Lang::negotiate(header, cookie, None), wanted, "{header:?} {cookie:?}");
        }
        assert_eq!(Lang::negotiate(Some("zh"), None, Some(Lang::En)), Lang::En, "the station's before the browser's");
        assert_eq!(Lang::negotiate(None, Some("zh"), Some(Lang::En)), Lang::Zh, "the visitor's before the station's");
    }

    #[test]
    fn no_word_is_empty_or_left_untranslated() {
        for (name, zh, en) in ENTRIES {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{name}");
            assert!(en.is_ascii() || *name == "none_dash" || en.contains("罚〔") || en.contains('·'), "{name}: {en}");
            assert!(*name == "none_dash" || zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
        }
    }

    #[test]
    fn the_words_of_the_field_stand_as_agreed() {
        let w = Lang::Zh.words();
        assert_eq!(w.state_sealed, "已入库（校验一致）");
        assert_eq!(w.state_proven, "云端校验一致");
        assert_eq!(w.safe_to_remove, "可以取走");
        assert_eq!(w.do_not_remove, "请勿拔出");
        assert_eq!(w.state_incomplete, "待标注");
        assert_eq!(w.stage_released, "记录仪已清空");
        assert_eq!(w.unregistered, "未注册设备");
        assert_eq!(w.hold, "暂停销毁（复议/诉讼）");
    }
}
