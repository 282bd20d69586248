//! One SSH connection with one SFTP session on it: whom it talks to, who we are there, and the requests that we make,
//! each watched. A host key that was not agreed on ends it before anything of ours, a password least of all, is sent.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{MethodKind, SshId};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::extensions;
use russh_sftp::protocol::{Packet, Status, StatusCode};

use super::SftpOptions;
use crate::deliver::line::{self, while_moving};
use crate::domain::error::chain;
use crate::domain::ports::SendError;

/// OpenSSH's rename that takes names over (PROTOCOL, 4.3), for servers without the ordinary one.
const POSIX_RENAME: &str = "posix-rename@openssh.com";
/// Bytes in one read or write: every server takes packets of 34,000 bytes (draft-ietf-secsh-filexfer-02, 3).
const REQUEST_BYTES: u64 = 32 << 10;
/// An idle connection is kept alive so often; after three silences it is given up, and the next request makes another.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The crate's own limit on an answer; ours is [`while_moving`], so this one only must not come before.
const NEVER_S: u64 = 24 * 3600;

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no.
    Refused(Status),
    /// No answer came for the idle time-out.
    Stalled,
    /// The connection broke, or the server broke the protocol.
    Broken(String),
}

impl Fault {
    /// Whether the server said so.
    pub fn is(&self, code: StatusCode) -> bool {
        matches!(self, Self::Refused(status) if status.status_code == code)
    }
}

/// A connection that is logged in.
pub(super) struct Connection {
    ssh: client::Handle<Host>,
    sftp: RawSftpSession,
    /// It can make a file durable.
    syncs: AtomicBool,
    /// It has a rename that takes names over.
    pub posix_rename: bool,
    /// It tells how much room there is.
    pub tells_room: bool,
    /// Bytes in one request.
    pub request_bytes: u32,
    /// Answers so far: what tells a stall.
    answers: AtomicU64,
    idle: Duration,
    broken: AtomicBool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, compares the host key, logs in, begins SFTP.
    pub async fn open(options: &SftpOptions) -> Result<Self, SendError> {
        let unreachable = |what: String| SendError::Unreachable { destination: options.name.clone(), what };
        let stream = line::connect(&options.host, options.port, options.connect_timeout)
            .await
            .map_err(|e| unreachable(format!("{}:{}: {e}", options.host, options.port)))?;
        let begun = tokio::time::timeout(options.idle_timeout, Self::log_in(options, stream)).await;
        begun.unwrap_or_else(|_| {
            Err(unreachable(format!("nothing came of a connection within {} s", options.idle_timeout.as_secs())))
        })
    }

    async fn log_in(options: &SftpOptions, stream: tokio::net::TcpStream) -> Result<Self, SendError> {
        let unreachable = |what: String| SendError::Unreachable { destination: options.name.clone(), what };
        let config = client::Config {
            client_id: SshId::Standard(concat!("SSH-2.0-evidock_", env!("CARGO_PKG_VERSION")).into()),
            keepalive_interval: Some(KEEP_ALIVE),
            ..client::Config::default()
        };
        let host = Host { pinned: options.host_key.clone() };
        let mut ssh = client::connect_stream(Arc::new(config), stream, host).await.map_err(|e| match e {
            HostFault::Key { what } => SendError::Refused { destination: options.name.clone(), what },
            // Algorithms do not change by waiting.
            HostFault::Ssh(e @ russh::Error::NoCommonAlgo { .. }) => {
                SendError::Refused { destination: options.name.clone(), what: chain(&e) }
            }
            HostFault::Ssh(e) => unreachable(chain(&e)),
        })?;
        authenticate(options, &mut ssh).await?;
        let broken = |e: russh::Error| unreachable(chain(&e));
        let channel = ssh.channel_open_session().await.map_err(broken)?;
        channel.request_subsystem(true, "sftp").await.map_err(broken)?;
        let config = russh_sftp::client::Config { request_timeout_secs: NEVER_S, ..Default::default() };
        let sftp = RawSftpSession::new_with_config(channel.into_stream(), config);
        let version = sftp.init().await.map_err(|e| SendError::Refused {
            destination: options.name.clone(),
            what: format!("it lets us in and offers no SFTP ({e})"),
        })?;
        let has = |name: &str| version.extensions.contains_key(name);
        let limits = if has(extensions::LIMITS) { sftp.limits().await.ok() } else { None };
        let most = limits.map_or(0, |limits| limits.max_read_len.min(limits.max_write_len));
        // Zero is a server's word for "no limit of its own"; more than the customary size helps nobody.
        let request_bytes = if most == 0 { REQUEST_BYTES } else { most.min(REQUEST_BYTES) } as u32;
        Ok(Self {
            syncs: AtomicBool::new(has(extensions::FSYNC)),
            posix_rename: has(POSIX_RENAME),
            tells_room: has(extensions::STATVFS),
            request_bytes,
            ssh,
            sftp,
            answers: AtomicU64::new(0),
            idle: options.idle_timeout,
            broken: AtomicBool::new(false),
        })
    }

    /// Whether further requests can be made.
    pub fn is_usable(&self) -> bool {
        !self.broken.load(Ordering::Relaxed) && !self.ssh.is_closed()
    }

    /// Whether it can make a file durable.
    pub fn syncs(&self) -> bool {
        self.syncs.load(Ordering::Relaxed)
    }

    /// It offered to and refused.
    pub fn does_not_sync(&self) {
        self.syncs.store(false, Ordering::Relaxed);
    }

