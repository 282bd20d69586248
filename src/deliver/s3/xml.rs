//! The XML of the S3 protocol (Amazon S3 API Reference, 2006-03-01): what is read, and what is written by hand
//! because it is three lines. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::escape::escape;
use serde::Deserialize;

use crate::domain::digest::{Crc64, Sha256};
use crate::domain::ports::{PartReceipt, PartSpec};
use crate::domain::time::UtcMs;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Reply to CreateMultipartUpload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Initiated {
    pub upload_id: String,
}

/// Reply to ListParts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parts {
    #[serde(default)]
    pub is_truncated: bool,
    #[serde(default)]
    pub next_part_number_marker: String,
    #[serde(default, rename = "Part")]
    pub parts: Vec<Part>,
}

/// One part as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Part {
    pub part_number: u64,
    #[serde(rename = "ETag")]
    pub etag: String,
    pub size: u64,
    #[serde(default, rename = "ChecksumSHA256")]
    pub sha256: String,
}

/// Reply to ListMultipartUploads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Uploads {
    #[serde(default)]
    pub is_truncated: bool,
    #[serde(default)]
    pub next_key_marker: String,
    #[serde(default)]
    pub next_upload_id_marker: String,
    #[serde(default, rename = "Upload")]
    pub uploads: Vec<Upload>,
}

/// One upload as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Upload {
    pub key: String,
    pub upload_id: String,
    #[serde(default)]
    pub initiated: String,
    #[serde(default)]
    pub checksum_algorithm: String,
}

/// Reply to ListObjectsV2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Objects {
    #[serde(default)]
    pub encoding_type: String,
    #[serde(default)]
    pub contents: Vec<Listed>,
}

/// One object as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub key: String,
}

/// Reply to ListObjectVersions, whose versions and delete markers come in one row.
#[derive(Debug, Deserialize)]
pub(super) struct Versions {
    #[serde(default, rename = "$value")]
    pub items: Vec<VersionItem>,
}

/// One element of it.
#[derive(Debug, Deserialize)]
pub(super) enum VersionItem {
    Version(Version),
    DeleteMarker(Version),
    IsTruncated(bool),
    NextKeyMarker(String),
    NextVersionIdMarker(String),
    EncodingType(String),
    #[serde(other)]
    Other,
}

/// One version as listed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub key: String,
    #[serde(default)]
    pub version_id: String,
    #[serde(default)]
    pub is_latest: bool,
}

/// Reply to GetObjectLockConfiguration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LockConfiguration {
    #[serde(default)]
    pub object_lock_enabled: String,
}

/// Reply to GetBucketVersioning.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versioning {
    #[serde(default)]
    pub status: String,
}

/// An error, as the body of an answer that says no (or, after CompleteMultipartUpload, of one that said yes).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
}

/// The error in `text`, when its root element is `Error`.
pub(super) fn error(text: &str) -> Option<ErrorBody> {
    let root = text.trim_start().trim_start_matches('\u{feff}');
    let root = match root.strip_prefix("<?") {
        Some(declared) => declared.split_once("?>")?.1.trim_start(),
        None => root,
    };
    let rest = root.strip_prefix("<Error")?;
    rest.starts_with(['>', ' ', '\n']).then(|| quick_xml::de::from_str(root).unwrap_or_default())
}

