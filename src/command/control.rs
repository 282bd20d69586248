//! The way from the command line to the running daemon: a Unix socket, one JSON request and one JSON
//! reply a line. The peer's credentials, told by the kernel, give the actor; nothing that the peer says does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::event::Actor;
use crate::runtime::task;

/// Longest request: a roster of some 100,000 rows.
const MAX_REQUEST_BYTES: u64 = 32 << 20;

/// Binds the socket, for its owner and group only; a socket left by an earlier run is replaced (the caller
/// holds the state directory's lock).
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves the socket until `stop`.
pub async fn serve(listener: UnixListener, desk: Arc<dyn Ask>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                task::spawn_named("control-peer", async move {
                    if let Err(e) = answer(stream, desk).await {
                        tracing::debug!(error = %e, "a command line peer went away");
                    }
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "the control socket failed to accept");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, desk: Arc<dyn Ask>) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let caller = Caller::new(Actor::os(uid), "cli", "local");
    let (read, mut write) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let n = (&mut lines).take(MAX_REQUEST_BYTES).read_until(b'\n', &mut line).await?;
        if n == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => desk.ask(&caller, request).await,
            Err(e) => Reply::refused(
                "invalid",
                format!(
                    "the running daemon does not know this request ({e}); is it of another version? restart it after an upgrade"
                ),
            ),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
}

/// Asks the daemon at `path`. `Ok(None)` when none is running there.
pub fn ask(path: &Path, request: &Request) -> std::io::Result<Option<Reply>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let mut stream = match std::os::unix::net::UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply)?;
    if reply.is_empty() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "the daemon closed the connection without an answer",
        ));
    }
    Ok(Some(serde_json::from_str(&reply)?))
}
