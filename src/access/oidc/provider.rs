//! What is asked of an identity provider: its description (OpenID Connect Discovery 1.0, 4), its keys, and a token for a code
//! (RFC 6749, 4.1.3, with RFC 7636). Every answer is bounded in time and size, no redirect is followed, and nothing is asked
//! more often than it must be: who floods the door with tokens under unknown keys does not make us flood the provider.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use jsonwebtoken::jwk::Jwk;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::super::pace::Pace;
use super::token::TokenError;
use crate::config::{OidcProvider, SecretError, is_loopback};
use crate::domain::error::{Retry, Retryable};
use crate::runtime::clock::monotonic;

/// One question to the provider, with its answer.
const WITHIN: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest answer. Descriptions and keys of the large providers have a tenth of it.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// Most keys.
const MAX_KEYS: usize = 64;
/// Description and keys are asked for anew after so long.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Times at once that keys are asked for because a token names another one, and how soon there is one more.
const NEW_KEYS: (u32, Duration) = (3, Duration::from_secs(20));
/// Questions at the same time; whoever comes then is told to try again.
const AT_ONCE: usize = 16;
/// Longest text of the provider that is shown, characters.
const MAX_SHOWN_CHARS: usize = 200;

/// Why the provider did not help.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Nothing there, or not with a certificate that we trust.
    #[error("{url} cannot be reached; is the network up, and does ca_file of [access.oidc] fit?")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time, or no end of one.
    #[error("{url} did not answer within {} s", WITHIN.as_secs())]
    Late {
        /// What was asked for.
        url: String,
    },
    /// An answer that is none of those that there should be.
    #[error("{url} {what}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        what: String,
        /// Another moment may do.
        passing: bool,
    },
    /// The connection cannot be set up.
    #[error("no connection can be set up: {0}; look at ca_file of [access.oidc]")]
    Setup(String),
    /// The station's secret cannot be read.
    #[error("the station's secret at the provider cannot be used")]
    Secret(#[from] SecretError),
    /// The token is not believed.
    #[error("the provider's token is not believed")]
    Token(#[from] TokenError),
    /// Too many sign in at the same moment.
    #[error("too many sign in by the provider at the same moment")]
    Busy,
}

impl Retryable for ProviderError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } | Self::Busy => Retry::Transient,
            Self::Answer { passing: true, .. } => Retry::Transient,
            Self::Answer { .. } | Self::Setup(_) | Self::Secret(_) => Retry::Operator,
            Self::Token(_) => Retry::Permanent,
        }
    }
}

/// What a provider tells of itself, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Description {
    issuer: String,
    pub authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// It tells its name with each answer (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

struct Cached<T> {
    value: Option<(Arc<T>, Instant)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { value: None }
    }
}

impl<T> Cached<T> {
    fn fresh(&self) -> Option<Arc<T>> {
        let (value, at) = self.value.as_ref()?;
        (monotonic().duration_since(*at) < KEPT_FOR).then(|| Arc::clone(value))
    }
}

/// The configured provider.
pub(super) struct Provider {
    pub rules: OidcProvider,
    client: Mutex<Option<Client>>,
    description: Mutex<Cached<Description>>,
    keys: Mutex<Cached<Vec<Jwk>>>,
    new_keys: Pace,
    at_once: Semaphore,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// Nothing is asked yet: the station starts whether the provider is there or not.
    pub fn new(rules: OidcProvider) -> Self {
        Self {
            rules,
            client: Mutex::default(),
            description: Mutex::default(),
            keys: Mutex::default(),
            new_keys: Pace::new(NEW_KEYS.0, NEW_KEYS.1),
            at_once: Semaphore::new(AT_ONCE),
        }
    }

    /// What it tells of itself.
    pub async fn description(&self) -> Result<Arc<Description>, ProviderError> {
        if let Some(known) = held(&self.description).fresh() {
            return Ok(known);
        }
        // The document stands below the issuer, its path included (Discovery 1.0, 4.1).
        let url = format!("{}/.well-known/openid-configuration", self.rules.issuer.trim_end_matches('/'));
        let told: Description = self.json(&url, self.client()?.get(&url)).await?;
        let wrong = |what: &str| ProviderError::Answer { url: url.clone(), what: what.to_owned(), passing: false };
        if told.issuer != self.rules.issuer {
            let theirs = shown(&told.issuer);
            return Err(wrong(&format!(
                "calls itself {theirs}; write exactly that as issuer, or see who answers there"
            )));
        }
        for address in [&told.authorization_endpoint, &told.token_endpoint, &told.jwks_uri] {
            if !self.may_be_asked(address) {
                return Err(wrong(&format!("names {}, which is no https address", shown(address))));
            }
        }
        let told = Arc::new(told);
        held(&self.description).value = Some((Arc::clone(&told), monotonic()));
        Ok(told)
    }

    /// Only a provider on this box, of which the configuration says so, is spoken to without TLS.
    fn may_be_asked(&self, address: &str) -> bool {
        let Ok(uri) = address.parse::<Uri>() else { return false };
        let Some(authority) = uri.authority() else { return false };
        let plain_here = self.rules.issuer.starts_with("http://") && is_loopback(authority.host());
        !authority.as_str().contains('@')
            && !address.contains('#')
            && match uri.scheme_str() {
                Some("https") => true,
                Some("http") => plain_here,
                _ => false,
            }
    }

