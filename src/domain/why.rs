//! Why the daemon does not do what somebody asked: a key with its parameters, which page, API and command line put into
//! the words of whoever reads ([`words::refusals`](super::words::refusals) holds them in both languages).
//!
//! On the wire a [`Why`] is an object with its key in `why`, beside its parameters. A key, once published, keeps its meaning; a program
//! that is older than a key reads [`Why::Unsaid`] and goes by the English beside it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::sentence::Told;
use super::words::Lang;
pub use super::words::refusals::{Thing, Why};

/// Stands between numbers that were perhaps meant. Numbers have no white space.
const MEANT_JOINT: &str = " / ";

impl Why {
    /// A refusal of a number, with what was perhaps meant.
    pub fn did_you_mean(meant: &[String], because: Self) -> Self {
        Self::DidYouMean { meant: meant.join(MEANT_JOINT), because: Box::new(because) }
    }

    /// What was perhaps meant, each by itself: to be offered as a choice.
    pub fn meant(&self) -> Vec<String> {
        match self {
            Self::DidYouMean { meant, .. } => meant.split(MEANT_JOINT).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// Some things of which one is to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyOf(pub Vec<String>);

impl Told for AnyOf {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let joint = match lang {
            Lang::Zh => " 或 ",
            Lang::En => " or ",
        };
        self.0.join(joint).into()
    }
}

/// Columns of a table, each by its stable name and as Chinese sheets head it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Columns(pub Vec<(String, String)>);

impl Told for Columns {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let (joint, names): (_, Vec<&str>) = match lang {
            Lang::Zh => ("、", self.0.iter().map(|(_, chinese)| chinese.as_str()).collect()),
            Lang::En => (", ", self.0.iter().map(|(name, _)| name.as_str()).collect()),
        };
        names.join(joint).into()
    }
}

impl Told for Thing {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        self.name(lang).into()
    }
}

impl Told for Vec<Thing> {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let joint = match lang {
            Lang::Zh => "、",
            Lang::En => ", ",
        };
        self.iter().map(|thing| thing.name(lang)).collect::<Vec<_>>().join(joint).into()
    }
}

impl Told for Box<Why> {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        Why::told(self, lang).into()
    }
}

impl Told for Vec<Why> {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let joint = match lang {
            Lang::Zh => "；",
            Lang::En => "; ",
        };
        self.iter().map(|why| why.told(lang)).collect::<Vec<_>>().join(joint).into()
    }
}

impl Why {
    /// What went wrong in the machine, with its chain of causes: an administrator reads those, nobody else.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { detail: super::error::chain(error) }
    }

    /// Words that were chosen for the reader's language already.
    pub fn said(words: impl Into<String>) -> Self {
        Self::Said { words: words.into() }
    }
}

/// Errors whose words are those of their reason.
macro_rules! in_words_of_why {
    ($($error:ty),+ $(,)?) => {
        $(
            impl std::fmt::Display for $error {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    std::fmt::Display::fmt(&$crate::domain::why::Why::from(self), f)
                }
            }

            impl std::error::Error for $error {}

            impl From<$error> for $crate::domain::why::Why {
                fn from(error: $error) -> Self {
                    Self::from(&error)
                }
            }
        )+
    };
}

pub(crate) use in_words_of_why;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_perhaps_meant_is_read_back_one_by_one() {
        let meant = ["赵卫罚〔2019〕12号".to_owned(), "赵卫罚〔2019〕2号".to_owned()];
        let why = Why::did_you_mean(&meant, Why::Unsaid);
        assert_eq!(why.meant(), meant);
        assert!(Why::Unsaid.meant().is_empty());
        assert!(why.told(Lang::Zh).contains("赵卫罚〔2019〕12号 / 赵卫罚〔2019〕2号"));
    }
}
