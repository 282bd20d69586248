//! Object keys at every destination (decision 2). The version is in the key; a golden test freezes it.
//!
//! ```text
//! v1/<station>/clips/<clip_id>/master              the original bytes
//! v1/<station>/clips/<clip_id>/tree                BLAKE3 outboard, 16 KiB groups (see `vault::tree`)
//! v1/<station>/clips/<clip_id>/record/<rev>.json   revisions of the record; the highest wins
//! v1/<station>/catalogue/<seq>                     segments of the catalogue, JSON lines
//! v1/<station>/log/checkpoint/<epoch>/<size>       signed checkpoints
//! v1/<station>/log/epoch/<epoch>                   the claim on an epoch: its first checkpoint (see `epoch_claim`)
//! v1/<station>/log/tiles/<epoch>/tile/...          tiles of the tree and bundles of its entries (see `tile`)
//! v1/<station>/log/timestamp/<epoch>/<size>-<s>    RFC 3161 timestamps on tree heads, and when they say they were made
//! v1/<station>/export/<package>.zip                evidence packages that were asked for there; not locked
//! v1/<station>/backup/<epoch>/<seq>/...            backups of the database: `database`, `log-key`, `sm2-key`, then `note`
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

/// The prefix under which those of one epoch stand.
pub fn checkpoints_of(station: &StationId, epoch: u32) -> String {
    format!("{}{epoch:04}/", checkpoint_prefix(station))
}

/// Epoch and size of a checkpoint's key; `None` for anything that is not one of this station.
pub fn parse_checkpoint(station: &StationId, key: &str) -> Option<(u32, u64)> {
    let (epoch, size) = key.strip_prefix(&checkpoint_prefix(station))?.split_once('/')?;
    let read = (epoch.parse().ok()?, size.parse().ok()?);
    (checkpoint(station, read.0, read.1) == key).then_some(read)
}

/// The prefix below which the log of an epoch stands as C2SP's tlog-tiles has it (see `tile`).
pub fn tiles_prefix(station: &StationId, epoch: u32) -> String {
    format!("v1/{station}/log/tiles/{epoch:04}/")
}

/// An RFC 3161 timestamp on a tree head; `at_ms` is the time in it.
pub fn timestamp(station: &StationId, epoch: u32, tree_size: u64, at_ms: i64) -> String {
    format!("{}{epoch:04}/{tree_size:012}-{:012}", timestamp_prefix(station), at_ms.max(0) / 1000)
}

/// The prefix under which a station's timestamps stand.
pub fn timestamp_prefix(station: &StationId) -> String {
    format!("v1/{station}/log/timestamp/")
}

/// Epoch and size of a timestamp's key; `None` for anything that is not one of this station.
pub fn parse_timestamp(station: &StationId, key: &str) -> Option<(u32, u64)> {
    let (epoch, rest) = key.strip_prefix(&timestamp_prefix(station))?.split_once('/')?;
    let (size, at_s) = rest.split_once('-')?;
    let (epoch, size, at_s): (u32, u64, i64) = (epoch.parse().ok()?, size.parse().ok()?, at_s.parse().ok()?);
    (timestamp(station, epoch, size, at_s.checked_mul(1000)?) == key).then_some((epoch, size))
}

/// The claim on an epoch: the first checkpoint of it, under a key that does not depend on its size, so that two
/// restores cannot both have the same epoch, and a station that was restored elsewhere finds out with one question.
pub fn epoch_claim(station: &StationId, epoch: u32) -> String {
    format!("{}{epoch:04}", epoch_claim_prefix(station))
}

/// The prefix under which the claims on epochs stand.
pub fn epoch_claim_prefix(station: &StationId) -> String {
    format!("v1/{station}/log/epoch/")
}

/// The epoch of a claim's key.
pub fn parse_epoch_claim(station: &StationId, key: &str) -> Option<u32> {
    let epoch = key.strip_prefix(&epoch_claim_prefix(station))?.parse().ok()?;
    (epoch_claim(station, epoch) == key).then_some(epoch)
}

/// An evidence package.
pub fn export(station: &StationId, package: &str) -> String {
    format!("v1/{station}/export/{package}.zip")
}

/// The package whose zip this key is: its id, or that of one of its discs.
pub fn parse_export<'a>(station: &StationId, key: &'a str) -> Option<&'a str> {
    key.strip_prefix(&format!("v1/{station}/export/"))?.strip_suffix(".zip")
}

/// The prefix under which the backups of a station's database stand.
pub fn backup_prefix(station: &StationId) -> String {
    format!("v1/{station}/backup/")
}

/// The prefix of one backup; numbers begin anew with each epoch.
pub fn backup(station: &StationId, epoch: u32, seq: u32) -> String {
    format!("{}{epoch:04}/{seq:06}/", backup_prefix(station))
}

/// The database of a backup, compressed and encrypted (see `deliver::backup`).
pub fn backup_database(station: &StationId, epoch: u32, seq: u32) -> String {
    format!("{}database", backup(station, epoch, seq))
}

/// The log's key in a backup, encrypted; only where the configuration asks for it.
pub fn backup_log_key(station: &StationId, epoch: u32, seq: u32) -> String {
    format!("{}log-key", backup(station, epoch, seq))
}

/// The SM2 key in a backup, encrypted; beside the log's key, where there is one in use.
pub fn backup_sm2_key(station: &StationId, epoch: u32, seq: u32) -> String {
    format!("{}sm2-key", backup(station, epoch, seq))
}

