//! Cameras for tests: a real RTSP server as a child (`camera.py`), and a line to it that fails on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server with one camera for each kind. Ends when it is dropped.
pub struct Cameras {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Cameras {
    /// Starts a server on a free port; `kinds` as `camera.py` knows them, options before them.
    pub fn start(args: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/camera.py");
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "/usr/bin/python3", script])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("setpriv (util-linux) and Debian's python3 run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").and_then(|p| p.parse().ok());
        let port = port.expect("the cameras run; `scripts/setup test` installs what they need");
        Self { child, port }
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is to go wrong on a line.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// RTP packets of the first stream are taken and never given on.
    pub swallow: bool,
    /// The camera's clock in its sender reports is this much later, seconds.
    pub clock_s: i64,
    /// Nothing passes any more, and the connection stands.
    pub hold: bool,
    /// Connections are cut, new ones are refused.
    pub cut: bool,
    /// Of datagrams of the first stream so many in a thousand never arrive.
    pub lose_per_mille: u32,
}

/// What passed on one connection, of the first stream (the picture).
#[derive(Debug, Clone, Default)]
pub struct Passed {
    /// RTP time of the first packet of a key frame.
    pub first_key: Option<u32>,
    /// When that passed, by the clock on the wall.
    pub first_key_ms: Option<i64>,
    /// RTP time of the last packet that was given on.
    pub last: Option<u32>,
    /// When that passed.
    pub last_ms: Option<i64>,
    /// Sequence number of the last packet that was given on.
    pub last_seq: Option<u16>,
    /// Sequence numbers and RTP times of what was not given on, in order.
    pub dropped: Vec<(u16, u32)>,
    /// Pairs of RTP times: the last packet before and the first one after a swallowing.
    pub holes: Vec<(u32, u32)>,
    /// Sender reports that passed.
    pub reports: u32,
}

/// A line to a camera. Ends when it is dropped.
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    server: SocketAddr,
    /// Our own port as it stands in addresses, and the server's: to the server, another port is another camera.
    ports: (String, String),
    rules: Mutex<Rules>,
    passed: Mutex<Vec<Passed>>,
    over: AtomicBool,
}

impl Relay {
    /// Listens on a free port of 127.0.0.1 and passes on to a server there.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            ports: (format!(":{own}/"), format!(":{port}/")),
            rules: Mutex::default(),
            passed: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let relay = Self { port: own, inner: Arc::clone(&inner) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if inner.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(inner.server) else { continue };
                if inner.rules.lock().unwrap().cut {
                    continue;
                }
                let n = {
                    let mut passed = inner.passed.lock().unwrap();
                    passed.push(Passed::default());
                    passed.len() - 1
                };
                let (up, down) = (Arc::clone(&inner), Arc::clone(&inner));
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || up.up(client2, server2, n));
                std::thread::spawn(move || down.down(server, client, n));
            }
        });
        relay
    }

    /// Changes what goes wrong.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.inner.rules.lock().unwrap());
    }

    /// What passed, connection by connection.
    pub fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        self.inner.rules.lock().unwrap().cut = true;
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One piece of an RTSP connection: a message, or what is interleaved with them (RFC 2326, 10.12).
enum Piece {
    Message(String, Vec<u8>),
    Packet(u8, Vec<u8>),
}

fn piece(from: &mut impl BufRead) -> std::io::Result<Piece> {
    let first = from.fill_buf()?.first().copied().ok_or(std::io::ErrorKind::UnexpectedEof)?;
    if first == b'$' {
        let mut head = [0; 4];
        from.read_exact(&mut head)?;
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        from.read_exact(&mut packet)?;
        return Ok(Piece::Packet(head[1], packet));
    }
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if from.read_line(&mut text)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = text.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body)?;
    Ok(Piece::Message(text, body))
}

