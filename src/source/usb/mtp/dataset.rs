//! The few datasets that we read ourselves: pure. The protocol's library reads object information, too, but turns names
//! into replacement characters and times into fields; here both stay as the recorder wrote them.

/// Format of a folder (MTP 1.1, appendix A: Association).
const FORMAT_ASSOCIATION: u16 = 0x3001;

/// `AssociationType` of a folder that says so beside another format (MTP 1.1, 3.6.2.1).
const ASSOCIATION_FOLDER: u16 = 0x0001;

/// What a recorder says of an object (MTP 1.1, 5.3.1: ObjectInfo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The storage it says it stands in.
    pub storage: u32,
    /// The folder it says it stands in.
    pub parent: u32,
    /// A folder, not a file.
    pub folder: bool,
    /// Its length in bytes; `None` where 32 bits cannot say it.
    pub size_bytes: Option<u64>,
    /// UTF-16 units up to the first zero.
    pub name: Vec<u16>,
    /// As written.
    pub created: String,
    /// As written.
    pub modified: String,
}

/// Reads an ObjectInfo. `None` where it ends before its name does; times that are missing are empty.
pub fn object_info(bytes: &[u8]) -> Option<Info> {
    let mut rest = bytes;
    let storage = u32_of(&mut rest)?;
    let format = u16_of(&mut rest)?;
    let _protection = u16_of(&mut rest)?;
    let size = u32_of(&mut rest)?;
    let _thumbnail = take(&mut rest, 2 + 4 + 4 + 4)?;
    let _image = take(&mut rest, 4 + 4 + 4)?;
    let parent = u32_of(&mut rest)?;
    let association = u16_of(&mut rest)?;
    let _description_and_sequence = take(&mut rest, 4 + 4)?;
    let name = units(&mut rest)?;
    let created = string(&mut rest).unwrap_or_default();
    let modified = string(&mut rest).unwrap_or_default();
    Some(Info {
        storage,
        parent,
        folder: format == FORMAT_ASSOCIATION || association == ASSOCIATION_FOLDER,
        // MTP 1.1, 5.3.1: 0xFFFFFFFF means four gigabytes or more.
        size_bytes: (size != u32::MAX).then_some(size.into()),
        name,
        created,
        modified,
    })
}

/// Reads a property that is one string (a device's `DateTime`).
pub fn text(bytes: &[u8]) -> Option<String> {
    string(&mut &bytes[..])
}

/// Reads a property that is one 64-bit number (an object's `ObjectSize`).
pub fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    Some(head)
}

fn u16_of(rest: &mut &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(take(rest, 2)?.try_into().ok()?))
}

fn u32_of(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

/// A string is a count of UTF-16 units, the closing zero included, and the units (MTP 1.1, 3.2.3).
fn units(rest: &mut &[u8]) -> Option<Vec<u16>> {
    let count = usize::from(take(rest, 1)?[0]);
    let bytes = take(rest, count * 2)?;
    Some(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).take_while(|u| *u != 0).collect())
}

fn string(rest: &mut &[u8]) -> Option<String> {
    Some(String::from_utf16_lossy(&units(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut units: Vec<u16> = text.encode_utf16().collect();
        if units.is_empty() {
            return vec![0];
        }
        units.push(0);
        let mut bytes = vec![units.len() as u8];
        bytes.extend(units.iter().flat_map(|u| u.to_le_bytes()));
        bytes
    }

    fn info(format: u16, size: u32, association: u16, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(0x0001_0001u32.to_le_bytes());
        bytes.extend(format.to_le_bytes());
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend([0; 26]);
        bytes.extend(9u32.to_le_bytes());
        bytes.extend(association.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(packed(name));
        bytes
    }

    #[test]
    fn what_a_recorder_says_is_read_as_it_stands() {
        let mut bytes = info(0xb982, 1234, 0, "视频.MP4");
        bytes.extend(packed("20260101T000000"));
        bytes.extend(packed("20260619T100324"));
        let read = object_info(&bytes).unwrap();
        assert_eq!((read.storage, read.parent, read.folder, read.size_bytes), (0x0001_0001, 9, false, Some(1234)));
        assert_eq!(String::from_utf16_lossy(&read.name), "视频.MP4");
        assert_eq!((read.created.as_str(), read.modified.as_str()), ("20260101T000000", "20260619T100324"));
        assert!(object_info(&info(0x3001, 0, 0, "DCIM")).unwrap().folder);
        assert!(object_info(&info(0x3000, 0, 1, "DCIM")).unwrap().folder);
        assert_eq!(object_info(&info(0xb982, u32::MAX, 0, "big")).unwrap().size_bytes, None);
    }

    #[test]
    fn a_dataset_that_ends_early_is_none() {
        let bytes = info(0xb982, 1, 0, "a.mp4");
        for cut in 0..bytes.len() {
            assert_eq!(object_info(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(object_info(&bytes).unwrap().modified, "", "only the times may be missing");
        assert_eq!(number(&[1; 7]), None);
        assert_eq!(text(&[5, 0x41, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = object_info(&bytes);
            let _ = text(&bytes);
        }
    }
}
