//! What goes out first, and how fast at which time of day: rules of the configuration as data, and pure answers to
//! them.

/// A rule that says which of two clips goes out first. Rules are asked in their order; the first that tells the two
/// apart decides, and of clips that no rule tells apart the older one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precedence {
    /// A person pushed it to the front; the newest push goes before earlier ones.
    Pushed,
    /// Marked as important on the recorder.
    Marked,
    /// Linked to a case.
    Linked,
    /// The older one.
    Oldest,
    /// The newer one.
    Newest,
    /// The shorter one.
    Smallest,
}

impl Precedence {
    /// Every rule.
    pub const ALL: [Self; 6] = [Self::Pushed, Self::Marked, Self::Linked, Self::Oldest, Self::Newest, Self::Smallest];
    /// What holds where nothing is configured.
    pub const DEFAULT: [Self; 4] = [Self::Pushed, Self::Marked, Self::Linked, Self::Oldest];

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Marked => "marked",
            Self::Linked => "linked",
            Self::Oldest => "oldest",
            Self::Newest => "newest",
            Self::Smallest => "smallest",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == word)
    }
}

/// Minutes of a day.
pub const DAY_MIN: u16 = 24 * 60;

/// A stretch of each day with a ceiling; over midnight where it ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// From this minute of the day on.
    pub from_min: u16,
    /// Up to this one, not included; [`DAY_MIN`] is the day's end.
    pub to_min: u16,
    /// In 10^6 bits a second; 0 shuts the line.
    pub mbit: u64,
}

impl Stretch {
    fn covers(self, minute: u16) -> bool {
        match self.from_min < self.to_min {
            true => (self.from_min..self.to_min).contains(&minute),
            false => minute >= self.from_min || minute < self.to_min,
        }
    }
}

/// How fast bytes may go out at some instant, slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ceiling {
    /// Nothing is begun.
    Shut,
    /// So many bytes a second.
    Bytes(u64),
    /// As fast as the line is.
    Open,
}

impl Ceiling {
    /// In bytes a second, where it bounds them. What is under way when a line is shut still comes to its end, slowly.
    pub fn bytes_per_s(self) -> Option<u64> {
        const DRAIN: u64 = 1_000_000 / 8;
        match self {
            Self::Shut => Some(DRAIN),
            Self::Bytes(bytes) => Some(bytes),
            Self::Open => None,
        }
    }
}

/// Ceilings by the time of day, in the station's zone. Where stretches overlap, the lowest holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timetable(pub Vec<Stretch>);

impl Timetable {
    /// The ceiling at a minute of the day.
    pub fn at(&self, minute: u16) -> Ceiling {
        let ceiling = |s: &Stretch| match s.mbit {
            0 => Ceiling::Shut,
            mbit => Ceiling::Bytes(mbit.saturating_mul(1_000_000) / 8),
        };
        self.0.iter().filter(|s| s.covers(minute)).map(ceiling).min().unwrap_or(Ceiling::Open)
    }

    /// Whether it never bounds anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether anything goes out at a minute of the day by all of these, and the minute at which that is next otherwise; `None`
/// where it never is.
pub fn next_window(tables: &[&Timetable], minute: u16) -> (bool, Option<u16>) {
    let open = |minute: u16| tables.iter().all(|table| table.at(minute) != Ceiling::Shut);
    let now = open(minute);
    let turns = (1..DAY_MIN).map(|ahead| (minute + ahead) % DAY_MIN).find(|at| open(*at) != now);
    (now, turns)
}

/// `08:00` as a minute of the day; `24:00` is its end.
pub fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let minute = two(hours)? * 60 + two(minutes).filter(|m| *m < 60)?;
    (minute <= DAY_MIN).then_some(minute)
}

/// A minute of the day as `08:00`.
pub fn minute_text(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_open_and_shut_by_every_table() {
        let night = Timetable(vec![Stretch { from_min: 8 * 60, to_min: 18 * 60, mbit: 0 }]);
        let noon = Timetable(vec![Stretch { from_min: 17 * 60, to_min: 20 * 60, mbit: 0 }]);
        let slow = Timetable(vec![Stretch { from_min: 0, to_min: DAY_MIN, mbit: 5 }]);
        for (tables, minute, wanted) in [
            (&[&night][..], 7 * 60, (true, Some(8 * 60))),
            (&[&night], 9 * 60, (false, Some(18 * 60))),
            (&[&night, &noon], 9 * 60, (false, Some(20 * 60))),
            (&[&night], 23 * 60, (true, Some(8 * 60))),
            (&[&slow], 0, (true, None)),
        ] {
            assert_eq!(next_window(tables, minute), wanted, "{minute}");
        }
    }

    #[test]
    fn words_read_back() {
        assert!(Precedence::ALL.iter().all(|rule| Precedence::parse(rule.as_str()) == Some(*rule)));
        assert_eq!(Precedence::parse("first"), None);
    }

    #[test]
    fn the_lowest_ceiling_of_the_hour_holds() {
        let stretch = |from: &str, to: &str, mbit| Stretch {
            from_min: minute_of_day(from).unwrap(),
            to_min: minute_of_day(to).unwrap(),
            mbit,
        };
        let table = Timetable(vec![
            stretch("08:00", "18:00", 8),
            stretch("12:00", "14:00", 80),
            stretch("17:30", "17:40", 0),
            stretch("22:00", "06:00", 40),
        ]);
        for (time, wanted) in [
            ("07:59", Ceiling::Open),
            ("08:00", Ceiling::Bytes(1_000_000)),
            ("13:00", Ceiling::Bytes(1_000_000)),
            ("17:35", Ceiling::Shut),
            ("18:00", Ceiling::Open),
            ("22:00", Ceiling::Bytes(5_000_000)),
            ("00:00", Ceiling::Bytes(5_000_000)),
            ("05:59", Ceiling::Bytes(5_000_000)),
            ("06:00", Ceiling::Open),
        ] {
            assert_eq!(table.at(minute_of_day(time).unwrap()), wanted, "{time}");
        }
        let always = Timetable(vec![stretch("00:00", "24:00", 1)]);
        assert!((0..DAY_MIN).all(|minute| always.at(minute) == Ceiling::Bytes(125_000)));
        assert_eq!(Timetable::default().at(0), Ceiling::Open);
        assert!(Ceiling::Shut.bytes_per_s().is_some_and(|b| b > 0), "what is under way must come to its end");
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        for (text, minute) in [("00:00", Some(0)), ("08:05", Some(485)), ("24:00", Some(DAY_MIN))] {
            assert_eq!(minute_of_day(text), minute);
            assert_eq!(minute_text(minute.unwrap()), text);
        }
        for text in ["8:00", "24:01", "12:60", "12", "-1:00", "12:0", "１２:00", "12:00:00", ""] {
            assert_eq!(minute_of_day(text), None, "{text}");
        }
    }
}
