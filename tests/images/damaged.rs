//! Disks that are not in order: worn, written over, half deleted, made to deceive. What is damaged is told, what is not
//! is read right, everything ends, and the end of a disk is never the end of a file.

use std::time::Duration;

use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::Shelf;
use evidock::runtime::clock::monotonic;

use super::image::{Canvas, Volume, dir, exfat, fat, file, noon, tables};
use super::*;

/// Far more than any of these disks takes on a busy machine, and less than for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Three files that nothing happens to, and what a test does its damage to: `d/victim.mp4` (10 clusters, scattered),
/// `d/after.mp4`, `sub/inner.mp4`.
fn plain(kind: Kind) -> (Vec<Node>, Canvas, Volume) {
    let cluster = if kind == Kind::Fat32 { 1024 } else { 4096 };
    let root = vec![
        file("first.mp4", footage(9000, 1)),
        dir(
            "d",
            vec![
                file("before.mp4", footage(9001, 2)),
                file("victim.mp4", footage(10 * cluster - 5, 3)).on([200, 210, 201, 211, 202, 212, 203, 213, 204, 214]),
                file("after.mp4", footage(9002, 4)),
            ],
        ),
        dir("sub", vec![file("inner.mp4", footage(9003, 5)), dir("sub2", vec![file("in2.mp4", footage(9004, 6))])]),
        file("last.mp4", footage(9005, 7)),
    ];
    let (canvas, volume) = disk(kind, &root);
    (root, canvas, volume)
}

/// Lists a damaged disk within its time. Everything but what stands below `but` is as it was put.
fn assert_others(canvas: &Canvas, kind: Kind, root: &[Node], but: &[&str]) -> (Docked, Listing) {
    let begun = monotonic();
    let docked = dock(canvas);
    let listing = docked.list();
    let listed = by_path(&listing);
    for (path, node) in image::files_of(root) {
        if !but.iter().any(|b| path.starts_with(b)) {
            let entry = listed.get(&path).unwrap_or_else(|| panic!("{kind:?}: {path} is missing: {listing:?}"));
            assert_file(&docked, kind, entry, &node);
        }
    }
    assert!(begun.elapsed() < PATIENCE, "{kind:?}: it took {:?}", begun.elapsed());
    (docked, listing)
}

/// Nobody can take this file for one that was read whole: it cannot be opened, or its reading ends in an error after
/// bytes that are its own.
fn assert_never_whole(docked: &Docked, path: &str, bytes: &[u8]) -> String {
    let (read, error) = docked.read(path.as_bytes(), 0);
    let error = error.unwrap_or_else(|| panic!("{path} was read to its end, {} of {} bytes", read.len(), bytes.len()));
    assert!(read.len() < bytes.len() && bytes.starts_with(&read), "{path}: {} bytes that are not its own", read.len());
    error
}

fn told(listing: &Listing, path: &str) -> Vec<String> {
    let of = listing.unreadable.iter().filter(|u| String::from_utf8_lossy(u.path.as_bytes()).starts_with(path));
    of.map(|u| u.reason.clone()).collect()
}

/// The first cluster of what a record describes.
fn point(canvas: &mut Canvas, volume: &Volume, path: &str, cluster: u32) {
    let records = volume.at(path).records.clone();
    if volume.form == image::Form::ExFat {
        canvas.write(records[1] + 20, &cluster.to_le_bytes());
        exfat::seal(canvas, &records);
    } else {
        canvas.write(records.last().unwrap() + 20, &((cluster >> 16) as u16).to_le_bytes());
        canvas.write(records.last().unwrap() + 26, &(cluster as u16).to_le_bytes());
    }
}

