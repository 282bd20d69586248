//! Damage by chance: every bit of a file's records, and random changes to whatever a file system says of itself, drawn
//! from a seed. Whatever they do, the answer comes in bounded time and says only what can be: the right bytes, an error,
//! or other bytes of the same disk. The disks are the corpus of the fuzz target, too (`fuzz/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evidock::domain::ports::Shelf;
use evidock::runtime::clock::monotonic;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::exercise::{Seen, Sparse, exercise};
use super::image::{Canvas, Form, Volume, dir, exfat, fat, file, tables};
use super::*;

/// One disk of these takes milliseconds; this is a debug build on a busy machine, and less than for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// A small disk, and which of its sectors say what the rest means.
struct Seed {
    name: &'static str,
    canvas: Canvas,
    metadata: Vec<u64>,
}

fn tree(exfat: bool) -> Vec<Node> {
    let mut scattered = file("执法记录仪 0001 long enough for three records.mp4", footage(3 * 4096, 1));
    scattered.on = Some(if exfat { vec![40, 30, 35] } else { (60..84).rev().collect() });
    let mut inside = vec![file("🎥.mp4", footage(600, 2)), scattered, file("empty", Vec::new())];
    inside.extend((0..20).map(|n| file(&format!("{n}.txt"), footage(10, n))));
    let mut root = vec![dir("DCIM", vec![dir("100MEDIA", inside)]), file("station_bind.ini", footage(100, 3))];
    if exfat {
        root.push(file("together.mp4", footage(9000, 4)).together().valid(5000));
        root.push(dir("t", vec![file("x", footage(10, 5)).together()]).together());
    } else {
        root.push(file("x", footage(10, 4)).short(b"SHORT   MP4", 0x18));
    }
    root
}

fn seeds() -> Vec<Seed> {
    let small = exfat::Shape { clusters: 300, ..exfat::Shape::small() };
    let mut seeds = Vec::new();
    let mut add = |name, canvas: Canvas, volumes: &[Volume]| {
        let mut metadata = BTreeSet::from([0]);
        for v in volumes {
            metadata.insert(v.start / 512);
            let first = v.tables[0];
            metadata.extend((0..2).map(|n| first / 512 + n));
            let dirs = v.placed.iter().filter(|(path, p)| {
                p.records.is_empty() || v.placed.keys().any(|k| k.starts_with(&format!("{path}/")))
            });
            for (path, placed) in dirs {
                if path != exfat::UPCASE {
                    metadata.extend(placed.clusters.iter().map(|c| v.cluster_at(*c) / 512));
                }
            }
            if v.form == Form::Fat12 || v.form == Form::Fat16 {
                metadata.insert((v.heap - 512 * 32) / 512);
            }
        }
        if canvas.u16(510) == 0xaa55 && canvas.read(512, 8) == b"EFI PART" {
            metadata.extend([1, 2]);
        }
        seeds.push(Seed { name, canvas, metadata: metadata.into_iter().collect() });
    };
    let (canvas, v) = fat::disk(&fat::Shape::fat32(), &tree(false));
    add("fat32", canvas, &[v]);
    let (canvas, v) = fat::disk(&fat::Shape::fat16(), &tree(false));
    add("fat16", canvas, &[v]);
    let (canvas, v) = fat::disk(&fat::Shape::fat12(), &tree(false));
    add("fat12", canvas, &[v]);
    let (canvas, v) = exfat::disk(&small, &tree(true));
    add("exfat", canvas, &[v]);
    let shape = exfat::Shape { start: 64 * 512, ..small.clone() };
    let mut canvas = Canvas::new(shape.start + shape.bytes() + 64 * 512);
    let v = exfat::build(&mut canvas, &shape, &tree(true));
    tables::gpt(&mut canvas, &[(64, 64 + shape.bytes() / 512 - 1)]);
    add("exfat-gpt", canvas, &[v]);
    let shape = fat::Shape { start: 64 * 512, ..fat::Shape::fat12() };
    let (mut canvas, v) = fat::disk(&shape, &tree(false));
    tables::mbr(&mut canvas, &[(0x0f, 1, 20_000)]);
    tables::extended(&mut canvas, 1, &[(1, (0x01, 64, (shape.bytes() / 512) as u32))]);
    add("fat12-extended", canvas, &[v]);
    seeds
}

fn look(canvas: &Canvas) -> Option<Seen> {
    let sparse = Sparse::decode(&Sparse::encode(canvas.len(), canvas.sectors())).unwrap();
    let (bytes, read) = (sparse.bytes(), Arc::clone(&sparse.read));
    let begun = monotonic();
    let seen = exercise(Box::new(sparse), bytes).ok();
    assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    // Whatever it says, a disk of a few megabytes is not read for gigabytes of metadata.
    assert!(read.load(Ordering::Relaxed) < 1 << 30, "{} bytes were read", read.load(Ordering::Relaxed));
    seen
}

