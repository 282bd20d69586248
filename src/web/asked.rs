//! What a request brings, read: what cannot be read is a [`Trouble`] like any other, and what is too long says so. And how
//! what a program asks for is carried out.

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::command::Request;
use crate::domain::why::Why;

/// Whoever filled in a form did not write it: what is wrong with it would tell them nothing.
impl From<FormRejection> for Trouble {
    fn from(rejection: FormRejection) -> Self {
        unread(rejection.status(), || Why::Unsaid)
    }
}

macro_rules! told_to_programs {
    ($($rejection:ty),+) => {
        $(impl From<$rejection> for Trouble {
            fn from(rejection: $rejection) -> Self {
                unread(rejection.status(), || Why::NotReadable { detail: rejection.body_text() })
            }
        })+
    };
}

told_to_programs!(JsonRejection, QueryRejection);

fn unread(status: StatusCode, why: impl FnOnce() -> Why) -> Trouble {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
        _ => Trouble::Invalid(why()),
    }
}

/// The body of a program's request.
pub(super) fn json<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Trouble> {
    Ok(body?.0)
}

/// Carries a request of a program out.
pub(super) async fn carried_out(site: &Site, visitor: &Visitor, request: Result<Request, Trouble>) -> Response {
    let answer = async { Ok(Json(site.carry_out(&visitor.caller, request?).await?).into_response()) };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(visitor))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{DefaultBodyLimit, Form};
    use axum::http::{Request, header};
    use axum::routing::post;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    async fn sent(kind: &str, body: &'static str) -> u16 {
        let form = |form: Result<Form<Vec<(String, String)>>, FormRejection>| async move {
            let read = || -> Result<_, Trouble> { Ok(form?.0.len()) };
            format!("{:?}", read().err())
        };
        let program = |body: Result<Json<Value>, JsonRejection>| async move { format!("{:?}", json(body).err()) };
        let app =
            axum::Router::new().route("/f", post(form)).route("/j", post(program)).layer(DefaultBodyLimit::max(9));
        let (path, kind) = if kind == "form" { ("/f", "x-www-form-urlencoded") } else { ("/j", "json") };
        let request = Request::post(path).header(header::CONTENT_TYPE, format!("application/{kind}"));
        let answer = app.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let told = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        match std::str::from_utf8(&told).unwrap() {
            "None" => 200,
            told if told.contains("TooLarge") => 413,
            told if told.contains("Invalid") => 422,
            told => panic!("{told}"),
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_called_wrong() {
        for (kind, body, status) in [
            ("form", "a=1", 200),
            ("form", "a=123456789", 413),
            ("form", "a=%ff", 200),
            ("json", "{}", 200),
            ("json", "{", 422),
            ("json", "{\"a\":\"0123456789\"}", 413),
        ] {
            assert_eq!(sent(kind, body).await, status, "{kind} {body}");
        }
    }
}
