//! Copies that come to their end, or do not.

use std::sync::Mutex;

use sha2::Digest;

use super::*;
use crate::vault::Found;

const OPTIONS: CopyOptions = CopyOptions { durable_every_bytes: 3 << 20, reserve_bytes: 0, sm3: true };

fn sm3_of(bytes: &[u8]) -> Sm3 {
    Sm3(sm3::Sm3::digest(bytes).into())
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

#[test]
fn many_copies_share_one_budget() {
    for copies in [0, 1, 2, 4, 7, 16, 30] {
        let block = block_bytes(copies);
        assert!(block.is_multiple_of(65_536) && (SMALLEST_BLOCK_BYTES..=BLOCK_BYTES).contains(&block), "{copies}");
        assert!(copies * RING * block <= BLOCKS_BUDGET_BYTES, "{copies}");
    }
    assert_eq!(block_bytes(2), BLOCK_BYTES);
}

struct Run {
    outcome: Result<Copied, CopyError>,
    reports: Vec<Durable>,
    opened_at: Option<u64>,
}

/// Copies `bytes`, of which the source gives only the first `until`.
fn run(vault: &Vault, clip: ClipId, bytes: &[u8], until: usize, resume: Option<Prefix>, prefixes_at: &[u64]) -> Run {
    let reports = Mutex::new(Vec::new());
    let mut opened_at = None;
    let outcome = copy_into(
        vault,
        CopyJob {
            clip,
            grid: PartGrid::for_size(Some(bytes.len() as u64)),
            expected: Some(bytes.len() as u64),
            resume,
            prefixes_at,
            options: OPTIONS,
            block_bytes: block_bytes(3),
            open: &mut |at| {
                opened_at = Some(at);
                Ok(Box::new(io::Cursor::new(bytes[at as usize..until.max(at as usize)].to_vec())))
            },
            progress: &mut |_| {},
            durable: &|d| {
                reports.lock().unwrap().push(d);
                Ok(())
            },
            stopped: &|| false,
            as_it_comes: None,
            whole: &|_| true,
        },
    );
    Run { outcome, reports: reports.into_inner().unwrap(), opened_at }
}

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(dir.path()).unwrap();
    (dir, vault)
}

#[test]
fn digests_and_parts_are_those_of_the_bytes() {
    let (_dir, vault) = vault();
    for len in [0usize, 1, (8 << 20) - 1, 8 << 20, (17 << 20) + 5] {
        let clip = ClipId::generate(1);
        let bytes = data(len);
        let copied = run(&vault, clip, &bytes, len, None, &[5, 1 << 20]).outcome.unwrap();
        assert_eq!(copied.size_bytes, len as u64);
        assert_eq!(copied.blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
        assert_eq!(copied.sha256.0[..], sha2::Sha256::digest(&bytes)[..]);
        assert_eq!(copied.sm3, Some(sm3_of(&bytes)));
        assert_eq!(copied.parts.iter().map(|p| p.2).sum::<u64>(), len as u64);
        let mut whole = Crc64::EMPTY;
        for (_, offset, len, sha256, crc) in &copied.parts {
            assert_eq!(sha256.0[..], sha2::Sha256::digest(&bytes[*offset as usize..(*offset + *len) as usize])[..]);
            whole = whole.join(*crc, *len);
        }
        assert_eq!(whole.0, crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes));
        for prefix in &copied.prefixes {
            assert_eq!(prefix.blake3.as_bytes(), blake3::hash(&bytes[..prefix.bytes as usize]).as_bytes());
        }
        assert_eq!(copied.prefixes.len(), [5u64, 1 << 20].iter().filter(|p| **p <= len as u64).count());
        vault.seal(clip).unwrap();
        assert_eq!(vault.found(clip).unwrap(), Found::Final(len as u64));
        assert_eq!(fs::read(vault.master(clip)).unwrap(), bytes);
    }
}