/// The signed note on a backup. Written last: a backup without one was never finished.
pub fn backup_note(station: &StationId, epoch: u32, seq: u32) -> String {
    format!("{}note", backup(station, epoch, seq))
}

/// Epoch and number of the key of a backup's note; `None` for any other key.
pub fn parse_backup_note(station: &StationId, key: &str) -> Option<(u32, u32)> {
    let mut parts = key.strip_prefix(&backup_prefix(station))?.split('/');
    let read = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (backup_note(station, read.0, read.1) == key).then_some(read)
}

/// The prefix under which everything of a station's clips stands.
pub fn clips_prefix(station: &StationId) -> String {
    format!("v1/{station}/clips/")
}

/// What a key below [`clips_prefix`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipObject {
    /// The original bytes.
    Master,
    /// The BLAKE3 outboard.
    Tree,
    /// A revision of the record.
    Record(u32),
}

/// Clip and kind of a key below [`clips_prefix`]; `None` for what is none of ours.
pub fn parse_clip_object(station: &StationId, key: &str) -> Option<(ClipId, ClipObject)> {
    let (clip, rest) = key.strip_prefix(&clips_prefix(station))?.split_once('/')?;
    let clip: ClipId = clip.parse().ok()?;
    let object = match rest {
        "master" => ClipObject::Master,
        "tree" => ClipObject::Tree,
        _ => ClipObject::Record(rest.strip_prefix("record/")?.strip_suffix(".json")?.parse().ok()?),
    };
    let canonical = match object {
        ClipObject::Master => master(station, clip),
        ClipObject::Tree => tree(station, clip),
        ClipObject::Record(rev) => record(station, clip, rev),
    };
    (canonical == key).then_some((clip, object))
}

/// The prefix under which the segments of a station's catalogue stand.
pub fn catalogue_prefix(station: &StationId) -> String {
    format!("v1/{station}/catalogue/")
}

/// The number of a segment of the catalogue.
pub fn parse_catalogue(station: &StationId, key: &str) -> Option<u64> {
    let seq = key.strip_prefix(&catalogue_prefix(station))?.parse().ok()?;
    (catalogue(station, seq) == key).then_some(seq)
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
            (checkpoints_of(&s, 1), "v1/zhao-01/log/checkpoint/0001/".to_owned()),
            (tiles_prefix(&s, 1), "v1/zhao-01/log/tiles/0001/".to_owned()),
            (
                timestamp(&s, 1, 1000, 1_781_834_604_321),
                "v1/zhao-01/log/timestamp/0001/000000001000-001781834604".to_owned(),
            ),
            (epoch_claim(&s, 2), "v1/zhao-01/log/epoch/0002".to_owned()),
            (
                export(&s, "019aa2c4-7f00-7abc-8def-0123456789ac"),
                "v1/zhao-01/export/019aa2c4-7f00-7abc-8def-0123456789ac.zip".to_owned(),
            ),
            (backup_database(&s, 1, 42), "v1/zhao-01/backup/0001/000042/database".to_owned()),
            (backup_log_key(&s, 1, 42), "v1/zhao-01/backup/0001/000042/log-key".to_owned()),
            (backup_sm2_key(&s, 1, 42), "v1/zhao-01/backup/0001/000042/sm2-key".to_owned()),
            (backup_note(&s, 1, 42), "v1/zhao-01/backup/0001/000042/note".to_owned()),
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

    #[test]
    fn keys_are_read_back_in_their_one_spelling() {
        let s = StationId::new("zhao-01").unwrap();
        let c: ClipId = "019aa2c4-7f00-7abc-8def-0123456789ab".parse().unwrap();
        assert_eq!(parse_checkpoint(&s, &checkpoint(&s, 3, 77)), Some((3, 77)));
        assert_eq!(parse_timestamp(&s, &timestamp(&s, 3, 77, 1_781_834_604_321)), Some((3, 77)));
        assert_eq!(parse_timestamp(&s, &timestamp(&s, 3, 77, 5).replace("0077-", "77-")), None);
        assert_eq!(parse_epoch_claim(&s, &epoch_claim(&s, 12)), Some(12));
        assert_eq!(parse_backup_note(&s, &backup_note(&s, 2, 9)), Some((2, 9)));
        assert_eq!(parse_catalogue(&s, &catalogue(&s, 5)), Some(5));
        for (key, object) in [
            (master(&s, c), ClipObject::Master),
            (tree(&s, c), ClipObject::Tree),
            (record(&s, c, 7), ClipObject::Record(7)),
        ] {
            assert_eq!(parse_clip_object(&s, &key), Some((c, object)));
        }
        let other = StationId::new("zhao-0").unwrap();
        for key in [checkpoint(&s, 3, 77), epoch_claim(&s, 1), backup_note(&s, 2, 9), catalogue(&s, 5), master(&s, c)] {
            let none = parse_checkpoint(&other, &key).is_none()
                && parse_epoch_claim(&other, &key).is_none()
                && parse_backup_note(&other, &key).is_none()
                && parse_catalogue(&other, &key).is_none()
                && parse_clip_object(&other, &key).is_none();
            assert!(none, "{key}");
        }
        for odd in [backup_database(&s, 2, 9), backup_note(&s, 2, 9).replace("000009", "9"), backup(&s, 2, 9)] {
            assert_eq!(parse_backup_note(&s, &odd), None, "{odd}");
        }
        for odd in ["record/7.json", "record/000007", "record/+00007.json", "other", "master/x"] {
            assert_eq!(parse_clip_object(&s, &format!("{}{c}/{odd}", clips_prefix(&s))), None, "{odd}");
        }
    }
}
