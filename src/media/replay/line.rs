//! A connection to a recorder, plain or TLS: every wait has an end. Runs inside a worker.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::domain::stream::Trust;
use crate::media::stream::trust;
use crate::runtime::clock::monotonic;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address, without brackets.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// With TLS.
    pub tls: bool,
}

impl Host {
    /// Of an address; its scheme tells the port where none stands there.
    pub fn of(url: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let (tls, port) = match uri.scheme_str()? {
            "http" => (false, 80),
            "https" => (true, 443),
            "rtsp" => (false, 554),
            "rtsps" => (true, 322),
            _ => return None,
        };
        let name = uri.host()?.trim_matches(['[', ']']).to_owned();
        Some(Self { name, port: uri.port_u16().unwrap_or(port), tls })
    }
}

/// A connection.
pub struct Line {
    socket: Socket,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    /// Connects, within `limit`.
    pub fn connect(host: &Host, trust: &Trust, limit: Duration) -> io::Result<Self> {
        let until = monotonic() + limit;
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "this name has no address");
        for address in (host.name.as_str(), host.port).to_socket_addrs()?.take(ADDRESSES) {
            match TcpStream::connect_timeout(&address, left(until)?) {
                Ok(tcp) => {
                    tcp.set_nodelay(true)?;
                    let socket = match host.tls {
                        false => Socket::Plain(tcp),
                        true => Socket::Tls(Box::new(shake_hands(tcp, host, trust, until)?)),
                    };
                    return Ok(Self { socket });
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }

    /// Some bytes; 0 at the end. Nothing until `until` is [`io::ErrorKind::TimedOut`].
    pub fn read(&mut self, buf: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            self.tcp().set_read_timeout(Some(left(until)?))?;
            let read = match &mut self.socket {
                Socket::Plain(tcp) => tcp.read(buf),
                Socket::Tls(tls) => tls.read(buf),
            };
            match read {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Recorders rarely end TLS in order; what was received is judged by its own lengths.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
        }
    }

    /// All of these bytes, within `limit`.
    pub fn write(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.tcp().set_write_timeout(Some(limit))?;
        match &mut self.socket {
            Socket::Plain(tcp) => tcp.write_all(bytes),
            Socket::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.socket {
            Socket::Plain(tcp) => tcp,
            Socket::Tls(tls) => &tls.sock,
        }
    }
}

/// What is left of a time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(monotonic());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn shake_hands(
    mut tcp: TcpStream,
    host: &Host,
    trust: &Trust,
    until: Instant,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let public = match trust {
        // Its worker reads no public authorities, and nothing else may count.
        Trust::Pinned(_) => None,
        _ => rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).ok(),
    };
    let judge = Judge { trust: trust.clone(), host: host.name.clone(), public, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    let name = ServerName::try_from(host.name.clone()).map_err(io::Error::other)?;
    let mut client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while client.is_handshaking() {
        tcp.set_read_timeout(Some(left(until)?))?;
        tcp.set_write_timeout(Some(left(until)?))?;
        match client.complete_io(&mut tcp) {
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(StreamOwned::new(client, tcp))
}

/// Judges certificates as the configuration says ([`trust`]).
#[derive(Debug)]
struct Judge {
    trust: Trust,
    host: String,
    public: Option<rustls_platform_verifier::Verifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf).chain(rest).map(|c| c.to_vec()).collect();
        if trust::counts(&self.trust, Some(&self.host), &chain) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.public {
            Some(public) => public.verify_server_cert(leaf, rest, name, ocsp, now),
            None => Err(rustls::Error::General("the certificate is not the one that is pinned".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_addresses() {
        let host = |url| Host::of(url).map(|h| (h.name, h.port, h.tls));
        assert_eq!(host("http://192.0.2.7/onvif/device_service"), Some(("192.0.2.7".into(), 80, false)));
        assert_eq!(host("rtsps://[::1]/x"), Some(("::1".into(), 322, true)));
        assert_eq!(host("rtsp://a:8554/x"), Some(("a".into(), 8554, false)));
        assert_eq!((host("ftp://a/"), host("a"), host("")), (None, None, None));
    }

    #[test]
    fn silence_and_a_closed_door_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host { name: "127.0.0.1".into(), port, tls: false };
        let mut line = Line::connect(&host, &Trust::Public, Duration::from_secs(5)).unwrap();
        let error = line.read(&mut [0; 8], monotonic() + Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // A recorder that takes the connection and says nothing does not hold a handshake up.
        let tls = Host { tls: true, ..host.clone() };
        let error = Line::connect(&tls, &Trust::Public, Duration::from_millis(50)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(listener);
        assert!(Line::connect(&host, &Trust::Public, Duration::from_secs(5)).is_err());
    }
}
