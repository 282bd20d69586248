//! Recorders that speak MTP: the conformance suite, and what only a hostile or an odd recorder does. The program's own
//! reader runs in its sandbox; the recorder is our own, behind a socket in place of a USB device.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod recorder;
#[path = "../shelf_conformance/mod.rs"]
mod shelf_conformance;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use evidock::domain::ids::ClipId;
use evidock::domain::ports::{EraseProof, Shelf, SourceError};
use evidock::domain::recorder::{Listing, ShelfIdentity, SourcePath};
use evidock::source::usb::mtp::{MtpShelf, NoStorage};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recorder::{
    Content, DELETE, End, GET_HANDLES, GET_INFO, GET_OBJECT, PARTIAL, PARTIAL64, PROP_VALUE, Recorder, Reply, STORAGE,
    made_up,
};
use shelf_conformance::Bed;

const TIME: &str = "20260619T100324";

fn dock_as(recorder: &Recorder, read_only: bool) -> Result<MtpShelf, SourceError> {
    let bus = ShelfIdentity { bay: "3".into(), port: Some("1-4.2".into()), ..ShelfIdentity::default() };
    MtpShelf::with_program(PathBuf::from(env!("CARGO_BIN_EXE_evidock")), recorder.plug_in(), bus, read_only)
}

fn dock(recorder: &Recorder) -> MtpShelf {
    dock_as(recorder, false).unwrap()
}

fn path(text: &str) -> SourcePath {
    SourcePath::new(text.as_bytes())
}

fn these(bytes: &[u8]) -> Content {
    Content::These(bytes.to_vec())
}

fn read(shelf: &MtpShelf, at: &str, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    shelf.open(&path(at), offset).map_err(io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn files(listing: &Listing) -> BTreeSet<String> {
    listing.files.iter().map(|e| e.path.to_text()).collect()
}

fn unreadable(listing: &Listing) -> Vec<String> {
    listing.unreadable.iter().map(|u| format!("{}: {}", u.path, u.reason)).collect()
}

fn proof(at: &str, size_bytes: u64) -> EraseProof {
    EraseProof { clip: ClipId::generate(1_781_834_604_000), path: path(at), size_bytes, intent_seq: 1 }
}

// ---------------------------------------------------------------------------------------------
// Conformance

struct MtpBed(Recorder);

impl MtpBed {
    fn new() -> Self {
        let recorder = Recorder::new();
        recorder.state().zone = "Z";
        Self(recorder)
    }

    fn time(ms: i64) -> String {
        jiff::Timestamp::from_millisecond(ms).unwrap().strftime("%Y%m%dT%H%M%S").to_string()
    }
}

impl Bed for MtpBed {
    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(dock(&self.0))
    }

    fn read_only(&self) -> Arc<dyn Shelf> {
        Arc::new(dock_as(&self.0, true).unwrap())
    }

    fn put(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        self.0.put(std::str::from_utf8(path).unwrap(), these(bytes), "", &Self::time(modified_ms));
    }

    fn append(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        let handle = self.0.find(std::str::from_utf8(path).unwrap());
        let mut state = self.0.state();
        let object = state.objects.get_mut(&handle).unwrap();
        let Content::These(content) = &mut object.bytes else { panic!("made up") };
        content.extend_from_slice(bytes);
        object.modified = Self::time(modified_ms);
    }

    fn remove(&self, path: &[u8]) {
        let handle = self.0.find(std::str::from_utf8(path).unwrap());
        self.0.state().objects.remove(&handle);
    }

    fn pull(&self) {
        self.0.pull();
    }

    fn can_name(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| name.encode_utf16().count() <= 254)
    }
}

#[test]
fn a_recorder_that_speaks_mtp_is_a_shelf() {
    shelf_conformance::run(MtpBed::new);
}

// ---------------------------------------------------------------------------------------------
// Recorders differ