#[test]
fn a_short_source_is_an_error_and_the_next_attempt_goes_on() {
    let (_dir, vault) = vault();
    let clip = ClipId::generate(1);
    let bytes = data(10 << 20);
    let first = run(&vault, clip, &bytes, (7 << 20) + 123, None, &[]);
    assert!(matches!(first.outcome, Err(CopyError::Short { .. })), "{:?}", first.outcome);
    let prefix = first.reports.last().unwrap().prefix;
    assert_eq!(prefix.bytes, (7 << 20) + 123);
    let second = run(&vault, clip, &bytes, bytes.len(), Some(prefix), &[]);
    assert_eq!(second.opened_at, Some(prefix.bytes), "the recorder is read from where it stopped");
    let whole = second.outcome.unwrap();
    assert_eq!(whole.blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
    assert_eq!(whole.sm3, Some(sm3_of(&bytes)), "as in one pass");
    vault.seal(clip).unwrap();
    for (with_sm3, sm3) in [(true, whole.sm3), (false, None)] {
        let again = measure(&vault, clip, PartGrid::for_size(Some(bytes.len() as u64)), &[], with_sm3).unwrap();
        assert_eq!((again.sha256, again.sm3), (whole.sha256, sm3), "found under its final name after a crash");
    }
}

#[test]
fn a_torn_prefix_is_found_and_never_sealed() {
    let (_dir, vault) = vault();
    let clip = ClipId::generate(1);
    let bytes = data(6 << 20);
    let prefix = run(&vault, clip, &bytes, 5 << 20, None, &[]).reports.last().unwrap().prefix;
    // As after a power cut with a disk that lied: the length is right, some bytes are not.
    let mut torn = fs::read(vault.part(clip)).unwrap();
    torn[4_000_000] ^= 1;
    fs::write(vault.part(clip), torn).unwrap();
    let second = run(&vault, clip, &bytes, bytes.len(), Some(prefix), &[]);
    assert!(matches!(second.outcome, Err(CopyError::ReadBack(_))), "{:?}", second.outcome);
    vault.restart(clip).unwrap();
    let third = run(&vault, clip, &bytes, bytes.len(), None, &[]);
    assert_eq!(third.outcome.unwrap().blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
}

/// A stream: pieces, and then nothing for as long as somebody wants it to stand.
struct Stream<'a> {
    pieces: std::collections::VecDeque<Vec<u8>>,
    looks: usize,
    stands: &'a dyn Fn(usize) -> bool,
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(piece) = self.pieces.pop_front() {
            buf[..piece.len()].copy_from_slice(&piece);
            return Ok(piece.len());
        }
        self.looks += 1;
        if (self.stands)(self.looks) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(0) }
    }
}

fn record(
    vault: &Vault,
    pieces: &[&[u8]],
    every: Duration,
    stands: &dyn Fn(usize) -> bool,
    durable: &(dyn Fn(Durable) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Sync),
) -> Result<Copied, CopyError> {
    let mut stream = Some(Stream { pieces: pieces.iter().map(|p| p.to_vec()).collect(), looks: 0, stands });
    copy_into(
        vault,
        CopyJob {
            clip: ClipId::generate(1),
            grid: PartGrid::Growing,
            expected: None,
            resume: None,
            prefixes_at: &[],
            options: OPTIONS,
            block_bytes: SMALLEST_BLOCK_BYTES,
            open: &mut |_| Ok(Box::new(stream.take().unwrap())),
            progress: &mut |_| {},
            durable,
            stopped: &|| false,
            as_it_comes: Some(every),
            whole: &|_| true,
        },
    )
}

#[test]
fn what_a_stream_gave_before_it_stalled_becomes_durable_without_another_byte() {
    let (_dir, vault) = vault();
    let reported = Mutex::new(Vec::new());
    let begun = monotonic();
    // It stands until all of it was reported: without another byte nothing else could bring that about.
    let stands = |looks: usize| {
        std::thread::yield_now();
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was reported in {looks} looks");
        reported.lock().unwrap().last() != Some(&9)
    };
    let durable = |d: Durable| {
        reported.lock().unwrap().push(d.prefix.bytes);
        Ok(())
    };
    let copied = record(&vault, &[b"four", b"fives"], Duration::from_millis(50), &stands, &durable).unwrap();
    assert_eq!((copied.size_bytes, reported.into_inner().unwrap().last()), (9, Some(&9)));
}

#[test]
fn a_stream_whose_bytes_cannot_be_made_durable_ends() {
    let (_dir, vault) = vault();
    let begun = monotonic();
    let stands = |_| {
        std::thread::yield_now();
        assert!(begun.elapsed() < Duration::from_secs(30), "it goes on and nothing of it is safe");
        true
    };
    let failed = record(&vault, &[b"four"], Duration::ZERO, &stands, &|_| Err("the database is full".into()));
    assert!(matches!(failed, Err(CopyError::Report(_))), "{failed:?}");
}

#[test]
fn the_reserve_stops_a_copy_before_its_first_byte() {
    let (_dir, vault) = vault();
    let options = CopyOptions { reserve_bytes: u64::MAX / 2, ..OPTIONS };
    let outcome = copy_into(
        &vault,
        CopyJob {
            clip: ClipId::generate(1),
            grid: PartGrid::Growing,
            expected: Some(1),
            resume: None,
            prefixes_at: &[],
            options,
            block_bytes: BLOCK_BYTES,
            open: &mut |_| panic!("must not be read"),
            progress: &mut |_| {},
            durable: &|_| Ok(()),
            stopped: &|| false,
            as_it_comes: None,
            whole: &|_| true,
        },
    );
    assert!(matches!(outcome, Err(CopyError::Full { .. })));
}
