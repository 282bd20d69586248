//! Clients that say nothing, stop half way or never read, at a real door whose limits are short. A limit that did not hold would
//! leave the connection open for longer than anybody waits here.

use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpSocket;

use super::*;
use crate::runtime::task;
use crate::web::guests::Seat;

const SHORT: Limits = Limits {
    connections: 64,
    handshake: Duration::from_secs(1),
    head: Duration::from_secs(1),
    taken: Duration::from_secs(2),
};
/// Long against every limit of these tests, short against those of the page.
const PATIENCE: Duration = Duration::from_secs(8);

/// A door with short limits, and whether the endless answer that was begun there has been given up.
struct Door {
    at: SocketAddr,
    given_up: Arc<AtomicBool>,
}

impl Door {
    fn open(limits: Limits, tls: Option<RustlsConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let given_up = Arc::new(AtomicBool::new(false));
        let app = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/in", get(signed_in))
            .route("/endless", get(endless))
            .route("/events", get(events))
            .layer(Extension(given_up.clone()));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        task::spawn_named("door", serve(listener, tls, limits, Handle::new(), app));
        Self { at, given_up }
    }

    fn come(&self) -> TcpStream {
        let client = TcpStream::connect(self.at).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    fn gives_up(&self) -> bool {
        let until = crate::runtime::clock::monotonic() + PATIENCE;
        while !self.given_up.load(Ordering::Acquire) {
            if crate::runtime::clock::monotonic() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

async fn signed_in(Extension(seat): Extension<Seat>) -> &'static str {
    seat.known();
    "known"
}

/// Tells when its answer goes away.
struct Last(Arc<AtomicBool>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

async fn endless(Extension(given_up): Extension<Arc<AtomicBool>>) -> Body {
    let last = Last(given_up);
    let chunks = stream::repeat(Bytes::from(vec![0; 65_536])).map(move |chunk| {
        let _last = &last;
        Ok::<_, Infallible>(chunk)
    });
    Body::from_stream(chunks)
}

async fn events() -> impl IntoResponse {
    let never = stream::pending::<Result<Event, Infallible>>();
    Sse::new(never).keep_alive(KeepAlive::new().interval(Duration::from_millis(100)))
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// Asks for a short answer over a connection that goes on.
fn ask(client: &mut TcpStream, path: &str, wanted: &str) {
    client.write_all(request(path).as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut some = [0; 1024];
    while !String::from_utf8_lossy(&answer).ends_with(wanted) {
        let n = client.read(&mut some).unwrap();
        assert!(n > 0, "hung up after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..n]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
}

/// Whether the other side hangs up on somebody who sends nothing more.
fn hangs_up(client: &mut TcpStream) -> bool {
    let mut some = [0; 4096];
    loop {
        match client.read(&mut some) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Whether it hangs up on somebody who goes on sending a little, again and again.
fn hangs_up_on_drops(client: &mut TcpStream, drop: &[u8]) -> bool {
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    (0..60).any(|_| client.write_all(drop).is_err() || hangs_up(client))
}

/// What a door over TLS has, and who comes to it. The directory holds the certificate.
async fn tls() -> (RustlsConfig, Arc<ClientConfig>, tempfile::TempDir) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.pem");
    make_own(&path, &[], Ipv4Addr::LOCALHOST.into()).unwrap();
    let given = RustlsConfig::from_pem_file(&path, &path).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&path).unwrap()).unwrap();
    let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (http1(&given), Arc::new(client), dir)
}

/// A connection over which hands were shaken.
fn shaken(door: &Door, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let (mut tls, mut connection) = (ClientConnection::new(Arc::clone(config), name).unwrap(), door.come());
    while tls.is_handshaking() {
        tls.complete_io(&mut connection).unwrap();
    }
    StreamOwned::new(tls, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_ask_is_hung_up_on() {
    let door = Door::open(SHORT, None);
    assert!(hangs_up(&mut door.come()), "nothing was said");
    let mut half = door.come();
    half.write_all(b"GET / HTTP/1.1\r\nx-slow: ").unwrap();
    assert!(hangs_up(&mut half), "half a head");
    let mut drops = door.come();
    drops.write_all(b"GET / HTTP/1.1\r\nx-slow: ").unwrap();
    assert!(hangs_up_on_drops(&mut drops, b"x"), "a head that never ends");
    let mut other = door.come();
    other.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    assert!(hangs_up(&mut other), "another protocol, whose limits are not ours");
    let mut rests = door.come();
    ask(&mut rests, "/", "here");
    ask(&mut rests, "/", "here");
    assert!(hangs_up(&mut rests), "nothing more was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_shake_hands_or_ask_then_is_hung_up_on() {
    let (server, client, _dir) = tls().await;
    let door = Door::open(SHORT, Some(server));
    assert!(hangs_up(&mut door.come()), "nothing was said");
    // A record of a handshake that is announced longer than what comes.
    let mut half = door.come();
    half.write_all(&[0x16, 3, 1, 0x3f, 0, 1, 0, 0x3e]).unwrap();
    assert!(hangs_up(&mut half), "half a handshake");
    let mut drops = door.come();
    drops.write_all(&[0x16, 3, 1, 0x3f, 0, 1, 0, 0x3e, 0xfc, 3, 3]).unwrap();
    assert!(hangs_up_on_drops(&mut drops, &[0]), "a handshake that never ends");
    let mut silent = shaken(&door, &client);
    assert_eq!(silent.conn.alpn_protocol(), Some(&b"http/1.1"[..]), "HTTP/2 is not spoken, whoever offers it");
    assert!(hangs_up(&mut silent.sock), "nothing was asked");
    let mut never_reads = shaken(&door, &client);
    never_reads.write_all(request("/endless").as_bytes()).unwrap();
    assert!(door.gives_up(), "nothing was taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_nothing_of_an_answer_is_hung_up_on() {
    let door = Door::open(SHORT, None);
    let mut never_reads = door.come();
    never_reads.write_all(request("/endless").as_bytes()).unwrap();
    assert!(door.gives_up());
    // Many short answers are as much as a long one.
    let mut asks_on = door.come();
    let many = request("/").repeat(100);
    let refused = (0..100_000).find_map(|_| asks_on.write_all(many.as_bytes()).err()).expect("an end");
    assert!(!matches!(refused.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_slowly_has_all_of_it() {
    let door = Door::open(SHORT, None);
    let mut slow = door.come();
    slow.write_all(request("/endless").as_bytes()).unwrap();
    let mut some = vec![0; 300_000];
    // Longer than anybody may take nothing.
    for _ in 0..30 {
        slow.read_exact(&mut some).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!door.given_up.load(Ordering::Acquire));
    // A stream of events is mostly silent, and goes on.
    let mut listens = door.come();
    listens.write_all(request("/events").as_bytes()).unwrap();
    let mut heard = String::new();
    while heard.matches("\n:").count() < 15 {
        let mut some = [0; 512];
        let n = listens.read(&mut some).unwrap();
        assert!(n > 0, "hung up after {heard:?}");
        heard.push_str(&String::from_utf8_lossy(&some[..n]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_say_nothing_keep_nobody_out() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    // Here no limit of time makes room.
    let day = Duration::from_secs(86_400);
    let door = Door::open(Limits { head: day, taken: day, ..Limits::PAGE }, None);
    let mut officer = door.come();
    ask(&mut officer, "/in", "known");
    // From two addresses, which have half of the places each.
    let mut silent = Vec::new();
    for n in 0..1_200_u16 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2 + (n % 2) as u8], 0))).unwrap();
        silent.push(socket.connect(door.at).await.unwrap());
    }
    for _ in 0..5 {
        ask(&mut door.come(), "/", "here");
    }
    ask(&mut officer, "/", "here");
    drop(silent);
}
