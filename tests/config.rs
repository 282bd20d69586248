//! What an operator reads when the configuration is wrong, from the real binary: one message, exit code 2.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::path::Path;
use std::process::{Command, Output};

fn evidock(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evidock"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs")
}

/// Standard error and exit code of `config check` for a file with `text`, with the directory's name made constant.
fn told(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("evidock.toml"), text).unwrap();
    show(dir.path(), &evidock(dir.path(), &["--config", "evidock.toml", "config", "check"]))
}

fn show(dir: &Path, output: &Output) -> String {
    assert!(output.stdout.is_empty(), "nothing but the message: {}", String::from_utf8_lossy(&output.stdout));
    let code = output.status.code().expect("an exit code");
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    format!("{}exit code {code}", message.replace(&dir.display().to_string(), "DIR"))
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(told("[vault]\nreserv_gb = 5\n"));
}

#[test]
fn an_unknown_section() {
    insta::assert_snapshot!(told("[station]\n[destinations]\n"));
}

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(told("[upload]\nclips_in_flight = \"two\"\n"));
}

#[test]
fn a_bad_value() {
    insta::assert_snapshot!(told("[station]\nzone = \"Asia/Shangai\"\n"));
}

#[test]
fn no_toml_at_all() {
    insta::assert_snapshot!(told("[web]\nlisten = 127.0.0.1:8480\n"));
}

#[test]
fn a_file_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = evidock(dir.path(), &["--config", "evidock.toml", "config", "check"]);
    insta::assert_snapshot!(show(dir.path(), &output));
}

#[test]
fn a_secret_that_is_not_there() {
    let text = "[[destination]]\nname = \"cloud\"\nkind = \"s3\"\nendpoint = \"https://s3.example.org\"\nbucket = \"evidence\"\n\
                access_key_file = \"access\"\nsecret_key_file = \"secret\"\n";
    insta::assert_snapshot!(told(text));
}

#[test]
fn wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let output = evidock(dir.path(), &["confg"]);
    insta::assert_snapshot!(show(dir.path(), &output));
}

#[test]
fn failures_are_json_where_json_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let output = evidock(dir.path(), &["--json", "--config", "evidock.toml", "config", "show"]);
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["exit_code"], 2);
}

#[test]
fn the_embedded_defaults_are_right_and_can_be_shown_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let check = evidock(dir.path(), &["--config", "default", "config", "check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    let shown = evidock(dir.path(), &["--config", "default", "--state", "state", "config", "show"]);
    std::fs::write(dir.path().join("shown.toml"), &shown.stdout).unwrap();
    let again = evidock(dir.path(), &["--config", "shown.toml", "config", "show"]);
    let keys = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(keys(&shown.stdout), keys(&again.stdout));
    let state = std::fs::canonicalize(dir.path()).unwrap().join("state/vault");
    assert!(keys(&shown.stdout).contains(&format!("dir = \"{}\"", state.display())));

    let json = evidock(dir.path(), &["--config", "default", "config", "show", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["web"]["listen"], "127.0.0.1:8480");

    let printed = evidock(dir.path(), &["config", "print-default"]);
    assert_eq!(printed.stdout, std::fs::read("config/evidock.toml").unwrap());
}

#[test]
fn completions_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let script = evidock(dir.path(), &["completions", "bash"]);
    assert!(script.status.success());
    assert!(String::from_utf8(script.stdout).unwrap().contains("print-default"));
}
