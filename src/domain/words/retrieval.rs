//! Words of searching and of documents (文书).

use super::{Lang, Words};
use crate::domain::document::DocumentKind;

macro_rules! both {
    ($($(#[$doc:meta])* $name:ident => $zh:literal, $en:literal;)+) => {
        impl Words {
            $($(#[$doc])* pub fn $name(&self) -> &'static str {
                match self.lang {
                    Lang::Zh => $zh,
                    Lang::En => $en,
                }
            })+
        }

        #[cfg(test)]
        const ENTRIES: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en)),+];
    };
}

both! {
    /// The one search box.
    search_all => "搜索", "Search";
    /// What it takes.
    search_hint => "编号、当事人、采集人、记录仪、地点、日期，可组合：今天 新华路", "Any number, party, officer, recorder, place or day, together: today plus a street";
    /// How results are ordered.
    search_order => "排序", "Order";
    /// Newest first.
    search_newest => "最新", "Newest";
    /// What fits best first.
    search_best => "最符合", "Best match";
    /// Where else it can be looked for.
    search_elsewhere => "在其他采集站查找", "Look on other stations";
    /// Heading of what was found there.
    elsewhere_title => "其他采集站", "Other stations";
    /// What stands there.
    elsewhere_hint => "来自云端目录；已上传的可在云端调取", "From the catalogue in the cloud; what was sent can be fetched from there";
    /// Nothing was found.
    elsewhere_none => "其他采集站没有符合的资料", "Nothing on other stations matches";
    /// The account has no right over them.
    elsewhere_forbidden => "您的权限只包括本站的资料", "Your rights are over this station only";
    /// A clip of this station.
    stands_here => "本站", "Here";
    /// Its bytes are in the cloud.
    stands_cloud => "已在云端", "In the cloud";
    /// Its station has not sent it yet.
    stands_unsent => "该站尚未上传", "Not sent yet by its station";
    /// Nobody could look.
    stands_unknown => "未能核实", "Could not be looked at";
    /// Column.
    col_station => "采集站", "Station";
    /// Put it first in the queue.
    push_first => "优先上传", "Send first";
    /// The documents of a case.
    documents => "文书", "Documents";
    /// A case without any.
    documents_none => "尚无文书", "No documents yet";
    /// The action, and its heading.
    document_file => "归入文书", "File a document";
    /// What is taken.
    document_hint => "PDF、OFD、图片、Office/WPS 文件或纯文本；归入后不能修改", "PDF, OFD, pictures, office files or plain text; once filed it cannot be changed";
    /// Field.
    document_choose => "文件", "File";
    /// Field.
    document_type => "文书种类", "Kind";
    /// Field.
    document_title => "题名", "Title";
    /// Field.
    document_matter => "对应记录事项", "Written record of";
    /// What its bytes are.
    document_format => "格式", "Format";
    /// While it is sent.
    document_sending => "正在归入", "Filing";
    /// Done.
    document_done => "已归入并封存校验", "Filed, sealed and verified";
    /// The case has it.
    document_known => "本案已有相同的文件", "The case has this very file already";
    /// Without a script.
    document_script => "归入文书需要启用脚本，或使用命令行", "Filing needs scripts, or the command line";
    /// It could not be sent.
    document_failed => "未能归入，请重试", "It could not be filed; try again";
}

impl Words {
    /// What a document is.
    pub fn document_kind(&self, kind: DocumentKind) -> &'static str {
        let (zh, en) = match kind {
            DocumentKind::Record => ("笔录", "Written record"),
            DocumentKind::Evidence => ("书证、照片", "Documentary evidence"),
            DocumentKind::Approval => ("审批表", "Approval"),
            DocumentKind::Notice => ("告知书、通知书", "Notice"),
            DocumentKind::Decision => ("决定书", "Decision"),
            DocumentKind::Service => ("送达回证", "Proof of service"),
            DocumentKind::Other => ("其他文书", "Other document"),
        };
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// The same by its stored word; a newer word shows as it stands.
    pub fn document_kind_word<'a>(&self, word: &'a str) -> &'a str {
        DocumentKind::parse(word).map_or(word, |kind| self.document_kind(kind))
    }

    /// What was found, where not all of it was counted.
    pub fn at_least(&self, n: u64) -> String {
        match self.lang {
            Lang::Zh => format!("{} 个以上", self.number(n)),
            Lang::En => format!("more than {}", self.number(n)),
        }
    }

    /// Which destination did not answer in time, so that what is shown is not all.
    pub fn elsewhere_partial(&self, why: &str) -> String {
        match self.lang {
            Lang::Zh => format!("结果不完整：{why}"),
            Lang::En => format!("Not everything could be looked at: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_something() {
        for (name, zh, en) in ENTRIES {
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
            assert!(en.is_ascii() && !en.is_empty(), "{name}: {en}");
        }
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(zh.document_kind(DocumentKind::Decision), "决定书");
        assert_eq!(en.document_kind_word("newer"), "newer");
        assert_eq!(zh.at_least(1_000), "1,000 个以上");
    }
}
