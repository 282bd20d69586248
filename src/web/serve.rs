//! The page's door: listener, TLS, and the bell that tells open pages that something changed.
//!
//! HTTP/1.1 alone is spoken, over TLS, too: its limits are few and all of them hold here (`Limits`). HTTP/2 has streams, windows
//! and settings of its own, which a connection can leave open for ever without a limit of ours seeing it; what it would bring on
//! the agency's own network is little, since pages are small and hidden ones let their streams go (assets/live.js).

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::certificate::make_own;
use super::guests::Guests;
use super::live::{Live, Topic};
use super::shown::{Looks, asking};
use super::site::Site;
use crate::access::certificate::{ClientCa, ClientCaError};
use crate::config::Web;
use crate::domain::error::{Retry, Retryable};
use crate::runtime::board::Board;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::store::{Change, Store};

/// How often the board is looked at for progress that is in no transaction.
const BOARD_LOOK: Duration = Duration::from_millis(500);
/// How long open connections may take to end at a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// What a connection may take of the page's room and time.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Connections at the same time.
    connections: usize,
    /// What has not shaken hands by then is given up, however it goes on about it (TLS).
    handshake: Duration,
    /// A request's head that has not come by then is given up, the first as well as the next; so is a connection that rests.
    head: Duration,
    /// Something of an answer is taken in this time. How long all of it takes is not bounded: hours of video and streams of
    /// events go on as long as they are read.
    taken: Duration,
}

impl Limits {
    /// The page's. Two hundred viewers have two or three connections each, and the rest of the open files is intake's; a
    /// handshake is two round trips and a signature of a slow computer; a player that was paused for a minute asks for the
    /// rest by a range when it goes on.
    const PAGE: Self = Self {
        connections: 1024,
        handshake: Duration::from_secs(10),
        head: Duration::from_secs(20),
        taken: Duration::from_secs(60),
    };
}

/// A bound listener.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
    client_ca: Option<ClientCa>,
}

impl Bound {
    /// The page's address.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Who signs the certificates of people, where browsers are asked for one.
    pub fn client_ca(&self) -> Option<&ClientCa> {
        self.client_ca.as_ref()
    }
}

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or is not ours.
    #[error("the page cannot listen on {address}; is another evidock running there? choose another [web] listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The one that the station makes itself cannot be made.
    #[error("the page's own certificate {path} cannot be made; is the disk full, or the directory not the daemon's?")]
    OwnCertificate {
        /// Its file.
        path: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The authority of people's certificates cannot be read.
    #[error(transparent)]
    ClientCa(#[from] ClientCaError),
    /// Certificate or key cannot be read or do not fit.
    #[error(
        "the page's certificate {certificate} or its key {key} cannot be used; give both in PEM form, readable by the daemon"
    )]
    Certificate {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
}

impl Retryable for ServeError {
    fn retry(&self) -> Retry {
        Retry::Operator
    }
}

