//! The clerk: applies the rules to clips and publishes their records, through the store.
//!
//! It works on what is stale: a clip that was sealed, probed, proven, linked or annotated since its newest
//! record. Running it twice changes nothing; after a crash it goes on with what is still stale.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::ClipId;
use crate::domain::ports::Clock;
use crate::store::{Change, Policy, Reader, Result, Store, StoreError, Tx};

/// Clips taken at a time.
const BATCH: u32 = 200;
/// Record revisions in one catalogue segment, at most.
const CATALOGUE_LINES: u32 = 500;
/// Pause between looks without news.
const IDLE: Duration = Duration::from_secs(10);
/// Outings wait this long for the clips that are still being annotated, milliseconds: each is then looked at once.
const OUTINGS_WAIT_MS: i64 = 10_000;
/// The catalogue is written at most this often, milliseconds, unless a segment is full.
const CATALOGUE_EVERY_MS: i64 = 10_000;

/// Which clips a review looks at.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// Those that lack something.
    Incomplete,
    /// Those that are linked to what a case was called before it was opened, and not to the case.
    Earlier,
    /// Those that are linked to a reference from before a case (日常检查, an inspection task), and to no case.
    NotYetOfCase,
}

impl Pass {
    /// The next of them behind `after`, at most [`BATCH`].
    fn page(self, r: &Reader<'_>, after: Option<ClipId>) -> Result<Vec<ClipId>> {
        match self {
            Self::Incomplete => r.incomplete(after, BATCH),
            Self::Earlier => r.of_earlier(after, BATCH),
            Self::NotYetOfCase => r.not_yet_of_a_case(after, BATCH),
        }
    }
}

/// The clerk of a station. Cheap enough to clone at a restart.
#[derive(Clone)]
pub struct Clerk {
    /// The database.
    pub store: Store,
    /// Applies the rules.
    pub judge: Judge,
    /// What of the configuration shows in records.
    pub policy: Policy,
    /// Where records go.
    pub destinations: Vec<String>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Clerk {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, alive: impl Fn() + Send + 'static) {
        let clerk = Arc::new(self);
        let now_ms = clerk.clock.monotonic_ms();
        // Whatever an earlier run left undone, and what a changed rule or roster may help now.
        let again = Again { all: true, cases: true, ..Again::default() };
        let mut heard = Heard { news: clerk.store.changes(), again, fresh: true, catalogued_ms: now_ms };
        let mut looked_ms = now_ms;
        while !stop.is_cancelled() {
            alive();
            let outcome = async {
                if std::mem::take(&mut heard.again.all) {
                    let cases = std::mem::take(&mut heard.again.cases);
                    if let Err(e) = clerk.review(cases, &mut heard, &stop, &alive).await {
                        (heard.again.all, heard.again.cases) = (true, heard.again.cases || cases);
                        return Err(e);
                    }
                }
                let worked = clerk.run_once(&alive).await?;
                heard.catch_up();
                if !worked || clerk.clock.monotonic_ms() - looked_ms >= OUTINGS_WAIT_MS {
                    looked_ms = clerk.clock.monotonic_ms();
                    clerk.look_around(&mut heard.again.outings, &alive).await?;
                }
                clerk.catalogue_in_time(&mut heard).await?;
                // What changed the rules while they were applied is not left for the next news.
                Ok::<bool, StoreError>(worked || heard.again.all)
            }
            .await;
            match outcome {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::Closed) => return,
                Err(e) => tracing::error!(error = %chain(&e), "the rules could not be applied; they are tried again"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = heard.wait() => {}
            }
        }
        // The last revisions must be findable in the bucket, too.
        if let Err(e) = clerk.catalogue().await {
            tracing::debug!(error = %chain(&e), "the catalogue waits for the next start");
        }
    }

