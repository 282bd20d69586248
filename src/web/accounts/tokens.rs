//! Tokens of programs, for the security administrator: which there are, making one and ending one, on the page of accounts
//! and in the API. A new token is in the answer once and nowhere else. No token has this right itself: the API's part is for
//! browsers of those who have it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RoleBox, Told, With, answered};
use crate::domain::account::AccountAsk;
use crate::domain::command::Request;
use crate::domain::rights::{Action, Role};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::store::TokenRow;
use crate::web::asked::{carried_out, json};
use crate::web::keeping::actor;
use crate::web::paging::{AfterQuery, cut, number};
use crate::web::present::clips::Pill;
use crate::web::present::{Ctx, Stamp};
use crate::web::repeat::ToldOnce;
use crate::web::routes::{Need, Routes};
use crate::web::site::{Site, Visitor};
use crate::web::trouble::{Problem, Trouble};

/// Tokens of a page.
const TOKENS: u32 = 100;
/// Days for which a token holds where nobody says.
const DAYS: u32 = 90;

/// Forms and API.
pub fn routes(r: Routes) -> Routes {
    let manage = Need::May(Action::ManageAccounts);
    r.post("/tokens", manage, make)
        .post("/tokens/{token}/end", manage, end)
        .get("/api/v1/tokens", manage, list_tokens)
        .post("/api/v1/tokens", manage, make_token)
        .delete("/api/v1/tokens/{token}", manage, end_token)
}

/// A token in words.
pub(super) struct TokenLine {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) pill: Pill,
    pub(super) role: &'static str,
    pub(super) scopes: String,
    pub(super) by: String,
    pub(super) made: Stamp,
    pub(super) used: Option<Stamp>,
    pub(super) until: Stamp,
    pub(super) goes_on: bool,
}

/// A token as a form has it; each scope is a pair of its own.
#[derive(Default)]
pub(super) struct TokenForm {
    pub(super) name: String,
    role: String,
    pub(super) days: String,
    scopes: Vec<String>,
}

impl TokenForm {
    fn read(body: Result<Form<Vec<(String, String)>>, FormRejection>) -> Result<Self, Trouble> {
        let Form(pairs) = body?;
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "name" => form.name = value,
                "role" => form.role = value,
                "days" => form.days = value,
                "scope" => form.scopes.push(value),
                _ => return Err(Trouble::Invalid(Why::Unsaid)),
            }
        }
        Ok(form)
    }

    /// Days as typed, or those that are offered.
    pub(super) fn days(&self) -> String {
        if self.days.is_empty() { DAYS.to_string() } else { self.days.clone() }
    }

    /// Roles that a program may have.
    pub(super) fn roles(&self, c: &Ctx) -> Vec<RoleBox> {
        let offered = Role::ALL.iter().filter(|role| **role != Role::SecurityAdministrator);
        offered
            .map(|role| RoleBox { word: role.as_str(), name: c.w.role(*role), on: self.role == role.as_str() })
            .collect()
    }

    /// Actions to which it may be narrowed.
    pub(super) fn actions(&self, c: &Ctx) -> Vec<RoleBox> {
        let offered = Action::ALL.iter().filter(|action| **action != Action::ManageAccounts);
        let on = |action: &Action| self.scopes.iter().any(|word| word == action.as_str());
        offered.map(|action| RoleBox { word: action.as_str(), name: c.w.action(*action), on: on(action) }).collect()
    }
}

/// A page of the tokens, newest first, and the cursor of the next one.
pub(super) async fn read(site: &Site, after: Option<&str>) -> Result<(Vec<TokenRow>, Option<String>), Trouble> {
    let access = site.door.access.as_ref().ok_or(Trouble::NoPage)?;
    let mut tokens = access.tokens(number(after)?, TOKENS + 1).await?;
    let next = cut(&mut tokens, TOKENS, |t| t.id.to_string());
    Ok((tokens, next))
}

fn scopes(t: &TokenRow, c: &Ctx) -> String {
    if t.scopes.is_empty() {
        return c.w.tokens().every_action.to_owned();
    }
    let name = |word: &String| Action::parse(word).map_or_else(|| word.clone(), |a| c.w.action(a).to_owned());
    t.scopes.iter().map(name).collect::<Vec<_>>().join(" · ")
}

pub(super) fn line(t: &TokenRow, c: &Ctx) -> TokenLine {
    let w = c.w.tokens();
    let over = c.now.0 >= t.until_ms;
    TokenLine {
        id: t.id,
        name: t.name.clone(),
        pill: match t.ended_ms {
            Some(_) => Pill::new("idle", w.ended),
            None if over => Pill::new("idle", w.over),
            None => Pill::new("safe", w.holds),
        },
        role: c.w.role(t.role),
        scopes: scopes(t, c),
        by: c.w.actor(&actor(&t.made_by)),
        made: c.stamp(UtcMs(t.made_ms)),
        used: t.seen_ms.map(|ms| c.near(UtcMs(ms))),
        until: c.stamp(UtcMs(t.until_ms)),
        goes_on: t.ended_ms.is_none() && !over,
    }
}

