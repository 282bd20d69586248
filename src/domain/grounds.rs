//! Why a rule says that a clip belongs to a case: what it found, with the values that fitted, told in the language of
//! whoever reads ([`words::grounds`](super::words::grounds) holds the sentences).
//!
//! Columns `reason` of `suggestion` and `case_link` hold [`Grounds`] as a JSON list of objects, each with its key in `ground`
//! beside its values: `[{"ground":"number_found","holder":"file_name","number":"赵卫罚〔2026〕12号"}]`. A key, once written, keeps its
//! meaning; one of a newer program says nothing. Older rows, and a person's own words, are
//! plain text, and are told as such, in quotes.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::sentence::Told;
use super::time::UtcMs;
use super::words::Lang;
pub use super::words::grounds::Ground;

/// Everything that a rule found, in the order in which it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grounds(Vec<Ground>);

impl From<Ground> for Grounds {
    fn from(ground: Ground) -> Self {
        Self(vec![ground])
    }
}

impl Grounds {
    /// One more.
    pub fn push(&mut self, ground: Ground) {
        self.0.push(ground);
    }

    /// The same behind another one.
    pub fn behind(self, first: Ground) -> Self {
        Self(std::iter::once(first).chain(self.0).collect())
    }

    /// Each of them.
    pub fn each(&self) -> &[Ground] {
        &self.0
    }

    /// As the column has it.
    pub fn stored(&self) -> String {
        match self.0.as_slice() {
            [] => String::new(),
            // What came as text stays text.
            [Ground::Written { words }] => words.clone(),
            grounds => serde_json::to_string(grounds).unwrap_or_default(),
        }
    }

    /// What the column has, where rules wrote it; `None` for a text.
    pub fn typed(stored: &str) -> Option<Self> {
        // A text that somebody typed may begin with a bracket as well; it will hardly be such a list.
        stored.starts_with("[{").then(|| serde_json::from_str(stored).ok()).flatten()
    }

    /// What the column has: a text is told in quotes.
    pub fn read(stored: &str) -> Self {
        match Self::typed(stored) {
            Some(grounds) => grounds,
            None if stored.is_empty() => Self::default(),
            None => Ground::Written { words: stored.to_owned() }.into(),
        }
    }

    /// In the words of a language; empty where nothing is said.
    pub fn told(&self, lang: Lang) -> String {
        let joint = match lang {
            Lang::Zh => "；",
            Lang::En => "; ",
        };
        let told: Vec<String> = self.0.iter().map(|g| g.told(lang)).filter(|text| !text.is_empty()).collect();
        told.join(joint)
    }
}

/// An instant, RFC 3339 with the station's offset. Chinese tells it to the minute, as everybody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(String);

impl At {
    /// This instant in this zone.
    pub fn of(ms: i64, zone: &TimeZone) -> Self {
        Self(UtcMs(ms).rfc3339_in(zone))
    }
}

impl Told for At {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match (lang, self.0.get(..16)) {
            (Lang::Zh, Some(minute)) => minute.replace('T', " ").into(),
            _ => self.0.as_str().into(),
        }
    }
}

/// Where a value comes from: the stored word of a `record::Origin`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct By(pub String);

impl Told for By {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        lang.words().origin(&self.0).into()
    }
}

/// What says so now: the stored word of a `casework::rules::Rule`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByRule(pub String);

impl Told for ByRule {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        lang.words().linking_rule(&self.0).into()
    }
}

/// A text in which a number may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The file's name.
    #[default]
    FileName,
    /// What stands beside the file: its title, matter, party.
    Sidecar,
}

impl Told for Holder {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        match (self, lang) {
            (Self::FileName, Lang::Zh) => "文件名",
            (Self::FileName, Lang::En) => "file's name",
            (Self::Sidecar, Lang::Zh) => "随附文件",
            (Self::Sidecar, Lang::En) => "sidecar",
        }
        .into()
    }
}

