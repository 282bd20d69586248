//! Which names in a package's folder are ours: whoever goes on with one takes away what an earlier run wrote and its lists
//! do not name any more, and nothing that anybody else put there.

use super::check::number;
use super::paper::{CATALOGUE_PDF, README_PDF, TRANSFER_PDF};
use super::{
    BAG_INFO, BAGIT, BLAKE3, CATALOGUE, CHECK_BAT, CHECK_PS1, CHECK_SH, CHECKER, CHECKPOINT, COVERAGE, COVERAGE_CSV,
    COVERAGE_XLSX, DERIVED, FACTS, FILES, KEYS, MANIFEST, MANIFEST_512, NOTE, NOTE_SM2, OPENED, README, RECORDS,
    RECORDS_CSV, SM2_KEY, SM3, TAG_MANIFEST, TAG_MANIFEST_512, TRANSFER, WITHHELD,
};

/// Those that stand in one place.
const FIXED: [&str; 33] = [
    README,
    CATALOGUE,
    TRANSFER,
    README_PDF,
    CATALOGUE_PDF,
    TRANSFER_PDF,
    CHECKER,
    CHECK_BAT,
    CHECK_PS1,
    CHECK_SH,
    BAGIT,
    BAG_INFO,
    MANIFEST,
    MANIFEST_512,
    TAG_MANIFEST,
    TAG_MANIFEST_512,
    BLAKE3,
    SM3,
    RECORDS,
    RECORDS_CSV,
    COVERAGE,
    COVERAGE_CSV,
    COVERAGE_XLSX,
    DERIVED,
    FACTS,
    WITHHELD,
    OPENED,
    CHECKPOINT,
    KEYS,
    FILES,
    NOTE,
    NOTE_SM2,
    SM2_KEY,
];

/// Whether a package of ours may have a file of this name, or the beginning of a clip under it.
pub fn is_ours(name: &str) -> bool {
    FIXED.contains(&name) || is_clip(name) || is_derived(name) || is_of_log(name)
}

/// `data/clips/<n>_...` (`bag::clip_name`), also while it is written.
fn is_clip(name: &str) -> bool {
    let Some(name) = name.strip_prefix("data/clips/") else { return false };
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    digits >= 3 && name[digits..].starts_with(['_', '.']) && plain(name)
}

/// `data/derived/<kind>_<place>ms_<id>.<ending>`.
fn is_derived(name: &str) -> bool {
    let Some(name) = name.strip_prefix("data/derived/") else { return false };
    let mut parts = name.splitn(3, '_');
    let (kind, at, rest) = (parts.next(), parts.next(), parts.next());
    let at = at.and_then(|at| at.strip_suffix("ms"));
    plain(name)
        && kind.is_some_and(|kind| !kind.is_empty())
        && at.is_some_and(|at| at.len() >= 8 && at.bytes().all(|b| b.is_ascii_digit()))
        && rest.is_some_and(|rest| rest.contains('.'))
}

fn is_of_log(name: &str) -> bool {
    let forms = [
        ("custody/events/", ".json"),
        ("custody/proofs/", ".tlog-proof"),
        ("custody/timestamps/", ".txt"),
        ("custody/timestamps/", ".tsr"),
        ("custody/timestamps/", ".consistency"),
    ];
    forms.iter().any(|(before, behind)| number(name, before, behind).is_some())
}

/// What we name has these characters alone, and lies in no folder below.
fn plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::super::{bag, event, proof, timestamp};
    use super::*;

    #[test]
    fn what_we_write_is_ours_and_nothing_else() {
        let of_log = [event(7), proof(7), timestamp(9, "txt"), timestamp(9, "tsr"), timestamp(9, "consistency")];
        let clip = bag::clip_name(7, 1200, Some("2026-06-19T09:12:00+08:00"), "36NCC009910", "a.MP4");
        let derived = "data/derived/frame_00000500ms_019aa2c4-7f00-7abc-8def-0123456789ab.jpg";
        let ours =
            of_log.into_iter().chain([format!("{clip}.part"), clip, derived.into(), "data/clips/001.bin".into()]);
        for name in ours.chain(FIXED.map(str::to_owned)) {
            assert!(is_ours(&name), "{name}");
        }
        for name in [
            "",
            "读我.txt",
            "1-notes.txt",
            ".evidock-export.json",
            "data/clips/notes.txt",
            "data/clips/2026 notes.txt",
            "data/clips/001_more/a.mp4",
            "data/derived/frame.jpg",
            "data/derived/frame_1ms_x.jpg",
            "data/metadata/notes.json",
            "custody/events/7.json",
            "custody/notes",
            "custody/package.note.bak",
            "disc-1/custody/package.note",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
