//! Sources against real directories: the conformance suite for folder and fake, and what only a hostile
//! directory can do. The sample recorders of `scripts/make-recorder` are read as their profiles have them.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

mod shelf_conformance;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use evidock::domain::ports::{Shelf, SourceError};
use evidock::domain::record::Field;
use evidock::domain::recorder::{Importance, Listing, ShelfEntry, SourcePath};
use evidock::source::binding::Binding;
use evidock::source::fake::{FakeShelf, Fault};
use evidock::source::folder::{FolderShelf, MAX_DEPTH};
use evidock::source::profile::{Profiles, Role};
use evidock::source::sidecar::Sidecars;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::io::Errno;
use shelf_conformance::Bed;
use tempfile::TempDir;

// ---------------------------------------------------------------------------------------------
// Conformance

struct FolderBed(TempDir);

impl FolderBed {
    fn new() -> Self {
        let bed = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bed.root()).unwrap();
        bed
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("bay-1")
    }

    fn at(&self, path: &[u8]) -> PathBuf {
        self.root().join(std::ffi::OsStr::from_bytes(path))
    }
}

fn set_time(file: &Path, modified_ms: i64) {
    let at = UNIX_EPOCH + Duration::from_millis(modified_ms as u64);
    fs::File::options().append(true).open(file).unwrap().set_modified(at).unwrap();
}

impl Bed for FolderBed {
    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(FolderShelf::new(&self.root(), false).unwrap())
    }

    fn read_only(&self) -> Arc<dyn Shelf> {
        Arc::new(FolderShelf::new(&self.root(), true).unwrap())
    }

    fn put(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        set_time(&file, modified_ms);
    }

    fn append(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        let file = self.at(path);
        let before = fs::read(&file).unwrap();
        fs::write(&file, [&before, bytes].concat()).unwrap();
        set_time(&file, modified_ms);
    }

    fn remove(&self, path: &[u8]) {
        fs::remove_file(self.at(path)).unwrap();
    }

    fn pull(&self) {
        fs::rename(self.root(), self.0.path().join("pulled")).unwrap();
    }
}

struct FakeBed(FakeShelf);

impl Bed for FakeBed {
    fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(self.0.clone())
    }

    fn read_only(&self) -> Arc<dyn Shelf> {
        Arc::new(self.0.clone().read_only())
    }

    fn put(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        self.0.put(path, bytes, modified_ms);
    }

    fn append(&self, path: &[u8], bytes: &[u8], modified_ms: i64) {
        self.0.append(path, bytes, modified_ms);
    }

    fn remove(&self, path: &[u8]) {
        self.0.remove(path);
    }

    fn pull(&self) {
        self.0.pull();
    }
}

#[test]
fn a_folder_is_a_shelf() {
    shelf_conformance::run(FolderBed::new);
}

#[test]
fn the_fake_is_a_shelf() {
    shelf_conformance::run(|| FakeBed(FakeShelf::new("bay-1")));
}

// ---------------------------------------------------------------------------------------------
// The fake's faults

#[test]
fn the_fake_misbehaves_as_asked() {
    let shelf = FakeShelf::new("bay-1");
    let path = SourcePath::new("a.mp4");
    shelf.put("a.mp4", &[7; 1000], 0);
    let read = || {
        let mut bytes = Vec::new();
        let end = shelf.open(&path, 0).unwrap().read_to_end(&mut bytes).map_err(|e| e.raw_os_error());
        (bytes.len(), end.err())
    };
    shelf.inject(Fault::ShortReads { bytes: 3 });
    assert_eq!(shelf.open(&path, 0).unwrap().read(&mut [0; 64]).unwrap(), 3);
    assert_eq!(read(), (1000, None));
    shelf.inject(Fault::EioAt { path: path.clone(), offset_bytes: 500 });
    assert_eq!(read(), (500, Some(Some(Errno::IO.raw_os_error()))));
    shelf.heal();
    shelf.inject(Fault::EndsAt { path: path.clone(), offset_bytes: 400 });
    assert_eq!(read(), (400, None));
    shelf.heal();
    shelf.inject(Fault::Growing { path: path.clone(), by_bytes: 10 });
    let sizes: Vec<u64> = (0..3).map(|_| shelf.stat(&path).unwrap().unwrap().size_bytes).collect();
    assert_eq!(sizes, [1010, 1020, 1030]);
    shelf.heal();
    shelf.inject(Fault::Unlisted { path: path.clone() });
    assert_eq!(shelf.list().unwrap().unreadable[0].path, path);
    shelf.inject(Fault::PullAt { path: path.clone(), offset_bytes: 100 });
    assert_eq!(read().0, 100);
    assert!(matches!(shelf.list(), Err(SourceError::Gone(_))));
    shelf.dock();
    assert_eq!(read(), (1030, None), "docked again, it reads to its end");
}

