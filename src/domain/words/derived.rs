//! Words of files that are derived of clips. Each says that it is derived, and never that it is the evidence.

use super::Words;
use crate::domain::derivative::{Kind, Method, State};

impl Words {
    /// What is derived.
    pub fn derived_kind(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Frame => self.derived_kind_frame,
            Kind::Trim => self.derived_kind_trim,
            Kind::Watermark => self.derived_kind_watermark,
        }
    }

    /// How it was made.
    pub fn derived_method(&self, method: Method) -> &'static str {
        match method {
            Method::Decoded => self.derived_method_decoded,
            Method::Copied => self.derived_method_copied,
            Method::Encoded => self.derived_method_encoded,
        }
    }

    /// What an entry of the log says besides, where that is one of its own words; what people typed stays as it is.
    pub fn detail<'a>(&'a self, told: &'a str) -> &'a str {
        match told {
            "play" => self.what_play,
            "read" => self.what_read,
            "download" => self.what_download,
            "thumbnail" => self.what_thumbnail,
            "sheet" => self.what_sheet,
            "preview" => self.what_preview,
            "show" => self.what_show,
            "find" => self.what_find,
            "search" => self.what_search,
            "list" => self.what_list,
            "log" => self.what_log,
            "room" => self.what_room,
            _ => Kind::parse(told).map_or(told, |kind| self.derived_kind(kind)),
        }
    }

    /// How far it is.
    pub fn derived_state(&self, state: State) -> &'static str {
        match state {
            State::Making => self.derived_making,
            State::Failed => self.derived_failed,
            State::Ready => self.derived_ready,
            State::Gone => self.derived_gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lang;
    use super::*;
    use crate::domain::command::Request;
    use crate::domain::event::EventKind;

    #[test]
    fn a_clip_s_custody_is_told_in_words_whatever_happened() {
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for lang in Lang::ALL {
            let w = lang.words();
            let fits = |text: &str| chinese(text) == (lang == Lang::Zh);
            for kind in EventKind::ALL {
                let told = w.event(*kind, None);
                assert!(fits(&told) && !told.contains(kind.as_str()) && !told.contains('_'), "{kind:?}: {told}");
            }
            let words = Request::VIEWINGS.iter().chain(&Request::ACCESSES).chain(&Request::DERIVED);
            for word in words.copied().chain(Kind::ALL.iter().map(|kind| kind.as_str())) {
                assert!(fits(w.detail(word)) && w.detail(word) != word, "{word}: {}", w.detail(word));
            }
            assert_eq!(w.detail("\u{674e}\u{56db}"), "\u{674e}\u{56db}", "what people typed stays");
            for state in State::ALL {
                assert!(fits(w.derived_state(*state)), "{state:?}");
            }
        }
    }
}
