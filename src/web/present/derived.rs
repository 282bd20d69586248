//! Derived files in words. Each line says that it is derived.

use super::clips::Pill;
use super::{Ctx, Stamp, how_far_told};
use crate::domain::derivative::State;
use crate::domain::words::quoted::Quoted;
use crate::web::view::derived::DerivedView;

/// One of them.
pub struct DerivedLine {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: &'static str,
    /// How far it is.
    pub pill: Pill,
    /// When it was asked for.
    pub asked: Stamp,
    /// Label and value.
    pub facts: Vec<(&'static str, String)>,
    /// Per cent and in words, while it is being made.
    pub progress: Option<(u64, String)>,
    /// Why it was not made.
    pub words: Option<String>,
    /// Where it can be fetched.
    pub href: Option<String>,
}

/// As the page of its clip shows it. Who asked for it, and why, is a look of theirs at the clip: `told` to whoever may derive of
/// it or sees who looked, and to themselves.
pub fn line(view: &DerivedView, told: bool, c: &Ctx) -> DerivedLine {
    let (v, w) = (&view.0, c.w);
    let class = match v.state {
        State::Making => "busy",
        State::Failed => "fail",
        State::Ready => "ask",
        State::Gone => "idle",
    };
    let at = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
    let stretch = |from: u64, to: u64| if from == to { at(from) } else { format!("{} – {}", at(from), at(to)) };
    let mut facts = match told || v.asked_by == c.who.actor() {
        true => vec![(w.derived_reason, v.reason.clone()), (w.pk_asked_by, c.named(&v.asked_by))],
        false => Vec::new(),
    };
    match &v.file {
        None => {
            let to = v.order.to_ms.unwrap_or(v.order.from_ms);
            facts.push((w.derived_stretch, stretch(v.order.from_ms, to)));
        }
        Some(file) => {
            let how = format!("{} · {}", stretch(file.from_ms, file.to_ms), w.derived_method(file.method));
            facts.push((w.derived_stretch, how));
            facts.push((w.derived_size, format!("{} · {}", w.size(file.size_bytes), file.form.as_str())));
            facts.push((w.derived_digest, file.sha256.to_string()));
            facts.push((w.derived_parent, file.parent_sha256.to_string()));
            facts.push((w.derived_tool, file.tool.clone()));
        }
    }
    DerivedLine {
        id: v.id.clone(),
        kind: w.derived_kind(v.order.kind),
        pill: Pill::new(class, w.derived_state(v.state)),
        asked: c.near(crate::domain::time::UtcMs(v.asked_ms)),
        facts,
        progress: view.1.map(|far| how_far_told(&far, None, w)),
        words: v.words.clone().map(|words| Quoted::DerivedFailed { words }.told(w.lang)),
        href: (v.state == State::Ready).then(|| format!("/clips/{}/derived/{}", v.clip, v.id)),
    }
}
