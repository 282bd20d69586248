//! Alarms from what stands now and what is stored.

use serde_json::Value;

use super::StationPages;
use crate::domain::time::UtcMs;
use crate::domain::words::Lang;
use crate::store::{AlarmRow, StoreError};
use crate::web::paging::{at, cut, moment, number};
use crate::web::site::ReadError;
use crate::web::view::alarms::{AlarmsView, OverView, ReceiverView};

/// Alarms that are over, on a page.
const OVER: u32 = 50;

impl StationPages {
    pub(super) async fn alarms_view(&self, after: Option<&str>) -> Result<AlarmsView, ReadError> {
        let before = match moment(after)? {
            Some((ms, alarm)) => number(Some(&alarm))?.map(|alarm| (ms, alarm)),
            None => None,
        };
        let station = self.station_view().await?;
        let (names, now) = (self.receivers.clone(), self.clock.now().0);
        let (mut over, receivers) = self
            .read(move |r| {
                let receivers = names
                    .into_iter()
                    .map(|name| {
                        let row = r.receiver(&name, now)?;
                        Ok(ReceiverView {
                            name,
                            waiting: row.waiting,
                            failing: row.failing,
                            lost: row.lost,
                            words: row.words,
                            taken: row.taken_ms.map(UtcMs),
                        })
                    })
                    .collect::<Result<Vec<_>, StoreError>>()?;
                Ok((r.alarms_over_before(before, OVER + 1)?, receivers))
            })
            .await?;
        let next = cut(&mut over, OVER, |row| at(row.ended_ms.unwrap_or_default(), row.id));
        Ok(AlarmsView {
            next,
            standing: station.alarms.iter().map(|a| (a.clone(), station.risen(a).cloned())).collect(),
            over: over.into_iter().map(of_row).collect(),
            receivers,
        })
    }
}

fn of_row(row: AlarmRow) -> OverView {
    let words: Value = serde_json::from_str(&row.words).unwrap_or_default();
    let title = |lang: Lang| words[lang.tag()]["title"].as_str().unwrap_or(&row.code).to_owned();
    OverView {
        id: row.id,
        title: [title(Lang::Zh), title(Lang::En)],
        about: row.about,
        severity: row.severity,
        since: UtcMs(row.risen_ms),
        until: UtcMs(row.ended_ms.unwrap_or(row.risen_ms)),
        known: row.acknowledged.map(|(by, _)| by),
        code: row.code,
    }
}
