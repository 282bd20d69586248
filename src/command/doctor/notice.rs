//! Who is told of alarms and events, and whether they are reached.

use super::unread;
use crate::config::Settings;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::domain::words::check::Cause;
use crate::notice;
use crate::runtime::clock::wall;
use crate::store::{ReceiverRow, Store, StoreError};

/// Looks at each receiver.
pub fn look(settings: &Settings, store: &Store) -> Vec<Finding> {
    let names: Vec<String> = notice::receivers(settings).into_iter().map(|r| r.name).collect();
    if settings.alarm.alarm_webhooks.is_empty() && settings.alarm.alarm_mail.is_none() {
        return vec![Finding::ok(CheckPart::Told, Found::NobodyTold {})];
    }
    let read = store.read_blocking(|r| {
        let rows = names.into_iter().map(|name| Ok((r.receiver(&name, wall().0)?, name)));
        rows.collect::<Result<Vec<_>, StoreError>>()
    });
    match read {
        Ok(rows) => rows.iter().map(|(row, name)| finding(name, row)).collect(),
        Err(e) => vec![unread(CheckPart::Told, &e)],
    }
}

fn finding(name: &str, row: &ReceiverRow) -> Finding {
    let (name, waiting, why) = (name.to_owned(), row.waiting, Cause(row.words.clone()));
    if !row.failing {
        return Finding::ok(CheckPart::Told, Found::ReceiverWell { name, waiting });
    }
    let found = match row.lost {
        0 => Found::ReceiverAway { name, waiting, why },
        lost => Found::ReceiverGivenUp { name, lost, why },
    };
    Finding::problem(CheckPart::Told, found, Todo::CheckReceiver {})
}