// ---------------------------------------------------------------------------------------------
// What only a directory can do

fn unreadable(listing: &Listing) -> BTreeSet<String> {
    listing.unreadable.iter().map(|u| format!("{}: {}", u.path, u.reason)).collect()
}

#[test]
fn links_pipes_and_sockets_are_reported_and_never_followed() {
    let bed = FolderBed::new();
    let secret = bed.0.path().join("secret");
    fs::write(&secret, b"not on the recorder").unwrap();
    bed.put(b"d/clip.mp4", b"footage", 0);
    symlink(&secret, bed.at(b"file-link.mp4")).unwrap();
    symlink(bed.0.path(), bed.at(b"dir-link")).unwrap();
    symlink("..", bed.at(b"d/loop")).unwrap();
    symlink("self", bed.at(b"self")).unwrap();
    mkfifoat(CWD, bed.at(b"pipe.mp4"), Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bed.at(b"socket")).unwrap();

    let shelf = bed.shelf();
    let listing = shelf.list().unwrap();
    assert_eq!(listing.files.len(), 1);
    let expected = [
        "file-link.mp4: a symbolic link; not followed",
        "dir-link: a symbolic link; not followed",
        "d/loop: a symbolic link; not followed",
        "self: a symbolic link; not followed",
        "pipe.mp4: a FIFO, not a file",
        "socket: a socket, not a file",
    ];
    assert_eq!(unreadable(&listing), expected.iter().map(|s| s.to_string()).collect());
    for path in ["file-link.mp4", "pipe.mp4", "socket", "self", "d"] {
        assert!(matches!(shelf.open(&SourcePath::new(path), 0), Err(SourceError::Changed(_))), "{path}");
        assert_eq!(shelf.stat(&SourcePath::new(path)).unwrap(), None, "{path}");
    }
    for path in ["dir-link/secret", "d/loop/d/clip.mp4"] {
        assert!(shelf.open(&SourcePath::new(path), 0).is_err(), "{path}");
        assert_eq!(shelf.stat(&SourcePath::new(path)).unwrap(), None, "{path}");
    }
}

#[test]
fn a_link_that_takes_the_place_of_a_directory_leads_nowhere() {
    let bed = FolderBed::new();
    bed.put(b"d/clip.mp4", b"footage", 0);
    let shelf = bed.shelf();
    fs::rename(bed.at(b"d"), bed.0.path().join("moved")).unwrap();
    symlink(bed.0.path().join("moved"), bed.at(b"d")).unwrap();
    assert!(shelf.open(&SourcePath::new("d/clip.mp4"), 0).is_err());
    assert_eq!(shelf.stat(&SourcePath::new("d/clip.mp4")).unwrap(), None);
}

#[test]
fn a_link_or_another_directory_in_place_of_the_root_is_not_this_recorder() {
    let bed = FolderBed::new();
    bed.put(b"clip.mp4", b"footage", 0);
    let shelf = bed.shelf();
    bed.pull();
    fs::create_dir(bed.root()).unwrap();
    assert!(matches!(shelf.list(), Err(SourceError::Gone(_))));
    fs::remove_dir(bed.root()).unwrap();
    symlink(bed.0.path().join("pulled"), bed.root()).unwrap();
    assert!(matches!(shelf.list(), Err(SourceError::Gone(_))));
    assert!(FolderShelf::new(&bed.root(), true).is_err());
}

#[test]
fn depth_is_bounded_and_said() {
    let bed = FolderBed::new();
    let deepest: Vec<u8> = [b"d/".repeat(MAX_DEPTH + 5), b"clip.mp4".to_vec()].concat();
    bed.put(&deepest, b"x", 0);
    bed.put(b"top.mp4", b"x", 0);
    let listing = bed.shelf().list().unwrap();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(listing.unreadable.len(), 1);
    assert!(listing.unreadable[0].reason.contains("deeper than 32"), "{:?}", listing.unreadable);
}

