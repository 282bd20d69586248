//! The API against its own document: Schemathesis asks a real station everything that the document allows, and much that it
//! does not, as several roles. Nothing is our fault (5xx), every answer is of a form that the document tells, what is wrong
//! is refused. And what the document promises of all operations: problems, keys for changes, events that are told again.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::station::{Station, folder, text};

const CASE: &str = "赵卫罚〔2026〕12号";
/// What is asked of each answer. That everything is taken which the document allows is not asked: whether a case number is
/// one, or a cursor ours, no schema can tell.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,\
                      ignored_auth";

/// A station with three clips, an administrator and a program of each role that may have one.
fn station(far: &Path) -> (Station, Vec<(&'static str, String)>) {
    let mut station = Station::running(&folder("far", far.to_str().unwrap()));
    let roster = format!(
        "officer,recorder,from,to,case,place,matter,proves\n采集人甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,{CASE},东关街18号,现场检查,现场全貌\n"
    );
    std::fs::write(station.path("roster.csv"), roster).unwrap();
    station.json(["roster", "import", station.path("roster.csv").to_str().unwrap()]);
    let card = station.card("a");
    for (n, time) in ["091200", "092700", "094200"].iter().enumerate() {
        card.file(support::station::dsj("36NCC009910", time), support::footage(200_000, n as u64), 60);
    }
    station.dock("a");
    station.until_safe("a");
    station.until_proven(3);
    station.json(["user", "first", "boss"]);
    // The same four stand first in the tests below.
    let roles = ["archivist", "department_head", "system_administrator", "auditor", "supervisor", "legal_reviewer"];
    let token = |role: &'static str| {
        let made = station.json(["token", "add", &role.replace('_', "-"), "--role", role]);
        (role, made["token"].as_str().unwrap().to_owned())
    };
    let tokens = roles.map(token).to_vec();
    (station, tokens)
}

/// The document with what is really there as an example of each place in an address, so that more than "not found" is asked.
fn with_examples(document: &mut Value, clip: &str) {
    let known = [
        ("id", json!(clip)),
        ("number", json!(CASE)),
        ("case_no", json!(CASE)),
        ("register", json!("case")),
        ("piece", json!("0")),
        ("sample", json!(1)),
        ("n", json!(1)),
    ];
    let operations = document["paths"].as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|item| item.values_mut()) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let there = known.iter().find(|(name, _)| parameter["in"] == "path" && parameter["name"] == *name);
            if let Some((_, value)) = there {
                parameter["schema"] = json!({ "anyOf": [{ "const": value }, parameter["schema"]] });
                parameter["example"] = json!(value);
            }
        }
    }
}

/// What only those may who are not asked about everything: a sample with clips, and a case that stands sent for review.
fn with_oversight(station: &Station) {
    station.json(["sample", "draw", "--period", "2026-06", "--count", "2"]);
    station.json(["review", CASE]);
}

/// Not asked by Schemathesis, each with the reason.
const NOT_ASKED: [(&str, &str, &str); 1] =
    [("GET", "/api/v1/changes", "a stream that does not end; the tests below read it")];

/// Each operation of a document: method and path.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let methods: Vec<String> = item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        methods.into_iter().filter(|m| m != "PARAMETERS").map(move |m| (m, path.clone()))
    };
    paths.iter().flat_map(of).collect()
}

/// Which operations the requests of a report (HAR) went to and were let in to, and how often: a refusal is the door's answer
/// and not the operation's. An address belongs to the path that names most of its pieces.
fn asked(har: &Value, operations: &BTreeSet<(String, String)>) -> BTreeMap<(String, String), u64> {
    let mut asked = BTreeMap::new();
    for entry in har["log"]["entries"].as_array().unwrap() {
        // What got no answer was not asked, and what was not let in neither.
        if [0, 401, 403].contains(&entry["response"]["status"].as_i64().unwrap_or(0)) {
            continue;
        }
        let (method, url) = (entry["request"]["method"].as_str().unwrap(), entry["request"]["url"].as_str().unwrap());
        let path = url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next().unwrap();
        let pieces: Vec<&str> = path.split('/').skip(1).collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').skip(1).collect();
            let is_at = |(w, p): (&&str, &&str)| w == p || (w.starts_with('{') && !p.is_empty());
            let fits = wanted.len() == pieces.len() && wanted.iter().zip(&pieces).all(is_at);
            fits.then(|| wanted.iter().filter(|w| !w.starts_with('{')).count())
        };
        let found = operations.iter().filter(|(m, _)| m == method).filter_map(|o| Some((fits(&o.1)?, o)));
        if let Some((_, operation)) = found.max_by_key(|(named, _)| *named) {
            *asked.entry(operation.clone()).or_insert(0) += 1;
        }
    }
    asked
}

