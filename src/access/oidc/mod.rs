//! Signing in by an identity provider: OpenID Connect, the authorization code with PKCE (OpenID Connect Core 1.0, 3.1; RFC
//! 7636). Whoever comes back with the provider's word is the account that was bound to that word; there is no other way from a
//! token to an account, and none is made.
//!
//! ```text
//! begin      a state, a nonce and a verifier are drawn and remembered for the browser that asked     (here)
//! provider   the browser goes there and comes back with a code under that state
//! come back  the state once, from the same browser; code -> token -> subject -> account -> session    (provider.rs, token.rs)
//! ```
//!
//! What is remembered is in memory and bounded: after a restart people begin again. The state is useless in another browser,
//! since that lacks the cookie whose SHA-256 stands beside it; so nobody is signed in as somebody else by a link.

mod provider;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub use provider::ProviderError;
pub use token::TokenError;

use super::pace::Pace;
use super::sign_in::Trying;
use super::{Access, AccessError, digest_of, new_token};
use crate::config::OidcProvider;
use crate::domain::account::Hidden;
use crate::domain::error::chain;
use crate::domain::identity::{Identity, Subject};
use crate::runtime::clock::monotonic;
use provider::{Provider, encoded, shown};
use token::Expected;

/// Somebody who goes to the provider is back within so long: it may ask for a second factor there.
pub const BACK_WITHIN: Duration = Duration::from_secs(600);
/// Sign-ins that are under way at most; beyond that the oldest are forgotten, and begin again.
const MOST_BEGUN: usize = 1_000;
/// Begun from one address at once, and how soon there is another one.
const BEGUN: (u32, Duration) = (20, Duration::from_secs(3));
/// Longest code or state that is looked at, bytes.
const MAX_PARAMETER_BYTES: usize = 4096;

/// The provider, and who is on the way to it.
pub(super) struct Oidc {
    provider: Provider,
    begun: Mutex<HashMap<String, Begun>>,
    pace: Pace,
}

/// Somebody on the way.
struct Begun {
    /// SHA-256 of the cookie of the browser.
    browser: [u8; 32],
    nonce: String,
    verifier: String,
    redirect: String,
    next: String,
    since: Instant,
}

/// Where to send the browser, and the cookie by which it is known again.
#[derive(Debug, Clone)]
pub struct OnTheWay {
    /// The provider's door.
    pub location: String,
    /// Value of the cookie.
    pub browser: String,
}

/// What the browser came back with.
#[derive(Debug, Clone, Default)]
pub struct CameBack {
    /// The code, where all went well.
    pub code: Option<String>,
    /// What we sent along.
    pub state: Option<String>,
    /// The provider's reason, where it did not.
    pub error: Option<String>,
    /// Who the provider says it is (RFC 9207).
    pub issuer: Option<String>,
}

/// Somebody was let in.
#[derive(Debug, Clone)]
pub struct LetIn {
    /// The session's token.
    pub token: Hidden,
    /// Where they wanted to go.
    pub next: String,
}

/// Why somebody was not.
#[derive(Debug)]
pub enum NotLetIn {
    /// Too many tries from this address, or sign-ins of this account; again after so many seconds.
    TooMany(u64),
    /// Nothing was begun under this state, or not in this browser, or too long ago.
    TooLate,
    /// The provider said no, with this word.
    Declined(String),
    /// The provider does not answer as it should; the cause is logged.
    Provider {
        /// Another moment may do.
        passing: bool,
    },
    /// The provider's token is not believed; the cause is logged.
    Token,
    /// The provider knows them, under this subject, and no account is bound to it.
    Unbound(String),
    /// The account is disabled, or its time is over.
    Closed,
}

impl Oidc {
    pub fn new(rules: OidcProvider) -> Self {
        Self { provider: Provider::new(rules), begun: Mutex::default(), pace: Pace::new(BEGUN.0, BEGUN.1) }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<String, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, state: &str, begun: Begun) {
        let mut all = self.begun();
        let now = monotonic();
        all.retain(|_, b| now.duration_since(b.since) < BACK_WITHIN);
        if all.len() >= MOST_BEGUN
            && let Some(oldest) = all.iter().min_by_key(|(_, b)| b.since).map(|(state, _)| state.clone())
        {
            all.remove(&oldest);
        }
        all.insert(state.to_owned(), begun);
    }