    /// Annotates and publishes what is stale; `true` when there was something.
    async fn run_once(self: &Arc<Self>, alive: &impl Fn()) -> Result<bool> {
        let stale = self.store.read(|r| r.stale_records(BATCH)).await?;
        let mut any = false;
        for clip in stale {
            alive();
            let clerk = Arc::clone(self);
            let made = self
                .store
                .write(move |tx| {
                    clerk.annotate(tx, clip)?;
                    tx.publish(clip, &clerk.policy, &clerk.destinations)
                })
                .await;
            if passed(clip, made)?.is_some() {
                any = true;
                continue;
            }
            // What is known of it goes out all the same: a clip without its record would never be sent.
            let clerk = Arc::clone(self);
            let made = self.store.write(move |tx| tx.publish(clip, &clerk.policy, &clerk.destinations)).await;
            any |= passed(clip, made)?.is_some();
        }
        Ok(any)
    }

    /// Between two batches of a review, which may take minutes where years of clips lack something: clips that came in
    /// meanwhile get their records, and so are sent.
    async fn give_way(self: &Arc<Self>, heard: &mut Heard, alive: &impl Fn()) -> Result<()> {
        let news = heard.catch_up();
        if news || heard.fresh {
            heard.fresh = self.run_once(alive).await?;
        }
        self.catalogue_in_time(heard).await
    }

    async fn catalogue_in_time(self: &Arc<Self>, heard: &mut Heard) -> Result<()> {
        if self.clock.monotonic_ms() - heard.catalogued_ms >= CATALOGUE_EVERY_MS {
            heard.catalogued_ms = self.clock.monotonic_ms();
            self.catalogue().await?;
        }
        Ok(())
    }