/// Body of CompleteMultipartUpload. `checked` adds our checksum of each part, for the server to compare with its own.
pub(super) fn complete(parts: &[(PartSpec, PartReceipt)], checked: bool) -> String {
    use std::fmt::Write;
    let mut xml = format!("<CompleteMultipartUpload xmlns=\"{NAMESPACE}\">");
    for (part, receipt) in parts {
        // Writing to a String cannot fail.
        let _ = write!(xml, "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", part.n + 1, escape(&receipt.tag));
        if checked {
            let _ = write!(xml, "<ChecksumSHA256>{}</ChecksumSHA256>", to_base64(part.sha256.as_bytes()));
        }
        xml.push_str("</Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

/// Body of PutObjectRetention.
pub(super) fn retention(mode: &str, until: UtcMs) -> String {
    format!(
        "<Retention xmlns=\"{NAMESPACE}\"><Mode>{mode}</Mode><RetainUntilDate>{}</RetainUntilDate></Retention>",
        lock_date(until)
    )
}

/// Body of PutObjectLegalHold.
pub(super) fn legal_hold(held: bool) -> String {
    format!("<LegalHold xmlns=\"{NAMESPACE}\"><Status>{}</Status></LegalHold>", if held { "ON" } else { "OFF" })
}

/// A lock's end as S3 writes it: RFC 3339 in UTC with `Z`, whole seconds, rounded up so that no lock ends early.
pub(super) fn lock_date(until: UtcMs) -> String {
    let whole = UtcMs(until.0.div_euclid(1000) * 1000 + if until.0.rem_euclid(1000) == 0 { 0 } else { 1000 });
    whole.rfc3339().replace("+00:00", "Z")
}

/// Standard Base64, as checksum headers have it.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// A SHA-256 in Base64, as checksum headers have it.
pub(super) fn sha256_from_base64(text: &str) -> Option<Sha256> {
    BASE64.decode(text.trim()).ok()?.try_into().ok().map(Sha256)
}

/// A CRC in Base64, as checksum headers have it: its eight bytes, the highest first.
pub(super) fn crc64_to_base64(crc: Crc64) -> String {
    to_base64(&crc.0.to_be_bytes())
}

/// Reads such a CRC.
pub(super) fn crc64_from_base64(text: &str) -> Option<Crc64> {
    let bytes = BASE64.decode(text.trim()).ok()?.try_into().ok()?;
    Some(Crc64(u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_behind_declarations_and_nowhere_else() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code><Message>a &amp; b</Message><X/></Error>";
        let e = error(body).unwrap();
        assert_eq!((e.code.as_str(), e.message.as_str()), ("SlowDown", "a & b"));
        assert_eq!(error("  <Error><Code>A</Code></Error>").unwrap().code, "A");
        for other in ["", "<html>", "<ErrorX/>", "<CompleteMultipartUploadResult/>", "<?xml"] {
            assert!(error(other).is_none(), "{other}");
        }
    }

    #[test]
    fn replies_are_read() {
        let parts: Parts = quick_xml::de::from_str(
            "<ListPartsResult xmlns=\"x\"><Bucket>b</Bucket><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>\
             <Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag><Size>5</Size></Part>\
             <Part><PartNumber>2</PartNumber><ETag>\"f\"</ETag><Size>6</Size><ChecksumSHA256>AA==</ChecksumSHA256></Part></ListPartsResult>",
        )
        .unwrap();
        assert!(parts.is_truncated);
        assert_eq!(parts.next_part_number_marker, "2");
        assert_eq!(parts.parts[0].etag, "\"e\"");
        assert_eq!(parts.parts[1].sha256, "AA==");
        let none: Objects = quick_xml::de::from_str("<ListBucketResult><Name>b</Name></ListBucketResult>").unwrap();
        assert!(none.contents.is_empty());
    }

    #[test]
    fn writes_what_the_protocol_asks() {
        let part = PartSpec { n: 0, offset: 0, len: 1, sha256: Sha256([0; 32]), crc64: None };
        let receipt = PartReceipt { tag: "\"a<b\"".into(), sha256: None };
        let parts = [(part, receipt)];
        assert!(!complete(&parts, false).contains("Checksum"));
        let xml = complete(&parts, true);
        assert!(xml.contains("<PartNumber>1</PartNumber><ETag>&quot;a&lt;b&quot;</ETag>"), "{xml}");
        assert!(xml.contains(&format!("<ChecksumSHA256>{}=</ChecksumSHA256>", "A".repeat(43))), "{xml}");
        // "123456789", as Amazon's tools print it.
        assert_eq!(crc64_to_base64(Crc64(0xae8b_1486_0a79_9888)), "rosUhgp5mIg=");
        assert_eq!(crc64_from_base64("rosUhgp5mIg="), Some(Crc64(0xae8b_1486_0a79_9888)));
        assert_eq!(crc64_from_base64("AA=="), None);
        assert_eq!(lock_date(UtcMs(0)), "1970-01-01T00:00:00Z");
        assert_eq!(lock_date(UtcMs(1)), "1970-01-01T00:00:01Z");
    }
}
