//! Words of who looked at a case.

use super::{Lang, Words};
use crate::domain::looks::Look;

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
    /// Heading, and the way there.
    looks => "调阅记录", "Who looked";
    /// What stands in it.
    looks_about => "打开、查看、播放、下载和导出，均取自日志；最近的在前。", "Opening, viewing, playing, saving and exporting, as the log has it; the newest first.";
    /// There is none.
    looks_none => "还没有人调阅。有人查看、播放、下载或导出本案资料后，会列在这里。", "Nobody has looked yet. Whoever views, plays, saves or exports something of this case will stand here.";
    /// All of it.
    looks_all => "全部调阅记录", "Everyone who looked";
    /// A column.
    looks_who => "人员", "Who";
    /// A column.
    looks_what => "操作", "What";
    /// A column.
    looks_of => "资料", "Of";
    /// A column.
    looks_why => "目的", "Purpose";
    /// Of the case and not of one clip.
    looks_case => "全案", "The case";
    /// The right.
    a_see_looks => "查看调阅记录", "See who looked";
}

impl Words {
    /// What somebody did.
    pub fn look(&self, look: Look) -> &'static str {
        let (zh, en) = match look {
            Look::Opened => ("打开案件", "Opened the case"),
            Look::Shown => ("查看信息", "Saw the record"),
            Look::Played => ("播放", "Played"),
            Look::Read => ("查阅文书", "Read"),
            Look::Downloaded => ("下载原始文件", "Saved the original"),
            Look::Derived => ("派生文件", "Derived file"),
            Look::Exported => ("导出", "Export"),
            Look::TookPackage => ("下载导出包", "Took a package"),
        };
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }
}
