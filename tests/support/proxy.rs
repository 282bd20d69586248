//! A line that fails on demand: a TCP proxy on loopback that cuts, delays, throttles, swallows and damages what
//! passes. Byte counts begin when a fault is ordered and run over all connections; each fault happens once,
//! a state (delay, rate, black hole, refusal) lasts until it is changed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidock::runtime::task::spawn_named;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A line of some rate makes up for pauses that were too long, by no more than this.
const CATCH_UP: Duration = Duration::from_millis(100);

/// What is to go wrong.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Reset the connection after this many bytes to the server.
    pub cut_up_after: Option<u64>,
    /// Reset the connection after this many bytes from the server (0: its next answer is lost).
    pub cut_down_after: Option<u64>,
    /// Flip a bit of the byte to the server after this many.
    pub flip_up_at: Option<u64>,
    /// Flip a bit of the byte from the server after this many.
    pub flip_down_at: Option<u64>,
    /// One-way delay in each direction.
    pub delay: Duration,
    /// Bytes a second in each direction of each connection.
    pub rate: Option<u64>,
    /// Connections are taken and nothing passes in either direction.
    pub black_hole: bool,
    /// Each new connection is reset at once.
    pub refuse: bool,
    /// Reset the connection when the answer begins to a request whose first line holds this text: the server has
    /// done what it was asked, and nobody hears of it.
    pub lose_answer_to: Option<String>,
}

/// A proxy in front of one server. Ends when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    line: Arc<Line>,
    _end: DropGuard,
}

#[derive(Default)]
struct Line {
    rules: Mutex<Rules>,
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    fired: AtomicU64,
    requests: Mutex<Vec<String>>,
}

