//! Words of the player where it cannot go on: what the station did not give out is told apart from what a browser cannot play.

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
    /// The session is over.
    player_signed_out => "登录已失效，请重新登录后再播放。", "You are signed out: sign in again to play it.";
    /// The right to it, or the reason for it, is not there (any more).
    player_refused => "本站没有提供这份资料：须先说明调阅目的，或权限有变。重新打开本页，页面会说明如何继续。", "The station did not give this clip out: why you look at it must be said first, or your rights have changed. Load this page again; it says how to go on.";
    /// The station or the line to it is busy, or no copy can be had for now.
    player_later => "现在读不到这份资料：本站正忙、网络中断，或存有它的位置暂时连不上。请稍后再试。", "It cannot be had right now: the station is busy, the network failed, or the place that has it cannot be reached. Try again in a moment.";
    /// A piece of the preview was not made in time.
    player_slow => "生成预览用时过长，本站可能正忙。请一分钟后再试。", "Making the preview took too long; the station may be busy. Try again in a minute.";
    /// Loads the page anew.
    player_reload => "重新打开本页", "Load this page again";
    /// Tries once more.
    player_again => "再试一次", "Try again";
    /// A download begins.
    save_begins => "调阅目的已记录，文件即将开始下载。", "The purpose is kept; the file is being saved.";
    /// Where it did not.
    save_now => "没有开始时点这里", "If it does not begin, save it here";
    /// In a picture among several.
    together_barred => "本站没有提供这份资料，请打开该资料查看原因", "The station did not give it out: open the clip to see why";
    /// In a picture among several that has no place among those that load.
    together_full => "为使本页保持畅通，同时最多播放四路", "Four play at a time, so that the page stays responsive";
    /// Gives it a place.
    together_instead => "改看这一路", "Watch this one instead";
}

impl Words {
    /// Clips of a case beyond those that are read.
    pub fn together_clips_left(&self, clips: u64, shown: u64) -> String {
        match self.lang {
            Lang::Zh => {
                format!("本案资料较多，只列入前 {} 个，另有 {} 个未列入", self.number(shown), self.number(clips))
            }
            Lang::En if clips == 1 => format!("Only the first {} clips are here; 1 is left out", self.number(shown)),
            Lang::En => {
                format!("Only the first {} clips are here; {} are left out", self.number(shown), self.number(clips))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_in_both_languages() {
        assert!(Lang::Zh.words().together_clips_left(1_200, 500).contains("1,200 个未列入"));
        assert_eq!(Lang::En.words().together_clips_left(1, 500), "Only the first 500 clips are here; 1 is left out");
    }
}
