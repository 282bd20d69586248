//! udev, as thinly as can be: a word whenever something about USB or disks has changed, and what udev has found out
//! about a device. Owns the library; turns nothing into a decision.
//!
//! What an event says is not used, only that there was one: a look at the whole picture ([`super::sysfs`]) follows,
//! cold-plug included. That also makes forged events harmless, and a full event queue (ENOBUFS) a look too few at most.

use std::io;
use std::path::Path;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_udev::{AsyncMonitorSocket, MonitorBuilder};

use super::sysfs::Told;

/// There as long as udev runs; without udev, events of a host would reach a container that must not act on them
/// (sd_device_monitor(3) looks at the same file).
const RUNNING: &str = "/run/udev/control";

/// Whether udev runs here.
pub fn is_running() -> bool {
    Path::new(RUNNING).exists()
}

/// Begins to listen. Each change of the value means that something happened; nothing that happens after this call is
/// missed. The future must be driven; it ends when the listening fails or nobody looks any more.
pub fn listen() -> io::Result<(watch::Receiver<u64>, impl Future<Output = io::Result<()>> + Send)> {
    let monitor = MonitorBuilder::new()?.match_subsystem("usb")?.match_subsystem("block")?.listen()?;
    let mut events: AsyncMonitorSocket = monitor.try_into()?;
    let (tx, rx) = watch::channel(0);
    let driven = async move {
        loop {
            let event = tokio::select! {
                () = tx.closed() => return Ok(()),
                event = events.next() => event,
            };
            match event {
                Some(Ok(_)) => tx.send_modify(|n| *n += 1),
                Some(Err(e)) => return Err(e),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    };
    Ok((rx, driven))
}

/// What udev knows of the device at a path under `/sys`; nothing where it knows none.
pub fn told(path: &Path) -> Told {
    let Ok(device) = udev::Device::from_syspath(path) else { return Told::default() };
    let text = |name: &str| device.property_value(name)?.to_str().map(str::to_owned);
    Told {
        settled: device.is_initialized(),
        elsewhere: text("EVIDOCK_OPEN").as_deref() == Some("1"),
        fs: text("ID_FS_TYPE"),
        label: text("ID_FS_LABEL"),
        uuid: text("ID_FS_UUID"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listening_works_or_fails_without_harm() {
        // In a container without udev both are right; neither may hang or end the program.
        let Ok((rx, driven)) = listen() else { return };
        drop(rx);
        driven.await.unwrap();
        assert_eq!(told(Path::new("/sys/devices/none/such")), Told::default());
    }
}
