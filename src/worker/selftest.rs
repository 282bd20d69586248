//! A kind of worker that tries what the sandbox must forbid and misbehaves on request. Harmless: the daemon never
//! starts it for a job, it opens and creates nothing that it is not denied, and it parses no footage. Tests use it,
//! and so can a person who wants to know what the sandbox of this box is worth.

use std::fs::File;
use std::io::{self, Read};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::child;
use super::protocol::FrameError;
use super::sandbox::{self, Limits};

/// What it can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    /// Send the text back.
    Echo(String),
    /// Tell the length of the file that comes with the job.
    Length,
    /// Try everything forbidden; something listens at that port.
    Attempts {
        /// On the loopback address.
        tcp_port: u16,
    },
    /// Never answer.
    Hang,
    /// End without an answer.
    Abort,
    /// Panic inside the job.
    Panic,
    /// Take memory until it is refused; the number is the most that is tried, in MiB.
    Memory(u64),
    /// Write that many bytes to standard error, then answer.
    Chatter(usize),
}

/// Its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// For [`Ask::Echo`] and [`Ask::Chatter`].
    Text(String),
    /// For [`Ask::Length`]: bytes, `None` when no file came.
    Length(Option<u64>),
    /// For [`Ask::Attempts`].
    Attempts(Vec<Attempt>),
    /// For [`Ask::Memory`]: MiB that were granted.
    Granted(u64),
}

/// One forbidden thing and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Stable word.
    pub what: String,
    /// The error's number, `None` when it succeeded (which is what must not be).
    pub errno: Option<i32>,
}

/// Limits small enough to be met in a test.
pub const LIMITS: Limits = Limits { address_space_bytes: 512 << 20, cpu_seconds: 60, open_files: 64 };

/// Runs the loop until the daemon hangs up.
pub fn run() -> Result<(), FrameError> {
    let measures = sandbox::lock_down(&LIMITS, sandbox::SYSTEM_READ_PATHS);
    child::serve(measures, |ask: Ask, file: Option<File>| (answer(ask, file), Vec::new()))
}

fn answer(ask: Ask, file: Option<File>) -> Told {
    match ask {
        Ask::Echo(text) => Told::Text(text),
        Ask::Length => Told::Length(file.and_then(|mut f| f.read_to_end(&mut Vec::new()).ok()).map(|n| n as u64)),
        Ask::Attempts { tcp_port } => Told::Attempts(attempts(tcp_port)),
        Ask::Hang => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Ask::Abort => std::process::abort(),
        #[allow(clippy::panic)] // What it is for.
        Ask::Panic => panic!("as asked"),
        Ask::Memory(most_mib) => Told::Granted(memory(most_mib)),
        Ask::Chatter(bytes) => {
            let line = "chatter ".repeat(10);
            for _ in 0..bytes / line.len() {
                let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
            }
            Told::Text("done".to_owned())
        }
    }
}

fn memory(most_mib: u64) -> u64 {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for granted in 0..most_mib {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return granted;
        }
        block.resize(1 << 20, 1);
        kept.push(block);
    }
    most_mib
}

fn attempts(tcp_port: u16) -> Vec<Attempt> {
    // A name that no system has, so that nothing is harmed where a measure is missing.
    let nowhere = "/tmp/.evidock-selftest-must-not-exist";
    let tries: [(&str, io::Result<()>); 10] = [
        ("tcp_socket", TcpStream::connect(("127.0.0.1", tcp_port)).map(drop)),
        ("udp_socket", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("unix_socket", UnixStream::connect("/run/systemd/journal/stdout").map(drop)),
        ("read_secret", File::open("/etc/shadow").map(drop)),
        ("read_home", std::fs::read_dir("/root").map(drop)),
        ("create_file", File::create(nowhere).map(drop)),
        ("write_file", File::options().write(true).open("/dev/null").map(drop)),
        ("make_directory", std::fs::create_dir(nowhere)),
        ("run_program", Command::new("/bin/true").status().map(drop)),
        (
            "signal_daemon",
            rustix::process::getppid()
                .ok_or(rustix::io::Errno::SRCH)
                .and_then(rustix::process::test_kill_process)
                .map_err(io::Error::from),
        ),
    ];
    tries
        .into_iter()
        .map(|(what, result)| Attempt {
            what: what.to_owned(),
            errno: result.err().map(|e| e.raw_os_error().unwrap_or(-1)),
        })
        .collect()
}
