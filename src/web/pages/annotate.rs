//! The form that sets facts of a clip. It carries every field as it stands on the page and, hidden, what stood there when the
//! page was made: what was not typed into is nobody's word, and what was changed meanwhile is not overwritten unseen.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::clip::{After, change, refused};
use super::{answered, form};
use crate::domain::command::Request;
use crate::domain::ids::ClipId;
use crate::domain::record::Field;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::web::present::clip::{Input, inputs};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::Trouble;
use crate::web::{escape, routes};

/// Before the name of a field: what it held when the page was made. The template has the same.
const SHOWN: &str = "shown-";

type Fields = Vec<(String, String)>;

/// What somebody says with the form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    /// Fields that they typed something else into.
    fields: Fields,
    /// Of these, what was changed meanwhile: its label, and what it says now.
    meanwhile: Vec<(&'static str, String)>,
}

/// A value as a field of one line holds it.
fn one_line(value: &str) -> String {
    value.replace(['\r', '\n'], "").trim().to_owned()
}

/// What of a form is its sender's word, against what the record says now. A field that comes without what was shown was typed
/// by a program, against whatever stands there.
fn typed(sent: Fields, now: &[Input]) -> Result<Typed, Trouble> {
    let (shown, fields): (Fields, Fields) = sent.into_iter().partition(|(name, _)| name.starts_with(SHOWN));
    let known = |name: &str| Field::parse(name).is_some();
    if !fields.iter().all(|(name, _)| known(name)) || !shown.iter().all(|(name, _)| known(&name[SHOWN.len()..])) {
        return Err(Trouble::Invalid(Why::Unsaid));
    }
    let mut typed = Typed::default();
    for (name, value) in fields {
        let value = one_line(&value);
        if let Some(input) = now.iter().find(|input| input.name == name) {
            let says = one_line(&escape::visible(&input.value));
            let shown = shown.iter().find(|(of, _)| of[SHOWN.len()..] == name).map(|(_, value)| one_line(value));
            let shown = shown.unwrap_or_else(|| says.clone());
            if value == shown || value == says {
                continue;
            }
            if shown != says {
                typed.meanwhile.push((input.label, input.value.clone()));
            }
        }
        typed.fields.push((name, value));
    }
    Ok(typed)
}

pub(super) async fn annotate(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Result<Form<Fields>, FormRejection>,
) -> Response {
    let w = visitor.lang.words();
    let answer = async {
        let sent = form(body)?;
        let clip: ClipId = id.parse().map_err(|_| Trouble::NoClip)?;
        let view = site.pages.clip(clip).await?.ok_or(Trouble::NoClip)?;
        let mut typed = typed(sent, &inputs(&view, w))?;
        // What it says now is for whom its record is shown to.
        if routes::looking(&site, &visitor, Action::ShowClip, clip).await?.is_none() {
            typed.meanwhile.iter_mut().for_each(|(_, says)| says.clear());
        }
        Ok::<_, Trouble>(typed)
    };
    match answer.await {
        Err(trouble) => trouble.page(&site, &visitor),
        Ok(Typed { fields, .. }) if fields.is_empty() => Redirect::to(&format!("/clips/{id}")).into_response(),
        Ok(Typed { fields, meanwhile }) if !meanwhile.is_empty() => {
            let trouble = Trouble::Conflict(Why::said(w.changed_meanwhile(&meanwhile)));
            let again = refused(&site, &visitor, &id, trouble, After::annotating(fields)).await;
            answered(&site, &visitor, again)
        }
        Ok(Typed { fields, .. }) => {
            let request = Request::Annotate { clip: id.clone(), fields: fields.clone() };
            change(&site, &visitor, &id, request, "annotated", After::annotating(fields)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &'static str, value: &str) -> Input {
        Input { name, label: name, value: value.into(), typed: None, missing: false, hint: "" }
    }

    #[test]
    fn what_was_not_typed_is_nobody_s_word_and_what_changed_meanwhile_is_asked_about() {
        let now = [input("place", "东关街"), input("proves", "现场\n全貌"), input("officer", "甲\u{202e}")];
        let said = |sent: &[(&str, &str)]| {
            let sent = sent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            typed(sent, &now).map(|t| (t.fields, t.meanwhile)).map_err(|trouble| trouble.code())
        };
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (sent, fields, meanwhile) in [
            // As the page was, and as the record is.
            (vec![("place", "东关街"), ("shown-place", "东关街")], vec![], vec![]),
            // An old page: nobody typed what it says.
            (vec![("place", "西关街"), ("shown-place", "西关街")], vec![], vec![]),
            // Somebody else said the same meanwhile.
            (vec![("place", " 东关街 "), ("shown-place", "西关街")], vec![], vec![]),
            (vec![("place", "北大街"), ("shown-place", "东关街")], vec![field("place", "北大街")], vec![]),
            (
                vec![("place", "北大街"), ("shown-place", ""), ("proves", "x"), ("shown-proves", "现场全貌")],
                vec![field("place", "北大街"), field("proves", "x")],
                vec![("place", "东关街".to_owned())],
            ),
            // Without what was shown, against what stands there; a page shows less than a record may hold.
            (vec![("place", "北大街"), ("officer", "甲\u{fffd}")], vec![field("place", "北大街")], vec![]),
            (vec![("proves", "现场全貌"), ("title", "x")], vec![field("title", "x")], vec![]),
        ] {
            assert_eq!(said(&sent), Ok((fields, meanwhile)), "{sent:?}");
        }
        for bad in ["blake3", "shown-blake3", "shown-"] {
            assert_eq!(said(&[(bad, "x")]), Err("invalid"), "{bad}");
        }
    }
}
