//! Where a recorder was while it recorded: positions in the order of time, in one datum. Pure.
//!
//! As a fact of a record it is text: `lat,lon lat,lon …`, degrees with five decimals (about a metre), at most
//! [`MAX_POSITIONS`]: enough to draw the way, and short enough for one value. The whole series stays in the sidecar, which is
//! evidence of its own.

use super::place::{Degrees, distance_m};

/// Most positions of a track.
pub const MAX_POSITIONS: usize = 90;

/// Two positions at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Track(Vec<Degrees>);

impl Track {
    /// Reads the text; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let position = |pair: &str| {
            let (lat, lon) = pair.split_once(',')?;
            let at: Degrees = (lat.parse().ok()?, lon.parse().ok()?);
            (at.0.abs() <= 90.0 && at.1.abs() <= 180.0).then_some(at)
        };
        let positions = text.split(' ').map(position).collect::<Option<Vec<_>>>()?;
        (2..=MAX_POSITIONS).contains(&positions.len()).then_some(Self(positions))
    }

    /// Of a series as a recorder wrote it: where it stood still counts once, and of a long one every so many are left; the
    /// first and the last always. `None` where it did not move.
    pub fn of(mut series: Vec<Degrees>) -> Option<Self> {
        series.dedup_by(|a, b| rounded(*a) == rounded(*b));
        let n = series.len();
        let kept = n.min(MAX_POSITIONS);
        (n >= 2).then(|| Self((0..kept).map(|i| series[i * (n - 1) / (kept - 1)]).collect()))
    }

    /// The positions in the order of time.
    pub fn positions(&self) -> &[Degrees] {
        &self.0
    }

    /// How long the way is, metres.
    pub fn length_m(&self) -> f64 {
        self.0.windows(2).map(|pair| distance_m(pair[0], pair[1])).sum()
    }
}

impl std::fmt::Display for Track {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (lat, lon)) in self.0.iter().enumerate() {
            write!(f, "{}{lat:.5},{lon:.5}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

fn rounded((lat, lon): Degrees) -> (i64, i64) {
    ((lat * 1e5).round() as i64, (lon * 1e5).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let track = Track::of(vec![(37.7563, 114.7761), (37.7563, 114.7761), (37.7570, 114.7770)]).unwrap();
        assert_eq!(track.to_string(), "37.75630,114.77610 37.75700,114.77700");
        assert_eq!(Track::parse(&track.to_string()), Some(Track(vec![(37.7563, 114.7761), (37.757, 114.777)])));
        assert!((track.length_m() - 111.0).abs() < 5.0, "{}", track.length_m());
        for bad in ["", "37.1,114.2", "37.1,114.2 x", "91,1 2,2", "1,1  2,2", "1,NaN 1,2", "inf,1 1,1"] {
            assert_eq!(Track::parse(bad), None, "{bad}");
        }
        assert_eq!(Track::of(vec![(1.0, 1.0), (1.000_001, 1.0)]), None, "it stood still");
    }

    #[test]
    fn a_long_series_keeps_its_ends_and_fits_into_a_value() {
        let series: Vec<Degrees> =
            (0..7_200).map(|i| (-37.0 - f64::from(i) * 1e-4, -114.0 - f64::from(i) * 1e-4)).collect();
        let track = Track::of(series.clone()).unwrap();
        assert_eq!(track.positions().len(), MAX_POSITIONS);
        assert_eq!((track.positions().first(), track.positions().last()), (series.first(), series.last()));
        assert!(track.to_string().len() <= 2_000, "{}", track.to_string().len());
        assert!(Track::parse(&track.to_string()).is_some());
    }
}
