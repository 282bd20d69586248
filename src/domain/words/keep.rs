//! Sentences about holds, isolation, eviction and fetching on the command line. What programs read never comes from here.

use super::{Lang, Words};

impl Words {
    /// A hold stands.
    pub fn held_line(&self, hold: i64, clips: u64) -> String {
        let clips = self.number(clips);
        match self.lang {
            Lang::Zh => format!("暂停销毁第 {hold} 号已生效，涉及 {clips} 个资料；解除须两人：evidock unhold {hold}"),
            Lang::En => {
                format!("hold {hold} stands on {clips} clips; releasing it takes two people: evidock unhold {hold}")
            }
        }
    }

    /// One person asked for a release.
    pub fn release_asked_line(&self, hold: i64) -> String {
        match self.lang {
            Lang::Zh => format!("已申请解除暂停销毁第 {hold} 号；须另一人确认：evidock unhold {hold} --confirm"),
            Lang::En => format!(
                "the release of hold {hold} is asked for; another person confirms: evidock unhold {hold} --confirm"
            ),
        }
    }

    /// A hold is released.
    pub fn released_line(&self, hold: i64, clips: u64) -> String {
        let clips = self.number(clips);
        match self.lang {
            Lang::Zh => format!("暂停销毁第 {hold} 号已解除，涉及 {clips} 个资料"),
            Lang::En => format!("hold {hold} is released; it stood on {clips} clips"),
        }
    }

    /// A clip is isolated, and `others` that have its bytes.
    pub fn isolated_line(&self, clip: &str, others: u64) -> String {
        let n = self.number(others);
        match (self.lang, others) {
            (Lang::Zh, 0) => format!("{clip}：疑似涉密，已阻断上传和调阅"),
            (Lang::Zh, _) => format!("{clip}：疑似涉密，已阻断上传和调阅；内容相同的另外 {n} 个资料一并阻断"),
            (Lang::En, 0) => format!("{clip} is isolated: its uploads stop and nobody can view it"),
            (Lang::En, _) => {
                format!("{clip} is isolated, and {n} more with the same bytes: uploads stop and nobody can view them")
            }
        }
    }

    /// What of an isolated clip stands at a destination.
    pub fn stands_line(
        &self,
        clip: &str,
        destination: &str,
        state: &str,
        size: &str,
        records: u64,
        locked: Option<&str>,
    ) -> String {
        let records = self.number(records);
        match self.lang {
            Lang::Zh => {
                let locked = locked.map(|until| format!("，锁定至 {until}")).unwrap_or_default();
                format!("  {destination}：{clip} {state}，音像 {size}，记录 {records} 版{locked}")
            }
            Lang::En => {
                let locked = locked.map(|until| format!(", locked until {until}")).unwrap_or_default();
                format!(
                    "  at {destination}: {clip} {state}, {size} of footage, {records} revisions of its record{locked}"
                )
            }
        }
    }

    /// One person asked that an isolation be lifted.
    pub fn lift_asked_line(&self, clip: &str) -> String {
        match self.lang {
            Lang::Zh => format!("已申请解除 {clip} 的疑似涉密阻断；须另一人确认：evidock lift {clip} --confirm"),
            Lang::En => format!(
                "lifting the isolation of {clip} is asked for; another person confirms: evidock lift {clip} --confirm"
            ),
        }
    }

    /// An isolation is lifted.
    pub fn lifted_line(&self, clip: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{clip}：疑似涉密阻断已解除，上传继续"),
            Lang::En => format!("{clip} is no longer isolated; its uploads go on"),
        }
    }

    /// What `status` adds where there is something: isolated clips, suspect copies, held and evicted clips.
    pub fn kept_away_lines(
        &self,
        isolated: u64,
        suspect: u64,
        held: u64,
        evicted: u64,
        evicted_size: &str,
    ) -> Vec<String> {
        let n = |count: u64| self.number(count);
        let zh = self.lang == Lang::Zh;
        let mut lines = Vec::new();
        let mut add = |count: u64, zh_line: String, en_line: String| {
            if count > 0 {
                lines.push(if zh { zh_line } else { en_line });
            }
        };
        add(
            isolated,
            format!("{} 个疑似涉密，已阻断上传和调阅：evidock holds", n(isolated)),
            format!("{} clips suspected classified and isolated: evidock holds", n(isolated)),
        );
        add(
            suspect,
            format!("{} 份云端副本校验不一致，正在用完好的副本补传", n(suspect)),
            format!("{} copies elsewhere are not what was sealed; they are sent again from good ones", n(suspect)),
        );
        add(
            held,
            format!("{} 个暂停销毁：evidock holds", n(held)),
            format!("{} clips on hold: evidock holds", n(held)),
        );
        add(
            evicted,
            format!("{} 个本地已腾出空间（{evicted_size}），调阅时从云端读取", n(evicted)),
            format!(
                "{} clips removed here after proof ({evicted_size}), read from elsewhere when they are asked for",
                n(evicted)
            ),
        );
        lines
    }

    /// What became of a clip that was fetched: one of the words of `evidock fetch`'s summary.
    pub fn fetched(&self, result: &str) -> &'static str {
        match result {
            "fetched" => self.fetched,
            "there" => self.fetched_there,
            "not_sent" => self.fetched_not_sent,
            "differs" => self.fetched_differs,
            "unreachable" => self.fetched_unreachable,
            _ => self.fetched_odd,
        }
    }

    /// How a fetch ended.
    pub fn fetch_line(&self, good: u64, all: u64, to: &str) -> String {
        let (good, all) = (self.number(good), self.number(all));
        match self.lang {
            Lang::Zh => format!("{all} 个资料中 {good} 个已取回并校验一致；汇总见 {to}"),
            Lang::En => format!("{good} of {all} clips are here and verified; the summary is {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert!(zh.kept_away_lines(0, 0, 0, 0, "0 B").is_empty());
        let all = en.kept_away_lines(1, 2, 3, 4, "5.0 GB");
        assert_eq!(all.len(), 4);
        assert!(all[3].contains("4 clips") && all[3].contains("5.0 GB"), "{}", all[3]);
        assert_eq!(zh.isolated_line("c", 0), "c：疑似涉密，已阻断上传和调阅");
        for word in ["fetched", "there", "not_sent", "differs", "unreachable", "?"] {
            assert_ne!(zh.fetched(word), en.fetched(word));
        }
    }
}
