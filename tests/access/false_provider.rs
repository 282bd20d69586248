//! An identity provider that is broken or hostile. Whatever it does, nobody is let in, the log says why, and the password stays a
//! way in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidock::runtime::clock::wall;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::first;
use super::http::{Answer, Browser};
use super::provider::{Jar, SECRET, configuration, field, refusals};
use super::support::station::Station;

struct Signing {
    key: EncodingKey,
    jwk: Jwk,
}

fn signing(kid: &str) -> Signing {
    let key = EncodingKey::from_ec_der(&rcgen::KeyPair::generate().unwrap().serialize_der());
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    Signing { key, jwk }
}

/// What it does, by a word that the test changes.
struct False {
    at: SocketAddr,
    does: Arc<Mutex<&'static str>>,
}

impl False {
    fn begin() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (at, does) = (listener.local_addr().unwrap(), Arc::new(Mutex::new("nothing")));
        let (mine, keys) = (Arc::clone(&does), Arc::new((signing("one"), signing("one"), signing("two"))));
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (does, keys) = (*mine.lock().unwrap(), Arc::clone(&keys));
                std::thread::spawn(move || {
                    let _ = answer(stream.unwrap(), at, does, &keys);
                });
            }
        });
        Self { at, does }
    }

    fn now(&self, does: &'static str) {
        *self.does.lock().unwrap() = does;
    }
}

fn answer(
    mut stream: TcpStream,
    at: SocketAddr,
    does: &str,
    keys: &(Signing, Signing, Signing),
) -> std::io::Result<()> {
    let request = read(&mut stream)?;
    let issuer = format!("http://localhost:{}", at.port());
    let path = request.split(' ').nth(1).unwrap_or_default();
    let told = match path {
        "/.well-known/openid-configuration" => match does {
            "silence" => return stream.read(&mut [0]).map(|_| ()),
            "another issuer" => description("https://other.example", &issuer),
            "keys elsewhere" => {
                let mut all = description(&issuer, &issuer);
                all["jwks_uri"] = json!("http://192.0.2.1/keys");
                all
            }
            "no json" => return reply(&mut stream, "200 OK", "", "<html>"),
            "moved" => return reply(&mut stream, "302 Found", "location: http://192.0.2.1/\r\n", ""),
            _ => description(&issuer, &issuer),
        },
        "/keys" if does == "new key" => json!({ "keys": [keys.2.jwk, { "kty": "oct", "k": "AAAA", "kid": "two" }] }),
        "/keys" => json!({ "keys": [keys.0.jwk, { "kty": "new", "x": 1 }] }),
        "/token" => match does {
            "endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"id_token\":\"")?;
                loop {
                    stream.write_all(&[b'x'; 8192])?;
                }
            }
            "refuses" => return reply(&mut stream, "400 Bad Request", "", "{\"error\":\"invalid_grant\"}"),
            "redirects" => {
                return reply(&mut stream, "307 Temporary Redirect", "location: http://192.0.2.1/token\r\n", "");
            }
            does => json!({ "token_type": "Bearer", "id_token": token(does, &issuer, &nonce(&request), keys) }),
        },
        _ => return reply(&mut stream, "404 Not Found", "", ""),
    };
    reply(&mut stream, "200 OK", "content-type: application/json\r\n", &told.to_string())
}

fn description(issuer: &str, at: &str) -> Value {
    json!({
        "issuer": issuer, "authorization_endpoint": format!("{at}/auth"), "token_endpoint": format!("{at}/token"),
        "jwks_uri": format!("{at}/keys"), "token_endpoint_auth_methods_supported": ["client_secret_post"],
    })
}

/// The test gives the nonce as the code.
fn nonce(request: &str) -> String {
    let body = request.rsplit("\r\n\r\n").next().unwrap();
    assert!(body.contains("grant_type=authorization%5Fcode") && body.contains("client_secret=a%20secret"), "{body}");
    field(&format!("?{body}"), "code")
}

