//! Why a rule says that a clip belongs to a case, in both languages: one key a line. Whoever decides in triage reads them, and
//! English stands in the log.

use serde::{Deserialize, Serialize};

use crate::domain::grounds::{At, By, ByRule, Fit, Holder};
use crate::domain::sentence::sentences;

sentences! {
    /// One thing that a rule found. Each variant's documentation is its English.
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "ground", rename_all = "snake_case")]
    Ground else
    /// One of a newer program.
    #[serde(other)]
    Unsaid;

    // Whoever began it, had it or was to have it
    RecordingBegun {} => "开始录制时已指定本案", "the recording was begun for this case";
    Issued { issue: i64, recorder: String, from: At } => "领用登记 {issue}：{recorder} 自 {from} 领出", "issue {issue}: {recorder} out from {from}";
    RosterRow { line: u64, recorder: String, from: At, to: At } => "排班表第 {line} 行：{recorder} 于 {from} 至 {to} 领用", "roster line {line}: {recorder} out from {from} to {to}";
    Captured { start: At, by: By } => "{start} 开始采集（时间依据：{by}）", "capture began {start} ({by})";
    EndedAfterReturn {} => "采集结束时已过归还时间", "it ended after the return";
    RowWithoutCase {} => "同一时间另有一行没有写案件", "another row for that time names no case";
    RowOfAnotherCase {} => "同一时间另有一行写的是其他案件", "another row for that time names another case";
    AnotherOfficer {} => "有人指明采集人不是该人", "a person named another officer";
    NoRowNames {} => "排班表原先写的是该案，现在已没有这样的行", "the roster named it, and no row of it does any more";
    NowSays { rule: ByRule, number: String } => "{rule}现在写的是{number}", "the {rule} now says {number}";

    // Numbers
    NumberFound { holder: Holder, number: String } => "{holder}中有编号{number}", "the {holder} holds {number}";
    WasBefore { number: String, reference: String } => "{number}立案前的编号是{reference}", "{number} names {reference} as what it was before it was opened";
    SeveralCases { cases: u64 } => "由此立了 {cases} 个案件", "{cases} cases came of it";
    OtherOfficers {} => "承办人是其他人员", "its officers are others";

    SameScene { fits: Vec<Fit> } => "与该案相符：{fits}", "it fits: {fits}";
    SceneUnknown {} => "采集地点和当事人无从核对", "neither place nor party can be compared";
    FarFromAddress { metres: i64 } => "采集位置距该案地址 {metres} 米", "captured {metres} m away from its address";
    OtherPlace { here: String, there: String } => "采集地点是{here}，该案地点是{there}", "captured at {here}, while its place is {there}";
    OtherParty { party: String } => "当事人是{party}，不是该案当事人", "of the party {party}, which is not its own";
    LongApart { opened: At, days: i64 } => "该案立案 {opened}，与采集相隔 {days} 天", "it was opened {opened}, {days} days from the capture";

    // The outing
    NextTo { number: String, minutes: i64, clip: String } => "同一次外勤中相邻的资料已关联{number}，最近的相隔 {minutes} 分钟", "clips next to this one on the same outing are linked to {number}; the nearest is {minutes} min away";
    Between { number: String, minutes: i64, clip: String } => "同一次外勤中前后的资料都已关联{number}，最近的相隔 {minutes} 分钟", "clips before and after this one on the same outing are linked to {number}; the nearest is {minutes} min away";
    OfPartner { officer: String } => "该资料由同行的{officer}采集", "{officer}, who was there too, recorded it";

    // Registers
    Fits { number: String, fits: Vec<Fit>, opened: At, days: i64 } => "与{number}相符：{fits}；立案 {opened}，相隔 {days} 天", "{number}: {fits}; opened {opened}, {days} days apart";

    // What a person did about it
    Confirmed {} => "已由人工确认", "confirmed";
    TakenBack {} => "在待标注中撤销", "taken back in triage";
    Written { words: String } => "原文：“{words}”", "{words}";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::words::Lang;

    #[test]
    fn each_is_told_in_both_languages_and_is_the_same_when_read_again() {
        let mut told = std::collections::BTreeSet::new();
        for (name, zh, en, ground) in Ground::each() {
            assert!(!zh.is_ascii() && en.is_ascii(), "{name}");
            assert!(
                told.insert(ground.told(Lang::Zh)) && told.insert(ground.told(Lang::En)),
                "{name} says what another says"
            );
            let json = serde_json::to_string(&ground).unwrap();
            assert_eq!(serde_json::from_str::<Ground>(&json).unwrap(), ground, "{name}");
        }
    }
}
