//! Alarms in words: what stands, and the next action, in both languages; and the words of the page of alarms.
//!
//! Titles and actions go out by webhook and e-mail, too: they tell of no person and no case, and repeat nothing that a server
//! or a recorder said.

use super::parts::part_name;
use super::quoted::Quoted;
use super::{Lang, Words};
use crate::domain::alarm::{Alarm, PartFacts, Severity};
use crate::domain::recorder::Held;

macro_rules! said {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        impl Words {
            $(#[doc = concat!("`", $en, "`")]
            pub fn $name(&self) -> &'static str {
                match self.lang {
                    Lang::Zh => $zh,
                    Lang::En => $en,
                }
            })+
        }

        #[cfg(test)]
        const SAID: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)+];
    };
}

said! {
    alarms_title => "告警", "Alarms";
    alarms_standing => "当前告警", "What stands";
    alarms_past => "已结束的告警", "What is over";
    alarms_none_past => "最近没有结束的告警。", "Nothing was over lately.";
    alarms_all => "全部告警和通知", "All alarms and who is told";
    alarms_receivers => "通知对象", "Who is told";
    alarms_no_receivers => "尚未配置通知对象。在 evidock.toml 中填写 [[alarm.webhook]] 或 [alarm.mail]，然后运行 evidock alarm test。", "Nobody is told yet. Write [[alarm.webhook]] or [alarm.mail] into evidock.toml, then run evidock alarm test.";
    alarm_acknowledge => "知悉", "Acknowledge";
    alarm_acknowledged => "已记录：您已知悉该告警", "Noted: you know of this alarm";
    alarm_new => "刚出现，尚未通知", "New, nobody is told yet";
    alarm_is_told => "已通知", "Told";
    alarm_over => "结束", "over";
    alarm_col_what => "告警", "Alarm";
    alarm_col_since => "开始", "Since";
    alarm_col_until => "结束", "Until";
    alarm_col_known => "知悉", "Acknowledged";
    alarm_col_receiver => "通知对象", "Receiver";
    alarm_col_waiting => "待通知", "Waiting";
    alarm_col_state => "状态", "State";
    receiver_well => "正常", "Well";
    receiver_failing => "未送达，正在重试", "Not reached, tried again";
    receiver_gave_up => "有通知未能送达", "Some were given up";
    receiver_nothing_yet => "尚未通知过", "Nothing told yet";
    col_code => "代码", "code";
    col_about => "对象", "about";
    col_severity => "级别", "severity";
    alarm_test_taken => "已送达", "taken";
    alarm_test_not_taken => "未送达", "not taken";
    mail_raised => "告警", "Alarm";
    mail_repeated => "仍未解除", "Still standing";
    mail_worse => "告警升级", "Worse";
    mail_ended => "已解除", "Over";
    mail_trial => "试通知", "Trial";
    mail_station => "采集站", "Station";
    mail_since => "开始时间", "Since";
    mail_next => "请这样处理", "What to do";
    mail_trial_title => "这是一条试通知，没有发生告警", "This is a trial; nothing is wrong";
    mail_trial_action => "收到即可，无需处理", "Nothing needs to be done";
    exchange_row => "行", "line";
    exchange_column => "列", "column";
    exchange_value => "内容", "value";
    exchange_problem => "问题", "problem";
}

