//! A timestamp authority (RFC 3161): `openssl ts` behind the smallest HTTP server that will do, with certificates of its
//! own. A real one's answers, made on this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CONFIG: &str = "[tsa]\ndefault_tsa = one\n[one]\ndir = .\nserial = ./serial\nsigner_cert = ./tsa.crt\ncerts = ./ca.crt\n\
    signer_key = ./tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1\n\
    ess_cert_id_alg = sha256\n";

/// A running authority. Its thread ends with it.
pub struct Tsa {
    dir: tempfile::TempDir,
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Tsa {
    /// Makes its certificates and listens on a free port of loopback.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("evidock-tsa-").tempdir().unwrap();
        let path = dir.path().to_owned();
        fs::write(path.join("tsa.cnf"), CONFIG).unwrap();
        fs::write(path.join("ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let run = |words: &str, more: &[&str]| openssl(&path, words.split(' ').chain(more.iter().copied()));
        run("req -x509 -keyout ca.key -out ca.crt -days 30 -subj /CN=ca", &key);
        run("req -keyout tsa.key -out tsa.csr -subj /CN=tsa", &key);
        run("x509 -req -in tsa.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out tsa.crt -extfile ext", &[]);
        fs::write(path.join("serial"), "01\n").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, over) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&over);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                answer(&path, stream.unwrap());
            }
        });
        Self { dir, address, over }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/tsr", self.address)
    }

    /// The certificates that its readers trust.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }
}

impl Drop for Tsa {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// Whether OpenSSL takes `reply` for a timestamp on `data` by an authority that `ca` vouches for.
pub fn is_true(ca: &Path, data: &Path, reply: &Path) -> bool {
    let output = Command::new("openssl")
        .args(["ts", "-verify", "-CAfile"])
        .arg(ca)
        .arg("-data")
        .arg(data)
        .arg("-in")
        .arg(reply)
        .output()
        .expect("openssl is missing: run `scripts/setup test`");
    output.status.success()
}

fn openssl<'a>(dir: &Path, args: impl IntoIterator<Item = &'a str>) {
    let output = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .output()
        .expect("openssl is missing: run `scripts/setup test`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn answer(dir: &Path, mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim().parse().unwrap();
    let mut query: Vec<u8> = vec![0; length];
    stream.read_exact(&mut query).unwrap();
    fs::write(dir.join("query"), query).unwrap();
    openssl(dir, ["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]);
    let reply = fs::read(dir.join("reply")).unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&reply));
}
