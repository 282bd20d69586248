//! Jobs and answers between the daemon and a reader. Paths are bytes; a page of a listing travels in the body of its
//! frame as JSON, bytes of a file as they are. Whoever reads an answer checks it: a reader may have been taken over.

use serde::{Deserialize, Serialize};

/// Most bytes that one read asks for, and what the daemon holds of each: reading ahead keeps up to three of them.
pub const BLOCK_BYTES: u32 = 1 << 20;

/// Most entries of one page, files and unreadable ones together.
pub const PAGE_ENTRIES: usize = 1024;

/// A page is closed when its paths have so many bytes: a path takes up to four times its length in JSON, and a frame's
/// body holds 16 MiB.
pub const PAGE_PATH_BYTES: usize = 1 << 20;

/// Longest path, as Linux limits one.
pub const MAX_PATH_BYTES: usize = 4096;

/// What a reader can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    /// Comes first, with the device's descriptor.
    Open {
        /// Refuse to erase.
        read_only: bool,
    },
    /// Begin a new listing; its first page.
    List,
    /// The next page of it.
    More,
    /// One file.
    Stat {
        /// Its path.
        path: Vec<u8>,
    },
    /// Bytes of one file, exactly as many as asked for.
    Read {
        /// Its path.
        path: Vec<u8>,
        /// From here.
        offset: u64,
        /// So many, up to [`BLOCK_BYTES`].
        len: u32,
        /// The length that it had when it was opened.
        size_bytes: u64,
    },
    /// Erase one file and look whether it is gone.
    Erase {
        /// Its path.
        path: Vec<u8>,
        /// The length that was proven.
        size_bytes: u64,
    },
}

/// What a reader answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// For [`Job::Open`].
    Opened(Opened),
    /// For [`Job::List`] and [`Job::More`]; the body is a [`Page`].
    Page {
        /// There is another.
        more: bool,
    },
    /// For [`Job::Stat`]; `None` where there is no such file.
    Entry(Option<Entry>),
    /// For [`Job::Read`]; the body.
    Bytes,
    /// For [`Job::Erase`].
    Erased,
    /// It could not be done.
    Trouble(Trouble),
}

/// What a recorder says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Opened {
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its storages.
    pub storages: Vec<StorageTold>,
    /// Its clock (`DateTime`), as it writes it.
    pub clock: Option<String>,
}

/// What a recorder says of one of its storages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StorageTold {
    /// Its identifier, the same on most recorders of a model.
    pub id: u32,
    /// Its name.
    pub description: String,
    /// What tells it from others, where the recorder knows.
    pub volume: String,
}

/// Part of a listing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Page {
    /// Files.
    pub files: Vec<Entry>,
    /// Paths that could not be listed, each with its reason.
    pub unreadable: Vec<(Vec<u8>, String)>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path.
    pub path: Vec<u8>,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// See [`super::dates::modified`].
    pub modified_raw: String,
    /// See [`super::dates::modified`].
    pub modified_ms: Option<i64>,
}

/// Why something could not be done; text is for people and bounded by whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The recorder was pulled out.
    Gone(String),
    /// It shows no storage: locked, charging only, or a menu to be answered on it.
    NoStorage,
    /// There is no such file.
    Missing,
    /// The file is not what it was.
    Changed(String),
    /// The device could not be opened for the reader.
    Denied(String),
    /// The recorder or its link failed; trying again may help.
    Failed(String),
    /// The recorder has no way to do it, or we will not.
    Unsupported(String),
}