fn token(does: &str, issuer: &str, nonce: &str, keys: &(Signing, Signing, Signing)) -> String {
    let now = wall().0 / 1000;
    let mut claims =
        json!({ "iss": issuer, "aud": "station 1", "sub": "u-1", "nonce": nonce, "iat": now, "exp": now + 300 });
    match does {
        "nonce" => claims["nonce"] = json!("another"),
        "audience" => claims["aud"] = json!("station 2"),
        "party" => claims["aud"] = json!(["station 1", "station 2"]),
        "expired" => claims["exp"] = json!(now - 100),
        _ => {}
    }
    let signing = match does {
        "swapped key" => &keys.1,
        "new key" => &keys.2,
        _ => &keys.0,
    };
    let header = Header { kid: signing.jwk.common.key_id.clone(), ..Header::new(Algorithm::ES256) };
    let good = encode(&header, &claims, &signing.key).unwrap();
    match does {
        "none" => {
            let payload = good.split('.').nth(1).unwrap();
            format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string()))
        }
        _ => good,
    }
}

fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if n == 0 {
                return Ok(text);
            }
            continue;
        };
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if n == 0 || body.len() >= length.unwrap_or(0) {
            return Ok(text);
        }
    }
}

fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A station with this provider, and an account that is bound to its only subject.
fn station(provider: &False) -> (Station, String) {
    let mut station = Station::new(&configuration(provider.at.port()));
    std::fs::write(station.path("oidc.secret"), SECRET).unwrap();
    station.start();
    first(&station, &["user", "first", "boss"]);
    first(&station, &["user", "add", "u-1", "--role", "archivist", "--oidc-subject", "u-1"]);
    let host = station.page().strip_prefix("http://").unwrap().to_owned();
    (station, host)
}

/// Begins, and comes back without having been anywhere; gives the way back, too.
fn through(host: &str, jar: &mut Jar) -> (Answer, String) {
    let begun = jar.get(host, "/signin/oidc");
    assert_eq!(begun.status, 303, "{}", begun.text());
    let to = begun.header("location").unwrap();
    let back = format!("/signin/oidc/return?code={}&state={}", field(to, "nonce"), field(to, "state"));
    (jar.get(host, &back), back)
}

#[test]
fn what_is_false_lets_nobody_in() {
    let provider = False::begin();
    let (station, host) = station(&provider);
    let mut jar = Jar::default();
    // A description that is not believed is not kept: each is asked for anew.
    for does in ["another issuer", "keys elsewhere", "no json", "moved"] {
        provider.now(does);
        let begun = jar.get(&host, "/signin/oidc");
        assert_eq!(begun.status, 502, "{does}: {}", begun.text());
        assert!(begun.text().contains("name=\"password\""), "{does}: the password is a way in");
    }
    for does in ["nonce", "audience", "none", "expired", "swapped key", "endless", "redirects"] {
        provider.now(does);
        let (came, _) = through(&host, &mut jar);
        assert_eq!(came.status, 502, "{does}: {}", came.text());
        assert!(jar.cookie("evidock-session").is_none(), "{does}");
    }
    provider.now("good");
    // In another browser the same answer opens nothing, and does not spoil it for the one that began.
    let begun = jar.get(&host, "/signin/oidc");
    let to = begun.header("location").unwrap();
    let back = format!("/signin/oidc/return?code={}&state={}", field(to, "nonce"), field(to, "state"));
    assert_eq!(Browser { at: host.parse().unwrap(), cookie: None, bearer: None }.get(&back).status, 401);
    let inside = jar.get(&host, &back);
    assert_eq!(inside.status, 200, "{}", inside.text());
    assert_eq!(jar.get(&host, "/clips").status, 200);
    // Once.
    assert_eq!(jar.get(&host, &back).status, 401);
    // Keys that were changed are asked for anew.
    provider.now("new key");
    jar.forget("evidock-session");
    assert_eq!(through(&host, &mut jar).0.status, 200);
    let mut wanted = vec!["oidc_token"; 5];
    wanted.extend(["oidc_provider", "oidc_provider", "oidc_state", "oidc_state"]);
    assert_eq!(refusals(&station), wanted);
    let said = station.log();
    for words in [
        "its nonce is wrong",
        "its aud is wrong",
        "signed with \"none\"",
        "its signature is wrong",
        "sends more than 256 KiB",
    ] {
        assert!(said.contains(words), "{words}");
    }
}

#[test]
fn what_never_answers_is_given_up() {
    let provider = False::begin();
    let (_station, host) = station(&provider);
    provider.now("silence");
    let begun = Jar::default().get(&host, "/signin/oidc");
    assert_eq!(begun.status, 503, "{}", begun.text());
}
