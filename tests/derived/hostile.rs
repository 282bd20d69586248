//! Files made to hurt: cut, flipped, with an index of zeros, of absurd size, with metadata without end or packed a
//! thousand times smaller than they are. Each costs its worker at most, in bounded time, and the next job works.

use std::path::{Path, PathBuf};
use std::process::Command;

use evidock::domain::ports::{Derive, DeriveError, MediaHealth, MediaProbe, ProbeError};
use evidock::media::{Derivations, WorkerProbe};
use evidock::runtime::clock::monotonic;

use crate::{PATIENCE, Read, clip, clips, id, piece};

fn makers() -> (WorkerProbe, Derivations) {
    let program = env!("CARGO_BIN_EXE_evidock");
    (
        WorkerProbe::with_program(program.into(), clips(), 1, PATIENCE),
        Derivations::with_program(program.into(), clips(), 320, PATIENCE),
    )
}

/// Sends a file through everything; whatever comes of it, it comes in time and is an answer or the loss of a worker.
async fn survive(what: &str, path: &Path, (probe, maker): &(WorkerProbe, Derivations)) {
    let begun = monotonic();
    let lost = |e: &ProbeError| matches!(e, ProbeError::Died(_) | ProbeError::TooSlow(_));
    let facts = probe.probe(path).await;
    assert!(facts.as_ref().err().is_none_or(lost), "{what}: {facts:?}");
    let picture = probe.thumbnail(path, 320).await;
    assert!(picture.as_ref().err().is_none_or(lost), "{what}: {picture:?}");
    let derived = |e: &DeriveError| matches!(e, DeriveError::Worker(e) if lost(e));
    // Each as a clip of its own: one over which a worker was lost is not tried again.
    for n in [0, 1] {
        let made = maker.piece(id(), Read::of(path), n, None).await;
        assert!(made.as_ref().err().is_none_or(derived), "{what}: {made:?}");
    }
    let sheet = maker.sheet(id(), Read::of(path), Some(14_000)).await;
    assert!(sheet.as_ref().err().is_none_or(derived), "{what}: {sheet:?}");
    assert!(begun.elapsed() < PATIENCE * 6, "{what}: {:?}", begun.elapsed());
}

/// Afterwards an honest clip is looked at as ever.
async fn assert_alive(makers: &(WorkerProbe, Derivations)) {
    assert_eq!(makers.0.probe(&clip("h264.mp4")).await.unwrap().health, MediaHealth::Whole);
    assert!(piece(&makers.1, "h265.mp4", 0).await.is_some());
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn written(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    std::fs::write(dir.path().join(name), bytes).unwrap();
    dir.path().join(name)
}

fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
}