    /// What was begun under a state in this browser; once.
    fn take(&self, state: Option<&str>, browser: Option<&str>) -> Option<Begun> {
        let digest = browser.and_then(digest_of)?;
        let mut all = self.begun();
        // Another browser that knows the state must not spoil it for the one that began.
        all.get(state?).filter(|b| b.browser == digest)?;
        let begun = all.remove(state?)?;
        (monotonic().duration_since(begun.since) < BACK_WITHIN).then_some(begun)
    }
}

impl Access {
    /// Whether there is a provider, and the words of its button where the configuration has some.
    pub fn oidc_label(&self) -> Option<Option<&str>> {
        self.oidc.as_ref().map(|oidc| oidc.provider.rules.label.as_deref())
    }

    /// The provider's name, where there is one.
    pub fn oidc_issuer(&self) -> Option<&str> {
        self.oidc.as_ref().map(|oidc| oidc.provider.rules.issuer.as_str())
    }

    /// Somebody wants to sign in by the provider, come back to `redirect`, and go to `next` then. `browser` is the cookie of an
    /// earlier beginning, which may still be under way in another window.
    pub async fn oidc_begin(
        &self,
        browser: Option<&str>,
        redirect: String,
        next: &str,
        from: &str,
    ) -> Result<OnTheWay, NotLetIn> {
        let Some(oidc) = &self.oidc else { return Err(NotLetIn::TooLate) };
        oidc.pace.take(from).map_err(|wait| NotLetIn::TooMany(wait.as_secs() + 1))?;
        let description = oidc.provider.description().await.map_err(|e| broken(&e))?;
        let browser = browser.filter(|b| digest_of(b).is_some()).map_or_else(new_token, str::to_owned);
        let digest = digest_of(&browser).ok_or(NotLetIn::TooLate)?;
        let (state, nonce, verifier) = (new_token(), new_token(), new_token());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let rules = &oidc.provider.rules;
        let scope = rules.scopes.join(" ");
        let fields: [(&str, &str); 8] = [
            ("response_type", "code"),
            ("client_id", &rules.client_id),
            ("redirect_uri", &redirect),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let query: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let at = &description.authorization_endpoint;
        let location = format!("{at}{}{}", if at.contains('?') { '&' } else { '?' }, query.join("&"));
        let next = next.to_owned();
        oidc.remember(&state, Begun { browser: digest, nonce, verifier, redirect, next, since: monotonic() });
        Ok(OnTheWay { location, browser })
    }

    /// Somebody came back. Every refusal is in the log before it is told.
    pub async fn oidc_come_back(
        &self,
        browser: Option<&str>,
        came: &CameBack,
        trying: &Trying,
    ) -> Result<Result<LetIn, NotLetIn>, AccessError> {
        let Some(oidc) = &self.oidc else { return Ok(Err(NotLetIn::TooLate)) };
        if let Err(wait) = self.tries.take(&trying.from) {
            return Ok(Err(NotLetIn::TooMany(wait.as_secs() + 1)));
        }
        let Some(begun) = oidc.take(came.state.as_deref(), browser) else {
            self.refuse_vouched(None, "oidc_state", None, &trying.from).await?;
            return Ok(Err(NotLetIn::TooLate));
        };
        let subject = match self.oidc_subject(oidc, &begun, came).await {
            Ok(subject) => subject,
            Err((why, detail, refusal)) => {
                self.refuse_vouched(None, why, Some(&detail), &trying.from).await?;
                return Ok(Err(refusal));
            }
        };
        let issuer = oidc.provider.rules.issuer.clone();
        let identity = Identity::Oidc { issuer, subject: subject.clone() };
        let wanted = identity.clone();
        let Some(account) = self.store.read(move |r| r.account_by_identity(&wanted)).await? else {
            self.refuse_vouched(None, "oidc_unbound", Some(subject.as_str()), &trying.from).await?;
            return Ok(Err(NotLetIn::Unbound(subject.as_str().to_owned())));
        };
        if !account.is_open(self.now_ms()) {
            self.refuse_vouched(Some(account.id), "closed", None, &trying.from).await?;
            return Ok(Err(NotLetIn::Closed));
        }
        if let Some(seconds) = self.paced(account.id, &trying.from).await? {
            return Ok(Err(NotLetIn::TooMany(seconds)));
        }
        self.tries.give_back(&trying.from);
        let token = self.begin_vouched(account.id, trying, identity.by()).await?;
        Ok(Ok(LetIn { token, next: begun.next }))
    }

    /// Who the provider says they are; else the word in the log, what is committed to beside it, and what is told.
    async fn oidc_subject(
        &self,
        oidc: &Oidc,
        begun: &Begun,
        came: &CameBack,
    ) -> Result<Subject, (&'static str, String, NotLetIn)> {
        let provider = &oidc.provider;
        let failed = |e: ProviderError| {
            let why = if matches!(e, ProviderError::Token(_)) { "oidc_token" } else { "oidc_provider" };
            let detail = match &e {
                ProviderError::Token(e) => e.as_str().to_owned(),
                e => chain(e),
            };
            (why, detail, broken(&e))
        };
        let description = provider.description().await.map_err(failed)?;
        let named = came.issuer.as_deref();
        let must_be_named = description.authorization_response_iss_parameter_supported;
        // Who answers is who was asked (RFC 9207): another provider's code goes nowhere.
        if named.is_some_and(|issuer| issuer != provider.rules.issuer) || (named.is_none() && must_be_named) {
            return Err(failed(TokenError::Claim("iss").into()));
        }
        if let Some(error) = &came.error {
            let said = shown(error);
            return Err(("oidc_declined", said.clone(), NotLetIn::Declined(said)));
        }
        let code = came.code.as_deref().filter(|code| !code.is_empty() && code.len() <= MAX_PARAMETER_BYTES);
        let Some(code) = code else { return Err(("oidc_state", String::new(), NotLetIn::TooLate)) };
        let token = provider.redeem(code, &begun.redirect, &begun.verifier).await.map_err(failed)?;
        let rules = &provider.rules;
        let (issuer, client_id, nonce) = (rules.issuer.as_str(), rules.client_id.as_str(), begun.nonce.as_str());
        let expected = Expected { issuer, client_id, nonce, now_ms: self.now_ms() };
        let keys = provider.keys(false).await.map_err(failed)?;
        let came = match token::check(&token, &keys, &expected) {
            // It may have changed its keys since.
            Err(TokenError::UnknownKey) => token::check(&token, &provider.keys(true).await.map_err(failed)?, &expected),
            came => came,
        };
        came.map_err(|e| failed(e.into()))
    }
}

/// The cause goes to the operator, the rest to whoever stands at the door.
fn broken(error: &ProviderError) -> NotLetIn {
    use crate::domain::error::{Retry, Retryable};
    tracing::warn!(error = %chain(error), "nobody was signed in by the identity provider");
    match error {
        ProviderError::Token(_) => NotLetIn::Token,
        error => NotLetIn::Provider { passing: error.retry() == Retry::Transient },
    }
}

/// The provider as configured, where it is.
pub(super) fn of(rules: Option<&OidcProvider>) -> Option<Arc<Oidc>> {
    rules.map(|rules| Arc::new(Oidc::new(rules.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc() -> Oidc {
        Oidc::new(OidcProvider {
            issuer: "https://id".into(),
            client_id: "station".into(),
            client_secret: None,
            ca_file: None,
            scopes: vec!["openid".into()],
            label: None,
        })
    }

    fn begun(browser: &str, since: Instant) -> Begun {
        let text = String::new;
        let browser = digest_of(browser).unwrap();
        Begun { browser, nonce: text(), verifier: text(), redirect: text(), next: text(), since }
    }

    #[test]
    fn a_state_is_taken_once_and_by_its_own_browser() {
        let (oidc, mine, other) = (oidc(), new_token(), new_token());
        oidc.remember("s", begun(&mine, monotonic()));
        for (state, browser) in
            [(None, Some(&mine)), (Some("s"), None), (Some("s"), Some(&other)), (Some("t"), Some(&mine))]
        {
            assert!(oidc.take(state, browser.map(String::as_str)).is_none());
        }
        assert!(oidc.take(Some("s"), Some(&mine)).is_some(), "what others tried did not spoil it");
        assert!(oidc.take(Some("s"), Some(&mine)).is_none());
        let long_ago = monotonic().checked_sub(BACK_WITHIN).unwrap();
        oidc.remember("old", begun(&mine, long_ago));
        assert!(oidc.take(Some("old"), Some(&mine)).is_none());
    }

    #[test]
    fn those_on_the_way_take_bounded_memory() {
        let (oidc, mine) = (oidc(), new_token());
        for n in 0..=MOST_BEGUN {
            oidc.remember(&n.to_string(), begun(&mine, monotonic()));
        }
        assert_eq!(oidc.begun().len(), MOST_BEGUN);
        assert!(oidc.take(Some(&MOST_BEGUN.to_string()), Some(&mine)).is_some());
    }
}
