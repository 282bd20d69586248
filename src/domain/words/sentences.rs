//! Sentences that carry numbers and names, with the plural forms of each language, and what the custody
//! log tells in words.

use super::{Lang, Words};
use crate::domain::account::Names;
use crate::domain::event::{Actor, EventKind};
use crate::domain::record::{NO_STAY, UNLIKE_FILED};

/// `one` for exactly one, `many` otherwise; the number stands before it.
fn counted(n: u64, number: String, one: &str, many: &str) -> String {
    format!("{number} {}", if n == 1 { one } else { many })
}

/// The first letter small, for the middle of a sentence.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

impl Words {
    fn either(&self, zh: impl FnOnce() -> String, en: impl FnOnce() -> String) -> String {
        match self.lang {
            Lang::Zh => zh(),
            Lang::En => en(),
        }
    }

    /// `12 个`, `12 clips`.
    pub fn clips(&self, n: u64) -> String {
        let number = self.number(n);
        self.either(|| format!("{number} 个"), || counted(n, self.number(n), "clip", "clips"))
    }

    /// `共 12 个`, `12 clips`.
    pub fn clips_in_all(&self, n: u64) -> String {
        self.either(|| format!("共 {} 个", self.number(n)), || self.clips(n))
    }

    /// `9 个视频`, `9 clips`: for headings where 个 alone would say too little.
    pub fn videos(&self, n: u64) -> String {
        self.either(|| format!("{} 个视频", self.number(n)), || self.clips(n))
    }

    /// `5 台记录仪`, `5 recorders`.
    pub fn recorders(&self, n: u64) -> String {
        self.either(|| format!("{} 台记录仪", self.number(n)), || counted(n, self.number(n), "recorder", "recorders"))
    }

    /// Age of the oldest item in a stage, from milliseconds.
    pub fn oldest(&self, age_ms: i64) -> String {
        self.either(|| format!("最久 {}", self.age(age_ms)), || format!("oldest {}", self.age(age_ms)))
    }

    /// How many became so today.
    pub fn today(&self, n: u64) -> String {
        self.either(|| format!("今日 {}", self.number(n)), || format!("{} today", self.number(n)))
    }

    /// Time left, from milliseconds.
    pub fn left(&self, ms: i64) -> String {
        self.either(|| format!("还需 {}", self.span(ms)), || format!("{} left", self.span(ms)))
    }

    /// Progress of a recorder: clips done of all.
    pub fn done_of(&self, done: u64, total: u64) -> String {
        let (done_text, total_text) = (self.number(done), self.number(total));
        self.either(
            || format!("{done_text}/{total_text} 个"),
            || format!("{done_text} of {}", counted(total, self.number(total), "clip", "clips")),
        )
    }

    /// A copy that goes on where an earlier dock stopped.
    pub fn resumed_at(&self, percent: u8) -> String {
        self.either(|| format!("接上次 {percent}% 继续"), || format!("resumed at {percent}%"))
    }

    /// What a recorder brought: sealed here, and of these proven in the cloud.
    pub fn sealed_and_proven(&self, sealed: u64, proven: u64) -> String {
        self.either(
            || format!("{} 个已入库 · {} 个云端校验一致", self.number(sealed), self.number(proven)),
            || format!("{} sealed · {} proven", self.number(sealed), self.number(proven)),
        )
    }

    /// The sentence that matters, with facts still to be given.
    pub fn safe_to_annotate(&self, n: u64) -> String {
        self.either(
            || format!("可以取走 · {} 个待标注", self.number(n)),
            || format!("Safe to remove · {} to annotate", self.number(n)),
        )
    }

    /// The sentence that matters, with files that could not be read.
    pub fn safe_unreadable(&self, n: u64) -> String {
        self.either(
            || format!("可以取走 · {} 个读不出", self.number(n)),
            || format!("Safe to remove · {} unreadable", self.number(n)),
        )
    }

    /// For the bay board: facts still to be given.
    pub fn to_annotate(&self, n: u64) -> String {
        self.either(|| format!("{} 个待标注", self.number(n)), || format!("{} to annotate", self.number(n)))
    }