#[test]
fn a_directory_that_may_not_be_read_is_reported_and_the_rest_is_listed() {
    let bed = FolderBed::new();
    bed.put(b"locked/clip.mp4", b"x", 0);
    bed.put(b"open/clip.mp4", b"x", 0);
    fs::set_permissions(bed.at(b"locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let root = bed.root();
    let look = move || {
        let shelf = FolderShelf::new(&root, true).unwrap();
        let opened = shelf.open(&SourcePath::new("locked/clip.mp4"), 0).err().map(|e| e.to_string());
        (shelf.list().unwrap(), opened)
    };
    let (listing, opened) = without_privilege(look);
    assert_eq!(listing.files.len(), 1);
    assert_eq!(unreadable(&listing), ["locked: Permission denied (os error 13)".to_owned()].into());
    assert_eq!(opened.as_deref(), Some("locked/clip.mp4 may not be read; check the permissions of the docking folder"));
    fs::set_permissions(bed.at(b"locked"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs `work` on a thread without root's right to read everything: root is bound by permissions as soon as
/// its thread gives up the capabilities that lift them, and anybody else is bound anyway.
fn without_privilege<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        let mut held = capabilities(None).unwrap();
        held.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        set_capabilities(None, held).unwrap();
        work()
    })
    .join()
    .unwrap()
}

#[test]
fn reading_leaves_no_access_time_behind() {
    let bed = FolderBed::new();
    bed.put(b"d/clip.mp4", &[1; 4096], 0);
    let file = bed.at(b"d/clip.mp4");
    // An access time older than the modification time is what `relatime` would renew.
    let old = fs::FileTimes::new().set_accessed(UNIX_EPOCH).set_modified(UNIX_EPOCH + Duration::from_secs(1));
    fs::File::options().append(true).open(&file).unwrap().set_times(old).unwrap();
    let shelf = bed.read_only();
    shelf.list().unwrap();
    let mut bytes = Vec::new();
    shelf.open(&SourcePath::new("d/clip.mp4"), 0).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 4096);
    assert_eq!(fs::metadata(&file).unwrap().atime(), 0);
}

#[test]
fn a_file_that_grows_while_it_is_read_gives_what_is_there() {
    let bed = FolderBed::new();
    bed.put(b"clip.mp4", b"first", 0);
    let shelf = bed.shelf();
    let listed = shelf.stat(&SourcePath::new("clip.mp4")).unwrap().unwrap();
    let mut reader = shelf.open(&SourcePath::new("clip.mp4"), 0).unwrap();
    let mut bytes = [0; 3];
    reader.read_exact(&mut bytes).unwrap();
    use std::io::Write;
    fs::File::options().append(true).open(bed.at(b"clip.mp4")).unwrap().write_all(b"second").unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"stsecond", "a copier must stop at the listed length by itself");
    assert_eq!(listed.size_bytes, 5);
    assert_eq!(shelf.stat(&SourcePath::new("clip.mp4")).unwrap().unwrap().size_bytes, 11);
}

#[test]
fn a_read_passes_through_without_staying_in_the_page_cache() {
    let bed = FolderBed::new();
    bed.put(b"clip.mp4", &vec![5; 40 << 20], 0);
    // Dirty pages cannot be dropped.
    fs::File::open(bed.at(b"clip.mp4")).unwrap().sync_all().unwrap();
    // tmpfs holds its files in the page cache and nowhere else.
    let on_tmpfs = rustix::fs::statfs(bed.0.path()).unwrap().f_type == 0x0102_1994;
    assert!(cached_bytes(&bed.at(b"clip.mp4")) > 32 << 20, "what was just written is cached");
    let mut reader = bed.shelf().open(&SourcePath::new("clip.mp4"), 0).unwrap();
    let read = std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    drop(reader);
    assert_eq!(read, 40 << 20);
    let cached = cached_bytes(&bed.at(b"clip.mp4"));
    assert!(on_tmpfs || cached < 1 << 20, "{cached} bytes of it are still cached");
}

/// How much of a file could be read without waiting for the disk, by samples of one page in 64 KiB.
fn cached_bytes(file: &Path) -> u64 {
    use rustix::io::{ReadWriteFlags, preadv2};
    let (file, step) = (fs::File::open(file).unwrap(), 64 << 10);
    let mut page = [0; 4096];
    let cached = |offset: u64, page: &mut [u8]| match preadv2(
        &file,
        &mut [std::io::IoSliceMut::new(page)],
        offset,
        ReadWriteFlags::NOWAIT,
    ) {
        Ok(_) => true,
        Err(Errno::AGAIN) => false,
        Err(e) => panic!("this file system cannot say what is cached: {e}"),
    };
    let len = file.metadata().unwrap().len();
    (0..len / step).filter(|n| cached(n * step, &mut page)).count() as u64 * step
}

// ---------------------------------------------------------------------------------------------
// Sample recorders, read as their profiles have them

/// Stand-ins for the footage that set-up brings, so that this needs no network: test patterns under its names.
fn stand_in_footage(dir: &Path) {
    let names = ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4", "bunny-1080p.mp4", "carphone_distorted.mp4"];
    let first = dir.join(names[0]);
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=3", "-c:v", "mpeg4"])
        .arg(&first)
        .status()
        .expect("ffmpeg is among the packages of `scripts/setup test`");
    assert!(made.success());
    for name in &names[1..] {
        fs::copy(&first, dir.join(name)).unwrap();
    }
}

