//! By what else than a password somebody signs in: who an identity provider says they are, or a certificate of theirs. Pure;
//! what is asked of providers and how certificates are checked is `access`'s.
//!
//! An account has these because the security administrator bound them to it. Nothing is bound by itself, and no name and no
//! address of e-mail stands in for an identity: providers let people change both.

use super::digest::Sha256;
use super::why::{Why, in_words_of_why};

/// How somebody signed in. The words are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignInBy {
    /// Name and password, with a one-time code where it is on.
    Password,
    /// An identity provider's word (OpenID Connect).
    Oidc,
    /// A certificate that the browser showed, and the key to it.
    Certificate,
}

impl SignInBy {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::Certificate => "certificate",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Password, Self::Oidc, Self::Certificate].into_iter().find(|by| by.as_str() == word)
    }
}

/// What an account may be known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Somebody at an identity provider. The pair is never used for another person (OpenID Connect Core 1.0, 2).
    Oidc {
        /// The provider.
        issuer: String,
        /// Who there.
        subject: Subject,
    },
    /// A certificate.
    Certificate(Fingerprint),
}

impl Identity {
    /// Who there, or which certificate.
    pub fn name(&self) -> String {
        match self {
            Self::Oidc { subject, .. } => subject.as_str().to_owned(),
            Self::Certificate(fingerprint) => fingerprint.to_string(),
        }
    }

    /// The kind.
    pub fn by(&self) -> SignInBy {
        match self {
            Self::Oidc { .. } => SignInBy::Oidc,
            Self::Certificate(_) => SignInBy::Certificate,
        }
    }
}

/// A subject identifier: at most 255 visible ASCII characters (OpenID Connect Core 1.0, 2), compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(String);

/// Why a text is no subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectError;

in_words_of_why!(SubjectError);

impl From<&SubjectError> for Why {
    fn from(_: &SubjectError) -> Self {
        Self::SubjectForm {}
    }
}

impl Subject {
    /// Accepts a subject.
    pub fn new(text: &str) -> Result<Self, SubjectError> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        // White space at the ends is a slip of whoever typed it, and no provider's identifier.
        match fits && text.trim() == text {
            true => Ok(Self(text.to_owned())),
            false => Err(SubjectError),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a certificate's DER form. The whole certificate and not its names: names are read in more ways than one, and an
/// authority may give the same name to somebody else later. A new certificate is bound anew, beside the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(Sha256);

/// Why a text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FingerprintError(String);

in_words_of_why!(FingerprintError);

impl From<&FingerprintError> for Why {
    fn from(FingerprintError(typed): &FingerprintError) -> Self {
        Self::FingerprintForm { typed: typed.clone() }
    }
}

impl Fingerprint {
    /// Of a certificate.
    pub fn of(digest: Sha256) -> Self {
        Self(digest)
    }

    /// As it is stored: 64 small hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.to_string()
    }

    /// Reads one as people have it: with colons or without, perhaps with the name that openssl puts before it.
    pub fn parse(text: &str) -> Result<Self, FingerprintError> {
        let wrong = || FingerprintError(text.chars().take(100).collect());
        let digits = text.rsplit_once('=').map_or(text, |(_, digits)| digits);
        let digits: String = digits.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        digits.to_ascii_lowercase().parse().map(Self).map_err(|_| wrong())
    }
}

/// As browsers and openssl show it: capital letters, colons.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs: Vec<String> = self.0.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// Names and numbers of people in one field of a record, as 协办人员 has them: several, separated as people separate them, a
/// number perhaps in brackets behind its name.
pub fn people(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split([',', '，', '、', ';', '；', '/', '／', '|', '\n', '(', ')', '（', '）'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_taken_as_they_are() {
        for good in ["248289761001", "auth0|5f7c8ec7c33c6c004bbafe82", "a b", &"x".repeat(255)] {
            assert_eq!(Subject::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " a", "a ", "张三", "a\nb", &"x".repeat(256)] {
            assert!(Subject::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fingerprints_are_read_as_people_have_them() {
        let plain = "0f".repeat(32);
        let told = ["0F"; 32].join(":");
        for text in [plain.clone(), plain.to_uppercase(), told.clone(), format!("sha256 Fingerprint={told}\n")] {
            assert_eq!(Fingerprint::parse(&text).unwrap().to_string(), told, "{text}");
        }
        for bad in ["", "0f", &"0g".repeat(32), &"0f".repeat(20), &"0f".repeat(33)] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn second_officers_are_told_apart() {
        assert_eq!(people("李四（110204）、王五"), ["110204", "李四", "王五"]);
        assert_eq!(people("Li Si, Wang Wu; Li Si"), ["Li Si", "Wang Wu"]);
        assert!(people(" 、 ").is_empty());
    }
}
