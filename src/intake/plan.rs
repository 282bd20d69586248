//! What to do with a file that stands on a docked recorder: a pure decision over what is known of its path.

use crate::domain::clip::Local;
use crate::domain::digest::Blake3;
use crate::domain::ids::ClipId;
use crate::domain::record::Hole;
use crate::domain::recorder::ShelfEntry;
use crate::store::ClipRow;
use crate::vault::Prefix;

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// This very file was seen at this dock already, and its clip is in the vault.
    Nothing(ClipId),
    /// A sealed clip of the same path, length and time: compare samples, then note the sighting.
    Compare(ClipId),
    /// An interrupted copy of the same path, length and time: go on.
    Resume(ClipId, Prefix),
    /// Copy it as a new clip.
    Copy,
}

/// Decides for `entry`, given every clip ever taken from its path, newest first, and the clip that this
/// very file was seen as at this dock.
///
/// A copy that is not yet sealed goes on only if the recorder lists the same length and time; otherwise
/// the file is another one now, and [`leftovers`] says what becomes of the old copy.
pub fn plan(entry: &ShelfEntry, known: &[ClipRow], sighted: Option<ClipId>) -> Plan {
    let same_listing =
        |row: &ClipRow| row.declared_bytes == Some(entry.size_bytes) && row.modified_raw == entry.modified_raw;
    // A copy in quarantine waits for a person, not for its recorder: the file is taken in beside it.
    let goes_on = |row: &ClipRow| row.local == Local::Copying && row.quarantine.is_none();
    if let Some(row) = known.iter().find(|row| same_listing(row) && goes_on(row)) {
        let prefix =
            row.durable_blake3.map_or(Prefix { bytes: 0, blake3: Blake3(*blake3::hash(b"").as_bytes()) }, |blake3| {
                Prefix { bytes: row.durable_bytes, blake3 }
            });
        return Plan::Resume(row.clip, prefix);
    }
    // Seen is not enough: the clip must have stayed what it was then.
    let stands = |clip: &ClipId| {
        known.iter().any(|row| row.clip == *clip && matches!(row.local, Local::Sealed | Local::Evicted))
    };
    if let Some(clip) = sighted.filter(stands) {
        return Plan::Nothing(clip);
    }
    // A damaged local copy is no reason to skip the recorder's: it may be the last good one. An evicted
    // clip has no bytes here to compare with: it is copied, found to be the same by its digest, and dropped.
    match known.iter().find(|row| same_listing(row) && row.local == Local::Sealed) {
        Some(row) => Plan::Compare(row.clip),
        None => Plan::Copy,
    }
}

/// Interrupted copies of the same path whose file is another one now: they can never go on by themselves.
pub fn leftovers<'a>(entry: &ShelfEntry, known: &'a [ClipRow]) -> Vec<&'a ClipRow> {
    let other = |row: &&ClipRow| row.declared_bytes != Some(entry.size_bytes) || row.modified_raw != entry.modified_raw;
    known.iter().filter(|row| row.local == Local::Copying).filter(other).collect()
}

/// Lengths at which the new copy's prefix must be compared with earlier ones: sealed clips that the file
/// may have grown from, and leftovers whose bytes may all be in it. Ascending, without repeats.
pub fn prefixes_wanted(entry: &ShelfEntry, known: &[ClipRow]) -> Vec<u64> {
    let mut wanted: Vec<u64> = known
        .iter()
        .filter_map(|row| match row.local {
            Local::Copying => Some(row.durable_bytes),
            _ => row.size_bytes,
        })
        .filter(|bytes| *bytes > 0 && *bytes <= entry.size_bytes)
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The newest sealed clip of the same path whose bytes are the beginning of the new copy: the file grew,
/// and the new clip supersedes it. `prefixes` are those of the new copy, `size_bytes` its length.
pub fn grew_from(known: &[ClipRow], prefixes: &[Prefix], size_bytes: u64) -> Option<ClipId> {
    known
        .iter()
        .filter(|row| row.size_bytes.is_some_and(|s| s > 0 && s < size_bytes))
        .find(|row| prefixes.iter().any(|p| Some(p.bytes) == row.size_bytes && Some(p.blake3) == row.blake3))
        .map(|row| row.clip)
}

/// The newest sealed clip of the same path and length that lacks something which the new copy has: `holes` are the
/// new copy's. Whether it has the same bytes elsewhere is not known here.
pub fn filled_from<'a>(known: &'a [ClipRow], size_bytes: u64, holes: &[Hole]) -> Option<&'a ClipRow> {
    let lost = |holes: &[Hole]| holes.iter().map(|h| h.bytes).sum::<u64>();
    known
        .iter()
        .filter(|row| matches!(row.local, Local::Sealed | Local::Evicted) && row.size_bytes == Some(size_bytes))
        .find(|row| lost(&row.holes) > lost(holes))
}

/// Whether everything that a leftover copy had is in the new copy.
pub fn contained(leftover: &ClipRow, prefixes: &[Prefix]) -> bool {
    leftover.durable_bytes == 0
        || prefixes.iter().any(|p| p.bytes == leftover.durable_bytes && Some(p.blake3) == leftover.durable_blake3)
}

