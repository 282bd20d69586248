//! Rows of clips and cases in words.

use super::station::icon;
use super::{Ctx, Stamp, case_href};
use crate::domain::words::Words;
use crate::web::view::clips::{CaseRow, ClipRow, ClipsQuery, Counted, Problem, state_class};

/// One row of a list of clips.
pub struct Row {
    /// The clip.
    pub id: String,
    /// Its page.
    pub href: String,
    /// When, where known.
    pub when: Option<Stamp>,
    /// Its name on the recorder.
    pub file: String,
    /// The recorder.
    pub recorder: String,
    /// Number and page of its first case.
    pub case: Option<(String, String)>,
    /// Further cases.
    pub more_cases: Option<String>,
    /// Stage and matter.
    pub matter: String,
    /// Who.
    pub officer: String,
    /// Where.
    pub place: String,
    /// What it proves.
    pub proves: String,
    /// Length of the footage.
    pub length: String,
    /// The part of it that is of the case in whose list it stands, and the page at its begin.
    pub part: Option<(String, String)>,
    /// Size.
    pub size: String,
    /// Its state.
    pub pill: Pill,
    /// What is wrong or missing.
    pub notes: Vec<Pill>,
    /// Where it can be put first in the queue.
    pub push: Option<String>,
}

/// A state with its icon and word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pill {
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// Word.
    pub text: String,
}

impl Pill {
    /// A pill in a style.
    pub fn new(class: &'static str, text: impl Into<String>) -> Self {
        Self { class, icon: icon(class), text: text.into() }
    }
}

/// A row in words.
pub fn row(clip: &ClipRow, ctx: &Ctx) -> Row {
    let w = ctx.w;
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| w.none_dash.into());
    let matter: Vec<&str> = [clip.stage.as_deref(), clip.matter.as_deref()].into_iter().flatten().collect();
    Row {
        id: clip.id.to_string(),
        href: format!("/clips/{}", clip.id),
        when: clip.captured.map(|at| ctx.stamp(at)),
        file: clip.file_name.clone(),
        recorder: clip.recorder.clone(),
        case: clip.cases.first().map(|n| (n.clone(), case_href(n))),
        more_cases: (clip.cases.len() > 1).then(|| w.and_more_cases(clip.cases.len() - 1)),
        matter: matter.join(" · "),
        officer: or_dash(&clip.officer),
        place: or_dash(&clip.place),
        proves: or_dash(&clip.proves),
        length: clip.duration_ms.map_or_else(|| w.none_dash.to_owned(), |ms| w.footage(ms)),
        part: clip.part.map(|part| (w.stretch_of_case(part), format!("/clips/{}?{}", clip.id, part.query()))),
        size: w.size(clip.size_bytes),
        pill: state_pill(clip, w),
        notes: notes(clip, w),
        push: None,
    }
}

/// The same where somebody searches: what is not in the cloud yet can be put first, where they `may` do that to it.
pub fn found(clip: &ClipRow, may: bool, ctx: &Ctx) -> Row {
    use crate::domain::clip::ClipState::{Sealed, Sending};
    let waits = matches!(clip.state, Sealed | Sending) && clip.elsewhere.is_none() && may;
    Row { push: waits.then(|| format!("/clips/{}/push", clip.id)), ..row(clip, ctx) }
}

fn state_pill(clip: &ClipRow, w: &Words) -> Pill {
    let mut text = w.state(clip.state).to_owned();
    if let Some(percent) = clip.percent {
        text.push_str(&format!(" {percent}%"));
    }
    if let Some(station) = &clip.elsewhere {
        text = format!("{text} · {station}");
    }
    Pill::new(state_class(clip.state), text)
}

fn notes(clip: &ClipRow, w: &Words) -> Vec<Pill> {
    use crate::domain::ports::MediaHealth::{Broken, NotMedia, Truncated};
    let mut notes = Vec::new();
    match clip.problem {
        Some(Problem::Damaged) => notes.push(Pill::new("fail", w.local_damaged)),
        Some(Problem::Mismatch) => notes.push(Pill::new("fail", w.delivery_suspect)),
        Some(Problem::SendFailed) => notes.push(Pill::new("fail", w.delivery_failed)),
        Some(Problem::Isolated) => notes.push(Pill::new("fail", w.isolated)),
        Some(Problem::Quarantined) => notes.push(Pill::new("ask", w.quarantine)),
        None => {}
    }
    if clip.holes {
        notes.push(Pill::new("fail", w.read_in_holes));
    }
    if let Some(kind) = &clip.document {
        notes.push(Pill { class: "idle", icon: "file", text: w.document_kind_word(kind).to_owned() });
    }
    match clip.health {
        Some(health @ (Truncated | Broken)) => notes.push(Pill::new("ask", short_health(health, w))),
        Some(NotMedia) if clip.document.is_none() => {
            notes.push(Pill { class: "idle", icon: "file", text: w.health_not_media.into() })
        }
        _ => {}
    }
    if !clip.missing.is_empty() {
        let labels: Vec<_> = clip.missing.iter().map(|m| w.required(m)).collect();
        notes.push(Pill { class: "ask", icon: "tag", text: w.lacks(&labels) });
    }
    notes
}