    /// Files that a recorder could not deliver.
    pub fn unreadable(&self, n: u64) -> String {
        self.either(
            || format!("{} 个文件读不出", self.number(n)),
            || counted(n, self.number(n), "file unreadable", "files unreadable"),
        )
    }

    /// Where reading stopped.
    pub fn stopped_at(&self, percent: u8) -> String {
        self.either(|| format!("读到 {percent}% 时出错"), || format!("failed at {percent}%"))
    }

    /// What waits to be sent, with the time it takes where that can be said.
    pub fn queue(&self, bytes: u64, eta_ms: Option<i64>) -> String {
        let size = self.size(bytes);
        match (self.lang, eta_ms) {
            (Lang::Zh, Some(ms)) => format!("待上传 {size} · 约 {}", self.age(ms)),
            (Lang::Zh, None) => format!("待上传 {size}"),
            (Lang::En, Some(ms)) => format!("{size} waiting · about {}", self.age(ms)),
            (Lang::En, None) => format!("{size} waiting"),
        }
    }

    /// How long the disk lasts.
    pub fn days_left(&self, days: u32) -> String {
        self.either(
            || format!("按此速度还可用 {days} 天"),
            || format!("full in {} at this rate", counted(days.into(), days.to_string(), "day", "days")),
        )
    }

    /// Used of all.
    pub fn used_of(&self, used: u64, total: u64) -> String {
        let (used, total) = (self.size(used), self.size(total));
        let unit = |size: &str| size.rsplit_once('\u{a0}').map(|(_, unit)| unit.to_owned());
        match used.rsplit_once('\u{a0}') {
            // A unit that both share is written once.
            Some((number, _)) if unit(&used) == unit(&total) => format!("{number} / {total}"),
            _ => format!("{used} / {total}"),
        }
    }

    /// Which facts are missing, as labels already in this language.
    pub fn lacks<S: AsRef<str>>(&self, labels: &[S]) -> String {
        self.either(|| format!("缺{}", self.list(labels)), || format!("Missing {}", self.list(labels).to_lowercase()))
    }

    /// Places of the recorder's file that could not be read.
    pub fn holes(&self, places: u64, bytes: u64) -> String {
        self.either(
            || {
                format!(
                    "记录仪上有 {} 处共 {} 无法读取，以零填充，其余内容已入库",
                    self.number(places),
                    self.size(bytes)
                )
            },
            || {
                let (n, size) = (self.number(places), self.size(bytes));
                counted(places, n, "place", "places")
                    + &format!(
                        " of the recorder's file ({size}) could not be read and stand as zeros; the rest is sealed"
                    )
            },
        )
    }

    /// The recorder's clock against the station's, where it was estimated.
    pub fn clock_offset(&self, offset_ms: i64) -> String {
        let span = self.span(offset_ms.saturating_abs());
        match offset_ms >= 0 {
            true => self.either(
                || format!("接入时记录仪时钟快约 {span}"),
                || format!("The recorder's clock was ahead by about {span} when docked"),
            ),
            false => self.either(
                || format!("接入时记录仪时钟慢约 {span}"),
                || format!("The recorder's clock was behind by about {span} when docked"),
            ),
        }
    }

    /// A remark of the rules on a clip (`ORIGIN RAW: code`), in words where its code is known.
    pub fn remark(&self, note: &str) -> String {
        let Some((before, code)) = note.rsplit_once(": ") else { return note.to_owned() };
        let odd = match code {
            "unreadable" => self.odd_unreadable,
            // What the second word says today stands as the first one in older records.
            "before_2000" | "clock_unset" => self.odd_clock_unset,
            "whose_unknown" => self.odd_whose_unknown,
            NO_STAY => self.odd_no_stay,
            "after_dock" => self.odd_after_dock,
            "later_than_dock" => self.odd_later_than_dock,
            "clock_off" => self.odd_clock_off,
            UNLIKE_FILED => self.odd_unlike_filed,
            "local_in_container" => self.odd_local_in_container,
            "clock_jumped" => self.odd_clock_jumped,
            _ => return note.to_owned(),
        };
        match before.split_once(' ') {
            Some((origin, raw)) => self.either(
                || format!("{} {raw}：{odd}", self.origin(origin)),
                || format!("{} {raw}: {odd}", self.origin(origin)),
            ),
            None => odd.to_owned(),
        }
    }

