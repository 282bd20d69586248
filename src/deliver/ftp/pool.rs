//! Control connections to one server: a few, each lent to one task at a time, since FTP does one thing at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::FtpOptions;
use super::connection::{Control, within};
use crate::domain::ports::SendError;

/// Servers commonly allow a guest five connections at a time; two are left to whoever looks at the same account.
const MOST: usize = 3;
/// After so long a connection is asked whether it still is one before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(15);
/// A connection that stands answers a question about nothing within this time on any line.
const NOOP_LIMIT: Duration = Duration::from_secs(10);

/// The connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<(Control, Instant)>>,
    room: Arc<Semaphore>,
}

impl Pool {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), room: Arc::new(Semaphore::new(MOST)) })
    }

    /// Lends a connection: one that stands, else a new one.
    pub async fn lend(
        self: &Arc<Self>,
        options: &FtpOptions,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Lent, SendError> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((mut control, since)) = idle else { break };
            let stands =
                since.elapsed() < TRUSTED_FOR || within(NOOP_LIMIT.min(control.idle), control.ftp.noop()).await.is_ok();
            if stands {
                return Ok(Lent { control, pool: Arc::clone(self), _permit: permit });
            }
        }
        let control = Control::open(options, tls).await?;
        Ok(Lent { control, pool: Arc::clone(self), _permit: permit })
    }
}

/// A connection on loan. It goes back only by [`Lent::give_back`]: one that was dropped in the middle of something is
/// closed, and so is one that failed.
#[derive(Debug)]
pub(super) struct Lent {
    control: Control,
    pool: Arc<Pool>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Lent {
    /// Nothing is under way on it; the next may have it.
    pub fn give_back(self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push((self.control, Instant::now()));
    }
}

impl Deref for Lent {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Control {
        &mut self.control
    }
}
