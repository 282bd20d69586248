//! Lists in pages: where a page begins, and the cursor of the next one. A cursor names the last row that was told, so that
//! what comes or goes meanwhile moves nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use utoipa::IntoParams;

use super::site::ReadError;
use crate::domain::why::Why;

/// Where a page of a list begins.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct AfterQuery {
    /// Cursor: `next` of the page before.
    pub after: Option<String>,
}

impl AfterQuery {
    /// The cursor; a field that was left empty is none.
    pub fn place(&self) -> Option<&str> {
        filled(self.after.as_deref())
    }
}

/// What was written; nothing where a field was left empty.
pub fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn lost() -> ReadError {
    ReadError::Invalid(Why::PlaceInList {})
}

/// The place in a list that is ordered by a number.
pub fn number(after: Option<&str>) -> Result<Option<i64>, ReadError> {
    after.map(|text| text.parse().map_err(|_| lost())).transpose()
}

/// The cursor of a list that is ordered by a moment, and among equals by a name.
pub fn at(ms: i64, name: impl std::fmt::Display) -> String {
    format!("{ms}~{name}")
}

/// The place that [`at`] wrote.
pub fn moment(after: Option<&str>) -> Result<Option<(i64, String)>, ReadError> {
    let read = |text: &str| {
        let (ms, name) = text.split_once('~')?;
        Some((ms.parse().ok()?, name.to_owned()))
    };
    after.map(|text| read(text).ok_or_else(lost)).transpose()
}

/// The cursor of a list that is ordered by two texts, which may be anything.
pub fn texts(first: &str, second: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{first}\0{second}"))
}

/// The place that [`texts`] wrote.
pub fn two(after: Option<&str>) -> Result<Option<(String, String)>, ReadError> {
    let read = |text: &str| {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (first, second) = plain.split_once('\0')?;
        Some((first.to_owned(), second.to_owned()))
    };
    after.map(|text| read(text).ok_or_else(lost)).transpose()
}

/// Cuts rows of which one more was read than a page has, and gives the cursor of the next page.
pub fn cut<T>(rows: &mut Vec<T>, most: u32, cursor: impl FnOnce(&T) -> String) -> Option<String> {
    let most = most as usize;
    if rows.len() <= most {
        return None;
    }
    rows.truncate(most);
    rows.last().map(cursor)
}

/// The address of the next page: `path` with what narrows the list (`pairs`, already written for an address) and the cursor.
pub fn href(path: &str, pairs: &[String], next: &str) -> String {
    let cursor = format!("after={}", super::present::segment(next));
    let all: Vec<&str> = pairs.iter().map(String::as_str).filter(|p| !p.is_empty()).chain([cursor.as_str()]).collect();
    format!("{path}?{}", all.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        assert_eq!(moment(Some(&at(17, "a~b"))).unwrap(), Some((17, "a~b".into())));
        assert_eq!(two(Some(&texts("张三", "00-12"))).unwrap(), Some(("张三".into(), "00-12".into())));
        assert_eq!(number(Some("12")).unwrap(), Some(12));
        assert!(number(None).unwrap().is_none() && moment(None).unwrap().is_none() && two(None).unwrap().is_none());
        for bad in ["", "x", "~", "1", "x~y", "*", "YWJj"] {
            let ill = |answer: bool| assert!(answer, "{bad}");
            ill(bad == "1" || matches!(number(Some(bad)), Err(ReadError::Invalid(Why::PlaceInList {}))));
            ill(matches!(moment(Some(bad)), Err(ReadError::Invalid(Why::PlaceInList {}))));
            ill(matches!(two(Some(bad)), Err(ReadError::Invalid(Why::PlaceInList {}))));
        }
        let left_empty = AfterQuery { after: Some("  ".into()) };
        assert_eq!(left_empty.place(), None);
    }

    #[test]
    fn the_last_page_has_no_next_one() {
        let mut rows: Vec<u32> = (1..=3).collect();
        assert_eq!(cut(&mut rows, 3, u32::to_string), None);
        rows.push(4);
        assert_eq!(cut(&mut rows, 3, u32::to_string).as_deref(), Some("3"));
        assert_eq!(rows, [1, 2, 3]);
        assert_eq!(href("/x", &["a=1".into(), String::new()], "1~b"), "/x?a=1&after=1%7Eb");
    }
}
