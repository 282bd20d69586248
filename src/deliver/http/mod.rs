//! What the destinations that speak HTTP share: the connection with its certificates and its proxy, requests whose
//! bodies come off our disk, time-outs that watch progress, bounded answers, and the way from a failed connection to
//! an error that says who can mend it. It knows no protocol above HTTP, holds no key and must not retry.

mod line;
mod reply;
mod setup;

pub(super) use line::{HttpLine, Payload};
pub(super) use reply::{Reply, printable, skew_words};
pub(super) use setup::client;
pub use setup::{ClientCertificate, HttpOptions, HttpSetupError, Proxy};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand unencoded in a query (RFC 3986, unreserved; AWS Signature Version 4 asks for the same set).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What may stand unencoded in a path: the same and the slash between segments.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The address of `key` below `base` (without a slash at its end), with a query.
pub(super) fn url(base: &str, key: Option<&str>, query: &[(&'static str, Option<String>)]) -> String {
    let mut url = base.to_owned();
    if let Some(key) = key {
        url.push('/');
        url.extend(utf8_percent_encode(key, PATH));
    }
    for (i, (name, value)) in query.iter().enumerate() {
        url.push(if i == 0 { '?' } else { '&' });
        url.push_str(name);
        if let Some(value) = value {
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
    }
    url
}

/// Text with nothing in it but what may stand unencoded in a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// Whether an address is this machine's own.
fn is_loopback(base: &str) -> bool {
    let host = base.parse::<Uri>().ok().and_then(|u| u.host().map(str::to_owned)).unwrap_or_default();
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_queries_are_encoded_once() {
        let made = url("http://h/b", Some("v1/中 +%.x"), &[("uploads", None), ("uploadId", Some("a/b=~".into()))]);
        assert_eq!(made, "http://h/b/v1/%E4%B8%AD%20%2B%25.x?uploads&uploadId=a%2Fb%3D~");
        assert_eq!(url("http://h/b", None, &[("comp", Some("list".into()))]), "http://h/b?comp=list");
        assert!(is_loopback("http://[::1]:1/b") && is_loopback("http://127.0.0.1/b") && !is_loopback("http://h/b"));
    }
}
