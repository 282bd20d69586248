//! Looks for typefaces on the station: as configured, else where Debian keeps those that have Chinese. Reads files; what
//! stands in them is [`crate::domain::paper`]'s to judge.

use std::path::{Path, PathBuf};

use crate::domain::paper::{Typeface, TypefaceError};

/// Typefaces with Chinese, each with the number of its simplified form in a collection, in the order in which they are
/// tried: small ones first, since each document carries a part of one.
const CHINESE: [(&str, u32); 7] = [
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
    ("/usr/share/fonts/truetype/droid/DroidSansFallback.ttf", 0),
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/arphic/uming.ttc", 0),
];

/// For letters and digits, of which some of the former have none.
const LATIN: [&str; 4] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/freefont/FreeSans.ttf",
];

/// A larger file is no typeface of ours.
const MOST_BYTES: u64 = 128 << 20;

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTypeface {
    /// The configured one cannot be read.
    #[error("[export] font {path} cannot be read: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// The configured one cannot be used.
    #[error("[export] font {path} cannot be used: {why}")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: TypefaceError,
    },
    /// None was configured, and none found.
    #[error(
        "no typeface with Chinese was found; install the package fonts-droid-fallback, or name one in [export] font"
    )]
    None,
}

/// The typeface for documents. Blocks.
pub fn find(configured: Option<&Path>) -> Result<Typeface, NoTypeface> {
    let latin = LATIN.iter().find_map(|path| read(Path::new(path)).ok());
    let with_latin = |bytes: Vec<u8>, index: u32| {
        let mut files = vec![(bytes, index)];
        files.extend(latin.clone().map(|bytes| (bytes, 0)));
        Typeface::new(files)
    };
    if let Some(path) = configured {
        let bytes = read(path).map_err(|e| NoTypeface::Unreadable { path: path.to_owned(), why: e.to_string() })?;
        // Collections of Noto and Source Han have the simplified form in the third place; others have it first.
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let index = if bytes.starts_with(b"ttcf") && name.contains("cjk") { 2 } else { 0 };
        return with_latin(bytes, index).map_err(|why| NoTypeface::Unfit { path: path.to_owned(), why });
    }
    let found = CHINESE.iter().find_map(|(path, index)| with_latin(read(Path::new(path)).ok()?, *index).ok());
    found.ok_or(NoTypeface::None)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > MOST_BYTES {
        return Err(std::io::Error::other("it is larger than any typeface"));
    }
    std::fs::read(path)
}
