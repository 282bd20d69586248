//! Accounts as people: the name with which somebody signs in, what a password must be, how long a lock lasts, and what is
//! asked of accounts through the command channel. Pure; how passwords are hashed and sessions kept is `access`'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Actor;
use super::register::name_key;
use super::why::{Why, in_words_of_why};

/// A name with which somebody signs in: 2 to 32 letters, digits and `. _ - @`, beginning with a letter or digit; letters of
/// any script, Latin ones small. One account has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName(String);

/// What accounts and programs are called: the log has their numbers alone, people read names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(BTreeMap<(String, String), String>);

impl Names {
    /// The name of whoever acted, where there is one.
    pub fn of(&self, actor: &Actor) -> Option<&str> {
        self.0.get(&(actor.kind.clone(), actor.id.clone())).map(String::as_str)
    }
}

impl FromIterator<(Actor, String)> for Names {
    fn from_iter<I: IntoIterator<Item = (Actor, String)>>(names: I) -> Self {
        Self(names.into_iter().map(|(actor, name)| ((actor.kind, actor.id), name)).collect())
    }
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginNameError(String);

in_words_of_why!(LoginNameError);

impl From<&LoginNameError> for Why {
    fn from(LoginNameError(typed): &LoginNameError) -> Self {
        Self::LoginForm { typed: typed.clone() }
    }
}

impl LoginName {
    /// Accepts a name as typed: white space at the ends is dropped, letters are made small.
    pub fn new(typed: &str) -> Result<Self, LoginNameError> {
        use unicode_normalization::UnicodeNormalization;
        let name: String = typed.trim().nfc().flat_map(char::to_lowercase).take(64).collect();
        let fits = (2..=32).contains(&name.chars().count());
        let chars = name.chars().all(|c| c.is_alphanumeric() || "._-@".contains(c));
        match fits && chars && name.starts_with(char::is_alphanumeric) {
            true => Ok(Self(name)),
            false => Err(LoginNameError(typed.chars().take(64).collect())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Fewest characters of a password (NIST SP 800-63B asks for 8 where a lock stands behind it; this is one of ours to widen).
pub const PASSWORD_MIN_CHARS: usize = 10;
/// Most bytes: hashing must not become work for whoever sends megabytes.
pub const PASSWORD_MAX_BYTES: usize = 512;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// Fewer than [`PASSWORD_MIN_CHARS`] characters.
    Short,
    /// More than [`PASSWORD_MAX_BYTES`] bytes.
    Long,
    /// It holds the name of the account.
    HoldsName,
    /// Few different characters, a run of a keyboard, or one that is tried first.
    Guessable,
    /// The one that stands already.
    Same,
}

/// What is tried first, in China and elsewhere, as parts of longer passwords.
const TRIED_FIRST: [&str; 16] = [
    "password", "passw0rd", "p@ssw0rd", "123456", "654321", "qwerty", "asdfgh", "1qaz2wsx", "abc123", "admin",
    "woaini", "iloveyou", "letmein", "welcome", "evidock", "aa123",
];

/// Whether `password` may be the password of `name`. Length counts, kinds of characters do not (NIST SP 800-63B, 5.1.1.2).
pub fn check_password(password: &str, name: &LoginName) -> Result<(), WeakPassword> {
    if password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(WeakPassword::Short);
    }
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(WeakPassword::Long);
    }
    let small = password.to_lowercase();
    if small.contains(name.as_str()) {
        return Err(WeakPassword::HoldsName);
    }
    let mut kinds: Vec<char> = small.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    // What is left of it once the guess is taken out must still be long enough to count.
    let rest = TRIED_FIRST.iter().fold(small.clone(), |rest, guess| rest.replace(guess, ""));
    if kinds.len() < 5 || rest.chars().count() < PASSWORD_MIN_CHARS / 2 || is_run(&small) {
        return Err(WeakPassword::Guessable);
    }
    Ok(())
}

/// Each character the next one of the one before, or the one before it.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    codes.windows(2).all(|w| w[1] - w[0] == 1) || codes.windows(2).all(|w| w[0] - w[1] == 1)
}

/// Wrong passwords before the first lock.
pub const FREE_TRIES: u32 = 5;
/// The first lock; each further failure doubles it.
const FIRST_LOCK_MS: i64 = 30_000;
/// No lock is longer: whoever tries from outside must not keep somebody out for a day.
const LONGEST_LOCK_MS: i64 = 15 * 60_000;

/// How long an account is locked after so many wrong passwords in a row, milliseconds.
pub fn lock_ms(failures: u32) -> i64 {
    match failures.checked_sub(FREE_TRIES) {
        None => 0,
        Some(beyond) => (FIRST_LOCK_MS << beyond.min(10)).min(LONGEST_LOCK_MS),
    }
}

/// What is asked of accounts, by the page's security administrator or by the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AccountAsk {
    /// The first account, a security administrator; refused once there is any.
    First {
        /// Name to sign in with.
        name: String,
    },
    /// A new account; answers with the password for the first sign-in, which is told once.
    Add {
        /// Name to sign in with.
        name: String,
        /// Roles, by their words.
        roles: Vec<String>,
        /// What the account is.
        #[serde(flatten)]
        facts: AccountFacts,
    },
    /// Sets roles or facts of an account; what is not given stays.
    Change {
        /// Whose.
        name: String,
        /// Roles, by their words.
        #[serde(default)]
        roles: Option<Vec<String>>,
        /// What changes; an empty text takes a fact away.
        #[serde(flatten)]
        facts: AccountFacts,
    },
    /// Ends every session and lets nobody sign in, or lets them again.
    Disable {
        /// Whose.
        name: String,
        /// In place of ending: let them sign in again.
        #[serde(default)]
        undo: bool,
    },
    /// Ends a lock after wrong passwords.
    Unlock {
        /// Whose.
        name: String,
    },
    /// A new password for the next sign-in, told once; ends every session and the one-time codes where asked.
    ResetPassword {
        /// Whose.
        name: String,
        /// Take the one-time codes off, too: the telephone is lost.
        #[serde(default)]
        codes: bool,
    },
    /// Ends one session, or every session of an account.
    EndSessions {
        /// Whose.
        name: String,
        /// Only this one.
        #[serde(default)]
        session: Option<String>,
    },
    /// Every account.
    List,
    /// The sessions of an account that go on.
    Sessions {
        /// Whose.
        name: String,
    },
    /// A token for a program, told once; it acts with one role and some actions of it.
    AddToken {
        /// What it is for.
        name: String,
        /// The role with which it acts.
        role: String,
        /// What it may do of that, by the words of the actions; all of it where none is named.
        #[serde(default)]
        scopes: Vec<String>,
        /// Days for which it holds.
        days: u32,
    },
    /// Ends a token.
    EndToken {
        /// Its number.
        token: i64,
    },
    /// Every token.
    Tokens,
    /// Sends a case to the legal reviewers, or to one of them.
    SendToReview {
        /// Any number of the case.
        case_no: String,
        /// To this account; to every reviewer where none is named.
        #[serde(default)]
        to: Option<String>,
        /// Until then, as typed; until it is called back where none is given.
        #[serde(default)]
        until: Option<String>,
        /// Call it back.
        #[serde(default)]
        undo: bool,
    },
}

