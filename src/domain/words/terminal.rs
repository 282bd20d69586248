//! Sentences of the command line's tables (`status`, `find`, `show`). What programs read never comes from here.

use super::quoted::Quoted;
use super::{Lang, Words};

/// What `status` knows of a docked recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Docked {
    /// It may be taken out.
    Safe,
    /// It must stay.
    Stay,
    /// Proven files are being erased from it: it must stay.
    Erasing,
    /// No daemon runs: what the last look found says nothing now (invariant 9).
    Unwatched,
}

impl Words {
    /// The first line: which station, and whether its daemon runs.
    pub fn station_line(&self, name: &str, id: &str, running: bool) -> String {
        let word = if running { self.running } else { self.not_running };
        match self.lang {
            Lang::Zh => format!("{name}（{id}）：{word}"),
            Lang::En => format!("{name} ({id}): {word}"),
        }
    }

    /// A bay with its recorder; `stuck` is why nothing goes on.
    pub fn bay_line(&self, bay: &str, recorder: &str, files: u64, docked: Docked, stuck: Option<&str>) -> String {
        let verdict = match docked {
            Docked::Safe => self.terminal_safe,
            Docked::Stay => self.terminal_stay,
            Docked::Erasing => self.terminal_erasing,
            Docked::Unwatched => self.terminal_unwatched,
        };
        let stuck = stuck.map(|why| format!(" — {why}")).unwrap_or_default();
        let files = self.number(files);
        match self.lang {
            Lang::Zh => format!("采集位 {bay}：{recorder} — {files} 个文件 — {verdict}{stuck}"),
            Lang::En => format!("bay {bay}: {recorder} — {files} files — {verdict}{stuck}"),
        }
    }

    /// Below a bay: who has its recorder, and who says so.
    pub fn holder_line(&self, officer: &str, origin: &str, confirmed: bool) -> String {
        let by = self.said_by(origin, confirmed);
        match self.lang {
            Lang::Zh => format!("  {}：{officer}（{by}）", self.f_officer),
            Lang::En => format!("  with {officer} ({by})"),
        }
    }

    /// Below a bay: what was erased from its recorder.
    pub fn erased_line(&self, files: u64) -> String {
        let files = self.number(files);
        match self.lang {
            Lang::Zh => format!("  已从记录仪清除 {files} 个已核实的文件"),
            Lang::En => format!("  {files} files were erased from it after their proof"),
        }
    }

    /// Below a bay: how many files stay on its recorder although a policy to erase holds, and why.
    pub fn kept_line(&self, files: u64, why: &str) -> String {
        let files = self.number(files);
        match self.lang {
            Lang::Zh => format!("  {files} 个文件留在记录仪上：{why}"),
            Lang::En => format!("  {files} files stay on it: {why}"),
        }
    }

    /// How many recorders are out, and of these how many should be back.
    pub fn out_line(&self, out: u64, overdue: u64) -> String {
        let (out, late) = (self.number(out), self.number(overdue));
        match (self.lang, overdue) {
            (Lang::Zh, 0) => format!("已领用记录仪 {out} 台"),
            (Lang::Zh, _) => format!("已领用记录仪 {out} 台，其中 {late} 台逾期未还：evidock desk list --overdue"),
            (Lang::En, 0) => format!("{out} recorders are out"),
            (Lang::En, _) => format!("{out} recorders are out, {late} of them overdue: evidock desk list --overdue"),
        }
    }

    /// A destination: how it proves (`None` until it was probed), whether it protects, what is wrong with it.
    pub fn destination_line(
        &self,
        name: &str,
        proof: Option<&str>,
        same_device: bool,
        trouble: Option<&str>,
    ) -> String {
        let proof = proof.unwrap_or(self.not_probed);
        let words = trouble.map(|t| Quoted::Returned { words: t.to_owned() }.told(self.lang));
        let trouble = words.map(|t| format!(" — {t}")).unwrap_or_default();
        match self.lang {
            Lang::Zh => {
                let same = if same_device { format!("，{}", self.same_device) } else { String::new() };
                format!("上传目标 {name}：{proof}{same}{trouble}")
            }
            Lang::En => {
                let same = if same_device {
                    ", on the vault's own device: proves nothing about the loss of this box"
                } else {
                    ""
                };
                format!("destination {name}: {proof}{same}{trouble}")
            }
        }
    }

