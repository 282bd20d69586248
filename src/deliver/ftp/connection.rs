//! One control connection, logged in and in binary mode: how it comes to be, with TLS or, where that was asked for,
//! without, and what the server's replies mean. Each step has its time limit.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsFtpStream, AsyncRustlsStream, TransferStream};
use suppaftp::tokio_rustls::TlsConnector;
use suppaftp::types::{FileType, Mode};
use suppaftp::{FtpError, FtpResult, Status};
use tokio::net::TcpSocket;

use super::{FtpOptions, FtpSetupError, FtpTls};
use crate::deliver::line;
use crate::domain::error::chain;
use crate::domain::ports::SendError;

/// What the kernel may hold of an upload before the server has it: after the last write the reply comes within the
/// time-out even on a line of 0.1 Mbit/s. 1 MiB on a line of 100 ms is 80 Mbit/s.
const SEND_BUFFER_BYTES: u32 = 1 << 20;

/// TLS sessions that a control connection keeps for its data connections; servers give one or two at a time.
const SESSIONS_KEPT: usize = 16;

/// A transfer on its data connection.
pub(super) type Transfer = TransferStream<AsyncRustlsStream>;

/// Why a step was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no, with its code and its words.
    Refused(u32, String),
    /// Nothing came for the idle time-out.
    Stalled,
    /// The connection broke, or the server broke the protocol.
    Broken(String),
    /// The server's certificate is not trusted, or TLS cannot be agreed on.
    Untrusted(String),
}

impl Fault {
    /// "There is no such file", which FTP does not tell from "you may not" (RFC 959, 4.2: 550).
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused(550, _))
    }
}

