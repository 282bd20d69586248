//! The self-check in words: what is looked at, what may be found, in both languages. What to do about a finding is
//! [`super::todo`]. English is also what programs read.
//!
//! Of a system's or a server's own words Chinese says whose they are and puts them in quotes; nobody translates them.

use std::borrow::Cow;

use super::{Lang, Words};
use crate::domain::clip::ProofLevel;
use crate::domain::office::Gravity;
use crate::domain::sentence::{Told, sentences};
use crate::domain::stream::SegmentEnd;

macro_rules! parts {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// What is looked at. Each variant's documentation is its English, a stable word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum CheckPart { $(#[doc = concat!("`", $en, "`")] $name,)+ }

        impl CheckPart {
            /// Its name; in English a stable word.
            pub fn name(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Self::$name, Lang::Zh) => $zh, (Self::$name, Lang::En) => $en,)+ }
            }
        }

        #[cfg(test)]
        const PARTS: &[CheckPart] = &[$(CheckPart::$name),+];
    };
}

parts! {
    Configuration => "配置", "configuration";
    State => "状态目录", "state";
    Vault => "本地存储", "vault";
    Disk => "磁盘空间", "disk";
    Docks => "接入目录", "docking folder";
    Usb => "USB 采集位", "usb";
    GStreamer => "媒体组件", "GStreamer";
    MediaWorker => "媒体处理", "media worker";
    Typeface => "字体", "typeface";
    TimeZone => "时区", "time zone";
    Clock => "时钟", "clock";
    Database => "数据库", "database";
    LogKey => "日志密钥", "log key";
    Sm2Key => "SM2 密钥", "SM2 key";
    Daemon => "采集站程序", "daemon";
    Stream => "录制", "stream";
    Destination => "上传目标", "destination";
    Backup => "备份", "backup";
    Clips => "音像资料", "clips";
    Eviction => "腾出空间", "eviction";
    Copies => "云端副本", "copies";
    Isolation => "疑似涉密", "isolation";
    Holds => "暂停销毁", "holds";
    Told => "通知", "told";
    Search => "检索", "search";
    Figures => "统计数字", "figures";
    Accounts => "账号", "accounts";
    SignIn => "登录方式", "sign-in";
    Certificate => "页面证书", "certificate";
}

/// So many accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounts(pub usize);

impl Told for Accounts {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match (lang, self.0) {
            (Lang::Zh, n) => format!("{n} 个账号").into(),
            (Lang::En, 1) => "1 account".into(),
            (Lang::En, n) => format!("{n} accounts").into(),
        }
    }
}

/// Some names, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Those that are named.
    pub named: Vec<String>,
    /// So many are not.
    pub more: usize,
}

impl Told for Listed {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let named = self.named.told(lang);
        match (self.more, lang) {
            (0, _) => named,
            (more, Lang::Zh) => format!("{named} 等，另有 {more} 个").into(),
            (more, Lang::En) => format!("{named} and {more} more").into(),
        }
    }
}

/// What a receiver or a place said, where it said anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause(pub Option<String>);

impl Told for Cause {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match (&self.0, lang) {
            (Some(words), Lang::Zh) => format!("返回的原文：“{words}”").into(),
            (Some(words), Lang::En) => words.into(),
            (None, Lang::Zh) => "没有说明原因".into(),
            (None, Lang::En) => "it was not said why".into(),
        }
    }
}

/// What holds media workers, by the stable words of the measures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measures(pub Vec<String>);

impl Told for Measures {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let measure = |word: &String| match (lang, word.as_str()) {
            (Lang::Zh, "one_thread") => "单线程".to_owned(),
            (Lang::Zh, "first_to_go") => "低优先级".to_owned(),
            (Lang::Zh, "no_new_privs") => "禁止提权".to_owned(),
            (Lang::Zh, "limits") => "资源限额".to_owned(),
            (Lang::Zh, "capabilities") => "取消特权".to_owned(),
            (Lang::Zh, "landlock") => "文件和网络隔离（Landlock）".to_owned(),
            (Lang::Zh, "system_calls") => "系统调用过滤".to_owned(),
            _ => word.clone(),
        };
        self.0.iter().map(measure).collect::<Vec<_>>().told(lang).into_owned().into()
    }
}

