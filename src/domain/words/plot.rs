//! Words of the drawing of where a clip was recorded.

use super::{Lang, Words};
use crate::domain::place::Degrees;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident => $zh:literal, $en:literal;)+) => {
        impl Words {
            $($(#[$doc])* pub fn $name(&self) -> &'static str {
                match self.lang {
                    Lang::Zh => $zh,
                    Lang::En => $en,
                }
            })+
        }
    };
}

words! {
    /// Heading.
    plot_title => "位置", "Where";
    /// The begin of the way.
    plot_start => "起点", "Start";
    /// Its end.
    plot_end => "终点", "End";
    /// Beside the arrow.
    plot_north => "北", "N";
}

impl Words {
    /// A length on the ground: `50 米`, `2 km`.
    pub fn metres(&self, metres: f64) -> String {
        let whole = metres.round().max(0.0) as u64;
        match (whole >= 1_000, whole % 1_000, self.lang) {
            (true, 0, Lang::Zh) => format!("{} 公里", whole / 1_000),
            (true, 0, Lang::En) => format!("{}\u{a0}km", whole / 1_000),
            (true, _, Lang::Zh) => format!("{:.1} 公里", metres / 1_000.0),
            (true, _, Lang::En) => format!("{:.1}\u{a0}km", metres / 1_000.0),
            (false, _, Lang::Zh) => format!("{whole} 米"),
            (false, _, Lang::En) => format!("{whole}\u{a0}m"),
        }
    }

    /// The drawing of a way in words: begin, end, length, and how far it reaches from west to east and from south to north.
    pub fn plot_told(&self, start: Degrees, end: Degrees, length_m: f64, reach_m: (f64, f64)) -> String {
        let at = |(lat, lon): Degrees| format!("{lat:.5}, {lon:.5}");
        let (start, end, length) = (at(start), at(end), self.metres(length_m));
        let (across, along) = (self.metres(reach_m.0), self.metres(reach_m.1));
        match self.lang {
            Lang::Zh => format!(
                "按记录仪的定位绘制，无底图。起点 {start}；终点 {end}；全长约 {length}，东西 {across}，南北 {along}。"
            ),
            Lang::En => format!(
                "Drawn from the recorder's own positions, without a map. Start {start}; end {end}; about {length} in all, {across} from west to east and {along} from south to north."
            ),
        }
    }

    /// The drawing of one position in words.
    pub fn plot_point(&self, (lat, lon): Degrees) -> String {
        match self.lang {
            Lang::Zh => format!("只有一个位置：{lat:.5}, {lon:.5}。无底图。"),
            Lang::En => format!("One position alone is known: {lat:.5}, {lon:.5}. There is no map under it."),
        }
    }
}