async fn make(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let w = visitor.lang.words();
    let asked = async {
        let form = TokenForm::read(body)?;
        let done = match form.days.trim().parse() {
            Ok(days) => {
                let (name, role, scopes) = (form.name.clone(), form.role.clone(), form.scopes.clone());
                let ask = AccountAsk::AddToken { name, role, scopes, days };
                site.carry_out(&visitor.caller, Request::Accounts { ask }).await
            }
            Err(_) => Err(Trouble::Invalid(Why::NotANumber { typed: form.days.clone() })),
        };
        Ok::<_, Trouble>((done, form))
    };
    match asked.await {
        Err(trouble) => trouble.page(&site, &visitor),
        Ok((Ok(made), _)) => {
            let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
            // Told in the answer itself and not after a redirect: it stands nowhere to be read again.
            let told = Some(Told { what: w.tokens().made, of: text("name"), secret: text("token") });
            answered(&site, &visitor, With { told, ..With::default() }).await
        }
        Ok((Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_))), form)) => {
            let refusal = Some(trouble.told(w).1);
            let with = With { token_refusal: refusal, token: form, status: trouble.status(), ..With::default() };
            answered(&site, &visitor, with).await
        }
        Ok((Err(trouble), _)) => trouble.page(&site, &visitor),
    }
}

fn ending(token: &str) -> Result<Request, Trouble> {
    let token = token.parse().map_err(|_| Trouble::NoPage)?;
    Ok(Request::Accounts { ask: AccountAsk::EndToken { token } })
}

async fn end(State(site): State<Arc<Site>>, visitor: Visitor, Path(token): Path<String>) -> Response {
    let done = async { site.carry_out(&visitor.caller, ending(&token)?).await };
    match done.await {
        // Whoever ends it twice has what they want.
        Ok(_) | Err(Trouble::Missing(Why::NoToken { .. })) => {
            Redirect::to("/accounts?done=token#h-tokens").into_response()
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

// --- API -----------------------------------------------------------------------------------------

/// Tokens of programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPage {
    /// Newest first, those that are over or ended, too.
    pub items: Vec<TokenNow>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<String>,
}

/// A token; what it is itself is told when it is made, and never again.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenNow {
    /// Its number: in the log it is `token:` with it.
    pub token: i64,
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: &'static str,
    /// What it may do of that; empty: all of it.
    pub scopes: Vec<String>,
    /// Who made it, as the log has it.
    pub made_by: String,
    /// When, RFC 3339.
    pub made_at: String,
    /// When it was last used, to the minute, RFC 3339; null while it never was.
    pub used_at: Option<String>,
    /// Until when it holds, RFC 3339.
    pub until: String,
    /// When it was ended, RFC 3339.
    pub ended_at: Option<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: String,
    /// What it may do of that, by the words of the actions; all of it where none is named.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Days for which it holds; 90 where it is absent.
    #[serde(default)]
    pub days: Option<u32>,
}

/// A token that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewTokenTold {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: String,
    /// What it may do of that; empty: all of it.
    pub scopes: Vec<String>,
    /// Until when it holds, RFC 3339.
    pub until: String,
    /// The token itself, told this once.
    pub token: String,
}

/// Tokens of programs, newest first.
#[utoipa::path(get, path = "/api/v1/tokens", params(AfterQuery), responses((status = 200, body = TokenPage),
    (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn list_tokens(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Query(q): Query<AfterQuery>,
) -> Response {
    let answer = async {
        let (tokens, next) = read(&site, q.place()).await?;
        let at = |ms: i64| UtcMs(ms).rfc3339_in(&site.zone);
        let items = tokens.into_iter().map(|t| TokenNow {
            token: t.id,
            name: t.name,
            role: t.role.as_str(),
            scopes: t.scopes,
            made_by: t.made_by,
            made_at: at(t.made_ms),
            used_at: t.seen_ms.map(at),
            until: at(t.until_ms),
            ended_at: t.ended_ms.map(at),
        });
        Ok(Json(TokenPage { items: items.collect(), next }).into_response())
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Makes a token for a program. It is in this answer and nowhere else; asked again under the same key, the answer is that it
/// was made (409), without it. Needs the session of a security administrator: no token makes tokens.
#[utoipa::path(post, path = "/api/v1/tokens", request_body = TokenBody, responses((status = 201, body = NewTokenTold),
    (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn make_token(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Json<TokenBody>, JsonRejection>,
) -> Response {
    let answer = async {
        let TokenBody { name, role, scopes, days } = json(body)?;
        let ask = AccountAsk::AddToken { name, role, scopes, days: days.unwrap_or(DAYS) };
        let made = site.carry_out(&visitor.caller, Request::Accounts { ask }).await?;
        let mut response = (StatusCode::CREATED, Json(made)).into_response();
        response.extensions_mut().insert(ToldOnce);
        Ok(response)
    };
    answer.await.unwrap_or_else(|trouble: Trouble| trouble.problem(&visitor))
}

/// Ends a token: no program gets in with it from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{token}", params(("token" = i64, Path, description = "Its number")),
    responses((status = 200, description = "It is ended", body = serde_json::Value), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(in crate::web) async fn end_token(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Response {
    carried_out(&site, &visitor, ending(&token)).await
}
