//! Proving who we are to a recorder: HTTP and RTSP digest (RFC 7616; RFC 2617 without quality of protection, as older
//! recorders have it) and the user name token of WS-Security (OASIS UsernameToken Profile 1.0, 3.1). Pure.
//!
//! The digests are the protocols' own choice. MD5 and SHA-1 prove nothing of evidence here; they keep a password from
//! being sent as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::domain::digest::to_hex;

/// How a server wants to know who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password as they are (RFC 7617).
    Basic,
    /// A digest of them.
    Digest {
        /// Whose password.
        realm: String,
        /// The server's number.
        nonce: String,
        /// To be given back.
        opaque: Option<String>,
        /// SHA-256, else MD5.
        sha256: bool,
        /// Ask as RFC 7616 does (`qop=auth`), else as RFC 2069 did.
        qop: bool,
    },
}

impl Challenge {
    /// The best of what `WWW-Authenticate` headers offer; `None` where there is nothing that we can.
    pub fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut offered: Vec<Self> = headers.filter_map(Self::parse).collect();
        offered.sort_by_key(|c| match c {
            Self::Digest { sha256: true, .. } => 0,
            Self::Digest { .. } => 1,
            Self::Basic => 2,
        });
        offered.into_iter().next()
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let pairs = parameters(rest);
        let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let sha256 = match get("algorithm").map(|a| a.to_ascii_uppercase()).as_deref() {
            None | Some("MD5") => false,
            Some("SHA-256") => true,
            Some(_) => return None,
        };
        let qop = match get("qop") {
            None => false,
            Some(offered) if offered.split(',').any(|q| q.trim() == "auth") => true,
            Some(_) => return None,
        };
        Some(Self::Digest { realm: get("realm")?, nonce: get("nonce")?, opaque: get("opaque"), sha256, qop })
    }

    /// The `Authorization` header of a request. `count` counts requests with this challenge from 1, `own` is a number of
    /// ours that nobody can guess.
    pub fn answer(&self, (user, password): (&str, &str), method: &str, uri: &str, count: u32, own: &str) -> String {
        let Self::Digest { realm, nonce, opaque, sha256, qop } = self else {
            return format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        };
        let hash = |text: String| match sha256 {
            true => to_hex(&Sha256::digest(text)),
            false => to_hex(&md5::Md5::digest(text)),
        };
        let (who, what) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
        let response = match qop {
            true => hash(format!("{who}:{nonce}:{count:08x}:{own}:auth:{what}")),
            false => hash(format!("{who}:{nonce}:{what}")),
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut out = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(uri)
        );
        if *sha256 {
            out.push_str(", algorithm=SHA-256");
        }
        if let Some(opaque) = opaque {
            out.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        if *qop {
            out.push_str(&format!(", qop=auth, nc={count:08x}, cnonce=\"{own}\""));
        }
        // What a server offered must not become a line of its own.
        out.chars().filter(|c| !c.is_control()).collect()
    }
}

/// `name=value` and `name="value"`, separated by commas.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(|c: char| c == ',' || c.is_whitespace()).to_ascii_lowercase();
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(chars.next().map(|(_, c)| c)),
                        c => value.push(c),
                    }
                }
                (value, &quoted[end..])
            }
            None => match after.split_once(',') {
                Some((value, next)) => (value.trim().to_owned(), next),
                None => (after.trim().to_owned(), ""),
            },
        };
        pairs.push((name, value));
        rest = next;
    }
    pairs
}

/// `PasswordDigest` of a user name token: Base64(SHA-1(nonce + created + password)).
pub fn token_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(nonce);
    sha1.update(created);
    sha1.update(password);
    BASE64.encode(sha1.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standards() {
        // RFC 2617, 3.5.
        let header = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                      nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let challenge = Challenge::choose([header, "Basic realm=\"x\""].into_iter()).unwrap();
        let answer = challenge.answer(("Mufasa", "Circle Of Life"), "GET", "/dir/index.html", 1, "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        // RFC 7616, 3.9.1.
        let header = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
                      nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let md5 = header.replace("SHA-256", "MD5");
        let challenge = Challenge::choose([md5.as_str(), header].into_iter()).unwrap();
        let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = challenge.answer(("Mufasa", "Circle of Life"), "GET", "/dir/index.html", 1, own);
        assert!(
            answer.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            "the better one is chosen: {answer}"
        );
        // RFC 2069, without quality of protection, checked with an independent implementation (Python's hashlib).
        let challenge = Challenge::choose(["Digest realm=\"r\", nonce=\"n\""].into_iter()).unwrap();
        let answer = challenge.answer(("u", "p"), "DESCRIBE", "rtsp://h/x", 1, "");
        assert!(answer.contains("response=\"d43942a69cea5a6702fa9c0d7a6b6c77\""), "{answer}");
    }

    #[test]
    fn a_token_as_the_profile_computes_it() {
        // ONVIF Programmer's Guide 1.0, 6.1.2.
        let nonce = BASE64.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let digest = token_digest(&nonce, "2010-09-16T07:50:45Z", "userpassword");
        assert_eq!(digest, "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
    }

    #[test]
    fn what_cannot_be_done_is_not_chosen() {
        let choose = |h: &str| Challenge::choose([h].into_iter());
        assert_eq!(choose("Negotiate"), None);
        assert_eq!(choose("Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\""), None);
        assert_eq!(choose("Digest realm=\"x\", nonce=\"y\", algorithm=MD5-sess"), None);
        assert_eq!(choose("Digest nonce=\"y\""), None);
        assert_eq!(choose("Basic realm=\"x\"").unwrap().answer(("a", "b"), "", "", 1, ""), "Basic YTpi");
        let split = choose("Digest realm=\"a\\\"b\r\nX: y\", nonce=\"n\"").unwrap();
        let answer = split.answer(("u", "p"), "PLAY", "rtsp://h/", 1, "");
        assert!(!answer.contains('\n') && answer.contains("realm=\"a\\\"b"), "{answer}");
    }

    proptest! {
        #[test]
        fn any_header_ends(text in "(Digest )?[ -~]{0,200}") {
            if let Some(challenge) = Challenge::parse(&text) {
                let _ = challenge.answer(("u", "p"), "PLAY", "rtsp://h/", 1, "own");
            }
        }
    }
}