#[test]
fn a_chain_that_goes_wrong_ends_in_an_error_and_not_in_a_file() {
    for kind in KINDS {
        let (root, canvas, volume) = plain(kind);
        let cluster = volume.cluster_bytes as usize;
        let (end, bad) = volume.end_and_bad();
        let first = volume.at("first.mp4").clusters[0];
        // What follows the fourth of the ten clusters.
        let table = [
            ("ends too early", end),
            ("is free there", 0),
            ("is reserved", 1),
            ("is bad", bad),
            ("is outside", volume.clusters + 2),
            ("is far outside", 0x0fff_fff0),
            ("is itself", 211),
            ("is its beginning", 200),
            ("belongs to another", first),
        ];
        for (word, next) in table {
            let mut canvas = canvas.clone();
            volume.link(&mut canvas, 211, next);
            let (docked, listing) = assert_others(&canvas, kind, &root, &["d/victim.mp4"]);
            let whole = footage(10 * cluster - 5, 3);
            let listed = by_path(&listing);
            if let Some(entry) = listed.get("d/victim.mp4") {
                assert_eq!(entry.size_bytes, whole.len() as u64);
            } else {
                assert!(!told(&listing, "d/victim.mp4").is_empty(), "{kind:?}: {word}: {listing:?}");
            }
            let (read, error) = docked.read(b"d/victim.mp4", 0);
            match word {
                // Another file's chain, as far as it goes: nothing in the file system says whose it is.
                "belongs to another" => assert!(error.is_some() || read.len() == whole.len()),
                // What was recorded stands in the first four clusters; how often a loop was gone round before it is
                // noticed is open.
                "is itself" | "is its beginning" => {
                    assert!(error.is_some() && read.len() < whole.len(), "{kind:?}: {word}: {} bytes", read.len());
                    assert!(
                        read.len() >= 4 * cluster && read[..4 * cluster] == whole[..4 * cluster],
                        "{kind:?}: {word}"
                    );
                }
                _ => {
                    assert_never_whole(&docked, "d/victim.mp4", &whole);
                    assert_eq!(read.len(), 4 * cluster, "{kind:?}: {word}");
                }
            }
        }
    }
}

#[test]
fn a_first_cluster_that_is_none() {
    for kind in KINDS {
        let (root, canvas, volume) = plain(kind);
        let whole = footage(10 * volume.cluster_bytes as usize - 5, 3);
        for cluster in [0, 1, volume.clusters + 2, 0x0fff_fff7, 0x0fff_ffff] {
            let mut canvas = canvas.clone();
            point(&mut canvas, &volume, "d/victim.mp4", cluster);
            let (docked, listing) = assert_others(&canvas, kind, &root, &["d/victim.mp4"]);
            let listed = by_path(&listing).contains_key("d/victim.mp4");
            assert!(listed || !told(&listing, "d/victim.mp4").is_empty(), "{kind:?} {cluster}: {listing:?}");
            assert_never_whole(&docked, "d/victim.mp4", &whole);
        }
    }
}

#[test]
fn a_chain_longer_than_its_file_gives_the_file() {
    for kind in KINDS {
        let (root, mut canvas, volume) = plain(kind);
        volume.chain(&mut canvas, &[214, 1000, 1001, 1002]);
        assert_others(&canvas, kind, &root, &[]);
    }
}

#[test]
fn files_that_share_clusters_are_both_read_as_they_stand() {
    for kind in KINDS {
        let (root, mut canvas, volume) = plain(kind);
        let first = volume.at("first.mp4").clusters.clone();
        point(&mut canvas, &volume, "d/after.mp4", first[0]);
        let (docked, _) = assert_others(&canvas, kind, &root, &["d/after.mp4"]);
        // 9,002 bytes of a chain that has room for them: the bytes of the first file, then what lies behind it.
        let (read, error) = docked.read(b"d/after.mp4", 0);
        assert!(error.is_some() || read.len() == 9002);
        assert!(read[..9000.min(read.len())] == footage(9000, 1)[..9000.min(read.len())]);
    }
}

#[test]
fn directories_that_lead_round_end_and_are_told() {
    for kind in KINDS {
        let (root, canvas, volume) = plain(kind);
        let cluster_of = |path: &str| volume.at(path).clusters[0];
        // What `sub/sub2` is, and what `sub` is.
        let loops: [(&str, Vec<(&str, u32)>); 5] = [
            ("itself", vec![("sub/sub2", cluster_of("sub/sub2"))]),
            ("its parent", vec![("sub/sub2", cluster_of("sub"))]),
            ("the root", vec![("sub/sub2", cluster_of(""))]),
            ("another", vec![("sub/sub2", cluster_of("d"))]),
            ("each other", vec![("sub", cluster_of("sub/sub2")), ("sub/sub2", cluster_of("sub"))]),
        ];
        for (word, points) in loops {
            let mut canvas = canvas.clone();
            for (path, cluster) in &points {
                point(&mut canvas, &volume, path, *cluster);
            }
            if word == "itself" {
                // Its only file becomes a directory, which is its own.
                point(&mut canvas, &volume, "sub/sub2/in2.mp4", cluster_of("sub/sub2"));
                let records = volume.at("sub/sub2/in2.mp4").records.clone();
                if kind == Kind::ExFat {
                    canvas.write(records[0] + 4, &[0x10]);
                    canvas.write(records[1] + 8, &4096u64.to_le_bytes());
                    canvas.write(records[1] + 24, &4096u64.to_le_bytes());
                    exfat::seal(&mut canvas, &records);
                } else {
                    canvas.write(records.last().unwrap() + 11, &[0x10]);
                }
            }
            let (_, listing) = assert_others(&canvas, kind, &root, &["sub", "d"]);
            let listed = by_path(&listing);
            // Whatever the tree has become: each file stands at most at one place, and a loop is told.
            assert!(listed.len() <= 7, "{kind:?}: {word}: {listed:?}");
            let expected = if word == "each other" { 0 } else { 1 };
            assert!(listing.unreadable.len() >= expected, "{kind:?}: {word}: {listing:?}");
        }
    }
}