    /// Other cases of a clip beside the one shown.
    pub fn and_more_cases(&self, n: usize) -> String {
        self.either(|| format!("等 {} 个案件", n + 1), || format!("and {n} more"))
    }

    /// A stretch without recording inside a stage.
    pub fn uncovered(&self, ms: i64) -> String {
        self.either(|| format!("{}没有录像", self.span(ms)), || format!("no recording for {}", self.span(ms)))
    }

    /// Clips that cannot be drawn on the time axis.
    pub fn not_drawn(&self, n: u64) -> String {
        self.either(
            || format!("{} 个没有采集时间，未画在时间线上", self.number(n)),
            || format!("{} without capture time, not drawn", counted(n, self.number(n), "clip", "clips")),
        )
    }

    /// From an instant on, already written out.
    pub fn since(&self, at: &str) -> String {
        self.either(|| format!("{at} 起"), || format!("since {at}"))
    }

    /// What waits for a destination; nothing is lost meanwhile.
    pub fn waiting_not_lost(&self, n: u64) -> String {
        self.either(
            || format!("{} 个待上传，没有丢失", self.number(n)),
            || format!("{} waiting, nothing is lost", self.number(n)),
        )
    }

    // --- Stalls and alarms -------------------------------------------------------------------

    /// A destination that cannot be reached.
    pub fn unreachable(&self, destination: &str) -> String {
        self.either(|| format!("{destination}：连不上"), || format!("{destination}: unreachable"))
    }

    /// A destination that refuses us.
    pub fn refused(&self, destination: &str) -> String {
        self.either(|| format!("{destination}：拒绝访问"), || format!("{destination}: access refused"))
    }

    /// Deliveries that stopped.
    pub fn deliveries_failed(&self, destination: &str, n: u64) -> String {
        self.either(
            || format!("{destination}：{} 个上传失败", self.number(n)),
            || format!("{destination}: {} failed", counted(n, self.number(n), "delivery", "deliveries")),
        )
    }

    /// A bay that cannot be read.
    pub fn bay_failed(&self, bay: &str) -> String {
        self.either(|| format!("{bay} 号位读取失败"), || format!("bay {bay} cannot be read"))
    }

    /// Clips that lack facts.
    pub fn alarm_annotate(&self, n: u64) -> String {
        self.either(
            || format!("{} 个视频待标注", self.number(n)),
            || counted(n, self.number(n), "clip to annotate", "clips to annotate"),
        )
    }

    /// How long the oldest of them has waited, from milliseconds.
    pub fn oldest_waits(&self, ms: i64) -> String {
        self.either(|| format!("最久的已等 {}", self.age(ms)), || format!("the oldest has waited {}", self.age(ms)))
    }

    /// What to do about a destination that refuses us.
    pub fn act_credentials(&self, destination: &str) -> String {
        self.either(
            || format!("在 evidock.toml 里改正账号或权限，再运行 evidock retry {destination}"),
            || format!("Correct its credentials in evidock.toml, then run evidock retry {destination}"),
        )
    }

    /// How fast bytes may go somewhere.
    pub fn at_most(&self, bytes_per_s: u64) -> String {
        let rate = self.rate(bytes_per_s);
        self.either(|| format!("限速 {rate}"), || format!("at most {rate}"))
    }

    /// Until a time that is already written out.
    pub fn until(&self, time: &str) -> String {
        self.either(|| format!("至 {time}"), || format!("until {time}"))
    }

    /// What to do about deliveries that stopped for good.
    pub fn act_retry(&self, destination: &str) -> String {
        self.either(
            || format!("查明原因后运行 evidock retry {destination}"),
            || format!("Find out why, then run evidock retry {destination}"),
        )
    }