    /// Applies the rules again to every clip that lacks something, and, where `cases` changed, to those of which a roster was
    /// changed, whose case may have been opened meanwhile, and whose certificate the register of officers may say now.
    async fn review(
        self: &Arc<Self>,
        cases: bool,
        heard: &mut Heard,
        stop: &CancellationToken,
        alive: &impl Fn(),
    ) -> Result<()> {
        heard.fresh = true;
        if cases {
            self.follow_rosters(heard, stop, alive).await?;
        }
        let passes: &[Pass] = match cases {
            true => &[Pass::Incomplete, Pass::Earlier, Pass::NotYetOfCase],
            false => &[Pass::Incomplete],
        };
        for &pass in passes {
            let page = move |r: &Reader<'_>, after: Option<ClipId>| {
                let clips = pass.page(r, after)?;
                Ok((clips.last().copied(), clips))
            };
            if !self.in_turns(heard, stop, alive, page).await? {
                return Ok(());
            }
        }
        if cases { self.certify(heard, stop, alive).await } else { Ok(()) }
    }

    /// Applies the rules again to every clip of the recorders and times of which a roster was changed: one that has all
    /// five facts may have them from a row that was wrong.
    async fn follow_rosters(
        self: &Arc<Self>,
        heard: &mut Heard,
        stop: &CancellationToken,
        alive: &impl Fn(),
    ) -> Result<()> {
        while let Some(due) = self.store.read(|r| r.roster_due()).await? {
            let number = due.due;
            let page = move |r: &Reader<'_>, after| r.of_roster_due(&due, after, BATCH);
            if !self.in_turns(heard, stop, alive, page).await? {
                return Ok(());
            }
            self.store.write(move |tx| tx.roster_followed(number)).await?;
        }
        Ok(())
    }

    /// Applies the rules again to clips that lack nothing, where the register of officers came to say another certificate of
    /// whoever captured them.
    async fn certify(self: &Arc<Self>, heard: &mut Heard, stop: &CancellationToken, alive: &impl Fn()) -> Result<()> {
        for officer in self.store.read(|r| r.officers_seen()).await? {
            let page = move |r: &Reader<'_>, after| r.certificates_due(&officer, after, BATCH);
            if !self.in_turns(heard, stop, alive, page).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Applies the rules again to clips, in turns: `page` gives what the next page goes on behind, and the clips of this one.
    /// Years of clips may be among them: only what the rules see anew is written. `false` where it was to stop before the end.
    async fn in_turns<P: Clone + Send + 'static>(
        self: &Arc<Self>,
        heard: &mut Heard,
        stop: &CancellationToken,
        alive: &impl Fn(),
        page: impl Fn(&Reader<'_>, Option<P>) -> Result<(Option<P>, Vec<ClipId>)> + Clone + Send + 'static,
    ) -> Result<bool> {
        let mut after = None;
        loop {
            alive();
            if stop.is_cancelled() {
                return Ok(false);
            }
            self.give_way(heard, alive).await?;
            let (from, page, clerk) = (after, page.clone(), Arc::clone(self));
            let look = move |r: &Reader<'_>| {
                let (last, clips) = page(r, from)?;
                Ok((last, clerk.news_of(r, &clips)?))
            };
            let (last, news) = self.store.read(look).await?;
            if last.is_none() {
                return Ok(true);
            }
            after = last;
            self.annotate_each(news, alive).await?;
        }
    }

    /// Applies the rules again to what lacks a case in the outings of these clips; each is struck off when that is done.
    async fn look_around(self: &Arc<Self>, outings: &mut BTreeSet<ClipId>, alive: &impl Fn()) -> Result<()> {
        let mut seen = BTreeSet::new();
        while let Some(&clip) = outings.first() {
            alive();
            let gap_ms = self.judge.linking.outing_gap.as_millis() as i64;
            // An outing that cannot be read must not keep the others waiting, nor the catalogue.
            let around = passed(clip, self.store.read(move |r| r.unlinked_of_outing(clip, gap_ms)).await)?;
            let around = around.unwrap_or_default();
            let unseen: Vec<ClipId> = around.into_iter().filter(|c| seen.insert(*c)).collect();
            let clerk = Arc::clone(self);
            let news = self.store.read(move |r| clerk.news_of(r, &unseen)).await?;
            self.annotate_each(news, alive).await?;
            outings.remove(&clip);
        }
        Ok(())
    }

    async fn annotate_each(self: &Arc<Self>, clips: Vec<ClipId>, alive: &impl Fn()) -> Result<()> {
        for clip in clips {
            alive();
            let clerk = Arc::clone(self);
            passed(clip, self.store.write(move |tx| clerk.annotate(tx, clip)).await)?;
        }
        Ok(())
    }

    /// Those of these clips about which the rules have something new to say.
    fn news_of(&self, r: &Reader<'_>, clips: &[ClipId]) -> Result<Vec<ClipId>> {
        let now_ms = self.clock.now().0;
        let mut news = Vec::new();
        for clip in clips {
            if passed(*clip, self.judge.judge(r, *clip, now_ms))?.is_some_and(|found| found.is_news) {
                news.push(*clip);
            }
        }
        Ok(news)
    }

    async fn catalogue(self: &Arc<Self>) -> Result<()> {
        loop {
            let clerk = Arc::clone(self);
            let lines =
                self.store.write(move |tx| tx.catalogue(&clerk.policy, &clerk.destinations, CATALOGUE_LINES)).await?;
            if lines < CATALOGUE_LINES as usize {
                return Ok(());
            }
        }
    }

    /// Applies the rules to one clip: facts that are new, a link that is sure, and what waits for a person.
    fn annotate(&self, tx: &Tx<'_>, clip: ClipId) -> Result<()> {
        self.judge.judge(&tx.read(), clip, tx.now_ms())?.carry_out(tx, clip).map(|_| ())
    }
}

