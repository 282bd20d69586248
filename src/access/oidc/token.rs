//! The identity token: what a provider signed about somebody (OpenID Connect Core 1.0, 2 and 3.1.3.7). Pure: keys, token and
//! time come in, a subject or a reason comes out. Each check stands here by itself, beside those that the library makes, so
//! that none depends on a default of it.
//!
//! The algorithms are pinned: signatures by the provider's own keys, never `none`, never a shared secret (a token signed with
//! the provider's public key as if it were one is an old trick).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use crate::domain::identity::Subject;

/// Clocks may differ by so much, seconds.
const LEEWAY_S: f64 = 60.0;
/// A token is made for the moment at which somebody signs in, whatever its end says, seconds.
const OLDEST_S: f64 = 600.0;
/// Fewest bytes of an RSA modulus (RFC 7518, 3.3: 2048 bits).
const MIN_RSA_BYTES: usize = 256;

/// What the token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now_ms: i64,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts, or not what they should be.
    #[error("it is no signed token")]
    Form,
    /// `none`, a shared secret, or something else that is not taken.
    #[error("it is signed with {0:?}; RS256, PS256, ES256 and EdDSA are taken, and nothing else")]
    Algorithm(String),
    /// It asks for what we do not know.
    #[error("it has a critical header, which nobody here knows")]
    Critical,
    /// No key of the provider fits.
    #[error("it is signed by a key that is not among the provider's")]
    UnknownKey,
    /// The key does not fit what it is used for.
    #[error("the provider's key cannot be used: {0}")]
    BadKey(&'static str),
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing or wrong.
    #[error("its {0} is wrong")]
    Claim(&'static str),
    /// It is too old, or of the future.
    #[error("its time does not fit ours: look at the clocks of the station and of the provider")]
    Time,
}

impl TokenError {
    /// The word in the log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm(_) => "algorithm",
            Self::Critical => "critical",
            Self::UnknownKey => "unknown_key",
            Self::BadKey(_) => "bad_key",
            Self::Signature => "signature",
            Self::Claim(claim) => claim,
            Self::Time => "time",
        }
    }
}

/// Who the token says somebody is, if all of it holds.
pub(super) fn check(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Subject, TokenError> {
    let (algorithm, kid) = header(token)?;
    let key = choose(keys, algorithm, kid.as_deref())?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Time is checked below, by the station's own clock.
    validation.validate_exp = false;
    let claims = decode::<Value>(token, &key, &validation).map_err(|e| reason(&e))?.claims;
    claimed(&claims, expected)
}

fn reason(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidIssuer => TokenError::Claim("iss"),
        ErrorKind::InvalidAudience => TokenError::Claim("aud"),
        ErrorKind::MissingRequiredClaim(claim) => TokenError::Claim(match claim.as_str() {
            "iss" => "iss",
            "aud" => "aud",
            "exp" => "exp",
            _ => "sub",
        }),
        _ => TokenError::Form,
    }
}

/// Algorithm and key as the token says; neither is believed further than to choose among what we allow.
fn header(token: &str) -> Result<(Algorithm, Option<String>), TokenError> {
    let parts: Vec<&str> = token.split('.').collect();
    let [first, _, _] = parts.as_slice() else { return Err(TokenError::Form) };
    let bytes = URL_SAFE_NO_PAD.decode(first).map_err(|_| TokenError::Form)?;
    let header: Value = serde_json::from_slice(&bytes).map_err(|_| TokenError::Form)?;
    let said = header["alg"].as_str().unwrap_or_default();
    let algorithm = match said {
        "RS256" => Algorithm::RS256,
        "PS256" => Algorithm::PS256,
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        other => return Err(TokenError::Algorithm(other.chars().filter(|c| !c.is_control()).take(20).collect())),
    };
    if header.get("crit").is_some() {
        return Err(TokenError::Critical);
    }
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) => Ok((algorithm, Some(kid.clone()))),
        Some(_) => Err(TokenError::Form),
    }
}

/// The key that the token names, or the only one that can have signed it.
fn choose(keys: &[Jwk], algorithm: Algorithm, kid: Option<&str>) -> Result<DecodingKey, TokenError> {
    let mut fitting = keys.iter().filter(|key| {
        let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
        named && signs(key, algorithm)
    });
    let key = fitting.next().ok_or(TokenError::UnknownKey)?;
    if fitting.next().is_some() {
        return Err(TokenError::BadKey("several fit, and the token names none of them alone"));
    }
    if let AlgorithmParameters::RSA(rsa) = &key.algorithm {
        let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).map_err(|_| TokenError::BadKey("it cannot be read"))?;
        if modulus.iter().skip_while(|byte| **byte == 0).count() < MIN_RSA_BYTES {
            return Err(TokenError::BadKey("it has fewer than 2048 bits"));
        }
    }
    DecodingKey::from_jwk(key).map_err(|_| TokenError::BadKey("it cannot be read"))
}

