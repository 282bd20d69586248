//! How many connections the page has at the same time. Each takes an open file, of which intake needs some, too: whoever comes
//! when the house is full is sent away at once, and everybody inside goes on.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets connections in as long as there is room.
#[derive(Debug, Clone)]
pub struct Guests(Arc<Semaphore>);

impl Guests {
    /// Room for so many.
    pub fn at_most(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections)))
    }
}

/// A connection that has its place until it is dropped.
#[derive(Debug)]
pub struct Guest<I> {
    connection: I,
    _place: OwnedSemaphorePermit,
}

impl<I, S> Accept<I, S> for Guests {
    type Stream = Guest<I>;
    type Service = S;
    type Future = Ready<io::Result<(Guest<I>, S)>>;

    fn accept(&self, connection: I, service: S) -> Self::Future {
        ready(match Arc::clone(&self.0).try_acquire_owned() {
            Ok(place) => Ok((Guest { connection, _place: place }, service)),
            Err(_) => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections at the same time")),
        })
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guest<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guest<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_guest_has_gone() {
        let guests = Guests::at_most(1);
        let come = || guests.accept(tokio::io::empty(), ()).into_inner();
        let first = come().unwrap();
        assert!(come().is_err());
        drop(first);
        assert!(come().is_ok());
    }
}
