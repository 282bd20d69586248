//! Tables of what people type into registers, and of every mistake with its place.

use proptest::prelude::*;

use super::*;
use crate::domain::case_number::{ShapeSpec, builtin_shapes};

fn rule() -> NumberRule {
    let task = ShapeSpec {
        name: "inspection".into(),
        regex: "(?:JC|jc)-?(?<year>[0-9]{4})-(?<serial>[0-9]+)".into(),
        display: "JC-{year}-{serial}".into(),
        key: "JC-{year}-{serial#}".into(),
        kind: CaseKind::Inspection,
        example: "JC-2026-0311".into(),
    };
    NumberRule::with_shapes(2, [vec![task], builtin_shapes()].concat()).unwrap()
}

fn read_all(register: Register, text: &str) -> Result<Found, RegisterError> {
    read(register, text.as_bytes(), &TimeZone::get("Asia/Shanghai").unwrap(), &rule(), 2026)
}

fn one(register: Register, text: &str) -> Read {
    let found = read_all(register, text).unwrap();
    assert_eq!(found.errors, [], "{text}");
    found.entries.into_iter().next().unwrap()
}

#[test]
fn a_case_as_an_agency_lists_it() {
    let case = one(
        Register::Case,
        "案件编号,立案号,决定书文号,其他编号,检查任务号,当事人,执法类别,承办人,立案日期,已完成环节,已完成事项,纬度,经度,备注\n\
         赵卫罚【2026】第012号,赵卫立[2026]7,赵卫罚〔2026〕12号,赵卫罚告〔2026〕3号;JC-2026-9,jc2026-0311,赵县某饭店,处罚,张三、李四,2026/6/22,立案;调查,现场检查@2026-06-19 09:00~10:30；送达,37.7560,114.776,不读\n",
    );
    let keys = |numbers: &[CaseNumber]| numbers.iter().map(|n| n.key().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        keys(&case.numbers),
        ["赵卫罚(2026)12", "赵卫罚告(2026)3", "赵卫立(2026)7"],
        "each once, the one that names it first"
    );
    assert_eq!(keys(&case.earlier), ["JC-2026-9", "JC-2026-311"], "a task is no number of the case");
    let e = &case.entry;
    assert_eq!(e.get("number"), Some("赵卫罚〔2026〕012号"));
    assert_eq!(e.list("officers"), ["张三", "李四"]);
    assert_eq!(e.get("opened"), Some("2026-06-22T00:00:00+08:00"));
    assert_eq!(e.get("matters"), Some("现场检查@2026-06-19T09:00:00+08:00~2026-06-19T10:30:00+08:00、送达"));
    assert_eq!(e.position(), Some((37.756, 114.776)));
}

#[test]
fn a_matter_with_a_day_alone_is_of_any_time_of_it() {
    for (typed, stored) in [
        ("送达@2026-07-03", "送达@2026-07-03T00:00:00+08:00~2026-07-04T00:00:00+08:00"),
        ("送达＠２０２６/7/3", "送达@2026-07-03T00:00:00+08:00~2026-07-04T00:00:00+08:00"),
        ("送达@2026-07-03~2026-07-05", "送达@2026-07-03T00:00:00+08:00~2026-07-06T00:00:00+08:00"),
        ("送达@2026-07-03 15:00", "送达@2026-07-03T15:00:00+08:00"),
        ("送达@2026-07-03 00:00", "送达@2026-07-03T00:00:00+08:00"),
        ("送达@2026-07-03 15:00~15:20", "送达@2026-07-03T15:00:00+08:00~2026-07-03T15:20:00+08:00"),
    ] {
        let case = one(Register::Case, &format!("案件编号,已完成事项\n赵卫罚〔2026〕1号,{typed}\n"));
        assert_eq!(case.entry.get("matters"), Some(stored), "{typed}");
        let days = case.entry.matters()[0].days;
        assert_eq!(days, !typed.contains(':'), "{typed}");
    }
}

#[test]
fn every_register_reads_its_own_template() {
    for register in Register::ALL {
        let examples: Vec<String> = columns(register).iter().map(|c| format!("\"{}\"", c.example)).collect();
        let text = format!("{}{}\n", template(register), examples.join(","));
        let read = one(register, &text);
        assert!(!read.entry.name(register).is_empty(), "{register:?}");
        for column in columns(register) {
            assert_eq!(
                read.entry.get(column.name).is_some(),
                !column.example.is_empty(),
                "{register:?} {}",
                column.name
            );
            assert!(!IGNORED.contains(&column.name) && !column.names.is_empty());
        }
        // What is stored is read as the same again.
        let json = serde_json::to_string(&[&read.entry]).unwrap();
        let again = read_all(register, &json).unwrap();
        assert_eq!((again.errors, &again.entries[0].entry), (vec![], &read.entry), "{register:?}");
    }
}

