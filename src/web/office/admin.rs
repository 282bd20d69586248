//! The box, for the system administrator: an overview, the self-check, the configuration in force, what the linking rules
//! would do in figures. Nothing here tells of cases, people's footage or secrets.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::destinations::{DestLine, dest_line};
use crate::domain::office::{Finding, Gravity, Looked, RulesTried, SettingFrom};
use crate::domain::rights::Action;
use crate::domain::words::Lang;
use crate::domain::words::office::OfficeWords;
use crate::domain::words::quoted::Quoted;
use crate::store::SCHEMA_VERSION;
use crate::web::pages::{answered, page};
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Nav, Stamp, how_far_told};
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};

/// Version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its licence.
const LICENCE: &str = env!("CARGO_PKG_LICENSE");

/// Pages, forms and API.
pub fn routes(r: Routes) -> Routes {
    let keep = Need::May(Action::KeepStation);
    r.get("/admin", keep, overview)
        .get("/admin/check", keep, check)
        .post("/admin/check", keep, begin_check)
        .get("/admin/configuration", keep, configuration)
        .get("/admin/rules", keep, rules)
        .post("/admin/rules", keep, begin_rules)
        .get("/api/v1/check", keep, last_check)
        .post("/api/v1/check", keep, run_check)
        .get("/api/v1/configuration", keep, show_configuration)
        .get("/api/v1/rules", keep, rules_now)
        .post("/api/v1/rules/trial", keep, try_rules)
}

// --- In words ------------------------------------------------------------------------------------

/// A finding in words.
struct FindingLine {
    class: &'static str,
    icon: &'static str,
    gravity: &'static str,
    part: &'static str,
    words: String,
    todo: String,
}

fn finding(f: &Finding, c: &Ctx) -> FindingLine {
    let (lang, o) = (c.w.lang, c.w.office());
    let (class, icon, gravity) = match f.gravity {
        Gravity::Problem => ("fail", "cross", o.gravity_problem),
        Gravity::Warning => ("ask", "warn", o.gravity_warning),
        Gravity::Ok => ("safe", "check", o.gravity_ok),
    };
    FindingLine { class, icon, gravity, part: f.part.name(lang), words: f.found.told(lang), todo: f.todo.told(lang) }
}

/// How many problems and warnings a report has.
fn counts(findings: &[Finding]) -> (u64, u64) {
    let count = |gravity| findings.iter().filter(|f| f.gravity == gravity).count() as u64;
    (count(Gravity::Problem), count(Gravity::Warning))
}

/// The last self-check as a pill; `None` where none was run.
fn check_pill(check: &Looked<Vec<Finding>>, c: &Ctx) -> Option<Pill> {
    let last = check.last.as_ref()?;
    Some(match &last.found {
        Err(_) => Pill::new("fail", c.w.office().check_failed),
        Ok(findings) => match counts(findings) {
            (0, 0) => Pill::new("safe", c.w.office().check_well),
            (0, warnings) => Pill::new("ask", c.w.check_counts(0, warnings)),
            (problems, warnings) => Pill::new("fail", c.w.check_counts(problems, warnings)),
        },
    })
}

// --- Pages ---------------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    recorders: String,
    recorder_pills: Vec<Pill>,
    dests: Vec<DestLine>,
    check: Option<Pill>,
    checked: Option<Stamp>,
    running: bool,
    file: Option<String>,
    changed_since: bool,
    own_settings: String,
    link_score: u32,
    version: &'static str,
    schema: i64,
    licence: &'static str,
    self_href: String,
}