impl From<FtpError> for Fault {
    fn from(error: FtpError) -> Self {
        match error {
            FtpError::UnexpectedResponse(response) => {
                let code = response.status.code();
                let words = String::from_utf8_lossy(&response.body).trim().replace(char::is_control, " ");
                // The server is going (vsftpd says OOPS when it gives up); the connection is of no more use.
                if code == 421 || words.starts_with("500 OOPS") {
                    Self::Broken(words)
                } else {
                    Self::Refused(code, words)
                }
            }
            FtpError::SecureError(what) => Self::tls(what),
            FtpError::ConnectionError(error) => Self::from_io(&error),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl Fault {
    /// What a failure to read or write means.
    pub fn from_io(error: &std::io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Self::tls(tls.to_string()),
            None => Self::Broken(chain(error)),
        }
    }

    /// A certificate needs a person; a connection that ended during a handshake does not. The crate hands the error on
    /// as text.
    fn tls(what: String) -> Self {
        if what.contains("certificate") || what.contains("handshake") && what.contains("alert") {
            Self::Untrusted(what)
        } else {
            Self::Broken(what)
        }
    }
}

/// How connections of a destination do TLS.
pub(super) fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, FtpSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(FtpSetupError::Tls)?;
    let builder = match ca_file {
        Some(path) => {
            let bad = |source| FtpSetupError::CaFile { path: path.to_owned(), source };
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(Box::new(e)))? {
                let certificate = certificate.map_err(|e| bad(Box::new(e)))?;
                roots.add(certificate).map_err(|e| bad(Box::new(e)))?;
            }
            if roots.is_empty() {
                return Err(bad("it holds no certificate".into()));
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier().map_err(FtpSetupError::Tls)?,
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// A control connection.
pub(super) struct Control {
    pub ftp: AsyncRustlsFtpStream,
    /// The root as the server calls it.
    pub root: String,
    /// It lists for machines (RFC 3659, 7).
    pub mlsd: bool,
    /// How long a step may take.
    pub idle: Duration,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Control {
    /// Connects, agrees on TLS, logs in, goes to the root.
    pub async fn open(options: &FtpOptions, tls: Option<&Arc<ClientConfig>>) -> Result<Self, SendError> {
        let ftp = tokio::time::timeout(options.connect_timeout, connect(options, tls)).await;
        let ftp = match ftp {
            Ok(ftp) => ftp.map_err(|fault| opening(options, fault))?,
            Err(_) => {
                return Err(unreachable(options, format!("no answer within {} s", options.connect_timeout.as_secs())));
            }
        };
        let mut control = Self { ftp, root: String::new(), mlsd: false, idle: options.idle_timeout };
        control.log_in(options).await?;
        Ok(control)
    }

    async fn log_in(&mut self, options: &FtpOptions) -> Result<(), SendError> {
        let refused = |what: String| SendError::Refused { destination: options.name.clone(), what };
        let password = options.password.read().map_err(|e| refused(chain(&e)))?;
        match within(self.idle, self.ftp.login(options.user.as_str(), password.expose())).await {
            Ok(()) => {}
            Err(Fault::Refused(code, words)) => {
                let what = format!(
                    "it does not let {} in ({code}: {words}); check user, password_file and what the server allows",
                    options.user
                );
                return Err(refused(what));
            }
            Err(fault) => return Err(opening(options, fault)),
        }
        let binary = within(self.idle, self.ftp.transfer_type(FileType::Binary)).await;
        binary.map_err(|fault| opening(options, fault))?;
        // What is not offered is not used; a server without FEAT offers nothing beyond RFC 959.
        let features = match within(self.idle, self.ftp.feat()).await {
            Ok(features) => features,
            Err(Fault::Refused(..)) => Default::default(),
            Err(fault) => return Err(opening(options, fault)),
        };
        let has = |name: &str| features.keys().any(|key| key.eq_ignore_ascii_case(name));
        if has("UTF8") {
            // Some speak UTF-8 only after they were asked, some refuse to be asked (RFC 2640 knows no such command).
            match within(self.idle, self.ftp.opts("UTF8", Some("ON"))).await {
                Ok(()) | Err(Fault::Refused(..)) => {}
                Err(fault) => return Err(opening(options, fault)),
            }
        }
        self.mlsd = has("MLST") || has("MLSD");
        if has("EPSV") {
            self.ftp.set_mode(Mode::ExtendedPassive);
        } else {
            // The address in a reply to PASV is the server's own idea of itself, wrong behind NAT and a way to lead us elsewhere.
            self.ftp.set_passive_nat_workaround(true);
        }
        let root = &options.root;
        match within(self.idle, self.ftp.cwd(root)).await {
            Ok(()) => {}
            Err(Fault::Refused(code, words)) => {
                // A typing error in the root must not grow a tree of its own somewhere.
                let what = format!("there is no directory {root} ({code}: {words}); make it, or correct root");
                return Err(refused(what));
            }
            Err(fault) => return Err(opening(options, fault)),
        }
        let told = within(self.idle, self.ftp.pwd()).await.map_err(|fault| opening(options, fault))?;
        self.root = told.trim_end_matches('/').to_owned();
        Ok(())
    }

    /// The server's path of a key.
    pub fn path(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    /// Waits for `work` on a data connection, in time.
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::time::timeout(self.idle, work).await.map_err(|_| Fault::Stalled)
    }

    /// What the server says of a transfer that broke on our side: its reply tells more than our broken pipe does.
    pub async fn why(&mut self, broken: Fault) -> Fault {
        let reply = tokio::time::timeout(self.idle.min(Duration::from_secs(10)), async {
            self.ftp.read_response_in(&[Status::ClosingDataConnection, Status::RequestedFileActionOk]).await
        });
        match reply.await {
            Ok(Err(error @ FtpError::UnexpectedResponse(_))) => error.into(),
            _ => broken,
        }
    }
}

/// One exchange with the server, in time.
pub(super) async fn within<T>(idle: Duration, work: impl Future<Output = FtpResult<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(idle, work).await {
        Ok(done) => done.map_err(Fault::from),
        Err(_) => Err(Fault::Stalled),
    }
}

async fn connect(options: &FtpOptions, tls: Option<&Arc<ClientConfig>>) -> Result<AsyncRustlsFtpStream, Fault> {
    // Data connections resume the session of their own control connection: servers ask for that as the proof that both are
    // the same guest's. What another control connection may resume is another's, so each keeps its sessions to itself.
    let connector = tls.map(|config| {
        let mut config = ClientConfig::clone(config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
        AsyncRustlsConnector::from(TlsConnector::from(Arc::new(config)))
    });
    let (host, port, limit) = (options.host.as_str(), options.port, options.connect_timeout);
    let ftp = match (options.tls, connector) {
        (FtpTls::Implicit, Some(connector)) => {
            let mut ftp = AsyncRustlsFtpStream::connect_secure_implicit((host, port), connector, host).await?;
            // The crate says this for explicit TLS alone; without it data connections would be in the clear (RFC 4217, 9).
            ftp.custom_command("PBSZ 0", &[Status::CommandOk]).await?;
            ftp.custom_command("PROT P", &[Status::CommandOk]).await?;
            ftp
        }
        (explicit, connector) => {
            let stream = line::connect(host, port, limit).await.map_err(|e| Fault::from_io(&e))?;
            let ftp = AsyncRustlsFtpStream::connect_with_stream(stream).await?;
            match connector {
                Some(connector) if explicit == FtpTls::Explicit => {
                    ftp.into_secure(connector, host).await.map_err(|error| match error.into() {
                        Fault::Refused(code, words) => Fault::Untrusted(format!("it offers no TLS ({code}: {words})")),
                        other => other,
                    })?
                }
                _ => ftp,
            }
        }
    };
    Ok(ftp.passive_stream_builder(move |address| Box::pin(data_connection(address, limit))))
}

async fn data_connection(address: SocketAddr, limit: Duration) -> FtpResult<tokio::net::TcpStream> {
    let connecting = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.connect(address).await
    };
    let connected = tokio::time::timeout(limit, connecting).await;
    connected
        .unwrap_or_else(|_| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "its data port does not answer")))
        .map_err(FtpError::ConnectionError)
}

/// What a fault while a connection came to be means.
fn opening(options: &FtpOptions, fault: Fault) -> SendError {
    let destination = options.name.clone();
    match fault {
        Fault::Untrusted(what) => SendError::Refused {
            destination,
            what: format!("{what}; set ca_file to the authority of its certificate, or tls to what it offers"),
        },
        Fault::Refused(code, words) => SendError::Refused { destination, what: format!("{code}: {words}") },
        Fault::Stalled => unreachable(options, format!("nothing moved for {} s", options.idle_timeout.as_secs())),
        Fault::Broken(what) => unreachable(options, what),
    }
}

fn unreachable(options: &FtpOptions, what: String) -> SendError {
    let what = format!("{}:{}: {what}", options.host, options.port);
    SendError::Unreachable { destination: options.name.clone(), what }
}