#[test]
fn what_was_asked_is_told_by_its_report() {
    let of = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    let document = json!({ "paths": {
        "/api/v1/clips": { "get": {} },
        "/api/v1/clips/several": { "post": {} },
        "/api/v1/clips/{id}": { "get": {}, "patch": {} },
    } });
    let all = operations(&document);
    assert_eq!(all.len(), 4);
    let entry = |method: &str, path: &str, status: u16| {
        let request = json!({ "method": method, "url": format!("http://127.0.0.1:1{path}") });
        json!({ "request": request, "response": { "status": status } })
    };
    let entries = [
        entry("GET", "/api/v1/clips?limit=1", 200),
        entry("POST", "/api/v1/clips/several", 422),
        entry("PATCH", "/api/v1/clips/y", 403),
        entry("GET", "/api/v1/clips/%2F%E8%B5%B5", 404),
        entry("GET", "/api/v1/clips/", 404),
        entry("PATCH", "/api/v1/clips/x", 0),
        entry("TRACE", "/api/v1/clips/x", 405),
    ];
    let asked = asked(&json!({ "log": { "entries": entries } }), &all);
    let expected = [of("GET", "/api/v1/clips"), of("GET", "/api/v1/clips/{id}"), of("POST", "/api/v1/clips/several")];
    assert_eq!(asked.into_keys().collect::<Vec<_>>(), expected, "no answer is no question, and a refusal none either");
}