#[test]
fn no_two_columns_of_a_register_share_a_name() {
    for register in Register::ALL {
        let mut names: Vec<&str> =
            columns(register).iter().flat_map(|c| c.names.iter().copied().chain([c.name])).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{register:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    use Register::*;
    for (register, text, told) in [
        (Officer, "姓名,警号\n,110203\n", "line 2, column 姓名, \"\": must not be empty"),
        (Officer, "姓名\n000000\n", "line 2, column 姓名, \"000000\": zeros name nobody"),
        (Officer, "姓名,警号\n张三,1\n张三,1\n", "line 3, column 姓名, \"张三\": is there already in line 2"),
        (Officer, "姓名\n张三,1,2\n", "more values than there are columns"),
        (Officer, "姓名,离岗时间\n张三,2026-02-30\n", "line 2, column 离岗时间, \"2026-02-30\": there is no such date"),
        (Officer, "姓名,辅助\n张三,也许\n", "column 辅助, \"也许\": write 是 or 否"),
        (Case, "案件编号\n赵卫罚2026-12\n", "is 赵卫罚〔2026〕12号 meant?"),
        (Case, "案件编号\nJC-2026-311\n", "not of the case; write it into 检查任务号"),
        (Case, "案件编号,立案时间,结案时间\n赵卫罚〔2026〕1号,2026-06-22,2026-06-21\n", "column 结案时间"),
        (Case, "案件编号,纬度\n赵卫罚〔2026〕1号,37\n", "belong together"),
        (Case, "案件编号,纬度,经度\n赵卫罚〔2026〕1号,97,1\n", "column 纬度, \"97\": write degrees from -90 to 90"),
        (Case, "案件编号,坐标系\n赵卫罚〔2026〕1号,BD-09\n", "write WGS84 or GCJ-02"),
        (Case, "案件编号,事项\n赵卫罚〔2026〕1号,检查@2026-06-19 10:00~09:00\n", "it ends before it begins"),
        (Case, "案件编号,事项\n赵卫罚〔2026〕1号,检查@昨天\n", "write date and time as"),
        (Case, "案件编号,事项\n赵卫罚〔2026〕1号,检查@2026-06-19~2026-06-17\n", "it ends before it begins"),
        (
            Case,
            "案件编号\n赵卫罚〔2026〕1号\n赵卫罚[2026]001号\n",
            "line 3, column 案件编号, \"赵卫罚〔2026〕001号\": is there already in line 2",
        ),
        (Catalogue, "记录环节,记录方式\n调查,随便\n", "column 记录方式, \"随便\": write 全过程"),
        (Party, "当事人\n\"a\u{7}b\"\n", "longer than 1000 characters or with a line break"),
    ] {
        let error = read_all(register, text).unwrap().accept().unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
        assert!(error.starts_with("1 mistake(s), nothing was imported"), "{error}");
    }
    let several = "姓名,离岗时间\n,昨天\n000,2026-13-01\n";
    assert_eq!(read_all(Officer, several).unwrap().errors.len(), 4, "all of them at once");
}

#[test]
fn a_header_that_cannot_be_told_is_told() {
    for (text, says) in [
        ("警号\n1\n", "column 姓名 (name) is missing"),
        ("姓名,年龄\n张三,40\n", "column \"年龄\" is not known; known are 姓名, 警号"),
        ("姓名,执法人员\n张三,李四\n", "is there twice as name"),
    ] {
        let error = read_all(Register::Officer, text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let starred = one(Register::Officer, "＊姓 名,number\n张三,7\n");
    assert_eq!(starred.entry.get("number"), Some("7"));
}

#[test]
fn a_catalogue_without_matters_goes_by_its_stages() {
    let item = one(Register::Catalogue, "执法类别,记录环节,记录方式\n强制,查封扣押,全程\n");
    assert_eq!(item.entry.get("matter"), Some("查封扣押"));
    assert_eq!(item.entry.get("tier"), Some("whole"));
}

proptest! {
    /// Whatever stands in a file, it is read or refused; what was read is read as the same again.
    #[test]
    fn any_table_is_read_or_refused(cells in prop::collection::vec(prop_oneof![any::<String>(), "[张三0-9〔〕号、;@~: -]{0,16}"], 0..12)) {
        for register in Register::ALL {
            let mut text = template(register);
            for row in cells.chunks(columns(register).len()) {
                let row: Vec<String> = row.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect();
                text.push_str(&format!("{}\n", row.join(",")));
            }
            if let Ok(found) = read_all(register, &text) {
                for read in found.entries {
                    let json = serde_json::to_string(&[&read.entry]).unwrap();
                    let again = read_all(register, &json).unwrap();
                    prop_assert_eq!(again.errors, vec![]);
                    prop_assert_eq!(&again.entries[0].entry, &read.entry);
                }
            }
        }
    }
}