#[test]
fn a_directory_whose_chain_goes_wrong_is_told_and_the_rest_is_read() {
    for kind in KINDS {
        let cluster = if kind == Kind::Fat32 { 1024usize } else { 4096 };
        let per_file = if kind == Kind::Fat32 { 2 } else { 3 };
        let count = 4 * cluster / 32 / per_file;
        let files = (0..count).map(|n| file(&format!("{n:06}.mp4"), footage(50, n as u64))).collect();
        let root = [file("first.mp4", footage(9000, 1)), dir("big", files).on([300, 310, 301, 311, 302])];
        let (canvas, volume) = disk(kind, &root);
        let (end, bad) = volume.end_and_bad();
        let table = [("ends", end), ("free", 0), ("bad", bad), ("outside", volume.clusters + 2), ("loop", 300)];
        for (word, next) in table {
            let mut canvas = canvas.clone();
            volume.link(&mut canvas, 310, next);
            let (_, listing) = assert_others(&canvas, kind, &root, &["big"]);
            let listed = by_path(&listing).keys().filter(|p| p.starts_with("big")).count();
            assert!(listed > 0 && listed < count, "{kind:?}: {word}: {listed} of {count}");
            // FAT does not say how long a directory is: an end is an end.
            if (kind, word) != (Kind::Fat32, "ends") {
                assert!(!told(&listing, "big").is_empty(), "{kind:?}: {word}: {:?}", listing.unreadable);
            }
        }
    }
}

#[test]
fn half_deleted_files_of_exfat_are_told() {
    let (root, canvas, volume) = plain(Kind::ExFat);
    let records = volume.at("d/victim.mp4").records.clone();
    let flip = |canvas: &mut Canvas, at: u64, bit: u8| canvas.write(at, &[canvas.byte(at) ^ bit]);
    // The three records: file, stream, name. Deleting one clears the high bit of its type.
    let table: [(&str, &[usize]); 6] = [
        ("the first", &[0]),
        ("the second", &[1]),
        ("the third", &[2]),
        ("the first two", &[0, 1]),
        ("the last two", &[1, 2]),
        ("the outer ones", &[0, 2]),
    ];
    for (word, gone) in table {
        let mut canvas = canvas.clone();
        gone.iter().for_each(|n| flip(&mut canvas, records[*n], 0x80));
        let (_, listing) = assert_others(&canvas, Kind::ExFat, &root, &["d/victim.mp4"]);
        assert!(!by_path(&listing).contains_key("d/victim.mp4"), "{word}");
        assert!(!told(&listing, "d").is_empty(), "{word}: {listing:?}");
    }
    // All of them: that is a deletion, and nothing to tell.
    let mut deleted = canvas.clone();
    records.iter().for_each(|at| flip(&mut deleted, *at, 0x80));
    let (_, listing) = assert_others(&deleted, Kind::ExFat, &root, &["d/victim.mp4"]);
    assert!(listing.unreadable.is_empty() && !by_path(&listing).contains_key("d/victim.mp4"), "{listing:?}");
}