/// The bytes that pieces name.
fn content(canvas: &Canvas, file: &exercise::SeenFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in &file.pieces {
        match piece.disk {
            Some(at) => bytes.extend(canvas.read(at, piece.len as usize)),
            None => bytes.resize(bytes.len() + piece.len as usize, 0),
        }
    }
    bytes
}

/// Between one and eight changes to metadata: bits, bytes, numbers that mean something, a sector in another's place.
fn mutate(seed: &Seed, rng: &mut StdRng) -> Canvas {
    const NUMBERS: [u64; 14] = [
        0,
        1,
        2,
        3,
        0x7f,
        0xff,
        0x0fff_fff7,
        0x0fff_ffff,
        0x7fff_ffff,
        0xffff_fff7,
        0xffff_fffe,
        u32::MAX as u64,
        1 << 40,
        u64::MAX,
    ];
    let mut canvas = seed.canvas.clone();
    for _ in 0..rng.random_range(1..=8) {
        let sector = seed.metadata[rng.random_range(0..seed.metadata.len())] * 512;
        // Where there are already bytes, mostly: that is where the meaning is.
        let bytes = canvas.read(sector, 512);
        let used: Vec<usize> = (0..512).filter(|i| bytes[*i] != 0).collect();
        let at = match used.is_empty() || rng.random_ratio(1, 5) {
            true => rng.random_range(0..512),
            false => used[rng.random_range(0..used.len())],
        };
        match rng.random_range(0..10) {
            0..4 => canvas.write(sector + at as u64, &[bytes[at] ^ 1 << rng.random_range(0..8)]),
            4..6 => canvas.write(sector + at as u64, &[rng.random()]),
            6..9 => {
                let width = [2usize, 4, 8][rng.random_range(0..3)];
                let at = at / width * width;
                let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
                canvas.write(sector + at as u64, &number.to_le_bytes()[..width]);
            }
            _ => {
                let other = seed.metadata[rng.random_range(0..seed.metadata.len())] * 512;
                let bytes = canvas.read(other, 512);
                canvas.write(sector, &bytes);
            }
        }
    }
    // Half of the time the checksums are right again: who means harm computes them.
    if seed.name.starts_with("exfat") && rng.random_bool(0.5) {
        for sector in &seed.metadata {
            for slot in 0..16u64 {
                let at = sector * 512 + slot * 32;
                if canvas.byte(at) == 0x85 {
                    let records: Vec<u64> =
                        (0..=u64::from(canvas.byte(at + 1)).min(15 - slot)).map(|n| at + n * 32).collect();
                    exfat::seal(&mut canvas, &records);
                }
            }
        }
    }
    canvas
}

fn rounds(few: u64) -> u64 {
    if std::env::var_os("EVIDOCK_TEST_FULL").is_some() { few * 25 } else { few }
}

#[test]
fn chance_never_ends_the_parsers_nor_keeps_them() {
    let seeds = seeds();
    for seed in &seeds {
        let whole = look(&seed.canvas).unwrap();
        assert_eq!(whole.unreadable, [], "{}", seed.name);
        assert!(whole.files.len() >= 25 && whole.files.iter().all(|f| f.damage.is_none()), "{}", seed.name);
    }
    let runs = rounds(400);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let seeds = &seeds;
            scope.spawn(move || {
                for n in (worker..runs).step_by(2) {
                    for seed in seeds {
                        let mut rng = StdRng::seed_from_u64(n);
                        let canvas = mutate(seed, &mut rng);
                        let looked = std::panic::catch_unwind(|| look(&canvas));
                        assert!(looked.is_ok(), "seed {n} of {} above", seed.name);
                    }
                }
            });
        }
    });
}

#[test]
fn chance_never_takes_more_than_an_answer_from_whoever_reads() {
    let seeds: Vec<_> = seeds().into_iter().filter(|s| !s.name.starts_with("fat1")).collect();
    let runs = rounds(24);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let seeds = &seeds;
            scope.spawn(move || {
                for n in (worker..runs).step_by(2) {
                    for seed in seeds {
                        let canvas = mutate(seed, &mut StdRng::seed_from_u64(10_000 + n));
                        read_everything(&canvas, &format!("seed {n} of {}", seed.name));
                    }
                }
            });
        }
    });
}

