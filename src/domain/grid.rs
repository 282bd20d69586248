//! The digest grid (decision 10): how a clip is cut into upload parts, each with its SHA-256.
//!
//! The cut is a pure function of what is known when copying begins, so that a part digest computed
//! while copying is still the right one years later and on any machine. A file of declared size gets
//! parts of one size; a stream of unknown size gets parts that grow, so that the S3 limit of 10,000
//! parts (Amazon S3, "multipart upload limits") is never met.

/// Smallest part that S3 accepts for every part but the last (Amazon S3: 5 MiB); we begin above it.
pub const MIN_PART_BYTES: u64 = 8 << 20;
/// S3's limit on parts in one upload, less a margin for our own arithmetic.
const MAX_PARTS: u64 = 9_000;
/// A stream's parts double after this many, so that a small recording is not one part.
const PARTS_PER_STEP: u64 = 1_000;

/// How a clip is cut into parts. Stored with the clip; never changed afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartGrid {
    /// Every part but the last has this many bytes.
    Fixed(u64),
    /// 1,000 parts of 8 MiB, then 1,000 of 16 MiB, and so on: about 8 TB in 10,000 parts.
    Growing,
}

impl PartGrid {
    /// The grid for a file of `declared_bytes`, or for a stream whose end is not known.
    pub fn for_size(declared_bytes: Option<u64>) -> Self {
        let Some(size) = declared_bytes else { return Self::Growing };
        let needed = size.div_ceil(MAX_PARTS);
        Self::Fixed(needed.next_multiple_of(MIN_PART_BYTES).max(MIN_PART_BYTES))
    }

    /// Length in bytes of part `n` (from 0) when it is full.
    pub fn part_bytes(self, n: u64) -> u64 {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Growing => MIN_PART_BYTES << (n / PARTS_PER_STEP).min(20),
        }
    }

    /// Offset in bytes at which part `n` (from 0) begins.
    pub fn part_offset(self, n: u64) -> u64 {
        match self {
            Self::Fixed(bytes) => n * bytes,
            Self::Growing => {
                let full_steps = n / PARTS_PER_STEP;
                let before: u64 = (0..full_steps).map(|s| PARTS_PER_STEP * (MIN_PART_BYTES << s.min(20))).sum();
                before + (n % PARTS_PER_STEP) * self.part_bytes(n)
            }
        }
    }

    /// The stored form: the fixed size, or 0 for the growing schedule.
    pub fn to_stored(self) -> u64 {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Growing => 0,
        }
    }

    /// Reads the stored form.
    pub fn from_stored(bytes: u64) -> Self {
        if bytes == 0 { Self::Growing } else { Self::Fixed(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_inside_the_limits_of_s3() {
        for size in [0, 1, MIN_PART_BYTES, 5 << 30, 48 << 30, 4 << 40] {
            let grid = PartGrid::for_size(Some(size));
            let part = grid.part_bytes(0);
            assert!((5 << 20..=5 << 30).contains(&part), "{size}");
            assert!(size.div_ceil(part) <= 10_000, "{size}");
            assert_eq!(PartGrid::from_stored(grid.to_stored()), grid);
        }
    }

    #[test]
    fn growing_parts_touch_and_reach_far() {
        let grid = PartGrid::Growing;
        for n in [0, 1, 999, 1_000, 1_001, 4_500, 9_998] {
            assert_eq!(grid.part_offset(n + 1), grid.part_offset(n) + grid.part_bytes(n), "{n}");
        }
        assert!(grid.part_offset(9_999) > 5 << 40);
        assert_eq!(PartGrid::from_stored(grid.to_stored()), grid);
    }
}