#[test]
fn what_it_says_of_itself_is_kept_and_its_clock() {
    let recorder = Recorder::new();
    recorder.state().clock = Some("20260619T100324");
    let told = dock(&recorder).identity();
    assert_eq!((told.kind, told.bay.as_str(), told.port.as_deref()), ("mtp", "3", Some("1-4.2")));
    assert_eq!((told.serial.as_deref(), told.product.as_deref()), (Some("SN-1"), Some("Acme Recorder")));
    assert_eq!((told.volume_label.as_deref(), told.volume_id.as_deref()), (Some("Internal storage"), Some("00010001")));
    assert_eq!(told.clock.unwrap().0, "2026-06-19T10:03:24");
}

#[test]
fn times_without_a_zone_are_local_ones() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"x"), "", TIME);
    let entry = dock(&recorder).list().unwrap().files.remove(0);
    assert_eq!((entry.modified_raw.as_str(), entry.modified_ms), ("local 2026-06-19T10:03:24", None));
}

#[test]
fn every_habit_of_listing_gives_the_same_files() {
    type Habit = fn(&mut recorder::State);
    let habits: [Habit; 7] = [
        |_| {},
        |s| s.root_marker = u32::MAX,
        |s| s.root_marker = STORAGE,
        |s| s.root_lists_all = true,
        |s| s.refuses_all_ones = true,
        |s| {
            s.root_lists_all = true;
            s.root_marker = STORAGE;
        },
        |s| s.end = End::Merged,
    ];
    let wanted: BTreeSet<String> = ["a.mp4", "DCIM/100MEDIA/b.mp4", "DCIM/c.mp4", "空/d"].map(String::from).into();
    for (n, habit) in habits.into_iter().enumerate() {
        let recorder = Recorder::new();
        for name in &wanted {
            recorder.put(name, these(name.as_bytes()), "", TIME);
        }
        habit(&mut recorder.state());
        let shelf = dock(&recorder);
        let listing = shelf.list().unwrap();
        assert_eq!((files(&listing), unreadable(&listing)), (wanted.clone(), vec![]), "habit {n}");
        for name in &wanted {
            assert_eq!(read(&shelf, name, 0).unwrap(), name.as_bytes(), "habit {n}");
        }
        // Found without a listing, too.
        let fresh = dock(&recorder);
        assert_eq!(fresh.stat(&path("DCIM/100MEDIA/b.mp4")).unwrap().unwrap().size_bytes, 19, "habit {n}");
        assert_eq!(fresh.stat(&path("b.mp4")).unwrap(), None, "habit {n}");
    }
}

#[test]
fn several_storages_come_first_in_the_path() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"1"), "", TIME);
    let other = recorder.put("b.mp4", these(b"2"), "", TIME);
    {
        let mut state = recorder.state();
        state.storages = vec![(STORAGE, "Internal"), (0x0002_0001, "SD/卡"), (0x0003_0000, "empty slot")];
        state.objects.get_mut(&other).unwrap().storage = 0x0002_0001;
    }
    let shelf = dock(&recorder);
    let wanted: BTreeSet<String> = ["Internal/a.mp4", "SD%2F卡/b.mp4"].map(String::from).into();
    assert_eq!(files(&shelf.list().unwrap()), wanted);
    assert_eq!(read(&dock(&recorder), "SD%2F卡/b.mp4", 0).unwrap(), b"2");
}

#[test]
fn reading_gives_the_same_bytes_whatever_the_recorder_can() {
    let film: Vec<u8> = (0..3_500_000).map(made_up).collect();
    type Habit = fn(&mut recorder::State);
    let habits: [Habit; 6] = [
        |_| {},
        |s| s.end = End::Merged,
        |s| s.longest_piece = 65_536 - 12,
        |s| s.operations.retain(|o| *o != PARTIAL64),
        |s| s.operations.retain(|o| *o != PARTIAL64 && *o != PARTIAL),
        |s| {
            s.operations.retain(|o| *o != PARTIAL64 && *o != PARTIAL);
            s.end = End::Merged;
        },
    ];
    for (n, habit) in habits.into_iter().enumerate() {
        let recorder = Recorder::new();
        recorder.put("film.mp4", these(&film), "", TIME);
        // Data that fills its packets, and its transfers, to the last byte.
        let sizes = [512 - 12, 65_536 - 12, 262_144 - 12, 1 << 20];
        for size in sizes {
            recorder.put(&format!("{size}"), these(&film[..size]), "", TIME);
        }
        habit(&mut recorder.state());
        let shelf = dock(&recorder);
        assert!(read(&shelf, "film.mp4", 0).unwrap() == film, "habit {n}");
        for offset in [1, 1 << 20, 3_499_999, 3_500_000] {
            assert!(read(&shelf, "film.mp4", offset).unwrap() == film[offset as usize..], "habit {n} from {offset}");
        }
        for size in sizes {
            assert!(read(&shelf, &format!("{size}"), 0).unwrap() == film[..size], "habit {n}, {size} bytes");
        }
    }
}