    /// Below a destination: what its circuit breaker does, where that is worth a line; `rests_s` seconds are left.
    pub fn circuit_line(&self, circuit: &str, rests_s: Option<u64>) -> Option<String> {
        let left = self.number(rests_s.unwrap_or(0));
        Some(match (circuit, self.lang) {
            ("open", Lang::Zh) => format!("  连续失败，已暂停连接，{left} 秒后再试"),
            ("open", Lang::En) => format!("  it failed several times in a row; one request tries again in {left} s"),
            ("half_open", Lang::Zh) => "  正在试探连接".to_owned(),
            ("half_open", Lang::En) => "  one request is finding out whether it is back".to_owned(),
            ("resting", Lang::Zh) => format!("  对方要求放慢，{left} 秒后继续"),
            ("resting", Lang::En) => format!("  it asked for patience; sending goes on in {left} s"),
            _ => return None,
        })
    }

    /// Footage is held back, from one destination or from all, until a time that is already written out.
    pub fn paused_line(&self, destination: Option<&str>, until: Option<&str>) -> String {
        match self.lang {
            Lang::Zh => {
                let whom = destination.map_or("全部上传目标".to_owned(), |d| format!("上传目标 {d}"));
                let until = until.map_or("恢复：evidock resume".to_owned(), |t| format!("至 {t}"));
                format!("{whom}已暂停上传（{until}）")
            }
            Lang::En => {
                let whom = destination.map_or("every destination".to_owned(), |d| format!("destination {d}"));
                let until = until.map_or("until `evidock resume`".to_owned(), |t| format!("until {t}"));
                format!("no footage goes to {whom} {until}")
            }
        }
    }

    /// The last line: what waits for people, and the disk as sizes already written out.
    pub fn summary_line(&self, incomplete: u64, quarantined: u64, failed: u64, free: &str, total: &str) -> String {
        let [incomplete, quarantined, failed] = [incomplete, quarantined, failed].map(|n| self.number(n));
        match self.lang {
            Lang::Zh => {
                format!(
                    "{incomplete} 个待标注，{quarantined} 个已隔离，{failed} 个等待人工处理；磁盘可用 {free} / {total}"
                )
            }
            Lang::En => format!(
                "{incomplete} clips lack facts, {quarantined} in quarantine, {failed} wait for a person; {free} free of {total}"
            ),
        }
    }

    /// No clip of a case.
    pub fn no_clip_of(&self, number: &str) -> String {
        match self.lang {
            Lang::Zh => format!("没有资料关联到 {number}"),
            Lang::En => format!("no clip is linked to {number}"),
        }
    }

    /// A field of a record by its key, which is what `annotate` takes; the name in front of it where that says more.
    pub fn keyed(&self, key: &str, name: Option<&str>) -> String {
        match (self.lang, name) {
            (Lang::Zh, Some(name)) => format!("{name} {key}"),
            _ => key.to_owned(),
        }
    }
}

impl Lang {
    /// The language of a terminal: of `LC_ALL`, `LC_MESSAGES` and `LANG`, in this order, the first that is set decides
    /// (POSIX.1-2017, 8.2). What is neither Chinese nor English is English, the language of `C`.
    pub fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set =
            ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| variable(name).filter(|v| !v.is_empty()));
        set.and_then(|locale| Self::parse(locale.split('.').next().unwrap_or_default())).unwrap_or(Self::En)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_s_language() {
        let table: &[(&[(&str, &str)], Lang)] = &[
            (&[], Lang::En),
            (&[("LANG", "zh_CN.UTF-8")], Lang::Zh),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")], Lang::En),
            (&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", "zh_CN")], Lang::Zh),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], Lang::Zh),
            (&[("LANG", "zh.UTF-8")], Lang::Zh),
            (&[("LANG", "de_DE.UTF-8")], Lang::En),
        ];
        for (set, lang) in table {
            let found = Lang::of_terminal(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
            assert_eq!(found, *lang, "{set:?}");
        }
    }

    #[test]
    fn lines_in_both_languages() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(
            zh.bay_line("3", "DSJ-1", 12, Docked::Stay, Some("EIO")),
            "采集位 3：DSJ-1 — 12 个文件 — 请勿拔出 — EIO"
        );
        assert_eq!(en.bay_line("3", "DSJ-1", 12, Docked::Safe, None), "bay 3: DSJ-1 — 12 files — safe to remove");
        assert_eq!(zh.station_line("一所", "s-1", true), "一所（s-1）：运行中");
        assert_eq!(en.destination_line("c", None, false, Some("no route")), "destination c: not probed yet — no route");
        assert_eq!(zh.keyed("place", Some(zh.f_place)), "采集地点 place");
        assert_eq!(en.keyed("place", Some(en.f_place)), "place");
    }
}
