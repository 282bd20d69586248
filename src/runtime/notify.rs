//! The service manager: ready, one line of status, the watchdog, stopping (sd_notify(3)).
//!
//! Without systemd (`$NOTIFY_SOCKET` unset) nothing is sent and nothing fails. The watchdog is fed only
//! while every heart is fresh, so that a stuck task gets the whole daemon restarted.

use std::time::Duration;

use sd_notify::NotifyState;

use super::clock::monotonic;
use super::health::Health;
use super::heartbeat::Hearts;
use super::supervise::{TaskContext, TaskResult};

/// Longest status line in bytes; `systemctl status` shows one line.
const MAX_STATUS_BYTES: usize = 400;
/// How often hearts are looked at where no watchdog asks for more.
const IDLE_PERIOD: Duration = Duration::from_secs(10);

/// The daemon serves: start-up is complete.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The daemon has begun to stop, and needs up to `within` for it.
pub fn stopping(within: Duration) {
    let extend = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(extend)]);
}

/// Keeps status and watchdog until cancelled.
pub async fn run(context: TaskContext, hearts: Hearts, health: Health) -> TaskResult {
    keep(context, hearts, health, sd_notify::watchdog_enabled(), send).await
}

async fn keep(
    context: TaskContext,
    hearts: Hearts,
    health: Health,
    watchdog: Option<Duration>,
    send: impl Fn(&[NotifyState<'_>]),
) -> TaskResult {
    // Half of what systemd grants, as sd_watchdog_enabled(3) recommends.
    let period = watchdog.map_or(IDLE_PERIOD, |granted| granted / 2);
    let mut tick = tokio::time::interval(period);
    let mut report = health.watch();
    report.mark_changed();
    loop {
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            Ok(()) = report.changed() => {
                let line = status_line(&report.borrow_and_update().line());
                send(&[NotifyState::Status(&line)]);
            }
            _ = tick.tick() => {
                context.heart.beat();
                let stale = hearts.stale(monotonic());
                if !stale.is_empty() {
                    tracing::error!(tasks = stale.join(", "), "tasks do not come round");
                } else if watchdog.is_some() {
                    send(&[NotifyState::Watchdog]);
                }
            }
        }
    }
}

fn status_line(line: &str) -> String {
    let mut end = line.len().min(MAX_STATUS_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].replace(char::is_control, " ")
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::runtime::task::spawn_named;

    #[test]
    fn a_status_is_one_short_line() {
        assert_eq!(status_line("a\nWATCHDOG=1"), "a WATCHDOG=1");
        let long = status_line(&"盘".repeat(200));
        assert!(long.len() <= MAX_STATUS_BYTES && long.starts_with('盘'));
    }

    #[tokio::test]
    async fn the_watchdog_starves_while_a_heart_is_stale() {
        let (hearts, health, cancel) = (Hearts::default(), Health::default(), CancellationToken::new());
        let part = health.part("vault");
        let context = TaskContext { cancel: cancel.clone(), heart: hearts.start("notify", Duration::from_secs(60)) };
        let (tell, mut told) = mpsc::unbounded_channel();
        let send = move |states: &[NotifyState<'_>]| {
            for state in states {
                tell.send(state.to_string()).unwrap();
            }
        };
        let granted = Some(Duration::from_millis(10));
        let running = spawn_named("notify", keep(context, hearts.clone(), health.clone(), granted, send));
        while told.recv().await.unwrap() != "WATCHDOG=1" {}

        // From here on one heart is always late.
        hearts.start("stuck", Duration::ZERO);
        while told.try_recv().is_ok() {}
        // Each status shows that the loop came round; a tick lies between two of them.
        for n in 0..5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            part.degraded("slow", format!("slow {n}"), "");
            assert_eq!(told.recv().await.unwrap(), format!("STATUS=vault: slow {n}"));
        }

        hearts.stop("stuck");
        while told.recv().await.unwrap() != "WATCHDOG=1" {}
        cancel.cancel();
        running.await.unwrap().unwrap();
    }
}
