//! Words of live recording: rooms, what they are doing, and what is missing in what they recorded.

use super::{Lang, Words};
use crate::domain::stream::{GapKind, PublishedGap, SegmentEnd};

impl Words {
    /// What a room is doing; a word of the API.
    pub fn room_state(&self, state: &str) -> &'static str {
        match state {
            "recording" => self.room_recording,
            "connecting" => self.room_connecting,
            "waiting" => self.room_waiting,
            _ => self.room_idle,
        }
    }

    /// A rate of bits.
    pub fn bit_rate(&self, bits_per_s: u64) -> String {
        match bits_per_s {
            0 => self.none_dash.to_owned(),
            1..1_000_000 => format!("{} kbit/s", bits_per_s.div_ceil(1000)),
            _ => format!("{:.1} Mbit/s", bits_per_s as f64 / 1_000_000.0),
        }
    }

    /// A recording was asked for.
    pub fn recording_begun(&self, room: &str, case_no: Option<&str>) -> String {
        match (self.lang, case_no) {
            (Lang::Zh, Some(case)) => format!("{room}：开始录制（{case}）"),
            (Lang::Zh, None) => format!("{room}：开始录制"),
            (Lang::En, Some(case)) => format!("{room}: recording for {case}"),
            (Lang::En, None) => format!("{room}: recording"),
        }
    }

    /// A recording was stopped.
    pub fn recording_stopped(&self, room: &str, segments: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{room}：录制已停止，共 {segments} 段"),
            Lang::En => format!("{room}: recording stopped; clips of it: {segments}"),
        }
    }

    /// What a camera offers.
    pub fn track_line(&self, media: &str, encoding: &str, kept: bool) -> String {
        match (self.lang, kept) {
            (Lang::Zh, true) => format!("{media}：{encoding}"),
            (Lang::Zh, false) => format!("{media}：{encoding}，不支持，不会录制"),
            (Lang::En, true) => format!("{media}: {encoding}"),
            (Lang::En, false) => format!("{media}: {encoding}, which cannot be kept and is not recorded"),
        }
    }

    /// How soon and what a camera sends.
    pub fn first_frame_line(&self, ms: u64, width: u32, height: u32, key_every_ms: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{ms} 毫秒后开始录制；{width}×{height}；关键帧间隔 {key_every_ms} 毫秒"),
            Lang::En => format!("recording began after {ms} ms; {width}×{height}; a key frame each {key_every_ms} ms"),
        }
    }

    /// How much comes, and how much is lost.
    pub fn flow_line(&self, bit_rate: u64, packets: u64, lost: u64) -> String {
        let rate = self.bit_rate(bit_rate);
        match self.lang {
            Lang::Zh => format!("{rate}；收到 {packets} 个包，丢失 {lost} 个"),
            Lang::En => format!("{rate}; {packets} packets came, {lost} were lost"),
        }
    }

    /// The camera's clock against the station's.
    pub fn camera_clock(&self, offset_ms: Option<i64>) -> String {
        match (self.lang, offset_ms) {
            (Lang::Zh, Some(ms)) => format!("摄像机时钟与本站相差 {ms} 毫秒"),
            (Lang::Zh, None) => "摄像机没有提供自己的时间".to_owned(),
            (Lang::En, Some(ms)) => format!("the camera's clock is {ms} ms from the station's"),
            (Lang::En, None) => "the camera does not tell its own time".to_owned(),
        }
    }

    /// A stream that cannot be recorded as it is.
    pub fn stream_unusable(&self, why: &str) -> String {
        match (self.lang, why.is_empty()) {
            (Lang::Zh, true) => "没有收到可以录制的画面".to_owned(),
            (Lang::Zh, false) => format!("无法录制：{why}"),
            (Lang::En, true) => "nothing came that can be recorded".to_owned(),
            (Lang::En, false) => format!("it cannot be recorded: {why}"),
        }
    }

    /// Why a segment ended.
    pub fn segment_end(&self, why: SegmentEnd) -> &'static str {
        match why {
            SegmentEnd::Length => self.end_length,
            SegmentEnd::Asked => self.end_asked,
            SegmentEnd::Changed => self.end_changed,
            SegmentEnd::Lost => self.end_lost,
            SegmentEnd::Silent => self.end_silent,
            SegmentEnd::Stopped => self.end_stopped,
            SegmentEnd::Interrupted => self.end_interrupted,
            SegmentEnd::Failed => self.end_failed,
            SegmentEnd::Full => self.end_full,
            SegmentEnd::Whole => self.end_whole,
            SegmentEnd::Short => self.end_short,
        }
    }

    /// What is missing, or which clock jumped.
    pub fn gap(&self, gap: &PublishedGap) -> String {
        let (ms, n) = (gap.missing_ms, gap.count);
        let seconds = format!("{:.1}", ms.abs() as f64 / 1000.0);
        let kind = GapKind::parse(&gap.kind).unwrap_or(GapKind::Between);
        let what = match (self.lang, kind) {
            (Lang::Zh, GapKind::Loss) => format!("网络丢失 {n} 个包，缺 {seconds} 秒"),
            (Lang::Zh, GapKind::Skip) => format!("摄像机少送 {n} 帧，缺 {seconds} 秒"),
            (Lang::Zh, GapKind::SourceClock) => format!("摄像机时钟被调整 {} 秒", signed(ms)),
            (Lang::Zh, GapKind::StationClock) => format!("本站时钟被调整 {} 秒", signed(ms)),
            (Lang::Zh, GapKind::Start) => format!("开始录制后 {seconds} 秒才有画面"),
            (Lang::Zh, GapKind::Between) => format!("与上一段之间缺 {seconds} 秒"),
            (Lang::Zh, GapKind::End) => format!("停止录制前 {seconds} 秒没有画面"),
            (Lang::Zh, GapKind::Again) => format!("开头 {seconds} 秒与上一段重复"),
            (Lang::En, GapKind::Again) => format!("the first {seconds} s are in the clip before, too"),
            (Lang::En, GapKind::Loss) => format!("{n} packets lost, {seconds} s missing"),
            (Lang::En, GapKind::Skip) => format!("the camera left out {n} frames, {seconds} s missing"),
            (Lang::En, GapKind::SourceClock) => format!("the camera's clock was set by {} s", signed(ms)),
            (Lang::En, GapKind::StationClock) => format!("the station's clock was set by {} s", signed(ms)),
            (Lang::En, GapKind::Start) => format!("the first picture came {seconds} s after the begin"),
            (Lang::En, GapKind::Between) => format!("{seconds} s missing after the clip before"),
            (Lang::En, GapKind::End) => format!("no picture in the last {seconds} s before the end"),
        };
        match gap.reason.as_deref().and_then(SegmentEnd::parse) {
            Some(why) if self.lang == Lang::Zh => format!("{what}（{}）", self.segment_end(why)),
            Some(why) => format!("{what} ({})", self.segment_end(why)),
            None => what,
        }
    }

    /// Where a clip stands in its recording.
    pub fn segment_of(&self, segment_no: u32, room: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{room}，第 {segment_no} 段"),
            Lang::En => format!("{room}, clip {segment_no}"),
        }
    }
}

fn signed(ms: i64) -> String {
    format!("{:+.1}", ms as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_words() {
        let gap = |kind: GapKind, missing_ms, reason: Option<SegmentEnd>| PublishedGap {
            kind: kind.as_str().into(),
            start: String::new(),
            end: String::new(),
            from_ms: None,
            missing_ms,
            count: 7,
            reason: reason.map(|r| r.as_str().into()),
        };
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(
            zh.gap(&gap(GapKind::Between, 10_040, Some(SegmentEnd::Lost))),
            "与上一段之间缺 10.0 秒（连接中断）"
        );
        assert_eq!(en.gap(&gap(GapKind::Loss, 80, None)), "7 packets lost, 0.1 s missing");
        assert_eq!(en.gap(&gap(GapKind::SourceClock, -3_600_000, None)), "the camera's clock was set by -3600.0 s");
        assert_eq!(en.bit_rate(4_120_000), "4.1 Mbit/s");
    }
}
