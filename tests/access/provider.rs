//! Signing in by a real identity provider (oidc-provider for Node, OpenID Certified), step by step as a browser does it.

use std::collections::BTreeMap;
use std::path::Path;

use super::http::{Answer, Browser};
use super::support::guarded::{Guarded, free_ports, tools};
use super::support::station::Station;
use super::{PASSWORD, first};

/// What the daemon is told of a provider on this box.
pub fn configuration(port: u16) -> String {
    format!(
        "[access.oidc]\nissuer = \"http://localhost:{port}\"\nclient_id = \"station 1\"\nclient_secret_file = \"oidc.secret\"\n\
         scopes = [\"profile\"]\nlabel = \"单位登录\""
    )
}

/// Not plain: it must be encoded twice on its way.
pub const SECRET: &str = "a secret: 100 % & more/+=";

/// Cookies of both sites; names do not meet.
#[derive(Default, Clone)]
pub struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Asks, and keeps what is set.
    pub fn get(&mut self, host: &str, path: &str) -> Answer {
        let cookie: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let browser = Browser { at: host.parse().unwrap(), cookie: Some(cookie.join("; ")), bearer: None };
        let answer = browser.get(path);
        for line in answer.head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie") {
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A cookie as a header has it.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|v| !v.is_empty()).map(|value| format!("{name}={value}"))
    }

    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

/// Host and path of an address, absolute or on `host`; this box has two names.
pub fn parts(address: &str, host: &str) -> (String, String) {
    match address.strip_prefix("http://") {
        Some(rest) => {
            let (host, path) = rest.split_once('/').unwrap();
            (host.replace("localhost", "127.0.0.1"), format!("/{path}"))
        }
        None => (host.to_owned(), address.to_owned()),
    }
}

/// The field of a query, decoded.
pub fn field(address: &str, name: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .unwrap_or_else(|| panic!("{name} in {address}"));
    percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
}

/// Follows redirects until something else comes.
fn follow(jar: &mut Jar, host: &str, path: &str) -> Answer {
    let (mut host, mut path) = (host.to_owned(), path.to_owned());
    for _ in 0..12 {
        let answer = jar.get(&host, &path);
        match answer.header("location") {
            Some(next) if (300..400).contains(&answer.status) => (host, path) = parts(next, &host),
            _ => return answer,
        }
    }
    panic!("round and round: {path}");
}

