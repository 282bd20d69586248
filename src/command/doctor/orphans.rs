//! The vault against the database: files that no row explains, and rows whose file is not there. Reported, never
//! removed: what looks like an orphan may be the only copy.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use super::{at, unread};
use crate::domain::clip::Local;
use crate::domain::ids::ClipId;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::words::check::Listed;
use crate::store::{ClipFilter, Store, StoreError};

/// Names that are listed in a finding; all are counted.
const LISTED: usize = 5;

/// What a row says about a clip's file.
struct Row {
    local: Local,
    size_bytes: Option<u64>,
}

/// Compares the two. The files are listed first: a clip has its row before its first byte, so that whatever has no
/// row by then has none at all.
pub fn look(vault: &Path, store: &Store) -> Vec<Finding> {
    let mut files = Vec::new();
    let walked = walk(&vault.join("clips"), &mut files);
    let rows = match rows(store) {
        Ok(rows) => rows,
        Err(e) => return vec![unread(CheckPart::Vault, &e)],
    };
    let mut findings = Vec::new();
    if let Err(e) = walked {
        findings.push(Finding::warning(
            CheckPart::Vault,
            Found::VaultUnread { path: at(vault), error: e.to_string() },
            Todo::RunAsEvidock {},
        ));
        return findings;
    }
    let strays: Vec<&str> =
        files.iter().map(|(name, _)| name.as_str()).filter(|name| !explained(name, &rows)).collect();
    if !strays.is_empty() {
        findings.push(Finding::warning(
            CheckPart::Vault,
            Found::Strays { n: strays.len(), names: listed(&strays) },
            Todo::KeepStrays {},
        ));
    }
    let masters: HashMap<&str, u64> = files.iter().map(|(name, len)| (name.as_str(), *len)).collect();
    let mut lost: Vec<String> = Vec::new();
    for (clip, row) in &rows {
        let found = masters.get(clip.to_string().as_str()).copied();
        // Invariant 1. A clip that was evicted or is known to be damaged has said so already.
        if row.local == Local::Sealed && found != row.size_bytes {
            lost.push(clip.to_string());
        }
    }
    lost.sort_unstable();
    if !lost.is_empty() {
        let names: Vec<&str> = lost.iter().map(String::as_str).collect();
        findings.push(Finding::problem(
            CheckPart::Vault,
            Found::FilesGone { n: lost.len(), names: listed(&names) },
            Todo::FindElsewhere {},
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CheckPart::Vault, Found::VaultWell { n: rows.len() }));
    }
    findings
}

fn listed(names: &[&str]) -> Listed {
    let named = names.iter().take(LISTED).map(|name| (*name).to_owned()).collect();
    Listed { named, more: names.len().saturating_sub(LISTED) }
}

/// Whether a file's name belongs to a clip that may have such a file now.
fn explained(name: &str, rows: &HashMap<ClipId, Row>) -> bool {
    let (stem, kind) = name.split_once('.').map_or((name, ""), |(stem, kind)| (stem, kind));
    let Some(row) = stem.parse().ok().and_then(|clip: ClipId| rows.get(&clip)) else { return false };
    match kind {
        // A file may stand under its final name before its row is sealed.
        "" | "tree" => true,
        "tree.part" => row.local == Local::Copying,
        // Bytes that come back from elsewhere have it, too.
        "part" => row.local != Local::Sealed,
        _ => false,
    }
}

/// Every file below `dir`, with its length. Links are named and never followed.
fn walk(dir: &Path, files: &mut Vec<(String, u64)>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            match entry.metadata() {
                Ok(meta) => files.push((entry.file_name().to_string_lossy().into_owned(), meta.len())),
                // A copy that was sealed or discarded since the directory was read.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

fn rows(store: &Store) -> Result<HashMap<ClipId, Row>, StoreError> {
    let mut rows = HashMap::new();
    let mut after = None;
    loop {
        let filter = ClipFilter { after: after.take(), limit: 1_000, ..ClipFilter::default() };
        let next = store.read_blocking(|r| {
            let page = r.clips(&filter)?;
            for clip in page.clips {
                let row = r.clip(clip)?;
                rows.insert(clip, Row { local: row.local, size_bytes: row.size_bytes });
            }
            Ok(page.next)
        })?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIP: &str = "019aa2c4-7f00-7abc-8def-0123456789ab";

    #[test]
    fn which_files_a_row_explains() {
        let rows = |local| HashMap::from([(CLIP.parse::<ClipId>().unwrap(), Row { local, size_bytes: Some(1) })]);
        let (sealed, copying) = (rows(Local::Sealed), rows(Local::Copying));
        let none = HashMap::new();
        for (name, known, expected) in [
            (CLIP.to_owned(), &sealed, true),
            (format!("{CLIP}.tree"), &sealed, true),
            (format!("{CLIP}.part"), &sealed, false),
            (format!("{CLIP}.part"), &copying, true),
            (format!("{CLIP}.tree.part"), &copying, true),
            (CLIP.to_owned(), &copying, true),
            (CLIP.to_owned(), &none, false),
            (format!("{CLIP}.txt"), &sealed, false),
            ("notes.txt".to_owned(), &sealed, false),
        ] {
            assert_eq!(explained(&name, known), expected, "{name}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&["a", "b"]).more, 0);
        let many = listed(&["1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!((many.named.len(), many.more), (5, 2));
    }
}
