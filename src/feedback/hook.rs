//! The hook: one program run for each event, bounded in number, time and memory. [`Lanes`] decides what runs next;
//! [`run`] runs it. Never a shell, nothing of ours in its environment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::told::Told;
use crate::config::Hook;
use crate::domain::ids::StationId;
use crate::domain::time::UtcMs;

/// Programs that run at the same time, each of another lane.
const AT_ONCE: usize = 4;
/// Of what a program prints so much is kept, to have its last line.
const KEPT_BYTES: usize = 1024;

/// Events that wait, in lanes: one event of a lane at a time, in order; of different lanes some at once.
#[derive(Debug)]
pub struct Lanes {
    most: usize,
    waiting: VecDeque<Waiting>,
    running: BTreeSet<String>,
    dropped: BTreeMap<&'static str, u64>,
}

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When.
    pub at: UtcMs,
    /// What.
    pub told: Told,
}

impl Lanes {
    /// At most `most` events wait.
    pub fn new(most: usize) -> Self {
        Self { most, waiting: VecDeque::new(), running: BTreeSet::new(), dropped: BTreeMap::new() }
    }

    /// Puts an event at the end of its lane. Where too many wait, the oldest one gives way: what is so now matters more.
    pub fn push(&mut self, event: Waiting) {
        self.waiting.push_back(event);
        while self.waiting.len() > self.most {
            if let Some(oldest) = self.waiting.pop_front() {
                *self.dropped.entry(oldest.told.event).or_default() += 1;
            }
        }
    }

    /// The next event whose lane is free; its lane is taken until [`Lanes::done`].
    pub fn take_next(&mut self) -> Option<Waiting> {
        if self.running.len() >= AT_ONCE {
            return None;
        }
        let at = self.waiting.iter().position(|w| !self.running.contains(&w.told.lane()))?;
        let next = self.waiting.remove(at)?;
        self.running.insert(next.told.lane());
        Some(next)
    }

    /// The program for an event of this lane ended.
    pub fn done(&mut self, lane: &str) {
        self.running.remove(lane);
    }

    /// How many of each event were dropped since this was asked last.
    pub fn take_dropped(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.dropped)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With code 0; its last line.
    Done(String),
    /// Otherwise, in words, with its last line.
    Failed(String),
}

/// The document on standard input.
#[derive(Serialize)]
struct Document<'a> {
    station: &'a str,
    at: String,
    #[serde(flatten)]
    told: &'a Told,
}

/// Runs the program for one event and waits until it, and whatever it left running on its output, is gone; at the time
/// limit all of it is killed.
pub async fn run(hook: &Hook, station: &StationId, event: &Waiting) -> Outcome {
    let Some((program, arguments)) = hook.command.split_first() else { return Outcome::Done(String::new()) };
    let document = Document { station: station.as_str(), at: event.at.rfc3339(), told: &event.told };
    let Ok(document) = serde_json::to_vec(&document) else { return Outcome::Failed("no document".to_owned()) };
    let spawned = Command::new(program)
        .args(arguments)
        .arg(event.told.event)
        .env_clear()
        .env("PATH", OsString::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => return Outcome::Failed(format!("it cannot be started: {e}")),
    };
    let _group = Group(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is none the worse for it.
            let _ = stdin.write_all(&document).await;
            let _ = stdin.write_all(b"\n").await;
        }
    };
    let whole = async { tokio::join!(feeding, last_bytes(stdout), last_bytes(stderr), child.wait()) };
    match tokio::time::timeout(hook.timeout, whole).await {
        Err(_elapsed) => Outcome::Failed(format!("it took longer than {} s and was ended", hook.timeout.as_secs())),
        Ok((_, out, err, status)) => {
            let said = last_line(if err.is_empty() { &out } else { &err });
            match status {
                Ok(status) if status.success() => Outcome::Done(said),
                Ok(status) if said.is_empty() => Outcome::Failed(status.to_string()),
                Ok(status) => Outcome::Failed(format!("{status}: {said}")),
                Err(e) => Outcome::Failed(e.to_string()),
            }
        }
    }
}