impl Inner {
    /// Waits while the line is held; `false` when it is cut.
    fn open(&self) -> bool {
        loop {
            let rules = self.rules.lock().unwrap().clone();
            if rules.cut {
                return false;
            }
            if !rules.hold {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn up(self: &Arc<Self>, client: TcpStream, mut server: TcpStream, n: usize) {
        let _ = client.set_read_timeout(Some(Duration::from_millis(20)));
        let mut from = BufReader::new(Patient { stream: client.try_clone().unwrap(), inner: Arc::clone(self) });
        let mut first_setup = true;
        while let Ok(piece) = piece(&mut from) {
            if !self.open() {
                break;
            }
            let sent = match piece {
                Piece::Packet(channel, packet) => interleave(&mut server, channel, &packet),
                Piece::Message(text, body) => {
                    let mut text = text.replace(&self.ports.0, &self.ports.1);
                    if text.starts_with("SETUP") && text.contains("client_port=") {
                        text = self.datagrams(&text, n, std::mem::take(&mut first_setup));
                    }
                    server.write_all(text.as_bytes()).and_then(|()| server.write_all(&body))
                }
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    }

    fn down(self: &Arc<Self>, server: TcpStream, mut client: TcpStream, n: usize) {
        let _ = server.set_read_timeout(Some(Duration::from_millis(20)));
        let mut from = BufReader::new(Patient { stream: server.try_clone().unwrap(), inner: Arc::clone(self) });
        while let Ok(piece) = piece(&mut from) {
            if !self.open() {
                break;
            }
            let sent = match piece {
                Piece::Message(text, body) => client.write_all(text.as_bytes()).and_then(|()| client.write_all(&body)),
                Piece::Packet(0, packet) => match self.rtp(n, &packet, self.rules.lock().unwrap().swallow) {
                    true => interleave(&mut client, 0, &packet),
                    false => Ok(()),
                },
                Piece::Packet(channel, mut packet) => {
                    self.rtcp(n, channel, &mut packet);
                    interleave(&mut client, channel, &packet)
                }
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    }

    /// Notes a packet of the picture; whether it is given on.
    fn rtp(&self, n: usize, packet: &[u8], drop: bool) -> bool {
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        // The parameter sets come before each key frame; alone, or first of an aggregate (RFC 6184, 5.4).
        let kind = packet.get(12).map_or(0, |b| b & 0x1f);
        let inner = packet.get(15).map_or(0, |b| b & 0x1f);
        let key = kind == 7 || (kind == 24 && inner == 7);
        let mut passed = self.passed.lock().unwrap();
        let p = &mut passed[n];
        if drop {
            p.dropped.push((seq, time));
            return false;
        }
        if let (Some(last), Some((dropped, _))) = (p.last, p.dropped.last())
            && seq == dropped.wrapping_add(1)
        {
            p.holes.push((last, time));
        }
        let now_ms = evidock::runtime::clock::wall().0;
        if key && p.first_key.is_none() {
            (p.first_key, p.first_key_ms) = (Some(time), Some(now_ms));
        }
        (p.last, p.last_seq, p.last_ms) = (Some(time), Some(seq), Some(now_ms));
        true
    }

    /// Sets the clock in sender reports (RFC 3550, 6.4.1).
    fn rtcp(&self, n: usize, channel: u8, packet: &mut [u8]) {
        if channel % 2 == 1 && packet.len() >= 16 && packet[1] == 200 {
            let shift = self.rules.lock().unwrap().clock_s;
            let ntp = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
            let set = (i64::from(ntp) + shift) as u32;
            packet[8..12].copy_from_slice(&set.to_be_bytes());
            self.passed.lock().unwrap()[n].reports += 1;
        }
    }

    /// Puts itself between the server and a pair of ports of the client; gives the request as it is sent on.
    fn datagrams(self: &Arc<Self>, request: &str, n: usize, picture: bool) -> String {
        let at = request.find("client_port=").unwrap() + "client_port=".len();
        let end = at + request[at..].find(|c: char| !c.is_ascii_digit() && c != '-').unwrap();
        let theirs: Vec<u16> = request[at..end].split('-').map(|p| p.parse().unwrap()).collect();
        let mut ours = Vec::new();
        for (i, port) in theirs.iter().copied().enumerate() {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            ours.push(socket.local_addr().unwrap().port());
            let inner = Arc::clone(self);
            std::thread::spawn(move || {
                let mut chance = 0x2545_f491_4f6c_dd1d_u64;
                let mut buffer = [0; 2048];
                while !inner.over.load(Ordering::SeqCst) {
                    let Ok(len) = socket.recv(&mut buffer) else { continue };
                    let rules = inner.rules.lock().unwrap().clone();
                    if rules.hold || rules.cut {
                        continue;
                    }
                    if picture && i == 0 {
                        chance ^= chance << 13;
                        chance ^= chance >> 7;
                        chance ^= chance << 17;
                        let lost = chance % 1000 < u64::from(rules.lose_per_mille);
                        if !inner.rtp(n, &buffer[..len], lost || rules.swallow) {
                            continue;
                        }
                    }
                    let _ = socket.send_to(&buffer[..len], ("127.0.0.1", port));
                }
            });
        }
        format!("{}{}-{}{}", &request[..at], ours[0], ours[1], &request[end..])
    }
}

fn interleave(to: &mut TcpStream, channel: u8, packet: &[u8]) -> std::io::Result<()> {
    let mut bytes = vec![b'$', channel];
    bytes.extend_from_slice(&(packet.len() as u16).to_be_bytes());
    bytes.extend_from_slice(packet);
    to.write_all(&bytes)
}

/// Reads on over pauses, until the line is cut.
struct Patient {
    stream: TcpStream,
    inner: Arc<Inner>,
}

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        loop {
            if self.inner.rules.lock().unwrap().cut {
                return Ok(0);
            }
            match self.stream.read(buf) {
                Err(e) if matches!(e.kind(), WouldBlock | TimedOut) => {}
                other => return other,
            }
        }
    }
}
