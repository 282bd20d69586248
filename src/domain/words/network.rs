//! Words of recorders in the network: what they are, what they list, and what of it is here.

use super::{Lang, Words};
use crate::domain::replay::SpanState;

impl Words {
    /// What became of a stretch of footage.
    pub fn span_state(&self, state: SpanState, grows: bool) -> &'static str {
        match state {
            SpanState::Waiting if grows => self.span_grows,
            SpanState::Waiting => self.span_waiting,
            SpanState::Whole => self.span_whole,
            SpanState::Short => self.span_short,
        }
    }

    /// What a recorder says it is.
    pub fn network_device(&self, key: &str, maker: &str, model: &str, firmware: &str) -> String {
        let name = [maker, model, firmware].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
        if name.is_empty() { key.to_owned() } else { format!("{key} · {name}") }
    }

    /// Its clock against the station's.
    pub fn recorder_clock(&self, offset_ms: Option<i64>) -> String {
        match (self.lang, offset_ms) {
            (Lang::Zh, Some(ms)) => format!("记录仪时钟与本站相差 {:.1} 秒", ms as f64 / 1000.0),
            (Lang::Zh, None) => "记录仪没有提供自己的时间".to_owned(),
            (Lang::En, Some(ms)) => format!("the recorder's clock is {:.1} s from the station's", ms as f64 / 1000.0),
            (Lang::En, None) => "the recorder does not tell its own time".to_owned(),
        }
    }

    /// A pull was asked for.
    pub fn pull_begun(&self, name: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{name}：开始取回"),
            Lang::En => format!("{name} is being pulled"),
        }
    }

    /// Entries of a list that could not be read.
    pub fn list_left_out(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("列表中有 {n} 项无法读取"),
            Lang::En => format!("{n} entries of its list could not be read"),
        }
    }

    /// What a decision about a device without a serial number means.
    pub fn by_host(&self, host: &str) -> String {
        match self.lang {
            Lang::Zh => format!("设备没有自己的序列号：对 {host} 上的任何设备都有效"),
            Lang::En => {
                format!("it gives no serial number of its own: a decision holds for whatever answers at {host}")
            }
        }
    }

    /// How far pulling has come, by the times of the footage.
    pub fn footage_of(&self, done_ms: u64, listed_ms: u64) -> String {
        let span = |ms: u64| self.span(i64::try_from(ms).unwrap_or(i64::MAX));
        match self.lang {
            Lang::Zh => format!("录像 {} / {}", span(done_ms), span(listed_ms)),
            Lang::En => format!("{} of {} of footage", span(done_ms), span(listed_ms)),
        }
    }

    /// How much of what its recorder lists is not here.
    pub fn listed_missing(&self, length: &str, missing_ms: i64) -> String {
        let seconds = missing_ms as f64 / 1000.0;
        match (self.lang, missing_ms) {
            (Lang::Zh, 0) => format!("{length}，已全部取回"),
            (Lang::Zh, _) => format!("{length}，缺 {seconds:.1} 秒"),
            (Lang::En, 0) => format!("{length}, all of it is here"),
            (Lang::En, _) => format!("{length}, {seconds:.1} s of it are not here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorders_in_words() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(en.network_device("net:1", "ACME", "", "1.2"), "net:1 · ACME 1.2");
        assert_eq!(en.recorder_clock(Some(-3_600_000)), "the recorder's clock is -3600.0 s from the station's");
        assert_eq!(en.footage_of(61_000, 125_000), "1\u{a0}min 1\u{a0}s of 2\u{a0}min 5\u{a0}s of footage");
        assert_eq!(zh.listed_missing("1 分", 20_000), "1 分，缺 20.0 秒");
        assert_eq!(en.span_state(SpanState::Waiting, true), "still being recorded");
    }
}
