//! Real tus servers for tests, on free ports of 127.0.0.1: `@tus/server` for Node, which keeps what it received of a part
//! that was cut and ignores checksums, and `tus-server` in Rust, which keeps nothing of it and checks them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evidock::deliver::http::HttpOptions;
use evidock::deliver::tus::{BookInMemory, TusDestination, TusOptions};
use evidock::domain::ports::AddressBook;

use super::guarded::{Guarded, free_ports, tools};

/// Serves `/files`. With `door`, a finished upload is taken away at once, as doors do that hand uploads on.
const NODE: &str = r"
import { Server } from '@tus/server';
import { FileStore } from '@tus/file-store';
const [port, directory, door] = process.argv.slice(1);
const datastore = new FileStore({ directory });
const options = { path: '/files', datastore };
if (door) options.onUploadFinish = async (_, upload) => { await datastore.remove(upload.id); return {}; };
new Server(options).listen({ host: '127.0.0.1', port: Number(port) });
";

/// A running server.
pub struct Tus {
    address: SocketAddr,
    path: &'static str,
    server: Guarded,
}

impl Tus {
    /// The token that the Rust one asks for.
    pub const TOKEN: &str = "test-token-123";

    /// `@tus/server` with `@tus/file-store`.
    pub async fn node() -> Self {
        Self::start_node(false).await
    }

    /// The same, as a mere door: finished uploads are handed on, and gone.
    pub async fn door() -> Self {
        Self::start_node(true).await
    }

    async fn start_node(door: bool) -> Self {
        let mut server = Guarded::new("tus");
        let [port] = free_ports::<1>();
        let data = server.dir().join("data");
        std::fs::create_dir(&data).unwrap();
        let node = ["/usr/bin/node", "/usr/local/bin/node"].into_iter().map(Path::new).find(|path| path.exists());
        let packages = tools().join("tus");
        assert!(packages.join("node_modules").exists(), "@tus/server is missing: run `scripts/setup test`");
        let command = server.command(node.unwrap_or(Path::new("/usr/bin/node")));
        // Modules are looked for from the working directory.
        command.current_dir(packages).args(["--input-type=module", "-e", NODE]).arg(port.to_string()).arg(&data);
        if door {
            command.arg("door");
        }
        Self::serve(server, port, "/files").await
    }

    /// The crate `tus-server`.
    pub async fn rust() -> Self {
        let mut server = Guarded::new("tus-rust");
        let [port] = free_ports::<1>();
        let data = server.dir().join("data");
        std::fs::create_dir(&data).unwrap();
        let state = server.dir().join("state");
        server
            .command(&tools().join("bin/tus-server"))
            .args(["serve", "--all-extensions=true", "--base-path", "/files", "--auth-token", Self::TOKEN])
            .args(["--addr", &format!("127.0.0.1:{port}"), "--storage-uri", &format!("fs://{}", data.display())])
            .arg("--state-dir")
            .arg(state);
        Self::serve(server, port, "/files").await
    }

    async fn serve(server: Guarded, port: u16, path: &'static str) -> Self {
        super::install_tls();
        let tus = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), path, server };
        tus.start_again().await;
        tus
    }

    /// Starts it again after [`Tus::kill`], on the same port and data; returns when it serves.
    pub async fn start_again(&self) {
        self.server.start();
        for _ in 0..1800 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the tus server does not serve within a minute and a half; {}", self.server.last_words());
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Options for a destination there.
    pub fn options(&self) -> TusOptions {
        self.options_at(&format!("http://{}", self.address))
    }

    /// The same through another address (a proxy).
    pub fn options_at(&self, origin: &str) -> TusOptions {
        TusOptions {
            name: super::named("tus"),
            station: super::station(),
            endpoint: format!("{origin}{}", self.path),
            keys: None,
            http: HttpOptions { idle_timeout: Duration::from_secs(30), ..HttpOptions::default() },
            proof: None,
        }
    }
}

/// A destination with a book of its own.
pub fn with_book(options: TusOptions) -> (TusDestination, Arc<dyn AddressBook>) {
    let book: Arc<dyn AddressBook> = Arc::new(BookInMemory::default());
    (TusDestination::new(options, Arc::clone(&book)).unwrap(), book)
}
