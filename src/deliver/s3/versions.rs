//! Versions of objects (Amazon S3 API Reference, "ListObjectVersions"). A lock keeps a version: whoever may write can put
//! another one over it, or hide it behind a delete marker, and neither shows where only the newest is read.

use http::Method;

use super::objects::decoded;
use super::reply::Meaning;
use super::wire::{Call, Fail};
use super::{S3Destination, xml};
use crate::deliver::key;
use crate::domain::ports::{ByteStream, ObjectVersion, SendError, VersionMarker, VersionPage};

impl S3Destination {
    pub(super) async fn list_versions(
        &self,
        prefix: &str,
        from: Option<&VersionMarker>,
    ) -> Result<VersionPage, SendError> {
        key::check_prefix(self.wire.name(), prefix)?;
        let mut call = Call::bucket(Method::GET)
            .flag("versions")
            .query("encoding-type", "url")
            .query("max-keys", "1000")
            .query("prefix", prefix);
        if let Some(from) = from {
            call = call.query("key-marker", from.key.as_str());
            if let Some(place) = &from.place {
                call = call.query("version-id-marker", place.as_str());
            }
        }
        let reply = match self.wire.attempt(call).await {
            Ok(reply) => reply,
            // A server that takes the question for one about an object.
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::NoSuchKey => {
                return Err(self.wire.protocol("it lists no versions"));
            }
            Err(fail) => return Err(self.wire.explain(fail, "")),
        };
        let page = page(self.parse(&self.text(reply).await?)?);
        // A list that does not go on would lead its reader in circles.
        match (&page.next, from) {
            (Some(next), Some(from)) if next == from => Err(self.wire.protocol("its list of versions does not go on")),
            _ => Ok(page),
        }
    }

    pub(super) async fn get_version(&self, version: &ObjectVersion) -> Result<ByteStream, SendError> {
        key::check(self.wire.name(), &version.key)?;
        let mut call = Call::object(Method::GET, &version.key);
        if let Some(id) = &version.version {
            call = call.query("versionId", id.as_str());
        }
        Ok(self.wire.send(call).await?.into_stream(self.wire.line()))
    }
}

/// A page as the port has it.
fn page(read: xml::Versions) -> VersionPage {
    let is_url = |item: &xml::VersionItem| matches!(item, xml::VersionItem::EncodingType(kind) if kind == "url");
    let is_encoded = read.items.iter().any(is_url);
    let key = |key: String| if is_encoded { decoded(&key) } else { key };
    let (mut versions, mut truncated, mut next_key, mut next_id) = (Vec::new(), false, None, None);
    for item in read.items {
        let (version, deleted) = match item {
            xml::VersionItem::Version(version) => (version, false),
            xml::VersionItem::DeleteMarker(version) => (version, true),
            xml::VersionItem::IsTruncated(is) => {
                truncated = is;
                continue;
            }
            xml::VersionItem::NextKeyMarker(marker) => {
                next_key = Some(key(marker)).filter(|key| !key.is_empty());
                continue;
            }
            xml::VersionItem::NextVersionIdMarker(id) => {
                next_id = Some(id).filter(|id| !id.is_empty());
                continue;
            }
            xml::VersionItem::EncodingType(_) | xml::VersionItem::Other => continue,
        };
        // The version of a bucket that keeps none is called "null"; so is one from before it kept them, which is asked for
        // by that name once another stands over it.
        let id = Some(version.version_id).filter(|id| !id.is_empty()).filter(|id| id != "null" || !version.is_latest);
        versions.push(ObjectVersion { key: key(version.key), version: id, deleted });
    }
    // Some list markers apart (SeaweedFS): those of one key belong together.
    versions.sort_by(|a, b| a.key.cmp(&b.key));
    let last = versions.last().map(|last| (last.key.clone(), last.version.clone()));
    let next = match (next_key, last) {
        _ if !truncated => None,
        (Some(key), _) => Some(VersionMarker { key, place: next_id }),
        (None, last) => last.map(|(key, place)| VersionMarker { key, place }),
    };
    VersionPage { versions, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> VersionPage {
        page(quick_xml::de::from_str(text).unwrap())
    }

    #[test]
    fn versions_and_markers_are_read_in_whatever_order_they_come() {
        let mixed = "<?xml version=\"1.0\"?><ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">
            <Name>b</Name><Prefix>v1/</Prefix><KeyMarker></KeyMarker><MaxKeys>3</MaxKeys><EncodingType>url</EncodingType>
            <IsTruncated>true</IsTruncated>
            <Version><Key>v1/a%2Bb</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><ETag>&quot;x&quot;</ETag>
              <Owner><ID>o</ID></Owner></Version>
            <DeleteMarker><Key>v1/c</Key><VersionId>9</VersionId><IsLatest>true</IsLatest></DeleteMarker>
            <Version><Key>v1/c</Key><VersionId>8</VersionId><IsLatest>false</IsLatest></Version>
            <NextKeyMarker>v1/c</NextKeyMarker><NextVersionIdMarker>8</NextVersionIdMarker></ListVersionsResult>";
        let version = |key: &str, id: Option<&str>, deleted| ObjectVersion {
            key: key.to_owned(),
            version: id.map(str::to_owned),
            deleted,
        };
        let marker =
            |key: &str, place: Option<&str>| VersionMarker { key: key.to_owned(), place: place.map(str::to_owned) };
        let found = read(mixed);
        let expected =
            [version("v1/a+b", Some("2"), false), version("v1/c", Some("9"), true), version("v1/c", Some("8"), false)];
        assert_eq!(found.versions, expected);
        assert_eq!(found.next, Some(marker("v1/c", Some("8"))));

        let apart = "<ListVersionsResult><IsTruncated>false</IsTruncated>
            <Version><Key>a</Key><VersionId>1</VersionId></Version><Version><Key>b</Key><VersionId>3</VersionId></Version>
            <DeleteMarker><Key>a</Key><VersionId>2</VersionId></DeleteMarker></ListVersionsResult>";
        let found = read(apart);
        let keys: Vec<_> = found.versions.iter().map(|v| (v.key.as_str(), v.deleted)).collect();
        assert_eq!((keys, found.next), (vec![("a", false), ("a", true), ("b", false)], None));
    }

    #[test]
    fn a_bucket_without_versions_has_one_of_each() {
        let item = |key: &str, latest: bool| {
            format!("<Version><Key>{key}</Key><VersionId>null</VersionId><IsLatest>{latest}</IsLatest></Version>")
        };
        let text = format!("<R><IsTruncated>true</IsTruncated>{}{}</R>", item("a", true), item("b", false));
        let found = read(&text);
        let ids: Vec<_> = found.versions.iter().map(|v| v.version.as_deref()).collect();
        assert_eq!(ids, [None, Some("null")]);
        assert_eq!(found.next, Some(VersionMarker { key: "b".into(), place: Some("null".into()) }));
        assert!(read("<ListBucketResult><Name>b</Name></ListBucketResult>").versions.is_empty());
    }
}