/// Kills a process group when dropped, however the run ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            // Usually nothing of it is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Reads to the end and keeps the end alone.
async fn last_bytes(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut buf) = (Vec::new(), vec![0; 4096]);
    if let Some(mut from) = from {
        while let Ok(n @ 1..) = from.read(&mut buf).await {
            kept.extend_from_slice(&buf[..n]);
            kept.drain(..kept.len().saturating_sub(KEPT_BYTES));
        }
    }
    kept
}

/// The last line that says something, harmless and short.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn event(event: &'static str, bay: &str) -> Waiting {
        Waiting { at: UtcMs(0), told: Told { event, bay: Some(bay.to_owned()), ..Told::default() } }
    }

    #[test]
    fn bays_do_not_wait_for_each_other_and_each_keeps_its_order() {
        let mut lanes = Lanes::new(10);
        for (name, bay) in
            [("docked", "1"), ("safe", "1"), ("docked", "2"), ("docked", "3"), ("docked", "4"), ("docked", "5")]
        {
            lanes.push(event(name, bay));
        }
        let bays: Vec<_> =
            std::iter::from_fn(|| lanes.take_next()).map(|w| (w.told.event, w.told.bay.unwrap())).collect();
        let wanted = [("docked", "1"), ("docked", "2"), ("docked", "3"), ("docked", "4")];
        assert_eq!(bays, wanted.map(|(event, bay)| (event, bay.to_owned())), "at most four at once");
        lanes.done("bay 2");
        assert_eq!(lanes.take_next(), Some(event("docked", "5")), "bay 1 still runs");
        assert_eq!(lanes.take_next(), None);
        lanes.done("bay 1");
        assert_eq!(lanes.take_next(), Some(event("safe", "1")));
    }

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        let mut lanes = Lanes::new(2);
        for name in ["docked", "stuck", "stuck", "safe"] {
            lanes.push(event(name, "1"));
        }
        assert_eq!(lanes.take_dropped().into_iter().collect::<Vec<_>>(), [("docked", 1), ("stuck", 1)]);
        assert!(lanes.take_dropped().is_empty());
        assert_eq!(lanes.take_next(), Some(event("stuck", "1")));
    }

    fn script(dir: &Path, text: &str) -> Hook {
        let path = dir.join("hook");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let command = vec![path.display().to_string(), "a b;c".to_owned()];
        Hook { command, timeout: Duration::from_secs(20), queue: 1 }
    }

    async fn outcome(hook: &Hook) -> Outcome {
        run(hook, &StationId::new("s-1").unwrap(), &event("safe", "3")).await
    }

    #[tokio::test]
    async fn a_program_gets_the_name_and_the_document_and_its_last_line_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let hook = script(dir.path(), "cat; printf '%s|' \"$@\" \"$HOME\" \"$CARGO\"; echo; echo");
        let document = r#"{"station":"s-1","at":"1970-01-01T00:00:00+00:00","event":"safe","bay":"3"}"#;
        assert_eq!(outcome(&hook).await, Outcome::Done("a b;c|safe|||".to_owned()));
        let hook = script(dir.path(), "cat");
        assert_eq!(outcome(&hook).await, Outcome::Done(document.to_owned()));
        let hook = script(dir.path(), "echo no; echo 'no siren' >&2; exit 3");
        assert_eq!(outcome(&hook).await, Outcome::Failed("exit status: 3: no siren".to_owned()));
        let hook = script(dir.path(), "yes | head -c 3000000; printf '\\033[31mred'");
        assert_eq!(outcome(&hook).await, Outcome::Done("\u{fffd}[31mred".to_owned()));
        let nowhere = Hook { command: vec!["/nowhere/hook".to_owned()], ..hook };
        assert!(matches!(outcome(&nowhere).await, Outcome::Failed(why) if why.contains("cannot be started")));
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let (pid, alive) = (dir.path().join("pid"), |pid: &str| Path::new(&format!("/proc/{pid}")).exists());
        let mut hook =
            script(dir.path(), &format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pid.display()));
        hook.timeout = Duration::from_secs(1);
        assert!(matches!(outcome(&hook).await, Outcome::Failed(why) if why.contains("longer than 1 s")));
        let pid = std::fs::read_to_string(&pid).unwrap();
        while alive(pid.trim())
            && !std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default().contains(") Z")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