/// Offsets in bytes at which a sealed clip and the recorder's file are compared: head, tail, and groups
/// spread between them. Which ones does not depend on anything that a recorder could foresee: `seed` is random.
pub fn samples(size_bytes: u64, group_bytes: u64, count: u64, seed: u64) -> Vec<u64> {
    let groups = size_bytes.div_ceil(group_bytes);
    if groups <= count {
        return (0..groups).map(|g| g * group_bytes).collect();
    }
    let mut picked: Vec<u64> = (0..count - 2)
        .map(|i| {
            let stride = (groups - 2) / (count - 2);
            let jitter = seed.rotate_left((i * 7 % 64) as u32) % stride.max(1);
            (1 + i * stride + jitter) * group_bytes
        })
        .chain([0, (groups - 1) * group_bytes])
        .collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// The order in which files are read: marked first, then oldest, then by path.
pub fn reading_order(a: &(ShelfEntry, bool), b: &(ShelfEntry, bool)) -> std::cmp::Ordering {
    b.1.cmp(&a.1).then(a.0.modified_ms.cmp(&b.0.modified_ms)).then(a.0.path.cmp(&b.0.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grid::PartGrid;
    use crate::domain::recorder::{Importance, SourcePath};

    fn entry(size: u64, time: &str) -> ShelfEntry {
        ShelfEntry { path: SourcePath::new("a.mp4"), size_bytes: size, modified_raw: time.into(), modified_ms: Some(0) }
    }

    fn digest(n: u8) -> Blake3 {
        Blake3([n; 32])
    }

    fn row(local: Local, size: u64, time: &str) -> ClipRow {
        let sealed = local != Local::Copying;
        ClipRow {
            clip: ClipId::generate(size as i64),
            recorder: "r".into(),
            path: SourcePath::new("a.mp4"),
            local,
            declared_bytes: Some(size),
            modified_raw: time.into(),
            modified_ms: None,
            disposed_ms: None,
            role: "clip".into(),
            importance: Importance::Normal,
            grid: PartGrid::Growing,
            durable_bytes: if sealed { size } else { size / 2 },
            durable_blake3: (!sealed).then(|| digest(9)),
            size_bytes: sealed.then_some(size),
            blake3: sealed.then(|| digest(size as u8)),
            sha256: None,
            sm3: None,
            sealed_ms: None,
            sealed_seq: None,
            supersedes: None,
            quarantine: None,
            record_rev: 0,
            record_stale: true,
            created_ms: 0,
            holes: Vec::new(),
            resume_check: None,
            isolated_ms: None,
        }
    }

    #[test]
    fn decisions() {
        let e = entry(10, "t");
        let sealed = row(Local::Sealed, 10, "t");
        let copying = row(Local::Copying, 10, "t");
        let damaged = row(Local::Damaged, 10, "t");
        let held = ClipRow { quarantine: Some("other bytes".into()), ..row(Local::Copying, 10, "t") };
        let table: [(&[ClipRow], Option<ClipId>, Plan); 11] = [
            (std::slice::from_ref(&damaged), Some(damaged.clip), Plan::Copy),
            (std::slice::from_ref(&held), Some(held.clip), Plan::Copy),
            (&[held.clone(), sealed.clone()], None, Plan::Compare(sealed.clip)),
            (&[], None, Plan::Copy),
            (std::slice::from_ref(&sealed), None, Plan::Compare(sealed.clip)),
            (&[row(Local::Evicted, 10, "t")], None, Plan::Copy),
            (&[row(Local::Damaged, 10, "t")], None, Plan::Copy),
            (&[row(Local::Sealed, 8, "t")], None, Plan::Copy),
            (&[row(Local::Sealed, 10, "u")], None, Plan::Copy),
            (
                std::slice::from_ref(&copying),
                Some(copying.clip),
                Plan::Resume(copying.clip, Prefix { bytes: 5, blake3: digest(9) }),
            ),
            (std::slice::from_ref(&sealed), Some(sealed.clip), Plan::Nothing(sealed.clip)),
        ];
        for (known, sighted, wanted) in table {
            let found = plan(&e, known, sighted);
            // Ids are random; compare what kind of plan it is, and the id where the table holds the same row.
            assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&wanted), "{known:?}");
            if let (Plan::Resume(_, a), Plan::Resume(_, b)) = (&found, &wanted) {
                assert_eq!(a, b);
            }
        }
        assert_eq!(leftovers(&e, &[row(Local::Copying, 8, "t"), copying]).len(), 1);
    }

    #[test]
    fn growth_is_told_by_bytes_not_by_names() {
        let old = row(Local::Sealed, 8, "t");
        let same = [Prefix { bytes: 8, blake3: digest(8) }];
        let other = [Prefix { bytes: 8, blake3: digest(1) }];
        assert_eq!(prefixes_wanted(&entry(10, "u"), std::slice::from_ref(&old)), [8]);
        assert_eq!(grew_from(std::slice::from_ref(&old), &same, 10), Some(old.clip));
        assert_eq!(grew_from(std::slice::from_ref(&old), &other, 10), None, "a recorder that reuses names");
        let leftover = row(Local::Copying, 8, "t");
        assert!(contained(&leftover, &[Prefix { bytes: 4, blake3: digest(9) }]));
        assert!(!contained(&leftover, &[Prefix { bytes: 4, blake3: digest(1) }]));
    }

    #[test]
    fn samples_cover_head_and_tail_and_stay_inside() {
        for size in [0u64, 1, 16_384, 16_385, 1 << 20, 5 << 30] {
            for seed in [0, 1, u64::MAX, 0xdead_beef_1234_5678] {
                let s = samples(size, 16_384, 10, seed);
                assert!(s.len() <= 10 && s.iter().all(|o| *o < size), "{size}");
                if size > 0 {
                    assert_eq!(s[0], 0);
                    assert_eq!(*s.last().unwrap(), (size - 1) / 16_384 * 16_384);
                }
            }
        }
    }

    #[test]
    fn marked_first_then_oldest() {
        let mut files = [(entry(1, "b"), false), (entry(2, "a"), true)];
        files.sort_by(reading_order);
        assert!(files[0].1);
    }
}
