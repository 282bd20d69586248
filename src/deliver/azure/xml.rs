//! The XML of the Blob service: what is read, and what is written by hand because it is three lines. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::domain::digest::Crc64;
use crate::domain::time::UtcMs;

/// Reply to List Blobs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listing {
    pub blobs: Blobs,
    #[serde(default)]
    pub next_marker: String,
}

/// What it lists.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Blobs {
    #[serde(default, rename = "Blob")]
    pub blobs: Vec<Blob>,
}

/// One blob as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Blob {
    pub name: Name,
    #[serde(default)]
    pub version_id: String,
    #[serde(default)]
    pub is_current_version: bool,
}

/// A name, percent-encoded where XML could not have it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Name {
    #[serde(default, rename = "@Encoded")]
    encoded: bool,
    #[serde(default, rename = "$text")]
    text: String,
}

impl Name {
    pub fn into_key(self) -> String {
        if self.encoded { percent_decode_str(&self.text).decode_utf8_lossy().into_owned() } else { self.text }
    }
}

/// Reply to Get Block List.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BlockLists {
    #[serde(default)]
    pub committed_blocks: Blocks,
    #[serde(default)]
    pub uncommitted_blocks: Blocks,
}

/// A list of blocks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Blocks {
    #[serde(default, rename = "Block")]
    pub blocks: Vec<Block>,
}

/// One block as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Block {
    /// Base64, as it was sent.
    pub name: String,
    pub size: u64,
}

/// An error, as the body of an answer that says no.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

/// The error in `text`, where it is one.
pub(super) fn error(text: &str) -> Option<ErrorBody> {
    quick_xml::de::from_str(text.trim_start_matches('\u{feff}')).ok()
}

/// Body of Put Block List.
pub(super) fn block_list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for id in ids {
        // Base64 needs no escaping.
        xml.push_str(&format!("<Latest>{id}</Latest>"));
    }
    xml + "</BlockList>"
}

/// The id of a block: all ids of a blob have the same length ("Put Block").
pub(super) fn block_id(nonce: &str, n: u64) -> String {
    BASE64.encode(format!("{nonce}-{n:06}"))
}

/// The number in a block's id, when it is of the session `nonce`.
pub(super) fn block_number(nonce: &str, id: &str) -> Option<u64> {
    let text = String::from_utf8(BASE64.decode(id).ok()?).ok()?;
    text.strip_prefix(nonce)?.strip_prefix('-')?.parse().ok()
}

/// A CRC as `x-ms-content-crc64` has it: Base64 of its eight bytes, the lowest first.
pub(super) fn crc64(crc: Crc64) -> String {
    BASE64.encode(crc.0.to_le_bytes())
}

/// An instant as headers have it (RFC 9110, 5.6.7), rounded up so that no lock ends early.
pub(super) fn http_date(until: UtcMs) -> Option<String> {
    let second = until.0.div_euclid(1000) + i64::from(until.0.rem_euclid(1000) != 0);
    let timestamp = jiff::Timestamp::from_second(second).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).ok()
}

/// Reads such an instant.
pub(super) fn from_http_date(text: &str) -> Option<UtcMs> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| UtcMs(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let listing: Listing = quick_xml::de::from_str(
            "<?xml version=\"1.0\"?><EnumerationResults><Prefix>v1/</Prefix><Blobs><Blob><Name>v1/中 &amp; a</Name><Properties/></Blob>\
             <Blob><Name Encoded=\"true\">v1/%EF%BF%BF</Name></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>",
        )
        .unwrap();
        let names: Vec<String> = listing.blobs.blobs.into_iter().map(|b| b.name.into_key()).collect();
        assert_eq!(
            (names, listing.next_marker.as_str()),
            (vec!["v1/中 & a".to_owned(), "v1/\u{ffff}".to_owned()], "m")
        );
        let empty: Listing =
            quick_xml::de::from_str("<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>").unwrap();
        assert!(empty.blobs.blobs.is_empty() && empty.next_marker.is_empty());
        let lists: BlockLists = quick_xml::de::from_str(
            "<BlockList><CommittedBlocks/><UncommittedBlocks><Block><Name>QQ==</Name><Size>5</Size></Block></UncommittedBlocks></BlockList>",
        )
        .unwrap();
        assert_eq!((lists.committed_blocks.blocks.len(), lists.uncommitted_blocks.blocks[0].size), (0, 5));
        assert_eq!(
            error("\u{feff}<?xml version=\"1.0\"?><Error><Code>A</Code><Message>b</Message></Error>").unwrap().code,
            "A"
        );
    }

    #[test]
    fn ids_of_blocks_tell_session_and_number() {
        let (a, b) = (block_id("0011223344556677", 0), block_id("0011223344556677", 49_999));
        assert_eq!(a.len(), b.len());
        assert_eq!(block_number("0011223344556677", &b), Some(49_999));
        assert_eq!(block_number("ffffffffffffffff", &b), None);
        assert_eq!(block_number("0011223344556677", "QQ=="), None);
        assert_eq!(
            block_list([a.as_str()].into_iter()),
            format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>{a}</Latest></BlockList>")
        );
    }

    #[test]
    fn dates_never_end_a_lock_early() {
        assert_eq!(http_date(UtcMs(784_111_777_000)).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(UtcMs(784_111_776_001)).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UtcMs(784_111_777_000)));
        assert_eq!(from_http_date("never"), None);
    }
}
