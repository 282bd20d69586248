//! Case numbers in names of files and in sidecars: in a whole text, or in a part of it between separators.
//!
//! People write titles: `现场检查 赵卫罚〔2026〕12号`. White space is no part of a number, so that the title as a whole reads like
//! one of an agency 现场检查赵卫罚. It is none where what stands before the number is a matter, a stage or what there was
//! before a case (日常检查, an inspection task): then the title is about that case, and tells what it shows. Where nobody
//! can tell (`赵公（治） 行罚〔2026〕12号`), both readings wait for a person. Only two case numbers contradict each other; what
//! there was before the case says nothing against it.

use super::{About, BARE_DIGITS, said};
use crate::casework::case_index::CaseIndex;
use crate::domain::case_number::{CaseKind, CaseNumber, NumberRule};
use crate::domain::grounds::{Ground, Holder};
use crate::domain::register::name_key;
use crate::store::Suggestion;

/// Matters to be recorded that every plan names; the catalogue has the unit's own.
const MATTERS: [&str; 20] = [
    "现场检查",
    "日常检查",
    "随机抽查",
    "双随机抽查",
    "现场执法",
    "调查取证",
    "抽样取证",
    "证据保全",
    "先行登记保存",
    "听证",
    "询问",
    "行政强制",
    "查封扣押",
    "强制拆除",
    "罚没财物处置",
    "送达",
    "直接送达",
    "留置送达",
    "公告送达",
    "当场处罚",
];
/// Stages.
const STAGES: [&str; 9] = ["立案", "程序启动", "启动", "调查", "取证", "审查", "决定", "告知", "执行"];
/// A shorter word may as well begin an agency's code (执行局罚), where nothing parts the two.
const PREFIX_CHARS: usize = 4;
/// The shortest number has a letter or two, a year and a serial number.
const SHORTEST_CHARS: usize = 3;
const SEPARATORS: [char; 11] = ['_', '/', '\\', ' ', '\u{3000}', ',', '，', ';', '；', '+', '#'];
/// What people put between a matter and a number without white space.
const JOINTS: [char; 9] = ['-', '—', '－', ':', '：', '·', '、', '.', '|'];

/// What a word of a title says of the clip.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Matter(String),
    Stage(String),
}

/// A number that stands in a text.
struct Found {
    part: String,
    number: CaseNumber,
    says: Option<Word>,
}

/// What names and sidecars suggest.
pub(super) fn tags(about: &About<'_>, cases: &CaseIndex, rule: &NumberRule, this_year: i16) -> Vec<Suggestion> {
    let mut found: Vec<(Holder, Found)> = Vec::new();
    for (from, text) in &about.texts {
        let stem = text.rsplit_once('.').filter(|(_, ext)| ext.len() <= 4 && ext.is_ascii()).map_or(*text, |(s, _)| s);
        found.extend(numbers_in(stem, cases, rule, this_year).into_iter().map(|n| (*from, n)));
    }
    if found.iter().any(|(_, f)| f.number.kind() == CaseKind::Case) {
        found.retain(|(_, f)| f.number.kind() == CaseKind::Case);
    }
    let mut tags: Vec<Suggestion> = Vec::new();
    for (from, Found { part, number, says }) in found {
        let (matter, stage) = match says {
            Some(Word::Matter(word)) => (Some(word), None),
            Some(Word::Stage(word)) => (None, Some(word)),
            None => (None, None),
        };
        if let Some(known) = tags.iter_mut().find(|s| s.case_key == number.key()) {
            known.matter = known.matter.take().or(matter);
            known.stage = known.stage.take().or(stage);
            continue;
        }
        let bare = number.key().chars().all(|c| c.is_ascii_digit() || c == '-');
        let score = if bare { BARE_DIGITS } else { 100 };
        let reason = Ground::NumberFound { holder: from, number: number.display().to_owned() }.into();
        tags.push(Suggestion { matter, stage, ..said(&part, number.key(), score, reason) });
    }
    // Two numbers in one name: neither is sure.
    if tags.len() > 1 {
        for s in &mut tags {
            s.score = s.score.min(BARE_DIGITS);
        }
    }
    tags
}

/// The numbers of one text, each with what the words beside it say.
fn numbers_in(stem: &str, cases: &CaseIndex, rule: &NumberRule, this_year: i16) -> Vec<Found> {
    let parts: Vec<&str> = stem.split(SEPARATORS).filter(|part| !part.is_empty()).collect();
    let says = parts.iter().find_map(|part| word(part, cases));
    let mut found: Vec<Found> = Vec::new();
    for part in &parts {
        let Some(mut number) = read(part, cases, rule, this_year) else { continue };
        if number.number.kind() != CaseKind::Unfiled {
            number.says = number.says.or_else(|| says.clone());
            found.push(number);
        }
    }
    let of_case = |f: &Found| f.number.kind() == CaseKind::Case;
    let is_known = |f: &Found| cases.case(f.number.key()).is_some();
    let reference = |part: &&str| rule.accept(part, this_year).is_some_and(|n| n.kind() != CaseKind::Case);
    let is_title = found.iter().any(|f| f.says.is_some() || is_known(f)) || parts.iter().any(reference);
    let whole = if parts.len() > 1 { read(stem, cases, rule, this_year) } else { None };
    if let Some(whole) = whole.filter(|w| w.number.kind() != CaseKind::Unfiled) {
        match found.iter().any(of_case) {
            true if is_known(&whole) => found = vec![whole],
            true if is_title => {}
            _ => found.push(whole),
        }
    }
    found
}

/// The number that a text is, with or without a matter in front of it.
fn read(text: &str, cases: &CaseIndex, rule: &NumberRule, this_year: i16) -> Option<Found> {
    // Most parts of most names are neither, and cost no more than this.
    if text.chars().nth(SHORTEST_CHARS - 1).is_none() || !text.chars().any(char::is_numeric) {
        return None;
    }
    let plain = rule.accept(text, this_year);
    if plain.as_ref().is_none_or(|number| cases.case(number.key()).is_none())
        && let Some((matter, rest)) = behind_a_matter(text, cases)
        && let Some(number) = rule.accept(rest, this_year).filter(|n| n.kind() == CaseKind::Case)
    {
        return Some(Found { part: rest.to_owned(), number, says: Some(Word::Matter(matter)) });
    }
    plain.map(|number| Found { part: text.to_owned(), number, says: None })
}

/// The matter with which a text begins, the longest that is known, and what stands behind it.
fn behind_a_matter<'t>(text: &'t str, cases: &CaseIndex) -> Option<(String, &'t str)> {
    let known = MATTERS.into_iter().chain(cases.matters().iter().map(String::as_str));
    let begins = known.filter(|matter| matter.chars().count() >= PREFIX_CHARS && text.starts_with(matter));
    let matter = begins.max_by_key(|matter| matter.len())?;
    Some((matter.to_owned(), text[matter.len()..].trim_start_matches(JOINTS).trim_start()))
}

/// What a word says, where it is known.
fn word(part: &str, cases: &CaseIndex) -> Option<Word> {
    let key = name_key(part);
    let is = |known: &&str| name_key(known) == key;
    let matter = MATTERS.iter().copied().chain(cases.matters().iter().map(String::as_str)).find(is);
    let stage = || STAGES.iter().copied().chain(cases.stages().iter().map(String::as_str)).find(is);
    matter.map(|matter| Word::Matter(matter.to_owned())).or_else(|| stage().map(|stage| Word::Stage(stage.to_owned())))
}
