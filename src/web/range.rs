//! The `Range` header (RFC 9110, section 14), as a pure function. One range is served; a request for several is
//! answered whole, as section 14.2 allows, since no player asks for that.

use std::ops::Range;

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it (200).
    Whole,
    /// These bytes, never empty (206).
    Part(Range<u64>),
    /// Nothing of it exists, or the header cannot be read (416).
    Unsatisfiable,
}

/// Reads a `Range` header against a file of `len` bytes.
pub fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some(header) = header else { return Wanted::Whole };
    let Some((unit, set)) = header.split_once('=') else { return Wanted::Unsatisfiable };
    // An unknown unit must be ignored (14.2).
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    if set.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Unsatisfiable };
    match (number(first), number(last)) {
        // The last n bytes; of a shorter file, all of it.
        (Number::Absent, Number::Is(0)) => Wanted::Unsatisfiable,
        (Number::Absent, Number::Is(_)) if len == 0 => Wanted::Whole,
        (Number::Absent, Number::Is(n)) => Wanted::Part(len.saturating_sub(n)..len),
        (Number::Is(first), Number::Absent) if first < len => Wanted::Part(first..len),
        (Number::Is(first), Number::Is(last)) if first <= last && first < len => {
            Wanted::Part(first..last.saturating_add(1).min(len))
        }
        _ => Wanted::Unsatisfiable,
    }
}

enum Number {
    Absent,
    Is(u64),
    Bad,
}

/// Digits only; a number beyond u64 is as large as one can be.
fn number(text: &str) -> Number {
    let text = text.trim();
    if text.is_empty() {
        Number::Absent
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        Number::Is(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_rfc_has_it() {
        use Wanted::{Part, Unsatisfiable, Whole};
        let table = [
            (None, 1000, Whole),
            (Some("bytes=0-499"), 1000, Part(0..500)),
            (Some("bytes=500-999"), 1000, Part(500..1000)),
            (Some("bytes=500-9999"), 1000, Part(500..1000)),
            (Some("bytes=0-0"), 1000, Part(0..1)),
            (Some("bytes=999-"), 1000, Part(999..1000)),
            (Some("bytes=-500"), 1000, Part(500..1000)),
            (Some("bytes=-5000"), 1000, Part(0..1000)),
            (Some("BYTES = 1-2"), 1000, Part(1..3)),
            (Some("bytes=1000-"), 1000, Unsatisfiable),
            (Some("bytes=-0"), 1000, Unsatisfiable),
            (Some("bytes=9-3"), 1000, Unsatisfiable),
            (Some("bytes=a-b"), 1000, Unsatisfiable),
            (Some("bytes=-"), 1000, Unsatisfiable),
            (Some("bytes"), 1000, Unsatisfiable),
            (Some("bytes=0-99999999999999999999999"), 1000, Part(0..1000)),
            (Some("bytes=+1-2"), 1000, Unsatisfiable),
            (Some("items=0-1"), 1000, Whole),
            (Some("bytes=0-1,5-6"), 1000, Whole),
            (Some("bytes=0-"), 0, Unsatisfiable),
            (Some("bytes=-5"), 0, Whole),
        ];
        for (header, len, expected) in table {
            assert_eq!(wanted(header, len), expected, "{header:?} of {len}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_end(header in "bytes=[0-9,-]{0,24}|\\PC{0,24}", len in 0_u64..=u64::MAX) {
            if let Wanted::Part(range) = wanted(Some(&header), len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