#[test]
fn records_of_exfat_that_contradict_themselves_are_told() {
    let (root, canvas, volume) = plain(Kind::ExFat);
    let records = volume.at("d/victim.mp4").records.clone();
    // Where, what, and whether somebody took the pains of a right checksum.
    let table: [(&str, u64, &[u8], bool); 15] = [
        ("a bit of the checksum", records[0] + 2, &[canvas.byte(records[0] + 2) ^ 1], false),
        ("a bit of the time", records[0] + 12, &[canvas.byte(records[0] + 12) ^ 1], false),
        ("a bit of the length", records[1] + 24, &[canvas.byte(records[1] + 24) ^ 1], false),
        ("a bit of the name", records[2] + 2, &[canvas.byte(records[2] + 2) ^ 1], false),
        ("no further records", records[0] + 1, &[0], true),
        ("one further record", records[0] + 1, &[1], true),
        ("255 further records", records[0] + 1, &[255], true),
        ("no name", records[1] + 3, &[0], true),
        ("a name longer than its records", records[1] + 3, &[255], true),
        ("written beyond its length", records[1] + 8, &u64::MAX.to_le_bytes(), true),
        ("a length beyond the volume", records[1] + 24, &(1u64 << 40).to_le_bytes(), true),
        ("the greatest length", records[1] + 24, &u64::MAX.to_le_bytes(), true),
        ("no clusters allowed", records[1] + 1, &[0], true),
        ("a stream that is none", records[1], &[0xc2], true),
        ("a name that is none", records[2], &[0xe1], true),
    ];
    for (word, at, bytes, sealed) in table {
        let mut canvas = canvas.clone();
        canvas.write(at, bytes);
        if sealed {
            exfat::seal(&mut canvas, &records);
        }
        let (docked, listing) = assert_others(&canvas, Kind::ExFat, &root, &["d/victim.mp4"]);
        let listed = by_path(&listing);
        if !told(&listing, "d").is_empty() {
            continue;
        }
        // It may be listed as what it says; but nothing that is not there is read to its end.
        assert!(sealed, "{word}: {listing:?}");
        let Some(entry) = listed.get("d/victim.mp4") else { panic!("{word}: left out in silence: {listing:?}") };
        let (read, error) = docked.read(entry.path.as_bytes(), 0);
        let damaged = error.is_some() && (read.len() as u64) < entry.size_bytes;
        assert!(damaged || read == footage(10 * 4096 - 5, 3), "{word}: {} bytes were read", read.len());
    }
}

#[test]
fn a_file_without_a_chain_that_does_not_fit_the_volume_is_never_whole() {
    let bytes = footage(50_000, 1);
    let root =
        [file("a.mp4", footage(9000, 2)), file("long.mp4", bytes.clone()).on(1990..2002).together().valid(50_000)];
    // 50,000 bytes take 13 clusters; 12 are left to the volume's end.
    let shape = exfat::Shape::small();
    let mut fitting = root.to_vec();
    fitting[1].on = Some((1980..1993).collect());
    let (mut canvas, volume) = exfat::disk(&shape, &fitting);
    point(&mut canvas, &volume, "long.mp4", 1990);
    let (docked, listing) = assert_others(&canvas, Kind::ExFat, &fitting, &["long.mp4"]);
    let (read, error) = docked.read(b"long.mp4", 0);
    assert!(error.is_some() && read.len() < bytes.len(), "{} bytes, {listing:?}", read.len());
}

#[test]
fn deleted_files_of_fat_and_long_names_without_a_file() {
    let (root, canvas, volume) = plain(Kind::Fat32);
    let records = volume.at("d/victim.mp4").records.clone();
    let short = *records.last().unwrap();
    // Deleted whole: not listed, nothing to tell.
    let mut deleted = canvas.clone();
    records.iter().for_each(|at| deleted.write(*at, &[0xe5]));
    let (_, listing) = assert_others(&deleted, Kind::Fat32, &root, &["d/victim.mp4"]);
    assert!(listing.unreadable.is_empty(), "{listing:?}");
    assert_eq!(by_path(&listing).len(), 6);
    // The short record is gone and the long name left: FAT deletes in that order, and it is no file.
    let mut half = canvas.clone();
    half.write(short, &[0xe5]);
    let (_, listing) = assert_others(&half, Kind::Fat32, &root, &["d/victim.mp4"]);
    assert_eq!(by_path(&listing).len(), 6, "{listing:?}");
    // The long name is gone, or does not belong to it: the file is there under its short name, with its bytes.
    let whole = footage(10 * 1024 - 5, 3);
    let damages: [(&str, u64, u8); 5] = [
        ("long record deleted", records[0], 0xe5),
        ("checksum", records[0] + 13, canvas.byte(records[0] + 13) ^ 0x55),
        ("order", records[0], 0x43),
        ("not the last", records[0], 0x01),
        ("attribute", records[0] + 11, 0x08),
    ];
    for (word, at, byte) in damages {
        let mut canvas = canvas.clone();
        canvas.write(at, &[byte]);
        let (docked, listing) = assert_others(&canvas, Kind::Fat32, &root, &["d/victim.mp4"]);
        let listed = by_path(&listing);
        let named: Vec<_> = listed.keys().filter(|p| p.starts_with("d/N0000")).collect();
        assert_eq!(named, ["d/N00001~1.MP4"], "{word}: {listing:?}");
        assert!(docked.whole("d/N00001~1.MP4") == whole, "{word}");
    }
}

