//! How many connections the page has at the same time, and which of them gives way. Each takes an open file, of which intake
//! needs some, too.
//!
//! One address has half of the places. When there is no place, a stranger gives theirs: a connection over which nobody has
//! signed in yet, of the address that has the most, the oldest first. So connections that say nothing, however many and from
//! wherever, keep nobody out, and whoever is signed in is never sent away for them. Where everybody is known, whoever comes is
//! sent away at once.
//!
//! A connection of whose answer nothing is taken for a while has lost its place.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::Layer;

/// Bytes of an answer that the system keeps for a connection at most (it doubles what it is asked for, and may give less). A
/// thousand connections that read nothing would otherwise take gigabytes; and what is taken shows in steps of a third of this,
/// so that a thin line of some 3 kB/s still counts as taking.
const SEND_BYTES: usize = 256 * 1024;

/// Lets connections in as long as there is room.
#[derive(Debug, Clone)]
pub struct Guests(Arc<House>);

#[derive(Debug)]
struct House {
    most: usize,
    /// Connections of one address: half of all, so that nobody fills the house alone.
    share: usize,
    taken_within: Duration,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    /// By number: the oldest first.
    places: BTreeMap<u64, Taken>,
    from: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Taken {
    from: IpAddr,
    known: bool,
    sent_away: CancellationToken,
}

impl Guests {
    /// Room for so many; something of what is answered must be taken within `taken_within`.
    pub fn at_most(connections: usize, taken_within: Duration) -> Self {
        Self(Arc::new(House {
            most: connections,
            share: connections.div_ceil(2),
            taken_within,
            inside: Mutex::default(),
        }))
    }

    /// A place for somebody from this address; that of a stranger, where there is no other.
    fn place(&self, from: IpAddr) -> Option<Place> {
        let from = whose(from);
        let mut inside = self.0.inside();
        if inside.from.get(&from).is_some_and(|n| *n >= self.0.share) {
            inside.send_away(|taken| taken.from == from)?;
        } else if inside.places.len() >= self.0.most {
            inside.send_away(|_| true)?;
        }
        let number = inside.next;
        inside.next += 1;
        let sent_away = CancellationToken::new();
        inside.places.insert(number, Taken { from, known: false, sent_away: sent_away.clone() });
        *inside.from.entry(from).or_default() += 1;
        Some(Place { number, house: Arc::clone(&self.0), sent_away })
    }
}

impl House {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Sends a stranger away; `None` where there is none.
    fn send_away(&mut self, whom: impl Fn(&Taken) -> bool) -> Option<()> {
        let strangers = self.places.iter().filter(|(_, taken)| !taken.known && whom(taken));
        let crowd = |taken: &Taken| self.from.get(&taken.from).copied().unwrap_or(0);
        let (number, taken) = strangers.max_by_key(|(number, taken)| (crowd(taken), Reverse(**number)))?;
        taken.sent_away.cancel();
        let number = *number;
        self.leave(number);
        Some(())
    }

    fn leave(&mut self, number: u64) {
        let Some(taken) = self.places.remove(&number) else { return };
        if let Some(count) = self.from.get_mut(&taken.from) {
            *count -= 1;
            if *count == 0 {
                self.from.remove(&taken.from);
            }
        }
    }
}

/// Whom an address stands for: of IPv6, everybody has a whole network of 64 bits.
pub(super) fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        other => other.to_canonical(),
    }
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
struct Place {
    number: u64,
    house: Arc<House>,
    sent_away: CancellationToken,
}

impl Place {
    fn seat(&self) -> Seat {
        Seat(Arc::new(Sitting { number: self.number, house: Arc::clone(&self.house), known: AtomicBool::new(false) }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.inside().leave(self.number);
    }
}

/// Where the requests of a connection come from: handed on with each of them.
#[derive(Debug, Clone)]
pub struct Seat(Arc<Sitting>);

#[derive(Debug)]
struct Sitting {
    number: u64,
    house: Arc<House>,
    known: AtomicBool,
}

impl Seat {
    /// Somebody whom we know asks over this connection: it gives way to nobody.
    pub fn known(&self) {
        if !self.0.known.swap(true, Ordering::Relaxed)
            && let Some(taken) = self.0.house.inside().places.get_mut(&self.0.number)
        {
            taken.known = true;
        }
    }
}

/// A connection that has its place until it is dropped.
#[derive(Debug)]
pub struct Guest<I> {
    connection: I,
    place: Place,
    sent_away: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Runs while the other side takes nothing of what is sent.
    nothing_taken: Option<Pin<Box<Sleep>>>,
}

impl<I> Guest<I> {
    fn new(connection: I, place: Place) -> Self {
        let sent_away = Box::pin(place.sent_away.clone().cancelled_owned());
        Self { connection, place, sent_away, nothing_taken: None }
    }

    /// What came of reading or writing, unless the place is somebody else's by now.
    fn while_here<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending if self.sent_away.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the place was needed")))
            }
            polled => polled,
        }
    }

    /// What came of writing, unless nothing was taken for too long.
    fn written(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.nothing_taken = None;
            return polled;
        }
        let within = self.place.house.taken_within;
        let waiting = self.nothing_taken.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing is taken"))),
            Poll::Pending => self.while_here(cx, polled),
        }
    }
}

