//! The page's door: listener, TLS, and the bell that tells open pages that something changed.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::certificate::make_own;
use super::guests::Guests;
use super::live::{Live, Topic};
use super::site::Site;
use crate::config::Web;
use crate::domain::error::{Retry, Retryable};
use crate::runtime::board::Board;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskSpec};
use crate::store::{Change, Store};

/// How often the board is looked at for progress that is in no transaction.
const BOARD_LOOK: Duration = Duration::from_millis(500);
/// How long open connections may take to end at a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Connections at the same time. Two hundred viewers have two or three each; the rest of the open files is intake's.
const CONNECTIONS: usize = 1024;
/// A request's head that has not come by then is given up; so is a connection that rests.
const HEAD_WITHIN: Duration = Duration::from_secs(20);

/// A bound listener.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
}

impl Bound {
    /// The page's address.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
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
            Some(RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await.map_err(unusable)?)
        }
        None => None,
    };
    Ok(Bound { listener, address, tls })
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
            let guests = Guests::at_most(CONNECTIONS);
            let serving = async {
                match tls {
                    Some(tls) => {
                        let server = axum_server::from_tcp_rustls(listener, tls)?;
                        patient(server.map(|tls| tls.acceptor(guests))).handle(handle).serve(app).await
                    }
                    None => patient(axum_server::from_tcp(listener)?.acceptor(guests)).handle(handle).serve(app).await,
                }
            };
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

/// With the page's time limits.
fn patient<A>(mut server: Server<SocketAddr, A>) -> Server<SocketAddr, A> {
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    server
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
                Ok(Change::Docks | Change::Destinations | Change::Recorders | Change::Recordings) => topics.extend([Topic::Station]),
                // A list that lags behind looks at everything again.
                Err(RecvError::Lagged(_)) => topics.extend([Topic::Station, Topic::Clips]),
                Ok(Change::Isolated | Change::Holds) => topics.extend([Topic::Clips, Topic::Station]),
                Ok(Change::Outbox | Change::Log | Change::Accounts) => {}
                Err(RecvError::Closed) => return,
            },
        }
        if !topics.is_empty() {
            bell.tell(&topics.into_iter().collect::<Vec<_>>());
        }
    }
}