    /// A destination that protects nothing.
    pub fn alarm_same_device(&self, destination: &str) -> String {
        self.either(
            || format!("{destination} 与本站存储在同一块盘上"),
            || format!("{destination} is on the station's own disk"),
        )
    }

    /// A destination at which nothing can be proven.
    pub fn alarm_no_proof(&self, destination: &str) -> String {
        self.either(|| format!("{destination} 无法校验"), || format!("{destination} cannot prove anything"))
    }

    /// The disk is nearly full.
    pub fn alarm_disk_low(&self, free: u64) -> String {
        self.either(|| format!("磁盘仅剩 {}", self.size(free)), || format!("Only {} of disk left", self.size(free)))
    }

    /// The disk reached its reserve.
    pub fn alarm_disk_full(&self, reserve: u64) -> String {
        self.either(
            || format!("磁盘空间不足，已停止采集（保留 {}）", self.size(reserve)),
            || format!("Disk full, copying has stopped ({} kept in reserve)", self.size(reserve)),
        )
    }

    /// The clock is not synchronised.
    pub fn alarm_clock(&self) -> String {
        self.either(|| "时钟未校时".into(), || "The clock is not synchronised".into())
    }

    /// What an unsynchronised clock means.
    pub fn alarm_clock_detail(&self) -> String {
        self.either(
            || "采集照常进行，但日志里的时间可能不准".into(),
            || "Copying goes on, but the times in the log may be wrong".into(),
        )
    }

    /// Local files that no longer match.
    pub fn alarm_damaged(&self, n: u64) -> String {
        self.either(
            || format!("{} 个本地文件已损坏", self.number(n)),
            || counted(n, self.number(n), "local file is damaged", "local files are damaged"),
        )
    }

    /// Copies elsewhere that disagree with ours.
    pub fn alarm_mismatch(&self, destination: &str, n: u64) -> String {
        self.either(
            || format!("{destination}：{} 个校验不一致", self.number(n)),
            || format!("{destination}: {} with other bytes", counted(n, self.number(n), "copy", "copies")),
        )
    }

    /// Clips that are isolated.
    pub fn alarm_isolated(&self, n: u64) -> String {
        self.either(
            || format!("{} 个资料疑似涉密，已阻断上传和调阅", self.number(n)),
            || counted(n, self.number(n), "clip suspected classified", "clips suspected classified"),
        )
    }

    /// Clips without a copy that can be had.
    pub fn alarm_out_of_reach(&self, n: u64) -> String {
        self.either(
            || format!("{} 个资料本地已腾出空间，现有上传目标中没有校验一致的副本", self.number(n)),
            || {
                let clips = counted(n, self.number(n), "clip", "clips");
                format!("{clips} removed here, without a proven copy at any destination that is configured now")
            },
        )
    }

    /// Clips under quarantine.
    pub fn alarm_quarantined(&self, n: u64) -> String {
        self.either(
            || format!("{} 个资料已隔离", self.number(n)),
            || counted(n, self.number(n), "clip quarantined", "clips quarantined"),
        )
    }

    /// Files that a recorder could not deliver.
    pub fn alarm_unreadable(&self, recorder: &str, n: u64) -> String {
        self.either(
            || format!("{recorder}：{} 个文件读不出", self.number(n)),
            || format!("{recorder}: {}", self.unreadable(n)),
        )
    }

    /// A device that is not read, named as [`Words::held`] does.
    pub fn alarm_held(&self, bay: &str, held: &str) -> String {
        self.either(|| format!("{bay} 号位：{held}"), || format!("Bay {bay}: {}", lower(held)))
    }

    /// The log has not been anchored.
    pub fn alarm_log(&self, age_ms: i64) -> String {
        self.either(
            || format!("流转日志已 {}没有签名上传", self.age(age_ms)),
            || format!("The custody log has not been anchored for {}", self.age(age_ms)),
        )
    }

    /// The newest backup that arrived is too old, or (`None`) none ever did.
    pub fn alarm_backup(&self, age_ms: Option<i64>) -> String {
        match age_ms {
            Some(age) => self.either(
                || format!("数据库备份已 {}没有成功送达", self.age(age)),
                || format!("No backup of the database has arrived for {}", self.age(age)),
            ),
            None => {
                self.either(|| "数据库备份尚未成功送达".into(), || "No backup of the database has arrived yet".into())
            }
        }
    }

