//! How a connection is set up: whose certificates are trusted, which one we show, which way it goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::is_loopback;

/// How a destination's server is reached.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What we show to servers that ask who we are (mutual TLS).
    pub client_certificate: Option<ClientCertificate>,
    /// Which way requests go.
    pub proxy: Proxy,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a request may go without any progress in either direction.
    pub idle_timeout: Duration,
}

impl Default for HttpOptions {
    /// The system's certificates, none of our own, the way that the environment says, 10 s to connect, 120 s without
    /// progress (a line of 0.3 Mbit/s still empties a kernel's send buffer of 4 MiB in that time).
    fn default() -> Self {
        Self {
            ca_file: None,
            client_certificate: None,
            proxy: Proxy::FromEnvironment,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

/// A client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Which way requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// As `https_proxy`, `http_proxy` and `no_proxy` say; never for this machine's own addresses.
    FromEnvironment,
    /// Straight to the server.
    Direct,
    /// Through an HTTP proxy, `http://host:port` or `https://host:port`.
    Via(String),
}

/// Why a connection could not be set up. A person must change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The certificates cannot be read.
    #[error("the certificates in {path} cannot be used; ca_file must be a PEM file")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Our own certificate or its key cannot be read.
    #[error("{path} cannot be used; client_certificate and client_key must be PEM files that belong together")]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not the address of a proxy.
    #[error("the proxy cannot be used; write its scheme, host and port, as \"http://proxy.example.org:3128\"")]
    Proxy(#[source] reqwest::Error),
    /// The program was composed wrongly.
    #[error("no TLS provider is installed; the program must install rustls's ring provider when it starts")]
    NoTlsProvider,
    /// The HTTP client cannot be built, e.g. without any certificates on the system.
    #[error("no HTTPS client can be made; install ca-certificates or set ca_file")]
    Client(#[source] reqwest::Error),
}

/// The client for the server at `base`.
pub(in crate::deliver) fn client(base: &str, options: &HttpOptions) -> Result<reqwest::Client, HttpSetupError> {
    // reqwest panics without one, and the provider is the program's choice, not ours.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(HttpSetupError::NoTlsProvider);
    }
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("evidock/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        // Before the server closes an idle connection, at which the next request would run into a closed door: 5 s in
        // Node (server.keepAliveTimeout), more in all others that we know of.
        .pool_idle_timeout(Duration::from_secs(4));
    if let Some(path) = &options.ca_file {
        let bad = |source| HttpSetupError::CaFile { path: path.clone(), source };
        let pem = std::fs::read(path).map_err(|e| bad(e.into()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(e.into()))?;
        if certificates.is_empty() {
            return Err(bad("it holds no certificate".into()));
        }
        client = client.tls_certs_only(certificates);
    } else if base.starts_with("http://") {
        // Plain HTTP needs no certificates, and a box without any must still get a client.
        client = client.tls_certs_only([]);
    }
    if let Some(own) = &options.client_certificate {
        client = client.identity(identity(own)?);
    }
    client = match &options.proxy {
        Proxy::FromEnvironment if !is_loopback(base) => client,
        Proxy::FromEnvironment | Proxy::Direct => client.no_proxy(),
        Proxy::Via(address) => client.proxy(reqwest::Proxy::all(address).map_err(HttpSetupError::Proxy)?),
    };
    client.build().map_err(HttpSetupError::Client)
}

fn identity(own: &ClientCertificate) -> Result<reqwest::Identity, HttpSetupError> {
    let bad = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| HttpSetupError::ClientCertificate {
        path: path.to_owned(),
        source,
    };
    let mut pem = std::fs::read(&own.key).map_err(|e| bad(&own.key, e.into()))?;
    let chain = std::fs::read(&own.certificate).map_err(|e| bad(&own.certificate, e.into()))?;
    // A file may end without a new line.
    pem.push(b'\n');
    pem.extend_from_slice(&chain);
    reqwest::Identity::from_pem(&pem).map_err(|e| bad(&own.certificate, e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let own = rcgen::generate_simple_self_signed(["station".to_owned()]).unwrap();
        std::fs::write(path("cert.pem"), own.cert.pem().trim_end()).unwrap();
        std::fs::write(path("key.pem"), own.signing_key.serialize_pem().trim_end()).unwrap();
        std::fs::write(path("no.pem"), "nothing").unwrap();
        let with = |certificate: &str, key: &str| HttpOptions {
            client_certificate: Some(ClientCertificate { certificate: path(certificate), key: path(key) }),
            ..HttpOptions::default()
        };
        assert!(client("http://h", &with("cert.pem", "key.pem")).is_ok());
        for (certificate, key) in
            [("cert.pem", "no.pem"), ("no.pem", "key.pem"), ("gone", "key.pem"), ("cert.pem", "gone")]
        {
            let error = client("http://h", &with(certificate, key)).unwrap_err();
            assert!(matches!(error, HttpSetupError::ClientCertificate { .. }), "{certificate} {key}: {error:?}");
        }
        for name in ["no.pem", "gone"] {
            let options = HttpOptions { ca_file: Some(path(name)), ..HttpOptions::default() };
            assert!(matches!(client("https://h", &options), Err(HttpSetupError::CaFile { .. })));
        }
        let options = HttpOptions { proxy: Proxy::Via("not an address".to_owned()), ..HttpOptions::default() };
        assert!(matches!(client("https://h", &options), Err(HttpSetupError::Proxy(_))));
    }
}
