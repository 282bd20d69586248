//! Style, scripts and icon, compiled in. Each address carries a digest of its content and may be cached for a
//! year; an address without it is checked by its entity tag.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::digest::to_hex;

struct Asset {
    bytes: Bytes,
    /// The same, packed; a third of it. Only what is the same for everybody is ever packed: how small a page with
    /// somebody's secrets gets would tell of them.
    packed: Bytes,
    content_type: &'static str,
    /// First 16 hex digits of its BLAKE3.
    digest: String,
}

macro_rules! assets {
    ($($name:literal => $type:literal),+ $(,)?) => {
        static ASSETS: LazyLock<BTreeMap<&'static str, Asset>> = LazyLock::new(|| {
            BTreeMap::from([$(($name, Asset::new(include_bytes!(concat!("assets/", $name)), $type))),+])
        });
    };
}

assets! {
    "app.css" => "text/css; charset=utf-8",
    "player.js" => "text/javascript; charset=utf-8",
    "together.js" => "text/javascript; charset=utf-8",
    "filing.js" => "text/javascript; charset=utf-8",
    "review.js" => "text/javascript; charset=utf-8",
    "triage.js" => "text/javascript; charset=utf-8",
    "office.js" => "text/javascript; charset=utf-8",
    "live.js" => "text/javascript; charset=utf-8",
    "htmx.min.js" => "text/javascript; charset=utf-8",
    "idiomorph-ext.min.js" => "text/javascript; charset=utf-8",
    "icon.svg" => "image/svg+xml",
    "LICENCES.txt" => "text/plain; charset=utf-8",
}

impl Asset {
    fn new(bytes: &'static [u8], content_type: &'static str) -> Self {
        let bytes = match std::str::from_utf8(bytes) {
            Ok(text) if content_type.starts_with("text/css") => Bytes::from(lean(text)),
            _ => Bytes::from_static(bytes),
        };
        Self { digest: to_hex(&blake3::hash(&bytes).as_bytes()[..8]), packed: packed(&bytes), bytes, content_type }
    }
}

/// Packed with gzip (RFC 1952).
fn packed(bytes: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    // Memory takes everything.
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default().into()
}

/// A style sheet without comments, indentation and empty lines: for those who write it, not for those who load it. Ours
/// has neither in a string.
fn lean(css: &str) -> String {
    let mut bare = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, behind)) = rest.split_once("/*") {
        bare.push_str(before);
        rest = behind.split_once("*/").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    bare.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Address of an asset; a name that is none gets an address that is not found.
pub fn href(name: &str) -> String {
    match ASSETS.get(name) {
        Some(asset) => format!("/assets/{name}?v={}", asset.digest),
        None => format!("/assets/{name}"),
    }
}

/// All assets.
pub fn routes(r: Routes) -> Routes {
    r.get("/assets/{name}", Need::Anyone, asset)
}

async fn asset(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = ASSETS.get(name.as_str()) else { return Trouble::NoPage.page(&site, &visitor) };
    let tag = format!("\"{}\"", asset.digest);
    let pinned = query.as_deref() == Some(&format!("v={}", asset.digest));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|t| t.contains(&tag));
    let packs = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("gzip"));
    let mut response = match (known, packs) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, true) => ([(header::CONTENT_ENCODING, "gzip")], asset.packed.clone()).into_response(),
        (false, false) => asset.bytes.clone().into_response(),
    };
    let head = response.headers_mut();
    head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let cache = if pinned { "public, max-age=31536000, immutable" } else { "no-cache" };
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    // Weak: packed or not, it says the same, in other bytes.
    if let Ok(tag) = HeaderValue::from_str(&format!("W/{tag}")) {
        head.insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_sheet_loses_what_only_its_writers_need() {
        assert_eq!(lean("/* a */\n  b {\n    c: d; /* e\n */ f: g;\n\n}\n/* open"), "b {\nc: d;  f: g;\n}");
    }
}
