//! Words of the form that sets facts of a clip, where it does not fit what the record says now.

use super::{Lang, Words};

impl Words {
    /// That fields were changed since the page was made: each with what it says now, where that may be told.
    pub fn changed_meanwhile(&self, fields: &[(&str, String)]) -> String {
        let one = |(label, says): &(&str, String)| match (self.lang, says.as_str()) {
            (_, "") => (*label).to_owned(),
            (Lang::Zh, says) => format!("{label}（现为“{says}”）"),
            (Lang::En, says) => format!("{label} (now “{says}”)"),
        };
        let told: Vec<String> = fields.iter().map(one).collect();
        match self.lang {
            Lang::Zh => format!(
                "您打开页面以后，这些信息已被更改：{}。请核对；仍要改成您填写的内容，请再保存一次。",
                told.join("、")
            ),
            Lang::En => format!(
                "Since you opened the page this was changed: {}. Check it; to replace it with what you typed, save once more.",
                told.join(", ")
            ),
        }
    }
}
