//! BagIt (RFC 8493): lists of digests, and the two small files that make a folder a bag. One form each; what we read
//! may be anybody's, so that names are judged before anything is opened by them.

use std::collections::BTreeMap;

use super::Facts;
use crate::domain::digest::from_hex;

/// `bagit.txt`.
pub const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Digests by name, hex; sorted by name.
pub type List = BTreeMap<String, String>;

/// The text of a list, as `sha256sum` and `b3sum` write and read it.
pub fn write(list: &List) -> String {
    list.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

/// Reads a list of SHA-256 or BLAKE3 digests. The refusal says which line, from 1.
pub fn read(text: &str) -> Result<List, String> {
    read_of(text, 32)
}

/// Reads a list of SHA-512 digests.
pub fn read_512(text: &str) -> Result<List, String> {
    read_of(text, 64)
}

fn read_of(text: &str, digest_bytes: usize) -> Result<List, String> {
    let mut list = List::new();
    for (n, line) in text.lines().enumerate() {
        let (digest, name) = line.split_once(' ').ok_or_else(|| format!("line {} has no digest and name", n + 1))?;
        let name = name.strip_prefix([' ', '*']).unwrap_or(name);
        if from_hex(digest).is_none_or(|bytes| bytes.len() != digest_bytes) {
            return Err(format!("line {} has no digest of {} hexadecimal digits", n + 1, 2 * digest_bytes));
        }
        if !is_safe(name) {
            return Err(format!("line {} names {name:?}, which may lie outside of the package", n + 1));
        }
        if list.insert(name.to_owned(), digest.to_owned()).is_some() {
            return Err(format!("line {} names {name:?} a second time", n + 1));
        }
    }
    Ok(list)
}

/// Whether a name can only lie inside the package, on every system.
pub fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', ':', '%'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// `bag-info.txt`.
pub fn info(facts: &Facts, payload_files: usize, payload_bytes: u64) -> String {
    let mut lines = vec![
        ("Bag-Software-Agent", facts.made_with.clone()),
        ("Bagging-Date", facts.asked_at.chars().take(10).collect()),
        ("External-Identifier", facts.package.clone()),
        ("Internal-Sender-Identifier", facts.station.clone()),
        ("Payload-Oxum", format!("{payload_bytes}.{payload_files}")),
    ];
    if let Some(disc) = facts.disc {
        lines.push(("Bag-Group-Identifier", facts.request().to_owned()));
        lines.push(("Bag-Count", format!("{} of {}", disc.n, disc.of)));
    }
    if let Some(agency) = &facts.agency {
        lines.push(("Source-Organization", agency.clone()));
    }
    // A value of several lines would be read as more than one.
    let one_line = |value: &str| value.replace(char::is_control, " ");
    lines.iter().map(|(name, value)| format!("{name}: {}\n", one_line(value))).collect()
}

/// The name of a clip's file: its place in the order, when it was captured and by which recorder, as far as that can
/// stand in the name of a file anywhere.
pub fn clip_name(n: usize, of: usize, captured_start: Option<&str>, device: &str, original: &str) -> String {
    let width = of.to_string().len().max(3);
    let time: String =
        captured_start.unwrap_or_default().chars().take(19).filter(|c| c.is_ascii_alphanumeric()).collect();
    let device: String = device.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let plain = |e: &&str| (1..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    let extension = original.rsplit_once('.').map(|(_, e)| e).filter(plain).unwrap_or("bin").to_ascii_lowercase();
    let mut name = format!("data/clips/{n:0width$}");
    for part in [time, device].iter().filter(|part| !part.is_empty()) {
        name.push('_');
        name.push_str(part);
    }
    format!("{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_written_and_odd_ones_refused() {
        let digest = "0123456789abcdef".repeat(4);
        let list: List =
            [("data/a b.mp4", &digest), ("data/中.mp4", &digest)].map(|(n, d)| (n.into(), d.clone())).into();
        assert_eq!(read(&write(&list)), Ok(list));
        assert_eq!(read(&format!("{digest} *x\n")).unwrap().len(), 1, "as other programs write it");
        assert!(read_512(&format!("{digest}  x\n")).is_err() && read_512(&format!("{digest}{digest}  x\n")).is_ok());
        for bad in [
            "x",
            "abc  x",
            &format!("{}  x", digest.to_uppercase()),
            &format!("{digest}  ../x"),
            &format!("{digest}  /etc/passwd"),
            &format!("{digest}  a\\..\\x"),
            &format!("{digest}  C:x"),
            &format!("{digest}  a%0Ab"),
            &format!("{digest}  a//b"),
            &format!("{digest}  "),
            &format!("{digest}  x\n{digest}  x"),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_clips_are_plain() {
        let name = |n, of, at, device, original| clip_name(n, of, at, device, original);
        assert_eq!(
            name(7, 12, Some("2026-06-19T09:12:00+08:00"), "36NCC009910", "DSJ_1.MP4"),
            "data/clips/007_20260619T091200_36NCC009910.mp4"
        );
        assert_eq!(name(7, 1200, None, "../执法", "x.视频"), "data/clips/0007.bin");
        assert!(is_safe(&name(1, 1, Some("../../x"), "a/b", "x.m/p")));
    }
}