impl Words {
    /// How much an alarm matters.
    pub fn severity(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Bad => self.severity_bad,
            Severity::Warn => self.severity_warn,
            Severity::Info => self.severity_info,
        }
    }

    /// What stands.
    pub fn alarm_title(&self, alarm: &Alarm) -> String {
        let zh = self.lang == Lang::Zh;
        match alarm {
            Alarm::ToAnnotate { clips, .. } => self.alarm_annotate(*clips),
            Alarm::Refused { destination, .. } => self.refused(destination),
            Alarm::Unreachable { destination, .. } => self.unreachable(destination),
            Alarm::DeliveriesFailed { destination, clips, .. } => self.deliveries_failed(destination, *clips),
            Alarm::SameDevice { destination } => self.alarm_same_device(destination),
            Alarm::NoProof { destination, .. } => self.alarm_no_proof(destination),
            Alarm::Mismatch { destination, clips, .. } => self.alarm_mismatch(destination, *clips),
            Alarm::Damaged { clips, .. } => self.alarm_damaged(*clips),
            Alarm::Isolated { clips, .. } => self.alarm_isolated(*clips),
            Alarm::OutOfReach { clips, .. } => self.alarm_out_of_reach(*clips),
            Alarm::Quarantined { clips, .. } => self.alarm_quarantined(*clips),
            Alarm::Unreadable { recorder, files, .. } => self.alarm_unreadable(recorder, *files),
            Alarm::Held { bay, why, .. } => self.alarm_held(bay, self.held(why)),
            Alarm::Overdue { recorder, .. } if zh => format!("{recorder} 逾期未归还"),
            Alarm::Overdue { recorder, .. } => format!("{recorder} was not brought back in time"),
            Alarm::DiskLow { free } => self.alarm_disk_low(*free),
            Alarm::DiskFull { reserve } => self.alarm_disk_full(*reserve),
            Alarm::Clock => self.alarm_clock(),
            Alarm::ClockBack { by_ms } if zh => format!("时钟比日志最新一条早 {}", self.span(*by_ms)),
            Alarm::ClockBack { by_ms } => {
                format!("The clock stands {} before the newest entry of the log", self.span(*by_ms))
            }
            Alarm::LogNotAnchored { age_ms } => self.alarm_log(*age_ms),
            Alarm::Backup { age_ms, .. } => self.alarm_backup(*age_ms),
            Alarm::Untold { receiver, waiting, .. } if zh => {
                format!("{receiver}：通知未送达，{} 条待通知", self.number(*waiting))
            }
            Alarm::Untold { receiver, waiting, .. } => {
                format!("{receiver} is not reached, {} waiting", self.number(*waiting))
            }
            Alarm::Part(part) => {
                let name = part_name(&part.name, self.lang);
                match (part_words(part.code), self.lang) {
                    (Some((zh, ..)), Lang::Zh) => format!("{name}：{zh}"),
                    (Some((_, en, ..)), Lang::En) => format!("{name}: {en}"),
                    (None, Lang::Zh) if part.failed => format!("{name}：工作不正常"),
                    (None, Lang::Zh) => format!("{name}：需要注意"),
                    (None, Lang::En) if part.failed => format!("{name}: does not work as it must"),
                    (None, Lang::En) => format!("{name}: needs attention"),
                }
            }
        }
    }

    /// What to do next.
    pub fn alarm_action(&self, alarm: &Alarm) -> String {
        let zh = self.lang == Lang::Zh;
        let either = |a: &str, b: &str| if zh { a.to_owned() } else { b.to_owned() };
        match alarm {
            Alarm::ToAnnotate { .. } => self.act_annotate.to_owned(),
            Alarm::Refused { destination, .. } => self.act_credentials(destination),
            Alarm::Unreachable { .. } => self.act_network.to_owned(),
            Alarm::DeliveriesFailed { destination, .. } => self.act_retry(destination),
            Alarm::SameDevice { .. } | Alarm::NoProof { .. } => self.act_second_place.to_owned(),
            Alarm::Mismatch { .. }
            | Alarm::Damaged { .. }
            | Alarm::Isolated { .. }
            | Alarm::OutOfReach { .. }
            | Alarm::Quarantined { .. } => self.act_show_clip.to_owned(),
            Alarm::Unreadable { network: true, .. } => self.act_pull.to_owned(),
            Alarm::Unreadable { .. } => self.try_another_bay.to_owned(),
            Alarm::Held { why, .. } => self.held_act(why).to_owned(),
            Alarm::Overdue { .. } => {
                either("请联系领用人归还，归还后到领用台登记", "Ask for it back; its return is noted at the desk")
            }
            Alarm::DiskLow { .. } | Alarm::DiskFull { .. } => self.act_disk.to_owned(),
            Alarm::Clock => self.act_clock.to_owned(),
            Alarm::ClockBack { .. } => either(
                "请先校准时钟，再运行 evidock log verify",
                "Set the clock right first, then run evidock log verify",
            ),
            Alarm::LogNotAnchored { .. } | Alarm::Backup { .. } => self.act_doctor.to_owned(),
            Alarm::Untold { .. } => either(
                "请检查其地址和网络，再运行 evidock alarm test",
                "Check its address and the network, then run evidock alarm test",
            ),
            Alarm::Part(PartFacts { code, .. }) => match (part_words(code), self.lang) {
                (Some((.., act, _)), Lang::Zh) => act.to_owned(),
                (Some((.., act)), Lang::En) => act.to_owned(),
                (None, _) => self.act_doctor.to_owned(),
            },
        }
    }

    /// What to do about an alarm whose clips are not open to whoever reads it.
    pub fn alarm_of_others(&self, alarm: &Alarm) -> &'static str {
        match (alarm, self.lang) {
            (Alarm::ToAnnotate { .. }, Lang::Zh) => "由执法人员、部门负责人或档案员标注",
            (Alarm::ToAnnotate { .. }, Lang::En) => "Officers, heads of department or an archivist annotate them",
            (_, Lang::Zh) => "请告知档案员，由其查看处理",
            (_, Lang::En) => "Tell an archivist, who can look into it",
        }
    }

    /// More about it, for the page alone: the daemon's or a server's own words may be among it.
    pub fn alarm_detail(&self, alarm: &Alarm) -> String {
        let of = |what: &String, quoted: fn(String) -> Quoted| match what.is_empty() {
            true => String::new(),
            false => quoted(what.clone()).told(self.lang),
        };
        match alarm {
            Alarm::ToAnnotate { oldest_ms, .. } => self.oldest_waits(*oldest_ms),
            Alarm::Refused { what, waiting, .. } => {
                let what = of(what, |words| Quoted::Refusing { words });
                format!("{} · {what}", self.waiting_not_lost(*waiting))
            }
            Alarm::Unreachable { waiting, .. } => self.waiting_not_lost(*waiting),
            Alarm::DeliveriesFailed { what, .. } => of(what, |words| Quoted::NotDelivered { words }),
            Alarm::Unreadable { what, .. } => of(what, |words| Quoted::FileUnread { words }),
            Alarm::Backup { what, .. } => of(what, |words| Quoted::OfDaemon { words }),
            Alarm::Untold { what, .. } => of(what, |words| Quoted::NotTold { words }),
            Alarm::SameDevice { .. } => self.same_device.to_owned(),
            Alarm::NoProof { level, .. } => self.proof(*level).to_owned(),
            Alarm::Isolated { .. } => self.isolated_detail.to_owned(),
            Alarm::Held { why: Held::Broken(words), what, .. } => {
                format!("{what} · {}", of(words, |words| Quoted::DeviceUnread { words }))
            }
            Alarm::Held { why, what, .. } => format!("{what} · {}", self.held_detail(why)),
            Alarm::Clock => self.alarm_clock_detail(),
            // In Chinese the alarm's own action says what to do.
            Alarm::Part(PartFacts { words, todo, .. }) => match (self.lang, todo.is_empty()) {
                (Lang::En, false) => format!("{words} → {todo}"),
                _ => of(words, |words| Quoted::OfDaemon { words }),
            },
            Alarm::Mismatch { .. }
            | Alarm::Damaged { .. }
            | Alarm::OutOfReach { .. }
            | Alarm::Quarantined { .. }
            | Alarm::Overdue { .. }
            | Alarm::DiskLow { .. }
            | Alarm::DiskFull { .. }
            | Alarm::ClockBack { .. }
            | Alarm::LogNotAnchored { .. } => String::new(),
        }
    }

    /// Who knows of an alarm.
    pub fn known_by(&self, who: &str, when: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{who} 于 {when} 知悉"),
            Lang::En => format!("acknowledged by {who}, {when}"),
        }
    }

    /// How many messages wait for a receiver.
    pub fn messages_wait(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{} 条", self.number(n)),
            Lang::En => self.number(n),
        }
    }
}

