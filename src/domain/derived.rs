//! What is derived of a clip to be looked at: pieces of a preview, a contact sheet. Owns their geometry, which the worker
//! that makes them and the page that shows them must agree on. Derived things are never evidence (invariant 6).

/// Length of a piece of a preview, milliseconds: short enough that any place is there after a second or two of work,
/// long enough that beginning anew for each costs little.
pub const PIECE_MS: u64 = 6_000;

/// No recording has more pieces than this: 10 days of them.
pub const PIECES_MAX: u32 = 144_000;

/// Pictures of a contact sheet.
pub const SHEET_PICTURES: u32 = 12;

/// Of which so many stand side by side.
pub const SHEET_COLUMNS: u32 = 6;

/// Width of one of them, pixels.
pub const TILE_WIDTH_PX: u32 = 256;

/// Its height; a picture of another shape stands between dark borders.
pub const TILE_HEIGHT_PX: u32 = 144;

/// Where the pictures of a sheet are taken, milliseconds: in the middle of equal stretches.
pub fn sheet_points(clip_ms: u64) -> Vec<u64> {
    let n = u64::from(SHEET_PICTURES);
    (0..n).map(|i| (u128::from(clip_ms) * u128::from(2 * i + 1) / u128::from(2 * n)) as u64).collect()
}

/// The part of a clip, in milliseconds, that a piece shows.
pub fn piece_span(n: u32) -> (u64, u64) {
    let from = u64::from(n) * PIECE_MS;
    (from, from + PIECE_MS)
}

/// A part of a clip as an address names it (`?t=12.5` or `?t=12.5,20`): seconds, bounded; `None` for what is no such thing.
pub fn parse_span(text: &str) -> Option<(u64, Option<u64>)> {
    let ms = |text: &str| {
        let whole = text.len() <= 12 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let seconds: f64 = Some(text).filter(|_| whole)?.parse().ok()?;
        (seconds < 864_000.0).then_some((seconds * 1000.0).round() as u64)
    };
    match text.split_once(',') {
        None => Some((ms(text)?, None)),
        Some((from, to)) => {
            let (from, to) = (if from.is_empty() { 0 } else { ms(from)? }, ms(to)?);
            (from < to).then_some((from, Some(to)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_evenly_spread_and_inside() {
        assert_eq!(sheet_points(12_000), [500, 1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500, 10_500, 11_500]);
        assert!(sheet_points(u64::MAX).windows(2).all(|w| w[0] < w[1]));
        assert_eq!(sheet_points(0), [0; 12]);
    }

    #[test]
    fn marks_in_addresses() {
        let table = [
            ("12.5", Some((12_500, None))),
            ("0", Some((0, None))),
            ("12.5,20", Some((12_500, Some(20_000)))),
            (",20", Some((0, Some(20_000)))),
            ("20,12", None),
            ("", None),
            ("-1", None),
            ("1e9", None),
            ("12.5.1", None),
            ("999999999", None),
            ("1;2", None),
            ("\"><script>", None),
        ];
        for (text, want) in table {
            assert_eq!(parse_span(text), want, "{text:?}");
        }
    }
}
