//! What a person may enter into a field of a record, and the form in which it is stored.

use jiff::tz::TimeZone;

use super::times::{self, Reading};
use crate::domain::record::Field;
use crate::domain::track::Track;
use crate::domain::why::Why;

/// Longest text of a field, characters.
pub const MAX_VALUE_CHARS: usize = 2_000;
/// The labels of evidence.md, narrowest last; the last one also isolates the clip.
const SENSITIVITIES: [&str; 6] = ["无", "工作秘密", "商业秘密", "个人隐私", "未成年人", "疑似涉密"];

/// Why a value cannot stand in a field; an empty value withdraws and is always fine.
pub fn check_value(field: Field, value: &str, zone: &TimeZone) -> Result<(), Why> {
    if value.is_empty() {
        return Ok(());
    }
    if value.chars().count() > MAX_VALUE_CHARS {
        return Err(Why::ValueTooLong { most: MAX_VALUE_CHARS as u64 });
    }
    if value.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Why::ControlCharacters {});
    }
    match field {
        Field::CapturedStart | Field::CapturedEnd => {
            times::read(value, zone, Reading::Strict).map(|_| ()).map_err(Why::from)
        }
        Field::Lat => degrees(value, 90),
        Field::Lon => degrees(value, 180),
        Field::Track if Track::parse(value).is_none() => Err(Why::TrackForm {}),
        Field::Datum if !["WGS84", "GCJ-02"].contains(&value) => Err(Why::DatumOneOf {}),
        Field::Sensitivity if !SENSITIVITIES.contains(&value) => {
            Err(Why::OneOf { known: SENSITIVITIES.map(str::to_owned).to_vec() })
        }
        _ => Ok(()),
    }
}

fn degrees(value: &str, limit: u8) -> Result<(), Why> {
    match value.parse::<f64>() {
        Ok(d) if d.abs() <= f64::from(limit) => Ok(()),
        _ => Err(Why::DegreesBetween { limit: i64::from(limit) }),
    }
}

/// The stored form: times as RFC 3339 with offset, everything else as it is. Only for checked values.
pub fn canonical_value(field: Field, value: &str, zone: &TimeZone) -> String {
    match field {
        Field::CapturedStart | Field::CapturedEnd => {
            times::read(value, zone, Reading::Strict).map_or_else(|_| value.to_owned(), |t| t.rfc3339())
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_field() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let table = [
            (Field::Officer, "采集人甲", true),
            (Field::Officer, "a\u{7}b", false),
            (Field::Place, "", true),
            (Field::CapturedStart, "2026-06-19 09:00", true),
            (Field::CapturedStart, "yesterday", false),
            (Field::Lat, "91", false),
            (Field::Lon, "114.5", true),
            (Field::Datum, "BD-09", false),
            (Field::Track, "37.1,114.2 37.2,114.2", true),
            (Field::Track, "37.1,114.2", false),
            (Field::Sensitivity, "个人隐私", true),
            (Field::Sensitivity, "secret", false),
        ];
        for (field, value, ok) in table {
            assert_eq!(check_value(field, value, &zone).is_ok(), ok, "{field:?} {value:?}");
        }
        assert_eq!(canonical_value(Field::CapturedStart, "2026-06-19 09:00", &zone), "2026-06-19T09:00:00+08:00");
    }
}
