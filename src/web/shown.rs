//! What a browser showed of itself when it connected over TLS: its certificate, handed on with each request of the connection.
//! Nothing is believed here; `access::certificate` checks it when somebody signs in with it.

use std::io;
use std::pin::Pin;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tower::Layer;

use super::guests::{Guests, Seat};
use crate::access::certificate::{ClientCa, Shown};

/// The same listener, which also asks browsers for a certificate.
pub fn asking(tls: &RustlsConfig, authority: &ClientCa) -> RustlsConfig {
    let given = tls.get_inner();
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(authority.asking())
        .with_cert_resolver(given.cert_resolver.clone());
    config.alpn_protocols.clone_from(&given.alpn_protocols);
    RustlsConfig::from_config(config.into())
}

/// Lets connections in over TLS, and keeps what they showed.
#[derive(Clone)]
pub struct Looks(pub RustlsAcceptor<Guests>);

/// What serves a connection: told where it comes from, and what it showed.
type Told<S> = AddExtension<AddExtension<S, Seat>, Option<Shown>>;
/// A connection with its service, once it is let in.
type LetIn<T, S> = Pin<Box<dyn Future<Output = io::Result<(T, Told<S>)>> + Send>>;

impl<S: Send + 'static> Accept<TcpStream, S> for Looks {
    type Stream = <RustlsAcceptor<Guests> as Accept<TcpStream, S>>::Stream;
    type Service = Told<S>;
    type Future = LetIn<Self::Stream, S>;

    fn accept(&self, connection: TcpStream, service: S) -> Self::Future {
        let accepting = self.0.accept(connection, service);
        Box::pin(async move {
            let (stream, service) = accepting.await?;
            let chain = stream.get_ref().1.peer_certificates().filter(|chain| !chain.is_empty());
            let shown = chain.map(|chain| Shown(chain.iter().map(|c| c.clone().into_owned()).collect()));
            Ok((stream, Extension(shown).layer(service)))
        })
    }
}