    /// Where the name of whoever has a recorder comes from; what nobody vouches for is called so.
    pub fn said_by(&self, origin: &str, confirmed: bool) -> String {
        let origin = self.origin(origin);
        match confirmed {
            true => origin.to_owned(),
            false => self
                .either(|| format!("{origin}，{}", self.not_confirmed), || format!("{origin}, {}", self.not_confirmed)),
        }
    }

    // --- Custody in words --------------------------------------------------------------------

    /// Who did it. Ids, never names: names are not in the log.
    pub fn actor(&self, actor: &Actor) -> String {
        match actor.kind.as_str() {
            "daemon" => self.by_daemon.to_owned(),
            "os" => format!("{} {}", self.by_os_user, actor.id),
            "user" => format!("{} {}", self.by_user, actor.id),
            "token" => format!("{} {}", self.by_token, actor.id),
            "web" if actor.id == "nobody" => self.by_nobody.to_owned(),
            "web" => self.by_web.to_owned(),
            _ => format!("{} {}", actor.kind, actor.id),
        }
    }

    /// Who acted: an account by its name where it has one, else as [`Self::actor`] tells.
    pub fn named(&self, actor: &Actor, names: &Names) -> String {
        match (names.of(actor), actor.kind.as_str()) {
            (Some(name), "user") => name.to_owned(),
            (Some(name), "token") => format!("{} {name}", self.by_token),
            _ => self.actor(actor),
        }
    }

