//! A real stand-in for Azure Blob Storage in tests: Azurite, on a free port of 127.0.0.1.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use evidock::deliver::azure::{AzureOptions, Policy};
use evidock::deliver::http::HttpOptions;
use evidock::deliver::{Keys, Secret};
use reqsign_azure_storage::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest};

use super::guarded::{Guarded, free_ports, tools};

/// The account that every Azurite knows, and its published key.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running server.
pub struct Azurite {
    address: SocketAddr,
    server: Guarded,
}

impl Azurite {
    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        super::install_tls();
        let mut server = Guarded::new("azurite");
        let [port] = free_ports::<1>();
        let data = server.dir().join("data");
        std::fs::create_dir(&data).unwrap();
        let program = tools().join("azurite/node_modules/.bin/azurite-blob");
        server
            .command(&program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent", "--disableTelemetry"])
            .arg("--location")
            .arg(&data);
        let azurite = Self { address: SocketAddr::from(([127, 0, 0, 1], port)), server };
        azurite.server.start();
        for _ in 0..1800 {
            if tokio::net::TcpStream::connect(azurite.address).await.is_ok() {
                return azurite;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("Azurite does not serve within a minute and a half; {}", azurite.server.last_words());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a container.
    pub async fn make_container(&self, name: &str) {
        let answer = self.request("PUT", &format!("/{ACCOUNT}/{name}?restype=container"), Bytes::new(), None).await;
        assert_eq!(answer, 201);
    }

    /// Options for a destination in `container`, with the account's key.
    pub fn options(&self, container: &str) -> AzureOptions {
        self.options_at(&format!("http://{}", self.address), container)
    }

    /// The same through another address (a proxy).
    pub fn options_at(&self, origin: &str, container: &str) -> AzureOptions {
        AzureOptions {
            name: super::named("azure"),
            station: super::station(),
            endpoint: format!("{origin}/{ACCOUNT}"),
            container: container.to_owned(),
            keys: Keys::fixed(ACCOUNT, Secret::new(KEY)),
            http: HttpOptions { idle_timeout: Duration::from_secs(30), ..HttpOptions::default() },
            lock: Policy::Locked,
            proof: None,
        }
    }

    /// A shared access signature for a container, valid for an hour: what follows the `?` of its address.
    pub async fn shared_access(&self, container: &str) -> String {
        let signer = RequestSigner::new().with_service_sas_permissions("racwdl");
        // The signature is over the container as Azure names it, without the account that stands in Azurite's paths.
        let request = http::Request::get(format!("http://{}/{container}", self.address)).body(()).unwrap();
        let (mut head, ()) = request.into_parts();
        let credential = Credential::with_shared_key(ACCOUNT, KEY);
        let hour = Some(Duration::from_secs(3600));
        signer.sign_request(&Context::new(), &mut head, Some(&credential), hour).await.unwrap();
        head.uri.query().unwrap().to_owned()
    }

    /// Replaces a blob behind everyone's back.
    pub async fn spoil(&self, container: &str, key: &str, bytes: Bytes) {
        let path = format!("/{ACCOUNT}/{container}/{key}");
        assert_eq!(self.request("PUT", &path, bytes, Some("BlockBlob")).await, 201);
    }

    async fn request(&self, method: &str, path: &str, body: Bytes, kind: Option<&str>) -> u16 {
        let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        request = request.header("x-ms-version", "2023-11-03").header("content-length", body.len());
        if let Some(kind) = kind {
            request = request.header("x-ms-blob-type", kind);
        }
        let (mut head, body) = request.body(body).unwrap().into_parts();
        let credential = Credential::with_shared_key(ACCOUNT, KEY);
        RequestSigner::new().sign_request(&Context::new(), &mut head, Some(&credential), None).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = reqwest::Request::try_from(http::Request::from_parts(head, body)).unwrap();
        client.execute(request).await.unwrap().status().as_u16()
    }
}
