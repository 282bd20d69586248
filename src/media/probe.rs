//! Facts about one file: recognised by content, its structure judged, then read by whichever reader fits. Runs inside
//! a worker. A broken file is an answer, not an error.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::boxes::{self, Outline};
use super::discover::discover;
use super::mp4;
use super::sniff::{self, Kind};
use super::structure::{self, Opened, ReadAt, Verdict};
use crate::domain::ports::{MediaFacts, MediaHealth};

/// Longest explanation, characters.
const DETAIL_MAX_CHARS: usize = 200;

/// Looks at an open file.
pub fn probe(file: File) -> MediaFacts {
    let facts = open(file).and_then(|(file, kind)| match kind {
        None => Ok(MediaFacts::default()),
        Some(kind) if kind.has_boxes() => with_boxes(kind, &file),
        Some(kind) => without_boxes(kind, &file),
    });
    facts.unwrap_or_else(|error| judged(MediaFacts::default(), broken(format!("it cannot be read: {error}"))))
}

/// Recognises an open file.
pub fn open(file: File) -> io::Result<(Arc<Opened>, Option<Kind>)> {
    let opened = Opened { size_bytes: file.metadata()?.len(), file };
    let kind = recognised(&opened)?;
    Ok((Arc::new(opened), kind))
}

/// What it is, by its first bytes.
pub fn recognised(file: &impl ReadAt) -> io::Result<Option<Kind>> {
    let mut head = [0; sniff::HEAD_BYTES];
    let n = file.read_at(0, &mut head)?;
    Ok(sniff::sniff(&head[..n]))
}

fn without_boxes(kind: Kind, file: &Arc<Opened>) -> io::Result<MediaFacts> {
    let verdict = structure::judge(kind, &**file)?;
    let found = match kind {
        Kind::Bmp => bitmap(file)?,
        _ => discover(file),
    };
    Ok(match found {
        Ok(facts) => judged(named(kind, facts), verdict),
        // A structure that says what is wrong says more than a decoder that gave up.
        Err(why) if verdict == Verdict::Whole => judged(named(kind, MediaFacts::default()), broken(why)),
        Err(_) => judged(named(kind, MediaFacts::default()), verdict),
    })
}

fn bitmap(file: &Arc<Opened>) -> io::Result<Result<MediaFacts, String>> {
    Ok(match structure::bmp_size(&**file)? {
        Some((width @ 1.., height @ 1..)) => Ok(MediaFacts {
            vcodec: Some(String::new()), // Named by `named`.
            width: Some(width),
            height: Some(height),
            ..MediaFacts::default()
        }),
        _ => Err("its header gives no size".to_owned()),
    })
}

fn with_boxes(kind: Kind, file: &Arc<Opened>) -> io::Result<MediaFacts> {
    let outline = boxes::outline(&**file)?;
    if kind == Kind::Heif {
        // Pictures in boxes carry no index; their boxes fit or not.
        let verdict = if outline.indexed { outline.verdict } else { Verdict::Whole };
        return Ok(judged(named(kind, MediaFacts::default()), verdict));
    }
    let mut verdict = outline.verdict.clone();
    let read = match way(&outline) {
        Way::Nothing => Ok(MediaFacts::default()),
        Way::Discoverer => discover(file),
        Way::Index => match mp4::read(file) {
            Ok(indexed) => {
                if verdict == Verdict::Whole && indexed.data_end > file.size_bytes {
                    let more = indexed.data_end - file.size_bytes;
                    verdict = Verdict::Truncated(format!("its index names data {more} bytes beyond its end"));
                }
                let more = if indexed.incomplete { discover(file).ok() } else { None };
                Ok(filled(indexed.facts, more.unwrap_or_default()))
            }
            Err(why) => {
                if verdict == Verdict::Whole {
                    verdict = broken(format!("its index cannot be read: {why}"));
                }
                Ok(discover(file).unwrap_or_default())
            }
        },
    };
    let facts = read.unwrap_or_else(|why| {
        if verdict == Verdict::Whole {
            verdict = broken(why);
        }
        MediaFacts::default()
    });
    if verdict == Verdict::Whole && facts.vcodec.is_none() && facts.acodec.is_none() {
        verdict = broken("no picture and no sound were found in it".to_owned());
    }
    Ok(judged(named(kind, facts), verdict))
}

/// Who reads an MP4.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// `re_mp4`: exact, quick, no decoding; stops at a box that is cut, so it is tried on those too.
    Index,
    /// QuickTime without a brand, and indexes too long to be listed.
    Discoverer,
    /// There is no index to read.
    Nothing,
}

fn way(outline: &Outline) -> Way {
    match outline {
        Outline { indexed: false, .. } => Way::Nothing,
        Outline { branded: true, samples: 0..=mp4::SAMPLES_MAX, verdict: Verdict::Whole, .. } => Way::Index,
        _ => Way::Discoverer,
    }
}

fn named(kind: Kind, mut facts: MediaFacts) -> MediaFacts {
    facts.container = Some(kind.word().to_owned());
    if kind.is_still() {
        facts.fps_milli = None;
        facts.duration_ms = None;
        if facts.vcodec.is_some() {
            facts.vcodec = Some(kind.word().to_owned());
        }
    }
    facts
}

/// `facts`, with what they lack taken from `more`.
fn filled(facts: MediaFacts, more: MediaFacts) -> MediaFacts {
    MediaFacts {
        vcodec: facts.vcodec.or(more.vcodec),
        width: facts.width.or(more.width),
        height: facts.height.or(more.height),
        fps_milli: facts.fps_milli.or(more.fps_milli),
        acodec: facts.acodec.or(more.acodec),
        channels: facts.channels.or(more.channels),
        sample_rate: facts.sample_rate.or(more.sample_rate),
        duration_ms: facts.duration_ms.or(more.duration_ms),
        ..facts
    }
}

fn broken(why: String) -> Verdict {
    Verdict::Broken(why)
}

fn judged(mut facts: MediaFacts, verdict: Verdict) -> MediaFacts {
    let (health, detail) = match verdict {
        Verdict::Whole => (MediaHealth::Whole, None),
        Verdict::Truncated(why) => (MediaHealth::Truncated, Some(why)),
        Verdict::Broken(why) => (MediaHealth::Broken, Some(why)),
    };
    facts.health = health;
    // Libraries quote what they read; nothing of it reaches a page unprintable or endless.
    facts.health_detail = detail.map(|text| text.chars().filter(|c| !c.is_control()).take(DETAIL_MAX_CHARS).collect());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_an_mp4() {
        let whole = Outline { verdict: Verdict::Whole, branded: true, indexed: true, samples: 100 };
        let table = [
            (whole.clone(), Way::Index),
            (Outline { indexed: false, ..whole.clone() }, Way::Nothing),
            (Outline { branded: false, ..whole.clone() }, Way::Discoverer),
            (Outline { samples: mp4::SAMPLES_MAX + 1, ..whole.clone() }, Way::Discoverer),
            (Outline { verdict: Verdict::Truncated(String::new()), ..whole.clone() }, Way::Discoverer),
        ];
        for (outline, want) in table {
            assert_eq!(way(&outline), want, "{outline:?}");
        }
    }

    #[test]
    fn explanations_are_bounded_and_printable() {
        let facts = judged(MediaFacts::default(), broken("\u{1b}[2J\n".repeat(500)));
        let detail = facts.health_detail.unwrap();
        assert!(detail.chars().count() <= DETAIL_MAX_CHARS && !detail.contains(char::is_control));
    }
}