    /// What happened. `place` is the destination, recorder or case that the event names, where it names one.
    pub fn event(&self, kind: EventKind, place: Option<&str>) -> String {
        let (zh, en) = match kind {
            EventKind::EpochOpened => ("日志启用", "The log was opened"),
            EventKind::Started => ("采集站启动", "The station started"),
            EventKind::Stopped => ("采集站停止", "The station stopped"),
            EventKind::Configured => ("配置变更", "The configuration changed"),
            EventKind::SettingsChanged => ("设置项与上次启动时不同", "Settings are others than at the last start"),
            EventKind::ClockSet => ("采集站时钟被调整", "The station's clock was set"),
            EventKind::Docked => ("记录仪接入", "A recorder was docked"),
            EventKind::Undocked => ("记录仪取走", "A recorder was removed"),
            EventKind::Unreadable => ("文件读不出", "A file could not be read"),
            EventKind::ClipSeen => ("发现并开始采集", "Found on a recorder, copying began"),
            EventKind::DocumentFiled => ("归入文书", "A document was filed"),
            EventKind::CopyAbandoned => ("放弃未完成的采集", "An unfinished copy was given up"),
            EventKind::Duplicate => ("与已入库的资料相同，未重复保存", "Same as a sealed clip, not stored twice"),
            EventKind::SeenAgain => ("再次在记录仪上看到", "Seen on a recorder again"),
            EventKind::CopyResumed => ("接续未完成的采集", "An interrupted copy goes on"),
            EventKind::Gap => ("记录有中断", "Something is missing, or a clock was set"),
            EventKind::RecordingBegun => ("开始录制", "A recording was begun"),
            EventKind::RecordingEnded => ("录制结束", "A recording ended"),
            EventKind::SegmentBegun => ("录制分段开始", "Segment of a recording"),
            EventKind::SegmentEnded => ("录制分段结束", "The segment ended"),
            EventKind::ClockSeen => ("记录仪时钟偏差", "The recorder's clock was compared"),
            EventKind::Sealed => ("已入库（校验一致）", "Sealed: the copy was read back and matches"),
            EventKind::Probed => ("媒体检测完成", "Media looked at"),
            EventKind::Annotated => ("标注", "Annotated"),
            EventKind::Linked => ("关联案件", "Linked to a case"),
            EventKind::Unlinked => ("取消关联", "A link was withdrawn"),
            EventKind::Derived => {
                ("生成衍生文件（原始文件未改动）", "A file was derived of it; the master is what it was")
            }
            EventKind::DerivedAsked => ("申请制作派生文件（截图、片段或水印副本）", "A derived file was asked for"),
            EventKind::DerivedMade => {
                ("派生文件制作完成（原件未改动）", "A derived file was made beside it; the master was not touched")
            }
            EventKind::DerivedTaken => ("下载派生文件", "A derived file was given out"),
            EventKind::DerivedGone => ("派生文件到期清除", "A derived file was removed, its time was over"),
            EventKind::RecordMade => ("生成记录版本", "A revision of the record was made"),
            EventKind::SendBegun => ("开始上传", "Sending began"),
            EventKind::Sent => ("已上传，等待校验", "Sent, not proven yet"),
            EventKind::Proven => ("云端校验一致", "Proven: the remote copy matches"),
            EventKind::Mismatch => ("云端校验不一致", "The remote copy does not match"),
            EventKind::SendFailed => ("上传失败", "Sending stopped"),
            EventKind::Retried => ("要求重新上传", "Sending again was asked for"),
            EventKind::Pushed => ("要求优先上传", "Sending first was asked for"),
            EventKind::Paused => ("暂停上传", "Sending was paused"),
            EventKind::Resumed => ("恢复上传", "Sending goes on"),
            EventKind::Quarantine => ("隔离状态变更", "Quarantine changed"),
            EventKind::Hold => ("暂停销毁状态变更", "Hold changed"),
            EventKind::Isolated => ("疑似涉密，已阻断上传和调阅", "Isolated as suspected classified"),
            EventKind::IsolationLifted => ("解除疑似涉密阻断", "Lifting the isolation: asked for or done"),
            EventKind::Audited => ("云端副本复核一致", "The remote copy was read again and matches"),
            EventKind::LockRenewed => ("云端锁定延期", "The remote copy was locked for longer"),
            EventKind::LegalHold => ("云端法律保全变更", "The remote copy's legal hold changed"),
            EventKind::EvictIntended => ("本地副本不再保留", "The local copy is given up"),
            EventKind::Evicted => ("本地已腾出空间", "The local copy is gone, its space is free"),
            EventKind::Recalled => ("已从云端取回本地副本", "The local copy was made anew from copies elsewhere"),
            EventKind::Damaged => ("发现本地文件损坏", "The local file was found damaged"),
            EventKind::VerifyAsked => ("要求立即校验", "Verifying its copies was asked for"),
            EventKind::Verified => ("重新校验", "Verified again"),
            EventKind::ViewBegun => ("调阅开始", "A viewing began"),
            EventKind::ViewEnded => ("调阅结束", "A viewing ended"),
            EventKind::Searched => ("检索", "A search was answered"),
            EventKind::Shown => ("查看记录", "The record was shown"),
            EventKind::LogRead => ("查看日志", "The log was read"),
            EventKind::ExportAsked => ("申请导出证据包", "An evidence package was asked for"),
            EventKind::ExportDecided => ("第二人审核证据包导出", "A second person decided about an evidence package"),
            EventKind::ExportContinued => {
                ("继续制作已停止的证据包", "An evidence package that had stopped was let go on")
            }
            EventKind::ExportTaken => ("下载证据包", "An evidence package was downloaded"),
            EventKind::ExportBegun => ("导出案件音像资料", "An evidence package was begun"),
            EventKind::ExportEnded => ("证据包导出完成并签名", "An evidence package was finished and signed"),
            EventKind::ExportCut => ("证据包含疑似涉密资料，停止制作和下载", "An evidence package with it was stopped"),
            EventKind::ExportGone => ("证据包到期清除", "An evidence package was removed, its time was over"),
            EventKind::SignedIn => ("登录", "Somebody signed in"),
            EventKind::SignInRefused => ("登录失败", "Signing in was refused"),
            EventKind::SessionEnded => ("退出登录", "A sign-in session ended"),
            EventKind::AccessRefused => ("无权访问，已拒绝", "Refused for lack of a right"),
            EventKind::AccountMade => ("建立账号", "An account was made"),
            EventKind::AccountChanged => ("账号变更", "An account changed"),
            EventKind::TokenMade => ("建立接口令牌", "A token was made"),
            EventKind::TokenEnded => ("停用接口令牌", "A token was ended"),
            EventKind::Reviewed => ("送法制审核状态变更", "Sent for review, or called back"),
            EventKind::SampleAsked => ("申请随机抽查", "A random sample was asked for"),
            EventKind::SampleDrawn => ("随机抽查抽中", "Drawn in a random sample"),
            EventKind::SampleJudged => ("抽查检查结果", "Judged in a random sample"),
            EventKind::SampleAnswered => ("整改回复", "A finding was answered"),
            EventKind::SampleReturned => ("整改退回", "An answer to a finding was returned"),
            EventKind::SampleClosed => ("整改销号", "A finding was closed"),
            EventKind::ReviewNoted => ("法制审核批注", "A note of the legal review"),
            EventKind::ReviewNoteWithdrawn => ("撤回审核批注", "A note of the legal review was taken back"),
            EventKind::ReviewOpinion => ("出具审查意见", "An opinion of the legal review"),
            EventKind::CaseMarked => ("案卷评查评分", "The case file was marked"),
            EventKind::RosterImported => ("导入排班表", "A roster was imported"),
            EventKind::RosterRemoved => {
                ("删除排班表，或撤销其导入", "A roster was removed, or an import of one undone")
            }
            EventKind::RegisterImported => ("导入登记信息", "A register was imported"),
            EventKind::RegisterUndone => ("撤销登记信息导入", "An import of a register was undone"),
            EventKind::SuggestionRefused => ("否定关联建议", "A suggested link was refused"),
            EventKind::SuggestionReopened => ("恢复关联建议", "A refusal was taken back"),
            EventKind::CasesJoined => {
                ("案件合并或重新分开（同一案件的不同编号）", "Two cases turned out to be one, or are two again")
            }
            EventKind::CaseClosed => ("结案", "The case was closed"),
            EventKind::CaseBound => ("立卷", "The case got its place in the archive"),
            EventKind::CaseCompared => ("归档检查：开始比对", "The data of the case are compared for filing"),
            EventKind::CaseFiled => ("归档", "The case was filed"),
            EventKind::CaseReopened => ("重新打开已归档案件", "Re-opening the filed case"),
            EventKind::DisposalAsked => ("提出鉴定销毁", "Disposal after appraisal was proposed"),
            EventKind::DisposalDecided => ("鉴定销毁复核", "A second person decided about disposal"),
            EventKind::DisposalIntended => ("按清册销毁", "It goes by a confirmed list of disposal"),
            EventKind::Disposed => ("已销毁，仅存记录", "Disposed of: only its record is kept"),
            EventKind::CopyDisposed => ("云端副本销毁", "A copy elsewhere was disposed of"),
            EventKind::NoRecordSaid => ("说明无音像记录的原因", "Why a matter has no recording was said"),
            EventKind::DeviceSeen => ("首次见到设备", "A device was seen for the first time"),
            EventKind::RecorderApproved => ("记录仪准入", "A recorder was approved"),
            EventKind::RecorderRefused => ("拒绝设备", "A device was refused"),
            EventKind::RecorderInRepair => ("记录仪送修", "A recorder was given away for repair"),
            EventKind::RecorderRetired => ("记录仪停用", "A recorder was retired"),
            EventKind::Issued => ("记录仪领用", "A recorder was taken out"),
            EventKind::Returned => ("记录仪归还", "A recorder was returned"),
            EventKind::DeskUndone => ("撤销领用/归还登记", "An issue or return was taken back"),
            EventKind::DestinationTried => ("测试上传目标", "A destination was tried"),
            EventKind::EraseIntended => ("准备从记录仪清除", "About to be erased from its recorder"),
            EventKind::Erased => ("已从记录仪清除", "Erased from its recorder"),
            EventKind::EraseWithdrawn => ("未从记录仪清除", "Not erased from its recorder after all"),
            EventKind::CaseOpened => ("案件编号登记", "A case or another number of it was entered"),
            EventKind::BackupMade => ("数据库已打包备份", "A backup of the database was made"),
            EventKind::BackupProven => ("备份已送达并读回一致", "A backup was read back and matches"),
            EventKind::Restored => ("采集站恢复完成", "The station was restored"),
            EventKind::ClipRestored => ("恢复时核对", "Settled by a restore"),
            EventKind::Superseded => ("本站已在别处恢复", "The station goes on elsewhere"),
            EventKind::KeyRotated => ("更换签名密钥", "The signing key changed"),
            EventKind::ExchangeGiven => ("向前置机交换文件", "Facts were written for a front-end machine"),
            EventKind::RecordsTold => ("向其他系统推送数据", "Facts were sent to another system"),
            EventKind::AlarmAcknowledged => ("知悉告警", "An alarm was acknowledged"),
            EventKind::KeyProtected => ("签名密钥保管方式变更", "How the signing key is kept changed"),
            EventKind::Sm2Key => {
                ("国密（SM2）签名密钥启用、停用或变更", "The SM2 key was put to use, changed or taken out of use")
            }
            EventKind::WitnessRefused => ("见证站拒绝签名", "A witness refused to sign"),
            EventKind::WatchRefused => ("所见证的日志出示了另一份历史", "A log that is watched showed another history"),
            EventKind::WatchEpoch => ("所见证的日志另起了一段", "A log that is watched began a new epoch"),
        };
        match (self.lang, place) {
            (Lang::Zh, Some(place)) => format!("{zh}：{place}"),
            (Lang::Zh, None) => zh.to_owned(),
            (Lang::En, Some(place)) => format!("{en} ({place})"),
            (Lang::En, None) => en.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_told_in_the_readers_words() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        let note = "file_time local 2031-06-19T10:03:24: clock_jumped";
        assert!(zh.remark(note).contains("local 2031-06-19T10:03:24：与文件名时间"), "{}", zh.remark(note));
        assert!(en.remark(note).contains("2031-06-19T10:03:24: further from the name"), "{}", en.remark(note));
        for other in
            ["roster lines 2, 3 apply and differ in place; choose one, or correct the roster", "x: a newer code"]
        {
            assert_eq!(en.remark(other), other);
        }
        assert_eq!(
            en.holes(1, 4096),
            "1 place of the recorder's file (4.1\u{a0}kB) could not be read and stand as zeros; the rest is sealed"
        );
        assert!(zh.clock_offset(-3_600_000).starts_with("接入时记录仪时钟慢约"));
    }

    #[test]
    fn plural_forms() {
        let en = Lang::En.words();
        assert_eq!([en.clips(0), en.clips(1), en.clips(1204)], ["0 clips", "1 clip", "1,204 clips"]);
        assert_eq!(en.done_of(0, 1), "0 of 1 clip");
        assert_eq!(en.days_left(1), "full in 1 day at this rate");
        assert_eq!(en.alarm_damaged(1), "1 local file is damaged");
        let zh = Lang::Zh.words();
        assert_eq!(zh.used_of(1_210_000_000_000, 1_820_000_000_000), "1.21 / 1.82\u{a0}TB");
        assert_eq!([zh.clips(1), zh.videos(9)], ["1 个", "9 个视频"]);
    }

    #[test]
    fn the_one_sentence_that_matters() {
        assert_eq!(Lang::Zh.words().safe_to_annotate(3), "可以取走 · 3 个待标注");
        assert_eq!(Lang::En.words().safe_to_annotate(3), "Safe to remove · 3 to annotate");
    }

    #[test]
    fn every_event_reads_differently() {
        for lang in Lang::ALL {
            let mut told: Vec<_> = EventKind::ALL.iter().map(|k| lang.words().event(*k, None)).collect();
            told.sort();
            told.dedup();
            assert_eq!(told.len(), EventKind::ALL.len());
        }
        assert_eq!(Lang::Zh.words().event(EventKind::Proven, Some("市局对象存储")), "云端校验一致：市局对象存储");
        assert_eq!(Lang::Zh.words().actor(&Actor::os(1000)), "本机用户 1000");
    }
}
