//! Signing in: from what was written to settings. How long sessions go on, and the identity provider, where there is one.

use std::time::Duration;

use http::Uri;

use super::resolve::{Places, Problem, label, problem, whole};
use super::secret::SecretFile;
use super::settings::{AccessRules, OidcProvider};
use super::written;

/// Longest words on the button.
const MAX_LABEL_CHARS: usize = 40;

/// Resolves `[access]`.
pub(super) fn access(written: written::Access, places: &Places<'_>) -> Result<AccessRules, Problem> {
    let idle = whole("access.idle_minutes", written.idle_minutes, 30, 1..=1440)?;
    let longest = whole("access.longest_hours", written.longest_hours, 12, 1..=168)?;
    Ok(AccessRules {
        idle: Duration::from_secs(idle * 60),
        longest: Duration::from_secs(longest * 3600),
        oidc: written.oidc.map(|written| oidc(written, places)).transpose()?,
    })
}

fn oidc(written: written::Oidc, places: &Places<'_>) -> Result<OidcProvider, Problem> {
    let Some(issuer) = written.issuer else {
        let what = "is missing; write the provider's issuer as it tells it itself, as \"https://id.example.org\"";
        return problem("access.oidc.issuer", what);
    };
    if !is_issuer(&issuer) {
        let what =
            "must be an https address without a user, a query or a fragment; http is for a provider on this box alone";
        return problem("access.oidc.issuer", format!("{what}; it is {issuer:?}"));
    }
    let Some(client_id) =
        written.client_id.filter(|id| !id.is_empty() && id.bytes().all(|b| (b' '..=b'~').contains(&b)))
    else {
        // RFC 6749, appendix A.1.
        let what = "is missing; write the name under which the provider knows this station, printable ASCII";
        return problem("access.oidc.client_id", what);
    };
    let mut scopes = written.scopes.unwrap_or_default();
    // RFC 6749, 3.3: visible ASCII without quotes and backslashes.
    let is_scope = |s: &String| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if let Some(bad) = scopes.iter().find(|s| !is_scope(s)) {
        return problem("access.oidc.scopes", format!("must be words such as \"profile\"; one of them is {bad:?}"));
    }
    if !scopes.iter().any(|s| s == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    let words = label("access.oidc.label", written.label)?;
    if words.as_ref().is_some_and(|words| words.chars().count() > MAX_LABEL_CHARS) {
        return problem(
            "access.oidc.label",
            format!("must be words for a button, at most {MAX_LABEL_CHARS} characters"),
        );
    }
    Ok(OidcProvider {
        issuer,
        client_id,
        client_secret: places.written(written.client_secret_file).map(SecretFile::new),
        ca_file: places.written(written.ca_file),
        scopes,
        label: words,
    })
}

fn is_issuer(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let plain = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    let scheme = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(is_loopback),
        _ => false,
    };
    plain && scheme && uri.query().is_none() && !text.contains('#')
}

/// Whether a host is this box itself, by an address or the name that always is (RFC 6761, 6.3).
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_reached_over_tls_or_on_this_box() {
        for good in
            ["https://id.example.org", "https://id.example.org/realms/a", "http://127.0.0.1:1", "http://localhost:80"]
        {
            assert!(is_issuer(good), "{good}");
        }
        for bad in
            ["", "id.example.org", "http://id.example.org", "https://u@h", "https://h/?a", "https://h/#a", "ftp://h"]
        {
            assert!(!is_issuer(bad), "{bad}");
        }
    }
}