/// What an account is besides its roles. Absent: as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountFacts {
    /// Name for people.
    pub label: Option<String>,
    /// Unit (部门): what a head of department sees.
    pub unit: Option<String>,
    /// Names and numbers under which this person stands in records as officer, separated by commas: what an officer sees.
    pub officer: Option<String>,
    /// Nobody signs in after this day, as `2026-12-31`, or a time.
    pub until: Option<String>,
    /// Who this person is at the configured identity provider.
    pub oidc_subject: Option<String>,
    /// Fingerprints (SHA-256) of certificates of this person, separated by commas.
    pub certificate: Option<String>,
}

/// A text that is shown to nobody: a password, a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Who both of two accounts are as officers: an officer is one person, whichever account they come with.
pub fn shared_officer<'a>(one: &'a [String], other: &[String]) -> Option<&'a str> {
    let keys: Vec<String> = other.iter().map(|officer| name_key(officer)).collect();
    one.iter().find(|officer| keys.contains(&name_key(officer))).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (typed, name) in [(" Zhang.San ", "zhang.san"), ("张三", "张三"), ("a@b", "a@b"), ("１１", "１１")]
        {
            assert_eq!(LoginName::new(typed).unwrap().as_str(), name);
        }
        for bad in ["", "a", " ", "-ab", "a b", "a\nb", "<b>", &"x".repeat(33), "a/b", ".."] {
            assert!(LoginName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_are_long_and_not_the_first_guess() {
        let name = LoginName::new("zhang").unwrap();
        for (password, wanted) in [
            ("correct horse", Ok(())),
            ("蓝天白云绿树红花青山碧水", Ok(())),
            ("short", Err(WeakPassword::Short)),
            ("the-zhang-family", Err(WeakPassword::HoldsName)),
            ("aaaaaaaaaaaaaaaa", Err(WeakPassword::Guessable)),
            ("Password123456", Err(WeakPassword::Guessable)),
            ("abcdefghijklmnop", Err(WeakPassword::Guessable)),
            ("1234567890", Err(WeakPassword::Guessable)),
            ("9876543210", Err(WeakPassword::Guessable)),
        ] {
            assert_eq!(check_password(password, &name), wanted, "{password}");
        }
        assert_eq!(check_password(&"长ab".repeat(200), &name), Err(WeakPassword::Long));
    }

    #[test]
    fn locks_double_up_to_a_quarter_of_an_hour() {
        assert_eq!([0, 4, 5, 6, 7].map(lock_ms), [0, 0, 30_000, 60_000, 120_000]);
        assert_eq!(lock_ms(u32::MAX), 15 * 60_000);
    }

    #[test]
    fn hidden_texts_stay_hidden() {
        assert_eq!(format!("{:?}", Hidden("secret".into())), "***");
        let ask = AccountAsk::Add { name: "a".into(), roles: vec![], facts: AccountFacts::default() };
        let text = serde_json::to_string(&ask).unwrap();
        assert_eq!(serde_json::from_str::<AccountAsk>(&text).unwrap(), ask);
    }
}