    /// Makes one request and waits for its answer, as long as the server answers anything at all.
    pub async fn ask<'a, T, F>(&'a self, request: impl FnOnce(&'a RawSftpSession) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, SftpError>> + 'a,
    {
        let answer = while_moving(&self.answers, self.idle, request(&self.sftp)).await;
        self.answers.fetch_add(1, Ordering::Relaxed);
        let fault = match answer {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(SftpError::Status(status))) => return Err(Fault::Refused(status)),
            Some(Err(error)) => Fault::Broken(error.to_string()),
            None => Fault::Stalled,
        };
        // What is under way on it fails at once instead of waiting, too.
        self.broken.store(true, Ordering::Relaxed);
        Err(fault)
    }

    /// Renames in the way that may take a name over.
    pub async fn posix_rename(&self, from: &str, to: &str) -> Result<(), Fault> {
        let mut data = Vec::with_capacity(8 + from.len() + to.len());
        for text in [from, to] {
            data.extend_from_slice(&(text.len() as u32).to_be_bytes());
            data.extend_from_slice(text.as_bytes());
        }
        match self.ask(|sftp| sftp.extended(POSIX_RENAME, data)).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(Fault::Refused(status)),
            _ => Err(Fault::Broken("an answer of another kind".to_owned())),
        }
    }
}

/// Proves who we are: by key, by password, or by both where the server asks for both.
async fn authenticate(options: &SftpOptions, ssh: &mut client::Handle<Host>) -> Result<(), SendError> {
    let refused = |what: String| SendError::Refused { destination: options.name.clone(), what };
    let broken = |e: russh::Error| SendError::Unreachable { destination: options.name.clone(), what: chain(&e) };
    let mut last = None;
    if let Some(file) = &options.private_key {
        let text = file.read_text().map_err(|e| refused(chain(&e)))?;
        let unusable = |why: String| refused(format!("the private key in {} {why}", file.path().display()));
        let key = decode_secret_key(text.expose(), None).map_err(|e| match e {
            russh::keys::Error::KeyIsEncrypted => {
                unusable("has a passphrase; store it without one, as a systemd credential".to_owned())
            }
            // The words of the crate tell of the format and never repeat a key.
            e => unusable(format!("cannot be used: {}", chain(&e))),
        })?;
        if key.algorithm().is_rsa() {
            return Err(unusable("is an RSA key; make one with `ssh-keygen -t ed25519`".to_owned()));
        }
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        match ssh.authenticate_publickey(&options.user, key).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => last = Some(remaining_methods),
        }
    }
    if let Some(file) = &options.password {
        let password = file.read().map_err(|e| refused(chain(&e)))?;
        match ssh.authenticate_password(&options.user, password.expose()).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => {
                let asks = remaining_methods.contains(&MethodKind::KeyboardInteractive);
                last = Some(remaining_methods);
                if asks && !ssh.is_closed() && answer_prompts(options, ssh, password.expose()).await.map_err(broken)? {
                    return Ok(());
                }
            }
        }
    }
    // The crate tells a connection that broke meanwhile as a refusal, too.
    if ssh.is_closed() {
        let what = "the connection broke while logging in".to_owned();
        return Err(SendError::Unreachable { destination: options.name.clone(), what });
    }
    let takes: Vec<&str> = last.iter().flat_map(|methods| methods.iter()).map(|method| method.into()).collect();
    let takes = if takes.is_empty() { String::new() } else { format!(" (it takes {})", takes.join(", ")) };
    Err(refused(format!("it does not let {} in{takes}; check user, password_file and private_key_file", options.user)))
}

/// Gives the password to a server that asks for it in a dialogue; to nothing but a single hidden question.
async fn answer_prompts(
    options: &SftpOptions,
    ssh: &mut client::Handle<Host>,
    password: &str,
) -> Result<bool, russh::Error> {
    let mut answer = ssh.authenticate_keyboard_interactive_start(&options.user, None).await?;
    let mut given = false;
    // A server may send any number of dialogues without a question.
    for _ in 0..8 {
        answer = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let responses = match prompts.as_slice() {
                    [] => Vec::new(),
                    [one] if !one.echo && !given => vec![password.to_owned()],
                    _ => return Ok(false),
                };
                given |= !responses.is_empty();
                ssh.authenticate_keyboard_interactive_respond(responses).await?
            }
        };
    }
    Ok(false)
}

/// The server as we expect it.
pub(super) struct Host {
    /// Fingerprint of its key.
    pinned: Option<String>,
}

/// Why a connection did not come to be.
#[derive(Debug)]
pub(super) enum HostFault {
    Key { what: String },
    Ssh(russh::Error),
}

impl From<russh::Error> for HostFault {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl client::Handler for Host {
    type Error = HostFault;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HostFault> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return Err(HostFault::Key { what: "it shows a certificate in place of a host key".to_owned() });
        };
        let (fingerprint, kind) = (key.fingerprint(HashAlg::Sha256).to_string(), key.algorithm());
        match self.pinned.as_deref() {
            Some(pinned) if pinned == fingerprint => Ok(true),
            Some(pinned) => Err(HostFault::Key {
                what: format!(
                    "its host key is {fingerprint} ({kind}), and host_key says {pinned}: somebody may stand in between; \
                     ask its keeper, and change host_key only if the server was given a new key"
                ),
            }),
            None => Err(HostFault::Key {
                what: format!(
                    "its host key is not known; it shows {fingerprint} ({kind}): compare that with what its keeper says, \
                     then write host_key = \"{fingerprint}\""
                ),
            }),
        }
    }
}