/// Whether a key is meant for signatures of this algorithm.
fn signs(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(ec), Algorithm::ES256) => ec.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(okp), Algorithm::EdDSA) => okp.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let told = match (key.common.key_algorithm, algorithm) {
        (None, _)
        | (Some(KeyAlgorithm::RS256), Algorithm::RS256)
        | (Some(KeyAlgorithm::PS256), Algorithm::PS256)
        | (Some(KeyAlgorithm::ES256), Algorithm::ES256)
        | (Some(KeyAlgorithm::EdDSA), Algorithm::EdDSA) => true,
        (Some(_), _) => false,
    };
    kind && told && matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
}

fn claimed(claims: &Value, expected: &Expected<'_>) -> Result<Subject, TokenError> {
    if claims["iss"].as_str() != Some(expected.issuer) {
        return Err(TokenError::Claim("iss"));
    }
    let audience: Vec<&str> = match &claims["aud"] {
        Value::String(one) => vec![one],
        Value::Array(all) => {
            all.iter().map(|one| one.as_str().ok_or(TokenError::Claim("aud"))).collect::<Result<_, _>>()?
        }
        _ => return Err(TokenError::Claim("aud")),
    };
    if !audience.contains(&expected.client_id) {
        return Err(TokenError::Claim("aud"));
    }
    // Of several whom it is for, it must say that it was made for us.
    match claims.get("azp") {
        None if audience.len() == 1 => {}
        Some(Value::String(party)) if party == expected.client_id => {}
        _ => return Err(TokenError::Claim("azp")),
    }
    if claims["nonce"].as_str() != Some(expected.nonce) {
        return Err(TokenError::Claim("nonce"));
    }
    let now = expected.now_ms as f64 / 1000.0;
    let seconds = |claim: &'static str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_f64().filter(|s| s.is_finite()).map(Some).ok_or(TokenError::Claim(claim)),
    };
    let (Some(end), Some(made)) = (seconds("exp")?, seconds("iat")?) else { return Err(TokenError::Claim("exp")) };
    let begun = seconds("nbf")?.unwrap_or(made);
    if now >= end + LEEWAY_S || now < made.max(begun) - LEEWAY_S || now - made > OLDEST_S {
        return Err(TokenError::Time);
    }
    Subject::new(claims["sub"].as_str().unwrap_or_default()).map_err(|_| TokenError::Claim("sub"))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const NOW_MS: i64 = 1_780_000_000_000;
    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://id", client_id: "station", nonce: "n-1", now_ms: NOW_MS };

    struct Signer {
        key: EncodingKey,
        jwk: Jwk,
        algorithm: Algorithm,
    }

    /// PKCS #8 of an Ed25519 key, but for the key itself (RFC 8410, 7).
    const ED25519: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

    fn signer(algorithm: Algorithm, kid: &str) -> Signer {
        let key = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_der(&rcgen::KeyPair::generate().unwrap().serialize_der()),
            _ => EncodingKey::from_ed_der(&[&ED25519[..], &rand::random::<[u8; 32]>()].concat()),
        };
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(kid.into());
        Signer { key, jwk, algorithm }
    }

    impl Signer {
        fn token(&self, claims: &Value) -> String {
            let header = Header { kid: self.jwk.common.key_id.clone(), ..Header::new(self.algorithm) };
            encode(&header, claims, &self.key).unwrap()
        }
    }

    fn claims() -> Value {
        let now = NOW_MS / 1000;
        json!({ "iss": "https://id", "aud": "station", "nonce": "n-1", "sub": "u-1", "iat": now, "exp": now + 300 })
    }

    fn with(claim: &str, value: Value) -> Value {
        let mut all = claims();
        all[claim] = value;
        all
    }

    fn without(claim: &str) -> Value {
        let mut all = claims();
        all.as_object_mut().unwrap().remove(claim);
        all
    }

    #[test]
    fn claims_as_a_table() {
        let signer = signer(Algorithm::ES256, "k");
        let keys = [signer.jwk.clone()];
        let now = NOW_MS / 1000;
        let wrong = |claim| Err(TokenError::Claim(claim));
        for (claims, wanted) in [
            (claims(), Ok(())),
            (with("aud", json!(["station"])), Ok(())),
            (with("azp", json!("station")), Ok(())),
            (with("exp", json!(now - 59)), Ok(())),
            (with("iat", json!(now + 59)), Ok(())),
            (with("exp", json!(now as f64 + 0.5)), Ok(())),
            (with("iss", json!("https://id/")), wrong("iss")),
            (with("iss", json!(["https://id", "https://other"])), wrong("iss")),
            (with("aud", json!("another")), wrong("aud")),
            (with("aud", json!(["station", 1])), wrong("aud")),
            (with("aud", json!(["station", "another"])), wrong("azp")),
            (with("azp", json!("another")), wrong("azp")),
            (with("nonce", json!("n-2")), wrong("nonce")),
            (without("nonce"), wrong("nonce")),
            (with("sub", json!("张三")), wrong("sub")),
            (with("sub", json!(" u-1")), wrong("sub")),
            (without("sub"), wrong("sub")),
            (without("exp"), wrong("exp")),
            (without("iat"), wrong("exp")),
            (with("exp", json!("soon")), wrong("exp")),
            (with("exp", json!(now - 61)), Err(TokenError::Time)),
            (with("iat", json!(now + 61)), Err(TokenError::Time)),
            (with("iat", json!(now - 601)), Err(TokenError::Time)),
            (with("nbf", json!(now + 61)), Err(TokenError::Time)),
        ] {
            let came = check(&signer.token(&claims), &keys, &EXPECTED).map(|_| ());
            // The library and we look at the same; whose check comes first is no matter.
            let same = came == wanted || (wanted.is_err() && matches!(came, Err(TokenError::Form)));
            assert!(same, "{claims}: {came:?}, wanted {wanted:?}");
        }
    }

    #[test]
    fn keys_and_algorithms_are_pinned() {
        let (one, other, ed) =
            (signer(Algorithm::ES256, "k"), signer(Algorithm::ES256, "k"), signer(Algorithm::EdDSA, "e"));
        let token = one.token(&claims());
        assert_eq!(check(&token, &[one.jwk.clone(), ed.jwk.clone()], &EXPECTED).unwrap().as_str(), "u-1");
        assert!(check(&ed.token(&claims()), &[one.jwk.clone(), ed.jwk.clone()], &EXPECTED).is_ok());
        assert_eq!(
            check(&token, std::slice::from_ref(&other.jwk), &EXPECTED),
            Err(TokenError::Signature),
            "a key of the same name"
        );
        assert_eq!(check(&token, std::slice::from_ref(&ed.jwk), &EXPECTED), Err(TokenError::UnknownKey));
        assert!(matches!(check(&token, &[one.jwk.clone(), other.jwk.clone()], &EXPECTED), Err(TokenError::BadKey(_))));
        let mut for_another = one.jwk.clone();
        for_another.common.public_key_use = Some(PublicKeyUse::Encryption);
        assert_eq!(check(&token, &[for_another], &EXPECTED), Err(TokenError::UnknownKey));

        let parts: Vec<&str> = token.split('.').collect();
        let headed =
            |header: Value| format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1], parts[2]);
        for alg in ["none", "None", "HS256", "RS512", "ES384", ""] {
            let forged = headed(json!({ "alg": alg, "kid": "k" }));
            assert!(
                matches!(check(&forged, std::slice::from_ref(&one.jwk), &EXPECTED), Err(TokenError::Algorithm(_))),
                "{alg}"
            );
        }
        // The provider's public key as a shared secret.
        let public = serde_json::to_vec(&one.jwk).unwrap();
        let secret =
            encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&public).unwrap()).unwrap();
        assert!(matches!(check(&secret, std::slice::from_ref(&one.jwk), &EXPECTED), Err(TokenError::Algorithm(_))));
        let critical = headed(json!({ "alg": "ES256", "kid": "k", "crit": ["b64"] }));
        assert_eq!(check(&critical, std::slice::from_ref(&one.jwk), &EXPECTED), Err(TokenError::Critical));
        for junk in ["", "a.b", "a.b.c", "a.b.c.d", &format!("{}.{}.", parts[0], parts[1])] {
            assert!(check(junk, std::slice::from_ref(&one.jwk), &EXPECTED).is_err(), "{junk}");
        }
        // Other claims under the same signature.
        let changed =
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(with("sub", json!("u-2")).to_string()), parts[2]);
        assert_eq!(check(&changed, std::slice::from_ref(&one.jwk), &EXPECTED), Err(TokenError::Signature));
        let mut short = one.jwk.clone();
        short.algorithm =
            serde_json::from_value(json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" }))
                .unwrap();
        short.common.key_algorithm = None;
        let rs = headed(json!({ "alg": "RS256", "kid": "k" }));
        assert!(matches!(check(&rs, &[short], &EXPECTED), Err(TokenError::BadKey(_))));
    }
}