/// So many zeros, packed (RFC 1950): a thousandth of it.
fn packed_zeros(bytes: u64) -> Vec<u8> {
    let script = "import sys,zlib\nc=zlib.compressobj(9)\nn=int(sys.argv[1])\nz=bytes(1<<20)\n\
                  for _ in range(n>>20): sys.stdout.buffer.write(c.compress(z))\nsys.stdout.buffer.write(c.flush())";
    let out = Command::new("/usr/bin/python3").args(["-c", script, &bytes.to_string()]).output().unwrap();
    assert!(out.status.success() && out.stdout.len() < 4 << 20, "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_and_zeroed() {
    let (makers, dir) = (makers(), dir());
    for name in ["h265.mp4", "mjpeg.avi", "h264.ts", "alaw.mov", "mpeg2.mpg"] {
        let whole = std::fs::read(clip(name)).unwrap();
        survive(name, &written(&dir, "cut", &whole[..whole.len() * 6 / 10]), &makers).await;
        survive(name, &written(&dir, "head", &whole[..2000.min(whole.len())]), &makers).await;
    }
    let whole = std::fs::read(clip("h265.mp4")).unwrap();
    let moov = whole.windows(4).rposition(|w| w == b"moov").unwrap();
    for (what, fill) in [("zeros", 0), ("ones", 0xff)] {
        let mut bytes = whole.clone();
        bytes[moov + 4..].fill(fill);
        survive(what, &written(&dir, "index", &bytes), &makers).await;
    }
    assert_alive(&makers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped() {
    let (makers, dir) = (makers(), dir());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or(0)
    };
    for name in ["h265.mp4", "mjpeg.avi", "h264.ts", "alaw.mov"] {
        let whole = std::fs::read(clip(name)).unwrap();
        for round in 0..4 {
            let mut bytes = whole.clone();
            // Half of the rounds hurt the pages at the beginning, half those at the end, where indexes stand.
            let (from, reach) = if round % 2 == 0 { (12, 4096) } else { (bytes.len() - 4096, 4096) };
            (0..20).for_each(|_| bytes[from + random() % (reach - 12)] = random() as u8);
            survive(&format!("{name} {round}"), &written(&dir, "flipped", &bytes), &makers).await;
        }
    }
    assert_alive(&makers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_absurd_size() {
    let (makers, dir) = (makers(), dir());
    // Every picture of a film claims 65,000 by 65,000 pixels: its frame header has no checksum.
    let mut film = std::fs::read(clip("mjpeg.avi")).unwrap();
    let frames: Vec<usize> =
        film.windows(4).enumerate().filter(|(_, w)| *w == [0xff, 0xc0, 0, 17]).map(|(n, _)| n).collect();
    assert!(frames.len() >= 140, "{} frames", frames.len());
    for at in frames {
        film[at + 5..at + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    }
    survive("pictures", &written(&dir, "huge.avi", &film), &makers).await;
    // The header of the container says so, the pictures do not.
    let mut film = std::fs::read(clip("mjpeg.avi")).unwrap();
    let strf = film.windows(4).position(|w| w == b"strf").unwrap() + 8;
    film[strf + 4..strf + 12].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f]);
    survive("container", &written(&dir, "claims.avi", &film), &makers).await;
    assert_alive(&makers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_without_end() {
    let (makers, dir) = (makers(), dir());
    let sparse = |name: &str, head: &[u8], bytes: u64| {
        let path = written(&dir, name, head);
        std::fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
        path
    };
    // An index of 400 MB of nothing.
    let mut head = mp4_box(b"ftyp", b"isom\0\0\0\0");
    head.extend_from_slice(&400_000_000_u32.to_be_bytes());
    head.extend_from_slice(b"moov");
    survive("index", &sparse("index.mp4", &head, 400_000_028), &makers).await;
    // A million boxes that say nothing, in front of an honest film.
    let film = std::fs::read(clip("h265.mp4")).unwrap();
    let ftyp = u32::from_be_bytes(film[..4].try_into().unwrap()) as usize;
    let many = [&film[..ftyp], &mp4_box(b"free", b"").repeat(1_000_001), &film[ftyp..]].concat();
    survive("boxes", &written(&dir, "boxes.mp4", &many), &makers).await;
    // A list of names and dates of 2 GB in an AVI, tags of 4 GB in a Matroska file.
    let mut avi = b"RIFF\xff\xff\xff\x7fAVI LIST\xe0\xff\xff\x7fINFOISFT\xd0\xff\xff\x7f".to_vec();
    avi.resize(4096, b'x');
    survive("list", &sparse("list.avi", &avi, (1 << 31) + 100), &makers).await;
    let mkv = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x12\x54\xc3\x67\x08\xff\xff\xff\xf0";
    survive("tags", &sparse("tags.mkv", mkv, 1 << 32), &makers).await;
    // Texts within texts, a hundred thousand deep.
    let mut deep = Vec::new();
    for _ in 0..4000 {
        deep = mp4_box(b"udta", &deep);
    }
    let deep = [mp4_box(b"ftyp", b"isom\0\0\0\0"), mp4_box(b"moov", &deep), mp4_box(b"mdat", &[7; 100])].concat();
    survive("depth", &written(&dir, "deep.mp4", &deep), &makers).await;
    assert_alive(&makers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_packed_a_thousandfold() {
    let (makers, dir) = (makers(), dir());
    let bomb = packed_zeros(2 << 30);
    // A compressed index (QuickTime File Format, "Compressed Movie Resources"), which unpacks to 2 GiB.
    let cmvd = [&u32::MAX.to_be_bytes()[..], &bomb].concat();
    let cmov = mp4_box(b"cmov", &[mp4_box(b"dcom", b"zlib"), mp4_box(b"cmvd", &cmvd)].concat());
    let film = [mp4_box(b"ftyp", b"qt  \0\0\0\0"), mp4_box(b"moov", &cmov), mp4_box(b"mdat", &[7; 100])].concat();
    survive("compressed index", &written(&dir, "packed.mov", &film), &makers).await;
    // A decoder's configuration in Matroska, packed the same way (RFC 9559, 5.1.4.1.31.6).
    let element = |id: &[u8], body: &[u8]| {
        // A length of eight bytes (RFC 8794, 4.4).
        [id, &(1 << 56 | body.len() as u64).to_be_bytes(), body].concat()
    };
    let compression = element(&[0x50, 0x34], &element(&[0x42, 0x54], &[0]));
    let encoding = [element(&[0x50, 0x32], &[3]), compression].concat();
    let encodings = element(&[0x6d, 0x80], &element(&[0x62, 0x40], &encoding));
    let video = element(&[0xe0], &[element(&[0xb0], &[1, 64]), element(&[0xba], &[0, 180])].concat());
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_MPEG4/ISO/AVC"),
        video,
        encodings,
        element(&[0x63, 0xa2], &bomb),
    ]
    .concat();
    let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track));
    let info = element(&[0x15, 0x49, 0xa9, 0x66], &element(&[0x2a, 0xd7, 0xb1], &[0x0f, 0x42, 0x40]));
    let segment = element(&[0x18, 0x53, 0x80, 0x67], &[info, tracks].concat());
    let head =
        [element(&[0x42, 0x82], b"matroska"), element(&[0x42, 0x87], &[4]), element(&[0x42, 0x85], &[2])].concat();
    let film = [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), segment].concat();
    survive("packed configuration", &written(&dir, "packed.mkv", &film), &makers).await;
    assert_alive(&makers).await;
}
