//! What every form of recorder promises behind the `Shelf` port, as one suite. A form brings a [`Bed`] and
//! calls [`run`]; the fake that other tests rely on passes the same suite as the real forms.

use std::io::Read;
use std::sync::Arc;

use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ids::ClipId;
use evidock::domain::ports::{EraseProof, Shelf, SourceError};
use evidock::domain::recorder::SourcePath;

/// A recorder that a test can fill and pull.
pub trait Bed {
    /// The recorder, docked; erasing is allowed where the form can.
    fn shelf(&self) -> Arc<dyn Shelf>;
    /// The same recorder where nothing may be changed.
    fn read_only(&self) -> Arc<dyn Shelf>;
    /// Puts a file with a modification time in milliseconds since the Unix epoch.
    fn put(&self, path: &[u8], bytes: &[u8], modified_ms: i64);
    /// Appends to it, as a recorder that goes on recording.
    fn append(&self, path: &[u8], bytes: &[u8], modified_ms: i64);
    /// Takes a file away behind our back.
    fn remove(&self, path: &[u8]);
    /// Pulls the recorder out.
    fn pull(&self);
    /// Whether this kind of recorder can have a file of that name at all.
    fn can_name(&self, _name: &[u8]) -> bool {
        true
    }
    /// What a listing tells as the instant of a file that was put at this time: none where a recorder of this kind
    /// only knows a local time.
    fn instant(&self, modified_ms: i64) -> Option<i64> {
        Some(modified_ms)
    }
}

const NOON: i64 = 1_781_834_604_000;

/// Runs the whole suite; `bed` gives a new, empty recorder each time.
pub fn run<B: Bed>(bed: impl Fn() -> B) {
    empty_recorder(&bed());
    listing_tells_everything(&bed());
    names_stay_bytes(&bed());
    reading_from_any_offset(&bed());
    growth_is_seen(&bed());
    missing_files(&bed());
    paths_that_lead_outside(&bed());
    erase_takes_exactly_the_proven_file(&bed());
    read_only_never_erases(&bed());
    a_pulled_recorder_is_gone(&bed());
}

fn path(bytes: &[u8]) -> SourcePath {
    SourcePath::new(bytes)
}

fn read(shelf: &dyn Shelf, at: &[u8], offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    shelf.open(&path(at), offset).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn proof(at: &[u8], size_bytes: u64) -> EraseProof {
    EraseProof { clip: ClipId::generate(NOON), path: path(at), size_bytes, intent_seq: 1 }
}

fn paths(shelf: &dyn Shelf) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = shelf.list().unwrap().files.iter().map(|e| e.path.as_bytes().to_vec()).collect();
    all.sort();
    all
}

fn empty_recorder(bed: &impl Bed) {
    let shelf = bed.shelf();
    assert!(shelf.list().unwrap().files.is_empty());
    assert!(!shelf.identity().bay.is_empty());
    assert!(!shelf.identity().kind.is_empty());
}

fn listing_tells_everything(bed: &impl Bed) {
    bed.put(b"DCIM/100MEDIA/a.mp4", b"12345", NOON);
    bed.put(b"empty.bin", b"", NOON + 1000);
    let shelf = bed.shelf();
    let mut listing = shelf.list().unwrap();
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    let told: Vec<_> = listing.files.iter().map(|e| (e.path.as_bytes(), e.size_bytes, e.modified_ms)).collect();
    let (noon, later) = (bed.instant(NOON), bed.instant(NOON + 1000));
    assert_eq!(told, [(&b"DCIM/100MEDIA/a.mp4"[..], 5, noon), (b"empty.bin", 0, later)]);
    for entry in &listing.files {
        assert_eq!(shelf.stat(&entry.path).unwrap().as_ref(), Some(entry), "a look agrees with the listing");
    }
    let again = shelf.list().unwrap();
    assert!(listing.files.iter().all(|e| again.files.contains(e)), "the raw time is stable");
}

fn names_stay_bytes(bed: &impl Bed) {
    let long = [b"x".repeat(251), b".mp4".to_vec()].concat();
    let mut names: Vec<Vec<u8>> = vec![
        "执法/现场检查 1.mp4".as_bytes().to_vec(),
        b"new\nline.mp4".to_vec(),
        b"bad\xff\xfeutf8.mp4".to_vec(),
        b"...mp4".to_vec(),
        b"..%2f..%2fetc".to_vec(),
        b"-rf *".to_vec(),
        "evil\u{202e}4pm.exe".as_bytes().to_vec(),
        long,
    ];
    names.retain(|name| bed.can_name(name));
    assert!(names.len() >= 4, "most names are possible everywhere");
    for name in &names {
        bed.put(name, name, NOON);
    }
    let shelf = bed.shelf();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(paths(&*shelf), sorted);
    for name in &names {
        assert_eq!(&read(&*shelf, name, 0), name);
    }
}