#[test]
fn any_piece_of_a_file_is_read_right() {
    let recorder = Recorder::new();
    let size = 2_600_000u64;
    recorder.put("film.mp4", Content::Sparse(size), "", TIME);
    recorder.state().longest_piece = 300_000;
    let shelf = dock(&recorder);
    let cases = (0..=size, proptest::collection::vec(1usize..400_000, 1..12));
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&cases, |(offset, pieces)| {
            let mut reader = shelf.open(&path("film.mp4"), offset).unwrap();
            let mut at = offset;
            for piece in pieces {
                let mut buf = vec![0; piece];
                let n = reader.read(&mut buf).unwrap();
                prop_assert!(n > 0 || at == size);
                for byte in &buf[..n] {
                    prop_assert_eq!(*byte, made_up(at));
                    at += 1;
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn files_beyond_four_gigabytes_are_listed_and_read() {
    let recorder = Recorder::new();
    let size = (5u64 << 30) + 17;
    recorder.put("long.mp4", Content::Sparse(size), "", TIME);
    let shelf = dock(&recorder);
    assert_eq!(shelf.list().unwrap().files[0].size_bytes, size);
    let offset = size - 3_000_000;
    let tail = read(&shelf, "long.mp4", offset).unwrap();
    assert!(tail.iter().zip(offset..).all(|(byte, at)| *byte == made_up(at)));
    assert_eq!(tail.len(), 3_000_000);
}

#[test]
fn a_length_that_is_not_told_is_told_to_people() {
    let recorder = Recorder::new();
    recorder.put("long.mp4", Content::Sparse(5 << 30), "", TIME);
    recorder.state().operations.retain(|o| *o != PROP_VALUE);
    let listing = dock(&recorder).list().unwrap();
    assert!(listing.files.is_empty());
    assert!(unreadable(&listing)[0].contains("4 GiB"), "{:?}", unreadable(&listing));
}

#[test]
fn files_of_one_name_are_all_there_and_none_is_erased() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"second"), "20260619T110000", TIME);
    recorder.put("a.mp4", these(b"first!"), "20260619T100000", TIME);
    let shelf = dock(&recorder);
    let told = files(&shelf.list().unwrap());
    assert_eq!(told.len(), 2);
    assert_eq!(read(&shelf, "a.mp4", 0).unwrap(), b"first!");
    let other = told.iter().find(|t| t.as_str() != "a.mp4").unwrap();
    assert_eq!(read(&shelf, other, 0).unwrap(), b"second");
    for name in &told {
        assert!(matches!(shelf.erase(&proof(name, 6)), Err(SourceError::Unsupported(_))));
    }
    assert_eq!(recorder.state().objects.len(), 2);
}

#[test]
fn handles_that_change_between_docks_change_no_path() {
    let names = |first: &str, second: &str| {
        let recorder = Recorder::new();
        for created in [first, second] {
            recorder.put("d/a.mp4", these(created.as_bytes()), created, TIME);
        }
        let shelf = dock(&recorder);
        let told = files(&shelf.list().unwrap());
        told.into_iter().map(|name| (read(&shelf, &name, 0).unwrap(), name)).collect::<BTreeSet<_>>()
    };
    assert_eq!(names("20260101T000000", "20260202T000000"), names("20260202T000000", "20260101T000000"));
}

// ---------------------------------------------------------------------------------------------
// Waiting, leaving, stopping

#[test]
fn a_locked_recorder_waits_and_is_not_empty() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"x"), "", TIME);
    recorder.state().storages = vec![(0x0001_0000, "slot")];
    assert!(NoStorage::is_why(&dock_as(&recorder, true).err().unwrap()));
    recorder.state().storages = vec![(STORAGE, "Internal")];
    let shelf = dock(&recorder);
    recorder.state().storages.clear();
    assert!(NoStorage::is_why(&shelf.list().unwrap_err()), "locked meanwhile: that is no empty recorder");
    recorder.state().storages = vec![(STORAGE, "Internal")];
    recorder.hook(|operation, _| (operation == GET_HANDLES).then_some(Reply::Plain(None, 0x2013)));
    assert!(shelf.list().is_err(), "a root that cannot be listed is no empty recorder");
}

