//! What an operator reads and what a script gets from the real binary: help, refusals, exit codes. No daemon runs,
//! but where a test says so.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

const NOBODY: &str = "019aa2c4-7f00-7abc-8def-0123456789ab";

/// A station in a directory of its own; the page takes whatever port is free.
struct Station {
    dir: tempfile::TempDir,
}

impl Station {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
        // The disk of a build machine may be nearly full, which doctor would tell.
        let config = "[station]\nstate_dir = \".\"\n[vault]\nreserve_gb = 1\n[web]\nlisten = \"127.0.0.1:0\"\n";
        fs::write(dir.path().join("evidock.toml"), config).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evidock"));
        // A path for timedatectl and nothing else of the environment: language and width must not change a snapshot.
        command.args(args).arg("--config").arg(self.path("evidock.toml"));
        command.current_dir(self.dir.path()).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }

    fn ask(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> (i32, serde_json::Value) {
        let output = self.ask(&[args, &["--json"]].concat());
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        (output.status.code().unwrap(), answer)
    }

    /// Standard output, standard error and exit code, with the directory's name made constant.
    fn told(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&self.dir.path().display().to_string(), "DIR");
        let code = output.status.code().expect("an exit code");
        format!("{}{}exit code {code}", text(output.stdout), text(output.stderr))
    }

    /// A running daemon that answers.
    fn start(&self) -> Daemon {
        let log = fs::File::create(self.path("log")).unwrap();
        let child = self.command(&["run"]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut daemon = Daemon(child);
        wait("the daemon answers", || {
            if let Some(status) = daemon.0.try_wait().unwrap() {
                panic!("the daemon ended ({status}): {}", fs::read_to_string(self.path("log")).unwrap());
            }
            self.ask(&["status", "--json"]).status.success()
        });
        daemon
    }

    /// Asks the running daemon for a checkpoint and waits until the destination has it.
    fn anchor(&self) {
        assert!(self.ask(&["checkpoint"]).status.success());
        wait("the checkpoint is anchored", || self.json(&["status"]).1["outbox"] == 0);
    }
}

struct Daemon(Child);

