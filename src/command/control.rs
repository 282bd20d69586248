//! The way from the command line to the running daemon: a Unix socket, one JSON request and one JSON
//! reply a line. The peer's credentials, told by the kernel, give the actor; nothing that the peer says does.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Ask, Caller, FileDocument, Incoming, Reply, Request};
use crate::domain::event::Actor;
use crate::domain::why::Why;
use crate::runtime::task;

/// Longest request: a roster of some 100,000 rows.
const MAX_REQUEST_BYTES: u64 = 32 << 20;
/// Of a document that is read at once.
const CHUNK_BYTES: usize = 64 << 10;

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
            Ok(Request::FileDocument(document)) => file(&*desk, &caller, document, &mut lines).await?,
            Ok(request) => desk.ask(&caller, request).await,
            Err(e) => Reply::refused("invalid", Why::OtherVersion { detail: e.to_string() }),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
}

/// A document comes behind its line. Whatever is said of it, all of its bytes are read, so that its sender hears that.
async fn file(
    desk: &dyn Ask,
    caller: &Caller,
    document: FileDocument,
    lines: &mut (impl AsyncReadExt + Unpin),
) -> std::io::Result<Reply> {
    let (to_desk, from_here) = tokio::sync::mpsc::channel(4);
    let coming = futures_util::stream::unfold(from_here, |mut from_here| async move {
        from_here.recv().await.map(|chunk| (chunk, from_here))
    });
    // Its reader may look once more behind the end.
    let bytes: Incoming = Box::pin(coming.fuse());
    let size = document.size_bytes;
    let reading = async {
        let mut left = size;
        let mut wanted = true;
        while left > 0 {
            let mut chunk = BytesMut::zeroed(CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES)));
            let n = lines.read(&mut chunk).await?;
            if n == 0 {
                let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                let _ = to_desk.send(Err(gone())).await;
                return Err(gone());
            }
            chunk.truncate(n);
            left -= n as u64;
            if wanted {
                wanted = to_desk.send(Ok(chunk.freeze())).await.is_ok();
            }
        }
        drop(to_desk);
        Ok(())
    };
    let (read, reply) = tokio::join!(reading, desk.file(caller, document, bytes));
    read.map(|()| reply)
}

/// Sends a document to the daemon at `path`; `Ok(None)` when none is running there.
pub fn send(path: &Path, document: FileDocument, file: &mut impl Read) -> std::io::Result<Option<Reply>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let mut stream = match std::os::unix::net::UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(e) => return Err(e),
    };
    let size = document.size_bytes;
    let mut line = serde_json::to_vec(&Request::FileDocument(document))?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let sent = std::io::copy(&mut file.take(size), &mut stream)?;
    if sent < size {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "the file became shorter while it was read",
        ));
    }
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply)?;
    Ok(Some(serde_json::from_str(&reply)?))
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
