//! Positions on earth: how far apart two are, and from the datum of Chinese maps to that of satellites. Pure.

/// Mean radius of the earth, metres (IUGG).
const RADIUS_M: f64 = 6_371_008.8;
/// Krasovsky 1940, on which GCJ-02 computes its offsets: semi-major axis in metres, and eccentricity squared.
const KRASOVSKY_M: f64 = 6_378_245.0;
const KRASOVSKY_E2: f64 = 0.006_693_421_622_965_943;

/// Latitude and longitude, degrees.
pub type Degrees = (f64, f64);

/// Great-circle distance, metres; 0.5 % off at most, because the earth is no sphere.
pub fn distance_m(a: Degrees, b: Degrees) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let (d_lat, d_lon) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let h = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lon / 2.0).sin().powi(2);
    2.0 * RADIUS_M * h.sqrt().min(1.0).asin()
}

/// A position of this datum in WGS84: `GCJ-02` is shifted by some hundred metres inside China, everything else is taken as
/// WGS84. The inverse is approximate, to about a metre (the offset itself changes slowly).
pub fn wgs84(at: Degrees, datum: Option<&str>) -> Degrees {
    if datum != Some("GCJ-02") || !in_china(at) {
        return at;
    }
    // Two steps of the fixed point of at = wgs + offset(wgs).
    let first = minus(at, offset(at));
    minus(at, offset(first))
}

fn minus(a: Degrees, b: Degrees) -> Degrees {
    (a.0 - b.0, a.1 - b.1)
}

fn in_china(at: Degrees) -> bool {
    (0.8293..=55.8271).contains(&at.0) && (72.004..=137.8347).contains(&at.1)
}

/// GCJ-02 minus WGS84, degrees, by the formula that map programs in the open have in common.
fn offset((lat, lon): Degrees) -> Degrees {
    use std::f64::consts::PI;
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave =
        |v: f64, a: f64, ka: f64, b: f64, kb: f64| (a * (v * PI / ka).sin() + b * (v * PI / kb).sin()) * 2.0 / 3.0;
    let shared = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let d_lat = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + shared
        + wave(y, 20.0, 1.0, 40.0, 3.0)
        + wave(y, 160.0, 12.0, 320.0, 30.0);
    let d_lon = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + shared
        + wave(x, 20.0, 1.0, 40.0, 3.0)
        + wave(x, 150.0, 12.0, 300.0, 30.0);
    let phi = lat.to_radians();
    let m = 1.0 - KRASOVSKY_E2 * phi.sin().powi(2);
    let north = KRASOVSKY_M * (1.0 - KRASOVSKY_E2) / (m * m.sqrt()) * PI / 180.0;
    let east = KRASOVSKY_M / m.sqrt() * phi.cos() * PI / 180.0;
    (d_lat / north, d_lon / east)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_datums() {
        // One minute of latitude is a nautical mile.
        assert!((distance_m((37.0, 114.0), (37.0 + 1.0 / 60.0, 114.0)) - 1852.0).abs() < 10.0);
        assert_eq!(distance_m((37.0, 114.0), (37.0, 114.0)), 0.0);
        let here = (37.7560, 114.7760);
        assert_eq!(wgs84(here, Some("WGS84")), here);
        assert_eq!(wgs84((52.5, -1.0), Some("GCJ-02")), (52.5, -1.0), "the shift ends at the border");
        let there = wgs84(here, Some("GCJ-02"));
        let shift = distance_m(here, there);
        assert!((100.0..1000.0).contains(&shift), "{shift}");
        // There and back.
        let (d_lat, d_lon) = offset(there);
        assert!(distance_m(here, (there.0 + d_lat, there.1 + d_lon)) < 0.1);
    }

    #[test]
    fn odd_numbers_do_not_panic() {
        for at in [(90.0, 180.0), (-90.0, -180.0), (0.83, 72.1), (f64::NAN, 0.0)] {
            let _ = distance_m(at, wgs84(at, Some("GCJ-02")));
        }
    }
}