#[test]
fn records_of_fat_that_contradict_themselves_are_told_or_end_in_an_error() {
    let (root, canvas, volume) = plain(Kind::Fat32);
    let short = volume.at("d/victim.mp4").last();
    let whole = footage(10 * 1024 - 5, 3);
    // Longer than its clusters.
    for size in [11 * 1024u32, u32::MAX] {
        let mut canvas = canvas.clone();
        canvas.write(short + 28, &size.to_le_bytes());
        let (docked, listing) = assert_others(&canvas, Kind::Fat32, &root, &["d/victim.mp4"]);
        // More than the volume has room for is no length; then it is told, and not listed.
        let listed = by_path(&listing).get("d/victim.mp4").map(|e| e.size_bytes);
        let named = !told(&listing, "d/victim.mp4").is_empty();
        assert!(listed == Some(u64::from(size)) || size == u32::MAX && named, "{size}: {listing:?}");
        let (read, error) = docked.read(b"d/victim.mp4", 0);
        assert!(error.is_some(), "{size}");
        assert!(read.starts_with(&whole) || whole.starts_with(&read));
    }
    // A volume label among the files that has what only files have, and a directory in the place of a file.
    let mut label = canvas.clone();
    label.write(short + 11, &[0x28]);
    let (_, listing) = assert_others(&label, Kind::Fat32, &root, &["d/victim.mp4"]);
    assert!(!told(&listing, "d/victim.mp4").is_empty(), "{listing:?}");
    let mut as_dir = canvas.clone();
    as_dir.write(short + 11, &[0x10]);
    let (_, listing) = assert_others(&as_dir, Kind::Fat32, &root, &["d/victim.mp4"]);
    assert!(!told(&listing, "d/victim.mp4").is_empty(), "a directory of rubbish is told: {:?}", listing.unreadable);
}

#[test]
fn a_name_that_comes_twice_is_told() {
    for kind in KINDS {
        let (root, canvas, volume) = {
            let root =
                vec![file("aa.mp4", footage(9000, 1)), file("ab.mp4", footage(9100, 2)), file("c.mp4", footage(5, 3))];
            let (canvas, volume) = disk(kind, &root);
            (root, canvas, volume)
        };
        let mut canvas = canvas;
        let records = volume.at("ab.mp4").records.clone();
        // The second unit of the name.
        let at = if kind == Kind::ExFat { records[2] + 4 } else { records[0] + 3 };
        assert_eq!(canvas.byte(at), b'b');
        canvas.write(at, b"a");
        if kind == Kind::ExFat {
            exfat::seal(&mut canvas, &records);
        }
        let docked = dock(&canvas);
        let listing = docked.list();
        // Either both can be reached, or it is told that one cannot.
        let named = listing.files.iter().filter(|e| e.path.as_bytes() == b"aa.mp4").count();
        let others = listing.files.len() - named;
        assert!(listing.files.iter().any(|e| e.path.as_bytes() == b"c.mp4"));
        assert!(named <= 1, "{kind:?}: one path twice is one file to whoever copies: {listing:?}");
        assert!(others == 2 || !listing.unreadable.is_empty(), "{kind:?}: one is missing in silence: {listing:?}");
        let (read, error) = docked.read(b"aa.mp4", 0);
        assert!(error.is_some() || read == footage(9000, 1) || read == footage(9100, 2));
        let _ = root;
    }
}

