//! A real S3 server for tests: SeaweedFS on free ports of 127.0.0.1, with its data in a directory of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use evidock::deliver::s3::S3Options;
use evidock::deliver::{Keys, Secret};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest};

use super::guarded::{Guarded, free_ports};

/// The key that it knows.
pub const ACCESS_KEY: &str = "testkey";
/// And its secret.
pub const SECRET_KEY: &str = "testsecret123";

/// A running server. Ends, with its data, when it is dropped or when the process ends in whatever way.
pub struct Weed {
    s3: SocketAddr,
    https: SocketAddr,
    server: Guarded,
}

impl Weed {
    /// Starts a server and waits until it serves S3.
    pub async fn start() -> Self {
        super::install_tls();
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/weed");
        assert!(binary.exists(), "{} is missing: run `scripts/setup test`", binary.display());
        let mut server = Guarded::new("weed");
        let dir = server.dir().to_owned();
        let identity = format!(
            r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],"actions":["Admin","Read","List","Tagging","Write"]}}]}}"#
        );
        std::fs::write(dir.join("s3.json"), identity).unwrap();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        std::fs::write(dir.join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();

        let ports = free_ports::<9>();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let file = |name: &str| dir.join(name).display().to_string();
        server
            .command(&binary)
            .args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .arg(format!("-dir={}", dir.display()))
            .arg(format!("-master.port={}", ports[0]))
            .arg(format!("-master.port.grpc={}", ports[1]))
            .arg(format!("-volume.port={}", ports[2]))
            .arg(format!("-volume.port.grpc={}", ports[3]))
            .arg(format!("-filer.port={}", ports[4]))
            .arg(format!("-filer.port.grpc={}", ports[5]))
            .arg(format!("-s3.port={}", ports[6]))
            .arg(format!("-s3.port.grpc={}", ports[7]))
            .arg(format!("-s3.port.https={}", ports[8]))
            .args([
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-metricsPort=0",
                "-master.telemetry=false",
                "-s3.autoCreateBucket=false",
            ])
            .arg(format!("-s3.cert.file={}", file("cert.pem")))
            .arg(format!("-s3.key.file={}", file("key.pem")))
            .arg(format!("-s3.config={}", file("s3.json")))
            .arg(format!("-s3.localSocket={}", file("s3.sock")))
            .arg(format!("-filer.localSocket={}", file("filer.sock")))
            // Small volumes, as many as buckets need, and bounds on what uploads may hold in memory: without
            // them the server grows by gigabytes.
            .args(["-master.volumeSizeLimitMB=1024", "-volume.max=2000"])
            .args(["-s3.concurrentUploadLimitMB=64", "-volume.concurrentUploadLimitMB=128"])
            .env("GOMEMLIMIT", "500MiB")
            .env("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1");
        let weed = Self { s3: at(ports[6]), https: at(ports[8]), server };
        weed.start_again().await;
        weed
    }

    /// Starts it again after [`Weed::kill`], on the same ports and data; returns when it serves.
    pub async fn start_again(&self) {
        self.server.start();
        // It answers before it can store, so a small object is what shows that it serves.
        let mut last = String::new();
        for _ in 0..1800 {
            match self.try_request("PUT", "/ready", &[], Bytes::new()).await {
                Ok((200 | 409, _)) => {
                    match self.try_request("PUT", "/ready/ready", &[], Bytes::from_static(b"x")).await {
                        Ok((200, _)) => return,
                        other => last = format!("{other:?}"),
                    }
                }
                other => last = format!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("SeaweedFS does not serve within three minutes ({last}); {}", self.server.last_words());
    }

    /// Kills it with SIGKILL; its data stays for [`Weed::start_again`].
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Where it serves S3 over plain HTTP.
    pub fn address(&self) -> SocketAddr {
        self.s3
    }

    /// Options for a destination in `bucket`, over plain HTTP.
    pub fn options(&self, bucket: &str) -> S3Options {
        self.options_at(&format!("http://{}", self.s3), bucket)
    }

    /// The same over TLS, trusting its certificate.
    pub fn options_tls(&self, bucket: &str) -> S3Options {
        let mut options = self.options_at(&format!("https://{}", self.https), bucket);
        options.http.ca_file = Some(self.server.dir().join("cert.pem"));
        options
    }

    /// The same through another address (a proxy).
    pub fn options_at(&self, endpoint: &str, bucket: &str) -> S3Options {
        S3Options::new(
            super::named("weed"),
            super::station(),
            endpoint,
            bucket,
            Keys::fixed(ACCESS_KEY, Secret::new(SECRET_KEY)),
        )
    }

    /// The access key and the secret key.
    pub fn keys() -> (&'static str, &'static str) {
        (ACCESS_KEY, SECRET_KEY)
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, bucket: &str) {
        let (status, body) = self.request("PUT", &format!("/{bucket}"), &[], Bytes::new()).await;
        assert_eq!(status, 200, "{body}");
    }

    /// Makes a bucket that keeps locks, and versions with them.
    pub async fn make_locking_bucket(&self, bucket: &str) {
        let locking = [("x-amz-bucket-object-lock-enabled", "true")];
        let (status, body) = self.request("PUT", &format!("/{bucket}"), &locking, Bytes::new()).await;
        assert_eq!(status, 200, "{body}");
    }

    /// A signed request of a test's own (to spoil an object behind everyone's back, or to look); status and body.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> (u16, String) {
        self.try_request(method, path, headers, body).await.expect("SeaweedFS answers")
    }

    async fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<(u16, String), reqwest::Error> {
        signed_request(self.s3, method, path, headers, body).await
    }
}

/// A request signed with the keys of the tests; status and body.
pub async fn signed_request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<(u16, String), reqwest::Error> {
    let mut request = http::Request::builder().method(method).uri(format!("http://{server}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").header("content-length", body.len());
    let (mut head, body) = request.body(body).unwrap().into_parts();
    let credential = Credential {
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: SECRET_KEY.to_owned(),
        ..Credential::default()
    };
    let signer = RequestSigner::new("s3", "us-east-1");
    signer.sign_request(&Context::new(), &mut head, Some(&credential), None).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let request = reqwest::Request::try_from(http::Request::from_parts(head, body))?;
    let response = client.execute(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.text().await?))
}
