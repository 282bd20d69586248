//! Their columns and ours, both ways: a dropped table under our names, and a record under theirs. Pure.

use serde_json::{Map, Value};

use crate::casework::register::table::Table;
use crate::domain::register::JOINT;

/// A dropped table under the names that the register knows; columns that the mapping does not name are left out. The refusal
/// names the columns that are not there.
pub(super) fn ours(table: Table, columns: &[(String, String)]) -> Result<Table, Vec<String>> {
    if columns.is_empty() {
        return Ok(table);
    }
    let place = |theirs: &str| table.names.iter().position(|name| name.trim_start_matches('\u{feff}').trim() == theirs);
    let places: Vec<(Option<usize>, &(String, String))> = columns.iter().map(|c| (place(&c.0), c)).collect();
    let missing: Vec<String> = places.iter().filter(|(at, _)| at.is_none()).map(|(_, c)| c.0.clone()).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let picked = |row: &[String]| -> Vec<String> {
        places.iter().map(|(at, _)| at.and_then(|at| row.get(at)).cloned().unwrap_or_default()).collect()
    };
    Ok(Table {
        names: columns.iter().map(|(_, ours)| ours.clone()).collect(),
        rows: table.rows.iter().map(|(line, row)| (*line, picked(row))).collect(),
    })
}

/// What they call a column of ours.
pub(super) fn theirs<'a>(ours: &'a str, columns: &'a [(String, String)]) -> &'a str {
    columns.iter().find(|(_, name)| name == ours).map_or(ours, |(theirs, _)| theirs)
}

/// A record as texts in the order of the columns.
pub(super) fn texts(record: &Value, columns: &[(String, String)]) -> Vec<String> {
    columns.iter().map(|(_, ours)| text(&record[ours])).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // Links to cases by their numbers, whatever else a list holds as it stands.
        Value::Array(items) => {
            let one = |item: &Value| item["case_no"].as_str().map_or_else(|| text(item), str::to_owned);
            items.iter().map(one).collect::<Vec<_>>().join(JOINT)
        }
        other => other.to_string(),
    }
}

/// A record as an object under their names.
pub(super) fn object(record: &Value, columns: &[(String, String)]) -> Map<String, Value> {
    columns.iter().map(|(theirs, ours)| (theirs.clone(), record[ours].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_table_comes_under_our_names_with_the_lines_that_it_had() {
        let table = Table {
            names: ["\u{feff}AJBH", "x", "DSR"].map(str::to_owned).to_vec(),
            rows: vec![
                (2, ["赵卫罚〔2026〕12号", "-", "某饭店"].map(str::to_owned).to_vec()),
                (5, vec!["13".to_owned()]),
            ],
        };
        let map = columns(&[("DSR", "party"), ("AJBH", "number")]);
        let got = ours(table.clone(), &map).unwrap();
        assert_eq!(got.names, ["party", "number"]);
        assert_eq!(got.rows[0], (2, vec!["某饭店".to_owned(), "赵卫罚〔2026〕12号".to_owned()]));
        assert_eq!(got.rows[1], (5, vec![String::new(), "13".to_owned()]));
        assert_eq!(ours(table.clone(), &columns(&[("AY", "cause")])), Err(vec!["AY".to_owned()]));
        assert_eq!(ours(table.clone(), &[]).unwrap(), table);
        assert_eq!((theirs("number", &map), theirs("cause", &map)), ("AJBH", "cause"));
    }

    #[test]
    fn a_record_comes_under_theirs() {
        let record = serde_json::json!({ "record_id": "c", "officer": null, "legal_hold": true, "cases": [{ "case_no": "甲" }, { "case_no": "乙" }] });
        let map = columns(&[("BH", "record_id"), ("CJR", "officer"), ("ZT", "legal_hold"), ("AJ", "cases")]);
        assert_eq!(texts(&record, &map), ["c", "", "true", "甲、乙"]);
        assert_eq!(object(&record, &map)["ZT"], true);
    }
}