impl<S> Accept<TcpStream, S> for Guests {
    type Stream = Guest<TcpStream>;
    type Service = AddExtension<S, Seat>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, connection: TcpStream, service: S) -> Self::Future {
        let place = connection.peer_addr().map(|from| self.place(from.ip()));
        ready(match place {
            Ok(Some(place)) => bounded(&connection, self.0.taken_within).map(|()| {
                let service = Extension(place.seat()).layer(service);
                (Guest::new(connection, place), service)
            }),
            Ok(None) => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections at the same time")),
            Err(gone) => Err(gone),
        })
    }
}

/// Bounds what the system keeps for a connection, and how long: a computer that was switched off says no farewell, and the
/// system would go on sending to it for a quarter of an hour.
fn bounded(connection: &TcpStream, taken_within: Duration) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_send_buffer_size(connection, SEND_BYTES)?;
    sockopt::set_tcp_user_timeout(connection, u32::try_from(taken_within.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

impl<I: AsyncRead + Unpin> AsyncRead for Guest<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.connection).poll_read(cx, buf);
        self.while_here(cx, polled)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guest<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.connection).poll_write(cx, buf);
        self.written(cx, polled)
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
        let polled = Pin::new(&mut self.connection).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(most: usize) -> Guests {
        Guests::at_most(most, Duration::from_secs(60))
    }

    fn come(guests: &Guests, from: &str) -> Option<Place> {
        guests.place(from.parse().unwrap())
    }

    /// Somebody who has signed in.
    fn known(guests: &Guests, from: &str) -> Option<Place> {
        let place = come(guests, from)?;
        place.seat().known();
        Some(place)
    }

    #[test]
    fn a_place_is_free_again_when_its_guest_has_gone() {
        let guests = house(2);
        let first = known(&guests, "10.0.0.1").unwrap();
        assert!(come(&guests, "10.0.0.1").is_none(), "one address has half of them");
        let other = known(&guests, "10.0.0.2").unwrap();
        assert!(come(&guests, "10.0.0.3").is_none(), "the house is full");
        drop((first, other));
        assert!(come(&guests, "10.0.0.1").is_some());
        assert!(guests.0.inside().from.is_empty() && guests.0.inside().places.is_empty());
    }

    #[test]
    fn strangers_give_way_and_never_who_is_known() {
        let guests = house(6);
        let lone = come(&guests, "10.0.0.9").unwrap();
        let officer = known(&guests, "10.0.0.1").unwrap();
        let mut crowd: Vec<Place> = (0..3).map(|_| come(&guests, "10.0.0.2").unwrap()).collect();
        // The oldest of its own address.
        crowd.push(come(&guests, "10.0.0.2").unwrap());
        let gone = |crowd: &[Place]| crowd.iter().map(|p| p.sent_away.is_cancelled()).collect::<Vec<_>>();
        assert_eq!(gone(&crowd), [true, false, false, false]);
        // Of the address that has the most, once the house is full.
        let last = known(&guests, "10.0.0.4").unwrap();
        let another = known(&guests, "10.0.0.3").unwrap();
        assert_eq!(gone(&crowd), [true, true, false, false]);
        assert!(![&lone, &officer, &last, &another].iter().any(|p| p.sent_away.is_cancelled()));
        // Whoever was sent away has left already.
        assert_eq!(guests.0.inside().places.len(), 6);
        drop(crowd);
        assert_eq!(guests.0.inside().places.len(), 4);
        assert!(!guests.0.inside().from.contains_key(&"10.0.0.2".parse().unwrap()));
    }

    #[test]
    fn a_network_is_one_guest() {
        let one = whose("2001:db8:1:2:3::4".parse().unwrap());
        assert_eq!(one, whose("2001:db8:1:2:ffff::1".parse().unwrap()));
        assert_ne!(one, whose("2001:db8:1:3::4".parse().unwrap()));
        assert_eq!(whose("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