pub fn refusals(station: &Station) -> Vec<String> {
    let rows = station
        .query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.sign_in_refused' ORDER BY seq", &[]);
    let why = |row: &Vec<String>| row[0].split("\"why\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    rows.iter().map(why).collect()
}

#[test]
fn whom_the_provider_knows_is_who_was_bound_and_nobody_else() {
    let [port] = free_ports::<1>();
    let mut station = Station::new(&configuration(port));
    std::fs::write(station.path("oidc.secret"), format!("{SECRET}\n")).unwrap();
    station.start();
    let page = station.page();
    let host = page.strip_prefix("http://").unwrap().to_owned();
    assert_eq!(Browser::new(&page).get("/signin/oidc").status, 404, "nobody signs in to a station without accounts");
    first(&station, &["user", "first", "boss"]);

    // The provider is away: the door says so, and that the password is a way in.
    let mut jar = Jar::default();
    let away = jar.get(&host, "/signin/oidc?next=%2Fclips");
    assert_eq!(away.status, 503);
    assert!(
        away.text().contains("用本站账号和口令登录") && away.text().contains("name=\"password\""),
        "{}",
        away.text()
    );

    let mut server = Guarded::new("identity");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers/identity.mjs");
    let node = ["/usr/bin/node", "/usr/local/bin/node"].into_iter().map(Path::new).find(|path| path.exists());
    let redirect = format!("{page}/signin/oidc/return");
    let command = server.command(node.unwrap_or(Path::new("/usr/bin/node")));
    command.current_dir(tools().join("oidc")).arg(script).args([port.to_string().as_str(), &redirect, SECRET, "u-42"]);
    server.start();
    station.until("the provider answers", |_| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());

    let door = jar.get(&host, "/signin?next=%2Fclips").text();
    assert!(door.contains("单位登录") && door.contains("/signin/oidc?next=%2Fclips"), "{door}");
    let begun = jar.get(&host, "/signin/oidc?next=%2Fclips");
    let kept = begun.header("set-cookie").unwrap();
    for word in ["Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"] {
        assert!(kept.contains(word), "{kept}");
    }
    let to = begun.header("location").unwrap().to_owned();
    assert_eq!(
        (field(&to, "scope").as_str(), field(&to, "code_challenge_method").as_str()),
        ("openid profile", "S256")
    );

    // Known there, and bound to nobody here, whatever the account is called.
    first(&station, &["user", "add", "u-42", "--role", "archivist"]);
    let (at, path) = parts(&to, &host);
    let unbound = follow(&mut jar, &at, &path);
    assert_eq!(unbound.status, 401, "{}", unbound.text());
    assert!(unbound.text().contains("u-42") && jar.cookie("evidock-session").is_none(), "{}", unbound.text());

    let words = station.refused(1, ["user", "change", "u-42", "--oidc-subject", "张三"]).1;
    assert!(words.contains("255 visible ASCII"), "{words}");
    station.json(["user", "change", "u-42", "--oidc-subject", "u-42"]);
    let words = station.refused(1, ["user", "add", "other", "--role", "officer", "--oidc-subject", "u-42"]).1;
    assert!(words.contains("u-42 is bound to it already"), "{words}");
    assert_eq!(
        station.json(["user", "list"]).as_array().unwrap().len(),
        2,
        "an account that cannot be bound is not made"
    );

    let inside = follow(&mut jar, &host, "/signin/oidc?next=%2Fclips");
    assert_eq!(inside.status, 200, "{}", inside.text());
    let set = inside.header("set-cookie").unwrap();
    assert!(
        set.starts_with("evidock-session=") && set.contains("SameSite=Strict") && set.contains("HttpOnly"),
        "{set}"
    );
    assert!(inside.text().contains("content=\"0; url=/clips\""), "a page of ours goes on: {}", inside.text());
    // The first password is still somebody else's; whoever came by the provider is not asked for it.
    assert_eq!(jar.get(&host, "/clips").status, 200);
    let account = jar.get(&host, "/account").text();
    assert!(account.contains("统一认证") && account.contains("u-42"));
    let sessions = station.json(["user", "sessions", "u-42"]);
    assert_eq!(sessions[0]["by"], "oidc");
    let log = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.sign_in'", &[]);
    assert!(log.last().unwrap()[0].contains("\"by\":\"oidc\""), "{log:?}");

    // What was bound elsewhere ends what was begun by it; a disabled account lets nobody in.
    station.json(["user", "change", "u-42", "--oidc-subject", ""]);
    assert_eq!(jar.get(&host, "/clips").status, 303);
    station.json(["user", "change", "u-42", "--oidc-subject", "u-42"]);
    station.json(["user", "disable", "u-42"]);
    jar.forget("evidock-session");
    assert_eq!(follow(&mut jar, &host, "/signin/oidc").status, 401);
    assert_eq!(refusals(&station), ["oidc_unbound", "closed"]);
    // The station's own accounts go on without the provider.
    drop(server);
    station.json(["user", "enable", "u-42"]);
    let again = first(&station, &["user", "password", "u-42"]);
    Browser::begin(&page, "u-42", &again, PASSWORD);
    let all: String =
        station.query("SELECT CAST(bytes AS TEXT) FROM log_entry", &[]).iter().map(|r| r[0].as_str()).collect();
    assert!(!all.contains("u-42") && !all.contains("100 %"), "no name and no secret in the log");
    assert!(!station.log().contains("100 %"));
}
