//! Segments as tables: what goes in, what comes out.

use super::*;

const MS: u64 = 1_000_000;

fn h264(config: u8) -> Codec {
    Codec::H264 { width: 64, height: 36, config: vec![config; 8] }
}

fn alaw() -> Codec {
    Codec::G711 { a_law: true, rate: 8000, channels: 1 }
}

fn frame(ms: u64, key: bool) -> Incoming {
    Incoming { pts_ns: ms * MS, dts_ns: ms * MS, key, data: vec![if key { 1 } else { 0 }; 10] }
}

/// What came out: begins with their times, ends, and the number of samples written.
#[derive(Default, Debug, PartialEq)]
struct Story {
    begun_ms: Vec<u64>,
    ended_ms: Vec<(u64, SegmentEnd)>,
    media: usize,
}

impl Story {
    fn add(&mut self, out: Vec<Out>) {
        for one in out {
            match one {
                Out::Begin { start_ns, end_ns, bytes } => {
                    self.begun_ms.push(start_ns / MS);
                    self.ended_ms.push((end_ns / MS, SegmentEnd::Failed));
                    self.media += media(&bytes);
                }
                Out::More { end_ns, bytes } => {
                    self.ended_ms.last_mut().unwrap().0 = end_ns / MS;
                    self.media += media(&bytes);
                }
                Out::End(why) => self.ended_ms.last_mut().unwrap().1 = why,
            }
        }
    }
}

fn media(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut found = 0;
    while at < bytes.len() {
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        if &bytes[at + 4..at + 8] == b"mdat" {
            found += len - 8;
        }
        at += len;
    }
    found
}

/// 25 pictures a second with a key frame each second, from `from_ms` until `to_ms`.
fn pictures(cutter: &mut Cutter, story: &mut Story, from_ms: u64, to_ms: u64) {
    for ms in (from_ms..to_ms).step_by(40) {
        story.add(cutter.sample(0, frame(ms, ms % 1000 == 0), ms));
    }
}

#[test]
fn segments_are_cut_on_key_frames_and_nothing_is_lost_between_them() {
    let mut cutter = Cutter::new(&[true], 2_500);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 400, 8_000);
    story.add(cutter.finish(SegmentEnd::Asked));
    assert_eq!(story.begun_ms, [1_000, 4_000, 7_000], "the first key frame, then each that comes after 2.5 s");
    let ends = [(4_000, SegmentEnd::Length), (7_000, SegmentEnd::Length), (8_000, SegmentEnd::Asked)];
    assert_eq!(story.ended_ms, ends);
    assert_eq!(story.media, 175 * 10, "every picture from the first key frame on, once");
    assert_eq!(cutter.dropped(), 15);
}

#[test]
fn a_cut_that_was_asked_for_comes_with_the_next_key_frame() {
    let mut cutter = Cutter::new(&[true], 0);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 0, 1_400);
    cutter.want_cut();
    pictures(&mut cutter, &mut story, 1_400, 3_000);
    story.add(cutter.finish(SegmentEnd::Stopped));
    assert_eq!(story.begun_ms, [0, 2_000]);
    assert_eq!(story.ended_ms, [(2_000, SegmentEnd::Asked), (3_000, SegmentEnd::Stopped)]);
}

#[test]
fn sound_that_was_announced_and_never_comes_holds_nothing_up() {
    let mut cutter = Cutter::new(&[true, false], 2_000);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 0, 5_000);
    story.add(cutter.finish(SegmentEnd::Lost));
    assert_eq!(story.begun_ms, [0, 2_000, 4_000]);
    assert_eq!(story.media, 125 * 10);
}

#[test]
fn sound_goes_with_its_picture_across_a_cut() {
    let mut cutter = Cutter::new(&[true, false], 1_000);
    cutter.codec(0, h264(1));
    cutter.codec(1, alaw());
    let mut story = Story::default();
    for ms in (0..3_000).step_by(20) {
        if ms % 40 == 0 {
            story.add(cutter.sample(0, frame(ms, ms % 1000 == 0), ms));
        }
        // Sound comes 100 ms late.
        if ms >= 100 {
            story.add(cutter.sample(1, frame(ms - 100, true), ms));
        }
    }
    story.add(cutter.finish(SegmentEnd::Lost));
    assert_eq!(story.begun_ms, [0, 1_000, 2_000]);
    assert_eq!(story.media, 75 * 10 + 145 * 10);
}

#[test]
fn another_encoding_and_another_time_line_are_another_file() {
    let mut cutter = Cutter::new(&[true], 0);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 0, 2_000);
    cutter.codec(0, h264(2));
    pictures(&mut cutter, &mut story, 2_000, 3_000);
    pictures(&mut cutter, &mut story, 90_000, 91_000);
    pictures(&mut cutter, &mut story, 1_000, 2_000);
    story.add(cutter.finish(SegmentEnd::Lost));
    assert_eq!(story.begun_ms, [0, 2_000, 90_000, 1_000]);
    let whys: Vec<_> = story.ended_ms.iter().map(|e| e.1).collect();
    assert_eq!(whys, [SegmentEnd::Changed, SegmentEnd::Changed, SegmentEnd::Changed, SegmentEnd::Lost]);
    assert_eq!(story.media, 125 * 10);
}

#[test]
fn what_came_before_a_kill_is_out_but_for_half_a_second() {
    let mut cutter = Cutter::new(&[true], 0);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 0, 10_000);
    assert!(story.media >= (250 - 14) * 10, "{} of 250 pictures", story.media / 10);
}

#[test]
fn a_gap_in_the_times_stays_one() {
    let mut cutter = Cutter::new(&[true], 0);
    cutter.codec(0, h264(1));
    let mut story = Story::default();
    pictures(&mut cutter, &mut story, 0, 2_000);
    pictures(&mut cutter, &mut story, 5_000, 6_000);
    story.add(cutter.finish(SegmentEnd::Lost));
    assert_eq!((story.begun_ms, story.ended_ms), (vec![0], vec![(6_000, SegmentEnd::Lost)]));
}

#[test]
fn a_stream_that_ends_before_its_first_key_frame_leaves_nothing() {
    let mut cutter = Cutter::new(&[true, false], 0);
    cutter.codec(1, alaw());
    assert_eq!(cutter.sample(1, frame(0, true), 0), []);
    assert_eq!(cutter.sample(0, frame(40, false), 40), []);
    assert_eq!(cutter.finish(SegmentEnd::Lost), []);
    assert!(!cutter::is_empty_still(&still(&h264(1), vec![1, 2, 3])));
}

mod cutter {
    pub fn is_empty_still(bytes: &[u8]) -> bool {
        super::media(bytes) == 0
    }
}
