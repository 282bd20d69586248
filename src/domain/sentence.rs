//! How sentences with parameters are kept in both languages: `sentences!` makes an enum of them, one variant a sentence,
//! whose fields are what it carries. A sentence that lacks a language, or a parameter, does not compile.

use std::borrow::Cow;

use super::words::Lang;

/// A parameter as it stands in a sentence.
pub(in crate::domain) trait Told {
    /// In this language.
    fn told(&self, lang: Lang) -> Cow<'_, str>;
}

impl Told for String {
    fn told(&self, _: Lang) -> Cow<'_, str> {
        self.into()
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl Told for $number {
            fn told(&self, _: Lang) -> Cow<'_, str> {
                self.to_string().into()
            }
        })+
    };
}

numbers!(i64, u32, u64, usize);

impl Told for Vec<String> {
    fn told(&self, lang: Lang) -> Cow<'_, str> {
        let joint = match lang {
            Lang::Zh => "、",
            Lang::En => ", ",
        };
        self.join(joint).into()
    }
}

/// An enum of sentences; its first variant says nothing, and is the default.
macro_rules! sentences {
    (
        $(#[$of_type:meta])* $type:ident
        else $(#[$of_nothing:meta])* $nothing:ident;
        $($name:ident { $($field:ident: $kind:ty),* } => $zh:literal, $en:literal;)+
    ) => {
        $(#[$of_type])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub enum $type {
            $(
                #[doc = concat!("`", $en, "`")]
                $name { $(#[doc = concat!("The `", stringify!($field), "` of that sentence.")] $field: $kind),* },
            )+
            $(#[$of_nothing])*
            #[default]
            $nothing,
        }

        impl $type {
            /// In the words of a language; empty where nothing is said.
            // A sentence need not use every parameter.
            #[allow(unused_variables)]
            pub fn told(&self, lang: $crate::domain::words::Lang) -> String {
                use $crate::domain::sentence::Told;
                use $crate::domain::words::Lang;
                match self {
                    Self::$nothing => String::new(),
                    $(Self::$name { $($field),* } => {
                        $(let $field: std::borrow::Cow<'_, str> = Told::told($field, lang);)*
                        match lang {
                            Lang::Zh => format!($zh),
                            Lang::En => format!($en),
                        }
                    })+
                }
            }

            /// One of each, with empty parameters.
            #[cfg(test)]
            pub(crate) fn each() -> Vec<(&'static str, &'static str, &'static str, Self)> {
                vec![$((stringify!($name), $zh, $en, Self::$name { $($field: Default::default()),* }),)+]
            }
        }

        /// In English, as logs and programs have it.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.told($crate::domain::words::Lang::En))
            }
        }
    };
}

pub(in crate::domain) use sentences;