/// What of a registered case fits a clip, with the value that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// One of its officers recorded.
    Officer(String),
    /// Its place, in the clip's words.
    Place(String),
    /// So many metres from its address.
    AddressM(i64),
    /// Its party.
    Party(String),
}

impl Told for Vec<Fit> {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let one = |fit: &Fit| match (fit, lang) {
            (Fit::Officer(name), Lang::Zh) => format!("承办人{name}"),
            (Fit::Officer(name), Lang::En) => format!("its officer {name}"),
            (Fit::Place(place), Lang::Zh) => format!("地点{place}"),
            (Fit::Place(place), Lang::En) => format!("its place {place}"),
            (Fit::AddressM(m), Lang::Zh) => format!("距其地址 {m} 米"),
            (Fit::AddressM(m), Lang::En) => format!("its address, {m} m away"),
            (Fit::Party(party), Lang::Zh) => format!("当事人{party}"),
            (Fit::Party(party), Lang::En) => format!("its party {party}"),
        };
        let joint = match lang {
            Lang::Zh => "、",
            Lang::En => ", ",
        };
        self.iter().map(one).collect::<Vec<_>>().join(joint).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits() -> Grounds {
        let fits = vec![
            Fit::Officer("张三".into()),
            Fit::Place("东关街18号".into()),
            Fit::AddressM(11),
            Fit::Party("某饭店".into()),
        ];
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let opened = At::of(1_781_830_800_000, &zone);
        Ground::Fits { number: "赵卫罚〔2026〕1号".into(), fits, opened, days: 2 }.into()
    }

    #[test]
    fn what_fits_is_told_in_both_languages_with_its_values() {
        assert_eq!(
            fits().told(Lang::Zh),
            "与赵卫罚〔2026〕1号相符：承办人张三、地点东关街18号、距其地址 11 米、当事人某饭店；立案 2026-06-19 09:00，相隔 2 天"
        );
        assert_eq!(
            fits().told(Lang::En),
            "赵卫罚〔2026〕1号: its officer 张三, its place 东关街18号, its address, 11 m away, its party 某饭店; \
             opened 2026-06-19T09:00:00+08:00, 2 days apart"
        );
        let found = Ground::NumberFound { holder: Holder::Sidecar, number: "赵卫罚〔2026〕1号".into() };
        let confirmed = Grounds::from(found).behind(Ground::Confirmed {});
        assert_eq!(confirmed.told(Lang::Zh), "已由人工确认；随附文件中有编号赵卫罚〔2026〕1号");
        assert_eq!(confirmed.told(Lang::En), "confirmed; the sidecar holds 赵卫罚〔2026〕1号");
    }

    #[test]
    fn what_is_stored_is_read_again_and_older_texts_are_quoted() {
        let both = fits().behind(Ground::Confirmed {});
        for grounds in [fits(), both] {
            assert_eq!(Grounds::read(&grounds.stored()), grounds);
        }
        assert_eq!(
            Grounds::from(Ground::NumberFound { holder: Holder::FileName, number: "1".into() }).stored(),
            r#"[{"ground":"number_found","holder":"file_name","number":"1"}]"#
        );
        for text in ["its officer, its place; 2 days apart", "[{", "[{}]", "[1] 属另案"] {
            assert_eq!(Grounds::typed(text), None, "{text}");
            let read = Grounds::read(text);
            assert_eq!((read.told(Lang::En), read.stored()), (text.to_owned(), text.to_owned()));
            assert_eq!(read.told(Lang::Zh), format!("原文：“{text}”"));
        }
        assert_eq!(Grounds::read(""), Grounds::default());
        let newer = Grounds::read(r#"[{"ground":"seen_by_satellite","x":1},{"ground":"confirmed"}]"#);
        assert_eq!(newer.told(Lang::En), "confirmed", "what a newer program found says nothing");
    }
}
