//! `evidock user`, `token`, `review`: accounts, tokens of programs, cases sent to the legal reviewers; what the command line
//! asks and prints, and the desk's part. Whoever may use the daemon's socket may do all of it, as the user of this box that
//! they are: it is the way back in when nobody can sign in.

use serde_json::{Value, json};

use super::ask;
use super::desk::{Answer, Desk, draft};
use super::exit::Exit;
use super::output::Output;
use crate::cli::{Token, User, UserFacts, Verb};
use crate::config::Settings;
use crate::domain::account::{AccountAsk, AccountFacts, LoginName, shared_officer};
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::event::EventKind;
use crate::domain::layout;
use crate::domain::rights::Role;
use crate::domain::why::Why;
use crate::store::{ReviewRow, StoreError};

// -------------------------------------------------------------------------------------------------
// The daemon's end

impl Desk {
    pub(super) async fn accounts(&self, caller: &Caller, ask: AccountAsk) -> Answer {
        match ask {
            AccountAsk::SendToReview { case_no, to, until, undo } => {
                self.review(caller, &case_no, to, until, undo).await
            }
            ask => {
                let says_officer = matches!(ask, AccountAsk::Add { .. } | AccountAsk::Change { .. });
                match self.access.ask(caller, ask).await {
                    Reply::Done(told) if says_officer => Ok(Reply::Done(self.one_person(told).await)),
                    reply => Ok(reply),
                }
            }
        }
    }

    /// What is told of an account with the others that are the same officer's: where two people must agree, these are one.
    async fn one_person(&self, mut told: Value) -> Value {
        let name = told["name"].as_str().unwrap_or_default().to_owned();
        let read = move |r: &crate::store::Reader<'_>| {
            let all = r.accounts()?;
            let own = all.iter().find(|a| a.login == name).map(|a| a.officers.clone()).unwrap_or_default();
            let others = all.iter().filter(|a| a.login != name && shared_officer(&own, &a.officers).is_some());
            Ok::<_, StoreError>(others.map(|a| a.login.clone()).collect::<Vec<_>>())
        };
        // The account stands, and its password is told this once: neither depends on this.
        told["one_person"] = json!(self.store.read(read).await.unwrap_or_default());
        told
    }

    async fn review(
        &self,
        caller: &Caller,
        typed: &str,
        to: Option<String>,
        until: Option<String>,
        undo: bool,
    ) -> Answer {
        let invalid = |why: Why| Ok(Reply::refused("invalid", why));
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(why) => return invalid(why),
        };
        let until_ms = match until.map(|text| self.access.until(&text)).transpose() {
            Ok(until_ms) => until_ms,
            Err(why) => return invalid(why),
        };
        let account = match to {
            None => None,
            Some(name) => {
                let login = match LoginName::new(&name) {
                    Ok(login) => login.as_str().to_owned(),
                    Err(e) => return invalid(e.into()),
                };
                match self.store.read(move |r| r.account_by_login(&login)).await? {
                    Some(a) if a.roles.has(Role::LegalReviewer) => Some(a.id),
                    Some(a) => {
                        return invalid(Why::NotAReviewer { name: a.login });
                    }
                    None => return Ok(Reply::refused("not_found", Why::NoAccount { name })),
                }
            }
        };
        let (key, hash, display) =
            (number.key().to_owned(), layout::case_hash(number.key()), number.display().to_owned());
        let Some(case_id) = self.store.read(move |r| r.case_id(&key)).await? else {
            return Ok(Reply::refused("not_found", Why::NeverLinked { case_no: display }));
        };
        let asked = draft(EventKind::Reviewed, caller);
        if undo {
            // Calling back goes: it may have been sent while it had fewer clips.
            self.store.write(move |tx| tx.end_review(case_id, account, &hash, asked)).await?;
        } else {
            let review = ReviewRow { case_id, account, until_ms };
            let sent = self.store.write(move |tx| {
                tx.read().not_large(case_id)?;
                tx.send_to_review(&review, &hash, asked)
            });
            sent.await?;
        }
        Ok(Reply::Done(json!({ "case_no": display, "sent": !undo, "until_ms": until_ms })))
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

fn facts(of: &UserFacts) -> AccountFacts {
    AccountFacts {
        label: of.label.clone(),
        unit: of.unit.clone(),
        officer: of.officer.clone(),
        until: of.until.clone(),
        oidc_subject: of.oidc_subject.clone(),
        certificate: of.certificate.clone(),
    }
}