#[tokio::test]
async fn the_api_keeps_to_its_document() {
    support::install_tls();
    let far = tempfile::tempdir().unwrap();
    let (station, tokens) = station(far.path());
    with_oversight(&station);
    let page = station.page();
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let get = async |path: &str, token: &str| {
        let answer = http.get(format!("{page}{path}")).bearer_auth(token).send().await.unwrap();
        serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
    };
    let mut document = get("/api/v1/openapi.json", &tokens[0].1).await;
    let clips = get("/api/v1/clips", &tokens[0].1).await;
    with_examples(&mut document, clips["items"][0]["record_id"].as_str().unwrap());
    let file = station.path("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();

    let full = std::env::var_os("EVIDOCK_TEST_FULL").is_some();
    let operations = operations(&document);
    let mut never: BTreeSet<_> = operations.clone();
    for (method, path, _) in NOT_ASKED {
        assert!(never.remove(&(method.to_owned(), path.to_owned())), "{method} {path} is there no more");
    }
    // The role that may most is asked most, and one of the others about everything: what it may not matters. Then each is asked
    // about what nobody was let in to before.
    let rounds = [0, 1, 4, 5, 2, 3, 1].map(|role: usize| &tokens[role]);
    for (n, (role, token)) in rounds.into_iter().enumerate() {
        let (phases, examples, seconds) = match (n, full) {
            // Long enough for every operation; it ends before when it has asked them all.
            (0, false) => ("examples,coverage,fuzzing", "4", "120"),
            (1, false) => ("examples,fuzzing", "2", "5"),
            (_, false) => ("examples,fuzzing", "3", "30"),
            (_, true) => ("examples,coverage,fuzzing,stateful", "100", "300"),
        };
        let paths: BTreeSet<String> = never.iter().map(|(_, path)| regex::escape(path)).collect();
        let only = match n {
            0 | 1 => Vec::new(),
            _ if paths.is_empty() => break,
            _ => vec!["--include-path-regex".to_owned(), format!("^({})$", Vec::from_iter(paths).join("|"))],
        };
        if *role == "legal_reviewer" {
            // Whoever was asked before may have called it back.
            station.json(["review", CASE]);
        }
        let st = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python-api/bin/st");
        let report = station.path(format!("{n}-{role}.har"));
        let ran = Command::new(&st)
            .arg("run")
            .arg(&file)
            .args(["--url", &page, "--phases", phases, "--max-examples", examples, "--max-time", seconds])
            .args(["--checks", CHECKS, "--seed", "1", "--continue-on-failure", "--no-shrink", "--warnings", "off"])
            // A stream that does not end.
            .args(["--exclude-path", NOT_ASKED[0].1, "--request-timeout", "30"])
            .args(only)
            .args(["--report", "har", "--report-har-path", report.to_str().unwrap()])
            .args(["-H", &format!("Authorization: Bearer {token}"), "-H", "x-purpose: a%20test"])
            .current_dir(station.path("."))
            .env("NO_COLOR", "1")
            .output()
            .unwrap_or_else(|e| panic!("{} ({e}): run `scripts/setup test`", st.display()));
        let told = text(&ran.stdout);
        assert!(ran.status.success(), "{role}:\n{told}{}\n{}", text(&ran.stderr), station.log());
        assert!(told.contains("Tested:"), "{told}");
        let har: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        let asked = asked(&har, &operations);
        assert!(n > 1 || asked.values().sum::<u64>() > 0, "{role} asked nothing");
        never.retain(|operation| !asked.contains_key(operation));
    }
    assert!(never.is_empty(), "these stand in the document, and none of these roles was let in: {never:?}");
    assert!(get("/healthz", &tokens[0].1).await["ok"] == true, "and it is well after all that");
}

#[tokio::test]
async fn a_change_asked_for_twice_is_made_once() {
    support::install_tls();
    let far = tempfile::tempdir().unwrap();
    let (mut station, tokens) = station(far.path());
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let token = &tokens[0].1;
    let clip = station.clips("091200.mp4").remove(0);
    let at = async |page: &str, key: &str, case: &str, token: &str| {
        let request = http.post(format!("{page}/api/v1/clips/{clip}/links")).bearer_auth(token);
        let request = request.header("idempotency-key", key).header("content-type", "application/json");
        let request = request.body(json!({ "case_no": case }).to_string());
        let answer = request.send().await.unwrap();
        let replayed = answer.headers().contains_key("idempotency-replayed");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), replayed, kind, answer.text().await.unwrap())
    };
    let count = |station: &Station| station.query("SELECT link_id FROM case_link WHERE clip_id = ?1", &[&clip]).len();
    let links = || count(&station);
    let before = links();
    let page = station.page();
    let link = async |key: &str, case: &str, token: &str| at(&page, key, case, token).await;
    let (first, again) =
        (link("\"k-1\"", "赵卫罚〔2026〕77号", token).await, link("k-1", "赵卫罚〔2026〕77号", token).await);
    assert_eq!((first.0, first.1, again.0, again.1), (201, false, 201, true), "{first:?} {again:?}");
    assert_eq!((&first.2, &first.3), (&again.2, &again.3));
    assert_eq!(links(), before + 1);
    let other = link("k-1", "赵卫罚〔2026〕78号", token).await;
    assert_eq!((other.0, other.2.as_str()), (422, "application/problem+json"), "{other:?}");
    // The same key of somebody else is another key; what is wrong stays wrong.
    assert_eq!(link("k-1", "赵卫罚〔2026〕77号", &tokens[3].1).await.0, 403);
    let (wrong, still) = (link("k-2", "", token).await, link("k-2", "", token).await);
    assert_eq!((wrong.0, still.0, still.1), (422, 422, true));
    assert_eq!(link(&"x".repeat(200), "赵卫罚〔2026〕79号", token).await.0, 422);
    assert_eq!(links(), before + 1);
    // Asked at the same time, it is made once: one answer, or word that the other is under way.
    let both = tokio::join!(link("k-3", "赵卫罚〔2026〕80号", token), link("k-3", "赵卫罚〔2026〕80号", token));
    for answer in [&both.0, &both.1] {
        assert!([201, 409].contains(&answer.0), "{answer:?}");
    }
    assert_eq!(links(), before + 2);
    // The power goes, and whoever lost the answer asks again.
    station.kill();
    station.start();
    let page = station.page();
    let again = at(&page, "k-1", "赵卫罚〔2026〕77号", token).await;
    assert_eq!((again.0, again.1, &again.3), (201, true, &first.3), "{again:?}");
    assert_eq!(at(&page, "k-1", "赵卫罚〔2026〕78号", token).await.0, 422);
    // Of a change whose answer was never kept nobody knows whether it was made: it is not made again, and that is said.
    station.stop();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    let lost = "UPDATE repeat SET state = 'under_way', status = NULL, body = NULL WHERE word = 'k-1'";
    assert_eq!(db.execute(lost, []).unwrap(), 1);
    drop(db);
    station.start();
    let unknown = at(&station.page(), "k-1", "赵卫罚〔2026〕77号", token).await;
    assert_eq!((unknown.0, unknown.1), (409, false), "{unknown:?}");
    assert!(unknown.3.contains("repeat_unknown"), "{unknown:?}");
    assert_eq!(count(&station), before + 2);
}

