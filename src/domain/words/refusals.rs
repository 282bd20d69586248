//! Why the daemon does not do what somebody asked, in both languages: the catalogue of [`Why`], one key a line. The first
//! sentence says what stands in the way, the rest what to do next. English is also what logs and programs read.

use serde::{Deserialize, Serialize};

use super::Lang;
use crate::domain::sentence::sentences;
use crate::domain::why::{AnyOf, Columns};

macro_rules! things {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// What a sentence of [`Why`] is about. Each variant's documentation is its English.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Thing { #[default] $(#[doc = concat!("`", $en, "`")] $name,)+ }

        impl Thing {
            /// Its name in a sentence.
            pub fn name(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Self::$name, Lang::Zh) => $zh, (Self::$name, Lang::En) => $en,)+ }
            }
        }
    };
}

things! {
    Text => "文字", "text";
    ReleaseOfHold => "解除暂停销毁", "the release of this hold";
    LiftOfIsolation => "解除阻断", "lifting this isolation";
    Reopening => "重新打开案件", "re-opening this case";
    Package => "导出案件音像资料", "this evidence package";
    Disposal => "销毁", "this disposal";
    RecordingFacts => "采集人、记录事项和证明对象", "officers, matter and what it proves";
    OutingFacts => "领用人、地点和事项", "officer, place and matter";
    MatterAndReason => "事项、原因和依据", "matter, reason and basis";
    AccountFacts => "姓名、单位和采集人", "name, unit and officer";
    Term => "保管期限", "term (保管期限)";
    FondsNo => "全宗号", "fonds number (全宗号)";
    ArchiveNo => "档号", "archive number (档号)";
    Title => "题名", "title (题名)";
    OnThePage => "在页面上", "on the page";
    OnTheCommandLine => "在采集站命令行上", "on this station's command line";
    Until => "截止时间", "until when";
    WhenBack => "预计归还时间", "when it is expected back";
    SayFound => "请写明发现的问题。", "say what was found";
    SayDone => "请写明整改情况。", "say what was done";
    SayMissing => "请写明还缺什么。", "say what is missing";
    SayNote => "请写明批注内容。", "say what is to be noted there";
    SayOpinion => "请写明需要补充什么，或退回的原因。", "say what is to be added, or why it goes back";
    Program => "程序", "program";
    Script => "脚本", "script";
    WebPage => "网页", "web page";
    Svg => " SVG 图形", "SVG";
    Xml => " XML 文件", "XML";
    Parts => "部件", "parts";
    Cells => "单元格", "cells";
    Columns => "列", "columns";
    Rows => "行", "rows";
    Links => "资料关联", "links of clips";
    Holds => "暂停销毁", "holds";
    Reviews => "送法制审核", "reviews";
    Reasons => "未记录原因", "reasons for what is not recorded";
    Notes => "审核批注", "review notes";
    Opinions => "审查意见", "opinions";
    Marks => "案卷评查评分", "marks of the case file";
    Filing => "结案、立卷或归档", "closing or filing";
    Packages => "导出的音像资料", "evidence packages";
}