/// Through the child and the daemon's own reads: a file that ends without an error has the bytes that it says.
fn read_everything(canvas: &Canvas, word: &str) {
    let begun = monotonic();
    let Ok(docked) = try_dock(canvas) else { return };
    let Ok(listing) = docked.shelf.list() else { return };
    for entry in &listing.files {
        let Ok(reader) = docked.shelf.open(&entry.path, 0) else { continue };
        let (mut bytes, most) = (Vec::new(), 8 << 20);
        let ended = reader.take(most).read_to_end(&mut bytes);
        if ended.is_ok() && (bytes.len() as u64) < most {
            // Two may have one name; then the one that was opened is either.
            let same = listing.files.iter().any(|e| e.path == entry.path && e.size_bytes == bytes.len() as u64);
            assert!(same, "{word}: {} has {} bytes, {} were read", entry.path, entry.size_bytes, bytes.len());
        }
    }
    assert!(begun.elapsed() < 3 * PATIENCE, "{word}: it took {:?}", begun.elapsed());
}

/// The file whose records are flipped, bit by bit.
const VICTIM: &str = "DCIM/100MEDIA/执法记录仪 0001 long enough for three records.mp4";

/// Every other file is where it was, or it is told by its name that it cannot be read.
fn assert_others_are_there(seen: &Seen, before: &Seen, word: &str) {
    for old in before.files.iter().filter(|f| f.path != VICTIM.as_bytes()) {
        let listed = seen.files.iter().any(|f| f.path == old.path && f.pieces == old.pieces);
        let told = seen.unreadable.iter().any(|(path, _)| *path == old.path);
        assert!(listed || told, "{word} took {}", String::from_utf8_lossy(&old.path));
    }
}

#[test]
fn no_flipped_bit_in_a_record_of_exfat_loses_a_file_in_silence() {
    let shape = exfat::Shape { clusters: 300, ..exfat::Shape::small() };
    let (canvas, volume) = exfat::disk(&shape, &tree(true));
    let before = look(&canvas).unwrap();
    let whole = footage(3 * 4096, 1);
    for at in &volume.at(VICTIM).records {
        for bit in 0..256u64 {
            let mut canvas = canvas.clone();
            let byte = at + bit / 8;
            canvas.write(byte, &[canvas.byte(byte) ^ 1 << (bit % 8)]);
            let seen = look(&canvas).unwrap();
            let right = seen.files.iter().any(|f| f.damage.is_none() && content(&canvas, f) == whole);
            assert!(
                right || !seen.unreadable.is_empty(),
                "bit {bit} of the record at {at} is lost in silence: {seen:?}"
            );
            assert_others_are_there(&seen, &before, &format!("bit {bit} of the record at {at}"));
        }
    }
}

#[test]
fn no_flipped_bit_in_a_record_of_fat_loses_a_file_in_silence() {
    let (canvas, volume) = fat::disk(&fat::Shape::fat12(), &tree(false));
    let before = look(&canvas).unwrap();
    let whole = footage(3 * 4096, 1);
    let records = &volume.at(VICTIM).records;
    for at in records {
        for bit in 0..256u64 {
            // FAT has no checksum: where the first cluster and the length stand, another number is another file.
            if Some(at) == records.last() && (20 * 8..22 * 8).contains(&bit)
                || bit >= 26 * 8 && Some(at) == records.last()
            {
                continue;
            }
            let mut canvas = canvas.clone();
            let byte = at + bit / 8;
            canvas.write(byte, &[canvas.byte(byte) ^ 1 << (bit % 8)]);
            let seen = look(&canvas).unwrap();
            let right = seen.files.iter().any(|f| f.damage.is_none() && content(&canvas, f) == whole);
            assert!(
                right || !seen.unreadable.is_empty(),
                "bit {bit} of the record at {at} is lost in silence: {seen:?}"
            );
            assert_others_are_there(&seen, &before, &format!("bit {bit} of the record at {at}"));
        }
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_is_read_as_the_disks_are() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-corpus");
    fs::create_dir_all(&dir).unwrap();
    for seed in seeds() {
        let input = Sparse::encode(seed.canvas.len(), seed.canvas.sectors());
        fs::write(dir.join(seed.name), &input).unwrap();
        let sparse = Sparse::decode(&input).unwrap();
        assert_eq!(sparse.bytes(), seed.canvas.len().next_multiple_of(512), "{}", seed.name);
        let bytes = sparse.bytes();
        let seen = exercise(Box::new(sparse), bytes).unwrap();
        assert_eq!((seen.files.len() >= 25, seen.unreadable.len()), (true, 0), "{}", seed.name);
        // The same with bad sectors.
        let mut worn = input;
        worn[4] = 1;
        let sparse = Sparse::decode(&worn).unwrap();
        let _ = exercise(Box::new(sparse), bytes);
    }
}