/// Events of a stream until one of `topic` comes; its id and what it carries.
fn until_event(reader: &mut impl BufRead, topic: &str) -> (String, Value) {
    let (mut name, mut id) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended");
        match line.trim_end().split_once(':') {
            Some(("event", value)) => name = value.trim().to_owned(),
            Some(("id", value)) => id = value.trim().to_owned(),
            Some(("data", value)) if name == topic => {
                // The id follows the data or comes before it; the empty line ends the event.
                let data = serde_json::from_str(value.trim()).unwrap();
                let mut rest = String::new();
                while reader.read_line(&mut rest).unwrap() > 1 {
                    if let Some(value) = rest.trim_end().strip_prefix("id:") {
                        id = value.trim().to_owned();
                    }
                    rest.clear();
                }
                return (id, data);
            }
            _ => {}
        }
    }
}

#[test]
fn what_changed_while_a_program_was_away_is_told_on_its_return() {
    let far = tempfile::tempdir().unwrap();
    let (mut station, tokens) = station(far.path());
    let listen = |page: &str, token: &str, last: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sN", "--max-time", "180", "-H", &format!("authorization: Bearer {token}")]);
        if !last.is_empty() {
            curl.args(["-H", &format!("last-event-id: {last}")]);
        }
        let mut child =
            curl.arg(format!("{page}/api/v1/changes")).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let reader = BufReader::new(child.stdout.take().unwrap());
        (child, reader)
    };
    let clip = station.clips("091200.mp4").remove(0);
    let page = station.page();
    let (mut child, mut reader) = listen(&page, &tokens[0].1, "");
    let (id, ready) = until_event(&mut reader, "ready");
    assert!(!id.is_empty() && ready["topic"] == "ready", "{ready}");
    child.kill().unwrap();
    child.wait().unwrap();
    station.json(["link", &clip, "赵卫罚〔2026〕81号"]);
    let (mut child, mut reader) = listen(&page, &tokens[0].1, &id);
    // Beside it whatever else was settled meanwhile; the stream ends, and with it this, where the link is not told.
    while until_event(&mut reader, "clip").1["clip"] != clip.as_str() {}
    child.kill().unwrap();
    child.wait().unwrap();
    // An officer's head hears that lists changed, not which clip.
    let (mut child, mut reader) = listen(&page, &tokens[1].1, &id);
    let (_, told) = until_event(&mut reader, "clips");
    assert!(told["clip"].is_null(), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
    // Another run does not know what was missed, and says so.
    station.stop();
    station.start();
    let (mut child, mut reader) = listen(&station.page(), &tokens[0].1, &id);
    until_event(&mut reader, "resync");
    child.kill().unwrap();
    child.wait().unwrap();
}