#[test]
fn a_disk_that_ends_in_the_middle_never_gives_a_whole_file() {
    for kind in KINDS {
        let root = [
            file("first.mp4", footage(9000, 1)),
            file("victim.mp4", footage(100_000, 2))
                .on(1000..1000 + 100_000u32.div_ceil(if kind == Kind::ExFat { 4096 } else { 1024 })),
            file("last.mp4", footage(9005, 3)),
        ];
        let (canvas, volume) = disk(kind, &root);
        let begin = volume.cluster_at(1000);
        for cut in [begin + 50_000, begin + 50_176, begin + 1, begin, begin + 99_999] {
            let mut canvas = canvas.clone();
            canvas.cut(cut);
            // Not to be read at all is an answer, too; to list it without a word would not be.
            let Ok(docked) = try_dock(&canvas) else { continue };
            let listing = docked.list();
            let listed = by_path(&listing);
            assert!(listed.contains_key("victim.mp4") || !listing.unreadable.is_empty());
            assert_never_whole(&docked, "victim.mp4", &footage(100_000, 2));
            for (path, node) in image::files_of(&root[..1]) {
                assert_file(&docked, kind, &listed[&path], &node);
            }
            for offset in [0, 49_999, 50_000, 60_000, 99_999] {
                let (read, error) = docked.read(b"victim.mp4", offset);
                assert!(error.is_some() && offset as usize + read.len() < 100_000, "{kind:?} {cut} {offset}");
            }
        }
        // A disk that is cut after it was docked was pulled: the same, and worth another try.
        let docked = dock(&canvas);
        let file = std::fs::File::options().write(true).open(&docked.path).unwrap();
        let mut reader = docked.shelf.open(&SourcePath::new("victim.mp4"), 0).unwrap();
        file.set_len(begin + 50_000).unwrap();
        let mut bytes = Vec::new();
        let ended = reader.read_to_end(&mut bytes);
        assert!(ended.is_err(), "{kind:?}: {} bytes", bytes.len());
        match docked.shelf.open(&SourcePath::new("victim.mp4"), 0) {
            Ok(mut reader) => drop(reader.read_to_end(&mut Vec::new()).unwrap_err()),
            Err(error) => assert_eq!(error.retry(), Retry::Transient, "{kind:?}: {error:?}"),
        }
    }
}

#[test]
fn boot_sectors_that_lie_are_refused_and_nobody_is_harmed() {
    for kind in KINDS {
        let (_, canvas, volume) = plain(kind);
        // Field, width, values.
        let fields: &[(u64, usize)] = match kind {
            Kind::Fat32 => {
                &[(11, 2), (13, 1), (14, 2), (16, 1), (17, 2), (19, 2), (22, 2), (32, 4), (36, 4), (44, 4), (48, 2)]
            }
            Kind::ExFat => &[
                (64, 8),
                (72, 8),
                (80, 4),
                (84, 4),
                (88, 4),
                (92, 4),
                (96, 4),
                (104, 2),
                (106, 2),
                (108, 1),
                (109, 1),
                (110, 1),
            ],
        };
        for (at, width) in fields {
            for value in [0u64, 1, 2, 3, 7, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX / 2, u64::MAX] {
                let mut canvas = canvas.clone();
                let bytes = value.to_le_bytes();
                canvas.write(volume.start + at, &bytes[..*width]);
                if kind == Kind::ExFat {
                    exfat::seal_boot(&mut canvas, &exfat::Shape::small());
                }
                let begun = monotonic();
                let sparse =
                    exercise::Sparse::decode(&exercise::Sparse::encode(canvas.len(), canvas.sectors())).unwrap();
                let len = sparse.bytes();
                let _ = exercise::exercise(Box::new(sparse), len);
                assert!(begun.elapsed() < PATIENCE, "{kind:?}: {at} = {value:#x} took {:?}", begun.elapsed());
            }
        }
    }
}

