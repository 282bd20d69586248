//! Figures and alerts as those who watch many stations use them: a real Prometheus scrapes a real station, and the rules
//! and the dashboard that come with evidock know every figure by its right name.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::guarded::{Guarded, free_ports};
use support::station::{Station, dsj, folder};
use support::{footage, until};

fn ours(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn tool(name: &str) -> PathBuf {
    ours(".tools/servers/usr/bin").join(name)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(ours(path)).unwrap()
}

#[test]
fn each_alert_comes_when_it_should_and_only_then() {
    for (verb, file) in [("check", "config/monitoring/evidock.rules.yml"), ("test", "tests/monitoring/rules.test.yml")]
    {
        let ran = Command::new(tool("promtool")).args([verb, "rules"]).arg(ours(file)).output().unwrap();
        assert!(
            ran.status.success(),
            "{verb}: {}{}",
            support::station::text(&ran.stdout),
            support::station::text(&ran.stderr)
        );
    }
}

#[test]
fn every_figure_is_fed_by_somebody() {
    let source = read("src/runtime/metrics.rs");
    let setters: Vec<&str> = source
        .split("    pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split_once("(&self, "))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    let mut elsewhere = String::new();
    for file in support::station::files_below(&ours("src")) {
        if file.extension().is_some_and(|e| e == "rs") && !file.ends_with("runtime/metrics.rs") {
            elsewhere += &std::fs::read_to_string(file).unwrap();
        }
    }
    let elsewhere: String = elsewhere.split_whitespace().collect();
    assert!(setters.len() > 12, "{setters:?}");
    let dead: Vec<_> = setters.iter().filter(|name| !elsewhere.contains(&format!("metrics.{name}("))).collect();
    assert!(dead.is_empty(), "nobody feeds {dead:?}: a figure that is always zero misleads");
}

#[test]
fn what_alerts_tell_people_to_type_is_there() {
    let rules = read("config/monitoring/evidock.rules.yml");
    let typed: Vec<&str> = rules.split('`').skip(1).step_by(2).filter(|t| t.starts_with("evidock ")).collect();
    assert!(typed.len() > 8, "{typed:?}");
    for command in typed {
        let verbs = command.split(' ').skip(1).take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let ran = Command::new(env!("CARGO_BIN_EXE_evidock")).args(verbs).arg("--help").output().unwrap();
        assert!(ran.status.success(), "{command}: {}", support::station::text(&ran.stderr));
    }
}

/// Every word of a text that names a figure of ours.
fn figures(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|w| w.starts_with("evidock_") || w.starts_with("process_")).map(str::to_owned).collect()
}

/// Every expression of the dashboard, its variables filled in.
fn expressions(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            if let Some(expr) = fields.get("expr").and_then(Value::as_str) {
                found.push(expr.replace("$job", "evidock").replace("$instance", ".*"));
            }
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn prometheus_reads_a_station_and_its_rules_and_its_dashboard() {
    let far = tempfile::tempdir().unwrap();
    let mut station = Station::running(&folder("far", far.path().to_str().unwrap()));
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), footage(300_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    let page = station.page();

    support::install_tls();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // Figures are gathered every few seconds.
    let mut text = String::new();
    until("the figures tell of the file", async || {
        text = http.get(format!("{page}/metrics")).send().await.unwrap().text().await.unwrap();
        text.contains("evidock_intake_files_total{outcome=\"sealed\"} 1")
            && !text.contains("evidock_checkpoint_timestamp_seconds 0")
    })
    .await;
    let mut told = BTreeSet::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        told.insert(match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        });
    }
    let dashboard: Value = serde_json::from_str(&read("config/monitoring/grafana.json")).unwrap();
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    let used = figures(&(read("config/monitoring/evidock.rules.yml") + &asked.join("\n")));
    // What has no label yet is not told yet: those go by their names in the source, whose units are checked elsewhere.
    let registered = figures(&read("src/runtime/metrics.rs"));
    let endings = ["", "_total", "_bytes", "_bytes_total", "_seconds"];
    let is_known = |name: &&String| {
        told.contains(*name)
            || registered
                .iter()
                .any(|r| !told.iter().any(|t| t.starts_with(r)) && endings.iter().any(|e| format!("{r}{e}") == **name))
    };
    let unknown: Vec<_> = used.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty() && used.len() > 15, "no station tells {unknown:?}, it tells {told:?}");
    for (figure, least) in [
        ("evidock_intake_bytes_total", 300_000.0),
        ("evidock_intake_files_total{outcome=\"sealed\"}", 1.0),
        ("evidock_checkpoint_timestamp_seconds", 1_700_000_000.0),
        ("evidock_log_events", 3.0),
    ] {
        let value = text.lines().find_map(|l| l.strip_prefix(figure)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value >= least), "{figure}: {value:?}\n{text}");
    }

    let [port] = free_ports::<1>();
    let mut prometheus = Guarded::new("prometheus");
    let dir = prometheus.dir().to_owned();
    // A second one as docs/monitoring.md has it: with accounts, over TLS, by a certificate that the station made itself.
    let shut = Station::running("=listen = \"0.0.0.0:0\"\n");
    shut.json(["user", "first", "boss"]);
    let words = ["token", "add", "prometheus", "--role", "system_administrator", "--scope", "read_metrics"];
    let token = shut.json(words)["token"].as_str().unwrap().to_owned();
    let pem = std::fs::read_to_string(shut.path("state/page.pem")).unwrap();
    let (certificate, end) = (pem.find("-----BEGIN CERTIFICATE").unwrap(), "-----END CERTIFICATE-----\n");
    let ca = &pem[certificate..pem.find(end).unwrap() + end.len()];
    std::fs::write(dir.join("ca.pem"), ca).unwrap();
    std::fs::write(dir.join("token"), token).unwrap();
    let guarded = |job: &str, more: &str| {
        format!(
            "- job_name: {job}\n  scheme: https\n  static_configs: [{{targets: ['{}']}}]\n{more}",
            shut.page().strip_prefix("https://").unwrap().replace("0.0.0.0", "localhost")
        )
    };
    let trust = format!("  tls_config: {{ca_file: '{}'}}\n", dir.join("ca.pem").display());
    let named = format!("  authorization: {{credentials_file: '{}'}}\n", dir.join("token").display());
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n- job_name: evidock\n  static_configs: [{{targets: ['{}']}}]\n{}{}{}",
        ours("config/monitoring/evidock.rules.yml").display(),
        page.strip_prefix("http://").unwrap(),
        guarded("shut", &format!("{trust}{named}")),
        guarded("nameless", &trust),
        guarded("trustless", &named),
    );
    std::fs::write(dir.join("prometheus.yml"), config).unwrap();
    prometheus
        .command(&tool("prometheus"))
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    prometheus.start();
    let ask = async |path: &str, query: &[(&str, &str)]| -> Value {
        let at = format!("http://127.0.0.1:{port}/api/v1/{path}");
        match http.get(reqwest::Url::parse_with_params(&at, query).unwrap()).send().await {
            Ok(answer) => serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or_default(),
            Err(_) => Value::Null,
        }
    };
    until("it has read the station", async || {
        let up = ask("query", &[("query", "up{job=\"evidock\"} == 1")]).await;
        up["data"]["result"].as_array().is_some_and(|found| !found.is_empty())
    })
    .await;
    until("it has read the one that asks who it is", async || {
        let up =
            ask("query", &[("query", "up{job=\"shut\"} == 1 and on () evidock_log_events{job=\"shut\"} > 0")]).await;
        up["data"]["result"].as_array().is_some_and(|found| !found.is_empty())
    })
    .await;
    // Without the token, or without the certificate, it reads nothing; by now each was tried.
    until("it was turned away", async || {
        let up = ask("query", &[("query", "up{job=~\"nameless|trustless\"}")]).await;
        let found = up["data"]["result"].as_array().cloned().unwrap_or_default();
        assert!(found.iter().all(|one| one["value"][1] == "0"), "{up}");
        found.len() == 2
    })
    .await;
    // After a scrape that took too long there is nothing to tell until the next one.
    until("it tells what is proven", async || {
        let proven = ask("query", &[("query", "evidock_proven_clips_total{destination=\"far\"}")]).await;
        proven["data"]["result"][0]["value"][1] == "1"
    })
    .await;
    for expr in &asked {
        let answer = ask("query", &[("query", expr)]).await;
        assert_eq!(answer["status"], "success", "{expr}: {answer}");
    }
    until("it has gone through all rules", async || {
        let rules = ask("rules", &[]).await;
        let Some(rules) = rules["data"]["groups"][0]["rules"].as_array().cloned() else { return false };
        assert!(rules.iter().all(|r| r["health"] != "err"), "{rules:#?}");
        rules.len() > 10 && rules.iter().all(|r| r["health"] == "ok")
    })
    .await;
    let firing = ask("query", &[("query", "ALERTS{alertstate=\"firing\"}")]).await;
    assert_eq!(firing["data"]["result"].as_array().unwrap().len(), 0, "a station that is well: {firing}");
}