async fn overview(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Admin).await?;
        let (w, o, office) = (c.w, c.w.office(), site.pages.office());
        let entries = office.recorders().await?;
        let mut pills = Vec::new();
        let waiting = entries.iter().filter(|e| e.waits()).count() as u64;
        let overdue = entries.iter().filter(|e| e.is_overdue()).count() as u64;
        let quiet = entries.iter().filter(|e| e.quiet_days.is_some()).count() as u64;
        for (n, class, word) in
            [(waiting, "ask", o.figure_waiting), (overdue, "fail", o.overdue), (quiet, "ask", o.figure_quiet)]
        {
            if n > 0 {
                pills.push(Pill::new(class, format!("{word} {}", w.number(n))));
            }
        }
        let premises = office.premises();
        let (check, configuration) = (premises.check(), premises.configuration());
        let own = configuration.settings.iter().filter(|s| s.from != SettingFrom::Default).count();
        page(&AdminPage {
            recorders: w.number(entries.len() as u64),
            recorder_pills: pills,
            dests: office.destinations().await?.iter().map(|d| dest_line(d, &c)).collect(),
            checked: check.last.as_ref().map(|last| c.near(last.at)),
            running: check.running_since.is_some(),
            check: check_pill(&check, &c),
            file: configuration.file,
            changed_since: configuration.changed_since,
            own_settings: w.own_settings(own as u64, configuration.settings.len() as u64),
            link_score: premises.rules().link_score,
            version: VERSION,
            schema: SCHEMA_VERSION,
            licence: LICENCE,
            self_href: visitor.part_href(),
            o,
            c: &c,
        })
    };
    answered(&site, &visitor, answer.await)
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    pill: Option<Pill>,
    at: Option<Stamp>,
    took: String,
    running: bool,
    progress: Option<(u64, String)>,
    findings: Vec<FindingLine>,
    failed: Option<String>,
    version: &'static str,
    self_href: String,
}

async fn check(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Admin).await?;
        let o = c.w.office();
        let check = site.pages.office().premises().check();
        let last = check.last.as_ref();
        page(&CheckPage {
            pill: check_pill(&check, &c),
            at: last.map(|last| c.stamp(last.at)),
            took: last.map(|last| format!("{:.1} s", last.took_ms as f64 / 1000.0)).unwrap_or_default(),
            running: check.running_since.is_some(),
            progress: check.far.map(|far| how_far_told(&far, None, c.w)),
            findings: last
                .and_then(|last| last.found.as_ref().ok())
                .map(|all| all.iter().map(|f| finding(f, &c)).collect())
                .unwrap_or_default(),
            failed: last
                .and_then(|last| last.found.as_ref().err().cloned())
                .map(|words| Quoted::NotChecked { words }.told(c.w.lang)),
            version: VERSION,
            self_href: visitor.part_href(),
            o,
            c: &c,
        })
    };
    answered(&site, &visitor, answer.await)
}

async fn begin_check(State(site): State<Arc<Site>>) -> Response {
    site.pages.office().premises().begin_check();
    Redirect::to("/admin/check").into_response()
}

/// Settings of one section in words.
struct Section {
    name: String,
    /// Key, value, where it comes from, and its style.
    settings: Vec<(String, String, String, &'static str)>,
}

#[derive(Template)]
#[template(path = "configuration.html")]
struct ConfigurationPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    file: Option<String>,
    changed_since: bool,
    sections: Vec<Section>,
}

async fn configuration(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Admin).await?;
        let o = c.w.office();
        let found = site.pages.office().premises().configuration();
        let mut sections: Vec<Section> = Vec::new();
        for s in found.settings {
            let (from, class) = match s.from {
                SettingFrom::File(line) => (c.w.from_line(line as u64), "stated"),
                SettingFrom::Process => (o.from_process.to_owned(), "stated"),
                SettingFrom::Default => (o.from_default.to_owned(), ""),
            };
            if sections.last().is_none_or(|last| last.name != s.section) {
                sections.push(Section { name: s.section.clone(), settings: Vec::new() });
            }
            if let Some(section) = sections.last_mut() {
                section.settings.push((s.key, s.value, from, class));
            }
        }
        page(&ConfigurationPage { file: found.file, changed_since: found.changed_since, sections, o, c: &c })
    };
    answered(&site, &visitor, answer.await)
}

/// What rules would do, in words.
pub(super) struct TriedLine {
    pub at: Stamp,
    pub told: String,
    pub by_rule: Vec<(String, String)>,
    pub failed: Option<String>,
}