/// What both directions of one connection know of the HTTP/1.1 that passes, if it is that.
#[derive(Default)]
struct Talk {
    /// Bytes from the client are the inside of a request, not its beginning.
    in_request: AtomicBool,
    /// The next answer is lost.
    lose_answer: AtomicBool,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to `server`.
    pub async fn start(server: SocketAddr) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), server).await
    }

    /// The same at an address of loopback that is given.
    pub async fn start_at(address: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line::default());
        let end = CancellationToken::new();
        spawn_named("fault proxy", accept(listener, server, line.clone(), end.clone()));
        Self { address, line, _end: end.drop_guard() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as an endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Orders faults or changes the state of the line.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.line.rules.lock().unwrap());
    }

    /// Faults that have happened.
    pub fn fired(&self) -> u64 {
        self.line.fired.load(Ordering::SeqCst)
    }

    /// Connections taken.
    pub fn connections(&self) -> u64 {
        self.line.connections.load(Ordering::SeqCst)
    }

    /// First lines of the HTTP requests that passed, as `PUT /bucket/key?partNumber=1 HTTP/1.1`.
    pub fn requests(&self) -> Vec<String> {
        self.line.requests.lock().unwrap().clone()
    }

    /// Bytes passed to the server.
    pub fn bytes_up(&self) -> u64 {
        self.line.up.load(Ordering::SeqCst)
    }

    /// Bytes passed from the server.
    pub fn bytes_down(&self) -> u64 {
        self.line.down.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

async fn accept(listener: TcpListener, server: SocketAddr, line: Arc<Line>, end: CancellationToken) {
    loop {
        let client = tokio::select! {
            () = end.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        line.connections.fetch_add(1, Ordering::SeqCst);
        spawn_named("fault proxy connection", connection(client, server, line.clone(), end.child_token()));
    }
}

async fn connection(client: TcpStream, server: SocketAddr, line: Arc<Line>, end: CancellationToken) {
    if line.rules.lock().unwrap().refuse {
        line.fired.fetch_add(1, Ordering::SeqCst);
        reset(&client);
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        reset(&client);
        return;
    };
    // What is before a cut is to arrive, and a reset throws away what the kernel still keeps for a server that is slow
    // to read: it keeps little.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&server, 64 << 10);
    let (client, server) = (Arc::new(client), Arc::new(server));
    let talk = Arc::new(Talk::default());
    let up = pass(client.clone(), server.clone(), Direction::Up, line.clone(), talk.clone(), end.clone());
    let down = pass(server.clone(), client.clone(), Direction::Down, line, talk, end.clone());
    tokio::join!(up, down);
    if end.is_cancelled() {
        reset(&client);
        reset(&server);
    }
}

/// Closing then sends a reset, whatever is still unsent.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Passes one direction until its end, a fault, or an error; all but a clean end cut the connection.
async fn pass(
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    direction: Direction,
    line: Arc<Line>,
    talk: Arc<Talk>,
    cut: CancellationToken,
) {
    let (queue, queued) = mpsc::channel(64);
    let read = async {
        if !take(&from, direction, &line, &talk, queue).await {
            cut.cancel();
        }
    };
    let write = async {
        if give(&to, &line, queued).await.is_err() {
            cut.cancel();
        }
    };
    tokio::select! {
        () = cut.cancelled() => {}
        ((), ()) = async { tokio::join!(read, write) } => {}
    }
}

/// Reads, applies the rules, queues with the instant at which it may go on; `false` when the connection is to be cut.
async fn take(
    from: &TcpStream,
    direction: Direction,
    line: &Line,
    talk: &Talk,
    queue: mpsc::Sender<(Instant, Vec<u8>)>,
) -> bool {
    let mut buffer = vec![0; 16 << 10];
    loop {
        if from.readable().await.is_err() {
            return false;
        }
        if line.rules.lock().unwrap().black_hole {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let n = match from.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return false,
        };
        let mut bytes = buffer[..n].to_vec();
        let (goes_on, due) = {
            let mut rules = line.rules.lock().unwrap();
            let heard = listen(&mut rules, direction, &mut bytes, line, talk);
            (apply(&mut rules, direction, &mut bytes, line) && heard, Instant::now() + rules.delay)
        };
        let passed = if direction == Direction::Up { &line.up } else { &line.down };
        passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        if !bytes.is_empty() && queue.send((due, bytes)).await.is_err() {
            return false;
        }
        if !goes_on {
            // What is before the cut still arrives.
            let room = queue.max_capacity();
            while queue.capacity() < room {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            return false;
        }
    }
}

/// Notes the first line of a request, and loses the answer that was ordered lost; `false` when the connection is
/// cut for it. A client sends nothing more before it has its answer, so what follows an answer is a request.
fn listen(rules: &mut Rules, direction: Direction, bytes: &mut Vec<u8>, line: &Line, talk: &Talk) -> bool {
    if direction == Direction::Down {
        talk.in_request.store(false, Ordering::SeqCst);
        if talk.lose_answer.load(Ordering::SeqCst) {
            line.fired.fetch_add(1, Ordering::SeqCst);
            bytes.clear();
            return false;
        }
        return true;
    }
    if !talk.in_request.swap(true, Ordering::SeqCst) {
        let first = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        if rules.lose_answer_to.as_ref().is_some_and(|text| first.contains(text.as_str())) {
            rules.lose_answer_to = None;
            talk.lose_answer.store(true, Ordering::SeqCst);
        }
        if first.ends_with("HTTP/1.1") {
            line.requests.lock().unwrap().push(first);
        }
    }
    true
}

/// Applies what is ordered to the next bytes; `false` when the connection is cut behind what is left of them.
fn apply(rules: &mut Rules, direction: Direction, bytes: &mut Vec<u8>, line: &Line) -> bool {
    let (cut, flip) = match direction {
        Direction::Up => (&mut rules.cut_up_after, &mut rules.flip_up_at),
        Direction::Down => (&mut rules.cut_down_after, &mut rules.flip_down_at),
    };
    if let Some(at) = *flip {
        if let Some(byte) = bytes.get_mut(at as usize) {
            *byte ^= 1;
            *flip = None;
            line.fired.fetch_add(1, Ordering::SeqCst);
        } else {
            *flip = Some(at - bytes.len() as u64);
        }
    }
    if let Some(after) = *cut {
        if after < bytes.len() as u64 {
            bytes.truncate(after as usize);
            *cut = None;
            line.fired.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        *cut = Some(after - bytes.len() as u64);
    }
    true
}

/// Writes what is queued when it is due, no faster than the line.
async fn give(to: &TcpStream, line: &Line, mut queued: mpsc::Receiver<(Instant, Vec<u8>)>) -> std::io::Result<()> {
    let mut free_at = Instant::now();
    while let Some((due, bytes)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        let rate = line.rules.lock().unwrap().rate;
        if let Some(rate) = rate {
            // On a busy machine each pause is longer than it was asked for; the line is as fast as it says all the same.
            let takes = Duration::from_secs_f64(bytes.len() as f64 / rate as f64);
            free_at = free_at.max(Instant::now() - CATCH_UP) + takes;
            tokio::time::sleep_until(free_at).await;
        }
    }
    Ok(rustix::net::shutdown(to, rustix::net::Shutdown::Write)?)
}