/// What media elements are for, as their list says; names of formats are the same in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses(pub Vec<String>);

impl Told for Uses {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let told = |word: &String| match (lang, word.as_str()) {
            (Lang::Zh, "every file") => "所有文件".to_owned(),
            (Lang::Zh, "thumbnails") => "缩略图".to_owned(),
            (Lang::Zh, "upright thumbnails") => "缩略图转正".to_owned(),
            (Lang::Zh, "previews") => "派生预览".to_owned(),
            (Lang::Zh, "live streams") => "实时录制".to_owned(),
            (Lang::Zh, "live streams over UDP") => "UDP 实时录制".to_owned(),
            (Lang::Zh, "stretches of clips") => "片段".to_owned(),
            (Lang::Zh, "frame grabs") => "截图".to_owned(),
            (Lang::Zh, "watermarks") => "水印副本".to_owned(),
            (Lang::Zh, word) => word.replace("live ", "实时录制 ").replace(" and ", " 和 "),
            (Lang::En, word) => word.to_owned(),
        };
        self.0.iter().map(told).collect::<Vec<_>>().told(lang).into_owned().into()
    }
}

/// How a destination proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof(pub ProofLevel);

impl Default for Proof {
    fn default() -> Self {
        Self(ProofLevel::None)
    }
}

impl Told for Proof {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match lang {
            Lang::Zh => lang.words().proof(self.0).into(),
            Lang::En => self.0.as_str().into(),
        }
    }
}

/// How a clip of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End(pub SegmentEnd);

impl Default for End {
    fn default() -> Self {
        Self(SegmentEnd::Asked)
    }
}

impl Told for End {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match lang {
            Lang::Zh => lang.words().segment_end(self.0).into(),
            Lang::En => self.0.as_str().into(),
        }
    }
}

