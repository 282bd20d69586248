//! A browser of the plainest kind: one connection a request, a cookie, and the token of the forms that it was shown.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Somebody at the page.
#[derive(Clone)]
pub struct Browser {
    pub at: SocketAddr,
    pub cookie: Option<String>,
    pub bearer: Option<String>,
}

impl Browser {
    /// At the page of this address, as `http://127.0.0.1:8480`.
    pub fn new(page: &str) -> Self {
        let at = page.strip_prefix("http://").expect("plain HTTP on loopback").parse().unwrap();
        Self { at, cookie: None, bearer: None }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Sends a form from a page of ours, with its token where a page that was shown before has one.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let mut pairs: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", encode(v))).collect();
        if let Some(token) = self.cookie.as_deref().and_then(|c| c.split_once('=')).map(|(_, t)| t) {
            pairs.push(format!("csrf={}", evidock::access::form_token(token)));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, pairs.join("&").as_bytes())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.at);
        if method != "GET" {
            head.push_str(&format!("origin: http://{}\r\ncontent-length: {}\r\n", self.at, body.len()));
        }
        if let Some(cookie) = &self.cookie {
            head.push_str(&format!("cookie: {cookie}\r\n"));
        }
        if let Some(bearer) = &self.bearer {
            head.push_str(&format!("authorization: Bearer {bearer}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = answer[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Answer { status, head, body }
    }

    /// Signs in; keeps the cookie where it worked.
    pub fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let answer = Self { cookie: None, ..self.clone() }.form("/signin", &[("name", name), ("password", password)]);
        self.take_cookie(&answer);
        answer
    }

    pub fn take_cookie(&mut self, answer: &Answer) {
        if let Some(cookie) = answer.header("set-cookie").filter(|c| c.starts_with("evidock-session=")) {
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
    }

    /// Signs in with a first password and chooses another one.
    pub fn begin(page: &str, name: &str, first: &str, password: &str) -> Self {
        let mut browser = Self::new(page);
        let answer = browser.sign_in(name, first);
        assert_eq!(answer.status, 303, "{name}: {}", answer.text());
        let fields = [("present", first), ("new", password), ("again", password)];
        let answer = browser.form("/account/password", &fields);
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/account?done=password")),
            "{}",
            answer.text()
        );
        browser
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}
