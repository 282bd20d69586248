//! Accounts, for the security administrator: who there is, what they are, where they are signed in, and how to help them back
//! in; and tokens of programs ([`tokens`]). A new password is on the page once and nowhere else.

pub mod tokens;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::account::{SessionLine, session_line};
use super::paging::filled;
use super::present::clips::Pill;
use super::present::{Ctx, Nav, Stamp, segment};
use super::routes::{Need, Routes};
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use crate::domain::account::{AccountAsk, AccountFacts, shared_officer};
use crate::domain::command::Request;
use crate::domain::rights::{Action, Role};
use crate::domain::time::UtcMs;
use crate::domain::why::Why;
use crate::domain::words::Words;
use crate::store::{AccountRow, SessionRow};
use tokens::{TokenForm, TokenLine};

/// The page and its forms.
pub fn routes(r: Routes) -> Routes {
    let manage = Need::May(Action::ManageAccounts);
    r.get("/accounts", manage, accounts)
        .post("/accounts", manage, add)
        .post("/accounts/{login}", manage, change)
        .post("/accounts/{login}/disable", manage, disable)
        .post("/accounts/{login}/enable", manage, enable)
        .post("/accounts/{login}/unlock", manage, unlock)
        .post("/accounts/{login}/password", manage, reset)
        .post("/accounts/{login}/sessions/end", manage, end_sessions)
        .post("/accounts/{login}/sessions/{session}/end", manage, end_session)
}

/// A role to be ticked.
struct RoleBox {
    word: &'static str,
    name: &'static str,
    on: bool,
}

/// An account in words.
struct AccountLine {
    login: String,
    href: String,
    label: String,
    roles: String,
    boxes: Vec<RoleBox>,
    unit: String,
    officer: String,
    /// That others are the same officer's.
    one_person: Option<String>,
    until: String,
    pills: Vec<Pill>,
    sessions: Vec<SessionLine>,
    disabled: bool,
    locked: bool,
    codes: bool,
    seen_until: Option<Stamp>,
    oidc_subject: String,
    certificate: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage<'a> {
    c: &'a Ctx,
    lines: Vec<AccountLine>,
    boxes: Vec<RoleBox>,
    told: Option<Told>,
    done: Option<&'static str>,
    refusal: Option<String>,
    typed: AccountForm,
    tokens: Vec<TokenLine>,
    tokens_next: Option<String>,
    token_refusal: Option<String>,
    token: TokenForm,
    token_roles: Vec<RoleBox>,
    token_actions: Vec<RoleBox>,
    /// There is an identity provider; browsers are asked for certificates.
    ways: (bool, bool),
}

/// An account as a form has it; repeated fields come as pairs.
#[derive(Default)]
struct AccountForm {
    login: String,
    roles: Vec<String>,
    label: String,
    unit: String,
    officer: String,
    until: String,
    /// Absent where the form has no such field.
    oidc_subject: Option<String>,
    certificate: Option<String>,
}

impl AccountForm {
    fn read(body: Result<Form<Vec<(String, String)>>, FormRejection>) -> Result<Self, Trouble> {
        let Form(pairs) = body?;
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "login" => form.login = value,
                "role" => form.roles.push(value),
                "label" => form.label = value,
                "unit" => form.unit = value,
                "officer" => form.officer = value,
                "until" => form.until = value,
                "oidc_subject" => form.oidc_subject = Some(value),
                "certificate" => form.certificate = Some(value),
                _ => return Err(Trouble::Invalid(Why::Unsaid)),
            }
        }
        Ok(form)
    }

    fn facts(&self) -> AccountFacts {
        AccountFacts {
            label: Some(self.label.clone()),
            unit: Some(self.unit.clone()),
            officer: Some(self.officer.clone()),
            until: Some(self.until.clone()),
            oidc_subject: self.oidc_subject.clone(),
            certificate: self.certificate.clone(),
        }
    }
}

/// Told once: what was done, for whom, and the password or token.
struct Told {
    what: &'static str,
    of: String,
    secret: String,
}

