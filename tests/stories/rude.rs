//! Clients of the page that are slow, broken, greedy or never read, a thousand of them: a recorder is taken in and its clip
//! proven meanwhile as if nobody was there, others are served, memory stays bounded, and when they have gone nothing of
//! them is left.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evidock::runtime::clock::monotonic;
use evidock::runtime::task::{blocking, spawn_named};
use support::station::{Station, dsj, folder};
use support::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// What a thousand guests may cost the daemon, MiB: each has buffers of some ten kB.
const MEMORY_MIB: u64 = 96;

/// A connection from an address that is not everybody's.
async fn connect(to: SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}

/// Rude clients, as long as this lives.
#[derive(Default)]
struct Crowd {
    held: Vec<TcpStream>,
    busy: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.busy.iter().for_each(|task| task.abort());
    }
}

impl Crowd {
    /// Comes, says something, and never reads. Whoever is sent away is no longer there.
    async fn stand(&mut self, count: usize, to: SocketAddr, from: [u8; 4], words: &[u8]) {
        for _ in 0..count {
            let Ok(mut stream) = connect(to, from).await else { continue };
            let _ = stream.write_all(words).await;
            self.held.push(stream);
        }
    }

    /// Says one byte at a time.
    fn drip(&mut self, count: usize, to: SocketAddr, from: [u8; 4], words: &'static [u8]) {
        for _ in 0..count {
            self.busy.push(spawn_named("slow", async move {
                let Ok(mut stream) = connect(to, from).await else { return };
                for byte in words.iter().cycle() {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }));
        }
    }

    /// Breaks off in the middle of what it says, again and again.
    fn reset(&mut self, count: usize, to: SocketAddr, from: [u8; 4], words: &'static [u8]) {
        for _ in 0..count {
            self.busy.push(spawn_named("broken", async move {
                loop {
                    let Ok(mut stream) = connect(to, from).await else { return };
                    let _ = stream.write_all(words).await;
                    // Zero: the connection is reset, not closed (socket(7)).
                    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                    drop(stream);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }));
        }
    }
}

/// Sends a body until the other end has enough of it; what it says, and how much it took.
async fn pour(to: SocketAddr, head: String, chunked: bool) -> (String, usize) {
    let mut stream = connect(to, [127, 0, 0, 4]).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let block = [b'x'; 16 * 1024];
    let mut sent = 0;
    let mut answer = Vec::new();
    let pouring = async {
        while sent < 1 << 30 {
            let put = async {
                if chunked {
                    writer.write_all(b"4000\r\n").await?;
                }
                writer.write_all(&block).await?;
                if chunked { writer.write_all(b"\r\n").await } else { Ok(()) }
            };
            if put.await.is_err() {
                return;
            }
            sent += block.len();
        }
    };
    let hearing = async {
        // An answer, or the end of the connection: a reset may overtake it.
        let _ = reader.read_to_end(&mut answer).await;
    };
    let both = async {
        tokio::select! {
            () = hearing => {}
            () = async { pouring.await; std::future::pending::<()>().await } => {}
        }
    };
    tokio::time::timeout(Duration::from_secs(120), both).await.expect("a body without an end is given up");
    (String::from_utf8_lossy(&answer).into_owned(), sent)
}

fn memory_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Takes a recorder in; how long until its clip was proven.
async fn job(mut station: Station, name: &'static str, clips: u64) -> (Station, Duration) {
    let taken = blocking("station", move || {
        let begun: Instant = monotonic();
        let card = station.card(name);
        card.file(dsj("36NCC009910", &format!("0{clips}1200")), support::footage(6_000_000, clips), 60);
        station.dock(name);
        station.until_safe(name);
        station.until_proven(clips);
        (station, begun.elapsed())
    });
    taken.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_rude_clients_hold_nothing_up() {
    support::install_tls();
    // Ours are as many as theirs.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: limit.maximum, ..limit },
    )
    .unwrap();
    let far = tempfile::tempdir().unwrap();
    // Not from a thread that ends: the daemon ends with the one that started it.
    let station = Station::running(&folder("far", far.path().to_str().unwrap()));
    let (station, usual) = job(station, "a", 1).await;
    let (page, pid) = (station.page(), station.pid());
    let address: SocketAddr = page.strip_prefix("http://").unwrap().parse().unwrap();
    let clip = station.clip("011200.mp4");
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    assert_eq!(http.get(&page).send().await.unwrap().status(), 200);
    let (files, memory) = (open_files(pid), memory_mib(pid));

    let mut crowd = Crowd::default();
    let rude = [127, 0, 0, 2];
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes();
    crowd.stand(150, address, rude, &get("/live?topic=station")).await;
    crowd.stand(50, address, rude, &get("/api/v1/changes")).await;
    crowd.stand(100, address, rude, &get(&format!("/clips/{clip}/media"))).await;
    crowd.drip(60, address, rude, b"GET /clips HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n");
    crowd.drip(40, address, rude, b"POST /sending/pause HTTP/1.1\r\nHost: localhost\r\n");
    crowd.reset(
        20,
        address,
        [127, 0, 0, 3],
        b"POST /clips/x/link HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\ncase_no=",
    );
    crowd.stand(600, address, rude, b"").await;
    assert!(crowd.held.len() > 800, "they are there: {}", crowd.held.len());

    // One address may not take every place: others still find one.
    for path in ["/", "/clips", "/kiosk", "/api/v1/status"] {
        let answer = http.get(format!("{page}{path}")).send().await.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        assert_eq!(answer.status(), 200, "{path}");
    }
    let (station, meanwhile) = job(station, "b", 2).await;

    // Too much, and without an end.
    for (path, kind) in
        [(format!("/api/v1/clips/{clip}/links"), "application/json"), ("/api/v1/roster".into(), "text/csv")]
    {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\n");
        let (told, sent) = pour(address, format!("{head}Content-Length: 100000000000\r\n\r\n"), false).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 413"), "{path}: {told}");
        assert!(sent < 64 << 20, "{path}: {sent} bytes were taken");
        let (told, sent) = pour(address, format!("{head}Transfer-Encoding: chunked\r\n\r\n"), true).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 413"), "{path}: {told}");
        assert!(sent < 64 << 20, "{path}: {sent} bytes were taken");
    }
    let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\nX-Long: {}\r\n\r\n", "a".repeat(1 << 20));
    let (told, _) = pour(address, head, false).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431") || told.starts_with("HTTP/1.1 400"), "{told}");

    let grown = memory_mib(pid).saturating_sub(memory);
    assert!(grown < MEMORY_MIB, "the daemon grew by {grown} MiB");
    drop(crowd);
    until("nothing of them is left", async || open_files(pid) <= files + 16).await;
    // Looked at on both sides of it: what else this machine has to do comes and goes, too.
    let (station, afterwards) = job(station, "c", 3).await;
    let usual = usual.max(afterwards);
    assert!(meanwhile < usual * 3 + Duration::from_secs(10), "{meanwhile:?} instead of {usual:?}");
    assert_eq!(http.get(&page).send().await.unwrap().status(), 200);
    let log = station.log();
    assert!(!log.contains("panicked"), "{log}");
    blocking("station", move || {
        let mut station = station;
        station.stop();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_finish_its_handshake_is_shown_out() {
    support::install_tls();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    let mut station = Station::new("");
    std::fs::write(station.path("page.crt"), &pem).unwrap();
    std::fs::write(station.path("page.key"), certified.signing_key.serialize_pem()).unwrap();
    station.configure("tls_certificate = \"page.crt\"\ntls_key = \"page.key\"");
    // Not from a thread that ends: the daemon ends with the one that started it.
    station.start();
    let (page, pid) = (station.page(), station.pid());
    let address: SocketAddr = page.strip_prefix("https://").unwrap().parse().unwrap();
    let own = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    // A connection that is kept would be shown out with the others.
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([own]).pool_max_idle_per_host(0).build().unwrap();
    assert_eq!(http.get(&page).send().await.unwrap().status(), 200);
    let files = open_files(pid);
    let mut crowd = Crowd::default();
    // The head of a hello of 512 bytes, and no more (RFC 8446, 5.1).
    crowd.stand(300, address, [127, 0, 0, 2], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await;
    crowd.drip(50, address, [127, 0, 0, 2], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    crowd.stand(100, address, [127, 0, 0, 2], b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(http.get(&page).send().await.unwrap().status(), 200);
    // They hold their ends open, and are shown out all the same.
    until("they are shown out", async || open_files(pid) <= files + 16).await;
    drop(crowd);
    assert_eq!(http.get(&page).send().await.unwrap().status(), 200);
}
