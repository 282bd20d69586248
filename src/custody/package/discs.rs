//! Which clips of a package go on which disc. Pure arithmetic over lengths: clips stay in their order and whole, since a
//! clip in two pieces is no longer what was sealed.

use std::ops::Range;

/// Bytes of a single-layer DVD: 4.7 GB as it is printed on the box, of which a little less can be written (ECMA-267).
pub const DVD_BYTES: u64 = 4_700_000_000;
/// Bytes of a single-layer Blu-ray disc (25 GB).
pub const BLU_RAY_BYTES: u64 = 25_025_314_816;
/// The smallest that is taken for a disc: what is around the clips must fit as well.
pub const LEAST_BYTES: u64 = 100_000_000;
/// Sectors of discs; a file takes whole ones (ECMA-119).
const SECTOR_BYTES: u64 = 2_048;

/// Bytes that a file of this length takes on a disc, with its entry in the directory.
pub fn on_disc(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR_BYTES).saturating_mul(SECTOR_BYTES).saturating_add(256)
}

/// A clip that no disc of this size can hold: its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// Divides clips among discs of `room` bytes. `sizes` are what each clip takes with everything that is only about it;
/// `common` what every disc takes besides.
pub fn divide(sizes: &[u64], common: u64, room: u64) -> Result<Vec<Range<usize>>, TooLong> {
    // File systems of discs, and whoever burns them, want some for themselves.
    let room = (room - room / 50).saturating_sub(common);
    let (mut discs, mut from, mut full) = (Vec::new(), 0, 0_u64);
    for (n, size) in sizes.iter().enumerate() {
        if *size > room {
            return Err(TooLong(n));
        }
        if full + size > room {
            discs.push(from..n);
            (from, full) = (n, 0);
        }
        full += size;
    }
    if from < sizes.len() {
        discs.push(from..sizes.len());
    }
    Ok(discs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clips_stay_whole_and_in_order() {
        assert_eq!(divide(&[50, 40, 5, 60], 0, 102), Ok(vec![0..3, 3..4]));
        assert_eq!(divide(&[50, 40, 5, 60], 40, 102), Ok(vec![0..1, 1..3, 3..4]));
        assert_eq!(divide(&[50, 101], 0, 102), Err(TooLong(1)));
        assert_eq!(divide(&[], 0, 102), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn every_clip_is_on_one_disc_and_no_disc_is_too_full(
            sizes in prop::collection::vec(0_u64..1_000, 0..60), common in 0_u64..500, room in 2_000_u64..5_000,
        ) {
            let discs = divide(&sizes, common, room).unwrap();
            let mut next = 0;
            for disc in &discs {
                prop_assert_eq!(disc.start, next);
                prop_assert!(disc.end > disc.start);
                next = disc.end;
                prop_assert!(common + sizes[disc.clone()].iter().sum::<u64>() <= room);
            }
            prop_assert_eq!(next, sizes.len());
        }
    }
}
