//! Words of verifying a clip's copies on request.

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
    /// Heading and button.
    verify_now => "立即校验", "Verify now";
    /// What it does.
    verify_about => "重新读取全部字节并计算校验值，与入库时写入日志的值比对。可以离开本页，稍后回来看结果。", "Every byte is read and hashed again and compared with what the log says was sealed. You can leave this page and come back for the result.";
    /// The box to tick.
    verify_remote => "同时从各上传目标读回比对", "Read the copies at the destinations back, too";
    /// After it was asked for.
    verify_begun => "已开始校验。", "Verifying began.";
    /// Others go first.
    verify_waiting => "等待前面的校验结束", "Waits for another verification to end";
    /// The file on this station's disk is read.
    verify_reading_here => "正在读取本机文件", "Reading the file here";
    /// It could not be carried out.
    verify_failed => "未能校验", "It could not be verified";
    /// When it was asked for.
    verify_asked => "校验于", "Verified";
    /// All of it is well.
    verify_all_same => "全部一致", "All of it matches";
    /// Nothing differs, and something could not be compared.
    verify_not_all => "未发现不一致，但有副本未能比对", "Nothing differs, but not every copy was compared";
    /// Something differs.
    verify_differs => "发现不一致", "Something differs";
    /// The file on this station's disk.
    verify_here => "本机文件", "The file here";
    /// What the log says.
    verify_log => "日志中的入库记录", "What the log says was sealed";
    /// The record.
    verify_record => "资料记录", "The record";
}

impl Words {
    /// What is read now.
    pub fn verify_reading(&self, destination: Option<&str>) -> String {
        match (destination, self.lang) {
            (None, _) => self.verify_reading_here().to_owned(),
            (Some(name), Lang::Zh) => format!("正在从 {name} 读回"),
            (Some(name), Lang::En) => format!("Reading the copy at {name} back"),
        }
    }

    /// How one of them compared, by the desk's word (`domain::verifying`).
    pub fn compared(&self, word: &str) -> &'static str {
        let (zh, en) = match word {
            "same" => ("一致", "matches"),
            "differs" => ("不一致", "differs"),
            "gone" => ("文件已不在", "is gone"),
            "unreadable" => ("无法读取", "cannot be read"),
            "evicted" => ("本机已按规定清理，以云端副本为准", "gave way in order; the copies elsewhere count"),
            "missing" => ("日志中没有", "is not in the log"),
            "none" => ("尚未发布", "not published yet"),
            "unreachable" => ("无法连接，未比对", "could not be reached, not compared"),
            "not_sent" => ("尚未上传", "not sent yet"),
            _ => ("结果不明", "unknown"),
        };
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// The record at a destination is not the one that was published.
    pub fn compared_record_differs(&self) -> &'static str {
        match self.lang {
            Lang::Zh => "该处的资料记录与发布的不一致",
            Lang::En => "its record there is not the one that was published",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_desk_has_words_of_its_own() {
        for lang in Lang::ALL {
            let w = lang.words();
            let all =
                ["same", "differs", "gone", "unreadable", "evicted", "missing", "none", "unreachable", "not_sent"];
            for (i, word) in all.iter().enumerate() {
                assert!(all[..i].iter().all(|other| w.compared(other) != w.compared(word)), "{word}");
                assert_ne!(w.compared(word), w.compared("x"), "{word}");
            }
        }
        assert_eq!(Lang::Zh.words().verify_reading(Some("市局")), "正在从 市局 读回");
    }
}