/// What is wrong with a part and what to do, by the code of its condition: Chinese, English, Chinese action, English action.
/// `None` for a code that is not known here; its part's own words are on the page.
fn part_words(code: &str) -> Option<(&'static str, &'static str, &'static str, &'static str)> {
    Some(match code {
        "witness_refuses" => (
            "见证方拒绝签名，它见过另一份日志",
            "the witness refuses this log: it knows another history",
            "停止采集，运行 evidock log verify，弄清哪个数据库是真的，此前不要删除任何东西",
            "Stop intake, run evidock log verify, and find out which database is the right one before anything is deleted",
        ),
        "witness_unknown" => (
            "见证方不认识本站日志的签名密钥",
            "the witness does not know the key that signs this log",
            "把本站的 log.key.pub 交给见证方；如果没有人换过密钥，停止采集并运行 evidock log verify",
            "Give it this station's log.key.pub; if nobody changed the key, stop intake and run evidock log verify",
        ),
        "watched_rewritten" => (
            "所见证的日志出示了另一份历史",
            "a log that this station watches showed another history",
            "通知该站负责人：停止采集，运行 evidock log verify，此前不要删除任何东西；所出示的内容已保存在本站",
            "Tell whoever runs that station: stop intake, run evidock log verify, delete nothing before; what it showed is kept here",
        ),
        "watched_silent" => (
            "所见证的日志超过十五分钟没有动静",
            "a log that this station watches has been silent for more than 15 minutes",
            "请检查该站是否在运行、能否连到本站",
            "See whether that station runs and reaches this one",
        ),
        "watched_epoch" => (
            "所见证的日志另起了一段（epoch），一般由恢复引起",
            "a log that this station watches began a new epoch",
            "请向该站负责人核实是否做过恢复，并在该站运行 evidock log verify",
            "Ask whoever runs that station whether it was restored, and run evidock log verify there",
        ),
        "anchor_foreign" | "log_forked" | "log_rolled_back" => (
            "目标处的日志签名与本站不符",
            "the checkpoints there are not those of this log",
            "停止采集，运行 evidock log verify，弄清哪个数据库是真的，此前不要删除任何东西",
            "Stop intake, run evidock log verify, and find out which database is the right one before anything is deleted",
        ),
        "log_epoch" => (
            "日志另起了一段（epoch），本站没有相应的恢复记录，或所称丢失的内容与目标处保存的不符",
            "the log began a new epoch that no restore here began, or what it says is lost is not what stands there",
            "请查明是否有人恢复过本站、何时恢复；在另一台机器上运行 evidock log verify，查明之前停止采集",
            "Find out whether somebody restored this station and when; run evidock log verify on another machine, and stop intake until it is known",
        ),
        "anchor_gone" => (
            "目标处的日志签名被删除",
            "a checkpoint of this log was deleted there",
            "请查明谁能在该处删除，并运行 evidock log verify",
            "Find out who may delete there, and run evidock log verify",
        ),
        "witness_silent" => (
            "见证方超过十五分钟没有签名",
            "the witness has not signed for more than 15 minutes",
            "请检查其地址、是否在运行；恢复后自动继续",
            "Check its address and that it runs; it is asked again by itself",
        ),
        "timestamp_missing" => (
            "没有取得时间戳",
            "no timestamp could be had",
            "请检查 [custody.timestamp] url；恢复后自动继续",
            "Check [custody.timestamp] url; it is asked again by itself",
        ),
        "stream_lost" => (
            "应当录制而没有录制",
            "should be recorded and is not",
            "请检查摄像机和网络，再运行 evidock stream test",
            "Check the camera and the network, then run evidock stream test",
        ),
        "segment_unsealed" => (
            "一段录像未能入库",
            "a clip of it could not be sealed",
            "请检查存储盘，再重启 evidock",
            "Check the vault's disk, then restart evidock",
        ),
        "audit_stopped" => {
            ("抽检已停止", "copies are not read again any more", "请检查该上传目标", "Look at that destination")
        }
        "locks_stand_still" => (
            "对象锁定未能续期",
            "locks are not renewed",
            "请检查该上传目标的权限",
            "Check our rights at that destination",
        ),
        "mend_waits" => (
            "不一致的副本暂时无法补传",
            "a wrong copy cannot be sent again yet",
            "请运行 evidock doctor 查看原因",
            "Run evidock doctor to see why",
        ),
        "evict_waits" | "evict_room" => (
            "本地空间无法腾出",
            "no room can be made on the disk",
            "请检查上传是否受阻，或增加磁盘",
            "Check whether sending is stalled, or add a disk",
        ),
        "recorder_refuses" => (
            "记录仪拒绝访问",
            "the recorder refuses us",
            "请检查账号和密码，再运行 evidock recorders look",
            "Check user and password, then run evidock recorders look",
        ),
        "pull_failed" => (
            "取回失败",
            "pulling failed on this station's side",
            "请检查存储盘和数据库",
            "Check the vault's disk and the database",
        ),
        "source_unreadable" => {
            ("无法读取", "it cannot be read", "请运行 evidock doctor 查看原因", "Run evidock doctor to see why")
        }
        "clock_set" => (
            "时钟被调整过",
            "it was set",
            "请核对时间是否正确；日志同时记有两个时钟",
            "See whether the time is right; the log keeps both clocks",
        ),
        "roster_missing" | "roster_wrong" | "roster_waits" | "roster_unreadable" => (
            "排班表没有导入",
            "the roster was not imported",
            "请运行 evidock roster import --dry-run 查看错误",
            "Run evidock roster import --dry-run to see each mistake",
        ),
        "exchange_refused" | "exchange_unmatched" => (
            "有文件未能导入",
            "a file was not imported",
            "请查看 refused 目录中的报告，改正后重新放入",
            "Read the report in its refused directory, correct the file and drop it again",
        ),
        "exchange_unreadable" | "exchange_unwritten" => (
            "交换目录无法读写",
            "a directory of the exchange cannot be used",
            "请检查目录是否存在、evidock 是否有权限",
            "Check that the directory is there and that evidock's user may use it",
        ),
        "documents_unreadable" => (
            "放文书的文件夹无法使用",
            "the folder of documents cannot be used",
            "请建立该文件夹，并让 evidock 用户可以读写",
            "Make the folder, and let evidock's user read and write it",
        ),
        "documents_refused" => (
            "有文书未能收入",
            "documents were refused",
            "请查看文件旁的原因，改正后重新放入，或者移走",
            "Read the reason beside each; correct them and put them in again, or remove them",
        ),
        "discovery_failed" => (
            "在网络中查找记录仪失败",
            "recorders in the network could not be looked for",
            "请改正 [discovery]，或者不填",
            "Correct [discovery], or leave it empty",
        ),
        "disposal_waits" => (
            "销毁清册未能执行完",
            "a list of disposal could not be carried out to its end",
            "会自动重试；一直如此时请运行 evidock doctor",
            "It is tried again by itself; if it stays, run evidock doctor",
        ),
        "hook_failed" => {
            ("联动程序出错", "the hook failed", "请用同样的内容手工运行一次", "Run it by hand with such a document")
        }
        "lamp_missing" | "lamp_refuses" | "lamp_steady" => (
            "指示灯不能用",
            "a lamp cannot be used",
            "请对照 [[feedback.lamp]] 检查指示灯",
            "Compare [[feedback.lamp]] with the LEDs that are there",
        ),
        "task_failed" => (
            "反复重启",
            "it starts again and again",
            "请用 journalctl -u evidock 查看原因",
            "journalctl -u evidock has the reason",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UtcMs;

    #[test]
    fn nothing_is_left_unsaid_in_either_language() {
        for (name, zh, en) in SAID {
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
            assert!(!en.is_empty() && en.is_ascii(), "{name}: {en}");
        }
    }

    #[test]
    fn an_alarm_says_what_stands_and_what_to_do() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        let part = |code| {
            Alarm::Part(PartFacts {
                name: "witness w".into(),
                failed: true,
                code,
                words: "said by a server".into(),
                todo: "do".into(),
            })
        };
        let overdue = Alarm::Overdue { recorder: "36NCC009910".into(), since: UtcMs(0) };
        assert_eq!(zh.alarm_title(&overdue), "36NCC009910 逾期未归还");
        assert_eq!(
            en.alarm_title(&part("witness_silent")),
            "witness w: the witness has not signed for more than 15 minutes"
        );
        assert_eq!(en.alarm_title(&part("new_one")), "witness w: does not work as it must");
        let refused = Alarm::Refused {
            destination: "cloud".into(),
            since: UtcMs(0),
            what: "said by a server".into(),
            waiting: 2,
        };
        for alarm in [&overdue, &part("witness_refuses"), &part("?"), &refused] {
            for w in [zh, en] {
                let (title, action) = (w.alarm_title(alarm), w.alarm_action(alarm));
                assert!(!title.is_empty() && !action.is_empty());
                assert!(!title.contains("said by") && !action.contains("said by"), "{title} {action}");
            }
        }
        assert!(en.alarm_detail(&refused).contains("said by a server"));
        assert!(zh.alarm_detail(&refused).ends_with("返回的原文：“said by a server”"));
        assert_eq!(zh.alarm_detail(&part("witness_silent")), "程序的原文：“said by a server”");
        assert_eq!(en.alarm_detail(&part("witness_silent")), "said by a server → do");
    }

    /// Conditions that `domain::alarm` makes alarms of without their parts' words.
    const TOLD_OTHERWISE: &[&str] = &[
        "backup_failing",
        "backup_not_made",
        "backup_old",
        "destination_away",
        "disk_full",
        "disk_low",
        "proves_nothing",
    ];

    /// A part that is not well says so by a code; a code without words of its own would be an alarm that says nothing.
    #[test]
    fn each_condition_of_a_part_has_its_words() {
        fn files(dir: &std::path::Path, all: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => files(&path, all),
                    false => all.push(path),
                }
            }
        }
        let (root, mut all, mut codes) = (std::path::Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new(), 0);
        files(&root.join("src"), &mut all);
        for file in all.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            // What tests make up is their own affair.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let said = text.split(".failed(").skip(1).chain(text.split(".degraded(").skip(1));
            let said = said.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
            for code in said.filter(|code| !TOLD_OTHERWISE.contains(code)) {
                codes += 1;
                assert!(part_words(code).is_some(), "{}: {code}", file.display());
            }
        }
        assert!(codes > 20, "{codes} were found");
    }
}
