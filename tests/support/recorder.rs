//! A recorder in the network for tests: footage, a real RTSP server that replays it (`recorder.py`), and a line to it that
//! is cut, held and opened again on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/recorder.py");
/// Of the footage, seconds.
pub const SECONDS: i64 = 12;
/// Pictures in it.
pub const PICTURES: usize = SECONDS as usize * 25;

/// Footage with sound, 25 pictures and one key frame a second, of a kind as `recorder.py` knows them; made once.
pub fn footage(kind: &str, seconds: i64) -> PathBuf {
    static MADE: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let name = format!("{kind}-{seconds}");
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = made.get(&name) {
        return path.clone();
    }
    let dir = DIR.get_or_init(|| tempfile::Builder::new().prefix("evidock-replay-").tempdir().unwrap());
    let path = dir.path().join(format!("{name}.mp4"));
    let status = Command::new("/usr/bin/python3")
        .arg(SCRIPT)
        .args(["--make", &seconds.to_string(), "--kind", kind])
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "footage is made; `scripts/setup test` installs what that needs");
    made.insert(name, path.clone());
    path
}

/// A server. Ends when it is dropped.
pub struct Recorder {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Recorder {
    /// Starts a server on a free port; its footage begins then, milliseconds since 1970.
    pub fn start(begin_ms: i64, args: &[&str]) -> Self {
        Self::of("h264-aac", SECONDS, begin_ms, args)
    }

    /// The same with footage of another kind, so many seconds of it.
    pub fn of(kind: &str, seconds: i64, begin_ms: i64, args: &[&str]) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "/usr/bin/python3", SCRIPT])
            .args(["--begin", &begin_ms.to_string()])
            .args(["--kind", kind])
            .args(args)
            .arg(footage(kind, seconds))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("setpriv (util-linux) and Debian's python3 run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").and_then(|p| p.parse().ok());
        let port = port.expect("the recorder runs; `scripts/setup test` installs what it needs");
        Self { child, port }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What happens on a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// After so many bytes from the server the connection is reset; each new one counts anew.
    pub cut_after: Option<u64>,
    /// After so many bytes from the server nothing passes until this is lifted.
    pub hold_after: Option<u64>,
    /// No more than so many bytes pass in a second.
    pub bytes_per_s: Option<u64>,
    /// Connections are cut, new ones are refused.
    pub closed: bool,
}

/// A line to a server. Ends when it is dropped.
pub struct Line {
    /// Where it listens.
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    rules: Mutex<Rules>,
    changed: Condvar,
    connections: AtomicU64,
    held: AtomicU64,
    over: std::sync::atomic::AtomicBool,
}

impl Line {
    /// Listens on a free port of 127.0.0.1 and passes on to a server there.
    pub fn to(port: u16, rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            rules: Mutex::new(rules),
            changed: Condvar::new(),
            connections: AtomicU64::new(0),
            held: AtomicU64::new(0),
            over: std::sync::atomic::AtomicBool::new(false),
        });
        let line = Self { port: own, inner: Arc::clone(&inner) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if inner.over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), false) = (client, inner.rules.lock().unwrap().closed) else { continue };
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                inner.connections.fetch_add(1, Ordering::SeqCst);
                let (mut up, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut up, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
                let inner = Arc::clone(&inner);
                std::thread::spawn(move || inner.down(server, client));
            }
        });
        line
    }

    /// Changes what happens.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.inner.rules.lock().unwrap());
        self.inner.changed.notify_all();
    }

    /// Connections that were passed on.
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::SeqCst)
    }

    /// Connections that were held.
    pub fn held(&self) -> u64 {
        self.inner.held.load(Ordering::SeqCst)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        self.set(|r| r.closed = true);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inner {
    fn down(&self, mut server: TcpStream, mut client: TcpStream) {
        server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (mut passed, mut counted) = (0u64, false);
        let mut buf = vec![0; 4096];
        loop {
            let mut rules = self.rules.lock().unwrap();
            while rules.hold_after.is_some_and(|n| passed >= n) && !rules.closed {
                if !counted {
                    counted = true;
                    self.held.fetch_add(1, Ordering::SeqCst);
                }
                rules = self.changed.wait(rules).unwrap();
            }
            if rules.closed || rules.cut_after.is_some_and(|n| passed >= n) {
                break;
            }
            let pause = rules.bytes_per_s.map(|rate| Duration::from_secs_f64(buf.len() as f64 / rate as f64));
            drop(rules);
            // The time that these bytes take on such a line.
            pause.into_iter().for_each(std::thread::sleep);
            match server.read(&mut buf) {
                Ok(0) => break,
                Ok(n) => {
                    passed += n as u64;
                    if client.write_all(&buf[..n]).is_err() {
                        break;
                    }
                }
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    }
}