#[test]
fn copies_of_what_stood_there_before_hide_nothing() {
    let old = [file("old.mp4", footage(5000, 9))];
    let new = [file("new.mp4", footage(5000, 1))];
    let (old_fat, _) = disk(Kind::Fat32, &old);
    let (old_exfat, _) = disk(Kind::ExFat, &old);
    let with = |canvas: &mut Canvas, start: u64, old: &Canvas, sectors: std::ops::Range<u64>| {
        for n in sectors {
            canvas.write(start + n * 512, &old.read(n * 512, 512));
        }
    };
    // A card that was sold with exFAT, formatted as FAT32 by its recorder: the copy of the boot region lies where FAT32
    // has nothing.
    let (mut canvas, _) = disk(Kind::Fat32, &new);
    with(&mut canvas, 0, &old_exfat, 12..24);
    let (docked, listing) = assert_others(&canvas, Kind::Fat32, &new, &[]);
    assert_eq!((listing.files.len(), listing.unreadable.len()), (1, 0), "{listing:?}");
    assert_eq!(docked.shelf.identity().kind, "usb-fat");
    // The same in a partition; the disk itself was a FAT32 volume and an exFAT volume before it was partitioned.
    let shape = fat::Shape { start: 1 << 20, ..fat::Shape::fat32() };
    let (mut canvas, _) = fat::disk(&shape, &new);
    with(&mut canvas, shape.start, &old_exfat, 12..24);
    with(&mut canvas, 0, &old_fat, 6..8);
    with(&mut canvas, 0, &old_exfat, 12..24);
    tables::mbr(&mut canvas, &[(0x0c, 2048, (shape.bytes() / 512) as u32)]);
    let (_, listing) = assert_others(&canvas, Kind::Fat32, &new, &[]);
    assert_eq!((listing.files.len(), listing.unreadable.len()), (1, 0), "{listing:?}");
    // exFAT where FAT32 was.
    let (mut canvas, _) = disk(Kind::ExFat, &new);
    canvas.write(6 * 512, &old_fat.read(6 * 512, 512));
    exfat::seal_boot(&mut canvas, &exfat::Shape::small());
    let (_, listing) = assert_others(&canvas, Kind::ExFat, &new, &[]);
    assert_eq!((listing.files.len(), listing.unreadable.len()), (1, 0), "{listing:?}");
}

#[test]
fn files_behind_an_early_end_of_their_directory_are_told() {
    for kind in KINDS {
        let (root, canvas, volume) = plain(kind);
        // One byte, and a whole sector that was erased by the medium.
        let records = volume.at("d/victim.mp4").records.clone();
        let mut one = canvas.clone();
        one.write(records[0], &[0]);
        let (_, listing) = assert_others(&one, kind, &root, &["d/"]);
        assert!(by_path(&listing).contains_key("d/before.mp4"), "{kind:?}: {listing:?}");
        assert!(!told(&listing, "d/after.mp4").is_empty(), "{kind:?}: {:?}", listing.unreadable);
        let many = dir("m", (0..60).map(|n| file(&format!("{n}.mp4"), footage(50, n))).collect());
        let (mut canvas, volume) = disk(kind, &[file("first.mp4", footage(9000, 1)), many]);
        let at = volume.at("m").clusters[0];
        canvas.write(volume.cluster_at(at) + 512, &[0; 512]);
        let docked = dock(&canvas);
        let listing = docked.list();
        let (listed, lost) = (by_path(&listing).len() - 1, told(&listing, "m/").len());
        assert!(listed > 0 && lost >= 30, "{kind:?}: {listed} listed, {lost} told of 60");
    }
}

#[test]
fn a_loop_in_a_chain_is_noticed_whatever_the_length_of_the_file() {
    for kind in KINDS {
        let cluster = if kind == Kind::Fat32 { 1024usize } else { 4096 };
        for count in 2..12usize {
            for back in 0..count - 1 {
                let clusters: Vec<u32> = (0..count as u32).map(|n| 200 + 2 * n).collect();
                let bytes = footage(count * cluster - 3, count as u64);
                let root = [file("victim.mp4", bytes.clone()).on(clusters.clone())];
                let (mut canvas, volume) = disk(kind, &root);
                // The last cluster but one leads back: the last one is a copy of an earlier one.
                volume.link(&mut canvas, clusters[count - 2], clusters[back]);
                let sparse =
                    exercise::Sparse::decode(&exercise::Sparse::encode(canvas.len(), canvas.sectors())).unwrap();
                let len = sparse.bytes();
                let seen = exercise::exercise(Box::new(sparse), len).unwrap();
                let file = &seen.files[0];
                let known: u64 = file.pieces.iter().map(|p| p.len).sum();
                assert!(file.damage.is_some(), "{kind:?}: {back} of {count}: {file:?}");
                assert_eq!(known, (count as u64 - 1) * cluster as u64, "{kind:?}: {back} of {count}");
            }
        }
    }
}

#[test]
fn recordings_that_were_cut_off_before_their_length_was_written_are_told() {
    for kind in KINDS {
        let (root, mut canvas, volume) = plain(kind);
        let records = volume.at("d/victim.mp4").records.clone();
        if kind == Kind::ExFat {
            canvas.write(records[1] + 8, &[0; 8]);
            canvas.write(records[1] + 24, &[0; 8]);
            exfat::seal(&mut canvas, &records);
        } else {
            canvas.write(records.last().unwrap() + 28, &[0; 4]);
        }
        let (_, listing) = assert_others(&canvas, kind, &root, &["d/victim.mp4"]);
        assert!(!told(&listing, "d/victim.mp4").is_empty(), "{kind:?}: {listing:?}");
        assert!(!by_path(&listing).contains_key("d/victim.mp4"), "it is no empty file");
    }
}

