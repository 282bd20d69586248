//! A connection to a server by host name: made in time, and watched, so that a line that died is told from a slow one.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

/// Connects to the first address of `host` that answers.
pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(limit, TcpStream::connect((host, port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())))??;
    // Requests are small and wait for their answers.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Waits for `work` as long as `progress` grows; `None` when it did not for `idle` (at most twice that long).
pub(super) async fn while_moving<T>(progress: &AtomicU64, idle: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    let mut seen = progress.load(Ordering::Relaxed);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            () = tokio::time::sleep(idle) => {
                let now = progress.load(Ordering::Relaxed);
                if now == seen {
                    return None;
                }
                seen = now;
            }
        }
    }
}
