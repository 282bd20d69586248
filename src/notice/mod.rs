//! Telling others: messages out of the store, to webhooks and mail servers.
//!
//! | file | owns |
//! | --- | --- |
//! | [`webhook`] | signing as Standard Webhooks does (standardwebhooks.com), and sending |
//! | [`mail`] | a message as an e-mail, and sending it |
//!
//! Whoever makes a message stores it in the transaction of what it tells; here it is taken out again, one receiver a task,
//! oldest first. A message that was not taken waits and is tried again, a receiver that is away is left alone meanwhile, and
//! what is too old is given up: never an endless loop, and never a message that nobody misses, since a receiver that fails is
//! an alarm itself. Must not decide what is told, nor make a message about its own failing.

pub mod mail;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use crate::config::{AlarmMail, AlarmWebhook, Messages, Settings};
use crate::domain::alarm::Severity;
use crate::domain::error::chain;
use crate::domain::notice::next_try_ms;
use crate::domain::ports::Clock;
use crate::runtime::supervise::{OnFailure, Phase, Supervisor, TaskContext, TaskResult, TaskSpec};
use crate::store::{Change, MessageEnd, MessageRow, Store};

/// A receiver is looked after this often, even when nothing changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// One try may take as long as a receiver may be silent, and a mail server greets, encrypts and answers several times.
const BEATS_WITHIN: Duration = Duration::from_secs(300);

/// Whom something is told, and how.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its name in the store: `alarm:NAME`, `mail` or `data:NAME`.
    pub name: String,
    /// Of alarms: only what matters at least so much. `None`: it is told of no alarms.
    pub alarms: Option<Severity>,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Webhook(Arc<webhook::Hook>),
    Mail(Arc<mail::Mail>),
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Taken,
    /// Not now; why, after how long they want to be asked again, and whether other messages have any better chance.
    Again {
        /// Why.
        words: String,
        /// They want to be asked after so long, milliseconds.
        after_ms: Option<i64>,
        /// They are away, whatever the message.
        away: bool,
    },
    /// Never.
    Never {
        /// Why.
        words: String,
    },
}

/// Everybody who is configured.
pub fn receivers(settings: &Settings) -> Vec<Receiver> {
    let alarm = &settings.alarm;
    let hooks = alarm.alarm_webhooks.iter().map(|hook: &AlarmWebhook| Receiver {
        name: format!("alarm:{}", hook.target.name),
        alarms: Some(hook.min_severity),
        way: Way::Webhook(Arc::new(webhook::Hook::new(&hook.target))),
    });
    let mail = alarm.alarm_mail.iter().map(|mail: &AlarmMail| Receiver {
        name: "mail".to_owned(),
        alarms: Some(mail.min_severity),
        way: Way::Mail(Arc::new(mail::Mail::new(mail))),
    });
    let data = settings.webhooks.iter().map(|w| Receiver {
        name: format!("data:{}", w.target.name),
        alarms: None,
        way: Way::Webhook(Arc::new(webhook::Hook::new(&w.target))),
    });
    hooks.chain(mail).chain(data).collect()
}

impl Receiver {
    /// Tries once.
    pub async fn tell(&self, id: &str, body: &str, now_ms: i64) -> Outcome {
        match &self.way {
            Way::Webhook(hook) => hook.tell(id, body, now_ms).await,
            Way::Mail(mail) => mail.tell(id, body).await,
        }
    }
}

/// Starts a task for each receiver.
pub fn start(
    supervisor: &mut Supervisor,
    receivers: &[Receiver],
    store: &Store,
    clock: &Arc<dyn Clock>,
    rules: &Messages,
) {
    for receiver in receivers {
        // One name for each configured receiver, for the life of the process.
        let name: &'static str = Box::leak(format!("tell {}", receiver.name).into_boxed_str());
        let teller =
            Teller { receiver: receiver.clone(), store: store.clone(), clock: Arc::clone(clock), rules: rules.clone() };
        let spec = TaskSpec { beats_within: BEATS_WITHIN, ..TaskSpec::new(name, Phase::Http, OnFailure::RESTART) };
        supervisor.start(spec, move |context| teller.clone().run(context));
    }
}