/// The first clause of the sentence about a broken file.
fn short_health(health: crate::domain::ports::MediaHealth, w: &Words) -> &'static str {
    let text = w.media_health(health);
    text.split(['：', ':', ';']).next().unwrap_or(text)
}

/// One row of a list of cases.
pub struct CaseLine {
    /// Its page.
    pub href: String,
    /// Its number.
    pub number: String,
    /// Its kind, where it is not a case.
    pub kind: Option<&'static str>,
    /// Cause, party, other numbers.
    pub about: String,
    /// How many clips and how large.
    pub clips: String,
    /// How many are proven.
    pub proven: String,
    /// Newest capture.
    pub last: Option<Stamp>,
    /// What is wrong or missing.
    pub pill: Pill,
}

/// A case in words.
pub fn case_line(case: &CaseRow, ctx: &Ctx) -> CaseLine {
    let w = ctx.w;
    let mut about: Vec<&str> = [case.party.as_deref(), case.cause.as_deref()].into_iter().flatten().collect();
    about.extend(case.aliases.iter().map(String::as_str));
    CaseLine {
        href: case_href(&case.number),
        number: case.number.clone(),
        kind: (case.kind != "case").then(|| w.case_kind(&case.kind)),
        about: about.join(" · "),
        clips: match case.more {
            true => w.at_least(case.clips),
            false => format!("{} · {}", w.videos(case.clips), w.size(case.bytes)),
        },
        proven: match case.more {
            true => w.none_dash.to_owned(),
            false => format!("{}/{}", w.number(case.proven), w.number(case.clips)),
        },
        last: case.last_captured.map(|at| ctx.stamp(at)),
        pill: if case.more {
            Pill::new("idle", w.case_kind(&case.kind))
        } else if case.incomplete > 0 {
            Pill { class: "ask", icon: "tag", text: w.to_annotate(case.incomplete) }
        } else if case.proven == case.clips {
            Pill::new("safe", w.state_proven)
        } else {
            Pill::new("hold", w.state_sending)
        },
    }
}

/// A filter that is set, and the address without it.
pub struct Chip {
    /// What it says.
    pub text: String,
    /// The list without it.
    pub href: String,
}

/// The filters that are set.
pub fn chips(query: &ClipsQuery, w: &Words) -> Vec<Chip> {
    let mut chips = Vec::new();
    let mut chip = |label: &str, value: String, without: ClipsQuery| {
        let rest = without.to_query_string();
        let href = if rest.is_empty() { "/clips".to_owned() } else { format!("/clips?{rest}") };
        chips.push(Chip {
            text: format!("{label}: {value}").replace(": ", if w.f_case_no.is_ascii() { ": " } else { "：" }),
            href,
        });
    };
    let base = query.clone();
    if let Some(v) = &query.q {
        chip(w.search_all(), v.clone(), ClipsQuery { q: None, best_first: false, ..base.clone() });
    }
    if let Some(v) = &query.case {
        chip(w.f_case_no, v.clone(), ClipsQuery { case: None, ..base.clone() });
    }
    if let Some(v) = query.state {
        chip(w.state, w.state(v).into(), ClipsQuery { state: None, ..base.clone() });
    }
    if let Some(v) = query.missing {
        let text = match v {
            crate::web::view::clips::Missing::Any => w.any_missing,
            crate::web::view::clips::Missing::Field(name) => w.required(name),
        };
        chip(w.missing_facts, text.into(), ClipsQuery { missing: None, ..base.clone() });
    }
    if let Some(v) = &query.officer {
        chip(w.f_officer, v.clone(), ClipsQuery { officer: None, ..base.clone() });
    }
    if let Some(v) = &query.recorder {
        chip(w.recorder, v.clone(), ClipsQuery { recorder: None, ..base.clone() });
    }
    if let Some(v) = query.from {
        chip(w.from_day, v.to_string(), ClipsQuery { from: None, ..base.clone() });
    }
    if let Some(v) = query.to {
        chip(w.to_day, v.to_string(), ClipsQuery { to: None, ..base.clone() });
    }
    let counted = &query.counted;
    let without = |counted| ClipsQuery { counted, ..base.clone() };
    let named = |v: &str, none: &str| if v.is_empty() { none.to_owned() } else { v.to_owned() };
    let o = w.oversight();
    if let Some(v) = counted.figure {
        chip(o.nav_reports, w.figure(v).into(), without(Counted { figure: None, ..counted.clone() }));
    }
    if let Some(v) = &counted.unit {
        chip(o.unit, named(v, o.no_unit), without(Counted { unit: None, ..counted.clone() }));
    }
    if let Some(v) = &counted.kind {
        chip(o.kind, named(v, o.no_kind), without(Counted { kind: None, ..counted.clone() }));
    }
    if let Some(v) = counted.taken {
        chip(o.growth_month, w.period(v), without(Counted { taken: None, ..counted.clone() }));
    }
    chips
}
