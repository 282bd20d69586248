//! The pages: a handler reads a view, logs the access, puts it into words and renders a template. Changes are
//! forms that post and redirect, so that everything works without a script.

mod annotate;
mod cases;
mod clip;
mod clips;
mod station;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::routes::{Need, Routes};
use super::site::{LANGUAGE_COOKIE, Site, Visitor};
use super::trouble::Trouble;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Lang;

use annotate::annotate;
use cases::{case, cases};
use clip::{clip, link, push, unlink};
use clips::clips;
use station::{kiosk, station};

pub(super) use cases::show_case;
pub(super) use clip::{After, change, not_derived};

/// All pages and forms.
pub fn routes(r: Routes) -> Routes {
    use Action::*;
    r.get("/", Need::May(SeeStation), station)
        .get("/kiosk", Need::Anyone, kiosk)
        .get("/clips", Need::May(ListClips), clips)
        .get("/clips/{id}", Need::May(ShowClip), clip)
        .post("/clips/{id}/link", Need::May(LinkClip), link)
        .post("/clips/{id}/unlink", Need::May(LinkClip), unlink)
        .post("/clips/{id}/annotate", Need::May(AnnotateClip), annotate)
        .post("/clips/{id}/push", Need::May(PushClip), push)
        .get("/cases", Need::May(FindCase), cases)
        .get("/cases/{number}", Need::May(FindCase), case)
        .post("/language", Need::Anyone, language)
}

/// Where nothing is.
pub async fn not_found(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    Trouble::NoPage.answer(&site, &visitor)
}

/// Where something is, but not for this method.
pub async fn method_not_allowed(State(site): State<Arc<Site>>, visitor: Visitor) -> Response {
    Trouble::Method.answer(&site, &visitor)
}

pub(super) type Answer = Result<Response, Trouble>;

pub(super) fn page<T: Template>(template: &T) -> Answer {
    Ok(Html(template.render()?).into_response())
}

pub(super) fn answered(site: &Site, visitor: &Visitor, answer: Answer) -> Response {
    answer.unwrap_or_else(|trouble| trouble.page(site, visitor))
}

#[derive(Debug, Default, Deserialize)]
struct DoneQuery {
    #[serde(default)]
    done: Option<String>,
    #[serde(default)]
    t: Option<String>,
    #[serde(default)]
    save: Option<String>,
    /// Below which entry its custody is shown.
    #[serde(default)]
    before: Option<String>,
}

fn form<T>(form: Result<Form<T>, FormRejection>) -> Result<T, Trouble> {
    form.map(|Form(body)| body).map_err(Trouble::from)
}

fn filled(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

#[derive(Debug, Deserialize)]
struct LanguageForm {
    to: String,
    #[serde(default)]
    next: String,
}

async fn language(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<LanguageForm>, FormRejection>,
) -> Response {
    let answer =
        form(body).and_then(|f| Lang::parse(&f.to).map(|lang| (lang, f.next)).ok_or(Trouble::Invalid(Why::Unsaid)));
    match answer {
        Ok((lang, next)) => {
            let cookie = format!("{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly", lang.code());
            ([(header::SET_COOKIE, cookie)], Redirect::to(local_path(&next))).into_response()
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

/// A path on this station, or the station page: never an address elsewhere.
pub(super) fn local_path(next: &str) -> &str {
    let ours =
        next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_switch_leads_nowhere_else() {
        for (next, wanted) in [
            ("/clips?case=%E8%B5%B5", "/clips?case=%E8%B5%B5"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local_path(next), wanted);
        }
    }
}