/// What rules would do, in words.
pub(super) fn tried_line(tried: &Looked<RulesTried>, c: &Ctx) -> Option<TriedLine> {
    let last = tried.last.as_ref()?;
    let at = c.near(last.at);
    Some(match &last.found {
        Err(words) => {
            let failed = Some(Quoted::RulesNotTried { words: words.clone() }.told(c.w.lang));
            TriedLine { at, told: String::new(), by_rule: Vec::new(), failed }
        }
        Ok(t) => TriedLine {
            at,
            told: c.w.rules_tried(t.clips, t.links, t.suggestions, t.conflicts),
            by_rule: t.by_rule.iter().map(|(rule, n)| (c.w.linking_rule(rule).to_owned(), c.w.number(*n))).collect(),
            failed: None,
        },
    })
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage<'a> {
    c: &'a Ctx,
    o: &'static OfficeWords,
    link_score: u32,
    /// Name, highest score, and what that means.
    rules: Vec<(String, u32, Pill)>,
    number_rule: u32,
    shapes: Vec<(String, String)>,
    running: bool,
    progress: Option<(u64, String)>,
    tried: Option<TriedLine>,
    self_href: String,
}

async fn rules(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    let answer = async {
        let c = site.ctx(&visitor, Nav::Admin).await?;
        let o = c.w.office();
        let premises = site.pages.office().premises();
        let (in_force, tried) = (premises.rules(), premises.rules_tried());
        let pill = |most: u32| match most {
            0 => Pill::new("idle", o.rule_off),
            most if most >= in_force.link_score => Pill::new("safe", o.rule_links),
            _ => Pill::new("ask", o.rule_suggests),
        };
        page(&RulesPage {
            rules: in_force
                .rules
                .iter()
                .map(|(rule, most)| (c.w.linking_rule(rule).to_owned(), *most, pill(*most)))
                .collect(),
            link_score: in_force.link_score,
            number_rule: in_force.number_rule_version,
            shapes: in_force.shapes,
            running: tried.running_since.is_some(),
            progress: tried.far.map(|far| how_far_told(&far, None, c.w)),
            tried: tried_line(&tried, &c),
            self_href: visitor.part_href(),
            o,
            c: &c,
        })
    };
    answered(&site, &visitor, answer.await)
}

async fn begin_rules(State(site): State<Arc<Site>>) -> Response {
    site.pages.office().premises().begin_rules();
    Redirect::to("/admin/rules").into_response()
}

// --- API -----------------------------------------------------------------------------------------

/// A self-check.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckReport {
    /// One goes on now.
    pub running: bool,
    /// How much of it is done, per cent, while it goes on.
    pub percent: Option<u64>,
    /// How long the rest takes, milliseconds, where that can be told.
    pub left_ms: Option<i64>,
    /// When the newest ended, RFC 3339.
    pub at: Option<String>,
    /// No problem was found.
    pub ok: Option<bool>,
    /// Why it came to no end.
    pub failed: Option<String>,
    /// What was found, the worst first.
    pub findings: Vec<FindingItem>,
}

/// A finding.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingItem {
    /// `problem`, `warning`, `ok`.
    pub level: &'static str,
    /// What was looked at.
    pub part: &'static str,
    /// What was found.
    pub words: String,
    /// What to do; empty where nothing needs to be done.
    pub todo: String,
}

fn report(check: &Looked<Vec<Finding>>) -> CheckReport {
    let last = check.last.as_ref();
    let findings = last.and_then(|last| last.found.as_ref().ok());
    let item = |f: &Finding| FindingItem {
        level: f.gravity.as_str(),
        part: f.part.name(Lang::En),
        words: f.found.to_string(),
        todo: f.todo.to_string(),
    };
    CheckReport {
        running: check.running_since.is_some(),
        percent: check.far.map(|far| far.percent()),
        left_ms: check.far.and_then(|far| far.left_ms),
        at: last.map(|last| last.at.rfc3339()),
        ok: findings.map(|all| counts(all).0 == 0),
        failed: last.and_then(|last| last.found.as_ref().err().cloned()),
        findings: findings.map(|all| all.iter().map(item).collect()).unwrap_or_default(),
    }
}