    /// Its keys; asked for anew where `anew` and that was not done too often.
    pub async fn keys(&self, anew: bool) -> Result<Arc<Vec<Jwk>>, ProviderError> {
        if let Some(known) = held(&self.keys).fresh()
            && (!anew || self.new_keys.take("").is_err())
        {
            return Ok(known);
        }
        let url = self.description().await?.jwks_uri.clone();
        let told: Keys = self.json(&url, self.client()?.get(&url)).await?;
        // Keys that we do not know the kind of are for others.
        let keys: Vec<Jwk> =
            told.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value(key).ok()).collect();
        let keys = Arc::new(keys);
        held(&self.keys).value = Some((Arc::clone(&keys), monotonic()));
        Ok(keys)
    }

    /// The identity token for a code.
    pub async fn redeem(&self, code: &str, redirect: &str, verifier: &str) -> Result<String, ProviderError> {
        let description = self.description().await?;
        let url = description.token_endpoint.clone();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let mut request = self.client()?.post(&url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let secret = self.rules.client_secret.as_ref().map(|file| file.read()).transpose()?;
        match &secret {
            None => fields.push(("client_id", &self.rules.client_id)),
            Some(secret) if self.secret_goes_in_the_form(&description) => {
                fields.push(("client_id", &self.rules.client_id));
                fields.push(("client_secret", secret.expose()));
            }
            Some(secret) => {
                // Both are form-encoded before they are joined (RFC 6749, 2.3.1).
                let pair = format!("{}:{}", encoded(&self.rules.client_id), encoded(secret.expose()));
                let mut value = header::HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
                    .map_err(|_| ProviderError::Setup("the station's secret cannot be sent".into()))?;
                value.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, value);
            }
        }
        let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let tokens: Tokens = self.json(&url, request.body(form.join("&"))).await?;
        Ok(tokens.id_token)
    }

    /// The header is what every provider must take (RFC 6749, 2.3.1); one that says otherwise is believed.
    fn secret_goes_in_the_form(&self, description: &Description) -> bool {
        let methods = description.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let has = |method: &str| methods.iter().any(|m| m == method);
        has("client_secret_post") && !has("client_secret_basic")
    }

    fn client(&self) -> Result<Client, ProviderError> {
        let mut made = held(&self.client);
        if let Some(client) = made.as_ref() {
            return Ok(client.clone());
        }
        let client = self.set_up()?;
        *made = Some(client.clone());
        Ok(client)
    }

    fn set_up(&self) -> Result<Client, ProviderError> {
        // reqwest panics without one, and the provider of TLS is the program's choice, not ours.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ProviderError::Setup("no TLS is installed in this program".into()));
        }
        let mut client = Client::builder()
            .user_agent(concat!("evidock/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            // Who answers elsewhere is not who was configured.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(Duration::from_secs(4));
        let setup = |e: &dyn std::fmt::Display| ProviderError::Setup(e.to_string());
        if let Some(path) = &self.rules.ca_file {
            let pem = std::fs::read(path).map_err(|e| setup(&format!("{}: {e}", path.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| setup(&e))?;
            if certificates.is_empty() {
                return Err(setup(&format!("{} holds no certificate", path.display())));
            }
            client = client.tls_certs_only(certificates);
        } else if self.rules.issuer.starts_with("http://") {
            // A box without any certificates must still get a client.
            client = client.tls_certs_only([]);
        }
        if self.rules.issuer.parse::<Uri>().ok().and_then(|u| u.host().map(is_loopback)).unwrap_or_default() {
            client = client.no_proxy();
        }
        client.build().map_err(|e| setup(&e))
    }

    async fn json<T: DeserializeOwned>(&self, url: &str, request: RequestBuilder) -> Result<T, ProviderError> {
        let _turn = self.at_once.try_acquire().map_err(|_| ProviderError::Busy)?;
        let request = request.header(header::ACCEPT, "application/json");
        let asked = tokio::time::timeout(WITHIN, ask(url, request)).await;
        let (status, body) = asked.map_err(|_| ProviderError::Late { url: url.to_owned() })??;
        let wrong = |what: String| ProviderError::Answer { url: url.to_owned(), what, passing: status >= 500 };
        if !(200..300).contains(&status) {
            let said = match serde_json::from_slice::<Refused>(&body) {
                Ok(refused) => format!(": {} {}", shown(&refused.error), shown(&refused.error_description)),
                Err(_) => String::new(),
            };
            return Err(wrong(format!("answers with {status}{said}")));
        }
        serde_json::from_slice(&body).map_err(|e| wrong(format!("answers with something else than it should: {e}")))
    }
}

/// Status and bounded body.
async fn ask(url: &str, request: RequestBuilder) -> Result<(u16, Vec<u8>), ProviderError> {
    let broken =
        |source: reqwest::Error| ProviderError::Unreachable { url: url.to_owned(), source: source.without_url() };
    let mut response = request.send().await.map_err(broken)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let what = format!("sends more than {} KiB", MAX_ANSWER_BYTES >> 10);
            return Err(ProviderError::Answer { url: url.to_owned(), what, passing: false });
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// A value of a form or a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A text of the provider, cut and made printable.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN_CHARS).collect()
}
