//! Who is told of alarms and events, and whether they are reached.

use super::Finding;
use crate::config::Settings;
use crate::domain::error::chain;
use crate::notice;
use crate::runtime::clock::wall;
use crate::store::{ReceiverRow, Store, StoreError};

/// Looks at each receiver.
pub fn look(settings: &Settings, store: &Store) -> Vec<Finding> {
    let names: Vec<String> = notice::receivers(settings).into_iter().map(|r| r.name).collect();
    if settings.alarm.alarm_webhooks.is_empty() && settings.alarm.alarm_mail.is_none() {
        let words = "nobody is told of alarms: they stand on the page alone";
        return vec![Finding::ok("told", words)];
    }
    let read = store.read_blocking(|r| {
        let rows = names.into_iter().map(|name| Ok((r.receiver(&name, wall().0)?, name)));
        rows.collect::<Result<Vec<_>, StoreError>>()
    });
    match read {
        Ok(rows) => rows.iter().map(|(row, name)| finding(name, row)).collect(),
        Err(e) => vec![Finding::problem("told", chain(&e), "see the findings about the database")],
    }
}

fn finding(name: &str, row: &ReceiverRow) -> Finding {
    if !row.failing {
        return Finding::ok("told", format!("{name} is told of what happens, {} waiting", row.waiting));
    }
    let why = row.words.as_deref().unwrap_or("it was not said why");
    let words = match row.lost {
        0 => format!("{name} is not reached, {} waiting: {why}", row.waiting),
        lost => format!("{name} was not told of {lost} things within a day: {why}"),
    };
    Finding::problem("told", words, "check its address, secret and certificate, then run `evidock alarm test`")
}
