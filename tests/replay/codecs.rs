//! What recorders record: every encoding that is kept comes whole, plays elsewhere, and is the same bytes each time.

use evidock::domain::stream::{GapKind, SegmentEnd};

use crate::recorder::{Line, PICTURES, Recorder, Rules, SECONDS};
use crate::speaker::{self, DOCUMENT_MS, SOUND_MS, Speaker};
use crate::{BEGIN_MS, END_MS, Fetched, assert_unbroken, codecs, fetch, packets, pictures};

fn url(port: u16) -> String {
    format!("rtsp://127.0.0.1:{port}/replay")
}

#[test]
fn every_encoding_is_whole_and_the_same_bytes_each_time() {
    let kinds = [
        ("h265-aac", ["hevc", "aac"]),
        ("h264-alaw", ["h264", "pcm_alaw"]),
        ("h264-ulaw", ["h264", "pcm_mulaw"]),
        ("h265-alaw", ["hevc", "pcm_alaw"]),
    ];
    let tries = kinds.map(|(kind, wanted)| {
        std::thread::spawn(move || {
            let server = Recorder::of(kind, SECONDS, BEGIN_MS, &[]);
            let once = fetch(&url(server.port), true, (BEGIN_MS, END_MS), |_| {});
            assert_eq!(
                (once.why, once.segments.len(), once.gaps.len()),
                (SegmentEnd::Whole, 1, 0),
                "{kind}: {}",
                once.words
            );
            let one = &once.segments[0];
            assert_eq!(one.begin_ms, BEGIN_MS, "{kind}");
            assert!((one.length_ms - SECONDS * 1000).abs() <= 40, "{kind}: {} ms", one.length_ms);
            assert_eq!(codecs(&one.bytes), wanted, "{kind}");
            let times = pictures(&one.bytes);
            assert_eq!(times.len(), PICTURES, "{kind}");
            assert_unbroken(&times);
            let again = fetch(&url(server.port), true, (BEGIN_MS, END_MS), |_| {});
            assert!(once.segments == again.segments, "{kind}: the same footage gives the same bytes");
            // The same over a line that is cut in its middle.
            let half = one.bytes.len() as u64 / 2;
            let line = Line::to(server.port, Rules { cut_after: Some(half), ..Rules::default() });
            let cut = fetch(&url(line.port), true, (BEGIN_MS, END_MS), |_| {});
            assert_eq!(
                (cut.why, cut.segments.len(), cut.gaps.len()),
                (SegmentEnd::Whole, 1, 0),
                "{kind}: {}",
                cut.words
            );
            assert!(line.connections() >= 2, "{kind}");
            assert!(
                packets(&one.bytes) == packets(&cut.segments[0].bytes),
                "{kind}: everything once, as without a cut"
            );
        })
    });
    for one in tries {
        one.join().unwrap();
    }
}

#[test]
fn what_a_recorder_left_out_is_told_before_the_footage_behind_it() {
    const LENGTH_S: i64 = 8;
    // A fifth of a second of sound, four seconds from the begin.
    let recorder = Speaker::lacking(BEGIN_MS, LENGTH_S, 200..210);
    let fetched = fetch(&url(recorder.port), true, (BEGIN_MS, BEGIN_MS + LENGTH_S * 1_000), |_| {});
    let lost: Vec<_> = fetched.gaps.iter().zip(&fetched.told_at_ms).filter(|(g, _)| g.kind == GapKind::Loss).collect();
    assert!(!lost.is_empty(), "{fetched:?}");
    let (first, last) = (lost[0].0.from_ms, lost.iter().map(|(g, _)| g.to_ms).max().unwrap());
    assert!((first - 4_000).abs() <= SOUND_MS && (last - 4_200).abs() <= SOUND_MS, "{lost:?}");
    for (gap, told_at_ms) in lost {
        assert!(*told_at_ms <= gap.from_ms, "what came behind {gap:?} was given out first, up to {told_at_ms} ms");
    }
}

/// Where each document begins in the file.
fn documents(fetched: &Fetched, seconds: i64) -> Vec<usize> {
    let file = &fetched.segments[0].bytes;
    let places = (0..seconds * 1_000 / DOCUMENT_MS).map(|n| {
        let document = speaker::document(n).into_bytes();
        let at: Vec<usize> =
            file.windows(document.len()).enumerate().filter(|(_, w)| *w == document).map(|(at, _)| at).collect();
        assert_eq!(at.len(), 1, "document {n} stands in the file once");
        at[0]
    });
    places.collect()
}

#[test]
fn metadata_is_kept_document_by_document() {
    const LENGTH_S: i64 = 8;
    let end_ms = BEGIN_MS + LENGTH_S * 1_000;
    let recorder = Speaker::start(BEGIN_MS, LENGTH_S, None);
    let once = fetch(&url(recorder.port), true, (BEGIN_MS, end_ms), |_| {});
    assert_eq!((once.why, once.segments.len(), once.gaps.len()), (SegmentEnd::Whole, 1, 0), "{}", once.words);
    let one = &once.segments[0];
    assert_eq!((one.begin_ms, one.length_ms), (BEGIN_MS, LENGTH_S * 1_000));
    let places = documents(&once, LENGTH_S);
    assert!(places.is_sorted(), "in order: {places:?}");
    // What another tool sees: the sound, and a track that it has no name for.
    assert_eq!(codecs(&one.bytes)[0], "pcm_alaw");
    let sound = packets(&one.bytes).iter().filter(|p| p.starts_with("0 ")).count() as i64;
    assert_eq!(sound, LENGTH_S * 1_000 / SOUND_MS);
    let again = fetch(&url(recorder.port), true, (BEGIN_MS, end_ms), |_| {});
    assert!(once.segments == again.segments, "the same footage gives the same bytes");

    // Cut within a document: the first piece of the fifth has come, the second has not.
    let before = 4 * DOCUMENT_MS / SOUND_MS + 1;
    let pieces: usize = (0..4).map(|n| speaker::document(n).len().div_ceil(speaker::PIECE_BYTES)).sum();
    assert!(speaker::document(4).len() > speaker::PIECE_BYTES);
    let cut = Speaker::start(BEGIN_MS, LENGTH_S, Some(before as usize + pieces + 1));
    let fetched = fetch(&url(cut.port), true, (BEGIN_MS, end_ms), |_| {});
    assert_eq!((fetched.why, fetched.segments.len()), (SegmentEnd::Whole, 1), "{}", fetched.words);
    assert_eq!(cut.plays(), 2);
    assert!(documents(&fetched, LENGTH_S).is_sorted());
    assert_eq!(packets(&one.bytes), packets(&fetched.segments[0].bytes), "everything once, as without a cut");
}
