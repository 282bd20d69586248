//! The gatekeeper as a program: started as systemd starts it and by hand, asked over its socket. That it lets recorders
//! in is shown where there are recorders to let in (`scripts/test-vm`); here, that it answers and what it refuses.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use evidock::domain::error::chain;
use evidock::source::usb::device::PortPath;
use evidock::source::usb::hands::remote::Remote;
use evidock::source::usb::hands::{Hands, HandsError, Medium};
use evidock::source::usb::sysfs::{Address, DiskName};

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The name of the user who runs this, as the list of users has it.
fn me() -> String {
    let uid = std::fs::metadata("/proc/self").unwrap().uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mine = users.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    mine.split(':').next().unwrap().to_owned()
}

fn gatekeeper(dir: &Path, config: &str) -> Command {
    let file = dir.join("evidock.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evidock"));
    command.arg("--config").arg(file).args(["gatekeeper", "--notes"]).arg(dir.join("notes"));
    command.stderr(Stdio::piped());
    command
}

fn nowhere() -> Medium {
    Medium { name: DiskName::new("sdzzzz").unwrap(), seq: None }
}

#[track_caller]
fn answers(remote: &Remote) {
    // A disk that is not there: the answer has come all the way from the kernel's list of disks.
    let error = remote.open_disk_read_only(&nowhere()).unwrap_err();
    assert!(matches!(error, HandsError::Os { .. }), "{}", chain(&error));
    let port = PortPath::new("9-9").unwrap();
    match remote.authorise(&port, Address { bus: 9, device: 9 }, &[0]) {
        Err(HandsError::Refused(words)) => assert!(words.contains("9-9 is no bay"), "{words}"),
        other => panic!("{other:?}"),
    }
}

const BAYS: &str = "[[source.usb.bay]]\nname = '1'\nport = '1-1'\n";

#[test]
fn it_serves_the_socket_that_systemd_hands_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gatekeeper.sock");
    // As StandardInput=socket does: it listens before the program runs, so that the first caller waits and is not refused.
    let listener = UnixListener::bind(&path).unwrap();
    let remote = Remote::new(&path);
    let child = gatekeeper(dir.path(), BAYS).args(["--user", &me()]).stdin(OwnedFd::from(listener)).spawn().unwrap();
    let _running = Running(child);
    answers(&remote);
}

#[test]
fn it_listens_by_itself_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gatekeeper.sock");
    let _running =
        Running(gatekeeper(dir.path(), BAYS).args(["--user", &me(), "--listen"]).arg(&path).spawn().unwrap());
    let remote = Remote::new(&path);
    let port = PortPath::new("9-9").unwrap();
    while matches!(remote.deauthorise(&port), Err(HandsError::Unreachable { .. })) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    answers(&remote);
}

#[test]
fn what_keeps_it_from_starting_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let words = |output: Output| String::from_utf8(output.stderr).unwrap();
    let plain = gatekeeper(dir.path(), "").args(["--user", &me()]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(plain.status.code(), Some(1));
    assert!(words(plain).contains("start evidock-gatekeeper.socket"));
    let nobody = gatekeeper(dir.path(), "").args(["--user", "no-such-user"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(words(nobody).contains("systemd-sysusers"));
    let wrong = gatekeeper(dir.path(), "[source.usb]\nmode = 'maybe'\n").stdin(Stdio::null()).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(words(wrong).contains("must be one of auto, on, off"));
}

#[test]
fn protect_leaves_alone_what_is_no_disk_on_usb() {
    let dir = tempfile::tempdir().unwrap();
    for disk in ["../sda", "sda1", "nvme0n1", "sdzzzz"] {
        let output = gatekeeper(dir.path(), "").args(["protect", disk]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{disk}");
    }
}
