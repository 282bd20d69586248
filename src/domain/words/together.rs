//! Words of watching several clips of a case together.

use super::{Lang, Words};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident => $zh:literal, $en:literal;)+) => {
        impl Words {
            $($(#[$doc])* pub fn $name(&self) -> &'static str {
                match self.lang {
                    Lang::Zh => $zh,
                    Lang::En => $en,
                }
            })+
        }
    };
}

words! {
    /// Leads from a case to its clips on one axis.
    together_open => "同步播放", "Watch together";
    /// What the page is for.
    together_detail => "按拍摄时间同步播放本案各记录仪的资料；没有人录制的时间已略去。", "Clips of this case by their time of capture, recorders side by side; times in which nobody recorded are left out.";
    /// There is nothing to be put on an axis.
    together_empty => "本案还没有可同步播放的资料", "There is nothing to watch together yet";
    /// When there will be.
    together_empty_detail => "有拍摄时间和时长的资料封存后会出现在这里。", "Sealed clips whose time of capture and length are known will appear here.";
    /// Begin, and go on.
    together_play => "播放", "Play";
    /// Stop for now.
    together_pause => "暂停", "Pause";
    /// The slider.
    together_axis => "时间轴", "Time";
    /// Goes back five seconds.
    together_back => "后退 5 秒", "Back 5 s";
    /// Goes on five seconds.
    together_on => "前进 5 秒", "Forward 5 s";
    /// Whose sound is heard.
    together_sound => "声音", "Sound";
    /// Nobody's.
    together_mute => "静音", "None";
    /// Nothing of this recorder at this time.
    together_nothing => "此刻没有资料", "Nothing at this time";
    /// A picture is waited for.
    together_waiting => "正在载入", "Loading";
    /// A picture cannot be had.
    together_refused => "此处不能播放，请打开该资料", "Cannot be played here: open the clip";
    /// Leads to the clip at this very time.
    together_clip => "打开该资料", "Open the clip";
    /// The marked part.
    together_link => "此时间段的链接", "Link to this part";
    /// Without a script.
    together_script => "同步播放需要启用脚本；下面列出了各资料，可逐个播放。", "Watching together needs scripts; the clips are listed below and play one by one.";
}

impl Words {
    /// Clips that stand on no axis.
    pub fn together_untimed(&self, clips: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{} 个资料缺拍摄时间或时长，未列入", self.number(clips)),
            Lang::En if clips == 1 => "1 clip without a time or length is left out".to_owned(),
            Lang::En => format!("{} clips without a time or length are left out", self.number(clips)),
        }
    }

    /// Recorders beyond those that are shown.
    pub fn together_lanes_left(&self, recorders: usize) -> String {
        match self.lang {
            Lang::Zh => format!("另有 {recorders} 台记录仪未列入"),
            Lang::En => format!("recorders not shown: {recorders}"),
        }
    }
}
