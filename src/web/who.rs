//! Who a request comes from: by the cookie of a sign-in session, by a program's bearer token, or nobody. Where the station
//! has no account, whoever reaches it on loopback.
//!
//! Each asks at a pace: a session and a program by themselves, whoever is none by their address, before anything is read for
//! them. What is shown and not remembered here may be anybody's, so that it counts for the address until it turned out to be
//! somebody's: guessing at tokens reads nothing once the address has used its pace up.

use axum::http::{HeaderMap, HeaderValue, header};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::guests::whose;
use super::site::Site;
use super::trouble::Trouble;
use crate::access::{self, AccessError, Signed};
use crate::domain::event::Actor;
use crate::domain::rights::{Action, Within};

/// Name of the session's cookie over TLS: a browser takes a `__Host-` cookie from nobody but this host (RFC 6265bis, 4.1.3.2).
const COOKIE_TLS: &str = "__Host-evidock";
/// And on loopback without TLS, where browsers do not take that name.
const COOKIE: &str = "evidock-session";

/// Who it is.
#[derive(Debug, Clone, Default)]
pub enum Who {
    /// Whoever is at this box: the station has no account.
    Open,
    /// Nobody whom we know.
    #[default]
    Nobody,
    /// Somebody who signed in, or a program with a token.
    Signed {
        /// Who.
        signed: Arc<Signed>,
        /// What a form of theirs carries; `None` for programs.
        form_token: Option<String>,
    },
}

/// Why somebody said they look at this, for the entries of the access.
#[derive(Debug, Clone)]
pub struct Said(pub String);

impl Who {
    /// Whoever signed in.
    pub fn signed(&self) -> Option<&Arc<Signed>> {
        match self {
            Self::Signed { signed, .. } => Some(signed),
            _ => None,
        }
    }

    /// As the log tells it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Open => Actor::loopback(),
            Self::Nobody => Actor { kind: "web".into(), id: "nobody".into() },
            Self::Signed { signed, .. } => signed.actor.clone(),
        }
    }

    /// Whether there is anything over which they may do this: what a page offers.
    pub fn may_ever(&self, action: Action) -> bool {
        match self {
            Self::Open => true,
            Self::Nobody => false,
            Self::Signed { signed, .. } => signed.may_ever(action),
        }
    }

    /// What lists may hold for them.
    pub fn within(&self, action: Action) -> Within {
        match self {
            Self::Open => Within::Everything,
            Self::Nobody => Within::Of { account: 0, stretches: Vec::new() },
            Self::Signed { signed, .. } => signed.within(action),
        }
    }
}

/// Finds out who a request comes from, at their pace. `from`: the address of the connection, where there is one. `active`: it
/// is not a page that refreshes itself.
pub async fn identify(site: &Site, headers: &HeaderMap, from: Option<IpAddr>, active: bool) -> Result<Who, Trouble> {
    let Some(access) = &site.door.access else { return Ok(Who::Open) };
    let too_many = |wait: Duration| Trouble::TooMany(wait.as_secs() + 1);
    let shown = if access.is_open() { None } else { shown(site, headers) };
    let is_known = shown.is_some_and(|token| access.remembers(token));
    // On loopback of a station without accounts everybody is somebody.
    let is_stranger = !is_known && (site.door.exposed || !access.is_open());
    let address = from.filter(|_| is_stranger).map(|from| whose(from).to_string());
    if let Some(address) = &address {
        access.stranger_pace(address).map_err(too_many)?;
    }
    let who = recognise(site, headers, active).await?;
    if let Some(signed) = who.signed() {
        if let Some(address) = &address {
            access.was_no_stranger(address);
        }
        access.pace(signed).map_err(too_many)?;
    } else if let (Some(address), true) = (&address, headers.contains_key(header::AUTHORIZATION)) {
        // A session that is over is an ordinary thing; a token that is none was guessed, or taken from somebody.
        access.turned_away("token", address).await?;
    }
    Ok(who)
}

/// What a request shows to be somebody: a bearer token, or else a session's cookie.
fn shown<'a>(site: &Site, headers: &'a HeaderMap) -> Option<&'a str> {
    match text(headers, header::AUTHORIZATION) {
        Some(bearer) => bearer.split_once(' ').map(|(_, token)| token.trim()),
        None => cookie(headers, cookie_name(site.door.tls)),
    }
}

/// The same for whoever has asked already: it is no request of its own.
pub(super) async fn recognise(site: &Site, headers: &HeaderMap, active: bool) -> Result<Who, AccessError> {
    let Some(access) = &site.door.access else { return Ok(Who::Open) };
    if access.is_open() {
        return Ok(if site.door.exposed { Who::Nobody } else { Who::Open });
    }
    // A program says who it is; a cookie beside it counts for nothing.
    if let Some(bearer) = text(headers, header::AUTHORIZATION) {
        let Some((scheme, token)) = bearer.split_once(' ') else { return Ok(Who::Nobody) };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Who::Nobody);
        }
        let Some(signed) = access.token(token.trim()).await? else { return Ok(Who::Nobody) };
        return Ok(Who::Signed { signed, form_token: None });
    }
    let Some(token) = cookie(headers, cookie_name(site.door.tls)) else { return Ok(Who::Nobody) };
    Ok(match access.session(token, active).await? {
        Some(signed) => Who::Signed { signed, form_token: Some(access::form_token(token)) },
        None => Who::Nobody,
    })
}

/// The session's cookie.
fn cookie_name(tls: bool) -> &'static str {
    if tls { COOKIE_TLS } else { COOKIE }
}

/// Hands the session's token to the browser, or takes it away. It goes when the browser closes; how long it holds is ours.
pub fn set_cookie(site: &Site, token: Option<&str>) -> HeaderValue {
    let name = cookie_name(site.door.tls);
    let (value, gone) = match token {
        Some(token) => (token, ""),
        None => ("", "; Max-Age=0"),
    };
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{gone}");
    // Tokens are base64: always a header's text.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// One cookie of a request.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs =
        headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|all| all.split(';'));
    pairs.find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("lang=en; evidock-sessionx=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=b;evidock-session=t=1"));
        assert_eq!(cookie(&headers, COOKIE), Some("t=1"));
        assert_eq!(cookie(&headers, "lang"), Some("en"));
        assert_eq!(cookie(&headers, COOKIE_TLS), None);
    }
}
