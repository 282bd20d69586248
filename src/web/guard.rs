//! The guard before every handler: which names the station answers to, where a change may come from, and the
//! headers that keep a page from doing what it should not.
//!
//! On loopback the danger is another site in the same browser: by a name that it rebinds to 127.0.0.1 (hence
//! the check of `Host`), or by a form that posts to us (hence the check of `Origin`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::guests::Seat;
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::who::{Who, identify};

macro_rules! policy {
    ($frames:literal) => {
        concat!(
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; ",
            "connect-src 'self'; font-src 'self'; frame-src ",
            $frames,
            "; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
    };
}

/// No inline script or style, nothing from elsewhere, in no frame and without any. Previews are put together in the page
/// (`blob:`) of what it fetched from here.
const POLICY: &str = policy!("'none'");
/// The same for a page that shows documents of ours in a frame.
pub const WITH_DOCUMENTS: &str = policy!("'self'");

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
];

/// Checks a request, then dresses the answer.
pub async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host =
        headers.get(header::HOST).and_then(|v| v.to_str().ok()).or(request.uri().authority().map(|a| a.as_str()));
    // Other stations reach the witness's door by whatever name they know; the checkpoint that comes in says whose it is.
    let is_witness = super::proofs::is_witness_door(request.uri().path());
    let known = if !is_witness && !host.is_some_and(|h| host_is_ours(h, &site.door.hosts, site.door.exposed)) {
        Err(Trouble::Host)
    } else if !is_witness
        && !request.method().is_safe()
        && !may_change(headers, request.method(), request.uri().path(), host)
    {
        Err(Trouble::Origin)
    } else {
        // A page that refreshes itself does not keep its session going.
        let by_itself =
            request.uri().path() == "/live" || request.uri().query().is_some_and(|q| q.contains("part=live"));
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip());
        identify(&site, headers, from, !by_itself).await
    };
    let mut response = match known {
        Err(trouble) => {
            let (parts, _) = request.into_parts();
            trouble.answer(&site, &Visitor::of(&parts, site.language))
        }
        Ok(who) => {
            let mut request = request;
            if let (Some(seat), false) = (request.extensions().get::<Seat>(), matches!(who, Who::Nobody)) {
                seat.known();
            }
            request.extensions_mut().insert(who);
            next.run(request).await
        }
    };
    if site.door.tls {
        // Two years, as the lists of browsers ask; a station that gave TLS up would be reached by nobody until then.
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    let head = response.headers_mut();
    for (name, value) in HEADERS {
        // A page with a frame, what stands in it, and the bytes of a document have policies of their own.
        let may_differ = name == header::CONTENT_SECURITY_POLICY || name == header::X_FRAME_OPTIONS;
        if !may_differ || !head.contains_key(&name) {
            head.insert(name, HeaderValue::from_static(value));
        }
    }
    // Pages and media hold personal data: they stay in no cache, so that each look is a logged one.
    head.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    head.entry(header::VARY).or_insert(HeaderValue::from_static("Accept-Language, Cookie"));
    response
}

/// Whether a `Host` header names this box: a loopback address, `localhost`, a configured name, and where the page is
/// `exposed` any address: who asks for an address has it from nobody else's name.
pub fn host_is_ours(host: &str, names: &[String], exposed: bool) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host
            .rsplit_once(':')
            .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| exposed || ip.is_loopback())
        || names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Whether a changing request may have come from our own page, or from a program that is no browser.
fn may_change(headers: &HeaderMap, method: &Method, path: &str, host: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let ours = |url: &str| {
        url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).is_some_and(|a| Some(a) == host)
    };
    match (text("origin"), text("referer")) {
        (Some(origin), _) => ours(origin),
        (None, Some(referer)) => ours(referer),
        // Browsers send one of them with every form; programs use the API, which takes no form
        // (a cross-site page cannot send JSON or these methods without asking first).
        // Nor can it send a program's token, which no browser keeps and sends by itself.
        (None, None) => {
            text("authorization").is_some_and(|said| said.starts_with("Bearer "))
                || path.starts_with("/api/") && (*method != Method::POST || !is_form(headers))
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("text/plain").to_ascii_lowercase();
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"].iter().any(|k| kind.starts_with(k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_box() {
        let names = ["station.lan".to_owned()];
        for good in
            ["localhost", "localhost:8080", "127.0.0.1:80", "127.8.8.8", "[::1]:8443", "LOCALHOST", "station.lan:1"]
        {
            assert!(host_is_ours(good, &names, false), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "192.168.1.2",
            "",
            "[::2]",
            "localhost:80@evil",
        ] {
            assert!(!host_is_ours(bad, &names, false), "{bad}");
        }
        assert!(host_is_ours("192.168.1.2:8480", &names, true) && !host_is_ours("evil.example", &names, true));
    }

    #[test]
    fn where_a_change_may_come_from() {
        let case = |pairs: &[(&'static str, &'static str)], path: &str| {
            let headers: HeaderMap =
                pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
            may_change(&headers, &Method::POST, path, Some("127.0.0.1:80"))
        };
        assert!(case(&[("origin", "http://127.0.0.1:80")], "/clips/x/link"));
        assert!(case(&[("referer", "http://127.0.0.1:80/clips/x")], "/clips/x/link"));
        assert!(!case(&[("origin", "http://evil.example")], "/clips/x/link"));
        assert!(!case(&[("origin", "null")], "/clips/x/link"));
        assert!(!case(&[("origin", "http://127.0.0.1:8080")], "/clips/x/link"), "another port is another site");
        assert!(!case(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:80")], "/clips/x/link"));
        assert!(!case(&[], "/clips/x/link"), "a form without an origin");
        assert!(case(&[("content-type", "application/json")], "/api/v1/clips/x/links"));
        assert!(!case(&[("content-type", "text/plain")], "/api/v1/clips/x/links"));
        assert!(case(&[("authorization", "Bearer x")], "/api/v1/exports/x/confirm"), "a program without a body");
        assert!(!case(&[("authorization", "Basic x")], "/api/v1/exports/x/confirm"));
        assert!(!case(
            &[("authorization", "Bearer x"), ("origin", "http://evil.example")],
            "/api/v1/exports/x/confirm"
        ));
    }
}
