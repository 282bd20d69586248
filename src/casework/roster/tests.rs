//! Rosters as people write them: good ones, each mistake with its line and column, other encodings.

use encoding_rs::GB18030;
use proptest::prelude::*;

use super::*;
use crate::domain::words::Lang;
use crate::domain::workbook::{Cell, sheet};

fn read_bytes(bytes: &[u8]) -> Result<Roster, RosterError> {
    super::read(bytes, &TimeZone::get("Asia/Shanghai").unwrap(), &NumberRule::builtin(), 2026)
}

fn read(text: &str) -> Result<Roster, RosterError> {
    read_bytes(text.as_bytes())
}

const GOOD: &str = "\
officer,recorder,from,to,case,place,matter,proves
张三,36NCC009910,2026-06-19 09:00,2026-06-19 12:00,赵卫罚[2026]12号,东关街18号,现场检查,经营场所未公示许可证
李四,36NCC009911,2026-06-19T09:00:00+08:00,2026/6/19 17:30,,,,
";

#[test]
fn english_and_chinese_columns_in_any_order() {
    let roster = read(GOOD).unwrap();
    assert_eq!((roster.errors, roster.warnings), (vec![], vec![]));
    let [first, second] = &roster.rows[..] else { panic!() };
    let expected = RosterRow {
        line: 2,
        officer: "张三".into(),
        recorder: "36NCC009910".into(),
        from_ms: 1_781_830_800_000,
        to_ms: 1_781_841_600_000,
        begun_ms: None,
        case: Some(RosterCase { raw: "赵卫罚[2026]12号".into(), key: "赵卫罚(2026)12".into() }),
        place: Some("东关街18号".into()),
        matter: Some("现场检查".into()),
        proves: Some("经营场所未公示许可证".into()),
        stage: None,
        officer_cert_no: None,
        co_officers: None,
        enforcement_kind: None,
        party: None,
    };
    assert_eq!(first, &expected);
    let kept = serde_json::to_string(first).unwrap();
    assert_eq!(&serde_json::from_str::<RosterRow>(&kept).unwrap(), first);
    assert!(
        serde_json::from_str::<RosterRow>(r#"{"line":2,"officer":"a","recorder":"b","from_ms":1,"to_ms":2}"#).is_ok()
    );
    assert_eq!((second.case.as_ref(), second.place.as_ref(), second.line), (None, None, 3));

    let chinese = "\
序号,证明对象,记录事项,地点,案件编号,止,起,记录仪,执法人员,备注
1,经营场所未公示许可证,现场检查,东关街18号,赵卫罚[2026]12号,2026-06-19 12:00,2026-06-19 09:00,36NCC009910,张三,无
";
    assert_eq!(read(chinese).unwrap().rows, [expected]);
    let rest = "采集人,记录仪,领用时间,归还时间,环节,执法证号,协办人员,执法类别,当事人\n\
                张三,A1,2026-06-19 09:00,2026-06-19 12:00,调查,13012300456,李四,检查,某诊所\n";
    let row = &read(rest).unwrap().rows[0];
    let said: Vec<_> = row.facts().into_iter().map(|(field, value)| format!("{}={value}", field.as_str())).collect();
    assert_eq!(
        said,
        [
            "officer=张三",
            "stage=调查",
            "officer_cert_no=13012300456",
            "co_officers=李四",
            "enforcement_kind=检查",
            "party_ref=某诊所"
        ]
    );
}

#[test]
fn the_encodings_of_spreadsheet_programs() {
    let with = |mark: &[u8], bytes: Vec<u8>| read_bytes(&[mark, &bytes].concat());
    let good = read(GOOD);
    assert_eq!(with(b"\xef\xbb\xbf", GOOD.into()), good);
    assert_eq!(with(b"", GB18030.encode(GOOD).0.into_owned()), good);
    let tabs = GOOD.replace(',', "\t");
    let utf16 = tabs.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(with(b"\xff\xfe", utf16), good, "Unicode text as spreadsheets save it");
    for line_end in ["\r\n", "\r"] {
        assert_eq!(with(b"\xef\xbb\xbf", GOOD.replace('\n', line_end).into()), good, "{line_end:?}");
    }
    assert_eq!(read_bytes(b"officer\xff\xff"), Err(RosterError::Table(TableError::NotText)));
    assert_eq!(read_bytes(&vec![b'a'; table::MAX_BYTES + 1]), Err(RosterError::Table(TableError::TooLarge)));
    let book = read_bytes(b"PK\x03\x04\x14\x00\x06\x00").unwrap_err().to_string();
    assert!(book.contains("workbook cannot be read"), "{book}");
}

/// The same rows as a workbook and as JSON, whose lines are those of the sheet and places in the list.
#[test]
fn workbooks_and_json_say_the_same() {
    let wanted = read(GOOD).unwrap().rows;
    let lines: Vec<Vec<&str>> = GOOD.lines().map(|line| line.split(',').collect()).collect();
    let cells: Vec<Vec<Cell>> = lines[1..].iter().map(|row| row.iter().map(|v| Cell::from(*v)).collect()).collect();
    let book = read_bytes(&sheet::write("排班表", "", &lines[0], &cells)).unwrap();
    let objects: Vec<serde_json::Value> = lines[1..]
        .iter()
        .map(|row| lines[0].iter().zip(row).map(|(name, v)| ((*name).to_owned(), (*v).into())).collect())
        .map(serde_json::Value::Object)
        .collect();
    let json = read_bytes(&serde_json::to_vec(&objects).unwrap()).unwrap();
    for (form, found, first) in [("xlsx", book, 3), ("json", json, 1)] {
        assert_eq!((&found.errors, &found.warnings), (&vec![], &vec![]), "{form}");
        let at = |(n, row): (usize, &RosterRow)| RosterRow { line: first + n as u64, ..row.clone() };
        assert_eq!(found.rows, wanted.iter().enumerate().map(at).collect::<Vec<_>>(), "{form}");
    }
    let wrong = read(r#"[{"采集人": "张三", "记录仪": "R1", "起": "上午", "止": "2026-06-19 12:00"}]"#).unwrap();
    let told = Why::from(&wrong.errors[0]).told(Lang::Zh);
    assert!(told.starts_with("第 1 行，起 列，“上午”："), "{told}");
}

#[test]
fn the_template_is_a_roster_without_rows() {
    let header = template();
    assert!(header.starts_with("\u{feff}采集人,记录仪,领用时间,归还时间,案件编号,"), "{header}");
    assert_eq!(read(&header), Err(RosterError::Table(TableError::Empty)));
    let examples: Vec<&str> = COLUMNS.iter().map(|c| c.example).collect();
    let found = read(&format!("{header}{}\n", examples.join(","))).unwrap();
    assert_eq!((found.errors, found.rows.len()), (vec![], 1));
    // Each of its columns is told by its own Chinese name.
    for column in COLUMNS {
        assert_eq!(columns::chinese(column.name), column.names[0]);
    }
    assert_eq!(columns::chinese("party_ref"), "当事人");
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "\
采集人,记录仪,起,止,案件编号,地点
,R1,2026-06-19 09:00,2026-06-19 12:00,,
000000,R1,2026-06-19 9点,2026-06-19 12:00,,
张三,R1,2026-06-19 12:00,2026-06-19 09:00,赵卫罚2026-12,

李四,R2,2026-06-19 09:00,2026-06-31 12:00,\"赵卫罚〔2026〕1号、赵卫罚〔2026〕2号\",\"东
关街\"
王五,R3,2026-06-19 09:00,2026-06-19 12:00,,东关街,18号
赵六,R4,2026-06-19 09:00
,,,,,
钱七,R5,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕7号,北街
";
    let roster = read(text).unwrap();
    let told: Vec<String> = roster.errors.iter().map(RowError::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    line 2, column 采集人, "": must not be empty
    line 3, column 采集人, "000000": zeros name nobody; write the officer's name or number
    line 3, column 起, "2026-06-19 9点": write date and time as 2026-06-19 09:00 or 2026-06-19T09:00:00+08:00
    line 4, column 止, "2026-06-19 09:00": must be later than the time of taking out
    line 4, column 案件编号, "赵卫罚2026-12": the year stands without brackets; write it as in 〔2019〕; is 赵卫罚〔2026〕12号 meant?
    line 6, column 止, "2026-06-31 12:00": there is no such date or time; check day, month and hour
    line 6, column 案件编号, "赵卫罚〔2026〕1号、赵卫罚〔2026〕2号": more than one case number; give each its own link or row; is 赵卫罚〔2026〕1号 or 赵卫罚〔2026〕2号 meant?
    line 6, column 地点, "东\n关街": longer than 500 characters or with a line break in it; check the quotation marks
    line 8, column 7, "18号": the line has more values than there are columns; put a value with a comma in quotation marks
    line 9, column 止, "": must not be empty
    "#);
    assert_eq!(roster.rows.iter().map(|r| r.line).collect::<Vec<_>>(), [11]);

    let refused = roster.clone().accept(false).unwrap_err();
    assert!(refused.to_string().starts_with("10 mistake(s), nothing was imported: line 2"), "{refused}");
    assert_eq!(roster.accept(true).unwrap().len(), 1);
}

#[test]
fn files_that_are_no_roster() {
    let told: Vec<String> = [
        "",
        "officer,recorder,from,to\n",
        "officer,recorder,from,to\n,,,\n",
        "officer,recoder,from\n张三,R1,2026-06-19 09:00\n",
        "officer,采集人,recorder,from,to,weather\n张三,张三,R1,2026-06-19 09:00,2026-06-19 12:00,晴\n",
        "县执法记录仪领用登记表\n采集人,记录仪,起,止\n",
    ]
    .into_iter()
    .map(|text| read(text).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    there are no rows; the first line names the columns, each line below it is one entry
    there are no rows; the first line names the columns, each line below it is one entry
    there are no rows; the first line names the columns, each line below it is one entry
    column "recoder" is not known; is recorder meant? Otherwise remove it; column recorder (记录仪, 记录仪编号, 执法记录仪, 设备编号, 序列号) is missing; column to (归还时间, 止, 结束时间, 收队时间) is missing
    column "采集人" is there twice as officer; remove one; column "weather" is not known; rename or remove it
    column "县执法记录仪领用登记表" is not known; rename or remove it; column officer (采集人, 执法人员, 领用人, 姓名, 值班人员) is missing; column recorder (记录仪, 记录仪编号, 执法记录仪, 设备编号, 序列号) is missing; column from (领用时间, 起, 开始时间, 出勤时间) is missing; column to (归还时间, 止, 结束时间, 收队时间) is missing
    "#);
}

#[test]
fn overlaps_are_warnings_that_say_what_differs() {
    let text = "\
officer,recorder,from,to,case,place
张三,R1,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,东关街
张三,ｒ1,2026-06-19 11:00,2026-06-19 13:00,赵卫罚〔2026〕2号,东关街
李四,R1,2026-06-19 13:00,2026-06-19 14:00,,
张三,R1,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,东关街
张三,R2,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026）3号,
王五,R2,2026-06-19 10:00,2026-06-19 11:00,,西街
王五,R2,2026-06-19 10:30,2026-06-19 11:00,,
";
    let roster = read(text).unwrap();
    assert_eq!(roster.rows.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 3, 4, 6, 7, 8]);
    let told: Vec<String> = roster.warnings.iter().map(RosterWarning::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    line 5 repeats line 2; it counts once
    line 6, column case: the two brackets are of different kinds; check that the number is whole
    lines 2 and 3 overlap for recorder ｒ1 and differ in case; for clips of both times a person must decide
    lines 6 and 7 overlap for recorder R2 and differ in officer; for clips of both times a person must decide
    lines 6 and 8 overlap for recorder R2 and differ in officer; for clips of both times a person must decide
    lines 7 and 8 overlap for recorder R2 and say the same
    "#);
    let chinese = Why::from(&roster.warnings[3]).told(Lang::Zh);
    assert!(chinese.contains("第 6 行和第 7 行") && chinese.contains("采集人不一致"), "{chinese}");
    assert!(roster.accept(false).is_ok());
}

#[test]
fn many_overlaps_stay_cheap() {
    let row = read(GOOD).unwrap().rows.remove(0);
    let rows: Vec<_> = (0..50_000).map(|line| RosterRow { line, ..row.clone() }).collect();
    assert_eq!(overlaps(&rows).len(), MAX_OVERLAPS);
}

#[test]
fn recorders_and_nobodies() {
    assert_eq!(recorder_key(" ３６Ncc009910 "), "36ncc009910");
    for (officer, somebody) in
        [("000000", false), ("００00", false), (" ", false), ("-", false), ("000120", true), ("张三", true)]
    {
        assert_eq!(names_somebody(officer), somebody, "{officer}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), rows in "[张0R,\"\n\t -:/2026]{0,80}") {
        let _ = read_bytes(&bytes);
        let _ = read(&format!("officer,recorder,from,to,case\n{rows}"));
    }
}