fn make_recorder(profile: &str, dir: &Path, footage: &Path, more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make-recorder");
    let out = Command::new(script).arg(profile).arg(dir).arg("--footage").arg(footage).args(more).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Every file with its bytes and raw time.
fn contents(shelf: &dyn Shelf) -> Vec<(String, String, Vec<u8>)> {
    let mut files = shelf.list().unwrap().files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let read = |e: &ShelfEntry| {
        let mut bytes = Vec::new();
        shelf.open(&e.path, 0).unwrap().read_to_end(&mut bytes).unwrap();
        (e.path.to_text(), e.modified_raw.clone(), bytes)
    };
    files.iter().map(read).collect()
}

#[test]
fn sample_recorders_are_what_their_profiles_say() {
    let top = tempfile::tempdir().unwrap();
    let footage = top.path().join("footage");
    fs::create_dir(&footage).unwrap();
    stand_in_footage(&footage);
    let profiles = Profiles::embedded().unwrap();
    // Profile, where the id comes from, whether the officer is known, first capture time from name or sidecar, files.
    let table = [
        ("dsj", "file_names", true, Some("2026-06-19T09:12:00+08:00"), 6 + 1),
        ("flat", "volume_label", true, None, 6 + 2),
        ("files-data", "volume_label", false, Some("2026-06-19T09:12:00+08:00"), 6),
        ("json-vtt", "volume_label", true, Some("2026-06-19T09:12:00+08:00"), 18),
        ("dated-avi", "volume_label", false, Some("2026-06-19T09:12:00+08:00"), 6),
    ];
    for (name, how, officer_known, captured, files) in table {
        let dir = top.path().join(name).join("36NCC009910");
        make_recorder(name, &dir, &footage, &["--clips", "6"]);
        let shelf = FolderShelf::new(&dir, true).unwrap();
        let listing = shelf.list().unwrap();
        assert_eq!((listing.files.len(), listing.unreadable.len()), (files, 0), "{name}");
        let profile = profiles.choose(&listing, &shelf.identity());
        assert_eq!(profile.name(), name);
        let (id, found) = profile.recorder_id(&listing, &shelf.identity(), &Binding::None);
        assert_eq!((id.as_str(), found), ("36NCC009910", how), "{name}");

        let sidecars = Sidecars::read(&shelf, &listing, profile).unwrap();
        assert!(sidecars.unread.is_empty(), "{name}: {:?}", sidecars.unread);
        let mut clips: Vec<_> = listing.files.iter().map(|e| (e, profile.read(e))).collect();
        clips.retain(|(_, r)| r.role == Role::Clip);
        clips.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        assert_eq!(clips.len(), 6, "{name}");
        let (first, reading) = &clips[0];
        let mut facts = reading.facts();
        facts.extend_from_slice(sidecars.facts(&first.path));
        let value = |field| facts.iter().find(|(f, _, _)| *f == field).map(|(_, v, _)| v.as_str());
        assert_eq!(value(Field::CapturedStart), captured, "{name}");
        assert_eq!(value(Field::CapturedEnd), Some("2026-06-19T09:12:03+08:00"), "{name}: three seconds of pattern");
        assert_eq!(value(Field::Officer), officer_known.then_some("110203"), "{name}");
        let marked =
            clips.iter().filter(|(e, r)| r.importance == Importance::Marked || sidecars.marks(&e.path)).count();
        assert_eq!(marked, if ["dsj", "flat", "dated-avi"].contains(&name) { 2 } else { 0 }, "{name}");

        let mut different: Vec<_> = contents(&shelf).into_iter().map(|(_, _, bytes)| bytes).collect();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), files, "{name}: every file has bytes of its own");
        let again = top.path().join(name).join("again");
        make_recorder(name, &again, &footage, &["--clips", "6"]);
        let again = FolderShelf::new(&again, true).unwrap();
        assert!(contents(&shelf) == contents(&again), "{name}: same arguments, same bytes and times");
    }
}

#[test]
fn a_sample_recorder_can_be_bound_to_a_person() {
    let top = tempfile::tempdir().unwrap();
    stand_in_footage(top.path());
    let dir = top.path().join("bay-1");
    make_recorder("flat", &dir, top.path(), &["--clips", "1", "--bound", "110203:王明", "--device", "S7"]);
    let shelf = FolderShelf::new(&dir, true).unwrap();
    let listing = shelf.list().unwrap();
    let binding = Binding::read(&shelf, &listing).unwrap();
    assert!(matches!(&binding, Binding::Bound(b) if b.user_name == "王明"), "{binding:?}");
    let profiles = Profiles::embedded().unwrap();
    let profile = profiles.choose(&listing, &shelf.identity());
    let (id, how) = profile.recorder_id(&listing, &shelf.identity(), &binding);
    assert_eq!((profile.name(), id.as_str(), how), ("flat", "S7", "binding"));
}