sentences! {
    /// Why the daemon does not do what somebody asked. Each variant's documentation is its English.
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "why", rename_all = "snake_case")]
    Why else
    /// No reason was given, or one of a newer program: the words beside it hold.
    #[serde(other)]
    Unsaid;

    // Whatever was asked
    Said { words: String } => "{words}", "{words}";
    Listed { each: Vec<String> } => "{each}", "{each}";
    Failed { detail: String } => "采集站暂时办不了这件事，请稍后再试。一直如此时，请系统管理员在“管理”中自检，或运行 evidock doctor。", "{detail}";
    TookTooLong {} => "用时过长，没有完成；本站可能正忙，请一分钟后再试。", "it took too long; the station may be busy, try again in a minute";
    Stopping {} => "采集站正在停止，请稍后再试。", "the daemon is stopping; try again in a moment";
    OtherVersion { detail: String } => "运行中的采集站程序不认识这个请求（{detail}），版本可能不同；升级后请重新启动服务。", "the running daemon does not know this request ({detail}); is it of another version? restart it after an upgrade";
    NotReadable { detail: String } => "提交的内容不符合要求，请对照接口说明：{detail}", "{detail}";
    Unfit { name: String, right: String } => "“{name}”不能使用，请改为：{right}", "{name:?}: {right}";
    NotANumber { typed: String } => "“{typed}”不是数字，请改正。", "{typed:?} is no number; write digits";
    NoReply {} => "日志没有回应，请稍后再试。", "the log gave no answer; try again in a moment";
    PlaceInList {} => "列表的这个位置已无法读取，请从第一页重新开始。", "this place in the list cannot be read; begin again from its first page";
    NoSuchDay { detail: String } => "没有这一天，请检查年、月、日。", "there is no such day: {detail}";
    AskConfirmRefuse {} => "请选择：申请、确认或不同意。", "ask, confirm or refuse";
    ConfirmRefuse {} => "请选择：确认或不同意。", "confirm or refuse";
    RepeatUnknown { asked: String, since: String } => "采集站在答复这项更改（{asked}，{since}）之前停止过，不能确定它是否已经完成。请先查看它所涉及的内容（日志中也有记录）；确认没有完成后，换一个 Idempotency-Key 再提交。", "the station stopped before it had answered this change ({asked}, {since}); whether it was made is not known. Look at what it is about, or at the log from then on; where it was not made, ask again under another idempotency-key";
    IdempotencyKey { header: String, most: u64 } => "{header} 应为 1 到 {most} 个 ASCII 字符。", "{header}: 1 ... {most} ASCII";
    LooksOnly {} => "数据库只读打开，不能修改；请在运行中的采集站上办理。", "the database is open for reading only";
    NoSuchAccess { known: Vec<String> } => "没有这种访问，请改为以下之一：{known}。", "there is no such kind of access; it is one of {known}";
    CaseHash {} => "案件请以案件编号杂凑值的 64 位十六进制数表示。", "a case is told by the 64 hexadecimal digits of its hashed number";
    DigestForm {} => "校验值请写成 64 位小写十六进制数。", "a digest is 64 lower-case hexadecimal digits";
    NoSuchRefusal {} => "没有这个操作，或者没有这种拒绝原因；请对照接口说明。", "there is no such action, or no such reason to refuse it; the API's document has them";

    // Texts
    GiveReason {} => "请写明原因，原因会写入日志。", "give a reason; it is kept in the log";
    TooManyChars { n: u64, most: u64 } => "共 {n} 个字，太多了；请缩短到 {most} 个字以内。", "{n} characters are too many; at most {most}";
    TextTooLong { most: u64 } => "文字最多保存 {most} 个字，请缩短。", "at most {most} characters are kept of a text";
    OneLine { thing: Thing, most: u64 } => "{thing}应为一行，最多 {most} 个字。", "{thing}: one line of at most {most} characters";
    Give { thing: Thing } => "请填写{thing}。", "give the {thing}";
    SayIt { thing: Thing } => "{thing}", "{thing}";
    Nobody {} => "全零不是姓名或警号，请填写采集人的姓名或编号。", "zeros name nobody; write the officer's name or number";
    OverAlready { at: String, thing: Thing } => "{at} 已经过去，请重新填写{thing}。", "{at} is over; write {thing}";
    DayForm { typed: String } => "“{typed}”不是日期，请写成 2026-07-01。", "{typed:?} is no day; write it as 2026-07-01";
    DayOver { day: String } => "{day} 已经过去，请选择以后的日期。", "{day} is over; choose a day that is still to come";
    TimeForm {} => "请把日期和时间写成 2026-06-19 09:00 或 2026-06-19T09:00:00+08:00。", "write date and time as 2026-06-19 09:00 or 2026-06-19T09:00:00+08:00";
    NoSuchTime {} => "没有这个日期或时间，请检查日、月和时。", "there is no such date or time; check day, month and hour";
    ClocksChanged {} => "那一小时正逢时钟调整，请连同时差一起写，例如 2026-06-19T09:00:00+08:00。", "the clocks changed at that hour; write it with its offset, as in 2026-06-19T09:00:00+08:00";
    NotAPeriod { typed: String } => "“{typed}”不是统计期间，请写成 2026-W25、2026-06、2026-Q2、2026 或 2026-06-01..2026-06-15。", "{typed:?} is no period: write 2026-W25, 2026-06, 2026-Q2, 2026, or 2026-06-01..2026-06-15";

    // Case numbers
    NumberEmpty {} => "没有填写案件编号，请照文书上的编号填写。", "no case number given; type the number as it stands on the document";
    NumberTooLong { most: u64 } => "案件编号超过 {most} 个字，请只填写一个编号。", "longer than {most} characters; type one case number only";
    TwoNumbers {} => "填写了不止一个案件编号，请分别关联或分行填写。", "more than one case number; give each its own link or row";
    UnpairedBracket {} => "括号不成对，年份请写在一对括号里，如〔2019〕。", "a bracket has no partner; write the year in a pair of brackets, as in 〔2019〕";
    YearDigits { found: String } => "年份“{found}”不是四位数字，请写全，如〔2019〕。", "the year {found:?} is not four digits; write it in full, as in 〔2019〕";
    YearRange { found: String, earliest: i64, latest: i64 } => "年份 {found} 不在 {earliest} 到 {latest} 之间，请检查年份。", "the year {found} is not between {earliest} and {latest}; check the year";
    SerialZero {} => "序号为 0，序号从 1 开始，请改正。", "the serial number is 0; serial numbers begin with 1";
    BareYear {} => "年份没有括号，请写成〔2019〕。", "the year stands without brackets; write it as in 〔2019〕";
    NoAgency {} => "年份前缺少机关代字，请写全编号，如赵卫罚〔2019〕12号。", "the agency's code before the year is missing; write the whole number, as in 赵卫罚〔2019〕12号";
    YearFirst {} => "年份在最前，但后面不是“省份、数字、类型、序号、号”，请检查顺序。", "the year stands first, but what follows is not <province><digits><type><serial>号; check the order";
    NotASerial { found: String } => "年份后的“{found}”不是序号，请写数字 0-9，如 12号 或 3-1号。", "{found:?} after the year is not a serial number; write it in digits 0-9, as in 12号 or 3-1号";
    NoShape { known: Vec<String> } => "不是已知样式的案件编号；请照已知样式填写，如 {known}。", "not a case number of a known shape; known are {known}";
    Unstable { shape: String, display: String } => "编号样式 {shape} 读不回自己的写法“{display}”，请系统管理员改正编号规则。", "shape {shape} does not read its own display form {display:?} as the same number; correct the number rule";
    DidYouMean { because: Box<Why>, meant: String } => "{because}是否为 {meant}？", "{because}; did you mean {meant}?";
    IsItMeant { because: Box<Why>, meant: AnyOf } => "{because}是否为 {meant}？", "{because}; is {meant} meant?";

    // Cases and links
    NotAClipId { typed: String } => "“{typed}”不是资料编号，请核对；资料编号形如 019aa2c4-7f00-7abc-8def-0123456789ab。", "{typed:?} is not a clip id; a clip id looks like 019aa2c4-7f00-7abc-8def-0123456789ab";
    NoClip { clip: String } => "本站没有资料 {clip}，请检查编号。", "there is no clip {clip} on this station; check the id";
    NoCase { case_no: String } => "本站没有案件 {case_no}，请先关联资料或导入案件登记。", "there is no case {case_no}; link a clip to it, or import it";
    NoCaseNumber { case_no: String } => "本站没有编号为 {case_no} 的案件，请检查编号。", "no case has the number {case_no} here";
    NeverLinked { case_no: String } => "本站从未有资料关联到 {case_no}，请先关联资料。", "no clip was ever linked to {case_no} on this station; link one first";
    LargeReference { most: u64 } => "这是立案前的编号，关联的资料超过 {most} 份，不能整体结案、归档、暂停销毁、送审或导出。请先把有关资料关联到其案件，再对该案件办理；需要暂停销毁的资料，也可以在资料页面上逐份办理。", "this is what there was before a case, with more than {most} links of clips: it is not closed, filed, held, reviewed or exported as a whole. Link the clips in question to their case and do it there; a clip can be held by itself, too";
    NoReasonStands { matter: String } => "{matter} 没有登记未记录的原因，无须撤回；请刷新页面。", "no reason is on record for {matter}; there is none to take back";
    WhichOccasion { matter: String, times: Vec<String> } => "“{matter}”有多次，请指明是哪一次（{times}），每次分别说明。", "{matter} was carried out more than once; say which occasion is meant ({times}): each needs a word of its own";
    NoSuchOccasion { matter: String, times: Vec<String> } => "“{matter}”没有这一次；缺少记录的是 {times}，请指明其中一次。", "there is no such occasion of {matter}; name one of those without a recording, which began at {times}";
    RangeBackwards {} => "片段的起点须早于终点，请改正。", "the part of the clip must begin before it ends";
    WithdrawalReason {} => "撤回关联须写明原因。", "a withdrawal needs a reason";
    ClipOrCase {} => "请指定一份资料，或者一个案件，不能两样都给。", "name a clip, or a case, and not both";
    NothingWaits { case_no: String } => "{case_no} 没有待上传的资料；请在案件页查看各资料的上传情况。", "no clip of {case_no} waits to be sent; `evidock find` shows what there is";
    PersonRefusedLink {} => "有人已决定不把这份资料关联到本案，规则不能改变；需要时请由人在资料页关联。", "a person has refused to link this clip to this case; rules do not change that, and a person may still link it on its page";
    PersonDecidedLink {} => "有人已就这份资料和本案作出决定，规则不能改变；需要时请由人在资料页更改。", "a person has decided about this clip and this case; rules do not change that, and a person may on its page";
    LinkedToNone { clip: String } => "资料 {clip} 没有关联到本案，也没有关联到其他案件；请核对案件编号。", "clip {clip} is not linked to this case; it is linked to no case; check the number of the case";
    LinkedToOthers { clip: String, cases: Vec<String> } => "资料 {clip} 没有关联到本案；已关联到 {cases}，请选择其中的案件。", "clip {clip} is not linked to this case; it is linked to {cases}; choose one of these";
    NoRuleLink { clip: String } => "资料 {clip} 与本案之间没有规则建立的关联；人工建立的关联请在资料页取消。", "clip {clip} has no link of a rule to this case; a link that a person made is withdrawn on its page";
    LinkedAlready { clip: String, case_no: String } => "资料 {clip} 已关联到 {case_no}；不属于该案时请撤回关联。", "clip {clip} is linked to {case_no} already; withdraw the link to say that it does not belong there";
    NotSuggested { clip: String } => "没有规则建议把资料 {clip} 关联到本案；需要关联时请在资料页填写案件编号。", "no rule suggests this case for clip {clip}; link it on its page";
    NothingSuggested { clip: String } => "资料 {clip} 没有建议的案件，请填写案件编号。", "nothing is suggested for clip {clip}; name the case";
    NothingDecided { clip: String, case_no: String } => "资料 {clip} 与 {case_no} 之间没有可以收回的决定；请刷新页面查看现状。", "nothing was decided about clip {clip} and {case_no}; load the page again to see how it stands";
    TooManyClips { most: u64 } => "一次最多 {most} 个，请分批办理。", "at most {most} clips at a time; decide about them in parts";
    SaidBySomebodyElse { clip: String, field: String } => "资料 {clip} 的这一项（{field}）之后已由别人填写，请在资料页修改。", "somebody else has said {field} of clip {clip} since; set it on the page of the clip";
    PlaceAndProvesOnly { name: String } => "“{name}”：确认时只能同时填写采集地点和证明对象，其他各项请在资料页填写。", "{name:?}: with a decision only place and proves are said; annotate the clip for the rest";
    AcceptRefuseUndo {} => "请选择：确认、不是本案或收回。", "a verdict is accept, refuse or undo";
    NotLinkedToCase {} => "这份资料没有关联到本案，请先关联或另选资料。", "this clip is not linked to the case; link it first, or choose another clip";

    // Facts
    NoField { name: String, known: Vec<String> } => "没有“{name}”这一项；请填写以下之一：{known}。", "there is no field {name:?}; fields are {known}";
    Value { field: String, because: Box<Why> } => "{field}：{because}", "{field}: {because}";
    ValueTooLong { most: u64 } => "最多 {most} 个字，请缩短。", "at most {most} characters";
    ControlCharacters {} => "不能含有控制字符，请删去。", "control characters cannot be stored; remove them";
    DegreesBetween { limit: i64 } => "应为 -{limit} 到 {limit} 之间的度数。", "degrees from -{limit} to {limit}";
    TrackForm {} => "轨迹请写作“纬度,经度 纬度,经度 …”，2 至 90 个位置", "a track is `lat,lon lat,lon …`, 2 to 90 positions";
    DatumOneOf {} => "应为 WGS84 或 GCJ-02。", "WGS84 or GCJ-02";
    OneOf { known: Vec<String> } => "应为以下之一：{known}。", "one of {known}";

    // What stands in the way of a clip
    NotSealedDerived { clip: String } => "资料 {clip} 还没有入库，暂不能制作派生文件；请入库后再试。", "clip {clip} is not sealed yet; nothing is derived of it; try again once it is";
    NotSealedCompared { clip: String } => "资料 {clip} 还没有入库，没有可比对的内容；请入库后再试。", "clip {clip} is not sealed yet; there is nothing to compare with; try again once it is";
    StillCopying { clip: String } => "资料 {clip} 还在采集中；请入库后再暂停销毁，或对案件暂停销毁，入库后自动生效。", "clip {clip} is still being copied; hold it when it is sealed, or hold its case: that takes effect by itself";
    Isolated { clip: String } => "资料 {clip} 疑似涉密，已阻断；请联系保密负责人。", "clip {clip} is isolated as suspected classified; ask whoever is responsible for secrets";
    IsolatedDerived { clip: String } => "资料 {clip} 疑似涉密，已阻断，不能制作派生文件；请联系保密负责人。", "clip {clip} is isolated as suspected classified; nothing is derived of it; ask whoever is responsible for secrets";
    NotIsolated { clip: String } => "资料 {clip} 没有被阻断，无须解除；请刷新页面查看现状。", "clip {clip} is not isolated; load the page again to see how it stands";
    StillLabelled { clip: String } => "资料 {clip} 仍标注为疑似涉密，标注本身就会阻断；请先修改敏感标注。", "clip {clip} is still labelled suspected_state (疑似涉密), which isolates; set its label first: evidock annotate {clip} sensitivity=...";
    NoDelivery { clip: String, destination: String } => "资料 {clip} 没有到 {destination} 的上传任务；请在资料页查看它的副本。", "clip {clip} has no delivery to {destination}";
    ProvesNothing { how: String } => "{how} 不能证明云端一致。", "a {how} proves nothing";
    NotErasable { sighting: i64 } => "记录仪文件 {sighting} 不在现场，不能清除。", "sighting {sighting} is not present, and cannot be erased";
    NoSighting { sighting: i64 } => "没有记录仪文件 {sighting}。", "there is no sighting {sighting}";
    MayNotGo { clip: String } => "资料 {clip} 的本地副本不能腾退。", "the local copy of {clip} may not go";
    OtherBytes { clip: String } => "资料 {clip} 的记录与备份中的校验值不同。", "the record of {clip} names other bytes than the backup knows";
    NotOffTheBox {} => "日志检查点还没有保存到本站之外，在此之前不会清除任何资料。", "the checkpoint over it does not stand off this box yet; nothing goes before it does";
    OtherSm2Key { key: String } => "日志记载的是另一把 SM2 密钥：{key}。", "the log names another SM2 key, {key}";
    NoLogEntry { seq: u64 } => "日志没有第 {seq} 条。", "the log has no entry {seq}";
    NewerEntry { seq: u64 } => "日志第 {seq} 条比检查点新。", "entry {seq} is newer than the checkpoint";

    // Derived files
    DerivedKind {} => "派生文件请选择：截图、片段或水印副本。", "there is no such derivative; it is one of frame, trim, watermark";
    FrameForm {} => "截图格式请选择 jpg 或 png。", "a frame is a jpg or a png";
    FrameOrStretch {} => "截图请填写一个时刻；片段请填写起点和终点。", "a frame has one moment; a trim has a begin and an end";
    StretchOrder {} => "起点须早于终点，且在十天之内。", "it must begin before it ends, and within ten days";
    WhyDerived { most: u64 } => "请写明制作事由，最多 {most} 个字；事由会记录在案。", "say why it is made, in at most {most} characters; it is kept on record";
    NoDerivative {} => "没有这个派生文件，请在资料页重新制作。", "there is no such derivative of a clip; make it on the page of the clip";
    DerivativeOver {} => "这个派生文件已不在制作中，请刷新页面查看。", "this derivative is not being made any more; load the page again";
    DerivativeGone {} => "这个派生文件不能下载（或已到期清除），请重新制作。", "this derivative cannot be fetched (any more); ask for it anew";
    NotAPlace { typed: String } => "“{typed}”不是视频中的位置，请写秒数或 1:15。", "{typed:?} is no place in a clip; write 75, 1:15 or 1:02:03";

    // Documents
    DocumentBytes {} => "文书内容须随请求一起提交。", "the bytes of a document come with it";
    DocumentLength {} => "请说明文书长度（Content-Length）。", "say how long the document is (Content-Length)";
    NoDocumentKind { kind: String, known: Vec<String> } => "没有“{kind}”这类文书；请选择：{known}。", "there is no kind of document {kind:?}; it is one of {known}";
    DocumentTooLarge { bytes: u64, most: u64 } => "文书有 {bytes} 字节，最多接收 {most} 字节（[documents] max_mb）；请压缩或拆分。", "the document has {bytes} bytes; at most {most} are taken ([documents] max_mb)";
    DocumentBroken { detail: String } => "文书没有传完（{detail}），请重新提交。", "the document did not come to its end ({detail}); send it again";
    DocumentNumber {} => "没有案件编号：请把文件放入以案件编号命名的文件夹，或让文件名以案件编号开头。", "no case number: put the file into a folder that is named by it, or let its name begin with it";
    DocumentEmpty {} => "文件是空的，请检查是否已保存。", "the file is empty; look whether it was saved";
    DocumentActive { thing: Thing } => "文件是{thing}，不能归入案件；请打印成 PDF 后再归入。", "the file is a program, a script or a web page ({thing}); print it to PDF and file that";
    DocumentRecording {} => "文件是音像资料；请从记录仪采集，或放入接入目录。", "the file is a recording; recordings come from recorders, or through the docking folder";
    DocumentUnknown {} => "文件不是 PDF、OFD、图片、办公文档或纯文本；请打印成 PDF 后再归入。", "the file is none of PDF, OFD, JPEG, PNG, TIFF, GIF, BMP, WebP, Word, Excel, PowerPoint, WPS, OpenDocument, RTF or plain text; print it to PDF and file that";
    DiskFull { detail: String } => "采集站磁盘空间不足，请腾出空间后重新提交。", "{detail}";

    // Sending
    NoDestination { name: String, known: Vec<String> } => "没有上传目标“{name}”；请选择配置中的：{known}。", "there is no destination {name:?}; the configuration names {known}";
    BeingVerified {} => "该资料正在校验，请等待结果。", "this clip is being verified already; wait for what comes of it";
    BeingTried { name: String } => "正在测试 {name}，请等待结果。", "{name} is being tried already; wait for what comes of it";
    TargetForm {} => "请选择导出到：采集站（station）、浏览器下载（browser），或 at: 加上传目标名称。", "a package goes to `station`, `browser`, or `at:` and the name of a destination";

    // Evidence packages
    WhyPackage {} => "请写明导出事由和依据（函、令、条款），两项都会记录在案。", "say why the package is made and on what basis (a letter, an order, an article); both are kept on record";
    DiscTooSmall {} => "一张光盘至少 0.1 GB，请改正容量。", "a disc has at least 0.1 GB";
    DiscSize {} => "请填写光盘容量，0.1 到 100000 GB。", "give the size of a disc, 0.1 to 100000 GB";
    NothingToExport {} => "本案现在没有可导出的资料：没有关联资料，或全部已阻断或仍在采集中。请先关联资料，或等待入库。", "no clip of this case can be exported now: none is linked to it, or all are isolated or still being copied; link clips first, or wait until they are sealed";
    NotAPackage {} => "这不是导出包的编号，请从“导出证据包”页打开。", "this is not the id of a package; open one from the list";
    PackageLists { detail: String } => "导出包的清单不对：{detail}。请重新导出。", "{detail}";
    PackageFacts {} => "导出包的自述与申请签名的内容不符，请重新导出。", "the package says other things of itself than were asked to be signed; ask for it anew";
    PackageCase {} => "导出包的案件与申请的不同，请重新导出。", "the package names another case than it was asked for; ask for it anew";
    PackageNotAsked {} => "本站没有人申请过这个导出包，请重新申请。", "nobody asked for this package here; begin it again";
    PackageOther {} => "导出包的案件、申请人、事由或依据与申请时不同，请重新申请。", "the package names another case, person, reason or basis than it was asked for with; ask for it anew";
    PackageClip {} => "导出包中有没有申请的资料，或资料与入库时不同，请重新申请。", "the package holds a clip that was not asked for with it, or is not as it was sealed; ask for it anew";
    PackageEvent { seq: u64 } => "导出包中的第 {seq} 条日志与日志不一致，请重新申请。", "event {seq} in the package is not the one in the log; ask for it anew";
    PackageIncomplete { detail: String } => "导出包缺少或改动了应有的内容（{detail}），不予签名，请重新申请。", "the package is not all of what was asked for, or more, and is not signed: {detail}; ask for it anew";
    LogChanged { seq: u64 } => "第 {seq} 条日志在数据库中的登记与日志内容不符：数据库被人改动过。请先查明是谁改动的，并运行 evidock log verify，再导出。", "event {seq} stands in the database under other columns than it says itself: somebody changed the database; find out who, and run `evidock log verify`, before anything is exported";
    PackageKey {} => "申请这个导出包之后，采集站更换了签名密钥，用新密钥签名无人认可，因此不予签名；请删除已写出的内容并重新申请。", "the station's signing key changed since this package was asked for, and nobody would take its signature: it is not signed; remove what is there of it, and ask for it anew";
    IsolatedSince { clip: String } => "资料 {clip} 在制作导出包期间被标为疑似涉密并阻断，导出包不予签名；请删除已写出的内容并重新申请。", "clip {clip} was isolated as suspected classified since this package was begun: it is not signed; remove what was written of it, and ask for another one";
    PackageIsolated { clip: String } => "导出包含有疑似涉密、已阻断的资料 {clip}，不再制作，也不再提供下载；请重新申请，新的导出包不含这份资料。", "the package holds clip {clip}, which is isolated as suspected classified: it is neither made nor given out any more; ask for another one, which will be without it";
    NoPackage {} => "没有这个导出包，请从“导出证据包”页打开。", "there is no such evidence package; open one from the list";
    PackageDecided {} => "这个导出包已不在等待第二人确认，请刷新页面查看。", "this evidence package does not wait for a second person any more";
    PackageBySignedIn {} => "导出包须由登录的人确认：在页面上，或以其会话通过接口确认。", "an evidence package is confirmed by a person who signed in, on the page or through the API with their session";
    PackageNotStopped {} => "只有中断的导出包才能继续，请刷新页面查看。", "only an evidence package that stopped can go on; load the page again to see how it stands";
    PackageNotFinished {} => "这个导出包还没有完成，请稍后再下载。", "this evidence package is not finished; try again in a moment";

    // Keeping: what takes two people
    TwoPeople {} => "这件事须由能够区分的两个人办理：各用自己的账号在页面登录，或各用自己的系统用户在采集站命令行办理。", "this takes two people who can be told apart: sign in on the page, each with an account of their own, or ask on this station's command line, each under a user of their own";
    NobodyAsked { thing: Thing } => "还没有人申请{thing}：先由一人申请并写明理由，再由另一人确认。", "nobody has asked for {thing} yet: one person asks and gives the reason, another one confirms";
    AskedYourself { thing: Thing } => "{thing}是您自己申请的，须另一人用自己的名义确认。", "you asked for {thing} yourself; another person must confirm it, under a name of their own";
    OnePerson { thing: Thing, officer: String } => "{thing}是采集人同为 {officer} 的另一个账号申请的，须另一个人确认；如果不是同一个人，请安全管理员更正账号的采集人。", "{thing} was asked for under another account of the same officer, {officer}; another person must confirm it. If these are two people, ask the security administrator to correct the officer of the account";
    AskedByProgram { thing: Thing } => "{thing}是由程序或没有登录的人申请的；请选择不同意，再由本人重新申请。", "{thing} was asked for by a program, or by somebody who had not signed in; refuse it, and let a person ask for it anew";
    AskedElsewhere { thing: Thing, place: Thing } => "{thing}是{place}申请的，也须{place}确认，这样才能区分两个人。", "{thing} was asked for {place}; it is confirmed there, too, so that two people can be told apart";
    OneAsks {} => "一人申请并写明理由（--reason），另一人确认（--confirm）或不同意（--refuse）。", "one person asks and gives a reason (--reason), another one confirms (--confirm) or refuses (--refuse)";
    NoRelease {} => "没有人申请解除这项暂停销毁。", "nobody has asked for the release of this hold";
    NoLift {} => "没有人申请解除这项阻断。", "nobody has asked to lift this isolation";
    NoHold { hold: i64 } => "没有生效中的第 {hold} 号暂停销毁，请在“保管”页查看。", "no hold {hold} stands; `evidock holds` shows those that do";
    NoDisposal { disposal: i64 } => "没有第 {disposal} 号销毁清册，请在“保管”页查看。", "there is no list of disposal {disposal}; the page Keeping has those that there are";
    ListLength { most: u64 } => "一份清册请列入 1 到 {most} 个资料。", "a list has 1 to {most} clips";
    ClipStays { clip: String, because: Box<Why> } => "资料 {clip} 不能销毁：{because}；请从清册中去掉。", "clip {clip} stays: {because}; leave it off the list";
    OnAnotherList { clip: String } => "资料 {clip} 已在另一份清册上，请从本清册中去掉。", "clip {clip} stands on another list already; leave it off this one";
    ListDecided {} => "这份清册已不在等待第二人确认，请刷新页面查看。", "this list does not wait for a second person any more";
    StayDisposed {} => "已经销毁", "it was disposed of already";
    StayNoRecording {} => "随所属资料保管，没有自己的保管期限", "it belongs to a recording and has no retention of its own";
    StayNotWhole {} => "仍在采集中，或已损坏", "it is still being copied, or damaged";
    StayHeld {} => "正在暂停销毁（复议/诉讼）", "a hold stands (review or lawsuit)";
    StayIsolated {} => "疑似涉密，已阻断", "it is suspected classified, and isolated";
    StayQuarantined {} => "已隔离，须先由人查看", "it is in quarantine; a person must look first";
    StayNotProven {} => "没有在全部必须的上传目标校验一致", "it is not proven at every required destination";
    StayCaseOpen {} => "所属案件尚未归档", "a case that has it is not filed";
    StayForever {} => "永久保管", "it is kept for ever";
    StayUntil { at: String } => "保管期限到 {at} 才届满", "its retention ends on {at}";

    // Filing
    CaseIs { state: String } => "本案已经结案或归档（{state}）；要改动须先由两人写明原因重新打开。", "this case is {state} already; to change it two people re-open it first";
    CloseFirst {} => "请先结案。", "close the case first (结案)";
    BindFirst {} => "请先立卷，给案件确定档号。", "give the case its place in the archive first (立卷)";
    CaseOpen {} => "本案没有结案，无须重新打开；请刷新页面查看。", "this case is open";
    CaseNotFiled {} => "本案没有归档，无须重新打开；请刷新页面查看。", "this case is not filed; load the page again to see how it stands";
    CaseFiled {} => "本案已经归档；要改动须先由两人写明原因重新打开。", "this case is filed already; to change it two people re-open it first";
    FiledNoChanges { code: String } => "本案已归档（档号 {code}），不能再改动；须由两人写明原因重新打开。", "this case is filed under {code} and takes no changes; two people re-open it first, with a reason";
    NoReopening {} => "没有人申请重新打开本案：先由一人申请并写明理由，再由另一人确认。", "nobody has asked to re-open this case: one person asks and gives the reason, another one confirms";
    ArchiveNoTaken { code: String, fonds: String } => "全宗 {fonds} 中已有档号为 {code} 的案件，档号不能重复；请另给档号。", "another case has the archive number {code} in fonds {fonds}; an archive number is given once";
    YearOfFile { latest: i64 } => "年度请填写 1949 到 {latest} 之间。", "a year (年度) is 1949 to {latest}";
    TermForm {} => "案卷保管期限请写“永久”，或写明时间，如 30年、6个月。", "a term of a case file (保管期限) is 永久, or a time such as 30年 or 6个月";

    // Rooms and recorders
    NoRooms {} => "没有配置录制室；请系统管理员在 evidock.toml 中添加 [[stream]]。", "no stream is configured; add a [[stream]] to evidock.toml";
    NoRoom { name: String, known: Vec<String> } => "没有录制室“{name}”；请选择现有的：{known}。", "there is no room {name:?}; there are {known}";
    RecordedSince { room: String, at: String } => "{room} 自 {at} 起已在录制，请先停止。", "{room} is being recorded since {at}; stop that recording first";
    NotRecorded { room: String } => "{room} 没有在录制，无须停止；请在“录制”页查看。", "{room} is not being recorded; `evidock record list` shows what is";
    RecordedByRule { room: String, stream: String } => "{room} 按配置自动录制，不是由人开始的；如需停止，请系统管理员修改 [[stream]] {stream} 的 mode。", "{room} is recorded by the configuration, not by a person; change mode of [[stream]] {stream} to stop it";
    NoNetworkRecorders {} => "没有配置网络记录仪；请系统管理员在 evidock.toml 中添加 [[network_recorder]]。", "no recorder in the network is configured; add a [[network_recorder]] to evidock.toml";
    NoNetworkRecorder { name: String, known: Vec<String> } => "没有网络记录仪“{name}”；请选择现有的：{known}。", "there is no [[network_recorder]] {name:?}; there are {known}";
    StartedAnew {} => "正在重新启动，请稍后再试。", "it is being started anew; try again in a moment";
    SeveralDevices { word: String, keys: AnyOf } => "“{word}”可能指 {keys}，请指明其中一台。", "{word} can mean {keys}; name one of them";
    NoDevice { word: String } => "没有名为“{word}”的设备，请在“管理”的记录仪页查看名称。", "no device is called {word}; `evidock recorders list` shows how each is called";
    NotUnknownAgain {} => "设备不能改回未知状态；请选择准入、拒绝、送修或停用。", "a device cannot be made unknown again; approve it, refuse it, give it away for repair, or retire it";
    NameForm { typed: String, what: String } => "“{typed}”不能用作名称；请用 1 到 64 个可显示的字符。", "{typed:?} cannot be a {what}: use 1 to 64 printable characters";
    KeyForm { typed: String, what: String } => "“{typed}”不能用作名称；请用 1 到 32 个 a-z、0-9 和 -，以字母或数字开头。", "{typed:?} cannot be a {what}: use 1 to 32 of a-z, 0-9 and '-', beginning with a letter or digit";
    NotARecordingId { typed: String } => "“{typed}”不是录制编号，请在“录制”页查看。", "{typed:?} is not the id of a recording; `evidock record list` shows them";
    NotOut { recorder: String } => "{recorder} 没有被领用，无需归还；请在“领用归还”页查看。", "nobody has taken {recorder} out; `evidock desk list` shows what is out";
    RecorderInRepair { recorder: String } => "{recorder} 已送修，不能领用；请换一台，修好后先由系统管理员恢复使用。", "{recorder} was given away for repair and cannot be taken out; take another one, and once it is mended have the system administrator take it into use again";
    RecorderRetired { recorder: String } => "{recorder} 已停用，不能领用；请换一台，或由系统管理员恢复使用。", "{recorder} is retired and cannot be taken out; take another one, or have the system administrator take it into use again";
    RecorderRefused { recorder: String } => "{recorder} 已被拒绝准入，不能领用；请换一台，或由系统管理员重新准入。", "{recorder} was refused and cannot be taken out; take another one, or have the system administrator approve it again";
    OfficerLeft { officer: String } => "{officer} 已离岗，不能领用；若已返岗，请更新人员登记的离岗时间。", "{officer} has left and cannot take a recorder out; whoever is back needs a new date in the register of officers";
    GateAlone { recorder: String } => "{recorder} 没有经过 USB 或网络准入，不能拒绝准入；不再使用时请停用。", "{recorder} never came through the gate for USB or network, so it cannot be refused; retire it when it is no longer used";
    NoIssue { issue: i64 } => "没有第 {issue} 号领用，请在“领用归还”页查看。", "there is no issue {issue}; `evidock desk list` shows what is out";
    NotTheLast { recorder: String } => "这不是 {recorder} 的最后一次登记；请按实际情况重新领用或归还。", "that was not the last thing done about {recorder}; issue or return it as it should be";
    TooLongAgo { recorder: String, minutes: i64 } => "已超过 {minutes} 分钟，不能撤销；请按实际情况重新登记 {recorder} 的领用或归还。", "that was more than {minutes} minutes ago; issue or return {recorder} as it should be";

    // Alarms and backups
    AlarmOver {} => "这条告警已经消除，无须处理；请刷新页面。", "this alarm is over; load the page again";
    NoAlarm { alarm: i64 } => "没有第 {alarm} 号告警，请在“告警”页查看。", "there is no alarm {alarm}; the page of alarms has those that there are";
    NoRecipient {} => "没有配置备份接收密钥（[backup] recipient）；请用 evidock backup keygen 生成，再重新启动服务。", "there is no [backup] recipient; `evidock backup keygen` makes a pair, and the daemon must be started again";
    BackupFailed { detail: String } => "备份没有完成，请系统管理员运行 evidock doctor 查看原因。", "{detail}";

    // Registers and rosters
    NoRegister { known: Vec<String> } => "没有这种登记；请选择：{known}。", "there is no such register; it is one of {known}";
    NotBase64 { detail: String } => "文件不是 base64 编码，请改正：{detail}", "the file is not in base64: {detail}";
    ImportNumber {} => "请以编号指定导入。", "an import has a number";
    NoImport { import: i64 } => "没有第 {import} 号导入，请在“登记信息”页查看。", "there is no import {import}; `evidock register imports` shows them";
    NoRoster { name: String, known: Vec<String> } => "没有以“{name}”导入的排班表；请选择已有的：{known}。", "no roster was imported as {name:?}; there are {known}";
    ImportUndone { import: i64 } => "第 {import} 号导入已经撤销，无须再办；请刷新页面。", "import {import} was undone already";
    ImportChanged { newer: i64, entries: i64 } => "第 {newer} 号导入之后又修改了其中 {entries} 条，请先撤销那一次。", "import {newer} changed {entries} of its entries since; undo that one first";
    JoinTouched { numbers: String, since: Vec<Thing> } => "这次导入把 {numbers} 合并为一个案件，此后该案件又有变动（{since}），无法判断各属哪个编号，因此整次导入都不能撤销。登记内容有误的，请改正后重新导入。", "the import made {numbers} one case, and since then something was done with that case ({since}) of which nobody can tell to which number it belongs; so nothing of the import is undone. Import a corrected line where the register is wrong";
    RosterKept { name: String } => "“{name}”最近一次导入早于本程序开始保存被替换的行，不能撤销；请导入正确的排班表，或删除以这个名称导入的全部内容。", "what the newest import of {name:?} replaced was not kept by the version that imported it, so it cannot be undone; import the right sheet, or take away what was imported under this name";
    NothingImported { each: Vec<Why> } => "没有导入：{each}", "nothing was imported: {each}";
    SameCaseTwice { line: u64, first: u64 } => "第 {line} 行与第 {first} 行是同一案件的不同编号，请合并为一行。", "line {line} names the same case as line {first} by another number; make one line of the two";
    TwoRegistered { line: u64, numbers: String } => "第 {line} 行：{numbers} 在登记中是两个案件，请把各编号填入各自的案件。", "line {line}: {numbers} are two cases of the register already; give each number to the case that it belongs to";
    TwoOneFiled { line: u64, numbers: String } => "第 {line} 行：{numbers} 是两个案件，其中已归档的不能改动；须先由两人写明原因重新打开。", "line {line}: {numbers} are two cases, and one that is filed takes no changes; two people re-open it first, with a reason";
    TwoClosed { line: u64, numbers: String } => "第 {line} 行：{numbers} 是两个都已结案的案件，请先重新打开其中一个。", "line {line}: {numbers} are two cases that were both closed; re-open one of them first";
    TableTooLarge { mb: u64, rows: u64 } => "文件大于 {mb} MB 或超过 {rows} 行，请分批导入。", "the file is larger than {mb} MB or has more than {rows} rows; import it in parts";
    TableNotText {} => "文件不是 .xlsx 工作簿，也不是 JSON 或 UTF-8、UTF-16、GB18030 编码的 CSV；请用表格软件另存为 .xlsx。", "the file is neither a workbook (.xlsx), nor JSON, nor CSV text in UTF-8, UTF-16 or GB18030; save it as .xlsx in a spreadsheet program";
    TableJson { detail: String } => "JSON 不是由文字或数字组成的对象列表（{detail}）；请改正后重新导入。", "the JSON is not a list of objects with texts or numbers in them ({detail}); correct it and import it again";
    TableCsv { line: u64, detail: String } => "第 {line} 行无法按 CSV 读取，请改正：{detail}", "line {line} cannot be read as CSV: {detail}";
    TableTooWide { columns: u64 } => "表格超过 {columns} 列，或单元格远多于登记所需；请删去无关内容。", "the table has more than {columns} columns, or far more cells than a register; remove what does not belong to it";
    TableEmpty {} => "没有内容：请在第一行写列名，以下每行一条。", "there are no rows; the first line names the columns, each line below it is one entry";
    WorkbookOdd { detail: String } => "工作簿无法读取（{detail}）；请用表格软件打开，另存为 .xlsx 或 CSV。", "the workbook cannot be read ({detail}); open it in a spreadsheet program and save it again as .xlsx or CSV";
    WorkbookLong { thing: Thing } => "工作簿的{thing}超出登记所需；请删去无关内容，或分批导入。", "the workbook has more {thing} than a register; remove what does not belong to it, or import it in parts";
    WorkbookOld {} => "这不是 .xlsx 文件：是旧的 .xls，或设有密码；请另存为不带密码的 .xlsx 或 CSV。", "this is no .xlsx file: an older .xls, or one with a password; save it as .xlsx without a password, or as CSV";
    Several { each: Vec<Why> } => "{each}", "{each}";
    ColumnUnknown { name: String, known: Vec<String> } => "不认识“{name}”列；请改为已知的列：{known}。", "column {name:?} is not known; known are {known}";
    ColumnNearly { name: String, nearest: String } => "不认识“{name}”列；是否为 {nearest}？否则请删去。", "column {name:?} is not known; is {nearest} meant? Otherwise remove it";
    ColumnStrange { name: String } => "不认识“{name}”列；请改名或删去。", "column {name:?} is not known; rename or remove it";
    ColumnTwice { name: String, column: String } => "“{name}”列重复（{column}），请去掉一列。", "column {name:?} is there twice as {column}; remove one";
    ColumnMissing { column: String, others: Vec<String> } => "缺少列，请补上：{column}（{others}）。", "column {column} ({others}) is missing";
    ColumnNotThere {} => "文件中没有这一列；请改正文件，或改正 [[exchange.take]] 的 columns。", "this column is not in the file; correct the file, or columns in [[exchange.take]]";
    Mistakes { n: u64, each: Vec<Why> } => "有 {n} 处错误，没有导入：{each}", "{n} mistake(s), nothing was imported: {each}";
    AndMore { n: u64 } => "还有 {n} 处", "and {n} more";
    Mistake { line: u64, column: String, value: String, because: Box<Why> } => "第 {line} 行，{column} 列，“{value}”：{because}", "line {line}, column {column}, {value:?}: {because}";
    CellMissing {} => "不能为空", "must not be empty";
    CellUnprintable { most: u64 } => "超过 {most} 个字或含有换行，请检查引号", "longer than {most} characters or with a line break in it; check the quotation marks";
    CellSurplus {} => "该行的值多于列数；含逗号的内容请加引号", "the line has more values than there are columns; put a value with a comma in quotation marks";
    CellNobody {} => "全零不是姓名，请填写姓名或编号", "zeros name nobody; write a name or number";
    CellEndsFirst {} => "结束早于开始", "it ends before it begins";
    CellBackFirst {} => "归还时间须晚于领用时间", "must be later than the time of taking out";
    CellNotItsOwn {} => "这是检查任务或当场文书的编号，不是案件编号；请填入“检查任务号”列", "is the number of an inspection task or an on-the-spot document, not of the case; write it into 检查任务号 (earlier)";
    CellDegrees { limit: i64 } => "请填写 -{limit} 到 {limit} 之间的度数，如 37.7560", "write degrees from -{limit} to {limit}, as 37.7560";
    CellHalfAPlace {} => "纬度和经度须一起填写，或都不填", "latitude and longitude belong together; write both or none";
    CellDatum {} => "请填写 WGS84 或 GCJ-02", "write WGS84 or GCJ-02";
    CellYesNo {} => "请填写“是”或“否”", "write 是 or 否";
    CellTier {} => "请填写“全过程”“重点”或“文字”", "write 全过程 (whole), 重点 (part) or 文字 (written)";
    CellTwice { first: u64 } => "第 {first} 行已有相同内容；请各给一个编号（警号、证件号、编号），或删去一行", "is there already in line {first}; give each a number of its own (警号, 证件号, 编号), or remove one";
    RosterRepeated { first: u64, line: u64 } => "第 {line} 行与第 {first} 行相同，只计一次", "line {line} repeats line {first}; it counts once";
    RosterOverlap { first: u64, line: u64, recorder: String } => "第 {first} 行和第 {line} 行的时间重叠（记录仪 {recorder}），内容一致", "lines {first} and {line} overlap for recorder {recorder} and say the same";
    RosterDisagree { first: u64, line: u64, recorder: String, differ: Columns } => "第 {first} 行和第 {line} 行的时间重叠（记录仪 {recorder}），{differ}不一致；同时属于两行的资料须由人认定", "lines {first} and {line} overlap for recorder {recorder} and differ in {differ}; for clips of both times a person must decide";
    RosterBrackets { line: u64 } => "第 {line} 行，案件编号列：两个括号不是一对，请核对编号是否完整", "line {line}, column case: the two brackets are of different kinds; check that the number is whole";
    RosterDigits { line: u64 } => "第 {line} 行，案件编号列：两个数字之间的空格已去掉，请核对是否为同一个数", "line {line}, column case: a space between two digits was dropped; check that it was one number";

    // Accounts
    AccountsExist {} => "已经有账号了；请用 evidock user add 添加，evidock user list 查看。", "there are accounts already; `evidock user add` makes another one, `evidock user list` shows them";
    FirstAccount {} => "第一个账号须是安全管理员：evidock user first 姓名。", "the first account is the security administrator's: `evidock user first NAME`";
    DeskSends {} => "请在案件页办理送审。", "the desk sends cases for review";
    LoginForm { typed: String } => "“{typed}”不能用作账号名；请用 2 到 32 个字母、汉字、数字和 . _ - @，以字母、汉字或数字开头。", "{typed:?} cannot be the name of an account: use 2 to 32 letters, digits and . _ - @, beginning with a letter or digit";
    NoAccount { name: String } => "没有账号 {name}，请检查名称。", "there is no account {name}; `evidock user list` shows them";
    NoAccountNumber { account: i64 } => "没有第 {account} 号账号，请在“账号”页查看。", "there is no account with the number {account}; the page Accounts has those that there are";
    NotAReviewer { name: String } => "{name} 不是法制审核员，请另选审核人员。", "{name} is no legal reviewer; `evidock user list` shows who is";
    NoRole { all: Vec<String> } => "请给账号至少一个角色：{all}。", "an account needs at least one role: {all}";
    UnknownRole { name: String, all: Vec<String> } => "没有“{name}”这个角色；请选择：{all}。", "there is no role {name:?}; the roles are {all}";
    KeepsApart { role: String } => "{role} 与其他角色不能兼任（三员分立）；请为它单设账号，交给另一个人。", "{role} keeps apart from every other role (三员分立): make an account of its own for it, and give it to another person";
    NoProvider {} => "没有配置统一身份认证；请在配置的 [access.oidc] 中填写，再重新启动。", "there is no identity provider: write it into [access.oidc] of the configuration, then start evidock anew";
    SubjectForm {} => "统一身份认证的标识请写成一行，最多 255 个可见的 ASCII 字符；用未绑定的身份登录时，页面会显示它。", "the subject at the identity provider is one text of at most 255 visible ASCII characters; the page tells it to whoever comes with one that is bound to no account";
    FingerprintForm { typed: String } => "“{typed}”不是证书指纹；请填写 openssl x509 -in 文件 -noout -fingerprint -sha256 给出的 64 位十六进制数。", "{typed:?} is no fingerprint of a certificate; write the 64 hexadecimal digits that `openssl x509 -in FILE -noout -fingerprint -sha256` prints";
    LastDayForm {} => "请把最后一天写成 2026-12-31，或把时间写成 2026-12-31T18:00:00+08:00。", "write the last day as 2026-12-31, or a time as 2026-12-31T18:00:00+08:00";
    LastDayOver { at: String } => "{at} 已经过去；请填写以后的日期，或停用账号。", "{at} is over; give a later day, or disable the account";
    OneTokenRole {} => "一个令牌只有一个角色，请只选一个。", "a token has one role";
    NoTokenForAccounts {} => "程序不能管理账号和权限，请选择其他角色。", "no program makes accounts or gives out rights; choose another role";
    RoleHasNot { role: String, right: String, may: Box<Why> } => "{role} 没有“{right}”权限；请选择它有的：{may}。", "{role} has no right {right:?}; it has {may}";
    TokenName {} => "请用一行写明令牌的用途。", "say in one line what the token is for";
    TokenDays { most: u64 } => "令牌有效期请填写 1 到 {most} 天。", "a token holds for 1 to {most} days";
    TooManyCertificates { most: u64 } => "每人最多 {most} 个证书，请先去掉旧的。", "a person has at most {most} certificates; take old ones away";
    NotOneself {} => "不能修改自己的角色或停用自己，请由另一位管理员办理。", "nobody changes their own roles or disables themselves; another administrator does it";
    AccountExists { name: String } => "已有账号 {name}，请另取名称；账号名不重复使用，停用的也不行。", "there is an account {name} already; names are never used twice, also not of accounts that are disabled";
    CodeUsed {} => "这个动态口令已经用过，请等下一个。", "this one-time code was used already; wait for the next one";
    NoToken { token: i64 } => "没有有效的第 {token} 号令牌，请在“账号”页查看。", "there is no token {token} that goes on; `evidock token list` shows them";
    NotSent {} => "本案没有送审，请先在案件页送审。", "this case does not stand sent for review; send it on the page of the case";
    BoundAlready { name: String } => "它已绑定到 {name}，不能是两个人；请先在那里解除。", "{name} is bound to it already, and nobody is two people; take it away there first";

    // Supervision and legal review
    DrawCount { most: u64 } => "每个单位一次请抽取 1 到 {most} 个资料。", "1 to {most} clips of a unit are drawn at a time";
    NothingToDraw { period: String } => "{period} 没有可供抽取的资料，请换一个期间。", "nothing was recorded in {period} of which a sample could be drawn; choose another period";
    PopulationTooLarge { most: u64 } => "一个单位的资料超过 {most} 个，请缩短期间。", "more than {most} clips of a unit: choose a shorter period";
    PointWords {} => "检查清单每一项请选择：是、否或不适用。", "each point of the checklist is yes, no or na";
    SayDue {} => "请写明整改期限。", "say until which day it is to be put right";
    NotJudged {} => "这个资料还没有检查，请先检查。", "nobody has judged this clip yet; judge it first";
    NothingFound {} => "这个资料没有发现问题，无须整改。", "nothing was found about this clip; there is nothing to put right";
    NotAnswered {} => "单位还没有回复整改情况，请等待回复。", "the unit has not answered yet";
    Answered {} => "单位已经回复，请销号，或写明缺少什么后退回。", "the unit has answered; close it, or return it with what is missing";
    FindingClosed {} => "这个问题已经销号，无须再办；请刷新页面查看。", "this finding is closed; load the page again to see how it stands";
    SampleDrawn {} => "这个批次已经抽取，或早于抽取申请。", "this sample was drawn already, or before its request; load the page again to see it";
    NotInSample { sample: i64, n: u64 } => "第 {sample} 批抽查没有第 {n} 个资料，请从批次页面打开。", "sample {sample} has no clip {n}";
    OtherChecklist {} => "检查项目与这个批次的检查清单不符，请重新打开页面。", "the points are not those of this sample's checklist; load the page again";
    NoSample { sample: i64 } => "没有第 {sample} 批抽查，请从“抽查”列表打开。", "there is no sample {sample}; open one from the list";
    VerdictWords {} => "审查意见请选择：同意、补充完善后同意或退回。", "an opinion is agree, supplement or return";
    SheetLength { items: u64, marked: u64 } => "评查表有 {items} 项，只评了 {marked} 项；请逐项评分。", "the sheet has {items} items, and {marked} were marked";
    OtherSheet {} => "评查项目与评查表不符，请重新打开页面。", "the items are not those of the sheet; load the page again";
    TooManyPoints { item: String, most: u64, points: u64 } => "{item}：最多 {most} 分，填了 {points} 分，请改正。", "{item}: at most {most} points; there are {points}; correct it";
    WhyNotAll { item: String, most: u64 } => "{item}：没有得满 {most} 分，请写明扣分原因。", "{item}: say why it does not bring all of its {most} points";
    EndsBefore {} => "视频没有那么长，请检查位置。", "the clip ends before that place";
    NoNote {} => "没有这条批注，请刷新页面查看。", "there is no such note; load the page again";
    NotYourNote {} => "批注只能由写的人撤回，请其本人办理。", "only whoever wrote a note takes it back; ask them";
    FormUnreadable { name: String, detail: String } => "报表模板“{name}”无法使用，请系统管理员检查：{detail}", "{name}: {detail}";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_han(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    /// Sentences that are nothing but parameters.
    fn is_bare(text: &str) -> bool {
        let around = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
        text.starts_with('{') && around.flat_map(str::chars).all(|c| !c.is_alphanumeric())
    }

    #[test]
    fn every_reason_is_said_in_both_languages() {
        for (name, zh, en, _) in Why::each() {
            assert!(has_han(zh) || is_bare(zh), "{name}: {zh}");
            assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{name}");
            assert!(!en.contains(['，', '。', '；', '：']), "{name}: English with Chinese punctuation: {en}");
            // What one sentence tells, the other one tells, too; but causes in English are for English alone.
            let of = |text: &str| -> std::collections::BTreeSet<String> {
                text.split('{').skip(1).filter_map(|rest| rest.split(['}', ':']).next().map(str::to_owned)).collect()
            };
            let (mut zh_of, mut en_of) = (of(zh), of(en));
            for left_out in ["detail", "what"] {
                zh_of.remove(left_out);
                en_of.remove(left_out);
            }
            assert_eq!(zh_of, en_of, "{name}");
        }
    }

    /// Reasons that no form and no button leads to: what one part of the daemon tells another one.
    const BETWEEN_PARTS: [&str; 9] = [
        "ProvesNothing",
        "NotErasable",
        "NoSighting",
        "MayNotGo",
        "OtherBytes",
        "NotOffTheBox",
        "OtherSm2Key",
        "NoLogEntry",
        "NewerEntry",
    ];

    #[test]
    fn every_reason_says_what_to_do_next() {
        for (name, zh, _, _) in Why::each() {
            // Parts of another sentence, which says it; and sentences around a reason that says it itself.
            let part = ["Stay", "Cell", "Roster", "AndMore"].iter().any(|begin| name.starts_with(begin));
            let around = zh.contains("{because}") || zh.contains("{each}");
            if part || around || is_bare(zh) || BETWEEN_PARTS.contains(&name) {
                continue;
            }
            // A wish, a must, or that nothing need be done.
            let says = ["请", "须", "应为", "是否", "无需"].iter().any(|word| zh.contains(word));
            assert!(says, "{name} only states: {zh}");
        }
    }

    #[test]
    fn keys_are_stable_words_that_come_back() {
        let mut keys = std::collections::BTreeSet::new();
        for (name, _, _, why) in Why::each() {
            let json = serde_json::to_value(&why).unwrap();
            let key = json["why"].as_str().unwrap().to_owned();
            assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}: {key}");
            assert!(keys.insert(key), "{name}: its key is there twice");
            assert_eq!(serde_json::from_value::<Why>(json).unwrap(), why, "{name}");
        }
        let newer = serde_json::json!({ "why": "of_a_newer_program", "clip": "x" });
        assert_eq!(serde_json::from_value::<Why>(newer).unwrap(), Why::Unsaid);
    }

    #[test]
    fn a_reason_is_small_enough_to_be_an_error() {
        assert!(size_of::<Why>() <= 72, "{} bytes: put what is long into a box", size_of::<Why>());
    }

    #[test]
    fn parameters_stand_in_the_language_around_them() {
        let asked = Why::AskedElsewhere { thing: Thing::LiftOfIsolation, place: Thing::OnThePage };
        assert_eq!(asked.told(Lang::Zh), "解除阻断是在页面上申请的，也须在页面上确认，这样才能区分两个人。");
        assert!(asked.to_string().starts_with("lifting this isolation was asked for on the page"));
        let stays = Why::ClipStays { clip: "7".into(), because: Box::new(Why::StayHeld {}) };
        assert_eq!(stays.told(Lang::Zh), "资料 7 不能销毁：正在暂停销毁（复议/诉讼）；请从清册中去掉。");
        let known = vec!["a".to_owned(), "b".to_owned()];
        let nowhere = Why::NoDestination { name: "x".into(), known };
        assert_eq!(nowhere.told(Lang::Zh), "没有上传目标“x”；请选择配置中的：a、b。");
        assert_eq!(nowhere.to_string(), "there is no destination \"x\"; the configuration names a, b");
        // What people typed is a parameter and never read as a form.
        let odd = Why::said("{clip} {} %s");
        assert_eq!(odd.told(Lang::Zh), "{clip} {} %s");
    }
}