#[test]
fn a_boot_sector_that_is_gone_is_told() {
    for kind in KINDS {
        let (_, mut canvas, _) = plain(kind);
        canvas.write(0, &[0; 512]);
        // The copy may stand in for it; an empty recorder in silence it is not.
        match try_dock(&canvas) {
            Ok(docked) => {
                let listing = docked.list();
                assert!(listing.files.len() == 7 || !listing.unreadable.is_empty(), "{kind:?}: {listing:?}");
            }
            Err(error) => assert_ne!(error.retry(), Retry::Transient, "{kind:?}: {error:?}"),
        }
    }
}

#[test]
fn partition_tables_that_lie() {
    let shape = fat::Shape { start: 1 << 20, ..fat::Shape::fat32() };
    let root = [file("a.mp4", footage(5000, 1))];
    let (canvas, _) = fat::disk(&shape, &root);
    let count = (shape.bytes() / 512) as u32;
    let right = (0x0c, 2048, count);
    let tables: [(&str, Vec<tables::Partition>); 6] = [
        ("beyond the end", vec![right, (0x0c, u32::MAX - 1, u32::MAX)]),
        ("the same twice", vec![right, right]),
        ("one around the other", vec![right, (0x0c, 1, u32::MAX)]),
        ("longer than the disk", vec![(0x0c, 2048, u32::MAX)]),
        ("the table itself", vec![right, (0x05, 0, u32::MAX)]),
        ("an extended one in nothing", vec![right, (0x0f, 5000, 1)]),
    ];
    for (word, rows) in tables {
        let mut canvas = canvas.clone();
        tables::mbr(&mut canvas, &rows);
        let begun = monotonic();
        let docked = dock(&canvas);
        let listed = by_path(&docked.list());
        assert!(begun.elapsed() < PATIENCE, "{word}");
        assert_file(&docked, Kind::Fat32, &listed["a.mp4"], &root[0]);
    }
    // A chain of logical partitions that comes back to itself.
    let mut canvas = canvas.clone();
    tables::mbr(&mut canvas, &[right, (0x05, 100, 1000)]);
    tables::extended(&mut canvas, 100, &[(100, (0x0c, 164, 10)), (200, (0x0c, 264, 10))]);
    tables::extended(&mut canvas, 100, &[(200, (0x0c, 264, 10)), (100, (0x0c, 164, 10))]);
    let docked = dock(&canvas);
    assert_file(&docked, Kind::Fat32, &by_path(&docked.list())["a.mp4"], &root[0]);
}

#[test]
fn a_disk_of_nothing_or_of_noise_is_refused() {
    let mut noise = Canvas::new(4 << 20);
    noise.write(0, &footage(4 << 20, 5));
    let mut marked = noise.clone();
    marked.write(510, &[0x55, 0xaa]);
    for canvas in [Canvas::new(0), Canvas::new(511), Canvas::new(512), Canvas::new(4 << 20), noise, marked] {
        let begun = monotonic();
        let error = try_dock(&canvas).err().expect("no recorder");
        assert!(begun.elapsed() < PATIENCE);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn an_exfat_directory_that_claims_the_whole_volume_ends() {
    // Directories without chains that lie over each other and over the files, each claiming as much as there may be.
    let dirs = (0..100).map(|n| dir(&format!("{n}"), vec![file("x.mp4", footage(10, n))]).together()).collect();
    let root = [file("first.mp4", footage(9000, 1)), dir("dirs", dirs)];
    let (mut canvas, volume) = exfat::disk(&exfat::Shape::small(), &root);
    for n in 0..100 {
        let records = volume.at(&format!("dirs/{n}")).records.clone();
        for at in [8, 24] {
            canvas.write(records[1] + at, &(1990u64 * 4096 - 400_000).to_le_bytes());
        }
        exfat::seal(&mut canvas, &records);
    }
    let (_, listing) = assert_others(&canvas, Kind::ExFat, &root, &["dirs"]);
    assert!(listing.files.len() >= 2);
    let _ = noon();
}