/// Binds the page's address and reads its certificate. rustls' provider must have been installed.
pub async fn bind(web: &Web) -> Result<Bound, ServeError> {
    let failed = |source| ServeError::Listen { address: web.listen, source };
    let listener = TcpListener::bind(web.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let tls = match &web.tls {
        Some(tls) => {
            let unusable = |source| {
                let (certificate, key) = (tls.certificate.display().to_string(), tls.key.display().to_string());
                ServeError::Certificate { certificate, key, source }
            };
            if tls.own {
                let path = || tls.certificate.display().to_string();
                make_own(&tls.certificate, &web.names, web.listen.ip())
                    .map_err(|source| ServeError::OwnCertificate { path: path(), source })?;
            }
            Some(http1(&RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await.map_err(unusable)?))
        }
        None => None,
    };
    let client_ca = web.client_ca.as_deref().map(ClientCa::read).transpose()?;
    let tls = match (tls, &client_ca) {
        (Some(tls), Some(authority)) => Some(asking(&tls, authority)),
        (tls, _) => tls,
    };
    Ok(Bound { listener, address, tls, client_ca })
}

/// Starts serving, the bell, and what closes viewings that are over.
pub fn start(supervisor: &mut Supervisor, bound: Bound, site: Arc<Site>, live: Arc<Live>, store: Store, board: Board) {
    let (listener, tls) = (Arc::new(bound.listener), bound.tls);
    let (served, bell) = (Arc::clone(&live), live);
    let viewings = Arc::clone(&site.viewings);
    supervisor.start(TaskSpec::new("viewings", Phase::Http, OnFailure::RESTART), move |context| {
        let viewings = Arc::clone(&viewings);
        async move {
            tokio::join!(viewings.run(&context.cancel), context.heart.beat_until(&context.cancel));
            Ok(())
        }
    });
    supervisor.start(TaskSpec::new("page", Phase::Http, OnFailure::RESTART), move |context| {
        let (listener, tls, live) = (Arc::clone(&listener), tls.clone(), Arc::clone(&served));
        let viewings = Arc::clone(&site.viewings);
        let app = crate::web::router(Arc::clone(&site)).into_make_service_with_connect_info::<SocketAddr>();
        async move {
            let handle = Handle::new();
            let ending = {
                let (handle, cancel) = (handle.clone(), context.cancel.clone());
                async move {
                    cancel.cancelled().await;
                    // Streams of live events would otherwise keep their connections for ever.
                    live.close();
                    handle.graceful_shutdown(Some(DRAIN));
                }
            };
            let listener = listener.try_clone()?;
            let serving = serve(listener, tls, Limits::PAGE, handle, app);
            tokio::pin!(serving);
            let outcome = tokio::select! {
                outcome = &mut serving => outcome,
                () = context.heart.beat_until(&context.cancel) => {
                    ending.await;
                    serving.await
                }
            };
            // Connections are gone: what was watched is closed while the log still takes entries (invariant 10).
            viewings.close_all().await;
            Ok(outcome?)
        }
    });
    supervisor.start(TaskSpec::new("bell", Phase::Http, OnFailure::RESTART), move |context| {
        let (store, board, bell) = (store.clone(), board.clone(), Arc::clone(&bell));
        async move {
            tokio::join!(ring(&store, &board, &bell, &context.cancel), context.heart.beat_until(&context.cancel));
            Ok(())
        }
    });
}

/// The same certificate for HTTP/1.1 alone.
fn http1(tls: &RustlsConfig) -> RustlsConfig {
    let mut config = ServerConfig::clone(&tls.get_inner());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    RustlsConfig::from_config(Arc::new(config))
}

/// Serves until the handle ends it.
async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    limits: Limits,
    handle: Handle<SocketAddr>,
    app: IntoMakeServiceWithConnectInfo<Router, SocketAddr>,
) -> io::Result<()> {
    let guests = Guests::at_most(limits.connections, limits.taken);
    match tls {
        Some(tls) => {
            let looks = |tls: RustlsAcceptor| Looks(tls.handshake_timeout(limits.handshake).acceptor(guests));
            let server = axum_server::from_tcp_rustls(listener, tls)?.map(looks);
            patient(server, &limits).handle(handle).serve(app).await
        }
        None => {
            let server = axum_server::from_tcp(listener)?.acceptor(guests);
            patient(server, &limits).handle(handle).serve(app).await
        }
    }
}

/// With the time limits of heads. The server would wait for ever for the first bytes, which say whether HTTP/2 is spoken: it is
/// not, and so the limit runs from the beginning.
fn patient<A>(mut server: Server<SocketAddr, A>, limits: &Limits) -> Server<SocketAddr, A> {
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    server.http1_only()
}

/// Tells open pages what changed, in the store and on the board.
async fn ring(store: &Store, board: &Board, bell: &Live, cancel: &CancellationToken) {
    let mut changes = store.changes();
    let mut ticks = tokio::time::interval(BOARD_LOOK);
    let mut seen = board.version();
    loop {
        let mut topics = HashSet::new();
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {
                let version = board.version();
                if version != seen {
                    seen = version;
                    topics.insert(Topic::Station);
                }
            }
            change = changes.recv() => match change {
                Ok(Change::Clip(clip)) => topics.extend([Topic::Clip(clip), Topic::Clips, Topic::Station]),
                Ok(Change::Cases) => topics.extend([Topic::Clips]),
                Ok(Change::Docks | Change::Destinations | Change::Recorders | Change::Recordings | Change::Alarms) => topics.extend([Topic::Station]),
                // A list that lags behind looks at everything again.
                Err(RecvError::Lagged(_)) => topics.extend([Topic::Station, Topic::Clips]),
                Ok(Change::Isolated | Change::Holds | Change::Exports) => topics.extend([Topic::Clips, Topic::Station]),
                Ok(Change::Outbox | Change::Log | Change::Accounts | Change::Derivatives | Change::Rules | Change::Outing(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
        if !topics.is_empty() {
            bell.tell(&topics.into_iter().collect::<Vec<_>>());
        }
    }
}

#[cfg(test)]
mod tests;