#[test]
fn pulled_in_the_middle_of_a_file_it_is_gone_and_no_shorter() {
    let recorder = Recorder::new();
    recorder.put("film.mp4", Content::Sparse(8 << 20), "", TIME);
    let shelf = dock(&recorder);
    let mut reader = shelf.open(&path("film.mp4"), 0).unwrap();
    let mut buf = vec![0; 1 << 20];
    reader.read_exact(&mut buf).unwrap();
    recorder.pull();
    let mut at = 1u64 << 20;
    let error = loop {
        match reader.read(&mut buf) {
            Ok(0) => panic!("a pulled recorder is no end of a file"),
            Ok(n) => {
                assert!(buf[..n].iter().zip(at..).all(|(byte, at)| *byte == made_up(at)));
                at += n as u64;
            }
            Err(e) => break e,
        }
    };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NODEV.raw_os_error()), "{error}");
    assert!(matches!(shelf.list(), Err(SourceError::Gone(_))));
}

#[test]
fn a_silent_recorder_is_an_error_and_comes_back() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"still here"), "", TIME);
    let shelf = dock(&recorder);
    shelf.list().unwrap();
    let mut silent = 1;
    recorder.hook(move |operation, _| {
        silent -= i32::from(operation == PARTIAL64);
        (operation == PARTIAL64 && silent >= 0).then_some(Reply::Silence)
    });
    let silence = read(&shelf, "a.mp4", 0).unwrap_err();
    assert!(silence.to_string().contains("nothing came"), "{silence}");
    assert_eq!(read(&shelf, "a.mp4", 0).unwrap(), b"still here");
}

#[test]
fn a_recorder_that_was_left_in_the_middle_is_opened() {
    for times in [1, 2] {
        let recorder = Recorder::new();
        recorder.put("a.mp4", these(b"x"), "", TIME);
        let mut left = times;
        recorder.hook(move |operation, _| {
            left -= i32::from(operation == 0x1002);
            // The rest of what somebody asked for before us.
            (operation == 0x1002 && left >= 0).then(|| Reply::Raw(vec![vec![7; 4096]]))
        });
        assert_eq!(read(&dock(&recorder), "a.mp4", 0).unwrap(), b"x", "{times}");
    }
}

#[test]
fn a_bad_place_takes_little_with_it() {
    let recorder = Recorder::new();
    let (size, bad) = (4u64 << 20, (2u64 << 20) + 100_000);
    recorder.put("film.mp4", Content::Sparse(size), "", TIME);
    recorder.hook(move |operation, p| {
        let (from, len) = (u64::from(*p.get(1)?) | u64::from(*p.get(2)?) << 32, u64::from(*p.get(3)?));
        (operation == PARTIAL64 && (from..from + len).contains(&bad)).then_some(Reply::Plain(None, 0x2002))
    });
    let shelf = dock(&recorder);
    let mut reader = shelf.open(&path("film.mp4"), 0).unwrap();
    let (mut at, mut buf) = (0u64, vec![0; 1 << 20]);
    let error = loop {
        match reader.read(&mut buf) {
            Ok(n) => {
                assert!(n > 0 && buf[..n].iter().zip(at..).all(|(byte, at)| *byte == made_up(at)));
                at += n as u64;
            }
            Err(e) => break e,
        }
    };
    assert!(at <= bad && bad - at < 4096, "read up to {at}, bad at {bad}");
    assert!(error.to_string().contains("GeneralError"), "{error}");
    let behind = read(&shelf, "film.mp4", bad + 1).unwrap();
    assert_eq!(behind.len() as u64, size - bad - 1);
}

