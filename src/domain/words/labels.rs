//! Values of facts as people read them: labels in the reader's language, and a fact in one sentence with where it came from.

use super::{Lang, Words};
use crate::domain::record::{Field, Origin, UNLINKED, UNTIL_FILED};
use crate::domain::sensitivity::Sensitivity;

impl Words {
    /// A label.
    pub fn sensitivity_label(&self, label: Sensitivity) -> &'static str {
        let en = match label {
            Sensitivity::None => "None",
            Sensitivity::WorkSecret => "Internal to the agency",
            Sensitivity::TradeSecret => "Trade secret",
            Sensitivity::Privacy => "Private life",
            Sensitivity::Minor => "A minor",
            Sensitivity::SuspectedState => "Suspected classified",
        };
        match self.lang {
            // The stored word itself: a label that is typed is the one that is read.
            Lang::Zh => label.as_str(),
            Lang::En => en,
        }
    }

    /// A label by its stored word; a newer word shows as it stands.
    pub fn sensitivity_word<'a>(&self, word: &'a str) -> &'a str {
        Sensitivity::parse(word).map_or(word, |label| self.sensitivity_label(label))
    }

    /// Up to which label a destination takes clips, by its word in records or configuration.
    pub fn up_to_label(&self, most: &str) -> String {
        let label = self.sensitivity_word(most);
        match (self.lang, Sensitivity::parse(most)) {
            (Lang::Zh, Some(Sensitivity::None)) => "只收没有敏感标注的资料".to_owned(),
            (Lang::En, Some(Sensitivity::None)) => "takes only clips without a label".to_owned(),
            (Lang::Zh, _) => format!("敏感标注最高收“{label}”"),
            (Lang::En, _) => format!("takes clips labelled up to {label}"),
        }
    }

    /// How long a clip is kept, by the record's word; a term of the archive's (30年) as it was typed.
    pub fn retention_word<'a>(&self, word: &'a str) -> &'a str {
        match (word, self.lang) {
            (UNTIL_FILED, Lang::Zh) => "归档时确定",
            (UNTIL_FILED, Lang::En) => "decided when it is filed",
            (UNLINKED, Lang::Zh) => "6 个月",
            (UNLINKED, Lang::En) => "6 months",
            _ => word,
        }
    }

    /// A fact with where it came from, as the custody of a clip tells it.
    pub fn fact_said(&self, field: Field, origin: Origin, value: &str) -> String {
        let (field, origin) = (self.field(field), self.origin(origin.as_str()));
        match self.lang {
            Lang::Zh => format!("{field}：{value}（{origin}）"),
            Lang::En => format!("{field}: {value} ({origin})"),
        }
    }

    /// Several of them, one after the other.
    pub fn facts_said(&self, said: &[String]) -> String {
        said.join(match self.lang {
            Lang::Zh => "；",
            Lang::En => "; ",
        })
    }
}

impl Words {
    /// Older entries of a clip's custody are shown, not the newest.
    pub fn custody_below(&self, seq: u64) -> String {
        match self.lang {
            Lang::Zh => format!("以下是日志第 {seq} 条以前的记录。"),
            Lang::En => format!("These are the entries before {seq} of the log."),
        }
    }

    /// The way back to the newest.
    pub fn custody_newest(&self) -> &'static str {
        match self.lang {
            Lang::Zh => "查看最新的记录",
            Lang::En => "Show the newest",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_clip_is_kept_is_told_in_words_and_a_term_as_it_was_typed() {
        for w in [Lang::Zh.words(), Lang::En.words()] {
            assert!([UNTIL_FILED, UNLINKED].iter().all(|word| w.retention_word(word) != *word));
            assert_eq!(w.retention_word("30年"), "30年");
        }
    }

    #[test]
    fn labels_are_stored_in_chinese_and_told_in_the_reader_s_language() {
        for label in Sensitivity::ALL {
            assert_eq!(Lang::Zh.words().sensitivity_word(label.as_str()), label.as_str());
            let told = Lang::En.words().sensitivity_word(label.as_str());
            assert!(!told.is_empty() && told.is_ascii() && told != label.key(), "{label:?}: {told}");
            assert_eq!(told, Lang::En.words().sensitivity_word(label.key()));
        }
        assert_eq!(Lang::En.words().sensitivity_word("of_the_future"), "of_the_future");
    }

    #[test]
    fn a_fact_stands_in_words_with_where_it_came_from() {
        let told = |lang: Lang| lang.words().fact_said(Field::Place, Origin::Person, "x");
        assert_eq!(told(Lang::Zh), "采集地点：x（人工填写）");
        assert_eq!(told(Lang::En), "Place: x (entered by a person)");
    }
}
