//! Jobs and answers between the daemon and a reader of disks. A reader that was taken over can send what it likes: the
//! daemon checks every number and bounds every text before it believes them.
//!
//! Lines of a listing and pieces of a file travel in the body of a frame:
//!
//! ```text
//! line    1 byte   1 file, 2 unreadable
//!         u32      bytes of the path, then the path
//!         u16      bytes of the time or the reason, then that, UTF-8
//!         file only: u64 size, u8 whether an instant is known, i64 the instant
//! piece   u64      where on the disk; u64::MAX for zeros
//!         u64      bytes
//! ```
//!
//! All numbers are little endian.

use serde::{Deserialize, Serialize};

use super::files::{Item, Piece};
use crate::domain::recorder::{ShelfEntry, SourcePath, Unreadable};

/// Longest path: 32 names of 255 characters of at most three bytes.
const MAX_PATH_BYTES: usize = 32 * 256 * 3;

/// Longest time or reason that is believed.
const MAX_TEXT_BYTES: usize = 512;

/// What a reader is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Look at the disk that comes with this.
    Open {
        /// Its size.
        disk_bytes: u64,
        /// Its logical sectors.
        sector_bytes: u64,
    },
    /// The next lines of the listing.
    List {
        /// Begin anew.
        restart: bool,
    },
    /// One file.
    Stat {
        /// Its path.
        path: Vec<u8>,
    },
    /// Where a file's bytes stand.
    Pieces {
        /// Its path.
        path: Vec<u8>,
        /// From this offset on.
        from: u64,
    },
    /// Erase exactly one file; only of a reader that was started to erase.
    Erase {
        /// Its path.
        path: Vec<u8>,
        /// The length that it must have.
        size_bytes: u64,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// For [`Job::Open`].
    Opened {
        /// Volumes that can be read, in their order.
        volumes: Vec<VolumeFacts>,
        /// What cannot.
        unreadable: Vec<String>,
    },
    /// For [`Job::List`]: lines in the body.
    Lines {
        /// Ask again.
        more: bool,
    },
    /// For [`Job::Stat`]: one line in the body, none where no file is.
    File,
    /// For [`Job::Pieces`]: pieces in the body.
    Pieces {
        /// The file's length.
        size_bytes: u64,
        /// Where the first piece begins in the file.
        from: u64,
        /// Ask again.
        more: bool,
        /// Why the file ends with these pieces although it is longer.
        damage: Option<String>,
    },
    /// No file has that path.
    Missing,
    /// For [`Job::Erase`]: it is gone, and the disk was told to keep that.
    Erased,
    /// For [`Job::Erase`]: it is not the file that was proven.
    Changed,
    /// For [`Job::Erase`]: it was not done, and nothing was written; in words.
    Refused(String),
    /// The disk is gone, with the operating system's number.
    Gone(i32),
    /// The job could not be done, in words.
    Failed(String),
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// exFAT; else FAT.
    pub exfat: bool,
    /// Its label.
    pub label: Option<String>,
    /// Its serial number.
    pub id: Option<String>,
    /// Bytes of its clusters.
    pub bytes: u64,
    /// It was left in order.
    pub clean: bool,
}

