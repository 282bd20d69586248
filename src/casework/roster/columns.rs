//! The columns of a roster: their names, others that people use for them, and where they stand in a table.

use std::collections::HashMap;

use crate::casework::register::{Column, Form, column, header_line, plain, required};
use crate::domain::why::Why;

/// Columns in the order of the template. The first Chinese name is what the template prints.
pub const COLUMNS: [Column; 13] = [
    required("officer", &["采集人", "执法人员", "领用人", "姓名", "值班人员"], Form::Person, "张三"),
    required("recorder", &["记录仪", "记录仪编号", "执法记录仪", "设备编号", "序列号"], Form::Text, "36NCC009910"),
    required("from", &["领用时间", "起", "开始时间", "出勤时间"], Form::Time, "2026-06-19 09:00"),
    required("to", &["归还时间", "止", "结束时间", "收队时间"], Form::Time, "2026-06-19 17:30"),
    column("case", &["案件编号", "案号", "case_no"], Form::Number, "赵卫罚〔2026〕12号"),
    column("place", &["地点", "采集地点", "地址"], Form::Text, "东关街18号"),
    column("matter", &["记录事项", "事项"], Form::Text, "现场检查"),
    column("proves", &["证明对象"], Form::Text, "经营场所未公示许可证"),
    column("stage", &["环节", "执法环节", "记录环节"], Form::Text, "调查取证"),
    column("officer_cert_no", &["执法证号", "执法证件号", "证号"], Form::Text, "03013300123"),
    column("co_officers", &["协办人员", "协办", "协办人"], Form::Text, "李四"),
    column("enforcement_kind", &["执法类别", "类别"], Form::Text, "检查"),
    column("party", &["当事人"], Form::Text, "赵县某饭店"),
];

/// The template of a roster: its header line, as those of registers.
pub fn template() -> String {
    header_line(&COLUMNS)
}

/// The Chinese name of a column, or of the field that it says.
pub(super) fn chinese(name: &'static str) -> &'static str {
    let column = if name == "party_ref" { "party" } else { name };
    COLUMNS.iter().find(|c| c.name == column).map_or(name, |c| c.names[0])
}

/// Where in a row each column stands that the table has.
pub(super) type Places = HashMap<&'static str, usize>;

/// Where they stand, or everything that is wrong with the names.
pub(super) fn places(names: &[String]) -> Result<Places, Vec<Why>> {
    let mut found = Places::new();
    let mut problems = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let Some(plain) = plain(name) else { continue };
        match COLUMNS.iter().find(|c| c.name == plain || c.names.contains(&plain.as_str())) {
            None => problems.push(unknown(name, &plain)),
            Some(column) if found.insert(column.name, at).is_some() => {
                problems.push(Why::ColumnTwice { name: name.clone(), column: column.name.to_owned() });
            }
            Some(_) => {}
        }
    }
    for column in COLUMNS.iter().filter(|c| c.required && !found.contains_key(c.name)) {
        let others = column.names.iter().map(|other| (*other).to_owned()).collect();
        problems.push(Why::ColumnMissing { column: column.name.to_owned(), others });
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// A name that is none, and which one it is like.
fn unknown(name: &str, plain: &str) -> Why {
    let short: String = plain.chars().take(40).collect();
    let known = COLUMNS.iter().flat_map(|c| std::iter::once(&c.name).chain(c.names));
    let best = known.map(|known| (strsim::normalized_damerau_levenshtein(&short, known), known));
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness >= 0.7 => {
            Why::ColumnNearly { name: name.to_owned(), nearest: (*known).to_owned() }
        }
        _ => Why::ColumnStrange { name: name.to_owned() },
    }
}