/// One clip that the rules choke on must not keep every later one from its record, and so from being sent.
fn passed<T>(clip: ClipId, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(e) if e.retry() == Retry::Permanent => {
            tracing::error!(%clip, error = %chain(&e), "the rules could not be applied to this clip; it waits, the others go on");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// What the rules have to look at once more.
#[derive(Default)]
struct Again {
    /// Every clip that lacks something.
    all: bool,
    /// With those, every clip whose case may have been opened meanwhile.
    cases: bool,
    /// The outings of these clips.
    outings: BTreeSet<ClipId>,
}

/// What the clerk hears, and what it makes of it.
struct Heard {
    news: broadcast::Receiver<Change>,
    again: Again,
    /// A clip may be stale of which nothing more is heard.
    fresh: bool,
    /// When the catalogue was written last, by the clock that only goes on.
    catalogued_ms: i64,
}

impl Heard {
    /// Takes in what happened meanwhile; `true` where some of it makes work.
    fn catch_up(&mut self) -> bool {
        let mut works = false;
        loop {
            match self.news.try_recv() {
                Ok(change) => works |= self.again.hear(change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {
                    (self.again.all, self.again.cases, works) = (true, true, true);
                }
                Err(_) => return works,
            }
        }
    }

    /// Waits for a change that makes work.
    async fn wait(&mut self) {
        loop {
            match self.news.recv().await {
                Ok(change) if self.again.hear(change) => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    (self.again.all, self.again.cases) = (true, true);
                    return;
                }
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Again {
    /// `true` for a change that makes work.
    fn hear(&mut self, change: Change) -> bool {
        match change {
            Change::Rules => (self.all, self.cases) = (true, true),
            Change::Recorders => self.all = true,
            Change::Outing(clip) => drop(self.outings.insert(clip)),
            Change::Clip(_) => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casework::judge::tests::{NOON, import_columns, judge, policy, station};
    use crate::domain::event::Actor;
    use crate::domain::record::{Field, Origin, settle};
    use crate::runtime::clock::StoppedClock;

    #[test]
    fn each_change_makes_the_rules_look_at_what_it_may_help_and_at_nothing_else() {
        let clip = ClipId::generate(1);
        let heard = |change: Change| {
            let mut again = Again::default();
            let works = again.hear(change);
            (works, again.all, again.cases, again.outings.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(heard(Change::Rules), (true, true, true, vec![]), "registers, rosters, what was filed");
        assert_eq!(heard(Change::Recorders), (true, true, false, vec![]), "who had which recorder");
        assert_eq!(heard(Change::Outing(clip)), (true, false, false, vec![clip]));
        assert_eq!(heard(Change::Clip(clip)), (true, false, false, vec![]), "it is stale, and found by that");
        assert_eq!(heard(Change::Log), (false, false, false, vec![]));
        assert_eq!(heard(Change::Holds), (false, false, false, vec![]));
    }

    #[test]
    fn news_that_came_too_fast_make_everything_be_looked_at_again() {
        let (send, news) = broadcast::channel(2);
        let mut heard = Heard { news, again: Again::default(), fresh: false, catalogued_ms: 0 };
        for _ in 0..5 {
            send.send(Change::Log).unwrap();
        }
        assert!(heard.catch_up());
        assert!(heard.again.all && heard.again.cases, "one of those that were lost may have been of a register");
        heard.again = Again::default();
        let clip = ClipId::generate(1);
        send.send(Change::Outing(clip)).unwrap();
        assert!(heard.catch_up());
        assert!(!heard.again.all && heard.again.outings.contains(&clip), "after that they are heard again one by one");
        send.send(Change::Log).unwrap();
        assert!(!heard.catch_up(), "that makes no work");
    }

    #[test]
    fn a_clip_that_comes_in_during_a_review_gets_its_record_between_two_batches() {
        let (_dir, store, clip) = station("DSJ_R1_000000_20260619_100000.mp4");
        let clock = StoppedClock::at(NOON) as Arc<dyn Clock>;
        let news = store.changes();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (policy, destinations) = (policy(), vec![]);
        let clerk = Arc::new(Clerk { store: store.clone(), judge: judge(), policy, destinations, clock });
        let mut heard = Heard { news, again: Again::default(), fresh: false, catalogued_ms: 0 };
        let stale = || store.read_blocking(|r| r.stale_records(9)).unwrap();
        runtime.block_on(clerk.give_way(&mut heard, &|| ())).unwrap();
        assert_eq!(stale(), [clip], "nothing was heard");
        let said = [(Field::Place, Origin::Person, "东关街18号".to_owned())];
        store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &said)).unwrap();
        runtime.block_on(clerk.give_way(&mut heard, &|| ())).unwrap();
        assert!(stale().is_empty() && heard.fresh, "there may be more of them");
        assert!(heard.again.outings.contains(&clip), "and what else it changes is not forgotten");
        runtime.block_on(clerk.give_way(&mut heard, &|| ())).unwrap();
        runtime.block_on(clerk.give_way(&mut heard, &|| ())).unwrap();
        assert!(!heard.fresh);
    }

    #[test]
    fn a_clip_that_lacks_nothing_is_judged_anew_once_its_roster_is_corrected_undone_or_taken_away() {
        let (_dir, store, clip) = station("a.mp4");
        let clock = StoppedClock::at(NOON) as Arc<dyn Clock>;
        let news = store.changes();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (policy, destinations) = (policy(), vec![]);
        let clerk = Arc::new(Clerk { store: store.clone(), judge: judge(), policy, destinations, clock });
        let mut heard = Heard { news, again: Again::default(), fresh: false, catalogued_ms: 0 };
        let mut review = || {
            let stop = CancellationToken::new();
            runtime.block_on(clerk.review(true, &mut heard, &stop, &|| ())).unwrap();
            store
                .read_blocking(|r| {
                    assert_eq!(r.roster_due()?, None, "all of it was looked at");
                    let officer = settle(&r.facts(clip)?).get(&Field::Officer).map(|f| f.value.clone());
                    let waits = r.suggestions_waiting(clip)?.0.len();
                    Ok((officer, r.links(clip)?.len(), waits, r.incomplete(None, 9)?.is_empty()))
                })
                .unwrap()
        };
        let import = |officer: &str| {
            let row = "R1,2026-06-19 09:00,2026-06-19 12:00,赵卫罚〔2026〕1号,东关街18号,后厨卫生";
            let columns = "officer,recorder,from,to,case,place,proves";
            import_columns(&store, columns, &format!("{officer},{row}\n"));
        };
        let officer = |name: &str| Some(name.to_owned());
        import("张三");
        assert_eq!(review(), (officer("张三"), 1, 0, true), "it lacks nothing");
        import("李四");
        assert_eq!(review(), (officer("李四"), 1, 0, true));
        store.write_blocking(|tx| tx.undo_roster("x", &Actor::os(7), "cli")).unwrap();
        assert_eq!(review(), (officer("张三"), 1, 0, true));
        store.write_blocking(|tx| tx.remove_roster("x", &Actor::os(7), "cli")).unwrap();
        assert_eq!(review(), (None, 0, 1, false), "what the roster said of its case waits");
        // What has nothing to do with a change is not looked at.
        let other = "张三,R2,2026-06-19 09:00,2026-06-19 12:00\n王五,R1,2026-06-22 09:00,2026-06-22 12:00\n";
        import_columns(&store, "officer,recorder,from,to", other);
        let due = store
            .read_blocking(|r| Ok((r.roster_due()?, r.of_roster_due(&r.roster_due()?.unwrap(), None, 9)?)))
            .unwrap();
        let (due, (last, clips)) = (due.0.unwrap(), due.1);
        assert_eq!((due.recorder.as_str(), last, clips.len()), ("R1", None, 0), "R2 was never docked here");
        review();
    }

    #[test]
    fn a_clip_that_rules_choke_on_is_passed_over_and_what_may_get_better_is_not() {
        let clip = ClipId::generate(1);
        let choked = passed::<()>(clip, Err(StoreError::Conflict(crate::domain::why::Why::said("x"))));
        assert!(matches!(choked, Ok(None)));
        assert!(matches!(passed::<()>(clip, Err(StoreError::Closed)), Err(StoreError::Closed)));
        assert!(matches!(passed(clip, Ok(7)), Ok(Some(7))));
    }
}