/// What the page is shown with.
#[derive(Default)]
struct With {
    told: Option<Told>,
    token_refusal: Option<String>,
    token: TokenForm,
    /// Cursor of the page of tokens.
    tokens_after: Option<String>,
    done: Option<&'static str>,
    refusal: Option<String>,
    typed: AccountForm,
    status: StatusCode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DoneQuery {
    done: String,
    tokens: Option<String>,
}

async fn accounts(State(site): State<Arc<Site>>, visitor: Visitor, Query(q): Query<DoneQuery>) -> Response {
    let w = visitor.lang.words();
    let done = match q.done.as_str() {
        "saved" => Some(w.account_saved),
        "token" => Some(w.tokens().now_ended),
        _ => None,
    };
    let tokens_after = filled(q.tokens.as_deref()).map(str::to_owned);
    answered(&site, &visitor, With { done, tokens_after, ..With::default() }).await
}

async fn answered(site: &Site, visitor: &Visitor, with: With) -> Response {
    let visitor = Visitor { path: "/accounts".to_owned(), ..visitor.clone() };
    show(site, &visitor, with).await.unwrap_or_else(|trouble| trouble.page(site, &visitor))
}

fn boxes(w: &Words, on: impl Fn(Role) -> bool) -> Vec<RoleBox> {
    Role::ALL.iter().map(|role| RoleBox { word: role.as_str(), name: w.role(*role), on: on(*role) }).collect()
}

async fn show(site: &Site, visitor: &Visitor, with: With) -> Result<Response, Trouble> {
    let access = site.door.access.as_ref().ok_or(Trouble::NoPage)?;
    let c = site.ctx(visitor, Nav::Accounts).await?;
    let accounts = access.accounts().await?;
    let issuer = access.oidc_issuer();
    let lines = accounts.iter().map(|(account, sessions)| {
        let others = accounts.iter().filter(|(other, _)| other.id != account.id);
        let same = others.filter(|(other, _)| shared_officer(&account.officers, &other.officers).is_some());
        let same: Vec<&str> = same.map(|(other, _)| other.login.as_str()).collect();
        let one_person = (!same.is_empty()).then(|| c.w.one_person_with(&same));
        AccountLine { one_person, ..line(account, sessions, issuer, &c) }
    });
    let lines = lines.collect();
    let (tokens, tokens_next) = tokens::read(site, with.tokens_after.as_deref()).await?;
    let page = AccountsPage {
        lines,
        boxes: boxes(c.w, |role| with.typed.roles.iter().any(|word| word == role.as_str())),
        told: with.told,
        done: with.done,
        refusal: with.refusal,
        typed: with.typed,
        tokens: tokens.iter().map(|t| tokens::line(t, &c)).collect(),
        tokens_next: tokens_next.map(|next| format!("/accounts?tokens={}#h-tokens", segment(&next))),
        token_refusal: with.token_refusal,
        token_roles: with.token.roles(&c),
        token_actions: with.token.actions(&c),
        token: with.token,
        ways: (issuer.is_some(), site.door.client_ca.is_some()),
        c: &c,
    };
    Ok((with.status, Html(page.render()?)).into_response())
}

fn line(a: &AccountRow, sessions: &[SessionRow], issuer: Option<&str>, c: &Ctx) -> AccountLine {
    let w = c.w;
    let over = a.until_ms.is_some_and(|until| c.now.0 >= until);
    let locked = c.now.0 < a.locked_ms;
    let mut pills = Vec::new();
    match () {
        () if a.disabled_ms.is_some() => pills.push(Pill::new("fail", w.account_disabled)),
        () if over => pills.push(Pill::new("fail", w.account_over)),
        () => pills.push(Pill::new("safe", w.account_open)),
    }
    if locked {
        pills.push(Pill::new("ask", w.account_locked));
    }
    if a.must_change {
        pills.push(Pill::new("ask", w.account_first_time));
    }
    let roles: Vec<&str> = a.roles.iter().map(|role| w.role(role)).collect();
    AccountLine {
        login: a.login.clone(),
        href: format!("/accounts/{}", segment(&a.login)),
        label: a.label.clone(),
        roles: roles.join(" · "),
        boxes: boxes(w, |role| a.roles.has(role)),
        unit: a.unit.clone().unwrap_or_default(),
        officer: a.officers.join(", "),
        one_person: None,
        until: a.until_ms.map(|ms| UtcMs(ms).rfc3339_in(&c.zone)).unwrap_or_default(),
        seen_until: a.until_ms.map(|ms| c.stamp(UtcMs(ms))),
        pills,
        sessions: sessions.iter().map(|s| session_line(s, c)).collect(),
        disabled: a.disabled_ms.is_some(),
        locked,
        codes: a.totp.is_some(),
        oidc_subject: a.oidc_subject(issuer).unwrap_or_default().to_owned(),
        certificate: a.certificates().join(", "),
    }
}

/// Carries it out: back to the page with a word, or the page again with the refusal and what was typed.
async fn carry_out(site: &Site, visitor: &Visitor, ask: AccountAsk, typed: AccountForm) -> Response {
    let w = visitor.lang.words();
    let new = matches!(ask, AccountAsk::Add { .. });
    match site.carry_out(&visitor.caller, Request::Accounts { ask }).await {
        Ok(value) => match (value["password"].as_str(), value["name"].as_str()) {
            // Told in the answer itself and not after a redirect: it stands nowhere to be read again.
            (Some(password), Some(login)) => {
                let what = if new { w.account_made } else { w.account_new_password };
                let told = Some(Told { what, of: login.to_owned(), secret: password.to_owned() });
                answered(site, visitor, With { told, ..With::default() }).await
            }
            _ => Redirect::to("/accounts?done=saved").into_response(),
        },
        Err(trouble @ (Trouble::Invalid(_) | Trouble::Conflict(_) | Trouble::Missing(_))) => {
            let refusal = Some(trouble.told(w).1);
            let with = With { refusal, typed, status: trouble.status(), ..With::default() };
            answered(site, visitor, with).await
        }
        Err(trouble) => trouble.page(site, visitor),
    }
}

async fn add(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    match AccountForm::read(body) {
        Ok(form) => {
            let ask = AccountAsk::Add { name: form.login.clone(), roles: form.roles.clone(), facts: form.facts() };
            carry_out(&site, &visitor, ask, form).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn change(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(login): Path<String>,
    body: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    match AccountForm::read(body) {
        Ok(form) => {
            let ask = AccountAsk::Change { name: login, roles: Some(form.roles.clone()), facts: form.facts() };
            carry_out(&site, &visitor, ask, AccountForm::default()).await
        }
        Err(trouble) => trouble.page(&site, &visitor),
    }
}

async fn disable(State(site): State<Arc<Site>>, visitor: Visitor, Path(login): Path<String>) -> Response {
    carry_out(&site, &visitor, AccountAsk::Disable { name: login, undo: false }, AccountForm::default()).await
}

async fn enable(State(site): State<Arc<Site>>, visitor: Visitor, Path(login): Path<String>) -> Response {
    carry_out(&site, &visitor, AccountAsk::Disable { name: login, undo: true }, AccountForm::default()).await
}

async fn unlock(State(site): State<Arc<Site>>, visitor: Visitor, Path(login): Path<String>) -> Response {
    carry_out(&site, &visitor, AccountAsk::Unlock { name: login }, AccountForm::default()).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResetForm {
    codes: String,
}

async fn reset(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path(login): Path<String>,
    body: Result<Form<ResetForm>, FormRejection>,
) -> Response {
    let codes = body.is_ok_and(|Form(form)| !form.codes.is_empty());
    carry_out(&site, &visitor, AccountAsk::ResetPassword { name: login, codes }, AccountForm::default()).await
}

async fn end_sessions(State(site): State<Arc<Site>>, visitor: Visitor, Path(login): Path<String>) -> Response {
    carry_out(&site, &visitor, AccountAsk::EndSessions { name: login, session: None }, AccountForm::default()).await
}

async fn end_session(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    Path((login, session)): Path<(String, String)>,
) -> Response {
    let ask = AccountAsk::EndSessions { name: login, session: Some(session) };
    carry_out(&site, &visitor, ask, AccountForm::default()).await
}
