//! Reads the catalogues of other stations at a destination. Segments never change, so each is read once and kept for as long
//! as there is room; what is read is bounded, in bytes and in time, and an answer that is not whole says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::domain::elsewhere::{AnswerElsewhere, CatalogueLine, Elsewhere, FoundElsewhere, Stands};
use crate::domain::error::chain;
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::ports::{BoxFuture, Destination, SendError};
use crate::domain::search::SearchQuery;

/// Segments that are read at the same time.
const AT_ONCE: usize = 8;
/// No segment that we wrote is larger.
const SEGMENT_BYTES: usize = 8 << 20;
/// Segments that are kept.
const KEPT_BYTES: usize = 64 << 20;
/// Matches of which the newest are shown.
const MATCHES: usize = 1_000;

/// Catalogues at the station's destinations.
pub struct Catalogues {
    remotes: Vec<Arc<dyn Destination>>,
    /// Its clips are in the database here, or nobody's are.
    own: Option<StationId>,
    within: Duration,
    kept: Mutex<(Segments, usize)>,
}

/// Segments by destination and key.
type Segments = BTreeMap<(String, String), Bytes>;

/// Why a catalogue was not read to its end.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("it did not answer in time")]
    Late,
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Catalogues {
    /// Of these destinations, in the order in which they are asked; each search ends within this time.
    pub fn new(remotes: Vec<Arc<dyn Destination>>, own: Option<StationId>, within: Duration) -> Self {
        Self { remotes, own, within, kept: Mutex::default() }
    }

    async fn look(
        &self,
        dest: &dyn Destination,
        query: &SearchQuery,
        may_see: &(dyn Fn(&CatalogueLine) -> bool + Sync),
        until: Instant,
        found: &mut Vec<FoundElsewhere>,
    ) -> Result<(), ReadError> {
        for station in stations(dest, until).await? {
            if self.own.as_ref() == Some(&station) {
                continue;
            }
            let mut keys = Vec::new();
            let prefix = layout::catalogue_prefix(&station);
            let mut after: Option<String> = None;
            loop {
                let page = in_time(until, dest.list(&prefix, after.as_deref())).await?;
                let Some(last) = page.last().cloned() else { break };
                keys.extend(page.into_iter().filter(|key| layout::parse_catalogue(&station, key).is_some()));
                after = Some(last);
            }
            // The newest first: what time allows is what people look for.
            keys.sort_unstable();
            keys.dedup();
            keys.reverse();
            let mut seen: BTreeSet<String> = BTreeSet::new();
            let mut reading = stream::iter(keys).map(|key| self.segment(dest, key, until)).buffered(AT_ONCE);
            while let Some(segment) = reading.next().await {
                let Some(bytes) = segment? else { continue };
                for text in bytes.split(|b| *b == b'\n').rev().filter(|l| !l.is_empty()) {
                    let Ok(line) = serde_json::from_slice::<CatalogueLine>(text) else { continue };
                    // Later lines of a clip come first; the earlier ones no longer hold.
                    if !seen.insert(line.record_id.clone()) {
                        continue;
                    }
                    if found.len() < MATCHES && line.is_found_by(query) && may_see(&line) {
                        found.push(FoundElsewhere { station: station.clone(), line, stands: Stands::Unknown });
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// A segment whole; `None`: it is gone, or none that we wrote.
    async fn segment(&self, dest: &dyn Destination, key: String, until: Instant) -> Result<Option<Bytes>, ReadError> {
        let of = (dest.name().as_str().to_owned(), key);
        if let Some(bytes) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).0.get(&of) {
            return Ok(Some(bytes.clone()));
        }
        let read = async {
            let mut stream = match dest.read(&of.1, None).await {
                Err(SendError::Mismatch { .. }) => return Ok::<_, SendError>(None),
                other => other?,
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk?);
                if bytes.len() > SEGMENT_BYTES {
                    return Ok(None);
                }
            }
            Ok(Some(Bytes::from(bytes)))
        };
        let bytes = in_time(until, read).await?;
        if let Some(bytes) = &bytes {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.1 + bytes.len() <= KEPT_BYTES && kept.0.insert(of, bytes.clone()).is_none() {
                kept.1 += bytes.len();
            }
        }
        Ok(bytes)
    }
}

impl Elsewhere for Catalogues {
    fn search<'a>(
        &'a self,
        query: &'a SearchQuery,
        limit: usize,
        may_see: &'a (dyn Fn(&CatalogueLine) -> bool + Sync),
    ) -> BoxFuture<'a, AnswerElsewhere> {
        Box::pin(async move {
            let mut answer = AnswerElsewhere::default();
            let began = Instant::now();
            for (n, dest) in self.remotes.iter().enumerate() {
                // A destination that is away leaves time for the next one.
                let share = self.within / u32::try_from(self.remotes.len() - n).unwrap_or(1).max(1);
                let until = (Instant::now() + share).min(began + self.within);
                answer.asked = Some(dest.name().to_string());
                let mut found = Vec::new();
                let looked = self.look(&**dest, query, may_see, until, &mut found).await;
                if found.len() > answer.found.len() || looked.is_ok() {
                    answer.found = found;
                }
                match looked {
                    Ok(()) => {
                        answer.partial.clear();
                        if answer.found.len() >= MATCHES {
                            answer.partial.push(format!("more than {MATCHES} match; say more"));
                        }
                        break;
                    }
                    Err(e) => answer.partial.push(format!("{}: {}", dest.name(), chain(&e))),
                }
            }
            answer.found.sort_by(|a, b| {
                (b.line.captured_ms(), &b.line.record_id).cmp(&(a.line.captured_ms(), &a.line.record_id))
            });
            answer.found.truncate(limit);
            // Where each stands is asked last: it is worth nothing without what was found.
            let asked =
                answer.asked.as_deref().and_then(|name| self.remotes.iter().find(|d| d.name().as_str() == name));
            if let Some(dest) = asked {
                let until = (began + self.within).max(Instant::now() + self.within / 4);
                let stand = |found: FoundElsewhere| async move {
                    let stands = match found.line.record_id.parse::<ClipId>() {
                        Ok(clip) => match in_time(until, dest.head(&layout::master(&found.station, clip))).await {
                            Ok(Some(_)) => Stands::Cloud,
                            Ok(None) => Stands::Unsent,
                            Err(_) => Stands::Unknown,
                        },
                        Err(_) => Stands::Unknown,
                    };
                    FoundElsewhere { stands, ..found }
                };
                let found = std::mem::take(&mut answer.found);
                answer.found = stream::iter(found).map(stand).buffered(AT_ONCE).collect().await;
            }
            answer
        })
    }
}

/// Stations that ever wrote there: what stands behind one is passed over in one step.
async fn stations(dest: &dyn Destination, until: Instant) -> Result<BTreeSet<StationId>, ReadError> {
    let mut found = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = in_time(until, dest.list("v1/", after.as_deref())).await?;
        let Some(last) = page.last().cloned() else { return Ok(found) };
        let folder = |key: &str| key.strip_prefix("v1/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
        for name in page.iter().filter_map(|key| folder(key)).filter(|name| name != "case") {
            // Whoever keeps the bucket may have put other things there.
            found.extend(StationId::new(&name));
        }
        // Nothing of ours in this folder begins with '~', which comes after all that does.
        let past = folder(&last).map(|name| format!("v1/{name}/~"));
        let next = past.filter(|past| *past > last).unwrap_or(last);
        if after.as_ref() == Some(&next) {
            return Ok(found);
        }
        after = Some(next);
    }
}

async fn in_time<T, E: Into<ReadError>>(
    until: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ReadError> {
    timeout_at(until, work).await.map_err(|_| ReadError::Late)?.map_err(Into::into)
}
