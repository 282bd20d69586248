//! Object keys at every destination (decision 2). The version is in the key; a golden test freezes it.
//!
//! ```text
//! v1/<station>/clips/<clip_id>/master              the original bytes
//! v1/<station>/clips/<clip_id>/tree                BLAKE3 outboard, 16 KiB groups (see `vault::tree`)
//! v1/<station>/clips/<clip_id>/record/<rev>.json   revisions of the record; the highest wins
//! v1/<station>/catalogue/<seq>                     segments of the catalogue, JSON lines
//! v1/<station>/log/...                             checkpoints, later tiles and entries
//! v1/case/<sha256(case_key)>/<station>/<clip_id>/<rev>   one for each number and alias of a case
//! ```
//!
//! Keys are immutable and carry neither a person nor a case number. Numbers are zero-padded, so that
//! a lexical listing is in order.

use super::digest::{Sha256, to_hex};
use super::ids::{ClipId, StationId};

/// The case part of a key: hex SHA-256 of the case key (`domain::case_number`).
pub fn case_hash(case_key: &str) -> String {
    use sha2::Digest;
    to_hex(&sha2::Sha256::digest(case_key.as_bytes()))
}

/// The original bytes.
pub fn master(station: &StationId, clip: ClipId) -> String {
    format!("v1/{station}/clips/{clip}/master")
}

/// The BLAKE3 outboard.
pub fn tree(station: &StationId, clip: ClipId) -> String {
    format!("v1/{station}/clips/{clip}/tree")
}

/// One revision of a record.
pub fn record(station: &StationId, clip: ClipId, rev: u32) -> String {
    format!("v1/{station}/clips/{clip}/record/{rev:06}.json")
}

/// The prefix under which all revisions of a record stand.
pub fn record_prefix(station: &StationId, clip: ClipId) -> String {
    format!("v1/{station}/clips/{clip}/record/")
}

/// One segment of the catalogue.
pub fn catalogue(station: &StationId, seq: u64) -> String {
    format!("v1/{station}/catalogue/{seq:012}")
}

/// The index entry of a clip under one of its case's numbers.
pub fn case_entry(case_key: &str, station: &StationId, clip: ClipId, rev: u32) -> String {
    format!("{}{station}/{clip}/{rev:06}", case_prefix(case_key))
}

/// The prefix under which every station's entries for a case stand.
pub fn case_prefix(case_key: &str) -> String {
    format!("v1/case/{}/", case_hash(case_key))
}

/// A signed checkpoint, by epoch and tree size.
pub fn checkpoint(station: &StationId, epoch: u32, tree_size: u64) -> String {
    format!("{}{epoch:04}/{tree_size:012}", checkpoint_prefix(station))
}

/// The prefix under which a station's checkpoints stand.
pub fn checkpoint_prefix(station: &StationId) -> String {
    format!("v1/{station}/log/checkpoint/")
}

/// Where a destination's abilities are tried out; overwritten at each probe, never evidence.
pub fn probe(station: &StationId) -> String {
    format!("v1/{station}/probe")
}

/// The clip that an object belongs to: its footage, tree, record, or an entry of the case index; `None` for all others.
pub fn clip_of(key: &str) -> Option<ClipId> {
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        ["v1", "case", _, _, clip, _] => clip.parse().ok(),
        ["v1", _, "clips", clip, _, ..] => clip.parse().ok(),
        _ => None,
    }
}

/// A key of the case index taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEntryKey {
    /// The station that wrote it.
    pub station: StationId,
    /// The clip.
    pub clip: ClipId,
    /// The revision; the highest wins.
    pub rev: u32,
}

/// Reads a key of the case index; `None` for anything that is not one (a bucket may hold anything).
pub fn parse_case_entry(key: &str) -> Option<CaseEntryKey> {
    let mut parts = key.strip_prefix("v1/case/")?.split('/');
    let hash = parts.next()?.parse::<Sha256>();
    let (station, clip, rev) = (parts.next()?, parts.next()?, parts.next()?);
    if hash.is_err() || parts.next().is_some() || rev.len() != 6 {
        return None;
    }
    Some(CaseEntryKey { station: StationId::new(station).ok()?, clip: clip.parse().ok()?, rev: rev.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: other machines find footage by these keys. A change is a new version, not an edit.
    #[test]
    fn layout_is_frozen() {
        let s = StationId::new("zhao-01").unwrap();
        let c: ClipId = "019aa2c4-7f00-7abc-8def-0123456789ab".parse().unwrap();
        let case = "赵卫罚〔2019〕12";
        let golden = [
            (master(&s, c), "v1/zhao-01/clips/019aa2c4-7f00-7abc-8def-0123456789ab/master".to_owned()),
            (tree(&s, c), "v1/zhao-01/clips/019aa2c4-7f00-7abc-8def-0123456789ab/tree".to_owned()),
            (record(&s, c, 3), "v1/zhao-01/clips/019aa2c4-7f00-7abc-8def-0123456789ab/record/000003.json".to_owned()),
            (catalogue(&s, 42), "v1/zhao-01/catalogue/000000000042".to_owned()),
            (checkpoint(&s, 1, 1000), "v1/zhao-01/log/checkpoint/0001/000000001000".to_owned()),
            (probe(&s), "v1/zhao-01/probe".to_owned()),
        ];
        for (made, frozen) in golden {
            assert_eq!(made, frozen);
        }
        let entry = case_entry(case, &s, c, 2);
        assert_eq!(
            entry,
            "v1/case/12fecbdaa131e7207ac77cf0fcff622de946a9c9643a77f89321eb241f815a89/zhao-01/019aa2c4-7f00-7abc-8def-0123456789ab/000002"
        );
        assert!(!entry.contains('赵'));
        for key in [&master(&s, c), &tree(&s, c), &record(&s, c, 3), &entry] {
            assert_eq!(clip_of(key), Some(c), "{key}");
        }
        for key in [&catalogue(&s, 42), &checkpoint(&s, 1, 1), &probe(&s), &"v1/zhao-01/clips".to_owned()] {
            assert_eq!(clip_of(key), None, "{key}");
        }
        assert_eq!(parse_case_entry(&entry), Some(CaseEntryKey { station: s, clip: c, rev: 2 }));
        for odd in ["v1/case/x/zhao-01/c/1", "v2/case/", &format!("{entry}/x"), &entry.replace("000002", "2")] {
            assert_eq!(parse_case_entry(odd), None, "{odd}");
        }
    }
}