#[derive(Clone)]
struct Teller {
    receiver: Receiver,
    store: Store,
    clock: Arc<dyn Clock>,
    rules: Messages,
}

impl Teller {
    async fn run(self, context: TaskContext) -> TaskResult {
        let mut news = self.store.changes();
        let name = self.receiver.name.clone();
        self.store.write(move |tx| tx.messages_due(&name)).await?;
        // While they are away no other message is tried.
        let mut rest_until_ms = i64::MIN;
        loop {
            context.heart.beat();
            let (name, now) = (self.receiver.name.clone(), self.clock.now().0);
            let next = self.store.read(move |r| r.next_message(&name, now)).await?;
            let due = next.as_ref().map(|m| m.due_ms.max(rest_until_ms));
            match next {
                Some(message) if due.is_some_and(|due| due <= now) => {
                    let told = tokio::select! {
                        () = context.cancel.cancelled() => return Ok(()),
                        told = self.receiver.tell(&message.id, &message.body, now) => told,
                    };
                    rest_until_ms = self.store_outcome(&message, told).await?;
                }
                _ => {
                    let wait =
                        due.map_or(LOOK_EVERY, |due| Duration::from_millis(due.saturating_sub(now).max(1) as u64));
                    tokio::select! {
                        () = context.cancel.cancelled() => return Ok(()),
                        () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
                        () = told_of(&mut news) => {}
                    }
                }
            }
        }
    }

    /// Stores how a try ended; gives the time until which the receiver is left alone.
    async fn store_outcome(&self, message: &MessageRow, told: Outcome) -> Result<i64, crate::store::StoreError> {
        let (number, now) = (message.number, self.clock.now().0);
        let (words, after_ms, away) = match told {
            Outcome::Taken => {
                tracing::debug!(receiver = self.receiver.name, kind = message.kind, "told");
                self.store.write(move |tx| tx.message_ended(number, MessageEnd::Taken, None)).await?;
                return Ok(i64::MIN);
            }
            Outcome::Never { words } => {
                tracing::error!(receiver = self.receiver.name, kind = message.kind, words, "a message is given up");
                let end = move |tx: &crate::store::Tx<'_>| tx.message_ended(number, MessageEnd::GivenUp, Some(&words));
                self.store.write(end).await?;
                return Ok(i64::MIN);
            }
            Outcome::Again { words, after_ms, away } => (words, after_ms, away),
        };
        let ms = |pause: Duration| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let rules = (ms(self.rules.retry_min), ms(self.rules.retry_max), ms(self.rules.give_up_after));
        match next_try_ms(now, message.made_ms, message.tries.saturating_add(1), after_ms, rules) {
            Some(due_ms) => {
                tracing::warn!(
                    receiver = self.receiver.name,
                    kind = message.kind,
                    words,
                    "not told; it is tried again"
                );
                self.store.write(move |tx| tx.message_failed(number, &words, due_ms)).await?;
                Ok(if away { due_ms } else { i64::MIN })
            }
            None => {
                tracing::error!(
                    receiver = self.receiver.name,
                    kind = message.kind,
                    words,
                    "a message is given up: it is too old"
                );
                let end = move |tx: &crate::store::Tx<'_>| tx.message_ended(number, MessageEnd::GivenUp, Some(&words));
                self.store.write(end).await?;
                Ok(i64::MIN)
            }
        }
    }
}

/// Waits until there may be something to tell.
async fn told_of(news: &mut tokio::sync::broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Alarms) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What could not be set up, as an outcome: a person must act, and a later try may find that they did.
fn unset(error: &(dyn std::error::Error + 'static)) -> Outcome {
    Outcome::Again { words: chain(error), after_ms: None, away: true }
}