/// The newest self-check: what `evidock doctor` says.
#[utoipa::path(get, path = "/api/v1/check", responses((status = 200, body = CheckReport)))]
pub(in crate::web) async fn last_check(State(site): State<Arc<Site>>) -> Response {
    Json(report(&site.pages.office().premises().check())).into_response()
}

/// Begins a self-check, if none goes on.
#[utoipa::path(post, path = "/api/v1/check", responses((status = 202, body = CheckReport)))]
pub(in crate::web) async fn run_check(State(site): State<Arc<Site>>) -> Response {
    let premises = site.pages.office().premises();
    premises.begin_check();
    (axum::http::StatusCode::ACCEPTED, Json(report(&premises.check()))).into_response()
}

/// The configuration in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfigurationNow {
    /// The file; null for the embedded defaults.
    pub file: Option<String>,
    /// The file says something else now than when the daemon started.
    pub changed_since: bool,
    /// Every setting; secrets are in none.
    pub settings: Vec<SettingItem>,
}

/// A setting.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingItem {
    /// Its section.
    pub section: String,
    /// Its key.
    pub key: String,
    /// As it would be written.
    pub value: String,
    /// `file`, `process`, `default`.
    pub from: &'static str,
    /// The line of the file.
    pub line: Option<usize>,
}

/// The configuration in force, and where each value comes from. Secrets are never in it.
#[utoipa::path(get, path = "/api/v1/configuration", responses((status = 200, body = ConfigurationNow)))]
pub(in crate::web) async fn show_configuration(State(site): State<Arc<Site>>) -> Response {
    let found = site.pages.office().premises().configuration();
    let item = |s: crate::domain::office::Setting| SettingItem {
        section: s.section,
        key: s.key,
        value: s.value,
        from: s.from.as_str(),
        line: match s.from {
            SettingFrom::File(line) => Some(line),
            SettingFrom::Process | SettingFrom::Default => None,
        },
    };
    let settings = found.settings.into_iter().map(item).collect();
    Json(ConfigurationNow { file: found.file, changed_since: found.changed_since, settings }).into_response()
}

/// What rules would do, in figures.
pub(super) fn figures(tried: &Looked<RulesTried>) -> Value {
    let last = tried.last.as_ref();
    let found = last.and_then(|last| last.found.as_ref().ok()).map(|t| {
        let by_rule: serde_json::Map<String, Value> =
            t.by_rule.iter().map(|(rule, n)| (rule.clone(), json!(n))).collect();
        json!({
            "clips": t.clips, "links": t.links, "withdrawals": t.withdrawals, "suggestions": t.suggestions,
            "conflicts": t.conflicts, "by_rule": by_rule,
        })
    });
    json!({
        "running": tried.running_since.is_some(), "percent": tried.far.map(|far| far.percent()),
        "left_ms": tried.far.and_then(|far| far.left_ms), "at": last.map(|last| last.at.rfc3339()), "found": found,
        "failed": last.and_then(|last| last.found.as_ref().err().cloned()),
    })
}

/// Linking rules as configured, and what the newest dry run came to, in figures.
#[utoipa::path(get, path = "/api/v1/rules", responses((status = 200, description = "Rules and figures", body = serde_json::Value)))]
pub(in crate::web) async fn rules_now(State(site): State<Arc<Site>>) -> Response {
    let premises = site.pages.office().premises();
    let in_force = premises.rules();
    let rules: serde_json::Map<String, Value> =
        in_force.rules.iter().map(|(rule, most)| ((*rule).to_owned(), json!(most))).collect();
    let told = json!({
        "link_score": in_force.link_score, "rules": rules, "number_rule_version": in_force.number_rule_version,
        "tried": figures(&premises.rules_tried()),
    });
    Json(told).into_response()
}

/// Begins a dry run of the linking rules, if none goes on. It changes nothing.
#[utoipa::path(post, path = "/api/v1/rules/trial", responses((status = 202, description = "It goes on", body = serde_json::Value)))]
pub(in crate::web) async fn try_rules(State(site): State<Arc<Site>>) -> Response {
    let premises = site.pages.office().premises();
    premises.begin_rules();
    (axum::http::StatusCode::ACCEPTED, Json(figures(&premises.rules_tried()))).into_response()
}