fn to_ask(verb: &Verb) -> anyhow::Result<AccountAsk> {
    Ok(match verb {
        Verb::User(User::First { name }) => AccountAsk::First { name: name.clone() },
        Verb::User(User::Add { name, roles, facts: of }) => {
            AccountAsk::Add { name: name.clone(), roles: roles.clone(), facts: facts(of) }
        }
        Verb::User(User::Change { name, roles, facts: of }) => AccountAsk::Change {
            name: name.clone(),
            roles: (!roles.is_empty()).then(|| roles.clone()),
            facts: facts(of),
        },
        Verb::User(User::List) => AccountAsk::List,
        Verb::User(User::Disable { name }) => AccountAsk::Disable { name: name.clone(), undo: false },
        Verb::User(User::Enable { name }) => AccountAsk::Disable { name: name.clone(), undo: true },
        Verb::User(User::Unlock { name }) => AccountAsk::Unlock { name: name.clone() },
        Verb::User(User::Password { name, without_codes }) => {
            AccountAsk::ResetPassword { name: name.clone(), codes: *without_codes }
        }
        Verb::User(User::Sessions { name }) => AccountAsk::Sessions { name: name.clone() },
        Verb::User(User::SignOut { name, session }) => {
            AccountAsk::EndSessions { name: name.clone(), session: session.clone() }
        }
        Verb::Token(Token::Add { name, role, scopes, days }) => {
            AccountAsk::AddToken { name: name.clone(), role: role.clone(), scopes: scopes.clone(), days: *days }
        }
        Verb::Token(Token::List) => AccountAsk::Tokens,
        Verb::Token(Token::End { token }) => AccountAsk::EndToken { token: *token },
        Verb::Review(review) => AccountAsk::SendToReview {
            case_no: review.case_no.clone(),
            to: review.to.clone(),
            until: review.until.clone(),
            undo: review.end,
        },
        other => anyhow::bail!("{other:?} is not about accounts"),
    })
}

/// Carries one of these verbs out.
pub fn user(verb: &Verb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let answer = ask::request(settings, &Request::Accounts { ask: to_ask(verb)? })?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    match verb {
        Verb::User(User::First { .. } | User::Add { .. } | User::Password { .. }) => {
            output.line(&format!("{}: the password for the next sign-in is {}", text("name"), text("password")))?;
            output.note("it is told this once and must be changed at that sign-in; hand it over in person");
            if matches!(verb, Verb::User(User::First { .. })) {
                output.note("from now on the page asks everybody to sign in; the bay board stays open");
            }
        }
        Verb::User(User::List) => accounts(&answer, output)?,
        Verb::User(User::Sessions { .. }) => {
            let rows = rows(&answer, &["session", "since", "seen", "from", "by", "agent"]);
            output.table(&["session", "since", "last used", "from", "by", "browser"], &rows, &[])?;
        }
        Verb::Token(Token::List) => {
            let rows = rows(&answer, &["token", "name", "role", "scopes", "until", "seen", "ended"]);
            output.table(&["token", "name", "role", "scopes", "until", "last used", "ended"], &rows, &[0])?;
        }
        Verb::User(User::Change { .. }) => output.line(&format!("{}: changed", text("name")))?,
        Verb::User(User::Disable { .. }) => {
            output.line(&format!("{}: disabled, its sessions have ended", text("name")))?;
        }
        Verb::User(User::Enable { .. }) => output.line(&format!("{}: may sign in again", text("name")))?,
        Verb::User(User::Unlock { .. }) => {
            output.line(&format!("{}: unlocked after {} wrong passwords", text("name"), answer["failures"]))?;
        }
        Verb::User(User::SignOut { .. }) => {
            output.line(&format!("{}: sessions that were ended: {}", text("name"), answer["ended"]))?;
        }
        Verb::Token(Token::Add { .. }) => {
            output.line(&text("token"))?;
            output.note(&format!("token {} holds until {}; it is told this once", answer["id"], text("until")));
        }
        Verb::Token(Token::End { .. }) => output.line(&format!("token {} has ended", answer["token"]))?,
        _ if answer["sent"] == true => output.line(&format!("{} stands sent for review", text("case_no")))?,
        _ => output.line(&format!("{} was called back from review", text("case_no")))?,
    }
    for other in answer["one_person"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output
            .note(&format!("it is the same officer as account {other}: where two people must agree, the two are one"));
    }
    Ok(Exit::Ok)
}

fn accounts(answer: &Value, output: &Output) -> anyhow::Result<()> {
    let list = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        output.note("no account: whoever reaches the page on this box may do everything; `evidock user first NAME` makes the first");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|a| {
            let state = match a {
                _ if a["disabled"] == true => "disabled".to_owned(),
                _ if a["over"] == true => "its time is over".to_owned(),
                _ => match a["locked_until"].as_str() {
                    Some(until) => format!("locked until {until}"),
                    None if a["must_change"] == true => "first password not changed yet".to_owned(),
                    None => "in use".to_owned(),
                },
            };
            let mut row = told(a, &["name", "label", "roles", "unit", "officer", "until"]);
            row.extend([state, told(a, &["sessions"]).remove(0)]);
            row
        })
        .collect();
    output.table(&["account", "name", "roles", "unit", "officer", "until", "state", "sessions"], &rows, &[7])?;
    Ok(())
}

fn rows(answer: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    answer.as_array().into_iter().flatten().map(|row| told(row, keys)).collect()
}

fn told(row: &Value, keys: &[&str]) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    keys.iter().map(|key| one(&row[*key])).collect()
}