sentences! {
    /// What the self-check may find. Each variant's documentation is its English.
    Found else
    /// Nothing.
    Nothing;

    // Configuration
    ConfiguredBy { path: String } => "按配置文件 {path} 运行", "{path}";
    ConfiguredByDefaults {} => "没有配置文件，按内置默认值运行", "the embedded defaults";
    NamedFile { key: String, path: String, error: String } => "{key} 指定的文件 {path} 不能使用，系统报告：“{error}”", "{key} names {path}: {error}";

    // Directories
    CannotBeLookedAt { path: String, error: String } => "不能查看 {path}，系统报告：“{error}”", "{path} cannot be looked at: {error}";
    NoDirectory { path: String } => "{path} 不是目录", "{path} is no directory";
    NotWritable { path: String } => "当前用户不能写入 {path}", "{path} cannot be written by this user";
    OpenToAll { path: String, mode: String } => "本机任何用户都能进入 {path}（权限 {mode}）", "{path} is open to every user of this box (mode {mode})";
    Directory { path: String, mode: String } => "目录 {path}（权限 {mode}）", "{path} (mode {mode})";
    CannotBeMade { path: String, above: String } => "{path} 不存在，当前用户也不能在 {above} 中建立", "{path} does not exist, and this user cannot make it in {above}";
    NotThereYet { path: String } => "{path} 还不存在", "{path} does not exist yet";

    // The vault's disk
    FileSystemUnknown { path: String, error: String } => "不能查询 {path} 的文件系统，系统报告：“{error}”", "the file system of {path} cannot be asked: {error}";
    OnFileSystem { path: String, name: String } => "{path} 位于 {name} 文件系统", "{path} is on {name}";
    OnMemory { path: String } => "{path} 位于内存（tmpfs），重启后内容全部丢失", "{path} is on memory (tmpfs): everything in it is gone after a restart";
    OnOverlay { path: String } => "{path} 位于叠加文件系统（多见于容器），写入的内容可能随容器消失", "{path} is on an overlay, as in a container: what is written may go with the container";
    OnNetwork { path: String } => "{path} 位于网络挂载，可靠程度取决于对方服务器，断网即停", "{path} is on a network mount: it is durable only as far as that server is, and stops when the network does";
    OnFat { path: String } => "{path} 位于 FAT 或 exFAT，没有日志，也没有权限", "{path} is on FAT or exFAT: it keeps no journal and no permissions";
    OnFuse { path: String } => "{path} 位于用户态文件系统（FUSE），落盘是否可靠取决于其程序", "{path} is on a file system in user space (FUSE): what a sync means there depends on its program";
    OnOther { path: String, kind: String } => "{path} 位于类型为 {kind} 的文件系统，evidock 没有在其上试过", "{path} is on a file system of type {kind}: evidock was not tried on it";
    Space { free: String, total: String, reserve: String } => "可用 {free}，共 {total}，保留 {reserve}", "{free} free of {total}, {reserve} are kept free";
    ReadFromDisk {} => "校验时直接从磁盘读回，不经系统缓存（O_DIRECT）", "copies are read past the page cache when they are verified (O_DIRECT)";
    ReadFromCache {} => "该文件系统不能绕过系统缓存读取（没有 O_DIRECT），只能先丢弃缓存再读，对磁盘的证明力较弱", "this file system cannot be read past the page cache (no O_DIRECT); evidock drops cached pages instead, which proves less about the disk";
    NotTriedToRead { path: String, error: String } => "当前用户不能写入 {path}，没有测试直接读取，系统报告：“{error}”", "nothing can be written into {path} by this user, so direct reading was not tried: {error}";

    // Recorders
    DocksRead { path: String, bays: usize } => "{path} 可以读取，其中有 {bays} 台记录仪", "{path} can be read; recorders that stand in it: {bays}";
    DocksUnread { path: String, error: String } => "不能读取 {path}，系统报告：“{error}”", "{path} cannot be read: {error}";
    UsbOff {} => "未启用（[source.usb] mode = \"off\"）", "not watched ([source.usb] mode = \"off\")";
    NoUsb {} => "本机没有 USB", "this system has no USB";
    NoUdev {} => "本机没有运行 udev", "udev does not run here";
    NoUsbUnwatched {} => "本机没有 USB，不接入 USB 记录仪", "this system has no USB; recorders on USB are not watched";
    NoUdevUnwatched {} => "本机没有运行 udev，不接入 USB 记录仪", "udev does not run here; recorders on USB are not watched";
    Gatekeeper { path: String } => "设备准入服务在 {path} 待命", "the gatekeeper listens at {path}";
    NoGatekeeper { path: String } => "{path} 处没有设备准入服务，只能看到记录仪，不能读取", "there is no gatekeeper at {path}: recorders are seen and not read";
    EveryPortIsABay {} => "没有列出采集位，每个 USB 口都算一个", "no bay is listed, so every port is one";
    PortsAreBays { n: usize } => "{n} 个 USB 口是采集位", "{n} ports are bays";

    // Media
    MediaWorker { error: String } => "媒体处理程序不能启动，其报告：“{error}”", "{error}";
    Elements {} => "所需的媒体组件都已安装", "every element that evidock uses is installed";
    ElementsMissing { names: Vec<String>, uses: Uses } => "缺少 {names}，用于{uses}", "{names} missing, needed for {uses}";
    HeldBy { measures: Measures } => "已限制：{measures}", "held by {measures}";
    MeasureMissing { measure: Measures, detail: String } => "“{measure}”没有生效，系统报告：“{detail}”", "{measure} is not in force: {detail}";
    Typeface {} => "有中文字体，导出的案件音像资料附 PDF 文书", "there is one with Chinese: evidence packages have their documents as PDF";
    NoTypeface { error: String } => "没有可用的中文字体，导出的案件音像资料不附 PDF；程序的说明：“{error}”", "evidence packages go without PDFs: {error}";

    // Time
    ZoneOfSystem { name: String } => "{name}，采用系统的时区数据", "{name}, from this system's database";
    ZoneOfEvidock { name: String } => "{name}，系统没有时区数据，采用 evidock 自带的", "{name}, from evidock's own (this system has none) database";
    ClockWell {} => "已校时", "synchronized";
    ClockLoose {} => "未校时，记录和日志中的时间可能不准", "not synchronized: times in records and in the log may be wrong";
    ClockUnknown {} => "不能确定时钟是否已校时", "whether the clock is synchronized cannot be told here";

    // The database
    NoneAt { path: String } => "{path} 处还没有", "there is none at {path}";
    DatabaseUnread { error: String } => "读取数据库出错，程序报告：“{error}”", "{error}";
    DatabaseDamaged { path: String, verdict: String } => "{path} 已损坏，数据库的检查结果：“{verdict}”", "{path} is damaged: {verdict}";
    DatabaseOfOther { theirs: String, ours: String } => "它属于采集站 {theirs}，而配置写的是 {ours}", "it belongs to station {theirs}, the configuration says {ours}";
    DatabaseOlder { version: i64, ours: i64 } => "结构版本为 {version}，本程序使用 {ours}", "schema version {version}, this program writes {ours}";
    Superseded { later: i64 } => "本站已在另一台机器上恢复，在那里继续（epoch {later}）；这里不再采集", "this station was restored elsewhere and goes on there in epoch {later}; nothing is taken in here";
    DatabaseSound { path: String, version: i64 } => "{path} 完好，结构版本 {version}", "{path}, schema version {version}, sound";
    FiguresUnread { error: String } => "不能读取数据库的统计数字，程序报告：“{error}”", "the database's figures cannot be read: {error}";
    FiguresRight {} => "数据库随时累计的数字与实际一致", "what the database counts as it goes is what it holds";
    FiguresOff { n: usize, what: String, kept: i64, counted: i64 } => "页面上有 {n} 项数字与数据库实际不符：“{what}”累计为 {kept}，实际为 {counted}", "{n} figures of pages are not what the database holds: of {what} {kept} are counted, and there are {counted}";

    // Keys
    KeyAsCredential { name: String, kept: String } => "密钥由系统凭据 {name} 提供，保护方式：{kept}", "it comes as the credential {name}, kept by {kept}";
    Gone { path: String } => "{path} 不见了", "{path} is gone";
    ReadByOthers { path: String, mode: String } => "其他用户可以读取 {path}（权限 {mode}）", "{path} may be read by others (mode {mode})";
    PublicHalfUnread { path: String, error: String } => "不能读取公钥文件 {path}，系统报告：“{error}”", "its public half {path} cannot be read: {error}";
    KeyOfOther { theirs: String, ours: String } => "这是 {theirs} 的密钥，不是 {ours} 的", "it is the key of {theirs}, not of {ours}";
    KeyInFile { key: String } => "{key}，以文件保存：本机 root 用户可以用它签名，只有上传目标处的日志签名能揭示篡改", "{key}, kept in a file: whoever is root on this box can sign with it, and anchors at the destinations are what shows it";
    Sm2Gone { path: String } => "{path} 不见了，而日志登记有这个密钥", "{path} is gone, and the log names it";
    Sm2Unread { error: String } => "不能读取 SM2 公钥，程序报告：“{error}”", "{error}";
    Sm2Kept { key: String, kept: String } => "{key}，保护方式：{kept}；由没有认证证书的密码库使用，与日志密钥并用，不代替它", "{key}, kept in: {kept}; used by a library without a certificate, beside the log key and not in its place";
    Sm2Unnamed {} => "日志还没有登记 SM2 密钥", "the log names none yet";
    Sm2Other { own: String, named: String } => "现有密钥是 {own}，日志登记的是 {named}", "it is {own}, and the log names {named}";
    Sm2PublicAway { key: String, path: String } => "{key} 的公钥不在 {path}", "the public half of {key} is not at {path}";

    // The daemon
    DaemonAnswers { path: String } => "在 {path} 正常应答", "answers at {path}";
    DaemonRefuses { error: String } => "拒绝应答，其说明：“{error}”", "refuses to answer: {error}";
    DaemonSilent { path: String } => "在 {path} 没有应答", "does not answer at {path}";
    DaemonUnasked { path: String, error: String } => "不能通过 {path} 询问，系统报告：“{error}”", "cannot be asked at {path}: {error}";

    // Rooms
    CameraAnswers { name: String, room: String, address: String } => "{name}（{room}）：摄像机 {address} 有应答", "{name} ({room}): {address} answers";
    CameraSilent { name: String, room: String, address: String, error: String } => "{name}（{room}）：摄像机 {address} 没有应答，系统报告：“{error}”", "{name} ({room}): {address} does not answer: {error}";
    LastEnded { name: String, why: End } => "{name}：上一段录像非正常结束：{why}", "{name}: the last clip ended with '{why}'";
    LastEndedSaying { name: String, why: End, words: String } => "{name}：上一段录像非正常结束：{why}，程序的说明：“{words}”", "{name}: the last clip ended with '{why}' ({words})";

    // Destinations
    NoDestination {} => "没有配置上传目标，音像资料只保存在本机", "none is configured: footage stands on this box alone";
    OnSameDevice { name: String, path: String } => "{name}（{path}）与本站存储在同一块盘上，本机损坏时会一起丢失", "{name} ({path}) is on the vault's own device: it proves nothing about the loss of this box";
    KeysNowhere {} => "tus 服务器不保存路径，资料在何处只有本站数据库知道", "tus servers keep no keys: what stands where is known to this station's database alone";
    Unencrypted { name: String, protocol: String } => "{name}：{protocol} 未加密，口令和音像资料在传输途中可被他人看到", "{name}: {protocol} without encryption shows password and footage to everybody on the way";
    HostKeyUnknown { name: String, host: String } => "{name}：没有填写 {host} 的主机密钥，不会向它上传", "{name}: nothing is sent to {host}, whose host key is not known";
    DestinationAway { name: String, error: String } => "{name} 目前不能上传，返回的原文：“{error}”", "{name}: {error}";
    DestinationLocks { name: String, proof: Proof } => "{name}：{proof}，可以防删除锁定", "{name}: proves by {proof}, can lock objects";
    DestinationProves { name: String, proof: Proof } => "{name}：{proof}，不能防删除锁定", "{name}: proves by {proof}, cannot lock objects";
    DestinationProvesNothing { name: String, proof: Proof } => "{name} 没有提供比对内容的办法（{proof}）", "{name}: gives no means to compare bytes ({proof})";
    NeverReached { name: String } => "{name} 还没有连通过", "{name}: never reached so far";

    // Backups
    NoRecipient {} => "没有备份：未配置加密用的公钥。本机损坏时，音像资料及其记录在上传目标处仍有，排班表、登记信息和日志则会丢失", "none is made: there is no key for which it could be encrypted. Clips and records survive this box at the destinations, rosters, registers and the log do not";
    BackupNotArrived { destination: String, why: Cause } => "最近一份备份还没有到达 {destination}，{why}", "the newest has not arrived at {destination}: {why}";
    OldBackups { n: usize } => "有 {n} 份旧备份可以删除，本站自己从不删除", "{n} old ones may go; the station never deletes any";
    NoBackupYet {} => "还没有一份备份到达任何地方", "none has arrived anywhere yet";
    BackupLate { hours: i64, every: i64 } => "最近到达的备份已有 {hours} 小时，应每 {every} 小时一份", "the newest that arrived is {hours} h old, one is due every {every} h";
    BackupArrived { hours: i64 } => "{hours} 小时前有一份备份到达；请时常试做恢复（docs/restore.md）", "one arrived {hours} h ago; try a restore now and then (docs/restore.md)";
    BackupArrivedAt { hours: i64, places: Vec<String> } => "{hours} 小时前有一份备份到达，最近一份在 {places}；请时常试做恢复（docs/restore.md）", "one arrived {hours} h ago, the newest at {places}; try a restore now and then (docs/restore.md)";

    // The vault against the database
    VaultUnread { path: String, error: String } => "不能逐一查看 {path}，系统报告：“{error}”", "{path} cannot be looked through: {error}";
    Strays { n: usize, names: Listed } => "有 {n} 个文件在数据库中没有记录：{names}", "{n} files that no row of the database explains: {names}";
    FilesGone { n: usize, names: Listed } => "{n} 个已入库资料的文件不见了，或者长度不符：{names}", "{n} sealed clips whose file is gone or has another length: {names}";
    VaultWell { n: usize } => "{n} 个资料，记录与文件一一对应", "{n} clips: every row has its file, every file its row";

    // What becomes of clips
    OutOfReach { clips: u64, first: String } => "{clips} 个资料的本地文件已腾出，而现在配置的上传目标处都没有校验一致的副本，例如 {first}", "{clips} clips went from here and have no proven copy at any destination that is configured now, {first} among them";
    WentFromHere { clips: u64 } => "{clips} 个资料经校验后已腾出本地空间，各有一份可读取的校验一致的副本", "{clips} clips went from here after their proof; each has a proven copy that can be read";
    NothingWillGo {} => "[vault] evict 已启用，但没有一个必需的上传目标确定不在本站自己的盘上，不会腾出任何空间", "[vault] evict is on, and no required destination is known to stand off this station's own disk: nothing will go";
    WrongCopies { copies: u64, first: String } => "上传目标处有 {copies} 份副本与入库内容不一致，例如 {first}", "{copies} copies at destinations are not what was sealed, of {first} among others";
    IsolatedClips { clips: u64, first: String } => "{clips} 个资料疑似涉密，已阻断，例如 {first}", "{clips} clips are isolated as suspected classified, {first} among them";
    PackageWritten { id: String, clips: usize } => "证据包 {id} 含 {clips} 个已阻断的资料；由 evidock export 写到了指定的位置", "the evidence package {id} holds {clips} isolated clips; `evidock export` wrote it, to where it was told";
    PackageLies { id: String, clips: usize, dir: String, taken: u64 } => "证据包 {id} 含 {clips} 个已阻断的资料，存放在 {dir}；不再提供下载，此前已下载 {taken} 次", "the evidence package {id} holds {clips} isolated clips and lies in {dir}; it is given out no longer, and was downloaded {taken} times before";
    PackageStands { id: String, clips: usize, name: String, key: String, discs: u32, taken: u64 } => "证据包 {id} 含 {clips} 个已阻断的资料，在 {name} 的 {key}（{discs} 张光盘）；不再提供下载，此前已下载 {taken} 次", "the evidence package {id} holds {clips} isolated clips and stands at {name} as {key} ({discs} discs); it is given out no longer, and was downloaded {taken} times before";
    PackageStoppedAt { id: String, clips: usize, name: String, taken: u64 } => "证据包 {id} 含 {clips} 个已阻断的资料，制作已停止；此前完整写到 {name} 的部分见日志", "the evidence package {id} holds {clips} isolated clips and was stopped; what had come to {name} whole by then is in the log";
    PackageWasReady { id: String, clips: usize, taken: u64 } => "证据包 {id} 含 {clips} 个已阻断的资料，原可下载；不再提供下载，此前已下载 {taken} 次", "the evidence package {id} holds {clips} isolated clips and was ready to be downloaded; it is given out no longer, and was downloaded {taken} times before";
    PackageStopped { id: String, clips: usize, taken: u64 } => "证据包 {id} 含 {clips} 个已阻断的资料，制作已停止，已写出的内容已清除", "the evidence package {id} holds {clips} isolated clips; it was stopped, and what was written of it removed";
    ReleaseAsked { hold: String, by: String } => "{by} 已申请解除暂停销毁 {hold}，等待另一人确认", "the release of hold {hold} was asked for by {by} and waits for another person";

    // Who is told
    NobodyTold {} => "没有配置通知对象，告警只显示在页面上", "nobody is told of alarms: they stand on the page alone";
    ReceiverWell { name: String, waiting: u64 } => "{name} 能收到通知，{waiting} 条待通知", "{name} is told of what happens, {waiting} waiting";
    ReceiverAway { name: String, waiting: u64, why: Cause } => "{name} 没有收到通知，{waiting} 条待通知，{why}", "{name} is not reached, {waiting} waiting: {why}";
    ReceiverGivenUp { name: String, lost: u64, why: Cause } => "{name} 有 {lost} 条通知一天内未能送达，{why}", "{name} was not told of {lost} things within a day: {why}";

    // Searches
    IndexUnread { error: String } => "不能读取检索索引，程序报告：“{error}”", "the index cannot be read: {error}";
    NoFullText {} => "本程序的 SQLite 没有全文检索", "this program's SQLite has no full text search";
    IndexBroken { verdict: String } => "检索索引已损坏，检查结果：“{verdict}”", "the index is broken: {verdict}";
    IndexWrong { n: u64 } => "最近的资料中有 {n} 个不能按应有的内容检索到", "{n} of the newest clips are not found as they should be";
    IndexMissing { missing: u64, due: u64 } => "{missing} 个资料不在索引中，其中只有 {due} 个正在等待编入", "{missing} clips stand in no index, and only {due} are due";
    IndexDue { due: u64 } => "{due} 个资料等待编入索引", "{due} clips wait for their place in the index";
    IndexWell { indexed: u64, clips: u64, due: u64 } => "{clips} 个资料中 {indexed} 个已编入索引，{due} 个等待编入", "{indexed} of {clips} clips are indexed, {due} are due";

    // Accounts and ways in
    NoAccountsHere { listen: String } => "还没有账号：在本机能打开 {listen} 的人都可以做任何操作", "there are none: whoever reaches the page at {listen} on this box may do everything";
    NoAccounts { listen: String } => "还没有账号：{listen} 的页面只显示采集位大屏", "there are none: the page at {listen} serves nothing but the bay board";
    NoSecurityAdministrator {} => "没有能登录的安全管理员，无人在页面上管理账号", "no security administrator can sign in: nobody sees to accounts on the page";
    NoAuditor {} => "没有能登录的安全审计员，无人查看日志", "no security auditor can sign in: nobody reads the log";
    FirstPasswords { logins: Vec<String> } => "初始口令从未修改：{logins}", "first passwords that were never changed: {logins}";
    AccountsWell { accounts: Accounts } => "{accounts}，须登录使用", "{accounts}, and everybody signs in";
    ProviderNamed { issuer: String, bound: Accounts } => "统一认证 {issuer} 可登录本站的 {bound}；这次没有去询问它", "{issuer} signs in {bound} of this station; it was not asked now";
    ProviderUnread { error: String } => "统一认证所需的文件不能读取，程序报告：“{error}”", "{error}";
    ProviderCaEmpty { path: String } => "{path} 中没有能读取的证书；[access.oidc] 的 ca_file 应为 PEM 文件", "{path} holds no certificate that can be read; ca_file of [access.oidc] must be a PEM file";
    ClientCa { path: String, bound: Accounts } => "{path} 签发个人证书，本站有 {bound} 绑定了证书", "{path} signs the certificates of people; {bound} of this station has one";
    ClientCaUnread { error: String } => "签发个人证书的根证书不能使用，程序报告：“{error}”", "{error}";
    Certificate { path: String, digest: String } => "证书 {path}，SHA-256 指纹 {digest}", "{path}, SHA-256 {digest}";
    CertificateToCome {} => "采集站启动时自行生成证书，届时再查看其指纹", "the station makes its own when it starts; ask again then for its fingerprint";
    CertificateUnread { path: String, error: String } => "{path} 中没有能读取的证书，程序报告：“{error}”", "{path} holds no certificate that can be read: {error}";
}