#[test]
fn erasing_looks_twice() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"proven"), "", TIME);
    recorder.put("b.mp4", these(b"proven"), "", TIME);
    let shelf = dock(&recorder);
    recorder.hook(|operation, _| (operation == DELETE).then_some(Reply::Plain(None, 0x2001)));
    let error = shelf.erase(&proof("a.mp4", 6)).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("has it still"), "{error:?}");
    recorder.hook(|_, _| None);
    // The name is another file's by now.
    let handle = recorder.find("a.mp4");
    shelf.list().unwrap();
    recorder.state().objects.get_mut(&handle).unwrap().bytes = these(b"proven!");
    assert!(matches!(shelf.erase(&proof("a.mp4", 6)), Err(SourceError::Changed(_))));
    shelf.erase(&proof("b.mp4", 6)).unwrap();
    let deletes: Vec<Vec<u32>> =
        recorder.state().asked.iter().filter(|(op, _)| *op == DELETE).map(|(_, p)| p.clone()).collect();
    assert_eq!(deletes.len(), 2);
    assert!(deletes.iter().all(|p| p[0] != u32::MAX && p[0] != 0));
}

// ---------------------------------------------------------------------------------------------
// Lies

#[test]
fn a_tree_that_loops_ends() {
    let recorder = Recorder::new();
    recorder.put("a/b/c.mp4", these(b"x"), "", TIME);
    let (a, b) = (recorder.find("a"), recorder.find("a/b"));
    recorder.hook(move |operation, p| {
        // The inner folder holds the outer one, itself, and the root's marks.
        let inside = [4u32, a, b, 0, u32::MAX].into_iter().flat_map(u32::to_le_bytes).collect();
        (operation == GET_HANDLES && p[2] == b).then_some(Reply::Plain(Some(inside), 0x2001))
    });
    let listing = dock(&recorder).list().unwrap();
    assert!(listing.files.is_empty());
    let told = unreadable(&listing);
    assert!(told.iter().all(|t| t.starts_with("a/b/object") && t.contains("reserved")), "{told:?}");
}

#[test]
fn a_tree_without_an_end_ends() {
    let recorder = Recorder::new();
    // Every folder holds a new folder and a new file.
    recorder.hook(|operation, p| match operation {
        GET_HANDLES => {
            let n = if p[2] == u32::MAX { 0 } else { p[2] };
            Some(Reply::Plain(Some([2, n + 2, n + 3].into_iter().flat_map(u32::to_le_bytes).collect()), 0x2001))
        }
        GET_INFO => {
            let (parent, folder) = ((p[0] / 2 * 2).saturating_sub(2), p[0].is_multiple_of(2));
            let mut bytes = STORAGE.to_le_bytes().to_vec();
            bytes.extend(if folder { 0x3001u16 } else { 0xb982 }.to_le_bytes());
            bytes.extend([0; 32]);
            bytes.extend(parent.to_le_bytes());
            bytes.extend([0; 10]);
            bytes.extend([3, b'.', 0, b'.', 0, 0, 0, 0, 0]);
            Some(Reply::Plain(Some(bytes), 0x2001))
        }
        _ => None,
    });
    let listing = dock(&recorder).list().unwrap();
    assert_eq!(listing.files.len(), 32);
    assert!(unreadable(&listing).iter().any(|t| t.contains("deeper than 32")), "{:?}", unreadable(&listing));
    assert!(listing.files.iter().all(|e| !e.path.as_bytes().windows(2).any(|w| w == b"..")), "each is called '..'");
}

#[test]
fn a_folder_of_65_536_files_is_listed_whole() {
    let recorder = Recorder::new();
    for n in 0..65_536 {
        recorder.put(&format!("{n:05}.mp4"), these(b""), "", TIME);
    }
    let listing = dock(&recorder).list().unwrap();
    assert_eq!((files(&listing).len(), listing.unreadable.len()), (65_536, 0));
}

