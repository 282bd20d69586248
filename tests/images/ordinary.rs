//! Disks that are in order, and what recorders write on them: everything is listed with its size and time, every byte
//! is the one that was put. The file systems' own checkers agree that the disks are in order, and mtools reads the same.

use std::io::Read;
use std::process::Command;

use evidock::domain::ports::Shelf;

use super::image::{Canvas, Content, Form, Stamp, dir, exfat, fat, file, files_of, noon, tables};
use super::*;

/// What recorders have on them, and some of what nobody expects.
fn usual(kind: Kind) -> Vec<Node> {
    let long = "长".repeat(251) + ".mp4";
    let mut nodes = vec![
        dir(
            "DCIM",
            vec![
                dir(
                    "100MEDIA",
                    vec![
                        file("DSJ_A00001_110203_20260619_091200.mp4", footage(100_000, 1)),
                        file("现场检查 1.mp4", footage(5000, 2)),
                        file("🎥 emoji.mp4", footage(512, 3)),
                        file("-rf *.mp4", footage(4096, 4)),
                        file("evil\u{202e}4pm.exe", footage(4097, 5)),
                        file(&long, footage(10, 6)),
                        file("exactly13.mp4", footage(11, 7)),
                        file("exactly15chars.", footage(12, 8)),
                        // Systems hide such files; evidence is evidence.
                        file("hidden.mp4", footage(700, 9)).attributes(0x27),
                    ],
                ),
                dir("EMPTY", Vec::new()),
            ],
        ),
        file("empty.bin", Vec::new()),
        file("station_bind.ini", b"serial=A00001\r\n".as_slice()).modified(Stamp::new(2026, 1, 2, 3, 4, 6)),
    ];
    if kind == Kind::Fat32 {
        nodes.push(file("WINDOWS MP4", footage(3000, 10)).short(b"NT4     MP4", 0));
    }
    nodes
}

/// The same nodes under the names by which they are listed.
fn as_listed(mut nodes: Vec<Node>) -> Vec<Node> {
    for node in &mut nodes {
        if let image::Name::Short(..) = node.name {
            *node = node.clone().named(&"NT4.MP4".encode_utf16().collect::<Vec<_>>());
        }
    }
    nodes
}

#[test]
fn everything_usual_is_read_right() {
    for kind in KINDS {
        let root = usual(kind);
        let (canvas, _) = disk(kind, &root);
        let docked = dock(&canvas);
        assert_in_order(kind, &docked.path);
        assert_has(&docked, kind, &as_listed(root));
        let told = docked.shelf.identity();
        let (word, label) = match kind {
            Kind::Fat32 => ("usb-fat", "DSJ001"),
            Kind::ExFat => ("usb-exfat", "执法001"),
        };
        assert_eq!((told.kind, told.volume_label.as_deref()), (word, Some(label)));
        assert_eq!(told.volume_id.as_deref(), Some("1234-ABCD"));
        assert_eq!(told.bay, "bay-1");
    }
}

#[test]
fn the_older_forms_of_fat_are_read_right() {
    for shape in [fat::Shape::fat12(), fat::Shape::fat16(), fat::Shape { sector_bytes: 4096, ..fat::Shape::fat32() }] {
        let root = usual(Kind::Fat32);
        let (canvas, _) = fat::disk(&shape, &root);
        let docked = dock(&canvas);
        assert_in_order(Kind::Fat32, &docked.path);
        assert_has(&docked, Kind::Fat32, &as_listed(root));
    }
}

