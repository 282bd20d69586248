//! Evidence packages in words.

use super::{Ctx, Stamp, bytes_told, case_href};
use crate::domain::export::{ExportState, Target};
use crate::domain::words::quoted::Quoted;
use crate::web::present::clips::Pill;
use crate::web::view::exports::ExportView;

/// One package.
pub struct ExportLine {
    /// Its id.
    pub package: String,
    /// The page of it.
    pub href: String,
    /// Its case's number.
    pub case_no: String,
    /// And the page of that.
    pub case_href: String,
    /// How far it is.
    pub pill: Pill,
    /// Label and value.
    pub facts: Vec<(&'static str, String)>,
    /// When it was asked for.
    pub asked: Stamp,
    /// Per cent, and in words, while it is being made.
    pub progress: Option<(u64, String)>,
    /// Why it waits or failed.
    pub words: Option<String>,
    /// What can be fetched: a name and an address.
    pub zips: Vec<(String, String)>,
    /// It waits for a second person.
    pub asks: bool,
    /// Whoever looks is who asked for it: they may take it back, and another one confirms it.
    pub mine: bool,
    /// It stopped and can go on.
    pub stopped: bool,
}

fn quoted(state: ExportState, words: String) -> Quoted {
    match state {
        ExportState::Failed => Quoted::ExportFailed { words },
        _ => Quoted::ExportWaits { words },
    }
}

/// One package as its page and the lists show it.
pub fn line(v: &ExportView, c: &Ctx) -> ExportLine {
    let w = c.w;
    let (class, icon, text) = match v.state {
        _ if v.isolated > 0 => ("fail", "warn", w.export_isolated()),
        ExportState::Asked => ("ask", "people", w.export_asked),
        ExportState::Refused => ("idle", "cross", w.export_refused),
        ExportState::Making => ("busy", "arrow", w.export_making),
        ExportState::Failed => ("fail", "warn", w.export_failed),
        ExportState::Ready if v.over => ("idle", "check", w.export_over),
        ExportState::Ready => ("safe", "check", w.export_ready),
    };
    let target = match &v.target {
        Target::Station => format!("{}: {}", w.export_to_station, v.place),
        Target::Browser => w.export_to_browser.to_owned(),
        Target::At(name) => format!("{}: {name}", w.export_to_destination),
    };
    let mut facts = vec![(w.pk_reason, v.reason.clone()), (w.pk_basis, v.basis.clone())];
    if let Some(recipient) = &v.recipient {
        facts.push((w.pk_recipient, recipient.clone()));
    }
    facts.push((w.export_target, target));
    if let Some(bytes) = v.disc_bytes {
        facts.push((w.export_disc, w.size(bytes)));
    }
    facts.push((w.pk_asked_by, c.named(&v.asked_by)));
    if let Some(second) = &v.second_by {
        facts.push((w.export_second, c.named(second)));
    }
    if v.state == ExportState::Ready {
        facts.push((w.pk_content, w.package_content(v.clips, v.bytes)));
    }
    facts.push((w.pk_package, v.package.clone()));
    let fetched = v.state == ExportState::Ready && !v.over && v.isolated == 0 && !matches!(v.target, Target::At(_));
    let zips = (1..=if fetched { v.discs } else { 0 }).map(|disc| {
        let name =
            if v.discs == 1 { w.export_fetch.to_owned() } else { format!("{} {disc}/{}", w.export_fetch, v.discs) };
        (name, format!("/exports/{}/zip?disc={disc}", v.package))
    });
    ExportLine {
        href: format!("/exports/{}", v.package),
        case_href: case_href(&v.case_no),
        pill: Pill { class, icon, text: text.to_owned() },
        facts,
        asked: c.near(v.asked),
        progress: v.done.filter(|_| v.state == ExportState::Making).map(|done| bytes_told(&done, w)),
        words: match v.isolated {
            0 => v.words.clone().map(|words| quoted(v.state, words).told(w.lang)),
            n => Some(w.export_isolated_detail(v.state, &v.target, n)),
        },
        zips: zips.collect(),
        asks: v.state == ExportState::Asked,
        mine: c.who.actor() == v.asked_by,
        stopped: v.state == ExportState::Failed && v.isolated == 0,
        package: v.package.clone(),
        case_no: v.case_no.clone(),
    }
}