impl Words {
    /// How bad a finding is, on a terminal.
    pub fn gravity(&self, gravity: Gravity) -> &'static str {
        match (gravity, self.lang) {
            (Gravity::Ok, Lang::Zh) => "正常",
            (Gravity::Warning, Lang::Zh) => "注意",
            (Gravity::Problem, Lang::Zh) => "问题",
            (Gravity::Ok, Lang::En) => "ok",
            (Gravity::Warning, Lang::En) => "warning",
            (Gravity::Problem, Lang::En) => "PROBLEM",
        }
    }

    /// The last line of a check on a terminal.
    pub fn check_ended(&self, problems: usize, warnings: usize) -> String {
        let count = |n: usize, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
        match self.lang {
            Lang::Zh => format!("问题 {problems}，注意 {warnings}"),
            Lang::En => format!("{}, {}", count(problems, "problem"), count(warnings, "warning")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::todo::Todo;
    use super::*;

    fn has_han(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    #[test]
    fn whatever_may_be_found_is_said_in_the_language_of_whoever_reads() {
        let found = Found::each().into_iter().map(|(name, _, _, f)| (name, f.told(Lang::Zh), f.told(Lang::En)));
        let todo = Todo::each().into_iter().map(|(name, _, _, t)| (name, t.told(Lang::Zh), t.told(Lang::En)));
        for (name, zh, en) in found.chain(todo) {
            assert!(has_han(&zh), "{name}: {zh}");
            assert!(!has_han(&en) && !en.contains(['，', '。', '；', '：', '“']), "{name}: {en}");
        }
        for part in PARTS {
            assert!(!has_han(part.name(Lang::En)) && has_han(part.name(Lang::Zh)), "{part:?}");
        }
    }

    #[test]
    fn what_one_language_tells_the_other_tells_too() {
        let of = |text: &str| -> std::collections::BTreeSet<String> {
            text.split('{').skip(1).filter_map(|rest| rest.split('}').next().map(str::to_owned)).collect()
        };
        let found = Found::each().into_iter().map(|(name, zh, en, _)| (name, zh, en));
        for (name, zh, en) in found.chain(Todo::each().into_iter().map(|(name, zh, en, _)| (name, zh, en))) {
            assert_eq!(of(zh), of(en), "{name}");
        }
    }

    #[test]
    fn parameters_stand_in_the_language_around_them() {
        let names = Listed { named: vec!["1".into(), "2".into()], more: 2 };
        let strays = Found::Strays { n: 4, names };
        assert_eq!(strays.told(Lang::En), "4 files that no row of the database explains: 1, 2 and 2 more");
        assert_eq!(strays.told(Lang::Zh), "有 4 个文件在数据库中没有记录：1、2 等，另有 2 个");
        let away = Found::ReceiverAway { name: "mail".into(), waiting: 2, why: Cause(Some("550 no".into())) };
        assert_eq!(away.told(Lang::Zh), "mail 没有收到通知，2 条待通知，返回的原文：“550 no”");
        let measures = vec!["landlock".into(), "of_the_future".into()];
        let held = Found::HeldBy { measures: Measures(measures) };
        assert_eq!(held.told(Lang::En), "held by landlock, of_the_future");
        let uses = Uses(vec!["live H.264".into(), "MP4 and MOV".into(), "stretches of clips".into()]);
        let missing = Found::ElementsMissing { names: vec!["a".into()], uses };
        assert_eq!(missing.told(Lang::Zh), "缺少 a，用于实时录制 H.264、MP4 和 MOV、片段");
    }
}