impl Daemon {
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success(), "the daemon stops in good order");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..1800 {
        if ready() {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("{what} within three minutes");
}

fn copy_database(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (format!("{}{end}", from.display()), format!("{}{end}", to.display()));
        let _ = fs::remove_file(&to);
        if Path::new(&from).exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn help() {
    insta::assert_snapshot!(Station::new().told(&["--help"]));
}

#[test]
fn help_of_a_verb() {
    insta::assert_snapshot!(Station::new().told(&["find", "--help"]));
}

#[test]
fn no_daemon() {
    let station = Station::new();
    insta::assert_snapshot!(station.told(&["link", NOBODY, "赵卫罚〔2026〕12号"]));
    for verb in [
        vec!["unlink", NOBODY, "赵卫罚〔2026〕12号", "--reason", "x"],
        vec!["annotate", NOBODY, "place=x"],
        vec!["retry"],
        vec!["checkpoint"],
    ] {
        assert_eq!(station.ask(&verb).status.code(), Some(5), "{verb:?}");
    }
}

#[test]
fn failures_are_objects_with_json() {
    let output = Station::new().ask(&["checkpoint", "--json"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(output.stdout.is_empty() && error["error"].as_str().unwrap().contains("evidock run"), "{error}");
    assert_eq!((output.status.code(), &error["exit_code"]), (Some(5), &serde_json::json!(5)));
}

#[test]
fn a_number_that_is_no_case_number() {
    insta::assert_snapshot!(Station::new().told(&["find", "--case", "赵卫罚2026年12号"]));
}

#[test]
fn a_fact_of_an_unknown_field() {
    insta::assert_snapshot!(Station::new().told(&["annotate", NOBODY, "plase=东关街"]));
}

#[test]
fn a_destination_that_is_not_configured() {
    insta::assert_snapshot!(Station::new().told(&["find", "--case", "赵卫罚〔2026〕12号", "--from", "cloud"]));
}

#[test]
fn a_station_that_never_ran() {
    let station = Station::new();
    for verb in [vec!["status"], vec!["show", NOBODY], vec!["log", "verify"], vec!["verify", "--all"]] {
        assert_eq!(station.ask(&verb).status.code(), Some(3), "{verb:?}");
    }
    insta::assert_snapshot!(station.told(&["show", NOBODY]));
    // Looking makes nothing.
    assert_eq!(fs::read_dir(station.dir.path()).unwrap().count(), 1);
}

#[test]
fn what_a_running_station_does_not_know() {
    let station = Station::new();
    let daemon = station.start();
    insta::assert_snapshot!(station.told(&["show", NOBODY]));
    insta::assert_snapshot!(station.told(&["show", "clip-7"]));
    insta::assert_snapshot!(station.told(&["find", "--case", "赵卫罚〔2026〕12号"]));
    insta::assert_snapshot!(station.told(&["link", NOBODY, "赵卫罚〔2026〕12号"]));
    daemon.stop();
}

#[test]
fn doctor_tells_a_key_that_others_can_read_and_a_lost_one() {
    let station = Station::new();
    station.start().stop();
    let findings = |level: &str| {
        let (code, answer) = station.json(&["doctor"]);
        let found: Vec<String> = answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["level"] == level && f["part"] == "log key")
            .map(|f| format!("{} {}", f["words"].as_str().unwrap(), f["todo"].as_str().unwrap()))
            .collect();
        (code, found.join("\n"))
    };
    assert_eq!(findings("problem"), (0, String::new()), "all is well");
    let key = station.path("log.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, found) = findings("problem");
    assert!(code == 1 && found.contains("chmod 600"), "{code} {found}");
    fs::remove_file(&key).unwrap();
    let (code, found) = findings("problem");
    assert!(code == 1 && found.contains("restore the key from the backup"), "{code} {found}");
}

#[test]
fn doctor_speaks_the_language_of_whoever_asks() {
    let station = Station::new();
    station.start().stop();
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    // As many things wrong as one box can have without its services.
    fs::remove_file(station.path("log.key")).unwrap();
    fs::write(station.path("tls.pem"), "no certificate").unwrap();
    fs::set_permissions(station.dir.path(), fs::Permissions::from_mode(0o757)).unwrap();
    let stray = station.path("vault/clips/2026/11/21").join(NOBODY);
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "footage").unwrap();
    let config = fs::read_to_string(station.path("evidock.toml")).unwrap();
    let config = config
        + "tls_certificate = \"tls.pem\"\ntls_key = \"gone.key\"\n[custody]\nsm2 = true\n"
        + "[[destination]]\nname = \"here\"\nkind = \"folder\"\ndir = \"copies\"\n"
        + "[[stream]]\nname = \"room-1\"\nroom = \"1\"\nurl = \"rtsp://127.0.0.1:1/\"\n";
    fs::write(station.path("evidock.toml"), config).unwrap();
    let told = |lang: &str| {
        let output = station.ask(&["doctor", "--lang", lang]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.lines().count() > 25, "{told}{}", String::from_utf8_lossy(&output.stderr));
        told
    };
    let (zh, en) = (told("zh"), told("en"));
    let findings = zh.lines().rev().skip(1);
    for line in findings {
        // Behind how bad it is and what was looked at.
        let text: String = match line.trim_start().strip_prefix('→') {
            Some(todo) => todo.to_owned(),
            None => line.split_whitespace().skip(2).collect(),
        };
        assert!(text.chars().any(is_han), "English alone: {line}");
    }
    assert!(!en.chars().any(is_han), "{en}");
    assert_eq!(zh.lines().count(), en.lines().count());
    // What programs read has one language.
    assert!(!station.ask(&["doctor", "--lang", "zh", "--json"]).stdout.iter().any(|b| *b > 0x7f));
}

#[test]
fn doctor_reports_strays_and_leaves_them() {
    let station = Station::new();
    station.start().stop();
    let stray = station.path("vault/clips/2026/11/21").join(NOBODY);
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "footage").unwrap();
    let (code, answer) = station.json(&["doctor"]);
    let told = answer["findings"].as_array().unwrap().iter().any(|f| f["words"].as_str().unwrap().contains(NOBODY));
    assert!(told && code == 0, "{answer:#}");
    assert_eq!(fs::read(&stray).unwrap(), b"footage");
}

#[test]
fn an_older_database_put_back_is_noticed() {
    let station = Station::new();
    let (now, old) = (station.path("evidock.db"), station.path("old.db"));
    let daemon = station.start();
    station.anchor();
    daemon.stop();
    copy_database(&now, &old);
    let daemon = station.start();
    station.ask(&["find", "--case", "赵卫罚〔2026〕12号"]);
    station.anchor();
    daemon.stop();

    let (code, report) = station.json(&["log", "verify"]);
    assert_eq!((code, &report["intact"]), (0, &serde_json::json!(true)), "{report:#}");
    assert_eq!(report["warnings"], serde_json::json!([]), "the destination was asked");
    // It stands on the station's own disk: whoever has that changes both.
    assert_eq!(report["anchored_size"], 0, "{report:#}");
    assert!(report["holders"].to_string().contains("on this box's own disk"), "{report:#}");

    copy_database(&old, &now);
    let (code, report) = station.json(&["log", "verify"]);
    assert_eq!(code, 4, "{report:#}");
    assert!(report["problems"]["counts"]["rolled_back"].as_u64() > Some(0), "{report:#}");

    // A daemon that goes on with it says so by itself, and the log stays broken.
    let daemon = station.start();
    wait("the daemon notices", || {
        let log = fs::read_to_string(station.path("log")).unwrap();
        log.contains("log_rolled_back") || log.contains("log_forked")
    });
    station.ask(&["checkpoint"]);
    daemon.stop();
    assert_eq!(station.ask(&["log", "verify"]).status.code(), Some(4));
}

#[test]
fn a_destination_that_is_away_is_a_warning() {
    let station = Station::new();
    let daemon = station.start();
    station.anchor();
    daemon.stop();
    fs::rename(station.path("cloud"), station.path("unplugged")).unwrap();
    let (code, report) = station.json(&["log", "verify"]);
    assert_eq!((code, &report["intact"]), (0, &serde_json::json!(true)), "{report:#}");
    assert!(report["warnings"][0].as_str().unwrap().contains("local-cloud"), "{report:#}");
}