#[test]
fn objects_that_cannot_be_described_are_told() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"x"), "", TIME);
    let secret = recorder.put("b.mp4", these(b"x"), "", TIME);
    let short = recorder.put("c.mp4", these(b"x"), "", TIME);
    recorder.hook(move |operation, p| {
        let data = if p.first() == Some(&secret) { None } else { Some(vec![1, 2, 3]) };
        let lie = operation == GET_INFO && (p[0] == secret || p[0] == short);
        let code = if data.is_some() { 0x2001 } else { 0x2002 };
        lie.then_some(Reply::Plain(data, code))
    });
    let listing = dock(&recorder).list().unwrap();
    assert_eq!(files(&listing), ["a.mp4".to_owned()].into());
    assert_eq!(listing.unreadable.len(), 2, "{:?}", unreadable(&listing));
}

#[test]
fn lengths_that_lie_are_no_whole_file() {
    let lie = |told: u32, has: usize, without: &'static [u16]| {
        let recorder = Recorder::new();
        let handle = recorder.put("a.mp4", Content::Sparse(has as u64), "", TIME);
        recorder.state().operations.retain(|o| !without.contains(o));
        let shelf_of = recorder.clone();
        recorder.hook(move |operation, p| {
            if operation != GET_INFO || p[0] != handle {
                return None;
            }
            let mut bytes = {
                let state = shelf_of.state();
                let object = &state.objects[&handle];
                let mut bytes = object.storage.to_le_bytes().to_vec();
                bytes.extend(0xb982u16.to_le_bytes());
                bytes.extend(0u16.to_le_bytes());
                bytes.extend(told.to_le_bytes());
                bytes.extend([0; 40]);
                bytes
            };
            bytes.extend([2, b'a', 0, 0, 0, 0, 0, 0]);
            Some(Reply::Plain(Some(bytes), 0x2001))
        });
        let shelf = dock(&recorder);
        assert_eq!(shelf.list().unwrap().files[0].size_bytes, u64::from(told));
        read(&shelf, "a", 0)
    };
    for without in [&[][..], &[PARTIAL64], &[PARTIAL64, PARTIAL]] {
        assert!(lie(3_000_000, 2_999_999, without).is_err(), "it ends early");
        assert!(lie(3_000_000, 3_000_001, without).is_err(), "it goes on");
        assert!(lie(1000, 1001, without).is_err(), "a short one goes on");
        assert_eq!(lie(3_000_000, 3_000_000, without).unwrap().len(), 3_000_000);
    }
}

#[test]
fn answers_that_are_none_end_no_more_than_their_question() {
    let recorder = Recorder::new();
    recorder.put("a.mp4", these(b"still here"), "", TIME);
    let shelf = dock(&recorder);
    shelf.list().unwrap();
    let huge = |kind: u16| [&u32::MAX.to_le_bytes()[..], &kind.to_le_bytes(), &[0; 6]].concat();
    let nonsense: Vec<Vec<Vec<u8>>> = vec![
        vec![b"x".to_vec()],
        vec![huge(2)],
        vec![huge(7)],
        vec![recorder::container(2, PARTIAL64, 0xdead, b"other bytes")],
        vec![recorder::container(3, 0x2001, 0xdead_beef, b"")],
        vec![vec![]; 8],
    ];
    for transfers in nonsense {
        let mut left = 1;
        let what = format!("{transfers:?}");
        recorder.hook(move |operation, _| {
            left -= i32::from(operation == PARTIAL64);
            (operation == PARTIAL64 && left == 0).then(|| Reply::Raw(transfers.clone()))
        });
        let first = read(&shelf, "a.mp4", 0);
        assert!(first.as_ref().map_or(true, |bytes| bytes == b"still here"), "{what}");
        assert_eq!(read(&shelf, "a.mp4", 0).unwrap(), b"still here", "{what}");
    }
    assert!(recorder.state().asked.iter().any(|(op, _)| *op == GET_OBJECT || *op == PARTIAL64));
}