fn reading_from_any_offset(bed: &impl Bed) {
    let bytes: Vec<u8> = (0..200_000u32).flat_map(|i| i.to_le_bytes()).collect();
    bed.put(b"big.mp4", &bytes, NOON);
    let shelf = bed.shelf();
    for offset in [0, 1, 4095, 4096, 799_999, 800_000, 900_000] {
        let expected = bytes.get(offset as usize..).unwrap_or_default();
        assert!(read(&*shelf, b"big.mp4", offset) == expected, "from {offset}");
    }
}

fn growth_is_seen(bed: &impl Bed) {
    bed.put(b"a.mp4", b"one", NOON);
    let shelf = bed.shelf();
    let before = shelf.stat(&path(b"a.mp4")).unwrap().unwrap();
    bed.append(b"a.mp4", b"two", NOON + 5000);
    let after = shelf.stat(&path(b"a.mp4")).unwrap().unwrap();
    assert_eq!((before.size_bytes, after.size_bytes), (3, 6));
    assert_ne!(before.modified_raw, after.modified_raw);
    assert_eq!(read(&*shelf, b"a.mp4", 3), b"two");
}

fn missing_files(bed: &impl Bed) {
    bed.put(b"d/a.mp4", b"x", NOON);
    let shelf = bed.shelf();
    for missing in [&b"nothing.mp4"[..], b"d/nothing.mp4", b"e/f/g.mp4", b"d/a.mp4/b"] {
        assert_eq!(shelf.stat(&path(missing)).unwrap(), None);
        let refused = shelf.open(&path(missing), 0).err().unwrap();
        assert!(matches!(refused, SourceError::Read { .. }), "{refused:?}");
    }
    bed.remove(b"d/a.mp4");
    assert_eq!(shelf.stat(&path(b"d/a.mp4")).unwrap(), None);
    assert!(paths(&*shelf).is_empty());
}

fn paths_that_lead_outside(bed: &impl Bed) {
    bed.put(b"a.mp4", b"x", NOON);
    let shelf = bed.shelf();
    for outside in [&b"../a.mp4"[..], b"/etc/passwd", b"d/../../x", b"", b".", b"a.mp4/", b"a\0b"] {
        assert!(shelf.open(&path(outside), 0).is_err(), "{outside:?}");
        assert!(shelf.stat(&path(outside)).ok().flatten().is_none(), "{outside:?}");
        assert!(shelf.erase(&proof(outside, 1)).is_err(), "{outside:?}");
    }
    assert_eq!(paths(&*shelf), [b"a.mp4".to_vec()]);
}

fn erase_takes_exactly_the_proven_file(bed: &impl Bed) {
    bed.put(b"d/a.mp4", b"proven", NOON);
    bed.put(b"d/b.mp4", b"proven", NOON);
    let shelf = bed.shelf();
    assert!(shelf.identity().erasable, "what can be erased from says so");
    let refused = shelf.erase(&proof(b"d/a.mp4", 5)).unwrap_err();
    assert!(matches!(refused, SourceError::Changed(_)), "{refused:?}");
    assert_eq!(refused.retry(), Retry::Permanent);
    bed.append(b"d/b.mp4", b"!", NOON);
    assert!(matches!(shelf.erase(&proof(b"d/b.mp4", 6)).unwrap_err(), SourceError::Changed(_)));
    assert!(matches!(shelf.erase(&proof(b"d/c.mp4", 6)).unwrap_err(), SourceError::Changed(_)));
    assert_eq!(paths(&*shelf).len(), 2);
    shelf.erase(&proof(b"d/a.mp4", 6)).unwrap();
    assert_eq!(paths(&*shelf), [b"d/b.mp4".to_vec()]);
}

fn read_only_never_erases(bed: &impl Bed) {
    bed.put(b"a.mp4", b"x", NOON);
    let shelf = bed.read_only();
    assert!(!shelf.identity().erasable);
    let refused = shelf.erase(&proof(b"a.mp4", 1)).unwrap_err();
    assert!(matches!(refused, SourceError::Unsupported(_)), "{refused:?}");
    assert_eq!(paths(&*shelf).len(), 1);
}

fn a_pulled_recorder_is_gone(bed: &impl Bed) {
    bed.put(b"a.mp4", b"x", NOON);
    let shelf = bed.shelf();
    bed.pull();
    let errors = [
        shelf.list().err(),
        shelf.stat(&path(b"a.mp4")).err(),
        shelf.open(&path(b"a.mp4"), 0).err(),
        shelf.erase(&proof(b"a.mp4", 1)).err(),
    ];
    for error in errors {
        let error = error.expect("a pulled recorder answers nothing");
        assert!(matches!(error, SourceError::Gone(_)), "{error:?}");
        assert_eq!(error.retry(), Retry::Transient, "docked again, it goes on");
    }
}