/// Writes one line.
pub fn put_line(body: &mut Vec<u8>, item: &Item) {
    let (kind, path, text) = match item {
        Item::File(file) => (1, &file.path, &file.modified_raw),
        Item::Unreadable(place) => (2, &place.path, &place.reason),
    };
    // The walk makes no longer ones; a cut text is still one line.
    let path = &path.as_bytes()[..path.as_bytes().len().min(MAX_PATH_BYTES)];
    let text = &text.as_bytes()[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    body.push(kind);
    body.extend_from_slice(&(path.len() as u32).to_le_bytes());
    body.extend_from_slice(path);
    body.extend_from_slice(&(text.len() as u16).to_le_bytes());
    body.extend_from_slice(text);
    if let Item::File(file) = item {
        body.extend_from_slice(&file.size_bytes.to_le_bytes());
        body.push(u8::from(file.modified_ms.is_some()));
        body.extend_from_slice(&file.modified_ms.unwrap_or_default().to_le_bytes());
    }
}

/// Reads lines; `None` where they are none.
pub fn lines(mut body: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    while let Some((kind, rest)) = body.split_first() {
        body = rest;
        let path_len = u32::from_le_bytes(take(&mut body)?) as usize;
        let path = SourcePath::new(bytes(&mut body, path_len, MAX_PATH_BYTES)?);
        let text_len = usize::from(u16::from_le_bytes(take(&mut body)?));
        let text = std::str::from_utf8(bytes(&mut body, text_len, MAX_TEXT_BYTES)?).ok()?;
        let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        items.push(match kind {
            1 => {
                let size_bytes = u64::from_le_bytes(take(&mut body)?);
                let [known] = take(&mut body)?;
                let instant = i64::from_le_bytes(take(&mut body)?);
                let modified_ms = (known == 1).then_some(instant);
                Item::File(ShelfEntry { path, size_bytes, modified_raw: text, modified_ms })
            }
            2 => Item::Unreadable(Unreadable { path, reason: text }),
            _ => return None,
        });
    }
    Some(items)
}

/// Writes one piece.
pub fn put_piece(body: &mut Vec<u8>, piece: &Piece) {
    body.extend_from_slice(&piece.disk.unwrap_or(u64::MAX).to_le_bytes());
    body.extend_from_slice(&piece.len.to_le_bytes());
}

/// Reads pieces of a disk of that size; `None` where they are none, or stand outside it.
pub fn pieces(mut body: &[u8], disk_bytes: u64) -> Option<Vec<Piece>> {
    let mut pieces = Vec::with_capacity(body.len() / 16);
    while !body.is_empty() {
        let (disk, len) = (u64::from_le_bytes(take(&mut body)?), u64::from_le_bytes(take(&mut body)?));
        let disk = (disk != u64::MAX).then_some(disk);
        if disk.is_some_and(|at| at.checked_add(len).is_none_or(|end| end > disk_bytes)) {
            return None;
        }
        pieces.push(Piece { disk, len });
    }
    Some(pieces)
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*head)
}

fn bytes<'a>(body: &mut &'a [u8], len: usize, most: usize) -> Option<&'a [u8]> {
    let (head, rest) = body.split_at_checked(len).filter(|_| len <= most)?;
    *body = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item() -> impl Strategy<Value = Item> {
        let path = proptest::collection::vec(any::<u8>(), 0..40).prop_map(SourcePath::new);
        prop_oneof![
            (path.clone(), any::<u64>(), "[ -~]{0,40}", any::<Option<i64>>()).prop_map(
                |(path, size_bytes, modified_raw, modified_ms)| Item::File(ShelfEntry {
                    path,
                    size_bytes,
                    modified_raw,
                    modified_ms
                })
            ),
            (path, "[ -~]{0,80}").prop_map(|(path, reason)| Item::Unreadable(Unreadable { path, reason })),
        ]
    }

    proptest! {
        #[test]
        fn lines_survive_the_way(items in proptest::collection::vec(item(), 0..20)) {
            let mut body = Vec::new();
            items.iter().for_each(|item| put_line(&mut body, item));
            prop_assert_eq!(lines(&body), Some(items));
        }

        #[test]
        fn any_body_is_lines_or_none(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = lines(&body);
            if let Some(pieces) = pieces(&body, 1000) {
                prop_assert!(pieces.iter().all(|p| p.disk.is_none_or(|d| d + p.len <= 1000)));
            }
        }
    }

    #[test]
    fn pieces_survive_the_way() {
        let all = [Piece { disk: Some(512), len: 100 }, Piece { disk: None, len: 7 }];
        let mut body = Vec::new();
        all.iter().for_each(|p| put_piece(&mut body, p));
        assert_eq!(pieces(&body, 612), Some(all.to_vec()));
        assert_eq!(pieces(&body, 611), None, "outside the disk");
    }
}
