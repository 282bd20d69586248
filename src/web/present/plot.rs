//! Where a clip was recorded, as a drawing of its own: the way of the recorder with its begin, its end and a scale. Nothing
//! of it comes from outside; there is no map under it.

use crate::domain::place::{Degrees, distance_m};
use crate::domain::record::Record;
use crate::domain::track::Track;
use crate::domain::words::Words;

/// The drawing's size, units of its view box.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
/// Kept free around the way; below it stands the scale.
const MARGIN: f64 = 26.0;
const BELOW: f64 = 34.0;
/// A way that is shorter is not drawn larger: positions are not better than that.
const LEAST_M: f64 = 30.0;

/// What the template draws.
pub struct Plot {
    /// The view box.
    pub width: f64,
    /// The view box.
    pub height: f64,
    /// The way, `x,y x,y …`; empty where one position alone is known.
    pub way: String,
    /// Where it begins.
    pub start: (String, String),
    /// Where it ends, where that is known.
    pub end: Option<(String, String)>,
    /// The scale: from, to, height, and where its words stand.
    pub scale: (String, String, String, String),
    /// How long the scale is, in words.
    pub scale_words: String,
    /// All of it in words.
    pub told: String,
}

/// The plot of a clip of which a position is known.
pub fn plot(record: &Record, w: &Words) -> Option<Plot> {
    let track = record.track.as_deref().and_then(Track::parse);
    let positions: Vec<Degrees> = match &track {
        Some(track) => track.positions().to_vec(),
        None => {
            let degrees = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
            let (lat, lon) = (degrees(&record.lat)?, degrees(&record.lon)?);
            (lat.abs() <= 90.0 && lon.abs() <= 180.0).then(|| vec![(lat, lon)])?
        }
    };
    let (start, end) = (*positions.first()?, *positions.last()?);
    // Metres east and north of the begin; on a way of some kilometres the earth is flat.
    let metres = |at: Degrees| {
        let east = distance_m((start.0, start.1), (start.0, at.1)).copysign(at.1 - start.1);
        let north = distance_m((start.0, start.1), (at.0, start.1)).copysign(at.0 - start.0);
        (east, north)
    };
    let flat: Vec<(f64, f64)> = positions.iter().map(|at| metres(*at)).collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (least, most) =
            flat.iter().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        (least, most)
    };
    let ((west, east), (south, north)) = (span(|p| p.0), span(|p| p.1));
    let room = (WIDTH - 2.0 * MARGIN, HEIGHT - MARGIN - BELOW - MARGIN);
    let per_metre = (room.0 / (east - west).max(LEAST_M)).min(room.1 / (north - south).max(LEAST_M));
    let middle = ((west + east) / 2.0, (south + north) / 2.0);
    let place = |(x, y): (f64, f64)| {
        let across = MARGIN + room.0 / 2.0 + (x - middle.0) * per_metre;
        // North is up.
        (across, MARGIN + room.1 / 2.0 - (y - middle.1) * per_metre)
    };
    let written = |(x, y): (f64, f64)| (format!("{x:.1}"), format!("{y:.1}"));
    let drawn: Vec<(f64, f64)> = flat.iter().map(|p| place(*p)).collect();
    let way = match &track {
        Some(_) => drawn.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" "),
        None => String::new(),
    };
    let scale_m = round_scale(room.0 / 2.5 / per_metre);
    let (from, below) = (MARGIN, HEIGHT - 12.0);
    let (width, height) = (WIDTH, HEIGHT);
    Some(Plot {
        width,
        height,
        way,
        start: written(drawn[0]),
        end: track.as_ref().and_then(|_| drawn.last().map(|at| written(*at))),
        scale: (
            format!("{from:.1}"),
            format!("{:.1}", from + scale_m * per_metre),
            format!("{below:.1}"),
            format!("{:.1}", from + scale_m * per_metre + 8.0),
        ),
        scale_words: w.metres(scale_m),
        told: match &track {
            Some(track) => w.plot_told(start, end, track.length_m(), (east - west, north - south)),
            None => w.plot_point(start),
        },
    })
}

/// The largest of 1, 2, 5, 10, 20, 50 … metres that is not longer.
fn round_scale(most_m: f64) -> f64 {
    let decade = 10_f64.powf(most_m.max(1.0).log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * decade).find(|m| *m <= most_m).unwrap_or(decade)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::words::Lang;

    fn with(track: Option<&str>) -> Record {
        Record {
            lat: Some("37.7563".into()),
            lon: Some("114.7761".into()),
            track: track.map(Into::into),
            ..Record::default()
        }
    }

    #[test]
    fn scales_are_round() {
        for (most, scale) in [(9.9, 5.0), (10.0, 10.0), (199.0, 100.0), (200.0, 200.0), (640.0, 500.0), (1.2, 1.0)] {
            assert_eq!(round_scale(most), scale, "{most}");
        }
    }

    #[test]
    fn a_way_lies_inside_the_drawing_and_north_is_up() {
        // East by about 88 m, then north by about 111 m.
        let plot =
            plot(&with(Some("37.75630,114.77610 37.75630,114.77710 37.75730,114.77710")), Lang::Zh.words()).unwrap();
        let points: Vec<(f64, f64)> = plot
            .way
            .split(' ')
            .map(|p| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
            .collect();
        assert_eq!(points.len(), 3);
        assert!(
            points.iter().all(|(x, y)| (0.0..=WIDTH).contains(x) && (0.0..=HEIGHT - BELOW).contains(y)),
            "{points:?}"
        );
        assert!(points[1].0 > points[0].0 && points[2].1 < points[1].1, "{points:?}");
        let scale: f64 = plot.scale.1.parse::<f64>().unwrap() - plot.scale.0.parse::<f64>().unwrap();
        let east = points[1].0 - points[0].0;
        assert_eq!(plot.scale_words, "100 米");
        assert!((scale / 100.0 - east / 88.0).abs() < 0.05, "the scale is that of the way: {scale} {east}");
        assert!(plot.told.contains("全长约 199 米") || plot.told.contains("全长约 200 米"), "{}", plot.told);
    }

    #[test]
    fn one_position_is_a_point_and_none_is_no_plot() {
        let point = plot(&with(None), Lang::En.words()).unwrap();
        assert!(point.way.is_empty() && point.end.is_none() && point.told.contains("37.75630"), "{}", point.told);
        // What is no track falls back to the position.
        assert!(plot(&with(Some("x")), Lang::En.words()).is_some_and(|p| p.way.is_empty()));
        assert!(plot(&Record::default(), Lang::En.words()).is_none());
    }
}
