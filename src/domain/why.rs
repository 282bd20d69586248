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

impl Told for Thing {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        self.name(lang).into()
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