#[test]
fn mtools_reads_the_same_from_fat() {
    let root = usual(Kind::Fat32);
    let (canvas, _) = disk(Kind::Fat32, &root);
    let docked = dock(&canvas);
    for path in
        ["DCIM/100MEDIA/DSJ_A00001_110203_20260619_091200.mp4", "DCIM/100MEDIA/现场检查 1.mp4", "station_bind.ini"]
    {
        let out = Command::new("mcopy")
            .args(["-i", docked.path.to_str().unwrap(), &format!("::/{path}"), "-"])
            .env("MTOOLS_SKIP_CHECK", "1")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("mtools is among the packages of `scripts/setup test`");
        assert!(out.status.success(), "{path}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(out.stdout == docked.whole(path), "{path}");
    }
}

#[test]
fn scattered_files_are_put_together() {
    for kind in KINDS {
        let root = vec![
            // Backwards, every other one, one far away, and one that is one piece and stands between them.
            file("backwards.mp4", footage(20_000, 1)).on((300..320).rev()),
            file("combed.mp4", footage(40_000, 2)).on((400..440).map(|c| c * 2 - 400)),
            file("far.mp4", footage(9_000, 3)).on([1990, 100, 1991, 50, 1992, 51, 1993, 52, 1994]),
            dir("scattered", (0..200).map(|n| file(&format!("录像 {n:04}.mp4"), footage(100 + n, n as u64))).collect())
                .on((700..760).rev()),
            file("one.mp4", footage(300_000, 4)),
        ];
        let mut root = root;
        if kind == Kind::ExFat {
            // As many as the sizes need, so that the checker agrees.
            root[0].on = Some(vec![320, 310, 300, 319, 301]);
            root[1].on = Some((400..410).map(|c| c * 2 - 400).collect());
            root[2].on = Some(vec![1990, 50, 1980]);
            let slots: usize = 200 * 3;
            root[3].on = Some((700..).take((slots * 32).div_ceil(4096)).map(|c| 1500 - c).collect());
        } else {
            root[3].on = Some((700..).take(((2 + 200 * 2) * 32usize).div_ceil(1024)).map(|c| 1500 - c).collect());
        }
        let (canvas, _) = disk(kind, &root);
        let docked = dock(&canvas);
        assert_in_order(kind, &docked.path);
        assert_has(&docked, kind, &root);
    }
}

#[test]
fn files_without_a_chain_and_bytes_never_written_are_exfat_s_own() {
    let root = vec![
        file("together.mp4", footage(50_000, 1)).together(),
        dir("d", vec![file("in.mp4", footage(5000, 2)).together()]).together(),
        file("half.mp4", footage(50_000, 3)).valid(20_001),
        file("half together.mp4", footage(50_000, 4)).together().valid(4096),
        file("nothing written.mp4", footage(9000, 5)).valid(0),
        file("scattered half.mp4", footage(12_000, 6)).on([900, 800, 850]).valid(8193),
    ];
    let (canvas, _) = disk(Kind::ExFat, &root);
    let docked = dock(&canvas);
    assert_in_order(Kind::ExFat, &docked.path);
    assert_has(&docked, Kind::ExFat, &root);
}

#[test]
fn a_table_that_holds_rubbish_of_a_file_without_a_chain_plays_no_part() {
    let root = vec![file("together.mp4", footage(50_000, 1)).on(500..513).together(), file("b.mp4", footage(9000, 2))];
    let (mut canvas, volume) = disk(Kind::ExFat, &root);
    for (n, rubbish) in [0xffff_fff7, 2, 0xffff_ffff, 1, 500, 7_000_000].into_iter().enumerate() {
        volume.link(&mut canvas, 500 + n as u32, rubbish);
    }
    assert_has(&dock(&canvas), Kind::ExFat, &root);
}

#[test]
fn a_file_of_more_than_four_gibibytes() {
    const LEN: u64 = (4 << 30) + 300_001;
    let cluster = 128u64 << 10;
    let shape = exfat::Shape { cluster_bytes: 128 << 10, clusters: 40_000, ..exfat::Shape::small() };
    let mark = |at: u64| (at, footage(5000, at));
    let marks = [0, cluster - 100, (2 << 30) - 17, (4 << 30) - 2500, LEN - 5000].map(mark).to_vec();
    let parts = LEN.div_ceil(cluster) as u32;
    for together in [true, false] {
        let mut node = file("long.mp4", Content::Sparse(LEN, marks.clone()));
        node.together = together;
        // In two pieces the other way round where it has a chain.
        node.on = Some(if together {
            (100..100 + parts).collect()
        } else {
            (20_000..20_000 + parts / 2).chain(100..101 + parts / 2).collect()
        });
        if !together {
            node.on.as_mut().unwrap().truncate(parts as usize);
        }
        let (canvas, _) = exfat::disk(&shape, &[node, file("after.mp4", footage(9000, 9))]);
        let docked = dock(&canvas);
        assert_in_order(Kind::ExFat, &docked.path);
        assert_eq!(by_path(&docked.list())["long.mp4"].size_bytes, LEN);
        for (at, bytes) in &marks {
            let mut reader = docked.shelf.open(&SourcePath::new("long.mp4"), *at).unwrap();
            let mut read = vec![0; 5000];
            reader.read_exact(&mut read).unwrap();
            assert!(read == *bytes, "at {at}");
        }
        // The whole of it once, with the bytes between the marks.
        if together {
            let mut reader = docked.shelf.open(&SourcePath::new("long.mp4"), 0).unwrap();
            let (mut buf, mut at, zeros) = (vec![0u8; 1 << 20], 0u64, vec![0u8; 1 << 20]);
            loop {
                let n = reader.read(&mut buf).unwrap();
                if n == 0 {
                    break;
                }
                let touched = marks.iter().any(|(m, b)| *m < at + n as u64 && at < m + b.len() as u64);
                if touched {
                    let mut expected = vec![0; n];
                    for (i, byte) in expected.iter_mut().enumerate() {
                        let here = at + i as u64;
                        let mark = marks.iter().find(|(m, b)| *m <= here && here < m + b.len() as u64);
                        *byte = mark.map_or(0, |(m, b)| b[(here - m) as usize]);
                    }
                    assert!(buf[..n] == expected, "at {at}");
                } else {
                    assert!(buf[..n] == zeros[..n], "at {at}");
                }
                at += n as u64;
            }
            assert_eq!(at, LEN);
        }
        assert!(docked.whole("after.mp4") == footage(9000, 9));
    }
}

#[test]
fn the_largest_file_of_fat32() {
    const LEN: u64 = u32::MAX as u64;
    let shape = fat::Shape { sectors_per_cluster: 128, clusters: 70_000, ..fat::Shape::fat32() };
    let marks = vec![(0, footage(3000, 1)), (LEN - 3000, footage(3000, 2))];
    let (canvas, _) = fat::disk(&shape, &[file("max.avi", Content::Sparse(LEN, marks.clone()))]);
    // dosfstools counts the bytes of its 65,536 clusters in 32 bits, gets zero and has no use here.
    let docked = dock(&canvas);
    assert_eq!(by_path(&docked.list())["max.avi"].size_bytes, LEN);
    let (end, error) = docked.read(b"max.avi", LEN - 3000);
    assert!(error.is_none() && end == marks[1].1, "{error:?}");
    assert!(docked.read(b"max.avi", LEN).0.is_empty());
}

#[test]
fn partitioned_disks() {
    const MIB: u64 = 1 << 20;
    let first = [file("a.mp4", footage(5000, 1))];
    let second = [file("a.mp4", footage(6000, 2)), file("b.mp4", footage(7000, 3))];
    let (fat_bytes, exfat_bytes) = (fat::Shape::fat32().bytes(), exfat::Shape::small().bytes());
    let (fat_at, exfat_at) = (MIB, (MIB + fat_bytes).next_multiple_of(MIB));
    let sectors = |bytes: u64| (bytes / 512) as u32;
    let build = || {
        let mut canvas = Canvas::new(exfat_at + exfat_bytes + 4 * MIB);
        fat::build(&mut canvas, &fat::Shape { start: fat_at, ..fat::Shape::fat32() }, &first);
        exfat::build(&mut canvas, &exfat::Shape { start: exfat_at, ..exfat::Shape::small() }, &second);
        canvas
    };
    let (fat_row, exfat_row) =
        ((0x0c, sectors(fat_at), sectors(fat_bytes)), (0x07, sectors(exfat_at), sectors(exfat_bytes)));
    /// What writes a partition table.
    type Form<'a> = &'a dyn Fn(&mut Canvas);
    let forms: [(&str, Form<'_>); 4] = [
        ("mbr", &|c| tables::mbr(c, &[fat_row, exfat_row])),
        ("mbr with a gap", &|c| tables::mbr(c, &[(0, 0, 0), fat_row, (0, 0, 0), exfat_row])),
        ("gpt", &|c| {
            let ends = |(_, at, n): (u8, u32, u32)| (u64::from(at), u64::from(at + n) - 1);
            tables::gpt(c, &[ends(fat_row), ends(exfat_row)]);
        }),
        ("extended", &|c| {
            let table = sectors(fat_at) - 64;
            tables::mbr(c, &[(0x0f, table, sectors(exfat_at + exfat_bytes) - table)]);
            let next = sectors(exfat_at) - 1;
            tables::extended(c, table, &[(table, fat_row), (next, exfat_row)]);
        }),
    ];
    for (word, partition) in forms {
        let mut canvas = build();
        partition(&mut canvas);
        let docked = dock(&canvas);
        let listing = docked.list();
        assert_eq!(listing.unreadable, [], "{word}");
        let listed = by_path(&listing);
        let expected = ["a.mp4", "volume-2/a.mp4", "volume-2/b.mp4"];
        assert_eq!(listed.keys().collect::<Vec<_>>(), expected, "{word}");
        assert_file(&docked, Kind::Fat32, &listed["a.mp4"], &first[0]);
        assert_file(&docked, Kind::ExFat, &listed["volume-2/a.mp4"], &second[0]);
        assert_file(&docked, Kind::ExFat, &listed["volume-2/b.mp4"], &second[1]);
        assert_eq!(docked.shelf.identity().kind, "usb-fat");
    }
    // The main table of a GPT is gone; its copy stands.
    let mut canvas = build();
    tables::gpt(&mut canvas, &[(fat_row.1.into(), u64::from(fat_row.1 + fat_row.2) - 1)]);
    canvas.write(512, &[0; 512]);
    assert_eq!(by_path(&dock(&canvas).list()).keys().collect::<Vec<_>>(), ["a.mp4"]);
}

#[test]
fn times_at_the_edges() {
    let stamps = [
        ("first", Stamp::new(1980, 1, 1, 0, 0, 0)),
        ("last", Stamp::new(2107, 12, 31, 23, 59, 58)),
        ("leap", Stamp::new(2028, 2, 29, 12, 0, 0)),
        ("no such day", Stamp::new(2026, 2, 30, 1, 2, 4)),
        ("no month", Stamp { date: 0, ..noon() }),
        ("month 15", Stamp { date: 46 << 9 | 15 << 5 | 1, ..noon() }),
        ("hour 31", Stamp { time: 31 << 11 | 63 << 5 | 31, ..noon() }),
        ("nothing", Stamp { date: 0, time: 0, hundredths: 0, zone: 0 }),
        ("all", Stamp { date: 0xffff, time: 0xffff, hundredths: 0, zone: 0 }),
    ];
    let zones = [
        ("hundredths", noon().hundredths(50)),
        ("odd second", noon().hundredths(199)),
        ("utc", noon().quarters(0)),
        ("shanghai", noon().hundredths(50).quarters(32)),
        ("newfoundland", noon().quarters(-14)),
        ("kathmandu", noon().quarters(23)),
        ("far east", noon().quarters(63)),
        ("far west", noon().quarters(-64)),
        ("last in the west", Stamp::new(2107, 12, 31, 23, 59, 58).quarters(-64)),
        ("not valid", Stamp { zone: 0x20, ..noon() }),
    ];
    for kind in KINDS {
        let extra = if kind == Kind::ExFat { &zones[..] } else { &[] };
        let root: Vec<_> =
            stamps.iter().chain(extra).map(|(name, at)| file(name, footage(10, 1)).modified(*at)).collect();
        let (canvas, _) = disk(kind, &root);
        let docked = dock(&canvas);
        assert_has(&docked, kind, &root);
        let listed = by_path(&docked.list());
        for (name, at) in &stamps {
            assert_eq!(listed[*name].modified_ms, None, "{name}: {at:?} has no zone");
        }
        if kind == Kind::ExFat {
            // 2026-06-19 12:03:24.50 in Shanghai, and 3 h 30 min west of UTC.
            assert_eq!(listed["shanghai"].modified_ms, Some(1_781_841_804_500));
            assert_eq!(listed["newfoundland"].modified_ms, Some(1_781_841_804_000 + (8 * 60 + 210) * 60_000));
            assert_eq!(listed["not valid"].modified_ms, None);
        }
    }
}

#[test]
fn names_that_no_system_would_write_stay_apart() {
    let odd: Vec<Vec<u16>> = vec![
        vec![0xd83c, 0xdfa5],
        vec![0xd83c],
        vec![0xdfa5],
        vec![0xdfa5, 0xd83c],
        vec![u16::from(b'a'), u16::from(b'/'), u16::from(b'b')],
        vec![u16::from(b'a'), u16::from(b'\\'), u16::from(b'b')],
        vec![u16::from(b'\n')],
        vec![u16::from(b'.')],
        vec![u16::from(b'.'), u16::from(b'.')],
        vec![u16::from(b' ')],
        vec![0xffff],
        vec![0xfffe, 0x41],
        vec![0xfeff, 0x42],
        vec![u16::from(b'.'); 255],
        vec![0x202e; 255],
        vec![0xd800; 255],
    ];
    for kind in KINDS {
        let mut root: Vec<Node> = Vec::new();
        for (n, units) in odd.iter().enumerate() {
            // Each in a directory of its own, so that names which the builder cannot tell apart do not meet.
            root.push(dir(&format!("{n}"), vec![file("x", footage(700, n as u64)).named(units)]));
        }
        root.push(dir("together", odd.iter().take(1).map(|u| file("x", footage(9, 9)).named(u)).collect()));
        let (canvas, _) = disk(kind, &root);
        let docked = dock(&canvas);
        let listing = docked.list();
        assert_eq!(listing.unreadable, [], "{kind:?}");
        assert_eq!(listing.files.len(), root.len(), "{kind:?}");
        let mut names = std::collections::BTreeSet::new();
        for (n, odd) in odd.iter().enumerate() {
            let under = format!("{n}/").into_bytes();
            let entry = listing.files.iter().find(|e| e.path.as_bytes().starts_with(&under)).unwrap();
            let name = &entry.path.as_bytes()[under.len()..];
            assert!(!name.is_empty() && !name.contains(&b'/') && !name.contains(&0), "{kind:?}: {:?}", odd);
            assert!(name != b"." && name != b"..", "{kind:?}: {:?}", odd);
            assert!(names.insert(name.to_vec()), "{kind:?}: {:?} has the name of another", odd);
            let (bytes, error) = docked.read(entry.path.as_bytes(), 0);
            assert!(error.is_none() && bytes == footage(700, n as u64), "{kind:?}: {:?}: {error:?}", odd);
        }
    }
}

#[test]
fn wide_and_deep_directories() {
    for kind in KINDS {
        let wide = (0..3000).map(|n| file(&format!("录像 {n:05}.mp4"), footage(n % 3, n as u64))).collect();
        let mut deep = file("deep.mp4", footage(5000, 77));
        for n in (1..30).rev() {
            deep = dir(&format!("第{n}层"), vec![deep, file("beside.txt", footage(10, n))]);
        }
        let root = [dir("wide", wide), deep];
        let shape = exfat::Shape { clusters: 20_000, ..exfat::Shape::small() };
        let (canvas, _) = if kind == Kind::ExFat { exfat::disk(&shape, &root) } else { disk(kind, &root) };
        let docked = dock(&canvas);
        assert_in_order(kind, &docked.path);
        let listing = docked.list();
        assert_eq!(listing.unreadable, [], "{kind:?}");
        let (listed, put) = (by_path(&listing), files_of(&root));
        assert_eq!(listed.keys().collect::<Vec<_>>(), put.keys().collect::<Vec<_>>(), "{kind:?}");
        for (path, node) in put.iter().filter(|(path, _)| !path.starts_with("wide")) {
            assert_file(&docked, kind, &listed[path], node);
        }
        assert!(docked.whole("wide/录像 02999.mp4") == footage(2, 2999));
    }
}

#[test]
fn what_lies_deeper_than_is_listed_is_told() {
    for kind in KINDS {
        let mut deep = file("deep.mp4", footage(50, 77));
        for _ in 0..60 {
            deep = dir("d", vec![deep]);
        }
        let (canvas, _) = disk(kind, &[deep, file("a.mp4", footage(50, 1))]);
        let listing = dock(&canvas).list();
        assert_eq!(by_path(&listing).keys().collect::<Vec<_>>(), ["a.mp4"], "{kind:?}");
        assert_eq!(listing.unreadable.len(), 1, "{kind:?}: {:?}", listing.unreadable);
        assert!(listing.unreadable[0].path.to_text().starts_with("d/d/d/"), "{:?}", listing.unreadable);
    }
}

#[test]
fn names_of_windows_in_lower_case_and_of_other_code_pages() {
    let root = [
        file("1", footage(10, 1)).short(b"LOWER   MP4", 0x18),
        file("2", footage(10, 2)).short(b"BASE    MP4", 0x08),
        file("3", footage(10, 3)).short(b"EXT     MP4", 0x10),
        file("4", footage(10, 4)).short(b"NOEXT      ", 0),
        file("5", footage(10, 5)).short(b"\xd6\xb4\xb7\xa8    MP4", 0),
        // The first byte of a name that begins with E5 is written as 05.
        file("6", footage(10, 6)).short(b"\x05AB     MP4", 0),
        file("7", footage(10, 7)).short(b"A B     MP4", 0),
    ];
    for shape in [fat::Shape::fat12(), fat::Shape::fat32()] {
        assert!(shape.form != Form::ExFat);
        let (canvas, _) = fat::disk(&shape, &root);
        let docked = dock(&canvas);
        let listing = docked.list();
        assert_eq!(listing.unreadable, []);
        let names: [&[u8]; 7] =
            [b"lower.mp4", b"base.MP4", b"EXT.mp4", b"NOEXT", b"\xd6\xb4\xb7\xa8.MP4", b"\xe5AB.MP4", b"A B.MP4"];
        let listed: Vec<_> = listing.files.iter().map(|e| e.path.as_bytes()).collect();
        assert_eq!(listed, names);
        for (n, name) in names.iter().enumerate() {
            assert_eq!(docked.read(name, 0), (footage(10, n as u64 + 1), None));
        }
    }
}
